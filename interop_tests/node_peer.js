// A peer in Node, driven by JSON lines: npm's zeromq (libzmq), or jszmq. Each request has a number; so has its answer.
//
//   {"number": 1, "do": "make", "library": "zeromq", "type": "PUSH", "options": {}}
//   {"number": 2, "do": "bind", "endpoint": "ws://127.0.0.1:*/"}               → {"number": 2, "endpoint": …}
//   {"number": 3, "do": "connect" | "subscribe", …}
//   {"number": 4, "do": "send", "frames": ["6869"]}                            frames are hexadecimal
//   {"number": 5, "do": "receive"}                                             → {"number": 5, "frames": […]}
"use strict";

const readline = require("node:readline");

const NAMES = {
  PAIR: "Pair", PUB: "Publisher", SUB: "Subscriber", REQ: "Request", REP: "Reply", DEALER: "Dealer", ROUTER: "Router",
  PULL: "Pull", PUSH: "Push", XPUB: "XPublisher", XSUB: "XSubscriber",
};
const DRAFTS = { CLIENT: "Client", SERVER: "Server", RADIO: "Radio", DISH: "Dish", SCATTER: "Scatter", GATHER: "Gather" };

const hex = (frame) => Buffer.from(frame).toString("hex");
const bytes = (text) => Buffer.from(text, "hex");

// libzmq's PLAIN server asks a ZAP handler, and accepts no peer without one. This one accepts all.
async function handleZap(zmq) {
  const handler = new zmq.Reply();
  await handler.bind("inproc://zeromq.zap.01");
  for await (const [version, id] of handler) await handler.send([version, id, "200", "OK", "", ""]);
}

class Libzmq {
  constructor(type, options) {
    const zmq = NAMES[type] ? require("zeromq") : require("zeromq/draft");
    this.socket = new zmq[NAMES[type] || DRAFTS[type]]();
    if (options.plainServer) handleZap(zmq);
    for (const [name, value] of Object.entries(options)) this.socket[name] = value;
  }
  async bind(endpoint) {
    await this.socket.bind(endpoint);
    return this.socket.lastEndpoint;
  }
  connect(endpoint) { this.socket.connect(endpoint); }
  subscribe(prefix) { this.socket.subscribe(prefix); }
  async send(frames) { await this.socket.send(frames.length === 1 ? frames[0] : frames); }
  async receive() { return await this.socket.receive(); }
}

class Jszmq {
  constructor(type) {
    this.socket = require("jszmq").socket(type.toLowerCase());
    this.messages = [];
    this.waiting = [];
    this.socket.on("message", (...frames) => {
      const waiting = this.waiting.shift();
      if (waiting) waiting(frames); else this.messages.push(frames);
    });
  }
  async bind(endpoint) {
    const net = require("node:net");
    const port = await new Promise((resolve) => {
      const probe = net.createServer().listen(0, "127.0.0.1", () => {
        const { port } = probe.address();
        probe.close(() => resolve(port));
      });
    });
    const found = endpoint.replace("*", port);
    this.socket.bindSync(found);
    return found;
  }
  connect(endpoint) { this.socket.connect(endpoint); }
  subscribe(prefix) { this.socket.subscribe(prefix); }
  send(frames) { this.socket.send(frames); }
  receive() {
    if (this.messages.length) return this.messages.shift();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

let peer;

async function answer(request) {
  switch (request.do) {
    case "make":
      peer = new (request.library === "jszmq" ? Jszmq : Libzmq)(request.type, request.options || {});
      return {};
    case "bind": return { endpoint: await peer.bind(request.endpoint) };
    case "connect": peer.connect(request.endpoint); return {};
    case "subscribe": peer.subscribe(bytes(request.prefix)); return {};
    case "send": await peer.send(request.frames.map(bytes)); return {};
    case "receive": return { frames: (await peer.receive()).map(hex) };
  }
}

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const request = JSON.parse(line);
  let result;
  try {
    result = await answer(request);
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(JSON.stringify({ number: request.number, ...result }) + "\n");
}).on("close", () => process.exit(0));
