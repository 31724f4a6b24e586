"""A peer without a socket of either library, to send any octets, and to see the octets that a socket sends.

RawPeer       one end of a connection
RawListener   accepts connections, each of them a RawPeer
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import trio

from tests.zmtp_bytes import COMMAND, GREETING, LONG, MORE, ready


class Ended(Exception):
    """The other side closed the connection although octets were expected."""


class RawPeer:
    """One end of a connection. `patience` limits each wait, in seconds; a test with its own timeout needs none."""

    patience = math.inf

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.unread = b""  # received, but not read yet

    @classmethod
    async def dial(cls, endpoint: str) -> Self:
        """Connect to `tcp://…` or `ipc://…`."""
        with trio.fail_after(cls.patience):
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
        with trio.fail_after(self.patience):
            await self.stream.send_all(octets)

    async def read(self, count: int) -> bytes:
        """Exactly `count` octets, or fewer if the stream ends."""
        while len(self.unread) < count:
            if not await self._receive_some():
                break
        found, self.unread = self.unread[:count], self.unread[count:]
        return found

    async def receive(self, count: int) -> bytes:
        """Exactly `count` octets. Raise `Ended` if the stream ends before; the octets so far stay unread."""
        while len(self.unread) < count:
            if not await self._receive_some():
                raise Ended
        return await self.read(count)

    async def receive_frame(self) -> bytes:
        """The octets of one frame: flags, size and body."""
        flags = await self.receive(1)
        size = await self.receive(8 if flags[0] & LONG else 1)
        return flags + size + await self.receive(int.from_bytes(size, "big"))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame as (flags without LONG, body)."""
        flags = (await self.read(1))[0]
        size = int.from_bytes(await self.read(8 if flags & LONG else 1), "big")
        return flags & ~LONG, await self.read(size)

    async def message(self) -> list[bytes]:
        """The next message; commands between its frames are skipped."""
        frames = []
        while True:
            flags, body = await self.frame()
            if flags & COMMAND:
                continue
            frames.append(body)
            if not flags & MORE:
                return frames

    async def greet(self, socket_type: bytes, **properties: bytes) -> bytes:
        """Do the handshake; return the body of the other side's READY."""
        await self.send(GREETING)
        assert len(await self.read(64)) == 64
        await self.send(ready(socket_type, **properties))
        flags, body = await self.frame()
        assert flags == COMMAND
        return body

    async def ended(self) -> bool:
        """Wait for the end of the stream; return True if no octet came before it."""
        return await self.read(1) == b""

    async def _receive_some(self) -> bool:
        """Receive into `unread`; return False at the end of the stream."""
        with trio.fail_after(self.patience):
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:  # a reset, because the other side closed with unread octets
                return False
        self.unread += data
        return bool(data)


class RawListener:
    """Listens on a free tcp port, at `endpoint`."""

    peer = RawPeer

    def __init__(self, listener: trio.SocketListener) -> None:
        self.listener = listener
        self.endpoint = f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}"

    @classmethod
    @asynccontextmanager
    async def listen(cls) -> AsyncIterator[Self]:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            yield cls(listener)

    async def accept(self) -> RawPeer:
        """Accept the next connection, as a RawPeer for `async with`."""
        with trio.fail_after(self.peer.patience):
            return self.peer(await self.listener.accept())
