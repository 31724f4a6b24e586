"""The frames of a WebSocket, and ZWS in them: literal octets, and wsproto as the judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.wire import ConnectionClosed
from minizmtp.wire.events import NEED_DATA, Greeting, Ping, Ready
from minizmtp.wire.frames import COMMAND, MORE, encode_frame, encode_message
from minizmtp.wire.switched import SwitchedConnection
from minizmtp.wire.websocket import CloseError, mask
from minizmtp.wire.websocket import encode_frame as encode_ws
from minizmtp.wire.zws import Wrapper, ZwsDecoder

KEY = b"\x01\x02\x03\x04"


def unwrapped(octets: bytes, *, masked: bool = False, limit: int = -1, kept: int = 1000) -> bytes:
    """The frames of ZMTP in the octets of a WebSocket, one by one."""
    decoder = ZwsDecoder(limit, masked=masked, max_unfinished=kept)
    decoder.receive_data(octets)
    return frames_of(decoder)


def frames_of(decoder: ZwsDecoder) -> bytes:
    return b"".join([encode_frame(body, flags) for flags, body in iter(decoder.next_frame, None)])


def messages_of(decoder: ZwsDecoder, most: int) -> Iterator[bytes]:
    """What there is now, as much as possible of it in batches; again as octets of ZMTP."""
    while True:
        decoder.allowance = 200
        if messages := decoder.next_messages(most):
            assert len(messages) <= most
            assert decoder.is_empty is (decoder.held == 0)
            yield b"".join([encode_message([it] if isinstance(it, bytes) else it) for it in messages])
        elif (frame := decoder.next_frame()) is not None:
            yield encode_frame(frame[1], frame[0])
        elif decoder.allowance > 0:
            return


@pytest.mark.requirement("45-2")
@pytest.mark.parametrize(
    ("zmtp", "zws"),
    [
        (b"\x00\x00", "82 01 00"),
        (b"\x01\x02id", "82 03 01 69 64"),
        (b"\x04\x05\x04PING", "82 06 02 04 50 49 4e 47"),
        (b"\x00\x7c" + b"x" * 124, "82 7d 00" + " 78" * 124),
        (b"\x00\x7d" + b"x" * 125, "82 7e 00 7e 00" + " 78" * 125),
        (b"\x02\0\0\0\0\0\0\x01\x00" + b"x" * 256, "82 7e 01 01 00" + " 78" * 256),
        (b"\x03\0\0\0\0\0\x00\xff\xff" + b"x" * 65535, "82 7f 00 00 00 00 00 01 00 00 01" + " 78" * 65535),
    ],
    ids=["empty", "more", "command", "largest of 7 bits", "16 bits", "long", "64 bits"],
)
def test_a_frame_of_zmtp_is_a_binary_message(zmtp: bytes, zws: str) -> None:
    assert Wrapper().wrap(zmtp) == bytes.fromhex(zws)
    assert unwrapped(bytes.fromhex(zws)) == zmtp


FRAMES = st.lists(st.tuples(st.sampled_from([0, 0, 0, MORE, COMMAND]), st.binary(max_size=300)), max_size=30)
RUNS = st.tuples(st.sampled_from([0, MORE]), st.binary(max_size=200), st.integers(1, 40))


@given(frames=FRAMES, run=RUNS, masks=st.booleans(), step=st.integers(1, 5000), most=st.integers(1, 50))
def test_what_is_wrapped_is_unwrapped(
    frames: list[tuple[int, bytes]], run: tuple[int, bytes, int], masks: bool, step: int, most: int
) -> None:
    """However the stream is cut, and if frames of one size are in a row; in batches and one by one."""
    flags, body, count = run
    zmtp = b"".join(encode_frame(body, flags) for flags, body in frames) + encode_frame(body, flags) * count
    octets = Wrapper(masks).wrap(zmtp)
    batches, singles, found = ZwsDecoder(masked=masks), ZwsDecoder(masked=masks), [b"", b""]
    for start in range(0, len(octets), step):
        for decoder in (batches, singles):
            decoder.receive_data(octets[start : start + step])
        found[0] += b"".join(messages_of(batches, most))
        found[1] += frames_of(singles)
    assert found == [zmtp, zmtp]
    assert batches.held == singles.held == 0


@given(frames=FRAMES, run=RUNS, masks=st.booleans())
def test_wsproto_reads_what_is_wrapped(
    frames: list[tuple[int, bytes]], run: tuple[int, bytes, int], masks: bool
) -> None:
    flags, body, count = run
    frames = frames + [(flags, body)] * count
    judge = FrameProtocol(client=not masks, extensions=[])
    judge.receive_bytes(Wrapper(masks).wrap(b"".join(encode_frame(body, flags) for flags, body in frames)))
    found, payload = [], b""
    for frame in judge.received_frames():
        assert frame.opcode is Opcode.BINARY
        payload += frame.payload
        if frame.message_finished:
            found.append(payload)
            payload = b""
    assert found == [bytes([{0: 0, MORE: 1, COMMAND: 2}[flags]]) + body for flags, body in frames]


@pytest.mark.parametrize("allowance", [1, 16, 17, 30, 200])
@pytest.mark.parametrize("masks", [False, True])
def test_a_batch_ends_with_the_allowance(masks: bool, allowance: int) -> None:
    decoder, found = ZwsDecoder(masked=masks), list[object]()
    decoder.receive_data(Wrapper(masks).wrap(b"\0\2aa" * 100))
    while decoder.held:
        decoder.allowance = allowance
        messages = decoder.next_messages(1000)
        assert 0 < len(messages) <= allowance
        found += messages
    assert found == [b"aa"] * 100


def test_each_frame_of_a_client_has_a_key_of_its_own() -> None:
    octets = Wrapper(masks=True).wrap(b"\0\3aaa" * 100)
    assert len({octets[start + 2 : start + 6] for start in range(0, len(octets), 10)}) > 95


@pytest.mark.requirement("45-3")
def test_a_message_in_several_frames_is_one_frame() -> None:
    assert unwrapped(bytes.fromhex("02 01 01   00 00   00 02 61 62   80 01 63")) == b"\1\3abc"


def test_a_ping_may_stand_between_the_frames_of_a_message() -> None:
    decoder = ZwsDecoder(max_unfinished=1000)
    decoder.receive_data(bytes.fromhex("02 02 00 61   89 01 70   80 01 62"))
    assert (decoder.next_frame(), decoder.control) == (None, (9, b"p"))
    decoder.control = None
    assert decoder.next_frame() == (0, b"ab")


READY = b"\2\5READY\x0bSocket-Type\0\0\0\4PUSH"


def pull_that_has_switched() -> SwitchedConnection:
    pull = SwitchedConnection(SocketType.PULL, identity=b"")
    push = SwitchedConnection(SocketType.PUSH, identity=b"", target=("localhost", "/"))
    pull.receive_data(push.data_to_send())
    assert isinstance(pull.next_event(), Greeting)
    return pull


@pytest.mark.requirement("45-3")
@pytest.mark.parametrize("cut", [1, 10, 20, 35])
def test_what_follows_a_message_in_several_frames_is_read(cut: int) -> None:
    """The last read has the rest of a frame that goes on with READY, and a ping behind it."""
    pull = pull_that_has_switched()
    first = bytes([2]) + encode_ws(READY[:9], key=KEY)[1:]
    octets = first + encode_ws(READY[9:], 0, KEY) + encode_ws(b"", 9, KEY)
    pull.receive_data(octets[:cut])
    assert pull.next_event() is NEED_DATA
    pull.receive_data(octets[cut:])
    assert isinstance(pull.next_event(), Ready)
    assert pull.next_event() == Ping(0, b"")


def test_a_ping_is_read_after_the_messages_before_it() -> None:
    pull = pull_that_has_switched()
    pull.receive_data(encode_ws(READY, key=KEY) + encode_ws(b"\0hi", key=KEY) + encode_ws(b"", 9, KEY))
    assert isinstance(pull.next_event(), Ready)
    assert pull.next_event() == [b"hi"]
    assert pull.next_event() == Ping(0, b"")


def test_a_command_ping_is_answered_by_a_command() -> None:
    """As over tcp, because its sender waits for no pong of the WebSocket."""
    pull = pull_that_has_switched()
    pull.receive_data(encode_ws(READY, key=KEY) + encode_ws(b"\2\4PING\0\0hi", key=KEY))
    assert isinstance(pull.next_event(), Ready)
    pull.data_to_send()
    assert pull.next_event() == Ping(0, b"hi")
    assert pull.data_to_send() == encode_ws(b"\2\4PONGhi")


def test_nothing_is_sent_after_a_close() -> None:
    pull = pull_that_has_switched()
    pull.receive_data(encode_ws(READY, key=KEY))
    assert isinstance(pull.next_event(), Ready)
    assert pull.encoder.goodbye().endswith(encode_ws(b"\x03\xe9", 8))
    pull.receive_data(encode_ws(b"late", 9, KEY))
    assert pull.next_event() == Ping(0, b"late")
    assert pull.data_to_send() == b""


def test_a_large_frame_is_read_into_its_place() -> None:
    """As over tcp: `get_buffer` lends the memory of the body."""
    push = SwitchedConnection(SocketType.PUSH, identity=b"", target=("localhost", "/"))
    pull = SwitchedConnection(SocketType.PULL, identity=b"")
    for speaker, hearer in [(push, pull), (pull, push), (push, pull)]:
        hearer.receive_data(speaker.data_to_send())
        while hearer.next_event() is not NEED_DATA:
            pass
    body = bytes(range(256)) * 2048
    octets = b"".join(pull.encode([body])[1])
    push.receive_data(octets[:100_000])
    assert push.next_event() is NEED_DATA
    at, lent = 100_000, 0
    while at < len(octets):
        if (room := push.get_buffer()) is not None:
            part = octets[at : at + len(room)]
            room[: len(part)] = part
            room.release()
            push.buffer_updated(len(part))
            lent += len(part)
        else:
            part = octets[at : at + 1000]
            push.receive_data(part)
        at += len(part)
    assert push.next_event() == [body]
    assert lent > 300_000


def test_a_large_frame_is_unmasked_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """To do it at the end would hold up other tasks."""
    body, sizes = bytes(range(256)) * 2048, list[int]()
    octets, decoder = (
        Wrapper(masks=True).wrap(encode_frame(body)) + encode_ws(b"\0next", key=KEY),
        ZwsDecoder(masked=True),
    )
    monkeypatch.setattr("minizmtp.wire.zws.mask", lambda data, key: sizes.append(len(data)) or mask(data, key))
    for start in range(0, len(octets), 9999):
        assert decoder.next_frame() is None
        decoder.receive_data(octets[start : start + 9999])
    assert decoder.next_frame() == (0, body)
    assert decoder.next_frame() == (0, b"next")
    assert max(sizes) <= 9999


@pytest.mark.requirement("45-4")
@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("81 01 00", "a text message, expected binary ones only"),
        ("82 81 00 00 00 00 00", "frame with a mask, expected none"),
        ("c2 01 00", "frame that begins with c2, expected 00"),
        ("83 01 00", "frame that begins with 83, expected 00"),
        ("09 00", "ping, pong or close of 0 octets, expected one frame of at most 125"),
        ("89 7e 00 7e", "ping, pong or close of 126 octets, expected one frame of at most 125"),
        ("80 01 00", "frame that goes on with no message"),
        ("02 01 00 82 01 00", "frame that begins a message inside another"),
        ("82 7f ff ff ff ff ff ff ff ff", "expected at most 2^63-1"),
        ("82 00", "a message without octets, expected an octet of flags"),
        ("02 00 80 00", "a message without octets, expected an octet of flags"),
        ("82 01 03", "frame flags are 03, expected 00, 01"),
        ("82 01 80", "frame flags are 80, expected 00, 01"),
    ],
)
def test_what_breaks_the_rules_is_refused(octets: str, words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        unwrapped(bytes.fromhex(octets))
    assert words in str(caught.value)


def test_a_client_without_a_mask_is_refused() -> None:
    with pytest.raises(ProtocolError, match="frame with no mask, expected one"):
        unwrapped(bytes.fromhex("82 01 00"), masked=True)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("82 7f 00 00 00 01 00 00 00 00", "frame of 4294967295 octets, expected at most 100 (maxmsgsize)"),
        ("02 02 00 61 80 7e 00 80", "frame of 129 octets, expected at most 100 (maxmsgsize)"),
    ],
)
def test_a_frame_above_the_limit_is_refused_by_its_header(octets: str, words: str) -> None:
    with pytest.raises(CloseError) as caught:
        unwrapped(bytes.fromhex(octets), limit=100)
    assert (str(caught.value), caught.value.code) == (words, 1009)


def test_fragments_are_kept_up_to_maxunfinished() -> None:
    with pytest.raises(CloseError, match=r"frame of 1023 octets, expected at most 1000 \(maxunfinished"):
        unwrapped(bytes.fromhex("02 01 00 00 7e 03 ff"), kept=1000)


def test_a_refused_upgrade_is_the_end_of_a_connection() -> None:
    ours = SwitchedConnection(SocketType.PULL, identity=b"")
    ours.receive_data(b"no request\r\n\r\n")
    with pytest.raises(ProtocolError, match="no valid HTTP"):
        ours.next_event()
    assert ours.data_to_send().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert ours.next_event() == ConnectionClosed("")
    assert ours.data_to_send() == b""


@pytest.mark.parametrize("line", [b"GET /" + bytes(8000), b"GET / HTTP/1.1\r\nAuthorization : Basic YWxpY2U"])
def test_a_line_that_is_no_http_is_not_repeated(line: bytes) -> None:
    """It may be long, or secret, and what is said goes into the log."""
    ours = SwitchedConnection(SocketType.PULL, identity=b"")
    ours.receive_data(line + b"\r\n\r\n")
    with pytest.raises(ProtocolError, match=r"^no valid HTTP/1.1: illegal (request|header) line$"):
        ours.next_event()
    assert b"YWx" not in ours.data_to_send()


def part(payload: bytes, opcode: int = 0) -> bytes:
    """A frame that does not end its message."""
    frame = encode_ws(payload, opcode, KEY)
    return bytes([frame[0] & 0x7F]) + frame[1:]


TINY = {
    "fragments of no octet": part(b"\0", 2) + part(b"") * 9000,
    "fragments of an octet": part(b"\0", 2) + part(b"x") * 9000,
    "messages in two fragments": (part(b"\0", 2) + encode_ws(b"x", 0, KEY)) * 4500,
    "frames of an endless message": encode_ws(b"\1", 2, KEY) * 9000,
    "unknown commands": encode_ws(b"\2\1X", 2, KEY) * 7000,
    "frames with and without flags": (encode_ws(b"\1x", 2, KEY) + encode_ws(b"\0x", 2, KEY)) * 4000,
    "pings": encode_ws(b"", 9, KEY) * 9000,
}


@pytest.mark.parametrize("octets", TINY.values(), ids=TINY)
def test_one_run_takes_few_tiny_frames(octets: bytes) -> None:
    """Counted in octets: a run stops after some 64 frames, whatever a peer sends."""
    ours = pull_that_has_switched()
    ours.receive_data(encode_ws(READY, key=KEY))
    assert isinstance(ours.next_event(), Ready)
    ours.receive_data(octets)
    for _ in range(9):
        before = ours.held
        ours.decoder.allowance = 1024
        while ours.next_event(256) is not NEED_DATA:
            pass
        assert before - ours.held <= 70 * 9
