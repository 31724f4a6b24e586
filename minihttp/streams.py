r"""Streams: octets to and from a socket, in the clear or through TLS.              RFC 8446 §6.1; RFC 9112 §9.8

    Wire ──────────► socket        http://, and Unix sockets
    TLS ──► Wire ──► socket        https://

Both have the same methods, so client and server behave the same on each of them:

    put(data)          hands data to the kernel at once; what the kernel does not take is kept for `flush`
    flush(timeout)     sends what is kept, as fast as the peer takes it
    send(…)            both, and a checkpoint
    receive(timeout)   the next octets; b"" at the end of the stream
    is_quiet()         whether nothing has come since the last `receive`
    end()              tells the peer that no more will come; TLS sends close_notify first
    close()            closes the socket at once; TLS sends close_notify first

A timeout asks for progress, as `config` says: it begins anew whenever the peer takes or sends a few octets.

`ssl.SSLObject` is to TLS what `h11.Connection` is to HTTP: it turns octets into octets and does no I/O.  It is used
instead of `trio.SSLStream` because it makes a close_notify in a plain call, which need not wait for anything, and
because it tells the peer's close_notify from a connection that was cut:

    >>> import ssl
    >>> incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    >>> tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="example.org")
    >>> tls.do_handshake()
    Traceback (most recent call last):
    ssl.SSLWantReadError: The operation did not complete (read)
    >>> outgoing.read()[:3]  # a handshake record, version 3.1: the first octets that every client sends
    b'\x16\x03\x01'

Below this module: `config`, `decoders`.  Above it: `connection`, and the server's `session`.  Read next: `connection`.
"""

import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import trio

from .config import seconds
from .decoders import PIECE

READ = 131072  # octets that one read takes: with 64 KiB our own work shows, 256 KiB the kernel copies slower
LOOKS = 8  # how often within its timeout a blocked writer tries again
RECORD = 16384 + 256 + 5  # octets of the largest record, with its head                            RFC 8446 §5.2
STEPS = 8  # records given to OpenSSL, or opened by it, before other tasks run

Octets = bytes | bytearray | memoryview
T = TypeVar("T")


BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)  # how a connection that is gone shows


@contextmanager
def _socket_of(fd: int) -> Iterator[socket.socket]:
    if fd == -1:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    sock = socket.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()


def read_socket(fd: int, size: int) -> bytes:
    """os.read, for a system whose sockets are no files: Windows."""
    with _socket_of(fd) as sock:
        return sock.recv(size)


def write_socket(fd: int, data: Octets) -> int:
    """os.write, likewise."""
    with _socket_of(fd) as sock:
        return sock.send(data)


read, write = (read_socket, write_socket) if os.name == "nt" else (os.read, os.write)


class Wire:
    """A connected socket.  It is tried first, and waited for only if it must be.

    To the kernel a socket is a file.  `os.read` and `os.write` never wait here, because trio has made the socket
    non-blocking; they cost a third of what a call through `trio.SocketStream` costs.
    """

    is_cut = False  # without TLS, the end of a stream cannot be told from a cut

    def __init__(self, connected: trio.socket.SocketType) -> None:
        self.socket = connected
        self._fd = connected.fileno()  # -1 once it is closed, because its number may then belong to another socket
        self.sent = 0  # octets that the kernel has taken; the number grows as long as the peer goes on reading
        self._unsent = memoryview(b"")
        self._poll: select.poll | None = None

    @property
    def is_blocked(self) -> bool:
        return bool(self._unsent)

    def put(self, data: Octets) -> bool:
        """True if the kernel has taken all of it."""
        try:
            taken = write(self._fd, data)
        except BlockingIOError:
            taken = 0
        self.sent += taken
        if taken == len(data):
            return True
        self._unsent = memoryview(data)[taken:]
        return False

    async def flush(self, timeout: float | None) -> None:
        """Raises trio.TooSlowError if the peer takes nothing for `timeout` seconds."""
        looks = 0
        while self._unsent:
            # A near peer takes something while other tasks run, and then there is nothing to wait for.
            await trio.lowlevel.checkpoint()
            if self._put_more():
                looks = 0
                continue
            if looks == LOOKS:
                raise trio.TooSlowError
            # The kernel reports room only when a third of its buffer is free, which takes a slow reader minutes. A
            # write takes what fits, so one is tried now and then without that report.
            with trio.move_on_after(seconds(timeout) / LOOKS) as scope:
                await trio.lowlevel.wait_writable(self._fd)
            looks = looks + 1 if scope.cancelled_caught else 0

    def _put_more(self) -> bool:
        """Whether the kernel has taken some of what it did not take before."""
        unsent, self._unsent = self._unsent, memoryview(b"")
        self.put(unsent)
        return len(self._unsent) < len(unsent)

    async def send(self, data: Octets, timeout: float | None) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.put(data):
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            await self.flush(timeout)

    def receive_now(self) -> bytes | None:
        """None if nothing is here."""
        try:
            return read(self._fd, READ)
        except BlockingIOError:
            return None

    async def receive(self, timeout: float | None) -> bytes:
        """Raises trio.TooSlowError if nothing comes for `timeout` seconds."""
        # Other tasks run before the socket is tried, and not after it, because a near server answers meanwhile. That
        # saves the cancel scope and a sleep, a fifth of a kept-alive GET.
        await trio.lowlevel.checkpoint()
        if (data := self.receive_now()) is not None:
            return data
        with trio.CancelScope(deadline=trio.current_time() + seconds(timeout)):
            while True:
                await trio.lowlevel.wait_readable(self._fd)
                if (data := self.receive_now()) is not None:
                    return data
        raise trio.TooSlowError

    def is_quiet(self) -> bool:
        if self._fd == -1:
            return False
        if not hasattr(select, "poll"):  # on Windows
            return not select.select([self._fd], [], [], 0)[0]
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLIN)
        return not self._poll.poll(0)

    def end(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(trio.socket.SHUT_WR)

    def close(self) -> None:
        self._fd, self._poll = -1, None
        self.socket.close()


class TLS:
    """TLS on a wire, as a client of `host`, or as a server without it.  One task may send while another receives."""

    def __init__(self, wire: Wire, context: ssl.SSLContext, host: str | None = None) -> None:
        self.is_cut = False  # the stream has ended without the peer's close_notify
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=host is None, server_hostname=host)
        self._is_ready = False
        self._came = b""  # from the peer, and not in `_incoming` yet
        self._pulling: trio.Event | None = None  # a task waits for octets of the peer; set when they are here

    @property
    def sent(self) -> int:
        return self._wire.sent

    @property
    def is_blocked(self) -> bool:
        return self._wire.is_blocked

    async def handshake(self) -> None:
        """Not bounded in time."""
        try:
            await self._until(self._ssl.do_handshake, None)
        except ssl.SSLError:
            self._put_records()  # the alert that says what was wrong
            raise
        await self.flush(None)
        self._is_ready = True

    def put(self, data: Octets) -> bool:
        """True if the kernel has taken all of it.  It is kept encrypted, so give at most a piece or two."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._ssl.write(rest) :]
        return self._put_records()

    def _put_records(self) -> bool:
        if self._wire.is_blocked:
            return False
        records = self._outgoing.read()
        return not records or self._wire.put(records)

    async def flush(self, timeout: float | None) -> None:
        while not self._put_records():
            await self._wire.flush(timeout)

    async def send(self, data: Octets, timeout: float | None) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            rest = view[start : start + PIECE]
            while rest:
                rest = rest[await self._until(lambda rest=rest: self._ssl.write(rest), timeout) :]  # type: ignore[misc]
            await self.flush(timeout)
            await trio.lowlevel.checkpoint()

    async def receive(self, timeout: float | None) -> bytes:
        await trio.lowlevel.checkpoint()
        octets: list[bytes] = []
        try:
            for _ in range(STEPS):
                try:
                    octets.append(self._ssl.read(READ))
                except ssl.SSLWantReadError:
                    if not self._feed():
                        break
            return b"".join(octets) if octets else await self._until(lambda: self._ssl.read(READ), timeout)
        except ssl.SSLEOFError:
            self.is_cut = True
            return b"".join(octets)

    async def _until(self, step: Callable[[], T], timeout: float | None) -> T:
        """Do a step of TLS, with as many octets of the peer as it takes."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if not self._is_ready:
                    await self.flush(timeout)
                self._put_records()  # an answer to a record of the peer, for instance new keys
                if self._feed():
                    await trio.lowlevel.checkpoint()
                else:
                    await self._pull(timeout)

    async def _pull(self, timeout: float | None) -> None:
        if self._pulling is not None:  # the other task waits already, and only one can wait for a socket
            await self._pulling.wait()
            return
        self._pulling = trio.Event()
        try:
            self._take(await self._wire.receive(timeout))
        finally:
            self._pulling.set()
            self._pulling = None

    def _take(self, data: bytes) -> None:
        self._came = data
        if not data:
            self._incoming.write_eof()

    def _feed(self) -> bool:
        """Give OpenSSL what may be the next record: it works through all it has in one call.  False if none is here."""
        record, self._came = self._came[:RECORD], self._came[RECORD:]
        self._incoming.write(record)
        return bool(record)

    def is_quiet(self) -> bool:
        """False also if a record has been received and not opened, where no socket shows it.

        Records that are about TLS itself, such as session tickets, are taken on the way and do not count.
        """
        with suppress(ssl.SSLError, OSError, trio.ClosedResourceError):
            for _ in range(STEPS):  # a peer that goes on and on is not quiet
                with suppress(ssl.SSLWantReadError):
                    self._ssl.read(1)
                    return False
                if not self._feed():
                    if (data := self._wire.receive_now()) is None:
                        return True
                    self._take(data)
        return False

    def end(self) -> None:
        self._put_goodbye()
        self._wire.end()

    def close(self) -> None:
        self._put_goodbye()
        self._wire.close()

    def _put_goodbye(self) -> None:
        """Send close_notify if the kernel takes it at once.  RFC 8446 §6.1 does not ask to wait for the peer's."""
        if self._is_ready and not self._wire.is_blocked and not self._outgoing.pending:
            with suppress(OSError, trio.ClosedResourceError):
                with suppress(ssl.SSLError):  # it is written, and now OpenSSL misses the peer's
                    self._ssl.unwrap()
                self._put_records()
