"""28/REQREP: a request, and the reply to it.

Each test runs in every pair of {ours, libzmq} × {ours, libzmq} over each transport, unless a marker says otherwise.
DEALER and ROUTER act as wrong peers, because they control the envelope.
"""

from collections import Counter

import pytest
import trio

from interop_tests.world import EFSM, SIZES, Peer, World, assert_same, payload, refuses


async def answer_forever(rep: Peer, greeting: bytes = b"re ") -> None:
    while True:
        question = await rep.recv()
        await rep.send(greeting + question)


@pytest.mark.requirement("28-1", "28-2", "28-3", "28-10", "28-13", "28-16", "28-17", "37-33")
async def test_a_reply_comes_back_to_its_asker(world: World) -> None:
    rep, req = await world.pair("REP", "REQ")
    for n in range(20):
        await req.send(b"question %d" % n)
        assert await rep.recv() == b"question %d" % n
        await rep.send(b"answer %d" % n)
        assert await req.recv() == b"answer %d" % n


@pytest.mark.requirement("37-51", "28-1", "28-10")
async def test_a_req_may_bind_and_a_rep_connect(world: World) -> None:
    req, rep = await world.pair("REQ", "REP")
    await req.send(b"question")
    assert await rep.recv() == b"question"
    await rep.send(b"answer")
    assert await req.recv() == b"answer"


@pytest.mark.requirement("28-9", "28-14", "37-12", "37-23", "37-24", "37-27")
async def test_frames_of_every_size_come_back_unchanged(world: World) -> None:
    rep, req = await world.pair("REP", "REQ")
    for size in SIZES:
        await req.send(payload(size))
        echo = await rep.recv()
        await rep.send(echo)
        assert_same([await req.recv()], [payload(size)])


@pytest.mark.over("tcp")
@pytest.mark.requirement("28-9", "28-14", "37-23")
async def test_a_frame_of_64_mib_comes_back_unchanged(world: World) -> None:
    rep, req = await world.pair("REP", "REQ")
    big = payload(2**26)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(req.send, big)
        echo = await rep.recv_multipart()
    assert_same(echo, [big])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rep.send_multipart, echo)
        assert_same(await req.recv_multipart(), [big])


@pytest.mark.requirement("28-2", "28-9", "28-11", "28-14", "37-27")
async def test_multipart_keeps_its_frames_also_the_empty_ones(world: World) -> None:
    """An empty frame inside the body looks like a second delimiter. Only the first one ends the envelope."""
    rep, req = await world.pair("REP", "REQ")
    for message in (
        [b""],
        [b"", b""],
        [b"", b"a", b""],
        [b"a", b"", b"b"],
        [payload(size) for size in SIZES],
        [b"part %d" % n for n in range(300)],
    ):
        await req.send_multipart(message)
        assert_same(await rep.recv_multipart(), message)
        await rep.send_multipart(message[::-1])
        assert_same(await req.recv_multipart(), message[::-1])


@pytest.mark.requirement("28-1", "28-10", "28-15", "L-31")
async def test_speaking_out_of_turn_is_refused_and_does_no_harm(world: World) -> None:
    rep, req = await world.pair("REP", "REQ")
    with refuses(EFSM):
        await req.recv()
    with refuses(EFSM):
        await rep.send(b"an answer that nobody asked for")
    await req.send(b"question")
    with refuses(EFSM):
        await req.send(b"a second question")
    assert await req.try_recv() is None  # allowed, but no reply has arrived
    assert await rep.recv() == b"question"
    with refuses(EFSM):
        await rep.recv()
    await rep.send(b"answer")
    with refuses(EFSM):
        await rep.send(b"a second answer")
    assert await req.recv() == b"answer"
    with refuses(EFSM):
        await req.recv()


@pytest.mark.requirement("28-5", "28-6", "28-27")
async def test_a_req_without_any_peer_does_not_take_a_question(world: World) -> None:
    req = await world.client.socket("REQ")
    assert not await req.try_send(b"no server")
    rep = await world.server.socket("REP")
    await world.join(rep, req)
    await req.send(b"question")  # not EFSM, because the refused request was never sent
    assert await rep.recv() == b"question"


@pytest.mark.requirement("28-12", "28-13", "28-15", "28-17")
async def test_many_clients_each_get_their_own_answers(world: World) -> None:
    rep = await world.server.socket("REP")
    reqs = [await world.client.socket("REQ") for _ in range(16)]
    await world.join(rep, *reqs)

    async def ask_ten_times(name: int, req: Peer) -> None:
        for n in range(10):
            await req.send(b"%d asks %d" % (name, n))
            assert await req.recv() == b"re %d asks %d" % (name, n)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_forever, rep)
        async with trio.open_nursery() as asking:
            for name, req in enumerate(reqs):
                asking.start_soon(ask_ten_times, name, req)
        nursery.cancel_scope.cancel()


@pytest.mark.requirement("28-4", "28-7")
async def test_a_req_asks_its_servers_in_turn(world: World) -> None:
    req = await world.client.socket("REQ")
    async with trio.open_nursery() as nursery:
        for name in (b"a", b"b", b"c"):
            rep = await world.server.socket("REP")
            await world.join(rep, req)
            nursery.start_soon(answer_forever, rep, name)
        answers: Counter[bytes] = Counter()
        for _ in range(9):
            await req.send(b"")
            answers[await req.recv()] += 1
        nursery.cancel_scope.cancel()
    assert answers == {b"a": 3, b"b": 3, b"c": 3}


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("28-18", "28-19", "28-23")
async def test_the_answer_for_a_client_that_has_gone_is_dropped(world: World) -> None:
    rep, req = await world.pair("REP", "REQ")
    await req.send(b"question")
    assert await rep.recv() == b"question"
    await req.close(linger=0)
    await rep.wait_event("DISCONNECTED")
    await rep.send(b"lost")  # succeeds: only this reply is lost, and the REP serves the next client

    other = await world.client.socket("REQ")
    await world.join(rep, other)
    await other.send(b"question")
    assert await rep.recv() == b"question"
    await rep.send(b"answer")
    assert await other.recv() == b"answer"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("28-11", "28-13", "28-16")
async def test_a_rep_puts_the_whole_envelope_back_in_front(world: World) -> None:
    """A request through two proxies has two addresses before the delimiter. A DEALER can send that."""
    rep, dealer = await world.pair("REP", "DEALER")
    await dealer.send_multipart([b"r1", b"r2", b"", b"ques", b"", b"tion"])
    assert await rep.recv_multipart() == [b"ques", b"", b"tion"]
    await rep.send_multipart([b"re", b"ply"])
    assert await dealer.recv_multipart() == [b"r1", b"r2", b"", b"re", b"ply"]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("28-11")
async def test_a_rep_drops_what_has_no_delimiter_or_no_body(world: World) -> None:
    rep, dealer = await world.pair("REP", "DEALER")
    await dealer.send_multipart([b"no delimiter"])
    await dealer.send_multipart([b"none", b"here", b"either"])
    await dealer.send_multipart([b""])
    await dealer.send_multipart([b"r1", b""])
    await dealer.send_multipart([b"", b"a good one"])
    assert await rep.recv_multipart() == [b"a good one"]
    await rep.send(b"answer")
    assert await dealer.recv_multipart() == [b"", b"answer"]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("28-7", "28-8")
async def test_a_req_takes_no_answer_from_a_server_that_it_did_not_ask(world: World) -> None:
    """The ROUTER plays the wrong server, because unlike a REP it may send to any peer at any time."""
    asked, other = [await world.server.socket("ROUTER") for _ in range(2)]
    req = await world.client.socket("REQ")
    await world.join(asked, req)
    await world.join(other, req)
    for router in (asked, other):
        await req.send(b"hello")
        name, *envelope_and_body = await router.recv_multipart()
        assert envelope_and_body == [b"", b"hello"]
        await router.send_multipart([name, b"", b"hello"])
        assert await req.recv() == b"hello"
        if router is other:
            known_to_other = name

    await req.send(b"question")
    name, *envelope_and_body = await asked.recv_multipart()
    assert envelope_and_body == [b"", b"question"]
    await other.send_multipart([known_to_other, b"", b"not asked"])
    await asked.send_multipart([name, b"", b"answer"])
    assert await req.recv() == b"answer"
