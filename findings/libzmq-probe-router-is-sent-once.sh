#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): ZMQ_PROBE_ROUTER greets a ROUTER on the first connection only.
#
# Expected: the manual says that an empty message is sent "every time a new connection is made or accepted".
# Seen: a DEALER whose ROUTER is replaced connects again, but the new ROUTER hears nothing until the DEALER's program sends.
# So a server that was restarted does not know its clients.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

context = zmq.Context()
dealer = context.socket(zmq.DEALER)
dealer.linger = 0
dealer.probe_router = 1
dealer.routing_id = b"client"
first = context.socket(zmq.ROUTER)
port = first.bind_to_random_port("tcp://127.0.0.1")
dealer.connect(f"tcp://127.0.0.1:{port}")
greeted = first.recv_multipart() if first.poll(3000) else None
first.close(0)
second = context.socket(zmq.ROUTER)
for _ in range(50):
    try:
        second.bind(f"tcp://127.0.0.1:{port}")
        break
    except zmq.ZMQError:
        dealer.poll(100)
monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
connected = bool(monitor.poll(5000))
dealer.poll(100)
greeted_again = bool(second.poll(1000))
print(f"libzmq {zmq.zmq_version()}: first ROUTER got {greeted}; reconnected: {connected}; second ROUTER greeted: {greeted_again}")
assert greeted == [b"client", b""]
assert connected
assert not greeted_again
PYTHON
