"""Runs: consecutive messages to the same peers, as one item of the queue of each peer.             29/PUBSUB, "queues"

    queue of A    ▪ m1   ▪ run ──┐
    queue of B    ▪ m1   ▪ run ──┼──►  [m2, m3, m4 …]     one list, and one copy of its octets
    queue of C           ▪ run ──┘

While a run is the last item of its queues it is *open*, and a message is appended once for all of them. What a queue
counts is put right when the run is closed. So each call of a queue that looks at its counts, or puts something behind
the run, or takes the run, closes it first.

    >>> queues = [RunQueue(hwm=3), RunQueue()]
    >>> run = OpenRun([b"m2"])
    >>> [queue.offer_run(run) for queue in queues], run.room       # the first has room for three messages
    ([True, True], 3)
    >>> run.room -= 1
    >>> run.append(b"m3"), [len(queue) for queue in queues]        # to be counted, it is closed
    (True, [2, 2])
    >>> queues[0].take_run().messages
    [b'm2', b'm3']

Read next: `fanout`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from ..wire.events import Item, Message, Run
from .queue import Queue

# A run has at most so many octets, because joining more into one write gains nothing.
RUN_OCTETS = 65536


def octets_of(message: bytes | Message) -> int:
    """How many octets a message has on the wire, or a few more."""
    return len(message) + 9 if isinstance(message, bytes) else sum(len(frame) + 9 for frame in message)


class OpenRun(Run):
    """A run that may still grow."""

    __slots__ = ("_left", "queues", "room")

    def __init__(self, messages: list[bytes | Message]) -> None:
        super().__init__(messages)
        self.room = sys.maxsize  # how many more messages all queues have room for; 0: it is closed
        self._left = RUN_OCTETS - sum(map(octets_of, messages))
        self.queues: list[RunQueue] = []

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
        for count, message in enumerate(some):  # until one is too long
            if not self.append(message):
                return count
        return len(some)

    def close(self) -> None:
        """It stays as it is."""
        self.room = 0
        queues, self.queues = self.queues, []
        for queue in queues:
            queue.end_run(self)


class RunQueue(Queue):
    """The queue of a publisher to one peer. Its reader understands runs: see `net.writer`."""

    __slots__ = ("_more", "_open_run", "_runs", "has_runs")

    def __init__(self, hwm: int = 0, conflate: bool = False) -> None:
        self._open_run: OpenRun | None = None
        self._runs = 0  # items that are runs
        self._more = 0  # messages in these runs, minus one for each run
        self.has_runs = False
        super().__init__(hwm, conflate)

    def offer_run(self, run: OpenRun) -> bool:
        """Append run and return True; or do nothing and return False when it has to be split for this queue: its
        messages are to be offered one by one."""
        self._need_items()
        room = self.room()
        if not room or self._is_special:
            return False
        self._items.append(run)
        self._count_runs(1, 0)
        if run.room:
            self._open_run, self._is_special = run, True
            run.queues.append(self)
            run.room = min(run.room, room)
        else:  # a reader was quick, and has closed it
            self.end_run(run)
        if len(self._items) == self._notify_at:
            self._on_arrival()
        return True

    def end_run(self, run: OpenRun) -> None:
        """The last item, which is this run, grows no more: from now on its messages are counted."""
        self._open_run, self._is_special = None, self._conflate or self._is_closed
        self._written += len(run.messages)
        self._more += len(run.messages) - 1

    def _count_runs(self, runs: int, more: int) -> None:
        self._runs += runs
        self._more += more
        self.has_runs = self._runs > 0

    def take_run(self) -> OpenRun:
        """The oldest item, when it is a run."""
        run = self._items[0]
        assert isinstance(run, OpenRun)
        run.close()
        del self._items[0]
        self._count_runs(-1, 1 - len(run.messages))
        if self._writer_waits:
            self._acknowledge()
        return run

    def up_to_run(self) -> Iterator[Item]:
        """As iterating, but it ends before the first run."""
        for item in self:
            if type(item) is OpenRun:
                return
            yield item

    # ------------------------------------------------------------------------------------------------ as in every queue

    # `full` is the same, and closes no run, because while one is open all its queues have room.

    def _close_open_run(self) -> None:
        if self._open_run is not None:
            self._open_run.close()

    def __len__(self) -> int:
        self._close_open_run()
        return super().__len__() + self._more

    def room(self) -> int:
        self._close_open_run()
        return super().room()

    def _shorten(self) -> int:
        self._close_open_run()
        return super()._shorten() if self._is_special else 0

    def take(self) -> Item | None:
        self._split_runs()
        return super().take()

    def put_back(self, items: Iterable[Item]) -> None:
        self._split_runs()
        super().put_back(items)

    def _forget_all(self) -> None:
        super()._forget_all()
        self._count_runs(-self._runs, -self._more)

    def _split_runs(self) -> None:
        """Have a message of its own for each that is in a run, because the next reader may not understand runs."""
        self._close_open_run()
        if self.has_runs:
            items = [each for item in self._items for each in (item.messages if isinstance(item, Run) else [item])]
            self._items.clear()
            self._items.extend(items)
            self._count_runs(-self._runs, -self._more)
