"""What a socket is linked to: bind and connect, close, and what others may know of it.

    bind("tcp://…")      ──►  Acceptor   ──►  Accepted, Accepted …      (`session`)
    connect("tcp://…")   ──►  Connector
    bind("inproc://…")   ──►  Bound      ──►  Joint, Joint …            (`inproc`)
    connect("inproc://…")──►  Joint

Each is a *link*: it brings pipes to the socket's pattern, and takes them away again. Links end by themselves, or by
`unbind`, `disconnect` and `close`, which let them linger: so a closed socket may have links for a while.

These are all plain calls. Nothing here waits; what takes time is done by tasks of the context.

Below this module: `session`, `inproc`, `monitor`. Above it: `sockets`, which adds the messages.
Read next: `socket`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self
from weakref import WeakSet

from ..constants import Event, SocketType
from ..errors import ENOENT, ENOTSOCK, ZMQError
from ..net.endpoints import Endpoint, Inproc, parse_endpoint
from ..net.inproc import Names
from ..net.reactor import Reactor
from ..net.session import Acceptor, Connector, Link, choose_mechanism, log
from ..net.transports import bound_place, check_dialable, dialled_place, listen
from ..options import OPTION_ROWS, Options, set_options, snapshot, unknown_option, without_effect
from ..patterns import Pattern
from ..wire.events import Authenticate, Verdict
from .monitor import Monitor, MonitorEvent

# Connecting twice to the same endpoint makes one connection for these types, two for all others and over inproc (L-17).
CONNECT_ONCE = {SocketType.DEALER, SocketType.SUB, SocketType.PUB, SocketType.REQ}


class Home:
    """What a socket needs of its context: a nursery for its tasks, and the inproc names."""

    names: Names
    reactor: Reactor
    at_home: list[int]  # the thread in which its sockets may be used; emptied in a child of a fork

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        raise NotImplementedError

    def check_caller(self) -> None:
        raise NotImplementedError

    async def authenticate(self, question: Authenticate, options: Options, address: str) -> Verdict:
        raise NotImplementedError

    def forget(self, socket: Linked) -> None:
        raise NotImplementedError


class PeerStatistics(NamedTuple):
    """One peer, and what has passed between us. Counted in messages (subscriptions count as such), since its pipe was
    made: see `patterns.pipe` for how long that is.

    sent: given to its connection. queued: waiting for that. dropped: never queued, for want of room.
    received: taken by the program. unread: waiting for that.
    subscriptions: prefixes that the peer wants of us now; `maxsubscribed` limits them.
    """

    endpoint: str
    address: str
    routing_id: bytes
    connected: bool
    sent: int
    queued: int
    dropped: int
    received: int
    unread: int
    subscriptions: int


class Linked(Options):
    """The half of a socket that has to do with peers, and nothing with messages."""

    __slots__ = (
        "_at_home",
        "_closed",
        "_gone",
        "_home",
        "_last_endpoint",
        "_links",
        "_monitors",
        "pattern",
        "socket_type",
    )
    pattern: Pattern

    def __init__(self, home: Home, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__()
        self.socket_type = socket_type
        self._home = home
        self._at_home = home.at_home
        self._closed = False
        self._last_endpoint = ""
        self._links: dict[Link, None] = {}  # bound and connected endpoints, in order; also those that still linger
        self._monitors: WeakSet[Monitor] = WeakSet()  # weak, so that an abandoned monitor is freed (see `monitor`)
        self._gone: set[str] = set()  # of connects that have ended by themselves: the program may disconnect them still
        if socket_type in (SocketType.SUB, SocketType.XSUB):
            self.linger = 0  # what a subscriber has queued are subscriptions, of no use to anybody when it is gone
        set_options(self, options)

    def __repr__(self) -> str:
        state = " closed" if self._closed else f" {self._last_endpoint}".rstrip()
        return f"<minizmtp {self.socket_type.name} socket{state}>"

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            raise AttributeError(unknown_option(name)) from None
        if name in OPTION_ROWS and hasattr(self, "pattern"):
            self._option_changed(name)

    def _option_changed(self, name: str) -> None:
        """Let what is there already follow, where the option is one that acts at once (see `options`)."""
        if name in ("sndhwm", "rcvhwm"):
            for link in self._links:
                link.set_hwms()
        self.pattern.look_again()

    # ------------------------------------------------------------------------------------------------------- endpoints

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def last_endpoint(self) -> str:
        """The endpoint last bound, as resolved, or last connected; "" before."""
        return self._last_endpoint

    def bind(self, endpoint: str) -> None:
        """Let peers connect to endpoint. Raises ZMQError: EADDRINUSE, EINVAL, ENODEV …, with what would help."""
        self._check_open()
        address = parse_endpoint(endpoint)
        options = snapshot(self)
        choose_mechanism(options)()  # what is missing is missed here, and not at the first connection
        self._warn_of_idle(options, endpoint)
        link: Link
        if isinstance(address, Inproc):
            link = self._home.names.bind(self, endpoint, options)
        else:
            try:
                listener = listen(address, options)
            except ZMQError as error:
                self.tell(Event.BIND_FAILED, endpoint, error.errno, str(error))
                raise
            link = acceptor = Acceptor(self, listener, options)
            self.start_task(acceptor.run)
        self._links[link] = None
        self._last_endpoint = link.endpoint

    def bind_to_random_port(self, address: str) -> int:
        """bind to any free port of address, such as `tcp://127.0.0.1`; the port."""
        self.bind(f"{address}:*")
        return int(self._last_endpoint.rpartition(":")[2])

    def connect(self, endpoint: str) -> None:
        """Reach for a peer at endpoint, now and whenever the connection breaks. Returns at once; nobody need be there
        yet. Raises ZMQError (EINVAL, EPROTONOSUPPORT) only for what can never be."""
        self._check_open()
        address = parse_endpoint(endpoint, connect=True)
        options = snapshot(self)
        choose_mechanism(options)()
        if not isinstance(address, Inproc):
            check_dialable(address)
        # What may raise has been done by now: a connect that raises changes nothing.
        self._last_endpoint = endpoint
        once = self.socket_type in CONNECT_ONCE and not isinstance(address, Inproc)
        if once and dialled_place(address, self) in self._connected():
            return
        self._gone.discard(endpoint)
        self.given.pop("connect_routing_id", None)  # it names one peer
        self._warn_of_idle(options, endpoint)
        link: Link
        if isinstance(address, Inproc):
            link = self._home.names.connect(self, endpoint, options)
        else:
            link = connector = Connector(self, address, endpoint, options)
            self.start_task(connector.run)
        self._links[link] = None

    def _warn_of_idle(self, options: Options, endpoint: str) -> None:
        """Log each option that is set and does nothing at this endpoint."""
        for words in without_effect(options, self.socket_type, endpoint.partition("://")[0]):
            log.warning("%s: %s", endpoint, words)

    def _connected(self) -> list[Endpoint]:
        return [link.place for link in self._links if isinstance(link, Connector) and not link.finishing]

    def unbind(self, endpoint: str) -> None:
        """Stop listening at endpoint, however it is spelled, and part from those who came by it (L-19). ENOENT if it is
        not bound."""
        self._finish_link(endpoint, "bound to")

    def disconnect(self, endpoint: str) -> None:
        """Part from the peer at endpoint, however it is spelled. What is queued for it lingers, what came from it is
        gone (L-18). ENOENT if it is not connected; a connect that has ended by itself may be disconnected once."""
        self._finish_link(endpoint, "connected to")

    def _finish_link(self, endpoint: str, how: str) -> None:
        self._check_open()
        links = [link for link in self._links if not link.finishing]
        meant = [link for link in links if link.endpoint == endpoint] or self._at(endpoint, links)
        if not meant and endpoint in self._gone:
            self._gone.discard(endpoint)
            return
        if not meant:
            known = ", ".join(link.endpoint for link in links) or "nothing"
            raise ZMQError(ENOENT, f"this socket is not {how} {endpoint}; it is bound or connected to {known}")
        for link in meant:  # several, where connect() was called twice (L-17): libzmq ends them all
            link.finish(self.linger)

    def _at(self, text: str, links: list[Link]) -> list[Link]:
        """The links of an endpoint that the program spells otherwise now than it did when it bound or connected it."""
        try:
            endpoint = parse_endpoint(text)
        except ZMQError:
            try:
                endpoint = parse_endpoint(text, connect=True)  # it may name a source, which a bind refuses
            except ZMQError:
                return []
        places = (dialled_place(endpoint, self), bound_place(endpoint, self))
        return [link for link in links if link.place in places]

    def close(self, linger: int | None = None) -> None:
        """Close now; may be repeated. What is queued is sent behind our back for `linger` milliseconds (L-21).

        Whoever waits on this socket gets ZMQError(ENOTSOCK).
        """
        if self._closed:
            return
        if linger is not None:
            self.linger = linger
        self._closed = True
        self._at_home = []  # so that one look tells whether it may be used
        if not self._home.at_home:
            self._abandon()
            return
        for link in list(self._links):
            link.finish(self.linger)  # also those that linger already: they have no longer than this
        for monitor in list(self._monitors):
            monitor.end()
        self._let_go()
        if not self._links:
            self._home.forget(self)

    def _abandon(self) -> None:
        """In a child of a fork: close our copies of the descriptors, and nothing else. The connections, the selectors
        that watch them, the tasks that work for them and the files of ipc endpoints are the parent's."""
        for link in self._links:
            link.abandon()
        self._links.clear()
        self._monitors.clear()
        self._home.forget(self)

    def drop(self) -> None:
        """Let nothing linger any more."""
        for link in list(self._links):
            link.finish(0)

    def _let_go(self) -> None:
        """Closed: whoever waits is to hear of it."""
        raise NotImplementedError

    def _check_open(self) -> None:
        if self._closed:
            raise ZMQError(ENOTSOCK, f"this {self.socket_type.name} socket is closed")
        self._home.check_caller()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -------------------------------------------------------------------------- what sessions ask of it (session.Owner)

    def monitor(self) -> Monitor:
        """What happens to this socket's connections from now on, as an iterator: see `monitor`.

        `async with sock.monitor() as events:` ends it with the block.
        """
        self._check_open()
        return Monitor(self._monitors)

    def peers(self) -> list[PeerStatistics]:
        """What has passed between this socket and each of its peers, as it stands now."""
        return [
            PeerStatistics(
                endpoint=link.endpoint,
                address=pipe.metadata.get("Peer-Address", ""),
                routing_id=pipe.routing_id or pipe.identity,
                connected=connected,
                sent=pipe.outbound.taken,
                queued=len(pipe.outbound),
                dropped=pipe.outbound.dropped,
                received=pipe.inbound.taken - self.pattern.aside(pipe),
                unread=len(pipe.inbound) + self.pattern.aside(pipe),
                subscriptions=self.pattern.subscriptions_of(pipe),
            )
            for link in self._links
            for pipe, connected in link.pipes()
        ]

    @property
    def reactor(self) -> Reactor:
        return self._home.reactor

    def tell(self, event: Event, endpoint: str, value: int = 0, reason: str = "") -> None:
        for monitor in self._monitors:
            monitor.tell(MonitorEvent(event, endpoint, value, reason))

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        self._home.start_task(function)

    async def authenticate(self, question: Authenticate, options: Options, address: str) -> Verdict:
        return await self._home.authenticate(question, options, address)

    def ended(self, link: Link) -> None:
        if link in self._links:
            del self._links[link]
            if not link.finishing:
                self._gone.add(link.endpoint)
        if self._closed and not self._links:
            self._home.forget(self)

    def unsent(self) -> dict[str, int]:
        """{endpoint: messages not yet sent}, for all that have some."""
        return {link.endpoint: link.unsent() for link in self._links if link.unsent()}
