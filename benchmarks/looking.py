"""What polling the socket before waiting (`spin_time`) gains: round trips with it and without it.

    python -m benchmarks.looking                    # all; about a minute
    python -m benchmarks.looking --rounds 3         # faster, but less exact

A REP in its own process echoes 64 octets over tcp to one or more REQs.  `spin_time` is 150 or 0 at both ends.

    1             one REQ
    10 · 1000     this many REQs, each of which sends in turn, one at a time
    busy          a task in the client's process always computes, 20 µs at a time
    one core      both processes run on the same core (taskset(1))
    late          the REP answers after 400 µs, so polling can't succeed

us: microseconds per round trip; cpu: the client's CPU time for it.  The last table shows the effect of polling on other
tasks in the client: the delay of a timer of 1 ms (the median, and the 99th percentile).
"""

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

import trio

import minizmtp as zmq

MESSAGE = b"x" * 64
SPINS = (0, 150)


async def echo(rep: zmq.Socket, delay: float) -> None:
    while True:
        message = await rep.recv()
        if delay:
            await trio.sleep(delay)
        await rep.send(message)


def serve(pipe: Connection, spin: int, delay: float, one_core: bool) -> None:
    if one_core:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    async def main() -> None:
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            rep = ctx.socket(zmq.REP, spin_time=spin, backlog=2000)
            rep.bind("tcp://127.0.0.1:*")
            nursery.start_soon(echo, rep, delay)
            pipe.send(rep.last_endpoint)
            await trio.sleep_forever()

    trio.run(main)


class Client:
    """count: round trips. The other parameters are those of the table's rows."""

    def __init__(self, endpoint: str, spin: int, count: int, connections: int, busy: bool, timer: bool) -> None:
        self.endpoint, self.spin, self.count = endpoint, spin, count
        self.connections, self.busy, self.timer = connections, busy, timer
        self.late: list[float] = []

    async def compute(self) -> None:
        while True:
            end = time.perf_counter() + 20e-6
            while time.perf_counter() < end:
                pass
            await trio.lowlevel.checkpoint()

    async def watch_time(self) -> None:
        while True:
            due = trio.current_time() + 0.001
            await trio.sleep_until(due)
            self.late.append(trio.current_time() - due)

    async def main(self) -> tuple[float, float]:
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            reqs = [ctx.socket(zmq.REQ, spin_time=self.spin) for _ in range(self.connections)]
            for req in reqs:
                req.connect(self.endpoint)
            for req in reqs:
                await req.send(MESSAGE)
                await req.recv()
            for task, wanted in ((self.compute, self.busy), (self.watch_time, self.timer)):
                if wanted:
                    nursery.start_soon(task)
            for number in range(200):
                await ask(reqs[number % len(reqs)])
            start, cpu = time.perf_counter(), time.process_time()
            for number in range(self.count):
                await ask(reqs[number % len(reqs)])
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            nursery.cancel_scope.cancel()
        return seconds / self.count * 1e6, cpu / self.count * 1e6


async def ask(req: zmq.Socket) -> None:
    await req.send(MESSAGE)
    await req.recv()


def measure(
    spin: int, *, count: int = 2000, connections: int = 1, busy: bool = False, one_core: bool = False,
    delay: float = 0, timer: bool = False,
) -> tuple[float, float, list[float]]:  # fmt: skip
    """Microseconds and CPU time of a round trip, and the delay of each timer."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs, spin, delay, one_core), daemon=True)
    server.start()
    before = os.sched_getaffinity(0)
    if one_core:
        os.sched_setaffinity(0, {max(before)})
    try:
        client = Client(ours.recv(), spin, count, connections, busy, timer)
        figures = trio.run(client.main)
    finally:
        os.sched_setaffinity(0, before)
        server.kill()
        server.join()
    return *figures, client.late


CASES: list[tuple[str, dict[str, Any]]] = [
    ("1 connection", {}),
    ("10 connections", {"connections": 10}),
    ("1000 connections", {"connections": 1000}),
    ("beside a busy task", {"busy": True}),
    ("one core", {"one_core": True}),
    ("late", {"delay": 400e-6, "count": 500}),
]


def table(cases: list[tuple[str, dict[str, Any]]], rounds: int, scale: float = 1) -> None:
    print(f"{'':20} {'us':>7} {'looking':>8} {'ratio':>6}    {'cpu':>7} {'looking':>8}")
    for name, case in cases:
        case = {**case, "count": max(20, int(case.get("count", 2000) * scale))}
        runs = [[measure(spin, **case) for spin in SPINS] for _ in range(rounds)]
        us = [statistics.median(pair[index][0] for pair in runs) for index in range(2)]
        cpu = [statistics.median(pair[index][1] for pair in runs) for index in range(2)]
        ratio = statistics.median(without[0] / with_[0] for without, with_ in runs)
        print(f"{name:20} {us[0]:7.1f} {us[1]:8.1f} {ratio:6.2f}    {cpu[0]:7.1f} {cpu[1]:8.1f}", flush=True)
    print(f"\n{'a timer of 1 ms':20} {'late us':>7} {'99 %':>8}")
    for spin in SPINS:
        late = sorted(measure(spin, count=max(20, int(4000 * scale)), timer=True)[2]) or [0.0]
        print(f"{f'spin_time {spin}':20} {late[len(late) // 2] * 1e6:7.0f} {late[len(late) * 99 // 100] * 1e6:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looking", description="What looking is worth.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; medians are shown")
    table(CASES, parser.parse_args().rounds)


if __name__ == "__main__":
    main()
