"""Each stack that is installed talks to ours in every scenario, and keeps the rules as it is known to.

What is not installed is skipped; `python -m interop_tests.stacks install` installs what can be had.
"""

import pytest

from interop_tests.stacks.stacks import BUILT_IN, STACKS, Stack, command_of, installed
from minizmtp.check.__main__ import credentials
from minizmtp.check.case import ALL, Verdict
from minizmtp.check.matrix import play_pair
from minizmtp.check.peer import Terms
from minizmtp.check.program import Driver
from minizmtp.check.run import Result, check_driven

OTHERS = [stack for stack in STACKS if stack.key not in BUILT_IN]
OURS = next(stack for stack in STACKS if stack.key == "minizmtp")

# What fails with ours fails with libzmq, too: docs/CONFORMANCE.md has the table.
KNOWN_SCENARIOS: dict[str, set[str]] = {
    "libzmq-4.3.4": {"long-topics"},
    "debian": {"long-topics"},
    "pyomq": {"upstream"},
    "go-zeromq": {
        "notices",
        "requests",
        "requests-to-a-router",
        "restart-of-the-one-that-binds",
        "restart-of-the-one-that-connects",
        "upstream",
    },
    "rzmq": {"encrypted-heartbeats", "long-topics"},
    "zmq.rs": {"restart-of-the-one-that-binds"},
}
# So many scenarios may end the other stack's process; docs/CONFORMANCE.md counts them.
KNOWN_ENDS = {"libzmq-4.3.2": 2}
KNOWN_CASES: dict[str, set[str]] = {
    "libzmq-4.1.6": {"size-above-all"},
    "libzmq-4.2.5": {"size-above-all"},
    "rzmq": {
        "as-server-is-zero",
        "newer-major-version",
        "server-speaks-too",
        "size-above-all",
        "type-in-small-letters",
        "wrong-type-is-told",
        "wrong-types",
    },
    "jeromq": {"size-above-all"},
    "zmq.rs": {
        "almost-the-mechanism",
        "names-without-case",
        "no-socket-type",
        "old-version",
        "oldest-version",
        "size-above-all",
    },
    "pyomq": {
        "as-server-is-not-read",
        "dealer-sends-in-turn",  # not in each run
        "late-ready",
        "no-socket-type",
        "oldest-version",
        "wrong-types",
    },
}

every_stack = pytest.mark.parametrize("stack", OTHERS, ids=lambda stack: stack.key)
pytestmark = [pytest.mark.slow, pytest.mark.requirement("37-22"), pytest.mark.timeout(600)]


def skip_unless_installed(stack: Stack) -> None:
    if not installed(stack):
        pytest.skip(f"{stack.title} is not installed: python -m interop_tests.stacks install {stack.key}")


def failed(results: list[Result]) -> set[str]:
    return {result.name for result in results if result.verdict is Verdict.FAILED}


def ended(results: list[Result]) -> int:
    return sum(result.verdict is Verdict.ENDED for result in results)


@every_stack
@pytest.mark.parametrize("ours_binds", [True, False], ids=["ours-binds", "ours-connects"])
async def test_every_scenario_with_ours(stack: Stack, ours_binds: bool) -> None:
    skip_unless_installed(stack)
    if stack.key == "jeromq":
        pytest.skip("one connect in twenty never finishes its handshake, with libzmq as with ours")
    drivers = [Driver(command_of(OURS)), Driver(command_of(stack))]
    results = await play_pair(*(drivers if ours_binds else drivers[::-1]))
    names = {name.removesuffix("-first-binds").removesuffix("-second-binds") for name in failed(results)}
    assert names <= KNOWN_SCENARIOS.get(stack.key, set())
    assert ended(results) <= KNOWN_ENDS.get(stack.key, 0)
    assert sum(result.verdict is Verdict.PASSED for result in results) > 10


@every_stack
async def test_the_rules_that_a_dealer_keeps(stack: Stack) -> None:
    skip_unless_installed(stack)
    if stack.key == "go-zeromq":
        pytest.skip("its process ends in some cases: docs/CONFORMANCE.md counts them")
    terms, options = credentials("NULL", Terms("DEALER"))
    results = await check_driven(Driver(command_of(stack)), terms, ALL, options=options)
    assert failed(results) <= KNOWN_CASES.get(stack.key, set())
    assert ended(results) == 0
