r"""Transports: what carries a request to its answer; sockets, or a function.          names and meaning: httpx

    client ──► transport.handle_async_request(request) ──► Response

A client without transport= has a pool of connections.  With one, the client still handles cookies, redirects, passwords
and hooks, and the transport answers each request, so a test needs no port.

    MockTransport(handler)      a function that takes the client's Request and returns the Response
    HandlerTransport(handler)   a handler written for `serve`, which sees what it would see there
    AsyncHTTPTransport()        the pool, for a transport of your own to put something around
    AsyncBaseTransport          what one's own transport derives from

    >>> async def main():
    ...     transport = MockTransport(lambda request: Response(200, text=f"{request.method} {request.url.path}"))
    ...     async with AsyncClient(transport=transport) as client:
    ...         return (await client.get("http://example.org/x")).text
    >>> from minihttp import AsyncClient; import trio
    >>> trio.run(main)
    'GET /x'

Below this module: `pool`.  Above it: `client`.  Read next: `client`.
"""

import logging
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from .bodies import BodyStream, resolved
from .config import DEFAULT_LIMITS, DEFAULT_TIMEOUT, Limits
from .pool import Pool
from .request import Request
from .response import BODILESS, Response
from .urls import URL

log = logging.getLogger(__name__)


class AsyncBaseTransport:
    """What carries requests.  A subclass has `handle_async_request`, and `aclose` if there is something to close.

    `request.timeout` is the Timeout to keep.  The response may have its body still to come; errors are those
    of `errors`.
    """

    async def handle_async_request(self, request: Request) -> Response:
        raise NotImplementedError(f"{type(self).__name__} has no handle_async_request(request)")

    async def aclose(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncHTTPTransport(AsyncBaseTransport):
    """Connections, as a client without transport= has them."""

    def __init__(
        self, *, verify: bool | ssl.SSLContext = True, limits: Limits = DEFAULT_LIMITS, uds: str | None = None
    ) -> None:
        self._pool = Pool(limits, uds=uds, verify=verify)

    async def handle_async_request(self, request: Request) -> Response:
        return await self._pool.send(request, request.timeout or DEFAULT_TIMEOUT)

    async def aclose(self) -> None:
        await self._pool.aclose()


class MockTransport(AsyncBaseTransport):
    """Answers by a function, async or not, that takes the Request, its body read, and returns a Response."""

    def __init__(self, handler: Callable[[Request], Response | Awaitable[Response]]) -> None:
        self.handler = handler

    async def handle_async_request(self, request: Request) -> Response:
        await request.aread()
        return await resolved(self.handler(request))


class HandlerTransport(AsyncBaseTransport):
    """Answers by a handler that was written for `serve`, in the task of the client.

    The handler sees what a server would show it: no password and no fragment in the URL, and a body that is
    still to be read.  The client sees what would have crossed the wire: no body after HEAD, or with 204 and
    304.  What the handler raises goes to the caller, unless raise_app_exceptions is False: then it is logged,
    and the response is a 500, as from `serve`.
    """

    def __init__(self, handler: Callable[[Request], Awaitable[Response]], *, raise_app_exceptions: bool = True) -> None:
        self.handler = handler
        self.raise_app_exceptions = raise_app_exceptions

    async def handle_async_request(self, request: Request) -> Response:
        url = URL(request.url)
        url.userinfo = url.fragment = ""
        url.raw_path_str = url.raw_path_str or "/"
        seen = Request(request.method, url, headers=request.headers)
        seen.headers.raw = list(request.headers.raw)
        seen.stream = BodyStream(request.aiter_bytes())
        try:
            response = await self.handler(seen)
            if not isinstance(response, Response):
                raise TypeError(f"handler returned {type(response).__name__}: expected a minihttp.Response")
        except Exception:
            if self.raise_app_exceptions:
                raise
            log.exception("handler failed for %r", seen)
            response = Response(500, text="Internal Server Error\n")
        has_body = request.method != "HEAD" and response.status_code not in BODILESS
        headers = list(response.headers.raw)
        return Response(response.status_code, headers=headers, content=response.stream if has_body else b"")
