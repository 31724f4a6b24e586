r"""A frame's body that comes in parts: put where it is to stay, as it comes.             37/ZMTP 3.1, "Framing"

    │ has come │  room    │         as much room as has come,
    └──────────┴──────────┘         at most 1 MiB at a time
               └ get_buffer() ┄┄ the stream fills it ┄┄ buffer_updated(65536)
    │       has come      │         room                │
    └─────────────────────┴─────────────────────────────┘

The usual way is to keep the parts and join them at the end. For a frame of 100 MiB that takes 200 MiB, each page of
which the system has to provide, and that, not copying, is most of the work. So here the parts go into one `BytesIO`,
which grows. It lends its memory to be written to, and at the end it gives its bytes away: CPython copies nothing for
either. (100 MiB: 0.8 ms of CPU for each MiB in place of 1.1. Measured on 2026-11-25.)

What a header announces is only what a stranger says, so it is not the size of the room: it takes a real octet to make
room for another. (The two names are those of asyncio's BufferedProtocol.)

    >>> body = Body(6)
    >>> body.write(b"abc"), body.write(b"defgh")            # … of which the last two are not its own
    (3, 3)
    >>> body.whole, body.getvalue()
    (True, b'abcdef')

Below this module: nothing. Above it: `frames`. It can be read alone.
"""

from io import SEEK_END, BytesIO

# Room is made for so many octets: for fewer, an ordinary read does as well; for more, a single read takes too long.
LEAST_ROOM, MOST_ROOM = 1 << 16, 1 << 20


class Body:
    """size: in octets, when it is whole."""

    __slots__ = ("_bytes", "come", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.come = 0  # octets so far
        self._bytes = BytesIO()  # so many, and room

    @property
    def whole(self) -> bool:
        return self.come == self.size

    def write(self, data: bytes | memoryview) -> int:
        """Take what is still missing, or as much as there is of it; how many octets."""
        missing = self.size - self.come
        self._bytes.seek(self.come)
        count = self._bytes.write(data if len(data) <= missing else memoryview(data)[:missing])
        self.come += count
        return count

    def get_buffer(self) -> memoryview | None:
        """Room, to be filled and released; then buffer_updated is to be told. None if it is too little to be of use."""
        if self._bytes.seek(0, SEEK_END) - self.come < LEAST_ROOM:
            room = min(self.size - self.come, self.come, MOST_ROOM)
            if room < LEAST_ROOM:
                return None
            self._bytes.seek(self.come + room - 1)
            self._bytes.write(b"\0")
        return self._bytes.getbuffer()[self.come :]

    def buffer_updated(self, count: int) -> None:
        """So many octets are in the buffer."""
        self.come += count

    def getvalue(self) -> bytes:
        """All of it, once it is whole."""
        return self._bytes.getvalue()
