"""The stage: where the demo says things, and where what it says is checked.

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

A demo that merely prints can be wrong for years. This one claims: the sentence and its check stand in one call, so that
neither can be changed without the other in view, and one broken claim makes the exit code 1.

All that is said is kept in `blocks` and shown on the terminal at once. A terminal that nobody watches any more changes
nothing in what is said and checked.

Read next: `relay`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from .blocks import Block, Claim, Column, Heading, Lesson, Paragraph, Table, Title
from .terminal import Terminal


class Stage:
    """file: where to show what is said. blocks: all of it, in order."""

    def __init__(self, file: TextIO) -> None:
        self.blocks: list[Block] = []
        self._terminal = Terminal(file)

    @property
    def deserted(self) -> bool:
        """Has the reader left in the middle?"""
        return self._terminal.deserted

    @property
    def claims(self) -> list[str]:
        """All that has been claimed."""
        return [block.words for block in self.blocks if isinstance(block, Claim)]

    @property
    def broken(self) -> list[str]:
        """What has been claimed and did not come true."""
        return [block.words for block in self.blocks if isinstance(block, Claim) and not block.came_true]

    def show(self, block: Block) -> None:
        """Say a block of any kind."""
        self.blocks.append(block)
        self._terminal.show(block)

    @contextmanager
    def progress(self) -> Iterator[Terminal]:
        """While the body runs, whoever watches may be told what takes so long. It is no part of what is said."""
        try:
            yield self._terminal
        finally:
            self._terminal.rest()

    def heading(self, name: str, question: str) -> None:
        """The beginning of a part."""
        self.show(Heading(name, question))

    def title(self, words: str) -> None:
        """The beginning of something inside a part."""
        self.show(Title(words))

    def say(self, words: str) -> None:
        """A paragraph. Line breaks in words are the source's, not the reader's."""
        self.show(Paragraph(joined(words)))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns with a `>` before their name are for figures."""
        heads = tuple(Column(name.removeprefix(">"), name.startswith(">")) for name in columns)
        self.show(Table(heads, tuple(tuple(row) for row in rows)))

    def claim(self, words: str, came_true: bool) -> None:
        """Say it, and whether it came true just now."""
        self.show(Claim(joined(words), came_true))

    def lesson(self, words: str) -> None:
        """What to remember of a part."""
        self.show(Lesson(joined(words)))


def joined(words: str) -> str:
    r"""Without the source's line breaks.

    >>> joined("one\n    two")
    'one two'
    """
    return " ".join(words.split())
