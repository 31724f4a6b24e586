#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): an endpoint with a * for the interface cannot be unbound by the text it was bound with.
#
# Expected: unbind("tcp://*:PORT") undoes bind("tcp://*:PORT").
# Seen: ENOENT. Only the resolved spelling, tcp://0.0.0.0:PORT (last_endpoint), is known.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import errno
import socket

import zmq

with socket.create_server(("0.0.0.0", 0)) as free:
    port = free.getsockname()[1]
pull = zmq.Context().socket(zmq.PULL)
text = f"tcp://*:{port}"
pull.bind(text)
resolved = pull.last_endpoint.decode()
try:
    pull.unbind(text)
    refused = 0
except zmq.ZMQError as error:
    refused = error.errno
pull.unbind(resolved)
print(f"libzmq {zmq.zmq_version()}: bound {text}; unbind of that text: errno {refused}; of {resolved}: done")
assert refused == errno.ENOENT
PYTHON
