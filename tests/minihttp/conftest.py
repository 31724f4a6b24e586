"""Servers to talk to: our own, and one that says whatever a test writes down for it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
import trio

import minihttp

Script = Callable[[trio.SocketStream], Awaitable[None]]


def url_of(listeners: list[trio.SocketListener]) -> str:
    host, port, *_ = listeners[0].socket.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@pytest.fixture
async def start_server(nursery):
    """`await start_server(handler)`: serve it until the test is over; its URL."""

    async def start(handler, **options) -> str:
        listeners = await nursery.start(partial(minihttp.serve, handler, "127.0.0.1", 0, **options))
        return url_of(listeners)

    return start


@pytest.fixture
async def start_script(nursery):
    """`await start_script(script)`: run `script(stream)` for each connection; the URL."""

    async def start(script: Script) -> str:
        async def guarded(stream: trio.SocketStream) -> None:
            async with stream:
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # a client may hang up
                    await script(stream)

        listeners = await nursery.start(partial(trio.serve_tcp, guarded, 0, host="127.0.0.1"))
        return url_of(listeners)

    return start


@pytest.fixture
def read_head():
    """`await read_head(stream)`: the octets of one request without a body; b"" if the client hung up."""

    async def read(stream: trio.SocketStream) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            data = await stream.receive_some()
            if not data:
                return b""
            received += data
        return received

    return read


@pytest.fixture
def answering(read_head):
    """`answering(b"HTTP/1.1 …")`: a script that gives this same answer to every request, and keeps alive."""

    def script_for(answer: bytes) -> Script:
        async def script(stream: trio.SocketStream) -> None:
            while await read_head(stream):
                await stream.send_all(answer)

        return script

    return script_for


@pytest.fixture
def turns_of_others(nursery):
    """`await turns_of_others(reading)`: how often another task runs until `reading` is done."""

    async def count(reading: Awaitable[object]) -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(other)
        await reading
        return turns

    return count
