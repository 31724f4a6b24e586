r"""Cookies: values that a server sets and the client sends back.                     RFC 6265

    server  ──►  Set-Cookie: session=abc; Domain=example.org; Path=/app; Secure; Max-Age=3600
    client  ──►  Cookie: session=abc      to hosts under example.org, paths under /app, by https, for an hour

The attributes are not sent back.  They say which requests carry the cookie:

    Domain             absent: exactly the host that set it.  Present: that domain and what is under it, if the
                       host that set it is under it, and it is no public suffix (see below)
    Path               absent: the directory of the URL that set it
    Secure             over https only
    Max-Age, Expires   when to forget it; a time in the past deletes it now

    >>> jar = Cookies()
    >>> page = URL("http://example.org/app/login")
    >>> jar.extract(page, ["session=abc; Path=/app", "lang=de; Domain=other.org"])
    >>> jar.header_for(URL("http://example.org/app/x")), jar.header_for(URL("http://example.org/"))
    ('session=abc', None)
    >>> jar.header_for(URL("http://sub.example.org/app/"))

`co.uk` and `github.io` are *public suffixes*: the names under them belong to strangers, and a cookie for the whole
suffix would let one of them write into the sessions of the others.  Only a list tells `co.uk` from `bbc.uk`.  Mozilla
keeps it, and the package `publicsuffixlist` brings it (`pip install 'minizmtp[cookies]'`).  Without that package, a
cookie with a Domain above its host is kept for that host alone.

The constants below limit a jar.  A cookie that the program itself has set is never dropped, and the cookies that a host
has set go before those that its neighbours have set for it.

Below this module: `headers`, `urls`.  Above it: `response` reads its own, the client keeps a jar.
Read next: `bodies`.
"""

import re
import time
from calendar import monthrange, timegm
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Protocol

from .headers import text_of
from .urls import URL

MAX_COOKIE = 4096  # octets of name and value; RFC 6265 §6.1 asks for as many, and browsers ignore what is larger
MAX_ATTRIBUTE = 1024  # octets of a Domain or Path; browsers ignore what is longer
MAX_ATTRIBUTES = 30  # of one cookie, of which eight are defined
MAX_DATE = 60  # characters
MAX_PER_DOMAIN = 50  # cookies (RFC 6265 §6.1)
MAX_PER_RESPONSE = 50  # cookies, as in curl: they are read in one turn of the event loop
MAX_COOKIES = 3000  # of all domains (RFC 6265 §6.1)
MAX_HEADER = 8190  # octets of a Cookie header: what curl sends, because servers refuse longer lines

_IP_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass
class Cookie:
    """One cookie, and which requests carry it.  `domain` is "" as long as no host is known for it.

    `octets` is name=value as it travels: servers compare what comes back octet by octet.
    """

    name: str
    value: str = field(repr=False)
    domain: str = ""
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    expires: float | None = None  # seconds since 1970, as the calendar dates of `Expires` are
    octets: bytes = field(default=b"", repr=False)
    set_by: str = ""  # the host whose response set it; "" if the program did

    def __post_init__(self) -> None:
        self.octets = self.octets or f"{self.name}={self.value}".encode()

    def is_for(self, url: URL) -> bool:
        if self.secure and url.scheme != "https":
            return False
        same_host = url.raw_host == self.domain
        return (same_host or (not self.host_only and _is_under(url.raw_host, self.domain))) and _path_matches(
            url.raw_path_str or "/", self.path
        )


class Cookies(MutableMapping[str, str]):
    """A jar: a dict of names to values, which also knows where each cookie belongs."""

    def __init__(self, cookies: Mapping[str, str] | list[tuple[str, str]] | None = None) -> None:
        # The cookies of each domain, by path and name; the domain that was not used for longest comes first.
        self._domains: OrderedDict[str, dict[tuple[str, str], Cookie]] = OrderedDict()
        self._size = 0
        if isinstance(cookies, Cookies):
            for cookie in cookies._all():
                self._keep(cookie)
        else:
            for name, value in dict(cookies or {}).items():
                self.set(name, value)

    def set(self, name: str, value: str, domain: str = "", path: str = "/") -> None:
        """Without a domain, the cookie belongs to the first host that is asked (see `settle`)."""
        self._keep(Cookie(name, value, domain.lstrip("."), path, host_only=not domain.startswith(".")))

    def _all(self) -> Iterator[Cookie]:
        return (cookie for held in self._domains.values() for cookie in held.values())

    def _keep(self, cookie: Cookie) -> None:
        held = self._domains.setdefault(cookie.domain, {})
        self._size += (cookie.path, cookie.name) not in held
        held[cookie.path, cookie.name] = cookie

    def _drop(self, cookie: Cookie) -> None:
        held = self._domains[cookie.domain]
        del held[cookie.path, cookie.name]
        self._size -= 1
        if not held:
            del self._domains[cookie.domain]

    def settle(self, host: str) -> None:
        """Give the cookies that have no host yet to this one, so that they never follow to another."""
        if "" not in self._domains:
            return
        for cookie in list(self._domains[""].values()):
            self._drop(cookie)
            self._keep(Cookie(cookie.name, cookie.value, host, cookie.path))

    def extract(self, url: URL, set_cookies: Iterable[str | bytes]) -> None:
        """Keep what a response from `url` says in its Set-Cookie headers."""
        for line in islice(set_cookies, MAX_PER_RESPONSE):
            cookie = _parse_set_cookie(line.encode() if isinstance(line, str) else line, url)
            if cookie is None:
                continue
            self._keep(cookie)
            self._domains.move_to_end(cookie.domain)
            if _is_over(cookie):
                self._drop(cookie)
            elif len(self._domains[cookie.domain]) > MAX_PER_DOMAIN:
                self._make_room_in(self._domains[cookie.domain])
            if self._size > MAX_COOKIES:
                self._make_room()

    def _make_room_in(self, held: dict[tuple[str, str], Cookie]) -> None:
        """Drop what has expired, or else the oldest cookie of the host that has set most of them."""
        received = [cookie for cookie in held.values() if cookie.set_by]
        if expired := [cookie for cookie in received if _is_over(cookie)]:
            for cookie in expired:
                self._drop(cookie)
        elif received:
            ((greediest, _),) = Counter(cookie.set_by for cookie in received).most_common(1)
            self._drop(next(cookie for cookie in received if cookie.set_by == greediest))

    def _make_room(self) -> None:
        """Forget the domain that was not used for longest, but nothing that the program has set."""
        for held in list(self._domains.values()):
            for cookie in [cookie for cookie in held.values() if cookie.set_by]:
                self._drop(cookie)
            if self._size <= MAX_COOKIES:
                return

    def header_for(self, url: URL) -> str | None:
        """The Cookie header of a request to `url`, as text for people."""
        octets = self.octets_for(url)
        return None if octets is None else text_of(octets)

    def octets_for(self, url: URL) -> bytes | None:
        """The Cookie header of a request to `url`: longer paths first.                RFC 6265 §5.4"""
        if not self._domains:
            return None
        found: list[Cookie] = []
        for domain in _domains_above(url.raw_host):
            held = self._domains.get(domain)
            if held is None:
                continue
            self._domains.move_to_end(domain)
            for cookie in list(held.values()):
                if _is_over(cookie):
                    self._drop(cookie)
                elif cookie.is_for(url):
                    found.append(cookie)
        if sum(len(cookie.octets) + 2 for cookie in found) > MAX_HEADER:
            found = _most_wanted(found, url.raw_host)
        found.sort(key=lambda cookie: -len(cookie.path))
        return b"; ".join(cookie.octets for cookie in found) or None

    def __getitem__(self, name: str) -> str:
        for cookie in self._all():
            if cookie.name == name:
                return cookie.value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        named = [cookie for cookie in self._all() if cookie.name == name]
        if not named:
            raise KeyError(name)
        for cookie in named:
            self._drop(cookie)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(cookie.name for cookie in self._all()))

    def __len__(self) -> int:
        return len(set(self))

    def __repr__(self) -> str:
        return f"<Cookies[{', '.join(f'{c.name} for {c.domain or None}{c.path}' for c in self._all())}]>"


def _most_wanted(found: list[Cookie], host: str) -> list[Cookie]:
    """As many as fit into a header: the program's own in any case, then the host's own, then its neighbours'."""
    kept, size = [], 0
    for cookie in sorted(found, key=lambda cookie: (cookie.set_by != "", cookie.set_by != host, -len(cookie.path))):
        size += len(cookie.octets) + 2
        if size <= MAX_HEADER or not cookie.set_by:
            kept.append(cookie)
    return kept


def _domains_above(host: str) -> Iterator[str]:
    """
    >>> list(_domains_above("a.b.org")), list(_domains_above("127.0.0.1"))
    (['a.b.org', 'b.org', 'org'], ['127.0.0.1'])
    """
    yield host
    while not _IP_ADDRESS.fullmatch(host) and "." in host:
        host = host.partition(".")[2]
        yield host


def _parse_set_cookie(line: bytes, url: URL) -> Cookie | None:
    """RFC 6265 §5.2 and §5.3: unknown attributes are ignored, a foreign Domain refuses the cookie.

    Octets are read as ISO 8859-1 here, because that has a letter for each and so loses none.
    """
    pair, *attributes = line.decode("iso-8859-1").split(";", MAX_ATTRIBUTES + 1)
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    octets = f"{name}={value}".encode("iso-8859-1")
    if not (name and equals) or len(octets) > MAX_COOKIE or len(attributes) > MAX_ATTRIBUTES or _CONTROLS.search(pair):
        return None
    cookie = Cookie(
        text_of(name.encode("iso-8859-1")),
        text_of(value.encode("iso-8859-1")),
        url.raw_host,
        _default_path(url),
        octets=octets,
        set_by=url.raw_host,
    )
    domain, max_age = "", None
    for attribute in attributes:
        key, _, text = (part.strip(" \t") for part in attribute.partition("="))
        match key.lower():
            case "domain" if text.strip(".") and len(text) <= MAX_ATTRIBUTE:
                domain = text.lstrip(".").lower()
            case "path" if text.startswith("/") and len(text) <= MAX_ATTRIBUTE:
                cookie.path = text
            case "secure":
                cookie.secure = True
            case "expires":
                cookie.expires = cookie_date(text)
            case "max-age" if re.fullmatch(r"-?[0-9]{1,15}", text):
                max_age = int(text)
    if max_age is not None:  # wins over Expires, whichever came first
        cookie.expires = time.time() + max_age if max_age > 0 else 0.0
    if domain and not _widen(cookie, domain):
        return None
    return cookie if _keeps_its_prefix(cookie, url) else None


def _widen(cookie: Cookie, domain: str) -> bool:
    """Make a cookie one for all of `domain`, as far as that can be allowed; False refuses it.  RFC 6265 §5.3"""
    host = cookie.domain
    if not _is_under(host, domain):
        return False
    if _IP_ADDRESS.fullmatch(host):
        return True  # for this address alone: nothing is under it
    is_shared = _is_shared(domain)
    if is_shared and host != domain:
        return False
    # A host that is a public suffix itself (localhost, github.io) speaks for itself alone.
    if is_shared is False or (is_shared is None and host == domain):
        cookie.domain, cookie.host_only = domain, False
    return True


class _List(Protocol):
    def is_public(self, domain: str) -> bool: ...


@cache
def _public_suffixes() -> _List | None:
    """Mozilla's list, if it is installed.  To read it takes some 0.1 s, so it is read when it is first needed."""
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return None
    return PublicSuffixList()


def _is_shared(domain: str) -> bool | None:
    """Whether strangers may have names under this domain; None if it takes the list to know."""
    if "." not in domain.strip("."):
        return True
    suffixes = _public_suffixes()
    return None if suffixes is None else suffixes.is_public(domain.removesuffix("."))


def _keeps_its_prefix(cookie: Cookie, url: URL) -> bool:
    """A name may promise how its cookie was set, so that a neighbour cannot set it.     RFC 6265bis §4.1.3"""
    name = cookie.name.lower()
    if not name.startswith(("__secure-", "__host-")):
        return True
    is_safe = cookie.secure and url.scheme == "https"
    return is_safe and (name.startswith("__secure-") or (cookie.host_only and cookie.path == "/"))


def _is_over(cookie: Cookie) -> bool:
    return cookie.expires is not None and cookie.expires <= time.time()


def _is_under(host: str, domain: str) -> bool:
    """The domain itself, or a name under it; an IP address is under nothing.          RFC 6265 §5.1.3"""
    return host == domain or (host.endswith(f".{domain}") and not _IP_ADDRESS.fullmatch(host))


def _path_matches(path: str, cookie_path: str) -> bool:
    """/app holds /app and /app/x, and not /apple.                                     RFC 6265 §5.1.4"""
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")


def _default_path(url: URL) -> str:
    path = url.raw_path_str.rpartition("/")[0]
    return path if path and len(path) <= MAX_ATTRIBUTE else "/"


_DATE_PARTS = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?")
_DAY = re.compile(r"([0-9]{1,2})(?:[^0-9].*)?")
_YEAR = re.compile(r"([0-9]{2,4})(?:[^0-9].*)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def cookie_date(text: str) -> float | None:
    """The date of an Expires attribute as seconds since 1970, in whatever order its parts stand.

    RFC 6265 §5.1.1: the first part that looks like a time is the time, and so on; what is left (a weekday, a
    zone) is ignored, since all dates are in UTC.  None if it is no date.

    >>> cookie_date("Sun, 06 Nov 1994 08:49:37 GMT"), cookie_date("Sun Nov  6 08:49:37 1994")
    (784111777, 784111777)
    >>> cookie_date("Sunday, 06-Nov-94 08:49:37 GMT"), cookie_date("tomorrow")
    (784111777, None)
    """
    clock = day = month = year = None
    for part in _DATE_PARTS.findall(text[:MAX_DATE]):
        if clock is None and (found := _TIME.fullmatch(part)):
            clock = tuple(map(int, found.groups()))
        elif day is None and (found := _DAY.fullmatch(part)):
            day = int(found[1])
        elif month is None and part[:3].lower() in _MONTHS:
            month = _MONTHS.index(part[:3].lower()) + 1
        elif year is None and (found := _YEAR.fullmatch(part)):
            year = int(found[1])
    if clock is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    hour, minute, second = clock
    if not (year >= 1601 and 1 <= day <= monthrange(year, month)[1] and hour <= 23 and minute <= 59 and second <= 59):
        return None
    return timegm((year, month, day, hour, minute, second))
