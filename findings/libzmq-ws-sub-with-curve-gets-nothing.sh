#!/usr/bin/env bash
# libzmq 4.3.5 (npm zeromq 6.8.0, Node.js 20): over ws:// with CURVE, a SUB receives nothing.
#
# Expected: the same as over tcp with CURVE, or as over ws without it.
# Seen: the handshake succeeds, and PUSH and PULL work, but the subscription has no effect: nothing that the PUB sends in
# three seconds arrives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent zeromq@6.8.0 > /dev/null 2>&1
cat > look.mjs <<'SCRIPT'
import * as zmq from "zeromq"

const wait = ms => new Promise(resolve => setTimeout(resolve, ms))

async function got(transport, curve, Sender, Receiver) {
  const sender = new Sender({linger: 0, sendTimeout: 0}), receiver = new Receiver({linger: 0, receiveTimeout: 3000})
  if (curve) {
    const server = zmq.curveKeyPair(), client = zmq.curveKeyPair()
    Object.assign(sender, {curveServer: true, curveSecretKey: server.secretKey})
    Object.assign(receiver, {curveServerKey: server.publicKey, curvePublicKey: client.publicKey})
    receiver.curveSecretKey = client.secretKey
  }
  await sender.bind(`${transport}://127.0.0.1:*`)
  receiver.connect(sender.lastEndpoint)
  receiver.subscribe?.("")
  const timer = setInterval(() => sender.send("news").catch(() => {}), 50)
  const answer = await receiver.receive().then(() => "news", () => "nothing")
  clearInterval(timer)
  sender.close()
  receiver.close()
  return answer
}

const {Publisher, Subscriber, Push, Pull} = zmq
const answers = [
  await got("tcp", true, Publisher, Subscriber),
  await got("ws", false, Publisher, Subscriber),
  await got("ws", true, Push, Pull),
  await got("ws", true, Publisher, Subscriber),
]
console.log(`libzmq ${zmq.version}: SUB over tcp with CURVE gets ${answers[0]}, over ws with NULL ${answers[1]};` +
  ` PULL over ws with CURVE ${answers[2]}; SUB over ws with CURVE ${answers[3]}`)
process.exit(answers.join() === "news,news,news,nothing" ? 0 : 1)
SCRIPT
timeout 60 node look.mjs
