"""DEALER and ROUTER: questions and answers without turns, and whose is whose (28/REQREP)."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from minizmtp.errors import EHOSTUNREACH, ZMQError
from minizmtp.options import Options
from minizmtp.patterns import Pattern, Pipe
from minizmtp.patterns.queue import Queue
from minizmtp.patterns.reqrep import Rep, Req, split_envelope
from minizmtp.patterns.router import Dealer, Router
from minizmtp.wire.events import Message
from tests.minizmtp.patterns.peers import Calls, Peer, Wire, all_received, received


def options(**values: object) -> Options:
    set_ = Options()
    for name, value in values.items():
        setattr(set_, name, value)
    return set_


def dealer(**values: object) -> Dealer:
    return Dealer(Calls(), Calls(), options(**values))


def router(**values: object) -> Router:
    return Router(Calls(), Calls(), options(**values))


class Named(Peer):
    """A peer of a ROUTER that asks to be called so."""

    def __init__(self, pattern: Router, name: bytes = b"", *, sndhwm: int = 1000, rcvhwm: int = 1000) -> None:
        super().__init__(pattern, sndhwm=sndhwm, rcvhwm=rcvhwm, connected=False)
        self.pipe.identity = name
        self.returns()


# ---------------------------------------------------------------------------------------------------------- DEALER


@pytest.mark.requirement("28-20", "28-21", "28-31")
@pytest.mark.parametrize("message", [[b""], [b"", b"hello"], [b"a", b"", b"b"], [b"\x01a"], [bytes(300)]])
def test_a_dealer_adds_nothing_and_takes_nothing_away(message: Message) -> None:
    asker, service = dealer(), dealer()
    to_service, to_asker = Peer(asker), Peer(service)
    asker.try_send(message)
    to_asker.says(*to_service.hears())
    assert received(service) == message
    service.try_send(message)
    to_service.says(*to_asker.hears())
    assert received(asker) == message


@pytest.mark.requirement("28-21", "28-25", "28-26")
def test_a_dealer_sends_in_turn_and_skips_full_peers() -> None:
    asker = dealer()
    small, one, other = Peer(asker, sndhwm=1), Peer(asker), Peer(asker)
    for number in range(6):
        assert asker.try_send([b"%d" % number])
    assert small.hears() == [[b"0"]]
    assert one.hears() == [[b"1"], [b"3"], [b"5"]]
    assert other.hears() == [[b"2"], [b"4"]]


@pytest.mark.requirement("28-24", "28-27", "28-28", "28-29")
def test_a_dealer_with_only_full_peers_takes_no_message() -> None:
    asker = dealer()
    assert not asker.try_send([b"to nobody"])
    peers = [Peer(asker, sndhwm=2) for _ in range(2)]
    sent = 0
    while asker.try_send([b"%d" % sent]):
        sent += 1
    assert not asker.can_send()
    assert sorted(peers[0].hears() + peers[1].hears()) == [[b"0"], [b"1"], [b"2"], [b"3"]]
    assert asker.try_send([b"more"])


@pytest.mark.requirement("28-22")
def test_a_dealer_that_connects_keeps_a_queue_for_an_absent_peer() -> None:
    """The queue exists before the first connection and between two connections."""
    asker = dealer()
    service = Peer(asker, connected=False)
    assert asker.try_send([b"early"])
    service.returns()
    service.drops()
    assert asker.try_send([b"away"])
    service.returns()
    assert service.hears() == [[b"early"], [b"away"]]


@pytest.mark.requirement("28-23", "L-9")
def test_a_peer_that_leaves_a_bound_dealer_takes_its_queue_along() -> None:
    """Messages queued for the peer are dropped; messages received from it are still delivered."""
    asker = dealer()
    service = Peer(asker)
    asker.try_send([b"never read"])
    service.says([b"1"], [b"2"])
    service.leaves()
    assert not asker.can_send()
    assert Peer(asker).hears() == []
    assert all_received(asker) == [[b"1"], [b"2"]]


@pytest.mark.requirement("28-30")
def test_a_dealer_receives_from_its_peers_in_turn() -> None:
    asker = dealer()
    a, b = Peer(asker), Peer(asker)
    a.says([b"a1"], [b"a2"], [b"a3"])
    b.says([b"b1"], [b"b2"])
    assert all_received(asker) == [[b"a1"], [b"b1"], [b"a2"], [b"b2"], [b"a3"]]


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize("kind", [Dealer, Req, Router])
def test_a_probe_is_an_empty_message_and_goes_before_all_others(kind: type[Dealer] | type[Router]) -> None:
    prober = kind(Calls(), Calls(), options(probe_router=1))
    assert Peer(prober).hears() == [[b""]]
    assert Peer(prober, connected=False).hears() == [[b""]]
    silent = kind(Calls(), Calls())
    assert Peer(silent).hears() == []


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize("kind", [Dealer, Req, Router])
def test_each_connection_begins_with_a_probe(kind: type[Pattern]) -> None:
    prober = kind(Calls(), Calls(), options(probe_router=1))
    service = Peer(prober)
    assert service.hears() == [[b""]]
    service.pipe.outbound.put([b"unsent"])
    service.drops(), service.drops(), service.returns()  # one attempt failed
    assert service.hears() == [[b""], [b"unsent"]]
    assert service.pipe.outbound.taken == 3


@pytest.mark.requirement("L-30")
def test_a_probe_lets_a_router_send_first() -> None:
    prober, service = dealer(probe_router=1), router()
    to_service, to_prober = Peer(prober), Named(service, b"worker")
    to_prober.says(*to_service.hears())
    assert received(service) == [b"worker", b""]
    assert service.try_send([b"worker", b"job"])
    to_service.says(*to_prober.hears())
    assert received(prober) == [b"job"]


# ---------------------------------------------------------------------------------------------------------- ROUTER


@pytest.mark.requirement("28-32", "28-39", "28-40", "28-41")
@pytest.mark.parametrize("message", [[b""], [b"", b"hello"], [b"a", b"", b"b"], [b"\x01a"], [bytes(300)]])
def test_a_router_puts_the_name_in_front_and_takes_it_off(message: Message) -> None:
    service = router()
    one, other = Named(service, b"one"), Named(service, b"other")
    other.says(message)
    assert received(service) == [b"other", *message]
    assert service.try_send([b"other", *message])
    assert (one.hears(), other.hears()) == ([], [message])


@pytest.mark.requirement("28-35", "L-25")
def test_generated_names_are_a_zero_and_a_random_based_counter() -> None:
    service = router()
    names = [Named(service).pipe.routing_id for _ in range(5)]
    assert all(len(name) == 5 and name[0] == 0 for name in names)
    numbers = [int.from_bytes(name, "big") for name in names]
    assert all(after == (before + 1) % 2**32 for before, after in pairwise(numbers))
    assert len({Named(router()).pipe.routing_id for _ in range(3)}) == 3


@pytest.mark.requirement("28-36", "L-25")
@pytest.mark.parametrize("name", [b"worker-7", b"w", b"\xff\x00\x01", b"w" * 255])
def test_a_name_that_a_peer_chose_is_taken_as_it_is(name: bytes) -> None:
    service = router()
    Named(service, name).says([b"x"])
    assert received(service) == [name, b"x"]


@pytest.mark.requirement("28-38")
def test_a_router_receives_from_its_peers_in_turn() -> None:
    service = router()
    a, b = Named(service, b"a"), Named(service, b"b")
    a.says([b"1"], [b"2"], [b"3"])
    b.says([b"1"], [b"2"])
    assert all_received(service) == [[b"a", b"1"], [b"b", b"1"], [b"a", b"2"], [b"b", b"2"], [b"a", b"3"]]


@pytest.mark.requirement("28-43", "28-44", "L-26")
def test_a_message_to_an_unknown_peer_is_dropped() -> None:
    service = router()
    somebody = Named(service, b"somebody")
    assert service.try_send([b"nobody", b"x"])
    assert service.can_send()
    assert somebody.hears() == []


@pytest.mark.requirement("28-43", "L-26")
def test_router_mandatory_reports_an_unknown_peer() -> None:
    service = router(router_mandatory=1)
    somebody = Named(service, b"somebody")
    for gone in (False, True):
        with pytest.raises(ZMQError, match="no connected peer has the routing id b'") as caught:
            service.try_send([b"somebody" if gone else b"nobody", b"x"])
        assert caught.value.errno == EHOSTUNREACH
        somebody.leaves()


@pytest.mark.requirement("28-37", "28-42", "28-43", "28-44", "L-27")
def test_what_is_for_a_peer_without_room_is_dropped_and_counted() -> None:
    service = router()
    slow, quick = Named(service, b"slow", sndhwm=2), Named(service, b"quick")
    for number in range(4):
        assert service.try_send([b"slow", b"%d" % number])
        assert service.try_send([b"quick", b"%d" % number])
    assert slow.pipe.outbound.dropped == 2
    assert slow.hears() == [[b"0"], [b"1"]]
    assert len(quick.hears()) == 4


@pytest.mark.requirement("28-43", "L-27")
def test_with_router_mandatory_a_peer_without_room_is_waited_for() -> None:
    space = Calls()
    service = Router(Calls(), space, options(router_mandatory=1))
    slow = Named(service, b"slow", sndhwm=2)
    assert [service.try_send([b"slow", b"%d" % number]) for number in range(3)] == [True, True, False]
    assert not service.can_send()
    before = space.count
    assert slow.pipe.outbound.take() == b"0"
    assert space.count == before + 1
    assert service.can_send()
    assert service.try_send([b"slow", b"2"])
    assert slow.hears() == [[b"1"], [b"2"]]


@pytest.mark.requirement("28-43", "L-27")
@pytest.mark.parametrize(
    "ask", [lambda service: service.has_room_for([b"slow"]), Router.can_send], ids=["for a name", "for any"]
)
def test_asking_for_room_registers_with_full_queues(ask: Callable[[Router], bool]) -> None:
    space = Calls()
    service = Router(Calls(), space, options(router_mandatory=1))
    slow = Named(service, b"slow", sndhwm=1)
    assert service.try_send([b"slow", b"0"])
    before = space.count
    assert not ask(service)
    assert slow.pipe.outbound.take() == b"0"
    assert space.count == before + 1
    assert ask(service)


@pytest.mark.requirement("28-43", "L-26", "L-27")
def test_a_mandatory_router_wakes_senders_when_peers_change() -> None:
    space = Calls()
    service = Router(Calls(), space, options(router_mandatory=1))
    before = space.count
    peer = Named(service, b"peer")
    assert space.count > before
    assert service.has_room_for([b"peer"])
    before = space.count
    peer.leaves()
    assert space.count > before
    with pytest.raises(ZMQError, match="no connected peer has the routing id b'peer'"):
        service.has_room_for([b"peer"])


@pytest.mark.requirement("28-41")
@pytest.mark.parametrize("mandatory", [0, 1])
def test_a_name_and_nothing_else_is_no_message(mandatory: int) -> None:
    service = router(router_mandatory=mandatory)
    peer = Named(service, b"peer")
    assert service.try_send([b"peer"])
    assert peer.hears() == []


@pytest.mark.requirement("28-33")
def test_a_router_can_address_a_dialled_peer_once_it_is_named() -> None:
    service = router(router_mandatory=1)
    dialled = Peer(service, connected=False)
    with pytest.raises(ZMQError):
        service.try_send([b"peer", b"x"])
    dialled.pipe.identity = b"peer"
    dialled.returns()
    assert service.try_send([b"peer", b"1"])
    dialled.drops()
    assert service.try_send([b"peer", b"2"])
    dialled.returns()
    assert dialled.hears() == [[b"1"], [b"2"]]


def test_with_connect_routing_id_it_can_be_addressed_at_once() -> None:
    service = router(router_mandatory=1)
    pipe = Pipe(outbound=Queue(0), inbound=Queue(0))
    pipe.identity = b"peer"
    service.attach(pipe)
    assert service.try_send([b"peer", b"early"])
    service.connected(pipe)
    assert pipe.outbound.take() == b"early"
    pipe.inbound.put([b"hello"])
    assert received(service) == [b"peer", b"hello"]


@pytest.mark.requirement("28-33")
def test_a_generated_name_survives_a_reconnect() -> None:
    service = router()
    dialled = Peer(service)
    dialled.says([b"1"])
    dialled.drops(), dialled.returns()
    dialled.says([b"2"])
    first, second = all_received(service)
    assert first[0] == second[0]


@pytest.mark.requirement("28-34", "L-9")
def test_a_peer_that_leaves_a_bound_router_takes_its_queue_along() -> None:
    """Messages queued for the peer are dropped; messages received from it are still delivered."""
    service = router(router_mandatory=1)
    peer = Named(service, b"peer")
    service.try_send([b"peer", b"never read"])
    peer.says([b"1"], [b"2"])
    peer.leaves()
    assert all_received(service) == [[b"peer", b"1"], [b"peer", b"2"]]
    with pytest.raises(ZMQError):
        service.try_send([b"peer", b"x"])
    assert Named(service, b"peer").hears() == []


@pytest.mark.requirement("L-28")
def test_a_second_peer_of_the_same_name_is_ignored() -> None:
    """Its messages are not delivered, no message is routed to it, and it gets no name of its own later."""
    service = router()
    first, second = Named(service, b"twin"), Named(service, b"twin")
    first.says([b"from the first"])
    second.says([b"from the second"])
    assert all_received(service) == [[b"twin", b"from the first"]]
    service.try_send([b"twin", b"1"])
    assert (first.hears(), second.hears()) == ([[b"1"]], [])
    first.leaves()
    service.try_send([b"twin", b"2"])
    second.says([b"and now?"])
    assert second.hears() == []
    assert received(service) is None
    third = Named(service, b"twin")
    service.try_send([b"twin", b"3"])
    assert third.hears() == [[b"3"]]


@pytest.mark.requirement("L-28", "L-29")
def test_router_handover_gives_the_name_but_not_old_messages() -> None:
    """Messages received from the first peer are not delivered under the name that the second has taken over."""
    service = router(router_handover=1)
    first = Named(service, b"twin")
    first.says([b"stale"])
    second = Named(service, b"twin")
    first.says([b"staler"])
    second.says([b"fresh"])
    assert all_received(service) == [[b"twin", b"fresh"]]
    service.try_send([b"twin", b"x"])
    assert (first.hears(), second.hears()) == ([], [[b"x"]])
    first.leaves()
    service.try_send([b"twin", b"y"])
    assert second.hears() == [[b"y"]]


@pytest.mark.requirement("L-28")
def test_what_the_second_of_one_name_sends_is_not_kept() -> None:
    """Kept, it would stop the engine's reading, and the end of the connection would never be noticed."""
    service = router()
    Named(service, b"twin")
    second = Named(service, b"twin", rcvhwm=2)
    for number in range(5):
        second.says([b"%d" % number])
        assert not second.pipe.inbound.full
        assert not second.pipe.inbound


@pytest.mark.requirement("L-28")
def test_with_handover_the_connection_of_the_first_is_ended() -> None:
    service = router(router_handover=1)
    first, other = Named(service, b"twin"), Named(service, b"other")
    first.pipe.source, other.pipe.source = Wire(), Wire()
    Named(service, b"twin")
    assert first.pipe.source.ended == ["another peer has the name twin now (router_handover)"]
    assert other.pipe.source.ended == []


@pytest.mark.requirement("L-28")
def test_a_dialled_peer_takes_its_lost_name_on_its_return() -> None:
    service = router(router_handover=1)
    dialled = Named(service, b"twin")
    accepted = Named(service, b"twin")
    dialled.says([b"lost"])
    dialled.drops(), dialled.returns()
    dialled.says([b"heard"]), accepted.says([b"lost"])
    service.try_send([b"twin", b"x"])
    assert all_received(service) == [[b"twin", b"heard"]]
    assert (dialled.hears(), accepted.hears()) == ([[b"x"]], [])


def renamed(service: Router, peer: Peer, name: bytes) -> None:
    """The connection breaks, and at the same place another peer answers."""
    peer.drops()
    service.keep_unread(peer.pipe)
    peer.pipe.identity = name
    peer.returns()


@pytest.mark.requirement("28-33", "28-35")
@pytest.mark.parametrize(("before", "after"), [(b"one", b"two"), (b"one", b""), (b"", b"two")])
def test_a_name_ends_with_its_connection(before: bytes, after: bytes) -> None:
    service = router(router_mandatory=1)
    peer = Named(service, before)
    old = peer.pipe.routing_id
    peer.says([b"unread"])
    service.try_send([old, b"for the first"])
    renamed(service, peer, after)
    new = peer.pipe.routing_id
    assert new != old
    assert new == after or new[0] == 0
    peer.says([b"hello"])
    assert all_received(service) == [[old, b"unread"], [new, b"hello"]]
    with pytest.raises(ZMQError):
        service.try_send([old, b"x"])
    service.try_send([new, b"for the second"])
    assert peer.hears() == [[b"for the second"]]


def test_unread_messages_of_a_peer_before_are_counted_once() -> None:
    service = router()
    peer = Named(service, b"one")
    peer.says([b"1"], [b"2"], [b"3"])
    received(service)
    renamed(service, peer, b"two")
    peer.says([b"4"])
    inbound = peer.pipe.inbound
    assert (inbound.taken - service.held_back(peer.pipe), len(inbound) + service.held_back(peer.pipe)) == (1, 3)
    service.discard(peer.pipe)
    assert all_received(service) == []


def test_what_a_peer_before_sent_is_read_first() -> None:
    service = router()
    peer, other = Named(service, b"one"), Named(service, b"other")
    peer.says([b"1"], [b"2"])
    renamed(service, peer, b"two")
    peer.says([b"3"])
    renamed(service, peer, b"three")
    peer.says([b"4"]), other.says([b"x"])
    assert service.can_receive()
    names = [message[0] for message in all_received(service)]
    assert names[:2] == [b"one", b"one"]
    assert names[2] == b"two"
    assert sorted(names[3:]) == [b"other", b"three"]
    assert not service.can_receive()


def test_a_peer_that_comes_back_under_a_name_in_use_is_ignored() -> None:
    service = router()
    peer, other = Named(service, b"one"), Named(service, b"two")
    renamed(service, peer, b"two")
    peer.says([b"lost"]), other.says([b"heard"])
    assert all_received(service) == [[b"two", b"heard"]]
    renamed(service, peer, b"three")
    peer.says([b"hello"])
    assert all_received(service) == [[b"three", b"hello"]]


def test_a_send_to_a_name_that_ends_is_woken() -> None:
    service = router(router_mandatory=1)
    peer, _other = Named(service, b"one", sndhwm=1), Named(service, b"two")
    assert [service.try_send([b"one", b"x"]) for _ in range(2)] == [True, False]
    woken = service._on_space.count
    renamed(service, peer, b"two")  # which is taken: so nothing else tells of it
    assert service._on_space.count > woken
    with pytest.raises(ZMQError) as raised:
        service.try_send([b"one", b"x"])
    assert raised.value.errno == EHOSTUNREACH


NAMES = [b"", b"a", b"b", b"\0a"]


class Naming(RuleBasedStateMachine):
    """ROUTER against a model that just keeps lists: who has which name, and what each should have heard."""

    peers = Bundle("peers")

    def __init__(self) -> None:
        super().__init__()
        self.options = options(router_mandatory=1)
        self.router = Router(Calls(), Calls(), self.options)
        self.holders: dict[bytes, Peer] = {}  # by the name that the program sees
        self.to_hear: dict[Peer, list[Message]] = {}
        self.to_read: list[Message] = []  # in any order between peers
        self.number = 0

    def made_up(self, peer: Peer) -> bytes:
        """The name that the router made up, which only it can tell."""
        name = peer.pipe.routing_id
        assert len(name) == 5
        assert name[0] == 0
        assert name not in self.holders
        return name

    @rule(target=peers, name=st.sampled_from(NAMES), handover=st.booleans())
    def arrives(self, name: bytes, handover: bool) -> Peer:
        self.options.router_handover = int(handover)
        self.read()  # what a peer whose name goes to another has said is not read any more: see above
        peer = Named(self.router, name)
        self.to_hear[peer] = []
        if not name or not name[0]:
            self.holders[self.made_up(peer)] = peer
        elif handover or name not in self.holders:
            if name in self.holders:
                self.to_hear[self.holders[name]] = []  # its connection is closed
            self.holders[name] = peer
        return peer

    @rule(peer=consumes(peers))
    def leaves(self, peer: Peer) -> None:
        peer.leaves()
        self.holders = {name: holder for name, holder in self.holders.items() if holder is not peer}
        assert peer.hears() == self.to_hear.pop(peer)

    @rule(peer=peers)
    def comes_back_on_a_new_connection(self, peer: Peer) -> None:
        if peer in self.holders.values():
            peer.drops(), peer.returns()

    @rule(peer=peers, name=st.sampled_from([b"a", b"b", b"c"]))
    def another_answers_on_the_new_connection(self, peer: Peer, name: bytes) -> None:
        self.options.router_handover = 0
        if self.holders.get(name) is not peer:
            self.to_hear[peer] = []
        self.holders = {known: holder for known, holder in self.holders.items() if holder is not peer or known == name}
        self.holders.setdefault(name, peer)
        peer.drops()
        self.router.keep_unread(peer.pipe)
        peer.pipe.identity = name
        peer.returns()

    @rule(peer=peers)
    def says(self, peer: Peer) -> None:
        self.number += 1
        peer.says([b"%d" % self.number])
        self.to_read += [[name, b"%d" % self.number] for name, holder in self.holders.items() if holder is peer]

    @rule(name=st.sampled_from(NAMES))
    def sends(self, name: bytes) -> None:
        self.number += 1
        message = [name, b"%d" % self.number]
        if name in self.holders:
            assert self.router.try_send(message)
            self.to_hear[self.holders[name]].append(message[1:])
        else:
            with pytest.raises(ZMQError) as caught:
                self.router.try_send(message)
            assert caught.value.errno == EHOSTUNREACH

    @rule(data=st.data())
    def sends_to_one_that_is_there(self, data: st.DataObject) -> None:
        if self.holders:
            self.sends(data.draw(st.sampled_from(sorted(self.holders))))

    @rule()
    def read(self) -> None:
        found = all_received(self.router)
        assert sorted(found) == sorted(self.to_read)
        for name in {message[0] for message in found}:
            own = [int(message[1]) for message in found if message[0] == name]
            assert own == sorted(own)
        self.to_read = []

    @invariant()
    def everybody_has_heard_what_was_for_it(self) -> None:
        for peer, messages in self.to_hear.items():
            assert len(peer.pipe.outbound) == len(messages)


@pytest.mark.slow
@pytest.mark.requirement("28-35", "28-36", "28-39", "28-41", "L-26", "L-28")
def test_a_router_names_its_peers_as_a_list_based_model_does() -> None:
    run_state_machine_as_test(Naming)


# ------------------------------------------------------------------------------- REQ that numbers, or is not so strict


@pytest.mark.requirement("28-3", "L-32")
def test_each_numbered_request_has_its_own_4_octet_number() -> None:
    asker = Req(Calls(), Calls(), options(req_correlate=1))
    service = Peer(asker)
    numbers = []
    for _ in range(3):
        asker.try_send([b"q1"])
        ((number, *rest),) = service.hears()
        assert isinstance(number, bytes)
        assert (len(number), rest) == (4, [b"", b"q1"])
        numbers.append(int.from_bytes(number, "little"))
        service.says([number, b"", b"a1"])
        assert received(asker) == [b"a1"]
    assert all(after == (before + 1) % 2**32 for before, after in pairwise(numbers))


@pytest.mark.requirement("L-32")
@pytest.mark.parametrize("reply", [[b"", b"late"], [b"abcd", b"", b"late"]])
def test_the_answer_to_another_number_is_skipped(reply: Message) -> None:
    asker = Req(Calls(), Calls(), options(req_correlate=1))
    service = Peer(asker)
    asker.try_send([b"?"])
    ((number, *_),) = service.hears()
    assert isinstance(number, bytes)
    service.says(reply, [number, b"", b"!"])
    assert received(asker) == [b"!"]
    assert service.refused == []


@pytest.mark.requirement("L-32")
def test_rep_and_router_carry_the_number_in_the_envelope() -> None:
    asker = Req(Calls(), Calls(), options(req_correlate=1))
    to_service, service = Peer(asker), Rep(Calls(), Calls())
    broker = router()
    to_asker, to_broker = Named(broker, b"asker"), Peer(service)
    asker.try_send([b"?"])
    to_asker.says(*to_service.hears())
    carried = received(broker)
    assert carried is not None
    assert split_envelope(carried) == ([b"asker", carried[1], b""], [b"?"])
    to_broker.says(carried)
    assert received(service) == [b"?"]
    service.try_send([b"!"])
    (reply,) = to_broker.hears()
    assert isinstance(reply, list)
    broker.try_send(reply)
    to_service.says(*to_asker.hears())
    assert received(asker) == [b"!"]


@pytest.mark.requirement("L-31")
def test_a_relaxed_req_may_ask_again_before_the_reply() -> None:
    asker = Req(Calls(), Calls(), options(req_relaxed=1))
    first, second = Peer(asker), Peer(asker)
    assert asker.can_send()
    asker.try_send([b"1"])
    assert asker.can_send()
    asker.try_send([b"2"])
    assert (first.hears(), second.hears()) == ([[b"", b"1"]], [[b"", b"2"]])
    first.says([b"", b"one"])
    assert received(asker) is None
    second.says([b"", b"two"])
    assert received(asker) == [b"two"]


@pytest.mark.requirement("L-31", "L-32")
@pytest.mark.parametrize(("correlate", "answer"), [(0, b"late"), (1, b"new")])
def test_a_late_reply_is_taken_for_the_new_one_unless_numbered(correlate: int, answer: bytes) -> None:
    asker = Req(Calls(), Calls(), options(req_relaxed=1, req_correlate=correlate))
    service = Peer(asker)
    asker.try_send([b"old"]), asker.try_send([b"new"])
    old, new = service.hears()
    assert isinstance(old, list)
    assert isinstance(new, list)
    service.says([*old[:-1], b"late"], [*new[:-1], b"new"])
    assert received(asker) == [answer]
