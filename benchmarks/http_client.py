"""How fast is minihttp?  It is compared in one run with httpx on trio, aiohttp, and the floor.

    python benchmarks/http_client.py            # all scenarios; about 90 s
    python benchmarks/http_client.py get fresh  # only these

All contenders use the same server: nginx with one worker or, if nginx isn't installed, a child process that sends
prepared octets, so that nearly all the time is the client's.  The floor is bare h11 on a bare trio stream, without
timeouts, a pool, merged headers or translated errors; it makes the request, parses the response and returns its body.
Each contender runs in a process of its own, and they take turns in many rounds of a tenth of a second, so that all meet
the same load of other programs.  The medians of the rounds are printed, and the medians of the ratios within a round.
The wall-clock time includes the server's work; the CPU time is the client's alone.

A kept-alive GET takes 195 calls of Python functions, and the floor's 284.  minihttp is faster than the floor, because
its own work costs less than it saves: the headers of an equal request are not checked and written again, a body of
known length does not go through h11, and the response is most often here when it is first looked for.  Of the time
outside the kernel, h11 takes a third for the head of the response, minihttp a half in many small functions, and trio
the rest.  A new URL takes 30 µs more, because minihttp has to parse it and h11 has to check it.

aiohttp ends an upload in pieces as soon as the server has answered, and nginx answers this one at once; the others
send the whole body, so its figure for "up" is no rate.
"""

import asyncio
import multiprocessing
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from random import sample
from statistics import median
from typing import Any

import aiohttp
import h11
import httpx
import trio

import minihttp

BIG = 100_000_000
PIECE = 65536
ZEROS = bytes(BIG)

# ── the server ──────────────────────────────────────────────────────────────────────────────────────────────


class Canned(asyncio.Protocol):
    """GET /big: 100 MB; any other GET: 13 octets; PUT with Content-Length: 13 octets, after the body."""

    small = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"
    big = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % BIG

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.head = b""
        self.body_left = 0
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        if self.body_left:
            self.take_body(data)
            return
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if not end:
            return
        self.head = b""
        if head.startswith(b"PUT"):
            self.body_left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self.take_body(rest)
        elif head.startswith(b"GET /big"):
            self.sending = asyncio.ensure_future(self.send_big())
        else:
            self.transport.write(self.small)

    def take_body(self, data: bytes) -> None:
        self.body_left -= len(data)
        if not self.body_left:
            self.transport.write(self.small)

    async def send_big(self) -> None:
        self.transport.write(self.big)
        piece = bytes(PIECE)
        for start in range(0, BIG, PIECE):
            await self.writable.wait()
            self.transport.write(piece[: BIG - start])


def run_server(announce: Any) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
        announce.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000; client_max_body_size 0; sendfile on;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port}; root {folder}; default_type text/plain;
        location /big {{ }}
        location / {{ return 200 "Hello, world!"; }}
    }}
}}
"""


@contextmanager
def server() -> Iterator[int]:
    """The port of a server that runs until the block ends."""
    if (nginx := shutil.which("nginx") or shutil.which("/usr/sbin/nginx")) is None:
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.Process(target=run_server, args=(theirs,), daemon=True)
        child.start()
        yield ours.recv()
        child.terminate()
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with open(f"{folder}/big", "wb") as big:
            big.truncate(BIG)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with open(f"{folder}/conf", "w") as conf:
            conf.write(NGINX.format(folder=folder, port=port))
        with subprocess.Popen([nginx, "-c", f"{folder}/conf", "-e", f"{folder}/error.log"]) as child:
            try:
                while True:
                    with suppress(OSError):
                        socket.create_connection(("127.0.0.1", port)).close()
                        break
                    time.sleep(0.01)
                yield port
            finally:
                child.terminate()


# ── the contenders: each opens a client and has a method per action ────────────────────────────────────────────


class Floor:
    """Bare h11 on a bare trio stream, one connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[trio.SocketStream, h11.Connection]] = []
        self.numbers = count()

    async def exchange(self, request: h11.Request, body: bytes = b"", times: int = 1) -> tuple[int, bytes]:
        """The size of the response's body, and the body if it is small."""
        if self.idle:
            stream, connection = self.idle.pop()
        else:
            stream = await trio.open_tcp_stream("127.0.0.1", self.port)
            connection = h11.Connection(h11.CLIENT)
        if not body:
            await stream.send_all(connection.send(request) + connection.send(h11.EndOfMessage()))
        else:
            await stream.send_all(connection.send(request))
            for _ in range(times):
                await stream.send_all(connection.send(h11.Data(data=body)))
            connection.send(h11.EndOfMessage())
        status, size, pieces = 0, 0, []
        while type(event := connection.next_event()) is not h11.EndOfMessage:
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(PIECE))
            elif type(event) is h11.Data:
                size += len(event.data)
                if size < PIECE:  # the 100 MB are streamed, so they are counted and not kept
                    pieces.append(event.data)
            elif type(event) is h11.Response:
                status = event.status_code
        connection.start_next_cycle()
        self.idle.append((stream, connection))
        assert status == 200
        return size, b"".join(pieces)

    def request(self, method: str, target: str, *more: tuple[str, str]) -> h11.Request:
        headers = [  # the same headers as minihttp's, because h11's cost per header is part of the floor
            ("Host", f"127.0.0.1:{self.port}"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip, deflate"),
            ("Connection", "keep-alive"),
            ("User-Agent", "floor"),
            *more,
        ]
        return h11.Request(method=method, target=target, headers=headers)

    async def get(self) -> None:
        await self.exchange(self.request("GET", "/"))

    async def new(self) -> None:
        await self.exchange(self.request("GET", f"/items/{next(self.numbers)}"))

    async def down(self) -> None:
        size, _ = await self.exchange(self.request("GET", "/big"))
        assert size == BIG

    async def up(self) -> None:
        size = ("Content-Length", str(BIG // PIECE * PIECE))
        await self.exchange(self.request("PUT", "/", size), bytes(PIECE), BIG // PIECE)

    async def up_bytes(self) -> None:
        await self.exchange(self.request("PUT", "/", ("Content-Length", str(BIG))), ZEROS)

    async def fresh(self) -> None:
        await self.exchange(self.request("GET", "/"))
        await self.close()

    async def close(self) -> None:
        for stream, _ in self.idle:
            await stream.aclose()
        self.idle.clear()


async def pieces() -> AsyncIterator[bytes]:
    piece = bytes(PIECE)
    for _ in range(BIG // PIECE):
        yield piece


class Httpx:
    """httpx, or minihttp, which has the same names."""

    def __init__(self, port: int, package: Any = httpx) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.package = package
        self.numbers = count()
        kept = package.Limits(max_connections=100, max_keepalive_connections=100)
        self.client = package.AsyncClient(timeout=30, limits=kept)
        none_idle = package.Limits(max_keepalive_connections=0)
        self.fresh_client = package.AsyncClient(timeout=30, limits=none_idle)

    async def get(self) -> None:
        assert (await self.client.get(self.url)).status_code == 200

    async def new(self) -> None:
        assert (await self.client.get(f"{self.url}/items/{next(self.numbers)}")).status_code == 200

    async def down(self) -> None:
        size = 0
        async with self.client.stream("GET", self.url + "/big") as response:
            async for piece in response.aiter_bytes():
                size += len(piece)
        assert size == BIG

    async def up(self) -> None:
        size = {"Content-Length": str(BIG // PIECE * PIECE)}
        assert (await self.client.put(self.url, content=pieces(), headers=size)).status_code == 200

    async def up_bytes(self) -> None:
        assert (await self.client.put(self.url, content=ZEROS)).status_code == 200

    async def fresh(self) -> None:
        assert (await self.fresh_client.get(self.url)).status_code == 200

    async def close(self) -> None:
        await self.client.aclose()
        await self.fresh_client.aclose()


class Aiohttp:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.numbers = count()
        self.client = aiohttp.ClientSession()
        self.fresh_client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    async def get(self) -> None:
        async with self.client.get(self.url) as response:
            assert await response.read()

    async def new(self) -> None:
        async with self.client.get(f"{self.url}/items/{next(self.numbers)}") as response:
            assert await response.read()

    async def down(self) -> None:
        async with self.client.get(self.url + "/big") as response:
            async for _ in response.content.iter_any():
                pass

    async def up(self) -> None:
        size = {"Content-Length": str(BIG // PIECE * PIECE)}
        async with self.client.put(self.url, data=pieces(), headers=size) as response:
            assert await response.read()

    async def up_bytes(self) -> None:
        async with self.client.put(self.url, data=ZEROS) as response:
            assert await response.read()

    async def fresh(self) -> None:
        async with self.fresh_client.get(self.url) as response:
            assert await response.read()

    async def close(self) -> None:
        await self.client.close()
        await self.fresh_client.close()


# ── the measurements, each in its own process ──────────────────────────────────────────────────────────────

CONTENDERS: dict[str, tuple[Callable[[int], Any], str]] = {
    "floor": (Floor, "trio"),
    "minihttp": (partial(Httpx, package=minihttp), "trio"),
    "httpx": (Httpx, "trio"),
    "aiohttp": (Aiohttp, "asyncio"),
}
SCENARIOS = {  # (action, rounds, how often in each, number of tasks, description)
    "get": ("get", 25, 400, 1, "one kept-alive GET after the other"),
    "new": ("new", 25, 400, 1, "the same, each of another URL"),
    "many": ("get", 25, 400, 50, "50 tasks, kept-alive GETs"),
    "fresh": ("fresh", 15, 200, 1, "a new connection for each GET"),
    "down": ("down", 7, 1, 1, "100 MB down"),
    "up_bytes": ("up_bytes", 9, 2, 1, "100 MB up, from bytes"),
    "up": ("up", 7, 1, 1, "100 MB up, in pieces of 64 KiB"),
}


async def measure(contender: Any, action: str, times: int, tasks: int, nursery: Any) -> None:
    """For each line of stdin, print the seconds and CPU seconds per action, and how far the process has grown in MB."""
    act = getattr(contender, action)

    async def some(count: int) -> None:
        for _ in range(count):
            await act()

    async def all_tasks(count: int) -> None:
        async with nursery() as group:
            start = getattr(group, "start_soon", None) or (lambda f, *args: group.create_task(f(*args)))
            for _ in range(tasks):
                start(some, count // tasks)

    await all_tasks(tasks if times < 100 else times)  # open connections, fill caches
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while sys.stdin.readline():  # nothing else has to run meanwhile
        started, cpu = time.perf_counter(), time.process_time()
        await all_tasks(times)
        seconds, cpu = (time.perf_counter() - started) / times, (time.process_time() - cpu) / times
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(seconds, cpu, grown, flush=True)


def run_one(name: str, scenario: str, port: int) -> None:
    make, library = CONTENDERS[name]
    action, _, times, tasks, _ = SCENARIOS[scenario]
    nursery = trio.open_nursery if library == "trio" else asyncio.TaskGroup

    async def main() -> None:
        contender = make(port)
        await measure(contender, action, times, tasks, nursery)
        await contender.close()

    trio.run(main) if library == "trio" else asyncio.run(main())


def one_round(child: subprocess.Popen[str]) -> tuple[float, ...]:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    return tuple(map(float, child.stdout.readline().split()))


def table(scenario: str, port: int) -> None:
    _, rounds, _, _, description = SCENARIOS[scenario]
    print(f"\n{description}")
    with ExitStack() as stack:
        children = {}
        for name in CONTENDERS:
            command = [sys.executable, __file__, "--one", name, scenario, str(port)]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            children[name] = stack.enter_context(child)
        # In another order each time, because the server may still be busy with what the last one left behind.
        orders = [sample(list(CONTENDERS), len(CONTENDERS)) for _ in range(rounds + 1)]
        taken = [{name: one_round(children[name]) for name in order} for order in orders][1:]
    for name in CONTENDERS:
        wall, cpu, grown = (median(column) for column in zip(*(one[name] for one in taken), strict=True))
        speed, speed_cpu = (median(one["floor"][i] / one[name][i] for one in taken) for i in (0, 1))
        figures = f"{wall * 1e6:8.0f} µs, {speed:5.2f} of the floor's speed   CPU {cpu * 1e6:8.0f} µs, {speed_cpu:5.2f}"
        ahead, ahead_cpu = (median(one[name][i] / one["minihttp"][i] for one in taken) for i in (0, 1))
        print(f"  {name:9}{figures}   minihttp is {ahead:.2f} × as fast, CPU {ahead_cpu:.2f}   grew {grown:.0f} MB")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    with server() as port:
        for scenario in sys.argv[1:] or SCENARIOS:
            table(scenario, port)


if __name__ == "__main__":
    main()
