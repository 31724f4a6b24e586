"""Waiting for any change: what `poll`, `Poller` and `proxy` do between two looks.

    poll   can it receive, can it send?  ──►  yes: the answer
                     ▲                   ──►  no: wait_for_change ──► something came, left, or was taken
                     └───────────────────────────────┘

A change may make no difference to the answer; then the caller waits for the next.

Read next: `sender`.
"""

from contextlib import AbstractContextManager, nullcontext

import trio

from .waiters import Waiters


def timeout_scope(milliseconds: float | None) -> AbstractContextManager[object]:
    """A block that is left when the time is over. None, or less than 0: no limit."""
    return nullcontext() if milliseconds is None or milliseconds < 0 else trio.move_on_after(milliseconds / 1000)


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
