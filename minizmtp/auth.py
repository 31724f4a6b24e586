"""Authenticator: a ZAP handler with the names of pyzmq's.                                                    RFC 27/ZAP

    async with Authenticator(ctx) as auth:
        auth.allow("127.0.0.1")
        auth.configure_plain(passwords={"anna": "secret"})
        auth.configure_curve(location="authorized_keys")            # a folder of public certificates
        server = ctx.socket(REP, curve_server=1, curve_secretkey=secret)
        …

It checks the address first: either a list of those that are allowed, or a list of those that are denied; as in pyzmq,
not both. Then it checks what the mechanism gives: a password or a key. A peer of ipc has no address, so none of them is
let in once any address is allowed. Everything may be changed while the Authenticator runs, and counts for the next
handshake; a peer that has been let in stays.

Addresses are compared as addresses, not as text: `::1` is `0:0:0:0:0:0:0:1`. A socket with `ipv6=1` sees a client of
IPv4 as `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2), which counts as `192.0.2.1` here. In the metadata of messages and in the
ZAP request itself, `Peer-Address` is spelt as the socket sees it, as in libzmq.

An error while one request is judged, in an overridden method for example, is logged and answered with status 500. The
next request is judged as if nothing had happened.

Below this module: `zap`, `context`, `z85`. It can be read alone.
"""

import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .constants import SocketType
from .errors import ENOTSOCK, Secret, ZMQError, printable
from .net.session import log
from .sockets import zap
from .sockets.context import Context
from .wire import z85
from .wire.events import Message

CURVE_ALLOW_ANY = "*"

# What a handler says of a peer: status, text, user id.
Answer = tuple[bytes, bytes, bytes]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Authenticator:
    """Answers for all servers in a Context. start and stop it, or use `async with`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._socket = context.socket(SocketType.REP, linger=0)
        self._allowed: set[IPAddress] = set()
        self._denied: set[IPAddress] = set()
        self._passwords: dict[str, dict[str, Secret]] = {}
        self._keys: dict[str, dict[bytes, str] | None] = {}  # by domain: {public key: user id}, None for anybody

    def start(self) -> None:
        """Answer from now on. ZMQError(EADDRINUSE) if this Context has a handler."""
        if self._socket.closed:
            self._socket = self._context.socket(SocketType.REP, linger=0)
        self._socket.bind(zap.ENDPOINT)
        self._context._runtime.start_task(self._serve)

    def stop(self) -> None:
        """Answer no more. From now on it is as if there were no handler."""
        self._socket.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def allow(self, *addresses: str) -> None:
        """Let in these addresses, and no others but those allowed before. As text: `127.0.0.1`, `::1`, `fe80::1%eth0`;
        a link-local address without a zone means this address on any interface.

        Raises ValueError for what is no address, and when any address is denied; then nothing changes.
        """
        if self._denied:
            raise ValueError("addresses are denied already: use either allow() or deny(), not both")
        self._allowed |= {read_address(address) for address in addresses}

    def deny(self, *addresses: str) -> None:
        """Do not let in these addresses. As allow(); raises ValueError when any address is allowed."""
        if self._allowed:
            raise ValueError("addresses are allowed already: use either allow() or deny(), not both")
        self._denied |= {read_address(address) for address in addresses}

    def configure_plain(self, domain: str = "*", passwords: Mapping[str, str] | None = None) -> None:
        """Who may come with PLAIN: {name: password}; a copy is made, so call it again for changes.

        domain: a server's zap_domain, `*` for all domains that are not configured themselves.
        Raises TypeError for a name or password that is no str, ValueError for one that UTF-8 cannot encode.
        """
        self._passwords[domain] = {name: as_password(name, password) for name, password in (passwords or {}).items()}

    def configure_curve(self, domain: str = "*", location: str | Path = ".") -> None:
        """Who may come with CURVE: those whose public certificates (`*.key`) lie in the folder location, or, with
        CURVE_ALLOW_ANY, everybody. Call it again when the folder has changed. Raises OSError for a folder that is not
        there and ValueError for a certificate without a key; then all stays as it was. domain: see configure_plain."""
        self._keys[domain] = None if location == CURVE_ALLOW_ANY else load_certificates(location)

    def curve_user_id(self, client_public_key: bytes) -> str:
        """What a peer with this key, 32 octets, is called in the metadata of its messages. To be overridden."""
        return z85.encode(client_public_key).decode()

    async def _serve(self) -> None:
        server = self._socket  # after stop() and start() there is another one
        try:
            async for request in server:
                try:
                    await server.send_multipart(self.answer(request))
                except Exception:
                    # Any error of an overridden method. If it ended this task, no peer could come in any more, because
                    # the name of the handler would stay bound without anything behind it.
                    if not server.closed:
                        await server.send_multipart(_after_error(request))
        except ZMQError as error:
            if error.errno != ENOTSOCK:
                raise

    def answer(self, request: Message) -> Message:
        """The reply to a request, both without the delimiter. May be overridden."""
        if len(request) < 6 or request[0] != zap.VERSION:
            return [zap.VERSION, request[1] if len(request) > 1 else b"", b"500", b"malformed request", b"", b""]
        _, request_id, domain, address, _, mechanism, *credentials = request
        where = address.decode("utf-8", "replace")
        status, text, user_id = self._judge(domain.decode("utf-8", "replace"), where, mechanism, credentials)
        if len(user_id) > zap.LONGEST:
            raise ValueError(f"a user id of {len(user_id)} octets, expected at most {zap.LONGEST} (27/ZAP)")
        if status != b"200":
            log.info("ZAP: %s from %s refused: %s", printable(mechanism), where or "ipc", text.decode())
        return [zap.VERSION, request_id, status, text, user_id, b""]

    def _judge(self, domain: str, address: str, mechanism: bytes, credentials: list[bytes]) -> Answer:
        if is_one_of(address, self._denied) or (self._allowed and not is_one_of(address, self._allowed)):
            return b"400", b"Address denied", b""
        if mechanism == b"NULL":
            return b"200", b"OK", b"anonymous"
        if mechanism == b"PLAIN" and len(credentials) == 2:
            return self._judge_plain(domain, *credentials)
        if mechanism == b"CURVE" and len(credentials) == 1:
            return self._judge_curve(domain, credentials[0])
        return b"400", b"Security mechanism not supported", b""

    def _judge_plain(self, domain: str, username: bytes, password: bytes) -> Answer:
        passwords = self._passwords.get(domain, self._passwords.get("*", {}))
        known = passwords.get(username.decode("utf-8", "surrogateescape"))
        # Not ==, which takes the longer the more of the password is right.
        if known is not None and hmac.compare_digest(known, password):
            return b"200", b"OK", username
        return b"400", b"Invalid username or password", b""

    def _judge_curve(self, domain: str, key: bytes) -> Answer:
        keys = self._keys.get(domain, self._keys.get("*", {}))
        if keys is None or key in keys:
            return b"200", b"OK", self.curve_user_id(key).encode()
        return b"400", b"Unknown key", b""


def _after_error(request: Message) -> Message:
    """Log the error that is being handled; the reply to the request that it was made of."""
    _, request_id, _, address, _, mechanism, *_ = [*request, *[b""] * 6]
    where = address.decode("utf-8", "replace")
    log.exception("ZAP: error while judging %s from %s: answered 500", printable(mechanism), where or "ipc")
    return [zap.VERSION, request_id, b"500", b"Internal error", b"", b""]


def as_password(name: str, password: str) -> Secret:
    """A password as PLAIN sends it. The errors do not show it."""
    if not isinstance(name, str) or not isinstance(password, str):
        kinds = f"{type(name).__name__}: {type(password).__name__}"
        raise TypeError(f"passwords are {{name: password}}, both str, not {kinds}")
    with suppress(UnicodeEncodeError):  # not the context of our own error, because its repr shows the text
        return Secret(password.encode())
    raise ValueError(f"the password of {name!r}: expected text that UTF-8 can encode")


def read_address(text: str) -> IPAddress:
    """An address in its one spelling, an IPv4 address in IPv6 as IPv4. ValueError for anything else.

    >>> read_address("::FFFF:192.0.2.1"), read_address("0:0:0:0:0:0:0:1")
    (IPv4Address('192.0.2.1'), IPv6Address('::1'))
    >>> read_address("127.1")
    Traceback (most recent call last):
    ValueError: '127.1': expected one IP address, such as 192.0.2.1 or 2001:db8::1; no name, no port, no network
    """
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        words = "expected one IP address, such as 192.0.2.1 or 2001:db8::1; no name, no port, no network"
        raise ValueError(f"{text!r}: {words}") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if (zone := address.scope_id or "").isdecimal():  # the number of an interface, or its name: both are used
            with suppress(OSError):
                return ipaddress.IPv6Address(f"{without_zone(address)}%{socket.if_indextoname(int(zone))}")
    return address


def without_zone(address: IPAddress) -> IPAddress:
    """fe80::1%eth0 as fe80::1."""
    return ipaddress.ip_address(address.packed)


def is_one_of(text: str, addresses: set[IPAddress]) -> bool:
    """Is this the address of one of them? A text that is no address is none: peers of ipc give an empty one."""
    try:
        address = read_address(text)
    except ValueError:
        return False
    return address in addresses or without_zone(address) in addresses


_PUBLIC_KEY = re.compile(r'^\s*public-key\s*=\s*"(.{40})"\s*$', re.MULTILINE)


def load_certificates(location: str | Path) -> dict[bytes, str]:
    """The public keys in a folder of certificates as pyzmq writes them, with the name of the file that each is in.

    A file that holds no key is an error (ValueError): better than to wonder why its owner is not let in.
    """
    if not Path(location).is_dir():
        raise NotADirectoryError(f"{location}: no such folder of certificates")
    keys: dict[bytes, str] = {}
    for path in sorted(Path(location).glob("*.key")):
        found = _PUBLIC_KEY.search(path.read_text("utf-8"))
        if found is None:
            raise ValueError(f'{path}: no line public-key = "40 characters of Z85" in this certificate')
        try:
            keys[z85.decode(found[1])] = path.stem
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return keys


__all__ = ["CURVE_ALLOW_ANY", "Authenticator", "load_certificates"]
