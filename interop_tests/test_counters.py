"""The counts in `peers()` are correct. libzmq has no such counts, so it is only the other side here."""

import pytest

import minizmtp
from interop_tests.ours import OurPeer
from interop_tests.world import Peer, World, settle

pytestmark = pytest.mark.over("tcp", "ipc")
WE_BIND = pytest.mark.pairs("ours-ours", "ours-libzmq")
WE_CONNECT = pytest.mark.pairs("ours-ours", "libzmq-ours")


def peers_of(peer: Peer) -> list[minizmtp.PeerStatistics]:
    assert isinstance(peer, OurPeer)
    return peer.socket.peers()


@WE_CONNECT
@pytest.mark.requirement("L-1", "L-4", "L-6", "30-3")
async def test_messages_queued_without_a_peer_are_counted_when_sent(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", sndhwm=5, reconnect_ivl=10)
    await push.connect(endpoint)
    for n in range(5):
        assert await push.try_send(b"%d" % n, b"", b"three frames are one message")
    assert not await push.try_send(b"refused")
    (before,) = peers_of(push)
    assert (before.queued, before.sent, before.dropped, before.connected) == (5, 0, 0, False)
    assert before.endpoint == endpoint
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    for _ in range(5):
        await pull.recv_multipart()
    (after,) = peers_of(push)
    assert (after.queued, after.sent, after.dropped, after.connected) == (0, 5, 0, True)


@WE_BIND
@pytest.mark.requirement("30-14", "30-18", "30-8", "28-26")
async def test_each_peer_is_counted_by_itself(world: World) -> None:
    dealer = await world.server.socket("DEALER")
    others = [await world.client.socket("DEALER", routing_id=b"%d" % n) for n in range(3)]
    await world.join(dealer, *others)
    for n, other in enumerate(others):
        for _ in range(n + 1):
            await other.send(b"up")
    for _ in range(5):
        await dealer.recv()
    for _ in range(6):
        await dealer.send(b"down")
    for other in others:
        assert [await other.recv(), await other.recv()] == [b"down", b"down"]
    assert await dealer.recv() == b"up"
    counted = {peer.routing_id: (peer.received, peer.unread, peer.sent, peer.queued) for peer in peers_of(dealer)}
    assert counted == {b"%d" % n: (n + 1, 0, 2, 0) for n in range(3)}
    assert all(peer.address == ("127.0.0.1" if world.transport == "tcp" else "") for peer in peers_of(dealer))
    await others[0].close()
    await dealer.wait_event("DISCONNECTED")
    assert len(peers_of(dealer)) == 2


@WE_BIND
@pytest.mark.requirement("29-2", "29-9", "29-10")
async def test_messages_dropped_for_a_slow_subscriber_are_counted(world: World) -> None:
    little = {"sndbuf": 65536, "rcvbuf": 65536}
    pub = await world.server.socket("PUB", sndhwm=3, **little)
    sub = await world.client.socket("SUB", rcvhwm=3, **little)
    await world.join(pub, sub)
    await sub.subscribe(b"")
    await settle(pub, sub)
    (begin,) = peers_of(pub)
    for n in range(300):
        await pub.send_multipart([b"%d" % n, bytes(32_768)])
    (end,) = peers_of(pub)
    lost = end.dropped - begin.dropped
    assert lost > 0, "nothing was dropped: this test has not tested anything"
    assert end.sent - begin.sent + end.queued + lost == 300
    for _ in range(300 - lost):
        await sub.recv_multipart()
    assert await sub.try_recv() is None
    (last,) = peers_of(pub)
    assert (last.sent - begin.sent, last.queued) == (300 - lost, 0)


@WE_BIND
@pytest.mark.requirement("28-32", "28-43", "30-17")
async def test_unread_messages_are_counted(world: World) -> None:
    router, dealer = await world.pair("ROUTER", "DEALER", {}, {"routing_id": b"alice"})
    for n in range(10):
        await dealer.send(b"%d" % n)
    assert await router.recv_multipart() == [b"alice", b"0"]
    await router.send_multipart([b"alice", b"answer"])
    assert await dealer.recv() == b"answer"
    await dealer.close()
    await router.wait_event("DISCONNECTED")
    assert peers_of(router) == []  # its counts are gone
    for n in range(1, 10):  # its messages aren't
        assert await router.recv_multipart() == [b"alice", b"%d" % n]


@WE_BIND
@pytest.mark.differs("limit set after bind")
@pytest.mark.requirement("30-6", "L-1")
async def test_a_limit_set_after_bind_counts_for_later_peers(world: World) -> None:
    push = await world.server.socket("PUSH", sndbuf=65_536)
    await push.bind(world.known_endpoint())
    await push.set_option("sndhwm", 5)
    pull = await world.client.socket("PULL", rcvhwm=1, rcvbuf=65_536)
    await pull.connect(push.last_endpoint)
    await push.wait_event("HANDSHAKE_SUCCEEDED")
    sent = 0
    while await push.try_send(b"%6d" % sent + bytes(100_000)):
        sent += 1
    (peer,) = peers_of(push)
    assert 0 < peer.queued <= 5
    for n in range(sent):
        assert int((await pull.recv())[:6]) == n
