"""Blocks: the output of the tour, as plain data.

    >>> said = [Title("Who got what"), Claim("each got what it asked for", True), Bar("HTTP", 1.5, "1.5 ms", "http")]
    >>> said[1].came_true, said[2].protocol
    (True, 'http')

A part of the tour doesn't draw. It emits blocks, and an output module decides how to show them: `terminal` as text,
80 columns wide, `page` with colours and plots. So a block holds more than the terminal has room for (the seconds of a
timeline, the value of a bar, every octet of a conversation), and nothing about its appearance.

    Heading                       a part begins          Table  Lines  Listings   rows; a drawing; program text
    Title  Paragraph  Lesson      text                   Conversation             what two ends sent, octet by octet
    Claim                         a sentence, and        Timeline                 lanes with a common time axis
                                  whether it is true     Bars                     measured numbers, to compare
                                                         Ending                   the summary

`protocol` is "http", "zmtp", or "" where it is neither or both. All times are seconds; in a Conversation they are the
recording's clock, in a Timeline they count from its left edge.

Read next: `terminal`.
"""

from typing import NamedTuple, TypeAlias

from ..trace import Span


class Heading(NamedTuple):
    """The beginning of a part. name: as on the command line. question: what the part answers."""

    name: str
    question: str


class Title(NamedTuple):
    """The beginning of a section of a part."""

    words: str


class Paragraph(NamedTuple):
    """A paragraph, without line breaks."""

    words: str


class Lesson(NamedTuple):
    """The conclusion of a part."""

    words: str


class Claim(NamedTuple):
    """A sentence, and whether it was true when it was checked just then."""

    words: str
    came_true: bool


class Column(NamedTuple):
    """is_number: its cells are numbers, to be aligned to the right."""

    name: str
    is_number: bool = False


class Table(NamedTuple):
    """Each row has a cell for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


class Lines(NamedTuple):
    """A drawing made of text: each line is shown as it is."""

    lines: tuple[str, ...]


class Listing(NamedTuple):
    """Program text (Python) that has just been run."""

    title: str
    text: str
    protocol: str = ""


class Listings(NamedTuple):
    """Programs that do the same, to be read side by side."""

    listings: tuple[Listing, ...]


class Conversation(NamedTuple):
    """Everything that crossed one connection, in both directions, in order.

    Spans with the same `write` came together; the first one has the smallest `at`.
    """

    title: str
    protocol: str
    spans: tuple[Span, ...]


class Stretch(NamedTuple):
    """An event on a lane, from start to end; if these are equal, it is a moment. kind: a key of the timeline's legend.
    label: a word or two about it; may be empty."""

    start: float
    end: float
    kind: str
    label: str = ""


class Lane(NamedTuple):
    """label: the program or request. stretches: ordered by their start; later ones are drawn over earlier ones."""

    label: str
    stretches: tuple[Stretch, ...]


class Timeline(NamedTuple):
    """seconds: the time from the left edge to the right. legend: each kind of stretch, and its meaning.

    Kinds: "wait", "work", "open" (connected), "gone" (the peer is absent), "mark" (a moment).
    """

    title: str
    protocol: str
    seconds: float
    lanes: tuple[Lane, ...]
    legend: dict[str, str]


class Bar(NamedTuple):
    """words: the value as it is shown, with its unit."""

    label: str
    value: float
    words: str
    protocol: str = ""


class Bars(NamedTuple):
    """Values of one unit, to compare. less_is_better: as with times."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    less_is_better: bool = True


class Ending(NamedTuple):
    """claims: the number of claims. broken: those that did not come true. seconds: the duration of the tour."""

    claims: int
    broken: tuple[str, ...]
    seconds: float
    read_next: str


Block: TypeAlias = (
    Heading | Title | Paragraph | Lesson | Claim | Table | Lines | Listings | Conversation | Timeline | Bars | Ending
)
