"""Heartbeats: from times that are given, when to ask and when to give up (37/ZMTP, "Connection Heartbeating")."""

import socket
from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import Event
from minizmtp.net.engine import Engine
from minizmtp.net.heartbeat import NEVER, Heartbeat, Silence
from minizmtp.net.states import RESUMING
from minizmtp.wire import Ping, Pong
from tests.minizmtp.helpers import free_endpoint, logged, pair, until
from tests.minizmtp.inside import runtime_of, sessions_of
from tests.zmtp_bytes import GREETING, GREETING_3_0, command, frame
from tests.zmtp_peer import RawListener, RawPeer


def test_without_options_or_a_peers_ttl_nothing_is_due() -> None:
    assert Heartbeat().due() == NEVER


@pytest.mark.requirement("37-74")
def test_one_ping_for_each_interval() -> None:
    heart = Heartbeat(interval=1.0, now=10.0)
    assert heart.due() == 11.0
    assert not heart.beat(10.9)
    assert heart.beat(11.0)
    assert not heart.beat(11.0)
    assert heart.due() == 12.0


@pytest.mark.requirement("37-75")
def test_a_peer_is_dead_a_timeout_after_the_unanswered_ping() -> None:
    heart = Heartbeat(interval=1.0, timeout=2.5)
    assert [heart.beat(now) for now in (1.0, 2.0, 3.0)] == [True, True, True]
    assert heart.due() == 3.5
    with pytest.raises(Silence, match=r"2\.5 s after a PING"):
        heart.beat(3.5)


@pytest.mark.requirement("37-75")
def test_silence_before_the_first_ping_is_allowed() -> None:
    heart = Heartbeat(interval=10.0, timeout=1.0)
    assert heart.due() == 10.0
    assert heart.beat(10.0)


@pytest.mark.requirement("37-73", "37-75")
def test_any_received_octets_show_that_a_peer_is_alive() -> None:
    heart = Heartbeat(interval=1.0, timeout=2.5)
    for second in range(1, 20):
        assert heart.beat(float(second))
        heart.heard(second + 0.5)
    assert heart.due() == 20.0


@pytest.mark.requirement("37-71", "37-76")
def test_a_peers_ttl_counts_from_its_last_traffic_of_any_kind() -> None:
    """libzmq disarms its timer with the next frame: a PING, a message, then silence is never noticed there."""
    heart = Heartbeat()
    heart.heard(1.0), heart.heard_ping(0.3, 1.0)
    heart.heard(1.2)
    assert heart.due() == pytest.approx(1.5)
    with pytest.raises(Silence, match=r"0\.3 s, the peer's own limit"):
        heart.beat(1.5)


@pytest.mark.requirement("37-71", "37-76")
def test_a_promise_counts_from_the_ping_that_made_it() -> None:
    """Without a deadline, received octets aren't reported, so the first PING is the first report."""
    heart = Heartbeat(now=0.0)
    heart.heard_ping(0.3, 1000.0)
    assert heart.due() == pytest.approx(1000.3)


@pytest.mark.requirement("37-71")
def test_a_ttl_of_zero_revokes_an_earlier_one() -> None:
    heart = Heartbeat()
    heart.heard_ping(0.3, 0.0)
    heart.heard_ping(0.0, 0.1)
    assert heart.due() == NEVER


@pytest.mark.slow
@given(st.lists(st.tuples(st.floats(0.01, 5), st.booleans()), max_size=50), st.floats(0.1, 3), st.floats(0.1, 3))
def test_only_an_unanswered_ping_makes_a_peer_dead(
    steps: list[tuple[float, bool]], interval: float, timeout: float
) -> None:
    heart = Heartbeat(interval, timeout)
    now, asked = 0.0, NEVER
    for pause, speaks in steps:
        now += pause
        if speaks:
            heart.heard(now)
            asked = NEVER
            continue
        dead = now >= asked + timeout
        try:
            if heart.beat(now):
                asked = min(asked, now)
            elif dead:  # we are late, and look first at what has come meanwhile
                assert now < heart.due() < now + 0.02
                heart.beat(heart.due())
        except Silence:
            assert dead
            return
        assert not dead
        assert heart.due() > now


@pytest.mark.requirement("37-75")
def test_the_timeout_runs_from_when_the_question_last_moved() -> None:
    heart = Heartbeat(interval=1.0, timeout=2.5)
    assert not heart.is_asking
    assert heart.beat(1.0)
    assert heart.is_asking
    assert [heart.beat(now) for now in (2.0, 3.0)] == [True, True]
    heart.moved(3.0)
    assert [heart.beat(now) for now in (4.0, 5.0)] == [True, True]
    assert heart.due() == 5.5
    with pytest.raises(Silence):
        heart.beat(5.5)


def test_sent_octets_do_not_count_without_an_open_ping() -> None:
    heart = Heartbeat(interval=10.0, timeout=1.0)
    heart.moved(5.0)
    assert not heart.is_asking
    assert heart.due() == 10.0


def test_the_rhythm_is_half_of_the_shortest_interval() -> None:
    """PINGs of one read are no time apart, and those after a pause are as far apart as the pause was long."""
    heart = Heartbeat(now=0.0)
    assert heart.rhythm() == 0.1
    for now in (50.0, 50.0, 51.0, 51.0, 80.0, 80.0):
        heart.heard_ping(0.0, now)
    assert heart.rhythm() == 0.5


# ------------------------------------------------------------------- on sockets, against a peer by hand, time flying by


@pytest.mark.requirement("37-71", "37-72", "37-74", "37-85")
@pytest.mark.parametrize(("ttl", "tenths"), [(0, 0), (99, 0), (6000, 60), (65_500, 655), (6_553_599, 655)])
@pytest.mark.slow
async def test_each_interval_has_a_readable_ping(quick_clock: MockClock, ttl: int, tenths: int) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, heartbeat_ivl=1000, heartbeat_timeout=2500, heartbeat_ttl=ttl)
        push.connect(server.endpoint)
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                start = trio.current_time()
                for second in range(1, 8):
                    assert await peer.read(9) == b"\x04\x07\x04PING" + tenths.to_bytes(2, "big")
                    assert trio.current_time() - start == pytest.approx(second, abs=0.1)
                    await peer.send(command(b"PONG"))


@pytest.mark.requirement("37-19", "37-75", "37-77", "37-78")
@pytest.mark.parametrize(("timeout", "seconds"), [(2500, 3.5), (-1, 2.0), (300, 1.3)])
async def test_a_silent_peer_is_dropped_and_dialled_again(quick_clock: MockClock, timeout: int, seconds: float) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, heartbeat_ivl=1000)
        if timeout >= 0:  # -1 is what it is when it is not set
            push.heartbeat_timeout = timeout
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                start = trio.current_time()
                told = await until(monitor, Event.DISCONNECTED)
                assert "no sign of life" in told.reason
                assert trio.current_time() - start == pytest.approx(seconds, abs=0.1)
                assert 100 <= (await until(monitor, Event.CONNECT_RETRIED)).value <= 200
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(b"still there")
                assert await peer.message() == [b"still there"]


@pytest.mark.requirement("37-74", "37-75")
async def test_with_a_timeout_of_0_a_peer_is_asked_and_never_dropped(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, heartbeat_ivl=1000, heartbeat_timeout=0)
        push.connect(server.endpoint)
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                for _ in range(20):
                    assert await peer.read(9) == b"\x04\x07\x04PING\0\0"
                await push.send(b"still there")
                assert await peer.message() == [b"still there"]


@pytest.mark.requirement("37-75")
async def test_a_silent_peer_that_had_dialled_us_is_dropped_too(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=1000)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(60):
            async with (
                await RawPeer.dial(pull.last_endpoint) as silent,
                await RawPeer.dial(pull.last_endpoint) as other,
            ):
                await silent.greet(b"PUSH"), await other.greet(b"PUSH")
                async with trio.open_nursery() as nursery:

                    async def answer() -> None:
                        for _ in range(5):
                            await other.frame()
                            await other.send(command(b"PONG"))

                    nursery.start_soon(answer)
                    assert await silent.read(1000) == b"\x04\x07\x04PING\0\0"  # one, and then the end
                await other.send(frame(b"still here"))
                assert await pull.recv() == b"still here"


BEATING = {"heartbeat_ivl": 1000, "heartbeat_timeout": 1500}


@pytest.mark.requirement("37-73", "37-75")
@pytest.mark.parametrize("queued", ["all with the writer", "half with the system"])
@pytest.mark.slow
async def test_a_ping_behind_a_large_message_has_time_to_arrive(quick_clock: MockClock, queued: str) -> None:
    """A slow reader: 100 KiB in half a second. The PING is out when it has been read so far, and not before."""
    sndbuf = 4096 if queued == "all with the writer" else 2_000_000
    async with RawListener.listen() as server, zmq.Context() as ctx:
        server.listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        push = ctx.socket(zmq.PUSH, linger=0, sndbuf=sndbuf, **BEATING)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(600):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(bytes(2_000_000))
                begin = trio.current_time()
                heard = b""
                while len(heard) < 2_000_009:
                    await trio.sleep(0.5)
                    heard += await peer.read(min(100_000, 2_000_009 - len(heard)))
                assert trio.current_time() - begin > 9
                assert await peer.frame() == (4, b"\x04PING\0\0")
                asked = trio.current_time()
                assert await peer.read(1000) in (b"", b"\x04\x07\x04PING\0\0", b"\x04\x07\x04PING\0\0" * 2)
                assert trio.current_time() - asked < 1.5 + 1.0 + 0.1  # it is silent now, and that is noticed
                assert "no sign of life for 1.5 s" in (await until(monitor, Event.DISCONNECTED)).reason


@pytest.mark.requirement("37-75")
async def test_a_peer_that_stops_reading_is_dead(quick_clock: MockClock) -> None:
    """The writer is blocked, so the PING does not leave, and nothing moves."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndbuf=4096, **BEATING)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(bytes(30_000_000))
                begin = trio.current_time()
                await until(monitor, Event.DISCONNECTED)
                assert trio.current_time() - begin < 20  # the kernel may go on taking octets for a while


@pytest.mark.requirement("37-75")
async def test_a_system_that_takes_octets_is_no_sign_of_life(quick_clock: MockClock) -> None:
    """The peer hangs. Its system confirms the little that we send for a long time."""
    async with RawListener.listen() as server, zmq.Context() as ctx, trio.open_nursery() as nursery:
        push = ctx.socket(zmq.PUSH, linger=0, **BEATING)
        monitor = push.monitor()
        push.connect(server.endpoint)
        async with await server.accept() as peer:
            await peer.greet(b"PULL")

            async def tell() -> None:
                while True:
                    await push.send(b"tick")
                    await trio.sleep(0.3)

            nursery.start_soon(tell)
            begin = trio.current_time()
            with trio.fail_after(60):
                await until(monitor, Event.DISCONNECTED)
            assert trio.current_time() - begin < 1.0 + 1.5 + 1.0 + 0.1
        nursery.cancel_scope.cancel()


@pytest.mark.requirement("37-74")
@pytest.mark.slow
async def test_no_ping_is_queued_behind_one_that_has_not_left(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, heartbeat_ivl=1000, heartbeat_timeout=30_000)
        push.connect(server.endpoint)
        with trio.fail_after(6000):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(bytes(20_000_000))
                await trio.sleep(10.5)
                await peer.read(20_000_009)
                assert await peer.frame() == (4, b"\x04PING\0\0")
                with pytest.raises(BlockingIOError):
                    peer.stream.socket._sock.recv(1)
                assert peer.unread == b""
                assert await peer.frame() == (4, b"\x04PING\0\0")


@pytest.mark.requirement("37-73")
@pytest.mark.slow
async def test_an_octet_of_a_long_frame_is_a_sign_of_life(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=1000, heartbeat_timeout=1500)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(60):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                for octet in frame(b"so very slow"):
                    await peer.send(bytes([octet]))
                    await trio.sleep(0.9)
                assert await pull.recv() == b"so very slow"


@pytest.mark.requirement("37-68", "37-79")
async def test_a_pong_returns_the_context_and_a_stray_one_is_ignored() -> None:
    """A PONG that answers no PING does no harm."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(10):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                for context in (b"", b"x", b"sixteen octets!!"):
                    await peer.send(command(b"PONG", b"unasked") + command(b"PING", b"\0\0" + context))
                    assert await peer.frame() == (4, b"\x04PONG" + context)
                await peer.send(frame(b"a", more=True) + command(b"PING", b"\0\0in a message") + frame(b"b"))
                assert await peer.frame() == (4, b"\x04PONGin a message")
                assert await pull.recv_multipart() == [b"a", b"b"]


@pytest.mark.requirement("37-67", "37-69", "37-70")
@pytest.mark.parametrize("ping", [b"", b"\0", b"\0\0" + b"seventeen octets!"])
async def test_a_malformed_ping_ends_the_connection(ping: bytes) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(10):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                await peer.send(command(b"PING", ping))
                assert await peer.ended()


@pytest.mark.requirement("37-66")
async def test_a_ping_before_ready_ends_the_connection() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with trio.fail_after(10):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.send(GREETING)
                await peer.send(command(b"PING", b"\0\0"))
                told = await until(monitor, Event.HANDSHAKE_FAILED_PROTOCOL)
                assert "PING" in told.reason


@pytest.mark.requirement("37-71", "37-76")
async def test_a_peer_silent_beyond_its_ttl_is_dropped_without_a_ping(
    quick_clock: MockClock,
) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(600):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                await trio.sleep(100)
                await peer.send(command(b"PING", b"\0\x1e"))
                assert await peer.frame() == (4, b"\x04PONG")
                await trio.sleep(2.9)
                await peer.send(frame(b"alive"))  # any sign will do, and the clock starts again
                assert await pull.recv() == b"alive"
                start = trio.current_time()
                assert await peer.ended()
                assert trio.current_time() - start == pytest.approx(3.0, abs=0.1)


async def test_a_peer_of_zmtp_3_0_gets_no_ping_and_may_be_silent(quick_clock: MockClock) -> None:
    """ZMTP 3.0 has no PING."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=100)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(600):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.send(GREETING_3_0)
                await peer.read(64)
                await peer.send(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH")
                await peer.frame()
                with trio.move_on_after(300) as scope:
                    await peer.read(1)
                assert scope.cancelled_caught
                await peer.send(frame(b"old but alive"))
                assert await pull.recv() == b"old but alive"


async def greet_as_3_0(peer: RawPeer, octets: bytes = b"") -> None:
    await peer.send(GREETING_3_0)
    await peer.read(64)
    await peer.send(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH" + octets)
    await peer.frame()


async def test_disabled_heartbeats_are_reported_and_logged_once(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=100)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with logged(caplog) as words:
            for _ in range(3):
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await greet_as_3_0(peer)
                    told = await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                    assert told.reason.startswith(f"{pull.last_endpoint}: heartbeat_ivl has no effect with this peer")
                    assert "heartbeat_old_peers" in told.reason
        assert words == [told.reason]
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.greet(b"PUSH")
            assert (await until(monitor, Event.HANDSHAKE_SUCCEEDED)).reason == ""


async def test_a_peer_of_3_0_that_sends_ping_is_asked_from_then_on(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=1000)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(600):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await greet_as_3_0(peer)
                await trio.sleep(20)
                await peer.send(command(b"PING", b"\0\0"))
                assert await peer.frame() == (4, b"\x04PONG")
                begin = trio.current_time()
                assert await peer.read(1000) == b"\x04\x07\x04PING\0\0"  # one, and then the end
                assert trio.current_time() - begin == pytest.approx(2.0, abs=0.1)


async def test_heartbeat_old_peers_asks_a_peer_of_3_0_at_once(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=1000, heartbeat_old_peers=1)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with trio.fail_after(60):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await greet_as_3_0(peer)
                assert (await until(monitor, Event.HANDSHAKE_SUCCEEDED)).reason == ""
                assert await peer.frame() == (4, b"\x04PING\0\0")


async def test_a_peer_of_3_0_that_is_not_read_gets_no_pong(quick_clock: MockClock) -> None:
    """To libzmq 4.1 it would be a message; and to do nothing for it costs nothing."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, rcvhwm=1)
        pull.bind("tcp://127.0.0.1:*")
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await greet_as_3_0(peer, frame(b"1") + frame(b"2"))
            with trio.move_on_after(100) as scope:
                await peer.read(1)
            assert scope.cancelled_caught
            assert not runtime_of(ctx).reactor._calls
            assert runtime_of(ctx).reactor.standing == 0


@pytest.mark.slow
@pytest.mark.requirement("L-14")
@pytest.mark.parametrize(("peers", "least", "most"), [(10, 80, 120), (200, 800, 1200)])
async def test_all_together_get_1000_pongs_a_second_at_most(
    quick_clock: MockClock, monkeypatch: pytest.MonkeyPatch, peers: int, least: int, most: int
) -> None:
    """Of those that are not read. Ten a second for each of a few, and less for each of many."""
    said = []
    say = Engine.send_command

    def counted(engine: Engine, word: Ping | Pong) -> None:
        said.append(word)
        say(engine, word)

    monkeypatch.setattr(Engine, "send_command", counted)
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, rcvhwm=1, backlog=1000)
        pull.bind("tcp://127.0.0.1:*")
        strangers = [await RawPeer.dial(pull.last_endpoint) for _ in range(peers)]
        for peer in strangers:
            await peer.greet(b"PUSH")
            await peer.send(command(b"PING", b"\0\0") * 2 + frame(b"1") * 2)
        await trio.sleep(2)
        assert runtime_of(ctx).reactor.standing == peers
        said.clear()
        await trio.sleep(1)
        assert least <= len(said) <= most
        for peer in strangers:
            peer.close()
        while pull.peers():
            await pull.recv()
            await trio.sleep(0.01)
        assert runtime_of(ctx).reactor.standing == 0


@pytest.mark.slow
@pytest.mark.requirement("L-14", "37-75")
async def test_heartbeats_outlast_a_program_that_does_not_read(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        beating = {"heartbeat_ivl": 1000, "heartbeat_timeout": 1500, "heartbeat_ttl": 2000}
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, hwm=2, sndbuf=4096, rcvbuf=4096, **beating)
        monitor = push.monitor()
        sent = 0
        with trio.fail_after(900):
            while await push.poll(1000, zmq.POLLOUT):
                await push.send(b"%6d" % sent + bytes(5000))
                sent += 1
            await trio.sleep(20)
            for number in range(sent):
                assert (await pull.recv())[:6] == b"%6d" % number
            await push.send(b"on we go")
            assert await pull.recv() == b"on we go"
            push.close()
            assert {event.event async for event in monitor} <= {Event.DISCONNECTED}  # which is of our own closing


@pytest.mark.requirement("L-14")
@pytest.mark.slow
async def test_a_peer_that_is_not_read_still_gets_its_heartbeats(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, rcvhwm=1)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(60):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                for _ in range(2):
                    await trio.sleep(1)
                    await peer.send(command(b"PING", b"\0\x14"))  # each second; two seconds of silence are death
                    assert await peer.frame() == (4, b"\x04PONG")
                await peer.send(frame(b"1") + frame(b"2"))  # there is room for one
                for _ in range(20):
                    with trio.fail_after(1):
                        assert await peer.frame() == (4, b"\x04PONG")
                assert [await pull.recv(), await pull.recv()] == [b"1", b"2"]


# -------------------------------------------------------------------------------------------------- dialling again


async def pauses(ctx: zmq.Context, count: int, **options: int) -> list[int]:
    """What a socket that dials in vain announces, in milliseconds."""
    push = ctx.socket(zmq.PUSH, linger=0, **options)
    monitor = push.monitor()
    push.connect(free_endpoint())
    return [(await until(monitor, Event.CONNECT_RETRIED)).value for _ in range(count)]


@pytest.mark.requirement("37-19", "L-5")
async def test_between_two_attempts_is_a_pause_and_no_two_are_alike(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        with trio.fail_after(60):
            found = await pauses(ctx, 20)
        assert all(100 <= pause <= 200 for pause in found)
        assert len(set(found)) > 5


@pytest.mark.requirement("37-20", "L-5")
async def test_reconnect_ivl_max_lengthens_the_pause_per_failure(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        with trio.fail_after(60):
            assert await pauses(ctx, 5, reconnect_ivl=50, reconnect_ivl_max=300) == [50, 100, 200, 300, 300]


@pytest.mark.requirement("37-20", "L-5")
async def test_a_handshake_makes_the_next_pause_short_again(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=50, reconnect_ivl_max=300)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(60):
            for pause in (50, 100, 200):
                (await server.accept()).close()
                assert (await until(monitor, Event.CONNECT_RETRIED)).value == pause
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
            assert (await until(monitor, Event.CONNECT_RETRIED)).value == 50


async def test_a_peer_is_judged_only_after_its_input_was_read(quick_clock: MockClock) -> None:
    """The time at which it has promised to say something may come between the program's recv and our next read."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, rcvhwm=1)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(60):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                await peer.send(command(b"PING", b"\0\x05") + frame(b"one") + frame(b"two"))
                await trio.sleep(2)
                (session,) = sessions_of(pull)
                engine = session._engine
                assert await pull.recv() == b"one"
                assert engine._state is RESUMING
                for alarm in list(runtime_of(ctx).reactor._calls.values()):  # whatever the time
                    alarm()
                assert await pull.recv() == b"two"
                await peer.send(frame(b"three"))
                assert await pull.recv() == b"three"


@pytest.mark.parametrize("waits", [False, True], ids=["program elsewhere", "program in recv"])
@pytest.mark.slow
async def test_a_peer_outlives_a_program_that_blocks_the_loop(mock_clock: MockClock, waits: bool) -> None:
    """What has come and the alarm are found together, and chance decides which of the two is looked at first."""
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        pull = ctx.socket(zmq.PULL, heartbeat_ivl=1000, heartbeat_timeout=1000)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.greet(b"PUSH")
            await until(monitor, Event.HANDSHAKE_SUCCEEDED)
            if waits:
                nursery.start_soon(pull.recv)
            for _ in range(20):
                mock_clock.jump(1.0)
                assert (await peer.frame())[1].startswith(b"\x04PING")
                await wait_all_tasks_blocked()
                peer.stream.socket._sock.send(command(b"PONG"))
                mock_clock.jump(60.0)
                await trio.lowlevel.checkpoint()
                await wait_all_tasks_blocked(0.001)
                mock_clock.jump(0.02)
                await wait_all_tasks_blocked(0.001)
                with suppress(BlockingIOError):
                    while peer.stream.socket._sock.recv(65536):
                        peer.stream.socket._sock.send(command(b"PONG"))
                await wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()


def test_a_program_that_is_always_late_still_drops_dead_peers() -> None:
    heart = Heartbeat(interval=1.0, timeout=1.0)
    assert heart.beat(1.0)
    assert not heart.beat(2.5)
    with pytest.raises(Silence):
        heart.beat(3.0)
