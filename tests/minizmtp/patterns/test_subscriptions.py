"""Who wants this topic? (29/PUBSUB, "shall compare")."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.patterns import subscriptions
from minizmtp.patterns.subscriptions import PIECE, Subscriptions, cost


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


def test_overlapping_subscriptions_match_a_peer_once() -> None:
    wants: Subscriptions[str] = Subscriptions()
    for prefix in (b"", b"n", b"ne", b"news"):
        wants.add(prefix, "anna")
    wants.add(b"ne", "ben")
    assert sorted(wants.matching(b"news")) == ["anna", "ben"]


@pytest.mark.requirement("37-61")
def test_one_cancel_ends_two_equal_subscriptions() -> None:
    """libzmq's subscriber counts, and sends CANCEL only for the last: who counts here too is never rid of it."""
    wants: Subscriptions[str] = Subscriptions()
    assert wants.add(b"news", "anna") is True
    assert wants.add(b"news", "anna") is False
    assert wants.remove(b"news", "anna") is True
    assert not wants.matching(b"news")


def test_removing_an_unknown_subscription_changes_nothing() -> None:
    wants: Subscriptions[str] = Subscriptions()
    wants.add(b"news", "anna")
    assert wants.remove(b"news", "ben") is False
    assert wants.remove(b"new", "anna") is False
    assert list(wants.matching(b"news")) == ["anna"]


def test_add_and_remove_report_the_first_and_the_last() -> None:
    wants: Subscriptions[str] = Subscriptions()
    assert [wants.add(b"n", "anna"), wants.add(b"n", "ben")] == [True, False]
    assert [wants.remove(b"n", "anna"), wants.remove(b"n", "ben")] == [False, True]


def test_a_subscribers_prefixes_are_each_counted_once() -> None:
    wants: Subscriptions[str] = Subscriptions()
    for prefix in (b"a", b"a", b"b", b"c"):
        wants.add(prefix, "anna")
    wants.add(b"a", "ben")
    wants.remove(b"c", "anna")
    wants.remove(b"c", "anna")
    assert [list(wants.of(name).prefixes) for name in ("anna", "ben", "carla")] == [[b"a", b"b"], [b"a"], []]
    wants.leave("anna")
    assert not wants.of("anna").prefixes


def test_a_leaver_gets_nothing_and_its_prefixes_go_in_slices() -> None:
    wants: Subscriptions[str] = Subscriptions()
    for prefix in (b"a", b"b", b"c"):
        wants.add(prefix, "anna")
    wants.add(b"b", "ben")
    wants.leave("anna")
    assert [bool(wants.matching(topic)) for topic in (b"a", b"b", b"c")] == [False, True, False]
    removed = wants.tidy(2) + wants.tidy(2)
    assert not wants.untidy
    assert sorted(removed) == [("anna", b"a", True), ("anna", b"b", False), ("anna", b"c", True)]
    assert wants.tidy(2) == []


def test_leaving_costs_the_same_with_any_number_of_prefixes() -> None:
    """Nothing is looked at, except what `tidy` is told to remove."""
    wants: Subscriptions[str] = Subscriptions()
    for number in range(1000):
        wants.add(b"%d" % number, "anna")
    wants.leave("anna")
    assert len(wants.tidy(10)) == 10
    assert sum(b"%d" % number in wants for number in range(1000)) == 990


def test_a_prefix_of_a_leaver_goes_over_to_the_next_subscriber() -> None:
    """It began with the leaver and has not ended, because another subscriber wants it before it was removed."""
    wants: Subscriptions[str] = Subscriptions()
    wants.add(b"a", "anna")
    wants.leave("anna")
    assert wants.add(b"a", "ben") is False
    assert wants.matching(b"a") == ("ben",)
    assert wants.tidy(10) == [("anna", b"a", False)]
    assert wants.matching(b"a") == ("ben",)
    assert wants.remove(b"a", "ben") is True


def test_only_renewed_subscriptions_stay() -> None:
    wants: Subscriptions[str] = Subscriptions()
    wants.add(b"a", "anna"), wants.add(b"b", "anna")
    wants.renew("anna")
    assert (list(wants.of("anna").prefixes), wants.of("anna").memory) == ([], 0)
    assert wants.add(b"a", "anna") is False
    assert (wants.matching(b"a"), wants.matching(b"b")) == (("anna",), ("anna",))  # until it is tidied
    assert wants.tidy(10) == [("anna", b"b", True)]
    assert (wants.matching(b"a"), wants.matching(b"b")) == (("anna",), ())
    wants.leave("anna")
    assert wants.tidy(10) == [("anna", b"a", True)]


def test_a_subscriber_may_leave_while_it_renews() -> None:
    wants: Subscriptions[str] = Subscriptions()
    wants.add(b"a", "anna"), wants.add(b"b", "anna")
    wants.renew("anna"), wants.renew("anna")
    wants.add(b"b", "anna")
    wants.leave("anna")
    assert (wants.matching(b"a"), wants.matching(b"b")) == ((), ())
    assert sorted(wants.tidy(10)) == [("anna", b"a", True), ("anna", b"b", False), ("anna", b"b", True)]
    assert not wants.untidy


class NaiveSubscriptions:
    """The clear one: a set of pairs, and every question asks them all."""

    def __init__(self) -> None:
        self.pairs: set[tuple[bytes, int]] = set()

    def matching(self, topic: bytes) -> set[int]:
        return {subscriber for prefix, subscriber in self.pairs if topic.startswith(prefix)}

    def holders(self, prefix: bytes) -> set[int]:
        return {subscriber for wanted, subscriber in self.pairs if wanted == prefix}


# Long ones too, on either side of where a prefix is cut into pieces.
lengths = st.sampled_from([0, 0, 0, PIECE - 2, PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE])
letters = st.lists(st.sampled_from([b"a", b"b", b"\xff"]), max_size=4).map(b"".join)
prefixes = st.builds(lambda length, rest: bytes(length) + rest, lengths, letters)
subscribers = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("add"), prefixes, subscribers),
    st.tuples(st.just("remove"), prefixes, subscribers),
    st.tuples(st.just("leave"), st.just(b""), subscribers),
)


@pytest.mark.requirement("37-60", "29-8")
@given(st.lists(steps, max_size=40), st.lists(prefixes, min_size=1, max_size=8))
@pytest.mark.slow
def test_the_index_agrees_with_scanning_all_subscribers(
    steps: list[tuple[str, bytes, int]], topics: list[bytes]
) -> None:
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
            index.leave(subscriber)
            for topic in topics:
                assert set(index.matching(topic)) == naive.matching(topic)
            assert {wanted for _, wanted, _ in index.tidy(100)} == theirs
        for topic in topics:
            assert set(index.matching(topic)) == naive.matching(topic)
            assert (topic in index) == bool(naive.holders(topic))


class CountingBytes(bytes):
    """A topic that counts how often it is sliced."""

    cuts = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        CountingBytes.cuts += 1
        return CountingBytes(super().__getitem__(key))


def test_publishing_does_not_ask_every_subscription() -> None:
    wants: Subscriptions[int] = Subscriptions()
    for number in range(10_000):
        wants.add(b"%05d" % number, number)
    wants.add(b"", -1), wants.add(b"0", -2)
    CountingBytes.cuts = 0
    assert sorted(wants.matching(CountingBytes(b"00042: rain"))) == [-2, -1, 42]
    assert CountingBytes.cuts <= 12


@pytest.mark.parametrize("stranger", [b"\xff", b"topic"], ids=["elsewhere", "of the topic"])
def test_lengths_do_not_make_a_topic_dearer(stranger: bytes) -> None:
    """With a thousand lengths in use, also prefixes of the topic itself, a lookup asks as often as with one."""
    wants: Subscriptions[int] = Subscriptions()
    wants.add(b"topic", 0)
    for length in range(1, 1001):
        wants.add((stranger * 1000)[:length], 1)
    topic = b"topic" * 250
    first = wants.matching(topic)
    CountingBytes.cuts = 0
    assert wants._find(CountingBytes(topic)) == first
    assert CountingBytes.cuts <= 40  # nine for each 256 octets


def test_one_long_prefix_does_not_keep_other_long_topics() -> None:
    index: Subscriptions[str] = Subscriptions()
    index.add(b"", "all")
    index.add(bytes(100_000), "a stranger")
    for number in range(100):
        topic = b"%99999d" % number
        assert index.matching(topic) == ("all",)
    assert index.matching(bytes(100_001)) == ("all", "a stranger")
    assert not index.found


def test_unused_prefix_lengths_are_not_looked_up() -> None:
    wants: Subscriptions[int] = Subscriptions()
    for length in range(100):
        wants.add(b"n" * length, 0)
    wants.leave(0)
    wants.tidy(100)
    wants.add(b"n", 1)
    assert list(wants.matching(b"n" * 100)) == [1]
    assert wants.longest == 1  # topics are told apart by no more than that


@pytest.mark.parametrize("length", [7, 255, 256, 257, 5000, 100_000])
def test_a_subscription_takes_no_more_memory_than_is_counted(length: int) -> None:
    count = 2000 // (1 + length // 100)
    wants: Subscriptions[int] = Subscriptions()
    wants.add(b"", 0)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            wants.add(b"%07d" % number + b"x" * (length - 7), 1)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert wants.of(1).memory == count * cost(length)
    assert taken <= 1.25 * wants.of(1).memory


def test_nothing_is_kept_after_all_subscribers_have_left() -> None:
    wants: Subscriptions[int] = Subscriptions()
    for length in (0, 1, 7, 255, 256, 257, 600, 1024):
        wants.add(bytes(length), length % 2), wants.add(bytes(length) + b"x", 1)
    for subscriber in (0, 1):
        wants.leave(subscriber)
    wants.tidy(100)
    root = wants._root
    left = [root.wanted, root.lengths, root.signposts, root.longer, root.answers, wants._holdings, wants._named]
    assert not any(left)


def test_all_lengths_are_looked_at_once_and_not_at_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(
        subscriptions, "max", lambda *given, **more: (looks.append(len(given)), max(*given, **more))[1], raising=False
    )
    index: Subscriptions[str] = Subscriptions()
    index.add(b"", "stays")
    for length in range(300, 0, -1):
        index.add(bytes(length), "leaves")
    index.leave("leaves")
    index.tidy(300)
    assert looks == []
    assert index.matching(bytes(300)) == ("stays",)
    assert (looks, index.longest) == ([1], 0)
    index.matching(bytes(300)), index.matching(b"x")
    assert looks == [1]
