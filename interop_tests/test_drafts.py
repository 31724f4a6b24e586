"""Draft types with libzmq, by npm's zeromq and by a pyzmq that was built with drafts, and with omq.rs, by pyomq.

Who has no such pyzmq: build libzmq with ENABLE_DRAFTS=ON, install pyzmq with ZMQ_PREFIX=(that libzmq), ZMQ_DRAFT_API=1
and `--no-binary pyzmq`, and set MINIZMTP_DRAFT_PYTHON to the Python that has it. pyomq comes with
`python -m interop_tests.stacks install pyomq`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import minizmtp as zmq
from interop_tests.node_peer import DRIVER, NodePeer, node_peer, why_missing
from interop_tests.stacks.stacks import STACKS, cache
from interop_tests.test_ws import CLIENTS, SERVERS, in_node
from minizmtp.auth import CURVE_ALLOW_ANY, Authenticator

HERE = Path(__file__).parent
PYZMQ = os.environ.get("MINIZMTP_DRAFT_PYTHON", "")
(PYOMQ,) = (stack.command(cache() / "pyomq")[0] for stack in STACKS if stack.key == "pyomq")
COMMANDS = {
    "zeromq": ["node", "--no-warnings", str(DRIVER)],
    "pyzmq": [PYZMQ, str(HERE / "draft_peer.py"), "zmq"],
    "pyomq": [PYOMQ, str(HERE / "draft_peer.py"), "pyomq"],
}
SIZES = (0, 1, 255, 256, 70_000)
SECONDS = 30

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _needs_the_library(request: pytest.FixtureRequest) -> None:
    """Skips a test, with a sentence, where the library is missing."""
    library = request.node.callspec.params["library"]
    reason = ""
    if library == "zeromq":
        reason = why_missing(library)
    elif library == "pyomq" and not Path(PYOMQ).exists():
        reason = "needs pyomq: `python -m interop_tests.stacks install pyomq`"
    elif library == "pyzmq":
        check = "import sys, zmq; sys.exit(not zmq.has('draft'))"
        if not PYZMQ or subprocess.run([PYZMQ, "-c", check], timeout=60, check=False).returncode:
            reason = "needs a pyzmq that was built with drafts: set MINIZMTP_DRAFT_PYTHON, as this file says"
    if reason:
        pytest.skip(reason)


class Ours:
    """Our socket, with the methods that the scripts use."""

    def __init__(self, sock: zmq.Socket) -> None:
        self.sock: Any = sock

    async def send(self, data: bytes, **address: Any) -> None:
        await self.sock.send(data, **address)

    async def receive(self) -> tuple[bytes, Any]:
        frame = await self.sock.recv()
        return frame, getattr(frame, "routing_id", 0) or getattr(frame, "group", None)

    async def join(self, group: str) -> None:
        self.sock.join(group)

    async def leave(self, group: str) -> None:
        self.sock.leave(group)


class Theirs:
    """A socket of the other library, with the same methods."""

    def __init__(self, peer: NodePeer) -> None:
        self.peer = peer

    async def send(self, data: bytes, **address: Any) -> None:
        if "group" in address:
            address["group"] = address["group"].encode().hex()
        await self.peer.ask("send", frames=[data.hex()], **address)

    async def receive(self) -> tuple[bytes, Any]:
        answer = await self.peer.ask("receive")
        (frame,) = answer["frames"]
        group = answer.get("group")
        return bytes.fromhex(frame), answer.get("routing_id") or (group and bytes.fromhex(group).decode())

    async def join(self, group: str) -> None:
        await self.peer.ask("join", group=group.encode().hex())

    async def leave(self, group: str) -> None:
        await self.peer.ask("leave", group=group.encode().hex())


End = Ours | Theirs


async def one_way(sender: End, receiver: End) -> None:
    for size in SIZES:
        await sender.send(b"x" * size)
    assert [len((await receiver.receive())[0]) for _ in SIZES] == list(SIZES)


async def both_ways(one: End, other: End) -> None:
    await one_way(one, other)
    await one_way(other, one)


async def answered(client: End, server: End) -> None:
    for size in SIZES:
        await client.send(b"?" * size)
        question, number = await server.receive()
        assert (len(question), number > 0) == (size, True)
        await server.send(b"!" * size, routing_id=number)
        assert len((await client.receive())[0]) == size


async def told(radio: End, dish: End) -> None:
    """Each group until it arrives, because a RADIO drops what is for a group that no DISH has joined yet."""
    for group, before in (("e", ""), ("eu", "e"), ("g" * 255, "eu")):
        await dish.join(group)
        if before:
            await dish.leave(before)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear, dish, {(b"rain", before)}, (b"rain", group), nursery.cancel_scope)
            while True:
                await radio.send(b"not wanted", group="europe")
                await radio.send(b"rain", group=group)
                await trio.sleep(0.01)


async def hear(dish: End, may: set[tuple[bytes, Any]], wanted: tuple[bytes, Any], scope: trio.CancelScope) -> None:
    while (found := await dish.receive()) != wanted:
        assert found in may
    scope.cancel()


async def numbered(one: End, other: End) -> None:
    """Ours knows the number of its only peer, whoever has connected."""
    ours, theirs = (one, other) if isinstance(one, Ours) else (other, one)
    assert isinstance(ours, Ours)
    while not ours.sock.peers():
        await trio.testing.wait_all_tasks_blocked(0.01)
    number = int.from_bytes(ours.sock.peers()[0].routing_id, "big")
    await ours.send(b"hello", routing_id=number)
    hello, name = await theirs.receive()
    assert hello == b"hello"
    if name:  # npm's zeromq does not know PEER, and gives no number
        await theirs.send(b"world", routing_id=name)
        assert await ours.receive() == (b"world", number)


PAIRS: dict[tuple[str, str], Callable[[End, End], Awaitable[None]]] = {
    ("SCATTER", "GATHER"): one_way,
    ("CHANNEL", "CHANNEL"): both_ways,
    ("CLIENT", "SERVER"): answered,
    ("RADIO", "DISH"): told,
    ("PEER", "PEER"): numbered,
}
# What a library does not have: pyomq has no WebSockets, and pyzmq none here if its libzmq was built without.
TRANSPORTS = [("zeromq", "tcp"), ("zeromq", "ipc"), ("zeromq", "ws"), ("pyzmq", "tcp"), ("pyzmq", "ipc")]
TRANSPORTS += [("pyomq", "tcp"), ("pyomq", "ipc")]


async def talk(peer: NodePeer, kinds: tuple[str, str], ours_first: bool, ours_binds: bool, endpoint: str) -> None:
    """One pair of types over a fresh connection."""
    ours, theirs = kinds if ours_first else kinds[::-1]
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.SocketType[ours], linger=0)
        await peer.ask("make", library="zeromq", type=theirs, options={})
        if ours_binds:
            sock.bind(endpoint)
            await peer.connect(sock.last_endpoint)
        else:
            sock.connect(await peer.bind(endpoint))
        one, other = (Ours(sock), Theirs(peer)) if ours_first else (Theirs(peer), Ours(sock))
        await PAIRS[kinds](one, other)


@pytest.mark.requirement("37-62", "37-63", "37-44", "D-1", "D-3", "D-7", "D-11", "D-12")
@pytest.mark.parametrize(("library", "transport"), TRANSPORTS)
async def test_each_draft_in_both_roles(library: str, transport: str, tmp_path: Path) -> None:
    """Every pair of types: who has the first of them, and who binds."""
    async with node_peer("zeromq", "CHANNEL", COMMANDS[library]) as peer:
        number = 0
        for kinds in PAIRS:
            for ours_first in (True, False) if kinds[0] != kinds[1] else (True,):
                for ours_binds in (True, False):
                    number += 1
                    endpoint = f"ipc://{tmp_path}/{number}" if transport == "ipc" else f"{transport}://127.0.0.1:*"
                    case = f"{kinds}, ours is the {'first' if ours_first else 'second'}, {ours_binds=}"
                    with trio.move_on_after(SECONDS) as scope:
                        await talk(peer, kinds, ours_first, ours_binds, endpoint)
                    assert not scope.cancelled_caught, case


@pytest.mark.requirement("37-62")
@pytest.mark.parametrize("library", ["zeromq"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
@pytest.mark.parametrize("ours_binds", [True, False])
async def test_drafts_with_each_mechanism(library: str, mechanism: str, ours_binds: bool) -> None:
    """Who binds is the server. npm's zeromq has no ZAP handler, and accepts all."""
    async with zmq.Context() as ctx, Authenticator(ctx) as handler, node_peer(library, "CHANNEL") as peer:
        handler.configure_plain(passwords={"me": "secret"})
        handler.configure_curve(location=CURVE_ALLOW_ANY)
        ours, theirs = (SERVERS, CLIENTS) if ours_binds else (CLIENTS, SERVERS)
        with trio.fail_after(SECONDS):
            for kinds in (("RADIO", "DISH"), ("DISH", "RADIO")):
                sock = ctx.socket(zmq.SocketType[kinds[0]], linger=0, **ours[mechanism])
                await peer.ask("make", library=library, type=kinds[1], options=in_node(theirs[mechanism]))
                if ours_binds:
                    sock.bind("tcp://127.0.0.1:*")
                    await peer.connect(sock.last_endpoint)
                else:
                    sock.connect(await peer.bind("tcp://127.0.0.1:*"))
                one, other = Ours(sock), Theirs(peer)
                await (told(one, other) if kinds[0] == "RADIO" else told(other, one))


@pytest.mark.requirement("37-44")
@pytest.mark.parametrize("library", ["zeromq", "pyzmq", "pyomq"])
async def test_a_draft_and_its_classic_refuse_each_other(library: str) -> None:
    """Our monitor says so in both roles, and nothing arrives."""
    wrong = [("PUSH", "GATHER"), ("PULL", "SCATTER"), ("SUB", "RADIO"), ("ROUTER", "CLIENT"), ("DEALER", "SERVER")]
    wrong += [("PAIR", "CHANNEL"), ("DISH", "SERVER"), ("PEER", "CHANNEL")]
    async with node_peer("zeromq", "CHANNEL", COMMANDS[library]) as peer:
        for ours, theirs in wrong:
            for ours_binds in (True, False):
                async with zmq.Context() as ctx:
                    sock = ctx.socket(zmq.SocketType[ours], linger=0)
                    monitor = sock.monitor()
                    await peer.ask("make", library="zeromq", type=theirs, options={})
                    if ours_binds:
                        sock.bind("tcp://127.0.0.1:*")
                        await peer.connect(sock.last_endpoint)
                    else:
                        sock.connect(await peer.bind("tcp://127.0.0.1:*"))
                    with trio.fail_after(SECONDS):
                        async for event in monitor:
                            assert event.event is not zmq.Event.HANDSHAKE_SUCCEEDED, (ours, theirs, ours_binds)
                            if event.event is zmq.Event.HANDSHAKE_FAILED_PROTOCOL:
                                break
