#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): a small ZMQ_MAXMSGSIZE refuses every peer, whatever it sends.
#
# Expected: the option limits the size of messages, as the manual says ("maximum acceptable inbound message size").
# Seen: with maxmsgsize 20 a message of 3 octets never arrives, because the READY command of the handshake
# (26 octets for a PUSH) is counted as well. With 30 it arrives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import zmq

context = zmq.Context()


def arrives(limit):
    pull = context.socket(zmq.PULL)
    pull.maxmsgsize = limit
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push = context.socket(zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"abc")
    came = bool(pull.poll(1500))
    push.close(0)
    pull.close(0)
    return came


seen = {limit: arrives(limit) for limit in (20, 30, -1)}
print(f"libzmq {zmq.zmq_version()}: does a message of 3 octets arrive, by maxmsgsize: {seen}")
assert seen == {20: False, 30: True, -1: True}
PYTHON
