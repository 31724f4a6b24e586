"""The account of a conversation: what was sent, what arrived, and what may be missing by the documented rules.

    nothing lost           while a connection lives: TCP sends again what the network loses
    lost, connecting side  what the system had taken when the connection broke (L-8)
    lost, bound side       what was queued for the connection that broke (28-23, 29-4, 30-5)
    never                  a message twice, in parts, or out of order within one connection

A message can only be missing if it was sent between the moment when the trouble began and the moment when the sender
had noticed it, or, if the sender drops messages without a connection, was connected again. `Account.lost` gives the
moments at which the missing ones were sent.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Account:
    """sent, got, reply: the number of each message and the moment of it, in order.

    published: the sender is a PUB, which drops what it sends before the subscription has arrived."""

    published: bool = False
    sent: list[tuple[int, float]] = field(default_factory=list)
    got: list[tuple[int, float]] = field(default_factory=list)
    reply: list[tuple[int, float]] = field(default_factory=list)

    def lost(self, *, replies: bool = False) -> list[float]:
        """When the messages were sent that have not arrived (replies: whose reply has not arrived)."""
        arrived = {number for number, _ in (self.reply if replies else self.got)}
        first = min(arrived, default=0) if self.published else 0
        return [moment for number, moment in self.sent if number not in arrived and number >= first]

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


def read(logs: list[Path]) -> dict[str, Account]:
    """The accounts of all conversations, from the logs of both ends."""
    accounts: dict[str, Account] = defaultdict(Account)
    for log in logs:
        for line in log.read_text().splitlines():
            moment, name, what, number = line.split()
            if what in ("sent", "got", "reply"):
                getattr(accounts[name], what).append((int(number), float(moment)))
    for name, one in accounts.items():
        one.published = "PUB" in name
    return accounts
