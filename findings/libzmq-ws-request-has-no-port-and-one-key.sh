#!/usr/bin/env bash
# libzmq 4.3.5 (npm zeromq 6.8.0, Node.js 20): the HTTP request of a ws:// client names no port, and its key does not change.
#
# Expected: Host with the port, unless that is 80 (RFC 6455, section 4.1), as a server with several names on a port, or a
# proxy, may look at it; and a Sec-WebSocket-Key that is chosen at random for each connection.
# Seen: "Host: 127.0.0.1" for a server at another port, and the first key of every process is the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent zeromq@6.8.0 > /dev/null 2>&1
cat > ask.mjs <<'SCRIPT'
import * as zmq from "zeromq"
const push = new zmq.Push({linger: 0})
push.connect(process.argv[2])
setTimeout(() => process.exit(0), 5000)
SCRIPT
cat > look.mjs <<'SCRIPT'
import {spawn} from "node:child_process"
import {createServer} from "node:net"

const heads = []
const server = createServer(socket => {
  socket.on("error", () => {})
  socket.once("data", data => heads.push(`${data}`))
})
await new Promise(resolve => server.listen(0, "127.0.0.1", resolve))
for (let number = 0; number < 2; number++) {
  const child = spawn("node", ["ask.mjs", `ws://127.0.0.1:${server.address().port}/`])
  while (heads.length === number) await new Promise(resolve => setTimeout(resolve, 20))
  child.kill()
}
const field = (head, name) => head.split("\r\n").find(line => line.startsWith(name)).split(": ")[1]
const [one, other] = heads.map(head => field(head, "Sec-WebSocket-Key"))
const host = field(heads[0], "Host")
console.log(`libzmq 4.3.5: Host is ${host} at port ${server.address().port}; the keys of two processes: ${one}, ${other}`)
process.exit(host === "127.0.0.1" && one === other ? 0 : 1)
SCRIPT
timeout 60 node look.mjs
