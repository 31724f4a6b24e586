"""The reactor: what is called, for what, and when; with epoll, and with a task for each socket."""

import errno
import logging
import select
import socket
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net import runtime
from minizmtp.net.portable import TaskReactor
from minizmtp.net.reactor import (
    CALLS_PER_CHECKPOINT,
    IDLE,
    READ,
    TURNS_PER_CHECKPOINT,
    WRITE,
    EpollReactor,
    Reactor,
)
from tests.minizmtp.helpers import logged, pair

every_reactor = pytest.mark.parametrize("make", [EpollReactor, TaskReactor], ids=["epoll", "tasks"])


class Ends:
    """Two ends of a stream: ours is watched, theirs is the peer's."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)
        self.fd = self.ours.fileno()
        self.turns: list[int] = []

    def turn(self, may: int) -> None:
        self.turns.append(may)
        if may & READ:
            self.ours.recv(100)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def ends() -> Iterator[list[Ends]]:
    made: list[Ends] = [Ends() for _ in range(2 * TURNS_PER_CHECKPOINT + 1)]
    yield made
    for one in made:
        one.close()


# ------------------------------------------------------------------------------------------------------- turns


@every_reactor
async def test_turns_come_as_long_as_there_is_interest(make: type[Reactor], ends: list[Ends]) -> None:
    one, turns = ends[0], 0

    def turn(may: int) -> None:
        nonlocal turns
        one.turns.append(may)
        turns += 1

    async def turns_now() -> set[int]:
        one.turns.clear()
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        return set(one.turns)

    async with trio.open_nursery() as nursery:
        reactor = make(nursery.start_soon)
        reactor.watch(one.fd, READ, turn)
        assert await turns_now() == set()
        one.theirs.send(b"x")
        assert await turns_now() == {READ}
        reactor.change_interest(one.fd, READ | WRITE)
        assert sum(await turns_now()) in (READ + WRITE, (READ | WRITE))
        reactor.change_interest(one.fd, WRITE)
        await turns_now()
        assert await turns_now() == {WRITE}
        reactor.change_interest(one.fd, IDLE)
        await turns_now()
        assert await turns_now() == set()
        reactor.change_interest(one.fd, READ)
        assert await turns_now() == {READ}
        reactor.unwatch(one.fd)
        assert await turns_now() == set()
        reactor.watch(one.fd, READ, turn)
        assert await turns_now() == {READ}
        nursery.cancel_scope.cancel()
    reactor.close()


@every_reactor
async def test_a_closed_peer_is_readable_and_reported_only_on_interest(make: type[Reactor], ends: list[Ends]) -> None:
    """A peer that has hung up can be read, which finds the end."""
    one, turns = ends[0], 0

    def turn(may: int) -> None:
        nonlocal turns
        turns += 1
        assert may & READ
        reactor.unwatch(one.fd)  # or a reader that stands still would be called for ever

    async with trio.open_nursery() as nursery:
        reactor = make(nursery.start_soon)
        reactor.watch(one.fd, READ, turn)
        one.theirs.close()
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert turns == 1
        nursery.cancel_scope.cancel()
    reactor.close()


@every_reactor
async def test_every_ready_descriptor_has_a_turn(make: type[Reactor], ends: list[Ends]) -> None:
    async with trio.open_nursery() as nursery:
        reactor = make(nursery.start_soon)
        for one in ends:
            reactor.watch(one.fd, READ, one.turn)
        for one in ends[1:]:
            one.theirs.send(b"x")
        await wait_all_tasks_blocked(0.01)
        assert [one.turns for one in ends] == [[]] + [[READ]] * (len(ends) - 1)
        reactor.unwatch(ends[0].fd)
        ends[0].theirs.send(b"x")
        await wait_all_tasks_blocked(0.01)
        assert ends[0].turns == []
        nursery.cancel_scope.cancel()
    reactor.close()


@every_reactor
async def test_an_unwatched_descriptor_has_no_turn(make: type[Reactor], ends: list[Ends]) -> None:
    """Both were ready; the turn of the one ended the other."""
    turns: list[int] = []
    async with trio.open_nursery() as nursery:
        reactor = make(nursery.start_soon)

        def turn_of(index: int) -> Callable[[int], None]:
            def turn(may: int) -> None:
                turns.append(index)
                for one in ends[:2]:
                    reactor.unwatch(one.fd)

            return turn

        for index, one in enumerate(ends[:2]):
            one.theirs.send(b"x")
            reactor.watch(one.fd, READ, turn_of(index))
        await wait_all_tasks_blocked(0.01)
        assert len(turns) == 1
        nursery.cancel_scope.cancel()
    reactor.close()


@every_reactor
async def test_always_ready_descriptors_let_other_tasks_run(make: type[Reactor], ends: list[Ends]) -> None:
    turns = 0

    def turn(may: int) -> None:
        nonlocal turns
        turns += 1

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            reactor = make(nursery.start_soon)
            for one in ends:
                reactor.watch(one.fd, WRITE, turn)
            for _ in range(20):
                before = turns
                await trio.lowlevel.checkpoint()
                assert turns - before <= 2 * TURNS_PER_CHECKPOINT
            nursery.cancel_scope.cancel()
    assert turns > len(ends)
    reactor.close()


@every_reactor
async def test_a_socket_of_the_same_number_is_watched_anew(make: type[Reactor]) -> None:
    """The system gives the number of a closed socket to the next one, and its task may not have ended yet."""
    async with trio.open_nursery() as nursery:
        reactor = make(nursery.start_soon)
        numbers = set()
        for _ in range(5):
            one = Ends()
            numbers.add(one.fd)
            reactor.watch(one.fd, READ, one.turn)
            one.theirs.send(b"x")
            await wait_all_tasks_blocked(0.001)
            assert one.turns == [READ]
            reactor.unwatch(one.fd)
            trio.lowlevel.notify_closing(one.ours)
            one.close()
        assert len(numbers) < 5
        nursery.cancel_scope.cancel()
    reactor.close()


async def test_callbacks_run_in_order_in_small_groups_between_tasks() -> None:
    """They are called when the running task yields, and the other tasks get their turn in between."""
    turns: list[int] = []

    def turn_of(index: int) -> Callable[[int], None]:
        def turn(may: int) -> None:
            assert may == WRITE
            turns.append(index)
            if index == TURNS_PER_CHECKPOINT:
                reactor.call_soon(turn_of(10 * TURNS_PER_CHECKPOINT))

        return turn

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            reactor = EpollReactor(nursery.start_soon)
            for _ in range(2):  # the first starts the task, the second wakes it
                turns.clear()
                for index in range(3 * TURNS_PER_CHECKPOINT):
                    reactor.call_soon(turn_of(index))
                assert turns == []
                while len(turns) <= 3 * TURNS_PER_CHECKPOINT:
                    before = len(turns)
                    await trio.lowlevel.checkpoint()
                    assert len(turns) - before <= 2 * TURNS_PER_CHECKPOINT
                assert turns == [*range(3 * TURNS_PER_CHECKPOINT), 10 * TURNS_PER_CHECKPOINT]
                await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_work_in_parts_has_one_turn_between_two_checkpoints() -> None:
    """However many connections have such work, what another task waits for is one part of one of them."""
    turns: list[str] = []
    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        for index in range(10):
            reactor.call_later(lambda may: turns.append("part"))
            reactor.call_soon(lambda may, index=index: turns.append(f"{index}"))  # type: ignore[misc]
        while len(turns) < 20:
            before = len(turns)
            await trio.lowlevel.checkpoint()
            assert turns[before:].count("part") <= 2  # because the order of tasks within a round of trio is random
        assert turns == [*"0123", "part", *"4567", "part", *"89", *["part"] * 8]
        nursery.cancel_scope.cancel()


# ------------------------------------------------------------------------------------------------------- time


async def test_timers_run_in_order_at_their_time_unless_cancelled(autojump_clock: MockClock) -> None:
    called: list[tuple[str, float]] = []
    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        start = trio.current_time()

        def note(word: str) -> Callable[[], None]:
            return lambda: called.append((word, trio.current_time() - start))

        reactor.call_at(start + 5, note("late"))
        await trio.sleep(1)
        cancelled = reactor.call_at(start + 2, note("never"))
        reactor.call_at(start + 3, note("early"))
        reactor.call_at(start + 3, note("and after it"))
        reactor.cancel(cancelled)
        reactor.cancel(cancelled)
        await trio.sleep(10)
        reactor.call_at(start + 1, note("overdue"))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert called == [("early", 3), ("and after it", 3), ("late", 5), ("overdue", 11)]


async def test_calls_that_were_cancelled_are_not_kept_until_their_time(autojump_clock: MockClock) -> None:
    called: list[int] = []
    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        start = trio.current_time()
        for number in range(10_000):
            reactor.cancel(reactor.call_at(start + 1000 + number, partial(called.append, number)))
            if number % 100 == 0:
                reactor.call_at(start + 2000 - number, partial(called.append, number))
        assert len(reactor._times) < 500
        await trio.sleep(20_000)
        nursery.cancel_scope.cancel()
    assert called == list(range(9900, -1, -100))


async def test_a_call_may_ask_for_the_next(autojump_clock: MockClock) -> None:
    times: list[float] = []
    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        start = trio.current_time()

        def again() -> None:
            times.append(trio.current_time() - start)
            reactor.call_at(trio.current_time() + 1, again)

        again()
        await trio.sleep(3.5)
        nursery.cancel_scope.cancel()
    assert times == [0, 1, 2, 3]


# ------------------------------------------------------------------------------------------------------- on sockets


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
async def test_sockets_work_with_a_task_for_each(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Floods that stand still and go on, both ways, and a peer that goes."""
    monkeypatch.setattr(runtime, "new_reactor", TaskReactor)
    with trio.fail_after(20):
        async with zmq.Context() as ctx:
            router, dealer = await pair(ctx, zmq.ROUTER, zmq.DEALER, endpoint, hwm=10)

            async def echo() -> None:
                async for message in router:
                    await router.send_multipart(message)

            async def ask() -> None:
                for number in range(1000):
                    await dealer.send(b"%d" % number)

            async with trio.open_nursery() as nursery:
                router.router_mandatory = 1  # it waits, where it would drop
                nursery.start_soon(echo)
                nursery.start_soon(ask)
                for number in range(1000):
                    assert await dealer.recv() == b"%d" % number
                dealer.close()
                await wait_all_tasks_blocked(0.01)
                assert router.peers() == []
                router.close()


# ------------------------------------------------------------------------------------------------------- when it fails


@pytest.mark.usefixtures("errors_expected")
async def test_an_error_in_one_turn_does_not_stop_the_others(
    ends: list[Ends], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []

    def fail(*_: int) -> None:
        called.append("fails")
        reactor.unwatch(ends[0].fd)
        raise ZeroDivisionError

    def soon(may: int) -> None:
        called.append("soon")

    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        with logged(caplog, logging.ERROR) as words:
            reactor.watch(ends[0].fd, READ, fail)
            reactor.watch(ends[1].fd, READ, ends[1].turn)
            for one in ends[:2]:
                one.theirs.send(b"x")
            reactor.call_at(trio.current_time() + 1, lambda: 1 // 0)
            reactor.call_at(trio.current_time() + 1, lambda: called.append("on time"))
            reactor.call_soon(lambda may: 1 // 0)
            reactor.call_soon(soon)
            await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert sorted(called) == ["fails", "on time", "soon"]
    assert ends[1].turns == [READ]
    assert words == ["an error in this library, in one connection; the others go on"] * 3


async def test_without_a_file_for_epoll_the_next_one_asks_again(
    ends: list[Ends], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> select.epoll:
        raise OSError(errno.EMFILE, "Too many open files")

    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        with monkeypatch.context() as patch:
            patch.setattr(select, "epoll", none_left)
            with pytest.raises(OSError, match="Too many open files"):
                reactor.watch(ends[0].fd, READ, ends[0].turn)
        reactor.watch(ends[1].fd, READ, ends[1].turn)
        ends[1].theirs.send(b"x")
        with trio.fail_after(5):
            while not ends[1].turns:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    reactor.close()


@pytest.mark.usefixtures("errors_expected")
async def test_a_failing_epoll_is_logged_and_used_again(
    ends: list[Ends], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(EpollReactor):
        failures = 2

        def poll(self) -> bool:
            self.failures -= 1
            if self.failures >= 0:
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return super().poll()

    async with trio.open_nursery() as nursery:
        reactor = Failing(nursery.start_soon)
        with logged(caplog, logging.ERROR) as words:
            reactor.watch(ends[0].fd, READ, ends[0].turn)
            ends[0].theirs.send(b"x")
            await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert ends[0].turns == [READ]
    assert words == ["an error in a task that all connections share; it goes on"] * 2
    reactor.close()


def test_the_end_of_a_watch_does_not_fail(ends: list[Ends]) -> None:
    """The file may be closed, and the system forgets one that is closed."""
    reactor = EpollReactor(lambda function: None)
    reactor.watch(ends[0].fd, READ, ends[0].turn)
    ends[0].ours.close()
    reactor.unwatch(ends[0].fd)
    assert not reactor._turns
    reactor.close()


async def test_between_calls_that_are_due_at_once_others_run(mock_clock: MockClock) -> None:
    """Ten thousand handshakes may be too slow at the same moment."""
    async with trio.open_nursery() as nursery:
        reactor = EpollReactor(nursery.start_soon)
        called = 0

        def call() -> None:
            nonlocal called
            called += 1

        for _ in range(10 * CALLS_PER_CHECKPOINT):
            reactor.call_at(1.0, call)
        seen = [0]
        mock_clock.jump(1.0)
        while seen[-1] < 10 * CALLS_PER_CHECKPOINT:
            await trio.lowlevel.checkpoint()
            seen.append(called)
        # trio runs the two tasks in either order, so between two looks there may be two batches.
        assert max(after - before for before, after in pairwise(seen)) <= 2 * CALLS_PER_CHECKPOINT
        nursery.cancel_scope.cancel()
