"""ws:// between our sockets, and against peers that are made by hand."""

from __future__ import annotations

import socket
import ssl
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
import trustme

import minihttp
import minizmtp as zmq
from minizmtp import Event
from minizmtp.net.security import choose_connection
from minizmtp.net.tls import TlsStream, secure
from minizmtp.net.transports import Stream
from minizmtp.options import Options
from minizmtp.wire.upgrade import accept_token
from minizmtp.wire.websocket import encode_frame
from tests.minizmtp.helpers import pair, until

WS = "ws://127.0.0.1:*/zws"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\1\2\3\4"


def request(
    path: str = "/zws", offer: str = "ZWS2.0/NULL", key: bytes = KEY, version: str = "13", method: str = "GET"
) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: {version}\r\n"
        f"Sec-WebSocket-Protocol: {offer}\r\n\r\n"
    ).encode()


def ready(kind: bytes) -> bytes:
    return b"\2\5READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind


def said(payload: bytes, opcode: int = 2) -> bytes:
    """A frame of a client."""
    return encode_frame(payload, opcode, MASK)


class Peer:
    """A stream with octets that are read until they end in something."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._rest = b""

    async def send(self, octets: bytes) -> None:
        await self.stream.send_all(octets)

    async def read(self, count: int) -> bytes:
        while len(self._rest) < count:
            data = await self.stream.receive_some()
            assert data, f"the stream ended after {self._rest!r}"
            self._rest += data
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    async def head(self) -> bytes:
        """Of a request or a response."""
        found = b""
        while not found.endswith(b"\r\n\r\n"):
            found += await self.read(1)
        return found

    async def frame(self) -> bytes:
        """A short one, of a server."""
        header = await self.read(2)
        return header + await self.read(header[1])

    async def all(self) -> bytes:
        found = self._rest
        async for data in self.stream:
            found += data
        return found


@pytest.fixture(autouse=True)
async def _limit(nursery: trio.Nursery) -> None:
    """A test that waits for what does not come fails by itself."""

    async def fail() -> None:
        await trio.sleep(4)
        raise trio.TooSlowError

    nursery.start_soon(fail)


Dial = Callable[[zmq.Socket], Awaitable[Peer]]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connects a peer to a bound socket."""
    peers = []

    async def dial(sock: zmq.Socket) -> Peer:
        port = int(sock.last_endpoint.split(":")[2].split("/")[0])
        peers.append(Peer(await trio.open_tcp_stream("127.0.0.1", port)))
        return peers[-1]

    yield dial
    for peer in peers:
        await peer.stream.aclose()


@asynccontextmanager
async def server(reply: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers each request with the same octets: its endpoint, and the requests."""
    requests: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        peer = Peer(stream)
        head = await peer.head()
        requests.append(head)
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
        await peer.send(reply.replace(b"TOKEN", accept_token(key)))
        await peer.all()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/zws", requests
        nursery.cancel_scope.cancel()


ACCEPTS = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: TOKEN\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n"
)


# ------------------------------------------------------------------------------------------------------- two of ours


@pytest.mark.requirement("45-1", "45-2")
async def test_messages_of_all_sizes_arrive_whole() -> None:
    async with zmq.Context() as ctx:
        bound, connected = await pair(ctx, zmq.PAIR, zmq.PAIR, WS)
        for size in (0, 1, 124, 125, 65534, 65535, 65536, 300_000):
            for one, other in [(bound, connected), (connected, bound)]:
                await one.send_multipart([b"", b"x" * size, b"y" * size])
                assert await other.recv_multipart() == [b"", b"x" * size, b"y" * size]


@pytest.mark.slow
async def test_a_flood_arrives_in_order_in_both_directions() -> None:
    async with zmq.Context() as ctx:
        bound, connected = await pair(ctx, zmq.PAIR, zmq.PAIR, WS)
        for one, other in [(bound, connected), (connected, bound)]:
            async with trio.open_nursery() as nursery:

                async def flood(sock: zmq.Socket = one) -> None:
                    for number in range(5000):
                        await sock.send(b"%05d" % number + b"z" * (number % 3))

                nursery.start_soon(flood)
                for number in range(5000):
                    assert await other.recv() == b"%05d" % number + b"z" * (number % 3)


@pytest.mark.requirement("45-9")
async def test_a_subscription_is_a_message(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        xpub = ctx.socket(zmq.XPUB, linger=0)
        xpub.bind(WS)
        peer = await dial(xpub)
        await peer.send(request() + said(ready(b"SUB")) + said(b"\0\1news"))
        assert await xpub.recv() == b"\1news"


async def test_monitors_tell_what_they_tell_of_tcp() -> None:
    async with zmq.Context() as ctx:
        rep, req = ctx.socket(zmq.REP, linger=0), ctx.socket(zmq.REQ, linger=0)
        here, there = rep.monitor(), req.monitor()
        rep.bind(WS)
        req.connect(rep.last_endpoint)
        for told, events in [
            (here, [Event.LISTENING, Event.ACCEPTED, Event.HANDSHAKE_SUCCEEDED]),
            (there, [Event.CONNECT_DELAYED, Event.CONNECTED, Event.HANDSHAKE_SUCCEEDED]),
        ]:
            for event in events:
                assert (await anext(aiter(told))).event is event


async def test_a_type_that_does_not_fit_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        push, sub = ctx.socket(zmq.PUSH, linger=0), ctx.socket(zmq.SUB, linger=0)
        push.bind(WS)
        monitor = sub.monitor()
        sub.connect(push.last_endpoint)
        told = await until(monitor, Event.HANDSHAKE_FAILED_PROTOCOL)
        assert "SUB cannot talk to PUSH, expected PUB or XPUB" in told.reason


@pytest.mark.parametrize("kind", ["plain", "curve"])
@pytest.mark.requirement("45-5")
async def test_mechanisms_are_subprotocols(kind: str) -> None:
    async with zmq.Context() as ctx:
        server, client = ctx.socket(zmq.REP, linger=0), ctx.socket(zmq.REQ, linger=0)
        if kind == "plain":
            server.plain_server = 1
            client.plain_username, client.plain_password = b"me", b"secret"
        else:
            public, secret = zmq.curve_keypair()
            server.curve_server, server.curve_secretkey = 1, secret
            client.curve_serverkey = public
            client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
        async with _all_allowed(ctx):
            server.bind(WS)
            client.connect(server.last_endpoint)
            for size in (0, 300, 70_000):
                await client.send(b"q" * size)
                assert await server.recv() == b"q" * size
                await server.send_multipart([b"a" * size, b"b"])
                assert await client.recv_multipart() == [b"a" * size, b"b"]


@asynccontextmanager
async def _all_allowed(ctx: zmq.Context) -> AsyncIterator[None]:
    from minizmtp.auth import Authenticator

    async with Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"me": "secret"})
        auth.configure_curve(location=zmq.auth.CURVE_ALLOW_ANY)
        yield


# ------------------------------------------------------------------------------------------------ a client by hand


@pytest.mark.parametrize("asks_handler", [False, True])
async def test_a_large_message_may_come_in_one_read_with_ready(dial: Dial, asks_handler: bool) -> None:
    async with zmq.Context() as ctx, _all_allowed(ctx):
        pull = ctx.socket(zmq.PULL, linger=0)
        if asks_handler:
            pull.zap_domain = b"test"
        pull.bind(WS)
        peer = await dial(pull)
        await peer.send(request() + said(ready(b"PUSH")) + said(b"\0" + bytes(70_000)) + said(b"\0more"))
        assert await pull.recv() == bytes(70_000)
        assert await pull.recv() == b"more"


@pytest.mark.requirement("45-6")
async def test_a_request_becomes_a_connection(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        peer = await dial(pull)
        octets = request(offer="chat, ZWS2.0/NULL,ZWS2.0") + said(ready(b"PUSH")) + said(b"\1a") + said(b"\0b")
        for octet in octets:  # one by one
            await peer.send(bytes([octet]))
        assert await pull.recv_multipart() == [b"a", b"b"]
        head = await peer.head()
        assert head == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n"
        )
        assert await peer.frame() == b"\x82\x1b" + ready(b"PULL")


@pytest.mark.requirement("45-8")
async def test_without_a_mechanism_the_routing_id_is_first(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0, routing_id=b"we")
        router.bind(WS)
        peer = await dial(router)
        await peer.send(request(offer="ZWS2.0") + said(b"\0me") + said(b"\0hello"))
        assert await router.recv_multipart() == [b"me", b"hello"]
        await router.send_multipart([b"me", b"answer"])
        await peer.head()
        assert await peer.frame() == b"\x82\x03\0we"
        assert await peer.frame() == b"\x82\x07\0answer"


@pytest.mark.requirement("45-4", "45-6", "45-7")
@pytest.mark.parametrize(
    ("octets", "status", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"426 Upgrade Required", b"GET / without `Upgrade: websocket`"),
        (request(version="8"), b"426 Upgrade Required", b"another Sec-WebSocket-Version than 13"),
        (request(key=b"c2hvcnQ="), b"400 Bad Request", b"without a Sec-WebSocket-Key of 16 octets in base64"),
        (request(key=b"?" * 24), b"400 Bad Request", b"without a Sec-WebSocket-Key of 16 octets in base64"),
        (request(method="POST"), b"400 Bad Request", b"POST /zws, expected a GET"),
        (request(path="/other"), b"404 Not Found", b"GET /other, expected the path /zws"),
        (request(offer="chat"), b"400 Bad Request", b"offers the subprotocols chat, expected ZWS2.0/NULL or ZWS2.0"),
        (request(offer="ZWS2.0/PLAIN"), b"400 Bad Request", b"expected ZWS2.0/NULL or ZWS2.0"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\r\n\r\n", b"400 Bad Request", b"no valid HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20000, b"400 Bad Request", b"no valid HTTP/1.1"),
    ],
)
async def test_a_bad_request_is_told_why(dial: Dial, octets: bytes, status: bytes, words: bytes) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        monitor = pull.monitor()
        peer = await dial(pull)
        await peer.send(octets)
        answer = await peer.all()
        assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
        assert words in answer
        told = await until(monitor, Event.HANDSHAKE_FAILED_PROTOCOL)
        assert words.decode() in told.reason


ORIGINS = [
    ("http://127.0.0.1:8000", b"", True),
    ("http://localhost", b"", True),
    ("https://[::1]:8000", b"", True),
    ("http://evil.example", b"", False),
    ("http://127.0.0.1.evil.example", b"", False),
    ("http://192.0.2.1", b"", False),
    ("null", b"", False),
    ("https://app.example", b"http://a.example https://APP.example", True),
    ("https://app.example:8443", b"https://app.example", False),
    ("http://evil.example", b"*", True),
]


@pytest.mark.parametrize(("origin", "allowed", "is_accepted"), ORIGINS)
@pytest.mark.requirement("45-6")
async def test_a_page_needs_an_origin_that_is_allowed(
    dial: Dial, origin: str, allowed: bytes, is_accepted: bool
) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0, ws_origins=allowed)
        pull.bind(WS)
        peer = await dial(pull)
        here = pull.last_endpoint.split("/")[2]
        head = request(offer="ZWS2.0").replace(b"localhost", here.encode())
        await peer.send(head.replace(b"Upgrade:", f"Origin: {origin}\r\nUpgrade:".encode(), 1))
        if is_accepted:
            assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
            return
        answer = await peer.all()
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert f"by a page from {origin}, which is not allowed here (ws_origins)".encode() in answer


async def test_a_name_that_was_rebound_to_us_is_no_origin(dial: Dial) -> None:
    """The page's own server says that its name is our address, so Origin and Host are alike."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        peer = await dial(pull)
        head = request(offer="ZWS2.0").replace(b"Host: localhost", b"Host: evil.example\r\nOrigin: http://evil.example")
        await peer.send(head)
        assert (await peer.all()).startswith(b"HTTP/1.1 403 Forbidden\r\n")


@pytest.mark.parametrize(
    "value",
    [
        b"app.example",
        b"https://app.example/",
        b"https://app.example,https://b.example",
        b"https://*.example",
        b"https://app.example:443",
        b"HTTP://app.example:80 https://app.example",
        "https://größe.example".encode(),
    ],
)
async def test_an_origin_that_no_browser_sends_is_refused(value: bytes) -> None:
    """It would never match, and so the page would not get in."""
    async with zmq.Context() as ctx:
        with pytest.raises(zmq.ZMQError, match="expected SCHEME://HOST as a browser sends it"):
            ctx.socket(zmq.PULL, ws_origins=value)
        ctx.socket(zmq.PULL, ws_origins=b"null http://app.example:443 https://[2001:db8::1]:8443 moz-extension://a-b")


async def test_half_a_request_ends_after_handshake_ivl(dial: Dial, mock_clock: trio.testing.MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0, handshake_ivl=3000)
        pull.bind(WS)
        monitor = pull.monitor()
        peer = await dial(pull)
        await peer.send(request()[:50])
        await until(monitor, Event.ACCEPTED)
        mock_clock.jump(3.1)
        told = await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
        assert "no handshake within 3000 ms" in told.reason
        assert await peer.all() == b""


async def test_a_peer_that_leaves_in_the_request_is_told_of(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        monitor = pull.monitor()
        peer = await dial(pull)
        await peer.send(request()[:50])
        await peer.stream.aclose()
        told = await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
        assert "after 50 octets of HTTP, before the WebSocket was there" in told.reason


async def test_a_ping_of_the_websocket_is_answered(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        peer = await dial(pull)
        await peer.send(request() + said(ready(b"PUSH")) + said(b"p" * 125, 9) + said(b"\0after"))
        assert await pull.recv() == b"after"
        await peer.head()
        await peer.frame()
        assert await peer.frame() == b"\x8a\x7d" + b"p" * 125


@pytest.mark.parametrize("asks_handler", [False, True])
async def test_pings_before_ready_do_not_stop_the_handshake(dial: Dial, asks_handler: bool) -> None:
    """They use up the allowance of the run that reads them, and the rest needs another run."""
    async with zmq.Context() as ctx, _all_allowed(ctx):
        pull = ctx.socket(zmq.PULL, linger=0, zap_domain=b"test" if asks_handler else b"")
        pull.bind(WS)
        peer = await dial(pull)
        await peer.send(request() + said(b"", 9) * 50 + said(ready(b"PUSH")) + said(b"", 9) * 50 + said(b"\0after"))
        assert await pull.recv() == b"after"


async def test_heartbeats_are_pings_of_the_websocket(dial: Dial, quick_clock: trio.testing.MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0, heartbeat_ivl=1000, heartbeat_timeout=1500)
        pull.bind(WS)
        monitor = pull.monitor()
        peer = await dial(pull)
        await peer.send(request() + said(ready(b"PUSH")))
        await peer.head()
        await peer.frame()
        assert await peer.frame() == b"\x89\x00"
        await peer.send(said(b"", 10))
        assert await peer.frame() == b"\x89\x00"
        told = await until(monitor, Event.DISCONNECTED)
        assert "no sign of life for 1.5 s" in told.reason


async def test_a_close_is_answered_with_its_code(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        monitor = pull.monitor()
        peer = await dial(pull)
        await peer.send(request() + said(ready(b"PUSH")) + said(b"\0last") + said(b"\x03\xe9bye", 8))
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
        assert await pull.recv() == b"last"
        told = await until(monitor, Event.DISCONNECTED)
        assert "closed by the peer with close code 1001: bye" in told.reason
        await peer.head()
        await peer.frame()
        assert await peer.frame() == b"\x88\x02\x03\xe9"


@pytest.mark.parametrize(
    ("octets", "code", "words"),
    [
        (said(b"text", 1), 1003, b"a text message"),
        (b"\x82\x01\0", 1002, b"frame with no mask"),
        (said(b"\0" + b"x" * 1001), 1009, b"frame of 1001 octets, expected at most 1000"),
        (b"\x82\xff\0\0\1\0\0\0\0\0" + MASK, 1009, b"frame of 1099511627775 octets"),
        (said(b"\x05"), 1002, b"frame flags are 05"),
    ],
)
async def test_a_broken_rule_is_closed_with_its_code(dial: Dial, octets: bytes, code: int, words: bytes) -> None:
    """What came before it is delivered."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0, maxmsgsize=1000)
        pull.bind(WS)
        peer = await dial(pull)
        await peer.send(request() + said(ready(b"PUSH")) + said(b"\0before") + octets)
        assert await pull.recv() == b"before"
        await peer.head()
        await peer.frame()
        closing = await peer.frame()
        assert closing[0] == 0x88
        assert closing[2:4] == code.to_bytes(2, "big")
        assert words in closing


async def test_a_socket_that_closes_says_so(dial: Dial) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(WS)
        monitor = pull.monitor()
        peer = await dial(pull)
        await peer.send(request() + said(ready(b"PUSH")))
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
        pull.close()
        await peer.head()
        await peer.frame()
        assert await peer.frame() == b"\x88\x02\x03\xe9"


# ------------------------------------------------------------------------------------------------ a server by hand


@pytest.mark.requirement("45-5", "45-7")
async def test_the_request_names_host_path_and_offers() -> None:
    async with server(ACCEPTS) as (endpoint, requests), zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(endpoint)
        await until(monitor, Event.CONNECTED)
        await trio.testing.wait_all_tasks_blocked(0.01)
        lines = requests[0].decode().split("\r\n")
        assert lines[:2] == ["GET /zws HTTP/1.1", f"Host: {endpoint[5:-4]}"]
        assert "Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0" in lines


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the server answers 404 Not Found, expected 101"),
        (ACCEPTS.replace(b"TOKEN", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "Sec-WebSocket-Accept does not fit our key"),
        (ACCEPTS.replace(b"ZWS2.0/NULL", b"ZWS2.0/PLAIN"), "chose the subprotocol ZWS2.0/PLAIN, expected one of"),
        (ACCEPTS.replace(b"Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n", b""), "chose the subprotocol none, expected"),
        (ACCEPTS.replace(b"Upgrade: websocket\r\n", b""), "101 without `Upgrade: websocket`"),
        (
            ACCEPTS.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            "the server chose an extension",
        ),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\3\0NULL\r\n\r\n", "no valid HTTP/1.1"),
    ],
)
async def test_another_answer_than_101_is_told(reply: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    async with server(reply) as (endpoint, _), zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(endpoint)
        told = await until(monitor, Event.HANDSHAKE_FAILED_PROTOCOL)
        assert words in told.reason
        await until(monitor, Event.CONNECT_RETRIED)  # because the right server may come later


async def test_after_a_refusal_the_bare_subprotocol_is_offered() -> None:
    """A strict server refuses `ZWS2.0/NULL`, because RFC 6455 allows no slash there."""
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    async with server(refusal) as (endpoint, requests), zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=1)
        monitor = push.monitor()
        push.connect(endpoint)
        for _ in range(3):
            await until(monitor, Event.CONNECT_RETRIED)
        offers = [line for head in requests[:3] for line in head.decode().split("\r\n") if "-Protocol:" in line]
        both, bare = "Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0", "Sec-WebSocket-Protocol: ZWS2.0"
        assert offers == [both, bare, both]


async def test_a_hint_before_101_is_passed_over() -> None:
    reply = b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n" + ACCEPTS + encode_frame(ready(b"PULL"))
    async with server(reply) as (endpoint, _), zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(endpoint)
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)


async def test_a_routing_id_is_accepted_where_null_was_agreed() -> None:
    """So does jszmq's server."""
    async with server(ACCEPTS + encode_frame(b"\0") + encode_frame(b"\0hello")) as (endpoint, _), zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.connect(endpoint)
        assert await pull.recv() == b"hello"


# ------------------------------------------------------------------------------------------------------------- TLS

WSS = "wss://127.0.0.1:*/zws"


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's, with a certificate for 127.0.0.1, and a client's that trusts it."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.mark.slow
async def test_wss_carries_large_and_many_messages_both_ways(contexts: Contexts) -> None:
    async with zmq.Context() as ctx:
        bound = ctx.socket(zmq.PAIR, linger=0, ssl_context=contexts[0])
        connected = ctx.socket(zmq.PAIR, linger=0, ssl_context=contexts[1])
        bound.bind(WSS)
        connected.connect(bound.last_endpoint)
        for one, other in [(bound, connected), (connected, bound)]:
            async with trio.open_nursery() as nursery:

                async def send(sock: zmq.Socket = one) -> None:
                    await sock.send_multipart([b"first", bytes(3_000_000)])
                    for size in range(2000):
                        await sock.send(b"x" * size)

                nursery.start_soon(send)
                assert await other.recv_multipart() == [b"first", bytes(3_000_000)]
                for size in range(2000):
                    assert await other.recv() == b"x" * size


def tls_pair(
    contexts: Contexts,
) -> tuple[TlsStream, ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO, socket.socket]:
    """A stream of a server, and by hand the client: its TLS, where that reads from and writes to, and its socket."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    bios = [ssl.MemoryBIO() for _ in range(4)]
    server = contexts[0].wrap_bio(bios[0], bios[1], server_side=True)
    client = contexts[1].wrap_bio(bios[2], bios[3], server_hostname="127.0.0.1")
    for _ in range(2):
        for tls, sent, received in ((client, bios[3], bios[0]), (server, bios[1], bios[2])):
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            received.write(sent.read())
    return TlsStream(Stream(ours), server, bios[0], bios[1]), client, bios[2], bios[3], theirs


def send_until_stuck(stream: TlsStream) -> int:
    """Send as much as the system takes; how many octets. The last message did not leave whole."""
    sent, taken = 0, 1000
    while taken == 1000:
        taken = stream.try_send(bytes(1000))
        sent += taken
    assert 0 < taken < 1000
    return sent


async def test_over_wss_only_a_part_of_a_large_message_is_copied(contexts: Contexts) -> None:
    """The rest of it is offered again and again: to copy all each time took seconds for 64 MiB."""
    stream, client, incoming, _, theirs = tls_pair(contexts)
    body = memoryview(bytes(range(256)) * 65536)
    tracemalloc.start()
    try:
        taken = stream.try_send(b"front", bytes(body[:99]), body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(body) // 4
    incoming.write(theirs.recv(1 << 20))
    found = client.read(16384)
    assert found == (b"front" + body[:99] + body)[: len(found)]
    assert taken >= len(found) > 104
    theirs.close()
    stream.close()


async def test_over_wss_what_a_peer_sent_before_it_went_is_read(contexts: Contexts) -> None:
    stream, client, _, outgoing, theirs = tls_pair(contexts)
    send_until_stuck(stream)
    client.write(b"the last")
    theirs.send(outgoing.read())
    theirs.close()  # so nothing can be sent to it any more
    assert stream.try_receive() == b"the last"
    stream.close()


@pytest.mark.parametrize("end", [TlsStream.try_receive, TlsStream.close])
async def test_over_wss_what_is_sent_again_is_not_sent_before(
    contexts: Contexts, end: Callable[[TlsStream], object]
) -> None:
    stream, client, incoming, _, theirs = tls_pair(contexts)
    sent, received = send_until_stuck(stream), 0

    def read_all() -> None:
        nonlocal received
        with suppress(BlockingIOError):
            while octets := theirs.recv(65536):
                incoming.write(octets)
        with suppress(ssl.SSLWantReadError):
            while octets := client.read(65536):
                received += len(octets)

    read_all()  # which makes room
    end(stream)
    read_all()
    stream.close()
    theirs.close()
    assert received <= sent


async def test_a_certificate_that_is_not_trusted_is_told(contexts: Contexts, caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        bound, connected = ctx.socket(zmq.REP, linger=0, ssl_context=contexts[0]), ctx.socket(zmq.REQ, linger=0)
        here, there = bound.monitor(), connected.monitor()
        bound.bind(WSS)
        connected.connect(bound.last_endpoint)
        told = await until(there, Event.CLOSED)
        assert "the TLS handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED]" in told.reason
        told = await until(here, Event.HANDSHAKE_FAILED_NO_DETAIL)
        assert "the TLS handshake failed" in told.reason


async def test_a_bind_to_wss_needs_a_certificate() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.REP, linger=0)
        with pytest.raises(zmq.ZMQError, match="bind needs a certificate: set ssl_context"):
            sock.bind(WSS)


async def test_an_ssl_context_for_the_other_side_is_refused() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.REP, linger=0, ssl_context=ssl.create_default_context())
        with pytest.raises(zmq.ZMQError, match=r"has PROTOCOL_TLS_CLIENT: bind needs .*CLIENT_AUTH"):
            sock.bind(WSS)
        sock.ssl_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with pytest.raises(zmq.ZMQError, match=r"has PROTOCOL_TLS_SERVER: connect needs .*SERVER_AUTH"):
            sock.connect("wss://127.0.0.1:1")
        assert sock.last_endpoint == ""


async def test_a_context_of_another_type_is_refused() -> None:
    async with zmq.Context() as ctx:
        with pytest.raises(TypeError, match="expected SSLContext"):
            ctx.socket(zmq.REP, ssl_context="cert.pem")  # type: ignore[arg-type]


async def test_a_silent_peer_of_wss_ends_after_handshake_ivl(
    dial: Dial, contexts: Contexts, quick_clock: trio.testing.MockClock
) -> None:
    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP, linger=0, ssl_context=contexts[0], handshake_ivl=3000)
        rep.bind(WSS)
        monitor = rep.monitor()
        peer = await dial(rep)
        told = await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
        assert "no TLS handshake within 3000 ms" in told.reason
        assert await peer.all() == b""


async def test_a_close_in_the_tls_handshake_leaves_nothing(dial: Dial, contexts: Contexts) -> None:
    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP, linger=0, ssl_context=contexts[0])
        rep.bind(WSS)
        peer = await dial(rep)
        await trio.testing.wait_all_tasks_blocked(0.01)
        rep.close()
        assert await peer.all() == b""


async def test_an_unbind_at_the_end_of_the_tls_handshake_closes_it(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the stream were only forgotten, Python would warn of a socket that was not closed."""
    async with zmq.Context() as ctx:
        bound = ctx.socket(zmq.REP, linger=0, ssl_context=contexts[0])
        connected = ctx.socket(zmq.REQ, linger=0, ssl_context=contexts[1])

        async def secure_and_unbind(stream: Stream, options: Options) -> TlsStream:
            secured = await secure(stream, options)
            bound.unbind(bound.last_endpoint)
            return secured

        monkeypatch.setattr("minizmtp.net.acceptor.secure", secure_and_unbind)
        bound.bind(WSS)
        monitor = connected.monitor()
        connected.connect(bound.last_endpoint)
        await until(monitor, Event.DISCONNECTED)


# ------------------------------------------------------------------------------------------------------- the extra


async def test_without_h11_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "minizmtp.wire.switched", raising=False)
    monkeypatch.setitem(sys.modules, "minizmtp.wire.switched", None)
    from minizmtp.net.endpoints import parse_endpoint
    from minizmtp.options import Options

    with pytest.raises(zmq.ZMQError, match=r"pip install 'minizmtp\[ws\]'"):
        choose_connection(zmq.PULL, Options(), parse_endpoint(WS))


# -------------------------------------------------------------------------------------------- a port shared with HTTP


async def test_minihttp_and_a_socket_share_a_port(nursery: trio.Nursery) -> None:
    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP, linger=0)

        async def handler(request: minihttp.Request) -> minihttp.Response:
            if request.url.path == "/zmq":
                return minihttp.Handover(rep.adopt)
            return minihttp.Response(200, text="a page")

        (listener,) = await nursery.start(partial(minihttp.serve, handler, "127.0.0.1"))
        port = listener.socket.getsockname()[1]
        async with minihttp.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "a page"
        for identity in (b"one", b"two"):
            req = ctx.socket(zmq.REQ, linger=0, routing_id=identity)
            req.connect(f"ws://127.0.0.1:{port}/zmq")
            await req.send(b"q")
            assert await rep.recv() == b"q"
            await rep.send(b"a")
            assert await req.recv() == b"a"
        assert [peer.endpoint for peer in rep.peers()] == [f"ws://127.0.0.1:{port}/"] * 2
        rep.unbind(f"ws://127.0.0.1:{port}/")
        assert rep.peers() == []
        nursery.cancel_scope.cancel()


async def test_a_plain_request_that_is_handed_over_is_told_why(nursery: trio.Nursery) -> None:
    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP, linger=0)

        async def handler(request: minihttp.Request) -> minihttp.Response:
            return minihttp.Handover(rep.adopt)

        (listener,) = await nursery.start(partial(minihttp.serve, handler, "127.0.0.1"))
        async with minihttp.AsyncClient() as client:
            response = await client.get(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/zmq")
        assert response.status_code == 426
        assert "GET /zmq without `Upgrade: websocket`" in response.text
        nursery.cancel_scope.cancel()


async def test_a_handover_to_a_closed_socket_closes_the_connection(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    connections = []
    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP)
        rep.close()

        def to(sock: socket.socket, octets: bytes) -> None:
            connections.append(sock)
            rep.adopt(sock, octets)

        async def handler(request: minihttp.Request) -> minihttp.Response:
            return minihttp.Handover(to)

        (listener,) = await nursery.start(partial(minihttp.serve, handler, "127.0.0.1"))
        async with minihttp.AsyncClient() as client:
            with pytest.raises(minihttp.RemoteProtocolError):
                await client.get(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/zmq")
        assert [sock.fileno() for sock in connections] == [-1]
        assert "this REP socket is closed" in caplog.text
        caplog.clear()
        nursery.cancel_scope.cancel()


async def test_a_handover_is_to_a_function() -> None:
    with pytest.raises(TypeError, match=r"such as sock\.adopt"):
        minihttp.Handover(None)  # type: ignore[arg-type]
