"""What a reader sees: 80 columns, every octet that is promised, and nothing that a terminal would obey."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.tap.show import MOST_OCTETS, MOST_SPANS, WIDTH, Show, is_plain
from minizmtp.trace import KINDS, Side, Span

CLIENT, SERVER = Side.CLIENT, Side.SERVER
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
DUMP = re.compile(r"^ *(\d+)  ((?:[0-9a-f]{2} ?){1,8})(?:  |$)")

words = st.text(st.characters(codec="utf-8"), max_size=100)
spans = st.recursive(
    st.builds(
        Span,
        side=st.just(CLIENT),
        offset=st.integers(0, 10**7),
        octets=st.binary(min_size=1, max_size=200),
        name=words,
        value=words,
        source=words,
        kind=st.sampled_from(KINDS),
        at=st.just(0.0),
        write=st.just(0),
        wrong=st.booleans(),
        inside=st.just(()),
    ),
    lambda inner: st.builds(
        lambda span, inside: span._replace(inside=tuple(inside)), inner, st.lists(inner, max_size=3)
    ),
    max_leaves=5,
)


def a_span(octets: bytes, offset: int = 0, **fields: object) -> Span:
    span = Span(CLIENT, offset, octets, "body", "what the program sent", "37/ZMTP", "body", 0.0, 0)
    return span._replace(**fields)  # type: ignore[arg-type]


def shown(text: str) -> bytes:
    """The octets in a dump, in order."""
    return b"".join(bytes.fromhex(found[2]) for line in text.splitlines() if (found := DUMP.match(line)))


def flat(some: list[Span]) -> list[Span]:
    return [each for span in some for each in [span, *flat(list(span.inside))]]


@pytest.mark.slow
@given(st.lists(spans, max_size=5))
def test_lines_of_any_spans_are_printable_and_hold_every_octet(some: list[Span]) -> None:
    plain = Show(whole=True).spans(1, CLIENT, some, 1.5, writes=1)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert max(map(len, plain.split("\n"))) <= WIDTH
    assert shown(plain) == b"".join(span.octets for span in flat(some))
    coloured = ESCAPES.sub("", Show(colour=True, whole=True).spans(1, CLIENT, some, 1.5, writes=1))
    assert [line.rstrip() for line in coloured.split("\n")] == plain.split("\n")


def test_a_long_body_is_shown_by_its_start_and_a_count() -> None:
    octets = bytes(range(256)) * 5
    text = Show().spans(1, CLIENT, [a_span(octets)], 0.0, writes=1)
    assert shown(text) == octets[:MOST_OCTETS]
    assert "… and 1,216 octets more" in text
    assert "client → server, 1,280 octets" in text
    assert shown(Show(whole=True).spans(1, CLIENT, [a_span(octets)], 0.0, writes=1)) == octets


def test_the_beginning_of_a_flood_is_shown_the_rest_counted() -> None:
    flood = [a_span(b"%3d" % number, 3 * number) for number in range(1000)]
    text = Show().spans(1, SERVER, flood, 0.0, writes=7)
    assert shown(text) == b"".join(span.octets for span in flood[:MOST_SPANS])
    assert f"… and {1000 - MOST_SPANS} more of these, {3 * (1000 - MOST_SPANS):,} octets" in text
    assert "server → client, 3,000 octets in 7 writes" in text


def test_spans_inside_a_box_are_shown_behind_a_bar() -> None:
    inner = a_span(b"secret", kind="secret", name="plaintext")
    lines = Show().spans(1, CLIENT, [a_span(b"box", inside=(inner,))], 0.0, writes=1).splitlines()
    assert [line for line in lines if "┊" in line] == [line for line in lines if "plaintext" in line] != []


def test_a_wrong_span_has_the_style_of_errors() -> None:
    right, wrong = (Show(colour=True).spans(1, CLIENT, [a_span(b"x", wrong=each)], 0, 1) for each in (False, True))
    assert "\x1b[1;37;41m" in wrong
    assert "\x1b[1;37;41m" not in right


def test_the_source_is_named_where_it_changes() -> None:
    some = [a_span(b"a"), a_span(b"b"), a_span(b"c", source="28/REQREP"), a_span(b"d", source="")]
    lines = Show().spans(1, CLIENT, some, 0.0, writes=1).splitlines()
    named = [found[1] for line in lines[2:] if (found := re.search(r"\[(\w+/\w+)\]", line))]
    assert named == ["37/ZMTP", "28/REQREP"]


def test_colours_are_for_terminals_that_want_them() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert not is_plain(Terminal(), {})
    assert not is_plain(Terminal(), {"NO_COLOR": ""})
    assert is_plain(Terminal(), {"NO_COLOR": "1"})
    assert is_plain(Terminal(), {"TERM": "dumb"})
    assert is_plain(io.StringIO(), {"FORCE_COLOR": "1"})
