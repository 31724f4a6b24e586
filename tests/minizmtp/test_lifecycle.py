"""Many sockets in one context; closing, leaving, lingering, coming back; and who may not touch a socket at all."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import Event
from tests.minizmtp.helpers import TRANSPORTS, WIRES, free_endpoint, pair, receive_all, until
from tests.minizmtp.inside import is_idle
from tests.zmtp_peer import RawListener, RawPeer

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
every_wire = pytest.mark.parametrize("transport", WIRES)


# ------------------------------------------------------------------------------------------------------------ many


@pytest.mark.slow
async def test_one_context_holds_2000_inproc_and_500_tcp_sockets() -> None:
    with trio.fail_after(30):
        async with zmq.Context() as ctx:
            inbox, far = ctx.socket(zmq.PULL, rcvhwm=0), ctx.socket(zmq.PULL, rcvhwm=0)
            inbox.bind("inproc://inbox"), far.bind("tcp://127.0.0.1:*")
            monitor = far.monitor()
            near = [ctx.socket(zmq.PUSH) for _ in range(2000)]
            for push in near:
                push.connect("inproc://inbox")
            remote = [ctx.socket(zmq.PUSH) for _ in range(250)]  # with the other ends that makes 500
            for push in remote:
                push.connect(far.last_endpoint)
            for _ in remote:
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
            for number, push in enumerate(near + remote):
                await push.send(b"%d" % number)
            assert {int(await inbox.recv()) for _ in near} == set(range(2000))
            assert {int(await far.recv()) for _ in remote} == set(range(2000, 2250))
            assert len(far.peers()) == 250


@pytest.mark.slow
async def test_closed_sockets_leave_nothing_behind_in_their_context() -> None:
    async with zmq.Context() as ctx:
        with trio.fail_after(20):
            for _ in range(200):
                pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://again")
                await push.send(b"x")
                assert await pull.recv() == b"x"
                push.close(), pull.close()
            for _ in range(30):
                pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)
                push.close(), pull.close()
            await wait_all_tasks_blocked(0.01)
        assert is_idle(ctx)


# ---------------------------------------------------------------------------------------------------------- closing


@every_transport
async def test_closing_a_socket_wakes_every_waiting_task(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, _ = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        push, dealer = ctx.socket(zmq.PUSH), ctx.socket(zmq.DEALER)
        ended: list[str] = []

        async def turns() -> None:
            async for _ in dealer:
                pass
            ended.append("for")

        async def refused(name: str, call: Callable[[], object]) -> None:
            with pytest.raises(zmq.ZMQError, match="closed") as caught:
                await call()  # type: ignore[misc]
            assert caught.value.errno == zmq.ENOTSOCK
            ended.append(name)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for name, call in (
                    ("recv", pull.recv),
                    ("another recv", pull.recv_multipart),
                    ("poll", pull.poll),
                    ("send", lambda: push.send(b"x")),
                ):
                    nursery.start_soon(refused, name, call)
                nursery.start_soon(turns)
                await wait_all_tasks_blocked()
                for sock in (pull, push, dealer):
                    sock.close()
                    sock.close()
        assert sorted(ended) == ["another recv", "for", "poll", "recv", "send"]


async def test_every_call_on_a_closed_socket_says_that_it_is_closed() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.DEALER)
        sock.close()
        assert sock.closed
        for plain in (lambda: sock.bind("inproc://x"), lambda: sock.connect("inproc://x"), sock.monitor):
            with pytest.raises(zmq.ZMQError, match="closed"):
                plain()
        for call in (sock.recv, sock.recv_multipart, sock.recv_message, lambda: sock.send(b"x"), sock.poll):
            with pytest.raises(zmq.ZMQError, match="closed"):
                await call()


# ---------------------------------------------------------------------------------------------------------- leaving


class Oops(Exception):
    pass


@every_transport
async def test_an_exception_drops_all_messages_and_leaves_unchanged(transport: str) -> None:
    oops = Oops()
    ctx = zmq.Context()
    sockets: list[zmq.Socket] = []

    async def fail() -> None:
        async with ctx:
            sockets.extend(await pair(ctx, zmq.PULL, zmq.PUSH, transport, linger=-1))
            sockets.append(ctx.socket(zmq.PUSH))
            sockets[2].connect(free_endpoint())
            for sock in sockets[1:]:
                await sock.send(b"x")
            raise oops

    with trio.fail_after(10):
        with pytest.raises(Oops) as caught:
            await fail()
    assert caught.value is oops
    assert [ctx.closed, *(sock.closed for sock in sockets)] == [True] * 4
    with pytest.raises(zmq.ContextTerminated):
        ctx.socket(zmq.PULL)


async def test_leaving_by_a_cancellation_drops_all_at_once() -> None:
    with trio.fail_after(10):
        with trio.CancelScope() as scope:
            async with zmq.Context() as ctx:
                push = ctx.socket(zmq.PUSH, linger=-1)
                push.connect(free_endpoint())
                await push.send(b"x")
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert push.closed


# --------------------------------------------------------------------------------------------------------- lingering


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize(("linger", "seconds"), [(0, 0), (1, 0.001), (5000, 5)])
@pytest.mark.slow
async def test_unsent_messages_are_kept_as_long_as_linger_says(
    quick_clock: MockClock, linger: int, seconds: float
) -> None:
    start = trio.current_time()
    with trio.fail_after(100):
        async with zmq.Context() as ctx:
            push = ctx.socket(zmq.PUSH, linger=linger)
            push.connect(free_endpoint())
            await push.send(b"x")
    assert trio.current_time() - start == pytest.approx(seconds, abs=0.01)


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize("how", ["socket", "context"])
@pytest.mark.slow
async def test_with_linger_for_ever_a_peer_that_comes_late_gets_all(quick_clock: MockClock, how: str) -> None:
    endpoint = free_endpoint()
    got: list[list[bytes]] = []
    async with zmq.Context() as other:

        async def come_late() -> None:
            await trio.sleep(100)
            pull = other.socket(zmq.PULL)
            pull.bind(endpoint)
            for _ in range(10):
                got.append(await pull.recv_multipart())  # noqa: PERF401

        with trio.fail_after(10_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(come_late)
                async with zmq.Context() as ctx:
                    push = ctx.socket(zmq.PUSH, linger=-1, reconnect_ivl=5000)
                    push.connect(endpoint)
                    for number in range(10):
                        await push.send_multipart([b"%d" % number, b""])
                    if how == "socket":
                        push.close()
    assert got == [[b"%d" % number, b""] for number in range(10)]


@pytest.mark.requirement("L-21")
@every_wire
async def test_a_socket_without_anything_to_send_does_not_linger(transport: str) -> None:
    with trio.fail_after(10):
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport, linger=-1)
            idle = ctx.socket(zmq.PUSH, linger=-1)
            idle.connect(free_endpoint())
            await push.send(b"x")
            assert await pull.recv() == b"x"


async def test_close_may_say_how_long_to_linger(quick_clock: MockClock) -> None:
    start = trio.current_time()
    with trio.fail_after(100):
        async with zmq.Context() as ctx:
            for linger in (0, 3000):
                push = ctx.socket(zmq.PUSH, linger=-1)
                push.connect(free_endpoint())
                await push.send(b"x")
                push.close(linger)
    assert trio.current_time() - start == pytest.approx(3, abs=0.01)


# ------------------------------------------------------------------------------------------- again, and not any more


@every_transport
async def test_an_endpoint_is_free_at_once_after_close_or_unbind(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        endpoint = pull.last_endpoint
        if transport == "ipc://*":
            pull.unbind(endpoint)
            endpoint = endpoint.removesuffix("/socket") + "-again"
            pull.bind(endpoint)
        for number in range(5):
            if number % 2:
                pull.unbind(endpoint)
            else:
                pull.close()
                pull = ctx.socket(zmq.PULL)
            pull.bind(endpoint)
        with trio.fail_after(10):
            push = ctx.socket(zmq.PUSH)
            push.connect(endpoint)
            await push.send(b"x")
            assert await pull.recv() == b"x"


@every_wire
@pytest.mark.requirement("L-19", "L-21")
async def test_unbind_disconnects_its_peers_after_their_queues(transport: str) -> None:
    """Messages queued for the peers that were accepted there are sent first."""
    async with zmq.Context() as ctx:
        push, pull = await pair(ctx, zmq.PUSH, zmq.PULL, transport, linger=-1, reconnect_ivl=-1, sndbuf=4096)
        monitor = pull.monitor()
        with trio.fail_after(10):
            for number in range(50):
                await push.send_multipart([b"%d" % number, bytes(20_000)])
            push.unbind(push.last_endpoint)
            with pytest.raises(zmq.Again):
                await push.send(b"to nobody", zmq.NOBLOCK)
            for number in range(50):
                assert await pull.recv_multipart() == [b"%d" % number, bytes(20_000)]
            await until(monitor, Event.DISCONNECTED)


@every_wire
@pytest.mark.requirement("L-18", "L-21")
async def test_disconnect_sends_what_was_queued_and_drops_what_came(transport: str) -> None:
    async with zmq.Context() as ctx:
        there, here = await pair(ctx, zmq.DEALER, zmq.DEALER, transport, linger=-1, sndbuf=4096)
        monitor = there.monitor()
        with trio.fail_after(10):
            await there.send(b"unread")
            assert await here.poll()
            for number in range(50):
                await here.send_multipart([b"%d" % number, bytes(20_000)])
            here.disconnect(here.last_endpoint)
            assert await here.poll(0) == 0
            for number in range(50):
                assert await there.recv_multipart() == [b"%d" % number, bytes(20_000)]
            await until(monitor, Event.DISCONNECTED)
            assert here.peers() == []


@every_wire
@pytest.mark.parametrize("end", ["unbind", "disconnect"])
async def test_with_linger_zero_what_is_queued_goes_with_the_peer(transport: str, end: str) -> None:
    async with zmq.Context() as ctx:
        kinds = (zmq.PUSH, zmq.PULL) if end == "unbind" else (zmq.PULL, zmq.PUSH)
        one, other = await pair(ctx, *kinds, transport, linger=0, sndbuf=4096, rcvbuf=4096, rcvhwm=1, reconnect_ivl=-1)
        push, pull = (one, other) if end == "unbind" else (other, one)
        with trio.fail_after(10):
            for number in range(100):
                await push.send_multipart([b"%d" % number, bytes(20_000)])
            getattr(push, end)(one.last_endpoint)
            got = await receive_all(pull)
            assert got == [[b"%d" % number, bytes(20_000)] for number in range(len(got))]
            assert len(got) < 100


async def test_unbind_and_disconnect_of_what_is_not_says_what_is() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.DEALER)
        sock.bind("inproc://here")
        for call in (sock.unbind, sock.disconnect):
            with pytest.raises(zmq.ZMQError, match="inproc://here") as caught:
                call("inproc://there")
            assert caught.value.errno == zmq.ENOENT


async def test_clients_reconnect_to_a_server_that_is_bound_again() -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, reconnect_ivl=1)
        endpoint = rep.last_endpoint
        with trio.fail_after(10):
            for number in range(5):
                await req.send(b"%d" % number)
                await rep.send(await rep.recv())
                assert await req.recv() == b"%d" % number
                rep.close()
                rep = ctx.socket(zmq.REP, linger=0)
                rep.bind(endpoint)
                monitor = rep.monitor()
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)


# --------------------------------------------------------------------------------------------------- who may not


CHILD = """
import os, sys, trio
import minizmtp as zmq

async def main():
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        for _ in range({warm}):
            await push.send(b"x")
            await pull.recv()
        await push.send(b"for the parent")
        child = os.fork()
        if not child:
            refused = 0
            for call in [
                lambda: push.send(b"from the child"), pull.recv, lambda: push.send_multipart([b"a"]),
                pull.recv_multipart, pull.recv_message, pull.poll,
            ]:
                try:
                    with trio.fail_after(5):
                        await call()
                except RuntimeError as error:
                    refused += "in which its Context was entered" in str(error)
            for plain in [lambda: push.connect("inproc://x"), lambda: pull.bind("inproc://x"), pull.monitor]:
                try:
                    plain()
                except RuntimeError as error:
                    refused += "in which its Context was entered" in str(error)
            os._exit(refused)
        _, status = os.waitpid(child, 0)
        assert await pull.recv() == b"for the parent"
        await push.send(b"on we go")
        assert await pull.recv() == b"on we go"
        print(os.waitstatus_to_exitcode(status))

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
@pytest.mark.parametrize("warm", [0, 7])
def test_each_call_in_a_forked_child_is_refused(warm: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(warm=warm)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("9\n", 0), done.stderr


CLOSING_CHILD = """
import os, trio, trio.testing
import minizmtp as zmq
from tests.minizmtp.inside import is_idle

async def main():
    async with zmq.Context() as ctx:
        rep, req, waiting = ctx.socket(zmq.REP), ctx.socket(zmq.REQ), ctx.socket(zmq.PUSH)
        rep.bind({endpoint!r})
        req.connect(rep.last_endpoint)
        waiting.connect("ipc:///nobody/is/here")

        async def ask():
            with trio.fail_after(5):
                await req.send(b"hello")
                await rep.send(await rep.recv())
                await req.recv()

        async with trio.open_nursery() as nursery:
            await ask()
            await waiting.send(b"queued")
            nursery.start_soon(rep.recv)  # it waits in the parent, whatever the child does
            nursery.start_soon(waiting.monitor().__anext__)
            await trio.testing.wait_all_tasks_blocked()
            for linger in (None, 0, 10_000):
                if not (child := os.fork()):
                    for sock in (rep, req, waiting):
                        sock.close(linger)
                        sock.close()
                        assert sock.closed
                    os._exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            nursery.cancel_scope.cancel()
        with trio.fail_after(5):
            await ask()
            late = ctx.socket(zmq.REQ)
            late.connect(rep.last_endpoint)  # the listener accepts, and the file is there
            await late.send(b"late")
            await rep.send(await rep.recv())
            await late.recv()
        waiting.close(linger=0)
    print("well")

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*", "inproc://here"])
def test_a_child_that_closes_what_it_inherited_does_no_harm(endpoint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSING_CHILD.format(endpoint=endpoint)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("well\n", "", 0)


@pytest.mark.parametrize("warm", [0, 7])
async def test_another_thread_is_refused(warm: int) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        for _ in range(warm):
            await push.send(b"x")
            await pull.recv()
        await push.send(b"x")

        async def elsewhere(call: Callable[[], object]) -> None:
            await call()  # type: ignore[misc]

        with trio.fail_after(10):
            for call in (lambda: push.send(b"y"), pull.recv, pull.recv_multipart, pull.poll):
                with pytest.raises(RuntimeError, match="belongs to the thread"):
                    await trio.to_thread.run_sync(trio.run, elsewhere, call)
            assert await pull.recv() == b"x"
            assert await pull.poll(0) == 0


async def test_a_context_is_entered_before_it_is_used_and_once() -> None:
    ctx = zmq.Context()
    with pytest.raises(RuntimeError, match="async with"):
        ctx.socket(zmq.PULL)
    async with ctx:
        pass
    with pytest.raises(RuntimeError, match="make a new one"):
        async with ctx:
            pass


# ------------------------------------------------------------------------------------------- an option for each life


@pytest.mark.requirement("L-7")
async def test_with_immediate_a_message_waits_for_a_peer_that_is_there() -> None:
    endpoint = free_endpoint()
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, immediate=1, reconnect_ivl=1)
        push.connect(endpoint)
        with pytest.raises(zmq.Again):
            await push.send(b"x", zmq.NOBLOCK)
        with trio.fail_after(10):
            for number in range(3):
                pull = ctx.socket(zmq.PULL, linger=0)
                pull.bind(endpoint)
                await push.send(b"%d" % number)
                assert await pull.recv() == b"%d" % number
                monitor = push.monitor()
                pull.close()
                await until(monitor, Event.DISCONNECTED)
                with pytest.raises(zmq.Again):
                    await push.send(b"x", zmq.NOBLOCK)


@pytest.mark.requirement("28-33", "L-26")
async def test_connect_routing_id_names_the_next_peer_and_no_other() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0, router_mandatory=1, connect_routing_id=b"friend")
        router.connect(server.endpoint)
        await router.send_multipart([b"friend", b"early"])
        assert router.connect_routing_id == b""
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.greet(b"DEALER", Identity=b"what it calls itself")
                assert await peer.message() == [b"early"]
                await peer.send(b"\x00\x05hello")
                assert await router.recv_multipart() == [b"friend", b"hello"]


@pytest.mark.requirement("L-28", "L-29")
@pytest.mark.parametrize("handover", [0, 1])
async def test_a_client_returns_before_its_old_connection_is_dead(handover: int) -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0, router_handover=handover)
        router.bind("tcp://127.0.0.1:*")
        monitor = router.monitor()
        reasons: list[str] = []
        with trio.fail_after(10):
            async with await RawPeer.dial(router.last_endpoint) as old, await RawPeer.dial(router.last_endpoint) as new:
                for peer in (old, new):
                    await peer.greet(b"DEALER", Identity=b"me")
                    while (told := await monitor.__anext__()).event is not Event.HANDSHAKE_SUCCEEDED:
                        reasons.append(told.reason)
                await new.send(b"\x00\x03new"), await old.send(b"\x00\x03old")
                heard, deaf = (new, old) if handover else (old, new)
                assert await router.recv_multipart() == [b"me", b"new" if handover else b"old"]
                await router.send_multipart([b"me", b"hello"])
                assert await heard.message() == [b"hello"]
                assert await router.poll(20) == 0
                if handover:
                    assert await deaf.ended()
                    assert reasons[-1].endswith("another peer has the name me now (router_handover)")
                    assert [peer.routing_id for peer in router.peers()] == [b"me"]
                    return
                with trio.move_on_after(0.02) as scope:
                    await deaf.read(1)
                assert scope.cancelled_caught  # connected, and nothing is said to it


@pytest.mark.requirement("L-28")
async def test_handover_over_inproc_parts_from_the_first() -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, router_handover=1)
        router.bind("inproc://handover")
        first, second = (ctx.socket(zmq.DEALER, routing_id=b"me") for _ in range(2))
        first.connect("inproc://handover")
        second.connect("inproc://handover")
        assert len(router.peers()) == 1
        assert first.peers() == []
        await second.send(b"hello")
        assert await router.recv_multipart() == [b"me", b"hello"]


@pytest.mark.requirement("L-28", "31-1")
@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.PAIR])
async def test_the_end_of_a_refused_peer_that_sent_much_is_noticed(kind: zmq.SocketType) -> None:
    """It is not read by the program, so what it sends must not fill a queue and stop the connection."""
    name = {"Identity": b"me"} if kind is zmq.ROUTER else {}
    async with zmq.Context() as ctx:
        server = ctx.socket(kind, rcvhwm=2, linger=0)
        server.bind("tcp://127.0.0.1:*")
        monitor = server.monitor()
        with trio.fail_after(10):
            async with await RawPeer.dial(server.last_endpoint) as first:
                await first.greet(b"DEALER" if kind is zmq.ROUTER else b"PAIR", **name)
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                for _ in range(3):
                    async with await RawPeer.dial(server.last_endpoint) as second:
                        await second.greet(b"DEALER" if kind is zmq.ROUTER else b"PAIR", **name)
                        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                        await second.send(b"\0\5hello" * 100)
                    await until(monitor, Event.DISCONNECTED)
                (peer,) = server.peers()
                assert peer.unread == 0
                await first.send(b"\0\1x")
                assert (await server.recv_multipart())[-1] == b"x"


@pytest.mark.requirement("31-1")
async def test_a_second_peer_of_a_pair_is_connected_but_not_used() -> None:
    async with zmq.Context() as ctx:
        one, first = await pair(ctx, zmq.PAIR, zmq.PAIR)
        monitor = one.monitor()
        with trio.fail_after(10):
            async with await RawPeer.dial(one.last_endpoint) as second:
                await second.greet(b"PAIR")
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                await second.send(b"\x00\x05hello")
                assert await one.poll(20) == 0
                await one.send(b"for the first")
                assert await first.recv() == b"for the first"
                first.close()
                await until(monitor, Event.DISCONNECTED)
                with pytest.raises(zmq.Again):
                    await one.send(b"x", zmq.NOBLOCK)
                third = ctx.socket(zmq.PAIR, linger=0)
                third.connect(one.last_endpoint)
                await one.send(b"for the third")
                assert await third.recv() == b"for the third"


@every_transport
async def test_with_conflate_only_the_newest_message_is_there(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport, conflate=1)
        with trio.fail_after(10):
            for number in range(100):
                await push.send(b"%d" % number)
            await wait_all_tasks_blocked(0.02)
            assert await receive_all(pull) == [[b"99"]]


@pytest.mark.requirement("L-18", "L-21")
async def test_close_shortens_the_linger_of_earlier_disconnects() -> None:
    """disconnect() lets an endpoint linger for ever; close(0) means at once, for that one too."""
    with trio.fail_after(10):
        async with zmq.Context() as ctx:
            push = ctx.socket(zmq.PUSH)
            push.connect("tcp://127.0.0.1:9")
            await push.send(b"for nobody")
            push.disconnect("tcp://127.0.0.1:9")
            push.close(linger=0)


@pytest.mark.requirement("L-17")
async def test_connecting_twice_over_inproc_makes_two_connections() -> None:
    async with zmq.Context() as ctx:
        pub, sub = ctx.socket(zmq.PUB), ctx.socket(zmq.SUB)
        pub.bind("inproc://news")
        sub.subscribe("")
        sub.connect("inproc://news")
        sub.connect("inproc://news")
        await pub.send(b"twice")
        with trio.fail_after(5):
            assert [await sub.recv(), await sub.recv()] == [b"twice", b"twice"]
