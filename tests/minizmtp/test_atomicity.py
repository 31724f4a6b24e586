"""Messages are atomic: a peer or task that ends in the middle of a message leaves no part of it."""

import pytest
import trio

import minizmtp as zmq
from minizmtp import Event
from tests.minizmtp.helpers import WIRES, until
from tests.zmtp_bytes import frame
from tests.zmtp_peer import RawListener, RawPeer

every_wire = pytest.mark.parametrize("transport", WIRES)

MESSAGE = frame(b"one", more=True) + frame(b"", more=True) + frame(bytes(300), more=True) + frame(b"the end")

RECEIVERS = {
    zmq.PULL: (b"PUSH", zmq.PUSH),
    zmq.DEALER: (b"DEALER", zmq.DEALER),
    zmq.ROUTER: (b"DEALER", zmq.DEALER),
    zmq.SUB: (b"PUB", zmq.XPUB),
    zmq.XPUB: (b"SUB", zmq.XSUB),
}


@every_wire
@pytest.mark.parametrize("kind", RECEIVERS, ids=lambda kind: kind.name)
@pytest.mark.requirement("L-10", "37-27")
@pytest.mark.slow
async def test_a_sender_that_dies_inside_a_message_leaves_nothing(kind: zmq.SocketType, transport: str) -> None:
    """It dies at each boundary of a frame and around it; two healthy ones send before, meanwhile and after."""
    raw_type, healthy_type = RECEIVERS[kind]
    ends = [0, 5, 7, 7 + 309, len(MESSAGE)]
    cuts = sorted({min(max(end + d, 0), len(MESSAGE) - 1) for end in ends for d in (-1, 0, 1)} | {20, 200})
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind, linger=0)
        sock.bind(transport)
        if kind is zmq.SUB:
            sock.subscribe(b"")
        monitor = sock.monitor()
        healthy = [ctx.socket(healthy_type, linger=0) for _ in range(2)]
        with trio.fail_after(20):
            for one in healthy:
                one.connect(sock.last_endpoint)
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                if kind is zmq.SUB:
                    assert await one.recv() == b"\x01"  # it knows what is wanted
            for cut in cuts:
                async with await RawPeer.dial(sock.last_endpoint) as dying:
                    await dying.greet(raw_type)
                    await dying.send(frame(b"whole") + MESSAGE[:cut])
                    await healthy[0].send_multipart([b"h0", b"", b"%d" % cut])
                    assert await frames_of(sock, 2) == [[b"h0", b"", b"%d" % cut], [b"whole"]]
                await until(monitor, Event.DISCONNECTED)
                await healthy[1].send_multipart([b"h1", b"%d" % cut])
                assert await frames_of(sock, 1) == [[b"h1", b"%d" % cut]]
            assert await sock.poll(0) == 0


async def frames_of(sock: zmq.Socket, count: int) -> list[list[bytes]]:
    """The next messages, sorted, without the name that a ROUTER puts in front."""
    messages = [await sock.recv_multipart() for _ in range(count)]
    return sorted(message[1:] if sock.socket_type is zmq.ROUTER else message for message in messages)


@pytest.mark.requirement("L-10", "37-27")
async def test_a_half_message_is_not_joined_to_one_after_a_reconnect() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, reconnect_ivl=1)
        pull.connect(server.endpoint)
        with trio.fail_after(10):
            for cut in (5, 7, 100, len(MESSAGE) - 1):
                async with await server.accept() as peer:
                    await peer.greet(b"PUSH")
                    await peer.send(MESSAGE[:cut])
            async with await server.accept() as peer:
                await peer.greet(b"PUSH")
                await peer.send(frame(b"a", more=True) + frame(b"b"))
                assert await pull.recv_multipart() == [b"a", b"b"]
        assert await pull.poll(0) == 0


SENDERS = {zmq.PUSH: b"PULL", zmq.DEALER: b"DEALER", zmq.XPUB: b"SUB", zmq.ROUTER: b"DEALER"}


@every_wire
@pytest.mark.parametrize("kind", SENDERS, ids=lambda kind: kind.name)
@pytest.mark.requirement("L-11", "37-27")
async def test_after_a_receiver_dies_the_next_gets_a_whole_message(kind: zmq.SocketType, transport: str) -> None:
    """The message is larger than what the system takes: when the receiver dies, a part of it is still with us."""
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind, linger=0, sndbuf=4096)
        sock.bind(transport)
        monitor = sock.monitor()
        name = [b"peer"] if kind is zmq.ROUTER else []
        with trio.fail_after(20):
            for number in range(3):
                async with await RawPeer.dial(sock.last_endpoint) as dying:
                    await dying.greet(SENDERS[kind], Identity=b"peer")
                    await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                    if kind is zmq.XPUB:
                        await dying.send(frame(b"\x01"))
                        assert await sock.recv() == b"\x01"
                    await sock.send_multipart([*name, b"%d" % number, *[bytes(50_000)] * 40])
                    assert await dying.frame() == (1, b"%d" % number)
                    await dying.frame()
                await until(monitor, Event.DISCONNECTED)
                if kind is zmq.XPUB:
                    assert await sock.recv() == b"\x00"
            async with await RawPeer.dial(sock.last_endpoint) as healthy:
                await healthy.greet(SENDERS[kind], Identity=b"peer")
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                if kind is zmq.XPUB:
                    await healthy.send(frame(b"\x01"))
                    assert await sock.recv() == b"\x01"
                await sock.send_multipart([*name, b"after", b"all"])
                assert await healthy.message() == [b"after", b"all"]


@pytest.mark.requirement("L-11", "37-54")
@pytest.mark.slow
async def test_a_message_cut_off_is_sent_whole_after_a_reconnect() -> None:
    """The peer drops an incomplete message, so no message arrives twice."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndbuf=4096, reconnect_ivl=1)
        push.connect(server.endpoint)
        message = [b"first", *[bytes(50_000)] * 40, b"last"]
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(b"small")
                await push.send_multipart(message)
                assert await peer.message() == [b"small"]
                assert await peer.frame() == (1, b"first")
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(b"next")
                assert await peer.message() == message
                assert await peer.message() == [b"next"]


@pytest.mark.requirement("37-53", "37-27")
async def test_parts_wait_for_the_last_one_before_any_is_sent() -> None:
    async with RawListener.listen() as server, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect(server.endpoint)
        with trio.fail_after(10):
            async with await server.accept() as peer:
                await peer.greet(b"PULL")
                await push.send(b"a", zmq.SNDMORE)
                await push.send(b"b", zmq.SNDMORE)
                with trio.move_on_after(0.05) as scope:
                    await peer.frame()
                assert scope.cancelled_caught
                await push.send(b"c")
                assert await peer.message() == [b"a", b"b", b"c"]


@pytest.mark.requirement("37-53", "L-11")
async def test_all_parts_go_to_the_peer_present_at_the_last_part() -> None:
    """A message is routed when its last part is sent, so no peer gets only some of the parts."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.bind("tcp://127.0.0.1:*")
        monitor = push.monitor()
        with trio.fail_after(10):
            async with await RawPeer.dial(push.last_endpoint) as gone:
                await gone.greet(b"PULL")
                await until(monitor, Event.HANDSHAKE_SUCCEEDED)
                await push.send(b"a", zmq.SNDMORE)
            await until(monitor, Event.DISCONNECTED)
            await push.send(b"b", zmq.SNDMORE)
            async with await RawPeer.dial(push.last_endpoint) as healthy:
                await healthy.greet(b"PULL")
                await push.send(b"c")
                assert await healthy.message() == [b"a", b"b", b"c"]


@pytest.mark.requirement("37-53")
async def test_a_socket_closed_between_two_parts_sends_none() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("inproc://here")
        async with ctx.socket(zmq.PUSH) as push:
            push.connect("inproc://here")
            await push.send(b"a", zmq.SNDMORE)
        assert await pull.poll(0) == 0
