"""Who wants this topic? Found by the topic, not by asking every subscription.      29/PUBSUB, "shall compare"

A subscription is a prefix. A message matches it when its first frame starts with it (37-60). Neither a hundred thousand
subscriptions nor a thousand of different lengths may make publishing slow. So the topic is looked up by halving, as a
word is in a dictionary. Each prefix leaves a signpost at some of its own beginnings: its length in binary tells where.

    prefixes     b"news."  (5 octets, 101 in binary)      b"news.eu"  (7 octets, 111)
    signposts    b"news", b"news."                        b"news", b"news.e", b"news.eu"

    topic b"news.us"     first 4 octets:  b"news"      a signpost: go on behind it
                         2 more:          b"news.u"    nothing
                         1 more:          b"news."     a signpost, and the last one: all that can match lies within it

Then the prefixes within that last signpost are collected: here b"news." itself. That takes at most nine steps for each
256 octets, because longer prefixes are cut into pieces of 256; those that begin with the same pieces share a *node*.

    >>> wants = Subscriptions()
    >>> wants.add(b"news.", "anna"), wants.add(b"news.", "ben"), wants.add(b"news.eu", "ben")
    (True, False, True)
    >>> list(wants.matching(b"news.eu: rain"))       # ben once, although two of his prefixes match
    ['anna', 'ben']
    >>> wants.remove(b"news.", "anna"), wants.remove(b"news.", "ben")
    (False, True)
    >>> list(wants.matching(b"news.us: snow"))
    []

To subscribe twice is the same as once. RFC 37 asks for counting, but libzmq's subscriber counts already and sends
CANCEL only for the last; a publisher that counted too would keep the subscription for ever (37-61).

A subscriber that leaves gets nothing more from that moment. Its prefixes are removed afterwards, some at a time,
because to remove a million of them takes seconds.

    >>> wants.leave("ben")
    >>> list(wants.matching(b"news.eu: rain")), wants.tidy(most=100)
    ([], [('ben', b'news.eu', True)])

Read next: `fanout`.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

Subscriber = TypeVar("Subscriber", bound=Hashable)

# The answers for so many topics are kept, but none for a longer topic.
MOST_KEPT, LONGEST_KEPT = 4096, 256

# Longer prefixes are cut into pieces of so many octets. A prefix of n octets may have log2(n) signposts, so without
# this one prefix of a megabyte would cost twenty.
PIECE = 256
STEPS = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # by which a lookup goes on

# With so few lengths in use, to ask for each takes half as long as to halve.
FEW = 6

# Answers kept with the signposts of one node.
MOST_ANSWERS = 1024


def cost(length: int) -> int:
    """Bytes of memory that a subscription takes at most, about, by the length of its prefix. Most of it is for the
    signposts."""
    return 512 + 8 * length


class _Node:
    """The prefixes that begin with the same pieces; known here by the rest, which is at most one piece long."""

    __slots__ = ("answers", "lengths", "longer", "signposts", "wanted")

    def __init__(self) -> None:
        # Most prefixes have one subscriber: its number is here. For a prefix with more, there is a dict of them. They
        # are numbers, because the garbage collector does not visit a dict that holds nothing but numbers and bytes. To
        # visit a hundred thousand objects would take 10 ms, again and again.
        self.wanted: dict[bytes, int | dict[int, None]] = {}
        self.lengths: Counter[int] = Counter()  # and how many prefixes have each
        self.signposts: dict[bytes, int] = {}  # and for how many prefixes each stands
        self.longer: dict[bytes, _Node] = {}  # by the next whole piece
        self.answers: dict[bytes, tuple[int, ...]] = {}  # by signpost: the subscribers within it

    def add(self, rest: bytes, subscriber: int) -> bool:
        """As Subscriptions.add."""
        self.answers.clear()
        if rest not in self.wanted:
            self.wanted[rest] = subscriber
            self.lengths[len(rest)] += 1
            for beginning in _beginnings(rest):
                self.signposts[beginning] = self.signposts.get(beginning, 0) + 1
            return True
        others = self.wanted[rest]
        if isinstance(others, int):
            self.wanted[rest] = {others: None, subscriber: None}
        else:
            others[subscriber] = None
        return False

    def remove(self, rest: bytes, subscriber: int) -> bool:
        """As Subscriptions.remove, of a subscriber that is there."""
        self.answers.clear()
        subscribers = self.wanted[rest]
        if not isinstance(subscribers, int):
            del subscribers[subscriber]
            if len(subscribers) == 1:
                (self.wanted[rest],) = subscribers  # which is the last one's number
            return False
        del self.wanted[rest]
        _count_down(self.lengths, len(rest))
        for beginning in _beginnings(rest):
            _count_down(self.signposts, beginning)
        return True

    def matching(self, topic: bytes) -> tuple[int, ...]:
        """The subscribers to prefixes of topic."""
        if len(self.lengths) <= FEW:
            return self._collect(topic)
        signposts, length, at = self.signposts, len(topic), 0
        for step in STEPS:
            if at + step <= length and topic[: at + step] in signposts:
                at += step
        end = topic[:at]  # no longer prefix matches
        found = self.answers.get(end)
        if found is None:
            if len(self.answers) >= MOST_ANSWERS:
                self.answers.clear()  # all of them, because to find the one that is used least takes longer
            found = self.answers[end] = self._collect(end)
        return found

    def _collect(self, topic: bytes) -> tuple[int, ...]:
        """The same, by asking for each length in use: at most 257."""
        size, wanted = len(topic), self.wanted
        found: list[int] = []
        for length in self.lengths:
            if length <= size and (subscribers := wanted.get(topic[:length])) is not None:
                found += (subscribers,) if isinstance(subscribers, int) else subscribers
        return tuple(dict.fromkeys(found))


def _beginnings(prefix: bytes) -> Iterator[bytes]:
    """prefix, and each of its beginnings whose length is that of prefix without its lowest binary digits."""
    length = len(prefix)
    while length:
        yield prefix[:length]
        length &= length - 1


def _count_down(counts: dict[Subscriber, int], key: Subscriber) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]  # because what is looked up are the keys


class Holding:
    """The prefixes of one subscriber, since it came or since it began anew. Nodes know it by its number."""

    __slots__ = ("memory", "number", "prefixes")

    def __init__(self, number: int) -> None:
        self.number = number
        self.prefixes: dict[bytes, None] = {}  # a dict and not a set: see _Node
        self.memory = 0  # what they cost


# Where nothing is: for a subscriber without subscriptions, and for a piece that no prefix has.
NOTHING = Holding(-1)
NOWHERE = _Node()


class Subscriptions(Generic[Subscriber]):
    """Prefixes, and the subscribers that want them."""

    def __init__(self) -> None:
        self._root = _Node()
        self._holdings: dict[Subscriber, Holding] = {}
        self._named: dict[int, Subscriber] = {}  # by the number of the holding
        self._numbers = count()
        self._leaving: deque[tuple[Subscriber, Holding]] = deque()  # what is still to be removed
        # Topics are told apart by as many octets as the longest prefix has. None: by all; that is always right, and
        # the first lookup after a change finds out the number.
        self.longest: int | None = None
        # Answers by the first `longest` octets of a topic, kept until a subscription changes, because publishers come
        # back to the same few topics (0.1 µs instead of 2); and each of them once, because `fanout` compares them.
        self.found: dict[bytes, tuple[Subscriber, ...]] = {}
        self._answers: dict[tuple[Subscriber, ...], tuple[Subscriber, ...]] = {}

    def add(self, prefix: bytes, subscriber: Subscriber) -> bool:
        """Note that subscriber wants prefix. True if no subscriber did before, among them those still to be removed."""
        holding = self._holdings.get(subscriber) or self._begin(subscriber)
        if prefix in holding.prefixes:
            return False
        holding.prefixes[prefix] = None
        holding.memory += cost(len(prefix))
        self._changed()
        node, rest = self._path(prefix, make=True)[-1]
        return node.add(rest, holding.number)

    def _begin(self, subscriber: Subscriber) -> Holding:
        holding = self._holdings[subscriber] = Holding(next(self._numbers))
        self._named[holding.number] = subscriber
        return holding

    def copy(self) -> "Subscriptions[Subscriber]":
        """The same subscriptions, without what is still to be removed."""
        other: Subscriptions[Subscriber] = Subscriptions()
        for subscriber, holding in self._holdings.items():
            for prefix in holding.prefixes:
                other.add(prefix, subscriber)
        return other

    def _changed(self) -> None:
        self.longest = None
        if self.found:
            self.found.clear()
            self._answers.clear()

    def _path(self, prefix: bytes, make: bool = False) -> list[tuple[_Node, bytes]]:
        """The nodes from the root to that of prefix, each with the piece of prefix that is known there. make: add those
        that are missing."""
        node, path = self._root, []
        if len(prefix) <= PIECE:
            return [(node, prefix)]
        *pieces, rest = [prefix[at : at + PIECE] for at in range(0, len(prefix), PIECE)]
        for piece in pieces:
            path.append((node, piece))
            if make and piece not in node.longer:
                node.longer[piece] = _Node()
            node = node.longer.get(piece, NOWHERE)
        return [*path, (node, rest)]

    def remove(self, prefix: bytes, subscriber: Subscriber) -> bool:
        """Forget it. True if now no subscriber wants prefix. To forget what was never noted changes nothing."""
        holding = self._holdings.get(subscriber)
        if holding is None or prefix not in holding.prefixes:
            return False
        del holding.prefixes[prefix]
        holding.memory -= cost(len(prefix))
        return self._remove(prefix, holding.number)

    def _remove(self, prefix: bytes, number: int) -> bool:
        self._changed()
        path = self._path(prefix)
        node, rest = path.pop()
        if not node.remove(rest, number):
            return False
        # Nodes in which nothing is left go, because a stranger's long prefixes would fill the memory.
        while path and not (node.wanted or node.longer):
            node, piece = path.pop()
            del node.longer[piece]
        return True

    # --------------------------------------------------------------------------------------------------------- leaving

    def leave(self, subscriber: Subscriber) -> None:
        """subscriber gets nothing any more; its prefixes are for `tidy` to remove."""
        holding = self._holdings.pop(subscriber, None)
        if holding is not None:
            self._leaving.append((subscriber, holding))
        self._changed()

    def renew(self, subscriber: Subscriber) -> None:
        """subscriber begins anew. What it wanted until now is for `tidy` to remove; until then it gets that, too."""
        self.leave(subscriber)
        self._begin(subscriber)

    @property
    def untidy(self) -> bool:
        """Is there something to tidy?"""
        return bool(self._leaving)

    def tidy(self, most: int) -> list[tuple[Subscriber, bytes, bool]]:
        """Remove up to so many prefixes that are left of subscribers. The result has those that their subscriber does
        not want again: the subscriber, the prefix, and whether no other subscriber wants it."""
        removed = []
        while self._leaving and most > 0:
            subscriber, left = self._leaving[0]
            again = self.of(subscriber).prefixes
            for _ in range(min(most, len(left.prefixes))):
                prefix, _ = left.prefixes.popitem()  # which frees it now, and not all of them together at the end
                is_last = self._remove(prefix, left.number)
                if prefix not in again:
                    removed.append((subscriber, prefix, is_last))
                most -= 1
            if not left.prefixes:
                self._leaving.popleft()
                del self._named[left.number]
        return removed

    # ---------------------------------------------------------------------------------------------------------- asking

    def matching(self, topic: bytes) -> tuple[Subscriber, ...]:
        """All subscribers that want a message that starts with topic, once each."""
        key = topic[: self.longest]
        found = self.found.get(key)
        if found is None:
            found = self._find(key)
            found = self._answers.setdefault(found, found)
            if len(self.found) >= MOST_KEPT or len(self._answers) >= MOST_KEPT:
                self._changed()
            if len(key) <= LONGEST_KEPT:  # because 4096 keys of a megabyte would be 4 GiB
                self.found[key] = found
        return found

    def _find(self, topic: bytes) -> tuple[Subscriber, ...]:
        node, at = self._root, 0
        # With prefixes longer than a piece it stays None, because the longest of them cannot be found out cheaply.
        if self.longest is None and not node.longer:
            self.longest = max(node.lengths, default=0)
        numbers = node.matching(topic[:PIECE])
        while node.longer and (longer := node.longer.get(topic[at : at + PIECE])) is not None:
            node, at = longer, at + PIECE
            numbers += node.matching(topic[at : at + PIECE])
        found = dict.fromkeys(map(self._named.__getitem__, numbers))
        # Who has left has a number until its last prefix is removed, but is to get nothing any more.
        return tuple(subscriber for subscriber in found if subscriber in self._holdings)

    def of(self, subscriber: Subscriber) -> Holding:
        """What subscriber wants."""
        return self._holdings.get(subscriber, NOTHING)

    def __contains__(self, prefix: bytes) -> bool:
        """Does any subscriber want exactly this prefix?"""
        node, rest = self._path(prefix)[-1]
        return rest in node.wanted
