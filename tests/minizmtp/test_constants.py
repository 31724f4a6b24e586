"""The numbers are libzmq's: a program may use both."""

import errno

import pytest

from minizmtp import constants, errors
from minizmtp.constants import PEERS, Event, SocketType
from minizmtp.errors import Violation

zmq = pytest.importorskip("zmq")


@pytest.mark.parametrize("kind", SocketType)
def test_socket_types_are_libzmqs(kind: SocketType) -> None:
    assert kind == getattr(zmq, kind.name)


@pytest.mark.parametrize("event", Event)
def test_events_are_libzmqs(event: Event) -> None:
    assert event.value == getattr(zmq, f"EVENT_{event.name}")


@pytest.mark.parametrize("name", ["NOBLOCK", "DONTWAIT", "SNDMORE", "POLLIN", "POLLOUT"])
def test_flags_and_masks_are_libzmqs(name: str) -> None:
    assert getattr(constants, name) == getattr(zmq, name)


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.isupper()])
def test_error_numbers_are_libzmqs_or_the_systems(name: str) -> None:
    assert getattr(errors, name) == (getattr(zmq, name, None) or getattr(errno, name))


NAMES_OF_LIBZMQ = {
    "UNSPECIFIED": "ZMTP_UNSPECIFIED",
    "UNEXPECTED_COMMAND": "ZMTP_UNEXPECTED_COMMAND",
    "INVALID_SEQUENCE": "ZMTP_INVALID_SEQUENCE",
    "KEY_EXCHANGE": "ZMTP_KEY_EXCHANGE",
    "MALFORMED_COMMAND": "ZMTP_MALFORMED_COMMAND_UNSPECIFIED",
    "MALFORMED_MESSAGE": "ZMTP_MALFORMED_COMMAND_MESSAGE",
    "MALFORMED_HELLO": "ZMTP_MALFORMED_COMMAND_HELLO",
    "MALFORMED_INITIATE": "ZMTP_MALFORMED_COMMAND_INITIATE",
    "MALFORMED_ERROR": "ZMTP_MALFORMED_COMMAND_ERROR",
    "MALFORMED_READY": "ZMTP_MALFORMED_COMMAND_READY",
    "MALFORMED_WELCOME": "ZMTP_MALFORMED_COMMAND_WELCOME",
    "INVALID_METADATA": "ZMTP_INVALID_METADATA",
    "CRYPTOGRAPHIC": "ZMTP_CRYPTOGRAPHIC",
    "MECHANISM_MISMATCH": "ZMTP_MECHANISM_MISMATCH",
    "ZAP_MALFORMED_REPLY": "ERROR_ZAP_MALFORMED_REPLY",
    "ZAP_BAD_REQUEST_ID": "ERROR_ZAP_BAD_REQUEST_ID",
    "ZAP_BAD_VERSION": "ERROR_ZAP_BAD_VERSION",
    "ZAP_INVALID_STATUS_CODE": "ERROR_ZAP_INVALID_STATUS_CODE",
    "ZAP_INVALID_METADATA": "ERROR_ZAP_INVALID_METADATA",
}


@pytest.mark.parametrize("violation", Violation)
def test_violations_are_libzmqs(violation: Violation) -> None:
    names = [name for name in dir(zmq) if name.endswith(NAMES_OF_LIBZMQ[violation.name])]
    assert [int(getattr(zmq, name)) for name in names] == [violation.value]


@pytest.mark.requirement("37-44")
def test_each_pair_of_types_is_legal_in_both_directions() -> None:
    assert all(one in PEERS[other] for one in PEERS for other in PEERS[one])
