"""Advice: what a user should look at when a connection fails. It is added to the reason, in the log and for monitors.

    >>> from minizmtp.options import Options
    >>> advice(ProtocolError("the first octet is 48", is_zmtp=False), Options(), 0, dialled=True)
    '; look at the host and the port of the endpoint, because another program listens there'

Only a likely cause is named. The connecting side logs it as a warning, because the program chose the peer. The bound
side logs the failure of a handshake at level INFO, because anything on the network may connect there.

It can be read alone.
"""

import errno
import socket

from ..errors import ProtocolError, Refused, Violation
from ..options import Options

WRONG_PORT = "; look at the host and the port of the endpoint, because another program listens there"
WRONG_NAME = "; look at the host name of the endpoint"
UPDATE = "; update the peer to libzmq 4"
NOT_THERE = "; no connection in {:g} s, still trying: does the server run, and is the endpoint right?"
MECHANISMS = "; give both sockets the options of the same mechanism (curve_..., plain_..., or none of them)"
REFUSALS = {
    300: "; the server's ZAP handler refuses us for now",
    400: "; the server's ZAP handler does not know our username, password or key",
    500: "; the server's ZAP handler has failed: look at the server's log",
}
WRONG_KEY = "; most likely curve_serverkey is not the public key of this server"
NO_HANDLER = "; most likely the server has no ZAP handler that checks passwords"
SILENT = "; most likely another program listens there, or the server is stopped"
# A peer of ZMTP 2.0 reads our 64 octets as its own kind of greeting, with an invalid identity, and hangs up. Its own 10
# octets may have been sent before that, or not. libzmq 4 hangs up at the same point if the mechanisms differ.
OTHER_MECHANISM = "a libzmq with another mechanism (look at the options curve_... and plain_... of both sockets)"
OLD_PEER = "a peer of ZMTP 2.0 (libzmq 3.2 or older), which has to be updated to libzmq 4"


def advice(reason: Exception, options: Options, octets: int | None, *, dialled: bool) -> str:
    """What to add to the reason why a handshake failed; "" if that says it all, or the cause is not known.

    octets: how much of the peer's greeting came; None if all of it did. dialled: on the connecting side.
    """
    code = getattr(reason, "errno", 0)
    if isinstance(reason, Refused):
        return REFUSALS.get(reason.status, "") if dialled else ""
    if isinstance(reason, ProtocolError):
        if not reason.is_zmtp:
            return UPDATE if reason.at in (9, 10) else WRONG_PORT if dialled else ""
        return MECHANISMS if reason.violation is Violation.MECHANISM_MISMATCH else ""
    if isinstance(reason, socket.gaierror):
        return WRONG_NAME
    if code == errno.EAGAIN:
        return SILENT if dialled and octets == 0 else ""
    if code not in (errno.EPIPE, errno.ECONNRESET):
        return ""
    if octets is not None:
        return _hung_up_on_greeting(reason, octets, dialled)
    if dialled and options.curve_serverkey:
        return WRONG_KEY
    return NO_HANDLER if dialled and options.plain_username else ""


def _hung_up_on_greeting(reason: Exception, octets: int, dialled: bool) -> str:
    said = f"after {octets} of the 64 octets of the greeting"
    where = "" if said in str(reason) else f" {said}"
    if octets >= 10:
        return f"{where}; most likely {OTHER_MECHANISM}, or {OLD_PEER}"
    others = "a proxy without a server, a server that is not ready" if dialled else "a health check, a port scan"
    return f"{where}; perhaps {others}, or {OLD_PEER}"
