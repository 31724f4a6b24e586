"""The pulse of one connection: PINGs, PONGs that were not asked for, the end of a silent peer.       L-14, 37-72

    the engine reads            PING every heartbeat_ivl; no sign of life for heartbeat_timeout ends the connection
    the inbound queue is full   PONG in the peer's own rhythm, because its PINGs stay unread

`heartbeat` decides when; here it is done. A connection has a pulse from the moment when it is needed: if the option
`heartbeat_ivl` is set, when the peer has sent a PING, or when it is not read for a while.

**The timeout does not run while octets leave**, and only a PING that waits behind them counts as asked: a system takes
some megabytes for a peer that died long ago, and a peer's system confirms them for a program that hangs.

Read next: `engine`.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import trio

from ..options import Options
from ..wire import Ping, Pong
from .heartbeat import NEVER, Heartbeat, Silence
from .reactor import Reactor
from .transports import Stream
from .writer import Writer

if TYPE_CHECKING:
    from .engine import Engine

# A PING behind less than so many octets is out at once, on any link.
LITTLE = 1024

# Seconds between two of the PONGs that are sent unasked by all connections of a Context together, and between the times
# at which they are sent.
PONG_PAUSE = 0.001
TICK = 0.02

# Tenths of a second. The field would hold ten times as much, but libzmq takes 656 for 64 milliseconds (37-72).
LARGEST_TTL = 655


class Disconnected(Exception):
    """The stream ended, or broke, or the peer took too long. Another attempt may go better (37-17)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason or os.strerror(code))
        self.errno = code


class Pulse:
    """stream, writer: asked how far our octets have come."""

    __slots__ = (
        "_alarm", "_alarm_at", "_asks", "_engine", "_gone", "_heart", "_options", "_ping_end", "_reactor", "_stream",
        "_unread", "_writer",
    )  # fmt: skip

    def __init__(self, options: Options, reactor: Reactor, stream: Stream, writer: Writer, engine: Engine) -> None:
        self._options = options
        self._reactor = reactor
        self._stream = stream
        self._writer = writer
        self._engine = engine
        self._heart = Heartbeat(now=trio.current_time())  # asks nothing yet, but knows the peer's rhythm
        self._alarm, self._alarm_at = 0, NEVER  # the reactor's number for the next beat, and its time
        self._asks = False  # we send PINGs
        self._unread = False  # the peer is not read now
        self._ping_end = 0  # the writer has sent so many octets when the oldest unanswered PING is out
        self._gone = 0  # octets that have reached the peer's system, when that was last looked at

    def ask(self) -> None:
        """Send PINGs from now on, if heartbeat_ivl says so."""
        if self._asks or not self._options.heartbeat_ivl:
            return
        self._asks = True
        interval, timeout = self._options.heartbeat_ivl / 1000, self._options.heartbeat_timeout / 1000
        if not timeout:  # as in libzmq: ask, and do not judge
            timeout = NEVER
        self._heart = Heartbeat(interval, timeout if timeout > 0 else interval, trio.current_time())
        self._set_alarm()

    def heard(self, now: float) -> None:
        """Octets have come."""
        self._heart.heard(now)

    def heard_ping(self, ping: Ping) -> None:
        """A PING has come."""
        self.ask()  # a peer of ZMTP 3.0 that knows PING after all
        self._heart.heard_ping(ping.ttl / 10, trio.current_time())
        self._set_alarm()

    def pause(self) -> None:
        """The peer is not read from now on."""
        self._unread = True
        self._reactor.standing += 1
        self._set_alarm()

    def resume(self) -> None:
        """The peer will be read again; then `restart` is called."""
        if self._unread:
            self._unread = False
            self._reactor.standing -= 1
        self._cancel_alarm()  # or the heart might judge before we have listened

    def restart(self) -> None:
        """The peer is read again, or still. What was not heard meanwhile was not read."""
        self._heart.heard(trio.current_time())
        self._set_alarm()

    close = resume  # the connection has ended

    def _set_alarm(self) -> None:
        """To be called when the heart has something to do next; while we do not read, in the peer's rhythm."""
        if self._unread:
            now = trio.current_time()
            due = now + max(self._heart.rhythm(), self._reactor.standing * PONG_PAUSE)
            if due - now > TICK:
                due -= due % TICK  # those of many connections fall together, because to wake up costs most
        else:
            due = self._heart.due()
        # An alarm that comes too early does no harm, because it sets the next: so not every PING has to change it.
        if due < self._alarm_at:
            self._cancel_alarm()
            self._alarm, self._alarm_at = self._reactor.call_at(due, self._beat), due

    def _cancel_alarm(self) -> None:
        self._reactor.cancel(self._alarm)
        self._alarm, self._alarm_at = 0, NEVER

    def _beat(self) -> None:
        self._alarm, self._alarm_at = 0, NEVER
        now = trio.current_time()
        try:
            if self._unread:
                if not self._writer.size:  # or else what is on its way is sign enough
                    self._engine.send_command(Pong(b""))
            elif self._heart.due() <= now:
                if self._moves():
                    self._heart.moved(now)
                is_first = not self._heart.is_asking
                if self._heart.beat(now) and self._gone >= self._ping_end:  # one on its way is enough
                    self._send_ping(is_first)
            self._set_alarm()
        except Silence as silence:
            self._engine.stop(Disconnected(errno.ETIMEDOUT, str(silence)))

    def _send_ping(self, is_first: bool) -> None:
        """is_first: it is the oldest that is not answered."""
        writer = self._writer
        is_idle = not writer.size and self._stream.in_flight() < LITTLE
        self._engine.send_command(Ping(min(self._options.heartbeat_ttl // 100, LARGEST_TTL), b""))
        if is_first:
            self._ping_end = writer.sent + writer.size
            if is_idle and not writer.size:
                self._gone = self._ping_end  # nothing is in its way

    def _moves(self) -> bool:
        """Since the last call, has anything left for the peer, while the PING that is not answered yet, or something
        else of ours, waited for that?"""
        before, gone = self._gone, self._writer.sent - self._stream.in_flight()
        self._gone = max(before, gone)
        return gone > before and (before < self._ping_end or self._writer.size > 0)
