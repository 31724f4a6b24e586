r"""Trace: both sides of one connection, from octets to spans.

Feed it the bytes of each side as they arrive. It returns the spans that they complete:

    >>> trace = Trace()
    >>> trace.feed(Side.CLIENT, b"GET / HTTP/1.1\r\nHost", at=0.0)
    []
    >>> [(span.name, span.octets, span.write) for span in trace.feed(Side.CLIENT, b": a\r\n\r\n", at=0.1)]
    [('request line', b'GET / HTTP/1.1\r\n', 0), ('Host', b'Host: a\r\n', 0), ('blank line', b'\r\n', 1)]
    >>> trace.protocol
    'http'

The first octets tell the protocol: a ZMTP greeting begins with ff, an HTTP request with a word and a space.

Below this module: `zmtp`, `http`. It can be read alone.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..errors import Secret
from .curve import Keys
from .http import BEGINS_HIDDEN, Exchange, HttpSpeaker
from .spans import NOT_WHOLE, Piece, Side, Span, Tape
from .zmtp import Conversation, Speaker

WORD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")  # a token (RFC 9110 §5.6.2), no longer than a method is
METHOD = re.compile(WORD.pattern + b" ")
HTTP = b"HTTP/"

# Search only so many octets for headers that must be masked, because no head is longer.
MOST_SEARCHED = 1 << 20


class Trace:
    """One connection. keys: open CURVE's boxes. keep: if False, each span is forgotten once it has been returned, which
    suits long-lived connections; `spans` then holds only the incomplete ones.

    protocol: "" until it is known, then "zmtp", "http" or "unknown".
    """

    def __init__(self, *, keys: Keys | None = None, keep: bool = True) -> None:
        self.protocol = ""
        self._keep = keep
        self._tapes = {side: Tape(side) for side in Side}
        self._speakers: Mapping[Side, Speaker | HttpSpeaker] = {}
        self._writes = 0
        self._conversation = Conversation(keys)

    def feed(self, side: Side, octets: bytes, at: float) -> list[Span]:
        """Add one write, and return the spans that it completes, in order for each side. (These may belong to the other
        side, because some requests can be decoded only once the response is known.) at: the time, on any clock."""
        with self._news() as news:
            self._tapes[side].add(octets, at, self._writes)
            self._writes += 1
            if self._speakers:
                self._speakers[side].hear(octets)
            else:
                self._tell_protocol(side)
        return news

    def end(self, side: Side, at: float) -> list[Span]:
        """Note that this side's stream ended at that time. What is then incomplete becomes its last span."""
        with self._news() as news:
            if not self._speakers:
                self._tell_protocol(side, ended=side)
            if self._speakers:
                self._speakers[side].end()
            self._tapes[side].cut(self._rest(side))
        return news

    def spans(self, side: Side) -> list[Span]:
        """All spans so far; the last one may be incomplete. Together they cover everything that this side has sent."""
        rest = self._tapes[side].peek(self._rest(side))
        return [*self._tapes[side].spans, *([rest] if rest else [])]

    def forget(self) -> None:
        """Drop all spans so far, to save memory when the caller already has them."""
        for tape in self._tapes.values():
            tape.spans.clear()

    def _rest(self, side: Side) -> Piece:
        rest = self._speakers[side].rest if self._speakers else NOT_WHOLE
        octets = bytes(self._tapes[side].held)
        return rest._replace(octets=Secret(octets) if self._may_hide(octets) else octets)

    def _may_hide(self, octets: bytes) -> bool:
        """Whether octets that aren't split into fields may hold a secret. In PLAIN, any of them may."""
        if self.protocol == "zmtp" or self._conversation.mechanism:
            return b"PLAIN" in self._conversation.mechanism.values()
        return BEGINS_HIDDEN.search(octets, 0, MOST_SEARCHED) is not None

    @contextmanager
    def _news(self) -> Iterator[list[Span]]:
        """A list that is filled, at the end of the block, with the spans that were cut inside it."""
        before = {tape: len(tape.spans) for tape in self._tapes.values()}
        news: list[Span] = []
        yield news
        for tape, count in before.items():
            news += tape.spans[count:]
            if not self._keep:
                tape.spans.clear()

    # ------------------------------------------------------------------------------------------------ which protocol?

    def _tell_protocol(self, last: Side, ended: Side | None = None) -> None:
        """Set `protocol`. last: the side that sent last; the other side's octets came before."""
        said = {side: bytes(tape.held) for side, tape in self._tapes.items()}
        self.protocol = protocol_of(said, ended)
        if not self.protocol:
            return
        if self.protocol == "http":
            exchange = Exchange(self._conversation)
            self._speakers = {side: HttpSpeaker(tape, exchange) for side, tape in self._tapes.items()}
        else:
            self._speakers = {side: Speaker(tape, self._conversation) for side, tape in self._tapes.items()}
        for side in (last.other, last):
            self._speakers[side].hear(said[side])


def protocol_of(said: Mapping[Side, bytes], ended: Side | None = None) -> str:
    r"""The protocol, or "" while it is unknown. In HTTP the client sends first, in ZMTP either side may.

    >>> protocol_of({Side.CLIENT: b"", Side.SERVER: b"\xff"}), protocol_of({Side.CLIENT: b"GE", Side.SERVER: b""})
    ('zmtp', '')
    >>> protocol_of({Side.CLIENT: b"\x16\x03\x01", Side.SERVER: b""})                   # TLS
    'unknown'
    """
    asked, answered = said[Side.CLIENT], said[Side.SERVER]
    if (asked or answered)[:1] == b"\xff":
        return "zmtp"
    if asked:
        return "http" if METHOD.match(asked) else "" if WORD.fullmatch(asked) else "unknown"
    # An HTTP server may send 408 without a request when it times out, so accept a response if the stream then ends.
    if answered[:5] == HTTP[: len(answered)]:
        return "http" if ended is Side.SERVER and len(answered) >= len(HTTP) else ""
    return "unknown"
