"""Sockets: what a program holds. They know messages and waiting, and nothing of bytes on the wire.

        send ──► pattern.try_send(message) ──► done, or: not now ──► wait until on_space, ask again
        recv ──► pattern.take()            ──► a message, or None ──► wait until on_arrival, ask again

That is nearly all of it. The pattern decides at once, in plain functions, and the socket only waits in between.
Cancelling loses nothing: a cancelled `send` has sent nothing, and a cancelled `recv` has taken nothing. This is true at
whichever await the cancellation comes, because the message changes hands in one step, and after it there is no await.

    await checkpoint            ◄── cancelled here: nothing has happened yet
    message = pattern.take()
    while message is None:
        await arrival           ◄── cancelled here: nothing has been taken
        message = pattern.take()
    return message

A socket is made of parts: `links` connects it to peers, `waiters` wakes the tasks that wait, and the pattern decides
about messages. What a program sees are the methods below, and the options as attributes.

Read next: `zap`, then `context`.
"""

from __future__ import annotations

import codecs
import json
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import trio
from trio.lowlevel import checkpoint_if_cancelled

from ..constants import POLLIN, POLLOUT, SocketType
from ..errors import EINVAL, ENOTSOCK, ZMQError
from ..net.runtime import Runtime
from ..options import Options, set_options
from ..patterns import PATTERNS
from ..patterns.ahead import Received
from ..patterns.routing import RoundRobin
from ..sockopts import EVENTS, LAST_ENDPOINT, RCVMORE, SUBSCRIBE, TYPE, UNSUBSCRIBE, SocketOption
from ..wire.events import Message as Frames
from .changes import poll_until, wait_for_change
from .links import Links, PeerStatistics
from .monitor import Monitor
from .sender import TURNS, Sender, frame_of, frames_of, items_of
from .waiters import Waiters

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer  # bytes, bytearray, memoryview, array ...

# A recv_many counts as so many calls of recv, because it may take many messages (see Turns).
TURNS_OF_MANY = 64


class Turns:
    """How many sends and receives may still go by until a task lets the others run although it need not wait: a full
    checkpoint each time would cost as much as a few messages. (As an attribute of the socket it would be set by
    Options.__setattr__, which is slow.)"""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 0


class Message(NamedTuple):
    """A message and what is known of its sender: `Socket-Type`, `Peer-Address`, `Identity` …"""

    frames: list[bytes]
    metadata: Mapping[str, str]


class Socket(Options):
    """One socket. Made by `Context.socket`; options are its attributes (see `options`)."""

    __slots__ = (
        "_fair", "_links", "_owner_threads", "_parts", "_pattern", "_rest", "_robin", "_sender", "_take", "_turns",
        "_waiters", "socket_type",
    )  # fmt: skip
    socket_type: SocketType

    def __init__(self, runtime: Runtime, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__()
        self.socket_type = socket_type
        self._owner_threads = runtime.owner_threads  # so that one look tells whether this thread may use the socket
        waiters = self._waiters = Waiters(runtime.reactor.new_looker(self))
        pattern = PATTERNS[socket_type](waiters.on_arrival, waiters.on_space, self)
        pattern.later = lambda function: runtime.reactor.call_later(lambda readiness: function())
        self._pattern = waiters.pattern = pattern
        self._links = Links(runtime, pattern, self)
        self._turns = Turns()
        # Where nothing but turns decides about a message, the round robin and the fair queue may be asked directly.
        self._fair = pattern.incoming
        self._robin = RoundRobin() if pattern.is_lockstep else pattern.outgoing
        self._take = self._fair.take if pattern.delivers_unchanged else pattern.take
        self._rest = pattern.rest
        self._sender = Sender(self._links, pattern, waiters, self)
        self._parts = self._sender.parts
        if socket_type in (SocketType.SUB, SocketType.XSUB, SocketType.DISH):
            self.linger = 0  # because all that a subscriber has queued are subscriptions, which end with it anyway
        set_options(self, options)

    def __repr__(self) -> str:
        state = " closed" if self.closed else f" {self.last_endpoint}".rstrip()
        return f"<minizmtp {self.socket_type.name} socket{state}>"

    def _option_changed(self, name: str) -> None:
        """Called by each option when it is set. Most act at the next bind or connect; these act at once."""
        if name in ("sndhwm", "rcvhwm"):
            self._links.set_hwms()
        self._pattern.refresh()  # because a task may wait for what the option allows now

    def setsockopt(self, option: int, value: Any) -> None:
        """Set an option by its constant, such as `zmq.LINGER`, as in pyzmq; also SUBSCRIBE and UNSUBSCRIBE.
        Raises ZMQError(EINVAL) for a number of an unknown option, TypeError for text (see setsockopt_string)."""
        self._links.check_open()
        if option in (SUBSCRIBE, UNSUBSCRIBE) and not isinstance(value, str):
            (self.subscribe if option == SUBSCRIBE else self.unsubscribe)(value)
        else:
            super().setsockopt(option, value)

    def getsockopt(self, option: int) -> Any:
        """Read an option by its constant, as in pyzmq; also EVENTS, LAST_ENDPOINT (bytes), RCVMORE and TYPE."""
        self._links.check_open()
        if option == LAST_ENDPOINT:
            return self.last_endpoint.encode()
        state = {EVENTS: lambda: self.events, RCVMORE: lambda: int(self.rcvmore), TYPE: lambda: int(self.socket_type)}
        return state[SocketOption(option)]() if option in state else super().getsockopt(option)

    set, get = setsockopt, getsockopt

    # ----------------------------------------------------------------------------------------------------------- links

    @property
    def closed(self) -> bool:
        return self._links.closed

    @property
    def last_endpoint(self) -> str:
        """The endpoint last bound, as resolved, or last connected; "" before."""
        return self._links.last_endpoint

    def bind(self, endpoint: str) -> None:
        """Let peers connect to endpoint. Raises ZMQError: EADDRINUSE, EINVAL, ENODEV …, with what would help."""
        self._links.bind(endpoint)

    def bind_to_random_port(self, address: str) -> int:
        """bind to any free port of address, such as `tcp://127.0.0.1`; returns the port."""
        self._links.bind(f"{address}:*")
        return int(self.last_endpoint.rpartition(":")[2].partition("/")[0])

    def adopt(self, sock: socket.socket, octets: bytes) -> None:
        """Take over a connection of an HTTP server, in which a client asks for a WebSocket. octets: what the server has
        read of it, which begins with the request. With minihttp, a handler returns `Handover(this_socket.adopt)`."""
        self._links.adopt(sock, octets)

    def connect(self, endpoint: str) -> None:
        """Connect to a peer at endpoint, and again whenever the connection breaks. Returns at once, also if the peer is
        not there yet. Raises ZMQError (EINVAL, EPROTONOSUPPORT) only for an endpoint that can never be reached."""
        self._links.connect(endpoint)

    def unbind(self, endpoint: str) -> None:
        """Stop listening at endpoint, however it is spelled, and disconnect the peers that came by it (L-19). ENOENT if
        it is not bound."""
        self._links.finish_at(endpoint, "bound to")

    def disconnect(self, endpoint: str) -> None:
        """Disconnect from the peer at endpoint, however it is spelled. What is queued for the peer lingers, what came
        from it and was not read is dropped (L-18). ENOENT if it is not connected; a connect that has ended by itself
        may be disconnected once."""
        self._links.finish_at(endpoint, "connected to")

    def close(self, linger: int | None = None) -> None:
        """Close now; may be repeated. What is queued is sent in the background for `linger` milliseconds (L-21). Tasks
        that wait for this socket get ZMQError(ENOTSOCK)."""
        if self.closed:
            return
        if linger is not None:
            self.linger = linger
        self._parts.clear()
        if not self._owner_threads:  # in a child of a fork, where no task of the parent may be woken
            self._links.abandon()
            return
        self._owner_threads = []  # because send and recv look here, and only if it fails ask whether the socket is open
        self._links.close()
        self._pattern.close()
        # The pattern has a new fair queue, without the messages that were not read.
        self._fair, self._take = self._pattern.incoming, self._pattern.take
        self._waiters.wake_all()  # last, because the tasks that wait are to find a socket that is closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def monitor(self) -> Monitor:
        """What happens to this socket's connections from now on, as an iterator: see `monitor`. `async with
        sock.monitor() as events:` ends it with the block."""
        return self._links.new_monitor()

    def peers(self) -> list[PeerStatistics]:
        """What has passed between this socket and each of its peers, as it stands now."""
        return self._links.peers()

    # --------------------------------------------------------------------------------------------------------- waiting

    async def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait until the socket can do what flags ask for, POLLIN or POLLOUT or both; what it can do, 0 if nothing
        within timeout milliseconds (None or negative: wait for ever)."""
        self._links.check_open()  # before the checkpoint, because in a child of a fork not even that may run
        return await poll_until(lambda: self.events & flags, partial(wait_for_change, self._waiters), timeout)

    @property
    def events(self) -> int:
        """What the socket can do now, without waiting: POLLIN, POLLOUT, both or 0."""
        self._links.check_open()
        is_readable = self._rest or self._pattern.can_receive()
        return (POLLIN if is_readable else 0) | (POLLOUT if self._pattern.can_send() else 0)

    async def _checkpoint(self, turns: int = TURNS) -> None:
        """A point of cancellation. Also a chance for the other tasks, unless so many turns are left."""
        if self._turns.left >= turns and not self._rest:
            self._turns.left -= turns
            await checkpoint_if_cancelled()
        else:
            self._turns.left = TURNS
            self._links.check_open()  # first, because in a child of a fork not even a checkpoint may run
            await trio.lowlevel.checkpoint()

    # --------------------------------------------------------------------------------------------------------- sending

    async def send(self, data: ReadableBuffer, flags: int = 0, copy: bool = True, track: bool = False) -> None:
        """Send one frame. With SNDMORE the message goes on with the next call, and is sent as a whole with its last.

        data: bytes or bytes-like. copy has no effect; track=True raises TypeError.
        Waits while no peer has room, up to sndtimeo; NOBLOCK does not wait. Raises Again when it must not wait longer,
        ZMQError (EFSM, ENOTSUP, EHOSTUNREACH) when this socket cannot send (now, to this peer).

        With SNDMORE the first part waits for room, or is refused, as a whole message would be; so the later parts
        seldom have to wait. A call that raises or is cancelled, with whatever part, gives up the whole message: the
        next call begins a new one.
        """
        # Taken out first: if anything below raises or is cancelled, the message that was begun is given up.
        begun = self._sender.take_parts() if self._parts else ()
        frame = data if type(data) is bytes else frame_of(data)
        turns = self._turns
        if turns.left:
            turns.left -= 1
            await checkpoint_if_cancelled()
        else:
            await self._checkpoint()
        # With only one peer the queue is asked directly: that saves a sixth of what a message of 64 octets costs.
        only = self._robin.only
        if flags or track or begun or get_ident() not in self._owner_threads:
            await self._sender.send([*begun, frame], flags, track, bool(begun))
        elif only is not None and only.offer(frame):
            return
        elif self._waiters.count or not self._pattern.try_send_frame(frame):  # the sender wakes other tasks
            await self._sender.send([frame], flags)

    async def send_multipart(
        self, parts: Iterable[ReadableBuffer], flags: int = 0, copy: bool = True, track: bool = False
    ) -> None:
        """Send a message of several frames: all of it or none, if it raises or is cancelled. copy, track: see send."""
        begun = self._sender.take_parts() if self._parts else ()
        frames = frames_of(parts)
        turns = self._turns
        if turns.left:  # as in send, because a call more costs a DEALER and a ROUTER 5 % of a round trip
            turns.left -= 1
            await checkpoint_if_cancelled()
        else:
            await self._checkpoint()
        is_slow = flags or track or begun or self._waiters.count or get_ident() not in self._owner_threads
        if is_slow or not self._pattern.try_send(frames):
            await self._sender.send([*begun, *frames], flags, track, bool(begun))

    async def send_many(self, messages: Iterable[ReadableBuffer | Sequence[ReadableBuffer]], flags: int = 0) -> int:
        """Send each of the messages, which are bytes or lists of frames, and return how many there were.

        This call takes the next message from messages only when there is room for it, and waits for room as send()
        does: up to sndtimeo each time, and not at all with NOBLOCK. When it is cancelled or raises Again, all messages
        that it took were sent. An iterator then stands at the first message that was not sent (see `sender`).

        Raises what send() raises, and whatever messages raises: what came before was sent. The message that was refused
        is taken from an iterator, and not sent. A REQ and a REP send one message at a time, so they raise ENOTSUP.
        """
        return await self._sender.send_many(messages, flags, items_of)

    async def send_string(self, text: str, flags: int = 0, encoding: str = "utf-8", **address: Any) -> None:
        """Send text as one frame. address: of a draft type, as for its send()."""
        await self.send(self._encoded(lambda: text.encode(encoding)), flags, **address)

    async def send_json(self, value: Any, flags: int = 0, **address: Any) -> None:
        """Send value as one frame of JSON. address: as for send_string()."""
        await self.send(self._encoded(lambda: json.dumps(value, separators=(",", ":")).encode()), flags, **address)

    def _encoded(self, encode: Callable[[], bytes]) -> bytes:
        begun = self._sender.take_parts()  # because text that cannot be encoded gives up its message, as in send()
        data = encode()
        self._parts.extend(begun)
        return data

    # ------------------------------------------------------------------------------------------------------- receiving

    async def recv(self, flags: int = 0, copy: bool = True) -> bytes:
        """The next frame; `rcvmore` tells whether its message goes on. copy: has no effect, because it is bytes.

        Waits for a message, up to rcvtimeo; NOBLOCK does not wait. Raises Again when it must not wait longer, ZMQError
        (EFSM, ENOTSUP) when this socket cannot receive (now).
        """
        turns = self._turns
        if turns.left and not self._rest:
            turns.left -= 1
            await checkpoint_if_cancelled()
            # While the inbox has more than one item, the pattern has nothing to say to the first, and need not be
            # asked: that saves a fifth of what a message of 64 octets costs.
            inbox = self._fair.inbox
            if len(inbox) > 1 and get_ident() in self._owner_threads:
                item = inbox.popleft()
                if type(item) is bytes:
                    return item
                inbox.appendleft(item)  # a message of several frames, of which the socket keeps the rest
        else:
            await self._checkpoint()
        if self._rest:  # as long as it has frames, it belongs to the socket
            frames = self._rest[0][1]
            if len(frames) == 1:
                self._take_rest()
            return frames.pop(0)
        received = self._try_receive()
        if received is None:
            received = await self._waiters.park(self._try_receive, flags, self.rcvtimeo)
        if len(received[1]) > 1:
            self._rest.append(received)
        return received[1].pop(0)

    async def recv_multipart(self, flags: int = 0, copy: bool = True) -> list[bytes]:
        """The next message, or what recv() has left of one. copy: as recv()."""
        turns = self._turns
        if turns.left and not self._rest:
            turns.left -= 1
            await checkpoint_if_cancelled()
            inbox = self._fair.inbox  # as in recv
            if len(inbox) > 1 and get_ident() in self._owner_threads:
                item = inbox.popleft()
                if type(item) is bytes:
                    return [item]
                if type(item) is list:
                    return item
                inbox.appendleft(item)
        else:
            await self._checkpoint()
        received = self._take_rest() if self._rest else self._try_receive()
        if received is None:
            received = await self._waiters.park(self._try_receive, flags, self.rcvtimeo)
        return received[1]

    async def recv_message(self, flags: int = 0) -> Message:
        """The next message, or what recv() has left of one, with what is known of its sender."""
        await self._checkpoint(1)
        received = self._take_rest() if self._rest else self._try_receive()
        if received is None:
            received = await self._waiters.park(self._try_receive, flags, self.rcvtimeo)
        return Message(received[1], received[0].metadata)

    async def recv_many(self, max_messages: int | None = None, flags: int = 0) -> list[list[bytes]]:
        """Wait until there is a message, then return all that are there, at most max_messages, each a list of frames.

        They come in the order in which recv_multipart() would give them, and first of all what recv() has left of a
        message. They are taken in one step, after the last await: a call that is cancelled has taken none.

        Waits up to rcvtimeo; NOBLOCK does not wait. Raises as recv() does. A REQ and a REP receive one message at a
        time, so they raise ENOTSUP.
        """
        if max_messages is not None and max_messages < 1:
            raise ZMQError(EINVAL, f"max_messages is {max_messages}: expected at least 1, or None for no limit")
        most = sys.maxsize if max_messages is None else max_messages
        await self._checkpoint(TURNS_OF_MANY)
        attempt = partial(self._try_receive_many, most)
        found = attempt()
        return await self._waiters.park(attempt, flags, self.rcvtimeo) if found is None else found

    def _try_receive_many(self, most: int) -> list[Frames] | None:
        self._links.check_open()
        self._pattern.check_batch()
        begun = [frames for _, frames in self._rest[:most]]
        found = begun + self._pattern.take_many(most - len(begun))
        del self._rest[: len(begun)]  # only now, because take_many() may raise
        if found:
            self._waiters.wake_next()
        return found or None

    async def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> str:
        """The next frame as text. A frame that is no such text is taken all the same, and UnicodeDecodeError raised."""
        codecs.lookup(encoding)  # so that an unknown encoding raises before a frame is taken
        return (await self.recv(flags)).decode(encoding)

    async def recv_json(self, flags: int = 0) -> Any:
        """The next frame, read as JSON. One that is no JSON is taken all the same, and ValueError raised."""
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
            if error.errno == ENOTSOCK:  # no error here, because closing is how another task ends this loop
                raise StopAsyncIteration from None
            raise

    def _try_receive(self) -> Received | None:
        if get_ident() not in self._owner_threads:  # another thread, a child of a fork, or closed: see close()
            self._links.check_open()
        found = self._take()
        if self._waiters.count and found is not None:
            self._waiters.wake_next()
        return found

    def _take_rest(self) -> Received:
        """The rest of a message is no longer the socket's: a REQ and a REP may send now."""
        rest = self._rest.pop(0)
        self._waiters.wake_next()
        return rest

    # --------------------------------------------------------------------------------------------------- subscriptions

    def subscribe(self, prefix: bytes | str) -> None:
        """Ask for messages that start with prefix, of every publisher, now and later; b"" asks for all."""
        self._links.check_open()
        self._pattern.subscribe(_prefix(prefix))

    def unsubscribe(self, prefix: bytes | str) -> None:
        """Take back one subscribe(prefix)."""
        self._links.check_open()
        self._pattern.unsubscribe(_prefix(prefix))


def _prefix(prefix: bytes | str) -> bytes:
    return prefix.encode() if isinstance(prefix, str) else frame_of(prefix)
