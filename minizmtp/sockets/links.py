"""Links: what a socket is connected to. bind and connect, close, and what is known of each peer.

    bind("tcp://…")      ──►  Acceptor        ──►  Accepted, Accepted …              (`net.acceptor`)
    connect("tcp://…")   ──►  Connector                                              (`net.connector`)
    bind("inproc://…")   ──►  InprocBinding   ──►  InprocLink, InprocLink …          (`net.inproc`)
    connect("inproc://…")──►  InprocLink

Each of these is a *link*: it attaches pipes to the socket's pattern, and detaches them again. A link ends by itself,
or by `unbind`, `disconnect` and `close`. It may linger then, so a closed socket can have links for a while.

`Links` is the part of a socket that its sessions see. They find the pattern here, tell it what monitors are to know,
and report their end; they have no use for `send` and `recv`.

Nothing here waits, because what takes time is done by tasks of the Context (see `net.runtime`).

Read next: `waiters`.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple
from weakref import WeakSet

from ..constants import Event, SocketType
from ..errors import ENOENT, ENOTSOCK, ZMQError
from ..net.acceptor import Acceptor
from ..net.addresses import bound_place, dialled_place
from ..net.connector import Connector
from ..net.endpoints import Inproc, parse_endpoint
from ..net.link import Link
from ..net.parting import MOST, Partings
from ..net.reports import log
from ..net.runtime import Runtime
from ..net.security import choose_connection
from ..net.transports import check_dialable, check_tls, handed_over, listen
from ..options import Options, snapshot, without_effect
from ..patterns import Pattern
from .monitor import Monitor, MonitorEvent

# Connecting twice to the same endpoint makes one connection for these types, two for all others and over inproc (L-17).
CONNECT_ONCE = {SocketType.DEALER, SocketType.SUB, SocketType.PUB, SocketType.REQ}


class PeerStatistics(NamedTuple):
    """One peer, and what has passed between us. Counted in messages (subscriptions count as such), since its pipe was
    made: see `patterns.pipe` for how long that is.

    sent: given to its connection. queued: waiting for that. dropped: never queued, for want of room.
    received: taken by the program. unread: waiting for that. routing_id: of a SERVER and a PEER, the number in octets.
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


class Links:
    """The links of one socket. options: the socket's own, as they are now; each link keeps a copy of its own."""

    __slots__ = (
        "_ended_connects", "_links", "closed", "last_endpoint", "monitors", "options", "partings", "pattern", "runtime",
    )  # fmt: skip

    def __init__(self, runtime: Runtime, pattern: Pattern, options: Options) -> None:
        self.runtime = runtime
        self.pattern = pattern
        self.options = options
        self.closed = False
        self.last_endpoint = ""  # last bound, as resolved, or last connected
        self.monitors: Collection[Monitor] = ()
        self.partings = Partings(runtime.start_task, self._forget_if_over)
        self._links: dict[Link, None] = {}  # in the order of bind and connect; also those that linger
        self._ended_connects: set[str] = set()  # ended by themselves: the program may still disconnect each once

    @property
    def socket_type(self) -> SocketType:
        return self.pattern.socket_type

    def check_open(self) -> None:
        """Raise ZMQError(ENOTSOCK) if the socket is closed, RuntimeError if another thread or process calls."""
        if self.closed:
            raise ZMQError(ENOTSOCK, f"this {self.socket_type.name} socket is closed")
        self.runtime.check_caller()

    # ------------------------------------------------------------------------------------------------------- endpoints

    def bind(self, endpoint: str) -> None:
        """See Socket.bind."""
        self.check_open()
        address = parse_endpoint(endpoint)
        options = snapshot(self.options)  # because a value that is set later is for the next bind, as in libzmq
        new_connection = choose_connection(self.socket_type, options, address)
        self._warn_of_idle(options, endpoint)
        link: Link
        if isinstance(address, Inproc):
            link = self.runtime.inproc.bind(self, endpoint, options)
        else:
            try:
                # Here and not in the Acceptor's task, because EADDRINUSE is an error of this call.
                listener = listen(address, options)
            except ZMQError as error:
                self.tell(Event.BIND_FAILED, endpoint, error.errno, str(error))
                raise
            link = acceptor = Acceptor(self, listener.endpoint, options, new_connection, listener)
            # A task of the Context accepts the peers, because bind() is a plain call, which cannot wait for them.
            self.runtime.start_task(acceptor.run)
        self._links[link] = None
        self.last_endpoint = link.endpoint  # not the text given, because that may leave the port to the system

    def adopt(self, sock: socket.socket, octets: bytes) -> None:
        """See Socket.adopt."""
        self.check_open()
        stream, place = handed_over(sock)
        # All connections of one address of the server are one link, because unbind() ends an endpoint as a whole.
        for link in self._links:
            if isinstance(link, Acceptor) and link.place == place and not link.finishing:
                link.start_session(stream, octets)
                return
        options = snapshot(self.options)
        acceptor = Acceptor(self, place, options, choose_connection(self.socket_type, options, place))
        self._links[acceptor] = None
        acceptor.start_session(stream, octets)

    def connect(self, endpoint: str) -> None:
        """See Socket.connect."""
        self.check_open()
        address = parse_endpoint(endpoint, connect=True)
        options = snapshot(self.options)
        new_connection = choose_connection(self.socket_type, options, address, dials=True)
        if not isinstance(address, Inproc):
            check_dialable(address)
            check_tls(address, options, dials=True)
        # All that may raise comes before this line, because a connect that raises must change nothing.
        self.last_endpoint = endpoint
        if self.socket_type in CONNECT_ONCE and not isinstance(address, Inproc):
            place = dialled_place(address, options)
            if any(isinstance(link, Connector) and link.place == place and not link.finishing for link in self._links):
                return  # and no error, as in libzmq
        self._ended_connects.discard(endpoint)  # because a disconnect is for the new link from now on
        del self.options.connect_routing_id  # because it names one peer
        self._warn_of_idle(options, endpoint)
        link: Link
        if isinstance(address, Inproc):
            link = self.runtime.inproc.connect(self, endpoint, options)
        else:
            link = connector = Connector(self, address, endpoint, options, new_connection)
            self.runtime.start_task(connector.run)
        self._links[link] = None

    def _warn_of_idle(self, options: Options, endpoint: str) -> None:
        """Log each option that is set and does nothing at this endpoint."""
        for reason in without_effect(options, self.socket_type, endpoint.partition("://")[0]):
            log.warning("%s: %s", endpoint, reason)

    def finish_at(self, endpoint: str, how: str) -> None:
        """See Socket.unbind and Socket.disconnect. They do the same, because libzmq ends an endpoint by its text alone.
        how: for the error if there is none, "bound to" or "connected to"."""
        self.check_open()
        links = [link for link in self._links if not link.finishing]
        # By its text first, because that is cheap and usual. Only then by the place that the text means, because that
        # may ask the system for the address of an interface.
        meant = [link for link in links if link.endpoint == endpoint] or self._at(endpoint, links)
        if not meant and endpoint in self._ended_connects:
            # No error, because the program cannot know that the link ended by itself a moment ago.
            self._ended_connects.discard(endpoint)
            return
        if not meant:
            known = ", ".join(link.endpoint for link in links) or "nothing"
            raise ZMQError(ENOENT, f"this socket is not {how} {endpoint}; it is bound or connected to {known}")
        for link in meant:  # several, where connect() was called twice (L-17): libzmq ends them all
            link.finish(self.options.linger)

    def _at(self, text: str, links: list[Link]) -> list[Link]:
        """The links of an endpoint that the program spells otherwise now than it did when it bound or connected it."""
        # Parsed as a connect, too, because a connect may name a source, which a bind refuses.
        for connect in (False, True):
            with suppress(ZMQError):
                endpoint = parse_endpoint(text, connect=connect)
                # Both, because the text does not say whether it was bound or connected.
                places = (dialled_place(endpoint, self.options), bound_place(endpoint, self.options))
                return [link for link in links if link.place in places]
        return []

    def close(self) -> None:
        """Close now. What is queued is sent in the background for `linger` milliseconds (L-21)."""
        self.closed = True
        self.finish(self.options.linger)
        # After the links, because a monitor still tells of the connections that close() has ended.
        for monitor in list(self.monitors):
            monitor.end()
        self._forget_if_over()

    def _forget_if_over(self) -> None:
        """The Context waits for closed sockets until each is forgotten, so it is told when nothing lingers any more."""
        if self.closed and not self._links and not self.partings:
            self.runtime.forget(self)

    def finish(self, linger: int) -> None:
        """End all links after linger milliseconds. Those that linger already have no longer than this."""
        # A stream that is being closed belongs to no link any more, so it is told by itself.
        self.partings.shorten(linger)
        for link in list(self._links):  # a copy, because a link without unsent messages ends at once
            link.finish(linger)

    def abandon(self) -> None:
        """In a child of a fork: close our copies of the descriptors, and nothing else. The connections, the selectors
        that watch them, the tasks that work for them and the files of ipc endpoints are the parent's."""
        self.closed = True
        for link in self._links:
            link.abandon()  # and not finish(), which would tell the peer that the connection ends
        self.partings.abandon()
        self._links.clear()
        self.monitors = ()
        self.runtime.forget(self)

    # ----------------------------------------------------------------------------------------------- looking at peers

    def set_hwms(self) -> None:
        """Make every pipe as deep as the socket's options say now."""
        for link in self._links:
            link.set_hwms()

    def peers(self) -> list[PeerStatistics]:
        """See Socket.peers."""
        return [
            PeerStatistics(
                endpoint=link.endpoint,
                address=pipe.metadata.get("Peer-Address", ""),
                routing_id=pipe.routing_id or pipe.identity,  # by our name for it, or else by the one that it sent
                connected=connected,
                sent=pipe.outbound.taken,
                queued=len(pipe.outbound),
                dropped=pipe.outbound.dropped,
                # What poll() or recv() has taken out of the queue, and the program has not read to its end, is unread.
                received=pipe.inbound.taken - self.pattern.held_back(pipe),
                unread=len(pipe.inbound) + self.pattern.held_back(pipe),
                subscriptions=self.pattern.subscriptions_of(pipe),
            )
            for link in self._links
            for pipe, connected in link.pipes()
        ]

    def waits_for(self) -> Iterator[str]:
        """What keeps the closed socket from ending, and what the program can do about each."""
        name, linger = self.socket_type.name, self.options.linger
        remedy = "if they may be dropped, set linger=0"
        for link in self._links:
            if count := link.unsent():
                unsent = f"{count} unsent message{'s' * (count > 1)}"
                yield f"{name} {link.endpoint}, which has {unsent} and {linger=}: {remedy}"
        # The messages are with the system, but a peer that has not read them could still lose them (see `net.parting`).
        peers = f"peers of {name} {self.last_endpoint}"
        if octets := self.partings.undelivered():
            yield f"{peers}, which have no room for the last {octets} octets sent, and {linger=}: {remedy}"
        elif self.partings:
            remedy = f"for at most {MOST:.0f} s; to wait no longer, set a linger"
            yield f"{peers}, which go on sending and do not close: {remedy}"

    # --------------------------------------------------------------------------------------------- what sessions call

    def new_monitor(self) -> Monitor:
        """See Socket.monitor."""
        self.check_open()
        # Only from the first monitor on, because a WeakSet is slow to walk through, even an empty one.
        if not isinstance(self.monitors, WeakSet):
            self.monitors = WeakSet()  # weak, so that an abandoned monitor is freed (see `monitor`)
        return Monitor(self.monitors)

    def tell(self, event: Event, endpoint: str, value: int = 0, reason: str = "") -> None:
        """Give an event to all monitors of the socket."""
        for monitor in self.monitors:
            monitor.tell(MonitorEvent(event, endpoint, value, reason))

    def ended(self, link: Link) -> None:
        """The link is over: by itself, or because its lingering is."""
        if link in self._links:  # an InprocLink that was accepted is not, because its InprocBinding keeps it
            del self._links[link]
            if not link.finishing:  # the program has not asked for this end, so it may still ask
                self._ended_connects.add(link.endpoint)
        self._forget_if_over()
