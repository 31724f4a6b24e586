#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): raising ZMQ_SNDHWM on a socket whose queue is full has no effect.
#
# Expected: the manual says of the option that it takes effect immediately when it is set after bind or connect.
# Seen: a PUSH with sndhwm 1 that is full still refuses the next message after sndhwm has been set to 5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

push = zmq.Context().socket(zmq.PUSH)
push.linger = 0
push.sndhwm = 1
push.connect("tcp://127.0.0.1:9")  # no program listens there, so messages stay in the queue


def fits():
    count = 0
    try:
        while count < 100:
            push.send(b"x", zmq.NOBLOCK)
            count += 1
    except zmq.Again:
        pass
    return count


before = fits()
push.sndhwm = 5
after = fits()
print(f"libzmq {zmq.zmq_version()}: {before} message fits with sndhwm 1, {after} more after it was raised to 5")
assert (before, after) == (1, 0)
PYTHON
