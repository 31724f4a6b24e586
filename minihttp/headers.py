r"""Headers: names and values, in the order in which they travel.                    RFC 9110 §5; RFC 9112 §5

    C o n t e n t - T y p e :   t e x t / p l a i n CR LF
    └──────── name ───────┘   └─────── value ─────┘

Names are compared without regard to case.  A name may come several times, and then the order of its values matters
(RFC 9110 §5.3).  So `Headers` is a list of pairs with the methods of a dict, and keeps the order of arrival:

    >>> headers = Headers([("Accept", "text/html"), ("X-Tag", "a"), ("X-Tag", "b")])
    >>> headers["x-tag"], headers.get_list("X-Tag"), headers.get("x-none")
    ('a, b', ['a', 'b'], None)
    >>> headers["ACCEPT"] = "*/*"; headers.raw
    [(b'ACCEPT', b'*/*'), (b'X-Tag', b'a'), (b'X-Tag', b'b')]

On the wire a header is octets.  Text given here must be ASCII; octets that came are read as UTF-8, or else as
ISO 8859-1, which every octet has.  h11 decides whether a name or value is allowed at all.

Below this module: `errors`.  Above it: `request` and `response`.  Read next: `cookies`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping

import h11

from .errors import LocalProtocolError

HeaderTypes = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str | bytes, str | bytes]]

# The values of these are secrets, so `repr`, which ends up in logs, does not show them.
_SECRETS = (b"authorization", b"proxy-authorization", b"cookie", b"set-cookie")

_BAD_VALUE = re.compile(rb"[\x00\r\n]|^\s|\s$|[\x0b\x0c]")


class Headers(MutableMapping[str, str]):
    """A dict of str to str over `raw`, a list of pairs of bytes."""

    __slots__ = ("raw",)

    def __init__(self, headers: "HeaderTypes | None" = None) -> None:
        if isinstance(headers, Headers):
            self.raw: list[tuple[bytes, bytes]] = list(headers.raw)
        else:
            pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
            self.raw = [_pair(name, value) for name, value in pairs]

    @classmethod
    def received(cls, raw: list[tuple[bytes, bytes]]) -> "Headers":
        """Take a list over as it is: it came from h11, so there is nothing to check or encode."""
        headers = cls.__new__(cls)
        headers.raw = raw
        return headers

    def get_list(self, name: str, split_commas: bool = False) -> list[str]:
        """Every value of that name.  split_commas: values that are lists themselves are taken apart."""
        values = [text_of(value) for value in self.octets(name)]
        if not split_commas:
            return values
        return [item.strip() for value in values for item in value.split(",")]

    def octets(self, name: str) -> list[bytes]:
        """Every value of that name as it travels, for what must go back unchanged (a cookie, a redirect)."""
        key, size = name.lower().encode(), len(name)
        return [value for found, value in self.raw if len(found) == size and found.lower() == key]

    def multi_items(self) -> list[tuple[str, str]]:
        """Every pair, also of names that come several times."""
        return [(text_of(name.lower()), text_of(value)) for name, value in self.raw]

    def update(self, headers: HeaderTypes | None = None, /, **more: str) -> None:  # type: ignore[override]
        """Each name given replaces what was there, with all the values given for it."""
        added = Headers(headers)
        added.raw += Headers(more).raw
        names = {name.lower() for name, _ in added.raw}
        self.raw = [pair for pair in self.raw if pair[0].lower() not in names] + added.raw

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        key, pair = name.lower().encode(), _pair(name, value)
        place = next((place for place, (found, _) in enumerate(self.raw) if found.lower() == key), len(self.raw))
        rest = [other for other in self.raw[place:] if other[0].lower() != key]
        self.raw[place:] = [pair, *rest]

    def __delitem__(self, name: str) -> None:
        key = name.lower().encode()
        kept = [pair for pair in self.raw if pair[0].lower() != key]
        if len(kept) == len(self.raw):
            raise KeyError(name)
        self.raw = kept

    def __contains__(self, name: object) -> bool:
        key = str(name).lower().encode()
        return any(found.lower() == key for found, _ in self.raw)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(text_of(name.lower()) for name, _ in self.raw))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.raw})

    def __eq__(self, other: object) -> bool:
        """Equal when every name has the same values; case and order of the names say nothing."""
        if not isinstance(other, Headers | Mapping | list):
            return NotImplemented
        return sorted(self.multi_items()) == sorted(Headers(other).multi_items())

    def __repr__(self) -> str:
        shown = [
            (text_of(name.lower()), "[secure]" if name.lower() in _SECRETS else text_of(value))
            for name, value in self.raw
        ]
        return f"Headers({dict(shown) if len(dict(shown)) == len(shown) else shown})"


def _pair(name: str | bytes, value: str | bytes) -> tuple[bytes, bytes]:
    return _octets(name, "header name"), _octets(value, "value of header", name)


def _octets(text: str | bytes, what: str, name: str | bytes = b"") -> bytes:
    """ASCII as octets.  The error names the header and does not repeat its value, which may be a secret."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"{what} {name or text!r} is {type(text).__name__}: expected str or bytes")
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        wrong = f"{what} {name or text!r}: expected ASCII; give bytes to send other octets"
        raise LocalProtocolError(wrong) from None


def text_of(octets: bytes) -> str:
    """Octets of a header as text: UTF-8, or else ISO 8859-1, which every octet has."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("iso-8859-1")


def hide_value(error: h11.LocalProtocolError, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Name the header whose value h11 refuses, instead of repeating a value that may be a secret."""
    if "header value" in str(error):
        names = [text_of(name) for name, value in headers if _BAD_VALUE.search(value)]
        error.args = (f"the value of {' and '.join(names)} has a line end, a NUL, or a space at its edge",)
