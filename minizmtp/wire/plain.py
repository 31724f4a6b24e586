r"""PLAIN: a username and a password, unencrypted.                                                     RFC 24/ZMTP-PLAIN

    client                                server
    HELLO username password  ────────►   asks whether they are right (see `zap`)
                             ◄────────   WELCOME                     or ERROR
    INITIATE metadata        ────────►
                             ◄────────   READY metadata

    >>> client, server = PlainClient(b"admin", b"secret"), PlainServer()
    >>> client.open({b"Socket-Type": b"REQ"})
    [b'\x05HELLO\x05admin\x06secret']
    >>> server.receive(b"HELLO", b"\x05admin\x06secret")
    [AuthRequest(mechanism=b'PLAIN', credentials=(b'admin', <secret>), identity=b'')]
    >>> server.on_accepted(), client.receive(b"WELCOME", b"")
    ([b'\x07WELCOME'], [b'\x08INITIATE\x0bSocket-Type\x00\x00\x00\x03REQ'])

Any machine between the two peers can read the password and change the traffic. So use PLAIN only on a network that you
trust, to keep users apart; anywhere else use CURVE (24-12). Options decide which side is the server. The server sets
`as-server` to 1 in its greeting. It ignores the peer's `as-server`, because libzmq's servers send 0 (24-1).

Try it: in `hello_fields`, write `False` for `start < len(data)`. Octets behind the password pass unseen.
It can be read alone.
"""

from collections.abc import Iterator, Mapping

from ..errors import ProtocolError, Secret, Violation
from .commands import encode_command
from .events import AuthRequest, Ready
from .layout import Field
from .mechanisms import Mechanism, Steps, unexpected_command
from .metadata import decode_metadata, encode_metadata


class PlainClient(Mechanism):
    """The client's side. username, password: up to 255 octets each."""

    name = b"PLAIN"

    def __init__(self, username: bytes, password: bytes) -> None:
        self._hello = Secret(bytes([len(username)]) + username + bytes([len(password)]) + password)
        self._awaits = b"WELCOME"

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        super().open(metadata)
        return [encode_command(b"HELLO", self._hello)]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, f"{self._awaits.decode()} or ERROR")
        if name == b"READY":
            return [Ready(decode_metadata(data))]
        if data:
            raise ProtocolError(
                f"WELCOME with {len(data)} octets after its name, expected none (24/ZMTP-PLAIN)",
                Violation.MALFORMED_WELCOME,
                at=0,
            )
        self._awaits = b"READY"
        return [encode_command(b"INITIATE", encode_metadata(self._metadata))]


class PlainServer(Mechanism):
    """The server's side: each client must send a username and a password, and a ZAP handler must accept them."""

    name = b"PLAIN"
    as_server = True

    def __init__(self) -> None:
        self._awaits = b"HELLO"

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, self._awaits.decode())
        if name == b"HELLO":
            fields = dict(hello_fields(data))
            return [AuthRequest(self.name, (fields["username"], Secret(fields["password"])), b"")]
        return [encode_command(b"READY", encode_metadata(self._metadata)), Ready(decode_metadata(data))]

    def on_accepted(self) -> Steps:
        self._awaits = b"INITIATE"
        return [encode_command(b"WELCOME")]


def hello_fields(data: bytes) -> Iterator[Field]:
    """The fields of HELLO: two strings, each after its length, and nothing after them (24-3)."""
    start = 0
    for name in ("username", "password"):
        length = data[start : start + 1]
        end = start + 1 + int.from_bytes(length)
        yield f"{name} length", length
        if not length or end > len(data):
            raise _bad_hello(start)
        yield name, data[start + 1 : end]
        start = end
    if start < len(data):
        raise _bad_hello(start)


def _bad_hello(at: int) -> ProtocolError:
    return ProtocolError(
        "HELLO whose lengths do not add up, expected username and password, each after its length (24/ZMTP-PLAIN)",
        Violation.MALFORMED_HELLO,
        at=at,
    )
