"""Octets get names: each octet one, whatever the octets are."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.demo.blocks import Side
from minizmtp.demo.spans import Span, cover, name_http, name_zmtp, read_http
from minizmtp.wire.commands import encode_command, encode_metadata
from minizmtp.wire.frames import COMMAND, encode_frame, encode_message
from minizmtp.wire.greeting import encode_greeting

READY_REQ = encode_frame(encode_command(b"READY", encode_metadata({b"Socket-Type": b"REQ", b"Identity": b""})), COMMAND)
REQUEST = encode_greeting(b"NULL") + READY_REQ + encode_message([b"", b"hello"])

ASK = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n"


def words(spans: list[Span]) -> list[tuple[str, bytes]]:
    return [(span.name, span.octets) for span in spans]


# ------------------------------------------------------------------------------------------------------------ by hand


def test_a_request_of_zmtp():
    assert words(name_zmtp(REQUEST)) == [
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


def test_the_delimiter_is_the_first_empty_frame_of_a_request_and_of_nothing_else():
    spans = name_zmtp(REQUEST + encode_message([b"id", b"", b"", b"body"]))
    delimiters = [span.start for span in spans if "delimiter" in span.meaning]
    assert delimiters == [len(REQUEST) - 8, len(REQUEST) + 5]
    push = encode_frame(encode_command(b"READY", encode_metadata({b"Socket-Type": b"PUSH"})), COMMAND)
    spans = name_zmtp(encode_greeting(b"NULL") + push + encode_message([b"", b"work"]))
    assert not [span for span in spans if "delimiter" in span.meaning]


def test_a_long_frame_has_a_size_of_eight_octets():
    spans = name_zmtp(REQUEST + encode_message([bytes(300)]))
    assert [len(span.octets) for span in spans[-3:]] == [1, 8, 300]


def test_what_is_not_zmtp_is_said_to_be_none():
    (span,) = name_zmtp(b"GET / HTTP/1.1\r\n\r\n")
    assert span.name == "not understood"
    assert "the first octet is 47" in span.meaning


def test_a_request_and_a_response_of_http():
    assert words(name_http(ASK, Side.CLIENT)) == [
        ("request line", b"POST /a HTTP/1.1\r\n"),
        ("Host", b"Host: a\r\n"),
        ("Content-Length", b"Content-Length: 5\r\n"),
        ("blank line", b"\r\n"),
        ("body", b"hello"),
    ]
    assert [span.name for span in name_http(ANSWER, Side.SERVER)] == [
        "status line", "Content-Length", "blank line", "body"
    ]  # fmt: skip


def test_several_messages_on_one_connection():
    spans = name_http(ASK + ASK, Side.CLIENT)
    assert [span.start for span in spans if span.name == "request line"] == [0, len(ASK)]
    assert cover(spans, ASK + ASK)


def test_chunks_are_named_as_a_body_with_their_framing():
    body = name_http(CHUNKED, Side.SERVER)[-1]
    assert (body.name, body.source) == ("body", "9112 §7.1")
    assert "in chunks" in body.meaning


def test_h11_says_where_a_message_ends():
    events, size = read_http(ASK + b"next", Side.CLIENT)
    assert size == len(ASK)
    assert isinstance(events[-1], h11.EndOfMessage)


# ------------------------------------------------------------------------------------------------------ cover itself


@pytest.mark.parametrize(
    "spans",
    [
        [Span(0, b"a", "", "", "")],  # one octet has no name
        [Span(0, b"a", "", "", ""), Span(0, b"b", "", "", "")],  # one offset is wrong
        [Span(0, b"b", "", "", ""), Span(1, b"a", "", "", "")],  # out of order
        [Span(0, b"ab", "", "", ""), Span(2, b"", "", "", "")],  # a name for nothing
        [Span(0, b"abc", "", "", "")],  # too much
    ],
)
def test_cover_sees_what_is_amiss(spans):
    assert not cover(spans, b"ab")
    assert cover([Span(0, b"a", "", "", ""), Span(1, b"b", "", "", "")], b"ab")


# -------------------------------------------------------------------------------------- each octet once, in any case

frames = st.binary(max_size=300)
messages = st.lists(frames, min_size=1, max_size=4).map(encode_message)
letters = st.text("ABCXYZ", min_size=1, max_size=12).map(str.encode)
names = st.one_of(letters, st.sampled_from([b"READY", b"ERROR", b"SUBSCRIBE", b"CANCEL", b"PING", b"PONG"]))
properties = st.dictionaries(
    st.sampled_from([b"Socket-Type", b"Identity", b"X-a", b"x-A"]),
    st.one_of(frames, st.sampled_from([b"REQ", b"PUB"])),
    max_size=4,
).map(encode_metadata)
commands = st.builds(
    lambda name, data: encode_frame(encode_command(name, data), COMMAND), names, st.one_of(properties, frames)
)
greetings = st.sampled_from([b"NULL", b"PLAIN", b"CURVE", b"\xe9"]).map(encode_greeting)
conversations = st.builds(
    lambda greeting, items: greeting + b"".join(items), greetings, st.lists(st.one_of(messages, commands), max_size=8)
)

fields = st.lists(st.tuples(st.text("Abc-", min_size=1, max_size=8), st.text("xyz 1", max_size=20)), max_size=5)


@st.composite
def http_messages(draw, side):
    start = "PUT /p HTTP/1.1" if side is Side.CLIENT else "HTTP/1.1 200 Fine"
    body = draw(st.binary(max_size=100))
    head = [start, "Host: h", *(f"{name}: {value}" for name, value in draw(fields)), f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


@given(st.one_of(conversations, st.binary(), st.binary().map(lambda tail: REQUEST + tail)), st.data())
def test_zmtp_is_covered_whole_or_cut_off_anywhere(octets, data):
    cut = octets[: data.draw(st.integers(0, len(octets)))]
    for heard in (octets, cut):
        assert cover(name_zmtp(heard), heard)


@pytest.mark.parametrize("side", Side)
@given(st.data())
def test_http_is_covered_whole_or_cut_off_anywhere(side, data):
    one = st.one_of(http_messages(side), st.sampled_from([ASK, ANSWER, CHUNKED]), st.binary(max_size=50))
    octets = b"".join(data.draw(st.lists(one, max_size=3)))
    cut = octets[: data.draw(st.integers(0, len(octets)))]
    for heard in (octets, cut):
        assert cover(name_http(heard, side), heard)


def test_each_recorded_stream_cut_at_every_octet():
    for size in range(len(REQUEST) + 1):
        assert cover(name_zmtp(REQUEST[:size]), REQUEST[:size])
    for octets, side in ((ASK + ASK, Side.CLIENT), (ANSWER + ANSWER, Side.SERVER), (CHUNKED, Side.SERVER)):
        for size in range(len(octets) + 1):
            assert cover(name_http(octets[:size], side), octets[:size])


def test_each_octet_of_a_request_changed_to_each_other():
    for position in range(len(REQUEST)):
        for octet in range(256):
            changed = REQUEST[:position] + bytes([octet]) + REQUEST[position + 1 :]
            assert cover(name_zmtp(changed), changed)
