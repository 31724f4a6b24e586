"""Real libzmq as a program that does what its standard input says: a driver, as `check.program` has it.

    echo 'socket PULL' | python -m minizmtp.learn.libzmq
    ok 1

It needs pyzmq and knows only what the course's hooks ask: sockets, messages and subscriptions, and the keys and
passwords of PLAIN and CURVE. It imports nothing of trio, because libzmq has threads of its own and its calls block.

This is a program; a hook starts it as a process of its own. It can be read alone.
"""

import sys
from importlib import import_module
from typing import Any

from ..check.program import decoded, encoded
from ..wire import z85

TIMEOUT = 2000  # milliseconds for a message that can't be sent


class LibzmqDriver:
    """The sockets of one process, by number."""

    def __init__(self, zmq: Any) -> None:
        self._zmq, self._context = zmq, zmq.Context()
        self._sockets: dict[str, Any] = {}

    def answer(self, line: str) -> str:
        """Do what a line says; returns the answer."""
        verb, *words = line.split()
        try:
            return f"ok {getattr(self, f'do_{verb}')(*words)}".rstrip()
        except self._zmq.Again:
            return "none"
        except Exception as error:
            return f"error {type(error).__name__} {error}"

    def do_name(self) -> str:
        return f"libzmq {self._zmq.zmq_version()}"

    def do_socket(self, kind: str, *options: str) -> str:
        """A new socket, by its number."""
        socket = self._context.socket(getattr(self._zmq, kind))
        socket.linger, socket.sndtimeo = 0, TIMEOUT
        for option in options:
            name, _, value = option.partition("=")
            parts = [bytes.fromhex(part) for part in value.split(":")] if name != "heartbeat_ivl" else []
            if name == "heartbeat_ivl":
                socket.heartbeat_ivl = int(value)
            elif name == "routing_id":
                socket.routing_id = parts[0]
            elif name == "plain_client":
                socket.plain_username, socket.plain_password = parts
            elif name == "curve_server":  # without a ZAP handler libzmq lets every key in
                socket.curve_server, socket.curve_secretkey = 1, z85.encode(parts[0])
            elif name == "curve_client":
                public, secret, server = (z85.encode(part) for part in parts)
                socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = public, secret, server
        self._sockets[str(len(self._sockets) + 1)] = socket
        return str(len(self._sockets))

    def do_bind(self, number: str, endpoint: str) -> str:
        self._sockets[number].bind(endpoint)
        return endpoint

    def do_connect(self, number: str, endpoint: str) -> str:
        self._sockets[number].connect(endpoint)
        return ""

    def do_send(self, number: str, *words: str) -> str:
        self._sockets[number].send_multipart(decoded(words))
        return ""

    def do_recv(self, number: str, timeout: str) -> str:
        """The next message."""
        if not self._sockets[number].poll(int(timeout)):
            raise self._zmq.Again
        return encoded(self._sockets[number].recv_multipart())

    def do_subscribe(self, number: str, prefix: str) -> str:
        self._sockets[number].subscribe(decoded([prefix])[0])
        return ""

    def do_close(self, number: str) -> str:
        self._sockets[number].close()
        return ""


def main() -> None:
    """Serve standard input until it ends."""
    driver = LibzmqDriver(import_module("zmq"))
    for line in sys.stdin:
        print(driver.answer(line), flush=True)


if __name__ == "__main__":
    main()
