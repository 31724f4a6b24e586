"""Monitors: what happens to a socket's connections, told as it happens.                       libzmq's events, §4.3

    async for event in sock.monitor():
        print(event.event.name, event.endpoint, event.reason)

    a connect       CONNECT_DELAYED  CONNECTED  HANDSHAKE_SUCCEEDED  DISCONNECTED  CONNECT_RETRIED  CONNECT_DELAYED …
    a bind          LISTENING  ACCEPTED  HANDSHAKE_SUCCEEDED  DISCONNECTED

Events are libzmq's, by its names and numbers. What libzmq has no place for is `reason`: why, in words.

Read next: `linked`, or `sockets` at once.
"""

from collections import deque
from typing import NamedTuple, Self

import trio

from .constants import Event

# A monitor that is not read forgets the oldest of more events than this.
MOST_KEPT = 10000


class MonitorEvent(NamedTuple):
    """event: what. endpoint: where, as bound or connected. value: libzmq's number that goes with it (a file descriptor,
    an errno, milliseconds, a Violation). reason: why, or ""."""

    event: Event
    endpoint: str
    value: int
    reason: str


class Monitor:
    """An async iterator of MonitorEvent. It watches from the moment it is made, and ends when its socket is closed."""

    def __init__(self) -> None:
        self._events: deque[MonitorEvent] = deque(maxlen=MOST_KEPT)
        self._arrival = trio.Event()

    def tell(self, event: MonitorEvent) -> None:
        self._events.append(event)
        self._arrival.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MonitorEvent:
        await trio.lowlevel.checkpoint()
        while not self._events:
            self._arrival = trio.Event()
            await self._arrival.wait()
        if self._events[0].event is Event.MONITOR_STOPPED:
            raise StopAsyncIteration
        return self._events.popleft()
