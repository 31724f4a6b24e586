#!/usr/bin/env bash
# hypercorn 0.18.0: the request method reaches the application in upper case, whatever the client sent.
#
# Expected: RFC 9110, section 9.1: "The method token is case-sensitive". An application that allows GET only
# should see that "get" is another method; granian 2.8.9 passes it on as it came.
# Seen: a request with the method "Patch-Me" is "PATCH-ME" for the application.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q hypercorn==0.18.0 granian==2.8.9
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

Path("app.py").write_text(
    """
import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await asyncio.sleep(0.2)
    body = scope["method"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""
)


def ask(command, request, half_close=False):
    """Start the server, send request, and give all that comes within two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", *(word.replace("PORT", str(port)) for word in command)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                peer = socket.create_connection(("127.0.0.1", port))
                break
            time.sleep(0.1)
        peer.sendall(request)
        if half_close:
            peer.shutdown(socket.SHUT_WR)
        peer.settimeout(2)
        came = b""
        with contextlib.suppress(TimeoutError):
            while data := peer.recv(1000):
                came += data
        return came
    finally:
        server.terminate()
        server.wait()


request = b"Patch-Me / HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n"
seen = {}
for name, command in (("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT", "app:app"]), ("granian", ["granian", "--interface", "asgi", "--port", "PORT", "app:app"])):
    seen[name] = ask(command, request).rpartition(b"\r\n\r\n")[2]
print(f"the method Patch-Me, as an application sees it: {seen}")
assert seen == {"hypercorn": b"PATCH-ME", "granian": b"Patch-Me"}
PYTHON
