"""Other stacks, installed and checked: `python -m interop_tests.stacks --help`.

python -m interop_tests.stacks install              all that can be had here
python -m interop_tests.stacks install zeromq.js    one of them
python -m interop_tests.stacks list                 which are there
python -m interop_tests.stacks conformance          check all that are there, and write docs/CONFORMANCE.md
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import trio

from interop_tests.stacks import conformance
from interop_tests.stacks.stacks import BUILT_IN, STACKS, Missing, Stack, cache, command_of, install, installed
from minizmtp.check.__main__ import credentials
from minizmtp.check.case import ALL
from minizmtp.check.matrix import play_pair
from minizmtp.check.peer import Terms
from minizmtp.check.program import Driver
from minizmtp.check.report import Section, from_json, to_json
from minizmtp.check.run import check_driven

KINDS = ("REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR")
SOCKETS = [
    *((kind, "NULL", False) for kind in KINDS),
    *((kind, "NULL", True) for kind in ("DEALER", "PULL", "SUB")),
    *(("DEALER", mechanism, dials) for mechanism in ("PLAIN", "CURVE") for dials in (False, True)),
]


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m interop_tests.stacks", description="Check other stacks.")
    parser.add_argument("what", choices=["install", "list", "check", "conformance"])
    parser.add_argument("names", nargs="*", metavar="STACK", help=", ".join(stack.key for stack in STACKS))
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {stack.key for stack in STACKS}:
        parser.error(f"there is no stack {', '.join(sorted(unknown))}")
    stacks = [stack for stack in STACKS if not options.names or stack.key in options.names]
    if options.what == "install":
        for stack in stacks:
            print(f"{stack.title}: {installed_or_not(stack)}", flush=True)
    elif options.what == "list":
        for stack in stacks:
            print(f"{stack.key:14} {stack.title}: {'installed' if installed(stack) else 'not installed'}")
    elif options.what == "check":
        for stack in filter(installed, stacks):
            check(stack)
    else:
        conformance.write([(stack, read(stack)) for stack in STACKS if (cache() / f"{stack.key}.json").exists()])
    return 0


def installed_or_not(stack: Stack) -> str:
    """Install it, and say what came of it."""
    try:
        install(stack)
    except Missing as why:
        return f"left out. {why}"
    return "installed"


def check(stack: Stack) -> None:
    """Check one stack: its sockets by the cases, and with ours and libzmq in the scenarios. Kept beside the stacks."""
    sections = trio.run(sections_of, stack)
    kept = to_json(sections) | {"date": datetime.now(UTC).date().isoformat()}
    cache().mkdir(parents=True, exist_ok=True)
    (cache() / f"{stack.key}.json").write_text(json.dumps(kept), encoding="utf-8")


def read(stack: Stack) -> tuple[str, list[Section]]:
    """The date and the sections that were kept."""
    document = json.loads((cache() / f"{stack.key}.json").read_text(encoding="utf-8"))
    return document["date"], from_json(document)


async def sections_of(stack: Stack) -> list[Section]:
    """All sections for one stack."""
    sections = []
    for kind, mechanism, dials in SOCKETS:
        terms, options = credentials(mechanism, replace(Terms(), kind=kind, dials=dials))
        driver = Driver(command_of(stack))
        results = await check_driven(driver, terms, ALL, options=options)
        sections.append(Section(driver.name, kind, mechanism, terms.minor, dials, results))
        print(f"{sections[-1].title}: {sections[-1].summary}", flush=True)
    for other in STACKS:
        if other.key in BUILT_IN and other is not stack:
            for binds, connects in ((stack, other), (other, stack)):
                one, two = Driver(command_of(binds)), Driver(command_of(connects))
                results = await play_pair(one, two)
                title = f"{one.name} binds, {two.name} connects"
                sections.append(Section(title, "", other.key, 1, False, results))
                print(f"{title}: {sections[-1].summary}", flush=True)
    return sections


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
