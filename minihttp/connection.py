r"""Connection: one `h11.Connection` on one stream.                              RFC 9112 §9; RFC 9110 §10.1.1

                      bytes in ──► ┌────────────────┐ ──► events:   Response, Data, Data, …, EndOfMessage
    trio stream                    │ h11.Connection │
                     bytes out ◄── └────────────────┘ ◄── events:   Request, Data, …, EndOfMessage

h11 knows what the bytes mean and does no I/O; trio does I/O and does not know what the bytes mean.  This
module is the place where the two meet, for both ends: `Channel` is what a client and a server have in common,
`Connection` is the client's.  (minizmtp has the same pair under the names `wire.Connection` and `engine`.)

    >>> import h11
    >>> ours = h11.Connection(h11.CLIENT)
    >>> ours.send(h11.Request(method="GET", target="/", headers=[("Host", "example.org")]))
    b'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'
    >>> ours.receive_data(b"HTTP/1.1 200 OK\r\nContent-Len"); ours.next_event()
    NEED_DATA
    >>> ours.receive_data(b"gth: 5\r\n\r\nhello"); ours.next_event().status_code, ours.next_event().data
    (200, bytearray(b'hello'))

Every exception of trio and h11 becomes one of `errors` here.  After any exception, a cancellation included,
the connection is only good for `close`: nobody knows how much of a request has left, or how much of a
response is unread.

Below this module: `request`, `response`, `config`.  Above it: `pool`.  Read next: `pool`.
"""

import select
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

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
)
from .request import BodyStream

Origin = tuple[str, str, int]  # scheme, host, port

END = h11.EndOfMessage()

READ = 131072  # octets that one read takes: with 64 KiB our own work shows, 256 KiB the kernel copies slower
MAX_HEADER_SIZE = 65536  # octets of status line and headers; servers allow 8 to 64 KiB for requests
MAX_INFORMATIONAL = 100  # 1xx responses before the real one; who sends more never comes to the point
CONTINUE_PATIENCE = 1.0  # seconds to wait for "100 Continue", as long as curl does; RFC 9110 §10.1.1


class Channel:
    """An h11.Connection and its stream: events in, events out, under a timeout for each read and write."""

    def __init__(
        self, stream: trio.abc.Stream, role: type[h11.CLIENT] | type[h11.SERVER], max_header_size: int
    ) -> None:
        self.stream = stream
        self.socket = _socket_of(stream)
        self.h11 = h11.Connection(role, max_incomplete_event_size=max_header_size)
        self.is_silent = False  # a question is open, and nothing of its answer has come yet

    async def write(self, data: bytes, timeout: float | None) -> None:
        try:
            if self._is_ready(select.POLLOUT):
                data = data[await self.socket.send(data) :]
            if data:
                with trio.move_on_after(seconds(timeout)) as scope:
                    await self.stream.send_all(data)
                if scope.cancelled_caught:
                    raise WriteTimeout(f"the peer did not take {len(data)} octets within {timeout} s")
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WriteError(f"the connection broke while sending: {_reason(error)}") from error

    async def read(self, timeout: float | None) -> None:
        """One piece of whatever comes goes to h11; end of stream is a piece, too."""
        try:
            if self._is_ready(select.POLLIN):
                data = await self.socket.recv(READ)
            else:
                with trio.move_on_after(seconds(timeout)) as scope:
                    data = bytes(await self.stream.receive_some(READ))
                if scope.cancelled_caught:
                    raise ReadTimeout(f"nothing came within {timeout} s")
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ReadError(f"the connection broke while receiving: {_reason(error)}") from error
        if self.is_silent and not data:
            raise RemoteProtocolError("the server closed the connection without a response")
        self.is_silent = False
        self.h11.receive_data(data)

    def _is_ready(self, event: int) -> bool:
        """Whether the socket takes (POLLOUT) or has (POLLIN) octets now, so that no timeout has to be set.

        A timeout is a cancel scope, which costs several times this question: without it, a kept-alive GET takes
        a third longer.  Within TLS nobody can say: half a record may be here, and the other half not.
        """
        if type(self.stream) is not trio.SocketStream or self.socket.fileno() == -1:
            return False
        poll = select.poll()
        poll.register(self.socket, event)
        return bool(poll.poll(0))

    async def next_event(self, timeout: float | None) -> h11.Event:
        # Before the first octet, h11 has nothing to say: not to ask it saves 4 % of a kept-alive GET.
        while self.is_silent or (event := self.event_at_hand()) is None:
            await self.read(timeout)
        return event

    def event_at_hand(self) -> h11.Event | None:
        """The next event if what it takes has been received."""
        try:
            event = self.h11.next_event()
        except h11.RemoteProtocolError as error:
            raise RemoteProtocolError(str(error)) from error
        if event is h11.PAUSED:
            raise RemoteProtocolError("the peer goes on after the end of its message, or in another protocol")
        return None if event is h11.NEED_DATA else event  # type: ignore[return-value]

    def encode(self, *events: h11.Event) -> bytes:
        try:
            return b"".join([self.h11.send(event) or b"" for event in events])
        except h11.LocalProtocolError as error:
            raise LocalProtocolError(str(error)) from error

    async def write_body(self, head: bytes, body: bytes | AsyncIterator[bytes], timeout: float | None) -> None:
        """Head and body, in writes of about one piece; a small message leaves in a single one.

        Pieces, so that the timeout asks for progress and not for the whole; a stream's head does not wait for
        its first piece, which may be long in coming.
        """
        if isinstance(body, bytes):
            for start in range(0, len(body), PIECE):
                piece = self.encode(h11.Data(data=body[start : start + PIECE]))
                if start + PIECE >= len(body):
                    piece += self.encode(END)
                await self.write(head + piece, timeout)
                head = b""
            if not body:
                await self.write(head + self.encode(END), timeout)
            return
        await self.write(head, timeout)
        try:
            async for chunk in body:
                if chunk:  # an empty chunk would mean the end
                    await self.write(self.encode(h11.Data(data=chunk)), timeout)
        finally:
            if isinstance(body, AsyncGenerator):  # left half-way, it would wait for the garbage collector
                await body.aclose()
        await self.write(self.encode(END), timeout)

    def close(self) -> None:
        """At once, and without a goodbye: there is nobody to wait for one."""
        self.socket.close()


class Connection(Channel):
    """The client's end.  It is born without a stream: whoever is given a new one dials first."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.is_open = False
        self.requests = 0  # begun here; one that fails at its second may just have been closed as idle

    async def dial(self, uds: str | None, context: ssl.SSLContext | None, timeout: float | None) -> None:
        """DNS, TCP and, with a context, TLS; one patience for all of it."""
        _, host, port = self.origin
        where = uds or f"{host} port {port}"
        with trio.move_on_after(seconds(timeout)) as scope:
            try:
                if uds:
                    stream = await trio.open_unix_socket(uds)
                else:
                    stream = await trio.open_tcp_stream(host, port)
                super().__init__(stream, h11.CLIENT, MAX_HEADER_SIZE)
                self.is_open = True  # from here on, `close` has something to close
                if context is not None:
                    # https_compatible: HTTP knows by itself where a message ends; few servers say goodbye.
                    tap = Tap(stream)
                    self.stream = trio.SSLStream(tap, context, server_hostname=host, https_compatible=True)
                    await self.stream.do_handshake()
            except (OSError, UnicodeError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectError(f"cannot connect to {where}: {_reason(error)}") from error
        if scope.cancelled_caught:
            raise ConnectTimeout(f"no connection to {where} within {timeout} s")

    async def ask(self, head: h11.Request, body: bytes | BodyStream, timeout: Timeout) -> h11.Response:
        """Send a request and wait for the head of its response."""
        self.requests += 1
        self.is_silent = True
        octets = self.encode(head)
        if self.h11.client_is_waiting_for_100_continue:
            await self.write(octets, timeout.write)
            octets = b""
            if refusal := await self._refusal(timeout):
                return refusal
        try:
            await self.write_body(octets, body if isinstance(body, bytes) else aiter(body), timeout.write)
        except (WriteError, WriteTimeout):
            # A server may say no before it has read everything: its words are worth more than our error.
            with suppress(TransportError):
                if not self.is_alive:
                    return await self._response(timeout)
            raise
        return await self._response(timeout)

    async def _refusal(self, timeout: Timeout) -> h11.Response | None:
        """With `Expect: 100-continue`: the answer of a server that does not want the body, or None."""
        with trio.move_on_after(CONTINUE_PATIENCE):
            while (event := await self.next_event(timeout.read)).status_code != 100:  # type: ignore[attr-defined]
                if isinstance(event, h11.Response):
                    return event
        return None

    async def _response(self, timeout: Timeout) -> h11.Response:
        for _ in range(MAX_INFORMATIONAL + 1):
            event = await self.next_event(timeout.read)
            if isinstance(event, h11.Response):
                _check_framing(event)
                return event
        raise RemoteProtocolError(f"more than {MAX_INFORMATIONAL} responses of kind 1xx before the final one")

    async def is_in_step(self) -> bool:
        """After the end of a response: whether nothing more has come.

        A further record may lie in the SSLStream, received and not yet opened, where no socket shows it.
        """
        if isinstance(self.stream, trio.SSLStream):
            self.stream.transport_stream.is_shut = True
            try:
                await self.stream.receive_some(1)
            except trio.WouldBlock:
                return True
            except trio.BrokenResourceError:
                return False
            finally:
                self.stream.transport_stream.is_shut = False
            return False
        return True

    def finish(self) -> bool:
        """After the end of a response: make ready for the next request.  False if there can be none."""
        states = self.h11.our_state, self.h11.their_state
        if states != (h11.DONE, h11.DONE) or self.h11.trailing_data != (b"", False):
            return False
        self.h11.start_next_cycle()
        return True

    @property
    def is_alive(self) -> bool:
        """Whether nothing has come: unasked, a server says only that it closes or refuses."""
        return self.socket.fileno() != -1 and not self.socket.is_readable()

    def close(self) -> None:
        if self.is_open:
            super().close()

    async def aclose(self) -> None:
        """With the goodbye that TLS wants, as long as the other side takes it.        RFC 9112 §9.8"""
        if isinstance(self.stream, trio.SSLStream):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.stream.aclose()
        self.close()


class Tap(trio.abc.Stream):
    """The stream below TLS.  While it is shut, reading shows what TLS holds already, or raises WouldBlock."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.is_shut = False
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.is_shut:
            raise trio.WouldBlock
        return await self._stream.receive_some(max_bytes)


def head_of(method: str, target: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Request:
    """A request as h11 has it, and so checked by it: no CR, LF or NUL passes, in whatever part they hide."""
    try:
        return h11.Request(method=method, target=target, headers=list(headers))
    except h11.LocalProtocolError as error:
        raise LocalProtocolError(str(error)) from error


def _check_framing(response: h11.Response) -> None:
    """Refuse what h11 lets pass and what two programs in a row may understand differently.

    Then one of them takes for the next response what the other took for a body: somebody else's answer.
    """
    names = [name.lower() for name, _ in response.headers.raw_items()]
    if b"transfer-encoding" in names and b"content-length" in names:
        raise RemoteProtocolError("response with both Transfer-Encoding and Content-Length (RFC 9112 §6.3)")
    if not response.http_version.startswith(b"1."):
        version = response.http_version.decode()
        raise RemoteProtocolError(f"response in HTTP/{version}: expected HTTP/1.1 or 1.0")


def _socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType:
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    assert isinstance(stream, trio.SocketStream)
    return stream.socket


def _reason(error: BaseException) -> BaseException:
    """trio wraps what the kernel or OpenSSL said; that is what people can act upon."""
    return error.__cause__ or error
