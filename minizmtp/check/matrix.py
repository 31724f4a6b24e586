"""The matrix: every scenario between two stacks, each in each role.

    sections   A binds and B connects; B binds and A connects
    results    each scenario twice: the first type binds, or the second does

A cell is bounded, and a driver that ends or hangs in it is started anew for the next one. A scenario that a driver has
no means for is left out, and the result says why.

    >>> cells(["requests", "late-joiner"])
    [('requests', 'first'), ('requests', 'second'), ('late-joiner', 'first')]

Below this module: `scenarios`, `run`. Read next: `report`.
"""

from collections.abc import Callable, Sequence

import trio

from .case import Level, Verdict
from .peer import NotApplicable, Unlike
from .program import Driver, DriverEnded, DriverError
from .run import Result
from .scenarios import ALL, Scenario, Stage, Which
from .target import first_of

LONGEST = 60.0  # seconds for one cell


def chosen(names: Sequence[str]) -> list[type[Scenario]]:
    """The scenarios with these names or numbers; all for none. Raises ValueError for any other word."""
    known = {word for scenario in ALL for word in (scenario.name(), scenario.number)}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"there is no scenario {', '.join(unknown)}; there are {', '.join(it.name() for it in ALL)}")
    return [scenario for scenario in ALL if not names or {scenario.name(), scenario.number} & set(names)]


def cells(names: Sequence[str] = ()) -> list[tuple[str, Which]]:
    """The cells of a section: a scenario, and which of its types binds."""
    return [(scenario.name(), binds) for scenario in chosen(names) for binds in scenario.roles]


async def play_pair(
    binder: Driver,
    connecter: Driver,
    names: Sequence[str] = (),
    done: Callable[[Result], object] = lambda result: None,
) -> list[Result]:
    """All cells in which the sockets of one driver bind and those of the other connect. Raises DriverEnded if one of
    them does not start."""
    results = []
    try:
        async with trio.open_nursery() as nursery:
            for scenario in chosen(names):
                for binds in scenario.roles:
                    for driver in (binder, connecter):
                        if not driver.is_running:
                            await driver.start(nursery)
                    sides = (binder, connecter) if binds == "first" else (connecter, binder)
                    result = await play(scenario, Stage(*sides, binds, nursery))
                    results.append(result)
                    done(result)
            nursery.cancel_scope.cancel()
    except* DriverEnded as group:
        raise DriverEnded(str(first_of(group))) from None
    return results


async def play(scenario: type[Scenario], stage: Stage) -> Result:
    """One cell."""
    stage.kinds = {"first": scenario.first, "second": scenario.second}
    types = f"{scenario.first} binds" if stage.binds == "first" else f"{scenario.second} binds"
    result = Result(
        scenario.number,
        f"{scenario.name()}-{stage.binds}-binds",
        "scenarios",
        Level.MUST,
        scenario.section,
        f"{scenario.rule()}: {types}",
    )
    began = trio.current_time()
    try:
        with trio.fail_after(LONGEST):
            await scenario().play(stage)
        result.verdict = Verdict.PASSED
    except* Unlike as group:
        unlike = first_of(group)
        assert isinstance(unlike, Unlike)
        result.verdict, result.expected, result.came = Verdict.FAILED, unlike.expected, unlike.came
    except* NotApplicable as group:
        result.note = str(first_of(group))
    except* DriverEnded as group:
        result.verdict, result.expected = Verdict.ENDED, "both processes to go on"
        result.came = str(first_of(group))
    except* (DriverError, LookupError) as group:
        result.verdict, result.expected = Verdict.FAILED, "the programs to do what they are told"
        result.came = str(first_of(group)) or "no message"
    except* trio.TooSlowError:
        result.verdict, result.expected = Verdict.FAILED, f"the end in {LONGEST:g} s"
        result.came = "more time was needed"
    try:
        await stage.close()
    except (DriverEnded, DriverError, LookupError, NotApplicable) as error:
        for driver in stage.drivers.values():
            driver.kill()
        if result.verdict is Verdict.PASSED:
            result.verdict, result.expected, result.came = Verdict.ENDED, "both sockets to be closed", str(error)
    result.seconds = trio.current_time() - began
    return result
