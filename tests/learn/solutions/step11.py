"""Step 11: the CURVE server."""

import contextlib
import os
import queue
import socket
import sys
import threading
import time

MECHANISM = os.environ.get("ZMTP_MECHANISM", "NULL")
if MECHANISM == "CURVE":
    from nacl.bindings import crypto_box, crypto_box_keypair, crypto_box_open
BEAT = int(os.environ.get("ZMTP_HEARTBEAT", "0")) / 1000
AS_SERVER = MECHANISM != "NULL" and sys.argv[1] in ("PULL", "REP", "PUB", "ROUTER")
NAME = MECHANISM.encode().ljust(20, b"\0")
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + NAME + bytes([AS_SERVER]) + bytes(31)

MORE, LONG, COMMAND = 1, 2, 4
OURS, THEIRS = b"CurveZMQMESSAGEC", b"CurveZMQMESSAGES"  # nonces begin so
if AS_SERVER:
    OURS, THEIRS = THEIRS, OURS
PARTNERS = {"PULL": ["PUSH"], "REP": ["REQ", "DEALER"], "REQ": ["REP", "ROUTER"], "PUSH": ["PULL"]}
PARTNERS |= {"PUB": ["SUB", "XSUB"], "SUB": ["PUB", "XPUB"]}
PARTNERS |= {"ROUTER": ["REQ", "DEALER", "ROUTER"], "DEALER": ["REP", "DEALER", "ROUTER"]}
TURN = threading.Lock()  # of the connection that uses standard input and output
PREFIXES = []  # of a SUB
PEERS = []  # connections after their handshake


class Wrong(Exception):
    pass


def expect(truth, what):
    if not truth:
        raise Wrong(what)


def encode(body, flags=0):
    """A frame."""
    if len(body) > 255:
        return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def command(name, data=b""):
    return encode(bytes([len(name)]) + name + data, COMMAND)


def prop(name, value):
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def cut(data, width):
    """What stands after its length, and the rest."""
    expect(len(data) >= width, "a length that is cut off")
    end = width + int.from_bytes(data[:width], "big")
    expect(len(data) >= end, "a length that reaches beyond the end")
    return data[width:end], data[end:]


def unbox(box, nonce, *keys):
    try:
        return crypto_box_open(box, nonce, *keys)
    except Exception:  # PyNaCl has several
        raise Wrong("a box that does not open") from None


def write_line(frames):
    print(*(frame.hex() or "-" for frame in frames), flush=True)


def read_line():
    line = sys.stdin.readline()
    if not line:
        raise SystemExit
    return [b"" if word == "-" else bytes.fromhex(word) for word in line.split()]


class Connection:
    def __init__(self, sock, kind):
        self.sock, self.kind = sock, kind
        self.prefixes = PREFIXES if kind == "SUB" else []
        self.shook_hands = self.wrong = self.asked = False
        self.answered = threading.Event()
        self.keys, self.sent, self.received = None, 2, b""
        self.sending, self.minor, self.ttl = threading.RLock(), 0, 2.5 * BEAT or None
        self.name = b""
        self.outgoing = queue.Queue(1000)
        self.mine = prop(b"Socket-Type", kind.encode())

    def read(self, count):
        octets = bytearray()
        while len(octets) < count:
            self.sock.settimeout(self.ttl)
            piece = self.sock.recv(min(count - len(octets), 1 << 20))
            if not piece:
                raise EOFError("the peer has gone")
            octets += piece
        return bytes(octets)

    def greet(self):
        self.sock.sendall(GREETING)
        expect(self.read(1) == b"\xff", "no greeting of ZMTP 3")
        expect(self.read(9)[8] == 0x7F, "no greeting of ZMTP 3")
        expect(self.read(1)[0] >= 3, "an old version")
        self.minor = self.read(1)[0]
        expect(self.read(20) == NAME, "another mechanism")
        self.read(32)

    def frame(self):
        """The next frame: flags without LONG, and body."""
        flags = self.read(1)[0]
        expect(not flags & 0xF8, "reserved bits in the flags")
        expect(flags & 5 != 5, "a command with MORE")
        size = int.from_bytes(self.read(8 if flags & LONG else 1), "big")
        expect(size < 1 << 63, "a size of 2^63 or more")
        return self.opened(flags & ~LONG, self.read(size))

    def opened(self, flags, body):
        if self.keys:
            nonce = body[8:16]
            expect(body[:8] == b"\7MESSAGE" and nonce > self.received, "no new MESSAGE")
            inner = unbox(body[16:], THEIRS + nonce, *self.keys)
            expect(inner and inner[0] < 4, "other flags in the box")
            self.received, flags, body = nonce, inner[0] & MORE | (inner[0] & 2) << 1, inner[1:]
        return flags, body

    def encode(self, body, flags=0):
        if self.keys:
            self.sent += 1
            nonce = self.sent.to_bytes(8, "big")
            inner = bytes([flags & MORE | (flags & COMMAND) >> 1]) + body
            return encode(b"\7MESSAGE" + nonce + crypto_box(inner, OURS + nonce, *self.keys))
        return encode(body, flags)

    def message(self):
        """The frames of the next message."""
        frames = []
        while True:
            flags, body = self.frame()
            if flags & COMMAND:
                self.obey(*cut(body, 1))
                continue
            frames.append(body)
            if not flags & MORE:
                return frames

    def obey(self, name, data):
        """Do what a command asks."""
        if name == b"PING":
            expect(2 <= len(data) <= 18, "a PING of another size")
            self.ttl = int.from_bytes(data[:2], "big") / 10 or 2.5 * BEAT or None
            self.send_command(b"PONG", data[2:])
        elif name in (b"SUBSCRIBE", b"CANCEL"):
            self.subscribe((b"\1" if name == b"SUBSCRIBE" else b"\0") + data)

    def send_command(self, name, data):
        with self.sending:
            self.sock.sendall(self.encode(bytes([len(name)]) + name + data, COMMAND))

    def beat_on(self):
        with contextlib.suppress(OSError):
            while True:
                self.send_command(b"PING", int(BEAT * 25).to_bytes(2, "big"))
                time.sleep(BEAT)

    def shake_hands(self):
        self.greet()
        getattr(self, MECHANISM.lower())()
        self.shook_hands = True

    def null(self):
        self.give(b"READY", self.mine)
        self.learn(self.take(b"READY"))

    def plain(self):
        name, password = (os.environ[f"ZMTP_{word}"].encode() for word in ("USERNAME", "PASSWORD"))
        hello = bytes([len(name)]) + name + bytes([len(password)]) + password
        if not AS_SERVER:
            self.give(b"HELLO", hello)
            expect(not self.take(b"WELCOME"), "a WELCOME with data")
            self.give(b"INITIATE", self.mine)
            self.learn(self.take(b"READY"))
            return
        if self.take(b"HELLO") != hello:
            self.give(b"ERROR", b"\x08not you!")
            raise Wrong("another name or password")
        self.give(b"WELCOME")
        self.learn(self.take(b"INITIATE"))
        self.give(b"READY", self.mine)

    def curve(self):
        if AS_SERVER:
            self.curve_server()
        else:
            self.curve_client()

    def curve_server(self):
        server, secret = (bytes.fromhex(os.environ[f"ZMTP_{word}_KEY"]) for word in ("PUBLIC", "SECRET"))
        hello = self.take(b"HELLO")
        expect(len(hello) == 194 and hello[:74] == b"\1" + bytes(73), "no HELLO of version 1.0")
        client, one = hello[74:106], hello[106:114]
        zeros = unbox(hello[114:], b"CurveZMQHELLO---" + one, client, secret)
        expect(zeros == bytes(64), "something other than zeros in HELLO")
        (public, key), long, cookie = crypto_box_keypair(), os.urandom(16), os.urandom(96)
        self.give(b"WELCOME", long + crypto_box(public + cookie, b"WELCOME-" + long, client, secret))
        initiate = self.take(b"INITIATE")
        two = initiate[96:104]
        expect(initiate[:96] == cookie, "another cookie")
        expect(two > one, "an old number")
        inner = unbox(initiate[104:], b"CurveZMQINITIATE" + two, client, key)
        expect(len(inner) >= 128, "an INITIATE that is too short")
        theirs, long, vouch = inner[:32], inner[32:48], inner[48:128]
        said = unbox(vouch, b"VOUCH---" + long, theirs, key)
        expect(said == client + server, "a vouch for other keys")
        self.learn(inner[128:])
        one = bytes(7) + b"\1"
        self.give(b"READY", one + crypto_box(self.mine, b"CurveZMQREADY---" + one, client, key))
        self.keys, self.received, self.sent = (client, key), two, 1

    def curve_client(self):
        server, mine, secret = (bytes.fromhex(os.environ[f"ZMTP_{x}_KEY"]) for x in ("SERVER", "PUBLIC", "SECRET"))
        (public, key), long = crypto_box_keypair(), os.urandom(16)
        one, two = bytes(7) + b"\1", bytes(7) + b"\2"
        box = crypto_box(bytes(64), b"CurveZMQHELLO---" + one, server, key)
        self.give(b"HELLO", b"\1" + bytes(73) + public + one + box)
        welcome = self.take(b"WELCOME")
        expect(len(welcome) == 160, "a WELCOME of another size")
        inner = unbox(welcome[16:], b"WELCOME-" + welcome[:16], server, key)
        theirs, cookie = inner[:32], inner[32:]
        vouch = crypto_box(public + server, b"VOUCH---" + long, theirs, secret)
        inner = mine + long + vouch + self.mine
        self.give(b"INITIATE", cookie + two + crypto_box(inner, b"CurveZMQINITIATE" + two, theirs, key))
        ready = self.take(b"READY")
        self.learn(unbox(ready[8:], b"CurveZMQREADY---" + ready[:8], theirs, key))
        self.keys, self.received = (theirs, key), ready[:8]

    def give(self, name, data=b""):
        self.sock.sendall(command(name, data))

    def take(self, name):
        """The data of the next frame, which is this command."""
        flags, body = self.frame()
        expect(flags & COMMAND and cut(body, 1)[0] == name, f"something other than {name}")
        return cut(body, 1)[1]

    def learn(self, data):
        """Read the peer's metadata."""
        theirs = {}
        while data:
            name, data = cut(data, 1)
            value, data = cut(data, 4)
            expect(name, "a property without a name")
            theirs[name.lower()] = value
        kind = theirs.get(b"socket-type")
        expect(kind is None or kind.decode("latin-1") in PARTNERS[self.kind], "a type that does not fit")
        self.name = theirs.get(b"identity") or b"\0" + os.urandom(4)
        expect(len(self.name) < 256, "an identity that is too long")

    def send(self, frames):
        with self.sending:
            self.sock.sendall(b"".join(self.encode(body, MORE) for body in frames[:-1]) + self.encode(frames[-1]))

    def ask(self, wish):
        """Subscribe, by 01 and a prefix, or take it back, by 00 and a prefix."""
        if self.minor:
            self.send_command(b"SUBSCRIBE" if wish[0] else b"CANCEL", wish[1:])
        else:
            self.send([wish])

    def offer(self, frames):
        if not self.outgoing.full():  # a message for a peer that is too slow is dropped
            self.outgoing.put(frames)

    def write_on(self):
        with contextlib.suppress(OSError):  # the reader sees it, too
            while True:
                self.send(self.outgoing.get())

    def subscribe(self, line):
        """01 and a prefix, or 00 and a prefix; True if it is the first, or the last, of this prefix."""
        wanted, prefix = line[:1] == b"\x01", line[1:]
        if wanted:
            self.prefixes.append(prefix)
            return self.prefixes.count(prefix) == 1
        if prefix in self.prefixes:
            self.prefixes.remove(prefix)
            return prefix not in self.prefixes
        return False

    def wants(self, frames):
        return any(frames[0].startswith(prefix) for prefix in self.prefixes)

    def run_pub(self):
        frames = self.message()
        if len(frames) == 1 and frames[0][:1] in (b"\0", b"\1"):
            self.subscribe(frames[0])

    def run_sub(self):
        frames = self.message()
        if self.wants(frames):
            write_line(frames)

    def run_router(self):
        frames = self.message()
        if named(self.name) is self:
            with TURN:
                write_line([self.name, *frames])

    def run_dealer(self):
        write_line(self.message())

    def run_pull(self):
        message = self.message()
        with TURN:
            write_line(message)

    def run_push(self):
        self.message()  # of no interest, but the end of the connection is

    def run_rep(self):
        frames = self.message()
        if b"" in frames[:-1]:
            start = frames.index(b"") + 1
            with TURN:
                write_line(frames[start:])
                reply = read_line()
            self.send(frames[:start] + reply)

    def run_req(self):
        reply = self.message()
        if self.asked and reply[0] == b"" and len(reply) > 1:
            self.asked = False
            write_line(reply[1:])
            self.answered.set()

    def send_line(self, line):
        """Send a line of standard input."""
        self.answered.clear()
        self.asked = self.kind == "REQ"
        if self.kind == "SUB":
            for wish in line:
                if self.subscribe(wish):
                    self.ask(wish)
        else:
            self.send([b"", *line] if self.asked else line)
        if self.asked:
            self.answered.wait()

    def run(self):
        self.shake_hands()
        for prefix in dict.fromkeys(PREFIXES):
            self.ask(b"\1" + prefix)
        PEERS.append(self)
        if BEAT and self.minor:
            threading.Thread(target=self.beat_on, daemon=True).start()
        threading.Thread(target=self.write_on, daemon=True).start()
        act = getattr(self, "run_" + self.kind.lower())
        while True:
            act()


def attend(connection):
    """Run a connection to its end."""
    try:
        connection.run()
    except (OSError, EOFError, Wrong) as error:
        connection.wrong = isinstance(error, Wrong)
        print(error, file=sys.stderr)
    connection.sock.close()
    connection.answered.set()
    PEERS[:] = [peer for peer in PEERS if peer is not connection]


def serve(kind, address):
    listener = socket.create_server(address, backlog=100)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=attend, args=[Connection(sock, kind)], daemon=True).start()


def dial(kind, address):
    pause = 0.1
    while True:
        with contextlib.suppress(OSError):
            connection = Connection(socket.create_connection(address), kind)
            attend(connection)
            if connection.wrong:
                sys.exit("not again")
            pause = 0.1 if connection.shook_hands else pause
        time.sleep(pause)
        pause = min(2 * pause, 2)


def feed():
    """Send lines on the connection that there is, or on the next one."""
    while True:
        line, left = read_line(), True
        while left:
            while not PEERS:
                time.sleep(0.01)
            with contextlib.suppress(OSError, IndexError):
                PEERS[0].send_line(line)
                left = False


def publish():
    while True:
        message = read_line()
        for peer in PEERS.copy():
            if peer.wants(message):
                peer.offer(message)


def named(name):
    """The first peer of that name."""
    return next((peer for peer in PEERS.copy() if peer.name == name), None)


def route():
    while True:
        name, *frames = read_line()
        peer = named(name)
        if peer and frames:
            peer.offer(frames)


def main(kind, endpoint):
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    if kind in ("REQ", "PUSH", "SUB", "DEALER"):
        threading.Thread(target=feed, daemon=True).start()
        dial(kind, (host, int(port)))
    if kind in ("PUB", "ROUTER"):
        threading.Thread(target=publish if kind == "PUB" else route, daemon=True).start()
    serve(kind, (host, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
