"""The driver of our own sockets: `python -m minizmtp.check.driver`.

It does what its standard input says, a line at a time, as `program` has it:

    echo 'socket PULL' | python -m minizmtp.check.driver
    ok 1

It is also the example for other drivers: each verb is a method, and each method a few lines. Lines are done one after
the other, so nothing may wait for long: a send that finds no room for 2 seconds is answered "none".

This is a program; the check starts it as a process of its own. It can be read alone.
"""

import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import trio

import minizmtp as zmq

from ..auth import CURVE_ALLOW_ANY, Authenticator
from .program import decoded, encoded

SEND_TIMEOUT = 2000  # milliseconds


class Refusal(Exception):
    """There is no means for what a line asks."""


class OurDriver:
    """The sockets of one process, by number."""

    def __init__(self, context: zmq.Context) -> None:
        self._context = context
        self._sockets: dict[str, zmq.Socket] = {}
        self._count = 0
        self._auth: Authenticator | None = None
        self._passwords: dict[str, str] = {}

    async def answer(self, line: str) -> str:
        """Do what a line says; returns the answer."""
        verb, *words = line.split()
        does: Callable[..., Coroutine[Any, Any, str]] | None = getattr(self, f"do_{verb}", None)
        try:
            if does is None:
                raise Refusal(f"there is no {verb}")
            return f"ok {await does(*words)}".rstrip()
        except zmq.Again:
            return "none"
        except Refusal as refusal:
            return f"no {refusal}"
        except (zmq.ZMQError, KeyError, TypeError, ValueError) as error:
            return f"error {type(error).__name__} {error}"

    async def do_name(self) -> str:
        return f"minizmtp {zmq.__version__}"

    async def do_socket(self, kind: str, *options: str) -> str:
        """A new socket, by its number."""
        socket = self._context.socket(zmq.SocketType[kind], linger=0, sndtimeo=SEND_TIMEOUT)
        for option in options:
            name, _, value = option.partition("=")
            self._set(socket, name, value)
        self._count += 1
        self._sockets[str(self._count)] = socket
        return str(self._count)

    def _set(self, socket: zmq.Socket, name: str, value: str) -> None:
        parts = [bytes.fromhex(part) for part in value.split(":")] if name != "heartbeat_ivl" else []
        if name == "heartbeat_ivl":
            socket.heartbeat_ivl = int(value)
        elif name == "routing_id":
            socket.routing_id = parts[0]
        elif name == "plain_server":
            user, password = parts
            self._passwords[user.decode()] = password.decode()
            self._authenticator().configure_plain(passwords=self._passwords)
            socket.plain_server = 1
        elif name == "plain_client":
            socket.plain_username, socket.plain_password = parts
        elif name == "curve_server":
            self._authenticator().configure_curve(location=CURVE_ALLOW_ANY)
            socket.curve_server, socket.curve_secretkey = 1, parts[0]
        elif name == "curve_client":
            socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = parts
        else:
            raise Refusal(f"there is no option {name}")

    def _authenticator(self) -> Authenticator:
        if self._auth is None:
            self._auth = Authenticator(self._context)
            self._auth.start()
        return self._auth

    async def do_bind(self, number: str, endpoint: str) -> str:
        self._sockets[number].bind(endpoint)
        return self._sockets[number].last_endpoint

    async def do_connect(self, number: str, endpoint: str) -> str:
        self._sockets[number].connect(endpoint)
        return ""

    async def do_send(self, number: str, *words: str) -> str:
        await self._sockets[number].send_multipart(decoded(words))
        return ""

    async def do_recv(self, number: str, timeout: str) -> str:
        return encoded(await self._receive(number, int(timeout)))

    async def _receive(self, number: str, timeout: int) -> list[bytes]:
        with trio.move_on_after(timeout / 1000):
            return await self._sockets[number].recv_multipart()
        raise zmq.Again

    async def do_subscribe(self, number: str, prefix: str) -> str:
        self._sockets[number].subscribe(decoded([prefix])[0])
        return ""

    async def do_unsubscribe(self, number: str, prefix: str) -> str:
        self._sockets[number].unsubscribe(decoded([prefix])[0])
        return ""

    async def do_flood(self, number: str, count: str, size: str) -> str:
        await self._sockets[number].send_many(numbered(i, int(size)) for i in range(int(count)))
        return ""

    async def do_drain(self, number: str, count: str, size: str, timeout: str) -> str:
        """How many messages of a flood have come, in order."""
        for i in range(int(count)):
            try:
                message = await self._receive(number, int(timeout))
            except zmq.Again:
                return str(i)
            if message != [numbered(i, int(size))]:
                return str(i)
        return count

    async def do_close(self, number: str) -> str:
        self._sockets.pop(number).close(linger=0)
        return ""


def numbered(number: int, size: int) -> bytes:
    """The message with that number in a flood.

    >>> numbered(258, 6)
    b'\\x00\\x00\\x01\\x02\\x00\\x00'
    """
    return number.to_bytes(4, "big") + bytes(size - 4)


async def main() -> None:
    """Serve standard input until it ends."""
    async with zmq.Context() as context:
        driver = OurDriver(context)
        async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as lines:
            unread = b""
            async for octets in lines:
                *whole, unread = (unread + octets).split(b"\n")
                for line in whole:
                    print(await driver.answer(line.decode("latin-1")), flush=True)


if __name__ == "__main__":
    trio.run(main)
