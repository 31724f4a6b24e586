r"""An asynchronous HTTP/1.1 client, and a small server, on trio and h11, written to be read.

    import trio, minihttp

    async def main():
        async with minihttp.AsyncClient(base_url="http://127.0.0.1:8000") as client:
            response = await client.get("/items", params={"q": "zmq"})
            print(response.raise_for_status().json())

    trio.run(main)

The names are httpx's, so a reader who knows httpx needs no manual.  docs/HTTPX.md lists what is not the same.

Every module is a chapter, and uses only chapters before it.  The reading order:

    errors, config                          what can go wrong; how long and how many
    urls, headers, cookies                  values: no I/O, nothing to wait for
    bodies, request                         what a client sends
    turns                                   how long a task works before others run
    decoders, response                      what comes back, and how gzip, text and lines are decoded
    streams                                 octets to and from a socket, in the clear or through TLS
    connection                              one client connection: h11 parses, trio reads and writes
    pool                                    which connection serves which request
    transports                              requests answered by a function, for tests without a port
    client, api                             redirects, cookies, passwords; functions that need no client object
    incoming, session, server               the server: parsing a request, one connection, all connections
"""

from typing import TYPE_CHECKING, Never

from .api import delete, get, head, options, patch, post, put, request, stream
from .client import AsyncClient
from .config import Limits, Timeout
from .cookies import Cookies
from .errors import (
    CloseError,
    ConnectError,
    ConnectTimeout,
    DecodingError,
    HTTPError,
    HTTPStatusError,
    InvalidURL,
    LocalProtocolError,
    NetworkError,
    PoolTimeout,
    ProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    RequestError,
    ResponseNotRead,
    StreamClosed,
    StreamConsumed,
    StreamError,
    TimeoutException,
    TooManyRedirects,
    TransportError,
    UnsupportedProtocol,
    WriteError,
    WriteTimeout,
    left_out,
)
from .headers import Headers
from .request import Request
from .response import Handover, Response
from .server import serve
from .transports import AsyncBaseTransport, AsyncHTTPTransport, HandlerTransport, MockTransport
from .urls import URL

__all__ = [
    "URL",
    "AsyncBaseTransport",
    "AsyncClient",
    "AsyncHTTPTransport",
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "Cookies",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "HandlerTransport",
    "Handover",
    "Headers",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "MockTransport",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "RequestError",
    "Response",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "Timeout",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
    "serve",
    "stream",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:  # so that mypy still finds misspelled names

    def __getattr__(name: str) -> Never:
        raise AttributeError(left_out(name, "minihttp"))
