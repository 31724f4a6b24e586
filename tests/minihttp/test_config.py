"""Timeouts and limits: every way to give them, and what is refused."""

import pytest

from minihttp import Limits, Timeout


@pytest.mark.parametrize(
    ("timeout", "phases"),
    [
        (Timeout(3), (3, 3, 3, 3)),
        (Timeout(None), (None, None, None, None)),
        (Timeout(3, read=None), (3, None, 3, 3)),
        (Timeout((1, 2, 3, 4)), (1, 2, 3, 4)),
        (Timeout(connect=1, read=2, write=3, pool=4), (1, 2, 3, 4)),
        (Timeout(Timeout(3, pool=9)), (3, 3, 3, 9)),
    ],
)
def test_every_form_of_a_timeout(timeout, phases):
    assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == phases


def test_a_timeout_needs_a_default_or_every_phase():
    with pytest.raises(ValueError, match="one number for all phases, or each of"):
        Timeout(connect=1)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_no_negative_patience(seconds):
    with pytest.raises(ValueError, match="expected seconds >= 0"):
        Timeout(seconds)


def test_limits_are_unlimited_unless_said():
    assert Limits() == Limits(None, None, 5.0)
