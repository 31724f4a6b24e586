"""Batches: recv_many and send_many give what as many single calls would give, and cancelling them loses nothing."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from tests.minizmtp.helpers import CUT, TRANSPORTS, cut_at, cuts, pair, receive_all

every_cut = pytest.mark.parametrize("late", [False, True], ids=["woken", "waiting"])
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


def numbered(*numbers: int) -> list[list[bytes]]:
    return [[b"%d" % number] for number in numbers]


async def receive(sock: zmq.Socket, number: int) -> list[list[bytes]]:
    """So many messages, by recv_many."""
    found: list[list[bytes]] = []
    while len(found) < number:
        found += await sock.recv_many()
    return found


# -------------------------------------------------------------------------------------------------- what is received


@every_transport
async def test_a_batch_arrives_as_it_was_sent(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        messages = [b"one", [b"two"], (b"three", b"frames", b""), bytearray(b"four"), [memoryview(b"five"), b"5"], b""]
        assert await push.send_many(messages) == 6
        expected = [[b"one"], [b"two"], [b"three", b"frames", b""], [b"four"], [b"five", b"5"], [b""]]
        assert await receive(pull, 6) == expected


@every_transport
@pytest.mark.slow
async def test_a_long_batch_passes_full_queues(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport, sndhwm=7, rcvhwm=5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.send_many, [b"%d" % number for number in range(2000)])
            assert await receive(pull, 2000) == numbered(*range(2000))


async def test_recv_many_takes_all_that_are_there() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://all")
        await push.send_many([b"0", b"1", b"2", b"3", b"4"])
        assert await pull.recv_many(2) == numbered(0, 1)
        assert await pull.recv_many(1) == numbered(2)
        assert await pull.recv_many() == numbered(3, 4)


async def test_recv_many_waits_for_the_first_message() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://wait")
        got: list[list[bytes]] = []

        async def wait() -> None:
            got.extend(await pull.recv_many())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            assert got == []
            await push.send_many([b"0", b"1"])
        assert got == numbered(0, 1)


async def test_a_rest_that_recv_left_comes_first() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://rest")
        await push.send_many([[b"a", b"b", b"c"], b"d"])
        assert await pull.recv() == b"a"
        assert await pull.recv_many() == [[b"b", b"c"], [b"d"]]
        assert not pull.rcvmore
        await push.send_many([[b"e", b"f"], b"g"])
        assert await pull.recv() == b"e"
        assert await pull.recv_many(1) == [[b"f"]]
        assert await pull.recv_many(1) == [[b"g"]]


async def test_a_polled_message_keeps_its_place() -> None:
    """To answer a poll, a message is looked for and put aside."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://polled")
        await push.send_many([b"0", b"1", b"2"])
        assert await pull.poll()
        assert await pull.recv_many(1) == numbered(0)
        assert await pull.poll()
        assert await pull.recv_many() == numbered(1, 2)


async def test_no_message_in_time_is_again() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://again")
        with pytest.raises(zmq.Again):
            await pull.recv_many(flags=zmq.NOBLOCK)
        pull.rcvtimeo = 5
        with pytest.raises(zmq.Again):
            await pull.recv_many()
        await push.send(b"0")
        assert await pull.recv_many(flags=zmq.NOBLOCK) == numbered(0)


@pytest.mark.parametrize("most", [0, -1])
async def test_max_messages_is_at_least_one(most: int) -> None:
    async with zmq.Context() as ctx:
        with pytest.raises(zmq.ZMQError, match=f"max_messages is {most}: expected at least 1"):
            await ctx.socket(zmq.PULL).recv_many(most)


async def test_peers_take_turns_within_a_batch() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("inproc://turns")
        for text in ("aaaaa", "bb", "c"):
            push = ctx.socket(zmq.PUSH)
            push.connect("inproc://turns")
            await push.send_many([letter.encode() for letter in text])
        first = b"".join(frame for (frame,) in await pull.recv_many(4))
        assert first + b"".join(frame for (frame,) in await pull.recv_many()) == b"abcabaaa"


async def test_a_router_puts_the_name_in_front() -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER)
        router.bind("inproc://names")
        for name in (b"anna", b"bert"):
            dealer = ctx.socket(zmq.DEALER, routing_id=name)
            dealer.connect("inproc://names")
            await dealer.send_many([b"1", [b"2", b"3"]])
        messages = await router.recv_many()
        assert messages == [[b"anna", b"1"], [b"bert", b"1"], [b"anna", b"2", b"3"], [b"bert", b"2", b"3"]]
        assert await router.send_many(messages) == 4
        assert await dealer.recv_many() == [[b"1"], [b"2", b"3"]]


@every_transport
async def test_subscribers_get_batches_of_what_they_want(transport: str) -> None:
    async with zmq.Context() as ctx:
        xpub, eu = await pair(ctx, zmq.XPUB, zmq.SUB, transport)
        us, every = ctx.socket(zmq.SUB), ctx.socket(zmq.SUB)
        for sub, prefix in ((eu, b"eu"), (us, b"us"), (every, b"")):
            sub.subscribe(prefix)
            if sub is not eu:
                sub.connect(xpub.last_endpoint)
        assert sorted(await receive(xpub, 3)) == [[b"\1"], [b"\1eu"], [b"\1us"]]
        assert await xpub.send_many([b"eu1", [b"us1", b"more"], b"eu2", b"as1"]) == 4
        assert await receive(eu, 2) == [[b"eu1"], [b"eu2"]]
        assert await receive(us, 1) == [[b"us1", b"more"]]
        everything = await receive(every, 4)
        assert everything == [[b"eu1"], [b"us1", b"more"], [b"eu2"], [b"as1"]]
        everything[1].append(b"not seen by others")
        await xpub.send_many([[b"us2", b"more"]] * 2)
        assert await receive(us, 2) == [[b"us2", b"more"]] * 2


async def test_an_unsubscribed_message_is_not_in_the_batch() -> None:
    async with zmq.Context() as ctx:
        pub, sub = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://late")
        sub.subscribe(b"a"), sub.subscribe(b"b")
        await receive(pub, 2)
        await pub.send_many([b"a1", b"b1", b"a2", b"b2", b"a3"])
        assert await sub.recv() == b"a1"
        sub.unsubscribe(b"b")
        assert await sub.recv_many() == [[b"a2"], [b"a3"]]
        await pub.send_many([b"a4", b"a5", b"a6"])
        assert await sub.recv() == b"a4"
        sub.invert_matching = 1
        with pytest.raises(zmq.Again):
            await sub.recv_many(flags=zmq.NOBLOCK)


async def test_a_full_subscriber_misses_the_rest_of_a_batch() -> None:
    async with zmq.Context() as ctx:
        pub, sub = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://full", sndhwm=2, rcvhwm=2)
        sub.subscribe(b"")
        await receive(pub, 1)
        assert await pub.send_many([b"%d" % number for number in range(9)]) == 9
        assert await sub.recv_many() == numbered(0, 1, 2, 3)


async def test_a_conflating_queue_keeps_the_newest_of_a_batch() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://newest", conflate=1)
        assert await push.send_many([b"%d" % number for number in range(9)]) == 9
        assert await pull.recv_many() == numbered(8)


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.REP])
async def test_sockets_that_take_turns_have_no_batches(kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind)
        messages = iter([b"1"])
        for call in (sock.recv_many(), sock.send_many(messages)):
            with pytest.raises(zmq.ZMQError, match="in turns, one message at a time") as error:
                await call
            assert error.value.errno == zmq.ENOTSUP
        assert next(messages) == b"1"


async def test_batches_go_the_way_of_single_messages() -> None:
    async with zmq.Context() as ctx:
        for call in (ctx.socket(zmq.PUSH).recv_many(), ctx.socket(zmq.SUB).send_many([b"1"])):
            with pytest.raises(zmq.ZMQError) as error:
                await call
            assert error.value.errno == zmq.ENOTSUP


# ------------------------------------------------------------------------------------------------------ what is sent


async def test_send_many_takes_a_message_when_there_is_room() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://room", sndhwm=2, rcvhwm=2)
        numbers = count()
        push.sndtimeo = 5
        with pytest.raises(zmq.Again):
            await push.send_many(b"%d" % number for number in numbers)
        assert next(numbers) == 4
        assert await pull.recv_many() == numbered(0, 1, 2, 3)
        with pytest.raises(zmq.Again):
            await push.send_many((b"%d" % number for number in numbers), zmq.NOBLOCK)
        assert await pull.recv_many() == numbered(5, 6, 7, 8)


@pytest.mark.parametrize("make", [list, iter, tuple])
async def test_a_batch_that_just_fits_needs_no_more_room(make: Any) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, sndhwm=3, linger=0)
        push.connect("inproc://nobody")
        assert await push.send_many(make([b"0", b"1", b"2"]), zmq.NOBLOCK) == 3
        assert await push.send_many(make([]), zmq.NOBLOCK) == 0


async def test_what_came_before_a_bad_message_is_sent() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://bad")
        for bad, error in ((["text"], TypeError), (7, TypeError), ([], zmq.ZMQError)):
            messages = iter([b"0", bad, b"1"])
            with pytest.raises(error):
                await push.send_many(messages)
            assert await pull.recv_many() == numbered(0)
            assert list(messages) == [b"1"]


async def test_what_an_iterator_raises_is_raised() -> None:
    def two() -> Iterator[bytes]:
        yield from (b"0", b"1")
        raise LookupError("of the program")

    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://raise")
        with pytest.raises(LookupError):
            await push.send_many(two())
        assert await pull.recv_many() == numbered(0, 1)


async def test_a_message_begun_in_parts_is_ended_first() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://parts")
        await push.send(b"a", zmq.SNDMORE)
        with pytest.raises(zmq.ZMQError, match="begun with SNDMORE"):
            await push.send_many([b"c"])
        with pytest.raises(zmq.ZMQError, match="NOBLOCK"):
            await push.send_many([b"c"], zmq.SNDMORE)
        await push.send(b"b")
        assert await pull.recv_many() == [[b"a", b"b"]]


async def test_a_batch_is_dealt_in_turn() -> None:
    async with zmq.Context() as ctx:
        pulls = [ctx.socket(zmq.PULL) for _ in range(3)]
        push = ctx.socket(zmq.PUSH)
        for number, pull in enumerate(pulls):
            pull.bind(f"inproc://{number}")
            push.connect(f"inproc://{number}")
        await push.send_many(b"%d" % number for number in range(8))
        assert [await pull.recv_many() for pull in pulls] == [numbered(0, 3, 6), numbered(1, 4, 7), numbered(2, 5)]


@pytest.mark.parametrize("how", ["again", "cancelled"])
async def test_a_message_for_a_full_peer_is_sent_at_the_end(how: str) -> None:
    """Only a message tells a mandatory ROUTER whose queue matters. So it was taken, and must not be lost."""
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, router_mandatory=1, sndhwm=1)
        router.bind("inproc://mandatory")
        dealers = [ctx.socket(zmq.DEALER, routing_id=name, rcvhwm=1) for name in (b"full", b"free")]
        for dealer in dealers:
            dealer.connect("inproc://mandatory")
        messages = iter([[b"full", b"1"], [b"full", b"2"], [b"full", b"3"], [b"free", b"4"]])
        if how == "again":
            router.sndtimeo = 5
            with pytest.raises(zmq.Again):
                await router.send_many(messages)
        else:
            with trio.move_on_after(0.005):
                await router.send_many(messages)
        assert list(messages) == [[b"free", b"4"]]
        assert await dealers[0].recv_many() == numbered(1, 2, 3)


async def test_a_mandatory_router_waits_for_the_named_peer() -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, router_mandatory=1, sndhwm=1)
        router.bind("inproc://named")
        dealer = ctx.socket(zmq.DEALER, routing_id=b"one", rcvhwm=1)
        dealer.connect("inproc://named")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(router.send_many, [[b"one", b"%d" % number] for number in range(9)])
            assert await receive(dealer, 9) == numbered(*range(9))
        messages = iter([[b"one", b"9"], [b"two", b"?"], [b"one", b"10"]])
        with pytest.raises(zmq.ZMQError) as error:
            await router.send_many(messages)
        assert error.value.errno == zmq.EHOSTUNREACH
        assert await dealer.recv_many() == numbered(9)
        assert list(messages) == [[b"one", b"10"]]


async def test_a_mandatory_router_without_peers_raises_at_once() -> None:
    """As `send` does, and also when the last peer goes while the batch waits for room."""
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, router_mandatory=1, sndhwm=1)
        router.bind("inproc://none")
        with trio.fail_after(1):
            for call in (router.send_multipart([b"one", b"1"]), router.send_many([[b"one", b"1"]])):
                with pytest.raises(zmq.ZMQError) as error:
                    await call
                assert error.value.errno == zmq.EHOSTUNREACH
            assert not await router.poll(0, zmq.POLLOUT)
            dealer = ctx.socket(zmq.DEALER, routing_id=b"one", rcvhwm=1)
            dealer.connect("inproc://none")
            errors: list[int] = []

            async def send() -> None:
                with pytest.raises(zmq.ZMQError) as error:
                    await router.send_many([b"one", b"%d" % number] for number in range(9))
                errors.append(error.value.errno)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await wait_all_tasks_blocked()
                assert errors == []
                dealer.close()
        assert errors == [zmq.EHOSTUNREACH]


async def test_with_xpub_nodrop_a_batch_waits() -> None:
    async with zmq.Context() as ctx:
        pub, sub = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://nodrop", sndhwm=1, rcvhwm=1)
        pub.xpub_nodrop = 1
        sub.subscribe(b"")
        await receive(pub, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pub.send_many, [b"%d" % number for number in range(50)])
            assert await receive(sub, 50) == numbered(*range(50))
        pub.sndtimeo = 5
        messages = iter([b"0", b"1", b"2", b"3"])
        with pytest.raises(zmq.Again):
            await pub.send_many(messages)
        assert [[left] for left in messages] == numbered(3)
        assert await sub.recv_many() == numbered(0, 1, 2)


# ----------------------------------------------------------------------------------------------------------- waiting


async def test_a_batch_wakes_every_receiver_it_can_serve() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://wake")
        got: list[list[bytes]] = []

        async def one() -> None:
            got.extend(await pull.recv_many(1))

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(one)
                await wait_all_tasks_blocked()
                await push.send_many([b"0", b"1", b"2"])
        assert sorted(got) == numbered(0, 1, 2)


async def test_a_batch_lets_other_tasks_run() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://others", sndhwm=0, rcvhwm=0)
        ran = 0

        async def other() -> None:
            nonlocal ran
            for _ in range(10):
                await trio.lowlevel.checkpoint()
                ran += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await push.send_many([b"x"] * 10_000)
        assert ran == 10
        assert len(await pull.recv_many()) == 10_000


async def test_a_closed_socket_ends_a_batch_that_waits() -> None:
    async with zmq.Context() as ctx:
        push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
        failed = []

        async def fails(call: Any) -> None:
            with pytest.raises(zmq.ZMQError) as error:
                await call
            failed.append(error.value.errno)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, push.send_many([b"0"]))
            nursery.start_soon(fails, pull.recv_many())
            await wait_all_tasks_blocked()
            push.close()
            pull.close()
        assert failed == [zmq.ENOTSOCK] * 2


@every_cut
@every_transport
@pytest.mark.parametrize("early", [True, False], ids=["messages-there", "messages-come"])
async def test_a_cancelled_recv_many_has_taken_nothing(transport: str, late: bool, early: bool) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)

        async def send_when_all_wait(messages: list[bytes]) -> None:
            await wait_all_tasks_blocked()
            await push.send_many(messages)

        with trio.fail_after(20):
            for step, results in cuts(late):
                messages = [b"%d-%d" % (step, number) for number in range(3)]
                async with trio.open_nursery() as nursery:
                    if early:
                        await push.send_many(messages)
                        assert await pull.poll()
                    else:
                        nursery.start_soon(send_when_all_wait, messages)
                    results.append(await cut_at(step, late, pull.recv_many))
                got = [] if results[0] is CUT else results[0]
                while len(got) < 3:
                    got += await pull.recv_many()
                assert got == [[message] for message in messages]


@every_cut
@every_transport
@pytest.mark.slow
async def test_a_cancelled_send_many_sent_what_it_took(transport: str, late: bool) -> None:
    """The queues are full more than once. Whatever the step, nothing is lost and nothing is sent twice."""
    with trio.fail_after(60):
        for step, results in cuts(late):
            async with zmq.Context() as ctx:
                pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport, sndhwm=2, rcvhwm=2)
                messages = iter([b"%d" % number for number in range(12)])
                got: list[list[bytes]] = []

                async def drain(pull: zmq.Socket = pull, got: list[list[bytes]] = got) -> None:
                    while True:
                        await wait_all_tasks_blocked()
                        got += await pull.recv_many(1)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drain)
                    results.append(
                        await cut_at(step, late, lambda push=push, messages=messages: push.send_many(messages))
                    )
                    nursery.cancel_scope.cancel()
                left = list(messages)
                if results[0] is not CUT:
                    assert (results[0], left) == (12, [])
                got += await receive_all(pull)
                assert got == numbered(*range(12 - len(left)))
                assert [[message] for message in left] == numbered(*range(12 - len(left), 12))


async def test_a_batch_may_be_endless() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)
        numbers = count()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.send_many, (b"%d" % number for number in numbers))
            got = await receive(pull, 5000)
            nursery.cancel_scope.cancel()
        assert got[:5000] == numbered(*range(5000))
