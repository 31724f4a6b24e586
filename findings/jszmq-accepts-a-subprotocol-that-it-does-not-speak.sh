#!/usr/bin/env bash
# jszmq 0.1.2 (npm, with ws 7.5.10) and libzmq 4.3.5 (npm zeromq 6.8.0), Node.js 20: nothing arrives between the two, because
# jszmq's server accepts the subprotocol ZWS2.0/NULL and speaks ZWS2.0.
#
# Expected: a server chooses a subprotocol that it speaks. With ZWS2.0/NULL each side sends READY (RFC 45); with ZWS2.0 it
# sends its routing id.
# Seen: the 101 says ZWS2.0/NULL, and the first message behind it is an empty routing id (82 01 00). libzmq's client, which
# offers ZWS2.0/NULL and ZWS2.0, gets no message in three seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent zeromq@6.8.0 jszmq@0.1.2 ws@7.5.10 > /dev/null 2>&1
cat > look.cjs <<'SCRIPT'
const net = require("node:net")
const jszmq = require("jszmq")
const zmq = require("zeromq")

async function main() {
  const probe = net.createServer().listen(0, "127.0.0.1")
  await new Promise(resolve => probe.once("listening", resolve))
  const {port} = probe.address()
  await new Promise(resolve => probe.close(resolve))
  const push = jszmq.socket("push")
  push.bindSync(`ws://127.0.0.1:${port}/zws`)
  setInterval(() => push.send("work"), 100)

  const raw = net.connect(port, "127.0.0.1")
  raw.write("GET /zws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0\r\n\r\n")
  let came = Buffer.alloc(0)
  raw.on("data", data => (came = Buffer.concat([came, data])))
  const pull = new zmq.Pull({receiveTimeout: 3000})
  pull.connect(`ws://127.0.0.1:${port}/zws`)
  const got = await pull.receive().then(() => "work", () => "nothing")
  const [head] = came.toString("latin1").split("\r\n\r\n")
  const chosen = /^Sec-WebSocket-Protocol: (.*)$/im.exec(head)[1]
  const first = came.subarray(head.length + 4, head.length + 7).toString("hex")
  console.log(`jszmq 0.1.2 chooses ${chosen} and sends ${first} first; libzmq ${zmq.version} behind it gets ${got}`)
  process.exit(chosen === "ZWS2.0/NULL" && first === "820100" && got === "nothing" ? 0 : 1)
}
main()
SCRIPT
timeout 60 node look.cjs
