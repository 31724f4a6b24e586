"""The demo's command line: `python -m minizmtp.demo --help`.

    exit code     0   all claims came true                   2     the command line is wrong
                  1   some did not; they are listed          130   Ctrl-C (with --live that is the end: 0)

This module chooses the parts, runs them on a stage, and turns the result into an exit code for a shell or a CI.
It can be read alone.
"""

import argparse
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    # While the modules are imported, Ctrl-C ends the program at once: a traceback would tell the user nothing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import trio

from ..extras import require

require("minizmtp.demo", "demo", "rich")

from ..errors import ZMQError
from .answer import run_answer
from .blocks import Block
from .stage import Stage
from .tour import PARTS, Part, run_tour

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


def main(arguments: Sequence[str], parts: Sequence[Part] = PARTS) -> int:
    """Do what the command line says, and return the exit code."""
    options = parse(arguments, parts)
    if options.list:
        for part in parts:
            print(f"{part.name:12}{part.question}")
        return 0
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # an ASCII terminal gets a ? for a ✓, and not a traceback
    if options.live:
        try:
            trio.run(live_runner(), options.host, options.port)
        except ZMQError as error:
            print(f"minizmtp.demo: {error}", file=sys.stderr)
            return 2
        return 0
    stage = Stage(sys.stdout)
    if options.parts or options.all or options.html:
        chosen = [part for part in parts if part.name in options.parts or not options.parts]
        code = perform(partial(run_tour, chosen, stage), stage)
    else:
        code = perform(partial(run_answer, stage, [part.name for part in parts]), stage)
    if options.html and code != INTERRUPTED:
        options.html.write_text(page_maker()(stage.blocks), "utf-8")
        if not stage.deserted:
            print(f"\nThe page is in {options.html.absolute()}: open it in a browser.")
    return code


def parse(arguments: Sequence[str], parts: Sequence[Part]) -> argparse.Namespace:
    """Parse the command line. A wrong one ends the program with exit code 2."""
    names = [part.name for part in parts]
    parser = argparse.ArgumentParser(
        prog="python -m minizmtp.demo",
        description="How is an asynchronous HTTP request different from sending a message with ZeroMQ? "
        "Both do the same work here, on real sockets, and each claim is checked while you read it.",
        epilog="The exit code is 0 if all claims came true.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which parts to run: {', '.join(names)}")
    parser.add_argument("--all", action="store_true", help="run all parts: the tour")
    parser.add_argument("--list", action="store_true", help="list the parts")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write everything as one HTML file")
    parser.add_argument("--live", action="store_true", help="serve a page in which your browser is a ZeroMQ peer")
    parser.add_argument(
        "--port", type=int, default=0, metavar="PORT", help="with --live: where to listen (any that is free)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="with --live: 0.0.0.0 for all networks (127.0.0.1)"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.parts if name not in names]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(names)}")
    # Check now, because an error after the tour would come too late.
    if options.html and (options.html.is_dir() or not options.html.absolute().parent.is_dir()):
        parser.error(f"--html {options.html}: it is a folder, or its folder does not exist")
    if options.live and (options.parts or options.all or options.html):
        parser.error("--live is a page of its own, without the parts of the tour: leave out PART, --all and --html")
    if not options.live and (options.port or options.host != parser.get_default("host")):
        parser.error("--port and --host say where --live listens: add --live, or leave them out")
    if not 0 <= options.port <= 65535:
        parser.error(f"--port {options.port}: expected a number up to 65535")
    try:
        if options.html:
            page_maker()
        if options.live:
            live_runner()
    except ModuleNotFoundError as error:
        option = "--html" if options.html else "--live"
        parser.error(f"{option} needs Jinja2 and svg.py, and {error.name} is not here: pip install 'minizmtp[html]'")
    return options


def page_maker() -> Callable[[Sequence[Block]], str]:
    """The function that makes a page of blocks. It is imported only for a page, because the tour doesn't need its
    libraries."""
    from .page import tour_page

    return tour_page


def live_runner() -> Callable[[str, int], Awaitable[None]]:
    """The function that serves the live page; it needs the same libraries."""
    from .live import run_live

    return run_live


def perform(show: Callable[[], Awaitable[bool]], stage: Stage) -> int:
    """Run the parts, and return the exit code."""
    code = INTERRUPTED
    try:
        # Let Ctrl-C arrive only in the main task, at a checkpoint, because in another task it may be lost: a task that
        # is cancelled while it cleans up ends as cancelled, whatever exception it was cleaning up after.
        code = 0 if trio.run(show, restrict_keyboard_interrupt_to_checkpoints=True) else 1
    except BaseException as error:
        if not is_interrupt(error):
            raise
    if stage.deserted:
        # Discard unread output that is still in Python's buffer, because Python would report a broken pipe at exit.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return code


def is_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C, alone or in a nursery's group. Other errors in the group are consequences: for example, a
    client's server may have been ended first.

    >>> is_interrupt(BaseExceptionGroup("", [KeyboardInterrupt(), ExceptionGroup("", [ConnectionResetError()])]))
    True
    """
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
