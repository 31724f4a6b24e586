"""Octets get names: each octet one, whatever the octets are."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.trace import KINDS, Keys, Side, Span, Trace, cover
from minizmtp.wire import (
    NEED_DATA,
    Authenticate,
    Cancel,
    Connection,
    ConnectionClosed,
    Ping,
    Pong,
    Ready,
    State,
    Subscribe,
    Verdict,
)
from minizmtp.wire.commands import encode_command, encode_metadata
from minizmtp.wire.curve import CurveClient, CurveServer, keypair, scripted
from minizmtp.wire.frames import COMMAND, encode_frame, encode_message
from minizmtp.wire.greeting import encode_greeting
from minizmtp.wire.mechanisms import Mechanism, Null
from minizmtp.wire.plain import PlainClient, PlainServer

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


def test_the_delimiter_is_the_first_empty_frame_of_a_request_and_what_stands_before_it_is_the_envelope():
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
def test_spans_cover_each_octet_once_in_order_and_are_the_same_however_the_writes_are_cut(said, cuts, ends):
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
            assert given_out[side] == (spans if ends and trace.protocol else spans[: len(given_out[side])])
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


class Heard:
    """What a Connection makes of what it is given: its events, and why it refuses what came then, if it does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events: list[object] = []
        self.error: ProtocolError | None = None

    def hear(self, octets: bytes) -> None:
        self.connection.receive_data(octets)
        try:
            while not self.error and (event := self.connection.next_event()) is not NEED_DATA:
                if isinstance(event, ConnectionClosed):
                    break
                self.events.append(event)
                if isinstance(event, Authenticate):
                    self.connection.receive_verdict(Verdict(200))
        except ProtocolError as error:
            self.error = error


class Table:
    """A client and a server face to face, and a trace of what they say. The octet at place of what the client says is
    changed on its way, in one bit."""

    def __init__(self, mechanism: str, kinds: tuple[SocketType, ...], place: int = -1) -> None:
        ours, theirs = MECHANISMS[mechanism]()
        self.client = Heard(Connection(kinds[0], mechanism=ours))
        self.server = Heard(Connection(kinds[1], mechanism=theirs))
        self.trace = Trace(keys=KEYS)
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


def flat(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in boxes instead of their boxes."""
    for span in spans:
        yield from flat(span.inside) if span.inside else [span]


def agree(heard: Heard, spans: list[Span], *, same_words: bool = True) -> None:
    """Is what the spans say that what the Connection understood, and refused?"""
    wrong = [span for span in spans if span.wrong]
    assert len(wrong) == (heard.error is not None)
    assert not same_words or [span.value for span in wrong] == [str(heard.error) for _ in wrong]
    inner = list(flat(spans))
    bodies = b"".join(span.octets for span in inner if span.kind == "body")
    messages = b"".join(frame for event in heard.events if isinstance(event, list) for frame in event)
    assert bodies.startswith(messages)
    told = [event for event in heard.events if isinstance(event, (Subscribe, Cancel, Ping, Pong))]
    commands = [span.value for span in inner if span.name == "command" and span.value in TRAFFIC_COMMANDS]
    assert commands[: len(told)] == [type(event).__name__.upper() for event in told]
    prefixes = [event.prefix for event in told if isinstance(event, (Subscribe, Cancel)) and event.prefix]
    assert [span.octets for span in inner if span.name == "prefix" and span.kind == "command"][
        : len(prefixes)
    ] == prefixes
    for event in heard.events:
        if isinstance(event, Ready):
            values = dict.fromkeys(event.metadata.values())
            shown = [span.octets for span in inner if span.name == "value"]
            assert [value for value in values if value] == list(dict.fromkeys(shown))[: len([v for v in values if v])]


TRAFFIC_COMMANDS = ("SUBSCRIBE", "CANCEL", "PING", "PONG")


@given(st.sampled_from(list(SocketType)), conversations)
def test_what_the_trace_shows_is_what_a_connection_hears_and_what_is_wrong_is_what_it_refuses(kind, octets):
    """A socket that has said what it is, and any words to it."""
    server = Heard(Connection(kind))
    trace = Trace()
    trace.feed(SERVER, server.connection.data_to_send() + ready(Socket_Type=kind.name.encode()), 0.0)
    trace.feed(CLIENT, octets, 0.0)
    server.hear(octets)
    agree(server, trace.spans(CLIENT))


PAIRS = {"NULL": ("REQ", "ROUTER"), "PLAIN": ("SUB", "XPUB"), "CURVE": ("DEALER", "ROUTER")}


@pytest.mark.requirement("37-16")
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_octet_that_is_changed_on_its_way_is_wrong_where_the_peer_refuses_it(mechanism):
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
