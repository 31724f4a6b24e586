"""Invariants for any octets that arrive as HTTP; `targets` has those for ZMTP.

    server      octets from a client: each connection ends without an exception or a log record, each response is a
                success or blames the client, and the next client is served
    response    octets from a server: the client raises only minihttp's exceptions, no piece and no body is larger than
                allowed, and the next request of the same client gets its own response, not the rest of this one

Both ends are a pair of Unix sockets in this process, and the clock is virtual. So a wait takes no real time, and a wait
without end is detected.
"""

import gzip
import logging
import ssl
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from unittest.mock import patch

import trio
from trio.testing import MockClock

import minihttp
from minihttp.connection import Connection
from minihttp.server import watch
from minihttp.session import Rules, Session
from minihttp.streams import READ

FOR_EVER = 3600.0  # virtual seconds: longer than all timeouts of both ends together
MOST_CONTENT = 100_000
MOST_HEADERS = 2000
MOST_BODY = 3000
AUTOMATIC = 300  # most octets of a response without the handler's content
BLAME = {b"400", b"408", b"413", b"414", b"417", b"431", b"501", b"505"}


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(FOR_EVER):
            await main()

    # The clock jumps after 2 ms without work, because trio doesn't see octets under way between real sockets.
    trio.run(bounded, clock=MockClock(autojump_threshold=0.002))


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    one, other = trio.socket.socketpair()
    return trio.SocketStream(one), trio.SocketStream(other)


async def say(stream: trio.SocketStream, octets: bytes, cut: int, *, hang_up: bool) -> None:
    """Send all octets, in pieces of `cut` octets (0: one piece), to a peer that may have disconnected."""
    step = cut or len(octets) or 1
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        for at in range(0, len(octets), step):
            await stream.send_all(octets[at : at + step])
            if cut:
                await trio.testing.wait_all_tasks_blocked()
        if hang_up:
            await stream.send_eof()


# ------------------------------------------------------------------------------------------------------------ server


async def echoing(request: minihttp.Request) -> minihttp.Response:
    body = await request.aread()
    assert len(body) <= MOST_BODY
    return minihttp.Response(200, content=body)


async def streaming(request: minihttp.Request) -> minihttp.Response:
    """Send the response while the request arrives."""
    return minihttp.Response(200, content=request.aiter_bytes())


async def half_deaf(request: minihttp.Request) -> minihttp.Response:
    """Read only the first piece."""
    async for _ in request.aiter_bytes():
        break
    return minihttp.Response(200, json={"path": request.url.path, "query": str(request.url)})


async def deaf(request: minihttp.Request) -> minihttp.Response:
    return minihttp.Response(204)


HANDLERS = [echoing, streaming, half_deaf, deaf]


class Ears(logging.Handler):
    """Collects the server's log records; no client may cause one."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.heard.append(f"{record.getMessage()}: {error!r}")


@contextmanager
def listening() -> Iterator[None]:
    log, ears = logging.getLogger("minihttp.server"), Ears()
    log.addHandler(ears)
    propagate, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(ears)
        log.propagate = propagate
    assert not ears.heard, ears.heard


def server(data: bytes) -> None:
    """The first three octets choose the handler, the end and the cuts; the client sends the rest."""
    choice, stranger = data[:3].ljust(3, b"\0"), data[3:]
    handler = HANDLERS[choice[0] % len(HANDLERS)]

    async def both() -> None:
        answer = await served(handler, stranger, choice[2], hang_up=bool(choice[1] & 1))
        assert len(answer) <= AUTOMATIC + len(stranger) * (AUTOMATIC // len("GET / HTTP/1.0\n\n") + 1)
        if answer:
            version, _, rest = answer.partition(b" ")
            assert version == b"HTTP/1.1"
            assert rest[:1] in (b"1", b"2") or rest[:3] in BLAME, answer[:100]
        answer = await served(echoing, NEXT_QUESTION, 0, hang_up=True)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\nnext")

    with listening():
        run(both)


async def served(handler: minihttp.session.Handler, octets: bytes, cut: int, *, hang_up: bool) -> bytes:
    """The server's response to these octets, until it has closed the connection."""
    theirs, ours = pair()
    answer = bytearray()

    async def hear() -> None:
        with suppress(trio.BrokenResourceError):
            async for piece in theirs:
                answer.extend(piece)

    async with theirs, trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        nursery.start_soon(partial(say, theirs, octets, cut, hang_up=hang_up))
        rules = Rules(handler, MOST_HEADERS, 100, MOST_BODY, 30.0, 10.0)
        async with trio.open_nursery() as watching:
            watching.start_soon(watch, rules)
            await Session(ours, rules).run()
            watching.cancel_scope.cancel()
    return bytes(answer)


# ---------------------------------------------------------------------------------------------------------- response

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # for redirects to https; no server has TLS here
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]


def response(data: bytes) -> None:
    """The first three octets choose the request, how the response is read, and the cuts; the server sends the rest."""
    choice, octets = data[:3].ljust(3, b"\0"), data[3:]
    run(partial(ask_twice, choice, octets))


async def ask_twice(choice: bytes, octets: bytes) -> None:
    method = METHODS[choice[0] % len(METHODS)]
    body = {"content": b"question"} if method == "POST" else {}
    if choice[0] & 128:
        body["headers"] = {"Expect": "100-continue"}  # type: ignore[assignment]
    house = Stranger(octets, choice[2], hang_up=bool(choice[1] & 1))
    async with trio.open_nursery() as nursery:

        async def dial(self: Connection, *_: object) -> None:
            ours, theirs = pair()
            self.open(ours)
            nursery.start_soon(house.receive, theirs)

        with patch.object(Connection, "dial", dial):
            async with minihttp.AsyncClient(
                follow_redirects=bool(choice[1] & 2), max_redirects=3, verify=CONTEXT, max_content_size=MOST_CONTENT
            ) as client:
                with suppress(minihttp.HTTPError, minihttp.InvalidURL):
                    if choice[1] & 4:
                        await read_piece_by_piece(client, method, body)
                    else:
                        await read_whole(client, method, body)
                await house.has_said_it.wait()
                following = await client.get("http://a.example/next")
                assert (following.status_code, following.content) == (200, b"next")
                assert "0 active" in repr(client)
        nursery.cancel_scope.cancel()


async def read_whole(client: minihttp.AsyncClient, method: str, options: dict) -> None:
    got = await client.request(method, "http://a.example/", **options)
    assert len(got.content) <= MOST_CONTENT
    assert isinstance(got.text, str)
    assert isinstance(dict(got.cookies), dict)
    assert repr(got)
    assert got.elapsed.total_seconds() < FOR_EVER
    got.raise_for_status()


async def read_piece_by_piece(client: minihttp.AsyncClient, method: str, options: dict) -> None:
    size = 0
    async with client.stream(method, "http://a.example/", **options) as got:
        async for piece in got.aiter_bytes():
            assert 0 < len(piece) <= READ
            size += len(piece)
            if size > 10 * MOST_CONTENT:
                break


class Stranger:
    """Servers that answer correctly, except that the first response consists of the given octets."""

    def __init__(self, octets: bytes, cut: int, *, hang_up: bool) -> None:
        self.octets, self.cut, self.hang_up = octets, cut, hang_up
        self.is_the_first = True
        self.has_said_it = trio.Event()

    async def receive(self, stream: trio.SocketStream) -> None:
        first, self.is_the_first = self.is_the_first, False
        async with stream:
            with suppress(trio.BrokenResourceError):
                async for piece in stream:
                    if not piece.startswith(tuple(method.encode() for method in METHODS)):
                        continue  # the rest of a request, because our requests are small
                    if not first:
                        await stream.send_all(NEXT_ANSWER)
                        continue
                    first = False
                    await say(stream, self.octets, self.cut, hang_up=self.hang_up)
                    self.has_said_it.set()
                    if self.hang_up:
                        return


TARGETS = {"server": server, "response": response}


# ------------------------------------------------------------------------------------------------------------- seeds

NEXT_QUESTION = b"POST /next HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnext"
NEXT_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
ZIPPED = gzip.compress(b"hello " * 20, mtime=0)
BOMB = gzip.compress(bytes(20_000_000), mtime=0)
HOST = b"Host: a.example\r\n"

REQUESTS = [
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"HEAD /a?b=c HTTP/1.1\r\n" + HOST + b"Accept: */*\r\nCookie: a=b\r\n\r\n",
    b"GET http://a.example/%7Ex HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"PUT /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9999\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 999\r\n\r\nthis is not all",
    b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /" + b"x" * MOST_HEADERS + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PUT /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nfa0\r\n" + b"x" * 4000 + b"\r\n0\r\n\r\n",
    (b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n") * 3,
]

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = [
    OK + b"Content-Length: 5\r\n\r\nhello",
    OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: 5\r\n\r\n",
    OK + b"Content-Type: text/plain; charset=latin-1\r\n\r\nhello, up to the end",
    OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
    OK + b"Content-Encoding: deflate, gzip\r\n\r\n" + gzip.compress(zlib.compress(b"hello" * 20), mtime=0),
    OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello" * 20)[2:-4],
    OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x00",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: https://b.example:8443/x?y#z\r\nContent-Length: 2\r\n\r\ngo",
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: ../there\r\nContent-Length: 0\r\n\r\n",
    OK + b"Set-Cookie: a=b; Domain=example; Path=/; Max-Age=60; Secure\r\nSet-Cookie: c=d; Expires=Wed, 09 Jun 2100 "
    b"10:18:14 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.0 404 Not Found\r\n\r\nno",
    b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    (OK + b"Content-Length: 1\r\n\r\nx") * 2,
]


def seeds(target: str) -> list[bytes]:
    """The first inputs: correct and nearly correct requests and responses, for each handler and each request."""
    if target == "server":
        choices = [bytes([handler, ends, 0]) for handler in range(len(HANDLERS)) for ends in (0, 1)]
        return [choice + octets for choice in choices for octets in REQUESTS]
    kinds = [0, 1, 2, 128 + 2]
    choices = [bytes([kind, how]) for kind in kinds for how in (1, 2, 7)]
    cuts = [(0, octets) for octets in ANSWERS] + [(len(octets) // 2, octets) for octets in ANSWERS if len(octets) < 512]
    return [choice + bytes([cut]) + octets for choice in choices for cut, octets in cuts]
