"""Peers of ZMTP 3.0, without SUBSCRIBE, CANCEL and PING. A bare stream with the minor version 0 acts as one."""

import pytest
import trio

from interop_tests.raw import RawListener, RawPeer
from interop_tests.world import PATIENCE, World
from tests.zmtp_bytes import GREETING, READY, command

pytestmark = pytest.mark.over("tcp")
EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")  # one kind, and a bare stream
OURS = pytest.mark.pairs("ours-libzmq")

OLD = GREETING[:11] + b"\x00" + GREETING[12:]
assert OLD[10:12] == b"\x03\x00"


def by_message(octet: bytes, topic: bytes) -> bytes:
    """A subscription (01) or its cancellation (00) in the form of ZMTP 3.0: a message of one frame."""
    size = 1 + len(topic)
    return (b"\x00" + bytes([size]) if size < 256 else b"\x02" + size.to_bytes(8, "big")) + octet + topic


@EVERY_KIND
@pytest.mark.parametrize("kind", ["SUB", "XSUB"])
@pytest.mark.requirement("37-6", "37-58", "29-42", "29-34")
async def test_an_old_subscriber_is_understood(world: World, kind: str) -> None:
    xpub = await world.server.socket("XPUB")
    await xpub.bind(world.endpoint())
    async with await RawPeer.dial(xpub.last_endpoint) as raw:
        assert await raw.handshake(kind, OLD) == READY["XPUB"]
        await raw.send(by_message(b"\x01", b"A") + by_message(b"\x01", bytes(300)))
        assert [await xpub.recv(), await xpub.recv()] == [b"\x01A", b"\x01" + bytes(300)]
        await xpub.send(b"B")
        await xpub.send_multipart([b"A", b"x"])
        assert await raw.receive_frame() + await raw.receive_frame() == b"\x01\x01A\x00\x01x"
        await raw.send(by_message(b"\x00", b"A"))
        assert await xpub.recv() == b"\x00A"
        await xpub.send(b"A")
        assert await raw.is_silent()


@EVERY_KIND
@pytest.mark.requirement("37-58", "37-59", "29-11", "29-12")
async def test_an_old_subscriber_of_a_pub(world: World) -> None:
    pub = await world.server.socket("PUB")
    await pub.bind(world.endpoint())
    async with await RawPeer.dial(pub.last_endpoint) as raw:
        await raw.handshake("SUB", OLD)
        await raw.send(by_message(b"\x01", b"A"))
        with trio.fail_after(PATIENCE):
            while await raw.is_silent(0.02):
                await pub.send(b"B")
                await pub.send(b"A")
        assert await raw.receive_frame() == b"\x00\x01A"


@EVERY_KIND
@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
@pytest.mark.parametrize("mine", ["SUB", "XSUB"])
@pytest.mark.requirement("37-58", "37-59", "L-38", "L-41")
async def test_an_old_publisher_gets_subscriptions_as_messages(world: World, mine: str, kind: str) -> None:
    async with RawListener.listen() as listener:
        sub = await world.server.socket(mine)
        topics = [b"A", bytes(254), bytes(256)]
        for topic in topics:
            await (sub.subscribe(topic) if mine == "SUB" else sub.send(b"\x01" + topic))
        await sub.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake(kind, OLD)
            assert {await raw.receive_frame() for _ in topics} == {by_message(b"\x01", topic) for topic in topics}
            await (sub.unsubscribe(b"A") if mine == "SUB" else sub.send(b"\x00A"))
            assert await raw.receive_frame() == by_message(b"\x00", b"A")
            await raw.send(b"\x01\xfe" + bytes(254) + b"\x00\x02hi")
            assert await sub.recv_multipart() == [bytes(254), b"hi"]


@OURS
@pytest.mark.differs("subscription of 255 octets to a peer of 3.0")
@pytest.mark.requirement("L-41", "37-12")
async def test_a_subscription_of_255_octets_is_sent_correctly(world: World) -> None:
    async with RawListener.listen() as listener:
        sub = await world.server.socket("SUB")
        await sub.subscribe(bytes(255))
        await sub.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake("PUB", OLD)
            assert await raw.receive_frame() == by_message(b"\x01", bytes(255))


@OURS
@pytest.mark.differs("PING to a peer of 3.0")
@pytest.mark.requirement("37-66", "37-75")
async def test_an_old_peer_gets_no_ping_and_may_be_silent(world: World) -> None:
    pull = await world.server.socket("PULL", heartbeat_ivl=20, heartbeat_timeout=40)
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH", OLD)
        assert await raw.is_silent(0.2)
        await raw.send(b"\x00\x05hello")
        assert await pull.recv() == b"hello"
        assert pull.events.count("DISCONNECTED") == 0


@EVERY_KIND
@pytest.mark.requirement("37-66", "37-68")
async def test_a_ping_of_an_old_peer_is_answered(world: World) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH", OLD)
        await raw.send(command(b"PING", b"\0\0context"))
        assert await raw.receive_frame() == command(b"PONG", b"context")
