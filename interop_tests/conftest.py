"""The fixture `world`: it runs each scenario once per pair of kinds and transport."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest

from interop_tests.libzmq import spares
from interop_tests.world import World

PAIRS = ["ours-ours", "ours-libzmq", "libzmq-ours", "libzmq-libzmq"]
TRANSPORTS = ["tcp", "ipc", "inproc"]
REQUIREMENT = re.compile(r"(2[3-9]|3[0-27])-[1-9]\d*|L-[1-9]\d*")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs(*names): run only these, e.g. pairs('ours-libzmq', 'libzmq-libzmq')")
    config.addinivalue_line("markers", "over(*transports): run over these only, e.g. over('tcp', 'ipc')")


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
    """Each test here says which requirements it proves: a table is made of these citations."""
    for item in items:
        if isinstance(item, pytest.Function) and item.module.__name__.startswith("interop_tests.test_"):
            ids = [i for marker in item.iter_markers("requirement") for i in marker.args]
            if not ids or not all(REQUIREMENT.fullmatch(i) for i in ids):
                raise pytest.UsageError(
                    f"{item.nodeid}: @pytest.mark.requirement names no requirement, or a strange one: {ids}"
                )


@pytest.fixture(scope="session", autouse=True)
def _no_process_stays_behind() -> Iterator[None]:
    yield
    spares.close()


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    server, client, transport = request.param
    async with World.open(server, client, transport) as world:
        yield world
