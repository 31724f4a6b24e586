r"""Frames: everything after the greeting travels in these.                          37/ZMTP 3.1, "Framing"

     0       1       2                     0       1                9
    +-------+-------+---- - -             +-------+----------------+---- - -
    | flags | size  | body                | flags | size, 8 octets | body        flags: 00000 COMMAND LONG MORE
    +-------+-------+---- - -             +-------+----------------+---- - -
      short: up to 255 octets               long: LONG is set, size is big-endian

A *message* is one or more message frames, all but the last with MORE set. A *command* is one frame with COMMAND set:
peers talk about the conversation in commands, and hold it in messages.

    >>> encode_frame(b"hello")
    b'\x00\x05hello'
    >>> encode_frame(b"\x09SUBSCRIBE" + b"news", COMMAND)
    b'\x04\x0e\tSUBSCRIBEnews'
    >>> encode_message([b"id", b"", b"hello"])
    b'\x01\x02id\x01\x00\x00\x05hello'
    >>> encode_frame(bytes(256))[:9].hex(" ")
    '02 00 00 00 00 00 00 01 00'

A stream may be cut anywhere, so the decoder takes what comes and gives what is whole:

    >>> decoder = FrameDecoder()
    >>> decoder.receive_data(b"\x00\x05hel")
    >>> decoder.next_frame()                        # None: there is more to come
    >>> decoder.receive_data(b"lo\x01")
    >>> decoder.next_frame()
    (0, b'hello')
    >>> decoder.held                                # the 0x01 waits for its frame
    1

Below this module: `errors`, `body`. Above it: `commands` names what a COMMAND frame says, `connection` decides what may
come when.
Read next: `events`.
"""

import sys
from collections.abc import Sequence

from ..errors import ProtocolError
from .body import Body

MORE, LONG, COMMAND = 1, 2, 4

LARGEST_FRAME = 2**63 - 1

# (flags as they stood on the wire, body)
Frame = tuple[int, bytes]


# The headers of short frames, made once, by size: for `curve`, and for messages of several frames.
SHORT = [bytes((0, size)) for size in range(256)]
SHORT_MORE = [bytes((MORE, size)) for size in range(256)]


def encode_frame(body: bytes, flags: int = 0) -> bytes:
    """One frame. flags: MORE or COMMAND or 0; LONG is our business. The short form wherever it fits (37-12)."""
    return frame_header(len(body), flags) + body


def frame_header(size: int, flags: int = 0) -> bytes:
    """What stands before a body of so many octets."""
    if size < 256:
        return bytes((flags, size))
    return bytes((flags | LONG,)) + size.to_bytes(8, "big")


def encode_message(message: Sequence[bytes]) -> bytes:
    """All frames of one message, MORE on all but the last."""
    return b"".join(message_pieces(message))


def message_pieces(message: Sequence[bytes]) -> list[bytes]:
    """The same, not yet joined: header, body, header, body …"""
    pieces: list[bytes] = []
    size = 0
    for frame in message:
        size = len(frame)
        pieces += SHORT_MORE[size] if size < 256 else frame_header(size, MORE), frame
    pieces[-2] = frame_header(size)
    return pieces


class FrameDecoder:
    """Cuts a stream into frames.

    allowance: how much more work may be done, in short frames; `next_frame` counts down. It is unlimited until the
    reader sets it, and the reader is the one that looks at it (see `connection`).
    limit: the largest body to accept, in octets (−1: as large as the format allows). A frame that announces more is
    refused as soon as its header is read, before room is made for it. Whoever uses the decoder may change it between
    two frames. whose_limit: where it comes from, for the sentence that refuses.
    """

    __slots__ = ("_flags", "_header", "allowance", "body", "later", "limit", "position", "whole", "whose_limit")

    def __init__(self, limit: int = -1, whose_limit: str = "maxmsgsize") -> None:
        self.allowance = sys.maxsize
        self.limit = limit
        self.whose_limit = whose_limit
        self.whole = b""  # octets in hand …
        self.position = 0  # … of which so many are used up
        self.later: list[bytes] = []  # what came when they were not all used up, to be joined to them
        self.body: Body | None = None  # of the frame of which only a part was there …
        self._flags = self._header = 0  # … its flags, and how long its header was

    @property
    def held(self) -> int:
        """Octets received that no frame has been made of yet."""
        parted = self._header + self.body.come if self.body is not None else 0
        return parted + len(self.whole) - self.position + sum(map(len, self.later))

    @property
    def plain(self) -> bool:
        """Is all of it in `whole`, and any short frame welcome? Then the quick twins of next_frame may look there."""
        return self.body is None and not self.later and not 0 <= self.limit < 255

    def receive_data(self, data: bytes) -> None:
        """Take what the stream gave. Costs the same for a frame that comes in a thousand pieces (see `body`)."""
        if self.body is not None and not self.body.whole:
            used = self.body.write(data)
            if used < len(data):
                self.whole, self.position = data, used
        elif self.position == len(self.whole):
            self.whole, self.position = data, 0
        else:
            self.later.append(data)

    def next_frame(self) -> Frame | None:
        """The next whole frame as (flags, body), or None while it is not whole.

        Raises ProtocolError for reserved flags, MORE on a command, and bodies above the limit (37-21 … 37-23).
        """
        self.allowance -= 1
        if self.body is not None:
            if not self.body.whole:
                return None
            frame = self._flags, self.body.getvalue()
            self.body = None
            return frame
        if self.later:
            self._keep(b"".join([self.whole[self.position :], *self.later]))
        octets, start = self.whole, self.position
        held = len(octets) - start
        # Two octets are the header of a short frame; the flags say whether it is one.
        if held < 2:
            self._keep(octets[start:])  # and an idle peer's last frame is not kept in memory
            return None
        flags = octets[start]
        if flags & LONG:
            if held < 9:
                self._check(flags, 0)
                return None
            size = int.from_bytes(octets[start + 1 : start + 9], "big")
            header = 9
        else:
            size = octets[start + 1]
            header = 2
        if flags > LONG | MORE or size > 255 or 0 <= self.limit < size:
            self._check(flags, size)
        end = start + header + size
        if end > len(octets):
            self.body, self._flags, self._header = Body(size), flags, header
            self.body.write(memoryview(octets)[start + header :])
            self._keep(b"")
            return None
        self.position = end
        return flags, octets[start + header : end]

    def _keep(self, octets: bytes) -> None:
        """These octets are all that is left."""
        self.whole, self.position, self.later = octets, 0, []

    def _check(self, flags: int, size: int) -> None:
        """at: 0 is the place of the flags in a frame, 1 that of the size."""
        if flags & ~(MORE | LONG | COMMAND):
            raise ProtocolError(
                f'frame flags are {flags:02x}: bits 3 to 7 are reserved, required is zero (37/ZMTP "Framing")', at=0
            )
        if flags & COMMAND and flags & MORE:
            raise ProtocolError(
                f'frame flags are {flags:02x}: a command is one frame, MORE must be zero (37/ZMTP "Framing")', at=0
            )
        if size > LARGEST_FRAME:
            raise ProtocolError(f'frame of {size} octets, the largest that can be is 2^63-1 (37/ZMTP "Framing")', at=1)
        if 0 <= self.limit < size:
            raise ProtocolError(f"frame of {size} octets, the limit here is {self.limit} ({self.whose_limit})", at=1)
