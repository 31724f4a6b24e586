"""Reads wrong.txt: programs that are wrong in one place."""

from pathlib import Path
from typing import NamedTuple


class Wrong(NamedTuple):
    """A change of the solution of a step, the check that catches it, and what the learner is told."""

    step: int
    check: str
    told: str
    old: str
    new: str


def read(text: str) -> list[Wrong]:
    """The programs of such a text."""
    found = []
    for block in text.split("\n\n")[1:]:
        head, *lines = block.strip("\n").split("\n")
        names, _, told = head.partition(" | ")
        step, check = names.split()
        old, new = ("\n".join(line[1:] for line in lines if line.startswith(sign)) for sign in "-+")
        found.append(Wrong(int(step), check, told, old, new))
    return found


WRONG = read(Path(__file__).with_name("wrong.txt").read_text("utf-8"))
