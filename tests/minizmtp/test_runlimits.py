"""Run limits: who may do much at once, and beside whom; counted, not timed."""

import socket
from contextlib import AsyncExitStack

import pytest
import trio

import minizmtp as zmq
from minizmtp.net import runlimits
from minizmtp.net.engine import Engine
from minizmtp.net.runlimits import SHARING, SHORT_OCTETS, SHORT_WORK, WORK, RunCounts, RunLimits
from minizmtp.net.transports import Stream
from minizmtp.wire import Connection
from tests.minizmtp.inside import engine_of
from tests.zmtp_bytes import GREETING, command, frame, ready
from tests.zmtp_peer import RawPeer


def long_run(limits: RunLimits, now: float) -> int:
    limits.note(limits.work, 65536, lambda: now)
    return limits.work


def short_run(limits: RunLimits, now: float) -> None:
    limits.note(1, 66, lambda: now)


def test_floods_do_not_limit_each_other() -> None:
    """A hundred connections with much to say are quickest in long runs, and none of them waits for an answer."""
    counts = RunCounts()
    floods = [RunLimits(counts) for _ in range(100)]
    assert {long_run(one, number * 0.001) for number in range(50) for one in floods} == {WORK}


def test_one_flood_alone_is_not_limited_by_its_own_short_runs() -> None:
    one = RunLimits(RunCounts())
    for number in range(10):
        short_run(one, number * 0.001)
        assert long_run(one, number * 0.001) == WORK


def test_two_floods_beside_a_dialogue_are_limited() -> None:
    counts = RunCounts()
    floods, dialogue = [RunLimits(counts) for _ in range(2)], RunLimits(counts)
    for number in range(4):
        works = [long_run(one, number * 0.001) for one in floods]
        short_run(dialogue, number * 0.001)
    assert works == [SHORT_WORK] * 2


def test_a_dialogue_that_is_over_does_not_limit_a_flood() -> None:
    counts = RunCounts()
    flood, dialogue = RunLimits(counts), RunLimits(counts)
    short_run(dialogue, 0.0)
    assert long_run(flood, 1.0) == WORK  # it was over before the flood began
    short_run(dialogue, 1.01)
    assert long_run(flood, 1.02) == SHORT_WORK
    assert long_run(flood, 1.02 + 0.9 * SHARING) == SHORT_WORK
    assert long_run(flood, 1.03 + SHARING) == WORK


class Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


@pytest.mark.slow
async def test_receivers_of_many_floods_do_not_spin() -> None:
    """A run that used up its limit takes a step of the reactor, and one of its receiver; none asks again in vain."""
    peers, runs = 50, 4
    steps = Steps()

    async def receive(pull: zmq.Socket) -> None:
        left = runs * WORK
        while left:
            left -= len(await pull.recv_many())

    async with zmq.Context() as ctx, trio.open_nursery() as nursery, AsyncExitStack() as stack:
        socks = []
        for _ in range(peers):
            pull = ctx.socket(zmq.PULL, rcvhwm=0, spin_time=0)
            pull.bind("tcp://127.0.0.1:*")
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", int(pull.last_endpoint.split(":")[2]))))
            sock.sendall(GREETING + ready(b"PUSH") + frame(b"warm"))
            assert await pull.recv() == b"warm"
            socks.append((pull, sock))
        for pull, sock in socks:
            sock.sendall(frame(b"") * runs * WORK)
            nursery.start_soon(receive, pull)
        trio.lowlevel.add_instrument(steps)
    assert steps.count < 4 * runs * peers


FLOODS = {"messages": frame(b"") * 20_000, "frames": (b"\1\0" * 999 + frame(b"")) * 20, "large": frame(bytes(1 << 20))}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.slow
async def test_beside_a_dialogue_a_flood_does_little_at_once(flood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a request and its answer the flood makes few runs, and none that does more than a dialogue waits for."""
    runs: list[tuple[int, int]] = []  # of the flooded connection: work done, octets read
    read = 0
    flooded: Engine | None = None
    run_once, try_receive_into = Engine.run_once, Stream.try_receive_into

    def counted(engine: Engine, readiness: int) -> None:
        nonlocal read
        read, allowed = 0, engine._limits.work
        run_once(engine, readiness)
        if engine is flooded:
            runs.append((allowed - engine._connection.decoder.allowance, read))

    def seen(stream: Stream, connection: Connection, most: int = 0) -> int | None:
        nonlocal read
        count = try_receive_into(stream, connection, most)
        read += count or 0
        return count

    monkeypatch.setattr(runlimits, "SHARING", 1e9)  # because a busy machine may stop this process for longer
    monkeypatch.setattr(Engine, "run_once", counted)
    monkeypatch.setattr(Stream, "try_receive_into", seen)
    with trio.fail_after(30):
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            pull, rep = ctx.socket(zmq.PULL, linger=0, rcvhwm=0), ctx.socket(zmq.REP, linger=0)
            pull.bind("tcp://127.0.0.1:*")
            rep.bind("tcp://127.0.0.1:*")

            async def read_all() -> None:
                async for _ in pull:
                    pass

            async def answer() -> None:
                async for message in rep:
                    await rep.send_multipart(message)

            async def send_all() -> None:
                while True:
                    await flooder.send(FLOODS[flood])

            nursery.start_soon(read_all)
            nursery.start_soon(answer)
            async with (
                await RawPeer.dial(pull.last_endpoint) as flooder,
                await RawPeer.dial(rep.last_endpoint) as peer,
                trio.open_nursery() as flooding,  # ends before the peers are closed
            ):
                await flooder.greet(b"PUSH")
                await peer.greet(b"REQ")
                await flooder.send(command(b"X"))
                while not pull.peers():
                    await trio.lowlevel.checkpoint()
                flooded = engine_of(pull)
                flooding.start_soon(send_all)
                between: list[int] = []
                for _ in range(200):
                    before = len(runs)
                    await peer.send(b"\1\0\0\1x")
                    assert await peer.read(5) == b"\1\0\0\1x"
                    between.append(len(runs) - before)
                assert sum(between[100:]) / 100 < 8
                limited = [(work, octets) for work, octets in runs if octets or work > 1][-sum(between[100:]) :]
                assert limited
                assert max(work for work, _ in limited) <= SHORT_WORK + 17  # the last frame may count for several
                assert max(octets for _, octets in limited) <= SHORT_OCTETS
                flooding.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
