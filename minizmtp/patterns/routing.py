"""Taking turns: the fair queue and round robin.                             28 to 31, "fair-queue", "round-robin"

    three PULL peers, one PUSH                       one PULL, three PUSH peers that send at different speed

              ┌──► 0  3  6                            aaaaa ──┐
    0 … 8 ────┼──► 1  4  7                               bb ──┼──► a b c a b a a a
              └──► 2  5  8                                c ──┘
            round robin                                     fair queue

Both keep the pipes that can take part *now* in a row, serve the first and send it to the end. A pipe that is found
full (or empty) leaves the row, and joins at its end when it has word of room (or arrivals). So a turn costs the same
with three peers and with three thousand, and nobody is asked in vain twice.

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

Read next: `pattern`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, zip_longest

from ..wire.events import Item, Message
from .queue import Pipe, Queue, _ignore

# An inbox that never has anything in it.
NOTHING: deque[Item] = deque(maxlen=0)

# Asked of a first frame: is the message wanted?
Sieve = Callable[[bytes], object]


class FairQueue:
    """Takes one message from each pipe in turn (30-18).

    on_arrival: called when a message has come to a pipe that had none.

    inbox: the batch of the only pipe that has messages (see `Queue.ready`), or NOTHING when another pipe's turn could
    come in between. While it holds more than one item, the socket pops the next item there, and need not call `take`.
    """

    def __init__(self, on_arrival: Callable[[], None] = _ignore) -> None:
        self._ready: deque[Pipe] = deque()  # the pipes that have something, next one first
        self._former: deque[Pipe] = deque()  # what is left of earlier connections: goes before all others
        self._on_arrival = on_arrival
        self._sieve: Sieve | None = None
        self.inbox: deque[Item] = NOTHING

    def attach(self, pipe: Pipe) -> None:
        """Let pipe take part. What it already holds counts as just come."""
        pipe.inbound.set_reader(partial(self._arrived, pipe))
        pipe.inbound.set_filter(self._sieve)
        if len(pipe.inbound):
            self._arrived(pipe)

    def keep(self, former: Pipe) -> None:
        """Have the messages in former read before anything else; nothing more will come to it."""
        former.inbound.set_filter(self._sieve)
        self.inbox = NOTHING
        self._former.append(former)
        self._on_arrival()

    def discard(self, pipe: Pipe) -> None:
        """Forget pipe. (A peer that has merely gone is not discarded: what it sent is read.)"""
        self.inbox = NOTHING
        pipe.inbound.set_reader()
        for row in (self._ready, self._former):
            if pipe in row:
                row.remove(pipe)

    def set_filter(self, sieve: Sieve | None, pipes: Iterable[Pipe]) -> None:
        """Give only messages of whose first frame sieve gives something true. pipes: all that take part."""
        if sieve == self._sieve:
            self.filter_again()
            return
        self._sieve = sieve
        for pipe in {*pipes, *self._ready, *self._former}:
            pipe.inbound.set_filter(sieve)

    def filter_again(self) -> None:
        """The filter is the same, but it lets other messages pass than it did."""
        for row in (self._ready, self._former):
            for pipe in row:
                pipe.inbound.set_filter(self._sieve)

    def close_inbox(self) -> None:
        """Let the socket call for its next message, because there is one that comes before those in the inbox."""
        self.inbox = NOTHING

    def _arrived(self, pipe: Pipe) -> None:
        self.inbox = NOTHING
        self._ready.append(pipe)
        self._on_arrival()

    def __len__(self) -> int:
        """How many pipes have something."""
        return len(self._ready) + len(self._former)

    @property
    def next_pipe(self) -> Pipe:
        """Whose turn it is: the pipe of `inbox`, while there is one."""
        return self._ready[0]

    def take(self) -> tuple[Pipe, Message] | None:
        """The next message and whose it is, or None."""
        row = self._former or self._ready
        while row:
            pipe = row[0]
            queue = pipe.inbound
            ready = queue.ready
            item = ready.popleft() if len(ready) > 1 else queue.take()
            if not (ready or len(queue)):
                self.inbox = NOTHING
                row.popleft()
            elif row is self._former:
                pass  # they have no turns: what came first is read first
            elif len(row) == 1:
                self.inbox = ready
            else:
                row.rotate(-1)
            if type(item) is bytes:
                return pipe, [item]
            if type(item) is list:
                return pipe, item
            if (message := as_list(item)) is not None:
                return pipe, message
            row = self._former or self._ready
        return None

    def take_many(self, most: int, unwrap: Callable[[Pipe, list[Item]], list[Message | None]]) -> list[Message]:
        """Up to most messages, in the order in which `take` would give them.

        unwrap: makes of the items of one pipe as many messages; None of what is none.
        """
        found: list[Message] = []
        while (row := self._former or self._ready) and (left := most - len(found)) > 0:
            if row is self._ready and len(row) > left:  # less than a round is left
                if (received := self.take()) is not None:
                    found += [message for message in unwrap(received[0], [*received[1:]]) if message is not None]
                continue
            # All pipes of the row give the same number, as many as the one with the fewest items has. That many rounds
            # end where they began, and cost one call for each pipe and not one for each message.
            pipes = [row[0]] if row is self._former else list(row)
            rounds = min(min(len(pipe.inbound) for pipe in pipes), left // len(pipes))
            given = [unwrap(pipe, pipe.inbound.take_batch(rounds)) for pipe in pipes]
            in_turn = given[0] if len(given) == 1 else chain.from_iterable(zip_longest(*given))
            found += [message for message in in_turn if message is not None]
            if row is self._former:
                if not len(pipes[0].inbound):
                    row.popleft()
            else:
                row.clear()
                row.extend(pipe for pipe in pipes if len(pipe.inbound))
            self.inbox = self._ready[0].inbound.ready if len(self._ready) == 1 and not self._former else NOTHING
        return found


def as_list(item: Item | None) -> Message | None:
    """The message that was put into a queue, as the program gets it; None if it was a subscription, sent to somebody
    who publishes nothing: it means nothing there. A message that is shared with other receivers in this process is not
    given away: each gets a list of its own."""
    if type(item) is bytes:
        return [item]
    return list(item) if isinstance(item, list) else None


def as_lists(items: list[Item]) -> list[Message | None]:
    """`as_list` of each. (A call for each would cost as much as all the rest.)"""
    return [[item] if type(item) is bytes else item if type(item) is list else as_list(item) for item in items]


class RoundRobin:
    """Gives one message to each pipe in turn, and passes over those that are full (30-8, 28-26).

    on_space: called when there is a pipe with room, after there was none.

    only: the queue of the one pipe that there is, or None. As long as it has room, the socket offers it the next items
    itself, and need not call `send`.
    """

    def __init__(self, on_space: Callable[[], None] = _ignore) -> None:
        self._open: deque[Pipe] = deque()  # the pipes that have not been found full, next one first
        self._on_space = on_space
        self.only: Queue | None = None

    def attach(self, pipe: Pipe) -> None:
        """Let pipe take part."""
        pipe.outbound.set_writer(partial(self._opened, pipe))
        self._opened(pipe)

    def detach(self, pipe: Pipe) -> None:
        """Give nothing to pipe any more."""
        pipe.outbound.set_writer()
        self.only = None
        if pipe in self._open:
            self._open.remove(pipe)

    def _opened(self, pipe: Pipe) -> None:
        self._open.append(pipe)
        self.only = None
        self._on_space()

    def __bool__(self) -> bool:
        """Is there a pipe with room?"""
        # Asked now, not remembered from the last put: what a connection that broke gives back may fill a queue, too.
        while self._open and self._open[0].outbound.full:
            self._close()
        return bool(self._open)

    def _close(self) -> None:
        self.only = None
        self._open.popleft().outbound.want_space()

    def send_many(self, items: Iterator[Item], most: int) -> int:
        """Give what the iterator gives to the pipes in turn, at most so many; how many.

        The next item is not asked for while no pipe has room for it.
        """
        count = 0
        while count < most and self:
            if len(self._open) == 1:
                some = self._open[0].outbound.offer_many(items, most - count)
                if not some:
                    break
                count += some
                continue
            item = next(items, None)
            if item is None:
                break
            self.send(item)
            count += 1
        return count

    def send(self, message: Item) -> Pipe | None:
        """Give message to the next pipe that has room, and tell which; None if there is none, and nothing happened."""
        row = self._open
        while row:
            pipe = row[0]
            queue = pipe.outbound
            if queue.offer(message):
                if len(row) == 1:
                    self.only = queue
                else:
                    self.only = None
                    row.rotate(-1)
                return pipe
            self._close()
        return None


__all__ = ["FairQueue", "Pipe", "Queue", "RoundRobin"]
