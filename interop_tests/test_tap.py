"""The tap between two libzmq peers: the peers work as without it, and it names every octet.

The sockets' messages can't show that no octet was changed. So the tap here also notes the octets that it read and
passed on, and these must be the octets that it names. Each test runs over tcp and ipc at the server's end, and with
both at the client's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from interop_tests.test_security import CURVE_SERVER, KEYS, curve
from interop_tests.world import SIZES, Peer, World, assert_same, payload, settle
from minizmtp.net.endpoints import Endpoint, Ipc, parse_endpoint
from minizmtp.net.transports import listen
from minizmtp.options import Options
from minizmtp.tap.conversation import Conversation
from minizmtp.tap.ear import Wishes
from minizmtp.tap.relay import Relay
from minizmtp.tap.watch import Tap
from minizmtp.trace import Keys, Side, Span

pytestmark = [
    pytest.mark.over("tcp", "ipc"),
    pytest.mark.pairs("libzmq-libzmq"),
    pytest.mark.parametrize("front", ["tcp", "ipc"]),
]


class Noting(Tap):
    """A tap that also notes the octets that were passed on."""

    def __init__(self, wishes: Wishes) -> None:
        super().__init__(wishes)
        self.said: dict[tuple[int, Side], bytearray] = {}

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        self.said.setdefault((connection, side), bytearray()).extend(octets)
        super().passed(connection, side, octets, at)


class Scene:
    """Sockets and the tap between them."""

    def __init__(self, world: World, front: str, keys: Keys | None) -> None:
        self._world = world
        self._front = parse_endpoint("tcp://127.0.0.1:*") if front == "tcp" else Ipc(f"{world.folder}/tap")
        self._tap = Noting(Wishes(keep=1 << 30, keys=keys))
        self.relays = trio.CancelScope()
        self.endpoint = ""

    async def run(self, server: Endpoint, task_status: trio.TaskStatus[None]) -> None:
        listener = listen(self._front, Options())
        self.endpoint = str(listener.endpoint)
        with self.relays:
            await Relay(listener, server, self._tap).run(task_status=task_status)

    async def client(self, socket_type: str, **options: Any) -> Peer:
        client = await self._world.client.socket(socket_type, reconnect_ivl=10, **options)
        await client.connect(self.endpoint)
        await client.wait_event("HANDSHAKE_SUCCEEDED")
        return client

    def heard(self) -> list[Conversation]:
        """End the relay; return the conversations, after checking that they are what was passed on."""
        self.relays.cancel()
        self._tap.catch_up()
        assert self._tap.failures == []
        for conversation in self._tap.conversations:
            for side in Side:
                said = bytes(self._tap.said.get((conversation.number, side), b""))
                assert b"".join(span.octets for span in conversation.spans[side]) == said
            assert conversation.left_out == 0
        return self._tap.conversations


@asynccontextmanager
async def tapped(
    world: World, front: str, socket_type: str, keys: Keys | None = None, **options: Any
) -> AsyncIterator[tuple[Peer, Scene]]:
    """A bound server, and a tap in front of it."""
    server = await world.server.socket(socket_type, **options)
    endpoint = parse_endpoint(await server.bind(world.endpoint()))
    scene = Scene(world, front, keys)
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.run, endpoint)
        yield server, scene
        nursery.cancel_scope.cancel()


async def over(scene: Scene) -> list[Conversation]:
    """The result of `heard`, after the relay has ended."""
    scene.relays.cancel()
    await trio.testing.wait_all_tasks_blocked()
    return scene.heard()


def named(spans: list[Span], name: str) -> list[bytes]:
    return [each.octets for each in flat(spans) if each.name == name]


def flat(spans: list[Span] | tuple[Span, ...]) -> list[Span]:
    return [each for span in spans for each in [span, *flat(span.inside)]]


@pytest.mark.requirement("28-1", "28-10", "37-12", "37-24", "37-55")
async def test_questions_and_answers_of_every_size(world: World, front: str) -> None:
    async with tapped(world, front, "REP") as (rep, scene):
        req = await scene.client("REQ")
        for size in SIZES:
            await req.send(payload(size))
            question = await rep.recv()
            await rep.send(question[::-1])
            assert_same([question, await req.recv()], [payload(size), payload(size)[::-1]])
        (conversation,) = await over(scene)
    assert conversation.protocol == "zmtp"
    assert named(conversation.spans[Side.CLIENT], "body") == [payload(size) for size in SIZES if size]
    assert named(conversation.spans[Side.SERVER], "body") == [payload(size)[::-1] for size in SIZES if size]
    assert not [span for side in Side for span in conversation.spans[side] if span.wrong]


@pytest.mark.requirement("29-1", "37-55")
async def test_news_for_three_subscribers(world: World, front: str) -> None:
    async with tapped(world, front, "PUB") as (pub, scene):
        subs = [await scene.client("SUB") for _ in range(3)]
        for number, sub in enumerate(subs):
            await sub.subscribe(b"%d" % number)
        await settle(pub, *subs)
        for number in range(300):
            await pub.send(b"%d. news %d" % (number % 3, number))
        for first, sub in enumerate(subs):
            for number in range(first, 300, 3):
                assert await sub.recv() == b"%d. news %d" % (first, number)
        conversations = await over(scene)
    assert len(conversations) == 3
    for number, conversation in enumerate(conversations):
        bodies = [body for body in named(conversation.spans[Side.SERVER], "topic") if b"news" in body]
        assert bodies == [b"%d. news %d" % (number, each) for each in range(number, 300, 3)]


@pytest.mark.requirement("26-1", "37-55")
async def test_curve_traffic_is_passed_on_and_opened_with_the_key(world: World, front: str) -> None:
    pytest.importorskip("nacl")
    keys = Keys(server_secret=KEYS["server"][1])
    async with tapped(world, front, "REP", keys, **CURVE_SERVER) as (rep, scene):
        req = await scene.client("REQ", **curve("anna"))
        await req.send(b"a secret")
        assert await rep.recv() == b"a secret"
        await rep.send(b"well kept")
        assert await req.recv() == b"well kept"
        (conversation,) = await over(scene)
    client = conversation.spans[Side.CLIENT]
    assert [span.name for span in client if span.inside] == ["box"]  # HELLO's; the others need the connection's keys
    assert b"a secret" not in b"".join(each.octets for each in flat(client))
    assert not [span for side in Side for span in conversation.spans[side] if span.wrong]


@pytest.mark.parametrize("victim", ["server", "client"])
@pytest.mark.requirement("37-18", "37-54", "37-55")
async def test_a_killed_side_is_reported_and_the_next_connects(world: World, front: str, victim: str) -> None:
    server = await world.server.socket("DEALER")
    endpoint = world.known_endpoint()
    await server.bind(endpoint)
    scene = Scene(world, front, None)
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.run, parse_endpoint(endpoint, connect=True))
        client = await scene.client("DEALER")
        await client.send(b"first")
        assert await server.recv() == b"first"
        if victim == "server":
            await world.server.crash()
            await client.wait_event("DISCONNECTED")
            server = await world.server.socket("DEALER")
            await server.bind(endpoint)
            await client.wait_event("HANDSHAKE_SUCCEEDED")
        else:
            await world.client.crash()
            await server.wait_event("DISCONNECTED")
            client = await scene.client("DEALER")
        await client.send(b"second")
        assert await server.recv() == b"second"
        conversations = await over(scene)
        nursery.cancel_scope.cancel()
    assert b"first" in named(conversations[0].spans[Side.CLIENT], "body")
    assert b"second" in named(conversations[-1].spans[Side.CLIENT], "body")


@pytest.mark.requirement("30-11", "37-55")
async def test_a_reader_that_is_slow_gets_all(world: World, front: str) -> None:
    body = payload(100_000)
    async with tapped(world, front, "PULL", rcvhwm=1) as (pull, scene):
        push = await scene.client("PUSH", sndhwm=1)
        async with trio.open_nursery() as nursery:

            async def pour() -> None:
                for _ in range(200):
                    await push.send(body)

            nursery.start_soon(pour)
            for _ in range(200):
                assert_same([await pull.recv()], [body])
        (conversation,) = await over(scene)
    assert named(conversation.spans[Side.CLIENT], "body") == [body] * 200
