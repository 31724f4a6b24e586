"""XPUB and XSUB: subscriptions that the program sees and makes (29/PUBSUB)."""

import gc
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from minizmtp.errors import EINVAL, ZMQError
from minizmtp.options import Options
from minizmtp.patterns import Pipe, notices
from minizmtp.patterns.notices import MAX_UNREAD
from minizmtp.patterns.pubsub import Pub, Sub, XPub, XSub
from minizmtp.patterns.queue import Queue
from minizmtp.patterns.requests import MAX_WAITING
from minizmtp.patterns.subscribers import SLICE
from minizmtp.wire.events import Cancel, Item, Message, Subscribe
from tests.minizmtp.patterns.peers import Calls, Peer, all_received, received


def options(**values: object) -> Options:
    set_ = Options()
    for name, value in values.items():
        setattr(set_, name, value)
    return set_


def xpub(**values: object) -> XPub:
    return XPub(Calls(), Calls(), options(**values))


def xsub(*prefixes: bytes, **values: object) -> XSub:
    broker = XSub(Calls(), Calls(), options(**values))
    for prefix in prefixes:
        broker.try_send([b"\x01" + prefix])
    return broker


# What `Notices` keeps: all empty when the program has read everything.
LEDGERS = ("_queue", "_senders", "_backlogs", "_opening", "_caused")

both = pytest.mark.parametrize("kind", [Pub, XPub])

# ------------------------------------------------------------------------------------------------------------ XPUB


@pytest.mark.requirement("29-23", "29-24", "L-36")
@pytest.mark.parametrize(
    ("asks", "ends"), [(Subscribe(b"eu"), Cancel(b"eu")), ([b"\x01eu"], [b"\x00eu"])], ids=["3.1", "3.0"]
)
def test_an_xpub_applies_requests_and_shows_each_as_one_frame(asks: Item, ends: Item) -> None:
    station = xpub()
    listener = Peer(station)
    listener.says(asks)
    station.try_send([b"eu 1"])
    listener.says(ends)
    station.try_send([b"eu 2"])
    assert all_received(station) == [[b"\x01eu"], [b"\x00eu"]]
    assert listener.hears() == [[b"eu 1"]]


@pytest.mark.requirement("29-17", "29-18")
@pytest.mark.parametrize("message", [[b"eu"], [b"eu", b"", b"us"], [b"europe" * 60]])
def test_an_xpub_sends_to_each_peer_subscribed_to_a_prefix(message: Message) -> None:
    station = xpub()
    europe, america, everything = Peer(station), Peer(station), Peer(station)
    europe.says(Subscribe(b"eu")), america.says(Subscribe(b"us")), everything.says(Subscribe(b""))
    station.try_send(message)
    assert (europe.hears(), america.hears(), everything.hears()) == ([message], [], [message])


# What is shown when one listener, then another asks for "eu"; then each takes it back, and a third never asked.
MODES = {
    "xpub_verbose=0": [b"+", b"-", b"-"],
    "xpub_verbose=1": [b"+", b"+", b"-", b"-"],
    "xpub_verboser=1": [b"+", b"+", b"-", b"-", b"-"],
}


@pytest.mark.requirement("29-24", "L-36")
@pytest.mark.parametrize(("mode", "signs"), MODES.items(), ids=MODES)
def test_an_xpub_shows_the_first_and_last_request_of_a_prefix(mode: str, signs: list[bytes]) -> None:
    """The first subscription and the last cancellation are shown; an option shows all of them."""
    name, _, value = mode.partition("=")
    station = xpub(**{name: int(value)})
    one, other, third = Peer(station), Peer(station), Peer(station)
    one.says(Subscribe(b"eu")), other.says(Subscribe(b"eu"))
    one.says(Cancel(b"eu")), other.says(Cancel(b"eu"))
    third.says(Cancel(b"eu"))  # shown although there is no subscription
    shown = {b"+": b"\x01eu", b"-": b"\x00eu"}
    assert all_received(station) == [[shown[sign]] for sign in signs]


@pytest.mark.requirement("29-15", "29-25")
@pytest.mark.parametrize(("verboser", "ends"), [(0, [b"\x00us"]), (1, [b"\x00eu", b"\x00us"])])
def test_a_lost_subscriber_is_shown_as_unsubscribed(verboser: int, ends: list[bytes]) -> None:
    station = xpub(xpub_verboser=verboser)
    stays, gone = Peer(station), Peer(station)
    stays.says(Subscribe(b"eu"))
    gone.says(Subscribe(b"eu"), Subscribe(b"us"))
    all_received(station)
    station.try_send([b"us"])
    gone.leaves()
    assert sorted(all_received(station)) == [[end] for end in ends]
    station.try_send([b"eu"]), station.try_send([b"us"])
    assert stays.hears() == [[b"eu"]]
    assert Peer(station).hears() == []


@pytest.mark.requirement("29-14")
def test_a_dialled_subscriber_keeps_its_state_while_absent() -> None:
    """Its queue and its subscriptions outlive the connection."""
    station = xpub()
    listener = Peer(station)
    listener.says(Subscribe(b"eu"))
    listener.drops()
    assert all_received(station) == [[b"\x01eu"]]
    station.try_send([b"eu"])
    listener.returns()
    assert listener.hears() == [[b"eu"]]


@pytest.mark.requirement("29-16", "29-19", "29-20")
def test_a_slow_subscriber_loses_messages_and_delays_no_peer() -> None:
    station = xpub()
    slow, quick = Peer(station, sndhwm=2), Peer(station)
    slow.says(Subscribe(b"")), quick.says(Subscribe(b""))
    for number in range(4):
        assert station.can_send()
        assert station.try_send([b"%d" % number, b"body"])
    assert slow.pipe.outbound.dropped == 2
    assert slow.hears() == [[b"0", b"body"], [b"1", b"body"]]
    assert len(quick.hears()) == 4


@pytest.mark.requirement("29-19")
@both
def test_xpub_nodrop_sends_only_when_all_subscribers_have_room(kind: type[Pub]) -> None:
    space = Calls()
    station = kind(Calls(), space, options(xpub_nodrop=1))
    slow, quick, other = Peer(station, sndhwm=2), Peer(station), Peer(station, sndhwm=1)
    slow.says(Subscribe(b"eu")), quick.says(Subscribe(b"eu")), other.says(Subscribe(b"us"))
    assert [station.try_send([b"eu %d" % number]) for number in range(3)] == [True, True, False]
    assert station.try_send([b"us"])  # the slow one does not want it
    assert len(quick.hears()) == 2
    before = space.count
    slow.pipe.outbound.take()
    assert space.count == before + 1
    assert station.try_send([b"eu 2"])
    assert quick.hears() == [[b"eu 2"]]
    assert slow.hears() == [[b"eu 1"], [b"eu 2"]]


@pytest.mark.requirement("29-13", "29-21", "29-22")
def test_what_listeners_send_is_shown_in_the_order_of_arrival() -> None:
    station = xpub()
    a, b = Peer(station, rcvhwm=10), Peer(station, rcvhwm=2)
    for number in range(5):
        a.says([b"a%d" % number, b"more"]), b.says(Subscribe(b"b%d" % number))
        assert not a.pipe.inbound.full
    expected = [frames for number in range(5) for frames in ([b"a%d" % number, b"more"], [b"\x01b%d" % number])]
    assert station.can_receive()
    assert all_received(station) == expected
    assert not station.can_receive()


@pytest.mark.requirement("29-22")
def test_each_frame_that_looks_like_a_subscription_is_one() -> None:
    station = xpub()
    listener = Peer(station)
    listener.says([b"\x01eu", b"hello", b"\x01us"])
    assert all_received(station) == [[b"\x01eu"], [b"\x01us"], [b"hello"]]
    station.try_send([b"us"])
    assert listener.hears() == [[b"us"]]


def test_receiving_without_anything_to_show_gives_nothing() -> None:
    station = xpub()
    Peer(station)
    assert not station.can_receive()
    assert station.take() is None


@pytest.mark.requirement("L-37")
@both
def test_a_welcome_is_the_first_message_to_each_listener(kind: type[Pub]) -> None:
    station = kind(Calls(), Calls(), options(xpub_welcome_msg=b"welcome"))
    listener = Peer(station)
    listener.says(Subscribe(b"eu"))
    station.try_send([b"eu"])
    assert listener.hears() == [[b"welcome"], [b"eu"]]
    assert Peer(station).hears() == [[b"welcome"]]


@pytest.mark.requirement("29-8", "29-18")
@both
def test_invert_matching_sends_what_is_not_subscribed(kind: type[Pub]) -> None:
    station = kind(Calls(), Calls(), options(invert_matching=1))
    listener, silent = Peer(station), Peer(station)
    listener.says(Subscribe(b"eu"))
    station.try_send([b"eu"]), station.try_send([b"us"])
    assert listener.hears() == [[b"us"]]
    assert silent.hears() == [[b"eu"], [b"us"]]


# ----------------------------------------------------------------------------------------------------- xpub_manual


@pytest.mark.requirement("L-37")
def test_xpub_manual_subscribes_the_last_peer_on_request() -> None:
    station = xpub(xpub_manual=1)
    one, other = Peer(station), Peer(station)
    one.says(Subscribe(b"A")), other.says(Subscribe(b"B"))
    station.try_send([b"A"]), station.try_send([b"B"])
    assert received(station) == [b"\x01A"]
    station.subscribe(b"XA")
    assert received(station) == [b"\x01B"]
    station.subscribe(b"XB")
    for topic in (b"A", b"B", b"XA", b"XB"):
        station.try_send([topic])
    assert (one.hears(), other.hears()) == ([[b"XA"]], [[b"XB"]])
    station.unsubscribe(b"XB")
    station.try_send([b"XA"]), station.try_send([b"XB"])
    assert (one.hears(), other.hears()) == ([[b"XA"]], [])


@pytest.mark.requirement("L-37")
def test_xpub_manual_shows_an_unsubscription_without_applying_it() -> None:
    station = xpub(xpub_manual=1)
    listener = Peer(station)
    listener.says(Subscribe(b"A"))
    received(station)
    station.subscribe(b"A")
    listener.says(Cancel(b"A"))
    station.try_send([b"A"])
    assert received(station) == [b"\x00A"]
    station.unsubscribe(b"A")
    station.try_send([b"A"])
    assert listener.hears() == [[b"A"]]


@pytest.mark.requirement("L-37")
def test_xpub_manual_ignores_a_decision_on_a_departed_peer() -> None:
    station = xpub(xpub_manual=1)
    gone, stays = Peer(station), Peer(station)
    gone.says(Subscribe(b"A"))
    received(station)
    gone.leaves()
    station.subscribe(b"A")
    station.try_send([b"A"])
    assert gone.hears() == stays.hears() == []
    assert received(station) == [b"\x00A"]  # what it had asked for is over, granted or not


def test_only_xpub_manual_lets_a_program_subscribe_its_peers() -> None:
    station = xpub()
    Peer(station).says(Subscribe(b"A"))
    received(station)
    for call in (station.subscribe, station.unsubscribe):
        with pytest.raises(ZMQError, match="xpub_manual") as caught:
            call(b"B")
        assert caught.value.errno == EINVAL


@pytest.mark.parametrize("mode", ["xpub_verbose", "xpub_verboser", "xpub_manual"])
def test_a_pub_subscribes_by_itself_and_keeps_no_notices(mode: str) -> None:
    station = Pub(Calls(), Calls(), options(**{mode: 1}))
    listener, other = Peer(station), Peer(station)
    listener.says(Subscribe(b"eu"), [b"up"]), other.says(Subscribe(b"eu"), Cancel(b"eu"))
    other.leaves()
    station.try_send([b"eu"])
    assert listener.hears() == [[b"eu"]]
    assert not any(vars(station._notices)[name] for name in LEDGERS)
    with pytest.raises(ZMQError, match="only sends"):
        station.take()
    with pytest.raises(ZMQError, match="that is for SUB"):
        station.subscribe(b"eu")


# ---------------------------------------------------------------------------------- what is not read has bounds


def test_a_peer_is_not_read_while_too_many_messages_of_it_wait() -> None:
    station = xpub()
    flood, other = Peer(station, rcvhwm=4), Peer(station, rcvhwm=4)
    for number in range(8):
        assert not flood.pipe.inbound.full
        flood.says([b"%d" % number])
    assert flood.pipe.inbound.full
    assert len(station._notices) == 4
    other.says(Subscribe(b"eu"))
    station.try_send([b"eu"])
    assert other.hears() == [[b"eu"]]
    assert all_received(station) == [[b"0"], [b"1"], [b"2"], [b"3"], [b"\x01eu"], *([b"%d" % n] for n in range(4, 8))]
    assert not flood.pipe.inbound.full


def test_a_peer_is_not_read_while_its_notices_take_too_much() -> None:
    """A subscription that is shown takes as much as one that is kept."""
    station = xpub(xpub_verbose=1, maxsubscribed=10 * (512 + 8 * 2))
    flood = Peer(station)
    for _ in range(25):
        flood.says(Subscribe(b"eu"))
    assert station.held_back(flood.pipe) == 11
    assert len(flood.pipe.inbound) == 14
    assert len(all_received(station)) == 25
    assert len(flood.pipe.inbound) == 0


def test_what_was_not_read_of_a_peer_ends_with_it() -> None:
    """Its messages that are shown already stay; a subscription of a peer that has gone would never end."""
    station = xpub()
    flood = Peer(station, rcvhwm=4)
    flood.says(*([b"%d" % number] for number in range(8)), Subscribe(b"eu"))
    flood.leaves()
    assert all_received(station) == [[b"0"], [b"1"], [b"2"], [b"3"]]
    assert not station.subscriptions.matching(b"eu")
    assert len(flood.pipe.inbound) == 0


@pytest.mark.parametrize("mode", ["", "xpub_verbose", "xpub_verboser", "xpub_manual"])
@pytest.mark.slow
def test_peers_that_have_gone_do_not_fill_an_unread_xpub(mode: str) -> None:
    station = xpub(**({mode: 1} if mode else {}))
    stays = Peer(station)
    stays.says(Subscribe(b"stays"))
    for number in range(5 * MAX_UNREAD):
        peer = Peer(station)
        peer.says(Subscribe(b"%d" % number), Subscribe(b"%d" % number), Subscribe(b"stays"))
        peer.leaves()
    assert len(station._notices) <= MAX_UNREAD + 3
    shown = [message[0] for message in all_received(station)]
    assert shown[0] == b"\x01stays"
    assert {frame[1:] for frame in shown if frame[0]} - {frame[1:] for frame in shown if not frame[0]} <= {b"stays"}
    assert shown.count(b"\x01stays") - shown.count(b"\0stays") >= 1
    assert not any(vars(station._notices)[name] for name in LEDGERS)


@pytest.mark.parametrize("mode", ["", "xpub_verbose", "xpub_verboser", "xpub_manual"])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["asks", "asks", "ends", "leaves", "reads"]), st.integers(0, 3), st.sampled_from("ab")
        ),
        max_size=60,
    )
)
@pytest.mark.slow
def test_left_out_notices_do_not_mislead_the_program(mode: str, steps: list[tuple[str, int, str]]) -> None:
    """From what it reads, it knows in the end which prefixes are wanted."""
    each = mode in ("xpub_verboser", "xpub_manual")
    known: set[tuple[Pipe | None, bytes]] = set()

    def read() -> None:
        if (found := station.take()) is not None:
            pipe, (frame,) = found
            (known.add if frame[0] else known.discard)((pipe if each else None, frame[1:]))

    with patch.object(notices, "MAX_UNREAD", 2):
        station = xpub(**({mode: 1} if mode else {}))
        peers = [Peer(station) for _ in range(4)]
        wanted: set[tuple[Pipe, bytes]] = set()
        for step, index, letter in steps:
            pipe, prefix = peers[index].pipe, letter.encode()
            if step == "asks":
                peers[index].says(Subscribe(prefix))
                wanted.add((pipe, prefix))
            elif step == "ends":
                peers[index].says(Cancel(prefix))
                wanted.discard((pipe, prefix))
            elif step == "leaves":
                peers[index].leaves()
                peers[index] = Peer(station)
                wanted = {pair for pair in wanted if pair[0] is not pipe}
            else:
                read()
        while station.can_receive():
            read()
    assert known == {(pipe if each else None, prefix) for pipe, prefix in wanted}


def test_how_much_of_a_peer_is_unread_is_not_counted_each_time() -> None:
    station = xpub()
    one, other = Peer(station), Peer(station)
    one.says(*(Subscribe(b"%d" % number) for number in range(100)))
    other.says([b"up"], Subscribe(b"0"))
    station.take()
    assert (station.held_back(one.pipe), station.held_back(other.pipe)) == (99, 1)
    backlog = station._notices._backlogs[one.pipe]
    assert (backlog.messages, backlog.notices, backlog.memory) == (0, 99, 99 * 512 + 8 * 189)


def test_a_leaver_with_many_prefixes_is_shown_in_slices() -> None:
    station = xpub()
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    listener, other = Peer(station), Peer(station)
    listener.says(*(Subscribe(b"%d" % number) for number in range(3 * SLICE)))
    all_received(station)
    listener.leaves()
    assert len(station._notices) == SLICE
    ends = all_received(station)
    late = b"0"
    other.says(Subscribe(late))  # before the end of it was shown: so it goes on
    while soon:
        soon.pop()()
    ends += all_received(station)
    assert {end for (end,) in ends} == {b"\0%d" % number for number in range(1, 3 * SLICE)}
    assert station.subscriptions_of(other.pipe) == 1


@pytest.mark.requirement("29-22")
def test_notices_are_read_in_order_and_may_be_put_back() -> None:
    station = xpub()
    listener = Peer(station)
    sent = [b"%d" % number for number in range(2010)]
    listener.says(*(Subscribe(prefix) for prefix in sent))
    read = []
    while (found := station.take()) is not None:
        station.give_back(found)
        again = station.take()
        assert again == found
        read.append(found[1][0][1:])
        if len(read) == 5:
            listener.says(Subscribe(b"late"))
    assert read == [*sent, b"late"]
    assert not any(vars(station._notices)[name] for name in LEDGERS)


@pytest.mark.slow
def test_the_garbage_collector_does_not_visit_notices() -> None:
    """Or subscriptions: with a hundred thousand of either, other tasks would wait for it for 10 ms."""
    station = xpub()
    listener, other = Peer(station), Peer(station)
    gc.collect()
    before = len(gc.get_objects())
    listener.says(*(Subscribe(b"%d" % number) for number in range(1000)))
    other.says(*(Subscribe(b"other %d" % number) for number in range(1000)))
    gc.collect()
    assert len(gc.get_objects()) - before < 100
    index = station.subscriptions
    large = [index._root.wanted, index._root.signposts, index._holdings[listener.pipe].prefixes]
    assert not any(gc.is_tracked(each) for each in large)


@pytest.mark.requirement("29-25", "L-37")
def test_with_xpub_manual_each_silent_leave_is_shown() -> None:
    station = xpub(xpub_manual=1)
    peers = [Peer(station) for _ in range(3)]
    for peer in peers:
        peer.says(Subscribe(b"t"))
        assert received(station) == [b"\x01t"]
        station.subscribe(b"granted")
    for peer in peers:
        peer.leaves()
        assert all_received(station) == [[b"\0t"]]  # what was asked for, and not what was granted
    station.try_send([b"granted"])
    assert [peer.hears() for peer in peers] == [[], [], []]


@pytest.mark.requirement("29-14")
def test_an_xpub_shows_what_a_returned_peer_did_not_renew() -> None:
    """And it shows nothing of what it wants still."""
    station = xpub()
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    listener = Peer(station)
    listener.says(Subscribe(b"eu"), Subscribe(b"us"))
    all_received(station)
    listener.drops(), listener.returns()
    assert all_received(station) == []
    listener.says(Subscribe(b"eu"), Subscribe(b"as"))
    soon.pop()()
    assert all_received(station) == [[b"\x01as"], [b"\0us"]]


def test_xpub_manual_may_be_switched_on_and_off() -> None:
    settings = options()
    station = XPub(Calls(), Calls(), settings)
    listener = Peer(station)
    listener.says(Subscribe(b"before"))
    settings.xpub_manual = 1
    listener.says(Subscribe(b"meanwhile"))
    settings.xpub_manual = 0
    listener.says(Subscribe(b"after"))
    for topic in (b"before", b"meanwhile", b"after"):
        station.try_send([topic])
    assert listener.hears() == [[b"before"], [b"after"]]
    assert all_received(station) == [[b"\x01before"], [b"\x01meanwhile"], [b"\x01after"]]
    listener.leaves()
    assert sorted(all_received(station)) == [[b"\0after"], [b"\0before"], [b"\0meanwhile"]]
    assert not station.subscriptions.matching(b"before")


# ------------------------------------------------------------------------------------------------- notices, as a model

PREFIXES = st.sampled_from([b"", b"A", b"AB", b"B"])


class Notices(RuleBasedStateMachine):
    """Compares XPUB with a model that scans all peers each time."""

    peers = Bundle("peers")

    @initialize(mode=st.sampled_from(["", "xpub_verbose", "xpub_verboser"]))
    def begin(self, mode: str) -> None:
        self.mode = mode
        self.station = xpub(**({mode: 1} if mode else {}))
        self.soon: list[Callable[[], None]] = []
        self.station.later = self.soon.append
        self.wants: dict[Peer, set[bytes]] = {}
        self.shown: list[Message] = []

    def wanted(self, prefix: bytes) -> bool:
        return any(prefix in prefixes for prefixes in self.wants.values())

    @rule(target=peers)
    def arrives(self) -> Peer:
        peer = Peer(self.station)
        self.wants[peer] = set()
        return peer

    @rule(peer=peers, prefix=PREFIXES, old=st.booleans())
    def subscribes(self, peer: Peer, prefix: bytes, old: bool) -> None:
        if self.mode or not self.wanted(prefix):
            self.shown.append([b"\x01" + prefix])
        self.wants[peer].add(prefix)
        peer.says([b"\x01" + prefix] if old else Subscribe(prefix))
        self.look()

    @rule(peer=peers, prefix=PREFIXES, old=st.booleans())
    def cancels(self, peer: Peer, prefix: bytes, old: bool) -> None:
        self.wants[peer].discard(prefix)
        if self.mode == "xpub_verboser" or not self.wanted(prefix):
            self.shown.append([b"\x00" + prefix])
        peer.says([b"\x00" + prefix] if old else Cancel(prefix))
        self.look()

    @rule(peer=consumes(peers))
    def leaves(self, peer: Peer) -> None:
        held = self.wants.pop(peer)
        ends = [[b"\x00" + p] for p in sorted(held) if self.mode == "xpub_verboser" or not self.wanted(p)]
        peer.leaves()
        assert sorted(all_received(self.station)) == ends

    @rule(peer=peers)
    def breaks_and_is_dialled_again(self, peer: Peer) -> None:
        peer.drops(), peer.returns()
        for prefix in sorted(self.wants[peer]):  # as every subscriber does on a new connection
            if self.mode:
                self.shown.append([b"\x01" + prefix])
            peer.says(Subscribe(prefix))
        self.look()

    @rule(topic=st.sampled_from([b"", b"A", b"ABC", b"BA", b"C"]))
    def publishes(self, topic: bytes) -> None:
        self.station.try_send([topic])
        for peer, prefixes in self.wants.items():
            assert peer.hears() == [[topic]] * any(topic.startswith(prefix) for prefix in prefixes)

    def look(self) -> None:
        while self.soon:
            self.soon.pop()()
        assert self.station.can_receive() == bool(self.shown)
        assert all_received(self.station) == self.shown
        self.shown = []


@pytest.mark.requirement("29-18", "29-24", "29-25", "L-36")
@pytest.mark.slow
def test_an_xpub_agrees_with_a_model_that_scans_all_peers() -> None:
    run_state_machine_as_test(Notices)


# ------------------------------------------------------------------------------------------------------------ XSUB


@pytest.mark.requirement("29-43", "29-44", "29-47", "29-48", "L-38")
def test_an_xsub_sends_a_subscription_to_every_publisher() -> None:
    broker = xsub()
    one, other = Peer(broker), Peer(broker)
    for frame in (b"\x01eu", b"\x01eu", b"\x00eu", b"\x00eu", b"\x00us"):
        assert broker.can_send()
        assert broker.try_send([frame])
    # Counted: the first end is not the last, and of what was never asked for there is no end.
    expected = [Subscribe(b"eu"), Subscribe(b"eu"), Cancel(b"eu")]
    assert one.hears() == other.hears() == expected


@pytest.mark.requirement("29-47")
def test_subscribing_by_a_call_is_not_for_an_xsub() -> None:
    broker = xsub()
    for call in (broker.subscribe, broker.unsubscribe):
        with pytest.raises(ZMQError, match="that is for SUB") as caught:
            call(b"eu")
        assert caught.value.errno == EINVAL


@pytest.mark.requirement("29-35", "29-43", "29-44")
@pytest.mark.parametrize("message", [[b"hello"], [b""], [b"\x02x"], [b"\x01eu", b"more"], [b"a", b"\x01eu"]])
def test_any_other_message_goes_upstream_as_it_is(message: Message) -> None:
    broker = xsub()
    one, other = Peer(broker), Peer(broker)
    broker.try_send(message)
    assert one.hears() == other.hears() == [message]


@pytest.mark.requirement("29-38", "29-45", "29-46")
def test_a_slow_publisher_misses_messages_never_subscriptions() -> None:
    broker = xsub()
    slow, quick = Peer(broker, sndhwm=2), Peer(broker)
    for number in range(4):
        assert broker.can_send()
        assert broker.try_send([b"up %d" % number])
    broker.try_send([b"\x01eu"])
    assert slow.hears() == [[b"up 0"], [b"up 1"], Subscribe(b"eu")]
    assert len(quick.hears()) == 5


@pytest.mark.requirement("29-36", "L-38")
def test_an_xsub_sends_each_prefix_once_per_connection() -> None:
    broker = xsub(b"eu", b"us", b"eu")
    station = Peer(broker, connected=False)
    for _ in range(2):
        station.returns()
        assert station.hears() == [Subscribe(b"eu"), Subscribe(b"us")]
        station.drops()


@pytest.mark.requirement("29-36")
def test_what_an_xsub_sends_before_there_is_a_connection_arrives() -> None:
    broker = xsub(b"eu")
    station = Peer(broker, connected=False)
    for message in ([b"up 1"], [b"\x01us"], [b"\x01us"], [b"up 2"]):
        broker.try_send(message)
    station.returns()
    sent = [Subscribe(b"eu"), [b"up 1"], Subscribe(b"us"), Subscribe(b"us"), [b"up 2"]]
    assert station.hears() == sent
    station.drops()
    broker.try_send([b"away"]), broker.try_send([b"\0eu"])
    station.returns()
    assert station.hears() == [Subscribe(b"eu"), Subscribe(b"us"), [b"away"], Cancel(b"eu")]


def test_an_xsub_without_a_connection_keeps_a_short_list() -> None:
    broker = xsub(b"eu")
    station = Peer(broker, connected=False, sndhwm=0)
    broker.try_send([b"up"])
    for number in range(3 * MAX_WAITING):
        broker.try_send([b"\x01%d" % number]), broker.try_send([b"\0%d" % number])
    assert len(station.pipe.outbound) <= MAX_WAITING + 10
    assert station.pipe.outbound.taken == 0
    station.returns()
    said = station.hears()
    assert said[:2] == [Subscribe(b"eu"), [b"up"]]


@pytest.mark.parametrize("kind", [Sub, XSub])
def test_many_prefixes_are_queued_in_slices(kind: type[XSub]) -> None:
    """Whatever is subscribed to or cancelled meanwhile comes behind them."""
    listener = kind(Calls(), Calls())
    soon: list[Callable[[], None]] = []
    listener.later = soon.append

    def ask(sign: bytes, prefix: bytes) -> None:
        if kind is XSub:
            listener.try_send([sign + prefix])
        else:
            (listener.subscribe if sign == b"\x01" else listener.unsubscribe)(prefix)

    prefixes = [b"%d" % number for number in range(3 * SLICE)]
    for prefix in prefixes:
        ask(b"\x01", prefix)
    station = Peer(listener)
    heard, steps = station.hears(), [len(station.pipe.outbound)]
    assert len(heard) == SLICE
    ask(b"\0", prefixes[-1]), ask(b"\0", prefixes[0]), ask(b"\x01", b"new")
    while soon:
        soon.pop()()
        steps.append(len(station.pipe.outbound))
        heard += station.hears()
    assert max(steps) == SLICE
    assert heard == [*map(Subscribe, prefixes), Cancel(prefixes[-1]), Cancel(prefixes[0]), Subscribe(b"new")]
    ask(b"\x01", b"last")
    assert station.hears() == [Subscribe(b"last")]


def test_a_list_that_is_not_queued_yet_ends_with_its_connection() -> None:
    listener = Sub(Calls(), Calls())
    soon: list[Callable[[], None]] = []
    listener.later = soon.append
    prefixes = [b"%d" % number for number in range(3 * SLICE)]
    for prefix in prefixes:
        listener.subscribe(prefix)
    station = Peer(listener)
    station.drops()
    listener.unsubscribe(prefixes[0])
    station.returns()
    while soon:
        soon.pop(0)()
    assert station.hears() == [*map(Subscribe, prefixes[1:])]


@pytest.mark.requirement("29-37", "29-49", "L-9")
def test_messages_of_a_departed_publisher_are_still_received() -> None:
    broker = xsub(b"eu")
    station = Peer(broker)
    station.hears()
    station.says([b"eu"])
    station.leaves()
    station.hears()
    broker.try_send([b"\x01us"]), broker.try_send([b"up"])
    assert station.hears() == []
    assert all_received(broker) == [[b"eu"]]


@pytest.mark.requirement("29-35", "29-39", "29-41", "29-42")
def test_an_xsub_receives_all_messages_of_its_peers_in_turn() -> None:
    broker = xsub(b"eu")
    one, other = Peer(broker), Peer(broker)
    one.says([b"eu"], [b"", b"x", b""]), other.says([b"us", b"\0"])
    assert all_received(broker) == [[b"eu"], [b"us", b"\0"], [b"", b"x", b""]]


@pytest.mark.requirement("29-38", "29-40")
def test_an_xsub_at_its_limit_drops_nothing_its_queue_says_full() -> None:
    """So the engine stops reading, and the drop happens at the publisher's queue."""
    broker = xsub(b"")
    station = Peer(broker, rcvhwm=2)
    station.says([b"1"], [b"2"])
    assert station.pipe.inbound.full
    station.says([b"3"])
    assert all_received(broker) == [[b"1"], [b"2"], [b"3"]]


def test_invert_matching_filters_at_a_sub_and_not_at_an_xsub() -> None:
    sub = Sub(Calls(), Calls(), options(invert_matching=1))
    sub.subscribe(b"eu")
    broker = xsub(b"eu", invert_matching=1)
    for listener in (sub, broker):
        Peer(listener).says([b"eu"], [b"us"])
    assert all_received(sub) == [[b"us"]]
    assert all_received(broker) == [[b"eu"], [b"us"]]


# ------------------------------------------------------------------------------------------------------- conflate


def conflated(pattern: Pub | Sub) -> Pipe:
    pipe = Pipe(outbound=Queue(conflate=True), inbound=Queue(conflate=True))
    pattern.attach(pipe)
    pattern.connected(pipe)
    return pipe


def test_conflate_keeps_the_newest_message_for_an_absent_peer() -> None:
    station = Pub(Calls(), Calls())
    pipe = conflated(station)
    pipe.inbound.put(Subscribe(b""))
    for number in range(5):
        assert station.try_send([b"%d" % number])
    assert list(iter(pipe.outbound.take, None)) == [b"4"]
    assert pipe.outbound.dropped == 4


def test_with_conflate_a_subscription_is_never_replaced() -> None:
    listener = Sub(Calls(), Calls())
    pipe = conflated(listener)
    listener.subscribe(b"eu"), listener.subscribe(b"us")
    assert list(iter(pipe.outbound.take, None)) == [Subscribe(b"eu"), Subscribe(b"us")]
    for number in range(5):
        pipe.inbound.put([b"eu %d" % number])
    assert all_received(listener) == [[b"eu 4"]]
