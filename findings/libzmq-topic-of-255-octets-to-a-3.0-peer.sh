#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): to a ZMTP 3.0 peer, a subscription to a topic of exactly 255 octets is framed wrong.
#
# Expected: the message form of a subscription is 01 and the topic, 256 octets, so a long frame (flags 02) as RFC 23 has it.
# Seen: flags 00 (short frame) followed by a size of eight octets. Topics of 254 and of 256 octets are framed right.
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


def handshake(peer, minor=1):
    """Act as a PUB that speaks ZMTP 3, and give all that comes within a second after the greeting."""
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03" + bytes([minor]) + b"NULL" + bytes(48))
    peer.sendall(b"\x04" + bytes([len(READY)]) + READY)
    return listen(peer)[64:]


def listen(peer):
    peer.settimeout(1)
    came = b""
    try:
        while data := peer.recv(1000):
            came += data
    except TimeoutError:
        pass
    return came


listener = socket.create_server(("127.0.0.1", 0))
context = zmq.Context()
seen = {}
for length in (254, 255, 256):
    sub = context.socket(zmq.SUB)
    sub.subscribe(b"t" * length)
    sub.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    peer, _ = listener.accept()
    came = handshake(peer, minor=0)
    seen[length] = came[came.index(b"SUB") + 3 :].split(b"t")[0].hex(" ")
    sub.close(0)
print(f"libzmq {zmq.zmq_version()}: octets before the topic, by its length: {seen}")
assert seen[254] == "00 ff 01"
assert seen[255] == "00 00 00 00 00 00 00 01 00 01"
assert seen[256] == "02 00 00 00 00 00 00 01 01 01"
PYTHON
