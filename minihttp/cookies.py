r"""Cookies: what servers ask us to say again.                                        RFC 6265

    server  ──►  Set-Cookie: session=abc; Domain=example.org; Path=/app; Secure; Max-Age=3600
    client  ──►  Cookie: session=abc      to hosts under example.org, paths under /app, by https, for an hour

The attributes never travel back; they are the rules of *whom to tell*, and a client that gets them wrong
gives one site's session to another.  The rules, per attribute:

    Domain             absent: exactly the host that set it.  Present: that domain and what is under it; it
                       must hold the host that set it, and a dot: nobody sets cookies for all of `org`
    Path               absent: the directory of the URL that set it
    Secure             over https only
    Max-Age, Expires   when to forget it; a time in the past deletes it now

    >>> jar = Cookies()
    >>> page = URL("http://example.org/app/login")
    >>> jar.extract(page, ["session=abc; Path=/app", "lang=de; Domain=other.org"])
    >>> jar.header_for(URL("http://example.org/app/x")), jar.header_for(URL("http://example.org/"))
    ('session=abc', None)
    >>> jar.header_for(URL("http://sub.example.org/app/"))

Below this module: `urls`.  Above it: `response` reads its own, the client keeps a jar.  Read next: `request`.
"""

import re
import time
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from .urls import URL

_IP_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


@dataclass
class Cookie:
    """One cookie and the rules of whom to tell.  `domain` is "" as long as no host is known for it."""

    name: str
    value: str
    domain: str = ""
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    expires: float | None = None  # seconds since 1970, as the calendar dates of `Expires` are

    def is_for(self, url: URL) -> bool:
        if self.secure and url.scheme != "https":
            return False
        same_host = url.raw_host == self.domain
        return (same_host or (not self.host_only and _is_under(url.raw_host, self.domain))) and _path_matches(
            url.raw_path_str or "/", self.path
        )


class Cookies(MutableMapping[str, str]):
    """A jar: a dict of names to values, which also knows which cookie is whose."""

    def __init__(self, cookies: Mapping[str, str] | list[tuple[str, str]] | None = None) -> None:
        self._jar: dict[tuple[str, str, str], Cookie] = {}
        if isinstance(cookies, Cookies):
            self._jar.update(cookies._jar)
        else:
            for name, value in dict(cookies or {}).items():
                self.set(name, value)

    def set(self, name: str, value: str, domain: str = "", path: str = "/") -> None:
        """Without a domain, the cookie belongs to the first host that is asked (see `settle`)."""
        self._keep(Cookie(name, value, domain.lstrip("."), path, host_only=not domain.startswith(".")))

    def _keep(self, cookie: Cookie) -> None:
        self._jar[cookie.domain, cookie.path, cookie.name] = cookie

    def settle(self, host: str) -> None:
        """Give the cookies that have no host yet to this one, so that they never follow to another."""
        for key in [key for key in self._jar if not key[0]]:
            cookie = self._jar.pop(key)
            self._keep(Cookie(cookie.name, cookie.value, host, cookie.path))

    def extract(self, url: URL, set_cookies: list[str]) -> None:
        """Keep what a response from `url` says in its Set-Cookie headers."""
        for line in set_cookies:
            cookie = _parse_set_cookie(line, url)
            if cookie is None:
                continue
            self._keep(cookie)
            if _is_over(cookie):
                del self._jar[cookie.domain, cookie.path, cookie.name]

    def header_for(self, url: URL) -> str | None:
        """The Cookie header of a request to `url`: longer paths first.                RFC 6265 §5.4"""
        if not self._jar:
            return None
        for key in [key for key, cookie in self._jar.items() if _is_over(cookie)]:
            del self._jar[key]
        found = [cookie for cookie in self._jar.values() if cookie.is_for(url)]
        found.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in found) or None

    def __getitem__(self, name: str) -> str:
        for cookie in self._jar.values():
            if cookie.name == name:
                return cookie.value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        keys = [key for key in self._jar if key[2] == name]
        if not keys:
            raise KeyError(name)
        for key in keys:
            del self._jar[key]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(cookie.name for cookie in self._jar.values()))

    def __len__(self) -> int:
        return len(set(self))

    def __repr__(self) -> str:
        return f"<Cookies[{', '.join(f'{c.name} for {c.domain or None}{c.path}' for c in self._jar.values())}]>"


def _parse_set_cookie(line: str, url: URL) -> Cookie | None:
    """RFC 6265 §5.2 and §5.3: unknown attributes are ignored, a foreign Domain refuses the cookie."""
    pair, *attributes = line.split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not (name and equals):
        return None
    cookie = Cookie(name, value, url.raw_host, _default_path(url))
    max_age: float | None = None
    for attribute in attributes:
        key, _, text = (part.strip() for part in attribute.partition("="))
        match key.lower():
            case "domain" if text.strip("."):
                cookie.domain, cookie.host_only = text.lstrip(".").lower(), False
            case "path" if text.startswith("/"):
                cookie.path = text
            case "secure":
                cookie.secure = True
            case "expires":
                cookie.expires = _date(text)
            case "max-age" if re.fullmatch(r"-?[0-9]{1,15}", text):
                max_age = int(text)
    if max_age is not None:  # wins over Expires, whichever came first
        cookie.expires = time.time() + max_age if max_age > 0 else 0.0
    if cookie.domain == url.raw_host and not _has_inner_dot(cookie.domain):
        cookie.host_only = True  # localhost, speaking for itself
    allowed = cookie.host_only or (_has_inner_dot(cookie.domain) and _is_under(url.raw_host, cookie.domain))
    return cookie if allowed else None


def _is_over(cookie: Cookie) -> bool:
    return cookie.expires is not None and cookie.expires <= time.time()


def _is_under(host: str, domain: str) -> bool:
    """The domain itself, or a name under it; an IP address is under nothing.          RFC 6265 §5.1.3"""
    return host == domain or (host.endswith(f".{domain}") and not _IP_ADDRESS.fullmatch(host))


def _has_inner_dot(domain: str) -> bool:
    return "." in domain.strip(".")


def _path_matches(path: str, cookie_path: str) -> bool:
    """/app holds /app and /app/x, and not /apple.                                     RFC 6265 §5.1.4"""
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")


def _default_path(url: URL) -> str:
    return url.raw_path_str.rpartition("/")[0] or "/"


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
