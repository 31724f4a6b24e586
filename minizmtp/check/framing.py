r"""Frames: flags, size, body; and how they may be cut.                          37/ZMTP 3.1, "Framing"

A stream has no borders, so the careful peer cuts its frames where it likes, and uses the long form for small frames,
which the grammar allows. The difficult peer sets reserved bits, or MORE on a command, or announces more than can be.
What goes on is shown by a PING, whose PONG comes only from a peer that has read everything before it.

Below this module: `case`. Read next: `commands`.
"""

from collections.abc import Iterable

from . import octets as o
from .case import Accepted, Refused

FRAMING = '37/ZMTP 3.1, "Framing"'


def blank(kind: str, size: int) -> bytes:
    """A message with a body of so many octets, which a socket of that type takes or drops."""
    body = bytes([9]) * size  # not 0 or 1, with which a subscription begins
    return o.message(b"", body) if kind == "REQ" else o.message(body)


class EmptyFrame(Accepted):
    """A frame may be empty."""

    number, section = "37-24", FRAMING

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield o.message(b"", b"") if kind == "REQ" else o.message(b"")


class ShortFrameOf255(Accepted):
    """A short frame holds up to 255 octets."""

    number, section = "37-24", FRAMING

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield blank(kind, 255)


class LongFrame(Accepted):
    """A body of more than 255 octets comes in a long frame: here 256, and 70,000."""

    number, section = "37-23", FRAMING

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield blank(kind, 256)
        yield blank(kind, 70_000)


class LongFrameMayBeSmall(Accepted):
    """A long frame may hold a small body."""

    number, section = "37-23", FRAMING

    def pieces(self, kind: str) -> Iterable[bytes]:
        delimiter = o.frame(b"", more=True) if kind == "REQ" else b""
        yield delimiter + o.frame(b"\x09hi", long=True)


class FrameInPieces(Accepted):
    """A message may come one octet at a time."""

    number, section = "37-27", '37/ZMTP 3.1, "Messages"'

    def pieces(self, kind: str) -> Iterable[bytes]:
        octets = o.message(b"", b"\x09one", b"\x09two") + blank(kind, 3)
        return (octets[i : i + 1] for i in range(len(octets)))


class ManyFramesAtOnce(Accepted):
    """A hundred messages may come in one write."""

    number, section = "37-27", '37/ZMTP 3.1, "Messages"'

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield blank(kind, 20) * 100


class ReservedBits(Refused):
    """Bits 3 to 7 of a frame's flags are zero."""

    number, section = "37-21", FRAMING
    libzmq = "overlooks them in what it receives"

    def wrong(self, kind: str) -> Iterable[bytes]:
        delimiter = o.frame(b"", more=True) if kind == "REQ" else b""
        return [delimiter + o.frame(b"\x09hi", flags=1 << bit) for bit in range(3, 8)]


class CommandWithMore(Refused):
    """A command never has MORE set."""

    number, section = "37-22", FRAMING
    libzmq = "overlooks it in what it receives"

    def wrong(self, kind: str) -> Iterable[bytes]:
        return [o.command(b"PONG", flags=1), o.command(b"PONG", flags=1, long=True)]


class SizeAboveAll(Refused):
    """No frame has 2^63 octets or more."""

    number, section = "37-23", FRAMING

    def wrong(self, kind: str) -> Iterable[bytes]:
        return [o.frame(b"", size=1 << 63), o.frame(b"", size=(1 << 64) - 1)]
