"""The draft types, without a wire: one frame for a message, peers with numbers, groups."""

import pytest

from minizmtp.constants import SocketType
from minizmtp.errors import EHOSTUNREACH, EINVAL, ENOTSUP, ProtocolError, ZMQError
from minizmtp.patterns import PATTERNS, Pattern
from minizmtp.patterns.clientserver import LARGEST_ID, Peer, Server
from minizmtp.patterns.radiodish import Dish, Radio
from minizmtp.wire.events import Cancel, Join, Leave, Subscribe
from tests.minizmtp.patterns import peers
from tests.minizmtp.patterns.peers import Calls, all_received


def make(kind: SocketType) -> Pattern:
    return PATTERNS[kind](Calls(), Calls())


SENDERS = [SocketType.SCATTER, SocketType.CLIENT, SocketType.CHANNEL, SocketType.SERVER, SocketType.RADIO]
RECEIVERS = [SocketType.GATHER, SocketType.CLIENT, SocketType.CHANNEL]


@pytest.mark.requirement("37-64")
@pytest.mark.parametrize("kind", SENDERS)
def test_several_frames_are_refused_alone_and_in_a_batch(kind: SocketType) -> None:
    pattern = make(kind)
    peer = peers.Peer(pattern)
    three = [b"one", b"two", b"three"]  # with the address, too
    for attempt in (lambda: pattern.try_send(three), lambda: pattern.send_many(iter([three]), 9)):
        with pytest.raises(ZMQError, match=f"a message of a {kind.name} is ") as caught:
            attempt()
        assert caught.value.errno == EINVAL
    assert peer.hears() == []


@pytest.mark.requirement("37-65")
@pytest.mark.parametrize("kind", RECEIVERS)
def test_several_frames_from_a_peer_are_dropped(kind: SocketType) -> None:
    pattern = make(kind)
    peer = peers.Peer(pattern)
    peer.says([b"two", b"frames"])
    assert not pattern.can_receive()
    peer.says(b"1", [b"two", b"frames"], [b"2"])
    assert all_received(pattern) == [[b"1"], [b"2"]]
    peer.says(b"3", [b"two", b"frames"], b"4")
    assert pattern.take_many(9) == [[b"3"], [b"4"]]


@pytest.mark.requirement("D-1")
@pytest.mark.parametrize("kind", [SocketType.SCATTER, SocketType.CLIENT])
def test_messages_go_to_the_next_in_turn_that_has_room(kind: SocketType) -> None:
    pattern = make(kind)
    assert not pattern.try_send([b"too early"])
    one, other = peers.Peer(pattern, sndhwm=1), peers.Peer(pattern, sndhwm=3)
    assert pattern.send_many(iter([b"%d" % number for number in range(9)]), 9) == (4, None)
    assert (one.hears(), other.hears()) == ([[b"0"]], [[b"1"], [b"2"], [b"3"]])


@pytest.mark.requirement("D-2")
@pytest.mark.parametrize("kind", [SocketType.GATHER, SocketType.CLIENT])
def test_peers_are_read_in_turn(kind: SocketType) -> None:
    pattern = make(kind)
    one, other = peers.Peer(pattern), peers.Peer(pattern)
    one.says(b"a1", b"a2", b"a3")
    other.says(b"b1")
    assert all_received(pattern) == [[b"a1"], [b"b1"], [b"a2"], [b"a3"]]


@pytest.mark.requirement("D-12")
def test_a_channel_ignores_a_second_peer_and_says_so() -> None:
    channel = make(SocketType.CHANNEL)
    first, second = peers.Peer(channel), peers.Peer(channel)
    second.says(b"ignored")
    first.says(b"heard")
    assert channel.try_send([b"hello"])
    assert all_received(channel) == [[b"heard"]]
    assert (first.hears(), second.hears()) == ([[b"hello"]], [])
    assert channel.why_ignored(second.pipe) == (
        "this CHANNEL has a peer already, so it ignores this second one: use a CLIENT"
    )


# ------------------------------------------------------------------------------------------------------------- SERVER


@pytest.mark.requirement("D-3", "D-2")
def test_a_server_numbers_its_peers_whatever_they_ask_for() -> None:
    server = Server(Calls(), Calls())
    server._number = LARGEST_ID - 1  # the last two numbers, and then the first, which is not 0
    clients = [peers.Peer(server) for _ in range(3)]
    for client in clients:
        client.pipe.identity = b"\0" * 5
        client.returns()
        client.says(b"job", b"more")
    assert [int.from_bytes(name, "big") for name, _ in all_received(server)] == [LARGEST_ID, 1, 2] * 2


@pytest.mark.requirement("D-4")
def test_a_message_for_no_peer_is_an_error() -> None:
    server = Server(Calls(), Calls())
    peer = peers.Peer(server)
    peer.says(b"job")
    ((name, _),) = all_received(server)
    peer.leaves()
    for address in (name, bytes(5)):
        with pytest.raises(ZMQError, match="no peer has the routing id") as caught:
            server.try_send([address, b"ok"])
        assert caught.value.errno == EHOSTUNREACH


@pytest.mark.requirement("D-5")
def test_a_server_waits_for_room_at_one_peer_only() -> None:
    space = Calls()
    server = Server(Calls(), space)
    full, other = peers.Peer(server, sndhwm=2), peers.Peer(server)
    one, two = full.pipe.routing_id, other.pipe.routing_id
    batch = [[one, b"1"], [one, b"2"], [one, b"3"], [two, b"4"]]
    assert server.send_many(iter(batch), 9) == (2, [one, b"3"])
    assert not server.try_send([one, b"3"])
    assert server.try_send([two, b"4"])
    assert server.can_send()
    before = space.count
    assert full.hears() == [[b"1"], [b"2"]]
    assert space.count > before
    assert server.try_send([one, b"3"])
    assert full.pipe.outbound.dropped == 0


@pytest.mark.requirement("37-65")
def test_a_server_drops_several_frames_and_keeps_the_rest() -> None:
    server = Server(Calls(), Calls())
    peer = peers.Peer(server)
    name = peer.pipe.routing_id
    peer.says(b"1", [b"two", b"frames"], b"2")
    assert server.can_receive()
    received = server.take()
    assert received is not None
    server.give_back(received)
    assert server.take_many(9) == [[name, b"1"], [name, b"2"]]


@pytest.mark.requirement("D-6")
def test_a_peer_that_was_connected_keeps_its_number() -> None:
    peer = Peer(Calls(), Calls())
    other = peers.Peer(peer, connected=False)
    number = peer.newest()
    assert peer.try_send([number, b"early"])
    other.returns(), other.drops(), other.returns()
    assert peer.newest() == number
    assert peer.try_send([number, b"later"])
    assert other.hears() == [[b"early"], [b"later"]]


# ------------------------------------------------------------------------------------------------------ RADIO and DISH

GROUPS = [b"", b"e", b"eu", b"eu2", b"europe", b"\xff" * 255]


@pytest.mark.requirement("D-7", "37-62", "37-63")
def test_a_group_is_compared_as_a_whole() -> None:
    radio = Radio(Calls(), Calls())
    members = {group: peers.Peer(radio) for group in GROUPS}
    both = peers.Peer(radio)
    for group, member in members.items():
        member.says(Join(group), Join(group))
    both.says(Join(b"eu"), Join(b"e"), Leave(b"e"), Leave(b"never joined"))
    for group in [*GROUPS, b"europ", b"news"]:
        assert radio.try_send([group, b"to " + group])
    for group, member in members.items():
        assert member.hears() == [[group, b"to " + group]]
        assert radio.subscriptions_of(member.pipe) == 1
    assert both.hears() == [[b"eu", b"to eu"]]
    members[b"eu"].leaves()
    assert radio.send_many(iter([[b"eu", b"1"], [b"us", b"2"], [b"eu", b"3"]]), 9) == (3, None)
    assert both.hears() == [[b"eu", b"1"], [b"eu", b"3"]]


@pytest.mark.requirement("D-8")
def test_a_radio_drops_for_a_full_queue_and_counts() -> None:
    radio = Radio(Calls(), Calls())
    slow, quick = peers.Peer(radio, sndhwm=1), peers.Peer(radio)
    for member in (slow, quick):
        member.says(Join(b"g"))
    assert radio.can_send()
    assert all(radio.try_send([b"g", b"%d" % number]) for number in range(3))
    assert (slow.hears(), slow.pipe.outbound.dropped) == ([[b"g", b"0"]], 2)
    assert len(quick.hears()) == 3


@pytest.mark.requirement("37-62", "D-9")
def test_only_requests_of_a_dish_count_at_a_radio() -> None:
    """Not those of a SUB, in either form, and no messages; and a name that is no group ends the connection."""
    radio = Radio(Calls(), Calls())
    peer = peers.Peer(radio)
    peer.says(Subscribe(b""), [b"\1g"], [b"g", b"body"], Join(b"g"), Cancel(b"g"), [b"\0g"])
    assert radio.try_send([b"g", b"1"])
    assert peer.hears() == [[b"g", b"1"]]
    assert not radio.can_receive()
    with pytest.raises(ZMQError, match="a RADIO socket only sends"):
        radio.take()
    for name in (b"a\0b", b"g" * 256):
        with pytest.raises(ProtocolError, match="expected a group of at most 255 octets"):
            peer.pipe.inbound.put(Join(name))


def test_a_join_means_nothing_to_a_pub() -> None:
    pub = make(SocketType.PUB)
    peer = peers.Peer(pub)
    peer.says(Join(b""))
    assert pub.try_send([b"news"])
    assert peer.hears() == []


@pytest.mark.requirement("D-11", "D-10", "37-62")
def test_a_dish_tells_its_groups_on_each_connection() -> None:
    dish = Dish(Calls(), Calls())
    dish.join(b"eu")
    radio = peers.Peer(dish)
    dish.join(b"us")
    dish.leave(b"eu")
    assert radio.hears() == [Join(b"eu"), Join(b"us"), Leave(b"eu")]
    assert all(type(each) in (Join, Leave) for each in [Join(b"eu"), Leave(b"eu")])
    radio.drops()
    dish.join(b"as")
    radio.returns()
    told = radio.hears()
    assert told == [Join(b"us"), Join(b"as")]
    assert [type(each) for each in told] == [Join, Join]


@pytest.mark.requirement("D-10", "D-9")
@pytest.mark.parametrize(
    ("group", "words"),
    [
        (b"joined", "this DISH has joined it already"),
        (b"a\0b", "none of them zero"),
        (b"g" * 256, "has 256 octets: expected a group of at most 255 octets"),
    ],
)
def test_a_group_is_joined_once_and_has_255_octets(group: bytes, words: str) -> None:
    dish = Dish(Calls(), Calls())
    dish.join(b"joined")
    with pytest.raises(ZMQError, match=words) as caught:
        dish.join(group)
    assert caught.value.errno == EINVAL
    with pytest.raises(ZMQError, match="has not joined it") as caught:
        dish.leave(b"never")
    assert caught.value.errno == EINVAL
    dish.join(b"g" * 255)
    dish.join(b"")


@pytest.mark.requirement("D-11", "37-63", "37-65", "D-2")
def test_a_dish_gets_messages_of_its_groups_alone() -> None:
    dish = Dish(Calls(), Calls())
    one, other = peers.Peer(dish), peers.Peer(dish)
    dish.join(b"eu")
    dish.join(b"us")
    one.says([b"eu", b"1"], [b"europe", b"no"], b"eu", [b"eu", b"three", b"frames"], [b"us", b"2"])
    other.says([b"us", b"3"])
    assert dish.can_receive()
    assert all_received(dish) == [[b"eu", b"1"], [b"us", b"3"], [b"us", b"2"]]
    one.says([b"us", b"4"], [b"eu", b"5"], [b"us", b"6"], [b"eu", b"7"])
    assert dish.can_receive()  # the first has been taken, and given back
    dish.leave(b"us")
    assert dish.take_many(9) == [[b"eu", b"5"], [b"eu", b"7"]]
    with pytest.raises(ZMQError, match="a DISH socket only receives") as caught:
        dish.try_send([b"eu", b"x"])
    assert caught.value.errno == ENOTSUP
    assert not dish.can_send()
    with pytest.raises(ZMQError, match="a DISH socket does not subscribe"):
        dish.subscribe(b"eu")
