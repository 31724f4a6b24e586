r"""Mechanisms: the handshake, and how it protects the traffic.          37/ZMTP 3.1, "The NULL Security Mechanism"

After both greetings have named the same mechanism, the peers exchange its commands until both are ready for messages:

    NULL    READY from each side, at once                      (below: ► client to server, ◄ server to client)
    PLAIN   HELLO ►  ◄ WELCOME  INITIATE ►  ◄ READY            HELLO has a password, see `plain`
    CURVE   HELLO ►  ◄ WELCOME  INITIATE ►  ◄ READY            proofs of keys, see `curve`; then all is encrypted

               which peer is accepted                          what a machine between the two can do
    NULL    any peer, or certain addresses                     read and change everything
    PLAIN   a client that knows the password                   read and change everything, the password too
    CURVE   a client that proves its key;                      see who talks to whom, when, and how much
            the server proves its own, too

CURVE's WELCOME contains a *cookie*: what the server has to remember of this client, encrypted by the server for itself.
The client returns it in INITIATE. This allows a server to keep nothing for a client until that client has proved that
it receives at its address, so a flood of HELLOs doesn't fill the server's memory.

NULL's READY as octets: a COMMAND frame of 25 octets, the name of the command, and one property (see `metadata`).

    04 19   05 52 45 41 44 59   0b 53 6f 63 6b 65 74 2d 54 79 70 65   00 00 00 03   52 45 50
       25    5  R  E  A  D  Y   11  S  o  c  k  e  t  -  T  y  p  e             3    R  E  P

    >>> null = Null()
    >>> [ready] = null.open({b"Socket-Type": b"REP"})
    >>> len(ready), ready.hex(" ")
    (25, '05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 50')
    >>> null.receive(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03REQ")
    [Ready(metadata={b'socket-type': b'REQ'})]

In the RFC the connecting side sends READY first. In libzmq, and here, both sides send it as soon as they have the
peer's greeting, so they cannot wait for each other (37-28 … 37-32). Try it: in `Null.open`, write `[]` for
`self.on_accepted()`. Two such peers wait forever. Read next: `connection`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import ProtocolError, Violation, printable
from .commands import encode_command
from .events import AuthRequest, Ready
from .frames import Frame
from .metadata import decode_metadata, encode_metadata

# What a Connection has to do, in this order: send bytes as the body of a command, and return anything else as an event.
Steps = list[bytes | Ready | AuthRequest]


class Mechanism:
    """What a Connection needs from a mechanism. A mechanism does no I/O: it takes and returns bytes."""

    __slots__ = ("_metadata",)
    name: bytes
    as_server = False  # our role in the greeting; False if the mechanism has no roles (37-8)
    explains_refusal = False  # a peer that we refuse is told the reason
    encrypts = False  # each frame after the handshake is encrypted
    overhead = 0  # octets by which encryption makes a frame's body larger

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        """Called when both greetings name this mechanism. metadata: our own, to be sent in the handshake. Returns no
        steps if the peer sends the first command."""
        self._metadata = metadata
        return []

    def receive(self, name: bytes, data: bytes) -> Steps:
        """Handle the peer's next command. Raises ProtocolError for a command that isn't allowed at this point."""
        raise NotImplementedError

    def on_accepted(self) -> Steps:
        """Called when the peer is accepted, after we returned AuthRequest."""
        raise NotImplementedError

    def encrypt(self, flags: int, bodies: Sequence[bytes]) -> list[bytes]:
        """Encrypt frames with these flags (MORE, COMMAND or 0). Returns what to send: for each, a header and a box."""
        raise NotImplementedError

    def decrypt(self, bodies: Iterable[bytes]) -> Iterator[Frame]:
        """The frames that the peer encrypted, from the bodies it sent. Raises ProtocolError if one doesn't decrypt."""
        raise NotImplementedError


class Null(Mechanism):
    """No security: every peer that sends READY is accepted. With ask=True, a ZAP handler decides first, but it can only
    go by the peer's address (27-26)."""

    __slots__ = ("_ask",)
    name = b"NULL"
    explains_refusal = True

    def __init__(self, ask: bool = False) -> None:
        self._ask = ask

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        super().open(metadata)
        return [AuthRequest(self.name, (), b"")] if self._ask else self.on_accepted()

    def on_accepted(self) -> Steps:
        return [encode_command(b"READY", encode_metadata(self._metadata))]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != b"READY":
            raise unexpected_command(name, "READY or ERROR")
        return [Ready(decode_metadata(data))]


def unexpected_command(name: bytes, expected: str) -> ProtocolError:
    """The error for a command out of order; in a handshake it closes the connection."""
    found = f"command {printable(name)} in the handshake"
    return ProtocolError(f'{found}, expected {expected} (37/ZMTP "Overall Behavior")', Violation.UNEXPECTED_COMMAND)
