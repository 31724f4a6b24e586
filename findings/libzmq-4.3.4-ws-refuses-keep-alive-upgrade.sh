#!/usr/bin/env bash
# libzmq 4.3.4 (pyzmq 24.0.1, and Debian 12): a socket that is bound to ws:// refuses a request with
# `Connection: keep-alive, Upgrade`, which is what Firefox sends.
#
# Expected: Connection is a list, and a request that has `Upgrade` in it asks for the upgrade (RFC 6455, section 4.2.1;
# RFC 9110, section 7.6.1).
# Seen: `Connection: Upgrade` is answered with 101, and with `keep-alive` in front of it the connection is closed without
# an answer. libzmq 4.3.5, in npm's zeromq 6.8, answers both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==24.0.1
timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import socket

import zmq

pull = zmq.Context.instance().socket(zmq.PULL)
pull.linger = 0
pull.bind("ws://127.0.0.1:*/")
port = int(pull.last_endpoint.decode().rstrip("\0/").rsplit(":", 1)[1])


def answer(connection):
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: {connection}\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request.encode())
        return client.recv(1000).partition(b"\r\n")[0].decode() or "the end of the connection"


seen = {connection: answer(connection) for connection in ("Upgrade", "keep-alive, Upgrade")}
for connection, came in seen.items():
    print(f"libzmq {zmq.zmq_version()}: to `Connection: {connection}` comes {came}")
assert list(seen.values()) == ["HTTP/1.1 101 Switching Protocols", "the end of the connection"]
PYTHON
