"""Blocks: all that the tour says, as plain data.

    >>> said = [Title("Who got what"), Claim("each got what it asked for", True), Bar("HTTP", 1.5, "1.5 ms", "http")]
    >>> said[1].came_true, said[2].protocol
    (True, 'http')

A part of the tour does not draw. It says a block, and whoever shows it decides how: `terminal` in 80 columns of text, a
page with colours, plots and columns of its own. So a block carries more than the terminal has room for (a timeline its
seconds, a bar its value, a conversation every octet), and nothing of how it looks.

    Heading                       a part begins          Table  Lines  Listings   rows; a drawing; program text
    Title  Paragraph  Lesson      words                  Conversation             what two ends said, octet by octet
    Claim                         words, and whether     Timeline                 lanes, on which time runs
                                  they came true         Bars                     measured numbers, to compare
                                                         Ending                   the sum of it

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
    """The beginning of something inside a part."""

    words: str


class Paragraph(NamedTuple):
    """Words, without line breaks."""

    words: str


class Lesson(NamedTuple):
    """What to remember of a part."""

    words: str


class Claim(NamedTuple):
    """A sentence that was checked when it was said, and what came of it."""

    words: str
    came_true: bool


class Column(NamedTuple):
    """is_number: its cells are figures, to be set to the right."""

    name: str
    is_number: bool = False


class Table(NamedTuple):
    """Each row has a cell for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


class Lines(NamedTuple):
    """A drawing made of letters: each line as it is."""

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
    """Everything that crossed one connection, both directions, in the order in which it was said.

    Spans with the same `write` came together; what came first has the smallest `at`.
    """

    title: str
    protocol: str
    spans: tuple[Span, ...]


class Stretch(NamedTuple):
    """What happened on a lane from start to end; where these are equal it is a moment. kind: a key of the timeline's
    legend. label: what happened, in a word or two; may be empty."""

    start: float
    end: float
    kind: str
    label: str = ""


class Lane(NamedTuple):
    """label: who. Stretches are in the order of their start; a later one is drawn over an earlier one."""

    label: str
    stretches: tuple[Stretch, ...]


class Timeline(NamedTuple):
    """seconds: how long the whole is, from left to right. legend: each kind of stretch, and what it means.

    Kinds: "wait", "work", "open" (a connection is there), "gone" (somebody is not), "mark" (a moment).
    """

    title: str
    protocol: str
    seconds: float
    lanes: tuple[Lane, ...]
    legend: dict[str, str]


class Bar(NamedTuple):
    """words: the value as a reader wants it, with its unit."""

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
    """claims: how many were made. broken: those that did not come true. seconds: how long all of it took."""

    claims: int
    broken: tuple[str, ...]
    seconds: float
    read_next: str


Block: TypeAlias = (
    Heading | Title | Paragraph | Lesson | Claim | Table | Lines | Listings | Conversation | Timeline | Bars | Ending
)
