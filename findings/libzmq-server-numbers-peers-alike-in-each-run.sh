#!/usr/bin/env bash
# libzmq 4.3.5 (zeromq.js 6.8.0, which has its draft API): the first routing id of a SERVER is the same in every process.
#
# Expected: a routing id names one connection (41/CLISRV: unique), so after a restart a reply for a peer of the last run is
# refused with EHOSTUNREACH. The source asks a random generator for the first number.
# Seen: that generator, rand(), is never seeded, so the first peer is 1804289383 in each run. A reply for the peer of the last
# run, which a program had written down, goes to another client.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent zeromq@6.8.0 > /dev/null 2>&1
cat > look.js <<'SCRIPT'
const zmq = require("zeromq")
const {Server, Client} = require("zeromq/draft")

async function main() {
  const server = new Server({linger: 0})
  await server.bind("tcp://127.0.0.1:*")
  const client = new Client({linger: 0})
  client.connect(server.lastEndpoint)
  await client.send("hello")
  const [, {routingId}] = await server.receive()
  const old = process.argv[2]
  if (old) {
    await server.send("a reply to the client of the last run", {routingId: Number(old)})
    console.log(String((await client.receive())[0]))
  } else console.log(routingId)
  process.exit(0)
}
main()
SCRIPT
first=$(timeout 60 node look.js)
second=$(timeout 60 node look.js)
got=$(timeout 60 node look.js "$first")
echo "libzmq 4.3.5: the first peer of two runs: $first $second; the client of the third gets: $got"
[ "$first" = "$second" ] && [ "$got" = "a reply to the client of the last run" ]
