"""The course: its solutions pass, wrong programs are caught, and its texts fit its checks."""

import difflib
import re
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import trio

from minizmtp.learn import __main__ as command_line
from minizmtp.learn import hook
from minizmtp.learn.course import STEPS, Step
from minizmtp.learn.run import Outcome, run_check, run_step
from tests.learn.wrong import WRONG, Wrong

SOLUTIONS = Path(__file__).with_name("solutions")
PATIENCE = 4.0
SHORT = 1.0  # where a failure is expected


def told_by(outcome: Outcome) -> str:
    result = outcome.result
    return " ".join([result.expected + "; came:", result.came, outcome.ended, *outcome.words])


every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)


def solution(number: int) -> Path:
    return SOLUTIONS / f"step{number:02}.py"


def command(path: Path) -> list[str]:
    return [sys.executable, str(path)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@every_step
async def test_a_solution_passes_its_own_step(step: Step) -> None:
    """All earlier steps: see `thorough`."""
    outcomes = await run_step(step, command(solution(step.number)), PATIENCE)
    assert [outcome.result for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == len(step.checks)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
async def test_the_solution_before_fails_a_step(step: Step) -> None:
    outcomes = await run_step(step, command(solution(step.number - 1)), SHORT)
    assert not all(outcome.passed for outcome in outcomes)


@every_step
def test_a_solution_adds_at_most_60_lines(step: Step) -> None:
    before = [] if step.number == 1 else solution(step.number - 1).read_text("utf-8").splitlines()
    after = solution(step.number).read_text("utf-8").splitlines()
    added = [line for line in difflib.ndiff(before, after) if line.startswith("+ ")]
    assert len(added) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_a_wrong_program_is_told_what_is_wrong(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of each step. All of them: see `thorough`."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    await check_wrong_program(next(wrong for wrong in WRONG if wrong.step == step.number), tmp_path / "mine.py")


def write_wrong_program(wrong: Wrong, program: Path) -> None:
    source = solution(wrong.step).read_text("utf-8")
    assert wrong.old in source
    program.write_text("PARTS = []\n" + source.replace(wrong.old, wrong.new), "utf-8")


async def check_wrong_program(wrong: Wrong, program: Path) -> None:
    write_wrong_program(wrong, program)
    checks = [check for check in STEPS[wrong.step - 1].checks if check.case.name() == wrong.check]
    minor = int(wrong.step >= 10)
    outcomes = [await run_check(check, command(program), minor, SHORT) for check in checks]
    told = [told_by(outcome) for outcome in outcomes if not outcome.passed]
    assert any(wrong.told in each for each in told), told


def test_every_wrong_program_is_told_something() -> None:
    assert [wrong.check for wrong in WRONG if len(wrong.told) < 10] == []


@every_step
def test_ten_wrong_programs_are_tried_for_a_step(step: Step) -> None:
    assert sum(wrong.step == step.number for wrong in WRONG) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS[:4], ids=lambda step: step.name)
async def test_the_first_four_steps_pass_in_javascript(step: Step) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")
    outcomes = await run_step(step, [node, str(SOLUTIONS / "mine.js")], PATIENCE)
    assert [outcome.result for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == len(step.checks)


# --------------------------------------------------------------------------------------------------------------- hooks


@pytest.mark.slow
@pytest.mark.parametrize("end", ["libzmq", "minizmtp"])
@every_step
async def test_the_hook_of_a_step_works(step: Step, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if end == "minizmtp":
        monkeypatch.setattr(hook, "find_spec", lambda name: find_spec(name) if name != "zmq" else None)
    *said, last = await hook.show(step, command(solution(step.number)))
    assert last.startswith("★ "), last
    assert f"{end} " in last
    without = ["pyzmq is not installed, so a socket of minizmtp is at the other end: pip install pyzmq"]
    assert said == (without if end == "minizmtp" else [])


async def test_a_hook_that_fails_says_what_came(program: Callable[[str], list[str]]) -> None:
    silent = program(solution(3).read_text("utf-8").replace("write_line(self.message())", "self.message()"))
    (said,) = await hook.show(STEPS[2], silent)
    assert said == (
        "The step has passed, but not everything worked with the other end: "
        "expected a line on standard output, flushed; came: nothing in 5 s"
    )


# --------------------------------------------------------------------------------------------------------------- texts


@every_step
def test_a_text_has_its_four_parts(step: Step) -> None:
    parts = re.findall(r"^## (.*)$", step.text, re.MULTILINE)
    assert parts == ["Hook", "Explanation", "What will be tested", "Notes"]
    assert step.text.startswith(f"# Step {step.number}: {step.title}\n")


@every_step
def test_a_text_has_at_most_two_screens(step: Step) -> None:
    lines = step.text.splitlines()
    assert len(lines) <= 90
    assert max(map(len, lines)) <= 120


@every_step
def test_checks_point_to_headings_of_the_text(step: Step) -> None:
    headings = set(re.findall(r"^### (.*)$", step.text, re.MULTILINE))
    assert {check.part for check in step.checks} <= headings


@every_step
def test_chapters_that_a_text_names_exist(step: Step) -> None:
    top = Path(__file__).parents[2]
    named = re.findall(r"`(minizmtp/\S+\.py)`", step.text)
    assert named
    assert [name for name in named if not (top / name).exists()] == []


# -------------------------------------------------------------------------------------------------------- command line


def test_the_overview_names_the_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "minizmtp-learn.txt").write_text("# a comment\n1  greeting\n", "utf-8")
    assert command_line.main([], tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(" ✓  1  greeting")
    assert lines[1].startswith(" →  2  frames")
    assert lines[-1] == "Next: python -m minizmtp.learn show 2"


def test_show_prints_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["show", "greeting"]) == 0
    assert capsys.readouterr().out.startswith("# Step 1: The greeting\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "12"], "there is no step 12; there are 1 greeting, 2 frames"),
        (["check", "1"], "expected -- and the command that runs your program"),
        (["check", "1", "python", "mine.py"], "the command that runs your program stands after --"),
    ],
)
def test_a_wrong_command_line_says_what_to_write(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], list[str]]:
    def write(source: str) -> list[str]:
        path = tmp_path / "mine.py"
        path.write_text(source, "utf-8")
        return command(path)

    return write


@pytest.mark.slow
def test_what_passed_is_noted_and_what_fails_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: Callable[[str], list[str]]
) -> None:
    assert command_line.main(["check", "1", "--", *command(solution(1))], tmp_path) == 0
    noted = (tmp_path / "minizmtp-learn.txt").read_text("utf-8").splitlines()
    assert noted[0].startswith("# Steps of python -m minizmtp.learn that have passed.")
    assert noted[1].startswith("1  greeting ")
    assert "step01.py" in noted[1]
    wrong = program(solution(1).read_text("utf-8").replace(r"\x7f", r"\x7e"))
    assert command_line.main(["check", "1", "--hint", "--patience", "1", "--", *wrong], tmp_path) == 1
    assert (tmp_path / "minizmtp-learn.txt").read_text("utf-8").splitlines() == noted[:1]
    printed = capsys.readouterr().out
    assert "expected: 7f in octet 9 (the last octet of the signature)" in printed
    assert 'see:      "The 64 octets" in: python -m minizmtp.learn show 1' in printed
    assert "hint:     Print your greeting in hex and count: 10 + 2 + 20 + 1 + 31." in printed


def test_a_program_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["check", "1", "--", "no-such-program"], tmp_path) == 2
    assert "learn: the program has not started: no-such-program: " in capsys.readouterr().err


def test_a_program_that_ends_is_told_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: Callable[[str], list[str]]
) -> None:
    ends = program("raise SystemExit('no such port')")
    assert command_line.main(["check", "1", "--", *ends], tmp_path) == 2
    told = capsys.readouterr().err
    assert "it did not accept a connection at tcp://127.0.0.1:" in told
    assert told.endswith(": it ended with status 1\n    no such port\n")


async def test_a_program_that_hangs_is_a_verdict(program: Callable[[str], list[str]]) -> None:
    hangs = program(
        "import socket, sys, time\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[2].rpartition(':')[2])))\n"
        "time.sleep(100)\n"
    )
    with trio.fail_after(60):
        outcomes = await run_step(STEPS[0], hangs, 0.3)
    assert len(outcomes) < len(STEPS[0].checks)
    assert not any(outcome.passed for outcome in outcomes)
    assert outcomes[0].result.expected == "a greeting of 64 octets"
    assert outcomes[0].result.came == "nothing in 0.3 s"


async def test_an_error_of_the_program_is_shown(program: Callable[[str], list[str]]) -> None:
    source = (
        solution(1).read_text("utf-8").replace("self.greet()\n        while", "raise KeyError('mine')\n        while")
    )
    outcome = await run_check(STEPS[0].checks[0], program(source), patience=0.5)
    assert outcome.ended == "it ended with status 1"
    assert outcome.words[-1] == "KeyError: 'mine'"
