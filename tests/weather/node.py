"""A program on one host: conversations of numbered messages, all on minizmtp or all on libzmq.

    python -m tests.weather.node '{"stack": "ours", "log": FILE, "conversations": [{"name": …, "role": "push", …}]}'

It writes one line for each message into its log, with a clock that all processes of the machine share:

    1234.567890 push-null sent 17
    1234.567990 push-null got 17
    1239.567990 push-null broke 0        a connection of the sender has ended
    1240.567990 push-null done 0         it sends no more

A line is one write, so a killed node has logged everything that it did. When its standard input says `stop`, the node
stops sending; when it says `close` or ends, the node closes its sockets, logs `closed`, and ends.

The roles are written once: both libraries have the same names for `send`, `recv` and `poll`, on trio and on asyncio.
"""

import asyncio
import contextlib
import json
import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio.testing
import zmq
import zmq.asyncio

import minizmtp

NUMBER = struct.Struct(">Q")
REPLY_IN_TIME = 1000  # milliseconds that a REQ waits for its reply before it asks the next question


def payload(number: int, size: int) -> bytes:
    """The number stands at both ends, so that a message that is torn or mixed up shows."""
    return NUMBER.pack(number) + bytes(size - 2 * NUMBER.size) + NUMBER.pack(number)


def number_of(message: bytes) -> int:
    first, last = NUMBER.unpack_from(message), NUMBER.unpack_from(message, len(message) - NUMBER.size)
    assert first == last, f"expected the same number at both ends of the message: {message[:20]!r}"
    return int(first[0])


class Node:
    """What its conversations share: the log, the clock of their library, and whether they still send."""

    def __init__(self, log: str, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.sleep = sleep
        self.sending = self.open = True

    def note(self, name: str, what: str, number: int = 0) -> None:
        os.write(self.log, f"{time.monotonic():.6f} {name} {what} {number}\n".encode())

    def obey(self) -> None:
        """Follow standard input. It runs in a thread of its own, because a blocked library must not keep it waiting."""
        for line in sys.stdin:
            self.sending = False
            if line.strip() == "close":
                break
        self.sending = self.open = False


# ── roles ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def push(node: Node, sock: Any, say: dict[str, Any]) -> None:
    number = say["first"]
    while node.sending:
        await sock.send(payload(number, say["size"]))
        node.note(say["name"], "sent", number)
        number += 1
        await node.sleep(1 / say["rate"])
    node.note(say["name"], "done")


async def pull(node: Node, sock: Any, say: dict[str, Any]) -> None:
    while True:
        node.note(say["name"], "got", number_of(await sock.recv()))


async def req(node: Node, sock: Any, say: dict[str, Any]) -> None:
    number = say["first"]
    while node.sending:
        await sock.send(payload(number, say["size"]))
        node.note(say["name"], "sent", number)
        if await sock.poll(REPLY_IN_TIME):
            with contextlib.suppress(zmq.Again):  # libzmq's poll may report a late reply, which recv then skips (28-8)
                node.note(say["name"], "reply", number_of(await sock.recv()))
        number += 1
        await node.sleep(1 / say["rate"])


async def rep(node: Node, sock: Any, say: dict[str, Any]) -> None:
    while True:
        request = await sock.recv()
        node.note(say["name"], "got", number_of(request))
        await sock.send(request)


async def replies(node: Node, sock: Any, say: dict[str, Any]) -> None:
    while True:
        node.note(say["name"], "reply", number_of(await sock.recv()))


async def router(node: Node, sock: Any, say: dict[str, Any]) -> None:
    while True:
        name, request = await sock.recv_multipart()
        node.note(say["name"], "got", number_of(request))
        await sock.send_multipart([name, request])


ROLES: dict[str, list[Callable[[Node, Any, dict[str, Any]], Awaitable[None]]]] = {
    "PUSH": [push], "PULL": [pull], "PUB": [push], "SUB": [pull], "REQ": [req], "REP": [rep],
    "DEALER": [push, replies], "ROUTER": [router],
}  # fmt: skip


SENDERS = ("PUSH", "PUB", "REQ", "DEALER")


async def breaks_of_ours(node: Node, sock: minizmtp.Socket, name: str) -> None:
    async with sock.monitor() as events:
        async for told in events:
            if told.event is minizmtp.Event.DISCONNECTED:
                node.note(name, "broke")


async def breaks_of_libzmq(node: Node, monitor: Any, name: str) -> None:
    while True:
        await monitor.recv_multipart()
        node.note(name, "broke")


# ── the two libraries ────────────────────────────────────────────────────────────────────────────────────────────────


async def play_ours(log: str, conversations: list[dict[str, Any]]) -> None:
    node = Node(log, trio.sleep)
    threading.Thread(target=node.obey, daemon=True).start()
    async with minizmtp.Context() as context, trio.open_nursery() as nursery:
        for say in conversations:
            sock = context.socket(getattr(minizmtp, say["type"]), **options_of(say))
            if say["type"] in SENDERS:
                nursery.start_soon(breaks_of_ours, node, sock, say["name"])
                await trio.testing.wait_all_tasks_blocked()
            join(sock, say)
            for role in ROLES[say["type"]]:
                nursery.start_soon(role, node, sock, say)
        node.note("-", "ready")
        while node.open:  # noqa: ASYNC110  # a thread ends it
            await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    node.note("-", "closed")


async def play_libzmq(log: str, conversations: list[dict[str, Any]]) -> None:
    node = Node(log, asyncio.sleep)
    threading.Thread(target=node.obey, daemon=True).start()
    context = zmq.asyncio.Context()
    tasks = []
    for say in conversations:
        sock = context.socket(getattr(zmq, say["type"]))
        for name, value in options_of(say).items():
            sock.setsockopt(getattr(zmq, name.upper()), value)
        if say["type"] in SENDERS:
            monitor = sock.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            tasks.append(asyncio.ensure_future(breaks_of_libzmq(node, monitor, say["name"])))
        join(sock, say)
        tasks += [asyncio.ensure_future(role(node, sock, say)) for role in ROLES[say["type"]]]
    node.note("-", "ready")
    while node.open:
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.05)
    context.destroy(linger=conversations[0]["options"]["linger"])
    node.note("-", "closed")


def options_of(say: dict[str, Any]) -> dict[str, Any]:
    """JSON has no octets: keys of CURVE are text here, which both libraries want as octets."""
    return {name: value.encode() if isinstance(value, str) else value for name, value in say["options"].items()}


def join(sock: Any, say: dict[str, Any]) -> None:
    if say["type"] == "SUB":
        sock.setsockopt(zmq.SUBSCRIBE, b"")
    if say["binds"]:
        sock.bind(say["endpoint"])
    else:
        sock.connect(say["endpoint"])


def run_out_of_files(*_: object) -> None:
    """Lower the limit of open files to what is open now, so that the next one fails with EMFILE."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))


def have_files_again(*_: object) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    say = json.loads(sys.argv[1])
    signal.signal(signal.SIGUSR1, run_out_of_files)
    signal.signal(signal.SIGUSR2, have_files_again)
    if say["stack"] == "ours":
        trio.run(play_ours, say["log"], say["conversations"])
    else:
        asyncio.run(play_libzmq(say["log"], say["conversations"]))


if __name__ == "__main__":
    main()
