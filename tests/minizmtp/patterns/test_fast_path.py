"""The fast path against the plain path: whichever way messages are taken, they are the same, in the same order.

Two patterns have the same peers, to which the same happens. From one of them messages are taken one by one; from the
other one in all ways that there are, as sockets, pollers and proxies do it.
"""

from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minizmtp.constants import SocketType
from minizmtp.patterns import PATTERNS, Pattern
from minizmtp.patterns.routing import as_list
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
        assert fair is not None
        if way == "pop" and self.pattern.takes_all and len(fair.inbox) > 1:
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
