"""A libzmq peer is killed with SIGKILL while it works, and started again.

The peer binds or connects, and sends or receives; the other side, ours, continues. Ours loses at most the messages that
were under way, and never receives a message twice, in the wrong order, or in part. Each message carries its number
before and after its body, so that the test notices a torn one.

A connecting side keeps more: messages sent between two connections wait for the next connection (L-8). A bound side
drops a peer's queue with the peer (28-23, 30-5).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from interop_tests.world import PATIENCE, Peer, Side, World, payload

pytestmark = [pytest.mark.over("tcp"), pytest.mark.pairs("libzmq-ours", "ours-libzmq", "libzmq-libzmq")]

BODY = payload(5_000)


class Scene:
    """One socket that continues, and one that is killed and started again at the same endpoint.

    The killed one, the victim, is libzmq: the side that binds if that is libzmq, otherwise the side that connects.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.victim_binds = world.server.kind == "libzmq"
        self.victims = world.server if self.victim_binds else world.client
        self.survivors = world.client if self.victim_binds else world.server
        self._endpoint = world.known_endpoint()

    async def survivor(self, socket_type: str, **options: int | bytes) -> Peer:
        peer = await self.survivors.socket(socket_type, reconnect_ivl=10, **options)
        return await self._meet(self.survivors, peer)

    async def victim(self, socket_type: str, **options: int | bytes) -> Peer:
        peer = await self.victims.socket(socket_type, reconnect_ivl=10, **options)
        if socket_type == "SUB":
            await peer.subscribe(b"")
        return await self._meet(self.victims, peer)

    async def _meet(self, side: Side, peer: Peer) -> Peer:
        if side is self._world.server:
            await peer.bind(self._endpoint)
        else:
            await peer.connect(self._endpoint)
        return peer

    async def kill(self, survivor: Peer) -> None:
        await self.victims.crash()
        await survivor.wait_event("DISCONNECTED")


def numbered(life: int, number: int) -> list[bytes]:
    return [b"%d:%d" % (life, number), BODY, b"%d:%d" % (life, number)]


def number_of(message: list[bytes]) -> tuple[int, int]:
    """(life, number) of a message, which must be whole."""
    first, body, last = message
    assert body == BODY
    assert first == last
    life, _, number = first.partition(b":")
    return int(life), int(number)


def assert_in_order(numbers: list[tuple[int, int]]) -> None:
    assert numbers == sorted(set(numbers)), "twice, or out of order"


@asynccontextmanager
async def pouring(sender: Peer, life: int = 0) -> AsyncIterator[None]:
    """Send messages until the block ends or the sender's process dies."""

    async def pour() -> None:
        number = 0
        while True:
            await sender.send_multipart(numbered(life, number))
            number += 1
            if not number % 20:
                await trio.sleep(0.001)  # a steady load instead of a flood

    sender.patience = 4 * PATIENCE
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pour)
        yield
        nursery.cancel_scope.cancel()


TYPES = pytest.mark.parametrize(("sends", "receives"), [("PUSH", "PULL"), ("PUB", "SUB"), ("DEALER", "DEALER")])


@TYPES
@pytest.mark.requirement("30-16", "29-29", "28-23", "37-18", "37-27", "37-54", "37-55", "L-9", "L-10")
async def test_a_sender_that_is_killed(world: World, sends: str, receives: str) -> None:
    scene = Scene(world)
    receiver = await scene.survivor(receives)
    if receives == "SUB":
        await receiver.subscribe(b"")
    numbers: list[tuple[int, int]] = []
    for life in range(3):
        sender = await scene.victim(sends)
        async with pouring(sender, life):
            numbers.append(number_of(await receiver.recv_multipart()))
            while numbers[-1] < (life, 100):
                numbers.append(number_of(await receiver.recv_multipart()))
        await scene.kill(receiver)
        while (left := await receiver.try_recv()) is not None:
            numbers.append(number_of(left))
    assert_in_order(numbers)
    assert {life for life, _ in numbers} == {0, 1, 2}


@TYPES
@pytest.mark.requirement("30-4", "30-5", "30-11", "29-4", "28-22", "37-18", "37-27", "37-54", "37-55", "L-8", "L-11")
async def test_a_receiver_that_is_killed(world: World, sends: str, receives: str) -> None:
    scene = Scene(world)
    sender = await scene.survivor(sends)
    numbers: list[tuple[int, int]] = []
    async with pouring(sender):
        for life in range(3):
            receiver = await scene.victim(receives)
            numbers += [number_of(await receiver.recv_multipart()) for _ in range(200)]
            if life < 2:
                await scene.kill(sender)
    assert_in_order(numbers)


@pytest.mark.pairs("libzmq-ours", "libzmq-libzmq")
@pytest.mark.parametrize(("sends", "receives"), [("PUSH", "PULL"), ("DEALER", "ROUTER"), ("PAIR", "PAIR")])
@pytest.mark.requirement("30-4", "28-22", "31-4", "37-54", "L-8")
async def test_queued_messages_arrive_after_a_restart(world: World, sends: str, receives: str) -> None:
    """All of them, in order, after the messages that had arrived before."""
    scene = Scene(world)
    receiver = await scene.victim(receives)
    sender = await scene.survivor(sends, sndhwm=0)  # no limit, because pouring may fill any queue
    async with pouring(sender):
        for _ in range(200):
            await receiver.recv_multipart()
    await scene.kill(sender)
    queued = 300
    assert all([await sender.try_send(*numbered(1, number)) for number in range(queued)])
    receiver = await scene.victim(receives)
    numbers = [(0, 0)]
    while numbers[-1] != (1, queued - 1):
        numbers.append(number_of((await receiver.recv_multipart())[-3:]))
    assert [number for life, number in numbers if life == 1] == list(range(queued))
    assert_in_order(numbers[1:])


@pytest.mark.requirement("28-7", "28-18", "37-18", "37-54", "L-31", "L-32", "L-34")
async def test_a_rep_that_is_killed(world: World) -> None:
    """The REQ asks again if no answer arrives, and the numbers identify the answers."""
    scene = Scene(world)
    req = await scene.survivor("REQ", req_relaxed=1, req_correlate=1)
    answered = 0

    async def answer(rep: Peer) -> None:
        while True:
            await rep.send_multipart([b"re", *await rep.recv_multipart()])

    for life in range(3):
        rep = await scene.victim("REP")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, rep)
            for _ in range(30):
                while True:
                    await req.send_multipart(numbered(life, answered))
                    with trio.move_on_after(0.2):
                        assert await req.recv_multipart() == [b"re", *numbered(life, answered)]
                        break
                answered += 1
            nursery.cancel_scope.cancel()
        await req.send(b"a question that dies with its server")
        await scene.kill(req)
    assert answered == 90


@pytest.mark.pairs("ours-libzmq")  # a connecting server sends its late answer to the next client that binds
@pytest.mark.parametrize("serves", ["REP", "ROUTER"])
@pytest.mark.requirement("28-18", "28-19", "28-23", "28-34", "28-43", "37-27", "L-10", "L-26")
async def test_a_req_that_is_killed(world: World, serves: str) -> None:
    scene = Scene(world)
    server = await scene.survivor(serves)
    for life in range(3):
        req = await scene.victim("REQ")
        for number in range(30):
            await req.send_multipart(numbered(life, number))
            message = await server.recv_multipart()
            assert message[-3:] == numbered(life, number)
            await server.send_multipart([*message[:-3], b"re", *message[-3:]])
            assert await req.recv_multipart() == [b"re", *numbered(life, number)]
        await req.send(b"dies before it hears the answer")
        message = await server.recv_multipart()
        await scene.kill(server)
        await server.send_multipart([*message[:-1], b"too late"])


@pytest.mark.pairs("libzmq-ours", "ours-libzmq")  # libzmq's connecting ROUTER does not answer the restarted client
@pytest.mark.requirement("28-34", "28-35", "28-43", "37-18", "37-27", "37-54", "L-26", "L-29")
async def test_a_dealer_that_is_killed_comes_back_under_its_name(world: World) -> None:
    scene = Scene(world)
    router = await scene.survivor("ROUTER", router_handover=1)
    heard: list[tuple[int, int]] = []
    for life in range(3):
        dealer = await scene.victim("DEALER", routing_id=b"worker")
        async with pouring(dealer, life):
            for _ in range(100):
                name, *message = await router.recv_multipart()
                assert name == b"worker"
                heard.append(number_of(message))
                if heard[-1][0] == life:
                    await router.send_multipart([b"worker", *message])
            for _ in range(50):
                assert number_of(await dealer.recv_multipart())[0] == life
        await scene.kill(router)
    assert_in_order(heard)
