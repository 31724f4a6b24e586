"""REQ and REP: a question, an answer, and the way back (28/REQREP)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.errors import EFSM, ZMQError
from minizmtp.patterns.reqrep import Rep, Req, split_envelope
from minizmtp.patterns.router import Router
from minizmtp.wire.events import Message
from tests.minizmtp.patterns.peers import Calls, Peer, received


def req() -> Req:
    return Req(Calls(), Calls())


def rep() -> Rep:
    return Rep(Calls(), Calls())


# ------------------------------------------------------------------------------------------------------------- REQ


@pytest.mark.requirement("28-2", "28-3")
@pytest.mark.parametrize("body", [[b"hello"], [b""], [b"a", b"b"], [b"", b"a"]])
def test_a_req_adds_the_delimiter_and_strips_it_from_the_reply(body: Message) -> None:
    asker = req()
    service = Peer(asker)
    assert asker.try_send(body)
    assert service.hears() == [[b"", *body]]
    service.says([b"", *reversed(body)])
    assert received(asker) == [*reversed(body)]


def test_a_programs_own_list_is_left_alone() -> None:
    asker = req()
    Peer(asker)
    body = [b"hello"]
    asker.try_send(body)
    assert body == [b"hello"]


@pytest.mark.requirement("28-1", "L-31")
def test_a_second_request_before_the_reply_is_efsm() -> None:
    asker = req()
    service = Peer(asker)
    asker.try_send([b"1"])
    for ask in (asker.check_send, lambda: asker.try_send([b"2"])):
        with pytest.raises(ZMQError, match="awaits a reply") as caught:
            ask()
        assert caught.value.errno == EFSM
    assert not asker.can_send()
    assert service.hears() == [[b"", b"1"]]
    service.says([b"", b"one"])
    assert received(asker) == [b"one"]
    assert asker.try_send([b"2"])


@pytest.mark.requirement("28-1", "L-31")
def test_recv_before_a_request_is_efsm_even_with_input() -> None:
    asker = req()
    Peer(asker).says([b"", b"unasked"])
    assert not asker.can_receive()
    with pytest.raises(ZMQError, match="has asked nothing") as caught:
        asker.take()
    assert caught.value.errno == EFSM


@pytest.mark.requirement("28-1")
def test_asking_for_a_reply_that_has_not_come_changes_nothing() -> None:
    asker = req()
    service = Peer(asker)
    asker.try_send([b"1"])
    assert asker.take() is None
    assert not asker.can_receive()
    service.says([b"", b"one"])
    assert asker.can_receive()
    assert received(asker) == [b"one"]
    assert not asker.can_receive()


@pytest.mark.requirement("28-4")
def test_requests_go_to_the_services_in_turn() -> None:
    asker = req()
    services = [Peer(asker) for _ in range(3)]
    asked = []
    for _ in range(6):
        asker.try_send([b"?"])
        (who,) = [service for service in services if service.hears()]
        asked.append(services.index(who))
        who.says([b"", b"!"])
        asker.take()
    assert asked == [0, 1, 2, 0, 1, 2]


@pytest.mark.requirement("28-5", "28-6")
def test_a_request_without_a_peer_is_refused_and_may_be_retried() -> None:
    """The request is not taken, so the socket stays ready for another one."""
    asker = req()
    assert not asker.can_send()
    assert not asker.try_send([b"?"])
    service = Peer(asker)
    assert asker.can_send()
    assert asker.try_send([b"?"])
    assert service.hears() == [[b"", b"?"]]


@pytest.mark.requirement("28-7", "28-8")
def test_only_the_service_that_was_asked_may_answer() -> None:
    asker = req()
    asked, other = Peer(asker), Peer(asker)
    asker.try_send([b"?"])
    assert asked.hears()
    other.says([b"", b"wrong"])
    assert not asker.can_receive()
    assert asker.take() is None
    asked.says([b"", b"right"])
    other.says([b"", b"wrong"])
    assert received(asker) == [b"right"]
    assert other.refused == []


@pytest.mark.requirement("28-7")
def test_any_peer_may_reply_once_the_asked_one_has_gone() -> None:
    asker = req()
    asked, other = Peer(asker), Peer(asker)
    asker.try_send([b"?"])
    asked.leaves()
    other.says([b"", b"instead"])
    assert received(asker) == [b"instead"]


@pytest.mark.requirement("28-7", "L-34")
def test_a_reconnected_service_may_reply_and_is_not_asked_again() -> None:
    asker = req()
    service = Peer(asker)
    asker.try_send([b"?"])
    assert len(service.hears()) == 1
    service.drops(), service.returns()
    assert service.hears() == []
    assert asker.take() is None
    service.says([b"", b"at last"])
    assert received(asker) == [b"at last"]


@pytest.mark.requirement("L-35")
def test_what_came_before_the_request_is_no_reply_to_it() -> None:
    asker = req()
    service = Peer(asker)
    service.says([b"", b"early"], [b"", b"earlier"])
    asker.try_send([b"?"])
    assert asker.take() is None
    service.says([b"", b"!"])
    assert received(asker) == [b"!"]


@pytest.mark.requirement("28-2", "L-33")
@pytest.mark.parametrize("reply", [[b"x"], [b""], [b"ab", b"x"], [b"abcd", b"x"], [b"ab", b"", b"x"], [b"abcd", b""]])
def test_a_reply_without_its_delimiter_ends_that_connection(reply: Message) -> None:
    asker = req()
    service = Peer(asker)
    asker.try_send([b"?"])
    service.says(reply)
    assert asker.take() is None
    assert len(service.refused) == 1


@pytest.mark.requirement("28-8")
@pytest.mark.parametrize("reply", [[b"x"], [b""], [b"ab", b"", b"x"], [b"abcd", b"", b"x"]])
def test_over_inproc_a_malformed_reply_is_dropped(reply: Message) -> None:
    asker = req()
    service = Peer(asker)
    asker.try_send([b"?"])
    for message in (reply, [b"", b"!"]):
        service.pipe.inbound.put(message)
    assert received(asker) == [b"!"]


@pytest.mark.requirement("L-33")
def test_a_malformed_reply_is_refused_even_without_a_request() -> None:
    service = Peer(req())
    service.says([b"x"])
    assert len(service.refused) == 1


@pytest.mark.requirement("L-33")
def test_a_numbered_reply_is_skipped_without_req_correlate() -> None:
    """Our requests have no numbers, so such a reply cannot be for us."""
    asker = req()
    service = Peer(asker)
    asker.try_send([b"?"])
    service.says([b"abcd", b"", b"x"], [b"", b"!"])
    assert received(asker) == [b"!"]
    assert service.refused == []


# ------------------------------------------------------------------------------------------------------------- REP


@pytest.mark.requirement("28-11", "28-13", "28-14", "28-16")
@pytest.mark.parametrize("envelope", [[], [b"r1"], [b"r2", b"r1"], [b"\x00\x6b\x8b\x45\x67"] * 5])
@pytest.mark.parametrize("body", [[b"hello"], [b""], [b"a", b"", b"b"]])
def test_a_rep_returns_the_reply_in_the_envelope_of_the_request(envelope: Message, body: Message) -> None:
    service = rep()
    asker = Peer(service)
    asker.says([*envelope, b"", *body])
    assert received(service) == body
    assert service.try_send([b"re", b"ply"])
    assert asker.hears() == [[*envelope, b"", b"re", b"ply"]]


@pytest.mark.requirement("28-11")
@pytest.mark.parametrize("request_", [[b"x"], [b""], [b"r1", b"x"], [b"r1", b""], [b"r1", b"r2"]])
def test_a_request_without_envelope_or_body_is_dropped(request_: Message) -> None:
    service = rep()
    asker = Peer(service)
    asker.says(request_)
    assert not service.can_receive()
    asker.says([b"", b"proper"])
    assert received(service) == [b"proper"]
    assert asker.refused == []


@pytest.mark.requirement("28-16")
@pytest.mark.parametrize("discarded", [False, True])
def test_a_reply_goes_to_the_peer_of_the_request_last_received(discarded: bool) -> None:
    service = rep()
    first, second = Peer(service), Peer(service)
    first.says([b"r1", b"", b"1"])
    second.says([b"r2", b"", b"2"])
    assert service.can_receive()  # looked at, and put aside
    if discarded:
        service.discard(first.pipe)
    assert received(service) == ([b"2"] if discarded else [b"1"])
    service.try_send([b"!"])
    assert first.hears() == ([] if discarded else [[b"r1", b"", b"!"]])
    assert second.hears() == ([[b"r2", b"", b"!"]] if discarded else [])


@pytest.mark.requirement("28-10", "28-15")
def test_a_second_recv_before_the_reply_is_efsm() -> None:
    service = rep()
    asker = Peer(service)
    asker.says([b"", b"1"], [b"", b"2"])
    assert received(service) == [b"1"]
    assert not service.can_receive()
    with pytest.raises(ZMQError, match="has not replied") as caught:
        service.take()
    assert caught.value.errno == EFSM
    service.try_send([b"one"])
    assert received(service) == [b"2"]


@pytest.mark.requirement("28-10")
def test_a_reply_without_a_request_is_efsm() -> None:
    service = rep()
    asker = Peer(service)
    for _ in range(2):
        assert not service.can_send()
        for ask in (service.check_send, lambda: service.try_send([b"!"])):
            with pytest.raises(ZMQError, match="has no request to reply to") as caught:
                ask()
            assert caught.value.errno == EFSM
        asker.says([b"", b"?"])
        received(service)
        assert service.can_send()
        service.try_send([b"!"])


@pytest.mark.requirement("28-10")
def test_asking_for_a_request_when_there_is_none_owes_nothing() -> None:
    service = rep()
    assert service.take() is None
    assert not service.can_send()


@pytest.mark.requirement("28-12", "28-17")
def test_clients_are_served_in_turn_and_get_their_own_replies() -> None:
    service = rep()
    askers = [Peer(service) for _ in range(3)]
    for asker, name in zip(askers, (b"a", b"b", b"c"), strict=True):
        asker.says([b"", name + b"1"], [b"", name + b"2"])
    heard = []
    while (body := received(service)) is not None:
        heard.append(body[0])
        service.try_send([b"re " + body[0]])
    assert heard == [b"a1", b"b1", b"c1", b"a2", b"b2", b"c2"]
    assert askers[1].hears() == [[b"", b"re b1"], [b"", b"re b2"]]


@pytest.mark.requirement("28-18", "28-19")
def test_a_reply_to_a_departed_peer_is_dropped() -> None:
    service = rep()
    gone, stays = Peer(service), Peer(service)
    gone.says([b"", b"?"])
    stays.says([b"", b"??"])
    received(service)
    gone.leaves()
    assert service.try_send([b"!"])
    assert gone.hears() == stays.hears() == []
    assert received(service) == [b"??"]


@pytest.mark.requirement("28-19")
def test_a_client_that_reads_no_replies_blocks_no_other() -> None:
    service = rep()
    asker = Peer(service, sndhwm=1)
    for _ in range(3):
        asker.says([b"", b"?"])
        received(service)
        assert service.try_send([b"!"])
    assert asker.hears() == [[b"", b"!"]]


@pytest.mark.requirement("28-9", "28-16")
def test_the_vector_of_two_hands_on_the_way() -> None:
    """01 02"r2" 01 02"r1" 01 00 00 05"hello"."""
    assert split_envelope([b"r2", b"r1", b"", b"hello"]) == ([b"r2", b"r1", b""], [b"hello"])


frames = st.lists(st.sampled_from([b"", b"a", b"bc"]), min_size=1, max_size=6)


@pytest.mark.slow
@pytest.mark.requirement("28-11", "28-13", "28-14")
@given(frames)
def test_splitting_an_envelope_loses_nothing(message: Message) -> None:
    parts = split_envelope(message)
    if parts is None:
        assert b"" not in message[:-1]
    else:
        envelope, body = parts
        assert envelope + body == message
        assert body
        assert envelope.index(b"") == len(envelope) - 1


# ---------------------------------------------------------------------------------------------------------- ROUTER


@pytest.mark.requirement("37-48")
@pytest.mark.parametrize(("identity", "is_its_name"), [(b"id-1", True), (b"\0id-1", False), (b"", False)])
def test_a_routing_id_that_begins_with_zero_is_ignored(identity: bytes, is_its_name: bool) -> None:
    """Generated names begin with a zero octet, so a peer could pose as another one."""
    router = Router(Calls(), Calls())
    peer = Peer(router, connected=False)
    peer.pipe.identity = identity
    peer.returns()
    peer.says([b"hello"])
    message = received(router)
    assert message is not None
    assert (message[0] == identity) == is_its_name
    assert is_its_name or (message[0][0], len(message[0])) == (0, 5)


# -------------------------------------------------------------------------------------------------- one and the other


@given(st.lists(frames, min_size=1, max_size=5), st.lists(st.binary(min_size=1, max_size=3), max_size=3))
@pytest.mark.slow
def test_a_req_and_a_rep_understand_each_other_through_any_hands(bodies: list[Message], hands: list[bytes]) -> None:
    asker, service = req(), rep()
    to_service, to_asker = Peer(asker), Peer(service)
    for body in bodies:
        asker.try_send(body)
        (request,) = to_service.hears()
        assert isinstance(request, list)
        to_asker.says([*hands, *request])
        assert received(service) == body
        service.try_send([b"re", *body])
        (reply,) = to_asker.hears()
        assert isinstance(reply, list)
        assert reply[: len(hands)] == hands
        to_service.says(reply[len(hands) :])
        assert received(asker) == [b"re", *body]
