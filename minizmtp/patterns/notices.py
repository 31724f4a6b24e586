r"""Notices: what an XPUB's program has not read yet.                                                 RFC 29/PUBSUB

    a SUB says             SUBSCRIBE "eu"      CANCEL "eu"      CANCEL "us"
    an XPUB's recv gives   01 "eu"             00 "eu"          00 "us"

An XPUB shows its program the subscriptions of its peers, as messages of one frame, and whatever else its peers send. A
prefix is shown when the first peer asks for it and when the last one cancels it (29-24). With `xpub_verbose` every
subscription is shown; with `xpub_verboser` every cancellation too (L-36); with `xpub_manual` both are, because the
program decides about each (L-37).

**What the program does not read is bounded**, because any peer can cause as many notices as it likes.

- While a peer is connected, `is_behind` tells when too much of it is unread. The XPUB then stops reading that peer.
- Peers may also come, subscribe, go, and come again. So when more than MAX_UNREAD notices wait, a subscription that
  began and ended unread is left out: the program sees neither its notice nor the notice of its end.

The time between the two is called an *epoch* here. Its key is the prefix, or the peer and the prefix where every
subscription is shown.

    >>> from .queue import Queue
    >>> notices, peer = Notices(Options()), Pipe(Queue(), Queue())
    >>> notices.add_subscription(peer, b"eu", is_new=True, is_first=True)
    >>> notices.add_cancellation(peer, b"eu", is_last=True)
    >>> notices.unread(peer), notices.take()[1], notices.take()[1], notices.take()
    (2, [b'\x01eu'], [b'\x00eu'], None)

Read next: `subscribers`.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count

from ..options import Options
from ..wire.events import Message
from .pipe import Pipe
from .subscriptions import cost

# With more notices than this unread, the program is assumed not to be reading at the moment.
MAX_UNREAD = 1000


@dataclass(slots=True)
class Backlog:
    """What the program has not read of one peer."""

    messages: int = 0  # that the peer sent upstream
    notices: int = 0
    memory: int = 0  # bytes that the notices take, by the same rule as subscriptions


class Notices:
    """A queue of messages for the program of an XPUB.

    options: the socket's, which tell what is shown. is_read: a program reads them; for a PUB, which has none that does,
    nothing is queued. on_arrival: called when there is something new to read. on_all_read: called with a pipe of which
    nothing is left, because more of that peer may be read now.
    """

    def __init__(
        self,
        options: Options,
        is_read: bool = True,
        on_arrival: Callable[[], None] = lambda: None,
        on_all_read: Callable[[Pipe], None] = lambda pipe: None,
    ) -> None:
        self._options = options
        self.is_read = is_read
        self._on_arrival = on_arrival
        self._on_all_read = on_all_read
        # By number, oldest first: a notice as its one frame, or a message as a list; and its peer. There is no object
        # for each, because the garbage collector would visit a hundred thousand of them for 5 ms.
        self._queue: OrderedDict[int, bytes | Message] = OrderedDict()
        self._senders: dict[int, Pipe] = {}
        self._numbers = count(1)
        self._backlogs: dict[Pipe, Backlog] = {}
        self._opening: dict[Hashable, int] = {}  # the first notice of each epoch of which nothing has been read
        # The notices of each peer and prefix that may be left out, in the modes that show more than the first.
        self._caused: dict[tuple[Pipe, bytes], list[int]] = {}

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def _shows_each(self) -> bool:
        """Is the end of every single subscription shown, and not only of the last one to a prefix?"""
        given = self._options._values
        return bool(given.get("xpub_manual") or given.get("xpub_verboser"))

    def add_subscription(self, pipe: Pipe, prefix: bytes, is_new: bool, is_first: bool) -> None:
        """The peer asks for prefix. is_new: it did not have it before. is_first: nor did any other peer."""
        each, verbose = self._shows_each, self._options._values.get("xpub_verbose")
        if not self.is_read or not (each or verbose or is_first):
            return
        number = self.add(pipe, b"\x01" + prefix)
        if is_new if each else is_first:
            self._opening[(pipe, prefix) if each else prefix] = number
        if each or verbose:  # because then one epoch may have any number of notices
            self._caused.setdefault((pipe, prefix), []).append(number)

    def add_cancellation(self, pipe: Pipe, prefix: bytes, is_last: bool) -> None:
        """The peer wants prefix no more, or has gone. is_last: no other peer wants it."""
        if not self.is_read:
            return
        each, is_unread = self._shows_each, len(self._queue) > MAX_UNREAD
        epoch = (pipe, prefix) if each else prefix
        caused = self._caused.pop((pipe, prefix), []) if self._caused else []
        goes_on = not each and not is_last  # the epoch does, as long as other peers want the prefix
        if goes_on and not is_unread:
            if caused:
                self._opening.pop(epoch, None)  # because a notice of it stays, its end is to be shown as well
            return
        opening = None if goes_on else self._opening.pop(epoch, None)
        # If the program has read the beginning of the epoch, there is no opening here: then it has to see the end.
        if goes_on or (is_unread and opening is not None):
            for number in caused if opening is None else (opening, *caused):
                if number in self._queue:
                    self._has_left(number, self._queue.pop(number))
        else:
            self.add(pipe, b"\x00" + prefix)

    def add(self, pipe: Pipe, shown: bytes | Message) -> int:
        """Queue a notice, or a message of a peer; its number."""
        number = next(self._numbers)
        if self.is_read:
            self._queue[number], self._senders[number] = shown, pipe
            self._count(pipe, shown, 1)
            self._on_arrival()
        return number

    def _count(self, pipe: Pipe, shown: bytes | Message, change: int) -> Backlog:
        """Count what has come, or gone."""
        backlog = self._backlogs.setdefault(pipe, Backlog())
        if isinstance(shown, bytes):
            backlog.notices += change
            backlog.memory += change * cost(len(shown) - 1)
        else:
            backlog.messages += change
        return backlog

    def take(self) -> tuple[Pipe, Message] | None:
        """The oldest, and the peer that it is of; None if the program has read all."""
        if not self._queue:
            return None
        number, shown = self._queue.popitem(last=False)
        pipe = self._senders[number]
        if isinstance(shown, bytes):  # what the program has read cannot be left out any more
            self._opening.pop(shown[1:], None)
            self._opening.pop((pipe, shown[1:]), None)
            self._caused.pop((pipe, shown[1:]), None)
        self._has_left(number, shown)
        return pipe, [shown] if isinstance(shown, bytes) else shown

    def _has_left(self, number: int, shown: bytes | Message) -> None:
        pipe = self._senders.pop(number)
        backlog = self._count(pipe, shown, -1)
        if not (backlog.messages or backlog.notices):
            del self._backlogs[pipe]
            self._on_all_read(pipe)

    def put_back(self, pipe: Pipe, message: Message) -> None:
        """Undo the last take. (From now on it counts as a message, not as a notice.)"""
        self._queue.move_to_end(self.add(pipe, message), last=False)

    def unread(self, pipe: Pipe) -> int:
        """How many there are of one peer."""
        backlog = self._backlogs.get(pipe)
        return 0 if backlog is None else backlog.messages + backlog.notices

    def is_behind(self, pipe: Pipe) -> bool:
        """Are as many messages of the peer unread as `rcvhwm` allows, or more memory's worth of notices than
        `maxsubscribed` does?

        A peer that subscribes while nothing is read reaches the limit of its subscriptions, which ends its connection,
        just before it is stopped here.
        """
        backlog, hwm = self._backlogs.get(pipe), pipe.inbound.hwm
        return backlog is not None and (backlog.messages >= hwm > 0 or backlog.memory > self._options.maxsubscribed)
