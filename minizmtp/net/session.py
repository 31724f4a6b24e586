"""Sessions: what keeps a connection alive, and what is left when it dies.               37/ZMTP 3.1, "Overall Behavior"

`connect` makes a Connector. `bind` makes an Acceptor, which makes an Accepted for each peer:

    Connector   dial ──► handshake ──► traffic ──► it broke: pause, dial again ──► …               one pipe, kept
    Acceptor    accept, accept, accept …
    Accepted            handshake ──► traffic ──► it broke: the end                                 a pipe of its own

So the two ends of a connection treat its end differently, which explains most of what surprises in ZeroMQ. The
connecting side has a pipe from the moment of `connect`. It queues messages there before it is connected, and keeps them
while it is disconnected. The accepting side has a pipe for a peer only as long as that peer is connected.

What ends a connection, and what follows (L-20):

    a ZMTP 3 peer refuses us (ERROR, another type or mechanism),     it would do so again:
    or breaks the protocol after its greeting                        a Connector gives up for good
    anything else: closed, broken, too slow, something that is       a Connector dials again
    not ZMTP 3 at the port, no files left, an error of ours          after a pause

The pause is `reconnect_ivl` and up to as much again at random. `reconnect_ivl_max` doubles it with each failure, up
to that maximum. An attempt has failed if it ends before the handshake is done, so a server that accepts and closes
counts as a failure. If a peer does not speak ZMTP 3, the pause doubles without `reconnect_ivl_max` too, up to sixteen
times `reconnect_ivl`, because it is most likely another program, which should not be asked ten times a second. The same
goes for an error of ours.

An error in a connection ends that connection. It is reported to the monitors and never raised, so that no connection
can harm another.

Read next: `inproc`.
"""

from __future__ import annotations

import errno
import logging
import math
import random
import re
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

import trio

from ..constants import Event, SocketType
from ..errors import EINVAL, ProtocolError, Refused, Secret, ZMQError
from ..options import CONFLATE, Options
from ..patterns import Pattern, Pipe
from ..patterns.queue import Queue
from ..wire import AuthRequest, Connection, Ready, z85
from ..wire.curve import CurveClient, CurveServer, keypair
from ..wire.mechanisms import Mechanism, Null
from ..wire.metadata import metadata_as_text
from ..wire.plain import PlainClient, PlainServer
from .advice import NOT_THERE, advice
from .endpoints import Endpoint, Tcp
from .engine import Disconnected, Engine
from .transports import Listener, Stream, dial, dialled_place

if TYPE_CHECKING:
    from ..sockets.links import Links

log = logging.getLogger("minizmtp")

# Without reconnect_ivl_max: how often the pause doubles after answers that are not ZMTP 3, and after errors of ours.
MAX_DOUBLINGS = 4

# Causes of a failed connect that are on this machine, and so are logged. A server that is not there yet is not.
LOCAL_FAILURES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# Seconds without a connection after which a Connector logs that the server is not there.
NOT_THERE_AFTER = 10.0

# Seconds until a listener tries again after a failed accept.
ACCEPT_PAUSE = 0.1

# After so many seconds without a failed accept the next one is logged, although it has the same cause.
QUIET_PERIOD = 10.0

# How many different failures of one endpoint are logged. A bound, because a peer chooses the text, and each is kept.
MAX_LOGGED = 100


class LogOnce:
    """Logs each reason once for one endpoint, because a peer may come again every 100 ms."""

    __slots__ = ("_logged", "has_warned")

    def __init__(self) -> None:
        self.has_warned = False  # of a failure, since the endpoint last worked
        self._logged: dict[str, bool] = {}  # by reason: is it to be kept by forget_failures?

    def __call__(self, reason: str, level: int = logging.WARNING, *, is_failure: bool = True, cause: str = "") -> None:
        """cause: if given, counts instead of the reason, which may say of each peer something else."""
        cause = cause or reason
        if cause not in self._logged and not (is_failure and len(self._logged) >= MAX_LOGGED):
            self._logged[cause] = not is_failure
            self.has_warned |= is_failure and level >= logging.WARNING
            log.log(level, "%s", reason)

    def forget_failures(self) -> None:
        """The endpoint works now, so its next failure is news again."""
        self.has_warned = False
        self._logged = {reason: True for reason, is_kept in self._logged.items() if is_kept}


class Link(Protocol):
    """What a socket has for each bind, connect and accepted peer; over inproc too (see `inproc`)."""

    endpoint: str
    finishing: bool

    @property
    def place(self) -> Endpoint:
        """Where endpoint is, in the one spelling by which two can be compared (see `transports`)."""

    def abandon(self) -> None:
        """In a child of a fork: close the descriptors, and leave all else to the parent."""

    def finish(self, linger: int) -> None:
        """Accept no more messages, and end when what is queued is sent, or after linger milliseconds (−1: no limit). If
        it is called again, the shorter time counts."""

    def unsent(self) -> int:
        """How many messages are still to be sent."""

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        """Its pipes, each with whether a peer is connected now."""

    def set_hwms(self) -> None:
        """Make its pipes as deep as the options of the socket say now."""


def new_pipe(links: Links, options: Options) -> Pipe:
    """A pipe for one peer, as deep as the options of the socket say now."""
    if options.conflate and links.socket_type in CONFLATE:
        return Pipe(outbound=Queue(conflate=True), inbound=Queue(conflate=True))
    return Pipe(outbound=Queue(links.options.sndhwm), inbound=Queue(links.options.rcvhwm))


def detach_pipe(pattern: Pattern, pipe: Pipe, discard: bool = False) -> None:
    """The peer has gone. What it sent can still be read, unless it is discarded."""
    if discard:
        pattern.discard(pipe)
    else:
        pattern.detach(pipe)
    pipe.inbound.set_reader()  # because the callback refers to the pipe, which could not be freed at once otherwise


def choose_mechanism(options: Options) -> Callable[[], Mechanism]:
    """A function that makes the mechanism of one connection, of the kind that the options ask for. Raises ZMQError if
    that is CURVE and a key, or PyNaCl, is missing."""
    if options.curve_server:
        if not options.curve_secretkey:
            raise ZMQError(EINVAL, "curve_server needs curve_secretkey: see minizmtp.curve_keypair()")
        public, secret = keypair(Secret(z85.decode(options.curve_secretkey)))
        return partial(CurveServer, secret, public=public)
    if options.curve_serverkey:
        if not (options.curve_publickey and options.curve_secretkey):
            raise ZMQError(EINVAL, "curve_serverkey needs our own curve_publickey and curve_secretkey, too")
        public, secret = z85.decode(options.curve_publickey), Secret(z85.decode(options.curve_secretkey))
        return partial(CurveClient, public, secret, z85.decode(options.curve_serverkey))
    if options.plain_server:
        return PlainServer
    if options.plain_username or options.plain_password:
        return partial(PlainClient, options.plain_username, options.plain_password)
    return partial(Null, ask=bool(options.zap_domain))


def choose_connection(socket_type: SocketType, options: Options) -> Callable[[], Connection]:
    """A function that makes one connection after another. Options are looked up, and keys decoded, only once."""
    new_mechanism = choose_mechanism(options)
    new = partial(
        Connection,
        socket_type,
        identity=options.routing_id,
        max_message_size=options.maxmsgsize,
        max_unfinished=options.maxunfinished,
    )
    return lambda: new(mechanism=new_mechanism())


HEARTBEATS_OFF = (
    "heartbeat_ivl has no effect with this peer, because it speaks ZMTP 3.0, which has no PING. If it is libzmq 4.2"
    " or later, JeroMQ or NetMQ, which answer PING all the same, set heartbeat_old_peers to 1"
)


class Session:
    """What both kinds of session have in common. A Connector has one connection after another, an Accepted has one."""

    __slots__ = (
        "_auth_scope",
        "_chosen_name",
        "_engine",
        "_is_ready",
        "_links",
        "_log_once",
        "_new_connection",
        "_options",
        "_pipe",
        "_refused_by_us",
        "_stream",
        "endpoint",
        "finishing",
    )

    def __init__(
        self,
        links: Links,
        endpoint: str,
        options: Options,
        new_connection: Callable[[], Connection],
        log_once: LogOnce,
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

    def abandon(self) -> None:
        if self._stream is not None:
            self._stream.abandon()

    def finish(self, linger: int) -> None:
        self.finishing = True
        # What the peer sent is discarded, because the program has said that it wants no more of it. What is queued for
        # the peer stays in the pipe, and the engine goes on sending it.
        if self._pipe is not None:
            detach_pipe(self._links.pattern, self._pipe, discard=True)
        if linger == 0 or not self.unsent():
            self._end()
            return
        if self._engine is not None:
            self._engine.tell_when_drained()
        if linger > 0:
            self._end_by(trio.current_time() + linger / 1000)

    def _end(self) -> None:
        raise NotImplementedError

    def _end_by(self, deadline: float) -> None:
        """End at that time (of trio.current_time), if not sooner."""
        raise NotImplementedError

    def _release(self) -> None:
        """Take the pipe out of the pattern; finish() has done so already if it was called."""
        if self._pipe is not None and not self.finishing:
            detach_pipe(self._links.pattern, self._pipe)

    def unsent(self) -> int:
        queued = len(self._pipe.outbound) if self._pipe is not None else 0
        return queued + (self._engine is not None and self._engine.unsent)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [(self._pipe, self._engine is not None)] if self._pipe is not None else []

    def set_hwms(self) -> None:
        if self._pipe is not None:
            self._pipe.outbound.set_hwm(self._links.options.sndhwm)
            self._pipe.inbound.set_hwm(self._links.options.rcvhwm)

    # ------------------------------------------------------------- one connection, start to end (engine.EngineListener)

    def _start_engine(self, stream: Stream) -> None:
        """Start an engine. It calls back: `on_ready` after the handshake, `on_closed` in the end."""
        self._stream = stream
        self._is_ready = self._refused_by_us = False
        try:
            self._engine = Engine(stream, self._new_connection(), self._options, self._links.runtime.reactor, self)
            self._engine.start(self._options.handshake_ivl / 1000 or math.inf)
        except Exception as error:  # because the system may have no file left for the reactor's selector
            if self._engine is not None:
                self._engine.stop(error)
            else:
                stream.close()
                self.on_closed(error)

    def on_auth_request(self, question: AuthRequest) -> None:
        """Ask the ZAP handler. In a task, because its answer may take a while, and an engine never waits."""
        assert self._engine is not None
        assert self._stream is not None
        self._auth_scope = trio.CancelScope()
        self._links.runtime.start_task(
            partial(self._ask, self._auth_scope, question, self._engine, self._stream.peer_address)
        )

    async def _ask(self, scope: trio.CancelScope, question: AuthRequest, engine: Engine, address: str) -> None:
        with scope:
            try:
                reply = await self._links.runtime.authenticate(question, self._options, address)
                self._refused_by_us = reply.status != 200
                engine.on_auth_reply(reply)
            except Exception as error:  # a malformed reply, or the handler's socket was closed
                self._refused_by_us = True
                engine.stop(error)

    def on_ready(self, ready: Ready) -> None:
        """The handshake is done: the peer gets its pipe, and the pattern and the monitors are told."""
        assert self._engine is not None
        assert self._stream is not None
        identity = ready.metadata.get(b"identity", b"")
        name = self._chosen_name or identity
        pipe = self._pipe_of_peer(name)
        # The address that we see replaces one that the peer states, because a peer could state any.
        address = self._stream.peer_address.encode()
        said = metadata_as_text(ready.metadata | {b"peer-address": address})
        # Another peer than before the connection broke: messages of the first one, not read yet, keep its metadata.
        if pipe.metadata not in ({}, said):
            self._links.pattern.keep_unread(pipe)
        pipe.identity, pipe.metadata = name, said
        self._is_ready = True
        text = ""
        if self._engine.heartbeats_off:
            text = f"{self.endpoint}: {HEARTBEATS_OFF}"
            self._log_once(text, is_failure=False)
        self._links.tell(Event.HANDSHAKE_SUCCEEDED, self.endpoint, 0, text)
        pattern = self._links.pattern
        if not self.finishing:  # otherwise the pattern has given the pipe up; what is queued in it is sent all the same
            pattern.connected(pipe)
            if why := pattern.why_ignored(pipe):
                self._log_once(f"{self.endpoint}: {why}")
        else:
            self._engine.tell_when_drained()
        self._engine.attach_pipe(pipe, pattern.inspect if pattern.inspects else None)

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
        """The engine has stopped: report why to the monitors, and log what the program should know."""
        assert self._stream is not None
        if self._auth_scope is not None:  # the peer has gone before the handler answered
            self._auth_scope.cancel()
        engine, self._engine, self._auth_scope = self._engine, None, None
        tell, endpoint = self._links.tell, self.endpoint
        text = f"{endpoint}: {reason}"
        octets = engine.greeting_octets if engine is not None else 0
        hint = "" if self._is_ready else advice(reason, self._options, octets, dialled=self.dialled)
        if isinstance(reason, Closed):  # nothing has failed
            text = str(reason)
        elif isinstance(reason, ProtocolError):
            text += hint
            self._log(text)
            if isinstance(reason, Refused):
                tell(Event.HANDSHAKE_FAILED_AUTH, endpoint, reason.status, text)
            elif not self._is_ready:
                tell(Event.HANDSHAKE_FAILED_PROTOCOL, endpoint, reason.violation, text)
        elif isinstance(reason, (Disconnected, OSError)):
            if isinstance(reason, OSError):  # of this system, because the stream turns its own into Disconnected
                text = f"{endpoint}: {reason.strerror}"
                self._log(text)
            if not self._is_ready:
                text += hint
                if hint:  # but not else, because a server that is being stopped hangs up like this, too
                    self._log(text, logging.WARNING if "most likely" in hint else logging.INFO)
                tell(Event.HANDSHAKE_FAILED_NO_DETAIL, endpoint, reason.errno or 0, text)
        else:
            # Logged and not raised, because in the reactor's task it would end all other connections, too.
            log.error("internal error: closing connection to %s (please report this)", endpoint, exc_info=reason)
        tell(Event.DISCONNECTED, endpoint, self._stream.fileno, text)

    dialled: ClassVar[bool]

    def _log(self, reason: str, level: int = logging.WARNING) -> None:
        """Log why a connection failed: once for each cause, whatever numbers the reason has."""
        assert self._stream is not None
        if not (self.dialled or self._is_ready):
            # Anything on the network may connect here and fail, and that is not a fault of the program.
            self._log_once(reason, logging.INFO)
        elif self.dialled:
            self._log_once(reason, level)
        else:
            self._log_once(f"{reason} (the peer is {self._stream.peer_address})", cause=re.sub(r"\d+", "", reason))


class Closed(Exception):
    """We have closed the connection ourselves."""

    def __init__(self) -> None:
        super().__init__("closed by us")


class Connector(Session):
    """The connecting side: keeps one endpoint connected. It has a task, because dialling and pausing take time."""

    def __init__(self, links: Links, endpoint: Endpoint, text: str, options: Options) -> None:
        super().__init__(links, text, options, choose_connection(links.socket_type, options), LogOnce())
        self.place = dialled_place(endpoint, options)
        self._address = endpoint
        self._failures = 0  # since the last handshake
        self._strange_failures = 0  # in a row: an answer that is not ZMTP 3, or an error of ours
        self._failure = f"{text}: no answer"  # of the last attempt
        self._alarm = 0  # the reactor's number for the warning that there is no connection
        self._expect_server()
        self._scope = trio.CancelScope()
        self._may_redial = True
        self._is_over = trio.Event()
        self._chosen_name = options.connect_routing_id
        if not options.immediate:
            self._pipe_of_peer(self._chosen_name)

    async def run(self) -> None:
        """The session's task. Ends when the link is over."""
        try:
            with self._scope:
                await self._keep_connected()
        finally:
            if self._engine is not None:
                self._engine.stop(Closed())
            self._links.runtime.reactor.cancel(self._alarm)
            self._release()
            self._links.ended(self)

    def _end(self) -> None:
        self._scope.cancel()

    def _end_by(self, deadline: float) -> None:
        self._scope.deadline = min(self._scope.deadline, deadline)

    async def _keep_connected(self) -> None:
        while self._may_redial:
            stream = await self._dial()
            if stream is not None:
                self._is_over = trio.Event()
                self._start_engine(stream)
                await self._is_over.wait()
                if not self._may_redial:
                    return
            pause = self._pause()
            if pause is None:
                return
            self._links.tell(Event.CONNECT_RETRIED, self.endpoint, round(pause * 1000))
            await trio.sleep(pause)

    async def _dial(self) -> Stream | None:
        tell = self._links.tell
        if isinstance(self._address, Tcp):  # over ipc a connect succeeds or fails at once, without delay
            tell(Event.CONNECT_DELAYED, self.endpoint, errno.EINPROGRESS)
        try:
            stream = await dial(self._address, self._options)
        except OSError as error:
            text = f"{self.endpoint}: {error.strerror}{advice(error, self._options, None, dialled=True)}"
            if error.errno in LOCAL_FAILURES or isinstance(error, socket.gaierror):
                self._log_once(text)
            self._failure = text
            tell(Event.CLOSED, self.endpoint, error.errno or 0, text)
            return None
        except Exception as error:  # such as no thread to look up a name: the next attempt may succeed
            text = f"{self.endpoint}: {error!r}"
            self._log_once(text)
            tell(Event.CLOSED, self.endpoint, 0, text)
            return None
        tell(Event.CONNECTED, self.endpoint, stream.fileno)
        return stream

    def _expect_server(self) -> None:
        self._alarm = self._links.runtime.reactor.call_at(trio.current_time() + NOT_THERE_AFTER, self._warn)

    def _warn(self) -> None:
        """Log that there is still no connection, unless a better reason is logged already."""
        if not self._log_once.has_warned:
            self._log_once(self._failure + NOT_THERE.format(NOT_THERE_AFTER))

    def on_ready(self, ready: Ready) -> None:
        super().on_ready(ready)
        self._links.runtime.reactor.cancel(self._alarm)
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
                if self._is_ready:
                    self._expect_server()
                self._lost()
                self.on_drained()
        finally:
            self._is_over.set()

    dialled = True

    def _lost(self) -> None:
        """The connection broke. The pipe stays, unless `immediate` asks for pipes to connected peers only (L-7)."""
        if self._pipe is None:
            return
        if not self._options.immediate:
            if not self.finishing:  # finish() has taken the pipe out of the pattern already
                self._links.pattern.disconnected(self._pipe)
        else:
            detach_pipe(self._links.pattern, self._pipe)
            self._pipe = None

    def _pause(self) -> float | None:
        """Seconds until the next attempt, or None for never (L-5).

        Partly random, so that the clients of a server that comes back do not all dial at the same moment.
        """
        base, most = self._options.reconnect_ivl / 1000, self._options.reconnect_ivl_max / 1000
        if base <= 0:  # as in libzmq, both 0 and -1 mean that it never reconnects
            return None
        self._failures += 1
        # With a maximum the pause is not random, as in libzmq.
        if most > 0:
            return min(most, base * 2 ** min(self._failures - 1, 32)) if most > base else base
        doublings = min(max(self._strange_failures - 1, 0), MAX_DOUBLINGS)
        return base * (1 << doublings) + random.random() * base


class Accepted(Session):
    """The accepting side of one connection. It needs no task, because it begins connected and ends with that."""

    __slots__ = ("_acceptor", "_alarm", "_deadline")

    def __init__(self, acceptor: Acceptor) -> None:
        links, endpoint, options = acceptor.links, acceptor.endpoint, acceptor.options
        super().__init__(links, endpoint, options, acceptor.new_connection, acceptor.log_once)
        self._acceptor = acceptor
        self._deadline, self._alarm = math.inf, 0  # the end of its linger, and the reactor's number for that timer

    def begin(self, stream: Stream) -> None:
        """Start the greeting."""
        self._start_engine(stream)

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.stop(Closed())

    def _end_by(self, deadline: float) -> None:
        if deadline < self._deadline:
            self._links.runtime.reactor.cancel(self._alarm)
            self._deadline, self._alarm = deadline, self._links.runtime.reactor.call_at(deadline, self._end)

    def on_closed(self, reason: Exception) -> None:
        try:
            super().on_closed(reason)
            self._release()
        finally:
            self._links.runtime.reactor.cancel(self._alarm)  # because the timer would keep us in memory
            self._acceptor.forget(self)

    dialled = False


class Acceptor:
    """A bound endpoint, and the sessions of the peers that connected to it."""

    def __init__(self, links: Links, listener: Listener, options: Options) -> None:
        self.endpoint = str(listener.endpoint)
        self.place = listener.endpoint
        self.finishing = False
        self.links = links
        self.options = options
        self.new_connection = choose_connection(links.socket_type, options)
        self.log_once = LogOnce()  # one for all peers of this endpoint
        self._listener = listener
        self._sessions: dict[Session, None] = {}
        self._failed, self._failed_at = "", -math.inf  # the last failed accept: reason and time
        links.tell(Event.LISTENING, self.endpoint, listener.fileno)

    async def run(self) -> None:
        """The task: ends when the listener is closed."""
        while True:
            try:
                self._start_session(await self._listener.accept())
            except trio.ClosedResourceError:
                return
            except Exception as error:
                self._report_failure(error)
                await trio.sleep(ACCEPT_PAUSE)

    def _start_session(self, stream: Stream) -> None:
        self.links.tell(Event.ACCEPTED, self.endpoint, stream.fileno)
        session = Accepted(self)
        self._sessions[session] = None
        session.begin(stream)

    def _report_failure(self, error: Exception) -> None:
        """Most likely there are no file descriptors left. The peers wait in the system's queue meanwhile."""
        code, reason = (error.errno or 0, error.strerror) if isinstance(error, OSError) else (0, repr(error))
        text = f"{self.endpoint}: {reason}"
        now, before = trio.current_time(), self._failed_at
        self._failed_at = now
        # Not each time, because accept is tried ten times a second.
        if text != self._failed or now - before > QUIET_PERIOD:
            self._failed = text
            is_known = isinstance(error, OSError)
            log.warning("%s; trying again every %g s", text, ACCEPT_PAUSE, exc_info=None if is_known else error)
        self.links.tell(Event.ACCEPT_FAILED, self.endpoint, code, text)

    def abandon(self) -> None:
        self._listener.abandon()
        for session in self._sessions:
            session.abandon()

    def forget(self, session: Session) -> None:
        """The session has ended."""
        del self._sessions[session]
        if self.finishing and not self._sessions:
            self.links.ended(self)

    def finish(self, linger: int) -> None:
        """Stop listening, and finish all sessions (L-19)."""
        if not self.finishing:
            self.finishing = True
            self._listener.close()
            self.links.tell(Event.CLOSED, self.endpoint, self._listener.fileno)
        for session in list(self._sessions):
            session.finish(linger)
        if not self._sessions:
            self.links.ended(self)

    def unsent(self) -> int:
        return sum(session.unsent() for session in self._sessions)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [pipe for session in self._sessions for pipe in session.pipes()]

    def set_hwms(self) -> None:
        for session in self._sessions:
            session.set_hwms()


__all__ = ["Accepted", "Acceptor", "Connector", "Link", "Session", "log", "new_pipe"]
