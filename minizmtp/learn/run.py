"""Running the cases of a step against the learner's program, and the report.

Each case starts the program, plays the peer, and ends it. A program that hangs, ends, or does not start is a verdict
like any other, because every wait has a bound. After three failures the rest is left out, because it is often their
consequence.

Below this module: `course`, `program`. Read next: `__main__`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import trio

from ..check import boxes
from ..check.case import Verdict
from ..check.peer import Record, Terms, shown
from ..check.report import SIGNS, wire_of
from ..check.run import Gone, Result, play, result_of
from ..errors import ZMQError
from ..wire.curve import keypair
from .course import Check, Step
from .program import SECRETS, Mine, NotStarted

ENOUGH = 3  # failures, after which the rest is not run
AT_ONCE = 4
LONGEST = 30.0  # seconds for a case with the start of the program
MOST_LINES = 24  # of what crossed the wire


@dataclass
class Outcome:
    """What came of one check. ended: how the program ended, if by itself. words: the end of its standard error."""

    check: Check
    result: Result
    ended: str = ""
    words: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the program did what the rule asks, or what libzmq does, or the check is not for it."""
        return self.result.verdict not in (Verdict.FAILED, Verdict.ENDED)


def terms_for(check: Check, minor: int, patience: float) -> Terms:
    """What the program is told, and how the peer plays."""
    terms = Terms(
        kind=check.kind,
        mechanism=check.mechanism,
        minor=minor,
        dials=check.dials,
        serves=not check.dials,
        username=b"anna",
        password=b"correct horse",
        patience=patience,
    )
    if check.mechanism == b"CURVE":
        theirs, ours = keypair(SECRETS[0]), keypair(SECRETS[1])
        terms.curve = boxes.Keys(*ours, theirs[0] if terms.serves else b"")
    return terms


async def run_check(check: Check, command: Sequence[str], minor: int = 0, patience: float = 2.0) -> Outcome:
    """One check, whatever the program does."""
    outcome = Outcome(check, result_of(check.case))
    try:
        terms = terms_for(check, minor, patience)
    except ZMQError as error:
        outcome.result.note = str(error)
        return outcome
    if why := check.case.why_not(terms):
        outcome.result.note = why
        return outcome
    mine = Mine(command, terms, check.settings, check.late, serves_on=check.case.difficult)
    try:
        with trio.fail_after(LONGEST):
            outcome.result = await play(check.case, mine)
    except* NotStarted as group:
        came = str(_first(group)).partition("\n")[0]  # its standard error comes below
        does = "connect to the endpoint" if check.dials else "bind to the endpoint"
        if "another" in came:
            does = "accept the next peer"
        outcome.result.verdict, outcome.result.expected = Verdict.ENDED, f"{check.kind} to {does}"
        outcome.result.came = came
    except* Gone as group:
        outcome.result.verdict, outcome.result.expected = Verdict.FAILED, "another connection"
        outcome.result.came = str(_first(group))
    except* trio.TooSlowError:
        outcome.result.verdict, outcome.result.expected = Verdict.FAILED, f"an end within {LONGEST:g} s"
        outcome.result.came = "none"
    outcome.ended, outcome.words = mine.ended, mine.words
    return outcome


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def minor_of(command: Sequence[str], patience: float = 2.0) -> int:
    """The minor version that the program's greeting says: 1 if it is 1 or more. Raises NotStarted."""
    terms = Terms(kind="PULL", patience=patience)
    async with Mine(command, terms).place() as place:
        stream = await place.connect()
        octets = b""
        with trio.move_on_after(patience):
            while len(octets) < 12 and (more := await stream.receive_some()):
                octets += more
        await trio.aclose_forcefully(stream)
    return int(octets[10:11] == b"\x03" and octets[11:12] > b"\0")


async def run_step(step: Step, command: Sequence[str], patience: float = 2.0) -> list[Outcome]:
    """The outcomes of a step's checks, in order; those that were not run are left out. Raises NotStarted."""
    minor = await minor_of(command, patience)
    left = list(enumerate(step.checks))
    found: dict[int, Outcome] = {}

    async def work() -> None:
        while left and sum(not outcome.passed for outcome in found.values()) < ENOUGH:
            number, check = left.pop(0)
            found[number] = await run_check(check, command, minor, patience)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(work)
    return [found[number] for number in sorted(found)]


# ------------------------------------------------------------------------------------------------------------- report


def report(step: Step, outcome: Outcome, hints: bool, whole: bool = True) -> Iterator[str]:
    """The lines of one check. hints: with the hint of a check that failed. whole: with all that crossed the wire."""
    result, check = outcome.result, outcome.check
    yield f"  {SIGNS[result.verdict]} {check.kind:6} {result.name}: {result.rule}."
    if outcome.passed:
        if result.note:
            words = "libzmq does the same: it" if result.verdict is Verdict.LIBZMQ else "not run: the check"
            yield f"    {words} {result.note}"
        return
    yield f"    expected: {result.expected}"
    yield f"    came:     {result.came}"
    yield f'    see:      "{check.part}" in: python -m minizmtp.learn show {step.number}'
    if result.note:
        yield f"    note:     {result.note}"
    if outcome.ended:
        yield f"    program:  {outcome.ended}"
    for word in outcome.words:
        yield f"    stderr:   {word}"
    if result.record and not whole:
        yield from sent_last(result.record)
    elif result.record:
        lines = list(wire_of(result.record, check.dials, check.mechanism))
        if len(lines) > MOST_LINES:
            yield f"    {len(lines) - MOST_LINES} lines before …"
        yield from lines[-MOST_LINES:]
    if hints:
        yield f"    hint:     {check.hint}"


def sent_last(record: Record) -> Iterator[str]:
    """What our side sent last, because the program may have failed by it."""
    for write in reversed(record.writes):
        if write.ours:
            which = f" on connection {write.connection + 1}" if record.connections > 1 else ""
            yield f"    sent:     last{which}: {shown(write.octets)}"
            return
