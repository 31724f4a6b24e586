#!/usr/bin/env bash
# uvicorn 0.54.0: a client that has nothing more to send, and says so by closing its sending side, gets no answer.
#
# Expected: TCP can be closed one direction at a time. A client that sends a request and then shuts down its sending
# side ("nc -N", for example) can still read the response; hypercorn 0.18.0 and nginx answer it.
# Seen: uvicorn closes the connection without an octet if the application has not answered by then.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q uvicorn==0.54.0 h11==0.16.0 hypercorn==0.18.0
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


request = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"
uvicorn = ask(["uvicorn", "--port", "PORT", "app:app"], request, half_close=True)
hypercorn = ask(["hypercorn", "--bind", "127.0.0.1:PORT", "app:app"], request, half_close=True)
whole = ask(["uvicorn", "--port", "PORT", "app:app"], request)
print(f"uvicorn 0.54.0: {uvicorn!r}; hypercorn 0.18.0: {hypercorn[:15]!r}; uvicorn, not half-closed: {whole[:15]!r}")
assert uvicorn == b""
assert hypercorn.startswith(b"HTTP/1.1 200")
assert whole.startswith(b"HTTP/1.1 200")
PYTHON
