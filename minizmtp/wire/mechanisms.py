r"""Mechanisms: how two peers agree that they may talk.                    37/ZMTP 3.1, "The NULL Security Mechanism"

A mechanism takes over when both greetings have named it, and hands back when it is satisfied. NULL is satisfied with a
word of introduction from each side:

    we                                 peer
    READY Socket-Type=REQ Identity= →
                                     ← READY Socket-Type=REP                      now messages may pass
                                     ← ERROR reason                               or they may not

    >>> null = Null()
    >>> null.open({b"Socket-Type": b"REP"})              # what to say at once
    [b'\x05READY\x0bSocket-Type\x00\x00\x00\x03REP']
    >>> null.receive(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03REP")
    [Ready(metadata={b'socket-type': b'REP'})]

Neither waits for the other: the RFC has the connecting side speak first, but libzmq's both speak at once, and then
nobody can wait for somebody who waits (37-28 … 37-32).

Below this module: `commands`. Above it: `connection`, which is handed one and knows no names.
Read next: `connection`.
"""

from collections.abc import Mapping
from typing import Protocol

from ..errors import ProtocolError, Violation, printable
from .commands import decode_metadata, encode_command, encode_metadata
from .events import Authenticate, Message, Ready
from .frames import FrameDecoder

# What a mechanism wants done, in order: bytes are the body of a command to say, the rest is told as an event.
Steps = list[bytes | Ready | Authenticate]


class Mechanism(Protocol):
    """What a Connection asks of a mechanism. All of it is bytes in, bytes out."""

    name: bytes
    as_server: bool  # what the greeting says of our role; False where the mechanism has none (37-8)
    frank: bool  # a peer that we cannot talk to is told why
    seals: bool  # traffic goes through seal and unseal

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        """The greetings agree. Who has nothing to do now lets the peer begin.

        metadata: what the peer is to be told about us, when the time for it comes.
        """

    def receive(self, name: bytes, data: bytes) -> Steps:
        """The peer's next command. Raises ProtocolError for one that has no place here."""

    def admitted(self) -> Steps:
        """The verdict on the peer that we asked for by Authenticate is that it may come in."""

    def seal(self, flags: int, body: bytes) -> bytes:
        """The frame, whole, that takes a frame of traffic across. flags: MORE or COMMAND or 0."""

    def unseal(self, body: bytes) -> tuple[int, bytes]:
        """The flags and the body that `seal` was given at the other side, from the body of the frame that it made.
        Raises ProtocolError if it was not."""

    def unseal_some(self, decoder: FrameDecoder, most: int) -> list[bytes | Message]:
        """The next messages, up to most, as far as decoder has them whole; [] says: take the next frame, and `unseal`
        it. To be asked only between two messages."""


class InClear:
    """What mechanisms have in common that do not encrypt."""

    __slots__ = ()
    as_server = False
    seals = False

    def seal(self, flags: int, body: bytes) -> bytes:
        raise NotImplementedError

    def unseal(self, body: bytes) -> tuple[int, bytes]:
        raise NotImplementedError

    def unseal_some(self, decoder: FrameDecoder, most: int) -> list[bytes | Message]:
        raise NotImplementedError


class Null(InClear):
    """No security: whoever says READY is let in. With ask, somebody is asked all the same, who sees the address only
    (27-26)."""

    __slots__ = ("_ask", "_metadata")
    name = b"NULL"
    frank = True

    def __init__(self, ask: bool = False) -> None:
        self._ask = ask
        self._metadata: Mapping[bytes, bytes] = {}

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        self._metadata = metadata
        return [Authenticate(self.name, (), b"")] if self._ask else self.admitted()

    def admitted(self) -> Steps:
        return [encode_command(b"READY", encode_metadata(self._metadata))]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != b"READY":
            raise unexpected_command(name, "READY or ERROR")
        return [Ready(decode_metadata(data))]


def box_work(size: int) -> int:
    """What it costs to open a box of so many octets, in short frames: 4 for a small one, 132 for 64 KiB."""
    return 4 + (size >> 9)


def unexpected_command(name: bytes, required: str) -> ProtocolError:
    """The error for a command out of turn; in a handshake each of them is fatal."""
    return ProtocolError(
        f'command {printable(name)} in the handshake, required is {required} (37/ZMTP "Overall Behavior")',
        Violation.UNEXPECTED_COMMAND,
    )
