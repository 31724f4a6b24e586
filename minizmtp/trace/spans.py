r"""Spans: some octets and their meaning; and the tape that spans are cut from.

One side's octets arrive in writes, which may be cut anywhere. A tape collects them, and they are cut from it in spans
that mean something. Each span records the time and the number of the write that brought its first octet.

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

A piece must have exactly the octets that are next on the tape; other octets are a bug in the trace, and raise. So even
if a name is wrong, the spans contain each octet once, in order.

A password becomes a `Secret`: the span has its octets, but no repr shows them. `masked` returns the span without them,
for output.

Below this module: `errors`. Read next: `curve`, or at once `zmtp`.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from ..errors import Secret

# The kinds of spans, for colours. "wrong" is a broken rule and everything after it; "partial" is incomplete.
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
    """The sender. The client is the side that opened the connection, the server the side that accepted it."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> "Side":
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Span(NamedTuple):
    """Octets with a name.

    offset: position of the first octet in this side's stream. octets: never empty. name: the field. value: its meaning
    in words. source: RFC and section, "" if there is none. kind: one of KINDS. at: when the first octet passed, on the
    caller's clock. write: the number of the write that brought it, counted over both sides. wrong: a rule is broken
    here; value says what was found and what was expected. inside: the content of an opened box; its offsets count in
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
    """A span without its position."""

    name: str
    octets: bytes
    value: str
    source: str = ""
    kind: str = "command"
    wrong: bool = False
    inside: tuple["Piece", ...] = ()


# The names of incomplete octets, and of those after a broken rule.
NOT_WHOLE = Piece("partial", b"", "incomplete: the rest has not come", kind="partial")
AFTERWARDS = Piece("rest", b"", "not read, because a rule was broken before", kind="wrong")


def cover(spans: Sequence[Span], octets: bytes) -> bool:
    """Whether the spans hold each octet once, in order, at the right offset."""
    position = 0
    for span in spans:
        if span.offset != position or not span.octets:
            return False
        position += len(span.octets)
    return b"".join(span.octets for span in spans) == octets


def masked(span: Span) -> Span:
    """The span with a star for each octet that is secret, also inside boxes.

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
    """One side's octets. `spans` holds what has been cut off so far, `held` the rest."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.spans: list[Span] = []
        self.held = bytearray()
        self._offset = 0  # of the first octet in `held`
        self._end = 0  # the offset after the last octet in `held`
        self._writes: deque[tuple[int, float, int]] = deque()  # of each write: its offset, time and number

    def add(self, octets: bytes, at: float, write: int) -> None:
        """Add one write."""
        if octets:
            self._writes.append((self._end, at, write))
            self.held += octets
            self._end += len(octets)

    def peek(self, piece: Piece) -> Span | None:
        """The span that `cut` would make of this piece; None for an empty piece. The octets stay on the tape."""
        if not piece.octets:
            return None
        if not self.held.startswith(piece.octets):
            raise AssertionError(f"the next octets from the {self.side.value} are not this {piece.name}")
        while len(self._writes) > 1 and self._writes[1][0] <= self._offset:
            self._writes.popleft()
        _, at, write = self._writes[0]
        return _place(piece, self.side, self._offset, at, write)

    def cut(self, piece: Piece) -> None:
        """Cut this piece off the tape, and append it to `spans`."""
        if (span := self.peek(piece)) is not None:
            self.spans.append(span)
            self._offset += len(span.octets)
            del self.held[: len(span.octets)]

    def cut_all(self, pieces: Iterable[Piece]) -> None:
        """Cut these pieces off, one after another."""
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
    """The pieces up to the one that contains the octet at fault, which is marked as wrong. If the fault is after the
    last piece, something is missing, and the last piece is marked."""
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
    """The piece, marked as wrong; words say what was found and what was expected."""
    return piece._replace(value=words, kind="wrong", wrong=True)
