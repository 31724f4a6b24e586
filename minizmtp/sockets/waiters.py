"""Waiters: the tasks that wait for a socket, and which of them is woken when.                   trio's ParkingLot

    recv   nothing there   ──►  polls for a moment, if messages come quickly (see `net.looking`); then
                                parks among the receivers    ◄── on_arrival wakes one
           one peer only   ──►  waits for its stream itself  ◄── (see `net.engine`)
    send   no room         ──►  parks among the senders      ◄── on_space wakes all
    poll                   ──►  waits for any change         ◄── both, and whatever else may change the answer

Waking a task does not hand it a message: the task asks the pattern again, and may find that another task was faster.
That is why a task that is cancelled while it waits loses nothing. It also sets the price of a mistake. A spurious
wake-up costs a moment; a lost one lets a task hang for ever. So the rule is: **whatever may change an answer wakes the
tasks that wait for it**, also where the new answer is an error.

The patterns call `on_arrival` and `on_space` for what peers and options do (see `patterns.pattern`). What one task does
may change the answer of another; `wake_next` sees to that.

Read next: `socket`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import TypeVar

import trio

from ..constants import NOBLOCK
from ..errors import Again
from ..net.looking import NEVER, SOON, Looker
from ..patterns import Pattern
from ..patterns.queue import Source

T = TypeVar("T")


class Waiters:
    """The tasks that wait for one socket. looker: polls for a moment before a receiver waits. pattern: set by the
    socket, because the pattern is given our callbacks."""

    __slots__ = ("_looker", "_receivers", "_senders", "_sources", "_watchers", "count", "pattern")
    pattern: Pattern

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self.count = 0  # of the tasks that wait in any way: a quick look, because usually there are none
        self._receivers = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self._sources: list[Source] = []  # where receivers wait that are not in the ParkingLot
        self._watchers: set[trio.Event] = set()  # of the tasks that poll

    # --------------------------------------------------------------------------------------------------------- waiting

    def park_receiver(self, attempt: Callable[[], T | None], flags: int, timeout: int) -> Awaitable[T]:
        """Call attempt whenever there may be a message, until it returns one or timeout milliseconds are over."""
        return self._park(attempt, self._receivers, flags, timeout, "no message has come")

    def park_sender(self, attempt: Callable[[], T | None], flags: int, timeout: int) -> Awaitable[T]:
        """Call attempt whenever there may be room, until it returns something or timeout milliseconds are over."""
        return self._park(attempt, self._senders, flags, timeout, "no peer can take a message")

    def _park(
        self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot, flags: int, timeout: int, reason: str
    ) -> Awaitable[T]:
        if timeout < 0 and not flags & NOBLOCK:
            return self._park_forever(attempt, lot)  # no coroutine in between, because each costs every recv that waits
        return self._park_until(attempt, lot, flags, timeout, reason)

    async def _park_until(
        self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot, flags: int, timeout: int, reason: str
    ) -> T:
        if flags & NOBLOCK or timeout == 0:
            await trio.lowlevel.checkpoint()  # because a loop of such calls must let the tasks run that could help
            if (answer := attempt()) is not None:
                return answer
            raise Again(f"{reason}, and this call was not to wait")
        with trio.move_on_after(timeout / 1000):
            return await self._park_forever(attempt, lot)
        raise Again(f"{reason} within {timeout} ms")

    async def _park_forever(self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot) -> T:
        began, looker = perf_counter(), self._looker
        # Not where another task waits already, because what comes next is for that one.
        may_look = began >= looker.looks_from and lot is self._receivers and not self.count
        if may_look and (answer := await looker.look(attempt)) is not None:
            return answer
        while True:
            source = self.pattern.only_source() if lot is self._receivers else None
            self.count += 1
            try:
                if source is None:
                    await lot.park()
                else:
                    self._sources.append(source)
                    await source.wait()
            finally:
                self.count -= 1
                if source is not None:
                    self._sources.remove(source)
            if (answer := attempt()) is not None:
                looker.looks_from = looker.rested_at if perf_counter() - began < SOON else NEVER
                return answer

    def watch(self, change: trio.Event) -> None:
        """Set change as soon as any answer of the socket may be another."""
        self.count += 1
        self._watchers.add(change)

    def unwatch(self, change: trio.Event) -> None:
        """Undo watch(change)."""
        self.count -= 1
        self._watchers.discard(change)

    # ---------------------------------------------------------------------------------------------------------- waking

    def on_arrival(self) -> None:
        """There is a message where there was none."""
        if not self.count:
            return
        for source in self._sources:
            source.call_away()
        if self._receivers:
            self._receivers.unpark()  # one, because one message is for one task; that task wakes the next (wake_next)
        for watcher in self._watchers:
            watcher.set()

    def on_space(self) -> None:
        """There is room where there was none."""
        if not self.count:
            return
        # All, because the room may be at a peer that only one of them sends to, and it is not known which.
        self._senders.unpark_all()
        for watcher in self._watchers:
            watcher.set()

    def wake_next(self) -> None:
        """This task has sent or received something, and other tasks wait."""
        if self.pattern.has_turns:
            # A REP that has answered may receive, and one that has received may answer, although nothing arrived and
            # no queue was emptied. Or it may not any more: then the waiting call raises EFSM, as a new call would.
            self.wake_all()
            return
        # One more receiver, because an arrival wakes only one, and only when the queue was empty before.
        if self._receivers and self.pattern.can_receive():
            self._receivers.unpark()
        for watcher in self._watchers:
            watcher.set()

    def wake_all(self) -> None:
        """Every answer may be another now; after close(), every answer is ENOTSOCK."""
        for source in self._sources:
            source.call_away()
        self._receivers.unpark_all()
        self._senders.unpark_all()
        for watcher in self._watchers:
            watcher.set()


def timeout_scope(milliseconds: float | None) -> AbstractContextManager[object]:
    """A block that is left when the time is over. None, or less than 0: no limit."""
    if milliseconds is None or milliseconds < 0:
        return nullcontext()
    return trio.move_on_after(milliseconds / 1000)


async def wait_for_change(*sockets: Waiters) -> None:
    """Wait until an answer of one of the sockets may be another."""
    change = trio.Event()
    for waiters in sockets:
        waiters.watch(change)
    try:
        await change.wait()
    finally:
        for waiters in sockets:
            waiters.unwatch(change)
