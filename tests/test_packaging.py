"""What the packages install and import."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.test_book import PACKAGE, READING_ORDER

ROOT = PACKAGE.parent
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
TOOLS = ("trace.", "html.", "tap.", "check.", "demo.")
LIBRARY = [module for module in READING_ORDER if not module.startswith(TOOLS)]


def third_party(path: Path) -> set[str]:
    """The top-level names that a file imports, except the standard library and its own package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    # _typeshed is part of the standard library's stubs, and only type checkers import it.
    return names - sys.stdlib_module_names - {"minizmtp", "minihttp", "_typeshed"}


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_imports_trio_alone(module: str) -> None:
    """And PyNaCl and h11, which are extras, in one module each."""
    allowed = {"trio"} | {"wire.curve": {"nacl"}, "wire.upgrade": {"h11"}}.get(module, set())
    assert third_party(PACKAGE.joinpath(*module.split(".")).with_suffix(".py")) <= allowed


@pytest.mark.slow
def test_minihttp_imports_what_is_installed_with_it() -> None:
    """publicsuffixlist is optional."""
    used: set[str] = set().union(*(third_party(path) for path in (ROOT / "minihttp").glob("*.py")))
    assert used <= {"trio", "h11", "idna", "publicsuffixlist"}
    assert {requirement.split(">")[0] for requirement in PROJECT["dependencies"]} == {"trio", "h11", "idna"}


@pytest.mark.parametrize("tool", ["demo", "tap"])
@pytest.mark.slow
def test_a_tool_without_its_libraries_says_how_to_get_them(tool: str) -> None:
    program = f"import sys, runpy; sys.modules['rich'] = None; runpy.run_module('minizmtp.{tool}', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (run.returncode, run.stderr) == (2, f"minizmtp.{tool} needs rich: pip install 'minizmtp[demo]'\n")


@pytest.mark.slow
def test_python_m_minizmtp_lists_tools_that_exist() -> None:
    run = subprocess.run([sys.executable, "-m", "minizmtp"], capture_output=True, text=True, timeout=60, cwd=ROOT)
    for line in run.stdout.splitlines():
        package = line.split()[2].replace(".", "/")
        assert ROOT.joinpath(package, "__main__.py").exists(), line


def test_python_m_examples_lists_every_example() -> None:
    run = subprocess.run([sys.executable, "-m", "examples"], capture_output=True, text=True, timeout=60, cwd=ROOT)
    named = [line.split()[2] for line in run.stdout.splitlines()]
    assert named == [f"examples.{path.stem}" for path in sorted(ROOT.joinpath("examples").glob("[a-z]*.py"))]


@pytest.mark.slow
def test_python_m_minihttp_fetches_a_url() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "minihttp", "http://127.0.0.1:1/"], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert run.returncode == 1
    assert run.stderr.startswith("ConnectError: ")
