"""Parting: closing a stream so that the peer can still read what was sent last.           RFC 9112, section 9.6; tcp(7)

    we   ──► messages … end of stream         our direction is closed
         ◄── PONG, messages, PONG …           dropped, because the program wants no more of it
         ◄── end of stream                    the peer has read everything: close

If octets arrive for a socket that is closed, the system answers with a reset, and the reset destroys what the peer has
not read yet. libzmq closes at once: a slow PULL that answers PINGs loses most of what a PUSH sent before it closed.
Here a stream is closed in these steps if messages were sent on it, or the reason for a refusal.

**How long does it take?** At most until the deadline, which is the end of `linger`. It is over earlier

- when the peer closes. Most peers do so at once, because they have read to the end of the stream.
- when the peer's system has everything, and the peer has sent nothing for QUIET seconds. Then a reset is not likely,
  and our system finishes without us.
- when the peer's system has had everything for MOST seconds. This bounds a peer that goes on sending and does not read.

If the peer's system has no room for the rest, only the deadline counts, and with a `linger` of −1 there is none.

Read next: `tls`, or `engine` at once.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import trio

from .transports import Stream

QUIET = 1.0
MOST = 30.0

# From a peer that was refused, at most so many octets are read. A peer that keeps to the protocol sends fewer.
REFUSED_OCTETS = 1 << 18


def end_of(linger: int) -> float:
    """The time at which so many milliseconds are over; −1: never."""
    return trio.current_time() + linger / 1000 if linger >= 0 else math.inf


class Partings:
    """The streams of one socket that are being closed.

    start_task: starts a task that ends with the Context. on_end: called each time that a stream is closed.
    """

    def __init__(
        self, start_task: Callable[[Callable[[], Awaitable[object]]], None], on_end: Callable[[], None]
    ) -> None:
        self._start_task = start_task
        self._on_end = on_end
        self._scopes: dict[Stream, trio.CancelScope] = {}

    def __len__(self) -> int:
        return len(self._scopes)

    def add(self, stream: Stream, deadline: float, most: float = math.inf) -> None:
        """Close stream when the peer closes, at the deadline, or when the peer has sent `most` octets."""
        try:
            if trio.current_time() < deadline:
                stream.send_eof()
                self._scopes[stream] = trio.CancelScope(deadline=deadline)
                self._start_task(partial(self._run, stream, most))
                return
        except OSError:  # the peer has gone
            pass
        stream.close()

    async def _run(self, stream: Stream, most: float) -> None:
        try:
            with self._scopes[stream]:
                await part(stream, most)
        finally:
            stream.close()
            del self._scopes[stream]
            self._on_end()

    def shorten(self, linger: int) -> None:
        """Go on for at most linger milliseconds (−1: no limit)."""
        deadline = end_of(linger)
        for scope in self._scopes.values():
            scope.deadline = min(scope.deadline, deadline)

    def abandon(self) -> None:
        """In a child of a fork: close our copies of the descriptors."""
        for stream in self._scopes:
            stream.abandon()
        self._scopes.clear()

    def undelivered(self) -> int:
        """How many octets the peers' systems do not have yet."""
        return sum(stream.undelivered() for stream in self._scopes)


async def part(stream: Stream, most: float = math.inf) -> None:
    """Our direction is closed: drop what comes, until the peer closes or has sent `most` octets, or until it is of no
    use to wait longer."""
    has_all = trio.current_time()  # since then, the peer's system has everything
    with suppress(OSError):  # the peer has gone
        while most > 0 and trio.current_time() < has_all + MOST:
            with trio.move_on_after(QUIET) as silence:
                await stream.wait_receivable()
            if stream.undelivered():
                has_all = trio.current_time()
            elif silence.cancelled_caught:
                return
            if (count := stream.try_discard()) == 0:
                return
            most -= count or 0
