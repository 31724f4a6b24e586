"""Transports: an endpoint becomes a stream of bytes.                                 tcp and ipc; inproc has no bytes

    listen(Tcp("127.0.0.1", 0), options)      → Listener     await listener.accept() → Stream
    await dial(Tcp("127.0.0.1", 5555), options)              → Stream

A `Stream` is a non-blocking socket: `try_receive()` gives what has come, `try_receive_into()` passes it on to who is to
read it, and `try_send()` offers bytes to the system and tells how many it took, all of them *now*. That is why this is
not `trio.SocketStream`: a message for an idle connection can go out inside `send()`, without waking a task first, and
plain functions can do it all (see `engine`).

Errors come as OSError, with a sentence. Below this module: `endpoints`, `options`. Above it: `engine`.
Read next: `reactor`, or `engine` at once.
"""

import errno
import fcntl
import ipaddress
import os
import socket
import stat
import struct
import sys
import tempfile
import termios
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, BytesIO
from typing import Any, Final, Protocol

import trio

from ..errors import EADDRINUSE, EINVAL, ENAMETOOLONG, ENODEV, ZMQError
from ..options import Options
from .endpoints import ANY, Endpoint, Inproc, Ipc, Tcp

# Octets asked for in one read. A thousand short messages fit; and a block of this size comes from memory that was in
# use a moment ago. (What is to become a large frame is read to its place, see `wire.body`.)
READ_SIZE = 65536

# Half of what keep_memory keeps.
KEPT = 1 << 22

# So many are let in, one after the other, before other tasks have their turn.
ACCEPTS_PER_CHECKPOINT = 16

# Asks for the IPv4 address of an interface (netdevice(7)); macOS and the BSDs have another number for it.
SIOCGIFADDR = 0x8915 if sys.platform == "linux" else 0xC0206921

# What sun_path holds (108 octets on Linux, 104 on macOS), less the zero at its end.
LONGEST_PATH = 107 if sys.platform == "linux" else 103


class Receiver(Protocol):
    """What a Stream can fill (a Connection, for one); the names are those of asyncio and h11."""

    def get_buffer(self) -> memoryview | None:
        """Where the next octets are to go, if it matters; then buffer_updated says how many there are."""

    def buffer_updated(self, count: int) -> None: ...

    def receive_data(self, data: bytes) -> None:
        """Octets, where it does not matter; and the end of the stream: b"" in either case."""


class Stream:
    """One connection of bytes."""

    __slots__ = ("_socket", "fileno", "peer_address")

    def __init__(self, sock: socket.socket, peer_address: str = "") -> None:
        self._socket: Final = sock
        self.fileno: Final = sock.fileno()
        self.peer_address = peer_address  # without its port, as libzmq's Peer-Address; "" for ipc

    def try_receive(self) -> bytes | None:
        """What has come; b"" at the end of the stream; None if there is nothing just now. Raises OSError."""
        try:
            return self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return None

    def try_receive_into(self, receiver: Receiver) -> int | None:
        """The same, but receiver is given what has come: straight into its buffer, if it has one. How many octets."""
        buffer = receiver.get_buffer()
        try:
            if buffer is None:
                data = self._socket.recv(READ_SIZE)
                receiver.receive_data(data)
                return len(data)
            with buffer:
                count = self._socket.recv_into(buffer)
        except BlockingIOError:
            return None
        if count:
            receiver.buffer_updated(count)
        else:
            receiver.receive_data(b"")
        return count

    def wait_receivable(self) -> Awaitable[None]:
        """Until there is something to receive. Raises trio.ClosedResourceError when closed, or called away."""
        return trio.lowlevel.wait_readable(self._socket)  # noqa: ASYNC105  # the caller does: one coroutine less

    def call_away(self) -> None:
        """Let go whoever waits."""
        trio.lowlevel.notify_closing(self._socket)

    def try_send(self, data: bytes | bytearray | memoryview, *more: bytes) -> int:
        """Offer data to the system, and what is to follow it; how many octets it took, maybe 0."""
        try:
            return self._socket.sendmsg((data, *more)) if more else self._socket.send(data)
        except BlockingIOError:
            return 0

    def in_flight(self) -> int:
        """How many octets the system has taken from us and the peer's system has not confirmed; over ipc, about how
        many the peer has not read. 0 where the system cannot tell: this is Linux's SIOCOUTQ (tcp(7))."""
        try:
            return int.from_bytes(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except OSError:
            return 0

    async def wait_sendable(self) -> None:
        """Until the system takes some more."""
        await trio.lowlevel.wait_writable(self._socket)

    def send_eof(self) -> None:
        """Say no more; the peer may go on. Raises OSError where it has gone already."""
        self._socket.shutdown(socket.SHUT_WR)

    @property
    def peer(self) -> Endpoint | None:
        """Where the peer is: for ipc the path that it was dialled at, "" if it did the dialling. None when it has gone
        already."""
        try:
            name = self._socket.getpeername()
        except OSError:
            return None
        if isinstance(name, tuple):
            return Tcp(name[0], name[1])
        return Ipc("@" + os.fsdecode(name[1:]) if isinstance(name, bytes) and name else os.fsdecode(name))

    def close(self) -> None:
        """At once; whoever waits on the stream gets trio.ClosedResourceError."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def abandon(self) -> None:
        """In a child of a fork: close the descriptor alone. The connection, and trio's selector, are the parent's."""
        self._socket.close()


class Listener:
    """A bound endpoint. `endpoint` is what was bound, with the port or path that the system chose."""

    def __init__(self, sock: socket.socket, endpoint: Endpoint, options: Options) -> None:
        self._socket = sock
        self._options = options
        self.endpoint = endpoint
        self.fileno: Final = sock.fileno()
        # To remove our file at the end, and not one that somebody put in its place.
        self._file = _file_number(endpoint.path) if isinstance(endpoint, Ipc) else None
        self.directory: str | None = None  # made for ipc://*, to be removed with the file
        self._in_a_row = 0

    async def accept(self) -> Stream:
        """The next connection. Raises OSError when the system has none to give (too many open files, say), and
        trio.ClosedResourceError when we have been closed: also before anybody had the time to ask."""
        while True:
            if self._in_a_row == ACCEPTS_PER_CHECKPOINT:
                self._in_a_row = 1
                await trio.lowlevel.checkpoint()
            if self._socket.fileno() == -1:
                raise trio.ClosedResourceError
            if not self._in_a_row:  # where one came there may be a crowd: then ask at once
                await trio.lowlevel.wait_readable(self._socket)
            before, self._in_a_row = self._in_a_row, 0
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):  # it went away while it was waiting
                continue
            self._in_a_row = before + 1
            sock.setblocking(False)
            if isinstance(self.endpoint, Ipc):  # over tcp the listener has passed on what it was set to (`listen`)
                with _closed_on_error(sock):
                    _tune(sock, self._options, is_tcp=False)
            return Stream(sock, _host_of(peer))

    def abandon(self) -> None:
        """In a child of a fork: close the descriptor, and touch nothing that the parent has, too. trio's selector and
        the file of an ipc endpoint are the parent's."""
        self._socket.close()

    def close(self) -> None:
        """At once, and the file of an ipc endpoint goes too."""
        if self._socket.fileno() == -1:
            return
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()
        if isinstance(self.endpoint, Ipc) and self._file is not None:
            with suppress(OSError):
                if _file_number(self.endpoint.path) == self._file:
                    os.unlink(self.endpoint.path)
                if self.directory is not None:
                    os.rmdir(self.directory)


def listen(endpoint: Endpoint, options: Options) -> Listener:
    """Bind and listen. A plain call: nothing here waits, so names are not looked up.

    Raises ZMQError: EADDRINUSE, ENODEV (no such interface), EMFILE, ENAMETOOLONG, EACCES …
    """
    assert not isinstance(endpoint, Inproc)
    try:
        return _listen_tcp(endpoint, options) if isinstance(endpoint, Tcp) else _listen_ipc(endpoint, options)
    except OSError as error:
        raise ZMQError(error.errno or EINVAL, _bind_advice(endpoint, error)) from None


def _listen_tcp(endpoint: Tcp, options: Options) -> Listener:
    host = _bind_address(endpoint.host, options)
    try:
        return _listen_at(host, endpoint.port, options)
    except OSError as error:
        # A system without IPv6: `*` is then all interfaces of IPv4, as in libzmq.
        if endpoint.host != ANY or host != "::" or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return _listen_at("0.0.0.0", endpoint.port, options)


def _listen_at(host: str, port: int, options: Options) -> Listener:
    family = _family(host)
    sock = socket.socket(family, socket.SOCK_STREAM)
    with _closed_on_error(sock):
        # So that a server can be restarted at once: connections of its former life may linger for minutes.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # With `ipv6`, all interfaces means those of IPv4, too (zmq_setsockopt(3), ZMQ_IPV6). The system's default
            # is not the same everywhere.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" and options.ipv6 else 1)
        sock.bind(_socket_address(host, port))
        _start_listening(sock, options)
        bound = sock.getsockname()
        return Listener(sock, Tcp(_spelling(bound), bound[1]), options)


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bind_address(host: str, options: Options) -> str:
    """The address to bind to, as the system spells it. Raises ZMQError (ENODEV) for what is no address of a machine."""
    if host == ANY:
        return "::" if options.ipv6 else "0.0.0.0"
    if host.lower() == "localhost":  # the one name that needs no looking up (RFC 6761, section 6.3)
        return "127.0.0.1"
    if address := _numeric(host):
        return address
    for family in (socket.AF_INET6, socket.AF_INET) if options.ipv6 else (socket.AF_INET,):
        if address := _interface_address(host, family):
            return address
    raise ZMQError(
        ENODEV,
        f"tcp://{host}: bind takes an address of this machine, an interface that has one, or *;"
        " names are for connect, because bind does not look them up",
    )


def _numeric(host: str) -> str:
    """An address in the system's own spelling: `[::ffff:127.0.0.1]` and `127.1` are 127.0.0.1. "" if it is none."""
    try:
        return _spelling(_socket_address(host, 0))
    except (OSError, ValueError):  # ValueError: it cannot be a name either, such as one of 70 letters without a dot
        return ""


def _socket_address(host: str, port: int) -> tuple[Any, ...]:
    """What the system takes for an address: of IPv6, with the number of the interface that its zone names."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return found[0][4]


def _spelling(address: tuple[Any, ...]) -> str:
    host = str(address[0])
    if ":" not in host:
        return host
    mapped = ipaddress.IPv6Address(host).ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return f"{host}%{socket.if_indextoname(address[3])}" if address[3] else host


def _interface_address(name: str, family: int) -> str:
    """The address of an interface such as eth0, the first that is valid beyond its own link; "" if it has none."""
    if name not in [known for _, known in socket.if_nameindex()]:
        return ""
    if family == socket.AF_INET6:
        return _interface_ipv6(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("16s16x", name.encode()))
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def _interface_ipv6(name: str) -> str:
    """Linux tells in a file, one address a line: address, number, length of prefix, scope, flags, interface."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            lines = [line.split() for line in file]
    except OSError:
        return ""
    found = [(scope == "20", digits) for digits, _, _, scope, _, interface in lines if interface == name]
    if not found:
        return ""
    is_link_local, digits = min(found, key=lambda address: address[0])
    return str(ipaddress.IPv6Address(bytes.fromhex(digits))) + (f"%{name}" if is_link_local else "")


def dialled_place(endpoint: Endpoint, options: Options) -> Endpoint:
    """Where a connect to endpoint goes, in the one spelling by which two endpoints can be compared.

    >>> str(dialled_place(Tcp("::ffff:127.0.0.1", 5555), Options()))
    'tcp://127.0.0.1:5555'
    >>> str(dialled_place(Tcp("Server.Example", 5555), Options()))
    'tcp://server.example:5555'
    """
    if not isinstance(endpoint, Tcp):
        return endpoint
    host = endpoint.host.lower()
    if host == "localhost" and not options.ipv6:  # or else it may be ::1
        host = "127.0.0.1"
    return endpoint._replace(host=_numeric(endpoint.host) or host)


def bound_place(endpoint: Endpoint, options: Options) -> Endpoint | None:
    """The same for a bind; None where nothing can be bound.

    >>> str(bound_place(Tcp("*", 5555), Options()))
    'tcp://0.0.0.0:5555'
    """
    if not isinstance(endpoint, Tcp):
        return endpoint
    try:
        return Tcp(_bind_address(endpoint.host, options), endpoint.port)
    except (OSError, ZMQError):
        return None


def _listen_ipc(endpoint: Ipc, options: Options) -> Listener:
    directory = None
    if endpoint.path == ANY:
        directory = tempfile.mkdtemp(prefix="minizmtp-")
        endpoint = Ipc(os.path.join(directory, "socket"))
    _check_path(endpoint)
    try:
        listener = _listen_at_path(endpoint, options)
    except OSError:
        if directory is not None:
            os.rmdir(directory)
        raise
    listener.directory = directory
    return listener


def _listen_at_path(endpoint: Ipc, options: Options) -> Listener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _closed_on_error(sock):
        _remove_stale(endpoint)
        sock.bind(_unix_address(endpoint))
        try:
            _start_listening(sock, options)
        except OSError:
            if not endpoint.path.startswith("@"):
                os.unlink(endpoint.path)
            raise
        return Listener(sock, endpoint, options)


def _start_listening(sock: socket.socket, options: Options) -> None:
    sock.setblocking(False)
    # Before listen: whoever comes over tcp takes all of this from here. (So it is on Linux, macOS and the BSDs.
    # Over ipc Linux passes nothing on.)
    _tune(sock, options, sock.family != socket.AF_UNIX)
    sock.listen(options.backlog)


def _remove_stale(endpoint: Ipc) -> None:
    """A socket file that nobody listens at is left over from a crash, and is removed. Somebody answers: leave it."""
    if endpoint.path.startswith("@") or not os.path.exists(endpoint.path):
        return
    if not stat.S_ISSOCK(os.stat(endpoint.path).st_mode):
        raise OSError(EADDRINUSE, "there is a file of another kind")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(endpoint.path)
        except ConnectionRefusedError:
            os.unlink(endpoint.path)
        except BlockingIOError:  # it listens, and is busy
            raise OSError(EADDRINUSE, os.strerror(EADDRINUSE)) from None
        else:
            raise OSError(EADDRINUSE, os.strerror(EADDRINUSE))


def _bind_advice(endpoint: Endpoint, error: OSError) -> str:
    advice = {
        errno.EADDRINUSE: "; somebody listens there: choose another, or let the system choose with `*`",
        errno.EADDRNOTAVAIL: "; that is no address of this machine: use one that is, or `*` for all",
        errno.EACCES: "; not allowed: choose a port above 1023, or a path that may be written",
        errno.ENOENT: "; make the directory first",
    }
    return f"{endpoint}: {error.strerror}{advice.get(error.errno or 0, '')}"


async def dial(endpoint: Endpoint, options: Options) -> Stream:
    """One attempt to connect. A name may stand for several addresses: they are tried in turn.

    Raises OSError; trying again is the caller's business (see `session`).
    """
    assert not isinstance(endpoint, Inproc)
    if isinstance(endpoint, Ipc):
        return await _connect(socket.AF_UNIX, _unix_address(endpoint), options)
    host = _numeric(endpoint.host) or endpoint.host
    family = socket.AF_UNSPEC if options.ipv6 or ":" in host else socket.AF_INET
    try:
        found = await trio.socket.getaddrinfo(host, endpoint.port, family, socket.SOCK_STREAM)
    except ValueError as error:  # no name at all, such as one of 70 letters without a dot (UnicodeError)
        raise OSError(EINVAL, f"{endpoint.host!r} is no name: {error}") from None
    reason: OSError | None = None
    for family, _, _, _, address in found:
        try:
            return await _connect(family, address, options, _source_address(endpoint.source, family))
        except OSError as error:
            reason = error
    raise reason or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def _source_address(source: Tcp | None, family: int) -> tuple[Any, ...] | None:
    """Where a connection of that family comes from. Asked at each attempt: an interface may get its address later."""
    if source is None:
        return None
    if source.host == ANY:
        return ("::" if family == socket.AF_INET6 else "0.0.0.0"), source.port
    if source.host.lower() == "localhost":
        return ("::1" if family == socket.AF_INET6 else "127.0.0.1"), source.port
    if address := _numeric(source.host):
        if _family(address) == family:
            return _socket_address(address, source.port)
        raise OSError(errno.EADDRNOTAVAIL, f"the source address {address} is of another family than its target")
    if address := _interface_address(source.host, family):
        return _socket_address(address, source.port)
    raise OSError(ENODEV, f"no interface {source.host!r} with an address of that family")


async def _connect(family: int, address: object, options: Options, source: tuple[Any, ...] | None = None) -> Stream:
    sock = socket.socket(family, socket.SOCK_STREAM)
    with _closed_on_error(sock):
        sock.setblocking(False)
        _tune(sock, options, family != socket.AF_UNIX)
        if source is not None:
            if source[1]:  # one port for several targets, and again after a reconnect, as libzmq has it
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        try:
            sock.connect(address)  # type: ignore[arg-type]
        except BlockingIOError:
            if family == socket.AF_UNIX:
                raise  # not under way but turned away: the listener's queue is full
            await trio.lowlevel.wait_writable(sock)
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code)) from None
        # Dial a free port of this machine often enough, and the system will one day choose that very port for our end:
        # then TCP connects us to ourselves.
        if family != socket.AF_UNIX and sock.getsockname() == sock.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself: nobody listens there")
        return Stream(sock, _host_of(address))


def _host_of(address: object) -> str:
    """The host of a socket's address, without its port; "" for ipc. Python leaves out the zone of a link-local one."""
    if not isinstance(address, tuple):
        return ""
    host = str(address[0])
    if len(address) == 4 and address[3] and "%" not in host:
        with suppress(OSError):  # that interface is gone already
            return f"{host}%{socket.if_indextoname(address[3])}"
    return host


def keep_memory() -> None:
    """Have the process keep some memory that is free just now, for the next burst of messages.

    A malloc like glibc's gives it back to the system as soon as 128 KiB are free at its end, and a moment later has it
    given anew, page by page. But it learns: when a block like this one is freed, it keeps twice as much from then on
    (mallopt(3), "M_MMAP_THRESHOLD"; whatever the environment says is stronger). The buffer is not used, and no page of
    it touched. A PULL needs for each MiB in messages of 64 KiB 0.3 ms of CPU in place of 1.0. (2026-11-25.)
    """
    BufferedReader(BytesIO(), KEPT)


def check_dialable(endpoint: Endpoint) -> None:
    """Refuse at once what no attempt can reach."""
    if isinstance(endpoint, Ipc):
        _check_path(endpoint)


def _check_path(endpoint: Ipc) -> None:
    if len(os.fsencode(endpoint.path)) > LONGEST_PATH:
        raise ZMQError(ENAMETOOLONG, f"{endpoint}: a socket's path has at most {LONGEST_PATH} octets")


def _unix_address(endpoint: Ipc) -> str:
    return "\0" + endpoint.path[1:] if endpoint.path.startswith("@") else endpoint.path


def _tune(sock: socket.socket, options: Options, is_tcp: bool) -> None:
    if is_tcp:
        # A message is written whole: waiting for more to fill a packet (Nagle's algorithm) would only delay it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _set(sock, socket.SOL_SOCKET, "SO_KEEPALIVE", options.tcp_keepalive)
        if options.tcp_keepalive == 1:
            _set(sock, socket.IPPROTO_TCP, "TCP_KEEPIDLE", options.tcp_keepalive_idle)
            _set(sock, socket.IPPROTO_TCP, "TCP_KEEPCNT", options.tcp_keepalive_cnt)
            _set(sock, socket.IPPROTO_TCP, "TCP_KEEPINTVL", options.tcp_keepalive_intvl)
    _set(sock, socket.SOL_SOCKET, "SO_SNDBUF", options.sndbuf)
    _set(sock, socket.SOL_SOCKET, "SO_RCVBUF", options.rcvbuf)


def _set(sock: socket.socket, level: int, name: str, value: int) -> None:
    if value != -1 and hasattr(socket, name):
        sock.setsockopt(level, getattr(socket, name), value)


def _file_number(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _closed_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise
