r"""Connection: one `h11.Connection` on one stream.                              RFC 9112 §9; RFC 9110 §10.1.1

                      bytes in ──► ┌────────────────┐ ──► events:   Response, Data, Data, …, EndOfMessage
    trio stream                    │ h11.Connection │
                     bytes out ◄── └────────────────┘ ◄── events:   Request, Data, …, EndOfMessage

h11 knows what the bytes mean and does no I/O.  trio does I/O and does not know what the bytes mean.  This module joins
the two for the client, as `session` does for the server.  (In minizmtp they are `wire.Connection` and `engine`.)

    >>> import h11
    >>> ours = h11.Connection(h11.CLIENT)
    >>> ours.send(h11.Request(method="GET", target="/", headers=[("Host", "example.org")]))
    b'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'
    >>> ours.receive_data(b"HTTP/1.1 200 OK\r\nContent-Len"); ours.next_event()
    NEED_DATA
    >>> ours.receive_data(b"gth: 5\r\n\r\nhello"); ours.next_event().status_code, ours.next_event().data
    (200, bytearray(b'hello'))

A request that the kernel does not take at once is sent by a task of its own (`Upload`), while the caller reads: a
server may refuse a large body, or answer the first half of it (RFC 9112 §9.5).

    client  ──► head, body, body, body, …                      sent by the task
            ◄── 413 Too Large                                  read by the caller: the task is stopped at once
    client  ──► head, hello, …, how are you?, …                sent by the task, as the caller's iterator gives it
            ◄── 200 OK, hello, …, how are you?, end            read by the caller

An upload ends at once when the response begins with status 300 or higher, as in curl, and with an error, a cancellation
or `aclose`.  When the response ends first, the server has a second to take the rest.  Unless the whole body was sent,
the connection is then closed.

Every exception of trio and h11 becomes one of `errors` here.  After any of them, and after a cancellation, a connection
can only be closed, because nothing tells how much of a request was sent, or of a response is still to come.

Below this module: `request`, `response`, `config`, `streams`.  Above it: `pool`.  Read next: `pool`.
"""

import errno
import math
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextvars import copy_context
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

import h11
import trio

from .config import Timeout, seconds
from .decoders import PIECE
from .errors import (
    ConnectError,
    ConnectTimeout,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    TransportError,
    WriteError,
    WriteTimeout,
    shortened,
)
from .headers import hide_value
from .request import BodyStream
from .response import BODILESS
from .streams import BROKEN, TLS, Octets, Wire
from .turns import EVENT, TURN, Turn, bite, cost_of_lines
from .urls import tls_name

Origin = tuple[str, str, int]  # scheme, host, port
Pairs = tuple[tuple[bytes, bytes], ...]

END = h11.EndOfMessage()

MAX_HEADER_SIZE = 65536  # octets of status line and headers; servers allow 8 to 64 KiB for requests
_TOO_LARGE = f"headers of more than {MAX_HEADER_SIZE} octets, 32 added for each"
MAX_INFORMATIONAL = 100  # 1xx responses before the final one
CONTINUE_PATIENCE = 1.0  # seconds to wait for "100 Continue", as long as curl does; RFC 9110 §10.1.1
UPLOAD_PATIENCE = 1.0  # seconds that the rest of a request has at most after the end of its response …
UPLOAD_PAUSE = 0.25  # … and for how long of these the server may take nothing


class Head(NamedTuple):
    """The head of a request, and, if that is all of a plain one, its octets, so that they need not be made again."""

    event: h11.Request
    octets: bytes | None


class Upload:
    """What is left of a request, on its way out in a task of its own.

    A response is returned to the caller while its request is still being sent, so no call can hold a nursery around the
    task.  Instead, whatever ends the exchange stops the task and waits for its end, and the caller gets its errors.
    """

    def __init__(self, connection: "Connection", timeout: Timeout, size: int | None = None) -> None:
        self.is_complete = False  # all is sent, and the caller's iterator has ended
        self.error: TransportError | None = None  # the connection broke; the answer may be here all the same
        self.failure: BaseException | None = None  # the caller's iterator failed: this is for the caller to know
        self.reading: trio.CancelScope | None = None  # around the caller's wait for the answer
        self.has_ended = False
        self._connection = connection
        self._timeout = timeout
        self._size = size  # octets that the iterator still has to give, if Content-Length says so
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._task: trio.lowlevel.Task | None = None

    def start(self, rest: list[Octets] | AsyncIterator[bytes]) -> None:
        self._task = trio.lowlevel.spawn_system_task(
            self._run, rest, name=f"minihttp upload to {self._connection.origin}", context=copy_context()
        )

    async def _run(self, rest: list[Octets] | AsyncIterator[bytes]) -> None:
        try:
            with self._scope:
                await self._send(b"")  # first what the kernel did not take
                if isinstance(rest, list):
                    for octets in rest:
                        await self._send(octets)
                else:
                    await self._walk(rest)
                self.is_complete = True
        except trio.Cancelled:  # from outside: trio.run is ending
            raise
        except BaseException as failure:
            self.failure = failure
        finally:
            self.has_ended = True
            self._ended.set()
            self._wake_reader()

    async def _walk(self, body: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in body:
                if chunk:  # an empty chunk would mean the end
                    await self._send(self._connection.encode(h11.Data(data=chunk)))
                else:
                    await trio.lowlevel.checkpoint()
        finally:
            if isinstance(body, AsyncGenerator):  # left half-way, it would wait for the garbage collector
                await body.aclose()
        if end := self._connection.encode(END):
            await self._send(end)

    async def _send(self, octets: Octets) -> None:
        try:
            await self._connection.flush(self._timeout.write)
            if octets:
                await self._connection.write(octets, self._timeout.write)
        except (WriteError, WriteTimeout) as error:
            self.error = error
            self._scope.cancel()  # and not `raise`, because what is raised here would pass the caller's iterator
            await trio.lowlevel.checkpoint()
        if self._size is not None:  # framed by Content-Length, the octets are those of the body
            self._size -= len(octets)

    def _wake_reader(self) -> None:
        """A failure is told at once; otherwise the server has from now on the usual time to answer."""
        if self.reading is None:
            return
        if self.failure or (self._connection.is_unanswered and isinstance(self.error, WriteTimeout)):
            self.reading.cancel()
        else:
            self.reading.deadline = trio.current_time() + seconds(self._timeout.read)

    @property
    def is_sent(self) -> bool:
        """Whether the server has all octets, although the iterator may not have come to its end."""
        return self.is_complete or self._size == 0

    def check(self) -> None:
        """Raise what the caller's iterator raised, once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    async def finish(self) -> bool:
        """After the end of the response: True if all has been sent.

        A server may answer when it has seen the head, and go on reading.  It has a second for that, and no more,
        because an iterator may never end.
        """
        wire = self._connection.wire
        with trio.move_on_after(UPLOAD_PATIENCE):
            sent = -1
            while not self.has_ended and wire.sent > sent:
                sent = wire.sent
                with trio.move_on_after(UPLOAD_PAUSE):
                    await self._ended.wait()
        await self.stop()
        self.check()
        return self.is_complete

    async def stop(self) -> None:
        self._scope.cancel()
        if trio.lowlevel.current_task() is self._task:  # the caller's iterator closes its own response
            return
        with trio.CancelScope(shield=True):  # as a nursery would: nothing of ours runs when the exchange is over
            await self._ended.wait()


class Connection:
    """One connection to a server.  It is made without a socket: a request that is given a new one dials first."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.wire: Wire | TLS  # from `open` on
        self.is_open = False
        self.is_silent = False  # a request has begun to be sent, and nothing of its response has come
        self.requests = 0  # begun here; one that fails at its second may just have been closed as idle
        self.upload: Upload | None = None  # None also for a request that the kernel took at once, as nearly all are
        self.turn = Turn()
        self._came = b""  # what has come; h11 was given all before `_at`
        self._at = 0
        self._lines = 0  # given to h11 since its last event
        self.headers: list[tuple[bytes, bytes]] = []  # of the last response
        self.trailers: list[tuple[bytes, bytes]] = []  # of the last body
        self._is_chunked = False  # the body of the response
        self._left: int | None = None  # octets of a body that is only counted; None if h11 finds its end
        self._untold: h11.Request | None = None  # the request, if h11 does not know yet that it was sent

    # ── dialling and closing ────────────────────────────────────────────────────────────────────────────────

    async def dial(self, uds: str | None, context: ssl.SSLContext | None, timeout: float | None) -> None:
        """DNS, TCP and, with a context, TLS; one timeout for all of it."""
        _, host, port = self.origin
        where = uds or f"{host} port {port}"
        with trio.move_on_after(seconds(timeout)) as scope:
            try:
                stream = await trio.open_unix_socket(uds) if uds else await _tcp_stream(host, port)
                self.open(stream)
                if context is not None:
                    self.wire = tls = TLS(Wire(stream.socket), context, tls_name(host))
                    await tls.handshake()
            except (*BROKEN, ValueError) as error:  # ValueError: a host that DNS or TLS cannot mean
                raise ConnectError(f"cannot connect to {where}: {_reason(error)}") from error
        if scope.cancelled_caught:
            raise ConnectTimeout(f"no connection to {where} within {timeout} s")

    def open(self, stream: trio.SocketStream) -> None:
        self.wire = Wire(stream.socket)
        self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_SIZE)
        self.is_open = True  # from here on, `close` has something to close

    def close(self) -> None:
        """At once; over TLS with a close_notify, if the kernel takes it without delay."""
        if self.is_open:
            self.wire.close()

    # ── one request ─────────────────────────────────────────────────────────────────────────────────────────

    async def ask(self, head: Head, body: bytes | BodyStream, timeout: Timeout) -> h11.Response:
        """Send a request and wait for the head of its response; a large body may still be on its way then."""
        self.requests += 1
        self.is_silent = True
        self.upload = self._left = None
        broken: TransportError | None = None
        try:
            self._untold = head.event if head.octets is not None else None
            octets = head.octets or (self.encode(head.event) if body else self.encode(head.event, END))
            if self.h11.client_is_waiting_for_100_continue:
                await self.write(octets, timeout.write)
                octets = b""
                if refusal := await self._refusal(timeout):
                    self._begin_body(head.event, refusal)
                    return refusal
            try:
                await self._begin(octets, head, body, timeout)
            except WriteError as error:  # a server may refuse and close: then its response says more than our error
                broken = error
            event = await self._next_head(timeout.read)
            response = event if isinstance(event, h11.Response) else await self._final_response(timeout)
            self._begin_body(head.event, response)
        except BaseException as error:
            await self.stop_upload()
            if self.upload and not broken:
                broken = self.upload.error
                # Both tasks hear of a broken connection, and either may be the first: the error is the same.
                if isinstance(error, ReadError) and not self.upload.is_complete:
                    broken = broken or _write_error(error.__cause__ or error)
            if broken and self.is_silent and isinstance(error, TransportError):
                raise broken from error
            raise
        # As curl does: an answer that is no success says that the body is not wanted.
        if self.upload and response.status_code >= 300 and not self.upload.is_sent:
            await self.upload.stop()
        return response

    async def _begin(self, octets: bytes, head: Head, body: bytes | BodyStream, timeout: Timeout) -> None:
        """Give the request to the kernel.  What it does not take, and what is yet to be made, is sent by a task."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if isinstance(body, bytes):
            first, *rest = self.octets_of(octets, body) if body else (octets,)
            if self._put(first) and not rest:
                return
            self.upload = Upload(self, timeout)
            self.upload.start(rest)
            return
        pieces = aiter(body)
        if octets:
            self._put(octets)
        size = next((int(value) for name, value in head.event.headers if name == b"content-length"), None)
        self.upload = Upload(self, timeout, size)
        self.upload.start(pieces)

    def _put(self, octets: Octets) -> bool:
        try:
            return self.wire.put(octets)
        except BROKEN as error:
            raise _write_error(error) from error

    async def _refusal(self, timeout: Timeout) -> h11.Response | None:
        """With `Expect: 100-continue`: the answer of a server that does not want the body, or None."""
        # The server need not say anything (RFC 9110 §10.1.1), so its silence is no ReadTimeout.
        with trio.move_on_after(min(CONTINUE_PATIENCE, seconds(timeout.read))):
            while (event := await self._next_head(None)).status_code != 100:
                if isinstance(event, h11.Response):
                    return event
        return None

    async def _final_response(self, timeout: Timeout) -> h11.Response:
        """What follows a response of kind 1xx."""
        for _ in range(MAX_INFORMATIONAL):
            if isinstance(event := await self._next_head(timeout.read), h11.Response):
                return event
        raise RemoteProtocolError(f"more than {MAX_INFORMATIONAL} responses of kind 1xx before the final one")

    def _begin_body(self, request: h11.Request, response: h11.Response) -> None:
        """Find out where the body ends.  Refuse what h11 accepts and a proxy and its client may read in two ways.

        Otherwise one of them may take a part of a body for the next response, and give it to another client.
        """
        self.headers, self.trailers = response.headers.raw_items(), []
        check_header_size(self.headers)
        length = None
        self._is_chunked, is_plain = False, response.http_version == b"1.1"
        for name, value in self.headers:
            name = name.lower()
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                self._is_chunked = True
            elif name == b"connection":
                is_plain &= value.lower() == b"keep-alive"
        if self._is_chunked and length is not None:
            raise RemoteProtocolError("response with both Transfer-Encoding and Content-Length (RFC 9112 §6.3)")
        if not response.http_version.startswith(b"1."):
            version = response.http_version.decode()
            raise RemoteProtocolError(f"response in HTTP/{version}: expected HTTP/1.1 or 1.0")
        is_plain &= response.status_code not in BODILESS and request.method not in (b"HEAD", b"CONNECT")
        if length is not None and is_plain:
            # h11 would count these octets and copy each of them twice, so it is given no more of this response.
            self._left = length
            self._came, self._at = self.h11.trailing_data[0] + self._came[self._at :], 0

    def finish(self) -> bool:
        """After the end of a response: make ready for the next request.  False if there can be none."""
        if self._left is None:
            has_ended = self.h11.their_state is h11.DONE and self.h11.trailing_data == (b"", False)
        else:
            has_ended = self._left == 0
        if not has_ended or self._at < len(self._came) or self.h11.our_state not in (h11.DONE, h11.IDLE):
            return False
        if isinstance(self.wire, TLS) and not self.wire.is_quiet():  # a record may be here, and in no socket
            return False
        self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_SIZE)
        return True

    async def stop_upload(self) -> None:
        if self.upload is not None:
            await self.upload.stop()

    # ── octets out ──────────────────────────────────────────────────────────────────────────────────────────

    def encode(self, *events: h11.Event) -> bytes:
        try:
            return b"".join([part for event in events for part in self.h11.send_with_data_passthrough(event) or ()])
        except h11.LocalProtocolError as error:
            raise LocalProtocolError(str(error)) from error

    def octets_of(self, head: bytes, body: bytes) -> list[Octets]:
        """A whole message.  The first write holds its head and the first piece, and no more than that is copied."""
        if len(body) <= PIECE:
            return [head + (self.encode(h11.Data(data=body), END) if body else self.encode(END))]
        view = memoryview(body)
        try:
            framed = self.h11.send_with_data_passthrough(h11.Data(data=view)) or []  # type: ignore[arg-type]
        except h11.LocalProtocolError as error:
            raise LocalProtocolError(str(error)) from error
        at = next(index for index, part in enumerate(framed) if part is view)
        first = b"".join([head, *framed[:at], view[:PIECE]])
        last = b"".join([*framed[at + 1 :], self.encode(END)])
        return [first, view[PIECE:], last] if last else [first, view[PIECE:]]

    async def write(self, data: Octets, timeout: float | None) -> None:
        await self._sent(self.wire.send(data, timeout), timeout)

    async def flush(self, timeout: float | None) -> None:
        await self._sent(self.wire.flush(timeout), timeout)

    async def _sent(self, sending: Awaitable[None], timeout: float | None) -> None:
        try:
            await sending
        except trio.TooSlowError:
            raise WriteTimeout(f"the peer took nothing of what is left to send within {timeout} s") from None
        except BROKEN as error:
            raise _write_error(error) from error

    # ── octets in ───────────────────────────────────────────────────────────────────────────────────────────

    async def _next_head(self, timeout: float | None) -> h11.Response | h11.InformationalResponse:
        if self.turn.spent >= TURN:
            await self.turn.end()
        # Before the first octet h11 has no event, and not asking for one saves 4 % of a kept-alive GET.
        while self.is_silent or (event := self._event_at_hand()) is None:
            await self._receive_more(timeout)
        return event  # type: ignore[return-value]

    async def next_piece(self, timeout: float | None) -> bytes:
        """The next octets of the body; b"" at its end."""
        if self.turn.spent >= TURN:
            await self.turn.end()
        while (piece := self.piece_at_hand()) is None:
            await self._receive_more(timeout)
        return piece

    def piece_at_hand(self) -> bytes | None:
        """The next octets of the body if they have been received; b"" at its end."""
        if self._left is None:
            if (event := self._event_at_hand()) is None:
                return None
            if type(event) is h11.Data:
                return bytes(event.data)
            self.trailers = event.headers.raw_items() if event.headers else []  # type: ignore[attr-defined]
            check_header_size(self.trailers)
            return b""
        start, self._at = self._at, min(self._at + self._left, len(self._came))
        self._left -= self._at - start
        return self._came[start : self._at] if self._at > start or not self._left else None

    def body_at_hand(self) -> bytes | None:
        """The whole body if it is here and was told its length; to be asked before any piece of it."""
        return self.piece_at_hand() if self._left is not None and self._left <= len(self._came) - self._at else None

    def _event_at_hand(self) -> h11.Event | None:
        """The next event if what it takes has been received."""
        self.turn.spent += EVENT
        try:
            while (event := self.h11.next_event()) is h11.NEED_DATA:
                if self._at >= len(self._came):
                    return None
                self._feed()
        except h11.RemoteProtocolError as error:
            error.args = (shortened(str(error)),)  # h11 repeats the whole line that it does not like
            raise RemoteProtocolError(str(error)) from error
        if event is h11.PAUSED:
            raise RemoteProtocolError("the peer sent more after the end of its message, or changed to another protocol")
        self._lines = 0
        if type(event) is not h11.Data:
            self.turn.spent += cost_of_lines(len(event.headers))  # type: ignore[union-attr]
        return event  # type: ignore[return-value]

    def _feed(self) -> None:
        """Give h11 a piece of what came.  All of a head or of trailers is parsed in one call, so lines are counted."""
        came, start = self._came, self._at
        if self._is_chunked or self.h11.their_state is not h11.SEND_BODY:
            if 32 * self._lines > MAX_HEADER_SIZE:
                raise RemoteProtocolError(_TOO_LARGE)
            self._at += bite(came, start)
            self._lines += came.count(b"\n", start, self._at)
        else:
            self._at = len(came)
        self.h11.receive_data(came if start == 0 and self._at >= len(came) else came[start : self._at])

    def _receive_more(self, timeout: float | None) -> Awaitable[None]:
        return self._receive(timeout) if self.upload is None else self._read_while_sending(self.upload, timeout)

    async def _receive(self, timeout: float | None) -> None:
        """What comes next; the end of the stream goes to h11 at once."""
        self.turn.spent = 0
        try:
            data = await self.wire.receive(timeout)
        except trio.TooSlowError:
            raise ReadTimeout(f"nothing came within {timeout} s") from None
        except BROKEN as error:
            raise ReadError(f"the connection broke while receiving: {_reason(error)}") from error
        if not data:
            if self.is_silent:
                raise RemoteProtocolError("the server closed the connection without a response")
            if self.wire.is_cut:  # RFC 9112 §9.8: otherwise an attacker could cut a body short unnoticed
                raise RemoteProtocolError("TLS ended without close_notify: the body may be incomplete")
            if self._left is not None:
                raise RemoteProtocolError(f"the connection was closed {self._left} octets before the end of the body")
        self.is_silent = False
        self._came, self._at = data, 0
        if self._untold is not None:
            # h11 also reads a response to a request that it was not told of, and to tell it takes a tenth of a
            # kept-alive GET. It needs to know only if a response of kind 1xx comes before.
            if not b"HTTP/1.1 2" <= data[:10] < b"HTTP/1.1 6":
                self.encode(self._untold, END)
            self._untold = None
        if self._left is None:
            self._feed()

    async def _read_while_sending(self, upload: Upload, timeout: float | None) -> None:
        if upload.has_ended:
            self._check(upload)
            await self._receive(timeout)
            return
        # The read timeout begins with the response, because the server may want the whole body first; a dead server
        # meets the write timeout. During the response, what the server takes is a sign of life, too.
        while True:
            sent = self.wire.sent
            begins = math.inf if self.is_unanswered else trio.current_time()
            with trio.CancelScope(deadline=begins + seconds(timeout)) as upload.reading:
                await self._receive(None)
            is_read = not upload.reading.cancelled_caught
            upload.reading = None
            if is_read:
                return
            self._check(upload)
            if upload.has_ended or self.wire.sent == sent:
                raise ReadTimeout(f"nothing came within {timeout} s")

    def _check(self, upload: Upload) -> None:
        upload.check()
        if self.is_unanswered and isinstance(upload.error, WriteTimeout):
            raise upload.error

    @property
    def is_unanswered(self) -> bool:
        return self.h11.their_state in (h11.IDLE, h11.SEND_RESPONSE)


async def _tcp_stream(host: str, port: int) -> trio.SocketStream:
    """An IP address needs no resolver and no choice among addresses: to connect directly saves 200 µs."""
    try:
        family = trio.socket.AF_INET6 if ip_address(host).version == 6 else trio.socket.AF_INET
    except ValueError:
        return await trio.open_tcp_stream(host, port)
    if "%" in host:  # only the resolver knows the number of a zone
        return await trio.open_tcp_stream(host, port)
    sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        await sock.connect((host, port))
        return trio.SocketStream(sock)
    except BaseException:
        sock.close()
        raise


class Heads:
    """The heads of one client's requests.  h11 has checked them, so no CR, LF or NUL passes in any part.

    Most programs send the same few heads again and again, or heads that differ in their target alone: without the two
    caches, a kept-alive GET takes 25 % longer.
    """

    def __init__(self) -> None:
        self.head = lru_cache(128)(self._head)
        self._lines = lru_cache(128)(_checked_lines)

    def _head(self, method: str, target: bytes, headers: Pairs, *, is_all: bool) -> Head:
        """is_all: there is no body."""
        try:
            similar, lines = self._lines(method, headers, is_all)
            event = h11.Request(method=method, target=target, headers=similar.headers)
        except h11.LocalProtocolError as error:
            hide_value(error, headers)
            raise LocalProtocolError(str(error)) from error
        return Head(event, None if lines is None else b"%s %s HTTP/1.1\r\n%s" % (event.method, event.target, lines))


def _checked_lines(method: str, headers: Pairs, is_all: bool) -> tuple[h11.Request, bytes | None]:
    """A request with these headers, and, if they are all that follows the first line of a plain one, their octets."""
    event = h11.Request(method=method, target="/", headers=list(headers))
    # The other requests change what a response means, or end the connection.
    is_plain = is_all and method not in ("HEAD", "CONNECT")
    for name, value in event.headers:
        is_plain &= name != b"upgrade" and (name != b"connection" or value.lower() == b"keep-alive")
    if not is_plain:
        return event, None
    scratch = h11.Connection(h11.CLIENT)
    octets = scratch.send(event) + scratch.send(END)
    return event, octets.partition(b"\r\n")[2]


def check_header_size(items: list[tuple[bytes, bytes]]) -> None:
    """h11 checks its limit only while a head is incomplete, so a head that comes in a single read may exceed it.

    Each header counts for 32 octets more, because a list of many small ones takes more memory than the octets
    that came (HTTP/2 counts in the same way: RFC 9113 §6.5.2).
    """
    if sum([len(name) + len(value) + 32 for name, value in items]) > MAX_HEADER_SIZE:
        raise RemoteProtocolError(_TOO_LARGE)


def _write_error(error: BaseException) -> WriteError:
    return WriteError(f"the connection broke while sending: {_reason(error)}")


def _reason(error: BaseException) -> str:
    """The error of the kernel or of OpenSSL, which names the cause.

    trio wraps it, and for a host with several addresses in a group with an error for each.

    >>> refused, unreachable = OSError(111, "Connection refused"), OSError(101, "Network is unreachable")
    >>> _reason(ExceptionGroup("all attempts failed", [refused, unreachable, refused]))
    '[Errno 111] Connection refused; [Errno 101] Network is unreachable'
    """
    if isinstance(error, trio.ClosedResourceError) or (isinstance(error, OSError) and error.errno == errno.EBADF):
        return "the client was closed, or the response was closed by another task"
    error = error.__cause__ or error
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_reason(inner) for inner in error.exceptions))
    return str(error)
