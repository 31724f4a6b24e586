"""The demo's command line: `python -m minizmtp.demo --help`.

    exit code     0   all that was claimed came true         2     that command line cannot be meant
                  1   something did not, and it was named    130   Ctrl-C

This is the last chapter, and it is short: choose the parts, give them a stage, and turn what came of it into a number
that a shell or a CI understands. It can be read alone.
"""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from ..extras import require

require("minizmtp.demo", "demo", "rich")

from .answer import run_answer
from .blocks import Block
from .stage import Stage
from .tour import PARTS, Part, run_tour

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


def main(arguments: Sequence[str], parts: Sequence[Part] = PARTS) -> int:
    """Do what the command line says; the exit code."""
    options = parse(arguments, parts)
    if options.list:
        for part in parts:
            print(f"{part.name:12}{part.question}")
        return 0
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # an ASCII terminal gets a ? for a ✓, and not a traceback
    stage = Stage(sys.stdout)
    if options.parts or options.all or options.html:
        chosen = [part for part in parts if part.name in options.parts or not options.parts]
        code = perform(partial(run_tour, chosen, stage), stage)
    else:
        code = perform(partial(run_answer, stage, [part.name for part in parts]), stage)
    if options.html and code != INTERRUPTED:
        options.html.write_text(page_maker()(stage.blocks), "utf-8")
    return code


def parse(arguments: Sequence[str], parts: Sequence[Part]) -> argparse.Namespace:
    """Read the command line. What cannot be meant ends the program here, with exit code 2."""
    names = [part.name for part in parts]
    parser = argparse.ArgumentParser(
        prog="python -m minizmtp.demo",
        description="How is an asynchronous HTTP request different from sending a message with ZeroMQ? "
        "Both do the same work here, on real sockets, and each claim is checked while you read it.",
        epilog="The exit code is 0 if all that was claimed came true.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which parts to run: {', '.join(names)}")
    parser.add_argument("--all", action="store_true", help="run all parts: the tour")
    parser.add_argument("--list", action="store_true", help="say which parts there are, and end")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page as well: all of it in one file")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.parts if name not in names]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(names)}")
    # Better to hear before the tour than after it that there will be no page.
    if options.html and (options.html.is_dir() or not options.html.absolute().parent.is_dir()):
        parser.error(f"--html {options.html}: it is a folder, or the folder where it is to be is not there")
    try:
        if options.html:
            page_maker()
    except ModuleNotFoundError as error:
        parser.error(f"--html needs Jinja2 and svg.py, and {error.name} is not here: pip install 'minizmtp[html]'")
    return options


def page_maker() -> Callable[[Sequence[Block]], str]:
    """What makes a page of blocks. It is imported only where a page is wanted: the tour does without its libraries."""
    from .page import tour_page

    return tour_page


def perform(show: Callable[[], Awaitable[bool]], stage: Stage) -> int:
    """Run what is to be shown; the exit code."""
    code = INTERRUPTED
    try:
        # Ctrl-C comes to the main task, at a checkpoint. In the midst of any other it may be lost: a task that is
        # cancelled while it cleans up ends as cancelled, whatever it was that it was cleaning up after.
        code = 0 if trio.run(show, restrict_keyboard_interrupt_to_checkpoints=True) else 1
    except BaseException as error:
        if not is_interrupt(error):
            raise
    if stage.deserted:
        # What nobody read is still in Python's buffer, and at the exit Python would complain that nobody takes it.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return code


def is_interrupt(error: BaseException) -> bool:
    """Is it Ctrl-C, alone or in the group that a nursery makes of it? What else is in there came of it: a client, say,
    whose server was ended first.

    >>> is_interrupt(BaseExceptionGroup("", [KeyboardInterrupt(), ExceptionGroup("", [ConnectionResetError()])]))
    True
    """
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
