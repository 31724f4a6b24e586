"""Monitors: the events of a connection have libzmq's names and order.

Each test expects one sequence from both kinds; the control shows that it is libzmq's.
"""

import contextlib
import errno

import pytest
import trio

from interop_tests.raw import RawListener, RawPeer
from interop_tests.world import Peer, World
from tests.zmtp_bytes import GREETING, READY, command

pytestmark = pytest.mark.over("tcp")
EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")  # one kind, and a bare stream
OURS = pytest.mark.pairs("ours-libzmq")

EAGER = {"reconnect_ivl": 10}
NEVER = {"reconnect_ivl": -1}

BOUND = ["LISTENING", "ACCEPTED"]
DIALLED = ["CONNECT_DELAYED", "CONNECTED"]
MECHANISM_MISMATCH, UNEXPECTED_COMMAND, INVALID_METADATA = 0x11000002, 0x10000001, 0x10000018


def over_transport(world: World, *names: str) -> list[str]:
    """The names without CONNECT_DELAYED over ipc, because there a connect succeeds or fails at once."""
    return [name for name in names if world.transport == "tcp" or name != "CONNECT_DELAYED"]


async def tells(peer: Peer, *names: str) -> None:
    """The first events are these, in this order, and all have the same endpoint."""
    await peer.has_told(len(names))
    assert [event.name for event in peer.events.seen[: len(names)]] == list(names), peer.name
    assert len({event.endpoint for event in peer.events.seen}) == 1


async def tells_no_more_than(peer: Peer, *names: str) -> None:
    await tells(peer, *names)
    await trio.sleep(0.1)  # nothing should happen
    assert [event.name for event in peer.events.seen] == list(names), peer.name


def value_of(peer: Peer, name: str) -> int:
    return next(event.value for event in peer.events.seen if event.name == name)


# --- one connection -------------------------------------------------------------------------------


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("37-52", "L-40")
async def test_a_connection_that_ends_at_the_client(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH")
    await tells_no_more_than(push, *over_transport(world, *DIALLED, "HANDSHAKE_SUCCEEDED"))
    await push.close()
    await tells_no_more_than(pull, *BOUND, "HANDSHAKE_SUCCEEDED", "DISCONNECTED")
    assert pull.events.seen[0].endpoint == push.events.seen[0].endpoint == pull.last_endpoint
    if world.transport == "tcp":
        assert value_of(push, "CONNECT_DELAYED") == errno.EINPROGRESS


@pytest.mark.over("tcp")
@pytest.mark.requirement("37-17", "37-18", "37-19", "L-5", "L-20")
async def test_a_connection_that_ends_at_the_server_and_begins_again(world: World) -> None:
    endpoint = world.known_endpoint()
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    push = await world.client.socket("PUSH")
    await world.join(pull, push)
    await world.server.crash()
    refused = ["CONNECT_RETRIED", "CONNECT_DELAYED", "CLOSED"]
    await tells(push, *DIALLED, "HANDSHAKE_SUCCEEDED", "DISCONNECTED", *refused, *refused)
    assert 100 <= value_of(push, "CONNECT_RETRIED") < 200
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    await world.handshakes(pull, push)
    names = [event.name for event in push.events.seen]
    assert names[-4:] == ["CONNECT_RETRIED", *DIALLED, "HANDSHAKE_SUCCEEDED"]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("37-52", "L-5")
async def test_a_connection_that_is_refused(world: World) -> None:
    push = await world.client.socket("PUSH", **EAGER)
    await push.connect(world.known_endpoint())
    await tells(push, *over_transport(world, "CONNECT_DELAYED", "CLOSED", "CONNECT_RETRIED") * 3)
    once = await world.client.socket("PUSH", **NEVER)
    await once.connect(world.known_endpoint())
    await tells_no_more_than(once, *over_transport(world, "CONNECT_DELAYED", "CLOSED"))


@pytest.mark.requirement("L-19")
async def test_unbind(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH", {}, NEVER)
    await pull.unbind(pull.last_endpoint)
    await tells_no_more_than(push, *DIALLED, "HANDSHAKE_SUCCEEDED", "DISCONNECTED")
    names = [event.name for event in pull.events.seen]
    assert names[:4] == [*BOUND, "HANDSHAKE_SUCCEEDED", "CLOSED"]


# --- handshakes that fail -------------------------------------------------------------------------


@EVERY_KIND
@pytest.mark.parametrize("said", [b"", GREETING], ids=["at-once", "after-greeting"])
@pytest.mark.requirement("37-17", "L-20")
async def test_a_peer_that_closes_in_the_handshake(world: World, said: bytes) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(said)
        await raw.receive(64 if said else 10)
    failed = ["HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED"]
    await tells_no_more_than(pull, *BOUND, *failed)
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        for _ in range(2):
            async with await listener.accept() as raw:
                await raw.send(said)
                await raw.receive(64 if said else 10)
        await tells(push, *[*DIALLED, *failed, "CONNECT_RETRIED"] * 2)
    assert value_of(pull, failed[0]) in (errno.EPIPE, errno.ECONNRESET)  # ECONNRESET if it closed with unread octets


@EVERY_KIND
@pytest.mark.requirement("37-16", "L-20")
async def test_a_handshake_that_takes_too_long(world: World) -> None:
    failed = ["HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED"]
    pull = await world.server.socket("PULL", handshake_ivl=100)
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint), RawListener.listen() as listener:
        push = await world.server.socket("PUSH", handshake_ivl=100, **EAGER)
        await push.connect(listener.endpoint)
        async with await listener.accept():
            await tells_no_more_than(pull, *BOUND, *failed)
            await tells(push, *DIALLED, *failed, "CONNECT_RETRIED", *DIALLED)
    assert value_of(pull, failed[0]) == value_of(push, failed[0]) == errno.EAGAIN


WRONG = {
    "mechanism": (GREETING[:12] + b"PLAIN".ljust(20, b"\0") + GREETING[32:], MECHANISM_MISMATCH),
    "unknown-command": (GREETING + command(b"STEADY"), UNEXPECTED_COMMAND),
}


@EVERY_KIND
@pytest.mark.parametrize("what", WRONG)
@pytest.mark.requirement("37-11", "37-16", "37-86", "L-20")
async def test_a_peer_that_breaks_the_protocol_in_the_handshake(world: World, what: str) -> None:
    """And a connecting side doesn't dial again."""
    octets, violation = WRONG[what]
    failed = ["HANDSHAKE_FAILED_PROTOCOL", "DISCONNECTED"]
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(octets)
        await raw.receive_until_closed()
    await tells_no_more_than(pull, *BOUND, *failed)
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.send(octets)
            await raw.receive_until_closed()
            await tells_no_more_than(push, *DIALLED, *failed)
    assert value_of(pull, failed[0]) == value_of(push, failed[0]) == violation


@EVERY_KIND
@pytest.mark.parametrize("code", [300, 400, 500])
@pytest.mark.requirement("37-14", "37-15", "37-39", "L-20")
async def test_a_peer_that_refuses_us(world: World, code: int) -> None:
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.send(GREETING)
            await raw.receive(64 + len(READY["PUSH"]))
            await raw.send(command(b"ERROR", b"\x03%d" % code))
            await raw.receive_until_closed()
        await tells_no_more_than(push, *DIALLED, "HANDSHAKE_FAILED_AUTH", "DISCONNECTED")
    assert value_of(push, "HANDSHAKE_FAILED_AUTH") == code


@EVERY_KIND
@pytest.mark.differs("wrong type of socket")
@pytest.mark.requirement("37-44", "37-45", "L-20")
async def test_a_socket_of_the_wrong_type(world: World) -> None:
    is_ours = world.server.kind == "ours"
    ends = ["HANDSHAKE_FAILED_PROTOCOL", "DISCONNECTED"] if is_ours else ["DISCONNECTED"]
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(GREETING + READY["SUB"])
        await raw.receive_until_closed()
    await tells_no_more_than(pull, *BOUND, *ends)
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.send(GREETING + READY["SUB"])
            await raw.receive_until_closed()
        await tells_no_more_than(push, *DIALLED, *ends)
    if is_ours:
        assert value_of(pull, ends[0]) == value_of(push, ends[0]) == INVALID_METADATA


@OURS
@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("01 00"), bytes(64)])
@pytest.mark.differs("peer of another protocol")
@pytest.mark.requirement("37-7", "37-16")
async def test_a_peer_of_another_protocol(world: World, octets: bytes) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(octets)
        await raw.receive_until_closed()
    failed = ["HANDSHAKE_FAILED_PROTOCOL", "DISCONNECTED"]
    await tells_no_more_than(pull, *BOUND, *failed)
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        await push.send(b"for the right peer")
        for _ in range(3):
            async with await listener.accept() as raw:
                await raw.send(octets)
                await raw.receive_until_closed()
        await tells(push, *[*DIALLED, *failed, "CONNECT_RETRIED"] * 3)
        pauses = [event.value for event in push.events.seen if event.name == "CONNECT_RETRIED"]
        assert [least <= pause <= least + 10 for least, pause in zip([10, 20, 40], pauses, strict=False)] == [True] * 3
        async with await listener.accept() as raw:
            await raw.handshake("PULL")
            assert await raw.receive_frame() == b"\x00\x12for the right peer"


@EVERY_KIND
@pytest.mark.requirement("37-17", "L-20")
async def test_another_program_at_the_port_for_a_moment(world: World) -> None:
    """An HTTP server answers and ends. Then both kinds find the right peer."""
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        for _ in range(2):
            async with await listener.accept() as raw:
                await raw.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        async with await listener.accept() as raw:
            await raw.handshake("PULL")
            await push.send(b"hello")  # not earlier: libzmq would take the HTTP server for a ZMTP 1.0 peer
            assert await raw.receive_frame() == b"\x00\x05hello"


@OURS
@pytest.mark.parametrize("said", [GREETING[:10], b""], ids=["ten-octets", "none"])
@pytest.mark.differs("peer of ZMTP 2.0")
@pytest.mark.requirement("37-7", "37-17")
async def test_a_peer_of_zmtp_2_hangs_up_and_is_named(world: World, said: bytes) -> None:
    """As libzmq 3.2.6 does: it reads our octets 11 to 13 as a socket type and an identity, and refuses them."""
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        for _ in range(2):
            async with await listener.accept() as raw:
                await raw.send(said)
                await raw.receive(64)
        await tells(push, *[*DIALLED, "HANDSHAKE_FAILED_NO_DETAIL", "DISCONNECTED", "CONNECT_RETRIED"] * 2)
    reasons = {event.reason for event in push.events.seen if event.name == "HANDSHAKE_FAILED_NO_DETAIL"}
    assert all("a peer of ZMTP 2.0 (libzmq 3.2 or older)" in reason for reason in reasons)
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(said)
        await raw.receive(64)
    assert "a peer of ZMTP 2.0" in (await pull.wait_event("HANDSHAKE_FAILED_NO_DETAIL")).reason


@OURS
@pytest.mark.differs("back-off")
@pytest.mark.requirement("L-5", "37-20")
async def test_a_server_that_accepts_and_closes_is_backed_off_from(world: World) -> None:
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", reconnect_ivl=5, reconnect_ivl_max=60)
        await push.connect(listener.endpoint)
        for _ in range(6):
            async with await listener.accept():
                pass
        await push.wait_event("CONNECT_RETRIED", times=6)
    pauses = [event.value for event in push.events.seen if event.name == "CONNECT_RETRIED"]
    assert pauses[:6] == [5, 10, 20, 40, 60, 60]


@OURS
@pytest.mark.differs("reason of an event")
@pytest.mark.requirement("37-16", "37-17")
async def test_each_failure_has_a_reason_as_text(world: World) -> None:
    pull = await world.server.socket("PULL", handshake_ivl=100, maxmsgsize=100)
    await pull.bind(world.endpoint())
    said = {
        b"GET / HTTP": "",
        b"": "handshake_ivl",
        GREETING + READY["SUB"]: "PULL cannot talk to",
        GREETING + READY["PUSH"] + b"\x00\x7f": "maxmsgsize",
    }
    for octets in said:
        async with await RawPeer.dial(pull.last_endpoint) as raw:
            await raw.send(octets)
            await raw.receive_until_closed()
    await pull.wait_event("DISCONNECTED", times=len(said))
    with contextlib.closing(trio.socket.socket()) as nobody:
        await nobody.bind(("127.0.0.1", 0))  # without listening
        push = await world.server.socket("PUSH", **NEVER)
        await push.connect(f"tcp://127.0.0.1:{nobody.getsockname()[1]}")
        refused = await push.wait_event("CLOSED")
    failures = [event for event in pull.events.seen if "FAILED" in event.name or event.name == "DISCONNECTED"]
    assert all(event.endpoint in event.reason for event in [*failures, refused])
    for words in said.values():
        assert any(words in event.reason for event in failures), words
    assert "refused" in refused.reason
