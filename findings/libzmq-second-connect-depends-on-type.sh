#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): whether a second connect() to the same endpoint makes a second connection depends
# on the socket type.
#
# Expected: one rule for all types.
# Seen: DEALER, SUB, PUB and REQ make one connection; PUSH, PULL, ROUTER, XSUB, XPUB, PAIR and REP make two.
# A PUSH that connects twice gives its server two shares of the work.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket

import zmq

context = zmq.Context()
names = "DEALER SUB PUB REQ PUSH PULL ROUTER XSUB XPUB PAIR REP".split()
seen = {}
for name in names:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(1)
    client = context.socket(getattr(zmq, name))
    client.linger = 0
    for _ in range(2):
        client.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    accepted = []
    try:
        while True:
            accepted.append(listener.accept())
    except TimeoutError:
        pass
    seen[name] = len(accepted)
    client.close()
print(f"libzmq {zmq.zmq_version()}: connections after two connects: {seen}")
assert [name for name in names if seen[name] == 1] == ["DEALER", "SUB", "PUB", "REQ"]
assert [name for name in names if seen[name] == 2] == names[4:]
PYTHON
