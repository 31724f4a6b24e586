"""A body that comes in parts: whole in the end, and never more room than has come."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minizmtp.wire.body import LEAST_ROOM, MOST_ROOM, Body

MEBIBYTE = 1 << 20


def fill(body: Body, octets: bytes) -> None:
    """Put octets into the buffer."""
    buffer = body.get_buffer()
    assert buffer is not None
    with buffer:
        buffer[: len(octets)] = octets
    body.buffer_updated(len(octets))


def as_a_stream_does(body: Body, octets: bytes, most: int) -> None:
    """Into the buffer where there is one, in reads of so many octets."""
    while octets:
        buffer = body.get_buffer()
        if buffer is None:
            octets = octets[body.write(octets[:65536]) :]
            continue
        with buffer:
            count = min(most, len(octets), len(buffer))
            buffer[:count] = octets[:count]
        body.buffer_updated(count)
        octets = octets[count:]


@pytest.mark.slow
@given(st.data())
def test_a_body_may_arrive_in_any_parts_and_by_either_call(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 6 * LEAST_ROOM), label="size")
    octets = bytes(range(251)) * (size // 251 + 1)
    octets = octets[:size]
    body = Body(size)
    come = 0
    while not body.is_complete:
        part = data.draw(st.integers(1, 2 * LEAST_ROOM) | st.integers(1, 10_000), label="part")
        if data.draw(st.booleans(), label="by the buffer") and (buffer := body.get_buffer()) is not None:
            with buffer:
                part = min(part, len(buffer))
                buffer[:part] = octets[come : come + part]
            body.buffer_updated(part)
        else:
            part = body.write(octets[come : come + part])
        come += part
        assert body.received == come
    assert body.getvalue() == octets
    assert type(body.getvalue()) is bytes


def test_octets_after_the_body_are_not_taken() -> None:
    body = Body(5)
    assert (body.write(b"abc"), body.is_complete) == (3, False)
    assert (body.write(memoryview(b"defg")), body.is_complete) == (2, True)
    assert body.write(b"h") == 0
    assert body.getvalue() == b"abcde"


def test_a_body_doubles_its_room_up_to_one_mebibyte_at_a_time() -> None:
    body = Body(2**62)
    assert body.get_buffer() is None
    body.write(bytes(LEAST_ROOM - 1))
    assert body.get_buffer() is None
    body.write(b"\0")
    for come in [LEAST_ROOM << n for n in range(8)]:
        assert body.received == come
        buffer = body.get_buffer()
        assert buffer is not None
        assert len(buffer) == min(come, MOST_ROOM)
        buffer.release()
        body.write(bytes(come))


def test_room_that_was_not_filled_is_still_there() -> None:
    body = Body(4 * LEAST_ROOM)
    body.write(bytes(2 * LEAST_ROOM))
    fill(body, b"abc")
    buffer = body.get_buffer()
    assert buffer is not None
    assert len(buffer) == 2 * LEAST_ROOM - 3
    buffer.release()


def test_the_last_octets_are_left_to_an_ordinary_read() -> None:
    """… which brings what comes after them as well."""
    body = Body(3 * LEAST_ROOM)
    body.write(bytes(2 * LEAST_ROOM + 1))
    assert body.get_buffer() is None


@pytest.mark.parametrize("size", [2**62, 100 * MEBIBYTE])
def test_an_announced_size_reserves_no_memory(size: int) -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        body = Body(size)
        for _ in range(4):
            as_a_stream_does(body, bytes(65536), 65536)
            now, _ = tracemalloc.get_traced_memory()
            assert now - before < 2.2 * body.received + 2000
    finally:
        tracemalloc.stop()


def test_a_large_body_is_in_memory_only_once() -> None:
    """To join its parts at the end takes as much memory again, and so does bytes() of a bytearray."""
    octets = bytes(MEBIBYTE)
    body = Body(64 * MEBIBYTE)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(64):
            as_a_stream_does(body, octets, 200_000)
        assert body.getvalue() == bytes(64 * MEBIBYTE)
        del body
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < (64 + 64 + 16) * MEBIBYTE  # 64 of which are what it is compared with
