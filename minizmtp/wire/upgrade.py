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
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from hashlib import sha1
from http import HTTPStatus
from ipaddress import ip_address

import h11

from ..errors import ProtocolError, printable

# What is added to a key before it is hashed (RFC 6455, section 1.3).
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Octets of a request or a response, up to its empty line. A browser with many cookies sends some thousands.
MAX_HEAD = 16384

Headers = defaultdict[bytes, list[bytes]]  # by name in lower case


def accept_token(key: bytes) -> bytes:
    """The server's answer to a key.

    >>> accept_token(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """All values of each name. h11 gives the names in lower case."""
    found: Headers = defaultdict(list)
    for name, value in headers:
        found[name].append(value)
    return found


def elements(values: Iterable[bytes]) -> list[bytes]:
    """The elements of headers of one name, each of which may be a list (RFC 9110, section 5.6.1)."""
    return [element for value in values for part in value.split(b",") if (element := part.strip())]


def is_upgrade(headers: Headers) -> bool:
    """Is there `Upgrade: websocket` and `Connection: Upgrade`, each perhaps in a list? Case does not count."""
    fields = (b"upgrade", b"websocket"), (b"connection", b"upgrade")
    return all(token in [element.lower() for element in elements(headers[name])] for name, token in fields)


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

    def __init__(self, host: str, path: str, offers: deque[list[str]]) -> None:
        super().__init__(h11.CLIENT)
        self._rotation = offers
        self._offers = offers[0]
        self._key = b64encode(os.urandom(16))
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
        while isinstance(event := self._next_event(), h11.InformationalResponse) and event.status_code != 101:
            pass  # a server may say `103 Early Hints` first
        if isinstance(event, h11.Response):
            self._rotation.rotate(-1)  # it may have been the offer, and nothing in a response says so
            answer = f"{event.status_code} {printable(bytes(event.reason))}"
            raise not_websocket(f"the server answers {answer}, expected 101 Switching Protocols")
        return self._choice(by_name(event.headers)) if isinstance(event, h11.InformationalResponse) else None

    def _choice(self, headers: Headers) -> str:
        """The subprotocol in the headers of a 101."""
        # The key shows that the server has read this request, and is no cache that answers an older one.
        if headers[b"sec-websocket-accept"] != [accept_token(self._key)]:
            raise not_websocket("the server's Sec-WebSocket-Accept does not fit our key (RFC 6455, 4.1)")
        if not is_upgrade(headers):
            raise not_websocket("101 without `Upgrade: websocket` and `Connection: Upgrade` (RFC 6455, 4.1)")
        if headers[b"sec-websocket-extensions"]:
            raise not_websocket("the server chose an extension, although we offered none (RFC 6455, 4.1)")
        chosen = [name.decode("latin-1") for name in headers[b"sec-websocket-protocol"]]
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
            self._refuse(400, str(error))
            raise
        return self._answer(event) if isinstance(event, h11.Request) else None

    def _answer(self, request: h11.Request) -> str:
        headers = by_name(request.headers)
        asked = f"{printable(request.method)} {printable(request.target)}"
        if not is_upgrade(headers):
            raise self._refuse(426, f"{asked} without `Upgrade: websocket`")
        if headers[b"sec-websocket-version"] != [b"13"]:
            raise self._refuse(426, f"{asked} with another Sec-WebSocket-Version than 13")
        if request.method != b"GET" or request.http_version != b"1.1":
            raise self._refuse(400, f"{asked}, expected a GET of HTTP/1.1")
        keys = headers[b"sec-websocket-key"]
        if len(keys) != 1 or not is_key(keys[0]):
            raise self._refuse(400, f"{asked} without a Sec-WebSocket-Key of 16 octets in base64")
        # "/" is also what an endpoint without a path has, and libzmq accepts any path for any endpoint.
        if self._path not in ("/", request.target.decode("latin-1")):
            raise self._refuse(404, f"{asked}, expected the path {self._path}")
        for origin in headers[b"origin"]:  # a program sends none
            if not {origin.lower(), b"*"} & set(self._origins) and not is_from_here(origin, headers[b"host"][0]):
                page = f"a page from {printable(origin)}"
                raise self._refuse(403, f"{asked} by {page}, which is not allowed here (ws_origins)")
        offers = [offer.decode("latin-1") for offer in elements(headers[b"sec-websocket-protocol"])]
        # The first that we speak, because the client puts the best in front.
        chosen = next((offer for offer in offers if offer in self._accepts), None)
        if chosen is None:
            offered = printable(", ".join(offers).encode("latin-1")) or "none"
            expected = " or ".join(self._accepts)
            raise self._refuse(400, f"{asked} offers the subprotocols {offered}, expected {expected}")
        self._send_101(keys[0], chosen)
        return chosen

    def _send_101(self, key: bytes, chosen: str) -> None:
        headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_token(key).decode()),
            ("Sec-WebSocket-Protocol", chosen),
        ]
        answer = h11.InformationalResponse(status_code=101, headers=headers, reason=HTTPStatus(101).phrase)
        self._to_send = self._http.send(answer) or b""

    def _refuse(self, status: int, text: str) -> ProtocolError:
        """The response says why, because it may be read by a person with a browser."""
        body = f"{text}. This is a ZeroMQ socket (ZWS 2.0).\n".encode("latin-1", "replace")
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        if status == HTTPStatus.UPGRADE_REQUIRED:  # such a response has to say to what (RFC 9110, 15.5.22)
            headers += [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        head = h11.Response(status_code=status, reason=HTTPStatus(status).phrase, headers=headers)
        with suppress(h11.LocalProtocolError):  # what came may be so far from HTTP that there is nothing to answer
            self._to_send += self._http.send(head) or b""
            self._to_send += self._http.send(h11.Data(data=body)) or b""
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
