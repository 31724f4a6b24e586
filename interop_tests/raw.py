"""No ZeroMQ at all: streams of octets, to see and to say what no honest socket would.

RawPeer       one TCP connection: it sends the octets it is told to, and reads what comes
RawListener   waits for a socket to connect
Wiretap       stands between two sockets, passes everything on, and keeps a copy of both directions
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Self

import trio

from interop_tests.world import PATIENCE
from tests import zmtp_peer
from tests.zmtp_bytes import GREETING, READY, command


class RawPeer(zmtp_peer.RawPeer):
    """One connection, octet by octet. Every wait is bounded."""

    patience = PATIENCE

    def peer_address(self) -> tuple[str, int]:
        """Where the other end is: address and port."""
        host, port = self.stream.socket.getpeername()[:2]
        return host, port

    async def receive_until_closed(self) -> bytes:
        """Everything up to the end of the connection, which has to come."""
        while await self._receive_some():
            pass
        return await self.read(len(self.unread))

    async def is_silent(self, seconds: float = 0.1) -> bool:
        """Nothing comes, nor does the end. A short time makes a test weaker, never wrong."""
        if self.unread:
            return False
        with trio.move_on_after(seconds):
            await self._receive_some()
            return False
        return True

    async def handshake(self, socket_type: str, greeting: bytes = GREETING) -> bytes:
        """Greeting and READY both ways; what is returned is the peer's READY, a whole frame."""
        await self.send(greeting + READY[socket_type])
        await self.receive(64)
        return await self.receive_frame()

    async def ping(self) -> None:
        """PING, and the PONG to it: whatever was sent before has been read, and not been found wrong."""
        await self.send(command(b"PING", b"\0\0context"))
        assert await self.receive_frame() == command(b"PONG", b"context")


class RawListener(zmtp_peer.RawListener):
    """A TCP listener at `endpoint`, for sockets that connect."""

    peer = RawPeer

    async def nobody_comes(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await (await self.listener.accept()).aclose()
            return False
        return True


class Wiretap:
    """A listener at `endpoint` that passes everything on to `to`, and keeps what it has seen."""

    def __init__(self, listener: trio.SocketListener, to: str) -> None:
        self._listener = listener
        self._to = int(to.rpartition(":")[2])
        self.endpoint = f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}"
        self.from_client = bytearray()
        self.from_server = bytearray()
        self._ended = trio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def between(cls, to: str) -> AsyncIterator[Self]:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, trio.open_nursery() as nursery:
            tap = cls(listener, to)
            nursery.start_soon(tap._pass_on)
            yield tap
            nursery.cancel_scope.cancel()

    async def ended(self) -> None:
        """Both directions have come to their end: nothing will be added to the record."""
        with trio.fail_after(PATIENCE):
            await self._ended.wait()

    async def _pass_on(self) -> None:
        client = await self._listener.accept()
        server = await trio.open_tcp_stream("127.0.0.1", self._to)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._copy, client, server, self.from_client)
            nursery.start_soon(self._copy, server, client, self.from_server)
        self._ended.set()

    async def _copy(self, source: trio.SocketStream, sink: trio.SocketStream, record: bytearray) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while octets := await source.receive_some(1 << 16):
                record += octets
                await sink.send_all(octets)
            await sink.send_eof()
