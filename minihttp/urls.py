r"""URLs: where a request goes, cut into its parts.                                  RFC 3986; RFC 9110 §4.2

      http://alice:s3cret@[::1]:8080/items/a%20b?q=zmq&n=1#top
      └┬─┘   └────┬─────┘ └─┬─┘ └┬─┘└─────┬────┘ └───┬───┘ └┬┘
     scheme   userinfo     host port     path      query  fragment
                                    └───────────┬─────────┘
                                    the request target: all that travels in the request line

The fragment is never sent, the userinfo becomes an Authorization header (`client`), and the host is needed in
four forms:

    URL                      resolver, cookies   Host header   TLS (SNI, certificate)   for people
                             `raw_host`          `netloc`      `tls_name`               `host`
    http://example.org./     example.org.        example.org.  example.org              example.org.
    http://[fe80::1%25lo]/   fe80::1%lo          [fe80::1]     fe80::1                  fe80::1%lo
    http://bücher.example/   xn--bcher-kva.example (also as Host and in TLS)            bücher.example

The last dot of a name tells the resolver not to try search domains, and RFC 6066 §3 keeps it out of TLS; the
zone of an IPv6 address chooses one of our own network interfaces, so RFC 6874 §4 keeps it out of the request.

    >>> url = URL("HTTP://alice:s3cret@[::1]:8080/items/a b?q=zmq#top")
    >>> url.scheme, url.host, url.port, url.path, url.query, url.fragment
    ('http', '::1', 8080, '/items/a b', b'q=zmq', 'top')
    >>> url.raw_path                    # what is not allowed in a target is percent-encoded
    b'/items/a%20b?q=zmq'
    >>> url                             # repr hides the password, str does not
    URL('http://alice:[secure]@[::1]:8080/items/a%20b?q=zmq#top')

What cannot be a target is refused here, before anything is sent: control characters (a CR LF in a path would
begin a header of the attacker's choice), a port that is none, a host with a space.

    >>> URL("http://example.org/\r\nHost: evil")
    Traceback (most recent call last):
    minihttp.errors.InvalidURL: ...

Below this module: `errors`.  Above it: `request` and `client`.  Read next: `headers`.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes, urlencode, urljoin

import idna

from .errors import MOST_REPEATED, InvalidURL, shortened, without

Primitive = str | int | float | bool | None
Params = Mapping[str, Primitive | Sequence[Primitive]] | Iterable[tuple[str, Primitive]] | str
Parts = tuple[str, str, str, int | None, str, str | None, str]  # the slots of a URL, in their order

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST = 254  # RFC 1035 §2.3.4, and the last dot

# RFC 3986, appendix B: this expression matches any text, so what is wrong is found part by part afterwards.
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_REG_NAME = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=-]*")
_ZONE = re.compile(r"[A-Za-z0-9._~-]+")
_NUMBERS = re.compile(r"(?:(?:0[xX][0-9A-Fa-f]*|[0-9]+)(?:\.|$))+")  # what resolvers take for an IPv4 address
_PLAIN = re.compile(r"[A-Za-z0-9._~/-]*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

# What each part may hold as it is; "%" among them, so that what is encoded already is not encoded twice.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_QUERY_SAFE = "".join(c for c in _PRINTABLE if c not in '"#<>')
_PATH_SAFE = "".join(c for c in _QUERY_SAFE if c not in "?`{}")
_USERINFO_SAFE = "!$%&'()*+,:~"
_OCTETS = "surrogateescape"  # %E9 in a query that is given as text is no UTF-8, and must come out as %E9 again
_FRAGMENT_SAFE = "".join(c for c in _PRINTABLE if c not in '"<>`')


@without("copy_add_param copy_merge_params copy_remove_param copy_set_param copy_with params")
class URL:
    """One URL, checked and percent-encoded; equal to, and hashed like, its text.

    params, if given, *replace* the query that the text holds (as in httpx).
    """

    __slots__ = ("scheme", "userinfo", "raw_host", "port", "raw_path_str", "raw_query", "fragment")  # noqa: RUF023

    def __init__(self, url: "URL | str", *, params: Params | None = None) -> None:
        if isinstance(url, URL):
            parts = _PARTS_OF(url)
        elif isinstance(url, str):
            parts = _parse(url)
        else:
            raise TypeError(f"url is {type(url).__name__}: expected str or URL")
        self.scheme, self.userinfo, self.raw_host, self.port, self.raw_path_str, self.raw_query, self.fragment = parts
        if params is not None:
            self.raw_query = encode_params(params) or None

    @property
    def host(self) -> str:
        """The host as people write it: no brackets around IPv6, letters for `xn--`."""
        return ".".join(map(_readable, self.raw_host.split(".")))

    @property
    def path(self) -> str:
        return unquote(self.raw_path_str) or "/"

    @property
    def query(self) -> bytes:
        return (self.raw_query or "").encode("ascii")

    @property
    def raw_path(self) -> bytes:
        """The request target in origin form: path and query.                          RFC 9112 §3.2.1"""
        query = "" if self.raw_query is None else f"?{self.raw_query}"
        return f"{self.raw_path_str or '/'}{query}".encode("ascii")

    @property
    def netloc(self) -> str:
        """Host and port, as the Host header has them: an IPv6 zone means nothing to others.   RFC 6874 §4"""
        host = f"[{self.raw_host.partition('%')[0]}]" if ":" in self.raw_host else self.raw_host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def username(self) -> str:
        return unquote(self.userinfo.partition(":")[0])

    @property
    def password(self) -> str:
        return unquote(self.userinfo.partition(":")[2])

    @property
    def credentials(self) -> tuple[bytes, bytes]:
        """User name and password as octets: %E9 may be a letter in whatever encoding the server has."""
        username, _, password = self.userinfo.partition(":")
        return unquote_to_bytes(username), unquote_to_bytes(password)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: requests to one origin may share a connection.       RFC 9110 §4.3.1

        >>> URL("https://example.org/a").origin == URL("https://EXAMPLE.org:443/b").origin
        True
        """
        # Port 0 stays 0, which the kernel refuses to connect to: it must not become another server's port.
        return self.scheme, self.raw_host, DEFAULT_PORTS.get(self.scheme, 0) if self.port is None else self.port

    @property
    def is_absolute(self) -> bool:
        return bool(self.scheme and self.raw_host)

    def join(self, url: "URL | str") -> "URL":
        """Where a link found at this URL leads.                                       RFC 3986 §5

        >>> URL("http://example.org/a/b?x").join("../c")
        URL('http://example.org/c')
        """
        return URL(urljoin(str(self), str(URL(url))))

    def _text(self, userinfo: str) -> str:
        scheme = f"{self.scheme}:" if self.scheme else ""
        zone = self.raw_host.partition("%")[2]
        place = self.netloc.replace("]", f"%25{zone}]") if zone else self.netloc
        authority = f"//{userinfo}{'@' if userinfo else ''}{place}" if self.raw_host else ""
        query = "" if self.raw_query is None else f"?{self.raw_query}"
        fragment = f"#{quote(self.fragment, safe=_FRAGMENT_SAFE)}" if self.fragment else ""
        return f"{scheme}{authority}{self.raw_path_str}{query}{fragment}"

    def __str__(self) -> str:
        return self._text(self.userinfo)

    @property
    def redacted(self) -> str:
        """The URL for errors and logs: without its password, and not longer than is useful there.

        A userinfo without a colon is hidden whole, because it is most often an access token.
        """
        username, colon, _ = self.userinfo.partition(":")
        secure = f"{username}:[secure]" if colon else "[secure]"
        return shortened(self._text(secure if self.userinfo else ""), 2 * MOST_REPEATED)

    def __repr__(self) -> str:
        return f"URL({self.redacted!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URL | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


_PARTS_OF: Callable[[URL], Parts] = attrgetter(*URL.__slots__)


def _parse(text: str) -> Parts:
    """The parts, checked and percent-encoded, in the order of `URL.__slots__`."""
    # A long URL is most often one that a stranger made, and 512 of them would take 16 MB.
    return _parse_cached(text) if len(text) <= 1000 else _parse_cached.__wrapped__(text)


@lru_cache(512)  # programs ask the same few URLs again and again: without it, a kept-alive GET takes 12 % longer
def _parse_cached(text: str) -> Parts:
    if found := _CONTROLS.search(text):
        raise InvalidURL(f"URL with {found[0]!r} at position {found.start()}: percent-encode it")
    scheme, authority, path, query, fragment = _PARTS.fullmatch(text).groups()  # type: ignore[union-attr]
    if "\\" in (authority or ""):  # a slash to browsers, a letter to RFC 3986: which host is meant?
        raise InvalidURL(f"URL '{without_userinfo(text)}' has a backslash before its path")
    userinfo, host, port = _AUTHORITY.fullmatch(authority or "").groups()  # type: ignore[union-attr]
    scheme = (scheme or "").lower()
    try:
        parts = (
            scheme,
            _escape(userinfo or "", _USERINFO_SAFE),
            _encode_host(host),
            _checked_port(port, scheme),
            _escape(_without_dots(path) if host else path, _PATH_SAFE),
            None if query is None else _escape(query, _QUERY_SAFE),
            unquote(_escape(fragment or "", _FRAGMENT_SAFE)),
        )
    except UnicodeEncodeError:
        raise InvalidURL(f"URL '{without_userinfo(text)}' has a lone surrogate, which no encoding can say") from None
    if authority is None and path.startswith("//"):
        raise InvalidURL(f"URL '{without_userinfo(text)}': a path without a host cannot begin with //")
    return parts


def without_userinfo(text: str) -> str:
    """A text that may be no URL, as an error may repeat it: all that might be a password is left out.

    >>> without_userinfo("http://alice:s3/cret@host/"), without_userinfo("/x")
    ('http://[secure]@host/', '/x')
    """
    start, _, authority = text.partition("//")
    _, at, host = authority.rpartition("@")
    hidden = f"{start}//[secure]@{host}" if at else text
    return shortened(repr(hidden)[1:-1])  # without its quotes, but with \x1b for what would steer a terminal


def _encode_host(host: str) -> str:
    """The host as a resolver wants it: ASCII, in lower case, IPv6 without its brackets."""
    if host.startswith("["):
        return _encode_ipv6(host)
    try:
        if "%" in host:
            host = unquote(host, errors="strict")  # RFC 3986 §3.2.2: percent-encoded UTF-8
        if len(host) > MAX_HOST:
            raise InvalidURL(f"host {shortened(repr(host))}: DNS allows names of {MAX_HOST} characters")
        if not host.isascii():
            host = _idna(host)
    except UnicodeError as error:  # idna.IDNAError is one
        raise InvalidURL(f"host {shortened(repr(host))} cannot be written in IDNA: {shortened(str(error))}") from None
    if not _REG_NAME.fullmatch(host):
        found = shortened(repr(host))
        raise InvalidURL(f"host {found}: expected a name of letters, digits, '-' and '.', or an IP address")
    if _NUMBERS.fullmatch(host) and not _IPV4.fullmatch(host):
        # A resolver reads 127.1, 0x7f.1 or 017700000001 as 127.0.0.1, and a check of the URL's text does not.
        found = shortened(repr(host))
        raise InvalidURL(f"host {found} is no IPv4 address: expected four numbers from 0 to 255")
    return host.lower()


def _encode_ipv6(host: str) -> str:
    """[address%25zone], RFC 6874 §2.  A bare "%" is taken, too, as curl and people's habits have it."""
    address, percent, zone = host[1:-1].partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise InvalidURL(f"host {shortened(repr(host))} is no IPv6 address: {shortened(str(error))}") from None
    zone = unquote(zone.removeprefix("25"))
    if percent and not _ZONE.fullmatch(zone):
        found = shortened(repr(host))
        raise InvalidURL(f"host {found}: expected the zone as %25 and the name or number of an interface")
    return f"{address.lower()}{percent}{zone}"


def _idna(host: str) -> str:
    """Letters beyond ASCII by IDNA 2008, after the mapping that browsers do (UTS 46: case, width, dots).

    Labels in ASCII stay as they are: names with "_" exist in DNS, although no registry sells them.
    """
    labels = idna.uts46_remap(host, std3_rules=False, transitional=False).split(".")
    return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)


def _readable(label: str) -> str:
    """
    >>> _readable("xn--bcher-kva"), _readable("xn--53h")   # the second is no letter, so no name by IDNA 2008
    ('bücher', 'xn--53h')
    """
    try:
        return idna.ulabel(label) if label.startswith("xn--") else label
    except UnicodeError:
        return label


def tls_name(host: str) -> str:
    """A `raw_host` as TLS has it: for the server name that is sent, and for the check of the certificate.

    RFC 6066 §3 has the name without its last dot; and no certificate knows the zones of our interfaces.

    >>> tls_name("example.org."), tls_name("fe80::1%eth0")
    ('example.org', 'fe80::1')
    """
    return host.partition("%")[0].removesuffix(".")


def _escape(part: str, safe: str) -> str:
    """`quote`, at a fifth of its cost for the parts that need none, which are nearly all."""
    return part if _PLAIN.fullmatch(part) else quote(part, safe=safe)


def _checked_port(port: str | None, scheme: str) -> int | None:
    if not port:
        return None
    if not (port.isascii() and port.isdigit()):
        # What stands here is not repeated: in http://alice:s3/cret@host it is half a password.
        raise InvalidURL("the port is no number: expected 0 to 65535; in a user name or password, percent-encode / ? #")
    if len(port) > 5 or int(port) > 65535:
        raise InvalidURL(f"port {shortened(port)}: expected a number from 0 to 65535")
    return None if int(port) == DEFAULT_PORTS.get(scheme) else int(port)


def _without_dots(path: str) -> str:
    """What a server would do anyway: `.` stays here, `..` goes one up, never above the root.  RFC 3986 §5.2.4

    >>> _without_dots("/path/./to/somewhere/.."), _without_dots("/a/b/../c")
    ('/path/to/', '/a/c')
    """
    if "/." not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segment in (".", ".."):  # what these name is a directory
        kept.append("")
    return "/".join(kept)


def params_dict(params: Params) -> dict[str, list[str]]:
    """Each name with its values; a name given twice keeps both.

    >>> params_dict({"q": "zmq", "page": [1, 2], "all": True, "x": None})
    {'q': ['zmq'], 'page': ['1', '2'], 'all': ['true'], 'x': ['']}
    """
    if isinstance(params, str):
        pairs: Iterable[tuple[str, Any]] = parse_qsl(params, keep_blank_values=True, errors=_OCTETS)
    else:
        pairs = params.items() if isinstance(params, Mapping) else params
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        values = value if isinstance(value, list | tuple) else [value]
        found.setdefault(str(name), []).extend(map(_param_text, values))
    return found


def _param_text(value: Primitive) -> str:
    if value is True or value is False:
        return str(value).lower()
    return "" if value is None else str(value)


def encode_params(params: Params) -> str:
    """A query, or a form: spaces as "+", everything beyond ASCII as percent-encoded UTF-8.

    >>> encode_params([("q", "zero mq"), ("q", "ü")])
    'q=zero+mq&q=%C3%BC'
    """
    return urlencode(params_dict(params), doseq=True, errors=_OCTETS)
