"""What can go wrong, and who hears of it.

Two kinds of mistake, and they never mix:

* **ours**: the program asks for something that cannot be. The call raises `ZMQError`, with libzmq's number in
  `.errno` and a sentence that says what to do instead.
* **theirs**: the peer breaks the protocol. Nobody's call raises. The connection ends, and its monitor tells why:
  that is a `ProtocolError`, which travels from the `wire` to the engine and no further.

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
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "EAGAIN",
    "EFSM",
    "EHOSTUNREACH",
    "EINVAL",
    "ENAMETOOLONG",
    "ENODEV",
    "ENOENT",
    "ENOTSOCK",
    "ENOTSUP",
    "EPROTONOSUPPORT",
    "ETERM",
    "Again",
    "ContextTerminated",
    "ProtocolError",
    "Refused",
    "Secret",
    "Violation",
    "ZMQError",
    "printable",
]

# Numbers of libzmq's own, far above any system's: "this call does not fit the socket's state", "the context is gone".
EFSM = 156384763
ETERM = 156384765

_NAMES = {EFSM: "EFSM", ETERM: "ETERM"}


class ZMQError(Exception):
    """A call that cannot be done. `errno` is the number that pyzmq would give, `strerror` the sentence."""

    def __init__(self, errno: int, strerror: str) -> None:
        super().__init__(errno, strerror)
        self.errno = errno
        self.strerror = strerror

    def __str__(self) -> str:
        name = _NAMES.get(self.errno) or _errno.errorcode.get(self.errno, str(self.errno))
        return f"{name}: {self.strerror}"


class Again(ZMQError):
    """It would have to wait, and was told not to (NOBLOCK), or not for so long (sndtimeo, rcvtimeo)."""

    def __init__(self, strerror: str = "nothing to be done without waiting") -> None:
        super().__init__(EAGAIN, strerror)


class ContextTerminated(ZMQError):
    """The context has been left: it makes no more sockets."""

    def __init__(self, strerror: str = "this Context is closed: make a new one") -> None:
        super().__init__(ETERM, strerror)


class Violation(IntEnum):
    """libzmq's numbers for the ways to break the protocol, as a monitor tells them (zmq.h, ZMQ_PROTOCOL_ERROR_*)."""

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
    # … by whom we asked whether a peer may come in, see `zap`:
    ZAP_MALFORMED_REPLY = 0x20000001
    ZAP_BAD_REQUEST_ID = 0x20000002
    ZAP_BAD_VERSION = 0x20000003
    ZAP_INVALID_STATUS_CODE = 0x20000004
    ZAP_INVALID_METADATA = 0x20000005


class ProtocolError(Exception):
    """The peer broke the protocol: what was found, what is required, and where that is written.

    `violation` is the number for a monitor. `at` is the place of the octet that breaks the rule, in what was given to
    be read; None where it is no octet in particular. `is_zmtp` is False where no peer of ZMTP 3 has spoken: another
    program has the port, or the peer is older. The connection is over, and its connecting side does not dial again,
    unless the right peer may have the port the next time.
    """

    def __init__(
        self,
        words: str,
        violation: Violation = Violation.UNSPECIFIED,
        *,
        at: int | None = None,
        is_zmtp: bool = True,
    ) -> None:
        super().__init__(words)
        self.violation = violation
        self.at = at
        self.is_zmtp = is_zmtp


class Refused(ProtocolError):
    """The peer will not have us, or we will not have it (37-15). status: 300, 400 or 500 (27-17), 0 if unknown."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class Secret(bytes):
    """Octets that no log and no error may show: a password, a secret key. They are bytes like any others, but for their
    repr, which is also that of whatever holds them.

    >>> password = Secret(b"open sesame")
    >>> password, f"{password}", {"plain_password": password}, password == b"open sesame"
    (<secret>, '<secret>', {'plain_password': <secret>}, True)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


def printable(octets: bytes) -> str:
    r"""What a stranger said, fit to stand in a sentence: nothing that moves a terminal's cursor, and not a page of it.

    >>> printable(b"REQ"), printable(b"\x1b[2J"), len(printable(bytes(65536)))
    ('REQ', '\\x1b[2J', 163)
    """
    return repr(octets[:40])[2:-1] + ("..." if len(octets) > 40 else "")
