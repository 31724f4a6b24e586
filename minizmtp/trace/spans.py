r"""Spans: a stretch of octets, and what it means. The tape that they are cut from.

What one side says comes in writes, cut anywhere. A tape takes them as they come, and gives them back in pieces as they
mean something; each remembers when, and in which write, its first octet came.

    writes      | ff 00 00 00 |  00 00 00 00 00 7f | …
    spans       | ff | 00 00 00 00 00 00 00 00 | 7f | …

    >>> tape = Tape(Side.CLIENT)
    >>> tape.add(b"\x00\x05hel", at=0.1, write=0)
    >>> tape.add(b"lo", at=0.2, write=1)
    >>> tape.cut(Piece("flags", b"\x00", "a message, the last frame", kind="framing"))
    >>> tape.cut(Piece("size", b"\x05", "5 octets follow", kind="framing"))
    >>> tape.cut(Piece("body", b"hello", "what the program sent", kind="body"))
    >>> [(span.offset, span.octets, span.write) for span in tape.spans]
    [(0, b'\x00', 0), (1, b'\x05', 0), (2, b'hello', 0)]

Only what really stands on the tape can be cut from it: a piece with other octets is a mistake in the trace, and raises.
So whatever else may be wrong with them, the spans cover each octet once, in order.

A password is cut off as a `Secret`: its octets are there, but no repr shows them, and `masked` is such a span as others
may see it.

Below this module: `errors`. Read next: `curve`, or at once `zmtp`.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from ..errors import Secret

# The families of spans, for colours. "wrong" is where a rule is broken and all that comes after it, "partial" what is
# not whole.
KINDS = (
    "greeting",
    "framing",
    "command",
    "metadata",
    "body",
    "secret",
    "http-line",
    "http-field",
    "http-framing",
    "wrong",
    "partial",
)


class Side(Enum):
    """Who is speaking. The client is the end that opened the connection, the server the one that accepted it."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> "Side":
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Span(NamedTuple):
    """Octets with a name.

    offset: of the first octet, in all that this side said. octets: never empty. name: the field. value: what it says,
    in words. source: RFC and section, "" if there is none. kind: one of KINDS. at: when its first octet passed, on the
    clock of whoever fed it. write: the number of the write in which that came, counted over both sides. wrong: a rule
    is broken here; value says what was found, and what is required. inside: what is in an opened box; offsets count in
    the plaintext.
    """

    side: Side
    offset: int
    octets: bytes
    name: str
    value: str
    source: str
    kind: str
    at: float
    write: int
    wrong: bool = False
    inside: tuple["Span", ...] = ()


class Piece(NamedTuple):
    """A span that does not know yet where it stands."""

    name: str
    octets: bytes
    value: str
    source: str = ""
    kind: str = "command"
    wrong: bool = False
    inside: tuple["Piece", ...] = ()


# What the octets are called that are not whole, and those behind a broken rule.
NOT_WHOLE = Piece("partial", b"", "not whole: what is missing has not come", kind="partial")
AFTERWARDS = Piece("rest", b"", "not read: after a broken rule nobody knows what it means", kind="wrong")


def cover(spans: Sequence[Span], octets: bytes) -> bool:
    """Do the spans hold each octet once, in order, at the offset they say?"""
    position = 0
    for span in spans:
        if span.offset != position or not span.octets:
            return False
        position += len(span.octets)
    return b"".join(span.octets for span in spans) == octets


def masked(span: Span) -> Span:
    """The span without what is secret in it, or inside it: a star for each octet.

    >>> span = Span(Side.CLIENT, 80, Secret(b"open sesame"), "password", "in clear", "24/ZMTP-PLAIN", "secret", 0.0, 1)
    >>> span.octets, masked(span).octets, masked(span).value
    (<secret>, b'***********', 'not shown')
    """
    if span.inside:
        span = span._replace(inside=tuple(map(masked, span.inside)))
    if not isinstance(span.octets, Secret):
        return span
    return span._replace(octets=b"*" * len(span.octets), value="wrong, and not shown" if span.wrong else "not shown")


class Tape:
    """What one side has said. `spans` is what has been cut off it so far, `held` what has not."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.spans: list[Span] = []
        self.held = bytearray()
        self._offset = 0  # of the first octet that is held …
        self._end = 0  # … and behind the last
        self._writes: deque[tuple[int, float, int]] = deque()  # where each begins, when it came, its number

    def add(self, octets: bytes, at: float, write: int) -> None:
        """One write."""
        if octets:
            self._writes.append((self._end, at, write))
            self.held += octets
            self._end += len(octets)

    def peek(self, piece: Piece) -> Span | None:
        """The next octets as this, but they stay on the tape. Of nothing no span is made."""
        if not piece.octets:
            return None
        if not self.held.startswith(piece.octets):
            raise AssertionError(f"what the {self.side.value} says does not go on with this {piece.name}")
        while len(self._writes) > 1 and self._writes[1][0] <= self._offset:
            self._writes.popleft()
        _, at, write = self._writes[0]
        return _place(piece, self.side, self._offset, at, write)

    def cut(self, piece: Piece) -> None:
        """The next octets are this."""
        if (span := self.peek(piece)) is not None:
            self.spans.append(span)
            self._offset += len(span.octets)
            del self.held[: len(span.octets)]

    def cut_all(self, pieces: Iterable[Piece]) -> None:
        """One after the other."""
        for piece in pieces:
            self.cut(piece)


def _place(piece: Piece, side: Side, offset: int, at: float, write: int) -> Span:
    inside, position = [], 0
    for inner in piece.inside:
        if inner.octets:
            inside.append(_place(inner, side, position, at, write))
            position += len(inner.octets)
    name, octets, value, source, kind, wrong, _ = piece
    return Span(side, offset, octets, name, value, source, kind, at, write, wrong, tuple(inside))


def mark(pieces: Sequence[Piece], at: int, words: str) -> list[Piece]:
    """pieces up to the octet at which a rule is broken, and the one in which it stands, marked. Behind the end of the
    last it is that one: something is missing there."""
    right: list[Piece] = []
    position = 0
    for piece in pieces:
        position += len(piece.octets)
        if piece.octets and at < position:
            return [*right, as_wrong(piece, words)]
        right.append(piece)
    while right and not right[-1].octets:
        right.pop()
    return [*right[:-1], as_wrong(right[-1], words)]


def as_wrong(piece: Piece, words: str) -> Piece:
    """It, with what was found and what is required."""
    return piece._replace(value=words, kind="wrong", wrong=True)
