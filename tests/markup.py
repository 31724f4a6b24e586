"""A strict HTML parser: every element must be closed, and only an open element may be closed."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "br", "hr", "img", "input", "base", "embed", "source", "wbr"}


class Element:
    """An element with its tag, its attributes, and its content: elements and text."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.inside: list[Element | str] = []

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        return " ".join("".join(it if isinstance(it, str) else f" {it.text} " for it in self.inside).split())

    def all(self, tag: str = "", style: str = "") -> Iterator["Element"]:
        """Every descendant with this tag and this class."""
        for it in self.inside:
            if isinstance(it, Element):
                if tag in ("", it.tag) and (not style or style in it.classes):
                    yield it
                yield from it.all(tag, style)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"an attribute is given twice: {self.get_starttag_text()}"
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes what is not open"

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(text: str) -> Element:
    """Parse a page."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    return reader.open[0]


def check_page(text: str) -> Element:
    """Check what must hold for each of our pages; return the parsed page."""
    page = read(text)
    (html,) = page.all("html")
    assert html.attributes["lang"] == "en"
    assert [it.text != "" for it in page.all("title")] == [True]
    for landmark in ("header", "main", "footer"):
        assert list(html.all(landmark)), landmark
    ids = [it.attributes["id"] for it in page.all() if "id" in it.attributes]
    assert len(ids) == len(set(ids))
    assert not [it for it in ids if it != "".join(it.split())]
    targets = {it.attributes["href"][1:] for it in page.all("a") if it.attributes["href"].startswith("#")}
    assert targets <= set(ids)
    skip = next(page.all("a"))
    assert (skip.attributes["href"], skip.text) == ("#main", "Skip to the content")
    check_it_loads_nothing(page)
    check_headings(page)
    return page


def check_it_loads_nothing(page: Element) -> None:
    """Only links may refer to another place, and no element may load or run anything."""
    assert not [it for it in page.all() if it.tag in ("script", "iframe", "img", "object", "embed", "base", "form")]
    assert not [it for it in page.all() if any(name.startswith("on") or name == "src" for name in it.attributes)]
    assert [it.attributes["href"] for it in page.all("link")] == ["data:,"]
    (style,) = page.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    (policy,) = (it.attributes["content"] for it in page.all("meta") if "http-equiv" in it.attributes)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")


def check_headings(page: Element) -> None:
    """There is one h1, and no level is skipped."""
    levels = [int(it.tag[1]) for it in page.all() if it.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def with_all_open(page: str) -> str:
    """The page with all its details opened."""
    return re.sub("<details(?! open)", "<details open", page)
