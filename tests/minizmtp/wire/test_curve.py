"""CURVE: secrecy, integrity and authentication (26/CURVEZMQ, 25/ZMTP-CURVE).

With fixed keys and long nonces, our bytes are known in advance. libzmq 4.3.5 accepted this HELLO, and its WELCOME could
be opened. The tests use only NaCl to open boxes, and to make the commands that no correct peer sends.
"""

import hashlib
import os
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_box,
    crypto_box_open,
    crypto_box_open_afternm,
    crypto_scalarmult_base,
    crypto_secretbox,
    crypto_secretbox_open,
)

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError, Refused, Violation
from minizmtp.wire import (
    NEED_DATA,
    AuthReply,
    AuthRequest,
    Connection,
    ConnectionClosed,
    Error,
    Greeting,
    Ping,
    Pong,
    Ready,
    State,
    Subscribe,
    curve,
)
from minizmtp.wire.curve import Cipher, CurveClient, CurveServer, keypair, scripted
from minizmtp.wire.events import Item, Messages, SharedMessage
from minizmtp.wire.plain import PlainServer
from tests.minizmtp.streams import drain, hear, refusal
from tests.zmtp_bytes import GREETING, command, frame, metadata

CURVE = GREETING.replace(b"NULL\0", b"CURVE", 1)
GREETED = Greeting(3, 1, b"CURVE", False)  # by a client, and by libzmq's server
GREETED_BY_SERVER = Greeting(3, 1, b"CURVE", True)

# Secret keys, then the public ones. c, s: permanent; c1, s1: of the connection (C', S' in the RFC); K: the cookie's.
s, c, c1, s1, K = (bytes([number]) * 32 for number in (1, 2, 3, 4, 5))
S, C, C1, S1 = (crypto_scalarmult_base(secret) for secret in (s, c, c1, s1))
WELCOME_NONCE, COOKIE_NONCE, VOUCH_NONCE = (bytes([number]) * 16 for number in (6, 7, 8))
ROUTER_METADATA = metadata((b"Socket-Type", b"ROUTER")) + metadata((b"Identity", b""))
DEALER_METADATA = metadata((b"Socket-Type", b"DEALER")) + metadata((b"Identity", b""))


def short(number: int) -> bytes:
    return number.to_bytes(8, "big")


def client_mechanism() -> CurveClient:
    return CurveClient(C, c, S, scripted(c1, VOUCH_NONCE))


def server_mechanism() -> CurveServer:
    return CurveServer(s, scripted(s1, K, COOKIE_NONCE, WELCOME_NONCE))


def dealer() -> Connection:
    return Connection(SocketType.DEALER, mechanism=client_mechanism())


def router() -> Connection:
    return Connection(SocketType.ROUTER, mechanism=server_mechanism())


def said_by(connection: Connection) -> bytes:
    """The body of the one command that it says."""
    octets = connection.data_to_send()
    assert octets[0] in (4, 6)
    header = 2 if octets[0] == 4 else 9
    assert len(octets) - header == int.from_bytes(octets[1:header], "big")
    return octets[header:]


def handshake(client: Connection, server: Connection, status: int = 200) -> list[bytes]:
    """All four commands, bodies only; both are in traffic then."""
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    assert (client.next_event(), server.next_event()) == (GREETED_BY_SERVER, GREETED)
    bodies = []
    for speaker, hearer in ((client, server), (server, client), (client, server)):
        bodies.append(said_by(speaker))
        hearer.receive_data(frame(bodies[-1], command=True))
        event = hearer.next_event()
        assert event == (QUESTION if len(bodies) == 3 else NEED_DATA)
    server.receive_auth_reply(AuthReply(status))
    assert server.next_event() == Ready({b"socket-type": b"DEALER", b"identity": b""})
    bodies.append(said_by(server))
    client.receive_data(frame(bodies[-1], command=True))
    assert client.next_event() == Ready({b"socket-type": b"ROUTER", b"identity": b""})
    return bodies


QUESTION = AuthRequest(b"CURVE", (C,), b"")
HELLO, WELCOME, INITIATE, READY = handshake(dealer(), router())


def in_traffic() -> tuple[Connection, Connection]:
    client, server = dealer(), router()
    handshake(client, server)
    return client, server


def box(text: bytes, nonce: bytes, to: bytes, by: bytes) -> bytes:
    return crypto_box(text, nonce, to, by)


def server_after(*bodies: bytes) -> Connection:
    """A server that was told so much."""
    connection = router()
    hear(connection, [CURVE, *(frame(body, command=True) for body in bodies)])
    connection.data_to_send()
    return connection


def client_after(*bodies: bytes) -> Connection:
    connection = dealer()
    hear(connection, [CURVE, *(frame(body, command=True) for body in bodies)])
    connection.data_to_send()
    return connection


def violation(connection: Connection, body: bytes, *, is_command: bool = True) -> Violation | None:
    """What this says of a frame; nothing may be said to the peer (26-11, 26-38)."""
    error = refusal(hear(connection, [frame(body, command=is_command)]))
    assert error is None or connection.data_to_send() == b""
    assert error is None or connection.state is State.CLOSED
    return error and error.violation


# ------------------------------------------------------------------------------------------------- the known bytes


@pytest.mark.requirement("26-41")
def test_keys_belong_together_as_nacl_has_it() -> None:
    assert S.hex() == "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209"
    assert C.hex() == "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59"
    assert C1.hex() == "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
    assert S1.hex() == "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b"
    assert keypair(s) == (S, s)
    assert keypair() != keypair()


@pytest.mark.requirement("25-3", "26-5", "26-16", "26-23", "26-31")
@pytest.mark.parametrize(
    ("body", "size", "digest", "tail"),
    [
        (HELLO, 200, "cfadc28cb684ed408c8ad3c4fc406884", "cd8e510261fbee5db7e05c017156fa31"),
        (WELCOME, 168, "3768223c81f2648c6921c429a3552993", "7b4ab7c1700f405eb710a16669ee6444"),
        (INITIATE, 292, "19cbb75dd9bf76e321a3dc7d5d59422b", "e12c63484fb130483125db0c6078c484"),
        (READY, 65, "4367ca8791cd9551118a337000365f29", "98532c4749ab54afb0f7f44a894bb77a"),
    ],
    ids=["HELLO", "WELCOME", "INITIATE", "READY"],
)
def test_the_commands_are_these_octets(body: bytes, size: int, digest: str, tail: str) -> None:
    assert len(body) == size
    assert hashlib.sha256(body).hexdigest()[:32] == digest
    assert body[-16:].hex() == tail


@pytest.mark.requirement("26-13", "26-35", "26-36", "37-84")
def test_messages_are_these_octets_in_message_frames() -> None:
    client, server = in_traffic()
    hello = bytes.fromhex("074d455353414745 0000000000000003 53c2b8595219542c2ff3fe5ed9e5f9c32ddb4f78b1ed")
    world = bytes.fromhex("074d455353414745 0000000000000002 e5fd80eaf2da852d837463448aa4beb7ec62fe8de7bc")
    assert client.send([b"hello"]) == b"\x00\x26" + hello
    assert server.send([b"world", b""])[:40] == b"\x00\x26" + world
    assert hear(server, [frame(hello)]) == [[b"hello"]]
    assert (
        hear(client, [frame(world, command=True)]) == []
    )  # also in the command frame that the RFC wants; MORE follows


@pytest.mark.requirement("25-1")
def test_as_server_is_one_in_the_servers_greeting_only() -> None:
    assert dealer().data_to_send() == CURVE[:32] + bytes(32)
    assert router().data_to_send() == CURVE[:32] + b"\1" + bytes(31)


# ------------------------------------------------------------------------------------------------- opened by hand


@pytest.mark.requirement("26-5", "26-6", "26-7", "26-9", "26-10")
def test_hello_by_hand() -> None:
    assert HELLO[:8] == b"\x05HELLO\x01\x00"
    assert HELLO[8:80] == bytes(72)
    assert HELLO[80:112] == C1
    assert HELLO[112:120] == short(1)
    assert crypto_box_open(HELLO[120:], b"CurveZMQHELLO---" + short(1), C1, s) == bytes(64)


@pytest.mark.requirement("26-12", "26-16", "26-17", "26-19")
def test_welcome_and_its_cookie_by_hand() -> None:
    assert WELCOME[:8] == b"\x07WELCOME"
    assert WELCOME[8:24] == WELCOME_NONCE
    inner = crypto_box_open(WELCOME[24:], b"WELCOME-" + WELCOME_NONCE, S, c1)
    assert inner[:32] == S1
    cookie = inner[32:]
    assert len(cookie) == 96
    assert cookie[:16] == COOKIE_NONCE
    assert crypto_secretbox_open(cookie[16:], b"COOKIE--" + COOKIE_NONCE, K) == C1 + s1


@pytest.mark.requirement("26-4", "26-23", "26-24", "26-25", "26-26", "26-27")
def test_initiate_and_its_vouch_by_hand() -> None:
    assert INITIATE[:9] == b"\x08INITIATE"
    assert INITIATE[9:105] == crypto_box_open(WELCOME[24:], b"WELCOME-" + WELCOME_NONCE, S, c1)[32:]
    assert INITIATE[105:113] == short(2)
    inner = crypto_box_open(INITIATE[113:], b"CurveZMQINITIATE" + short(2), C1, s1)
    client, nonce, vouch, metadata = inner[:32], inner[32:48], inner[48:128], inner[128:]
    assert (client, nonce, metadata) == (C, VOUCH_NONCE, DEALER_METADATA)
    assert crypto_box_open(vouch, b"VOUCH---" + nonce, C, s1) == C1 + S


@pytest.mark.requirement("26-30", "26-31")
def test_ready_by_hand() -> None:
    assert READY[:14] == b"\x05READY" + short(1)
    assert crypto_box_open(READY[14:], b"CurveZMQREADY---" + short(1), S1, c1) == ROUTER_METADATA


@pytest.mark.requirement("26-35", "26-36", "37-85")
@pytest.mark.parametrize(
    ("item", "inner"),
    [
        ([b"hi"], [b"\x00hi"]),
        ([b"", b"hi"], [b"\x01", b"\x00hi"]),
        (Subscribe(b"A"), [b"\x02\x09SUBSCRIBEA"]),
        (Ping(20, b"xy"), [b"\x02\x04PING\x00\x14xy"]),
        (Pong(b"xy"), [b"\x02\x04PONGxy"]),
        (SharedMessage([b"a", b"b"]), [b"\x01a", b"\x00b"]),
    ],
    ids=str,
)
def test_each_frame_of_traffic_by_hand(item: object, inner: list[bytes]) -> None:
    client, server = in_traffic()
    for sender, name, theirs, ours, nonce in ((client, b"C", C1, s1, 3), (server, b"S", S1, c1, 2)):
        octets = sender.send(item)  # type: ignore[arg-type]
        for number, text in enumerate(inner):
            size = 33 + len(text) - 1
            body, octets = octets[2 : 2 + size], octets[2 + size :]
            assert body[:16] == b"\x07MESSAGE" + short(nonce + number)
            assert crypto_box_open(body[16:], b"CurveZMQMESSAGE" + name + body[8:16], theirs, ours) == text
        assert octets == b""


def test_the_sizes_are_libzmqs() -> None:
    """As seen on the wire: a SUBSCRIBE of one octet 44, a PING 40, a PONG 38."""
    client, _ = in_traffic()
    assert [len(client.send(item)) - 2 for item in (Subscribe(b"A"), Ping(20, b""), Pong(b""))] == [44, 40, 38]


# --------------------------------------------------------------------------------------------------- no two alike


@pytest.mark.requirement("26-8", "26-12", "26-18", "26-20", "26-21", "26-25")
def test_each_connection_has_new_keys_cookies_and_long_nonces() -> None:
    seen: dict[str, set[bytes]] = {}
    for _ in range(20):
        mechanisms = CurveClient(C, c, S), CurveServer(s)
        client = Connection(SocketType.DEALER, mechanism=mechanisms[0])
        server = Connection(SocketType.ROUTER, mechanism=mechanisms[1])
        hello, welcome, initiate, _ = handshake(client, server)
        cookie = initiate[9:105]
        found = {"C'": hello[80:112], "welcome": welcome[8:24], "cookie": cookie[16:], "cookie nonce": cookie[:16]}
        for name, value in found.items():
            seen.setdefault(name, set()).add(value)
        assert mechanisms[1]._cookie_key == b""  # its duty is done
    assert {name: len(values) for name, values in seen.items()} == dict.fromkeys(seen, 20)


@pytest.mark.requirement("26-13")
def test_our_nonces_count_up_and_never_repeat() -> None:
    client, server = in_traffic()
    octets = b"".join(
        [
            client.send([b"a", b"b"]),
            client.send(Ping(0, b"")),
            client.send(SharedMessage([b"c"])),
            client.send(Subscribe(b"d")),
        ]
    )
    server.receive_data(octets)
    assert drain(server) == [[b"a", b"b"], Ping(0, b""), [b"c"], Subscribe(b"d")]
    nonces = [HELLO[112:120], INITIATE[105:113]]
    while octets:
        nonces.append(octets[10:18])
        octets = octets[2 + octets[1] :]
    assert nonces == [short(number) for number in range(1, 8)]


@pytest.mark.requirement("26-13")
def test_a_pong_is_encrypted_at_the_moment_it_is_sent() -> None:
    """PONG is ready when PING is read, but a message may go out first: the boxes must be in the order of the wire."""
    client, server = in_traffic()
    server.receive_data(client.send(Ping(0, b"x")))
    assert server.next_event() == Ping(0, b"x")
    first, second = server.send([b"first"]), server.data_to_send()
    client.receive_data(first + second)
    assert drain(client) == [[b"first"], Pong(b"x")]


@pytest.mark.requirement("26-14")
def test_the_connection_ends_when_its_nonces_are_used_up() -> None:
    cipher = Cipher(bytes(32), b"CurveZMQMESSAGEC", b"CurveZMQMESSAGES", sent=2**64 - 2, received=0)
    assert cipher.encrypt(0, [b""])[0][10:18] == b"\xff" * 8
    with pytest.raises(RuntimeError, match="no nonce left"):
        cipher.encrypt(0, [b""])


# ------------------------------------------------------------------------------------------------ every bit counts

Maker = Callable[[], Connection]
PLACES: dict[str, tuple[bytes, Maker]] = {
    "HELLO": (HELLO, lambda: server_after()),
    "WELCOME": (WELCOME, lambda: client_after()),
    "INITIATE": (INITIATE, lambda: server_after(HELLO)),
    "READY": (READY, lambda: client_after(WELCOME)),
}


@pytest.mark.requirement("26-7", "26-10", "26-11", "26-22", "26-28", "26-32")
@pytest.mark.parametrize("name", PLACES)
@pytest.mark.slow
def test_a_handshake_with_any_one_bit_changed_is_refused(name: str) -> None:
    body, make = PLACES[name]
    assert violation(make(), body) is None
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        assert violation(make(), bytes(changed)) is not None, f"bit {bit % 8} of octet {bit // 8}"


@pytest.mark.requirement("26-11", "26-22", "26-28", "26-32", "26-5", "26-16", "26-23", "26-31")
@pytest.mark.parametrize("name", PLACES)
def test_a_handshake_cut_at_any_octet_or_longer_is_refused(name: str) -> None:
    body, make = PLACES[name]
    for end in range(len(body)):
        assert violation(make(), body[:end]) is not None, f"cut to {end} octets"
    assert violation(make(), body + b"\0") is not None


@pytest.mark.requirement("26-36", "26-37", "26-38")
@pytest.mark.slow
def test_a_message_with_any_one_bit_changed_is_refused() -> None:
    """Of the nonce, too: the box was made for another."""
    size = len(in_traffic()[0].send([b"hello"]))
    for bit in range(8 * 2, 8 * size):
        client, server = in_traffic()
        changed = bytearray(client.send([b"hello"]))
        changed[bit // 8] ^= 1 << bit % 8
        heard = hear(server, [bytes(changed)])
        assert [type(event) for event in heard] == [ProtocolError, ConnectionClosed], f"bit {bit}"
        assert server.data_to_send() == b""


@pytest.mark.requirement("26-35", "26-37")
def test_a_message_cut_at_any_octet_is_refused() -> None:
    client, _ = in_traffic()
    body = client.send([b"hello"])[2:]
    for end in range(len(body)):
        _, server = in_traffic()
        expected = Violation.MALFORMED_MESSAGE if end < 33 else Violation.CRYPTOGRAPHIC
        assert violation(server, body[:end], is_command=False) is expected


# ------------------------------------------------------------------------------------- well made, and still wrong


def hello(zeros: bytes = bytes(64), nonce: int = 1, key: bytes = S, by: bytes = c1, version: bytes = b"\1\0") -> bytes:
    padding = bytes(72)
    sealed = box(zeros, b"CurveZMQHELLO---" + short(nonce), key, by)
    return b"\x05HELLO" + version + padding + crypto_scalarmult_base(by) + short(nonce) + sealed


def initiate(
    *,
    said: bytes = C1 + S,
    vouched_by: bytes = c,
    vouched_to: bytes = S1,
    client: bytes = C,
    by: bytes = c1,
    nonce: int = 2,
    cookie: bytes = INITIATE[9:105],
    metadata: bytes = DEALER_METADATA,
) -> bytes:
    vouch = VOUCH_NONCE + box(said, b"VOUCH---" + VOUCH_NONCE, vouched_to, vouched_by)
    inner = client + vouch + metadata
    return b"\x08INITIATE" + cookie + short(nonce) + box(inner, b"CurveZMQINITIATE" + short(nonce), S1, by)


def test_made_by_hand_they_are_the_known_ones() -> None:
    assert hello() == HELLO
    assert initiate() == INITIATE


stranger = b"\x09" * 32
COOKIE_OF_ANOTHER_KEY = COOKIE_NONCE + crypto_secretbox(C1 + s1, b"COOKIE--" + COOKIE_NONCE, stranger)
COOKIE_OF_ANOTHER_CLIENT = COOKIE_NONCE + crypto_secretbox(
    crypto_scalarmult_base(stranger) + s1, b"COOKIE--" + COOKIE_NONCE, K
)


@pytest.mark.requirement("26-6", "26-10", "26-11", "26-13", "26-15")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (hello(zeros=bytes(63) + b"\1"), Violation.CRYPTOGRAPHIC),
        (hello(key=C), Violation.CRYPTOGRAPHIC),
        (hello(version=b"\1\1"), Violation.MALFORMED_HELLO),
        (hello(version=b"\2\0"), Violation.MALFORMED_HELLO),
    ],
    ids=["other than zeros", "for another server", "version 1.1", "version 2.0"],
)
def test_a_wellformed_but_wrong_hello_is_refused_silently(body: bytes, expected: Violation) -> None:
    assert violation(server_after(), body) is expected


@pytest.mark.requirement("26-13", "26-15")
def test_a_nonce_counter_may_begin_at_zero_and_must_grow() -> None:
    """The RFC says that it grows, not where it begins."""
    server = server_after(hello(nonce=0))
    assert violation(server, initiate(nonce=0)) is Violation.INVALID_SEQUENCE
    server = server_after(hello(nonce=0))
    assert violation(server, initiate(nonce=1)) is None


@pytest.mark.requirement("26-15", "26-26", "26-28")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (initiate(cookie=COOKIE_OF_ANOTHER_KEY), Violation.CRYPTOGRAPHIC),
        (initiate(cookie=COOKIE_OF_ANOTHER_CLIENT), Violation.CRYPTOGRAPHIC),
        (initiate(by=stranger), Violation.CRYPTOGRAPHIC),
        (initiate(vouched_by=stranger), Violation.CRYPTOGRAPHIC),
        (initiate(client=crypto_scalarmult_base(stranger)), Violation.CRYPTOGRAPHIC),
        (initiate(said=crypto_scalarmult_base(stranger) + S), Violation.CRYPTOGRAPHIC),
        (initiate(said=C1 + crypto_scalarmult_base(stranger)), Violation.CRYPTOGRAPHIC),
        (initiate(vouched_to=S), Violation.CRYPTOGRAPHIC),
        (initiate(nonce=1), Violation.INVALID_SEQUENCE),
        (initiate(nonce=0), Violation.INVALID_SEQUENCE),
        (initiate(metadata=b"\x0bSocket"), Violation.INVALID_METADATA),
    ],
    ids=[
        "a cookie of another server",
        "a cookie of another client",
        "a box by another",
        "a vouch by another",
        "the name of another",
        "a vouch for another C'",
        "a vouch to another server",
        "a vouch to S and not S'",
        "nonce repeated",
        "nonce before",
        "bad metadata",
    ],
)
def test_a_wellformed_but_wrong_initiate_is_refused_silently(body: bytes, expected: Violation) -> None:
    assert violation(server_after(HELLO), body) is expected


@pytest.mark.requirement("26-22", "26-32")
def test_a_client_refuses_a_server_with_another_key() -> None:
    cookie = INITIATE[9:105]
    for by in (stranger, s1):
        sealed = box(S1 + cookie, b"WELCOME-" + WELCOME_NONCE, C1, by)
        assert violation(client_after(), b"\x07WELCOME" + WELCOME_NONCE + sealed) is Violation.CRYPTOGRAPHIC
    for by in (stranger, s):
        sealed = box(ROUTER_METADATA, b"CurveZMQREADY---" + short(1), C1, by)
        assert violation(client_after(WELCOME), b"\x05READY" + short(1) + sealed) is Violation.CRYPTOGRAPHIC


@pytest.mark.requirement("26-22", "26-28")
@pytest.mark.parametrize("key", [bytes(32), b"\1" + bytes(31), b"\xed" + b"\xff" * 30 + b"\x7f"])
def test_a_key_with_which_every_box_opens_is_refused(key: bytes) -> None:
    """A few points of the curve make a shared key that is publicly known. NaCl refuses them, and so do we."""
    hello = b"\x05HELLO\x01\x00" + bytes(72) + key + short(1) + bytes(80)
    assert violation(server_after(), hello) is Violation.CRYPTOGRAPHIC
    welcome = b"\x07WELCOME" + WELCOME_NONCE + box(key + bytes(96), b"WELCOME-" + WELCOME_NONCE, C1, s)
    assert violation(client_after(), welcome) is Violation.CRYPTOGRAPHIC
    inner = key + bytes(96) + DEALER_METADATA
    initiate = INITIATE[:105] + short(2) + box(inner, b"CurveZMQINITIATE" + short(2), S1, c1)
    assert violation(server_after(HELLO), initiate) is Violation.CRYPTOGRAPHIC


@pytest.mark.requirement("26-27", "26-33")
def test_a_ready_with_bad_metadata_is_refused() -> None:
    def ready(metadata: bytes, nonce: int) -> bytes:
        return b"\x05READY" + short(nonce) + box(metadata, b"CurveZMQREADY---" + short(nonce), C1, s1)

    assert violation(client_after(WELCOME), ready(b"\x0bSocket", 1)) is Violation.INVALID_METADATA
    assert violation(client_after(WELCOME), ready(metadata((b"Socket-Type", b"PULL")), 1)) is Violation.INVALID_METADATA
    assert violation(client_after(WELCOME), ready(ROUTER_METADATA, 0)) is None  # where to begin is not said
    assert violation(client_after(WELCOME), ready(ROUTER_METADATA, 7)) is None  # gaps are allowed
    assert violation(client_after(WELCOME), ready(b"", 1)) is None  # 30 octets, the least that can be


@pytest.mark.requirement("25-2", "26-3", "26-5")
@pytest.mark.parametrize("name", [*PLACES, "PING", "message"])
def test_each_command_has_one_place_and_is_refused_in_any_other(name: str) -> None:
    said = frame(PLACES[name][0], command=True) if name in PLACES else frame(b"\x04PING\0\0", command=name == "PING")
    for place, (_, make) in PLACES.items():
        error = refusal(hear(make(), [said]))
        assert (error is None) is (place == name)
        assert error is None or error.violation is Violation.UNEXPECTED_COMMAND


@pytest.mark.requirement("26-3")
def test_a_client_sends_no_error_when_it_refuses_the_server() -> None:
    """Not even where NULL would explain itself."""
    client = client_after(WELCOME)
    assert refusal(hear(client, [frame(b"hi")])) is not None
    assert client.data_to_send() == b""


def test_a_mechanism_in_clear_is_no_match() -> None:
    error = refusal(hear(Connection(SocketType.REP, mechanism=PlainServer()), [CURVE]))
    assert error is not None
    assert error.violation is Violation.MECHANISM_MISMATCH


# ------------------------------------------------------------------------------------------------------- admission


@pytest.mark.requirement("26-1", "26-29", "26-39")
@pytest.mark.parametrize(
    ("status", "said"), [(400, b"\x04\x0a\x05ERROR\x03400"), (500, b"\x04\x0a\x05ERROR\x03500"), (300, b"")]
)
def test_a_refused_client_gets_status_400_or_500_but_not_300(status: int, said: bytes) -> None:
    server = server_after(HELLO, INITIATE)
    with pytest.raises(Refused):
        server.receive_auth_reply(AuthReply(status))
    assert server.data_to_send() == said
    assert server.next_event() == ConnectionClosed("")


@pytest.mark.requirement("26-1", "26-39")
@pytest.mark.parametrize("reason", [b"", b"400", b"r" * 255])
def test_a_client_reads_error_at_either_stage(reason: bytes) -> None:
    for client in (client_after(), client_after(WELCOME)):
        assert hear(client, [command(b"ERROR", bytes([len(reason)]) + reason)])[0] == Error(reason)
    assert violation(client_after(), b"\x05ERROR") is Violation.MALFORMED_ERROR


@pytest.mark.requirement("26-30", "26-34")
def test_messages_wait_for_ready_and_may_follow_it() -> None:
    client, server = client_after(WELCOME), server_after(HELLO, INITIATE)
    for connection in (client, server):
        with pytest.raises(RuntimeError, match="wait until"):
            connection.send([b"early"])
    server.receive_auth_reply(AuthReply(200))
    server.next_event()
    client.receive_data(server.data_to_send() + server.send([b"at once"]))
    assert drain(client) == [Ready({b"socket-type": b"ROUTER", b"identity": b""}), [b"at once"]]


@pytest.mark.requirement("26-37")
def test_a_message_before_its_time_is_refused() -> None:
    early = b"\x07MESSAGE" + short(3) + box(b"\0hi", b"CurveZMQMESSAGEC" + short(3), S1, c1)
    assert violation(server_after(HELLO), early) is Violation.UNEXPECTED_COMMAND
    assert violation(server_after(HELLO), early, is_command=False) is Violation.UNEXPECTED_COMMAND


# -------------------------------------------------------------------------------------------------------- traffic


def sealed(inner: bytes, nonce: int, by: bytes = c1, prefix: bytes = b"CurveZMQMESSAGEC") -> bytes:
    """A MESSAGE to the server."""
    return b"\x07MESSAGE" + short(nonce) + box(inner, prefix + short(nonce), S1, by)


@pytest.mark.requirement("26-15", "26-33")
def test_a_replayed_message_is_refused_and_a_gap_is_not() -> None:
    for order, accepted in (([3, 4], 2), ([3, 3], 1), ([4, 3], 1), ([3, 9], 2), ([2], 0), ([1], 0), ([0], 0)):
        _, server = in_traffic()
        heard = hear(server, [frame(sealed(b"\0x", nonce)) for nonce in order])
        assert [event for event in heard if event == [b"x"]] == [[b"x"]] * accepted
        error = refusal(heard)
        assert (error is None) is (accepted == len(order))
        assert error is None or error.violation is Violation.INVALID_SEQUENCE
    client, server = in_traffic()
    said = server.send([b"x"])
    assert hear(client, [said]) == [[b"x"]]
    assert "repeated or out of order" in str(refusal(hear(client, [said])))


@pytest.mark.requirement("26-15")
def test_the_largest_nonce_is_the_last() -> None:
    _, server = in_traffic()
    assert hear(server, [frame(sealed(b"\0x", 2**64 - 1))]) == [[b"x"]]
    assert violation(server, sealed(b"\0x", 0), is_command=False) is Violation.INVALID_SEQUENCE


@pytest.mark.requirement("26-35", "26-37")
def test_a_message_of_another_direction_or_connection_is_refused() -> None:
    """What the server said is not heard as the client's, though the keys are the same. Other keys are other keys."""
    _, server = in_traffic()
    assert violation(server, sealed(b"\0x", 3, prefix=b"CurveZMQMESSAGES"), is_command=False) is Violation.CRYPTOGRAPHIC
    _, server = in_traffic()
    assert violation(server, sealed(b"\0x", 3, by=stranger), is_command=False) is Violation.CRYPTOGRAPHIC
    client, server = in_traffic()
    assert violation(client, server.send([b"x"])[2:].replace(b"MESSAGE", b"massage"), is_command=False) is not None
    client, _ = in_traffic()
    assert violation(client, client.send([b"echo"])[2:], is_command=False) is Violation.CRYPTOGRAPHIC


@pytest.mark.requirement("26-36")
@pytest.mark.parametrize("flags", range(256))
@pytest.mark.slow
def test_the_inner_flags_are_more_or_command_not_both(flags: int) -> None:
    _, server = in_traffic()
    heard = hear(server, [frame(sealed(bytes([flags]) + b"\x04PONG", 3))])
    known = {0: [[b"\x04PONG"]], 1: [], 2: [Pong(b"")]}
    if flags in known:
        assert heard == known[flags]
    else:
        error = refusal(heard)
        assert error is not None
        assert error.violation is Violation.MALFORMED_MESSAGE


@pytest.mark.requirement("26-36", "37-84")
@pytest.mark.parametrize("outside", [{}, {"more": True}, {"command": True}], ids=["no flag", "MORE", "COMMAND"])
def test_flags_outside_of_the_box_say_nothing(outside: dict[str, bool]) -> None:
    """omq.rs and chumak set MORE outside as inside, RFC 37 wants COMMAND, libzmq sets none and looks at none."""
    _, server = in_traffic()
    said = [frame(sealed(b"\1a", 3), **outside), frame(sealed(b"\0b", 4)), frame(sealed(b"\0c", 5), **outside)]
    assert hear(server, said) == [[b"a", b"b"], [b"c"]]


@pytest.mark.requirement("26-37", "37-84")
@pytest.mark.parametrize(
    "said",
    [
        frame(b"hi"),
        frame(b""),
        command(b"PING", b"\0\0"),
        command(b"SUBSCRIBE", b""),
        command(b"ERROR", b"\0"),
        frame(READY, command=True),
    ],
    ids=["message", "nothing", "PING", "SUBSCRIBE", "ERROR", "READY"],
)
def test_after_the_handshake_clear_text_is_refused(said: bytes) -> None:
    client, _ = in_traffic()
    error = refusal(hear(client, [said]))
    assert error is not None
    assert error.violation is Violation.MALFORMED_MESSAGE
    assert client.data_to_send() == b""


MESSAGES = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


@given(st.lists(st.one_of(MESSAGES, st.binary(max_size=9).map(Subscribe))), st.integers(1, 100))
@pytest.mark.slow
def test_what_is_sealed_is_opened_however_it_is_cut(items: list[list[bytes] | Subscribe], size: int) -> None:
    client, server = in_traffic()
    octets = b"".join(map(client.send, items))
    assert hear(server, [octets[at : at + size] for at in range(0, len(octets), size)]) == items


def told(octets: bytes, cuts: list[int], limit: int, most: int) -> list[object]:
    """What a server hears that asks for up to most messages at a time: up to the error, or what is held."""
    _, server = in_traffic()
    server.decoder.limit = limit
    heard: list[object] = []
    for start, end in pairwise([0, *cuts, len(octets)]):
        if start < end:
            server.receive_data(octets[start:end])
        try:
            while True:
                if isinstance(event := server.next_event(most), Messages):
                    assert len(event.messages) <= most
                    heard += [[each] if isinstance(each, bytes) else each for each in event.messages]
                elif event is not NEED_DATA:
                    heard.append(event)
                else:
                    break
        except ProtocolError as error:
            return [*heard, str(error), error.at, error.violation]
    return [*heard, server.decoder.held, server.data_to_send()]


PLAIN = [b"\0", b"\0one", b"\0two", b"\0" + bytes(222), b"\0" + bytes(223), b"\0" + bytes(300), b"\1", b"\1a"]
PLAIN_PING = b"\2\4PING\0\0x"


@given(
    runs=st.lists(
        st.tuples(
            st.sampled_from([*PLAIN, PLAIN_PING]),
            st.sampled_from([1, 1, 5]),  # so much the nonce grows
            st.sampled_from([{}, {}, {"long": True}, {"command": True}]),
            st.sampled_from([1, 1, 2, 7]),
        ),
    ),
    end=st.sampled_from([(b"\0", 0), (b"\1", -1), (b"\3", 1), (b"\2?", 1), (b"", 1), (b"\0", 1)]),
    spoil=st.sampled_from([-1, -1, -1, 0, 1, 5, 15, 33]),
    tail=st.binary(max_size=20),
    limit=st.sampled_from([-1, -1, 254, 255, 300]),
    most=st.sampled_from([1, 2, 3, 1000]),
    data=st.data(),
)
@pytest.mark.slow
def test_the_fast_path_finds_the_messages_of_the_reference(
    runs: list[tuple[bytes, int, dict[str, bool], int]],
    end: tuple[bytes, int],
    spoil: int,
    tail: bytes,
    limit: int,
    most: int,
    data: st.DataObject,
) -> None:
    """However the stream is cut, up to the same error at the same place; at the end stands something wrong."""
    said, nonce = list[bytes](), 2
    for inner, step, header, times in runs:
        for _ in range(times):
            nonce += step
            said.append(frame(sealed(inner, nonce), **header))
    last = bytearray(frame(sealed(end[0], max(0, nonce + end[1]))))
    last[spoil] ^= spoil >= 0
    octets = b"".join([*said, last, tail])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8), label="cuts"))
    assert told(octets, cuts, limit, most) == told(octets, cuts, limit, 0)


def test_no_box_is_opened_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a message is whole shows only in its boxes. Those of one that is not stay open until the rest comes."""
    opened: list[bytes] = []

    def opening(sealed: bytes, nonce: bytes, key: bytes) -> bytes:
        opened.append(nonce)
        return crypto_box_open_afternm(sealed, nonce, key)

    client, server = in_traffic()
    monkeypatch.setattr(curve, "crypto_box_open_afternm", opening)
    first, second = client.send([b"a", b"b", b"c"]), client.send(Ping(0, b"")) + client.send(b"d")
    server.receive_data(first[:-1])
    assert server.next_event(9) is server.next_event(9) is NEED_DATA
    assert len(opened) == 2
    server.receive_data(first[-1:] + second)
    assert drain(server) == [[b"a", b"b", b"c"], Ping(0, b""), [b"d"]]
    server.receive_data(client.send(Ping(0, b"")))
    assert server.next_event(9) == Ping(0, b"")
    assert len(opened) == len(set(opened)) == 6


@given(
    st.lists(st.one_of(st.binary(max_size=300), MESSAGES, MESSAGES.map(SharedMessage), st.builds(Subscribe))),
    st.integers(1, 1000),
)
@pytest.mark.slow
def test_many_at_a_time_are_sealed_as_each_would_be(items: list[Item], room: int) -> None:
    number, pieces = in_traffic()[0].encode(items, room)
    each = list(map(in_traffic()[0].send, items))
    assert b"".join(pieces) == b"".join(each[:number])
    assert number == next((i for i in range(len(each)) if sum(map(len, each[:i])) >= room), len(each))


def in_goes(server: Connection, number: int, allowance: int, most: int) -> list[list[object]]:
    """What a server hears that has so much allowance for each of a number of goes."""
    goes: list[list[object]] = []
    for _ in range(number):
        server.decoder.allowance = allowance
        heard: list[object] = []
        while (event := server.next_event(most)) is not NEED_DATA:
            if isinstance(event, Messages):
                heard += [[each] if isinstance(each, bytes) else each for each in event.messages]
            else:
                heard.append(event)
        goes.append(heard)
    return goes


@given(
    st.lists(st.binary(max_size=300).map(lambda body: [body]) | st.binary(max_size=9).map(Subscribe), min_size=1),
    st.integers(25, 400),
    st.integers(1, 9),
)
@pytest.mark.slow
def test_any_allowance_gives_the_same_events(items: list[list[bytes] | Subscribe], allowance: int, most: int) -> None:
    client, server = in_traffic()
    server.receive_data(b"".join(map(client.send, items)))
    assert [event for go in in_goes(server, 3 * len(items), allowance, most) for event in go] == items


@pytest.mark.parametrize(("size", "most_boxes"), [(64, 256), (2000, 128)])
@pytest.mark.parametrize("most", [1, 2, 1000])
def test_an_allowance_of_1024_is_256_boxes_at_most(size: int, most_boxes: int, most: int) -> None:
    """Each costs as much as four short frames, and more if it is large."""
    client, server = in_traffic()
    server.receive_data(b"".join(client.send(bytes(size)) for _ in range(1000)))
    goes = in_goes(server, 100, 1024, most)
    assert sum(map(len, goes)) == 1000
    assert max(map(len, goes)) <= (most_boxes if most < 1000 or size == 64 else 256)


def test_a_batch_says_whether_it_is_all_that_came() -> None:
    """A reader that believes so waits for the stream, and would wait forever."""
    client, server = in_traffic()
    server.receive_data(b"".join(client.send(b"%d" % number) for number in range(5)))
    assert server.next_event(3) == Messages([b"0", b"1", b"2"], False)
    assert server.next_event(3) == Messages([b"3", b"4"], True)
    server.receive_data(b"".join(client.send(message) for message in (b"c", [b"d", b"e"], b"f")))
    assert server.next_event(3) == Messages([b"c", [b"d", b"e"]], False)
    server.receive_data(client.send(b"g"))
    assert server.next_event(9) == [b"f"]
    assert server.next_event(9) == Messages([b"g"], True)


def test_a_message_for_many_is_sealed_for_each() -> None:
    message = SharedMessage([b"news"])
    octets = set()
    for _ in range(3):
        client = Connection(SocketType.DEALER, mechanism=CurveClient(C, c, S))
        server = Connection(SocketType.ROUTER, mechanism=CurveServer(s))
        handshake(client, server)
        octets.add(server.send(message))
        client.receive_data(server.send(message))
    assert len(octets) == 3
    assert message.octets is None


@pytest.mark.requirement("26-13")
def test_the_end_may_come_at_every_octet_of_either_side() -> None:
    greeting_and = {
        "client": (dealer, [CURVE, frame(WELCOME, command=True), frame(READY, command=True)]),
        "server": (router, [CURVE, frame(HELLO, command=True), frame(INITIATE, command=True)]),
    }
    for make, said in greeting_and.values():
        octets = b"".join(said)
        for end in range(len(octets) + 1):
            connection = make()
            heard = hear(connection, [octets[:end]], end=True)
            assert isinstance(heard[-1], ConnectionClosed), f"ended after {end} octets"
            assert refusal(heard) is None


@pytest.mark.requirement("26-18")
def test_random_octets_come_from_the_system() -> None:
    assert CurveServer(s)._entropy is CurveClient(C, c, S)._entropy is os.urandom


@pytest.mark.parametrize("mechanism", [client_mechanism, server_mechanism])
def test_only_a_server_admits(mechanism: Callable[[], CurveClient | CurveServer]) -> None:
    made = mechanism()
    if isinstance(made, CurveClient):
        with pytest.raises(NotImplementedError):
            made.on_accepted()
    else:
        assert made.open({}) == []


def test_an_invalid_server_key_ends_the_connection_with_a_reason() -> None:
    client = Connection(SocketType.DEALER, mechanism=CurveClient(C, c, bytes(32)))
    client.receive_data(CURVE)
    with pytest.raises(ProtocolError, match="the key of curve_serverkey is not safe to use"):
        client.next_event()
