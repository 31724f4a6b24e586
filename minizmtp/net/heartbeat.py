"""Heartbeats: noticing that a peer has died without saying so.                   37/ZMTP 3.1, "Connection Heartbeating"

A cable that is pulled sends no end of stream: TCP alone may take a quarter of an hour to find out. So each side may ask
every `heartbeat_ivl` for a sign of life, and take silence for death:

    PING ttl context  ──►                we ask, every heartbeat_ivl
                      ◄──  PONG context  a sign of life; so is every other octet that comes (37-73)
    PING ttl context  ──►
          …  nothing within heartbeat_timeout: it is dead (37-75)

**The timeout runs from when the question is out**, and not from when it was queued: a PING behind a message of 8 MB
takes its time to arrive on a slow link. While it is on its way, octets that leave are a sign of life too: the engine
tells of them by `moved`, and the timeout starts anew. A link on which nothing moves is as dead as a silent peer.

    >>> heart = Heartbeat(interval=1.0, timeout=2.5, now=0.0)
    >>> heart.beat(now=1.0), heart.beat(now=2.0), heart.beat(now=3.0)
    (True, True, True)
    >>> heart.moved(now=3.4); heart.beat(now=4.0), heart.beat(now=5.0), heart.due()
    (True, True, 5.9)

The `ttl` in a PING is a promise that needs no answer: "if you hear nothing of me for so long, I am dead" (37-76).

All that is decided here, from times that are given; nothing here waits:

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

**A peer that we do not read is not dead.** When the program is slow and the inbound queue full, the engine stands
still, and signs of life go unread. libzmq takes that for silence and parts from a healthy peer (L-14). We do not judge
while we do not listen. The peer, whose PINGs we do not read either, must not judge us, so we send it PONGs unasked:
twice in each of its intervals, or ten times a second if it has not asked yet, because its first PING may be among what
we do not read. (All connections of a Context together send at most 1000 of these in a second, see `engine`: then a
thousand peers that are not read cost 1 % of a core.)

Nor do we judge when the program has kept us from listening, because it computed for seconds: who is called late looks
first at what has come meanwhile.

    >>> heart = Heartbeat(interval=1.0, timeout=2.5, now=0.0)
    >>> heart.beat(now=1.0), heart.beat(now=60.0), heart.due()
    (True, False, 60.01)

Below this module: nothing. Above it: `engine`. Read next: `engine`.
"""

import math

NEVER = math.inf

# Two PINGs that came in one read seem to be no time apart, and say nothing of the peer's interval. No interval is taken
# to be shorter than this many seconds.
SHORTEST = 0.01

# Seconds between PONGs for a peer whose rhythm is not known.
UNASKED = 0.1

# So many seconds after its time, `beat` is late; and so many are then enough to read what has come.
LATE = 0.01


class Silence(Exception):
    """The peer has been silent for too long."""


class Heartbeat:
    """interval: seconds between our PINGs (inf: none). timeout: seconds of silence after a PING that mean death.

    All times are of one clock, in seconds.
    """

    def __init__(self, interval: float = NEVER, timeout: float = NEVER, now: float = 0.0) -> None:
        self._interval = interval
        self._timeout = timeout
        self._next_ping = now + interval
        self._unanswered = NEVER  # when we first asked, of what has not been answered, or when it last moved
        self._heard = now
        self._peer_ttl = NEVER
        self._peer_pinged = -NEVER  # not yet
        self._peer_interval = NEVER
        self._look_first = 0.0  # until then, for we were late

    def heard(self, now: float) -> None:
        """Something came."""
        self._heard = now
        self._unanswered = NEVER

    @property
    def is_asking(self) -> bool:
        """Has the peer been asked, and not said anything since?"""
        return self._unanswered < NEVER

    def moved(self, now: float) -> None:
        """The question was still on its way, and octets have left since `beat` was called last."""
        if self.is_asking:
            self._unanswered = now

    def heard_ping(self, ttl: float, now: float) -> None:
        """A PING came. ttl: its promise in seconds, 0 for none; it holds from now on."""
        self._heard = now  # it counts from here: until now, it may be, nobody had a reason to look at the clock
        self._peer_ttl = ttl or NEVER
        # The shortest counts: after a pause in which we did not read, PINGs seem to be far apart.
        if now - self._peer_pinged >= SHORTEST:
            self._peer_interval = min(self._peer_interval, now - self._peer_pinged)
        self._peer_pinged = now

    def due(self) -> float:
        """When `beat` is to be called next."""
        return max(self._look_first, min(self._next_ping, self._end()))

    def _end(self) -> float:
        """When the peer is dead, if it says nothing."""
        return min(self._unanswered + self._timeout, self._heard + self._peer_ttl)

    def beat(self, now: float) -> bool:
        """The time has come: True if a PING is to be sent. Raises Silence if the peer is dead."""
        if now > self._end() + LATE and self._look_first <= self._end():  # once, or a busy program would never judge
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
        """How often, in seconds, the peer wants to hear from us while we do not listen."""
        peer_interval = self._peer_interval / 2 if self._peer_interval < NEVER else UNASKED
        return max(SHORTEST, min(self._interval, peer_interval, self._peer_ttl / 2))
