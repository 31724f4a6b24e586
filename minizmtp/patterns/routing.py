"""Taking turns: the fair queue and round robin.                             28 to 31, "fair-queue", "round-robin"

    three PULL peers, one PUSH                       one PULL, three PUSH peers that send at different speed

              ┌──► 0  3  6                            aaaaa ──┐
    0 … 8 ────┼──► 1  4  7                               bb ──┼──► a b c a b a a a
              └──► 2  5  8                                c ──┘
            round robin                                     fair queue

Both keep the pipes that can take part *now* in a row, serve the first and move it to the end. A full (or empty) pipe
leaves the row, and joins again when it has room (or a message), so a turn costs the same with 3 peers and with 3000.

    >>> pipes = [Pipe(Queue(hwm=2), Queue()) for _ in range(3)]
    >>> robin = RoundRobin()
    >>> for pipe in pipes: robin.attach(pipe)
    >>> [pipes.index(robin.send([b"work"])) for _ in range(6)]
    [0, 1, 2, 0, 1, 2]
    >>> print(robin.send([b"more"]))                 # all are full: the message is not taken
    None
    >>> _ = pipes[1].outbound.take()
    >>> pipes.index(robin.send([b"more"]))
    1

Try it: in `RoundRobin.send`, write `rotate(0)` for `rotate(-1)`. The example prints [0, 0, 1, 1, 2, 2].
Read next: `pipeline`, or `pattern`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice, zip_longest

from ..wire.events import Item, Message
from .ahead import Ahead, Received, as_list
from .pipe import Pipe
from .queue import NOTHING, Queue, ignore


class FairQueue:
    """Takes one message from each pipe in turn (30-18). on_arrival: called when a pipe that had no message has one.

    inbox: the batch of the only pipe that has messages (see `queue`). While it holds more than one item, the socket may
    pop the oldest, and need not call `take`. If several pipes have messages, or publishes is False, it is NOTHING.
    """

    def __init__(self, on_arrival: Callable[[], None] = ignore, publishes: bool = True) -> None:
        self._row: deque[Pipe] = deque()  # the pipes that have something, next one first
        self._on_arrival = on_arrival
        self._publishes = publishes
        self._sieve: Callable[[bytes], object] | None = None
        self.ahead = Ahead()
        self.inbox: deque[Item] = NOTHING

    def attach(self, pipe: Pipe) -> None:
        """Let pipe take part. What it already holds counts as just come."""
        pipe.inbound.set_reader(partial(self._arrived, pipe))
        pipe.inbound.set_filter(self._sieve)
        if len(pipe.inbound):
            self._arrived(pipe)

    def _arrived(self, pipe: Pipe) -> None:
        self.inbox = NOTHING
        self._row.append(pipe)
        self._on_arrival()

    def discard(self, pipe: Pipe) -> None:
        """Forget pipe and its messages. (A peer that has gone is not discarded, because what it sent is read.)"""
        pipe.inbound.set_reader()
        self.ahead.discard(pipe)
        self._leave(pipe)

    def hand_over(self, pipe: Pipe) -> None:
        """Another peer has this pipe now: see `ahead`."""
        self.ahead.hand_over(pipe)
        self._leave(pipe)

    def _leave(self, pipe: Pipe) -> None:
        self.inbox = NOTHING
        if pipe in self._row:
            self._row.remove(pipe)

    def put_back(self, received: Received) -> None:
        """Undo a take: this message is the next."""
        self.inbox = NOTHING
        self.ahead.appendleft(received)

    def set_filter(self, sieve: Callable[[bytes], object] | None, pipes: Iterable[Pipe]) -> None:
        """See Queue.set_filter. pipes: all that take part."""
        self._sieve = sieve
        for pipe in {*pipes, *self._row}:
            pipe.inbound.set_filter(sieve)

    def __bool__(self) -> bool:
        """Is there something to take?"""
        return bool(self._row or self.ahead)

    def take(self) -> Received | None:
        """The next message and its pipe, or None."""
        row = self._row
        if self.ahead and (received := self.ahead.take(self._sieve)) is not None:
            return received
        while row:
            pipe, queue = row[0], row[0].inbound
            ready = queue.ready
            item = ready.popleft() if len(ready) > 1 else queue.take()  # which acknowledges a batch with its last item
            if not (ready or len(queue)):
                self.inbox = NOTHING
                row.popleft()
            elif len(row) > 1:
                row.rotate(-1)
            elif self._publishes:
                self.inbox = queue.ready
            message = [item] if type(item) is bytes else as_list(item)
            if message is not None:
                return pipe, message
        return None

    def take_many(self, most: int, unwrap: Callable[[Pipe, list[Item]], list[Message | None]]) -> list[Message]:
        """Up to most messages, in the order in which `take` would give them. unwrap: see `Pattern`."""
        found: list[Message] = []
        while (left := most - len(found)) > 0 and self:
            row = self._row
            if self.ahead or len(row) > left:  # less than a round is left
                if (received := self.take()) is not None:
                    found += filter(None, unwrap(received[0], [received[1]]))
                continue
            # Each pipe gives as many items as the one with the fewest has. After so many rounds the same pipe is next,
            # so one call for each pipe is enough.
            rounds = min(min(len(pipe.inbound) for pipe in row), left // len(row))
            given = [unwrap(pipe, pipe.inbound.take_batch(rounds)) for pipe in row]
            found += filter(None, given[0] if len(given) == 1 else chain.from_iterable(zip_longest(*given)))
            self._row = deque(pipe for pipe in row if len(pipe.inbound))
            self.inbox = NOTHING
        return found


class RoundRobin:
    """Gives one message to each pipe in turn, and passes over those that are full (30-8, 28-26). on_space: called when
    there is a pipe with room, after there was none.

    only: the queue of the only pipe in the row, or None. The socket may offer it items, and need not call `send`.
    """

    def __init__(self, on_space: Callable[[], None] = ignore) -> None:
        self._row: deque[Pipe] = deque()  # the pipes that have not been found full, next one first
        self._on_space = on_space
        self.only: Queue | None = None

    def attach(self, pipe: Pipe) -> None:
        """Let pipe take part."""
        pipe.outbound.set_writer(partial(self._has_room, pipe))
        self._has_room(pipe)

    def _has_room(self, pipe: Pipe) -> None:
        self._row.append(pipe)
        self._row_changed()
        self._on_space()

    def detach(self, pipe: Pipe) -> None:
        """Give nothing to pipe any more."""
        pipe.outbound.set_writer()
        if pipe in self._row:
            self._row.remove(pipe)
            self._row_changed()

    def _row_changed(self) -> None:
        self.only = self._row[0].outbound if len(self._row) == 1 else None

    def __bool__(self) -> bool:
        """Is there a pipe with room?"""
        # The answer is not stored, because `put_back` after a broken connection may fill a queue, too.
        while self._row and not self._row[0].outbound.room():
            self._row.popleft()
            self._row_changed()
        return bool(self._row)

    def send(self, message: Item) -> Pipe | None:
        """Give message to the next pipe that has room, and tell which; None if there is none, and nothing happened."""
        row = self._row
        while row:
            pipe = row[0]
            if pipe.outbound.offer(message):
                if len(row) > 1:
                    row.rotate(-1)
                return pipe
            row.popleft()  # until its queue calls _has_room
            self._row_changed()
        return None

    def send_many(self, items: Iterator[Item], most: int) -> int:
        """Give items to the pipes in turn, at most so many; how many. None is asked for while no pipe has room."""
        count = some = 0
        while count < most and self:
            if len(self._row) == 1:  # the usual case, and then one call is enough for all that there is room for
                some = self._row[0].outbound.offer_many(items, most - count)
            else:
                some = sum(self.send(item) is not None for item in islice(items, 1))
            if not some:
                break
            count += some
        return count
