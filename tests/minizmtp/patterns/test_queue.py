"""Queue and Pipe: one peer's messages, and how many may wait (28 to 31, "shall create a double queue")."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minizmtp
from minizmtp.patterns.queue import Queue
from minizmtp.wire.events import Cancel, Item, Subscribe
from tests.minizmtp.patterns.peers import Calls


def filled(hwm: int, count: int) -> Queue:
    queue = Queue(hwm)
    for number in range(count):
        queue.put([b"%d" % number])
    return queue


def taken(queue: Queue) -> list[Item]:
    return list(iter(queue.take, None))


@pytest.mark.requirement("37-55")
def test_what_is_put_first_is_taken_first() -> None:
    assert taken(filled(0, 3)) == [[b"0"], [b"1"], [b"2"]]


@pytest.mark.requirement("37-54")
def test_what_was_taken_is_gone() -> None:
    queue = filled(0, 1)
    assert queue.take() == [b"0"]
    assert queue.take() is None


@pytest.mark.requirement("28-24", "29-5", "30-6", "L-4")
@pytest.mark.parametrize("hwm", [1, 2, 3, 1000])
def test_a_queue_counts_messages_not_octets(hwm: int) -> None:
    queue = Queue(hwm)
    for number in range(hwm):
        assert not queue.full
        queue.put([b"large" * 1000] * (number % 3 + 1))
    assert queue.full


@pytest.mark.requirement("L-1")
def test_a_high_water_mark_of_zero_is_none() -> None:
    assert not filled(0, 5000).full


@pytest.mark.requirement("L-3")
@pytest.mark.parametrize(("hwm", "half"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (10, 5), (1000, 500)])
def test_a_full_queue_reports_room_once_half_of_it_is_taken(hwm: int, half: int) -> None:
    queue = filled(hwm, hwm)
    for _ in range(half - 1):
        queue.take()
        assert queue.full
    queue.take()
    assert not queue.full


@pytest.mark.requirement("L-2", "L-3")
def test_ten_reads_of_an_inproc_queue_free_ten_slots_at_once() -> None:
    queue = filled(20, 20)
    room = []
    for _ in range(10):
        queue.take()
        room.append(queue.full)
    assert room == [True] * 9 + [False]
    for _ in range(10):
        assert not queue.full
        queue.put([b"more"])
    assert queue.full


def test_a_writer_that_asked_is_called_once_about_room() -> None:
    queue = filled(4, 4)
    queue.set_writer(heard := Calls())
    queue.take(), queue.take()
    assert heard.count == 0  # the writer didn't ask
    queue.put([b"4"]), queue.put([b"5"])
    queue.room()
    queue.take()
    assert heard.count == 0
    queue.take()
    assert heard.count == 1
    taken(queue)
    assert heard.count == 1


def test_a_reader_is_called_only_for_the_first_message() -> None:
    queue = Queue()
    queue.set_reader(heard := Calls())
    queue.put([b"a"]), queue.put([b"b"])
    assert heard.count == 1
    taken(queue)
    queue.put([b"c"])
    assert heard.count == 2


def test_an_empty_batch_does_not_call_the_reader() -> None:
    queue = Queue()
    queue.set_reader(heard := Calls())
    queue.put_all([])
    assert heard.count == 0
    queue.put_all([[b"a"], b"b"])
    assert (heard.count, len(queue)) == (1, 2)


def test_a_reader_may_hear_of_a_later_one() -> None:
    queue = Queue()
    queue.set_reader(heard := Calls())
    queue.notify_at(2)
    for expected in (0, 1, 1):
        queue.put([b"a"])
        assert heard.count == expected


def test_subscriptions_are_never_refused() -> None:
    queue = filled(1, 1)
    queue.put(Subscribe(b"A")), queue.put(Cancel(b"A"))
    assert taken(queue) == [[b"0"], Subscribe(b"A"), Cancel(b"A")]


def test_what_is_put_back_is_taken_first_and_in_order() -> None:
    queue = filled(0, 4)
    back = [item for item in (queue.take(), queue.take()) if item]
    queue.put_back(back)
    assert taken(queue) == [[b"0"], [b"1"], [b"2"], [b"3"]]


def test_what_is_put_back_counts_again() -> None:
    queue = filled(2, 2)
    back = [item for item in (queue.take(), queue.take()) if item]
    assert not queue.full
    queue.put_back(back)
    assert queue.full
    taken(queue)
    assert not queue.full


def test_a_queue_notifies_of_what_is_already_true() -> None:
    queue = Queue(2)
    seen: list[int] = []
    queue.set_reader(lambda: seen.append(len(queue)))
    queue.set_writer(lambda: seen.append(len(queue)))
    queue.put([b"1"]), queue.put([b"2"])
    queue.room()
    queue.take()
    assert seen == [1, 1]


@pytest.mark.requirement("28-23", "29-4", "30-5")
def test_a_closed_queue_drops_its_messages_and_all_later_ones() -> None:
    queue = filled(3, 3)
    queue.close()
    queue.put([b"late"])
    queue.put_back([[b"back"]])
    assert taken(queue) == []
    assert not queue.full


def test_closing_sends_a_waiting_writer_on_its_way() -> None:
    queue = filled(1, 1)
    queue.set_writer(heard := Calls())
    queue.room()
    queue.close()
    assert heard.count == 1


@pytest.mark.requirement("L-2")
@pytest.mark.parametrize("hwm", [3, 0])
def test_a_waiting_writer_is_called_when_the_limit_is_raised(hwm: int) -> None:
    """inproc, connect before bind: the bind adds the binder's limit to a queue that may already be full. Half of the
    new limit is more than the queue holds, so no number of reads would ever tell the writer."""
    queue = filled(1, 1)
    queue.set_writer(heard := Calls())
    queue.room()
    queue.set_hwm(hwm)
    assert not queue.full
    assert heard.count == 1
    taken(queue)
    assert heard.count == 1


def test_a_limit_that_is_lowered_loses_nothing() -> None:
    queue = filled(10, 10)
    queue.set_writer(heard := Calls())
    queue.room()
    queue.set_hwm(2)
    assert queue.full
    assert heard.count == 0
    assert len(taken(queue)) == 10
    assert not queue.full


class LibzmqPipe:
    """The credit rule as libzmq keeps it (pipe.cpp): both ends count all that ever passed, and the reader tells the
    writer its number whenever it is a multiple of half the limit."""

    def __init__(self, hwm: int) -> None:
        self.hwm = hwm
        self.written = self.read = self.told = 0

    def full(self) -> bool:
        return self.hwm > 0 and self.written - self.told >= self.hwm

    def step(self, read: bool) -> None:
        if not read:
            self.written += 1
        elif self.read < self.written:
            self.read += 1
            if self.hwm == 0 or self.read % ((self.hwm + 1) // 2) == 0:
                self.told = self.read


@pytest.mark.requirement("L-3")
@given(st.integers(0, 7), st.lists(st.booleans(), max_size=100), st.booleans())
@pytest.mark.slow
def test_a_queue_is_full_exactly_when_libzmqs_is(hwm: int, reads: list[bool], overfill: bool) -> None:
    queue, model = Queue(hwm), LibzmqPipe(hwm)
    for read in reads:
        if read and len(queue.ready) > 1:
            queue.ready.popleft()
        elif read:
            queue.take()
        elif model.full() and not overfill:
            continue
        else:
            queue.put([b"x"])
        model.step(read)
        assert (queue.full, len(queue)) == (model.full(), model.written - model.read)


@given(
    st.integers(0, 5), st.lists(st.sampled_from(["put", "first", "take", "pop", "batch", "back", "limit"]), max_size=60)
)
@pytest.mark.slow
def test_a_waiting_writer_is_called_when_there_is_room(hwm: int, steps: list[str]) -> None:
    """A writer that waits has heard of room by the time that there is some. Items keep their order, whichever way they
    are taken. An emptied queue has room."""
    queue, waits = Queue(hwm), False

    def on_space() -> None:
        nonlocal waits
        assert waits, "called once for each refusal"
        waits = False

    queue.set_writer(on_space)
    model: list[Item] = []
    held: list[Item] = []
    for number, step in enumerate(steps):
        if step == "put" and queue.offer(b"%d" % number):
            model.append(b"%d" % number)
        elif step == "put":
            waits = True  # an offer that is refused asks to be told
        elif step == "first":
            queue.replace([b"%d" % number, *queue])
            model.insert(0, b"%d" % number)
        elif step == "take" and (item := queue.take()) is not None:
            held = [item]
            assert held == [model.pop(0)]
        elif step == "pop" and len(queue.ready) > 1:
            held = [queue.ready.popleft()]
            assert held == [model.pop(0)]
        elif step == "batch":
            held = queue.take_batch(number % 4)
            assert held == model[: len(held)]
            assert len(held) == min(number % 4, len(model))
            del model[: len(held)]
        elif step == "back":
            queue.put_back(held)
            model[:0] = held
            held = []
        elif step == "limit":
            queue.set_hwm(number % 6)
        assert not (waits and not queue.full)
        assert (list(queue), len(queue), queue.peek()) == (model, len(model), model[0] if model else None)
    assert taken(queue) == model
    assert not queue.full
    assert not waits


@pytest.mark.slow
def test_no_other_module_touches_a_private_field() -> None:
    """A field of a queue is read and written in its own module, and in that of its subclass. Only `routing` knows where
    the batch may be popped."""
    private = {name for name in Queue.__slots__ if name.startswith("_") and not name.startswith("__")}
    package = Path(minizmtp.__file__).parent
    touched = [
        f"{path.relative_to(package)}:{node.lineno} {ast.unparse(node)}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and path.name != "queue.py"
        if (node.attr in private and not (isinstance(node.value, ast.Name) and node.value.id == "self"))
        or (
            ast.unparse(node).endswith(("queue.ready", "inbound.ready", "outbound.ready")) and path.name != "routing.py"
        )
    ]
    assert touched == []
    assert len(private) == 12
