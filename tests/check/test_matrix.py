"""Scenarios between two stacks: ours understands itself, and a stack that is wrong is found out."""

import sys
from pathlib import Path

import pytest

from minizmtp.check.__main__ import main
from minizmtp.check.case import Verdict
from minizmtp.check.matrix import cells, play_pair
from minizmtp.check.program import Driver, words_of

OURS = f"{sys.executable} -m minizmtp.check.driver"
QUICK = ["requests", "requests-with-envelopes", "named-dealer", "prefixes", "pair", "late-joiner"]

# Drivers made of ours, each with one mistake.
WRONG = """
import trio
from minizmtp.check import driver, program

class Wrong(driver.OurDriver):
    {}

driver.OurDriver = Wrong
trio.run(driver.main)
"""
REVERSED = """async def do_send(self, number, *words):
        return await super().do_send(number, *words[::-1])"""
REFUSES = """async def do_subscribe(self, number, prefix):
        raise driver.Refusal("there are no subscriptions")"""
DIES = """async def do_send(self, number, *words):
        import os
        os._exit(7)"""


def wrong(folder: Path, method: str) -> Driver:
    program = folder / "wrong.py"
    program.write_text(WRONG.format(method))
    return Driver(f"{sys.executable} {program}")


def test_a_type_that_cannot_bind_in_a_scenario_is_left_out() -> None:
    assert cells(["late-joiner"]) == [("late-joiner", "first")]


async def test_ours_understands_itself() -> None:
    results = await play_pair(Driver(OURS), Driver(OURS), QUICK)
    assert [(result.name, result.came) for result in results if result.verdict is not Verdict.PASSED] == []
    assert len(results) == 2 * len(QUICK) - 1


async def test_frames_in_another_order_are_found_out(tmp_path: Path) -> None:
    results = await play_pair(wrong(tmp_path, REVERSED), Driver(OURS), ["pair", "requests"])
    assert {result.name: result.verdict for result in results} == {
        "requests-first-binds": Verdict.FAILED,
        "requests-second-binds": Verdict.FAILED,
        "pair-first-binds": Verdict.FAILED,
        "pair-second-binds": Verdict.PASSED,  # what this one sends there has one frame
    }
    assert results[2].came == '["", "to 0"]'


async def test_what_a_driver_cannot_do_is_left_out(tmp_path: Path) -> None:
    results = await play_pair(Driver(OURS), wrong(tmp_path, REFUSES), ["prefixes"])
    assert [(result.verdict, result.note) for result in results] == [
        (Verdict.NOT_RUN, "the driver cannot do this: there are no subscriptions"),
        (Verdict.PASSED, ""),
    ]


async def test_a_driver_that_dies_is_started_anew(tmp_path: Path) -> None:
    results = await play_pair(wrong(tmp_path, DIES), Driver(OURS), ["pair"])
    assert [(result.verdict, result.came) for result in results] == [
        (Verdict.ENDED, "its process ended with status 7"),
    ] * 2


def test_two_drivers_on_the_command_line_play_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--driver", OURS, "--driver", OURS, "pair"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("minizmtp 0.1.0 binds, minizmtp 0.1.0 connects: 2 passed") == 2


def test_a_path_of_windows_is_a_word_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    command = r"""C:\Python\python.exe 'D:\My Files\driver.py' -m "x y" #5"""
    assert words_of(command) == [r"C:\Python\python.exe", r"D:\My Files\driver.py", "-m", "x y", "#5"]
