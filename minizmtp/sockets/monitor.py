"""Monitors: what happens to a socket's connections, told as it happens.                       libzmq's events, §4.3

    async with sock.monitor() as events:
        async for event in events:
            print(event.event.name, event.endpoint, event.reason)

    a connect       CONNECT_DELAYED  CONNECTED  HANDSHAKE_SUCCEEDED  DISCONNECTED  CONNECT_RETRIED  CONNECT_DELAYED …
    a bind          LISTENING  ACCEPTED  HANDSHAKE_SUCCEEDED  DISCONNECTED

Events are libzmq's, by its names and numbers. libzmq has no field for `reason`: why it happened, as a sentence.

A monitor watches from the call of `monitor()` until one of these comes first:

* the end of its `async with` block;
* the end of its socket: the events that wait are still given, then the iteration ends;
* the loss of its last reference, as after `async for event in sock.monitor(): break`. The socket holds its monitors
  only weakly, so CPython frees such a monitor at once, and no `__del__` is needed.

Read next: `links`, or `socket` at once.
"""

from collections import deque
from types import TracebackType
from typing import NamedTuple, Self
from weakref import WeakSet

import trio

from ..constants import Event

# How many events may wait in one monitor. When there are more, the oldest are dropped, and counted.
MOST_KEPT = 1000
# While no more than these wait, a reader gets one event for each turn of the scheduler, as is fair to all other tasks.
UNHURRIED = 100


class MonitorEvent(NamedTuple):
    """event: what. endpoint: where, as bound or connected. value: libzmq's number that goes with it (a file descriptor,
    an errno, milliseconds, a Violation). reason: why, or "". dropped: how many events before this one were dropped
    because the monitor was not read."""

    event: Event
    endpoint: str
    value: int
    reason: str
    dropped: int = 0


class Monitor:
    """An async iterator of MonitorEvent, and a context manager. Made by `Socket.monitor`.

    One task may read it at a time: a second one that waits gets trio.BusyResourceError.
    """

    def __init__(self, watching: "WeakSet[Monitor] | None" = None) -> None:
        self._events: deque[MonitorEvent] = deque()
        self._dropped = 0  # events that were older than the oldest one here
        self._hurried = 0  # how many events are to be taken before other tasks get their next turn
        self._arrival: trio.Event | None = None  # of the task that waits
        self._ended = False
        self._watching = WeakSet() if watching is None else watching
        self._watching.add(self)

    def tell(self, event: MonitorEvent) -> None:
        """Something has happened."""
        if len(self._events) == MOST_KEPT:
            self._events.popleft()
            self._dropped += 1
        self._events.append(event)
        self._wake()

    def end(self) -> None:
        """Nothing more will happen: the iteration ends after the events that wait."""
        self._ended = True
        self._watching.discard(self)
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None:
            self._arrival.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._events.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MonitorEvent:
        # One event for each turn of the scheduler is not always enough: in one turn a listener lets in many peers, each
        # of which causes several events. So a reader takes those that are too many without a pause. They are counted
        # when its turn begins, because the body of a loop may itself cause events, and others are to run in between.
        if self._hurried:
            self._hurried -= 1
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
            self._hurried = max(0, len(self._events) - UNHURRIED)
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            await self._wait()
        event = self._events.popleft()
        if self._dropped:
            event = event._replace(dropped=self._dropped)
            self._dropped = 0
        return event

    async def _wait(self) -> None:
        if self._arrival is not None:
            raise trio.BusyResourceError(
                "another task is waiting for the next event of this monitor: give each task its own, by sock.monitor()"
            )
        self._arrival = trio.Event()
        try:
            await self._arrival.wait()
        finally:
            self._arrival = None
