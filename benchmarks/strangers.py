"""What one hostile peer costs the other users of a process: one line for each kind of peer.

    python -m benchmarks.strangers                    # all; about four seconds for each
    python -m benchmarks.strangers ping http          # the kinds with names that begin like this

The process under attack runs three things: the attacked server of the `Kind`, a task that should run every
millisecond, and a REP that answers an honest client in another process.  Two figures show the effect:

    waits       the longest delay of the task, in ms of this process's CPU time; should be at most 10
    round trip  the honest client's median, as a multiple of the one without the attack; should be at most 3

The peer is a separate process and writes as fast as it can.  On a machine with two cores, three processes and other
programs share the cores, so the round trip of a harmless kind is sometimes 1.5.  No measured time makes this program
fail; tests check the limits that can be counted instead of timed.

To add a kind, write the server (an async generator that yields the port, see `pulls`), the peer (a function of the
port, see `floods`), and a line in KINDS.
"""

import argparse
import gzip
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from itertools import count
from typing import NamedTuple

import trio

import minihttp
import minizmtp as zmq
from minizmtp.wire import NEED_DATA, Connection, Ping, Ready
from minizmtp.wire.curve import CurveClient, keypair
from minizmtp.wire.websocket import encode_frame

GREETING = bytes.fromhex("ff00000000000000007f0301") + b"NULL".ljust(52, b"\0")
SERVER, CLIENT = keypair(b"\1" * 32), keypair(b"\2" * 32)  # public and secret; the attacker knows them

Server = Callable[[zmq.Context, trio.Nursery], AsyncIterator[int]]
Peer = Callable[[int], None]


class Kind(NamedTuple):
    """server: runs, and yields the port to attack. peer: attacks that port until it is killed."""

    name: str
    server: Server
    peer: Peer


# ----------------------------------------------------------------------------------------------------------- servers


def port_of(sock: zmq.Socket) -> int:
    return int(sock.last_endpoint.split(":")[2].partition("/")[0])


def pulls(endpoint: str = "tcp://127.0.0.1:*", **options: int | bytes) -> Server:
    """A program that reads all messages."""

    async def serve(ctx: zmq.Context, nursery: trio.Nursery) -> AsyncIterator[int]:
        async def read() -> None:
            async for _ in pull:
                pass

        pull = ctx.socket(zmq.PULL, linger=0, **options)
        pull.bind(endpoint)
        nursery.start_soon(read)
        yield port_of(pull)

    return serve


async def wants_nothing(ctx: zmq.Context, nursery: trio.Nursery) -> AsyncIterator[int]:
    """A subscriber that waits, and has subscribed to none of the messages that arrive."""
    sub = ctx.socket(zmq.SUB, linger=0)
    sub.bind("tcp://127.0.0.1:*")
    sub.subscribe(b"news")
    nursery.start_soon(sub.recv)
    yield port_of(sub)


async def publishes(ctx: zmq.Context, nursery: trio.Nursery) -> AsyncIterator[int]:
    """A program that publishes a thousand messages per second, with topics of 1000 octets."""

    async def publish() -> None:
        for number in count():
            await pub.send_multipart([b"x" * 990 + b"%010d" % number, b"news"])
            await trio.sleep(0.001)

    pub = ctx.socket(zmq.PUB, linger=0)
    pub.bind("tcp://127.0.0.1:*")
    nursery.start_soon(publish)
    yield port_of(pub)


async def looks_at_peers(ctx: zmq.Context, nursery: trio.Nursery) -> AsyncIterator[int]:
    """A program that doesn't read the notices of its XPUB, and calls `peers()` ten times per second."""

    async def look() -> None:
        while True:
            pub.peers()
            await trio.sleep(0.1)

    pub = ctx.socket(zmq.XPUB, linger=0)
    pub.bind("tcp://127.0.0.1:*")
    nursery.start_soon(look)
    yield port_of(pub)


async def gets(ctx: zmq.Context, nursery: trio.Nursery) -> AsyncIterator[int]:
    """An HTTP client that sends requests to the attacker, which connects to a listener here.

    A program has one client for all its requests, so at most 100 of them are open at once.
    """

    async def get(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(minihttp.HTTPError, OSError):
                port = int.from_bytes(await stream.receive_some(2))
                async with client.stream("GET", f"http://127.0.0.1:{port}/") as response:
                    async for _ in response.aiter_bytes():
                        pass

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = minihttp.AsyncClient(timeout=None)
    nursery.start_soon(trio.serve_listeners, get, [listener])
    yield listener.socket.getsockname()[1]


async def answers(ctx: zmq.Context, nursery: trio.Nursery) -> AsyncIterator[int]:
    """An HTTP server with a handler that reads the request's body in parts."""

    async def handler(request: minihttp.Request) -> minihttp.Response:
        async for _ in request.aiter_bytes():
            pass
        return minihttp.Response(200)

    listeners = await nursery.start(minihttp.serve, handler)
    yield listeners[0].socket.getsockname()[1]


# -------------------------------------------------------------------------------------------------------------- peers


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body


def ready(kind: bytes, more: bytes = b"") -> bytes:
    return frame(b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind + more, 4)


def connected(port: int) -> socket.socket:
    """A connection; a thread reads and drops all octets that arrive on it."""
    return drained(socket.create_connection(("127.0.0.1", port)))


def drained(peer: socket.socket) -> socket.socket:
    def drain() -> None:
        with suppress(OSError):
            while peer.recv(1 << 20):
                pass

    threading.Thread(target=drain, daemon=True).start()
    return peer


def floods(kind: bytes, flood: bytes) -> Peer:
    """A peer that does the handshake as this socket type and repeats `flood`; it reconnects if disconnected."""

    def attack(port: int) -> None:
        octets = flood * max(1, 65536 // len(flood))
        while True:
            with suppress(OSError), connected(port) as peer:
                peer.sendall(GREETING + ready(kind))
                while True:
                    peer.sendall(octets)

    return attack


def floods_ws(flood: bytes) -> Peer:
    """A PUSH over a WebSocket that repeats `flood`."""

    def attack(port: int) -> None:
        octets = flood * max(1, 65536 // len(flood))
        command = ready(b"PUSH")[2:]
        while True:
            with suppress(OSError), connected(port) as peer:
                peer.sendall(UPGRADE + encode_frame(b"\2" + command, key=bytes(4)))
                while True:
                    peer.sendall(octets)

    return attack


def repeats(say: Callable[[], Iterator[bytes]]) -> Peer:
    """A peer that sends everything that `say` yields, disconnects, and starts again."""

    def attack(port: int) -> None:
        said = b"".join(say())
        while True:
            with suppress(OSError), connected(port) as peer:
                peer.sendall(said)
                time.sleep(0.2)

    return attack


def subscribes(prefixes: Iterator[bytes]) -> Callable[[], Iterator[bytes]]:
    def say() -> Iterator[bytes]:
        yield GREETING + ready(b"SUB")
        for prefix in prefixes:
            yield frame(b"\x09SUBSCRIBE" + prefix, 4)

    return say


def strangers() -> Iterator[bytes]:
    yield GREETING + ready(b"PUSH", b"\x03X-a\0\0\0\0" * 128)


def sealed(port: int) -> None:
    """Send encrypted PINGs, which were prepared before the attack."""
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as peer:
            client = Connection(zmq.PUSH, mechanism=CurveClient(*CLIENT, SERVER[0]))
            peer.sendall(client.data_to_send())
            while not isinstance(event := client.next_event(), Ready):
                peer.sendall(client.data_to_send())
                if event is NEED_DATA:
                    client.receive_data(peer.recv(65536))
            said = b"".join(client.send(Ping(0, b"")) for _ in range(100_000))
            drained(peer).sendall(said)


def serves_http(head: bytes, body: bytes) -> Peer:
    """A peer that makes the attacked client send requests, and answers each with this response."""

    def attack(port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            while True:
                with suppress(OSError):
                    hint = socket.create_connection(("127.0.0.1", port))
                    hint.sendall(listener.getsockname()[1].to_bytes(2))
                    guest, _ = listener.accept()
                    guest.recv(65536)
                    guest.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
                    guest.close()
                    hint.close()

    return attack


def asks(head: bytes, more: bytes) -> Peer:
    """An HTTP client that sends `head` once, and then repeats `more`."""

    def attack(port: int) -> None:
        while True:
            with suppress(OSError), connected(port) as peer:
                peer.sendall(head)
                while True:
                    peer.sendall(more)

    return attack


CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n"
)
TWO_FRAGMENTS = bytes.fromhex("0281 00000000 00  8081 00000000 78")  # of a message with one octet
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
ONE_OCTET_CHUNKS = b"1\r\nx\r\n" * 500_000 + b"0\r\n\r\n"
GZIP_IN_GZIP = gzip.compress(gzip.compress(bytes(50_000_000)))
DISTINCT = [b"%d" % number for number in range(100_000)]

KINDS = [
    Kind("ping", pulls(), floods(b"PUSH", b"\4\7\4PING\0\0")),
    Kind("ping-sealed", pulls(curve_server=1, curve_secretkey=SERVER[1]), sealed),
    Kind("pong", pulls(), floods(b"PUSH", b"\4\5\4PONG")),
    Kind("command-unknown", pulls(), floods(b"PUSH", b"\4\2\1X")),
    Kind("frames-5000", pulls(), floods(b"PUSH", b"\1\0" * 4999 + b"\0\0")),
    Kind("frames-endless", pulls(), floods(b"PUSH", b"\1\2xx" * 1000)),
    Kind("messages-empty", pulls(rcvhwm=0), floods(b"PUSH", b"\0\0")),
    Kind("messages-unwanted", wants_nothing, floods(b"PUB", b"\0\1x")),
    Kind("messages-1m", pulls(), floods(b"PUSH", frame(bytes(1 << 20)))),
    Kind("ws-pings", pulls("ws://127.0.0.1:*/"), floods_ws(encode_frame(b"", opcode=9, key=bytes(4)))),
    Kind("ws-fragments", pulls("ws://127.0.0.1:*/"), floods_ws(TWO_FRAGMENTS)),
    Kind("ws-more", pulls("ws://127.0.0.1:*/"), floods_ws(encode_frame(b"\1", key=bytes(4)) * 4999)),
    Kind("handshakes", pulls(), repeats(strangers)),
    Kind("subscribe", publishes, floods(b"SUB", b"".join(frame(b"\x09SUBSCRIBE" + each, 4) for each in DISTINCT))),
    Kind("subscribe-3.0", publishes, floods(b"SUB", b"".join(frame(b"\1" + each) for each in DISTINCT))),
    Kind("subscribe-frames", publishes, floods(b"SUB", b"\1\2\1x" * 1000 + b"\0\2\1x")),
    Kind("subscribe-leave", publishes, repeats(subscribes(iter(DISTINCT)))),
    Kind("subscribe-lengths", publishes, repeats(subscribes(b"x" * size for size in range(1, 1001)))),
    Kind("xpub-peers", looks_at_peers, repeats(subscribes(iter(DISTINCT)))),
    Kind("http-chunks-client", gets, serves_http(b"Transfer-Encoding: chunked", ONE_OCTET_CHUNKS)),
    Kind("http-chunks-server", answers, asks(CHUNKED_POST, b"1\r\nx\r\n" * 10_000)),
    Kind("http-requests-server", answers, asks(b"", (GET + b"\r\n") * 2000)),
    Kind("http-headers-server", answers, asks(b"", (GET + b"a:\r\n" * 98 + b"\r\n") * 200)),
    Kind("http-trailers-server", answers, asks(b"", (CHUNKED_POST + b"0\r\n" + b"a:\r\n" * 98 + b"\r\n") * 200)),
    Kind("http-gzip-members", gets, serves_http(b"Content-Encoding: gzip", gzip.compress(b"") * 200_000)),
    Kind(
        "http-gzip-in-gzip",
        gets,
        serves_http(b"Content-Encoding: gzip, gzip\r\nContent-Length: %d" % len(GZIP_IN_GZIP), GZIP_IN_GZIP),
    ),
]


# ---------------------------------------------------------------------------------------------------------- measuring


def honest(port: int, seconds: float) -> None:
    """A REQ with blocking sockets: print the median duration of a round trip in seconds."""
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(GREETING + ready(b"REQ"))
        time.sleep(0.2)
        peer.recv(65536)
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.monotonic()
            peer.sendall(b"\1\0\0\5hello")
            heard = peer.recv(65536)
            while len(heard) < 9:
                heard += peer.recv(65536)
            took.append(time.monotonic() - begin)
        print(statistics.median(took))


def process(*words: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.strangers", *words]


async def start_honest(port: int, seconds: float) -> trio.Process:
    words = process("--honest", str(port), "--seconds", str(seconds))
    return await trio.lowlevel.open_process(words, stdout=subprocess.PIPE)


async def median_of(client: trio.Process) -> float:
    assert client.stdout is not None
    async with client.stdout:
        printed = b"".join([part async for part in client.stdout])
    await client.wait()
    return float(printed)


async def measure(kind: Kind, seconds: float) -> tuple[float, float, float]:
    """Return the longest delay, and the round trip without and with the attack, in seconds."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            begin = time.process_time()
            await trio.sleep(0.001)
            longest = max(longest, time.process_time() - begin)

    async def echo() -> None:
        async for message in rep:
            await rep.send_multipart(message)

    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        rep = ctx.socket(zmq.REP, linger=0)
        rep.bind("tcp://127.0.0.1:*")
        nursery.start_soon(echo)
        async with aclosing(kind.server(ctx, nursery)) as server:  # type: ignore[type-var]
            port = await anext(server)
            alone = await median_of(await start_honest(port_of(rep), seconds))
            attacker = await trio.lowlevel.open_process(process("--attack", kind.name, str(port)))
            try:
                client = await start_honest(port_of(rep), seconds)
                nursery.start_soon(tick)  # only now, because to start a process takes up to 20 ms of this one
                attacked = await median_of(client)
            finally:
                attacker.kill()
                await attacker.wait()
        nursery.cancel_scope.cancel()
    return longest, alone, attacked


def main() -> None:
    parser = argparse.ArgumentParser(description="What one hostile peer costs the other users of a process.")
    parser.add_argument("kinds", nargs="*", help="beginnings of the names of kinds; default: all")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each measurement")
    parser.add_argument("--attack", nargs=2, metavar=("KIND", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument("--honest", metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.honest:
        honest(int(given.honest), given.seconds)
    elif given.attack:
        (kind,) = [kind for kind in KINDS if kind.name == given.attack[0]]
        kind.peer(int(given.attack[1]))
    else:
        print(f"{'':20} {'waits':>10} {'round trip':>22}")
        for kind in KINDS:
            if not given.kinds or kind.name.startswith(tuple(given.kinds)):
                longest, alone, attacked = trio.run(measure, kind, given.seconds)
                times = attacked / alone
                print(f"{kind.name:20} {longest * 1e3:7.1f} ms {attacked * 1e6:9.0f} µs {times:7.1f} ×", flush=True)


if __name__ == "__main__":
    main()
