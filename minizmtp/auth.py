"""Authenticator: a ZAP handler with the interface of pyzmq's.                                                RFC 27/ZAP

    async with Authenticator(ctx) as auth:
        auth.allow("127.0.0.1")
        auth.configure_plain(passwords={"anna": "secret"})
        auth.configure_curve(location="authorized_keys")            # a folder of public certificates
        server = ctx.socket(REP, curve_server=1, curve_secretkey=secret)
        …

It first checks the peer's address against a list of allowed or of denied addresses (as in pyzmq, not both). Then it
checks the password or the key that the mechanism provides. An ipc peer has no address, so it is refused if any address
is allowed. All settings may be changed while the Authenticator runs. They apply to the next handshake; connected peers
stay connected.

Addresses are compared as addresses, not as text: `::1` equals `0:0:0:0:0:0:0:1`. A socket with `ipv6=1` sees an IPv4
client as `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2), which counts as `192.0.2.1` here. In the metadata of messages and in
the ZAP request, `Peer-Address` has the spelling that the socket sees, as in libzmq.

An error during one request, for example in an overridden method, is logged and answered with status 500. It doesn't
affect the next request.

It can be read alone.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from .certificates import create_certificates, load_certificate, load_certificates
from .constants import SocketType
from .errors import ENOTSOCK, Secret, ZMQError, printable
from .net.addresses import numeric
from .net.reports import log
from .sockets import zap
from .sockets.context import Context
from .wire import z85
from .wire.events import Message

CURVE_ALLOW_ANY = "*"


class Authenticator:
    """Decides for all servers in a Context. Call start and stop, or use `async with`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._socket = context.socket(SocketType.REP, linger=0)
        self._allowed: set[str] = set()
        self._denied: set[str] = set()
        self._passwords: dict[str, dict[str, Secret]] = {}
        self._keys: dict[str, dict[bytes, str] | None] = {}  # by domain: {public key: user id}, None: any key

    def start(self) -> None:
        """Start to answer. Raises ZMQError(EADDRINUSE) if this Context already has a handler."""
        if self._socket.closed:
            self._socket = self._context.socket(SocketType.REP, linger=0)
        self._socket.bind(zap.ENDPOINT)
        self._context._runtime.start_task(self._serve)

    def stop(self) -> None:
        """Stop answering. The Context then has no handler."""
        self._socket.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stop()

    def allow(self, *addresses: str) -> None:
        """Add addresses to those that are allowed; all others are refused. As text: `127.0.0.1`, `::1`,
        `fe80::1%eth0`; a link-local address without a zone means this address on any interface.

        Raises ValueError if a text isn't an address, or if any address is denied; then nothing changes.
        """
        if self._denied:
            raise ValueError("addresses are denied already: use either allow() or deny(), not both")
        self._allowed |= {read_address(address) for address in addresses}

    def deny(self, *addresses: str) -> None:
        """Refuse these addresses, written as for allow(). Raises ValueError if any address is allowed."""
        if self._allowed:
            raise ValueError("addresses are allowed already: use either allow() or deny(), not both")
        self._denied |= {read_address(address) for address in addresses}

    def configure_plain(self, domain: str = "*", passwords: Mapping[str, str] | None = None) -> None:
        """Set the users of PLAIN: {name: password}. The dict is copied, so call this again after changing it.

        domain: a server's zap_domain, or `*` for all domains without their own configuration.
        Raises TypeError if a name or password isn't a str, ValueError if UTF-8 can't encode it.
        """
        self._passwords[domain] = {name: as_password(name, password) for name, password in (passwords or {}).items()}

    def configure_curve(self, domain: str = "*", location: str | Path = ".") -> None:
        """Set the clients of CURVE: those with a public certificate (`*.key`) in the folder location, or all clients
        with CURVE_ALLOW_ANY. Call this again after the folder has changed. Raises OSError if the folder doesn't exist
        and ValueError for a certificate without a key; then nothing changes. domain: see configure_plain."""
        self._keys[domain] = None if location == CURVE_ALLOW_ANY else load_certificates(location)

    def curve_user_id(self, client_public_key: bytes) -> str:
        """The User-Id of a peer with this key (32 octets), for the metadata of its messages. Override it to give
        names."""
        return z85.encode(client_public_key).decode()

    async def _serve(self) -> None:
        server = self._socket  # after stop() and start() there is another one
        try:
            async for request in server:
                try:
                    await server.send_multipart(self.answer(request))
                except Exception:
                    # An overridden method may raise anything. It must not end this task, because the handler's endpoint
                    # would stay bound without an answer, and no peer could connect any more.
                    if not server.closed:
                        log.exception("ZAP: error while judging %s: answered 500", _peer_of(request))
                        await server.send_multipart(_reply(request, b"500", b"Internal error"))
        except ZMQError as error:
            if error.errno != ENOTSOCK:
                raise

    def answer(self, request: Message) -> Message:
        """The reply to a request, both without the delimiter. May be overridden."""
        if len(request) < 6 or request[0] != zap.VERSION:
            return _reply(request, b"500", b"malformed request")
        _, _, domain, address, _, mechanism, *credentials = request
        verdict = self._judge(
            domain.decode("utf-8", "replace"), address.decode("utf-8", "replace"), mechanism, credentials
        )
        if isinstance(verdict, str):
            log.info("ZAP: %s refused: %s", _peer_of(request), verdict)
            return _reply(request, b"400", verdict.encode())
        if len(verdict) > zap.LONGEST:
            raise ValueError(f"a user id of {len(verdict)} octets, expected at most {zap.LONGEST} (27/ZAP)")
        return _reply(request, b"200", b"OK", verdict)

    def _judge(self, domain: str, address: str, mechanism: bytes, credentials: list[bytes]) -> bytes | str:
        """The user id of a peer that may connect; or, as a str, why it may not."""
        if is_one_of(address, self._denied) or (self._allowed and not is_one_of(address, self._allowed)):
            return "Address denied"
        if mechanism == b"NULL":
            return b"anonymous"
        if mechanism == b"PLAIN" and len(credentials) == 2:
            username, password = credentials
            passwords = self._passwords.get(domain, self._passwords.get("*", {}))
            known = passwords.get(username.decode("utf-8", "surrogateescape"))
            # Don't use ==, because its duration tells how much of the password is right.
            is_right = known is not None and hmac.compare_digest(known, password)
            return username if is_right else "Invalid username or password"
        if mechanism == b"CURVE" and len(credentials) == 1:
            keys = self._keys.get(domain, self._keys.get("*", {}))
            is_known = keys is None or credentials[0] in keys
            return self.curve_user_id(credentials[0]).encode() if is_known else "Unknown key"
        return "Security mechanism not supported"


def _reply(request: Message, status: bytes, text: bytes, user_id: bytes = b"") -> Message:
    """The reply to a request, which may be malformed."""
    request_id = request[1] if len(request) > 1 else b""
    return [zap.VERSION, request_id, status, text, user_id, b""]


def _peer_of(request: Message) -> str:
    """For the log: the mechanism and the address of the peer, as far as the request has them."""
    _, _, _, address, _, mechanism, *_ = [*request, *[b""] * 6]
    return f"{printable(mechanism)} from {address.decode('utf-8', 'replace') or 'ipc'}"


def as_password(name: str, password: str) -> Secret:
    """A password as PLAIN sends it. The errors don't show it."""
    if not isinstance(name, str) or not isinstance(password, str):
        kinds = f"{type(name).__name__}: {type(password).__name__}"
        raise TypeError(f"passwords are {{name: password}}, both str, not {kinds}")
    with suppress(UnicodeEncodeError):  # don't chain it to our error, because its repr shows the text
        return Secret(password.encode())
    raise ValueError(f"the password of {name!r}: expected text that UTF-8 can encode")


def read_address(text: str) -> str:
    """An IP address in the one spelling by which two can be compared; see `net.addresses`. Raises ValueError for any
    other text.

    >>> read_address("::FFFF:192.0.2.1"), read_address("0:0:0:0:0:0:0:1")
    ('192.0.2.1', '::1')
    >>> read_address("127.1")
    Traceback (most recent call last):
    ValueError: '127.1': expected one IP address, such as 192.0.2.1 or 2001:db8::1; no name, no port, no network
    """
    try:
        address = str(ipaddress.ip_address(str(text)))
    except ValueError:
        words = "expected one IP address, such as 192.0.2.1 or 2001:db8::1; no name, no port, no network"
        raise ValueError(f"{text!r}: {words}") from None
    return numeric(address) or address  # the system knows no zone of an interface that is not there yet


def is_one_of(text: str, addresses: set[str]) -> bool:
    """True if the text is one of the addresses. It may be empty, because ipc peers have no address."""
    try:
        address = read_address(text)
    except ValueError:
        return False
    return address in addresses or address.partition("%")[0] in addresses


__all__ = ["CURVE_ALLOW_ANY", "Authenticator", "create_certificates", "load_certificate", "load_certificates"]
