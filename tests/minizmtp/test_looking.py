"""Looking before waiting: when a receiver polls, for how long, and when it does not. The clock is the tests' own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net import looking
from minizmtp.net.looking import LONGEST_LOOK, LONGEST_REST, Looker, Rounds
from minizmtp.options import Options
from minizmtp.sockets import waiters
from tests.zmtp_bytes import GREETING, frame, ready

POLL = 10e-6  # seconds that one poll takes


class Clock:
    """Time passes only in polls. happens: what is done in which poll."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.polls = 0
        self.takes = POLL
        self.happens: dict[int, Callable[[], None]] = {}

    def give_way(self) -> None:
        self.polls += 1
        self.now += self.takes
        if self.polls in self.happens:
            self.happens[self.polls]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    for module in (looking, waiters):  # in both, because a message that is slow for the system's clock ends the looking
        monkeypatch.setattr(module, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(looking, "_give_way", clock.give_way)
    monkeypatch.setattr(looking, "_has_two_cores", lambda: True)
    return clock


class Source:
    """Something may come, by itself or for another connection."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.has_come = False

    def arrive(self) -> None:
        self.messages.append(b"hello")
        self.has_come = True

    def poll(self) -> bool:
        came, self.has_come = self.has_come, False
        return came

    def take(self) -> bytes | None:
        return self.messages.pop() if self.messages else None


async def test_a_message_that_comes_in_time_is_found(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    clock.happens[3] = source.arrive
    assert await looker.look(source.take) == b"hello"
    assert clock.polls == 3
    rounds.remove()


async def test_a_look_in_vain_ends_after_its_time(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    for microseconds, polls in [(150, 15), (50, 5), (0, 0)]:
        clock.polls = 0
        looker._options.spin_time = microseconds
        assert await looker.look(source.take) is None
        assert clock.polls == pytest.approx(polls, abs=1)
    rounds.remove()


async def test_after_looks_in_vain_a_socket_rests_longer_and_longer(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    rests = []
    for _ in range(12):
        assert await looker.look(source.take) is None
        rests.append((looker.rested_at - clock.now) / LONGEST_LOOK)
    assert rests == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024])
    for _ in range(8):  # each look that succeeds makes the next rest an eighth shorter
        source.arrive()
        assert await looker.look(source.take) == b"hello"
    assert await looker.look(source.take) is None
    assert looker.rested_at - clock.now == pytest.approx(LONGEST_REST * (7 / 8) ** 8)
    rounds.remove()


async def test_there_is_no_look_while_another_task_is_busy(clock: Clock) -> None:
    """In whatever order trio resumes the two: its statistics show only those that had their turn in this round."""
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())

    async def compute() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(compute)
        for _ in range(50):
            assert await looker.look(source.take) is None
            assert clock.polls == 0
            clock.now += 1
        nursery.cancel_scope.cancel()
    assert looker.rested_at > 0
    rounds.remove()


async def test_a_task_that_the_program_woke_runs_first(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker, event, log = Looker(rounds, source.poll, Options()), trio.Event(), []

    async def other() -> None:
        await event.wait()
        log.append(clock.polls)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await wait_all_tasks_blocked()
        clock.happens[3] = source.arrive
        assert await looker.look(source.take) == b"hello"
        event.set()
        clock.happens[6] = source.arrive
        assert await looker.look(source.take) == b"hello"
    assert log == [3]
    rounds.remove()


async def test_what_comes_for_another_connection_ends_the_look(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())

    def arrive_elsewhere() -> None:
        source.has_come = True

    clock.happens[2] = arrive_elsewhere
    assert await looker.look(source.take) is None
    assert clock.polls == 2
    assert looker.rested_at == 0  # which does not say that looking is of no use
    rounds.remove()


async def test_a_look_ends_in_time_for_the_next_timer(clock: Clock, mock_clock: MockClock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    clock.happens = dict.fromkeys(range(20), lambda: mock_clock.jump(POLL))
    with trio.move_on_after(45e-6):
        assert await looker.look(source.take) is None
    assert clock.polls == 5
    rounds.remove()


async def test_the_loop_goes_round_though_each_message_is_found(clock: Clock) -> None:
    source, rounds, turns = Source(), Rounds(), []
    looker = Looker(rounds, source.poll, Options())

    class Counter(trio.abc.Instrument):
        def after_io_wait(self, timeout: float) -> None:
            turns.append(clock.now)

    counter = Counter()
    trio.lowlevel.add_instrument(counter)
    for poll in range(5, 501, 5):
        clock.happens[poll] = source.arrive
        assert await looker.look(source.take) == b"hello"
    trio.lowlevel.remove_instrument(counter)
    rounds.remove()
    times = [1000.0, *turns, clock.now]
    assert max(later - earlier for earlier, later in pairwise(times)) <= LONGEST_LOOK + 5 * POLL
    assert len(turns) < 50


async def test_a_core_that_another_process_keeps_ends_the_look(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    clock.takes = 60e-6
    assert await looker.look(source.take) is None
    assert clock.polls == 1
    assert looker.rested_at > clock.now
    rounds.remove()


async def test_on_one_core_there_is_no_look(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_has_two_cores", lambda: False)
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    assert await looker.look(source.take) is None
    assert clock.polls == 0
    assert looker.rested_at > clock.now
    rounds.remove()


async def test_a_cancelled_receiver_has_taken_nothing(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    source.arrive()
    with trio.CancelScope() as scope:
        scope.cancel()
        await looker.look(source.take)
    assert scope.cancelled_caught
    assert source.messages == [b"hello"]
    rounds.remove()


async def test_the_instrument_goes_when_no_socket_looks(clock: Clock) -> None:
    source, rounds = Source(), Rounds()
    looker = Looker(rounds, source.poll, Options())
    await looker.look(source.take)
    for _ in range(20):
        await trio.lowlevel.checkpoint()
    with pytest.raises(KeyError):
        trio.lowlevel.remove_instrument(rounds)
    assert await looker.look(source.take) is None  # and it comes back
    trio.lowlevel.remove_instrument(rounds)


# -------------------------------------------------------------------------------------------------------- on sockets


@pytest.mark.epoll
async def test_recv_looks_once_a_message_came_soon(clock: Clock) -> None:
    """The peer speaks only while the receiver polls, so the second message is found by a look or not at all."""
    with trio.fail_after(10):
        async with zmq.Context() as ctx:
            pull = ctx.socket(zmq.PULL)
            pull.bind("tcp://127.0.0.1:*")
            with socket.create_connection(("127.0.0.1", int(pull.last_endpoint.rpartition(":")[2]))) as peer:
                peer.sendall(GREETING + ready(b"PUSH"))
                await wait_all_tasks_blocked(0.01)
                assert clock.polls == 0
                clock.happens[3] = lambda: peer.sendall(frame(b"second"))

                async def speak() -> None:
                    peer.sendall(frame(b"first"))

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(speak)
                    assert await pull.recv() == b"first"
                assert await pull.recv() == b"second"
                assert clock.polls >= 3


async def test_with_spin_time_0_recv_does_not_look(clock: Clock) -> None:
    with trio.fail_after(10):
        async with zmq.Context() as ctx:
            rep, req = ctx.socket(zmq.REP, spin_time=0), ctx.socket(zmq.REQ, spin_time=0)
            rep.bind("tcp://127.0.0.1:*")
            req.connect(rep.last_endpoint)

            async def serve() -> None:
                while True:
                    await rep.send(await rep.recv())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                for _ in range(10):
                    await req.send(b"x")
                    assert await req.recv() == b"x"
                nursery.cancel_scope.cancel()
            assert clock.polls == 0
