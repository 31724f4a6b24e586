"""37/ZMTP 3.1: the octets on the wire.

A bare TCP stream talks to a socket. It can do what a correct peer doesn't: pause in the middle of a greeting, send
nothing, or send something wrong. Nearly every test runs against libzmq as well, as the control, because the facts about
the protocol must also be true of libzmq.

There are four parts: the greeting and READY; commands between messages; recorded conversations that are played again;
and wrong peers, each of which must lose only its own connection.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pytest
import trio

from interop_tests.raw import RawListener, RawPeer, Wiretap
from interop_tests.vectors import PIPELINE, PUBSUB, REQREP, Conversation
from interop_tests.world import PATIENCE, Peer, World
from tests.zmtp_bytes import GREETING, READY, command, messages_in, metadata

# The server is tested: ours, or the control. The client is always libzmq, for the tests that need a correct peer
# beside the bare stream.
EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")
OURS = pytest.mark.pairs("ours-libzmq")
LIBZMQ = pytest.mark.pairs("libzmq-libzmq")
pytestmark = pytest.mark.over("tcp")

EAGER = {"reconnect_ivl": 10}
HELLO = bytes.fromhex("00 05 68656c6c6f")


def without_padding(greeting: bytes) -> bytes:
    """The greeting without octets 1 to 8, which are ignored (37-4)."""
    return greeting[:1] + bytes(8) + greeting[9:]


async def bound(world: World, socket_type: str, **options: Any) -> Peer:
    peer = await world.server.socket(socket_type, **options)
    await peer.bind("tcp://127.0.0.1:*")
    return peer


async def connected(world: World, socket_type: str, endpoint: str, **options: Any) -> Peer:
    peer = await world.server.socket(socket_type, **{**EAGER, **options})
    await peer.connect(endpoint)
    return peer


# --- the greeting and READY -----------------------------------------------------------------------


@EVERY_KIND
@pytest.mark.requirement("37-1", "37-3", "37-8", "37-9", "37-10", "37-13")
async def test_the_greeting(world: World) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(GREETING)
        assert without_padding(await raw.receive(64)) == GREETING
    async with RawListener.listen() as listener:
        await connected(world, "PUSH", listener.endpoint)
        async with await listener.accept() as raw:
            await raw.send(GREETING)
            assert without_padding(await raw.receive(64)) == GREETING


@OURS
@pytest.mark.requirement("37-1", "37-80")
async def test_our_greeting_comes_whole_and_unasked(world: World) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        assert await raw.receive(64) == GREETING
    async with RawListener.listen() as listener:
        await connected(world, "PUSH", listener.endpoint)
        async with await listener.accept() as raw:
            assert await raw.receive(64) == GREETING


@LIBZMQ
@pytest.mark.requirement("37-2")
async def test_libzmq_gives_its_greeting_in_three_pieces(world: World) -> None:
    """So we must send our greeting before we have the peer's, because otherwise each would wait for the other."""
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.receive(10)
        assert await raw.is_silent()
        await raw.send(GREETING[:10])
        assert await raw.receive(1) == b"\x03"
        assert await raw.is_silent()
        await raw.send(GREETING[10:11])
        assert await raw.receive(53) == GREETING[11:]


@EVERY_KIND
@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(b"\xff" + b"padding!" + GREETING[9:], id="padding"),
        pytest.param(GREETING[:9] + b"\x01" + GREETING[10:], id="signature-01"),
        pytest.param(GREETING[:11] + b"\x00" + GREETING[12:], id="3.0"),
        pytest.param(GREETING[:11] + b"\x07" + GREETING[12:], id="3.7"),
        pytest.param(GREETING[:10] + b"\x04\x00" + GREETING[12:], id="4.0"),
        pytest.param(GREETING[:32] + b"\x01" + GREETING[33:], id="as-server"),
        pytest.param(GREETING[:33] + bytes(range(31)), id="filler"),
    ],
)
@pytest.mark.requirement("37-4", "37-5", "37-6", "37-13")
async def test_greetings_that_are_to_be_accepted(world: World, greeting: bytes) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        assert await raw.handshake("PUSH", greeting) == READY["PULL"]
        await raw.send(HELLO)
        assert await pull.recv() == b"hello"


@EVERY_KIND
@pytest.mark.requirement("37-1", "37-10", "37-27")
async def test_octets_may_come_one_at_a_time(world: World) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        for octet in GREETING + READY["PUSH"]:
            await raw.send(bytes([octet]))
        await raw.receive(64)
        assert await raw.receive_frame() == READY["PULL"]
        for octet in b"".join(PIPELINE.client[1:]):
            await raw.send(bytes([octet]))
        assert await pull.recv() == b"hello"
        assert await pull.recv_multipart() == [b"a", b"", bytes(256)]


@EVERY_KIND
@pytest.mark.parametrize("mine", READY)
@pytest.mark.requirement("37-32", "37-40", "37-41", "37-43", "37-44", "37-46")
async def test_ready(world: World, mine: str) -> None:
    pairs = [("REQ", "REP"), ("PUB", "SUB"), ("PUSH", "PULL"), ("DEALER", "ROUTER"), ("XPUB", "XSUB"), ("PAIR", "PAIR")]
    peer_types = dict(pairs) | {client: server for server, client in pairs}
    socket = await bound(world, mine)
    async with await RawPeer.dial(socket.last_endpoint) as raw:
        assert await raw.handshake(peer_types[mine]) == READY[mine]
        await socket.wait_event("HANDSHAKE_SUCCEEDED")


@EVERY_KIND
@pytest.mark.parametrize(
    "properties",
    [
        pytest.param([], id="none"),
        pytest.param([(b"Identity", b""), (b"Socket-Type", b"PUSH")], id="another-order"),
        pytest.param([(b"Socket-Type", b"PUSH"), (b"X-Colour", b"\x00\xff"), (b"Unheard-Of", b"")], id="unknown"),
        pytest.param([(b"Socket-Type", b"PUSH"), (b"X-Long", bytes(60_000))], id="long"),
    ],
)
@pytest.mark.requirement("37-12", "37-34", "37-36", "37-37", "37-41", "37-42")
async def test_metadata_that_is_to_be_accepted(world: World, properties: list[tuple[bytes, bytes]]) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(GREETING + command(b"READY", metadata(*properties)))
        await raw.receive(64)
        assert await raw.receive_frame() == READY["PULL"]
        await raw.send(HELLO)
        assert await pull.recv() == b"hello"


@EVERY_KIND
@pytest.mark.requirement("37-30", "37-33", "L-6")
async def test_no_message_goes_out_before_the_peers_ready_has_come(world: World) -> None:
    async with RawListener.listen() as listener:
        push = await connected(world, "PUSH", listener.endpoint)
        await push.send(b"hello")
        async with await listener.accept() as raw:
            await raw.send(GREETING)
            await raw.receive(64)
            assert await raw.receive_frame() == READY["PUSH"]  # with NULL, both sides send it at once
            assert await raw.is_silent()
            await raw.send(READY["PULL"])
            assert await raw.receive_frame() == HELLO


@EVERY_KIND
@pytest.mark.parametrize(
    ("minor", "subscribe", "cancel"),
    [
        pytest.param(b"\x01", command(b"SUBSCRIBE", b"A"), command(b"CANCEL", b"A"), id="3.1"),
        pytest.param(b"\x00", bytes.fromhex("00 02 01 41"), bytes.fromhex("00 02 00 41"), id="3.0"),
    ],
)
@pytest.mark.requirement("37-58", "37-59")
async def test_a_3_0_peer_gets_subscriptions_as_messages(
    world: World, minor: bytes, subscribe: bytes, cancel: bytes
) -> None:
    async with RawListener.listen() as listener:
        sub = await connected(world, "SUB", listener.endpoint)
        await sub.subscribe(b"A")
        async with await listener.accept() as raw:
            await raw.handshake("PUB", GREETING[:11] + minor + GREETING[12:])
            assert await raw.receive_frame() == subscribe
            await sub.unsubscribe(b"A")
            assert await raw.receive_frame() == cancel


@EVERY_KIND
@pytest.mark.parametrize("said", [b"", GREETING[:30], GREETING], ids=["nothing", "half-a-greeting", "no-ready"])
@pytest.mark.requirement("37-16", "L-20")
async def test_a_handshake_that_takes_too_long_is_given_up(world: World, said: bytes) -> None:
    pull = await bound(world, "PULL", handshake_ivl=100)
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.send(said)
        await raw.receive_until_closed()


# --- commands, messages, subscriptions ------------------------------------------------------------


@EVERY_KIND
@pytest.mark.requirement("37-25", "37-27", "37-68", "L-12", "L-13")
async def test_a_ping_between_two_frames_is_answered_at_once(world: World) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(bytes.fromhex("01 01 61"))
        await raw.ping()
        await raw.send(bytes.fromhex("01 01 62"))
        await raw.ping()
        await raw.send(bytes.fromhex("00 01 63"))
        assert await pull.recv_multipart() == [b"a", b"b", b"c"]


@EVERY_KIND
@pytest.mark.parametrize("context", [b"", b"x", bytes(range(16))], ids=["empty", "1", "16"])
@pytest.mark.requirement("37-66", "37-67", "37-68", "37-69")
async def test_a_pong_gives_the_context_back(world: World, context: bytes) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(command(b"PING", b"\x00\x14" + context))
        assert await raw.receive_frame() == command(b"PONG", context)


@EVERY_KIND
@pytest.mark.requirement("37-23", "37-79")
async def test_what_is_unusual_but_legal_in_traffic(world: World) -> None:
    pull = await bound(world, "PULL")
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(command(b"PONG", b"unasked"))
        await raw.send(command(b"UNHEARDOF", b"data"))
        # A long frame for a short command, and for a short message.
        await raw.send(bytes.fromhex("06 0000000000000007 04 50494e47 0000"))
        assert await raw.receive_frame() == command(b"PONG")
        await raw.send(bytes.fromhex("03 0000000000000001 61"))
        await raw.send(bytes.fromhex("02 0000000000000000"))
        assert await pull.recv_multipart() == [b"a", b""]


async def what_is_heard(pub: Peer, raw: RawPeer, *topics: bytes) -> list[bytes]:
    """The topics that reach the stream. The last topic is its latest subscription.

    When that topic arrives for the first time, the socket has read all of the stream's subscriptions. The next round of
    topics then shows their effect.
    """
    end = topics[-1]
    with trio.fail_after(PATIENCE):
        while await raw.is_silent(0.02):
            await pub.send(end)
    for topic in (end + b"<", *topics, end + b">"):
        await pub.send(topic)
    heard: list[bytes] = []
    while not heard or heard[-1] != end + b">":
        heard.append((await raw.receive_frame())[2:])
    return heard[heard.index(end + b"<") + 1 : -1]


@EVERY_KIND
@pytest.mark.requirement("37-58", "37-59", "37-60", "29-11")
async def test_a_pub_understands_both_forms_of_subscription(world: World) -> None:
    pub = await bound(world, "PUB")
    async with await RawPeer.dial(pub.last_endpoint) as raw:
        await raw.handshake("SUB")
        await raw.send(bytes.fromhex("00 03 01") + b"by" + command(b"SUBSCRIBE", b"end1"))
        assert await what_is_heard(pub, raw, b"by message", b"end1") == [b"by message", b"end1"]
        # Either form cancels a subscription that was made in the other form.
        await raw.send(command(b"CANCEL", b"by") + bytes.fromhex("00 05 01") + b"end2")
        assert await what_is_heard(pub, raw, b"by message", b"end2") == [b"end2"]
        await raw.send(command(b"SUBSCRIBE", b"by") + command(b"SUBSCRIBE", b"end3"))
        assert await what_is_heard(pub, raw, b"by command", b"end3") == [b"by command", b"end3"]
        await raw.send(bytes.fromhex("00 03 00") + b"by" + command(b"SUBSCRIBE", b"end4"))
        assert await what_is_heard(pub, raw, b"by command", b"end4") == [b"end4"]


@EVERY_KIND
@pytest.mark.requirement("37-61")
async def test_one_cancel_ends_what_one_peer_has_subscribed_twice(world: World) -> None:
    pub = await bound(world, "PUB")
    async with await RawPeer.dial(pub.last_endpoint) as raw:
        await raw.handshake("SUB")
        await raw.send(command(b"SUBSCRIBE", b"A") * 2 + command(b"SUBSCRIBE", b"end1"))
        assert await what_is_heard(pub, raw, b"A", b"end1") == [b"A", b"end1"]
        await raw.send(command(b"CANCEL", b"A") + command(b"SUBSCRIBE", b"end2"))
        assert await what_is_heard(pub, raw, b"A", b"end2") == [b"end2"]


@EVERY_KIND
@pytest.mark.requirement("37-57", "29-34")
async def test_a_sub_does_not_trust_its_publisher(world: World) -> None:
    """The subscriber drops messages that it did not subscribe to."""
    async with RawListener.listen() as listener:
        sub = await connected(world, "SUB", listener.endpoint)
        await sub.subscribe(b"A")
        async with await listener.accept() as raw:
            await raw.handshake("PUB")
            assert await raw.receive_frame() == command(b"SUBSCRIBE", b"A")
            unwanted = bytes.fromhex("00 01 42"), bytes.fromhex("01 01 42 00 01 41")
            await raw.send(b"".join(unwanted) + bytes.fromhex("00 02 4142"))
            assert await sub.recv_multipart() == [b"AB"]


@EVERY_KIND
@pytest.mark.requirement("37-27", "L-10", "30-16")
async def test_half_a_message_from_a_peer_that_goes_is_thrown_away(world: World) -> None:
    pull = await bound(world, "PULL")
    push = await world.client.socket("PUSH")
    await world.join(pull, push)
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        await raw.handshake("PUSH")
        await raw.send(HELLO + bytes.fromhex("01 04 68616c66"))
        await raw.ping()
        await push.send(b"in between")
        await raw.send(bytes.fromhex("00 7f 6e6f7420616c6c"))
    await pull.wait_event("DISCONNECTED")
    assert {await pull.recv(), await pull.recv()} == {b"hello", b"in between"}
    await push.send(b"next")
    assert await pull.recv() == b"next"


@EVERY_KIND
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(bytes.fromhex("00 01 78"), id="no-delimiter"),
        pytest.param(bytes.fromhex("00 00"), id="delimiter-alone"),
        pytest.param(bytes.fromhex("01 02 6162 00 01 78"), id="ab-x"),
        pytest.param(bytes.fromhex("01 04 61626364 00 01 78"), id="abcd-x"),
    ],
)
@pytest.mark.requirement("28-2", "L-20", "L-33")
async def test_a_reply_without_its_envelope_ends_the_connection(world: World, reply: bytes) -> None:
    async with RawListener.listen() as listener:
        req = await connected(world, "REQ", listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake("REP")
            await req.send(b"question")
            assert [await raw.receive_frame() for _ in range(2)] == [b"\x01\x00", b"\x00\x08question"]
            await raw.send(reply)
            await raw.receive_until_closed()
        assert await listener.is_not_dialled(0.3)


@EVERY_KIND
@pytest.mark.requirement("28-8", "L-35")
async def test_a_second_answer_is_not_the_answer_to_the_next_question(world: World) -> None:
    async with RawListener.listen() as listener:
        req = await connected(world, "REQ", listener.endpoint)
        async with await listener.accept() as raw:
            await raw.handshake("REP")
            await req.send(b"one")
            await raw.receive(7)
            await raw.send(bytes.fromhex("01 00 00 01 31") * 2)
            await raw.ping()
            assert await req.recv() == b"1"
            await req.send(b"two")
            await raw.receive(7)
            await raw.send(bytes.fromhex("01 00 00 01 32"))
            assert await req.recv() == b"2"


# --- whole conversations --------------------------------------------------------------------------


async def publish_until_received(pub: Peer, sub: Peer, message: list[bytes]) -> None:
    """Publish the message until the subscription has arrived. Copies of an earlier message may arrive meanwhile."""
    with trio.fail_after(PATIENCE):
        while True:
            await pub.send_multipart(message)
            with trio.move_on_after(0.1):
                while await sub.recv_multipart() != message:
                    pass
                return


async def converse(conversation: Conversation, server: Peer, client: Peer) -> None:
    """Play the conversation with two applications."""
    if conversation is REQREP:
        await client.send(b"hello")
        assert await server.recv() == b"hello"
        await server.send_multipart([b"wor", b"", b"ld"])
        assert await client.recv_multipart() == [b"wor", b"", b"ld"]
    elif conversation is PIPELINE:
        await client.send(b"hello")
        await client.send_multipart([b"a", b"", bytes(256)])
        assert await server.recv() == b"hello"
        assert await server.recv_multipart() == [b"a", b"", bytes(256)]
    else:
        await publish_until_received(server, client, [b"A", b"x"])
        await client.subscribe(b"B")
        await publish_until_received(server, client, [b"B"])
        await client.unsubscribe(b"B")
        await client.subscribe(b"C")
        await publish_until_received(server, client, [b"C"])


CONVERSATIONS = pytest.mark.parametrize(
    "conversation", [REQREP, PIPELINE, PUBSUB], ids=["reqrep", "pipeline", "pubsub"]
)


@CONVERSATIONS
@pytest.mark.requirement("37-12", "37-23", "37-24", "37-32", "37-58", "37-59", "37-83", "28-3", "28-16")
async def test_every_pair_leaves_the_same_octets_on_the_wire(world: World, conversation: Conversation) -> None:
    """In all four pairs, so ours and libzmq can't be distinguished on the wire."""
    server = await bound(world, conversation.server_type)
    client = await world.client.socket(conversation.client_type)
    if conversation is PUBSUB:
        await client.subscribe(b"A")
    async with Wiretap.between(server.last_endpoint) as tap:
        await client.connect(tap.endpoint)
        await world.handshakes(server, client)
        await converse(conversation, server, client)
        await client.close()
        await tap.ended()
    for octets, frames in ((tap.from_client, conversation.client), (tap.from_server, conversation.server)):
        assert without_padding(bytes(octets[:64])) == GREETING
        # Count a message once if it was published again because no subscriber had received it.
        messages = [message for message, _ in groupby(messages_in(bytes(octets[64:])))]
        assert b"".join(messages) == b"".join(frames)


@EVERY_KIND
@CONVERSATIONS
@pytest.mark.requirement("37-32", "37-33", "37-83", "28-13", "28-16", "30-19", "29-11")
async def test_a_server_understands_the_recorded_client(world: World, conversation: Conversation) -> None:
    server = await bound(world, conversation.server_type)
    async with await RawPeer.dial(server.last_endpoint) as raw:
        assert await raw.handshake(conversation.client_type) == conversation.server[0]
        await raw.send(b"".join(conversation.client[1:]))
        if conversation is REQREP:
            assert await server.recv() == b"hello"
            await server.send_multipart([b"wor", b"", b"ld"])
            assert [await raw.receive_frame() for _ in range(4)] == conversation.server[1:]
        elif conversation is PIPELINE:
            assert await server.recv() == b"hello"
            assert await server.recv_multipart() == [b"a", b"", bytes(256)]
        else:
            heard = await what_is_heard(server, raw, b"A", b"B", b"C")
            assert heard == [b"A", b"C"]


@EVERY_KIND
@CONVERSATIONS
@pytest.mark.requirement("37-30", "37-33", "37-83", "28-2", "28-3", "29-34", "30-2")
async def test_a_client_understands_the_recorded_server(world: World, conversation: Conversation) -> None:
    async with RawListener.listen() as listener:
        client = await connected(world, conversation.client_type, listener.endpoint)
        if conversation is PUBSUB:
            await client.subscribe(b"A")
        async with await listener.accept() as raw:
            assert await raw.handshake(conversation.server_type) == conversation.client[0]
            if conversation is REQREP:
                await client.send(b"hello")
                assert [await raw.receive_frame() for _ in range(2)] == conversation.client[1:]
                await raw.send(b"".join(conversation.server[1:]))
                assert await client.recv_multipart() == [b"wor", b"", b"ld"]
            elif conversation is PIPELINE:
                await client.send(b"hello")
                await client.send_multipart([b"a", b"", bytes(256)])
                assert [await raw.receive_frame() for _ in range(4)] == conversation.client[1:]
            else:
                await client.subscribe(b"B")
                await client.unsubscribe(b"B")
                await client.subscribe(b"C")
                assert [await raw.receive_frame() for _ in range(4)] == conversation.client[1:]
                await raw.send(b"".join(conversation.server[1:]))  # B has been cancelled
                assert await client.recv_multipart() == [b"A", b"x"]
                assert await client.recv() == b"C"


# --- wrong peers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """Octets that must end a connection, and whether they are sent after the handshake."""

    octets: bytes
    after_handshake: bool = False


def ready_with(*properties: tuple[bytes, bytes], then: bytes = b"") -> bytes:
    return GREETING + command(b"READY", metadata(*properties) + then)


def greeting_with_mechanism(name: bytes) -> bytes:
    return GREETING[:12] + name.ljust(20, b"\0") + GREETING[32:]


def wrong(name: str, octets: bytes, *ids: str, after_handshake: bool = False) -> Any:
    return pytest.param(Wrong(octets, after_handshake), id=name, marks=pytest.mark.requirement(*ids))


def wrong_in_traffic(name: str, octets: bytes, *ids: str) -> Any:
    return wrong(name, octets, *ids, after_handshake=True)


PUSH = (b"Socket-Type", b"PUSH")

WRONG_FOR_BOTH = [
    wrong("mechanism-plain", greeting_with_mechanism(b"PLAIN"), "37-11", "37-86"),
    wrong("mechanism-lower-case", greeting_with_mechanism(b"null"), "37-9", "37-11"),
    wrong("mechanism-after-the-null", greeting_with_mechanism(b"NULL\0X"), "37-9", "37-11"),
    wrong("type-that-does-not-fit", ready_with((b"Socket-Type", b"PUB")), "37-44", "37-45"),
    wrong("type-in-lower-case", ready_with((b"Socket-Type", b"push")), "37-43"),
    wrong("type-unknown", ready_with((b"Socket-Type", b"PUSHY")), "37-43"),
    wrong("ready-with-a-rest", ready_with(PUSH, then=b"\x0bSocket"), "37-38"),
    wrong("message-instead-of-ready", GREETING + HELLO, "37-33"),
    wrong("ping-instead-of-ready", GREETING + command(b"PING", b"\0\0"), "37-66"),
    wrong("unknown-command-instead-of-ready", GREETING + command(b"STEADY"), "37-16"),
    wrong("hello-instead-of-ready", GREETING + command(b"HELLO", b"\x01a\x01b"), "37-16"),
    wrong_in_traffic("frame-of-2^63", bytes.fromhex("02 8000000000000000"), "37-23"),
    wrong_in_traffic("frame-above-maxmsgsize", bytes.fromhex("02 0000000000100000"), "37-16"),
    wrong_in_traffic("short-frame-above-maxmsgsize", bytes.fromhex("00 c9"), "37-16"),
]

WRONG_FOR_US = [
    wrong("http", b"GET / HTTP/1.1\r\n\r\n", "37-7", "37-16"),
    wrong("one-zero", b"\0", "37-7"),
    wrong("zmtp-1.0-anonymous", bytes.fromhex("01 00"), "37-7"),
    wrong("zmtp-1.0-named", bytes.fromhex("04 00 616263"), "37-7"),
    wrong("zmtp-1.0-long", bytes.fromhex("ff 0000000000000004 00 616263"), "37-7"),
    wrong("zmtp-2.0", bytes.fromhex("ff 0000000000000001 7f 01"), "37-7"),
    wrong("major-version-2", GREETING[:10] + b"\x02", "37-7"),
    wrong("major-version-0", GREETING[:10] + b"\x00", "37-7"),
    wrong("type-of-another-spelling", ready_with((b"SOCKET-TYPE", b"PUB")), "37-35", "37-44"),
    wrong("property-without-a-name", ready_with(PUSH, (b"", b"x")), "37-34"),
    wrong("property-beyond-the-end", ready_with(PUSH, then=b"\x01a\0\0\0\x09"), "37-36", "37-38"),
    wrong("identity-of-300-octets", ready_with(PUSH, (b"Identity", bytes(range(1, 101)) * 3)), "37-47"),
    # Before the handshake is finished, a peer may use at most 64 KiB of our memory.
    wrong("ready-of-a-tebibyte", GREETING + bytes.fromhex("06 0000010000000000"), "37-16"),
    wrong("error", GREETING + command(b"ERROR", b"\x03400"), "37-14"),
    *(wrong_in_traffic(f"reserved-bit-{bit}", bytes([1 << bit]) + b"\x01x", "37-21") for bit in range(3, 8)),
    wrong_in_traffic("command-with-more", bytes.fromhex("05 07 04 50494e47 0000"), "37-22"),
    wrong_in_traffic("long-command-with-more", bytes.fromhex("07 0000000000000007 04 50494e47 0000"), "37-22"),
    wrong_in_traffic("command-without-a-name", bytes.fromhex("04 01 00"), "37-26"),
    wrong_in_traffic("command-without-a-body", bytes.fromhex("04 00"), "37-26"),
    wrong_in_traffic("command-name-beyond-the-end", bytes.fromhex("04 03 05 5049"), "37-26"),
    wrong_in_traffic("ping-without-ttl", command(b"PING"), "37-70"),
    wrong_in_traffic("ping-with-half-a-ttl", command(b"PING", b"\0"), "37-70"),
    wrong_in_traffic("ping-with-17-octets-of-context", command(b"PING", bytes(2 + 17)), "37-67", "37-69"),
]


async def check_that_only_the_wrong_one_suffers(world: World, what: Wrong) -> None:
    pull = await bound(world, "PULL", maxmsgsize=200)
    healthy = await world.client.socket("PUSH")
    await world.join(pull, healthy)
    async with await RawPeer.dial(pull.last_endpoint) as raw:
        if what.after_handshake:
            await raw.handshake("PUSH")
        await raw.send(what.octets)
        await raw.receive_until_closed()
    await healthy.send(b"unharmed")
    assert await pull.recv() == b"unharmed"
    assert healthy.events.count("DISCONNECTED") == 0
    newcomer = await world.client.socket("PUSH")
    await newcomer.connect(pull.last_endpoint)
    await newcomer.send(b"let in")
    assert await pull.recv() == b"let in"


@EVERY_KIND
@pytest.mark.parametrize("what", WRONG_FOR_BOTH)
async def test_a_wrong_peer_loses_only_its_own_connection(world: World, what: Wrong) -> None:
    await check_that_only_the_wrong_one_suffers(world, what)


@OURS
@pytest.mark.parametrize("what", WRONG_FOR_US)
async def test_what_libzmq_tolerates_and_we_refuse(world: World, what: Wrong) -> None:
    """Downgrades, and octets that the RFC forbids: libzmq accepts them, waits for more, or answers wrongly."""
    await check_that_only_the_wrong_one_suffers(world, what)


async def is_left_for_good(listener: RawListener, octets: bytes) -> bool:
    async with await listener.accept() as raw:
        await raw.send(GREETING)
        await raw.receive(64)
        await raw.receive_frame()  # wait for its READY, because libzmq may miss what arrives before
        await raw.send(octets)
        await raw.receive_until_closed()
    return await listener.is_not_dialled(0.3)


@EVERY_KIND
@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(command(b"ERROR", b"\x03400"), id="error"),
        pytest.param(command(b"ERROR", b"\x00"), id="error-without-a-reason"),
        pytest.param(bytes.fromhex("04 09 5e 52524f52 03 343030"), id="error-as-libzmq-spells-it"),
        pytest.param(command(b"READY", metadata((b"Socket-Type", b"SUB"))), id="wrong-type"),
        pytest.param(command(b"STEADY"), id="unknown-command"),
        pytest.param(READY["PULL"] + bytes.fromhex("02 8000000000000000"), id="frame-of-2^63"),
    ],
)
@pytest.mark.requirement("37-14", "37-15", "37-16", "37-44", "L-20")
async def test_a_wrong_server_is_not_dialled_again(world: World, octets: bytes) -> None:
    async with RawListener.listen() as listener:
        await connected(world, "PUSH", listener.endpoint)
        assert await is_left_for_good(listener, octets)


@EVERY_KIND
@pytest.mark.requirement("37-11", "L-20")
async def test_a_server_of_another_mechanism_is_not_dialled_again(world: World) -> None:
    async with RawListener.listen() as listener:
        await connected(world, "PUSH", listener.endpoint)
        async with await listener.accept() as raw:
            await raw.send(greeting_with_mechanism(b"PLAIN"))
            await raw.receive_until_closed()
        assert await listener.is_not_dialled(0.3)


@EVERY_KIND
@pytest.mark.parametrize(
    "said",
    [b"", GREETING[:5], GREETING, GREETING + READY["PULL"]],
    ids=["at-once", "in-the-greeting", "before-ready", "after-ready"],
)
@pytest.mark.requirement("37-17", "37-18", "L-20", "L-8")
async def test_a_server_that_closes_is_dialled_again(world: World, said: bytes) -> None:
    """It may be a server that restarts, so it doesn't matter when it closes."""
    async with RawListener.listen() as listener:
        push = await connected(world, "PUSH", listener.endpoint)
        for _ in range(2):
            async with await listener.accept() as raw:
                await raw.send(said)
        async with await listener.accept() as raw:
            await raw.handshake("PULL")
            await push.send(b"hello")
            assert await raw.receive_frame() == HELLO
