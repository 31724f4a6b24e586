"""Step 7: ROUTER and DEALER."""

import contextlib
import os
import queue
import select
import socket
import sys
import threading

NAME = b"NULL".ljust(20, b"\0")
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + NAME + bytes(32)

MORE, LONG, COMMAND = 1, 2, 4
PARTNERS = {"PULL": ["PUSH"], "REP": ["REQ", "DEALER"], "REQ": ["REP", "ROUTER"], "PUSH": ["PULL"]}
PARTNERS |= {"PUB": ["SUB", "XSUB"], "SUB": ["PUB", "XPUB"]}
PARTNERS |= {"ROUTER": ["REQ", "DEALER", "ROUTER"], "DEALER": ["REP", "DEALER", "ROUTER"]}
TURN = threading.Lock()  # of the connection that uses standard input and output
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
        self.prefixes = []
        self.name = b""
        self.outgoing = queue.Queue(1000)
        self.mine = prop(b"Socket-Type", kind.encode())

    def read(self, count):
        octets = bytearray()
        while len(octets) < count:
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
        self.read(1)
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
        return flags, body

    def encode(self, body, flags=0):
        return encode(body, flags)

    def message(self):
        """The frames of the next message."""
        frames = []
        while True:
            flags, body = self.frame()
            if flags & COMMAND:
                continue
            frames.append(body)
            if not flags & MORE:
                return frames

    def shake_hands(self):
        self.greet()
        self.null()

    def null(self):
        self.give(b"READY", self.mine)
        self.learn(self.take(b"READY"))

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
        self.sock.sendall(b"".join(self.encode(body, MORE) for body in frames[:-1]) + self.encode(frames[-1]))

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

    def send_on(self):
        while True:
            self.send(read_line())

    def subscribe_on(self):
        while True:
            for body in read_line():
                if self.subscribe(body):
                    self.send([body])

    def run_pull(self):
        message = self.message()
        with TURN:
            write_line(message)

    def run_push(self):
        self.send(read_line())

    def run_rep(self):
        frames = self.message()
        if b"" in frames[:-1]:
            start = frames.index(b"") + 1
            with TURN:
                write_line(frames[start:])
                reply = read_line()
            self.send(frames[:start] + reply)

    def run_req(self):
        request = read_line()
        while select.select([self.sock], [], [], 0)[0]:
            self.message()  # it came before the request, so it is no reply
        self.send([b"", *request])
        reply = self.message()
        while reply[0] or len(reply) < 2:
            reply = self.message()
        write_line(reply[1:])

    def run(self):
        self.shake_hands()
        PEERS.append(self)
        other = {"SUB": self.subscribe_on, "DEALER": self.send_on}.get(self.kind, self.write_on)
        threading.Thread(target=other, daemon=True).start()
        act = getattr(self, "run_" + self.kind.lower())
        while True:
            act()


def attend(connection):
    """Run a connection to its end."""
    try:
        connection.run()
    except (OSError, EOFError, Wrong) as error:
        print(error, file=sys.stderr)
    connection.sock.close()
    PEERS[:] = [peer for peer in PEERS if peer is not connection]


def serve(kind, address):
    listener = socket.create_server(address, backlog=100)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=attend, args=[Connection(sock, kind)], daemon=True).start()


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
        Connection(socket.create_connection((host, int(port))), kind).run()
    if kind in ("PUB", "ROUTER"):
        threading.Thread(target=publish if kind == "PUB" else route, daemon=True).start()
    serve(kind, (host, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
