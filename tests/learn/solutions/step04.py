"""Step 4: REQ and REP."""

import select
import socket
import sys

NAME = b"NULL".ljust(20, b"\0")
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + NAME + bytes(32)

MORE, LONG, COMMAND = 1, 2, 4
PARTNERS = {"PULL": ["PUSH"], "REP": ["REQ", "DEALER"], "REQ": ["REP", "ROUTER"]}


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
        return flags & ~LONG, self.read(size)

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
        expect(len(theirs.get(b"identity", b"")) < 256, "an identity that is too long")

    def send(self, frames):
        self.sock.sendall(b"".join(encode(body, MORE) for body in frames[:-1]) + encode(frames[-1]))

    def run_pull(self):
        write_line(self.message())

    def run_rep(self):
        frames = self.message()
        if b"" in frames[:-1]:
            start = frames.index(b"") + 1
            write_line(frames[start:])
            self.send(frames[:start] + read_line())

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
        act = getattr(self, "run_" + self.kind.lower())
        while True:
            act()


def serve(kind, address):
    listener = socket.create_server(address)
    while True:
        sock, _ = listener.accept()
        try:
            Connection(sock, kind).run()
        except (OSError, EOFError, Wrong) as error:
            print(error, file=sys.stderr)
        sock.close()


def main(kind, endpoint):
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    if kind == "REQ":
        Connection(socket.create_connection((host, int(port))), kind).run()
    serve(kind, (host, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
