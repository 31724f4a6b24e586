r"""Errors: what can go wrong, and who can do something about it.                    names and tree: httpx

    Exception
     ├─ HTTPError                     one request failed; `.request` tells which
     │   ├─ HTTPStatusError           an answer came, and `raise_for_status` did not like it
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

The tree answers questions: a caller who wants to try again catches `TransportError`, one who wants to tell a
slow server from a dead one looks one level deeper.  h11 and trio have exceptions of their own; the module
that meets them (`connection`) turns them into these, and keeps the original as the cause.

    >>> issubclass(PoolTimeout, TransportError), issubclass(InvalidURL, HTTPError)
    (True, False)

Below this module: nothing.  Above it: everything.  Read next: `config`.
"""

from typing import Any


class HTTPError(Exception):
    """One request failed.  `request` is that request, once the client knows it."""

    def __init__(self, message: str, *, request: Any = None) -> None:
        super().__init__(message)
        self.request = request


class HTTPStatusError(HTTPError):
    """`Response.raise_for_status` met a status that is no success."""

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
    """The network, or the kernel, said no."""


class ConnectError(NetworkError):
    """No connection could be made."""


class ReadError(NetworkError):
    """The connection broke while we read."""


class WriteError(NetworkError):
    """The connection broke while we wrote."""


class CloseError(NetworkError):
    """The connection broke while we closed it."""


class ProtocolError(TransportError):
    """Someone does not speak HTTP/1.1."""


class LocalProtocolError(ProtocolError):
    """What the caller asks for cannot be said in HTTP/1.1; nothing of it was sent."""


class RemoteProtocolError(ProtocolError):
    """What the server sent is not HTTP/1.1, or ends in the middle."""


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
    """The body was read before, and nobody kept it."""


class StreamClosed(StreamError):
    """The response was closed before its body was read."""


class ResponseNotRead(StreamError):
    """`content` was asked for before `aread()`."""
