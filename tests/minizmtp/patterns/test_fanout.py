"""Fan-out: a message for many peers is queued and encoded once (29/PUBSUB)."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from minizmtp.constants import SocketType
from minizmtp.net.writer import Writer
from minizmtp.options import Options
from minizmtp.patterns import Pipe
from minizmtp.patterns.fanout import MAX_PATIENCE, SHORT
from minizmtp.patterns.pubsub import Pub
from minizmtp.patterns.queue import Queue
from minizmtp.patterns.runs import RUN_OCTETS, OpenRun, RunQueue
from minizmtp.wire.connection import Connection
from minizmtp.wire.events import Item, Message, Subscribe
from tests.minizmtp.patterns.peers import Calls, Wire
from tests.minizmtp.test_writer import Owner


def subscriber(pub: Pub, *prefixes: bytes, hwm: int = 1000, conflate: bool = False) -> Pipe:
    """The pipe of a peer with a connection."""
    pipe = Pipe(outbound=RunQueue(hwm, conflate), inbound=Queue())
    pub.attach(pipe)
    pub.connected(pipe)
    pipe.source = Wire()
    for prefix in prefixes:
        pipe.inbound.put(Subscribe(prefix))
    return pipe


def publisher(**values: object) -> Pub:
    options = Options()
    for name, value in values.items():
        setattr(options, name, value)
    return Pub(Calls(), Calls(), options)


def items(pipe: Pipe) -> list[Item]:
    """As an engine takes them: runs as they are."""
    taken: list[Item] = []
    while (first := pipe.outbound.peek()) is not None:
        taken.append(pipe.outbound.take_run() if isinstance(first, OpenRun) else first)
        if not isinstance(first, OpenRun):
            assert pipe.outbound.take_batch(1) == [first]
    return taken


def messages(taken: list[Item]) -> list[Item]:
    return [each for item in taken for each in (item.messages if isinstance(item, OpenRun) else [item])]


def numbers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


# -------------------------------------------------------------------------------------------------------------- sharing


def test_messages_to_the_same_peers_are_one_item_of_each_queue() -> None:
    pub = publisher()
    peers = [subscriber(pub, b"") for _ in range(3)]
    for word in numbers(10):
        pub.try_send([word])
    found = [items(peer) for peer in peers]
    assert [messages(taken) for taken in found] == [numbers(10)] * 3
    runs = {id(taken[-1]) for taken in found}
    assert isinstance(found[0][-1], OpenRun)
    assert len(runs) == 1
    assert len(found[0]) == 2  # one message by itself, and the run


def test_a_run_is_encoded_once() -> None:
    pub = publisher()
    peers = [subscriber(pub, b"") for _ in range(2)]
    for word in numbers(5):
        pub.try_send([word])
    pub.try_send([b"last", b"one"])
    run, same = (items(peer)[-1] for peer in peers)
    assert run is same
    assert isinstance(run, OpenRun)
    one, other = traffic(), traffic()
    assert one.encoder.encode_run(run) is other.encoder.encode_run(run)
    assert one.encoder.encode_run(run) == b"\0\x011\0\x012\0\x013\0\x014\1\4last\0\3one"


def traffic() -> Connection:
    """A connection to a SUB, ready."""
    pub, sub = Connection(SocketType.PUB), Connection(SocketType.SUB)
    for _ in range(2):
        sub.receive_data(pub.data_to_send())
        pub.receive_data(sub.data_to_send())
        sub.next_event(), pub.next_event()
    return pub


def test_a_message_of_another_size_of_audience_ends_a_run() -> None:
    """Each peer gets what it asked for, in the order in which it was sent."""
    pub = publisher()
    one, other = subscriber(pub, b"a", b"b"), subscriber(pub, b"b")
    sent = [*[b"a%d" % n for n in range(10)], *[b"b%d" % n for n in range(10)], *[b"a%d" % n for n in range(10)]]
    for word in sent:
        pub.try_send([word])
    assert messages(items(one)) == sent
    assert messages(items(other)) == [word for word in sent if word[:1] == b"b"]


def test_topics_with_the_same_audience_share_a_run() -> None:
    pub = publisher()
    peers = [subscriber(pub, b"a", b"b", b"c") for _ in range(2)]
    for number in range(30):
        pub.try_send([b"%c%d" % (b"abc"[number % 3], number)])
    assert [type(item) for item in items(peers[0])] == [bytes, OpenRun]


def test_a_batch_is_shared_as_single_messages_are() -> None:
    """High-water marks, peers that get each message alone, and messages of several frames among them."""
    batch: list[Item] = [b"%d" % number if number % 50 else [b"%d" % number, b"more"] for number in range(400)]
    found = []
    for is_batch in (True, False):
        pub = publisher()
        peers = [subscriber(pub, b""), subscriber(pub, b"", hwm=150), subscriber(pub, b"", conflate=True)]
        if is_batch:
            assert pub.send_many(iter(batch), 1000) == (400, None)
        else:
            for item in batch:
                pub.try_send([item] if isinstance(item, bytes) else list(item))  # type: ignore[call-overload]
        dropped = [peer.outbound.dropped for peer in peers]
        found.append(([messages(items(peer)) for peer in peers], dropped))
    assert found[0] == found[1]
    assert found[0] == ([batch, batch[:150], batch[-1:]], [0, 250, 399])


def test_what_a_broken_iterator_gave_before_is_sent() -> None:
    def numbered() -> Iterator[bytes]:
        yield from numbers(20)
        raise LookupError

    pub = publisher()
    peer = subscriber(pub, b"")
    with pytest.raises(LookupError):
        pub.send_many(numbered(), 100)
    assert messages(items(peer)) == numbers(20)


def test_of_a_batch_no_more_is_taken_than_may_be_sent() -> None:
    pub = publisher()
    peer = subscriber(pub, b"")
    left = iter(numbers(20))
    assert pub.send_many(left, 15) == (15, None)
    assert (messages(items(peer)), next(left)) == (numbers(15), b"15")


def test_a_run_has_an_end() -> None:
    pub = publisher()
    peer = subscriber(pub, b"")
    for _ in range(100):
        pub.try_send([bytes(10_000)])
    runs = [item for item in items(peer) if isinstance(item, OpenRun)]
    assert max(sum(map(len, run.messages)) for run in runs) == 60_000
    pub.try_send([bytes(RUN_OCTETS)]), pub.try_send([bytes(RUN_OCTETS)])
    assert [type(item) for item in items(peer)] == [bytes, bytes]


def test_with_a_new_audience_for_each_message_there_are_no_runs() -> None:
    pub = publisher()
    peers = [subscriber(pub, *(b"%03d" % n for n in range(1000) if n % (2 + number))) for number in range(10)]
    for number in range(1000):
        pub.try_send([b"%03d" % number])
    found = [item for peer in peers for item in items(peer)]
    assert sum(isinstance(item, OpenRun) for item in found) < 50


def test_short_runs_teach_patience_and_long_ones_take_it_back() -> None:
    pub = publisher()
    subscriber(pub, b"a", b"b", hwm=0), subscriber(pub, b"b", hwm=0)
    for number in range(200):  # a a a b b b …
        pub.try_send([b"aaabbb"[number % 6 : number % 6 + 1]])
    assert pub._fan_out._patience >= 3
    for _ in range(1000):
        pub.try_send([b"a"])
        pub.try_send([b"a" * 1000])
    assert pub._fan_out._patience < 3
    assert SHORT < MAX_PATIENCE


# ----------------------------------------------------------------------------------------------------- what is promised


@pytest.mark.requirement("29-9")
def test_high_water_marks_count_the_messages_of_runs() -> None:
    pub = publisher()
    slow, quick = subscriber(pub, b"", hwm=5), subscriber(pub, b"")
    for word in numbers(20):
        pub.try_send([word])
    assert (len(slow.outbound), slow.outbound.dropped, slow.outbound.taken) == (5, 15, 0)
    assert (len(quick.outbound), quick.outbound.dropped, quick.outbound.taken) == (20, 0, 0)
    assert messages(items(slow)) == numbers(5)
    assert messages(items(quick)) == numbers(20)
    assert (slow.outbound.taken, quick.outbound.taken) == (5, 20)


def test_conflate_keeps_one_message_however_it_was_sent() -> None:
    pub = publisher()
    newest, all_of_it = subscriber(pub, b"", conflate=True), subscriber(pub, b"")
    for word in numbers(20):
        pub.try_send([word])
    assert items(newest) == [b"19"]
    assert messages(items(all_of_it)) == numbers(20)


def test_a_peer_in_this_process_never_sees_a_run() -> None:
    """It takes messages from the queue itself."""
    pub = publisher()
    near, far = subscriber(pub, b""), subscriber(pub, b"")
    assert near.source is not None
    near.source.in_process = True
    for word in numbers(10):
        pub.try_send([word])
    assert [near.outbound.take() for _ in range(10)] == numbers(10)
    assert messages(items(far)) == numbers(10)


def test_a_broken_connection_gives_back_messages_and_not_runs() -> None:
    pub = publisher()
    peer, other = subscriber(pub, b""), subscriber(pub, b"")
    for word in numbers(10):
        pub.try_send([word])
    peer.source = None
    peer.outbound.put_back([b"not sent"])
    pub.disconnected(peer)
    for word in (b"10", b"11"):
        pub.try_send([word])
    assert list(peer.outbound) == [b"not sent", *numbers(12)]
    assert len(peer.outbound) == 13
    assert messages(items(other)) == numbers(12)


def test_a_welcome_or_a_subscription_closes_an_open_run() -> None:
    """What is put behind a run is read behind it, and the run does not grow past it."""
    pub = publisher()
    peer = subscriber(pub, b"")
    for word in (b"1", b"2", b"3"):
        pub.try_send([word])
    peer.outbound.put(b"between")
    for word in (b"4", b"5"):
        pub.try_send([word])
    assert messages(items(peer)) == [b"1", b"2", b"3", b"between", b"4", b"5"]


def test_a_peer_that_has_gone_is_not_remembered() -> None:
    pub = publisher()
    peer = subscriber(pub, b"")
    for word in numbers(10):
        pub.try_send([word])
    pub.detach(peer)
    assert pub._fan_out._audience == ()
    assert pub._fan_out._run is None
    assert messages(items(peer)) == numbers(10)


def test_with_xpub_nodrop_a_message_waits_for_all_however_sent() -> None:
    pub = publisher(xpub_nodrop=1)
    slow, quick = subscriber(pub, b"", hwm=4), subscriber(pub, b"")
    assert [pub.try_send([word]) for word in numbers(6)] == [True] * 4 + [False] * 2
    assert (len(slow.outbound), len(quick.outbound)) == (4, 4)


# ---------------------------------------------------------------------------------------------------- at the connection


class Sink:
    """A stream that takes so many octets at a time."""

    def __init__(self, at_a_time: int) -> None:
        self.at_a_time = at_a_time
        self.got = bytearray()
        self.writes = 0

    def try_send(self, first: bytes, second: bytes = b"") -> int:
        taken = (bytes(first) + second)[: self.at_a_time]
        self.got += taken
        self.writes += bool(taken)
        return len(taken)


def mixed(pub: Pub) -> Iterator[Message]:
    for number in range(100):
        yield [b"%d" % number]
        if number % 7 == 0:
            yield [b"of", b"two", bytes(number)]
    pub.disconnected(next(iter(pub.pipes)))
    yield [bytes(70_000)]
    yield from ([word] for word in numbers(50))


@pytest.mark.parametrize("at_a_time", [1 << 20, 1000, 7])
def test_runs_and_messages_leave_in_order_in_few_writes(at_a_time: int) -> None:
    pub = publisher()
    peers = [subscriber(pub, b"") for _ in range(2)]
    sent = list(mixed(pub))
    for message in sent:
        pub.try_send(message)
    expected = b"".join(traffic().send(message) for message in sent)
    for peer in peers:
        sink = Sink(at_a_time)
        writer = Writer(sink, traffic(), Owner())  # type: ignore[arg-type]
        writer.attach_queue(peer.outbound)
        while len(peer.outbound) or writer.size:
            writer.run()
        assert bytes(sink.got) == expected
        assert sink.writes <= 4 or at_a_time < 1 << 20


def test_the_unsent_rest_of_a_run_is_given_back() -> None:
    pub = publisher()
    peer = subscriber(pub, b"")
    for word in numbers(10):
        pub.try_send([word])
    sink = Sink(10)  # three messages of 3 octets, and one octet
    writer = Writer(sink, traffic(), Owner())  # type: ignore[arg-type]
    writer.attach_queue(peer.outbound)
    assert writer.unsent() == numbers(10)[3:]


# --------------------------------------------------------------------------------------------- the same as without runs


TOPICS = st.sets(st.sampled_from([b"", b"a", b"b"]))


class SameAsWithout(RuleBasedStateMachine):
    """A publisher with runs beside one that never begins one: their queues tell the same, at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.with_runs, self.without = publisher(), publisher()
        self.without._fan_out._patience = 1 << 60
        self.pairs: list[tuple[Pipe, Pipe]] = []
        self.count = 0

    @rule(
        topics=st.sets(st.sampled_from([b"", b"a", b"b"])), hwm=st.sampled_from([0, 1, 3, 10]), conflate=st.booleans()
    )
    def arrives(self, topics: set[bytes], hwm: int, conflate: bool) -> None:
        if len(self.pairs) < 4:
            one, two = (
                subscriber(pub, *topics, hwm=hwm, conflate=conflate and hwm == 1)
                for pub in (self.with_runs, self.without)
            )
            self.pairs.append((one, two))

    @rule(topic=st.sampled_from([b"a", b"b", b"c"]), count=st.integers(1, 25), size=st.sampled_from([0, 30_000]))
    def publishes(self, topic: bytes, count: int, size: int) -> None:
        for _ in range(count):
            self.count += 1
            message = [topic + b"%d" % self.count] + [bytes(size)] * (self.count % 3 == 0)
            assert self.with_runs.try_send(list(message)) is self.without.try_send(list(message)) is True

    @rule(topics=st.lists(st.sampled_from([b"a", b"b"]), max_size=5), count=st.integers(1, 60))
    def publishes_a_batch(self, topics: list[bytes], count: int) -> None:
        batch: list[Item] = [topic + b"%d" % number for topic in topics for number in range(count)]
        assert self.with_runs.send_many(iter(batch), len(batch)) == (len(batch), None)
        for topic in batch:
            assert isinstance(topic, bytes)
            self.without.try_send([topic])

    @rule(which=st.integers(0, 3), count=st.integers(1, 5))
    def is_read(self, which: int, count: int) -> None:
        if which < len(self.pairs):
            one, two = (pipe.outbound for pipe in self.pairs[which])
            for _ in range(count):
                first = one.peek()
                read = list(one.take_run().messages) if isinstance(first, OpenRun) else one.take_batch(1)
                assert two.take_batch(len(read)) == read

    @rule(which=st.integers(0, 3))
    def breaks(self, which: int) -> None:
        if which < len(self.pairs):
            for pipe, pub in zip(self.pairs[which], (self.with_runs, self.without), strict=True):
                pipe.source = None
                pipe.outbound.put_back([b"back"])
                pub.disconnected(pipe)

    @rule(which=st.integers(0, 3), topics=TOPICS)
    def returns(self, which: int, topics: set[bytes]) -> None:
        if which < len(self.pairs):
            for pipe, pub in zip(self.pairs[which], (self.with_runs, self.without), strict=True):
                pub.connected(pipe)
                pipe.source = Wire()
                for topic in topics:
                    pipe.inbound.put(Subscribe(topic))

    @rule(which=st.integers(0, 3), hwm=st.sampled_from([0, 2, 20]))
    def gets_another_limit(self, which: int, hwm: int) -> None:
        if which < len(self.pairs):
            for pipe in self.pairs[which]:
                pipe.outbound.set_hwm(hwm)

    @rule(which=st.integers(0, 3))
    def leaves(self, which: int) -> None:
        if which < len(self.pairs):
            for pipe, pub in zip(self.pairs.pop(which), (self.with_runs, self.without), strict=True):
                pub.detach(pipe)

    @rule()
    def is_looked_at(self) -> None:
        for one, two in self.pairs:
            assert (len(one.outbound), one.outbound.taken, one.outbound.dropped) == (
                len(two.outbound),
                two.outbound.taken,
                two.outbound.dropped,
            )
            assert one.outbound.full is two.outbound.full

    @invariant()
    def only_connections_have_runs(self) -> None:
        assert not any(one.outbound.has_runs for one, _ in self.pairs if one.source is None)

    def teardown(self) -> None:
        self.is_looked_at()
        for one, two in self.pairs:
            assert messages(items(one)) == list(two.outbound)


@pytest.mark.slow
def test_runs_change_nothing_that_a_peer_can_notice() -> None:
    run_state_machine_as_test(SameAsWithout, settings=settings(max_examples=200, stateful_step_count=30, deadline=None))
