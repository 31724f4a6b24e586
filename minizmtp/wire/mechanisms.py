r"""Mechanisms: the handshake before messages may pass.                    37/ZMTP 3.1, "The NULL Security Mechanism"

After both greetings have named the same mechanism, it exchanges commands with the peer until both sides are ready for
messages. NULL is the simplest: each side sends one READY with its metadata:

    we                                 peer
    READY Socket-Type=REQ Identity= →
                                     ← READY Socket-Type=REP                      now messages may pass
                                     ← ERROR reason                               or they may not

    >>> null = Null()
    >>> null.open({b"Socket-Type": b"REP"})              # what to say at once
    [b'\x05READY\x0bSocket-Type\x00\x00\x00\x03REP']
    >>> null.receive(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03REP")
    [Ready(metadata={b'socket-type': b'REP'})]

Neither side waits for the other. In the RFC the connecting side sends READY first, but in libzmq both sides send it at
once. So do we, because two peers that wait for each other's READY would wait forever (37-28 … 37-32).

A `connection` is given a mechanism and doesn't know which one it is.
Read next: `connection`.
"""

from collections.abc import Mapping
from typing import Protocol

from ..errors import ProtocolError, Violation, printable
from .commands import decode_metadata, encode_command, encode_metadata
from .events import AuthRequest, Message, Ready
from .frames import FrameDecoder

# What a Connection has to do for its mechanism, in this order: send bytes as the body of a command, and return anything
# else as an event.
Steps = list[bytes | Ready | AuthRequest]


class Mechanism(Protocol):
    """What a Connection needs from a mechanism. A mechanism does no I/O: it takes and returns bytes."""

    name: bytes
    as_server: bool  # our role in the greeting; False if the mechanism has no roles (37-8)
    frank: bool  # a peer that we refuse is told the reason
    seals: bool  # traffic is encrypted, by seal and unseal

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        """Called when both greetings name this mechanism. Returns no steps if the peer sends the first command.

        metadata: our own, which the mechanism sends at the right point of its handshake.
        """

    def receive(self, name: bytes, data: bytes) -> Steps:
        """Handle the peer's next command. Raises ProtocolError for a command that isn't allowed at this point."""

    def admitted(self) -> Steps:
        """Called when the peer is accepted, after we returned AuthRequest."""

    def seal(self, flags: int, body: bytes) -> bytes:
        """Encrypt a frame. Returns the whole frame to send, with its header. flags: MORE, COMMAND or 0."""

    def unseal(self, body: bytes) -> tuple[int, bytes]:
        """Decrypt the body of a frame that the peer's `seal` made, and return the flags and the body that it was
        given. Raises ProtocolError if it doesn't decrypt."""

    def unseal_some(self, decoder: FrameDecoder, most: int) -> list[bytes | Message]:
        """Decrypt the next messages, at most `most`, that have arrived completely in decoder. If this returns [], the
        caller has to take the next frame and `unseal` it. May only be called between two messages."""


class InClear:
    """Base class of the mechanisms that don't encrypt."""

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
    """No security: every peer that sends READY is accepted. With ask=True, a ZAP handler decides first, but it can only
    go by the peer's address (27-26)."""

    __slots__ = ("_ask", "_metadata")
    name = b"NULL"
    frank = True

    def __init__(self, ask: bool = False) -> None:
        self._ask = ask
        self._metadata: Mapping[bytes, bytes] = {}

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        self._metadata = metadata
        return [AuthRequest(self.name, (), b"")] if self._ask else self.admitted()

    def admitted(self) -> Steps:
        return [encode_command(b"READY", encode_metadata(self._metadata))]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != b"READY":
            raise unexpected_command(name, "READY or ERROR")
        return [Ready(decode_metadata(data))]


def box_work(size: int) -> int:
    """The cost of opening a box of size octets, in units of one short frame: 4 for a small box, 132 for 64 KiB."""
    return 4 + (size >> 9)


def unexpected_command(name: bytes, required: str) -> ProtocolError:
    """The error for a command out of order; in a handshake it closes the connection."""
    return ProtocolError(
        f'command {printable(name)} in the handshake, expected {required} (37/ZMTP "Overall Behavior")',
        Violation.UNEXPECTED_COMMAND,
    )
