"""PLAIN: a name and a password, in clear (24/ZMTP-PLAIN)."""

import pytest

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
    Ready,
    State,
)
from minizmtp.wire.plain import PlainClient, PlainServer
from tests.minizmtp.streams import drain, hear, refusal
from tests.zmtp_bytes import GREETING, command, frame, metadata

PLAIN = GREETING.replace(b"NULL\0", b"PLAIN", 1)
GREETED = Greeting(3, 1, b"PLAIN", False)

# As libzmq 4.3.5 was seen to say it.
HELLO = bytes.fromhex("04 13 05 48454c4c4f 05 61646d696e 06 736563726574")
WELCOME = bytes.fromhex("04 08 07 57454c434f4d45")
INITIATE = bytes.fromhex(
    "04 29 08 494e495449415445 0b536f636b65742d54797065 00000003524551 084964656e74697479 00000000"
)
READY = bytes.fromhex("04 19 05 5245414459 0b536f636b65742d54797065 00000003524550")
QUESTION = AuthRequest(b"PLAIN", (b"admin", b"secret"), b"")


def client(username: bytes = b"admin", password: bytes = b"secret") -> Connection:
    return Connection(SocketType.REQ, mechanism=PlainClient(username, password))


def server() -> Connection:
    return Connection(SocketType.REP, mechanism=PlainServer())


def asking() -> Connection:
    """A server that was told HELLO, and has asked."""
    connection = server()
    assert hear(connection, [PLAIN + HELLO]) == [GREETED, QUESTION]
    connection.data_to_send()
    return connection


# ------------------------------------------------------------------------------------------------------ a right one


@pytest.mark.requirement("24-1", "24-2", "24-3", "24-5", "24-6", "37-9")
def test_the_client_says_what_libzmqs_client_says() -> None:
    connection = client()
    assert connection.data_to_send() == PLAIN[:32] + bytes(32)  # as-server is 0 …
    assert hear(connection, [PLAIN]) == [GREETED]
    assert connection.data_to_send() == HELLO
    assert hear(connection, [WELCOME]) == []
    assert connection.data_to_send() == INITIATE
    with pytest.raises(RuntimeError, match="wait until"):
        connection.send([b"", b"hi"])
    assert hear(connection, [READY]) == [Ready({b"socket-type": b"REP"})]
    assert connection.send([b"", b"hi"]) == bytes.fromhex("01 00 00 02 6869")


@pytest.mark.requirement("24-1", "24-2", "24-4", "24-5", "24-7")
def test_the_server_says_what_libzmqs_server_says() -> None:
    connection = server()
    assert connection.data_to_send() == PLAIN[:32] + b"\1" + bytes(31)  # libzmq's server says 0 here
    assert hear(connection, [PLAIN + HELLO]) == [GREETED, QUESTION]
    assert connection.data_to_send() == b""
    connection.receive_auth_reply(AuthReply(200))
    assert connection.data_to_send() == WELCOME
    assert hear(connection, [INITIATE]) == [Ready({b"socket-type": b"REQ", b"identity": b""})]
    assert connection.data_to_send() == READY
    assert connection.send([b"", b"early"]) == bytes.fromhex("01 00 00 05 6561726c79")


@pytest.mark.requirement("24-3")
@pytest.mark.parametrize(("name", "password"), [(b"", b""), (b"a", b""), (b"", b"p"), (b"n" * 255, b"\xff" * 255)])
def test_name_and_password_may_be_of_any_octets_and_up_to_255(name: bytes, password: bytes) -> None:
    one, other = client(name, password), server()
    hear(one, [other.data_to_send()])
    assert hear(other, [one.data_to_send()])[1:] == [AuthRequest(b"PLAIN", (name, password), b"")]


def test_nothing_more_is_read_before_the_auth_reply() -> None:
    connection = asking()
    assert hear(connection, [INITIATE]) == []
    connection.receive_auth_reply(AuthReply(200))
    assert drain(connection) == [Ready({b"socket-type": b"REQ", b"identity": b""})]


# ----------------------------------------------------------------------------------------------------- not let in


@pytest.mark.requirement("24-8", "24-9")
@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_client_gets_a_correctly_spelt_error(status: int) -> None:
    connection = asking()
    with pytest.raises(Refused, match=f"refused with status {status}: go away") as caught:
        connection.receive_auth_reply(AuthReply(status, "go away"))
    assert caught.value.status == status
    assert connection.data_to_send() == b"\x04\x0a\x05ERROR\x03%d" % status
    assert connection.state is State.CLOSED
    assert hear(connection, [INITIATE]) == [ConnectionClosed("")]


@pytest.mark.requirement("24-8")
def test_a_passing_failure_is_a_close_without_a_word() -> None:
    connection = asking()
    with pytest.raises(Refused):
        connection.receive_auth_reply(AuthReply(300, "later"))
    assert connection.data_to_send() == b""
    assert connection.next_event() == ConnectionClosed("")


@pytest.mark.requirement("24-8", "24-9")
@pytest.mark.parametrize("error", ["04 0a 05 4552524f52 03 343030", "04 09 5e 52524f52 03 343030"])
@pytest.mark.parametrize("before", [b"", WELCOME], ids=["HELLO", "INITIATE"])
def test_the_client_reads_error_in_both_spellings(error: str, before: bytes) -> None:
    connection = client()
    assert hear(connection, [PLAIN + before + bytes.fromhex(error)]) == [GREETED, Error(b"400"), ConnectionClosed("")]
    assert connection.state is State.CLOSED


# ------------------------------------------------------------------------------------------------------ wrong ones

MALFORMED = {
    "nothing": b"",
    "one length": b"\x05admin",
    "username too short": b"\x06admin",
    "password too short": b"\x05admin\x07secret",
    "an octet more": b"\x05admin\x06secret\0",
    "a name without end": b"\xffadmin",
}


@pytest.mark.requirement("24-3")
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_hello_that_does_not_add_up_is_refused_without_a_word(data: bytes) -> None:
    connection = server()
    error = refusal(hear(connection, [PLAIN + command(b"HELLO", data)]))
    assert error is not None
    assert error.violation is Violation.MALFORMED_HELLO
    assert str(error).endswith("(24/ZMTP-PLAIN)")
    connection.data_to_send()


@pytest.mark.requirement("24-4")
def test_a_welcome_that_says_more_is_refused() -> None:
    error = refusal(hear(client(), [PLAIN + command(b"WELCOME", b"\0")]))
    assert error is not None
    assert str(error) == "WELCOME with 1 octets after its name, expected none (24/ZMTP-PLAIN)"
    assert error.violation is Violation.MALFORMED_WELCOME


@pytest.mark.requirement("24-5")
def test_bad_metadata_and_a_wrong_type_are_refused_by_both_roles() -> None:
    for properties in (b"\x0bSocket", metadata((b"Socket-Type", b"PUB")), metadata((b"Identity", b"x" * 256))):
        connection = asking()
        connection.receive_auth_reply(AuthReply(200))
        error = refusal(hear(connection, [command(b"INITIATE", properties)]))
        assert error is not None
        assert error.violation is Violation.INVALID_METADATA
        assert connection.data_to_send() == WELCOME  # and no READY
        error = refusal(hear(client(), [PLAIN + WELCOME + command(b"READY", properties)]))
        assert error is not None
        assert error.violation is Violation.INVALID_METADATA


OUT_OF_TURN = [HELLO, WELCOME, INITIATE, READY, command(b"PING", b"\0\0"), command(b"SUBSCRIBE", b""), frame(b"hi")]


@pytest.mark.requirement("24-2", "24-10", "37-11")
@pytest.mark.parametrize("said", OUT_OF_TURN)
def test_each_command_has_one_place_and_is_refused_in_any_other(said: bytes) -> None:
    """HELLO to a client is what a second client says."""

    def is_refused(connection: Connection) -> bool:
        error = refusal(hear(connection, [said]))
        return error is not None and error.violation is Violation.UNEXPECTED_COMMAND

    waiting: dict[bytes, Connection] = {HELLO: server(), WELCOME: client(), INITIATE: asking(), READY: client()}
    for place in (HELLO, WELCOME, READY):
        assert hear(waiting[place], [PLAIN]) in ([GREETED], [])
    waiting[INITIATE].receive_auth_reply(AuthReply(200))
    hear(waiting[READY], [WELCOME])
    for place, connection in waiting.items():
        assert is_refused(connection) is (said != place)


@pytest.mark.requirement("24-10")
def test_a_stream_may_come_octet_by_octet_and_end_at_each() -> None:
    for said, make in ((HELLO + INITIATE, server), (WELCOME + READY, client)):
        for end in range(len(PLAIN + said)):
            connection = make()
            for at in range(end):
                connection.receive_data((PLAIN + said)[at : at + 1])
                while (event := connection.next_event()) is not NEED_DATA:
                    if isinstance(event, AuthRequest):
                        connection.receive_auth_reply(AuthReply(200))
            connection.receive_data(b"")
            assert isinstance(connection.next_event(), ConnectionClosed)
            assert connection.state is State.CLOSED


@pytest.mark.requirement("24-10", "24-3")
def test_a_changed_bit_is_refused_or_makes_another_request() -> None:
    """Nothing protects PLAIN: a bit of the password that changes is another password, and no more than that."""
    for bit in range(8 * len(HELLO)):
        changed = bytearray(HELLO)
        changed[bit // 8] ^= 1 << bit % 8
        heard = hear(server(), [PLAIN + bytes(changed)])[1:]
        assert not heard or isinstance(heard[0], (ProtocolError, AuthRequest))
        assert QUESTION not in heard


def test_a_client_does_not_authenticate_its_server() -> None:
    with pytest.raises(NotImplementedError):
        PlainClient(b"", b"").on_accepted()
