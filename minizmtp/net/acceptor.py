"""Acceptors: a bound endpoint, and the sessions of the peers that connect to it.                           listen(2)

    Acceptor    accept, accept, accept …          one task; after a failure it tries again every 100 ms
    Accepted             handshake ──► traffic ──► the end          no task: it begins connected, and ends with that

A peer that leaves and comes back is a new peer here: a new Accepted with a new pipe. What was queued for the old one is
lost, because a server cannot know whether any peer will come back.

Accepting fails when the process has no file descriptors left. The peers wait in the system's queue meanwhile, and are
accepted when there are descriptors again.

Read next: `inproc`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from ..constants import Event
from ..options import Options
from ..wire import Connection
from .endpoints import Endpoint, Ws
from .link import Binding
from .reports import Closed, LogOnce, code_and_reason, log
from .session import Session
from .tls import secure
from .transports import Listener, Stream

if TYPE_CHECKING:
    from ..sockets.links import Links

# Seconds until a listener tries again after a failed accept.
ACCEPT_PAUSE = 0.1

# After so many seconds without a failed accept the next one is logged, although it has the same cause.
QUIET_PERIOD = 10.0


class Accepted(Session):
    """The accepting side of one connection. It needs no task, because it begins connected and ends with that."""

    __slots__ = ("_acceptor",)
    dialled = False

    def __init__(self, acceptor: Acceptor) -> None:
        links, endpoint, options = acceptor.links, acceptor.endpoint, acceptor.options
        super().__init__(links, endpoint, options, acceptor.new_connection, acceptor.log_once)
        self._acceptor = acceptor

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.stop(Closed())

    def on_closed(self, reason: Exception) -> None:
        try:
            super().on_closed(reason)
            self._release()
        finally:  # whatever goes wrong, because a link that is never over keeps the Context from ending
            self._acceptor.forget(self)


class Acceptor(Binding):
    """A bound endpoint, and the sessions of the peers that connected to it.

    listener: None if another server accepts the connections, and hands them over.
    """

    def __init__(
        self,
        links: Links,
        endpoint: Endpoint,
        options: Options,
        new_connection: Callable[[], Connection],
        listener: Listener | None = None,
    ) -> None:
        super().__init__(links, endpoint, options)
        self.new_connection = new_connection
        self.log_once = LogOnce()  # one for all peers of this endpoint
        self._listener = listener
        self._securing: dict[trio.CancelScope, None] = {}  # of the tasks that shake hands for TLS
        self._failed, self._failed_at = "", -math.inf  # the last failed accept: reason and time
        if listener is not None:
            links.tell(Event.LISTENING, self.endpoint, listener.fileno)

    async def run(self) -> None:
        """The task: ends when the listener is closed."""
        assert self._listener is not None
        while True:
            try:
                # Without a variable, which would keep the last stream in memory while the task waits for the next.
                self._admit(await self._listener.accept())
            except trio.ClosedResourceError:
                return
            except Exception as error:
                # A pause, because the peer stays in the system's queue: the next accept would fail at once.
                self._report_failure(error)
                await trio.sleep(ACCEPT_PAUSE)

    def _admit(self, stream: Stream) -> None:
        if isinstance(self.place, Ws) and self.place.secure:
            self.links.runtime.start_task(partial(self._secure, stream))
        else:
            self.start_session(stream)

    async def _secure(self, stream: Stream) -> None:
        """Shake hands for TLS. In a task of its own, because it waits for the peer."""
        scope = trio.CancelScope()
        self._securing[scope] = None
        try:
            with scope:
                secured = await secure(stream, self.options)
                if self.finishing:  # when `finish` cancelled the scope, the handshake was just done
                    secured.close()
                else:
                    self.start_session(secured)
        except OSError as error:
            text = f"{self.endpoint}: {error.strerror}"
            self.log_once(text, logging.INFO)  # no warning, because anything on the network may connect here
            self.links.tell(Event.HANDSHAKE_FAILED_NO_DETAIL, self.endpoint, error.errno or 0, text)
        finally:
            del self._securing[scope]

    def start_session(self, stream: Stream, octets: bytes = b"") -> None:
        """A connection was accepted, here or by another server, which may have read octets from it."""
        self.links.tell(Event.ACCEPTED, self.endpoint, stream.fileno)
        session = Accepted(self)
        self._accepted[session] = None  # before it starts, because it may end at once, and is forgotten then
        session.start_engine(stream, octets)

    def _report_failure(self, error: Exception) -> None:
        code, reason = code_and_reason(error)
        text = f"{self.endpoint}: {reason}"
        now, before = trio.current_time(), self._failed_at
        self._failed_at = now
        # Not each time, because accept is tried ten times a second. Not by `log_once`, because a shortage that comes
        # back an hour later is news.
        if text != self._failed or now - before > QUIET_PERIOD:
            self._failed = text
            log.warning("%s; trying again every %g s", text, ACCEPT_PAUSE, exc_info=None if code else error)
        self.links.tell(Event.ACCEPT_FAILED, self.endpoint, code, text)

    def _let_no_more_in(self) -> None:
        if self._listener is not None:  # otherwise it is another server that listens, and it goes on
            self._listener.close()
            self.links.tell(Event.CLOSED, self.endpoint, self._listener.fileno)
        for scope in self._securing:
            scope.cancel()

    def abandon(self) -> None:
        if self._listener is not None:
            self._listener.abandon()
        super().abandon()
