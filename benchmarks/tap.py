"""What does the tap cost?  Ratios in one run: against a bare relay, and against no relay at all.

    python -m benchmarks.tap                    # all; some two minutes
    python -m benchmarks.tap push-64 roundtrip  # some

Two libzmq sockets talk, each in a process of its own, and what stands between them is a third:

    direct    nothing
    bare      two tasks of trio that receive and send: the floor for whatever passes octets on
    quiet     the tap, with nothing to show and nothing to write
    pcap      … writing a capture
    json      … keeping what each connection said first, every octet named
    show      the tap as it is without options, its output thrown away

Contenders take turns, and the median of the rounds counts.  A ratio says how many times as long it takes as over the
bare relay.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import trio
import zmq

ROUNDS = 3
PATIENCE = 60_000  # milliseconds after which an end gives up
READ = 65536
ROOT = Path(__file__).parents[1]
LOCALHOST = "127.0.0.1"

# ── the two ends ────────────────────────────────────────────────────────────────────────────────────────────


class Row(NamedTuple):
    """near: what the end does that binds and measures. far: what the other does, which connects. size: of a message."""

    name: str
    words: str
    near: Callable[["zmq.Socket[bytes]", int], None]
    far: Callable[["zmq.Socket[bytes]", int, int], None]
    types: tuple[int, int]
    size: int
    count: int


def pull(end: "zmq.Socket[bytes]", count: int) -> None:
    for _ in range(count):
        end.recv(copy=False)


def push(end: "zmq.Socket[bytes]", count: int, size: int) -> None:
    message = bytes(size)
    for _ in range(count):
        end.send(message, copy=False)


def ask(end: "zmq.Socket[bytes]", count: int) -> None:
    for _ in range(count):
        end.send(bytes(64))
        end.recv()


def answer(end: "zmq.Socket[bytes]", count: int, size: int) -> None:
    for _ in range(count):
        end.send(end.recv())


FLOOD, ROUND_TRIP = (zmq.PULL, zmq.PUSH), (zmq.REQ, zmq.REP)
ROWS = [
    Row("push-64", "PUSH→PULL, 64 B", pull, push, FLOOD, 64, 100_000),
    Row("push-1k", "PUSH→PULL, 1 KiB", pull, push, FLOOD, 1 << 10, 50_000),
    Row("push-64k", "PUSH→PULL, 64 KiB", pull, push, FLOOD, 1 << 16, 5_000),
    Row("push-1m", "PUSH→PULL, 1 MiB", pull, push, FLOOD, 1 << 20, 300),
    Row("roundtrip", "REQ⇄REP, 64 B", ask, answer, ROUND_TRIP, 64, 3_000),
]


@contextmanager
def end_of(type_: int) -> Iterator["zmq.Socket[bytes]"]:
    with zmq.Context() as context, context.socket(type_) as end:
        end.rcvtimeo = end.sndtimeo = end.linger = PATIENCE
        yield end


def run_far_end(name: str, count: int, endpoint: str) -> None:
    """In a child."""
    (row,) = (row for row in ROWS if row.name == name)
    with end_of(row.types[1]) as end:
        end.reconnect_ivl = 10  # the relay may still be starting
        end.connect(endpoint)
        row.far(end, count, row.size)


# ── what stands between ─────────────────────────────────────────────────────────────────────────────────────

TAP = [sys.executable, "-m", "minizmtp.tap", "LISTEN", "CONNECT"]
CONTENDERS = {
    "bare": [sys.executable, "-m", "benchmarks.tap", "--bare", "LISTEN", "CONNECT"],
    "direct": [],
    "quiet": [*TAP, "--quiet"],
    "pcap": [*TAP, "--quiet", "--pcap", "FILE"],
    "json": [*TAP, "--quiet", "--json", "FILE"],
    "show": TAP,
}


async def bare(port: int, target: int) -> None:
    async def join(client: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream(LOCALHOST, target) as server, trio.open_nursery() as nursery:
            nursery.start_soon(carry, client, server)
            nursery.start_soon(carry, server, client)

    async def carry(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        while octets := await source.receive_some(READ):
            await sink.send_all(octets)
        await sink.send_eof()

    await trio.serve_tcp(join, port, host=LOCALHOST)


def port_of(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


@contextmanager
def between(contender: str, target: str, folder: str) -> Iterator[str]:
    """The contender while the body runs; where it listens."""
    command = CONTENDERS[contender]
    if not command:
        yield target
        return
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        listen = f"tcp://{LOCALHOST}:{probe.getsockname()[1]}"
    values = {"LISTEN": listen, "CONNECT": target, "FILE": os.path.join(folder, contender)}
    with child(*(values.get(word, word) for word in command)):
        yield listen


@contextmanager
def child(*command: str) -> Iterator[None]:
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


# ── the measurement ─────────────────────────────────────────────────────────────────────────────────────────


def measure(row: Row, contender: str, count: int) -> float:
    """Seconds for each message, or round trip. The first is not counted: it waits for the others to start."""
    with tempfile.TemporaryDirectory() as folder, end_of(row.types[0]) as end, ExitStack() as stack:
        port = end.bind_to_random_port(f"tcp://{LOCALHOST}")
        where = stack.enter_context(between(contender, f"tcp://{LOCALHOST}:{port}", folder))
        far = ["-m", "benchmarks.tap", "--far", row.name, str(count + 1), where]
        stack.enter_context(child(sys.executable, *far))
        row.near(end, 1)
        started = perf_counter()
        row.near(end, count)
        return (perf_counter() - started) / count


def amount(row: Row, seconds: float) -> str:
    if row.types == ROUND_TRIP:
        return f"{seconds * 1e6:,.0f} µs"
    if row.size < 65536:
        return f"{1 / seconds / 1000:,.0f} k/s"
    return f"{row.size / seconds / 1e6:,.0f} MB/s"


def table(rows: list[Row], rounds: int = ROUNDS, divide: int = 1) -> None:
    """divide: the work is made so many times less."""
    print("".join(f"{name:>18}" for name in ("", *CONTENDERS)))
    for row in rows:
        costs: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in range(rounds):
            for name in CONTENDERS:
                costs[name].append(measure(row, name, max(1, row.count // divide)))
        floor = statistics.median(costs["bare"])
        cells = []
        for name in CONTENDERS:
            seconds = statistics.median(costs[name])
            cells.append(f"{f'{amount(row, seconds)} ×{seconds / floor:.2f}':>18}")
        print(f"{row.words:18}{''.join(cells)}", flush=True)


def main() -> None:
    match sys.argv[1:]:
        case ["--bare", listen, connect]:
            trio.run(bare, port_of(listen), port_of(connect))
        case ["--far", name, count, endpoint]:
            run_far_end(name, int(count), endpoint)
        case names:
            table([row for row in ROWS if row.name in names or not names])


if __name__ == "__main__":
    main()
