"""Reads what `--json` writes, so that a test can compare it with what passed."""

from typing import Any

from minizmtp.tap.conversation import FORMAT, Conversation, End, Write
from minizmtp.trace import Side, Span


def from_json(document: dict[str, Any]) -> list[Conversation]:
    """The inverse of to_json. Raises ValueError for another format."""
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r}, expected {FORMAT!r}")
    return [_read_conversation(each) for each in document["connections"]]


def _read_conversation(each: dict[str, Any]) -> Conversation:
    lists = {
        "writes": [Write(**write | {"side": Side(write["side"])}) for write in each["writes"]],
        "spans": {side: [_read_span(span, side) for span in each["spans"][side.value]] for side in Side},
        "ends": [End(**end | {"side": Side(end["side"])}) for end in each["ends"]],
    }
    return Conversation(**each | lists)


def _read_span(fields: dict[str, Any], side: Side) -> Span:
    inside = tuple(_read_span(inner, side) for inner in fields["inside"])
    return Span(**fields | {"side": side, "octets": bytes.fromhex(fields["octets"]), "inside": inside})
