"""Messages that go ahead: taken out of their queues already, and not yet the program's.                     L-34, L-9

    poll, or a proxy without room      take() … put_back()     the message is the next again
    another peer answers a connect     hand_over(pipe)         what the one before sent is read first, as from it

A fair queue gives these messages before all others, oldest first. Each of them keeps the pipe that it came through.
After `hand_over` that is another pipe, which stands for the former peer: it has that peer's name and metadata.

    >>> pipe = Pipe(Queue(), Queue())
    >>> ahead = Ahead()
    >>> pipe.inbound.put(b"from the first peer")
    >>> ahead.hand_over(pipe)
    >>> ahead.count_of(pipe), ahead.take()[1], ahead.take()
    (1, [b'from the first peer'], None)

Read next: `routing`.
"""

from collections import deque
from collections.abc import Callable

from ..wire.events import Item, Message
from .pipe import Pipe
from .queue import Queue

# A message and the pipe that it came through.
Received = tuple[Pipe, Message]


class Ahead(deque[Received]):
    """The messages that a fair queue gives before all others."""

    def hand_over(self, pipe: Pipe) -> None:
        """Another peer has this pipe now. What the one before sent goes ahead, with its name and metadata."""
        former = Pipe(outbound=Queue(), inbound=Queue())
        former.routing_id, former.metadata, former.successor = pipe.routing_id, pipe.metadata, pipe
        items = pipe.inbound.take_batch(len(pipe.inbound))
        self._replace([(former if whose is pipe else whose, message) for whose, message in self])
        self.extend((former, message) for message in map(as_list, items) if message is not None)

    def discard(self, pipe: Pipe) -> None:
        """Forget the messages of pipe, also those of peers that had it before."""
        self._replace([received for received in self if not _is_from(pipe, received)])

    def _replace(self, messages: list[Received]) -> None:
        self.clear()
        self.extend(messages)

    def count_of(self, pipe: Pipe) -> int:
        """How many messages of pipe there are, with those of peers that had it before."""
        return sum(_is_from(pipe, received) for received in self)

    def take(self, sieve: Callable[[bytes], object] | None = None) -> Received | None:
        """The oldest for whose first frame sieve returns something true, or None. Those before it are dropped."""
        while self:
            received = self.popleft()
            if sieve is None or sieve(received[1][0]):
                return received
        return None


def _is_from(pipe: Pipe, received: Received) -> bool:
    return pipe in (received[0], received[0].successor)


def as_list(item: Item | None) -> Message | None:
    """An item as the program gets it; None for a subscription, because this socket does not publish. A message that is
    shared with other receivers in this process is copied."""
    if type(item) is list:
        return item
    return [item] if isinstance(item, bytes) else list(item) if isinstance(item, list) else None
