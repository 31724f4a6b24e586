"""Sockets: what a program holds. Messages, and waiting for them; of bytes they know nothing.

        send ──► pattern.try_send(message) ──► done, or: not now ──► wait until on_space, ask again
        recv ──► pattern.take()            ──► a message, or None ──► wait until on_arrival, ask again

That is nearly all of it. The pattern decides at once, in plain functions; the socket does nothing but wait in between,
with empty hands. So a cancelled `send` has sent nothing and a cancelled `recv` has taken nothing, at whichever await
the cancellation came: the message changes hands in one step, and after it there is no await left.

    await checkpoint            ◄── cancelled here: nothing has happened yet
    message = pattern.take()
    while message is None:
        await arrival           ◄── cancelled here: nothing has been taken
        message = pattern.take()
    return message

Below this module: `session`, `inproc`, `patterns`. Above it: `context`, which makes sockets.
Read next: `context`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import cycle
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import trio
from trio.lowlevel import checkpoint_if_cancelled

from .constants import NOBLOCK, POLLIN, POLLOUT, SNDMORE, Event, SocketType
from .endpoints import Inproc, parse_endpoint
from .errors import EINVAL, ENOENT, ENOTSOCK, Again, ZMQError
from .inproc import Names
from .monitor import Monitor, MonitorEvent
from .options import Options, set_options, snapshot, unknown_option
from .patterns import PATTERNS
from .patterns.pattern import Received
from .session import Acceptor, Connector, Link, new_mechanism
from .transports import check_dialable, listen
from .wire.events import Authenticate, Verdict
from .wire.events import Message as Frames

T = TypeVar("T")

# Connecting twice to the same endpoint makes one connection for these types, two for all others (L-17).
CONNECT_ONCE = {SocketType.DEALER, SocketType.SUB, SocketType.PUB, SocketType.REQ}

# Every so many sends and receives that need not wait, a task lets the others run all the same. A full checkpoint costs
# about four microseconds, as much as a few messages.
TURNS = 64


class Home:
    """What a socket needs of its context: a nursery for its tasks, and the inproc names."""

    names: Names

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        raise NotImplementedError

    def check_caller(self) -> None:
        raise NotImplementedError

    async def authenticate(self, question: Authenticate, options: Options, address: str) -> Verdict:
        raise NotImplementedError

    def forget(self, socket: Socket) -> None:
        raise NotImplementedError


class Message(NamedTuple):
    """A message and what is known of its sender: `Socket-Type`, `Peer-Address`, `Identity` …"""

    frames: list[bytes]
    metadata: dict[str, str]


class Socket(Options):
    """One socket. Made by `Context.socket`; options are its attributes (see `options`)."""

    __slots__ = (
        "_closed",
        "_home",
        "_last_endpoint",
        "_links",
        "_monitors",
        "_parts",
        "_receivers",
        "_rest",
        "_senders",
        "_turns",
        "pattern",
        "socket_type",
        "watchers",
    )

    def __init__(self, home: Home, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__()
        self.socket_type = socket_type
        self.pattern = PATTERNS[socket_type](self._on_arrival, self._on_space, self)
        self._home = home
        self._closed = False
        self._last_endpoint = ""
        self._links: dict[Link, None] = {}  # bound and connected endpoints, in order; also those that still linger
        self._monitors: list[Monitor] = []
        self._receivers = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self.watchers: set[trio.Event] = set()
        self._parts: Frames = []  # given with SNDMORE, until the last one comes
        self._rest: list[Frames] = []  # of each message of which recv() has given the first frames: the others
        # Counts sends and receives; at each 0 the task lets the others run. (An iterator, for a plain number would have
        # to be stored through __setattr__ below, which costs more than all the rest.)
        self._turns = cycle(range(TURNS))
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
        new_mechanism(options)  # what is missing is missed here, and not at the first connection
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
        self._last_endpoint = endpoint
        if self.socket_type in CONNECT_ONCE and endpoint in self._connected():
            return
        options = snapshot(self)
        self._values.pop("connect_routing_id", None)  # it names one peer
        new_mechanism(options)
        link: Link
        if isinstance(address, Inproc):
            link = self._home.names.connect(self, endpoint, options)
        else:
            check_dialable(address)
            link = connector = Connector(self, address, endpoint, options)
            self.start_task(connector.run)
        self._links[link] = None

    def _connected(self) -> list[str]:
        return [link.endpoint for link in self._links if not link.finishing]

    def unbind(self, endpoint: str) -> None:
        """Stop listening at endpoint, and part from those who came by it (L-19). ENOENT if it is not bound."""
        self._finish_link(endpoint, "bound to")

    def disconnect(self, endpoint: str) -> None:
        """Part from the peer at endpoint. What is queued for it lingers, what came from it is gone (L-18)."""
        self._finish_link(endpoint, "connected to")

    def _finish_link(self, endpoint: str, how: str) -> None:
        self._check_open()
        links = [link for link in self._links if not link.finishing]
        meant = [link for link in links if link.endpoint == endpoint]
        if not meant:
            known = ", ".join(link.endpoint for link in links) or "nothing"
            raise ZMQError(ENOENT, f"this socket is not {how} {endpoint}; it is bound or connected to {known}")
        for link in meant:  # several, where connect() was called twice (L-17): libzmq ends them all
            link.finish(self.linger)

    def close(self, linger: int | None = None) -> None:
        """Close now; may be repeated. What is queued is sent behind our back for `linger` milliseconds (L-21).

        Whoever waits on this socket gets ZMQError(ENOTSOCK).
        """
        if self._closed:
            return
        if linger is not None:
            self.linger = linger
        self._closed = True
        self._parts.clear()
        self._rest.clear()
        for link in list(self._links):
            if not link.finishing:
                link.finish(self.linger)
        self.tell(Event.MONITOR_STOPPED, "")
        self._monitors.clear()
        self._receivers.unpark_all()
        self._senders.unpark_all()
        for watcher in self.watchers:
            watcher.set()
        if not self._links:
            self._home.forget(self)

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

    # --------------------------------------------------------------------------------------------------------- sending

    async def send(self, data: Any, flags: int = 0) -> None:
        """Send one frame; with SNDMORE the message goes on with the next call, and is sent as a whole with its last.

        data: bytes or bytes-like. Waits while no peer can take it, up to sndtimeo; NOBLOCK does not wait.
        Raises Again when it must not wait longer, ZMQError (EFSM, ENOTSUP) when this socket cannot send (now).
        """
        await self._send([_frame(data)], flags)

    async def send_multipart(self, parts: Iterable[Any], flags: int = 0) -> None:
        """Send a message of several frames: all of it or, when it raises or is cancelled, none."""
        frames = [_frame(part) for part in parts]
        if not frames:
            raise ZMQError(EINVAL, "a message has at least one frame; it may be empty: [b'']")
        await self._send(frames, flags)

    async def send_string(self, text: str, flags: int = 0, encoding: str = "utf-8") -> None:
        """Send text as one frame."""
        await self.send(text.encode(encoding), flags)

    async def send_json(self, value: Any, flags: int = 0) -> None:
        """Send value as one frame of JSON."""
        await self.send(json.dumps(value, separators=(",", ":")).encode(), flags)

    async def _send(self, frames: Frames, flags: int) -> None:
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        if self._closed:
            self._check_open()
        if flags & SNDMORE:
            if not self._parts:
                self.pattern.check_send()
            self._parts.extend(frames)
            return
        parts = len(self._parts)
        message = self._parts + frames
        try_send = self.pattern.try_send
        if not try_send(message):
            words = "no peer can take a message"
            await self._wait(lambda: try_send(message) or None, self._senders, flags, self.sndtimeo, words)
        del self._parts[:parts]  # ours; another task may have begun a message while we waited
        if self._receivers or self.watchers:
            self._pass_on()

    # ------------------------------------------------------------------------------------------------------- receiving

    async def recv(self, flags: int = 0) -> bytes:
        """The next frame; `rcvmore` tells whether its message goes on.

        Waits for a message, up to rcvtimeo; NOBLOCK does not wait. Raises Again when it must not wait longer, ZMQError
        (EFSM, ENOTSUP) when this socket cannot receive (now).
        """
        if self._rest:
            await self._breathe()
        if not self._rest:  # also if another task has taken it by now
            _, frames = await self._receive(flags)
            if len(frames) == 1:
                return frames[0]
            self._rest.append(frames)
            return frames.pop(0)
        frame = self._rest[0].pop(0)
        if not self._rest[0]:
            del self._rest[0]
        return frame

    async def recv_multipart(self, flags: int = 0) -> list[bytes]:
        """The next message, or what recv() has left of one."""
        if self._rest:
            return (await self.recv_message(flags)).frames
        _, frames = await self._receive(flags)
        return frames

    async def recv_message(self, flags: int = 0) -> Message:
        """The next message with what is known of its sender."""
        if self._rest:
            await self._breathe()
        if self._rest:
            return Message(self._rest.pop(0), {})
        pipe, frames = await self._receive(flags)
        return Message(frames, pipe.metadata)

    async def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> str:
        """The next frame as text."""
        return (await self.recv(flags)).decode(encoding)

    async def recv_json(self, flags: int = 0) -> Any:
        """The next frame, read as JSON."""
        return json.loads(await self.recv(flags))

    @property
    def rcvmore(self) -> bool:
        """Does the message that recv() gave a frame of go on?"""
        return bool(self._rest)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[bytes]:
        try:
            return await self.recv_multipart()
        except ZMQError as error:
            if error.errno == ENOTSOCK:
                raise StopAsyncIteration from None
            raise

    async def _receive(self, flags: int) -> Received:
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        if self._closed:
            self._check_open()
        found = self.pattern.take()
        if found is None:
            found = await self._wait(self.pattern.take, self._receivers, flags, self.rcvtimeo, "no message has come")
        if self._receivers or self.watchers:
            self._pass_on()
        return found

    # --------------------------------------------------------------------------------------------------------- waiting

    async def _breathe(self) -> None:
        """A point of cancellation, and a chance for the other tasks."""
        self._check_open()
        await trio.lowlevel.checkpoint()

    async def _wait(
        self, attempt: Callable[[], T | None], lot: trio.lowlevel.ParkingLot, flags: int, timeout: int, words: str
    ) -> T:
        """Ask again whenever asking makes sense, until there is an answer or no time is left."""
        if flags & NOBLOCK or timeout == 0:
            await trio.lowlevel.checkpoint()  # those who could help get a chance
            self._check_open()
            if (answer := attempt()) is not None:
                return answer
            raise Again(f"{words}, and this call was not to wait")
        with timeout_scope(timeout):
            while True:
                await lot.park()
                self._check_open()
                if (answer := attempt()) is not None:
                    return answer
        raise Again(f"{words} within {timeout} ms")

    def _pass_on(self) -> None:
        """Wake one more of those who wait if there is still something for it: an arrival wakes one each time a queue
        that was empty is empty no more, and that one need not be the last who can be served.

        And those who poll ask again: a REP that has answered may receive, and one that has received may answer, though
        nothing came and no queue was emptied."""
        if self._receivers and self.pattern.can_receive():
            self._receivers.unpark()
        for watcher in self.watchers:
            watcher.set()

    def _on_arrival(self) -> None:
        self._receivers.unpark()
        for watcher in self.watchers:
            watcher.set()

    def _on_space(self) -> None:
        self._senders.unpark_all()  # room for one message may be for any of them: they ask again, and see
        for watcher in self.watchers:
            watcher.set()

    async def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait until the socket can do what flags ask for, POLLIN or POLLOUT or both; what it can do, 0 if nothing
        within timeout milliseconds (None or negative: wait for ever)."""
        with timeout_scope(timeout):
            await trio.lowlevel.checkpoint()
            while not (mask := self.events & flags):
                await wait_for_change(self)
            return mask
        return self.events & flags

    @property
    def events(self) -> int:
        """What the socket can do now, without waiting: POLLIN, POLLOUT, both or 0."""
        self._check_open()
        readable = bool(self._rest) or self.pattern.can_receive()
        return (POLLIN if readable else 0) | (POLLOUT if self.pattern.can_send() else 0)

    # --------------------------------------------------------------------------------------------------- subscriptions

    def subscribe(self, prefix: bytes | str) -> None:
        """Ask for messages that start with prefix, of every publisher, now and later; b"" asks for all."""
        self._check_open()
        self.pattern.subscribe(_prefix(prefix))

    def unsubscribe(self, prefix: bytes | str) -> None:
        """Take back one subscribe(prefix)."""
        self._check_open()
        self.pattern.unsubscribe(_prefix(prefix))

    # -------------------------------------------------------------------------- what sessions ask of it (session.Owner)

    def monitor(self) -> Monitor:
        """What happens to this socket's connections from now on: `async for event in sock.monitor()`."""
        self._check_open()
        monitor = Monitor()
        self._monitors.append(monitor)
        return monitor

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
                received=pipe.inbound.taken,
                unread=len(pipe.inbound),
                subscriptions=self.pattern.subscriptions_of(pipe),
            )
            for link in self._links
            for pipe, connected in link.pipes()
        ]

    def tell(self, event: Event, endpoint: str, value: int = 0, reason: str = "") -> None:
        for monitor in self._monitors:
            monitor.tell(MonitorEvent(event, endpoint, value, reason))

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        self._home.start_task(function)

    async def authenticate(self, question: Authenticate, address: str) -> Verdict:
        return await self._home.authenticate(question, self, address)

    def ended(self, link: Link) -> None:
        self._links.pop(link, None)
        if self._closed and not self._links:
            self._home.forget(self)

    def unsent(self) -> dict[str, int]:
        """{endpoint: messages not yet sent}, for all that have some."""
        return {link.endpoint: link.unsent() for link in self._links if link.unsent()}


def timeout_scope(milliseconds: float | None) -> AbstractContextManager[object]:
    """A block that is left when its time is over; None or less than 0 gives it all the time there is."""
    if milliseconds is None or milliseconds < 0:
        return nullcontext()
    return trio.move_on_after(milliseconds / 1000)


async def wait_for_change(*sockets: Socket) -> None:
    """Until one of sockets may be able to do what it was not. To ask again is cheap; to miss it would be for ever."""
    change = trio.Event()
    for socket in sockets:
        socket.watchers.add(change)
    try:
        await change.wait()
    finally:
        for socket in sockets:
            socket.watchers.discard(change)


class PeerStatistics(NamedTuple):
    """One peer, and what has passed between us. Counted in messages (subscriptions count as such), since its pipe was
    made: see `patterns.pipe` for how long that is.

    sent: given to its connection. queued: waiting for that. dropped: never queued, for want of room.
    received: taken by the program. unread: waiting for that.
    subscriptions: prefixes that the peer wants of us now. Nothing limits them, as in libzmq: look here whose they are.
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


def _frame(data: Any) -> bytes:
    """A frame of its own: what the caller does with data afterwards does not change what is sent."""
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        hint = ": encode it, or use send_string()" if isinstance(data, str) else ""
        raise TypeError(f"a frame is bytes or bytes-like, not {type(data).__name__}{hint}") from None


def _prefix(prefix: bytes | str) -> bytes:
    return prefix.encode() if isinstance(prefix, str) else _frame(prefix)
