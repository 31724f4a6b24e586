"""The fixture `world`: it runs each scenario once per pair of kinds and transport."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from interop_tests.libzmq import spares
from interop_tests.report import DIFFERENCES, PASSED, document
from interop_tests.world import World

PAIRS = ["ours-ours", "ours-libzmq", "libzmq-ours", "libzmq-libzmq"]
TRANSPORTS = ["tcp", "ipc", "inproc"]
REQUIREMENT = re.compile(r"(2[3-9]|3[0-27]|45)-[1-9]\d*|[LD]-[1-9]\d*")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-interop", action="store_true", help="write docs/INTEROP.md from the pairings that pass")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs(*names): run only these, e.g. pairs('ours-libzmq', 'libzmq-libzmq')")
    config.addinivalue_line("markers", "over(*transports): run over these only, e.g. over('tcp', 'ipc')")
    config.addinivalue_line("markers", "differs(key): libzmq differs here, as interop_tests.report says")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        PASSED.update(value for name, value in report.user_properties if name == "pairing")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-interop"):
        Path(session.config.rootpath, "docs", "INTEROP.md").write_text(document(PASSED), encoding="utf-8")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        worlds = list(worlds_of(metafunc.definition))
        metafunc.parametrize("world", worlds, ids=["-".join(world) for world in worlds], indirect=True)


def worlds_of(test: pytest.Item) -> Iterator[tuple[str, str, str]]:
    """(server, client, transport) for each world in which a test runs."""
    pairs = marked(test, "pairs") or PAIRS
    transports = marked(test, "over") or TRANSPORTS
    for transport in transports:
        for pair in pairs:
            server, client = pair.split("-")
            if transport != "inproc" or server == client:
                yield server, client, transport


def marked(test: pytest.Item, name: str) -> list[str]:
    marker = test.get_closest_marker(name)
    return list(marker.args) if marker else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as slow, and check that those of ZeroMQ cite requirements; HTTP's rules aren't numbered."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)  # because most of them start processes with libzmq in them
        name = item.module.__name__ if isinstance(item, pytest.Function) else ""
        if name.startswith("interop_tests.test_") and name != "interop_tests.test_http":
            ids = [i for marker in item.iter_markers("requirement") for i in marker.args]
            if not ids or not all(REQUIREMENT.fullmatch(i) for i in ids):
                raise pytest.UsageError(
                    f"{item.nodeid}: @pytest.mark.requirement names no requirement, or a malformed one: {ids}"
                )
            for marker in item.iter_markers("differs"):
                if marker.args[0] not in DIFFERENCES:
                    raise pytest.UsageError(f"{item.nodeid}: interop_tests.report has no difference {marker.args[0]!r}")


@pytest.fixture(scope="session", autouse=True)
def _no_process_stays_behind() -> Iterator[None]:
    yield
    spares.close()


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    server, client, transport = request.param
    async with World.open(server, client, transport) as world:
        yield world
