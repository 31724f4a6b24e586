"""Extras: libraries that only the tools need, and the sentence that says how to get them.

    pip install minizmtp             the library: trio; minihttp adds h11
    pip install 'minizmtp[demo]'     everything that the tools in this package use

A tool that is started without its libraries ends with one line and exit code 2, because a traceback would not say what
to do. (As `python -m pytest` does for an unknown option, code 2 means that the program could not start.)

    >>> missing("trio", "h11")
    []

It can be read alone.
"""

import sys
from importlib.util import find_spec


def missing(*modules: str) -> list[str]:
    """Those of modules that are not installed."""
    return [module for module in modules if find_spec(module) is None]


def require(tool: str, extra: str, *modules: str) -> None:
    """End the program with exit code 2 unless all modules are installed."""
    if absent := missing(*modules):
        print(f"{tool} needs {', '.join(absent)}: pip install 'minizmtp[{extra}]'", file=sys.stderr)
        sys.exit(2)
