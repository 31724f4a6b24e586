"""PUB and SUB: messages for all subscribers of a topic (29/PUBSUB)."""

from collections.abc import Callable

import pytest

from minizmtp.errors import ProtocolError
from minizmtp.options import Options
from minizmtp.patterns.pubsub import Pub, Sub, XPub
from minizmtp.patterns.subscribers import SLICE, read_subscription
from minizmtp.wire.events import Cancel, Item, SharedMessage, Subscribe
from tests.minizmtp.patterns.peers import Calls, Peer, Wire, all_received, received


def pub() -> Pub:
    return Pub(Calls(), Calls())


def sub(*prefixes: bytes) -> Sub:
    listener = Sub(Calls(), Calls())
    for prefix in prefixes:
        listener.subscribe(prefix)
    return listener


# ------------------------------------------------------------------------------------------------------------- PUB


@pytest.mark.requirement("29-2", "29-7", "29-8", "37-57")
def test_each_subscriber_gets_only_its_topics() -> None:
    station = pub()
    europe, america, all_of_it = Peer(station), Peer(station), Peer(station)
    europe.says(Subscribe(b"eu"))
    america.says(Subscribe(b"us"))
    all_of_it.says(Subscribe(b""))
    station.try_send([b"eu", b"rain"])
    station.try_send([b"us", b"snow"])
    assert europe.hears() == [[b"eu", b"rain"]]
    assert america.hears() == [[b"us", b"snow"]]
    assert all_of_it.hears() == [[b"eu", b"rain"], [b"us", b"snow"]]


@pytest.mark.requirement("29-8", "37-60")
def test_the_first_frame_is_compared_and_only_the_first() -> None:
    station = pub()
    listener = Peer(station)
    listener.says(Subscribe(b"eu"))
    station.try_send([b"us", b"eu"])
    assert listener.hears() == []


@pytest.mark.requirement("29-10", "L-39")
def test_a_message_sent_before_any_subscription_is_dropped() -> None:
    station = pub()
    assert station.can_send()
    assert station.try_send([b"eu"])
    listener = Peer(station)
    assert station.try_send([b"eu"])
    listener.says(Subscribe(b""))
    assert listener.hears() == []


@pytest.mark.requirement("29-11", "29-12")
@pytest.mark.parametrize(
    ("asks", "ends"), [(Subscribe(b"eu"), Cancel(b"eu")), ([b"\x01eu"], [b"\x00eu"])], ids=["3.1", "3.0"]
)
def test_subscriptions_are_read_in_both_forms_and_not_shown(asks: Item, ends: Item) -> None:
    station = pub()
    listener = Peer(station)
    listener.says(asks)
    station.try_send([b"eu 1"])
    listener.says(ends)
    station.try_send([b"eu 2"])
    assert listener.hears() == [[b"eu 1"]]
    assert not station.can_receive()


@pytest.mark.requirement("37-61")
def test_two_subscribes_and_one_cancel_are_none() -> None:
    station = pub()
    listener = Peer(station)
    listener.says(Subscribe(b"eu"), Subscribe(b"eu"), Cancel(b"eu"))
    station.try_send([b"eu"])
    assert listener.hears() == []


@pytest.mark.requirement("29-6")
def test_a_subscribers_messages_are_dropped_at_once() -> None:
    station = pub()
    listener = Peer(station, rcvhwm=2)
    for number in range(10):
        listener.says([b"%d" % number])
        assert not listener.pipe.inbound.full
    assert len(listener.pipe.inbound) == 0


def test_subscriptions_received_before_the_attach_count() -> None:
    station = pub()
    early = Peer(pub())
    early.pipe.inbound.set_reader(Calls())
    early.says(Subscribe(b"eu"))
    station.attach(early.pipe)
    station.try_send([b"eu"])
    assert early.hears() == [[b"eu"]]


@pytest.mark.requirement("29-5", "29-9", "29-10")
def test_a_slow_subscriber_loses_messages_and_delays_no_peer() -> None:
    station = pub()
    slow, quick = Peer(station, sndhwm=2), Peer(station)
    slow.says(Subscribe(b""))
    quick.says(Subscribe(b""))
    for number in range(4):
        assert station.try_send([b"%d" % number, b"body"])
        assert station.can_send()
    assert slow.hears() == [[b"0", b"body"], [b"1", b"body"]]
    assert len(quick.hears()) == 4


@pytest.mark.requirement("29-4")
def test_a_subscriber_that_leaves_loses_all_subscriptions() -> None:
    station = pub()
    listener = Peer(station)
    listener.says(Subscribe(b"eu"), Subscribe(b"us"))
    listener.leaves()
    listener.says(Subscribe(b"late"))
    for topic in (b"eu", b"us", b"late"):
        station.try_send([topic])
        assert not station.subscriptions.matching(topic)
    assert listener.hears() == []


@pytest.mark.requirement("29-3", "L-39")
def test_a_pub_that_connects_keeps_an_absent_subscriber() -> None:
    station = pub()
    listener = Peer(station)
    listener.says(Subscribe(b"eu"))
    listener.drops()
    station.try_send([b"eu"])
    listener.returns()
    assert listener.hears() == [[b"eu"]]


@pytest.mark.requirement("29-3", "L-39")
def test_a_reconnected_subscriber_has_to_subscribe_again() -> None:
    station = pub()
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    listener = Peer(station)
    listener.says(Subscribe(b"eu"), Subscribe(b"us"))
    listener.drops(), listener.returns()
    station.try_send([b"us 1"])  # it has not told yet
    listener.says(Subscribe(b"eu"), Subscribe(b"as"))
    soon.pop()()
    for topic in (b"eu 2", b"us 2", b"as 2"):
        station.try_send([topic])
    assert listener.hears() == [[b"us 1"], [b"eu 2"], [b"as 2"]]
    assert station.subscriptions_of(listener.pipe) == 2


def test_maxsubscribed_limits_a_subscribers_prefixes() -> None:
    most = Options()
    most.maxsubscribed = 3 * (512 + 8 * 2)
    station = Pub(Calls(), Calls(), most)
    listener, other = Peer(station), Peer(station)
    listener.pipe.source = Wire()
    listener.says(Subscribe(b"aa"), Subscribe(b"bb"), Subscribe(b"cc"), Subscribe(b"cc"), Cancel(b"bb"))
    listener.says(Subscribe(b"dd"))
    with pytest.raises(ProtocolError, match=r"3 subscriptions, and one more of 2 octets; .* \(maxsubscribed\)"):
        listener.pipe.inbound.put(Subscribe(b"ee"))
    other.says(*(Subscribe(b"%02d" % number) for number in range(10)))  # in this process there is no limit


def test_a_long_prefix_counts_by_its_length() -> None:
    most = Options()
    most.maxsubscribed = 8 * 1000
    station = Pub(Calls(), Calls(), most)
    listener = Peer(station)
    listener.pipe.source = Wire()
    with pytest.raises(ProtocolError, match=r"0 subscriptions, and one more of 1,000 octets"):
        listener.pipe.inbound.put(Subscribe(bytes(1000)))


def test_a_subscriber_with_many_prefixes_is_removed_in_slices() -> None:
    """It gets nothing more at once; what is left to do is bounded between two calls, however much it had."""
    station = pub()
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    listener, other = Peer(station), Peer(station)
    listener.says(*(Subscribe(b"%d" % number) for number in range(5 * SLICE)))
    other.says(Subscribe(b"0"))
    listener.leaves()
    station.try_send([b"0"])
    assert (listener.hears(), other.hears()) == ([], [[b"0"]])
    calls = 0
    while soon:
        soon.pop()()
        calls += 1
        assert len(soon) <= 1
    assert calls == 4
    assert [b"%d" % number in station.subscriptions for number in (0, 1, 100)] == [True, False, False]


@pytest.mark.parametrize("kind", [Pub, XPub])
def test_a_message_of_many_subscriptions_is_read_in_slices(kind: type[Pub]) -> None:
    station = kind(Calls(), Calls())
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    listener = Peer(station)
    listener.says([b"\x01%d" % number for number in range(3 * SLICE)] + [b"up"], Subscribe(b"next"))
    held = [station.subscriptions_of(listener.pipe)]
    while soon:
        soon.pop()()
        held.append(station.subscriptions_of(listener.pipe))
    assert held == [SLICE, 2 * SLICE, 3 * SLICE, 3 * SLICE + 1]
    if kind is XPub:
        assert all_received(station)[-2:] == [[b"up"], [b"\x01next"]]


@pytest.mark.parametrize("kind", [Pub, XPub])
def test_what_waits_at_the_attach_is_read_in_slices(kind: type[Pub]) -> None:
    """So much may have come before, or may come while other tasks have their turns."""
    station = kind(Calls(), Calls())
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    early = Peer(pub())
    early.pipe.inbound.set_reader(Calls())
    early.says(*(Subscribe(b"%d" % number) for number in range(2 * SLICE)))
    station.attach(early.pipe)
    early.says(Subscribe(b"late"), Subscribe(b"later"))
    held = [station.subscriptions_of(early.pipe)]
    while soon:
        soon.pop()()
        held.append(station.subscriptions_of(early.pipe))
    assert held == [SLICE, 2 * SLICE, 2 * SLICE + 2]


def test_a_listener_that_leaves_within_a_long_message_is_gone() -> None:
    station = pub()
    soon: list[Callable[[], None]] = []
    station.later = soon.append
    listener = Peer(station)
    listener.says([b"\x01%d" % number for number in range(3 * SLICE)])
    listener.leaves()
    while soon:
        soon.pop()()
    assert not station.subscriptions._root.lengths


def test_a_message_to_many_is_one_object_that_is_encoded_once() -> None:
    station = pub()
    listeners = [Peer(station) for _ in range(3)]
    for listener in listeners:
        listener.says(Subscribe(b""))
    station.try_send([b"eu", b"rain"])
    one, two, three = (listener.pipe.outbound.take() for listener in listeners)
    assert type(one) is SharedMessage
    assert one is two is three


def test_overlapping_subscriptions_deliver_a_message_once() -> None:
    station = pub()
    listener = Peer(station)
    listener.says(Subscribe(b""), Subscribe(b"e"), Subscribe(b"eu"))
    station.try_send([b"eu"])
    assert listener.hears() == [[b"eu"]]


@pytest.mark.parametrize(
    ("frame", "request_"),
    [
        (b"\x01A", Subscribe(b"A")),
        (b"\x01", Subscribe(b"")),
        (b"\x00A", Cancel(b"A")),
        (b"\x00", Cancel(b"")),
        (b"", None),
        (b"\x02A", None),
        (b"A\x01", None),
    ],
)
def test_a_frame_is_a_subscription_by_its_first_octet(frame: bytes, request_: Subscribe | Cancel | None) -> None:
    assert read_subscription(frame) == request_


# ------------------------------------------------------------------------------------------------------------- SUB


@pytest.mark.requirement("29-27", "29-32", "29-33", "29-34")
def test_a_sub_takes_from_its_publishers_in_turn() -> None:
    listener = sub(b"")
    one, two = Peer(listener), Peer(listener)
    one.says([b"a1", b"", b"x"], [b"a2"])
    two.says([b"b1"])
    assert all_received(listener) == [[b"a1", b"", b"x"], [b"b1"], [b"a2"]]


def test_without_a_subscription_nothing_is_received() -> None:
    listener = sub()
    Peer(listener).says([b"eu"])
    assert not listener.can_receive()
    assert received(listener) is None


@pytest.mark.requirement("29-34", "37-57")
def test_a_sub_filters_messages_that_it_did_not_subscribe_to() -> None:
    """Between our CANCEL and its arrival a publisher still sends."""
    listener = sub(b"eu", b"us")
    station = Peer(listener)
    listener.unsubscribe(b"us")
    station.says([b"us"], [b"eu"], [b""])
    assert all_received(listener) == [[b"eu"]]


@pytest.mark.requirement("37-58", "37-59")
def test_subscribing_is_sent_to_every_connected_publisher() -> None:
    listener = sub()
    one, two, away = Peer(listener), Peer(listener), Peer(listener, connected=False)
    listener.subscribe(b"eu")
    listener.unsubscribe(b"eu")
    assert one.hears() == two.hears() == [Subscribe(b"eu"), Cancel(b"eu")]
    assert away.hears() == []


@pytest.mark.requirement("37-61", "L-38")
def test_a_listener_counts_and_takes_back_only_with_the_last() -> None:
    listener = sub()
    station = Peer(listener)
    listener.subscribe(b"eu"), listener.subscribe(b"eu")
    assert station.hears() == [Subscribe(b"eu")]
    listener.unsubscribe(b"eu")
    assert station.hears() == []
    station.says([b"eu 1"])
    assert received(listener) == [b"eu 1"]
    listener.unsubscribe(b"eu")
    assert station.hears() == [Cancel(b"eu")]


@pytest.mark.requirement("L-38")
def test_unsubscribing_what_was_never_subscribed_says_nothing() -> None:
    listener = sub(b"eu")
    station = Peer(listener)
    station.hears()
    listener.unsubscribe(b"us"), listener.unsubscribe(b"")
    assert station.hears() == []


@pytest.mark.requirement("L-38", "29-28")
def test_a_sub_sends_each_prefix_once_per_connection() -> None:
    listener = sub(b"eu", b"us", b"eu")
    station = Peer(listener)
    assert station.hears() == [Subscribe(b"eu"), Subscribe(b"us")]
    station.drops()
    listener.subscribe(b"as")
    listener.unsubscribe(b"us")
    assert station.hears() == []
    station.returns()
    assert station.hears() == [Subscribe(b"eu"), Subscribe(b"as")]


@pytest.mark.requirement("37-54", "L-38")
def test_a_subscription_unsent_at_a_break_is_not_sent_twice() -> None:
    listener = sub(b"eu")
    station = Peer(listener)
    listener.subscribe(b"us")
    station.drops(), station.returns()
    assert station.hears() == [Subscribe(b"eu"), Subscribe(b"us")]


def test_nothing_is_sent_to_a_publisher_that_has_left() -> None:
    listener = sub()
    station = Peer(listener)
    station.leaves()
    listener.subscribe(b"eu")
    assert station.hears() == []


@pytest.mark.requirement("29-29", "L-9")
def test_messages_of_a_publisher_that_has_left_are_received() -> None:
    listener = sub(b"eu")
    station = Peer(listener)
    station.says([b"eu"])
    station.leaves()
    assert all_received(listener) == [[b"eu"]]


@pytest.mark.requirement("29-30", "29-31")
def test_a_sub_at_its_limit_drops_nothing_and_reports_full() -> None:
    """So the engine stops reading, and the drop happens at the publisher's queue."""
    listener = sub(b"")
    station = Peer(listener, rcvhwm=2)
    station.says([b"1"], [b"2"])
    assert station.pipe.inbound.full
    station.says([b"3"])
    assert all_received(listener) == [[b"1"], [b"2"], [b"3"]]


# -------------------------------------------------------------------------------------------------- one and the other


def test_a_sub_and_a_pub_understand_each_other() -> None:
    station, listener = pub(), sub(b"eu")
    to_listener, to_station = Peer(station), Peer(listener)
    for _ in range(2):
        to_listener.says(*to_station.hears())
        station.try_send([b"eu", b"rain"]), station.try_send([b"us", b"snow"])
        to_station.says(*to_listener.hears())
        listener.subscribe(b"us")
    assert all_received(listener) == [[b"eu", b"rain"], [b"eu", b"rain"], [b"us", b"snow"]]
