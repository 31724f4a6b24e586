#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a CURVE client that meets an HTTP server at its port never dials again.
#
# Expected: the client dials until its server is back, as it does with NULL and after a refused connection.
# Seen: one answer "400 Bad Request" ends the connect for good: the real server, started a second later at the same
# port, never gets the message. The same client without CURVE delivers it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import socket
import threading
import time

import zmq

ANSWER = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def answer(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.sendall(ANSWER)
        connection.close()


server_public, server_secret = zmq.curve_keypair()
public, secret = zmq.curve_keypair()
context = zmq.Context()
arrived = {}
for mechanism in ("NULL", "CURVE"):
    wrong = socket.create_server(("127.0.0.1", 0))
    port = wrong.getsockname()[1]
    threading.Thread(target=answer, args=(wrong,), daemon=True).start()
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.linger = pull.linger = 0
    if mechanism == "CURVE":
        pull.curve_server, pull.curve_secretkey = 1, server_secret
        push.curve_serverkey, push.curve_publickey, push.curve_secretkey = server_public, public, secret
    push.connect(f"tcp://127.0.0.1:{port}")
    time.sleep(1)
    wrong.shutdown(socket.SHUT_RDWR)
    wrong.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            pull.bind(f"tcp://127.0.0.1:{port}")
            break
        except zmq.ZMQError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    push.send(b"hello")
    arrived[mechanism] = bool(pull.poll(5000))
print(f"libzmq {zmq.zmq_version()}: does a message reach the real server? {arrived}")
assert arrived == {"NULL": True, "CURVE": False}
PYTHON
