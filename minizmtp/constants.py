"""The numbers that all ZeroMQ libraries share: socket types, flags, monitor events.

They are taken from libzmq (zmq.h), so `SocketType.REQ == zmq.REQ` is true in a program that uses both libraries. The
wire carries the name of a socket type, never its number (37/ZMTP, "The Socket-Type Property").

    >>> SocketType.DEALER, SocketType.DEALER.value
    (<SocketType.DEALER: 5>, 5)
    >>> sorted(peer.name for peer in PEERS[SocketType.REQ])
    ['REP', 'ROUTER']

Read next: `wire.greeting`, where the first octets cross the wire.
"""

from enum import IntEnum, IntFlag


class SocketType(IntEnum):
    """What a socket does with a message. PUSH and PULL in `patterns.pipeline` are the easiest to read first."""

    PAIR = 0
    PUB = 1
    SUB = 2
    REQ = 3
    REP = 4
    DEALER = 5
    ROUTER = 6
    PULL = 7
    PUSH = 8
    XPUB = 9
    XSUB = 10
    # Drafts: a message is one frame, see `patterns.drafts`.
    SERVER = 12
    CLIENT = 13
    RADIO = 14
    DISH = 15
    GATHER = 16
    SCATTER = 17
    PEER = 19
    CHANNEL = 20

    def __repr__(self) -> str:
        return f"<SocketType.{self.name}: {self.value}>"


def _peers() -> dict[SocketType, frozenset[SocketType]]:
    # 37/ZMTP, "Connection Metadata", lists the legal pairs. Each pair is legal in both directions.
    text = """
        PAIR PAIR, PUB SUB, PUB XSUB, XPUB SUB, XPUB XSUB, PUSH PULL,
        REQ REP, REQ ROUTER, DEALER REP, DEALER DEALER, DEALER ROUTER, ROUTER ROUTER,
        CLIENT SERVER, RADIO DISH, SCATTER GATHER, PEER PEER, CHANNEL CHANNEL
    """
    pairs = [pair.split() for pair in text.split(",")]
    pairs += [[other, one] for one, other in pairs]
    return {kind: frozenset(SocketType[other] for one, other in pairs if one == kind.name) for kind in SocketType}


# The types without drafts, and the types that each may be connected to.
CLASSIC = tuple(kind for kind in SocketType if kind <= SocketType.XSUB)
PEERS = _peers()

# Flags for send and recv.
NOBLOCK = DONTWAIT = 1
SNDMORE = 2

# Bits for poll.
POLLIN = 1
POLLOUT = 2
POLLERR = 4


class Event(IntFlag):
    """The events that a monitor reports (libzmq's numbers)."""

    CONNECTED = 0x0001
    CONNECT_DELAYED = 0x0002
    CONNECT_RETRIED = 0x0004
    LISTENING = 0x0008
    BIND_FAILED = 0x0010
    ACCEPTED = 0x0020
    ACCEPT_FAILED = 0x0040
    CLOSED = 0x0080
    CLOSE_FAILED = 0x0100
    DISCONNECTED = 0x0200
    MONITOR_STOPPED = 0x0400
    HANDSHAKE_FAILED_NO_DETAIL = 0x0800
    HANDSHAKE_SUCCEEDED = 0x1000
    HANDSHAKE_FAILED_PROTOCOL = 0x2000
    HANDSHAKE_FAILED_AUTH = 0x4000
