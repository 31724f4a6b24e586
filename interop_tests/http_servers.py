"""Five HTTP servers of other projects that all give the same responses.

    python http_servers.py NAME DIRECTORY

starts one of them, prints its address (`http://127.0.0.1:PORT` or `unix:PATH`) as the only line, and serves until it
is killed. The kernel chooses the port. Granian can't report the port, so it gets a Unix socket in DIRECTORY.

    http.server   the standard library's: threads, and its own parser
    aiohttp       asyncio, llhttp
    granian       hyper, in Rust
    uvicorn       asyncio, httptools (llhttp)
    hypercorn     trio, h11
"""

import asyncio
import gzip
import json
import socket
import sys
import zlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Answer = tuple[int, list[tuple[str, str]], Iterable[bytes]]

TEXT = ("Snow on the roofs, and in the lanes the lamps. " * 100).encode()


def answer(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
    """The response of every server: (status, headers, pieces of the body)."""
    path, _, query = target.partition("?")
    options = {name: values[0] for name, values in parse_qs(query).items()}
    text = [("content-type", "text/plain")]
    match path:
        case "/gzip":
            return 200, [*text, ("content-encoding", "gzip")], [gzip.compress(TEXT, mtime=0)]
        case "/deflate":
            return 200, [*text, ("content-encoding", "deflate")], [zlib.compress(TEXT)]
        case "/pieces":
            return 200, [("content-type", "application/octet-stream")], (bytes(1000) for _ in range(300))
        case "/status":
            return int(options["code"]), [], []
        case "/redirect":
            where = [("location", options["to"]), ("set-cookie", "seen=yes; Path=/")]
            return int(options["code"]), where, [b"moved"]
        case "/latin":
            latin = [("content-type", "text/plain; charset=iso-8859-1"), ("x-twice", "1"), ("x-twice", "2")]
            return 200, latin, ["Grüße".encode("latin-1")]
    seen = {
        "method": method,
        "target": target,
        "headers": sorted([name.lower(), value] for name, value in headers),
        "body": body.decode("latin-1"),
    }
    return 200, [("content-type", "application/json")], [json.dumps(seen).encode()]


# ── the standard library ────────────────────────────────────────────────────────────────────────────────────


def serve_stdlib(announce: Callable[[str], None], directory: str) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def read_body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def do(self) -> None:
            headers = list(self.headers.items())
            status, more, pieces = answer(self.command, self.path, headers, self.read_body())
            body = b"".join(pieces)
            self.send_response(status)
            for name, value in more:
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD" and status not in (204, 304):
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    announce(f"http://127.0.0.1:{server.server_address[1]}")
    server.serve_forever()


# ── aiohttp ─────────────────────────────────────────────────────────────────────────────────────────────────


def serve_aiohttp(announce: Callable[[str], None], directory: str) -> None:
    from aiohttp import web

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/refuse":
            return web.Response(status=413, body=b"big")
        if request.path == "/echo":
            stream = web.StreamResponse()
            await stream.prepare(request)
            async for piece in request.content.iter_any():
                await stream.write(piece)
            return stream
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.raw_headers]
        status, more, pieces = answer(request.method, request.raw_path, headers, await request.read())
        if isinstance(pieces, list):
            response = web.Response(status=status, body=b"".join(pieces))
            for name, value in more:
                if name == "content-type":  # because aiohttp has set a default
                    response.headers.popall(name, None)
                response.headers.add(name, value)
            return response
        stream = web.StreamResponse(status=status, headers=dict(more))
        await stream.prepare(request)
        for piece in pieces:
            await stream.write(piece)
        return stream

    async def main() -> None:
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        sock = listening_socket()
        await web.SockSite(runner, sock).start()
        announce(url_of(sock))
        await asyncio.Event().wait()

    asyncio.run(main())


# ── three ASGI servers ──────────────────────────────────────────────────────────────────────────────────────


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body, more_body = b"", True
    if scope["path"] == "/refuse":  # without reading the body
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"big", "more_body": False})
        return
    if scope["path"] == "/echo":  # each piece as it arrives
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while more_body:
            message = await receive()
            more_body = message.get("more_body", False)
            if piece := message.get("body"):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    while more_body:
        message = await receive()
        body += message.get("body", b"")
        more_body = message.get("more_body", False)
    query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
    target = scope["raw_path"].decode().partition("?")[0] + query
    headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
    status, more, pieces = answer(scope["method"], target, headers, body)
    raw = [(name.encode(), value.encode()) for name, value in more]
    if isinstance(pieces, list) and status not in (204, 304):
        raw.append((b"content-length", str(len(b"".join(pieces))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def serve_uvicorn(announce: Callable[[str], None], directory: str) -> None:
    import uvicorn

    config = uvicorn.Config(asgi, http="httptools", loop="asyncio", lifespan="off", log_level="error")
    sock = listening_socket()
    announce(url_of(sock))
    asyncio.run(uvicorn.Server(config).serve(sockets=[sock]))


def serve_hypercorn(announce: Callable[[str], None], directory: str) -> None:
    import trio
    from hypercorn.config import Config
    from hypercorn.trio import serve

    sock = listening_socket()
    config = Config()
    config.bind = [f"fd://{sock.fileno()}"]
    config.errorlog = None
    announce(url_of(sock))
    trio.run(partial(serve, asgi, config, mode="asgi"))  # type: ignore[arg-type]


def serve_granian(announce: Callable[[str], None], directory: str) -> None:
    from pathlib import Path

    from granian.constants import Interfaces
    from granian.server.embed import Server

    path = Path(directory) / "granian.sock"
    server = Server(asgi, uds=path, interface=Interfaces.ASGINL, log_enabled=False, websockets=False)

    async def announce_when_listening() -> None:
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(path)
            except OSError:  # try again, because granian's hooks run before it listens
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return announce(f"unix:{path}")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(announce_when_listening())
            await server.serve()

    asyncio.run(main())


def listening_socket() -> socket.socket:
    """A socket that already listens, so that a client can connect as soon as it has read the address."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


def url_of(sock: socket.socket) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


SERVERS = {
    "http.server": serve_stdlib,
    "aiohttp": serve_aiohttp,
    "granian": serve_granian,
    "uvicorn": serve_uvicorn,
    "hypercorn": serve_hypercorn,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](partial(print, flush=True), sys.argv[2])
