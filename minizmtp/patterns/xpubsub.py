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

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ..constants import SocketType
from ..errors import EINVAL, ZMQError
from ..wire.events import Cancel, Message, Subscribe, as_message
from .pattern import Received
from .pubsub import SLICE, Pub, Sub, read_subscription, send_to_all
from .queue import Pipe
from .subscriptions import Subscriptions, cost

# When more notices and messages are unread, the program is taken not to read at present.
MOST_UNREAD = 1000

# Without a connection, an XSUB queues its subscriptions and their ends as they come: so many, and twice as many as it
# has at present.
MOST_WAITING = 1000


class Notice(NamedTuple):
    """Something that the program is to be shown. epoch: see XPub; None for a message that a subscriber sent."""

    pipe: Pipe
    shown: bytes | Message  # bytes for a message of one frame
    epoch: Hashable = None


@dataclass(slots=True)
class Backlog:
    """What the program has not read yet of one peer."""

    messages: int = 0  # that the peer sent upstream
    notices: int = 0
    octets: int = 0  # that the notices take


class XPub(Pub):
    """As PUB, and its program receives: subscriptions as they come and go, and what subscribers send upstream.

    A subscription is shown when it is the first for its prefix, and its end when it was the last (29-24);
    with xpub_verbose each is shown that comes, with xpub_verboser also each that goes (L-36). With xpub_manual the
    program decides: nothing is subscribed until it calls subscribe(), which acts for the peer that it last heard of
    (L-37); so each is shown that comes and each that goes.

    **What the program does not read is bounded.** A peer of which as many messages are unread as `rcvhwm` says, or
    notices of as many octets as `maxsubscribed`, is not read until the program has read half of them. The notices of
    peers that have gone are bounded, too. The time in which a prefix is wanted (or wanted by one peer, where each
    notice is shown) is its *epoch*. When more than MOST_UNREAD are unread, an epoch that ends before the program has
    read of its beginning is not shown at all. Nor is then what xpub_verbose adds, of a peer that wants it no more.
    """

    socket_type = SocketType.XPUB

    def _begin(self) -> None:
        super()._begin()
        # What was asked for; with xpub_manual that is not what is given.
        self._requests: Subscriptions[Pipe] = self.subscriptions
        self._to_show: OrderedDict[int, Notice] = OrderedDict()  # by number, oldest first
        self._number = 0
        self._unread: dict[Pipe, Backlog] = {}
        self._unseen: dict[Hashable, int] = {}  # epochs of whose beginning the program has not read: its notice …
        self._repeated: dict[Hashable, set[int]] = {}  # … and those after it
        self._verbose: dict[tuple[Pipe, bytes], list[int]] = {}  # notices that are shown for xpub_verbose only
        self._stopped: set[Pipe] = set()  # are not read now
        self._shown: Pipe | None = None

    # -------------------------------------------------------------------------------------------------- subscriptions

    def _requested(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        given, prefix = self._options._values, request.prefix  # to ask for options that are not set takes longer
        manual = given.get("xpub_manual")
        if manual and self._requests is self.subscriptions:
            self._part_requests()
        requests = self._requests
        if isinstance(request, Subscribe):
            self._check_limit(pipe, prefix, requests)
            is_new = not requests.holds(pipe, prefix)
            first = requests.add(prefix, pipe)
            if manual or given.get("xpub_verboser"):
                self._show_request(pipe, request, (pipe, prefix), is_new)
            elif first or given.get("xpub_verbose"):
                self._show_request(pipe, request, prefix, first)
        else:
            requests.remove(prefix, pipe)
            self._show_end(pipe, prefix)
        if requests is not self.subscriptions and not manual:
            super()._requested(pipe, request)
        self._on_space()

    def _part_requests(self) -> None:
        """From now on what is asked for and what is given are two things. What was both until now stays both."""
        self._requests = Subscriptions()
        for pipe in self.pipes:
            for prefix in self.subscriptions.held_by(pipe):
                self._requests.add(prefix, pipe)

    def subscriptions_of(self, pipe: Pipe) -> int:
        return self._requests.count(pipe)

    def _forget_subscriptions(self, pipe: Pipe) -> None:
        self._stopped.discard(pipe)
        if self._shown is pipe:
            self._shown = None
        for each in {self.subscriptions, self._requests}:
            each.leave(pipe)

    def _renew_subscriptions(self, pipe: Pipe) -> None:
        for each in {self.subscriptions, self._requests}:
            each.renew(pipe)

    @property
    def _is_untidy(self) -> bool:
        return self.subscriptions.untidy or self._requests.untidy

    def _tidy_some(self) -> None:
        for pipe, prefix, _ in self._requests.tidy(SLICE):  # its end, as if the peer had said so (29-25)
            self._show_end(pipe, prefix)
        if self._requests is not self.subscriptions:
            self.subscriptions.tidy(SLICE)

    def _settle(self, request: Subscribe | Cancel, pipe: Pipe) -> None:
        if self._is_untidy:
            keeps = pipe if isinstance(request, Subscribe) else None
            for gone, prefix, _ in self._requests.settle(request.prefix, keeps):
                self._show_end(gone, prefix)
            if self._requests is not self.subscriptions and not self._options.xpub_manual:
                self.subscriptions.settle(request.prefix, keeps)

    # ---------------------------------------------------------------------------------------- what the program is shown

    def _show_request(self, pipe: Pipe, request: Subscribe, epoch: Hashable, opens: bool) -> None:
        self._show(Notice(pipe, as_message(request)[0], epoch))
        if opens:
            self._unseen[epoch] = self._number
            return
        if epoch in self._unseen:
            self._repeated.setdefault(epoch, set()).add(self._number)
        if epoch == request.prefix:
            numbers = self._verbose.setdefault((pipe, request.prefix), [])
            if numbers and numbers[0] not in self._to_show:
                numbers.clear()  # they have been read
            numbers.append(self._number)

    def _show_end(self, pipe: Pipe, prefix: bytes) -> None:
        given = self._options._values
        each = given.get("xpub_manual") or given.get("xpub_verboser")
        repeated = self._verbose.pop((pipe, prefix), [])
        if not each and prefix in self._requests:
            if len(self._to_show) > MOST_UNREAD:
                self._leave_out(prefix, repeated)
            return
        epoch = (pipe, prefix) if each else prefix
        opened = self._unseen.pop(epoch, None)
        if opened is not None and len(self._to_show) > MOST_UNREAD:
            self._leave_out(epoch, [opened, *self._repeated.get(epoch, ())])
        else:
            self._show(Notice(pipe, as_message(Cancel(prefix))[0], epoch))
        self._repeated.pop(epoch, None)

    def _leave_out(self, epoch: Hashable, numbers: list[int]) -> None:
        for number in numbers:
            self._repeated.get(epoch, set()).discard(number)
            if (notice := self._to_show.pop(number, None)) is not None:
                self._was_read(notice)

    def _sent_upstream(self, pipe: Pipe, message: Message) -> None:
        self._show(Notice(pipe, message))

    def _show(self, notice: Notice) -> None:
        self._number += 1
        self._to_show[self._number] = notice
        self._count(notice, 1)
        self._on_arrival()

    def _count(self, notice: Notice, change: int) -> None:
        unread = self._unread.setdefault(notice.pipe, Backlog())
        if isinstance(notice.shown, bytes):
            unread.notices += change
            unread.octets += change * (cost(notice.shown) - cost(b"\0") + cost(b""))  # as the prefix counts
        else:
            unread.messages += change
        if not (unread.messages or unread.notices):
            del self._unread[notice.pipe]

    def take(self) -> Received | None:
        if not self._to_show:
            return None
        number, notice = self._to_show.popitem(last=False)
        if self._unseen.get(notice.epoch) == number:
            del self._unseen[notice.epoch]
            self._repeated.pop(notice.epoch, None)
        self._was_read(notice)
        self._shown = notice.pipe if notice.pipe in self.pipes else None
        return notice.pipe, [notice.shown] if isinstance(notice.shown, bytes) else notice.shown

    def _was_read(self, notice: Notice) -> None:
        self._count(notice, -1)
        if notice.pipe in self._stopped and not self._is_behind(notice.pipe, 2):
            self._stopped.remove(notice.pipe)
            self.later(partial(self._go_on_reading, notice.pipe))

    def take_many(self, most: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < most and (received := self.take()) is not None:
            found.append(received[1])
        return found

    def give_back(self, received: Received) -> None:
        pipe, message = received
        self._number += 1
        self._to_show[self._number] = notice = Notice(pipe, message)
        self._to_show.move_to_end(self._number, last=False)
        self._count(notice, 1)

    def can_receive(self) -> bool:
        return bool(self._to_show)

    def aside(self, pipe: Pipe) -> int:
        unread = self._unread.get(pipe)
        begun = sum(whose is pipe for whose, _ in self.rest)
        return begun + (0 if unread is None else unread.messages + unread.notices)

    # ------------------------------------------------------------------------------------------- reading from the peers

    def _is_behind(self, pipe: Pipe, part: int) -> bool:
        """Is as much of it unread as may be, or that part (2: half)?

        A peer whose subscriptions are all unread is stopped later than it is cut off for them, by a hair."""
        unread, hwm = self._unread.get(pipe), pipe.inbound.hwm
        if unread is None:
            return False
        return (hwm > 0 and unread.messages * part >= hwm) or unread.octets * part > self._options.maxsubscribed

    def _read_requests(self, pipe: Pipe) -> None:
        held_up = (self._stopped, self._long)
        while not any(pipe in each for each in held_up) and (item := pipe.inbound.take()) is not None:
            self._read_request(pipe, item)
            if self._is_behind(pipe, 1):
                self._stopped.add(pipe)

    # ---------------------------------------------------------------------------------------------------- xpub_manual

    def subscribe(self, prefix: bytes) -> None:
        self._decide(Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        self._decide(Cancel(prefix))

    def _decide(self, request: Subscribe | Cancel) -> None:
        if not self._options.xpub_manual:
            raise ZMQError(EINVAL, "an XPUB subscribes its peers itself, unless xpub_manual is 1")
        if self._shown is None or self._shown not in self.pipes:
            return
        if self._requests is self.subscriptions:
            self._part_requests()
        Pub._settle(self, request, self._shown)
        if isinstance(request, Subscribe):
            self.subscriptions.add(request.prefix, self._shown)
        else:
            self.subscriptions.remove(request.prefix, self._shown)
        self._on_space()


class XSub(Sub):
    """Receives all that its publishers send it, and sends to all of them: 0x01 and a prefix subscribes.

    What it sends waits in the queue of a publisher from `connect` on, connected or not (29-36). While there is no
    connection, the subscriptions in the queue are put together now and then, so that a program that changes them for
    days does not fill memory.
    """

    socket_type = SocketType.XSUB

    def _begin(self) -> None:
        super()._begin()
        self._waiting: dict[Pipe, int] = {}  # pipes without a connection, and what was told since they were tidied

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        self._wait(pipe)

    def connected(self, pipe: Pipe) -> None:
        self._waiting.pop(pipe, None)

    def disconnected(self, pipe: Pipe) -> None:
        self._wait(pipe)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        self._waiting.pop(pipe, None)

    def _wait(self, pipe: Pipe) -> None:
        self._ask_anew(pipe)
        self._waiting[pipe] = 0

    def _tell_all(self, request: Subscribe | Cancel) -> None:
        for pipe in self.pipes:
            pipe.outbound.put(request)
        for pipe in self._waiting:
            self._waiting[pipe] += 1
            if self._waiting[pipe] > 2 * len(self._counts) + MOST_WAITING:
                self._wait(pipe)

    def check_send(self) -> None:
        """An XSUB may always send."""

    def has_room_for(self, beginning: Message) -> bool:
        return True

    def try_send(self, message: Message) -> bool:
        """Always done. Subscriptions go to all publishers, other messages to those that have room (29-44, 29-45).

        Each subscription is passed on, not only the first to its prefix: an XPUB with xpub_verbose shows each."""
        request = read_subscription(message[0]) if len(message) == 1 else None
        if isinstance(request, Subscribe):
            self._count(request.prefix)
            self._tell_all(request)
        elif isinstance(request, Cancel):
            super().unsubscribe(request.prefix)
        else:
            send_to_all(self.pipes, message)
        return True

    def can_send(self) -> bool:
        return True

    def subscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()  # it sends them (29-47)

    def unsubscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()

    def _update_filter(self) -> None:
        """Nothing is filtered (29-42)."""
