"""The greeting: 64 octets, once each way (37/ZMTP, "Version Negotiation")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.errors import ProtocolError, Violation
from minizmtp.wire.greeting import Greeting, check_greeting, check_mechanism, decode_greeting, encode_greeting
from tests.zmtp_bytes import GREETING, GREETING_3_0, GREETING_WITH_ID


def changed(octet: int, value: int) -> bytes:
    """libzmq's greeting with one octet another."""
    return GREETING[:octet] + bytes([value]) + GREETING[octet + 1 :]


@pytest.mark.requirement("37-1", "37-3", "37-8", "37-9", "37-13")
def test_our_greeting_has_64_octets_with_zeros_as_filler() -> None:
    assert encode_greeting(b"NULL") == bytes.fromhex(
        "ff 00 00 00 00 00 00 00 00 7f 03 01"
        "4e 55 4c 4c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
        "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    )


@pytest.mark.requirement("37-9")
@pytest.mark.parametrize(
    ("mechanism", "octets"),
    [(b"PLAIN", "50 4c 41 49 4e" + " 00" * 15), (b"CURVE", "43 55 52 56 45" + " 00" * 15), (b"X" * 20, "58" * 20)],
)
def test_the_mechanism_is_padded_with_nulls_to_20_octets(mechanism: bytes, octets: str) -> None:
    assert encode_greeting(mechanism)[12:32] == bytes.fromhex(octets)


def test_as_server_is_octet_32() -> None:
    assert encode_greeting(b"PLAIN", as_server=True)[32:] == b"\x01" + bytes(31)


def test_the_greeting_of_libzmq_is_read() -> None:
    assert decode_greeting(GREETING) == Greeting(major=3, minor=1, mechanism=b"NULL", as_server=False)


@pytest.mark.requirement("37-4")
@pytest.mark.parametrize("octet", range(1, 9))
@pytest.mark.parametrize("value", [0x01, 0x7F, 0xFF])
def test_the_padding_of_the_signature_may_have_any_value(octet: int, value: int) -> None:
    assert decode_greeting(changed(octet, value)) == decode_greeting(GREETING)


@pytest.mark.requirement("37-4")
def test_a_routing_id_of_libzmq_shows_in_the_padding() -> None:
    assert decode_greeting(GREETING_WITH_ID) == decode_greeting(GREETING)


@pytest.mark.parametrize("octet", range(33, 64))
def test_the_filler_may_have_any_value(octet: int) -> None:
    assert decode_greeting(changed(octet, 0xFF)) == decode_greeting(GREETING)


@pytest.mark.requirement("37-5", "37-6")
@pytest.mark.parametrize("major", [3, 4, 5, 255])
def test_versions_above_ours_are_accepted(major: int) -> None:
    assert decode_greeting(changed(10, major)).major == major


@pytest.mark.parametrize("minor", [0, 1, 2, 255])
def test_every_minor_version_of_3_is_accepted(minor: int) -> None:
    assert decode_greeting(changed(11, minor)).minor == minor


def test_a_3_0_peer_is_known_by_octet_11() -> None:
    assert decode_greeting(GREETING_3_0)[:2] == (3, 0)


@pytest.mark.requirement("37-13")
def test_a_null_peer_that_claims_to_be_server_is_accepted() -> None:
    assert decode_greeting(changed(32, 1)).as_server is True


# --------------------------------------------------------------------------------------------------------- refused


@pytest.mark.requirement("37-7")
@pytest.mark.parametrize("value", [value for value in range(256) if value != 0xFF])
@pytest.mark.slow
def test_a_first_octet_other_than_ff_is_refused_at_once(value: int) -> None:
    with pytest.raises(ProtocolError, match=f"first octet is {value:02x}"):
        check_greeting(bytes([value]))


@pytest.mark.requirement("37-7")
@pytest.mark.parametrize("value", range(0, 256, 2))
@pytest.mark.slow
def test_an_even_octet_9_is_zmtp_1_0(value: int) -> None:
    check_greeting(changed(9, value)[:9])
    with pytest.raises(ProtocolError, match=rf"octet 9 .* {value:02x}.*ZMTP 1\.0"):
        check_greeting(changed(9, value)[:10])


@pytest.mark.parametrize("value", range(1, 256, 2))
@pytest.mark.slow
def test_of_octet_9_only_the_last_bit_counts(value: int) -> None:
    assert decode_greeting(changed(9, value)) == decode_greeting(GREETING)


@pytest.mark.requirement("37-7")
@pytest.mark.parametrize("major", [0, 1, 2])
def test_an_older_version_is_refused_at_octet_10(major: int) -> None:
    check_greeting(changed(10, major)[:10])
    with pytest.raises(ProtocolError, match=f"octet 10 .* {major:02x}"):
        check_greeting(changed(10, major)[:11])


@pytest.mark.requirement("37-7")
@pytest.mark.parametrize(
    "octets",
    [
        b"\x01\x00",  # 1.0, anonymous
        b"\x04\x00abc",  # 1.0, called abc
        b"\xff\0\0\0\0\0\0\x01\x01\0" + bytes(256),  # 1.0, with a name so long that its header is a long one
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\x00\x00",  # 2.0
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",  # TLS
    ],
)
def test_old_and_foreign_peers_are_refused_before_64_octets(octets: bytes) -> None:
    assert len(octets) < 64 or octets[9] == 0
    with pytest.raises(ProtocolError):
        check_greeting(octets)


@pytest.mark.parametrize("count", range(65))
def test_no_beginning_of_a_good_greeting_is_refused(count: int) -> None:
    check_greeting(GREETING[:count])


@pytest.mark.requirement("37-11", "37-86")
@pytest.mark.parametrize("theirs", [b"PLAIN", b"CURVE", b"null", b"NULL\0X", b"", b"NULLNULLNULLNULLNULL"])
def test_another_mechanism_is_refused_in_both_directions(theirs: bytes) -> None:
    greeting = decode_greeting(GREETING[:12] + theirs.ljust(20, b"\0") + GREETING[32:])
    with pytest.raises(ProtocolError, match="expected NULL") as caught:
        check_mechanism(greeting, b"NULL")
    assert caught.value.violation is Violation.MECHANISM_MISMATCH


@pytest.mark.requirement("37-11", "37-86")
@pytest.mark.parametrize("ours", [b"PLAIN", b"CURVE"])
def test_a_secure_side_does_not_come_down_to_null(ours: bytes) -> None:
    with pytest.raises(ProtocolError, match=f"mechanism is NULL, expected {ours.decode()}"):
        check_mechanism(decode_greeting(GREETING), ours)


@given(st.from_regex(rb"[A-Z0-9.+_-]{1,20}", fullmatch=True), st.booleans())
def test_what_is_encoded_is_decoded(mechanism: bytes, as_server: bool) -> None:
    assert decode_greeting(encode_greeting(mechanism, as_server)) == Greeting(3, 1, mechanism, as_server)


@given(st.binary(min_size=64, max_size=64) | st.builds(lambda tail: GREETING[:11] + tail, st.binary(min_size=53)))
def test_arbitrary_octets_are_a_greeting_or_a_protocol_error(octets: bytes) -> None:
    try:
        greeting = decode_greeting(octets[:64])
        check_mechanism(greeting, b"NULL")
    except ProtocolError:
        return
    assert octets[0] == 0xFF
    assert octets[9] & 1
    assert octets[10] >= 3
    assert octets[12:32] == b"NULL".ljust(20, b"\0")
