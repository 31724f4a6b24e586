"""A queue without its dead, and workers that find the next queue."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import minizmtp as zmq
from examples.lazy_pirate import ask
from examples.paranoid_pirate import BEAT, INTERVAL, PATIENCE, Queue, frozen, upper, worker


class World:
    """A queue, and another in its place whenever it is killed."""

    def __init__(self, ctx: zmq.Context, nursery: trio.Nursery, front: str, back: str) -> None:
        self.ctx = ctx
        self.nursery = nursery
        self.front = front
        self.back = back
        self.queues = 0

    async def run(self, pause: float) -> None:
        """One queue after the other."""
        while True:
            async with self.ctx.socket(zmq.ROUTER, linger=0) as frontend, self.ctx.socket(zmq.ROUTER, linger=0) as back:
                frontend.bind(self.front)
                back.bind(self.back)
                self.queue = Queue(frontend, back)
                self.queues += 1
                with trio.CancelScope() as self.life:
                    await self.queue.run()
            await trio.sleep(pause)

    async def ask(self, word: bytes, **how: float) -> list[bytes]:
        return await ask(self.ctx, self.front, [word], **how)  # type: ignore[arg-type]


@pytest.fixture(params=["inproc", "ipc"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    base = "inproc://" if request.param == "inproc" else f"ipc://{tmp_path}/"
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        world = World(ctx, nursery, base + "front", base + "back")
        nursery.start_soon(world.run, 0.5)
        yield world
        nursery.cancel_scope.cancel()


async def test_a_worker_that_is_stuck_is_dropped(
    world: World, capsys: pytest.CaptureFixture[str], quick_clock: MockClock
) -> None:
    """Its connection lives, and it would be the next to get work. Not one request goes to it."""
    world.nursery.start_soon(frozen, world.ctx, world.back)
    await trio.sleep(INTERVAL / 2)
    world.nursery.start_soon(worker, world.ctx, world.back, upper)
    await trio.sleep(INTERVAL)
    assert len(world.queue.idle) == 2
    await trio.sleep(PATIENCE + INTERVAL)
    assert len(world.queue.idle) == 1
    assert await world.ask(b"hello", attempts=1) == [b"HELLO"]
    assert capsys.readouterr().out.count("dropped") == 1


@pytest.mark.slow
async def test_a_worker_that_sends_heartbeats_is_kept(
    world: World, capsys: pytest.CaptureFixture[str], quick_clock: MockClock
) -> None:
    """However long there is nothing to do."""
    for _ in range(3):
        world.nursery.start_soon(worker, world.ctx, world.back, upper)
    await trio.sleep(10 * PATIENCE)
    assert len(world.queue.idle) == 3
    assert capsys.readouterr().out == ""


async def test_a_request_that_a_dead_worker_had_is_asked_again(world: World, quick_clock: MockClock) -> None:
    """The client's part of the bargain. (The worker is stuck with it, which no end of a connection would show.)"""
    stuck = []

    async def hang(request: bytes) -> bytes:
        stuck.append(request)
        await trio.sleep_forever()
        raise AssertionError

    world.nursery.start_soon(worker, world.ctx, world.back, hang)
    await trio.sleep(INTERVAL / 2)
    world.nursery.start_soon(worker, world.ctx, world.back, upper)
    await trio.sleep(INTERVAL)
    began = trio.current_time()
    assert await world.ask(b"hello", patience=0.5) == [b"HELLO"]
    assert stuck == [b"hello"]
    assert 0.5 <= trio.current_time() - began < 0.6
    assert await world.ask(b"again", attempts=1) == [b"AGAIN"]


@pytest.mark.parametrize("dies_at", [1, 2, 3])
@pytest.mark.slow
async def test_workers_find_the_next_queue(world: World, dies_at: int, quick_clock: MockClock) -> None:
    """The queue dies with a request under way, at each of three."""
    did: list[bytes] = []

    async def work(request: bytes) -> bytes:
        did.append(request)
        if len(did) == dies_at:
            world.life.cancel()
        return request.upper()

    for _ in range(2):
        world.nursery.start_soon(worker, world.ctx, world.back, work)
    words = [b"one", b"two", b"three"]
    assert [await world.ask(word) for word in words] == [[word.upper()] for word in words]
    assert world.queues == 2
    assert did == [*words[:dies_at], *words[dies_at - 1 :]]  # the work of that request was done twice
    await trio.sleep(2 * PATIENCE)
    assert len(world.queue.idle) == 2


@pytest.mark.slow
async def test_requests_wait_while_no_worker_is_idle(world: World, quick_clock: MockClock) -> None:
    async def come_late() -> None:
        await trio.sleep(3)
        await worker(world.ctx, world.back, upper)

    world.nursery.start_soon(come_late)
    assert await world.ask(b"hello", patience=5, attempts=1) == [b"HELLO"]


async def test_a_heartbeat_that_crosses_with_work_is_not_idleness(world: World, quick_clock: MockClock) -> None:
    await trio.sleep(INTERVAL / 2)
    await world.queue.from_worker(b"at work", BEAT)
    assert world.queue.idle == {}
