"""Sockets: the calls of a program, and what they give, refuse and wait for."""

import gc
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from tests.minizmtp.helpers import TRANSPORTS, Event, free_endpoint, pair, receive_all
from tests.minizmtp.inside import open_sockets, pattern_of, runtime_of
from tests.zmtp_peer import RawListener, RawPeer

IN, OUT = zmq.POLLIN, zmq.POLLOUT
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


# ------------------------------------------------------------------------------------------------------- messages


@every_transport
async def test_messages_of_one_and_of_many_frames(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(5):
            for message in ([b"one"], [b""], [b"a", b"b"], [b"", b"", b""], [bytes([n]) for n in range(256)]):
                await push.send_multipart(message)
                assert await pull.recv_multipart() == message
            await push.send(b"single")
            assert await pull.recv_multipart() == [b"single"]
            await push.send_multipart(iter([b"any", b"iterable"]))
            assert await pull.recv_multipart() == [b"any", b"iterable"]


@every_transport
@pytest.mark.requirement("37-53")
async def test_a_message_in_parts_is_sent_with_its_last_part(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        with trio.fail_after(5):
            await push.send(b"a", zmq.SNDMORE)
            await push.send_multipart([b"b", b"c"], zmq.SNDMORE)
            assert await pull.poll(10) == 0
            await push.send(b"d")
            await push.send(b"next")
            assert not pull.rcvmore
            for frame, more in [(b"a", True), (b"b", True), (b"c", True), (b"d", False), (b"next", False)]:
                assert await pull.recv() == frame
                assert pull.rcvmore is more


async def test_what_recv_has_left_of_a_message_can_be_had_at_once() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        await push.send_multipart([b"a", b"b", b"c"])
        await push.send(b"next")
        assert await pull.recv() == b"a"
        assert pull.events & IN
        assert await pull.poll(0) == IN
        assert await pull.recv_multipart(zmq.NOBLOCK) == [b"b", b"c"]
        assert await pull.recv_multipart() == [b"next"]


async def test_text_and_json_are_pyzmqs() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        await push.send_string("grüße")
        assert await pull.recv() == "grüße".encode()
        await push.send_string("grüße", encoding="latin-1")
        assert await pull.recv_string(encoding="latin-1") == "grüße"
        await push.send_json({"a": [1, None, "ü"]})
        assert await pull.recv_json() == {"a": [1, None, "ü"]}
        await push.send(b"no json")
        with pytest.raises(json.JSONDecodeError):
            await pull.recv_json()


@every_transport
@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda octets: memoryview(bytearray(octets))[::1]])
async def test_bytes_like_things_are_copied_at_the_call(kind: Callable[[bytes], Any], transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        data = kind(b"hello")
        await push.send_multipart([data, data])
        if not isinstance(data, memoryview) or not data.readonly:
            data[:] = b"other"
        with trio.fail_after(5):
            got = await pull.recv_multipart()
        assert got == [b"hello", b"hello"]
        assert [type(frame) for frame in got] == [bytes, bytes]


async def test_a_part_given_with_sndmore_is_copied_too() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        data = bytearray(b"hello")
        await push.send(data, zmq.SNDMORE)
        data[:] = b"other"
        await push.send(b"")
        assert await pull.recv_multipart() == [b"hello", b""]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("text", r"a frame is bytes or bytes-like, not str: encode it, or use send_string\(\)"),
        (7, "a frame is bytes or bytes-like, not int$"),
        (None, "not NoneType$"),
        ([b"x"], "not list$"),
    ],
)
async def test_what_is_no_frame_is_refused_in_words(data: Any, words: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        with pytest.raises(TypeError, match=words):
            await push.send(data)
        with pytest.raises(TypeError, match=words):
            await push.send_multipart([b"good", data])
        assert await receive_all(pull, 0) == []


async def test_a_message_has_at_least_one_frame() -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        with pytest.raises(zmq.ZMQError, match=r"at least one frame; it may be empty: \[b''\]") as caught:
            await push.send_multipart([])
        assert caught.value.errno == zmq.EINVAL


async def test_recv_message_names_the_sender() -> None:
    async with zmq.Context() as ctx:
        router, dealer = await pair(ctx, zmq.ROUTER, zmq.DEALER, routing_id="me")
        await dealer.send_multipart([b"a", b"b"])
        message = await router.recv_message()
        assert message.frames == [b"me", b"a", b"b"]
        assert message.metadata == {"Socket-Type": "DEALER", "Identity": "me", "Peer-Address": "127.0.0.1"}
        await dealer.send_multipart([b"a", b"b"])
        assert await router.recv() == b"me"
        assert (await router.recv_message()).frames == [b"a", b"b"]


@pytest.mark.requirement("30-1", "30-12", "29-1", "29-26")
@pytest.mark.parametrize(
    ("kind", "can"), [(zmq.PUSH, "send"), (zmq.PULL, "receive"), (zmq.PUB, "send"), (zmq.SUB, "receive")]
)
async def test_a_socket_of_one_direction_refuses_the_other(kind: zmq.SocketType, can: str) -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind)
        attempts: list[Callable[[], Awaitable[Any]]] = (
            [sock.recv, sock.recv_multipart, lambda: sock.recv(zmq.NOBLOCK)]
            if can == "send"
            else [lambda: sock.send(b""), lambda: sock.send(b"", zmq.SNDMORE), lambda: sock.send(b"", zmq.NOBLOCK)]
        )
        for attempt in attempts:
            with pytest.raises(zmq.ZMQError, match=f"a {kind.name} socket only {can}s") as caught:
                await attempt()
            assert caught.value.errno == zmq.ENOTSUP


@pytest.mark.requirement("28-1", "28-10", "L-31")
async def test_asking_out_of_turn_is_efsm_and_says_what_to_do() -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ)
        for attempt, words in [
            (req.recv, r"send\(\) a request before recv\(\)"),
            (lambda: rep.send(b"x"), r"recv\(\) a request before send\(\)"),
        ]:
            with pytest.raises(zmq.ZMQError, match=words) as caught:
                await attempt()
            assert caught.value.errno == zmq.EFSM
        await req.send(b"?")
        with pytest.raises(zmq.ZMQError, match=r"awaits a reply: recv\(\) it before the next send\(\)"):
            await req.send(b"?")
        with pytest.raises(zmq.ZMQError, match="awaits a reply"):
            await req.send(b"?", zmq.SNDMORE)
        assert await rep.recv() == b"?"
        with pytest.raises(zmq.ZMQError, match=r"has not replied: send\(\) the reply"):
            await rep.recv()
        await rep.send(b"!")
        assert await req.recv() == b"!"


# ------------------------------------------------------------------------------------------------------- not waiting


async def test_noblock_raises_again() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        for attempt in (
            lambda: pull.recv(zmq.NOBLOCK),
            lambda: pull.recv_multipart(zmq.DONTWAIT),
            lambda: push.send(b"", zmq.NOBLOCK),
        ):
            with pytest.raises(zmq.Again, match="this call does not wait") as caught:
                await attempt()
            assert caught.value.errno == zmq.EAGAIN


@pytest.mark.parametrize("timeout", [0, 1, 250])
async def test_sndtimeo_and_rcvtimeo_bound_the_wait(timeout: int, quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvtimeo=timeout), ctx.socket(zmq.PUSH, sndtimeo=timeout)
        for attempt in (pull.recv, pull.recv_multipart, lambda: push.send(b"")):
            begun = trio.current_time()
            with pytest.raises(zmq.Again, match=f"within {timeout} ms" if timeout else "does not wait"):
                await attempt()
            assert trio.current_time() - begun == pytest.approx(timeout / 1000)
        pull.rcvtimeo = 2 * timeout  # looked at when it is needed
        begun = trio.current_time()
        with pytest.raises(zmq.Again):
            await pull.recv()
        assert trio.current_time() - begun == pytest.approx(2 * timeout / 1000)


async def test_a_timeout_does_not_lose_a_message_in_time(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here", rcvtimeo=1000)

        async def later() -> None:
            await trio.sleep(0.9)
            await push.send(b"just in time")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            assert await pull.recv() == b"just in time"


# ------------------------------------------------------------------------------------------------ messages in parts


async def test_the_first_part_is_refused_as_a_message_would_be() -> None:
    """As in libzmq: where the message could not be sent, its first part is not taken."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH)
        with pytest.raises(zmq.Again):
            await push.send(b"a", zmq.SNDMORE | zmq.NOBLOCK)
        push.sndtimeo = 0
        with pytest.raises(zmq.Again):
            await push.send(b"a", zmq.SNDMORE)
        router = ctx.socket(zmq.ROUTER, router_mandatory=1)
        with pytest.raises(zmq.ZMQError, match="no connected peer has the routing id b'gone'") as caught:
            await router.send(b"gone", zmq.SNDMORE)
        assert caught.value.errno == zmq.EHOSTUNREACH
        pull, dealer = ctx.socket(zmq.PULL), ctx.socket(zmq.DEALER, routing_id=b"d")
        for sock, peer, endpoint in ((push, pull, "inproc://p"), (router, dealer, "inproc://r")):
            sock.bind(endpoint)
            peer.connect(endpoint)
        await push.send(b"whole")
        await router.send_multipart([b"d", b"whole"])
        assert await receive_all(pull, 0) == await receive_all(dealer, 0) == [[b"whole"]]


async def test_the_first_part_waits_for_room_of_its_own_audience() -> None:
    async with zmq.Context() as ctx:
        xpub, sub = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://news", hwm=1)
        xpub.xpub_nodrop = 1
        sub.subscribe(b"eu")
        for number in range(2):
            await xpub.send(b"eu %d" % number)
        await xpub.send(b"us", zmq.SNDMORE | zmq.NOBLOCK)
        await xpub.send(b"snow", zmq.NOBLOCK)
        with pytest.raises(zmq.Again):
            await xpub.send(b"eu", zmq.SNDMORE | zmq.NOBLOCK)
        xpub.invert_matching = sub.invert_matching = 1
        await xpub.send(b"eu", zmq.SNDMORE | zmq.NOBLOCK)
        await xpub.send(b"rain", zmq.NOBLOCK)
        with pytest.raises(zmq.Again):
            await xpub.send(b"us", zmq.SNDMORE | zmq.NOBLOCK)


def later_parts_that_fail() -> list[Any]:
    """(what raises it, a call with the last part): each after a first part that was taken."""

    async def again(push: zmq.Socket) -> None:
        push.disconnect("inproc://here")
        await push.send(b"old", zmq.NOBLOCK)

    async def time_is_up(push: zmq.Socket) -> None:
        push.disconnect("inproc://here")
        push.sndtimeo = 0
        try:
            await push.send_multipart([b"b", b"old"])
        finally:
            push.sndtimeo = -1

    async def cancelled_at_once(push: zmq.Socket) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await push.send(b"old")
        raise TimeoutError

    async def cancelled_waiting(push: zmq.Socket) -> None:
        push.disconnect("inproc://here")
        with trio.fail_after(0.01):
            await push.send(b"old")

    return [
        pytest.param(zmq.Again, again, id="noblock"),
        pytest.param(zmq.Again, time_is_up, id="sndtimeo"),
        pytest.param(TimeoutError, cancelled_at_once, id="cancelled at once"),
        pytest.param(trio.TooSlowError, cancelled_waiting, id="cancelled waiting"),
        pytest.param(TypeError, lambda push: push.send(7), id="no frame"),
        pytest.param(TypeError, lambda push: push.send_multipart([b"b", "text"], zmq.SNDMORE), id="no frames"),
        pytest.param(
            ZeroDivisionError, lambda push: push.send_multipart(bytes(1 // n) for n in (1, 0)), id="iterable raises"
        ),
        pytest.param(zmq.ZMQError, lambda push: push.send_multipart([]), id="no frame at all"),
        pytest.param(TypeError, lambda push: push.send_json(object()), id="no json"),
        pytest.param(UnicodeEncodeError, lambda push: push.send_string("ü", encoding="ascii"), id="no text"),
    ]


@pytest.mark.parametrize(("error", "fail"), later_parts_that_fail())
async def test_a_part_that_fails_gives_up_its_whole_message(
    error: type[Exception], fail: Callable[[zmq.Socket], Awaitable[None]]
) -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        pull.bind("inproc://here")
        push.connect("inproc://here")
        await push.send(b"topic", zmq.SNDMORE)
        with pytest.raises(error):
            await fail(push)
        late = ctx.socket(zmq.PULL)
        late.bind("inproc://there")
        push.connect("inproc://there")
        for _ in range(2):
            await push.send_multipart([b"topic", b"new"])
        found = await receive_all(pull, 0) + await receive_all(late, 0)
        assert found == [[b"topic", b"new"]] * 2


async def test_a_reply_in_parts_that_fails_is_still_owed() -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
        await req.send(b"?")
        await rep.recv()
        await rep.send(b"old", zmq.SNDMORE)
        with pytest.raises(TypeError):
            await rep.send(7)
        await rep.send(b"new", zmq.SNDMORE)
        await rep.send(b"!")
        assert await req.recv_multipart() == [b"new", b"!"]


# ------------------------------------------------------------------------------------------------ what recv has left


@every_transport
@pytest.mark.requirement("28-1", "28-10", "L-31")
async def test_a_reply_or_request_read_in_part_is_read_to_its_end(transport: str) -> None:
    """As in libzmq: until then it is not the time to send, in one call or in parts, and poll says so."""
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, transport)

        async def read_in_parts(sock: zmq.Socket, words: str) -> None:
            assert await sock.recv() == b"a"
            for frame, more in [(b"b", True), (b"c", False)]:
                for flags in (0, zmq.SNDMORE, zmq.NOBLOCK):
                    with pytest.raises(zmq.ZMQError, match=words) as caught:
                        await sock.send(b"x", flags)
                    assert caught.value.errno == zmq.EFSM
                with pytest.raises(zmq.ZMQError, match=words):
                    await sock.send_multipart([b"x"])
                assert await sock.poll(0, IN | OUT) == IN
                assert await sock.recv() == frame
                assert sock.rcvmore is more
            assert await sock.poll(0, IN | OUT) == OUT

        with trio.fail_after(5):
            await req.send_multipart([b"a", b"b", b"c"])
            await read_in_parts(rep, "a part of the request")
            await rep.send_multipart([b"a", b"b", b"c"])
            await read_in_parts(req, "a part of its reply")
            await req.send(b"next")
            assert await rep.recv() == b"next"


async def test_with_req_relaxed_the_rest_of_a_reply_is_given_up() -> None:
    """A new request abandons the one before, and what is unread of its reply."""
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
        req.req_relaxed = 1
        await req.send(b"1")
        await rep.recv()
        await rep.send_multipart([b"answer to 1", b"note"])
        assert await req.recv() == b"answer to 1"
        assert await req.poll(0, IN | OUT) == IN | OUT
        await req.send(b"2")
        assert not req.rcvmore
        assert await req.poll(0, IN) == 0
        assert await rep.recv() == b"2"
        await rep.send(b"answer to 2")
        assert await req.recv() == b"answer to 2"


@pytest.mark.parametrize("how", ["recv", "recv_multipart", "recv_message"])
async def test_a_poll_notices_that_the_rest_was_read(how: str) -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
        await req.send_multipart([b"a", b"b"])
        assert await rep.recv() == b"a"
        found: list[int] = []

        async def poll() -> None:
            found.append(await rep.poll(None, OUT))

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll)
                await wait_all_tasks_blocked()
                assert found == []
                await getattr(rep, how)()
        assert found == [OUT]


@every_transport
async def test_what_recv_has_left_is_still_from_its_sender(transport: str) -> None:
    """Also when the first frame was taken past the pattern, as is done where there is one peer."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        for _ in range(3):
            await push.send_multipart([b"a", b"b"])
        with trio.fail_after(5):
            for _ in range(3):
                assert await pull.recv() == b"a"
                rest = await pull.recv_message()
                assert rest.frames == [b"b"]
                assert rest.metadata.get("Socket-Type") == (None if transport.startswith("inproc") else "PUSH")


async def test_what_recv_has_left_is_read_after_its_sender_has_gone() -> None:
    """A message that the program has begun to read is read to its end; one that it has not begun is lost (L-18)."""
    async with zmq.Context() as ctx:
        push, pull = await pair(ctx, zmq.PUSH, zmq.PULL, "inproc://here")
        for _ in range(2):
            await push.send_multipart([b"a", b"b"])
        assert await pull.recv() == b"a"
        pull.disconnect("inproc://here")
        assert await receive_all(pull, 0) == [[b"b"]]


# ------------------------------------------------------------------------------------------------ calls that raise


async def test_a_connect_that_raises_changes_nothing() -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, connect_routing_id=b"server")
        router.connect("inproc://before")
        router.connect_routing_id = b"server"
        too_long = "ipc:///" + "x" * 200
        for endpoint in ("tcp://127.0.0.1", "nonsense", too_long):
            with pytest.raises(zmq.ZMQError):
                router.connect(endpoint)
        router.curve_serverkey = bytes(32)
        with pytest.raises(zmq.ZMQError, match="curve_secretkey"):
            router.connect("tcp://127.0.0.1:1")
        assert router.last_endpoint == "inproc://before"
        assert router.connect_routing_id == b"server"
        assert [peer.endpoint for peer in router.peers()] == ["inproc://before"]


async def test_a_name_that_is_no_encoding_costs_no_frame() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        await push.send(b"text")
        with pytest.raises(LookupError):
            await pull.recv_string(encoding="utf-9")
        assert await pull.recv_string() == "text"


async def test_a_frame_that_cannot_be_read_as_text_is_taken() -> None:
    """As with pyzmq: a loop that goes on after the error meets the next frame, and not this one for ever."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        for frame in (b"\xff", b"no json", b"good"):
            await push.send(frame)
        with pytest.raises(UnicodeDecodeError):
            await pull.recv_string()
        with pytest.raises(json.JSONDecodeError):
            await pull.recv_json()
        assert await pull.recv_string() == "good"


# ------------------------------------------------------------------------------------------------------- several tasks


@every_transport
async def test_all_tasks_that_wait_for_a_message_get_one(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        got: list[bytes] = []

        async def wait() -> None:
            got.append(await pull.recv())

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                for number in range(10):
                    await push.send(b"%d" % number)
        assert sorted(got) == [b"%d" % number for number in range(10)]


async def test_all_tasks_that_wait_for_room_get_it() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvhwm=1), ctx.socket(zmq.PUSH, sndhwm=1)
        push.connect("inproc://here")
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(push.send, b"%d" % number)
                await wait_all_tasks_blocked()
                pull.bind("inproc://here")
                assert sorted([await pull.recv() for _ in range(10)]) == [b"%d" % number for number in range(10)]


@pytest.mark.requirement("37-27")
async def test_tasks_that_receive_by_frames_lose_none() -> None:
    """Each frame goes to the next task that asks, but each arrives once, and messages aren't mixed."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        got: list[bytes] = []

        async def wait() -> None:
            got.append(await pull.recv())

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                for name in (b"a", b"b", b"c"):
                    await push.send_multipart([name + b"1", name + b"2", name + b"3"])
            assert sorted(got) == [b"a1", b"b1", b"c1"]
            rests = [await pull.recv_multipart() for _ in range(3)]
        assert sorted(rests) == [[b"a2", b"a3"], [b"b2", b"b3"], [b"c2", b"c3"]]


async def test_two_tasks_may_ask_for_the_last_frame() -> None:
    """One gets it, and the other waits for the next message: it does not find an empty list in its hands."""
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        await push.send_multipart([b"a1", b"a2"])
        assert await pull.recv() == b"a1"
        got: list[Any] = []

        async def one() -> None:
            got.append(await pull.recv())

        async def rest() -> None:
            got.append((await pull.recv_message()).frames)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for ask in (one, one, rest):
                    nursery.start_soon(ask)
                await wait_all_tasks_blocked()
                await push.send(b"b")
                await push.send(b"c")
        assert len(got) == 3
        assert sorted(frame if isinstance(frame, bytes) else frame[0] for frame in got) == [b"a2", b"b", b"c"]


async def test_parts_of_a_message_survive_another_tasks_send() -> None:
    """One task waits with a whole message and is cancelled; the parts that another has given meanwhile are not its."""
    async with zmq.Context() as ctx:
        router, dealer = await pair(ctx, zmq.ROUTER, zmq.DEALER, "inproc://here", routing_id=b"d", hwm=1)
        router.router_mandatory = 1
        other = ctx.socket(zmq.DEALER, routing_id=b"other")
        other.connect("inproc://here")
        for _ in range(2):
            await router.send_multipart([b"d", b"fills"])
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(router.send_multipart, [b"d", b"waits"])
                await wait_all_tasks_blocked()
                await router.send(b"other", zmq.SNDMORE)
                nursery.cancel_scope.cancel()
            await router.send(b"b")
            assert await receive_all(other, 0) == [[b"b"]]
            assert await receive_all(dealer, 0) == [[b"fills"], [b"fills"]]


async def test_tasks_that_send_in_parts_and_wait_mix_none() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, rcvhwm=1), ctx.socket(zmq.PUSH, sndhwm=1)

        async def feed(name: bytes) -> None:
            await push.send(name, zmq.SNDMORE)
            await push.send(name)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for name in (b"a", b"b", b"c", b"d"):
                    nursery.start_soon(feed, name)
                await wait_all_tasks_blocked()
                pull.bind("inproc://here")
                push.connect("inproc://here")
                got = [await pull.recv_multipart() for _ in range(4)]
        assert sorted(got) == [[b"a", b"a"], [b"b", b"b"], [b"c", b"c"], [b"d", b"d"]]


# ------------------------------------------------------------------------------------------------------- polling


async def test_poll_says_what_each_type_can_do() -> None:
    """Alone, with a peer, with a message."""
    async with zmq.Context() as ctx:
        alone = {
            zmq.PUSH: 0, zmq.PULL: 0, zmq.PUB: OUT, zmq.SUB: 0, zmq.XPUB: OUT, zmq.XSUB: OUT,
            zmq.REQ: 0, zmq.REP: 0, zmq.DEALER: 0, zmq.ROUTER: OUT, zmq.PAIR: 0,
        }  # fmt: skip
        for kind, mask in alone.items():
            sock = ctx.socket(kind)
            assert await sock.poll(0, IN | OUT) == mask, kind
            assert sock.events == mask
        with_peer = [
            (zmq.PULL, zmq.PUSH, 0, OUT), (zmq.SUB, zmq.PUB, 0, OUT), (zmq.REP, zmq.REQ, 0, OUT),
            (zmq.ROUTER, zmq.DEALER, OUT, OUT), (zmq.PAIR, zmq.PAIR, OUT, OUT), (zmq.XSUB, zmq.XPUB, OUT, OUT),
        ]  # fmt: skip
        for one, other, bound_mask, connected_mask in with_peer:
            bound, connected = await pair(ctx, one, other)
            await wait_all_tasks_blocked(0.01)
            assert await bound.poll(0, IN | OUT) == bound_mask, one
            assert await connected.poll(0, IN | OUT) == connected_mask, other


async def test_poll_follows_a_request_and_its_reply() -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")

        def can() -> tuple[int, int]:
            return req.events, rep.events

        assert can() == (OUT, 0)
        await req.send(b"?")
        assert can() == (0, IN)
        await rep.recv()
        assert can() == (0, OUT)
        await rep.send(b"!")
        assert can() == (IN, 0)
        await req.recv()
        assert can() == (OUT, 0)


@pytest.mark.requirement("28-8", "29-34")
async def test_pollin_is_a_promise() -> None:
    """What the pattern would throw away is not announced: a recv after POLLIN finds a message."""
    async with zmq.Context() as ctx:
        sub, push = ctx.socket(zmq.SUB), ctx.socket(zmq.PUSH)
        sub.bind("inproc://here")
        push.connect("inproc://here")
        sub.subscribe("a")
        await push.send(b"b: filtered")
        assert await sub.poll(0) == 0
        await push.send(b"a: wanted")
        assert await sub.poll(0) == IN
        assert await sub.recv(zmq.NOBLOCK) == b"a: wanted"


async def test_poll_waits_as_long_as_it_is_told(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        for timeout in (0, 1, 250, 1500.5):
            begun = trio.current_time()
            assert await pull.poll(timeout) == 0
            assert trio.current_time() - begun == pytest.approx(timeout / 1000)
        for timeout in (None, -1):
            with trio.move_on_after(1000) as scope:
                await pull.poll(timeout)
            assert scope.cancelled_caught


@every_transport
async def test_poll_wakes_when_something_comes_and_when_there_is_room(transport: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, transport)
        found: list[int] = []

        async def poll(sock: zmq.Socket, flags: int) -> None:
            found.append(await sock.poll(None, flags))

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll, pull, IN)
                nursery.start_soon(poll, pull, IN | OUT)
                await wait_all_tasks_blocked()
                await push.send(b"x")
            lonely = ctx.socket(zmq.PUSH, linger=0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll, lonely, OUT)
                await wait_all_tasks_blocked()
                lonely.connect(free_endpoint())
        assert found == [IN, IN, OUT]


async def test_a_poll_notices_what_another_task_did() -> None:
    """A reply that was sent makes the REP readable, a request that was taken makes it writable; the REQ likewise."""
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
        second = ctx.socket(zmq.REQ, linger=0)
        second.connect("inproc://here")
        for asker in (req, second):
            await asker.send(b"?")

        async def while_polling(sock: zmq.Socket, flags: int, act: Callable[[], Awaitable[Any]]) -> None:
            found: list[int] = []

            async def poll() -> None:
                found.append(await sock.poll(None, flags))

            with trio.fail_after(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(poll)
                    await wait_all_tasks_blocked()
                    assert found == []
                    await act()
            assert found == [flags]

        await while_polling(rep, OUT, rep.recv)
        await while_polling(rep, IN, lambda: rep.send(b"!"))
        await while_polling(req, OUT, req.recv)


async def test_a_poller_that_was_not_first_keeps_waiting() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        found: list[int] = []

        async def poll() -> None:
            found.append(await pull.poll(None))

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll)
                await wait_all_tasks_blocked()
                await push.send(b"1")
                pattern_of(pull).take()  # as if another task had been faster
                await wait_all_tasks_blocked()
                assert found == []
                await push.send(b"2")
        assert found == [IN]


# ------------------------------------------------------------------------------------------------------- loops


async def test_a_loop_over_a_socket_ends_when_it_is_closed() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        got: list[list[bytes]] = []

        async def loop() -> None:
            async for message in pull:
                got.append(message)  # noqa: PERF401  # it is stopped in the middle

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop)
                await push.send(b"1")
                await push.send_multipart([b"2", b"3"])
                await wait_all_tasks_blocked()
                pull.close()
            await loop()
        assert got == [[b"1"], [b"2", b"3"]]


@pytest.mark.slow
async def test_a_loop_over_a_socket_may_be_left_and_begun_again() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        for number in range(3):
            await push.send(b"%d" % number)
        got = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(3):
                async for message in pull:
                    got += [message]
                    break
            gc.collect()
        assert got == [[b"0"], [b"1"], [b"2"]]


async def test_a_loop_over_a_socket_passes_other_errors_on() -> None:
    async with zmq.Context() as ctx:
        with pytest.raises(zmq.ZMQError, match="only sends"):
            async for _ in ctx.socket(zmq.PUSH):
                pass
        with pytest.raises(zmq.Again):
            async for _ in ctx.socket(zmq.PULL, rcvtimeo=0):
                pass


# ------------------------------------------------------------------------------------------------------- closing


async def test_closing_a_socket_gives_its_waiters_enotsock() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH, linger=0)
        told = 0

        async def wait(attempt: Callable[[], Awaitable[Any]]) -> None:
            nonlocal told
            with pytest.raises(zmq.ZMQError, match=r"this PU.. socket is closed") as caught:
                await attempt()
            assert caught.value.errno == zmq.ENOTSOCK
            told += 1

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for attempt in (pull.recv, pull.recv, pull.recv_multipart, pull.poll, lambda: pull.poll(10_000)):
                    nursery.start_soon(wait, attempt)
                for attempt in (lambda: push.send(b""), lambda: push.send(b""), lambda: push.poll(None, OUT)):
                    nursery.start_soon(wait, attempt)
                await wait_all_tasks_blocked()
                pull.close()
                push.close()
        assert told == 8


async def test_calls_after_close_get_enotsock_and_close_may_repeat() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.DEALER)
        assert not sock.closed
        sock.close()
        sock.close()
        sock.close(linger=0)
        assert sock.closed
        assert sock.socket_type is zmq.DEALER
        for call in (
            lambda: sock.bind("inproc://x"),
            lambda: sock.connect("inproc://x"),
            lambda: sock.unbind("inproc://x"),
            lambda: sock.disconnect("inproc://x"),
            lambda: sock.subscribe("x"),
            lambda: sock.unsubscribe("x"),
            lambda: sock.events,
            sock.monitor,
        ):
            with pytest.raises(zmq.ZMQError) as caught:
                call()
            assert caught.value.errno == zmq.ENOTSOCK
        for attempt in (
            sock.recv,
            sock.recv_message,
            lambda: sock.send(b""),
            lambda: sock.send(b"", zmq.SNDMORE),
            lambda: sock.recv(zmq.NOBLOCK),
            sock.poll,
            lambda: sock.poll(0),
        ):
            with pytest.raises(zmq.ZMQError) as caught:
                await attempt()
            assert caught.value.errno == zmq.ENOTSOCK


async def test_a_socket_is_a_context_manager() -> None:
    async with zmq.Context() as ctx:
        async with ctx.socket(zmq.PULL) as pull:
            pull.bind("inproc://here")
        assert pull.closed
        ctx.socket(zmq.PULL).bind("inproc://here")


async def test_a_closed_socket_is_forgotten() -> None:
    async with zmq.Context() as ctx:
        for endpoint in TRANSPORTS:
            for _ in range(3):
                bound, connected = await pair(ctx, zmq.PULL, zmq.PUSH, endpoint)
                await connected.send(b"x")
                await bound.recv()
                bound.close()
                connected.close()
        await wait_all_tasks_blocked(0.02)
        assert not open_sockets(ctx)
        assert runtime_of(ctx).working == 0


# ------------------------------------------------------------------------------------------------------- endpoints


@pytest.mark.requirement("L-15")
async def test_last_endpoint_is_what_was_bound_or_connected() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.DEALER, linger=0)
        assert sock.last_endpoint == ""
        sock.bind("tcp://*:*")
        assert sock.last_endpoint.startswith("tcp://0.0.0.0:")
        sock.bind("ipc://*")
        assert sock.last_endpoint.startswith("ipc:///")
        sock.bind("inproc://here")
        assert sock.last_endpoint == "inproc://here"
        sock.connect("tcp://localhost:1")
        assert sock.last_endpoint == "tcp://localhost:1"
        assert "tcp://localhost:1" in repr(sock)


async def test_bind_to_random_port_gives_the_port() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        assert pull.last_endpoint == f"tcp://127.0.0.1:{port}"


async def test_a_socket_works_over_ipv6_and_several_endpoints_at_once() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        endpoints = []
        for endpoint in ("tcp://[::1]:*", *TRANSPORTS):
            pull.bind(endpoint)
            endpoints.append(pull.last_endpoint)
        with trio.fail_after(5):
            for endpoint in endpoints:
                push = ctx.socket(zmq.PUSH)
                push.connect(endpoint)
                await push.send(endpoint.encode())
            assert sorted([(await pull.recv()).decode() for _ in endpoints]) == sorted(endpoints)


async def test_a_name_is_looked_up_at_connect() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        push.connect(f"tcp://localhost:{port}")
        with trio.fail_after(5):
            await push.send(b"x")
            assert await pull.recv() == b"x"


async def test_a_port_can_be_bound_again_at_once_after_close() -> None:
    async with zmq.Context() as ctx:
        for _ in range(3):
            pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)
            endpoint = pull.last_endpoint
            with pytest.raises(zmq.ZMQError) as caught:
                ctx.socket(zmq.PULL).bind(endpoint)
            assert caught.value.errno == zmq.EADDRINUSE
            pull.close()
            again = ctx.socket(zmq.PULL)
            again.bind(endpoint)
            again.close()
            push.close()


@pytest.mark.requirement("L-18", "L-19")
async def test_leaving_an_unknown_endpoint_is_enoent() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.DEALER, linger=0)
        for call, how in ((sock.unbind, "bound to"), (sock.disconnect, "connected to")):
            with pytest.raises(zmq.ZMQError, match=rf"not {how} tcp://127.0.0.1:1; it is .* nothing") as caught:
                call("tcp://127.0.0.1:1")
            assert caught.value.errno == zmq.ENOENT
        sock.bind("inproc://here")
        sock.unbind("inproc://here")
        with pytest.raises(zmq.ZMQError):
            sock.unbind("inproc://here")
        sock.connect("tcp://127.0.0.1:2")
        with pytest.raises(zmq.ZMQError, match=r"connected to tcp://127.0.0.1:2"):
            sock.disconnect("tcp://127.0.0.1:1")


@pytest.mark.requirement("L-17", "L-18")
async def test_disconnect_ends_all_connections_to_an_endpoint() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect(server.endpoint)
        push.connect(server.endpoint)
        with trio.fail_after(5):
            peers = [await server.accept() for _ in range(2)]
            for peer in peers:
                await peer.greet(b"PULL")
            push.disconnect(server.endpoint)
            for peer in peers:
                assert await peer.ended()
                peer.close()
        with pytest.raises(zmq.ZMQError):
            push.disconnect(server.endpoint)


# ------------------------------------------------------------------------------------------------------- taking turns


@pytest.mark.requirement("L-24", "30-8")
async def test_a_push_takes_its_peers_in_order_of_joining() -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH)
        pulls = []
        for number in range(3):
            pulls.append(ctx.socket(zmq.PULL))
            pulls[-1].bind(f"inproc://{number}")
            push.connect(f"inproc://{number}")
        for number in range(9):
            await push.send(b"%d" % number)
        got = [[int(message[0]) for message in await receive_all(pull, 0)] for pull in pulls]
        assert got == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.requirement("30-18", "28-12")
async def test_a_pull_flooded_by_one_peer_still_reads_the_other() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(5):
            async with await RawPeer.dial(pull.last_endpoint) as loud, await RawPeer.dial(pull.last_endpoint) as quiet:
                for peer in (loud, quiet):
                    await peer.greet(b"PUSH")
                await loud.send(b"\0\1L" * 500)
                assert await pull.recv() == b"L"
                await quiet.send(b"\0\1q" * 3)
                await wait_all_tasks_blocked(0.01)
                assert b"".join([await pull.recv() for _ in range(8)]).count(b"q") == 3


@pytest.mark.requirement("L-35")
async def test_replies_that_came_before_the_request_are_thrown_away() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        req = ctx.socket(zmq.REQ, linger=0)
        req.connect(server.endpoint)
        with trio.fail_after(5):
            async with await server.accept() as peer:
                await peer.greet(b"REP")
                await peer.send(b"\1\0\0\5early" * 2)
                await wait_all_tasks_blocked(0.01)
                await req.send(b"question")
                assert await peer.message() == [b"", b"question"]
                await peer.send(b"\1\0\0\6answer")
                assert await req.recv() == b"answer"


async def test_monitor_and_messages_do_not_wait_for_each_other() -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
        pull.monitor()  # never read
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        with trio.fail_after(5):
            for number in range(2000):
                await push.send(b"%d" % number)
                assert await pull.recv() == b"%d" % number


async def test_subscribing_is_for_subscribers() -> None:
    async with zmq.Context() as ctx:
        for kind in (zmq.PUSH, zmq.PUB, zmq.REQ, zmq.XSUB):
            with pytest.raises(zmq.ZMQError, match="subscri") as caught:
                ctx.socket(kind).subscribe("x")
            assert caught.value.errno == zmq.EINVAL
        sub = ctx.socket(zmq.SUB)
        sub.subscribe("text")
        sub.subscribe(b"octets")
        sub.subscribe(bytearray(b"octets"))
        with pytest.raises(TypeError, match="not int"):
            sub.subscribe(7)  # type: ignore[arg-type]


def test_names_and_numbers_are_libzmqs() -> None:
    pyzmq = pytest.importorskip("zmq")
    for kind in zmq.SocketType:
        assert getattr(zmq, kind.name) == getattr(pyzmq, kind.name)
    for name in ("NOBLOCK", "DONTWAIT", "SNDMORE", "POLLIN", "POLLOUT"):
        assert getattr(zmq, name) == int(getattr(pyzmq, name)), name
    for name in ("EAGAIN", "EFSM", "ETERM", "EHOSTUNREACH", "ENOTSOCK", "ENOTSUP"):
        assert getattr(zmq, name) == int(getattr(pyzmq, name)), name
    for event in Event:
        assert int(event) == int(getattr(pyzmq, f"EVENT_{event.name}"))


async def test_a_changed_option_applies_to_existing_connections() -> None:
    async with zmq.Context() as ctx:
        with trio.fail_after(5):
            xpub, sub = await pair(ctx, zmq.XPUB, zmq.SUB)
            sub.subscribe(b"a")
            assert await xpub.recv() == b"\1a"
            for number in range(4):
                await xpub.send(b"a%d" % number)
            assert await sub.recv() == b"a0"
            await wait_all_tasks_blocked(0.01)
            assert await sub.recv() == b"a1"
            sub.invert_matching = 1
            with pytest.raises(zmq.Again):
                await sub.recv(zmq.NOBLOCK)
