"""Reports: what the program is told when a connection ends.                                 zmq_socket_monitor(3)

    the connection ended   ──►  explain(reason)  ──►  an event for the socket's monitors
                                                 ──►  a line in the log, once for each cause

No error of a connection is raised, because the call that it would reach has nothing to do with it. So each becomes an
event, and what the program or its user should know is logged:

    warning   the peer refuses us or breaks the protocol, or this system has no files left
    info      the same where anything on the network may connect, because that is not a fault of the program
    error     an error in this library, with its traceback
    nothing   a server that is not there yet, a peer that leaves: the monitors are told

Read next: `link`.
"""

import logging
import math
import re
from typing import NamedTuple

import trio

from ..constants import Event
from ..errors import ProtocolError, Refused
from ..options import Options
from ..patterns import Pipe
from .advice import advice
from .parting import QUIET, REFUSED_OCTETS
from .pulse import Disconnected

log = logging.getLogger("minizmtp")

# How many different failures of one endpoint are logged. A bound, because a peer chooses the text, and each is kept.
MAX_LOGGED = 100

HEARTBEATS_OFF = (
    "heartbeat_ivl has no effect with this peer, because it speaks ZMTP 3.0, which has no PING. If it is libzmq 4.2"
    " or later, JeroMQ or NetMQ, which answer PING all the same, set heartbeat_old_peers to 1"
)


class Report(NamedTuple):
    """text: for the log and the monitors. level: at which it is logged, 0 if it is not. event: of a handshake that
    failed, with its value."""

    text: str
    level: int = 0
    event: Event | None = None
    value: int = 0


class LogOnce:
    """Logs each reason once for one endpoint, because a peer may come again every 100 ms."""

    def __init__(self) -> None:
        self.has_warned = False  # of a failure, since the endpoint last worked
        self._logged: dict[str, bool] = {}  # by reason: is it to be kept by forget_failures?

    def __call__(self, reason: str, level: int = logging.WARNING, *, is_failure: bool = True, cause: str = "") -> None:
        """cause: if given, counts instead of the reason, which may say of each peer something else."""
        cause = cause or reason
        if cause not in self._logged and not (is_failure and len(self._logged) >= MAX_LOGGED):
            self._logged[cause] = not is_failure
            self.has_warned |= is_failure and level >= logging.WARNING
            log.log(level, "%s", reason)

    def failure(self, report: Report, peer: str, *, dialled: bool, is_ready: bool) -> None:
        """Log why a connection ended: once for each cause, whatever numbers the text has."""
        if dialled:
            self(report.text, report.level)
        elif not is_ready:
            # Anything on the network may connect here and fail, and that is not a fault of the program.
            self(report.text, logging.INFO)
        else:
            self(f"{report.text} (the peer is {peer})", cause=re.sub(r"\d+", "", report.text))

    def forget_failures(self) -> None:
        """The endpoint works now, so its next failure is news again."""
        self.has_warned = False
        self._logged = {reason: True for reason, is_kept in self._logged.items() if is_kept}


class Closed(Exception):
    """We have closed the connection ourselves."""

    def __init__(self) -> None:
        super().__init__("closed by us")


def code_and_reason(error: Exception) -> tuple[int, str]:
    """The number of an error of the system (0 for any other), and what it says."""
    return (error.errno or 0, str(error.strerror)) if isinstance(error, OSError) else (0, repr(error))


def may_read_until(reason: Exception, pipe: Pipe | None, end_of_linger: float) -> tuple[float, float]:
    """The time until which the peer may still read what was sent to it (0: nothing was of value), and how much it may
    send meanwhile; see `parting`. pipe: None before the handshake is done."""
    if pipe is None:  # there may be an ERROR, or an answer of HTTP
        return trio.current_time() + QUIET if isinstance(reason, ProtocolError) else 0, REFUSED_OCTETS
    return end_of_linger if isinstance(reason, Closed) and pipe.outbound.taken else 0, math.inf


def explain(
    reason: Exception, endpoint: str, options: Options, *, is_ready: bool, greeting: int | None, dialled: bool
) -> Report:
    """Why a connection ended. is_ready: it had shaken hands. greeting: octets of the peer's greeting that have come,
    None when all have. dialled: on the connecting side."""
    hint = "" if is_ready else advice(reason, options, greeting, dialled=dialled)
    text = f"{endpoint}: {reason}{hint}"
    if isinstance(reason, Closed):
        return Report(str(reason))  # nothing has failed
    if isinstance(reason, Refused):
        return Report(text, logging.WARNING, Event.HANDSHAKE_FAILED_AUTH, reason.status)
    if isinstance(reason, ProtocolError):
        event = None if is_ready else Event.HANDSHAKE_FAILED_PROTOCOL
        return Report(text, logging.WARNING, event, reason.violation)
    level = 0
    if isinstance(reason, OSError):  # of this system, because the engine turns those of a stream into Disconnected
        text, level = f"{endpoint}: {reason.strerror}{hint}", logging.WARNING
    elif not isinstance(reason, Disconnected):
        return Report(text)
    elif hint:  # a warning only if the cause is likely, because a server that is being stopped hangs up like this, too
        level = logging.WARNING if "most likely" in hint else logging.INFO
    return Report(text, level, None if is_ready else Event.HANDSHAKE_FAILED_NO_DETAIL, reason.errno or 0)
