"""The terminal: blocks as text, 80 columns wide everywhere.

    >>> import io
    >>> from .blocks import Claim, Paragraph
    >>> terminal = Terminal(io.StringIO())
    >>> for block in (Paragraph("HTTP asks, and waits."), Claim("one is one", True), Claim("one is two", False)):
    ...     terminal.show(block)
    >>> print(terminal.file.getvalue(), end="")
    HTTP asks, and waits.
    <BLANKLINE>
      ✓ one is one
      ✗ NOT TRUE: one is two

Colours are only for terminals; a file, a pipe or NO_COLOR gets the same words as plain text. Progress is also only for
terminals: it is overwritten when its work is done, and never written to a pipe.

Read next: `stage`.
"""

import os
from itertools import groupby
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table as Grid
from rich.text import Text

from ..tap.show import as_text, is_plain, short
from ..trace import Span
from .blocks import (
    Bar,
    Bars,
    Block,
    Claim,
    Conversation,
    Ending,
    Heading,
    Lane,
    Lesson,
    Lines,
    Listings,
    Paragraph,
    Table,
    Timeline,
    Title,
)

WIDTH = 80
INDENT = 2
BAR_WIDTH = 24
OCTETS_PER_LINE = 8
MEANING_WIDTH = 39  # the rest of a line after offset, hex and text
COLOURS = ("yellow", "green")
CELLS = {"wait": "·", "work": "█", "open": "─", "gone": " ", "mark": "│"}
NEWLINE = "\n"
INSIDE = "┊"  # instead of an offset: the octets that stand above, without their mask


class Terminal:
    """file: where to write.

    The reader may close the output early (a pipe into `head`). Then the terminal is deserted, and nothing more is
    written.
    """

    def __init__(self, file: TextIO) -> None:
        plain = is_plain(file, os.environ)
        self.file = file
        self.deserted = False
        self._before: Block | None = None
        # Tell rich whether this is a terminal, because it would decide by other rules (FORCE_COLOR and others).
        self._console = Console(
            file=file, width=WIDTH, force_terminal=not plain, no_color=plain, highlight=False, markup=False, emoji=False
        )
        self._progress = None if plain else progress_on(self._console)
        self._task = TaskID(0)

    def show(self, block: Block) -> None:
        """Write a block, without the spaces with which a grid pads its lines at the end."""
        if self.deserted:
            return
        self.rest()
        with self._console.capture() as capture:
            if self._before is not None and not belongs(self._before, block):
                self._console.print()
            self._console.print(draw(block))
        self._before = block
        try:
            for line in capture.get().splitlines():
                print(line.rstrip(), file=self.file)
            self.file.flush()
        except BrokenPipeError:
            self.deserted = True

    def doing(self, words: str, done: int, total: int) -> None:
        """Begin the next piece of work. done, total: the pieces of work done and in all; words: what this one is."""
        if self._progress is not None:
            self._progress.update(self._task, description=words, completed=done, total=total)

    def tick(self) -> None:
        """Show that work goes on although nothing was printed. (Rich itself would use a thread for that.)"""
        if self._progress is not None and not self.deserted:
            self._progress.start()
            self._progress.refresh()

    def rest(self) -> None:
        """Remove the progress line. The next tick shows it again."""
        if self._progress is not None:
            self._progress.stop()


def progress_on(console: Console) -> Progress:
    """A line that is overwritten: the current work, and the share of all work that is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(BAR_WIDTH), MofNCompleteColumn())
    progress = Progress(
        *columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    )
    progress.add_task("")
    return progress


def belongs(before: Block, block: Block) -> bool:
    """Whether the two stand without a blank line between them."""
    return isinstance(before, Title) or (isinstance(before, Claim) and isinstance(block, Claim))


def draw(block: Block) -> RenderableType:
    """Any block, for rich to print."""
    match block:
        case Heading(name, question):
            return Group(Text(f"── {name} ".ljust(WIDTH, "─"), "bold cyan"), Text(question, "bold"))
        case Title(words):
            return Text(words, "bold")
        case Paragraph(words):
            return Text(words)
        case Lesson(words):
            return point("→", words, "bold cyan")
        case Claim(words, came_true):
            return point("✓", words, "green") if came_true else point("✗", f"NOT TRUE: {words}", "bold red")
        case Table():
            return draw_table(block)
        case Lines(lines):
            return Text("\n".join(lines), no_wrap=True)
        case Listings():
            return draw_listings(block)
        case Conversation():
            return draw_conversation(block)
        case Timeline():
            return draw_timeline(block)
        case Bars():
            return draw_bars(block)
        case Ending():
            return draw_ending(block)


def point(mark: str, words: str, style: str) -> RenderableType:
    """A mark, and words indented beside it."""
    row = Grid.grid(padding=(0, 1, 0, 0))
    row.add_row(Text(mark, style=style), Text(words, style=style if mark == "✗" else ""))
    return indented(row)


def indented(thing: RenderableType) -> Padding:
    """Text set off from the paragraphs."""
    return Padding(thing, (0, 0, 0, INDENT))


def draw_table(table: Table) -> RenderableType:
    """A table with numbers aligned to the right, and words to the left."""
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in table.columns:
        grid.add_column(Text(column.name), justify="right" if column.is_number else "left")
    for row in table.rows:
        grid.add_row(*(Text(cell) for cell in row))
    return indented(grid)


def draw_listings(block: Listings) -> RenderableType:
    """Listings side by side if they fit, otherwise one below another."""
    texts = [Text.assemble((it.title, "bold"), "\n", it.text.rstrip(), no_wrap=True) for it in block.listings]
    if sum(max(map(len, text.plain.splitlines())) for text in texts) + 2 + 3 * (len(texts) - 1) > WIDTH:
        return indented(Text("\n\n", no_wrap=True).join(texts))
    grid = Grid.grid(padding=(0, 3, 0, 0))
    grid.add_row(*texts)
    return indented(grid)


# ------------------------------------------------------------------------------------------------------- every octet


def draw_conversation(block: Conversation) -> RenderableType:
    """A few rows for each write: the time, the direction, and the octets. A write that repeats what the other side has
    sent, as the second greeting does, is only named, because the reader has just seen its octets."""
    began = min(span.at for span in block.spans)
    parts: list[RenderableType] = []
    seen: set[bytes] = set()
    for _, group in groupby(block.spans, key=lambda span: span.write):
        spans = list(group)
        first = spans[0]
        when = f"{(first.at - began) * 1000:.0f} ms".rjust(6)
        size = sum(len(span.octets) for span in spans)
        words = f"{when}  {first.side.value} → {first.side.other.value}, {size} octets"
        octets = b"".join(span.octets for span in spans)
        shown = (
            Text(f"      the same octets as from the {first.side.other.value}") if octets in seen else draw_spans(spans)
        )
        parts += [Text(""), Text(words, style="bold magenta"), shown]
        seen.add(octets)
    return Group(*parts[1:])


def draw_spans(spans: list[Span]) -> Grid:
    """A row for each span, with as many lines as it needs, and for what is under a mask. The source is shown where it
    changes."""
    table = Grid.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", width=4, style="dim")
    table.add_column(width=3 * OCTETS_PER_LINE - 1)
    table.add_column(width=OCTETS_PER_LINE)
    table.add_column()
    source_before = ""
    for number, span in enumerate(spans):
        colour = COLOURS[number % len(COLOURS)]
        for it in (span, *span.inside):
            offsets, hexes, texts = [], [], []
            for start in range(0, len(it.octets), OCTETS_PER_LINE):
                piece = it.octets[start : start + OCTETS_PER_LINE]
                offsets.append(str(it.offset + start) if it is span else INSIDE)
                hexes.append(piece.hex(" "))
                texts.append(as_text(piece))
            meaning = Text.assemble((it.name, f"bold {colour}"), f": {it.value}")
            if it.source != source_before:
                source = f"[{short(it.source)}]"
                fits = len(meaning) + len(f" {source}") <= MEANING_WIDTH
                meaning.append(f"{' ' if fits else NEWLINE}{source}", "dim")
            source_before = it.source
            table.add_row("\n".join(offsets), Text("\n".join(hexes), colour), Text("\n".join(texts), colour), meaning)
    return table


# --------------------------------------------------------------------------------------------------- time and numbers


def draw_timeline(block: Timeline) -> RenderableType:
    """A row for each lane, all on one scale."""
    labels = max(len(lane.label) for lane in block.lanes)
    width = WIDTH - INDENT - labels - 2
    scale = f"0 ms{block.seconds * 1000:.0f} ms".replace("ms", "ms" + " " * (width - len(scale_ends(block.seconds))), 1)
    rows = [Text(block.title, "bold"), Text(" " * (INDENT + labels + 2) + scale, "dim")]
    for lane in block.lanes:
        row = cells(lane, block.seconds, width)
        rows.append(Text.assemble(" " * INDENT, lane.label.ljust(labels), "  ", (row, "green")))
    legend = "   ".join(f"{CELLS[kind]} {words}" for kind, words in block.legend.items() if CELLS[kind].strip())
    return Group(*rows, Text(" " * INDENT + legend, "dim"))


def scale_ends(seconds: float) -> str:
    """Both ends of a scale, without what is between them.

    >>> scale_ends(0.4)
    '0 ms400 ms'
    """
    return f"0 ms{seconds * 1000:.0f} ms"


def cells(lane: Lane, seconds: float, width: int) -> str:
    """One lane as a row of `width` characters; each stretch takes at least one.

    >>> from .blocks import Stretch
    >>> cells(Lane("", (Stretch(0.0, 0.5, "wait"), Stretch(0.5, 0.75, "work"))), 1.0, 16)
    '········████'
    """
    row = [" "] * width
    for stretch in lane.stretches:
        start = min(width - 1, round(stretch.start / seconds * width))
        end = max(start + 1, round(stretch.end / seconds * width))
        row[start:end] = CELLS[stretch.kind] * (end - start)
    return "".join(row).rstrip()


def draw_bars(block: Bars) -> RenderableType:
    """Bars; the longest fills the available width."""
    greatest = max(bar.value for bar in block.bars)
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column()
    for bar in block.bars:
        grid.add_row(Text(bar.label), Text(bar.words), Text(bar_of(bar, greatest), "green"))
    return Group(Text(block.title, "bold"), indented(grid))


def bar_of(bar: Bar, greatest: float) -> str:
    """A bar whose length is its share of the greatest value; never empty.

    >>> bar_of(Bar("", 5.0, ""), 10.0), bar_of(Bar("", 0.0, ""), 10.0)
    ('████████████', '▏')
    """
    return "█" * round(bar.value / greatest * BAR_WIDTH) or "▏"


def draw_ending(block: Ending) -> RenderableType:
    """The summary, the claims that did not come true, and what to read next."""
    broken = [point("✗", words, "bold red") for words in block.broken]
    words = f"All {block.claims} claims came true." if block.claims != 1 else "The one claim came true."
    if broken:
        words = f"{len(broken)} of {block.claims} claims did not come true:"
    return Group(
        draw(Heading("the end", words)),
        *broken,
        Text(""),
        Text(f"It took {block.seconds:.1f} s."),
        Text(f"Read next: {block.read_next}"),
    )
