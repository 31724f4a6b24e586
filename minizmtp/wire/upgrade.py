r"""The upgrade: an HTTP/1.1 request that turns an HTTP connection into a WebSocket.     RFC 6455, section 4; 45/ZWS

    GET /news HTTP/1.1                                 ►
    Host: 127.0.0.1:5555
    Upgrade: websocket                                        another protocol, please: this one
    Connection: Upgrade
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==               16 random octets
    Sec-WebSocket-Version: 13
    Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0                … and in it one of these, best first

                                                       ◄      HTTP/1.1 101 Switching Protocols
                 with the key, because an answer from a       Upgrade: websocket
                 cache would not have the right one           Connection: Upgrade
                                                              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
                 the one that the server has chosen           Sec-WebSocket-Protocol: ZWS2.0/NULL

After the empty line neither side speaks HTTP any more. The upgrade takes the place of ZMTP's greeting: the subprotocol
names the mechanism, and the version of ZWS. The octets of HTTP are read and written by h11, without I/O.

    >>> client, server = ClientUpgrade("127.0.0.1:5555", "/news", deque([["ZWS2.0"]])), ServerUpgrade(["ZWS2.0"])
    >>> server.receive_data(client.data_to_send()); server.step()
    'ZWS2.0'
    >>> client.receive_data(server.data_to_send()); client.step()
    'ZWS2.0'

`step` raises ProtocolError for anything else, and a server has the reason as an HTTP response to be sent:

    >>> server = ServerUpgrade(["ZWS2.0"])
    >>> server.receive_data(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); server.step()
    Traceback (most recent call last):
    minizmtp.errors.ProtocolError: GET / without `Upgrade: websocket` ...
    >>> server.data_to_send()[:29]
    b'HTTP/1.1 426 Upgrade Required'

**Any web page can connect to a WebSocket on the machine of its reader**, because browsers allow that: they only add an
`Origin`, the scheme, host and port that the page came from, and leave the decision to the server. A program sends no
Origin. So a request with one is refused, unless the program has named that origin, or the page comes from the same
machine as the socket:

    >>> [is_from_here(origin, b"127.0.0.1:5555") for origin in (b"http://localhost:8000", b"http://evil.example")]
    [True, False]

Read next: `switched`.
"""

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha1
from ipaddress import ip_address

import h11

from ..errors import ProtocolError, printable

# What is added to a key before it is hashed (RFC 6455, section 1.3).
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Octets of a request or a response, up to its empty line. A browser with many cookies sends some thousands.
MAX_HEAD = 16384

Headers = dict[bytes, list[bytes]]


def accept_token(key: bytes) -> bytes:
    """The server's answer to a key.

    >>> accept_token(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def elements(headers: Headers, name: bytes) -> list[bytes]:
    """The elements of all headers of that name, each of which may be a list (RFC 9110, section 5.6.1)."""
    return [element for line in headers.get(name, []) for part in line.split(b",") if (element := part.strip())]


def asks_for(headers: Headers, name: bytes, token: bytes) -> bool:
    """Does the header of that name list this token? Case does not count."""
    return token in [element.lower() for element in elements(headers, name)]


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """{name in lower case: all values}"""
    found: Headers = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


class Upgrade:
    """What both sides have in common."""

    def __init__(self, role: type[h11.CLIENT] | type[h11.SERVER]) -> None:
        self._http = h11.Connection(role, max_incomplete_event_size=MAX_HEAD)
        self._to_send = b""
        self.received = 0  # octets

    def receive_data(self, data: bytes) -> None:
        """Add octets of the stream; b"" at its end."""
        self.received += len(data)
        self._http.receive_data(data)

    def data_to_send(self) -> bytes:
        """What HTTP has to say."""
        data, self._to_send = self._to_send, b""
        return data

    def rest(self) -> bytes:
        """What came after the upgrade: the first frames."""
        return self._http.trailing_data[0]

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            words, *_ = str(error).split(": bytearray(")  # without the line of the peer, which may be long, or secret
            raise not_websocket(f"no valid HTTP/1.1: {words}") from None


class ClientUpgrade(Upgrade):
    """host: as in an URL, with its port. path: what to ask for. offers: subprotocols, best first; the list in front is
    meant, and is moved to the end if the server refuses it."""

    def __init__(self, host: str, path: str, offers: "deque[list[str]]", key: bytes = b"") -> None:
        super().__init__(h11.CLIENT)
        self._rotation = offers
        self._offers = offers[0]
        self._key = b64encode(key or os.urandom(16))
        headers = [
            ("Host", host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key.decode()),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Protocol", ",".join(self._offers)),
        ]
        self._to_send = self._http.send(h11.Request(method="GET", target=path, headers=headers)) or b""
        self._http.send(h11.EndOfMessage())

    def step(self) -> str | None:
        """The subprotocol that the server has chosen, or None if its answer is not complete."""
        event = self._next_event()
        if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
            return self.step()  # it is allowed to say `103 Early Hints` first
        if isinstance(event, (h11.InformationalResponse, h11.Response)):
            return self._check(event.status_code, bytes(event.reason), by_name(event.headers))
        return None

    def _check(self, status: int, reason: bytes, headers: Headers) -> str:
        if status != 101:
            self._rotation.rotate(-1)
            raise not_websocket(f"the server answers {status} {printable(reason)}, expected 101 Switching Protocols")
        accepted = headers.get(b"sec-websocket-accept", [])
        if accepted != [accept_token(self._key)]:
            raise not_websocket("the server's Sec-WebSocket-Accept does not fit our key (RFC 6455, 4.1)")
        if not (asks_for(headers, b"upgrade", b"websocket") and asks_for(headers, b"connection", b"upgrade")):
            raise not_websocket("101 without `Upgrade: websocket` and `Connection: Upgrade` (RFC 6455, 4.1)")
        if headers.get(b"sec-websocket-extensions"):
            raise not_websocket("the server chose an extension, although we offered none (RFC 6455, 4.1)")
        chosen = [name.decode("latin-1") for name in headers.get(b"sec-websocket-protocol", [])]
        if len(chosen) != 1 or chosen[0] not in self._offers:
            found = printable(", ".join(chosen).encode("latin-1")) or "none"
            raise not_websocket(f"the server chose the subprotocol {found}, expected one of {', '.join(self._offers)}")
        return chosen[0]


class ServerUpgrade(Upgrade):
    """accepts: subprotocols. path: that must be asked for; "/": any. origins: of the pages that may ask; b"*": all."""

    def __init__(self, accepts: Sequence[str], path: str = "/", origins: Collection[bytes] = ()) -> None:
        super().__init__(h11.SERVER)
        self._accepts = accepts
        self._path = path
        self._origins = origins

    def step(self) -> str | None:
        """The subprotocol that we have chosen, or None if the request is not complete."""
        try:
            event = self._next_event()
        except ProtocolError as error:
            self._refuse(400, b"Bad Request", str(error))
            raise
        return self._answer(event) if isinstance(event, h11.Request) else None

    def _answer(self, request: h11.Request) -> str:
        headers = by_name(request.headers)
        asked = f"{printable(request.method)} {printable(request.target)}"
        version = (b"Sec-WebSocket-Version", b"13")
        if not (asks_for(headers, b"upgrade", b"websocket") and asks_for(headers, b"connection", b"upgrade")):
            upgrade = (b"Upgrade", b"websocket")
            raise self._refuse(426, b"Upgrade Required", f"{asked} without `Upgrade: websocket`", upgrade, version)
        if headers.get(b"sec-websocket-version") != [b"13"]:
            raise self._refuse(426, b"Upgrade Required", f"{asked} with another Sec-WebSocket-Version than 13", version)
        if request.method != b"GET" or request.http_version != b"1.1":
            raise self._refuse(400, b"Bad Request", f"{asked}, expected a GET of HTTP/1.1")
        keys = headers.get(b"sec-websocket-key", [])
        if len(keys) != 1 or not is_key(keys[0]):
            raise self._refuse(400, b"Bad Request", f"{asked} without a Sec-WebSocket-Key of 16 octets in base64")
        if self._path not in ("/", request.target.decode("latin-1")):
            raise self._refuse(404, b"Not Found", f"{asked}, expected the path {self._path}")
        for origin in headers.get(b"origin", []):
            if not {origin.lower(), b"*"} & set(self._origins) and not is_from_here(origin, headers[b"host"][0]):
                words = f"{asked} by a page from {printable(origin)}, which is not allowed here (ws_origins)"
                raise self._refuse(403, b"Forbidden", words)
        offers = [offer.decode("latin-1") for offer in elements(headers, b"sec-websocket-protocol")]
        chosen = next((offer for offer in offers if offer in self._accepts), None)
        if chosen is None:
            offered = printable(", ".join(offers).encode("latin-1")) or "none"
            expected = " or ".join(self._accepts)
            raise self._refuse(400, b"Bad Request", f"{asked} offers the subprotocols {offered}, expected {expected}")
        self._send_101(keys[0], chosen)
        return chosen

    def _send_101(self, key: bytes, chosen: str) -> None:
        headers = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", accept_token(key)),
            (b"Sec-WebSocket-Protocol", chosen.encode()),
        ]
        answer = h11.InformationalResponse(status_code=101, headers=headers, reason=b"Switching Protocols")
        self._to_send = self._http.send(answer) or b""

    def _refuse(self, status: int, reason: bytes, text: str, *headers: tuple[bytes, bytes]) -> ProtocolError:
        """The response says why, because it may be read by a person with a browser."""
        body = f"{text}. This is a ZeroMQ socket (ZWS 2.0).\n".encode("latin-1", "replace")
        try:
            head = h11.Response(
                status_code=status,
                reason=reason,
                headers=[
                    *headers,
                    (b"Content-Type", b"text/plain; charset=utf-8"),
                    (b"Content-Length", str(len(body)).encode()),
                    (b"Connection", b"close"),
                ],
            )
            self._to_send += self._http.send(head) or b""
            self._to_send += self._http.send(h11.Data(data=body)) or b""
        except h11.LocalProtocolError:
            pass  # what came was so far from HTTP that there is nothing to answer
        return not_websocket(text)


def is_key(key: bytes) -> bool:
    """Is it base64 of 16 octets?"""
    try:
        return len(b64decode(key, validate=True)) == 16
    except Base64Error:
        return False


def is_from_here(origin: bytes, host: bytes) -> bool:
    """Did the page come from the machine that is asked now? host: that of the request.

    Only addresses and localhost count. For any other name, a stranger's name server could say that it is an address of
    this machine, and then a stranger's page would have that name as its origin, too (DNS rebinding).
    """
    places = (origin.partition(b"://")[2], host)
    names = (re.sub(r":\d*$", "", place.decode("latin-1").lower()).strip("[]") for place in places)
    try:
        one, other = (ip_address("127.0.0.1" if name == "localhost" else name) for name in names)
    except ValueError:
        return False
    return one == other or (one.is_loopback and other.is_loopback)


def not_websocket(text: str) -> ProtocolError:
    """The error for a peer that does not speak ZWS; the connecting side tries again."""
    return ProtocolError(text, is_zmtp=False)
