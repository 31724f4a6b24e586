r"""Subscribers: what the peers of a publisher ask for, read in short steps.                          RFC 29/PUBSUB

    a peer sends       SUBSCRIBE "eu"  or a frame 01 "eu"       CANCEL "eu"  or a frame 00 "eu"       it leaves
    the publisher      adds to `asked`, and to `given`          removes it                            removes all

A publisher reads what its peers send when it arrives, because the program of a PUB never receives (29-11, 29-12). Each
frame of a message may be a subscription (29-22). What is none is for the program of an XPUB, and a PUB drops it.

**No peer may hold up the others.** A message may have a million frames that are subscriptions, and a peer that leaves
may have had a million. So SLICE of them are handled at a time, and then other tasks have their turn.

**A peer that we connected to may be away for a while.** Its subscriptions stay, so that what it wants is queued (29-3).
On its next connection it sends all of them again. So its first request there begins a new list, and what is not on that
list is removed, because the peer may be another one.

**What a peer gets may differ from what it asked for.** With xpub_manual the program decides (L-37). As long as it does
not, `given` and `asked` are the same object.

    >>> from .queue import Queue
    >>> subscribers, peer = Subscribers(Options()), Pipe(Queue(), Queue())
    >>> peer.inbound.put_all([Subscribe(b"eu"), [b"\x01us"], Cancel(b"eu")])
    >>> subscribers.read(peer)
    >>> subscribers.given.matching(b"us snow") == (peer,), subscribers.given.matching(b"eu rain")
    (True, ())

Read next: `requests`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from ..errors import EINVAL, ProtocolError, ZMQError
from ..options import Options
from ..wire.events import Cancel, Message, Subscribe
from .ahead import as_list
from .notices import Notices
from .pipe import Pipe
from .subscriptions import Subscriptions, cost

# Requests are read, and those of peers that have gone are removed, this many at a time; then other tasks have their
# turn. It takes 50 µs, as long as another peer's round trip.
SLICE = 10


def read_subscription(frame: bytes) -> Subscribe | Cancel | None:
    r"""The subscription that a frame stands for, or None if it is an ordinary message.

    >>> read_subscription(b"\x01news"), read_subscription(b"\x00news"), read_subscription(b"news")
    (Subscribe(prefix=b'news'), Cancel(prefix=b'news'), None)
    """
    if frame[:1] == b"\x01":
        return Subscribe(frame[1:])
    return Cancel(frame[1:]) if frame[:1] == b"\x00" else None


class Subscribers:
    """The peers of one publisher.

    options: the socket's. notices: what the program of an XPUB reads. on_change: called when the answer to a send may
    have changed. later: has a function called when other tasks have had their turns.
    """

    kinds: tuple[type, ...] = (Subscribe, Cancel)  # of requests; others are ignored
    index: type[Subscriptions[Pipe]] = Subscriptions

    def __init__(
        self,
        options: Options,
        notices: Notices | None = None,
        on_change: Callable[[], None] = lambda: None,
        later: Callable[[Callable[[], None]], None] = lambda function: function(),
    ) -> None:
        self.given = self.asked = self.index()
        self._options = options
        self._notices = Notices(options, is_read=False) if notices is None else notices
        self._on_change = on_change
        self._later = later
        self._unconfirmed: set[Pipe] = set()  # their subscriptions were made on a connection that broke
        self._due: set[Pipe | None] = set()  # what a call of later will do: read on from a pipe, or tidy (None)
        # Messages that are being read: the frames that are left, and those that are not subscriptions.
        self._begun: dict[Pipe, tuple[deque[bytes], Message]] = {}

    def disconnected(self, pipe: Pipe) -> None:
        """The connection broke; the pipe waits for the next one."""
        self._unconfirmed.add(pipe)

    def detach(self, pipe: Pipe) -> None:
        """The peer has gone for good."""
        self._unconfirmed.discard(pipe)
        self._due.discard(pipe)
        self._begun.pop(pipe, None)
        pipe.inbound.close()  # what was not read yet ends with the peer, because its subscriptions do
        for index in {self.given, self.asked}:
            index.leave(pipe)
        self._tidy()

    def close(self) -> None:
        """The publisher is closed: nothing that is due is done any more."""
        self._due.clear()

    def _go_on(self, work: Pipe | None) -> None:
        """Read on from a pipe, or tidy, when other tasks have had their turn."""
        if work not in self._due:
            self._due.add(work)
            self._later(partial(self._work, work))

    def _work(self, work: Pipe | None) -> None:
        if work not in self._due:
            return  # the peer has gone
        self._due.remove(work)
        try:
            self._tidy() if work is None else self.read(work)
        except ProtocolError as error:
            if work is not None and work.source is not None:
                work.source.end(str(error))

    def read(self, pipe: Pipe) -> None:
        """Read what has come: SLICE frames, and the rest later; but nothing while the program does not read."""
        notices = self._notices
        # If the pipe is due, what has come waits for its turn, because a flood must not get a turn with each message.
        for _ in () if pipe in self._due else range(SLICE):
            if notices.is_behind(pipe):
                return  # on_all_read goes on
            if pipe not in self._begun:
                item = pipe.inbound.take()
                if item is None:
                    return
                if isinstance(item, (Subscribe, Cancel)):
                    self._on_request(pipe, item)
                    continue
                self._begun[pipe] = deque(as_list(item) or ()), []
            frames, rest = self._begun[pipe]
            frame = frames.popleft()
            if not frames:
                del self._begun[pipe]
            if (request := read_subscription(frame)) is not None:
                self._on_request(pipe, request)
            else:
                rest.append(frame)
            if rest and not frames:
                notices.add(pipe, rest)
        self._go_on(pipe)

    def on_all_read(self, pipe: Pipe) -> None:
        """The program has read all that came from pipe."""
        if pipe in self._begun or len(pipe.inbound):
            self._go_on(pipe)

    def _on_request(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if type(request) not in self.kinds:
            return
        if pipe in self._unconfirmed:  # until now: this is the first request on its new connection
            self._unconfirmed.remove(pipe)
            for index in {self.given, self.asked}:
                index.renew(pipe)
            self._go_on(None)
        is_manual, asked, prefix, notices = self._is_manual(), self.asked, request.prefix, self._notices
        if isinstance(request, Subscribe):
            is_new = prefix not in asked.of(pipe).prefixes
            if is_new:  # because to repeat one takes no memory
                self._check_limit(pipe, prefix)
            is_first = asked.add(prefix, pipe)
            notices.add_subscription(pipe, prefix, is_new, is_first)
        else:
            asked.remove(prefix, pipe)
            # Shown also where no peer had it, as by libzmq.
            notices.add_cancellation(pipe, prefix, is_last=prefix not in asked)
        if asked is not self.given and not is_manual:
            self._give(pipe, request)
        self._on_change()

    def _give(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        change = self.given.add if isinstance(request, Subscribe) else self.given.remove
        change(request.prefix, pipe)

    def _check_limit(self, pipe: Pipe, prefix: bytes) -> None:
        """Raise ProtocolError if the peer wants too much. (A peer in this process has no limit, because it is part of
        this program.)"""
        limit, held, source = self._options.maxsubscribed, self.asked.of(pipe), pipe.source
        if held.memory + cost(len(prefix)) > limit and source is not None and not source.in_process:
            raise ProtocolError(
                f"{len(held.prefixes):,} subscriptions, and one more of {len(prefix):,} octets; "
                f"the limit is {limit} octets of memory for all of a peer (maxsubscribed)"
            )

    def _tidy(self) -> None:
        """Remove a slice of what has ended, and show it as if the peer had sent cancellations (29-25)."""
        for pipe, prefix, is_last in self.asked.tidy(SLICE):
            self._notices.add_cancellation(pipe, prefix, is_last)
        if self.asked is not self.given:
            self.given.tidy(SLICE)
        if self.given.untidy or self.asked.untidy:
            self._go_on(None)

    def _is_manual(self) -> bool:
        """Does the program decide? From then on a peer may get something else than it asked for."""
        if not (self._notices.is_read and self._options._values.get("xpub_manual")):
            return False
        # The second index is made only now, because it takes as much memory as the first.
        if self.asked is self.given:
            self.asked = self.given.copy()
        return True

    def decide(self, pipe: Pipe | None, request: Subscribe | Cancel) -> None:
        """Give this to a peer or take it away, because the program says so; None: a peer that has gone."""
        if not self._is_manual():
            raise ZMQError(EINVAL, "an XPUB subscribes its peers itself, unless xpub_manual is 1")
        if pipe is not None:
            self._give(pipe, request)
            self._on_change()
