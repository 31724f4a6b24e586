"""The trace of a WebSocket that carries ZMTP: each octet from GET to the close has a name and a meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from minizmtp.constants import SocketType
from minizmtp.errors import Secret
from minizmtp.trace import Keys, Side, Span, Trace, cover, masked
from minizmtp.trace.reasons import reason_for
from minizmtp.trace.records import every, records, told
from minizmtp.wire import NEED_DATA, AuthReply, AuthRequest, z85
from minizmtp.wire.curve import CurveClient, CurveServer, keypair, scripted
from minizmtp.wire.mechanisms import Mechanism
from minizmtp.wire.plain import PlainClient, PlainServer
from minizmtp.wire.switched import SwitchedConnection
from minizmtp.wire.websocket import encode_frame
from tests.minizmtp.hearing import flat

CLIENT, SERVER = Side.CLIENT, Side.SERVER
MASK = b"\1\2\3\4"


def request(offer: str = "ZWS2.0/NULL") -> bytes:
    return (
        "GET /zws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {offer}\r\n\r\n"
    ).encode()


def accepts(chosen: str = "ZWS2.0/NULL") -> bytes:
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: {chosen}\r\n\r\n"
    ).encode()


def ready(kind: bytes) -> bytes:
    return b"\2\5READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind


def said(payload: bytes, opcode: int = 2) -> bytes:
    """A frame of a client."""
    return encode_frame(payload, opcode, MASK)


def traced(*writes: tuple[Side, bytes], keys: Keys | None = None, step: int = 100_000) -> Trace:
    """step: octets that are fed at a time."""
    trace = Trace(keys=keys)
    for number, (side, octets) in enumerate(writes):
        for start in range(0, len(octets), step):
            trace.feed(side, octets[start : start + step], float(number))
    return trace


def after_the_head(trace: Trace, side: Side) -> list[Span]:
    spans = trace.spans(side)
    end = next(number for number, span in enumerate(spans) if span.name == "blank line")
    return spans[end + 1 :]


def shown(spans: Iterable[Span]) -> list[tuple[str, str]]:
    return [(span.name, span.value) for span in spans]


CONVERSATION = (
    (CLIENT, request()),
    (SERVER, accepts() + encode_frame(ready(b"PUB"))),
    (CLIENT, said(ready(b"SUB")) + said(b"\0\1news")),
    (SERVER, encode_frame(b"\1news") + encode_frame(b"\0rain")),
    (CLIENT, said(b"", 9)),
    (SERVER, encode_frame(b"", 10)),
    (CLIENT, said(b"\x03\xe8bye", 8)),
)


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.requirement("45-2", "45-3")
def test_each_octet_is_named_however_the_stream_is_cut(step: int) -> None:
    trace = traced(*CONVERSATION, step=step)
    for side in Side:
        assert cover(trace.spans(side), b"".join(octets for who, octets in CONVERSATION if who is side))
    assert shown(flat(after_the_head(trace, CLIENT))) == [
        ("opcode", "a binary message"),
        ("size", "masked, 26 octets follow the key"),
        ("masking key", "XORed with what follows"),
        ("flags", "a command"),
        ("name length", "5 letters"),
        ("command", "READY"),
        ("name length", "11 letters"),
        ("property", "the socket type"),
        ("value length", "3 octets"),
        ("value", "SUB"),
        ("opcode", "a binary message"),
        ("size", "masked, 6 octets follow the key"),
        ("masking key", "XORed with what follows"),
        ("flags", "a message, the last frame"),
        ("subscription", "subscribe, as a message"),
        ("prefix", "topics that begin with news"),
        ("opcode", "a ping"),
        ("size", "masked, 0 octets follow the key"),
        ("masking key", "XORed with what follows"),
        ("opcode", "a close"),
        ("size", "masked, 5 octets follow the key"),
        ("masking key", "XORed with what follows"),
        ("close code", "1000"),
        ("reason", "bye"),
    ]
    assert shown(after_the_head(trace, SERVER))[-10:] == [
        ("opcode", "a binary message"),
        ("size", "5 octets follow"),
        ("flags", "a message, MORE frames follow"),
        ("topic", "compared with the subscriptions"),
        ("opcode", "a binary message"),
        ("size", "5 octets follow"),
        ("flags", "a message, the last frame"),
        ("body", "what the program sent"),
        ("opcode", "a pong"),
        ("size", "0 octets follow"),
    ]


def test_a_masked_payload_is_one_span_with_its_meaning_inside() -> None:
    payload = after_the_head(traced(*CONVERSATION), CLIENT)[3]
    assert (payload.name, payload.octets, payload.kind) == ("payload", said(ready(b"SUB"))[6:], "command")
    assert b"".join(span.octets for span in payload.inside) == ready(b"SUB")


def test_the_records_are_requests_commands_and_messages() -> None:
    """Each with its words, and each field with a reason."""
    spans = [span for side in Side for span in traced(*CONVERSATION).spans(side)]
    found = records(spans)
    assert [(it.side.value, it.what) for it in found] == [
        ("client", "request"),
        ("server", "response"),
        ("server", "READY"),
        ("client", "READY"),
        ("client", "message"),
        ("server", "message"),
        ("client", "ping"),
        ("server", "pong"),
        ("client", "close"),
    ]
    assert sum(it.octets for it in found) == sum(len(octets) for _, octets in CONVERSATION)
    words = [it.words for it in told(found)]
    assert words[0].startswith("The client begins with an HTTP request, because a browser")
    assert words[1].startswith("The server agrees, and names the subprotocol")
    assert words[2].endswith("and what it is: a PUB.")
    assert words[4].startswith("The SUB speaks ZMTP 3.0")
    assert words[5].startswith("The PUB publishes a message.")
    assert all(words)
    assert [inner.name for it in found for span in it.spans for inner in every(span) if not reason_for(inner)] == []


def test_messages_of_one_write_are_one_record() -> None:
    message = said(b"\1a") + said(b"\0b")
    trace = traced((CLIENT, request()), (SERVER, accepts()), (CLIENT, said(ready(b"PUSH"))))
    for octets in (message * 3, message):
        trace.feed(CLIENT, octets, 9.0)
    found = [it for it in records(trace.spans(CLIENT)) if it.what == "message"]
    assert [it.messages for it in found] == [3, 1]


@pytest.mark.requirement("45-8")
def test_without_a_mechanism_the_first_message_is_a_routing_id() -> None:
    trace = traced(
        (CLIENT, request("ZWS2.0")),
        (SERVER, accepts("ZWS2.0") + encode_frame(b"\0")),
        (CLIENT, said(b"\0me") + said(b"\0hello")),
    )
    assert shown(after_the_head(trace, SERVER))[-1:] == [("flags", "a message, the last frame, empty: the routing id")]
    inner = [span for span in flat(after_the_head(trace, CLIENT)) if span.name in ("routing id", "body")]
    assert [(span.name, span.octets) for span in inner] == [("routing id", b"me"), ("body", b"hello")]
    spans = [span for side in Side for span in trace.spans(side)]
    assert [it.what for it in records(spans)] == ["request", "response", "routing id", "routing id", "message"]


def test_a_message_in_several_frames_is_shown_in_parts() -> None:
    parts = bytes.fromhex("02 01 00   00 01 61   80 01 62")
    trace = traced((CLIENT, request()), (SERVER, accepts() + encode_frame(ready(b"PUSH")) + parts + parts))
    assert shown(after_the_head(trace, SERVER))[-9:] == [
        ("opcode", "a binary message, more frames follow"),
        ("size", "1 octets follow"),
        ("part", "a part of a message"),
        ("opcode", "goes on with a message, more frames follow"),
        ("size", "1 octets follow"),
        ("part", "a part of a message"),
        ("opcode", "goes on with a message"),
        ("size", "1 octets follow"),
        ("part", "a part of a message"),
    ]
    assert [it.octets for it in records(trace.spans(SERVER)) if it.what == "message"] == [9, 9]


@pytest.mark.parametrize(
    ("octets", "name", "words"),
    [
        (b"\x82\x01\0", "opcode", "frame with no mask, expected one"),
        (said(b""), "masking key", "a message without octets, expected an octet of flags"),
        (said(b"\3abc"), "payload", "frame flags are 03, expected 00, 01"),
        (said(b"\2\4RE@D"), "payload", "command that starts with 04 52 45 40 44, expected a length"),
        (said(b"\2\5READY\x0bSocket-Type\0\0\0\3REQ"), "payload", "PULL cannot talk to REQ, expected PUSH"),
        (said(ready(b"PUSH")) + said(b"text", 1), "opcode", "a text message, expected binary ones only"),
    ],
)
def test_the_first_broken_rule_is_marked(octets: bytes, name: str, words: str) -> None:
    trace = traced(
        (CLIENT, request()), (SERVER, accepts() + encode_frame(ready(b"PULL"))), (CLIENT, octets + said(b"\0after"))
    )
    spans = trace.spans(CLIENT)
    assert cover(spans, request() + octets + said(b"\0after"))
    (wrong,) = [span for span in spans if span.wrong]
    assert (wrong.name, spans[-1].name) == (name, "rest")
    assert words in wrong.value
    assert spans[-1].value == "not read, because a rule was broken before"
    if wrong.inside:
        assert b"".join(span.octets for span in wrong.inside) == bytes(
            octet ^ MASK[place % 4] for place, octet in enumerate(wrong.octets)
        )


def test_after_an_error_only_the_frames_are_named() -> None:
    octets = encode_frame(b"\2\5ERROR\x03400") + encode_frame(b"\0more") + encode_frame(b"\x03\xe9", 8)
    spans = after_the_head(traced((CLIENT, request()), (SERVER, accepts() + octets)), SERVER)
    assert shown(spans)[-6:] == [
        ("size", "5 octets follow"),
        ("flags", "a message, the last frame"),
        ("rest", "not read: ERROR ends the conversation"),
        ("opcode", "a close"),
        ("size", "2 octets follow"),
        ("close code", "1001"),
    ]


def talk(server: Mechanism, client: Mechanism, request: bytes) -> Iterator[tuple[Side, bytes]]:
    """A conversation of two Connections: a PUSH sends one message."""
    pull = SwitchedConnection(SocketType.PULL, identity=b"", mechanism=server)
    push = SwitchedConnection(SocketType.PUSH, identity=b"", mechanism=client, target=("localhost", "/"))
    for _ in range(5):
        for side, one, other in ((CLIENT, push, pull), (SERVER, pull, push)):
            octets = one.data_to_send()
            if octets:
                yield side, octets
                other.receive_data(octets)
            while (event := other.next_event()) is not NEED_DATA:
                if isinstance(event, AuthRequest):
                    other.receive_auth_reply(AuthReply(200))
    yield CLIENT, push.send([request])


def test_the_boxes_of_curve_are_opened_with_the_keys() -> None:
    (public, secret), mine, transient = keypair(bytes(31) + b"S"), keypair(bytes(31) + b"C"), bytes(range(32))
    client = CurveClient(*mine, public, scripted(transient, bytes(16)))
    writes = list(talk(CurveServer(secret), client, b"hello"))
    keys = Keys(server_secret=z85.encode(secret), client_transient=z85.encode(transient))
    names = [it.what for it in records([span for side in Side for span in traced(*writes, keys=keys).spans(side)])]
    assert names == ["request", "response", "HELLO", "WELCOME", "INITIATE", "READY", "MESSAGE"]
    hello = next(span for span in flat(traced(*writes, keys=keys).spans(CLIENT)) if span.name == "zeros")
    assert hello.octets == bytes(64)


def test_the_password_of_plain_is_hidden_also_under_its_mask() -> None:
    writes = list(talk(PlainServer(), PlainClient(b"me", b"open sesame"), b"hello"))
    trace = traced(*writes)
    hello = next(span for span in trace.spans(CLIENT) if any(inner.name == "password" for inner in span.inside))
    assert isinstance(hello.octets, Secret)
    assert set(masked(hello).octets) == {ord("*")}
    assert "open sesame" not in repr(trace.spans(CLIENT))
    whole = b"".join(octets for side, octets in writes if side is CLIENT)
    end = whole.index(hello.octets) + 30  # in the middle of the HELLO
    half = Trace()
    half.feed(CLIENT, whole[: whole.index(b"\r\n\r\n") + 4], 0.0)
    half.feed(SERVER, writes[1][1], 1.0)
    half.feed(CLIENT, whole[whole.index(b"\r\n\r\n") + 4 : end], 2.0)
    assert isinstance(half.spans(CLIENT)[-1].octets, Secret)
