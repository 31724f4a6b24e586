"""31/EXPAIR: exactly two sockets."""

import pytest
import trio

from interop_tests.world import Peer, World, assert_same, loses_peer, payload

EAGER = {"reconnect_ivl": 10}
LITTLE = {"sndbuf": 65536, "rcvbuf": 65536}


async def talk(one: Peer, other: Peer) -> None:
    for sender, receiver in ((one, other), (other, one)):
        await sender.send_multipart([b"a", b"", b"c"])
        assert await receiver.recv_multipart() == [b"a", b"", b"c"]


@pytest.mark.requirement("31-2", "31-3", "31-11", "31-12", "37-55")
async def test_both_may_talk_at_once_and_all_arrives_in_order(world: World) -> None:
    one, other = await world.pair("PAIR", "PAIR")

    async def count_to_300(peer: Peer) -> None:
        for n in range(300):
            await peer.send_multipart([b"%d" % n, b""])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_to_300, one)
        nursery.start_soon(count_to_300, other)
        for peer in (one, other):
            for n in range(300):
                assert await peer.recv_multipart() == [b"%d" % n, b""]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("31-1")
async def test_a_second_peer_is_connected_but_not_used(world: World) -> None:
    """When the first peer leaves, the second doesn't replace it; the next new peer does."""
    pair, first = await world.pair("PAIR", "PAIR")
    await talk(pair, first)
    second, third = [await world.client.socket("PAIR") for _ in range(2)]
    await world.join(pair, second)
    await second.send(b"from the second")
    await talk(pair, first)
    await first.close()
    await pair.wait_event("DISCONNECTED")
    await loses_peer(pair)
    await world.join(pair, third)
    await talk(pair, third)
    assert await pair.try_recv() is None
    assert await second.try_recv() is None
    assert second.events.count("DISCONNECTED") == 0


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("31-4", "31-6", "31-8", "31-9", "L-6", "L-1")
async def test_a_pair_takes_what_it_can_queue_and_no_more(world: World) -> None:
    endpoint = world.known_endpoint()
    alone = await world.server.socket("PAIR")
    assert not await alone.try_send(b"to nobody")
    client = await world.client.socket("PAIR", sndhwm=3, **EAGER)
    await client.connect(endpoint)
    for n in range(3):
        assert await client.try_send(b"%d" % n)
    assert not await client.try_send(b"one too many")
    await alone.bind(endpoint)
    assert [await alone.recv() for _ in range(3)] == [b"0", b"1", b"2"]
    await alone.send(b"an answer")
    assert await client.recv() == b"an answer"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("31-7", "31-8", "31-10")
async def test_a_pair_waits_for_a_peer_that_does_not_read(world: World) -> None:
    body = payload(65_536)
    one, other = await world.pair("PAIR", "PAIR", {"sndhwm": 2, **LITTLE}, {"rcvhwm": 2, **LITTLE})
    sent = 0
    while sent < 200 and await one.try_send(b"%d" % sent, body):
        sent += 1
    assert sent < 200, "nothing is full: this test has not tested anything"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.send_multipart, [b"%d" % sent, body])
        for n in range(sent + 1):
            assert_same(await other.recv_multipart(), [b"%d" % n, body])


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("31-4", "31-5", "L-8", "L-9", "37-18")
async def test_a_pair_keeps_its_messages_for_a_returning_peer(world: World) -> None:
    endpoint = world.known_endpoint()
    client = await world.client.socket("PAIR", **EAGER)
    await client.connect(endpoint)
    for n in range(2):
        await client.send(b"while away %d" % n)
        server = await world.server.socket("PAIR")
        await server.bind(endpoint)
        assert await server.recv() == b"while away %d" % n
        await server.send(b"last words")
        assert await client.recv() == b"last words"
        await world.server.crash()
        await client.wait_event("DISCONNECTED")
