"""What the tests of the trio layer share: a peer made by hand, a knife that cuts at any checkpoint, a quick clock."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import trio

import minizmtp as zmq
from minizmtp import Event

# As libzmq 4.3.5 sends it, without identity but for the padding, which says nothing.
GREETING = bytes.fromhex("ff 00 00 00 00 00 00 00 00 7f 03 01 4e 55 4c 4c") + bytes(48)
TRANSPORTS = ["tcp://127.0.0.1:*", "ipc://*", "inproc://here"]
WIRES = TRANSPORTS[:2]


def frame(body: bytes, flags: int = 0) -> bytes:
    """One frame; flags: 1 for MORE, 4 for COMMAND."""
    if len(body) > 255:
        return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def command(name: bytes, data: bytes = b"") -> bytes:
    return frame(bytes([len(name)]) + name + data, 4)


def ready(socket_type: bytes, **properties: bytes) -> bytes:
    """READY; properties as keywords, with _ for -."""
    named = {b"Socket-Type": socket_type} | {key.replace("_", "-").encode(): text for key, text in properties.items()}
    return command(
        b"READY",
        b"".join(bytes([len(key)]) + key + len(text).to_bytes(4, "big") + text for key, text in named.items()),
    )


class Raw:
    """One end of a connection, by hand."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._held = b""

    @classmethod
    async def dial(cls, endpoint: str) -> Self:
        if endpoint.startswith("ipc://"):
            return cls(await trio.open_unix_socket(endpoint.removeprefix("ipc://")))
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        return cls(await trio.open_tcp_stream(host, int(port)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stream.socket.close()

    async def send(self, octets: bytes) -> None:
        await self.stream.send_all(octets)

    async def read(self, count: int) -> bytes:
        """Exactly count octets; fewer only where the stream ends."""
        while len(self._held) < count:
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:  # an end with unread octets in it is an end all the same
                data = b""
            if not data:
                break
            self._held += data
        given, self._held = self._held[:count], self._held[count:]
        return given

    async def frame(self) -> tuple[int, bytes]:
        """Flags without LONG, and body."""
        flags = (await self.read(1))[0]
        size = int.from_bytes(await self.read(8 if flags & 2 else 1), "big")
        return flags & ~2, await self.read(size)

    async def message(self) -> list[bytes]:
        """The next message; commands between its frames are passed over."""
        frames = []
        while True:
            flags, body = await self.frame()
            if flags & 4:
                continue
            frames.append(body)
            if not flags & 1:
                return frames

    async def greet(self, socket_type: bytes, **properties: bytes) -> bytes:
        """The whole handshake; the peer's READY."""
        await self.send(GREETING)
        assert len(await self.read(64)) == 64
        await self.send(ready(socket_type, **properties))
        flags, body = await self.frame()
        assert flags == 4
        return body

    async def ended(self) -> bool:
        """Wait for the end of the stream; True if nothing came before it."""
        return await self.read(1) == b""


class RawServer:
    """Listens on a free tcp port, and hands out each connection as a Raw."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.listener = listener
        self.endpoint = f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}"

    async def accept(self) -> Raw:
        return Raw(await self.listener.accept())


@asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        yield RawServer(listener)


def free_endpoint() -> str:
    """A tcp endpoint where nobody listens."""
    with trio.socket.socket() as sock:
        sock._sock.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{sock.getsockname()[1]}"


async def until(monitor: zmq.Monitor, event: Event) -> zmq.MonitorEvent:
    """The next event of this kind; those before it are passed over."""
    async for told in monitor:
        if told.event is event:
            return told
    raise AssertionError(f"the monitor ended before {event!r}")


async def pair(
    ctx: zmq.Context, one: zmq.SocketType, other: zmq.SocketType, endpoint: str = TRANSPORTS[0], **options: Any
) -> tuple[zmq.Socket, zmq.Socket]:
    """Two sockets: one bound at endpoint and other connected to it, the handshake done."""
    bound = ctx.socket(one, **({"linger": 0} | options))
    connected = ctx.socket(other, **({"linger": 0} | options))
    bound.bind(endpoint)
    if endpoint.startswith("inproc"):
        connected.connect(endpoint)
    else:
        here, there = bound.monitor(), connected.monitor()
        connected.connect(bound.last_endpoint)
        await until(here, Event.HANDSHAKE_SUCCEEDED)
        await until(there, Event.HANDSHAKE_SUCCEEDED)
    return bound, connected


async def receive_all(sock: zmq.Socket, quiet: float = 0.05) -> list[list[bytes]]:
    """What is to be had, until nothing has come for `quiet` seconds."""
    found = []
    while await sock.poll(quiet * 1000):
        found.append(await sock.recv_multipart(zmq.NOBLOCK))
    return found


# ------------------------------------------------------------------------------------------------------- the knife

CUT = object()


class _Knife(trio.abc.Instrument):
    def __init__(self, scope: trio.CancelScope, step: int, late: bool) -> None:
        self.scope, self.step, self.late = scope, step, late
        self.task = trio.lowlevel.current_task()
        self.passed = 0

    def _pass(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.passed += 1
            if self.passed == self.step:
                self.scope.cancel()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self.late:
            self._pass(task)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.late:
            self._pass(task)


async def cut_at(step: int, late: bool, operation: Callable[[], Awaitable[Any]]) -> Any:
    """Run operation and cancel it at its step-th checkpoint: while it waits there (late), or when what it waited for
    has come and it is about to go on. Step 0: before it begins. CUT, or what it gives when it was done before."""
    with trio.CancelScope() as scope:
        knife = _Knife(scope, step, late)
        trio.lowlevel.add_instrument(knife)
        if not step:
            scope.cancel()
        try:
            return await operation()
        finally:
            trio.lowlevel.remove_instrument(knife)
    return CUT


def cuts(late: bool) -> Iterator[tuple[int, list[Any]]]:
    """Steps 0, 1, 2 … and a list for what came of each; ends after the first that was not CUT."""
    step = 0
    while True:
        results: list[Any] = []
        yield step, results
        assert results, "put the result of cut_at into the list"
        if results[-1] is not CUT:
            assert step > 0, "the knife never cut: this proves nothing"
            return
        step += 1
        assert step < 200


@contextmanager
def logged(caplog: Any, level: int = logging.WARNING) -> Iterator[list[str]]:
    """What the library logs meanwhile, at level or above."""
    words: list[str] = []
    caplog.clear()
    with caplog.at_level(level, logger="minizmtp"):
        yield words
    words += [record.getMessage() for record in caplog.records if record.levelno >= level]
