"""A minizmtp socket with the interface of a Peer."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import trio

import minizmtp as zmq
from interop_tests.world import Event, Peer, Refused, Side
from minizmtp.auth import Authenticator


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Convert our error to `Refused`, with the same number."""
    try:
        yield
    except zmq.ZMQError as error:
        raise Refused(error.errno, str(error)) from error


class OurPeer(Peer):
    def __init__(self, name: str, socket: zmq.Socket) -> None:
        super().__init__(name)
        self.socket = socket

    async def watch(self, monitor: zmq.Monitor) -> None:
        async for event in monitor:
            self.events.add(Event(event.event.name or str(event.event), event.endpoint, event.value, event.reason))

    async def _bind(self, endpoint: str) -> str:
        with refusals():
            self.socket.bind(endpoint)
        return self.socket.last_endpoint

    async def _command(self, call: str, argument: str | bytes) -> None:
        with refusals():
            getattr(self.socket, call)(argument)

    async def _set(self, option: str, value: int | bytes) -> None:
        with refusals():
            setattr(self.socket, option, value)

    async def _send(self, frames: list[bytes], *, wait: bool) -> None:
        with refusals():
            await self.socket.send_multipart(frames, 0 if wait else zmq.NOBLOCK)

    async def _receive(self, *, wait: bool) -> list[bytes]:
        with refusals():
            return await self.socket.recv_multipart(0 if wait else zmq.NOBLOCK)

    async def send_many(self, messages: Sequence[list[bytes]]) -> None:
        with self.bounded(f"send of {len(messages)} messages"), refusals():
            assert await self.socket.send_many(messages) == len(messages)

    async def recv_many(self, count: int) -> list[list[bytes]]:
        found: list[list[bytes]] = []
        with self.bounded(f"recv of {count} messages"), refusals():
            while len(found) < count:
                found += await self.socket.recv_many(count - len(found))
        return found

    async def _close(self, linger: int | None) -> None:
        self.socket.close(linger)


class OurSide(Side):
    """Sockets in one Context, which opens when the first socket is made.

    It has its own task, so that a test can cancel it at any time: that is as close as a task gets to a crash.
    """

    kind = "ours"

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(nursery)
        self._context: zmq.Context | None = None

    async def _live(self, *, task_status: trio.TaskStatus[zmq.Context]) -> None:
        with trio.CancelScope() as self._life:
            async with zmq.Context() as context:
                task_status.started(context)
                await self._leave.wait()
        self._over.set()

    async def _open(self) -> zmq.Context:
        if self._context is None:
            self._leave, self._over = trio.Event(), trio.Event()
            self._context = await self._nursery.start(self._live)
        return self._context

    async def socket(self, socket_type: str, **options: Any) -> Peer:
        context = await self._open()
        with refusals():
            socket = context.socket(zmq.SocketType[socket_type], **options)
        peer = OurPeer(self.new_name(socket_type), socket)
        # monitor() watches from this call on. Inside the task, it would miss the events before that task runs.
        self._nursery.start_soon(peer.watch, socket.monitor())
        return peer

    async def guard(self, passwords: dict[str, str], certificates: str) -> None:
        authenticator = Authenticator(await self._open())
        authenticator.configure_plain(passwords=passwords)
        authenticator.configure_curve(location=certificates)
        authenticator.start()

    async def crash(self) -> None:
        if self._context is not None:
            self._life.cancel()
            with trio.fail_after(5):
                await self._over.wait()
            self._context = None

    async def term(self) -> None:
        if self._context is not None:
            self._leave.set()
            await self._over.wait()
            self._context = None
