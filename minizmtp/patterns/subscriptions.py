"""Who wants this topic? Found by the topic, not by asking every subscription.      29/PUBSUB, "shall compare"

A subscription is a prefix. A message matches it when its first frame starts with it (37-60). A hundred thousand
subscriptions must not make publishing slow, and neither must a thousand subscriptions of different lengths. So the
topic is looked up by halving, as a word is in a dictionary. Each prefix leaves a signpost at some of its own
beginnings: its length, written in binary, tells at which.

    prefixes     b"news."  (5 octets, 101 in binary)      b"news.eu"  (7 octets, 111)
    signposts    b"news", b"news."                        b"news", b"news.e", b"news.eu"

    topic b"news.us"     first 4 octets:  b"news"      a signpost: go on behind it
                         2 more:          b"news.u"    nothing
                         1 more:          b"news."     a signpost, and the last one: all that can match lies within it

Then the prefixes within that last signpost are collected: here b"news." itself. The answer is kept with the signpost
until a subscription of the same node changes. A lookup thus takes nine questions at most for each 256 octets: longer
prefixes are cut into pieces of 256, and those that begin with the same pieces share a *node*. (Where prefixes of only a
few lengths are in use, the beginnings of these lengths are looked up instead.)

    >>> wants = Subscriptions()
    >>> wants.add(b"news.", "anna"), wants.add(b"news.", "ben"), wants.add(b"news.eu", "ben")
    (True, False, True)
    >>> list(wants.matching(b"news.eu: rain"))       # ben once, though he asked twice
    ['anna', 'ben']
    >>> wants.remove(b"news.", "anna"), wants.remove(b"news.", "ben")
    (False, True)
    >>> list(wants.matching(b"news.us: snow"))
    []

Each subscriber's prefixes are a set: subscribing twice is as good as once. RFC 37 asks for counting, but libzmq's
subscriber counts already and sends CANCEL only for the last; a publisher that counted too would never be rid of it
(37-61).

A subscriber that leaves gets nothing more from that moment. Its prefixes are removed afterwards, some at a time,
because a million of them would take seconds.

    >>> wants.leave("ben")
    >>> list(wants.matching(b"news.eu: rain")), wants.tidy(most=100)
    ([], [('ben', b'news.eu', True)])

Read next: `fanout`.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

Subscriber = TypeVar("Subscriber", bound=Hashable)

# The answers for so many topics are kept, and none for a longer topic: subscribers decide how long they are.
MOST_KEPT, LONGEST_KEPT = 4096, 256

# Longer prefixes are cut into pieces of so many octets. A prefix of n octets may have log2(n) signposts, so without
# this one prefix of a megabyte would cost twenty.
PIECE = 256

# With so few lengths in use, to ask for each is quicker than to halve.
FEW = 6

# Answers kept with the signposts of one node.
MOST_ANSWERS = 1024


def cost(length: int) -> int:
    """Bytes of memory that a subscription takes at most, about, by the length of its prefix. Most of it is for the
    signposts."""
    return 512 + 8 * length


class _Found(dict[bytes, tuple[Subscriber, ...]]):
    """Answers to "who wants this topic?", kept until a subscription changes, because publishers come back to the same
    few topics. (0.06 µs in place of 1, with one prefix as with 100,000.)"""

    def __init__(self, find: Callable[[bytes], tuple[Subscriber, ...]]) -> None:
        self._find = find
        self._answers: dict[tuple[Subscriber, ...], tuple[Subscriber, ...]] = {}

    def clear(self) -> None:
        if self:
            super().clear()
            self._answers.clear()

    def __missing__(self, topic: bytes) -> tuple[Subscriber, ...]:
        if len(self) >= MOST_KEPT:
            self.clear()
        found = self._find(topic)
        found = self._answers.setdefault(found, found)  # the same object for the same subscribers: see `fanout`
        if len(topic) <= LONGEST_KEPT:
            self[topic] = found
        return found


# In place of a subscriber's number: there are several.
SHARED = -1


class _Node:
    """The prefixes that begin with the same pieces; known here by the rest, which is at most one piece long."""

    __slots__ = ("answers", "lengths", "longer", "shared", "signposts", "steps", "wanted")

    def __init__(self) -> None:
        # Most prefixes have one subscriber: its number is in `wanted`. For a prefix with more, that is SHARED. They are
        # numbers, and in two dicts, because the garbage collector does not visit a dict that holds nothing but numbers
        # and bytes. For each hundred thousand objects here, every other task would wait for it for 10 ms, again and
        # again.
        self.wanted: dict[bytes, int] = {}
        self.shared: dict[bytes, dict[int, None]] = {}
        self.lengths: Counter[int] = Counter()  # and how many prefixes have each
        self.signposts: dict[bytes, int] = {}  # and for how many prefixes each stands
        self.steps: tuple[int, ...] = (1,)  # powers of two, as many as the longest prefix has binary digits
        self.longer: dict[bytes, _Node] = {}  # by the next whole piece
        self.answers: dict[bytes, tuple[int, ...]] = {}  # by signpost: the subscribers within it

    def add(self, rest: bytes, subscriber: int) -> bool:
        """As Subscriptions.add."""
        self.answers.clear()
        if rest not in self.wanted:
            self.wanted[rest] = subscriber
            self.lengths[len(rest)] += 1
            self._plant(rest)
            return True
        number = self.wanted[rest]
        if number == SHARED:
            self.shared[rest][subscriber] = None
        elif number != subscriber:
            self.shared[rest] = {number: None, subscriber: None}
            self.wanted[rest] = SHARED
        return False

    def remove(self, rest: bytes, subscriber: int) -> bool:
        """As Subscriptions.remove, of a subscriber that is there."""
        self.answers.clear()
        if self.wanted[rest] == SHARED:
            subscribers = self.shared[rest]
            del subscribers[subscriber]
            if len(subscribers) == 1:
                (self.wanted[rest],) = subscribers
                del self.shared[rest]
            return False
        del self.wanted[rest]
        self.lengths[len(rest)] -= 1
        if not self.lengths[len(rest)]:
            del self.lengths[len(rest)]
        self._uproot(rest)
        return True

    def _plant(self, rest: bytes) -> None:
        """Set up the signposts of a prefix."""
        signposts = self.signposts
        for beginning in _beginnings(rest):
            signposts[beginning] = signposts.get(beginning, 0) + 1
        while len(rest) >= 2 * self.steps[0]:
            self.steps = (2 * self.steps[0], *self.steps)

    def _uproot(self, rest: bytes) -> None:
        """Take them down, except where they stand for other prefixes too."""
        signposts = self.signposts
        for beginning in _beginnings(rest):
            if signposts[beginning] == 1:
                del signposts[beginning]
            else:
                signposts[beginning] -= 1

    def last_signpost(self, topic: bytes) -> int:
        """How many octets of topic lie before its last signpost: no longer prefix matches."""
        signposts, length, at = self.signposts, len(topic), 0
        for step in self.steps:
            if at + step <= length and topic[: at + step] in signposts:
                at += step
        return at

    def matching(self, topic: bytes) -> tuple[int, ...]:
        """The subscribers to prefixes of topic."""
        if len(self.lengths) <= FEW:
            return self._collect(topic)
        end = topic[: self.last_signpost(topic)]
        found = self.answers.get(end)
        if found is None:
            if len(self.answers) >= MOST_ANSWERS:
                self.answers.clear()
            found = self.answers[end] = self._collect(end)
        return found

    def _collect(self, topic: bytes) -> tuple[int, ...]:
        """The same, by asking for each length in use: at most 257."""
        size, wanted = len(topic), self.wanted
        matching = [prefix for length in self.lengths if length <= size and (prefix := topic[:length]) in wanted]
        if len(matching) == 1:
            return self._exactly(matching[0])
        return tuple({subscriber: None for prefix in matching for subscriber in self._exactly(prefix)})

    def _exactly(self, prefix: bytes) -> tuple[int, ...]:
        number = self.wanted[prefix]
        return tuple(self.shared[prefix]) if number == SHARED else (number,)

    @property
    def is_empty(self) -> bool:
        return not self.wanted and not self.longer


def _beginnings(prefix: bytes) -> Iterator[bytes]:
    """prefix, and each of its beginnings whose length is that of prefix without its lowest binary digits."""
    length = len(prefix)
    while length:
        yield prefix[:length]
        length &= length - 1


class Subscriptions(Generic[Subscriber]):
    """Prefixes, and who wants them."""

    def __init__(self) -> None:
        self._root = _Node()
        self._numbers: dict[Subscriber, int] = {}  # nodes know the subscribers by these
        self._named: dict[int, Subscriber] = {}
        self._count = count()
        self._held: dict[Subscriber, dict[bytes, None]] = {}  # dicts and not sets: see _Node
        self._octets: Counter[Subscriber] = Counter()
        self._lengths: Counter[int] = Counter()  # of the prefixes, and how many have each
        self._leaving: deque[tuple[Subscriber, dict[bytes, None]]] = deque()  # what is still to be removed …
        self._leavers: Counter[Subscriber] = Counter()  # … and how often each subscriber is in it
        self.longest = 0  # the longest prefix; more, where that was taken back and no topic was looked up since
        self.found: _Found[Subscriber] = _Found(self._find)  # by a topic's beginning, as long as the longest prefix

    def add(self, prefix: bytes, subscriber: Subscriber) -> bool:
        """Note that subscriber wants prefix; True if nobody did before. (While there is something to tidy, the prefix
        has to be settled first.)"""
        held = self._held.get(subscriber)
        if held is None:
            held = self._held[subscriber] = {}
            if subscriber not in self._numbers:
                number = self._numbers[subscriber] = next(self._count)
                self._named[number] = subscriber
        elif prefix in held:
            return False
        held[prefix] = None
        self._octets[subscriber] += cost(len(prefix))
        self.found.clear()
        node, rest = self._place(prefix)
        first = node.add(rest, self._numbers[subscriber])
        if first:
            self._lengths[len(prefix)] += 1
            self.longest = max(self.longest, len(prefix))
        return first

    def _place(self, prefix: bytes) -> tuple[_Node, bytes]:
        """The node that prefix belongs to, made if need be, and how the prefix is known there."""
        node, at = self._root, 0
        while len(prefix) - at > PIECE:
            piece = prefix[at : at + PIECE]
            at += PIECE
            if piece not in node.longer:
                node.longer[piece] = _Node()
            node = node.longer[piece]
        return node, prefix[at:] if at else prefix

    def remove(self, prefix: bytes, subscriber: Subscriber) -> bool:
        """Forget it; True if now nobody wants prefix. Forgetting what was never noted changes nothing."""
        held = self._held.get(subscriber)
        if held is None or prefix not in held:
            return False
        del held[prefix]
        self._octets[subscriber] -= cost(len(prefix))
        last = self._remove(prefix, subscriber)
        if not held:
            del self._held[subscriber], self._octets[subscriber]
            self._forget(subscriber)
        return last

    def _forget(self, subscriber: Subscriber) -> None:
        """It has no prefix any more, unless some are still to be removed."""
        if subscriber not in self._held and not self._leavers[subscriber]:
            del self._leavers[subscriber], self._named[self._numbers.pop(subscriber)]

    def _remove(self, prefix: bytes, subscriber: Subscriber) -> bool:
        self.found.clear()
        path = self._path(prefix)
        node, rest = path[-1]
        if not node.remove(rest, self._numbers[subscriber]):
            return False
        self._lengths[len(prefix)] -= 1
        if not self._lengths[len(prefix)]:
            del self._lengths[len(prefix)]
        while len(path) > 1 and path[-1][0].is_empty:
            path.pop()
            parent, piece = path[-1]
            del parent.longer[piece]
        return True

    def _path(self, prefix: bytes) -> list[tuple[_Node, bytes]]:
        """The nodes from the root to that of a prefix which is there, each with the part of prefix that is known
        there."""
        path, node, at = [], self._root, 0
        while len(prefix) - at > PIECE:
            piece = prefix[at : at + PIECE]
            path.append((node, piece))
            node = node.longer[piece]
            at += PIECE
        path.append((node, prefix[at:]))
        return path

    # --------------------------------------------------------------------------------------------------------- leaving

    def leave(self, subscriber: Subscriber) -> None:
        """subscriber gets nothing any more; its prefixes are for `tidy` to remove."""
        self.renew(subscriber)
        self.found.clear()

    def renew(self, subscriber: Subscriber) -> None:
        """subscriber begins anew. What it wanted until now is for `tidy` to remove, unless it is added again first."""
        held = self._held.pop(subscriber, None)
        self._octets.pop(subscriber, None)
        if held:
            self._leaving.append((subscriber, held))
            self._leavers[subscriber] += 1

    @property
    def untidy(self) -> bool:
        """Is there something to tidy?"""
        return bool(self._leaving)

    def tidy(self, most: int) -> list[tuple[Subscriber, bytes, bool]]:
        """Remove up to so many prefixes of subscribers who have left. Each of them with its subscriber, and whether
        nobody wants that prefix any more."""
        removed = []
        while self._leaving and most > 0:
            subscriber, prefixes = self._leaving[0]
            while prefixes and most > 0:
                most -= 1
                prefix, _ = prefixes.popitem()
                if prefix not in self._held.get(subscriber, ()):
                    removed.append((subscriber, prefix, self._remove(prefix, subscriber)))
            if not prefixes:
                self._leaving.popleft()
                self._leavers[subscriber] -= 1
                self._forget(subscriber)
        return removed

    def settle(self, prefix: bytes, subscriber: Subscriber | None) -> list[tuple[Subscriber, bytes, bool]]:
        """As tidy, for this one prefix, which is about to be added for subscriber (or removed: None). If subscriber had
        it before, it keeps it."""
        removed = []
        for left, prefixes in self._leaving:
            if prefix in prefixes:
                del prefixes[prefix]
                if left != subscriber and prefix not in self._held.get(left, ()):
                    removed.append((left, prefix, self._remove(prefix, left)))
        return removed

    # ---------------------------------------------------------------------------------------------------------- asking

    def matching(self, topic: bytes) -> tuple[Subscriber, ...]:
        """Everybody who wants a message that starts with topic, once each. What lies behind the longest prefix makes no
        difference."""
        return self.found[topic[: self.longest]]

    def _find(self, topic: bytes) -> tuple[Subscriber, ...]:
        if self.longest not in self._lengths:
            self.longest = max(self._lengths, default=0)
        node, at = self._root, 0
        found = node.matching(topic if len(topic) <= PIECE else topic[:PIECE])
        while node.longer and (longer := node.longer.get(topic[at : at + PIECE])) is not None:
            node, at = longer, at + PIECE
            found = tuple(dict.fromkeys(found + node.matching(topic[at : at + PIECE])))
        subscribers = tuple(map(self._named.__getitem__, found))
        if self._leaving:
            return tuple(subscriber for subscriber in subscribers if subscriber in self._held)
        return subscribers

    def count(self, subscriber: Subscriber) -> int:
        """How many prefixes it has."""
        return len(self._held.get(subscriber, ()))

    def octets(self, subscriber: Subscriber) -> int:
        """What they cost."""
        return self._octets[subscriber]

    def held_by(self, subscriber: Subscriber) -> Collection[bytes]:
        """They themselves."""
        return self._held.get(subscriber, {}).keys()

    def holds(self, subscriber: Subscriber, prefix: bytes) -> bool:
        """Is this one of them?"""
        return prefix in self._held.get(subscriber, ())

    def __contains__(self, prefix: bytes) -> bool:
        """Does anybody want exactly this prefix?"""
        node, at = self._root, 0
        while len(prefix) - at > PIECE:
            if (longer := node.longer.get(prefix[at : at + PIECE])) is None:
                return False
            node, at = longer, at + PIECE
        return prefix[at:] in node.wanted
