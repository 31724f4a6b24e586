"""Timeout and Limits: how long, and how many.                                       names and meaning: httpx

A request goes through four phases, and each has its own timeout, in seconds; `None` waits for ever:

    pool ──────────► connect ───────────► write ──────────► read
    wait for a       DNS, TCP, TLS        until the server  until the server
    free place       (new ones only)      takes something   sends something

The last two ask for progress: they begin anew with every octet that the server takes or sends.  The read timeout does
not run while a request is being sent and its response has not begun, because a server may want all of it first.

None of them bounds the whole request: a server may send an octet now and then.  To bound the whole, write
`with trio.fail_after(10):` around the call.  To cancel a call is always safe.

The kernels report progress in steps: of some 64 KiB on one machine, and of a sixteenth of the receive buffer at most
across a network.  A server that reads less than one step within the write timeout counts as dead.

    >>> Timeout(5, connect=1)
    Timeout(connect=1, read=5, write=5, pool=5)
    >>> Timeout(None) == Timeout(connect=None, read=None, write=None, pool=None)
    True

Below this module: nothing.  Above it: `streams`, `connection` and `pool` obey these numbers.  Read next: `urls`.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto


class Absent(Enum):
    """ABSENT marks an argument that was left out, where None already has a meaning."""

    ABSENT = auto()


ABSENT = Absent.ABSENT


class Timeout:
    """Patience per phase, in seconds.  One number sets all four; keywords set one phase each."""

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None

    def __init__(
        self,
        timeout: "Timeout | float | tuple[float | None, ...] | Absent | None" = ABSENT,
        *,
        connect: float | Absent | None = ABSENT,
        read: float | Absent | None = ABSENT,
        write: float | Absent | None = ABSENT,
        pool: float | Absent | None = ABSENT,
    ) -> None:
        if isinstance(timeout, Timeout):
            timeout = timeout.connect, timeout.read, timeout.write, timeout.pool
        defaults = timeout if isinstance(timeout, tuple) else (timeout,) * 4
        phases = [
            default if given is ABSENT else given
            for default, given in zip(defaults, (connect, read, write, pool), strict=True)
        ]
        self.connect, self.read, self.write, self.pool = map(_checked, phases)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeout) and repr(self) == repr(other)

    __hash__ = None  # type: ignore[assignment]  # as for any mutable value

    def __repr__(self) -> str:
        return f"Timeout(connect={self.connect}, read={self.read}, write={self.write}, pool={self.pool})"


def _checked(seconds: float | Absent | None) -> float | None:
    if isinstance(seconds, Absent):
        raise ValueError("Timeout: give one number for all phases, or each of connect, read, write and pool")
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"timeout of {seconds}: expected seconds >= 0, or None for no limit")
    return seconds


def seconds(timeout: float | None) -> float:
    """The timeout as trio takes it: "for ever" is an infinite number.

    >>> seconds(None), seconds(5)
    (inf, 5)
    """
    return math.inf if timeout is None else timeout


@dataclass(frozen=True)
class Limits:
    """How many connections; None is no limit.

    max_connections            open at the same time, to all origins; further requests wait
    max_keepalive_connections  of these, how many may be kept idle
    keepalive_expiry           seconds after which an idle one is closed instead of used
    """

    max_connections: int | None = None
    max_keepalive_connections: int | None = None
    keepalive_expiry: float | None = 5.0


DEFAULT_TIMEOUT = Timeout(5.0)
DEFAULT_LIMITS = Limits(max_connections=100, max_keepalive_connections=20)
