"""37/ZMTP, "Connection Metadata": which types of socket may talk to each other.

Each pairing has one short conversation, in all four pairs, with either of the two types bound. docs/INTEROP.md lists
the tests that pass (see `report`). Other tests of the types are in the files of their RFCs.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from interop_tests import report
from interop_tests.report import REFUSED, TALKING, TYPES, Pairing
from interop_tests.test_pubsub import settle_xsub
from interop_tests.world import Peer, World, settle

DOCUMENT = Path(__file__).parent.parent / "docs" / "INTEROP.md"


async def both_ways(one: Peer, other: Peer) -> None:
    for sender, receiver in ((one, other), (other, one)):
        await sender.send_multipart([b"a", b"", b"c"])
        assert await receiver.recv_multipart() == [b"a", b"", b"c"]


async def push_pull(push: Peer, pull: Peer) -> None:
    await push.send_multipart([b"a", b"", b"c"])
    assert await pull.recv_multipart() == [b"a", b"", b"c"]


async def req_rep(req: Peer, rep: Peer) -> None:
    for _ in range(2):
        await req.send_multipart([b"question", b""])
        assert await rep.recv_multipart() == [b"question", b""]
        await rep.send(b"answer")
        assert await req.recv() == b"answer"


async def req_router(req: Peer, router: Peer) -> None:
    for _ in range(2):
        await req.send(b"question")
        name, delimiter, question = await router.recv_multipart()
        assert (delimiter, question) == (b"", b"question")
        await router.send_multipart([name, b"", b"answer"])
        assert await req.recv() == b"answer"


async def dealer_rep(dealer: Peer, rep: Peer) -> None:
    for n in range(2):  # two requests at once, because a DEALER need not wait
        await dealer.send_multipart([b"", b"question %d" % n])
    for n in range(2):
        assert await rep.recv() == b"question %d" % n
        await rep.send(b"answer %d" % n)
    for n in range(2):
        assert await dealer.recv_multipart() == [b"", b"answer %d" % n]


async def dealer_router(dealer: Peer, router: Peer) -> None:
    await dealer.send_multipart([b"job", b""])
    name, *job = await router.recv_multipart()
    assert job == [b"job", b""]
    for n in range(2):
        await router.send_multipart([name, b"result %d" % n])
    for n in range(2):
        assert await dealer.recv() == b"result %d" % n


async def router_router(prober: Peer, probed: Peer) -> None:
    """Each must know the other's name before it can send. The probe tells one of them (L-30)."""
    assert await probed.recv_multipart() == [b"prober", b""]
    await probed.send_multipart([b"prober", b"who is there?"])
    assert await prober.recv_multipart() == [b"probed", b"who is there?"]
    await prober.send_multipart([b"probed", b"me", b""])
    assert await probed.recv_multipart() == [b"prober", b"me", b""]


async def pub_sub(pub: Peer, sub: Peer) -> None:
    await sub.subscribe(b"a")
    await settle(pub, sub)
    await pub.send_multipart([b"b", b"not wanted"])
    await pub.send_multipart([b"abc", b"wanted"])
    assert await sub.recv_multipart() == [b"abc", b"wanted"]


async def xpub_sub(xpub: Peer, sub: Peer) -> None:
    await sub.subscribe(b"a")
    assert await xpub.recv() == b"\x01a"
    await xpub.send_multipart([b"b", b"not wanted"])
    await xpub.send_multipart([b"abc", b"wanted"])
    assert await sub.recv_multipart() == [b"abc", b"wanted"]
    await sub.unsubscribe(b"a")
    assert await xpub.recv() == b"\x00a"


async def pub_xsub(pub: Peer, xsub: Peer) -> None:
    await xsub.send(b"\x01a")
    await settle_xsub(pub, xsub)
    await pub.send_multipart([b"b", b"not wanted"])
    await pub.send_multipart([b"abc", b"wanted"])
    assert await xsub.recv_multipart() == [b"abc", b"wanted"]


async def xpub_xsub(xpub: Peer, xsub: Peer) -> None:
    await xsub.send(b"\x01a")
    assert await xpub.recv() == b"\x01a"
    await xpub.send_multipart([b"b", b"not wanted"])
    await xpub.send_multipart([b"abc", b"wanted"])
    assert await xsub.recv_multipart() == [b"abc", b"wanted"]
    await xsub.send_multipart([b"up", b"the stream"])
    assert await xpub.recv_multipart() == [b"up", b"the stream"]


CONVERSATIONS: dict[tuple[str, str], Callable[[Peer, Peer], Awaitable[None]]] = {
    ("PAIR", "PAIR"): both_ways,
    ("PUB", "SUB"): pub_sub,
    ("PUB", "XSUB"): pub_xsub,
    ("XPUB", "SUB"): xpub_sub,
    ("XPUB", "XSUB"): xpub_xsub,
    ("PUSH", "PULL"): push_pull,
    ("REQ", "REP"): req_rep,
    ("REQ", "ROUTER"): req_router,
    ("DEALER", "REP"): dealer_rep,
    ("DEALER", "DEALER"): both_ways,
    ("DEALER", "ROUTER"): dealer_router,
    ("ROUTER", "ROUTER"): router_router,
}

PROBER = {"routing_id": b"prober", "probe_router": 1}
PROBED = {"routing_id": b"probed"}


@pytest.mark.over("tcp", "ipc")
@pytest.mark.parametrize(("binds", "connects"), TALKING, ids=["-".join(pair) for pair in TALKING])
@pytest.mark.requirement("37-41", "37-43", "37-44", "37-51", "37-55")
async def test_a_pairing_that_talks(
    world: World, binds: str, connects: str, record_property: Callable[[str, object], None]
) -> None:
    options: list[dict[str, Any]] = [PROBED, PROBER] if binds == connects == "ROUTER" else [{}, {}]
    server, client = await world.pair(binds, connects, *options)
    if binds != connects and (binds, connects) in CONVERSATIONS:
        await CONVERSATIONS[binds, connects](server, client)
    else:
        await CONVERSATIONS[connects, binds](client, server)
    record_property("pairing", Pairing(binds, connects, f"{world.server.kind}-{world.client.kind}", world.transport))


@pytest.mark.over("tcp")
@pytest.mark.parametrize("binds", TYPES)
@pytest.mark.requirement("37-43", "37-44", "37-45", "L-20")
async def test_pairings_that_are_refused(
    world: World, binds: str, record_property: Callable[[str, object], None]
) -> None:
    """Every pairing is refused, and a peer of the right type still works."""
    server = await world.server.socket(binds)
    await server.bind(world.endpoint())
    for connects in [other for one, other in REFUSED if one == binds]:
        client = await world.client.socket(connects, reconnect_ivl=10)
        await client.connect(server.last_endpoint)
        await client.wait_event("DISCONNECTED")
        await server.wait_event("DISCONNECTED")
        for peer in (server, client):
            assert peer.events.count("HANDSHAKE_SUCCEEDED") == 0, f"{peer.name} shakes hands"
        pairing = Pairing(binds, connects, f"{world.server.kind}-{world.client.kind}", "tcp")
        record_property("pairing", pairing)
    welcome = await world.client.socket(next(connects for one, connects in TALKING if one == binds))
    await world.join(server, welcome)


@pytest.mark.requirement("37-44")
def test_the_document_lists_exactly_what_is_tested(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-interop"):
        pytest.skip("this run writes the document")
    everything = {Pairing(*types, pair, t) for types in TALKING for pair in report.PAIRS for t in report.TRANSPORTS}
    everything |= {Pairing(*types, pair, "tcp") for types in REFUSED for pair in report.PAIRS}
    written = DOCUMENT.read_text(encoding="utf-8")
    words = "write it again: python -m pytest interop_tests/test_pairings.py --write-interop"
    assert written[written.index("## ") :] == report.tables(everything), words


@pytest.mark.requirement("37-44")
def test_each_difference_is_shown_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    missing = [key for key in report.DIFFERENCES if f'differs("{key}")' not in tests]
    assert not missing
