"""Events: what a Connection tells you, and what you may tell it.                       37/ZMTP 3.1, "Formal Grammar"

    told by next_event()                                      and, given to send():
    Greeting   Ready   Error        while getting acquainted    (Authenticate: somebody has to decide, see `zap`)
    Message    Subscribe  Cancel    what a socket works with   → the same three
    Ping       Pong                 signs of life              → Ping (the Connection itself answers with Pong)
    ConnectionClosed                the end

One event is one whole thing: a message comes with all of its frames or not at all (37-27).

A message is simply a list of frames, without a class of its own: it is made a million times a second, it is what
`recv_multipart` gives, and `list` says all there is to say.

    >>> message = [b"to", b"", b"hello"]
    >>> Subscribe(b"news")
    Subscribe(prefix=b'news')

Read next: `commands`, which names them on the wire.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .greeting import Greeting as Greeting

# Metadata of more octets than this are kept as they came. As text they may take sixteen times as much memory: four
# letters for an octet that is no UTF-8, and four octets for each letter if one is beyond U+FFFF.
MOST_AS_TEXT = 4096

Message = list[bytes]


class SharedMessage(Message):
    """A message of several frames that goes to many peers. Whoever encodes it first leaves the octets here for all
    others: a PUB with a thousand subscribers encodes it once. (A single frame takes no more than a header. And a
    mechanism that encrypts does so for each peer.)"""

    __slots__ = ("octets",)
    octets: bytes | None

    def __init__(self, frames: Message) -> None:
        super().__init__(frames)
        self.octets = None


class Run:
    """Messages that follow each other to the same peers, as one item of their queues.

    Whichever connection sends it first keeps the encoded octets here for all the others. So a PUB with a hundred
    subscribers encodes a message once, and not a hundred times. (A mechanism that encrypts does so for each peer.)
    """

    __slots__ = ("messages", "octets")

    def __init__(self, messages: list[bytes | Message]) -> None:
        self.messages = messages
        self.octets: bytes | None = None  # of all messages


class Subscribe(NamedTuple):
    """The peer wants messages that start with prefix; the empty prefix is in front of all (37-60)."""

    prefix: bytes


class Cancel(NamedTuple):
    """The peer has had enough of them."""

    prefix: bytes


def as_message(subscription: Subscribe | Cancel) -> Message:
    r"""A subscription as a message of one frame: so a peer of ZMTP 3.0 says it, and so an XPUB shows it.

    >>> as_message(Subscribe(b"news")), as_message(Cancel(b"news"))
    ([b'\x01news'], [b'\x00news'])
    """
    return [(b"\x01" if isinstance(subscription, Subscribe) else b"\x00") + subscription.prefix]


class Ready(NamedTuple):
    """The handshake is over, messages may pass. metadata: {name in lower case: value}."""

    metadata: dict[bytes, bytes]


class LongMetadata(Mapping[str, str]):
    """Metadata as text, of which each value is decoded when it is asked for, and not kept."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name].decode("utf-8", "backslashreplace")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<LongMetadata of {len(self)} properties>"


def metadata_as_text(metadata: Mapping[bytes, bytes]) -> Mapping[str, str]:
    r"""{name, each word with a capital: value}; what is no UTF-8 is shown as \xNN.

    >>> metadata_as_text({b"socket-type": b"REQ", b"x-a": b"\xff"})
    {'Socket-Type': 'REQ', 'X-A': '\\xff'}
    """
    named = LongMetadata({name.decode().title(): value for name, value in metadata.items()})
    return dict(named) if sum(map(len, metadata.values())) <= MOST_AS_TEXT else named


class Authenticate(NamedTuple):
    """The peer has said who it is, and somebody has to decide: answer with `receive_verdict` (27/ZAP).

    credentials: as the mechanism has them: none (NULL), username and password (PLAIN), the peer's key (CURVE).
    identity: the peer's, where it is known by now.
    """

    mechanism: bytes
    credentials: tuple[bytes, ...]
    identity: bytes


class Verdict(NamedTuple):
    """The answer to Authenticate. status: 200 lets the peer in, 300 not now, 400 never, 500 the judge is ill (27-17).

    metadata: what the judge says of the peer, its `User-Id` among it, {name in lower case: value}.
    """

    status: int
    text: str = ""
    metadata: dict[bytes, bytes] = {}  # noqa: RUF012  # never changed


class Error(NamedTuple):
    """The peer refuses us; the reason is for people (37-39). Trying again would end the same way (37-15)."""

    reason: bytes


class Ping(NamedTuple):
    """A sign of life that asks for one. ttl: tenths of a second after which silence means that the sender is dead,
    0 for never (37-71). context: up to 16 octets, to be echoed."""

    ttl: int
    context: bytes


class Pong(NamedTuple):
    """The answer to a Ping."""

    context: bytes


class ConnectionClosed(NamedTuple):
    """The stream has ended. where: in words, what was cut off by it, or "" if nothing was."""

    where: str


# What passes through a socket's pipes. Most messages are of one frame, and there such a message may be the frame alone.
# A list around it would cost as much to make and to forget as the frame itself: a seventh of all that is done for 64
# octets. A run is in the queue of a publisher only, and is several items.
Item = bytes | Message | Subscribe | Cancel | Run


class Messages(NamedTuple):
    """Several messages that came one after the other. A message of one frame is that frame alone (see Item)."""

    messages: list[bytes | Message]
    is_all: bool = False  # nothing else has come


Event = (
    Greeting | Ready | Authenticate | Error | Message | Messages | Subscribe | Cancel | Ping | Pong | ConnectionClosed
)
