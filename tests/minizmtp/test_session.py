"""Sessions: dialling, dialling again, giving up, and what becomes of the messages."""

import logging
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net import connector, reports
from minizmtp.sockets.context import LINGER_WARNING_AFTER
from tests.minizmtp.helpers import WIRES, Event, free_endpoint, logged, pair, receive_all, until
from tests.minizmtp.inside import pattern_of
from tests.zmtp_bytes import GREETING, command, frame, ready
from tests.zmtp_peer import RawListener, RawPeer


async def fill(sock: zmq.Socket) -> int:
    """How many messages it takes until it would have to wait."""
    count = 0
    try:
        while True:
            await sock.send(b"%d" % count, zmq.NOBLOCK)
            count += 1
    except zmq.Again:
        return count


async def pauses(monitor: zmq.Monitor, count: int) -> list[tuple[int, float]]:
    """For each of the next retries: what the event says in ms, and how long it was until the next attempt."""
    found = []
    for _ in range(count):
        told = await until(monitor, Event.CONNECT_RETRIED)
        begun = trio.current_time()
        await until(monitor, Event.CONNECT_DELAYED)
        found.append((told.value, trio.current_time() - begun))
    return found


# ------------------------------------------------------------------------------------------------------- the queue


@pytest.mark.requirement("L-1", "L-4", "L-6", "30-3", "30-6")
@pytest.mark.parametrize("hwm", [1, 2, 1000])
async def test_sndhwm_limits_the_queue_of_a_connect_without_a_peer(hwm: int) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=hwm)
        assert await fill(push) == 0
        push.connect(free_endpoint())
        assert await fill(push) == hwm
        push.connect(free_endpoint())
        assert await fill(push) == hwm


async def test_messages_count_and_not_frames() -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=2)
        push.connect(free_endpoint())
        for _ in range(2):
            await push.send_multipart([b"x"] * 100, zmq.NOBLOCK)
        with pytest.raises(zmq.Again):
            await push.send(b"", zmq.NOBLOCK)


async def test_sndhwm_0_is_no_limit() -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=0)
        push.connect(free_endpoint())
        for _ in range(5000):
            await push.send(b"", zmq.NOBLOCK)


@pytest.mark.requirement("L-6", "37-52", "37-55")
@pytest.mark.slow
async def test_messages_queued_before_the_server_are_sent_in_order(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        endpoint = free_endpoint()
        push = ctx.socket(zmq.PUSH)
        push.connect(endpoint)
        for number in range(100):
            await push.send(b"%d" % number)
        await trio.sleep(10)
        pull = ctx.socket(zmq.PULL)
        pull.bind(endpoint)
        with trio.fail_after(60):
            assert [int(await pull.recv()) for _ in range(100)] == list(range(100))


@pytest.mark.requirement("L-7")
async def test_immediate_queues_only_while_a_peer_is_connected(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, immediate=1, sndhwm=5)
        monitor = push.monitor()
        push.connect(server.endpoint)
        assert await fill(push) == 0
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await until(monitor, Event.CONNECTED)
                assert await fill(push) == 0
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(push.send, b"waited")
                    await wait_all_tasks_blocked(0.01)
                    await peer.greet(b"PULL")
                assert await peer.message() == [b"waited"]
            await until(monitor, Event.DISCONNECTED)
            assert await fill(push) == 0


# ------------------------------------------------------------------------------------------------------- dialling again


@pytest.mark.requirement("L-5", "37-19")
@pytest.mark.slow
async def test_attempts_are_one_to_two_intervals_apart(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        begun = trio.current_time()
        push.connect(free_endpoint())
        await until(monitor, Event.CONNECT_DELAYED)
        assert trio.current_time() == begun  # the first one at once
        with trio.fail_after(60):
            found = await pauses(monitor, 30)
        for told, waited in found:
            assert 100 <= told <= 200
            assert waited == pytest.approx(told / 1000, abs=0.001)
        assert len({told for told, _ in found}) > 5


@pytest.mark.requirement("L-5", "37-20")
async def test_pauses_double_to_the_maximum_and_restart_on_success(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        endpoint = free_endpoint()
        push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=50, reconnect_ivl_max=300)
        monitor = push.monitor()
        push.connect(endpoint)
        with trio.fail_after(60):
            found = await pauses(monitor, 6)
            assert [told for told, _ in found] == [50, 100, 200, 300, 300, 300]
            assert [waited for _, waited in found] == [pytest.approx(told / 1000) for told, _ in found]
            pull = ctx.socket(zmq.PULL)
            pull.bind(endpoint)
            await until(monitor, Event.HANDSHAKE_SUCCEEDED)
            pull.close()
            assert [told for told, _ in await pauses(monitor, 3)] == [50, 100, 200]


async def test_a_maximum_below_the_interval_changes_nothing(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=50, reconnect_ivl_max=20)
        monitor = push.monitor()
        push.connect(free_endpoint())
        with trio.fail_after(60):
            assert [told for told, _ in await pauses(monitor, 3)] == [50, 50, 50]


@pytest.mark.parametrize("interval", [0, -1])
async def test_reconnect_ivl_0_and_minus_1_both_mean_never(interval: int, quick_clock: MockClock) -> None:
    """… not after a first attempt that failed, nor after a connection that broke."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        for endpoint, attempts in [(free_endpoint(), 0), (server.endpoint, 1)]:
            push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=interval)
            monitor = push.monitor()
            push.connect(endpoint)
            if attempts:
                (await server.accept()).close()
            await trio.sleep(1000)
            push.close()
            told = [event.event async for event in monitor]
            assert told.count(Event.CONNECT_DELAYED) == 1
            assert Event.CONNECT_RETRIED not in told


@pytest.mark.requirement("L-8", "30-4", "37-17", "37-18", "37-54")
async def test_nothing_is_sent_twice_over_a_reconnect(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(b"read")
                assert await peer.message() == [b"read"]
            await until(monitor, Event.DISCONNECTED)
            await push.send(b"queued 1")
            await push.send(b"queued 2")
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                assert await peer.message() == [b"queued 1"]
                assert await peer.message() == [b"queued 2"]


@pytest.mark.requirement("L-8", "L-11", "L-13", "37-27", "37-54")
@pytest.mark.slow
async def test_a_message_cut_off_by_a_break_is_sent_whole_again() -> None:
    """Of what went out before, the last message can have arrived in part only: a peer throws such a part away."""
    # In real time: what the kernel holds back when its buffers are full comes by the kernel's clock.
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndbuf=65536, reconnect_ivl=1)
        monitor = push.monitor()
        push.connect(server.endpoint)
        large = bytes(20_000_000)
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(b"small")
                assert await peer.message() == [b"small"]
                await push.send_multipart([b"large", large])
                await push.send(b"after")
                await peer.read(1_000_000)
            await until(monitor, Event.DISCONNECTED)
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                assert await peer.message() == [b"large", large]
                assert await peer.message() == [b"after"]


@pytest.mark.requirement("29-3", "L-39")
async def test_a_pub_that_connects_keeps_subscriptions_between_peers(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        pub = ctx.socket(zmq.PUB, linger=0)
        monitor = pub.monitor()
        pub.connect(server.endpoint)
        await pub.send(b"a: lost, for nobody has subscribed")
        with trio.fail_after(60):
            async with await server.accept() as peer:
                await peer.greet(b"SUB")
                await peer.send(command(b"SUBSCRIBE", b"a"))
                await wait_all_tasks_blocked(0.01)
                await pub.send(b"a: heard")
                assert await peer.message() == [b"a: heard"]
            await until(monitor, Event.DISCONNECTED)
            await pub.send(b"a: queued")
            await pub.send(b"b: not wanted")
            async with await server.accept() as peer:
                await peer.greet(b"SUB")
                assert await peer.message() == [b"a: queued"]


@pytest.mark.requirement("L-38", "37-58")
async def test_a_sub_subscribes_again_each_topic_once(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        sub = ctx.socket(zmq.SUB)
        for topic in ("a", "b", "a", "c"):
            sub.subscribe(topic)
        sub.unsubscribe("c")
        monitor = sub.monitor()
        sub.connect(server.endpoint)
        with trio.fail_after(60):
            for _ in range(3):
                async with await server.accept() as peer:
                    await peer.greet(b"PUB")
                    assert await peer.frame() == (4, b"\x09SUBSCRIBEa")
                    assert await peer.frame() == (4, b"\x09SUBSCRIBEb")
                    await peer.send(frame(b"a1"))
                    assert await sub.recv() == b"a1"
                await until(monitor, Event.DISCONNECTED)
            sub.subscribe("d")
            async with await server.accept() as peer:
                await peer.greet(b"PUB")
                assert [(await peer.frame())[1][10:] for _ in range(3)] == [b"a", b"b", b"d"]


@pytest.mark.requirement("L-34")
async def test_a_request_is_not_repeated_over_a_reconnect(quick_clock: MockClock) -> None:
    """The reply may still come over the new connection."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        req = ctx.socket(zmq.REQ, linger=0)
        req.connect(server.endpoint)
        with trio.fail_after(60):
            await req.send(b"question")
            async with await server.accept() as peer:
                await peer.greet(b"REP")
                assert await peer.message() == [b"", b"question"]
            async with await server.accept() as peer:
                await peer.greet(b"REP")
                with trio.move_on_after(1) as scope:
                    await peer.read(1)
                assert scope.cancelled_caught
                await peer.send(b"\1\0\0\6answer")
                assert await req.recv() == b"answer"


# ------------------------------------------------------------------------------------------------------- giving up

WRONG: dict[str, bytes] = {
    "mechanism": GREETING.replace(b"NULL", b"PLAI"),
    "type": GREETING + ready(b"PUSH"),
    "command": GREETING + command(b"HELLO"),
    "metadata": GREETING + command(b"READY", b"\x0bSocket-Type\0\0\0\xffPULL"),
    "ERROR": GREETING + command(b"ERROR", b"\x03400"),
    "frame above maxmsgsize": GREETING + ready(b"PULL") + frame(bytes(101)),
    "reserved flag": GREETING + ready(b"PULL") + b"\x10\x00",
}


@pytest.mark.requirement("L-20", "37-11", "37-14", "37-15", "37-44")
@pytest.mark.parametrize("what", WRONG)
async def test_a_protocol_error_ends_a_connect_for_good(
    what: str, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, maxmsgsize=100)
        monitor = push.monitor()
        with trio.fail_after(600), logged(caplog, logging.INFO) as words:
            push.connect(server.endpoint)
            async with await server.accept() as peer:
                await peer.send(WRONG[what])
                told = await until(monitor, Event.DISCONNECTED)
            await trio.sleep(100)
            with pytest.raises(zmq.Again):  # nor is anything queued for it any more
                await push.send(b"nowhere", zmq.NOBLOCK)
            push.close()
            assert [event async for event in monitor] == []
        assert told.reason.startswith(f"{server.endpoint}: ")
        assert words == [told.reason]


@pytest.mark.requirement("L-20", "L-33")
@pytest.mark.parametrize("reply", [b"\0\1x", b"\0\0", b"\1\2ab\0\1x", b"\1\4abcd\0\1x"])
async def test_a_malformed_reply_ends_a_req_connection_for_good(reply: bytes, quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        req = ctx.socket(zmq.REQ, linger=0)
        monitor = req.monitor()
        req.connect(server.endpoint)
        await req.send(b"question")
        with trio.fail_after(600):
            async with await server.accept() as peer:
                await peer.greet(b"REP")
                assert await peer.message() == [b"", b"question"]
                await peer.send(reply)
                assert await peer.ended()
            assert "expected an empty frame" in (await until(monitor, Event.DISCONNECTED)).reason
            await trio.sleep(100)
            req.close()
            assert [event async for event in monitor] == []


async def test_a_connect_that_gave_up_may_be_disconnected() -> None:
    """As in libzmq: the program does not know that it gave up, and need not know."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.send(WRONG["type"])
                await until(monitor, Event.DISCONNECTED)
        await wait_all_tasks_blocked()
        push.disconnect(server.endpoint)
        with pytest.raises(zmq.ZMQError) as caught:
            push.disconnect(server.endpoint)
        assert caught.value.errno == zmq.ENOENT


# ------------------------------------------------------------------------------------- something else is at the port

NOT_ZMTP_3: dict[str, bytes] = {
    "ZMTP 1.0": b"\x01\x00",
    "ZMTP 2.0": b"\xff" + bytes(8) + b"\x7f\x01\x07\x00\x00",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 100,
}


@pytest.mark.requirement("L-20", "37-7", "37-17", "37-20")
@pytest.mark.parametrize("what", NOT_ZMTP_3)
@pytest.mark.slow
async def test_what_is_not_zmtp_3_is_dialled_again(
    what: str, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """… ever more seldom, and is logged once. Then the right peer has the port, and gets what was queued."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(server.endpoint)
        await push.send(b"for the right peer")
        pauses = []
        with trio.fail_after(60), logged(caplog) as words:
            for _ in range(7):
                async with await server.accept() as peer:
                    await peer.send(NOT_ZMTP_3[what])
                    assert (await until(monitor, Event.HANDSHAKE_FAILED_PROTOCOL)).reason.startswith(server.endpoint)
                    pauses.append((await until(monitor, Event.CONNECT_RETRIED)).value)
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                assert await peer.message() == [b"for the right peer"]
            assert (await until(monitor, Event.CONNECT_RETRIED)).value <= 200
        bounds = [100, 200, 400, 800, 1600, 1600, 1600]
        assert [least <= pause <= least + 100 for least, pause in zip(bounds, pauses, strict=True)] == [True] * 7
        assert len(words) == 1


@pytest.mark.requirement("L-5", "37-20")
@pytest.mark.parametrize("said", [b"", GREETING[:10], GREETING, b"HTTP"])
@pytest.mark.slow
async def test_a_connection_without_a_handshake_is_a_failure(said: bytes, quick_clock: MockClock) -> None:
    """A server that accepts and closes has not been reached: the pause doubles, up to reconnect_ivl_max."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=10, reconnect_ivl_max=100)
        monitor = push.monitor()
        push.connect(server.endpoint)
        pauses = []
        with trio.fail_after(60):
            for _ in range(6):
                async with await server.accept() as peer:
                    await peer.send(said)
                pauses.append((await until(monitor, Event.CONNECT_RETRIED)).value)
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
            pauses.append((await until(monitor, Event.CONNECT_RETRIED)).value)
        assert pauses == [10, 20, 40, 80, 100, 100, 10]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (0, "perhaps a proxy without a server, a server that is not ready, or a peer of ZMTP 2.0"),
        (
            10,
            "most likely a libzmq with another mechanism (look at the options curve_... and plain_... of both sockets),"
            " or a peer of ZMTP 2.0 (libzmq 3.2 or older), which has to be updated to libzmq 4",
        ),
    ],
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_peer_that_hangs_up_on_our_greeting_is_explained(
    said: int, cause: str, reset: bool, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """So libzmq 3.2 does: at octet 13 or later of ours, and its own 10 have been sent by then or not."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(60), logged(caplog, logging.INFO) as words:
            for _ in range(3):
                async with await server.accept() as peer:
                    await peer.send(GREETING[:said])
                    if not reset:  # octets that are not read make the system send a reset
                        await peer.read(64)
                told = await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
                assert f"after {said} of the 64 octets of the greeting; {cause}" in told.reason
                assert told.reason.count("of the 64 octets") == 1
                assert (await until(monitor, Event.DISCONNECTED)).reason == told.reason
        assert len(words) == len(set(words)) <= 2  # closed and reset are two causes, if the system gave both


async def test_a_listener_explains_a_peer_of_zmtp_2(caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        monitor = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(10), logged(caplog, logging.INFO) as words:
            for _ in range(3):
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await peer.send(GREETING[:10])
                    await peer.read(64)
                told = await until(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
        assert "or a peer of ZMTP 2.0" in told.reason
        assert words == [told.reason]


# ------------------------------------------------------------------------------------- errors of ours, and the system's


async def test_a_dial_that_fails_by_a_mistake_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as: no thread can be started to look up the name."""
    real, failures = connector.dial, 3

    async def dial(*arguments: Any) -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise RuntimeError("can't start new thread")
        return await real(*arguments)

    monkeypatch.setattr(connector, "dial", dial)
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        with trio.fail_after(60), logged(caplog) as words:
            push.connect(server.endpoint)
            assert "can't start new thread" in (await until(monitor, Event.CLOSED)).reason
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
        assert words == [f'{server.endpoint}: RuntimeError("can\'t start new thread")']


async def test_a_judge_that_fails_does_not_end_a_connect(quick_clock: MockClock) -> None:
    """What our own ZAP handler says of a peer is nothing that the peer said."""
    answers = [b"what?", b"500", b"400", b"200"]
    async with RawListener.listen() as server, zmq.Context() as ctx, trio.open_nursery() as nursery:
        handler = ctx.socket(zmq.REP)
        handler.bind("inproc://zeromq.zap.01")

        async def judge() -> None:
            for answer in answers:
                request = await handler.recv_multipart()
                await handler.send_multipart([*request[:2], answer, b"", b"", b""])

        nursery.start_soon(judge)
        push = ctx.socket(zmq.PUSH, linger=0, zap_domain="here")
        push.connect(server.endpoint)
        await push.send(b"for whom it may concern")
        with trio.fail_after(60):
            for _ in answers[1:]:
                async with await server.accept() as peer:
                    await peer.send(GREETING + ready(b"PULL"))
                    await peer.read(1000)
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                assert await peer.message() == [b"for whom it may concern"]


@pytest.mark.usefixtures("errors_expected")
async def test_an_error_as_a_connection_ends_is_logged_and_survived(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push, pull = ctx.socket(zmq.PUSH, linger=0), ctx.socket(zmq.PULL, linger=0)
        push.connect(server.endpoint)
        pull.bind("tcp://127.0.0.1:*")

        def fail_once(pattern: Any, name: str) -> None:
            real = getattr(pattern, name)

            def fail(*_: object) -> None:
                setattr(pattern, name, real)
                raise ZeroDivisionError

            setattr(pattern, name, fail)

        fail_once(pattern_of(push), "disconnected")
        fail_once(pattern_of(pull), "connected")
        with trio.fail_after(60), logged(caplog, logging.ERROR) as words:
            for _ in range(2):
                async with await server.accept() as peer:
                    await peer.greet(b"PULL")
            for _ in range(2):
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await peer.send(GREETING + ready(b"PUSH") + b"\0\1a")
            assert await pull.recv() == b"a"
        assert len(words) == 2


@pytest.mark.usefixtures("errors_expected")
async def test_a_repeated_internal_error_backs_off(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(server.endpoint)
        pattern_of(push).connected = None
        with trio.fail_after(60):
            for least in (100, 200, 400, 800, 1600, 1600):
                async with await server.accept() as peer:
                    await peer.greet(b"PULL")
                    assert least <= (await until(monitor, Event.CONNECT_RETRIED)).value <= least + 100


@pytest.mark.requirement("37-45")
async def test_a_peer_of_the_wrong_type_gets_an_error_with_the_reason() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(5):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"SUB")
                flags, body = await peer.frame()
                assert (flags, body[:6]) == (4, b"\5ERROR")
                assert b"PULL cannot talk to SUB" in body
                assert await peer.ended()


@pytest.mark.requirement("L-20", "37-17")
@pytest.mark.parametrize("said", [b"", GREETING[:10], GREETING, GREETING + ready(b"PULL")])
async def test_anything_else_is_tried_again(said: bytes, quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect(server.endpoint)
        with trio.fail_after(60):
            for _ in range(3):
                async with await server.accept() as peer:
                    await peer.send(said)


async def test_a_connect_that_has_given_up_may_be_made_again(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER, linger=0)
        with trio.fail_after(60):
            for _ in range(2):
                dealer.connect(server.endpoint)
                async with await server.accept() as peer:
                    await peer.send(WRONG["type"])
                    await peer.read(1000)
                await wait_all_tasks_blocked(0.02)


# ------------------------------------------------------------------------------------------------------- the bind side


@pytest.mark.requirement("L-9", "28-23", "30-5", "30-16")
@pytest.mark.parametrize("endpoint", WIRES)
async def test_an_accepted_peers_queue_dies_with_its_connection(endpoint: str) -> None:
    """Received messages stay readable; those queued for it are dropped, and go to no other peer."""
    async with zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER, linger=0, sndbuf=4096)
        dealer.bind(endpoint)
        monitor = dealer.monitor()
        with trio.fail_after(10):
            async with await RawPeer.dial(dealer.last_endpoint) as peer:
                await peer.greet(b"DEALER")
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                for number in range(100):
                    await dealer.send(b"%d" % number + bytes(100_000))
                await peer.send(b"\0\1a\0\1b")
                await dealer.poll()
            await until(monitor, Event.DISCONNECTED)
            with pytest.raises(zmq.Again):
                await dealer.send(b"nobody there", zmq.NOBLOCK)
            async with await RawPeer.dial(dealer.last_endpoint) as peer:
                await peer.greet(b"DEALER")
                await dealer.send(b"fresh")
                assert await peer.message() == [b"fresh"]
            assert await dealer.recv() == b"a"
            assert await dealer.recv() == b"b"


@pytest.mark.requirement("L-19")
async def test_unbind_disconnects_the_peers_of_that_endpoint() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        endpoint = pull.last_endpoint
        pull.bind("tcp://127.0.0.1:*")
        other = pull.last_endpoint
        with trio.fail_after(5):
            async with await RawPeer.dial(endpoint) as peer, await RawPeer.dial(other) as spared:
                await peer.greet(b"PUSH")
                await spared.greet(b"PUSH")
                pull.unbind(endpoint)
                assert await peer.ended()
                await spared.send(b"\0\4kept")
                assert await pull.recv() == b"kept"
        with pytest.raises(OSError, match=r"refused|connect"):
            await RawPeer.dial(endpoint)


@pytest.mark.requirement("L-18")
async def test_disconnect_sends_what_is_queued_and_drops_the_unread() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER)
        dealer.connect(server.endpoint)
        with trio.fail_after(10):
            await dealer.send(b"queued")
            dealer.disconnect(server.endpoint)
            with pytest.raises(zmq.Again):
                await dealer.send(b"nowhere", zmq.NOBLOCK)
            async with await server.accept() as peer:
                await peer.greet(b"DEALER")
                assert await peer.message() == [b"queued"]
                assert await peer.ended()
            dealer.connect(server.endpoint)
            async with await server.accept() as peer:
                await peer.greet(b"DEALER")
                await peer.send(b"\0\6unread")
                assert await dealer.poll()
                dealer.disconnect(server.endpoint)
                assert await receive_all(dealer, 0.01) == []
                assert await peer.ended()


# ------------------------------------------------------------------------------------------------------- linger


@pytest.mark.requirement("L-21")
async def test_a_server_that_starts_within_linger_gets_the_messages(quick_clock: MockClock) -> None:
    endpoint = free_endpoint()
    async with zmq.Context() as other:
        pull = other.socket(zmq.PULL)
        got: list[bytes] = []

        async def appear() -> None:
            await trio.sleep(3)
            pull.bind(endpoint)
            got.extend([await pull.recv() for _ in range(5)])

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(appear)
                async with zmq.Context() as ctx:
                    push = ctx.socket(zmq.PUSH)
                    push.connect(endpoint)
                    for number in range(5):
                        await push.send(b"%d" % number)
                    begun = trio.current_time()
                    push.close()
                    assert trio.current_time() == begun
                assert trio.current_time() - begun >= 3
    assert got == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize(
    ("linger", "how", "waited"),
    [(0, "option", 0), (700, "option", 0.7), (700, "close", 0.7), (0, "close", 0), (5000, "option", 5)],
)
@pytest.mark.slow
async def test_a_context_waits_for_linger_and_no_longer(
    linger: int, how: str, waited: float, quick_clock: MockClock
) -> None:
    with trio.fail_after(60):
        async with zmq.Context() as ctx:
            push = ctx.socket(zmq.PUSH, **({"linger": linger} if how == "option" else {}))
            push.connect(free_endpoint())
            await push.send(b"nobody comes")
            begun = trio.current_time()
            if how == "close":
                push.close(linger)
        assert trio.current_time() - begun == pytest.approx(waited, abs=0.001)


@pytest.mark.requirement("L-21")
async def test_linger_without_end_waits_without_end(quick_clock: MockClock) -> None:
    with trio.move_on_after(10_000) as scope:
        async with zmq.Context() as ctx:
            push = ctx.socket(zmq.PUSH, reconnect_ivl=600_000)
            push.connect(free_endpoint())
            await push.send(b"nobody comes")
    assert scope.cancelled_caught


@pytest.mark.parametrize("stage", ["no server", "silent server", "does not read"])
async def test_linger_ends_at_any_stage_of_a_connection(stage: str, quick_clock: MockClock) -> None:
    async with RawListener.listen() as server:
        with trio.fail_after(60):
            async with zmq.Context() as ctx:
                push = ctx.socket(zmq.PUSH, linger=2000, sndbuf=4096)
                push.connect(free_endpoint() if stage == "no server" else server.endpoint)
                await push.send(bytes(20_000_000))
                if stage != "no server":
                    peer = await server.accept()
                if stage == "does not read":
                    await peer.greet(b"PULL")
                    await wait_all_tasks_blocked(0.01)
                begun = trio.current_time()
            assert trio.current_time() - begun == pytest.approx(2, abs=0.001)
        if stage != "no server":
            peer.close()


@pytest.mark.requirement("L-21")
async def test_what_was_queued_is_sent_before_a_context_is_left() -> None:
    async with RawListener.listen() as server:
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                got: list[list[bytes]] = []

                async def read() -> None:
                    async with await server.accept() as peer:
                        await peer.greet(b"PULL")
                        got.extend([await peer.message() for _ in range(500)])
                        assert await peer.ended()

                nursery.start_soon(read)
                async with zmq.Context() as ctx:
                    push = ctx.socket(zmq.PUSH)
                    push.connect(server.endpoint)
                    for number in range(500):
                        await push.send_multipart([b"%d" % number, bytes(10_000)])
        assert [int(number) for number, _ in got] == list(range(500))


async def test_a_lingering_socket_is_logged_with_the_reason(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = free_endpoint()
    times: list[float] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            times.append(trio.current_time())

    watch = Watch()
    logging.getLogger("minizmtp").addHandler(watch)
    try:
        with logged(caplog) as words:
            async with zmq.Context() as ctx:
                push, quiet = ctx.socket(zmq.PUSH, linger=3000), ctx.socket(zmq.PUSH)
                quiet.connect(free_endpoint())
                push.connect(endpoint)
                for _ in range(7):
                    await push.send(b"")
                begun = trio.current_time()
    finally:
        logging.getLogger("minizmtp").removeHandler(watch)
    assert words == [
        f"closing waits for PUSH {endpoint}, which has 7 unsent messages and linger=3000: if they may be dropped, set"
        " linger=0, or leave by `await ctx.destroy(linger=0)`"
    ]
    assert times == [pytest.approx(begun + LINGER_WARNING_AFTER)]


@pytest.mark.parametrize("what", ["nothing queued", "linger 0", "sent", "soon over"])
async def test_the_log_is_silent_when_there_is_nothing_to_wait_for(
    what: str, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {"linger 0": {"linger": 0}, "soon over": {"linger": 900}}.get(what, {})
    with logged(caplog) as words, trio.fail_after(60):
        async with zmq.Context() as ctx:
            if what == "sent":
                pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, linger=-1)
                await push.send(b"x")
                await pull.recv()
            else:
                push = ctx.socket(zmq.PUSH, **options)
                push.connect(free_endpoint())
                if what != "nothing queued":
                    await push.send(b"x")
            begun = trio.current_time()
        assert trio.current_time() - begun < 1
    assert words == []


# ------------------------------------------------------------------------------------------------------- twice


@pytest.mark.requirement("L-17")
@pytest.mark.parametrize(
    ("kind", "peer_kind", "connections"),
    [
        (zmq.DEALER, b"DEALER", 1),
        (zmq.SUB, b"PUB", 1),
        (zmq.PUB, b"SUB", 1),
        (zmq.REQ, b"REP", 1),
        (zmq.PUSH, b"PULL", 2),
        (zmq.PULL, b"PUSH", 2),
        (zmq.ROUTER, b"DEALER", 2),
        (zmq.XSUB, b"PUB", 2),
        (zmq.PAIR, b"PAIR", 2),
    ],
)
@pytest.mark.slow
async def test_connecting_twice_to_the_same_endpoint(kind: zmq.SocketType, peer_kind: bytes, connections: int) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        sock = ctx.socket(kind, linger=0)
        sock.connect(server.endpoint)
        sock.connect(server.endpoint)
        with trio.fail_after(10):
            accepted = [await server.accept() for _ in range(connections)]
            with trio.move_on_after(0.05) as scope:
                await server.accept()
        for peer in accepted:
            peer.close()
        assert scope.cancelled_caught


async def test_metadata_has_the_real_address_of_the_peer() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(5):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH", Peer_Address=b"10.0.0.1", x_build=b"7", X_Odd=b"\xff")
                await peer.send(b"\0\1a")
                message = await pull.recv_message()
                assert message.frames == [b"a"]
                assert message.metadata == {
                    "Socket-Type": "PUSH",
                    "Peer-Address": "127.0.0.1",
                    "X-Build": "7",
                    "X-Odd": "\\xff",
                }


async def test_unread_messages_keep_the_metadata_of_their_connection(quick_clock: MockClock) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER, linger=0)
        monitor = dealer.monitor()
        dealer.connect(server.endpoint)
        with trio.fail_after(60):
            for build in (b"1", b"2", b"2", b"3"):
                async with await server.accept() as peer:
                    await peer.greet(b"ROUTER", X_Build=build)
                    await peer.send(b"\0\1" + build)
                await until(monitor, Event.DISCONNECTED)
            (statistics,) = dealer.peers()
            assert (statistics.received, statistics.unread) == (0, 4)
            for build in ("1", "2", "2", "3"):
                message = await dealer.recv_message()
                assert message.frames == [build.encode()]
                assert message.metadata["X-Build"] == build
            (statistics,) = dealer.peers()
            assert (statistics.received, statistics.unread) == (4, 0)


@pytest.mark.parametrize("immediate", [0, 1])
async def test_connect_routing_id_outlives_a_peer_of_any_name(quick_clock: MockClock, immediate: int) -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0, connect_routing_id=b"friend", immediate=immediate)
        monitor = router.monitor()
        router.connect(server.endpoint)
        with trio.fail_after(60):
            for name in (b"one", b"two"):
                async with await server.accept() as peer:
                    await peer.greet(b"DEALER", Identity=name)
                    await peer.send(b"\0\5hello")
                    assert await router.recv_multipart() == [b"friend", b"hello"]
                    await router.send_multipart([b"friend", b"re"])
                    assert await peer.message() == [b"re"]
                await until(monitor, Event.DISCONNECTED)


def test_a_reason_is_logged_once_until_the_endpoint_works(caplog: pytest.LogCaptureFixture) -> None:
    log_once = reports.LogOnce()
    with logged(caplog) as first:
        for _ in range(2):
            log_once("refused")
            log_once("this peer knows no PING", is_failure=False)
    assert first == ["refused", "this peer knows no PING"]
    log_once.forget_failures()
    with logged(caplog) as second:
        log_once("refused")
        log_once("this peer knows no PING", is_failure=False)
    assert second == ["refused"]


def test_failures_that_fill_the_log_hide_no_notice(caplog: pytest.LogCaptureFixture) -> None:
    log_once = reports.LogOnce()
    with logged(caplog) as words:
        for number in range(2 * reports.MAX_LOGGED):
            log_once(f"refused {number}")
        log_once("this peer knows no PING", is_failure=False)
    assert len(words) == reports.MAX_LOGGED + 1
    assert words[-1] == "this peer knows no PING"
