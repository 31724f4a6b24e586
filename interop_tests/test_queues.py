"""Options that say what a queue holds, and when there is one: `conflate` and `immediate`.

Both end at a peer that comes late: with `conflate` only the newest message waits for it, with `immediate` none does.
"""

import pytest
import trio

from interop_tests.world import World, has_nobody

EAGER = {"reconnect_ivl": 10}


@pytest.mark.over("tcp", "ipc")
@pytest.mark.parametrize(("receives", "sends"), [("PULL", "PUSH"), ("DEALER", "DEALER")])
@pytest.mark.requirement("30-6", "28-24", "L-6")
async def test_with_conflate_only_the_newest_waits_to_be_sent(world: World, receives: str, sends: str) -> None:
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
async def test_with_conflate_only_the_newest_waits_to_be_read(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH", {"conflate": 1})
    for n in range(100):
        await push.send(b"%d" % n)
    await trio.sleep(0.1)  # they arrive; had they not, this test would be weaker, not wrong
    numbers = [int(await pull.recv())]
    while numbers[-1] != 99:
        numbers.append(int(await pull.recv()))
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 100, "each of them waited"
    assert await pull.try_recv() is None


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-7", "30-8")
async def test_with_immediate_nothing_is_dealt_to_who_is_not_there(world: World) -> None:
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
    await has_nobody(push)
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    await push.send(b"kept")
    assert await pull.recv() == b"kept"
