#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a peer of the wrong socket type fails the handshake without a handshake event.
#
# Expected: a REQ that connects to a PUB gets HANDSHAKE_FAILED_PROTOCOL on its monitor.
# Seen: CONNECT_DELAYED, CONNECTED, DISCONNECTED on the connecting side and ACCEPTED, DISCONNECTED on the other. No event
# tells why, and no further attempt is made.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

context = zmq.Context()
pub, req = context.socket(zmq.PUB), context.socket(zmq.REQ)
port = pub.bind_to_random_port("tcp://127.0.0.1")
monitors = {"REQ": req.get_monitor_socket(), "PUB": pub.get_monitor_socket()}
req.connect(f"tcp://127.0.0.1:{port}")
time.sleep(2)
seen = {name: [] for name in monitors}
for name, monitor in monitors.items():
    while monitor.poll(0):
        seen[name].append(recv_monitor_message(monitor)["event"].name)
print(f"libzmq {zmq.zmq_version()}: {seen}")
assert seen == {"REQ": ["CONNECT_DELAYED", "CONNECTED", "DISCONNECTED"], "PUB": ["ACCEPTED", "DISCONNECTED"]}
PYTHON
