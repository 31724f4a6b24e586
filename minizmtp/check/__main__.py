"""The check's command line: `python -m minizmtp.check --help`.

    python -m minizmtp.check tcp://127.0.0.1:5555                 the socket that is bound there
    python -m minizmtp.check --listen tcp://127.0.0.1:5555        the socket that will connect to us
    python -m minizmtp.check ws://127.0.0.1:5555/path             the same over WebSocket, or over TLS by wss://
    python -m minizmtp.check --driver "node driver.js"            every type of socket, both ways
    python -m minizmtp.check tcp://127.0.0.1:5555 framing 37-68   some cases only; --list shows all
    python -m minizmtp.check --driver A --driver B                every scenario between two stacks
    python -m minizmtp.check a.json b.json --html compared.html   earlier runs beside each other

    exit code     0   no MUST is broken (with --strict: no SHOULD either)
                  1   some is, or the other side's process ended
                  2   the command line is wrong, or there is nothing to check

A departure that libzmq is known for is named and is not a failure. On a terminal a bar shows how far the check is, if
rich is installed.

This is the last module of the check. It can be read alone.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import trio

from ..errors import ZMQError
from ..extras import run_tool
from ..wire import z85
from ..wire.curve import keypair
from . import (
    boxes,
    commands,
    curve,
    dialling,
    framing,
    greeting,
    heartbeat,
    matrix,
    null,
    pipeline,
    plain,
    program,
    pubsub,
    reqrep,
    websocket,
)
from .case import EVERY_KIND, Case, Verdict, chosen
from .peer import Terms, Unlike, Unreachable
from .program import Driver, DriverEnded
from .report import LEVELS, SIGNS, Section, from_json, text_of, to_json, to_junit
from .run import Result, Run, check_driven
from .target import Endpoint, Listening, accept, announced, dial, listen, path_of

GROUPS = (greeting, framing, commands, null, heartbeat, reqrep, pubsub, pipeline, dialling, plain, curve, websocket)
MECHANISMS = ("NULL", "PLAIN", "CURVE")
TRANSPORTS = {"tcp": "", "ws": "/check"}  # with the path to ask for
ROLES = {"binds": (False,), "connects": (True,), "both": (False, True)}
NEEDED = ("jinja2", "svg")  # for --html, under the names by which they are imported
FIRST_WAIT = 60.0  # seconds for the first connection of a socket that dials us

Done = Callable[[Result], object]


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says, and return the exit code."""
    options = parse(arguments)
    if options.list:
        show_cases(options.cases)
        return 0
    if options.driver_help:
        print((program.__doc__ or "").split("    >>> ")[0].rstrip())
        return 0
    outputs = {name: Path(path) for name in WRITERS if (path := getattr(options, name))}
    try:
        for path in outputs.values():
            check_writable(path)
        sections = trio.run(check, options)
    except BrokenPipeError:
        raise  # standard output is closed: see extras.run_tool
    except (OSError, ValueError, ZMQError, Unlike, Unreachable, DriverEnded) as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    code = exit_code(sections, options.strict)
    for name, path in outputs.items():
        try:
            path.write_text(WRITERS[name](sections), encoding="utf-8")
        except OSError as error:
            print(f"check: the results were not written: {error}", file=sys.stderr)
            code = 2
    return code


def check_writable(path: Path) -> None:
    """Raise OSError if a file can't be written there. Nothing is written."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a file to write the results to")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"{path} may not be written by this user")


def json_of(sections: Sequence[Section]) -> str:
    """For --json."""
    return json.dumps(to_json(sections), indent=1)


def page_of(sections: Sequence[Section]) -> str:
    """For --html."""
    from .page import check_page

    return check_page("What became of the rules", sections)


WRITERS: dict[str, Callable[[Sequence[Section]], str]] = {"json": json_of, "junit": to_junit, "html": page_of}


def exit_code(sections: Sequence[Section], strict: bool) -> int:
    """1 if a section has a failure."""
    results = [result for section in sections for result in section.results]
    return int(any(result.is_failure or (strict and result.verdict is Verdict.FAILED) for result in results))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. A wrong one ends the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m minizmtp.check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Play a careful and a difficult peer against a ZMTP socket, and say which rules it keeps.\n\n"
        + (__doc__ or "").split("\n\n", 1)[1].split("\n\nThis is the last")[0],
        epilog="CASE is a name, a number or a group, such as framing; --list shows them. A driver is a program that "
        "makes sockets\nas its standard input says; --driver-help shows what it has to understand.",
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="ENDPOINT | FILE.json | CASE", help="what to check, or to compare, and by what")
    add("--listen", metavar="ENDPOINT", help="check the socket that connects to us there")
    add(
        "--driver",
        metavar="COMMAND",
        action="append",
        default=[],
        help="check the sockets that this program makes; two of them talk to each other",
    )
    add("--type", default="", metavar="TYPE,...", help="with --driver, which types (all)")
    add("--role", choices=ROLES, default="both", help="with --driver, whether its sockets bind or connect (both)")
    add("--mechanism", default="NULL,PLAIN,CURVE", metavar="NAME,...", help="with --driver, which of them (all three)")
    add("--transport", default="tcp", metavar="NAME,...", help="with --driver, tcp or ws, or both (tcp)")
    add("--username", default="", help="for PLAIN")
    add("--password", default="", help="for PLAIN")
    add(
        "--server-key",
        default="",
        metavar="KEY",
        help="for CURVE: the public key of the server that is checked, in Z85",
    )
    add("--secret-key", default="", metavar="KEY", help="for CURVE: our own secret key, in Z85 (a new one)")
    add("--as-server", action="store_true", help="we are the server of PLAIN or CURVE, and check a client")
    add("--heartbeat", action="store_true", help="the socket sends heartbeats, at least one a second: check them, too")
    add("--patience", type=float, default=2.0, metavar="S", help="how long something expected may take (2 seconds)")
    add("--list", action="store_true", help="show the cases, and check nothing")
    add("--driver-help", action="store_true", help="show what a driver has to understand, and check nothing")
    add("--json", metavar="FILE", help="write the results, with every octet that passed")
    add("--junit", metavar="FILE", help="write the results as a JUnit report")
    add("--html", metavar="FILE", help="write the results as a page; with several runs they stand side by side")
    add("--strict", action="store_true", help="a SHOULD that is not followed is a failure too")
    add("--all", action="store_true", help="show the cases that passed, and their octets, as well")
    options = parser.parse_intermixed_args(arguments)
    options.endpoints = [word for word in options.words if "://" in word]
    options.files = [Path(word) for word in options.words if word.endswith(".json")]
    names = [word for word in options.words if "://" not in word and not word.endswith(".json")]
    options.types = [name for name in options.type.split(",") if name]
    options.mechanisms = options.mechanism.split(",")
    options.transports = options.transport.split(",")
    try:
        options.scenarios = names if len(options.driver) == 2 else []
        matrix.chosen(options.scenarios)
        options.cases = chosen([] if options.scenarios else names)
        options.terms = terms_of(options)
    except ValueError as error:
        parser.error(str(error))
    choices = (
        (options.types, EVERY_KIND),
        (options.mechanisms, MECHANISMS),
        (options.transports, TRANSPORTS),
    )
    for given, known in choices:
        if unknown := [name for name in given if name not in known]:
            parser.error(f"{', '.join(unknown)} is not known; there are {', '.join(known)}")
    ways = [bool(options.endpoints), bool(options.listen), bool(options.driver), bool(options.files)]
    if not (options.list or options.driver_help) and sum(ways) != 1:
        parser.error("expected one of ENDPOINT, --listen ENDPOINT, --driver COMMAND, FILE.json")
    if options.html and (missing := [name for name in NEEDED if not find_spec(name)]):
        parser.error(f"--html needs {' and '.join(missing)}: pip install 'minizmtp[html]'")
    return options


def terms_of(options: argparse.Namespace) -> Terms:
    """The credentials on the command line."""
    terms = Terms(
        patience=options.patience,
        beats=options.heartbeat,
        serves=not options.as_server,
        username=options.username.encode(),
        password=options.password.encode(),
    )
    if options.server_key or options.secret_key:
        public, secret = keypair(z85.decode(options.secret_key) if options.secret_key else None)
        server = z85.decode(options.server_key) if options.server_key else b""
        terms.curve = boxes.Keys(public, secret, server)
        terms.mechanism = b"CURVE"
    elif terms.username:
        terms.mechanism = b"PLAIN"
    return terms


def show_cases(cases: Sequence[type[Case]]) -> None:
    """A line for each case, by group."""
    for module in GROUPS:
        group = module.__name__.rpartition(".")[2]
        if mine := [case for case in cases if case.group == group]:
            print(f"{group}: {len(mine)}")
        for case in mine:
            print(f"  {case.number:6} {case.name():32} {LEVELS[case.level]:20} {case.rule()}")


# ------------------------------------------------------------------------------------------------------------ checking


async def check(options: argparse.Namespace) -> list[Section]:
    """The sections that the command line asks for, each printed as soon as it is there."""
    if options.files:
        sections = [section for path in options.files for section in from_json(json.loads(path.read_text("utf-8")))]
        for section in sections:
            print(f"{section.title}: {section.summary}")
        return sections
    if len(options.driver) == 2:
        return await check_pair(options)
    if options.driver:
        return await check_drivers(options)
    if options.listen:
        async with listen(options.listen) as (listener, endpoint):
            print(f"waiting at {endpoint} for the socket to check", flush=True)

            async def next_connection() -> trio.abc.Stream:
                return await accept(listener, FIRST_WAIT)

            path = path_of(options.listen)
            terms = await announced(next_connection, replace(options.terms, dials=True, path=path))
            with progress(len(options.cases)) as done:
                results = await Run(Listening(listener, terms), options.cases, done).run()
        return [shown(section_of(endpoint, terms, results), options.all)]
    return [shown(await check_endpoint(endpoint, options), options.all) for endpoint in options.endpoints]


async def check_endpoint(endpoint: str, options: argparse.Namespace) -> Section:
    """The socket that is bound there."""

    async def connect() -> trio.abc.Stream:
        return await dial(endpoint, options.patience)

    try:
        path = path_of(endpoint, connect=True)
        terms = await announced(connect, replace(options.terms, path=path))
    except Unreachable as error:
        raise Unreachable(f"{error}. Start the socket first; use --listen if it is one that connects") from None
    except Unlike as unlike:
        raise Unlike(unlike.expected, f"{unlike.came}. Is {endpoint} a ZMTP socket, and the right port?") from None
    with progress(len(options.cases)) as done:
        results = await Run(Endpoint(endpoint, terms), options.cases, done).run()
    return section_of(endpoint, terms, results)


async def check_drivers(options: argparse.Namespace) -> list[Section]:
    """Every type of socket of each driver, in both roles, with each mechanism."""
    sections = []
    [command] = options.driver
    kinds = options.types or EVERY_KIND
    left_out: dict[str, dict[str, None]] = {}
    for transport, mechanism, kind, dials in product(
        options.transports, options.mechanisms, kinds, ROLES[options.role]
    ):
        driver = Driver(command)
        terms = replace(options.terms, kind=kind, dials=dials, path=TRANSPORTS[transport])
        terms, settings = credentials(mechanism, terms)
        with progress(len(options.cases)) as done:
            results = await check_driven(driver, terms, options.cases, done, settings)
        section = section_of(driver.name, terms, results)
        if results:
            sections.append(shown(section, options.all))
        else:
            left_out.setdefault(f"{mechanism} over {transport}", {})[kind] = None
    for what, kinds_left_out in left_out.items():
        kinds_named = "all types" if len(kinds_left_out) == len(kinds) else ", ".join(kinds_left_out)
        print(f"not checked with {what}, because the driver does not have it: {kinds_named}")
    if len(sections) > 1:
        results = [result for section in sections for result in section.results]
        print(f"all {len(sections)} sockets: {Section(driver.name, '', '', 0, False, results).summary}")
    return sections


async def check_pair(options: argparse.Namespace) -> list[Section]:
    """Every scenario between the sockets of two drivers, in both roles."""
    sections = []
    for binder, connecter in (options.driver, options.driver[::-1]):
        one, other = Driver(binder), Driver(connecter)
        with progress(len(matrix.cells(options.scenarios))) as done:
            results = await matrix.play_pair(one, other, options.scenarios, done)
        title = f"{one.name} binds, {other.name} connects"
        sections.append(shown(Section(title, "", "", 1, False, results), options.all))
    return sections


def credentials(mechanism: str, terms: Terms) -> tuple[Terms, dict[str, str | int]]:
    """Terms for a mechanism, and the options with which a driver makes a socket for them. A socket that binds is the
    server."""
    serves = not terms.dials
    terms = replace(terms, mechanism=mechanism.encode(), serves=serves)
    if mechanism == "PLAIN":
        terms = replace(terms, username=b"anna", password=b"secret")
        option = f"{terms.username.hex()}:{terms.password.hex()}"
        return terms, {"plain_server" if serves else "plain_client": option}
    if mechanism == "CURVE":
        server, client = keypair(b"\x01" * 32), keypair(b"\x02" * 32)
        if serves:
            terms = replace(terms, curve=boxes.Keys(*client, server[0]))
            return terms, {"curve_server": bytes(server[1]).hex()}
        terms = replace(terms, curve=boxes.Keys(*server))
        return terms, {"curve_client": ":".join(bytes(key).hex() for key in (*client, server[0]))}
    return terms, {}


def section_of(stack: str, terms: Terms, results: list[Result]) -> Section:
    """A section from what is known at the end of a run."""
    mechanism = terms.mechanism.decode("latin-1")
    return Section(stack, terms.kind, mechanism, terms.minor, terms.dials, results, bool(terms.path))


def shown(section: Section, whole: bool) -> Section:
    """The section, printed."""
    for line in text_of(section, whole):
        print(line)
    print(f"{section.title}: {section.summary}")
    counts = section.counts()
    if counts[Verdict.LIBZMQ]:
        print("~: as libzmq departs from the rule, too; that is no failure")
    if counts[Verdict.NOT_RUN] and not whole:
        print("--all says why some were not run")
    print(flush=True)
    return section


@contextmanager
def progress(total: int) -> Iterator[Done]:
    """Call the result with each case that is done: a bar shows it, on a terminal, if rich is installed."""
    if not sys.stderr.isatty() or not find_spec("rich"):
        yield lambda result: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def done(result: Result) -> None:
            bar.update(task, advance=1, description=f"{SIGNS[result.verdict]} {result.number} {result.name}")

        yield done


if __name__ == "__main__":
    run_tool(main)
