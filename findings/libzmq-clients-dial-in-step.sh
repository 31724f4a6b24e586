#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): setting reconnect_ivl_max takes the randomness out of reconnecting.
#
# Expected: exponential back-off makes a herd of clients gentler to a server that comes back.
# Seen: without the option, each pause is random between one and two intervals. With it, every client pauses exactly 50, 100, 200,
# then 400 ms, so a thousand clients that lost one server dial it in step.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket

import zmq
from zmq.utils.monitor import recv_monitor_message

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]  # nothing listens here afterwards
context = zmq.Context()


def pauses(longest, count=4):
    push = context.socket(zmq.PUSH)
    push.linger = 0
    push.reconnect_ivl = 50
    push.reconnect_ivl_max = longest
    monitor = push.get_monitor_socket(zmq.EVENT_CONNECT_RETRIED)
    push.connect(f"tcp://127.0.0.1:{port}")
    seen = [int(recv_monitor_message(monitor)["value"]) for _ in range(count)]
    push.disable_monitor()
    push.close()
    return tuple(seen)


with_max = {pauses(1000) for _ in range(6)}
without = {pauses(0) for _ in range(6)}
print(f"libzmq {zmq.zmq_version()}: six clients, with reconnect_ivl_max {with_max}, without {without}")
assert len(with_max) == 1
assert len(without) > 1
PYTHON
