"""The answer on one screen: what `python -m minizmtp.demo` prints when no part is named.

                      an HTTP/1.1 request           a ZeroMQ message
    await returns     when the response is here     when a queue has room         ✓
    …

Each row with a ✓ has just been checked on real sockets, for both protocols. A row that does not come true is named
below the table, and the exit code is 1. The whole tour ends with the same table, and its page begins with it.

Read next: `tour`, which shows the same at length.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import trio

import minihttp

from ..constants import NOBLOCK, SocketType
from ..errors import Again
from ..sockets.context import Context
from ..sockets.socket import Socket
from . import every_byte
from .blocks import Listings
from .ends import background, http_server, recorded, url
from .many import listing
from .relay import ANYWHERE
from .stage import Stage
from .terminal import Terminal

# Seconds for one check. Each takes a fraction of one.
CHECK_TIMEOUT = 20.0

QUESTION = "How is an asynchronous HTTP request different from sending a message with ZeroMQ?"

ANSWER = """An HTTP/1.1 request is half of an exchange: the client names a server, and the connection is taken until the
    response has come. A ZeroMQ message is complete in itself: send puts it into a queue and returns, and the library
    finds a peer, connects and sends in the background. With HTTP a program handles requests and their responses; with
    ZeroMQ it chooses a pattern, which decides who gets a message and what happens when no peer can take it."""


LATER = "With HTTP/2 and HTTP/3, only the row that names them differs."


class Row(NamedTuple):
    """check: did both halves of the row come true just now? None: it isn't checked here. see: the part of the tour that
    shows it at length."""

    aspect: str
    http: str
    zeromq: str
    check: Callable[[], Awaitable[bool]] | None = None
    see: str = ""


async def with_http(client: minihttp.AsyncClient) -> bytes:
    """One request and its response."""
    # Waits until the response is here.
    response = await client.post("/", content=b"hello")
    return response.content


async def with_zeromq(req: Socket) -> bytes:
    """One message, and one that answers it."""
    # Waits until a queue has room.
    await req.send(b"hello")
    # Waits for the reply, which is a message of its own.
    return await req.recv()


async def returns() -> bool:
    """A post is not done while its handler thinks; a send is done although its receiver has not looked."""
    thinks, may_answer = trio.Event(), trio.Event()
    done: list[str] = []

    async def answer(request: minihttp.Request) -> minihttp.Response:
        thinks.set()
        await may_answer.wait()
        return minihttp.Response(200)

    async with http_server(answer) as port, minihttp.AsyncClient(base_url=url(port)) as client:

        async def post() -> None:
            await client.post("/", content=b"hello")
            done.append("post")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(post)
            await thinks.wait()
            was_done = bool(done)
            may_answer.set()
    async with Context() as ctx:
        rep, req = ctx.socket(SocketType.REP, linger=0), ctx.socket(SocketType.REQ, linger=0)
        rep.bind(ANYWHERE)
        req.connect(rep.last_endpoint)
        await req.send(b"hello")
    return not was_done and done == ["post"]


async def without_a_server() -> bool:
    """The same port, where no program listens yet."""
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    try:
        await minihttp.get(url(port))
        failed = False
    except minihttp.ConnectError:
        failed = True
    async with Context() as ctx:
        push, pull = ctx.socket(SocketType.PUSH), ctx.socket(SocketType.PULL)
        push.reconnect_ivl = 10
        push.connect(f"tcp://127.0.0.1:{port}")
        await push.send(b"hello")
        pull.bind(f"tcp://127.0.0.1:{port}")
        return failed and await pull.recv() == b"hello"


async def one_connection() -> bool:
    """Two exchanges at the same time need two connections; two messages and their replies need one."""
    both_there = Barrier(2)

    async def answer(request: minihttp.Request) -> minihttp.Response:
        await both_there.wait()
        return minihttp.Response(200)

    async with (
        http_server(answer) as port,
        recorded(port) as relay,
        minihttp.AsyncClient(base_url=url(relay.port)) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(2):
            nursery.start_soon(client.get, "/")
    async with Context() as ctx:
        router, dealer = ctx.socket(SocketType.ROUTER), ctx.socket(SocketType.DEALER)
        router.bind(ANYWHERE)
        dealer.connect(router.last_endpoint)
        for number in (b"1", b"2"):
            await dealer.send(number)
        asked = [await router.recv_multipart() for _ in range(2)]
        for message in reversed(asked):
            await router.send_multipart(message)
        replies = [await dealer.recv() for _ in range(2)]
        return relay.recording.connections == 2 and replies == [b"2", b"1"] and len(router.peers()) == 1


async def which_peer() -> bool:
    """A URL names one server; a PUSH shares its messages among two peers, a PUB gives each to both."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=str(request.url.port).encode())

    async with http_server(answer) as port:
        named = (await minihttp.get(url(port))).content == str(port).encode()
    async with Context() as ctx:
        push = ctx.socket(SocketType.PUSH)
        pulls = [ctx.socket(SocketType.PULL) for _ in range(2)]
        pub = ctx.socket(SocketType.XPUB)
        subs = [ctx.socket(SocketType.SUB) for _ in range(2)]
        pub.xpub_verbose = 1
        pub.bind(ANYWHERE)
        for pull, sub in zip(pulls, subs, strict=True):
            pull.bind(ANYWHERE)
            push.connect(pull.last_endpoint)
            sub.subscribe(b"")
            sub.connect(pub.last_endpoint)
            await pub.recv()  # the subscription has arrived
        for number in (b"1", b"2"):
            await push.send(number)
        await pub.send(b"to all")
        shared = [await pull.recv() for pull in pulls]
        return named and shared == [b"1", b"2"] and [await sub.recv() for sub in subs] == [b"to all"] * 2


async def slow_receiver() -> bool:
    """A server that does not answer meets the client's timeout; a full queue makes a PUSH wait and a PUB drop."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with http_server(answer) as port:
        try:
            await minihttp.get(url(port), timeout=0.05)
            delayed = False
        except minihttp.ReadTimeout:
            delayed = True
    async with Context() as ctx:
        push, pub = (ctx.socket(kind, sndhwm=1, linger=0) for kind in (SocketType.PUSH, SocketType.XPUB))
        pull, sub = (ctx.socket(kind, rcvhwm=1, linger=0) for kind in (SocketType.PULL, SocketType.SUB))
        for sender, receiver, name in ((push, pull, "inproc://push"), (pub, sub, "inproc://pub")):
            sender.bind(name)
            receiver.connect(name)
        sub.subscribe(b"")
        await pub.recv()
        with is_raised(Again) as waits:
            for _ in range(3):
                await push.send(b"x", NOBLOCK)
        for _ in range(3):
            await pub.send(b"x", NOBLOCK)
        return delayed and bool(waits) and pub.peers()[0].dropped == 1


async def the_reply() -> bool:
    """A post returns its response; a REQ that has sent has to receive, and a PUSH is owed no reply at all."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=(await request.aread()).upper())

    async with http_server(answer) as port, minihttp.AsyncClient(base_url=url(port)) as client:
        content = await with_http(client)
    async with Context() as ctx:
        rep, req = ctx.socket(SocketType.REP), ctx.socket(SocketType.REQ)
        rep.bind("inproc://reply")
        req.connect("inproc://reply")

        async def reply() -> None:
            await rep.send((await rep.recv()).upper())

        async with background(reply):
            return content == b"HELLO" and await with_zeromq(req) == b"HELLO"


async def octets() -> bool:
    """As the part `bytes` counts them, on a connection that is there already."""
    http, zmtp = await every_byte.over_http(), await every_byte.over_reqrep()
    return (http.then.octets, zmtp.then.octets) == (241, 18)


ROWS = (
    Row("await returns", "when the response is here", "when a queue has room", returns, "waiting"),
    Row("no server yet", "an error at once", "it waits in the queue", without_a_server, "first"),
    Row("one connection", "one exchange at a time", "any number, both ways", one_connection, "waiting"),
    Row("HTTP/2, HTTP/3", "many exchanges at a time", ""),
    Row("it goes to", "the server of the URL", "one in turn, or all", which_peer, "patterns"),
    Row("slow receiver", "delays its response", "send waits, or drops", slow_receiver, "wrong"),
    Row("the reply", "is what the call returns", "is a message of its own", the_reply, "bytes"),
    Row("a second hello", "241 octets, with reply", "18 octets, with reply", octets, "bytes"),
)


async def run_answer(stage: Stage, names: list[str], rows: tuple[Row, ...] = ROWS) -> bool:
    """Check the rows, print the screen; True if all of them came true.

    names: the parts of the tour, for the last lines.
    """
    with stage.progress() as progress:
        async with background(ticking, progress.tick):
            results = await check(rows, progress)
    stage.say(QUESTION)
    stage.say(ANSWER)
    stage.table(
        ["", "an HTTP/1.1 request", "a ZeroMQ message", ""],
        [[it.aspect, it.http, it.zeromq, MARKS[result]] for it, result in zip(rows, results, strict=True)],
    )
    name_broken(stage, rows, results)
    stage.say(f"✓: checked just now. {LATER} Parts to run by name: {' '.join(names)}; --all runs them all.")
    return False not in results


async def show_answer(stage: Stage) -> None:
    """The same as a part of the whole tour, with the two programs and a column that says which part shows more."""
    results = await check(ROWS)
    stage.heading("the answer", QUESTION)
    stage.say(ANSWER)
    stage.show(
        Listings((listing("an HTTP request", with_http, "http"), listing("a ZeroMQ message", with_zeromq, "zmtp")))
    )
    stage.table(
        ["", "an HTTP/1.1 request", "a ZeroMQ message", "see"],
        [
            [f"{MARKS[result] or ' '} {it.aspect}", it.http, it.zeromq, it.see]
            for it, result in zip(ROWS, results, strict=True)
        ],
    )
    stage.say(f"✓: checked in this run. {LATER}")
    name_broken(stage, ROWS, results)


MARKS = {True: "✓", False: "✗", None: ""}


def name_broken(stage: Stage, rows: Sequence[Row], results: Sequence[bool | None]) -> None:
    """Make a claim of each row that did not come true, because claims decide the exit code."""
    for row, result in zip(rows, results, strict=True):
        if result is False:
            stage.claim(f"{row.aspect}: {row.http}; {row.zeromq}", False)


async def check(rows: Sequence[Row], progress: Terminal | None = None) -> list[bool | None]:
    """Whether each row came true; None where it isn't checked."""
    results: list[bool | None] = []
    for number, row in enumerate(rows):
        if progress is not None:
            progress.doing(row.aspect, number, len(rows))
        results.append(await came_true(row.check) if row.check is not None else None)
    return results


async def came_true(check: Callable[[], Awaitable[bool]]) -> bool:
    """Run a check. One that fails or hangs is a row that did not come true."""
    try:
        with trio.fail_after(CHECK_TIMEOUT):
            return await check()
    except Exception:
        return False


async def ticking(tick: Callable[[], None]) -> None:
    """Show progress until cancelled."""
    while True:
        await trio.sleep(0.1)
        tick()


class Barrier:
    """Tasks wait here until all of them have come."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._all_here = trio.Event()

    async def wait(self) -> None:
        """Return when the last task has come."""
        self._missing -= 1
        if not self._missing:
            self._all_here.set()
        await self._all_here.wait()


@contextmanager
def is_raised(kind: type[Exception]) -> Iterator[list[Exception]]:
    """Catch kind; the list holds it, if it came."""
    caught: list[Exception] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
