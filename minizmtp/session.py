"""Sessions: what keeps a connection alive, and what is left when it dies.               37/ZMTP 3.1, "Overall Behavior"

`connect` makes a Connector, `bind` an Acceptor, which makes an Accepted for everyone that comes:

    Connector   dial ──► handshake ──► traffic ──► it broke: wait a little, dial again ──► …       one pipe, kept
    Acceptor    accept, accept, accept …
    Accepted            handshake ──► traffic ──► it broke: the end                                 a pipe of its own

The two ends of one connection thus treat its death differently, and that explains most of what surprises in ZeroMQ. The
connecting side has a pipe from the moment of `connect`, fills it when nobody is there yet, and keeps it while nobody is
there any more. The accepting side knows its peers only while they are connected.

What ends a connection, and what follows (L-20):

    the peer breaks the protocol, or refuses us     it would do so again: a Connector gives up for good
    anything else (closed, broken, too slow)        a Connector dials again

Whatever goes wrong in a connection ends there: it is told to the monitor and never raised, so that no connection can
harm another.

Below this module: `engine`, `transports`. Above it: `linked`.
Read next: `inproc`.
"""

import errno
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

import trio

from . import z85
from .constants import Event, SocketType
from .endpoints import Endpoint, Tcp
from .engine import Disconnected, Engine
from .errors import EINVAL, ProtocolError, Refused, ZMQError
from .options import CONFLATE, Options
from .patterns import Pattern, Pipe
from .patterns.pipe import Queue
from .reactor import Reactor
from .transports import Listener, Stream, dial
from .wire import Authenticate, Connection, Ready, Verdict
from .wire.curve import CurveClient, CurveServer, keypair
from .wire.events import metadata_as_text
from .wire.mechanisms import Mechanism, Null
from .wire.plain import PlainClient, PlainServer

log = logging.getLogger("minizmtp")


class Owner(Protocol):
    """What a session needs of its socket."""

    socket_type: SocketType
    pattern: Pattern

    @property
    def reactor(self) -> Reactor:
        """The context's."""

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run it in the context's nursery."""

    def tell(self, event: Event, endpoint: str, value: int = 0, reason: str = "") -> None:
        """Tell whoever monitors the socket."""

    async def authenticate(self, question: Authenticate, address: str) -> Verdict:
        """Ask whoever decides who may come in."""

    def ended(self, link: "Link") -> None:
        """The link has ended by itself."""


class Link(Protocol):
    """What a socket has for each bind, connect and accepted peer; over inproc too (see `inproc`)."""

    endpoint: str
    finishing: bool

    def finish(self, linger: int) -> None:
        """Take no more, and end when what is queued is sent, or after linger milliseconds (−1: whenever that is). Asked
        again, the shorter time counts."""

    def unsent(self) -> int:
        """How many messages are still to be sent."""

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        """Its pipes, and whether there is somebody at the other end now."""


def new_pipe(owner: Owner, options: Options) -> Pipe:
    """A pipe for one peer, as deep as the options say."""
    if options.conflate and owner.socket_type in CONFLATE:
        return Pipe(outbound=Queue(conflate=True), inbound=Queue(conflate=True))
    return Pipe(outbound=Queue(options.sndhwm), inbound=Queue(options.rcvhwm))


def choose_mechanism(options: Options) -> Callable[[], Mechanism]:
    """What makes a mechanism of the kind that the options ask for, one for each connection. Raises ZMQError where they
    ask for CURVE and it cannot be had."""
    if options.curve_server:
        if not options.curve_secretkey:
            raise ZMQError(EINVAL, "curve_server needs curve_secretkey: see minizmtp.curve_keypair()")
        public, secret = keypair(z85.decode(options.curve_secretkey))
        return partial(CurveServer, secret, public=public)
    if options.curve_serverkey:
        if not (options.curve_publickey and options.curve_secretkey):
            raise ZMQError(EINVAL, "curve_serverkey needs our own curve_publickey and curve_secretkey, too")
        public, secret = z85.decode(options.curve_publickey), z85.decode(options.curve_secretkey)
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
        "_engine",
        "_is_ready",
        "_new_connection",
        "_options",
        "_owner",
        "_pipe",
        "_stream",
        "endpoint",
        "finishing",
    )

    def __init__(self, owner: Owner, endpoint: str, options: Options, new_connection: Callable[[], Connection]) -> None:
        self.endpoint = endpoint
        self.finishing = False
        self._owner = owner
        self._options = options
        self._new_connection = new_connection
        self._pipe: Pipe | None = None
        self._engine: Engine | None = None
        self._stream: Stream | None = None
        self._asking: trio.CancelScope | None = None  # somebody decides whether the peer may come in
        self._is_ready = False

    def finish(self, linger: int) -> None:
        self.finishing = True
        if self._pipe is not None:
            self._owner.pattern.discard(self._pipe)
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
            self._owner.pattern.detach(self._pipe)

    def unsent(self) -> int:
        queued = len(self._pipe.outbound) if self._pipe is not None else 0
        return queued + (self._engine is not None and self._engine.unsent)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [(self._pipe, self._engine is not None)] if self._pipe is not None else []

    # ------------------------------------------------------------- one connection, start to end (engine.Conversation)

    def _converse(self, stream: Stream) -> None:
        """Begin; the engine calls back, with `over` in the end."""
        self._stream = stream
        self._is_ready = False
        self._engine = Engine(stream, self._new_connection(), self._options, self._owner.reactor, self)
        self._engine.start(self._options.handshake_ivl / 1000 or math.inf)

    def asked(self, question: Authenticate) -> None:
        """Have somebody decide; that may take a while, so it is a task."""
        assert self._engine is not None
        assert self._stream is not None
        self._asking = trio.CancelScope()
        self._owner.start_task(partial(self._ask, self._asking, question, self._engine, self._stream.peer_address))

    async def _ask(self, scope: trio.CancelScope, question: Authenticate, engine: Engine, address: str) -> None:
        with scope:
            try:
                engine.judge(await self._owner.authenticate(question, address))
            except Exception as error:  # the handler has answered nonsense, or its socket is closed
                engine.stop(error)

    def ready(self, ready: Ready) -> None:
        """The peer is there: it gets a pipe, and the socket hears of it."""
        assert self._engine is not None
        assert self._stream is not None
        identity = ready.metadata.get(b"identity", b"")
        pipe = self._pipe_of_peer(identity)
        pipe.identity = pipe.identity or identity
        address = self._stream.peer_address.encode()  # what we see goes before what is said
        pipe.metadata = metadata_as_text(ready.metadata | {b"peer-address": address})
        self._is_ready = True
        words = ""
        if self._engine.heartbeats_off:
            words = f"{self.endpoint}: {HEARTBEATS_OFF}"
            self._log_once(words)
        self._owner.tell(Event.HANDSHAKE_SUCCEEDED, self.endpoint, 0, words)
        pattern = self._owner.pattern
        if not self.finishing:
            pattern.connected(pipe)
        self._engine.carry(pipe, pattern.inspect if pattern.inspects else None)

    def _log_once(self, words: str) -> None:
        """Warn, but not again for each connection to, or by, the same endpoint."""
        raise NotImplementedError

    def _pipe_of_peer(self, identity: bytes) -> Pipe:
        if self._pipe is None:
            self._pipe = new_pipe(self._owner, self._options)
            self._pipe.identity = identity
            self._owner.pattern.attach(self._pipe)
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
        self._engine = None
        tell, endpoint = self._owner.tell, self.endpoint
        words = f"{endpoint}: {reason}"
        if isinstance(reason, Closed):
            words = str(reason)
        elif isinstance(reason, ProtocolError):
            log.info("%s", words)
            if isinstance(reason, Refused):
                tell(Event.HANDSHAKE_FAILED_AUTH, endpoint, reason.status, words)
            elif not self._is_ready:
                tell(Event.HANDSHAKE_FAILED_PROTOCOL, endpoint, reason.violation, words)
        elif isinstance(reason, Disconnected):
            if not self._is_ready:
                tell(Event.HANDSHAKE_FAILED_NO_DETAIL, endpoint, reason.errno, words)
        else:
            # It must not take the program's other connections with it.
            log.error("a connection ended by an error in this library", exc_info=reason)
        tell(Event.DISCONNECTED, endpoint, self._stream.fileno, words)


class Closed(Exception):
    """We have closed the connection ourselves."""

    def __init__(self) -> None:
        super().__init__("closed by us")


class Connector(Session):
    """The connecting side: keeps one endpoint connected. It has a task, for dialling takes time."""

    def __init__(self, owner: Owner, endpoint: Endpoint, text: str, options: Options) -> None:
        super().__init__(owner, text, options, choose_connection(owner.socket_type, options))
        self._address = endpoint
        self._failures = 0
        self._scope = trio.CancelScope()
        self._again = True
        self._is_over = trio.Event()
        self._has_warned = False
        if not options.immediate:
            self._pipe_of_peer(options.connect_routing_id)

    async def run(self) -> None:
        """The task."""
        try:
            with self._scope:
                await self._keep_connected()
        finally:
            if self._engine is not None:
                self._engine.stop(Closed())
            self._release()
            self._owner.ended(self)

    def _log_once(self, words: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning("%s", words)

    def _end(self) -> None:
        self._scope.cancel()

    def _end_by(self, deadline: float) -> None:
        self._scope.deadline = min(self._scope.deadline, deadline)

    async def _keep_connected(self) -> None:
        while self._again:
            stream = await self._dial()
            if stream is not None:
                self._failures = 0
                self._is_over = trio.Event()
                self._converse(stream)
                await self._is_over.wait()
                if not self._again:
                    return
            pause = self._pause()
            if pause is None:
                return
            self._owner.tell(Event.CONNECT_RETRIED, self.endpoint, round(pause * 1000))
            await trio.sleep(pause)

    async def _dial(self) -> Stream | None:
        tell = self._owner.tell
        if isinstance(self._address, Tcp):  # over ipc a connect is done at once, or not at all
            tell(Event.CONNECT_DELAYED, self.endpoint, errno.EINPROGRESS)
        try:
            stream = await dial(self._address, self._options)
        except OSError as error:
            tell(Event.CLOSED, self.endpoint, error.errno or 0, f"{self.endpoint}: {error.strerror}")
            return None
        tell(Event.CONNECTED, self.endpoint, stream.fileno)
        return stream

    def over(self, reason: Exception) -> None:
        super().over(reason)
        self._again = isinstance(reason, Disconnected)
        if self._again:
            self._lost()
            self.drained()
        self._is_over.set()

    def _lost(self) -> None:
        """The connection broke. The pipe stays, unless the socket wants pipes only while somebody is there (L-7)."""
        if self._pipe is None:
            return
        if not self._options.immediate:
            self._owner.pattern.disconnected(self._pipe)
        else:
            self._owner.pattern.detach(self._pipe)
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
        return base + random.random() * base


class Accepted(Session):
    """The accepting side of one connection. It needs no task: it begins connected, and ends with the connection."""

    __slots__ = ("_acceptor",)

    def __init__(self, acceptor: "Acceptor") -> None:
        super().__init__(acceptor.owner, acceptor.endpoint, acceptor.options, acceptor.new_connection)
        self._acceptor = acceptor

    def begin(self, stream: Stream) -> None:
        """Greet whoever has come."""
        self._converse(stream)

    def _log_once(self, words: str) -> None:
        if not self._acceptor.has_warned:
            self._acceptor.has_warned = True
            log.warning("%s", words)

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.stop(Closed())

    def _end_by(self, deadline: float) -> None:
        self._owner.reactor.call_at(deadline, self._end)

    def over(self, reason: Exception) -> None:
        super().over(reason)
        self._release()
        self._acceptor.forget(self)


class Acceptor:
    """A bound endpoint, and all who came by it."""

    def __init__(self, owner: Owner, listener: Listener, options: Options) -> None:
        self.endpoint = str(listener.endpoint)
        self.finishing = False
        self.owner = owner
        self.options = options
        self.new_connection = choose_connection(owner.socket_type, options)
        self.has_warned = False
        self._listener = listener
        self._sessions: dict[Session, None] = {}
        owner.tell(Event.LISTENING, self.endpoint, listener.fileno)

    async def run(self) -> None:
        """The task: ends when the listener is closed."""
        while True:
            try:
                stream = await self._listener.accept()
            except trio.ClosedResourceError:
                return
            except OSError as error:
                # Out of file descriptors, most likely. Those who wait stay in the system's queue meanwhile.
                words = f"{self.endpoint}: {error.strerror}"
                log.warning("%s; trying again in a moment", words)
                self.owner.tell(Event.ACCEPT_FAILED, self.endpoint, error.errno or 0, words)
                await trio.sleep(0.1)
                continue
            self.owner.tell(Event.ACCEPTED, self.endpoint, stream.fileno)
            session = Accepted(self)
            self._sessions[session] = None
            session.begin(stream)

    def forget(self, session: Session) -> None:
        """It has ended."""
        del self._sessions[session]
        if self.finishing and not self._sessions:
            self.owner.ended(self)

    def finish(self, linger: int) -> None:
        """Accept nobody more, and part from all who came (L-19)."""
        if not self.finishing:
            self.finishing = True
            self._listener.close()
            self.owner.tell(Event.CLOSED, self.endpoint, self._listener.fileno)
        for session in list(self._sessions):
            session.finish(linger)
        if not self._sessions:
            self.owner.ended(self)

    def unsent(self) -> int:
        return sum(session.unsent() for session in self._sessions)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [pipe for session in self._sessions for pipe in session.pipes()]


__all__ = ["Accepted", "Acceptor", "Connector", "Link", "Owner", "Session", "log", "new_pipe"]
