"""Running: every case against one target, several at a time, each bounded.

A case ends in a `Result`, whatever the other side does. A peer that closes, says something else or says nothing raises
in the case. A process that ends is noticed when it can't be reached any more: then the cases that were under way are
played again, one by one, against a process started anew where there is a driver, so that the right one is named.

Careful cases come before difficult ones, because a socket that connects may not come back to a peer that has broken a
rule.

    >>> Result(number="37-68", name="ping-is-answered", verdict=Verdict.PASSED).is_failure
    False

Below this module: `case`, `target`. Read next: `scenarios`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from .case import Case, Level, Verdict
from .octets import CHECK
from .peer import (
    CLOSED,
    GOES_ON,
    Departure,
    Ended,
    NotApplicable,
    Peer,
    Place,
    Record,
    Terms,
    Unlike,
    Unreachable,
    shown,
)
from .program import Driver, DriverEnded, DriverError
from .target import Driven, Target, first_of
from .web import meet

# Seconds for a whole case. Each wait in a case has a bound of its own, so this one is for what was not foreseen.
LONGEST = 20.0


@dataclass
class Result:
    """What came of one case. expected, came: where the rule is not kept. note: why it did not run, or what libzmq does
    instead. record: what passed."""

    number: str = ""
    name: str = ""
    group: str = ""
    level: Level = Level.MUST
    section: str = ""
    rule: str = ""
    verdict: Verdict = Verdict.NOT_RUN
    expected: str = ""
    came: str = ""
    note: str = ""
    seconds: float = 0.0
    record: Record | None = field(default=None, repr=False)

    @property
    def is_failure(self) -> bool:
        """Whether a check with this result has failed."""
        return self.verdict.is_failure(self.level)

    @property
    def sent(self) -> str:
        """What the check sent last, on which connection; its own PINGs do not count."""
        ours = [write for write in self.record.writes if write.ours] if self.record else []
        told = [write for write in ours if CHECK not in write.octets] or ours
        if self.record is None or not told:
            return ""
        many = f" (connection {told[-1].connection + 1})" if self.record.connections > 1 else ""
        return shown(told[-1].octets, 24) + many

    @property
    def to_do(self) -> str:
        """What the author of the stack may do about a failure."""
        if self.verdict is Verdict.ENDED:
            return f"play {self.name} alone, and look at what the process wrote to its standard error"
        if self.expected == CLOSED:
            return "close the connection after this"
        if self.expected == GOES_ON:
            return "accept this, and read on"
        if self.came.startswith(("nothing", "no ", "none")):
            return f"send {self.expected}; if it comes later than that, give the check more --patience"
        if self.expected.startswith("no ") or self.expected.startswith("the program to do"):
            return f"read {self.section} about what should happen instead"
        return f"make it as expected: {self.section} has the rule"


class Gone(Exception):
    """The other side can't be reached any more."""


def result_of(case: type[Case]) -> Result:
    """The result of a case that has not run yet."""
    return Result(case.number, case.name(), case.group, case.level, case.section, case.rule())


async def play(case: type[Case], target: Target) -> Result:
    """Play one case. Raises Gone where the target can't be reached."""
    result = result_of(case)
    record = result.record = Record()
    try:
        with trio.fail_after(LONGEST):
            async with target.place(case.options()) as place:
                await _play(case(), meet(await place.connect(), target.terms, record, place), place)
        result.verdict = Verdict.PASSED
    except* DriverEnded as group:
        raise Gone(str(first_of(group))) from None
    except* Unreachable as group:
        # A driver tells whether its process is still there; otherwise this is all that can be known.
        if not isinstance(target, Driven):
            raise Gone(str(first_of(group))) from None
        result.verdict, result.expected, result.came = Verdict.FAILED, "a connection", str(first_of(group))
    except* Unlike as group:
        unlike = first_of(group)
        assert isinstance(unlike, Unlike)
        result.verdict, result.expected, result.came = Verdict.FAILED, unlike.expected, unlike.came
    except* Departure as group:
        result.verdict, result.note = Verdict.LIBZMQ, str(first_of(group))
    except* NotApplicable as group:
        result.note = str(first_of(group))
    except* (DriverError, LookupError) as group:
        result.verdict, result.expected = Verdict.FAILED, "the program to do what it is told"
        result.came = str(first_of(group)) or "it gave up waiting"
    except* (Ended, trio.TooSlowError) as group:
        result.verdict, result.expected = Verdict.FAILED, "the conversation to go on"
        result.came = "the connection was closed" if isinstance(first_of(group), Ended) else "nothing more"
    result.seconds = trio.current_time() - record.began
    if result.verdict is Verdict.FAILED and (why := await target.gone()):
        raise Gone(why)
    return result


async def _play(case: Case, peer: Peer, place: Place) -> None:
    try:
        await case.play(peer)
    except Exception:
        if place.failed is not None:
            await place.failed()
        raise
    finally:
        with trio.CancelScope(shield=True):
            for one in peer.opened:
                await one.leave()


class Run:
    """One run against a target, of those cases that are for it. done: called with each result."""

    def __init__(
        self,
        target: Target,
        cases: Sequence[type[Case]],
        done: Callable[[Result], object] = lambda result: None,
        restart: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._target, self._done, self._restart = target, done, restart
        fitting = [case for case in cases if not case.why_not(target.terms)]
        self._left = sorted(fitting, key=lambda case: case.difficult)
        self._gone = ""
        self._suspects: list[type[Case]] = []
        self._under_way: list[type[Case]] = []
        self._last: list[type[Case]] = []
        self.results: list[Result] = []

    async def run(self) -> list[Result]:
        """Play all cases; returns the results in the order of the cases' numbers."""
        while self._left:
            async with trio.open_nursery() as nursery:
                for _ in range(self._target.at_once):
                    nursery.start_soon(self._work)
            if self._gone:
                await self._find_out()
        self.results.sort(key=lambda result: (by_number(result.number), result.name))
        return self.results

    async def _work(self) -> None:
        while self._left and not self._gone:
            case = self._left.pop(0)
            self._under_way.append(case)
            try:
                self._finish(await play(case, self._target))
            except Gone as gone:
                self._gone = self._gone or str(gone)
                self._suspects.append(case)
            finally:
                self._under_way.remove(case)
                self._last = [*self._last[1 - 2 * self._target.at_once :], case]

    def _finish(self, result: Result) -> None:
        self.results.append(result)
        self._done(result)

    async def _find_out(self) -> None:
        """Play the cases that could not be played again, alone. With a driver, its process is started anew."""
        gone, suspects = self._gone, self._suspects
        self._gone, self._suspects = "", []
        for number, case in enumerate(suspects):
            if self._restart is not None:
                await self._restart()
            try:
                self._finish(await play(case, self._target))
            except Gone as again:
                if self._restart is None and self._target.terms.dials:
                    left, self._left = [*suspects[number:], *self._left], []
                    for case in left:  # because each would wait as long
                        result = result_of(case)
                        result.note = "it has not connected again; a driver can make it"
                        self._finish(result)
                    return
                result = result_of(case)
                result.verdict, result.came = Verdict.ENDED, str(again)
                result.expected = "the other side to be there afterwards"
                self._finish(result)
                if self._restart is None:
                    names = ", ".join(dict.fromkeys(each.name() for each in self._last if each is not case))
                    result.note = f"the cases before were {names}" if names else ""
                    self._give_up(gone)
                    return
        if self._restart is not None:
            await self._restart()

    def _give_up(self, why: str) -> None:
        for case in self._left:
            result = result_of(case)
            result.note = f"the other side can't be reached any more ({why})"
            self._finish(result)
        self._left.clear()


def by_number(number: str) -> tuple[str, int]:
    """The order of numbers.

    >>> sorted(["37-10", "37-9", "L-12", "24-1"], key=by_number)
    ['24-1', '37-9', '37-10', 'L-12']
    """
    rfc, _, row = number.partition("-")
    return rfc, int(re.sub(r"\D", "", row) or 0)


async def check_driven(
    driver: Driver,
    terms: Terms,
    cases: Sequence[type[Case]],
    done: Callable[[Result], object] = lambda result: None,
    options: dict[str, str | int] | None = None,
) -> list[Result]:
    """All cases against sockets that a driver makes; none if it does not have such a type or mechanism. Raises
    DriverEnded if it does not start."""
    results: list[Result] = []
    try:
        async with trio.open_nursery() as nursery:

            async def restart() -> None:
                driver.kill()
                await driver.start(nursery)

            if not driver.is_running:
                await driver.start(nursery)
            target = Driven(driver, terms, options)
            with suppress(NotApplicable):
                await target.announce()
                results = await Run(target, cases, done, restart).run()
            nursery.cancel_scope.cancel()
    except* DriverEnded as group:
        raise DriverEnded(str(first_of(group))) from None
    return results
