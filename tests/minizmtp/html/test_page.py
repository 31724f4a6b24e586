"""Pages of conversations, as text: all is there, once, and nothing that a peer sent becomes part of the page."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minizmtp.html.conversation import KINDS, Conversation, kind_of, rows
from minizmtp.html.page import FEW, conversation_page
from minizmtp.trace import Side, Span
from minizmtp.trace.records import Record
from tests.markup import Element, check_page

NASTY = '<img src=x onerror="alert(1)">&amp;\'{{ 7 * 7 }}'


def span(octets: bytes = b"hello", **others: object) -> Span:
    """A span of which only the others matter."""
    plain = Span(Side.CLIENT, 0, octets, "body", "what the program sent", '37/ZMTP 3.1, "Messages"', "body", 0.0, 0)
    return plain._replace(**others)


def shown(page: Element) -> list[Element]:
    return list(page.all("div", "span"))


def part(element: Element, style: str) -> str:
    """What the first element of this class says."""
    return next(element.all(style=style)).text


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Anything that could be said, in any number of writes."""
    offsets = dict.fromkeys(Side, 0)
    spans = []
    for write in range(draw(st.integers(0, 5))):
        side = draw(st.sampled_from(Side))
        for octets in draw(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=3)):
            made = span(octets, side=side, offset=offsets[side], write=write, at=7 + write / 100)
            spans.append(made._replace(name=draw(words), value=draw(words), kind=draw(st.sampled_from([*KINDS]))))
            offsets[side] += len(octets)
    return Conversation(draw(words), draw(st.sampled_from(["http", "zmtp", ""])), spans)


@pytest.mark.slow
@settings(max_examples=40)  # a page takes some 50 ms
@given(st.lists(conversations(), max_size=3))
def test_the_page_shows_every_span_once_in_order_with_its_notes(said):
    page = check_page(conversation_page("What was said", said))
    spans = [it for conversation in said for record in conversation.records for it in record.spans]
    assert len(spans) == sum(len(it.spans) for it in said)
    assert len(shown(page)) == len(spans)
    for element, it in zip(shown(page), spans, strict=True):
        assert part(element, "offset") == f"offset {it.offset}"
        assert part(element, "name") == it.name
        assert part(element, "value").startswith(it.value)
        assert part(element, "source") == it.source
        assert kind_of(it).name in (part(element, "name"), *(kind.text for kind in element.all(style="kind")))
        if len(it.octets) <= 256:
            assert part(element, "hex") == it.octets.hex(" ")


def test_a_page_without_conversations_says_so():
    page = check_page(conversation_page("Nobody came", []))
    assert "There was no conversation." in next(page.all("main")).text
    page = check_page(conversation_page("Somebody came", [Conversation("silent", "", [])]))
    assert "Nothing was said." in next(page.all("main")).text


def test_data_and_names_of_a_peer_never_become_markup():
    it = span(NASTY.encode(), name=NASTY, value=NASTY, source=NASTY, kind=f"{NASTY}!")
    page = check_page(conversation_page(NASTY, [Conversation(NASTY, "http", [it], NASTY)], NASTY))
    assert [heading.text for heading in page.all("h1")] == [NASTY]
    assert {part(shown(page)[0], style) for style in ("name", "value", "source")} == {NASTY}
    assert part(shown(page)[0], "kind") == f"{NASTY}!"
    assert NASTY in part(shown(page)[0], "text")


def test_a_very_long_span_is_shown_with_its_middle_cut_out():
    page = check_page(conversation_page("Long", [Conversation("", "", [span(b"<" * 100_000)])]))
    (element,) = shown(page)
    assert "(99,776 octets in the middle are not shown)" in part(element, "value")
    assert part(element, "hex").count("3c") == 224
    assert len(conversation_page("Long", [Conversation("", "", [span(bytes(10_000_000))])])) < 40_000


def test_what_was_in_an_opened_box_is_shown_inside_its_span():
    box = span(b"\x01" * 30, kind="secret", name="box", inside=(span(b"\x00", name="flags"), span(b"hi", offset=1)))
    page = check_page(conversation_page("Opened", [Conversation("", "zmtp", [box])]))
    outer, *inner = shown(page)
    assert shown(outer) == inner
    assert [part(it, "hex") for it in inner] == ["00", "68 69"]
    assert "Opened with the key:" in outer.text


def test_a_broken_rule_is_marked_by_more_than_its_colour():
    page = check_page(conversation_page("Bad", [Conversation("", "zmtp", [span(wrong=True, value="expected 0")])]))
    (element,) = shown(page)
    assert "is-wrong" in element.classes
    assert part(element, "name").startswith("✗")
    assert part(element, "kind") == "wrong"


def test_a_source_is_a_link_only_if_it_can_be_read_somewhere():
    spans = [span(source=it, offset=at) for at, it in enumerate(['37/ZMTP 3.1, "Framing"', "9112 §3", "libzmq", ""])]
    page = check_page(conversation_page("Sources", [Conversation("", "", spans)]))
    links = [[link.attributes["href"] for link in element.all("a", "source")] for element in shown(page)]
    assert links[:2] == [
        ["https://rfc.zeromq.org/spec/37/#framing"],
        ["https://www.rfc-editor.org/rfc/rfc9112#section-3"],
    ]
    assert links[2:] == [[], []]
    assert part(shown(page)[2], "source") == "libzmq"


def frames(*sides: Side) -> list[Span]:
    """The flags of a frame from each of these sides, half a second apart."""
    flags = span(b"\x00", name="flags", kind="framing")
    return [flags._replace(side=side, offset=number, write=number, at=number / 2) for number, side in enumerate(sides)]


@pytest.mark.parametrize(("count", "ladders"), [(FEW, 1), (FEW + 1, 0)])
def test_records_are_closed_and_only_few_of_them_get_arrows(count, ladders):
    page = check_page(conversation_page("Long", [Conversation("", "", frames(*[Side.CLIENT] * count))]))
    opened = ["open" in next(it.all("details")).attributes for it in page.all("li", "record")]
    assert opened == [False] * count
    assert len([it for it in page.all("figure", "ladder") if list(it.all("svg"))]) == ladders


def test_one_conversation_is_open_and_several_are_closed():
    """Several also have a list of contents that stays in sight."""
    for count in (1, 3):
        page = check_page(conversation_page("Some", [Conversation("", "", frames(Side.CLIENT))] * count))
        opened = ["open" in next(it.all("details")).attributes for it in page.all("section", "conversation")]
        assert opened == [count == 1] * count
        (nav,) = page.all("nav", "sidebar") if count > 1 else (Element("", {}),)
        links = [it.attributes["href"] for it in nav.all("a")]
        assert links == (["#top", "#c1", "#c2", "#c3"] if count > 1 else [])


def test_the_bits_of_flags_are_drawn_with_their_names():
    it = span(b"\x05", name="flags", kind="framing", source='37/ZMTP 3.1, "Framing"')
    page = check_page(conversation_page("Bits", [Conversation("", "zmtp", [it])]))
    (bits,) = page.all("span", "bits")
    assert bits.attributes["aria-label"] == "bits 00000101, COMMAND, MORE"
    assert [bit.text for bit in bits.all("span")] == ["0", "0", "0", "0", "0", "1 COMMAND", "0 LONG", "1 MORE"]


def test_a_record_has_its_story_its_reasons_and_its_code():
    page = check_page(conversation_page("Told", [Conversation("", "zmtp", frames(Side.CLIENT, Side.SERVER))]))
    first, second = page.all("li", "record")
    assert part(first, "what").startswith("The client sends a message.")
    assert part(second, "what").startswith("The server sends a message.")
    assert part(first, "reason").startswith("Three bits are in use.")
    chapter, code = page.all("details", "code")
    assert next(chapter.all("summary")).text == "The chapter about it: minizmtp/wire/frames.py"
    assert "| flags | size |" in chapter.text
    assert next(code.all("summary")).text == "The code: encode_message in minizmtp/wire/frames.py"
    assert "def encode_message(" in code.text


def test_each_field_has_the_number_of_its_octets():
    """By which the style lights up both."""
    spans = [span(b"\x00", name="flags", kind="framing"), span(b"\x05", name="size", offset=1), span(offset=2)]
    page = check_page(conversation_page("Numbers", [Conversation("", "zmtp", spans)]))
    (octets,) = page.all("p", "octets")
    assert [(it.text, it.classes[1], it.attributes["href"]) for it in octets.all("a")] == [
        ("00", "n1", "#c1-c0"),
        ("05", "n2", "#c1-c1"),
        ("68 65 6c 6c 6f", "n3", "#c1-c2"),
    ]
    assert [it.classes[-1] for it in shown(page)] == ["n1", "n2", "n3"]


def test_the_shares_of_the_families_add_up_to_the_whole():
    spans = [span(b"abc", kind="framing"), span(b"abcde", offset=3), span(b"x", kind="framing", offset=8)]
    page = check_page(conversation_page("Shares", [Conversation("", "", spans)]))
    assert part(page, "shares") == "9 octets: framing 4, body 5"
    (plot,) = next(page.all("figure", "shares")).all("svg")
    widths = [float(it.attributes["width"].rstrip("%")) for it in plot.all("rect")]
    assert widths == pytest.approx([400 / 9, 500 / 9], abs=0.01)


def test_a_ladder_has_an_arrow_for_each_record():
    spans = frames(Side.CLIENT, Side.SERVER, Side.CLIENT)
    page = check_page(conversation_page("Ladder", [Conversation("", "", spans)]))
    (ladder,) = page.all("figure", "ladder")
    assert [it.text for it in ladder.all("text")] == ["0 ms message", "500 ms message", "1.0 s message"]
    heights = [float(it.attributes["y1"]) for it in ladder.all("line", "rung")]
    assert heights[1] - heights[0] == heights[2] - heights[1] > 0
    tips = [it.attributes["x"] for it in ladder.all("svg") if "x" in it.attributes]
    assert tips == ["100%", "0%", "100%"]


# --------------------------------------------------------------------------------------------------------------- rows


times = st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=12).map(sorted)


@given(st.lists(times, min_size=1, max_size=3))
@pytest.mark.slow
def test_rows_run_down_with_time_in_every_lane_and_across_lanes(lanes):
    said = [[Record(at, Side.CLIENT, (), "message") for at in lane] for lane in lanes]
    found = rows(said)
    for lane, places in zip(said, found, strict=True):
        assert places == sorted(set(places)), "a record has a row of its own, and time never runs up"
        assert len(places) == len(lane)
    whole = max(map(max, lanes)) - min(map(min, lanes))
    placed = sorted(
        (row, record.at)
        for lane, places in zip(said, found, strict=True)
        for row, record in zip(places, lane, strict=True)
    )
    for (_, before), (_, after) in pairwise(placed):
        assert after >= before - whole / 25, "what stands lower came later, or at the same moment"
    assert {row for places in found for row in places} == set(range(1, max(map(max, found)) + 1)), "no row is empty"
