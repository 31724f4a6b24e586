"""Each case catches the peer that breaks its rule, and no other case does; a peer without a mistake passes."""

from collections.abc import Sequence

import pytest
import trio

from minizmtp.check import __main__ as command_line
from minizmtp.check import boxes
from minizmtp.check.case import ALL, CLEAR, Case, Verdict
from minizmtp.check.peer import Terms
from minizmtp.check.run import Result, Run
from tests.check.model import CLIENT, SERVER, Model
from tests.check.web_model import WebModel

# What a mistake spoils as well, because the cases need what it breaks.
COMPANIONS = {
    "command-between-frames": {"command-inside-a-message"},
    "empty-frame": {"receives-every-size"},
    "short-frame-of-255": {"receives-every-size"},
    "subscribe-is-a-command": {"long-subscriptions"},
    "greeting-and-ready-together": {"greeting-is-sent-at-once"},
    "version-comes-before-ours": {"greeting-is-sent-at-once"},
    "ttl-runs-out": {"ttl-after-other-traffic"},
    "client-speaks-first": {"stays-away-after-an-error", "stays-away-from-the-wrong-type"},
    "more-is-one": {"dealer-changes-nothing"},
    "notice-of-subscription": {"second-subscriber", "subscriber-leaves"},
}
# A peer that makes these mistakes can't be talked to, so more or less every case fails.
FUNDAMENTAL = {
    "greeting-is-answered",
    "ready-is-answered",
    "hello-is-answered",
    "password-is-accepted",
    "client-hello",
    "upgrade-is-answered",
    "flags-are-one-octet",
    "sent-as-binary",
}


def terms_for(case: type[Case], kind: str = "") -> Terms:
    """A socket that the case is for."""
    mechanism = case.mechanisms[0] if b"NULL" not in case.mechanisms else b"NULL"
    kind = kind or next((each for each in ("PULL", "DEALER", "PUSH") if each in case.kinds), case.kinds[0])
    if case.dials is None and case.name() == "all-partners-fit":
        kind = "DEALER"
    dials = bool(case.dials)
    serves = True if case.serves is None else case.serves
    keys = boxes.Keys(*CLIENT, SERVER[0]) if serves else boxes.Keys(*SERVER)
    return Terms(
        kind,
        mechanism,
        minor=0 if case.web else 1,
        dials=dials,
        serves=serves,
        username=b"anna",
        password=b"secret",
        curve=keys,
        path="/check" if case.web else "",
        beats=case.beats,
    )


def model_for(terms: Terms, mistake: str = "") -> Model:
    return (WebModel if terms.path else Model)(terms, mistake)


async def played(model: Model, cases: Sequence[type[Case]] = ALL) -> list[Result]:
    return await Run(model, cases).run()


def failures(results: Sequence[Result]) -> set[str]:
    return {result.name for result in results if result.verdict in (Verdict.FAILED, Verdict.LIBZMQ, Verdict.ENDED)}


SOCKETS = [
    pytest.param(kind, mechanism, dials, path, id=f"{kind}-{mechanism.decode()}-{'dials' if dials else 'binds'}{path}")
    for kind in ("REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR")
    for mechanism in (*CLEAR, b"CURVE")
    for dials in (False, True)
    for path in ("", "/check")
    if not path or kind in ("REQ", "DEALER", "XPUB", "SUB")
]


@pytest.mark.parametrize(("kind", "mechanism", "dials", "path"), SOCKETS)
async def test_a_right_peer_passes_every_case(
    kind: str, mechanism: bytes, dials: bool, path: str, autojump_clock: trio.abc.Clock
) -> None:
    serves = not dials
    keys = boxes.Keys(*CLIENT, SERVER[0]) if serves else boxes.Keys(*SERVER)
    terms = Terms(
        kind,
        mechanism,
        minor=0 if path else 1,
        dials=dials,
        serves=serves,
        username=b"anna",
        password=b"secret",
        curve=keys,
        path=path,
        beats=True,
    )
    results = await played(model_for(terms))
    assert len(results) > 15
    assert [
        (result.name, result.expected, result.came) for result in results if result.verdict is not Verdict.PASSED
    ] == []


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name())
async def test_a_wrong_peer_is_caught_by_its_case_alone(case: type[Case], autojump_clock: trio.abc.Clock) -> None:
    caught = failures(await played(model_for(terms_for(case), case.name())))
    if case.name() in FUNDAMENTAL:
        assert case.name() in caught
    else:
        assert caught == {case.name()} | COMPANIONS.get(case.name(), set())


def test_every_case_is_in_a_group_of_the_command_line() -> None:
    groups = {module.__name__.rpartition(".")[2] for module in command_line.GROUPS}
    assert {case.group for case in ALL} == groups
