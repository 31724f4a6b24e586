#!/usr/bin/env bash
# h11 0.16.0: a server built on it closes after each HTTP/1.0 request, although the client asks to keep the connection.
#
# Expected: "Connection: keep-alive" from an HTTP/1.0 client is honoured, as nginx and Apache do.
# Seen: h11 adds "Connection: close" to its response and goes to MUST_CLOSE. So "ab -k" and HTTP/1.0 proxies open a
# connection for each request to uvicorn and hypercorn with h11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q h11==0.16.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import h11

connection = h11.Connection(h11.SERVER)
connection.receive_data(b"GET / HTTP/1.0\r\nHost: example\r\nConnection: keep-alive\r\n\r\n")
connection.next_event()
connection.next_event()
head = connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
connection.send(h11.EndOfMessage())
print(f"h11 {h11.__version__}: {head!r}, then {connection.our_state}")
assert b"Connection: close" in head
assert connection.our_state is h11.MUST_CLOSE
PYTHON
