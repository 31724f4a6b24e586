"""Events: what a Connection returns, and what it can send.                             37/ZMTP 3.1, "Formal Grammar"

    returned by next_event()                                       accepted by send()
    Greeting   Ready   Error           during the handshake
    AuthRequest                        … when a ZAP handler decides
    Message    Subscribe   Cancel      traffic of the socket       the same three
               Join        Leave       … of RADIO and DISH         the same two
    Ping       Pong                    heartbeats                  the same (a Ping is answered by the Connection)
    ConnectionClosed                   the end

Each event is complete: a message is returned with all of its frames or not at all (37-27). Therefore the first frame
of a message is kept, and not delivered, until the last one has arrived.

A message is a plain list of frames, not a class of its own, because up to a million of them are made in a second, and
because a list is what `recv_multipart` returns.

    >>> message = [b"to", b"", b"hello"]
    >>> Subscribe(b"news")
    Subscribe(prefix=b'news')

Read next: `commands`, which encodes them.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

from .greeting import Greeting as Greeting


class NeedData(Enum):
    """The type of NEED_DATA, which next_event returns when it needs more bytes for an event."""

    NEED_DATA = auto()

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData.NEED_DATA

Message = list[bytes]


class SharedMessage(Message):
    """A message of several frames that goes to many peers. The first connection that encodes it keeps the octets here
    for the others, so a PUB with a thousand subscribers encodes it once. (Encrypting is done for each peer.)"""

    __slots__ = ("octets",)
    octets: bytes | None

    def __init__(self, frames: Message) -> None:
        super().__init__(frames)
        self.octets = None


class Run:
    """Consecutive messages to the same peers, as one item of their queues. It keeps octets as SharedMessage does."""

    __slots__ = ("messages", "octets")

    def __init__(self, messages: list[bytes | Message]) -> None:
        self.messages = messages
        self.octets: bytes | None = None  # of all messages


class Subscribe(NamedTuple):
    """The peer wants messages whose first frame starts with prefix; every frame starts with the empty prefix (37-60).
    Subscriptions are a set: it makes no difference how often a peer subscribes to a prefix."""

    prefix: bytes


class Cancel(NamedTuple):
    """The peer no longer has the subscription to prefix. Ignored if it had none."""

    prefix: bytes


class Join(Subscribe):
    """As Subscribe, but the peer is a DISH, and wants the messages to a group. prefix: the whole name of the group."""

    __slots__ = ()


class Leave(Cancel):
    """The DISH is no longer in this group."""

    __slots__ = ()


# By the names of the commands, which are those of the classes.
REQUESTS: dict[bytes, type[Subscribe | Cancel]] = {
    b"SUBSCRIBE": Subscribe,
    b"CANCEL": Cancel,
    b"JOIN": Join,
    b"LEAVE": Leave,
}


class Ready(NamedTuple):
    """The handshake is complete, and messages may follow. metadata: {name in lower case: value}."""

    metadata: dict[bytes, bytes]


class AuthRequest(NamedTuple):
    """The peer has sent its credentials: none (NULL), username and password (PLAIN), or its key (CURVE). Decide whether
    to accept it, and call `receive_auth_reply` (27/ZAP). identity: the peer's, if it is already known."""

    mechanism: bytes
    credentials: tuple[bytes, ...]
    identity: bytes


class AuthReply(NamedTuple):
    """The answer to AuthRequest. status: 200 accepts the peer, 300 is a temporary refusal, 400 a permanent one, and 500
    an internal error of the ZAP handler (27-17). metadata: what the handler knows about the peer, such as its
    `User-Id`, as {name in lower case: value}."""

    status: int
    text: str = ""
    metadata: dict[bytes, bytes] = {}  # noqa: RUF012  # never changed


class Error(NamedTuple):
    """The peer refuses us; reason is text for people (37-39). Don't reconnect: the peer would refuse again (37-15)."""

    reason: bytes


class Ping(NamedTuple):
    """A heartbeat that asks for a Pong. ttl: after this many tenths of a second without traffic, the receiver should
    treat the sender as dead; 0: no limit (37-71). context: up to 16 octets, which the Pong returns."""

    ttl: int
    context: bytes


class Pong(NamedTuple):
    """The answer to a Ping."""

    context: bytes


class ConnectionClosed(NamedTuple):
    """The stream has ended. where: a text that says what was cut off, or "" if the stream ended between frames."""

    where: str


# What a socket's pipes carry. Most messages have one frame, and a pipe may hold that frame without a list, because
# making and freeing the list costs as much as the frame: about a seventh of the whole cost of a 64-octet message. A Run
# holds several items, and only the queues of publishers contain Runs.
Item = bytes | Message | Subscribe | Cancel | Run


class Messages(NamedTuple):
    """Several messages in a row. A message of one frame is that frame alone (see Item)."""

    messages: list[bytes | Message]
    is_all: bool = False  # nothing else has been received


Event = (
    Greeting | Ready | AuthRequest | Error | Message | Messages | Subscribe | Cancel | Ping | Pong | ConnectionClosed
)
