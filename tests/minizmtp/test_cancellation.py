"""Cancelling any await, anywhere, loses nothing, doubles nothing and leaves no half frame.

Proof by exhaustion where there are few places to cancel at (`cut_at` in helpers), by a storm where there are many.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from tests.minizmtp.helpers import CUT, TRANSPORTS, WIRES, cut_at, cuts, free_endpoint, pair, receive_all
from tests.minizmtp.inside import let_others_run_at_next_send, watchers_of
from tests.zmtp_peer import RawListener

every_cut = pytest.mark.parametrize("late", [False, True], ids=["woken", "waiting"])
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
every_wire = pytest.mark.parametrize("transport", WIRES)


async def _send_when_all_wait(sock: zmq.Socket, message: list[bytes]) -> None:
    await wait_all_tasks_blocked()
    await sock.send_multipart(message)


@every_cut
@every_transport
@pytest.mark.parametrize("early", [True, False], ids=["message-there", "message-comes"])
async def test_a_cancelled_recv_has_taken_nothing(transport: str, late: bool, early: bool) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(20):
            for step, results in cuts(late):
                message = [b"%d" % step, b"tail"]
                async with trio.open_nursery() as nursery:
                    if early:
                        await push.send_multipart(message)
                        assert await pull.poll()
                    else:
                        nursery.start_soon(_send_when_all_wait, push, message)
                    results.append(await cut_at(step, late, pull.recv_multipart))
                got = await pull.recv_multipart() if results[0] is CUT else results[0]
                assert got == message
                with pytest.raises(zmq.Again):
                    await pull.recv(zmq.NOBLOCK)


@every_cut
@every_transport
async def test_a_cancelled_recv_takes_no_message(transport: str, late: bool) -> None:
    """Another task waits too. Whoever is cancelled, the message goes to the one who is left."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(20):
            for step, results in cuts(late):
                left: list[bytes] = []

                async def other(left: list[bytes] = left) -> None:
                    left.append(await pull.recv())

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_send_when_all_wait, push, [b"1"])
                    results.append(await cut_at(step, late, pull.recv))
                    nursery.start_soon(other)
                    if results[0] is not CUT:
                        await push.send(b"2")
                assert left == [b"1" if results[0] is CUT else b"2"]


@every_cut
@every_transport
async def test_a_cancelled_recv_of_a_frame_leaves_the_frames_behind_it(transport: str, late: bool) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        frames: list[bytes] = []

        async def three_frames() -> str:
            for _ in range(3):
                frames.append(await pull.recv())  # noqa: PERF401  # what was received by the time of the cut counts
            return "done"

        with trio.fail_after(20):
            for step, results in cuts(late):
                message = [b"a%d" % step, b"b", b"c"]
                frames.clear()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_send_when_all_wait, push, message)
                    results.append(await cut_at(step, late, three_frames))
                while len(frames) < 3:
                    assert pull.rcvmore == bool(frames)
                    frames.append(await pull.recv())
                assert frames == message
                assert not pull.rcvmore


@every_cut
@every_transport
@pytest.mark.requirement("L-6", "30-10")
@pytest.mark.slow
async def test_a_cancelled_send_has_sent_nothing(transport: str, late: bool) -> None:
    """The pipe is full, then its peer comes. A send that was cancelled meanwhile must not be among what arrives."""
    with trio.fail_after(20):
        for step, results in cuts(late):
            async with zmq.Context() as ctx:
                endpoint = {"tcp": free_endpoint(), "ipc": f"ipc://@cut-{random.getrandbits(64):x}"}.get(
                    transport[:3], transport
                )
                push = ctx.socket(zmq.PUSH, linger=0, sndhwm=1, reconnect_ivl=1)
                pull = ctx.socket(zmq.PULL, linger=0)
                push.connect(endpoint)
                await push.send(b"first")

                async def bind_when_all_wait(pull: zmq.Socket = pull, endpoint: str = endpoint) -> None:
                    await wait_all_tasks_blocked()
                    pull.bind(endpoint)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(bind_when_all_wait)
                    results.append(await cut_at(step, late, lambda push=push: push.send(b"second")))
                await push.send(b"third")
                expected = [b"first", b"third"] if results[0] is CUT else [b"first", b"second", b"third"]
                assert [await pull.recv() for _ in expected] == expected
                assert not await pull.poll(5)


@every_cut
@every_transport
async def test_a_cancelled_multipart_is_sent_whole_or_not_at_all(transport: str, late: bool) -> None:
    """A call that is cancelled gives up the whole message: the program begins again with the first part."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)

        async def in_parts(number: int) -> str:
            for part, flags in [(b"%d" % number, zmq.SNDMORE), (b"", zmq.SNDMORE), (b"end", 0)]:
                await push.send(part, flags)
            return "done"

        with trio.fail_after(20):
            for step, results in cuts(late):
                let_others_run_at_next_send(push)  # let others run at each call: there is no other wait
                results.append(await cut_at(step, late, lambda step=step: in_parts(step)))
                if results[0] is CUT:
                    assert not await pull.poll(5)
                    await in_parts(step)
                assert await pull.recv_multipart() == [b"%d" % step, b"", b"end"]
                assert not await pull.poll(5)


@every_cut
@every_transport
async def test_a_cancelled_poll_leaves_nothing_behind(transport: str, late: bool) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(20):
            for step, results in cuts(late):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_send_when_all_wait, push, [b"%d" % step])
                    results.append(await cut_at(step, late, pull.poll))
                assert results[0] in (CUT, zmq.POLLIN)
                assert not watchers_of(pull)
                assert await pull.recv() == b"%d" % step


@every_cut
@every_transport
async def test_a_request_and_its_reply_survive_any_cancellation(transport: str, late: bool) -> None:
    """A cancelled recv of a REQ has not lost the reply, and the REQ still awaits it."""
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, transport)

        async def answer() -> None:
            await rep.send(await rep.recv() + b"!")

        with trio.fail_after(20):
            for step, results in cuts(late):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(answer)
                    await req.send(b"%d" % step)
                    results.append(await cut_at(step, late, req.recv))
                    got = await req.recv() if results[0] is CUT else results[0]
                assert got == b"%d!" % step


@every_cut
@every_transport
@pytest.mark.slow
async def test_leaving_a_context_can_be_cancelled_anywhere(transport: str, late: bool) -> None:
    """What arrived by then is the beginning of what was sent: in order, whole, nothing twice."""
    with trio.fail_after(30):
        for step, results in cuts(late):
            async with zmq.Context() as other:
                async with zmq.Context() as ctx:
                    same_context = ctx if transport.startswith("inproc") else other
                    pull = same_context.socket(zmq.PULL)
                    pull.bind(transport)
                    push = ctx.socket(zmq.PUSH)
                    push.connect(pull.last_endpoint)
                    for number in range(50):
                        await push.send_multipart([b"%d" % number, bytes(5000)])

                    async def leave(ctx: zmq.Context = ctx) -> str:
                        await ctx.term()
                        return "done"

                    results.append(await cut_at(step, late, leave))
                    if results[0] is not CUT and same_context is other:
                        assert len(await receive_all(pull)) == 50
                        continue
                    push.close(linger=0)
                if same_context is other:
                    got = await receive_all(pull)
                    assert got == [[b"%d" % number, bytes(5000)] for number in range(len(got))]


@every_cut
@every_wire
async def test_a_cancelled_context_delivers_no_half_message(transport: str, late: bool) -> None:
    """The first message is larger than what the system takes at once: it is cut off, and not delivered."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, linger=0)
        pull.bind(transport)
        with trio.fail_after(20), trio.CancelScope() as scope:
            async with zmq.Context() as sender:
                push = sender.socket(zmq.PUSH)
                push.connect(pull.last_endpoint)
                await push.send(b"small")
                await push.send(bytes(1 << 26))
                if late:
                    assert await pull.recv() == b"small"
                scope.cancel()
        assert [message for message in await receive_all(pull) if message != [b"small"]] == []


@pytest.mark.requirement("L-13", "37-27")
async def test_a_frame_under_way_is_not_broken_by_a_cancelled_send() -> None:
    """Seen from the wire: whatever is cancelled, the stream goes on at a frame's boundary, with what was sent."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=1, sndbuf=4096)
        push.connect(server.endpoint)
        with trio.fail_after(20):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                body = bytes(300_000)
                sent, cancelled = 0, 0
                while cancelled < 5:
                    with trio.move_on_after(0.01) as scope:
                        await push.send(b"%06d" % sent + body)
                        sent += 1
                    cancelled += scope.cancelled_caught
                for number in range(sent):
                    assert await peer.message() == [b"%06d" % number + body]
                await push.send(b"end")
                assert await peer.message() == [b"end"]


# ------------------------------------------------------------------------------------------------------- storms


async def _storm(
    receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]
) -> tuple[int, int, int]:
    """3,000 numbered messages against receives that are cancelled after 0 to 0.6 ms: cancelled, lost, doubled."""
    messages, got, cancelled = 3000, Counter[int](), 0
    pauses, bounds = random.Random("pauses"), random.Random("bounds")  # one each: the order of tasks changes neither

    async def feed() -> None:
        for number in range(messages):
            await send(b"%d" % number)
            if number % 2:
                await trio.sleep(pauses.random() * 0.0006)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        with trio.move_on_after(20) as patience:
            while got.total() < messages and cancelled < 100_000:
                with trio.move_on_after(bounds.random() * 0.0006) as scope:
                    got[int(await receive())] += 1
                    patience.deadline = trio.current_time() + 0.5  # because after a loss, receive() would wait for ever
                cancelled += scope.cancelled_caught
    return cancelled, messages - len(got), got.total() - len(got)


@pytest.mark.slow
async def test_a_storm_of_cancelled_receives_loses_nothing() -> None:
    with trio.fail_after(60):
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)
            cancelled, lost, doubled = await _storm(pull.recv, push.send)
    assert (lost, doubled) == (0, 0)
    assert cancelled > 500


@pytest.mark.slow
async def test_a_memory_channel_is_no_better_in_the_same_storm() -> None:
    """The control: what trio itself promises, and whether the storm is one."""
    with trio.fail_after(60):
        sender, receiver = trio.open_memory_channel[bytes](1000)
        cancelled, lost, doubled = await _storm(receiver.receive, sender.send)
    assert (lost, doubled) == (0, 0)
    assert cancelled > 500


@pytest.mark.slow
async def test_a_storm_of_cancelled_sends_sends_only_the_others() -> None:
    sent: list[bytes] = []
    got: list[bytes] = []
    cancelled = 0
    pauses, bounds = random.Random("pauses"), random.Random("bounds")
    with trio.fail_after(60):
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, hwm=2, sndbuf=4096, rcvbuf=4096)

            async def read_slowly() -> None:
                while got[-1:] != [b"the en"]:
                    got.append((await pull.recv())[:6])
                    await trio.sleep(pauses.random() * 0.0006)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read_slowly)
                for number in range(2000):
                    with trio.move_on_after(bounds.random() * 0.0006) as scope:
                        await push.send(b"%06d" % number + bytes(4000))
                        sent.append(b"%06d" % number)
                    cancelled += scope.cancelled_caught
                await push.send(b"the end")
    assert got[:-1] == sent
    assert cancelled > 300
