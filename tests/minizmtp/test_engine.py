"""The engine: one connection at work, seen from a peer made by hand. And: what a hostile peer can not do."""

import errno
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net import engine as engine_module
from minizmtp.net.engine import MAX_UNSENT_REPLIES, Engine
from minizmtp.net.pulse import Disconnected
from minizmtp.net.runlimits import OCTETS, READS
from minizmtp.net.states import RESUMING
from minizmtp.net.transports import Stream
from minizmtp.net.writer import BATCH, EARLY_FLUSH_MIN
from minizmtp.patterns.pipe import Pipe
from minizmtp.sockets.socket import TURNS
from minizmtp.wire import Connection
from minizmtp.wire.frames import Frame, FrameDecoder
from tests.minizmtp.helpers import WIRES, Event, logged, pair, receive_all, until
from tests.minizmtp.inside import (
    engine_of,
    monitors_of,
    pattern_of,
    send_without_letting_others_run,
    sessions_of,
    sibling,
)
from tests.zmtp_bytes import GREETING, command, frame, ready
from tests.zmtp_peer import RawListener, RawPeer

SUBSCRIBE_ALL = command(b"SUBSCRIBE")
PING = command(b"PING", b"\0\0")


@asynccontextmanager
async def bound(kind: zmq.SocketType, **options: object) -> AsyncIterator[zmq.Socket]:
    with trio.fail_after(30):
        async with zmq.Context() as ctx:
            sock = ctx.socket(kind, **({"linger": 0} | options))
            sock.bind("tcp://127.0.0.1:*")
            yield sock


# ------------------------------------------------------------------------------------------------------- on the wire


@pytest.mark.requirement("37-1", "37-2", "37-80")
@pytest.mark.parametrize("endpoint", WIRES)
async def test_the_greeting_comes_at_once_and_ready_after_the_peers(endpoint: str) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind(endpoint)
        with trio.fail_after(5):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                assert await peer.read(64) == GREETING
                await peer.send(GREETING)
                assert await peer.read(28) == ready(b"PULL")
                await peer.send(ready(b"PUSH") + b"\1\1a\0\1b")
                assert await pull.recv_multipart() == [b"a", b"b"]


@pytest.mark.requirement("37-33", "L-6")
async def test_no_message_goes_out_before_the_peer_is_ready() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect(server.endpoint)
        for number in range(3):
            await push.send(b"%d" % number)
        with trio.fail_after(5):
            async with await server.accept() as peer:
                assert await peer.read(64) == GREETING
                await peer.send(GREETING)
                assert await peer.read(28) == ready(b"PUSH")
                with trio.move_on_after(0.05) as scope:
                    await peer.read(1)
                assert scope.cancelled_caught
                await peer.send(ready(b"PULL"))
                assert await peer.read(9) == b"\0\x010\0\x011\0\x012"


async def test_a_message_for_an_idle_connection_goes_out_inside_send() -> None:
    """Before any other task has run: it is with the system when send() returns."""
    async with bound(zmq.PUSH) as push, await RawPeer.dial(push.last_endpoint) as peer:
        await peer.greet(b"PULL")
        await push.poll(None, zmq.POLLOUT)
        await wait_all_tasks_blocked(0.01)
        send_without_letting_others_run(push)
        await push.send(b"now")
        assert peer.stream.socket._sock.recv(100) == b"\0\3now"


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many octets each write offers to the system, from now on."""
    sizes: list[int] = []
    try_send = Stream.try_send

    def counted(stream: Stream, data: bytes) -> int:
        sizes.append(len(data))
        return try_send(stream, data)

    monkeypatch.setattr(Stream, "try_send", counted)
    return sizes


async def test_a_burst_is_a_few_writes(writes: list[int]) -> None:
    async with bound(zmq.PUSH) as push, await RawPeer.dial(push.last_endpoint) as peer:
        await peer.greet(b"PULL")
        await push.poll(None, zmq.POLLOUT)
        await wait_all_tasks_blocked(0.01)
        writes.clear()
        for _ in range(1000):
            await push.send(b"x" * 8)
        expected = (b"\0\x08" + b"x" * 8) * 1000
        assert await peer.read(len(expected)) == expected
        assert len(writes) < 15
        assert max(writes) <= BATCH + 10


async def test_of_many_answers_half_do_not_wait_for_the_rest(writes: list[int]) -> None:
    """So the peer has something to do meanwhile. Of a few they all wait for the last: one write is cheaper."""
    async with bound(zmq.DEALER) as dealer, await RawPeer.dial(dealer.last_endpoint) as peer:
        await peer.greet(b"DEALER")
        for count in (EARLY_FLUSH_MIN - 1, 2 * EARLY_FLUSH_MIN):
            await peer.send(b"\0\1x" * count)
            await wait_all_tasks_blocked(0.01)
            writes.clear()
            for _ in range(count):
                await dealer.send(await dealer.recv())
            inside = list(writes)
            assert await peer.read(3 * count) == b"\0\1x" * count
            assert inside == ([] if count < EARLY_FLUSH_MIN else [3 * EARLY_FLUSH_MIN, 3 * EARLY_FLUSH_MIN])


@pytest.mark.slow
async def test_queued_messages_go_out_after_a_pong_waited_for_room() -> None:
    async with bound(zmq.PUSH) as push, await RawPeer.dial(push.last_endpoint) as peer:
        await peer.greet(b"PULL")
        await push.poll(None, zmq.POLLOUT)
        engine = engine_of(push)
        with trio.fail_after(10):
            await push.send(bytes(1 << 24))
            assert engine._writer.size >= BATCH  # so that it takes no more out of the queue
            await push.send(b"last")
            # All that the system has is read, and a PING sent, before the engine has a turn: its PONG finds room.
            with suppress(BlockingIOError):
                while data := peer.stream.socket._sock.recv(1 << 20):
                    peer.unread += data
            peer.stream.socket._sock.send(PING)
            assert await peer.message() == [bytes(1 << 24)]
            assert await peer.message() == [b"last"]


async def test_a_break_before_a_scheduled_turn_spares_the_next() -> None:
    with trio.fail_after(5):
        async with RawListener.listen() as server, zmq.Context() as ctx:
            dealer = ctx.socket(zmq.DEALER, linger=0, reconnect_ivl=1)
            dealer.connect(server.endpoint)
            async with await server.accept() as peer:
                await peer.greet(b"ROUTER")
                await peer.send(frame(b"two") + frame(b"at once"))  # so the answer is not sent inside send()
                assert [await dealer.recv() for _ in range(2)] == [b"two", b"at once"]
                await dealer.send(b"first")
                engine_of(dealer).stop(Disconnected(errno.EPIPE))
            async with await server.accept() as peer:
                await peer.greet(b"ROUTER")
                assert await peer.frame() == (0, b"first")
                await dealer.send(b"second")
                assert await peer.frame() == (0, b"second")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536, 1 << 20, (1 << 20) + 1])
@pytest.mark.parametrize("endpoint", WIRES)
@pytest.mark.slow
async def test_frames_of_any_size_arrive_whole(size: int, endpoint: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, endpoint)
        message = [random.Random(size).randbytes(size), b"", b"x" * size]
        with trio.fail_after(20):
            for _ in range(3):
                await push.send_multipart(message)
            for _ in range(3):
                assert await pull.recv_multipart() == message


@pytest.mark.requirement("L-12", "37-68")
async def test_a_ping_inside_a_message_is_answered_at_once() -> None:
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        await peer.send(b"\1\1a" + command(b"PING", b"\0\0ctx") + b"\0\1b")
        assert await peer.frame() == (4, b"\4PONGctx")
        assert await pull.recv_multipart() == [b"a", b"b"]


@pytest.mark.requirement("L-10", "37-27", "30-16")
async def test_only_whole_messages_are_delivered_before_a_break() -> None:
    async with bound(zmq.PULL) as pull:
        whole = b"\0\1a" + b"\1\1b\0\1c"
        half = b"\1\1d\1\1e\0\5fff"
        for end in range(len(half) + 1):
            monitor = pull.monitor()
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                await peer.send(whole + half[:end])
            await until(monitor, Event.DISCONNECTED)
            assert await receive_all(pull, 0) == [[b"a"], [b"b", b"c"]]


# ------------------------------------------------------------------------------------------------------- back-pressure


async def _fill(push: zmq.Socket, message: bytes) -> int:
    """How many messages are taken until nothing moves any more."""
    count = 0
    while True:
        with trio.move_on_after(0.1) as scope:
            await push.send(message)
            count += 1
        if scope.cancelled_caught:
            return count


@pytest.mark.requirement("30-9", "30-11", "30-17", "L-4")
async def test_a_push_to_a_pull_that_never_reads_bounds_memory() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, hwm=10, sndbuf=20000, rcvbuf=20000)
        tracemalloc.start()
        try:
            taken = await _fill(push, bytes(10_000))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # Two queues of ten, a write under way, a read under way, and what the system holds.
        assert 20 <= taken < 60
        assert peak < 2_000_000
        assert len(await receive_all(pull)) == taken


@pytest.mark.requirement("L-4", "30-6", "30-11")
@pytest.mark.parametrize("small", [0, 1, 50])
@pytest.mark.slow
async def test_a_first_message_does_not_raise_the_limit_for_the_rest(small: int) -> None:
    """Short messages, then long ones, for a peer that does not read: the engine takes one write's worth at a time."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=100, sndbuf=20_000)
        push.connect(server.endpoint)
        for number in range(100):
            await push.send(b"s" if number < small else bytes(1_000_000))
        with trio.fail_after(20):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await _fill(push, bytes(1_000_000))
                assert engine_of(push)._writer.size < 1_000_000 + 2 * BATCH
                assert push.peers()[0].queued > 40


@pytest.mark.requirement("29-9", "29-10", "37-27")
async def test_a_pub_never_waits_and_drops_whole_messages_for_the_slow() -> None:
    async with zmq.Context() as ctx:
        pub = ctx.socket(zmq.XPUB, linger=0, sndhwm=10, sndbuf=20000)
        pub.bind("tcp://127.0.0.1:*")
        with trio.fail_after(20):
            slow, quick = (ctx.socket(zmq.SUB, rcvhwm=hwm, rcvbuf=20000) for hwm in (1, 1000))
            for sub in (slow, quick):
                sub.connect(pub.last_endpoint)
                sub.subscribe("b" if sub is slow else "")
                await pub.recv()  # its subscription is in
            got = []
            for number in range(300):
                await pub.send_multipart([b"beat", b"%d" % number, bytes(5000), b"end"])
                got.append(await quick.recv_multipart())
            assert [int(message[1]) for message in got] == list(range(300))
            late = await receive_all(slow)
            assert 1 < len(late) < 200
            numbers = [int(message[1]) for message in late]
            assert numbers == sorted(set(numbers))
            assert all(len(message) == 4 and message[3] == b"end" and len(message[2]) == 5000 for message in late)
            assert {peer.dropped > 0 for peer in pub.peers()} == {True, False}
            await pub.send_multipart([b"beat", b"999"])
            assert await slow.recv_multipart() == [b"beat", b"999"]


@pytest.mark.slow
async def test_what_was_sent_is_not_kept() -> None:
    """A writer that always has something keeps records of that, and of no more."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, hwm=4, sndbuf=4096, rcvbuf=4096)

        async def send() -> None:
            while True:
                await push.send(bytes(20_000))

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                for _ in range(200):
                    await pull.recv()
                assert len(engine_of(push)._writer._pieces) < 10
                nursery.cancel_scope.cancel()


@pytest.mark.requirement("37-27", "L-13")
async def test_a_message_cut_off_is_not_completed_by_a_pong(monkeypatch: pytest.MonkeyPatch) -> None:
    """PING and then garbage, while half a message of ours is out. What comes after that half must be the end."""
    async with bound(zmq.PUSH) as push, await RawPeer.dial(push.last_endpoint) as peer:
        await peer.greet(b"PULL")
        await push.poll(None, zmq.POLLOUT)
        await wait_all_tasks_blocked(0.01)
        try_send, room = Stream.try_send, [8]

        def narrow(stream: Stream, data: bytes) -> int:
            count = try_send(stream, bytes(data[: room[0]])) if room[0] else 0
            room[0] -= count
            return count

        monkeypatch.setattr(Stream, "try_send", narrow)
        await push.send(b"a message")
        await peer.send(PING + b"\xff\xff")
        assert await peer.read(100) == b"\0\x09a messa"[:8]


# ------------------------------------------------------------------------------------------------------- hostile peers


async def _still_well(pull: zmq.Socket, push: zmq.Socket, word: bytes) -> None:
    await push.send_multipart([b"still", word])
    assert await pull.recv_multipart() == [b"still", word]


STAGES = {
    "nothing": b"",
    "half a greeting": GREETING[:20],
    "greeting": GREETING,
    "half of READY": GREETING + ready(b"PUSH")[:9],
    "ready": GREETING + ready(b"PUSH"),
    "in a message": GREETING + ready(b"PUSH") + b"\1\1a",
    "in a frame": GREETING + ready(b"PUSH") + b"\0\xffaaa",
}


@pytest.mark.requirement("L-10")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.slow
async def test_garbage_at_any_stage_ends_only_its_own_connection(stage: str) -> None:
    dice = random.Random(stage)
    async with bound(zmq.PULL, handshake_ivl=2000) as pull:
        push = sibling(pull, zmq.PUSH, linger=0)
        push.connect(pull.last_endpoint)
        for number in range(30):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                try:
                    await peer.send(STAGES[stage] + dice.randbytes(dice.randrange(1, 300)))
                    await peer.stream.send_eof()
                    await peer.read(10_000)
                except (trio.BrokenResourceError, OSError):
                    pass
            await push.send(b"still %d" % number)
            while (message := await pull.recv()) != b"still %d" % number:
                pass  # random octets may be a message, after all
            assert message == b"still %d" % number


@pytest.mark.requirement("37-16")
@pytest.mark.parametrize("endpoint", WIRES)
@pytest.mark.slow
async def test_a_peer_may_hang_up_at_every_octet_of_a_handshake(endpoint: str) -> None:
    said = GREETING + ready(b"PUSH", Identity=b"x") + b"\1\1a\0\1b"
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, endpoint)
        with trio.fail_after(30):
            for end in range(len(said)):
                monitor = pull.monitor()
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await peer.send(said[:end])
                await until(monitor, Event.DISCONNECTED)
                monitors_of(pull).clear()
                await _still_well(pull, push, b"%d" % end)
            assert len(pattern_of(pull).pipes) == 1


@pytest.mark.requirement("37-16", "L-20")
@pytest.mark.parametrize("endpoint", WIRES)
@pytest.mark.slow
async def test_a_server_that_closes_at_any_octet_is_dialled_again(endpoint: str, quick_clock: MockClock) -> None:
    said = GREETING + ready(b"PULL")
    quick_clock.autojump_threshold = 0.001
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect(server.endpoint)
        await push.send(b"precious")
        for end in range(len(said)):
            with trio.fail_after(60):
                async with await server.accept() as peer:
                    await peer.read(64)
                    await peer.send(said[:end])
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                assert await peer.message() == [b"precious"]


@pytest.mark.parametrize("limit", [10_000])
async def test_a_frame_above_the_limit_costs_only_its_connection(limit: int) -> None:
    async with bound(zmq.PULL, maxmsgsize=limit) as pull:
        push = sibling(pull, zmq.PUSH, linger=0)
        push.connect(pull.last_endpoint)
        for size in (limit + 1, 2**31, 2**40, 2**63 - 1, 2**63, 2**64 - 1):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                tracemalloc.start()
                try:
                    await peer.send(b"\2" + size.to_bytes(8, "big") + b"a" * 100)
                    assert await peer.ended()
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert peak < 1_000_000
            await _still_well(pull, push, b"%d" % size)
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.greet(b"PUSH")
            await peer.send(frame(bytes(limit)))
            assert await pull.recv() == bytes(limit)


@pytest.mark.slow
async def test_a_flood_of_pings_with_unread_pongs_is_no_longer_read() -> None:
    async with bound(zmq.PULL, sndbuf=4096) as pull:
        push = sibling(pull, zmq.PUSH, linger=0)
        push.connect(pull.last_endpoint)
        await _still_well(pull, push, b"before")
        listener_sessions = sessions_of(pull)
        known = set(listener_sessions)
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.greet(b"PUSH")
            flood, sent = command(b"PING", b"\0\0" + b"c" * 16) * 1000, 0
            while True:
                with trio.move_on_after(0.2) as scope:
                    await peer.send(flood)
                    sent += len(flood)
                if scope.cancelled_caught:
                    break
                assert sent < 100_000_000, "it is still read"
            (hostile,) = set(listener_sessions) - known
            # One read's worth of answers may come on top of what is owed.
            assert 0 < hostile._engine._writer.size < 3 * MAX_UNSENT_REPLIES
            await _still_well(pull, push, b"meanwhile")
            # When it reads its answers it is heard again. (Its last flood was cut off somewhere; the pongs count.)
            for _ in range(5000):
                assert await peer.frame() == (4, b"\4PONG" + b"c" * 16)


@pytest.mark.requirement("L-14")
@pytest.mark.slow
async def test_pings_on_each_others_heels_are_no_rhythm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two PINGs in one read, a full queue behind them: the engine says PONG now and then, not without a pause."""
    async with bound(zmq.PULL, rcvhwm=1) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        said = 0
        say = engine_module.Engine.send_command

        def counted(self: Engine, word: object) -> None:
            nonlocal said
            said += 1
            say(self, word)  # type: ignore[arg-type]

        monkeypatch.setattr(engine_module.Engine, "send_command", counted)
        await peer.send(PING * 2 + b"\0\1a" * 50)
        await trio.sleep(0.3)
        assert said < 40
        for _ in range(50):
            assert await pull.recv() == b"a"


async def test_a_peer_that_talks_to_a_push_is_seen_to_leave() -> None:
    """A PUSH reads no messages. What is sent to it must not stand in the way of the end behind it."""
    async with bound(zmq.PUSH) as push:
        monitor = push.monitor()
        async with await RawPeer.dial(push.last_endpoint) as peer:
            await peer.greet(b"PULL")
            await until(monitor, Event.HANDSHAKE_SUCCEEDED)
            await peer.send(b"\0\1x" * 3000)
        await until(monitor, Event.DISCONNECTED)
        with pytest.raises(zmq.Again):
            await push.send(b"to nobody", zmq.NOBLOCK)


async def test_an_internal_error_ends_one_connection_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, errors_expected: None
) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)
        with trio.fail_after(10), logged(caplog) as words:

            def stumble(pipe: Pipe) -> None:
                raise RuntimeError("slipped")

            monkeypatch.setattr(pattern_of(pull), "connected", stumble)
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                assert await peer.ended()
            await _still_well(pull, push, b"other")
            assert len(pattern_of(pull).pipes) == 1
        assert words == [f"internal error: closing connection to {pull.last_endpoint} (please report this)"]
        (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert record.exc_info is not None
        assert "slipped" in str(record.exc_info[1])


async def test_an_internal_error_while_sending_spares_the_nursery(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, errors_expected: None
) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        with trio.fail_after(10), logged(caplog) as words:

            def stumble(pipe: Pipe) -> None:
                raise RuntimeError("slipped")

            monkeypatch.setattr(pattern_of(push), "connected", stumble)
            push.connect(pull.last_endpoint)
            await until(monitor, Event.DISCONNECTED)
            await wait_all_tasks_blocked()
            monkeypatch.undo()
            push.connect(pull.last_endpoint)
            await push.send(b"again")
            assert await pull.recv() == b"again"
        assert words == [f"internal error: closing connection to {pull.last_endpoint} (please report this)"]


# ------------------------------------------------------------------------------------------------------- time


async def test_a_silent_peer_has_handshake_ivl_and_no_longer(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, handshake_ivl=700)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with trio.fail_after(60):
            for said in (b"", GREETING[:1], GREETING, GREETING + ready(b"PUSH")[:-1]):
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await until(monitor, Event.ACCEPTED)
                    begun = trio.current_time()
                    await peer.send(said)
                    await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
                    assert trio.current_time() - begun == pytest.approx(0.7)


async def test_a_slow_drip_does_not_prolong_it(quick_clock: MockClock) -> None:
    """The limit is for the whole handshake, not for each octet of it."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, handshake_ivl=1000)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with trio.fail_after(600):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await until(monitor, Event.ACCEPTED)
                begun = trio.current_time()
                for octet in GREETING[:5]:
                    await peer.send(bytes([octet]))
                    await trio.sleep(0.3)
                told = await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
                assert told.value == errno.EAGAIN
                assert "no handshake within 1000 ms (handshake_ivl)" in told.reason
                assert trio.current_time() - begun == pytest.approx(1.5)


async def test_handshake_ivl_0_is_no_limit_and_traffic_has_none(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, handshake_ivl=0)
        patient = ctx.socket(zmq.PULL, handshake_ivl=100)
        for sock in (pull, patient):
            sock.bind("tcp://127.0.0.1:*")
        with trio.fail_after(1e6):
            async with (
                await RawPeer.dial(pull.last_endpoint) as peer,
                await RawPeer.dial(patient.last_endpoint) as other,
            ):
                await other.greet(b"PUSH")
                await trio.sleep(80_000)
                await peer.greet(b"PUSH")
                await peer.send(b"\0\4late")
                await other.send(b"\0\4late")
                assert await pull.recv() == b"late"
                assert await patient.recv() == b"late"


@pytest.mark.requirement("L-20", "37-17", "37-18")
async def test_a_silent_server_is_dropped_and_dialled_again(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, handshake_ivl=500, reconnect_ivl=100)
        push.connect(server.endpoint)
        await push.send(b"kept")
        with trio.fail_after(60):
            async with await server.accept() as silent:
                begun = trio.current_time()
                async with await server.accept() as peer:
                    assert 0.6 <= trio.current_time() - begun < 0.7
                    await peer.greet(b"PULL")
                    assert await peer.message() == [b"kept"]
                assert await silent.read(65) == GREETING


async def test_a_handshake_in_time_counts_though_the_program_was_slow(mock_clock: MockClock) -> None:
    """The engine finds the peer's READY and the expired timer together, because the program blocked the loop."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, handshake_ivl=1000)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        for _ in range(10):  # chance decides which of the two is looked at first
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await until(monitor, Event.ACCEPTED)
                await wait_all_tasks_blocked(0.001)
                peer.stream.socket._sock.send(GREETING + ready(b"PUSH"))
                mock_clock.jump(5.0)
                with trio.fail_after(60):
                    assert (await anext(monitor)).event is Event.HANDSHAKE_SUCCEEDED
            await until(monitor, Event.DISCONNECTED)


# ------------------------------------------------------------------------------------------------------- fairness


async def test_a_flood_does_not_starve_other_tasks() -> None:
    """A ticker beside PUSH and PULL that never have to wait runs at least every so many messages."""
    async with zmq.Context() as ctx:
        for endpoint in ("tcp://127.0.0.1:*", "inproc://flood"):
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, endpoint)
            sent = received = 0
            gaps: list[int] = []

            async def ticker() -> None:
                last = 0
                while True:
                    gaps.append(sent + received - last)  # noqa: B023
                    last = sent + received  # noqa: B023
                    await trio.lowlevel.checkpoint()

            with trio.fail_after(20):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ticker)
                    for _ in range(20):
                        for _ in range(500):
                            await push.send(b"x")
                            sent += 1
                        for _ in range(500):
                            await pull.recv()
                            received += 1
                    nursery.cancel_scope.cancel()
            assert max(gaps) <= 3 * TURNS


@pytest.mark.parametrize(
    ("size", "reads"), [(65_536, READS), (3_000_000, READS), (1_000, 5), (64, 1)], ids=["64k", "3m", "1k", "64"]
)
@pytest.mark.slow
async def test_a_turn_is_a_few_reads_of_large_frames_and_one_of_small(
    size: int, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """… however much has come: the others are not to wait for all of it."""
    in_turn = [0]
    turn, try_receive_into = Engine.run_once, Stream.try_receive_into

    def counted(engine: Engine, may: int) -> None:
        in_turn.append(0)
        turn(engine, may)

    def seen(stream: Stream, connection: Connection, most: int = 0) -> int | None:
        in_turn[-1] += 1
        return try_receive_into(stream, connection, most)

    monkeypatch.setattr(Engine, "run_once", counted)
    monkeypatch.setattr(Stream, "try_receive_into", seen)
    async with bound(zmq.PULL, rcvhwm=0, rcvbuf=400_000) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        message = random.Random(size).randbytes(size)
        count = 12_000_000 // size
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, frame(message) * count)
            for _ in range(count):
                assert await pull.recv() == message
        assert max(in_turn) <= reads
        assert reads < READS or max(in_turn) > 1


FLOODS = {
    "PING": (PING, 5),
    "PONG": (command(b"PONG"), 5),
    "unknown": (command(b"X"), 5),
    "frames": (b"\1\0", 70),
}


@pytest.fixture
def frames_in_turn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each turn takes out of what was read, one by one."""
    turns = [0]
    turn, next_frame = Engine.run_once, FrameDecoder.next_frame

    def counted(engine: Engine, may: int) -> None:
        turns.append(0)
        turn(engine, may)

    def seen(decoder: FrameDecoder) -> Frame | None:
        found = next_frame(decoder)
        turns[-1] += found is not None
        return found

    monkeypatch.setattr(Engine, "run_once", counted)
    monkeypatch.setattr(FrameDecoder, "next_frame", seen)
    return turns


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.slow
async def test_a_turn_is_a_few_commands_or_frames(flood: str, frames_in_turn: list[int]) -> None:
    """One read may hold thousands, and the others are not to wait for all of them."""
    octets, most = FLOODS[flood]
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        frames_in_turn[:] = [0]
        await peer.send(octets * 3000 + b"\0\4last")
        assert (await pull.recv_multipart())[-1] == b"last"
        assert max(frames_in_turn) <= most
        if flood == "PING":
            assert await peer.read(7 * 3000) == command(b"PONG") * 3000


async def test_a_turn_is_a_few_subscriptions_of_either_form(frames_in_turn: list[int]) -> None:
    async with bound(zmq.XPUB) as pub, await RawPeer.dial(pub.last_endpoint) as peer:
        await peer.greet(b"SUB")
        frames_in_turn[:] = [0]
        for number in range(500):
            await peer.send(command(b"SUBSCRIBE", b"%d" % number) + frame(b"\1x%d" % number))
        seen = [await pub.recv() for _ in range(1000)]
        assert seen[-2:] == [b"\x01499", b"\x01x499"]
        assert max(frames_in_turn) <= 5


async def test_the_end_after_a_flood_comes_after_it() -> None:
    async with bound(zmq.PULL) as pull:
        monitor = pull.monitor()
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.greet(b"PUSH")
            await peer.send(command(b"X") * 1000 + b"\0\4last")
        assert await pull.recv() == b"last"
        await until(monitor, Event.DISCONNECTED)


@pytest.mark.parametrize("waits", [False, True], ids=["program elsewhere", "program in recv"])
@pytest.mark.slow
async def test_others_have_turns_while_one_floods(waits: bool) -> None:
    """Another peer's message is not kept waiting until the flood is over, and no turn is without a pause for tasks."""
    async with bound(zmq.PULL) as flooded, bound(zmq.PULL) as pull, trio.open_nursery() as nursery:
        async with await RawPeer.dial(flooded.last_endpoint) as peer, await RawPeer.dial(pull.last_endpoint) as other:
            await peer.greet(b"PUSH")
            await other.greet(b"PUSH")
            await wait_all_tasks_blocked(0.01)
            if waits:
                nursery.start_soon(flooded.recv)
                await wait_all_tasks_blocked(0.01)
            engine = engine_of(flooded)
            peer.stream.socket._sock.send(command(b"X") * 5000)
            while engine._state is not RESUMING:
                await trio.lowlevel.checkpoint()
            other.stream.socket._sock.send(b"\0\3now")
            assert await pull.recv() == b"now"
            assert engine._state is RESUMING
            steps = 0
            while engine._state is RESUMING:
                steps += 1
                await trio.lowlevel.checkpoint()
            assert steps > 1000 // 3  # of 5000 commands, four or five in each turn, and two turns for a step at most
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("kind", "peer_is"), [(zmq.SUB, b"PUB"), (zmq.REP, b"REQ")])
async def test_others_run_while_all_that_comes_is_dropped(
    kind: zmq.SocketType, peer_is: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that gets nothing of a flood asks again and again: a SUB without a subscription, and a REP that is
    sent no delimiter."""
    between_two_ticks = [0]

    class Counted(Engine):
        def run_once(self, readiness: int) -> None:
            between_two_ticks[-1] += 1
            super().run_once(readiness)

    async def flood() -> None:
        while True:
            await peer.send(frame(b"x") * 10_000)

    monkeypatch.setattr("minizmtp.net.session.Engine", Counted)
    async with bound(kind, rcvhwm=100) as sock, await RawPeer.dial(sock.last_endpoint) as peer:
        await peer.greet(peer_is)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sock.recv)
            await wait_all_tasks_blocked(0.01)
            between_two_ticks[:] = [0]
            nursery.start_soon(flood)
            while sum(between_two_ticks) < 300:
                between_two_ticks.append(0)
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert max(between_two_ticks) <= 8


async def test_a_turn_of_large_frames_ends_after_a_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = [0]
    turn, try_receive_into = Engine.run_once, Stream.try_receive_into

    def counted(engine: Engine, may: int) -> None:
        octets.append(0)
        turn(engine, may)

    def seen(stream: Stream, connection: Connection, most: int = 0) -> int | None:
        count = try_receive_into(stream, connection, most)
        octets[-1] += count or 0
        return count

    monkeypatch.setattr(Engine, "run_once", counted)
    monkeypatch.setattr(Stream, "try_receive_into", seen)
    async with bound(zmq.PULL, rcvbuf=4_000_000) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, frame(bytes(8_000_000)) * 3)
            for _ in range(3):
                assert len(await pull.recv()) == 8_000_000
    assert max(octets) < 2 * OCTETS


async def test_a_receiver_in_a_noblock_loop_lets_the_message_come() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)

        async def send() -> None:
            await push.send(b"at last")

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                for _ in range(10_000):
                    try:
                        assert await pull.recv(zmq.NOBLOCK) == b"at last"
                        break
                    except zmq.Again:
                        continue
                else:
                    raise AssertionError("ten thousand turns, and nothing came")


async def test_a_noblock_loop_still_lets_the_queue_drain() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, hwm=1, sndbuf=4096, rcvbuf=4096)
        sent = 0
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:

                async def read() -> None:
                    for number in range(50):
                        assert (await pull.recv())[:2] == b"%02d" % number

                nursery.start_soon(read)
                while sent < 50:
                    try:
                        await push.send(b"%02d" % sent + bytes(10_000), zmq.NOBLOCK)
                        sent += 1
                    except zmq.Again:
                        continue


# ------------------------------------------------------------------------------------------------ receivers that wait


@asynccontextmanager
async def receiving(sock: zmq.Socket, count: int = 1) -> AsyncIterator[list[bytes]]:
    """So many tasks that each wait for one message; what they got, after the block."""
    got: list[bytes] = []

    async def receive() -> None:
        got.append(await sock.recv())

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(receive)
            await wait_all_tasks_blocked(0.01)
        yield got


async def test_a_receiver_is_woken_and_the_next_message_stays() -> None:
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        await wait_all_tasks_blocked(0.01)
        async with receiving(pull) as got:
            await peer.send(b"\0\1a\0\1b")
        assert got == [b"a"]
        assert await pull.recv() == b"b"


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
async def test_a_receiver_is_woken_by_a_peer_that_came_later(transport: str) -> None:
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as first:
        await first.greet(b"PUSH")
        await wait_all_tasks_blocked(0.01)
        push = sibling(pull, zmq.PUSH, linger=0)
        async with receiving(pull) as got:
            if transport == "inproc":
                pull.bind("inproc://second")
            push.connect(pull.last_endpoint)
            await push.send(b"second")
        assert got == [b"second"]


async def test_a_connection_is_read_after_a_receiver_was_cancelled() -> None:
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        await wait_all_tasks_blocked(0.01)
        with trio.move_on_after(0.02) as scope:
            await pull.recv()
        assert scope.cancelled_caught
        await peer.send(PING + b"\0\1a")
        assert await peer.frame() == (4, b"\4PONG")  # read although no task waits in recv
        assert await pull.recv() == b"a"


async def test_two_receivers_that_wait_are_both_served() -> None:
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        await wait_all_tasks_blocked(0.01)
        async with receiving(pull, 2) as got:
            await peer.send(b"\0\1a\0\1b")
        assert sorted(got) == [b"a", b"b"]


@pytest.mark.requirement("37-68")
async def test_a_ping_is_answered_while_a_task_waits_in_recv() -> None:
    async with bound(zmq.PULL) as pull, await RawPeer.dial(pull.last_endpoint) as peer:
        await peer.greet(b"PUSH")
        await wait_all_tasks_blocked(0.01)
        async with receiving(pull) as got:
            await peer.send(PING)
            assert await peer.frame() == (4, b"\4PONG")
            assert got == []
            await peer.send(b"\0\1a")
        assert got == [b"a"]


@pytest.mark.parametrize("how", ["close", "unbind", "peer"])
async def test_a_receiver_outlives_the_end_of_the_only_connection(how: str) -> None:
    async with bound(zmq.PULL) as pull:
        endpoint = pull.last_endpoint
        async with await RawPeer.dial(endpoint) as peer:
            await peer.greet(b"PUSH")
            await wait_all_tasks_blocked(0.01)
            outcome: list[object] = []

            async def receive() -> None:
                try:
                    outcome.append(await pull.recv())
                except zmq.ZMQError as error:
                    outcome.append(error.errno)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await wait_all_tasks_blocked(0.01)
                if how == "peer":
                    peer.close()
                else:
                    getattr(pull, how)(*([endpoint] if how == "unbind" else []))
                await wait_all_tasks_blocked(0.01)
                if how == "close":
                    assert outcome == [zmq.ENOTSOCK]
                    return
                assert outcome == []
                assert pull.peers() == []
                if how == "unbind":
                    pull.bind(endpoint)
                async with await RawPeer.dial(endpoint) as other:
                    await other.greet(b"PUSH")
                    await other.send(b"\0\5other")
            assert outcome == [b"other"]
