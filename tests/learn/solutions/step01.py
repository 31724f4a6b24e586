"""Step 1: the greeting."""

import socket
import sys

NAME = b"NULL".ljust(20, b"\0")
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + NAME + bytes(32)


class Wrong(Exception):
    pass


def expect(truth, what):
    if not truth:
        raise Wrong(what)


class Connection:
    def __init__(self, sock, kind):
        self.sock, self.kind = sock, kind

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

    def run(self):
        self.greet()
        while True:
            self.read(1)


def serve(kind, address):
    listener = socket.create_server(address)
    while True:
        sock, _ = listener.accept()
        try:
            Connection(sock, kind).run()
        except (OSError, EOFError, Wrong) as error:
            print(error, file=sys.stderr)
        sock.close()


if __name__ == "__main__":
    host, port = sys.argv[2].removeprefix("tcp://").rsplit(":", 1)
    serve(sys.argv[1], (host, int(port)))
