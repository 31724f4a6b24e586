"""Closing without loss: what was sent last can be read, whatever the peer sends meanwhile. RFC 9112, section 9.6."""

import math
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net import runtime
from minizmtp.net.parting import MOST, QUIET, REFUSED_OCTETS
from minizmtp.net.portable import TaskReactor
from tests.minizmtp.helpers import logged, pair
from tests.minizmtp.inside import sessions_of
from tests.zmtp_bytes import GREETING, ready
from tests.zmtp_peer import RawListener, RawPeer

PONG = b"\4\5\4PONG"
PING = b"\4\7\4PING\0\0"
MESSAGES = [b"%04d" % number + bytes(1000) for number in range(300)]


async def slow_peer(server: RawListener, push: zmq.Socket) -> RawPeer:
    """A PULL whose system has no room for MESSAGES, which are sent to it."""
    server.listener.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
    push.connect(server.endpoint)
    peer = await server.accept()
    await peer.greet(b"PULL")
    await push.send_many(MESSAGES)
    await all_sent(push)
    return peer


async def all_sent(sock: zmq.Socket) -> None:
    while any(session.unsent() for session in sessions_of(sock)):
        await trio.lowlevel.checkpoint()


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize("reactor", ["epoll", "tasks"])
async def test_a_peer_that_goes_on_talking_loses_nothing(reactor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its PONGs come when all that was sent waits in our system. If they came to a closed socket, they would be
    answered by a reset."""
    if reactor == "tasks":
        monkeypatch.setattr(runtime, "new_reactor", TaskReactor)
    async with RawListener.listen() as server:
        with trio.fail_after(10):
            async with zmq.Context() as ctx:
                push = ctx.socket(zmq.PUSH, sndbuf=1 << 20)
                async with await slow_peer(server, push) as peer:
                    push.close()
                    for message in MESSAGES:
                        await peer.send(PONG)
                        assert await peer.message() == [message]
                    assert await peer.ended()


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ws://127.0.0.1:*/"])
async def test_a_message_that_comes_after_close_destroys_nothing(endpoint: str) -> None:
    options = {"rcvhwm": 1, "sndbuf": 1 << 20, "rcvbuf": 4096, "linger": -1}
    async with zmq.Context() as ctx:
        with trio.fail_after(10):
            there, here = await pair(ctx, zmq.DEALER, zmq.DEALER, endpoint, **options)
            await here.send_many(MESSAGES)
            await all_sent(here)
            here.close()
            await there.send(b"too late")
            for message in MESSAGES:
                assert await there.recv() == message


async def leave(ctx: zmq.Context) -> float:
    begun = trio.current_time()
    await ctx.term()
    return trio.current_time() - begun


async def test_a_silent_peer_is_waited_for_a_moment(quick_clock: MockClock) -> None:
    """Its system has everything, and goes on without us."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH)
        push.connect(server.endpoint)
        async with await server.accept() as peer:
            await peer.greet(b"PULL")
            await push.send(b"x")
            assert await leave(ctx) == pytest.approx(QUIET)
            assert await peer.message() == [b"x"]
            assert await peer.ended()


@pytest.mark.slow
async def test_a_peer_that_never_stops_talking_has_some_time(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx, trio.open_nursery() as nursery:
        push = ctx.socket(zmq.PUSH)
        push.connect(server.endpoint)
        async with await server.accept() as peer:
            await peer.greet(b"PULL")
            await push.send(b"x")

            async def talk() -> None:
                while True:
                    await trio.sleep(QUIET / 2)
                    await peer.send(PING)

            nursery.start_soon(talk)
            with logged(caplog) as words:
                assert await leave(ctx) == pytest.approx(MOST, abs=QUIET)
            (told,) = words
            assert told.startswith(f"closing waits for peers of PUSH {server.endpoint}, which go on sending")
            nursery.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize(("linger", "waits"), [(-1, math.inf), (7000, 7), (0, 0)])
async def test_a_peer_without_room_is_waited_for_as_linger_says(
    linger: int, waits: float, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawListener.listen() as server:
        with logged(caplog) as words:
            with trio.move_on_after(MOST + 10) as scope:
                async with zmq.Context() as ctx:
                    push = ctx.socket(zmq.PUSH, sndbuf=1 << 20, linger=linger)
                    async with await slow_peer(server, push):
                        await wait_all_tasks_blocked()
                        waited = await leave(ctx)
        if scope.cancelled_caught:
            assert waits == math.inf
        else:
            assert waited == pytest.approx(waits)
        expected = [] if linger == 0 else [f"closing waits for peers of PUSH {server.endpoint}, which have no room for"]
        assert [text[: len(expected[0])] for text in words] == expected


async def test_a_close_shortens_earlier_partings(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, sndbuf=1 << 20)
        async with await slow_peer(server, push):
            push.disconnect(server.endpoint)
            push.close(linger=0)
            assert await leave(ctx) == 0


@pytest.mark.requirement("37-39")
async def test_a_refusal_can_be_read_by_a_peer_that_sends_more() -> None:
    """Its messages are not read, and would be answered by a reset."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(10):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.send(GREETING + ready(b"REQ") + bytes(100_000))
                for _ in range(50):
                    await peer.send(bytes(1000))
                await peer.read(64)
                assert (await peer.frame())[1].startswith(b"\5READY")
                assert (await peer.frame())[1].startswith(b"\5ERROR")
                assert await peer.stream.receive_some() == b""


async def test_a_peer_that_was_refused_and_floods_is_cut_off() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(10):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.send(GREETING + ready(b"REQ"))
                with suppress(trio.BrokenResourceError):
                    while True:  # until that comes
                        await peer.send(bytes(REFUSED_OCTETS))
