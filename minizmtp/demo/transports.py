"""`transports`: the same code over tcp, ipc and inproc, and HTTP over a Unix socket.

    tcp://127.0.0.1:*     a port                            http://127.0.0.1:PORT
    ipc://*               a file of this machine            uds=PATH
    inproc://name         a name in this process            –

Only the endpoint changes; the two functions below that do the talking do not know over what they talk.

Read next: `first`.
"""

import os
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
    """times: seconds for each round trip. events: what the client's monitor told, where there is one."""

    protocol: str
    where: str
    times: list[float]
    answered: bool
    events: list[Event]

    @property
    def microseconds(self) -> float:
        return median(self.times) * 1e6


async def run(stage: Stage) -> None:
    """Every way to get there, timed."""
    stage.say(f"""{ROUNDS} requests, each answered before the next is sent, by the same code every time: what changes is
        the endpoint. The time is that of a round trip, both ends in this one process.""")
    talks = [await over_reqrep(endpoint) for endpoint in ENDPOINTS]
    talks += [await over_http(None), await over_http("socket")]
    stage.show(Bars("Round trip, median", "µs", tuple(bar(talk) for talk in talks)))
    stage.say("""(HTTP's time goes mostly into making and reading heads, in pure Python, whatever the wire.)""")
    tcp, ipc, inproc, http, _ = talks
    stage.claim(f"all {len(talks) * ROUNDS} requests were answered rightly", all(talk.answered for talk in talks))
    stage.claim(
        "tcp and ipc make a connection, with greeting and handshake: the socket's monitor told so",
        all({Event.CONNECTED, Event.HANDSHAKE_SUCCEEDED} <= set(talk.events) for talk in (tcp, ipc)),
    )
    stage.claim(
        "over inproc it told of neither, for there is no wire: a message goes from queue to queue", not inproc.events
    )
    stage.claim("and takes less than half the time of HTTP", 2 * inproc.microseconds < http.microseconds)
    stage.lesson("""For ZeroMQ an endpoint is a string, and whether the peer is a task, a process or a machine away
        makes no difference to the code. An HTTP URL can only name a host and a port: for a Unix socket the path has to
        be given apart, and the host in the URL is one that nobody looks up.""")


def bar(talk: Talk) -> Bar:
    """A talk's round trip."""
    protocol = "http" if talk.protocol == "HTTP" else "zmtp"
    return Bar(f"{talk.protocol} over {talk.where}", talk.microseconds, f"{talk.microseconds:.0f} µs", protocol)


async def over_reqrep(endpoint: str) -> Talk:
    """A REQ asks a REP at endpoint, the string being all that tells one transport from another."""

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
    """A client asks a server: at a port or, given a path, at a Unix socket."""

    async def echo(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=await request.aread())

    with tempfile.TemporaryDirectory(prefix="minizmtp-") as directory:
        uds = os.path.join(directory, path) if path else None
        async with http_server(echo, uds=uds) as port:
            # The host is for the Host field only, when the Unix socket's path tells where to go.
            host = "http://anybody" if uds else url(port)
            async with minihttp.AsyncClient(base_url=host, uds=uds) as client:

                async def ask(words: bytes) -> bytes:
                    return (await client.post("/", content=words)).content

                times, answered = await measure(ask)
        return Talk("HTTP", "Unix socket" if uds else "tcp", times, answered, [])


async def measure(ask: Callable[[bytes], Awaitable[bytes]]) -> tuple[list[float], bool]:
    """How long each round took, and whether all answers were right."""
    times, answered = [], True
    for number in range(ROUNDS):
        words = b"%d" % number
        before = trio.current_time()
        answered &= await ask(words) == words
        times.append(trio.current_time() - before)
    return times, answered
