"""Batches: one call sends or receives as several single calls do, with either library at the other end."""

import pytest
import trio

from interop_tests.world import World, settle

MESSAGES = [[b"%d" % number, *[bytes(number * 11)] * (number % 3)] for number in range(300)]


@pytest.mark.requirement("37-55", "37-27", "30-2", "30-13")
async def test_a_batch_arrives_whole_and_in_order(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH")
    await push.send_many(MESSAGES)
    assert await pull.recv_many(300) == MESSAGES


@pytest.mark.requirement("30-9", "30-10", "L-4")
async def test_a_batch_that_does_not_fit_waits(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH", {"rcvhwm": 3}, {"sndhwm": 3})
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.send_many, MESSAGES)
            assert await pull.recv_many(300) == MESSAGES


@pytest.mark.requirement("28-31", "28-39", "28-40")
async def test_batches_go_to_the_named_peers_and_back(world: World) -> None:
    router = await world.server.socket("ROUTER")
    dealers = [await world.client.socket("DEALER", routing_id=name) for name in (b"a", b"b")]
    await world.join(router, *dealers)
    for dealer in dealers:
        await dealer.send_many(MESSAGES[:50])
    requests = await router.recv_many(100)
    for name in (b"a", b"b"):
        assert [request[1:] for request in requests if request[0] == name] == MESSAGES[:50]
    await router.send_many(requests)
    for dealer in dealers:
        assert await dealer.recv_many(50) == MESSAGES[:50]


@pytest.mark.requirement("29-33", "29-34")
async def test_a_published_batch_is_filtered(world: World) -> None:
    pub, sub = await world.pair("PUB", "SUB")
    await sub.subscribe(b"1")
    await settle(pub, sub)
    await pub.send_many(MESSAGES)
    wanted = [message for message in MESSAGES if message[0].startswith(b"1")]
    assert await sub.recv_many(len(wanted)) == wanted
