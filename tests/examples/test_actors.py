"""One of two actors crashes; its parent hears of it, and decides."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

import minizmtp as zmq
from examples.actors import ENDPOINT, asker, kept_alive, squarer, together

NUMBERS = [2, 3, 7, 8]
SQUARES = {2: 4, 3: 9, 7: 49, 8: 64}


def crashes_at(*calls: int) -> Callable[[int], int]:
    """A square that fails at these calls (the first is 1)."""
    count = 0

    def square(number: int) -> int:
        nonlocal count
        count += 1
        if count in calls:
            raise ArithmeticError(f"at {number}")
        return number * number

    return square


async def run(lives: int, square: Callable[[int], int], answers: dict[int, int]) -> None:
    async with zmq.Context() as ctx:
        await together(
            lambda: asker(ctx, NUMBERS, answers),
            lambda: kept_alive(lambda: squarer(ctx, square), lives),
        )


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize("calls", [(1,), (2,), (4,), (1, 2, 3), (2, 4, 6)])
async def test_an_actor_that_crashes_is_restarted(
    calls: tuple[int, ...], quick_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other does not notice but for the time: its PAIR takes the next who comes."""
    answers: dict[int, int] = {}
    began = trio.current_time()
    await run(len(calls) + 1, crashes_at(*calls), answers)
    assert answers == SQUARES
    assert trio.current_time() - began == pytest.approx(0.2 * len(calls), abs=0.05)
    assert capsys.readouterr().out.count("parent: crash") == len(calls)


async def test_after_the_last_restart_the_parent_ends_both(quick_clock: MockClock) -> None:
    answers: dict[int, int] = {}
    with pytest.raises(ExceptionGroup) as caught:
        await run(2, crashes_at(2, 3), answers)
    (error,) = caught.value.exceptions
    assert isinstance(error, ArithmeticError)
    assert str(error) == "at 3"  # asked a second time
    assert answers == {2: 4}


async def test_a_crash_of_the_asker_ends_the_helpers(quick_clock: MockClock) -> None:
    ended = trio.Event()

    async def helper() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async def crash() -> None:
        await trio.sleep(1)
        raise ArithmeticError("at once")

    with pytest.raises(ExceptionGroup) as caught:
        await together(crash, helper)
    assert [str(error) for error in caught.value.exceptions] == ["at once"]
    assert ended.is_set()


async def test_an_answer_to_an_older_question_is_passed_over(quick_clock: MockClock) -> None:
    """It is asked twice, and answered twice; the second answer comes when the next question is open."""
    answers: dict[int, int] = {}
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        nursery.start_soon(asker, ctx, [2, 3], answers)
        async with ctx.socket(zmq.PAIR) as peer:
            peer.connect(ENDPOINT)
            assert [await peer.recv_json(), await peer.recv_json()] == [[0, 2], [0, 2]]
            await peer.send_json([0, 4])
            await peer.send_json([0, 4])
            assert await peer.recv_json() == [1, 3]
            await peer.send_json([1, 9])
    assert answers == {2: 4, 3: 9}
