#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): after a reconnect, a SUB sends its subscriptions only when its program calls it.
#
# Expected: the I/O thread reconnects in the background, and subscribes there.
# Seen: the connection is made and READY is sent, but SUBSCRIBE follows only after the program polls the socket. A
# program that computes for a minute misses all messages of that minute, although it was connected.
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
sub = context.socket(zmq.SUB)
sub.subscribe(b"A")
sub.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
first, _ = listener.accept()
at_first = b"SUBSCRIBEA" in handshake(first)
first.close()
second, _ = listener.accept()
without_a_call = b"SUBSCRIBEA" in handshake(second)
sub.poll(0)
after_a_call = b"SUBSCRIBEA" in listen(second)
print(f"libzmq {zmq.zmq_version()}: subscribed at first {at_first}, after a reconnect {without_a_call}, after poll(0) {after_a_call}")
assert (at_first, without_a_call, after_a_call) == (True, False, True)
PYTHON
