#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a heartbeat_ttl of 65.6 s cuts a healthy connection within a second.
#
# Expected: a longer time to live makes a connection more patient. The manual allows up to 6553.5 s.
# Seen: with heartbeat_ivl 500 ms, a ttl of 65500 ms never disconnects; 65600 ms disconnects several times in 3 s.
# PING carries the ttl in tenths of a second; the receiver turns 656 tenths into milliseconds in 16 bits: 65600 - 65536 = 64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import time

import zmq

context = zmq.Context()


def disconnections(ttl):
    pull = context.socket(zmq.PULL)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    monitor = pull.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    push = context.socket(zmq.PUSH)
    push.heartbeat_ivl = 500
    push.heartbeat_ttl = ttl
    push.connect(f"tcp://127.0.0.1:{port}")
    count, end = 0, time.monotonic() + 3
    while time.monotonic() < end:
        if monitor.poll(100):
            monitor.recv_multipart()
            count += 1
    pull.disable_monitor()
    push.close(0)
    pull.close(0)
    return count


counts = {ttl: disconnections(ttl) for ttl in (65500, 65600)}
print(f"libzmq {zmq.zmq_version()}: disconnections in 3 s by heartbeat_ttl: {counts}")
assert counts[65500] == 0
assert counts[65600] > 0
PYTHON
