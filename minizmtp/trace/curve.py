r"""CURVE for an observer: the contents of the boxes, if the keys are known.         RFC 26/CURVEZMQ, RFC 25/ZMTP-CURVE

A box between two key pairs can be opened with either side's secret key and the other side's public key. (The letters
are those of `wire.curve`. C' is sent in clear in HELLO, S' in the box of WELCOME, and C in the box of INITIATE.)

    HELLO, WELCOME             s and C'   or  c' and S
    INITIATE, READY, MESSAGE   s' and C'  or  c' and S'
    the vouch                  s' and C   or  c and S'
    the cookie                 K

This is forward secrecy as an observer sees it: the server's permanent secret s opens the first two commands and nothing
more. Everything that matters is encrypted with keys that are discarded with the connection, so an observer needs one of
those keys, and must get it while the connection is open.

    >>> keys = Keys(server_secret=bytes(range(32)), client_transient="Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")
    >>> len(keys.client_transient)
    32

A `Witness` is a mechanism (see `wire.mechanisms`) that sends nothing. It reads one side's commands with the functions
of `wire.curve`. Without a key, it reads what is visible without one.

Below this module: `wire.curve`. Read next: `zmtp`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..errors import Secret, Violation
from ..wire import curve, z85
from ..wire.events import Ready
from ..wire.frames import Frame
from ..wire.layout import Layout, offset, split
from ..wire.mechanisms import Mechanism, Steps, unexpected_command
from ..wire.metadata import decode_metadata

KeyPair = tuple[bytes, bytes]  # one side's public key and the other side's secret key

LAYOUTS: dict[str, Layout] = {
    "HELLO": curve.HELLO,
    "WELCOME": curve.WELCOME,
    "INITIATE": curve.INITIATE,
    "READY": curve.READY,
    "MESSAGE": curve.MESSAGE,
}


class Keys:
    """The known keys of a CURVE connection; each is 32 octets, or 40 characters of Z85.

    server_secret: s. server_public: S, which is computed from s. client_secret: c. These are permanent.
    server_transient: s'. client_transient: c'. These belong to one connection.
    cookie_key: K, which encrypts the server's cookie.
    """

    def __init__(
        self,
        *,
        server_secret: bytes | str = b"",
        server_public: bytes | str = b"",
        client_secret: bytes | str = b"",
        server_transient: bytes | str = b"",
        client_transient: bytes | str = b"",
        cookie_key: bytes | str = b"",
    ) -> None:
        if any((server_secret, server_public, client_secret, server_transient, client_transient, cookie_key)):
            curve.check_available()
        self.server_secret = _octets(server_secret)
        self.server_public = bytes(_octets(server_public))
        self.client_secret = _octets(client_secret)
        self.server_transient = _octets(server_transient)
        self.client_transient = _octets(client_transient)
        self.cookie_key = _octets(cookie_key)


def _octets(key: bytes | str) -> Secret:
    octets = Secret(z85.decode(key) if isinstance(key, str) or len(key) == 40 else key)
    if octets and len(octets) != curve.KEY_SIZE:
        raise ValueError(f"key of {len(octets)} octets: expected 32 octets, or 40 characters of Z85")
    return octets


class Secrets:
    """The known keys of one connection: those given by the caller, and those that its commands contain."""

    def __init__(self, keys: Keys) -> None:
        self._given = keys
        self.cookie_key = keys.cookie_key
        self.server = keys.server_public or _public(keys.server_secret)  # S
        self._client_secret: bytes = keys.client_transient  # c'
        self._server_secret: bytes = keys.server_transient  # s'
        self._server_transient = _public(self._server_secret)  # S'
        self.client_transient = b""  # C'
        self.cookie = b""

    def meet_client(self, transient: bytes) -> None:
        """Take C' from HELLO, where it is sent in clear. Forget c' if it belongs to another connection."""
        self.client_transient = transient
        if _public(self._client_secret) != transient:
            self._client_secret = b""

    def meet_server(self, transient: bytes, cookie: bytes) -> None:
        """Take S' from an opened WELCOME. Forget s' if it belongs to another connection."""
        self._server_transient, self.cookie = transient, cookie
        if _public(self._server_secret) != transient:
            self._server_secret = b""

    def for_server(self) -> KeyPair | None:
        """A public key and a secret key that open the boxes c'→S and s→C'."""
        return _first((self.client_transient, self._given.server_secret), (self.server, self._client_secret))

    def for_connection(self) -> KeyPair | None:
        """A public key and a secret key that open the boxes c'→S' and s'→C'."""
        return _first((self.client_transient, self._server_secret), (self._server_transient, self._client_secret))

    def for_vouch(self, client: bytes) -> KeyPair | None:
        """A public key and a secret key that open the box c→S', which is the vouch."""
        return _first((client, self._server_secret), (self._server_transient, self._given.client_secret))


def _public(secret: bytes) -> bytes:
    return curve.keypair(secret)[0] if secret else b""


def _first(*pairs: KeyPair) -> KeyPair | None:
    """The first pair whose keys are both known."""
    return next((pair for pair in pairs if all(pair)), None)


class Witness(Mechanism):
    """Reads one side's commands. is_client: whether this side is the client of the handshake.

    opened: the content of the last command's box, or None if it couldn't be opened. inner: the contents of the cookie
    and of the vouch, under these names.
    """

    name = b"CURVE"
    encrypts = True

    def __init__(self, secrets: Secrets, is_client: bool) -> None:
        self.opened: bytes | None = None
        self.inner: dict[str, bytes] = {}
        self._secrets = secrets
        self._awaits = "HELLO" if is_client else "WELCOME"
        self._receives = b"CurveZMQMESSAGEC" if is_client else b"CurveZMQMESSAGES"
        self._received = 0
        self._shared = b""  # what opens the boxes of MESSAGEs, if it is known

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        return []

    def on_accepted(self) -> Steps:
        return []

    def encrypt(self, flags: int, bodies: Sequence[bytes]) -> list[bytes]:
        return []

    def receive(self, name: bytes, data: bytes) -> Steps:
        self.opened, self.inner = None, {}
        if name != self._awaits.encode():
            raise unexpected_command(name, self._awaits)
        return _READ[name](self, data)

    def decrypt(self, bodies: Iterable[bytes]) -> Iterator[Frame]:
        yield from map(self._decrypt, bodies)

    def _decrypt(self, body: bytes) -> Frame:
        """The content of the box; without a key, a frame with unknown content."""
        self.opened, self.inner = None, {}
        curve.check_message(body)
        self._received = curve.check_nonce(body[8:16], self._received, at=0)
        if not self._shared:
            return 0, b""
        self.opened = curve.open_box("MESSAGE", body[16:], self._receives + body[8:16], self._shared, at=8)
        return curve.read_flags(self.opened)

    def _hello(self, data: bytes) -> Steps:
        fields = curve.fields_of("HELLO", data)
        self._received = int.from_bytes(fields["nonce"], "big")
        self._secrets.meet_client(fields["C'"])
        self._open("HELLO", fields, b"CurveZMQHELLO---", self._secrets.for_server())
        if self.opened and any(self.opened):
            raise curve.malformed("HELLO", "its box holds other than zeros", Violation.CRYPTOGRAPHIC, at=0)
        self._awaits = "INITIATE"
        return []

    def _welcome(self, data: bytes) -> Steps:
        self._open("WELCOME", curve.fields_of("WELCOME", data), b"WELCOME-", self._secrets.for_server())
        if self.opened is not None:
            inner = dict(split(curve.WELCOME_BOX, self.opened))
            self._secrets.meet_server(inner["S'"], inner["cookie"])
            self._open_cookie(inner["cookie"])
        self._awaits = "READY"
        return []

    def _initiate(self, data: bytes) -> Steps:
        fields = curve.fields_of("INITIATE", data)
        if self._secrets.cookie and fields["cookie"] != self._secrets.cookie:
            raise curve.malformed("INITIATE", "its cookie is not the one of WELCOME", Violation.CRYPTOGRAPHIC, at=0)
        self._open_cookie(fields["cookie"])
        self._received = curve.check_nonce(fields["nonce"], self._received, offset(curve.INITIATE, "nonce"))
        self._open("INITIATE", fields, b"CurveZMQINITIATE", self._secrets.for_connection())
        if self.opened is None:
            return self._traffic(b"")
        inner = dict(split(curve.INITIATE_BOX, self.opened))
        self._open_vouch(inner["C"], inner["vouch"])
        return self._traffic(inner["metadata"])

    def _ready(self, data: bytes) -> Steps:
        fields = curve.fields_of("READY", data)
        self._received = int.from_bytes(fields["nonce"], "big")
        self._open("READY", fields, b"CurveZMQREADY---", self._secrets.for_connection())
        return self._traffic(self.opened or b"")

    def _traffic(self, metadata: bytes) -> Steps:
        if keys := self._secrets.for_connection():
            self._shared = curve.shared_key(*keys, "READY")
        return [Ready(decode_metadata(metadata))]

    def _open(self, name: str, fields: dict[str, bytes], prefix: bytes, keys: KeyPair | None) -> None:
        if keys:
            at = offset(LAYOUTS[name], "box")
            shared = curve.shared_key(*keys, name, at)
            self.opened = curve.open_box(name, fields["box"], prefix + fields["nonce"], shared, at)

    def _open_cookie(self, cookie: bytes) -> None:
        if self._secrets.cookie_key:
            self.inner["cookie"] = curve.open_cookie(cookie, self._secrets.cookie_key)

    def _open_vouch(self, client: bytes, vouch: bytes) -> None:
        if keys := self._secrets.for_vouch(client):
            self.inner["vouch"] = said = curve.open_vouch(vouch, *keys)
            if said != self._secrets.client_transient + (self._secrets.server or said[curve.KEY_SIZE :]):
                words = "its vouch is for another connection or server"
                raise curve.malformed("INITIATE", words, Violation.CRYPTOGRAPHIC, offset(curve.INITIATE_BOX, "vouch"))


_READ: dict[bytes, Callable[[Witness, bytes], Steps]] = {
    b"HELLO": Witness._hello,
    b"WELCOME": Witness._welcome,
    b"INITIATE": Witness._initiate,
    b"READY": Witness._ready,
}
