"""The fast path against the plain path: whichever way messages are sent or taken, they are the same, in the same order.

For receiving, two patterns have the same peers, to which the same happens. From one of them messages are taken one by
one; from the other one in all ways that there are, as sockets, pollers and proxies do it. For sending, a pattern is
compared with a model of round robin and of libzmq's credit that has one way only.
"""

import ast
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import minizmtp
from minizmtp.constants import SocketType
from minizmtp.patterns import PATTERNS, Pattern
from minizmtp.patterns.ahead import as_list
from minizmtp.wire.events import Item, Message, SharedMessage, Subscribe
from tests.minizmtp.patterns.peers import Peer

WAYS = ("take", "pop", "pop", "many")
STEPS = (
    "say",
    "say",
    "say",
    "take",
    "take",
    "take",
    "poll",
    "undo",
    "join",
    "leave",
    "discard",
    "replace",
    "subscribe",
    "unsubscribe",
    "hwm",
)
TOPICS = (b"", b"a", b"b")


class Side:
    """One of the two patterns, and its peers."""

    def __init__(self, kind: SocketType) -> None:
        with patch("random.getrandbits", lambda bits: 0):  # both ROUTERs begin to count with the same name
            self.pattern: Pattern = PATTERNS[kind](on_arrival=lambda: None, on_space=lambda: None)
        self.peers: list[Peer] = []
        self.subscribes = kind is SocketType.SUB

    def step(self, name: str, which: int, items: list[Item]) -> None:
        peer = self.peers[which % len(self.peers)] if self.peers else None
        if name == "join":
            self.peers.append(Peer(self.pattern, rcvhwm=which % 7))
        elif name == "subscribe" and self.subscribes:
            self.pattern.subscribe(TOPICS[which % 3])
        elif name == "unsubscribe" and self.subscribes:
            self.pattern.unsubscribe(TOPICS[which % 3])
        elif peer is None:
            return
        elif name == "say":
            peer.pipe.inbound.put_all(items)
        elif name == "hwm":
            peer.pipe.inbound.set_hwm(which % 5)
        elif name == "leave":
            self.peers.remove(peer)
            peer.leaves()
        elif name == "discard":
            self.peers.remove(peer)
            self.pattern.discard(peer.pipe)
        elif name == "replace":  # by another peer at the same endpoint
            peer.drops()
            self.pattern.keep_unread(peer.pipe)
            peer.returns()

    def take(self, way: str, most: int) -> list[Message]:
        """Up to most messages, each way as the program that goes by it."""
        if way == "many":
            return self.pattern.take_many(most)
        found: list[Message] = []
        while len(found) < most and (message := self._take_one(way)) is not None:
            found.append(message)
        return found

    def take_plainly(self, most: int) -> list[Message]:
        """One at a time, and each is looked at when it is taken: no batch begins."""
        return [message for _ in range(most) for message in self.pattern.take_many(1)]

    def _take_one(self, way: str) -> Message | None:
        fair = self.pattern.incoming
        if way == "pop" and self.pattern.delivers_unchanged and len(fair.inbox) > 1:
            message = as_list(fair.inbox.popleft())
            if message is not None:
                return message
        received = self.pattern.take()
        return None if received is None else received[1]


def said(numbers: Any, which: int, length: int) -> list[Item]:
    """Items as engines and other sockets put them."""
    made: list[Item] = []
    for number in range(length):
        text = TOPICS[(which + number) % 2 + 1] + b"%d" % next(numbers)
        forms: list[Item] = [text, [text, b"frame"], SharedMessage([text, b"shared"]), Subscribe(b"x")]
        made.append(text if number % 5 else forms[which % 4])
    return made


@pytest.mark.parametrize("kind", ["PULL", "PAIR", "DEALER", "ROUTER", "SUB", "XSUB"])
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.sampled_from(WAYS)), max_size=60))
@example([("join", 0, ""), ("say", 9, ""), ("take", 1, "take"), ("poll", 0, ""), ("take", 3, "pop")])
@example([("join", 0, ""), ("say", 9, ""), ("take", 1, "take"), ("undo", 0, ""), ("take", 3, "pop")])
@example([("join", 0, ""), ("say", 6, ""), ("take", 1, "take"), ("join", 0, ""), ("say", 3, ""), ("take", 4, "pop")])
@example([("join", 5, ""), ("join", 6, ""), ("say", 8, ""), ("say", 9, ""), ("take", 7, "many")])
@example([("join", 0, ""), ("say", 6, ""), ("take", 1, "take"), ("replace", 0, ""), ("say", 6, ""), ("take", 4, "pop")])
@example(
    [
        ("join", 0, ""),
        ("subscribe", 2, ""),
        ("say", 9, ""),
        ("take", 1, "take"),
        ("unsubscribe", 2, ""),
        ("take", 4, "pop"),
    ]
)
@pytest.mark.slow
def test_every_way_of_taking_gives_the_same(kind: str, steps: list[tuple[str, int, str]]) -> None:
    plain, fast, numbers = Side(SocketType[kind]), Side(SocketType[kind]), count()
    for side in (plain, fast):
        side.step("subscribe", 1, [])
    for name, which, way in steps:
        if name == "poll":
            assert fast.pattern.can_receive() == plain.pattern.can_receive()
        elif name == "undo":  # as a proxy that finds no room; a poll puts the next message aside, too
            if plain.pattern.can_receive():
                received = fast.pattern.take()
                assert received is not None
                fast.pattern.give_back(received)
        elif name == "take":
            assert fast.take(way, which) == plain.take_plainly(which)
        items = said(numbers, which, which)
        for side in (plain, fast):
            side.step(name, which, items)
    assert fast.take("many", 200) == plain.take_plainly(200)


# -------------------------------------------------------------------------------------------------------------- sending


class PlainPeer:
    """A queue as libzmq counts: what was taken is acknowledged in steps of half the limit."""

    def __init__(self, hwm: int) -> None:
        self.items: list[bytes] = []
        self.read = self.acknowledged = self.written = 0
        self.was_found_full = False
        self.set_hwm(hwm)

    def set_hwm(self, hwm: int) -> None:
        self.hwm, self.acknowledged = hwm, self.read

    def full(self) -> bool:
        return self.hwm > 0 and self.written - self.acknowledged >= self.hwm

    def take(self, count: int) -> list[bytes]:
        taken, self.items = self.items[:count], self.items[count:]
        self.read += len(taken)
        half = (self.hwm + 1) // 2 or 1
        self.acknowledged += (self.read - self.acknowledged) // half * half
        return taken

    def give_back(self, items: list[bytes]) -> None:
        self.items = items + self.items
        self.read -= len(items)
        self.acknowledged -= len(items)


class PlainRoundRobin:
    """The peers with room in a row. The first gets the next message, and goes to the end."""

    def __init__(self) -> None:
        self.row: list[PlainPeer] = []

    def look_at(self, peer: PlainPeer) -> None:
        """A peer that was found full joins the row again when it has room."""
        if peer.was_found_full and not peer.full():
            peer.was_found_full = False
            self.row.append(peer)

    def can_send(self) -> bool:
        while self.row and self.row[0].full():
            self.row.pop(0).was_found_full = True
        return bool(self.row)

    def send(self, message: bytes) -> bool:
        if not self.can_send():
            return False
        peer = self.row.pop(0)
        peer.items.append(message)
        peer.written += 1
        self.row.append(peer)
        return True


class SendingEveryWay(RuleBasedStateMachine):
    """A PUSH beside the model. Messages are sent, and taken by writers, in all ways that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.push: Pattern = PATTERNS[SocketType.PUSH](on_arrival=lambda: None, on_space=lambda: None)
        self.model = PlainRoundRobin()
        self.peers: list[tuple[Peer, PlainPeer]] = []
        self.numbers = count()

    @rule(hwm=st.integers(0, 5))
    def a_peer_joins(self, hwm: int) -> None:
        if len(self.peers) < 4:
            plain = PlainPeer(hwm)
            self.peers.append((Peer(self.push, sndhwm=hwm), plain))
            self.model.row.append(plain)

    @precondition(lambda self: self.peers)
    @rule(which=st.integers(0, 3))
    def a_peer_leaves(self, which: int) -> None:
        peer, plain = self.peers.pop(which % len(self.peers))
        peer.leaves()
        if plain in self.model.row:
            self.model.row.remove(plain)

    def send_one(self, way: str, message: bytes) -> bool:
        robin = self.push.outgoing
        if way == "only" and robin.only is not None and robin.only.offer(message):
            return True
        return self.push.try_send([message]) if way == "message" else robin.send(message) is not None

    @rule(way=st.sampled_from(["only", "frame", "message"]), most=st.integers(1, 9))
    def one_by_one(self, way: str, most: int) -> None:
        for _ in range(most):
            message = b"%d" % next(self.numbers)
            assert self.send_one(way, message) is self.model.send(message)

    @rule(length=st.integers(0, 9), most=st.integers(1, 9))
    def a_batch(self, length: int, most: int) -> None:
        messages = [b"%d" % next(self.numbers) for _ in range(length)]
        iterator: Any = iter(messages)
        sent, waiting = self.push.send_many(iterator, most)
        expected = 0
        while expected < min(length, most) and self.model.send(messages[expected]):
            expected += 1
        if expected < most:  # a place for the next message is looked for before it turns out that there is none
            self.model.can_send()
        assert (sent, waiting, list(iterator)) == (expected, None, messages[expected:])

    @precondition(lambda self: self.peers)
    @rule(
        which=st.integers(0, 3),
        way=st.sampled_from(["take", "batch", "pop"]),
        most=st.integers(1, 4),
        breaks=st.booleans(),
    )
    def a_writer_takes(self, which: int, way: str, most: int, breaks: bool) -> None:
        """… and gives back what it took, if the connection breaks."""
        peer, plain = self.peers[which % len(self.peers)]
        queue, taken = peer.pipe.outbound, []
        if way == "batch":
            taken = queue.take_batch(most)
            assert len(taken) == min(most, len(plain.items))
        elif way == "pop" and len(queue.ready) > 1:
            taken = [queue.ready.popleft()]
        elif (item := queue.take()) is not None:
            taken = [item]
        else:
            assert not plain.items
        last = plain.take(len(taken))
        assert [as_list(item) for item in taken] == [[frame] for frame in last]
        self.model.look_at(plain)
        if breaks:
            queue.put_back(taken)
            plain.give_back(last)

    @precondition(lambda self: self.peers)
    @rule(which=st.integers(0, 3), hwm=st.integers(0, 5))
    def the_limit_changes(self, which: int, hwm: int) -> None:
        peer, plain = self.peers[which % len(self.peers)]
        peer.pipe.outbound.set_hwm(hwm)
        plain.set_hwm(hwm)
        self.model.look_at(plain)

    @rule()
    def the_program_polls(self) -> None:
        assert self.push.can_send() is self.model.can_send()

    @invariant()
    def the_queues_are_the_models(self) -> None:
        for peer, plain in self.peers:
            queue = peer.pipe.outbound
            assert [as_list(item) for item in queue] == [[frame] for frame in plain.items]
            assert (len(queue), queue.taken, queue.full) == (len(plain.items), plain.read, plain.full())


@pytest.mark.slow
def test_every_way_of_sending_is_the_model() -> None:
    run_state_machine_as_test(
        SendingEveryWay, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )


def modules_with(*names: str) -> set[str]:
    """The modules that read or write an attribute of one of these names."""
    package = Path(minizmtp.__file__).parent
    return {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in names
    }


@pytest.mark.slow
def test_only_two_modules_use_the_inbox_of_a_single_peer() -> None:
    """`routing` keeps it true, and `socket` uses it."""
    assert modules_with("inbox", "only") == {"patterns/routing.py", "sockets/socket.py"}
