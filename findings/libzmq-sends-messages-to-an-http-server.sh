#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a PUSH sends its messages to an HTTP server, and they are lost.
#
# Expected: a peer whose first octets are "HTTP/1.1" is no ZMTP peer, so the messages wait for one.
# Seen: libzmq takes it for a peer of ZMTP 1.0 and sends it the message, which the real server, started a second later at
# the same port, never gets. A message that is sent afterwards arrives.
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

ANSWER = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
heard = []


def answer(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.settimeout(0.5)
        connection.sendall(ANSWER)
        octets = b""
        try:
            while piece := connection.recv(4096):
                octets += piece
        except OSError:
            pass
        heard.append(octets)
        connection.close()


wrong = socket.create_server(("127.0.0.1", 0))
port = wrong.getsockname()[1]
threading.Thread(target=answer, args=(wrong,), daemon=True).start()
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
push.linger = pull.linger = 0
push.connect(f"tcp://127.0.0.1:{port}")
push.send(b"the first")
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
time.sleep(1)
push.send(b"the second")
arrived = [pull.recv()] if pull.poll(5000) else []
given_away = any(b"the first" in octets for octets in heard)
print(f"libzmq {zmq.zmq_version()}: the HTTP server read the first message: {given_away}; the real server got {arrived}")
assert given_away and arrived == [b"the second"]
PYTHON
