r"""Turns: how long a task works on what a peer sent before other tasks run.

trio switches tasks when one of them waits.  A peer that sends a million chunks of one octet in a few reads gives no
reason to wait, and would hold up all other tasks for seconds.  So work is counted, and after each TURN of it others
run:

    this task      ███ TURN ███                ███ TURN ███
    others                     ▒▒ ▒ ▒▒▒▒                   ▒▒ ▒▒▒ ▒      those that are ready, one step each

The unit is a microsecond as measured once: the same octets give the same count on every machine, and tests check it.
Work that cannot be divided, such as one head with 200 headers, is followed by a pause for each TURN of it.

    >>> turn = Turn()
    >>> turn.spent += 4 * EVENT; turn.spent < TURN
    True
    >>> turn.spent += EVENT; turn.spent < TURN     # so other tasks run after five chunks
    False

Because a peer may open a thousand connections, pauses end one at a time: in each round of trio's loop, one task of all
connections goes on with its work.

Below this module: nothing.  Above it: `decoders`, `connection` and the server's `session` count their work.
Read next: `decoders`.
"""

import trio

TURN = 30  # then others run; their round trips stay within three times of what they take without us
EVENT = 6  # one event of h11, such as one chunk of a body
LINE = 2  # one header line, or trailer …
USUAL = 30  # … beyond so many, which are free, so that a usual exchange needs no pause
FEED = 8192  # octets that h11 is given at a time where it parses lines; of short lines, an eighth

_door: trio.lowlevel.RunVar[trio.Lock] = trio.lowlevel.RunVar("minihttp.turns")


class Turn:
    """What one task has done since others had a turn."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent: float = 0

    async def end(self) -> None:
        """Let other tasks run: once, and once more for each further TURN of work."""
        pauses, self.spent = max(1, int(self.spent) // TURN), 0
        try:
            door = _door.get()
        except LookupError:
            door = trio.Lock()
            _door.set(door)
        for _ in range(pauses):
            async with door:  # trio hands a lock over from one round of its loop to the next, first come, first served
                pass


def cost_of_lines(count: int) -> int:
    return LINE * (count - USUAL) if count > USUAL else 0


def bite(octets: bytes, start: int) -> int:
    """How many of the octets from `start` h11 is given, so that one call to it has few lines to parse."""
    is_dense = octets.count(b"\n", start, start + FEED) > FEED // 64
    return FEED // 8 if is_dense else FEED
