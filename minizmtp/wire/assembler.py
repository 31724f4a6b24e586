r"""The assembler: frames into messages, and how much of an unfinished message is kept.     37/ZMTP 3.1, "Framing"

    frame MORE   frame MORE   command    frame      ──►  one message of three frames
    └── kept, and counted ──┘    └ not for the assembler

A message is delivered when its last frame has arrived, never a part of it (37-27). The price is memory: maxmsgsize
limits a frame, but nothing in the protocol limits how many frames a message has, and a peer could send frames with MORE
forever. Therefore the assembler has limits of its own.

    >>> assembler = Assembler(max_unfinished=200)
    >>> assembler.add(MORE, b"id"), assembler.add(0, b"hello")
    (None, [b'id', b'hello'])
    >>> [assembler.add(MORE, b"") for _ in range(4)]
    Traceback (most recent call last):
    minizmtp.errors.ProtocolError: 4 frames of a message whose last has not come, 0 octets; expected at most 200 ...

Try it: in `Assembler.add`, write `len(body)` for `len(body) + FRAME_COST`. The last example returns four times None,
although a thousand million such frames would fill any memory.
It can be read alone.
"""

from ..errors import ProtocolError
from .events import Message
from .frames import MORE

# The memory for an unfinished message. The last frame isn't counted, which is the large one in most large messages. A
# frame needs more memory than its octets: 33 for the bytes object, up to 15 because sizes are rounded up to 16, and 9
# for its place in a list that has room to grow.
MAX_UNFINISHED = 2**27
FRAME_COST = 64

# Frames in a message. To free more than this at once would take the time of other tasks: 3 ms.
MOST_FRAMES = 2**18

# Frames in a message to a publisher, which reads each of them as a subscription.
MOST_REQUESTS = 128


class Assembler:
    """max_unfinished: octets, with FRAME_COST more for each frame."""

    __slots__ = ("_max_unfinished", "frames", "is_publisher", "size")

    def __init__(self, max_unfinished: int = MAX_UNFINISHED, is_publisher: bool = False) -> None:
        self.frames: Message = []  # those of the unfinished message
        self.size = 0  # what they count
        self._max_unfinished = max_unfinished
        self.is_publisher = is_publisher

    def add(self, flags: int, body: bytes) -> Message | None:
        """Add a frame; returns the message if it was the last one. Raises ProtocolError above the limits."""
        frames = self.frames
        frames.append(body)
        if len(frames) > (MOST_REQUESTS if self.is_publisher else MOST_FRAMES):
            raise self._too_long()
        if not flags & MORE:
            self.frames, self.size = [], 0
            return frames
        self.size += len(body) + FRAME_COST
        if self.size > self._max_unfinished:
            raise self._too_long()
        return None

    def _too_long(self) -> ProtocolError:
        count, octets = len(self.frames), sum(map(len, self.frames))
        self.frames = []
        if self.is_publisher and count > MOST_REQUESTS:
            return ProtocolError(
                f"a subscriber's message of more than {MOST_REQUESTS} frames, expected several messages, because a"
                " publisher reads each frame as a subscription"
            )
        found = f"{count} frame{'s' * (count > 1)} of a message whose last has not come, {octets} octets"
        if count > MOST_FRAMES:
            return ProtocolError(f"{found}; expected at most {MOST_FRAMES} frames: send it as several messages")
        return ProtocolError(
            f"{found}; expected at most {self._max_unfinished} octets, counting {FRAME_COST} more for each frame;"
            " raise the limit if the peer is to send such messages (maxunfinished)"
        )
