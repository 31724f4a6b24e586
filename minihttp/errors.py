r"""Errors: what can go wrong, and where.                                            names and tree: httpx

    Exception
     ├─ HTTPError                     one request failed; `.request` tells which
     │   ├─ HTTPStatusError           a response came whose status is no success: `raise_for_status`
     │   └─ RequestError              no usable answer came
     │       ├─ TransportError
     │       │   ├─ TimeoutException  ConnectTimeout  ReadTimeout  WriteTimeout  PoolTimeout
     │       │   ├─ NetworkError      ConnectError    ReadError    WriteError    CloseError
     │       │   ├─ ProtocolError     LocalProtocolError (we)      RemoteProtocolError (they)
     │       │   └─ UnsupportedProtocol
     │       ├─ DecodingError
     │       └─ TooManyRedirects
     ├─ InvalidURL                    raised before there is a request, so it is no HTTPError
     └─ StreamError (RuntimeError)    the program used a body wrongly
         └─ StreamConsumed  StreamClosed  ResponseNotRead

To try again, catch `TransportError`; to tell a slow server from a dead one, catch what is one level below it.
h11 and trio have exceptions of their own: `connection` turns them into these, and keeps the original as the
cause.

    >>> issubclass(PoolTimeout, TransportError), issubclass(InvalidURL, HTTPError)
    (True, False)

An error repeats only a little of what the other side sent, because errors end up in logs:

    >>> shortened("illegal status line: " + 60_000 * "x", 30)
    'illegal status line: xxxxxxxxx… (60021 characters)'

Below this module: nothing.  Above it: everything.  Read next: `config`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Never, TypeVar

MOST_REPEATED = 120  # characters of what a peer said that an error repeats


def shortened(text: str, most: int = MOST_REPEATED) -> str:
    """The text as it may stand in an error: its first `most` characters, and how long it was."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


# What users of httpx look for and do not find here: what to do instead.  docs/HTTPX.md has the reasons.
LEFT_OUT = {
    "ASGITransport": "HandlerTransport(handler) calls a handler of minihttp.serve without a port",
    "AsyncByteStream": "give any async iterable of bytes as content=",
    "Auth": "give auth= a function that takes the Request and returns it",
    "BaseTransport": "everything here is asynchronous: AsyncBaseTransport",
    "BasicAuth": "give auth=(username, password)",
    "ByteStream": "give bytes as content=",
    "Client": "everything here is asynchronous: AsyncClient, inside trio.run()",
    "DigestAuth": "only Basic is built in; a function given as auth= can set any Authorization header",
    "HTTPTransport": "everything here is asynchronous: AsyncHTTPTransport",
    "NetRCAuth": "read the file with Python's netrc module, and give auth=(username, password)",
    "Proxy": "there are no proxies here: use httpx",
    "ProxyError": "there are no proxies here, so there is nothing to catch",
    "QueryParams": "a dict, or a list of pairs, given as params=",
    "RequestNotRead": "catch StreamConsumed, which `request.content` raises here",
    "USE_CLIENT_DEFAULT": "leave the argument out",
    "WSGITransport": "HandlerTransport(handler) calls a handler of minihttp.serve without a port",
    "app": "transport=HandlerTransport(handler) calls a handler of minihttp.serve without a port",
    "cert": "load the certificate into an ssl.SSLContext, and give that as verify=",
    "charset_encoding": "`response.encoding` is the charset that the server names, or UTF-8",
    "close": "use `await response.aclose()`",
    "codes": "use http.HTTPStatus of the standard library",
    "cookies": "`client.build_request(..., cookies=...)` makes a Request that has them",
    "copy_add_param": "make a new one: URL(url, params=...) replaces the whole query",
    "copy_merge_params": "make a new one: URL(url, params=...) replaces the whole query",
    "copy_remove_param": "make a new one: URL(url, params=...) replaces the whole query",
    "copy_set_param": "make a new one: URL(url, params=...) replaces the whole query",
    "copy_with": "make a new one from text, or by `url.join`",
    "create_ssl_context": "use ssl.create_default_context()",
    "default_encoding": "set `response.encoding` before `text` is read",
    "extensions": "give the timeout as timeout=; other extensions do not exist here",
    "http1": "HTTP/1.1 is all that is spoken here",
    "http2": "HTTP/1.1 is all that is spoken here: for HTTP/2 use httpx",
    "iter_bytes": "use `async for` with aiter_bytes()",
    "iter_lines": "use `async for` with aiter_lines()",
    "iter_raw": "use `async for` with aiter_raw()",
    "iter_text": "use `async for` with aiter_text()",
    "links": "read the Link header: response.headers.get_list('link')",
    "mounts": "write a transport that chooses among others by request.url",
    "next_request": "give follow_redirects=True, or join response.url with the Location header",
    "num_bytes_downloaded": "add up the lengths of what aiter_raw() gives",
    "params": "use urllib.parse.parse_qs(url.query.decode())",
    "proxies": "there are no proxies here: use httpx",
    "proxy": "there are no proxies here: use httpx",
    "read": "use `await ….aread()`",
    "stream": "give any iterable of bytes as content=, async or not",
    "trust_env": "the environment (proxies, netrc) is never read here, so there is nothing to switch off",
}


def left_out(name: str, owner: str) -> str:
    """What an error says about a name that httpx has and minihttp has not."""
    way = LEFT_OUT.get(name)
    return f"{owner} has no {name}" + (f": {way} (see docs/HTTPX.md)" if way else "")


C = TypeVar("C", bound=type)


def without(names: str) -> Callable[[C], C]:
    """A class that says what to do when one of these names, separated by spaces, is asked for.

    Not by `__getattr__`, because a class that has one finds every attribute more slowly.
    """

    def add(cls: C) -> C:
        for name in names.split():
            setattr(cls, name, _LeftOut(left_out(name, cls.__name__)))
        return cls

    return add


class _LeftOut:
    def __init__(self, message: str) -> None:
        self.message = message

    def __get__(self, instance: object, owner: type) -> Never:
        raise AttributeError(self.message)


def refuse(others: Mapping[str, object], owner: str) -> None:
    """Raise TypeError for an unknown argument; for one that httpx has, the error says what to do instead."""
    for name in others:
        raise TypeError(left_out(name, owner))


class HTTPError(Exception):
    """One request failed.  `request` is that request, once the client knows it."""

    def __init__(self, message: str, *, request: Any = None) -> None:
        super().__init__(message)
        self.request = request


class HTTPStatusError(HTTPError):
    """Raised by `Response.raise_for_status` when the status is not 2xx."""

    def __init__(self, message: str, *, request: Any, response: Any) -> None:
        super().__init__(message, request=request)
        self.response = response


class RequestError(HTTPError):
    """No usable answer came."""


class TransportError(RequestError):
    """The connection failed, or was misused."""


class TimeoutException(TransportError):
    """A phase took longer than the `Timeout` allows it."""


class ConnectTimeout(TimeoutException):
    """Name resolution, TCP and TLS together took too long."""


class ReadTimeout(TimeoutException):
    """The server sent nothing for too long."""


class WriteTimeout(TimeoutException):
    """The server took nothing for too long."""


class PoolTimeout(TimeoutException):
    """All connections stayed busy for too long."""


class NetworkError(TransportError):
    """The network or the kernel reported an error."""


class ConnectError(NetworkError):
    """No connection could be made."""


class ReadError(NetworkError):
    """The connection broke while we read."""


class WriteError(NetworkError):
    """The connection broke while we wrote."""


class CloseError(NetworkError):
    """The connection broke while we closed it."""


class ProtocolError(TransportError):
    """A message is not valid HTTP/1.1."""


class LocalProtocolError(ProtocolError):
    """The caller asked for something that HTTP/1.1 cannot express."""


class RemoteProtocolError(ProtocolError):
    """The server sent something that is not HTTP/1.1, or closed the connection within a message."""


class UnsupportedProtocol(TransportError):
    """A URL whose scheme is neither http nor https."""


class DecodingError(RequestError):
    """A body does not follow its Content-Encoding, or grows beyond what the client allows."""


class TooManyRedirects(RequestError):
    """More redirects than `max_redirects`; most often a loop."""


class InvalidURL(Exception):
    """Not a URL that a request can be sent to."""


class StreamError(RuntimeError):
    """A body was used in a way that its stream does not allow."""


class StreamConsumed(StreamError):
    """The body was read before, and it was not kept."""


class StreamClosed(StreamError):
    """The response was closed before its body was read."""


class ResponseNotRead(StreamError):
    """`content` was asked for before `aread()`."""
