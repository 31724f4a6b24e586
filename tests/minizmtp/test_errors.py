"""What can go wrong, in words."""

import errno

import pytest

from minizmtp.errors import EFSM, ETERM, Again, ContextTerminated, ProtocolError, Violation, ZMQError, printable


@pytest.mark.parametrize(
    ("number", "name"), [(EFSM, "EFSM"), (ETERM, "ETERM"), (errno.EINVAL, "EINVAL"), (987654, "987654")]
)
def test_an_error_is_told_with_the_name_of_its_number(number: int, name: str) -> None:
    error = ZMQError(number, "do this instead")
    assert str(error) == f"{name}: do this instead"
    assert (error.errno, error.strerror) == (number, "do this instead")


def test_again_and_terminated_know_their_numbers() -> None:
    assert Again().errno == errno.EAGAIN
    assert ContextTerminated().errno == ETERM
    assert isinstance(Again(), ZMQError)
    assert isinstance(ContextTerminated(), ZMQError)


def test_a_protocol_error_is_no_zmqerror() -> None:
    assert not issubclass(ProtocolError, ZMQError)
    assert ProtocolError("words").violation is Violation.UNSPECIFIED


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"REQ", "REQ"),
        (b"", ""),
        (b"\x1b[2J\r\n\0", r"\x1b[2J\r\n\x00"),
        ("ä".encode(), r"\xc3\xa4"),
        (b"x" * 40, "x" * 40),
        (b"x" * 41, "x" * 40 + "..."),
        (b"it's", "it's"),
    ],
)
def test_octets_of_a_peer_are_made_printable(octets: bytes, words: str) -> None:
    assert printable(octets) == words
