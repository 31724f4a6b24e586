r"""The reactor: one task that watches all connections of a Context, as libzmq's I/O thread does.    epoll(7), kqueue(2)

                            ┌───────────────────────────┐
    fd 7 may be read     ──►│ one selector for all,     │──► engine of fd 7: turn(READ)
    fd 9 may be written  ──►│ one task that waits for it│──► engine of fd 9: turn(WRITE)
    a task has let go    ──►│ one task for that         │──► whoever wanted to be called soon: turn(WRITE)
    it is 12:30:05.2     ──►│ one task that minds time  │──► whoever wanted to be called then
                            └───────────────────────────┘

A task for each connection is what one would write first. But a task that waits costs some five kilobytes, and to wake
one costs as much as to handle twenty messages; a ROUTER may have ten thousand peers, most of them silent. So nobody
waits for one connection here. The system's own selector does, which can itself be waited for like any other file; one
task does that, and calls whoever has something to do. (Beside it there are two more, one for those who want to be
called soon and one for the time; each begins when it is first needed.) What is done then is a plain function, at once
and without waiting: the connections of a Context cannot get into each other's way.

    READ, WRITE     what to be called for: that there is something to read, that the system would take something
    IDLE            to be called for nothing, for a moment

One may also ask to be called *soon*, when the running task lets go. The engine does so to gather a burst of messages
into one write. (To ask for WRITE would do as well, for an idle connection can always be written. But to hear so from
the system costs a DEALER and a ROUTER a tenth of all that they do.)

Below this module: nothing but trio. Above it: `engine`.
Read next: `heartbeat`, or `engine` at once.
"""

from __future__ import annotations

import heapq
import logging
import math
import select
import selectors
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Protocol

import trio

from ..options import Options
from .looking import Looker, Rounds
from .runlimits import RunCounts

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
IDLE = 4

log = logging.getLogger("minizmtp")

# Seconds until a task of the reactor goes on after an error.
PAUSE = 0.1

# So many connections have a turn before other tasks have theirs. A turn is some reads: up to half a millisecond. (With
# sixteen peers that flood us with frames of 64 KiB, another task waits 5 ms at most; with sixteen turns it would be 20.
# And the fewer turns are in between, the more is gathered for each: a ROUTER with a hundred clients sends 31 replies in
# one write; with sixteen turns 15, and each would cost a fifth more. Measured on 2026-11-25.)
TURNS_PER_CHECKPOINT = 4

# … and so many calls that have come due: each is a PING, a PONG, or the end of a connection, of up to 50 µs.
CALLS_PER_CHECKPOINT = 16


class Selector(Protocol):
    """The system's, of whichever kind. Can be waited for, by its fileno()."""

    def fileno(self) -> int: ...

    def set_interest(self, fd: int, before: int, after: int) -> None:
        """Watch fd for `after` (READ, WRITE, both, IDLE or 0) where it was watched for `before`."""

    def ready(self) -> list[tuple[int, int]]:
        """Who can do something now, and what. Who is not named, for there are too many, is named the next time."""

    def close(self) -> None: ...


class AnySelector:
    """By Python's `selectors`: works wherever there is one with a fileno (epoll, kqueue, /dev/poll)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.fileno = self._selector.fileno
        self.close = self._selector.close

    def set_interest(self, fd: int, before: int, after: int) -> None:
        before, after = before & ~IDLE, after & ~IDLE
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
    makes two of them. A round trip takes 52 µs of CPU in place of 58. (And a file that is IDLE stays in the list: to
    put it back would take longer than all the rest, for the kernel has to make sure that selectors do not wait for each
    other in a circle.)"""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        both = select.EPOLLIN | select.EPOLLOUT
        self._words = {READ: select.EPOLLIN, WRITE: select.EPOLLOUT, READ | WRITE: both, IDLE: 0}
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def set_interest(self, fd: int, before: int, after: int) -> None:
        # Not watched for anything is not watched at all: of one in its list epoll tells when its peer hangs up, whether
        # that is wanted or not.
        if not after:
            self._epoll.unregister(fd)
        else:
            change = self._epoll.modify if before else self._epoll.register
            change(fd, self._words[after])

    def ready(self) -> list[tuple[int, int]]:
        # A peer that has hung up (HUP, ERR) may be read and written: either will find out.
        return [
            (fd, (READ if event & ~select.EPOLLOUT else 0) | (WRITE if event & ~select.EPOLLIN else 0))
            for fd, event in self._epoll.poll(0, TURNS_PER_CHECKPOINT)
        ]


class Reactor:
    """Watches files and the time, and calls soon. start_task: begins a task that ends with the Context."""

    change_interest: Callable[[int, int, int], None]

    def __init__(self, start_task: Callable[[Callable[[], Awaitable[object]]], object]) -> None:
        self._start_task = start_task
        self._selector: Selector | None = None
        self._turns: dict[int, Callable[[int], None]] = {}  # by fd: whom to call
        self._soon: list[Callable[[int], None]] = []  # whose turn comes when the running task lets go
        self._sleeping: trio.lowlevel.ParkingLot | None = None  # who will call them
        self._times: list[tuple[float, int]] = []  # a heap; the number keeps those of the same time in order
        self._calls: dict[int, Callable[[], None]] = {}  # by the number; cancelled it is here no more
        self._number = count(1)
        self._alarm: trio.CancelScope | None = None
        self.rounds = Rounds()  # of trio's loop, for receivers that look before they wait
        self.runs = RunCounts()
        self.standing = 0  # connections that send PONGs unasked, because they are not read now (see `engine`)

    # ---------------------------------------------------------------------------------------------------------- files

    def set_interest(self, fd: int, before: int, after: int, turn: Callable[[int], None]) -> None:
        """Call turn(READ, WRITE or both) when fd can do what is wanted: `after`, where so far it was `before`. If both
        are something, `change_interest` does the same at half the cost."""
        if self._selector is None:
            self._selector = new_selector()  # may raise OSError (no files left): then the next connection tries again
            self.change_interest = self._selector.set_interest
            self._begin(self._watch)
        if after:
            self._selector.set_interest(fd, before, after)
            if not before:
                self._turns[fd] = turn
            return
        self._turns.pop(fd, None)
        with suppress(OSError):  # the end of a connection does not fail: the system forgets a file that is closed
            self._selector.set_interest(fd, before, 0)

    def call_soon(self, turn: Callable[[int], None]) -> None:
        """Call turn(WRITE) as soon as the running task lets go, whatever the file can do."""
        if self._sleeping is None:
            self._sleeping = trio.lowlevel.ParkingLot()
            self._begin(self._run_soon)
        self._soon.append(turn)
        self._sleeping.unpark()

    def _begin(self, function: Callable[[], Awaitable[object]]) -> None:
        self._start_task(partial(self._keep_going, function))

    async def _keep_going(self, function: Callable[[], Awaitable[object]]) -> None:
        """A task of ours: all connections need it, so an error, ours or the system's, is told and does not end it."""
        while True:
            try:
                await function()
            except Exception:
                log.exception("an error in a task that all connections share; it goes on")
                await trio.sleep(PAUSE)

    async def _run_soon(self) -> None:
        assert self._sleeping is not None
        while True:
            if not self._soon:
                await self._sleeping.park()
            some, self._soon = self._soon[:TURNS_PER_CHECKPOINT], self._soon[TURNS_PER_CHECKPOINT:]
            while some:
                _call(some.pop(0), WRITE)
            if self._soon:
                await trio.lowlevel.checkpoint()

    async def _watch(self) -> None:
        assert self._selector is not None
        while True:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            for number, (fd, may) in enumerate(self._selector.ready(), 1):
                if fd in self._turns:  # or else it was let go by one that had its turn before
                    _call(self._turns[fd], may)
                if not number % TURNS_PER_CHECKPOINT:
                    await trio.lowlevel.checkpoint()

    def new_looker(self, options: Options) -> Looker:
        """For the socket that has these options; see `looking`."""
        return Looker(self.rounds, self.poll, options)

    def poll(self) -> bool:
        """Call those of which something can be done now, if there are any. As `_watch`, but at once."""
        if self._selector is None or not (ready := self._selector.ready()):
            return False
        for fd, may in ready[:TURNS_PER_CHECKPOINT]:
            if fd in self._turns:
                _call(self._turns[fd], may)
        return True

    # ----------------------------------------------------------------------------------------------------------- time

    def call_at(self, when: float, function: Callable[[], None]) -> int:
        """Call function at a time of trio's clock. The number is for `cancel`."""
        number = next(self._number)
        self._calls[number] = function
        heapq.heappush(self._times, (when, number))
        if self._alarm is None:
            self._alarm = trio.CancelScope(deadline=when)
            self._begin(self._run_timers)
        elif when < self._alarm.deadline:
            self._alarm.deadline = when
        return number

    def cancel(self, number: int) -> None:
        """Do not call. May be said twice, and too late; 0 is nobody's number."""
        self._calls.pop(number, None)
        if len(self._times) > 2 * len(self._calls) + 100:  # or a peer could fill memory with what never comes
            self._times = [each for each in self._times if each[1] in self._calls]
            heapq.heapify(self._times)

    async def _run_timers(self) -> None:
        called = 0
        while True:
            while self._times and self._times[0][0] <= trio.current_time():
                _, number = heapq.heappop(self._times)
                if number in self._calls:
                    _call(self._calls.pop(number))  # no local name, because it would keep what was called alive
                    called += 1
                    if not called % CALLS_PER_CHECKPOINT:  # ten thousand may be due at once
                        await trio.lowlevel.checkpoint()
            self._alarm = trio.CancelScope(deadline=self._times[0][0] if self._times else math.inf)
            with self._alarm:
                await trio.sleep_forever()

    def close(self) -> None:
        """Nobody is watched any more."""
        self.rounds.remove()
        if self._selector is not None:
            self._selector.close()


def _call(function: Callable[..., None], *arguments: int) -> None:
    """A turn ends its own connection when something goes wrong, so what is raised here is an error in the ending of it.
    The tasks of the reactor keep no name for function: while they wait, it may be over, and is then to be freed."""
    try:
        function(*arguments)
    except Exception:
        log.exception("an error in this library, in one connection; the others go on")


def new_selector() -> Selector:
    """The quickest that this system has."""
    return EpollSelector() if hasattr(select, "epoll") else AnySelector()
