"""The options and the tests that docs/SECURITY.md names exist."""

import importlib
import inspect
import re
from pathlib import Path

import minihttp
from minizmtp.options import OPTION_ROWS
from minizmtp.tap import __main__ as tap

ROOT = Path(__file__).parent.parent
TEXT = ROOT.joinpath("docs/SECURITY.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| **", "| what |"))
]


def test_the_table_has_a_row_for_each_kind_of_bound() -> None:
    assert len(ROWS) > 40
    assert all(len(row) == 4 for row in ROWS)
    assert TEXT.count("| what | bound | option | test |") == 1, "one table"


def test_each_row_names_a_test_that_exists() -> None:
    for what, _, _, test in ROWS:
        assert re.fullmatch(r"`[\w/]+::test_\w+`", test), f"{what}: no test"
        path, name = test.strip("`").split("::")
        text = ROOT.joinpath("tests", f"{path}.py").read_text("utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), f"{what}: there is no {test}"


def test_each_row_names_options_that_exist() -> None:
    for what, _, options, _ in ROWS:
        for option in re.findall(r"`([^`]+)`", options):
            assert exists(option), f"{what}: there is no {option}"


def exists(option: str) -> bool:
    """Whether it is a socket option, a parameter `function(name)` of minihttp, an option of the tap's command line, a
    constant, or a limit of the system."""
    if call := re.fullmatch(r"(\w+)\((\w+)\)", option):
        return call[2] in inspect.signature(getattr(minihttp, call[1])).parameters
    if option.startswith("tap "):
        return f'"{option.removeprefix("tap ")}"' in inspect.getsource(tap)
    if option.startswith(("minizmtp.", "minihttp.")):
        module, _, name = option.rpartition(".")
        return hasattr(importlib.import_module(module), name)
    return option in OPTION_ROWS or option == "ulimit -n"


def test_a_bound_that_is_an_options_default_has_its_number() -> None:
    default = {name: row.default for name, row in OPTION_ROWS.items()}
    said = {
        "handshake_ivl": f"{default['handshake_ivl'] // 1000} s",
        "maxunfinished": f"{default['maxunfinished'] >> 20} MiB",
    } | {name: str(default[name]) for name in ("backlog", "rcvhwm", "sndhwm")}
    for name, words in said.items():
        assert any(f"`{name}`" in options and bound.startswith(words) for _, bound, options, _ in ROWS), (name, words)
