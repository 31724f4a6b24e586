r"""Mechanisms: how two peers agree that they may talk.                    37/ZMTP 3.1, "The NULL Security Mechanism"

A mechanism takes over when both greetings have named it, and hands back when it is satisfied. NULL is satisfied with a
word of introduction from each side:

    we                                 peer
    READY Socket-Type=REQ Identity= →
                                     ← READY Socket-Type=REP                      now messages may pass
                                     ← ERROR reason                               or they may not

    >>> ours, theirs = Null(), Null()
    >>> ours.open({b"Socket-Type": b"REP"})
    b'\x05READY\x0bSocket-Type\x00\x00\x00\x03REP'
    >>> theirs.receive(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03REP")
    Ready(metadata={b'socket-type': b'REP'})

Neither waits for the other: the RFC has the connecting side speak first, but libzmq's both speak at once, and then
nobody can wait for somebody who waits (37-28 … 37-32).

Below this module: `commands`. Above it: `connection`, which is handed one and knows no names.
Read next: `connection`.
"""

from collections.abc import Mapping
from typing import Protocol

from ..errors import ProtocolError, Violation, printable
from .commands import decode_metadata, encode_command, encode_metadata
from .events import Ready


class Mechanism(Protocol):
    """What a Connection asks of a mechanism. All of it is bytes in, bytes out."""

    name: bytes
    as_server: bool

    def open(self, metadata: Mapping[bytes, bytes]) -> bytes | None:
        """The greetings agree: the body of the command to begin with, or None to let the peer begin.

        metadata: what the peer is to be told about us, when the time for it comes.
        """

    def receive(self, name: bytes, data: bytes) -> bytes | Ready:
        """The peer's next command: the body of our answer to it, or Ready when nothing is left to say.

        Raises ProtocolError for a command that has no place here.
        """


class Null:
    """No security: whoever says READY is let in."""

    name = b"NULL"
    as_server = False  # has no meaning for NULL, so it is zero (37-13)

    def open(self, metadata: Mapping[bytes, bytes]) -> bytes | None:
        return encode_command(b"READY", encode_metadata(metadata))

    def receive(self, name: bytes, data: bytes) -> bytes | Ready:
        if name != b"READY":
            raise unexpected_command(name, "READY or ERROR")
        return Ready(decode_metadata(data))


def unexpected_command(name: bytes, required: str) -> ProtocolError:
    """The error for a command out of turn; in a handshake each of them is fatal."""
    return ProtocolError(
        f'command {printable(name)} in the handshake, required is {required} (37/ZMTP "Overall Behavior")',
        Violation.UNEXPECTED_COMMAND,
    )
