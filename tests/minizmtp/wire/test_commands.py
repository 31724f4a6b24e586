"""Commands and metadata (37/ZMTP, "Commands", "Connection Metadata")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.errors import ProtocolError, Violation
from minizmtp.wire.commands import (
    decode_command,
    decode_error,
    decode_ping,
    decode_traffic,
    encode_command,
    encode_error,
    encode_traffic,
)
from minizmtp.wire.events import Cancel, Error, Ping, Pong, Subscribe
from minizmtp.wire.metadata import decode_metadata, encode_metadata
from tests.zmtp_bytes import metadata

# ----------------------------------------------------------------------------------------------------------- names


@pytest.mark.requirement("37-25", "37-26")
def test_a_command_is_a_length_a_name_and_data() -> None:
    """The RFC's prose has a null after the name; its grammar and libzmq have none."""
    assert encode_command(b"SUBSCRIBE", b"A") == bytes.fromhex("09 53 55 42 53 43 52 49 42 45 41")
    assert decode_command(bytes.fromhex("09 53 55 42 53 43 52 49 42 45 41")) == (b"SUBSCRIBE", b"A")


@pytest.mark.requirement("37-26")
@pytest.mark.parametrize("length", [1, 255])
def test_a_name_has_1_to_255_letters(length: int) -> None:
    assert decode_command(bytes([length]) + b"x" * length + b"data") == (b"x" * length, b"data")


@pytest.mark.requirement("37-26")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00PING",
        b"\x05PING",
        b"\xffPING",
        b"\x04PIN1",
        b"\x04PI G",
        b"\x05PING\0",
        b"\x05PING\n",
        b"\x04\xc4\xd6\xdc\xdf",
        b"PING",
    ],
)
def test_an_empty_or_truncated_or_invalid_name_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="command that starts with") as caught:
        decode_command(body)
    assert caught.value.violation is Violation.MALFORMED_COMMAND


@given(st.from_regex(rb"[A-Za-z]{1,255}", fullmatch=True), st.binary())
@pytest.mark.slow
def test_what_is_encoded_is_decoded(name: bytes, data: bytes) -> None:
    assert decode_command(encode_command(name, data)) == (name, data)


# -------------------------------------------------------------------------------------------------------- metadata

REQ_METADATA = bytes.fromhex(
    "0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 51 08 49 64 65 6e 74 69 74 79 00 00 00 00"
)


@pytest.mark.requirement("37-34", "37-37", "37-41")
def test_metadata_is_properties_one_behind_the_other() -> None:
    assert encode_metadata({b"Socket-Type": b"REQ", b"Identity": b""}) == REQ_METADATA
    assert decode_metadata(REQ_METADATA) == {b"socket-type": b"REQ", b"identity": b""}


def test_no_metadata_is_metadata() -> None:
    assert decode_metadata(b"") == {}
    assert encode_metadata({}) == b""


def test_the_order_of_properties_is_free() -> None:
    turned = metadata((b"Identity", b"")) + metadata((b"Socket-Type", b"REQ"))
    assert decode_metadata(turned) == decode_metadata(REQ_METADATA)


@pytest.mark.requirement("37-35")
@pytest.mark.parametrize("name", [b"socket-type", b"SOCKET-TYPE", b"sOCKET-tYPE"])
def test_names_are_compared_without_case(name: bytes) -> None:
    assert decode_metadata(metadata((name, b"REQ"))) == {b"socket-type": b"REQ"}


@pytest.mark.requirement("37-35")
def test_names_are_written_as_given_because_libzmq_compares_case() -> None:
    assert encode_metadata({b"Socket-Type": b"REQ"})[1:12] == b"Socket-Type"


def test_of_a_name_that_comes_twice_the_first_value_counts() -> None:
    assert decode_metadata(metadata((b"X-a", b"1")) + metadata((b"x-A", b"2"))) == {b"x-a": b"1"}


@pytest.mark.requirement("37-42", "37-49", "37-50")
@pytest.mark.parametrize("name", [b"X-Colour", b"Resource", b"a.b+c_d-e", b"n" * 255, b"7"])
def test_names_that_mean_nothing_to_us_are_kept(name: bytes) -> None:
    assert decode_metadata(metadata((name, b"value"))) == {name.lower(): b"value"}


@pytest.mark.requirement("37-36")
@pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)), bytes(70_000)])
def test_a_value_is_any_octets(value: bytes) -> None:
    assert decode_metadata(metadata((b"X-v", value))) == {b"x-v": value}


@pytest.mark.requirement("37-37")
def test_the_length_of_a_value_is_big_endian() -> None:
    assert decode_metadata(b"\x01v\x00\x01\x02\x03" + bytes(0x010203)) == {b"v": bytes(0x010203)}


@pytest.mark.requirement("37-34")
def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ProtocolError, match="name of 1 to 255") as caught:
        decode_metadata(metadata((b"", b"value")))
    assert caught.value.violation is Violation.INVALID_METADATA


@pytest.mark.requirement("37-34")
@pytest.mark.parametrize(
    "octet", [o for o in range(256) if chr(o) not in "-_.+" and not (o < 128 and chr(o).isalnum())]
)
@pytest.mark.slow
def test_a_name_with_any_other_character_is_refused(octet: int) -> None:
    with pytest.raises(ProtocolError, match="A-Z a-z 0-9"):
        decode_metadata(metadata((b"X-" + bytes([octet]), b"value")))


@pytest.mark.requirement("37-36", "37-37", "37-38")
@pytest.mark.parametrize("count", [n for n in range(len(REQ_METADATA)) if n not in (0, 19)])
def test_metadata_that_is_cut_off_inside_a_property_is_refused(count: int) -> None:
    with pytest.raises(ProtocolError, match="property that starts with"):
        decode_metadata(REQ_METADATA[:count])


@pytest.mark.requirement("37-38")
@pytest.mark.parametrize("tail", [b"\0", b"\x01", b"X", b"\x01X\0\0\0", b"\x01X\0\0\0\x01"])
def test_octets_left_over_after_the_last_property_are_refused(tail: bytes) -> None:
    with pytest.raises(ProtocolError, match="property that starts with"):
        decode_metadata(REQ_METADATA + tail)


@pytest.mark.requirement("37-36")
@pytest.mark.parametrize("size", ["80 00 00 00", "7f ff ff ff", "00 00 00 04"])
def test_a_value_longer_than_its_command_is_refused(size: str) -> None:
    """libzmq lets the last of these pass."""
    for value in (b"", b"REQ"):
        with pytest.raises(ProtocolError, match="ends with the command"):
            decode_metadata(b"\x01v" + bytes.fromhex(size) + value)


names = st.from_regex(rb"[A-Za-z0-9\-_.+]{1,40}", fullmatch=True)


@given(st.dictionaries(names, st.binary(), max_size=8))
@pytest.mark.slow
def test_properties_survive_encoding_except_the_case_of_names(properties: dict[bytes, bytes]) -> None:
    first: dict[bytes, bytes] = {}
    for name, value in properties.items():
        first.setdefault(name.lower(), value)
    assert decode_metadata(encode_metadata(properties)) == first


@given(st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=3))), st.binary(max_size=4))
@pytest.mark.slow
def test_arbitrary_octets_are_metadata_or_a_protocol_error(row: list[tuple[bytes, bytes]], tail: bytes) -> None:
    try:
        properties = decode_metadata(metadata(*row) + tail)
    except ProtocolError:
        return
    assert all(properties.keys())


# ----------------------------------------------------------------------------------------------------------- ERROR


@pytest.mark.requirement("37-39")
def test_an_error_is_a_length_and_a_reason() -> None:
    assert encode_error(b"400") == bytes.fromhex("05 45 52 52 4f 52 03 34 30 30")
    assert decode_error(b"\x03400") == Error(b"400")
    assert decode_error(b"\x00") == Error(b"")
    assert decode_error(b"\xff" + b"x" * 255) == Error(b"x" * 255)


@pytest.mark.requirement("37-39")
def test_a_reason_is_cut_to_255_octets() -> None:
    assert encode_error(b"x" * 300) == b"\x05ERROR\xff" + b"x" * 255


@pytest.mark.requirement("37-39")
@pytest.mark.parametrize("data", [b"", b"\x01", b"\x04400", b"\x02400"])
def test_a_reason_of_another_length_than_it_says_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="octets of reason") as caught:
        decode_error(data)
    assert caught.value.violation is Violation.MALFORMED_ERROR


# --------------------------------------------------------------------------------------------------------- traffic


@pytest.mark.requirement("37-58", "37-59", "37-60")
@pytest.mark.parametrize(
    ("body", "event"),
    [
        ("09 53 55 42 53 43 52 49 42 45 41", Subscribe(b"A")),
        ("09 53 55 42 53 43 52 49 42 45", Subscribe(b"")),
        ("06 43 41 4e 43 45 4c 41", Cancel(b"A")),
        ("06 43 41 4e 43 45 4c", Cancel(b"")),
        ("04 50 49 4e 47 00 14", Ping(20, b"")),
        ("04 50 49 4e 47 ff ff 63 74 78", Ping(65535, b"ctx")),
        ("04 50 4f 4e 47", Pong(b"")),
        ("04 50 4f 4e 47 63 74 78", Pong(b"ctx")),
    ],
)
def test_each_command_of_traffic_is_an_event(body: str, event: object) -> None:
    assert decode_traffic(*decode_command(bytes.fromhex(body))) == event


@pytest.mark.requirement("37-67", "37-71")
def test_a_ping_is_its_ttl_in_tenths_of_a_second_and_a_context() -> None:
    assert encode_traffic(Ping(20, b"")) == bytes.fromhex("04 50 49 4e 47 00 14")
    assert encode_traffic(Ping(300, b"ctx")) == bytes.fromhex("04 50 49 4e 47 01 2c 63 74 78")


@pytest.mark.requirement("37-70", "37-71")
def test_a_ping_without_ttl_still_has_its_two_octets() -> None:
    """libzmq answers a bare PING with what happens to lie in its memory."""
    assert encode_traffic(Ping(0, b"")) == bytes.fromhex("04 50 49 4e 47 00 00")


@pytest.mark.requirement("37-72")
def test_the_largest_ttl_is_65535_tenths() -> None:
    assert decode_ping(b"\xff\xff") == Ping(65535, b"")


@pytest.mark.requirement("37-67", "37-69")
@pytest.mark.parametrize("length", [0, 1, 15, 16])
def test_a_context_has_up_to_16_octets(length: int) -> None:
    assert decode_ping(b"\0\0" + b"c" * length) == Ping(0, b"c" * length)


@pytest.mark.requirement("37-67", "37-69", "37-70")
@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0" + b"c" * 17, b"\0\0" + b"c" * 300])
def test_a_ping_that_is_too_short_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="2 to 18") as caught:
        decode_ping(data)
    assert caught.value.violation is Violation.MALFORMED_COMMAND


@pytest.mark.parametrize("name", [b"READY", b"ERROR", b"subscribe", b"join", b"Ping", b"x"])
def test_commands_that_we_do_not_know_mean_nothing(name: bytes) -> None:
    assert decode_traffic(name, b"data") is None


@given(st.integers(0, 65535), st.binary(max_size=16))
def test_a_ping_survives_encoding(ttl: int, context: bytes) -> None:
    assert decode_traffic(*decode_command(encode_traffic(Ping(ttl, context)))) == Ping(ttl, context)


@given(st.sampled_from([b"PING", b"PONG", b"SUBSCRIBE", b"CANCEL", b"READY"]), st.binary(max_size=20))
def test_arbitrary_data_is_an_event_or_none_or_a_protocol_error(name: bytes, data: bytes) -> None:
    try:
        event = decode_traffic(name, data)
    except ProtocolError:
        assert name == b"PING"
        return
    assert (event is None) == (name == b"READY")
