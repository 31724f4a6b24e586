"""Each recipe runs as it stands: a program that ends by itself, complains of nothing, and shows what it survived."""

import os
import re
import socket
import subprocess
import sys

import pytest

from examples import places

# What each program prints when it fails, and when it has recovered.
SAYS = {
    "lazy_pirate": ["server: the server died while it worked", "client: b'three' → [b'THREE']"],
    "broker": ["died while working on", "client: b'three' → leaves", "client: b'six' → [b'SIX']"],
    "paranoid_pirate": ["silent for 0.3 s: dropped", "queue: dies", "client: b'request 5' → [b'REQUEST 5']"],
    "last_value_cache": ["and is gone", "second subscriber, to b'us':\n    [b'us', b'snow']\n"],
    "late_joiner": ["replica: a snapshot, up to change", "publisher: dies", "replica: change 4: us = calm"],
    "pipeline": ["worker: killed", "missing: ", "sink: 20 results", ", TASK 19\n"],
    "actors": ["crash 1 of 3", "has {2: 4, 3: 9, 7: 49, 8: 64}", "parent: both actors have ended: cannot compute"],
}


@pytest.fixture(scope="module")
def ran() -> dict[str, tuple[str, str, int | None]]:
    """stdout, stderr and exit code of each. They run side by side, because most of their time is pauses."""
    programs = {
        name: subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-m", f"examples.{name}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        for name in SAYS
    }
    try:
        return {name: (*program.communicate(timeout=60), program.returncode) for name, program in programs.items()}
    finally:
        for program in programs.values():
            program.kill()


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_a_recipe_runs(name: str, ran: dict[str, tuple[str, str, int | None]]) -> None:
    out, err, code = ran[name]
    assert (err, code) == ("", 0)
    for words in SAYS[name]:
        assert words in out


def test_without_unix_sockets_the_places_are_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    one, other = places("", "front", "back")
    assert one != other
    assert re.fullmatch(r"tcp://127\.0\.0\.1:\d+", one)
