r"""Pool: which connection serves which request.                                      RFC 9112 §9.3, §9.4

A connection costs a round trip or three before it carries its first request, so it is kept for the next one.
At any time each is in one of these states, has one owner, and leaves the state in one of these ways:

    state     owner                           leaves by
    ───────   ─────────────────────────────   ───────────────────────────────────────────────────────────────
    new       the request that was given it   dialled → busy;   failed or cancelled → dropped
    busy      the request, then the body of   body at its end → idle if HTTP allows another, or dropped;
              its response                    failed, cancelled or closed early → dropped
    idle      the pool                        taken → busy;   too old, one too many, closed or written to by
                                              the server, in the way of another origin → dropped
    dropped   nothing; its socket is closed

`_decide` is the only function that hands out connections.  It is not async, so no place is promised to two requests.
Connections are given back in one synchronous call, too.

A request that waits in `_acquire` is given its connection while it sleeps.  If it is cancelled in the same round of
trio's loop, it wakes up with both the connection and the cancellation, and `_take_back` takes the connection.

A server may close an idle connection just when a request is written to it.  The client cannot know whether the server
saw the request, so only a request that does no harm when it is seen twice (GET, PUT, …; RFC 9110 §9.2.2) is sent again.

    >>> pool = Pool(Limits(max_connections=1))
    >>> first = pool._decide(("http", "a.example", 80))
    >>> pool._decide(("http", "b.example", 80)) is None     # no place is free: this one would have to wait
    True
    >>> pool.drop(first); pool
    <Pool: 0 active, 0 idle, 0 waiting>

Below this module: `connection`.  Above it: `client`.  Read next: `client`.
"""

import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress

import trio

from .config import Limits, Timeout, seconds
from .connection import Connection, Heads, Origin
from .errors import PoolTimeout, RemoteProtocolError, StreamClosed, TimeoutException, TransportError
from .headers import Headers
from .request import BodyStream, Request
from .response import Response
from .turns import EVENT, TURN

# Twice does as much as once: RFC 9110 §9.2.2, and RFC 10008 §2 for QUERY.
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"}


class Waiter:
    """A request that found no place: it is given a connection here, and woken."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.connection: Connection | None = None
        self.called = trio.Event()


class Pool:
    """All connections of one client.  uds: the path of a Unix socket that leads to every origin."""

    def __init__(self, limits: Limits, *, uds: str | None = None, verify: bool | ssl.SSLContext = True) -> None:
        self._limits = limits
        self._uds = uds
        self._verify = verify
        self._heads = Heads()
        self._places: set[Connection] = set()
        # OrderedDicts, because a dict needs the more time to find its first entry, the more were deleted before it.
        self._idle: OrderedDict[Connection, float] = OrderedDict()  # since when; the longest idle first
        self._waiting: OrderedDict[Waiter, None] = OrderedDict()
        self._idle_at: dict[Origin, dict[Connection, None]] = {}  # the same connections, by origin
        self.is_closed = False

    # ── deciding: plain functions ───────────────────────────────────────────────────────────────────────────

    def _decide(self, origin: Origin) -> Connection | None:
        """A connection for a request to this origin, idle or new; None if there is no place for one."""
        if self._idle:
            self._drop_expired()
        while idle := self._idle_at.get(origin):
            connection = next(reversed(idle))  # the last one used is the least likely to be closed by its server
            self._take_from_idle(connection)
            if connection.wire.is_quiet():  # unasked, a server says only that it closes or refuses
                return connection
            self._close(connection)
        if self._is_over(len(self._places) + 1, self._limits.max_connections):
            if not self._idle:
                return None
            self._close(next(iter(self._idle)))
        connection = Connection(origin)
        self._places.add(connection)
        return connection

    def _serve_waiters(self) -> None:
        """First come, first served: while the first has to wait, so do all."""
        while self._waiting:
            waiter = next(iter(self._waiting))
            waiter.connection = self._decide(waiter.origin)
            if waiter.connection is None:
                return
            del self._waiting[waiter]
            waiter.called.set()

    def release(self, connection: Connection) -> None:
        """Its response is complete: keep it for the next request if there can be one."""
        if connection not in self._places or not connection.finish():
            self.drop(connection)
            return
        self._keep(connection)

    def _take_back(self, connection: Connection) -> None:
        """Take a connection from a request that was cancelled before it could use it."""
        if connection in self._places and connection.is_open:
            self._keep(connection)
        else:
            self.drop(connection)

    def _keep(self, connection: Connection) -> None:
        self._idle[connection] = trio.current_time()
        self._idle_at.setdefault(connection.origin, {})[connection] = None
        self._serve_waiters()
        if self._is_over(len(self._idle), self._limits.max_keepalive_connections):
            self._close(next(iter(self._idle)))

    def drop(self, connection: Connection) -> None:
        """Close a connection that cannot be used again, which frees its place."""
        self._close(connection)
        self._serve_waiters()

    def _close(self, connection: Connection) -> None:
        if connection in self._idle:
            self._take_from_idle(connection)
        self._places.discard(connection)
        connection.close()

    def _take_from_idle(self, connection: Connection) -> None:
        del self._idle[connection]
        same_origin = self._idle_at[connection.origin]
        del same_origin[connection]
        if not same_origin:
            del self._idle_at[connection.origin]

    def _drop_expired(self) -> None:
        oldest_allowed = trio.current_time() - seconds(self._limits.keepalive_expiry)
        while self._idle and next(iter(self._idle.values())) < oldest_allowed:
            self._close(next(iter(self._idle)))

    @staticmethod
    def _is_over(count: int, limit: int | None) -> bool:
        return limit is not None and count > limit

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────

    def _try_acquire(self, origin: Origin) -> Connection | None:
        if self.is_closed:
            raise RuntimeError("the client has been closed: make a new one")
        return None if self._waiting else self._decide(origin)

    async def _acquire(self, origin: Origin, timeout: float | None) -> Connection:
        if (connection := self._try_acquire(origin)) is not None:
            return connection
        waiter = Waiter(origin)
        self._waiting[waiter] = None
        try:
            with trio.move_on_after(seconds(timeout)):
                await waiter.called.wait()
        except BaseException:
            # A cancelled task stays in the queue until it runs again, so it may have been given a place meanwhile.
            if waiter.connection is not None:
                self._take_back(waiter.connection)
            raise
        finally:
            self._waiting.pop(waiter, None)
        if waiter.connection is not None:
            return waiter.connection
        if self.is_closed:
            raise RuntimeError("the client was closed while this request waited for a connection")
        raise PoolTimeout(f"all {self._limits.max_connections} connections were busy for {timeout} s")

    async def send(self, request: Request, timeout: Timeout) -> Response:
        """The response, its body still to come; until that has been read or closed, it owns a connection."""
        raw = tuple(request.headers.raw)
        head = self._heads.head(request.method, request.url.raw_path, raw, is_all=not request.stream)
        origin = request.url.origin
        started = trio.current_time()
        is_repeated = False
        while True:
            connection = self._try_acquire(origin) or await self._acquire(origin, timeout.pool)
            try:
                if not connection.is_open:
                    await connection.dial(self._uds, self._context(origin), timeout.connect)
                    if self.is_closed:
                        raise RuntimeError("the client was closed while this request connected")
                answer = await connection.ask(head, request.stream, timeout)
                break
            except BaseException as error:
                self.drop(connection)
                if is_repeated or not (_was_idle_too_long(error, connection) and _can_be_repeated(request)):
                    raise
            is_repeated = True
            # What closed this one has most likely closed its idle neighbours, too: go to a new connection.
            for neighbour in list(self._idle_at.get(origin, ())):
                self._close(neighbour)
        return Response(
            answer.status_code,
            headers=Headers.received(connection.headers),
            request=request,
            arriving=Body(self, connection, timeout.read, started),
            reason=answer.reason,
            http_version="HTTP/1.1" if answer.http_version == b"1.1" else f"HTTP/{answer.http_version.decode()}",
        )

    def _context(self, origin: Origin) -> ssl.SSLContext | None:
        """For https, the SSL context; a default one is made when it is first needed (it takes some 20 ms)."""
        if origin[0] != "https":
            return None
        if isinstance(self._verify, bool):
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            if not self._verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._verify = context
        return self._verify

    async def aclose(self) -> None:
        """Close everything.  A request that waits or reads fails."""
        self.is_closed = True
        for waiter in self._waiting:
            waiter.called.set()
        self._waiting.clear()
        for connection in list(self._places):
            self._close(connection)
        await trio.lowlevel.checkpoint()

    def __repr__(self) -> str:
        active = len(self._places) - len(self._idle)
        return f"<Pool: {active} active, {len(self._idle)} idle, {len(self._waiting)} waiting>"


class Body:
    """The body of a response on its way.  It owns the connection until its end, or until it is closed."""

    def __init__(self, pool: Pool, connection: Connection, timeout: float | None, started: float) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._timeout = timeout
        self._started = started
        self._is_complete = False
        self.elapsed: float | None = None
        self.trailers: list[tuple[bytes, bytes]] | None = None

    def at_hand(self) -> bytes | None:
        """The whole body, if nothing has to be waited for; to be asked before any piece of it."""
        connection = self._connection
        if connection is None or connection.upload is not None or connection.turn.spent >= TURN:
            return None
        if (body := connection.body_at_hand()) is None:
            return None
        self._is_complete, self.trailers = True, []
        self._let_go(keep=True)
        return body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._is_complete:
            raise StopAsyncIteration
        if self._connection is None:
            raise StreamClosed("the response was closed before the end of its body")
        connection = self._connection
        try:
            if connection.upload is not None:
                connection.upload.check()
            if piece := await connection.next_piece(self._timeout):
                return piece
            self._is_complete, self.trailers = True, connection.trailers
            if connection.turn.spent >= TURN:
                await connection.turn.end()
            keep = connection.upload is None or await connection.upload.finish()
        except BaseException:
            await connection.stop_upload()
            self._let_go(keep=False)
            raise
        self._let_go(keep)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Let go of the connection.  What is already here is read, so a short body does not end it."""
        connection = self._connection
        if connection is None:
            return
        keep = False
        try:
            with suppress(RemoteProtocolError):  # of a body that is not wanted, what is wrong does not matter
                if _is_end_at_hand(connection):
                    self.trailers = connection.trailers
                    keep = connection.upload is None or await connection.upload.finish()
            await connection.stop_upload()
        finally:
            self._let_go(keep)
        if connection.upload is not None:
            connection.upload.check()

    def _let_go(self, keep: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:  # closed by another task while we were reading
            return
        self.elapsed = trio.current_time() - self._started
        (self._pool.release if keep else self._pool.drop)(connection)


def _is_end_at_hand(connection: Connection) -> bool:
    """Whether the rest of the body is here; as much as one turn may take is looked at."""
    for _ in range(TURN // EVENT):
        if not (piece := connection.piece_at_hand()):
            return piece is not None
    return False


def _was_idle_too_long(error: BaseException, connection: Connection) -> bool:
    """Not its first request, and no octet of answer: the server closed it just when we began to write."""
    broke = isinstance(error, TransportError) and not isinstance(error, TimeoutException)
    return broke and connection.requests > 1 and connection.is_silent


def _can_be_repeated(request: Request) -> bool:
    """The server may have seen the request after all, so only one which it may see twice is sent again."""
    spent = isinstance(request.stream, BodyStream) and request.stream.is_spent
    return request.method in IDEMPOTENT and not spent
