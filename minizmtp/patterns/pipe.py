"""A pipe: one peer, as a socket sees it.                                     28 to 31, "shall create a double queue"

                     ┌──────────────────── Pipe ────────────────────┐
     socket  ──put──►│ outbound   ▪▪▪▪▪▪              (sndhwm: 1000) │──take──►  engine ─► peer
     socket ◄──take──│ inbound    ▪▪▪                 (rcvhwm: 1000) │◄──put───  engine ◄─ peer
                     └───────────────────────────────────────────────┘

Whoever puts and whoever takes never wait for each other here. Each leaves word instead: `on_arrival` is called when an
empty queue has got something (or more, see `mark`), `on_space` when a queue that was found full has room again.

Between two sockets of one process (`inproc://`) there is no engine: the outbound queue of the one *is* the inbound
queue of the other. That is all that inproc is.

The **high-water mark** counts messages, not octets (L-4). A full queue does not open again at the first message taken
but when half of it is, as in libzmq: the reader tells the writer of its progress only every so many messages, and so
neither of them is woken for each (L-3).

    >>> queue = Queue(hwm=4)
    >>> for word in "abcd": queue.put([word.encode()])
    >>> queue.full
    True
    >>> queue.take(), queue.full                    # one place is free, but the writer does not know it yet
    ([b'a'], True)
    >>> queue.take(), queue.full                    # half of the four
    ([b'b'], False)

Below this module: `wire.events`, for the types alone. Above it: `routing`.
Read next: `routing`.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..wire.events import Item


def _nobody() -> None:
    """Nobody is listening."""


class Queue:
    """One direction of a pipe: messages on their way from a writer to a reader, at most hwm of them (0: any number).

    on_arrival is called in the midst of the writer's put, on_space in the midst of the reader's take. So neither may
    put into this queue: what it put might overtake the item that the reader is about to carry away. on_arrival may
    take; on_space just leaves word.

    How many are taken is not counted but worked out from what is left. So whoever takes many may take them from `items`
    itself, as long as more than `tell_at` are left: then there is nobody who wants to be told.
    """

    __slots__ = (
        "__weakref__",
        "_conflate",
        "_half",
        "_odd",
        "_told",
        "closed",
        "dropped",
        "given",
        "hwm",
        "items",
        "limit",
        "mark",
        "on_arrival",
        "on_space",
        "tell_at",
        "wanted",
    )

    def __init__(self, hwm: int = 0, conflate: bool = False) -> None:
        self.items: deque[Item] = deque()  # oldest first
        self._conflate = conflate
        self._odd = conflate  # or closed
        self.given = 0  # put since the beginning
        self._told = 0  # taken since the beginning, as far as the writer has been told
        self.dropped = 0  # never put, for want of room
        self.closed = False  # nobody will take: what is put is dropped
        self.mark = 1  # put calls on_arrival when so many are there; 0: not at all, for the reader comes by itself
        self.wanted = False  # a writer found it full, and wants to hear of room …
        self.tell_at = 0  # … which there will be when of so many left one is taken
        self.on_arrival: Callable[[], None] = _nobody
        self.on_space: Callable[[], None] = _nobody
        self.set_hwm(hwm)

    def set_hwm(self, hwm: int) -> None:
        """Change the limit at once; what is already queued stays. (A queue that conflates has no limit.)

        Half of the new limit can be more than the queue holds, so that no reading would ever wake a writer that waits
        for room. The writer is therefore told here, if there is room now.
        """
        self.hwm = 0 if self._conflate else hwm
        self._half = (self.hwm + 1) // 2 or 1
        self._tell(self.taken)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def taken(self) -> int:
        """How many have been taken since the beginning."""
        return self.given - len(self.items)

    @property
    def full(self) -> bool:
        """Is the high-water mark reached, as far as the writer knows? (As long as `given` is below `limit`, it is not:
        who puts many may look at these first.)"""
        if self.given >= self.limit:
            self.report()
        return self.given >= self.limit

    def put(self, item: Item) -> None:
        """Append. A writer that must not overfill asks `full` first: subscriptions, for one, are never refused."""
        items = self.items
        if self._odd and (self.closed or (items and isinstance(item, (bytes, list)))):
            self._replace(item)
            return
        items.append(item)
        self.given += 1
        if len(items) == self.mark:
            self.on_arrival()

    def put_all(self, messages: Sequence[Item]) -> None:
        """Append several, at the cost of one."""
        if self._odd:
            for message in messages:
                self.put(message)
            return
        first = messages and not self.items
        self.items.extend(messages)
        self.given += len(messages)
        if first:
            self.on_arrival()

    def take_some(self, most: int) -> list[Item]:
        """The oldest items, up to most, at the cost of one."""
        items = self.items
        if len(items) > most:
            taken = [items.popleft() for _ in range(most)]
        else:
            taken = list(items)
            items.clear()
        if self.wanted:
            self.report()
        return taken

    def take(self) -> Item | None:
        """The oldest item, or None."""
        if not self.items:
            return None
        item = self.items.popleft()
        if self.wanted:
            self.report()
        return item

    def want_space(self) -> None:
        """The writer found it full: on_space is to be called when there is room."""
        self.wanted = True
        self.tell_at = self.given - self._told - self._half + 1

    def report(self) -> None:
        """Let the writer know how far the reader has come: in steps of half the limit (L-3)."""
        steps = (self.taken - self._told) // self._half
        if steps > 0:
            self._tell(self._told + steps * self._half)

    def _tell(self, taken: int) -> None:
        self._told = taken
        self.limit = taken + self.hwm if self.hwm else sys.maxsize
        if self.wanted and self.given < self.limit:
            self.wanted, self.tell_at = False, 0
            self.on_space()

    def put_back(self, items: Iterable[Item]) -> None:
        """Undo takes: the items, oldest first, go to the front again. The engine does so with what never left."""
        if self.closed or (self._conflate and self.items):
            return
        back = list(items)
        self.items.extendleft(reversed(back))
        self._tell(self._told - len(back))

    def _replace(self, message: Item) -> None:
        """conflate: only the newest message counts. (Subscriptions are no messages: each of them stays.)"""
        if self.closed:
            return
        if isinstance(self.items[-1], (bytes, list)):
            self.items[-1] = message
            self.dropped += 1
        else:
            self.items.append(message)
            self.given += 1

    def drop_all(self) -> None:
        """Drop what is queued. It does not count as taken."""
        self.given -= len(self.items)
        self.dropped += len(self.items)
        self.items.clear()
        self.report()

    def close(self) -> None:
        """The reader is gone: forget what is queued, drop what comes. What is forgotten does not count as taken."""
        self.closed = self._odd = True
        self.given -= len(self.items)
        self.items.clear()
        self._tell(self.given)


class Source:
    """Where a pipe's messages come from, for a receiver that has nobody else to hear (see `engine`)."""

    __slots__ = ()
    in_process = False  # the peer is a socket of this program

    @property
    def can_be_waited_for(self) -> bool:
        """May a receiver wait here now? Only one at a time, and not where nothing will come."""
        raise NotImplementedError

    async def wait(self) -> None:
        """Until something may have come, or the receiver is called away."""
        raise NotImplementedError

    def call_away(self) -> None:
        """Let go whoever waits here."""
        raise NotImplementedError

    def end(self, why: str) -> None:
        """End the connection, because the socket does not want this peer any more. A connecting side dials again."""
        raise NotImplementedError


class Pipe:
    """One peer: a queue to it, a queue from it, and what is known of it.

    A pipe outlives its connection on the connecting side only. `connect` makes one at once, so that messages can be
    queued before the peer exists, and keeps it from connection to connection. An accepted connection brings a pipe that
    goes with it, and what was queued in it for that peer goes too (28-22, 28-23). Most surprises of ZeroMQ follow from
    this one rule.
    """

    __slots__ = ("__weakref__", "former", "identity", "inbound", "metadata", "outbound", "routing_id", "source")

    def __init__(self, outbound: Queue, inbound: Queue) -> None:
        self.outbound = outbound
        self.inbound = inbound
        self.metadata: Mapping[str, str] = {}
        self.identity = b""  # what the peer asks a ROUTER to call it (37-46) …
        self.routing_id = b""  # … and what a ROUTER does call it, once it does
        self.source: Source | None = None  # there is one while there is a connection
        self.former: Pipe | None = None  # holds what a peer before this one sent, while that is unread

    def formers(self) -> Iterator[Pipe]:
        """The same for the peers before."""
        former = self.former
        while former is not None:
            yield former
            former = former.former
