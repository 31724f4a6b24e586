"""The ends of a conversation, and what is put between them.

What several parts of the demo need to get going: each is an `async with`, and what it starts ends with its block.

    async with http_server(answer) as port, recorded(port) as relay:
        async with minihttp.AsyncClient(base_url=url(relay)) as client:
            ...
    relay.recording.chunks

Read next: `every_byte`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import trio

import minihttp

from .relay import LOCALHOST, Recording, Relay

Handler = Callable[[minihttp.Request], Awaitable[minihttp.Response]]

# How long a publisher waits for an echo before it calls again.
CALL_AGAIN = 0.01


@asynccontextmanager
async def http_server(handler: Handler, uds: str | None = None) -> AsyncIterator[int]:
    """A server on this machine while the body runs, and its port; 0 when it listens at the path uds."""
    async with trio.open_nursery() as nursery:
        serve = partial(minihttp.serve, handler, LOCALHOST, 0, uds=uds)
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


def url(relay: Relay) -> str:
    """Where an HTTP client finds what is behind the relay."""
    return f"http://{LOCALHOST}:{relay.port}"


def endpoint(relay: Relay) -> str:
    """Where a ZeroMQ socket finds it."""
    return f"tcp://{LOCALHOST}:{relay.port}"


def port_of(endpoint: str) -> int:
    """The port of a tcp endpoint.

    >>> port_of("tcp://127.0.0.1:5555")
    5555
    """
    return int(endpoint.rpartition(":")[2])


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
