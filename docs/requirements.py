"""Writes the table of requirements: each rule, and the tests that show it.

    requirements.toml      the rules, one by one                    ┐
    tests, interop_tests   @pytest.mark.requirement("37-22")        ┴──►  REQUIREMENTS.md

    python docs/requirements.py         rewrites REQUIREMENTS.md; tests/test_requirements.py fails if it is outdated

The tests aren't run; this program finds the citations in their source. A citation may be on a function or a class, in
`pytestmark`, on one case of a parametrized test, in a list or decorator with a name at the top of the module, or an
argument of a function in the module that makes such a mark:

    >>> source = '''
    ... def case(octets, *rules):
    ...     return pytest.param(octets, marks=pytest.mark.requirement(*rules))
    ...
    ... CASES = [case(b"A", "37-21"), pytest.param(b"B", marks=pytest.mark.requirement("37-22"))]
    ...
    ... @pytest.mark.requirement("L-6")
    ... class TestFrames:
    ...     @pytest.mark.parametrize("octets", CASES)
    ...     def test_refused(self, octets): ...
    ... '''
    >>> cited_in(source)
    {'TestFrames::test_refused': ['L-6', '37-21', '37-22']}
"""

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs/requirements.toml"
DOCUMENT = ROOT / "docs/REQUIREMENTS.md"
TESTS = ["tests", "interop_tests"]
COMMAND = "python docs/requirements.py"

ID = r"(?:2[4-9]|3[0-27]|45|L|D|trap)-\d+"

Test = ast.FunctionDef | ast.AsyncFunctionDef


class Row(NamedTuple):
    """One rule. libzmq, we and why_untested may be ""; only traps have rows."""

    id: str
    chapter: str
    rule: str
    section: str = ""
    libzmq: str = ""
    we: str = ""
    rows: tuple[str, ...] = ()
    why_untested: str = ""


class Chapter(NamedTuple):
    """One RFC, or another source of rules. why_untested applies to each row without a test and without its own reason,
    if the whole chapter isn't implemented yet."""

    title: str
    link: str = ""
    why_untested: str = ""


# ---------------------------------------------------------------------------------------------------------- the rules


def read_table(path: Path = TABLE) -> tuple[dict[str, Chapter], dict[str, Row]]:
    """Read the chapters and rows, in the order of the file."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    chapters = {name: Chapter(**fields) for name, fields in data.pop("chapters").items()}
    rows = {}
    for row_id, fields in data.items():
        fields["rows"] = tuple(fields.get("rows", ()))
        rows[row_id] = Row(row_id, row_id.rpartition("-")[0], **fields)
    return chapters, rows


# ---------------------------------------------------------------------------------------------------------- the tests


def read_citations(root: Path = ROOT) -> dict[str, list[str]]:
    """{test: the rules that it cites}, with pytest's name of each test, path::name."""
    found = {}
    for folder in TESTS:
        for path in sorted((root / folder).rglob("test_*.py")):
            name = path.relative_to(root).as_posix()
            for test, rules in cited_in(path.read_text(encoding="utf-8"), name).items():
                found[f"{name}::{test}"] = rules
    return found


def cited_in(source: str, filename: str = "<source>") -> dict[str, list[str]]:
    """{test: rules} for the source of one module, without the tests that cite no rule."""
    module = ast.parse(source, filename)
    finder = Finder(module)
    found = {}
    for name, nodes in tests_of(module.body, marks_of(module.body)):
        rules = [rule for node in nodes for rule in finder.rules(node)]
        if rules:
            found[name] = list(dict.fromkeys(rules))
    return found


def marks_of(body: list[ast.stmt]) -> list[ast.expr]:
    """The values of `pytestmark` in a module or class."""
    return [value for name, value in assignments(body) if name == "pytestmark"]


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) for each name = value and name: type = value."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def tests_of(body: list[ast.stmt], outer: list[ast.expr]) -> Iterator[tuple[str, list[ast.expr]]]:
    """Each test with all expressions that may mark it. outer: the expressions of its class or module."""
    for statement in body:
        if isinstance(statement, Test) and statement.name.startswith("test"):
            yield statement.name, [*outer, *reversed(statement.decorator_list)]
        elif isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            around = [*outer, *statement.decorator_list, *marks_of(statement.body)]
            for name, nodes in tests_of(statement.body, around):
                yield f"{statement.name}::{name}", nodes


class Finder:
    """Finds the rules in an expression of one module."""

    def __init__(self, module: ast.Module) -> None:
        self._values = dict(assignments(module.body))
        functions = [statement for statement in module.body if isinstance(statement, Test)]
        # The functions that make a mark of their arguments, and those that pass them to such a function.
        self._makers: set[str] = set()
        while more := [f.name for f in functions if f.name not in self._makers and self._makes_marks(f)]:
            self._makers.update(more)

    def _makes_marks(self, function: Test) -> bool:
        calls = [node for line in function.body for node in ast.walk(line) if isinstance(node, ast.Call)]
        return any(is_mark(call) or self._is_maker(call) for call in calls)

    def _is_maker(self, call: ast.Call) -> bool:
        return isinstance(call.func, ast.Name) and call.func.id in self._makers

    def rules(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """The rules cited in a node, and in the objects that it names."""
        if isinstance(node, ast.Call) and is_mark(node):
            yield from map(literal, node.args)
            return
        if isinstance(node, ast.Call) and self._is_maker(node):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and re.fullmatch(ID, str(argument.value)):
                    yield str(argument.value)
        if isinstance(node, ast.Name) and node.id in self._values and node.id not in seen:
            yield from self.rules(self._values[node.id], seen | {node.id})
        for child in ast.iter_child_nodes(node):
            yield from self.rules(child, seen)


def is_mark(call: ast.Call) -> bool:
    """Whether the call is pytest.mark.requirement(…)."""
    return ast.unparse(call.func) in ("pytest.mark.requirement", "mark.requirement")


def literal(node: ast.expr) -> str:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise ValueError(f"line {node.lineno}: pytest.mark.requirement({ast.unparse(node)}): required is text")
    return node.value


def mentions_in(folder: Path) -> dict[str, set[str]]:
    r"""{id: files} for each id of a rule in the sources below a folder.

    >>> re.findall(MENTION, "more than 2^31-1 (37-35, L-6), 37-36 … 37-38, 2024-31-12, 28-")
    ['37-35', 'L-6', '37-36', '37-38']
    """
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        for mention in re.findall(MENTION, path.read_text(encoding="utf-8")):
            found.setdefault(mention, set()).add(path.relative_to(folder.parent).as_posix())
    return found


MENTION = rf"(?<![\w^.-]){ID}(?![\w-])"


# ------------------------------------------------------------------------------------------------------- the document


class Requirements:
    """The rules with their tests."""

    def __init__(self, chapters: dict[str, Chapter], rows: dict[str, Row], citations: dict[str, list[str]]) -> None:
        self.chapters = chapters
        self.rows = rows
        self.citations = citations
        self.tests: dict[str, list[str]] = {row: [] for row in rows}
        for test, rules in citations.items():
            for rule in rules:
                self.tests.setdefault(rule, []).append(test)

    def shown(self, row: Row) -> bool:
        """Whether a test shows the row. A trap is also shown if tests show all rules that it is about."""
        return bool(self.tests[row.id]) or (bool(row.rows) and all(self.shown(self.rows[rule]) for rule in row.rows))

    def reason(self, row: Row) -> str:
        """The reason why there is no test, or "" if there is one or should be one."""
        if self.shown(row):
            return ""
        if row.rows and all(self.shown(self.rows[rule]) or self.reason(self.rows[rule]) for rule in row.rows):
            return f"As {', '.join(row.rows)}"
        return row.why_untested or self.chapters[row.chapter].why_untested

    def open(self) -> list[str]:
        """The rows with neither a test nor a reason."""
        return [row.id for row in self.rows.values() if not self.shown(row) and not self.reason(row)]

    def unknown(self) -> dict[str, list[str]]:
        """{id: tests} for the cited rules that don't exist."""
        return {rule: tests for rule, tests in self.tests.items() if rule not in self.rows}


def read() -> Requirements:
    return Requirements(*read_table(), read_citations())


def write_document(requirements: Requirements) -> str:
    """The text of REQUIREMENTS.md."""
    lines = [
        "# Requirements",
        "",
        f"The rules that this project follows, and the tests that show each of them. `{COMMAND}` writes this page from",
        "[requirements.toml](requirements.toml) and from the tests, which cite a rule as",
        '`@pytest.mark.requirement("37-22")`; sources cite it as (37-22). The numbers are this project\'s own.',
        "The column *libzmq → we* has an entry if libzmq 4.3 differs from the rule; after → is what we do.",
        "",
        "| | rows | shown by tests | untested, with a reason | neither |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    chapters = {
        name: [row for row in requirements.rows.values() if row.chapter == name] for name in requirements.chapters
    }
    for name, rows in chapters.items():
        title = requirements.chapters[name].title
        lines.append(f"| [{title}](#{anchor(title)}) | {counts(requirements, rows)} |")
    lines += [f"| **all** | {counts(requirements, list(requirements.rows.values()))} |", ""]
    if still := requirements.open():
        lines += [*textwrap.wrap(f"Neither test nor reason: {', '.join(still)}.", 120, break_on_hyphens=False), ""]
    for name, rows in chapters.items():
        lines += write_chapter(requirements, requirements.chapters[name], rows)
    return "\n".join(lines)


def counts(requirements: Requirements, rows: list[Row]) -> str:
    shown = sum(requirements.shown(row) for row in rows)
    reasons = sum(bool(requirements.reason(row)) for row in rows)
    return f"{len(rows)} | {shown} | {reasons} | {len(rows) - shown - reasons}"


def write_chapter(requirements: Requirements, chapter: Chapter, rows: list[Row]) -> list[str]:
    lines = [f"## {chapter.title}", ""]
    if chapter.link:
        lines += [f"<{chapter.link}>", ""]
    if chapter.why_untested:
        lines += [f"{chapter.why_untested}.", ""]
    where = "about" if any(row.rows for row in rows) else "section"
    lines += [f"| | rule | {where} | libzmq → we | tests |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        about = ", ".join(row.rows) or row.section
        departs = f"{row.libzmq} → {row.we}" if row.libzmq and row.we else row.libzmq or (row.we and f"→ {row.we}")
        tests = "<br>".join(map(link, requirements.tests[row.id]))
        reason = requirements.reason(row)
        cells = [row.id, cell(row.rule), cell(about), cell(departs), tests or (f"*{cell(reason)}*" if reason else "")]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def cell(text: str) -> str:
    """Text escaped for a cell of a table."""
    return text.replace("|", "\\|")


def link(test: str) -> str:
    """A test as a link to its file.

    >>> link("tests/minizmtp/wire/test_frames.py::test_a_frame")
    '[wire/test_frames.py::test_a_frame](../tests/minizmtp/wire/test_frames.py)'
    """
    path, _, name = test.partition("::")
    short = "/".join(path.split("/")[-2:])
    return f"[{short}::{name}](../{path})"


def anchor(title: str) -> str:
    """The anchor of a heading.

    >>> anchor("37/ZMTP: the wire, version 3.1")
    '37zmtp-the-wire-version-31'
    """
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    DOCUMENT.write_text(write_document(read()), encoding="utf-8")
