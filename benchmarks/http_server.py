"""How fast is `minihttp.serve`?  It is compared with uvicorn and hypercorn, which also parse with h11.

    python benchmarks/http_server.py        # 1 and 50 kept-alive clients; about a minute
    python benchmarks/http_server.py 50     # 50 clients only

Each server runs in its own process and answers every request with the same 13 octets.  This process makes the load: it
sends a prepared request and waits for the end of the response, so a request costs much less here than in any server.
The servers take turns, and the best of several rounds counts, because other programs on the machine can only make a
round slower.  Two figures are printed: requests per second of wall-clock time, and microseconds of the server's CPU per
request, which varies less.

The floor is bare h11 on a bare trio stream, without timeouts, limits, checks or protection against a failing handler.
"""

import asyncio
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from email.utils import formatdate

import h11
import trio

import minihttp

ROUNDS = 5
REQUESTS = 5000  # in each round
TEXT = b"Hello, world!"
# The headers of a browser-like client. Each header costs h11 the same in all servers.
REQUEST = (
    b"GET /items?q=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Connection: keep-alive\r\nUser-Agent: load\r\n\r\n"
)

# ── the servers: each prints its port as the first line of output ───────────────────────────────────────────


def announce(port: int) -> None:
    print(port, flush=True)


def run_minihttp() -> None:
    async def handler(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, headers={"Content-Type": "text/plain"}, content=TEXT)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(minihttp.serve, handler)
            announce(listeners[0].socket.getsockname()[1])

    trio.run(main)


async def app(scope: dict, receive: Callable, send: Callable) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(TEXT))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": TEXT})


def listening() -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is named. Without it, a response in two writes takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    announce(listener.getsockname()[1])
    return listener


def run_uvicorn() -> None:
    import uvicorn

    config = uvicorn.Config(app, http="h11", loop="asyncio", lifespan="off", access_log=False, log_level="warning")
    asyncio.run(uvicorn.Server(config).serve([listening()]))


def run_hypercorn() -> None:
    import hypercorn
    import hypercorn.trio

    config = hypercorn.Config()
    config.bind = [f"fd://{listening().detach()}"]
    config.errorlog = None
    config.keep_alive_max_requests = sys.maxsize
    trio.run(hypercorn.trio.serve, app, config)


def run_floor() -> None:
    async def session(stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65536))
            elif type(event) is h11.ConnectionClosed:
                return
            elif type(event) is h11.EndOfMessage:
                headers = [
                    ("Content-Type", "text/plain"),
                    ("Content-Length", str(len(TEXT))),
                    ("Date", formatdate(usegmt=True)),
                ]
                head = h11.Response(status_code=200, headers=headers, reason=b"OK")
                octets = connection.send(head) + connection.send(h11.Data(data=TEXT))
                await stream.send_all(octets + connection.send(h11.EndOfMessage()))
                connection.start_next_cycle()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, session, [listener])
            announce(listener.socket.getsockname()[1])

    trio.run(main)


SERVERS = {"floor": run_floor, "minihttp": run_minihttp, "uvicorn": run_uvicorn, "hypercorn": run_hypercorn}

# ── the load ────────────────────────────────────────────────────────────────────────────────────────────────


def load(port: int, clients: int, requests: int) -> None:
    """Send this many requests over `clients` connections, one at a time on each."""
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for _ in range(clients):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
    received = dict.fromkeys(sockets, b"")
    started = answered = 0
    for sock in sockets.values():
        sock.send(REQUEST)
        started += 1
    while answered < requests:
        for number, _ in poll.poll():
            received[number] += sockets[number].recv(65536)
            if not received[number].endswith(TEXT):
                assert received[number], "the server closed a kept-alive connection"
                continue
            received[number] = b""
            answered += 1
            if started < requests:
                sockets[number].send(REQUEST)
                started += 1
    for sock in sockets.values():
        sock.close()
    poll.close()


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """The user and system CPU time of a process so far (Linux)."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(numbers_of_clients: list[int]) -> None:
    processes, ports = {}, {}
    for name in SERVERS:
        command = [sys.executable, __file__, "--serve", name]
        processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ports[name] = int(processes[name].stdout.readline())  # type: ignore[union-attr]
        time.sleep(1)  # because a server with a given socket may not accept yet
    try:
        for clients in numbers_of_clients:
            best: dict[str, tuple[float, float]] = {}
            for round_number in range(ROUNDS + 1):
                for name in SERVERS:
                    started, cpu = time.perf_counter(), cpu_seconds(processes[name])
                    load(ports[name], clients, REQUESTS if round_number else 500)
                    seconds = (time.perf_counter() - started) / REQUESTS
                    cpu = (cpu_seconds(processes[name]) - cpu) / REQUESTS
                    if round_number:  # round 0 fills the caches
                        found = best.get(name, (seconds, cpu))
                        best[name] = min(found[0], seconds), min(found[1], cpu)
            print(f"\n{clients} kept-alive client{'s' if clients > 1 else ''}, GET answered with {len(TEXT)} octets")
            theirs, theirs_cpu = best["uvicorn"]
            for name, (seconds, cpu) in best.items():
                wall = f"{1 / seconds:8.0f} requests/s, {theirs / seconds:5.2f} x uvicorn"
                print(f"  {name:10}{wall}   CPU {cpu * 1e6:6.0f} µs, {theirs_cpu / cpu:5.2f} x")
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        SERVERS[sys.argv[2]]()
        return
    table([int(number) for number in sys.argv[1:]] or [1, 50])


if __name__ == "__main__":
    main()
