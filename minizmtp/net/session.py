"""Sessions: what keeps a connection alive, and what is left when it dies.               37/ZMTP 3.1, "Overall Behavior"

`connect` makes a Connector, `bind` an Acceptor, which makes an Accepted for everyone that comes:

    Connector   dial ──► handshake ──► traffic ──► it broke: wait a little, dial again ──► …       one pipe, kept
    Acceptor    accept, accept, accept …
    Accepted            handshake ──► traffic ──► it broke: the end                                 a pipe of its own

The two ends of one connection thus treat its death differently, and that explains most of what surprises in ZeroMQ. The
connecting side has a pipe from the moment of `connect`, fills it when nobody is there yet, and keeps it while nobody is
there any more. The accepting side knows its peers only while they are connected.

What ends a connection, and what follows (L-20):

    a ZMTP 3 peer refuses us (ERROR, another type or mechanism),     it would do so again:
    or breaks the protocol after its greeting                        a Connector gives up for good
    anything else: closed, broken, too slow, something that is       a Connector dials again
    not ZMTP 3 at the port, no files left, an error of ours          after a pause

The pause is `reconnect_ivl` and up to as much again at random. With `reconnect_ivl_max` it doubles with each failure,
up to that. A failure is whatever happens before the handshake is done: a server that accepts and closes has not been
reached. Where something answers that is not ZMTP 3, the pause doubles without `reconnect_ivl_max` too, up to sixteen
times `reconnect_ivl`: most likely that is another program, which is not to be asked ten times a second. The same goes
for an error of ours.

Whatever goes wrong in a connection ends there: it is told to the monitor and never raised, so that no connection can
harm another.

Read next: `inproc`.
"""

from __future__ import annotations

import errno
import logging
import math
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

import trio

from ..constants import Event, SocketType
from ..errors import EINVAL, ProtocolError, Refused, Secret, ZMQError
from ..options import CONFLATE, Options
from ..patterns import Pattern, Pipe
from ..patterns.queue import Queue
from ..wire import Authenticate, Connection, Ready, z85
from ..wire.curve import CurveClient, CurveServer, keypair
from ..wire.events import metadata_as_text
from ..wire.mechanisms import Mechanism, Null
from ..wire.plain import PlainClient, PlainServer
from .endpoints import Endpoint, Tcp
from .engine import Disconnected, Engine
from .transports import Listener, Stream, dial, dialled_place

if TYPE_CHECKING:
    from ..sockets.links import Links

log = logging.getLogger("minizmtp")

# Without reconnect_ivl_max: how often the pause doubles where something that is not ZMTP 3 answers, or we are wrong.
MOST_DOUBLINGS = 4

# Why a connect fails that nobody at the other end can do anything about. (A server that is not there yet is no news.)
OURS_TO_MEND = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# Seconds until a listener tries again, when the system had no connection to give.
ACCEPT_PAUSE = 0.1

# … and after how many seconds without a failure the next one is news, and logged.
CALM = 10.0

# How many different failures of one endpoint are logged: strangers choose the words, and each is kept.
MOST_LOGGED = 100


class LogOnce:
    """Logs each reason once for one endpoint, because a peer may come again every 100 ms."""

    __slots__ = ("_logged",)

    def __init__(self) -> None:
        self._logged: dict[str, bool] = {}  # by reason: is it to be kept by forget_failures?

    def __call__(self, reason: str, level: int = logging.WARNING, *, is_failure: bool = True) -> None:
        if reason not in self._logged and len(self._logged) < MOST_LOGGED:
            self._logged[reason] = not is_failure
            log.log(level, "%s", reason)

    def forget_failures(self) -> None:
        """The endpoint works now, so its next failure is news again."""
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
        """Take no more, and end when what is queued is sent, or after linger milliseconds (−1: whenever that is). Asked
        again, the shorter time counts."""

    def unsent(self) -> int:
        """How many messages are still to be sent."""

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        """Its pipes, and whether there is somebody at the other end now."""

    def set_hwms(self) -> None:
        """Make its pipes as deep as the options of the socket say now."""


def new_pipe(links: Links, options: Options) -> Pipe:
    """A pipe for one peer, as deep as the options of the socket say now."""
    if options.conflate and links.socket_type in CONFLATE:
        return Pipe(outbound=Queue(conflate=True), inbound=Queue(conflate=True))
    return Pipe(outbound=Queue(links.options.sndhwm), inbound=Queue(links.options.rcvhwm))


def part_from(pattern: Pattern, pipe: Pipe, discard: bool = False) -> None:
    """The peer has gone, and nothing comes from it any more. What it sent stays to be read, unless it is discarded.
    Then the pipe is freed at once: on_arrival knows it, and was all that would have kept it."""
    if discard:
        pattern.discard(pipe)
    else:
        pattern.detach(pipe)
    pipe.inbound.set_reader()


def choose_mechanism(options: Options) -> Callable[[], Mechanism]:
    """What makes a mechanism of the kind that the options ask for, one for each connection. Raises ZMQError where they
    ask for CURVE and it cannot be had."""
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
    """What makes one connection after the other, all alike: options are looked up, and keys decoded, once for all."""
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
    """What the two kinds of session have in common: one connection after the other, or just one."""

    __slots__ = (
        "_asking",
        "_by_us",
        "_chosen_name",
        "_engine",
        "_is_ready",
        "_links",
        "_log_once",
        "_new_connection",
        "_options",
        "_pipe",
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
        self._asking: trio.CancelScope | None = None  # somebody decides whether the peer may come in
        self._by_us = False  # … and said no, or failed
        self._is_ready = False

    def abandon(self) -> None:
        if self._stream is not None:
            self._stream.abandon()

    def finish(self, linger: int) -> None:
        self.finishing = True
        if self._pipe is not None:
            part_from(self._links.pattern, self._pipe, discard=True)
        if linger == 0 or not self.unsent():
            self._end()
        elif linger > 0:
            self._end_by(trio.current_time() + linger / 1000)

    def _end(self) -> None:
        """End now."""
        raise NotImplementedError

    def _end_by(self, deadline: float) -> None:
        """End at that time, if not sooner."""
        raise NotImplementedError

    def _release(self) -> None:
        """The socket has this peer no more."""
        if self._pipe is not None and not self.finishing:
            part_from(self._links.pattern, self._pipe)

    def unsent(self) -> int:
        queued = len(self._pipe.outbound) if self._pipe is not None else 0
        return queued + (self._engine is not None and self._engine.unsent)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [(self._pipe, self._engine is not None)] if self._pipe is not None else []

    def set_hwms(self) -> None:
        if self._pipe is not None:
            self._pipe.outbound.set_hwm(self._links.options.sndhwm)
            self._pipe.inbound.set_hwm(self._links.options.rcvhwm)

    # ------------------------------------------------------------- one connection, start to end (engine.Conversation)

    def _converse(self, stream: Stream) -> None:
        """Begin; the engine calls back, with `over` in the end."""
        self._stream = stream
        self._is_ready = self._by_us = False
        try:
            self._engine = Engine(stream, self._new_connection(), self._options, self._links.runtime.reactor, self)
            self._engine.start(self._options.handshake_ivl / 1000 or math.inf)
        except Exception as error:  # the system may have no file left for what watches connections (see `reactor`)
            if self._engine is not None:
                self._engine.stop(error)
            else:
                stream.close()
                self.over(error)

    def asked(self, question: Authenticate) -> None:
        """Have somebody decide; that may take a while, so it is a task."""
        assert self._engine is not None
        assert self._stream is not None
        self._asking = trio.CancelScope()
        self._links.runtime.start_task(
            partial(self._ask, self._asking, question, self._engine, self._stream.peer_address)
        )

    async def _ask(self, scope: trio.CancelScope, question: Authenticate, engine: Engine, address: str) -> None:
        with scope:
            try:
                verdict = await self._links.runtime.authenticate(question, self._options, address)
                self._by_us = verdict.status != 200
                engine.judge(verdict)
            except Exception as error:  # the handler has answered nonsense, or its socket is closed
                self._by_us = True
                engine.stop(error)

    def ready(self, ready: Ready) -> None:
        """The peer is there: it gets a pipe, and the socket hears of it."""
        assert self._engine is not None
        assert self._stream is not None
        identity = ready.metadata.get(b"identity", b"")
        name = self._chosen_name or identity
        pipe = self._pipe_of_peer(name)
        address = self._stream.peer_address.encode()  # what we see goes before what is said
        said = metadata_as_text(ready.metadata | {b"peer-address": address})
        if pipe.metadata not in ({}, said):
            self._links.pattern.keep_unread(pipe)
        pipe.identity, pipe.metadata = name, said
        self._is_ready = True
        words = ""
        if self._engine.heartbeats_off:
            words = f"{self.endpoint}: {HEARTBEATS_OFF}"
            self._log_once(words, is_failure=False)
        self._links.tell(Event.HANDSHAKE_SUCCEEDED, self.endpoint, 0, words)
        pattern = self._links.pattern
        if not self.finishing:
            pattern.connected(pipe)
        self._engine.carry(pipe, pattern.inspect if pattern.inspects else None)

    def _pipe_of_peer(self, identity: bytes) -> Pipe:
        if self._pipe is None:
            self._pipe = new_pipe(self._links, self._options)
            self._pipe.identity = identity
            self._links.pattern.attach(self._pipe)
        return self._pipe

    def drained(self) -> None:
        """Who has been waiting for that to end, ends."""
        if self.finishing and not self.unsent():
            self._end()

    def over(self, reason: Exception) -> None:
        """The engine has stopped: tell why."""
        assert self._stream is not None
        if self._asking is not None:
            self._asking.cancel()
        engine, self._engine, self._asking = self._engine, None, None
        tell, endpoint = self._links.tell, self.endpoint
        words = f"{endpoint}: {reason}"
        if isinstance(reason, Closed):
            words = str(reason)
        elif isinstance(reason, ProtocolError):
            self._log(words)
            if isinstance(reason, Refused):
                tell(Event.HANDSHAKE_FAILED_AUTH, endpoint, reason.status, words)
            elif not self._is_ready:
                tell(Event.HANDSHAKE_FAILED_PROTOCOL, endpoint, reason.violation, words)
        elif isinstance(reason, (Disconnected, OSError)):
            if isinstance(reason, OSError):  # of our own system: what the stream raises is Disconnected
                words = f"{endpoint}: {reason.strerror}"
                self._log(words)
            if not self._is_ready:
                if hint := self._likely_cause(reason, engine):
                    words += hint
                    # A server that stops hangs up at once, too: that is nothing to warn of.
                    self._log(words, logging.WARNING if "most likely" in hint else logging.INFO)
                tell(Event.HANDSHAKE_FAILED_NO_DETAIL, endpoint, reason.errno or 0, words)
        else:
            # It must not take the program's other connections with it.
            log.error("internal error: closing connection to %s (please report this)", endpoint, exc_info=reason)
        tell(Event.DISCONNECTED, endpoint, self._stream.fileno, words)

    def _likely_cause(self, reason: Disconnected | OSError, engine: Engine | None) -> str:
        """What it most likely means when a peer hangs up during the greeting, in words to go on with; or ""."""
        octets = engine.greeting_octets if engine is not None else None
        if octets is None or reason.errno not in (errno.EPIPE, errno.ECONNRESET):
            return ""
        # A peer of ZMTP 2.0 reads our 64 octets as its greeting, a type and an identity that is none. It hangs up, and
        # its own 10 octets may have been sent before that, or not.
        old = "a peer of ZMTP 2.0 (libzmq 3.2 or older), which has to be updated to libzmq 4"
        said = f"after {octets} of the 64 octets of the greeting"
        where = "" if said in str(reason) else f" {said}"
        return f"{where}; most likely {old}" if octets >= 10 else f"{where}; {self.hangs_up} or {old}"

    hangs_up: ClassVar[str]  # what else hangs up at once
    highest_level: ClassVar[int]  # at which a failure is logged

    def _log(self, reason: str, level: int = logging.WARNING) -> None:
        """Log why a connection failed."""
        self._log_once(reason, min(level, self.highest_level))


class Closed(Exception):
    """We have closed the connection ourselves."""

    def __init__(self) -> None:
        super().__init__("closed by us")


class Connector(Session):
    """The connecting side: keeps one endpoint connected. It has a task, for dialling takes time."""

    def __init__(self, links: Links, endpoint: Endpoint, text: str, options: Options) -> None:
        super().__init__(links, text, options, choose_connection(links.socket_type, options), LogOnce())
        self.place = dialled_place(endpoint, options)
        self._address = endpoint
        self._failures = 0  # since the last handshake
        self._odd = 0  # of these in a row: something that is not ZMTP 3, or an error of ours
        self._scope = trio.CancelScope()
        self._again = True
        self._is_over = trio.Event()
        self._chosen_name = options.connect_routing_id
        if not options.immediate:
            self._pipe_of_peer(self._chosen_name)

    async def run(self) -> None:
        """The task."""
        try:
            with self._scope:
                await self._keep_connected()
        finally:
            if self._engine is not None:
                self._engine.stop(Closed())
            self._release()
            self._links.ended(self)

    def _end(self) -> None:
        self._scope.cancel()

    def _end_by(self, deadline: float) -> None:
        self._scope.deadline = min(self._scope.deadline, deadline)

    async def _keep_connected(self) -> None:
        while self._again:
            stream = await self._dial()
            if stream is not None:
                self._is_over = trio.Event()
                self._converse(stream)
                await self._is_over.wait()
                if not self._again:
                    return
            pause = self._pause()
            if pause is None:
                return
            self._links.tell(Event.CONNECT_RETRIED, self.endpoint, round(pause * 1000))
            await trio.sleep(pause)

    async def _dial(self) -> Stream | None:
        tell = self._links.tell
        if isinstance(self._address, Tcp):  # over ipc a connect is done at once, or not at all
            tell(Event.CONNECT_DELAYED, self.endpoint, errno.EINPROGRESS)
        try:
            stream = await dial(self._address, self._options)
        except OSError as error:
            words = f"{self.endpoint}: {error.strerror}"
            if error.errno in OURS_TO_MEND:
                self._log(words)
            tell(Event.CLOSED, self.endpoint, error.errno or 0, words)
            return None
        except Exception as error:  # no thread to look up a name, say: it may go better the next time
            words = f"{self.endpoint}: {error!r}"
            self._log(words)
            tell(Event.CLOSED, self.endpoint, 0, words)
            return None
        tell(Event.CONNECTED, self.endpoint, stream.fileno)
        return stream

    def ready(self, ready: Ready) -> None:
        super().ready(ready)
        self._failures = self._odd = 0
        self._log_once.forget_failures()

    def over(self, reason: Exception) -> None:
        said_no = isinstance(reason, ProtocolError) and reason.is_zmtp and not self._by_us
        self._again = not said_no and not isinstance(reason, Closed)
        self._odd = 0 if isinstance(reason, (Disconnected, OSError)) else self._odd + 1
        try:
            super().over(reason)
            if self._again:
                self._lost()
                self.drained()
        finally:
            self._is_over.set()

    hangs_up = "perhaps a proxy without a server behind it, a server that is not ready,"
    highest_level = logging.WARNING

    def _lost(self) -> None:
        """The connection broke. The pipe stays, unless the socket wants pipes only while somebody is there (L-7)."""
        if self._pipe is None:
            return
        if not self._options.immediate:
            if not self.finishing:  # then the pattern has given the pipe up already
                self._links.pattern.disconnected(self._pipe)
        else:
            part_from(self._links.pattern, self._pipe)
            self._pipe = None

    def _pause(self) -> float | None:
        """Seconds until the next attempt, or None for never (L-5).

        Some randomness, so that a thousand clients of a server that comes back do not all knock at once; with
        reconnect_ivl_max, doubling instead.
        """
        base, most = self._options.reconnect_ivl / 1000, self._options.reconnect_ivl_max / 1000
        if base <= 0:
            return None
        self._failures += 1
        if most > 0:
            return min(most, base * 2 ** min(self._failures - 1, 32)) if most > base else base
        doublings = min(max(self._odd - 1, 0), MOST_DOUBLINGS)
        return base * (1 << doublings) + random.random() * base


class Accepted(Session):
    """The accepting side of one connection. It needs no task: it begins connected, and ends with the connection."""

    __slots__ = ("_acceptor", "_alarm", "_deadline")

    def __init__(self, acceptor: Acceptor) -> None:
        links, endpoint, options = acceptor.links, acceptor.endpoint, acceptor.options
        super().__init__(links, endpoint, options, acceptor.new_connection, acceptor.log_once)
        self._acceptor = acceptor
        self._deadline, self._alarm = math.inf, 0  # when its linger is over, and the number of that call

    def begin(self, stream: Stream) -> None:
        """Greet whoever has come."""
        self._converse(stream)

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.stop(Closed())

    def _end_by(self, deadline: float) -> None:
        if deadline < self._deadline:
            self._links.runtime.reactor.cancel(self._alarm)
            self._deadline, self._alarm = deadline, self._links.runtime.reactor.call_at(deadline, self._end)

    def over(self, reason: Exception) -> None:
        try:
            super().over(reason)
            self._release()
        finally:
            self._links.runtime.reactor.cancel(self._alarm)  # it knows us
            self._acceptor.forget(self)

    hangs_up = "perhaps a health check or a port scan,"
    highest_level = (
        logging.INFO
    )  # because anything on the network may connect here, and that is not a fault of the program


class Acceptor:
    """A bound endpoint, and all who came by it."""

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
        self._failed, self._failed_at = "", -math.inf  # why the last accept that failed did, and when
        links.tell(Event.LISTENING, self.endpoint, listener.fileno)

    async def run(self) -> None:
        """The task: ends when the listener is closed."""
        while True:
            try:
                self._let_in(await self._listener.accept())
            except trio.ClosedResourceError:
                return
            except Exception as error:
                self._tell_failure(error)
                await trio.sleep(ACCEPT_PAUSE)

    def _let_in(self, stream: Stream) -> None:
        self.links.tell(Event.ACCEPTED, self.endpoint, stream.fileno)
        session = Accepted(self)
        self._sessions[session] = None
        session.begin(stream)

    def _tell_failure(self, error: Exception) -> None:
        """Out of file descriptors, most likely. The peers that wait stay in the system's queue meanwhile."""
        code, reason = (error.errno or 0, error.strerror) if isinstance(error, OSError) else (0, repr(error))
        words = f"{self.endpoint}: {reason}"
        now, before = trio.current_time(), self._failed_at
        self._failed_at = now
        if words != self._failed or now - before > CALM:  # and not ten times a second
            self._failed = words
            is_known = isinstance(error, OSError)
            log.warning("%s; trying again every %g s", words, ACCEPT_PAUSE, exc_info=None if is_known else error)
        self.links.tell(Event.ACCEPT_FAILED, self.endpoint, code, words)

    def abandon(self) -> None:
        self._listener.abandon()
        for session in self._sessions:
            session.abandon()

    def forget(self, session: Session) -> None:
        """It has ended."""
        del self._sessions[session]
        if self.finishing and not self._sessions:
            self.links.ended(self)

    def finish(self, linger: int) -> None:
        """Accept nobody more, and part from all who came (L-19)."""
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
