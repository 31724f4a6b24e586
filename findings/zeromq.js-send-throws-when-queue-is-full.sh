#!/usr/bin/env bash
# zeromq.js 6.8.0 (npm zeromq, Node.js 20): whether several send() calls may be under way depends on the queue's state, and the
# refusal is thrown, not returned as a rejected promise.
#
# Expected: an async method reports every error through its promise; calls that have to wait wait in turn.
# Seen: three sends at once to a connected peer all succeed. Without a peer, the second send() throws EBUSY synchronously, so
# Promise.allSettled([a.send(1), a.send(2)]) itself raises.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent zeromq@6.8.0 > /dev/null 2>&1
cat > look.mjs <<'SCRIPT'
import * as zmq from "zeromq"

const pull = new zmq.Pull()
await pull.bind("tcp://127.0.0.1:*")
const connected = new zmq.Push({linger: 0})
connected.connect(pull.lastEndpoint)
const settled = await Promise.allSettled([connected.send("1"), connected.send("2"), connected.send("3")])

const alone = new zmq.Push({linger: 0})
alone.send("1").catch(() => {})
let thrown = "nothing"
try {
  alone.send("2").catch(error => { thrown = `rejected ${error.code}` })
} catch (error) {
  thrown = `thrown ${error.code}`
}
const words = settled.map(one => one.status).join(" ")
console.log(`zeromq.js 6.8.0: three sends to a peer: ${words}; a second send without a peer: ${thrown}`)
process.exit(words === "fulfilled fulfilled fulfilled" && thrown === "thrown EBUSY" ? 0 : 1)
SCRIPT
timeout 60 node look.mjs
