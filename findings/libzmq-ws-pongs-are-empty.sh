#!/usr/bin/env bash
# libzmq 4.3.5 (npm's zeromq 6.8.0): over ws://, a ping is answered with a pong that has no payload.
#
# Expected: a pong has the same payload as its ping (RFC 6455, section 5.5.3), so that a peer knows which ping was
# answered.
# Seen: the pong is there, and its payload is empty. A peer that compares the two takes libzmq for dead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund zeromq@6.8.0
timeout 60 node - <<'JAVASCRIPT'
const net = require("net")
const zmq = require("zeromq")

async function main() {
  const pull = new zmq.Pull({ linger: 0 })
  await pull.bind("ws://127.0.0.1:*/")
  const port = Number(/:(\d+)/.exec(pull.lastEndpoint.slice(5))[1])
  const client = net.connect(port, "127.0.0.1")
  let came = Buffer.alloc(0)
  const until = test => new Promise(resolve => {
    const look = () => { if (test()) { client.off("data", look); resolve() } }
    client.on("data", look)
    look()
  })
  client.on("data", octets => { came = Buffer.concat([came, octets]) })
  const masked = (opcode, payload) => Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])
  client.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n")
  await until(() => came.includes("\r\n\r\n"))
  const ready = Buffer.from("\x02\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH", "latin1")
  client.write(masked(2, ready))
  await until(() => came.includes("PULL"))
  came = Buffer.alloc(0)
  client.write(masked(9, Buffer.from("hello")))
  await until(() => came.length >= 2)
  console.log(`libzmq ${zmq.version}: the pong to a ping with "hello" is ${came.toString("hex")}, expected 8a0568656c6c6f`)
  process.exit(came.toString("hex") === "8a00" ? 0 : 1)
}

main()
JAVASCRIPT
