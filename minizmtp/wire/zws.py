r"""ZWS: ZMTP's frames as messages of a WebSocket.                                             45/ZWS, "Framing"

    ZMTP     04 19  05 READY …                01 02 id            00 05 hello
             flags, size, body                │                   │
    ZWS      82 1a  02  05 READY …            82 03  01  id       82 06  00  hello
             header, flags, body                     01: MORE            00: the last frame of a message
                     02: COMMAND

A WebSocket message has a size already, so a ZWS frame is one octet of flags and the body. Nothing else differs:

    >>> Wrapper().wrap(b"\x01\x02id\x00\x05hello").hex(" ")
    '82 03 01 69 64 82 06 00 68 65 6c 6c 6f'
    >>> decoder = ZwsDecoder()
    >>> decoder.receive_data(bytes.fromhex("82 03 01 69 64   82 06 00 68 65 6c 6c 6f"))
    >>> decoder.next_frame(), decoder.next_frame()
    ((1, b'id'), (0, b'hello'))

The wrapper translates what an `Encoder` has made of messages. The decoder is a `BatchDecoder` with other octets before
it, so a Connection reads from either. Pings, pongs and closes belong to the WebSocket. The decoder stops at one:

    >>> decoder.receive_data(bytes.fromhex("89 01 61   82 02 00 62"))
    >>> decoder.next_frame(), decoder.control
    (None, (9, b'a'))

A run of frames of one size is translated in a single step, as in `batches`. That includes the masks, because there the
keys of a thousand frames are applied by one XOR of two long numbers.

Read next: `upgrade`.
"""

import os

from ..errors import ProtocolError
from .batches import BatchDecoder, cut
from .body import Body
from .connection import FRAME_WORK
from .events import Message
from .frames import COMMAND, LONG, MORE, Frame
from .websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    LONGEST_HEADER,
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

# A shorter run is not worth a step of its own. Nor is, with masks, one of frames with more octets than this for each
# frame of it, because each column of octets is a copy.
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
            self._keys = os.urandom(size + 1024)  # many at once, because a call of the system costs as much as a frame
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
            step = length + int.from_bytes(octets[at + 1 : at + length], "big")
            count = count_run(octets, at, length, step, SHORTEST_RUN * 1000)
            if count >= SHORTEST_RUN:
                run = memoryview(octets)[at : at + count * step]
                bodies = cut(f"{length}x{step - length}s", run)
                pieces.append(self._wrap_run(TO_ZWS[flags & ~LONG], bodies))
            else:
                count = 1  # what is too short to be a run is wrapped one by one
                pieces += self.wrap_body(octets[at + length : at + step], flags & ~LONG)
            at += count * step
        return b"".join(pieces)

    def wrap_body(self, body: bytes, flags: int = 0) -> tuple[bytes, bytes]:
        """One frame, as a front and a back. The body is copied only for the mask."""
        size = 1 + len(body)
        if self.masks:
            key = self.new_keys()
            return encode_header(size, key=key), mask(TO_ZWS[flags] + body, key)
        return encode_header(size) + TO_ZWS[flags], body

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


class MaskedBody(Body):
    """Is unmasked as it arrives, because to unmask 100 MiB at once would take the time of other tasks: 0.1 s."""

    __slots__ = ("_key",)

    def __init__(self, size: int, key: bytes) -> None:
        super().__init__(size)
        self._key = key

    def write(self, data: bytes | memoryview) -> int:
        turn = self.received % 4
        return super().write(mask(bytes(data[: self.size - self.received]), self._key[turn:] + self._key[:turn]))

    def get_buffer(self) -> None:
        return None  # so that everything is written


class ZwsDecoder(BatchDecoder):
    """Cuts the stream of a WebSocket into frames, with the flags that ZMTP has for them.

    masked: the stream comes from a client. max_unfinished: how much is kept of a message in several frames of the
    WebSocket; only with the last of them its size is known.
    control: opcode and payload of the ping, the pong or the close at which the decoder has stopped. It goes on when
    this is None again.
    """

    __slots__ = ("_fragments", "_masked", "_max_unfinished", "control")

    def __init__(
        self, limit: int = -1, limited_by: str = "maxmsgsize", *, masked: bool = False, max_unfinished: int = 0
    ) -> None:
        super().__init__(limit, limited_by)
        self._masked = masked
        self._max_unfinished = max_unfinished
        self._fragments: bytearray | None = None  # of a message in several frames
        self.control: tuple[int, bytes] | None = None

    @property
    def held(self) -> int:
        return super().held + len(self._fragments or b"")

    def next_frame(self) -> Frame | None:
        """The next frame; None if it isn't complete, or a control stands before it, or the allowance is used up. Each
        frame of the WebSocket counts against that, because a message may consist of many without an octet."""
        while self.control is None and self.allowance > 0 and (found := self._next_payload()) is not None:
            self.allowance -= FRAME_WORK
            header, payload = found
            if header.opcode >= CLOSE:
                self.control = header.opcode, payload
                if header.opcode == CLOSE:
                    self._keep(b"")  # because what comes after a close does not count (RFC 6455, 5.5.1)
            elif header.fin and self._fragments is None:
                return read_flags(payload)
            else:
                self._fragments = self._fragments or bytearray()
                self._fragments += payload
                if header.fin:
                    message, self._fragments = bytes(self._fragments), None
                    return read_flags(message)
        return None

    def _next_payload(self) -> tuple[Header, bytes] | None:
        """The next frame of the WebSocket, if it is complete. The payload is without its mask."""
        if self.body is not None:
            header = read_header(self._header, 0)
            if header is None or not self.body.is_complete:
                return None
            payload, self.body = self.body.getvalue(), None
        else:
            if self._pending:
                self._keep(b"".join([self._buffer[self._position :], *self._pending]))
            octets, at = self._buffer, self._position
            if len(octets) - at < 2:
                self._keep(octets[at:])  # so that the frames before it can be freed
                return None
            # Zeros stand for the rest of the header, because an error in its first two octets is to be known at once.
            header = read_header(octets[at : at + LONGEST_HEADER].ljust(LONGEST_HEADER, b"\0"), 0)
            assert header is not None
            self._check_frame(header)
            begin, end = at + header.length, at + header.length + header.size
            if end > len(octets):
                if begin <= len(octets):
                    self.body = MaskedBody(header.size, header.key) if header.key else Body(header.size)
                    self._header = octets[at:begin]
                    self.body.write(memoryview(octets)[begin:])
                    self._keep(b"")
                return None
            payload, self._position = mask(octets[begin:end], header.key), end
        return header, payload

    def _check_frame(self, header: Header) -> None:
        """Raise ProtocolError for a frame that is not allowed here, or too large."""
        check_header(header, masked=self._masked, in_message=self._fragments is not None)
        if header.opcode >= CLOSE:
            return
        size = len(self._fragments or b"") + header.size - 1
        check_size(size, self.limit, self.limited_by)
        if not header.fin or header.opcode == CONTINUATION:
            check_size(size, self._max_unfinished, "maxunfinished, because it comes in parts")

    def next_messages(self, most: int) -> list[bytes | Message]:
        """As `BatchDecoder.next_messages`: what is not a message, breaks a rule or is incomplete is left to
        `next_frame`."""
        found: list[bytes | Message] = []
        if self.body is None and self._fragments is None and self.control is None and not self._pending:
            while len(found) < most and self.allowance > 0:
                begin = self._position
                if (message := self._next_message()) is None:
                    break
                found.append(message)
                if isinstance(message, bytes):
                    run = self._equal_messages(begin, min(most - len(found), self.allowance))
                    self.allowance -= len(run)
                    found += run
        self.is_empty = self._position == len(self._buffer)
        return found

    def _next_message(self) -> bytes | Message | None:
        """One message, if each of its frames is complete, and a whole message of the WebSocket. Else None, and nothing
        has been read."""
        octets, at, frames, work = self._buffer, self._position, list[bytes](), 0
        while work < self.allowance and (header := read_header(octets, at)) is not None:
            begin, end = at + header.length, at + header.length + header.size
            is_plain = octets[at] == FIN | BINARY and bool(header.key) is self._masked and header.size
            if not is_plain or end > len(octets) or 0 <= self.limit < header.size - 1:
                return None
            payload = mask(octets[begin:end], header.key)
            if payload[0] > MORE:  # which is the same bit in both
                return None
            frames.append(payload[1:])
            work += FRAME_WORK
            at = end
            if not payload[0]:
                self._position = end
                self.allowance -= work
                return frames if len(frames) > 1 else frames[0]
        return None

    def _equal_messages(self, begin: int, most: int) -> list[bytes]:
        """The run of messages, up to most, that follow the one that began at this offset and are like it: one frame of
        the same size."""
        octets, at, header = self._buffer, self._position, read_header(self._buffer, begin)
        if header is None or most < SHORTEST_RUN or octets[at : at + 2] != octets[begin : begin + 2]:
            return []  # at once, because to count costs as much as a frame
        length, size, step = header.length, header.size, at - begin
        count = count_run(octets, begin, length - len(header.key), step, most + 1) - 1
        flags = octets[at + length : at + count * step : step]
        # Under its mask, an octet of flags that is 0 is the first octet of the key.
        zeros = octets[at + length - 4 : at + count * step - 4 : step] if header.key else bytes(count)
        if flags != zeros:
            count = next(number for number in range(count) if flags[number] != zeros[number])
        if count < SHORTEST_RUN or (header.key and size > MOST_COLUMNS * count):
            return []
        self._position = at + count * step
        frames = octets[at : self._position]
        if header.key:
            keys = bytearray(4 * count)
            for column in range(4):
                keys[column::4] = frames[length - 4 + column :: step]
            frames = xor(frames, keystream(bytes(keys), length, size))
        return cut(f"{length + 1}x{size - 1}s", frames)


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


def read_flags(payload: bytes) -> Frame:
    """The flags, as in a ZMTP frame's header, and the body, from a message of the WebSocket."""
    if not payload:
        raise ProtocolError("a message without octets, expected an octet of flags (45/ZWS, Framing)")
    if payload[0] not in TO_ZMTP:
        found = f"frame flags are {payload[0]:02x}"
        raise ProtocolError(f"{found}, expected 00, 01 (MORE) or 02 (COMMAND) (45/ZWS, Framing)")
    return TO_ZMTP[payload[0]], payload[1:]
