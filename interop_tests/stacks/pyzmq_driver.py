"""The driver of libzmq by pyzmq, and of what has pyzmq's names: `python pyzmq_driver.py [MODULE]` (see `program` of the
check for what its lines mean).

    zmq       libzmq by pyzmq, of any version
    pyomq     omq.rs
"""

import contextlib
import importlib
import os
import select
import struct
import sys
import threading
import time
from typing import Any

MODULE = sys.argv[1] if len(sys.argv) > 1 else "zmq"
zmq = importlib.import_module(MODULE)
SEND_TIMEOUT = 2000  # milliseconds


class Refusal(Exception):
    """The stack has no means for this."""


def decoded(words: "tuple[str, ...]") -> "list[bytes]":
    return [b"" if word == "-" else bytes.fromhex(word) for word in words]


def encoded(frames: "list[bytes]") -> str:
    return " ".join(bytes(frame).hex() or "-" for frame in frames)


def z85(key: bytes) -> bytes:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    letters = ""
    for i in range(0, len(key), 4):
        (value,) = struct.unpack(">I", key[i : i + 4])
        letters += "".join(alphabet[value // 85**power % 85] for power in range(4, -1, -1))
    return letters.encode()


class Gatekeeper(threading.Thread):
    """A ZAP handler: lets in the names and passwords that it knows, and every key."""

    def __init__(self, context: Any) -> None:
        super().__init__(daemon=True)
        self.passwords: dict[bytes, bytes] = {}
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind("inproc://zeromq.zap.01")

    def run(self) -> None:
        while True:
            try:
                _, number, _, _, _, mechanism, *credentials = self.socket.recv_multipart()
            except zmq.ZMQError:
                return
            right = mechanism != b"PLAIN" or self.passwords.get(credentials[0]) == credentials[1]
            status = [b"200", b"OK", b"user"] if right else [b"400", b"No", b""]
            self.socket.send_multipart([b"1.0", number, *status, b""])


class Driver:
    """The sockets of one process, by number."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.sockets: dict[str, Any] = {}
        self.count = 0
        self.gatekeeper: Gatekeeper | None = None

    def answer(self, line: str) -> str:
        verb, *words = line.split()
        does = getattr(self, "do_" + verb, None)
        try:
            if does is None:
                raise Refusal(f"there is no {verb}")
            return f"ok {does(*words)}".rstrip()
        except Refusal as refusal:
            return f"no {refusal}"
        except (AttributeError, NotImplementedError) as error:
            return f"no {' '.join(str(error).split())}"
        except Exception as error:
            if isinstance(error, getattr(zmq, "Again", ())):
                return "none"
            return f"error {type(error).__name__} {' '.join(str(error).split())}"

    def do_name(self) -> str:
        if MODULE == "zmq" and sys.prefix == "/usr":
            return f"Debian's libzmq {zmq.zmq_version()} (pyzmq {zmq.__version__})"
        if MODULE == "zmq":
            return f"libzmq {zmq.zmq_version()} (pyzmq {zmq.__version__})"
        from importlib.metadata import version

        return f"omq.rs (pyomq {version('pyomq')})"

    def do_socket(self, kind: str, *options: str) -> str:
        socket = self.context.socket(getattr(zmq, kind))
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDTIMEO, SEND_TIMEOUT)
        for option in options:
            name, _, value = option.partition("=")
            self.set(socket, name, value)
        self.count += 1
        self.sockets[str(self.count)] = socket
        return str(self.count)

    def set(self, socket: Any, name: str, value: str) -> None:
        if name == "heartbeat_ivl":
            socket.setsockopt(zmq.HEARTBEAT_IVL, int(value))
            return
        parts = [bytes.fromhex(part) for part in value.split(":")]
        if name == "routing_id":
            socket.setsockopt(zmq.IDENTITY, parts[0])
        elif name == "plain_server":
            socket.setsockopt(zmq.PLAIN_SERVER, 1)
            if MODULE == "pyomq":
                socket.set_plain_auth([(parts[0].decode(), parts[1].decode())])
            else:
                self.zap().passwords[parts[0]] = parts[1]
        elif name == "plain_client":
            socket.setsockopt(zmq.PLAIN_USERNAME, parts[0])
            socket.setsockopt(zmq.PLAIN_PASSWORD, parts[1])
        elif name == "curve_server":
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, z85(parts[0]))
        elif name == "curve_client":
            socket.setsockopt(zmq.CURVE_PUBLICKEY, z85(parts[0]))
            socket.setsockopt(zmq.CURVE_SECRETKEY, z85(parts[1]))
            socket.setsockopt(zmq.CURVE_SERVERKEY, z85(parts[2]))
        else:
            raise Refusal(f"there is no option {name}")

    def zap(self) -> Gatekeeper:
        if self.gatekeeper is None:
            self.gatekeeper = Gatekeeper(self.context)
            self.gatekeeper.start()
        return self.gatekeeper

    def do_bind(self, number: str, endpoint: str) -> str:
        socket = self.sockets[number]
        socket.bind(endpoint.replace(":0", ":*"))
        return socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()

    def do_connect(self, number: str, endpoint: str) -> str:
        self.sockets[number].connect(endpoint)
        return ""

    def do_send(self, number: str, *words: str) -> str:
        self.sockets[number].send_multipart(decoded(words))
        return ""

    def do_recv(self, number: str, timeout: str) -> str:
        socket = self.sockets[number]
        deadline = time.monotonic() + int(timeout) / 1000
        while True:
            # A libzmq socket that is called does what was left for its program's thread to do.
            socket.setsockopt(zmq.RCVTIMEO, max(1, int(1000 * (deadline - time.monotonic()))))
            try:
                return encoded(socket.recv_multipart())
            except zmq.Again:
                if time.monotonic() >= deadline:
                    raise

    def do_subscribe(self, number: str, prefix: str) -> str:
        self.sockets[number].setsockopt(zmq.SUBSCRIBE, decoded((prefix,))[0])
        return ""

    def do_unsubscribe(self, number: str, prefix: str) -> str:
        self.sockets[number].setsockopt(zmq.UNSUBSCRIBE, decoded((prefix,))[0])
        return ""

    def do_flood(self, number: str, count: str, size: str) -> str:
        socket, rest = self.sockets[number], bytes(int(size) - 4)
        for i in range(int(count)):
            socket.send(struct.pack(">I", i) + rest)
        return ""

    def do_drain(self, number: str, count: str, size: str, timeout: str) -> str:
        socket, rest = self.sockets[number], bytes(int(size) - 4)
        socket.setsockopt(zmq.RCVTIMEO, int(timeout))
        for i in range(int(count)):
            try:
                message = socket.recv_multipart()
            except zmq.Again:
                return str(i)
            if message != [struct.pack(">I", i) + rest]:
                return str(i)
        return count

    def do_close(self, number: str) -> str:
        self.sockets.pop(number).close()
        return ""

    def attend(self) -> None:
        """Call each socket, because libzmq leaves some of its work to the thread of its program."""
        for socket in self.sockets.values():
            with contextlib.suppress(Exception):
                socket.getsockopt(zmq.EVENTS)


def main() -> None:
    driver, unread = Driver(), b""
    while True:
        while b"\n" not in unread:
            while not select.select([0], [], [], 0.01)[0]:
                driver.attend()
            octets = os.read(0, 65536)
            if not octets:
                return
            unread += octets
        line, _, unread = unread.partition(b"\n")
        print(driver.answer(line.decode("latin-1")), flush=True)
        driver.attend()


if __name__ == "__main__":
    main()
