"""28/REQREP: DEALER and ROUTER, and names: how a peer gets one, which are allowed, and where a message goes.

The RFC has one sentence about names. The other rules are libzmq's behaviour, which the control shows.
"""

import errno

import pytest
import trio
import trio.testing

from interop_tests.raw import RawListener, RawPeer
from interop_tests.world import PATIENCE, Peer, Refused, World, assert_same, payload, refuses
from tests.zmtp_bytes import GREETING, command, metadata

EAGER = {"reconnect_ivl": 10}
LITTLE = {"sndbuf": 65536, "rcvbuf": 65536}
EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")  # one kind, and a bare stream


async def introduce(router: Peer, dealer: Peer) -> bytes:
    """The DEALER's name at the ROUTER."""
    await dealer.send(b"hello")
    name, word = await router.recv_multipart()
    assert word == b"hello"
    return name


async def becomes_unreachable(router: Peer, name: bytes) -> None:
    """Wait until the ROUTER has removed the name of a peer that left; `router_mandatory` shows it."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await router.send_multipart([name, b"still there?"])
            except Refused as refusal:
                if refusal.errno != errno.EHOSTUNREACH:
                    raise
                return
            await trio.sleep(0.005)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("28-33", "28-35", "28-39", "28-40", "28-41", "28-42", "L-25")
async def test_a_router_makes_up_names_of_five_octets(world: World) -> None:
    router = await world.server.socket("ROUTER")
    dealers = [await world.client.socket("DEALER") for _ in range(3)]
    await world.join(router, *dealers)
    names = [await introduce(router, dealer) for dealer in dealers]
    assert len(set(names)) == 3
    assert all(len(name) == 5 and name[0] == 0 for name in names), names
    for dealer, name in reversed(list(zip(dealers, names, strict=True))):
        await router.send_multipart([name, b"you are", name])
        assert await dealer.recv_multipart() == [b"you are", name]
        assert await introduce(router, dealer) == name  # the name stays the same


@pytest.mark.over("tcp", "inproc")
@pytest.mark.parametrize("name", [b"a", b"alice", bytes(range(1, 256))], ids=["1", "5", "255"])
@pytest.mark.requirement("28-36", "37-46", "37-47", "L-25")
async def test_a_peer_may_choose_its_name(world: World, name: bytes) -> None:
    router, dealer = await world.pair("ROUTER", "DEALER", {}, {"routing_id": name})
    assert await introduce(router, dealer) == name
    await router.send_multipart([name, b"hello"])
    assert await dealer.recv() == b"hello"


@pytest.mark.over("tcp")
@pytest.mark.requirement("28-36", "37-46")
async def test_a_req_keeps_its_chosen_name_over_a_reconnect(world: World) -> None:
    endpoint = world.known_endpoint()
    req = await world.client.socket("REQ", routing_id=b"alice", req_relaxed=1, **EAGER)
    await req.connect(endpoint)
    for _ in range(2):
        router = await world.server.socket("ROUTER")
        await router.bind(endpoint)
        await world.handshakes(router, req)
        await req.send(b"who am I?")
        assert await router.recv_multipart() == [b"alice", b"", b"who am I?"]
        await router.send_multipart([b"alice", b"", b"alice"])
        assert await req.recv() == b"alice"
        await world.server.crash()
        await req.wait_event("DISCONNECTED")


@pytest.mark.over("tcp")
@pytest.mark.requirement("L-28", "28-35")
async def test_a_second_peer_of_the_same_name_is_not_looked_at(world: World) -> None:
    """It stays connected, isn't read, and doesn't replace the first peer when that one leaves."""
    router = await world.server.socket("ROUTER", router_mandatory=1)
    first, second, third = [await world.client.socket("DEALER", routing_id=b"twin") for _ in range(3)]
    await world.join(router, first)
    assert await introduce(router, first) == b"twin"
    await world.join(router, second)
    await second.send(b"from the second")
    await router.send_multipart([b"twin", b"for the first"])
    assert await first.recv() == b"for the first"
    assert await introduce(router, first) == b"twin"
    await first.close()
    await router.wait_event("DISCONNECTED")
    await becomes_unreachable(router, b"twin")
    await world.join(router, third)
    assert await introduce(router, third) == b"twin"
    await router.send_multipart([b"twin", b"for the third"])
    assert await third.recv() == b"for the third"
    assert await router.try_recv() is None
    assert await second.try_recv() is None
    assert second.events.count("DISCONNECTED") == 0


@pytest.mark.over("tcp")
@pytest.mark.requirement("L-28", "L-29")
async def test_with_handover_the_newcomer_takes_the_name(world: World) -> None:
    """The earlier peer's connection carries nothing more. That peer doesn't dial again here, because it would take the
    name back."""
    router = await world.server.socket("ROUTER", router_handover=1, router_mandatory=1)
    first, second = [await world.client.socket("DEALER", routing_id=b"twin", reconnect_ivl=-1) for _ in range(2)]
    await world.join(router, first)
    assert await introduce(router, first) == b"twin"
    await world.join(router, second)
    assert await introduce(router, second) == b"twin"
    await first.try_send(b"from the first")
    for n in range(3):
        await router.send_multipart([b"twin", b"%d" % n])
        assert await second.recv() == b"%d" % n
    await first.close()
    assert await introduce(router, second) == b"twin"
    await router.send_multipart([b"twin", b"still"])
    assert await second.recv() == b"still"


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-ours", "ours-libzmq")
@pytest.mark.differs("router_handover")
@pytest.mark.requirement("L-28")
async def test_with_handover_the_connection_before_is_closed(world: World) -> None:
    router = await world.server.socket("ROUTER", router_handover=1)
    first, second = [await world.client.socket("DEALER", routing_id=b"twin", reconnect_ivl=-1) for _ in range(2)]
    await world.join(router, first)
    assert await introduce(router, first) == b"twin"
    await world.join(router, second)
    assert await introduce(router, second) == b"twin"
    await first.wait_event("DISCONNECTED")
    assert second.events.count("DISCONNECTED") == 0


@pytest.mark.over("tcp", "ipc")
@pytest.mark.pairs("ours-ours", "ours-libzmq")
@pytest.mark.differs("second peer")
@pytest.mark.requirement("L-28")
async def test_the_end_of_a_refused_peer_is_noticed(world: World) -> None:
    """Even if it has sent more than the queues and buffers between the two hold."""
    body = payload(65_536)
    router = await world.server.socket("ROUTER", rcvhwm=2)
    first, second = [await world.client.socket("DEALER", routing_id=b"twin", sndhwm=2) for _ in range(2)]
    await world.join(router, first)
    assert await introduce(router, first) == b"twin"
    await world.join(router, second)
    for _ in range(200):
        await second.send(body)
    await second.close()
    await router.wait_event("DISCONNECTED")
    assert await introduce(router, first) == b"twin"
    assert await router.try_recv() is None


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-ours", "libzmq-ours")
@pytest.mark.differs("probe_router")
@pytest.mark.requirement("L-30")
async def test_a_router_that_was_started_anew_is_probed_again(world: World) -> None:
    endpoint = world.known_endpoint()
    prober = await world.client.socket("DEALER", routing_id=b"prober", probe_router=1, reconnect_ivl=10)
    await prober.connect(endpoint)
    for _ in range(2):
        router = await world.server.socket("ROUTER")
        await router.bind(endpoint)
        assert await router.recv_multipart() == [b"prober", b""]
        await world.server.crash()
        await prober.wait_event("DISCONNECTED")


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-ours", "libzmq-ours")
@pytest.mark.differs("peer of another name on a new connection")
@pytest.mark.requirement("28-33", "28-35")
async def test_a_dialled_peer_has_the_name_it_gives_last(world: World) -> None:
    endpoint = world.known_endpoint()
    router = await world.client.socket("ROUTER", router_mandatory=1, reconnect_ivl=10)
    for name in (b"one", b"two"):
        dealer = await world.server.socket("DEALER", routing_id=name)
        await dealer.bind(endpoint)
        if name == b"one":
            await router.connect(endpoint)
        await dealer.send(b"hello")
        assert await router.recv_multipart() == [name, b"hello"]
        await router.send_multipart([name, b"for you"])
        assert await dealer.recv() == b"for you"
        if name == b"one":
            await world.server.crash()
            await router.wait_event("DISCONNECTED")
            await router.send_multipart([b"one", b"for the first, never for the second"])
    await becomes_unreachable(router, b"one")


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-ours", "ours-libzmq")
@pytest.mark.differs("identity of a REP's peers")
@pytest.mark.requirement("37-46")
async def test_two_clients_of_one_name_are_both_served_by_a_rep(world: World) -> None:
    rep = await world.server.socket("REP")
    reqs = [await world.client.socket("REQ", routing_id=b"twin") for _ in range(2)]
    await world.join(rep, *reqs)
    for req in reqs:
        await req.send(b"question")
        assert await rep.recv() == b"question"
        await rep.send(b"answer")
        assert await req.recv() == b"answer"


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-libzmq")
@pytest.mark.differs("identity that begins with a zero")
@pytest.mark.requirement("37-48")
async def test_a_peer_cannot_claim_a_name_that_the_router_assigned(world: World) -> None:
    router, honest = await world.pair("ROUTER", "DEALER")
    name = await introduce(router, honest)
    thief = metadata((b"Socket-Type", b"DEALER"), (b"Identity", name))
    async with await RawPeer.dial(router.last_endpoint) as raw:
        await raw.send(GREETING + command(b"READY", thief) + b"\x00\x01x")
        other, word = await router.recv_multipart()
        assert word == b"x"
        assert other != name
        await router.send_multipart([name, b"for the honest"])
        assert await honest.recv() == b"for the honest"


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("L-25", "28-33", "L-17")
async def test_the_connecting_router_names_its_peers(world: World) -> None:
    """connect_routing_id applies to one connect, and the name can be used before the peer is connected."""
    endpoints = [world.known_endpoint() for _ in range(2)]
    router = await world.client.socket("ROUTER", router_mandatory=1, **EAGER)
    for name, endpoint in zip((b"left", b"right"), endpoints, strict=True):
        await router.set_option("connect_routing_id", name)
        await router.connect(endpoint)
    for name in (b"left", b"right"):
        await router.send_multipart([name, b"you are", name])
    for name, endpoint in zip((b"left", b"right"), endpoints, strict=True):
        dealer = await world.server.socket("DEALER", routing_id=b"somebody else")
        await dealer.bind(endpoint)
        assert await dealer.recv_multipart() == [b"you are", name]
        await dealer.send(b"so be it")
        assert await router.recv_multipart() == [name, b"so be it"]


# --- unreachable peers ----------------------------------------------------------------------------


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("L-26", "28-41", "28-43", "28-44")
async def test_a_message_to_an_unknown_peer_is_dropped_or_refused(world: World) -> None:
    silent = await world.server.socket("ROUTER")
    strict = await world.server.socket("ROUTER", router_mandatory=1)
    for router in (silent, strict):
        dealer = await world.client.socket("DEALER", routing_id=b"alice")
        await world.join(router, dealer)
        assert await introduce(router, dealer) == b"alice"
        if router is silent:
            await router.send_multipart([b"nobody", b"dropped"])
        else:
            with refuses(errno.EHOSTUNREACH):
                await router.send_multipart([b"nobody", b"refused"])
        await router.send_multipart([b"alice"])  # a name without a message is dropped
        await router.send_multipart([b"alice", b"kept"])
        assert await dealer.recv_multipart() == [b"kept"]
        await dealer.close()
    await becomes_unreachable(strict, b"alice")
    await silent.send_multipart([b"alice", b"too late"])


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-27", "28-24", "28-37", "28-43", "28-44")
async def test_a_full_peer_is_an_error_or_its_messages_are_dropped(world: World) -> None:
    body = payload(65_536)
    strict = await world.server.socket("ROUTER", router_mandatory=1, sndhwm=2, **LITTLE)
    silent = await world.server.socket("ROUTER", sndhwm=2, **LITTLE)
    for router in (strict, silent):
        dealer = await world.client.socket("DEALER", routing_id=b"slow", rcvhwm=2, **LITTLE)
        await world.join(router, dealer)
        await introduce(router, dealer)
        sent = 0
        while sent < 200 and await router.try_send(b"slow", b"%d" % sent, body):
            sent += 1
        if router is silent:
            assert sent == 200, "it waits: a ROUTER drops"
            assert_same(await dealer.recv_multipart(), [b"0", body])
            assert_same(await dealer.recv_multipart(), [b"1", body])
            continue
        assert sent < 200, "nothing is full: this test has not tested anything"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(router.send_multipart, [b"slow", b"%d" % sent, body])  # this call waits
            for n in range(sent + 1):
                assert_same(await dealer.recv_multipart(), [b"%d" % n, body])


# --- probes ---------------------------------------------------------------------------------------


@pytest.mark.over("tcp")
@pytest.mark.parametrize("kind", ["DEALER", "REQ", "ROUTER"])
@pytest.mark.requirement("L-30")
async def test_a_probe_gives_a_router_the_name_of_its_peer(world: World, kind: str) -> None:
    router, prober = await world.pair("ROUTER", kind, {}, {"probe_router": 1, "routing_id": b"prober"})
    assert await router.recv_multipart() == [b"prober", b""]
    if kind == "DEALER":
        await router.send_multipart([b"prober", b"welcome"])
        assert await prober.recv() == b"welcome"


@EVERY_KIND
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-30", "37-83")
async def test_a_probe_is_an_empty_message_before_all_others(world: World) -> None:
    async with RawListener.listen() as listener:
        dealer = await world.server.socket("DEALER", probe_router=1)
        await dealer.connect(listener.endpoint)
        await dealer.send(b"hello")
        async with await listener.accept() as raw:
            await raw.handshake("ROUTER")
            assert await raw.receive(2 + 7) == bytes.fromhex("00 00") + b"\x00\x05hello"


# --- taking turns ---------------------------------------------------------------------------------


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("28-12", "28-20", "28-21", "28-26", "28-30", "28-31", "28-38")
async def test_a_dealer_sends_in_turn_and_receives_in_turn(world: World) -> None:
    dealer = await world.server.socket("DEALER")
    others = [await world.client.socket("DEALER") for _ in range(3)]
    await world.join(dealer, *others)
    for n in range(9):
        await dealer.send(b"%d" % n)
    hands = [[int(await other.recv()) for _ in range(3)] for other in others]
    assert sorted(n for hand in hands for n in hand) == list(range(9))
    assert all([n % 3 for n in hand] == [hand[0] % 3] * 3 for hand in hands), hands
    for name, other in zip((b"a", b"b", b"c"), others, strict=True):
        for n in range(3):
            await other.send(name + b"%d" % n)
    heard = sorted([await dealer.recv() for _ in range(9)])
    assert heard == [b"a0", b"a1", b"a2", b"b0", b"b1", b"b2", b"c0", b"c1", b"c2"]


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("28-27", "28-28", "28-29", "28-22", "28-25", "L-1", "L-6")
async def test_a_dealer_queues_only_for_peers_it_connects_to(world: World) -> None:
    """Without a connect it accepts no message; after a connect it accepts as many as the high-water mark."""
    endpoint = world.known_endpoint()
    dealer = await world.client.socket("DEALER", sndhwm=3, **EAGER)
    assert not await dealer.try_send(b"to nobody")
    await dealer.connect(endpoint)
    for n in range(3):
        assert await dealer.try_send(b"%d" % n)
    assert not await dealer.try_send(b"one too many")
    router = await world.server.socket("ROUTER")
    await router.bind(endpoint)
    assert [(await router.recv_multipart())[1] for _ in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.over("tcp")
@pytest.mark.pairs("ours-ours", "ours-libzmq")
@pytest.mark.differs("peer that leaves while a send waits for it")
@pytest.mark.requirement("28-43", "L-26", "L-27")
async def test_a_send_that_waits_for_a_peer_ends_with_the_peer(world: World) -> None:
    router = await world.server.socket("ROUTER", router_mandatory=1, sndhwm=1, sndbuf=4096)
    dealer = await world.client.socket("DEALER", routing_id=b"worker", rcvhwm=1, rcvbuf=4096)
    await world.join(router, dealer)
    assert await introduce(router, dealer) == b"worker"
    number = 0
    with trio.fail_after(PATIENCE):
        while await router.try_send(b"worker", bytes(20_000)):
            number += 1
            await trio.sleep(0.01)
    assert number > 0
    ended: list[int] = []

    async def send() -> None:
        try:
            for _ in range(1000):  # because libzmq may still be sending, which makes room
                await router.send_multipart([b"worker", bytes(20_000)])
        except Refused as refusal:
            ended.append(refusal.errno)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert ended == []
            await dealer.close(0)
    assert ended == [errno.EHOSTUNREACH]
