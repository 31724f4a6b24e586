"""The account of a conversation: what was sent, what arrived, and what may be missing by the documented rules.

    nothing lost           while a connection lives: TCP sends again what the network loses
    lost, connecting side  what the system had taken when the connection broke (L-8)
    lost, bound side       what was queued for the connection that broke (28-23, 29-4, 30-5)
    never                  a message twice, in parts, or out of order within one connection

So all that a broken connection costs are messages that were sent one after the other: those that were under way, and,
if the sender drops messages without a connection, those behind them until it is connected again. `Account.faults`
compares these gaps with the times at which a connection of the sender ended, which its monitor has told, or its life.
None of this depends on how quick the machine is.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

LIFE = 1_000_000  # the numbers of a node that was started again begin at the next multiple


@dataclass
class Account:
    """sent, got, reply: the number of each message and the moment of it, in order. broke: the moments at which the
    sender's connections ended. done: when it stopped sending.

    published: the sender is a PUB, which drops what it sends before the subscription has arrived. keeps: the sender
    connects, and keeps what it sends without a connection."""

    published: bool = False
    keeps: bool = False
    broke: list[tuple[int, float]] = field(default_factory=list)
    done: list[tuple[int, float]] = field(default_factory=list)
    sent: list[tuple[int, float]] = field(default_factory=list)
    got: list[tuple[int, float]] = field(default_factory=list)
    reply: list[tuple[int, float]] = field(default_factory=list)

    def lost(self, *, replies: bool = False) -> list[float]:
        """When the messages were sent that have not arrived (replies: whose reply has not arrived)."""
        arrived = {number for number, _ in (self.reply if replies else self.got)}
        first = min(arrived, default=0) if self.published else 0
        return [moment for number, moment in self.sent if number not in arrived and number >= first]

    def gaps(self) -> list[range]:
        """Runs of messages that have not arrived, as places in `sent`. For a PUB without those of its beginning."""
        arrived = {number for number, _ in self.got}
        places = {place for place, (number, _) in enumerate(self.sent) if number not in arrived}
        starts = sorted(place for place in places if place - 1 not in places)
        ends = sorted(place + 1 for place in places if place + 1 not in places)
        gaps = [range(start, end) for start, end in zip(starts, ends, strict=True)]
        return gaps[1:] if self.published and gaps and gaps[0].start == 0 else gaps

    def lives(self) -> list[float]:
        """When the sender's program was started again: the first messages of its later lives."""
        return [at for (before, _), (number, at) in pairwise(self.sent) if number // LIFE != before // LIFE]

    def faults(self) -> list[str]:
        """What no rule allows.

        >>> one = Account(keeps=True, sent=[(number, float(number)) for number in range(9)], broke=[(0, 4.5)])
        >>> one.got = [(0, 0.1), (1, 1.1), (5, 5.1), (6, 6.1), (7, 7.1), (8, 8.1)]
        >>> one.faults(), [*one.gaps()]
        ([], [range(2, 5)])
        >>> del one.got[4]
        >>> one.faults()[-1]
        '1 lost, from 7 to 7, sent at 7.00 to 7.00, after the connections ended: [4.5]'
        """
        ends = sorted([at for _, at in self.broke] + self.lives())
        found = [f"came twice: {self.twice()}"] if self.twice() else []
        if self.strands() > len(ends) + 1:
            found.append(f"{self.strands()} increasing sequences, of {len(ends) + 1} connections")
        gaps = self.gaps()
        for count, gap in enumerate(gaps):
            first, last = self.sent[gap.start], self.sent[gap.stop - 1]
            words = f"{len(gap)} lost, from {first[0]} to {last[0]}, sent at {first[1]:.2f} to {last[1]:.2f}"
            # Each of the gaps from here on has an end of a connection of its own, after the last message that arrived
            # before it: a PUB also drops what it is given when its peer has just gone.
            if sum(at >= self.sent[max(gap.start - 1, 0)][1] for at in ends) < len(gaps) - count:
                found.append(f"{words}; connections ended at {ends}")
            # One message may have been with the system, and noted only after the end of the connection.
            if self.keeps and not any(self.sent[max(gap.start, gap.stop - 2)][1] <= at for at in ends):
                found.append(f"{words}, after the connections ended: {ends}")
        return found

    def last_arrival(self) -> float:
        """The moment of it; 0 if there is none."""
        return max((at for side in (self.got, self.reply) for _, at in side[-1:]), default=0.0)

    def twice(self) -> list[int]:
        """The numbers that arrived more than once."""
        return [number for side in (self.got, self.reply) for number in duplicates([number for number, _ in side])]

    def strands(self) -> int:
        """Into how many increasing sequences the arrivals can be split at least: 1 if all are in order. More than there
        were connections means that one of them was out of order."""
        return max(fewest_increasing([number for number, _ in side]) for side in (self.got, self.reply))


def duplicates(numbers: list[int]) -> list[int]:
    """
    >>> duplicates([1, 2, 2, 3, 1])
    [2, 1]
    """
    seen: set[int] = set()
    return [number for number in numbers if number in seen or seen.add(number)]  # type: ignore[func-returns-value]


def fewest_increasing(numbers: list[int]) -> int:
    """By Dilworth's theorem, the length of the longest decreasing subsequence.

    >>> fewest_increasing([0, 1, 2, 3]), fewest_increasing([5, 1, 6, 2, 7]), fewest_increasing([3, 2, 1])
    (1, 2, 3)
    """
    tails: list[int] = []  # tails[k]: the smallest negated last number of a decreasing subsequence of k + 1 numbers
    for number in numbers:
        place = bisect_left(tails, -number)
        tails[place : place + 1] = [-number]
    return len(tails)


class Books:
    """The accounts of these conversations, from the logs of both ends. Each line is read once, because the relay runs
    in the same process and must not wait."""

    def __init__(self, names: list[str]) -> None:
        self.accounts = {
            name: Account(published="PUB" in name, keeps=name.startswith(("PUSH", "DEALER"))) for name in names
        }
        self._read: dict[Path, int] = defaultdict(int)

    def read(self, log: Path) -> None:
        """What has been written to a log since it was read last."""
        for line in lines_behind(log, self._read[log]):
            self._read[log] += len(line)
            moment, name, what, number = line.decode().split()
            if what in ("sent", "got", "reply", "broke", "done"):
                getattr(self.accounts[name], what).append((int(number), float(moment)))


def lines_behind(log: Path, place: int) -> list[bytes]:
    """The complete lines of a log from this place on; none if there is no log."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(place)
        return [line for line in file if line.endswith(b"\n")]
