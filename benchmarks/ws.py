"""What does a WebSocket cost?  PUSH and PULL over tcp and over ws, and npm's zeromq (libzmq's ws) if Node has it.

    python -m benchmarks.ws                                 # all; about a minute
    python -m benchmarks.ws 64k                             # only this row
    NODE_PATH=…/node_modules python -m benchmarks.ws        # with npm's zeromq: `npm install zeromq@6.8`

    tcp       minizmtp over tcp
    up        minizmtp over ws; the client sends, so every octet is masked at one end and unmasked at the other
    down      minizmtp over ws; the server sends
    npm       npm's zeromq over ws; the client sends

The ends are two processes.  Contenders take turns.  A cell has the median of the rounds, and in brackets the CPU time
of the sender and of the receiver for a message, in microseconds.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from statistics import median
from typing import Any, NamedTuple

import trio

import minizmtp as zmq

ROUNDS = 3
PATIENCE = 120
CONTENDERS = ("tcp", "up", "down", "npm")
BATCH = 1000

# The same ends in Node.
NODE = """
const zmq = require("zeromq");
const { role, bind, endpoint, count, size } = JSON.parse(process.argv[1]);
const say = (it) => process.stdout.write(JSON.stringify(it) + "\\n");
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6; };
(async () => {
  const socket = role === "PUSH" ? new zmq.Push() : new zmq.Pull();
  if (bind) { await socket.bind(endpoint); say(socket.lastEndpoint); } else socket.connect(endpoint);
  if (role === "PUSH") {
    const message = Buffer.alloc(size);
    await socket.send("go");
    const before = cpu();
    for (let number = 0; number < count; number++) await socket.send(message);
    say([0, cpu() - before]);
    await new Promise((resolve) => process.stdin.once("data", resolve));
  } else {
    await socket.receive();
    const before = cpu(), began = process.hrtime.bigint();
    for (let number = 0; number < count; number++) await socket.receive();
    say([Number(process.hrtime.bigint() - began) / 1e9, cpu() - before]);
  }
  process.exit(0);
})();
"""


class Row(NamedTuple):
    """many: ours send and receive many messages with one call."""

    name: str
    words: str
    count: int
    size: int
    many: bool = False


ROWS = (
    Row("64", "64 B", 50_000, 64),
    Row("64-many", "64 B, many with one call", 300_000, 64, many=True),
    Row("1k", "1 KiB", 30_000, 1024),
    Row("64k", "64 KiB", 3_000, 65536),
    Row("1m", "1 MiB", 200, 1 << 20),
)


class Costs(NamedTuple):
    """Seconds for a message: from end to end, and of CPU for the sender and the receiver."""

    whole: float
    sender: float
    receiver: float


async def end(role: str, bind: bool, endpoint: str, count: int, size: int, many: bool) -> None:
    """One end of a run, in a process of its own."""
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.SocketType[role], linger=0)
        if bind:
            sock.bind(endpoint)
            print(json.dumps(sock.last_endpoint), flush=True)
        else:
            sock.connect(endpoint)
        if role == "PUSH":
            await sock.send(b"go")
            before, message = time.process_time(), bytes(size)
            if many:
                await sock.send_many(repeat(message, count))
            else:
                for _ in range(count):
                    await sock.send(message)
            print(json.dumps([0, time.process_time() - before]), flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            return
        await sock.recv()
        before, began, got = time.process_time(), time.perf_counter(), 0
        while got < count:
            got += len(await sock.recv_many(min(BATCH, count - got))) if many else len(await sock.recv_multipart())
        print(json.dumps([time.perf_counter() - began, time.process_time() - before]), flush=True)


def start(contender: str, **work: Any) -> "subprocess.Popen[str]":
    ours = [sys.executable, "-m", "benchmarks.ws", "end", json.dumps(work)]
    command = ["node", "--no-warnings", "-e", NODE, json.dumps(work)] if contender == "npm" else ours
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(row: Row, contender: str, divide: int = 1) -> Costs:
    """One run. divide: the count by this."""
    work = {"count": max(2, row.count // divide), "size": row.size, "many": row.many and contender != "npm"}
    first, second = ("PUSH", "PULL") if contender == "down" else ("PULL", "PUSH")
    with start(
        contender, role=first, bind=True, endpoint=f"{'tcp' if contender == 'tcp' else 'ws'}://127.0.0.1:*", **work
    ) as one:
        assert one.stdout is not None
        endpoint = json.loads(one.stdout.readline())
        with start(contender, role=second, bind=False, endpoint=endpoint, **work) as other:
            pull, push = (other, one) if contender == "down" else (one, other)
            assert pull.stdout is not None
            assert push.stdout is not None
            whole, receiver = json.loads(pull.stdout.readline())
            _, sender = json.loads(push.stdout.readline())
            push.communicate("enough\n", timeout=PATIENCE)
            pull.communicate(timeout=PATIENCE)
    return Costs(*(seconds / work["count"] for seconds in (whole, sender, receiver)))


def contenders() -> list[str]:
    """Those that can be run here."""
    has_npm = (
        shutil.which("node")
        and not subprocess.run(["node", "-e", "require('zeromq')"], capture_output=True, check=False).returncode
    )
    return [name for name in CONTENDERS if name != "npm" or has_npm]


def table(rows: Sequence[Row], rounds: int = ROUNDS, divide: int = 1, say: Callable[[str], None] = print) -> None:
    """Measure, and print a line for each row."""
    names = contenders()
    say(f"{'PUSH→PULL':26}" + "".join(f"{name:>24}" for name in names))
    for row in rows:
        found: dict[str, list[Costs]] = {name: [] for name in names}
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                found[name].append(run(row, name, divide))
        cells = [Costs(*(median(column) * 1e6 for column in zip(*found[name], strict=True))) for name in names]
        say(
            f"{row.words:26}" + "".join(f"{f'{it.whole:.1f} ({it.sender:.1f}, {it.receiver:.1f})':>24}" for it in cells)
        )
    if "npm" not in names:
        say("npm's zeromq was not found: see --help")


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["end"]:
        trio.run(partial(end, **json.loads(arguments[1])))
    elif unknown := set(arguments) - {row.name for row in ROWS}:
        print(f"{__doc__}\nRows: {', '.join(row.name for row in ROWS)}")
        sys.exit(0 if unknown == {"--help"} else 2)
    else:
        table([row for row in ROWS if not arguments or row.name in arguments])


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.getcwd())
    main(sys.argv[1:])
