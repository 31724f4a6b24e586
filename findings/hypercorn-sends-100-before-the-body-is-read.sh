#!/usr/bin/env bash
# hypercorn 0.18.0: "100 Continue" is sent although the application never asks for the request's body.
#
# Expected: a client sends "Expect: 100-continue" so that a server can refuse before the body travels. uvicorn 0.54.0 sends
# 100 when the application first receives, and an application that answers at once saves the upload.
# Seen: hypercorn sends 100 before the application has run, so the client uploads a body that is thrown away.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q hypercorn==0.18.0 uvicorn==0.54.0 h11==0.16.0
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


request = b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
seen = {}
for name, command in (("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT", "app:app"]), ("uvicorn", ["uvicorn", "--port", "PORT", "app:app"])):
    seen[name] = ask(command, request).split(b" ")[1]
print(f"first status of an application that does not read the body: {seen}")
assert seen == {"hypercorn": b"100", "uvicorn": b"200"}
PYTHON
