"""Draft types on real sockets: addresses of frames, what crosses the wire, and several tasks on one socket."""

import re
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import Event, Frame
from minizmtp.auth import CURVE_ALLOW_ANY, Authenticator
from minizmtp.constants import CLASSIC, PEERS
from minizmtp.trace import Side, Trace
from tests.minizmtp.helpers import TRANSPORTS, pair, until
from tests.zmtp_bytes import GREETING, command, frame, ready
from tests.zmtp_peer import RawListener, RawPeer

every_transport = pytest.mark.parametrize("transport", [*TRANSPORTS, "ws://127.0.0.1:*"])
DRAFTS = [kind for kind in zmq.SocketType if kind not in CLASSIC]

PUBLIC, SECRET = zmq.curve_keypair()
MECHANISMS = {
    "NULL": ({}, {}),
    "PLAIN": ({"plain_server": 1}, {"plain_username": b"me", "plain_password": b"secret"}),
    "CURVE": (
        {"curve_server": 1, "curve_secretkey": SECRET},
        {"curve_serverkey": PUBLIC, "curve_publickey": PUBLIC, "curve_secretkey": SECRET},
    ),
}


async def joined(radio: zmq.Socket, count: int = 1) -> None:
    """Wait until the peers of radio have joined so many groups."""
    while sum(peer.subscriptions for peer in radio.peers()) != count:
        await wait_all_tasks_blocked()


@every_transport
@pytest.mark.requirement("D-3", "D-4")
async def test_a_server_answers_the_client_that_asked(transport: str) -> None:
    async with zmq.Context() as ctx:
        server = ctx.socket(zmq.SERVER)
        server.bind(transport)
        clients = [ctx.socket(zmq.CLIENT) for _ in range(3)]
        for number, client in enumerate(clients):
            client.connect(server.last_endpoint)
            await client.send(b"%d" % number)
        with trio.fail_after(10):
            questions = [await server.recv() for _ in clients]
            assert len({question.routing_id for question in questions}) == 3
            for question in questions:
                await server.send(b"to " + question, routing_id=question.routing_id)
                await server.send(question)  # to where it came from
            for number, client in enumerate(clients):
                assert [await client.recv(), await client.recv()] == [b"to %d" % number, b"%d" % number]
            clients[0].close()
            while len(server.peers()) == 3:
                await wait_all_tasks_blocked()
            with pytest.raises(zmq.ZMQError, match="no peer has the routing id") as caught:
                await server.send(next(each for each in questions if each == b"0"))
            assert caught.value.errno == zmq.EHOSTUNREACH


@every_transport
@pytest.mark.requirement("D-7", "D-11")
async def test_a_dish_gets_the_groups_that_it_joined(transport: str) -> None:
    async with zmq.Context() as ctx:
        radio, dish = ctx.socket(zmq.RADIO), ctx.socket(zmq.DISH)
        dish.join("eu")
        radio.bind(transport)
        dish.connect(radio.last_endpoint)
        dish.join(b"\xff")
        with trio.fail_after(10):
            await joined(radio, 2)
            for group in ("europe", "eu", b"\xff", ""):
                await radio.send(b"rain", group=group)
            eu, other = await dish.recv(), await dish.recv()
            assert (eu, eu.group, other.group) == (b"rain", "eu", "\udcff")
            await radio.send(other)  # to the same group
            assert (await dish.recv()).group == other.group
            dish.leave("eu")
            with pytest.raises(zmq.ZMQError, match="has not joined it"):
                dish.leave("eu")
            await joined(radio, 1)
            batch = [Frame(b"1", group="eu"), [Frame(b"2", group="\udcff")], Frame(b"3", group="\udcff")]
            assert await radio.send_many(batch) == 3
            assert [await dish.recv_multipart(), await dish.recv_multipart()] == [[b"2"], [b"3"]]


@every_transport
@pytest.mark.requirement("D-6", "D-3")
async def test_a_peer_speaks_first_to_the_number_of_a_connect(transport: str) -> None:
    async with zmq.Context() as ctx:
        here, there = ctx.socket(zmq.PEER), ctx.socket(zmq.PEER)
        there.bind(transport)
        number = here.connect_peer(there.last_endpoint)
        await here.send_string("hello", routing_id=number)
        with trio.fail_after(10):
            message = await there.recv_message()
            (hello,) = message.frames
            assert isinstance(hello, Frame)
            assert (hello, message.metadata.get("Socket-Type", "PEER")) == (b"hello", "PEER")
            await there.send_json({"n": 1}, routing_id=hello.routing_id)
            answer = await here.recv()
            assert (answer, answer.routing_id) == (b'{"n":1}', number)
        here.immediate = 1
        with pytest.raises(zmq.ZMQError, match="needs immediate=0"):
            here.connect_peer("tcp://127.0.0.1:1")


PAIRS = [(zmq.SCATTER, zmq.GATHER), (zmq.CHANNEL, zmq.CHANNEL), (zmq.CLIENT, zmq.SERVER), (zmq.RADIO, zmq.DISH)]


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_each_pair_works_with_each_mechanism(mechanism: str) -> None:
    ours, theirs = MECHANISMS[mechanism]
    async with zmq.Context() as ctx, Authenticator(ctx) as handler:
        handler.configure_plain(passwords={"me": "secret"})
        handler.configure_curve(location=CURVE_ALLOW_ANY)
        with trio.fail_after(10):
            for one, other in PAIRS:
                sender, receiver = ctx.socket(one, **theirs), ctx.socket(other, **ours)
                receiver.bind("tcp://127.0.0.1:*")
                sender.connect(receiver.last_endpoint)
                if isinstance(receiver, zmq.AddressedSocket) and other is zmq.DISH:
                    receiver.join("")
                    await joined(sender)
                await sender.send(b"x" * 300)
                assert await receiver.recv() == b"x" * 300


@pytest.mark.requirement("37-44")
@pytest.mark.parametrize("kind", DRAFTS, ids=lambda kind: kind.name)
async def test_a_draft_refuses_each_type_but_its_own(kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind)
        sock.bind("tcp://127.0.0.1:*")
        monitor = sock.monitor()
        with trio.fail_after(20):
            for other in zmq.SocketType:
                async with await RawPeer.dial(sock.last_endpoint) as peer:
                    await peer.send(GREETING + ready(other.name.encode()))
                    fits = other in PEERS[kind]
                    wanted = Event.HANDSHAKE_SUCCEEDED if fits else Event.HANDSHAKE_FAILED_PROTOCOL
                    told = await until(monitor, wanted)
                    assert fits or f"{kind.name} cannot talk to {other.name}" in told.reason
        assert [other.name for other in PEERS[kind]] == [
            {"CLIENT": "SERVER", "SERVER": "CLIENT", "RADIO": "DISH", "DISH": "RADIO", "SCATTER": "GATHER",
             "GATHER": "SCATTER"}.get(kind.name, kind.name)
        ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ octets


@pytest.mark.requirement("37-62", "37-63", "D-11")
async def test_what_a_dish_and_a_radio_say_on_the_wire() -> None:
    """libzmq's own octets: JOIN and LEAVE are commands, whatever version the peer speaks; a group is a frame."""
    async with zmq.Context() as ctx, RawListener.listen() as listener:
        dish = ctx.socket(zmq.DISH, reconnect_ivl=1)
        dish.join("eu")
        dish.connect(listener.endpoint)
        with trio.fail_after(10):
            for _ in range(2):  # on each connection
                async with await listener.accept() as peer:
                    await peer.send(GREETING[:11] + b"\0" + GREETING[12:] + ready(b"RADIO"))
                    assert await peer.read(64 + 28) == GREETING + ready(b"DISH")
                    assert await peer.receive_frame() == bytes.fromhex("04 07 04 4a4f494e 6575")
                    await peer.send(bytes.fromhex("01 02 6575 00 04 7261696e"))
                    got = await dish.recv()
                    assert (got, got.group) == (b"rain", "eu")
            async with await listener.accept() as peer:
                await peer.send(GREETING + ready(b"RADIO"))
                await peer.read(64 + 28 + 9)
                dish.leave("eu")
                assert await peer.receive_frame() == bytes.fromhex("04 08 05 4c45415645 6575")
        radio = ctx.socket(zmq.RADIO)
        radio.bind("tcp://127.0.0.1:*")
        with trio.fail_after(10):
            async with await RawPeer.dial(radio.last_endpoint) as peer:
                await peer.greet(b"DISH")
                await peer.send(command(b"SUBSCRIBE") + command(b"JOIN", b"eu") + frame(b"\1us"))
                await joined(radio)
                for group in ("us", "eu"):
                    await radio.send(b"rain", group=group)
                assert await peer.read(10) == bytes.fromhex("01 02 6575 00 04 7261696e")
                monitor = radio.monitor()
                await peer.send(command(b"JOIN", b"a\0b"))
                assert "expected a group of at most 255 octets" in (await until(monitor, Event.DISCONNECTED)).reason


async def test_the_trace_explains_join_and_the_group_of_a_message() -> None:
    trace = Trace()
    trace.feed(Side.CLIENT, GREETING + ready(b"DISH") + command(b"JOIN", b"eu") + command(b"LEAVE", b"eu"), at=0)
    trace.feed(Side.SERVER, GREETING + ready(b"RADIO") + frame(b"eu", more=True) + frame(b"rain"), at=0)
    said = [(span.name, span.value) for side in Side for span in trace.spans(side)]
    assert ("command", "JOIN") in said
    assert ("command", "LEAVE") in said
    assert said.count(("group", "the group eu")) == 2
    assert ("group", "compared with what was joined") in said


# ------------------------------------------------------------------------------------------------------ wrong calls


@pytest.mark.requirement("37-64", "D-9")
async def test_what_a_draft_does_not_send_is_einval() -> None:
    async with zmq.Context() as ctx:
        server, radio, client = ctx.socket(zmq.SERVER), ctx.socket(zmq.RADIO), ctx.socket(zmq.CLIENT, linger=0)
        client.connect("tcp://127.0.0.1:1")  # because a batch asks for its messages when there is room
        for wrong, words in [
            (client.send(b"x", zmq.SNDMORE), "without SNDMORE"),
            (client.send_multipart([b"x"], zmq.SNDMORE), "without SNDMORE"),
            (client.send_multipart([b"two", b"frames"]), "a message of a CLIENT is one frame"),
            (client.send_many([[b"two", b"frames"]]), "a message of a CLIENT is one frame"),
            (server.send(b"x", zmq.SNDMORE), "without SNDMORE"),
            (server.send_multipart([b"two", b"frames"]), "2 frames: a message of a SERVER is one frame"),
            (radio.send_many([[b"two", b"frames"]]), "2 frames: a message of a RADIO is one frame"),
            (server.send(b"x", group="g"), "group='g': a SERVER sends to the routing_id of a peer"),
            (server.send(b"x", routing_id=2**32), "routing_id=4294967296: expected 1 to 4294967295"),
            (server.send(b"x", routing_id=-1), "routing_id=-1: expected 1 to 4294967295"),
            (radio.send(b"x", routing_id=1), "routing_id=1: a RADIO sends to a group"),
            (radio.send(b"x", group="g" * 256), "group g{16} has 256 octets: expected a group of at most 255 octets"),
            (radio.send(b"x", group="\ud800"), "expected text that UTF-8 can encode, or bytes"),
        ]:
            with pytest.raises(zmq.ZMQError, match=words) as caught:
                await wrong
            assert caught.value.errno == zmq.EINVAL
        with pytest.raises(zmq.ZMQError, match="no peer has the routing id 0") as caught:
            await server.send(b"x")
        assert caught.value.errno == zmq.EHOSTUNREACH
        for call, words in [
            (lambda: server.join("g"), "joins no groups: that is for DISH"),
            (lambda: server.connect_peer("inproc://a"), "is for PEER; this is a SERVER"),
        ]:
            with pytest.raises(zmq.ZMQError, match=words):
                call()
        with pytest.raises(TypeError):
            Frame("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("routing_id", ["7", b"\0\7", 7.0])
async def test_a_routing_id_is_an_int(routing_id: Any) -> None:
    async with zmq.Context() as ctx:
        server = ctx.socket(zmq.SERVER)
        with pytest.raises(TypeError, match=re.escape(f"routing_id={routing_id!r}: expected an int")):
            await server.send(b"x", routing_id=routing_id)
        with pytest.raises(TypeError, match="expected an int"):
            await server.send(Frame(b"x", routing_id))


@pytest.mark.parametrize("group", [7, ["eu"]])
async def test_a_group_is_a_str_or_bytes(group: Any) -> None:
    async with zmq.Context() as ctx:
        radio, dish = ctx.socket(zmq.RADIO), ctx.socket(zmq.DISH)
        words = re.escape(f"group {group!r}: expected a str or bytes")
        with pytest.raises(TypeError, match=words):
            await radio.send(b"x", group=group)
        with pytest.raises(TypeError, match=words):
            dish.join(group)


# ------------------------------------------------------------------------------------- several tasks, and what waits


@pytest.mark.requirement("D-13", "D-1")
@pytest.mark.parametrize("kinds", PAIRS[:3], ids=lambda kinds: kinds[0].name)
async def test_tasks_may_share_a_socket(kinds: tuple[zmq.SocketType, zmq.SocketType]) -> None:
    """Four send and four receive on two sockets with short queues: each message comes once."""
    async with zmq.Context() as ctx:
        receiver, sender = await pair(ctx, kinds[1], kinds[0], hwm=3)
        got: list[bytes] = []
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:

                async def send(task: int) -> None:
                    for number in range(50):
                        await sender.send(b"%d %d" % (task, number))
                    assert await sender.send_many(b"%d %d" % (task, number) for number in range(50, 100)) == 50

                async def receive() -> None:
                    while True:
                        got.append(await receiver.recv() if len(got) % 2 else (await receiver.recv_many(1))[0][0])
                        if len(got) == 400:
                            nursery.cancel_scope.cancel()

                for task in range(4):
                    nursery.start_soon(send, task)
                    nursery.start_soon(receive)
        assert sorted(got) == sorted(b"%d %d" % (task, number) for task in range(4) for number in range(100))


@pytest.mark.requirement("D-5", "D-4", "D-13")
async def test_a_send_to_a_full_peer_waits_and_others_do_not() -> None:
    async with zmq.Context() as ctx:
        server = ctx.socket(zmq.SERVER, sndhwm=1)
        server.bind("inproc://here")
        slow, quick = ctx.socket(zmq.CLIENT, rcvhwm=1), ctx.socket(zmq.CLIENT, rcvhwm=1)
        for client in (slow, quick):
            client.connect("inproc://here")
            await client.send(b"here")
        to_slow, to_quick = await server.recv(), await server.recv()
        for _ in range(2):
            await server.send(b"full", routing_id=to_slow.routing_id)
        with pytest.raises(zmq.Again):
            await server.send(to_slow, zmq.NOBLOCK)
        assert server.events & zmq.POLLOUT
        ended: list[object] = []

        async def send() -> None:
            try:
                await server.send(to_slow)
                ended.append("sent")
                await server.send_many([to_slow, to_slow, to_slow])
            except zmq.ZMQError as error:
                ended.append(error.errno)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await wait_all_tasks_blocked()
                await server.send(to_quick)
                assert (await quick.recv(), ended) == (b"here", [])
                assert await slow.recv() == b"full"
                await wait_all_tasks_blocked()
                assert ended == ["sent"]
                slow.close()  # and the task that waits for room there is told
        assert ended == ["sent", zmq.EHOSTUNREACH]


async def test_a_batch_that_is_cancelled_has_sent_what_it_took() -> None:
    async with zmq.Context() as ctx:
        server, client = ctx.socket(zmq.SERVER, sndhwm=1), ctx.socket(zmq.CLIENT, rcvhwm=1)
        server.bind("inproc://here")
        client.connect("inproc://here")
        await client.send(b"here")
        number = (await server.recv()).routing_id
        messages = iter([Frame(b"%d" % count, routing_id=number) for count in range(9)])
        with trio.move_on_after(0.01):
            await server.send_many(messages)
        rest = list(messages)
        got = await client.recv_many()
        assert got == [[b"0"], [b"1"], [b"2"]]  # two fit, and one was taken to see where it goes
        assert [frame for (frame,) in got] + rest == [b"%d" % count for count in range(9)]


@pytest.mark.requirement("D-8", "D-13")
async def test_a_radio_never_waits_for_a_dish() -> None:
    async with zmq.Context() as ctx:
        radio, dish = ctx.socket(zmq.RADIO, sndhwm=1), ctx.socket(zmq.DISH, rcvhwm=1)
        dish.join("g")
        radio.bind("inproc://here")
        dish.connect("inproc://here")
        assert await radio.send_many(Frame(b"%d" % number, group="g") for number in range(9)) == 9
        assert await dish.recv_many() == [[b"0"], [b"1"]]
        assert radio.peers()[0].dropped == 7
        with pytest.raises(zmq.ZMQError, match="xpub_nodrop is for PUB and XPUB"):
            radio.xpub_nodrop = 1


async def test_a_poller_and_a_loop_see_drafts(quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        server, client = await pair(ctx, zmq.SERVER, zmq.CLIENT, "inproc://a")
        radio, dish = await pair(ctx, zmq.RADIO, zmq.DISH, "inproc://b")
        assert isinstance(dish, zmq.AddressedSocket)
        dish.join("g")
        poller = zmq.Poller()
        for sock in (server, client, radio, dish):
            poller.register(sock)
        senders = [(server, zmq.POLLOUT), (client, zmq.POLLOUT), (radio, zmq.POLLOUT)]
        assert await poller.poll() == senders
        await client.send(b"1")
        assert isinstance(radio, zmq.AddressedSocket)
        await radio.send(b"2", group="other")
        await radio.send(b"2", group="g")
        both = [(server, zmq.POLLIN | zmq.POLLOUT), *senders[1:], (dish, zmq.POLLIN)]
        assert await poller.poll() == both
        found = []
        async for (each,) in dish:
            assert isinstance(each, Frame)
            found.append((each, each.group))
            dish.close()
        assert found == [(b"2", "g")]
        server.rcvtimeo = 5
        assert await server.recv() == b"1"
        with pytest.raises(zmq.Again):
            await server.recv()


async def test_a_proxy_forwards_groups_and_work_but_no_requests() -> None:
    async with zmq.Context() as ctx:
        names = iter("abcdefgh")

        def bound(kind: zmq.SocketType) -> tuple[zmq.Socket, str]:
            sock = ctx.socket(kind, linger=0)
            sock.bind(f"inproc://{next(names)}")
            return sock, sock.last_endpoint

        (gather, work), (scatter, tasks) = bound(zmq.GATHER), bound(zmq.SCATTER)
        (dish, station), (radio, news) = bound(zmq.DISH), bound(zmq.RADIO)
        (server, requests), (client, _) = bound(zmq.SERVER), bound(zmq.CLIENT)
        source, sink = ctx.socket(zmq.SCATTER), ctx.socket(zmq.GATHER)
        speaker, listener, asker = ctx.socket(zmq.RADIO), ctx.socket(zmq.DISH), ctx.socket(zmq.CLIENT)
        for sock, endpoint in [(source, work), (sink, tasks), (speaker, station), (listener, news), (asker, requests)]:
            sock.connect(endpoint)
        assert isinstance(dish, zmq.AddressedSocket)
        dish.join("eu")
        listener.join("eu")
        other = ctx.socket(zmq.SERVER)
        other.connect("inproc://f")
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(zmq.proxy, gather, scatter)
                nursery.start_soon(zmq.proxy, dish, radio)
                await source.send(b"job")
                await speaker.send(b"rain", group="eu")
                assert await sink.recv() == b"job"
                rain = await listener.recv()
                assert (rain, rain.group) == (b"rain", "eu")
                nursery.cancel_scope.cancel()
            await asker.send(b"?")
            with pytest.raises(zmq.ZMQError, match="a message of a CLIENT is one frame"):
                await zmq.proxy(server, client)
