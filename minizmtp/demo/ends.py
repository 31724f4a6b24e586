"""The ends of a conversation, and the relay between them.

Helpers that several parts of the demo share. Each is an `async with`, and what it starts ends with the block.

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

# How long a publisher waits for its subscribers before it sends the test message again.
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
    """A task that runs while the body does. The task is cancelled only after the body has ended, so its cancellation
    can't interrupt the body."""
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
    """The URL of a server at this port.

    >>> url(8000)
    'http://127.0.0.1:8000'
    """
    return f"http://{LOCALHOST}:{port}"


def endpoint(relay: Relay) -> str:
    """The endpoint at which a ZeroMQ socket reaches the relay."""
    return f"tcp://{LOCALHOST}:{relay.port}"


def port_of(endpoint: str) -> int:
    """The port of a tcp endpoint.

    >>> port_of("tcp://127.0.0.1:5555")
    5555
    """
    return int(endpoint.rpartition(":")[2])


class Cost(NamedTuple):
    """The cost of one way to work. messages: those of the programs; HTTP requests and responses both count."""

    way: str
    messages: int
    octets: int
    connections: int


def bill(way: str, messages: int, recording: Recording) -> Cost:
    """A bill with the numbers that the relays counted."""
    return Cost(way, messages, recording.octets, recording.connections)


async def until(monitor: Monitor, event: Event) -> None:
    """Wait until a socket's monitor reports this event. The demo never sleeps and hopes that it has happened."""
    async for told in monitor:
        if told.event is event:
            return


async def call_until_heard(call: Callable[[], Awaitable[object]], everyone: Iterable[trio.Event]) -> None:
    """Publish a test message until every subscriber has received it.

    A subscription takes time to arrive, and a PUB isn't told when it has; messages sent before that are lost. The usual
    workaround, to sleep for a while, is a mistake, because the network may be slower. So the publisher repeats a test
    message, and each subscriber sets its event at the first one: then its subscription is known to have arrived.
    """
    for heard in everyone:
        while not heard.is_set():
            await call()
            with trio.move_on_after(CALL_AGAIN):
                await heard.wait()
