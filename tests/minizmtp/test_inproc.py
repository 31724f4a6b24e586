"""inproc: two sockets of one Context, joined without bytes."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from tests.minizmtp.helpers import Event, receive_all
from tests.minizmtp.inside import bound_names, inproc_peers, names_waited_for, open_sockets, pattern_of

NAME = "inproc://here"


async def fill(sock: zmq.Socket) -> int:
    """How many messages it takes until it would have to wait."""
    count = 0
    try:
        while True:
            await sock.send(b"%d" % count, zmq.NOBLOCK)
            count += 1
    except zmq.Again:
        return count


@pytest.mark.requirement("L-2")
@pytest.mark.parametrize("bind_first", [True, False], ids=["bind-first", "connect-first"])
@pytest.mark.parametrize(
    ("sndhwm", "rcvhwm", "both"), [(3, 5, 8), (1000, 5, 1005), (5, 1000, 1005), (1, 1, 2), (0, 5, None), (5, 0, None)]
)
@pytest.mark.slow
async def test_the_limits_of_both_sides_are_added(sndhwm: int, rcvhwm: int, both: int | None, bind_first: bool) -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvhwm=rcvhwm), ctx.socket(zmq.PUSH, sndhwm=sndhwm)
        if bind_first:
            pull.bind(NAME)
            push.connect(NAME)
        else:
            push.connect(NAME)
            pull.bind(NAME)
        if both is None:
            for _ in range(3000):
                await push.send(b"", zmq.NOBLOCK)
        else:
            assert await fill(push) == both
            assert len(await receive_all(pull, 0)) == both


@pytest.mark.requirement("L-2", "L-23")
async def test_the_limit_is_the_senders_before_the_bind_then_the_sum() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvhwm=5), ctx.socket(zmq.PUSH, sndhwm=3)
        push.connect(NAME)
        assert await fill(push) == 3
        pull.bind(NAME)
        assert await fill(push) == 5
        assert [await pull.recv() for _ in range(8)] == [b"0", b"1", b"2", b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.requirement("L-2", "L-23")
async def test_a_sender_that_waits_for_room_has_it_with_the_bind() -> None:
    """Half of the joint limit is far more than the queue holds: reading alone would never wake it."""
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvhwm=1000), ctx.socket(zmq.PUSH, sndhwm=2)
        push.connect(NAME)

        async def send_four() -> None:
            for number in range(4):
                await push.send(b"%d" % number)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_four)
                await wait_all_tasks_blocked()
                pull.bind(NAME)
                assert [await pull.recv() for _ in range(4)] == [b"0", b"1", b"2", b"3"]


@pytest.mark.requirement("L-3")
async def test_a_full_queue_opens_when_half_of_it_is_read() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvhwm=10), ctx.socket(zmq.PUSH, sndhwm=10)
        pull.bind(NAME)
        push.connect(NAME)
        assert await fill(push) == 20
        for _ in range(9):
            await pull.recv()
        assert await fill(push) == 0
        await pull.recv()
        assert await fill(push) == 10


@pytest.mark.requirement("L-22")
async def test_a_name_is_bound_once_per_context_and_free_after_close() -> None:
    async with zmq.Context() as ctx, zmq.Context() as other:
        one, two = ctx.socket(zmq.PULL), ctx.socket(zmq.PULL)
        one.bind(NAME)
        with pytest.raises(zmq.ZMQError, match="bound already in this Context: choose another name") as caught:
            two.bind(NAME)
        assert caught.value.errno == zmq.EADDRINUSE
        other.socket(zmq.PULL).bind(NAME)
        one.close()
        two.bind(NAME)
        two.unbind(NAME)
        ctx.socket(zmq.PULL).bind(NAME)


@pytest.mark.requirement("L-22")
async def test_names_of_another_context_are_not_seen() -> None:
    async with zmq.Context() as ctx, zmq.Context() as other:
        pull, push = other.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        pull.bind(NAME)
        push.connect(NAME)
        await push.send(b"lost")
        assert await receive_all(pull) == []


@pytest.mark.requirement("L-22")
async def test_types_are_not_checked() -> None:
    async with zmq.Context() as ctx:
        sub, push = ctx.socket(zmq.SUB), ctx.socket(zmq.PUSH)
        sub.bind(NAME)
        sub.subscribe("")
        push.connect(NAME)
        await push.send(b"odd")
        with trio.fail_after(5):
            assert await sub.recv() == b"odd"


@pytest.mark.requirement("L-22")
async def test_there_is_no_reconnect() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        pull.bind(NAME)
        push.connect(NAME)
        await push.send(b"1")
        pull.close()
        with pytest.raises(zmq.Again):
            await push.send(b"2", zmq.NOBLOCK)
        again = ctx.socket(zmq.PULL)
        again.bind(NAME)
        with pytest.raises(zmq.Again):
            await push.send(b"3", zmq.NOBLOCK)
        push.connect(NAME)
        await push.send(b"4")
        assert await receive_all(again) == [[b"4"]]


@pytest.mark.requirement("L-9", "30-16")
async def test_what_was_sent_stays_readable_when_the_sender_closes() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH, linger=0)
        pull.bind(NAME)
        push.connect(NAME)
        await push.send(b"1")
        await push.send(b"2")
        push.close()
        assert await receive_all(pull) == [[b"1"], [b"2"]]


@pytest.mark.requirement("L-21", "L-23")
async def test_messages_queued_for_a_name_outlive_the_sender() -> None:
    """They are dropped only when the sender closes with a linger of zero."""
    async with zmq.Context() as ctx:
        for linger, expected in [(-1, [[b"news"]]), (0, [])]:
            push = ctx.socket(zmq.PUSH, linger=linger)
            push.connect(NAME)
            await push.send(b"news")
            push.close()
            pull = ctx.socket(zmq.PULL)
            pull.bind(NAME)
            assert await receive_all(pull) == expected
            pull.close()


@pytest.mark.requirement("L-18")
async def test_disconnect_drops_unread_input_and_spares_the_other_side() -> None:
    async with zmq.Context() as ctx:
        one, two = ctx.socket(zmq.DEALER), ctx.socket(zmq.DEALER)
        one.bind(NAME)
        two.connect(NAME)
        await one.send(b"to two")
        await two.send(b"to one")
        two.disconnect(NAME)
        assert await receive_all(two) == []
        assert await receive_all(one) == [[b"to one"]]
        with pytest.raises(zmq.Again):
            await one.send(b"nobody", zmq.NOBLOCK)


@pytest.mark.requirement("L-22")
async def test_there_is_no_metadata_but_an_identity_is_known() -> None:
    async with zmq.Context() as ctx:
        router, dealer = ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER, routing_id="me")
        router.bind(NAME)
        dealer.connect(NAME)
        await dealer.send(b"hello")
        assert await router.recv_message() == ([b"me", b"hello"], {})


@pytest.mark.parametrize("how", ["unbind", "close"])
async def test_a_connect_is_disconnected_after_its_binder_has_gone(how: str) -> None:
    """As over tcp: the program that connects need not know what the other has done. Once, and not twice."""
    async with zmq.Context() as ctx:
        one, two = ctx.socket(zmq.PAIR), ctx.socket(zmq.PAIR)
        one.bind(NAME)
        two.connect(NAME)
        one.unbind(NAME) if how == "unbind" else one.close()
        two.disconnect(NAME)
        with pytest.raises(zmq.ZMQError, match="is not connected to inproc://here") as caught:
            two.disconnect(NAME)
        assert caught.value.errno == zmq.ENOENT


async def test_a_disconnect_ends_what_was_connected_anew() -> None:
    async with zmq.Context() as ctx:
        one, two = ctx.socket(zmq.DEALER), ctx.socket(zmq.DEALER)
        for _ in range(3):
            one.bind(NAME)
            two.connect(NAME)
            one.unbind(NAME)
        one.bind(NAME)
        two.connect(NAME)
        two.disconnect(NAME)
        assert one.peers() == two.peers() == []
        with pytest.raises(zmq.ZMQError):
            two.disconnect(NAME)


@pytest.mark.parametrize("linger", [0, -1])
async def test_names_that_were_dialled_once_are_forgotten(linger: int) -> None:
    async with zmq.Context() as ctx:
        for number in range(3):
            push = ctx.socket(zmq.PUSH, linger=linger)
            push.connect(f"inproc://{number}")
            push.connect(f"inproc://{number}")
            if number == 2:
                ctx.socket(zmq.PULL).bind("inproc://2")
            push.close()
        assert not names_waited_for(ctx)
        assert bound_names(ctx) == ["inproc://2"]


async def test_a_message_received_is_the_receivers_own() -> None:
    """Several subscribers in one process share no list that one of them could change under the others."""
    async with zmq.Context() as ctx:
        pub = ctx.socket(zmq.PUB)
        pub.bind(NAME)
        subs = [ctx.socket(zmq.SUB) for _ in range(2)]
        for sub in subs:
            sub.connect(NAME)
            sub.subscribe("")
        await pub.send_multipart([b"a", b"b"])
        first = await subs[0].recv_multipart()
        first.clear()
        assert await subs[1].recv_multipart() == [b"a", b"b"]


async def test_a_binder_frees_the_peers_that_have_left() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind(NAME)
        for number in range(20):
            push = ctx.socket(zmq.PUSH)
            push.connect(NAME)
            await push.send(b"%d" % number)
            push.close()
        assert len(await receive_all(pull, 0)) == 20
        assert pull.peers() == []
        assert not pattern_of(pull).pipes
        assert not inproc_peers(pull)
        assert len(open_sockets(ctx)) == 1


async def test_the_monitor_tells_of_the_bind_alone() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        monitor = pull.monitor()
        pull.bind(NAME)
        push.connect(NAME)
        pull.close()
        assert [told.event async for told in monitor] == [Event.LISTENING]
