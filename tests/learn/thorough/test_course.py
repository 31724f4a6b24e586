"""Every wrong program is caught, and every solution passes every earlier step. Takes about four minutes."""

from pathlib import Path

import pytest

from minizmtp.learn.course import STEPS, Step
from minizmtp.learn.run import run_step
from tests.learn.test_learn import PATIENCE, check_wrong_program, command, solution
from tests.learn.wrong import WRONG, Wrong


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
async def test_a_solution_passes_the_steps_before(step: Step) -> None:
    for earlier in STEPS[: step.number - 1]:
        outcomes = await run_step(earlier, command(solution(step.number)), PATIENCE)
        assert [(earlier.name, outcome.result) for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.step}-{wrong.check}")
async def test_a_wrong_program_is_caught(wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    await check_wrong_program(wrong, tmp_path / "mine.py")
