"""sock.peers(): what has passed between a socket and each of its peers, as a program can read it."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import Event
from tests.minizmtp.helpers import TRANSPORTS, free_endpoint, pair, until
from tests.zmtp_peer import RawListener

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@every_transport
async def test_messages_are_counted_where_they_are(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(10):
            for number in range(5):
                await push.send_multipart([b"%d" % number, b"frames do not count"])
            assert await pull.poll()
            await wait_all_tasks_blocked(0.01)
            (there,), (here,) = push.peers(), pull.peers()
            assert (here.received, here.unread) == (0, 5)
            assert there.sent + there.queued == 5
            if not transport.startswith("inproc"):  # where one queue is for both, and poll() has looked at the first
                assert (there.sent, there.queued) == (5, 0)
            for _ in range(2):
                await pull.recv_multipart()
            (there,), (here,) = push.peers(), pull.peers()
            assert (here.received, here.unread) == (2, 3)
            assert there.sent + there.queued == 5
            assert there.dropped == here.dropped == 0
            assert there.connected
            assert here.connected
            assert here.endpoint == pull.last_endpoint


async def test_without_a_peer_all_is_queued_and_none_is_connected() -> None:
    async with zmq.Context() as ctx:
        endpoint = free_endpoint()
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=3)
        push.connect(endpoint)
        for _ in range(3):
            await push.send(b"x")
        with pytest.raises(zmq.Again):
            await push.send(b"x", zmq.NOBLOCK)
        (peer,) = push.peers()
        assert (peer.endpoint, peer.address, peer.connected) == (endpoint, "", False)
        assert (peer.sent, peer.queued, peer.dropped) == (0, 3, 0)


async def test_a_slow_listener_is_seen_by_what_it_has_missed() -> None:
    async with zmq.Context() as ctx:
        pub = ctx.socket(zmq.PUB, linger=0, sndhwm=5)
        pub.bind("inproc://news")
        slow, quick = ctx.socket(zmq.SUB, rcvhwm=5), ctx.socket(zmq.SUB, rcvhwm=100)
        for sub in (slow, quick):
            sub.subscribe(b"")
            sub.connect("inproc://news")
        for _ in range(15):
            await pub.send(b"x")
        assert [(peer.queued, peer.dropped) for peer in pub.peers()] == [(10, 5), (15, 0)]


async def test_messages_requeued_after_a_break_do_not_count_as_sent() -> None:
    """sent, queued and what the program sent always agree, also over a reconnect."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndbuf=4096, reconnect_ivl=1)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                for _ in range(20):
                    await push.send(bytes(100_000))
            await until(monitor, Event.DISCONNECTED)
            (statistics,) = push.peers()
            assert statistics.queued > 0
            assert statistics.sent + statistics.queued == 20
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                for _ in range(statistics.queued):
                    assert await peer.message() == [bytes(100_000)]
                (statistics,) = push.peers()
                assert (statistics.sent, statistics.queued) == (20, 0)


async def test_a_router_lists_its_present_peers_by_name_and_address() -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0)
        router.bind("tcp://127.0.0.1:*")
        monitor = router.monitor()
        with trio.fail_after(10):
            dealers = []
            for name in (b"a", b"b"):
                dealers.append(dealer := ctx.socket(zmq.DEALER, linger=0, routing_id=name))
                dealer.connect(router.last_endpoint)
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
            assert [(peer.routing_id, peer.address) for peer in router.peers()] == [
                (b"a", "127.0.0.1"),
                (b"b", "127.0.0.1"),
            ]
            dealers[0].close()
            await until(monitor, Event.DISCONNECTED)
            await wait_all_tasks_blocked()
            assert [peer.routing_id for peer in router.peers()] == [b"b"]
            router.close()
            await wait_all_tasks_blocked()
            assert router.peers() == []


async def test_notices_of_an_xpub_count_as_unread_until_received() -> None:
    async with zmq.Context() as ctx:
        xpub, sub = ctx.socket(zmq.XPUB), ctx.socket(zmq.SUB)
        xpub.bind("inproc://news")
        sub.connect("inproc://news")
        for prefix in (b"a", b"b"):
            sub.subscribe(prefix)
        assert [(peer.received, peer.unread) for peer in xpub.peers()] == [(0, 2)]
        assert await xpub.recv() == b"\x01a"
        assert [(peer.received, peer.unread) for peer in xpub.peers()] == [(1, 1)]


@every_transport
async def test_a_message_read_to_its_end_counts_as_received(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(10):
            for _ in range(3):
                await push.send_multipart([b"a", b"b", b"c"])
            for number in range(3):
                for frame in (b"a", b"b", b"c"):
                    assert [peer.received for peer in pull.peers()] == [number]
                    assert await pull.recv() == frame
            assert [(peer.received, peer.unread) for peer in pull.peers()] == [(3, 0)]


async def test_what_was_unread_at_a_disconnect_was_not_received() -> None:
    """A link that lingers is still listed: with what was read, and without what is lost."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER, sndbuf=4096)
        dealer.connect(server.endpoint)
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.greet(b"DEALER")
                await peer.send(b"\0\1x" * 5)
                assert await dealer.recv() == b"x"
                await wait_all_tasks_blocked(0.01)
                for _ in range(20):
                    await dealer.send(bytes(1_000_000))
                dealer.disconnect(server.endpoint)
                (lingering,) = dealer.peers()
                assert (lingering.received, lingering.unread) == (1, 0)
                assert lingering.queued > 0
                dealer.close(linger=0)


async def test_messages_that_were_refused_or_given_up_count_nowhere() -> None:
    """Again and EHOSTUNREACH, whole and in parts, cancelled or not: what was never queued is no loss of the peer's."""
    async with zmq.Context() as ctx:
        router, dealer = await pair(ctx, zmq.ROUTER, zmq.DEALER, "inproc://here", routing_id=b"d", hwm=1)
        router.router_mandatory = 1
        for _ in range(2):
            await router.send_multipart([b"d", b"x"])
        for name, error in ((b"d", zmq.Again), (b"gone", zmq.ZMQError)):
            with pytest.raises(error):
                await router.send_multipart([name, b"x"], zmq.NOBLOCK)
            with pytest.raises(error):
                await router.send(name, zmq.SNDMORE | zmq.NOBLOCK)
        with trio.move_on_after(0.01):
            await router.send_multipart([b"d", b"x"])
        assert [(peer.sent, peer.queued, peer.dropped) for peer in router.peers()] == [(0, 2, 0)]
        assert await dealer.recv() == await dealer.recv() == b"x"
        assert [(peer.received, peer.unread) for peer in dealer.peers()] == [(2, 0)]


async def test_what_a_proxy_could_not_pass_on_is_unread() -> None:
    async with zmq.Context() as ctx:
        frontend, source = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://front")
        backend, listener = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://back", hwm=1)
        backend.xpub_nodrop = 1
        listener.subscribe(b"")
        for _ in range(5):
            await source.send(b"x")
        with trio.move_on_after(0.05):
            await zmq.proxy(frontend, backend)
        assert [(peer.received, peer.unread) for peer in frontend.peers()] == [(2, 3)]
        assert [(peer.queued, peer.dropped) for peer in backend.peers()] == [(2, 0)]
