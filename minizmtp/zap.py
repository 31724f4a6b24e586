"""ZAP: somebody in this program decides who may come in.                                                     RFC 27/ZAP

A server's mechanism learns who is knocking, and asks whoever has bound `inproc://zeromq.zap.01` in the same Context:

    the server asks                    the handler answers
    ─────────────────────────────      ─────────────────────────────
    ""                delimiter        ""
    "1.0"             version          "1.0"
    "1"               request id       "1"                the same
    "global"          domain           "200"              300 not now, 400 never, 500 ask me later
    "127.0.0.1"       address          "OK"               for people
    ""                identity         "anna"             the user id
    "PLAIN"           mechanism        metadata           properties, as in READY (`wire.commands`)
    "anna", "secret"  credentials

The handler is a REP or a ROUTER like any other, so it can be written in ten lines (`auth` is a ready one), and what it
says of a peer reaches the receiver of each message: `(await sock.recv_message()).metadata["User-Id"]`.

Nobody has bound that name? As in libzmq it depends on the mechanism:

    PLAIN   nobody can tell whether the password is right      the peer is refused (24-11)
    CURVE   the peer has proved that it knows our key          it is let in (27-28)
    NULL    is asked about only if zap_domain is set           it is let in, unless zap_enforce_domain is 1 (27-26)

Below this module: `wire.events`, `wire.commands`. Above it: `context`. It can be read alone.
"""

from .errors import ProtocolError
from .wire.commands import decode_metadata
from .wire.events import Authenticate, Message, Verdict

ENDPOINT = "inproc://zeromq.zap.01"
VERSION = b"1.0"
REQUEST_ID = b"1"  # one question to each asking socket, so any will do
STATUSES = (200, 300, 400, 500)


def request(question: Authenticate, domain: bytes, address: str) -> Message:
    """What the handler is asked, with the delimiter of a REQ (27-8).

    >>> request(Authenticate(b"PLAIN", (b"anna", b"secret"), b""), b"global", "127.0.0.1")
    [b'', b'1.0', b'1', b'global', b'127.0.0.1', b'', b'PLAIN', b'anna', b'secret']
    """
    head = [b"", VERSION, REQUEST_ID, domain, address.encode(), question.identity, question.mechanism]
    return head + list(question.credentials)


def read_reply(reply: Message) -> Verdict:
    r"""What the handler answered. One that is none counts as 500: the handler is ill, and nobody is let in by mistake
    (27-13 … 27-19).

    >>> read_reply([b"", b"1.0", b"1", b"200", b"OK", b"anna", b""])
    Verdict(status=200, text='OK', metadata={b'user-id': b'anna'})
    >>> read_reply([b"", b"1.0", b"1", b"201", b"OK", b"anna", b""])
    Verdict(status=500, text="malformed ZAP reply: status b'201'", metadata={})
    """
    if len(reply) != 7 or reply[0]:
        return _ill(f"{len(reply)} frames, required are an empty one and six more")
    _, version, request_id, status, text, user_id, properties = reply
    if version != VERSION:
        return _ill(f"version {version!r}")
    if request_id != REQUEST_ID:
        return _ill(f"request id {request_id!r}")
    if status not in [b"%d" % known for known in STATUSES]:
        return _ill(f"status {status!r}")
    try:
        metadata = decode_metadata(properties)
    except ProtocolError as error:
        return _ill(str(error))
    if int(status) != 200:
        return Verdict(int(status), text.decode("ascii", "backslashreplace"))
    return Verdict(200, text.decode("ascii", "backslashreplace"), metadata | {b"user-id": user_id})


def _ill(words: str) -> Verdict:
    return Verdict(500, f"malformed ZAP reply: {words}")


def without_handler(question: Authenticate, enforce: bool) -> Verdict:
    """The verdict when there is nobody to ask."""
    if question.mechanism == b"CURVE" or (question.mechanism == b"NULL" and not enforce):
        return Verdict(200, "nobody to ask")
    return Verdict(300, f"nobody has bound {ENDPOINT}, so no {question.mechanism.decode()} peer can be let in")
