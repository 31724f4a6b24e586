"""What the tests of the demo share: a part of the tour is played, and what it said is looked at."""

import io
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from minizmtp.demo.blocks import Block
from minizmtp.demo.stage import Stage
from minizmtp.demo.tour import PARTS, run_tour


class Played(NamedTuple):
    """blocks: all that was said. text: as a terminal shows it. broken: the claims that did not come true."""

    blocks: list[Block]
    text: str
    broken: list[str]


@pytest.fixture
def play() -> Callable[[str], Awaitable[Played]]:
    async def play_part(name: str) -> Played:
        file = io.StringIO()
        stage = Stage(file)
        came_true = await run_tour([part for part in PARTS if part.name == name], stage)
        assert came_true == (not stage.broken)
        return Played(stage.blocks, file.getvalue(), stage.broken)

    return play_part
