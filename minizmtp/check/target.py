"""Targets: where the socket under test is, and how a case gets a connection to it.

    Endpoint    something is bound there; each case dials
    Listening   something dials us; each case takes the next connection
    Driven      a driver makes a socket for each case, which binds or connects

Over ws the connection to it is switched to a WebSocket by the case, see `web`; over wss it is encrypted before that.

A target tells what the socket announces: its mechanism from the greeting, and its type from READY. For that, the
signature and the version are sent first, and the rest of our greeting when theirs has come, because a socket that
connects may never come back to a peer with another mechanism. Over ws, the subprotocol names the mechanism.

    >>> Terms(kind="REP").partner
    'DEALER'

Below this module: `case`, `web`, `program`. Read next: `run`.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

import trio

from ..net.endpoints import Inproc, Ipc, Tcp, Ws, parse_endpoint
from . import octets as o
from .case import EVERY_KIND
from .peer import QUIET, Connect, Ended, NotApplicable, Peer, Place, Record, Terms, Unlike, Unreachable
from .program import Driver, DriverEnded, DriverError, DriverSocket
from .web import WebPeer, meet

Options = dict[str, str | int]  # of a socket, as in `program`
KINDS = ", ".join(EVERY_KIND)


class Target(Protocol):
    """The socket under test. terms: what is known about it."""

    terms: Terms

    @property
    def at_once(self) -> int:
        """How many cases may be played at a time."""

    def place(self, options: Options | None = None) -> AbstractAsyncContextManager[Place]:
        """A place for one case. options: that its socket needs; a driver makes it so."""

    async def gone(self) -> str:
        """Why the other side can't be reached any more; "" if it can."""


class Endpoint:
    """Something that is bound to an endpoint."""

    def __init__(self, endpoint: str, terms: Terms) -> None:
        self.endpoint, self.terms = endpoint, terms

    @property
    def at_once(self) -> int:
        """A PAIR has one peer at a time."""
        return 1 if self.terms.kind == "PAIR" else 8

    @asynccontextmanager
    async def place(self, options: Options | None = None) -> AsyncIterator[Place]:
        """Each connection is dialled."""

        async def connect() -> trio.abc.Stream:
            return await dial(self.endpoint, self.terms.patience)

        yield Place(connect, connect, connect)

    async def gone(self) -> str:
        """Whether something is bound there is seen by dialling."""
        try:
            stream = await dial(self.endpoint, self.terms.patience)
        except Unreachable as error:
            return str(error)
        await trio.aclose_forcefully(stream)
        return ""


class Listening:
    """Something that dials us. Its connections are taken one after the other."""

    @property
    def at_once(self) -> int:
        """It has one connection."""
        return 1

    def __init__(self, listener: trio.SocketListener, terms: Terms) -> None:
        self._listener, self.terms = listener, replace(terms, dials=True)

    @asynccontextmanager
    async def place(self, options: Options | None = None) -> AsyncIterator[Place]:
        """Each connection is the next that comes."""

        async def first() -> trio.abc.Stream:
            return await accept(self._listener, self.terms.patience)

        yield Place(first, first, first)

    async def gone(self) -> str:
        """The next case will see whether it comes again."""
        return ""


class Driven:
    """A socket that a driver makes anew for each case."""

    @property
    def at_once(self) -> int:
        """Each case has its own socket."""
        return 8

    def __init__(self, driver: Driver, terms: Terms, options: Options | None = None) -> None:
        self.driver, self.terms, self._options = driver, replace(terms, beats=True), options or {}

    @asynccontextmanager
    async def place(self, options: Options | None = None) -> AsyncIterator[Place]:
        """A new socket, which binds, or connects to listeners of ours, each time to another one."""
        make = partial(self._make, {**self._options, **(options or {})})
        sockets = [await make()]
        listeners: list[trio.SocketListener] = []
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:

            async def connect() -> trio.abc.Stream:
                listener, endpoint = await stack.enter_async_context(listen(self._anywhere))
                listeners.append(listener)
                nursery.start_soon(tell_to_connect, sockets[-1], endpoint)
                return await accept(listener, self.terms.patience)

            async def afresh() -> trio.abc.Stream:
                sockets.append(await make())
                return await connect()

            async def again() -> trio.abc.Stream:
                return await accept(listeners[-1], self.terms.patience)

            try:
                if self.terms.dials:
                    yield Place(connect, afresh, again, sockets[0])
                else:
                    endpoint = await sockets[0].bind(self._anywhere)

                    async def bound() -> trio.abc.Stream:
                        return await dial(endpoint, self.terms.patience)

                    yield Place(bound, bound, bound, sockets[0])
            finally:
                with trio.CancelScope(shield=True):
                    for each in sockets:
                        if self.driver.is_running:
                            await each.close()
                nursery.cancel_scope.cancel()

    @property
    def _anywhere(self) -> str:
        return f"ws://127.0.0.1:0{self.terms.path}" if self.terms.path else "tcp://127.0.0.1:0"

    async def _make(self, options: Options) -> DriverSocket:
        socket = await self.driver.socket(self.terms.kind, **options)
        socket.patience = self.terms.patience
        return socket

    async def announce(self) -> None:
        """Learn the minor version from a first socket's greeting. Raises NotApplicable if there is no such type, or no
        WebSocket."""
        theirs = b""
        try:
            theirs = await self._answer()
        except* (DriverError, Unreachable, Unlike) as group:
            if self.terms.path:
                raise NotApplicable(str(first_of(group))) from None
            raise
        except* DriverEnded as group:
            raise DriverEnded(f"the driver did not make a first {self.terms.kind}: {first_of(group)}") from None
        if self.terms.path:
            self.terms.minor = 0
        elif theirs[10:11] == b"\x03":
            self.terms.minor = theirs[11]

    async def _answer(self) -> bytes:
        """The first that a new socket says: its greeting, or its side of the upgrade."""
        async with self.place() as place:
            peer = meet(await place.connect(), self.terms, Record(), place)
            theirs = await _their_greeting(peer)
            await peer.close()
        return theirs

    async def gone(self) -> str:
        """The process may have ended, or its sockets may be dead: then a new one does not greet."""
        if why := await self.driver.how_it_ended():
            return why
        why = ""
        try:
            if not await self._answer():
                why = "new sockets of the process do not answer any more"
        except* (Unlike, Unreachable, DriverEnded, DriverError, LookupError) as group:
            why = str(first_of(group)) or "a new socket of the process can't be used"
        return why


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception in a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def tell_to_connect(socket: DriverSocket, endpoint: str) -> None:
    """Some stacks answer when the handshake is done, or has failed: the case goes on meanwhile."""
    with suppress(DriverError, DriverEnded, LookupError):
        await socket.connect(endpoint)


def checkable(endpoint: str, *, connect: bool = False) -> Tcp | Ipc | Ws:
    """The endpoint. Raises ValueError for a transport that is not checked."""
    place = parse_endpoint(endpoint, connect=connect)
    if isinstance(place, Inproc):
        raise ValueError(f"{endpoint}: inproc has no octets to check; expected tcp, ipc or ws")
    if isinstance(place, Ws) and place.secure and not connect:
        raise ValueError(f"{endpoint}: the check has no certificate to listen with; expected ws, tcp or ipc")
    return place


def path_of(endpoint: str, *, connect: bool = False) -> str:
    """What to ask for at an endpoint of ws or wss; "" at any other. Raises ValueError as `checkable` does."""
    place = checkable(endpoint, connect=connect)
    return place.path if isinstance(place, Ws) else ""


async def dial(endpoint: str, patience: float) -> trio.abc.Stream:
    """A connection to an endpoint. Raises Unreachable; ValueError for a transport that is not checked."""
    place = checkable(endpoint, connect=True)
    try:
        with trio.fail_after(patience):
            if isinstance(place, Ipc):
                return await trio.open_unix_socket(place.path)
            at = place.at if isinstance(place, Ws) else place
            stream = await trio.open_tcp_stream(at.host, at.port)
            return await encrypted(stream, at.host) if isinstance(place, Ws) and place.secure else stream
    except trio.TooSlowError:
        raise Unreachable(f"{endpoint}: no connection in {patience:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        cause = error.__cause__ or error
        attempts = cause.exceptions if isinstance(cause, ExceptionGroup) else [cause]  # one for each address
        raise Unreachable(f"{endpoint}: {'; '.join(map(str, attempts))}") from None


async def encrypted(stream: trio.SocketStream, host: str) -> trio.abc.Stream:
    """TLS on a connection. Any certificate will do, because the check has nothing to hide."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    await tls.do_handshake()
    return tls


async def accept(listener: trio.SocketListener, patience: float) -> trio.abc.Stream:
    """The next connection. Raises Unreachable."""
    try:
        with trio.fail_after(patience):
            return await listener.accept()
    except trio.TooSlowError:
        raise Unreachable(f"nothing has connected in {patience:g} s") from None


@asynccontextmanager
async def listen(endpoint: str) -> AsyncIterator[tuple[trio.SocketListener, str]]:
    """A listener, and the endpoint where it listens. Raises ValueError for a transport that is not checked."""
    place = checkable(endpoint)
    if isinstance(place, Ipc):
        socket_file = trio.Path(place.path)
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        await sock.bind(place.path)
        sock.listen(100)
        async with trio.SocketListener(sock) as listener:
            try:
                yield listener, endpoint
            finally:
                await socket_file.unlink(missing_ok=True)
        return
    scheme, at, path = ("ws", place.at, place.path) if isinstance(place, Ws) else ("tcp", place, "")
    host = None if at.host in ("*", "") else at.host
    (listener, *_) = await trio.open_tcp_listeners(at.port, host=host or "0.0.0.0")
    async with listener:
        yield listener, f"{scheme}://{host or '127.0.0.1'}:{listener.socket.getsockname()[1]}{path}"


async def announced(connect: Connect, terms: Terms) -> Terms:
    """What the socket there says about itself. Raises Unlike or Unreachable; ValueError if credentials are missing."""
    terms, kind = await (_switched if terms.path else _greeted)(connect, terms)
    if kind:
        return _with_kind(terms, kind)
    # It waits for our metadata. Few sockets mind if a type is missing; otherwise, one of these will do.
    for ours in ("", "DEALER", "ROUTER", "XSUB", "XPUB", "PULL", "PUSH", "PAIR"):
        peer = await _meet(connect, replace(terms, kind="PAIR"))
        try:
            metadata = await peer.handshake(metadata=o.metadata(ours))
        except Unlike as unlike:
            last = unlike
            continue
        finally:
            await peer.close()
        return _with_kind(terms, metadata.get(b"socket-type", b"").decode("latin-1"))
    raise last


def _with_kind(terms: Terms, kind: str) -> Terms:
    if kind not in EVERY_KIND:
        raise ValueError(f"the socket says that it is a {kind or 'socket without a type'}; the check is for {KINDS}")
    return replace(terms, kind=kind)


async def _greeted(connect: Connect, terms: Terms) -> tuple[Terms, str]:
    """Terms from its greeting, and its type if it says it unasked."""
    peer = await _meet(connect, terms)
    try:
        theirs = await _their_greeting(peer)
        mechanism = theirs[12:32].rstrip(b"\0") if theirs else terms.mechanism
        terms = replace(terms, mechanism=mechanism, minor=theirs[11] if theirs and theirs[10] == 3 else 1)
        check_credentials(terms)
        if mechanism != b"NULL":
            return terms, ""
        await peer.send(o.greeting()[11:])
        if not theirs:
            await peer.greeting()
        return terms, await _unasked(peer)
    finally:
        await peer.close()


async def _switched(connect: Connect, terms: Terms) -> tuple[Terms, str]:
    """The same over WebSocket. A client offers its mechanism; a server is offered one after the other."""
    terms = replace(terms, minor=0)
    for mechanism in dict.fromkeys((terms.mechanism, b"NULL", b"PLAIN", b"CURVE")):
        terms = replace(terms, mechanism=mechanism)
        peer = await _meet(connect, terms)
        assert isinstance(peer, WebPeer)
        try:
            if terms.dials:
                await peer.read_head("a request")
                offers = peer.field("sec-websocket-protocol").split(",")
                named = [offer.strip()[7:].encode() for offer in offers if offer.strip().startswith("ZWS2.0/")]
                terms = replace(terms, mechanism=named[0] if named else b"NULL")
                check_credentials(terms)
                return terms, ""
            await peer.greet()
            check_credentials(terms)
            return terms, await _unasked(peer) if mechanism == b"NULL" else ""
        except Unlike as unlike:
            last = unlike
        finally:
            await peer.close()
    raise last


def check_credentials(terms: Terms) -> None:
    """Raise ValueError if those for the mechanism are missing."""
    if terms.mechanism == b"PLAIN" and not terms.username:
        raise ValueError("the socket speaks PLAIN, which needs --username and --password")
    if terms.mechanism == b"CURVE" and terms.curve is None:
        raise ValueError("the socket speaks CURVE, which needs --server-key, or --secret-key where it is the client")


async def _meet(connect: Connect, terms: Terms) -> Peer:
    return meet(await connect(), terms, Record(), Place(connect, connect, connect))


async def _their_greeting(peer: Peer) -> bytes:
    """Their greeting, if it comes before our mechanism is known; over WebSocket, the head of their upgrade."""
    if isinstance(peer, WebPeer):
        await peer.switch()
        return peer.head
    await peer.send(o.greeting()[:11])
    try:
        return await peer.read(64, QUIET * 2)
    except (trio.TooSlowError, Ended):
        return b""


async def _unasked(peer: Peer) -> str:
    """The type in a READY that comes before ours; "" if none comes."""
    try:
        frame = await peer.frame(patience=QUIET)
    except Unlike:
        return ""
    name, data = frame.command()
    if name != b"READY":
        return ""
    peer.learn(data)
    return peer.theirs.get(b"socket-type", b"").decode("latin-1")
