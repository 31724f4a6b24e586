"""Endpoints: the addresses of sockets, for bind and connect.

    tcp://127.0.0.1:5555               an address and a port                    bind, connect
    tcp://[::1]:5555                   IPv6 in brackets                         bind, connect
    tcp://*:5555                       all interfaces                           bind only
    tcp://eth0:5555                    the address of an interface              bind only
    tcp://127.0.0.1:*                  any free port; ask `last_endpoint`       bind only
    tcp://localhost:5555               a name, looked up at each attempt        connect only (bind: localhost alone)
    tcp://10.0.0.7;10.0.0.1:5555       from an address of this machine …        connect only
    tcp://eth0:7000;10.0.0.1:5555      … or an interface, and from a port       connect only
    ipc:///run/app.sock                a socket in the file system              bind, connect
    ipc://@app                         a name in no file system (Linux)         bind, connect
    ipc://*                            a fresh path; ask `last_endpoint`        bind only
    inproc://app                       a name in this Context                   bind, connect
    ws://127.0.0.1:8080/news           a WebSocket, with the path of its URL    bind, connect
    wss://server.example/news          … over TLS; its port is 443              bind, connect

    >>> parse_endpoint("tcp://127.0.0.1:5555")
    Tcp(host='127.0.0.1', port=5555, source=None)
    >>> parse_endpoint("tcp://[::1]:*").port
    0
    >>> parse_endpoint("tcp://eth0;127.0.0.1:5555", connect=True).source
    Tcp(host='eth0', port=0, source=None)
    >>> parse_endpoint("ipc://@app"), parse_endpoint("inproc://app")
    (Ipc(path='@app'), Inproc(name='app'))
    >>> str(parse_endpoint("ws://localhost/news", connect=True))
    'ws://localhost:80/news'
    >>> parse_endpoint("tcp://*:5555", connect=True)
    Traceback (most recent call last):
    minizmtp.errors.ZMQError: EINVAL: tcp://*:5555: connect needs a host to go to; `*` is for bind

bind and connect refuse what libzmq refuses (L-16). They also refuse a port above 65535, because connecting to it can
never succeed; libzmq would try forever.

Read next: `addresses`, or `transports` at once.
"""

import re
from typing import NamedTuple

from ..errors import EINVAL, EPROTONOSUPPORT, ZMQError

ANY = "*"


class Tcp(NamedTuple):
    """host: a name, an address, an interface, or `*`. port: 0 for any. source: the local address of a connect."""

    host: str
    port: int
    source: "Tcp | None" = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        source = f"{self.source};".removeprefix("tcp://") if self.source is not None else ""
        return f"tcp://{source}{host}:{self.port}"


class Ipc(NamedTuple):
    """path: in the file system; with `@` in front, in the abstract namespace; `*`: a new temporary path."""

    path: str

    def __str__(self) -> str:
        return f"ipc://{self.path}"


class Inproc(NamedTuple):
    name: str

    def __str__(self) -> str:
        return f"inproc://{self.name}"


class Ws(NamedTuple):
    """at: where its tcp connections go. path: of the URL. secure: wss, over TLS."""

    at: Tcp
    path: str
    secure: bool

    @property
    def url(self) -> tuple[str, str]:
        """Host and port, and path, as they stand in an HTTP request."""
        return str(self.at._replace(source=None)).removeprefix("tcp://"), self.path

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}{str(self.at).removeprefix('tcp')}{self.path}"


Endpoint = Tcp | Ipc | Inproc | Ws

# What may stand in the path of a URL, and in its query (RFC 3986, section 3.3).
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*")


def parse_endpoint(text: str, connect: bool = False) -> Endpoint:
    """Parse an endpoint; connect: True for connect, False for bind. Raises ZMQError (EINVAL, EPROTONOSUPPORT) if the
    endpoint isn't valid there; the error says what was expected."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r}: expected an endpoint as a str, such as tcp://127.0.0.1:5555")
    scheme, separator, rest = text.partition("://")
    if not separator or not rest:
        raise ZMQError(EINVAL, f"{text!r}: expected tcp://HOST:PORT, ipc://PATH, inproc://NAME or ws://HOST:PORT/PATH")
    if scheme == "inproc":
        return Inproc(rest)
    if scheme == "ipc":
        if connect and rest.startswith(ANY):
            raise ZMQError(EINVAL, f"{text}: connect needs a path to go to; `*` is for bind")
        if rest == "@":
            raise ZMQError(EINVAL, f"{text}: expected a name after the @, such as ipc://@app")
        if "\0" in rest:
            raise ZMQError(EINVAL, f"{text!r}: a path has no zero octets; an abstract name is written ipc://@name")
        return Ipc(rest)
    if scheme == "tcp":
        return _parse_tcp(text, rest, connect)
    if scheme in ("ws", "wss"):
        return _parse_ws(text, rest, connect, secure=scheme == "wss")
    raise ZMQError(EPROTONOSUPPORT, f"{text}: no transport {scheme!r}; there are tcp, ipc, inproc, ws and wss")


def _parse_ws(text: str, rest: str, connect: bool, *, secure: bool) -> Ws:
    """A port may be left out, and a path, as in any URL (RFC 6455, section 3)."""
    place, slash, path = rest.partition("/")
    if not _PATH.fullmatch(slash + path or "/"):
        raise ZMQError(EINVAL, f"{text}: expected a path of a URL after the port, such as /news")
    if ":" not in place.rpartition("]")[2]:
        place += ":443" if secure else ":80"
    return Ws(_parse_tcp(text, place, connect), slash + path or "/", secure)


def _parse_tcp(text: str, rest: str, connect: bool) -> Tcp:
    source, semicolon, rest = rest.rpartition(";")
    if semicolon and not connect:
        raise ZMQError(EINVAL, f"{text}: expected tcp://HOST:PORT; a source address (`;`) is for connect")
    host, port = _host_and_port(text, rest)
    if connect and host.startswith(ANY):
        raise ZMQError(EINVAL, f"{text}: connect needs a host to go to; `*` is for bind")
    if connect and not port:
        raise ZMQError(EINVAL, f"{text}: connect needs a port to go to; `*` and 0 are for bind")
    return Tcp(host, port, _parse_source(text, source) if semicolon else None)


def _parse_source(text: str, source: str) -> Tcp:
    """The part before the `;`. libzmq requires a port there; here it may be left out."""
    has_port = ":" in source.rpartition("]")[2]
    return Tcp(*_host_and_port(text, source if has_port else f"{source}:*"))


def _host_and_port(text: str, rest: str) -> tuple[str, int]:
    host, separator, port = rest.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not separator or not host or not port or set(host) & set("[];") or (":" in host and not bracketed):
        raise ZMQError(EINVAL, f"{text}: expected tcp://HOST:PORT, an IPv6 address in brackets")
    if port == ANY:
        port = "0"
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ZMQError(EINVAL, f"{text}: port {port!r}, expected a number up to 65535, or * for any in bind")
    return host, int(port)
