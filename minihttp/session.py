r"""Session: one client's connection to the server.                          RFC 9112 §9; RFC 9110 §10.1.1, §15

One task takes requests, calls the handler and writes.  While a request has a body, or a handler takes longer than
a moment, a second task reads:

    client ──► reader ──► inbox ──► head ──► handler ──► response ──► what is left of the body ──┐
                 │          ▲         │ not served: 4xx, 501, 505                                │
                 │          │         ▼                                                          │
                 │          │       close        kept alive                                      │
                 │          └────────────────────────────────────────────────────────────────────┘
                 └─► the client has gone: cancel the handler

Because the reader reads while the handler runs, a handler may answer while the request body is still arriving, and is
cancelled when the client closes the connection.  When the inbox is full, the reader stops, and TCP makes the client
wait until the handler takes more.

A client may close its sending side after its last request and still read the response (`nc -N` does).  On TCP this
looks like a closed connection until the server writes.  So the handler then has HALF_CLOSED seconds for the response,
and for each further piece of it, before it is cancelled.  (nginx and hypercorn answer such a client, too; Node and
uvicorn do not.)

Whatever a handler raises or returns, the session goes on: the client gets a 500, or, if a part of the response was sent
already, a response whose end is visibly missing.  The reason is logged.

Below this module: `incoming`, `request`, `response`, `streams`.  Above it: `server`.  Read next: `server`.
"""

import logging
import select
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple

import h11
import trio

from .decoders import PIECE
from .errors import HTTPError, ReadTimeout, RemoteProtocolError, RequestError, StreamClosed, WriteError, shortened
from .headers import Headers, hide_value
from .incoming import Refusal, end_of_head, parse_head, refusal_of
from .request import BodyStream, Request, not_given
from .response import BODILESS, Handover, Response
from .streams import BROKEN, TLS, Wire
from .turns import EVENT, TURN, Turn, bite, cost_of_lines
from .urls import URL

Handler = Callable[[Request], Awaitable[Response]]

READ_AHEAD = 65536  # octets that may wait in the inbox; then the reader stops
LEFT_OVER = 65536  # octets of a request body that the handler did not read are skipped; of more, we close
LINGER = 1.0  # seconds for that, and for the client to read the response and close its side
WATCH_AFTER = 0.25  # seconds that a handler may take before its client is watched
HALF_CLOSED = 1.0  # seconds for a handler to go on, after the client has closed its sending side
REQUEST = 150  # µs that a request costs here without its handler, counted when it has not waited for the last response
CHUNK_HEAD = 2048  # octets that the size of a chunk, or the trailers, may have: h11 parses all of them in one call

# RFC 9110 §7.6.1: these headers describe one connection, so they are not passed on to another.
HOP_BY_HOP = frozenset(b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split())

END = h11.EndOfMessage()

log = logging.getLogger("minihttp.server")


class BodyTooLarge(RequestError):
    """A request body is larger than `max_body_size`."""


class Head(NamedTuple):
    """The head of a response that was checked."""

    event: h11.Response
    length: int | None  # octets of the body, if the head says so
    octets: bytes | None  # the event encoded, if it needs nothing of h11 but that


class ClientGone(Exception):
    """Nothing more can be written to this client."""


@dataclass
class Rules:
    """What `serve` was told, for all its sessions; `serve` says what each of them means."""

    handler: Handler
    max_header_size: int
    max_headers: int
    max_body_size: int | None
    idle_timeout: float
    head_timeout: float
    # Sessions that wait for their client, and until when; and sessions that serve a request, and from when on their
    # clients are to be watched.  Those that began first stand first, so `server.watch` looks at no others.  A timeout
    # or a task for each request would take a tenth of it.
    waiting: "dict[Session, float]" = field(default_factory=dict)
    serving: "dict[Session, float]" = field(default_factory=dict)
    has_begun: trio.Event = field(default_factory=trio.Event)  # set when one serves again, after none did


class Session:
    """One connection: its two tasks, and what they share."""

    def __init__(self, stream: trio.SocketStream, rules: Rules, ssl_context: ssl.SSLContext | None = None) -> None:
        self.wire = Wire(stream.socket)
        self.stream = self.wire if ssl_context is None else TLS(self.wire, ssl_context)
        self.rules = rules
        self.scheme = "http" if ssl_context is None else "https"
        self.h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=CHUNK_HEAD)
        self.turn = Turn()
        self.is_idle = True  # between two requests
        self.fault: HTTPError | None = None  # what the client did wrong with the body that it sends
        self._is_leaving = False
        self._is_late = False  # a wait has taken idle_timeout
        self._is_deaf = False  # whatever comes is thrown away
        self._is_writing = False
        self._was_cut = False  # a response ended before its end
        self._body: RequestBody | None = None
        self._body_left: int | None = 0  # octets of the request body that h11 has not given out; None in chunks
        self._progress = 0  # grows with each request and each write
        self._inbox = b""
        self._read_ahead = max(READ_AHEAD, rules.max_header_size)
        self._arrival = trio.Event()  # of octets, or of their end
        self._room = trio.Event()  # for which the reader waits while the inbox is full
        self._has_ended = False
        self._has_reader = False
        self._nursery: trio.Nursery
        self._scope = trio.CancelScope()  # around everything but the reader; cancelled when the client has gone
        self._is_over = False  # to be closed politely
        self._head = b""  # of the present request
        self._handover: Callable[[socket.socket, bytes], None] | None = None

    # ── from outside ────────────────────────────────────────────────────────────────────────────────────────────

    def leave(self) -> None:
        """Close as soon as no request is being served: at once, when none is."""
        self._is_leaving = True
        if self.is_idle:
            self._end_the_wait()

    def be_late(self) -> None:
        """The client has had its idle_timeout."""
        self._is_late = True
        self._end_the_wait()

    def _end_the_wait(self) -> None:
        if self.is_idle and not self._has_reader:
            self._is_over = True
            self._scope.cancel()
        self._wake()

    def start_reader(self) -> None:
        """From now on, all octets come through the inbox, and the client is watched."""
        if not self._has_reader:
            self._has_reader = True
            self._nursery.start_soon(self._read)

    async def run(self) -> None:
        try:
            if isinstance(self.stream, TLS):
                with trio.move_on_after(self.rules.idle_timeout) as scope:
                    await self.stream.handshake()
                if scope.cancelled_caught:
                    return
            async with trio.open_nursery() as self._nursery:
                with self._scope:
                    self._is_over = await self._serve()
                self._nursery.cancel_scope.cancel()
            if self._handover is not None:
                connected = socket.socket(fileno=self.wire.socket.detach())
                try:
                    self._handover(connected, self._head + self._inbox)
                except BaseException:  # it has not taken the connection over, so its end is ours
                    connected.close()
                    raise
                return
            if self._is_over:
                with trio.move_on_after(LINGER):
                    await self._say_goodbye()
        except BROKEN:  # the client has gone, or does not speak TLS
            pass
        finally:
            self.wire.close()

    # ── the reader ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _read(self) -> None:
        try:
            while True:
                while len(self._inbox) >= self._read_ahead and not self._is_deaf:
                    self._room = trio.Event()
                    with trio.move_on_after(HALF_CLOSED) as scope:
                        await self._room.wait()
                    if scope.cancelled_caught and _has_hung_up(self.wire.socket):
                        await self._bear_the_end()
                if not (data := await self.stream.receive(None)):
                    break
                if not self._is_deaf:
                    self._inbox += data
                    self._wake()
        except BROKEN:
            self._scope.cancel()
        if self.stream.is_cut:  # TLS without close_notify: the client was killed, and waits for no response
            self._scope.cancel()
        self._has_ended = True
        self._wake()
        while True:
            await self._bear_the_end()

    async def _bear_the_end(self) -> None:
        """The client has ended its direction: cancel a handler that does not write for a while."""
        seen = self._progress
        await trio.sleep(min(HALF_CLOSED, self.rules.idle_timeout))
        # A write that waits has its own timeout, and fails when the client has gone.
        if self._progress == seen and not self._is_writing:
            self._scope.cancel()

    async def _arrives(self) -> bool:
        """Wait for octets, for their end, or for `leave`.  False if nothing came in idle_timeout."""
        self.rules.waiting[self] = trio.current_time() + self.rules.idle_timeout
        try:
            if self._has_reader:
                await self._arrival.wait()
            else:
                self._inbox = await self.stream.receive(None)
                self._has_ended = not self._inbox
        except BROKEN as error:
            raise ClientGone from error
        finally:
            self.rules.waiting.pop(self, None)
        self.turn.spent = 0
        was_late, self._is_late = self._is_late, False
        return not was_late

    def _wake(self) -> None:
        self._arrival.set()
        self._arrival = trio.Event()

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _serve(self) -> bool:
        """One request after the other.  True if the connection is to be closed politely."""
        with suppress(ClientGone):
            while True:
                head = None
                try:
                    head = await self._next_head()
                    if head is None:
                        return True
                    request = self._request(head)
                except Refusal as refusal:
                    await self._refuse(refusal, is_head=head is not None and head.startswith(b"HEAD "))
                    return True
                if not await self._serve_one(request):
                    return True
        return False

    async def _next_head(self) -> bytes | None:
        """The octets of the next head; None if no other request follows."""
        self.is_idle = True
        if self._inbox:  # this request did not wait for the response to the last one
            self.turn.spent += REQUEST
        if self.turn.spent >= TURN:
            await self.turn.end()
        # An empty line before a request is skipped: some clients send one after a body (RFC 9112 §2.2).
        while not (octets := self._inbox.lstrip(b"\r\n")):
            self._inbox = b""
            self._room.set()
            if self._has_ended or self._is_leaving or not await self._arrives():
                return None
        if self._scope.cancel_called:  # `leave` or `be_late` came in the same turn of the loop as the request
            return None
        self.is_idle = False
        self._progress += 1
        self._inbox = octets
        size, headers = self.rules.max_header_size, self.rules.max_headers
        if (end := end_of_head(octets, size, headers)) is None:
            self.start_reader()
            with trio.move_on_after(self.rules.head_timeout):
                while (end := end_of_head(self._inbox, size, headers)) is None:
                    if self._has_ended:
                        raise Refusal(400, "the request ends within its head")
                    await self._arrival.wait()
        if end is None:
            raise Refusal(408, f"the head of a request may take {self.rules.head_timeout} s")
        head, self._inbox = self._inbox[:end], self._inbox[end:]
        self._room.set()
        return head

    def _request(self, head: bytes) -> Request:
        request, self._body_left = parse_head(self.h11, head, self.scheme)
        self._head = head
        self.turn.spent += cost_of_lines(len(request.headers.raw))
        if self._body_left == 0:
            self.h11.next_event()  # EndOfMessage
            return request
        limit = self.rules.max_body_size
        if limit is not None and self._body_left is not None and self._body_left > limit:
            raise Refusal(413, f"the body of the request has too many octets: at most {limit} are taken")
        self.start_reader()
        self.fault = None
        self._body = RequestBody(self)
        request.stream = BodyStream(self._body)
        return request

    async def _serve_one(self, request: Request) -> bool:
        """The response to one request.  True if another may follow."""
        if not self._has_reader:
            self.rules.serving[self] = trio.current_time() + WATCH_AFTER
            self.rules.has_begun.set()
        try:
            asked = request.method, request.url  # a handler may change its request
            response = await self._answer(request, *asked)
            if isinstance(response, Handover):
                self._handover = response.to
                return False
            await self._send(response, *asked)
        finally:
            self.rules.serving.pop(self, None)
            self._close_body()
        return await self._is_ready_for_more()

    def _close_body(self) -> None:
        """A task that the handler has left behind may still read: what comes next is not for that task."""
        if self._body is not None:
            self._body.is_closed = True
            self._body = None
            self._wake()

    async def _answer(self, request: Request, method: str, url: URL) -> Response:
        try:
            response = await self.rules.handler(request)
            if not isinstance(response, Response):
                raise TypeError(f"handler returned {type(response).__name__}: expected a minihttp.Response")
            if isinstance(response, Handover) and isinstance(self.stream, TLS):
                raise TypeError("a connection with TLS cannot be handed over")
            return response
        except BaseException as error:
            await self._give_way(error)
            if self.fault is not None and self._is_not_to_blame(error):
                return _refused(_refusal_for(self.fault))
            log.error("the handler failed for %s", _in_words(method, url), exc_info=error)
            return _plain(500, "Internal Server Error")

    async def _give_way(self, error: BaseException) -> None:
        """Raise what is not for us to handle: Ctrl-C, and Cancelled if this task is being cancelled.

        SystemExit is handled, because argparse in a handler must not let a client end the server; so is a Cancelled
        that a handler has kept from an earlier cancellation.
        """
        if any(isinstance(leaf, (KeyboardInterrupt, GeneratorExit)) for leaf in _leaves(error)):
            raise error
        if trio.current_effective_deadline() == -float("inf"):
            if not self._is_not_to_blame(error):
                log.error("the handler failed while it was cancelled", exc_info=error)
            await trio.lowlevel.checkpoint()

    def _is_not_to_blame(self, error: BaseException) -> bool:
        """Whether this is only what the client did wrong, or a cancellation that comes from us."""
        is_cancelled = trio.current_effective_deadline() == -float("inf")
        return all(leaf is self.fault or (is_cancelled and isinstance(leaf, trio.Cancelled)) for leaf in _leaves(error))

    async def _refuse(self, refusal: Refusal, *, is_head: bool) -> None:
        if self.h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            head, body = self._prepared(_refused(refusal), is_head=is_head)
            assert isinstance(body, bytes)
            # h11 may not have understood that it was HEAD: then it asks for a body, and there is none.
            await self._write(self.h11.send(head.event) if is_head else self._whole(head, body))

    # ── responses ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _send(self, response: Response, method: str, url: URL) -> None:
        is_head = method == "HEAD"
        try:
            head, body = self._prepared(response, is_head=is_head)
        except Exception:
            log.exception("the response to %s cannot be sent", _in_words(method, url))
            head, body = self._prepared(_plain(500, "Internal Server Error"), is_head=is_head)
        if isinstance(body, bytes) and len(body) <= PIECE:
            await self._write(self._whole(head, body))
            return
        await self._write(self.h11.send(head.event))  # a stream's head does not wait for its first piece
        try:
            await self._write_pieces(body)
            await self._write(self.h11.send(END))
        except ClientGone:
            raise
        except BaseException as error:
            await self._give_way(error)
            if not self._is_not_to_blame(error):
                log.error("the body of the response to %s failed", _in_words(method, url), exc_info=error)
            self._cut(head)

    async def _write_pieces(self, body: bytes | AsyncIterator[bytes]) -> None:
        """Pieces are not large, so that neither encoding them nor TLS holds up other clients."""
        if isinstance(body, bytes):
            body = aiter(BodyStream([body]))
        try:
            async for chunk in body:
                octets = memoryview(chunk).cast("B")  # a TypeError for a str
                for start in range(0, len(octets), PIECE):
                    piece = h11.Data(data=octets[start : start + PIECE])  # type: ignore[arg-type]
                    await self._write(self.h11.send(piece))
                    self.turn.spent += EVENT + (len(piece.data) >> 12)
                    if self.turn.spent >= TURN:
                        await self.turn.end()
        finally:
            if aclose := getattr(body, "aclose", None):  # left half-way, it would wait for the garbage collector
                await aclose()

    def _prepared(self, response: Response, *, is_head: bool) -> tuple[Head, bytes | AsyncIterator[bytes]]:
        """Head and body of a response as they will be sent.  Raises whatever is wrong with them."""
        if response._arriving is not None:
            response = _passed_on(response)
        status, body = response.status_code, response.stream
        if is_head or status in BODILESS or status == 205:  # RFC 9110 §15.3.6: 205 has no content, either
            body = b""
        # A client that waits for "100 Continue" may send its body or leave it out: what comes next cannot be known.
        is_last = self.h11.client_is_waiting_for_100_continue
        if isinstance(body, bytes):
            self._close_body()
            is_last |= self._is_no_end_in_sight()
        given = response.headers
        raw = tuple((given if isinstance(given, Headers) else Headers(given)).raw)
        is_http_1_0 = self.h11.their_http_version == b"1.0"
        facts = response.stream == b"", is_last or self._is_leaving, is_http_1_0, int(time.time())
        head = _checked_head(response.status_code, response.reason_phrase, raw, *facts)
        if not isinstance(body, bytes):
            return head, aiter(body)
        if body and head.length is not None and head.length != len(body):
            raise ValueError(f"Content-Length is {head.length}, but the content has {len(body)} octets")
        if is_last:  # the client may send all of its body before it reads anything
            self._is_deaf = True
            self._room.set()
        return head, body

    def _is_no_end_in_sight(self) -> bool:
        """Whether the next request cannot follow, because too much of this one's body is yet to come."""
        with suppress(h11.RemoteProtocolError):
            for _ in range(TURN // EVENT):
                if self.h11.their_state is not h11.SEND_BODY:
                    return False
                if self._next_event() is h11.NEED_DATA:
                    return self._body_left is None or self._body_left > LEFT_OVER
        return True

    def _whole(self, head: Head, body: bytes) -> bytes:
        if head.octets is not None and self.h11.their_state is h11.DONE:
            return head.octets + body  # h11 would say the same, and take a tenth of a small request for it
        send = self.h11.send_with_data_passthrough
        octets = send(head.event) or []
        if body:
            octets += send(h11.Data(data=body)) or []
        octets += send(END) or []
        return b"".join(octets)

    async def _write(self, octets: bytes) -> None:
        if not octets:  # the end of a body whose length was told
            return
        self._is_writing = True
        try:
            if not self.stream.put(octets):
                await self.stream.flush(self.rules.idle_timeout)
        except (*BROKEN, trio.TooSlowError) as error:
            raise ClientGone from error
        finally:
            self._is_writing = False
            self._progress += 1

    def _cut(self, head: Head) -> None:
        """End a response before its end, in such a way that the client can see it."""
        self.h11.send_failed()
        self._was_cut = True
        if self.h11.their_http_version == b"1.0" and head.length is None:
            # The end of the connection would be the end of the body, so the client must see an error instead.
            with suppress(OSError):
                self.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ClientGone

    # ── between and after ───────────────────────────────────────────────────────────────────────────────────────

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA]:
        """The next event of a request body, from what is here; NEED_DATA if nothing is."""
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            if self._inbox:
                size = len(self._inbox)
                if self._body_left is None:
                    size = bite(self._inbox, 0)
                octets, self._inbox = self._inbox[:size], self._inbox[size:]
                self._room.set()
                self.h11.receive_data(octets)
            elif self._has_ended:
                self.h11.receive_data(b"")
            else:
                return h11.NEED_DATA
        self.turn.spent += EVENT
        if isinstance(event, h11.Data):
            if self._body_left is not None:
                self._body_left -= len(event.data)
            return event
        self.turn.spent += cost_of_lines(len(event.headers))  # type: ignore[union-attr]
        if len(event.headers) > self.rules.max_headers:  # type: ignore[union-attr]
            raise h11.RemoteProtocolError(f"a request may have {self.rules.max_headers} trailers")
        return event  # type: ignore[return-value]

    async def next_body_event(self, body: "RequestBody | None" = None) -> h11.Event:
        """Data or EndOfMessage.  Raises h11.RemoteProtocolError, ReadTimeout, or StreamClosed if body was closed."""
        if self.turn.spent >= TURN:
            await self.turn.end()
        while True:
            if body is not None and body.is_closed:
                raise StreamClosed("the request has been answered: its body can be read only before")
            if (event := self._next_event()) is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            if not await self._arrives():
                raise ReadTimeout(f"the client sent nothing for {self.rules.idle_timeout} s")

    async def write_continue(self) -> None:
        """Ask for the body that the client holds back, if it does.                        RFC 9110 §10.1.1"""
        if self.h11.client_is_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, reason=b"Continue", headers=[])
            try:
                await self._write(self.h11.send(go_on))
            except ClientGone as error:
                raise WriteError("the client has gone") from error

    async def _is_ready_for_more(self) -> bool:
        """Whether the next request can follow.  A small body that the handler did not read is skipped first."""
        if self.h11.their_state is h11.SEND_BODY and self.h11.our_state is h11.DONE:
            with suppress(h11.RemoteProtocolError, ReadTimeout), trio.move_on_after(LINGER):
                await self._skip_body()
        # Where h11 was not asked to encode the response, it has not noticed that there was one.
        if self._is_leaving or self.h11.their_state is not h11.DONE:
            return False
        if self.h11.our_state not in (h11.DONE, h11.SEND_RESPONSE):
            return False
        self._inbox = self.h11.trailing_data[0] + self._inbox  # a body may have come together with the next request
        self.h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=CHUNK_HEAD)
        return True

    async def _skip_body(self) -> None:
        size = 0
        while self.h11.their_state is h11.SEND_BODY and size <= LEFT_OVER:
            event = await self.next_body_event()
            size += len(event.data) if isinstance(event, h11.Data) else 0

    async def _say_goodbye(self) -> None:
        """Close in a way that lets the client read the response.                RFC 9112 §9.6, §9.8; RFC 8446 §6.1

        A socket that is closed while received octets are unread sends a reset, and a reset makes the client's kernel
        discard what the client has not read yet.  So the server first closes its sending side (over TLS, after a
        close_notify), and then reads until the client closes its own.
        """
        (self.wire if self._was_cut else self.stream).end()
        if not self.is_idle:  # an idle client has read its responses
            while await self.wire.receive(None):
                pass


class RequestBody:
    """The body of a request on its way to the handler."""

    def __init__(self, session: Session) -> None:
        self.is_closed = False  # the request has been answered
        self._session = session
        self._size = 0
        self._is_read = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        session = self._session
        if self._is_read:
            raise StopAsyncIteration
        if session.fault is not None:
            raise session.fault
        try:
            return await self._next(session)
        except h11.RemoteProtocolError as error:
            session.fault = RemoteProtocolError(refusal_of(error).words)
            raise session.fault from error
        except HTTPError as error:
            session.fault = error
            raise

    async def _next(self, session: Session) -> bytes:
        if not self.is_closed:
            await session.write_continue()  # because now the body is wanted
        event = await session.next_body_event(self)
        if isinstance(event, h11.Data):
            self._size += len(event.data)
            limit = session.rules.max_body_size
            if limit is not None and self._size > limit:
                raise BodyTooLarge(f"the body of the request has too many octets: at most {limit} are taken")
            return bytes(event.data)
        self._is_read = True
        raise StopAsyncIteration


@lru_cache(256)  # a program gives the same headers again and again: without it, a small response takes a tenth longer
def _checked_head(
    status: int,
    phrase: str,
    raw: tuple[tuple[bytes, bytes], ...],
    is_empty: bool,
    is_last: bool,
    is_1_0: bool,
    now: int,
) -> Head:
    """The head of a response, with the headers that every response has.  Raises whatever is wrong with it."""
    dropped: tuple[bytes, ...] = ()
    automatic = [(b"Date", formatdate(now, usegmt=True).encode("ascii"))]
    if status in (204, 205):  # RFC 9110 §8.6, RFC 9112 §6.1: these have nothing whose length could be told
        dropped = (b"content-length", b"transfer-encoding")
    elif status == 304 and is_1_0:
        dropped = (b"transfer-encoding",)
    if status == 205 or (is_empty and status not in BODILESS):
        automatic.append((b"Content-Length", b"0"))
    if is_last:
        dropped += (b"connection",)
        automatic.append((b"Connection", b"close"))
    headers = Headers.received([pair for pair in raw if pair[0].lower() not in dropped])
    reason = phrase.encode("ascii", "replace")
    if min(reason, default=0x20) < 0x20:
        raise ValueError("the reason phrase holds control characters")
    try:
        event = h11.Response(status_code=status, reason=reason, headers=headers.raw + not_given(automatic, headers))
    except h11.LocalProtocolError as error:
        hide_value(error, headers.raw)  # because the error is logged
        raise
    found = dict(event.headers)
    length = int(found[b"content-length"]) if b"content-length" in found else None
    # Without a length, the framing depends on the request; a response that ends the connection changes h11's state.
    is_plain = not found.keys() & {b"transfer-encoding", b"connection"}
    is_plain &= length is not None or status in BODILESS
    return Head(event, length, h11.Connection(h11.SERVER).send(event) if is_plain else None)


def _has_hung_up(sock: trio.socket.SocketType) -> bool:
    """Whether the client has closed its sending side, which may still be hidden behind octets that it sent."""
    if not hasattr(select, "POLLRDHUP"):  # only Linux has it
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, and in the groups in it; or the one that is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _in_words(method: str, url: URL) -> str:
    """A request as the log has it: without the password that a URL may hold, and not longer than one can read."""
    return shortened(f"{method[:20]} {url!r}", 200)


def _passed_on(response: Response) -> Response:
    """A response that a handler got from another server, as it can be sent on: its content is decoded."""
    named = {name.lower().encode() for name in response.headers.get_list("connection", split_commas=True)}
    dropped = HOP_BY_HOP | named
    if response.request.method != "HEAD" and response.status_code not in BODILESS:
        dropped |= {b"content-length", b"content-encoding"}
    kept = [(name, value) for name, value in response.headers.raw if name.lower() not in dropped]
    return Response(response.status_code, headers=kept, content=response.content)


def _plain(status: int, text: str) -> Response:
    return Response(status, headers={"Content-Type": "text/plain"}, content=f"{text}\n")


def _refused(refusal: Refusal) -> Response:
    response = _plain(refusal.status, refusal.words)
    response.headers["Connection"] = "close"  # where its next request would begin cannot be known
    return response


def _refusal_for(fault: HTTPError) -> Refusal:
    if isinstance(fault, BodyTooLarge):
        return Refusal(413, str(fault))
    return Refusal(408 if isinstance(fault, ReadTimeout) else 400, str(fault))
