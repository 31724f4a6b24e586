"""The outbox: from messages that are queued to octets that the system has taken.               L-4, L-8, L-10, 37-54

    pipe.outbound ──fill──►  │ first write: 41 messages, joined │ PONG │ second write … │  ──offer──►  stream
                               └─── taken ───┘

`fill` encodes what is queued, many messages to one write, and `offer` lets the system take what it can, without
waiting. Between the two the outbox knows which octets belong to which message. For when the connection breaks, a
message that has left whole is gone (nobody can tell whether the peer has read it, and nothing is sent twice); one that
has not goes back to its queue, and the next connection sends it from its beginning.

Below this module: `transports`, `wire.connection`, `patterns.pipe`. Above it: `engine`. It can be read alone.
"""

from collections.abc import Sequence

from .patterns.pipe import Queue
from .transports import Stream
from .wire import Connection, Item
from .wire.frames import FrameDecoder

# How many octets are joined into one write. Above it, joining gains nothing and delays the first.
BATCH = 65536


class Outbox:
    """stream: where the octets go. connection: encodes the messages.

    What is here stays in the pieces in which it came: to move what is left of a large one, each time the system has
    taken some, would cost more than to send it.
    """

    __slots__ = ("_connection", "_pieces", "_stream", "_taken", "broken", "owed", "size")

    def __init__(self, stream: Stream, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self._pieces: list[tuple[bytes, Sequence[Item]]] = []  # octets, and the items that they are of
        self._taken = 0  # octets of the first piece that the system has
        self.size = 0  # octets in all
        self.owed = 0  # … of them the protocol's own, which are no items
        self.broken = False  # the system takes no more

    def put(self, octets: bytes, items: Sequence[Item] = ()) -> None:
        """octets: those of all items. The protocol's own words are no items."""
        self._pieces.append((octets, items))
        self.size += len(octets)
        if not items:
            self.owed += len(octets)

    def fill(self, queue: Queue) -> None:
        """Encode what is queued, as much as makes a good write."""
        if len(queue.items) == 1 and not self.size:
            items = queue.take_some(1)
            self.put(self._connection.send(items[0]), items)
        elif self.size < BATCH:
            number, pieces = self._connection.send_some(queue.items, BATCH - self.size)
            if number:
                self.put(b"".join(pieces), queue.take_some(number))

    def offer(self) -> None:
        """Let the system take what it can."""
        while self.size and not self.broken:
            octets, items = self._pieces[0]
            try:
                taken = self._stream.try_send(memoryview(octets)[self._taken :] if self._taken else octets)
            except OSError:
                # The reader will find out as well, after what the peer sent before it went: that is not to be lost.
                self.broken = True
                return
            self.size -= taken
            self._taken += taken
            if self._taken < len(octets):
                return
            del self._pieces[0]
            self._taken = 0
            if not items:
                self.owed -= len(octets)

    def unsent(self) -> list[Item]:
        """The items that have not left whole, oldest first. Of one whose last octet is still here the peer has seen a
        part at most, and it throws away a part that has no end (L-10)."""
        taken = self._taken
        unsent: list[Item] = []
        for octets, items in self._pieces:
            # Where each ends is written in the octets themselves.
            decoder = FrameDecoder()
            decoder.receive_data(octets)
            for item in items:
                for _ in item if isinstance(item, list) else (item,):
                    decoder.next_frame()
                if decoder.position > taken:
                    unsent.append(item)
            taken = 0
        return unsent
