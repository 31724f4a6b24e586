"""What is kept survives the way through JSON, and says what it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.tap.conversation import FORMAT, Conversation, End, Write, to_json
from minizmtp.trace import KINDS, Side, Span
from tests.minizmtp.tap.reading import from_json

sides = st.sampled_from(Side)
times = st.floats(0, 2e9)
counts = st.integers(0, 2**40)


def spans(side: Side, inside: st.SearchStrategy[tuple[Span, ...]]) -> st.SearchStrategy[Span]:
    octets, text, kinds = st.binary(min_size=1, max_size=9), st.text(max_size=9), st.sampled_from(KINDS)
    return st.builds(Span, st.just(side), counts, octets, text, text, text, kinds, times, counts, st.booleans(), inside)


def of(side: Side) -> st.SearchStrategy[list[Span]]:
    inner = st.lists(spans(side, st.just(())), max_size=2).map(tuple)
    return st.lists(spans(side, inner), max_size=3)


conversations = st.builds(
    Conversation,
    number=counts,
    client=st.text(),
    server=st.text(),
    opened=times,
    closed=st.none() | times,
    protocol=st.sampled_from(["", "zmtp", "http", "unknown"]),
    writes=st.lists(st.builds(Write, sides, counts, counts, times), max_size=3),
    spans=st.fixed_dictionaries({side: of(side) for side in Side}),
    ends=st.lists(st.builds(End, sides, st.text(), times), max_size=2),
    left_out=counts,
)


@pytest.mark.slow
@given(st.lists(conversations, max_size=3))
def test_json_holds_the_whole_conversation(some: list[Conversation]) -> None:
    assert from_json(json.loads(json.dumps(to_json(some)))) == some


def test_the_object_has_the_names_that_are_documented() -> None:
    span = Span(Side.SERVER, 0, b"\xff", "signature", "this is ZMTP", "37", "greeting", 0.5, 0)
    it = Conversation(1, "tcp://127.0.0.1:50000", "", 0.25, spans={Side.CLIENT: [], Side.SERVER: [span]})
    it.writes.append(Write(Side.SERVER, 0, 1, 0.5))
    it.ends.append(End(Side.CLIENT, "connection refused", 0.75))
    assert to_json([it]) == {
        "format": "minizmtp.tap/1",
        "connections": [
            {
                "number": 1,
                "client": "tcp://127.0.0.1:50000",
                "server": "",
                "protocol": "",
                "opened": 0.25,
                "closed": None,
                "writes": [{"side": "server", "offset": 0, "size": 1, "at": 0.5}],
                "spans": {
                    "client": [],
                    "server": [
                        {
                            "offset": 0,
                            "octets": "ff",
                            "name": "signature",
                            "value": "this is ZMTP",
                            "source": "37",
                            "kind": "greeting",
                            "at": 0.5,
                            "write": 0,
                            "wrong": False,
                            "inside": [],
                        }
                    ],
                },
                "ends": [{"side": "client", "why": "connection refused", "at": 0.75}],
                "left_out": 0,
            }
        ],
    }


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match=f"format 'else', expected '{FORMAT}'"):
        from_json({"format": "else"})
