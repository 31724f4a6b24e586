"""Poller and poll: which sockets can do what, and waiting until one can."""

import errno
import os
import select
import socket
from pathlib import Path

import pytest
import trio
import zmq as pyzmq
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import POLLIN, POLLOUT
from tests.minizmtp.helpers import TRANSPORTS, pair
from tests.minizmtp.inside import watchers_of
from tests.zmtp_peer import RawListener

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)

BOTH = POLLIN | POLLOUT


@every_transport
async def test_a_poller_lists_ready_sockets_in_order_of_registration(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        idle = ctx.socket(zmq.PULL)
        poller = zmq.Poller()
        for sock in (idle, push, pull):
            poller.register(sock)
        with trio.fail_after(10):
            assert await poller.poll() == [(push, POLLOUT)]
            await push.send(b"x")
            assert await pull.poll() == POLLIN
            assert await poller.poll() == [(push, POLLOUT), (pull, POLLIN)]
            assert await pull.recv() == b"x"
            assert await poller.poll() == [(push, POLLOUT)]


@every_transport
async def test_a_poller_wakes_at_the_first_arrival_on_any_socket(transport: str) -> None:
    async with zmq.Context() as ctx:
        pairs = [
            await pair(ctx, zmq.PULL, zmq.PUSH, transport + ("-" + "abc"[n]) * ("inproc" in transport))
            for n in range(3)
        ]
        poller = zmq.Poller()
        for pull, _ in pairs:
            poller.register(pull, POLLIN)
        with trio.fail_after(10):
            for pull, push in (pairs[2], pairs[0], pairs[1]):
                async with trio.open_nursery() as nursery:

                    async def ask(expected: zmq.Socket = pull) -> None:
                        assert await poller.poll() == [(expected, POLLIN)]

                    nursery.start_soon(ask)
                    await wait_all_tasks_blocked()
                    await push.send(b"x")
                assert await pull.recv() == b"x"
        assert not any(watchers_of(pull) for pull, _ in pairs)


@every_transport
async def test_pollout_comes_when_there_is_room_again(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport, hwm=2, sndbuf=4096, rcvbuf=4096)
        poller = zmq.Poller()
        poller.register(push, POLLOUT)
        sent = got = 0
        with trio.fail_after(10):
            while await poller.poll(20):
                await push.send(b"%6d" % sent + bytes(4000))
                sent += 1
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    assert await poller.poll() == [(push, POLLOUT)]
                    nursery.cancel_scope.cancel()

                nursery.start_soon(ask)
                while got < sent:
                    assert (await pull.recv())[:6] == b"%6d" % got
                    got += 1
                await trio.sleep_forever()
            await push.send(b"room")


async def test_pollout_comes_with_the_first_peer() -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH)
        push.bind("inproc://here")
        assert await push.poll(0, POLLOUT) == 0
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    assert await push.poll(flags=POLLOUT) == POLLOUT

                nursery.start_soon(ask)
                await wait_all_tasks_blocked()
                ctx.socket(zmq.PULL).connect("inproc://here")


async def test_a_poll_without_events_ends_at_its_timeout(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        poller = zmq.Poller()
        poller.register(pull)
        for milliseconds in (0, 20, 1500):
            start = trio.current_time()
            assert await poller.poll(milliseconds) == []
            assert await pull.poll(milliseconds) == 0
            assert trio.current_time() - start == pytest.approx(2 * milliseconds / 1000)
        for for_ever in (None, -1):
            with trio.move_on_after(100) as scope:
                await poller.poll(for_ever)
            assert scope.cancelled_caught
        assert not watchers_of(pull)


async def test_a_poll_without_sockets_just_waits(quick_clock: MockClock) -> None:
    assert await zmq.Poller().poll(100) == []


async def test_registering_modifying_and_unregistering() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        poller = zmq.Poller()
        poller.register(push)
        assert await poller.poll(0) == [(push, POLLOUT)]
        poller.register(push, POLLIN)
        assert await poller.poll(0) == []
        poller.modify(push, POLLOUT)
        assert await poller.poll(0) == [(push, POLLOUT)]
        poller.register(push, 0)
        assert await poller.poll(0) == []
        for call in (lambda: poller.modify(push, POLLIN), lambda: poller.unregister(pull)):
            with pytest.raises(KeyError, match="not registered"):
                call()
        poller.register(pull)
        poller.unregister(pull)
        poller.register(pull, 0)
        assert poller.sockets == {}


@pytest.mark.parametrize("with_poller", [True, False], ids=["poller", "poll"])
async def test_closing_a_socket_ends_a_poll_with_enotsock(with_poller: bool) -> None:
    async with zmq.Context() as ctx:
        pull, other = ctx.socket(zmq.PULL), ctx.socket(zmq.PULL)
        poller = zmq.Poller()
        poller.register(other), poller.register(pull)

        async def ask() -> None:
            for _ in range(2):  # while it waits, and once more
                with pytest.raises(zmq.ZMQError, match="closed") as caught:
                    await (poller.poll() if with_poller else pull.poll())
                assert caught.value.errno == zmq.ENOTSOCK

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await wait_all_tasks_blocked()
                pull.close()
        assert not watchers_of(pull)
        assert not watchers_of(other)


@every_transport
async def test_a_req_and_a_rep_are_ready_for_what_is_their_turn(transport: str) -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, transport)
        with trio.fail_after(10):
            assert (await req.poll(0, BOTH), await rep.poll(0, BOTH)) == (POLLOUT, 0)
            await req.send(b"?")
            assert (await req.poll(0, BOTH), await rep.poll(None, BOTH)) == (0, POLLIN)
            await rep.recv()
            assert (await req.poll(0, BOTH), await rep.poll(0, BOTH)) == (0, POLLOUT)
            await rep.send(b"!")
            assert (await req.poll(None, BOTH), await rep.poll(0, BOTH)) == (POLLIN, 0)
            await req.recv()
            assert (await req.poll(0, BOTH), await rep.poll(0, BOTH)) == (POLLOUT, 0)


async def test_each_socket_type_has_its_own_readiness() -> None:
    async with zmq.Context() as ctx:
        ready = {
            kind: await ctx.socket(kind).poll(0, BOTH)
            for kind in (zmq.PUB, zmq.XPUB, zmq.XSUB, zmq.ROUTER, zmq.SUB, zmq.PULL, zmq.PUSH, zmq.DEALER, zmq.PAIR)
        }
    assert ready == {
        zmq.PUB: POLLOUT,
        zmq.XPUB: POLLOUT,
        zmq.XSUB: POLLOUT,
        zmq.ROUTER: POLLOUT,
        zmq.SUB: 0,
        zmq.PULL: 0,
        zmq.PUSH: 0,
        zmq.DEALER: 0,
        zmq.PAIR: 0,
    }


async def test_pollin_promises_a_message_that_the_program_can_read() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        sub = ctx.socket(zmq.SUB)
        sub.subscribe(b"eu")
        sub.connect(server.endpoint)
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.greet(b"PUB")
                await peer.send(b"\x00\x02us" * 10)
                assert await sub.poll(20) == 0
                await peer.send(b"\x00\x02eu")
                assert await sub.poll() == POLLIN
                assert await sub.recv(zmq.NOBLOCK) == b"eu"


async def test_inside_a_message_read_by_frames_pollin_stays_set() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        with trio.fail_after(10):
            await push.send_multipart([b"a", b"b"])
            assert await pull.recv() == b"a"
            assert await pull.poll() == POLLIN
            assert await pull.recv() == b"b"
            assert await pull.poll(0) == 0


# ------------------------------------------------------------------------------------------------- file descriptors


async def test_ready_files_are_reported_with_sockets_in_order() -> None:
    here, there = trio.socket.socketpair()
    with here, there:
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
            poller = zmq.Poller()
            poller.register(here)
            poller.register(pull, POLLIN)
            poller.register(there.fileno(), POLLIN)
            assert await poller.poll(0) == [(here.fileno(), POLLOUT)]
            await push.send(b"x")
            await here.send(b"y")
            assert await poller.poll(0) == [(here.fileno(), POLLOUT), (pull, POLLIN), (there.fileno(), POLLIN)]


async def test_ready_files_are_reported_as_by_pyzmq() -> None:
    """Number and mask; a pipe whose other end is closed is POLLERR alone."""
    reader, writer = os.pipe()
    one, other = socket.socketpair()
    with one, other:
        ours, theirs = zmq.Poller(), pyzmq.Poller()
        for each, flags in ((reader, POLLIN), (one, BOTH), (other.fileno(), POLLOUT)):
            ours.register(each, flags)
            theirs.register(each, flags)
        told = [await ours.poll(0)]
        assert told[-1] == theirs.poll(0)
        other.send(b"x")
        os.write(writer, b"x")
        told.append(await ours.poll(0))
        assert told[-1] == theirs.poll(0)
        os.read(reader, 1)
        os.close(writer)
        other.shutdown(socket.SHUT_RDWR)
        told.append(await ours.poll(0))
        assert told[-1] == theirs.poll(0)
        os.close(reader)
    assert [len(each) for each in told] == [2, 3, 3]
    assert told[2][0] == (reader, zmq.POLLERR)


@pytest.mark.parametrize("flags", [POLLIN, BOTH])
async def test_a_poller_wakes_for_a_file_and_for_a_socket_beside_it(flags: int) -> None:
    here, there = trio.socket.socketpair()
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        if flags & POLLOUT:
            while True:  # so that there is nothing to write to
                try:
                    await trio.lowlevel.checkpoint()
                    here._sock.send(bytes(4096))  # type: ignore[attr-defined]
                except BlockingIOError:
                    break
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
            poller = zmq.Poller()
            poller.register(pull, POLLIN)
            poller.register(here, flags)

            async def ask(expected: object) -> None:
                assert await poller.poll() == [expected]

            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, (here.fileno(), POLLIN))
                    await wait_all_tasks_blocked()
                    await there.send(b"x")
                await here.recv(1)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, (pull, POLLIN))
                    await wait_all_tasks_blocked()
                    await push.send(b"x")
        assert not watchers_of(pull)


async def test_a_message_that_comes_as_the_wait_begins_is_not_missed() -> None:
    here, there = trio.socket.socketpair()
    with here, there:
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
            poller = zmq.Poller()
            poller.register(pull, POLLIN)
            poller.register(here, POLLIN)
            with trio.fail_after(10):
                for pauses in range(6):

                    async def send(pauses: int = pauses) -> None:
                        for _ in range(pauses):
                            await trio.lowlevel.checkpoint()
                        await push.send(b"x")

                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(send)
                        assert await poller.poll() == [(pull, POLLIN)]
                    await pull.recv()


async def test_a_poll_of_files_can_be_cancelled_and_repeated(quick_clock: MockClock) -> None:
    here, there = trio.socket.socketpair()
    with here, there:
        poller = zmq.Poller()
        poller.register(here, POLLIN)
        with trio.move_on_after(3) as scope:
            await poller.poll()
        assert scope.cancelled_caught
        assert await poller.poll(20) == []
        await there.send(b"x")
        assert await poller.poll() == [(here.fileno(), POLLIN)]
        assert await here.recv(1) == b"x"  # and nothing else waits for it any more


async def test_sockets_of_a_system_without_poll_are_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has select() only."""
    monkeypatch.delattr(select, "poll")
    here, there = trio.socket.socketpair()
    with here, there:
        poller = zmq.Poller()
        poller.register(here, POLLIN)
        poller.register(there, POLLIN | POLLOUT)
        assert await poller.poll() == [(there.fileno(), POLLOUT)]
        await there.send(b"x")
        assert await poller.poll() == [(here.fileno(), POLLIN), (there.fileno(), POLLOUT)]
        here.close()
        with pytest.raises(zmq.ZMQError, match="closed: unregister"):
            await poller.poll()


async def test_a_file_that_is_closed_is_an_error_also_during_a_wait() -> None:
    here, there = trio.socket.socketpair()
    plain, other = socket.socketpair()
    with there, other, os.fdopen(os.open(os.devnull, os.O_RDONLY)) as file:
        poller = zmq.Poller()
        poller.register(here, POLLIN)
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(zmq.ZMQError, match=r"closed: unregister\(\) it first") as caught:
                    await poller.poll()
                assert caught.value.errno == errno.EBADF

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            here.close()
        number = plain.fileno()
        plain.close()
        file.close()
        for each in (here, number, plain, file, -1):
            poller = zmq.Poller()
            poller.register(each)
            with pytest.raises(zmq.ZMQError, match=r"closed: unregister\(\) it first") as caught:
                await poller.poll()
            assert caught.value.errno == errno.EBADF


async def test_a_file_that_another_task_waits_for_is_an_error() -> None:
    here, there = trio.socket.socketpair()
    with here, there:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.recv, 1)
            await wait_all_tasks_blocked()
            poller = zmq.Poller()
            poller.register(here, POLLIN)
            with pytest.raises(trio.BusyResourceError):
                await poller.poll()
            nursery.cancel_scope.cancel()


async def test_one_file_may_be_registered_by_number_and_as_object() -> None:
    here, there = trio.socket.socketpair()
    with here, there:
        poller = zmq.Poller()
        poller.register(here, POLLIN)
        poller.register(here.fileno(), POLLIN)
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                assert await poller.poll() == [(here.fileno(), POLLIN)] * 2

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            await there.send(b"x")


async def test_a_file_on_a_disk_is_always_ready(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        poller = zmq.Poller()
        poller.register(file)
        assert await poller.poll() == [(file.fileno(), BOTH)]


async def test_what_cannot_be_polled_is_refused_where_it_is_registered() -> None:
    poller = zmq.Poller()
    for wrong in (None, "5", object()):
        with pytest.raises(TypeError, match=f"not {type(wrong).__name__}"):
            poller.register(wrong)  # type: ignore[arg-type]
    with pytest.raises(zmq.ZMQError, match="expected POLLIN") as caught:
        poller.register(0, zmq.POLLERR)
    assert caught.value.errno == zmq.EINVAL
    assert poller.sockets == {}
