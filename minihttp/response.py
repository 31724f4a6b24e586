r"""Response: what came back.                                                        RFC 9110 §15; RFC 9112 §4

    HTTP/1.1 200 OK CR LF                       version, status, reason phrase
    Content-Type: text/plain CR LF              headers
    Content-Length: 5 CR LF
    CR LF
    hello                                       the body, which may come much later

The head is there when the response is; the body is read by whoever asks for it: whole (`aread`), or in
pieces. `get` and `post` read it before they return, `stream` leaves it to you.

    >>> latin = {"Content-Type": "text/plain; charset=iso-8859-1"}
    >>> response = Response(200, headers=latin, content=b"gr\xfcn")
    >>> response, response.text, response.is_success
    (<Response [200 OK]>, 'grün', True)
    >>> Response(404, request=Request("GET", "http://example.org/x")).raise_for_status()
    Traceback (most recent call last):
    minihttp.errors.HTTPStatusError: client error 404 Not Found for GET http://example.org/x

The same class is what a handler of the small server returns.

Below this module: `headers`, `cookies`, `request`, `decoders`.  Above it: `pool` and `client` make them.
Read next: `streams`.
"""

import json as jsonlib
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import Message
from http.client import responses as phrases
from typing import Any, Protocol

from .cookies import Cookies
from .decoders import (
    LineSplitter,
    Piped,
    Rechunker,
    TextDecoder,
    TextRechunker,
    decoders_for,
)
from .errors import DecodingError, HTTPStatusError, ResponseNotRead, StreamClosed, StreamConsumed
from .headers import Headers, HeaderTypes
from .request import BodyStream, Content, Request, encode_body, not_given
from .urls import URL


class Arriving(Protocol):
    """A body on its way: what the pool gives to the responses of the client."""

    elapsed: float | None

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class Response:
    """One response.  Its body is `arriving` from a server, or was given as content= or json=."""

    def __init__(
        self,
        status_code: int,
        *,
        headers: HeaderTypes | None = None,
        content: Content | None = None,
        json: Any = None,
        request: Request | None = None,
        arriving: Arriving | None = None,
        reason: bytes | None = None,
        http_version: str = "HTTP/1.1",
    ) -> None:
        self.status_code = status_code
        self.http_version = http_version
        self.headers = Headers(headers)
        self.history: list[Response] = []
        self.max_content_size: int | None = None
        self._closed = self.is_stream_consumed = False
        self._reason = reason
        self._request = request
        self._arriving = arriving
        self._encoding: str | None = None
        self._content: bytes | None = None
        if arriving is None:
            self._take_content(content, json)

    def _take_content(self, content: Content | None, json: Any) -> None:
        described, self.stream = encode_body(content, None, json)
        self.headers.raw += not_given(described, self.headers)
        if isinstance(self.stream, bytes):
            self._content = self.stream
            self._closed = self.is_stream_consumed = True

    # ── what the head says ──────────────────────────────────────────────────────────────────────────────────

    @property
    def reason_phrase(self) -> str:
        if self._reason is not None:
            return self._reason.decode("ascii", errors="ignore")
        return phrases.get(self.status_code, "")

    @property
    def request(self) -> Request:
        if self._request is None:
            raise RuntimeError("this response was made without a request")
        return self._request

    @property
    def url(self) -> URL:
        return self.request.url

    @property
    def cookies(self) -> Cookies:
        """What this response alone sets; the client's jar holds those of all."""
        cookies = Cookies()
        cookies.extract(self.url, self.headers.get_list("set-cookie"))
        return cookies

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code <= 299

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status_code <= 399

    @property
    def is_error(self) -> bool:
        return 400 <= self.status_code <= 599

    @property
    def is_closed(self) -> bool:
        return self._closed or (self._arriving is not None and self._arriving.elapsed is not None)

    def raise_for_status(self) -> "Response":
        """This response if it is a success, else HTTPStatusError."""
        if self.is_success:
            return self
        kind = {1: "informational response", 3: "redirect", 4: "client error", 5: "server error"}
        found = f"{self.status_code} {self.reason_phrase}".rstrip()
        text = f"{kind.get(self.status_code // 100, 'unknown')} {found} for {self.request.method} {self.url}"
        if self.is_redirect and "location" in self.headers:
            text += f", which leads to {self.headers['location']}"
        raise HTTPStatusError(text, request=self.request, response=self)

    @property
    def encoding(self) -> str:
        """The charset that the server names, or UTF-8; may be set by a reader who knows better."""
        if self._encoding is None:
            self._encoding = _charset(self.headers.get("content-type", "")) or "utf-8"
        return self._encoding

    @encoding.setter
    def encoding(self, encoding: str) -> None:
        self._encoding = encoding

    @property
    def elapsed(self) -> timedelta:
        """From the moment the request began to be sent to the end of the body."""
        if self._arriving is None or self._arriving.elapsed is None:
            raise RuntimeError("elapsed is known when the response has been read or closed")
        return timedelta(seconds=self._arriving.elapsed)

    # ── the body, once it is here ───────────────────────────────────────────────────────────────────────────

    @property
    def content(self) -> bytes:
        if self._content is None:
            raise ResponseNotRead("the body has not been read: `await response.aread()` first")
        return self._content

    @property
    def text(self) -> str:
        return self.content.decode(self.encoding, errors="replace")

    def json(self) -> Any:
        return jsonlib.loads(self.content)

    async def aread(self) -> bytes:
        """The whole body, decoded; kept, so it may be asked again."""
        if self._content is None:
            pieces, size = [], 0
            async for piece in self._decoded():
                pieces.append(piece)
                size += len(piece)
                if self.max_content_size is not None and size > self.max_content_size:
                    await self.aclose()
                    raise DecodingError(
                        f"body of more than max_content_size={self.max_content_size} octets: use stream()"
                    )
            self._content = b"".join(pieces)
        return self._content

    # ── the body, as it comes ───────────────────────────────────────────────────────────────────────────────

    def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The octets as they were sent, without undoing a Content-Encoding."""
        if self.is_stream_consumed:
            raise StreamConsumed("the body was read before: a stream can be read once; aread() keeps it")
        if self.is_closed:
            raise StreamClosed("the response was closed before its body was read")
        self.is_stream_consumed = True
        pieces = aiter(self._arriving if self._arriving is not None else _stream(self.stream))
        return pieces if chunk_size is None else Piped(pieces, Rechunker(chunk_size))

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The body in pieces, gzip and deflate undone."""
        if self._content is not None:
            pieces = aiter(BodyStream([self._content] if self._content else []))
        else:
            pieces = self._decoded()
        return pieces if chunk_size is None else Piped(pieces, Rechunker(chunk_size))

    def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        pieces = Piped(self.aiter_bytes(), TextDecoder(self.encoding))
        return pieces if chunk_size is None else Piped(pieces, TextRechunker(chunk_size))

    def aiter_lines(self) -> AsyncIterator[str]:
        return Piped(self.aiter_text(), LineSplitter())

    def _decoded(self) -> AsyncIterator[bytes]:
        pieces = self.aiter_raw()
        for decoder in decoders_for(self.headers.get_list("content-encoding", split_commas=True)):
            pieces = Piped(pieces, decoder)
        return pieces

    async def aclose(self) -> None:
        """Done with this response, read or not; what was not read ends its connection."""
        self._closed = True
        if self._arriving is not None:
            await self._arriving.aclose()

    def __repr__(self) -> str:
        return f"<Response [{f'{self.status_code} {self.reason_phrase}'.rstrip()}]>"


def _stream(body: bytes | BodyStream) -> BodyStream:
    return body if isinstance(body, BodyStream) else BodyStream([body])


def _charset(content_type: str) -> str | None:
    """The charset of a Content-Type, if Python has it."""
    message = Message()
    message["content-type"] = content_type
    try:
        charset = message.get_content_charset() or "utf-8"
        b"\xff".decode(charset, errors="replace")  # Python has codecs for other things, too: hex, idna, undefined
        return charset
    except (LookupError, ValueError):
        return None
