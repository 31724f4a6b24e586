"""Sessions: the life of one connection, and what is left when it dies.            37/ZMTP 3.1, "Overall Behavior"

    Connector   dial ──► handshake ──► traffic ──► lost: pause, dial again ──► …          one pipe, kept
    Accepted             handshake ──► traffic ──► lost: the end                          a pipe of its own

`connect` makes a `connector`, and `bind` an `acceptor`, which makes an Accepted for each peer. The two ends of a
connection treat its loss differently, which explains most of what surprises in ZeroMQ:

    where a message was               connecting side                      bound side
    in the queue, or partly sent      stays in the pipe; the next          goes with the pipe: lost
                                      connection sends it whole
    wholly taken by the system        lost, if the peer has not read it: it is never sent twice, on either side
    received, and not yet read        the program can still read it, on either side

With the option `immediate`, the connecting side keeps no pipe either while it is not connected. A session starts an
`engine`, which shakes hands, carries the messages, and calls back. An error ends the connection in which it occurs: it
is reported (see `reports`) and never raised, so that no connection can harm another.

Try it: in `Session.finish`, write `True` for `linger == 0 or not self.unsent()`. What waits in a queue is lost.
Read next: `sockets.waiters`, or `connector`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import trio

from ..constants import Event
from ..options import Options
from ..patterns import Pipe
from ..wire import AuthRequest, Connection, Ready
from ..wire.metadata import metadata_as_text
from .engine import Engine
from .link import Link, detach_pipe, new_pipe
from .parting import end_of
from .pulse import Disconnected
from .reports import HEARTBEATS_OFF, Closed, LogOnce, explain, log, may_read_until
from .transports import Stream

if TYPE_CHECKING:
    from ..sockets.links import Links


class Session(Link):
    """What both kinds of session have in common. A Connector has one connection after another, an Accepted has one."""

    __slots__ = (
        "_alarm", "_auth_scope", "_chosen_name", "_deadline", "_engine", "_is_ready", "_links", "_log_once",
        "_new_connection", "_options", "_pipe", "_refused_by_us", "_stream", "endpoint", "finishing",
    )  # fmt: skip

    dialled: ClassVar[bool]  # we are the connecting side

    def __init__(
        self, links: Links, endpoint: str, options: Options, new_connection: Callable[[], Connection], log_once: LogOnce
    ) -> None:
        self.endpoint = endpoint
        self.finishing = False
        self._log_once = log_once
        self._links = links
        self._options = options
        self._new_connection = new_connection
        self._chosen_name = b""  # what the program calls the peer, whatever that calls itself
        self._pipe: Pipe | None = None
        self._engine: Engine | None = None
        self._stream: Stream | None = None
        self._auth_scope: trio.CancelScope | None = None  # of the task that asks the ZAP handler
        self._refused_by_us = False  # the handler refused the peer, or failed
        self._is_ready = False
        self._deadline, self._alarm = math.inf, 0  # the end of its linger, and the reactor's number for that timer

    def start_engine(self, stream: Stream, octets: bytes = b"") -> None:
        """Start an engine. It calls back: `on_ready` after the handshake, `on_closed` in the end.

        octets: what was read from the stream before.
        """
        self._stream = stream
        self._is_ready = self._refused_by_us = False  # again, because a Connector had other connections before
        try:
            self._engine = Engine(stream, self._new_connection(), self._options, self._links.runtime.reactor, self)
            self._engine.start(octets)
        except Exception as error:  # such as OSError, if the system has no file left for the reactor's selector
            if self._engine is not None:
                self._engine.stop(error)
            else:  # there is none to call back
                self.on_closed(error)

    def on_auth_request(self, question: AuthRequest) -> None:
        """Ask the ZAP handler. In a task, because its answer may take a while, and an engine never waits."""
        self._auth_scope = trio.CancelScope()
        self._links.runtime.start_task(partial(self._ask, self._auth_scope, question))

    async def _ask(self, scope: trio.CancelScope, question: AuthRequest) -> None:
        engine, stream = self._engine, self._stream
        if engine is None or stream is None:  # the connection ended before this task began
            return
        with scope:
            try:
                reply = await self._links.runtime.authenticate(question, self._options, stream.peer_address)
                self._refused_by_us = reply.status != 200  # only 200 lets the peer in (27/ZAP)
                engine.on_auth_reply(reply)
            except Exception as error:  # Refused, a malformed reply, or the handler's socket was closed
                self._refused_by_us = True
                engine.stop(error)

    def on_ready(self, ready: Ready) -> None:
        """The handshake is done: the peer gets its pipe, and the pattern and the monitors are told."""
        engine, stream, pattern = self._engine, self._stream, self._links.pattern
        assert engine is not None
        assert stream is not None
        name = self._chosen_name or ready.metadata.get(b"identity", b"")
        pipe = self._pipe_of_peer(name)
        # The address that we see replaces one that the peer states, because a peer could state any.
        metadata = metadata_as_text(ready.metadata | {b"peer-address": stream.peer_address.encode()})
        # If another peer answers than before, the unread messages keep the metadata of the peer that sent them.
        if pipe.metadata not in ({}, metadata):
            pattern.keep_unread(pipe)
        pipe.identity, pipe.metadata = name, metadata
        self._is_ready = True
        text = f"{self.endpoint}: {HEARTBEATS_OFF}" if engine.heartbeats_off else ""
        if text:
            self._log_once(text, is_failure=False)
        self._links.tell(Event.HANDSHAKE_SUCCEEDED, self.endpoint, 0, text)
        if not self.finishing:  # otherwise the pattern has given the pipe up; what is queued in it is sent all the same
            pattern.connected(pipe)
            if why := pattern.why_ignored(pipe):
                # Once also for a Connector, which forgets failures when it is connected again.
                self._log_once(f"{self.endpoint}: {why}", is_failure=not self.dialled)
        else:
            engine.tell_when_drained()
        engine.attach_pipe(pipe, pattern.inspect if pattern.inspects else None)

    def _pipe_of_peer(self, identity: bytes) -> Pipe:
        if self._pipe is None:
            self._pipe = new_pipe(self._links, self._options)
            self._pipe.identity = identity
            self._links.pattern.attach(self._pipe)
        return self._pipe

    def on_drained(self) -> None:
        """All that was queued is with the system: a session that only lingered for that ends."""
        if self.finishing and not self.unsent():
            self._end()

    def on_closed(self, reason: Exception) -> None:
        """The engine has stopped: report why."""
        assert self._stream is not None
        if self._auth_scope is not None:  # the peer has gone before the handler answered
            self._auth_scope.cancel()
        # Before the engine is forgotten, because what is likely to be wrong depends on how far the peer came.
        greeting = self._engine.greeting_octets if self._engine is not None else 0
        self._engine = self._auth_scope = None
        pipe = self._pipe if self._is_ready else None
        # Not closed at once, because a reset would destroy what the peer has not read yet (see `parting`).
        self._links.partings.add(self._stream, *may_read_until(reason, pipe, self._deadline))
        report = explain(
            reason, self.endpoint, self._options, is_ready=self._is_ready, greeting=greeting, dialled=self.dialled
        )
        if report.level:
            self._log_once.failure(report, self._stream.peer_address, dialled=self.dialled, is_ready=self._is_ready)
        elif not isinstance(reason, (Closed, Disconnected)):
            # Logged and not raised, because in the reactor's task it would end all other connections, too.
            log.error("internal error: closing connection to %s (please report this)", self.endpoint, exc_info=reason)
        if report.event is not None:
            self._links.tell(report.event, self.endpoint, report.value, report.text)
        self._links.tell(Event.DISCONNECTED, self.endpoint, self._stream.fileno, report.text)

    def finish(self, linger: int) -> None:
        self.finishing = True
        self._deadline = min(self._deadline, end_of(linger))
        # What the peer sent is discarded, because the program takes no more from it (L-18). What is queued for the peer
        # stays in the pipe, and the engine goes on.
        if self._pipe is not None:
            detach_pipe(self._links.pattern, self._pipe, discard=True)
        if linger == 0 or not self.unsent():
            self._end()
            return
        if self._engine is not None:  # otherwise on_ready does so, if a Connector connects in time
            self._engine.tell_when_drained()
        # Another alarm each time, because a later call may leave less time.
        self._links.runtime.reactor.cancel(self._alarm)
        self._alarm = self._links.runtime.reactor.call_at(self._deadline, self._end)

    _end: Callable[[], None]  # at once: each kind of session has its way

    def _release(self) -> None:
        """The session is over: take the pipe out of the pattern. (finish() has done so already if it was called.)"""
        self._links.runtime.reactor.cancel(self._alarm)  # because the timer would keep us in memory
        if self._pipe is not None and not self.finishing:
            detach_pipe(self._links.pattern, self._pipe)

    def abandon(self) -> None:
        if self._stream is not None:
            self._stream.abandon()

    def unsent(self) -> int:
        # Whatever the writer holds counts as one, because it is some octets, which may be less than a message.
        queued = len(self._pipe.outbound) if self._pipe is not None else 0
        return queued + (self._engine is not None and self._engine.unsent)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [(self._pipe, self._engine is not None)] if self._pipe is not None else []

    def set_hwms(self) -> None:
        if self._pipe is not None:
            self._pipe.outbound.set_hwm(self._links.options.sndhwm)
            self._pipe.inbound.set_hwm(self._links.options.rcvhwm)
