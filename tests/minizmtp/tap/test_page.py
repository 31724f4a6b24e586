"""The page holds what was said, as text, and loads nothing."""

import io
from html.parser import HTMLParser

import pytest

from minizmtp.endpoints import Tcp
from minizmtp.tap.conversation import Conversation
from minizmtp.tap.ear import Wishes
from minizmtp.tap.page import write_html
from minizmtp.tap.watch import Tap
from minizmtp.trace import Side
from tests.minizmtp.helpers import GREETING, frame, ready

pytest.importorskip("jinja2")

EVIL = b"<script src=http://evil.example></script>"


class Reader(HTMLParser):
    """What stands in the cells of a page, and which elements there are."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: dict[str, list[str]] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._cell: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "td":
            self._cell = dict(attrs).get("class") or "meaning"
            self.cells.setdefault(self._cell, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._cell:
            self.cells[self._cell][-1] += data


@pytest.fixture
def conversations() -> list[Conversation]:
    tap = Tap(Wishes(keep=1 << 20))
    for _ in range(2):
        number = tap.opened(Tcp("127.0.0.1", 50000), Tcp("127.0.0.1", 5555), 0.0)
        tap.passed(number, Side.CLIENT, GREETING + ready(b"PUSH") + frame(EVIL) + b"\0\x63cut off", 1.0)
        tap.passed(number, Side.SERVER, GREETING + ready(b"PUB"), 2.0)
        tap.ended(number, Side.CLIENT, "connection reset by peer", 3.0)
        tap.closed(number, 3.0)
    tap.catch_up()
    return tap.conversations


def read(conversations: list[Conversation]) -> Reader:
    file = io.StringIO()
    write_html(file, conversations)
    reader = Reader()
    reader.feed(file.getvalue())
    reader.close()
    return reader


def test_every_octet_is_on_the_page_with_its_name(conversations: list[Conversation]) -> None:
    page = read(conversations)
    spans = {side: [span for each in conversations for span in each.spans[side]] for side in Side}
    assert sorted(bytes.fromhex(cell) for cell in page.cells["hex"]) == sorted(
        span.octets for side in Side for span in spans[side]
    )
    for span in spans[Side.CLIENT]:
        assert any(f"{span.name}: {span.value}" in cell and span.source in cell for cell in page.cells["meaning"])
    assert "the client died: connection reset by peer" in page.words


def test_it_loads_nothing_and_runs_nothing_whatever_the_peers_said(conversations: list[Conversation]) -> None:
    page = read(conversations)
    assert EVIL.decode()[:8] in "".join(page.cells["text"])
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [attributes for _, attributes in page.elements if {"src", "href", "style", "onload"} & attributes.keys()]


def test_of_what_is_long_the_beginning_is_there_and_the_rest_counted() -> None:
    tap = Tap(Wishes(keep=1 << 20))
    number = tap.opened(None, None, 0.0)
    tap.passed(number, Side.CLIENT, GREETING + ready(b"PUSH") + frame(bytes(1000)), 1.0)
    tap.closed(number, 3.0)
    tap.catch_up()
    assert "… and 936 octets more" in read(tap.conversations).words


def test_what_is_not_kept_is_counted() -> None:
    tap = Tap(Wishes(keep=1))
    number = tap.opened(None, None, 0.0)
    tap.passed(number, Side.CLIENT, GREETING, 1.0)
    tap.passed(number, Side.CLIENT, ready(b"PUSH"), 1.0)
    tap.closed(number, 3.0)
    tap.catch_up()
    assert f"{len(ready(b'PUSH'))} octets more passed, and are not in this page" in read(tap.conversations).words
