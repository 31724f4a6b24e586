#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): connect() accepts a port that cannot exist.
#
# Expected: EINVAL, as for port -1 and for a missing port.
# Seen: tcp://127.0.0.1:99999 is accepted and becomes last_endpoint; messages queue up for it for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

context = zmq.Context()
push = context.socket(zmq.PUSH)
push.linger = 0
push.connect("tcp://127.0.0.1:99999")
accepted = push.last_endpoint
push.send(b"for a port that cannot exist", zmq.NOBLOCK)
refused = []
for text in ("tcp://127.0.0.1:-1", "tcp://127.0.0.1", "tcp://127.0.0.1:http"):
    try:
        push.connect(text)
    except zmq.ZMQError as error:
        refused.append((text, error.errno))
print(f"libzmq {zmq.zmq_version()}: accepted {accepted}, refused {refused}")
assert accepted == b"tcp://127.0.0.1:99999"
assert len(refused) == 3
PYTHON
