"""Over ws, with npm's zeromq (libzmq's own WebSockets) and with jszmq, in both roles."""

from __future__ import annotations

from functools import partial

import pytest
import trio

import minizmtp as zmq
import minizmtp.auth
from interop_tests.node_peer import NodePeer, node_peer, why_missing
from tests.minizmtp.helpers import until
from tests.minizmtp.test_ws import request

LIBRARIES = ["zeromq", "jszmq"]
SECONDS = 10

pytestmark = [pytest.mark.slow, pytest.mark.requirement("45-1")]


@pytest.fixture(autouse=True)
def _needs_node(request: pytest.FixtureRequest) -> None:
    """Skips a test, with a sentence, where Node or the library is missing."""
    spec = getattr(request.node, "callspec", None)
    if reason := why_missing(spec.params.get("library", "zeromq") if spec else "zeromq"):
        pytest.skip(reason)


class Ours:
    """Our socket, with the methods of a NodePeer."""

    def __init__(self, sock: zmq.Socket) -> None:
        self.sock = sock

    async def bind(self, endpoint: str) -> str:
        self.sock.bind(endpoint)
        return self.sock.last_endpoint

    async def connect(self, endpoint: str) -> None:
        self.sock.connect(endpoint)

    async def subscribe(self, prefix: bytes) -> None:
        self.sock.subscribe(prefix)

    async def send(self, *frames: bytes) -> None:
        await self.sock.send_multipart(list(frames))

    async def receive(self) -> list[bytes]:
        return await self.sock.recv_multipart()


Peer = Ours | NodePeer


async def one_way(sender: Peer, receiver: Peer) -> None:
    for number in range(20):
        await sender.send(b"%d" % number, bytes(number * 1000), b"")
    for number in range(20):
        assert await receiver.receive() == [b"%d" % number, bytes(number * 1000), b""]


async def both_ways(one: Peer, other: Peer) -> None:
    await one_way(one, other)
    await one_way(other, one)


async def single_frames(sender: Peer, receiver: Peer) -> None:
    for number in range(20):
        await sender.send(b"%d" % number)
    for number in range(20):
        assert await receiver.receive() == [b"%d" % number]


async def request_and_reply(req: Peer, rep: Peer) -> None:
    for size in (0, 1, 124, 125, 126, 65534, 65535, 65536, 200_000):
        await req.send(b"q" * size)
        assert await rep.receive() == [b"q" * size]
        await rep.send(b"a" * size, b"end")
        assert await req.receive() == [b"a" * size, b"end"]


async def routed(dealer: Peer, router: Peer) -> None:
    for number in range(20):
        await dealer.send(b"%d" % number)
        identity, body = await router.receive()
        assert body == b"%d" % number
        await router.send(identity, b"to", body)
        assert await dealer.receive() == [b"to", body]


async def published(sub: Peer, pub: Peer) -> None:
    await sub.subscribe(b"b")
    got: list[list[bytes]] = []
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            got.append(await sub.receive())
            nursery.cancel_scope.cancel()

        nursery.start_soon(receive)
        while True:  # until the subscription has arrived
            await pub.send(b"a, which is not wanted")
            await pub.send(b"b, which is", b"two")
            await trio.sleep(0.02)
    assert got == [[b"b, which is", b"two"]]


SCRIPTS = {
    ("PUSH", "PULL"): one_way,
    ("PAIR", "PAIR"): both_ways,
    ("DEALER", "DEALER"): both_ways,
    ("REQ", "REP"): request_and_reply,
    ("DEALER", "ROUTER"): routed,
    ("SUB", "PUB"): published,
    ("SUB", "XPUB"): published,
}


@pytest.mark.differs("subprotocol of ws")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("who_binds", ["ours_binds", "node_binds"])
@pytest.mark.parametrize("first", ["ours", "node"])
@pytest.mark.parametrize(("one", "other"), SCRIPTS)
async def test_each_pattern_in_both_roles(library: str, who_binds: str, first: str, one: str, other: str) -> None:
    """first: who has the first of the two types."""
    script = SCRIPTS[one, other]
    if library == "jszmq" and (one, other) == ("DEALER", "DEALER"):
        script = both_ways
    with trio.fail_after(SECONDS):
        async with zmq.Context() as ctx:
            here, there = (one, other) if first == "ours" else (other, one)
            ours = Ours(ctx.socket(zmq.SocketType[here], linger=0))
            async with node_peer(library, there) as node:
                binds, connects = (ours, node) if who_binds == "ours_binds" else (node, ours)
                await connects.connect(await binds.bind("ws://127.0.0.1:*/zws"))
                pair: tuple[Peer, Peer] = (ours, node) if first == "ours" else (node, ours)
                await script(*pair)


PUBLIC, SECRET = zmq.curve_keypair()
CLIENT_PUBLIC, CLIENT_SECRET = zmq.curve_keypair()
SERVERS = {
    "PLAIN": {"plain_server": 1},
    "CURVE": {"curve_server": 1, "curve_publickey": PUBLIC, "curve_secretkey": SECRET},
}
CLIENTS = {
    "PLAIN": {"plain_username": b"me", "plain_password": b"secret"},
    "CURVE": {"curve_serverkey": PUBLIC, "curve_publickey": CLIENT_PUBLIC, "curve_secretkey": CLIENT_SECRET},
}


def in_node(options: dict[str, int | bytes]) -> dict[str, int | str]:
    """The same options for npm's zeromq, which names them plainServer …"""
    return {
        "".join([word.title() if number else word for number, word in enumerate(name.split("_"))]).replace(
            "key", "Key"
        ): value.decode() if isinstance(value, bytes) else bool(value)
        for name, value in options.items()
    }


@pytest.mark.requirement("45-6")
@pytest.mark.differs("path of ws")
@pytest.mark.differs("request of ws")
async def test_a_client_that_asks_for_another_path_is_refused() -> None:
    """libzmq's client, whose request is read by hand first: it names no port."""
    heads: list[bytes] = []

    async def read(stream: trio.SocketStream) -> None:
        heads.append(bytes(await stream.receive_some()))

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery, zmq.Context() as ctx, node_peer("zeromq", "PUSH") as node:
            (listener,) = await nursery.start(partial(trio.serve_tcp, read, 0, host="127.0.0.1"))
            await node.connect(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/x")
            while not heads:  # noqa: ASYNC110  # another process
                await trio.sleep(0.01)
            assert b"Host: 127.0.0.1\r\n" in heads[0]
            assert b"Origin" not in heads[0]
            pull = ctx.socket(zmq.PULL, linger=0)
            pull.bind("ws://127.0.0.1:*/jobs/urgent")
            monitor = pull.monitor()
            await node.connect(pull.last_endpoint.replace("/jobs/urgent", "/other"))
            told = await until(monitor, zmq.Event.HANDSHAKE_FAILED_PROTOCOL)
            assert "GET /other, expected the path /jobs/urgent" in told.reason
            nursery.cancel_scope.cancel()


@pytest.mark.requirement("45-6")
@pytest.mark.differs("web page of another origin")
@pytest.mark.parametrize("who_binds", ["ours_binds", "node_binds"])
async def test_only_our_server_looks_at_the_origin(who_binds: str) -> None:
    with trio.fail_after(SECONDS):
        async with zmq.Context() as ctx, node_peer("zeromq", "PULL") as node:
            peer = Ours(ctx.socket(zmq.PULL, linger=0)) if who_binds == "ours_binds" else node
            endpoint = await peer.bind("ws://127.0.0.1:*/zws")
            stream = await trio.open_tcp_stream("127.0.0.1", int(endpoint.split(":")[2].split("/")[0]))
            async with stream:
                await stream.send_all(request().replace(b"Upgrade:", b"Origin: http://evil.example\r\nUpgrade:", 1))
                answer = bytes(await stream.receive_some())
            assert answer.split()[1] == (b"403" if who_binds == "ours_binds" else b"101")


@pytest.mark.differs("SUB over ws with CURVE")
@pytest.mark.parametrize("who_binds", ["ours_binds", "node_binds"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
@pytest.mark.parametrize(("one", "other"), [("REQ", "REP"), ("DEALER", "ROUTER"), ("SUB", "PUB")])
async def test_each_mechanism_in_both_roles(who_binds: str, mechanism: str, one: str, other: str) -> None:
    """Who binds is the server. A ZAP handler is asked on our side; npm's zeromq has none, and accepts all."""
    with trio.fail_after(SECONDS):
        async with zmq.Context() as ctx, minizmtp.auth.Authenticator(ctx) as handler:
            handler.configure_plain(passwords={"me": "secret"})
            handler.configure_curve(location=minizmtp.auth.CURVE_ALLOW_ANY)
            if who_binds == "ours_binds":
                ours = Ours(ctx.socket(zmq.SocketType[other], linger=0, **SERVERS[mechanism]))
                async with node_peer("zeromq", one, **in_node(CLIENTS[mechanism])) as node:
                    await node.connect(await ours.bind("ws://127.0.0.1:*"))
                    await SCRIPTS[one, other](node, ours)
            else:
                ours = Ours(ctx.socket(zmq.SocketType[one], linger=0, **CLIENTS[mechanism]))
                async with node_peer("zeromq", other, **in_node(SERVERS[mechanism])) as node:
                    await ours.connect(await node.bind("ws://127.0.0.1:*"))
                    await SCRIPTS[one, other](ours, node)


@pytest.mark.parametrize("who_binds", ["ours_binds", "node_binds"])
async def test_heartbeats_keep_an_idle_connection(who_binds: str) -> None:
    """Both sides ask four times a second, and give up after half a second: neither does in two seconds."""
    with trio.fail_after(SECONDS):
        async with zmq.Context() as ctx:
            sock = ctx.socket(zmq.PULL, linger=0, heartbeat_ivl=250, heartbeat_timeout=500)
            ours = Ours(sock)
            async with node_peer("zeromq", "PUSH", heartbeatInterval=250, heartbeatTimeout=500) as node:
                binds, connects = (ours, node) if who_binds == "ours_binds" else (node, ours)
                monitor, told = sock.monitor(), []
                await connects.connect(await binds.bind("ws://127.0.0.1:*"))
                await node.send(b"first")
                assert await ours.receive() == [b"first"]
                with trio.move_on_after(2):
                    async for event in monitor:
                        told.append(event.event)  # noqa: PERF401  # a list made at once would be lost when time is up
                await node.send(b"second")
                assert await ours.receive() == [b"second"]
                assert zmq.Event.HANDSHAKE_SUCCEEDED in told
                assert zmq.Event.DISCONNECTED not in told
