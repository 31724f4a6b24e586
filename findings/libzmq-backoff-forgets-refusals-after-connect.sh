#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): the exponential back-off of reconnect_ivl_max never starts against a server that accepts
# connections and closes them.
#
# Expected: a connection that never finishes its handshake is a failure, so the pauses grow.
# Seen: with reconnect_ivl 20 and reconnect_ivl_max 400 every pause is 20 ms, because each TCP connect counts as a success.
# A client whose requests a load balancer refuses dials it fifty times a second for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket
import threading

import zmq
from zmq.utils.monitor import recv_monitor_message

listener = socket.create_server(("127.0.0.1", 0))


def refuse():
    for _ in range(8):
        peer, _ = listener.accept()
        peer.close()


threading.Thread(target=refuse, daemon=True).start()
push = zmq.Context().socket(zmq.PUSH)
push.linger = 0
push.reconnect_ivl = 20
push.reconnect_ivl_max = 400
monitor = push.get_monitor_socket(zmq.EVENT_CONNECT_RETRIED)
push.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
pauses = [int(recv_monitor_message(monitor)["value"]) for _ in range(6)]
print(f"libzmq {zmq.zmq_version()}: pauses of a client whose connections are accepted and closed: {pauses} ms")
assert pauses == [20] * 6
PYTHON
