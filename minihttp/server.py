r"""serve: the other side, as small as it can be.                                 RFC 9112 §9; RFC 9110 §9.3.2

    async def handler(request):
        return minihttp.Response(200, json={"you asked for": request.url.path})

    await minihttp.serve(handler, "127.0.0.1", 8000)

One task per connection, and in it one request after the other:

           ┌─────────────────────────── kept alive ───────────────────────────┐
           ▼                                                                  │
        head ───► handler ───► response ───► what is left of the body ────────┤
         │ malformed: 400        │ failed: 500, or a close when part of       │
         │ too long:  431        │ the response has left already              ▼
         └─ too slow: close      └─ body too large: 413                     close

A response to HEAD has the headers of one to GET and no body; a body of unknown length goes in chunks, or, to
a client of HTTP/1.0, up to the close of the connection: h11 sees to all three.

Below this module: `connection`, `request`, `response`.  Above it: nothing.  Read next: h11's own source,
which is what `wire.Connection` in minizmtp is modelled on.
"""

import errno
import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from stat import S_ISSOCK

import h11
import trio

from .connection import Channel
from .errors import HTTPError, InvalidURL, RemoteProtocolError, RequestError, TimeoutException
from .headers import Headers
from .request import BodyStream, Request, not_given
from .response import Response
from .urls import URL

Handler = Callable[[Request], Awaitable[Response]]

LEFT_OVER = 65536  # octets of a request body that nobody read are skipped, if it is no more; else we close
BODILESS = (204, 304)  # RFC 9110 §6.4.1
LINGER = 1.0  # seconds for that, and for the client to read our last words

log = logging.getLogger(__name__)


class BodyTooLarge(RequestError):
    """A request body is larger than `max_body_size`."""


async def serve(
    handler: Handler,
    host: str | None = "127.0.0.1",
    port: int = 0,
    *,
    uds: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    max_header_size: int = 16384,
    max_body_size: int | None = None,
    idle_timeout: float = 30.0,
    stop: trio.Event | None = None,
    grace: float = 5.0,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests until cancelled, or until `stop` is set.

    port 0 lets the kernel choose; `nursery.start` returns the listeners, which know.  uds: a path to listen
    at instead.
    idle_timeout: seconds for the head of a request, and for each further piece in either direction.
    stop: when it is set, nobody new is let in, idle connections are closed, and those who are being served
    have `grace` seconds to finish.
    """
    stop = trio.Event() if stop is None else stop
    listeners = [await _listen_at(uds)] if uds else await trio.open_tcp_listeners(port, host=host)
    sessions: set[Session] = set()

    async def session(stream: trio.SocketStream) -> None:
        secured: trio.abc.Stream = stream
        if ssl_context is not None:
            secured = trio.SSLStream(stream, ssl_context, server_side=True, https_compatible=True)
        one = Session(secured, handler, max_header_size, max_body_size, idle_timeout)
        sessions.add(one)
        if stop.is_set():  # let in at the last moment
            one.leave()
        try:
            await one.run()
        finally:
            sessions.discard(one)
            one.close()

    try:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as doors:
                accept = partial(trio.serve_listeners, session, listeners, handler_nursery=connections)
                doors.start_soon(accept)
                task_status.started(listeners)
                await stop.wait()
                doors.cancel_scope.cancel()
            for one in sessions:
                one.leave()
            connections.cancel_scope.deadline = trio.current_time() + grace
    finally:
        if uds:
            with suppress(OSError):
                os.unlink(uds)


async def _listen_at(path: str) -> trio.SocketListener:
    """A Unix socket.  A socket file that nobody listens at is removed; one that is in use is an error."""
    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        if await _is_stale(path):
            os.unlink(path)
        await sock.bind(path)
        sock.listen()
        return trio.SocketListener(sock)
    except BaseException:
        sock.close()
        raise


async def _is_stale(path: str) -> bool:
    try:
        if not S_ISSOCK(os.stat(path).st_mode):
            return False
        (await trio.open_unix_socket(path)).socket.close()
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return False


class Session(Channel):
    """One client's connection."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        handler: Handler,
        max_header_size: int,
        max_body_size: int | None,
        idle_timeout: float,
    ) -> None:
        super().__init__(stream, h11.SERVER, max_header_size)
        self.max_body_size = max_body_size
        self.idle_timeout = idle_timeout
        self.fault: HTTPError | None = None  # what went wrong with the body that the client sends
        self._handler = handler
        self._is_leaving = False
        self._waiting = trio.CancelScope()

    def leave(self) -> None:
        """Close as soon as no request is being served: at once, when none is."""
        self._is_leaving = True
        self._waiting.cancel()

    async def run(self) -> None:
        # What a client does wrong, or how its connection breaks, is the end of this task and of no other.
        with suppress(HTTPError, trio.BrokenResourceError, trio.ClosedResourceError):
            while await self._serve_one():
                self.h11.start_next_cycle()

    async def _serve_one(self) -> bool:
        """One request and its response.  True if another may follow."""
        if self._is_leaving:
            return False
        event: h11.Event | None = None
        self._waiting = trio.CancelScope(deadline=trio.current_time() + self.idle_timeout)
        try:
            with self._waiting:
                event = await self.next_event(None)
            if not isinstance(event, h11.Request):  # too slow, gone, or we are leaving
                return False
            request = self._request(event)
        except (RemoteProtocolError, InvalidURL, BodyTooLarge) as error:
            await self._refuse(error)
            return False
        response = await self._answer(request)
        await self._send(request, response)
        return await self._is_ready_for_more()

    def _request(self, event: h11.Request) -> Request:
        headers = Headers.received(event.headers.raw_items())
        if "content-length" in headers and "transfer-encoding" in headers:
            raise RemoteProtocolError("request with both Transfer-Encoding and Content-Length (RFC 9112 §6.1)")
        target = event.target.decode("ascii")
        scheme = "https" if isinstance(self.stream, trio.SSLStream) else "http"
        if target.startswith("/"):
            target = f"{scheme}://{headers.get('host') or 'localhost'}{target}"
        request = Request(event.method.decode("ascii"), URL(target), headers=headers)
        request.headers = headers  # as they came, also without the Host that Request would add
        request.stream = BodyStream(RequestBody(self, int(headers.get("content-length") or 0)))
        return request

    async def _answer(self, request: Request) -> Response:
        try:
            response = await self._handler(request)
            if not isinstance(response, Response):
                raise TypeError(f"handler returned {type(response).__name__}: expected a minihttp.Response")
            return response
        except Exception as error:
            if error is self.fault:  # not the handler's doing: the client said too much, something else or nothing more
                return _refusal(error)
            log.exception("handler failed for %r", request)
            return _plain(500, "Internal Server Error")

    async def _send(self, request: Request, response: Response) -> None:
        try:
            head = self._head(response)
        except h11.LocalProtocolError:
            log.exception("the headers of the response to %r cannot be sent", request)
            response = _plain(500, "Internal Server Error")
            head = self._head(response)
        has_body = request.method != "HEAD" and response.status_code not in BODILESS
        body = response.stream if has_body else b""
        try:
            octets = self.encode(head)
            await self.write_body(octets, body if isinstance(body, bytes) else aiter(body), self.idle_timeout)
        except Exception as error:
            if not isinstance(error, HTTPError):
                log.exception("the body of the response to %r failed", request)
            # To close is all that can still be said: with its end missing, the client knows.
            raise RemoteProtocolError("response cut short") from error

    def _head(self, response: Response) -> h11.Response:
        automatic = [(b"Date", formatdate(usegmt=True).encode())]
        if response.stream == b"" and response.status_code not in BODILESS:
            automatic.append((b"Content-Length", b"0"))
        # A client that waits for "100 Continue" may yet send its body: what comes next, nobody knows.
        if self._is_leaving or self.h11.client_is_waiting_for_100_continue:
            automatic.append((b"Connection", b"close"))
        headers = response.headers.raw + not_given(automatic, response.headers)
        reason = response.reason_phrase.encode("ascii", "replace")
        return h11.Response(status_code=response.status_code, reason=reason, headers=headers)

    async def _is_ready_for_more(self) -> bool:
        """True if the next request can follow; a small body that nobody read is skipped first."""
        size = 0
        with trio.move_on_after(LINGER):
            while self.h11.their_state is h11.SEND_BODY and size <= LEFT_OVER:
                event = self.event_at_hand()
                if isinstance(event, h11.Data):
                    size += len(event.data)
                elif event is None and self.h11.our_state is h11.DONE:
                    await self.read(None)
                elif event is None:  # no request can follow, so there is nothing to wait for
                    break
        if (self.h11.our_state, self.h11.their_state) == (h11.DONE, h11.DONE):
            return not self._is_leaving
        if self.h11.their_state is h11.SEND_BODY:
            await self._linger()
        return False

    async def _refuse(self, error: Exception) -> None:
        """Say what was wrong with a request that never reached the handler."""
        response = _refusal(error)
        await self.write(self.encode(self._head(response)) + response.content, self.idle_timeout)
        await self._linger()

    async def _linger(self) -> None:
        """Let the client read our last words.                                         RFC 9112 §9.6

        A socket that is closed with octets unread sends a reset, and a reset makes the client's kernel throw
        away what the client has not read yet: our explanation, most of all.
        """
        if isinstance(self.stream, trio.SocketStream):
            await self.stream.send_eof()
            with trio.move_on_after(LINGER):
                while await self.stream.receive_some(65536):
                    pass


class RequestBody:
    """The body of a request on its way to the handler."""

    def __init__(self, session: Session, declared: int) -> None:
        self._session = session
        self._size = 0
        self._check(declared)

    def _check(self, size: int) -> None:
        limit = self._session.max_body_size
        if limit is not None and size > limit:
            raise BodyTooLarge(f"body of {size} octets or more: at most {limit} are taken")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._next()
        except HTTPError as error:
            self._session.fault = error
            raise

    async def _next(self) -> bytes:
        channel = self._session
        if channel.h11.client_is_waiting_for_100_continue:  # now that someone wants the body
            go_on = channel.encode(h11.InformationalResponse(status_code=100, reason=b"Continue", headers=[]))
            await channel.write(go_on, channel.idle_timeout)
        event = await channel.next_event(channel.idle_timeout)
        if not isinstance(event, h11.Data):
            raise StopAsyncIteration
        self._size += len(event.data)
        self._check(self._size)
        return bytes(event.data)


def _plain(status: int, text: str) -> Response:
    return Response(status, headers={"Content-Type": "text/plain"}, content=f"{text}\n")


def _refusal(error: Exception) -> Response:
    """What to say to a client that is wrong: h11 knows the status for some of its errors."""
    status = getattr(error.__cause__, "error_status_hint", 400)
    if isinstance(error, (BodyTooLarge, TimeoutException)):
        status = 413 if isinstance(error, BodyTooLarge) else 408
    response = _plain(status, str(error))
    response.headers["Connection"] = "close"  # where its next request would begin, nobody knows
    return response
