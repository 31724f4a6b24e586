r"""XPUB and XSUB: PUB and SUB with the lid off.                                                       RFC 29/PUBSUB

An **XPUB** shows the subscriptions to its program, as messages of one frame, and an **XSUB** is told to subscribe by
sending such a message. So a program with one of each can stand between publishers and subscribers, and pass both ways
on what it receives: that is all a broker is (see `proxy`).

    PUB ──── "eu rain" ───────►  XSUB  program  XPUB  ──── "eu rain" ───────►  SUB
        ◄─── SUBSCRIBE "eu" ───               01 "eu"  ◄─── SUBSCRIBE "eu" ───
                                 01: subscribe   00: cancel

    >>> as_message(Subscribe(b"eu")), as_message(Cancel(b"eu"))
    ([b'\x01eu'], [b'\x00eu'])

Below this module: `pubsub`. It can be read alone.
"""

from collections import deque

from ..constants import SocketType
from ..errors import EINVAL, ZMQError
from ..wire.events import Cancel, Message, Subscribe, as_message
from .pattern import Pattern, Received
from .pipe import Pipe
from .pubsub import Pub, Sub, read_subscription, send_to_all
from .subscriptions import Subscriptions


class XPub(Pub):
    """As PUB, and its program receives: subscriptions as they come and go, and what subscribers send upstream.

    A subscription is shown when it is the first for its prefix, and its end when it was the last (29-24);
    with xpub_verbose each is shown that comes, with xpub_verboser also each that goes (L-36). With xpub_manual the
    program decides: nothing is subscribed until it calls subscribe(), which acts for the peer that it last heard of
    (L-37); so it hears of each.
    """

    socket_type = SocketType.XPUB

    def _begin(self) -> None:
        super()._begin()
        self._requests: Subscriptions[Pipe] = Subscriptions()  # what was asked for; with xpub_manual not what is given
        self._to_show: deque[Received] = deque()
        self._shown: Pipe | None = None

    def detach(self, pipe: Pipe) -> None:
        held = self._requests.remove_all(pipe)
        super().detach(pipe)
        for prefix in held:  # nobody took them back, but nobody is left to (29-25)
            if prefix not in self._requests or self._options.xpub_verboser:
                self._show(pipe, as_message(Cancel(prefix)))

    def _requested(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        options = self._options
        if isinstance(request, Subscribe):
            first = self._requests.add(request.prefix, pipe)
            show = first or options.xpub_verbose or options.xpub_verboser or options.xpub_manual
        else:
            self._requests.remove(request.prefix, pipe)
            show = request.prefix not in self._requests or options.xpub_verboser or options.xpub_manual
        if not options.xpub_manual:
            super()._requested(pipe, request)
        if show:
            self._show(pipe, as_message(request))

    def subscriptions_of(self, pipe: Pipe) -> int:
        return self._requests.count(pipe)

    def _sent_upstream(self, pipe: Pipe, message: Message) -> None:
        self._show(pipe, message)

    def _show(self, pipe: Pipe, message: Message) -> None:
        self._to_show.append((pipe, message))
        self._on_arrival()

    def take(self) -> Received | None:
        if not self._to_show:
            return None
        received = self._to_show.popleft()
        self._shown = received[0]
        return received

    def give_back(self, received: Received) -> None:
        self._to_show.appendleft(received)

    def can_receive(self) -> bool:
        return bool(self._to_show)

    def aside(self, pipe: Pipe) -> int:
        return sum(whose is pipe for whose, _ in (*self._to_show, *self.rest))

    def subscribe(self, prefix: bytes) -> None:
        self._decide(Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        self._decide(Cancel(prefix))

    def _decide(self, request: Subscribe | Cancel) -> None:
        if not self._options.xpub_manual:
            raise ZMQError(EINVAL, "an XPUB subscribes its peers itself, unless xpub_manual is 1")
        if self._shown is not None and self._shown in self.pipes:
            Pub._requested(self, self._shown, request)


class XSub(Sub):
    """Receives all that its publishers send it, and sends to all of them: 0x01 and a prefix subscribes."""

    socket_type = SocketType.XSUB

    def check_send(self) -> None:
        """An XSUB may always send."""

    def has_room_for(self, beginning: Message) -> bool:
        return True

    def try_send(self, message: Message) -> bool:
        """Always done. Subscriptions go to all publishers, other messages to those that have room (29-44, 29-45)."""
        request = read_subscription(message[0]) if len(message) == 1 else None
        if isinstance(request, Subscribe):
            super().subscribe(request.prefix)
        elif isinstance(request, Cancel):
            super().unsubscribe(request.prefix)
        else:
            send_to_all(self._live, message)
        return True

    def can_send(self) -> bool:
        return True

    def subscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()  # it sends them (29-47)

    def unsubscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()

    def _gather(self) -> Received | None:
        return Pattern._gather(self)  # all that comes (29-42)
