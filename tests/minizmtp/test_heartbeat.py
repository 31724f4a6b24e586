"""Heartbeats: from times that are given, when to ask and when to give up (37/ZMTP, "Connection Heartbeating")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.heartbeat import NEVER, Heartbeat, Silence


def test_without_options_and_without_a_peers_promise_nothing_is_ever_due() -> None:
    assert Heartbeat().due() == NEVER


@pytest.mark.requirement("37-74")
def test_one_ping_for_each_interval() -> None:
    heart = Heartbeat(interval=1.0, now=10.0)
    assert heart.due() == 11.0
    assert not heart.beat(10.9)
    assert heart.beat(11.0)
    assert not heart.beat(11.0)
    assert heart.due() == 12.0


@pytest.mark.requirement("37-75")
def test_silence_for_the_timeout_after_the_first_unanswered_ping_is_death() -> None:
    heart = Heartbeat(interval=1.0, timeout=2.5)
    assert [heart.beat(now) for now in (1.0, 2.0, 3.0)] == [True, True, True]
    assert heart.due() == 3.5
    with pytest.raises(Silence, match=r"2\.5 s after a PING"):
        heart.beat(3.5)


@pytest.mark.requirement("37-75")
def test_silence_before_we_have_asked_is_not_death() -> None:
    heart = Heartbeat(interval=10.0, timeout=1.0)
    assert heart.due() == 10.0
    assert heart.beat(10.0)


@pytest.mark.requirement("37-73", "37-75")
def test_whatever_comes_is_a_sign_of_life() -> None:
    heart = Heartbeat(interval=1.0, timeout=2.5)
    for second in range(1, 20):
        assert heart.beat(float(second))
        heart.heard(second + 0.5)
    assert heart.due() == 20.0


@pytest.mark.requirement("37-71", "37-76")
def test_the_peers_own_limit_counts_from_the_last_thing_it_said_of_whatever_kind() -> None:
    """libzmq disarms its timer with the next frame: a PING, a message, then silence is never noticed there."""
    heart = Heartbeat()
    heart.heard(1.0), heart.heard_ping(0.3, 1.0)
    heart.heard(1.2)
    assert heart.due() == pytest.approx(1.5)
    with pytest.raises(Silence, match=r"0\.3 s, the peer's own limit"):
        heart.beat(1.5)


@pytest.mark.requirement("37-71")
def test_a_ttl_of_zero_is_no_promise_and_takes_an_earlier_one_back() -> None:
    heart = Heartbeat()
    heart.heard_ping(0.3, 0.0)
    heart.heard_ping(0.0, 0.1)
    assert heart.due() == NEVER


@given(st.lists(st.tuples(st.floats(0.01, 5), st.booleans()), max_size=50), st.floats(0.1, 3), st.floats(0.1, 3))
def test_a_peer_is_dead_exactly_when_a_ping_stayed_unanswered_for_so_long(
    steps: list[tuple[float, bool]], interval: float, timeout: float
) -> None:
    heart = Heartbeat(interval, timeout)
    now, asked = 0.0, NEVER
    for pause, speaks in steps:
        now += pause
        if speaks:
            heart.heard(now)
            asked = NEVER
            continue
        dead = now >= asked + timeout
        try:
            if heart.beat(now):
                asked = min(asked, now)
        except Silence:
            assert dead
            return
        assert not dead
        assert heart.due() > now
