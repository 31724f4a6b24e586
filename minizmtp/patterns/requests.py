r"""Requests: what a subscriber asks of its publishers, again on each connection.                     RFC 29/PUBSUB

    subscribe "eu"  ──►  SUBSCRIBE "eu"  to each publisher
    a new connection ──►  SUBSCRIBE "eu", SUBSCRIBE "us" …   each prefix once, because the publisher may have restarted

A subscriber counts how often it subscribed to a prefix; the first subscription and the last cancellation matter (L-38).

**A long list is queued in slices**, because a program may want a million prefixes, and other tasks are to have their
turns meanwhile. What the program asks for in the meantime is queued behind the list. And an XSUB that has no connection
for days, while its program subscribes and cancels, queues its list anew from time to time, and so fills no memory.

    >>> from .queue import Queue
    >>> requests, publisher = Requests(queues_ahead=False), Pipe(Queue(), Queue())
    >>> [requests.count(each) for each in (Subscribe(b"eu"), Subscribe(b"eu"), Cancel(b"eu"), Cancel(b"us"))]
    [True, False, False, False]
    >>> requests.connected(publisher); requests.send(Subscribe(b"us"))
    >>> list(publisher.outbound)
    [Subscribe(prefix=b'eu'), Subscribe(prefix=b'us')]

Try it: in `Requests.count`, write `True` for `bool(before) is not bool(after)`. To cancel one of two subscriptions to a
prefix ends both, because the publisher does not count.
Read next: `pubsub`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from ..wire.events import Cancel, Subscribe
from .pipe import Pipe
from .subscribers import SLICE

# Without a connection, this many requests and twice as many as there are prefixes are queued; then the list anew.
MAX_WAITING = 1000


class Requests:
    """The subscriptions of one XSUB or SUB.

    queues_ahead: requests are queued before there is a connection (XSUB, 29-36), and not only on one (SUB).
    later: has a function called when other tasks have had their turns. asks: the request of a DISH is a Join.
    """

    def __init__(
        self,
        queues_ahead: bool,
        later: Callable[[Callable[[], None]], None] = lambda function: function(),
        asks: type[Subscribe] = Subscribe,
    ) -> None:
        self.counts: dict[bytes, int] = {}  # how often each prefix is subscribed to
        self._queues_ahead = queues_ahead
        self._later = later
        self._asks = asks
        # What is still to be queued for each publisher: prefixes to subscribe to, and requests behind them.
        self._left: dict[Pipe, deque[bytes | Subscribe | Cancel]] = {}
        self._away: dict[Pipe, int] = {}  # without a connection: how many requests were queued since the list was

    def count(self, request: Subscribe | Cancel) -> bool:
        """True for the first subscription to a prefix, and for its last cancellation."""
        before = self.counts.get(request.prefix, 0)
        after = before + 1 if isinstance(request, Subscribe) else max(before - 1, 0)
        self.counts[request.prefix] = after
        if not after:
            del self.counts[request.prefix]
        return bool(before) is not bool(after)

    def send(self, request: Subscribe | Cancel) -> None:
        """Ask it of all publishers."""
        for pipe, left in self._left.items():
            if left:  # it comes behind the list, because a cancellation must not come before its subscription
                left.append(request)
            else:  # past the high-water mark, because a publisher would never learn of a subscription that was dropped
                pipe.outbound.put(request)
        for pipe in self._away:
            self._away[pipe] += 1
            if self._away[pipe] > 2 * len(self.counts) + MAX_WAITING:
                self._away[pipe] = 0
                self._queue_list(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        """There is no connection, not yet or not any more."""
        self.detach(pipe)
        if self._queues_ahead:
            self._away[pipe] = 0
            self._queue_list(pipe)

    def connected(self, pipe: Pipe) -> None:
        """There is a connection."""
        self._away.pop(pipe, None)
        if not self._queues_ahead:
            self._queue_list(pipe)

    def detach(self, pipe: Pipe) -> None:
        """The publisher has gone for good."""
        self._left.pop(pipe, None)
        self._away.pop(pipe, None)

    def _queue_list(self, pipe: Pipe) -> None:
        """Queue each subscription once, in place of all requests that are queued and in front of the messages."""
        messages = [item for item in pipe.outbound if not isinstance(item, (Subscribe, Cancel))]
        pipe.outbound.replace([])
        self._left[pipe] = deque(self.counts)
        self._queue_slice(pipe, self._left[pipe])
        pipe.outbound.put_all(messages)

    def _queue_slice(self, pipe: Pipe, left: deque[bytes | Subscribe | Cancel]) -> None:
        if self._left.get(pipe) is not left:
            return  # the connection has ended
        some = [left.popleft() for _ in range(min(SLICE, len(left)))]
        pipe.outbound.put_all([self._asks(each) if isinstance(each, bytes) else each for each in some])
        if left:
            self._later(partial(self._queue_slice, pipe, left))
