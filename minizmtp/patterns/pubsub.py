r"""PUB and SUB: news for every peer that asked for it.                                                RFC 29/PUBSUB

                         ┌── SUBSCRIBE "eu" ──  SUB
      "eu rain"   PUB ───┤                                   gets "eu rain"
      "us snow"          └── SUBSCRIBE "us" ──  SUB          gets "us snow"

A subscriber tells the publisher which prefixes it wants, and the publisher sends it nothing else: filtering saves the
network, not just the receiver (37-57). A PUB never waits. A message that no peer has subscribed to is dropped, and so
is a message for a peer whose queue is full, for that peer alone and as a whole (29-9, 29-10). This is also why the
first messages after a `connect` are lost: the publisher has not received the subscription yet.

    >>> from .queue import Pipe, Queue
    >>> pub = Pub(on_arrival=print, on_space=lambda: None)
    >>> peer = Pipe(outbound=Queue(1000), inbound=Queue(1000))
    >>> pub.attach(peer)
    >>> pub.try_send([b"eu", b"rain"])               # True although no peer gets it
    True
    >>> peer.inbound.put(Subscribe(b"eu"))
    >>> pub.try_send([b"eu", b"sun"]), pub.try_send([b"us", b"snow"])
    (True, True)
    >>> peer.outbound.take(), peer.outbound.take()
    ([b'eu', b'sun'], None)

On the wire a subscription is a command, and a message is sent as it is:

    04 0b 09 53 55 42 53 43 52 49 42 45 65 75        COMMAND, 11 octets, "SUBSCRIBE" "eu"
    01 02 65 75 00 03 73 75 6e                       "eu" (MORE), "sun"

To and from peers of ZMTP 3.0 it is a message of one frame, 0x01 and the prefix; 0x00 and the prefix takes it back.

**XPUB and XSUB** let the program see what PUB and SUB do by themselves. An XPUB gives each subscription to its program,
as such a message of one frame, and an XSUB subscribes when its program sends one. A broker is a program that has one of
each and passes on what it receives, in both directions (see `proxy`):

    PUB ──── "eu rain" ───────►  XSUB  program  XPUB  ──── "eu rain" ───────►  SUB
        ◄─── SUBSCRIBE "eu" ───               01 "eu"  ◄─── SUBSCRIBE "eu" ───

As in libzmq, they are the general case: a `Pub` is an `XPub` whose program only sends, and a `Sub` is an `XSub` whose
program only receives. So each pair is written once, and read in that order here: `XPub`, `Pub`, `XSub`, `Sub`.

Which peers want a topic is looked up in `subscriptions`, and `fanout` gives the message to their queues. What an XPUB's
program has not read yet is kept in `notices`.

Read next: `reqrep`.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice

from ..constants import SocketType
from ..errors import EINVAL, ENOTSUP, ProtocolError, ZMQError
from ..options import Options
from ..wire.events import Cancel, Item, Message, SharedMessage, Subscribe
from .fanout import FanOut, as_item, send_to_each
from .notices import Notices
from .pattern import Pattern, Received
from .queue import Pipe
from .subscriptions import Subscriptions, cost

# Subscriptions are read from one message, and those of peers that have gone are removed, this many at a time; then
# other tasks have their turn. It is about a millisecond, with XPUB two.
SLICE = 200

# An XSUB without a connection queues its subscriptions and cancellations as they come: this many, and twice as many as
# it has at present.
MAX_WAITING = 1000


def read_subscription(frame: bytes) -> Subscribe | Cancel | None:
    r"""The subscription that a frame stands for, or None if it is an ordinary message.

    >>> read_subscription(b"\x01news"), read_subscription(b"\x00news"), read_subscription(b"news")
    (Subscribe(prefix=b'news'), Cancel(prefix=b'news'), None)
    """
    if frame[:1] == b"\x01":
        return Subscribe(frame[1:])
    return Cancel(frame[1:]) if frame[:1] == b"\x00" else None


class XPub(Pattern):
    """Sends each message to all peers that subscribed to it, and gives the program the subscriptions to read.

    With xpub_manual the program decides: nothing is subscribed until it calls subscribe(), which acts for the peer
    whose message it received last (L-37).
    """

    socket_type = SocketType.XPUB

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        super().__init__(on_arrival, on_space, options)
        self.subscriptions: Subscriptions[Pipe] = Subscriptions()
        self._requests = self.subscriptions  # what peers asked for: with xpub_manual they may be given something else
        self._fan_out = FanOut()
        self._notices = Notices(self._options, on_arrival, on_read=self._resume)
        self._last_sender: Pipe | None = None  # of what the program received last
        self._unconfirmed: set[Pipe] = set()  # their subscriptions were made on a connection that broke
        self._paused: set[Pipe] = set()  # they are not read, because too much of them is unread
        # A message that is being read in slices: the frames that are left, and those that are not subscriptions.
        self._partly_read: dict[Pipe, tuple[deque[bytes], Message]] = {}
        self._tidies = False  # the next slice of the subscriptions of peers that have gone is due

    # ---------------------------------------------------------------------------------------------------------- sending

    def try_send(self, message: Message) -> bool:
        """Always done: to each peer that wants it and has room.

        With xpub_nodrop nothing is sent to any peer while one that wants the message has no room.
        """
        wants = self.subscriptions
        # This line is matching(), which would cost as much again when it is called.
        audience: Collection[Pipe] = wants.found[message[0][: wants.longest]]
        given = self._options._values  # because reading an option that is not set takes longer than all the rest
        if given.get("invert_matching"):
            audience = self._all_but(audience)
        if given.get("xpub_nodrop"):
            if self._wait_for_room(audience):
                return False
            send_to_each(audience, as_item(message))
        elif audience:
            self._fan_out.send(audience, message[0] if len(message) == 1 else message)
        return True

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        values = self._options._values
        if values.get("invert_matching") or values.get("xpub_nodrop"):
            return super().send_many(items, most)
        wants, send, count = self.subscriptions, self._fan_out.send, 0
        for item in islice(items, most):
            count += 1
            assert isinstance(item, (bytes, list))
            topic = item if isinstance(item, bytes) else item[0]
            if audience := wants.found[topic[: wants.longest]]:
                send(audience, item)
        return count, None

    def check_send(self) -> None:
        """A publisher may always send."""

    def can_send(self) -> bool:
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
        item = message[0] if len(message) == 1 else SharedMessage(message)
        for pipe in self._all_but(audience) if self._options.invert_matching else audience:
            pipe.outbound.put(item)

    def _wait_for_room(self, audience: Iterable[Pipe]) -> bool:
        full = [pipe for pipe in audience if pipe.outbound.full]
        for pipe in full:
            pipe.outbound.set_writer(self._on_space)
            pipe.outbound.want_space()
        return bool(full)

    # ------------------------------------------------------------------------------------------------ peers come and go

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        if self._options.xpub_welcome_msg:
            pipe.outbound.put([self._options.xpub_welcome_msg])
        # Subscriptions are read when they arrive, because the program of a PUB never receives (29-11, 29-12).
        pipe.inbound.set_reader(partial(self._read, pipe))
        self._read(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        # The subscriptions stay while the peer is away, so that what it wants is queued (29-3). On the next connection
        # it sends them again, and those that it does not send are over, because it may be another peer.
        self._unconfirmed.add(pipe)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        pipe.inbound.set_reader()
        pipe.outbound.set_writer()
        self._unconfirmed.discard(pipe)
        self._paused.discard(pipe)
        self._partly_read.pop(pipe, None)
        if self._last_sender is pipe:
            self._last_sender = None
        self._fan_out.close()
        for index in self._indexes():
            index.leave(pipe)
        self._tidy()
        self._on_space()  # with xpub_nodrop: there may be one peer less to wait for

    # ------------------------------------------------------------------------------------------- reading from the peers

    def _read(self, pipe: Pipe) -> None:
        while pipe not in self._paused and pipe not in self._partly_read:
            item = pipe.inbound.take()
            if item is None:
                return
            self._read_item(pipe, item)
            if self._notices.is_behind(pipe):
                self._paused.add(pipe)

    def _read_item(self, pipe: Pipe, item: Item) -> None:
        if isinstance(item, (Subscribe, Cancel)):
            self._on_request(pipe, item)
        elif isinstance(item, (bytes, list)):
            self._partly_read[pipe] = (deque([item] if isinstance(item, bytes) else item), [])
            self._read_frames(pipe)

    def _read_frames(self, pipe: Pipe) -> None:
        """Each frame of a message may be a subscription. A message of very many is read in slices, and the messages
        behind it wait."""
        frames, rest = self._partly_read[pipe]
        for _ in range(min(SLICE, len(frames))):
            frame = frames.popleft()
            request = read_subscription(frame)
            if request is None:
                rest.append(frame)
            else:
                self._on_request(pipe, request)
        if frames:
            self.later(partial(self._read_on, pipe))
            return
        del self._partly_read[pipe]
        if rest:
            self._show_message(pipe, rest)

    def _read_on(self, pipe: Pipe) -> None:
        try:
            if pipe in self._partly_read:
                self._read_frames(pipe)
            if pipe in self.pipes:
                self._read(pipe)
        except ProtocolError as error:
            if pipe.source is not None:
                pipe.source.end(str(error))

    def _resume(self, pipe: Pipe) -> None:
        """Read on, once the program has read half of what made us stop."""
        if pipe in self._paused and not self._notices.is_behind(pipe, divisor=2):
            self._paused.remove(pipe)
            self.later(partial(self._read_on, pipe))

    def _on_request(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if pipe in self._unconfirmed:
            self._unconfirmed.remove(pipe)
            for index in self._indexes():
                index.renew(pipe)
            self._tidy_later()
        is_manual = self._is_manual()
        if is_manual and self._requests is self.subscriptions:
            self._part_requests()
        requests, prefix = self._requests, request.prefix
        if isinstance(request, Subscribe):
            self._settle(prefix, keeper=pipe, also_given=not is_manual)
            self._check_limit(pipe, prefix, requests)
            is_new = not requests.holds(pipe, prefix)
            is_first = requests.add(prefix, pipe)
            if requests is not self.subscriptions and not is_manual:
                self.subscriptions.add(prefix, pipe)
            self._show_subscription(pipe, prefix, is_new, is_first)
        else:
            self._settle(prefix, keeper=None, also_given=not is_manual)
            requests.remove(prefix, pipe)
            if requests is not self.subscriptions and not is_manual:
                self.subscriptions.remove(prefix, pipe)
            self._show_cancellation(pipe, prefix)
        self._on_space()  # with xpub_nodrop: there may be one peer less to wait for

    def _check_limit(self, pipe: Pipe, prefix: bytes, held: Subscriptions[Pipe]) -> None:
        """Raise ProtocolError if the peer wants too much. (A peer in this process has no limit, because it is part of
        this program.)"""
        limit = self._options.maxsubscribed
        if held.octets(pipe) + cost(len(prefix)) <= limit or held.holds(pipe, prefix):
            return
        if pipe.source is not None and not pipe.source.in_process:
            raise ProtocolError(
                f"{held.count(pipe):,} subscriptions, and one more of {len(prefix):,} octets; "
                f"the limit is {limit} octets of memory for all of a peer (maxsubscribed)"
            )

    def subscriptions_of(self, pipe: Pipe) -> int:
        return self._requests.count(pipe)

    # ------------------------------------------------------------------------------------------ removing what has ended

    def _indexes(self) -> set[Subscriptions[Pipe]]:
        return {self.subscriptions, self._requests}

    def _tidy(self) -> None:
        """Remove a slice of what peers had that have gone. A peer may have had a million prefixes."""
        for pipe, prefix, _ in self._requests.tidy(SLICE):  # a cancellation, as if the peer had sent it (29-25)
            self._show_cancellation(pipe, prefix)
        if self._requests is not self.subscriptions:
            self.subscriptions.tidy(SLICE)
        self._tidy_later()

    def _tidy_later(self) -> None:
        if not self._tidies and any(index.untidy for index in self._indexes()):
            self._tidies = True
            self.later(self._tidy_again)

    def _tidy_again(self) -> None:
        self._tidies = False
        self._tidy()

    def _settle(self, prefix: bytes, keeper: Pipe | None, also_given: bool) -> None:
        """Remove this prefix from all peers that have gone (not from keeper) now, because something new is about to be
        done with it, and its cancellation has to be shown before."""
        if self._requests.untidy:
            for pipe, _, _ in self._requests.settle(prefix, keeper):
                self._show_cancellation(pipe, prefix)
        if self.subscriptions.untidy and also_given:
            self.subscriptions.settle(prefix, keeper)

    # ------------------------------------------------------------------------------------------- what the program reads

    def _show_subscription(self, pipe: Pipe, prefix: bytes, is_new: bool, is_first: bool) -> None:
        self._notices.add_subscription(pipe, prefix, is_new, is_first)

    def _show_cancellation(self, pipe: Pipe, prefix: bytes) -> None:
        self._notices.add_cancellation(pipe, prefix, is_last=prefix not in self._requests)

    def _show_message(self, pipe: Pipe, message: Message) -> None:
        self._notices.add_message(pipe, message)

    def take(self) -> Received | None:
        received = self._notices.take()
        if received is not None:
            self._last_sender = received[0] if received[0] in self.pipes else None
        return received

    def take_many(self, most: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < most and (received := self.take()) is not None:
            found.append(received[1])
        return found

    def give_back(self, received: Received) -> None:
        self._notices.put_back(*received)

    def can_receive(self) -> bool:
        return len(self._notices) > 0

    def aside(self, pipe: Pipe) -> int:
        return self._notices.unread(pipe) + super().aside(pipe)

    # ------------------------------------------------------------------------------------------------------ xpub_manual

    def _is_manual(self) -> bool:
        return bool(self._options._values.get("xpub_manual"))

    def _part_requests(self) -> None:
        """From now on a peer may be given something else than it asked for. What it has had until now is both."""
        self._requests = Subscriptions()
        for pipe in self.pipes:
            for prefix in self.subscriptions.held_by(pipe):
                self._requests.add(prefix, pipe)

    def subscribe(self, prefix: bytes) -> None:
        if (pipe := self._decided_for()) is not None:
            self._settle(prefix, keeper=pipe, also_given=True)
            self.subscriptions.add(prefix, pipe)
            self._on_space()

    def unsubscribe(self, prefix: bytes) -> None:
        if (pipe := self._decided_for()) is not None:
            self._settle(prefix, keeper=None, also_given=True)
            self.subscriptions.remove(prefix, pipe)
            self._on_space()

    def _decided_for(self) -> Pipe | None:
        """The peer for which the program decides now, if it is still there."""
        if not self._is_manual():
            raise ZMQError(EINVAL, "an XPUB subscribes its peers itself, unless xpub_manual is 1")
        if self._last_sender not in self.pipes:
            return None
        if self._requests is self.subscriptions:
            self._part_requests()
        return self._last_sender


class Pub(XPub):
    """An XPUB whose program only sends: it sees no subscriptions, and what else subscribers send is dropped (29-6)."""

    socket_type = SocketType.PUB

    def _show_subscription(self, pipe: Pipe, prefix: bytes, is_new: bool, is_first: bool) -> None:
        """Not for a PUB."""

    def _show_cancellation(self, pipe: Pipe, prefix: bytes) -> None:
        """Not for a PUB."""

    def _show_message(self, pipe: Pipe, message: Message) -> None:
        """Not for a PUB."""

    def _is_manual(self) -> bool:
        return False

    def take(self) -> Received | None:
        raise ZMQError(ENOTSUP, "a PUB socket only sends")

    def subscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()

    def unsubscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()


class XSub(Pattern):
    """Receives all that its publishers send it, and sends to all of them: 0x01 and a prefix subscribes (29-47).

    What it sends waits in the queue of a publisher from `connect` on, connected or not (29-36). While there is no
    connection, the subscriptions in the queue are put together now and then, so that a program that changes them for
    days does not fill memory.
    """

    socket_type = SocketType.XSUB
    receives = True
    takes_all = True

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        super().__init__(on_arrival, on_space, options)
        self._counts: Counter[bytes] = Counter()  # how often each prefix is subscribed to
        # Pipes without a connection, and how many requests were queued since their list was put together.
        self._away: dict[Pipe, int] = {}

    # ---------------------------------------------------------------------------------------------------------- sending

    def try_send(self, message: Message) -> bool:
        """Always done. Subscriptions go to all publishers, other messages to those that have room (29-44, 29-45).

        Each subscription is sent, not only the first to its prefix, because an XPUB with xpub_verbose shows each."""
        self.check_send()
        request = read_subscription(message[0]) if len(message) == 1 else None
        if isinstance(request, Subscribe):
            self._counts[request.prefix] += 1
            self._send_request(request)
        elif isinstance(request, Cancel):
            self._cancel(request.prefix)
        else:
            send_to_each(self.pipes, as_item(message))
        return True

    def _cancel(self, prefix: bytes) -> bool:
        """Take one subscription back. The last one to its prefix is sent, and the result True (L-38)."""
        if prefix not in self._counts:
            return False
        self._counts[prefix] -= 1
        if self._counts[prefix]:
            return False
        del self._counts[prefix]
        self._send_request(Cancel(prefix))
        return True

    def _send_request(self, request: Subscribe | Cancel) -> None:
        # Past the high-water mark if need be, because a publisher would never learn of a subscription that was dropped.
        for pipe in self.pipes:
            pipe.outbound.put(request)
        for pipe in self._away:
            self._away[pipe] += 1
            if self._away[pipe] > 2 * len(self._counts) + MAX_WAITING:
                self._queue_list(pipe)

    def check_send(self) -> None:
        """An XSUB may always send."""

    def can_send(self) -> bool:
        return True

    def has_room_for(self, beginning: Message) -> bool:
        self.check_send()
        return True

    # ------------------------------------------------------------------------------------------------ peers come and go

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        self._lost(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        self._lost(pipe)

    def connected(self, pipe: Pipe) -> None:
        self._away.pop(pipe, None)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        self._away.pop(pipe, None)

    def _lost(self, pipe: Pipe) -> None:
        """There is no connection: the next one begins with the whole list."""
        self._away[pipe] = 0
        self._queue_list(pipe)

    def _queue_list(self, pipe: Pipe) -> None:
        """Queue each subscription once, before the messages that are queued, and in place of all requests that are."""
        queue = pipe.outbound
        messages = [item for item in queue if not isinstance(item, (Subscribe, Cancel))]
        queue.replace([*(Subscribe(prefix) for prefix in self._counts), *messages])
        if pipe in self._away:
            self._away[pipe] = 0


class Sub(XSub):
    """An XSUB whose program only receives: it calls subscribe(), and gets only messages that it subscribed to.

    It counts: of two subscriptions to the same prefix, one may be taken back and the other stays (L-38). The first and
    the last are sent to the publishers. Every new connection begins with the list of what is wanted then, each prefix
    once; until there is one, nothing is queued for it.
    """

    socket_type = SocketType.SUB

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        super().__init__(on_arrival, on_space, options)
        self._wanted: Subscriptions[None] = Subscriptions()
        self._update_filter()

    def subscribe(self, prefix: bytes) -> None:
        self._counts[prefix] += 1
        if self._wanted.add(prefix, None):
            if not prefix or self._options.invert_matching:
                self._update_filter()
            self._send_request(Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        if self._cancel(prefix):
            self._wanted.remove(prefix, None)
            self.look_again()

    def _send_request(self, request: Subscribe | Cancel) -> None:
        for pipe in self.pipes:
            if pipe not in self._away:
                pipe.outbound.put(request)

    def connected(self, pipe: Pipe) -> None:
        # What was queued for the connection before is over: the new peer gets the whole list.
        self._queue_list(pipe)
        super().connected(pipe)

    def _lost(self, pipe: Pipe) -> None:
        self._away[pipe] = 0

    def check_send(self) -> None:
        raise ZMQError(ENOTSUP, "a SUB socket only receives")

    def can_send(self) -> bool:
        return False

    # -------------------------------------------------------------------------------------------------------- receiving

    def look_again(self) -> None:
        self._update_filter()
        super().look_again()

    def _update_filter(self) -> None:
        """Filter what arrives once more, because a publisher still sends between our CANCEL and its arrival (29-34)."""
        assert self.incoming is not None
        accepts = None if b"" in self._counts else self._wanted.matching
        self.incoming.set_filter(self._is_unwanted if self._options.invert_matching else accepts, self.pipes)

    def _is_unwanted(self, topic: bytes) -> bool:
        return not self._wanted.matching(topic)
