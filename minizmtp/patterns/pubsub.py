r"""PUB and SUB: news for whoever listens.                                                            RFC 29/PUBSUB

                         ┌── SUBSCRIBE "eu" ──  SUB
      "eu rain"   PUB ───┤                                   gets "eu rain"
      "us snow"          └── SUBSCRIBE "us" ──  SUB          gets "us snow"

The subscriber tells what it wants, and the publisher sends nothing else: filtering saves the network, not just the
receiver (37-57). A PUB never waits. Where nobody listens, or somebody listens too slowly and its queue is full, the
message is dropped for that one, whole (29-9, 29-10). That also is why the first messages after a `connect` are lost:
the subscription has not arrived yet. It is no fault of the network; the listener came too late for the news.

    >>> from .pipe import Pipe, Queue
    >>> pub = Pub(on_arrival=print, on_space=print)
    >>> listener = Pipe(outbound=Queue(1000), inbound=Queue(1000))
    >>> pub.attach(listener)
    >>> pub.try_send([b"eu", b"rain"])               # sent to nobody: True all the same
    True
    >>> listener.inbound.put(Subscribe(b"eu"))
    >>> pub.try_send([b"eu", b"sun"]), pub.try_send([b"us", b"snow"])
    (True, True)
    >>> listener.outbound.take(), listener.outbound.take()
    ([b'eu', b'sun'], None)

On the wire a subscription is a command, and a message is sent as it is:

    04 0b 09 53 55 42 53 43 52 49 42 45 65 75        COMMAND, 11 octets, "SUBSCRIBE" "eu"
    01 02 65 75 00 03 73 75 6e                       "eu" (MORE), "sun"

To and from peers of ZMTP 3.0 it is a message of one frame, 0x01 and the prefix; 0x00 and the prefix takes it back.

Below this module: `subscriptions`, `pattern`. Read next: `reqrep`.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

from ..constants import SocketType
from ..wire.events import Cancel, Item, Message, SharedMessage, Subscribe
from .pattern import Pattern, Received
from .pipe import Pipe
from .routing import FairQueue
from .subscriptions import Subscriptions


def read_subscription(item: Item) -> Subscribe | Cancel | None:
    r"""A subscription in either of its forms, or None if the item is a message of another kind.

    >>> read_subscription([b"\x01news"]), read_subscription(Cancel(b"news")), read_subscription([b"news"])
    (Subscribe(prefix=b'news'), Cancel(prefix=b'news'), None)
    """
    if not isinstance(item, list):
        return item
    if item[0][:1] == b"\x01":
        return Subscribe(item[0][1:])
    return Cancel(item[0][1:]) if item[0][:1] == b"\x00" else None


class Pub(Pattern):
    """Only sends, to all that want it."""

    socket_type = SocketType.PUB

    def __init__(self, on_arrival: Callable[[], None], on_space: Callable[[], None]) -> None:
        super().__init__(on_arrival, on_space)
        self.subscriptions: Subscriptions[Pipe] = Subscriptions()

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        pipe.inbound.on_arrival = partial(self._read_requests, pipe)
        self._read_requests(pipe)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        self.subscriptions.remove_all(pipe)

    def _read_requests(self, pipe: Pipe) -> None:
        # At once, and not when the program calls: it never receives (29-11, 29-12). So a PUB's inbound queue is always
        # empty, and what else a subscriber may send is dropped on the spot (29-6).
        while (item := pipe.inbound.take()) is not None:
            if pipe not in self.pipes:
                continue
            request = read_subscription(item)
            if isinstance(request, Subscribe):
                self.subscriptions.add(request.prefix, pipe)
            elif isinstance(request, Cancel):
                self.subscriptions.remove(request.prefix, pipe)

    def check_send(self) -> None:
        """A PUB may always send."""

    def try_send(self, message: Message) -> bool:
        """Always done: to whom it may concern, and who has room."""
        audience = tuple(self.subscriptions.matching(message[0]))
        shared = SharedMessage(message) if len(audience) > 1 else message
        for pipe in audience:
            if not pipe.outbound.full:
                pipe.outbound.put(shared)
        return True

    def can_send(self) -> bool:
        return True


class Sub(Pattern):
    """Only receives, what it has subscribed to.

    It counts: of two subscriptions to the same prefix, one may be taken back and the other stays (L-38). On every new
    connection it asks again for each prefix once.
    """

    socket_type = SocketType.SUB

    def __init__(self, on_arrival: Callable[[], None], on_space: Callable[[], None]) -> None:
        super().__init__(on_arrival, on_space)
        self.incoming = FairQueue(on_arrival)
        self._counts: Counter[bytes] = Counter()
        self._filter: Subscriptions[None] = Subscriptions()
        self._live: dict[Pipe, None] = {}  # the pipes with somebody at the other end

    def connected(self, pipe: Pipe) -> None:
        # What was still queued for the connection before belongs to it: the new peer hears the whole list.
        while pipe.outbound.take() is not None:
            pass
        self._live[pipe] = None
        for prefix in self._counts:
            pipe.outbound.put(Subscribe(prefix))

    def disconnected(self, pipe: Pipe) -> None:
        self._live.pop(pipe, None)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        self._live.pop(pipe, None)

    def subscribe(self, prefix: bytes) -> None:
        self._counts[prefix] += 1
        self._filter.add(prefix, None)
        self._tell_all(Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        if prefix not in self._counts:
            return
        self._counts[prefix] -= 1
        if not self._counts[prefix]:
            del self._counts[prefix]
            self._filter.remove(prefix, None)
            self._tell_all(Cancel(prefix))

    def _tell_all(self, request: Subscribe | Cancel) -> None:
        for pipe in self._live:
            pipe.outbound.put(request)

    def _gather(self) -> Received | None:
        # Filtered once more: between our CANCEL and its arrival, a publisher still sends (29-34).
        while (found := super()._gather()) is not None:
            if self._filter.matches(found[1][0]):
                return found
        return None
