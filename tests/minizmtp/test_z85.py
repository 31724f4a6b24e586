"""Z85: 4 octets are 5 characters (32/Z85)."""

import pytest
import zmq.utils.z85
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.wire import z85


@pytest.mark.requirement("32-4")
def test_the_example_of_the_rfc() -> None:
    assert z85.encode(bytes.fromhex("864fd26fb559f75b")) == b"HelloWorld"
    assert z85.decode(b"HelloWorld") == z85.decode("HelloWorld") == bytes.fromhex("864fd26fb559f75b")


@pytest.mark.requirement("32-2")
def test_the_alphabet_is_the_rfcs_in_its_order() -> None:
    alphabet = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    assert [z85.encode(value.to_bytes(4, "big"))[4:] for value in range(85)] == [bytes([c]) for c in alphabet]


@pytest.mark.requirement("32-3")
def test_the_most_significant_comes_first() -> None:
    assert z85.encode(b"\0\0\0\1") == b"00001"
    assert z85.encode((85**4).to_bytes(4, "big")) == b"10000"
    assert z85.decode(b"0000110000") == b"\0\0\0\1" + (85**4).to_bytes(4, "big")


@pytest.mark.requirement("32-1")
@pytest.mark.parametrize("size", [1, 2, 3, 5, 31, 33])
def test_a_length_that_does_not_divide_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} octets: Z85 needs a multiple of 4"):
        z85.encode(bytes(size))
    if size % 5:
        with pytest.raises(ValueError, match=f"{size} characters: Z85 needs a multiple of 5"):
            z85.decode(b"0" * size)


@pytest.mark.requirement("32-5")
def test_the_largest_group_that_fits_and_the_first_that_does_not() -> None:
    largest = z85.encode(b"\xff\xff\xff\xff")
    assert largest == b"%nSc0"
    assert z85.decode(largest) == b"\xff\xff\xff\xff"
    for group in (b"%nSc1", b"%nSd0", b"#####"):
        with pytest.raises(ValueError, match="characters 6 to 10 stand for more than four octets can hold"):
            z85.decode(b"00000" + group)


@pytest.mark.requirement("32-2")
@pytest.mark.parametrize("character", sorted(set(range(256)) - set(z85.ALPHABET)))
@pytest.mark.slow
def test_any_other_octet_is_refused(character: int) -> None:
    with pytest.raises(ValueError, match="character 5 is not in the Z85 alphabet"):
        z85.decode(b"0000" + bytes([character]))


def test_nothing_is_nothing() -> None:
    assert (z85.encode(b""), z85.decode(b"")) == (b"", b"")


@given(st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4]))
def test_it_is_pyzmqs_both_ways(data: bytes) -> None:
    text = z85.encode(data)
    assert text == zmq.utils.z85.encode(data)
    assert z85.decode(text) == data


@given(st.text(z85.ALPHABET.decode(), min_size=5, max_size=5))
def test_five_characters_decode_to_four_octets_or_are_refused(text: str) -> None:
    number = sum(z85.ALPHABET.index(character) * 85 ** (4 - place) for place, character in enumerate(text.encode()))
    if number < 2**32:
        assert z85.decode(text) == number.to_bytes(4, "big")
        assert z85.encode(z85.decode(text)) == text.encode()
    else:
        with pytest.raises(ValueError, match="more than four octets can hold"):
            z85.decode(text)
