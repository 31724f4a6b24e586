"""37/ZMTP 3.1, "Connection Heartbeating": which peers are considered dead.

A bare stream that stops sending is a dead peer. A socket with a slow reader looks like one, but isn't.
"""

from itertools import pairwise

import pytest
import trio

from interop_tests.raw import RawListener, RawPeer, Wiretap
from interop_tests.world import PATIENCE, Peer, World, assert_same, payload
from tests.zmtp_bytes import command, frames_in

pytestmark = pytest.mark.over("tcp")
EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")  # one kind, and a bare stream

EAGER = {"reconnect_ivl": 10}
LITTLE = {"sndbuf": 65536, "rcvbuf": 65536}
BEATING = {"heartbeat_ivl": 30, "heartbeat_timeout": 2000}
QUICK = {"heartbeat_ivl": 50, "heartbeat_timeout": 100, **EAGER}

PING, PONG = command(b"PING", b"\0\0"), command(b"PONG")


@pytest.mark.requirement("37-66", "37-68", "37-71", "37-74", "37-83")
async def test_both_ask_and_both_answer(world: World) -> None:
    pull = await world.server.socket("PULL", **BEATING)
    push = await world.client.socket("PUSH", **BEATING)
    await pull.bind(world.endpoint())
    async with Wiretap.between(pull.last_endpoint) as tap:
        await push.connect(tap.endpoint)
        await world.handshakes(pull, push)
        with trio.fail_after(PATIENCE):
            while True:
                said = [frames_in(bytes(octets[64:])) for octets in (tap.from_client, tap.from_server)]
                if all(frames.count(word) >= 3 for frames in said for word in (PING, PONG)):
                    break
                await trio.sleep(0.01)
        await push.send(b"alive")
        assert await pull.recv() == b"alive"
        assert pull.events.count("DISCONNECTED") == push.events.count("DISCONNECTED") == 0


@EVERY_KIND
@pytest.mark.requirement("37-75", "37-77", "37-18", "L-20", "L-5")
async def test_a_server_that_falls_silent_is_dialled_again(world: World) -> None:
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **QUICK)
        await push.connect(listener.endpoint)
        for _ in range(2):
            async with await listener.accept() as raw:
                await raw.handshake("PULL")
                said = await raw.receive_until_closed()
                assert said.startswith(PING)
            await push.wait_event("DISCONNECTED")
        await push.send(b"after the silence")
        async with await listener.accept() as raw:
            await raw.handshake("PULL")
            assert await raw.receive_frame() == b"\x00\x11after the silence"


@EVERY_KIND
@pytest.mark.requirement("37-75", "28-23", "29-4")
async def test_a_client_that_falls_silent_is_dropped(world: World) -> None:
    pull = await world.server.socket("PULL", **QUICK)
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(b"\x00\x05hello" + b"\x01\x04half")
        await raw.receive_until_closed()
    await pull.wait_event("DISCONNECTED")
    assert await pull.recv() == b"hello"
    push = await world.client.socket("PUSH")
    await world.join(pull, push)
    await push.send(b"next")
    assert await pull.recv() == b"next"


@EVERY_KIND
@pytest.mark.requirement("37-73", "37-78", "37-79")
async def test_any_traffic_shows_that_a_peer_is_alive(world: World) -> None:
    """A message or an unrequested PONG counts as an answer."""
    pull = await world.server.socket("PULL", heartbeat_ivl=50, heartbeat_timeout=400)
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        for n in range(20):
            await raw.send(command(b"PONG") if n % 2 else b"\x00\x05hello")
            await trio.sleep(0.05)  # one second in total, without a PONG to any PING
        assert [await pull.recv() for _ in range(10)] == [b"hello"] * 10
        assert pull.events.count("DISCONNECTED") == 0


@EVERY_KIND
@pytest.mark.requirement("37-71", "37-76")
async def test_a_peer_is_dead_when_its_ttl_runs_out(world: World) -> None:
    """This also applies to a socket that sends no PINGs itself."""
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(command(b"PING", b"\x00\x02"))
        assert await raw.receive_frame() == PONG
        begin = trio.current_time()
        assert await raw.receive_until_closed() == b""
        assert trio.current_time() - begin > 0.15
    await pull.wait_event("DISCONNECTED")


@pytest.mark.pairs("ours-libzmq")
@pytest.mark.differs("ttl after other traffic")
@pytest.mark.requirement("37-76")
async def test_a_ttl_holds_after_other_traffic_too(world: World) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(command(b"PING", b"\x00\x02") + b"\x00\x05hello")
        await raw.receive_until_closed()
    assert await pull.recv() == b"hello"


@EVERY_KIND
@pytest.mark.parametrize(
    ("ttl", "octets"), [(0, b"\x00\x00"), (99, b"\x00\x00"), (2000, b"\x00\x14"), (65_500, b"\x02\x8f")]
)
@pytest.mark.requirement("37-71", "37-72")
async def test_the_ttl_that_we_promise(world: World, ttl: int, octets: bytes) -> None:
    pull = await world.server.socket("PULL", heartbeat_ivl=20, heartbeat_timeout=2000, heartbeat_ttl=ttl)
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        assert await raw.receive_frame() == command(b"PING", octets)


@pytest.mark.pairs("ours-libzmq")
@pytest.mark.differs("ttl above 65.5 seconds")
@pytest.mark.requirement("37-72")
async def test_a_ttl_that_libzmq_would_misread_is_not_sent(world: World) -> None:
    pull = await world.server.socket("PULL", heartbeat_ivl=20, heartbeat_timeout=60_000, heartbeat_ttl=6_553_599)
    push = await world.client.socket("PUSH")
    await pull.bind(world.endpoint())
    async with Wiretap.between(pull.last_endpoint) as tap:
        await push.connect(tap.endpoint)
        await world.handshakes(pull, push)
        with trio.fail_after(PATIENCE):
            while True:
                if frames_in(bytes(tap.from_server[64:])).count(command(b"PING", b"\x02\x8f")) >= 5:
                    break
                await trio.sleep(0.01)
        assert push.events.count("DISCONNECTED") == 0


# --- slow, not dead -------------------------------------------------------------------------------


async def fill(push: Peer, body: bytes) -> int:
    """Send until queues and buffers are full; return the number of messages."""
    for sent in range(200):
        if not await push.try_send(b"%d" % sent, body):
            await trio.sleep(0.05)  # maybe only the queue is full, and the buffers are still being filled
            if not await push.try_send(b"%d" % sent, body):
                return sent
    raise AssertionError("nothing is full: this test has not tested anything")


@EVERY_KIND
@pytest.mark.requirement("37-74", "37-75")
async def test_with_a_timeout_of_0_a_silent_server_is_never_dropped(world: World) -> None:
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", heartbeat_ivl=20, heartbeat_timeout=0, **EAGER)
        await push.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake("PULL")
            for _ in range(10):
                assert await raw.receive_frame() == PING
            await push.send(b"still there")
            while (said := await raw.receive_frame()) == PING:
                pass
            assert said == b"\x00\x0bstill there"


SLOW = {"rcvhwm": 2, **LITTLE}
SENDING = {"sndhwm": 2, **LITTLE}


@pytest.mark.pairs("ours-ours", "ours-libzmq")
@pytest.mark.differs("peer of a slow reader")
@pytest.mark.parametrize("who", ["reader", "sender", "both"])
@pytest.mark.requirement("37-73", "37-75", "37-79", "L-14")
async def test_a_peer_is_kept_while_its_input_is_not_read(world: World, who: str) -> None:
    """Our program doesn't read, so the sender's PONGs and PINGs aren't read either, but the connection stays."""
    beating = {"heartbeat_ivl": 50, "heartbeat_timeout": 150}
    pull = await world.server.socket("PULL", **SLOW, **(beating if who != "sender" else {}))
    push = await world.client.socket("PUSH", **SENDING, **(beating if who != "reader" else {}))
    await world.join(pull, push)
    body = payload(65_536)
    sent = await fill(push, body)
    await trio.sleep(0.6)  # several times the timeout of either side; nothing should happen
    for n in range(sent):
        assert_same(await pull.recv_multipart(), [b"%d" % n, body])
    await push.send(b"end")
    assert await pull.recv() == b"end"
    assert pull.events.count("DISCONNECTED") == push.events.count("DISCONNECTED") == 0


@pytest.mark.pairs("libzmq-ours", "libzmq-libzmq")
@pytest.mark.requirement("37-75", "L-14")
async def test_a_libzmq_that_is_slow_to_read_looks_dead_from_outside(world: World) -> None:
    """It doesn't answer PINGs, so a sender can't distinguish it from a dead peer: ours disconnects as libzmq's does."""
    pull = await world.server.socket("PULL", **SLOW)
    push = await world.client.socket("PUSH", **SENDING, **QUICK)
    await world.join(pull, push)
    await fill(push, payload(65_536))
    await push.wait_event("DISCONNECTED")


# --- between frames -------------------------------------------------------------------------------


@pytest.mark.requirement("37-27", "L-12", "L-13")
async def test_a_long_message_survives_the_pings_inside_it(world: World) -> None:
    """libzmq sends PINGs and PONGs between the frames of a message."""
    frames = [payload(20_000 + n) for n in range(500)]
    pull = await world.server.socket("PULL", heartbeat_ivl=1, heartbeat_timeout=5000, **LITTLE)
    push = await world.client.socket("PUSH", heartbeat_ivl=1, heartbeat_timeout=5000, **LITTLE)
    await pull.bind(world.endpoint())
    async with Wiretap.between(pull.last_endpoint) as tap:
        await push.connect(tap.endpoint)
        await world.handshakes(pull, push)
        with trio.fail_after(PATIENCE):
            while True:
                await push.send_multipart(frames)
                assert_same(await pull.recv_multipart(), frames)
                if world.client.kind == "ours" or has_command_inside_a_message(bytes(tap.from_client[64:])):
                    break
        assert pull.events.count("DISCONNECTED") == push.events.count("DISCONNECTED") == 0


def has_command_inside_a_message(octets: bytes) -> bool:
    frames = frames_in(octets)
    return any(one[0] & 1 and other[0] & 4 for one, other in pairwise(frames))
