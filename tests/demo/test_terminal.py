"""Blocks as text: every part fits into 80 columns, and only a terminal gets colours and progress."""

import io
from types import ModuleType
from typing import get_args

import pytest

from minizmtp.demo import blocks
from minizmtp.demo.blocks import (
    Bar,
    Bars,
    Block,
    Claim,
    Column,
    Conversation,
    Ending,
    Heading,
    Lane,
    Lesson,
    Lines,
    Listing,
    Listings,
    Paragraph,
    Stretch,
    Table,
    Timeline,
    Title,
)
from minizmtp.demo.terminal import WIDTH, Terminal, cells
from minizmtp.trace import Side, Span

WORDS = "a sentence that is much longer than a line of the terminal " * 3
LANES = (
    Lane("one", (Stretch(0.0, 0.4, "wait"), Stretch(0.4, 1.0, "work", "done"))),
    Lane("another", (Stretch(0.0, 1.0, "open"), Stretch(1.0, 1.0, "mark", "the end"))),
)
ONE_OF_EACH: list[Block] = [
    Heading("part", "What is this?"),
    Title("A title"),
    Paragraph(WORDS),
    Lesson(WORDS),
    Claim(WORDS, True),
    Claim(WORDS, False),
    Table((Column("name"), Column("figure", True)), (("a", "1"), ("b", "22"))),
    Lines(("┌──┐", "└──┘")),
    Listings((Listing("left", "await sock.recv()\n"), Listing("right", "pass\n"))),
    Listings((Listing("long", "x" * 70), Listing("longer", "y" * 75))),
    Conversation(
        "talk", "zmtp", (Span(Side.CLIENT, 0, bytes(range(20)), "body", WORDS, "37 Framing", "body", 0.0, 0),)
    ),
    Timeline("time", "zmtp", 1.0, LANES, {"wait": "waits", "work": "works", "open": "is there", "mark": "a moment"}),
    Bars("numbers", "µs", (Bar("a", 0.0, "0 µs"), Bar("b", 12.0, "12 µs"))),
    Ending(2, (WORDS,), 1.5, "minizmtp/sockets/context.py"),
]


def shown(*what: Block) -> str:
    file = io.StringIO()
    terminal = Terminal(file)
    for block in what:
        terminal.show(block)
    return file.getvalue()


def test_there_is_an_example_of_each_block():
    assert {type(block) for block in ONE_OF_EACH} == set(get_args(Block))


@pytest.mark.parametrize("block", ONE_OF_EACH, ids=lambda block: type(block).__name__)
def test_a_block_has_80_columns_at_most_and_no_trailing_space(block):
    lines = shown(block).splitlines()
    assert lines
    assert not [line for line in lines if len(line) > WIDTH or line != line.rstrip() or "\x1b" in line]


def test_a_block_is_plain_data():
    def is_plain(thing: object) -> bool:
        if isinstance(thing, tuple):
            return all(map(is_plain, thing))
        if isinstance(thing, dict):
            return all(map(is_plain, thing.items()))
        return isinstance(thing, str | bytes | int | float | Side)

    assert all(map(is_plain, ONE_OF_EACH))
    assert not [name for name, thing in vars(blocks).items() if isinstance(thing, ModuleType)]


def test_claims_stand_together_and_other_blocks_apart():
    text = shown(Title("t"), Paragraph("p"), Claim("a", True), Claim("b", True), Lesson("l"))
    assert text == "t\np\n\n  ✓ a\n  ✓ b\n\n  → l\n"


def test_short_programs_share_a_row_and_long_ones_are_stacked():
    assert "await sock.recv()" in shown(ONE_OF_EACH[8])
    assert shown(ONE_OF_EACH[8]).count("\n") == 2
    assert shown(ONE_OF_EACH[9]).splitlines() == ["  long", "  " + "x" * 70, "", "  longer", "  " + "y" * 75]


def test_every_octet_of_a_conversation_is_there():
    text = shown(ONE_OF_EACH[10])
    assert "client → server, 20 octets" in text
    assert "   0  00 01 02 03 04 05 06 07" in text
    assert "  16  10 11 12 13" in text


def test_a_moment_is_seen_even_at_the_right_edge():
    assert cells(LANES[1], 1.0, 10) == "─────────│"


def test_work_shorter_than_one_column_is_still_visible():
    assert cells(Lane("", (Stretch(0.5, 0.5001, "work"),)), 1.0, 10) == "     █"


class Screen(io.StringIO):
    """A text stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def watched(file: io.StringIO) -> str:
    terminal = Terminal(file)
    terminal.doing("this takes long", 3, 7)
    terminal.tick()
    terminal.show(Paragraph("done"))
    return file.getvalue()


def test_progress_is_erased_before_the_terminal_prints_more(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = watched(Screen())
    assert "this takes long" in text
    assert "3/7" in text
    assert text.index("this takes long") < text.index("\x1b[2K") < text.index("done")  # 2K erases a line
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor: hidden, and shown again


def test_progress_is_written_only_to_a_terminal(monkeypatch):
    assert watched(io.StringIO()) == "done\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert watched(Screen()) == "done\n"
