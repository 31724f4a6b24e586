"""PAIR: exactly two sockets (31/EXPAIR)."""

import pytest

from minizmtp.patterns.pair import Pair
from minizmtp.wire.events import Message
from tests.minizmtp.patterns.peers import Calls, Peer, all_received, received


def pair() -> Pair:
    return Pair(Calls(), Calls())


@pytest.mark.requirement("31-2", "31-3", "31-11", "31-12")
@pytest.mark.parametrize("message", [[b""], [b"a", b"", b"b"], [b"\x01a"], [bytes(300)]])
def test_either_side_of_a_pair_sends_any_message_unchanged(message: Message) -> None:
    one, other = pair(), pair()
    to_other, to_one = Peer(one), Peer(other)
    for _ in range(2):
        assert one.try_send(message)
        to_one.says(*to_other.hears())
        assert received(other) == message
        assert other.try_send([b"re", *message])
        to_other.says(*to_one.hears())
        assert received(one) == [b"re", *message]


@pytest.mark.requirement("31-1")
def test_a_second_peer_receives_nothing_and_is_not_read() -> None:
    one = pair()
    first, second = Peer(one), Peer(one)
    second.says([b"me too"])
    assert not one.can_receive()
    assert received(one) is None
    for _ in range(3):
        one.try_send([b"x"])
    assert len(first.hears()) == 3
    assert second.hears() == []


@pytest.mark.requirement("31-1")
def test_the_next_newcomer_replaces_a_peer_that_left() -> None:
    """A second peer that was refused while the first was there does not move up."""
    one = pair()
    first, second = Peer(one), Peer(one)
    first.leaves()
    assert not one.can_send()
    assert not one.try_send([b"x"])
    second.says([b"now me?"])
    assert received(one) is None
    third = Peer(one)
    assert one.try_send([b"x"])
    assert (second.hears(), third.hears()) == ([], [[b"x"]])
    third.says([b"thanks"])
    assert received(one) == [b"thanks"]


@pytest.mark.requirement("31-1")
def test_a_second_peer_that_leaves_again_changes_nothing() -> None:
    one = pair()
    first, second = Peer(one), Peer(one)
    second.leaves()
    assert one.try_send([b"x"])
    assert first.hears() == [[b"x"]]
    Peer(one).says([b"a third"])
    assert received(one) is None


@pytest.mark.requirement("31-1")
def test_what_a_second_peer_sends_is_not_kept() -> None:
    """Kept, it would stop the engine's reading, and the end of the connection would never be noticed."""
    one = pair()
    Peer(one)
    second = Peer(one, rcvhwm=2)
    for number in range(5):
        second.says([b"%d" % number])
        assert not second.pipe.inbound.full
        assert not second.pipe.inbound


@pytest.mark.requirement("31-1")
def test_a_second_peer_on_a_new_connection_is_a_newcomer() -> None:
    one = pair()
    first, second = Peer(one), Peer(one)
    first.leaves()
    second.drops()
    second.says([b"lost"])
    second.returns()
    second.says([b"now me"])
    assert all_received(one) == [[b"now me"]]
    assert one.try_send([b"x"])
    assert second.hears() == [[b"x"]]


@pytest.mark.requirement("31-8", "31-9", "31-10")
def test_without_a_peer_a_message_is_not_taken() -> None:
    one = pair()
    assert not one.can_send()
    assert not one.try_send([b"x"])
    assert Peer(one).hears() == []


@pytest.mark.requirement("31-6", "31-7", "31-8", "31-9", "31-10")
def test_a_send_waits_for_the_peer_with_a_full_queue() -> None:
    one = pair()
    other = Peer(one, sndhwm=2)
    assert [one.try_send([b"%d" % number]) for number in range(3)] == [True, True, False]
    assert not one.can_send()
    assert other.hears() == [[b"0"], [b"1"]]
    assert one.try_send([b"2"])


@pytest.mark.requirement("31-4")
def test_a_pair_that_connects_keeps_a_queue_for_an_absent_peer() -> None:
    """The queue exists before the first connection and between two connections."""
    one = pair()
    other = Peer(one, connected=False)
    assert one.try_send([b"early"])
    other.returns()
    other.drops()
    assert one.try_send([b"away"])
    other.returns()
    assert other.hears() == [[b"early"], [b"away"]]


@pytest.mark.requirement("31-5", "L-9")
def test_messages_received_from_a_departed_peer_are_kept() -> None:
    one = pair()
    other = Peer(one)
    one.try_send([b"unread"])
    other.says([b"1"], [b"2"])
    other.leaves()
    assert all_received(one) == [[b"1"], [b"2"]]
    assert not one.try_send([b"x"])
    assert Peer(one).hears() == []
