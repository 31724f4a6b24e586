r"""Response: what came back.                                                        RFC 9110 §15; RFC 9112 §4

    HTTP/1.1 200 OK CR LF                       version, status, reason phrase
    Content-Type: text/plain CR LF              headers
    Content-Length: 5 CR LF
    CR LF
    hello                                       the body, which may come much later

A client gets the response when its head has come.  The body is read later: whole, by `aread`, or in pieces.
`get` and `post` read it before they return; `stream` leaves that to the caller.

    >>> latin = {"Content-Type": "text/plain; charset=iso-8859-1"}
    >>> response = Response(200, headers=latin, content=b"gr\xfcn")
    >>> response, response.text, response.is_success
    (<Response [200 OK]>, 'grün', True)
    >>> Response(200, html="<p>hello").headers["content-type"]
    'text/html; charset=utf-8'
    >>> Response(404, request=Request("GET", "http://example.org/x")).raise_for_status()
    Traceback (most recent call last):
    minihttp.errors.HTTPStatusError: client error 404 Not Found for GET http://example.org/x

The same class is what a handler of the small server returns.

Below this module: `headers`, `cookies`, `request`, `decoders`.  Above it: `pool` and `client` make them.
Read next: `streams`.
"""

import io
import json as jsonlib
import re
import socket
from codecs import lookup
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import timedelta
from http.client import responses as phrases
from typing import Any, Never, Protocol

import trio

from .bodies import BodyStream
from .cookies import Cookies
from .decoders import (
    LineSplitter,
    Piped,
    Rechunker,
    TextDecoder,
    TextRechunker,
    check_size,
    decoded,
    decoders_for,
)
from .errors import (
    DecodingError,
    HTTPStatusError,
    ResponseNotRead,
    StreamClosed,
    StreamConsumed,
    refuse,
    shortened,
    without,
)
from .headers import Headers, HeaderTypes
from .request import Content, Request, encode_body, not_given
from .urls import URL, without_userinfo

MAX_UNPACKED = 1 << 20  # octets that the body of a redirect may have when its coding is undone by `content`
BODILESS = (204, 304)  # RFC 9110 §6.4.1
REDIRECTS = (301, 302, 303, 307, 308)  # 300 leaves the choice to people, 304 says "use what you have"


class Arriving(Protocol):
    """A body on its way: what the pool gives to the responses of the client."""

    elapsed: float | None
    trailers: list[tuple[bytes, bytes]] | None  # None until the end of the body

    def at_hand(self) -> bytes | None: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class _Status:
    """A property: whether the status is from `first` to `last`."""

    def __init__(self, first: int, last: int) -> None:
        self._range = range(first, last + 1)

    def __get__(self, response: "Response | None", owner: type) -> bool:
        return response is not None and response.status_code in self._range


@without(
    "charset_encoding close default_encoding extensions iter_bytes iter_lines iter_raw iter_text links "
    "next_request num_bytes_downloaded read"
)
class Response:
    """One response.  Its body is `arriving` from a server, or was given as content=, text=, html= or json=."""

    # As a class has them, these cost nothing for the many responses that come from the pool and are read once.
    stream: bytes | BodyStream = b""
    max_content_size: int | None = None
    _held: bytes | None = None  # the whole body as it was sent, its coding not undone yet
    _walk: AsyncIterator[bytes] | None = None
    _started: float | None = None
    _elapsed: float | None = None

    def __init__(
        self,
        status_code: int,
        *,
        headers: HeaderTypes | None = None,
        content: Content | None = None,
        text: str | None = None,
        html: str | None = None,
        json: Any = None,
        request: Request | None = None,
        arriving: Arriving | None = None,
        reason: bytes | None = None,
        http_version: str = "HTTP/1.1",
        **others: Never,
    ) -> None:
        if others:
            refuse(others, "Response")
        self.status_code = status_code
        self.http_version = http_version
        self.headers = Headers(headers)
        self.history: list[Response] = []
        self._closed = self.is_stream_consumed = False
        self._reason = reason
        self._request = request
        self._arriving = arriving
        self._encoding: str | None = None
        self._content: bytes | None = None
        if arriving is None:
            self._take_content(content, text, html, json)

    def _take_content(self, content: Content | None, text: str | None, html: str | None, json: Any) -> None:
        if sum(given is not None for given in (content, text, html, json)) > 1:
            raise TypeError("content=, text=, html= and json= are four ways to give one body: give one of them")
        if text is not None or html is not None:
            kind = b"text/plain" if html is None else b"text/html"
            automatic = [(b"Content-Type", kind + b"; charset=utf-8")]
            self.headers.raw += not_given(automatic, self.headers)
            content = html if text is None else text
        described, self.stream = encode_body(content, None, json)
        self.headers.raw += not_given(described, self.headers)
        if isinstance(self.stream, bytes):
            self._held = self.stream
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

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    @property
    def url(self) -> URL:
        return self.request.url

    @property
    def cookies(self) -> Cookies:
        """What this response alone sets; the client's jar holds those of all."""
        cookies = Cookies()
        cookies.extract(self.url, self.headers.octets("set-cookie"))
        return cookies

    @property
    def trailers(self) -> Headers:
        """The fields after a chunked body, known when it has been read.                  RFC 9110 §6.5

        They are never merged into `headers`: what is said after the body must not change how it was read.
        """
        if self._arriving is None:
            return Headers()
        if self._arriving.trailers is None:
            raise ResponseNotRead("trailers come after the body: read it to its end, `await response.aread()`")
        return Headers.received(self._arriving.trailers)

    is_informational = _Status(100, 199)
    is_success = _Status(200, 299)
    is_redirect = _Status(300, 399)
    is_client_error = _Status(400, 499)
    is_server_error = _Status(500, 599)
    is_error = _Status(400, 599)

    @property
    def has_redirect_location(self) -> bool:
        """Whether it names another URL to ask; of the 3xx, only 301, 302, 303, 307 and 308 do.  RFC 9110 §15.4"""
        return self.status_code in REDIRECTS and "location" in self.headers

    @property
    def is_closed(self) -> bool:
        return self._closed or (self._arriving is not None and self._arriving.elapsed is not None)

    def raise_for_status(self) -> "Response":
        """This response if it is a success, else HTTPStatusError."""
        if self.is_success:
            return self
        kind = {1: "informational response", 3: "redirect", 4: "client error", 5: "server error"}
        found = f"{self.status_code} {shortened(self.reason_phrase)}".rstrip()
        text = f"{kind.get(self.status_code // 100, 'unknown')} {found} for {self.request.method} {self.url.redacted}"
        if self.is_redirect and "location" in self.headers:
            text += f", which leads to {without_userinfo(self.headers['location'])}"
        raise HTTPStatusError(text, request=self.request, response=self)

    @property
    def encoding(self) -> str:
        """The charset that the server names, or UTF-8; can be set if that is wrong."""
        if self._encoding is None:
            self._encoding = _charset(self.headers.get("content-type", "")) or "utf-8"
        return self._encoding

    @encoding.setter
    def encoding(self, encoding: str) -> None:
        self._encoding = encoding

    @property
    def elapsed(self) -> timedelta:
        """From the moment the request began to be sent to the end of the body."""
        elapsed = self._elapsed if self._arriving is None else self._arriving.elapsed
        if elapsed is None:
            raise RuntimeError("elapsed is known when the response has been read or closed")
        return timedelta(seconds=elapsed)

    def start_clock(self, started: float) -> None:
        """For a response that came from a transport: its request began to be sent at `started`."""
        self._started = started
        if self._closed:
            self._stop_clock()

    def _stop_clock(self) -> None:
        if self._elapsed is None:
            assert self._started is not None
            self._elapsed = trio.current_time() - self._started

    # ── the body, once it is here ───────────────────────────────────────────────────────────────────────────

    @property
    def content(self) -> bytes:
        """The whole body, decoded."""
        if self._content is None:
            if self._held is None:
                raise ResponseNotRead("the body has not been read: `await response.aread()` first")
            most = self.max_content_size
            if self._arriving is not None:  # of a redirect: a stranger's, and undone here without a pause
                most = min(MAX_UNPACKED, MAX_UNPACKED if most is None else most)
            self._content = decoded(self._held, self._codings, most)
        return self._content

    @property
    def _codings(self) -> list[str]:
        if not self.headers.octets("content-encoding"):
            return []
        return self.headers.get_list("content-encoding", split_commas=True)

    @property
    def text(self) -> str:
        return self.content.decode(self.encoding, errors="replace")

    def json(self, **options: Any) -> Any:
        """The body as JSON; the options are those of json.loads."""
        return jsonlib.loads(self.content, **options)

    async def aread(self) -> bytes:
        """The whole body, decoded; kept, so it may be asked again."""
        if self._arriving is not None and not self.is_stream_consumed:
            self._held = self._arriving.at_hand()
            self.is_stream_consumed = self._held is not None
        if self._content is None and self._held is not None and not self._codings:
            check_size(len(self._held), self.max_content_size)
            self._content = self._held
        if self._content is None:
            body = io.BytesIO()  # to join 100 MB at the end would hold up all other tasks for a tenth of a second
            try:
                async for piece in self._decoded():
                    check_size(body.tell() + len(piece), self.max_content_size)
                    body.write(piece)
            except DecodingError:
                await self.aclose()
                raise
            self._content = body.getvalue()
            if self._started is not None:
                self._stop_clock()
        return self._content

    async def keep_if_small(self, most: int) -> None:
        """Read a body of at most `most` octets that is not wanted yet: its coding is undone when it is.

        A larger one is left where it is.
        """
        if self.is_stream_consumed or self.is_closed:
            return
        pieces, size = [], 0
        async for piece in self.aiter_raw():
            pieces.append(piece)
            size += len(piece)
            if size > most:
                return
        self._held = b"".join(pieces)

    # ── the body, as it comes ───────────────────────────────────────────────────────────────────────────────

    def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The octets as they were sent, without undoing a Content-Encoding."""
        if self.is_stream_consumed:
            raise StreamConsumed("the body was read before: a stream can be read once; aread() keeps it")
        if self.is_closed:
            raise StreamClosed("the response was closed before its body was read")
        self.is_stream_consumed = True
        pieces = aiter(self._arriving if self._arriving is not None else _stream(self.stream))
        self._walk = pieces
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
        held = self._held
        pieces = self.aiter_raw() if held is None else aiter(BodyStream([held] if held else []))
        if codings := self._codings:
            for decoder in decoders_for(codings):
                pieces = Piped(pieces, decoder)
        return pieces

    async def aclose(self) -> None:
        """Done with this response, read or not; what was not read ends its connection."""
        self._closed = True
        if self._arriving is not None:
            await self._arriving.aclose()
        elif isinstance(self._walk, AsyncGenerator):  # left half-way, it would wait for the garbage collector
            await self._walk.aclose()
        if self._started is not None:
            self._stop_clock()

    def __repr__(self) -> str:
        return f"<Response [{f'{self.status_code} {shortened(self.reason_phrase)}'.rstrip()}]>"


def _stream(body: bytes | BodyStream) -> BodyStream:
    return body if isinstance(body, BodyStream) else BodyStream([body])


# Codecs that Python has and the web has not: some are no text, and others take quadratic time.
_NOT_ON_THE_WEB = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}


def _charset(content_type: str) -> str | None:
    """The charset of a Content-Type, if it is one for text.

    >>> _charset('text/html; charset="UTF-8"'), _charset("text/html; charset=punycode")
    ('utf-8', None)
    """
    found = re.search(r';\s*charset\s*=\s*["\']?([\w.:-]{1,40})', content_type, re.IGNORECASE | re.ASCII)
    charset = found[1].lower() if found else "utf-8"
    try:
        is_text = lookup(charset).name not in _NOT_ON_THE_WEB and isinstance(b"a".decode(charset, "replace"), str)
        return charset if is_text else None
    except (LookupError, ValueError):
        return None


class Handover(Response):
    """A handler's answer that gives the connection away, such as to a WebSocket.

    to: is called with the connected socket and all octets that have been read from it, beginning with the request. It
    has to answer the request, and to close the socket. With TLS there is no such socket: the answer is 500 there.
    """

    def __init__(self, to: Callable[[socket.socket, bytes], None]) -> None:
        if not callable(to):
            raise TypeError(f"Handover({to!r}): expected a function that takes a socket and octets, such as sock.adopt")
        super().__init__(101)
        self.to = to
