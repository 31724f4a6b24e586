"""The tour as a page: the same blocks that the terminal shows, with colours, plots and columns.

    blocks                                     page
    Heading                                    a part, with an entry in the contents
      Title Paragraph Conversation Claim   ┐   HTTP and ZMTP beside each other, with one time for both
      Title Paragraph Conversation Claim   ┘
      Timeline Timeline Timeline               figures in a row
      Claim Claim                              a list

    >>> from .blocks import Claim, Heading, Paragraph
    >>> hello = [Paragraph("Hello."), Heading("bytes", "What?"), Claim("one is one", True), Claim("two is two", True)]
    >>> (part,) = arrange(hello).parts
    >>> part.heading.name, [(piece.kind, len(piece.blocks)) for piece in part.items[0].sections[0].after]
    ('bytes', [('Claim', 2)])

This module decides where things go; the templates decide how they look.

Read next: `__main__`.
"""

import platform
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from importlib.metadata import version
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

from .. import __version__
from ..html.conversation import Conversation, legend, rows
from ..html.page import Entry, environment
from ..trace.records import Record
from . import blocks as said
from .answer import QUESTION
from .blocks import Block, Ending, Heading, Lesson, Title
from .plots import draw_bars, draw_timeline


class Piece(NamedTuple):
    """Consecutive blocks of one kind."""

    kind: str
    blocks: tuple[Block, ...]


class Section(NamedTuple):
    """A title and the blocks below it, up to the next. It has at most one conversation, which is then its topic."""

    title: str
    before: list[Piece]
    conversation: Conversation | None
    after: list[Piece]

    @property
    def protocol(self) -> str:
        """The conversation's; "" if there is none."""
        return self.conversation.protocol if self.conversation else ""


class Beside(NamedTuple):
    """Two sections about conversations in the two protocols. lanes: the records of each. rows: the row of each."""

    sections: tuple[Section, Section]
    lanes: list[list[Record]]
    rows: list[list[int]]


class Flow(NamedTuple):
    """Sections, one below another."""

    sections: tuple[Section, ...]


class Part(NamedTuple):
    """One part of the tour. answer: the first sentence of its lesson, for the contents; "" if there is none."""

    heading: Heading
    answer: str
    items: list[Flow | Beside]


class Page(NamedTuple):
    """The whole tour. answer: the answer to its question, for the top of the page; None if the tour doesn't give it.
    ending: None if it was not reached."""

    opening: list[Piece]
    answer: Part | None
    parts: list[Part]
    ending: Ending | None

    @property
    def names(self) -> list[str]:
        """The parts that can be linked to."""
        return [part.heading.name for part in self.parts]

    @property
    def entries(self) -> list[Entry]:
        """The list of contents that stays in sight."""
        answer = [Entry("in-short", "the answer", "in short")] if self.answer else []
        return answer + [Entry(it.heading.name, it.heading.name, it.heading.question) for it in self.parts]

    @property
    def conversations(self) -> list[Conversation]:
        """All of them, in order."""
        sections = (section for part in self.parts for item in part.items for section in item.sections)
        return [section.conversation for section in sections if section.conversation]


def tour_page(blocks: Sequence[Block]) -> str:
    """The text of the page."""
    made = environment("minizmtp.demo", "minizmtp.html")
    page = arrange(blocks)
    made.globals |= {"draw_bars": draw_bars, "draw_timeline": draw_timeline}
    made.filters["marked"] = partial(marked, names=page.names)
    return made.get_template("tour.html").render(
        title=QUESTION, page=page, kinds=legend(page.conversations), today=date.today(), programs=programs()
    )


def marked(words: str, names: Collection[str] = ()) -> Markup:
    """Text as HTML, with `words in backticks` as code, or as a link to the part with that name.

    >>> print(marked("a < b, `waiting` and `req_relaxed`", {"waiting"}))
    a &lt; b, <a href="#waiting">waiting</a> and <code>req_relaxed</code>
    """
    pieces = words.split("`")
    for place, piece in enumerate(pieces):
        form = "{}" if place % 2 == 0 else '<a href="#{0}">{0}</a>' if piece in names else "<code>{}</code>"
        pieces[place] = Markup(form).format(piece)
    return Markup("").join(pieces)


def programs() -> str:
    """The versions that the tour was run with, because its numbers mean little without them."""
    ours = ", ".join([f"minizmtp {__version__}", *(f"{name} {version(name)}" for name in ("trio", "h11"))])
    return f"{platform.python_implementation()} {platform.python_version()}, {ours}, on {platform.system()}"


# ------------------------------------------------------------------------------------------------------------- places


def arrange(blocks: Sequence[Block]) -> Page:
    """Arrange all blocks."""
    ending = next((block for block in blocks if isinstance(block, Ending)), None)
    opening, *others = split(Heading, [block for block in blocks if block is not ending])
    parts = [part_of(blocks) for blocks in others]
    answer = next((part for part in parts if part.heading.question == QUESTION), None)
    return Page(list(pieces(opening)), answer, [part for part in parts if part is not answer], ending)


def part_of(blocks: Sequence[Block]) -> Part:
    """One part, from its heading on."""
    heading, *rest = blocks
    assert isinstance(heading, Heading)
    return Part(heading, answer_in(rest), list(flowing(beside([section_of(it) for it in sections(rest)]))))


def answer_in(blocks: Sequence[Block]) -> str:
    """The conclusion of a part, in one sentence.

    >>> answer_in([Lesson("It is so. There is more to it."), Lesson("And this.")])
    'It is so.'
    """
    lesson = next((block.words for block in blocks if isinstance(block, Lesson)), "")
    return lesson.split(". ")[0].rstrip(".") + "." if lesson else ""


def sections(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    """Cut at each title, and before each second conversation."""
    for below in split(Title, blocks):
        first, *more = split(said.Conversation, below)
        if more:
            first += more.pop(0)
        yield from (it for it in (first, *more) if it)


def section_of(blocks: Sequence[Block]) -> Section:
    """A section, from its title on if it has one. Blocks after its conversation are kept separately."""
    title = blocks[0].words if isinstance(blocks[0], Title) else ""
    rest = blocks[1:] if title else blocks
    for place, block in enumerate(rest):
        if isinstance(block, said.Conversation):
            conversation = Conversation(block.title, block.protocol, block.spans)
            return Section(title, list(pieces(rest[:place])), conversation, list(pieces(rest[place + 1 :])))
    return Section(title, [], None, list(pieces(rest)))


def beside(sections: Sequence[Section]) -> Iterator[Section | Beside]:
    """Join neighbouring sections that have conversations in the two protocols."""
    waiting: Section | None = None
    for section in sections:
        if waiting and {waiting.protocol, section.protocol} == {"http", "zmtp"}:
            yield joined(waiting, section)
            waiting = None
            continue
        if waiting:
            yield waiting
        waiting = section
    if waiting:
        yield waiting


def joined(left: Section, right: Section) -> Beside:
    """Two sections with their records in common rows."""
    lanes = [it.conversation.records for it in (left, right) if it.conversation]
    return Beside((left, right), lanes, rows(lanes))


def flowing(items: Iterable[Section | Beside]) -> Iterator[Flow | Beside]:
    """Join consecutive sections into one flow."""
    for is_flow, group in groupby(items, key=lambda item: isinstance(item, Section)):
        if is_flow:
            yield Flow(tuple(item for item in group if isinstance(item, Section)))
        else:
            yield from (item for item in group if isinstance(item, Beside))


def pieces(blocks: Iterable[Block]) -> Iterator[Piece]:
    """Join neighbouring blocks of one kind into one piece."""
    for kind, group in groupby(blocks, key=lambda block: type(block).__name__):
        yield Piece(kind, tuple(group))


def split(kind: type[Block], blocks: Sequence[Block]) -> list[list[Block]]:
    """Cut before each block of this kind; the first list has what is before the first of them.

    >>> split(Title, [Title("a"), Title("b")])
    [[], [Title(words='a')], [Title(words='b')]]
    """
    found: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, kind):
            found.append([])
        found[-1].append(block)
    return found
