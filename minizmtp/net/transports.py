"""Transports: streams of bytes over tcp and ipc.                              inproc has no bytes: see `inproc`

    listen(Tcp("127.0.0.1", 0), options)      → Listener     await listener.accept() → Stream
    await dial(Tcp("127.0.0.1", 5555), options)              → Stream

A `Stream` is a non-blocking socket: `try_receive_into()` and `try_send()` do what can be done now, and never wait. (The
methods of `trio.SocketStream` are async. Here a plain function can write a message to an idle connection, without
waking a task; see `engine`.)

Errors are OSErrors with an explanation. Windows has no ipc here, because its Python has no Unix domain sockets.

Read next: `parting`, or `engine` at once.
"""

import errno
import math
import os
import socket
import ssl
import stat
import sys
import tempfile
from contextlib import ExitStack, suppress
from typing import Any, Final

import trio

from ..errors import EADDRINUSE, EINVAL, ENAMETOOLONG, EPROTONOSUPPORT, ZMQError
from ..options import Options
from ..wire import Connection
from .addresses import bind_address, family_of, host_of, numeric, socket_address, source_address, spelling
from .endpoints import ANY, Endpoint, Inproc, Ipc, Tcp, Ws

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ
except ImportError:  # Windows
    ioctl = None  # type: ignore[assignment]

IS_WINDOWS, IS_LINUX = sys.platform == "win32", sys.platform == "linux"

# Octets asked for in one read. A thousand short messages fit, and malloc can reuse a recently freed block of this size.
# (The body of a large frame is read directly into its buffer, see `wire.body`.)
READ_SIZE = 65536

# So many are let in, one after the other, before other tasks have their turn.
ACCEPTS_PER_CHECKPOINT = 16

NO_IPC = "ipc needs Unix domain sockets, which Python does not have on this system; use tcp://127.0.0.1:PORT"

# The size of sun_path (108 octets on Linux, 104 on macOS) without the zero at its end.
LONGEST_PATH = 107 if IS_LINUX else 103


class Stream:
    """One connection, as a stream of bytes."""

    __slots__ = ("_socket", "fileno", "peer_address")

    def __init__(self, sock: socket.socket, peer_address: str = "") -> None:
        self._socket: Final = sock
        self.fileno: Final = sock.fileno()
        self.peer_address = peer_address  # without its port, as libzmq's Peer-Address; "" for ipc

    def try_receive(self) -> bytes | None:
        """The octets that have arrived, b"" at the end of the stream, None if there are none now. Raises OSError."""
        try:
            return self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return None

    def try_receive_into(self, connection: Connection, most: int = 0) -> int | None:
        """Like try_receive, but gives the octets to connection, if possible into its buffer, and then at most `most` of
        them (0: as many as fit). Returns how many."""
        buffer = connection.get_buffer()
        try:
            if buffer is None:
                data = self._socket.recv(READ_SIZE)
                connection.receive_data(data)
                return len(data)
            # The view is released before the connection hears of it, because memory that is viewed cannot be resized.
            with buffer:
                count = self._socket.recv_into(buffer, most and min(most, len(buffer)))
        except BlockingIOError:
            return None
        if count:
            connection.buffer_updated(count)
        else:  # the end of the stream, which a buffer cannot tell
            connection.receive_data(b"")
        return count

    async def wait_receivable(self) -> None:
        """Wait until there is something to receive. Raises trio.ClosedResourceError after close()."""
        await trio.lowlevel.wait_readable(self._socket)

    def try_send(self, data: bytes | bytearray | memoryview, *more: bytes) -> int:
        """Offer data, and more after it, to the system. Returns how many octets it took, possibly 0."""
        try:
            # Windows has no sendmsg. The writer offers what is left as it does after any other part.
            return self._socket.sendmsg((data, *more)) if more and not IS_WINDOWS else self._socket.send(data)
        except BlockingIOError:
            return 0

    def in_flight(self) -> int:
        """How many octets the peer's system has not acknowledged yet; over ipc, about how many the peer has not read.
        0 where that is not known (Linux: SIOCOUTQ, tcp(7))."""
        if ioctl is None:
            return 0
        try:
            return int.from_bytes(ioctl(self._socket, TIOCOUTQ, bytes(4)), sys.byteorder)
        except OSError:
            return 0

    async def wait_sendable(self) -> None:
        """Wait until the system accepts more octets."""
        await trio.lowlevel.wait_writable(self._socket)

    def undelivered(self) -> int:
        """How many octets the peer's system does not have yet; over ipc it has them at once."""
        return self.in_flight() if _is_tcp(self._socket) else 0

    def send_eof(self) -> None:
        """Close our direction; the peer may go on sending. Raises OSError if the peer has disconnected already."""
        self._socket.shutdown(socket.SHUT_WR)

    def try_discard(self) -> int | None:
        """Drop octets that have arrived. Returns how many, 0 at the end of the stream, None if there are none now."""
        try:
            # Also of a TlsStream, whose octets are not worth decrypting any more.
            return len(self._socket.recv(READ_SIZE))
        except BlockingIOError:
            return None

    @property
    def peer(self) -> Endpoint | None:
        """The peer's endpoint; None if it has disconnected. The path of an ipc peer that connected to us is ""."""
        try:
            name = self._socket.getpeername()
        except OSError:
            return None
        if isinstance(name, tuple):
            return Tcp(name[0], name[1])
        # An abstract name comes as bytes, with a zero in front (unix(7)).
        return Ipc("@" + os.fsdecode(name[1:]) if isinstance(name, bytes) and name else os.fsdecode(name))

    def close(self) -> None:
        """Close at once. A task that waits on the stream gets trio.ClosedResourceError."""
        if self._socket.fileno() != -1:
            # First, because once it is closed, the number of the file may be that of another.
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def abandon(self) -> None:
        """In a forked child: close only the descriptor, because the connection is the parent's."""
        self._socket.close()


def handed_over(sock: socket.socket) -> tuple[Stream, Endpoint]:
    """The stream of a connection that another server has accepted, and the endpoint at which that server listens."""
    name = sock.getsockname()
    if not isinstance(name, tuple):
        raise ZMQError(EINVAL, "only a tcp connection can become a WebSocket")
    sock.setblocking(False)
    # The path is not asked for, because the other server has chosen the handler by it.
    return Stream(sock, host_of(sock.getpeername())), Ws(Tcp(spelling(name), name[1]), "/", secure=False)


class Listener:
    """A bound endpoint. `endpoint` is the bound one, with the port or path that the system chose.

    undo: closes the socket, and removes what was made for it.
    """

    def __init__(self, sock: socket.socket, endpoint: Endpoint, options: Options, undo: ExitStack) -> None:
        self._socket = sock
        self._options = options
        self._undo = undo
        self.endpoint: Endpoint = endpoint
        self.fileno: Final = sock.fileno()
        self._in_a_row = 0

    async def accept(self) -> Stream:
        """Wait for the next connection. Raises OSError if the system has no files left, say, and
        trio.ClosedResourceError if the listener is closed."""
        while True:
            if self._in_a_row == ACCEPTS_PER_CHECKPOINT:
                self._in_a_row = 1
                await trio.lowlevel.checkpoint()
            if self._socket.fileno() == -1:  # closed meanwhile, and no task waited that could be woken
                raise trio.ClosedResourceError
            if not self._in_a_row:  # after one connection there may be more, so don't wait first
                await trio.lowlevel.wait_readable(self._socket)
            before, self._in_a_row = self._in_a_row, 0
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):  # the peer left before we accepted
                continue
            self._in_a_row = before + 1
            sock.setblocking(False)
            if isinstance(self.endpoint, Ipc) or IS_WINDOWS:  # elsewhere it inherits these over tcp from the listener
                try:
                    _tune(sock, self._options)
                except BaseException:
                    sock.close()
                    raise
            return Stream(sock, host_of(peer))

    def abandon(self) -> None:
        """In a forked child: close only the descriptor, because the file of an ipc endpoint is the parent's."""
        self._socket.close()

    def close(self) -> None:
        """Close at once, and remove the file of an ipc endpoint."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._undo.close()


def listen(endpoint: Endpoint, options: Options) -> Listener:
    """Bind and listen. Names are not looked up, because this is a plain function that must not wait.

    Raises ZMQError: EADDRINUSE, ENODEV (no such interface), EMFILE, ENAMETOOLONG, EACCES …
    """
    assert not isinstance(endpoint, Inproc)
    check_tls(endpoint, options, dials=False)  # now, because each peer would only see a handshake that fails
    try:
        if isinstance(endpoint, Ipc):
            return _listen_ipc(endpoint, options)
        listener = _listen_tcp(endpoint.at if isinstance(endpoint, Ws) else endpoint, options)
    except OSError as error:
        raise ZMQError(error.errno or EINVAL, _bind_advice(endpoint, error)) from None
    if isinstance(endpoint, Ws) and isinstance(listener.endpoint, Tcp):  # below a WebSocket is a tcp connection
        listener.endpoint = endpoint._replace(at=listener.endpoint)
    return listener


def _listen_tcp(endpoint: Tcp, options: Options) -> Listener:
    host = bind_address(endpoint.host, options)
    try:
        return _listen_at(host, endpoint.port, options)
    except OSError as error:
        # On a system without IPv6, `*` means all IPv4 interfaces, as in libzmq.
        if endpoint.host != ANY or host != "::" or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return _listen_at("0.0.0.0", endpoint.port, options)


def _listen_at(host: str, port: int, options: Options) -> Listener:
    family = family_of(host)
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        # Without this, a server could not be restarted at once, because its old connections may stay for minutes. On
        # Windows it can, and the option would let another program take over the port.
        if not IS_WINDOWS:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # With `ipv6`, all interfaces includes those of IPv4 (zmq_setsockopt(3), ZMQ_IPV6). Set it always, because
            # the default differs between systems.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" and options.ipv6 else 1)
        sock.bind(socket_address(host, port))
        _start_listening(sock, options)
        bound = sock.getsockname()
        return Listener(sock, Tcp(spelling(bound), bound[1]), options, undo.pop_all())


def _listen_ipc(endpoint: Ipc, options: Options) -> Listener:
    check_dialable(endpoint)
    with ExitStack() as undo:  # because a bind that fails must leave no file behind
        if endpoint.path == ANY:
            directory = tempfile.mkdtemp(prefix="minizmtp-")
            undo.callback(_remove_directory, directory)
            endpoint = Ipc(os.path.join(directory, "socket"))
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # Before bind, which refuses a path that exists, although a Unix socket outlives its program (unix(7)).
        _remove_stale(endpoint)
        sock.bind(_unix_address(endpoint))
        if not endpoint.path.startswith("@"):
            undo.callback(_remove, endpoint.path, os.stat(endpoint.path))
        _start_listening(sock, options)
        return Listener(sock, endpoint, options, undo.pop_all())


def _start_listening(sock: socket.socket, options: Options) -> None:
    sock.setblocking(False)
    # Before listen, because accepted tcp connections inherit the options (not on Windows, and not over ipc).
    _tune(sock, options)
    sock.listen(options.backlog)


def _remove(path: str, file: os.stat_result) -> None:
    """Remove our file, unless another program has put its own in its place."""
    with suppress(OSError):
        if os.path.samestat(os.stat(path), file):
            os.unlink(path)


def _remove_directory(path: str) -> None:
    with suppress(OSError):  # a file of another program is in it
        os.rmdir(path)


def _remove_stale(endpoint: Ipc) -> None:
    """Remove a socket file that a crashed program left. If a program still listens there, raise OSError(EADDRINUSE)."""
    if endpoint.path.startswith("@") or not os.path.exists(endpoint.path):
        return
    if not stat.S_ISSOCK(os.stat(endpoint.path).st_mode):  # never removed: the path may be a mistake
        raise OSError(EADDRINUSE, "the path exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        # To connect is the only way to learn whether a program still listens there.
        try:
            probe.connect(endpoint.path)
        except ConnectionRefusedError:
            os.unlink(endpoint.path)
            return
        except BlockingIOError:  # a program listens, and its queue is full
            pass
    raise OSError(EADDRINUSE, os.strerror(EADDRINUSE))


def _bind_advice(endpoint: Endpoint, error: OSError) -> str:
    advice = {
        errno.EADDRINUSE: "; choose another endpoint, or let the system choose with `*`",
        errno.EADDRNOTAVAIL: "; expected an address of this machine, or `*` for all",
        errno.EACCES: "; not allowed: choose a port above 1023, or a path that may be written",
        errno.ENOENT: "; make the directory first",
    }
    return f"{endpoint}: {error.strerror}{advice.get(error.errno or 0, '')}"


async def dial(endpoint: Endpoint, options: Options) -> Stream:
    """Try once to connect. If a name has several addresses, they are tried in turn.

    Raises OSError; the caller decides when to try again (see `session`).
    """
    assert not isinstance(endpoint, Inproc)
    if isinstance(endpoint, Ipc):
        return await _connect(socket.AF_UNIX, _unix_address(endpoint), options)
    if isinstance(endpoint, Ws):
        endpoint = endpoint.at
    host = numeric(endpoint.host) or endpoint.host
    # Without `ipv6` only IPv4, as in libzmq (zmq_setsockopt(3), ZMQ_IPV6); an address says itself what it is.
    family = socket.AF_UNSPEC if options.ipv6 or ":" in host else socket.AF_INET
    try:
        # In a thread of trio, because a name server may take seconds to answer.
        found = await trio.socket.getaddrinfo(host, endpoint.port, family, socket.SOCK_STREAM)
    except ValueError as error:  # not a valid name, such as 70 letters without a dot (UnicodeError)
        raise OSError(EINVAL, f"invalid host name {endpoint.host!r}: {error}") from None
    reason: OSError | None = None
    for family, _, _, _, address in found:
        try:
            return await _connect(family, address, options, source_address(endpoint.source, family))
        except OSError as error:
            reason = error
    raise reason or OSError(errno.EADDRNOTAVAIL, "the host name has no address")


async def _connect(family: int, address: object, options: Options, source: tuple[Any, ...] | None = None) -> Stream:
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.setblocking(False)
        _tune(sock, options)  # before connect, because the size of a buffer is a part of TCP's handshake (tcp(7))
        if source is not None:
            if source[1]:  # the port may serve several targets, and a reconnect, as in libzmq
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        try:
            sock.connect(address)  # type: ignore[arg-type]
        except BlockingIOError:
            if not _is_tcp(sock):
                raise  # over ipc this means that the listener's queue is full
            await _wait_connected(sock, options.connect_timeout)
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                on_windows: dict[int, str] = getattr(socket, "errorTab", {})  # whose strerror does not know them
                raise OSError(code, on_windows.get(code) or os.strerror(code)) from None
        # For a free port of this machine, the system may choose the same port for our side: TCP connects to itself.
        if _is_tcp(sock) and sock.getsockname() == sock.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself: no program listens there")
        undo.pop_all()
        return Stream(sock, host_of(address))


async def _wait_connected(sock: socket.socket, timeout: int) -> None:
    """A connect in the background ends when the socket can be written (connect(2)). timeout: in ms; 0: the system's."""
    # Without a limit, the system repeats a lost SYN later and later: after a cut of 30 s up to 16 s later.
    with trio.move_on_after(timeout / 1000 or math.inf):
        await trio.lowlevel.wait_writable(sock)
        return
    raise OSError(errno.ETIMEDOUT, f"no connection within {timeout} ms (connect_timeout)") from None


def check_dialable(endpoint: Endpoint) -> None:
    """Raise ZMQError for an endpoint that no attempt could connect to, nor bind."""
    if not isinstance(endpoint, Ipc):
        return
    if not hasattr(socket, "AF_UNIX"):
        raise ZMQError(EPROTONOSUPPORT, f"{endpoint}: {NO_IPC}")
    if endpoint.path.startswith("@") and not IS_LINUX:
        raise ZMQError(EINVAL, f"{endpoint}: only Linux has names in no file system; expected a path, ipc:///PATH")
    if len(os.fsencode(endpoint.path)) > LONGEST_PATH:
        raise ZMQError(ENAMETOOLONG, f"{endpoint}: expected a path of at most {LONGEST_PATH} octets")


def check_tls(endpoint: Endpoint, options: Options, *, dials: bool) -> None:
    """Raise ZMQError if no handshake of TLS could succeed: a bind has no ssl_context, or it is for the other side."""
    if not (isinstance(endpoint, Ws) and endpoint.secure):
        return
    context = options.ssl_context
    if context is None and not dials:
        words = "bind needs a certificate: set ssl_context, to an ssl.SSLContext that has loaded one"
        raise ZMQError(EINVAL, f"{endpoint}: {words}")
    if context is not None and context.protocol == (ssl.PROTOCOL_TLS_SERVER if dials else ssl.PROTOCOL_TLS_CLIENT):
        method, purpose = ("connect", "SERVER_AUTH") if dials else ("bind", "CLIENT_AUTH")
        words = f"{method} needs ssl.create_default_context(ssl.Purpose.{purpose}), or another for that side"
        raise ZMQError(EINVAL, f"{endpoint}: ssl_context has {context.protocol.name}: {words}")


def _unix_address(endpoint: Ipc) -> str:
    # A zero in front makes a name abstract: it is in no file system, and ends with its socket (unix(7)).
    return "\0" + endpoint.path[1:] if endpoint.path.startswith("@") else endpoint.path


def _is_tcp(sock: socket.socket) -> bool:
    return sock.family in (socket.AF_INET, socket.AF_INET6)


def _tune(sock: socket.socket, options: Options) -> None:
    if _is_tcp(sock):
        # Nagle's algorithm would only delay messages, because we already write them whole.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _set(sock, socket.SOL_SOCKET, "SO_KEEPALIVE", options.tcp_keepalive)
        if options.tcp_keepalive == 1:
            _set(sock, socket.IPPROTO_TCP, "TCP_KEEPIDLE", options.tcp_keepalive_idle)
            _set(sock, socket.IPPROTO_TCP, "TCP_KEEPCNT", options.tcp_keepalive_cnt)
            _set(sock, socket.IPPROTO_TCP, "TCP_KEEPINTVL", options.tcp_keepalive_intvl)
    # Only if the program has set them, because Linux no longer adapts a buffer whose size was set.
    _set(sock, socket.SOL_SOCKET, "SO_SNDBUF", options.sndbuf)
    _set(sock, socket.SOL_SOCKET, "SO_RCVBUF", options.rcvbuf)


def _set(sock: socket.socket, level: int, name: str, value: int) -> None:
    # (Python has no name for an option that the system does not have.)
    if value != -1 and hasattr(socket, name):
        sock.setsockopt(level, getattr(socket, name), value)
