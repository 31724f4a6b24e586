#!/usr/bin/env bash
# ws 8.23.0 (npm, Node.js 20) refuses the subprotocols of RFC 45 (ZWS 2.0) that name a mechanism, such as ZWS2.0/NULL.
#
# Expected from RFC 45: "ZWS2.0/NULL" is a subprotocol that a client can offer and a server can choose.
# Seen: a client of ws throws before it connects, as every browser does, and a server of ws answers 400 to libzmq. Both are
# right: RFC 6455 (section 4.1) allows only a token there, and a slash is none. ws 7 still let it pass.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent ws@8.23.0 > /dev/null 2>&1
cat > look.cjs <<'SCRIPT'
const {connect} = require("node:net")
const {WebSocket, WebSocketServer} = require("ws")

let thrown = "nothing"
try {
  new WebSocket("ws://127.0.0.1:1/", ["ZWS2.0/NULL"]).on("error", () => {})
} catch (error) {
  thrown = error.name
}
const server = new WebSocketServer({port: 0, host: "127.0.0.1"})
server.on("listening", () => {
  const raw = connect(server.address().port, "127.0.0.1")
  raw.write("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0\r\n\r\n")
  raw.once("data", data => {
    const [line] = `${data}`.split("\r\n")
    console.log(`ws 8.23.0: a client that offers ZWS2.0/NULL throws ${thrown}; a server answers ${line}`)
    process.exit(thrown === "SyntaxError" && line.includes(" 400 ") ? 0 : 1)
  })
})
SCRIPT
timeout 60 node look.cjs
