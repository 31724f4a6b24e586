"""Monitors: events about a socket's connections, reported as they happen.                     libzmq's events, §4.3

    async with sock.monitor() as events:
        async for event in events:
            print(event.event.name, event.endpoint, event.reason)

    a connect       CONNECT_DELAYED  CONNECTED  HANDSHAKE_SUCCEEDED  DISCONNECTED  CONNECT_RETRIED  CONNECT_DELAYED …
    a bind          LISTENING  ACCEPTED  HANDSHAKE_SUCCEEDED  DISCONNECTED

The events have libzmq's names and numbers. `reason`, a text that says why the event happened, is not in libzmq.

A monitor watches from the call of `monitor()` until one of these comes first:

* the end of its `async with` block;
* its socket is closed: unread events are still returned, then the iteration ends;
* its last reference is deleted, as after `async for event in sock.monitor(): break`. The socket holds its monitors only
  weakly, so CPython frees such a monitor at once, and no `__del__` is needed.

Read next: `links`, or `socket` at once.
"""

from collections import deque
from typing import NamedTuple, Self
from weakref import WeakSet

import trio

from ..constants import Event

# How many unread events one monitor keeps. If there are more, the oldest are dropped and counted.
MOST_KEPT = 1000
# Up to this number of unread events, a reader gets one event per turn of the scheduler, to be fair to other tasks.
UNHURRIED = 100


class MonitorEvent(NamedTuple):
    """event: what happened. endpoint: the endpoint as bound or connected. value: libzmq's number for the event (a file
    descriptor, an errno, milliseconds, a Violation). reason: why it happened, or "". dropped: how many events before
    this one were dropped because the monitor was not read."""

    event: Event
    endpoint: str
    value: int
    reason: str
    dropped: int = 0


class Monitor:
    """An async iterator of MonitorEvent, and a context manager. Use `Socket.monitor` to make one.

    Only one task may wait for its next event; a second one gets trio.BusyResourceError.
    """

    def __init__(self, watching: "WeakSet[Monitor] | None" = None) -> None:
        self._events: deque[MonitorEvent] = deque()
        self._dropped = 0  # events dropped since the last one was read
        self._hurried = 0  # how many more events are returned before other tasks run
        self._waiting = trio.lowlevel.ParkingLot()  # for the task that waits for the next event
        self._ended = False
        self._watching = WeakSet() if watching is None else watching
        self._watching.add(self)

    def tell(self, event: MonitorEvent) -> None:
        """Add an event."""
        if len(self._events) == MOST_KEPT:
            self._events.popleft()  # the oldest, because the newest say how the connection stands now
            self._dropped += 1
        self._events.append(event)
        self._waiting.unpark_all()

    def end(self) -> None:
        """No more events will follow: the iteration ends after the unread ones."""
        self._ended = True
        self._watching.discard(self)
        self._waiting.unpark_all()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._events.clear()  # because the program that leaves the block wants no more of them
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MonitorEvent:
        # One event per turn of the scheduler isn't always enough, because a listener may accept many peers in one turn,
        # and each causes several events. So the reader takes the surplus without a pause. It is counted once, at the
        # start of a turn, because the body of the loop may itself cause events, and other tasks should run in between.
        if self._hurried:
            self._hurried -= 1
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
            self._hurried = max(0, len(self._events) - UNHURRIED)
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            if self._waiting:  # two tasks would share the events at random
                raise trio.BusyResourceError(
                    "another task is waiting for the next event of this monitor: call sock.monitor() once for each task"
                )
            await self._waiting.park()
        event = self._events.popleft()
        if self._dropped:
            event = event._replace(dropped=self._dropped)
            self._dropped = 0
        return event
