"""PUSH and PULL: work for the next free worker (30/PIPELINE)."""

import pytest

from minizmtp.patterns.pipeline import Pull, Push
from minizmtp.wire.events import Message
from tests.minizmtp.patterns.peers import Calls, Peer, all_received


def push() -> Push:
    return Push(Calls(), Calls())


def pull() -> Pull:
    return Pull(Calls(), Calls())


@pytest.mark.requirement("30-3", "30-8", "L-24")
def test_three_new_workers_get_work_in_order_of_joining() -> None:
    ventilator = push()
    workers = [Peer(ventilator) for _ in range(3)]
    for number in range(9):
        assert ventilator.try_send([b"%d" % number])
    assert [worker.hears() for worker in workers] == [
        [[b"0"], [b"3"], [b"6"]],
        [[b"1"], [b"4"], [b"7"]],
        [[b"2"], [b"5"], [b"8"]],
    ]


@pytest.mark.requirement("30-2", "30-13")
@pytest.mark.parametrize("message", [[b""], [b"a", b"", b"b"], [b"\x01a"], [bytes(300)]])
def test_messages_pass_as_they_are(message: Message) -> None:
    ventilator, sink = push(), pull()
    worker, source = Peer(ventilator), Peer(sink)
    ventilator.try_send(message)
    source.says(*worker.hears())
    assert all_received(sink) == [message]


@pytest.mark.requirement("30-9", "30-10", "30-11", "L-1")
def test_without_a_worker_a_push_has_to_wait_and_holds_nothing() -> None:
    ventilator = push()
    assert not ventilator.try_send([b"task"])
    assert not ventilator.can_send()
    assert Peer(ventilator).hears() == []


@pytest.mark.requirement("30-6", "30-7", "30-9", "L-1")
def test_two_idle_workers_hold_1000_tasks_each_at_most() -> None:
    ventilator = push()
    workers = [Peer(ventilator, connected=False) for _ in range(2)]
    sent = 0
    while ventilator.try_send([b"%d" % sent]):
        sent += 1
    assert sent == 2000
    assert [len(worker.hears()) for worker in workers] == [1000, 1000]


@pytest.mark.requirement("30-7", "30-8", "L-3")
def test_a_sender_that_waits_hears_when_a_worker_has_done_half() -> None:
    room = Calls()
    ventilator = Push(Calls(), room)
    worker = Peer(ventilator, sndhwm=4)
    assert room.count == 1
    while ventilator.try_send([b"task"]):
        pass
    worker.pipe.outbound.take()
    assert (room.count, ventilator.can_send()) == (1, False)
    worker.pipe.outbound.take()
    assert (room.count, ventilator.can_send()) == (2, True)


@pytest.mark.requirement("30-5")
def test_a_worker_that_leaves_is_given_nothing_more() -> None:
    ventilator = push()
    gone, stays = Peer(ventilator), Peer(ventilator)
    gone.leaves()
    for _ in range(3):
        ventilator.try_send([b"task"])
    assert gone.hears() == []
    assert len(stays.hears()) == 3


@pytest.mark.requirement("30-4", "30-9")
def test_a_disconnected_worker_gets_its_share_until_it_is_full() -> None:
    ventilator = push()
    away, here = Peer(ventilator, sndhwm=1), Peer(ventilator)
    away.drops()
    for number in range(4):
        ventilator.try_send([b"%d" % number])
    away.returns()
    assert away.hears() == [[b"0"]]
    assert here.hears() == [[b"1"], [b"2"], [b"3"]]


@pytest.mark.requirement("30-14", "30-18", "30-19")
def test_a_sink_takes_from_its_workers_in_turn() -> None:
    sink = pull()
    a, b = Peer(sink), Peer(sink)
    a.says([b"a1"], [b"a2"], [b"a3"])
    b.says([b"b1"], [b"b2"])
    assert all_received(sink) == [[b"a1"], [b"b1"], [b"a2"], [b"b2"], [b"a3"]]


@pytest.mark.requirement("30-17")
def test_the_queue_of_a_sink_that_reads_nothing_reports_full() -> None:
    """Which is when the engine stops reading from that peer."""
    sink = pull()
    worker = Peer(sink, rcvhwm=2)
    worker.says([b"1"], [b"2"])
    assert worker.pipe.inbound.full
    sink.take()
    assert not worker.pipe.inbound.full


def test_a_pull_is_called_only_for_a_pipe_that_was_empty() -> None:
    arrival = Calls()
    sink = Pull(arrival, Calls())
    a, b = Peer(sink), Peer(sink)
    a.says([b"1"], [b"2"])
    b.says([b"3"])
    assert arrival.count == 2
