r"""CURVE by hand: both sides of its handshake, each command right or wrong as a case asks.          RFC 26/CURVEZMQ

`wire.curve` makes right commands only. Here each field is an argument, so that a case can send a HELLO of version 2.0,
a box that does not open, or a nonce that was used before. What comes is opened with the functions of `wire.curve`,
which raise ProtocolError where it is wrong.

    >>> S, s = keypair(b"\x01" * 32)
    >>> client, server = Client(Keys(*keypair(b"\x02" * 32), S)), Server(Keys(S, s))
    >>> server.read_hello(client.hello()[8:])
    >>> client.read_welcome(server.welcome()[10:])
    >>> server.read_initiate(client.initiate(b"\x01X\0\0\0\0")[18:])
    b'\x01X\x00\x00\x00\x00'
    >>> client.read_ready(server.ready(b"")[8:])
    b''
    >>> server.open(client.seal(0, b"hello")[2:])
    (0, b'hello')

The letters are those of `wire.curve`. Read next: `peer`.
"""

import os
from contextlib import suppress
from typing import NamedTuple

from ..errors import Violation
from ..wire import curve
from ..wire.commands import encode_command
from ..wire.curve import keypair, open_box, shared_key
from ..wire.layout import split
from .octets import frame

with suppress(ImportError):  # check_available reports it when CURVE is used
    from nacl.bindings import crypto_box_afternm, crypto_secretbox

# Flags inside a box.
INNER_MORE, INNER_COMMAND = 1, 2


class Keys(NamedTuple):
    """Our permanent keys, and the other side's public key if we are the client; 32 octets each."""

    public: bytes
    secret: bytes
    server: bytes = b""


def command(name: bytes, data: bytes) -> bytes:
    """A command frame of the handshake."""
    return frame(encode_command(name, data), is_command=True)


class Side:
    """What both sides do with MESSAGE."""

    sends = receives = b""
    transient = ""  # what the trace calls our secret key for one connection

    @property
    def opens(self) -> dict[str, bytes]:
        """The keys that open the boxes of this connection alone, as `trace.curve.Keys` names them."""
        return {self.transient: bytes(self.secret), "server_public": self.keys.server or self.keys.public}

    def __init__(self, keys: Keys) -> None:
        curve.check_available()
        self.keys = keys
        self.public, self.secret = keypair(os.urandom(32))  # C', c' or S', s'
        self.theirs = b""  # the other one's C' or S'
        self.traffic = b""  # what C' and s', or c' and S', make of each other
        self.sent = 0
        self.received = 0

    def seal(self, flags: int, body: bytes, *, nonce: int | None = None, outer: int = 0, spoilt: bool = False) -> bytes:
        """A MESSAGE. flags: inside the box. nonce: the next unless given. outer: flags of the frame. spoilt: with one
        bit of the box changed."""
        return self.seal_octets(bytes([flags]) + body, nonce=nonce, outer=outer, spoilt=spoilt)

    def seal_octets(self, inner: bytes, *, nonce: int | None = None, outer: int = 0, spoilt: bool = False) -> bytes:
        """The same, with everything that is in the box."""
        if nonce is None:
            self.sent = nonce = self.sent + 1
        short = nonce.to_bytes(8, "big")
        box = crypto_box_afternm(inner, self.sends + short, self.traffic)
        return frame(curve.NAME + short + (spoil(box) if spoilt else box), flags=outer)

    def open(self, body: bytes) -> tuple[int, bytes]:
        """The flags, as in a frame's header, and the body of a MESSAGE. Raises ProtocolError."""
        curve.check_message(body)
        self.received = curve.check_nonce(body[8:16], self.received)
        return curve.read_flags(open_box("MESSAGE", body[16:], self.receives + body[8:16], self.traffic))


class Client(Side):
    """The client's commands."""

    sends, receives = b"CurveZMQMESSAGEC", b"CurveZMQMESSAGES"
    transient = "client_transient"

    def __init__(self, keys: Keys) -> None:
        super().__init__(keys)
        self.cookie = b""

    def hello(
        self,
        *,
        version: bytes = b"\1\0",
        padding: bytes = bytes(72),
        content: bytes = bytes(64),
        server: bytes = b"",
        spoilt: bool = False,
        end: bytes = b"",
    ) -> bytes:
        """HELLO. content: of the box. server: the key to seal it for, if not the right one. end: after the last
        field."""
        self.sent = 1
        short = self.sent.to_bytes(8, "big")
        shared = shared_key(server or self.keys.server, self.secret, "HELLO")
        box = crypto_box_afternm(content, b"CurveZMQHELLO---" + short, shared)
        return command(b"HELLO", version + padding + self.public + short + (spoil(box) if spoilt else box) + end)

    def read_welcome(self, data: bytes) -> None:
        """WELCOME's data. Raises ProtocolError."""
        fields = curve.fields_of("WELCOME", data)
        shared = shared_key(self.keys.server, self.secret, "WELCOME")
        opened = dict(
            split(curve.WELCOME_BOX, open_box("WELCOME", fields["box"], b"WELCOME-" + fields["nonce"], shared))
        )
        self.theirs, self.cookie = opened["S'"], opened["cookie"]
        self.traffic = shared_key(self.theirs, self.secret, "WELCOME")

    def initiate(
        self, metadata: bytes, *, cookie: bytes = b"", vouch_for: bytes = b"", spoilt: bool = False, nonce: int = 2
    ) -> bytes:
        """INITIATE. cookie: if not the one received. vouch_for: a key for this connection, if not ours."""
        self.sent = nonce
        long, short = os.urandom(16), nonce.to_bytes(8, "big")
        said = (vouch_for or self.public) + self.keys.server
        vouch = crypto_box_afternm(said, b"VOUCH---" + long, shared_key(self.theirs, self.keys.secret, "WELCOME"))
        inner = self.keys.public + long + vouch + metadata
        box = crypto_box_afternm(inner, b"CurveZMQINITIATE" + short, self.traffic)
        return command(b"INITIATE", (cookie or self.cookie) + short + (spoil(box) if spoilt else box))

    def read_ready(self, data: bytes) -> bytes:
        """The metadata in READY's data. Raises ProtocolError."""
        fields = curve.fields_of("READY", data)
        self.received = int.from_bytes(fields["nonce"], "big")
        return open_box("READY", fields["box"], b"CurveZMQREADY---" + fields["nonce"], self.traffic)


class Server(Side):
    """The server's commands."""

    sends, receives = b"CurveZMQMESSAGES", b"CurveZMQMESSAGEC"
    transient = "server_transient"

    def __init__(self, keys: Keys) -> None:
        super().__init__(keys)
        self.client = b""  # C
        self.first = b""  # what C' and s make of each other

    def read_hello(self, data: bytes) -> None:
        """HELLO's data. Raises ProtocolError."""
        fields = curve.fields_of("HELLO", data)
        self.theirs = fields["C'"]
        self.received = int.from_bytes(fields["nonce"], "big")
        self.first = shared_key(self.theirs, self.keys.secret, "HELLO")
        opened = open_box("HELLO", fields["box"], b"CurveZMQHELLO---" + fields["nonce"], self.first)
        if any(opened):
            raise curve.malformed("HELLO", "its box holds other than zeros", Violation.CRYPTOGRAPHIC)
        self.traffic = shared_key(self.theirs, self.secret, "HELLO")

    def welcome(self, *, spoilt: bool = False, end: bytes = b"") -> bytes:
        """WELCOME. end: after the last field."""
        long = os.urandom(16)
        state = self.theirs + self.secret
        cookie = long + crypto_secretbox(state, b"COOKIE--" + long, os.urandom(32))
        box = crypto_box_afternm(self.public + cookie, b"WELCOME-" + long, self.first)
        return command(b"WELCOME", long + (spoil(box) if spoilt else box) + end)

    def read_initiate(self, data: bytes) -> bytes:
        """The metadata in INITIATE's data. Raises ProtocolError for a nonce, a box or a vouch that is wrong."""
        fields = curve.fields_of("INITIATE", data)
        self.received = curve.check_nonce(fields["nonce"], self.received)
        inner = open_box("INITIATE", fields["box"], b"CurveZMQINITIATE" + fields["nonce"], self.traffic)
        opened = dict(split(curve.INITIATE_BOX, inner))
        self.client = opened["C"]
        vouched = curve.open_vouch(opened["vouch"], self.client, self.secret)
        if vouched != self.theirs + self.keys.public:
            raise curve.malformed("INITIATE", "its vouch is for other keys", Violation.CRYPTOGRAPHIC)
        return opened["metadata"]

    def ready(self, metadata: bytes, *, spoilt: bool = False) -> bytes:
        """READY."""
        self.sent = 1
        short = self.sent.to_bytes(8, "big")
        box = crypto_box_afternm(metadata, b"CurveZMQREADY---" + short, self.traffic)
        return command(b"READY", short + (spoil(box) if spoilt else box))


def spoil(box: bytes) -> bytes:
    """A box with its last bit changed, so that it does not open."""
    return box[:-1] + bytes([box[-1] ^ 1])
