"""The recorded conversations as a page."""

import subprocess
import sys

import pytest

from minizmtp.html.__main__ import STORIES, TITLE, main, story_as_conversation
from minizmtp.trace import Side
from minizmtp.trace.records import every
from minizmtp.trace.story import load, names
from tests.browser import CONTRASTS
from tests.markup import check_page


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "zmtp.html"
    assert main([str(path)]) == 0
    return path


def test_every_story_is_told():
    assert sorted(STORIES) == names()


def test_the_command_says_where_the_page_is(tmp_path, capsys):
    path = tmp_path / "zmtp.html"
    assert main([str(path), "reqrep"]) == 0
    assert capsys.readouterr().out == f"The page is in {path}: open it in a browser.\n"


def test_a_page_that_cannot_be_written_is_an_error_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "nowhere" / "zmtp.html"), "reqrep"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("zmtp.html: No such file or directory\n")


@pytest.mark.parametrize(("missing", "needs"), [("jinja2", "jinja2"), ("svg", "svg")])
@pytest.mark.slow
def test_without_its_libraries_the_command_says_what_to_do(missing, needs):
    program = (
        f"import sys, runpy; sys.modules['{missing}'] = None; runpy.run_module('minizmtp.html', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (2, f"minizmtp.html needs {needs}: pip install 'minizmtp[html]'\n")


def test_without_pynacl_the_page_says_why_boxes_stay_closed(monkeypatch):
    monkeypatch.setattr("minizmtp.html.__main__.find_spec", lambda name: None)
    assert "PyNaCl is not installed" in story_as_conversation("curve").note
    assert "pip install 'minizmtp[curve]'" in story_as_conversation("curve").note
    assert "PyNaCl" not in story_as_conversation("reqrep").note
    assert not [span for span in story_as_conversation("curve").spans if span.inside]


@pytest.mark.slow
def test_every_record_of_a_story_says_what_happens_and_why(file):
    page = check_page(file.read_text("utf-8"))
    for section in page.all("section", "conversation"):
        for record in section.all("li", "record"):
            assert next(record.all("p", "what")).text, next(record.all("summary")).text


@pytest.mark.slow
def test_every_span_is_there_and_what_was_in_the_boxes_as_well(file):
    page = check_page(file.read_text("utf-8"))
    assert [it.text for it in page.all("h1")] == [TITLE]
    assert [it.text for it in page.all("h2")] == [load(name).title for name in STORIES]
    for name, section in zip(STORIES, page.all("section", "conversation"), strict=True):
        trace = load(name).trace()
        told = [inner for side in Side for span in trace.spans(side) for inner in every(span)]
        shown = [next(it.all(style="value")).text for it in section.all("div", "span")]
        assert sorted(shown) == sorted(" ".join(it.value.split()) for it in told)
    assert "world" in [it.text.removeprefix("as text: ") for it in section.all("code", "text")]


def test_some_can_be_chosen_and_what_there_is_not_is_refused(tmp_path, capsys):
    path = tmp_path / "some.html"
    assert main([str(path), "plain", "refused"]) == 0
    titles = [it.text for it in check_page(path.read_text("utf-8")).all("h2")]
    assert titles == [load("plain").title, load("refused").title]
    with pytest.raises(SystemExit) as ended:
        main([str(path), "fairy-tale"])
    assert ended.value.code == 2
    assert "there is no story fairy-tale; there are reqrep" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_read_with_ease_on_any_screen(browser, file, width, dark):
    browser.open(file, width=width, dark=dark)
    there, needed = browser.ask("const it = document.documentElement; return [it.clientWidth, it.scrollWidth]")
    assert needed == there
    assert [words for contrast, words in browser.ask(CONTRASTS) if contrast < 4.5] == []
    assert browser.requests() == [file.as_uri()]
    assert browser.console() == []
