"""The name of a test is a short sentence, because long names aren't read."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 60


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["tests", "interop_tests"])
def test_names_of_tests_are_short(folder: str) -> None:
    names = [
        node.name
        for path in (ROOT / folder).rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert len(names) > 100
    assert [name for name in names if len(name) > LONGEST] == []
