"""What all socket types have in common, and what each may not do."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from minizmtp.constants import SocketType
from minizmtp.errors import EFSM, EINVAL, ENOTSUP, ZMQError
from minizmtp.patterns import PATTERNS, Pattern
from minizmtp.wire.events import SharedMessage, Subscribe
from tests.minizmtp.patterns.peers import Calls, Peer, all_received, received


def make(kind: SocketType) -> Pattern:
    return PATTERNS[kind](Calls(), Calls())


KINDS = [SocketType.PUSH, SocketType.PULL, SocketType.PUB, SocketType.SUB, SocketType.REQ, SocketType.REP]
SENDERS_ONLY = [SocketType.PUSH, SocketType.PUB]
RECEIVERS_ONLY = [SocketType.PULL, SocketType.SUB]


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pattern_knows_which_it_is(kind: SocketType) -> None:
    assert make(kind).socket_type is kind


@pytest.mark.requirement("29-1", "30-1")
@pytest.mark.parametrize("kind", SENDERS_ONLY)
def test_a_sending_socket_type_cannot_receive(kind: SocketType) -> None:
    with pytest.raises(ZMQError, match=f"a {kind.name} socket only sends") as caught:
        make(kind).take()
    assert caught.value.errno == ENOTSUP
    assert not make(kind).can_receive()


@pytest.mark.requirement("29-26", "30-12")
@pytest.mark.parametrize("kind", RECEIVERS_ONLY)
def test_a_receiving_socket_type_cannot_send(kind: SocketType) -> None:
    pattern = make(kind)
    Peer(pattern)
    for ask in (pattern.check_send, lambda: pattern.try_send([b"x"])):
        with pytest.raises(ZMQError, match=f"a {kind.name} socket only receives") as caught:
            ask()
        assert caught.value.errno == ENOTSUP
    assert not pattern.can_send()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not SocketType.SUB])
def test_only_a_sub_subscribes(kind: SocketType) -> None:
    for ask in (make(kind).subscribe, make(kind).unsubscribe):
        with pytest.raises(ZMQError, match=f"a {kind.name} socket does not subscribe") as caught:
            ask(b"topic")
        assert caught.value.errno == EINVAL


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_start_only_a_pub_can_send_and_none_can_receive(kind: SocketType) -> None:
    pattern = make(kind)
    assert pattern.can_send() == (kind is SocketType.PUB)  # a PUB drops for want of listeners, and so never waits
    assert not pattern.can_receive()


@pytest.mark.requirement("30-4", "28-22", "L-6")
@pytest.mark.parametrize("kind", [SocketType.PUSH, SocketType.REQ])
def test_a_pipe_of_connect_keeps_messages_without_a_connection(
    kind: SocketType,
) -> None:
    """The pipe takes messages before the first connection and keeps them between two connections."""
    pattern = make(kind)
    peer = Peer(pattern, connected=False)
    assert pattern.try_send([b"early"])
    peer.returns(), peer.drops(), peer.returns()
    assert len(peer.hears()) == 1


@pytest.mark.requirement("30-15", "29-28", "L-9")
@pytest.mark.parametrize("kind", RECEIVERS_ONLY)
def test_what_a_peer_sent_is_read_after_it_has_gone(kind: SocketType) -> None:
    pattern = make(kind)
    if kind is SocketType.SUB:
        pattern.subscribe(b"")
    peer = Peer(pattern)
    peer.says([b"1"], [b"2"])
    assert received(pattern) == [b"1"]
    peer.leaves()
    assert all_received(pattern) == [[b"2"]]


@pytest.mark.requirement("L-18")
def test_disconnect_drops_the_unread_messages_of_that_peer() -> None:
    pattern = make(SocketType.PULL)
    peer, other = Peer(pattern), Peer(pattern)
    peer.says([b"1"], [b"2"])
    other.says([b"3"])
    pattern.discard(peer.pipe)
    assert all_received(pattern) == [[b"3"]]


@pytest.mark.requirement("L-18")
def test_disconnect_drops_even_a_message_that_poll_has_seen() -> None:
    pattern = make(SocketType.PULL)
    peer = Peer(pattern)
    peer.says([b"1"])
    assert pattern.can_receive()
    pattern.discard(peer.pipe)
    assert not pattern.can_receive()
    assert received(pattern) is None


def test_polling_loses_nothing_and_changes_no_order() -> None:
    pattern = make(SocketType.PULL)
    one, two = Peer(pattern), Peer(pattern)
    one.says([b"a1"], [b"a2"])
    two.says([b"b1"])
    seen = []
    while pattern.can_receive() and pattern.can_receive():
        seen.append(received(pattern))
    assert seen == [[b"a1"], [b"b1"], [b"a2"]]


def test_each_receiver_in_a_process_gets_a_list_of_its_own() -> None:
    """A PUB over inproc puts one SharedMessage into many pipes."""
    pattern = make(SocketType.PULL)
    shared = SharedMessage([b"a", b"b"])
    Peer(pattern).says(shared)
    message = received(pattern)
    assert type(message) is list
    assert message == [b"a", b"b"]
    assert message is not shared


@pytest.mark.parametrize("kind", [SocketType.PULL, SocketType.SUB, SocketType.REP])
def test_a_subscription_at_a_peer_that_is_no_pub_is_ignored(kind: SocketType) -> None:
    pattern = make(kind)
    Peer(pattern).says(Subscribe(b"A"))
    assert not pattern.can_receive()
    assert received(pattern) is None


@pytest.mark.requirement("28-1", "28-10")
@pytest.mark.parametrize(
    ("kind", "message"), [(SocketType.REQ, "send.*before recv"), (SocketType.REP, "recv.*before send")]
)
def test_strict_types_say_what_to_do_instead(kind: SocketType, message: str) -> None:
    pattern = make(kind)
    with pytest.raises(ZMQError, match=message) as caught:
        pattern.take() if kind is SocketType.REQ else pattern.check_send()
    assert caught.value.errno == EFSM


@pytest.mark.parametrize("kind", [SocketType.PULL, SocketType.XPUB])
def test_what_was_taken_and_given_back_is_the_next_to_be_taken(kind: SocketType) -> None:
    pattern = make(kind)
    peer = Peer(pattern)
    for number in range(3):
        peer.says([b"%d" % number])
    first = pattern.take()
    assert first is not None
    pattern.give_back(first)
    assert pattern.can_receive()
    assert all_received(pattern) == [[b"0"], [b"1"], [b"2"]]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pipe_is_freed_when_its_peer_has_gone(kind: SocketType, no_collector: None) -> None:
    """At once, and not by the garbage collector: nothing that is left points to it."""
    pattern = make(kind)
    for number in range(3):
        peer = Peer(pattern)
        if pattern.has_fair_queue and kind is not SocketType.REQ:
            peer.says([b"", b"1"] if kind is SocketType.REP else [b"1"])
        if kind in (SocketType.PUB, SocketType.XPUB):
            peer.says(Subscribe(b"%d" % number), [b"upstream"])
        if kind not in (SocketType.PUB, SocketType.PUSH):
            while pattern.can_receive():
                pattern.take()
        freed = weakref.ref(peer.pipe)
        queues = [weakref.ref(peer.pipe.inbound), weakref.ref(peer.pipe.outbound)]
        peer.leaves()
        if kind is SocketType.XPUB:
            all_received(pattern)
        del peer
        if kind is not SocketType.REP:  # it remembers whom it owes a reply
            assert freed() is None
            assert [queue() for queue in queues] == [None, None]


@pytest.mark.parametrize("kind", [SocketType.ROUTER, SocketType.PAIR])
def test_a_refused_peer_is_freed_when_it_has_gone(kind: SocketType, no_collector: None) -> None:
    pattern = make(kind)
    peers = [Peer(pattern, connected=False) for _ in range(2)]
    for peer in peers:
        peer.pipe.identity = b"one"
        peer.returns()
    refused = peers.pop()
    refused.says([b"1"])
    freed = weakref.ref(refused.pipe)
    refused.leaves()
    del refused, peer
    assert freed() is None
