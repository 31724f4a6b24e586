#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): over inproc, socket types are not checked: a PUSH feeds a SUB.
#
# Expected: the pair is refused, as it is over tcp and ipc.
# Seen: over inproc the SUB receives what the PUSH sends; over tcp it receives nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

context = zmq.Context()
seen = {}
for endpoint in ("inproc://pair", "tcp://127.0.0.1:*"):
    push, sub = context.socket(zmq.PUSH), context.socket(zmq.SUB)
    push.linger = 0
    push.bind(endpoint)
    sub.subscribe(b"")
    sub.connect(push.last_endpoint)
    if push.poll(500, zmq.POLLOUT):
        push.send(b"hello")
    seen[endpoint.split(":")[0]] = bool(sub.poll(1000))
print(f"libzmq {zmq.zmq_version()}: does a SUB hear a PUSH: {seen}")
assert seen == {"inproc": True, "tcp": False}
PYTHON
