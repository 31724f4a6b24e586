"""Extras: libraries that only the tools need, and the sentence that says how to get them.

    pip install minizmtp             the library: trio; minihttp adds h11
    pip install 'minizmtp[demo]'     everything that the tools in this package use

A tool that is started without its libraries ends with one line and exit code 2, because a traceback would not say what
to do. (As `python -m pytest` does for an unknown option, code 2 means that the program could not start.)

A tool whose output is cut off, as by `| head`, ends without a word.

It can be read alone.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import NoReturn


def require(tool: str, extra: str, *modules: str) -> None:
    """End the program with exit code 2 unless all modules are installed."""
    if absent := [module for module in modules if find_spec(module) is None]:
        print(f"{tool} needs {', '.join(absent)}: pip install 'minizmtp[{extra}]'", file=sys.stderr)
        sys.exit(2)


def run_tool(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run the main function of a tool with the program's arguments, and end the program with its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Windows gives a pipe an encoding that has no ✓
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more at its end, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
