#!/usr/bin/env bash
# libzmq 4.3.5 (npm zeromq 6.8.0, Node.js 20): the path of a ws:// endpoint has one part at most, and no server looks at it.
#
# Expected: any path of a URL, as RFC 6455 (section 3) has it; a client that asks for another path is refused.
# Seen: bind to ws://127.0.0.1:*/a/b raises EINVAL. A PUSH that connects to /other is served by the PULL that is bound to
# /jobs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent zeromq@6.8.0 > /dev/null 2>&1
cat > look.mjs <<'SCRIPT'
import * as zmq from "zeromq"

const two = await new zmq.Pull().bind("ws://127.0.0.1:*/a/b").then(() => "bound", error => error.code)
const pull = new zmq.Pull({receiveTimeout: 5000}), push = new zmq.Push({linger: 0})
await pull.bind("ws://127.0.0.1:*/jobs")
push.connect(pull.lastEndpoint.replace("/jobs", "/other"))
await push.send("a job")
const other = await pull.receive().then(([frame]) => `${frame}`, error => error.code)
console.log(`libzmq ${zmq.version}: bind to /a/b: ${two}; a message by the path /other: ${other}`)
process.exit(two === "EINVAL" && other === "a job" ? 0 : 1)
SCRIPT
timeout 60 node look.mjs
