#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): reconnect_ivl 0 does not mean "at once", it means "never", even for the first connection.
#
# Expected: 0 ms between attempts. The manual gives -1 as the value for "no reconnection".
# Seen: a PUSH with reconnect_ivl 0 whose server starts 0.3 s after connect() never reaches it; with 100 it does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket
import time

import zmq

context = zmq.Context()
seen = {}
for interval in (0, -1, 100):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.linger = 0
    push.reconnect_ivl = interval
    push.connect(f"tcp://127.0.0.1:{port}")
    time.sleep(0.3)
    pull.bind(f"tcp://127.0.0.1:{port}")
    push.send(b"hello")
    seen[interval] = bool(pull.poll(2000))
print(f"libzmq {zmq.zmq_version()}: does a message arrive, by reconnect_ivl: {seen}")
assert seen == {0: False, -1: False, 100: True}
PYTHON
