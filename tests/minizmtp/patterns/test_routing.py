"""Taking turns: FairQueue and RoundRobin (28 to 31, "fair-queue", "round-robin")."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minizmtp.patterns.ahead import as_list
from minizmtp.patterns.pipe import Pipe
from minizmtp.patterns.queue import Queue
from minizmtp.patterns.routing import FairQueue, RoundRobin
from tests.minizmtp.patterns.peers import Calls


def pipes(count: int, hwm: int = 0) -> list[Pipe]:
    return [Pipe(Queue(hwm), Queue(hwm)) for _ in range(count)]


# ------------------------------------------------------------------------------------------------------ round robin


@pytest.mark.requirement("30-8", "28-4", "28-26", "L-24")
def test_nine_messages_go_to_three_peers_in_turn() -> None:
    row = pipes(3)
    robin = RoundRobin()
    for pipe in row:
        robin.attach(pipe)
    for number in range(9):
        robin.send([b"%d" % number])
    hands = [[item[0] for item in iter(pipe.outbound.take, None) if isinstance(item, list)] for pipe in row]
    assert hands == [[b"0", b"3", b"6"], [b"1", b"4", b"7"], [b"2", b"5", b"8"]]


@pytest.mark.requirement("30-7", "30-8", "28-25")
def test_a_full_peer_is_passed_over() -> None:
    small, large = Pipe(Queue(1), Queue()), Pipe(Queue(10), Queue())
    robin = RoundRobin()
    robin.attach(small), robin.attach(large)
    assert [robin.send([b"x"]) for _ in range(4)] == [small, large, large, large]


@pytest.mark.requirement("30-9", "30-10", "30-11", "28-5", "28-6", "28-27", "28-28", "28-29")
def test_without_a_peer_with_room_a_message_is_not_taken() -> None:
    robin = RoundRobin()
    assert robin.send([b"x"]) is None
    (pipe,) = pipes(1, hwm=1)
    robin.attach(pipe)
    assert robin.send([b"1"]) is pipe
    assert robin.send([b"2"]) is None
    assert list(iter(pipe.outbound.take, None)) == [[b"1"]]


def test_a_peer_with_room_again_joins_the_round_at_its_end() -> None:
    heard = Calls()
    robin = RoundRobin(heard)
    one, two = pipes(2, hwm=2)
    robin.attach(one), robin.attach(two)
    assert heard.count == 2
    while robin.send([b"x"]):
        pass
    assert not robin
    two.outbound.take()
    one.outbound.take()
    assert heard.count == 4
    assert [robin.send([b"x"]), robin.send([b"x"])] == [two, one]


def test_a_queue_filled_by_another_writer_counts_as_full() -> None:
    """What did not leave before a connection broke goes back into the queue, past the messages of the next turns."""
    pipe = Pipe(Queue(4), Queue())
    heard = Calls()
    robin = RoundRobin(heard)
    robin.attach(pipe)
    for number in range(4):
        robin.send([b"%d" % number])
    under_way = [item for item in (pipe.outbound.take(), pipe.outbound.take()) if item]
    assert robin.send([b"4"]) is pipe
    pipe.outbound.put_back(under_way)
    assert not robin
    assert robin.send([b"too many"]) is None
    heard.count = 0
    assert list(iter(pipe.outbound.take, None)) == [[b"%d" % number] for number in range(5)]
    assert heard.count == 1
    assert robin.send([b"5"]) is pipe


def test_a_pipe_that_is_full_when_it_joins_waits_for_room() -> None:
    full, empty = Pipe(Queue(1), Queue()), Pipe(Queue(0), Queue())
    full.outbound.put([b"probe"])
    robin = RoundRobin()
    robin.attach(full), robin.attach(empty)
    assert [robin.send([b"x"]) for _ in range(2)] == [empty, empty]
    full.outbound.take()
    assert {robin.send([b"x"]) for _ in range(2)} == {full, empty}


def test_a_departed_peer_gets_nothing_when_its_queue_drains() -> None:
    robin = RoundRobin()
    gone, full, stays = Pipe(Queue(0), Queue()), Pipe(Queue(1), Queue()), Pipe(Queue(0), Queue())
    for pipe in (full, gone, stays):
        robin.attach(pipe)
    assert robin.send([b"x"]) is full
    robin.detach(gone), robin.detach(full)
    full.outbound.take()
    assert {robin.send([b"x"]) for _ in range(5)} == {stays}


@pytest.mark.slow
@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.lists(st.integers(-1, 4), max_size=60))
def test_each_peer_with_room_gets_exactly_its_turns(hwms: list[int], steps: list[int]) -> None:
    """−1 sends; any other number has that peer take one message. Between two messages to the same peer, every other
    that had room all the while has had one."""
    row = [Pipe(Queue(hwm), Queue()) for hwm in hwms]
    robin = RoundRobin()
    for pipe in row:
        robin.attach(pipe)
    waiting_since = dict.fromkeys(row, 0)  # how many others were served since it last had a turn, or last had none
    for step in steps:
        if step >= 0:
            pipe = row[step % len(row)]
            was_full = pipe.outbound.full
            pipe.outbound.take()
            if was_full and not pipe.outbound.full:
                waiting_since[pipe] = 0
            continue
        open_before = {pipe for pipe in row if not pipe.outbound.full}
        chosen = robin.send([b"x"])
        if chosen is None:
            assert not open_before
            continue
        assert chosen in open_before
        waiting_since[chosen] = 0
        for pipe in open_before - {chosen}:
            waiting_since[pipe] += 1
            assert waiting_since[pipe] < len(row)


# ------------------------------------------------------------------------------------------------------- fair queue


@pytest.mark.requirement("30-18", "28-12", "28-30", "29-32")
def test_each_peer_in_turn_however_much_one_of_them_sends() -> None:
    a, b, c = pipes(3)
    fair = FairQueue()
    for pipe in (a, b, c):
        fair.attach(pipe)
    for name, pipe, count in ((b"a", a, 5), (b"b", b, 2), (b"c", c, 1)):
        for _ in range(count):
            pipe.inbound.put([name])
    taken = [item[0] for _, item in iter(fair.take, None) if isinstance(item, list)]
    assert b"".join(taken) == b"abcabaaa"


def test_a_message_comes_with_the_pipe_that_it_came_through() -> None:
    a, b = pipes(2)
    fair = FairQueue()
    fair.attach(a), fair.attach(b)
    b.inbound.put([b"x"])
    assert fair.take() == (b, [b"x"])
    assert fair.take() is None


def test_a_pipe_that_already_holds_messages_takes_part() -> None:
    heard = Calls()
    fair = FairQueue(heard)
    (pipe,) = pipes(1)
    pipe.inbound.put([b"early"])
    fair.attach(pipe)
    assert heard.count == 1
    assert fair.take() == (pipe, [b"early"])


def test_the_reader_is_called_once_for_each_empty_pipe() -> None:
    heard = Calls()
    fair = FairQueue(heard)
    a, b = pipes(2)
    fair.attach(a), fair.attach(b)
    for pipe in (a, a, b, a, b):
        pipe.inbound.put([b"x"])
    assert heard.count == 2


def test_a_discarded_pipe_is_forgotten_with_all_that_it_holds() -> None:
    a, b = pipes(2)
    fair = FairQueue()
    fair.attach(a), fair.attach(b)
    a.inbound.put([b"a"]), b.inbound.put([b"b"])
    fair.discard(a)
    a.inbound.put([b"late"])
    assert list(iter(fair.take, None)) == [(b, [b"b"])]


@pytest.mark.slow
@pytest.mark.requirement("30-18", "37-55")
@given(st.integers(1, 5), st.lists(st.integers(-2, 4), max_size=80))
@example(2, [0, 0, -1, -2, 0, 0, 0, 1, -1, -1, -1])  # one that was emptied without asking is not in the row twice
def test_fair_queueing_serves_each_peer_in_turn_and_in_order(count: int, steps: list[int]) -> None:
    """−1 takes, −2 takes from the only queue there is, without asking, as sockets do; any other number has that peer
    send. The model: a list for each peer, and how long each has waited."""
    row = pipes(count)
    fair = FairQueue()
    for pipe in row:
        fair.attach(pipe)
    model: dict[Pipe, list[bytes]] = {pipe: [] for pipe in row}
    waited = dict.fromkeys(row, 0)
    for number, step in enumerate(steps):
        if step >= 0:
            pipe = row[step % count]
            pipe.inbound.put([b"%d" % number])
            model[pipe].append(b"%d" % number)
            continue
        if step == -2 and len(fair.inbox) > 1:
            (pipe,) = (pipe for pipe in row if pipe.inbound.ready is fair.inbox)
            item = as_list(fair.inbox.popleft())
        else:
            found = fair.take()
            if found is None:
                assert not any(model.values())
                continue
            pipe, item = found
        assert item == [model[pipe].pop(0)]
        waited[pipe] = 0
        for other in row:
            if other is not pipe and model[other]:
                waited[other] += 1
                assert waited[other] < count
    assert bool(fair) == any(model.values())
