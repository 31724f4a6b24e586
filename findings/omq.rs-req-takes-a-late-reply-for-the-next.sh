#!/usr/bin/env bash
# omq.rs (pyomq 0.27.3) with libzmq 4.3.5 (pyzmq 27.3.0): a REQ takes a second reply to its first request for the reply
# to its second.
#
# Expected: a REQ drops what comes while no request is open (28/REQREP: "SHALL silently discard"), as libzmq does.
# Seen: a ROUTER replies twice to the first request. libzmq's REQ drops the second reply when it sends its next request;
# omq.rs's hands it to the program as the answer to that request.
#
# PYTHON: a Python of 3.12 or later, which pyomq needs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.12}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyomq==0.27.3 pyzmq==27.3.0
timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import time

import pyomq
import zmq


def second_answer(library):
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.linger = 0
    port = router.bind_to_random_port("tcp://127.0.0.1")
    req = library.Context().socket(library.REQ)
    req.setsockopt(library.LINGER, 0)
    req.setsockopt(library.RCVTIMEO, 10_000)
    req.connect(f"tcp://127.0.0.1:{port}")
    req.send(b"first request")
    name, *_ = router.recv_multipart()
    router.send_multipart([name, b"", b"reply to the first"])
    router.send_multipart([name, b"", b"once more"])
    assert bytes(req.recv()) == b"reply to the first"
    time.sleep(1)  # the second reply has arrived by now
    req.send(b"second request")
    name, *_ = router.recv_multipart()
    router.send_multipart([name, b"", b"reply to the second"])
    return bytes(req.recv())


seen = {"libzmq 4.3.5": second_answer(zmq), "pyomq 0.27.3": second_answer(pyomq)}
for library, answer in seen.items():
    print(f"{library}: the answer to the second request is {answer!r}")
assert list(seen.values()) == [b"reply to the second", b"once more"]
PYTHON
