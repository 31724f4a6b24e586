r"""PUB and SUB: news for every peer that asked for it.                                                RFC 29/PUBSUB

                         ┌── SUBSCRIBE "eu" ──  SUB
      "eu rain"   PUB ───┤                                   gets "eu rain"
      "us snow"          └── SUBSCRIBE "us" ──  SUB          gets "us snow"

**Who filters?** The publisher. A subscriber tells each of its publishers which prefixes it wants, and the publisher
sends it nothing else, because that saves the network (37-57). In ZMTP 1.0 (libzmq 2) a publisher sent everything, and
the subscriber threw the rest away; publishers filter since ZMTP 2.0 (libzmq 3). A SUB still filters what it receives,
because a publisher goes on sending until it has our CANCEL (29-34).

**What does a subscriber send?** A program may subscribe to one prefix twice; a SUB counts, and sends the first
subscription and the last cancellation only (L-38). A new connection gets the whole list (see `requests`). In ZMTP 2.0
and 3.0 a subscription is a frame, 01 and the prefix; 00 cancels it. ZMTP 3.1 (libzmq 4.3.3) has commands:

    04 0c 09 53 55 42 53 43 52 49 42 45 65 75        COMMAND, 12 octets, "SUBSCRIBE" "eu"
    01 02 65 75 00 03 73 75 6e                       the message "eu" (MORE), "sun"

**How does a publisher find the peers for a message?** It keeps the prefixes of all peers in one index (`subscribers`),
and looks up the first frame of the message there. That takes the same time with one subscription and with 100,000 (see
`subscriptions`). Then it appends the message to the queue of each peer that was found (`fanout`).

**What is dropped?** A publisher does not wait for a subscriber, so it drops

- a message without subscribers (29-10): above all the first ones, because subscriptions take time to arrive;
- a message for a peer whose queue is full, for that peer alone and as a whole (29-9); with xpub_nodrop it waits;
- on the bound side, what is queued when a connection breaks (29-4); the other side keeps it for the next one (29-3).

    >>> from .pipe import Pipe, Queue
    >>> pub = Pub(on_arrival=print, on_space=lambda: None)
    >>> peer = Pipe(outbound=Queue(1000), inbound=Queue(1000))
    >>> pub.attach(peer)
    >>> sent = [pub.try_send([b"eu", b"rain"])]      # True although no peer gets it
    >>> peer.inbound.put(Subscribe(b"eu"))
    >>> sent + [pub.try_send([b"eu", b"sun"]), pub.try_send([b"us", b"snow"])], peer.outbound.take_batch(9)
    ([True, True, True], [[b'eu', b'sun']])

**XPUB and XSUB** let the program see what PUB and SUB do by themselves. An XPUB gives each subscription to its program,
as a message of one frame, 01 or 00 and the prefix, and an XSUB subscribes when its program sends one. A broker has one
of each and passes on what it receives, in both directions (see `proxy`):

    PUB ──── "eu rain" ───────►  XSUB  program  XPUB  ──── "eu rain" ───────►  SUB
        ◄─── SUBSCRIBE "eu" ───               01 "eu"  ◄─── SUBSCRIBE "eu" ───

Try it: in `Sub._filter`, write `else None` for `else matching`. A SUB hands on all that a publisher sends.
Read next: `reqrep`.
"""

from collections.abc import Callable, Collection, Iterator
from itertools import islice

from ..constants import SocketType
from ..wire.events import Cancel, Item, Message, SharedMessage, Subscribe
from .ahead import Received
from .fanout import FanOut, as_item, send_to_each
from .notices import Notices
from .pattern import Pattern
from .pipe import Pipe
from .requests import Requests
from .runs import RunQueue
from .subscribers import Subscribers, read_subscription
from .subscriptions import Subscriptions


class XPub(Pattern):
    """Sends each message to all peers that subscribed to it, and gives the program the subscriptions to read.

    With xpub_manual only subscribe() subscribes: the peer whose message the program received last (L-37).
    """

    socket_type = SocketType.XPUB
    never_waits = True  # but with xpub_nodrop it may wait
    outbound_queue = RunQueue
    subscribers_type = Subscribers
    program_receives = True

    def _begin(self) -> None:
        options = self._options
        self._notices = Notices(
            options, self.program_receives, self._on_arrival, lambda pipe: self._subscribers.on_all_read(pipe)
        )
        self._subscribers = self.subscribers_type(options, self._notices, self._on_space, lambda step: self.later(step))
        self.subscriptions = self._subscribers.given
        self._fan_out = FanOut()
        self._last_sender: Pipe | None = None  # of what the program received last
        self._is_plain = not (self._options.invert_matching or self._options.xpub_nodrop)

    def try_send(self, message: Message) -> bool:
        """Done at once, to each peer that wants the message and has room; except with xpub_nodrop."""
        if not self._is_plain:
            if not self.has_room_for(message):
                return False
            send_to_each(self._audience(message[0]), as_item(message))
        elif audience := self.subscriptions.matching(message[0]):
            self._fan_out.send(audience, as_item(message))
        return True

    def try_send_frame(self, frame: bytes) -> bool:
        wants = self.subscriptions
        if not self._is_plain:
            return self.try_send([frame])
        # A recent answer is looked up here, because the call would cost as much as all the rest.
        if audience := wants.found.get(frame[: wants.longest]) or wants.matching(frame):
            self._fan_out.send(audience, frame)
        return True

    def refresh(self) -> None:
        self._is_plain = not (self._options.invert_matching or self._options.xpub_nodrop)
        super().refresh()

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        if not self._is_plain:
            return super().send_many(items, most)
        return self._fan_out.publish(islice(items, most), self.subscriptions), None

    def has_room_for(self, beginning: Message) -> bool:
        if not self._options.xpub_nodrop:
            return True
        # All are asked, and not only up to the first that is full, because the message waits for each of them.
        full = [pipe.outbound for pipe in self._audience(beginning[0]) if not pipe.outbound.room()]
        for queue in full:
            queue.set_writer(self._on_space)
        return not full

    def send_past_limit(self, message: Message) -> None:
        for pipe in self._audience(message[0]):
            pipe.outbound.put(as_item(SharedMessage(message)))

    def _audience(self, topic: bytes) -> Collection[Pipe]:
        wanting = self.subscriptions.matching(topic)
        return [pipe for pipe in self.pipes if pipe not in wanting] if self._options.invert_matching else wanting

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        if self._options.xpub_welcome_msg:
            pipe.outbound.put([self._options.xpub_welcome_msg])
        pipe.inbound.set_reader(lambda: self._subscribers.read(pipe))
        self._subscribers.read(pipe)  # because in this process a peer may have subscribed before

    def disconnected(self, pipe: Pipe) -> None:
        self._subscribers.disconnected(pipe)

    def detach(self, pipe: Pipe) -> None:
        if self._last_sender is pipe:
            self._last_sender = None
        self._fan_out.close()
        self._subscribers.detach(pipe)
        super().detach(pipe)  # calls on_space, because with xpub_nodrop there may be one peer less to wait for

    def close(self) -> None:
        self._subscribers.close()
        self._begin()  # anew, because to remove what each peer has asked for would take long
        super().close()

    def subscriptions_of(self, pipe: Pipe) -> int:
        return len(self._subscribers.asked.of(pipe).prefixes)

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

    def held_back(self, pipe: Pipe) -> int:
        return self._notices.unread(pipe) + super().held_back(pipe)

    def ask(self, request: Subscribe | Cancel) -> None:
        self._subscribers.decide(self._last_sender, request)


class Pub(XPub):
    """An XPUB whose program only sends: it sees no subscriptions, and what else subscribers send is dropped (29-6)."""

    socket_type = SocketType.PUB
    program_receives = False
    take, ask = Pattern.take, Pattern.ask  # which are errors here


class XSub(Pattern):
    """Receives all that its publishers send, and sends to all of them, also before there is a connection (29-36)."""

    socket_type = SocketType.XSUB
    has_fair_queue = delivers_unchanged = never_waits = True
    queues_ahead = True
    asks = Subscribe

    def _begin(self) -> None:
        self._requests = Requests(self.queues_ahead, lambda step: self.later(step), self.asks)

    def try_send(self, message: Message) -> bool:
        """Always done. Subscriptions go to all publishers, other messages to those that have room (29-44, 29-45)."""
        self.check_send()
        request = read_subscription(message[0]) if len(message) == 1 else None
        if request is None:
            send_to_each(self.pipes, as_item(message))
        elif self._requests.count(request) or isinstance(request, Subscribe):
            self._requests.send(request)  # each subscription, because an XPUB with xpub_verbose shows each
        return True

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        self._requests.disconnected(pipe)

    def connected(self, pipe: Pipe) -> None:
        self._requests.connected(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        self._requests.disconnected(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._requests.detach(pipe)
        super().detach(pipe)


class Sub(XSub):
    """An XSUB whose program only receives: it calls subscribe(), and gets only messages that it subscribed to."""

    socket_type = SocketType.SUB
    never_waits = queues_ahead = False

    def _begin(self) -> None:
        super()._begin()
        self._wanted: Subscriptions[None] = Subscriptions()
        self._update_filter()

    def ask(self, request: Subscribe | Cancel) -> None:
        if self._requests.count(request):
            self._note(request)
            # One more prefix changes nothing for what is queued, which was sent because of the others.
            if isinstance(request, Cancel) or not request.prefix or self._options.invert_matching:
                self.refresh()
            self._requests.send(request)

    def _note(self, request: Subscribe | Cancel) -> None:
        change = self._wanted.add if isinstance(request, Subscribe) else self._wanted.remove
        change(request.prefix, None)

    def refresh(self) -> None:
        self._update_filter()
        super().refresh()

    def _update_filter(self) -> None:
        """Let only those messages pass that the program wants at this moment (29-34)."""
        self.incoming.set_filter(self._filter(), self.pipes)

    def _filter(self) -> Callable[[bytes], object] | None:
        matching = self._wanted.matching
        if self._options.invert_matching:
            return lambda topic: not matching(topic)
        return None if b"" in self._requests.counts else matching
