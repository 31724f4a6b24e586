r"""PUB and SUB: news for whoever listens.                                                            RFC 29/PUBSUB

                         ┌── SUBSCRIBE "eu" ──  SUB
      "eu rain"   PUB ───┤                                   gets "eu rain"
      "us snow"          └── SUBSCRIBE "us" ──  SUB          gets "us snow"

The subscriber tells what it wants, and the publisher sends nothing else: filtering saves the network, not just the
receiver (37-57). A PUB never waits. Where nobody listens, or somebody listens too slowly and its queue is full, the
message is dropped for that one, whole (29-9, 29-10). That also is why the first messages after a `connect` are lost:
the subscription has not arrived yet. It is no fault of the network; the listener came too late for the news.

    >>> from .queue import Pipe, Queue
    >>> pub = Pub(on_arrival=print, on_space=lambda: None)
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

XPUB and XSUB, the same with the lid off, are in `xpubsub`.

Below this module: `subscriptions`, `pattern`. Read next: `reqrep`.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable
from functools import partial

from ..constants import SocketType
from ..errors import ProtocolError
from ..wire.events import Cancel, Item, Message, SharedMessage, Subscribe
from .pattern import Pattern
from .queue import Pipe
from .subscriptions import Subscriptions, cost

# Subscriptions of peers that have gone are removed so many at a time: about a millisecond, with XPUB two.
SLICE = 200


def read_subscription(frame: bytes) -> Subscribe | Cancel | None:
    r"""The subscription that a frame stands for, or None if it stands for itself.

    >>> read_subscription(b"\x01news"), read_subscription(b"\x00news"), read_subscription(b"news")
    (Subscribe(prefix=b'news'), Cancel(prefix=b'news'), None)
    """
    if frame[:1] == b"\x01":
        return Subscribe(frame[1:])
    return Cancel(frame[1:]) if frame[:1] == b"\x00" else None


class Pub(Pattern):
    """Only sends, to all that want it."""

    socket_type = SocketType.PUB

    def _begin(self) -> None:
        self.subscriptions: Subscriptions[Pipe] = Subscriptions()
        self._away: set[Pipe] = set()  # their subscriptions were made on a connection that broke
        self._is_tidying = False
        # Of a message that is being read: the frames that are left, and those that are no requests.
        self._long: dict[Pipe, tuple[deque[bytes], Message]] = {}

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        if self._options.xpub_welcome_msg:
            pipe.outbound.put([self._options.xpub_welcome_msg])
        pipe.inbound.set_reader(partial(self._read_requests, pipe))
        self._read_requests(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        # While the peer is away its subscriptions stay, so that what it wants is queued (29-3). On the next connection
        # it tells them anew, and what it does not tell is over: it may be another peer.
        self._away.add(pipe)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        pipe.inbound.set_reader()
        pipe.outbound.set_writer()
        self._away.discard(pipe)
        self._long.pop(pipe, None)
        self._forget_subscriptions(pipe)
        self._tidy_some()
        self._tidy_later()
        self._on_space()  # with xpub_nodrop: there may be one less to wait for

    def _forget_subscriptions(self, pipe: Pipe) -> None:
        self.subscriptions.leave(pipe)

    def _renew_subscriptions(self, pipe: Pipe) -> None:
        self.subscriptions.renew(pipe)

    def _tidy_later(self) -> None:
        """A peer may leave with a million prefixes. They are removed in slices, between which other tasks run."""
        if self._is_untidy and not self._is_tidying:
            self._is_tidying = True
            self.later(self._go_on_tidying)

    def _go_on_tidying(self) -> None:
        self._is_tidying = False
        self._tidy_some()
        self._tidy_later()

    @property
    def _is_untidy(self) -> bool:
        return self.subscriptions.untidy

    def _tidy_some(self) -> None:
        self.subscriptions.tidy(SLICE)

    def _settle(self, request: Subscribe | Cancel, pipe: Pipe) -> None:
        """What peers that have gone still had of this prefix ends before anything new is done with it."""
        if self.subscriptions.untidy:
            self.subscriptions.settle(request.prefix, pipe if isinstance(request, Subscribe) else None)

    def _read_requests(self, pipe: Pipe) -> None:
        # At once, and not when the program calls: a PUB's program never receives (29-11, 29-12).
        while pipe not in self._long and (item := pipe.inbound.take()) is not None:
            self._read_request(pipe, item)

    def _read_request(self, pipe: Pipe, item: Item) -> None:
        """A subscription comes in either form. What else a subscriber may send is dropped (29-6)."""
        if isinstance(item, (Subscribe, Cancel)):
            self._hear(pipe, item)
            return
        self._long[pipe] = (deque([item] if isinstance(item, bytes) else item), [])
        self._read_frames(pipe)

    def _read_frames(self, pipe: Pipe) -> None:
        """Each frame of a message may be a subscription. A message of very many is read in slices, as `_tidy_later`
        does it, and the messages behind it wait."""
        frames, rest = self._long[pipe]
        for _ in range(min(SLICE, len(frames))):
            frame = frames.popleft()
            request = read_subscription(frame)
            if request is None:
                rest.append(frame)
            else:
                self._hear(pipe, request)
        if frames:
            self.later(partial(self._go_on_reading, pipe))
            return
        del self._long[pipe]
        if rest:
            self._sent_upstream(pipe, rest)

    def _go_on_reading(self, pipe: Pipe) -> None:
        try:
            if pipe in self._long:
                self._read_frames(pipe)
            if pipe in self.pipes:
                self._read_requests(pipe)
        except ProtocolError as error:
            if pipe.source is not None:
                pipe.source.end(str(error))

    def _hear(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if pipe in self._away:
            self._away.remove(pipe)
            self._renew_subscriptions(pipe)
            self._tidy_later()
        self._settle(request, pipe)
        self._requested(pipe, request)

    def _requested(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if isinstance(request, Subscribe):
            self._check_limit(pipe, request.prefix, self.subscriptions)
            self.subscriptions.add(request.prefix, pipe)
        else:
            self.subscriptions.remove(request.prefix, pipe)
        self._on_space()  # with xpub_nodrop: there may be one less to wait for

    def _check_limit(self, pipe: Pipe, prefix: bytes, held: Subscriptions[Pipe]) -> None:
        """Raise ProtocolError if the peer wants too much. (Not for peers in this process: they are no strangers.)"""
        most = self._options.maxsubscribed
        if held.octets(pipe) + cost(prefix) <= most or held.holds(pipe, prefix):
            return
        if pipe.source is not None and not pipe.source.in_process:
            raise ProtocolError(
                f"{held.count(pipe):,} subscriptions, and one more of {len(prefix):,} octets; "
                f"the limit is {most} octets of memory for all of a peer (maxsubscribed)"
            )

    def subscriptions_of(self, pipe: Pipe) -> int:
        return self.subscriptions.count(pipe)

    def _sent_upstream(self, pipe: Pipe, message: Message) -> None:
        """Not for a PUB."""

    def check_send(self) -> None:
        """A PUB may always send."""

    def try_send(self, message: Message) -> bool:
        """Always done: to whom it may concern, and who has room.

        With xpub_nodrop nothing is sent to anybody while one who wants it has no room.
        """
        wants = self.subscriptions
        # As matching() does: the call would cost as much again.
        audience: Collection[Pipe] = wants.found[message[0][: wants.longest]]
        given = self._options._values  # to ask for options that are not set takes longer than all the rest
        if given.get("invert_matching"):
            audience = self._all_but(audience)
        if "xpub_nodrop" in given and given["xpub_nodrop"] and self._wait_for_room(audience):
            return False
        send_to_all(audience, message)
        return True

    def has_room_for(self, beginning: Message) -> bool:
        if not self._options.xpub_nodrop:
            return True
        audience = self.subscriptions.matching(beginning[0])
        return not self._wait_for_room(self._all_but(audience) if self._options.invert_matching else audience)

    def _all_but(self, audience: Collection[Pipe]) -> Collection[Pipe]:
        return tuple(pipe for pipe in self.pipes if pipe not in audience)

    def send_past_limit(self, message: Message) -> None:
        audience = self.subscriptions.matching(message[0])
        for pipe in self._all_but(audience) if self._options.invert_matching else audience:
            pipe.outbound.put(message[0] if len(message) == 1 else SharedMessage(message))

    def _wait_for_room(self, audience: Iterable[Pipe]) -> bool:
        full = [pipe for pipe in audience if pipe.outbound.full]
        for pipe in full:
            pipe.outbound.set_writer(self._on_space)
            pipe.outbound.want_space()
        return bool(full)

    def can_send(self) -> bool:
        return True


def send_to_all(pipes: Collection[Pipe], message: Message) -> None:
    """To each that has room; for the others the message is lost, and counted."""
    item = message[0] if len(message) == 1 else SharedMessage(message) if len(pipes) > 1 else message
    for pipe in pipes:
        if not pipe.outbound.offer(item):
            pipe.outbound.count_dropped()


class Sub(Pattern):
    """Only receives, and only what it has subscribed to.

    It counts: of two subscriptions to the same prefix, one may be taken back and the other stays (L-38). The first and
    the last are told to the publishers. On every new connection it asks again for each prefix once.
    """

    socket_type = SocketType.SUB
    receives = True
    takes_all = True  # that passes the filter

    def _begin(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._wanted: Subscriptions[None] = Subscriptions()
        self._live: dict[Pipe, None] = {}  # the pipes with somebody at the other end
        self._update_filter()

    def connected(self, pipe: Pipe) -> None:
        # What was still queued for the connection before belongs to it: the new peer hears the whole list.
        self._ask_anew(pipe)
        self._live[pipe] = None

    def disconnected(self, pipe: Pipe) -> None:
        self._live.pop(pipe, None)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        self._live.pop(pipe, None)

    def _ask_anew(self, pipe: Pipe) -> None:
        """Put the whole list into the queue, before the messages in it, and in place of what else is in it."""
        queue = pipe.outbound
        messages = [item for item in queue if not isinstance(item, (Subscribe, Cancel))]
        queue.replace([*(Subscribe(prefix) for prefix in self._counts), *messages])

    def subscribe(self, prefix: bytes) -> None:
        if self._count(prefix):
            if not prefix or self._options.invert_matching:
                self._update_filter()
            self._tell_all(Subscribe(prefix))

    def _count(self, prefix: bytes) -> bool:
        """Count one more subscription; is it the first to prefix?"""
        self._counts[prefix] += 1
        return self._wanted.add(prefix, None)

    def unsubscribe(self, prefix: bytes) -> None:
        if prefix not in self._counts:
            return
        self._counts[prefix] -= 1
        if not self._counts[prefix]:
            del self._counts[prefix]
            self._wanted.remove(prefix, None)
            self.look_again()
            self._tell_all(Cancel(prefix))

    def _tell_all(self, request: Subscribe | Cancel) -> None:
        # Past the high-water mark if need be: a subscription that was dropped would be missed for ever.
        for pipe in self._live:
            pipe.outbound.put(request)

    def look_again(self) -> None:
        self._update_filter()
        super().look_again()

    def _update_filter(self) -> None:
        """Filter once more what arrives, because a publisher still sends between our CANCEL and its arrival (29-34)."""
        assert self.incoming is not None
        sieve = None if b"" in self._counts else self._wanted.matching
        self.incoming.set_filter(self._dislikes if self._options.invert_matching else sieve, self.pipes)

    def _dislikes(self, topic: bytes) -> bool:
        return not self._wanted.matching(topic)
