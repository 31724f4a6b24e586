#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a connected SUB sends SUBSCRIBE at every call, and CANCEL only at the last.
#
# Expected: one SUBSCRIBE for the first subscription to a prefix and one CANCEL for the last, or (RFC 37) one of each for
# each call.
# Seen: two subscribe() and two unsubscribe() of one prefix send SUBSCRIBE, SUBSCRIBE, CANCEL. A publisher that counts, as
# RFC 37 has it, keeps the subscription for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket

import zmq


READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
listener = socket.create_server(("127.0.0.1", 0))
sub = zmq.Context().socket(zmq.SUB)
sub.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
peer, _ = listener.accept()
peer.settimeout(1)
peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48))
peer.sendall(b"\x04" + bytes([len(READY)]) + READY)


def came():
    data = b""
    try:
        while more := peer.recv(1000):
            data += more
    except TimeoutError:
        pass
    return data


came()
sub.poll(0)
for call in (sub.subscribe, sub.subscribe, sub.unsubscribe, sub.unsubscribe):
    call(b"A")
sub.poll(0)
data = came()
counts = data.count(b"SUBSCRIBEA"), data.count(b"CANCELA")
print(f"libzmq {zmq.zmq_version()}: two subscribe() and two unsubscribe() sent {counts[0]} SUBSCRIBE and {counts[1]} CANCEL")
assert counts == (2, 1)
PYTHON
