"""Validates the check: our sockets pass, and libzmq fails exactly the cases listed here."""

import sys
from pathlib import Path

import pytest

import interop_tests.stacks
from minizmtp.check.__main__ import credentials
from minizmtp.check.case import ALL, Verdict
from minizmtp.check.matrix import play_pair
from minizmtp.check.peer import Terms
from minizmtp.check.program import Driver
from minizmtp.check.run import Result, check_driven

OURS = f"{sys.executable} -m minizmtp.check.driver"
LIBZMQ = f"{sys.executable} {Path(interop_tests.stacks.__path__[0]) / 'pyzmq_driver.py'}"

# The cases that libzmq 4.3.5 fails, by mechanism; "clear" stands for NULL and PLAIN.
# With CURVE, libzmq takes a MORE outside of the box, too.
SHOULD_BROKEN = {"flags-outside-the-box"}
DEPARTURES = {
    "every": {"greeting-is-sent-at-once"},
    "clear": {
        "command-with-more",
        "empty-name",
        "long-ttl",
        "name-of-other-characters",
        "name-that-ends-early",
        "reserved-bits",
        "ttl-after-other-traffic",
    },
    "NULL": {
        "empty-property-name",
        "identity-too-long",
        "other-protocol",
        "wrong-type-in-capitals",
        "wrong-type-is-told",
    },
    "PLAIN server": {"plain-server-says-so", "plain-error-is-spelt"},
    "CURVE": {"other-flags-inside"},
    "CURVE server": {
        "curve-server-says-so",
        "hello-with-other-content",
        "hello-with-padding",
        "initiate-with-old-nonce",
    },
}
SOCKETS = [
    ("PULL", "NULL", False),
    ("REP", "NULL", False),
    ("ROUTER", "NULL", False),
    ("XPUB", "NULL", False),
    ("SUB", "NULL", True),
    ("DEALER", "NULL", True),
    ("PULL", "PLAIN", False),
    ("PUSH", "PLAIN", True),
    ("DEALER", "CURVE", False),
    ("DEALER", "CURVE", True),
]
every_socket = pytest.mark.parametrize(("kind", "mechanism", "dials"), SOCKETS)
pytestmark = [pytest.mark.slow, pytest.mark.requirement("37-21", "37-22")]


async def checked(command: str, kind: str, mechanism: str, dials: bool) -> list[Result]:
    terms, options = credentials(mechanism, Terms(kind, dials=dials))
    return await check_driven(Driver(command), terms, ALL, options=options)


def not_passed(results: list[Result]) -> list[tuple[str, str, str, str]]:
    return [
        (result.name, result.expected, result.came, result.note)
        for result in results
        if result.verdict is not Verdict.PASSED
    ]


@every_socket
async def test_our_sockets_pass(kind: str, mechanism: str, dials: bool) -> None:
    """Except for one rule that libzmq breaks as well: a publisher keeps a prefix once for each peer."""
    results = await checked(OURS, kind, mechanism, dials)
    assert len(results) > 25
    assert [it for it in not_passed(results) if it[0] != "subscriptions-add"] == []


@every_socket
async def test_libzmq_departs_as_it_is_known_to(kind: str, mechanism: str, dials: bool) -> None:
    results = await checked(LIBZMQ, kind, mechanism, dials)
    failed = {result.name for result in results if result.verdict not in (Verdict.PASSED, Verdict.LIBZMQ)}
    assert failed == (SHOULD_BROKEN if mechanism == "CURVE" else set())
    expected = DEPARTURES["every"] | (DEPARTURES["clear"] if mechanism != "CURVE" else set())
    expected |= DEPARTURES.get(mechanism, set()) | (set() if dials else DEPARTURES.get(f"{mechanism} server", set()))
    of_this_kind = {"SUB": {"long-subscription-to-old-peers"}, "XPUB": {"subscriptions-add"}}.get(kind, set())
    departures = {result.name for result in results if result.verdict is Verdict.LIBZMQ}
    assert departures - {"padding-is-zeros"} == expected | of_this_kind


@pytest.mark.parametrize(("binds", "connects"), [(OURS, LIBZMQ), (LIBZMQ, OURS)], ids=["ours-libzmq", "libzmq-ours"])
async def test_every_scenario_with_libzmq(binds: str, connects: str) -> None:
    results = await play_pair(Driver(binds), Driver(connects))
    assert len(results) == 51
    assert not_passed(results) == []
