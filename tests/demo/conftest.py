"""What the tests of the demo share: a part of the tour is played, and what it said is looked at."""

import io
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from minizmtp.demo.blocks import Block
from minizmtp.demo.stage import Stage
from minizmtp.demo.tour import PARTS, run_tour
from tests.demo.program import run_here

# Some claims compare measured times, and a busy machine can make them false. What is false in each try is false.
TRIES = 3


class Played(NamedTuple):
    """blocks: all that was said. text: as a terminal shows it. broken: the claims that did not come true."""

    blocks: list[Block]
    text: str
    broken: list[str]


@pytest.fixture
def play() -> Callable[[str], Awaitable[Played]]:
    async def play_part(name: str) -> Played:
        for _ in range(TRIES):
            file = io.StringIO()
            stage = Stage(file)
            came_true = await run_tour([part for part in PARTS if part.name == name], stage)
            assert came_true == (not stage.broken)
            if came_true:
                break
        return Played(stage.blocks, file.getvalue(), stage.broken)

    return play_part


class Toured(NamedTuple):
    """result: of the process, with what it printed before it named the page. page: that file."""

    result: subprocess.CompletedProcess[str]
    page: Path


@pytest.fixture(scope="session")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Toured:
    """The whole tour, once for all tests, because it takes long. A part may take long too, on a busy machine."""
    page = tmp_path_factory.mktemp("pages") / "tour.html"
    for _ in range(TRIES):
        result = run_here("import minizmtp.demo.tour; minizmtp.demo.tour.PATIENCE = 100", "--all", "--html", str(page))
        if result.returncode == 0:
            break
    result.stdout, found, _ = result.stdout.partition("\nThe page is in ")
    assert found, result.stderr
    return Toured(result, page)
