"""Records: how a conversation is cut for a reader, and what is said about each piece."""

import importlib
import inspect

import pytest

from minizmtp.trace import Side, Span, Trace
from minizmtp.trace.reasons import REASONS, reason_for
from minizmtp.trace.records import CODE, MOST_EXPLAINED, every, records, source_of, told
from minizmtp.trace.story import load, names
from minizmtp.wire.greeting import encode_greeting

GREETING = encode_greeting(b"NULL")
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
CLIENT, SERVER = Side.CLIENT, Side.SERVER
every_story = pytest.mark.parametrize("name", names())


def spans_of(trace: Trace) -> list[Span]:
    return [span for side in Side for span in trace.spans(side)]


def cut(*writes: bytes) -> list[tuple[str, int, int]]:
    """Name, octets and number of writes of each record, for these writes of a client."""
    trace = Trace()
    for number, octets in enumerate(writes):
        trace.feed(CLIENT, octets, float(number))
    return [(record.what, record.octets, record.writes) for record in records(spans_of(trace))]


def test_a_greeting_in_three_writes_is_one_record():
    assert cut(GREETING[:10], GREETING[10:11], GREETING[11:] + READY) == [("greeting", 64, 3), ("READY", 28, 1)]


def test_the_frames_of_a_message_are_one_record():
    message = b"\x01\x01a\x00\x01b"
    assert cut(GREETING, READY, message[:3], message[3:]) == [
        ("greeting", 64, 1), ("READY", 28, 1), ("message", 6, 2)
    ]  # fmt: skip


def test_messages_that_came_in_one_write_are_one_record():
    """Because a flood of small messages would otherwise have thousands of records."""
    message = b"\x01\x01a\x00\x01b"
    trace = Trace()
    for octets in (GREETING, READY, message * 3, message, message):
        trace.feed(CLIENT, octets, 0.0)
    assert [record.messages for record in records(spans_of(trace))[2:]] == [3, 1, 1]


def test_a_command_between_two_messages_has_its_own_record():
    assert cut(GREETING, READY, b"\x00\x01a\x04\x07\x04PING\x00\x00\x00\x01b")[2:] == [
        ("message", 3, 1), ("PING", 9, 1), ("message", 3, 1)
    ]  # fmt: skip


def test_octets_that_are_not_zmtp_are_a_record_too():
    assert cut(b"\x16\x03\x01")[0][0] == "rest"
    assert cut(b"\xff" + bytes(8) + b"\x00")[0][0] == "greeting"


def test_requests_and_responses_are_records():
    trace = Trace()
    trace.feed(CLIENT, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2, 1.0)
    trace.feed(SERVER, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 1.5)
    found = [(record.what, record.at, record.octets) for record in records(spans_of(trace))]
    assert found == [("request", 0.0, 27), ("request", 0.0, 27), ("response", 0.5, 25), ("response", 0.5, 40)]


@every_story
def test_records_hold_each_span_of_a_story_once(name):
    spans = spans_of(load(name).trace())
    held = [span for record in records(spans) for span in record.spans]
    for side in Side:
        assert [span for span in held if span.side is side] == [span for span in spans if span.side is side]
    assert len(held) == len(spans)


def test_an_encrypted_message_of_two_frames_is_one_record():
    """Each frame is a MESSAGE with a box of its own, and only the flags inside say that another frame follows."""
    spans = load("curve").trace().spans(CLIENT)
    apart = [span._replace(write=number) for number, span in enumerate(spans)]  # as if each span had its own write
    *_, last = records(apart)
    assert (last.what, [span.name for span in last.spans].count("box")) == ("MESSAGE", 2)


# -------------------------------------------------------------------------------------------------------------- words


@every_story
def test_each_record_says_what_happens_in_a_sentence_or_two(name):
    for it in told(records(spans_of(load(name).trace()))):
        assert 1 <= it.words.count(". ") + it.words.endswith(".") <= 3, it.words
        assert "{" not in it.words
        assert "  " not in it.words


def test_the_story_knows_the_socket_types_and_the_order():
    words = [it.words for it in told(records(spans_of(load("reqrep").trace())))]
    assert words[0].startswith("The server sends its greeting as soon as the connection is open.")
    assert words[1].startswith("The client sends a greeting, too.")
    assert words[2].endswith("and what it is: a REQ.")
    assert words[3].startswith("The server is ready, too: it is a REP.")
    assert words[4].startswith("The REQ sends its request")
    assert words[5].startswith("The REP sends its reply")


def test_an_xpub_has_its_article():
    words = [it.words for it in told(records(spans_of(load("pubsub").trace())))]
    assert "it is an XPUB." in " ".join(words)


def test_a_sentence_is_not_said_twice_by_the_same_side():
    trace = Trace()
    for octets in (GREETING, READY, b"\x00\x01a", b"\x00\x01b"):
        trace.feed(CLIENT, octets, 0.0)
    third, fourth = told(records(spans_of(trace)))[2:]
    assert third.words.startswith("The PUSH sends a message")
    assert third.code == ("minizmtp.wire.frames:", "minizmtp.wire.frames:encode_message")
    assert (fourth.words, fourth.code) == ("", ())


@every_story
def test_each_field_of_a_story_has_a_reason(name):
    for it in told(records(spans_of(load(name).trace()))):
        spans = [inner for span in it.record.spans for inner in every(span)]
        assert len(it.reasons) == len(spans)
        mechanism = load(name).about["mechanism"]
        reasons = [reason_for(span, it.record.what, mechanism) for span in spans]
        assert [span.name for span, reason in zip(spans, reasons, strict=True) if not reason] == []
        assert set(it.reasons) - {""} == set(reasons)


def test_each_field_of_http_has_a_reason():
    trace = Trace()
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Mine: b\r\nAuthorization: c\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\nChecksum: d\r\n\r\n"
    )
    spans = trace.feed(CLIENT, request, 0.0)
    assert b"".join(span.octets for span in spans) == request
    assert [span.name for span in spans if not reason_for(span)] == []


def test_what_is_wrong_or_incomplete_has_no_reason():
    trace = Trace()
    trace.feed(CLIENT, GREETING + b"\xff", 0.0)
    assert [reason_for(span) for span in trace.spans(CLIENT) if span.kind in ("wrong", "partial")] == [""]


def test_a_reason_is_a_few_whole_sentences():
    for key, words in REASONS.items():
        assert 1 <= words.count(". ") + 1 <= 4, key
        assert words.endswith("."), key
        assert words[0].isupper() or words[0].isdigit() or words.startswith("keep"), key


def test_after_many_records_there_are_no_more_reasons():
    trace = Trace()
    for octets in (GREETING, READY, *[b"\x00\x01a"] * MOST_EXPLAINED):
        trace.feed(CLIENT, octets, 0.0)
    stories = told(records(spans_of(trace)))
    assert stories[MOST_EXPLAINED - 1].reasons
    assert stories[MOST_EXPLAINED].reasons == ()


@pytest.mark.parametrize("code", sorted({name for names in CODE.values() for name in names}))
@pytest.mark.slow
def test_the_code_that_makes_a_record_is_there(code):
    source = source_of(code)
    if code.endswith(":"):
        assert source.text == inspect.getdoc(importlib.import_module(code.removesuffix(":")))
        return
    assert source.text.startswith(f"def {source.name.rpartition('.')[2]}(")
    assert source.file.endswith(".py")
