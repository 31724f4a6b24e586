#!/usr/bin/env bash
# h11 0.16.0: an empty line before a request is an error.
#
# Expected: RFC 9112, section 2.2: a server SHOULD ignore at least one empty line (CRLF) before the request line, because
# old clients send one after a body.
# Seen: h11 raises RemoteProtocolError; httptools parses the same octets. So uvicorn answers 400 or 200 to
# the same client, depending on which parser is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q h11==0.16.0 httptools==0.9.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import h11
import httptools

data = b"\r\nGET / HTTP/1.1\r\nHost: example\r\n\r\n"
connection = h11.Connection(h11.SERVER)
connection.receive_data(data)
try:
    refused = not connection.next_event()
except h11.RemoteProtocolError as error:
    refused = str(error)
parser = httptools.HttpRequestParser(object())
parser.feed_data(data)
print(f"h11 {h11.__version__}: {refused!r}; httptools parsed {parser.get_method()!r}")
assert refused
assert parser.get_method() == b"GET"
PYTHON
