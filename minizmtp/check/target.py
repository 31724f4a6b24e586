"""Targets: where the socket under test is, and how a case gets a connection to it.

    Endpoint    something is bound there; each case dials
    Listening   something dials us; each case takes the next connection
    Driven      a driver makes a socket for each case, which binds or connects

A target tells what the socket announces: its mechanism from the greeting, and its type from READY. For that, the
signature and the version are sent first, and the rest of our greeting when theirs has come, because a socket that
connects may never come back to a peer with another mechanism.

    >>> Terms(kind="REP").partner
    'DEALER'

Below this module: `peer`, `program`. Read next: `run`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Protocol

import trio

from ..net.endpoints import Inproc, Ipc, Tcp, Ws, parse_endpoint
from . import octets as o
from .peer import QUIET, Connect, Ended, Peer, Place, Record, Terms, Unlike, Unreachable
from .program import Driver, DriverEnded, DriverError, DriverSocket


class Target(Protocol):
    """The socket under test. terms: what is known about it."""

    terms: Terms

    @property
    def at_once(self) -> int:
        """How many cases may be played at a time."""

    def place(self) -> AbstractAsyncContextManager[Place]:
        """A place for one case."""

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
    async def place(self) -> AsyncIterator[Place]:
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
    async def place(self) -> AsyncIterator[Place]:
        """Each connection is the next that comes."""

        async def first() -> trio.abc.Stream:
            return await accept(self._listener, self.terms.patience)

        yield Place(first, first, first)

    async def gone(self) -> str:
        """The next case will see whether it comes again."""
        return ""


class Driven:
    """A socket that a driver makes anew for each case. options: of the socket, as in `program`."""

    @property
    def at_once(self) -> int:
        """Each case has its own socket."""
        return 8

    def __init__(self, driver: Driver, terms: Terms, options: dict[str, str | int] | None = None) -> None:
        self.driver, self.terms, self._options = driver, terms, options or {}

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A new socket, which binds, or connects to listeners of ours, each time to another one."""
        sockets = [await self._make()]
        listeners: list[trio.SocketListener] = []
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:

            async def connect() -> trio.abc.Stream:
                listener, endpoint = await stack.enter_async_context(listen("tcp://127.0.0.1:0"))
                listeners.append(listener)
                nursery.start_soon(tell_to_connect, sockets[-1], endpoint)
                return await accept(listener, self.terms.patience)

            async def afresh() -> trio.abc.Stream:
                sockets.append(await self._make())
                return await connect()

            async def again() -> trio.abc.Stream:
                return await accept(listeners[-1], self.terms.patience)

            try:
                if self.terms.dials:
                    yield Place(connect, afresh, again, sockets[0])
                else:
                    endpoint = await sockets[0].bind("tcp://127.0.0.1:0")

                    async def bound() -> trio.abc.Stream:
                        return await dial(endpoint, self.terms.patience)

                    yield Place(bound, bound, bound, sockets[0])
            finally:
                with trio.CancelScope(shield=True):
                    for each in sockets:
                        if self.driver.is_running:
                            await each.close()
                nursery.cancel_scope.cancel()

    async def _make(self) -> DriverSocket:
        socket = await self.driver.socket(self.terms.kind, **self._options)
        socket.patience = self.terms.patience
        return socket

    async def announce(self) -> None:
        """Learn the minor version from a first socket's greeting. Raises NotApplicable if there is no such type."""
        theirs = await self._greeting()
        self.terms.minor = theirs[11] if theirs[10:11] == b"\x03" else self.terms.minor

    async def _greeting(self) -> bytes:
        async with self.place() as place:
            peer = Peer(await place.connect(), self.terms, Record(), place)
            theirs = await _their_greeting(peer)
            await peer.close()
        return theirs

    async def gone(self) -> str:
        """The process may have ended, or its sockets may be dead: then a new one does not greet."""
        if why := await self.driver.how_it_ended():
            return why
        try:
            return "" if await self._greeting() else "new sockets of the process do not answer any more"
        except (Unreachable, DriverEnded, DriverError, LookupError) as error:
            return str(error) or "a new socket of the process can't be used"


async def tell_to_connect(socket: DriverSocket, endpoint: str) -> None:
    """Some stacks answer when the handshake is done, or has failed: the case goes on meanwhile."""
    with suppress(DriverError, DriverEnded, LookupError):
        await socket.connect(endpoint)


def _checkable(endpoint: str, *, connect: bool = False) -> Tcp | Ipc:
    """The endpoint. Raises ValueError for a transport that is not checked."""
    place = parse_endpoint(endpoint, connect=connect)
    if isinstance(place, Inproc):
        raise ValueError(f"{endpoint}: inproc has no octets to check; expected tcp or ipc")
    if isinstance(place, Ws):
        raise ValueError(f"{endpoint}: ZMTP over WebSocket is not checked; expected tcp or ipc")
    return place


async def dial(endpoint: str, patience: float) -> trio.abc.Stream:
    """A connection to an endpoint. Raises Unreachable; ValueError for a transport that is not checked."""
    place = _checkable(endpoint, connect=True)
    try:
        with trio.fail_after(patience):
            if isinstance(place, Ipc):
                return await trio.open_unix_socket(place.path)
            return await trio.open_tcp_stream(place.host, place.port)
    except (OSError, trio.TooSlowError) as error:
        raise Unreachable(f"{endpoint}: {error}") from None


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
    place = _checkable(endpoint)
    if isinstance(place, Ipc):
        path = trio.Path(place.path)
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        await sock.bind(place.path)
        sock.listen(100)
        async with trio.SocketListener(sock) as listener:
            try:
                yield listener, endpoint
            finally:
                await path.unlink(missing_ok=True)
        return
    host = None if place.host in ("*", "") else place.host
    (listener, *_) = await trio.open_tcp_listeners(place.port, host=host or "0.0.0.0")
    async with listener:
        yield listener, f"tcp://{host or '127.0.0.1'}:{listener.socket.getsockname()[1]}"


async def announced(connect: Connect, terms: Terms) -> Terms:
    """What the socket there says about itself. Raises Unlike or Unreachable; ValueError if credentials are missing."""
    peer = await _meet(connect, terms)
    try:
        theirs = await _their_greeting(peer)
        mechanism = theirs[12:32].rstrip(b"\0") if theirs else terms.mechanism
        terms = replace(terms, mechanism=mechanism, minor=theirs[11] if theirs and theirs[10] == 3 else 1)
        if mechanism == b"PLAIN" and not terms.username:
            raise ValueError("it speaks PLAIN: --username and --password are needed")
        if mechanism == b"CURVE" and terms.curve is None:
            raise ValueError("it speaks CURVE: --server-key is needed, or --secret-key where it is the client")
        kind = await _unasked(peer, theirs) if mechanism == b"NULL" else ""
    finally:
        await peer.close()
    if kind:
        return replace(terms, kind=kind)
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
        return replace(terms, kind=metadata.get(b"socket-type", b"").decode("latin-1"))
    raise last


async def _meet(connect: Connect, terms: Terms) -> Peer:
    return Peer(await connect(), terms, Record(), Place(connect, connect, connect))


async def _their_greeting(peer: Peer) -> bytes:
    """Their greeting, if it comes before our mechanism is known."""
    await peer.send(o.greeting()[:11])
    try:
        return await peer.read(64, QUIET * 2)
    except (trio.TooSlowError, Ended):
        return b""


async def _unasked(peer: Peer, theirs: bytes) -> str:
    """The type in a READY that comes before ours; "" if none comes. Raises Unlike if no greeting comes either."""
    await peer.send(o.greeting()[11:])
    if not theirs:
        await peer.greeting()
    try:
        frame = await peer.frame(patience=QUIET)
    except Unlike:
        return ""
    name, data = frame.command()
    if name != b"READY":
        return ""
    peer.learn(data)
    return peer.theirs.get(b"socket-type", b"").decode("latin-1")
