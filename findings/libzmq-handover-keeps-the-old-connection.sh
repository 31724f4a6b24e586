#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): with ZMQ_ROUTER_HANDOVER the peer that loses its name stays connected.
#
# Expected: the manual says that the existing connection is disconnected when a new one takes over its identity.
# Seen: the first peer's monitor reports no disconnection. It stays connected to a ROUTER that neither hears nor reaches
# it, so its program waits for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

context = zmq.Context()
router = context.socket(zmq.ROUTER)
router.router_handover = 1
port = router.bind_to_random_port("tcp://127.0.0.1")


def dealer():
    one = context.socket(zmq.DEALER)
    one.linger = 0
    one.routing_id = b"worker"
    one.connect(f"tcp://127.0.0.1:{port}")
    return one


first = dealer()
monitor = first.get_monitor_socket(zmq.EVENT_DISCONNECTED)
first.send(b"from the first")
assert router.recv_multipart() == [b"worker", b"from the first"]
second = dealer()
second.send(b"from the second")
assert router.recv_multipart() == [b"worker", b"from the second"]
told = bool(monitor.poll(2000))
first.send(b"again")
heard = bool(router.poll(1000))
print(f"libzmq {zmq.zmq_version()}: the first peer was disconnected: {told}; it is still heard: {heard}")
assert (told, heard) == (False, False)
PYTHON
