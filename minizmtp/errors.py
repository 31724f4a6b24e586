"""Errors: what can go wrong, and where it is reported.

There are two kinds of mistake, and they never mix:

* **ours**: the program asks for something that is not possible. The call raises `ZMQError`, with libzmq's number in
  `.errno` and a sentence that says what to do instead.
* **theirs**: the peer breaks the protocol. No call raises, because the program did nothing wrong. The `wire` raises
  a `ProtocolError`, which the engine catches: it closes the connection and reports the reason to the monitor.

    >>> error = ZMQError(EFSM, "this REQ awaits a reply: recv() before the next send()")
    >>> error.errno == EFSM
    True
    >>> print(error)
    EFSM: this REQ awaits a reply: recv() before the next send()

Read next: `constants`.
"""

import errno as _errno
from enum import IntEnum
from errno import (
    EADDRINUSE,
    EADDRNOTAVAIL,
    EHOSTUNREACH,
    EINVAL,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOTSOCK,
    ENOTSUP,
    EPROTONOSUPPORT,
)
from errno import EAGAIN as EAGAIN

__all__ = [
    "EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN", "EFSM", "EHOSTUNREACH", "EINVAL", "ENAMETOOLONG", "ENODEV", "ENOENT",
    "ENOTSOCK", "ENOTSUP", "EPROTONOSUPPORT", "ETERM", "Again", "ContextTerminated", "ProtocolError", "Refused",
    "Secret", "Violation", "ZMQError", "printable",
]  # fmt: skip

# libzmq's own error numbers, far above those of any system. EFSM: the call doesn't fit the socket's state. ETERM: the
# context is closed.
EFSM = 156384763
ETERM = 156384765

_NAMES = {EFSM: "EFSM", ETERM: "ETERM"}


class ZMQError(Exception):
    """A call failed. `errno` is the number that pyzmq would give, `strerror` says why it failed and what to do."""

    def __init__(self, errno: int, strerror: str) -> None:
        super().__init__(errno, strerror)
        self.errno = errno
        self.strerror = strerror

    def __str__(self) -> str:
        name = _NAMES.get(self.errno) or _errno.errorcode.get(self.errno, str(self.errno))
        return f"{name}: {self.strerror}"


class Again(ZMQError):
    """The call would have to wait: it was made with NOBLOCK, or the timeout (sndtimeo, rcvtimeo) is over."""

    def __init__(self, strerror: str = "operation would block") -> None:
        super().__init__(EAGAIN, strerror)


class ContextTerminated(ZMQError):
    """The context is closed, so it can't make sockets any more."""

    def __init__(self, strerror: str = "this Context is closed: make a new one") -> None:
        super().__init__(ETERM, strerror)


class Violation(IntEnum):
    """libzmq's numbers for protocol violations, as a monitor reports them (zmq.h, ZMQ_PROTOCOL_ERROR_*)."""

    UNSPECIFIED = 0x10000000
    UNEXPECTED_COMMAND = 0x10000001
    INVALID_SEQUENCE = 0x10000002
    KEY_EXCHANGE = 0x10000003
    MALFORMED_COMMAND = 0x10000011
    MALFORMED_MESSAGE = 0x10000012
    MALFORMED_HELLO = 0x10000013
    MALFORMED_INITIATE = 0x10000014
    MALFORMED_ERROR = 0x10000015
    MALFORMED_READY = 0x10000016
    MALFORMED_WELCOME = 0x10000017
    INVALID_METADATA = 0x10000018
    CRYPTOGRAPHIC = 0x11000001
    MECHANISM_MISMATCH = 0x11000002
    # Violations by a ZAP handler, which decides whether a peer may connect (see `zap`):
    ZAP_MALFORMED_REPLY = 0x20000001
    ZAP_BAD_REQUEST_ID = 0x20000002
    ZAP_BAD_VERSION = 0x20000003
    ZAP_INVALID_STATUS_CODE = 0x20000004
    ZAP_INVALID_METADATA = 0x20000005


class ProtocolError(Exception):
    """The peer broke the protocol. The text says what was found, what was expected, and which RFC requires it.

    `violation` is the number for a monitor. `at` is the offset of the octet that breaks the rule, in the bytes that
    were being decoded; None if no single octet is wrong. `is_zmtp` is False if the peer doesn't speak ZMTP 3: another
    program listens on the port, or the peer is older.

    The connection is closed. The connecting side doesn't dial again, because the same peer would fail the same way;
    if `is_zmtp` is False it does, because the right peer may have taken over the port by then.
    """

    def __init__(
        self, words: str, violation: Violation = Violation.UNSPECIFIED, *, at: int | None = None, is_zmtp: bool = True
    ) -> None:
        super().__init__(words)
        self.violation = violation
        self.at = at
        self.is_zmtp = is_zmtp


class Refused(ProtocolError):
    """The peer refused us, or we refused the peer (37-15). status: 300, 400 or 500 (27-17), 0 if unknown."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class Secret(bytes):
    """Bytes that must not appear in a log or an error: a password, a secret key. Only their repr and str are different
    from those of other bytes, and so the repr of a container doesn't show them either.

    >>> password = Secret(b"open sesame")
    >>> password, f"{password}", {"plain_password": password}, password == b"open sesame"
    (<secret>, '<secret>', {'plain_password': <secret>}, True)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


def printable(octets: bytes) -> str:
    r"""Bytes from a peer, made safe for a log line: control characters are escaped, because they could move a
    terminal's cursor, and everything after the first 40 bytes is cut off.

    >>> printable(b"REQ"), printable(b"\x1b[2J"), len(printable(bytes(65536)))
    ('REQ', '\\x1b[2J', 163)
    """
    return repr(octets[:40])[2:-1] + ("..." if len(octets) > 40 else "")
