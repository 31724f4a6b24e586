"""The course's command line: `python -m minizmtp.learn --help`.

    python -m minizmtp.learn                                       the ten steps, and which have passed
    python -m minizmtp.learn show 1                                what step 1 is about
    python -m minizmtp.learn check 1 -- python mine.py             run your program and attack it
    python -m minizmtp.learn check 1 --hint -- python mine.py      say one thing more about what fails

    exit code     0   the step has passed
                  1   a check has failed
                  2   the command line is wrong, or the program can't be started

Nothing leaves this machine: the checks connect to 127.0.0.1 only. What has passed is noted in the file
minizmtp-learn.txt in the current folder.

This is the last module of the course. It can be read alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from ..extras import run_tool
from . import hook
from .course import STEPS, Step, step
from .program import NotStarted
from .progress import Progress
from .run import ENOUGH, report, run_step

WRITE = "check 1 -- python mine.py"


def main(arguments: Sequence[str], folder: Path | None = None) -> int:
    """Do what the command line says, and return the exit code. folder: the learner's, the current one unless given."""
    options = parse(arguments)
    progress = Progress(folder or Path())
    if options.action == "show":
        print(options.step.text)
        print(f"Check it: python -m minizmtp.learn check {options.step.number} -- python mine.py")
        return 0
    if options.action == "check":
        return check(options, progress)
    overview(progress)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. A wrong one ends the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m minizmtp.learn",
        description="Build your own ZeroMQ in ten steps, in any language, with a checker that attacks it.",
        epilog="Begin with: show 1. Write a program, and run it by: check 1 -- python mine.py",
    )
    actions = parser.add_subparsers(dest="action", metavar="show | check")
    shows = actions.add_parser("show", help="what a step is about")
    checks = actions.add_parser("check", help="run your program and attack it")
    for each in (shows, checks):
        each.add_argument("step", metavar="STEP", help="its number or name")
    checks.add_argument("--hint", action="store_true", help="say one thing more about what fails")
    checks.add_argument("--all", action="store_true", help="show what passed, too, and all that crossed the wire")
    checks.add_argument("--patience", type=float, default=2.0, metavar="S", help="for an answer (2 seconds)")
    checks.epilog = "After -- follows the command that runs your program, without KIND and ENDPOINT."
    split = [*arguments, "--"].index("--")
    options, strange = parser.parse_known_args(arguments[:split])
    if strange:
        command = f"; the command that runs your program stands after --: {WRITE}" if options.action == "check" else ""
        parser.error(f"unrecognized arguments: {' '.join(strange)}{command}")
    if options.action:
        try:
            options.step = step(options.step)
        except ValueError as error:
            parser.error(str(error))
    if options.action == "check":
        options.command = arguments[split + 1 :]
        if not options.command:
            checks.error(f"expected -- and the command that runs your program, such as: {WRITE}")
    return options


def overview(progress: Progress) -> None:
    """The steps, and where the learner stands."""
    passed = progress.passed()
    following = next((each for each in STEPS if each.number not in passed), None)
    for each in STEPS:
        sign = "✓" if each.number in passed else "→" if each is following else " "
        print(f" {sign} {each.number:2}  {each.name:12} {each.title}")
    print()
    if following is None:
        print("All steps have passed.")
    else:
        print(f"Next: python -m minizmtp.learn show {following.number}")


def check(options: argparse.Namespace, progress: Progress) -> int:
    """Check a step; returns the exit code."""
    this: Step = options.step
    print(f"Step {this.number}: {this.title}. {len(this.checks)} checks.", flush=True)
    try:
        outcomes = trio.run(run_step, this, options.command, options.patience)
    except NotStarted as error:
        print(f"learn: the program has not started: {error}", file=sys.stderr)
        return 2
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in outcomes:
        if options.all or outcome in failed[:ENOUGH] or (outcome.passed and outcome.result.note):
            print(*report(this, outcome, options.hint, options.all or outcome in failed[:1]), sep="\n")
    if failed:
        print("→ was sent to your program, ← came from it.")
    for outcome in [] if options.all else failed[ENOUGH:]:
        print(f"  ✗ {outcome.check.kind:6} {outcome.result.name} has failed, too.")
    if len(failed) > 1:
        print("Begin with the first: the others may have failed because of it. --all shows each whole.")
    passed = len(outcomes) == len(this.checks) and not failed
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed", end="")
    left_out = len(this.checks) - len(outcomes)
    print(f", {left_out} not run because of these." if left_out else ".")
    if passed:
        print(*trio.run(hook.show, this, options.command), sep="\n")
        following = [each for each in STEPS if each.number == this.number + 1]
        print(*(f"Next: python -m minizmtp.learn show {each.number}" for each in following))
    elif not options.hint:
        print("For one hint more about each: --hint")
    try:
        progress.note(this, passed, options.command)
    except OSError as error:
        print(f"learn: {progress.path}: {error.strerror}", file=sys.stderr)
    return int(not passed)


if __name__ == "__main__":
    run_tool(main)
