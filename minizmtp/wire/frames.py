r"""Frames: everything after the greeting travels in these.                          37/ZMTP 3.1, "Framing"

     0       1       2                     0       1                9
    +-------+-------+---- - -             +-------+----------------+---- - -
    | flags | size  | body                | flags | size, 8 octets | body        flags: 00000 COMMAND LONG MORE
    +-------+-------+---- - -             +-------+----------------+---- - -
      short: up to 255 octets               long: any size, big-endian; LONG is set

A *message* is one or more message frames, all but the last with MORE set. A *command* is one frame with COMMAND set.
Messages belong to the programs, commands to the protocol: READY, SUBSCRIBE, PING (see `commands`).

    >>> encode_frame(b"hello")
    b'\x00\x05hello'
    >>> encode_frame(b"\x09SUBSCRIBE" + b"news", COMMAND)
    b'\x04\x0e\tSUBSCRIBEnews'
    >>> encode_message([b"id", b"", b"hello"])
    b'\x01\x02id\x01\x00\x00\x05hello'
    >>> encode_frame(bytes(256))[:9].hex(" ")
    '02 00 00 00 00 00 00 01 00'

A command may stand between any two frames, also between two frames of one message: libzmq sends a PING there when its
timer fires (L-12). It may not stand inside a frame, and it never has MORE. So a reader keeps the frames of an
unfinished message while it handles a command. Here is the message [id, hello] with a PING inside:

    >>> decoder = FrameDecoder()
    >>> decoder.receive_data(bytes.fromhex("01 02 69 64   04 07 04 50 49 4e 47 00 14   00 05 68 65 6c 6c 6f"))
    >>> decoder.next_frame(), decoder.next_frame(), decoder.next_frame()
    ((1, b'id'), (4, b'\x04PING\x00\x14'), (0, b'hello'))

The stream may be cut anywhere: the decoder takes what has arrived, and returns a frame when it is complete.

    >>> decoder.receive_data(b"\x00\x05hel")
    >>> decoder.next_frame()                        # None: two octets are missing
    >>> decoder.receive_data(b"lo\x01")
    >>> decoder.next_frame(), decoder.held          # the 0x01 begins another frame
    ((0, b'hello'), 1)

Try it: in `frame_header`, write `128` for `256`. A frame of 200 octets is then a long one, and every peer can read it.
Read next: `commands`.
"""

import sys
from collections.abc import Sequence

from ..errors import ProtocolError
from .body import Body

MORE, LONG, COMMAND = 1, 2, 4

LARGEST_FRAME = 2**63 - 1

Frame = tuple[int, bytes]  # the flags as they are on the wire, and the body


def encode_frame(body: bytes, flags: int = 0) -> bytes:
    """One frame. flags: MORE, COMMAND or 0; LONG is added here. The short form is used if the body fits (37-12)."""
    return frame_header(len(body), flags) + body


def frame_header(size: int, flags: int = 0) -> bytes:
    """The header of a frame with a body of size octets."""
    if size < 256:
        return bytes((flags, size))
    return bytes((flags | LONG,)) + size.to_bytes(8, "big")


def encode_message(message: Sequence[bytes]) -> bytes:
    """All frames of one message."""
    *front, last = message
    return b"".join([encode_frame(frame, MORE) for frame in front] + [encode_frame(last)])


class FrameDecoder:
    """Cuts a stream into frames.

    limit: the size of the largest body to accept, in octets; −1: no limit. A frame that announces more is refused when
    its header has arrived, before any memory is used for it. limit may be changed between two frames. limited_by: what
    set the limit, for the error.
    allowance: how much may still be decoded, in short frames; see `connection`. `next_frame` only counts it down.
    """

    __slots__ = ("_buffer", "_header", "_pending", "_position", "allowance", "body", "limit", "limited_by")

    def __init__(self, limit: int = -1, limited_by: str = "maxmsgsize") -> None:
        self.limit = limit
        self.limited_by = limited_by
        self.allowance = sys.maxsize
        self._buffer = b""
        self._position = 0  # where in _buffer the next frame begins
        self._pending: list[bytes] = []  # octets that come after those in _buffer
        self.body: Body | None = None  # the body of a frame of which only a part has arrived
        self._header = b""  # of that frame

    @property
    def held(self) -> int:
        """How many octets have been received and not returned in a frame."""
        partial = len(self._header) + self.body.received if self.body is not None else 0
        return partial + len(self._buffer) - self._position + sum(map(len, self._pending))

    def receive_data(self, data: bytes) -> None:
        """Add octets from the stream. The octets of a body that arrives in many parts are copied once (see `body`)."""
        if self.body is not None and not self.body.is_complete:
            used = self.body.write(data)
            if used < len(data):
                self._buffer, self._position = data, used
        elif self._position == len(self._buffer):
            self._buffer, self._position = data, 0
        else:
            self._pending.append(data)

    def next_frame(self) -> Frame | None:
        """The next frame, or None if it isn't complete.

        Raises ProtocolError for reserved flags, for MORE on a command, and for a body above the limit (37-21 … 37-23).
        """
        self.allowance -= 1
        if self.body is not None:
            if not self.body.is_complete:
                return None
            frame = self._header[0], self.body.getvalue()
            self.body = None
            return frame
        if self._pending:
            self._keep(b"".join([self._buffer[self._position :], *self._pending]))
        octets, start = self._buffer, self._position
        if len(octets) - start < 2:
            self._keep(octets[start:])  # so that the frames before it can be freed
            return None
        flags, size, begin = octets[start], octets[start + 1], start + 2
        if flags & LONG:
            begin = start + 9
            size = int.from_bytes(octets[start + 1 : begin], "big") if begin <= len(octets) else 0
        if flags > LONG | MORE or size > LARGEST_FRAME or 0 <= self.limit < size:
            self._check(flags, size)
        end = begin + size
        if end <= len(octets):
            self._position = end
            return flags, octets[begin:end]
        if begin <= len(octets):
            self.body, self._header = Body(size), octets[start:begin]
            self.body.write(memoryview(octets)[begin:])
            self._keep(b"")
        return None

    def _keep(self, octets: bytes) -> None:
        """Go on with these octets alone."""
        self._buffer, self._position, self._pending = octets, 0, []

    def _check(self, flags: int, size: int) -> None:
        """Raise ProtocolError if a frame may not have this header. at: 0 is the offset of the flags, 1 of the size."""
        found = f"frame flags are {flags:02x}"
        if flags & ~(MORE | LONG | COMMAND):
            raise ProtocolError(f'{found}: bits 3 to 7 are reserved, expected 0 (37/ZMTP "Framing")', at=0)
        if flags & COMMAND and flags & MORE:
            raise ProtocolError(f'{found}: a command is one frame, expected MORE to be 0 (37/ZMTP "Framing")', at=0)
        if size > LARGEST_FRAME:
            raise ProtocolError(f'frame of {size} octets, expected at most 2^63-1 (37/ZMTP "Framing")', at=1)
        if 0 <= self.limit < size:
            raise ProtocolError(f"frame of {size} octets, expected at most {self.limit} ({self.limited_by})", at=1)
