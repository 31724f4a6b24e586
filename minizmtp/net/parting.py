"""Parting: closing a stream so that the peer can still read what was sent last.           RFC 9112, section 9.6; tcp(7)

    we   ──► messages … end of stream         our direction is closed
         ◄── PONG, messages, PONG …           dropped, because the program wants no more of it
         ◄── end of stream                    the peer has read everything: close

If octets arrive for a socket that is closed, its system answers by a reset, and the reset destroys what the peer has
not read yet. libzmq closes at once: a PULL that is slow, and answers PINGs, loses most of what a PUSH sent before it
closed. Here a stream is closed in these steps after messages were sent, or the reason of a refusal.

**How long?** Until the deadline, which is the end of `linger`, and not longer than it is of use:

- until the peer closes. Most do at once, because they have read to the end of the stream.
- If the peer's system has everything: until the peer is silent for QUIET seconds. What is silent causes no reset soon,
  and the system goes on by itself. A peer that goes on sending, and does not read, has MOST seconds.
- If the peer's system has no room for the rest, and `linger` is −1: without a limit.

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

# Octets of a peer that was refused are dropped up to so many. A peer that keeps to the protocol sends nothing more.
REFUSED_OCTETS = 1 << 18


class Partings:
    """The streams of one socket that are being closed.

    start_task: begins a task that ends with the Context. on_end: called when one is closed.
    """

    __slots__ = ("_on_end", "_scopes", "_start_task")

    def __init__(
        self, start_task: Callable[[Callable[[], Awaitable[object]]], None], on_end: Callable[[], None]
    ) -> None:
        self._start_task = start_task
        self._on_end = on_end
        self._scopes: dict[Stream, trio.CancelScope] = {}

    def __len__(self) -> int:
        return len(self._scopes)

    def add(self, stream: Stream, deadline: float, most: float = math.inf) -> None:
        """Close stream when its peer has read what was sent, at the deadline, or after it has sent so many octets."""
        try:
            if trio.current_time() < deadline:
                stream.send_eof()
                stream.call_away()
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
        deadline = trio.current_time() + linger / 1000 if linger >= 0 else math.inf
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
    """Our direction is closed: drop what comes, up to so many octets, until the peer closes, or until to wait longer is
    of no use."""
    has_all = trio.current_time()  # the peer's system, since then
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
