r"""The reactor: one task that watches all connections of a Context, as libzmq's I/O thread does.               epoll(7)

                            ┌───────────────────────────┐
    fd 7 can be read     ──►│ one epoll for all,        │──► engine of fd 7: run_once(READ)
    fd 9 can be written  ──►│ one task that waits for it│──► engine of fd 9: run_once(WRITE)
    a task has yielded   ──►│ one task for that         │──► whatever was to be called soon
    it is 12:30:05.2     ──►│ one task for the time     │──► whatever was to be called then
                            └───────────────────────────┘

A task for each connection is what one would write first. But a task that waits costs some five kilobytes, and to wake
one costs as much as to handle twenty messages; a ROUTER may have ten thousand peers, most of them silent. So no task
waits for one connection here. The system's selector watches all of them and can be waited for like any other file. One
task does that, and calls the engines that have something to do. What is called is a plain function that never waits, so
the connections of a Context cannot get into each other's way.

    READ, WRITE     what to be called for: that there is something to read, that the system would take something
    IDLE            to be called for nothing, for a moment

**A call can be asked for soon**, which is when the running task yields. The engine gathers a burst of messages into one
write like that. (An idle connection can always be written, so asking for WRITE would do as well. But hearing so from
the system costs a DEALER and a ROUTER a tenth of all that they do.)

epoll is Linux's. On other systems `portable` does the same with a task for each connection.

Read next: `portable`, or `states` at once.
"""

from __future__ import annotations

import heapq
import logging
import math
import select
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from itertools import count

import trio

from ..options import Options
from .looking import Looker, Rounds
from .runlimits import RunCounts

READ, WRITE, IDLE = 1, 2, 4

Turn = Callable[[int], None]

log = logging.getLogger("minizmtp")

# Seconds until a task of the reactor goes on after an error.
PAUSE = 0.1

# So many connections have a turn before other tasks have theirs. (With sixteen peers that flood us with frames of
# 64 KiB, another task waits 5 ms at most; with sixteen turns it would be 20. And with fewer turns in between, more is
# gathered for each: a ROUTER with a hundred clients sends twice as many replies in one write.)
TURNS_PER_CHECKPOINT = 4

# The same for calls that have come due: each is a PING, a PONG, or the end of a connection, of up to 50 µs.
CALLS_PER_CHECKPOINT = 16


class Reactor:
    """Calls soon, and at a time. How sockets are watched, each kind of reactor has its way.

    start_task: begins a task that ends with the Context.
    """

    def __init__(self, start_task: Callable[[Callable[[], Awaitable[object]]], object]) -> None:
        self._start_task = start_task
        self._soon: deque[Turn] = deque()  # to be called when the running task yields
        self._later: deque[Turn] = deque()  # the same, but one between two checkpoints
        self._sleeping: trio.lowlevel.ParkingLot | None = None  # the task that will call them
        self._times: list[tuple[float, int]] = []  # a heap; the number keeps those of the same time in order
        self._calls: dict[int, Callable[[], None]] = {}  # by the number; what is cancelled is not here any more
        self._number = count(1)
        self._alarm: trio.CancelScope | None = None
        self.rounds = Rounds()  # of trio's loop, for receivers that look before they wait
        self.runs = RunCounts()  # of all connections
        self.standing = 0  # connections that send PONGs unasked, because they are not read now (see `pulse`)

    # -------------------------------------------------------------------------------------------------------- sockets

    def watch(self, fd: int, interest: int, turn: Turn) -> None:
        """Call turn(READ, WRITE or both) whenever fd can do what interest says. Raises OSError if no files are left."""
        raise NotImplementedError

    def change_interest(self, fd: int, interest: int) -> None:
        """From now on watch fd, which is watched, for READ, WRITE, both, or IDLE."""
        raise NotImplementedError

    def unwatch(self, fd: int) -> None:
        """Watch fd no more. Never fails, because a connection may end in any state."""
        raise NotImplementedError

    def poll(self) -> bool:
        """Give turns to some connections that can do something now, if there are any."""
        raise NotImplementedError

    def new_looker(self, options: Options) -> Looker:
        """For the socket that has these options; see `looking`."""
        return Looker(self.rounds, self.poll, options)

    # ----------------------------------------------------------------------------------------------------------- soon

    def call_soon(self, turn: Turn) -> None:
        """Call turn(WRITE) as soon as the running task yields."""
        self._soon.append(turn)
        self._wake()

    def _wake(self) -> None:
        if self._sleeping is None:  # the first time: a Context whose sockets are all inproc needs no such task
            self._sleeping = trio.lowlevel.ParkingLot()
            self._begin(self._run_soon)
        self._sleeping.unpark()

    def call_later(self, turn: Turn) -> None:
        """As call_soon, but one between two checkpoints: for work that a peer can cause, and that is done in parts."""
        self._later.append(turn)
        self._wake()

    def _begin(self, function: Callable[[], Awaitable[object]]) -> None:
        self._start_task(partial(self._keep_going, function))

    async def _keep_going(self, function: Callable[[], Awaitable[object]]) -> None:
        """A task that all connections need: an error in it, ours or the system's, is logged and does not end it."""
        while True:
            try:
                await function()
                return
            except Exception:
                log.exception("an error in a task that all connections share; it goes on")
                await trio.sleep(PAUSE)

    async def _run_soon(self) -> None:
        assert self._sleeping is not None
        while True:
            if not (self._soon or self._later):
                await self._sleeping.park()
            # Counted before, because a call may ask for the next, which comes after other tasks had their turns.
            for _ in range(min(TURNS_PER_CHECKPOINT, len(self._soon))):
                call(self._soon.popleft(), WRITE)
            if self._later:
                call(self._later.popleft(), WRITE)
            if self._soon or self._later:
                await trio.lowlevel.checkpoint()

    # ----------------------------------------------------------------------------------------------------------- time

    def call_at(self, when: float, function: Callable[[], None]) -> int:
        """Call function at a time of trio's clock. The number is for `cancel`."""
        number = next(self._number)
        self._calls[number] = function  # not in the heap, out of which a cancelled call could not be taken
        heapq.heappush(self._times, (when, number))
        if self._alarm is None:
            self._alarm = trio.CancelScope(deadline=when)
            self._begin(self._run_timers)
        elif when < self._alarm.deadline:
            self._alarm.deadline = when
        return number

    def cancel(self, number: int) -> None:
        """Do not call. May be repeated, and may come too late; 0 is no call's number."""
        self._calls.pop(number, None)
        if len(self._times) > 2 * len(self._calls) + 100:  # or a peer could fill memory with cancelled calls
            self._times = [each for each in self._times if each[1] in self._calls]
            heapq.heapify(self._times)

    async def _run_timers(self) -> None:
        called = 0
        while True:
            while self._times and self._times[0][0] <= trio.current_time():
                _, number = heapq.heappop(self._times)
                if number in self._calls:
                    call(self._calls.pop(number))  # no local name, because it would keep what was called alive
                    called += 1
                    if not called % CALLS_PER_CHECKPOINT:  # ten thousand may be due at once
                        await trio.lowlevel.checkpoint()
            self._alarm = trio.CancelScope(deadline=self._times[0][0] if self._times else math.inf)
            with self._alarm:
                await trio.sleep_forever()

    def close(self) -> None:
        """The Context has ended, and with it all connections."""
        self.rounds.remove()


class EpollReactor(Reactor):
    """Watches all sockets by one epoll, made when the first is watched."""

    def __init__(self, start_task: Callable[[Callable[[], Awaitable[object]]], object]) -> None:
        super().__init__(start_task)
        self._epoll: select.epoll | None = None
        self._turns: dict[int, Turn] = {}  # by fd
        both = select.EPOLLIN | select.EPOLLOUT
        self._masks = {READ: select.EPOLLIN, WRITE: select.EPOLLOUT, READ | WRITE: both, IDLE: 0}

    def watch(self, fd: int, interest: int, turn: Turn) -> None:
        if self._epoll is None:
            self._epoll = select.epoll()  # may raise OSError: then the next connection tries again
            self._begin(self._watch)
        self._epoll.register(fd, self._masks[interest])
        self._turns[fd] = turn

    def change_interest(self, fd: int, interest: int) -> None:
        assert self._epoll is not None
        self._epoll.modify(fd, self._masks[interest])

    def unwatch(self, fd: int) -> None:
        # Before a long pause, too, because epoll reports that a peer has hung up even if the mask is 0.
        del self._turns[fd]
        with suppress(OSError):  # a file that was closed has left the list by itself
            assert self._epoll is not None
            self._epoll.unregister(fd)

    def poll(self) -> bool:
        if self._epoll is None:
            return False
        ready = self._epoll.poll(0, TURNS_PER_CHECKPOINT)  # the others are the first of the next poll
        for fd, event in ready:
            # A peer that has hung up (HUP, ERR) can be read and written: either finds out.
            readiness = (READ if event & ~select.EPOLLOUT else 0) | (WRITE if event & ~select.EPOLLIN else 0)
            if fd in self._turns:  # otherwise the turn of one before it has ended this connection
                call(self._turns[fd], readiness)
        return bool(ready)

    async def _watch(self) -> None:
        assert self._epoll is not None
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            self.poll()

    def close(self) -> None:
        super().close()
        if self._epoll is not None:
            self._epoll.close()


def call(function: Callable[..., None], *arguments: int) -> None:
    """Call function, and log an error. A run ends its own connection when something goes wrong, so what is raised here
    is an error in the ending of it. No task keeps a name for function, because it is to be freed when it is over."""
    try:
        function(*arguments)
    except Exception:
        log.exception("an error in this library, in one connection; the others go on")
