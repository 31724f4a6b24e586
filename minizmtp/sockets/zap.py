"""ZAP: a part of the program decides which peers may connect.                                               RFC 27/ZAP

A server's mechanism finds out who the peer is. Then the server asks the *handler*, a socket that is bound to
`inproc://zeromq.zap.01` in the same Context:

    the server asks                    the handler answers
    ─────────────────────────────      ─────────────────────────────
    ""                delimiter        ""
    "1.0"             version          "1.0"
    "1"               request id       "1"                the same
    "global"          domain           "200"              300 not now, 400 never, 500 an error in the handler
    "127.0.0.1"       address          "OK"               a text for people
    ""                routing id       "anna"             the user id
    "PLAIN"           mechanism        metadata           properties, as in READY (`wire.metadata`)
    "anna", "secret"  credentials

The handler is a REP or a ROUTER like any other, and can be written in ten lines (`auth` has one). What it says of a
peer reaches the receiver of each message: `(await sock.recv_message()).metadata["User-Id"]`.

Without a handler, the mechanism decides, as in libzmq:

    PLAIN   the connection is closed, because nothing can check the password (24-11)
    CURVE   the peer may connect, because it has proved that it knows the server's key (27-28)
    NULL    the peer may connect; with zap_domain and zap_enforce_domain=1 it may not (27-26)

With NULL the handler is asked only if zap_domain is set.

Read next: `context`.
"""

import errno

from ..constants import SocketType
from ..errors import ProtocolError, Violation, printable
from ..net.pulse import Disconnected
from ..net.runtime import Runtime
from ..options import Options
from ..wire.events import AuthReply, AuthRequest, Message
from ..wire.metadata import decode_metadata
from .socket import Socket

ENDPOINT = "inproc://zeromq.zap.01"
VERSION = b"1.0"
REQUEST_ID = b"1"  # always the same, because each asking socket asks once
STATUSES = (b"200", b"300", b"400", b"500")
LONGEST = 255  # octets in a text or a user id (27-20)


def request(question: AuthRequest, domain: bytes, address: str, routing_id: bytes = b"") -> Message:
    """The request to the handler, with the delimiter of a REQ (27-8).

    routing_id: of the server's socket. RFC 27 calls this field the identity of the connection. With NULL and PLAIN the
    peer has not sent its own yet, so libzmq gives the server's with every mechanism, and handlers rely on that.

    >>> request(AuthRequest(b"PLAIN", (b"anna", b"secret"), b""), b"global", "127.0.0.1", b"server")
    [b'', b'1.0', b'1', b'global', b'127.0.0.1', b'server', b'PLAIN', b'anna', b'secret']
    """
    head = [b"", VERSION, REQUEST_ID, domain, address.encode(), routing_id, question.mechanism]
    return head + list(question.credentials)


def read_reply(reply: Message) -> AuthReply:
    r"""Decode the handler's answer. Raises ProtocolError for a malformed one (27-13 … 27-19). The peer's connection is
    then closed without an ERROR, because the fault is the handler's and the peer can do nothing about it.

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
        raise _bad_reply(f"malformed metadata: {error}", Violation.ZAP_INVALID_METADATA) from None
    if status != b"200":  # a peer that is refused has no user id (27-18)
        return AuthReply(int(status), printable(text))
    return AuthReply(200, printable(text), metadata | {b"user-id": user_id})


def _bad_reply(problem: str, violation: Violation) -> ProtocolError:
    return ProtocolError(f"ZAP reply with {problem} (27/ZAP)", violation)


def without_handler(question: AuthRequest, enforce: bool) -> AuthReply:
    """The verdict if there is no handler. For a refusal it raises Disconnected, so that the peer dials again."""
    if question.mechanism == b"CURVE" or (question.mechanism == b"NULL" and not enforce):
        return AuthReply(200, "no ZAP handler")
    reason = f"no ZAP handler is bound to {ENDPOINT}, so no {question.mechanism.decode()} peer can be let in"
    raise Disconnected(errno.EFAULT, reason)


async def authenticate(runtime: Runtime, question: AuthRequest, options: Options, address: str) -> AuthReply:
    """Ask the handler. Each question has a socket of its own, so that no reply can be taken for another question's.

    options: of the endpoint at which the peer connected. address: of the peer."""
    if not runtime.inproc.is_bound(ENDPOINT):
        return without_handler(question, bool(options.zap_enforce_domain))
    asking = Socket(runtime, SocketType.DEALER, {"linger": 0})
    try:
        asking.connect(ENDPOINT)
        await asking.send_multipart(request(question, options.zap_domain, address, options.routing_id))
        return read_reply(await asking.recv_multipart())
    finally:
        asking.close()
