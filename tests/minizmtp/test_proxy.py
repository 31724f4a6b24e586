"""proxy: what comes in at one socket goes out at the other, both ways, and nothing stays in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.sockets.socket import TURNS
from tests.minizmtp.helpers import CUT, cut_at, pair, receive_all
from tests.minizmtp.inside import watchers_of

TRANSPORTS = ["tcp", "inproc"]
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


def bound(ctx: zmq.Context, kind: zmq.SocketType, transport: str, **options: object) -> zmq.Socket:
    sock = ctx.socket(kind, **({"linger": 0} | options))
    sock.bind("tcp://127.0.0.1:*" if transport == "tcp" else f"inproc://{kind.name}-{id(sock)}")
    return sock


def connected(ctx: zmq.Context, kind: zmq.SocketType, to: zmq.Socket, **options: object) -> zmq.Socket:
    sock = ctx.socket(kind, **({"linger": 0} | options))
    sock.connect(to.last_endpoint)
    return sock


@asynccontextmanager
async def running(*sockets: zmq.Socket) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(zmq.proxy, *sockets)
        yield
        nursery.cancel_scope.cancel()


@every_transport
async def test_each_reply_returns_to_its_client(transport: str) -> None:
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.ROUTER, transport), bound(ctx, zmq.DEALER, transport)

        async def serve(name: bytes) -> None:
            async with connected(ctx, zmq.REP, backend) as rep:
                async for request in rep:
                    await rep.send_multipart([name, *request])

        async def ask(name: bytes, served_by: set[bytes]) -> None:
            async with connected(ctx, zmq.REQ, frontend) as req:
                for number in range(20):
                    await req.send_multipart([name, b"", b"%d" % number])
                    who, *rest = await req.recv_multipart()
                    assert rest == [name, b"", b"%d" % number]
                    served_by.add(who)

        served_by: set[bytes] = set()
        with trio.fail_after(20):
            async with running(frontend, backend), trio.open_nursery() as servers:
                for name in (b"one", b"two"):
                    servers.start_soon(serve, name)
                async with trio.open_nursery() as askers:
                    for name in (b"a", b"b", b"c"):
                        askers.start_soon(ask, name, served_by)
                servers.cancel_scope.cancel()
        assert served_by == {b"one", b"two"}


@every_transport
async def test_a_proxy_forwards_subscriptions_and_filters(transport: str) -> None:
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.XSUB, transport), bound(ctx, zmq.XPUB, transport)
        station = connected(ctx, zmq.XPUB, frontend)  # which sees what is asked for; otherwise a PUB
        with trio.fail_after(20):
            async with running(frontend, backend):
                europe, america = (connected(ctx, zmq.SUB, backend) for _ in range(2))
                europe.subscribe(b"eu")
                assert await station.recv() == b"\x01eu"
                america.subscribe(b"us")
                assert await station.recv() == b"\x01us"
                for topic in (b"as", b"us", b"eu"):
                    await station.send_multipart([topic, b"news"])
                assert await europe.recv_multipart() == [b"eu", b"news"]
                assert await america.recv_multipart() == [b"us", b"news"]
                europe.close()
                assert await station.recv() == b"\x00eu"


@every_transport
async def test_work_passes_in_order_and_a_copy_of_it_goes_to_capture(transport: str) -> None:
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.PULL, transport), bound(ctx, zmq.PUSH, transport)
        capture = bound(ctx, zmq.PUSH, transport)
        source, sink, copy = (
            connected(ctx, kind, to) for kind, to in ((zmq.PUSH, frontend), (zmq.PULL, backend), (zmq.PULL, capture))
        )
        messages = [[b"%d" % number, b"", b"body"] for number in range(200)]
        with trio.fail_after(20):
            assert await backend.poll(flags=zmq.POLLOUT)
            assert await capture.poll(flags=zmq.POLLOUT)
            async with running(frontend, backend, capture):
                for message in messages:
                    await source.send_multipart(message)
                assert [await sink.recv_multipart() for _ in messages] == messages
                assert [await copy.recv_multipart() for _ in messages] == messages


async def test_capture_gets_both_directions_and_holds_up_neither() -> None:
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.ROUTER, "inproc"), bound(ctx, zmq.DEALER, "inproc")
        capture = bound(ctx, zmq.PUSH, "inproc", sndhwm=1)
        req, rep = connected(ctx, zmq.REQ, frontend, routing_id=b"me"), connected(ctx, zmq.REP, backend)
        copy = connected(ctx, zmq.PULL, capture, rcvhwm=1)
        with trio.fail_after(20):
            async with running(frontend, backend, capture):
                for _ in range(5):  # the copies of the first two fill its queue, because they are not read
                    await req.send(b"?")
                    assert await rep.recv() == b"?"
                    await rep.send(b"!")
                    assert await req.recv() == b"!"
                assert await receive_all(copy) == [[b"me", b"", b"?"], [b"me", b"", b"!"]]


@every_transport
async def test_a_stuck_target_loses_nothing_and_reorders_nothing(transport: str) -> None:
    async with zmq.Context() as ctx:
        small = {"hwm": 2, "sndbuf": 4096, "rcvbuf": 4096}
        frontend, backend = bound(ctx, zmq.PULL, transport, **small), bound(ctx, zmq.PUSH, transport, **small)
        source, sink = connected(ctx, zmq.PUSH, frontend, **small), connected(ctx, zmq.PULL, backend, **small)
        sent = got = 0
        with trio.fail_after(20):
            async with running(frontend, backend):
                for _ in range(3):
                    while await source.poll(20, zmq.POLLOUT):
                        await source.send(b"%6d" % sent + bytes(4000))
                        sent += 1
                    while got < sent - 1:
                        assert (await sink.recv())[:6] == b"%6d" % got
                        got += 1
                assert (await sink.recv())[:6] == b"%6d" % got
                assert await sink.poll(20) == 0
        assert sent > 10


async def test_a_proxy_waits_for_a_target_in_one_direction_only() -> None:
    async with zmq.Context() as ctx:
        one, other = bound(ctx, zmq.DEALER, "inproc"), bound(ctx, zmq.DEALER, "inproc")
        left, late = connected(ctx, zmq.DEALER, one), ctx.socket(zmq.DEALER)
        with trio.fail_after(20):
            async with running(one, other):
                await left.send(b"to whom?")
                await wait_all_tasks_blocked()
                late.connect(other.last_endpoint)
                assert await late.recv() == b"to whom?"
                await late.send(b"to me")
                assert await left.recv() == b"to me"


@every_transport
async def test_xpub_nodrop_spares_a_slow_subscriber_behind_a_proxy(transport: str) -> None:
    async with zmq.Context() as ctx:
        small = {"hwm": 2, "sndbuf": 4096, "rcvbuf": 4096}
        frontend = bound(ctx, zmq.XSUB, transport, **small)
        backend = bound(ctx, zmq.XPUB, transport, xpub_nodrop=1, **small)
        station = connected(ctx, zmq.XPUB, frontend, xpub_nodrop=1, **small)
        listener = connected(ctx, zmq.SUB, backend, **small)
        listener.subscribe(b"")
        with trio.fail_after(20):
            async with running(frontend, backend), trio.open_nursery() as nursery:
                assert await station.recv() == b"\x01"

                async def publish() -> None:
                    for number in range(100):
                        await station.send(b"%6d" % number + bytes(4000))

                nursery.start_soon(publish)
                await wait_all_tasks_blocked(0.02)
                assert [int((await listener.recv())[:6]) for _ in range(100)] == list(range(100))


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True], ids=["woken", "waiting"])
@every_transport
async def test_a_proxy_cancelled_at_any_checkpoint_holds_nothing(transport: str, late: bool) -> None:
    """The first proxy is cancelled somewhere, a second goes on: each message comes once, and in order."""
    with trio.fail_after(60):
        for step in range(12):
            async with zmq.Context() as ctx:
                frontend, backend = bound(ctx, zmq.PULL, transport), bound(ctx, zmq.PUSH, transport)
                source, sink = connected(ctx, zmq.PUSH, frontend), connected(ctx, zmq.PULL, backend)
                assert await backend.poll(flags=zmq.POLLOUT)

                async def feed(source: zmq.Socket = source) -> None:
                    for number in range(20):
                        await source.send(b"%d" % number)
                        if number % 2:
                            await wait_all_tasks_blocked()

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(feed)
                    proxy = zmq.proxy
                    assert await cut_at(step, late, lambda: proxy(frontend, backend)) is CUT  # noqa: B023
                assert not watchers_of(frontend)
                assert not watchers_of(backend)
                async with running(frontend, backend):
                    assert [int(await sink.recv()) for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("which", [0, 1])
async def test_closing_either_end_ends_a_proxy_with_an_error(which: int) -> None:
    async with zmq.Context() as ctx:
        ends = [bound(ctx, zmq.PULL, "inproc"), bound(ctx, zmq.PUSH, "inproc")]

        async def run() -> None:
            with pytest.raises(zmq.ZMQError, match="closed") as caught:
                await zmq.proxy(*ends)
            assert caught.value.errno == zmq.ENOTSOCK

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await wait_all_tasks_blocked()
                ends[which].close()


async def test_a_busy_proxy_lets_others_run() -> None:
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.PULL, "inproc", hwm=0), bound(ctx, zmq.PUSH, "inproc", hwm=0)
        source, sink = connected(ctx, zmq.PUSH, frontend, hwm=0), connected(ctx, zmq.PULL, backend, hwm=0)
        for number in range(20 * TURNS):
            await source.send(b"%d" % number)
        with trio.fail_after(10):
            async with running(frontend, backend):
                await sink.recv()
                assert await frontend.poll(0) == zmq.POLLIN  # it is not through, and we have come in between


async def test_a_capture_has_a_list_of_its_own() -> None:
    """Over inproc the receiver is given the very list that was sent, and may change it."""
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        frontend, backend = bound(ctx, zmq.PULL, "inproc"), bound(ctx, zmq.PUSH, "inproc")
        capture = ctx.socket(zmq.PUSH)
        capture.bind("inproc://capture")
        source, target = connected(ctx, zmq.PUSH, frontend), connected(ctx, zmq.PULL, backend)
        witness = connected(ctx, zmq.PULL, capture)
        nursery.start_soon(zmq.proxy, frontend, backend, capture)
        with trio.fail_after(5):
            await source.send_multipart([b"a", b"b"])
            (await target.recv_multipart()).clear()
            assert await witness.recv_multipart() == [b"a", b"b"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kinds", [(zmq.PULL, zmq.PUSH), (zmq.ROUTER, zmq.DEALER), (zmq.XSUB, zmq.XPUB)], ids=str)
async def test_what_recv_has_left_is_passed_on_first(kinds: tuple[zmq.SocketType, zmq.SocketType]) -> None:
    """As in libzmq: as a message of its own."""
    receives, sends = kinds
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, receives, "inproc"), bound(ctx, zmq.PUSH, "inproc")
        source, sink = connected(ctx, sends, frontend), connected(ctx, zmq.PULL, backend)
        if receives is zmq.XSUB:
            await frontend.send(b"\x01")
        with trio.fail_after(10):
            for message in ([b"1", b"b", b"c"], [b"2", b"b", b"c"]):
                await source.send_multipart(message)
            first = await frontend.recv()
            async with running(frontend, backend):
                got = [await sink.recv_multipart() for _ in range(2)]
        if receives is zmq.ROUTER:
            assert got == [[b"1", b"b", b"c"], [first, b"2", b"b", b"c"]]
        else:
            assert (first, got) == (b"1", [[b"b", b"c"], [b"2", b"b", b"c"]])
        assert not frontend.rcvmore


async def test_the_rest_of_a_message_waits_for_room() -> None:
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.PULL, "inproc"), bound(ctx, zmq.XPUB, "inproc", hwm=1, xpub_nodrop=1)
        source, listener = connected(ctx, zmq.PUSH, frontend), connected(ctx, zmq.SUB, backend, hwm=1)
        listener.subscribe(b"")
        for _ in range(2):
            await backend.send(b"fills it")
        await source.send_multipart([b"a", b"b", b"c"])
        await source.send(b"next")
        assert await frontend.recv() == b"a"
        async with running(frontend, backend):
            await wait_all_tasks_blocked()
        assert frontend.rcvmore
        assert await frontend.recv_multipart() == [b"b", b"c"]
        assert not frontend.rcvmore
        assert await frontend.recv() == b"next"


@pytest.mark.parametrize("kind", [zmq.REP, zmq.REQ], ids=str)
async def test_a_request_that_has_no_room_is_still_to_be_read(kind: zmq.SocketType) -> None:
    """What a proxy takes of a REP or REQ and cannot pass on is as if it had not been taken: the turn, too."""
    async with zmq.Context() as ctx:
        rep, req = bound(ctx, zmq.REP, "inproc"), ctx.socket(zmq.REQ, linger=0)
        req.connect(rep.last_endpoint)
        backend = bound(ctx, zmq.XPUB, "inproc", hwm=1, xpub_nodrop=1)
        listener = connected(ctx, zmq.SUB, backend, hwm=1)
        listener.subscribe(b"")
        for _ in range(2):
            await backend.send(b"fills it")
        await req.send(b"question")
        if kind is zmq.REQ:
            await rep.recv()
            await rep.send(b"question")
        source = rep if kind is zmq.REP else req
        async with running(source, backend):
            await wait_all_tasks_blocked()
        assert await source.poll(0, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLIN
        assert await source.recv() == b"question"
        assert await source.poll(0, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLOUT


async def test_what_capture_gets_is_a_copy() -> None:
    """A program that reads the one by frames, or changes its list, does not take frames from the other."""
    async with zmq.Context() as ctx:
        frontend, backend = bound(ctx, zmq.PULL, "inproc"), bound(ctx, zmq.PUSH, "inproc")
        capture = bound(ctx, zmq.PUSH, "inproc")
        source, sink, copy = (
            connected(ctx, kind, to) for kind, to in ((zmq.PUSH, frontend), (zmq.PULL, backend), (zmq.PULL, capture))
        )
        await source.send_multipart([b"a", b"b"])
        with trio.fail_after(10):
            async with running(frontend, backend, capture):
                assert await sink.recv() == b"a"
                assert await copy.recv_multipart() == [b"a", b"b"]


async def test_a_mandatory_router_without_its_peer_ends_a_proxy() -> None:
    """As in libzmq: the proxy raises, the message is dropped, and a new proxy goes on with the next."""
    async with zmq.Context() as ctx:
        router, backend = bound(ctx, zmq.ROUTER, "inproc", router_mandatory=1), bound(ctx, zmq.DEALER, "inproc")
        client, worker = connected(ctx, zmq.DEALER, router, routing_id=b"here"), connected(ctx, zmq.DEALER, backend)
        await worker.send_multipart([b"gone", b"answer"])
        await worker.send_multipart([b"here", b"answer"])
        with trio.fail_after(10):
            with pytest.raises(zmq.ZMQError, match="no connected peer has the routing id b'gone'") as caught:
                await zmq.proxy(router, backend)
            assert caught.value.errno == zmq.EHOSTUNREACH
            async with running(router, backend):
                assert await client.recv() == b"answer"


async def test_proxies_that_move_nothing_sleep() -> None:
    """Both find a message, and no room for it at the peer that wants it. Neither may wake the other for that."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://work")
        xpub, sub = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://news", sndhwm=1, rcvhwm=1)
        xpub.xpub_nodrop = 1
        sub.subscribe(b"")
        assert await xpub.recv() == b"\1"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(zmq.proxy, pull, xpub)
            nursery.start_soon(zmq.proxy, pull, xpub)
            await push.send_many([b"%d" % number for number in range(5)])
            with trio.fail_after(5):
                await wait_all_tasks_blocked()
            assert [await sub.recv() for _ in range(5)] == [b"%d" % number for number in range(5)]
            nursery.cancel_scope.cancel()
