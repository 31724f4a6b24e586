"""All conversations between two hosts at once: every pattern, every pair of libraries, NULL, CURVE, and some over ws.

The nodes of host b bind, those of host a connect. A host has one node for each library.
"""

import contextlib
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import takewhile
from pathlib import Path
from subprocess import PIPE
from typing import Any

import trio
import zmq

from .account import LIFE, Account, Books, lines_behind
from .network import ADDRESSES, Network, network

A, B = 0, 1
STACKS = ("ours", "libzmq")
PAIRS = (("ours", "ours"), ("ours", "libzmq"), ("libzmq", "ours"))  # the library at host a, and at host b
PATTERNS = (("PUSH", "PULL"), ("PUB", "SUB"), ("REQ", "REP"), ("DEALER", "ROUTER"))
BACKWARDS = (("PULL", "PUSH"), ("SUB", "PUB"))  # the bound side sends
OVER_WS = (("PUSH", "PULL"), ("PUB", "SUB"), ("SUB", "PUB"))  # ours at both ends, because pyzmq's libzmq has no ws
FIRST_PORT = 5600
STARTED = 20  # seconds at most until a node has loaded its library and opened its sockets
KEYS = {name: tuple(key.decode() for key in zmq.curve_keypair()) for name in ("server", "client")}
SERVER: dict[str, Any] = {"curve_server": 1, "curve_secretkey": KEYS["server"][1]}
CLIENT: dict[str, Any] = {
    "curve_publickey": KEYS["client"][0],
    "curve_secretkey": KEYS["client"][1],
    "curve_serverkey": KEYS["server"][0],
}
HEARTBEATS = {"heartbeat_ivl": 500, "heartbeat_timeout": 1500}
NOTICED = 2.5  # seconds: an interval until the next PING, its timeout, and half a second for a busy machine
RECONNECTED = (
    4.0  # seconds at most after the trouble: TCP's SYN that was lost is sent again after 1 s and 3 s, L-5's pause
)
LINGER = 1000


class Stage:
    """names: of all conversations, such as `PUSH-PULL-ours-libzmq-CURVE` and `PUSH-PULL-ours-ours-WS`."""

    def __init__(self, net: Network, folder: Path, options: dict[str, Any], rate: float) -> None:
        self.net, self.folder = net, folder
        self.says: dict[tuple[int, str], list[dict[str, Any]]] = {(h, s): [] for h in (A, B) for s in STACKS}
        self.nodes: dict[tuple[int, str], trio.Process] = {}
        self.starts = Counter[tuple[int, str]]()
        self.names: list[str] = []
        self.ports: list[int] = []
        for pattern in PATTERNS + BACKWARDS:
            for stacks in PAIRS:
                for mechanism in ("NULL", "CURVE"):
                    self._add(pattern, stacks, mechanism, options, rate)
        for pattern in OVER_WS:
            self._add(pattern, ("ours", "ours"), "WS", options, rate)
        self.books = Books(self.names)

    def _add(
        self,
        pattern: tuple[str, str],
        stacks: tuple[str, str],
        mechanism: str,
        options: dict[str, Any],
        rate: float,
    ) -> None:
        name = "-".join((*pattern, *stacks, mechanism))
        port = FIRST_PORT + len(self.names)
        self.names.append(name)
        self.ports.append(port)
        for host, kind, stack in zip((A, B), pattern, stacks, strict=True):
            sides = {"linger": LINGER, "reconnect_ivl": 100, "connect_timeout": 1000, **options}
            if mechanism == "CURVE":
                sides |= SERVER if host == B else CLIENT
            if kind == "REQ":
                sides |= {"req_relaxed": 1, "req_correlate": 1}
            say = {"name": name, "type": kind, "binds": host == B, "options": sides, "size": 64, "rate": rate}
            scheme = "ws" if mechanism == "WS" else "tcp"
            self.says[host, stack].append({**say, "endpoint": f"{scheme}://{ADDRESSES[B]}:{port}"})

    def log(self, host: int, stack: str) -> Path:
        return self.folder / f"{'ab'[host]}-{stack}.log"

    async def start(self, host: int, stack: str) -> None:
        """Start a node, and wait until its sockets are open."""
        log = self.log(host, stack)
        starts, size = self.starts[host, stack], log.stat().st_size if log.exists() else 0
        self.starts[host, stack] += 1
        says = [{**say, "first": starts * LIFE} for say in self.says[host, stack]]
        job = json.dumps({"stack": stack, "log": str(log), "conversations": says})
        command = self.net.command(host, sys.executable, "-m", "tests.weather.node", job)
        self.nodes[host, stack] = await trio.lowlevel.open_process(command, stdin=PIPE)
        with trio.fail_after(STARTED):
            while not any(b" ready " in line for line in lines_behind(log, size)):  # noqa: ASYNC110  # another writes it
                await trio.sleep(0.05)

    async def start_host(self, host: int) -> None:
        async with trio.open_nursery() as nursery:
            for stack in STACKS:
                nursery.start_soon(self.start, host, stack)

    def send_signal(self, host: int, number: signal.Signals, stacks: Iterable[str] = STACKS) -> None:
        for stack in stacks:
            self.nodes[host, stack].send_signal(number)

    async def kill(self, host: int) -> None:
        """SIGKILL both nodes of a host."""
        self.send_signal(host, signal.SIGKILL)
        for stack in STACKS:
            await self.nodes[host, stack].wait()

    async def until_all_flow(self, seconds: float, *, but: Callable[[str], bool] = lambda _: False) -> None:
        """Wait until a message that is sent from now on has made its way in each conversation, but for some of them.

        seconds: until anything arrives; a slow machine may take longer for all that waited."""
        now = time.monotonic()
        while late := self.still(now, but):
            accounts = self.accounts()
            stuck = [name for name in late if time.monotonic() - max(now, accounts[name].last_arrival()) > seconds]
            if stuck:
                raise AssertionError(f"expected messages to arrive within {seconds:.1f} s, but none did in {stuck}")
            await trio.sleep(0.2)

    def accounts(self) -> dict[str, Account]:
        for host in (A, B):
            for stack in STACKS:
                self.books.read(self.log(host, stack))
        return self.books.accounts

    async def stop_sending(self) -> None:
        for node in self.nodes.values():
            if node.returncode is None and node.stdin is not None:
                await node.stdin.send_all(b"stop\n")

    async def close(self, seconds: float) -> None:
        """Let all nodes close their sockets, which must not take longer than this."""
        for node in self.nodes.values():
            if node.returncode is None and node.stdin is not None:
                with contextlib.suppress(trio.BrokenResourceError):
                    await node.stdin.send_all(b"close\n")
                    await node.stdin.aclose()
        try:
            with trio.fail_after(seconds):
                for node in self.nodes.values():
                    await node.wait()
        except trio.TooSlowError:
            late = [f"{stack} at {'ab'[host]}" for (host, stack), node in self.nodes.items() if node.poll() is None]
            raise AssertionError(f"expected to be closed within {seconds} s: {late}") from None

    def still(self, since: float, but: Callable[[str], bool]) -> list[str]:
        """The conversations in which no message that was sent since then has arrived."""
        return [name for name, one in self.accounts().items() if not (flows(one, since) or but(name))]

    def is_drained(self, since: float, patience: float) -> bool:
        """Whether the last message of each conversation has arrived, or nothing has for so many seconds."""
        now = time.monotonic()
        return all(
            (one.done and one.sent[-1][0] in dict(one.got[-50:])) or now - max(since, one.last_arrival()) > patience
            for name, one in self.accounts().items()
            if one.sent and not name.startswith("REQ")  # which asks again after a second
        )

    async def finish(self, patience: float) -> dict[str, Account]:
        """Stop sending, wait until all has arrived or nothing comes for so many seconds, close, return the accounts."""
        await self.stop_sending()
        since = time.monotonic()
        while not self.is_drained(since, patience):  # noqa: ASYNC110  # other processes write the logs
            await trio.sleep(0.2)
        await self.close(LINGER / 1000 + 3)
        return self.accounts()


def flows(one: Account, since: float) -> bool:
    """Whether a message that was sent after a moment has arrived, and its reply, if there are replies."""
    new = {number for number, _ in takewhile(lambda message: message[1] > since, reversed(one.sent))}
    return any(number in new for number, _ in (one.reply if one.reply else one.got)[-50:])


@contextlib.asynccontextmanager
async def stage(folder: Path, options: dict[str, Any], rate: float = 10) -> AsyncIterator[Stage]:
    """All conversations, under way. At the end of the block no node is left."""
    async with network() as net:
        one = Stage(net, folder, options, rate)
        try:
            await one.start_host(B)
            await one.start_host(A)
            await one.until_all_flow(20)
            yield one
        finally:
            for node in one.nodes.values():
                if node.poll() is None:
                    node.send_signal(signal.SIGKILL)
                with trio.CancelScope(shield=True):
                    await node.wait()


def check_losses(accounts: dict[str, Account]) -> None:
    """Only what the rules allow is missing, and nothing came twice or out of order within a connection."""
    for name, one in accounts.items():
        if name.startswith("REQ"):  # it gives up a question after a second, so each may be missing
            assert one.twice() == [], name
        else:
            assert one.faults() == [], (name, one.faults())
