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

Read next: `pubsub`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from ..errors import EINVAL, ProtocolError, ZMQError
from ..options import Options
from ..wire.events import Cancel, Message, Subscribe
from .notices import Notices
from .queue import Pipe
from .routing import as_list
from .subscriptions import Subscriptions, cost

# Requests are read, and those of peers that have gone are removed, this many at a time; then other tasks have their
# turn. It takes about a millisecond.
SLICE = 200


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

    options: the socket's. notices: what the program of an XPUB reads; a PUB has none. on_change: called when the answer
    to a send may have changed. later: has a function called when other tasks have had their turns.
    """

    def __init__(
        self,
        options: Options,
        notices: Notices | None = None,
        on_change: Callable[[], None] = lambda: None,
        later: Callable[[Callable[[], None]], None] = lambda function: function(),
    ) -> None:
        self.given: Subscriptions[Pipe] = Subscriptions()
        self.asked = self.given
        self._options = options
        self._notices = notices
        self._on_change = on_change
        self._later = later
        self._unconfirmed: set[Pipe] = set()  # their subscriptions were made on a connection that broke
        self._due: set[Pipe] = set()  # to be read on later
        self._behind: set[Pipe] = set()  # not read, because the program has not read much of what they sent
        # Messages that are being read: the frames that are left, and those that are not subscriptions.
        self._begun: dict[Pipe, tuple[deque[bytes], Message]] = {}
        self._tidies = False  # the next slice of what has ended is due

    def disconnected(self, pipe: Pipe) -> None:
        """The connection broke; the pipe waits for the next one."""
        self._unconfirmed.add(pipe)

    def detach(self, pipe: Pipe) -> None:
        """The peer has gone for good."""
        for pipes in (self._unconfirmed, self._due, self._behind):
            pipes.discard(pipe)
        self._begun.pop(pipe, None)
        for index in {self.given, self.asked}:
            index.leave(pipe)
        self._tidy()

    # --------------------------------------------------------------------------------------------------------- reading

    def read(self, pipe: Pipe) -> None:
        """Read what has come; after SLICE frames, go on later."""
        if pipe in self._due or pipe in self._behind:
            return
        for _ in range(SLICE):
            if pipe in self._begun:
                self._read_frame(pipe)
            elif (item := pipe.inbound.take()) is None:
                return
            elif isinstance(item, (Subscribe, Cancel)):
                self._on_request(pipe, item)
            elif (message := as_list(item)) is not None:
                self._begun[pipe] = deque(message), []
                self._read_frame(pipe)
            if self._notices is not None and self._notices.is_behind(pipe):
                self._behind.add(pipe)
                return
        self._read_later(pipe)

    def _read_frame(self, pipe: Pipe) -> None:
        frames, rest = self._begun[pipe]
        frame = frames.popleft()
        if not frames:
            del self._begun[pipe]
        if (request := read_subscription(frame)) is not None:
            self._on_request(pipe, request)
        else:
            rest.append(frame)
        if rest and not frames and self._notices is not None:
            self._notices.add_message(pipe, rest)

    def _read_later(self, pipe: Pipe) -> None:
        self._due.add(pipe)
        self._later(partial(self._read_on, pipe))

    def _read_on(self, pipe: Pipe) -> None:
        if pipe not in self._due:
            return  # it has gone
        self._due.remove(pipe)
        try:
            self.read(pipe)
        except ProtocolError as error:
            if pipe.source is not None:
                pipe.source.end(str(error))

    def resume(self, pipe: Pipe) -> None:
        """Read on, when the program has read half of what made us stop."""
        if pipe in self._behind and self._notices is not None and not self._notices.is_behind(pipe, divisor=2):
            self._behind.remove(pipe)
            self._read_later(pipe)

    def _on_request(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if pipe in self._unconfirmed:
            self._unconfirmed.remove(pipe)
            for index in {self.given, self.asked}:
                index.renew(pipe)
            self._tidy_later()
        is_manual, asked, prefix, notices = self._is_manual(), self.asked, request.prefix, self._notices
        if isinstance(request, Subscribe):
            is_new = prefix not in asked.held_by(pipe)
            if is_new:
                self._check_limit(pipe, prefix)
            is_first = asked.add(prefix, pipe)
            if notices is not None:
                notices.add_subscription(pipe, prefix, is_new, is_first)
        else:
            asked.remove(prefix, pipe)
            if notices is not None:
                notices.add_cancellation(pipe, prefix, is_last=prefix not in asked)
        if asked is not self.given and not is_manual:
            self._give(pipe, request)
        self._on_change()

    def _give(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if isinstance(request, Subscribe):
            self.given.add(request.prefix, pipe)
        else:
            self.given.remove(request.prefix, pipe)

    def _check_limit(self, pipe: Pipe, prefix: bytes) -> None:
        """Raise ProtocolError if the peer wants too much. (A peer in this process has no limit, because it is part of
        this program.)"""
        limit = self._options.maxsubscribed
        if self.asked.memory_of(pipe) + cost(len(prefix)) <= limit or pipe.source is None or pipe.source.in_process:
            return
        raise ProtocolError(
            f"{len(self.asked.held_by(pipe)):,} subscriptions, and one more of {len(prefix):,} octets; "
            f"the limit is {limit} octets of memory for all of a peer (maxsubscribed)"
        )

    # ------------------------------------------------------------------------------------------ removing what has ended

    def _tidy(self) -> None:
        """Remove a slice of what has ended, and show it as if the peer had sent cancellations (29-25)."""
        for pipe, prefix, is_last in self.asked.tidy(SLICE):
            if self._notices is not None:
                self._notices.add_cancellation(pipe, prefix, is_last)
        if self.asked is not self.given:
            self.given.tidy(SLICE)
        self._tidy_later()

    def _tidy_later(self) -> None:
        if not self._tidies and (self.given.untidy or self.asked.untidy):
            self._tidies = True
            self._later(self._tidy_again)

    def _tidy_again(self) -> None:
        self._tidies = False
        self._tidy()

    # ------------------------------------------------------------------------------------------------------ xpub_manual

    def _is_manual(self) -> bool:
        """Does the program decide? From then on a peer may get something else than it asked for."""
        if self._notices is None or not self._options._values.get("xpub_manual"):
            return False
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
