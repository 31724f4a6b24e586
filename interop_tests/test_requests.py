"""28/REQREP: a REQ that needn't wait for a reply (`req_relaxed`), and one that numbers its requests (`req_correlate`).

A REQ must receive the reply before it sends again, so one lost reply blocks it for ever. `req_relaxed` lifts this rule.
Then a late reply might be taken for the reply to a later request; `req_correlate` prevents that.
"""

import pytest

from interop_tests.raw import RawListener
from interop_tests.world import EFSM, World, refuses

EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")
CORRELATED = {"req_relaxed": 1, "req_correlate": 1}


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("L-31", "28-1")
async def test_only_a_relaxed_req_may_ask_again(world: World) -> None:
    for relaxed in (0, 1):
        router, req = await world.pair("ROUTER", "REQ", {}, {"req_relaxed": relaxed})
        with refuses(EFSM):
            await req.recv()
        await req.send(b"one")
        if not relaxed:
            with refuses(EFSM):
                await req.send(b"two")
            continue
        await req.send(b"two")
        asked = [await router.recv_multipart() for _ in range(2)]
        assert [frames[2] for frames in asked] == [b"one", b"two"]
        await router.send_multipart([*asked[0][:2], b"late, and taken for the answer to two"])
        assert await req.recv() == b"late, and taken for the answer to two"
        with refuses(EFSM):
            await req.recv()


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("L-31", "L-32")
async def test_a_numbered_question_takes_only_its_own_answer(world: World) -> None:
    router, req = await world.pair("ROUTER", "REQ", {}, CORRELATED)
    await req.send(b"one")
    await req.send(b"two")
    one, two = [await router.recv_multipart() for _ in range(2)]
    assert (one[2:], two[2:]) == ([b"", b"one"], [b"", b"two"])
    numbers = [int.from_bytes(frames[1], "little") for frames in (one, two)]
    assert (numbers[0] + 1) % 2**32 == numbers[1]
    for question in (one, two):
        await router.send_multipart([*question[:3], b"answer to " + question[3]])
    assert await req.recv() == b"answer to two"
    with refuses(EFSM):
        await req.recv()


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("L-32", "28-13", "28-16")
async def test_a_rep_gives_the_number_back(world: World) -> None:
    rep, req = await world.pair("REP", "REQ", {}, CORRELATED)
    for n in range(3):
        await req.send(b"abandoned %d" % n)
        await req.send(b"question %d" % n)
        for _ in range(2):
            question = await rep.recv()
            await rep.send(b"re " + question)
        assert await req.recv() == b"re question %d" % n


@EVERY_KIND
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-32", "L-33", "28-3")
async def test_a_number_is_a_frame_of_four_octets_before_the_delimiter(world: World) -> None:
    async with RawListener.listen() as listener:
        req = await world.server.socket("REQ", req_correlate=1)
        await req.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake("REP")
            numbers = []
            for question in (b"q1", b"q2"):
                await req.send(question)
                number, delimiter, body = [await raw.receive_frame() for _ in range(3)]
                assert number[:2] == b"\x01\x04"
                assert (delimiter, body) == (b"\x01\x00", b"\x00\x02" + question)
                numbers.append(int.from_bytes(number[2:], "little"))
                another = b"\x01\x04" + ((numbers[-1] + 7) % 2**32).to_bytes(4, "little")
                await raw.send(another + delimiter + b"\x00\x05wrong" + number + delimiter + b"\x00\x05right")
                assert await req.recv() == b"right"
            assert (numbers[0] + 1) % 2**32 == numbers[1]


@EVERY_KIND
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-33", "28-8")
async def test_a_reply_with_an_unknown_request_id_is_skipped(world: World) -> None:
    async with RawListener.listen() as listener:
        req = await world.server.socket("REQ")
        await req.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake("REP")
            await req.send(b"question")
            await raw.receive(2 + 2 + len(b"question"))
            await raw.send(b"\x01\x04abcd\x01\x00\x00\x05wrong" + b"\x01\x00\x00\x05right")
            assert await req.recv() == b"right"
