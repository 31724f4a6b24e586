"""Bare streams of octets, for what no correct socket sends, and to see exactly what a socket sends.

RawPeer       one TCP connection: it sends given octets, and reads what arrives
RawListener   waits for a socket to connect
Wiretap       relays between two sockets, and keeps a copy of both directions
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Self

import trio

from interop_tests.world import PATIENCE
from tests import zmtp_peer
from tests.zmtp_bytes import GREETING, READY, command


class RawPeer(zmtp_peer.RawPeer):
    """One connection. Every wait has a timeout."""

    patience = PATIENCE

    def peer_address(self) -> tuple[str, int]:
        """The address and port of the other end."""
        host, port = self.stream.socket.getpeername()[:2]
        return host, port

    async def receive_until_closed(self) -> bytes:
        """All octets until the connection ends. It must end."""
        while await self._receive_some():
            pass
        return await self.read(len(self.unread))

    async def is_silent(self, seconds: float = 0.1) -> bool:
        """Whether no octet arrives and the connection stays open. A short time makes a test weaker, but never wrong."""
        if self.unread:
            return False
        with trio.move_on_after(seconds):
            await self._receive_some()
            return False
        return True

    async def handshake(self, socket_type: str, greeting: bytes = GREETING) -> bytes:
        """Exchange greetings and READY; return the peer's READY as a whole frame."""
        await self.send(greeting + READY[socket_type])
        await self.receive(64)
        return await self.receive_frame()

    async def ping(self) -> None:
        """Send PING and wait for its PONG: then the peer has read and accepted all octets sent before."""
        await self.send(command(b"PING", b"\0\0context"))
        assert await self.receive_frame() == command(b"PONG", b"context")


class RawListener(zmtp_peer.RawListener):
    """A TCP listener at `endpoint`, to which sockets connect."""

    peer = RawPeer

    async def is_not_dialled(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await (await self.listener.accept()).aclose()
            return False
        return True


class Wiretap:
    """A listener at `endpoint` that relays everything to `to`, and keeps a copy."""

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
        """Wait until both directions have ended, so that the record is complete."""
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
