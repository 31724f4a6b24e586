#!/usr/bin/env bash
# uvicorn 0.54.0: with several workers, each request on a kept-alive connection takes some 40 ms, on one machine.
#
# Expected: two workers are no slower than one.
# Seen: with --workers 1 a request takes well under 10 ms, with --workers 2 about 41 ms, the time of a delayed ACK. The listening
# socket that the workers share is made in a way for which asyncio does not switch off Nagle's algorithm (TCP_NODELAY), so
# the second write of a response waits for the client's acknowledgement of the first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q uvicorn==0.54.0 h11==0.16.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

Path("app.py").write_text(
    """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
)


def median_ms(workers):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["-m", "uvicorn", "--http", "h11", "--loop", "asyncio", "--workers", str(workers), "--port", str(port), "app:app"]
    server = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                peer = socket.create_connection(("127.0.0.1", port))
                break
            time.sleep(0.1)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            peer.sendall(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
            came = b""
            while not came.endswith(b"\r\n\r\nok"):
                came += peer.recv(1000)
            times.append(1000 * (time.perf_counter() - began))
        return statistics.median(times)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


one, two = median_ms(1), median_ms(2)
print(f"uvicorn 0.54.0: median of a kept-alive request: {one:.1f} ms with one worker, {two:.1f} ms with two")
assert one < 20
assert two > 30
PYTHON
