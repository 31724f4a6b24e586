"""A short run of the fuzzer's targets: with the seeds, with mutations of them, and with inputs from Hypothesis.

`python -m tests.fuzz` runs atheris for hours; see the package.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from minizmtp.errors import ProtocolError, Refused
from minizmtp.wire import NEED_DATA, AuthReply, AuthRequest, Connection, Ping, Pong, State, Subscribe
from tests.fuzz import targets

every_target = pytest.mark.parametrize("target", targets.TARGETS)


@every_target
def test_the_seeds_hold(target: str) -> None:
    for octets in targets.seeds(target):
        targets.TARGETS[target](octets)


@every_target
def test_mutated_recordings_pass_every_target(target: str) -> None:
    dice = random.Random(target)
    seeds = targets.seeds(target)
    for _ in range(300 if target == "sealed" else 1500):  # two handshakes with CURVE for each
        octets = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 6)):
            mutate(octets, dice, seeds)
        targets.TARGETS[target](bytes(octets))


def mutate(octets: bytearray, dice: random.Random, seeds: list[bytes]) -> None:
    at = dice.randrange(len(octets) + 1)
    other = dice.choice(seeds)
    match dice.randrange(5):
        case 0:
            octets[at : at + 1] = dice.randbytes(1)
        case 1:
            octets[at : at + dice.randrange(1, 9)] = b""
        case 2:
            octets[at:at] = octets[at : at + dice.randrange(1, 9)]
        case 3:
            octets[at:] = other[dice.randrange(len(other)) :]
        case 4 if octets:
            octets[at % len(octets)] ^= 1 << dice.randrange(8)


@every_target
@settings(max_examples=300)
@given(data=st.data())
def test_any_octets_hold(target: str, data: st.DataObject) -> None:
    targets.TARGETS[target](data.draw(st.binary(max_size=600)))


class Conversation(RuleBasedStateMachine):
    """Two correct ends with any mechanism send anything in any order, and the bytes are cut anywhere. At some time, a
    bit changes. Before that, no message is lost or reordered. After it, a box holds what was sent, or the connection
    ends."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []
        self.expected: list[object] = []
        self.on_the_way = bytearray()
        self.spoilt = False

    @initialize(which=st.integers(0, len(targets.MECHANISMS) - 1), kind=st.integers(0, len(targets.TYPES) - 1))
    def meet(self, which: int, kind: int) -> None:
        self.ours = Connection(targets.TYPES[kind], mechanism=targets.MECHANISMS[which]())
        self.theirs = Connection(targets.PEERS[kind], mechanism=targets.OTHER_SIDE[which]())
        targets.shake_hands(self.ours, self.theirs)

    @rule(message=st.lists(st.binary(max_size=400), min_size=1, max_size=4))
    def they_send(self, message: list[bytes]) -> None:
        self.say(message)

    @rule(prefix=st.binary(max_size=300))
    def they_subscribe(self, prefix: bytes) -> None:
        self.say(Subscribe(prefix))

    @rule(context=st.binary(max_size=16), ttl=st.integers(0, 65535))
    def they_ping(self, context: bytes, ttl: int) -> None:
        self.say(Ping(ttl, context))

    def say(self, item: list[bytes] | Subscribe | Ping | Pong) -> None:
        self.on_the_way += self.theirs.send(item)
        self.expected.append(item)  # even if spoilt, because the flags outside a box may change

    @rule(count=st.integers(1, 500))
    def some_arrives(self, count: int) -> None:
        piece = bytes(self.on_the_way[:count])
        del self.on_the_way[:count]
        if piece:
            self.ours.receive_data(piece)
            self.listen()

    @precondition(lambda self: not self.spoilt and self.on_the_way)
    @rule(at=st.integers(0, 10**6), bit=st.integers(0, 7))
    def a_bit_changes(self, at: int, bit: int) -> None:
        self.on_the_way[at % len(self.on_the_way)] ^= 1 << bit
        self.spoilt = True

    @rule()
    def we_answer(self) -> None:
        """Our pending octets reach the other end, and it understands them."""
        if octets := self.ours.data_to_send():
            self.theirs.receive_data(octets)
            while (event := self.theirs.next_event()) is not NEED_DATA:
                assert isinstance(event, Pong)

    def listen(self) -> None:
        while self.ours.state is State.TRAFFIC:
            try:
                event = self.ours.next_event()
            except ProtocolError:
                assert self.spoilt
                return
            if event is NEED_DATA:
                return
            self.heard.append(event)

    @invariant()
    def what_was_heard_was_said(self) -> None:
        if not self.spoilt or self.ours._mechanism.encrypts:
            assert self.heard == self.expected[: len(self.heard)]

    def teardown(self) -> None:
        if not self.spoilt and self.on_the_way:
            self.some_arrives(len(self.on_the_way))
            assert self.heard == self.expected


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class Handshake(RuleBasedStateMachine):
    """A server gets commands of any kind in any order, and any ZAP reply whenever it asks."""

    @initialize(which=st.integers(0, len(targets.MECHANISMS) - 1))
    def meet(self, which: int) -> None:
        self.ours = Connection(targets.TYPES[0], mechanism=targets.MECHANISMS[which]())
        self.theirs = Connection(targets.PEERS[0], mechanism=targets.OTHER_SIDE[which]())
        self.asks = False
        self.ours.receive_data(self.theirs.data_to_send())
        self.theirs.receive_data(self.ours.data_to_send())
        self.listen()

    def listen(self) -> None:
        while self.ours.state is not State.CLOSED:
            try:
                event = self.ours.next_event()
            except ProtocolError:
                assert self.ours.state is State.CLOSED
                return
            if event is NEED_DATA:
                return
            self.asks = self.asks or isinstance(event, AuthRequest)

    @rule()
    def they_go_on_as_they_should(self) -> None:
        if octets := self.ours.data_to_send():
            self.theirs.receive_data(octets)
        try:
            while self.theirs.state is not State.CLOSED and (event := self.theirs.next_event()) is not NEED_DATA:
                if isinstance(event, AuthRequest):
                    self.theirs.receive_auth_reply(AuthReply(200))
        except ProtocolError:
            return
        if self.ours.state is not State.CLOSED and (octets := self.theirs.data_to_send()):
            self.ours.receive_data(octets)
            self.listen()

    @rule(
        name=st.sampled_from([b"READY", b"HELLO", b"WELCOME", b"INITIATE", b"ERROR", b"PING", b"MESSAGE"]),
        data=st.binary(max_size=300),
    )
    def they_say_something(self, name: bytes, data: bytes) -> None:
        body = bytes([len(name)]) + name + data
        flags = b"\x04" if len(body) < 256 else b"\x06"
        self.ours.receive_data(flags + len(body).to_bytes(1 if len(body) < 256 else 8, "big") + body)
        self.listen()

    @precondition(lambda self: self.asks)
    @rule(status=st.sampled_from([200, 300, 400, 500]))
    def zap_handler_replies(self, status: int) -> None:
        self.asks = False
        try:
            self.ours.receive_auth_reply(AuthReply(status))
        except Refused:
            assert status != 200
            assert self.ours.state is State.CLOSED
        except ProtocolError:
            assert status == 200
        self.listen()


TestHandshake = Handshake.TestCase
TestHandshake.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
