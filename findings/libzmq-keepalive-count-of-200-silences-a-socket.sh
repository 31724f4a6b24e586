#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0, on Linux): ZMQ_TCP_KEEPALIVE_CNT above 127 is accepted, and then no message arrives.
#
# Expected: EINVAL when the option is set, or at connect, because the kernel allows 127 probes at most.
# Seen: no error anywhere; with 200 a message does not arrive within a second, with 100 it does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

context = zmq.Context()


def arrives(count):
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    push.linger = 0
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.tcp_keepalive = 1
    push.tcp_keepalive_cnt = count
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"hello")
    came = bool(pull.poll(1000))
    push.close()
    pull.close()
    return came


seen = {count: arrives(count) for count in (100, 200)}
print(f"libzmq {zmq.zmq_version()}: does a message arrive, by tcp_keepalive_cnt: {seen}")
assert seen == {100: True, 200: False}
PYTHON
