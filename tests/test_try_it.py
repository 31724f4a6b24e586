"""Chapters end with a change to try, and each does what the chapter predicts."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import minizmtp
from minizmtp import SocketType
from minizmtp.errors import ProtocolError

(PACKAGE,) = (Path(folder) for folder in minizmtp.__path__)
SENTENCE = re.compile(r"Try it: in `([\w.]+)`, write `([^`]+)` for `([^`]+)`\.")


def groups_are_turned_around(module: ModuleType) -> bool:
    return bool(module.encode(bytes.fromhex("864fd26fb559f75b")) == b"olleHdlroW")


def libzmq_seems_to_have_no_type(module: ModuleType) -> bool:
    small, libzmq = (module.decode_metadata(module.encode_metadata({name: b"PULL"})) for name in NAMES)
    try:
        module.check_metadata(libzmq, SocketType.REQ)
    except ProtocolError:
        return False
    return b"socket-type" in small and b"socket-type" not in libzmq


NAMES = (b"socket-type", b"Socket-Type")
PREDICTIONS: dict[str, Callable[[ModuleType], bool]] = {
    "wire.metadata": libzmq_seems_to_have_no_type,
    "wire.z85": groups_are_turned_around,
}


@pytest.fixture
def changed() -> Iterator[Callable[[str], ModuleType]]:
    """Makes a module whose source has the change that its chapter names."""
    names = []

    def make(name: str) -> ModuleType:
        path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
        chapter = " ".join((importlib.import_module(f"minizmtp.{name}").__doc__ or "").split())
        [(where, new, old)] = SENTENCE.findall(chapter)
        code, start = path.read_text("utf-8"), 0
        for part in where.split("."):
            start = code.index(f"{'class' if part[0].isupper() else 'def'} {part}", start)
        at = code.index(old, start)
        assert "\n\n\n" not in code[start:at], f"{old} is not in {where}"
        module = ModuleType(f"minizmtp.{name}_changed")
        names.append(module.__name__)
        sys.modules[module.__name__] = module
        module.__package__ = f"minizmtp.{name}".rpartition(".")[0]
        exec(compile(code[:at] + new + code[at + len(old) :], str(path), "exec"), vars(module))
        return module

    yield make
    for name in names:
        del sys.modules[name]


def test_every_change_to_try_has_a_prediction() -> None:
    found = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if "Try it: in" in path.read_text("utf-8")
    }
    assert found == set(PREDICTIONS)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_the_change_does_what_the_chapter_says(name: str, changed: Callable[[str], ModuleType]) -> None:
    assert not PREDICTIONS[name](importlib.import_module(f"minizmtp.{name}"))
    assert PREDICTIONS[name](changed(name))
