"""Options: what can be set on a socket, its unit, and its default.

Each option is defined by one row of `Options`. The attribute, the check of its value and `docs/OPTIONS.md` all come
from that row. Names, units and defaults are libzmq's; times are in milliseconds.

    >>> options = Options()
    >>> options.linger, options.sndhwm
    (-1, 1000)
    >>> options.linger = -5
    Traceback (most recent call last):
    minizmtp.errors.ZMQError: EINVAL: linger=-5: expected -1 (for ever) or milliseconds >= 0, below 2**31
    >>> options.linger = "soon"
    Traceback (most recent call last):
    TypeError: linger='soon': expected int
    >>> options.routing_id = "worker-7"              # text is taken for its UTF-8
    >>> options.routing_id
    b'worker-7'

`bind` and `connect` copy the options, so a new value of most options takes effect at the next bind or connect (as in
libzmq). `acts` in a row says when the value takes effect otherwise.

Read next: `patterns.queue`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, NoReturn, TypedDict, TypeVar

from . import habits
from .constants import SocketType
from .errors import EINVAL, Secret, ZMQError
from .sockopts import SocketOption
from .wire import z85

T = TypeVar("T")
FOREVER = -1

REQ, ROUTER, XPUB = SocketType.REQ, SocketType.ROUTER, SocketType.XPUB
ASKERS = (SocketType.REQ, SocketType.DEALER, SocketType.ROUTER)
PUBLISHERS = (SocketType.PUB, SocketType.XPUB)
SUBSCRIBERS = (SocketType.SUB, SocketType.XSUB)

TCP = ("tcp", "ws", "wss")
STREAMS = (*TCP, "ipc")
ANY_TRANSPORT = (*STREAMS, "inproc")

# Without one of these, some other options have no effect.
HEARTBEAT, KEEPALIVE = ("heartbeat_ivl",), ("tcp_keepalive",)
CURVE = ("curve_serverkey", "curve_server")

# When a new value takes effect, if not at the next bind or connect.
AT_ONCE, NEXT_SEND, NEXT_RECV, NEXT_PEER = "at once", "next send", "next recv", "next peer"
NEXT_CLOSE, NEXT_CONNECT = "next close, unbind, disconnect", "next connect, once"

# The socket types for which conflate has an effect, as in libzmq.
CONFLATE = (SocketType.PUSH, SocketType.PULL, SocketType.PUB, SocketType.SUB, SocketType.DEALER)


class Rule(NamedTuple):
    """Which values an option accepts, as a text and as a function."""

    words: str
    allows: Callable[[Any], bool]


# libzmq's options are C ints, and the system accepts no larger numbers; only the size of a frame has 63 bits.
LARGEST = 2**31 - 1
LARGEST_FRAME = 2**63 - 1

COUNT = Rule("0 (no limit) or more, below 2**31", lambda value: 0 <= value <= LARGEST)
BACKLOG = Rule("0 or more, below 2**31", lambda value: 0 <= value <= LARGEST)
PROBE_TIME = Rule("-1 (the system's) or 1 to 32767", lambda value: value == -1 or 0 < value < 2**15)
PROBE_COUNT = Rule("-1 (the system's) or 1 to 127", lambda value: value == -1 or 0 < value < 128)
TIME = Rule("-1 (for ever) or milliseconds >= 0, below 2**31", lambda value: FOREVER <= value <= LARGEST)
INTERVAL = Rule("-1 (never), 0 (never) or milliseconds > 0, below 2**31", lambda value: -1 <= value <= LARGEST)
SPAN = Rule("milliseconds >= 0, below 2**31", lambda value: 0 <= value <= LARGEST)
TTL = Rule("milliseconds from 0 to 6553599", lambda value: 0 <= value <= 6553599)
SIZE = Rule("-1 (no limit) or octets >= 0, below 2**63", lambda value: -1 <= value <= LARGEST_FRAME)
SPAN_OF_OCTETS = Rule("octets >= 0, below 2**63", lambda value: 0 <= value <= LARGEST_FRAME)
SYSTEM = Rule("-1 (the system's) or more, below 2**31", lambda value: -1 <= value <= LARGEST)
LOOK = Rule("microseconds from 0 to 150", lambda value: 0 <= value <= 150)
SWITCH = Rule("0 or 1", lambda value: value in (0, 1))
TERNARY = Rule("-1 (the system's), 0 or 1", lambda value: value in (-1, 0, 1))
SHORT = Rule("1 to 255 octets", lambda value: 0 < len(value) < 256)
UP_TO_255 = Rule("up to 255 octets", lambda value: len(value) < 256)
KEY = Rule("a key: 32 octets, or 40 characters of Z85", lambda value: _is_key(value))
ANY_OCTETS = Rule("any octets", lambda value: True)
ORIGINS = Rule(
    "SCHEME://HOST as a browser sends it, with :PORT unless it is 80 of http or 443 of https; null; or *. Separate"
    " several by spaces",
    lambda value: all(_is_origin(origin.lower()) for origin in value.split()),
)
CONTEXT = Rule("an ssl.SSLContext", lambda value: True)
NAME = Rule("1 to 255 octets that do not begin with a zero", lambda value: 0 < len(value) < 256 and value[0] != 0)


class Option(Generic[T]):
    """One row: type, default, rule and meaning. It is a descriptor, so `options.linger` reads and sets the value; the
    rule is checked when a value is set.

    secret: no repr shows the value. hidden: no error shows a value that was refused.
    """

    secret = False
    hidden = False

    def __init__(
        self,
        default: T,
        rule: Rule,
        meaning: str,
        *socket_types: SocketType,
        over: tuple[str, ...] = ANY_TRANSPORT,
        acts_on: tuple[SocketType, ...] = (),
        needs: tuple[str, ...] = (),
        acts: str = "next bind, connect",
    ) -> None:
        self.type = type(default)
        self.default = default
        self.rule = rule
        self.meaning = meaning
        self.__doc__ = f"{meaning} ({rule.words}; default: {default!r})"  # for help()
        self.socket_types = socket_types  # all other types refuse the option; empty: no type refuses it
        # libzmq accepts options that have no effect, and so do we. The option has an effect only over these transports,
        # on these socket types (empty: on all), and if one of these options is set (empty: always).
        self.over, self.acts_on, self.needs = over, acts_on, needs
        self.acts = acts  # when a new value takes effect on a socket in use

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Options | None, owner: type) -> T:
        if instance is None:
            return self  # type: ignore[return-value]  # the row itself, for documentation
        return instance._values.get(self.name, self.default)  # type: ignore[no-any-return]

    def __set__(self, instance: Options, value: T) -> None:
        if not isinstance(value, self.type):
            wanted = "bytes or str" if self.type is bytes else self.type.__name__
            raise TypeError(f"{self._as_given(value)}: expected {wanted}")
        if not self.rule.allows(value):
            raise ZMQError(EINVAL, f"{self._as_given(value)}: expected {self.rule.words}")
        kind = getattr(instance, "socket_type", None)
        if kind is not None and not self.fits(kind):
            wanted = " and ".join(kind.name for kind in self.socket_types)
            raise ZMQError(EINVAL, f"{self.name} is for {wanted}; this is a {kind.name} socket")
        instance._values[self.name] = Secret(value) if self.secret and isinstance(value, bytes) else value
        instance._option_changed(self.name)

    def __delete__(self, instance: Options) -> None:
        """Set the option back to its default."""
        if instance._values.pop(self.name, None) is not None:
            instance._option_changed(self.name)

    def fits(self, kind: SocketType) -> bool:
        """True if sockets of this type have the option."""
        return not self.socket_types or kind in self.socket_types

    def _as_given(self, value: object) -> str:
        """The refused value, for an error text: at most 80 characters, and only its size if it may be a secret."""
        if self.hidden:
            kind = f"{len(value)} octets" if isinstance(value, bytes) else type(value).__name__
            return f"{self.name}=<{kind}>"
        text = repr(value)
        return f"{self.name}={text[:80]}{'...' * (len(text) > 80)}"


Switch = partial(Option[int], 0, SWITCH)


class Octets(Option[bytes]):
    """A row for bytes. Text may be given, too, and is taken for its UTF-8."""

    def __set__(self, instance: Options, value: bytes | bytearray | memoryview | str) -> None:
        if isinstance(value, str):
            value = self._encode(value)
        super().__set__(instance, bytes(value) if isinstance(value, (bytearray, memoryview)) else value)

    def _encode(self, text: str) -> bytes:
        with suppress(UnicodeEncodeError):  # don't chain it to our error, because its repr shows the text
            return text.encode()
        raise ZMQError(EINVAL, f"{self.name}: expected text that UTF-8 can encode, or bytes")


class Password(Octets):
    """A row for a password, which is never shown."""

    secret = hidden = True


class Key(Octets):
    """A row for a CURVE key: 32 octets, or 40 characters of Z85. Reading it gives Z85. Errors don't show the value of a
    public key either, because the program may have passed the secret key by mistake."""

    hidden = True

    def __set__(self, instance: Options, value: bytes | bytearray | memoryview | str) -> None:
        if isinstance(value, (bytes, bytearray, memoryview)) and len(octets := bytes(value)) == 32:
            value = z85.encode(octets)
        super().__set__(instance, value)


class SecretKey(Key):
    """A row for a secret CURVE key."""

    secret = True


class TlsContext(Option[ssl.SSLContext | None]):
    """A row for TLS. None is allowed, too, and is the default."""

    def __init__(self, meaning: str) -> None:
        super().__init__(None, CONTEXT, meaning, over=("wss",))
        self.type = ssl.SSLContext

    def __set__(self, instance: Options, value: ssl.SSLContext | None) -> None:
        if value is None:
            self.__delete__(instance)
        else:
            super().__set__(instance, value)


class Tenths(Option[int]):
    """A row for a time that is sent in tenths of a second: the value is rounded down to 100 ms, as in libzmq."""

    def __set__(self, instance: Options, value: int) -> None:
        super().__set__(instance, value)
        instance._values[self.name] -= instance._values[self.name] % 100


def _is_origin(origin: bytes) -> bool:
    """Can a browser send this as an Origin (RFC 6454, 6.2)? A pattern, or the usual port, would never match."""
    usual = re.match(rb"http://.*:80$|https://.*:443$", origin)
    return not usual and re.fullmatch(rb"\*|null|[\w+.-]+://[\w.:\[\]-]+", origin) is not None


def _is_key(text: bytes) -> bool:
    try:
        return len(z85.decode(text)) == 32
    except ValueError:
        return False


class Alias(Generic[T]):
    """Another name for one or more options. Setting it sets all of them, reading it reads the first."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __get__(self, instance: Options, owner: type) -> T:
        return getattr(instance, self.names[0])  # type: ignore[no-any-return]

    def __set__(self, instance: Options, value: T) -> None:
        for name in self.names:
            setattr(instance, name, value)


class Options(metaclass=habits.Listing):
    """A socket's options. Socket inherits from this class, so each option is an attribute of every socket."""

    __slots__: ClassVar[tuple[str, ...]] = ("_values",)
    _values: dict[str, Any]  # the values that were set, by name; often empty, so looking one up is fast

    # Not formatted, because one argument on each line would make it three times as long.
    # fmt: off
    sndhwm = Option(
        1000, COUNT, "send high-water mark: messages queued for one peer before it counts as full", acts=AT_ONCE)
    rcvhwm = Option(
        1000, COUNT, "receive high-water mark: messages queued from one peer before reading from it stops",
        acts=AT_ONCE)
    hwm: Alias[int] = Alias("sndhwm", "rcvhwm")
    linger = Option(
        FOREVER, TIME, "how long close() tries to send unsent messages; 0 on SUB and XSUB unless set", acts=NEXT_CLOSE)
    sndtimeo = Option(FOREVER, TIME, "how long send() waits before it raises Again", acts=NEXT_SEND)
    rcvtimeo = Option(FOREVER, TIME, "how long recv() waits before it raises Again", acts=NEXT_RECV)
    spin_time = Option(
        150, LOOK, "how long recv() may poll before it blocks; 0: not at all. Not in libzmq", over=STREAMS,
        acts=NEXT_RECV)
    routing_id = Octets(b"", NAME, "the name by which a ROUTER at the other end knows us; empty: it makes one up")
    identity: Alias[bytes] = Alias("routing_id")
    immediate = Switch("1: queue messages for a peer only while it is connected")
    conflate = Switch(
        "1: keep only the newest message for and from each peer; not for multipart messages", acts_on=CONFLATE)
    router_mandatory = Switch(
        "1: send() raises EHOSTUNREACH for an unknown peer, and waits for a full one; 0: it drops", ROUTER,
        acts=AT_ONCE)
    router_handover = Switch(
        "1: a new peer takes over a routing id in use, and the old peer is disconnected", ROUTER, acts=AT_ONCE)
    probe_router = Switch("1: send an empty message to each new peer", *ASKERS, acts=NEXT_PEER)
    req_relaxed = Switch("1: a new request may be sent before the last one is answered", REQ, acts=AT_ONCE)
    req_correlate = Switch("1: number the requests, accept only the reply with the same number", REQ, acts=NEXT_SEND)
    xpub_verbose = Switch(
        "1: report each subscription, not only the first to a prefix", *PUBLISHERS, acts_on=(XPUB,), acts=AT_ONCE)
    xpub_verboser = Switch(
        "1: report each subscription and each cancellation", *PUBLISHERS, acts_on=(XPUB,), acts=AT_ONCE)
    xpub_manual = Switch(
        "1: the program itself decides what each peer is subscribed to", *PUBLISHERS, acts_on=(XPUB,), acts=AT_ONCE)
    xpub_nodrop = Switch(
        "1: send() waits for a slow subscriber; 0: it drops the message for it", *PUBLISHERS, acts=AT_ONCE)
    xpub_welcome_msg = Octets(
        b"", ANY_OCTETS, "a message that each new subscriber gets first; empty: none", *PUBLISHERS, acts=NEXT_PEER)
    invert_matching = Switch(
        "1: only messages that match no subscription pass", acts_on=(*PUBLISHERS, *SUBSCRIBERS), acts=AT_ONCE)
    maxmsgsize = Option(
        -1, SIZE, "the largest frame to accept; a peer that sends a larger one is disconnected", over=STREAMS)
    maxunfinished = Option(
        2**27, SPAN_OF_OCTETS, "memory for an incomplete message: its frames so far, and 64 octets more for each,"
        " because that is what a frame costs; a peer that sends more is disconnected. Not in libzmq", over=STREAMS)
    maxsubscribed = Option(
        2**30, SPAN_OF_OCTETS, "memory for the subscriptions of one peer: 512 for each, and 8 for each octet of its"
        " prefix. Not in libzmq", *PUBLISHERS, SocketType.RADIO, over=STREAMS, acts=AT_ONCE)
    reconnect_ivl = Option(
        100, INTERVAL, "pause before the next attempt to connect, plus a random time up to as much again", over=STREAMS)
    reconnect_ivl_max = Option(
        0, SPAN, "above 0: each failure doubles the pause, up to this value, and nothing random is added", over=STREAMS)
    connect_timeout = Option(
        0, SPAN, "how long one attempt of tcp to connect may take; 0: as long as the system tries, often two minutes",
        over=STREAMS)
    handshake_ivl = Option(30000, SPAN, "how long greeting and handshake may take; 0: no limit", over=STREAMS)
    heartbeat_ivl = Option(
        0, SPAN, "pause between two PINGs, which the peer has to answer; 0: no PINGs are sent", over=STREAMS)
    heartbeat_old_peers = Switch(
        "1: send PINGs to ZMTP 3.0 peers too. libzmq from 4.2.0, JeroMQ and NetMQ answer; libzmq 4.1 takes a PING for a"
        " message. 0: they get PINGs only after they have sent one. Not in libzmq", over=STREAMS, needs=HEARTBEAT)
    heartbeat_timeout = Option(
        -1, SPAN, "how long a peer may be silent after a PING; not set: heartbeat_ivl; 0: no limit", over=STREAMS,
        needs=HEARTBEAT)
    heartbeat_ttl = Tenths(
        0, TTL, "after how long a silence the peer should disconnect us, in steps of 100 ms; 0: not sent", over=STREAMS,
        needs=HEARTBEAT)
    connect_routing_id = Octets(
        b"", NAME, "the routing id of the peer of the next connect; it can be used before the peer has answered",
        ROUTER, acts=NEXT_CONNECT)
    plain_server = Switch("1: PLAIN server: clients must send a username and a password", over=STREAMS)
    plain_username = Octets(b"", SHORT, "PLAIN: the client's username; setting it selects PLAIN", over=STREAMS)
    plain_password = Password(b"", SHORT, "PLAIN: the client's password", over=STREAMS)
    curve_server = Switch("1: CURVE server: clients must know our public key", over=STREAMS)
    curve_publickey = Key(b"", KEY, "CURVE: our public key", over=STREAMS, needs=CURVE)
    curve_secretkey = SecretKey(b"", KEY, "CURVE: our secret key", over=STREAMS, needs=CURVE)
    curve_serverkey = Key(
        b"", KEY, "CURVE: the server's public key; setting it selects CURVE, as a client", over=STREAMS)
    zap_domain = Octets(
        b"", UP_TO_255, "the domain for the ZAP handler; with NULL, it is asked only if this is set", over=STREAMS)
    zap_enforce_domain = Switch(
        "1: with NULL, a peer is refused if there is no ZAP handler", over=STREAMS, needs=("zap_domain",))
    ssl_context = TlsContext(
        "TLS: a bind needs one with a certificate; without it, a connect trusts what the system trusts")
    ws_origins = Octets(
        b"", ORIGINS, "web pages that may connect to us, besides those from an address or localhost that is also where"
        " they connect to; *: any page. Programs need none. Not in libzmq", over=("ws", "wss"))
    backlog = Option(100, BACKLOG, "connections that the system queues until they are accepted", over=STREAMS)
    ipv6 = Switch("1: `*` means all interfaces of IPv6 and IPv4; names may resolve to IPv6", over=TCP)
    sndbuf = Option(-1, SYSTEM, "the system's send buffer, in octets (SO_SNDBUF)", over=STREAMS)
    rcvbuf = Option(-1, SYSTEM, "the system's receive buffer, in octets (SO_RCVBUF)", over=STREAMS)
    tcp_keepalive = Option(-1, TERNARY, "SO_KEEPALIVE", over=TCP)
    tcp_keepalive_idle = Option(
        -1, PROBE_TIME, "seconds of silence before the first probe (TCP_KEEPIDLE)", over=TCP, needs=KEEPALIVE)
    tcp_keepalive_cnt = Option(
        -1, PROBE_COUNT, "probes before the peer counts as gone (TCP_KEEPCNT)", over=TCP, needs=KEEPALIVE)
    tcp_keepalive_intvl = Option(-1, PROBE_TIME, "seconds between probes (TCP_KEEPINTVL)", over=TCP, needs=KEEPALIVE)
    # fmt: on

    def __init__(self) -> None:
        self._values = {}

    if not TYPE_CHECKING:  # so that a type checker reports a wrong name, and `with` without async

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                object.__setattr__(self, name, value)
            except AttributeError:
                known = getattr(type(self), name, None)
                if callable(known):
                    raise AttributeError(f"{name} is a method: call {name}(...)") from None
                if known is not None or name in habits.OF_SOCKET:
                    raise
                # A class with slots refuses an unknown name, but doesn't suggest a similar one.
                raise AttributeError(unknown_option(name)) from None

        def __enter__(self) -> NoReturn:
            raise TypeError(f"use `async with` for a {type(self).__name__}, not `with`")

        def __exit__(self, *error: object) -> None:
            """Never called, but `with` looks for it first."""

    def __dir__(self) -> list[str]:
        return habits.without_missing(type(self), super().__dir__())

    def _option_changed(self, name: str) -> None:
        """Called after an option has been set."""

    def setsockopt(self, option: int, value: Any) -> None:
        """Set an option by its constant, such as `zmq.LINGER`, as in pyzmq. Raises ZMQError(EINVAL) for a number of an
        unknown option, and TypeError for text (see setsockopt_string)."""
        if isinstance(value, str):
            raise TypeError(f"{option!r}: expected bytes or int; for text there is setsockopt_string()")
        setattr(self, option_name(option), value)

    def getsockopt(self, option: int) -> Any:
        """Read an option by its constant, as in pyzmq."""
        return getattr(self, option_name(option))

    def setsockopt_string(self, option: int, text: str, encoding: str = "utf-8") -> None:
        """Set an option of bytes to text, by its constant."""
        if not isinstance(text, str):
            raise TypeError(f"setsockopt_string takes str, not {type(text).__name__}")
        self.setsockopt(option, text.encode(encoding))

    set, get, set_string = setsockopt, getsockopt, setsockopt_string


def option_name(option: int) -> str:
    """The attribute for one of libzmq's numbers.

    >>> option_name(17)
    'linger'
    """
    name = SocketOption(option).name.lower() if option in list(SocketOption) else ""
    if name not in OPTION_NAMES:
        raise ZMQError(EINVAL, f"option {option!r}: expected one of those in docs/OPTIONS.md")
    return name


# For type checkers; a test compares it with the rows above.
Text = bytes | str
Keywords = TypedDict("Keywords", {  # noqa: UP013  (as a class it would take fifty lines)
    "sndhwm": int, "rcvhwm": int, "hwm": int, "linger": int, "sndtimeo": int, "rcvtimeo": int, "spin_time": int,
    "routing_id": Text, "identity": Text, "immediate": int, "conflate": int, "router_mandatory": int,
    "router_handover": int, "probe_router": int, "req_relaxed": int, "req_correlate": int, "xpub_verbose": int,
    "xpub_verboser": int, "xpub_manual": int, "xpub_nodrop": int, "xpub_welcome_msg": Text, "invert_matching": int,
    "maxmsgsize": int, "maxunfinished": int, "maxsubscribed": int, "reconnect_ivl": int, "reconnect_ivl_max": int,
    "connect_timeout": int, "handshake_ivl": int, "heartbeat_ivl": int, "heartbeat_old_peers": int,
    "heartbeat_timeout": int, "heartbeat_ttl": int, "connect_routing_id": Text, "plain_server": int,
    "plain_username": Text, "plain_password": Text, "curve_server": int, "curve_publickey": Text,
    "curve_secretkey": Text, "curve_serverkey": Text, "zap_domain": Text, "zap_enforce_domain": int,
    "ssl_context": ssl.SSLContext | None, "ws_origins": Text, "backlog": int, "ipv6": int, "sndbuf": int, "rcvbuf": int,
    "tcp_keepalive": int, "tcp_keepalive_idle": int, "tcp_keepalive_cnt": int, "tcp_keepalive_intvl": int,
}, total=False)  # fmt: skip
Keywords.__doc__ = "The options as keywords of Context.socket(), with their types."


def snapshot(options: Options) -> Options:
    """A copy of the options with their present values, for a bind or connect that begins now."""
    copy = Options()
    copy._values = dict(options._values)
    return copy


def set_options(options: Options, given: dict[str, Any]) -> None:
    """Set options given as keywords; an unknown name raises TypeError, as any unknown keyword does."""
    for name, value in given.items():
        if name not in OPTION_NAMES:
            raise TypeError(unknown_option(name))
        setattr(options, name, value)


def without_effect(options: Options, socket_type: SocketType, transport: str) -> list[str]:
    """One sentence for each option that was set but has no effect over this transport. libzmq accepts such options
    silently; here they are logged, because they are usually mistakes.

    >>> options = Options()
    >>> options.tcp_keepalive = options.conflate = 1
    >>> options.heartbeat_ttl = 100
    >>> without_effect(options, SocketType.ROUTER, "ipc")  # doctest: +NORMALIZE_WHITESPACE
    ['tcp_keepalive has no effect over ipc',
     'conflate has no effect on a ROUTER',
     'heartbeat_ttl has no effect without heartbeat_ivl']
    """
    found = []
    for name, value in options._values.items():
        row = OPTION_ROWS[name]
        if value == row.default:
            continue
        if transport not in row.over:
            found.append(f"{name} has no effect over {transport}")
        elif row.acts_on and socket_type not in row.acts_on:
            found.append(f"{name} has no effect on a {socket_type.name}")
        elif row.needs and not any(getattr(options, need) not in (0, -1, b"") for need in row.needs):
            found.append(f"{name} has no effect without {' or '.join(row.needs)}")
        elif name.startswith("plain_") and (options.curve_server or options.curve_serverkey):
            found.append(f"{name} has no effect with curve_server or curve_serverkey: the mechanism is CURVE")
    return found


def unknown_option(name: str) -> str:
    """The error text for an unknown option.

    >>> unknown_option("lingr")
    "no option 'lingr'; did you mean linger?"
    """
    close = get_close_matches(name, OPTION_NAMES, n=1)
    return f"no option {name!r}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(OPTION_NAMES)}")


for _name in habits.OF_SOCKET:
    setattr(Options, _name, habits.Missing(_name))

# Every name that can be set, and the row for each option.
OPTION_NAMES = [name for name, row in vars(Options).items() if isinstance(row, (Option, Alias))]
OPTION_ROWS: dict[str, Option[Any]] = {name: row for name, row in vars(Options).items() if isinstance(row, Option)}
