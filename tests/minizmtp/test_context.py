"""The Context: the one place where tasks live, and every way to leave it."""

import asyncio
import threading

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from tests.minizmtp.helpers import Event, free_endpoint, pair, receive_all, until
from tests.minizmtp.inside import open_sockets, pattern_of
from tests.zmtp_peer import RawListener


async def busy(ctx: zmq.Context) -> zmq.Socket:
    """A context with every kind of task at work, and messages that would linger for ever."""
    _, push = await pair(ctx, zmq.PULL, zmq.PUSH, linger=-1)
    waiting = ctx.socket(zmq.PUSH)
    waiting.connect(free_endpoint())
    await waiting.send(b"for no peer")
    return push


async def test_it_works_only_when_entered_and_can_be_entered_once() -> None:
    ctx = zmq.Context()
    assert not ctx.closed
    with pytest.raises(RuntimeError, match="use this Context inside `async with`"):
        ctx.socket(zmq.PULL)
    async with ctx:
        ctx.socket(zmq.PULL)
        with pytest.raises(RuntimeError, match="can be entered once: make a new one"):
            await ctx.__aenter__()
    assert ctx.closed
    with pytest.raises(RuntimeError, match="can be entered once"):
        await ctx.__aenter__()
    with pytest.raises(zmq.ContextTerminated, match="make a new one") as caught:
        ctx.socket(zmq.PULL)
    assert caught.value.errno == zmq.ETERM


@pytest.mark.parametrize("kind", [99, -1])
async def test_an_unknown_type_is_refused_and_the_types_are_named(kind: int) -> None:
    async with zmq.Context() as ctx:
        with pytest.raises(zmq.ZMQError, match="expected one of PAIR PUB SUB REQ") as caught:
            ctx.socket(kind)
        assert caught.value.errno == zmq.EINVAL


async def test_a_type_may_be_given_by_its_number() -> None:
    async with zmq.Context() as ctx:
        assert ctx.socket(7).socket_type is zmq.PULL


async def test_leaving_closes_every_socket_and_ends_every_task() -> None:
    before = len(trio.lowlevel.current_root_task().child_nurseries)  # type: ignore[union-attr]
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with zmq.Context() as ctx:
        sockets = [sock for endpoint in ("tcp://127.0.0.1:*", "ipc://*", "inproc://x")
                   for sock in await pair(ctx, zmq.PULL, zmq.PUSH, endpoint)]  # fmt: skip
        assert trio.lowlevel.current_statistics().tasks_living > tasks
    assert all(sock.closed for sock in sockets)
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert len(trio.lowlevel.current_root_task().child_nurseries) == before  # type: ignore[union-attr]


async def test_an_exception_is_not_wrapped_and_drops_everything(quick_clock: MockClock) -> None:
    made: list[zmq.Context | zmq.Socket] = []

    async def leave() -> None:
        async with zmq.Context() as ctx:
            made.extend([ctx, await busy(ctx)])
            raise ValueError("mine")

    begun = trio.current_time()
    with pytest.raises(ValueError, match=r"^mine$"):
        await leave()
    assert trio.current_time() == begun
    assert [thing.closed for thing in made] == [True, True]


@pytest.mark.slow
async def test_a_cancellation_from_outside_drops_everything_at_once(quick_clock: MockClock) -> None:
    begun = trio.current_time()
    with trio.move_on_after(5) as scope:
        async with zmq.Context() as ctx:
            push = await busy(ctx)
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == begun + 5
    assert push.closed


@pytest.mark.slow
async def test_a_cancellation_while_it_lingers_ends_the_lingering(quick_clock: MockClock) -> None:
    begun = trio.current_time()
    with trio.move_on_after(7) as scope:
        async with zmq.Context() as ctx:
            await busy(ctx)
    assert scope.cancelled_caught
    assert trio.current_time() == begun + 7


async def test_an_exception_is_not_lost_to_a_cancellation_from_outside() -> None:
    async def leave(scope: trio.CancelScope) -> None:
        async with zmq.Context() as ctx:
            await busy(ctx)
            scope.cancel()
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"), trio.CancelScope() as scope:
        await leave(scope)


async def test_a_context_may_be_made_and_left_inside_a_cancelled_scope() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        async with zmq.Context() as ctx:
            ctx.socket(zmq.PULL).bind("tcp://127.0.0.1:*")
    assert ctx.closed


async def test_contexts_may_be_nested_and_several() -> None:
    async with zmq.Context() as one, zmq.Context() as two:
        pull, push = one.socket(zmq.PULL), two.socket(zmq.PUSH)
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        await push.send(b"across")
        with trio.fail_after(5):
            assert await pull.recv() == b"across"
        async with zmq.Context() as three:
            third = three.socket(zmq.PUSH)
            third.connect(pull.last_endpoint)
            await third.send(b"inner")
        with trio.fail_after(5):
            assert await pull.recv() == b"inner"


@pytest.mark.requirement("L-21")
async def test_term_closes_waits_and_may_be_repeated(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=500)
        push.connect(free_endpoint())
        await push.send(b"no peer comes")
        begun = trio.current_time()
        await ctx.term()
        assert trio.current_time() - begun == pytest.approx(0.5)
        assert ctx.closed
        assert push.closed
        await ctx.term()
        with pytest.raises(zmq.ContextTerminated):
            ctx.socket(zmq.PUSH)


async def test_term_wakes_a_task_that_waits_for_a_socket() -> None:
    with trio.fail_after(5):
        async with zmq.Context() as ctx:
            pull = ctx.socket(zmq.PULL)
            errors: list[int] = []

            async def wait() -> None:
                with pytest.raises(zmq.ZMQError) as caught:
                    await pull.recv()
                errors.append(caught.value.errno)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                await ctx.term()
            assert errors == [zmq.ENOTSOCK]


async def test_two_tasks_may_wait_for_term(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=300)
        push.connect(free_endpoint())
        await push.send(b"x")
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ctx.term)
                nursery.start_soon(ctx.term)


async def test_a_socket_closed_before_lingers_and_is_waited_for() -> None:
    async with RawListener.listen() as server:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                got: list[list[bytes]] = []

                async def serve() -> None:
                    async with await server.accept() as peer:
                        await peer.greet(b"PULL")
                        got.append(await peer.message())

                async with zmq.Context() as ctx:
                    push = ctx.socket(zmq.PUSH)
                    push.connect(server.endpoint)
                    await push.send(b"late")
                    push.close()
                    nursery.start_soon(serve)
        assert got == [[b"late"]]


async def test_a_context_of_no_sockets_is_left_at_once(quick_clock: MockClock) -> None:
    begun = trio.current_time()
    async with zmq.Context():
        pass
    assert trio.current_time() == begun


async def test_an_unread_connection_does_not_hold_up_leaving(quick_clock: MockClock) -> None:
    """What was received and not read does not matter at the end."""
    with trio.fail_after(5):
        async with zmq.Context() as ctx:
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, hwm=5, linger=0)
            for _ in range(10):
                await push.send(b"x")
            assert await pull.poll()


async def test_sockets_stay_in_the_thread_that_made_them() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        words: list[str] = []

        def elsewhere() -> None:
            try:
                pull.bind("tcp://127.0.0.1:*")
            except RuntimeError as error:
                words.append(str(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(words) == 1
        assert "make a Context where you are" in words[0]


@pytest.mark.epoll
@pytest.mark.slow
async def test_a_hundred_peers_come_and_go_and_nothing_is_left() -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        with trio.fail_after(20):
            for number in range(100):
                push = ctx.socket(zmq.PUSH)
                push.connect(pull.last_endpoint)
                await push.send(b"%d" % number)
                push.close()
            for _ in range(100):
                await until(monitor, Event.DISCONNECTED)
            assert len(await receive_all(pull, 0)) == 100
            assert not pattern_of(pull).pipes
            assert pull.peers() == []
        await wait_all_tasks_blocked(0.01)
        assert len(open_sockets(ctx)) == 1
        assert trio.lowlevel.current_statistics().tasks_living == tasks + 3  # the acceptor and the reactor's two


def test_without_trio_a_context_says_what_to_do() -> None:
    async def main() -> None:
        async with zmq.Context():
            pass

    with pytest.raises(RuntimeError, match=r"runs on trio: start the program by trio.run\(main\)"):
        asyncio.run(main())
