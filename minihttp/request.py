r"""Request: a method, a URL, headers and a body, ready to be sent.               RFC 9110 §9; RFC 9112 §3, §6

    POST /items?dry=1 HTTP/1.1 CR LF            method, request target
    Host: example.org CR LF                     headers; Host is the only one that HTTP/1.1 demands
    Content-Type: application/json CR LF
    Content-Length: 12 CR LF
    CR LF
    {"name":"x"}                                the body: as many octets as were promised

How the receiver finds the end of a body is called *framing*.  Either the length comes first (`Content-Length`),
or, if it is not known yet, the body goes in chunks that each say their size (`Transfer-Encoding: chunked`).

    >>> request = Request("POST", "http://example.org/items", params={"dry": 1}, json={"name": "x"})
    >>> request.headers.raw
    [(b'Host', b'example.org'), (b'Content-Length', b'12'), (b'Content-Type', b'application/json')]
    >>> Request("PUT", "http://example.org/", content=iter([b"a", b"b"])).headers["transfer-encoding"]
    'chunked'

The server of this package hands the same class to its handlers, with a body that is still arriving.

Below this module: `urls`, `headers`.  Above it: `connection` sends it.  Read next: `decoders`.
"""

import io
import json as jsonlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Any, Never

from .bodies import BodyStream as BodyStream  # `connection` and `server` know bodies from here
from .bodies import File, Files, FileStream, Multipart
from .config import Timeout
from .errors import StreamConsumed, refuse, without
from .headers import Headers, HeaderTypes
from .urls import URL, Params, encode_params

Content = bytes | bytearray | memoryview | str | File | Iterable[bytes] | AsyncIterable[bytes]


@without("extensions read")
class Request:
    """One request.  `stream` is its body as it will be walked: bytes, or something that is iterated over.

    content  octets, text, a file (read in pieces of 64 KiB), or an iterable of octets, async or not
    data     a mapping of form fields; with files, the fields beside them
    files    a mapping of names to files: see `bodies.Multipart`
    json     whatever the json module can write
    """

    timeout: Timeout | None = None  # the client's own, unless `build_request` was given another

    def __init__(
        self,
        method: str,
        url: URL | str,
        *,
        params: Params | None = None,
        headers: HeaderTypes | None = None,
        content: Content | None = None,
        data: Mapping[str, Any] | None = None,
        files: Files | None = None,
        json: Any = None,
        **others: Never,
    ) -> None:
        if others:
            refuse(others, "Request")
        self.method = method.upper()
        self.url = url if isinstance(url, URL) and params is None else URL(url, params=params)
        self.headers = Headers(headers)
        self.stream: bytes | BodyStream
        if files:
            boundary = _boundary(self.headers.get("content-type", ""))
            body_headers, self.stream = encode_form(data, files, boundary, is_alone=content is None and json is None)
        else:
            body_headers, self.stream = encode_body(content, data, json)
        if not body_headers and self.method in ("POST", "PUT", "PATCH", "QUERY"):
            body_headers = [(b"Content-Length", b"0")]  # these methods expect a body, so its absence is said
        host = (b"Host", self.url.netloc.encode("ascii"))
        self.headers.raw[:0] = not_given([host, *body_headers], self.headers)

    async def aread(self) -> bytes:
        """The whole body; may be asked again."""
        if isinstance(self.stream, BodyStream):
            body = io.BytesIO()  # as in Response.aread
            async for piece in self.stream:
                body.write(piece)
            self.stream = body.getvalue()
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
        return f"<Request({self.method!r}, {self.url.redacted!r})>"


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
    if content is None and data is None and json is None:
        return [], b""
    if (content is not None) + (data is not None) + (json is not None) > 1:
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
    if isinstance(content, BodyStream):
        return [(b"Transfer-Encoding", b"chunked")], content
    if hasattr(content, "read"):
        # Chunked although the size of a file could be asked for: it may grow or shrink while it is sent.
        return [(b"Transfer-Encoding", b"chunked")], FileStream(content)
    if isinstance(content, Mapping) or not isinstance(content, Iterable | AsyncIterable):
        raise TypeError(
            f"content is {type(content).__name__}: expected bytes, str, a file open for reading octets, "
            "or an iterable of bytes"
        )
    return [(b"Transfer-Encoding", b"chunked")], BodyStream(content)  # type: ignore[arg-type]  # it is no File


def encode_form(
    data: Mapping[str, Any] | None, files: Files, boundary: bytes | None, *, is_alone: bool
) -> tuple[Pairs, BodyStream]:
    """A form with files, and the headers that describe it."""
    if not is_alone:
        raise TypeError(
            "files= goes with data=, which has the other fields of the form, and not with content= or json="
        )
    if not isinstance(data or {}, Mapping):
        raise TypeError(f"data is {type(data).__name__}: expected a mapping of form fields")
    form = Multipart(data or {}, files, boundary)
    framing = (b"Transfer-Encoding", b"chunked") if form.size is None else (b"Content-Length", b"%d" % form.size)
    return [framing, (b"Content-Type", form.content_type)], form


def _boundary(content_type: str) -> bytes | None:
    """
    >>> _boundary('multipart/form-data; boundary="3f9a"'), _boundary("text/plain")
    (b'3f9a', None)
    """
    found = re.fullmatch(r'multipart/form-data; *boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?', content_type)
    return found[1].encode() if found else None


def _measured(body: bytes, content_type: bytes | None = None) -> tuple[Pairs, bytes]:
    headers = [(b"Content-Length", b"%d" % len(body))] if body else []
    return headers + ([(b"Content-Type", content_type)] if content_type else []), body


def not_given(automatic: Pairs, headers: Headers) -> Pairs:
    """What of the automatic headers is still to be added: a framing that the caller chose is the framing."""
    given = {name.lower() for name, _ in headers.raw}
    if b"content-length" in given or b"transfer-encoding" in given:
        given |= {b"content-length", b"transfer-encoding"}
    return [pair for pair in automatic if pair[0].lower() not in given]
