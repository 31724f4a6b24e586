r"""serve: a small server for HTTP/1.1.                                              RFC 9112 §9; RFC 9110 §15.6.4

    async def handler(request):
        return minihttp.Response(200, json={"you asked for": request.url.path})

    await minihttp.serve(handler, "127.0.0.1", 8000)

    listeners ──► one Session per connection ──► the handler
        │
        └ above max_connections: the connection that has been idle longest is closed; if none is, the new one gets 503

What a client can cost is bounded, and each bound is a parameter of `serve`.  The status tells the client which one
it has exceeded: 408 head_timeout, 413 max_body_size, 414 and 431 max_header_size, 431 max_headers.

Below this module: `session`.  Above it: nothing.  Read next: h11's own source, which is what `wire.Connection`
in minizmtp is modelled on.
"""

import errno
import logging
import os
import ssl
from contextlib import suppress
from functools import partial
from stat import S_ISSOCK
from typing import NoReturn

import trio

from .session import LINGER, BodyTooLarge, Handler, Rules, Session
from .streams import BROKEN, Wire

__all__ = ["BodyTooLarge", "Handler", "Session", "serve"]

TURNED_AWAY = 100  # connections that may be told at once that there are too many; others are closed without a word

log = logging.getLogger(__name__)

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n"
    b"Connection: close\r\n\r\ntoo many connections\n"
)


async def serve(
    handler: Handler,
    host: str | None = "127.0.0.1",
    port: int = 0,
    *,
    uds: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    max_connections: int = 1000,
    max_header_size: int = 16384,
    max_headers: int = 100,
    max_body_size: int | None = 104_857_600,
    idle_timeout: float = 30.0,
    head_timeout: float = 10.0,
    stop: trio.Event | None = None,
    grace: float = 5.0,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests until cancelled, or until `stop` is set.

    port: 0 lets the kernel choose; `nursery.start` returns the listeners, which know.
    uds: the path of a Unix socket to listen at instead.
    max_connections: open at the same time.  When there is one more, the one that has been idle longest is closed.
    max_header_size: octets of the head of a request, and max_headers: how many headers it may have.
    max_body_size: octets of the body of a request; None for no limit.
    idle_timeout: seconds that a client may let pass before it sends its next request, sends the next piece of a
    body, or takes more of a response.
    head_timeout: seconds from the first octet of a head to its last.
    stop: when it is set, no new connection is accepted, idle connections are closed, and requests that are being
    served have `grace` seconds to finish.

    A handler is cancelled when its client closes the connection.
    """
    stop = trio.Event() if stop is None else stop
    rules = Rules(handler, max_header_size, max_headers, max_body_size, idle_timeout, head_timeout)
    listeners = [await _listen_at(uds)] if uds else await trio.open_tcp_listeners(port, host=host)
    sessions: set[Session] = set()
    turned_away: set[Wire] = set()

    async def attend(stream: trio.SocketStream) -> None:
        try:
            if len(sessions) >= max_connections and not _make_room(rules):
                await _turn_away(Wire(stream.socket), turned_away, is_secured=ssl_context is not None)
                return
            session = Session(stream, rules, ssl_context)
            sessions.add(session)
            if stop.is_set():  # accepted at the last moment
                session.leave()
            try:
                await session.run()
            finally:
                sessions.discard(session)
        except Exception:
            log.exception("a connection failed")  # a mistake of ours: it ends this connection and no other

    try:
        async with trio.open_nursery() as watching:
            watching.start_soon(watch, rules)
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as doors:
                    doors.start_soon(partial(trio.serve_listeners, attend, listeners, handler_nursery=connections))
                    task_status.started(listeners)
                    await stop.wait()
                    doors.cancel_scope.cancel()
                for session in sessions:
                    session.leave()
                connections.cancel_scope.deadline = trio.current_time() + grace
            watching.cancel_scope.cancel()
    finally:
        if uds:
            with suppress(OSError):
                os.unlink(uds)


async def watch(rules: Rules) -> NoReturn:
    """Tell sessions that they have waited for idle_timeout, or that they have served for WATCH_AFTER.

    Both kinds stand in the order in which they will be due, so the first of each is the one to sleep for.  When
    none waits, one that begins to wait meanwhile will not be due before this has looked again.
    """
    while True:
        now = trio.current_time()
        while session := _due(rules.waiting, now):
            session.be_late()
            await trio.lowlevel.checkpoint()  # because closing a thousand at once would hold up others
        while session := _due(rules.serving, now):
            session.start_reader()
        look_again = next(iter(rules.waiting.values()), now + rules.idle_timeout)
        if rules.serving:
            await trio.sleep_until(min(look_again, next(iter(rules.serving.values()))))
        else:
            rules.has_begun = trio.Event()
            with trio.move_on_at(look_again):
                await rules.has_begun.wait()


def _due(sessions: dict[Session, float], now: float) -> Session | None:
    """Take out the first one, if its time has come."""
    session, time = next(iter(sessions.items()), (None, now))
    if session is None or time > now:
        return None
    del sessions[session]
    return session


def _make_room(rules: Rules) -> bool:
    """Close the connection that has been idle longest; False if none is idle."""
    for session in rules.waiting:
        if session.is_idle:
            del rules.waiting[session]  # the next one in the same turn of the loop needs another
            session.leave()
            return True
    return False


async def _turn_away(wire: Wire, turned_away: set[Wire], *, is_secured: bool) -> None:
    """Say 503 to a connection that there is no room for, if that costs nothing but a moment."""
    turned_away.add(wire)
    try:
        if len(turned_away) <= TURNED_AWAY and not is_secured:
            with trio.move_on_after(LINGER), suppress(*BROKEN):
                wire.put(FULL)
                wire.end()
                while await wire.receive(None):
                    pass
    finally:
        turned_away.discard(wire)
        wire.close()


async def _listen_at(path: str) -> trio.SocketListener:
    """A Unix socket.  A socket file that no process listens at is removed; one that is in use is an error."""
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
