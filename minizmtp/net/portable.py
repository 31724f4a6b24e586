"""The portable reactor: a task for each socket, where the system has no epoll.                    Windows, macOS, BSD

    fd 7, READ     ──►  a task: await wait_readable(7)   ──►  engine of fd 7: run_once(READ)
    fd 9, READ     ──►  a task: await wait_readable(9)   ──►  engine of fd 9: run_once(READ)
    fd 9, WRITE    ──►  a task: await wait_writable(9)   ──►  engine of fd 9: run_once(WRITE)

It needs only what trio offers on every system. On Windows there is nothing else: its selector cannot be waited for. A
connection costs a waiting task more than with `reactor`, some five kilobytes, and everything else is the same.

Receivers do not look before they wait here (see `looking`), because there is no selector that they could poll.

Read next: `states`.
"""

from __future__ import annotations

import select
from collections.abc import Awaitable, Callable

import trio

from ..options import Options
from .looking import NEVER, Looker
from .reactor import READ, TURNS_PER_CHECKPOINT, WRITE, EpollReactor, Reactor, Turn, call


class Watcher:
    """One direction of one socket, and the task that waits for it. direction: READ or WRITE."""

    __slots__ = ("_direction", "_fd", "_is_wanted", "_lot", "_turn", "_turnstile", "scope")

    def __init__(self, fd: int, direction: int, turn: Turn, turnstile: trio.Semaphore) -> None:
        self._fd = fd
        self._direction = direction
        self._turn = turn
        self._turnstile = turnstile
        self._is_wanted = True
        self._lot = trio.lowlevel.ParkingLot()
        self.scope = trio.CancelScope()

    def want(self, wanted: bool) -> None:
        """Give turns, or give none until this is called again."""
        self._is_wanted = wanted
        if wanted:
            self._lot.unpark_all()

    async def run(self) -> None:
        """The task. It ends when the scope is cancelled or the socket is closed."""
        wait = trio.lowlevel.wait_readable if self._direction == READ else trio.lowlevel.wait_writable
        with self.scope:
            while not self.scope.cancel_called:  # because another task may watch the socket since then
                try:
                    await wait(self._fd)
                except trio.ClosedResourceError:
                    return
                # Not by cancelling the wait, because that would end the task, and a new one costs more than this one.
                while not self._is_wanted:
                    await self._lot.park()
                async with self._turnstile:
                    if self._is_wanted:
                        call(self._turn, self._direction)
                    await trio.lowlevel.checkpoint()  # in here, so that so few have their turns before other tasks


class TaskReactor(Reactor):
    """Watches each socket by a task of its own, and by two while it is to be read and written."""

    def __init__(self, start_task: Callable[[Callable[[], Awaitable[object]]], object]) -> None:
        super().__init__(start_task)
        self._turns: dict[int, Turn] = {}  # by fd
        self._watchers: dict[tuple[int, int], Watcher] = {}  # by fd and direction
        self._turnstile = trio.Semaphore(TURNS_PER_CHECKPOINT)

    def watch(self, fd: int, interest: int, turn: Turn) -> None:
        self._turns[fd] = turn
        self.change_interest(fd, interest)

    def change_interest(self, fd: int, interest: int) -> None:
        for direction in (READ, WRITE):
            watcher = self._watchers.get((fd, direction))
            if watcher is not None:
                watcher.want(bool(interest & direction))
            elif interest & direction:
                watcher = Watcher(fd, direction, self._turns[fd], self._turnstile)
                self._watchers[fd, direction] = watcher
                self._begin(watcher.run)

    def unwatch(self, fd: int) -> None:
        del self._turns[fd]
        for direction in (READ, WRITE):
            if (watcher := self._watchers.pop((fd, direction), None)) is not None:
                watcher.want(False)  # because a task that has its turn sees the cancellation only afterwards
                watcher.scope.cancel()

    def poll(self) -> bool:
        return False

    def new_looker(self, options: Options) -> Looker:
        looker = super().new_looker(options)
        looker.rested_at = NEVER
        return looker


def new_reactor(start_task: Callable[[Callable[[], Awaitable[object]]], object]) -> Reactor:
    """The quickest that this system has."""
    return EpollReactor(start_task) if hasattr(select, "epoll") else TaskReactor(start_task)
