"""A replica that joins at any moment, and misses or repeats nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import minizmtp as zmq
from examples.late_joiner import Publisher, Replica


class Recorder(Replica):
    """A replica that remembers how it came to its state."""

    def __init__(self, ctx: zmq.Context, news: str, snapshots: str) -> None:
        super().__init__(ctx, news, snapshots)
        self.history: list[str] = []  # "snapshot 3", "4", "5" …
        self._progress = trio.Event()

    def _note(self, what: str) -> None:
        self.history.append(what)
        self._progress.set()

    async def start_afresh(self) -> None:
        await super().start_afresh()
        self._note(f"snapshot {self.number}")

    def apply(self, key: str, value: str) -> None:
        super().apply(key, value)
        self._note(str(self.number))

    async def reaches(self, publisher: Publisher) -> None:
        """Wait until it is where publisher is, or fail."""
        with trio.fail_after(20):
            while (self.epoch, self.number) != (publisher.epoch, publisher.number):
                self._progress = trio.Event()
                await self._progress.wait()
        assert self.state == publisher.state


class World:
    """Where publishers and replicas meet."""

    def __init__(self, ctx: zmq.Context, nursery: trio.Nursery, news: str, snapshots: str) -> None:
        self.ctx = ctx
        self.nursery = nursery
        self.news = news
        self.snapshots = snapshots

    def publisher(self, **options: int) -> Publisher:
        """With its sockets bound; what it runs is the test's decision."""
        pub = self.ctx.socket(zmq.XPUB, xpub_verbose=1, linger=0, **options)
        rep = self.ctx.socket(zmq.REP, linger=0)
        pub.bind(self.news)
        rep.bind(self.snapshots)
        return Publisher(pub, rep)

    def replica(self) -> Recorder:
        replica = Recorder(self.ctx, self.news, self.snapshots)
        self.nursery.start_soon(replica.run)
        return replica


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        yield World(ctx, nursery, f"ipc://{tmp_path}/news", f"ipc://{tmp_path}/snapshots")
        nursery.cancel_scope.cancel()


async def test_changes_while_the_snapshot_travels(world: World, quick_clock: MockClock) -> None:
    """Three before it is taken, two after; all five wait in the queue when it comes. Then one more."""
    publisher = world.publisher()
    world.nursery.start_soon(publisher.answer_subscriptions)
    for number in range(4):
        await publisher.set("before", str(number))
    replica = world.replica()
    await publisher.snapshots.recv()
    for number in range(3):
        await publisher.set("asked", str(number))
    snapshot = [publisher.epoch, publisher.number, dict(publisher.state)]
    for number in range(2):
        await publisher.set("taken", str(number))
    await publisher.snapshots.send_json(snapshot)
    await replica.reaches(publisher)
    await publisher.set("after", "0")
    await replica.reaches(publisher)
    assert replica.history == ["snapshot 7", "8", "9", "10"]


@pytest.mark.requirement("L-39")
@pytest.mark.parametrize("joins_at", [0, 1, 2, 5, 20, 39, 40])
async def test_joining_at_any_moment(world: World, joins_at: int, quick_clock: MockClock) -> None:
    """One snapshot, and after it each change once."""
    publisher = world.publisher()
    world.nursery.start_soon(publisher.run)
    replica = None
    for number in range(40):
        if number == joins_at:
            replica = world.replica()
        await publisher.set(f"key {number % 7}", str(number))
        await trio.lowlevel.checkpoint()
    replica = replica or world.replica()
    await replica.reaches(publisher)
    first, *rest = replica.history
    start = int(first.removeprefix("snapshot "))
    assert rest == [str(number) for number in range(start + 1, 41)]


async def test_a_lost_change_is_recovered_from_a_snapshot(world: World, quick_clock: MockClock) -> None:
    """In the middle: the next change shows it. At the end: the number that is said once in a while does."""
    publisher = world.publisher()
    world.nursery.start_soon(publisher.run)
    replica = world.replica()
    await publisher.set("a", "heard")
    await replica.reaches(publisher)
    lose(publisher, "b")
    await publisher.set("c", "heard")
    await replica.reaches(publisher)
    lose(publisher, "d")
    lost = trio.current_time()
    await replica.reaches(publisher)
    assert trio.current_time() - lost <= 0.6
    assert replica.history[-2:] == ["snapshot 3", "snapshot 4"]


def lose(publisher: Publisher, key: str) -> None:
    """A change that is not published."""
    publisher.state[key] = "lost on the way"
    publisher.number += 1


async def test_full_queues(world: World, quick_clock: MockClock) -> None:
    """A thousand changes without a pause, and queues for one: most are dropped, and the replica finds its way."""
    publisher = world.publisher(sndhwm=1)
    world.nursery.start_soon(publisher.run)
    replica = world.replica()
    await publisher.set("key", "first")
    await replica.reaches(publisher)
    for number in range(1000):
        await publisher.set(f"key {number}", str(number))
    await replica.reaches(publisher)
    assert len(replica.state) == 1001


async def test_a_publisher_that_restarts(world: World, quick_clock: MockClock) -> None:
    """Its numbers are lower than those of the one before, and it knows nothing of what that one said."""
    first = world.publisher()
    replica = world.replica()
    async with trio.open_nursery() as life:
        life.start_soon(first.run)
        for number in range(5):
            await first.set(f"old {number}", "x")
        await replica.reaches(first)
        life.cancel_scope.cancel()
    first.news.close()
    first.snapshots.close()
    second = world.publisher()
    world.nursery.start_soon(second.run)
    await second.set("new", "1")
    await replica.reaches(second)
    assert replica.state == {"new": "1"}
