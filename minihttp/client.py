r"""AsyncClient: what a person asks for, made of single exchanges.                    RFC 9110 §11, §15.4

    client.get("/items", params={"q": "zmq"})
       │  base_url, client's headers, params, cookies       build_request
       │  user and password                                 _authenticated
       ▼
    request ──► pool ──► response ──┬─► 2xx, 4xx, 5xx: yours
       ▲                            └─► 3xx with Location, if follow_redirects
       └──── _redirected: next URL, method, headers ◄──┘

A redirect is a request that the *server* chose, so nothing secret may follow it to another origin:

    status     a POST becomes        its body
    ────────   ───────────────────   ──────────
    301, 302   GET, by old custom    dropped          Authorization stays within the origin (and from http to
    303        GET                   dropped          https on one host); Cookie is chosen anew from the jar
    307, 308   the same method       sent again       for every URL

    >>> client = AsyncClient(base_url="http://example.org/v1", params={"key": "k"})
    >>> client.build_request("GET", "/items?x=1").url
    URL('http://example.org/v1/items?key=k')

The last line shows httpx's rule for `params`: those of the client and of the call are merged, and together
they *replace* the query that the URL itself has.

Below this module: `pool`.  Above it: `api`.  Read next: `api`.
"""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypedDict, Unpack

from .config import DEFAULT_LIMITS, DEFAULT_TIMEOUT, Limits, Timeout
from .cookies import Cookies
from .decoders import ACCEPT_ENCODING
from .errors import InvalidURL, RemoteProtocolError, RequestError, TooManyRedirects, UnsupportedProtocol
from .headers import Headers, HeaderTypes
from .pool import Pool
from .request import Content, Request
from .response import Response
from .urls import DEFAULT_PORTS, URL, Params, encode_params, params_dict

Auth = tuple[str, str] | Callable[[Request], Request]
TimeoutTypes = Timeout | float | tuple[float | None, ...] | None

USER_AGENT = "minihttp/0.1"


class RequestOptions(TypedDict, total=False):
    """What any one request may be given.  An option that is absent is the client's; None may mean "none"."""

    params: Params | None
    headers: HeaderTypes | None
    cookies: Mapping[str, str] | None
    content: Content | None
    data: Mapping[str, Any] | None
    json: Any
    auth: Auth | None
    timeout: TimeoutTypes
    follow_redirects: bool


class AsyncClient:
    """A pool of kept-alive connections, and what all requests through it have in common.

    base_url          put before every URL that is not absolute
    headers, params   added to every request
    cookies           belong to the host of base_url, or else of the first request; never to another
    auth              (user, password), or a function that takes a Request and returns it
    timeout, limits   see `config`
    verify            True, False (do not check certificates: only for tests), or an ssl.SSLContext
    uds               path of a Unix socket that all requests go to, whatever their URL says
    max_content_size  octets that `aread` collects at most, counted after decompression; None is no limit
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
    ) -> None:
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
        self._max_content_size = max_content_size
        self._pool = Pool(limits, uds=uds, verify=verify)
        self._is_entered = False

    # ── one call, one response ──────────────────────────────────────────────────────────────────────────────

    async def request(self, method: str, url: URL | str, **options: Unpack[RequestOptions]) -> Response:
        """The response with its body read: `response.content` is there."""
        response = await self._start(method, url, options)
        try:
            await response.aread()
        except RequestError as error:
            error.request = response.request
            raise
        finally:
            await response.aclose()
        return response

    @asynccontextmanager
    async def stream(self, method: str, url: URL | str, **options: Unpack[RequestOptions]) -> AsyncIterator[Response]:
        """The response with its body still to come; leaving the block ends it, read or not."""
        response = await self._start(method, url, options)
        try:
            yield response
        except RequestError as error:
            error.request = error.request or response.request
            raise
        finally:
            await response.aclose()

    async def _start(self, method: str, url: URL | str, options: RequestOptions) -> Response:
        auth = options.pop("auth", self.auth)
        timeout = Timeout(options.pop("timeout")) if "timeout" in options else self.timeout
        follow = options.pop("follow_redirects", self.follow_redirects)
        request = _authenticated(self.build_request(method, url, **options), auth)  # type: ignore[misc]
        try:
            return await self._send(request, timeout, follow)
        except RequestError as error:
            error.request = error.request or request
            raise

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
        json: Any = None,
    ) -> Request:
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
            json=json,
        )
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
        header = self.cookies.header_for(request.url)
        if more:
            more.settle(request.url.raw_host)
            header = "; ".join(filter(None, [header, more.header_for(request.url)]))
        if header and "cookie" not in request.headers:
            # Octets: a cookie that is no ASCII must not keep us from asking this server anything, ever again.
            request.headers.raw.append((b"Cookie", header.encode()))

    # ── redirects ───────────────────────────────────────────────────────────────────────────────────────────

    async def _send(self, request: Request, timeout: Timeout, follow: bool) -> Response:
        history: list[Response] = []
        while True:
            _check_url(request.url)
            response = await self._pool.send(request, timeout)
            response.history = history[:]
            response.max_content_size = self._max_content_size
            self.cookies.extract(request.url, response.headers.get_list("set-cookie"))
            if not (follow and response.is_redirect and "location" in response.headers):
                return response
            try:
                await response.aread()
            finally:
                await response.aclose()
            history.append(response)
            if len(history) > self.max_redirects:
                raise TooManyRedirects(f"more than max_redirects={self.max_redirects} redirects, now at {request.url}")
            request = self._redirected(request, response)

    def _redirected(self, request: Request, response: Response) -> Request:
        try:
            url = request.url.join(response.headers["location"])
        except (InvalidURL, ValueError) as error:
            raise RemoteProtocolError(f"redirect to {response.headers['location']!r}: {error}") from error
        if request.url.fragment and not url.fragment:
            url.fragment = request.url.fragment  # RFC 9110 §10.2.2
        method = _redirected_method(request.method, response.status_code)
        keeps_body = method == request.method
        dropped = {"host", "cookie"}
        if not keeps_body:
            dropped |= {"content-length", "transfer-encoding"}
        if not (_same_origin(request.url, url) or _is_upgrade(request.url, url)):
            dropped |= {"authorization", "proxy-authorization"}
        headers = [(name, value) for name, value in request.headers.raw if name.lower().decode() not in dropped]
        content = request.stream if keeps_body and request.stream else None
        following = Request(method, url, headers=headers, content=content)
        self._add_cookies(following)
        return following

    # ── the client's own life ───────────────────────────────────────────────────────────────────────────────

    @property
    def is_closed(self) -> bool:
        return self._pool.is_closed

    async def aclose(self) -> None:
        """Close every connection.  What is still under way fails."""
        await self._pool.aclose()

    async def __aenter__(self) -> "AsyncClient":
        if self._is_entered or self.is_closed:  # leaving the inner block would close the client of the outer one
            raise RuntimeError("a client can be entered once, and not after it was closed: make a new one")
        self._is_entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        base = f" base_url={str(self.base_url)!r}" if self.base_url.raw_host else ""
        return f"<AsyncClient{base} {'closed' if self.is_closed else 'open'} {self._pool!r}>"


def _check_url(url: URL) -> None:
    if url.scheme not in DEFAULT_PORTS:
        raise UnsupportedProtocol(f"URL {url}: expected it to begin with http:// or https://")
    if not url.raw_host:
        raise UnsupportedProtocol(f"URL {url} has no host: expected http://HOST/…")


def basic_auth(username: str, password: str) -> str:
    """The value of an Authorization header.                                           RFC 7617 §2

    >>> basic_auth("Aladdin", "open sesame")
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def _authenticated(request: Request, auth: Auth | None) -> Request:
    if callable(auth):
        return auth(request)
    if auth is None and request.url.userinfo:
        auth = request.url.username, request.url.password
    if auth is not None:
        request.headers["Authorization"] = basic_auth(*auth)
    return request


def _redirected_method(method: str, status: int) -> str:
    """
    >>> [_redirected_method("POST", status) for status in (301, 302, 303, 307, 308)]
    ['GET', 'GET', 'GET', 'POST', 'POST']
    >>> [_redirected_method("PUT", status) for status in (301, 302, 303, 307, 308)]
    ['PUT', 'GET', 'GET', 'PUT', 'PUT']
    """
    if status in (302, 303) and method != "HEAD":
        return "GET"
    return "GET" if status == 301 and method == "POST" else method


def _same_origin(one: URL, other: URL) -> bool:
    return one.origin == other.origin


def _is_upgrade(one: URL, other: URL) -> bool:
    """From http to https on the same host and the default ports: the same people, better protected."""
    return one.origin == ("http", other.raw_host, 80) and other.origin == ("https", one.raw_host, 443)
