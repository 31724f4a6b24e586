"""Pages of conversations in a real browser: all can be read and reached, and nothing is fetched or run."""

import pytest

from minizmtp.html.conversation import KINDS, Conversation
from minizmtp.html.page import conversation_page
from minizmtp.trace import Side, Span
from minizmtp.trace.records import every
from tests.browser import CONTRASTS
from tests.markup import with_all_open

RFC = '37/ZMTP 3.1, "Authentication and Confidentiality"'


def conversation(count: int) -> Conversation:
    """As many records, of every kind, with words that are long and words that are very long."""
    kinds = [*KINDS]
    spans = []
    for number in range(count):
        side = Side.CLIENT if number % 2 else Side.SERVER
        value = f"value-{number} " + ("w" * 200 if number == 3 else "in some words")
        flags = Span(side, 60 * number, b"\0", "flags", "a message", RFC, "framing", number / 100, number)
        made = flags._replace(
            offset=60 * number + 1,
            octets=bytes(range(50)),
            name=f"name-{number}",
            value=value,
            kind=kinds[number % len(kinds)],
        )
        if number == 2:  # the name of a command is for the peer to choose
            made = made._replace(name="command", value="C" * 255)
        inside = (made._replace(name=f"inner-{number}", octets=b"inside"),) if number % 5 == 0 else ()
        spans += [flags, made._replace(inside=inside, wrong=number == 7)]
    return Conversation(
        "A conversation with-a-title-that-is-one-very-long-word-and-does-not-end", "zmtp", spans, "A note."
    )


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A page of one conversation, whose records a reader has opened."""
    path = tmp_path_factory.mktemp("pages") / "few.html"
    page = conversation_page("A few records", [conversation(12)])
    path.write_text(with_all_open(page), "utf-8")
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A page of several conversations, as it is made: all is closed."""
    path = tmp_path_factory.mktemp("pages") / "many.html"
    path.write_text(conversation_page("Many records", [conversation(25), conversation(5)]), "utf-8")
    return path


def test_a_page_fetches_nothing_and_has_no_errors(browser, few):
    browser.open(few)
    assert browser.requests() == [few.as_uri()]
    assert browser.console() == []


def test_the_browser_reports_every_fetch_and_every_error(browser, tmp_path):
    """So that the test before this one can fail."""
    path = tmp_path / "bad.html"
    path.write_text('<title>bad</title><link rel=stylesheet href="missing.css"><script>throw Error("oh")</script>')
    browser.open(path)
    assert browser.requests() == [path.as_uri(), (tmp_path / "missing.css").as_uri()]
    assert len(browser.console()) == 2


def test_a_script_that_got_into_the_page_would_not_run(browser, few, tmp_path):
    path = tmp_path / "injected.html"
    path.write_text(few.read_text("utf-8").replace("<h1>", "<script>document.title = 'mine'</script><h1>"), "utf-8")
    browser.open(path)
    assert browser.ask("return document.title") == "A few records"
    assert "Content Security Policy" in browser.console()[0]


@pytest.mark.parametrize("width", [1280, 768, 375, 320])
def test_nothing_sticks_out_at_the_side(browser, few, width):
    browser.open(few, width=width)
    there, needed = browser.ask("const it = document.documentElement; return [it.clientWidth, it.scrollWidth]")
    assert needed == there


def test_a_screen_reader_reads_every_explanation_without_scripts(browser, few):
    with browser.without_script():
        browser.open(few)
        spoken = browser.spoken()
    for it in conversation(12).spans:
        assert it.name in spoken
        assert it.value in spoken
        assert all(inner.name in spoken for inner in it.inside)
    places = [spoken.index(it.value) for it in conversation(12).spans if it.name != "flags"]
    assert places == sorted(places)


@pytest.mark.slow
def test_every_explanation_is_reached_with_the_tab_key(browser, few):
    browser.open(few)
    stops = browser.tab_through()
    spans = conversation(12).spans
    assert sum("<summary>" in stop for stop in stops) == few.read_text("utf-8").count("<details")
    assert sum('class="source"' in stop for stop in stops) == sum(1 for span in spans for _ in every(span))


def test_folded_parts_open_by_keyboard_without_scripts(browser, many):
    visible = "return [...document.querySelectorAll('.span > dd')].filter(it => it.checkVisibility()).length"
    with browser.without_script():
        browser.open(many)
        for summary in (".conversation", ".record"):
            assert browser.ask(visible) == 0
            browser.ask(f"document.querySelector('{summary} summary').focus()")
            browser.press("\ue007")  # Enter
        assert browser.ask(visible) == 3  # the first record has two spans, one with another inside


def test_a_link_in_the_contents_opens_its_conversation(browser, many):
    is_open = "return [...document.querySelectorAll('.conversation > details')].map(it => it.open)"
    with browser.without_script():
        browser.open(many)
        assert browser.ask(is_open) == [False, False]
        browser.ask("document.querySelector('.sidebar a[href=\"#c2\"]').focus()")
        browser.press("\ue007")  # Enter
        assert browser.ask(is_open) == [False, True]


@pytest.mark.parametrize("width", [1280, 375])
def test_the_contents_stay_in_sight(browser, many, width):
    browser.open(many, width=width)
    browser.ask("document.querySelectorAll('details').forEach(it => it.open = true); window.scrollTo(0, 3000)")
    assert browser.ask("return window.scrollY") == 3000
    assert browser.ask("return document.querySelector('.sidebar').getBoundingClientRect().top") == 0


def test_a_field_and_its_octets_light_up_together(browser, few):
    """Without a script; here by the focus, and by the mouse or a tap in the same way."""
    lit = """return [...document.querySelectorAll('.record .octet, .record .span')]
        .filter(it => getComputedStyle(it).outlineStyle !== 'none').map(it => it.className.split(' ')[1])"""
    with browser.without_script():
        browser.open(few)
        before = browser.ask(lit)
        browser.ask("document.querySelector('.record .span.n2 a.source').focus()")
        assert sorted(browser.ask(lit)) == sorted([*before, "n2", "hue-greeting"])


def test_on_paper_a_page_explains_each_field_once(browser, many):
    reasons = (
        "return [...document.querySelectorAll('.reason')].filter(it => it.checkVisibility()).map(it => it.textContent)"
    )
    browser.open(many, printed=True)
    on_paper = browser.ask(reasons)
    assert len(on_paper) == len(set(on_paper)) > 0
    assert not browser.ask("return document.querySelector('.sidebar').checkVisibility()")


def test_what_is_folded_is_there_on_paper(browser, many):
    browser.open(many, printed=True)
    hidden = "return [...document.querySelectorAll('.span > dd')].filter(it => !it.checkVisibility()).length"
    assert browser.ask(hidden) == 0
    assert browser.pdf().startswith(b"%PDF")


@pytest.mark.parametrize(("dark", "printed"), [(False, False), (True, False), (True, True)])
def test_all_text_stands_out_from_what_is_behind_it(browser, few, dark, printed):
    """4.5 to 1, as WCAG's level AA has it for text of this size."""
    browser.open(few, dark=dark, printed=printed)
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) > 100
    assert [words for contrast, words in contrasts if contrast < 4.5] == []


def test_there_are_two_schemes_and_paper_is_always_light(browser, few):
    colours = []
    for dark, printed in [(False, False), (True, False), (True, True)]:
        browser.open(few, dark=dark, printed=printed)
        background = browser.ask("return getComputedStyle(document.documentElement).backgroundColor")
        colours.append(sum(int(it) for it in background[4:-1].split(",")) // 3)
    light, dark, paper = colours
    assert light > 240
    assert dark < 40
    assert paper == 255
