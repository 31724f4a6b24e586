"""Requests survive the deaths of workers and of clients."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from examples.broker import Broker, worker
from examples.lazy_pirate import ask


class Killed(Exception):
    """What ends a worker at a message of our choice."""


class World:
    """A broker, and the clients and workers of a test."""

    def __init__(self, ctx: zmq.Context, nursery: trio.Nursery, front: str, back: str) -> None:
        self.ctx = ctx
        self.nursery = nursery
        frontend, backend = ctx.socket(zmq.ROUTER, linger=0), ctx.socket(zmq.ROUTER, router_mandatory=1, linger=0)
        frontend.bind(front)
        backend.bind(back)
        self.front, self.back = front, back
        self.broker = Broker(frontend, backend)
        self.answers: dict[bytes, list[bytes]] = {}
        nursery.start_soon(self.broker.run)

    async def settled(self) -> None:
        """When nothing moves any more."""
        await wait_all_tasks_blocked(0.02)

    async def worker(self, work: Callable[[bytes], None]) -> None:
        """One more worker; when this returns, it is idle (or has work already)."""

        async def do(request: bytes) -> bytes:
            work(request)
            return request.upper()

        async def live() -> None:
            with suppress(Killed):
                await worker(self.ctx, self.back, do)

        self.nursery.start_soon(live)
        await self.settled()

    def client(self, word: bytes) -> None:
        """One more client, which asks once and waits as long as it takes."""

        async def live() -> None:
            self.answers[word] = await ask(self.ctx, self.front, [word], patience=60, attempts=1)

        self.nursery.start_soon(live)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        world = World(ctx, nursery, f"ipc://{tmp_path}/front", f"ipc://{tmp_path}/back")
        yield world
        nursery.cancel_scope.cancel()


def dies(request: bytes) -> None:
    raise Killed


async def test_work_goes_to_the_worker_that_has_rested_longest(world: World) -> None:
    did: list[str] = []
    for name in "abc":
        await world.worker(lambda request, name=name: did.append(name))  # type: ignore[misc]
    for number in range(7):
        await ask(world.ctx, world.front, [b"%d" % number])
    assert "".join(did) == "abcabca"


@pytest.mark.parametrize("deaths", [1, 2, 3])
@pytest.mark.slow
async def test_what_a_dead_worker_had_is_done_by_the_next(world: World, deaths: int) -> None:
    did: list[bytes] = []
    for _ in range(deaths):
        await world.worker(dies)
    await world.worker(did.append)
    words = [b"one", b"two", b"three", b"four", b"five"]
    for word in words:
        world.client(word)
        await world.settled()
    assert world.answers == {word: [word.upper()] for word in words}
    assert sorted(did) == sorted(words)
    assert len(world.broker.idle) >= 1
    assert (world.broker.busy, list(world.broker.waiting)) == ({}, [])


async def test_requests_wait_for_a_worker_to_come(world: World) -> None:
    """None is there yet; then the only one dies with a request; then there is one that lives."""
    words = [b"one", b"two", b"three"]
    for word in words:
        world.client(word)
    await world.settled()
    assert list(world.broker.waiting) == []  # they wait in the frontend's queues, not here
    await world.worker(dies)
    await world.settled()
    assert world.answers == {}
    assert len(world.broker.waiting) == 1
    await world.worker(lambda request: None)
    assert world.answers == {word: [word.upper()] for word in words}


@pytest.mark.requirement("L-26")
async def test_a_worker_that_died_idle_is_passed_over(world: World) -> None:
    """The broker learns of it when it has work for it: router_mandatory."""
    async with world.ctx.socket(zmq.REQ, linger=0) as mortal:
        mortal.connect(world.back)
        await mortal.send(b"READY")
        await world.settled()
        assert len(world.broker.idle) == 1
    await world.worker(lambda request: None)
    assert len(world.broker.idle) == 2
    assert await ask(world.ctx, world.front, [b"hello"]) == [b"HELLO"]
    await world.settled()
    assert len(world.broker.idle) == 1


@pytest.mark.requirement("L-26")
async def test_a_client_that_leaves_does_not_disturb_the_others(world: World) -> None:
    seen = trio.Event()
    did: list[bytes] = []

    def work(request: bytes) -> None:
        did.append(request)
        seen.set()
        leave.cancel()

    await world.worker(work)
    with trio.CancelScope() as leave:
        await ask(world.ctx, world.front, [b"too long"], patience=60)
    assert leave.cancelled_caught
    await seen.wait()
    assert await ask(world.ctx, world.front, [b"hello"]) == [b"HELLO"]
    assert did == [b"too long", b"hello"]


async def test_the_answer_of_a_worker_taken_for_dead_is_dropped(world: World) -> None:
    """Its request is with another; two answers to one request would be taken for answers to two."""
    async with world.ctx.socket(zmq.DEALER, routing_id=b"client", linger=0) as client:
        client.connect(world.front)
        await world.settled()
        world.broker.busy[b"alive"] = [b"client", b"", b"hello"]
        await world.broker.from_worker(b"dead", b"", b"client", b"", b"HELLO, too late")
        await world.broker.from_worker(b"alive", b"", b"client", b"", b"HELLO")
        assert await client.recv_multipart() == [b"", b"HELLO"]
        await world.settled()
        assert not await client.poll(0)
