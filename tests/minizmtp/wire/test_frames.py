"""Frames: flags, size, body (37/ZMTP, "Framing")."""

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.wire.batches import BatchDecoder
from minizmtp.wire.encoder import Encoder
from minizmtp.wire.events import Cancel, Item, SharedMessage, Subscribe
from minizmtp.wire.frames import COMMAND, MORE, Frame, FrameDecoder, encode_frame, encode_message
from minizmtp.wire.mechanisms import Mechanism, Null
from tests.minizmtp.streams import in_traffic
from tests.zmtp_bytes import frame


def frames_of(octets: bytes, limit: int = -1) -> list[Frame]:
    """All whole frames of octets that come at once."""
    decoder = FrameDecoder(limit)
    decoder.receive_data(octets)
    return list(iter(decoder.next_frame, None))


# ------------------------------------------------------------------------------------------------------- as octets


@pytest.mark.requirement("37-12", "37-24")
@pytest.mark.parametrize(
    ("body", "flags", "header"),
    [
        (b"", 0, "00 00"),
        (b"hi", 0, "00 02"),
        (b"hi", MORE, "01 02"),
        (bytes(255), 0, "00 ff"),
        (bytes(255), COMMAND, "04 ff"),
        (bytes(256), 0, "02 00 00 00 00 00 00 01 00"),
        (bytes(256), MORE, "03 00 00 00 00 00 00 01 00"),
        (bytes(256), COMMAND, "06 00 00 00 00 00 00 01 00"),
        (bytes(65536), 0, "02 00 00 00 00 00 01 00 00"),
    ],
)
def test_a_body_goes_short_up_to_255_octets_and_long_above(body: bytes, flags: int, header: str) -> None:
    assert encode_frame(body, flags) == bytes.fromhex(header) + body


def test_all_frames_of_a_message_but_the_last_have_more_set() -> None:
    assert encode_message([b"id", b"", b"hello"]) == bytes.fromhex("01 02 69 64  01 00  00 05 68 65 6c 6c 6f")
    assert encode_message([b""]) == b"\0\0"


@pytest.mark.requirement("37-24")
@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("00 00", (0, b"")),
        ("00 05 68 65 6c 6c 6f", (0, b"hello")),
        ("01 02 69 64", (1, b"id")),
        ("04 05 04 50 4f 4e 47", (4, b"\x04PONG")),
    ],
)
def test_short_frames_are_read(octets: str, expected: Frame) -> None:
    assert frames_of(bytes.fromhex(octets)) == [expected]


@pytest.mark.requirement("37-23")
@pytest.mark.parametrize("flags", [2, 3, 6])
def test_a_long_frame_may_be_small(flags: int) -> None:
    assert frames_of(bytes([flags]) + bytes.fromhex("00 00 00 00 00 00 00 02 68 69")) == [(flags, b"hi")]
    assert frames_of(bytes([flags]) + bytes(8)) == [(flags, b"")]


@pytest.mark.requirement("37-24")
def test_a_short_frame_holds_255_octets() -> None:
    assert frames_of(b"\x00\xff" + bytes(range(255))) == [(0, bytes(range(255)))]


@pytest.mark.requirement("37-23")
def test_a_long_size_is_eight_octets_big_endian() -> None:
    body = bytes(0x010203)
    assert frames_of(b"\x02" + bytes.fromhex("00 00 00 00 00 01 02 03") + body) == [(2, body)]


def test_frames_that_come_together_come_apart() -> None:
    assert frames_of(b"\x01\x01a\x00\x00\x00\x01c\x00") == [(1, b"a"), (0, b""), (0, b"c")]


# --------------------------------------------------------------------------------------------------------- refused


@pytest.mark.requirement("37-21")
@pytest.mark.parametrize("bit", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("legal", [0, 1, 2, 3, 4, 6])
def test_reserved_flags_are_refused(bit: int, legal: int) -> None:
    with pytest.raises(ProtocolError, match="bits 3 to 7 are reserved"):
        frames_of(bytes([legal | 1 << bit, 0]))


@pytest.mark.requirement("37-22", "37-25")
@pytest.mark.parametrize("flags", [5, 7])
def test_a_command_with_more_is_refused(flags: int) -> None:
    with pytest.raises(ProtocolError, match="a command is one frame"):
        frames_of(bytes([flags, 0]))


@pytest.mark.requirement("37-23")
@pytest.mark.parametrize("flags", [2, 3, 6])
def test_a_size_with_its_top_bit_set_is_refused(flags: int) -> None:
    with pytest.raises(ProtocolError, match=r"frame of 9223372036854775808 octets.*2\^63-1"):
        frames_of(bytes([flags, 0x80]) + bytes(7))


@pytest.mark.requirement("37-23")
def test_the_largest_size_of_all_is_awaited() -> None:
    assert frames_of(b"\x02\x7f" + b"\xff" * 7) == []


@pytest.mark.parametrize("header", ["00 05", "02 00 00 00 00 00 00 00 05", "02 00 00 00 ff ff ff ff ff"])
def test_a_frame_above_the_limit_is_refused_at_its_header(header: str) -> None:
    with pytest.raises(ProtocolError, match=r"frame of \d+ octets.* 4"):
        frames_of(bytes.fromhex(header), limit=4)


def test_a_frame_at_the_limit_is_accepted_within_any_message() -> None:
    assert frames_of(b"\x01\x04four\x00\x04four", limit=4) == [(1, b"four"), (0, b"four")]


def test_a_limit_of_zero_lets_empty_frames_pass() -> None:
    assert frames_of(b"\x00\x00", limit=0) == [(0, b"")]
    with pytest.raises(ProtocolError):
        frames_of(b"\x00\x01", limit=0)


def test_the_limit_may_change_between_two_frames_of_one_read() -> None:
    decoder = FrameDecoder(limit=1)
    decoder.receive_data(b"\x00\x01a\x00\x05hello")
    assert decoder.next_frame() == (0, b"a")
    decoder.limit = 5
    assert decoder.next_frame() == (0, b"hello")


# ---------------------------------------------------------------------------------------------------- in any pieces


def test_held_counts_what_no_frame_was_made_of() -> None:
    decoder = FrameDecoder()
    assert decoder.held == 0
    held = []
    for octet in b"\x01\x02hi\x00":
        decoder.receive_data(bytes([octet]))
        decoder.next_frame()
        held.append(decoder.held)
    assert held == [1, 2, 3, 0, 1]


def test_a_short_frame_behind_a_long_one_is_found_at_once() -> None:
    """After a frame that came in pieces, a whole one must not wait for as many octets as that one needed."""
    decoder = FrameDecoder()
    decoder.receive_data(frame(bytes(1000))[:500])
    assert decoder.next_frame() is None
    decoder.receive_data(frame(bytes(1000))[500:] + frame(b"a") + b"\x00")
    assert decoder.next_frame() == (2, bytes(1000))
    decoder.receive_data(b"\x01b")
    assert decoder.next_frame() == (0, b"a")
    assert decoder.next_frame() == (0, b"b")


def reference_decoder(octets: bytes, limit: int) -> tuple[list[Frame], str | int]:
    """The clear one: frames from the front of octets, then "refused", or how many octets are left over."""
    frames: list[Frame] = []
    while len(octets) >= 2:
        flags = octets[0]
        if flags in (0b000, 0b001, 0b100):
            header, size = 2, octets[1]
        elif flags not in (0b010, 0b011, 0b110):
            return frames, "refused"
        elif len(octets) < 9:
            break
        else:
            header, size = 9, int.from_bytes(octets[1:9], "big")
        if size >= 2**63 or (limit >= 0 and size > limit):
            return frames, "refused"
        if len(octets) < header + size:
            break
        frames.append((flags, octets[header : header + size]))
        octets = octets[header + size :]
    return frames, len(octets)


some_frames = st.builds(
    lambda kind, body, long: frame(body, more=kind == 1, command=kind == 4, long=long),
    st.sampled_from([0, 1, 4]),
    st.one_of(st.binary(max_size=6), st.integers(250, 700).map(bytes)),
    st.booleans(),
)


@given(
    octets=st.builds(lambda legal, tail: b"".join(legal) + tail, st.lists(some_frames), st.binary(max_size=12)),
    limit=st.sampled_from([-1, -1, -1, 0, 5, 300]),
    data=st.data(),
)
@pytest.mark.slow
def test_the_decoder_agrees_with_the_reference_however_cut(octets: bytes, limit: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12), label="cuts"))
    decoder = FrameDecoder(limit)
    heard: list[Frame] = []
    try:
        for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
            decoder.receive_data(octets[start:end])
            # Some readers ask for one frame after each chunk, some for all there are, some for none until the end.
            patience = data.draw(st.sampled_from([0, 1, 99]), label="frames asked for")
            while patience and (found := decoder.next_frame()) is not None:
                heard.append(found)
                patience -= 1
        heard += iter(decoder.next_frame, None)
        rest: str | int = decoder.held
    except ProtocolError:
        rest = "refused"
    assert (heard, rest) == reference_decoder(octets, limit)


@given(st.lists(st.tuples(st.sampled_from([0, MORE, COMMAND]), st.binary() | st.integers(200, 300).map(bytes))))
@pytest.mark.slow
def test_what_is_encoded_is_decoded(frames: list[Frame]) -> None:
    octets = b"".join(encode_frame(body, flags) for flags, body in frames)
    assert [(flags & ~2, body) for flags, body in frames_of(octets)] == frames


@pytest.mark.slow
@given(st.lists(st.binary() | st.integers(200, 300).map(bytes), min_size=1))
def test_a_message_is_encoded_as_its_frames_are(message: list[bytes]) -> None:
    *front, last = message
    assert encode_message(message) == b"".join(frame(body, more=True) for body in front) + frame(last)


@given(st.binary(), st.integers(-1, 300))
def test_arbitrary_octets_are_frames_or_a_protocol_error(octets: bytes, limit: int) -> None:
    try:
        frames = frames_of(octets, limit)
    except ProtocolError:
        return
    assert sum(2 + len(body) for _, body in frames) <= len(octets)


# -------------------------------------------------------------------------------------------------------- what it costs


def copied_by(pieces: list[bytes], ask: bool) -> tuple[int, Frame | None]:
    """How many octets of memory a decoder asked for, all its calls together, to make one frame of the pieces."""
    decoder = FrameDecoder()
    copied, found = 0, None
    tracemalloc.start()
    try:
        for number, piece in enumerate(pieces, 1):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            decoder.receive_data(piece)
            if ask or number == len(pieces):
                found = decoder.next_frame()
            copied += max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return copied, found


@pytest.mark.parametrize("ask", [True, False], ids=["asked after each piece", "asked at the end"])
@pytest.mark.slow
def test_a_frame_of_64_mib_is_not_copied_for_each_piece(ask: bool) -> None:
    """A decoder that joins what it has to each new piece would copy 512 times the frame."""
    mebibyte = 2**20
    pieces = [frame(bytes(64 * mebibyte))[:9]] + [bytes(65536)] * 1024
    copied, found = copied_by(pieces, ask)
    assert found is not None
    assert len(found[1]) == 64 * mebibyte
    assert copied < 5 * 64 * mebibyte


@pytest.mark.slow
def test_a_frame_that_comes_by_octets_is_not_copied_for_each() -> None:
    octets = frame(bytes(20_000))
    copied, found = copied_by([octets[i : i + 1] for i in range(len(octets))], ask=True)
    assert found == (2, bytes(20_000))
    assert copied < 200 * len(octets)  # for each octet a small object or two; 10,000 if all were copied each time


def test_a_decoder_that_waits_keeps_nothing_of_the_frames_before() -> None:
    tracemalloc.start()
    try:
        decoder = FrameDecoder()
        before, _ = tracemalloc.get_traced_memory()
        decoder.receive_data(frame(bytes(2**20)))
        assert decoder.next_frame() == (2, bytes(2**20))
        assert decoder.next_frame() is None
        assert tracemalloc.get_traced_memory()[0] - before < 2**16
    finally:
        tracemalloc.stop()


def messages_of(pieces: list[bytes], limit: int, most: int) -> tuple[list[object], str]:
    """What is found by calling next_messages first (most > 0), or never (0): messages, commands, and the error."""
    decoder, found, message = BatchDecoder(limit), list[object](), list[bytes]()
    try:
        for piece in pieces:
            decoder.receive_data(piece)
            while True:
                if most and not message and (batch := decoder.next_messages(most)):
                    assert len(batch) <= most
                    found += [[item] if isinstance(item, bytes) else item for item in batch]
                    continue
                if (slow := decoder.next_frame()) is None:
                    break
                flags, body = slow
                if flags & COMMAND:
                    found.append(body)
                    continue
                message.append(body)
                if not flags & MORE:
                    found.append(message)
                    message = []
    except ProtocolError as error:
        return found, str(error)
    return found, f"{message} {decoder.held}"


@given(
    runs=st.lists(
        st.tuples(
            st.lists(
                st.tuples(
                    st.sampled_from([0, 0, MORE, MORE, COMMAND]),
                    st.sampled_from([0, 1, 5, 6, 254, 255, 256, 257, 512]).map(bytes) | st.binary(max_size=8),
                ),
                min_size=1,
                max_size=4,
            ),
            st.sampled_from([1, 1, 2, 7, 8, 9, 30]),
        )
    ),
    tail=st.binary(max_size=6),
    limit=st.sampled_from([-1, -1, 5, 254, 255, 300]),
    most=st.sampled_from([1, 2, 3, 8, 40, 1000]),
    data=st.data(),
)
@pytest.mark.slow
def test_the_fast_path_finds_the_messages_of_the_reference(
    runs: list[tuple[list[tuple[int, bytes]], int]], tail: bytes, limit: int, most: int, data: st.DataObject
) -> None:
    """In runs or one by one, however the stream is cut, up to the same error at the same place."""
    octets = b"".join(b"".join(encode_frame(body, flags) for flags, body in run) * times for run, times in runs) + tail
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8), label="cuts"))
    pieces = [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert messages_of(pieces, limit, most) == messages_of(pieces, limit, 0)


bodies = st.sampled_from([0, 1, 64, 64, 255, 256, 1000]).map(bytes) | st.binary(max_size=8)
messages = st.lists(bodies, min_size=1, max_size=4)
subscriptions = st.builds(Subscribe, bodies) | st.builds(Cancel, bodies)


class Unboxed(Mechanism):
    """The encoder's other way, by which all frames go that are encrypted; but these stay as they are."""

    encrypts = True

    def encrypt(self, flags: int, bodies: Sequence[bytes]) -> list[bytes]:
        framed = [frame(body, more=flags == MORE, command=flags == COMMAND) for body in bodies]
        return [part for octets in framed for part in (octets[:2], octets[2:])]


@given(
    items=st.lists(bodies | messages | messages.map(SharedMessage) | subscriptions)
    | st.lists(st.sampled_from([bytes(64), b"x" * 64])),
    room=st.sampled_from([1, 66, 67, 500, 10**6]),
)
@pytest.mark.slow
def test_both_ways_of_the_encoder_fill_the_room(items: list[Item], room: int) -> None:
    send = in_traffic(SocketType.XSUB, b"XPUB").send
    each = list(map(send, items))
    number = next((i for i in range(len(each)) if sum(map(len, each[:i])) >= room), len(each))
    expected = (number, [b"".join(each[:number])])
    assert Encoder(Null(), (3, 1)).encode(items, room) == expected
    assert Encoder(Unboxed(), (3, 1)).encode(items, room) == expected


@pytest.mark.parametrize("odd", [b"", bytes(300), [b"a", b"b"], Subscribe(b"a")], ids=str)
@pytest.mark.parametrize("place", [0, 1, 31, 32, 33, 34, 99])
@pytest.mark.parametrize("room", [1, 33 * 66, 10**6])
def test_an_odd_item_anywhere_in_a_run_is_encoded_in_its_turn(odd: Item, place: int, room: int) -> None:
    items: list[Item] = [b"%064d" % number for number in range(100)]
    items[place] = odd
    each = list(map(in_traffic(SocketType.XSUB, b"XPUB").send, items))
    number = next((i for i in range(len(each)) if sum(map(len, each[:i])) >= room), len(each))
    for encoder in (Encoder(Null(), (3, 1)), Encoder(Unboxed(), (3, 1))):
        assert encoder.encode(items, room) == (number, [b"".join(each[:number])])


@given(messages)
@pytest.mark.slow
def test_a_message_alone_is_encoded_as_its_frames_are(message: list[bytes]) -> None:
    *front, last = message
    octets = b"".join(frame(body, more=True) for body in front) + frame(last)
    for encoder in (Encoder(Null(), (3, 1)), Encoder(Unboxed(), (3, 1))):
        assert encoder.encode([message]) == encoder.encode([SharedMessage(message)]) == (1, [octets])
    if not front:
        assert Encoder(Null(), (3, 1)).encode([last]) == (1, [octets])
