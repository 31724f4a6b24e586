r"""The reactor: one task that watches all connections of a Context, as libzmq's I/O thread does.    epoll(7), kqueue(2)

                            ┌───────────────────────────┐
    fd 7 may be read     ──►│ one selector for all,     │──► engine of fd 7: turn(READ)
    fd 9 may be written  ──►│ one task that waits for it│──► engine of fd 9: turn(WRITE)
    it is 12:30:05.2     ──►│ one task that minds time  │──► whoever wanted to be called then
                            └───────────────────────────┘

A task for each connection is what one would write first. But a task that waits costs some five kilobytes, and to wake
one costs as much as to handle twenty messages; a ROUTER may have ten thousand peers, most of them silent. So nobody
waits for one connection here. The system's own selector does, which can itself be waited for like any other file; one
task does that, and calls whoever has something to do. What is done then is a plain function, at once and without
waiting: the connections of a Context cannot get into each other's way.

    READ, WRITE     what to be called for: that there is something to read, that the system would take something
    MUTE            to be called for nothing, for a moment

A call for WRITE is also how to be called *soon*, when the running task lets go: an idle connection can always be
written. The engine uses that to gather a burst of messages into one write.

Below this module: nothing but trio. Above it: `engine`.
Read next: `heartbeat`, or `engine` at once.
"""

from __future__ import annotations

import heapq
import math
import select
import selectors
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Protocol

import trio

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
MUTE = 4

# So many connections have a turn before other tasks have theirs. A turn is some reads: a few hundred microseconds.
TOGETHER = 16


class Selector(Protocol):
    """The system's, of whichever kind. Can be waited for, by its fileno()."""

    def fileno(self) -> int: ...

    def want(self, fd: int, before: int, after: int) -> None:
        """Watch fd for `after` (READ, WRITE, both, MUTE or 0) where it was watched for `before`."""

    def ready(self) -> list[tuple[int, int]]:
        """Who can do something now, and what. Who is not named, for there are too many, is named the next time."""

    def close(self) -> None: ...


class AnySelector:
    """By Python's `selectors`: works wherever there is one with a fileno (epoll, kqueue, /dev/poll)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.fileno = self._selector.fileno
        self.close = self._selector.close

    def want(self, fd: int, before: int, after: int) -> None:
        before, after = before & ~MUTE, after & ~MUTE
        if before and after:
            self._selector.modify(fd, after)
        elif after:
            self._selector.register(fd, after)
        elif before:
            self._selector.unregister(fd)

    def ready(self) -> list[tuple[int, int]]:
        return [(key.fd, may) for key, may in self._selector.select(0)]


class EpollSelector:
    """The same for Linux, without the book that `selectors` keeps: a change costs a quarter, and who waits for a reply
    makes two of them. A round trip takes 60 µs of CPU in place of 66. (And a file that is MUTE stays in the list: to
    put it back would take longer than all the rest, for the kernel has to make sure that selectors do not wait for each
    other in a circle.)"""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def want(self, fd: int, before: int, after: int) -> None:
        # Not watched for anything is not watched at all: of one in its list epoll tells when its peer hangs up, whether
        # that is wanted or not.
        if not after:
            self._epoll.unregister(fd)
        else:
            change = self._epoll.modify if before else self._epoll.register
            change(fd, (after & READ and select.EPOLLIN) | (after & WRITE and select.EPOLLOUT))

    def ready(self) -> list[tuple[int, int]]:
        # A peer that has hung up (HUP, ERR) may be read and written: either will find out.
        return [
            (fd, (READ if event & ~select.EPOLLOUT else 0) | (WRITE if event & ~select.EPOLLIN else 0))
            for fd, event in self._epoll.poll(0, TOGETHER)
        ]


class Timer:
    """A call at a certain time, unless it is cancelled before."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        """Do not call. May be said twice, and too late."""
        self.function = None


class Reactor:
    """Watches files, and the time. start_task: begins a task that ends with the Context."""

    def __init__(self, start_task: Callable[[Callable[[], Awaitable[object]]], object]) -> None:
        self._start_task = start_task
        self._selector: Selector | None = None
        self._turns: dict[int, Callable[[int], None]] = {}  # by fd: whom to call
        self._calls: list[tuple[float, int, Timer]] = []  # a heap; the number keeps those of the same time in order
        self._number = count()
        self._alarm: trio.CancelScope | None = None

    # ---------------------------------------------------------------------------------------------------------- files

    def want(self, fd: int, before: int, after: int, turn: Callable[[int], None]) -> None:
        """Call turn(READ, WRITE or both) when fd can do what is wanted: `after`, where so far it was `before`."""
        if self._selector is None:
            self._selector = new_selector()
            self._start_task(self._watch)
        self._selector.want(fd, before, after)
        if not after:
            del self._turns[fd]
        elif not before:
            self._turns[fd] = turn

    async def _watch(self) -> None:
        assert self._selector is not None
        while True:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            for number, (fd, may) in enumerate(self._selector.ready(), 1):
                turn = self._turns.get(fd)
                if turn is not None:  # or else it was let go by one that had its turn before
                    turn(may)
                if not number % TOGETHER:
                    await trio.lowlevel.checkpoint()

    # ----------------------------------------------------------------------------------------------------------- time

    def call_at(self, when: float, function: Callable[[], None]) -> Timer:
        """Call function at a time of trio's clock."""
        timer = Timer(function)
        heapq.heappush(self._calls, (when, next(self._number), timer))
        if self._alarm is None:
            self._alarm = trio.CancelScope(deadline=when)
            self._start_task(self._mind_time)
        elif when < self._alarm.deadline:
            self._alarm.deadline = when
        return timer

    async def _mind_time(self) -> None:
        while True:
            while self._calls and self._calls[0][0] <= trio.current_time():
                _, _, timer = heapq.heappop(self._calls)
                if timer.function is not None:
                    timer.function()
            self._alarm = trio.CancelScope(deadline=self._calls[0][0] if self._calls else math.inf)
            with self._alarm:
                await trio.sleep_forever()

    def close(self) -> None:
        """Nobody is watched any more."""
        if self._selector is not None:
            self._selector.close()


def new_selector() -> Selector:
    """The quickest that this system has."""
    return EpollSelector() if hasattr(select, "epoll") else AnySelector()
