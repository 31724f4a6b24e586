"""What does the tap cost?  It is compared in one run with a bare relay, and with no relay.

    python -m benchmarks.tap                    # all; about two minutes
    python -m benchmarks.tap push-64 roundtrip  # only these

Two libzmq sockets talk, each in its own process. Between them is a third process:

    direct    no relay
    bare      two trio tasks that receive and send: the floor for any relay
    quiet     the tap without output
    pcap      the tap writing a capture
    json      the tap keeping the first octets of each connection, with a name for every octet
    show      the tap without options; its output is discarded

Contenders take turns, and the median of the rounds counts.  A ratio is the time divided by the bare relay's time.
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
PATIENCE = 60_000  # milliseconds without a message, after which an end fails
READ = 65536
ROOT = Path(__file__).parents[1]
LOCALHOST = "127.0.0.1"

# ── the two ends ────────────────────────────────────────────────────────────────────────────────────────────


class Row(NamedTuple):
    """near: the work of the end that binds and measures. far: the work of the end that connects. size: of a message."""

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
    """Run the connecting end, in a child process."""
    (row,) = (row for row in ROWS if row.name == name)
    with end_of(row.types[1]) as end:
        end.reconnect_ivl = 10  # the relay may still be starting
        end.connect(endpoint)
        row.far(end, count, row.size)


# ── between the ends ────────────────────────────────────────────────────────────────────────────────────────

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
    """Run the contender during the body; yield its endpoint."""
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
    """Seconds per message or round trip. The first isn't counted, because it waits until the others have started."""
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
    """divide: divides the number of messages."""
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
