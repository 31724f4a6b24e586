"""The tour as a page: everything that was said is there, and it can be read in a real browser, on paper and by ear."""

import re
from pathlib import Path

import pytest

from minizmtp.demo.__main__ import main
from minizmtp.demo.blocks import (
    Bar,
    Bars,
    Block,
    Claim,
    Column,
    Conversation,
    Ending,
    Heading,
    Lane,
    Lesson,
    Lines,
    Listing,
    Listings,
    Paragraph,
    Stretch,
    Table,
    Timeline,
    Title,
)
from minizmtp.demo.page import Beside, arrange, tour_page
from minizmtp.demo.plots import draw_bars, draw_timeline
from minizmtp.demo.tour import QUESTION, Part
from minizmtp.trace import Side, Span
from tests.browser import CONTRASTS
from tests.demo.program import run_here
from tests.markup import Element, check_page, with_all_open

LONG = "a-word-that-does-not-end" * 8
LEGEND = {"wait": "it waits", "work": "it works", "open": "there is one", "gone": "it is dead", "mark": "now"}


def span(at: float, write: int, side: Side = Side.CLIENT, offset: int = 0) -> Span:
    source = '37/ZMTP 3.1, "Framing"'
    return Span(side, offset, b"\x00\x05hello", "flags", f"value at {at}", source, "framing", at, write)


HTTP = Conversation("HTTP", "http", (span(5.0, 0), span(5.1, 1, Side.SERVER)))
ZMTP = Conversation("REQ", "zmtp", (span(9.0, 0), span(9.0001, 1, Side.SERVER), span(9.1, 2, offset=7)))
BARS = Bars("Round trip", "µs", (Bar("HTTP", 740.0, "740 µs", "http"), Bar("<inproc>", 37.0, "37 µs", "zmtp")))
TIMELINE = Timeline(
    "Who & when",
    "zmtp",
    0.4,
    (
        Lane("<one>", (Stretch(0.0, 0.1, "wait"), Stretch(0.1, 0.4, "work", "it is <done>"))),
        Lane("two", (Stretch(0.0, 0.2, "open"), Stretch(0.2, 0.3, "gone"), Stretch(0.35, 0.35, "mark", "there"))),
    ),
    LEGEND,
)
# A tour of which every kind of block is a part, and whose words are as awkward as words can be.
TOUR: list[Block] = [
    Paragraph("What it is about."),
    Heading("bytes", "What <crosses> the wire?"),
    Paragraph("Some words."),
    Title("HTTP"),
    Paragraph("It is asked."),
    HTTP,
    Claim("it was asked", True),
    Title("ZMTP"),
    ZMTP,
    Claim("it was greeted", True),
    Heading("rest", "What else?"),
    Table((Column(""), Column("octets", is_number=True)), (("HTTP", "241"), (LONG, "213"))),
    Lines(("   ┌──┐", "   │  │" + "─" * 90)),
    Listings(
        (Listing("theirs", "import httpx\n" + "x" * 120, "http"), Listing("ours", "await req.send(b'')\n", "zmtp"))
    ),
    TIMELINE,
    BARS,
    Claim("the earth is flat", False),
    Claim(LONG, True),
    Lesson("Remember <this>. And that."),
    HTTP,
    Heading("the answer", QUESTION),
    Table((Column(""), Column("HTTP"), Column("see")), (("it is", "text", "bytes"), ("it was", "so", "nowhere"))),
    Ending(4, ("the earth is flat",), 1.25, "minizmtp/wire/greeting.py"),
]


@pytest.fixture(scope="module")
def page() -> Element:
    return check_page(tour_page(TOUR))


def words(thing: object) -> list[str]:
    """Every text in a block, however deep."""
    if isinstance(thing, str):
        return [thing]
    if isinstance(thing, dict):
        return words(list(thing.values()))
    return [word for part in thing for word in words(part)] if isinstance(thing, (tuple, list)) else []


# ----------------------------------------------------------------------------------------------------------- as text


def test_all_that_was_said_is_on_the_page(page):
    everything = " ".join(next(page.all("body")).text.split())
    labels = " ".join(it.attributes["aria-label"] for it in page.all() if "aria-label" in it.attributes)
    known = {"http", "zmtp", "µs", "framing", "the answer", *LEGEND}  # they are told by colours, and by other words
    for block in TOUR:
        for word in words(block):
            assert word in known or " ".join(word.split()) in f"{everything} {labels}", f"{word!r} of {block}"


def test_the_contents_link_every_part_and_show_its_result(page):
    (contents,) = (it for it in page.all("nav") if it.attributes["aria-label"] == "Contents")
    assert [link.attributes["href"] for link in contents.all("a")] == ["#bytes", "#rest"]
    assert [it.text for it in contents.all("li")] == [
        "bytes What <crosses> the wire?",
        "rest What else? Remember <this>.",
    ]
    assert [it.text for it in page.all("h2")] == [
        "The answer",
        "What <crosses> the wire?",
        "What else?",
        "1 of 4 claims did not come true",
    ]


def test_the_contents_that_stay_name_the_answer_and_the_parts(page):
    (sidebar,) = page.all("nav", "sidebar")
    assert [link.attributes["href"] for link in sidebar.all("a")] == ["#top", "#in-short", "#bytes", "#rest"]


def test_no_drawing_of_the_terminal_is_left_on_the_page(real):
    """Its bars and dots mean nothing where bars and lines are drawn; dots in columns of octets as text are meant."""
    page = check_page(real.read_text("utf-8"))
    told = [it.text for tag in ("p", "td", "th", "li", "figcaption") for it in page.all(tag) if not it.classes]
    assert len(told) > 100
    assert not [words for words in told if set(words) & set("█▏│─·●┌└")]


def test_the_rows_of_a_timeline_are_in_the_order_of_the_requests(real):
    page = check_page(real.read_text("utf-8"))
    drawn = [[it.text for it in plot.all("text", "label")] for plot in page.all("figure", "plot-of")]
    rows = [[label for label in labels if label.startswith("request ")] for labels in drawn]
    numbers = [[int(label.split()[1].rstrip(",")) for label in labels] for labels in rows if labels]
    assert numbers == [[*range(1, 9)]] * 3


def test_the_answer_stands_at_the_top_and_leads_to_the_parts(page):
    first = next(next(page.all("main")).all("section"))
    assert next(first.all("h2")).text == "The answer"
    assert [(it.text, it.attributes["href"]) for it in first.all("a")] == [("bytes", "#bytes")]
    assert "the answer" not in arrange(TOUR).names


def test_conversations_in_two_protocols_are_aligned_in_time():
    (beside,) = (item for item in arrange(TOUR).parts[0].items if isinstance(item, Beside))
    assert [it.title for it in beside.sections] == ["HTTP", "ZMTP"]
    assert beside.rows == [[1, 3], [1, 2, 3]]


def test_every_span_of_every_conversation_is_shown_once(page):
    shown = [next(it.all(style="value")).text for it in page.all("div", "span")]
    assert shown == [it.value for block in (HTTP, ZMTP, HTTP) for it in block.spans]


def test_a_conversation_without_a_counterpart_stands_alone():
    neighbours = [Heading("a", "?"), ZMTP, Claim("so", True), ZMTP, HTTP]
    items = arrange(neighbours).parts[0].items
    assert [(isinstance(it, Beside), len(it.sections)) for it in items] == [(False, 1), (True, 2)]


def test_a_failed_claim_is_shown_at_top_at_its_place_and_at_end(page):
    """A claim that did not come true is named three times: at the top, where it was made, and at the end."""
    (top,) = page.all("p", "sum")
    assert top.text == "✗ 1 of 4 claims did not come true. Which"
    assert [it.text for it in page.all("li", "broken")] == ["✗ Not true: the earth is flat", "✗ the earth is flat"]


def test_a_tour_without_an_end_says_nothing_of_it():
    assert not list(check_page(tour_page(TOUR[:-1])).all(style="sum"))


# ------------------------------------------------------------------------------------------------------------- plots


def test_bars_are_as_long_as_what_they_measure(page):
    assert [it.attributes["width"] for it in page.all("rect", "bar")] == ["100.0%", "5.0%"]


def test_bars_of_nothing_at_all_can_be_drawn():
    assert 'width="0.0%"' in draw_bars(Bars("Lost", "", (Bar("a", 0.0, "0"),)))


def test_a_timeline_is_to_scale(page):
    stretches = [(it.classes[1], it.attributes["x"], it.attributes["width"]) for it in page.all("rect", "stretch")]
    assert stretches == [
        ("wait", "0.0%", "25.0%"),
        ("work", "25.0%", "75.0%"),
        ("open", "0.0%", "50.0%"),
        ("gone", "50.0%", "25.0%"),
        ("mark", "87.5%", "0.5%"),
    ]
    ticks = re.findall(r'<text class="small \w+" x="([\d.]+)%" y="\d+">(\d+ ms)', str(draw_timeline(TIMELINE)))
    assert ticks == [("0.0", "0 ms"), ("25.0", "100 ms"), ("50.0", "200 ms"), ("75.0", "300 ms"), ("100.0", "400 ms")]


def test_a_timeline_is_told_in_words_as_well(page):
    (told,) = page.all("details", "in-words")
    assert [it.text for it in told.all("li")] == [
        "<one>: it waits from 0 ms to 100 ms; it is <done>, it works from 100 ms to 400 ms.",
        "two: there is one from 0 ms to 200 ms; it is dead from 200 ms to 300 ms; there, now at 350 ms.",
    ]


# --------------------------------------------------------------------------------------------------- the command line


async def claims_the_truth(stage) -> None:
    stage.claim("the truth", True)


async def claims_a_falsehood(stage) -> None:
    stage.claim("a falsehood", False)


def parts_of(run) -> tuple[Part]:
    return (Part("one", "What is so?", "minizmtp/wire/greeting.py", run),)


@pytest.mark.parametrize(("run", "code"), [(claims_the_truth, 0), (claims_a_falsehood, 1)])
def test_the_page_and_the_terminal_report_the_same_claims(run, code, tmp_path, capsys):
    path = tmp_path / "tour.html"
    assert main(["--html", str(path)], parts_of(run)) == code
    page = check_page(path.read_text("utf-8"))
    claim = next(next(page.all("ul", "claims")).all("li")).text
    printed = capsys.readouterr().out
    assert claim.split(": ")[1] in printed
    assert printed.endswith(f"\nThe page is in {path}: open it in a browser.\n")


def test_a_page_that_cannot_be_written_fails_before_the_tour(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "nowhere" / "tour.html"):
        with pytest.raises(SystemExit) as ended:
            main(["--html", str(path)], parts_of(claims_the_truth))
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert (printed.out, str(path) in printed.err) == ("", True)


@pytest.mark.parametrize("missing", ["jinja2", "svg"])
def test_without_its_libraries_only_the_page_is_unavailable(missing, tmp_path):
    """The option says what to install, and all else goes on."""
    result = run_here(
        f"sys.modules['{missing}'] = None; from minizmtp.demo.__main__ import main; main(['--list'])",
        "--html",
        str(tmp_path / "tour.html"),
    )
    assert result.returncode == 2
    assert result.stdout.startswith("bytes ")
    assert f"--html needs Jinja2 and svg.py, and {missing} is not here: pip install 'minizmtp[html]'" in result.stderr


# ------------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def awkward(tmp_path_factory) -> Path:
    """The page of every kind of block; all is open."""
    path = tmp_path_factory.mktemp("pages") / "awkward.html"
    path.write_text(with_all_open(tour_page(TOUR)), "utf-8")
    return path


@pytest.fixture(scope="module")
def real(toured) -> Path:
    """The page of the tour itself."""
    return toured.page


@pytest.fixture(params=["awkward", "real"])
def file(request) -> Path:
    return request.getfixturevalue(request.param)


def test_the_tour_is_a_page_of_no_great_weight(real):
    page = check_page(real.read_text("utf-8"))
    assert len(list(page.all("div", "span"))) > 50
    assert real.stat().st_size < 1_000_000


def test_it_opens_from_a_file_and_asks_for_nothing_else(browser, file):
    browser.open(file)
    assert browser.requests() == [file.as_uri()]
    assert browser.console() == []


@pytest.mark.parametrize("width", [1280, 1024, 768, 375])
def test_nothing_sticks_out_at_the_side(browser, file, width):
    browser.open(file, width=width)
    there, needed = browser.ask("const it = document.documentElement; return [it.clientWidth, it.scrollWidth]")
    assert needed == there


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_what_is_behind_it(browser, file, dark):
    browser.open(file, dark=dark)
    assert [words for contrast, words in browser.ask(CONTRASTS) if contrast < 4.5] == []


def test_every_explanation_is_on_paper_without_scripts(browser, file):
    with browser.without_script():
        browser.open(file, printed=True)
        seen = browser.ask("return [...document.querySelectorAll('.span > dd')].map(it => it.checkVisibility())")
    assert seen
    assert all(seen)


def test_every_explanation_is_reached_with_the_tab_key(browser, awkward, page):
    browser.open(awkward)
    stops = browser.tab_through()
    assert sum("<summary>" in it for it in stops) == len(list(page.all("details")))
    assert sum('class="source"' in it for it in stops) == len(list(page.all("a", "source")))


def test_a_screen_reader_reads_one_conversation_at_a_time(browser, awkward):
    browser.open(awkward)
    spoken = browser.spoken()
    places = [spoken.index(it.value) for block in (HTTP, ZMTP) for it in block.spans]
    assert places == sorted(places)
    assert "Round trip. HTTP: 740 µs; <inproc>: 37 µs." in spoken


def test_on_a_wide_screen_the_two_columns_keep_one_time(browser, awkward):
    """Records of one row stand at one height, whatever is above them."""
    where = """return [...document.querySelectorAll('.beside .record')].map(it => {
        const {left, top} = it.getBoundingClientRect();
        return [it.style.getPropertyValue('--row'), left, top];
    })"""
    browser.open(awkward, width=1280)
    (http_first, http_last), (zmtp_first, _, zmtp_last) = (lambda it: (it[:2], it[2:]))(browser.ask(where))
    assert http_first[0] == zmtp_first[0]
    assert http_first[1] < zmtp_first[1]
    assert http_first[2] == zmtp_first[2]
    assert http_last[2] == zmtp_last[2] > http_first[2]
    bottoms = "return [...document.querySelectorAll('.beside .ends')].map(it => it.getBoundingClientRect().bottom)"
    assert http_first[2] >= max(browser.ask(bottoms)), "below the names of the two ends"
    browser.open(awkward, width=375)
    assert len({left for _, left, _ in browser.ask(where)}) == 1
