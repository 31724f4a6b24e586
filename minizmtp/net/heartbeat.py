"""Heartbeats: noticing that a peer has gone without closing.                     37/ZMTP 3.1, "Connection Heartbeating"

If a cable is pulled, no end of stream arrives, and TCP alone may take a quarter of an hour to notice. So each side may
send a PING every `heartbeat_ivl`, and close the connection if the peer stays silent:

    PING ttl context  ──►                we ask, every heartbeat_ivl
                      ◄──  PONG context  a sign of life; so is every other octet that comes (37-73)
    PING ttl context  ──►
          …  nothing within heartbeat_timeout: it is dead (37-75)

**The timeout starts when the PING has been sent**, not when it was queued, because a PING behind a message of 8 MB
arrives late on a slow link. As long as queued octets keep leaving, the connection works: the engine calls `moved`, and
the timeout starts again. If no octets leave, the timeout runs as it does for a silent peer.

    >>> heart = Heartbeat(interval=1.0, timeout=2.5, now=0.0)
    >>> heart.beat(now=1.0), heart.beat(now=2.0), heart.beat(now=3.0)
    (True, True, True)
    >>> heart.moved(now=3.4); heart.beat(now=4.0), heart.beat(now=5.0), heart.due()
    (True, True, 5.9)

The `ttl` in a PING works without an answer: the receiver should close the connection if it receives nothing for that
time (37-76).

This module makes these decisions from the times that it is given; nothing here waits:

    >>> heart = Heartbeat(interval=1.0, timeout=2.5, now=0.0)
    >>> heart.due()                                  # the first PING
    1.0
    >>> heart.beat(now=1.0), heart.due()
    (True, 2.0)
    >>> heart.beat(now=2.0), heart.due()             # asked again; the first is still not answered
    (True, 3.0)
    >>> heart.heard(now=2.2); heart.due()            # it lives: nothing is open but the next PING
    3.0
    >>> heart.beat(now=3.0), heart.beat(now=4.0), heart.beat(now=5.0), heart.due()
    (True, True, True, 5.5)
    >>> heart.beat(now=5.5)
    Traceback (most recent call last):
    minizmtp.net.heartbeat.Silence: no sign of life for 2.5 s after a PING (heartbeat_timeout)

**A peer that we don't read is not dead.** If the program is slow and the inbound queue is full, the engine stops
reading, and the peer's traffic stays unread. libzmq takes that for silence and disconnects a healthy peer (L-14). We
don't apply the timeout while we don't read. The peer should not disconnect either, although we don't answer its PINGs,
so we send PONGs without being asked: two in each of its intervals, or ten in a second if no PING has been read yet,
because the first one may be among the unread data. (All connections of a Context together send at most 1000 of these in
a second, see `pulse`; so a thousand unread peers cost 1 % of a core.)

We don't apply the timeout either if the program itself kept us from reading, because it computed for seconds: if `beat`
is called late, the engine first reads what has arrived.

    >>> heart = Heartbeat(interval=1.0, timeout=2.5, now=0.0)
    >>> heart.beat(now=1.0), heart.beat(now=60.0), heart.due()
    (True, False, 60.01)

Read next: `pulse`, or `engine` at once.
"""

import math

NEVER = math.inf

# The shortest interval between PINGs that we assume, in seconds. Two PINGs that arrived in one read seem to have no
# time between them, so they say nothing about the peer's interval.
SHORTEST = 0.01

# Seconds between PONGs to a peer with an unknown interval.
UNASKED = 0.1

# If `beat` is called more than this many seconds after its time, it is late; the engine then gets the same time to read
# what has arrived.
LATE = 0.01


class Silence(Exception):
    """The peer has been silent for too long."""


class Heartbeat:
    """interval: seconds between our PINGs (inf: none). timeout: seconds of silence after a PING that raise Silence.

    All times are in seconds and come from the same clock.
    """

    def __init__(self, interval: float = NEVER, timeout: float = NEVER, now: float = 0.0) -> None:
        self._interval = interval
        self._timeout = timeout
        self._next_ping = now + interval
        self._unanswered = NEVER  # time of the oldest unanswered PING, or of the last `moved`
        self._heard = now
        self._peer_ttl = NEVER
        self._peer_pinged = -NEVER  # not yet
        self._peer_interval = NEVER
        self._look_first = 0.0  # no verdict before this time, because `beat` was called late

    def heard(self, now: float) -> None:
        """Octets arrived from the peer."""
        self._heard = now
        self._unanswered = NEVER

    @property
    def is_asking(self) -> bool:
        """True if a PING was sent and nothing has arrived since."""
        return self._unanswered < NEVER

    def moved(self, now: float) -> None:
        """The PING has not been sent completely, but octets have left since the last call of `beat`."""
        if self.is_asking:
            self._unanswered = now

    def heard_ping(self, ttl: float, now: float) -> None:
        """A PING arrived. ttl: in seconds, 0 for none; it applies from now on."""
        self._heard = now  # the ttl counts from now, because without one `heard` may not have been called
        self._peer_ttl = ttl or NEVER
        # Keep the shortest interval, because PINGs seem to be far apart after a pause in which we didn't read.
        if now - self._peer_pinged >= SHORTEST:
            self._peer_interval = min(self._peer_interval, now - self._peer_pinged)
        self._peer_pinged = now

    def due(self) -> float:
        """The time at which `beat` has to be called next."""
        return max(self._look_first, min(self._next_ping, self._end()))

    def _end(self) -> float:
        """The time at which the peer counts as dead if nothing arrives."""
        return min(self._unanswered + self._timeout, self._heard + self._peer_ttl)

    def beat(self, now: float) -> bool:
        """Call this at the time `due()`. Returns True if a PING has to be sent. Raises Silence if the peer has been
        silent for too long."""
        if (
            now > self._end() + LATE and self._look_first <= self._end()
        ):  # only once, so that a busy program times out too
            self._look_first = now + LATE
            return False
        if now >= self._unanswered + self._timeout:
            raise Silence(f"no sign of life for {self._timeout:g} s after a PING (heartbeat_timeout)")
        if now >= self._heard + self._peer_ttl:
            raise Silence(f"no sign of life for {self._peer_ttl:g} s, the peer's own limit (the ttl of its PING)")
        if now < self._next_ping:
            return False
        self._next_ping = now + self._interval
        self._unanswered = min(self._unanswered, now)
        return True

    def rhythm(self) -> float:
        """Seconds between the PONGs that we send unasked while we don't read."""
        peer_interval = self._peer_interval / 2 if self._peer_interval < NEVER else UNASKED
        return max(SHORTEST, min(self._interval, peer_interval, self._peer_ttl / 2))
