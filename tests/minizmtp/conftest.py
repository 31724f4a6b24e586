"""Fixtures of the trio layer's tests."""

import logging
import os
from collections.abc import Iterator

import pytest
from trio.testing import MockClock

from minizmtp.net import runtime
from minizmtp.net.portable import TaskReactor

# The reactor of other systems than Linux, in all tests: MINIZMTP_REACTOR=tasks python -m pytest tests/minizmtp
WITH_TASKS = os.environ.get("MINIZMTP_REACTOR") == "tasks"
if WITH_TASKS:
    runtime.new_reactor = TaskReactor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WITH_TASKS and item.get_closest_marker("epoll"):
            item.add_marker(pytest.mark.skip(reason="only the reactor with epoll does this"))


@pytest.fixture
def quick_clock(autojump_clock: MockClock) -> MockClock:
    """Virtual time that jumps to the next deadline. Not at once but when nothing has happened for 10 ms of real time:
    what is on its way through the system's loopback does not stand on trio's books."""
    autojump_clock.autojump_threshold = 0.01
    return autojump_clock


@pytest.fixture
def errors_expected() -> None:
    """For tests that make something go wrong inside the library: see below."""


@pytest.fixture(autouse=True)
def _nothing_wrong_inside(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A mistake of ours in one connection is logged and goes no further. A test that does not look would not see it."""
    yield
    if "errors_expected" not in request.fixturenames:
        wrong = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
        assert not wrong, f"logged: {wrong}"
