"""The queue: messages that wait to be sent to one peer, or to be read from one, and how many may.   28 to 31, "queue"

                     ┌──────────────────── Pipe ────────────────────┐
     socket ──offer─►│ outbound   ▪▪▪▪▪▪              (sndhwm: 1000) │──take──►    writer ─► peer
     socket ◄──take──│ inbound    ▪▪▪                 (rcvhwm: 1000) │◄─put_all──  engine ◄─ peer
                     └──────────────────────────────────────────────┘

A **pipe** is the two queues of one peer. `connect` makes a pipe at once, before there is a connection, and keeps it
when the connection breaks, so a program can send before its peer is there. At a bound socket, each peer that connects
gets a pipe, whose outbound queue goes with the connection. In this module the *writer* puts messages in, and the
*reader* takes them out: in the outbound queue, the program is the writer, and the module `net.writer` is the reader.

**The high-water mark counts messages, whatever their size (L-4).** When so many wait, the queue is full, and `offer`
refuses the next. The queue has room again when half of the limit has been taken, as in libzmq: the reader acknowledges
what it took in steps of half the limit, because then the writer is woken once for all of them and not for each (L-3).

    >>> queue = Queue(hwm=4)
    >>> [queue.offer(letter) for letter in (b"a", b"b", b"c", b"d", b"e")]
    [True, True, True, True, False]
    >>> queue.take(), queue.full                    # one place is free, but that is not acknowledged yet
    (b'a', True)
    >>> queue.take(), queue.full                    # half of the four
    (b'b', False)

More than `sndhwm` messages can be sent to a peer that reads none, because there are more places to wait: this queue,
the buffers of both systems, and the peer's inbound queue. `put` goes past the mark, because a subscription must not be
refused. So does `put_back`, because what a broken connection did not send had its place already.

**Neither side waits here.** Each registers a callback: `on_arrival` is called when an empty queue has got something,
and `on_space` when a queue that was found full has room again.

**The reader works through a batch.** `take` moves some items to `ready`, which is public. While it holds more than one,
the reader may pop the oldest itself; that saves a call. `take` takes the last item, and acknowledges the batch.

    >>> queue.put_all([b"e", b"f", b"g"])
    >>> queue.take(), list(queue.ready), len(queue)
    (b'c', [b'd'], 4)

Try it: in `Queue._half`, write `1` for `(self.hwm + 1) // 2 or 1`. A writer that waits is woken for each message that
is taken: 1000 times where it was twice. Read next: `routing`, or `pipe`.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from ..wire.events import Item

# In place of a deque that nothing was put into yet. A deque takes 0.6 KiB, and a silent peer would have four of them.
NOTHING: deque[Item] = deque(maxlen=0)


def ignore() -> None:
    """The callback of a side that does not listen."""


class Queue:
    """Messages and subscriptions from a writer to a reader, oldest first, at most hwm of them (0: any number).

    conflate: hold the newest message only, without a limit. `on_arrival` is called inside the writer's call, and may
    take; `on_space` inside the reader's. Neither may put: the new item could overtake the one that is being taken.
    """

    __slots__ = (
        "__weakref__", "_acked", "_conflate", "_is_closed", "_is_special", "_items", "_limit", "_notify_at",
        "_on_arrival", "_on_space", "_sieve", "_writer_waits", "_written", "dropped", "hwm", "ready",
    )  # fmt: skip
    has_runs = False  # see `runs`

    def __init__(self, hwm: int = 0, conflate: bool = False) -> None:
        self.ready = NOTHING  # the reader's batch: the same deque from the first batch on
        self._items = NOTHING  # what comes after the batch: the same deque from the first item on
        self._written = 0  # items put since the beginning, except what was dropped later
        self._acked = 0  # items taken since the beginning, as far as the writer knows
        self.dropped = 0  # messages lost because there was no room, or because nothing was going to take them
        self._conflate = conflate
        self._is_closed = False
        self._is_special = True  # no item came yet, or it conflates or is closed: one test for all on the quick way
        self._writer_waits = False
        self._notify_at = 1
        self._sieve: Callable[[bytes], object] | None = None
        self._on_arrival: Callable[[], None] = ignore
        self._on_space: Callable[[], None] = ignore
        # As set_hwm does, without what only a queue in use needs, because each new connection makes two queues.
        self.hwm = 0 if conflate else hwm  # 0: no limit
        self._limit = self.hwm or sys.maxsize

    def set_reader(self, on_arrival: Callable[[], None] = ignore) -> None:
        """Call on_arrival when an empty queue has got something. Without an argument, the reader no longer listens."""
        self._on_arrival = on_arrival

    def set_writer(self, on_space: Callable[[], None] = ignore) -> None:
        """Call on_space when a queue that was full has room. Without an argument, the writer no longer listens."""
        self._on_space = on_space

    def notify_at(self, count: int) -> None:
        """Call on_arrival when there are count items, not at the first. 0: never, because the reader comes anyway."""
        self._notify_at = count

    def set_filter(self, sieve: Callable[[bytes], object] | None) -> None:
        """Give the reader only messages for whose first frame sieve returns something true (None: all). To be called
        again when sieve would answer differently, because a batch is filtered when it begins."""
        self._sieve = sieve
        self._end_batch()

    def set_hwm(self, hwm: int) -> None:
        """Change the limit; what is queued already stays. What was taken is acknowledged at once, because half of the
        new limit may be more than the queue holds, and then the writer would wait for ever."""
        self._end_batch()
        self.hwm = 0 if self._conflate else hwm  # 0: no limit
        self._set_acked(self.taken)

    @property
    def taken(self) -> int:
        """How many items have been taken since the beginning."""
        count = len(self)  # first, because it closes an open run, which changes `_written` (see `runs`)
        return self._written - count

    def __len__(self) -> int:
        return len(self.ready) + len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """Look at the items, oldest first, and take none."""
        return chain(self.ready, self._items) if self.ready else iter(self._items)

    @property
    def full(self) -> bool:
        """Is the high-water mark reached, as far as the writer knows?"""
        if self._written >= self._limit:
            self._acknowledge()
        return self._written >= self._limit

    def room(self) -> int:
        """How many items may be offered now. 0: the queue is full, and on_space will be called when it has room."""
        if self._written >= self._limit and self.full:
            self._writer_waits = True
            return 0
        return self._limit - self._written

    def offer(self, item: Item) -> bool:
        """Append item and return True; or do nothing and return False, and on_space will be called."""
        if self._is_special or self._written >= self._limit:
            has_room = self.room() > 0
            if has_room:
                self.put(item)
            return has_room
        # As put_all(). To call it would cost as much as all the rest.
        items = self._items
        items.append(item)
        self._written += 1
        # A reader that has a batch looks for more by itself when the batch is at its end.
        if len(items) == self._notify_at and not self.ready:
            self._on_arrival()
        return True

    def offer_many(self, items: Iterator[Item], most: int) -> int:
        """Append what the iterator gives, at most `most` items, and return how many. The next item is not asked for
        when there is no room for it. If the iterator raises, what it gave before is appended."""
        self._need_items()
        room, before = min(most, self.room()), len(self._items)
        try:
            self._items.extend(islice(items, room))
        finally:
            count = len(self._items) - before
            self._appended(count)
        return count

    def put(self, item: Item) -> None:
        """Append item, even if the queue is full."""
        self.put_all((item,))

    def put_all(self, items: Sequence[Item]) -> None:
        """Append several items, even if the queue is full."""
        if self._items is NOTHING:
            self._need_items()
        self._items.extend(items)
        self._appended(len(items))

    def _need_items(self) -> None:
        """The first item comes."""
        if self._items is NOTHING:
            self._items = deque()
            self._is_special = self._conflate or self._is_closed

    def _appended(self, count: int) -> None:
        """Count what was put, and tell the reader if it is the first."""
        if self._is_special:
            count -= self._shorten()
        self._written += count
        after = len(self._items)
        if after - count < self._notify_at <= after and not self.ready:
            self._on_arrival()

    def _shorten(self) -> int:
        """Drop what a queue that is closed, or that conflates, does not keep; how many items."""
        items = self._items
        kept: list[Item] = []
        if not self._is_closed:  # each subscription counts
            kept += [item for item in items if not isinstance(item, (bytes, list))]
            kept += [item for item in items if isinstance(item, (bytes, list))][-1:]
        lost = len(items) - len(kept)
        items.clear()
        items.extend(kept)
        if self._conflate:
            self.dropped += lost
        return lost

    def replace(self, items: Sequence[Item]) -> None:
        """Have these items queued, in place of those that are. (Those do not count as taken.)"""
        self._forget_all()
        self.put_all(items)

    def count_dropped(self) -> None:
        """Count a message that was not put, because there was no room for it."""
        self.dropped += 1

    def peek(self) -> Item | None:
        """The oldest item, which stays; or None."""
        return next(iter(self), None)

    def take(self) -> Item | None:
        """The oldest item that the filter lets pass, or None."""
        ready, items = self.ready, self._items
        while items and not ready:
            if len(items) > 1 and not self._is_special:
                ready = self._begin_batch()
            elif self._sieve is None or self._passing([items[0]]):
                break  # because one item is not worth a batch
            else:
                items.popleft()
        source = ready or items
        item = source.popleft() if source else None
        # Not while there is a batch, because that ends where the next acknowledgement is due.
        if self._writer_waits and not ready:
            self._acknowledge()
        return item

    def take_batch(self, most: int) -> list[Item]:
        """The oldest items that the filter lets pass, up to most."""
        ready = self.ready
        batch = [ready.popleft() for _ in range(min(most, len(ready)))] if ready else self._pop(most)
        while self._items and len(batch) < most:
            batch += self._pop(most - len(batch))
        if self._writer_waits:
            self._acknowledge()
        return batch

    def put_back(self, items: Iterable[Item]) -> None:
        """Undo takes: the items, oldest first, go to the front again. The writer does so with what never left."""
        if self._is_closed or (self._conflate and self._items):
            return  # because a newer message is there, and it alone is to be kept
        self._need_items()
        self._end_batch()
        back = list(items)
        self._items.extendleft(reversed(back))
        self._set_acked(self._acked - len(back))

    def drop_all(self) -> None:
        """Drop what is queued. It counts as dropped, and not as taken."""
        self.dropped += len(self)
        self._forget_all()
        self._acknowledge()

    def close(self) -> None:
        """The reader is gone: forget what is queued, and drop what comes. What is forgotten does not count as taken."""
        self._is_closed = self._is_special = True
        self._forget_all()
        self._set_acked(self._written)

    def _forget_all(self) -> None:
        self._written = self.taken
        self.ready.clear()
        self._items.clear()

    def _begin_batch(self) -> deque[Item]:
        """Move items to `ready`, as far as the next acknowledgement."""
        size = len(self._items)
        if self.hwm:
            self._acknowledge()
            size = self._acked + self._half - self.taken
        if self.ready is NOTHING:
            self.ready = deque()
        self.ready.extend(self._pop(size))
        return self.ready

    def _pop(self, count: int) -> list[Item]:
        """Remove the oldest items behind the batch; those of them that the filter lets pass."""
        items = self._items
        if 4 * count < len(items):
            found = [items.popleft() for _ in range(count)]
        else:  # because this, and to put some back, costs less than to pop many
            found = list(items)
            items.clear()
            if count < len(found):
                items.extend(found[count:])
                del found[count:]
        return found if self._sieve is None else self._passing(found)

    def _passing(self, items: list[Item]) -> list[Item]:
        """Those of the items that the filter lets pass."""
        sieve = self._sieve
        assert sieve is not None
        return [item for item in items if sieve(item if type(item) is bytes else item[0])]  # type: ignore

    def _end_batch(self) -> None:
        """Give up the batch, because it would end at the wrong item now."""
        if self.ready:
            self._items.extendleft(reversed(self.ready))
            self.ready.clear()

    @property
    def _half(self) -> int:
        return (self.hwm + 1) // 2 or 1

    def _acknowledge(self) -> None:
        """Let the writer know how far the reader has come: in steps of half the limit (L-3)."""
        steps = (self.taken - self._acked) // self._half
        if steps > 0:
            self._set_acked(self._acked + steps * self._half)

    def _set_acked(self, taken: int) -> None:
        self._acked = taken
        self._limit = taken + self.hwm if self.hwm else sys.maxsize
        if self._writer_waits and self._written < self._limit:
            self._writer_waits = False
            self._on_space()
