"""Monitors: the sequences of libzmq's events, with values, and reasons in words."""

import errno
import gc

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.errors import Violation
from minizmtp.sockets.monitor import MOST_KEPT, Monitor, MonitorEvent
from tests.minizmtp.helpers import Event, free_endpoint, until
from tests.minizmtp.inside import monitors_of
from tests.zmtp_bytes import GREETING, command, ready
from tests.zmtp_peer import RawListener, RawPeer


async def names(monitor: zmq.Monitor, count: int) -> list[str]:
    return [str((await monitor.__anext__()).event.name) for _ in range(count)]


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
async def test_the_life_of_a_connection_from_both_ends(endpoint: str, quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, linger=0), ctx.socket(zmq.PUSH, linger=0)
        here, there = pull.monitor(), push.monitor()
        with trio.fail_after(60):
            pull.bind(endpoint)
            push.connect(pull.last_endpoint)
            assert await names(here, 3) == ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED"]
            # Over ipc a connect is done at once, or not at all: it is never delayed.
            delayed = ["CONNECT_DELAYED"] * endpoint.startswith("tcp")
            expected = [*delayed, "CONNECTED", "HANDSHAKE_SUCCEEDED"]
            assert await names(there, len(expected)) == expected
            pull.close()
            expected = ["DISCONNECTED", *["CONNECT_RETRIED", *delayed, "CLOSED"] * 2]
            assert await names(there, len(expected)) == expected


async def test_the_accepting_side_reports_the_end_and_its_unbind() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        monitor = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        endpoint = pull.last_endpoint
        with trio.fail_after(5):
            async with await RawPeer.dial(endpoint) as peer:
                await peer.greet(b"PUSH")
            await until(monitor, Event.HANDSHAKE_SUCCEEDED)
            told = await until(monitor, Event.DISCONNECTED)
            assert told.endpoint == endpoint
            assert "closed by the peer" in told.reason
            pull.unbind(endpoint)
            assert (await until(monitor, Event.CLOSED)).endpoint == endpoint


async def test_events_have_the_values_and_endpoints_of_libzmq(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=40, reconnect_ivl_max=80)
        here, there = pull.monitor(), push.monitor()
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        with trio.fail_after(60):
            listening = await until(here, Event.LISTENING)
            accepted = await until(here, Event.ACCEPTED)
            assert listening.value > 2
            assert accepted.value > 2
            assert listening.value != accepted.value
            assert (await until(there, Event.CONNECT_DELAYED)).value == errno.EINPROGRESS
            assert (await until(there, Event.CONNECTED)).value > 2
            done = await until(there, Event.HANDSHAKE_SUCCEEDED)
            assert done == MonitorEvent(Event.HANDSHAKE_SUCCEEDED, pull.last_endpoint, 0, "")
            pull.close()
            assert (await until(there, Event.CONNECT_RETRIED)).value == 40
            refused = await until(there, Event.CLOSED)
            assert refused.value == errno.ECONNREFUSED
            assert refused.reason.startswith(f"{pull.last_endpoint}: ")


async def test_a_failed_bind_is_raised_and_has_an_event() -> None:
    async with zmq.Context() as ctx:
        one, two = ctx.socket(zmq.PULL), ctx.socket(zmq.PULL)
        one.bind("tcp://127.0.0.1:*")
        monitor = two.monitor()
        with pytest.raises(zmq.ZMQError):
            two.bind(one.last_endpoint)
        told = await monitor.__anext__()
        assert told[:3] == (Event.BIND_FAILED, one.last_endpoint, zmq.EADDRINUSE)


@pytest.mark.parametrize(
    ("octets", "event", "value", "words"),
    [
        (b"", Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE, "after 0 of the 64 octets of the greeting"),
        (GREETING[:30], Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE, "after 30 of the 64 octets"),
        (GREETING, Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE, "in the handshake"),
        (b"GET / HTTP/1.1\r\n", Event.HANDSHAKE_FAILED_PROTOCOL, Violation.UNSPECIFIED, "the first octet is 47"),
        (
            GREETING.replace(b"NULL", b"GSSA"),
            Event.HANDSHAKE_FAILED_PROTOCOL,
            Violation.MECHANISM_MISMATCH,
            "GSSA",
        ),
        (GREETING + command(b"HELLO"), Event.HANDSHAKE_FAILED_PROTOCOL, Violation.UNEXPECTED_COMMAND, "HELLO"),
        (GREETING + b"\0\2hi", Event.HANDSHAKE_FAILED_PROTOCOL, Violation.UNEXPECTED_COMMAND, "a message before READY"),
        (
            GREETING + ready(b"SUB"),
            Event.HANDSHAKE_FAILED_PROTOCOL,
            Violation.INVALID_METADATA,
            "PULL cannot talk to SUB, expected PUSH",
        ),
        (GREETING + command(b"ERROR", b"\x04late"), Event.HANDSHAKE_FAILED_AUTH, 0, "the peer refuses us: late"),
    ],
)
async def test_a_failed_handshake_says_how_and_why(octets: bytes, event: Event, value: int, words: str) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with trio.fail_after(5):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.send(octets)
                await peer.stream.send_eof()
                assert await names(monitor, 1) == ["ACCEPTED"]
                told = await monitor.__anext__()
                assert (told.event, told.endpoint, told.value) == (event, pull.last_endpoint, value)
                assert words in told.reason
                assert await names(monitor, 1) == ["DISCONNECTED"]


async def test_watching_starts_at_the_call_and_ends_with_the_socket() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        late = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        pull.close()
        told = [event async for event in late]
        assert [event.event for event in told] == [Event.LISTENING, Event.CLOSED, Event.CLOSED]
        with pytest.raises(StopAsyncIteration):
            await late.__anext__()
        with pytest.raises(zmq.ZMQError) as caught:
            pull.monitor()
        assert caught.value.errno == zmq.ENOTSOCK


async def test_several_monitors_hear_the_same() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        one, two = pull.monitor(), pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        assert await one.__anext__() == await two.__anext__()


async def test_waiting_for_an_event_can_be_cancelled_and_repeated() -> None:
    monitor = Monitor()
    with trio.move_on_after(0.01):
        await monitor.__anext__()
    monitor.tell(MonitorEvent(Event.LISTENING, "", 0, ""))
    with trio.CancelScope() as scope:
        scope.cancel()
        await monitor.__anext__()
    assert (await monitor.__anext__()).event is Event.LISTENING


def event(number: int) -> MonitorEvent:
    return MonitorEvent(Event.LISTENING, "", number, "")


async def test_what_is_dropped_is_counted_in_the_next_event() -> None:
    monitor = Monitor()
    for number in range(MOST_KEPT + 5):
        monitor.tell(event(number))
    first, second = await monitor.__anext__(), await monitor.__anext__()
    assert (first.value, first.dropped) == (5, 5)
    assert (second.value, second.dropped) == (6, 0)
    for number in range(3):
        monitor.tell(event(number))
    assert (await monitor.__anext__()).dropped == 1  # two had been taken, so one of three was too many
    assert MOST_KEPT == 1000


async def test_a_reader_keeps_up_with_many_events_per_turn() -> None:
    """A listener accepts up to 16 peers in one turn of the scheduler, and each causes three events."""
    monitor = Monitor()
    async with trio.open_nursery() as nursery:

        async def cause() -> None:
            for number in range(0, 9600, 48):
                for more in range(48):
                    monitor.tell(event(number + more))
                await trio.lowlevel.checkpoint()
            monitor.end()

        nursery.start_soon(cause)
        told = [each async for each in monitor]
    assert [(each.value, each.dropped) for each in told] == [(number, 0) for number in range(9600)]


async def test_a_reader_lets_other_tasks_run_meanwhile() -> None:
    """Its own loop may cause an event for each that it takes, so that some always wait."""
    monitor = Monitor()
    for number in range(MOST_KEPT):
        monitor.tell(event(number))
    turns = 0
    async with trio.open_nursery() as nursery:

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(other)
        for _ in range(10 * MOST_KEPT):
            await monitor.__anext__()
            monitor.tell(event(0))
        nursery.cancel_scope.cancel()
    assert turns >= 10


async def test_a_second_reader_of_a_monitor_is_an_error() -> None:
    monitor = Monitor()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            assert (await monitor.__anext__()).value == 7

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match=r"call sock.monitor\(\) once for each task"):
            await monitor.__anext__()
        monitor.tell(event(7))


async def test_a_monitor_ends_with_its_block() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        async with pull.monitor() as events:
            pull.bind("tcp://127.0.0.1:*")
            async for told in events:
                assert told.event is Event.LISTENING
                break
            pull.bind("tcp://127.0.0.1:*")
        assert not monitors_of(pull)
        assert [told async for told in events] == []  # also what was not read before
        pull.bind("tcp://127.0.0.1:*")
        assert [told async for told in events] == []


async def test_a_block_that_ends_lets_the_waiting_reader_go() -> None:
    async with zmq.Context() as ctx, trio.open_nursery() as nursery, ctx.socket(zmq.PULL).monitor() as events:

        async def read() -> None:
            assert [told async for told in events] == []

        nursery.start_soon(read)
        await wait_all_tasks_blocked()


async def test_a_monitor_without_a_reference_is_freed_at_once() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        kept = pull.monitor()
        gc.disable()  # at once, and not when the collector runs next
        try:
            for _ in range(3):
                monitor = pull.monitor()
                pull.bind("tcp://127.0.0.1:*")
                async for told in monitor:
                    assert told.event is Event.LISTENING
                    break
            assert len(monitors_of(pull)) == 2
            del monitor
            assert list(monitors_of(pull)) == [kept]
        finally:
            gc.enable()


async def test_closing_the_socket_ends_every_monitor() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        async with trio.open_nursery() as nursery:

            async def read(monitor: Monitor) -> None:
                assert [told.event async for told in monitor] == [Event.LISTENING, Event.CLOSED]

            for _ in range(3):
                nursery.start_soon(read, pull.monitor())
            await wait_all_tasks_blocked()
            pull.bind("tcp://127.0.0.1:*")
            await wait_all_tasks_blocked()
            pull.close()


async def test_a_second_loop_over_events_misses_none(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(free_endpoint())
        seen = []
        for _ in range(4):
            async for told in monitor:
                seen.append(told.event)
                break
        assert seen == [Event.CONNECT_DELAYED, Event.CLOSED, Event.CONNECT_RETRIED, Event.CONNECT_DELAYED]


@pytest.mark.requirement("L-20", "37-14", "37-15")
async def test_a_refusal_has_its_own_event_and_ends_the_connect() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(server.endpoint)
        with trio.fail_after(5):
            async with await server.accept() as peer:
                await peer.send(GREETING + command(b"ERROR", b"\x03400"))
                told = await until(monitor, Event.HANDSHAKE_FAILED_AUTH)
                assert "400" in told.reason
                await until(monitor, Event.DISCONNECTED)
            await trio.testing.wait_all_tasks_blocked(0.01)
            push.close()
            assert [event.event async for event in monitor] == []
