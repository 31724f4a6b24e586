"""Other stacks, installed and checked: `python -m interop_tests.stacks --help`.

python -m interop_tests.stacks install              all that can be had here
python -m interop_tests.stacks install zeromq.js    one of them
python -m interop_tests.stacks list                 which are there
python -m interop_tests.stacks check                 check all that are there; the results are kept beside the stacks
python -m interop_tests.stacks conformance          write docs/CONFORMANCE.md from the results that were kept

What fails is played once more, when less goes on at the same time. If it passes then, it is counted as passed at the
second try, so that a busy machine is not taken for a broken rule.
"""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import trio

from interop_tests.stacks import conformance
from interop_tests.stacks.stacks import BUILT_IN, STACKS, Missing, Stack, cache, command_of, install, installed
from minizmtp.check.__main__ import TRANSPORTS, credentials
from minizmtp.check.case import ALL, Verdict
from minizmtp.check.matrix import play_pair
from minizmtp.check.peer import Terms
from minizmtp.check.program import Driver
from minizmtp.check.report import Section, from_json, to_json
from minizmtp.check.run import Result, check_driven

KINDS = ("REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR")
SOCKETS = [
    *((kind, "NULL", False, "tcp") for kind in KINDS),
    *((kind, "NULL", True, "tcp") for kind in ("DEALER", "PULL", "SUB")),
    *(("DEALER", mechanism, dials, "tcp") for mechanism in ("PLAIN", "CURVE") for dials in (False, True)),
    *((kind, "NULL", False, "ws") for kind in ("REP", "DEALER", "XPUB", "SUB", "PULL")),
    *((kind, "NULL", True, "ws") for kind in ("DEALER", "SUB")),
    *(("DEALER", mechanism, dials, "ws") for mechanism in ("PLAIN", "CURVE") for dials in (False, True)),
]
AT_ONCE = 4  # sockets of one stack, each with a process of its own: they mostly wait


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
    """All sections for one stack, several at a time."""
    sockets: dict[int, Section] = {}
    pairs: dict[int, Section] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def fill(found: dict[int, Section], number: int, make: Callable[[], Awaitable[Section]]) -> None:
        async with limit:
            found[number] = await make()
        print(f"{found[number].title}: {found[number].summary}", flush=True)

    async with trio.open_nursery() as nursery:
        for number, socket in enumerate(SOCKETS):
            nursery.start_soon(fill, sockets, number, partial(socket_section, stack, *socket))
    others = [other for other in STACKS if other.key in BUILT_IN and other is not stack]
    both = [pair for other in others for pair in ((stack, other, other.key), (other, stack, other.key))]
    async with trio.open_nursery() as nursery:
        for number, pair in enumerate(both):
            nursery.start_soon(fill, pairs, number, partial(pair_section, *pair))
    return [found[number] for found in (sockets, pairs) for number in sorted(found)]


async def socket_section(stack: Stack, kind: str, mechanism: str, dials: bool, transport: str) -> Section:
    """The cases for one kind of socket."""
    terms = replace(Terms(), kind=kind, dials=dials, path=TRANSPORTS[transport])
    terms, options = credentials(mechanism, terms)
    driver = Driver(command_of(stack), quiet=True)
    results = await check_driven(driver, terms, ALL, options=options)
    failed = {result.name for result in results if result.verdict is Verdict.FAILED}
    if failed:
        cases = [case for case in ALL if case.name() in failed]
        once_more(results, await check_driven(driver, terms, cases, options=options))
    return Section(driver.name, kind, mechanism, terms.minor, dials, results, bool(terms.path))


async def pair_section(binds: Stack, connects: Stack, other: str) -> Section:
    """The scenarios in which one stack binds and the other connects. other: the key of the one that is built in."""
    one, two = (Driver(command_of(stack), quiet=True) for stack in (binds, connects))
    results = await play_pair(one, two)
    failed = {result.number for result in results if result.verdict is Verdict.FAILED}
    if failed:
        once_more(results, await play_pair(one, two, sorted(failed)))
    return Section(f"{one.name} binds, {two.name} connects", "", other, 1, False, results)


def once_more(results: list[Result], again: list[Result]) -> None:
    """Put what passed at the second try in the place of what failed at the first."""
    passed = {result.name: result for result in again if result.verdict is Verdict.PASSED}
    for index, result in enumerate(results):
        if result.verdict is Verdict.FAILED and (better := passed.get(result.name)):
            better.note = conformance.AGAIN
            results[index] = better


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
