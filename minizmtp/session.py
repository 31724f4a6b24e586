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

Every session is a task in the context's nursery, and whatever goes wrong in it ends there: it is told to the monitor
and never raised, so that no connection can harm another.

Below this module: `engine`, `transports`. Above it: `linked`.
Read next: `inproc`.
"""

import errno
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import trio

from . import z85
from .constants import Event, SocketType
from .endpoints import Endpoint, Tcp
from .engine import Disconnected, Engine
from .errors import EINVAL, ProtocolError, Refused, ZMQError
from .options import Options
from .patterns import Pattern, Pipe
from .patterns.pipe import Queue
from .transports import Listener, Stream, dial
from .wire import Authenticate, Connection, Verdict
from .wire.curve import CurveClient, CurveServer
from .wire.mechanisms import Mechanism, Null
from .wire.plain import PlainClient, PlainServer

log = logging.getLogger("minizmtp")


class Owner(Protocol):
    """What a session needs of its socket."""

    socket_type: SocketType
    pattern: Pattern

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


# The types that know what to do with one message where they expect many (libzmq's choice).
CONFLATE = {SocketType.PUSH, SocketType.PULL, SocketType.PUB, SocketType.SUB, SocketType.DEALER}


def new_pipe(owner: Owner, options: Options) -> Pipe:
    """A pipe for one peer, as deep as the options say."""
    if options.conflate and owner.socket_type in CONFLATE:
        return Pipe(outbound=Queue(conflate=True), inbound=Queue(conflate=True))
    return Pipe(outbound=Queue(options.sndhwm), inbound=Queue(options.rcvhwm))


def new_mechanism(options: Options) -> Mechanism:
    """The mechanism that the options ask for. Raises ZMQError where they ask for CURVE and it cannot be had."""
    if options.curve_server:
        if not options.curve_secretkey:
            raise ZMQError(EINVAL, "curve_server needs curve_secretkey: see minizmtp.curve_keypair()")
        return CurveServer(z85.decode(options.curve_secretkey))
    if options.curve_serverkey:
        if not (options.curve_publickey and options.curve_secretkey):
            raise ZMQError(EINVAL, "curve_serverkey needs our own curve_publickey and curve_secretkey, too")
        public, secret = z85.decode(options.curve_publickey), z85.decode(options.curve_secretkey)
        return CurveClient(public, secret, z85.decode(options.curve_serverkey))
    if options.plain_server:
        return PlainServer()
    if options.plain_username or options.plain_password:
        return PlainClient(options.plain_username, options.plain_password)
    return Null(ask=bool(options.zap_domain))


class Session:
    """What the two kinds of session have in common: one connection after the other, or just one."""

    def __init__(self, owner: Owner, endpoint: str, options: Options, on_end: Callable[["Session"], None]) -> None:
        self.endpoint = endpoint
        self.finishing = False
        self._on_end = on_end
        self._owner = owner
        self._options = options
        self._scope = trio.CancelScope()
        self._pipe: Pipe | None = None
        self._engine: Engine | None = None

    async def run(self) -> None:
        """The task."""
        try:
            with self._scope:
                await self._work()
        finally:
            self._release()
            self._on_end(self)

    async def _work(self) -> None:
        raise NotImplementedError

    def _release(self) -> None:
        """The socket has this peer no more."""
        if self._pipe is not None and not self.finishing:
            self._owner.pattern.detach(self._pipe)

    def finish(self, linger: int) -> None:
        self.finishing = True
        if self._pipe is not None:
            self._owner.pattern.discard(self._pipe)
        if linger >= 0:
            self._scope.deadline = min(self._scope.deadline, trio.current_time() + linger / 1000)
        if linger == 0 or not self.unsent():
            self._scope.cancel()

    def unsent(self) -> int:
        queued = len(self._pipe.outbound) if self._pipe is not None else 0
        return queued + (self._engine is not None and self._engine.unsent)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [(self._pipe, self._engine is not None)] if self._pipe is not None else []

    def _drained(self) -> None:
        if self.finishing and not self.unsent():
            self._scope.cancel()

    # ----------------------------------------------------------------------------------- one connection, start to end

    async def _converse(self, stream: Stream) -> bool:
        """Everything from the greeting to the end of one connection. True if there is sense in dialling again."""
        tell, endpoint = self._owner.tell, self.endpoint
        connection = Connection(
            self._owner.socket_type,
            identity=self._options.routing_id,
            mechanism=new_mechanism(self._options),
            max_message_size=self._options.maxmsgsize,
            max_unfinished=self._options.maxunfinished,
        )
        self._engine = engine = Engine(stream, connection, self._options, self._owner.start_task, self._drained)
        ready = False
        again = True
        words = "closed by us"
        try:
            pipe = await self._handshake(engine, stream)
            ready = True
            tell(Event.HANDSHAKE_SUCCEEDED, endpoint)
            if not self.finishing:
                self._owner.pattern.connected(pipe)
            pattern = self._owner.pattern
            await engine.traffic(pipe, pattern.inspect if pattern.inspects else None)
        except ProtocolError as error:
            if not ready:
                engine.speak()  # the last word, if the system takes it; in traffic, a message may be half-way out
            again = False
            words = f"{endpoint}: {error}"
            log.info("%s", words)
            if isinstance(error, Refused):
                tell(Event.HANDSHAKE_FAILED_AUTH, endpoint, error.status, words)
            elif not ready:
                tell(Event.HANDSHAKE_FAILED_PROTOCOL, endpoint, error.violation, words)
        except Disconnected as error:
            words = f"{endpoint}: {error}"
            if not ready:
                tell(Event.HANDSHAKE_FAILED_NO_DETAIL, endpoint, error.errno, words)
        finally:
            self._engine = None
            stream.close()
            tell(Event.DISCONNECTED, endpoint, stream.fileno, words)
        return again

    async def _handshake(self, engine: Engine, stream: Stream) -> Pipe:
        """Until the peer is ready; its pipe."""
        patience = self._options.handshake_ivl / 1000 or math.inf
        with trio.move_on_after(patience):
            ready = await engine.handshake(lambda question: self._owner.authenticate(question, stream.peer_address))
            identity = ready.metadata.get(b"identity", b"")
            pipe = self._pipe_of_peer(identity)
            pipe.identity = pipe.identity or identity
            said = {
                name.decode().title(): value.decode("utf-8", "backslashreplace")
                for name, value in ready.metadata.items()
            }
            pipe.metadata = said | {"Peer-Address": stream.peer_address}  # what we see goes before what is said
            return pipe
        raise Disconnected(errno.EAGAIN, f"no handshake within {self._options.handshake_ivl} ms (handshake_ivl)")

    def _pipe_of_peer(self, identity: bytes) -> Pipe:
        if self._pipe is None:
            self._pipe = new_pipe(self._owner, self._options)
            self._pipe.identity = identity
            self._owner.pattern.attach(self._pipe)
        return self._pipe


class Connector(Session):
    """The connecting side: keeps one endpoint connected."""

    def __init__(self, owner: Owner, endpoint: Endpoint, text: str, options: Options) -> None:
        super().__init__(owner, text, options, owner.ended)
        self._address = endpoint
        self._failures = 0
        if not options.immediate:
            self._pipe_of_peer(options.connect_routing_id)

    async def _work(self) -> None:
        while True:
            stream = await self._dial()
            if stream is not None:
                self._failures = 0
                if not await self._converse(stream):
                    return
                self._lost()
                self._drained()
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
    """The accepting side of one connection."""

    def __init__(
        self, owner: Owner, endpoint: str, options: Options, on_end: Callable[[Session], None], stream: Stream
    ) -> None:
        super().__init__(owner, endpoint, options, on_end)
        self._stream = stream

    async def _work(self) -> None:
        await self._converse(self._stream)


class Acceptor:
    """A bound endpoint, and all who came by it."""

    def __init__(self, owner: Owner, listener: Listener, options: Options) -> None:
        self.endpoint = str(listener.endpoint)
        self.finishing = False
        self._owner = owner
        self._listener = listener
        self._options = options
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
                self._owner.tell(Event.ACCEPT_FAILED, self.endpoint, error.errno or 0, words)
                await trio.sleep(0.1)
                continue
            self._owner.tell(Event.ACCEPTED, self.endpoint, stream.fileno)
            session = Accepted(self._owner, self.endpoint, self._options, self._forget, stream)
            self._sessions[session] = None
            self._owner.start_task(session.run)

    def _forget(self, session: Session) -> None:
        del self._sessions[session]
        if self.finishing and not self._sessions:
            self._owner.ended(self)

    def finish(self, linger: int) -> None:
        """Accept nobody more, and part from all who came (L-19)."""
        if not self.finishing:
            self.finishing = True
            self._listener.close()
            self._owner.tell(Event.CLOSED, self.endpoint, self._listener.fileno)
        for session in list(self._sessions):
            session.finish(linger)
        if not self._sessions:
            self._owner.ended(self)

    def unsent(self) -> int:
        return sum(session.unsent() for session in self._sessions)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [pipe for session in self._sessions for pipe in session.pipes()]


__all__ = ["Accepted", "Acceptor", "Connector", "Link", "Owner", "Session", "log", "new_pipe"]
