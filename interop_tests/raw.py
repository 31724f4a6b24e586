"""No ZeroMQ at all: streams of octets, to see and to say what no honest socket would.

RawPeer       one TCP connection: it sends the octets it is told to, and reads what comes
RawListener   waits for a socket to connect
Wiretap       stands between two sockets, passes everything on, and keeps a copy of both directions
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Self

import trio

from interop_tests.vectors import GREETING, READY
from interop_tests.world import PATIENCE

MORE, LONG = 0x01, 0x02


def command(name: bytes, data: bytes = b"") -> bytes:
    """A command frame: flags, size, then the name with its length, then the data."""
    body = bytes([len(name)]) + name + data
    return (b"\x04" + bytes([len(body)]) if len(body) < 256 else b"\x06" + len(body).to_bytes(8, "big")) + body


def metadata(*properties: tuple[bytes, bytes]) -> bytes:
    return b"".join(bytes([len(n)]) + n + len(v).to_bytes(4, "big") + v for n, v in properties)


def frames_in(octets: bytes) -> list[bytes]:
    """The octets that follow a greeting, cut into frames. Part of one at the end is left out.

    >>> frames_in(bytes.fromhex("01 00  00 02 6869  04 05 04 50"))
    [b'\\x01\\x00', b'\\x00\\x02hi']
    """
    frames, begin = [], 0
    while begin + 2 <= len(octets):
        width = 8 if octets[begin] & LONG else 1
        end = begin + 1 + width + int.from_bytes(octets[begin + 1 : begin + 1 + width], "big")
        if end > len(octets):
            break
        frames.append(octets[begin:end])
        begin = end
    return frames


def messages_in(octets: bytes) -> list[bytes]:
    """The octets that follow a greeting, cut where a message or a command ends. Half of one at the end is
    kept as it is.

    >>> messages_in(bytes.fromhex("01 00  00 02 6869  04 05 04 504f4e47"))
    [b'\\x01\\x00\\x00\\x02hi', b'\\x04\\x05\\x04PONG']
    """
    messages, begin, end = [], 0, 0
    while end < len(octets):
        flags = octets[end]
        width = 8 if flags & LONG else 1
        end += 1 + width + int.from_bytes(octets[end + 1 : end + 1 + width], "big")
        if not flags & MORE:
            messages.append(octets[begin:end])
            begin = end
    return messages + [octets[begin:]] * (begin < len(octets))


class Ended(Exception):
    """The other end closed the connection where octets were expected."""


class RawPeer:
    """One connection, octet by octet. Every wait is bounded."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._unread = bytearray()

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(cls, endpoint: str) -> AsyncIterator[Self]:
        """Connect to a socket that is bound to `tcp://…`."""
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        with trio.fail_after(PATIENCE):
            stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            yield cls(stream)

    def peer_address(self) -> tuple[str, int]:
        """Where the other end is: address and port."""
        host, port = self._stream.socket.getpeername()[:2]
        return host, port

    async def send(self, octets: bytes) -> None:
        with trio.fail_after(PATIENCE):
            await self._stream.send_all(octets)

    async def receive(self, size: int) -> bytes:
        """Exactly so many octets. `Ended` if the connection ends before."""
        while len(self._unread) < size:
            self._unread += await self._some()
        octets = bytes(self._unread[:size])
        del self._unread[:size]
        return octets

    async def receive_frame(self) -> bytes:
        """One whole frame: flags, size and body, as it came."""
        flags = await self.receive(1)
        size = await self.receive(8 if flags[0] & LONG else 1)
        return flags + size + await self.receive(int.from_bytes(size, "big"))

    async def receive_until_closed(self) -> bytes:
        """Everything up to the end of the connection, which has to come."""
        with contextlib.suppress(Ended):
            while True:
                self._unread += await self._some()
        octets = bytes(self._unread)
        self._unread.clear()
        return octets

    async def is_silent(self, seconds: float = 0.1) -> bool:
        """Nothing comes, nor does the end. A short time makes a test weaker, never wrong."""
        if not self._unread:
            with trio.move_on_after(seconds), contextlib.suppress(Ended):
                self._unread += await self._some()
                return False
        return not self._unread

    async def handshake(self, socket_type: str, greeting: bytes = GREETING) -> bytes:
        """Greeting and READY both ways; what is returned is the peer's READY, a whole frame."""
        await self.send(greeting + READY[socket_type])
        await self.receive(64)
        return await self.receive_frame()

    async def ping(self) -> None:
        """PING, and the PONG to it: whatever was sent before has been read, and not been found wrong."""
        await self.send(command(b"PING", b"\0\0context"))
        assert await self.receive_frame() == command(b"PONG", b"context")

    async def _some(self) -> bytes:
        with trio.fail_after(PATIENCE):
            try:
                octets = bytes(await self._stream.receive_some(1 << 16))
            except trio.BrokenResourceError:
                octets = b""  # a reset: the peer closed without reading all that was sent to it
        if not octets:
            raise Ended
        return octets


class RawListener:
    """A TCP listener at `endpoint`, for sockets that connect."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self.endpoint = f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}"

    @classmethod
    @contextlib.asynccontextmanager
    async def listen(cls) -> AsyncIterator[Self]:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            yield cls(listener)

    @contextlib.asynccontextmanager
    async def accept(self) -> AsyncIterator[RawPeer]:
        with trio.fail_after(PATIENCE):
            stream = await self._listener.accept()
        async with stream:
            yield RawPeer(stream)

    async def nobody_comes(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await (await self._listener.accept()).aclose()
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
