"""ZAP: a part of this program decides which peers may connect.                                              RFC 27/ZAP

A server's mechanism learns who the peer is, and asks the socket that is bound to `inproc://zeromq.zap.01` in the same
Context, the *handler*:

    the server asks                    the handler answers
    ─────────────────────────────      ─────────────────────────────
    ""                delimiter        ""
    "1.0"             version          "1.0"
    "1"               request id       "1"                the same
    "global"          domain           "200"              300 not now, 400 never, 500 ask me later
    "127.0.0.1"       address          "OK"               for people
    ""                routing id       "anna"             the user id
    "PLAIN"           mechanism        metadata           properties, as in READY (`wire.commands`)
    "anna", "secret"  credentials

The handler is a REP or a ROUTER like any other, so it can be written in ten lines (`auth` is a ready one), and what it
says of a peer reaches the receiver of each message: `(await sock.recv_message()).metadata["User-Id"]`.

What happens without a handler depends on the mechanism, as in libzmq:

    PLAIN   nothing can tell whether the password is right     its connection is closed (24-11)
    CURVE   the peer has proved that it knows our key          it is let in (27-28)
    NULL    is asked about only if zap_domain is set           it is let in, unless zap_enforce_domain is 1 (27-26)

Read next: `context`.
"""

import errno

from ..constants import SocketType
from ..errors import ProtocolError, Violation, printable
from ..net.engine import Disconnected
from ..net.runtime import Runtime
from ..options import Options
from ..wire.events import AuthReply, AuthRequest, Message
from ..wire.metadata import decode_metadata
from .socket import Socket

ENDPOINT = "inproc://zeromq.zap.01"
VERSION = b"1.0"
REQUEST_ID = b"1"  # one question to each asking socket, so any will do
STATUSES = (b"200", b"300", b"400", b"500")
LONGEST = 255  # of a string (27-20)


def request(question: AuthRequest, domain: bytes, address: str, routing_id: bytes = b"") -> Message:
    """What the handler is asked, with the delimiter of a REQ (27-8).

    routing_id: that of the server's socket. RFC 27 calls this field the identity of the connection, which the peer has
    not told yet with NULL and PLAIN; libzmq gives the server's own with every mechanism, and handlers rely on that.

    >>> request(AuthRequest(b"PLAIN", (b"anna", b"secret"), b""), b"global", "127.0.0.1", b"server")
    [b'', b'1.0', b'1', b'global', b'127.0.0.1', b'server', b'PLAIN', b'anna', b'secret']
    """
    head = [b"", VERSION, REQUEST_ID, domain, address.encode(), routing_id, question.mechanism]
    return head + list(question.credentials)


def read_reply(reply: Message) -> AuthReply:
    r"""What the handler answered. ProtocolError for a malformed reply: then the handler has a fault, so the peer is not
    let in, and is told nothing, because it can do nothing about it (27-13 … 27-19).

    >>> read_reply([b"", b"1.0", b"1", b"200", b"OK", b"anna", b""])
    AuthReply(status=200, text='OK', metadata={b'user-id': b'anna'})
    >>> read_reply([b"", b"1.0", b"1", b"201", b"OK", b"anna", b""])
    Traceback (most recent call last):
    minizmtp.errors.ProtocolError: ZAP reply with status 201, expected 200, 300, 400 or 500 (27/ZAP)
    """
    if len(reply) != 7 or reply[0]:
        raise _bad_reply(f"{len(reply)} frames, expected an empty one and six more", Violation.ZAP_MALFORMED_REPLY)
    _, version, request_id, status, text, user_id, properties = reply
    if version != VERSION:
        raise _bad_reply(f"version {printable(version)}, expected 1.0", Violation.ZAP_BAD_VERSION)
    if request_id != REQUEST_ID:
        raise _bad_reply(
            f"request id {printable(request_id)}, expected that of the request", Violation.ZAP_BAD_REQUEST_ID
        )
    if status not in STATUSES:
        problem = f"status {printable(status)}, expected 200, 300, 400 or 500"
        raise _bad_reply(problem, Violation.ZAP_INVALID_STATUS_CODE)
    if max(map(len, (text, user_id))) > LONGEST:
        raise _bad_reply(f"text or user id of more than {LONGEST} octets", Violation.ZAP_MALFORMED_REPLY)
    try:
        metadata = decode_metadata(properties)
    except ProtocolError as error:
        raise _bad_reply(f"metadata that is none: {error}", Violation.ZAP_INVALID_METADATA) from None
    if status != b"200":  # a peer that is not let in has no user id (27-18)
        return AuthReply(int(status), printable(text))
    return AuthReply(200, printable(text), metadata | {b"user-id": user_id})


def _bad_reply(problem: str, violation: Violation) -> ProtocolError:
    return ProtocolError(f"ZAP reply with {problem} (27/ZAP)", violation)


def without_handler(question: AuthRequest, enforce: bool) -> AuthReply:
    """The reply without a handler. Raises Disconnected, so that the peer may try again when there is one."""
    if question.mechanism == b"CURVE" or (question.mechanism == b"NULL" and not enforce):
        return AuthReply(200, "no ZAP handler")
    reason = f"no ZAP handler is bound to {ENDPOINT}, so no {question.mechanism.decode()} peer can be let in"
    raise Disconnected(errno.EFAULT, reason)


async def authenticate(runtime: Runtime, question: AuthRequest, options: Options, address: str) -> AuthReply:
    """Ask the handler, by a socket for this question alone: so no reply can be taken for that to another question.

    options: of the endpoint that the peer came by. address: the peer's."""
    if not runtime.inproc.is_bound(ENDPOINT):
        return without_handler(question, bool(options.zap_enforce_domain))
    asking = Socket(runtime, SocketType.DEALER, {"linger": 0})
    try:
        asking.connect(ENDPOINT)
        await asking.send_multipart(request(question, options.zap_domain, address, options.routing_id))
        return read_reply(await asking.recv_multipart())
    finally:
        asking.close()
