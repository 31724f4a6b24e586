#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a PUSH that closes loses messages that were sent, although linger is -1.
#
# Expected: with linger -1, pending messages are not discarded, and a peer that reads slowly gets all of them.
# Seen: close ends when the system has taken the messages. The socket is closed at once, so the next octets of the peer, such as a
# PONG, are answered by a reset, and the messages that the peer's system had no room for are gone: 6 of 300 arrive.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket
import time
from contextlib import suppress

import zmq

GREETING = bytes.fromhex("ff00000000000000007f0301") + b"NULL".ljust(52, b"\0")
READY = b"\4\x1a\x05READY\x0bSocket-Type\0\0\0\4PULL"
PONG = b"\4\5\4PONG"
COUNT, BODY = 300, b"x" * 1000


def received(is_silent):
    """How many messages a peer gets that reads when the sender has closed."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.linger = -1
    push.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    peer, _ = listener.accept()
    peer.sendall(GREETING + READY)
    for _ in range(COUNT):
        push.send(BODY)
    time.sleep(0.5)
    push.close()
    context.term()
    if not is_silent:
        with suppress(OSError):
            peer.sendall(PONG)
    octets = b""
    with suppress(OSError):
        while some := peer.recv(65536):
            octets += some
    return octets.count(BODY)


silent, talking = received(is_silent=True), received(is_silent=False)
print(f"libzmq {zmq.zmq_version()}: of {COUNT} messages a silent peer gets {silent}, and one that sends a PONG {talking}")
assert silent == COUNT
assert talking < COUNT
PYTHON
