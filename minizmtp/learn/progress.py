"""Progress: a file in the learner's folder, with a line for each step that has passed.

    # Steps of python -m minizmtp.learn that have passed. Take a line out to do its step again.
    1  greeting  2026-03-01 17:20  python mine.py

The file is for people: a line begins with the number of its step, and the rest is not read. A check that fails later
takes its line out, because the program does not pass it any more.

    >>> Progress(Path("nowhere")).passed()
    set()

Read next: `run`.
"""

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .course import Step

NAME = "minizmtp-learn.txt"
HEAD = "# Steps of python -m minizmtp.learn that have passed. Take a line out to do its step again."


class Progress:
    """The file in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def _lines(self) -> dict[int, str]:
        try:
            text = self.path.read_text("utf-8")
        except OSError:
            return {}
        lines = (line.strip() for line in text.splitlines())
        return {int(line.split()[0]): line for line in lines if line.split()[:1] and line.split()[0].isdecimal()}

    def passed(self) -> set[int]:
        """The numbers of the steps that have passed."""
        return set(self._lines())

    def note(self, step: Step, passed: bool, command: Sequence[str]) -> None:
        """Write the outcome of a step. Raises OSError."""
        lines = self._lines()
        if passed:
            when = datetime.now().strftime("%Y-%m-%d %H:%M")
            lines[step.number] = f"{step.number:<2} {step.name:12} {when}  {shlex.join(command)}"
        elif lines.pop(step.number, None) is None:
            return
        text = "\n".join([HEAD, *(lines[number] for number in sorted(lines))])
        self.path.write_text(text + "\n", "utf-8")
