r"""AsyncClient: requests with redirects, cookies and passwords.                      RFC 9110 §11, §15.4

    client.get("/items", params={"q": "zmq"})
       │  base_url, client's headers, params, cookies       build_request
       │  user and password                                 _authenticated
       ▼
    request ──► pool ──► response ──┬─► 2xx, 4xx, 5xx: yours
       ▲                            └─► a redirect, if follow_redirects
       └──── _redirected: next URL, method, headers ◄──┘

Five of the 3xx lead to another URL, if they have a Location; the others are answers.        RFC 9110 §15.4

    status     POST becomes   other methods                          the body
    ────────   ────────────   ────────────────────────────────────   ─────────────────────────────────
    301        GET            stay                                   dropped with the POST
    302        GET            GET; HEAD and QUERY stay               dropped if the method has changed
    303        GET            GET; HEAD stays                        dropped if the method has changed
    307, 308   stays          stay                                   sent again

302 follows httpx, which does what browsers once did.  QUERY stays because it is safe, and its body is the question
(RFC 10008 §2.5).  With its body, a request loses Expect and the headers that describe the body.

The *server* chooses where a redirect leads, so no secret follows it to another origin: Authorization stays within the
origin (and goes from http to https on one host), and Cookie is chosen anew for every URL.  The body of a redirect is
read only to keep the connection: at most 64 KiB, for half a second, and its coding is not undone.

    >>> client = AsyncClient(base_url="http://example.org/v1", params={"key": "k"})
    >>> client.build_request("GET", "/items?x=1").url
    URL('http://example.org/v1/items?key=k')

The last line shows httpx's rule: `params` of the client and of the call *replace* the query of the URL.

Below this module: `pool`, `transports`.  Above it: `api`.  Read next: `api`.
"""

import re
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Never, TypedDict, Unpack
from urllib.parse import quote_from_bytes

import trio

from .bodies import Files, resolved
from .config import ABSENT, DEFAULT_LIMITS, DEFAULT_TIMEOUT, Absent, Limits, Timeout
from .cookies import Cookies
from .decoders import ACCEPT_ENCODING
from .errors import (
    InvalidURL,
    RemoteProtocolError,
    RequestError,
    TooManyRedirects,
    UnsupportedProtocol,
    refuse,
    without,
)
from .headers import Headers, HeaderTypes
from .pool import Pool
from .request import Content, Request
from .response import Response
from .transports import AsyncBaseTransport
from .urls import DEFAULT_PORTS, URL, Params, encode_params, params_dict, without_userinfo

Auth = tuple[str | bytes, str | bytes] | Callable[[Request], Request]
TimeoutTypes = Timeout | float | tuple[float | None, ...] | None

Hook = Callable[[Any], Awaitable[None] | None]

USER_AGENT = "minihttp/0.1"
MAX_LOCATION = 16384  # octets; RFC 9110 §4.1 asks for 8000
_ASCII = bytes(range(128))
REDIRECT_BODY = 65536  # octets of a redirect's body that are read, so that its connection can be kept
REDIRECT_PATIENCE = 0.5  # seconds for that; to connect again takes less

# What describes a body, or asks for leave to send one.                          RFC 9110 §15.4, §10.1.1
_OF_THE_BODY = re.compile(rb"content-.*|transfer-encoding|trailer|expect|(?:repr-)?digest|last-modified")


class RequestOptions(TypedDict, total=False):
    """What any one request may be given.  An option that is absent is the client's; None may mean "none"."""

    params: Params | None
    headers: HeaderTypes | None
    cookies: Mapping[str, str] | None
    content: Content | None
    data: Mapping[str, Any] | None
    files: Files | None
    json: Any
    auth: Auth | None
    timeout: TimeoutTypes
    follow_redirects: bool


class SendOptions(TypedDict, total=False):
    """What `send` may be given.  An option that is absent is the client's."""

    stream: bool
    auth: Auth | None
    follow_redirects: bool


@without("trust_env")
class AsyncClient:
    """A pool of kept-alive connections, and the settings that its requests share.

    base_url          put before every URL that is not absolute
    headers, params   added to every request
    cookies           belong to the host of base_url, or else of the first request; never to another
    auth              (user, password), or a function that takes a Request and returns it
    timeout, limits   see `config`
    verify            True, False (do not check certificates: only for tests), or an ssl.SSLContext
    uds               path of a Unix socket that all requests go to, whatever their URL says
    max_content_size  octets that `aread` collects at most, counted after decompression; None is no limit
    event_hooks       {"request": [...], "response": [...]}: functions, async or not, that are called with each
                      Request just before it is sent, and with each Response before its body is read;
                      redirects among them
    transport         what carries the requests instead of a pool of connections: see `transports`
    """

    def __init__(
        self,
        *,
        base_url: URL | str = "",
        headers: HeaderTypes | None = None,
        params: Params | None = None,
        cookies: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT,
        limits: Limits = DEFAULT_LIMITS,
        follow_redirects: bool = False,
        max_redirects: int = 20,
        verify: bool | ssl.SSLContext = True,
        uds: str | None = None,
        max_content_size: int | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
        transport: AsyncBaseTransport | None = None,
        **others: Never,
    ) -> None:
        refuse(others, "AsyncClient")
        self.base_url = URL(base_url)
        self.headers = Headers(
            {
                "Accept": "*/*",
                "Accept-Encoding": ACCEPT_ENCODING,
                "Connection": "keep-alive",
                "User-Agent": USER_AGENT,
            }
        )
        self.headers.update(headers)
        self.params = params
        self.cookies = Cookies(cookies)
        if self.base_url.raw_host:
            self.cookies.settle(self.base_url.raw_host)
        self.auth = auth
        self.timeout = Timeout(timeout)
        self.follow_redirects = follow_redirects
        self.max_redirects = max_redirects
        self.event_hooks = _hooks(event_hooks or {})
        self._max_content_size = max_content_size
        self._is_entered = self._is_closed = False
        self._pool = Pool(limits, uds=uds, verify=verify)
        self._transport = transport
        if transport is not None and not hasattr(transport, "handle_async_request"):
            kind = type(transport).__name__
            raise TypeError(f"transport is {kind}: expected handle_async_request, as minihttp.AsyncBaseTransport has")

    # ── one call, one response ──────────────────────────────────────────────────────────────────────────────

    async def request(self, method: str, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        """The response with its body read: `response.content` is there."""
        response = await self._send(*self._prepared(method, url, options))
        await _read(response)
        return response

    @asynccontextmanager
    async def stream(self, method: str, url: URL | str, **options: Unpack[RequestOptions]) -> AsyncIterator[Response]:
        """The response with its body still to come; leaving the block ends it, read or not."""
        response = await self._send(*self._prepared(method, url, options))
        try:
            yield response
        except RequestError as error:
            error.request = error.request or response.request
            raise
        finally:
            await response.aclose()

    async def send(self, request: Request, **options: Unpack[SendOptions]) -> Response:
        """The response to a request that was made before, most often by `build_request`.

        stream=True leaves the body to be read, and the response to be closed (`await response.aclose()`).
        """
        stream = options.pop("stream", False)
        auth, follow = options.pop("auth", self.auth), options.pop("follow_redirects", self.follow_redirects)
        response = await self._send(request, auth, follow)
        refuse(options, "AsyncClient.send")
        if not stream:
            await _read(response)
        return response

    def _prepared(self, method: str, url: URL | str, options: RequestOptions) -> tuple[Request, Auth | None, bool]:
        auth = options.pop("auth", self.auth)
        follow = options.pop("follow_redirects", self.follow_redirects)
        return self.build_request(method, url, **options), auth, follow  # type: ignore[arg-type]

    async def get(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("GET", url, **options)

    async def head(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("HEAD", url, **options)

    async def options(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("OPTIONS", url, **options)

    async def post(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("POST", url, **options)

    async def put(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("PUT", url, **options)

    async def patch(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("PATCH", url, **options)

    async def delete(self, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        return await self.request("DELETE", url, **options)

    # ── from what was asked to a Request ────────────────────────────────────────────────────────────────────

    def build_request(
        self,
        method: str,
        url: URL | str,
        *,
        params: Params | None = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        content: Content | None = None,
        data: Mapping[str, Any] | None = None,
        files: Files | None = None,
        json: Any = None,
        timeout: TimeoutTypes | Absent = ABSENT,
        **others: Never,
    ) -> Request:
        """A Request with what the client adds to all: for `send`, and what `get` and the others begin with."""
        if others:
            refuse(others, "a request")
        merged = Headers(self.headers)
        if headers:
            merged.update(headers)
        request = Request(
            method,
            self._absolute(URL(url)),
            params=self._merged_params(params),
            headers=merged,
            content=content,
            data=data,
            files=files,
            json=json,
        )
        request.timeout = self.timeout if isinstance(timeout, Absent) else Timeout(timeout)
        self.cookies.settle(request.url.raw_host)
        self._add_cookies(request, Cookies(cookies) if cookies else None)
        return request

    def _absolute(self, url: URL) -> URL:
        if url.scheme or url.raw_host:
            return url
        base = str(self.base_url).partition("?")[0].rstrip("/")
        return URL(f"{base}/{url.raw_path.decode().lstrip('/')}") if base else url

    def _merged_params(self, params: Params | None) -> Params | None:
        if not self.params:
            return params
        merged = params_dict(self.params) | params_dict(params or {})
        return encode_params(merged)

    def _add_cookies(self, request: Request, more: Cookies | None = None) -> None:
        octets = self.cookies.octets_for(request.url)
        if more:
            more.settle(request.url.raw_host)
            octets = b"; ".join(filter(None, [octets, more.octets_for(request.url)]))
        if octets and "cookie" not in request.headers:
            request.headers.raw.append((b"Cookie", octets))

    # ── redirects ───────────────────────────────────────────────────────────────────────────────────────────

    async def _send(self, request: Request, auth: Auth | None, follow: bool) -> Response:
        """The response to a request, or to the last of those that its redirects lead to."""
        if self._is_closed:
            raise RuntimeError("the client has been closed: make a new one")
        history: list[Response] = []
        try:
            request = _authenticated(request, auth)
            while True:
                response = await self._send_once(request)
                response.history = history[:]
                if not (follow and response.has_redirect_location):
                    return response
                try:
                    if len(history) >= self.max_redirects:
                        where, most = request.url.redacted, self.max_redirects
                        raise TooManyRedirects(f"more than max_redirects={most} redirects, now at {where}")
                    following = self._redirected(request, response)
                    await _pass_over(response)
                finally:
                    await response.aclose()
                history.append(response)
                request = following
        except RequestError as error:
            error.request = error.request or request
            raise

    async def _send_once(self, request: Request) -> Response:
        for hook in self.event_hooks.get("request", ()):
            await resolved(hook(request))
        _check_url(request.url)
        if self._transport is None:
            response = await self._pool.send(request, request.timeout or self.timeout)
        else:
            response = await self._carry(self._transport, request)
        response.max_content_size = self._max_content_size
        try:
            self.cookies.extract(request.url, response.headers.octets("set-cookie"))
            for hook in self.event_hooks.get("response", ()):
                await resolved(hook(response))
        except BaseException:
            await response.aclose()
            raise
        return response

    async def _carry(self, transport: AsyncBaseTransport, request: Request) -> Response:
        request.timeout = request.timeout or self.timeout
        started = trio.current_time()
        response = await transport.handle_async_request(request)
        if not isinstance(response, Response):
            raise TypeError(f"the transport returned {type(response).__name__}: expected a minihttp.Response")
        response.request = request
        response.start_clock(started)
        return response

    def _redirected(self, request: Request, response: Response) -> Request:
        url = _target(request.url, response.headers.octets("location"))
        method = _redirected_method(request.method, response.status_code)
        keeps_body = method == request.method
        keeps_secrets = request.url.origin == url.origin or _is_upgrade(request.url, url)
        dropped = {b"host", b"cookie"} | (set() if keeps_secrets else {b"authorization", b"proxy-authorization"})
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if name.lower() not in dropped and (keeps_body or not _OF_THE_BODY.fullmatch(name.lower()))
        ]
        content = request.stream if keeps_body and request.stream else None
        following = Request(method, url, headers=headers, content=content)
        following.timeout = request.timeout
        self._add_cookies(following)
        return following

    # ── the client's own life ───────────────────────────────────────────────────────────────────────────────

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    async def aclose(self) -> None:
        """Close every connection.  What is still under way fails."""
        self._is_closed = True
        if self._transport is not None:
            await self._transport.aclose()
        await self._pool.aclose()

    async def __aenter__(self) -> "AsyncClient":
        if not trio.lowlevel.in_trio_run():
            raise RuntimeError("minihttp runs on trio: start the program by trio.run(main)")
        if self._is_entered or self._is_closed:
            state = "closed" if self._is_closed else "entered already"
            raise RuntimeError(f"this client is {state}, and the end of its block closes it: make a new one")
        self._is_entered = True
        if self._transport is not None:
            await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        if self._transport is not None:
            await self._transport.__aexit__(kind, error, trace)
        await self._pool.aclose()

    def __repr__(self) -> str:
        base = f" base_url={self.base_url.redacted!r}" if self.base_url.raw_host else ""
        carrier = self._pool if self._transport is None else self._transport
        return f"<AsyncClient{base} {'closed' if self.is_closed else 'open'} {carrier!r}>"


def _hooks(given: Mapping[str, Sequence[Hook]]) -> dict[str, list[Hook]]:
    hooks: dict[str, list[Hook]] = {"request": [], "response": []}
    for event, functions in given.items():
        if event not in hooks:
            raise ValueError(f"event_hooks has {event!r}: expected 'request' or 'response'")
        hooks[event] = list(functions)
    return hooks


async def _read(response: Response) -> None:
    """Read the body and let go of the connection."""
    try:
        await response.aread()
    except RequestError as error:
        error.request = response.request
        raise
    finally:
        if not response.is_closed:
            await response.aclose()


async def _pass_over(response: Response) -> None:
    """Read the body of a redirect, if that is quick, to keep its connection; errors in it do not matter."""
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > REDIRECT_BODY:
        return
    with suppress(RequestError), trio.move_on_after(REDIRECT_PATIENCE):
        await response.keep_if_small(REDIRECT_BODY)


def _target(here: URL, locations: list[bytes]) -> URL:
    """Where a redirect leads.                                                    RFC 9110 §10.2.2

    The server's octets go back to it as they are: what is not ASCII is percent-encoded, whatever it means.
    """
    if len(set(locations)) > 1:
        raise RemoteProtocolError(f"redirect with {len(set(locations))} different Location headers")
    location = quote_from_bytes(locations[0][: MAX_LOCATION + 1], safe=_ASCII)
    try:
        if len(locations[0]) > MAX_LOCATION:
            raise InvalidURL(f"it has {len(locations[0])} octets, and at most {MAX_LOCATION} are followed")
        url = here.join(location)
    except (InvalidURL, ValueError) as error:
        # From None: urllib's own errors repeat the URL, and its password.
        reason = error if isinstance(error, InvalidURL) else "it is no URL"
        raise RemoteProtocolError(f"redirect to '{without_userinfo(location)}': {reason}") from None
    if url.origin != here.origin:
        url.userinfo = ""  # not ours: servers write it to make one host look like another (RFC 9110 §4.2.4)
    url.fragment = url.fragment or here.fragment
    return url


def _check_url(url: URL) -> None:
    if url.scheme not in DEFAULT_PORTS:
        raise UnsupportedProtocol(f"URL {url.redacted}: expected it to begin with http:// or https://")
    if not url.raw_host:
        raise UnsupportedProtocol(f"URL {url.redacted} has no host: expected http://HOST/…")


def basic_auth(username: str | bytes, password: str | bytes) -> str:
    """The value of an Authorization header.  Text is sent as UTF-8.                   RFC 7617 §2

    >>> basic_auth("Aladdin", "open sesame")
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    octets = [part.encode() if isinstance(part, str) else part for part in (username, password)]
    return "Basic " + b64encode(b":".join(octets)).decode()


def _authenticated(request: Request, auth: Auth | None) -> Request:
    if callable(auth):
        return auth(request)
    if auth is None and request.url.userinfo:
        auth = request.url.credentials
    if auth is not None:
        if not (isinstance(auth, tuple | list) and len(auth) == 2):
            raise TypeError(f"auth is {type(auth).__name__}: expected (username, password), or a function of a Request")
        request.headers["Authorization"] = basic_auth(*auth)
    return request


def _redirected_method(method: str, status: int) -> str:
    """
    >>> [_redirected_method("POST", status) for status in (301, 302, 303, 307, 308)]
    ['GET', 'GET', 'GET', 'POST', 'POST']
    >>> [_redirected_method("PUT", status) for status in (301, 302, 303, 307, 308)]
    ['PUT', 'GET', 'GET', 'PUT', 'PUT']
    >>> [_redirected_method("QUERY", status) for status in (301, 302, 303, 307, 308)]
    ['QUERY', 'QUERY', 'GET', 'QUERY', 'QUERY']
    """
    # A QUERY is safe and its body is the question (RFC 10008), so only 303, "see other", turns it into a GET.
    keeps = {301: method != "POST", 302: method in ("HEAD", "QUERY"), 303: method == "HEAD"}
    return method if keeps.get(status, True) else "GET"


def _is_upgrade(one: URL, other: URL) -> bool:
    """From http to https on the same host and the default ports: the same site, better protected."""
    return one.origin == ("http", other.raw_host, 80) and other.origin == ("https", one.raw_host, 443)
