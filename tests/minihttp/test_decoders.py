"""Decoders: any chunking of the octets is the same body, and what is cut or wrong is an error."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihttp import DecodingError
from minihttp.decoders import (
    PIECE,
    DeflateDecoder,
    GzipDecoder,
    LineSplitter,
    Rechunker,
    TextDecoder,
    TextRechunker,
    decoders_for,
)

TEXT = b"Snow on the roofs, and in the lanes the lamps. " * 50


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": (GzipDecoder, gzip.compress(TEXT)),
    "two members": (GzipDecoder, gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    "padded": (GzipDecoder, gzip.compress(TEXT) + bytes(20)),
    "zlib": (DeflateDecoder, zlib.compress(TEXT)),
    "raw deflate": (DeflateDecoder, raw_deflate(TEXT)),
}


def run(step, pieces):
    out = [item for piece in pieces for item in step.feed(piece)]
    return out + list(step.flush())


@pytest.mark.parametrize("name", PACKED)
def test_cut_anywhere_it_is_the_same(name):
    make, packed = PACKED[name]
    for cut in range(len(packed) + 1):
        assert b"".join(run(make(), [packed[:cut], packed[cut:]])) == TEXT


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate"])
def test_ended_anywhere_it_is_an_error(name):
    make, packed = PACKED[name]
    for end in range(1, len(packed)):
        with pytest.raises(DecodingError, match=r"ends in the middle|not valid"):
            run(make(), [packed[:end]])


@pytest.mark.parametrize("make", [GzipDecoder, DeflateDecoder])
def test_nothing_at_all_is_an_empty_body(make):
    assert run(make(), []) == []


@pytest.mark.parametrize("make", [GzipDecoder, DeflateDecoder])
def test_garbage_is_an_error(make):
    with pytest.raises(DecodingError):
        run(make(), [b"this is not packed at all"])


def test_a_wrong_checksum_is_an_error():
    packed = bytearray(gzip.compress(TEXT))
    packed[-5] ^= 1
    with pytest.raises(DecodingError, match="not valid gzip"):
        run(GzipDecoder(), [bytes(packed)])


def test_garbage_after_the_end_is_an_error():
    with pytest.raises(DecodingError):
        run(GzipDecoder(), [gzip.compress(TEXT) + b"garbage"])
    with pytest.raises(DecodingError, match="octets follow the end"):
        run(DeflateDecoder(), [zlib.compress(TEXT) + b"garbage"])


def test_a_bomb_comes_out_in_pieces():
    sizes = [len(piece) for piece in run(GzipDecoder(), [gzip.compress(bytes(10_000_000))])]
    assert sum(sizes) == 10_000_000
    assert max(sizes) <= PIECE


def test_codings_are_undone_in_reverse_and_unknown_ones_left():
    assert [type(decoder) for decoder in decoders_for(["deflate", "gzip"])] == [GzipDecoder, DeflateDecoder]
    assert decoders_for([]) == decoders_for(["identity", "br"]) == []
    with pytest.raises(DecodingError, match="at most 5"):
        decoders_for(["gzip"] * 6)


def test_five_codings_are_undone_and_six_refused():
    assert len(decoders_for(5 * ["gzip"])) == 5
    with pytest.raises(DecodingError, match="6 content codings on top of each other: expected at most 5"):
        decoders_for(6 * ["gzip"])


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
@pytest.mark.slow
def test_rechunking_keeps_the_octets_and_the_size(pieces, size):
    out = run(Rechunker(size), pieces)
    assert b"".join(out) == b"".join(pieces)
    assert all(len(piece) == size for piece in out[:-1])
    assert all(1 <= len(piece) <= size for piece in out[-1:])


@pytest.mark.slow
@given(st.lists(st.text(max_size=20)), st.integers(1, 9))
def test_rechunking_text_counts_characters(pieces, size):
    out = run(TextRechunker(size), pieces)
    assert "".join(out) == "".join(pieces)
    assert all(len(piece) == size for piece in out[:-1])


def test_no_chunks_of_size_zero():
    with pytest.raises(ValueError, match="expected 1 or more"):
        Rechunker(0)


@given(st.text(), st.integers(1, 5))
@pytest.mark.slow
def test_characters_cut_in_two_are_put_together(text, size):
    octets = text.encode()
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    assert "".join(run(TextDecoder("utf-8"), pieces)) == text


@pytest.mark.slow
@given(st.lists(st.text(alphabet="ab\r\n\v\x85\u2028", max_size=5)))
def test_lines_are_those_of_splitlines_however_cut(pieces):
    assert run(LineSplitter(), pieces) == "".join(pieces).splitlines()
