"""A pipe: one peer, as its socket sees it.                                      28 to 31, "shall create a double queue"

                     ┌──────────────────── Pipe ────────────────────┐
     socket  ─offer─►│ outbound   ▪▪▪▪▪▪              (sndhwm: 1000) │──take──►  engine ─► peer
     socket ◄──take──│ inbound    ▪▪▪                 (rcvhwm: 1000) │◄─offer──  engine ◄─ peer
                     └───────────────────────────────────────────────┘

Between two sockets of one process (`inproc://`) there is no engine: the outbound queue of one socket *is* the inbound
queue of the other. The verbs of a queue:

    the writer   offer(item) → bool     append, if there is room       the reader   take() → item or None
                 offer_many(iterator)   as many as there is room for                take_batch(most) → list
                 put(item), put_all     append, even if it is full                  put_back(items): undo takes
                 put_first(item)        … at the front                              peek(), or iterate: look only
                 room(), full           may I offer?                                drop_all()
                 want_space()           tell me when I may                          close(): nothing will be taken
                 count_dropped()        lost, because it was full                   ready: see below
    both         set_writer(on_space)   set_reader(on_arrival)   notify_at(count)   set_filter(sieve)
    and          set_hwm(limit)         replace(items)           taken, dropped, hwm: for statistics

No other module touches a field of a queue, except that it may pop from `ready`.

**The writer and the reader never wait for each other here.** Each registers a callback instead: `on_arrival` is called
when a queue that was empty has got something, `on_space` when a queue that the writer found full has room again.

**The high-water mark counts messages, not octets (L-4).** A full queue does not open at the first message that is taken
but when half of it is, as in libzmq: the reader acknowledges its progress in steps of half the limit, because then the
writer is woken once for all of them and not for each (L-3).

    >>> queue = Queue(hwm=4)
    >>> [queue.offer(letter) for letter in (b"a", b"b", b"c", b"d", b"e")]
    [True, True, True, True, False]
    >>> queue.take(), queue.full                    # one place is free, but the writer does not know it yet
    (b'a', True)
    >>> queue.take(), queue.full                    # half of the four
    (b'b', False)

**The reader works through a batch.** `take` moves some items to `ready`, a deque that is published: while it holds more
than one item, its oldest may be popped without a call to this module. A batch ends, at the latest, where the next
acknowledgement is due. So its last item goes through `take`, and `take` can tell the writer. What the reader does not
want (see `set_filter`) is left out of the batch.

    >>> queue.put_all([b"e", b"f", b"g"])
    >>> queue.take(), list(queue.ready), len(queue)
    (b'c', [b'd'], 4)

Read next: `routing`.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from ..wire.events import Item, Message, Run


def _ignore() -> None:
    """The callback of a side that does not listen."""


# A run has at most so many octets, because joining more into one write gains nothing.
RUN_OCTETS = 65536


class OpenRun(Run):
    """A run that may still grow, while it is the last item of each of its queues (see `fanout`).

    A message is then appended once for all of them. What a queue counts is put right when the run is closed, and each
    call of a queue that looks at its counts, or takes the run, closes it first.
    """

    __slots__ = ("_left", "queues", "room")

    def __init__(self, messages: list[bytes | Message]) -> None:
        super().__init__(messages)
        self.room = sys.maxsize  # how many more messages all queues have room for; 0: it is closed
        self._left = RUN_OCTETS - sum(map(octets_of, messages))
        self.queues: list[Queue] = []

    def append(self, message: bytes | Message) -> bool:
        """Append message and return True; or close the run and return False, when the message would make it too long.
        To be called while there is room."""
        size = len(message) + 9 if type(message) is bytes else octets_of(message)
        if size > self._left:
            self.close()
            return False
        self.messages.append(message)
        self._left -= size
        self.room -= 1
        if not self.room:
            self.close()
        return True

    def extend(self, messages: list[bytes | Message]) -> int:
        """Append messages one after the other, as far as there is room; how many."""
        some = messages[: self.room]
        if set(map(type, some)) == {bytes} and (size := sum(map(len, some)) + 9 * len(some)) <= self._left:
            self.messages += some
            self._left -= size
            self.room -= len(some)
            if not self.room:
                self.close()
            return len(some)
        for count, message in enumerate(some):
            if not self.room or not self.append(message):
                return count
        return len(some)

    def close(self) -> None:
        """It stays as it is."""
        self.room = 0
        queues, self.queues = self.queues, []
        for queue in queues:
            queue.end_run(self)


def octets_of(message: bytes | Message) -> int:
    """How many octets a message has on the wire, or a few more."""
    return len(message) + 9 if isinstance(message, bytes) else sum(len(frame) + 9 for frame in message)


class Queue:
    """One direction of a pipe: items from a writer to a reader, at most hwm of them (0: any number), oldest first.

    An item is a message, or a subscription, or the end of one. conflate: hold the newest message only, without a limit.

    `on_arrival` is called inside the writer's call and `on_space` inside the reader's. Neither may put into this queue,
    because it might overtake the item that the reader is taking away at that moment. `on_arrival` may take.
    """

    __slots__ = (
        "__weakref__",
        "_acked",
        "_conflate",
        "_dropped",
        "_half",
        "_hwm",
        "_is_closed",
        "_is_special",
        "_items",
        "_limit",
        "_more",
        "_notify_at",
        "_on_arrival",
        "_on_space",
        "_open_run",
        "_runs",
        "_sieve",
        "_writer_waits",
        "_written",
        "ready",
    )

    def __init__(self, hwm: int = 0, conflate: bool = False) -> None:
        self.ready: deque[Item] = deque()  # the reader's batch, always this same deque …
        self._items: deque[Item] = deque()  # … and what comes after it
        self._written = 0  # put since the beginning, except what was dropped later
        self._acked = 0  # taken since the beginning, as far as the writer has been told
        self._dropped = 0
        self._conflate = conflate
        self._is_closed = False
        self._is_special = conflate  # or closed, or it ends in an open run: one test in `put` for all
        self._open_run: OpenRun | None = None
        self._runs = 0  # items that are runs …
        self._more = 0  # … and how many more messages than items they are
        self._writer_waits = False
        self._notify_at = 1
        self._sieve: Callable[[bytes], object] | None = None
        self._on_arrival: Callable[[], None] = _ignore
        self._on_space: Callable[[], None] = _ignore
        self.set_hwm(hwm)

    # ------------------------------------------------------------------------------------------------------ both sides

    def set_reader(self, on_arrival: Callable[[], None] = _ignore) -> None:
        """Call on_arrival when an empty queue has got something. Without an argument, the reader no longer listens."""
        self._on_arrival = on_arrival

    def set_writer(self, on_space: Callable[[], None] = _ignore) -> None:
        """Call on_space when there is room, after want_space(). Without an argument, the writer no longer listens."""
        self._on_space = on_space

    def notify_at(self, count: int) -> None:
        """Call on_arrival when there are count items, not at the first. 0: not at all, because the reader will come."""
        self._notify_at = count

    def set_filter(self, sieve: Callable[[bytes], object] | None) -> None:
        """Let the reader have only those messages of whose first frame sieve gives something true; None: all items.

        To be called again when sieve would answer otherwise than before, because a batch is filtered when it begins.
        """
        self._sieve = sieve
        self._end_batch()

    def set_hwm(self, hwm: int) -> None:
        """Change the limit at once; what is queued already stays.

        Half of the new limit can be more than the queue holds, and then no take would ever wake a writer that waits
        for room. Therefore the writer is told here, if there is room now.
        """
        self._end_batch()
        self._hwm = 0 if self._conflate else hwm
        self._half = (self._hwm + 1) // 2 or 1
        self._tell(self.taken)

    @property
    def hwm(self) -> int:
        """The limit; 0 if there is none."""
        return self._hwm

    @property
    def taken(self) -> int:
        """How many items have been taken since the beginning."""
        count = len(self)  # before `_written` is read: it closes an open run, which changes that
        return self._written - count

    @property
    def dropped(self) -> int:
        """How many messages were lost because there was no room, or because nothing was going to take them."""
        return self._dropped

    def __len__(self) -> int:
        if self._open_run is not None:
            self._open_run.close()
        return len(self.ready) + len(self._items) + self._more

    def __iter__(self) -> Iterator[Item]:
        """Look at the items, oldest first, and take none."""
        return chain(self.ready, self._items) if self.ready else iter(self._items)

    # ------------------------------------------------------------------------------------------------------ the writer

    @property
    def full(self) -> bool:
        """Is the high-water mark reached, as far as the writer knows?"""
        if self._open_run is not None:
            self._open_run.close()
        if self._written >= self._limit:
            self._acknowledge()
        return self._written >= self._limit

    def room(self) -> int:
        """How many items may be offered now: 0 when it is full, sys.maxsize or so when there is no limit."""
        if (self._written >= self._limit or self._open_run is not None) and self.full:
            return 0
        return self._limit - self._written

    def offer(self, item: Item) -> bool:
        """Append item and return True; or return False, with nothing done, when the queue is full."""
        if self._is_special and self._put_specially(item):
            return True
        if self._written >= self._limit and self.full:
            return False
        # As put(). To call it would cost as much as all the rest.
        items = self._items
        items.append(item)
        self._written += 1
        if len(items) == self._notify_at and not self.ready:
            self._on_arrival()
        return True

    def offer_many(self, items: Iterator[Item], most: int) -> int:
        """Append what the iterator gives, at most `most` items, and only as long as there is room; how many.

        The next item is not asked for when there is no room for it. If the iterator raises, what it gave before is
        appended, and the exception goes on.
        """
        most = min(most, self.room())
        if self._is_special:
            count = 0
            for item in islice(items, most):
                self.put(item)
                count += 1
            return count
        before = len(self._items)
        try:
            self._items.extend(islice(items, most))
        finally:
            count = len(self._items) - before
            self._appended(count)
        return count

    def put(self, item: Item) -> None:
        """Append item, even if the queue is full. (A subscription must not be refused: it would be missed for ever.)"""
        if self._is_special and self._put_specially(item):
            return
        items = self._items
        items.append(item)
        self._written += 1
        if len(items) == self._notify_at and not self.ready:
            self._on_arrival()

    def put_all(self, items: Sequence[Item]) -> None:
        """Append several items, at the cost of one, even if the queue is full."""
        if self._is_special:
            for item in items:
                self.put(item)
            return
        self._items.extend(items)
        self._appended(len(items))

    def _appended(self, count: int) -> None:
        self._written += count
        after = len(self._items)
        if after - count < self._notify_at <= after and not self.ready:
            self._on_arrival()

    def put_first(self, item: Item) -> None:
        """Put item before all that is queued."""
        self._end_batch()
        self._items.appendleft(item)
        self._written += 1

    def _put_specially(self, item: Item) -> bool:
        """Drop item if the queue is closed. If it conflates, let item take the place of the message before it. True
        says that nothing else is to be done."""
        if self._open_run is not None:
            self._open_run.close()
        if self._is_closed:
            return True
        # Only messages are replaced: each subscription counts.
        if not self._items or not isinstance(item, (bytes, list)) or not isinstance(self._items[-1], (bytes, list)):
            return False
        self._items[-1] = item
        self._dropped += 1
        return True

    def replace(self, items: Sequence[Item]) -> None:
        """Have these items queued, in place of those that are. (Those do not count as taken.)"""
        self._forget_all()
        self.put_all(items)

    def want_space(self) -> None:
        """Call on_space when there is room; to be said by a writer that found the queue full."""
        self._writer_waits = True

    def count_dropped(self) -> None:
        """Count a message that was not put, because there was no room for it."""
        self._dropped += 1

    # ------------------------------------------------------------------------- runs, for a reader that understands them

    def offer_run(self, run: OpenRun) -> bool:
        """Append run and return True, or return False, with nothing done, when it has to be split for this queue: its
        messages are to be offered one by one."""
        if self._open_run is not None:
            self._open_run.close()
        if self._is_special or (self._written >= self._limit and self.full):
            return False
        self._items.append(run)
        self._runs += 1
        if run.room:
            self._open_run, self._is_special = run, True
            run.queues.append(self)
            run.room = min(run.room, self._limit - self._written)
        else:  # a reader was quick, and has closed it
            self.end_run(run)
        if len(self._items) == self._notify_at and not self.ready:
            self._on_arrival()
        return True

    def end_run(self, run: OpenRun) -> None:
        """The last item, which is this run, grows no more: from now on its messages are counted."""
        self._open_run, self._is_special = None, self._conflate or self._is_closed
        self._written += len(run.messages)
        self._more += len(run.messages) - 1

    @property
    def has_runs(self) -> bool:
        return self._runs > 0

    def take_run(self) -> OpenRun:
        """The oldest item, when it is a run."""
        run = self._items[0]
        assert isinstance(run, OpenRun)
        run.close()
        del self._items[0]
        self._runs -= 1
        self._more -= len(run.messages) - 1
        if self._writer_waits:
            self._acknowledge()
        return run

    def up_to_run(self) -> Iterator[Item]:
        """As iterating, but it ends before the first run."""
        for item in self:
            if type(item) is OpenRun:
                return
            yield item

    def _split_runs(self) -> None:
        """Have a message of its own for each that is in a run, because the next reader may not understand runs."""
        if self._open_run is not None:
            self._open_run.close()
        if self._runs:
            items = [each for item in self._items for each in (item.messages if isinstance(item, Run) else [item])]
            self._items.clear()
            self._items.extend(items)
            self._runs = self._more = 0

    # ------------------------------------------------------------------------------------------------------ the reader

    def peek(self) -> Item | None:
        """The oldest item, which stays; or None."""
        items = self.ready or self._items
        return items[0] if items else None

    def take(self) -> Item | None:
        """The oldest item that the filter lets pass, or None."""
        ready, items = self.ready, self._items
        item: Item | None = None
        if self._runs:
            self._split_runs()
        while ready or items:
            if not ready and len(items) > 1 and not self._is_special:  # because one item is not worth a batch
                self._begin_batch()
            if ready:
                item = ready.popleft()
                break
            if items and (self._sieve is None or self._passes(items[0])):
                item = items.popleft()
                break
            if items:
                items.popleft()
        if self._writer_waits and not ready:
            self._acknowledge()
        return item

    def take_only(self) -> Item | None:
        """The only item, when it is no run; None if there are more items, or none."""
        if len(self._items) != 1 or self.ready or self._runs:
            return None
        item = self._items.popleft()
        if self._writer_waits:
            self._acknowledge()
        return item

    def take_batch(self, most: int) -> list[Item]:
        """The oldest items that the filter lets pass, up to most and up to the next run, at the cost of one."""
        items, ready = self._items, self.ready
        if self._runs:
            most = sum(1 for _ in islice(self.up_to_run(), most))
        if not ready and len(items) <= most:
            batch = self._passing(items)
            items.clear()
        else:
            batch = [ready.popleft() for _ in range(min(most, len(ready)))]
            while items and len(batch) < most:
                batch += self._passing([items.popleft() for _ in range(min(most - len(batch), len(items)))])
        if self._writer_waits:
            self._acknowledge()
        return batch

    def put_back(self, items: Iterable[Item]) -> None:
        """Undo takes: the items, oldest first, go to the front again. The engine does so with what never left."""
        if self._is_closed or (self._conflate and self._items):
            return
        self._end_batch()
        self._split_runs()
        back = list(items)
        self._items.extendleft(reversed(back))
        self._tell(self._acked - len(back))

    def drop_all(self) -> None:
        """Drop what is queued. It counts as dropped, and not as taken."""
        self._dropped += len(self)
        self._forget_all()
        self._acknowledge()

    def close(self) -> None:
        """The reader is gone: forget what is queued, and drop what comes. What is forgotten does not count as taken."""
        self._is_closed = self._is_special = True
        self._forget_all()
        self._tell(self._written)

    def _forget_all(self) -> None:
        self._written = self.taken
        self.ready.clear()
        self._items.clear()
        self._runs = self._more = 0

    def _begin_batch(self) -> None:
        """Move items to `ready`, as far as the next acknowledgement."""
        items = self._items
        size = len(items)
        if self._hwm:
            self._acknowledge()
            size = self._acked + self._half - self.taken
        if size >= len(items):
            self.ready.extend(items if self._sieve is None else self._passing(items))
            items.clear()
        else:
            self.ready.extend(self._passing([items.popleft() for _ in range(size)]))

    def _passes(self, item: Item) -> bool:
        assert self._sieve is not None
        return bool(self._sieve(item) if isinstance(item, bytes) else isinstance(item, list) and self._sieve(item[0]))

    def _passing(self, items: Iterable[Item]) -> list[Item]:
        sieve = self._sieve
        if sieve is None:
            return list(items)
        return [item for item in items if (sieve(item) if type(item) is bytes else self._passes(item))]

    def _end_batch(self) -> None:
        """Where the next acknowledgement is due changes: the batch would end at the wrong item."""
        self._items.extendleft(reversed(self.ready))
        self.ready.clear()

    def _acknowledge(self) -> None:
        """Let the writer know how far the reader has come: in steps of half the limit (L-3)."""
        steps = (self.taken - self._acked) // self._half
        if steps > 0:
            self._tell(self._acked + steps * self._half)

    def _tell(self, taken: int) -> None:
        self._acked = taken
        self._limit = taken + self._hwm if self._hwm else sys.maxsize
        if self._writer_waits and self._written < self._limit:
            self._writer_waits = False
            self._on_space()


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
