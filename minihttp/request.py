r"""Request: what is asked, before anybody is asked.                              RFC 9110 §9; RFC 9112 §3, §6

    POST /items?dry=1 HTTP/1.1 CR LF            method, request target
    Host: example.org CR LF                     headers; Host is the only one that HTTP/1.1 demands
    Content-Type: application/json CR LF
    Content-Length: 12 CR LF
    CR LF
    {"name":"x"}                                the body: as many octets as were promised

How the end of a body is known is called *framing*: its length is promised (`Content-Length`), or it goes in
chunks that each say their size (`Transfer-Encoding: chunked`), for a body whose length nobody knows yet.

    >>> request = Request("POST", "http://example.org/items", params={"dry": 1}, json={"name": "x"})
    >>> request.headers.raw
    [(b'Host', b'example.org'), (b'Content-Length', b'12'), (b'Content-Type', b'application/json')]
    >>> Request("PUT", "http://example.org/", content=iter([b"a", b"b"])).headers["transfer-encoding"]
    'chunked'

The server of this package hands the same class to its handlers, with a body that is still arriving.

Below this module: `urls`, `headers`.  Above it: `connection` sends it.  Read next: `decoders`.
"""

import json as jsonlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from .errors import StreamConsumed
from .headers import Headers, HeaderTypes
from .urls import URL, Params, encode_params

Content = bytes | bytearray | memoryview | str | Iterable[bytes] | AsyncIterable[bytes]


class Request:
    """One request.  `stream` is its body as it will be walked: bytes, or something that is iterated over."""

    def __init__(
        self,
        method: str,
        url: URL | str,
        *,
        params: Params | None = None,
        headers: HeaderTypes | None = None,
        content: Content | None = None,
        data: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> None:
        self.method = method.upper()
        self.url = URL(url, params=params)
        body_headers, self.stream = encode_body(content, data, json)
        self.headers = Headers(headers)
        if not body_headers and self.method in ("POST", "PUT", "PATCH"):
            body_headers = [(b"Content-Length", b"0")]  # these methods expect a body, so its absence is said
        host = (b"Host", self.url.netloc.encode("ascii"))
        self.headers.raw[:0] = not_given([host, *body_headers], self.headers)

    async def aread(self) -> bytes:
        """The whole body; may be asked again."""
        if isinstance(self.stream, BodyStream):
            self.stream = b"".join([chunk async for chunk in self.stream])
        return self.stream

    @property
    def content(self) -> bytes:
        if isinstance(self.stream, BodyStream):
            raise StreamConsumed(f"{self!r}: its body is a stream; `await request.aread()` first")
        return self.stream

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they come."""
        return aiter(self.stream if isinstance(self.stream, BodyStream) else BodyStream([self.stream]))

    def __repr__(self) -> str:
        return f"<Request({self.method!r}, {str(self.url)!r})>"


class BodyStream:
    """A body that is walked instead of held.

    A list can be walked again (for a redirect, or when a connection turned out dead); an iterator only once,
    and the second walk says so instead of sending an empty body.
    """

    def __init__(self, source: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        self._source = source
        self._once = isinstance(source, Iterator | AsyncIterator)
        self._walked = False

    @property
    def is_spent(self) -> bool:
        return self._once and self._walked

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self.is_spent:
            raise StreamConsumed("the body was an iterator and is used up: bytes or a list can be sent again")
        self._walked = True
        return aiter(self._source) if isinstance(self._source, AsyncIterable) else _Walk(iter(self._source))


class _Walk:
    """A plain iterator as an asynchronous one.  (An async generator, left half-way, has to be closed.)"""

    def __init__(self, iterator: Iterator[bytes]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> "_Walk":
        return self

    async def __anext__(self) -> bytes:
        for piece in self._iterator:
            return piece
        raise StopAsyncIteration


Pairs = list[tuple[bytes, bytes]]


def encode_body(
    content: Content | None, data: Mapping[str, Any] | None = None, json: Any = None
) -> tuple[Pairs, bytes | BodyStream]:
    """The body as octets or stream, and the headers that describe it.

    >>> encode_body("ü")
    ([(b'Content-Length', b'2')], b'\\xc3\\xbc')
    >>> encode_body(None, data={"q": ["a", "b c"]})[1]
    b'q=a&q=b+c'
    """
    if sum(given is not None for given in (content, data, json)) > 1:
        raise TypeError("content=, data= and json= are three ways to give one body: give one of them")
    if json is not None:
        text = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return _measured(text.encode(), b"application/json")
    if data:
        if not isinstance(data, Mapping):
            raise TypeError(
                f"data is {type(data).__name__}: expected a mapping of form fields; use content= for a body"
            )
        return _measured(encode_params(data).encode(), b"application/x-www-form-urlencoded")
    if content is None or data is not None:
        return [], b""
    if isinstance(content, str):
        return _measured(content.encode())
    if isinstance(content, bytes | bytearray | memoryview):
        return _measured(bytes(content))
    if isinstance(content, Mapping) or not isinstance(content, Iterable | AsyncIterable):
        raise TypeError(f"content is {type(content).__name__}: expected bytes, str, or an iterable of bytes")
    return [(b"Transfer-Encoding", b"chunked")], _as_stream(content)


def _as_stream(content: Any) -> BodyStream:
    return content if isinstance(content, BodyStream) else BodyStream(content)


def _measured(body: bytes, content_type: bytes | None = None) -> tuple[Pairs, bytes]:
    headers = [(b"Content-Length", b"%d" % len(body))] if body else []
    return headers + ([(b"Content-Type", content_type)] if content_type else []), body


def not_given(automatic: Pairs, headers: Headers) -> Pairs:
    """What of the automatic headers is still to be added: a framing that the caller chose is the framing."""
    given = {name.lower() for name, _ in headers.raw}
    if b"content-length" in given or b"transfer-encoding" in given:
        given |= {b"content-length", b"transfer-encoding"}
    return [pair for pair in automatic if pair[0].lower() not in given]
