// Steps 1 to 4 in JavaScript, on Node without packages: node mine.js KIND tcp://HOST:PORT
"use strict";
const net = require("node:net");
const readline = require("node:readline");

const [kind, endpoint] = process.argv.slice(2);
const [, host, port] = /^tcp:\/\/(.*):(\d+)$/.exec(endpoint);
const PARTNERS = { PULL: ["PUSH"], REP: ["REQ", "DEALER"], REQ: ["REP", "ROUTER"] };
const MORE = 1, LONG = 2, COMMAND = 4;
const NAME = Buffer.alloc(20);
NAME.write("NULL");
const GREETING = Buffer.concat([Buffer.from("ff00000000000000007f0300", "hex"), NAME, Buffer.alloc(32)]);

function expect(truth, what) {
  if (!truth) throw new Error(what);
}

// ------------------------------------------------------------------------------------------------------------ octets

const withLength = (octets) => Buffer.concat([Buffer.from([octets.length]), octets]);

function encode(body, flags = 0) {
  if (body.length <= 255) return Buffer.concat([Buffer.from([flags, body.length]), body]);
  const head = Buffer.alloc(9);
  head[0] = flags | LONG;
  head.writeBigUInt64BE(BigInt(body.length), 1);
  return Buffer.concat([head, body]);
}

function encodeMessage(frames) {
  return Buffer.concat(frames.map((body, i) => encode(body, i < frames.length - 1 ? MORE : 0)));
}

function ready() {
  const value = Buffer.from(kind);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length);
  const name = Buffer.from("Socket-Type");
  return encode(Buffer.concat([withLength(Buffer.from("READY")), withLength(name), size, value]), COMMAND);
}

function cut(data, width) {
  expect(data.length >= width, "a length that is cut off");
  const end = width + data.readUIntBE(0, width);
  expect(data.length >= end, "a length that reaches beyond the end");
  return [data.subarray(width, end), data.subarray(end)];
}

function learn(data) {
  const theirs = {};
  while (data.length > 0) {
    let name, value;
    [name, data] = cut(data, 1);
    [value, data] = cut(data, 4);
    expect(name.length > 0, "a property without a name");
    theirs[name.toString("latin1").toLowerCase()] = value.toString("latin1");
  }
  const type = theirs["socket-type"];
  expect(type === undefined || PARTNERS[kind].includes(type), "a type that does not fit");
  expect((theirs.identity || "").length < 256, "an identity that is too long");
}

// ------------------------------------------------------------------------------------------------------- connections

// Reads from a socket in exact pieces; throws at the end of the stream.
class Reader {
  constructor(socket) {
    this.pieces = socket[Symbol.asyncIterator]();
    this.unread = Buffer.alloc(0);
  }

  async read(count) {
    const parts = [];
    let left = count;
    while (true) {
      const part = this.unread.subarray(0, left);
      this.unread = this.unread.subarray(part.length);
      parts.push(part);
      left -= part.length;
      if (left === 0) return Buffer.concat(parts);
      const { done, value } = await this.pieces.next();
      expect(!done, "the peer has gone");
      this.unread = value;
    }
  }

  async greeting() {
    expect((await this.read(1))[0] === 0xff, "no greeting of ZMTP 3");
    expect((await this.read(9))[8] === 0x7f, "no greeting of ZMTP 3");
    expect((await this.read(1))[0] >= 3, "an old version");
    await this.read(1);
    expect(NAME.equals(await this.read(20)), "another mechanism");
    await this.read(32);
  }

  async frame() {
    const flags = (await this.read(1))[0];
    expect((flags & 0xf8) === 0, "reserved bits in the flags");
    expect((flags & 5) !== 5, "a command with MORE");
    const size = flags & LONG ? (await this.read(8)).readBigUInt64BE() : BigInt((await this.read(1))[0]);
    expect(size < 1n << 63n, "a size of 2^63 or more");
    return [flags, await this.read(Number(size))];
  }

  async message() {
    const frames = [];
    while (true) {
      const [flags, body] = await this.frame();
      if (flags & COMMAND) continue;
      frames.push(body);
      if (!(flags & MORE)) return frames;
    }
  }
}

// ------------------------------------------------------------------------------------------------------- the program

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function readLine() {
  const { done, value } = await lines.next();
  if (done) process.exit(0);
  return value.trim().split(/\s+/).map((word) => (word === "-" ? Buffer.alloc(0) : Buffer.from(word, "hex")));
}

function writeLine(frames) {
  process.stdout.write(frames.map((frame) => frame.toString("hex") || "-").join(" ") + "\n");
}

async function pull(reader) {
  writeLine(await reader.message());
}

async function rep(reader, socket) {
  const frames = await reader.message();
  const start = frames.findIndex((frame) => frame.length === 0) + 1;
  if (start === 0 || start === frames.length) return;
  writeLine(frames.slice(start));
  socket.write(encodeMessage([...frames.slice(0, start), ...(await readLine())]));
}

// Replies are read all the time, and dropped while there is no question.
let answer = null;

async function ask(socket) {
  while (true) {
    const question = await readLine();
    const answered = new Promise((resolve) => (answer = resolve));
    socket.write(encodeMessage([Buffer.alloc(0), ...question]));
    await answered;
  }
}

async function req(reader) {
  const reply = await reader.message();
  if (answer === null || reply.length < 2 || reply[0].length > 0) return;
  writeLine(reply.slice(1));
  const done = answer;
  answer = null;
  done();
}

async function attend(socket) {
  socket.on("error", () => {});
  try {
    socket.write(GREETING);
    const reader = new Reader(socket);
    await reader.greeting();
    socket.write(ready());
    const [flags, body] = await reader.frame();
    const [name, data] = cut(body, 1);
    expect(flags & COMMAND && name.toString("latin1") === "READY", "something other than READY");
    learn(data);
    if (kind === "REQ") ask(socket);
    while (true) await { PULL: pull, REP: rep, REQ: req }[kind](reader, socket);
  } catch (error) {
    console.error(error.message);
  }
  socket.destroy();
}

if (kind === "REQ") attend(net.connect(Number(port), host));
else net.createServer((socket) => attend(socket)).listen(Number(port), host);
