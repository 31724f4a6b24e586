#!/usr/bin/env bash
# omq.rs (pyomq 0.27.3): a PEER silently drops a message for a peer that does not exist; a SERVER raises an error.
#
# Expected: an error (51/P2P: "SHALL return an error if the queue does not exist", as 41/CLISRV says of SERVER).
# Seen: the SERVER raises "host unreachable". The PEER has the name of a peer in front of the message, as a ROUTER has, and
# like a ROUTER it returns as if the message had been sent. A message of three frames, which a PEER must not send, is taken,
# too.
#
# PYTHON: a Python of 3.12 or later, which pyomq needs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.12}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyomq==0.27.3
timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import pyomq

context = pyomq.Context()


def answer(kind, send):
    sock = context.socket(kind)
    sock.bind("tcp://127.0.0.1:0")
    sock.sndtimeo = 1000
    try:
        send(sock)
    except pyomq.ZMQError as error:
        return str(error)
    return "sent"


seen = {
    "SERVER": answer(pyomq.SERVER, lambda sock: sock.send(b"hello", routing_id=7)),
    "PEER": answer(pyomq.PEER, lambda sock: sock.send_multipart([b"nobody", b"hello"])),
    "PEER, two frames": answer(pyomq.PEER, lambda sock: sock.send_multipart([b"nobody", b"hello", b"world"])),
}
print(f"pyomq 0.27.3, for a peer that does not exist: {seen}")
assert seen == {"SERVER": "host unreachable", "PEER": "sent", "PEER, two frames": "sent"}
PYTHON
