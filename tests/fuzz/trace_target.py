"""Invariants of a trace for any octets of the two sides.

    trace    a sequence of writes: an octet with the side and the size, and then so many octets

No exception is raised, the spans of each side cover all its octets, and the spans are the same if each write is split
into two.
"""

from collections.abc import Iterator

from minizmtp.trace import Keys, Side, Span, Trace, cover
from minizmtp.trace.story import load, names

KEYS = Keys(**load("curve").keys)


def trace(data: bytes) -> None:
    """Trace both streams to their ends, with whole writes and with split ones."""
    writes = list(read_writes(data))
    whole, halves = Trace(keys=KEYS), Trace(keys=KEYS)
    for side, octets in writes:
        whole.feed(side, octets, 0.0)
        halves.feed(side, octets[: len(octets) // 2], 0.0)
        halves.feed(side, octets[len(octets) // 2 :], 0.0)
    for side in Side:
        whole.end(side, 0.0)
        halves.end(side, 0.0)
    for side in Side:
        spans = whole.spans(side)
        assert cover(spans, b"".join(octets for speaker, octets in writes if speaker is side))
        assert sum(span.wrong for span in spans) <= 1
        assert timeless(halves.spans(side)) == timeless(spans)


def read_writes(data: bytes) -> Iterator[tuple[Side, bytes]]:
    """Decode writes: the highest bit of the first octet is the side, and the other bits are the size."""
    while data:
        size = data[0] & 127
        yield (Side.SERVER if data[0] & 128 else Side.CLIENT), data[1 : 1 + size]
        data = data[1 + size :]


def timeless(spans: list[Span]) -> list[Span]:
    """Spans without the values that depend on the writes."""
    return [span._replace(write=0, inside=tuple(timeless(list(span.inside)))) for span in spans]


UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"
HTTP = [
    [
        (Side.CLIENT, b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        (Side.SERVER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\nA: b\r\n\r\n"),
        (Side.CLIENT, UPGRADE),
        (Side.SERVER, b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\nrest"),
    ],
    [
        (Side.SERVER, b"HTTP/1.1 100 Soon\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n!"),
        (Side.CLIENT, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" + UPGRADE),
        (Side.SERVER, b"HTTP/1.1 204 No\r\n\r\n"),
        (
            Side.CLIENT,
            b"PUT / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        ),
    ],
    [(Side.CLIENT, b"HEAD / HTTP/1.0\r\n\r\nGET / HTTP/1.1\nHost: a\n\n"), (Side.SERVER, b"HTTP/1.0 200\r\n\r\nbody")],
]


def seeds() -> list[bytes]:
    """The wire stories, and HTTP."""
    stories = [[(side, octets) for side, _, octets in load(name).writes] for name in names()]
    return [b"".join(as_octets(side, octets) for side, octets in writes) for writes in [*stories, *HTTP]]


def as_octets(side: Side, octets: bytes) -> bytes:
    """Encode a write for `read_writes`; a write that is too large becomes several."""
    pieces = [octets[start : start + 127] for start in range(0, len(octets), 127)]
    return b"".join(bytes([len(piece) | (128 if side is Side.SERVER else 0)]) + piece for piece in pieces)
