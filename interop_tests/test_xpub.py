"""29/PUBSUB: the notices of an XPUB and the decisions of its program, and what an XSUB sends.

An XPUB acts on a subscription before it shows the notice, so these tests wait for the notice instead of `settle`.
"""

import errno

import pytest
import trio

from interop_tests.raw import RawPeer
from interop_tests.world import World, assert_same, payload, refuses, settle
from tests.zmtp_bytes import command

EAGER = {"reconnect_ivl": 10}
LITTLE = {"sndbuf": 65536, "rcvbuf": 65536}
EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")  # one kind, and a bare stream
EVERYWHERE = pytest.mark.over("tcp", "inproc")


# --- notices --------------------------------------------------------------------------------------

# The notices of an XPUB when one subscribes to a, two subscribes to a, one cancels a, and two cancels a. A separate
# topic after each step marks the position in the sequence.
NOTICES = {
    "": [b"\x01a", b"\x011", b"\x012", b"\x013", b"\x00a", b"\x014"],
    "xpub_verbose": [b"\x01a", b"\x011", b"\x01a", b"\x012", b"\x013", b"\x00a", b"\x014"],
    "xpub_verboser": [b"\x01a", b"\x011", b"\x01a", b"\x012", b"\x00a", b"\x013", b"\x00a", b"\x014"],
}


@EVERYWHERE
@pytest.mark.parametrize("option", NOTICES, ids=["plain", "verbose", "verboser"])
@pytest.mark.requirement("L-36", "29-13", "29-23", "29-24")
async def test_which_subscriptions_an_xpub_shows(world: World, option: str) -> None:
    xpub = await world.server.socket("XPUB", **({option: 1} if option else {}))
    one, two = [await world.client.socket("SUB") for _ in range(2)]
    await world.join(xpub, one, two)
    seen: list[bytes] = []
    steps = [(one.subscribe, one), (two.subscribe, two), (one.unsubscribe, one), (two.unsubscribe, two)]
    for n, (step, sub) in enumerate(steps, start=1):
        await step(b"a")
        await sub.subscribe(b"%d" % n)
        while not seen or seen[-1] != b"\x01%d" % n:
            seen.append(await xpub.recv())
    assert seen == NOTICES[option]
    assert await xpub.try_recv() is None


@pytest.mark.over("tcp", "ipc")
@pytest.mark.parametrize("option", ["xpub_verbose", "xpub_verboser"])
@pytest.mark.requirement("L-36", "29-25")
async def test_a_departed_subscriber_is_shown_as_unsubscribed(world: World, option: str) -> None:
    xpub = await world.server.socket("XPUB", **{option: 1})
    one, two = [await world.client.socket("SUB") for _ in range(2)]
    await world.join(xpub, one, two)
    for sub, own in ((one, b"b"), (two, b"c")):
        await sub.subscribe(b"a", own)
        assert [await xpub.recv(), await xpub.recv()] == [b"\x01a", b"\x01" + own]
    await one.close()
    gone = {b"\x00b"} if option == "xpub_verbose" else {b"\x00a", b"\x00b"}
    assert {await xpub.recv() for _ in gone} == gone
    await two.close()
    assert {await xpub.recv(), await xpub.recv()} == {b"\x00a", b"\x00c"}
    assert await xpub.try_recv() is None


@EVERY_KIND
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-36", "37-61")
async def test_a_cancellation_without_a_subscription_is_shown(world: World) -> None:
    xpub = await world.server.socket("XPUB")
    await xpub.bind(world.endpoint())
    async with await RawPeer.dial(xpub.last_endpoint) as raw:
        await raw.handshake("SUB")
        await raw.send(command(b"CANCEL", b"a") + bytes.fromhex("00 02 00 62"))
        assert [await xpub.recv(), await xpub.recv()] == [b"\x00a", b"\x00b"]


@pytest.mark.over("tcp")
@pytest.mark.requirement("29-12", "29-14", "29-3", "37-18", "L-39")
async def test_a_publisher_that_connects_keeps_a_returning_subscriber(world: World) -> None:
    """There is no notice that it left, and matching messages are queued for it."""
    endpoint = world.known_endpoint()
    sub = await world.server.socket("SUB")
    await sub.bind(endpoint)
    await sub.subscribe(b"a")
    xpub = await world.client.socket("XPUB", **EAGER)
    await world.join(sub, xpub)
    assert await xpub.recv() == b"\x01a"
    await world.server.crash()
    await xpub.wait_event("DISCONNECTED")
    for word in (b"b", b"a while away", b"a bit more"):
        await xpub.send(word)
    assert await xpub.try_recv() is None
    sub = await world.server.socket("SUB")
    await sub.subscribe(b"a")
    await sub.bind(endpoint)
    assert [await sub.recv(), await sub.recv()] == [b"a while away", b"a bit more"]


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-ours", "libzmq-ours")
@pytest.mark.differs("subscriptions of an earlier connection")
@pytest.mark.requirement("29-14", "29-3")
async def test_a_reconnected_subscriber_loses_its_old_subscriptions(world: World) -> None:
    endpoint = world.known_endpoint()
    xpub = await world.client.socket("XPUB", **EAGER)
    await xpub.connect(endpoint)
    for topic, shown in ((b"a", [b"\x01a"]), (b"b", [b"\x01b", b"\x00a"])):
        xsub = await world.server.socket("XSUB")
        await xsub.send(b"\x01" + topic)
        await xsub.bind(endpoint)
        assert [await xpub.recv() for _ in shown] == shown
        for word in (b"a", b"b"):
            await xpub.send(word)
        assert await xsub.recv() == topic
        if topic == b"a":
            await world.server.crash()
            await xpub.wait_event("DISCONNECTED")


@EVERYWHERE
@pytest.mark.requirement("29-24", "29-44", "L-36")
async def test_each_subscription_of_an_xsub_gets_through(world: World) -> None:
    """A verbose XPUB shows every subscription, also a second one to the same prefix."""
    xpub = await world.server.socket("XPUB", xpub_verbose=1)
    xsub = await world.client.socket("XSUB")
    await world.join(xpub, xsub)
    for frame in (b"\x01a", b"\x01a", b"\x01a", b"\x00a", b"\x00a", b"\x00a", b"\x00a", b"\x01end"):
        await xsub.send(frame)
    shown = [await xpub.recv() for _ in range(5)]
    assert shown == [b"\x01a", b"\x01a", b"\x01a", b"\x00a", b"\x01end"]


@EVERYWHERE
@pytest.mark.pairs("ours-ours", "libzmq-ours")
@pytest.mark.differs("repeated subscription")
@pytest.mark.requirement("37-61", "L-38")
async def test_a_sub_sends_the_first_of_two_equal_subscriptions(world: World) -> None:
    xpub = await world.server.socket("XPUB", xpub_verboser=1)
    sub = await world.client.socket("SUB")
    await world.join(xpub, sub)
    await sub.subscribe(b"a", b"a", b"b")
    await sub.unsubscribe(b"a", b"a", b"b")
    shown = [await xpub.recv() for _ in range(4)]
    assert shown == [b"\x01a", b"\x01b", b"\x00a", b"\x00b"]


# --- the program decides --------------------------------------------------------------------------


@EVERYWHERE
@pytest.mark.requirement("L-37", "29-25")
async def test_with_xpub_manual_each_silent_leave_is_shown(world: World) -> None:
    xpub = await world.server.socket("XPUB", xpub_manual=1)
    subs = [await world.client.socket("SUB") for _ in range(3)]
    await world.join(xpub, *subs)
    for sub in subs:
        await sub.subscribe(b"t")
        assert await xpub.recv() == b"\x01t"
        await xpub.subscribe(b"granted")
    for sub in subs:
        await sub.close()
        assert await xpub.recv() == b"\x00t"
    assert await xpub.try_recv() is None


@EVERYWHERE
@pytest.mark.requirement("L-37", "29-24")
async def test_with_xpub_manual_the_program_subscribes_its_peers(world: World) -> None:
    """A call subscribes the peer of the latest notice, so a second notice with the same prefix is shown as well."""
    xpub = await world.server.socket("XPUB", xpub_manual=1)
    one, two = [await world.client.socket("XSUB") for _ in range(2)]  # XSUBs return everything that arrives
    await world.join(xpub, one, two)
    await one.send(b"\x01A")
    assert await xpub.recv() == b"\x01A"
    await xpub.send(b"A is not what anybody gets")
    await xpub.subscribe(b"first")
    await two.send(b"\x01A")
    assert await xpub.recv() == b"\x01A"
    await xpub.subscribe(b"second")
    for word in (b"A", b"first 1", b"second 1"):
        await xpub.send(word)
    assert await one.recv() == b"first 1"
    assert await two.recv() == b"second 1"
    await one.send(b"\x00A")
    assert await xpub.recv() == b"\x00A"
    await xpub.unsubscribe(b"first")
    await xpub.subscribe(b"both")
    await two.send(b"\x01B")
    assert await xpub.recv() == b"\x01B"
    await xpub.subscribe(b"both")
    for word in (b"first 2", b"second 2", b"both"):
        await xpub.send(word)
    assert await one.recv() == b"both"
    assert [await two.recv(), await two.recv()] == [b"second 2", b"both"]


@EVERYWHERE
@pytest.mark.requirement("L-37")
async def test_without_xpub_manual_the_program_does_not(world: World) -> None:
    xpub, sub = await world.pair("XPUB", "SUB")
    await sub.subscribe(b"a")
    assert await xpub.recv() == b"\x01a"
    with refuses(errno.EINVAL):
        await xpub.subscribe(b"b")


@EVERYWHERE
@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
@pytest.mark.requirement("L-37", "L-40")
async def test_a_welcome_is_a_subscribers_first_message(world: World, kind: str) -> None:
    publisher = await world.server.socket(kind, xpub_welcome_msg=b"welcome")
    await publisher.bind(world.endpoint())
    for n in range(2):
        sub = await world.client.socket("SUB")
        await sub.subscribe(b"welcome", b"news")
        deaf = await world.client.socket("SUB")
        await deaf.subscribe(b"news")
        await world.join(publisher, sub, deaf)
        assert await sub.recv() == b"welcome"
        await settle(publisher, sub, deaf)
        await publisher.send(b"news %d" % n)
        assert await sub.recv() == b"news %d" % n
        assert await deaf.recv() == b"news %d" % n


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("29-19", "29-20", "29-10")
async def test_with_xpub_nodrop_a_publisher_waits_for_the_slowest(world: World) -> None:
    body = payload(65_536)
    xpub, sub = await world.pair("XPUB", "SUB", {"xpub_nodrop": 1, "sndhwm": 2, **LITTLE}, {"rcvhwm": 2, **LITTLE})
    await sub.subscribe(b"a")
    assert await xpub.recv() == b"\x01a"
    sent = 0
    while sent < 200 and await xpub.try_send(b"a", b"%d" % sent, body):
        sent += 1
    assert sent < 200, "nothing is full: this test has not tested anything"
    assert await xpub.try_send(b"b", b"nobody wants this")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(xpub.send_multipart, [b"a", b"%d" % sent, body])  # this call waits
        for n in range(sent + 1):
            assert_same(await sub.recv_multipart(), [b"a", b"%d" % n, body])


@EVERYWHERE
@pytest.mark.requirement("29-8", "29-18", "37-60")
async def test_invert_matching_makes_a_subscription_an_exclusion(world: World) -> None:
    inverted = {"invert_matching": 1}
    xpub, sub = await world.pair("XPUB", "SUB", inverted, inverted)
    await xpub.send(b"to all, for nobody has said what is not wanted")
    if world.transport == "inproc":
        await sub.recv()
    await sub.subscribe(b"a")
    assert await xpub.recv() == b"\x01a"
    for word in (b"abc", b"b", b"a", b"c"):
        await xpub.send(word)
    heard = [await sub.recv()]
    while heard[-1] != b"c":
        heard.append(await sub.recv())
    assert heard[-2:] == [b"b", b"c"]
    assert not [word for word in heard if word.startswith(b"a")]


# --- upstream -------------------------------------------------------------------------------------


@pytest.mark.over("tcp", "ipc", "inproc")
@pytest.mark.requirement("29-36", "29-44")
async def test_what_an_xsub_sends_before_the_handshake_arrives(world: World) -> None:
    endpoint = world.known_endpoint()
    xsub = await world.client.socket("XSUB", **EAGER)
    await xsub.connect(endpoint)
    sent = [b"\x01topic", b"hello", b"\x01other", b"bye"]
    for word in sent:
        await xsub.send(word)
    xpub = await world.server.socket("XPUB")
    await xpub.bind(endpoint)
    assert [await xpub.recv() for _ in sent] == sent


@EVERYWHERE
@pytest.mark.requirement("29-22", "29-39", "29-42", "29-43", "29-44", "29-46", "29-47", "29-48")
async def test_an_xsub_sends_up_the_stream_to_all_its_publishers(world: World) -> None:
    xsub = await world.server.socket("XSUB")
    xpubs = [await world.client.socket("XPUB") for _ in range(2)]
    await world.join(xsub, *xpubs)
    with refuses(errno.EINVAL):
        await xsub.subscribe(b"that is for SUB")
    for frames in ([b"\x01a"], [b"word"], [b"of", b"", b"several frames"], [b""], [b"\x01a"], [b"\x00a"], [b"end"]):
        await xsub.send_multipart(frames)
    for xpub in xpubs:
        expected = [[b"\x01a"], [b"word"], [b"of", b"", b"several frames"], [b""], [b"end"]]
        assert [await xpub.recv_multipart() for _ in expected] == expected  # without the repeated a
        await xpub.send(b"a1")
        assert await xsub.recv() == b"a1"
    await xsub.send(b"\x00a")
    for xpub in xpubs:
        assert await xpub.recv() == b"\x00a"


@pytest.mark.over("tcp")
@pytest.mark.requirement("29-36", "37-18", "L-38")
async def test_an_xsub_asks_again_after_a_reconnect_each_topic_once(world: World) -> None:
    endpoint = world.known_endpoint()
    xsub = await world.client.socket("XSUB", **EAGER)
    for request in (b"\x01a", b"\x01a", b"\x01b", b"\x01c", b"\x00c"):
        await xsub.send(request)
    await xsub.connect(endpoint)
    for _ in range(2):
        xpub = await world.server.socket("XPUB", xpub_verboser=1)
        await xpub.bind(endpoint)
        assert {await xpub.recv(), await xpub.recv()} == {b"\x01a", b"\x01b"}
        await world.handshakes(xpub, xsub)
        await xsub.send(b"end")
        assert await xpub.recv() == b"end"
        await world.server.crash()
        await xsub.wait_event("DISCONNECTED")


@EVERYWHERE
@pytest.mark.requirement("29-42", "29-34")
async def test_an_xsub_shows_what_a_sub_would_filter(world: World) -> None:
    xpub = await world.server.socket("XPUB", xpub_manual=1)
    xsub, sub = await world.client.socket("XSUB"), await world.client.socket("SUB")
    await world.join(xpub, xsub, sub)
    await xsub.send(b"\x01a")
    await sub.subscribe(b"a")
    for _ in range(2):
        assert await xpub.recv() == b"\x01a"
        await xpub.subscribe(b"")
    for word in (b"b", b"a"):
        await xpub.send(word)
    assert [await xsub.recv(), await xsub.recv()] == [b"b", b"a"]
    assert await sub.recv() == b"a"
