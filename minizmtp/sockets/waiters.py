"""Waiters: the tasks that wait for a socket, and which of them is woken when.                   trio's ParkingLot

    recv   nothing there   ──►  polls for a moment, if messages come quickly (see `net.looking`); then
                                parks among the receivers    ◄── on_arrival wakes one
    send   no room         ──►  parks among the senders      ◄── on_space wakes all
    poll                   ──►  waits for any change         ◄── both, and whatever else may change the answer

Waking a task does not hand it a message: the task asks the pattern again, and may find that another task was faster.
That is why a task that is cancelled while it waits loses nothing: it holds no message, and after a try that succeeded
there is no further await. A wake-up is not lost either, because trio cancels only a task that is still parked; one that
was woken tries first. A lost one would let a task hang for ever, so **whatever may change the result of a try wakes the
tasks that wait**, an error included. The pattern does so for peers and options, and `wake_next` for other tasks.

Try it: in `Waiters.on_arrival`, write `unpark_all()` for `unpark()`. One message wakes every receiver, and one gets it.
Read next: `changes`, or `sender`.
"""

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import trio

from ..constants import NOBLOCK
from ..errors import Again
from ..net.looking import NEVER, SOON, Looker
from ..patterns import Pattern

T = TypeVar("T")


class Waiters:
    """The tasks that wait for one socket. pattern: set by the socket, because the pattern is given our callbacks."""

    __slots__ = ("_looker", "count", "pattern", "receivers", "senders", "watchers")
    pattern: Pattern

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self.count = 0  # of the tasks that wait in any way: a quick look, because usually there are none
        self.receivers = trio.lowlevel.ParkingLot()
        self.senders = trio.lowlevel.ParkingLot()
        self.watchers: set[trio.Event] = set()  # of the tasks that poll

    async def park(
        self, attempt: Callable[[], T | None], flags: int, timeout: int, lot: trio.lowlevel.ParkingLot | None = None
    ) -> T:
        """Wait among the receivers, or in lot, and call attempt after each wake-up until it does not return None.
        Raises Again when timeout milliseconds are over (−1: no limit), or at once with NOBLOCK."""
        receives = lot is None
        if lot is None:
            lot = self.receivers
        if flags & NOBLOCK or timeout >= 0:
            reason = "no message available" if receives else "no connected peer has room"
            if flags & NOBLOCK or not timeout:
                await trio.lowlevel.checkpoint()  # because a loop of such calls must let the tasks run that could help
                if (answer := attempt()) is not None:
                    return answer
                raise Again(f"{reason}, and this call does not wait")
            with trio.move_on_after(timeout / 1000):
                return await self.park(attempt, 0, -1, None if receives else lot)
            raise Again(f"{reason} within {timeout} ms")
        began, looker = perf_counter(), self._looker
        # Not where another task waits already, because what comes next is for that one.
        may_look = began >= looker.looks_from and receives and not self.count
        if may_look and (answer := await looker.look(attempt)) is not None:
            return answer
        while True:
            self.count += 1
            try:
                await lot.park()
            finally:
                self.count -= 1
            if (answer := attempt()) is not None:
                looker.looks_from = looker.rested_at if perf_counter() - began < SOON else NEVER
                return answer

    def on_arrival(self) -> None:
        """There is a message where there was none."""
        if self.count:
            self.receivers.unpark()  # one, because one message is for one task; that task wakes the next (wake_next)
            for watcher in self.watchers:
                watcher.set()

    def on_space(self) -> None:
        """There is room where there was none."""
        if self.count:
            # All, because the room may be at a peer that only one of them sends to, and it is not known which.
            self.senders.unpark_all()
            for watcher in self.watchers:
                watcher.set()

    def wake_next(self) -> None:
        """A task has sent or received something, so the other tasks that wait have to ask again."""
        if self.count and self.pattern.is_lockstep:
            # A REP that has answered may receive, and one that has received may answer, although nothing arrived and
            # no queue was emptied. Or it may not any more: then the waiting call raises EFSM, as a new call would.
            self.wake_all()
        elif self.count:
            # One more receiver, because an arrival wakes only one, and only when the queue was empty before.
            if self.receivers and self.pattern.can_receive():
                self.receivers.unpark()
            for watcher in self.watchers:
                watcher.set()

    def wake_all(self) -> None:
        """Every answer may be another now; after close(), every answer is ENOTSOCK."""
        self.receivers.unpark_all()
        self.on_arrival()
        self.on_space()
