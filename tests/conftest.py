"""The shared set-up of all tests: Hypothesis profiles, the slow marker, the check of cited rules, and a browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import CHROMIUM, DRIVER, Browser, chromium

# `everyday` draws the same examples in each run, so that a failure can be repeated. To look for new ones:
# HYPOTHESIS_PROFILE=search python -m pytest tests
settings.register_profile("everyday", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "search", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

# Folders of slow tests, which run programs or many random inputs. In other folders, single tests are marked.
SLOW_FOLDERS = {Path(__file__).parent / name for name in ("check", "demo", "fuzz", "learn")}

RULE = re.compile(r"(2[3-9]|3[0-27]|45)-[1-9]\d*|[LD]-[1-9]\d*")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FOLDERS.intersection(item.path.parents) or "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
        for marker in item.iter_markers("requirement"):
            wrong = [rule for rule in marker.args if not RULE.fullmatch(rule)]
            if wrong or not marker.args:
                raise pytest.UsageError(f"{item.nodeid} cites {wrong or 'nothing'}: a rule is written 37-22 or L-7")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; each test opens its own page."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("there is no Chromium here, or no chromedriver (on Debian: the packages chromium, chromium-driver)")
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
