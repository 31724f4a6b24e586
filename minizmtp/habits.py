"""Habits: names of pyzmq that are missing here, each with what a program uses instead.

A program written for pyzmq may look for a name that this package leaves out. The error then says what to change:

    >>> import minizmtp as zmq
    >>> zmq.device
    Traceback (most recent call last):
    AttributeError: minizmtp has no device: use `await minizmtp.proxy(frontend, backend)` in a task of its own
    >>> zmq.Socket.send_pyobj
    Traceback (most recent call last):
    AttributeError: no send_pyobj: unpickling what a peer sent can run any code; use send_json(), or encode it

These names exist for error messages only: neither `dir()` nor a type checker sees them. `docs/PYZMQ.md` lists what else
is different. It can be read alone.
"""

from collections.abc import Iterable
from typing import NoReturn

from .sockopts import SocketOption

ASYNC = "minizmtp is async itself, on trio: from minizmtp import Context, Poller"
ERRORS = "the errors are ZMQError, Again and ContextTerminated"
MONITOR = "use `async with sock.monitor() as events`, and iterate over events"
PROXY = "use `await minizmtp.proxy(frontend, backend)` in a task of its own"
VERSION = "there is no libzmq in it; its own version is minizmtp.__version__"
NO_THREADS = "there are no I/O threads, and the number of sockets has no limit of its own"
NO_TYPE = "such sockets do not speak ZMTP: use trio's own streams and sockets"
MECHANISM = "the options of the socket choose its mechanism: plain_username, curve_serverkey ..."

OF_MODULE = {
    **dict.fromkeys(["asyncio", "green", "eventloop"], ASYNC),
    **dict.fromkeys(["ZMQBaseError", "ZMQBindError", "ZMQVersionError", "InterruptedSystemCall", "NotDone"], ERRORS),
    **dict.fromkeys(["utils", "EVENT_ALL"], MONITOR),
    **dict.fromkeys(["device", "devices", "proxy_steerable", "QUEUE", "FORWARDER", "STREAMER"], PROXY),
    **dict.fromkeys(["zmq_version", "zmq_version_info", "pyzmq_version", "pyzmq_version_info"], VERSION),
    **dict.fromkeys(["IO_THREADS", "MAX_SOCKETS", "MAX_MSGSZ", "SOCKET_LIMIT", "ContextOption"], NO_THREADS),
    **dict.fromkeys(["STREAM", "DGRAM"], NO_TYPE),
    **dict.fromkeys(["NULL", "PLAIN", "CURVE", "GSSAPI", "MECHANISM"], MECHANISM),
    "auth": "import minizmtp.auth",
    "MessageTracker": "a frame is copied, or it is bytes, so its memory need not be tracked",
    "PollEvent": "the flags are POLLIN, POLLOUT and POLLERR",
    "Flag": "the flags are NOBLOCK and SNDMORE",
    "select": "use a Poller",
    "strerror": "str(error) says what went wrong; os.strerror() knows the system's numbers",
    "has": "it has tcp, ipc, inproc, NULL and PLAIN, and CURVE where PyNaCl is installed",
}

# Options of libzmq for what does not exist here: I/O threads, multicast, SOCKS, GSSAPI ...
NO_OPTIONS = """
    affinity bindtodevice blocky busy_poll connect_rid delay_attach_on_connect disconnect_msg
    fail_unroutable gssapi_plaintext gssapi_principal gssapi_principal_nametype gssapi_server gssapi_service_principal
    gssapi_service_principal_nametype hello_msg hiccup_msg in_batch_size ipc_filter_gid ipc_filter_pid ipc_filter_uid
    ipv4only loopback_fastpath metadata multicast_hops multicast_loop multicast_maxtpdu only_first_subscribe
    out_batch_size priority rate reconnect_stop recovery_ivl router_behavior router_notify router_raw socks_password
    socks_proxy socks_username stream_notify tcp_accept_filter tcp_maxrt thread_safe topics_count tos use_fd
    xpub_manual_last_value xsub_verbose_unsubscribe
""".split()  # noqa: SIM905

NO_OPTION = "libzmq's option is for something that does not exist here; docs/OPTIONS.md lists ours"
PICKLE = "unpickling what a peer sent can run any code; use send_json(), or encode it"
NO_FILE = "a socket has no descriptor of its own; use poll(), or a Poller"

OF_SOCKET = {
    **dict.fromkeys(["send_pyobj", "recv_pyobj"], PICKLE),
    **dict.fromkeys(["fileno", "fd", "FD", "underlying"], NO_FILE),
    **dict.fromkeys(["get_monitor_socket", "disable_monitor"], MONITOR),
    **dict.fromkeys(["set_hwm", "get_hwm"], "hwm is an option: sock.hwm = 1000"),
    **dict.fromkeys(["getsockopt_string", "getsockopt_unicode", "get_string"], "use getsockopt(option).decode()"),
    **dict.fromkeys(["send_unicode", "recv_unicode", "setsockopt_unicode"], "its name ends in _string"),
    **dict.fromkeys(["send_serialized", "recv_serialized"], "use send_multipart() and recv_multipart()"),
    **dict.fromkeys(["join", "leave"], "it is for a DISH; a SUB subscribes"),
    "connect_peer": "it is for a PEER; use connect()",
    **dict.fromkeys(["io_threads", "max_sockets"], NO_THREADS),
    **dict.fromkeys([*NO_OPTIONS, *map(str.upper, NO_OPTIONS)], NO_OPTION),
    **{name: f"an option is an attribute in lower case: {name.lower()}" for name in SocketOption.__members__},
    **dict.fromkeys(["type", "TYPE"], "use socket_type"),
    **dict.fromkeys(["SUBSCRIBE", "UNSUBSCRIBE"], "call subscribe(prefix) or unsubscribe(prefix)"),
    "mechanism": MECHANISM,
    "context": "pass the Context along with the socket",
    "recv_into": "use recv(), and copy",
    "copy_threshold": "a frame is always bytes of its own",
    "shadow": "a socket or context of libzmq cannot be used here",
}


def advise_module(name: str) -> NoReturn:
    """Raise AttributeError for a name that the package doesn't have."""
    if name in OF_MODULE:
        raise AttributeError(f"minizmtp has no {name}: {OF_MODULE[name]}")
    if name.startswith("EVENT_"):
        raise AttributeError(f"minizmtp has no {name}: events are members of Event, such as Event.CONNECTED")
    if name.lower() in NO_OPTIONS or name == "FD":
        raise AttributeError(f"minizmtp has no {name}: {OF_SOCKET[name]}")
    raise AttributeError(f"module 'minizmtp' has no attribute {name!r}; docs/PYZMQ.md says what differs from pyzmq")


class Missing:
    """A descriptor for a name of pyzmq's Socket or Context: using the attribute raises AttributeError.

    A descriptor and not `__getattr__`, because a class with `__getattr__` needs three times as long for each attribute
    that it does have (CPython 3.11)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        raise AttributeError(f"no {self.name}: {OF_SOCKET[self.name]}")

    def __set__(self, instance: object, value: object) -> NoReturn:
        self.__get__(instance)


def without_missing(cls: type, names: Iterable[str]) -> list[str]:
    """Of names, those that cls has; a socket of a draft type has some that others miss."""
    return [name for name in names if name not in OF_SOCKET or callable(vars(cls).get(name))]


class Listing(type):
    """The type of Options, Socket and Context, whose `dir()` leaves out the missing names."""

    def __dir__(cls) -> list[str]:
        return without_missing(cls, super().__dir__())
