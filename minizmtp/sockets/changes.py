"""Waiting for any change: what `poll`, `Poller` and `proxy` do between two looks.

    poll   can it receive, can it send?  ──►  yes: the answer
                     ▲                   ──►  no: wait_for_change ──► something came, left, or was taken
                     └───────────────────────────────┘

A change may make no difference to the answer; then the caller waits for the next.

Read next: `sender`.
"""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from .waiters import Waiters

T = TypeVar("T")


async def poll_until(look: Callable[[], T], wait: Callable[[], Awaitable[None]], milliseconds: float | None) -> T:
    """What look() finds, as soon as that is true or the time is over (None or negative: no limit)."""
    limit = math.inf if milliseconds is None or milliseconds < 0 else milliseconds / 1000
    with trio.move_on_after(limit):
        # Before the first look, because a program that polls again and again must let the other tasks run.
        await trio.lowlevel.checkpoint()
        while not (found := look()):
            await wait()
        return found
    return look()  # once more, because what was waited for may have come in the moment in which the time was over


async def wait_for_change(*sockets: Waiters) -> None:
    """Wait until an answer of one of the sockets may be another."""
    change = trio.Event()
    for waiters in sockets:
        waiters.watchers.add(change)
        waiters.count += 1
    try:
        await change.wait()
    finally:
        for waiters in sockets:
            waiters.watchers.discard(change)
            waiters.count -= 1
