"""A pipe: one peer, as a socket sees it.                                     28 to 31, "shall create a double queue"

                     ┌──────────────────── Pipe ────────────────────┐
     socket  ──put──►│ outbound   ▪▪▪▪▪▪              (sndhwm: 1000) │──take──►  engine ─► peer
     socket ◄──take──│ inbound    ▪▪▪                 (rcvhwm: 1000) │◄──put───  engine ◄─ peer
                     └───────────────────────────────────────────────┘

Whoever puts and whoever takes never wait for each other here. Each leaves word instead: `on_arrival` is called when an
empty queue has got something, `on_space` when a queue that was found full has room again.

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

from collections import deque
from collections.abc import Callable, Iterable

from ..wire.events import Item, Message

# Messages that are handed on at a time where no limit is set.
MUCH = 1000


def _nobody() -> None:
    """Nobody is listening."""


class Queue:
    """One direction of a pipe: messages on their way from a writer to a reader, at most hwm of them (0: any number).

    on_arrival is called in the midst of the writer's put, on_space in the midst of the reader's take. So neither may
    put into this queue: what it put might overtake the item that the reader is about to carry away. on_arrival may
    take; on_space just leaves word.
    """

    __slots__ = (
        "_conflate",
        "_reported",
        "_taken",
        "_unread",
        "closed",
        "dropped",
        "full",
        "hwm",
        "items",
        "lwm",
        "on_arrival",
        "on_space",
        "wanted",
    )

    def __init__(self, hwm: int = 0, conflate: bool = False) -> None:
        self.items: deque[Item] = deque()  # oldest first
        self._conflate = conflate
        self._unread = 0  # put, and not yet reported as taken
        self._taken = 0  # taken, and not yet reported
        self._reported = 0  # taken, and reported, since the beginning
        self.dropped = 0  # never put, for want of room
        self.full = False
        self.closed = False  # nobody will take: what is put is dropped
        self.wanted = False  # a writer found it full, and wants to hear of room
        self.on_arrival: Callable[[], None] = _nobody
        self.on_space: Callable[[], None] = _nobody
        self.set_hwm(hwm)

    def set_hwm(self, hwm: int) -> None:
        """Change the limit; what is already queued stays.

        The bind of an inproc name adds the binder's limit to a queue that a writer may have filled long before. Half of
        the new limit can be more than that queue holds, so no reading would ever wake the writer: it is told here.
        """
        self.hwm = hwm
        self.lwm = (hwm + 1) // 2
        self._report()

    def __len__(self) -> int:
        return len(self.items)

    @property
    def taken(self) -> int:
        """How many have been taken since the beginning."""
        return self._reported + self._taken

    def _count(self, items: int) -> None:
        """So many more are unread. (`full` is asked more often than it changes, so it is kept and not worked out.)"""
        self._unread += items
        self.full = 0 < self.hwm <= self._unread

    def put(self, item: Item) -> None:
        """Append. A writer that must not overfill asks `full` first: subscriptions, for one, are never refused."""
        if self.closed:
            return
        items = self.items
        if self._conflate and items and isinstance(item, list):
            self._replace(item)
            return
        items.append(item)
        self._unread += 1
        if self._unread == self.hwm:
            self.full = True
        if len(items) == 1:
            self.on_arrival()

    def put_all(self, messages: list[Message]) -> None:
        """Append several, at the cost of one."""
        if self._conflate or self.closed:
            for message in messages:
                self.put(message)
            return
        first = not self.items
        self.items.extend(messages)
        self._count(len(messages))
        if first:
            self.on_arrival()

    @property
    def room(self) -> int:
        """How many more may be put; of an endless number, a good deal."""
        return self.hwm - self._unread if self.hwm else MUCH

    def take_some(self, most: int) -> list[Item]:
        """The oldest items, up to most, at the cost of one."""
        items = self.items
        if len(items) > most:
            taken = [items.popleft() for _ in range(most)]
        else:
            taken = list(items)
            items.clear()
        self._taken += len(taken)
        if self._taken >= self.lwm:
            self._report()
        return taken

    def take(self) -> Item | None:
        """The oldest item, or None."""
        if not self.items:
            return None
        item = self.items.popleft()
        self._taken += 1
        if self._taken >= self.lwm:
            self._report()
        return item

    def _report(self) -> None:
        """Tell the writer how far the reader has come."""
        self._count(-self._taken)
        self._reported += self._taken
        self._taken = 0
        if self.wanted and not self.full:
            self.wanted = False
            self.on_space()

    def put_back(self, items: Iterable[Item]) -> None:
        """Undo takes: the items, oldest first, go to the front again. The engine does so with what never left."""
        if self.closed or (self._conflate and self.items):
            return
        back = list(items)
        self.items.extendleft(reversed(back))
        self._count(len(back))
        self._reported -= len(back)

    def _replace(self, message: Item) -> None:
        """conflate: only the newest message counts. (Subscriptions are no messages: each of them stays.)"""
        if isinstance(self.items[-1], list):
            self.items[-1] = message
            self.dropped += 1
        else:
            self.items.append(message)
            self._count(1)

    def close(self) -> None:
        """The reader is gone: forget what is queued, drop what comes."""
        self.closed = True
        self.items.clear()
        self._unread = self._taken = 0
        self.full = False
        if self.wanted:
            self.wanted = False
            self.on_space()


class Pipe:
    """One peer: a queue to it, a queue from it, and what is known of it.

    A pipe outlives its connection on the connecting side only. `connect` makes one at once, so that messages can be
    queued before the peer exists, and keeps it from connection to connection. An accepted connection brings a pipe that
    goes with it, and what was queued in it for that peer goes too (28-22, 28-23). Most surprises of ZeroMQ follow from
    this one rule.
    """

    __slots__ = ("identity", "inbound", "metadata", "outbound", "routing_id")

    def __init__(self, outbound: Queue, inbound: Queue) -> None:
        self.outbound = outbound
        self.inbound = inbound
        self.metadata: dict[str, str] = {}
        self.identity = b""  # what the peer asks a ROUTER to call it (37-46) …
        self.routing_id = b""  # … and what a ROUTER does call it, once it does
