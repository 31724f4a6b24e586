"""The package is read as a book: these tests check its reading order, its layers and its docstrings."""

import ast
import doctest
import importlib
import inspect
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

import minizmtp

(PACKAGE,) = (Path(folder) for folder in minizmtp.__path__)

# The reading order: a chapter only uses modules that come before it. A new module gets a place here.
READING_ORDER = """
    errors error constants extras __main__

    wire.layout wire.greeting wire.body wire.frames wire.events wire.batches wire.commands wire.metadata wire.mechanisms
    wire.assembler wire.decryptor wire.encoder wire.connection wire.plain wire.curve wire.z85
    wire.websocket wire.zws wire.upgrade wire.switched

    sockopts habits options

    patterns.queue patterns.pipe patterns.ahead patterns.routing patterns.pattern patterns.pipeline patterns.pair
    patterns.subscriptions patterns.runs patterns.fanout patterns.notices patterns.subscribers patterns.requests
    patterns.pubsub patterns.reqrep patterns.router
    patterns.drafts patterns.scattergather patterns.channel patterns.clientserver patterns.radiodish

    net.endpoints net.addresses net.transports net.parting net.tls net.looking net.runlimits net.reactor net.portable
    net.states net.writer net.heartbeat net.pulse net.engine net.security net.advice net.reports net.link net.session
    net.connector net.acceptor net.inproc net.runtime

    sockets.monitor sockets.links sockets.waiters sockets.changes sockets.sender sockets.socket sockets.drafts
    sockets.zap sockets.context sockets.poller sockets.proxy

    certificates auth

    trace.spans trace.curve trace.fields trace.naming trace.zmtp trace.ws trace.http trace.both trace.reasons
    trace.records trace.story

    html.conversation html.plots html.page html.__main__

    tap.relay tap.pcap tap.show tap.screen tap.conversation tap.page tap.ear tap.watch tap.__main__

    check.octets check.boxes check.peer check.web check.program check.driver check.case check.greeting
    check.framing check.commands check.null check.heartbeat check.reqrep check.pubsub check.pipeline check.dialling
    check.plain check.curve check.websocket check.target check.run check.scenarios check.matrix check.report
    check.page check.__main__

    learn.program learn.lessons learn.course learn.libzmq learn.hook learn.progress learn.run learn.__main__

    demo.blocks demo.terminal demo.stage demo.relay demo.ends
    demo.every_byte demo.waiting demo.pubsub demo.dispatch demo.patterns demo.transports demo.first demo.many demo.wrong
    demo.numbers demo.libzmq demo.meet demo.answer demo.tour demo.plots demo.page demo.live demo.__main__
""".split()  # noqa: SIM905

# The layers below trio: bytes, and messages.
WITHOUT_IO = [module for module in READING_ORDER if module.startswith(("wire.", "patterns.", "net.heartbeat"))]
DOES_IO = {"trio", "anyio", "asyncio", "threading", "socket", "ssl", "select", "selectors", "time"}

every_module = pytest.mark.parametrize("module", READING_ORDER)


def source(module: str) -> str:
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")


def loaded(module: str) -> ModuleType:
    return importlib.import_module(f"minizmtp.{module}")


# A session calls the links it belongs to, and links make sessions, so a session imports their names for types only. So
# it is with an engine and its session, and with the parts of an engine.
MEET_THEIR_OWNERS = {
    *("net.writer", "net.pulse", "net.engine"),
    *("net.link", "net.session", "net.connector", "net.acceptor", "net.inproc", "net.runtime"),
}


def without_type_checking(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes except those of an `if TYPE_CHECKING:` at the top of the module, because it never runs."""
    for statement in tree.body:
        if not is_for_types(statement):
            yield from ast.walk(statement)


def is_for_types(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    )


def imported(module: str, *, is_package: bool = False) -> set[str]:
    """The full name of everything that a module imports, anywhere: `minizmtp.wire.events.Item`, `trio`, …"""
    here = ["minizmtp", *module.split(".")] if module else ["minizmtp"]
    text = source(module) if not is_package else PACKAGE.joinpath(*here[1:], "__init__.py").read_text("utf-8")
    names: set[str] = set()
    for node in without_type_checking(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = node.level - is_package
            base = here[: len(here) - up] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


@cache
def modules_behind(name: str) -> frozenset[str]:
    """The modules of the book that an imported name comes from.

    `wire.events.Item` comes from one module, and `wire.Item` from all modules that `wire/__init__.py` imports.
    """
    parts = name.split(".")
    if parts[0] != "minizmtp":
        return frozenset()
    for first in parts[1:2]:  # empty for `import minizmtp`, which stands for all modules that its `__init__.py` imports
        assert first in {module.split(".")[0] for module in READING_ORDER} or not (PACKAGE / f"{first}.py").exists(), (
            f"{first} has no place in READING_ORDER"
        )
    for length in range(len(parts), 0, -1):
        found = ".".join(parts[1:length])
        if found in READING_ORDER:
            return frozenset({found})
        if PACKAGE.joinpath(*parts[1:length], "__init__.py").exists():
            return frozenset().union(*(modules_behind(inner) for inner in imported(found, is_package=True)))
    raise AssertionError(f"{name} is nowhere in the book")


# ------------------------------------------------------------------------------------------------------------ order


def test_every_module_has_its_place_in_the_reading_order() -> None:
    """The `__init__` files are exempt, because they are the maps of the book."""
    modules = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert modules == set(READING_ORDER)
    assert len(READING_ORDER) == len(set(READING_ORDER))


@every_module
def test_only_parts_of_a_link_import_for_types_alone(module: str) -> None:
    """Such imports allow two modules to depend on each other, which the reading order should prevent."""
    blocks = [statement for statement in ast.parse(source(module)).body if is_for_types(statement)]
    ours = [node for block in blocks for node in ast.walk(block) if isinstance(node, ast.ImportFrom) and node.level]
    assert bool(ours) == (module in MEET_THEIR_OWNERS)


@every_module
def test_imports_point_backwards(module: str) -> None:
    already_read = set(READING_ORDER[: READING_ORDER.index(module)])
    used = frozenset().union(*(modules_behind(name) for name in imported(module)))
    assert used <= already_read, f"{module} uses {used - already_read} before its chapter"


# A package, which stands before its first module.
FIRST_PAGES = {"net": "net.endpoints"}


@every_module
def test_read_next_points_forwards(module: str) -> None:
    """*Read next* names a later module, relative to the chapter's package or to the top."""
    sentence = re.search(r"Read next: (.*?)(?:\n\n|\Z)", loaded(module).__doc__ or "", re.DOTALL)
    if sentence is None:
        assert "It can be read alone." in (loaded(module).__doc__ or ""), f"{module} does not say what to read next"
        return
    folder = module.rpartition(".")[0]
    for name in re.findall(r"`([\w.]+)`", sentence[1]):
        if name.startswith("minihttp"):
            continue
        place = f"{folder}.{name}" if f"{folder}.{name}" in READING_ORDER else FIRST_PAGES.get(name, name)
        assert place in READING_ORDER, f"{module} sends its reader to {name}, which does not exist"
        assert READING_ORDER.index(place) > READING_ORDER.index(module), f"{module} sends its reader back to {name}"


@pytest.mark.parametrize("package", ["wire", "patterns", "net", "sockets", "trace"])
def test_a_map_names_its_chapters_in_order(package: str) -> None:
    chapters = [module.split(".")[1] for module in READING_ORDER if module.startswith(f"{package}.")]
    text = loaded(package).__doc__ or ""
    rows = re.findall(r"^    (\w+(?:, \w+)*)  ", text, re.MULTILINE)
    assert [name for row in rows for name in row.split(", ") if name in chapters] == chapters


# ----------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("module", WITHOUT_IO)
def test_bytes_and_messages_know_no_io_and_no_clock(module: str) -> None:
    assert not {name.split(".")[0] for name in imported(module)} & DOES_IO


@pytest.mark.parametrize("module", [module for module in READING_ORDER if module.startswith("wire.")])
def test_the_wire_knows_nothing_of_what_is_above_it(module: str) -> None:
    used = frozenset().union(*(modules_behind(name) for name in imported(module)))
    assert all(name in ("errors", "constants") or name.startswith("wire.") for name in used)


@pytest.mark.parametrize("module", [module for module in READING_ORDER if module.startswith("patterns.")])
def test_patterns_know_of_the_wire_only_its_events(module: str) -> None:
    names = {name for name in imported(module) if name.startswith("minizmtp.wire")}
    assert all(name.startswith("minizmtp.wire.events.") for name in names)


def test_only_the_engine_holds_a_stream_and_reads_a_connection() -> None:
    """Other modules that import Connection, such as the session, read no events from it. The exceptions are the trace,
    which reads events of its own Connection and of one of h11's, and a connection over WebSocket, which reads those of
    its upgrade."""
    readers = {
        module
        for module in READING_ORDER
        if re.search(r"\.next_event\(\)|\.data_to_send\(\)", re.sub(r'""".*?"""', "", source(module), flags=re.DOTALL))
    }
    assert readers == {"wire.upgrade", "wire.switched", "net.engine", "trace.zmtp", "trace.http", "demo.every_byte"}


# ------------------------------------------------------------------------------------------------------------ prose


@every_module
def test_a_module_opens_like_a_chapter(module: str) -> None:
    text = loaded(module).__doc__ or ""
    assert len(text.split()) >= 40, f"{module} says too little about itself"
    first = text.splitlines()[0]
    assert re.match(r"\S.*[.?:](  |$)|\S.*\S  ", first), f"{module} does not open with a sentence: {first}"


@pytest.mark.parametrize("module", [*WITHOUT_IO, "options", "net.endpoints", "net.transports", "net.engine"])
def test_a_chapter_names_where_its_rules_come_from(module: str) -> None:
    assert re.search(r"\b(37/ZMTP|RFC|2[3-9]/|3[01]/|28 to 31|libzmq|\w+\(\d\)|[23]\d-\d|L-\d)", source(module))


def has_example(module: ModuleType) -> bool:
    return any(test.examples for test in doctest.DocTestFinder().find(module))


@pytest.mark.parametrize("module", [module for module in WITHOUT_IO if module != "patterns.pattern"])
def test_a_chapter_without_network_has_an_example_that_runs(module: str) -> None:
    """Except `pattern`, which is the base of the others and does nothing by itself."""
    assert has_example(loaded(module))


@cache
def protocols() -> list[type]:
    """Every Protocol of the package; a class that implements one need not document its methods again."""
    return [
        thing
        for module in READING_ORDER
        for thing in list(vars(loaded(module)).values())
        if isinstance(thing, type) and issubclass(thing, Protocol) and thing is not Protocol  # type: ignore[arg-type]
    ]


def is_obvious(owner: type, name: str) -> bool:
    """Whether a method needs no docstring, because it overrides a method or implements a Protocol."""
    return any(name in vars(other) for other in [*owner.__mro__[1:], *protocols()])


def body_lines(thing: object) -> int:
    """The number of lines below the signature."""
    function = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(inspect.unwrap(function))))
    (node,) = tree.body
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return node.body[-1].end_lineno - node.body[0].lineno + 1  # type: ignore[operator]


@every_module
def test_everything_public_says_what_it_is(module: str) -> None:
    """Functions and classes always; methods unless they override a documented one, or are only a few lines long."""
    here = loaded(module)
    silent = []
    for name, thing in list(vars(here).items()):
        if name.startswith("_") or getattr(thing, "__module__", "") != here.__name__:
            continue
        if inspect.isfunction(thing) and not thing.__doc__:
            silent.append(name)
        if not inspect.isclass(thing):
            continue
        if "__doc__" not in vars(thing) or not thing.__doc__:
            silent.append(name)
        for inner, method in list(vars(thing).items()):
            is_method = inspect.isfunction(method) or isinstance(method, (property, classmethod, staticmethod))
            if inner.startswith("_") or not is_method or method.__doc__ or is_obvious(thing, inner):
                continue
            if body_lines(method) > 2:
                silent.append(f"{name}.{inner}")
    assert silent == []


@pytest.mark.parametrize("folder", ["minizmtp", "minihttp", "examples", "tests", "interop_tests", "benchmarks"])
def test_no_file_contains_a_path_of_a_machine(folder: str) -> None:
    machine = re.compile(r"/(?:home|work|root|Users|opt|build|venv)/\w")
    for path in (PACKAGE.parent / folder).rglob("*.py"):
        found = machine.search(path.read_text("utf-8"))
        assert not found, f"{path.name} spells {found[0] if found else ''}"


# ----------------------------------------------------------------------------------------------------------- README

README = (PACKAGE.parent / "README.md").read_text("utf-8")


def test_the_readme_lists_every_module_in_reading_order() -> None:
    """Except the demo, which has its own section, and the examples, which are programs beside the package."""
    listed = re.findall(r"^\| ●? ?\| \[`([a-z0-9_.]+)`\]", README, re.MULTILINE)
    library = [module for module in listed if not module.startswith("examples.")]
    assert library == [module for module in READING_ORDER if not module.startswith("demo.")]


def test_the_readme_points_to_files_that_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (PACKAGE.parent / target).exists(), target


PATH = re.findall(r"^\| \d+ \| \[`([a-z0-9_./]+)`\]\((.*?)\)", README, re.MULTILINE)


def test_the_afternoon_path_is_an_afternoons_reading() -> None:
    assert [name for name, _ in PATH][:2] == ["stories/reqrep.txt", "wire.greeting"]
    lines = {name: len((PACKAGE.parent / file).read_text("utf-8").splitlines()) for name, file in PATH}
    assert len(lines) == 15
    assert sum(lines.values()) <= 2500, lines


@pytest.mark.parametrize(("name", "following"), list(itertools.pairwise([name for name, _ in PATH[1:]])))
def test_each_chapter_of_the_path_names_the_next_one_first(name: str, following: str) -> None:
    sentence = re.search(r"Read next: `([\w.]+)`", loaded(name).__doc__ or "")
    assert sentence is not None
    folder = (loaded(name).__package__ or "").removeprefix("minizmtp.")
    assert following in (sentence[1], f"{folder}.{sentence[1]}")


@pytest.mark.slow
def test_the_programs_in_the_readme_print_what_it_says() -> None:
    program, printed = re.findall(r"```python\n(import.*?)```\n\n```\n(.*?)```", README, re.DOTALL)[0]
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == printed


def test_ci_runs_the_readmes_test_command() -> None:
    command = next(line for line in README.splitlines() if line.endswith("-m pytest"))
    assert command in (PACKAGE.parent / ".ci" / "run").read_text("utf-8").splitlines()
