r"""CURVE: encryption and authentication with public keys.                           RFC 26/CURVEZMQ, RFC 25/ZMTP-CURVE

Each side has a permanent key pair, and makes another one for each connection, which it deletes at the end:

    C, c     the client's permanent keys, public and secret         C', c'   its keys for this connection
    S, s     the server's; the client knows S beforehand            S', s'   its keys for this connection

A **box** from a to B is encrypted with the secret key a and the public key B, and decrypted with the secret key b and
the public key A. Without a or b it can be neither made nor opened, so a box that opens proves that its sender has a.
`Box[X](a→B)` is X encrypted, and 16 octets longer.

    client                                                     server
    HELLO     C', Box[64 zeros](c'→S)          ─────────────►  opens it with s: this client knows our key
                                               ◄─────────────  Box[S', cookie](s→C')          WELCOME
    opens it: this is the server that has s
    INITIATE  cookie, Box[C, vouch, metadata](c'→S')  ──────►  opens it: C' again, and now C; the vouch is
              vouch = Box[C', S](c→S')                         from c: this is the client that has c
                                               ◄─────────────  Box[metadata](s'→C')           READY
    MESSAGE   Box[flags, data](c'→S')          ◄────────────►  Box[flags, data](s'→C')        MESSAGE

Each line proves one thing more. A client that doesn't know S can't make the box in HELLO, so the server drops it at the
first command. The **cookie** is C' and s', encrypted with a key K that only the server has. It allows a server to keep
nothing between WELCOME and INITIATE. (Ours keeps its state; the cookie then shows that INITIATE answers this WELCOME.)
The vouch says "C' is mine, and I mean the server with S". Without S in it, a server that received a vouch could pretend
to be this client at another server. Recorded traffic stays secret even if c and s are stolen later, because it was
encrypted with c' and s'.

A **nonce** makes each box different: 24 octets, never used twice with the same keys. It consists of the name of the
kind of box and either a counter of 8 octets ("short") or 16 random octets ("long"). Each direction has one counter for
all its commands. The receiver requires that it grows, so commands can't be replayed or reordered (26-13, 26-15).

Here is a handshake in which all keys are given. The tests of this module open each box by hand.

    >>> S, s = keypair(b"\x01" * 32)
    >>> C, c = keypair(b"\x02" * 32)
    >>> client = CurveClient(C, c, S, entropy=scripted(b"\x03" * 32, b"\x08" * 16))
    >>> server = CurveServer(s, entropy=scripted(b"\x04" * 32, b"\x05" * 32, b"\x07" * 16, b"\x06" * 16))
    >>> [hello] = client.open({b"Socket-Type": b"DEALER"}); server.open({b"Socket-Type": b"ROUTER"})
    []
    >>> len(hello), hello[:8], hello[80:84].hex()           # name, version 1.0 …, and C' in clear
    (200, b'\x05HELLO\x01\x00', '5dfedd3b')
    >>> shared = shared_key(hello[80:112], s, "HELLO")      # s and C' make the same of each other as S and c'
    >>> open_box("HELLO", hello[120:], b"CurveZMQHELLO---" + hello[112:120], shared) == bytes(64)
    True
    >>> [welcome] = server.receive(b"HELLO", hello[6:])
    >>> [initiate] = client.receive(b"WELCOME", welcome[8:])
    >>> [question] = server.receive(b"INITIATE", initiate[9:])
    >>> question.mechanism, question.credentials == (C,)
    (b'CURVE', True)
    >>> ready, event = server.on_accepted()
    >>> event, client.receive(b"READY", ready[6:])
    (Ready(metadata={b'socket-type': b'DEALER'}), [Ready(metadata={b'socket-type': b'ROUTER'})])
    >>> header, box = client.encrypt(0, [b"hello"]); header, len(box)
    (b'\x00&\x07MESSAGE\x00\x00\x00\x00\x00\x00\x00\x03', 22)
    >>> list(server.decrypt([header[2:] + box]))
    [(0, b'hello')]

(The RFC asks for 70 octets of padding in HELLO, but its total of 200 octets needs 72. It puts MESSAGE into command
frames; we use message frames, because libzmq does and silently drops command frames.)

Try it: in `Cipher.decrypt`, write `short < self._received` for `short <= self._received`. A MESSAGE that an attacker
sends once more is then delivered once more.
The cryptography is NaCl's, from PyNaCl (`pip install 'minizmtp[curve]'`). It can be read alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import ENOTSUP, ProtocolError, Secret, Violation, ZMQError
from .commands import encode_command
from .events import AuthRequest, Ready
from .frames import COMMAND, MORE, Frame, frame_header
from .layout import REST, Layout, offset, split, width
from .mechanisms import Mechanism, Steps, unexpected_command
from .metadata import decode_metadata, encode_metadata

try:
    from nacl.bindings import (
        crypto_box_afternm,
        crypto_box_beforenm,
        crypto_box_open_afternm,
        crypto_scalarmult_base,
    )
    from nacl.exceptions import CryptoError
except ImportError:  # check_available reports it when CURVE is used
    crypto_box_beforenm = None  # type: ignore[assignment]

KEY_SIZE = 32
BOX_OVERHEAD = 16
LARGEST_NONCE = 2**64 - 1

# The fields after the name of each command. WELCOME_BOX has the fields inside the box of WELCOME, and so on.
HELLO: Layout = (("version", 2), ("padding", 72), ("C'", KEY_SIZE), ("nonce", 8), ("box", 64 + BOX_OVERHEAD))
WELCOME: Layout = (("nonce", 16), ("box", 128 + BOX_OVERHEAD))
WELCOME_BOX: Layout = (("S'", KEY_SIZE), ("cookie", 96))
INITIATE: Layout = (("cookie", 96), ("nonce", 8), ("box", REST))
INITIATE_BOX: Layout = (("C", KEY_SIZE), ("vouch", 96), ("metadata", REST))
READY: Layout = (("nonce", 8), ("box", REST))
MESSAGE: Layout = (("nonce", 8), ("box", REST))
MESSAGE_BOX: Layout = (("flags", 1), ("body", REST))
SEALED: Layout = (("nonce", 16), ("box", REST))  # a cookie, a vouch
COOKIE_BOX: Layout = (("C'", KEY_SIZE), ("s'", KEY_SIZE))
VOUCH_BOX: Layout = (("C'", KEY_SIZE), ("S", KEY_SIZE))


class Command(NamedTuple):
    """A command of the handshake. least: how many octets it has after its name, at least if its box is the REST."""

    layout: Layout
    least: int
    prefix: bytes  # of the nonce of its box
    violation: Violation


COMMANDS = {
    "HELLO": Command(HELLO, width(HELLO), b"CurveZMQHELLO---", Violation.MALFORMED_HELLO),
    "WELCOME": Command(WELCOME, width(WELCOME), b"WELCOME-", Violation.MALFORMED_WELCOME),
    "INITIATE": Command(INITIATE, 96 + 8 + BOX_OVERHEAD + 128, b"CurveZMQINITIATE", Violation.MALFORMED_INITIATE),
    "READY": Command(READY, 8 + BOX_OVERHEAD, b"CurveZMQREADY---", Violation.MALFORMED_READY),
}

# The flags octet inside a MESSAGE for each value of a frame's flags, and back. COMMAND is another bit there (26-36).
INNER = [bytes([flags & MORE | (flags & COMMAND) >> 1]) for flags in range(8)]
OUTER = {0: 0, 1: MORE, 2: COMMAND}

NAME = b"\x07MESSAGE"
OVERHEAD = len(NAME) + 8 + BOX_OVERHEAD + 1  # how much larger the body of a frame gets
SHORT = [frame_header(size) + NAME for size in range(256)]  # how a short frame begins, by size

Entropy = Callable[[int], bytes]


def check_available() -> None:
    """Raise ZMQError(ENOTSUP), which says what to install, if PyNaCl is missing."""
    if crypto_box_beforenm is None:
        raise ZMQError(ENOTSUP, "CURVE needs PyNaCl: pip install 'minizmtp[curve]'")


def keypair(secret: bytes | None = None) -> tuple[bytes, bytes]:
    """Make a key pair: (public, secret), 32 octets each. With a given secret key, compute its public key."""
    check_available()
    secret = os.urandom(KEY_SIZE) if secret is None else secret
    return crypto_scalarmult_base(secret), Secret(secret)


def scripted(*values: bytes) -> Entropy:
    """Replace the random source by known values, for examples and test vectors; they are used in this order."""
    left = iter(values)
    return lambda size: next(left)


def shared_key(theirs: bytes, ours: bytes, whose: str, at: int | None = None) -> bytes:
    """The shared key for all boxes between two key pairs, in both directions. It is computed once and not for each box,
    because it is nearly all the work of a small one.

    Raises ProtocolError if theirs, which came in the command `whose`, is one of the few keys that give a shared key
    known to all; NaCl refuses them. at: the offset for the error.
    """
    try:
        return crypto_box_beforenm(theirs, ours)
    except CryptoError:
        raise malformed("key", f"the key of {whose} is not safe to use", Violation.CRYPTOGRAPHIC, at) from None


def seal(inner: bytes, prefix: bytes, nonce: bytes, key: bytes) -> bytes:
    """A nonce without its prefix, and the box. key: a shared key, or any that both sides know: NaCl's secretbox, which
    the RFC asks for in the cookie, is a box with such a key."""
    return nonce + crypto_box_afternm(inner, prefix + nonce, key)


def open_box(what: str, box: bytes, nonce: bytes, shared: bytes, at: int | None = None) -> bytes:
    """Open a box. Raises ProtocolError if it was made with other keys or was changed on the way. at: the offset of the
    box, for the error."""
    try:
        return crypto_box_open_afternm(box, nonce, shared)
    except CryptoError:
        raise _closed(what, at) from None


def open_cookie(cookie: bytes, key: bytes) -> bytes:
    """Open a cookie, which the server encrypted for itself."""
    sealed = dict(split(SEALED, cookie))
    return open_box("cookie", sealed["box"], b"COOKIE--" + sealed["nonce"], key)


def open_vouch(vouch: bytes, theirs: bytes, ours: bytes) -> bytes:
    """Open a vouch, in which the owner of the permanent key confirms its key for this connection."""
    sealed, what = dict(split(SEALED, vouch)), "INITIATE's vouch"
    return open_box(what, sealed["box"], b"VOUCH---" + sealed["nonce"], shared_key(theirs, ours, what))


def _closed(what: str, at: int | None = None) -> ProtocolError:
    return malformed(what, "its box does not open with the keys of this connection", Violation.CRYPTOGRAPHIC, at)


def malformed(what: str, how: str, violation: Violation, at: int | None = None) -> ProtocolError:
    """The error for a command with an invalid format."""
    return ProtocolError(f"malformed {what}: {how} (26/CURVEZMQ)", violation, at=at)


def check_nonce(short: bytes, last: int, at: int | None = None) -> int:
    """The counter in a short nonce. It must be larger than the last one; gaps are allowed, because only a repeated
    nonce is dangerous."""
    nonce = int.from_bytes(short, "big")
    if nonce <= last:
        raise ProtocolError(
            f"nonce {nonce} after {last}: a command repeated or out of order, expected a larger nonce (26/CURVEZMQ)",
            Violation.INVALID_SEQUENCE,
            at=at,
        )
    return nonce


def check_message(body: bytes) -> None:
    """Check a MESSAGE: its name, a nonce, and a box that holds at least the flags."""
    if body[:8] != NAME or len(body) < OVERHEAD:
        raise malformed("MESSAGE", "expected a MESSAGE command with a nonce and a box", Violation.MALFORMED_MESSAGE)


def fields_of(name: str, data: bytes) -> dict[str, bytes]:
    """The fields of a command of the handshake. Raises ProtocolError for all that is wrong with it and can be seen
    without a key."""
    command = COMMANDS[name]
    fields = dict(split(command.layout, data))
    # Before the size, because a peer with another version of CURVE may well send another size.
    if name == "HELLO" and (fields["version"] != b"\x01\x00" or any(fields["padding"])):
        at = 0 if fields["version"] != b"\x01\x00" else offset(HELLO, "padding")
        raise malformed(name, "expected 200 octets, version 1.0 and 72 zeros", command.violation, at)
    if len(data) < command.least or (len(data) > command.least and command.layout[-1][1] != REST):
        how = f"{len(data) + 1 + len(name)} octets, expected {command.least + 1 + len(name)}"
        how += " or more" if command.layout[-1][1] == REST else ""
        raise malformed(name, how, command.violation, at=min(len(data), command.least))
    if name == "HELLO" and fields["C'"][-1] > 127:  # X25519 ignores this bit, so it could be changed unnoticed
        raise malformed(name, "C' has 256 bits, expected 255", command.violation, at=offset(HELLO, "C'"))
    return fields


class Cipher:
    """Encrypts and decrypts the MESSAGE commands of one connection, and keeps the two nonce counters."""

    def __init__(self, shared: bytes, sends: bytes, receives: bytes, sent: int, received: int) -> None:
        self._shared = shared
        self._sends, self._receives = sends, receives
        self._sent, self._received = sent, received.to_bytes(8, "big")

    def encrypt(self, flags: int, bodies: Sequence[bytes]) -> list[bytes]:
        """See `Mechanism`. The result is message frames without flags, because the flags are inside the boxes."""
        inner, sends, shared, sent = INNER[flags], self._sends, self._shared, self._sent
        self._sent += len(bodies)
        if self._sent > LARGEST_NONCE:
            raise RuntimeError("no nonce left after 2^64 frames: use a new connection (26-14)")
        pieces: list[bytes] = []
        for number, body in enumerate(bodies, sent + 1):
            size, short = len(body) + OVERHEAD, number.to_bytes(8, "big")
            pieces.append((SHORT[size] if size < 256 else frame_header(size) + NAME) + short)
            pieces.append(crypto_box_afternm(inner + body, sends + short, shared))
        return pieces

    def decrypt(self, bodies: Iterable[bytes]) -> Iterator[Frame]:
        """See `Mechanism`. Most of the time is PyNaCl's: four fifths for a small frame."""
        receives, shared = self._receives, self._shared
        for body in bodies:
            short = body[8:16]
            if body[:8] != NAME or len(body) < OVERHEAD or short <= self._received:
                check_message(body)
                check_nonce(short, int.from_bytes(self._received, "big"), at=0)
            # A view of a small box takes longer than a copy. PyNaCl copies what it is given, so it takes any buffer.
            box: Any = body[16:] if len(body) < 4096 else memoryview(body)[16:]
            try:
                inner = crypto_box_open_afternm(box, receives + short, shared)
            except CryptoError:
                raise _closed("MESSAGE", at=8) from None
            self._received = short  # octets in this order compare as the numbers do
            yield (inner[0], inner[1:]) if inner[0] <= MORE else read_flags(inner)  # MORE is the same bit in both


def read_flags(inner: bytes) -> Frame:
    """The flags, as in a frame's header, and the body, from the contents of a MESSAGE box."""
    if (flags := OUTER.get(inner[0])) is None:
        raise malformed("MESSAGE", f"its flags are {inner[0]:02x}", Violation.MALFORMED_MESSAGE, at=0)
    return flags, inner[1:]


class _Curve(Mechanism):
    """Base class of both sides. A refusal isn't explained: a server sends ERROR only to a client with a proven key, a
    client never does (26-3, 26-38)."""

    name = b"CURVE"
    encrypts = True
    overhead = OVERHEAD

    def __init__(self, entropy: Entropy, awaits: bytes) -> None:
        check_available()
        self._entropy = entropy
        self._awaits = awaits  # the command that has to be the next
        self._shared = b""  # of c' and S, and later of c' and S'

    def _box(self, name: str, inner: bytes, number: int) -> bytes:
        """A short nonce and a box."""
        return seal(inner, COMMANDS[name].prefix, number.to_bytes(8, "big"), self._shared)

    def _open(self, name: str, fields: dict[str, bytes]) -> bytes:
        return open_box(name, fields["box"], COMMANDS[name].prefix + fields["nonce"], self._shared)

    def _begin_traffic(self, sends: bytes, receives: bytes, sent: int, received: int) -> None:
        cipher = Cipher(self._shared, b"CurveZMQMESSAGE" + sends, b"CurveZMQMESSAGE" + receives, sent, received)
        self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt  # type: ignore[method-assign]


class CurveClient(_Curve):
    """The client's side. public, secret: our permanent keys C, c. server: S. All have 32 octets."""

    def __init__(self, public: bytes, secret: bytes, server: bytes, entropy: Entropy = os.urandom) -> None:
        super().__init__(entropy, awaits=b"WELCOME")
        self._public, self._secret, self._server = public, Secret(secret), server
        self._our_public, self._our_secret = keypair(entropy(KEY_SIZE))  # C', c'

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        """Send HELLO. The 72 zeros make it longer than the answer, because a server must not send more than it
        received to an address that may be forged."""
        super().open(metadata)
        self._shared = shared_key(self._server, self._our_secret, "curve_serverkey")
        box = self._box("HELLO", bytes(64), number=1)
        return [encode_command(b"HELLO", b"\x01\x00" + bytes(72) + self._our_public + box)]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, f"{self._awaits.decode()} or ERROR")
        return self._receive_welcome(data) if name == b"WELCOME" else self._receive_ready(data)

    def _receive_welcome(self, data: bytes) -> Steps:
        opened = dict(split(WELCOME_BOX, self._open("WELCOME", fields_of("WELCOME", data))))
        self._shared = shared_key(opened["S'"], self._our_secret, "WELCOME")
        self._awaits = b"READY"
        # C is sent in a box for S', because then not even the owner of s can tell later who we were.
        shared = shared_key(opened["S'"], self._secret, "WELCOME")
        vouch = seal(self._our_public + self._server, b"VOUCH---", self._entropy(16), shared)
        inner = self._public + vouch + encode_metadata(self._metadata)
        return [encode_command(b"INITIATE", opened["cookie"] + self._box("INITIATE", inner, number=2))]

    def _receive_ready(self, data: bytes) -> Steps:
        fields = fields_of("READY", data)
        inner = self._open("READY", fields)
        self._begin_traffic(b"C", b"S", sent=2, received=int.from_bytes(fields["nonce"], "big"))
        return [Ready(decode_metadata(inner))]


class CurveServer(_Curve):
    """The server's side. secret: our permanent key s. public: S, if the caller has it already; computing it costs about
    a tenth of a handshake."""

    as_server = True

    def __init__(self, secret: bytes, entropy: Entropy = os.urandom, public: bytes | None = None) -> None:
        super().__init__(entropy, awaits=b"HELLO")
        self._public, self._secret = public or keypair(secret)[0], Secret(secret)
        self._our_public = self._our_secret = b""  # S', s'
        self._cookie_key = b""  # K
        self._their_public = b""  # C'
        self._received = 0
        self._theirs: dict[bytes, bytes] = {}

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, self._awaits.decode())
        return self._receive_hello(data) if name == b"HELLO" else self._receive_initiate(data)

    def _receive_hello(self, data: bytes) -> Steps:
        fields = fields_of("HELLO", data)
        self._their_public, self._received = fields["C'"], int.from_bytes(fields["nonce"], "big")
        self._shared = shared_key(self._their_public, self._secret, "HELLO")
        if any(self._open("HELLO", fields)):
            raise malformed("HELLO", "its box holds other than zeros", Violation.CRYPTOGRAPHIC)
        self._awaits = b"INITIATE"
        self._our_public, self._our_secret = keypair(self._entropy(KEY_SIZE))
        self._cookie_key = Secret(self._entropy(KEY_SIZE))
        cookie = seal(self._their_public + self._our_secret, b"COOKIE--", self._entropy(16), self._cookie_key)
        box = seal(self._our_public + cookie, COMMANDS["WELCOME"].prefix, self._entropy(16), self._shared)
        return [encode_command(b"WELCOME", box)]

    def _receive_initiate(self, data: bytes) -> Steps:
        fields = fields_of("INITIATE", data)
        if open_cookie(fields["cookie"], self._cookie_key) != self._their_public + self._our_secret:
            raise malformed("INITIATE", "its cookie is of another connection", Violation.CRYPTOGRAPHIC)
        self._cookie_key = b""  # so that it can't be used again (26-20)
        self._received = check_nonce(fields["nonce"], self._received)  # after HELLO's, because one counter has both
        self._shared = shared_key(self._their_public, self._our_secret, "HELLO")
        opened = dict(split(INITIATE_BOX, self._open("INITIATE", fields)))
        # libzmq checks only C' here, so another server could relay to it a client that meant that server (26-26).
        if open_vouch(opened["vouch"], opened["C"], self._our_secret) != self._their_public + self._public:
            raise malformed("INITIATE", "its vouch is for another connection or server", Violation.CRYPTOGRAPHIC)
        self._theirs = decode_metadata(opened["metadata"])
        self._awaits = b"nothing more"  # because READY is ours, and traffic does not come here
        return [AuthRequest(self.name, (opened["C"],), self._theirs.get(b"identity", b""))]

    def on_accepted(self) -> Steps:
        box = self._box("READY", encode_metadata(self._metadata), number=1)
        self._begin_traffic(b"S", b"C", sent=1, received=self._received)
        theirs, self._theirs = self._theirs, {}  # up to 64 KiB, which we don't need any more
        return [encode_command(b"READY", box), Ready(theirs)]
