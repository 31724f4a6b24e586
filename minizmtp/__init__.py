"""ZeroMQ from scratch, in pure Python on trio: the names of pyzmq, and code to be read."""

from .constants import DONTWAIT, NOBLOCK, POLLIN, POLLOUT, SNDMORE, Event, SocketType
from .context import Context
from .errors import (
    EADDRINUSE,
    EAGAIN,
    EFSM,
    EHOSTUNREACH,
    EINVAL,
    ENOENT,
    ENOTSOCK,
    ENOTSUP,
    EPROTONOSUPPORT,
    ETERM,
    Again,
    ContextTerminated,
    ProtocolError,
    ZMQError,
)
from .monitor import Monitor, MonitorEvent
from .poller import Poller
from .proxy import proxy
from .sockets import Message, PeerStatistics, Socket

PAIR = SocketType.PAIR
PUB = SocketType.PUB
SUB = SocketType.SUB
REQ = SocketType.REQ
REP = SocketType.REP
DEALER = SocketType.DEALER
ROUTER = SocketType.ROUTER
PULL = SocketType.PULL
PUSH = SocketType.PUSH
XPUB = SocketType.XPUB
XSUB = SocketType.XSUB

__all__ = [
    "DEALER",
    "DONTWAIT",
    "EADDRINUSE",
    "EAGAIN",
    "EFSM",
    "EHOSTUNREACH",
    "EINVAL",
    "ENOENT",
    "ENOTSOCK",
    "ENOTSUP",
    "EPROTONOSUPPORT",
    "ETERM",
    "NOBLOCK",
    "PAIR",
    "POLLIN",
    "POLLOUT",
    "PUB",
    "PULL",
    "PUSH",
    "REP",
    "REQ",
    "ROUTER",
    "SNDMORE",
    "SUB",
    "XPUB",
    "XSUB",
    "Again",
    "Context",
    "ContextTerminated",
    "Event",
    "Message",
    "Monitor",
    "MonitorEvent",
    "PeerStatistics",
    "Poller",
    "ProtocolError",
    "Socket",
    "SocketType",
    "ZMQError",
    "proxy",
]
