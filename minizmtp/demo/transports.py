"""`transports`: the same code over tcp, ipc and inproc, and HTTP over a Unix socket.

    tcp://127.0.0.1:*     a port                            http://127.0.0.1:PORT
    ipc://*               a file of this machine            uds=PATH
    inproc://name         a name in this process            –

Only the endpoint changes; the two functions below that send and receive are the same for every transport.

Read next: `first`.
"""

import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from statistics import median
from typing import NamedTuple

import trio

import minihttp

from ..constants import Event, SocketType
from ..sockets.context import Context
from ..sockets.socket import Socket
from .blocks import Bar, Bars
from .ends import background, http_server, url
from .relay import ANYWHERE
from .stage import Stage

ROUNDS = 200
ENDPOINTS = [ANYWHERE, "ipc://*", "inproc://demo"]


class Talk(NamedTuple):
    """times: seconds for each round trip. events: the events of the client's monitor, if it has one."""

    protocol: str
    where: str
    times: list[float]
    answered: bool
    events: list[Event]

    @property
    def microseconds(self) -> float:
        return median(self.times) * 1e6


async def run(stage: Stage) -> None:
    """Run and time every transport."""
    stage.say(f"""{ROUNDS} requests, each answered before the next is sent. The code is the same every time; only the
        endpoint changes. The time is that of one round trip, with both ends in this one process.""")
    has_files = hasattr(socket, "AF_UNIX")
    if not has_files:
        stage.say("ipc and a Unix socket are left out, because Python has no Unix sockets on this system.")
    *wired, inproc = [await over_reqrep(each) for each in ENDPOINTS if has_files or not each.startswith("ipc")]
    http = await over_http(None)
    talks = [*wired, inproc, http, *([await over_http("socket")] if has_files else [])]
    stage.show(Bars("Round trip, median", "µs", tuple(bar(talk) for talk in talks)))
    stage.say("""(HTTP/1.1 spends most of its time on writing and parsing heads in pure Python, over any transport.)""")
    stage.claim(f"all {len(talks) * ROUNDS} requests were answered correctly", all(talk.answered for talk in talks))
    stage.claim(
        f"over {' and '.join(talk.where for talk in wired)} there is a connection, with greeting and handshake: the "
        "socket's monitor reported both",
        all({Event.CONNECTED, Event.HANDSHAKE_SUCCEEDED} <= set(talk.events) for talk in wired),
    )
    stage.claim(
        "over inproc it reported neither, because there is no wire: a message goes from queue to queue",
        not inproc.events,
    )
    stage.claim("and takes less than half the time of HTTP", 2 * inproc.microseconds < http.microseconds)
    stage.lesson("""For ZeroMQ, an endpoint is a string, and the code is the same whether the peer is another task,
        another process or another machine. An HTTP URL can only name a host and a port: the path of a Unix socket has
        to be given separately, and the host in the URL is then not used to connect.""")


def bar(talk: Talk) -> Bar:
    """A talk's round trip."""
    protocol = "http" if talk.protocol == "HTTP" else "zmtp"
    return Bar(f"{talk.protocol} over {talk.where}", talk.microseconds, f"{talk.microseconds:.0f} µs", protocol)


async def over_reqrep(endpoint: str) -> Talk:
    """A REQ asks a REP at endpoint. Only this string differs from transport to transport."""

    async def echo(rep: Socket) -> None:
        while True:
            await rep.send(await rep.recv())

    async with Context() as ctx:
        rep = ctx.socket(SocketType.REP, linger=0)
        rep.bind(endpoint)
        req = ctx.socket(SocketType.REQ, linger=0)
        monitor = req.monitor()
        req.connect(rep.last_endpoint)

        async def ask(words: bytes) -> bytes:
            await req.send(words)
            return await req.recv()

        async with background(echo, rep):
            times, answered = await measure(ask)
        req.close()
        events = [event.event async for event in monitor]
        return Talk("REQ/REP", endpoint.partition("://")[0], times, answered, events)


async def over_http(path: str | None) -> Talk:
    """A client asks a server at a port or, if a path is given, at a Unix socket."""

    async def echo(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=await request.aread())

    with tempfile.TemporaryDirectory(prefix="minizmtp-") as directory:
        uds = os.path.join(directory, path) if path else None
        async with http_server(echo, uds=uds) as port:
            # With a Unix socket's path, the host of the URL is used only for the Host field.
            host = "http://anybody" if uds else url(port)
            async with minihttp.AsyncClient(base_url=host, uds=uds) as client:

                async def ask(words: bytes) -> bytes:
                    return (await client.post("/", content=words)).content

                times, answered = await measure(ask)
        return Talk("HTTP", "Unix socket" if uds else "tcp", times, answered, [])


async def measure(ask: Callable[[bytes], Awaitable[bytes]]) -> tuple[list[float], bool]:
    """The time of each round, and whether all answers were right."""
    times, answered = [], True
    for number in range(ROUNDS):
        words = b"%d" % number
        before = trio.current_time()
        answered &= await ask(words) == words
        times.append(trio.current_time() - before)
    return times, answered
