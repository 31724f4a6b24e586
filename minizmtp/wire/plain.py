r"""PLAIN: a name and a password, in clear.                                                            RFC 24/ZMTP-PLAIN

    client                                server
    HELLO username password  ────────►   asks whether they are right (see `zap`)
                             ◄────────   WELCOME                     or ERROR
    INITIATE metadata        ────────►
                             ◄────────   READY metadata

    >>> client, server = PlainClient(b"admin", b"secret"), PlainServer()
    >>> client.open({b"Socket-Type": b"REQ"})
    [b'\x05HELLO\x05admin\x06secret']
    >>> server.receive(b"HELLO", b"\x05admin\x06secret")
    [Authenticate(mechanism=b'PLAIN', credentials=(b'admin', b'secret'), identity=b'')]
    >>> server.admitted(), client.receive(b"WELCOME", b"")
    ([b'\x07WELCOME'], [b'\x08INITIATE\x0bSocket-Type\x00\x00\x00\x03REQ'])

Everybody on the way can read the password, and change what follows. It keeps honest people apart on a network that is
trusted; on any other use CURVE (24-12). Which side is the server is set by options: the octet `as-server` in the
greeting is 0 in all that libzmq sends (24-1).

Below this module: `mechanisms`. It can be read alone.
"""

from collections.abc import Mapping

from ..errors import ProtocolError, Violation
from .commands import decode_metadata, encode_command, encode_metadata
from .events import Authenticate, Ready
from .mechanisms import InClear, Steps, unexpected_command


class PlainClient(InClear):
    """username, password: up to 255 octets each."""

    name = b"PLAIN"
    frank = False

    def __init__(self, username: bytes, password: bytes) -> None:
        self._hello = bytes([len(username)]) + username + bytes([len(password)]) + password
        self._awaits = b"WELCOME"
        self._metadata: Mapping[bytes, bytes] = {}

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        self._metadata = metadata
        return [encode_command(b"HELLO", self._hello)]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, f"{self._awaits.decode()} or ERROR")
        if name == b"READY":
            return [Ready(decode_metadata(data))]
        if data:
            raise ProtocolError(
                f"WELCOME with {len(data)} octets after its name, required are none (24/ZMTP-PLAIN)",
                Violation.MALFORMED_WELCOME,
            )
        self._awaits = b"READY"
        return [encode_command(b"INITIATE", encode_metadata(self._metadata))]

    def admitted(self) -> Steps:
        raise NotImplementedError("a client admits nobody")


class PlainServer(InClear):
    """Whoever comes has to say a name and a password, and somebody has to find them right."""

    name = b"PLAIN"
    frank = False

    def __init__(self) -> None:
        self._awaits = b"HELLO"
        self._metadata: Mapping[bytes, bytes] = {}

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        self._metadata = metadata
        return []

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, self._awaits.decode())
        if name == b"HELLO":
            return [Authenticate(self.name, _read_hello(data), b"")]
        return [encode_command(b"READY", encode_metadata(self._metadata)), Ready(decode_metadata(data))]

    def admitted(self) -> Steps:
        self._awaits = b"INITIATE"
        return [encode_command(b"WELCOME")]


def _read_hello(data: bytes) -> tuple[bytes, bytes]:
    """Two strings, each with its length in front, and nothing after them (24-3)."""
    username = data[1 : 1 + data[0]] if data else b""
    rest = data[1 + len(username) :]
    password = rest[1 : 1 + rest[0]] if rest else b""
    if data != bytes([len(username)]) + username + bytes([len(password)]) + password:
        raise ProtocolError(
            "HELLO whose lengths do not add up, required are username and password, each after its length"
            " (24/ZMTP-PLAIN)",
            Violation.MALFORMED_HELLO,
        )
    return username, password
