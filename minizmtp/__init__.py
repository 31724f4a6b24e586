"""ZeroMQ from scratch, in pure Python on trio: the names of pyzmq, and code to be read."""

from typing import TYPE_CHECKING, Any, Final

from . import error, habits, sockopts
from .constants import CLASSIC, DONTWAIT, NOBLOCK, POLLERR, POLLIN, POLLOUT, SNDMORE, Event, SocketType
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
from .options import KEY
from .sockets.context import Context
from .sockets.drafts import AddressedSocket, Frame
from .sockets.links import PeerStatistics
from .sockets.monitor import Monitor, MonitorEvent
from .sockets.poller import Poller
from .sockets.proxy import proxy
from .sockets.socket import Message, Socket
from .sockopts import *  # noqa: F403  (all the constants that are in pyzmq's own namespace: LINGER, SUBSCRIBE …)
from .wire import z85
from .wire.curve import keypair as _keypair

__version__ = "0.1.0"


def curve_keypair() -> tuple[bytes, bytes]:
    """A public and a secret key for CURVE, in Z85."""
    public, secret = _keypair()
    return z85.encode(public), z85.encode(secret)


def curve_public(secret: bytes | str) -> bytes:
    """The public key that belongs to a secret one, in Z85. secret: Z85, or 32 octets. Raises ZMQError (EINVAL) for what
    is no key."""
    key = secret.encode() if isinstance(secret, str) else memoryview(secret).tobytes()
    if len(key) != 32 and not KEY.allows(key):
        raise ZMQError(EINVAL, f"expected {KEY.words}")
    return z85.encode(_keypair(key if len(key) == 32 else z85.decode(key))[0])


if not TYPE_CHECKING:  # because a type checker would accept every name then

    def __getattr__(name: str) -> Any:
        habits.advise_module(name)


PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB = CLASSIC
CLIENT, SCATTER, GATHER, CHANNEL = SocketType.CLIENT, SocketType.SCATTER, SocketType.GATHER, SocketType.CHANNEL
# Final, so that a type checker knows that their sockets send to an address.
SERVER: Final = SocketType.SERVER
PEER: Final = SocketType.PEER
RADIO: Final = SocketType.RADIO
DISH: Final = SocketType.DISH

__all__ = [
    "CHANNEL", "CLIENT", "DEALER", "DISH", "DONTWAIT", "EADDRINUSE", "EAGAIN", "EFSM", "EHOSTUNREACH", "EINVAL",
    "ENOENT", "ENOTSOCK", "ENOTSUP", "EPROTONOSUPPORT", "ETERM", "GATHER", "NOBLOCK", "PAIR", "PEER", "POLLERR",
    "POLLIN", "POLLOUT", "PUB", "PULL", "PUSH", "RADIO", "REP", "REQ", "ROUTER", "SCATTER", "SERVER", "SNDMORE", "SUB",
    "XPUB", "XSUB", "AddressedSocket", "Again", "Context", "ContextTerminated", "Event", "Frame", "Message",
    "Monitor", "MonitorEvent", "PeerStatistics", "Poller", "ProtocolError", "Socket", "SocketType", "ZMQError",
    "curve_keypair", "curve_public", "error", "proxy", "z85",
]  # fmt: skip
__all__ += ["SocketOption", *sockopts.SocketOption.__members__]  # noqa: F405
