"""29/PUBSUB: a message goes to each peer that subscribed to it, and to no other.

A publisher never waits and doesn't report its subscriptions, so each test first makes sure that they have arrived
(`settle`), or uses an XPUB, which passes each subscription to its application.
"""

from itertools import count

import pytest
import trio

from interop_tests.world import ENOTSUP, PATIENCE, SIZES, Peer, World, assert_same, payload, refuses, settle

TOPICS = [b"", b"a", b"ab", b"abc", b"abcd", b"abd", b"b", b"ba", b"\x00", b"\xff", b"a\x00b", b"A"]


async def received_until(subscriber: Peer, last: bytes) -> list[bytes]:
    messages = []
    while (message := await subscriber.recv()) != last:
        messages.append(message)
    return messages


@pytest.mark.requirement("29-2", "29-7", "29-8", "29-33", "29-34", "37-57", "37-60")
async def test_each_subscriber_gets_messages_with_one_of_its_prefixes(world: World) -> None:
    """Prefixes overlap in one subscriber and between two; a message arrives once, even if several prefixes match."""
    wishes = [
        [b""],
        [b"a"],
        [b"ab", b"a"],
        [b"abc", b"b"],
        [b"abc", b"ab", b"a", b""],
        [b"b", b"\x00"],
        [b"\xff"],
        [b"a\x00"],
        [b"abcde"],
        [],
    ]
    pub = await world.server.socket("PUB")
    subs = [await world.client.socket("SUB") for _ in wishes]
    for sub, prefixes in zip(subs, wishes, strict=True):
        await sub.subscribe(b"end", *prefixes)
    await world.join(pub, *subs)
    await settle(pub, *subs)
    for topic in TOPICS:
        await pub.send(topic)
    await pub.send(b"end")
    for sub, prefixes in zip(subs, wishes, strict=True):
        expected = [topic for topic in TOPICS if any(topic.startswith(prefix) for prefix in prefixes)]
        assert await received_until(sub, b"end") == expected, f"subscribed to {prefixes}"


@pytest.mark.requirement("37-51", "29-3", "29-29", "37-55")
async def test_a_sub_may_bind_and_pubs_connect(world: World) -> None:
    sub = await world.server.socket("SUB")
    pubs = [await world.client.socket("PUB") for _ in range(3)]
    await sub.subscribe(b"news")
    await world.join(sub, *pubs)
    for name, pub in enumerate(pubs):
        await settle(pub, sub)
        for n in range(5):
            await pub.send(b"news %d from %d" % (n, name))
        for n in range(5):
            assert await sub.recv() == b"news %d from %d" % (n, name)


@pytest.mark.requirement("29-32", "29-34", "37-55")
async def test_a_subscriber_of_two_publishers_gets_both_each_in_order(world: World) -> None:
    sub = await world.client.socket("SUB")
    pubs = [await world.server.socket("PUB") for _ in range(2)]
    for pub in pubs:
        await world.join(pub, sub)
        await settle(pub, sub)
    await sub.subscribe(b"n")
    for pub in pubs:
        await settle(pub, sub)
    for n in range(50):
        for name, pub in zip(b"ab", pubs, strict=True):
            await pub.send(b"n%c%d" % (name, n))
    messages = [await sub.recv() for _ in range(100)]
    for name in b"ab":
        assert [m for m in messages if m[1] == name] == [b"n%c%d" % (name, n) for n in range(50)]


@pytest.mark.requirement("29-7", "29-33", "37-12", "37-23", "37-24", "37-27")
async def test_frames_of_every_size_in_one_message(world: World) -> None:
    pub, sub = await world.pair("PUB", "SUB")
    await sub.subscribe(b"")
    await settle(pub, sub)
    for size in SIZES:
        await pub.send(payload(size))
        assert_same([await sub.recv()], [payload(size)])
    message = [payload(size) for size in SIZES]
    for frames in (message, message[::-1], [b"", b""], [b"topic", b"", b"body", b""]):
        await pub.send_multipart(frames)
        assert_same(await sub.recv_multipart(), frames)


@pytest.mark.over("tcp")
@pytest.mark.requirement("29-7", "29-33", "37-23")
async def test_a_frame_of_64_mib_arrives_unchanged(world: World) -> None:
    pub, sub = await world.pair("PUB", "SUB")
    await sub.subscribe(b"")
    await settle(pub, sub)
    await pub.send_multipart([b"big", payload(2**26)])
    assert_same(await sub.recv_multipart(), [b"big", payload(2**26)])


@pytest.mark.requirement("29-8", "37-60")
async def test_only_the_first_frame_is_compared(world: World) -> None:
    pub, sub = await world.pair("PUB", "SUB")
    await sub.subscribe(b"topic")
    await settle(pub, sub)
    await pub.send_multipart([b"other", b"topic"])
    await pub.send_multipart([b"top", b"ic"])
    await pub.send_multipart([b"topical", b"yes"])
    assert await sub.recv_multipart() == [b"topical", b"yes"]


@pytest.mark.requirement("37-59", "37-61", "29-8", "29-11", "L-38")
async def test_a_prefix_counts_until_each_subscription_is_undone(world: World) -> None:
    """Two subscriptions to one prefix need two cancellations."""
    pub, sub = await world.pair("PUB", "SUB")
    await sub.subscribe(b"a", b"a", b"ab", b"end")

    async def what_comes() -> list[bytes]:
        await settle(pub, sub)
        for topic in (b"a", b"abc", b"b", b"end"):
            await pub.send(topic)
        return await received_until(sub, b"end")

    assert await what_comes() == [b"a", b"abc"]
    await sub.unsubscribe(b"a")
    assert await what_comes() == [b"a", b"abc"]
    await sub.unsubscribe(b"a")
    assert await what_comes() == [b"abc"]
    await sub.unsubscribe(b"ab", b"never subscribed")
    assert await what_comes() == []
    await sub.subscribe(b"a")
    assert await what_comes() == [b"a", b"abc"]


@pytest.mark.requirement("29-1", "29-26")
async def test_a_pub_only_sends_and_a_sub_only_receives(world: World) -> None:
    pub, sub = await world.pair("PUB", "SUB")
    with refuses(ENOTSUP):
        await pub.recv()
    with refuses(ENOTSUP):
        await sub.send(b"up the stream")


@pytest.mark.requirement("29-9", "29-10", "L-39")
async def test_a_message_before_any_subscription_is_dropped_at_once(world: World) -> None:
    pub = await world.server.socket("PUB")
    await pub.bind(world.endpoint())
    for n in range(1200):  # more than the high-water mark, because there is no queue that could fill
        assert await pub.try_send(b"news %d" % n)
    sub = await world.client.socket("SUB")
    await sub.subscribe(b"news")
    await world.join(pub, sub)
    await settle(pub, sub)
    await pub.send(b"news at last")
    assert await sub.recv() == b"news at last"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("29-4", "29-5", "29-9", "29-10", "29-30", "29-31")
async def test_a_slow_subscriber_loses_messages_and_delays_no_peer(world: World) -> None:
    """The SUB stops reading at its high-water mark, the publisher's queue fills, and the publisher drops (29-31)."""
    little = {"sndbuf": 65536, "rcvbuf": 65536}
    pub = await world.server.socket("PUB", sndhwm=10, **little)
    slow, quick = [await world.client.socket("SUB", rcvhwm=10, **little) for _ in range(2)]
    await world.join(pub, slow, quick)
    for sub in (slow, quick):
        await sub.subscribe(b"")
    await settle(pub, slow, quick)

    half = payload(32_768)
    for n in range(300):  # about 20 MB: more than the queues and buffers between the two hold
        await pub.send_multipart([b"%d" % n, half, half])
        assert_same(await quick.recv_multipart(), [b"%d" % n, half, half])

    numbers: list[int] = []
    with trio.fail_after(PATIENCE):
        for n in count(300):  # each turn makes room for one message, until a new one has arrived
            await pub.send_multipart([b"%d" % n, half, half])
            await quick.recv_multipart()
            message = await slow.recv_multipart()
            assert_same(message, [message[0], half, half])
            numbers.append(int(message[0]))
            if numbers[-1] >= 300:
                break
    assert numbers == sorted(set(numbers)), "out of order, or twice"
    assert numbers[:10] == list(range(10)), "what fits below the mark is not dropped"
    assert len(numbers) < 300, "nothing was dropped: this test has not tested anything"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("29-23", "29-24", "29-25", "37-58", "37-59", "L-36", "L-38")
async def test_an_xpub_shows_the_subscriptions_of_a_sub(world: World) -> None:
    xpub, sub = await world.pair("XPUB", "SUB")
    await sub.subscribe(b"a")
    assert await xpub.recv() == b"\x01a"
    await sub.subscribe(b"", payload(300))
    assert await xpub.recv() == b"\x01"
    assert await xpub.recv() == b"\x01" + payload(300)
    await sub.unsubscribe(b"never", b"a")
    assert await xpub.recv() == b"\x00a"
    await sub.close()
    assert {await xpub.recv(), await xpub.recv()} == {b"\x00", b"\x00" + payload(300)}


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-38", "37-61")
async def test_a_sub_that_connects_sends_each_subscription_once(world: World) -> None:
    xpub = await world.server.socket("XPUB", xpub_verboser=1)
    sub = await world.client.socket("SUB")
    await sub.subscribe(b"a", b"a", b"b", b"c")
    await sub.unsubscribe(b"b")
    await world.join(xpub, sub)
    assert {await xpub.recv(), await xpub.recv()} == {b"\x01a", b"\x01c"}
    await sub.subscribe(b"end")
    assert await xpub.recv() == b"\x01end"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("37-58", "37-59", "29-6", "29-11", "29-12", "29-44")
async def test_a_pub_accepts_subscriptions_as_messages_of_an_xsub(world: World) -> None:
    """An XSUB's program sends `01 topic` as a message, and libzmq sends it as one even to a peer of ZMTP 3.1."""
    pub, xsub = await world.pair("PUB", "XSUB")
    await xsub.send(b"\x01a")
    await xsub.send(b"up the stream: a PUB throws it away")
    await settle_xsub(pub, xsub)
    await pub.send(b"b")
    await pub.send(b"ab")
    assert await xsub.recv() == b"ab"
    await xsub.send(b"\x00a")
    await settle_xsub(pub, xsub)
    await pub.send(b"ab")
    await settle_xsub(pub, xsub)


async def settle_xsub(pub: Peer, xsub: Peer) -> None:
    """`settle` for an XSUB, which has no subscribe() and returns everything that arrives (29-42)."""
    marker = b"marker %d" % next(_markers)
    await xsub.send(b"\x01" + marker)
    with trio.fail_after(PATIENCE):
        while not (message := await xsub.try_recv()):
            await pub.send(marker)
    assert message == [marker]
    await pub.send(marker + b"last")
    while (again := await xsub.recv()) != marker + b"last":
        assert again == marker


_markers = count()
