"""The stage: prints the demo's text, and checks its claims.

    >>> import io
    >>> stage = Stage(io.StringIO())
    >>> stage.say('''HTTP asks,
    ...     and waits.''')
    >>> stage.claim("two and two make four", 2 + 2 == 4)
    >>> stage.claim("the earth is flat", False)
    >>> stage.blocks[0]
    Paragraph(words='HTTP asks, and waits.')
    >>> len(stage.claims), stage.broken
    (2, ['the earth is flat'])

A demo that only prints text can be wrong for years. This one makes claims: a sentence and its check are in one call, so
that they are changed together, and a single false claim makes the exit code 1.

Every block is kept in `blocks`, and shown on the terminal at once. If the terminal's reader has gone, the demo still
runs and checks everything.

Read next: `relay`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from ..trace import Side, Trace
from .blocks import Block, Claim, Column, Conversation, Heading, Lesson, Paragraph, Table, Title
from .terminal import Terminal


class Stage:
    """file: where to show the blocks. blocks: all blocks so far, in order."""

    def __init__(self, file: TextIO) -> None:
        self.blocks: list[Block] = []
        self._terminal = Terminal(file)

    @property
    def deserted(self) -> bool:
        """Whether the reader has closed the output early."""
        return self._terminal.deserted

    @property
    def claims(self) -> list[str]:
        """All claims."""
        return [block.words for block in self.blocks if isinstance(block, Claim)]

    @property
    def broken(self) -> list[str]:
        """The claims that did not come true."""
        return [block.words for block in self.blocks if isinstance(block, Claim) and not block.came_true]

    def show(self, block: Block) -> None:
        """Show a block of any kind."""
        self.blocks.append(block)
        self._terminal.show(block)

    @contextmanager
    def progress(self) -> Iterator[Terminal]:
        """While the body runs, the terminal may show these words as progress. They aren't kept in `blocks`."""
        try:
            yield self._terminal
        finally:
            self._terminal.rest()

    def heading(self, name: str, question: str) -> None:
        """The beginning of a part."""
        self.show(Heading(name, question))

    def title(self, words: str) -> None:
        """The beginning of a section of a part."""
        self.show(Title(words))

    def say(self, words: str) -> None:
        """A paragraph. Line breaks in words belong to the source code and are removed."""
        self.show(Paragraph(joined(words)))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table. Columns with a `>` before their name hold numbers."""
        heads = tuple(Column(name.removeprefix(">"), name.startswith(">")) for name in columns)
        self.show(Table(heads, tuple(tuple(row) for row in rows)))

    def conversation(self, title: str, trace: Trace, since: int = 0) -> None:
        """What was sent on one connection, in order. since: the number of writes to leave out at the beginning."""
        spans = [span for side in Side for span in trace.spans(side) if span.write >= since]
        spans.sort(key=lambda span: span.write)
        self.show(Conversation(title, trace.protocol, tuple(spans)))

    def claim(self, words: str, came_true: bool) -> None:
        """A sentence, and whether it is true, checked just now."""
        self.show(Claim(joined(words), came_true))

    def lesson(self, words: str) -> None:
        """The conclusion of a part."""
        self.show(Lesson(joined(words)))


def joined(words: str) -> str:
    r"""The text without the source code's line breaks.

    >>> joined("one\n    two")
    'one two'
    """
    return " ".join(words.split())
