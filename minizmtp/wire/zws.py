r"""ZWS: ZMTP's frames as messages of a WebSocket.                                             45/ZWS, "Framing"

    ZMTP     04 19  05 READY …                01 02 id            00 05 hello
             flags, size, body                │                   │
    ZWS      82 1a  02  05 READY …            82 03  01  id       82 06  00  hello
             header, flags, body                     01: MORE            00: the last frame of a message
                     02: COMMAND

A WebSocket message has a size already, so a ZWS frame is one octet of flags and the body. Nothing else differs, and so
the translation of the frames, in both directions, is all that this chapter does:

    >>> wrapper, unwrapper = Wrapper(), Unwrapper(masked=False)
    >>> wrapper.wrap(b"\x01\x02id\x00\x05hello").hex(" ")
    '82 03 01 69 64 82 06 00 68 65 6c 6c 6f'
    >>> unwrapper.receive_data(bytes.fromhex("82 03 01 69 64   82 06 00 68 65 6c 6c 6f"))
    >>> unwrapper.unwrap(-1, 1000, most=100)
    b'\x01\x02id\x00\x05hello'

Pings, pongs and closes belong to the WebSocket. The unwrapper stops at one:

    >>> unwrapper.receive_data(bytes.fromhex("89 01 61   82 02 00 62"))
    >>> unwrapper.unwrap(-1, 1000, most=100), unwrapper.take_control()
    (b'', (9, b'a'))

A run of frames of one size is translated in a single step, as in `batches`. That includes the masks, because there the
keys of a thousand frames are applied by one XOR of two long numbers.

Read next: `upgrade`.
"""

import os
from struct import iter_unpack

from ..errors import ProtocolError
from .connection import FRAME_WORK
from .frames import COMMAND, LONG, MORE, frame_header
from .websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    TOO_BIG,
    CloseError,
    Header,
    check_header,
    encode_frame,
    encode_header,
    keystream,
    mask,
    read_header,
    xor,
)

TO_ZWS = {0: b"\0", MORE: b"\1", COMMAND: b"\2"}
TO_ZMTP = {0: 0, 1: MORE, 2: COMMAND}

# A shorter run is not worth a step of its own. Nor is one of frames with more octets than this for each frame of it,
# because each column of octets is a copy.
SHORTEST_RUN = 8
MOST_COLUMNS = 32


class Wrapper:
    """Translates what is sent. masks: this is the client's side."""

    __slots__ = ("_keys", "masks")

    def __init__(self, masks: bool = False) -> None:
        self.masks = masks
        self._keys = b""  # random octets that have not been used

    def new_keys(self, count: int = 1) -> bytes:
        """Masking keys, 4 octets each. They are random, because a web page must not know them (RFC 6455, 5.3)."""
        size = 4 * count
        if len(self._keys) < size:
            self._keys = os.urandom(size + 1024)
        keys, self._keys = self._keys[:size], self._keys[size:]
        return keys

    def control(self, opcode: int, payload: bytes = b"") -> bytes:
        """A ping, a pong or a close."""
        return encode_frame(payload, opcode, self.new_keys() if self.masks else b"")

    def wrap(self, octets: bytes) -> bytes:
        """Complete ZMTP frames, as messages of a WebSocket."""
        pieces: list[bytes] = []
        at = 0
        while at < len(octets):
            flags = octets[at]
            length = 9 if flags & LONG else 2
            size = int.from_bytes(octets[at + 1 : at + length], "big")
            count = count_run(octets, at, length, length + size, SHORTEST_RUN * 1000)
            if count >= SHORTEST_RUN:
                end = at + count * (length + size)
                bodies = [body for (body,) in iter_unpack(f"{length}x{size}s", memoryview(octets)[at:end])]
                pieces.append(self._wrap_run(TO_ZWS[flags & ~LONG], bodies))
                at = end
            else:
                end = at + length + size
                payload = TO_ZWS[flags & ~LONG] + octets[at + length : end]
                pieces.append(encode_frame(payload, key=self.new_keys() if self.masks else b""))
                at = end
        return b"".join(pieces)

    def wrap_large(self, body: bytes) -> tuple[bytes, bytes]:
        """The last frame of a message: what comes before the body, and the body, which is copied only for the mask."""
        if not self.masks:
            return encode_header(1 + len(body)) + TO_ZWS[0], body
        key = self.new_keys()
        return encode_header(1 + len(body), key=key) + mask(TO_ZWS[0], key), mask(body, key, at=1)

    def _wrap_run(self, flags: bytes, bodies: list[bytes]) -> bytes:
        """Bodies of one size."""
        size = 1 + len(bodies[0])
        if not self.masks:
            front = encode_header(size) + flags
            return front + front.join(bodies)
        keys = self.new_keys(len(bodies))
        start = encode_header(size, key=bytes(4))[:-4]
        front = start + bytes(4) + flags
        frames = bytearray(xor(front + front.join(bodies), keystream(keys, len(start) + 4, size)))
        for column in range(4):
            frames[len(start) + column :: len(start) + 4 + size] = keys[column::4]
        return bytes(frames)


class Unwrapper:
    """Translates what has been received. masked: it comes from a client.

    The octets of a large message are passed on as they arrive. Those of a message in several frames are kept until the
    last, because only then its size is known.
    """

    __slots__ = (
        "_buffer",
        "_control",
        "_error",
        "_fragments",
        "_frame",
        "_left",
        "_masked",
        "_parts",
        "_position",
        "spent",
    )

    def __init__(self, masked: bool) -> None:
        self._masked = masked
        self._buffer = b""
        self._position = 0  # where in _buffer the next frame, or the rest of a payload, begins
        self._parts: list[bytes] = []  # octets that come after those in _buffer
        self._frame = Header(True, BINARY, b"", 0, 0)  # the last one
        self._left = 0  # octets of its payload that have not arrived
        self._fragments: bytearray | None = None  # of a message in several frames
        self._control: tuple[int, bytes] | None = None
        self.spent = 0  # work of the last call of unwrap
        self._error: ProtocolError | None = None

    @property
    def held(self) -> int:
        """How many octets have been received and not passed on."""
        return self.unread + len(self._fragments or b"")

    @property
    def unread(self) -> int:
        """How many of them have not been looked at."""
        return len(self._buffer) - self._position + sum(map(len, self._parts))

    @property
    def is_idle(self) -> bool:
        """Is everything that was received passed on?"""
        is_empty = self._position == len(self._buffer) and not self._parts
        return is_empty and self._control is None and self._error is None

    def receive_data(self, data: bytes) -> None:
        """Add octets of the stream."""
        if self._position == len(self._buffer) and not self._parts:
            self._buffer, self._position = data, 0
        else:
            self._parts.append(data)

    def take_control(self) -> tuple[int, bytes] | None:
        """The ping, pong or close at which `unwrap` stopped: opcode and payload."""
        control, self._control = self._control, None
        return control

    def unwrap(self, limit: int, max_unfinished: int, most: int) -> bytes:
        """The next frames, as octets of ZMTP. The last may be incomplete; the rest of it comes next.

        most: work, in short frames: a frame in a run of equal ones is 1, and any other FRAME_WORK. `spent` is the work
        of the others.

        limit: the largest body; −1: any. max_unfinished: the largest of a message in several frames, which is kept here
        until it is whole. Raises ProtocolError.
        """
        pieces: list[bytes] = []
        self.spent = 0
        if self._parts:
            self._buffer, self._position = b"".join([self._buffer[self._position :], *self._parts]), 0
            self._parts = []
        while most > 0 and self._control is None and self._error is None:
            count = 0
            try:
                count = self._unwrap_run(pieces, limit, most) if not self._left and self._fragments is None else 0
                if not count and not self._unwrap_next(pieces, limit, max_unfinished):
                    break
            except ProtocolError as error:
                self._error = error  # raised when what came before it has been passed on
            if not count:
                self.spent += FRAME_WORK
            most -= count or FRAME_WORK
        if self._error is not None and not pieces:
            raise self._error
        if self._position == len(self._buffer):
            self._buffer, self._position = b"", 0
        return b"".join(pieces)

    def _unwrap_next(self, pieces: list[bytes], limit: int, max_unfinished: int) -> bool:
        """One frame, or a part of its payload. False if there is too little for it."""
        if self._left:
            return self._go_on(pieces)
        octets, at = self._buffer, self._position
        header = read_header(octets, at)
        if header is None:
            if len(octets) - at > 1:  # an error is to be known at once, and not only when the rest has come
                check_header(
                    Header(octets[at] & FIN > 0, octets[at] & 0x7F, bytes(4 * (octets[at + 1] >> 7)), 0, 2),
                    masked=self._masked,
                    in_message=self._fragments is not None,
                )
            return False
        check_header(header, masked=self._masked, in_message=self._fragments is not None)
        begin = at + header.length
        if header.opcode >= CLOSE:
            end = begin + header.size
            if end > len(octets):
                return False
            self._control = header.opcode, mask(octets[begin:end], header.key) if header.key else octets[begin:end]
            self._position = end
            return True
        if not header.fin or header.opcode == CONTINUATION:
            fragments = self._fragments = self._fragments if self._fragments is not None else bytearray()
            check_size(len(fragments) + header.size - 1, limit, "maxmsgsize")
            check_size(len(fragments) + header.size - 1, max_unfinished, "maxunfinished, because it comes in parts")
            self._frame, self._left, self._position = header, header.size, begin
            if not header.size:
                self._end_fragment(pieces)
            return True
        if not header.size:
            raise no_flags()
        check_size(header.size - 1, limit, "maxmsgsize")
        if begin == len(octets):
            return False
        flags = octets[begin] ^ header.key[0] if header.key else octets[begin]
        pieces.append(frame_header(header.size - 1, zmtp_flags(flags)))
        self._frame, self._left, self._position = header, header.size - 1, begin + 1
        if self._left:
            self._go_on(pieces)
        return True

    def _go_on(self, pieces: list[bytes]) -> bool:
        """With the payload of the last frame."""
        header, at = self._frame, self._position
        count = min(self._left, len(self._buffer) - at)
        if not count:
            return False
        self._position = at + count
        if header.key:
            part = mask(memoryview(self._buffer)[at : at + count], header.key, header.size - self._left)
        else:
            part = self._buffer[at : at + count]
        self._left -= len(part)
        if self._fragments is None:
            pieces.append(part)
            return True
        self._fragments += part
        if not self._left:
            self._end_fragment(pieces)
        return True

    def _end_fragment(self, pieces: list[bytes]) -> None:
        if not self._frame.fin:
            return
        message, self._fragments = self._fragments, None
        if not message:
            raise no_flags()
        pieces += frame_header(len(message) - 1, zmtp_flags(message[0])), bytes(message[1:])

    def _unwrap_run(self, pieces: list[bytes], limit: int, most: int) -> int:
        """Many frames that have the same size, and flags of 0, in one step; how many."""
        octets, at = self._buffer, self._position
        header = read_header(octets, at)
        if header is None or not header.size or octets[at] != FIN | BINARY or bool(header.key) is not self._masked:
            return 0
        length, size = header.length, header.size
        step = length + size
        if octets[at + length : at + length + 1] != (header.key[:1] or b"\0"):
            return 0  # at once, because to count costs more than the frame
        count = count_run(octets, at, length - len(header.key), step, most)
        if count < SHORTEST_RUN or 0 <= limit < size - 1:
            return 0
        flags = octets[at + length : at + count * step : step]
        none = octets[at + length - 4 : at + count * step - 4 : step] if header.key else bytes(count)
        if flags != none:
            count = next(number for number in range(count) if flags[number] != none[number])
        if count < SHORTEST_RUN or size > MOST_COLUMNS * count:
            return 0
        frames = octets[at : at + count * step]
        if header.key:
            keys = bytearray(4 * count)
            for column in range(4):
                keys[column::4] = frames[length - 4 + column :: step]
            frames = xor(frames, keystream(bytes(keys), length, size))
        front = frame_header(size - 1)
        pieces.append(front + front.join([body for (body,) in iter_unpack(f"{length + 1}x{size - 1}s", frames)]))
        self._position = at + count * step
        return count


def count_run(octets: bytes, at: int, fixed: int, step: int, most: int) -> int:
    """How many frames of step octets follow each other from this offset, this one included, whose first `fixed` octets
    are the same."""
    if octets[at : at + fixed] != octets[at + step : at + step + fixed]:
        return 1
    count = min((len(octets) - at) // step, most)
    for place in range(at, at + fixed):
        if count < SHORTEST_RUN:
            return count
        count -= len(octets[place : at + count * step : step].lstrip(octets[place : place + 1]))
    return count


def check_size(size: int, limit: int, limited_by: str) -> None:
    """Raise CloseError for a body above the limit; −1: there is none."""
    if 0 <= limit < size:
        raise CloseError(f"frame of {size} octets, expected at most {limit} ({limited_by})", TOO_BIG)


def zmtp_flags(flags: int) -> int:
    """The flags of a ZMTP frame for those of a ZWS frame."""
    if flags not in TO_ZMTP:
        raise ProtocolError(f"frame flags are {flags:02x}, expected 00, 01 (MORE) or 02 (COMMAND) (45/ZWS, Framing)")
    return TO_ZMTP[flags]


def no_flags() -> ProtocolError:
    """The error for a message of the WebSocket that has no octets."""
    return ProtocolError("a message without octets, expected an octet of flags (45/ZWS, Framing)")
