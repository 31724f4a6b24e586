"""Connection: bytes in, events out; messages in, bytes out (37/ZMTP, "Overall Behavior")."""

import tracemalloc
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError, Violation
from minizmtp.wire import (
    NEED_DATA,
    Cancel,
    Connection,
    ConnectionClosed,
    Error,
    Greeting,
    Message,
    Ping,
    Pong,
    Ready,
    State,
    Subscribe,
)
from minizmtp.wire.connection import HANDSHAKE_LIMIT, TRANSITIONS
from minizmtp.wire.encoder import LARGE
from minizmtp.wire.events import Item, Messages, SharedMessage
from minizmtp.wire.frames import encode_message
from minizmtp.wire.mechanisms import Mechanism, Steps
from minizmtp.wire.metadata import metadata_as_text
from tests.minizmtp.streams import NULL_3_1, drain, hear, in_traffic, refusal
from tests.zmtp_bytes import GREETING, GREETING_3_0, READY, READY_DEALER_ID_1, command, frame, metadata, ready

# ------------------------------------------------------------------------------------------------------- greeting


@pytest.mark.requirement("37-1", "37-2", "37-10", "37-80")
def test_our_whole_greeting_is_ready_before_any_input() -> None:
    """libzmq sends ten octets and waits for ten of ours: who waits for its whole greeting first waits for ever."""
    connection = Connection(SocketType.REP)
    assert connection.data_to_send() == GREETING
    assert connection.data_to_send() == b""


@pytest.mark.requirement("37-2")
def test_the_three_writes_of_libzmqs_greeting_are_one_greeting() -> None:
    connection = Connection(SocketType.REP)
    assert hear(connection, [GREETING[:10], GREETING[10:11], GREETING[11:]]) == [NULL_3_1]


@pytest.mark.requirement("37-5", "37-6")
def test_a_peer_of_version_4_0_is_spoken_to_in_3_1() -> None:
    connection = in_traffic(SocketType.SUB, b"PUB", greeting=GREETING[:10] + b"\x04\x00" + GREETING[12:])
    assert connection.send(Subscribe(b"A")) == bytes.fromhex("04 0b 09 53 55 42 53 43 52 49 42 45 41")


@pytest.mark.requirement("37-7", "37-16")
@pytest.mark.parametrize("octets", [b"\x01", GREETING[:9] + b"\x00", GREETING[:10] + b"\x02"])
def test_an_old_peer_is_refused_before_its_greeting_is_whole(octets: bytes) -> None:
    connection = Connection(SocketType.REP)
    connection.data_to_send()
    assert hear(connection, [octets[:-1]]) == []
    heard = hear(connection, [octets[-1:]])
    assert [type(event) for event in heard] == [ProtocolError, ConnectionClosed]
    assert connection.data_to_send() == b""


class Quiz(Mechanism):
    """A mechanism of more than one step, of which one side waits to be spoken to."""

    def __init__(self, asks: bool) -> None:
        self.name = b"QUIZ"
        self.asks = asks

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        return [b"\x03ASK"] if self.asks else []

    def receive(self, name: bytes, data: bytes) -> Steps:
        return [b"\x04TELL" + data] if name == b"ASK" else [Ready({b"answer": data})]

    def on_accepted(self) -> Steps:
        return []


@pytest.mark.requirement("24-1")
def test_a_connection_carries_the_commands_of_its_mechanism() -> None:
    """as-server is 0 on both sides, as in libzmq: which side is the server is a matter of options."""
    client = Connection(SocketType.REQ, mechanism=Quiz(asks=True))
    server = Connection(SocketType.REP, mechanism=Quiz(asks=False))
    said = server.data_to_send()
    assert said == b"\xff" + bytes(8) + b"\x7f\x03\x01QUIZ" + bytes(16) + bytes(32)
    assert hear(client, [said]) == [Greeting(3, 1, b"QUIZ", False)]
    assert hear(server, [client.data_to_send()]) == [Greeting(3, 1, b"QUIZ", False)]
    assert server.data_to_send() == b"\x04\x05\x04TELL"
    assert hear(client, [b"\x04\x07\x04TELL42"]) == [Ready({b"answer": b"42"})]


@pytest.mark.requirement("37-11", "37-81", "37-86")
@pytest.mark.parametrize("octets", [b"\x01\x00", GREETING[:10] + b"\x01", GREETING])
def test_a_secure_side_refuses_old_peers_and_null(octets: bytes) -> None:
    heard = hear(Connection(SocketType.REP, mechanism=Quiz(asks=False)), [octets])
    assert [type(event) for event in heard] == [ProtocolError, ConnectionClosed]


@pytest.mark.requirement("37-11")
def test_another_mechanism_is_reported_as_mismatch() -> None:
    error = refusal(hear(Connection(SocketType.REP), [GREETING[:12] + b"CURVE".ljust(20, b"\0") + GREETING[32:]]))
    assert error is not None
    assert error.violation is Violation.MECHANISM_MISMATCH


# ------------------------------------------------------------------------------------------------------ handshake


@pytest.mark.requirement("37-28", "37-29", "37-32", "37-41", "37-46")
@pytest.mark.parametrize(
    ("connection", "octets"),
    [
        (Connection(SocketType.REQ), READY["REQ"]),
        (Connection(SocketType.REP), READY["REP"]),
        (Connection(SocketType.PULL), READY["PULL"]),
        (Connection(SocketType.DEALER, identity=b"id-1"), READY_DEALER_ID_1),
    ],
    ids=["REQ", "REP", "PULL", "DEALER"],
)
def test_our_ready_equals_libzmqs_and_follows_the_greetings(connection: Connection, octets: bytes) -> None:
    connection.data_to_send()
    connection.receive_data(GREETING)
    assert connection.data_to_send() == b""
    assert connection.next_event() == NULL_3_1
    assert connection.data_to_send() == octets


@pytest.mark.requirement("37-46")
@pytest.mark.parametrize("kind", SocketType)
def test_only_what_may_face_a_router_sends_an_identity(kind: SocketType) -> None:
    connection = Connection(kind, identity=b"id-1")
    hear(connection, [GREETING])
    sends_it = b"\x08Identity\0\0\0\x04id-1" in connection.data_to_send()
    assert sends_it == (kind in (SocketType.REQ, SocketType.DEALER, SocketType.ROUTER))


@pytest.mark.requirement("37-42")
def test_an_applications_own_properties_go_with_ours() -> None:
    connection = Connection(SocketType.PUSH, properties={b"X-Colour": b"red"})
    hear(connection, [GREETING])
    assert connection.data_to_send().endswith(b"\x08X-Colour\0\0\0\x03red")


@pytest.mark.requirement("37-40", "37-42", "37-49", "37-50")
def test_ready_has_all_metadata_of_the_peer() -> None:
    """This includes a resource, which we accept and ignore."""
    data = metadata((b"Resource", b"no such")) + metadata((b"X-Colour", b"red")) + metadata((b"Socket-Type", b"REQ"))
    assert hear(Connection(SocketType.REP), [GREETING + command(b"READY", data)])[1:] == [
        Ready({b"resource": b"no such", b"x-colour": b"red", b"socket-type": b"REQ"})
    ]


# Who may talk to whom, written out.
WELCOME = {
    "REQ": "REP ROUTER",
    "REP": "REQ DEALER",
    "DEALER": "REP DEALER ROUTER",
    "ROUTER": "REQ DEALER ROUTER",
    "PUSH": "PULL",
    "PULL": "PUSH",
    "PUB": "SUB XSUB",
    "SUB": "PUB XPUB",
    "XPUB": "SUB XSUB",
    "XSUB": "PUB XPUB",
    "PAIR": "PAIR",
}


@pytest.mark.requirement("37-43", "37-44")
@pytest.mark.parametrize("theirs", [*WELCOME, "STREAM", "rep", "Req", "", "REQ ", "\xff\x00"])
@pytest.mark.parametrize("ours", WELCOME)
@pytest.mark.slow
def test_which_socket_types_may_talk(ours: str, theirs: str) -> None:
    heard = hear(Connection(SocketType[ours]), [GREETING + ready(theirs.encode("latin-1"))])
    if theirs in WELCOME[ours].split():
        assert type(heard[1]) is Ready
    else:
        assert type(heard[1]) is ProtocolError
        assert f"{ours} cannot talk to {theirs}" in str(heard[1]) or not theirs.isprintable()
        assert heard[1].violation is Violation.INVALID_METADATA


@pytest.mark.requirement("37-41")
def test_a_peer_that_does_not_say_what_it_is_is_accepted() -> None:
    assert hear(Connection(SocketType.REP), [GREETING + b"\x04\x06\x05READY"])[1:] == [Ready({})]


@pytest.mark.requirement("37-35", "37-44")
def test_a_socket_type_under_a_name_in_another_case_counts() -> None:
    data = metadata((b"socket-TYPE", b"PULL"))
    assert refusal(hear(Connection(SocketType.REP), [GREETING + command(b"READY", data)])) is not None


@pytest.mark.requirement("37-47")
@pytest.mark.parametrize(("length", "welcome"), [(0, True), (255, True), (256, False), (300, False)])
def test_an_identity_has_at_most_255_octets(length: int, welcome: bool) -> None:
    data = metadata((b"Socket-Type", b"REQ")) + metadata((b"Identity", b"i" * length))
    error = refusal(hear(Connection(SocketType.REP), [GREETING + command(b"READY", data)]))
    assert (error is None) == welcome


@pytest.mark.requirement("37-16", "37-39", "37-45")
def test_a_peer_refused_in_the_handshake_gets_an_error_command() -> None:
    connection = Connection(SocketType.REP)
    hear(connection, [GREETING])
    connection.data_to_send()
    hear(connection, [ready(b"PULL")])
    said = connection.data_to_send()
    assert said[0] == 4
    assert said[2:8] == b"\x05ERROR"
    assert said[8] == len(said) - 9
    assert said[9:].startswith(b"REP cannot talk to PULL")


@pytest.mark.requirement("37-39")
@pytest.mark.parametrize(
    "stranger", [ready(b"\x1b[31mPULL\r\n\0"), ready(b"P" * 60_000), ready(b"\xc3\xa4"), command(b"x" * 255)]
)
def test_a_reason_has_at_most_255_octets_all_printable(stranger: bytes) -> None:
    connection = Connection(SocketType.REP)
    heard = hear(connection, [GREETING + stranger])
    reason = connection.data_to_send().partition(b"\x05ERROR")[2]
    assert 20 < len(reason[1:]) <= 255
    assert reason[1:].decode("ascii").isprintable()
    words = str(refusal(heard))
    assert words.isprintable()
    assert len(words) < 1000


@pytest.mark.requirement("37-14", "37-39")
def test_an_error_ends_the_handshake() -> None:
    heard = hear(
        Connection(SocketType.REP), [GREETING + bytes.fromhex("04 0a 05 45 52 52 4f 52 03 34 30 30") + READY["REQ"]]
    )
    assert heard == [NULL_3_1, Error(b"400"), ConnectionClosed("")]


@pytest.mark.requirement("24-9")
def test_libzmqs_misspelt_error_is_accepted() -> None:
    heard = hear(Connection(SocketType.REP), [GREETING + bytes.fromhex("04 09 5e 52 52 4f 52 03 34 30 30")])
    assert heard == [NULL_3_1, Error(b"400"), ConnectionClosed("")]


@pytest.mark.requirement("37-33")
@pytest.mark.parametrize("octets", [frame(b"hello"), frame(b"hello", more=True), frame(bytes(300))])
def test_a_message_before_ready_is_refused(octets: bytes) -> None:
    error = refusal(hear(Connection(SocketType.REP), [GREETING + octets]))
    assert error is not None
    assert error.violation is Violation.UNEXPECTED_COMMAND


@pytest.mark.requirement("37-33")
def test_messages_may_be_behind_ready_in_the_same_chunk() -> None:
    assert hear(Connection(SocketType.PULL), [GREETING + ready(b"PUSH") + frame(b"hello")])[2:] == [[b"hello"]]


@pytest.mark.requirement("37-16", "37-66")
@pytest.mark.parametrize("name", [b"PING", b"PONG", b"SUBSCRIBE", b"CANCEL", b"HELLO", b"SOMETHING"])
def test_any_other_command_before_ready_is_refused(name: bytes) -> None:
    error = refusal(hear(Connection(SocketType.REP), [GREETING + command(name, b"\0\0")]))
    assert error is not None
    assert error.violation is Violation.UNEXPECTED_COMMAND


@pytest.mark.requirement("37-33")
def test_send_before_ready_or_after_the_end_is_a_callers_error() -> None:
    connection = Connection(SocketType.PULL)
    for octets in (b"", GREETING, ready(b"SUB")):
        hear(connection, [octets])
        with pytest.raises(RuntimeError, match="wait until next_event"):
            connection.send([b"hello"])


# ----------------------------------------------------------------------------------------------------------- limits


def test_a_stranger_may_not_send_more_than_64_kib_before_ready() -> None:
    connection = Connection(SocketType.PULL)
    too_much = b"\x06" + (HANDSHAKE_LIMIT + 1).to_bytes(8, "big")
    assert refusal(hear(connection, [GREETING + too_much])) is not None


def test_metadata_of_64_kib_is_read() -> None:
    data = metadata((b"Socket-Type", b"PUSH"))
    data += metadata((b"X-v", bytes(HANDSHAKE_LIMIT - 6 - len(data) - 8)))
    octets = command(b"READY", data)
    assert int.from_bytes(octets[1:9], "big") == HANDSHAKE_LIMIT
    assert refusal(hear(Connection(SocketType.PULL), [GREETING + octets])) is None


def test_after_ready_the_limit_is_the_one_that_was_asked_for() -> None:
    limited = Connection(SocketType.PULL, max_message_size=1000)
    hear(limited, [GREETING + ready(b"PUSH")])
    assert hear(limited, [frame(bytes(1000))]) == [[bytes(1000)]]
    assert "frame of 1001 octets" in str(refusal(hear(limited, [frame(bytes(1001))[:9]])))
    unlimited = in_traffic(SocketType.PULL, b"PUSH")
    assert hear(unlimited, [frame(bytes(100_000))]) == [[bytes(100_000)]]


def test_the_limit_counts_for_the_handshake_too_as_in_libzmq() -> None:
    assert refusal(hear(Connection(SocketType.PULL, max_message_size=10), [GREETING + ready(b"PUSH")])) is not None


# ---------------------------------------------------------------------------------------------------------- traffic


@pytest.mark.requirement("28-2", "37-83")
def test_a_request_and_its_reply_as_libzmq_writes_them() -> None:
    connection = in_traffic(SocketType.REP, b"REQ")
    assert hear(connection, [bytes.fromhex("01 00 00 02 68 69")]) == [[b"", b"hi"]]
    assert connection.send([b"", b"ho"]) == bytes.fromhex("01 00 00 02 68 6f")


@pytest.mark.requirement("37-27")
def test_a_message_is_an_event_once_its_last_frame_is_there() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert hear(connection, [frame(b"a", more=True) + frame(b"b", more=True)]) == []
    assert hear(connection, [frame(b"", more=False)]) == [[b"a", b"b", b""]]


@pytest.mark.requirement("37-27", "L-10", "30-16")
def test_a_message_cut_off_by_the_end_is_never_returned() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    heard = hear(connection, [frame(b"whole") + frame(b"half", more=True) + frame(b"cut")[:-1]], end=True)
    assert heard == [[b"whole"], ConnectionClosed("inside a frame, 4 octets into it")]


@pytest.mark.requirement("37-68")
@pytest.mark.parametrize("context", [b"", b"ctx", b"c" * 16])
def test_a_ping_is_answered_with_its_context(context: bytes) -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert hear(connection, [command(b"PING", b"\0\x14" + context)]) == [Ping(20, context)]
    assert connection.data_to_send() == command(b"PONG", context)


@pytest.mark.requirement("37-68", "L-12")
def test_a_ping_between_two_frames_leaves_the_message_whole() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    octets = bytes.fromhex("01 01 61  04 07 04 50 49 4e 47 00 14  00 01 62")
    assert hear(connection, [octets]) == [Ping(20, b""), [b"a", b"b"]]
    assert connection.data_to_send() == bytes.fromhex("04 05 04 50 4f 4e 47")


@pytest.mark.requirement("L-12")
@pytest.mark.parametrize("name", [b"PONG", b"SUBSCRIBE", b"CANCEL", b"JOIN", b"READY"])
def test_no_command_between_two_frames_breaks_the_message(name: bytes) -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert hear(connection, [frame(b"a", more=True) + command(name) + frame(b"b")])[-1] == [b"a", b"b"]


@pytest.mark.requirement("37-79")
def test_an_unrequested_pong_is_ignored() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert hear(connection, [command(b"PONG", b"ctx") + frame(b"hello")]) == [Pong(b"ctx"), [b"hello"]]
    assert connection.data_to_send() == b""


@pytest.mark.requirement("37-16", "37-67", "37-70")
@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0" + b"c" * 17])
def test_a_malformed_ping_ends_the_connection_without_a_word(data: bytes) -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert refusal(hear(connection, [command(b"PING", data)])) is not None
    assert connection.data_to_send() == b""


@pytest.mark.parametrize(
    "octets",
    [
        command(b"SOMETHING", b"new"),
        READY["REQ"],
        command(b"READY", b"malformed"),
        command(b"ERROR", b"\x03400"),
        command(b"ping"),
        command(b"x" * 255, bytes(1000)),
    ],
)
def test_commands_that_mean_nothing_in_traffic_are_passed_over(octets: bytes) -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert hear(connection, [octets + frame(b"hello")]) == [[b"hello"]]
    assert connection.state is State.TRAFFIC


@pytest.mark.requirement("37-26")
@pytest.mark.parametrize("body", [b"", b"\0", b"\x05PING", b"\x04P NG"])
def test_a_command_with_a_bad_name_ends_the_connection(body: bytes) -> None:
    assert refusal(hear(in_traffic(SocketType.PULL, b"PUSH"), [frame(body, command=True)])) is not None


# ---------------------------------------------------------------------------------------------------- subscriptions


@pytest.mark.requirement("37-58", "37-59")
@pytest.mark.parametrize(
    ("item", "modern", "old"),
    [
        (Subscribe(b"A"), "04 0b 09 53 55 42 53 43 52 49 42 45 41", "00 02 01 41"),
        (Cancel(b"A"), "04 08 06 43 41 4e 43 45 4c 41", "00 02 00 41"),
        (Subscribe(b""), "04 0a 09 53 55 42 53 43 52 49 42 45", "00 01 01"),
        (Cancel(b""), "04 07 06 43 41 4e 43 45 4c", "00 01 00"),
    ],
)
def test_a_subscription_is_a_command_to_3_1_and_a_message_to_3_0(item: Item, modern: str, old: str) -> None:
    assert in_traffic(SocketType.SUB, b"PUB").send(item) == bytes.fromhex(modern)
    assert in_traffic(SocketType.SUB, b"PUB", greeting=GREETING_3_0).send(item) == bytes.fromhex(old)


@pytest.mark.requirement("L-41")
@pytest.mark.parametrize(
    ("length", "header"),
    [(254, "00 ff"), (255, "02 00 00 00 00 00 00 01 00"), (256, "02 00 00 00 00 00 00 01 01")],
)
def test_a_long_subscription_reaches_a_3_0_peer_whole(length: int, header: str) -> None:
    """libzmq spoils the one of 255 octets."""
    connection = in_traffic(SocketType.SUB, b"PUB", greeting=GREETING_3_0)
    assert connection.send(Subscribe(b"t" * length)) == bytes.fromhex(header) + b"\x01" + b"t" * length


@pytest.mark.requirement("37-58", "37-59")
@pytest.mark.parametrize("greeting", [GREETING, GREETING_3_0], ids=["3.1", "3.0"])
def test_subscriptions_are_accepted_in_both_forms(greeting: bytes) -> None:
    connection = in_traffic(SocketType.PUB, b"SUB", greeting=greeting)
    octets = command(b"SUBSCRIBE", b"A") + command(b"CANCEL", b"A") + frame(b"\x01B") + frame(b"\x00B")
    assert hear(connection, [octets]) == [Subscribe(b"A"), Cancel(b"A"), [b"\x01B"], [b"\x00B"]]


@pytest.mark.requirement("37-67", "37-68")
def test_a_3_0_peer_is_sent_no_ping_but_its_own_is_answered() -> None:
    connection = in_traffic(SocketType.SUB, b"PUB", greeting=GREETING_3_0)
    assert connection.send(Ping(20, b"")) == b""
    assert hear(connection, [command(b"PING", b"\0\0x")]) == [Ping(0, b"x")]
    assert connection.data_to_send() == command(b"PONG", b"x")
    assert in_traffic(SocketType.SUB, b"PUB").send(Ping(20, b"")) == bytes.fromhex("04 07 04 50 49 4e 47 00 14")


def test_a_message_to_many_is_encoded_once() -> None:
    one, other = in_traffic(SocketType.PUB, b"SUB"), in_traffic(SocketType.PUB, b"XSUB")
    shared = SharedMessage([b"eu", b"sun"])
    assert one.send(shared) == b"\x01\x02eu\x00\x03sun"
    assert other.send(shared) is one.send(shared)


# ------------------------------------------------------------------------------------------------ states and the end


def test_state_advances_by_events_and_not_by_receive_data() -> None:
    connection = Connection(SocketType.REP)
    states = [connection.state]
    connection.receive_data(GREETING + READY["REQ"] + frame(b"", more=True) + frame(b"hi") + command(b"PONG"))
    connection.receive_data(b"")
    states.append(connection.state)
    while connection.state is not State.CLOSED:
        connection.next_event()
        states.append(connection.state)
    assert states == [
        State.GREETING,
        State.GREETING,
        State.HANDSHAKE,
        State.TRAFFIC,
        State.TRAFFIC,
        State.TRAFFIC,
        State.CLOSED,
    ]


TO_EACH_STATE = {
    State.GREETING: b"",
    State.HANDSHAKE: GREETING,
    State.TRAFFIC: GREETING + ready(b"PUSH"),
    State.CLOSED: b"not ZMTP",
}
TOLD = {
    Greeting: GREETING,
    Ready: ready(b"PUSH"),
    Error: command(b"ERROR", b"\x00"),
    list: frame(b"hello"),
    Subscribe: command(b"SUBSCRIBE"),
    Cancel: command(b"CANCEL"),
    Ping: command(b"PING", b"\0\0"),
    Pong: command(b"PONG"),
    ConnectionClosed: b"",
}


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("state", State)
def test_the_table_of_transitions_is_exactly_what_happens(state: State, told: type) -> None:
    connection = Connection(SocketType.PULL)
    hear(connection, [TO_EACH_STATE[state]])
    assert connection.state is state
    heard = hear(connection, [TOLD[told]], end=told is ConnectionClosed)
    if (state, told) in TRANSITIONS:
        assert type(heard[0]) is told
        assert connection.state is TRANSITIONS[state, told]
    else:
        # A violation; but a peer that says READY or ERROR again is passed over, and a closed connection hears nothing.
        assert all(type(event) in (ProtocolError, ConnectionClosed) for event in heard)
        assert connection.state is (
            State.TRAFFIC if state is State.TRAFFIC and told in (Ready, Error) else State.CLOSED
        )


@pytest.mark.parametrize(
    ("heard_so_far", "where"),
    [
        (b"", "after 0 of the 64 octets of the greeting"),
        (GREETING[:63], "after 63 of the 64 octets of the greeting"),
        (GREETING, "in the handshake"),
        (GREETING + ready(b"PUSH")[:-1], "in the handshake"),
        (GREETING + ready(b"PUSH"), ""),
        (GREETING + ready(b"PUSH") + frame(b"whole"), ""),
        (GREETING + ready(b"PUSH") + frame(b"hello")[:3], "inside a frame, 3 octets into it"),
        (GREETING + ready(b"PUSH") + frame(b"a", more=True) * 2, "inside a message, after 2 of its frames"),
    ],
)
def test_the_end_reports_what_it_cut_off(heard_so_far: bytes, where: str) -> None:
    assert hear(Connection(SocketType.PULL), [heard_so_far], end=True)[-1] == ConnectionClosed(where)


def test_events_before_the_end_are_returned_before_it() -> None:
    connection = Connection(SocketType.PULL)
    connection.receive_data(GREETING + ready(b"PUSH") + frame(b"last words"))
    connection.receive_data(b"")
    assert drain(connection)[2:] == [[b"last words"], ConnectionClosed("")]


@pytest.mark.parametrize("octets", [b"not ZMTP", GREETING + frame(b"early"), GREETING + ready(b"PUSH") + b"\xff\xff"])
def test_after_a_violation_there_is_nothing_but_the_end(octets: bytes) -> None:
    connection = Connection(SocketType.PULL)
    heard = hear(connection, [octets])
    assert [type(event) for event in heard[-2:]] == [ProtocolError, ConnectionClosed]
    for more in (GREETING, frame(b"hello"), b""):
        connection.receive_data(more)
        assert connection.next_event() == ConnectionClosed("")
    assert connection.state is State.CLOSED


def test_nothing_that_comes_after_the_end_is_kept() -> None:
    connection = Connection(SocketType.PULL)
    hear(connection, [b"not ZMTP"])
    tracemalloc.start()
    try:
        for _ in range(64):
            connection.receive_data(bytes(65536))
        assert tracemalloc.get_traced_memory()[0] < 2**18
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_the_cost_of_a_flood_of_pings_is_linear() -> None:
    """64 KiB hold nine thousand of them. Whoever copies all earlier answers for each new one copies 250 MB."""
    connection = in_traffic(SocketType.PULL, b"PUSH")
    connection.receive_data(command(b"PING", b"\0\0") * 9000)
    copied = 0
    tracemalloc.start()
    try:
        while True:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            if connection.next_event() is NEED_DATA:
                break
            copied += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert connection.data_to_send() == command(b"PONG") * 9000
    assert copied < 9000 * 2000


# -------------------------------------------------------------------------------------------------------- large frames


def pour(connection: Connection, stream: bytes, most: int) -> list[object]:
    """Into the buffer where the connection has one, as `Stream.try_receive_into` does: the events."""
    heard: list[object] = []
    buffers = 0
    while stream:
        if (buffer := connection.get_buffer()) is not None:
            with buffer:
                count = min(len(buffer), len(stream), most)
                buffer[:count] = stream[:count]
            connection.buffer_updated(count)
            buffers += 1
        else:
            count = min(len(stream), most)
            connection.receive_data(stream[:count])
        stream = stream[count:]
        heard += drain(connection)
    assert buffers > 0
    return heard


@pytest.mark.parametrize("most", [30_000, 65_536, 10**7])
def test_large_frames_may_be_put_where_they_are_to_stay(most: int) -> None:
    large = [bytes(range(256)) * 1200, bytes(3_000_000), bytes(131_072)]
    octets = b"".join(
        [
            frame(b"small"),
            frame(large[0]),
            frame(large[1], more=True),
            command(b"PING", b"\0\0"),
            frame(b"end"),
            frame(large[2], more=True),
            frame(b""),
            frame(b"small"),
            frame(large[0])[:150_000],
        ]
    )
    connection = in_traffic(SocketType.PULL, b"PUSH")
    assert connection.get_buffer() is None
    heard = pour(connection, octets, min(most, 200_000))
    assert heard == [[b"small"], [large[0]], Ping(0, b""), [large[1], b"end"], [large[2], b""], [b"small"]]
    assert connection.decoder.held == 150_000
    connection.receive_data(b"")
    assert drain(connection) == [ConnectionClosed("inside a frame, 150000 octets into it")]


@pytest.mark.parametrize("socket_type", [SocketType.PUSH, SocketType.REQ])
@pytest.mark.parametrize("shared", [False, True])
def test_a_large_last_frame_is_a_buffer_of_its_own(socket_type: SocketType, shared: bool) -> None:
    peer = {SocketType.PUSH: b"PULL", SocketType.REQ: b"REP"}[socket_type]
    connection = in_traffic(socket_type, peer)
    body = bytes(LARGE)
    for message in ([body], [b"", body], [bytes(300), bytes(LARGE + 1), body]):
        count, buffers = connection.encode([SharedMessage(message) if shared else message, b"next"])
        assert (count, len(buffers)) == (1, 2)
        assert b"".join(buffers) == encode_message(message) == connection.send(message)
        assert buffers[1] is body


def test_no_other_frame_is_a_buffer_of_its_own() -> None:
    connection = in_traffic(SocketType.PUSH, b"PULL")
    items: list[Item] = [[b""], [bytes(LARGE - 1)], [bytes(LARGE), b""], Subscribe(bytes(LARGE))]
    assert [len(connection.encode([item])[1]) for item in items] == [1] * 4


def test_a_large_message_behind_small_ones_waits_for_a_write() -> None:
    connection = in_traffic(SocketType.PUSH, b"PULL")
    for large in (bytes(LARGE), [b"", bytes(LARGE)]):
        assert connection.encode([b"a", [b"b"], large, b"c"]) == (2, [b"\0\1a\0\1b"])


# ------------------------------------------------------------------------------------------------------- in any pieces

contexts = st.binary(max_size=16)
bodies = st.binary(max_size=20) | st.sampled_from([255, 256, 1000]).map(bytes)
# What may stand anywhere in traffic, with the event that it is.
interludes = st.one_of(
    bodies.map(lambda prefix: (command(b"SUBSCRIBE", prefix), Subscribe(prefix))),
    bodies.map(lambda prefix: (command(b"CANCEL", prefix, long=True), Cancel(prefix))),
    st.tuples(st.integers(0, 65535), contexts).map(
        lambda ping: (command(b"PING", ping[0].to_bytes(2, "big") + ping[1]), Ping(*ping))
    ),
    contexts.map(lambda context: (command(b"PONG", context), Pong(context))),
    bodies.map(lambda data: (command(b"UNHEARD", data), None)),
)
Told = tuple[bytes, object]


@st.composite
def messages(draw: st.DrawFn) -> list[Told]:
    """A message, and what came between its frames."""
    told: list[Told] = []
    frames = draw(st.lists(st.tuples(bodies, st.booleans()), min_size=1, max_size=4))
    for body, long in frames[:-1]:
        told.append((frame(body, more=True, long=long), None))
        told += draw(st.lists(interludes, max_size=2))
    body, long = frames[-1]
    return [*told, (frame(body, long=long), [body for body, _ in frames])]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[object]]:
    """What a peer may say to a PUB from its first octet on, and the events that it should be."""
    padding = draw(st.binary(min_size=8, max_size=8))
    major = draw(st.sampled_from([3, 3, 3, 4]))
    minor = draw(st.sampled_from([0, 1, 2]))
    as_server = draw(st.booleans())
    filler = draw(st.sampled_from([bytes(31), b"\xff" * 31]))
    octets = b"\xff" + padding + b"\x7f" + bytes([major, minor]) + b"NULL" + bytes(16) + bytes([as_server]) + filler
    properties = draw(
        st.permutations(
            [
                (draw(st.sampled_from([b"Socket-Type", b"SOCKET-TYPE"])), b"SUB"),
                (b"X-v", draw(bodies)),
                (b"Identity", b""),
            ]
        )
    )
    octets += command(b"READY", metadata(*properties), long=draw(st.booleans()))
    events: list[object] = [
        Greeting(major, minor, b"NULL", as_server),
        Ready({name.lower(): value for name, value in properties}),
    ]
    for told in draw(st.lists(interludes.map(lambda told: [told]) | messages(), max_size=8)):
        for said, event in told:
            octets += said
            if event is not None:
                events.append(event)
    return octets, events


@pytest.mark.requirement("37-27", "37-35", "37-55", "L-12")
@given(conversations(), st.data())
@pytest.mark.slow
def test_any_cutting_of_any_conversation_gives_the_same_events(
    conversation: tuple[bytes, list[object]], data: st.DataObject
) -> None:
    octets, events = conversation
    cuts = sorted(data.draw(st.sets(st.integers(1, len(octets) - 1), max_size=20), label="cuts"))
    chunks = [octets[start:end] for start, end in pairwise([0, *cuts, len(octets)])]
    assert hear(Connection(SocketType.PUB), chunks, end=True) == [*events, ConnectionClosed("")]
    # Nor does it matter when the events are asked for.
    connection = Connection(SocketType.PUB)
    for chunk in chunks:
        connection.receive_data(chunk)
        if data.draw(st.booleans(), label="ask now"):
            event = connection.next_event()
            if event is not NEED_DATA:
                assert event == events.pop(0)
    connection.receive_data(b"")
    assert drain(connection) == [*events, ConnectionClosed("")]


items = st.one_of(
    st.lists(bodies, min_size=1, max_size=4),
    bodies.map(Subscribe),
    bodies.map(Cancel),
    st.builds(Ping, st.integers(0, 655), contexts),
)


@pytest.mark.requirement("37-55", "37-58")
@given(st.lists(items), st.booleans())
@pytest.mark.slow
def test_two_ends_understand_each_other(said: list[Message | Subscribe | Cancel | Ping], modern: bool) -> None:
    sub, pub = Connection(SocketType.SUB), Connection(SocketType.PUB)
    greeting = pub.data_to_send()
    hear(sub, [greeting if modern else GREETING_3_0])
    hear(pub, [sub.data_to_send()])
    hear(sub, [pub.data_to_send()])
    heard = hear(pub, [sub.send(item) for item in said])
    if modern:
        assert heard == said
        assert pub.data_to_send() == b"".join(command(b"PONG", ping.context) for ping in said if isinstance(ping, Ping))
    else:
        forms = {Subscribe: b"\x01", Cancel: b"\x00"}
        assert heard == [
            item if isinstance(item, list) else [forms[type(item)] + item.prefix]
            for item in said
            if not isinstance(item, Ping)
        ]


@given(
    st.sampled_from(
        [b"", GREETING, GREETING + b"\x04", GREETING + READY["REQ"], GREETING + READY["REQ"] + b"\x01\x01a"]
    ),
    st.lists(
        st.binary()
        | st.builds(lambda flags, body: bytes([flags, len(body)]) + body, st.integers(0, 7), st.binary(max_size=30))
        | st.builds(command, st.sampled_from([b"PING", b"READY", b"ERROR", b"SUBSCRIBE"]), st.binary(max_size=30)),
    ),
)
@pytest.mark.slow
def test_arbitrary_octets_are_events_or_one_protocol_error(start: bytes, chunks: list[bytes]) -> None:
    connection = Connection(SocketType.REP, max_message_size=10_000)
    heard = hear(connection, [start, *(chunk for chunk in chunks if chunk)], end=True)
    assert type(heard[-1]) is ConnectionClosed
    assert len(heard) <= len(start) + sum(map(len, chunks)) + 2
    if refusal(heard):
        assert type(heard[-2]) is ProtocolError


# ------------------------------------------------------------------------------------------------------- allowance


FLOODS = {
    "PING": command(b"PING", b"\0\0"),
    "PONG": command(b"PONG"),
    "unknown": command(b"X"),
    "frames": frame(b"xx", more=True),
    "sub": frame(b"\1x"),
}


@pytest.mark.parametrize(
    ("kind", "flood", "least", "most"),
    [
        (SocketType.PULL, "PING", 4, 5),
        (SocketType.PULL, "PONG", 4, 5),
        (SocketType.PULL, "unknown", 4, 5),
        (SocketType.PULL, "frames", 60, 61),
        (SocketType.XPUB, "sub", 4, 5),
        (SocketType.PUB, "frames", 4, 5),
    ],
)
def test_an_allowance_of_1024_is_a_few_frames(kind: SocketType, flood: str, least: int, most: int) -> None:
    """However many there are: 10,000 here."""
    connection = in_traffic(kind, b"XSUB" if "PUB" in kind.name else b"PUSH")
    connection.receive_data(FLOODS[flood] * 10_000)
    before = connection.decoder.held
    connection.decoder.allowance = 1024
    while connection.next_event(1000) is not NEED_DATA:
        pass
    assert connection.decoder.allowance <= 0
    assert least <= (before - connection.decoder.held) // len(FLOODS[flood]) <= most


def test_messages_of_one_frame_may_be_a_thousand() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    connection.receive_data(frame(b"x") * 10_000)
    connection.decoder.allowance = 1024
    messages = connection.next_event(5000)
    assert isinstance(messages, Messages)
    assert len(messages.messages) == 1024
    assert connection.next_event(5000) is connection.next_event() is NEED_DATA


def test_messages_of_several_frames_count_each_of_them() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    connection.receive_data((frame(b"x", more=True) * 9 + frame(b"y")) * 1000)
    connection.decoder.allowance = 1024
    found = 0
    while isinstance(messages := connection.next_event(5000), Messages):
        found += len(messages.messages)
    assert 80 <= found <= 102


def test_the_end_waits_for_what_the_allowance_left() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    connection.receive_data(FLOODS["PING"] * 6)
    connection.receive_data(b"")
    told: list[object] = []
    while not told or told[-1] != ConnectionClosed(""):
        connection.decoder.allowance = 1024
        while (event := connection.next_event()) is not NEED_DATA:
            told.append(event)
            if event == ConnectionClosed(""):
                break
    assert told == [Ping(0, b"")] * 6 + [ConnectionClosed("")]


@given(conversations(), st.integers(1, 400))
@pytest.mark.slow
def test_any_allowance_gives_the_same_events(conversation: tuple[bytes, list[object]], allowance: int) -> None:
    octets, events = conversation
    connection = Connection(SocketType.PUB)
    connection.receive_data(octets)
    heard: list[object] = []
    for _ in range(len(octets) + 1):
        connection.decoder.allowance = allowance
        while (event := connection.next_event()) is not NEED_DATA:
            heard.append(event)
    assert heard == events


# ---------------------------------------------------------------------------------------------- limits for strangers


@pytest.mark.parametrize("kind", [SocketType.PUB, SocketType.XPUB])
def test_a_subscribers_message_has_128_frames_at_most(kind: SocketType) -> None:
    """Each of them may be a subscription, and all are looked at in one go."""
    said = frame(b"\1x", more=True) * 127 + frame(b"\1x")
    assert hear(in_traffic(kind, b"SUB"), [said]) == [[b"\1x"] * 128]
    error = refusal(hear(in_traffic(kind, b"SUB"), [frame(b"\1x", more=True) + said]))
    assert str(error) == (
        "a subscriber's message of more than 128 frames, expected several messages, because a publisher reads each"
        " frame as a subscription"
    )


def test_a_message_has_262144_frames_at_most() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH")
    error = refusal(hear(connection, [frame(b"", more=True) * (2**18 + 1)]))
    assert str(error) == (
        "262145 frames of a message whose last has not come, 0 octets; expected at most 262144 frames:"
        " send it as several messages"
    )
    assert connection._assembler.frames == []


@pytest.mark.parametrize("size", [0, 1, 2, 15, 16, 100, 255, 1000])
@pytest.mark.slow
def test_an_unfinished_message_costs_what_it_counts(size: int) -> None:
    """As memory, and not only as octets that came."""
    limit = 1_000_000
    connection = Connection(SocketType.PULL, max_unfinished=limit)
    hear(connection, [GREETING, ready(b"PUSH")])
    said = frame(bytes(range(256))[:size].ljust(size), more=True)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(limit // (size + 64)):
            connection.receive_data(said)
            assert connection.next_event() is NEED_DATA
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept <= limit
    assert refusal(hear(connection, [said])) is not None


def test_metadata_take_as_much_memory_as_was_received() -> None:
    """As text, 64 KiB of them could be a megabyte."""
    value = "\U0001f600".encode() + b"\xff" * 60_000
    connection = Connection(SocketType.PULL)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        *_, event = hear(connection, [GREETING, command(b"READY", metadata((b"X-a", value)), long=True)])
        assert isinstance(event, Ready)
        text = metadata_as_text(event.metadata)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 70_000
    assert text["X-A"].startswith("\U0001f600\\xff\\xff")
    assert (list(text), len(text)) == (["X-A"], 1)


# ------------------------------------------------------------------------------------------------ peers of ZMTP 3.0


@pytest.mark.requirement("37-58")
def test_a_peer_of_3_0_is_sent_ping_once_it_has_sent_one() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH", greeting=GREETING_3_0)
    assert connection.send(Ping(5, b"")) == connection.send(Pong(b"")) == b""
    assert not connection.knows_ping
    assert hear(connection, [command(b"PING", b"\0\0")]) == [Ping(0, b"")]
    assert connection.knows_ping
    assert connection.send(Ping(5, b"")) == command(b"PING", b"\0\5")


def test_a_peer_of_3_0_is_sent_ping_if_the_user_says_so() -> None:
    connection = in_traffic(SocketType.PULL, b"PUSH", greeting=GREETING_3_0)
    connection.knows_ping = True
    assert connection.send(Ping(5, b"")) == command(b"PING", b"\0\5")
    assert connection.send(Subscribe(b"a")) == frame(b"\1a")  # of SUBSCRIBE that says nothing
