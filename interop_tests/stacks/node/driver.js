// The driver of npm's zeromq: does what its standard input says, a line at a time (minizmtp/check/program.py says what).
"use strict"

const readline = require("readline")
const zmq = require("zeromq")

const KINDS = {
  PAIR: zmq.Pair, PUB: zmq.Publisher, SUB: zmq.Subscriber, REQ: zmq.Request, REP: zmq.Reply, DEALER: zmq.Dealer,
  ROUTER: zmq.Router, PULL: zmq.Pull, PUSH: zmq.Push, XPUB: zmq.XPublisher, XSUB: zmq.XSubscriber,
}
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
const SEND_TIMEOUT = 2000

class Refusal extends Error {}

const sockets = new Map()
const passwords = new Map()
let count = 0
let gatekeeper = null

const decoded = words => words.map(word => (word === "-" ? Buffer.alloc(0) : Buffer.from(word, "hex")))
const encoded = frames => frames.map(frame => frame.toString("hex") || "-").join(" ")

function z85(key) {
  let text = ""
  for (let i = 0; i < key.length; i += 4) {
    const value = key.readUInt32BE(i)
    for (let power = 4; power >= 0; power--) text += ALPHABET[Math.floor(value / 85 ** power) % 85]
  }
  return text
}

function numbered(number, size) {
  const body = Buffer.alloc(size)
  body.writeUInt32BE(number)
  return body
}

// A ZAP handler: lets in the names and passwords that it knows, and every key.
async function guard() {
  if (gatekeeper) return
  gatekeeper = new zmq.Reply({ linger: 0 })
  await gatekeeper.bind("inproc://zeromq.zap.01")
  const serve = async () => {
    for await (const [, number, , , , mechanism, ...credentials] of gatekeeper) {
      const right = mechanism.toString() !== "PLAIN" || passwords.get(credentials[0].toString()) === credentials[1].toString()
      await gatekeeper.send(["1.0", number, ...(right ? ["200", "OK", "user"] : ["400", "No", ""]), ""])
    }
  }
  serve().catch(() => {})
}

async function set(socket, name, value) {
  const parts = value.split(":").map(part => Buffer.from(part, "hex"))
  if (name === "heartbeat_ivl") socket.heartbeatInterval = Number(value)
  else if (name === "routing_id") socket.routingId = parts[0].toString("latin1")
  else if (name === "plain_server") {
    passwords.set(parts[0].toString(), parts[1].toString())
    await guard()
    socket.plainServer = true
  } else if (name === "plain_client") {
    socket.plainUsername = parts[0].toString()
    socket.plainPassword = parts[1].toString()
  } else if (name === "curve_server") {
    socket.curveServer = true
    socket.curveSecretKey = z85(parts[0])
  } else if (name === "curve_client") {
    socket.curvePublicKey = z85(parts[0])
    socket.curveSecretKey = z85(parts[1])
    socket.curveServerKey = z85(parts[2])
  } else throw new Refusal(`there is no option ${name}`)
}

// REQ and REP receive when they are told to. The others always do, because a libzmq socket that its program does not
// call leaves some of its work undone: it does not subscribe, for one.
const queues = new Map()

async function pump(number, socket) {
  const queue = { messages: [], wake: () => {} }
  queues.set(number, queue)
  for await (const frames of socket) {
    queue.messages.push(frames)
    queue.wake()
  }
}

async function receive(number, timeout) {
  const queue = queues.get(number)
  if (!queue) {
    sockets.get(number).receiveTimeout = Number(timeout)
    return sockets.get(number).receive()
  }
  if (!queue.messages.length) {
    await new Promise(resolve => {
      const timer = setTimeout(resolve, Number(timeout))
      queue.wake = () => (clearTimeout(timer), resolve())
    })
  }
  if (!queue.messages.length) throw Object.assign(new Error("no message"), { code: "EAGAIN" })
  return queue.messages.shift()
}

const verbs = {
  name: async () => `npm zeromq ${require("zeromq/package.json").version} (libzmq ${zmq.version})`,
  async socket(kind, ...options) {
    if (!KINDS[kind]) throw new Refusal(`there is no ${kind}`)
    const socket = new KINDS[kind]({ linger: 0 })
    if ("sendTimeout" in socket) socket.sendTimeout = SEND_TIMEOUT
    for (const option of options) {
      const at = option.indexOf("=")
      await set(socket, option.slice(0, at), option.slice(at + 1))
    }
    const number = String(++count)
    sockets.set(number, socket)
    if ("receive" in socket && !["REQ", "REP"].includes(kind)) pump(number, socket).catch(() => {})
    return number
  },
  async bind(number, endpoint) {
    const socket = sockets.get(number)
    await socket.bind(endpoint.replace(/:0(?=\/|$)/, ":*"))
    return socket.lastEndpoint
  },
  async connect(number, endpoint) {
    sockets.get(number).connect(endpoint)
  },
  async send(number, ...words) {
    await sockets.get(number).send(decoded(words))
  },
  async recv(number, timeout) {
    return encoded(await receive(number, timeout))
  },
  async subscribe(number, prefix) {
    sockets.get(number).subscribe(decoded([prefix])[0])
  },
  async unsubscribe(number, prefix) {
    sockets.get(number).unsubscribe(decoded([prefix])[0])
  },
  async flood(number, many, size) {
    for (let i = 0; i < Number(many); i++) await sockets.get(number).send(numbered(i, Number(size)))
  },
  async drain(number, many, size, timeout) {
    for (let i = 0; i < Number(many); i++) {
      let frames = []
      try {
        frames = await receive(number, timeout)
      } catch (error) {
        if (error.code === "EAGAIN") return String(i)
        throw error
      }
      if (frames.length !== 1 || !frames[0].equals(numbered(i, Number(size)))) return String(i)
    }
    return many
  },
  async close(number) {
    sockets.get(number).close()
    sockets.delete(number)
    queues.delete(number)
  },
}

async function answer(line) {
  const [verb, ...words] = line.trim().split(/\s+/)
  try {
    if (!verbs[verb]) throw new Refusal(`there is no ${verb}`)
    return `ok ${(await verbs[verb](...words)) ?? ""}`.trimEnd()
  } catch (error) {
    const words = String(error.message).replace(/\s+/g, " ")
    if (error instanceof Refusal) return `no ${words}`
    if (error.code === "EAGAIN") return "none"
    if (error instanceof TypeError && /is not a function/.test(words)) return `no ${words}`
    return `error ${error.code ?? error.name} ${words}`
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${await answer(line)}\n`)
  }
  process.exit(0)
}

main()
