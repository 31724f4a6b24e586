"""Every task is finished, whichever worker is killed at whichever task."""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import minizmtp as zmq
from examples.pipeline import sink, steady, ventilator, worker

TASKS = [b"task %d" % number for number in range(12)]
RESULTS = [task.upper() for task in TASKS]


class Killed(Exception):
    """What ends a worker at a task of our choice."""


class Line:
    """A ventilator, and workers as they come."""

    def __init__(self, ctx: zmq.Context, nursery: trio.Nursery, folder: Path) -> None:
        self.ctx = ctx
        self.nursery = nursery
        self.work, self.results, self.again = (f"ipc://{folder}/{name}" for name in ("work", "results", "again"))
        nursery.start_soon(ventilator, ctx, self.work, self.again, TASKS)

    def worker(self, do: Callable[[bytes], Awaitable[bytes]]) -> None:
        async def live() -> None:
            with suppress(Killed):
                await worker(self.ctx, self.work, self.results, do)

        self.nursery.start_soon(live)

    async def sink(self, patience: float = 0.5) -> list[bytes]:
        return await sink(self.ctx, self.results, self.again, len(TASKS), patience)


def killed_at(count: int) -> Callable[[bytes], Awaitable[bytes]]:
    """The work of a worker that dies at its count-th task."""
    tasks = 0

    async def do(task: bytes) -> bytes:
        nonlocal tasks
        tasks += 1
        if tasks == count:
            raise Killed
        return await steady(task)

    return do


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
@pytest.mark.slow
async def test_a_worker_is_killed_at_any_task(tmp_path: Path, dies_at: int, quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        line = Line(ctx, nursery, tmp_path)
        for do in (steady, killed_at(dies_at), steady):
            line.worker(do)
        assert await line.sink() == RESULTS
        nursery.cancel_scope.cancel()


@pytest.mark.requirement("L-9")
@pytest.mark.slow
async def test_without_the_way_back_tasks_are_lost(
    tmp_path: Path, quick_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sink that never asks again waits for ever; and a patient one says what it was that died with the worker."""
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        line = Line(ctx, nursery, tmp_path)
        line.worker(killed_at(1))
        await trio.sleep(1)  # there is no other worker, so all that can be queued for this one is
        line.worker(steady)
        with trio.move_on_after(60) as waited:
            await line.sink(patience=math.inf)
        assert waited.cancelled_caught
        line.worker(steady)
        assert await line.sink() == RESULTS
        nursery.cancel_scope.cancel()
    assert "missing: " in capsys.readouterr().out


@pytest.mark.slow
async def test_all_workers_are_killed_and_one_comes_later(tmp_path: Path, quick_clock: MockClock) -> None:
    """The sink asks again and again meanwhile, and no request piles up."""
    did: list[bytes] = []

    async def do(task: bytes) -> bytes:
        did.append(task)
        return await steady(task)

    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        line = Line(ctx, nursery, tmp_path)
        line.worker(killed_at(2))
        line.worker(killed_at(3))

        async def come_late() -> None:
            await trio.sleep(60)
            line.worker(do)

        nursery.start_soon(come_late)
        assert await line.sink() == RESULTS
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert 9 <= len(did) < 50  # and not 120 times what the sink asked for each time


@pytest.mark.slow
async def test_a_slow_worker_is_not_counted_twice(tmp_path: Path, quick_clock: MockClock) -> None:
    """Its task is given to another meanwhile: two results come, and one counts."""
    did: list[bytes] = []

    async def slow(task: bytes) -> bytes:
        did.append(task)
        await trio.sleep(1.2 if task == TASKS[4] and did.count(task) == 1 else 0)
        return task.upper()

    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        line = Line(ctx, nursery, tmp_path)
        line.worker(slow)
        line.worker(slow)
        assert await line.sink() == RESULTS
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert did.count(TASKS[4]) >= 2
