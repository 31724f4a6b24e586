r"""Incoming requests: from the octets of a head to the Request that a handler sees.   RFC 9112 §2.2, §3; RFC 9110 §7

    GET /items?q=1 HTTP/1.1 CR LF        method, request target, version
    Host: example.org CR LF              the target has no host of its own, so this is half of the URL
    CR LF

h11 takes a head apart and checks the grammar of its lines.  What it leaves to its user is decided here, before
any handler runs: which versions, targets and hosts there are, how long a head may be, and which requests this
server does not serve.  A request that fails is a `Refusal`, which is the status and the words of the answer.

    >>> head = b"GET /items?q=1 HTTP/1.1\r\nHost: example.org\r\n\r\n"
    >>> request, length = parse_head(h11.Connection(h11.SERVER), head, "http")
    >>> request.method, request.url, length
    ('GET', URL('http://example.org/items?q=1'), 0)
    >>> parse_head(h11.Connection(h11.SERVER), head.replace(b"Host: ", b"Host: user@"), "http")
    Traceback (most recent call last):
    minihttp.incoming.Refusal: 400: the Host header is not a host with an optional port (RFC 9110 §7.2)

A refusal never repeats what the client sent: the head may hold passwords and cookies, and it may be long.

Below this module: `request`, `urls`, `headers`.  Above it: `session`.  Read next: `session`.
"""

import re

import h11

from .errors import InvalidURL
from .headers import Headers
from .request import Request
from .urls import URL

# RFC 9112 §2.2: a line ends with CR LF, and a recipient may also take a bare LF, as h11 does.
_END_OF_HEAD = re.compile(rb"\n\r?\n")
# RFC 3986 §3.2.2, without userinfo: whether the address in the brackets is one is for `URL` to find out.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_ABSOLUTE = re.compile(r"https?://([^/?]+)([/?].*)?", re.IGNORECASE)
_QUOTED = re.compile(r":? (?:bytearray\()?b['\"].*", re.DOTALL)  # h11 quotes the line that it refuses


class Refusal(Exception):
    """A request that no handler will see: the status and the words of the answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status
        self.words = words


def end_of_head(octets: bytes, max_size: int, max_headers: int) -> int | None:
    r"""Where the head that these octets begin with ends; None if its end has not come.

    max_size is in octets, max_headers counts header lines.  Both are checked here, before h11 parses anything:
    h11 has a limit for heads that are not complete, and none for one that arrives in a single read.

    >>> end_of_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next", 100, 10)
    27
    """
    found = _END_OF_HEAD.search(octets, 0, max_size)
    end = found.end() if found else len(octets)
    if not found and end >= max_size:
        if b"\n" in octets[:max_size]:
            raise Refusal(431, f"the head of a request may have {max_size} octets")
        raise Refusal(414, f"the head of a request may have {max_size} octets, and its first line alone is longer")
    if octets.count(b"\n", 0, end) > max_headers + 2:  # the request line and the empty line are no headers
        raise Refusal(431, f"a request may have {max_headers} headers")
    if not found:
        if octets[0] <= 0x20:  # a TLS handshake, for one, begins with 0x16; its "head" would never end
            raise Refusal(400, "this is not HTTP: a request begins with its method (RFC 9112 §3)")
        return None
    return end


def parse_head(connection: h11.Connection, octets: bytes, scheme: str) -> tuple[Request, int | None]:
    """The request without its body, and how many octets that has; None if it comes in chunks.

    scheme says how the client reached us.  Raises Refusal.
    """
    connection.receive_data(octets)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise refusal_of(error) from error
    assert isinstance(event, h11.Request)
    if event.http_version[:1] != b"1":
        raise Refusal(505, "this server speaks HTTP/1.1 (RFC 9110 §15.6.6)")
    headers = event.headers.raw_items()
    is_http_1_0 = event.http_version == b"1.0"
    host, expectation, is_chunked, length = None, b"", False, None
    for given, value in headers:
        name = given.lower()
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"expect":
            expectation = value.lower()
        elif name == b"transfer-encoding":
            is_chunked = True
        elif name == b"content-length":
            length = int(value)
    if is_chunked and (length is not None or is_http_1_0):
        # A proxy in front of us may see another end of this body, and so another beginning of the next request.
        raise Refusal(400, "Transfer-Encoding goes with neither Content-Length nor HTTP/1.0 (RFC 9112 §6.1)")
    if expectation not in (b"", b"100-continue") and not is_http_1_0:
        raise Refusal(417, "the only expectation that this server meets is 100-continue (RFC 9110 §10.1.1)")
    method = event.method.decode("ascii")
    url = _url(method, event.target.decode("ascii"), host, scheme, is_http_1_0=is_http_1_0)
    # Not by calling Request, which puts the method into capitals, although methods are case-sensitive (RFC 9110 §9.1),
    # and adds the headers that it misses.
    request = Request.__new__(Request)
    request.method, request.url, request.headers, request.stream = method, url, Headers.received(headers), b""
    return request, None if is_chunked else length or 0


def _url(method: str, target: str, host: str | None, scheme: str, *, is_http_1_0: bool) -> URL:
    """The URL of a request target in one of its four forms.                           RFC 9112 §3.2, §3.3"""
    if host is None and not is_http_1_0:
        raise Refusal(400, "a request in HTTP/1.1 has a Host header (RFC 9112 §3.2)")
    if host and (host.startswith(":") or not _HOST.fullmatch(host)):
        raise Refusal(400, "the Host header is not a host with an optional port (RFC 9110 §7.2)")
    host = host or "localhost"
    if "#" in target:  # the fragment of a URL is not sent: `URL` would cut the path here
        raise Refusal(400, "a request target has no fragment (RFC 9112 §3.2)")
    try:
        if method == "CONNECT":
            if not _HOST.fullmatch(target) or not target.rpartition(":")[0] or target.endswith(":"):
                raise Refusal(400, "the target of CONNECT is a host and a port (RFC 9112 §3.2.3)")
            raise Refusal(501, "this server is no proxy: it does not open tunnels (RFC 9110 §9.3.6)")
        if target.startswith("/"):
            return URL(f"{scheme}://{host}{target}")
        if target == "*" and method == "OPTIONS":
            return URL(f"{scheme}://{host}")  # about the server, so there is no path (RFC 9112 §3.3)
        if absolute := _ABSOLUTE.fullmatch(target):
            URL(f"{scheme}://{host}")  # a Host that is not used must be valid all the same
            if not _HOST.fullmatch(absolute[1]) or absolute[1].startswith(":"):
                raise Refusal(400, "the target is a URL with a user name, or without a valid host")
            return URL(target)
    except InvalidURL as error:
        raise Refusal(400, "the Host header or the request target holds no valid host or port") from error
    raise Refusal(400, "the request target is neither a path nor an http URL (RFC 9112 §3.2)")


def refusal_of(error: h11.RemoteProtocolError) -> Refusal:
    """What h11 says about a request, without the line that it quotes.

    >>> refusal_of(h11.RemoteProtocolError("illegal header line: bytearray(b'Authorization : Basic YWxpY2U')"))
    Refusal('400: illegal header line')
    """
    return Refusal(error.error_status_hint, _QUOTED.sub("", str(error)) or "malformed request")
