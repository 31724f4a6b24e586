"""Conversations: the record of a connection, and its form as JSON.

`--json FILE` is one object. Times are seconds since 1970; octets are hex; a side is "client" or "server".

    format       "minizmtp.tap/1"
    connections  each:
      number     1, 2, … in the order of arrival
      client     the client's endpoint; "" if it has none (ipc), or was already gone
      server     the server's endpoint; "" if connecting failed
      protocol   "zmtp", "http", "unknown"; "" if too few octets came to tell
      opened     time
      closed     time, or null
      writes     the reads that were passed on, in order, each:  side, offset, size, at
      spans      client and server, each a list that contains every octet once, in order. A span:
                 offset, octets, name, value, source, kind, at, write (its index in writes), wrong,
                 inside (the spans in an opened CURVE box, or under the mask of a WebSocket; their
                 offsets count in the plaintext)
                 A password or a cookie is replaced by as many stars, unless the tap was asked for secrets.
      ends       each:  side, why ("" for an orderly end), at
      left_out   the number of octets that passed after those in spans

    >>> conversation = Conversation(1, "tcp://127.0.0.1:50000", "tcp://127.0.0.1:5555", opened=0.5)
    >>> conversation.writes.append(Write(Side.CLIENT, 0, 1, 0.5))
    >>> conversation.spans[Side.CLIENT] = [Span(Side.CLIENT, 0, b"?", "octets", "no protocol", "", "wrong", 0.5, 0)]
    >>> conversation.ends.append(End(Side.CLIENT, "", 0.75))
    >>> to_json([conversation])["connections"][0]["ends"]
    [{'side': 'client', 'why': '', 'at': 0.75}]

Below this module: `trace`, which makes the spans.
Read next: `page`, which shows a conversation as HTML, or `ear`, which fills it in.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..trace import Side, Span

FORMAT = "minizmtp.tap/1"


class Write(NamedTuple):
    """One write. offset: position of its first octet in this side's stream."""

    side: Side
    offset: int
    size: int
    at: float


class End(NamedTuple):
    """The end of a side's stream. why: the error, or "" for an orderly end."""

    side: Side
    why: str
    at: float


@dataclass
class Conversation:
    """One connection, from its first octet to its last. The names are those of the JSON object."""

    number: int
    client: str
    server: str
    opened: float
    closed: float | None = None
    protocol: str = ""
    writes: list[Write] = field(default_factory=list)
    spans: dict[Side, list[Span]] = field(default_factory=lambda: {side: [] for side in Side})
    ends: list[End] = field(default_factory=list)
    left_out: int = 0


def to_json(conversations: list[Conversation]) -> dict[str, Any]:
    """The JSON object, for json.dump."""
    return {"format": FORMAT, "connections": [_conversation(each) for each in conversations]}


def _conversation(it: Conversation) -> dict[str, Any]:
    return vars(it) | {
        "writes": [write._asdict() | {"side": write.side.value} for write in it.writes],
        "spans": {side.value: [_span(span) for span in it.spans[side]] for side in Side},
        "ends": [end._asdict() | {"side": end.side.value} for end in it.ends],
    }


def _span(span: Span) -> dict[str, Any]:
    fields = span._asdict() | {"octets": span.octets.hex(), "inside": [_span(inner) for inner in span.inside]}
    del fields["side"]
    return fields
