r"""A conversation, prepared for a page: each of its records gets a row.

         HTTP                                 ZMTP
    row  client            server             client            server
     1   ── 128 octets ──────────►   0 ms     ── 64 octets ───────────►   0 ms
     2                                        ◄─────────── 64 octets ──   0 ms
     3   ◄────────── 113 octets ──  41 ms     …

Time runs downwards. Conversations shown side by side share their rows: events at the same time, counted from the first
octet of each conversation, are at the same height. A conversation sent nothing in its empty rows.

    >>> from ..trace import Side, Span
    >>> from ..trace.records import records
    >>> ask = Span(Side.CLIENT, 0, b"\x00\x05", "flags", "the last frame", '37/ZMTP 3.1, "Framing"', "framing", 7.0, 0)
    >>> answer = ask._replace(side=Side.SERVER, at=7.5, write=1)
    >>> for record in records([ask, answer]):
    ...     print(record.at, record.side.value, record.octets)
    0.0 client 2
    0.5 server 2

A span is shown completely: its octets in hex and as text, its name, its value, and the source. Only very long spans are
shortened in the middle, and say so.

Read next: `plots`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..trace import Span
from ..trace.records import Record, every, records

# A span with more octets than this is shown without its middle: a body may be as long as a film.
LONGEST = 256
HEAD, TAIL = 192, 32

# Times that differ by less than this share of the total look the same, so they share a row.
SAME_MOMENT = 1 / 25


class Conversation(NamedTuple):
    """Everything that crossed one connection, in both directions.

    protocol: "http", "zmtp", or "" for neither. spans: of both sides, each side's in order. note: a sentence about it.
    ends: sentences for the end, such as which side closed, and when. name: a word or two for the list of contents.
    """

    title: str
    protocol: str
    spans: Sequence[Span]
    note: str = ""
    ends: Sequence[str] = ()
    name: str = ""

    @property
    def octets(self) -> int:
        """The number of octets in both directions."""
        return sum(len(span.octets) for span in self.spans)

    @property
    def records(self) -> list[Record]:
        """What a reader opens one by one: see `trace.records`."""
        return records(self.spans)


class Kind(NamedTuple):
    """A kind of span. name: shown to the reader. words: what belongs to it. hue: the colour; kinds of the two protocols
    that serve the same purpose share one."""

    name: str
    words: str
    hue: str


KINDS = {
    "greeting": Kind("greeting", "protocol, version and mechanism", "greeting"),
    "framing": Kind("framing", "where a frame begins and ends", "framing"),
    "command": Kind("command", "from library to library", "command"),
    "metadata": Kind("metadata", "what a peer says about itself", "metadata"),
    "http-line": Kind("start line", "what is asked, or how it went", "command"),
    "http-field": Kind("field", "HTTP's metadata, in every message", "metadata"),
    "http-framing": Kind("HTTP framing", "where a head or a chunk ends", "framing"),
    "body": Kind("body", "what the program sent", "body"),
    "secret": Kind("secret", "encrypted, or a key", "secret"),
    "wrong": Kind("wrong", "a rule is broken here", "wrong"),
    "partial": Kind("cut off", "the rest has not come", "partial"),
}


def kind_of(span: Span) -> Kind:
    """The kind of a span; an unknown one is shown under its own name.

    >>> from ..trace import Side
    >>> kind_of(Span(Side.CLIENT, 0, b"x", "body", "", "", "body", 0.0, 0)).words
    'what the program sent'
    """
    return KINDS["wrong"] if span.wrong else KINDS.get(span.kind, Kind(span.kind, "", "partial"))


def legend(conversations: Iterable[Conversation]) -> list[Kind]:
    """The kinds that occur in the spans, in the order of KINDS."""
    present = {kind_of(inner) for it in conversations for span in it.spans for inner in every(span)}
    known = [kind for kind in KINDS.values() if kind in present]
    return known + sorted(present.difference(known))


def rows(lanes: Sequence[Sequence[Record]]) -> list[list[int]]:
    """The row of each record of each lane, from 1 on.

    In a lane every record has a row of its own. Records in different lanes share one if they began at the same moment.

    >>> from ..trace import Side
    >>> first = Record(0.0, Side.CLIENT, (), "message")
    >>> rows([[first, first._replace(at=1.0)], [first, first._replace(at=0.001), first._replace(at=1.001)]])
    [[1, 3], [1, 2, 3]]
    """
    times = sorted({record.at for lane in lanes for record in lane})
    whole = times[-1] - times[0] if times else 0.0
    found: list[list[int]] = [[] for _ in lanes]
    row = 1
    while times:
        moment = [at for at in times if at - times[0] <= whole * SAME_MOMENT]
        times = times[len(moment) :]
        taken = [sum(record.at in moment for record in lane) for lane in lanes]
        for places, count in zip(found, taken, strict=True):
            places += range(row, row + count)
        row += max(taken)
    return found


# -------------------------------------------------------------------------------------------------------------- words


def gist(record: Record) -> str:
    """A record in a few words, for its heading and for an arrow.

    >>> from ..trace import Side
    >>> span = Span(Side.CLIENT, 0, b"\\x04", "flags", "a command", "", "framing", 0.0, 0)
    >>> gist(Record(0.0, Side.CLIENT, (span, span._replace(name="box", kind="secret")), "MESSAGE"))
    'MESSAGE, encrypted'
    >>> gist(Record(0.0, Side.CLIENT, (span._replace(wrong=True),), "rest"))
    'not read, an error'
    """
    what = f"{record.messages} messages" if record.what == "message" and record.messages > 1 else record.what
    words = [{"rest": "not read"}.get(what, what)]
    if any(span.name == "box" and not span.inside for span in record.spans):
        words.append("encrypted")
    if any(inner.wrong for span in record.spans for inner in every(span)):
        words.append("an error")
    elif record.spans and record.spans[-1].kind == "partial":
        words.append("cut off")
    return ", ".join(words)


# The names of the lowest bits.
BITS = {"flags": ("COMMAND", "LONG", "MORE"), "opcode": ("FIN", "", "", "", "", "", "", "")}


class Bit(NamedTuple):
    """One bit of a flags octet. name: "" if it has no meaning."""

    value: int
    name: str


def bits(span: Span) -> list[Bit]:
    """The bits of a flags octet, the highest first; none for other fields. Inside the box of a CURVE MESSAGE, and in a
    WebSocket, COMMAND is another bit than in the header of a frame.

    >>> from ..trace import Side
    >>> span = Span(Side.CLIENT, 0, b"\\x04", "flags", "a command", "", "framing", 0.0, 0)
    >>> [f"{bit.value}{bit.name}" for bit in bits(span)]
    ['0', '0', '0', '0', '0', '1COMMAND', '0LONG', '0MORE']
    """
    if span.name not in BITS or len(span.octets) != 1:
        return []
    names = ("COMMAND", "MORE") if span.source.startswith(("26/", "45/")) else BITS[span.name]
    return [
        Bit(span.octets[0] >> place & 1, names[-1 - place] if place < len(names) else "") for place in range(7, -1, -1)
    ]


def when(seconds: float) -> str:
    """A time, in words.

    >>> when(0.0), when(0.00042), when(0.0412), when(2.5)
    ('0 ms', '0.4 ms', '41 ms', '2.5 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if 0.00005 <= seconds < 0.002 else f"{seconds * 1000:.0f} ms"


def in_hex(octets: bytes) -> str:
    """Two digits for each octet; the middle of a very long span is left out.

    >>> in_hex(b"hello")
    '68 65 6c 6c 6f'
    >>> in_hex(bytes(300)).count("00"), in_hex(bytes(300))[570:584]
    (224, '00 00 … 00 00 ')
    """
    if len(octets) <= LONGEST:
        return octets.hex(" ")
    return f"{octets[:HEAD].hex(' ')} … {octets[-TAIL:].hex(' ')}"


def as_text(octets: bytes) -> str:
    r"""As ASCII, with a dot for what cannot be printed; shortened as `in_hex` does.

    >>> as_text(b"\x05READY\r\n")
    '·READY··'
    """
    shown = octets if len(octets) <= LONGEST else octets[:HEAD] + octets[-TAIL:]
    text = "".join(chr(octet) if 32 <= octet < 127 else "·" for octet in shown)
    return text if shown is octets else f"{text[:HEAD]}…{text[HEAD:]}"


def left_out(octets: bytes) -> int:
    """The number of octets that `in_hex` leaves out.

    >>> left_out(bytes(1000)), left_out(b"hello")
    (776, 0)
    """
    return len(octets) - HEAD - TAIL if len(octets) > LONGEST else 0


def link_to(source: str) -> str:
    """The URL of a source; "" if it is not an RFC.

    >>> link_to('37/ZMTP 3.1, "Connection Metadata"')
    'https://rfc.zeromq.org/spec/37/#connection-metadata'
    >>> link_to("9112 §7.1"), link_to("RFC 9110 §5")
    ('https://www.rfc-editor.org/rfc/rfc9112#section-7.1', 'https://www.rfc-editor.org/rfc/rfc9110#section-5')
    >>> link_to("libzmq does so")
    ''
    """
    found = re.match(r"(?:RFC )?(\d+)\b(?:[^§]*§\s*([\d.]+\d|\d))?", source)
    if found is None:
        return ""
    number, section = found.groups()
    if len(number) > 2:
        return f"https://www.rfc-editor.org/rfc/rfc{number}" + (f"#section-{section}" if section else "")
    title = re.search(r'"(.+?)"', source) or re.search(r"^\d+ (.+)", source)
    anchor = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-") if title else ""
    return f"https://rfc.zeromq.org/spec/{number}/" + (f"#{anchor}" if anchor else "")
