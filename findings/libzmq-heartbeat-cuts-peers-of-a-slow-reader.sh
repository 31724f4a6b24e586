#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): heartbeats disconnect a healthy peer when the program itself reads slowly.
#
# Expected: heartbeat_ivl finds dead peers. The peer here is alive, and answers every PING at once.
# Seen: a PULL with heartbeat_ivl 200 ms whose program does not read reaches rcvhwm, stops reading the connection, so
# it does not see the PONGs either, and cuts the connection about 400 ms later, again and again.
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
pull = context.socket(zmq.PULL)
pull.rcvhwm = 5
pull.heartbeat_ivl = 200
port = pull.bind_to_random_port("tcp://127.0.0.1")
monitor = pull.get_monitor_socket(zmq.EVENT_DISCONNECTED)
push = context.socket(zmq.PUSH)
push.linger = 0
push.connect(f"tcp://127.0.0.1:{port}")
for _ in range(900):
    push.send(b"x" * 10_000)
time.sleep(3)  # a program that computes for a while
count = 0
while monitor.poll(0):
    monitor.recv_multipart()
    count += 1
print(f"libzmq {zmq.zmq_version()}: a healthy peer was disconnected {count} times in 3 s")
assert count >= 2
PYTHON
