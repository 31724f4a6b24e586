"""Run limits: how much one connection may do before other connections and tasks have their turns.

    among floods, or alone      ├─── decode 512 ────┤├─── decode 512 ────┤        more messages a second
    beside a dialogue           ├ 32 ┤ · ├ 32 ┤ · ├ 32 ┤ ·                        · other connections and tasks

One read may bring a thousand messages, sixteen thousand PINGs, or a message of thirty thousand frames, because a peer
may send whatever it likes. So each run of an engine has an allowance of work, counted in short frames (see
`wire.connection`). What is left over stays in the decoder, nothing more is read, and the next run goes on.

A large allowance is cheaper, because each run costs as much as some thirty messages. A small one is fairer, because a
request that arrives meanwhile waits for the end of the run. So the allowance depends on the other connections. A *long
run* uses up its limits, and a *short run* needs very little. If the other connections of a Context made as many short
runs as long ones since the last long run of this connection, its runs are limited more for a tenth of a second:

    >>> shared = RunCounts()
    >>> flood, dialogue = RunLimits(shared), RunLimits(shared)
    >>> flood.note(work=512, octets=65536, clock=lambda: 0.0); flood.work
    512
    >>> dialogue.note(work=1, octets=66, clock=lambda: 0.01)
    >>> flood.note(work=512, octets=65536, clock=lambda: 0.02); flood.work
    32
    >>> flood.note(work=32, octets=65536, clock=lambda: 0.2); flood.work
    512

`python -m benchmarks.strangers` measures what a flood costs the other peers.

Read next: `reactor`.
"""

from collections.abc import Callable

# Reads in one run, and octets and messages that are read. (With a run for each read, a PULL takes a fifth more time for
# messages of 1 KiB, and half as much again for 64 KiB.)
READS = 16
OCTETS = 1 << 20
MESSAGES = 256

# What a run may decode, in short frames: about 0.12 ms. A read of messages of 64 octets holds twice as many. To decode
# them in one run would save little, and it costs a `recv_many` more: its messages are lists, and Python's garbage
# collector looks at all new lists when there are 700. (With a hundred SUB sockets that is a fifth of their time.)
WORK = 512

# Beside a dialogue: the work of a run, and the octets of its only read. A round trip takes longer than either.
SHORT_WORK = 32
SHORT_OCTETS = 65536

# Seconds for which a dialogue matters after it was seen.
SHARING = 0.1


class RunCounts:
    """What the connections of one Context know of each other: how many runs of either kind they made."""

    def __init__(self) -> None:
        self.long = self.short = 0


class RunLimits:
    """The limits of the next run of one connection.

    work: in short frames. reads: how many. octets: in one read (0: as many as there are).
    """

    __slots__ = ("_long_seen", "_seen_at", "_shared", "_sharing_until", "_short_seen", "octets", "reads", "work")

    def __init__(self, shared: RunCounts) -> None:
        self._shared = shared
        # Runs of all connections up to our last long run, and the short ones that we have made since.
        self._long_seen = self._short_seen = 0
        self._seen_at = self._sharing_until = -SHARING
        self.work, self.reads, self.octets = WORK, READS, 0

    def note(self, work: int, octets: int, clock: Callable[[], float]) -> None:
        """A run has ended that did so much work and read so many octets. clock: in seconds. A short run does not ask
        it, because trio's clock would be three more calls for each read."""
        shared = self._shared
        if work < self.work and octets < SHORT_OCTETS:
            if work < SHORT_WORK:
                shared.short += 1
                self._short_seen += 1  # because our own short runs are no reason to hurry
            return
        now = clock()
        short, long = shared.short - self._short_seen, shared.long - self._long_seen
        # Counts from long ago say nothing about the connections that work now.
        if 0 < short >= long and now < self._seen_at + SHARING:
            self._sharing_until = now + SHARING
        shared.long += 1
        self._short_seen, self._long_seen, self._seen_at = shared.short, shared.long, now
        if now < self._sharing_until:
            self.work, self.reads, self.octets = SHORT_WORK, 1, SHORT_OCTETS
        else:
            self.work, self.reads, self.octets = WORK, READS, 0

    @property
    def is_sharing(self) -> bool:
        return self.reads == 1
