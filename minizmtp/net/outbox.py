"""The outbox: from messages that are queued to octets that the system has taken.               L-4, L-8, L-10, 37-54

    pipe.outbound ──fill──►  │ 41 messages, joined │ PONG │ a header │ its body, 1 MiB │ …  ──offer──►  stream
                               └─── taken ───┘

`fill` encodes what is queued, many messages to one write, and `offer` lets the system take what it can, without
waiting. Between the two the outbox knows which octets belong to which message. For when the connection breaks, a
message that has left whole is gone (nobody can tell whether the peer has read it, and nothing is sent twice); one that
has not goes back to its queue, and the next connection sends it from its beginning.

A large frame is not copied: the system gets its header and its body as they are. (100 MiB: 0.13 ms of CPU for each MiB
in place of 0.6, which it takes to have so much memory for the copy; 1 MiB: 0.15 in place of 0.17; 64 KiB: 0.21 in place
of 0.23. Measured on 2026-11-25.)

Below this module: `transports`, `wire.connection`, `patterns.queue`. Above it: `engine`. It can be read alone.
"""

from collections.abc import Sequence

from ..patterns.queue import OpenRun, Queue
from ..wire import Connection, Item
from ..wire.frames import LONG
from .transports import Stream

# How many octets are joined into one write. Above it, joining gains nothing and delays the first.
BATCH = 65536


class Outbox:
    """stream: where the octets go. connection: encodes the messages.

    What is here stays in the pieces in which it came: to move what is left of a large one, each time the system has
    taken some, would cost more than to send it.
    """

    __slots__ = ("_connection", "_pieces", "_stream", "_taken", "broken", "owed", "sent", "size")

    def __init__(self, stream: Stream, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self._pieces: list[tuple[bytes, Sequence[Item], bool]] = []  # octets, items that end in them, are they owed
        self._taken = 0  # octets of the first piece that the system has
        self.size = 0  # octets in all
        self.sent = 0  # octets that the system has taken since the beginning
        self.owed = 0  # … of them the protocol's own, which are no items
        self.broken = False  # the system takes no more

    def put(self, octets: bytes, items: Sequence[Item] = (), owed: bool = False) -> None:
        """octets: those of all items. (A large one comes in two pieces, its front first, and belongs to the second.)
        owed: the protocol's own words."""
        if not octets:  # what a peer of ZMTP 3.0 is sent for a PING
            return
        self._pieces.append((octets, items, owed))
        self.size += len(octets)
        if owed:
            self.owed += len(octets)

    def fill(self, queue: Queue) -> None:
        """Encode what is queued, as much as makes a good write."""
        first = queue.peek()
        if first is None or self.size >= BATCH:
            return
        if type(first) is OpenRun:
            self._fill_from_runs(queue)
        elif (apart := self._connection.send_apart(first)) is not None:
            self.put(apart[0])
            self.put(apart[1], queue.take_batch(1))
        elif len(queue) == 1:
            items = queue.take_batch(1)
            self.put(self._connection.send(items[0]), items)
        elif queue.has_runs:
            self._fill_from_runs(queue)
        else:
            number, pieces = self._connection.send_some(queue, BATCH - self.size)
            self.put(b"".join(pieces), queue.take_batch(number))

    def _fill_from_runs(self, queue: Queue) -> None:
        """The same where some of the items are runs. Short ones are joined, because each piece may be a write."""
        pieces: list[bytes] = []
        items: list[Item] = []
        room = BATCH - self.size
        while room > 0 and (first := queue.peek()) is not None:
            if type(first) is OpenRun:
                run = queue.take_run()
                octets = self._connection.send_run(run)
                items += run.messages
            elif (apart := self._connection.send_apart(first)) is None:
                number, some = self._connection.send_some(queue.up_to_run(), room)
                octets = b"".join(some)
                items += queue.take_batch(number)
            elif pieces:
                break  # because a large frame is not copied: it is for the next call
            else:
                self.put(apart[0])
                self.put(apart[1], queue.take_batch(1))
                return
            pieces.append(octets)
            room -= len(octets)
        self.put(b"".join(pieces), items)

    def offer(self) -> None:
        """Let the system take what it can, two pieces at a time: a large message's front is to go with its body."""
        pieces = self._pieces
        while self.size and not self.broken:
            octets, _, owed = pieces[0]
            rest = memoryview(octets)[self._taken :] if self._taken else octets
            try:
                taken = self._stream.try_send(rest) if len(pieces) == 1 else self._stream.try_send(rest, pieces[1][0])
            except OSError:
                # The reader will find out as well, after what the peer sent before it went: that is not to be lost.
                self.broken = True
                return
            self.size -= taken
            self.sent += taken
            self._taken += taken
            while self._taken >= len(octets):
                del pieces[0]
                self._taken -= len(octets)
                if owed:
                    self.owed -= len(octets)
                if not pieces:
                    return
                octets, _, owed = pieces[0]
            if self._taken or not taken:
                return

    def unsent(self) -> list[Item]:
        """The items that have not left whole, oldest first. Of one whose last octet is still here the peer has seen a
        part at most, and it throws away a part that has no end (L-10)."""
        taken = self._taken
        unsent: list[Item] = []
        for octets, items, _ in self._pieces:
            unsent += [item for item, end in zip(items, ends(octets, items), strict=True) if end > taken]
            taken = 0
        return unsent


def ends(octets: bytes, items: Sequence[Item]) -> list[int]:
    """Where each of the items ends that are in octets: their own headers tell. (A front has no items, and no ends.)"""
    if len(items) == 1:
        return [len(octets)]
    found, at = [], 0
    for item in items:
        for _ in item if isinstance(item, list) else (item,):
            if octets[at] & LONG:
                at += 9 + int.from_bytes(octets[at + 1 : at + 9], "big")
            else:
                at += 2 + octets[at + 1]
        found.append(at)
    return found
