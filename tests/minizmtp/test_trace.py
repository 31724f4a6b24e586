"""Octets get names: each octet one, whatever the octets are."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minizmtp.constants import SocketType
from minizmtp.trace import KINDS, Keys, Side, Span, Trace, cover
from minizmtp.trace.reasons import reason_for
from minizmtp.wire import (
    Cancel,
    Connection,
    Ping,
    State,
    Subscribe,
    z85,
)
from minizmtp.wire.commands import encode_command
from minizmtp.wire.curve import CurveClient, CurveServer, keypair, scripted
from minizmtp.wire.frames import COMMAND, encode_frame, encode_message
from minizmtp.wire.greeting import encode_greeting
from minizmtp.wire.mechanisms import Mechanism, Null
from minizmtp.wire.metadata import encode_metadata
from minizmtp.wire.plain import PlainClient, PlainServer
from tests.minizmtp.hearing import Heard, agree

CLIENT, SERVER = Side.CLIENT, Side.SERVER


def ready(**properties: bytes) -> bytes:
    named = {name.replace("_", "-").encode(): value for name, value in properties.items()}
    return encode_frame(encode_command(b"READY", encode_metadata(named)), COMMAND)


NULL = encode_greeting(b"NULL")
REQUEST = NULL + ready(Socket_Type=b"REQ", Identity=b"") + encode_message([b"", b"hello"])

ASK = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n"


def trace_of(octets: bytes, side: Side = CLIENT) -> list[Span]:
    """What one side said, in one write, while the other was silent."""
    trace = Trace()
    trace.feed(side, octets, 0.0)
    return trace.spans(side)


def words(spans: list[Span]) -> list[tuple[str, bytes]]:
    return [(span.name, span.octets) for span in spans]


# ------------------------------------------------------------------------------------------------------------ by hand


def test_a_request_of_zmtp():
    assert words(trace_of(REQUEST)) == [
        ("signature", b"\xff"),
        ("padding", bytes(8)),
        ("signature", b"\x7f"),
        ("version", b"\x03\x01"),
        ("mechanism", b"NULL" + bytes(16)),
        ("as-server", b"\0"),
        ("filler", bytes(31)),
        ("flags", b"\x04"),
        ("size", b"\x26"),
        ("name length", b"\x05"),
        ("command", b"READY"),
        ("name length", b"\x0b"),
        ("property", b"Socket-Type"),
        ("value length", b"\0\0\0\x03"),
        ("value", b"REQ"),
        ("name length", b"\x08"),
        ("property", b"Identity"),
        ("value length", b"\0\0\0\0"),
        ("flags", b"\x01"),
        ("size", b"\0"),
        ("flags", b"\0"),
        ("size", b"\x05"),
        ("body", b"hello"),
    ]


def test_the_envelope_ends_at_the_first_empty_frame():
    """The first empty frame of a request is the delimiter; the frames in front of it are the envelope."""
    spans = trace_of(REQUEST + encode_message([b"id", b"", b"", b"body"]))[-10:]
    assert [span.name for span in spans if span.kind == "body"] == ["envelope", "body"]
    assert [span.offset - len(REQUEST) for span in spans if "delimiter" in span.value] == [5]
    spans = trace_of(NULL + ready(Socket_Type=b"PUSH") + encode_message([b"", b"work"]))
    assert not [span for span in spans if "delimiter" in span.value]


def test_a_long_frame_has_a_size_of_eight_octets():
    spans = trace_of(REQUEST + encode_message([bytes(300)]))
    assert [len(span.octets) for span in spans[-3:]] == [1, 8, 300]


def test_what_neither_protocol_begins_with_is_said_to_be_none():
    trace = Trace()
    trace.feed(CLIENT, b"\x16\x03\x01", 0.0)
    first, rest = trace.spans(CLIENT)
    assert trace.protocol == "unknown"
    assert first.wrong
    assert "the first octet is 16" in first.value
    assert (rest.octets, rest.kind) == (b"\x03\x01", "wrong")


def test_a_request_and_a_response_of_http():
    assert words(trace_of(ASK)) == [
        ("request line", b"POST /a HTTP/1.1\r\n"),
        ("Host", b"Host: a\r\n"),
        ("Content-Length", b"Content-Length: 5\r\n"),
        ("blank line", b"\r\n"),
        ("body", b"hello"),
    ]
    trace = Trace()
    trace.feed(CLIENT, ASK, 0.0)
    names = [span.name for span in trace.feed(SERVER, ANSWER, 0.1)]
    assert names == ["status line", "Content-Length", "blank line", "body"]


def test_several_messages_on_one_connection():
    spans = trace_of(ASK + ASK)
    assert [span.offset for span in spans if span.name == "request line"] == [0, len(ASK)]
    assert cover(spans, ASK + ASK)


def test_chunks_are_named_with_their_sizes():
    trace = Trace()
    trace.feed(CLIENT, ASK, 0.0)
    spans = trace.feed(SERVER, CHUNKED, 0.1)
    assert words(spans[3:]) == [
        ("chunk size", b"5\r\n"),
        ("body", b"world"),
        ("chunk end", b"\r\n"),
        ("chunk size", b"0\r\n"),
        ("blank line", b"\r\n"),
    ]


def test_a_protocol_switch_ends_the_trace_of_both_sides():
    trace = Trace()
    trace.feed(CLIENT, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n", 0.0)
    trace.feed(SERVER, b"HTTP/1.1 101 Sure\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n\x81\x00", 0.1)
    trace.feed(CLIENT, b"\x81\x01", 0.2)
    for side, octets in ((CLIENT, b"\x81\x01"), (SERVER, b"\x81\x00")):
        rest = trace.spans(side)[-1]
        assert (rest.octets, rest.kind, rest.wrong) == (octets, "partial", False)
        assert "changed the protocol" in rest.value


def test_the_fields_of_a_switch_to_websocket_have_meanings():
    trace = Trace()
    fields = b"Upgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n"
    spans = trace.feed(CLIENT, b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n", 0.0)
    meanings = [span.value for span in spans if span.kind == "http-field"]
    assert meanings == ["the site", "the protocol to go on in", "16 random octets", "of WebSocket: 13"]
    assert all(reason_for(span) for span in spans)


def test_a_client_refused_a_protocol_switch_goes_on_with_http():
    """What it said meanwhile can be read only when the answer has come: so that is when its spans come."""
    trace = Trace()
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n"
    trace.feed(CLIENT, ask, 0.0)
    assert trace.feed(CLIENT, ASK, 0.1) == []
    spans = trace.feed(SERVER, ANSWER, 0.2)
    assert words([span for span in spans if span.side is CLIENT])[0] == ("request line", b"POST /a HTTP/1.1\r\n")
    assert [span.at for span in spans if span.side is CLIENT] == [0.1] * 5


def test_an_answer_to_head_has_no_body_whatever_its_length_says():
    trace = Trace()
    trace.feed(CLIENT, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + ASK, 0.0)
    names = [span.name for span in trace.feed(SERVER, ANSWER[:-5] + ANSWER, 0.1)]
    assert names == ["status line", "Content-Length", "blank line"] * 2 + ["body"]


def test_a_body_without_a_length_ends_with_the_stream():
    trace = Trace()
    trace.feed(CLIENT, ASK, 0.0)
    trace.feed(SERVER, b"HTTP/1.0 200 OK\r\n\r\nwor", 0.1)
    trace.feed(SERVER, b"ld", 0.2)
    assert trace.spans(SERVER)[-1].kind == "partial"
    assert words(trace.end(SERVER, 0.3)) == [("body", b"world")]


def test_a_length_that_is_given_twice_is_two_fields():
    names = [span.name for span in trace_of(ASK.replace(b"Host", b"Content-Length: 5\r\nHost"))]
    assert names == ["request line", "Content-Length", "Host", "Content-Length", "blank line", "body"]


def test_a_field_may_go_on_in_the_next_line():
    assert ("A", b"A: b\r\n c\r\n") in words(trace_of(b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"))


# --------------------------------------------------------------------------------------------------- while it is said


def test_a_span_names_the_write_that_began_it_and_the_last_one():
    trace = Trace()
    assert [span.name for span in trace.feed(CLIENT, NULL[:10], 1.0)] == ["signature", "padding", "signature"]
    assert trace.feed(CLIENT, NULL[10:11], 2.0) == []
    version, mechanism, *_ = trace.feed(CLIENT, NULL[11:], 3.0)
    assert (version.name, version.at, version.write) == ("version", 2.0, 1)
    assert (mechanism.name, mechanism.at, mechanism.write) == ("mechanism", 3.0, 2)


def test_a_trace_that_keeps_nothing_gives_out_the_same():
    whole, forgetful = Trace(), Trace(keep=False)
    for octets in in_pieces(REQUEST + b"\x00", [11, 70, 100]):
        assert forgetful.feed(CLIENT, octets, 0.0) == whole.feed(CLIENT, octets, 0.0)
    assert forgetful.spans(CLIENT) == whole.spans(CLIENT)[-1:]


def test_writes_are_counted_over_both_sides():
    trace = Trace()
    trace.feed(CLIENT, NULL, 0.0)
    trace.feed(SERVER, NULL, 0.0)
    assert {span.write for span in trace.spans(SERVER)} == {1}


def test_an_incomplete_unit_is_the_last_span_at_the_end():
    trace = Trace()
    trace.feed(CLIENT, REQUEST + b"\x00\x05he", 0.0)
    rest = trace.spans(CLIENT)[-1]
    assert (rest.octets, rest.kind, rest.offset) == (b"\x00\x05he", "partial", len(REQUEST))
    assert trace.end(CLIENT, 1.0) == [rest]
    assert trace.spans(CLIENT)[-1] == rest


@pytest.mark.parametrize(
    ("said", "protocol"),
    [
        ([(SERVER, b"\xff")], "zmtp"),
        ([(CLIENT, b"\xff")], "zmtp"),
        ([(CLIENT, b"GE")], ""),
        ([(CLIENT, b"GE"), (CLIENT, b"T ")], "http"),
        ([(CLIENT, b"G" * 33)], "unknown"),
        ([(SERVER, b"220 smtp.example ESMTP\r\n"), (CLIENT, b"EHLO a\r\n")], "unknown"),
        ([(SERVER, b"HTT")], ""),
        ([(SERVER, b"HTTP/1.1 408 "), (CLIENT, b"GET ")], "http"),
        ([(SERVER, b"HTTP/1.1 408 "), (CLIENT, b"\xff")], "zmtp"),
        ([(CLIENT, b"\x01\x00")], "unknown"),
    ],
)
def test_the_first_octets_tell_which_protocol_it_is(said, protocol):
    trace = Trace()
    for side, octets in said:
        trace.feed(side, octets, 0.0)
    assert trace.protocol == protocol
    for side in Side:
        assert cover(trace.spans(side), b"".join(octets for speaker, octets in said if speaker is side))


def test_a_stream_that_ends_before_that_is_known_is_one_span():
    trace = Trace()
    trace.feed(CLIENT, b"GE", 0.0)
    (span,) = trace.end(CLIENT, 1.0)
    assert (trace.protocol, span.octets, span.kind) == ("", b"GE", "partial")
    trace = Trace()
    trace.feed(SERVER, b"HTTP/1.1 408 Too slow\r\nContent-Length: 0\r\n\r\n", 0.0)
    assert [span.name for span in trace.end(SERVER, 1.0)] == ["status line", "Content-Length", "blank line"]


# ----------------------------------------------------------------------------------------------- where rules are broken

TRAFFIC = NULL + ready(Socket_Type=b"PUSH")

WRONG = [  # what a PUSH says to a PULL, which field of it is wrong, and words of what is said to that
    (b"\xfe", "signature", b"\xfe", "expected ff"),
    (NULL[:9] + b"\x7e", "signature", b"\x7e", "expected 7f"),
    (NULL[:10] + b"\x01\x00", "version", b"\x01", "expected 3 or more"),
    (encode_greeting(b"PLAIN"), "mechanism", b"PLAIN" + bytes(15), "the peer's mechanism is PLAIN, expected NULL"),
    (NULL + b"\x08\x00", "flags", b"\x08", "bits 3 to 7 are reserved"),
    (NULL + b"\x05\x00", "flags", b"\x05", "expected MORE to be 0"),
    (NULL + b"\x02\xff" + bytes(7), "size", b"\xff" + bytes(7), "expected at most 2^63-1"),
    (
        NULL + b"\x06" + (2**16 + 1).to_bytes(8, "big"),
        "size",
        (2**16 + 1).to_bytes(8, "big"),
        "expected at most 65536",
    ),
    (NULL + b"\x00\x01x", "flags", b"\x00", "a message before READY"),
    (NULL + b"\x04\x00", "flags", b"\x04", "starts with nothing"),
    (NULL + b"\x04\x02\x05R", "name length", b"\x05", "expected a length from 1 to 255"),
    (NULL + b"\x04\x03\x02R!", "command", b"R!", "as many letters"),
    (NULL + encode_frame(encode_command(b"HELLO"), COMMAND), "command", b"HELLO", "expected READY or ERROR"),
    (NULL + ready(Socket_Type=b"REQ"), "value", b"REQ", "PULL cannot talk to REQ"),
    (NULL + ready(Socket_Type=b""), "value length", bytes(4), "PULL cannot talk to"),
    (NULL + ready(Socket_Type=b"PUSH", Identity=bytes(256)), "value", bytes(256), "identity of 256 octets"),
    (NULL + ready(a__b=b"")[:-4] + b"\0\0\0\1", "value length", b"\0\0\0\1", "a value that ends with the command"),
    (NULL + encode_frame(b"\x05READY\x03a b\0\0\0\0", COMMAND), "property", b"a b", "a name of 1 to 255 of"),
    (NULL + encode_frame(b"\x05READY\x05a", COMMAND), "name length", b"\x05", "a name of 1 to 255 of"),
    (NULL + encode_frame(b"\x05ERROR\x04no", COMMAND), "reason length", b"\x04", "ERROR with 3 octets"),
    (NULL + encode_frame(b"\x05ERROR", COMMAND), "command", b"ERROR", "ERROR with 0 octets"),
    (TRAFFIC + encode_frame(b"\x04PING\x00", COMMAND), "ttl", b"\0", "PING with 1 octets"),
    (TRAFFIC + encode_frame(b"\x04PING" + bytes(19), COMMAND), "context", bytes(17), "PING with 19 octets"),
]


@pytest.mark.requirement("37-16", "37-21", "37-22", "37-23", "37-26", "37-44")
@pytest.mark.parametrize(("octets", "name", "wrong", "words"), WRONG, ids=[f"{row[1]}, {row[3]}" for row in WRONG])
def test_a_wrong_field_says_what_was_found_and_what_is_required(octets, name, wrong, words):
    trace = Trace()
    trace.feed(SERVER, NULL + ready(Socket_Type=b"PULL"), 0.0)
    trace.feed(CLIENT, octets + b"more", 0.0)
    *right, marked, rest = trace.spans(CLIENT)
    assert (marked.name, marked.octets, marked.wrong, marked.kind) == (name, wrong, True, "wrong")
    assert words in marked.value
    assert not [span for span in right if span.wrong]
    assert (rest.kind, rest.wrong) == ("wrong", False)
    assert rest.octets.endswith(b"more")
    trace.feed(CLIENT, b"!", 1.0)
    assert trace.spans(CLIENT)[-1] == rest._replace(octets=rest.octets + b"!")


def test_after_error_nothing_is_read_and_nothing_is_wrong():
    spans = trace_of(NULL + encode_frame(b"\x05ERROR\x03400", COMMAND) + b"\xff")
    assert words(spans[-3:]) == [("reason length", b"\x03"), ("reason", b"400"), ("rest", b"\xff")]
    assert spans[-1].kind == "partial"


def test_an_unknown_mechanism_is_unread_rather_than_wrong():
    trace = Trace()
    for side in Side:
        trace.feed(side, encode_greeting(b"GSSAPI") + b"\x04\x01x", 0.0)
        assert [span.octets for span in trace.spans(side) if span.kind == "partial"] == [b"\x04\x01x"]
        assert not [span for span in trace.spans(side) if span.wrong]


HTTP_WRONG = [  # what a client says, what of it is wrong, and words of h11's
    (b"GET / HTTP/1.1 \x01\r\n\r\n", b"GET / HTTP/1.1 \x01\r\n", "illegal request line"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\r\nA: b\r\n\r\n", b"Bad Name: b\r\n", "illegal header line"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"Content-Length: x\r\n", "bad Content-Length"),
    (b"GET / HTTP/1.1\r\nA: b\r\n\r\n", b"\r\n", "Missing mandatory Host"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", b"X", "malformed chunk footer"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\n", b"5x\r\n", "illegal chunk header"),
    (ASK + b"\x01", b"\x01", "illegal request line"),
]


@pytest.mark.parametrize(("octets", "wrong", "sentence"), HTTP_WRONG)
def test_what_h11_refuses_is_found_in_the_request(octets, wrong, sentence):
    spans = trace_of(octets + b"more")
    assert [span.octets for span in spans if span.wrong] == [wrong]
    assert [span.value for span in spans if span.wrong and sentence in span.value and "(RFC 911" in span.value]
    assert spans[-1].octets.endswith(b"more")


# ------------------------------------------------------------------------------------------------------ cover itself


def a_span(offset: int, octets: bytes) -> Span:
    return Span(CLIENT, offset, octets, "", "", "", "body", 0.0, 0)


@pytest.mark.parametrize(
    "spans",
    [
        [a_span(0, b"a")],  # one octet has no name
        [a_span(0, b"a"), a_span(0, b"b")],  # one offset is wrong
        [a_span(0, b"b"), a_span(1, b"a")],  # out of order
        [a_span(0, b"ab"), a_span(2, b"")],  # a name for nothing
        [a_span(0, b"abc")],  # too much
    ],
)
def test_cover_sees_what_is_amiss(spans):
    assert not cover(spans, b"ab")
    assert cover([a_span(0, b"a"), a_span(1, b"b")], b"ab")


# -------------------------------------------------------------------------------------- each octet once, in any case

frames = st.one_of(st.binary(max_size=20), st.binary(min_size=250, max_size=260))
messages = st.lists(frames, min_size=1, max_size=4).map(encode_message)
letters = st.text("ABCXYZ", min_size=1, max_size=12).map(str.encode)
names = st.one_of(
    letters,
    st.sampled_from([b"READY", b"ERROR", b"SUBSCRIBE", b"CANCEL", b"PING", b"PONG", b"HELLO", b"WELCOME", b"INITIATE"]),
)
properties = st.dictionaries(
    st.sampled_from([b"Socket-Type", b"Identity", b"X-a", b"x-A"]),
    st.one_of(frames, st.sampled_from([b"REQ", b"PUB"])),
    max_size=4,
).map(encode_metadata)
commands = st.builds(
    lambda name, data: encode_frame(encode_command(name, data), COMMAND), names, st.one_of(properties, frames)
)
introductions = st.sampled_from([
    ready(Socket_Type=kind.name.encode()) for kind in SocketType
])  # fmt: skip
greetings = st.sampled_from([b"NULL", b"NULL", b"PLAIN", b"CURVE", b"\xe9"]).map(encode_greeting)
items = st.lists(st.one_of(messages, commands, st.binary(max_size=20)), max_size=6).map(b"".join)
conversations = st.builds(
    lambda greeting, introduction, rest, changes: change(greeting + introduction + rest, changes),
    greetings,
    st.one_of(introductions, st.just(b"")),
    items,
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=2),
)
fields = st.lists(st.tuples(st.text("Abc-", min_size=1, max_size=8), st.text("xyz 1", max_size=20)), max_size=5)


def change(octets: bytes, changes: list[tuple[float, int]]) -> bytes:
    changed = bytearray(octets)
    for place, octet in changes:
        changed[int(place * len(octets))] = octet
    return bytes(changed)


@st.composite
def http_messages(draw, side):
    start = "PUT /p HTTP/1.1" if side is CLIENT else "HTTP/1.1 200 Fine"
    body = draw(st.binary(max_size=100))
    head = [start, "Host: h", *(f"{name}: {value}" for name, value in draw(fields)), f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def http_conversations(side):
    known = st.sampled_from([ASK, ANSWER, CHUNKED, CHUNKED[:-5] + b"3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n", CHUNKED[:-6]])
    one = st.one_of(http_messages(side), known, st.binary(max_size=50))
    return st.builds(
        lambda parts, changes: change(b"".join(parts), changes) if b"".join(parts) else b"",
        st.lists(one, max_size=3),
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=2),
    )


def in_pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(octets)}), len(octets)]
    return [octets[start:end] for start, end in pairwise(places)]


def timeless(spans: list[Span]) -> list[Span]:
    return [span._replace(at=0.0, write=0, inside=tuple(timeless(list(span.inside)))) for span in spans]


both_sides = st.lists(st.tuples(st.sampled_from(Side), st.one_of(conversations, st.binary(max_size=30))), max_size=4)
http_sides = st.lists(
    st.one_of(
        st.tuples(st.just(CLIENT), http_conversations(CLIENT)), st.tuples(st.just(SERVER), http_conversations(SERVER))
    ),
    max_size=4,
)


@given(st.one_of(both_sides, http_sides), st.lists(st.integers(1, 400), max_size=8), st.booleans())
@pytest.mark.slow
def test_spans_cover_each_octet_once_however_writes_are_cut(said, cuts, ends):
    """Anything at all, from both sides, to the end or not: as written, and the same again in smaller pieces."""
    traces = []
    for cut in (False, True):
        trace = Trace()
        given_out: dict[Side, list[Span]] = {side: [] for side in Side}
        for side, octets in said:
            for piece in in_pieces(octets, cuts) if cut else [octets]:
                for span in trace.feed(side, piece, 0.0):
                    given_out[span.side].append(span)
        for side in Side if ends else ():
            for span in trace.end(side, 1.0):
                given_out[span.side].append(span)
        for side in Side:
            spans, whole = trace.spans(side), b"".join(octets for speaker, octets in said if speaker is side)
            assert cover(spans, whole)
            assert given_out[side] == (spans if ends else spans[: len(given_out[side])])
            assert len(spans) - len(given_out[side]) in (0, 1)
            assert {span.kind for span in spans} <= set(KINDS)
        traces.append(trace)
    whole, pieces = traces
    assert pieces.protocol == whole.protocol
    for side in Side:
        assert timeless(pieces.spans(side)) == timeless(whole.spans(side))


# ----------------------------------------------------------------------------------- as the Connection would have it

S, s = keypair(b"\x01" * 32)
C, c = keypair(b"\x02" * 32)
s1, K = b"\x04" * 32, b"\x05" * 32
KEYS = Keys(server_secret=s, server_transient=s1, cookie_key=K)

MECHANISMS: dict[str, Callable[[], tuple[Mechanism, Mechanism]]] = {  # a client's, a server's
    "NULL": lambda: (Null(), Null()),
    "PLAIN": lambda: (PlainClient(b"admin", b"secret"), PlainServer()),
    "CURVE": lambda: (
        CurveClient(C, c, S, scripted(b"\x03" * 32, b"\x08" * 16)),
        CurveServer(s, scripted(s1, K, b"\x07" * 16, b"\x06" * 16)),
    ),
}


class Table:
    """A client and a server face to face, and a trace of what they say. The octet at place of what the client says is
    changed on its way, in one bit."""

    def __init__(
        self,
        mechanism: str,
        kinds: tuple[SocketType, ...],
        place: int = -1,
        keys: Keys | None = KEYS,
        swapped: bool = False,
    ) -> None:
        ours, theirs = self.mechanisms = MECHANISMS[mechanism]()[:: -1 if swapped else 1]
        self.client = Heard(Connection(kinds[0], mechanism=ours))
        self.server = Heard(Connection(kinds[1], mechanism=theirs))
        self.trace = Trace(keys=keys)
        self.said = dict.fromkeys(Side, b"")
        self._place = place

    def say(self, side: Side, octets: bytes) -> None:
        place = self._place - len(self.said[side])
        if side is CLIENT and 0 <= place < len(octets):
            octets = octets[:place] + bytes([octets[place] ^ 1 << self._place % 8]) + octets[place + 1 :]
        if octets:
            self.said[side] += octets
            self.trace.feed(side, octets, 0.0)
            (self.server if side is CLIENT else self.client).hear(octets)

    def talk(self) -> None:
        """The handshake, and what each has to say once it is ready."""
        for item in ([b"", b"hello"], Subscribe(b"news"), Ping(20, b"ctx"), [b"1", b"", b"2" * 300], Cancel(b"news")):
            for side, speaker in ((CLIENT, self.client.connection), (SERVER, self.server.connection)):
                self._exchange()
                if speaker.state is State.TRAFFIC:
                    self.say(side, speaker.send(item))
        self._exchange()

    def _exchange(self) -> None:
        """Carry what the protocols have to say there and back until there is nothing."""
        while (answered := self.server.connection.data_to_send()) + (asked := self.client.connection.data_to_send()):
            self.say(SERVER, answered)  # who greets first: it is the other whose mechanism does not match
            self.say(CLIENT, asked)


@example(SocketType.PAIR, NULL + ready(Socket_Type=b""))  # wrong, and no octet of it to mark
@example(SocketType.PAIR, NULL + ready(Socket_Type=b"\0").replace(b"\x17\x05READY", b"\x1a\x08INITIATE"))  # out of turn
@given(st.sampled_from(list(SocketType)), conversations)
@pytest.mark.slow
def test_the_trace_agrees_with_what_a_connection_accepts(kind, octets):
    """A socket that has said what it is, and any words to it."""
    server = Heard(Connection(kind))
    trace = Trace()
    trace.feed(SERVER, server.connection.data_to_send() + ready(Socket_Type=kind.name.encode()), 0.0)
    trace.feed(CLIENT, octets, 0.0)
    server.hear(octets)
    agree(server, trace.spans(CLIENT))


PAIRS = {"NULL": ("REQ", "ROUTER"), "PLAIN": ("SUB", "XPUB"), "CURVE": ("DEALER", "ROUTER")}


@pytest.mark.slow
@pytest.mark.requirement("37-16")
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_changed_octet_is_wrong_where_the_peer_refuses_it(mechanism):
    """Each of them once, in each of 8 bits by turns, over all that a client says in a whole conversation. With PLAIN a
    client says what socket it is before the server does, and nobody but the server can see that they do not match."""
    kinds = tuple(SocketType[name] for name in PAIRS[mechanism])
    whole = Table(mechanism, kinds)
    whole.talk()
    refused = 0
    for place in range(len(whole.said[CLIENT])):
        table = Table(mechanism, kinds, place)
        table.talk()
        if mechanism == "PLAIN" and "cannot talk to" in str(table.server.error):
            continue
        agree(table.server, table.trace.spans(CLIENT), same_words=mechanism != "CURVE")
        agree(table.client, table.trace.spans(SERVER), same_words=mechanism != "CURVE")
        refused += table.server.error is not None
        for side in Side:
            assert cover(table.trace.spans(side), table.said[side])
    assert refused > 60


@pytest.mark.requirement("24-1")
def test_the_side_that_sends_hello_is_the_handshakes_client():
    table = Table("PLAIN", (SocketType.PULL, SocketType.PUSH), swapped=True)
    table.talk()
    agree(table.server, table.trace.spans(CLIENT))
    agree(table.client, table.trace.spans(SERVER))
    assert [span.octets for span in table.trace.spans(SERVER) if span.name == "username"] == [b"admin"]


def opened(keys: Keys | None) -> dict[str, list[str]]:
    """The commands of a conversation in CURVE, and what these keys show inside."""
    table = Table("CURVE", (SocketType.DEALER, SocketType.ROUTER), keys=keys)
    table.talk()
    shown: dict[str, list[str]] = {}
    for side in Side:
        command = ""
        for span in table.trace.spans(side):
            assert not span.wrong
            command = span.value if span.name == "command" else command
            shown.setdefault(command, []).extend(inner.name for inner in span.inside)
    return {command: names for command, names in shown.items() if names}


S1, C1 = keypair(s1)[0], keypair(b"\x03" * 32)[0]
HANDSHAKE = {"HELLO", "WELCOME"}
ALL = {"HELLO", "WELCOME", "INITIATE", "READY", "MESSAGE"}


@pytest.mark.requirement("26-36")
@pytest.mark.parametrize(
    ("keys", "commands"),
    [
        (None, set()),
        (Keys(client_secret=c), set()),
        (Keys(server_secret=s), HANDSHAKE),  # forward secrecy: no more than that
        (Keys(server_secret=s, client_secret=c), HANDSHAKE),
        (Keys(server_public=S), set()),
        (Keys(server_public=S, client_transient=b"\x03" * 32), ALL),
        (Keys(server_secret=s, client_transient=z85.encode(b"\x03" * 32)), ALL),
        (Keys(client_transient=b"\x03" * 32), set()),  # S' is in WELCOME, which takes S
        (Keys(server_transient=s1), {"INITIATE", "READY", "MESSAGE"}),
        (Keys(server_secret=s, server_transient=s1), ALL),
        (Keys(server_secret=s, server_transient=b"\x09" * 32, client_transient=b"\x0a" * 32), HANDSHAKE),  # another's
    ],
)
def test_each_key_opens_the_boxes_that_it_can(keys, commands):
    assert set(opened(keys)) == commands


def test_what_is_inside_the_boxes():
    shown = opened(Keys(server_secret=s, server_transient=s1, client_secret=c, cookie_key=K))
    properties = ["name length", "property", "value length", "value"]
    assert shown["HELLO"] == ["zeros"]
    assert shown["WELCOME"] == ["S'", "cookie nonce", "cookie box"]
    assert shown["INITIATE"][:5] == ["C'", "s'", "C", "vouch nonce", "vouch box"]
    assert shown["INITIATE"][5:9] == properties
    assert shown["READY"][:4] == properties
    assert shown["MESSAGE"][:2] == ["flags", "flags"]  # the first frame is empty


@pytest.mark.requirement("26-36", "37-70")
@pytest.mark.parametrize(
    ("flags", "body", "name", "sentence"),
    [
        (COMMAND, b"\x04PING\x00", "ttl", "PING with 1 octets"),
        (COMMAND, b"\x05PING", "name length", "a length from 1 to 255"),
        (COMMAND, b"", "", "starts with nothing"),
    ],
)
def test_what_is_wrong_inside_a_box_is_marked_inside(flags, body, name, sentence):
    table = Table("CURVE", (SocketType.DEALER, SocketType.ROUTER))
    table.talk()
    table.say(CLIENT, b"".join(table.mechanisms[0].encrypt(flags, [body])))
    agree(table.server, table.trace.spans(CLIENT))
    box = table.trace.spans(CLIENT)[-1]
    assert (box.name, box.wrong) == ("box", True)
    assert sentence in box.value
    assert [span.name for span in box.inside if span.wrong] == ([name] if name else [])


def test_with_a_wrong_secret_the_trace_marks_the_box_as_wrong():
    table = Table("CURVE", (SocketType.DEALER, SocketType.ROUTER), keys=Keys(server_secret=c))
    table.talk()
    wrong = [span for span in table.trace.spans(CLIENT) if span.wrong]
    assert [(span.name, span.octets[:0]) for span in wrong] == [("box", b"")]
    assert "does not open" in wrong[0].value


def test_a_key_has_32_octets_or_40_characters():
    assert Keys(server_secret=z85.encode(s).decode()).server_secret == s
    with pytest.raises(ValueError, match="key of 31 octets: expected 32"):
        Keys(server_secret=bytes(31))


def test_requests_without_an_answer_are_kept_up_to_a_number():
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    trace = Trace()
    trace.feed(Side.CLIENT, request * 1500, 0.0)
    *named, rest = trace.spans(Side.CLIENT)
    assert sum(span.name == "request line" for span in named) == 1001
    assert rest.value == "not read: more than 1000 requests have no answer"
    assert cover(trace.spans(Side.CLIENT), request * 1500)
