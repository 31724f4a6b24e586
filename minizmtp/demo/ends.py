"""The ends of a conversation, and what is put between them.

What several parts of the demo need to get going: each is an `async with`, and what it starts ends with its block.

    async with http_server(answer) as port, recorded(port) as relay:
        async with minihttp.AsyncClient(base_url=url(relay.port)) as client:
            ...
    relay.recording.chunks

Read next: `every_byte`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import trio

import minihttp

from ..constants import Event
from ..sockets.monitor import Monitor
from .relay import LOCALHOST, Recording, Relay

Handler = Callable[[minihttp.Request], Awaitable[minihttp.Response]]

# How long a publisher waits for an echo before it calls again.
CALL_AGAIN = 0.01


@asynccontextmanager
async def http_server(handler: Handler, port: int = 0, uds: str | None = None) -> AsyncIterator[int]:
    """A server on this machine while the body runs, and its port (any that is free, unless one is given); 0 when it
    listens at the path uds."""
    async with trio.open_nursery() as nursery:
        serve = partial(minihttp.serve, handler, LOCALHOST, port, uds=uds)
        listeners: list[trio.SocketListener] = await nursery.start(serve)
        yield 0 if uds else listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def background(task: Callable[..., Awaitable[object]], *arguments: object) -> AsyncIterator[None]:
    """A task that runs while the body does. The body may return from inside: the task is ended after that, and a
    cancellation that is meant for it cannot hit what the body still has to do."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task, *arguments)
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def recorded(port: int, latency: float = 0.0, recording: Recording | None = None) -> AsyncIterator[Relay]:
    """A relay to port while the body runs."""
    async with trio.open_nursery() as nursery:
        relay = Relay(port, latency, recording)
        await nursery.start(relay.run)
        yield relay
        nursery.cancel_scope.cancel()


def url(port: int) -> str:
    """Where an HTTP client finds it.

    >>> url(8000)
    'http://127.0.0.1:8000'
    """
    return f"http://{LOCALHOST}:{port}"


def endpoint(relay: Relay) -> str:
    """Where a ZeroMQ socket finds what is behind the relay."""
    return f"tcp://{LOCALHOST}:{relay.port}"


def port_of(endpoint: str) -> int:
    """The port of a tcp endpoint.

    >>> port_of("tcp://127.0.0.1:5555")
    5555
    """
    return int(endpoint.rpartition(":")[2])


class Cost(NamedTuple):
    """What one way of working took. messages: of the programs; HTTP's requests and responses are both messages."""

    way: str
    messages: int
    octets: int
    connections: int


def bill(way: str, messages: int, recording: Recording) -> Cost:
    """With what the relays counted."""
    return Cost(way, messages, recording.octets, recording.connections)


async def until(monitor: Monitor, event: Event) -> None:
    """Wait until a socket's monitor tells of event. What happened to a connection is never guessed from the time."""
    async for told in monitor:
        if told.event is event:
            return


async def call_until_heard(call: Callable[[], Awaitable[object]], everyone: Iterable[trio.Event]) -> None:
    """Let a publisher call until everyone has heard it.

    A subscription travels like any other word, and a PUB is not told when it has come; what is published before is
    lost. To sleep for a while and hope is the usual cure, and the usual mistake. So the publisher calls, each
    subscriber sets its event at the first call that it hears, and then it is known that the subscription has arrived.
    """
    for heard in everyone:
        while not heard.is_set():
            await call()
            with trio.move_on_after(CALL_AGAIN):
                await heard.wait()
