"""Connectors: keep one endpoint connected. Dial; when the connection is lost, pause and dial again.      connect(2)

What ends a connection, and what follows (L-20):

    a ZMTP 3 peer refuses us (ERROR, another type or mechanism),     it would do so again:
    or breaks the protocol after its greeting                        the Connector gives up for good
    anything else: closed, broken, too slow, something that is       the Connector dials again
    not ZMTP 3 at the port, no files left, an error of ours          after a pause

The pause is `reconnect_ivl` and up to as much again at random. `reconnect_ivl_max` doubles it with each attempt that
ends before the handshake is done, up to that maximum. After an answer that is not ZMTP 3, and after an error of ours,
the pause doubles without it too, up to sixteen times `reconnect_ivl`, because such a cause is not over in a moment.

**The task of a Connector can be cancelled at any time**, because no message passes through it. It dials and pauses, and
in between it waits for the end of the connection. The messages are moved by the engine, which never waits, so it has
no place where a cancellation could come. However the task ends, it stops the engine, which gives back to the pipe what
has not left whole.

Read next: `acceptor`.
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ..constants import Event
from ..errors import ProtocolError
from ..options import Options
from ..wire import Connection, Ready
from .addresses import dialled_place
from .advice import NOT_THERE, advice
from .endpoints import Endpoint, Tcp, Ws
from .link import detach_pipe
from .pulse import Disconnected
from .reports import Closed, LogOnce, code_and_reason
from .session import Session
from .tls import dial_wss
from .transports import Stream, dial

if TYPE_CHECKING:
    from ..sockets.links import Links

# Without reconnect_ivl_max: how often the pause doubles after answers that are not ZMTP 3, and after errors of ours.
MAX_DOUBLINGS = 4

# Seconds without a connection after which a Connector logs that the server is not there.
NOT_THERE_AFTER = 10.0

# Causes of a failed connect that are logged, because they are on this machine. A server that is not there yet is not.
LOCAL_FAILURES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, 0}


class Connector(Session):
    """The connecting side: keeps one endpoint connected. It has a task, because dialling and pausing take time."""

    dialled = True
    _is_over: trio.Event  # the present connection has ended

    def __init__(
        self, links: Links, endpoint: Endpoint, text: str, options: Options, new_connection: Callable[[], Connection]
    ) -> None:
        super().__init__(links, text, options, new_connection, LogOnce())
        self.place = dialled_place(endpoint, options)
        self._address = endpoint
        self._failures = 0  # since the last handshake
        self._strange_failures = 0  # in a row: an answer that is not ZMTP 3, or an error of ours
        self._failure = f"{text}: no answer"  # of the last attempt
        self._warning = 0  # the reactor's number for the warning that there is no connection
        self._expect_server()
        self._scope = trio.CancelScope()
        self._may_redial = True
        self._chosen_name = options.connect_routing_id
        if not options.immediate:  # so that the program can send before the server is there
            self._pipe_of_peer(self._chosen_name)

    async def run(self) -> None:
        """The session's task. Ends when the link is over."""
        try:
            with self._scope:
                while True:
                    stream = await self._dial()
                    if stream is not None:
                        self._is_over = trio.Event()  # before the engine, which may end at once
                        self.start_engine(stream)
                        await self._is_over.wait()
                    pause = self._next_pause()
                    if pause is None:  # for good, with all that still waits in the pipe
                        return
                    self._links.tell(Event.CONNECT_RETRIED, self.endpoint, round(pause * 1000))
                    await trio.sleep(pause)
        finally:
            # Also if the Context's nursery was cancelled: the monitors hear of it, and the file is closed.
            if self._engine is not None:
                self._engine.stop(Closed())
            self._links.runtime.reactor.cancel(self._warning)
            self._release()
            self._links.ended(self)

    def _end(self) -> None:
        self._scope.cancel()  # not the engine alone, because the task may be dialling or pausing, too

    async def _dial(self) -> Stream | None:
        """Try once; None if it has failed. Whatever the error is, the next attempt may succeed."""
        tell = self._links.tell
        if isinstance(self._address, (Tcp, Ws)):  # over ipc a connect succeeds or fails at once, without delay
            tell(Event.CONNECT_DELAYED, self.endpoint, errno.EINPROGRESS)
        stream: Stream
        try:
            if isinstance(self._address, Ws) and self._address.secure:
                stream = await dial_wss(self._address, self._options)
            else:
                stream = await dial(self._address, self._options)
        except Exception as error:
            code, reason = code_and_reason(error)
            text = f"{self.endpoint}: {reason}{advice(error, self._options, None, dialled=True)}"
            # At once, because no server that starts later will help. Anything else is logged if it lasts (see `_warn`).
            if code in LOCAL_FAILURES or isinstance(error, socket.gaierror):
                self._log_once(text)
            self._failure = text
            tell(Event.CLOSED, self.endpoint, code, text)
            return None
        tell(Event.CONNECTED, self.endpoint, stream.fileno)
        return stream

    def _expect_server(self) -> None:
        self._warning = self._links.runtime.reactor.call_at(trio.current_time() + NOT_THERE_AFTER, self._warn)

    def _warn(self) -> None:
        """Log that there is still no connection, unless a better reason is logged already."""
        if not self._log_once.has_warned:
            self._log_once(self._failure + NOT_THERE.format(NOT_THERE_AFTER))

    def on_ready(self, ready: Ready) -> None:
        super().on_ready(ready)
        self._links.runtime.reactor.cancel(self._warning)
        # Only now, and not when TCP has connected, because any program may listen there.
        self._failures = self._strange_failures = 0
        self._log_once.forget_failures()

    def on_closed(self, reason: Exception) -> None:
        # A peer that refused us, or broke the protocol, would do so again. It is different if our own handler refused
        # the peer (it may allow the next one), and if the peer does not speak ZMTP 3 (the right one may come later).
        said_no = isinstance(reason, ProtocolError) and reason.is_zmtp and not self._refused_by_us
        self._may_redial = not said_no and not isinstance(reason, Closed)
        self._strange_failures = 0 if isinstance(reason, (Disconnected, OSError)) else self._strange_failures + 1
        self._failure = f"{self.endpoint}: {reason}"
        try:
            super().on_closed(reason)
            if self._may_redial:
                if self._is_ready:  # otherwise the time runs since the connection before
                    self._expect_server()
                self._keep_or_drop_pipe()
                # If the pipe was dropped, there is nothing left to linger for.
                self.on_drained()
        finally:  # whatever goes wrong, because the task would wait for ever
            self._is_over.set()

    def _keep_or_drop_pipe(self) -> None:
        """The connection broke. The pipe stays, unless `immediate` asks for pipes to connected peers only (L-7)."""
        if self._pipe is None:
            return
        if self._options.immediate:
            detach_pipe(self._links.pattern, self._pipe)
            self._pipe = None
        elif not self.finishing:  # finish() has taken the pipe out of the pattern already
            self._links.pattern.disconnected(self._pipe)

    def _next_pause(self) -> float | None:
        """Seconds until the next attempt, or None for never (L-5).

        Partly random, so that the clients of a server that comes back do not all dial at the same moment.
        """
        base, most = self._options.reconnect_ivl / 1000, self._options.reconnect_ivl_max / 1000
        if base <= 0 or not self._may_redial:  # as in libzmq, both 0 and -1 mean that it never reconnects
            return None
        self._failures += 1
        # With a maximum the pause is not random, as in libzmq.
        if most > 0:  # (at most 2³² times, because a power of some thousand attempts is no float)
            return min(most, base * 2 ** min(self._failures - 1, 32)) if most > base else base
        doublings = min(max(self._strange_failures - 1, 0), MAX_DOUBLINGS)
        return base * (1 << doublings) + random.random() * base
