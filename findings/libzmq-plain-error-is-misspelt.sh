#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): the ERROR command of a PLAIN server does not follow RFC 24.
#
# Expected: 05 "ERROR" 03 "400", a name of five letters with its length before it.
# Seen: 5e "RROR" 03 "400". The length is missing, and the first letter is "^". A peer that reads by the RFC
# takes this for a malformed command and not for a refusal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket
import time

import zmq
from zmq.auth.thread import ThreadAuthenticator

context = zmq.Context()
auth = ThreadAuthenticator(context)
auth.start()
auth.configure_plain(domain="*", passwords={"user": "right"})
rep = context.socket(zmq.REP)
rep.plain_server = True
peer = socket.create_connection(("127.0.0.1", rep.bind_to_random_port("tcp://127.0.0.1")))
peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01PLAIN" + bytes(47))
time.sleep(0.3)
peer.sendall(b"\x04\x11\x05HELLO\x04user\x05wrong")
peer.settimeout(2)
came = b""
try:
    while data := peer.recv(1000):
        came += data
except TimeoutError:
    pass
auth.stop()
print(f"libzmq {zmq.zmq_version()}: a PLAIN server refuses with {came[64:].hex(' ')}")
assert came[64:] == b"\x04\x09\x5eRROR\x03400"
PYTHON
