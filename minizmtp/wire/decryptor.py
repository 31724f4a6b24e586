r"""The decryptor: the frames of an encrypted connection.                                   25/ZMTP-CURVE, 37/ZMTP 3.1

    a message frame without flags      00 26   07 M E S S A G E   nonce   box
    what is in its box                                                    └─► flags, body

After the handshake each frame, of a message or a command, travels in the box of another frame. Only the flags inside
count (37-84, 26-36): outside, RFC 37 asks for COMMAND, libzmq sets no flag, and some peers repeat MORE. The decryptor
returns what a decoder returns for an unencrypted connection:

    >>> class Backwards(Mechanism):
    ...     def decrypt(self, bodies):
    ...         return ((body[0], body[:0:-1]) for body in bodies)
    >>> decoder = BatchDecoder()
    >>> decryptor = Decryptor(decoder, Backwards())
    >>> decoder.receive_data(b"\0\6\0olleh" b"\0\3\1di" b"\0\6\0dlrow")
    >>> decryptor.next_messages(9)
    [b'hello', [b'id', b'world']]

It can be read alone.
"""

from collections import deque
from typing import Any

from ..errors import ProtocolError
from .batches import BatchDecoder
from .events import Message
from .frames import COMMAND, MORE, Frame
from .mechanisms import Mechanism

# The work for a box, in short frames: 4 for a small one, 132 for one of 64 KiB.
BOX_WORK, OCTETS_PER_WORK = 4, 512


class Decryptor:
    """Decrypts the frames of decoder, and counts the work against its allowance."""

    __slots__ = ("_decoder", "_error", "_frames", "_mechanism")

    def __init__(self, decoder: BatchDecoder, mechanism: Mechanism) -> None:
        self._decoder = decoder
        self._mechanism = mechanism
        self._frames: deque[Frame] = deque()  # decrypted, and not returned yet
        self._error: ProtocolError | None = None  # to be raised after them

    @property
    def is_empty(self) -> bool:
        """Has every frame been returned?"""
        return not self._frames and self._error is None and not self._decoder.held

    def next_frame(self) -> Frame | None:
        """The next frame, or None. Raises ProtocolError as the decoder does, and for a box that doesn't open."""
        if not self._frames and self._error is None and (frame := self._decoder.next_frame()) is not None:
            self._decrypt([frame[1]])
        if self._frames:
            return self._frames.popleft()
        if self._error is not None:
            raise self._error
        return None

    def next_messages(self, most: int) -> list[bytes | Message]:
        """As `BatchDecoder.next_messages`. The frames of an incomplete message are kept, decrypted, for `next_frame`,
        because whether a box holds the last frame of a message is known only after it has been opened."""
        frames, found, message = self._frames, list[bytes | Message](), list[bytes]()
        if not frames and self._error is None:
            boxes: list[Any] = self._decoder.next_messages(min(most, max(1, self._decoder.allowance // BOX_WORK)))
            if list in map(type, boxes):  # some peers set MORE outside, too
                boxes = [body for box in boxes for body in (box if isinstance(box, list) else [box])]
            self._decrypt(boxes)
        while frames and len(found) < most and not frames[0][0] & COMMAND:
            flags, body = frames.popleft()
            if flags or message:
                message.append(body)
            else:
                found.append(body)
            if message and not flags:
                found.append(message)
                message = []
        # Back in front, because only `next_frame` may return a part of a message.
        frames.extendleft([(MORE, body) for body in reversed(message)])
        return found

    def _decrypt(self, bodies: list[bytes]) -> None:
        self._decoder.allowance -= BOX_WORK * len(bodies) + sum(map(len, bodies)) // OCTETS_PER_WORK
        try:
            self._frames.extend(self._mechanism.decrypt(bodies))  # in front of a box that doesn't open, all are kept
        except ProtocolError as error:
            self._error = error
