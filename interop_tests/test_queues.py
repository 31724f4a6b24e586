"""Options that say what a queue holds and when there is one: `conflate`, `immediate` and the limits.

If a peer connects late, `conflate` keeps only the newest message for it, and `immediate` keeps none.
"""

import pytest
import trio

from interop_tests.world import World, loses_peer

EAGER = {"reconnect_ivl": 10}


@pytest.mark.over("tcp", "ipc")
@pytest.mark.parametrize(("receives", "sends"), [("PULL", "PUSH"), ("DEALER", "DEALER")])
@pytest.mark.requirement("30-6", "28-24", "L-6")
async def test_with_conflate_only_the_newest_message_is_sent(world: World, receives: str, sends: str) -> None:
    endpoint = world.known_endpoint()
    sender = await world.client.socket(sends, conflate=1, sndhwm=2, **EAGER)
    await sender.connect(endpoint)
    for n in range(10):
        assert await sender.try_send(b"%d" % n)
    receiver = await world.server.socket(receives)
    await receiver.bind(endpoint)
    assert await receiver.recv() == b"9"
    await sender.send(b"end")
    assert await receiver.recv() == b"end"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("30-17")
async def test_with_conflate_only_the_newest_message_is_read(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH", {"conflate": 1})
    for n in range(100):
        await push.send(b"%d" % n)
    await trio.sleep(0.1)  # the messages arrive; if they didn't, this test would be weaker, but not wrong
    numbers = [int(await pull.recv())]
    while numbers[-1] != 99:
        numbers.append(int(await pull.recv()))
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 100, "each of them waited"
    assert await pull.try_recv() is None


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-7", "30-8")
async def test_with_immediate_only_connected_peers_get_messages(world: World) -> None:
    pull = await world.server.socket("PULL")
    push = await world.client.socket("PUSH", immediate=1, **EAGER)
    await push.connect(world.known_endpoint())
    await world.join(pull, push)
    for n in range(10):
        await push.send(b"%d" % n)
    assert [await pull.recv() for _ in range(10)] == [b"%d" % n for n in range(10)]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-7", "37-18")
async def test_with_immediate_a_queue_goes_with_its_connection(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", immediate=1, **EAGER)
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    await world.join(pull, push)
    await world.server.crash()
    await push.wait_event("DISCONNECTED")
    await loses_peer(push)
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    await push.send(b"kept")
    assert await pull.recv() == b"kept"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.parametrize(("hwm", "taken"), [(5, 5), (1500, 1500), (0, 2000)])
@pytest.mark.requirement("30-6", "28-24", "L-1", "L-6")
async def test_a_limit_set_after_connect_counts_at_once(world: World, hwm: int, taken: int) -> None:
    push = await world.client.socket("PUSH", **EAGER)
    await push.connect(world.known_endpoint())
    await push.set_option("sndhwm", hwm)
    assert [await push.try_send(b"%d" % n) for n in range(2000)] == [n < taken for n in range(2000)]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.pairs("ours-ours", "libzmq-ours")
@pytest.mark.differs("limit that is raised")
@pytest.mark.requirement("30-6", "L-1", "L-6")
async def test_a_limit_that_is_raised_makes_room_at_once(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", sndhwm=1, **EAGER)
    await push.connect(endpoint)
    assert [await push.try_send(b"%d" % n) for n in range(2)] == [True, False]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(push.send, b"1")
        await push.set_option("sndhwm", 5)
    assert [await push.try_send(b"%d" % n) for n in range(2, 6)] == [True, True, True, False]
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    assert [await pull.recv() for _ in range(5)] == [b"%d" % n for n in range(5)]


@pytest.mark.over("inproc")
@pytest.mark.pairs("ours-ours")
@pytest.mark.differs("limits over inproc")
@pytest.mark.requirement("L-2")
async def test_both_ends_of_inproc_may_set_their_limits_later(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH")
    await push.set_option("sndhwm", 3)
    await pull.set_option("rcvhwm", 4)
    assert [await push.try_send(b"%d" % n) for n in range(10)] == [n < 7 for n in range(10)]
