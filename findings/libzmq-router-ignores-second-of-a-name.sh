#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a second peer with a routing id that is in use is connected and never heard.
#
# Expected: the second peer is refused, or its connection fails, so that it can tell.
# Seen: its monitor reports a successful handshake and nothing else. Its messages never reach the ROUTER's program,
# not even after the first peer of that name has gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

context = zmq.Context()
router = context.socket(zmq.ROUTER)
port = router.bind_to_random_port("tcp://127.0.0.1")
first, second = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
for dealer in (first, second):
    dealer.routing_id = b"worker"
    dealer.linger = 0
first.connect(f"tcp://127.0.0.1:{port}")
first.send(b"hello")
assert router.recv_multipart() == [b"worker", b"hello"]
monitor = second.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
second.connect(f"tcp://127.0.0.1:{port}")
assert monitor.poll(5000)
event = recv_monitor_message(monitor)["event"]
second.send(b"hello")
heard = bool(router.poll(500))
first.close()
time.sleep(0.5)
second.send(b"hello again")
heard_later = bool(router.poll(1000))
told = bool(monitor.poll(200))
print(f"libzmq {zmq.zmq_version()}: second peer: {event.name}, heard: {heard}, after the first left: {heard_later}, told: {told}")
assert event == zmq.EVENT_HANDSHAKE_SUCCEEDED
assert (heard, heard_later, told) == (False, False, False)
PYTHON
