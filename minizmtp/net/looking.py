"""Looking before waiting: a receiver polls for a moment before it blocks.                  also: busy polling, spinning

    recv   nothing there ──► look: poll, poll, poll … at most 150 µs ──► a message: no task was woken, none was switched
                                                      └── nothing ─────► wait, as without this chapter

To block and to be woken costs a request and its reply more than all the rest of their way: the system puts the thread
to sleep and wakes it, and trio resumes the task. If the reply comes within some microseconds, polling is cheaper. If it
does not, the CPU time is wasted. So there are rules:

**Only while there is nothing else to do.** A look never begins while another task can run. It ends as soon as something
has come for any connection of the Context, and in time for the next timer. trio's loop goes round at least every
150 µs, also if each message is found by looking, because the time counts from the last round.

**Only where it pays.** A socket looks if its last message came soon after the socket began to wait for it. After a look
in vain it does not look for a while, which doubles with each look in vain, up to 150 ms, and becomes an eighth shorter
with each look that succeeds. So a program whose messages come seldom does not look at all, and one whose messages come
a little too late spends a thousandth of its time on it.

**Only where the peer can run meanwhile.** On one core it cannot, so there is no look. Where a core is shared, each poll
offers it to other processes (`sched_yield`). If one of them keeps it for long, the look ends and was in vain.

The option `spin_time` is the length of a look in microseconds; 0 turns looking off. `python -m benchmarks.looking`
measures what it is worth.

The tasks that trio's statistics call runnable are those of the *next* round of its loop. The other tasks of the present
round can be counted only when it begins. So `Rounds` counts them there: it is one of trio's instruments, and installed
only while some socket looks.

Read next: `runlimits`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import trio

from ..options import Options

T = TypeVar("T")

# Seconds: the longest look, whatever spin_time says, and the longest time without a round of trio's loop.
LONGEST_LOOK = 150e-6

# A message that took this long by way of the scheduler may come in half the time to a task that looks.
SOON = 2 * LONGEST_LOOK

# Seconds without looking after the first look in vain, and after many.
SHORTEST_REST, LONGEST_REST = 2 * LONGEST_LOOK, 1024 * LONGEST_LOOK

# A poll that took so long did not have the core for itself.
CROWDED = 50e-6

# The instrument is removed after so many rounds of trio's loop without a look.
ROUNDS_WITHOUT = 8

NEVER = math.inf

_give_way: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))


class Rounds(trio.abc.Instrument):
    """What is known of the present round of trio's loop. One for each Context.

    due: when the next one has to begin, by perf_counter. is_alone: in this round one task runs.
    """

    def __init__(self) -> None:
        self.due = 0.0
        self.is_alone = False
        self._idle_rounds = 0
        self._is_installed = False

    def after_io_wait(self, timeout: float) -> None:
        """trio: a round begins. All tasks that run in it are runnable now, except those that a deadline wakes."""
        self._idle_rounds += 1
        if self._idle_rounds > ROUNDS_WITHOUT:
            self.remove()
            return
        self.is_alone = trio.lowlevel.current_statistics().tasks_runnable == 1
        self.due = perf_counter() + LONGEST_LOOK

    def install(self) -> None:
        """Have trio tell of the next rounds."""
        self._idle_rounds = 0
        if not self._is_installed:
            self._is_installed = True
            trio.lowlevel.add_instrument(self)

    def remove(self) -> None:
        """Have trio tell of no more rounds."""
        if self._is_installed:
            self._is_installed = False
            self.due = 0.0
            trio.lowlevel.remove_instrument(self)


class Looker:
    """Looks for one socket, and remembers what came of it.

    options: the socket's, for `spin_time`. poll: handles what has come for any connection of the Context; True if there
    was something.
    rested_at: the end of the rest after the last look in vain, by perf_counter. looks_from: no look before that time.
    After each wait, `waiters` sets it to rested_at if the message came soon, and to NEVER if not.
    """

    def __init__(self, rounds: Rounds, poll: Callable[[], bool], options: Options) -> None:
        self._options = options
        self._rounds = rounds
        self._poll = poll
        self._rest = SHORTEST_REST
        self.rested_at = 0.0
        self.looks_from = NEVER

    async def look(self, attempt: Callable[[], T | None]) -> T | None:
        """attempt() as soon as it gives something, or None when the time is over. Another task may run meanwhile, and a
        cancellation may come, only while there is no answer."""
        rounds, poll = self._rounds, self._poll
        rounds.install()
        now = perf_counter()
        end = now + self._options.spin_time * 1e-6
        rounds_with_others = 0
        while now < end:
            if now >= rounds.due:
                await trio.lowlevel.checkpoint()
                if (answer := self._found(attempt)) is not None:
                    return answer
            if poll():  # once, whatever other tasks there are: it takes no longer than to ask for them
                return self._found(attempt)
            now = perf_counter()
            tasks = trio.lowlevel.current_statistics()
            if tasks.tasks_runnable or not rounds.is_alone:
                # A task that was woken has its turn in the next round, and this one sees in the round after whether it
                # goes on. A third round with others means that one of them is busy.
                rounds_with_others += 1
                if rounds_with_others == 3:
                    break
                rounds.due = now
                continue
            until = min(end, rounds.due, now + tasks.seconds_to_next_deadline)
            if until <= now:  # a timer is due
                return None
            if not _has_two_cores():
                break
            while now < until:
                _give_way()
                if poll():
                    return self._found(attempt)
                before, now = now, perf_counter()
                if now - before > CROWDED:
                    until = end = now
        self.rested_at = now + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)
        return None

    def _found(self, attempt: Callable[[], T | None]) -> T | None:
        """Something has come. Other tasks may run now, so the look ends, also if it was nothing for this socket."""
        if (answer := attempt()) is not None:
            self._rest = max(self._rest * 7 / 8, SHORTEST_REST)
        return answer


def _has_two_cores() -> bool:
    """May this process run on more than one core? Asked each time, because that may change (taskset(1))."""
    return len(os.sched_getaffinity(0)) > 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) > 1
