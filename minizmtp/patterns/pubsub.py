r"""PUB and SUB: news for every peer that asked for it.                                                RFC 29/PUBSUB

                         ┌── SUBSCRIBE "eu" ──  SUB
      "eu rain"   PUB ───┤                                   gets "eu rain"
      "us snow"          └── SUBSCRIBE "us" ──  SUB          gets "us snow"

**Who filters?** The publisher. A subscriber tells each of its publishers which prefixes it wants, and the publisher
sends it nothing else, so filtering saves the network (37-57). In ZMTP 1.0 (libzmq 2) the publisher sent everything to
everyone, and the subscriber threw away the rest; publishers filter since ZMTP 2.0 (libzmq 3). A SUB still filters once
more, because a publisher goes on sending until it has received our CANCEL (29-34).

**What does a subscriber send?** Its first subscription to a prefix, and the last cancellation: a SUB counts (L-38). On
each new connection it sends every prefix that it wants then. Up to ZMTP 3.0 a subscription is a message of one frame,
0x01 and the prefix, and 0x00 and the prefix cancels it. ZMTP 3.1 (libzmq since 4.3.3) has commands for that:

    04 0c 09 53 55 42 53 43 52 49 42 45 65 75        COMMAND, 12 octets, "SUBSCRIBE" "eu"
    01 02 65 75 00 03 73 75 6e                       the message "eu" (MORE), "sun"

**How does a publisher find whom to send to?** It keeps the prefixes of all peers in one index, and looks up the first
frame of a message there. That takes the same time with one subscription and with 100,000 (see `subscriptions`), and the
answers for recent topics are kept. Then `fanout` gives the message to the queue of each peer that was found.

**What is dropped?** A PUB never waits, and a SUB never sends a message. So three things may be lost:

- a message that no peer has subscribed to (29-10). Therefore the first messages after a `connect` or `bind` get lost:
  the subscription has not arrived yet;
- a message for a peer whose queue is full, for that peer alone and as a whole (29-9). With xpub_nodrop a message waits
  instead, until all peers that want it have room;
- what is queued for an accepted peer when its connection breaks. For a peer that we connected to, the queue and the
  subscriptions stay until the next connection (29-3, 29-4).

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

**XPUB and XSUB** let the program see what PUB and SUB do by themselves. An XPUB gives each subscription to its program,
as such a message of one frame, and an XSUB subscribes when its program sends one. A broker is a program that has one of
each and passes on what it receives, in both directions (see `proxy`):

    PUB ──── "eu rain" ───────►  XSUB  program  XPUB  ──── "eu rain" ───────►  SUB
        ◄─── SUBSCRIBE "eu" ───               01 "eu"  ◄─── SUBSCRIBE "eu" ───

As in libzmq, they are the general case: a `Pub` is an `XPub` whose program only sends, and a `Sub` is an `XSub` whose
program only receives. What peers ask for is read in `subscribers`, and kept for the program of an XPUB in `notices`.

Read next: `reqrep`.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import islice
from typing import ClassVar, cast

from ..constants import SocketType
from ..errors import ENOTSUP, ZMQError
from ..options import Options
from ..wire.events import Cancel, Item, Message, Subscribe
from .fanout import FanOut, as_item, send_to_each
from .notices import Notices
from .pattern import Pattern, Received
from .queue import Pipe
from .subscribers import SLICE, Subscribers, read_subscription
from .subscriptions import Subscriptions

# An XSUB without a connection queues its requests as they come: this many, and twice as many as it has prefixes. Then
# it queues the list anew, so that a program that changes its subscriptions for days does not fill memory.
MAX_WAITING = 1000


class Broadcaster(Pattern):
    """A socket that sends to many peers and may always send, because what has no room is dropped."""

    def check_send(self) -> None:
        """It may always send."""

    def can_send(self) -> bool:
        return True

    def has_room_for(self, beginning: Message) -> bool:
        self.check_send()
        return True


class XPub(Broadcaster):
    """Sends each message to all peers that subscribed to it, and gives the program the subscriptions to read.

    With xpub_manual the program decides: nothing is subscribed until it calls subscribe(), which acts for the peer
    whose message it received last (L-37).
    """

    socket_type = SocketType.XPUB
    program_receives: ClassVar[bool] = True

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        super().__init__(on_arrival, on_space, options)
        self._notices = Notices(self._options, on_arrival, on_read=lambda pipe: self._subscribers.resume(pipe))
        self._subscribers = Subscribers(
            self._options, self._notices if self.program_receives else None, on_space, lambda step: self.later(step)
        )
        self.subscriptions = self._subscribers.given
        self._fan_out = FanOut()
        self._last_sender: Pipe | None = None  # of what the program received last

    def try_send(self, message: Message) -> bool:
        """Done at once, to each peer that wants the message and has room; except with xpub_nodrop."""
        options, wants = self._options._values, self.subscriptions
        if options.get("invert_matching") or options.get("xpub_nodrop"):
            return self._send_all_or_none(message)
        if audience := wants.found[message[0][: wants.longest]]:  # `matching`, without the cost of a call
            self._fan_out.send(audience, message[0] if len(message) == 1 else message)
        return True

    def _send_all_or_none(self, message: Message) -> bool:
        if not self.has_room_for(message):
            return False
        send_to_each(self._audience(message[0]), as_item(message))
        return True

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        options, wants, fan_out, count = self._options._values, self.subscriptions, self._fan_out, 0
        if options.get("invert_matching") or options.get("xpub_nodrop"):
            return super().send_many(items, most)
        audience: Collection[Pipe] = ()
        more: list[bytes | Message] = []  # for the same audience as the message before
        try:
            for count, item in enumerate(islice(cast(Iterator[bytes | Message], items), most), 1):
                topic = item if isinstance(item, bytes) else item[0]
                wanting = wants.found[topic[: wants.longest]]
                if wanting is audience:
                    more.append(item)
                    continue
                if more:
                    fan_out.send_many(audience, more)
                    more = []
                audience = wanting
                fan_out.send(audience, item)
        finally:
            fan_out.send_many(audience, more)
        return count, None

    def has_room_for(self, beginning: Message) -> bool:
        if not self._options.xpub_nodrop:
            return True
        full = [pipe.outbound for pipe in self._audience(beginning[0]) if pipe.outbound.full]
        for queue in full:
            queue.set_writer(self._on_space)
            queue.want_space()
        return not full

    def send_past_limit(self, message: Message) -> None:
        for pipe in self._audience(message[0]):
            pipe.outbound.put(as_item(message))

    def _audience(self, topic: bytes) -> Collection[Pipe]:
        wanting = self.subscriptions.matching(topic)
        return [pipe for pipe in self.pipes if pipe not in wanting] if self._options.invert_matching else wanting

    # ------------------------------------------------------------------------------------------------ peers come and go

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        if self._options.xpub_welcome_msg:
            pipe.outbound.put([self._options.xpub_welcome_msg])
        pipe.inbound.set_reader(partial(self._subscribers.read, pipe))
        self._subscribers.read(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        self._subscribers.disconnected(pipe)

    def detach(self, pipe: Pipe) -> None:
        pipe.outbound.set_writer()
        if self._last_sender is pipe:
            self._last_sender = None
        self._fan_out.close()
        self._subscribers.detach(pipe)
        super().detach(pipe)  # calls on_space, because with xpub_nodrop there may be one peer less to wait for

    def subscriptions_of(self, pipe: Pipe) -> int:
        return len(self._subscribers.asked.held_by(pipe))

    # -------------------------------------------------------------------------------------------------------- receiving

    def take(self) -> Received | None:
        received = self._notices.take()
        if received is not None:
            self._last_sender = received[0] if received[0] in self.pipes else None
        return received

    def take_many(self, most: int) -> list[Message]:
        return [received[1] for received in islice(iter(self.take, None), most)]

    def give_back(self, received: Received) -> None:
        self._notices.put_back(*received)

    def can_receive(self) -> bool:
        return len(self._notices) > 0

    def aside(self, pipe: Pipe) -> int:
        return self._notices.unread(pipe) + super().aside(pipe)

    def subscribe(self, prefix: bytes) -> None:
        self._subscribers.decide(self._last_sender, Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        self._subscribers.decide(self._last_sender, Cancel(prefix))


class Pub(XPub):
    """An XPUB whose program only sends: it sees no subscriptions, and what else subscribers send is dropped (29-6)."""

    socket_type = SocketType.PUB
    program_receives = False

    def take(self) -> Received | None:
        raise ZMQError(ENOTSUP, "a PUB socket only sends")

    def subscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()

    unsubscribe = subscribe


class XSub(Broadcaster):
    """Receives all that its publishers send it, and sends to all of them: 0x01 and a prefix subscribes (29-47).

    What it sends waits in the queue of a publisher from `connect` on, connected or not (29-36). Each connection begins
    with the list of its subscriptions, each prefix once.
    """

    socket_type = SocketType.XSUB
    receives = True
    takes_all = True

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        super().__init__(on_arrival, on_space, options)
        self._counts: dict[bytes, int] = {}  # how often each prefix is subscribed to
        # What is still to be queued for each publisher: prefixes to subscribe to, and requests behind them.
        self._left: dict[Pipe, deque[bytes | Subscribe | Cancel]] = {}
        self._away: dict[Pipe, int] = {}  # without a connection: how many requests were queued since the list was

    def try_send(self, message: Message) -> bool:
        """Always done. Subscriptions go to all publishers, other messages to those that have room (29-44, 29-45).

        Each subscription is sent, not only the first to its prefix, because an XPUB with xpub_verbose shows each."""
        self.check_send()
        request = read_subscription(message[0]) if len(message) == 1 else None
        if request is None:
            send_to_each(self.pipes, as_item(message))
        elif self._count(request) or isinstance(request, Subscribe):
            self._send_request(request)
        return True

    def _count(self, request: Subscribe | Cancel) -> bool:
        """True for the first subscription to a prefix, and for its last cancellation (L-38)."""
        before = self._counts.get(request.prefix, 0)
        after = before + 1 if isinstance(request, Subscribe) else max(before - 1, 0)
        self._counts[request.prefix] = after
        if not after:
            del self._counts[request.prefix]
        return bool(before) is not bool(after)

    def _send_request(self, request: Subscribe | Cancel) -> None:
        for pipe, left in self._left.items():
            if left:
                left.append(request)
            else:  # past the high-water mark, because a publisher would never learn of a subscription that was dropped
                pipe.outbound.put(request)

        for pipe in self._away:
            self._away[pipe] += 1
            if self._away[pipe] > 2 * len(self._counts) + MAX_WAITING:
                self._queue_list(pipe)

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        self.disconnected(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        self._away[pipe] = 0
        self._queue_list(pipe)

    def connected(self, pipe: Pipe) -> None:
        self._away.pop(pipe, None)

    def detach(self, pipe: Pipe) -> None:
        self._left.pop(pipe, None)
        self._away.pop(pipe, None)
        super().detach(pipe)

    def _queue_list(self, pipe: Pipe) -> None:
        """Queue each subscription once, in place of all requests that are queued and in front of the messages."""
        messages = [item for item in pipe.outbound if not isinstance(item, (Subscribe, Cancel))]
        pipe.outbound.replace([])
        self._left[pipe] = deque(self._counts)
        self._queue_slice(pipe, self._left[pipe])
        pipe.outbound.put_all(messages)
        if pipe in self._away:
            self._away[pipe] = 0

    def _queue_slice(self, pipe: Pipe, left: deque[bytes | Subscribe | Cancel]) -> None:
        """Queue SLICE requests, and the rest when other tasks have had their turn, because there may be a million."""
        if self._left.get(pipe) is not left:
            return  # the connection has ended
        some = [left.popleft() for _ in range(min(SLICE, len(left)))]
        pipe.outbound.put_all([Subscribe(each) if isinstance(each, bytes) else each for each in some])
        if left:
            self.later(partial(self._queue_slice, pipe, left))


class Sub(XSub):
    """An XSUB whose program only receives: it calls subscribe(), and gets only messages that it subscribed to.

    Nothing is queued for a publisher before there is a connection.
    """

    socket_type = SocketType.SUB

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        super().__init__(on_arrival, on_space, options)
        self._wanted: Subscriptions[None] = Subscriptions()
        self._update_filter()

    def check_send(self) -> None:
        raise ZMQError(ENOTSUP, "a SUB socket only receives")

    def can_send(self) -> bool:
        return False

    def subscribe(self, prefix: bytes) -> None:
        if self._count(Subscribe(prefix)):
            self._wanted.add(prefix, None)
            if not prefix or self._options.invert_matching:
                self._update_filter()
            self._send_request(Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        if self._count(Cancel(prefix)):
            self._wanted.remove(prefix, None)
            self.look_again()
            self._send_request(Cancel(prefix))

    def disconnected(self, pipe: Pipe) -> None:
        self._left.pop(pipe, None)

    def connected(self, pipe: Pipe) -> None:
        self._queue_list(pipe)

    def look_again(self) -> None:
        self._update_filter()
        super().look_again()

    def _update_filter(self) -> None:
        """Let only those messages pass that the program wants at this moment (29-34)."""
        assert self.incoming is not None
        accepts = None if b"" in self._counts else self._wanted.matching
        self.incoming.set_filter(self._is_unwanted if self._options.invert_matching else accepts, self.pipes)

    def _is_unwanted(self, topic: bytes) -> bool:
        return not self._wanted.matching(topic)
