"""The stage: where the demo says things, and where what it says is checked.

    >>> import io
    >>> stage = Stage(io.StringIO())
    >>> stage.say("HTTP asks, and waits.")
    >>> stage.claim("two and two make four", 2 + 2 == 4)
    >>> stage.claim("the earth is flat", False)
    >>> print(stage.file.getvalue(), end="")
    HTTP asks, and waits.
      ✓ two and two make four
      ✗ NOT TRUE: the earth is flat
    >>> len(stage.claims), stage.broken
    (2, ['the earth is flat'])

A demo that merely prints can be wrong for years. This one claims: the sentence and its check stand in one call, so that
neither can be changed without the other in view, and one broken claim makes the exit code 1.

It is 80 columns wide everywhere. Colours are for terminals; a file, a pipe or NO_COLOR gets plain text, the same words.

Read next: `relay`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDTH = 80
INDENT = 2


def is_plain(file: TextIO, environment: Mapping[str, str]) -> bool:
    """Must file get no colours? (https://no-color.org: NO_COLOR counts when it is not empty)

    >>> import io
    >>> is_plain(io.StringIO(), {})
    True
    """
    return not file.isatty() or bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"


class Stage:
    """file: where to write.

    Whoever reads may leave in the middle (a pipe into `head`). Then the stage is deserted: nothing more is said, but
    all is still checked.
    """

    def __init__(self, file: TextIO) -> None:
        plain = is_plain(file, os.environ)
        self.file = file
        self.claims: list[str] = []
        self.broken: list[str] = []
        self.deserted = False
        # Rich has its own opinion on what a terminal is (FORCE_COLOR and others), so it is told ours.
        self._console = Console(
            file=file, width=WIDTH, force_terminal=not plain, no_color=plain, highlight=False, markup=False, emoji=False
        )

    def show(self, thing: RenderableType) -> None:
        """Anything that rich can draw. A table pads its lines; the blanks at their end are not for keeping."""
        if self.deserted:
            return
        with self._console.capture() as capture:
            self._console.print(thing)
        try:
            for line in capture.get().splitlines():
                print(line.rstrip(), file=self.file)
            self.file.flush()
        except BrokenPipeError:
            self.deserted = True

    def gap(self) -> None:
        self.show("")

    def heading(self, name: str, question: str) -> None:
        """The beginning of a part."""
        self.gap()
        self.show(Text(f"── {name} ".ljust(WIDTH, "─"), style="bold cyan"))
        self.show(Text(question, style="bold"))
        self.gap()

    def title(self, words: str) -> None:
        """The beginning of something inside a part."""
        self.gap()
        self.show(Text(words, style="bold"))

    def say(self, words: str) -> None:
        """A paragraph. Line breaks in words are the source's, not the reader's."""
        self.show(Text(" ".join(words.split())))

    def lines(self, lines: Iterable[Text | str]) -> None:
        """Each as it is: drawings."""
        for line in lines:
            self.show(line if isinstance(line, Text) else Text(line, no_wrap=True))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns with a `>` before their name are for numbers, and are set to the right."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(Text(column.lstrip(">")), justify="right" if column.startswith(">") else "left")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.show(Padding(table, (0, 0, 0, INDENT)))

    def claim(self, words: str, came_true: bool) -> None:
        """Say it, and whether it came true just now."""
        words = " ".join(words.split())
        self.claims.append(words)
        if came_true:
            self.point("✓", words, "green")
        else:
            self.broken.append(words)
            self.point("✗", f"NOT TRUE: {words}", "bold red")

    def lesson(self, words: str) -> None:
        """What to remember of a part."""
        self.gap()
        self.point("→", " ".join(words.split()), "bold cyan")

    def point(self, mark: str, words: str, style: str) -> None:
        """A mark, and words that keep clear of it."""
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(Text(mark, style=style), Text(words, style=style if mark == "✗" else ""))
        self.show(Padding(row, (0, 0, 0, INDENT)))
