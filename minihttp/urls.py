r"""URLs: where a request goes, cut into its parts.                                  RFC 3986; RFC 9110 §4.2

      http://alice:s3cret@[::1]:8080/items/a%20b?q=zmq&n=1#top
      └┬─┘   └────┬─────┘ └─┬─┘ └┬─┘└─────┬────┘ └───┬───┘ └┬┘
     scheme   userinfo     host port     path      query  fragment
                                    └───────────┬─────────┘
                                    the request target: all that travels in the request line

The fragment stays at home, the userinfo becomes an Authorization header (`client`), and the rest of the
authority says whom to dial and what the Host header is.

    >>> url = URL("HTTP://alice:s3cret@[::1]:8080/items/a b?q=zmq#top")
    >>> url.scheme, url.host, url.port, url.path, url.query, url.fragment
    ('http', '::1', 8080, '/items/a b', b'q=zmq', 'top')
    >>> url.raw_path                    # what is not allowed in a target is percent-encoded
    b'/items/a%20b?q=zmq'
    >>> url                             # passwords end up in logs only if someone insists
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
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin

from .errors import InvalidURL

Primitive = str | int | float | bool | None
Params = Mapping[str, Primitive | Sequence[Primitive]] | Iterable[tuple[str, Primitive]] | str
Parts = tuple[str, str, str, int | None, str, str | None, str]  # the slots of a URL, in their order

DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986, appendix B: this expression matches any text, so what is wrong is found part by part afterwards.
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_REG_NAME = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%-]*")
_PLAIN = re.compile(r"[A-Za-z0-9._~/-]*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

# What each part may hold as it is; "%" among them, so that what is encoded already is not encoded twice.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_QUERY_SAFE = "".join(c for c in _PRINTABLE if c not in '"#<>')
_PATH_SAFE = "".join(c for c in _QUERY_SAFE if c not in "?`{}")
_USERINFO_SAFE = "!$%&'()*+,:~"
_FRAGMENT_SAFE = "".join(c for c in _PRINTABLE if c not in '"<>`')


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
        try:
            return self.raw_host.encode("ascii").decode("idna") if "xn--" in self.raw_host else self.raw_host
        except UnicodeError:  # xn-- and nonsense: DNS will know what to say about it
            return self.raw_host

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
        """Host and port, as the Host header has them."""
        host = f"[{self.raw_host}]" if ":" in self.raw_host else self.raw_host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def username(self) -> str:
        return unquote(self.userinfo.partition(":")[0])

    @property
    def password(self) -> str:
        return unquote(self.userinfo.partition(":")[2])

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is asked: two URLs of one origin may share a connection.                RFC 9110 §4.3.1

        >>> URL("https://example.org/a").origin == URL("https://EXAMPLE.org:443/b").origin
        True
        """
        return self.scheme, self.raw_host, self.port or DEFAULT_PORTS.get(self.scheme, 0)

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
        authority = f"//{userinfo}{'@' if userinfo else ''}{self.netloc}" if self.raw_host else ""
        query = "" if self.raw_query is None else f"?{self.raw_query}"
        fragment = f"#{quote(self.fragment, safe=_FRAGMENT_SAFE)}" if self.fragment else ""
        return f"{scheme}{authority}{self.raw_path_str}{query}{fragment}"

    def __str__(self) -> str:
        return self._text(self.userinfo)

    def __repr__(self) -> str:
        username, colon, _ = self.userinfo.partition(":")
        return f"URL({self._text(f'{username}:[secure]' if colon else username)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URL | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


_PARTS_OF: Callable[[URL], Parts] = attrgetter(*URL.__slots__)


@lru_cache(512)  # programs ask the same few URLs again and again: without it, a kept-alive GET takes 12 % longer
def _parse(text: str) -> Parts:
    """The parts, checked and percent-encoded, in the order of `URL.__slots__`."""
    if found := _CONTROLS.search(text):
        raise InvalidURL(f"URL with {found[0]!r} at position {found.start()}: percent-encode it")
    scheme, authority, path, query, fragment = _PARTS.fullmatch(text).groups()  # type: ignore[union-attr]
    if "\\" in (authority or ""):  # a slash to browsers, a letter to RFC 3986: which host is meant?
        raise InvalidURL(f"URL {text!r} has a backslash before its path")
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
    except UnicodeEncodeError as error:
        raise InvalidURL(f"URL {text!r} has a lone surrogate, which no encoding can say") from error
    if authority is None and path.startswith("//"):
        raise InvalidURL(f"URL {text!r}: a path without a host cannot begin with //")
    return parts


def _encode_host(host: str) -> str:
    """The host as DNS and the Host header have it: ASCII, in lower case, IPv6 without its brackets."""
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
            return host[1:-1].lower()
    except ValueError as error:
        raise InvalidURL(f"host {host!r} is no IPv6 address: {error}") from error
    if not host.isascii():
        host = _idna(host)
    if not _REG_NAME.fullmatch(host):
        raise InvalidURL(f"host {host!r}: expected a name of letters, digits, '-' and '.', or an IP address")
    if host[-1:].isdigit() and not host.strip("0123456789.") and not _IPV4.fullmatch(host):
        raise InvalidURL(f"host {host!r} is no IPv4 address: expected four numbers from 0 to 255")
    return host.lower()


def _idna(host: str) -> str:
    # Python's codec knows IDNA 2003, which turns these four letters into others, and so into another host
    # than the one that IDNA 2008 (and the registry) has. To ask a stranger would be worse than to say no.
    if found := re.search("[ßς\u200c\u200d]", host):
        raise InvalidURL(f"host {host!r}: {found[0]!r} means two different hosts to old and new IDNA, write xn--…")
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InvalidURL(f"host {host!r} cannot be written in IDNA: {error}") from error


def _escape(part: str, safe: str) -> str:
    """`quote`, at a fifth of its cost for the parts that need none, which are nearly all."""
    return part if _PLAIN.fullmatch(part) else quote(part, safe=safe)


def _checked_port(port: str | None, scheme: str) -> int | None:
    if not port:
        return None
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535 and len(port) <= 5):
        raise InvalidURL(f"port {port!r}: expected a number from 0 to 65535")
    return None if int(port) == DEFAULT_PORTS.get(scheme) else int(port)


def _without_dots(path: str) -> str:
    """What a server would do anyway: `.` stays here, `..` goes one up, never above the root.  RFC 3986 §5.2.4

    >>> _without_dots("/path/./to/somewhere/..")
    '/path/to'
    """
    if "/." not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1] or [""]
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept)


def params_dict(params: Params) -> dict[str, list[str]]:
    """Each name with its values; a name given twice keeps both.

    >>> params_dict({"q": "zmq", "page": [1, 2], "all": True, "x": None})
    {'q': ['zmq'], 'page': ['1', '2'], 'all': ['true'], 'x': ['']}
    """
    if isinstance(params, str):
        pairs: Iterable[tuple[str, Any]] = parse_qsl(params, keep_blank_values=True)
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
    return urlencode(params_dict(params), doseq=True)
