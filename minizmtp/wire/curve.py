r"""CURVE: nobody listens, nobody changes a bit, nobody pretends.                    RFC 26/CURVEZMQ, RFC 25/ZMTP-CURVE

Everybody has a key pair that stays, and makes another for each connection, to be forgotten with it:

    C, c     the client's permanent keys, public and secret         C', c'   its keys for this connection
    S, s     the server's; the client knows S beforehand            S', s'   its keys for this connection

A **box** from a to B is made with the secret a and the public B, opened with the secret b and the public A, and can
be made or opened by nobody else. So to open it proves who made it. `Box[X](a→B)` is X encrypted, and 16 octets longer.

    client                                                     server
    HELLO     C', Box[64 zeros](c'→S)          ─────────────►  opens it with s: this client knows our key
                                               ◄─────────────  Box[S', cookie](s→C')          WELCOME
    opens it: this is the server that has s
    INITIATE  cookie, Box[C, vouch, metadata](c'→S')  ──────►  opens it: C' again, and now C; the vouch is
              vouch = Box[C', S](c→S')                         from c: this is the client that has c
                                               ◄─────────────  Box[metadata](s'→C')           READY
    MESSAGE   Box[flags, data](c'→S')          ◄────────────►  Box[flags, data](s'→C')        MESSAGE

Each line proves one thing more. HELLO costs a stranger who does not know S nothing but its place. The cookie is the
server's own state, sealed with a key K that only it has. The vouch says "C' is mine, and I mean you, S", so that a
server to whom it was said cannot say it to another. And because c' and s' are forgotten, whoever steals c and s next
year cannot read what was recorded today.

A **nonce** makes each box different: 24 octets, never twice for the same keys. It is a name for the kind of box, and
either 8 octets that count up ("short") or 16 random ones ("long"). One counter serves a direction for all its commands,
and the other side demands that it grows: so nothing can be replayed, or put in another order (26-13, 26-15).

Here is a handshake with all keys given. Each box is opened by hand in the tests of this module.

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
    >>> ready, event = server.admitted()
    >>> event, client.receive(b"READY", ready[6:])
    (Ready(metadata={b'socket-type': b'DEALER'}), [Ready(metadata={b'socket-type': b'ROUTER'})])
    >>> sealed = client.seal(0, b"hello"); len(sealed), sealed[:18]
    (40, b'\x00&\x07MESSAGE\x00\x00\x00\x00\x00\x00\x00\x03')
    >>> server.unseal(sealed[2:])
    (0, b'hello')

(The RFC asks for 70 octets of padding in HELLO; only 72 make it 200. It puts MESSAGE into command frames; libzmq uses
message frames, and drops the others without a word.)

Below this module: `mechanisms`. The cryptography is NaCl's, by PyNaCl (`pip install 'minizmtp[curve]'`).
It can be read alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ..errors import ENOTSUP, ProtocolError, Secret, Violation, ZMQError
from .commands import decode_metadata, encode_command, encode_metadata
from .events import Authenticate, Message, Ready
from .frames import COMMAND, LONG, MORE, SHORT, FrameDecoder, frame_header
from .layout import REST, Layout, offset, split, width
from .mechanisms import Steps, box_work, unexpected_command

try:
    from nacl.bindings import (
        crypto_box_afternm,
        crypto_box_beforenm,
        crypto_box_open_afternm,
        crypto_scalarmult_base,
        crypto_secretbox,
        crypto_secretbox_open,
    )
    from nacl.exceptions import CryptoError
except ImportError:  # told to whoever asks for CURVE, see check_available
    crypto_box_beforenm = None  # type: ignore[assignment]

KEY_SIZE = 32
BOX_OVERHEAD = 16
LARGEST_NONCE = 2**64 - 1
ANY_NONCE = -1  # the RFC has the counter grow, and does not say where it starts: 0 is as good as 1

# What follows the name of each command. In WELCOME_BOX is what the box of a WELCOME holds, and so on.
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

# Flags inside a MESSAGE. COMMAND has another place here than in a frame's header (26-36).
INNER_MORE, INNER_COMMAND = 1, 2
# … by the flags of a frame, as the octet that a box begins with.
INNER = [bytes([(INNER_MORE if flags & MORE else 0) | (INNER_COMMAND if flags & COMMAND else 0)]) for flags in range(8)]

NAME = b"\x07MESSAGE"
SHORT_MESSAGE = [header + NAME for header in SHORT]  # what a short frame with a MESSAGE begins with, by its size

Entropy = Callable[[int], bytes]


def check_available() -> None:
    """Raise ZMQError(ENOTSUP), with what to install, if there is no NaCl."""
    if crypto_box_beforenm is None:
        raise ZMQError(ENOTSUP, "CURVE needs PyNaCl: pip install 'minizmtp[curve]'")


def keypair(secret: bytes | None = None) -> tuple[bytes, bytes]:
    """A public and a secret key, 32 octets each; to a given secret the public one that belongs to it."""
    check_available()
    secret = os.urandom(KEY_SIZE) if secret is None else secret
    return crypto_scalarmult_base(secret), Secret(secret)


def scripted(*values: bytes) -> Entropy:
    """Random octets that are known beforehand, for examples and vectors; asked for in the order of use."""
    left = iter(values)
    return lambda size: next(left)


def shared_key(theirs: bytes, ours: bytes, whose: str, at: int | None = None) -> bytes:
    """What all boxes between two keys have in common, either way: nearly all the work that a small one is. Made once
    for each two keys, and not for each box, it lets a handshake take 160 µs of CPU at the client's side in place of
    255, and 185 at the server's in place of 280. (Measured on 2026-11-25.)

    ProtocolError: theirs, which whose has told us, is one of the few keys with which everybody can open everything, and
    NaCl does not take it. at: where it came to light.
    """
    try:
        return crypto_box_beforenm(theirs, ours)
    except CryptoError:
        raise malformed("key", f"nothing can be sealed with that of {whose}", Violation.CRYPTOGRAPHIC, at) from None


class Sealer:
    """MESSAGE, both ways: the boxes of one connection, and the two counters."""

    def __init__(self, shared: bytes, sends: bytes, receives: bytes, sent: int, received: int) -> None:
        self._shared = shared
        self._sends, self._receives = sends, receives
        self._sent, self._received = sent, received
        self._ahead: list[bytes] = []  # what is in the boxes that come next, as far as they are open already

    def seal(self, flags: int, body: bytes) -> bytes:
        """The frame that takes a frame of traffic across. It is a message frame without flags: those are inside."""
        self._sent = sent = self._sent + 1
        if sent > LARGEST_NONCE:
            raise RuntimeError("2^64 frames on one connection: its keys are used up (26-14)")
        short = sent.to_bytes(8, "big")
        size = len(body) + 16 + BOX_OVERHEAD + 1
        start = SHORT_MESSAGE[size] if size < 256 else frame_header(size) + NAME
        return start + short + crypto_box_afternm(INNER[flags] + body, self._sends + short, self._shared)

    def unseal_some(self, decoder: FrameDecoder, most: int) -> list[bytes | Message]:
        """The next messages, up to most, as far as decoder has them whole; [] says: take the next frame, and `unseal`
        it. To be asked only between two messages. Each box counts against the decoder's allowance (`box_work`).

        The quick twin of doing just that: 2.4 µs in place of 3.8 for 64 octets, and 1.8 of them are NaCl's. (Measured
        on 2026-11-25.) What is not quite plain is left to the clear twin, to be told or refused there. But only inside
        a box it shows whether it holds the last frame of a message: what has been opened stays open for that twin.
        """
        allowance = decoder.allowance
        found: list[bytes | Message] = []
        if self._ahead or allowance <= 0 or not decoder.plain:
            return found
        octets, start, held = decoder.whole, decoder.position, len(decoder.whole)
        last = read = self._received.to_bytes(8, "big")  # octets in this order compare as the numbers do
        while len(found) < most and start + 1 < held and allowance > 0:
            size, at = octets[start + 1], start + 10
            if not octets.startswith(SHORT_MESSAGE[size], start):
                size, at = int.from_bytes(octets[start + 1 : start + 9], "big"), start + 17
                if octets[start] != LONG or not octets.startswith(NAME, start + 9) or 0 <= decoder.limit < size:
                    break
            short, start = octets[at : at + 8], at - 8 + size
            if start > held or size <= 16 + BOX_OVERHEAD or short <= last:
                break
            try:
                inner = crypto_box_open_afternm(octets[at + 8 : start], self._receives + short, self._shared)
            except CryptoError:
                break
            last = short
            allowance -= box_work(size)
            if inner[0] or self._ahead:
                self._ahead.append(inner)
                if inner[0] == INNER_MORE:
                    continue
                if inner[0]:
                    break
                found.append([each[1:] for each in self._ahead])
                self._ahead.clear()
            else:
                found.append(inner[1:])
            decoder.position, read = start, short
        self._received = int.from_bytes(read, "big")
        decoder.allowance = allowance
        return found

    def open(self, body: bytes) -> bytes:
        """What is in the box of a MESSAGE: flags, and what `seal` was given at the other side."""
        check_message(body)
        self._received = check_nonce(body[8:16], self._received, at=0)
        if self._ahead:
            return self._ahead.pop(0)
        try:
            return crypto_box_open_afternm(body[16:], self._receives + body[8:16], self._shared)
        except CryptoError:
            raise _closed("MESSAGE", at=8) from None

    def unseal(self, body: bytes) -> tuple[int, bytes]:
        """Flags and body of what `seal` was given at the other side."""
        return read_flags(self.open(body))


def read_flags(inner: bytes) -> tuple[int, bytes]:
    """Flags as they stand outside of boxes, and body, from what was in the box of a MESSAGE."""
    if inner[0] > INNER_MORE | INNER_COMMAND or inner[0] == INNER_MORE | INNER_COMMAND:
        raise malformed("MESSAGE", f"its flags are {inner[0]:02x}", Violation.MALFORMED_MESSAGE, at=0)
    return (MORE if inner[0] & INNER_MORE else 0) | (COMMAND if inner[0] & INNER_COMMAND else 0), inner[1:]


def open_box(what: str, box: bytes, nonce: bytes, shared: bytes, at: int | None = None) -> bytes:
    """What is in a box, or ProtocolError: it was not made with the keys that it should be, or it was changed.
    at: where the box stands."""
    try:
        return crypto_box_open_afternm(box, nonce, shared)
    except CryptoError:
        raise _closed(what, at) from None


def open_cookie(cookie: bytes, key: bytes) -> bytes:
    """What a server has sealed for itself."""
    sealed = dict(split(SEALED, cookie))
    try:
        return crypto_secretbox_open(sealed["box"], b"COOKIE--" + sealed["nonce"], key)
    except CryptoError:
        raise _closed("cookie") from None


def open_vouch(vouch: bytes, theirs: bytes, ours: bytes) -> bytes:
    """What the owner of the permanent key says of the one for this connection."""
    sealed, what = dict(split(SEALED, vouch)), "INITIATE's vouch"
    return open_box(what, sealed["box"], b"VOUCH---" + sealed["nonce"], shared_key(theirs, ours, what))


def _closed(what: str, at: int | None = None) -> ProtocolError:
    return malformed(what, "its box does not open with the keys of this connection", Violation.CRYPTOGRAPHIC, at)


def check_nonce(short: bytes, last: int, at: int | None = None) -> int:
    """The counter in a short nonce, which must have grown. Gaps are allowed: what counts is that none comes twice."""
    nonce = int.from_bytes(short, "big")
    if nonce <= last:
        raise ProtocolError(
            f"nonce {nonce} after {last}: a command repeated or out of order, required is a larger one (26/CURVEZMQ)",
            Violation.INVALID_SEQUENCE,
            at=at,
        )
    return nonce


def malformed(what: str, how: str, violation: Violation, at: int | None = None) -> ProtocolError:
    """The error for a command that is not made as it should be."""
    return ProtocolError(f"malformed {what}: {how} (26/CURVEZMQ)", violation, at=at)


# What can be told of a command without any key. Each gives the fields.


def hello_fields(data: bytes) -> dict[str, bytes]:
    """200 octets, version 1.0, and the zeros that make a HELLO longer than its answer."""
    fields = dict(split(HELLO, data))
    how, bad = "required are 200 octets, version 1.0 and 72 zeros", Violation.MALFORMED_HELLO
    if fields["version"] != b"\x01\x00":
        raise malformed("HELLO", how, bad, at=0)
    if any(fields["padding"]):
        raise malformed("HELLO", how, bad, at=2)
    if len(data) != width(HELLO):
        raise malformed("HELLO", how, bad, at=min(len(data), width(HELLO)))
    if fields["C'"][-1] > 127:  # a bit that is no part of a number here: X25519 does not see it change
        raise malformed("HELLO", "C' has 256 bits, required are 255", bad, at=offset(HELLO, "C'"))
    check_nonce(fields["nonce"], ANY_NONCE, at=offset(HELLO, "nonce"))
    return fields


def welcome_fields(data: bytes) -> dict[str, bytes]:
    """168 octets with the name."""
    if len(data) != width(WELCOME):
        how = f"{len(data) + 8} octets, required are 168"
        raise malformed("WELCOME", how, Violation.MALFORMED_WELCOME, at=min(len(data), width(WELCOME)))
    return dict(split(WELCOME, data))


def initiate_fields(data: bytes) -> dict[str, bytes]:
    """A box has room for C and the vouch at least."""
    if len(data) < 96 + 8 + BOX_OVERHEAD + 128:
        how = f"{len(data) + 9} octets, required are 257 or more"
        raise malformed("INITIATE", how, Violation.MALFORMED_INITIATE, at=len(data))
    return dict(split(INITIATE, data))


def ready_fields(data: bytes) -> dict[str, bytes]:
    """A box, if only around no metadata at all."""
    if len(data) < 8 + BOX_OVERHEAD:
        how = f"{len(data) + 6} octets, required are 30 or more"
        raise malformed("READY", how, Violation.MALFORMED_READY, at=len(data))
    fields = dict(split(READY, data))
    check_nonce(fields["nonce"], ANY_NONCE, at=0)
    return fields


def check_message(body: bytes) -> None:
    """MESSAGE, a nonce, and a box around at least the flags."""
    if body[:8] != NAME or len(body) < 16 + BOX_OVERHEAD + 1:
        raise malformed("MESSAGE", "required is one, with a nonce and a box", Violation.MALFORMED_MESSAGE)


class _Curve:
    """What both sides have in common."""

    name = b"CURVE"
    as_server = False
    frank = False  # a server says ERROR only to whom it could recognize, a client never (26-3, 26-38)
    seals = True

    def __init__(self, entropy: Entropy) -> None:
        check_available()
        self._entropy = entropy
        self._metadata: Mapping[bytes, bytes] = {}
        self._shared = b""  # between c' and S, and then between c' and S'
        self._sealer: Sealer | None = None

    def seal(self, flags: int, body: bytes) -> bytes:
        assert self._sealer is not None
        return self._sealer.seal(flags, body)

    def unseal_some(self, decoder: FrameDecoder, most: int) -> list[bytes | Message]:
        assert self._sealer is not None
        return self._sealer.unseal_some(decoder, most)

    def unseal(self, body: bytes) -> tuple[int, bytes]:
        assert self._sealer is not None
        return self._sealer.unseal(body)


class CurveClient(_Curve):
    """public, secret: our permanent keys C, c. server: S. 32 octets each."""

    def __init__(self, public: bytes, secret: bytes, server: bytes, entropy: Entropy = os.urandom) -> None:
        super().__init__(entropy)
        self._public, self._secret, self._server = public, Secret(secret), server
        self._our_public, self._our_secret = keypair(entropy(KEY_SIZE))  # C', c'
        self._awaits = b"WELCOME"

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        """HELLO. The 72 zeros make it longer than any answer to it, so that nobody is flooded in our name."""
        self._metadata = metadata
        short = (1).to_bytes(8, "big")
        nonce = b"CurveZMQHELLO---" + short
        self._shared = shared_key(self._server, self._our_secret, "curve_serverkey")
        box = crypto_box_afternm(bytes(64), nonce, self._shared)
        return [encode_command(b"HELLO", b"\x01\x00" + bytes(72) + self._our_public + short + box)]

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, f"{self._awaits.decode()} or ERROR")
        return self._receive_welcome(data) if name == b"WELCOME" else self._receive_ready(data)

    def _receive_welcome(self, data: bytes) -> Steps:
        fields = welcome_fields(data)
        nonce = b"WELCOME-" + fields["nonce"]
        opened = dict(split(WELCOME_BOX, open_box("WELCOME", fields["box"], nonce, self._shared)))
        self._shared = shared_key(opened["S'"], self._our_secret, "WELCOME")
        self._awaits = b"READY"
        return [encode_command(b"INITIATE", opened["cookie"] + self._initiate(opened["S'"]))]

    def _initiate(self, theirs: bytes) -> bytes:
        """Who we are (C), the proof of it (the vouch), and our metadata."""
        long = self._entropy(16)
        said = self._our_public + self._server
        vouch = long + crypto_box_afternm(said, b"VOUCH---" + long, shared_key(theirs, self._secret, "WELCOME"))
        short = (2).to_bytes(8, "big")
        inner = self._public + vouch + encode_metadata(self._metadata)
        return short + crypto_box_afternm(inner, b"CurveZMQINITIATE" + short, self._shared)

    def _receive_ready(self, data: bytes) -> Steps:
        fields = ready_fields(data)
        nonce = b"CurveZMQREADY---" + fields["nonce"]
        inner = open_box("READY", fields["box"], nonce, self._shared)
        received = int.from_bytes(fields["nonce"], "big")
        self._sealer = Sealer(self._shared, b"CurveZMQMESSAGEC", b"CurveZMQMESSAGES", sent=2, received=received)
        return [Ready(decode_metadata(inner))]

    def admitted(self) -> Steps:
        raise NotImplementedError("a client admits nobody")


class CurveServer(_Curve):
    """secret: our permanent key s. public: S, from whoever has worked it out before: a tenth of our work."""

    as_server = True

    def __init__(self, secret: bytes, entropy: Entropy = os.urandom, public: bytes | None = None) -> None:
        super().__init__(entropy)
        self._public, self._secret = public or keypair(secret)[0], Secret(secret)
        self._our_public = self._our_secret = b""  # S', s'
        self._cookie_key = b""  # K
        self._their_public = b""  # C'
        self._received = 0
        self._awaits = b"HELLO"
        self._theirs: dict[bytes, bytes] = {}

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        self._metadata = metadata
        return []

    def receive(self, name: bytes, data: bytes) -> Steps:
        if name != self._awaits:
            raise unexpected_command(name, self._awaits.decode())
        return self._receive_hello(data) if name == b"HELLO" else self._receive_initiate(data)

    def _receive_hello(self, data: bytes) -> Steps:
        fields = hello_fields(data)
        self._their_public, self._received = fields["C'"], int.from_bytes(fields["nonce"], "big")
        nonce = b"CurveZMQHELLO---" + fields["nonce"]
        self._shared = shared_key(self._their_public, self._secret, "HELLO")
        if any(open_box("HELLO", fields["box"], nonce, self._shared)):
            raise malformed("HELLO", "its box holds other than zeros", Violation.CRYPTOGRAPHIC)
        self._awaits = b"INITIATE"
        return [encode_command(b"WELCOME", self._welcome())]

    def _welcome(self) -> bytes:
        self._our_public, self._our_secret = keypair(self._entropy(KEY_SIZE))
        self._cookie_key = Secret(self._entropy(KEY_SIZE))
        long = self._entropy(16)
        state = self._their_public + self._our_secret
        cookie = long + crypto_secretbox(state, b"COOKIE--" + long, self._cookie_key)
        long = self._entropy(16)
        return long + crypto_box_afternm(self._our_public + cookie, b"WELCOME-" + long, self._shared)

    def _receive_initiate(self, data: bytes) -> Steps:
        fields = initiate_fields(data)
        self._check_cookie(fields["cookie"])
        self._received = check_nonce(fields["nonce"], self._received)
        nonce = b"CurveZMQINITIATE" + fields["nonce"]
        self._shared = shared_key(self._their_public, self._our_secret, "HELLO")
        opened = dict(split(INITIATE_BOX, open_box("INITIATE", fields["box"], nonce, self._shared)))
        client = opened["C"]
        self._check_vouch(opened["vouch"], client)
        self._theirs = decode_metadata(opened["metadata"])
        self._awaits = b"nothing more"
        return [Authenticate(self.name, (client,), self._theirs.get(b"identity", b""))]

    def _check_cookie(self, cookie: bytes) -> None:
        """It is ours, and made for this connection. Its key has done its duty then (26-20)."""
        state = open_cookie(cookie, self._cookie_key)
        if state != self._their_public + self._our_secret:
            raise malformed("INITIATE", "its cookie is of another connection", Violation.CRYPTOGRAPHIC)
        self._cookie_key = b""

    def _check_vouch(self, vouch: bytes, client: bytes) -> None:
        """The owner of C says that C' is its own, and that it means us. (libzmq looks at C' only: a client that means
        another server could then be sent on to us by that one, 26-26.)"""
        said = open_vouch(vouch, client, self._our_secret)
        if said != self._their_public + self._public:
            raise malformed("INITIATE", "its vouch is for another connection or server", Violation.CRYPTOGRAPHIC)

    def admitted(self) -> Steps:
        short = (1).to_bytes(8, "big")
        box = crypto_box_afternm(encode_metadata(self._metadata), b"CurveZMQREADY---" + short, self._shared)
        self._sealer = Sealer(self._shared, b"CurveZMQMESSAGES", b"CurveZMQMESSAGEC", sent=1, received=self._received)
        theirs, self._theirs = self._theirs, {}  # up to 64 KiB, which the connection does not need any more
        return [encode_command(b"READY", short + box), Ready(theirs)]
