"""Who wants this topic? (29/PUBSUB, "shall compare")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.patterns import subscriptions
from minizmtp.patterns.subscriptions import Subscriptions


@pytest.mark.requirement("37-60", "29-8")
@pytest.mark.parametrize(
    ("prefix", "topic", "wanted"),
    [
        (b"", b"", True),
        (b"", b"news", True),
        (b"news", b"news", True),
        (b"news", b"newspaper", True),
        (b"news", b"new", False),
        (b"news", b"", False),
        (b"news", b"News", False),
        (b"ews", b"news", False),
        (b"\x00\xff", b"\x00\xff\x01", True),
        (b"n" * 300, b"n" * 301, True),
        (b"n" * 300, b"n" * 299, False),
    ],
)
def test_a_subscription_matches_what_starts_with_it(prefix: bytes, topic: bytes, wanted: bool) -> None:
    wants: Subscriptions[str] = Subscriptions()
    wants.add(prefix, "anna")
    assert list(wants.matching(topic)) == ["anna"] * wanted


def test_whoever_wants_a_topic_twice_is_named_once() -> None:
    wants: Subscriptions[str] = Subscriptions()
    for prefix in (b"", b"n", b"ne", b"news"):
        wants.add(prefix, "anna")
    wants.add(b"ne", "ben")
    assert sorted(wants.matching(b"news")) == ["anna", "ben"]


@pytest.mark.requirement("37-61")
def test_a_publisher_does_not_count_so_one_cancel_ends_two_subscriptions() -> None:
    """libzmq's subscriber counts, and sends CANCEL only for the last: who counts here too is never rid of it."""
    wants: Subscriptions[str] = Subscriptions()
    assert wants.add(b"news", "anna") is True
    assert wants.add(b"news", "anna") is False
    assert wants.remove(b"news", "anna") is True
    assert not wants.matching(b"news")


def test_forgetting_what_was_never_noted_changes_nothing() -> None:
    wants: Subscriptions[str] = Subscriptions()
    wants.add(b"news", "anna")
    assert wants.remove(b"news", "ben") is False
    assert wants.remove(b"new", "anna") is False
    assert list(wants.matching(b"news")) == ["anna"]


def test_first_and_last_are_told_apart_from_the_rest() -> None:
    wants: Subscriptions[str] = Subscriptions()
    assert [wants.add(b"n", "anna"), wants.add(b"n", "ben")] == [True, False]
    assert [wants.remove(b"n", "anna"), wants.remove(b"n", "ben")] == [False, True]


def test_what_somebody_wants_is_counted_once_for_each_prefix() -> None:
    wants: Subscriptions[str] = Subscriptions()
    for prefix in (b"a", b"a", b"b", b"c"):
        wants.add(prefix, "anna")
    wants.add(b"a", "ben")
    wants.remove(b"c", "anna")
    wants.remove(b"c", "anna")
    assert [wants.count(name) for name in ("anna", "ben", "carla")] == [2, 1, 0]
    wants.remove_all("anna")
    assert wants.count("anna") == 0


def test_who_leaves_takes_all_with_it_and_tells_what_it_had() -> None:
    wants: Subscriptions[str] = Subscriptions()
    for prefix in (b"a", b"b", b"c"):
        wants.add(prefix, "anna")
    wants.add(b"b", "ben")
    assert sorted(wants.remove_all("anna")) == [b"a", b"b", b"c"]
    assert [bool(wants.matching(topic)) for topic in (b"a", b"b", b"c")] == [False, True, False]
    assert wants.remove_all("anna") == []


class NaiveSubscriptions:
    """The clear one: a set of pairs, and every question asks them all."""

    def __init__(self) -> None:
        self.pairs: set[tuple[bytes, int]] = set()

    def matching(self, topic: bytes) -> set[int]:
        return {subscriber for prefix, subscriber in self.pairs if topic.startswith(prefix)}

    def holders(self, prefix: bytes) -> set[int]:
        return {subscriber for wanted, subscriber in self.pairs if wanted == prefix}


prefixes = st.lists(st.sampled_from([b"a", b"b", b"\xff"]), max_size=4).map(b"".join)
subscribers = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("add"), prefixes, subscribers),
    st.tuples(st.just("remove"), prefixes, subscribers),
    st.tuples(st.just("leave"), st.just(b""), subscribers),
)


@pytest.mark.requirement("37-60", "29-8")
@given(st.lists(steps, max_size=40), st.lists(prefixes, min_size=1, max_size=8))
def test_the_index_agrees_with_asking_everybody(steps: list[tuple[str, bytes, int]], topics: list[bytes]) -> None:
    index: Subscriptions[int] = Subscriptions()
    naive = NaiveSubscriptions()
    for step, prefix, subscriber in steps:
        before = naive.holders(prefix)
        if step == "add":
            naive.pairs.add((prefix, subscriber))
            assert index.add(prefix, subscriber) == (not before)
        elif step == "remove":
            naive.pairs.discard((prefix, subscriber))
            assert index.remove(prefix, subscriber) == (before == {subscriber})
        else:
            theirs = {wanted for wanted, who in naive.pairs if who == subscriber}
            naive.pairs = {pair for pair in naive.pairs if pair[1] != subscriber}
            assert set(index.remove_all(subscriber)) == theirs
        for topic in topics:
            assert set(index.matching(topic)) == naive.matching(topic)
            assert (topic in index) == bool(naive.holders(topic))


class CountingBytes(bytes):
    """A topic that counts how often somebody cuts a prefix from it."""

    cuts = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        CountingBytes.cuts += 1
        return super().__getitem__(key)


def test_publishing_does_not_ask_every_subscription() -> None:
    """Ten thousand subscriptions of three lengths: three questions."""
    wants: Subscriptions[int] = Subscriptions()
    for number in range(10_000):
        wants.add(b"%05d" % number, number)
    wants.add(b"", -1), wants.add(b"0", -2)
    CountingBytes.cuts = 0
    assert sorted(wants.matching(CountingBytes(b"00042: rain"))) == [-2, -1, 42]
    assert CountingBytes.cuts <= 3


def test_long_topics_are_not_kept_for_the_sake_of_who_subscribes_to_a_long_one() -> None:
    index: Subscriptions[str] = Subscriptions()
    index.add(b"", "all")
    index.add(bytes(100_000), "a stranger")
    for number in range(100):
        topic = b"%99999d" % number
        assert index.matching(topic) == ("all",)
    assert index.matching(bytes(100_001)) == ("all", "a stranger")
    assert not index.found


def test_lengths_that_nobody_uses_any_more_are_not_asked_for() -> None:
    wants: Subscriptions[int] = Subscriptions()
    for length in range(100):
        wants.add(b"n" * length, 0)
    wants.remove_all(0)
    wants.add(b"n", 1)
    CountingBytes.cuts = 0
    assert list(wants.matching(CountingBytes(b"n" * 100))) == [1]
    assert CountingBytes.cuts == 1


def test_who_leaves_with_prefixes_of_many_lengths_is_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """… and holds up nobody: all lengths are looked at when somebody asks for a topic, not at each change."""
    looks: list[int] = []
    monkeypatch.setattr(
        subscriptions, "max", lambda *given, **more: (looks.append(len(given)), max(*given, **more))[1], raising=False
    )
    index: Subscriptions[str] = Subscriptions()
    index.add(b"", "stays")
    for length in range(300, 0, -1):
        index.add(bytes(length), "leaves")
    index.remove_all("leaves")
    assert looks.count(1) == 0
    assert index.matching(bytes(300)) == ("stays",)
    assert (looks.count(1), index.longest) == (1, 0)
