"""Waiting: how a task waits for a socket, and who is woken when.                                 trio's ParkingLot

    recv   nothing there   ──►  parks among the receivers   ◄── on_arrival wakes one
           … one peer only ──►  waits for its stream itself ◄── (see `engine`, "whoever waits reads")
    send   no room         ──►  parks among the senders     ◄── on_space wakes all
    poll                   ──►  waits for any change        ◄── both, and whatever else may make a difference

A task that is woken is handed nothing: it asks its pattern again, and may find that another task was quicker. So one
call too many costs a moment, and a task that is cancelled while it waits loses nothing. One call too few would let a
task sleep for ever. The rule is therefore: **whatever may change an answer wakes those who wait for it**, also where
the new answer is an error. The patterns call for what peers and options do (see `patterns.pattern`); what one task does
and another waits for is seen to here, in `_pass_on`.

Below this module: `linked`, `patterns`. Above it: `sockets`.
Read next: `socket`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import trio

from ..constants import NOBLOCK, POLLIN, POLLOUT, SocketType
from ..errors import Again
from ..patterns import PATTERNS
from ..patterns.pipe import Source
from .linked import Home, Linked

T = TypeVar("T")


class Waiting(Linked):
    """A socket as those see it who wait for it."""

    __slots__ = ("_receivers", "_rest", "_senders", "_sources", "_waiting", "_watchers")

    def __init__(self, home: Home, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__(home, socket_type, options)
        self.pattern = PATTERNS[socket_type](self._on_arrival, self._on_space, self)
        self.pattern.later = lambda function: home.reactor.want_soon(lambda may: function())
        self._receivers = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self._sources: list[Source] = []  # where one of the receivers waits, if not in the ParkingLot
        self._watchers: set[trio.Event] = set()  # of those who poll
        self._waiting: list[object] = []  # one for each who waits in any way
        self._rest = self.pattern.rest

    async def _breathe(self) -> None:
        """A point of cancellation, and a chance for the other tasks."""
        self._check_open()
        await trio.lowlevel.checkpoint()

    def _wait(
        self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot, flags: int, timeout: int, words: str
    ) -> Awaitable[T]:
        """Ask again whenever asking makes sense, until there is an answer or no time is left."""
        if timeout < 0 and not flags & NOBLOCK:
            return self._wait_for_ever(attempt, lot)
        return self._wait_a_while(attempt, lot, flags, timeout, words)

    async def _wait_a_while(
        self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot, flags: int, timeout: int, words: str
    ) -> T:
        if flags & NOBLOCK or timeout == 0:
            await trio.lowlevel.checkpoint()  # those who could help get a chance
            self._check_open()
            if (answer := attempt()) is not None:
                return answer
            raise Again(f"{words}, and this call was not to wait")
        with trio.move_on_after(timeout / 1000):
            return await self._wait_for_ever(attempt, lot)
        raise Again(f"{words} within {timeout} ms")

    async def _wait_for_ever(self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot) -> T:
        while True:
            source = self.pattern.only_source() if lot is self._receivers else None
            self._waiting.append(lot)
            try:
                if source is None:
                    await lot.park()
                else:
                    self._sources.append(source)
                    await source.wait()
            finally:
                self._waiting.remove(lot)
                if source is not None:
                    self._sources.remove(source)
            if (answer := attempt()) is not None:
                return answer

    def _let_go(self) -> None:
        self._rest.clear()
        self._wake_all()

    def _wake_all(self) -> None:
        for source in self._sources:
            source.call_away()
        self._receivers.unpark_all()
        self._senders.unpark_all()
        for watcher in self._watchers:
            watcher.set()

    def _pass_on(self) -> None:
        """This task has sent or received something, and other tasks wait.

        One more receiver is woken if there is something left for it, because an arrival wakes only one, and only when
        the queue was empty before. And those who poll ask again.

        Where there are turns, all ask again: a REP that has answered may receive, and one that has received may answer,
        though nothing came and no queue was emptied. Or it may not any more, and then the call that waits raises EFSM,
        as it would if it were made now."""
        if self.pattern.has_turns:
            self._wake_all()
            return
        if self._receivers and self.pattern.can_receive():
            self._receivers.unpark()
        for watcher in self._watchers:
            watcher.set()

    def _on_arrival(self) -> None:
        if not self._waiting:
            return
        for source in self._sources:
            source.call_away()
        if self._receivers:
            self._receivers.unpark()
        for watcher in self._watchers:
            watcher.set()

    def _on_space(self) -> None:
        if not self._waiting:
            return
        self._senders.unpark_all()  # room for one message may be for any of them: they ask again, and see
        for watcher in self._watchers:
            watcher.set()

    async def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait until the socket can do what flags ask for, POLLIN or POLLOUT or both; what it can do, 0 if nothing
        within timeout milliseconds (None or negative: wait for ever)."""
        self._check_open()  # before the checkpoint: in a child of a fork not even that may run
        with timeout_scope(timeout):
            await trio.lowlevel.checkpoint()
            while not (mask := self.events & flags):
                await wait_for_change(self)
            return mask
        return self.events & flags

    def watch(self, change: trio.Event) -> None:
        """Set change when the socket may be able to do what it was not."""
        self._waiting.append(change)
        self._watchers.add(change)

    def unwatch(self, change: trio.Event) -> None:
        """Do so no more."""
        self._waiting.remove(change)
        self._watchers.discard(change)

    @property
    def events(self) -> int:
        """What the socket can do now, without waiting: POLLIN, POLLOUT, both or 0."""
        self._check_open()
        return (POLLIN if self.readable else 0) | (POLLOUT if self.pattern.can_send() else 0)

    @property
    def readable(self) -> bool:
        """Is there a message, or what recv() has left of one?"""
        return bool(self._rest) or self.pattern.can_receive()


def timeout_scope(milliseconds: float | None) -> AbstractContextManager[object]:
    """A block that is left when its time is over; None or less than 0 gives it all the time there is."""
    if milliseconds is None or milliseconds < 0:
        return nullcontext()
    return trio.move_on_after(milliseconds / 1000)


async def wait_for_change(*sockets: Waiting) -> None:
    """Until one of sockets may be able to do what it was not. To ask again is cheap; to miss it would be for ever."""
    change = trio.Event()
    for socket in sockets:
        socket.watch(change)
    try:
        await change.wait()
    finally:
        for socket in sockets:
            socket.unwatch(change)
