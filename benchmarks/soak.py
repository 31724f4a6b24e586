"""A long run of everything at once, to see whether memory grows or messages are lost.

    python -m benchmarks.soak --minutes 30 --plot soak.svg

Our sockets exchange messages with libzmq's, which are in a child process, and with each other; minihttp talks to
minihttp. Meanwhile calls are cancelled at random, sockets are closed and made again, peers reconnect, and monitors are
opened and closed. Every 10 s, one line shows the counts since the start and the resources of the process:

    pull, push          messages from and to libzmq; one call in three is cancelled. None may be lost or repeated.
    req, dealer         round trips with libzmq's REP and ROUTER, on a new socket after each hundred
    sub                 messages of libzmq's PUB, with reconnects: gaps are allowed, repeated messages aren't
    own                 our sockets: made, used over inproc, tcp and ipc with a monitor, and closed
    http                requests; a third of them are cancelled

The verdict at the end: lost and twice must be 0, and files, tasks and memory must not grow after the first third.
"""

import argparse
import contextlib
import gc
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median

import trio
import zmq

import minihttp
import minizmtp

EVERY = 10.0  # seconds between two lines
PACE = 500  # messages per second that libzmq sends on each of its sockets
GROWTH = 0.05  # allowed growth of memory after the first third
MORE_FILES = MORE_TASKS = 20  # allowed, because their number varies at random
COLUMNS = ("pull", "push", "req", "dealer", "sub", "own", "http")


# ── libzmq's side ────────────────────────────────────────────────────────────────────────────────────────────────────


def libzmq(folder: str, pipe: "Pipe[object, object]") -> None:
    """Serve as REP and ROUTER, send numbers as PUSH and PUB, and check the numbers that arrive at a PULL."""
    context = zmq.Context()
    socks: dict[str, zmq.Socket[bytes]] = {}
    for name in ("REP", "ROUTER", "PUSH", "PUB", "PULL"):
        socks[name] = context.socket(getattr(zmq, name))
        socks[name].linger = 0
        socks[name].bind(f"ipc://{folder}/{name}")
    poller = zmq.Poller()
    for name in ("REP", "ROUTER", "PULL"):
        poller.register(socks[name], zmq.POLLIN)
    expected = sent = published = lost = twice = 0
    pipe.send("ready")
    due = time.monotonic()
    while not pipe.poll():
        for sock, _ in poller.poll(2):
            for _ in range(100):
                try:
                    frames = sock.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                if sock is socks["PULL"]:
                    number = int(frames[0])
                    lost += max(0, number - expected)
                    twice += number < expected
                    expected = max(expected, number + 1)
                else:
                    sock.send_multipart(frames)
        while due < time.monotonic():
            due += 1 / PACE
            with contextlib.suppress(zmq.Again):
                socks["PUSH"].send(b"%d" % sent, zmq.NOBLOCK)
                sent += 1
            socks["PUB"].send(b"%d" % published)
            published += 1
    pipe.send((expected, lost, twice))
    context.destroy(linger=0)


# ── our side ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Run:
    """folder: holds the ipc endpoints. passed: counts by column. rows: one for each line."""

    folder: str
    context: minizmtp.Context
    dice: random.Random
    passed: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    twice: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)

    def endpoint(self, name: str) -> str:
        return f"ipc://{self.folder}/{name}"

    async def perhaps(self, call: Callable[[], Awaitable[object]]) -> bool:
        """Call it, and cancel it after a random time in a third of the cases. Return whether it finished."""
        if self.dice.random() > 1 / 3:
            await call()
            return True
        with trio.move_on_after(self.dice.random() * 0.004) as scope:
            await call()
        return not scope.cancelled_caught


async def pull(run: Run) -> None:
    expected = 0
    sock = run.context.socket(minizmtp.PULL)
    sock.connect(run.endpoint("PUSH"))

    async def receive() -> None:
        nonlocal expected
        for frames in await sock.recv_many(run.dice.choice([1, None])):
            number = int(frames[0])
            run.lost += max(0, number - expected)
            run.twice += number < expected
            expected = max(expected, number + 1)
            run.passed["pull"] += 1

    while True:
        await run.perhaps(receive)


async def push(run: Run) -> None:
    number = 0
    sock = run.context.socket(minizmtp.PUSH)
    sock.connect(run.endpoint("PULL"))

    async def send() -> None:
        nonlocal number
        await sock.send(b"%d" % number)
        number += 1  # not reached after a cancelled call, which has sent nothing
        run.passed["push"] += 1

    while True:
        await run.perhaps(send)
        if number % 50 == 0:
            await trio.sleep(0.1)


async def req(run: Run) -> None:
    while True:
        async with run.context.socket(minizmtp.REQ, linger=0) as sock:
            sock.connect(run.endpoint("REP"))
            for number in range(100):
                await sock.send(b"%d" % number)
                while not await run.perhaps(reply := Reply(sock)):
                    pass
                run.twice += reply.octets != b"%d" % number
                run.passed["req"] += 1
                await trio.sleep(0.005)


class Reply:
    """A call of `recv` that keeps the received message."""

    def __init__(self, sock: minizmtp.Socket) -> None:
        self.sock, self.octets = sock, b""

    async def __call__(self) -> None:
        self.octets = await self.sock.recv()


async def dealer(run: Run) -> None:
    while True:
        async with run.context.socket(minizmtp.DEALER, linger=0) as sock:
            sock.connect(run.endpoint("ROUTER"))
            for number in range(100):
                await sock.send_many([b"%d" % number] * 10)
                for _ in range(10):
                    while not await run.perhaps(reply := Reply(sock)):
                        pass
                    run.twice += reply.octets != b"%d" % number
                run.passed["dealer"] += 10
                await trio.sleep(0.02)


async def sub(run: Run) -> None:
    last = -1
    sock = run.context.socket(minizmtp.SUB)
    sock.subscribe(b"")
    while True:
        sock.connect(run.endpoint("PUB"))
        with trio.move_on_after(run.dice.random() * 2):
            while True:
                number = int(await sock.recv())
                run.twice += number <= last
                last = number
                run.passed["sub"] += 1
        sock.disconnect(run.endpoint("PUB"))


async def own(run: Run) -> None:
    """Use two of our sockets over each transport in turn, with a monitor and changing subscriptions."""
    while True:
        for bind in ("inproc://soak", "tcp://127.0.0.1:*", "ipc://*"):
            async with run.context.socket(minizmtp.XPUB) as xpub, run.context.socket(minizmtp.SUB) as sub:
                xpub.bind(bind)
                async with sub.monitor():
                    sub.connect(xpub.last_endpoint)
                    sub.subscribe(b"a")
                    await xpub.recv()
                    for number in range(20):
                        await xpub.send(b"a%d" % number)
                    for number in range(20):
                        received = await sub.recv()
                        run.lost += received != b"a%d" % number
                        run.passed["own"] += 1
        await trio.sleep(0.05)


async def http(run: Run) -> None:
    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=await request.aread())

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(minihttp.serve, answer)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        while True:
            async with minihttp.AsyncClient() as client:
                for number in range(300):

                    async def post(number: int = number) -> None:
                        response = await client.post(url, content=b"%d" % number * 100)
                        run.lost += response.content != b"%d" % number * 100
                        run.passed["http"] += 1

                    await run.perhaps(post)
                    await trio.sleep(0.005)


# ── lines, verdict, plot ─────────────────────────────────────────────────────────────────────────────────────────────


async def tell(run: Run, end: float) -> None:
    """Print one line every 10 s until the end."""
    print("   time " + "".join(f"{name + '/s':>9}" for name in COLUMNS) + "   memory  files  tasks   lost  twice")
    began, before = trio.current_time(), Counter[str]()
    while trio.current_time() < end:
        await trio.sleep(EVERY)
        rates = {name: (run.passed[name] - before[name]) / EVERY for name in COLUMNS}
        before = run.passed.copy()
        gc.collect()  # so that memory doesn't include garbage
        row = {
            "time": trio.current_time() - began,
            **rates,
            "memory": resident() / 2**20,
            "files": len(os.listdir("/proc/self/fd")),
            "tasks": trio.lowlevel.current_statistics().tasks_living,
            "lost": run.lost,
            "twice": run.twice,
        }
        run.rows.append(row)
        print(
            f"{row['time']:6.0f}s "
            + "".join(f"{row[name]:9.0f}" for name in COLUMNS)
            + f"{row['memory']:7.1f} M{row['files']:7.0f}{row['tasks']:7.0f}{row['lost']:7.0f}{row['twice']:7.0f}",
            flush=True,
        )


def resident() -> int:
    """The resident memory of the process in octets."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def verdict(rows: list[dict[str, float]]) -> list[str]:
    """The faults of a run; empty if it was good."""
    wrong = []
    last = rows[-1]
    if last["lost"]:
        wrong.append(f"{last['lost']:.0f} messages are lost, expected 0")
    if last["twice"]:
        wrong.append(f"{last['twice']:.0f} messages came twice, expected 0")
    third = max(1, len(rows) // 3)
    early, late = rows[third : 2 * third] or rows[:1], rows[-third:]
    bounds = {"memory": 0.0, "files": MORE_FILES, "tasks": MORE_TASKS}
    for name, more in bounds.items():
        then, now = (median(row[name] for row in part) for part in (early, late))
        if now > then * (1 + GROWTH) + more:
            unit = " MiB" if name == "memory" else ""
            wrong.append(f"{name} grew from {then:.1f} to {now:.1f}{unit}")
    wrong += [f"{name} stood still at the end" for name in COLUMNS if not last[name]]
    return wrong


def plot(rows: list[dict[str, float]], file: str) -> None:
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    minutes = [row["time"] / 60 for row in rows]
    for name in COLUMNS:
        above.plot(minutes, [row[name] for row in rows], label=name, linewidth=1)
    above.set_yscale("log")
    above.set_ylabel("a second")
    above.legend(ncols=len(COLUMNS), frameon=False, fontsize="small")
    for name, unit in (("memory", "MiB"), ("files", "open"), ("tasks", "living")):
        below.plot(minutes, [row[name] for row in rows], label=f"{name}, {unit}")
    below.set_ylim(bottom=0)
    below.set_xlabel("minutes")
    below.legend(ncols=3, frameon=False, fontsize="small")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


async def soak(seconds: float, seed: int) -> tuple[list[dict[str, float]], list[str]]:
    """Run for `seconds`; return the rows and the faults."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        child = multiprocessing.get_context("spawn").Process(target=libzmq, args=(folder, theirs), daemon=True)
        child.start()
        await trio.to_thread.run_sync(ours.recv)
        async with minizmtp.Context() as context:
            run = Run(folder, context, random.Random(seed))
            async with trio.open_nursery() as nursery:
                for work in (pull, push, req, dealer, sub, own, http):
                    nursery.start_soon(work, run)
                await tell(run, trio.current_time() + seconds)
                nursery.cancel_scope.cancel()
        ours.send("stop")
        count, lost, twice = await trio.to_thread.run_sync(ours.recv)
        child.join(10)
    wrong = verdict(run.rows)
    if lost or twice:
        wrong.append(f"of {count} messages to libzmq {lost} were lost and {twice} came twice, expected 0")
    return run.rows, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="A long run of everything at once.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", metavar="FILE", help="where to draw the run, for example soak.svg")
    arguments = parser.parse_args()
    rows, wrong = trio.run(soak, arguments.minutes * 60, arguments.seed)
    print("\n".join(wrong) or "flat: nothing was lost, nothing came twice, nothing grew")
    if arguments.plot:
        plot(rows, arguments.plot)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
