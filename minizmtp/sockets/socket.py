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

A socket is made of parts. `links` has to do with peers, `waiters` wakes the tasks that wait, and the pattern decides.
What a program sees are the methods below, and the options as attributes; nothing else has a public name.

Read next: `zap`, then `context`.
"""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from inspect import GEN_CLOSED, getgeneratorstate
from operator import length_hint
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import trio
from trio.lowlevel import checkpoint_if_cancelled

from ..constants import NOBLOCK, POLLIN, POLLOUT, SNDMORE, SocketType
from ..errors import EINVAL, ENOTSOCK, Again, ZMQError
from ..net.runtime import Runtime
from ..options import Options, set_options
from ..patterns import PATTERNS
from ..patterns.pattern import Received
from ..patterns.routing import FairQueue, RoundRobin, as_list
from ..sockopts import EVENTS, LAST_ENDPOINT, RCVMORE, SUBSCRIBE, TYPE, UNSUBSCRIBE, SocketOption
from ..wire.events import Item
from ..wire.events import Message as Frames
from .links import Links, PeerStatistics
from .monitor import Monitor
from .waiters import Waiters, timeout_scope, wait_for_change

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer  # bytes, bytearray, memoryview, array ...

# Every so many sends, or receives, that need not wait, a task lets the others run all the same. A full checkpoint costs
# about four microseconds, as much as a few messages.
TURNS = 512


class Turns:
    """How many sends and receives may still go by without a full checkpoint.

    Not attributes of the socket, because Options.__setattr__ would make counting cost more than a message."""

    __slots__ = ("receives", "sends")

    def __init__(self) -> None:
        self.sends = self.receives = 0


class Message(NamedTuple):
    """A message and what is known of its sender: `Socket-Type`, `Peer-Address`, `Identity` …"""

    frames: list[bytes]
    metadata: Mapping[str, str]


class Socket(Options):
    """One socket. Made by `Context.socket`; options are its attributes (see `options`).

    It is made of three parts: `_links` has to do with peers, `_pattern` decides about messages, `_waiters` wakes tasks.
    """

    __slots__ = (
        "_fair", "_links", "_offer", "_owner_threads", "_parts", "_pattern", "_rest", "_robin", "_take", "_turns",
        "_waiters", "socket_type",
    )  # fmt: skip
    socket_type: SocketType

    def __init__(self, runtime: Runtime, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__()
        self.socket_type = socket_type
        self._owner_threads = runtime.owner_threads  # so that one look tells whether this thread may use the socket
        waiters = self._waiters = Waiters(runtime.reactor.new_looker(self))
        pattern = PATTERNS[socket_type](waiters.on_arrival, waiters.on_space, self)
        pattern.later = lambda function: runtime.reactor.call_soon(lambda may: function())
        self._pattern = waiters.pattern = pattern
        self._links = Links(runtime, pattern, self)
        self._turns = Turns()
        self._offer, self._take, self._rest = pattern.try_send, pattern.take, pattern.rest
        # Where the pattern has nothing to say to a message, and there is one peer to send it to or take it from, it is
        # not asked for each: that saves a fifth of what a message of 64 octets costs, at either end. (A round robin or
        # a fair queue without pipes never names one.)
        self._fair, self._robin = FairQueue(), RoundRobin()
        if pattern.takes_all and pattern.incoming is not None:
            self._fair = pattern.incoming
        if pattern.outgoing is not None and not pattern.has_turns:
            self._robin = pattern.outgoing
        self._parts: Frames = []  # given with SNDMORE, until the last one comes
        if socket_type in (SocketType.SUB, SocketType.XSUB):
            self.linger = 0  # because all that a subscriber has queued are subscriptions, which end with it anyway
        set_options(self, options)

    def __repr__(self) -> str:
        state = " closed" if self.closed else f" {self.last_endpoint}".rstrip()
        return f"<minizmtp {self.socket_type.name} socket{state}>"

    def _option_changed(self, name: str) -> None:
        """Called by each option when it is set. Most act at the next bind or connect; these act at once."""
        if name in ("sndhwm", "rcvhwm"):
            self._links.set_hwms()
        self._pattern.look_again()

    def setsockopt(self, option: int, value: Any) -> None:
        """Set an option by its constant, such as `zmq.LINGER`, as in pyzmq; also SUBSCRIBE and UNSUBSCRIBE.

        Raises ZMQError(EINVAL) for a number that is no option here, TypeError for text (see setsockopt_string)."""
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
        return int(self.last_endpoint.rpartition(":")[2])

    def connect(self, endpoint: str) -> None:
        """Connect to a peer at endpoint, now and whenever the connection breaks. Returns at once; the peer need not be
        there yet. Raises ZMQError (EINVAL, EPROTONOSUPPORT) only for an endpoint that can never be reached."""
        self._links.connect(endpoint)

    def unbind(self, endpoint: str) -> None:
        """Stop listening at endpoint, however it is spelled, and disconnect the peers that came by it (L-19). ENOENT if
        it is not bound."""
        self._links.unbind(endpoint)

    def disconnect(self, endpoint: str) -> None:
        """Disconnect from the peer at endpoint, however it is spelled. What is queued for the peer lingers, what came
        from it and was not read is dropped (L-18). ENOENT if it is not connected; a connect that has ended by itself
        may be disconnected once."""
        self._links.disconnect(endpoint)

    def close(self, linger: int | None = None) -> None:
        """Close now; may be repeated. What is queued is sent in the background for `linger` milliseconds (L-21).

        Tasks that wait for this socket get ZMQError(ENOTSOCK).
        """
        if self.closed:
            return
        if linger is not None:
            self.linger = linger
        in_child = not self._owner_threads  # of a fork, where no task of the parent may be woken
        self._owner_threads = []
        self._links.close()
        self._parts.clear()
        if not in_child:
            self._rest.clear()
            self._waiters.wake_all()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def monitor(self) -> Monitor:
        """What happens to this socket's connections from now on, as an iterator: see `monitor`.

        `async with sock.monitor() as events:` ends it with the block.
        """
        return self._links.monitor()

    def peers(self) -> list[PeerStatistics]:
        """What has passed between this socket and each of its peers, as it stands now."""
        return self._links.peers()

    # --------------------------------------------------------------------------------------------------------- waiting

    async def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait until the socket can do what flags ask for, POLLIN or POLLOUT or both; what it can do, 0 if nothing
        within timeout milliseconds (None or negative: wait for ever)."""
        self._links.check_open()  # before the checkpoint, because in a child of a fork not even that may run
        with timeout_scope(timeout):
            await trio.lowlevel.checkpoint()
            while not (mask := self.events & flags):
                await wait_for_change(self._waiters)
            return mask
        return self.events & flags

    @property
    def events(self) -> int:
        """What the socket can do now, without waiting: POLLIN, POLLOUT, both or 0."""
        self._links.check_open()
        return (POLLIN if self._is_readable() else 0) | (POLLOUT if self._pattern.can_send() else 0)

    def _can_send(self) -> bool:
        self._links.check_open()
        return self._pattern.can_send()

    def _is_readable(self) -> bool:
        return bool(self._rest) or self._pattern.can_receive()

    async def _checkpoint(self) -> None:
        """A point of cancellation, and a chance for the other tasks."""
        self._links.check_open()
        await trio.lowlevel.checkpoint()

    # --------------------------------------------------------------------------------------------------------- sending

    async def send(self, data: ReadableBuffer, flags: int = 0, copy: bool = True, track: bool = False) -> None:
        """Send one frame; with SNDMORE the message goes on with the next call, and is sent as a whole with its last.

        data: bytes or bytes-like. copy has no effect; track=True raises TypeError.
        Waits while no peer can take it, up to sndtimeo; NOBLOCK does not wait. Raises Again when it must not wait
        longer, ZMQError (EFSM, ENOTSUP, EHOSTUNREACH) when this socket cannot send (now, to this peer).

        With SNDMORE the first part waits for room, or is refused, as a whole message would be; so the later parts
        seldom have to wait. A call that raises or is cancelled, with whatever part, gives up the whole message: the
        next call begins a new one.
        """
        try:
            frame = data if type(data) is bytes else _frame(data)
            turns = self._turns
            if turns.sends:
                turns.sends -= 1
                await checkpoint_if_cancelled()
            else:
                turns.sends = TURNS
                await self._checkpoint()
        except BaseException:
            self._give_up()
            raise
        only = self._robin.only
        if flags or track or self._parts or get_ident() not in self._owner_threads:
            await self._send([frame], flags, track)
        elif only is not None and only.offer(frame):
            return
        elif self._waiters.count or not self._offer([frame]):
            await self._send([frame], flags)

    async def send_multipart(
        self, parts: Iterable[ReadableBuffer], flags: int = 0, copy: bool = True, track: bool = False
    ) -> None:
        """Send a message of several frames: all of it or none, if it raises or is cancelled. copy, track: see send."""
        try:
            frames: list[Any] = list(parts)
            for part in frames:
                if type(part) is not bytes:
                    frames = [_frame(part) for part in frames]
                    break
            if not frames:
                raise ZMQError(EINVAL, "a message has at least one frame; it may be empty: [b'']")
            turns = self._turns
            if turns.sends:
                turns.sends -= 1
                await checkpoint_if_cancelled()
            else:
                turns.sends = TURNS
                await self._checkpoint()
        except BaseException:
            self._give_up()
            raise
        if (
            flags
            or track
            or self._parts
            or self._waiters.count
            or get_ident() not in self._owner_threads
            or not self._offer(frames)
        ):
            await self._send(frames, flags, track)

    async def send_many(self, messages: Iterable[ReadableBuffer | Sequence[ReadableBuffer]], flags: int = 0) -> int:
        """Send each of the messages, which are bytes or lists of frames, and return how many there were.

        This call takes the next message from messages only when there is room for it, and waits for room as send()
        does: up to sndtimeo each time, and not at all with NOBLOCK. When it is cancelled or raises Again, all messages
        that it took were sent. An iterator then stands at the first message that was not sent, so the next call can go
        on with it.

        (Where the room depends on the message, a message may have been taken for a peer whose queue is full: with
        router_mandatory and xpub_nodrop. It is then sent past the high-water mark of that peer.)

        Raises what send() raises, and whatever messages raises: what came before was sent. The message that was refused
        is taken from an iterator, and not sent. A REQ and a REP send one message at a time, so they raise ENOTSUP.
        """
        if flags & ~NOBLOCK:
            raise ZMQError(EINVAL, "send_many sends whole messages: the only flag that it knows is NOBLOCK")
        iterator = iter(messages)
        items, count = _items(iterator), 0
        while True:
            await self._checkpoint()
            if self._parts:
                raise ZMQError(EINVAL, "a message was begun with SNDMORE: send its last part before send_many()")
            self._pattern.check_batch()
            turns, waiting = TURNS, None
            while turns and waiting is None:
                some, waiting = self._try_send_many(items, turns)
                count += some
                turns -= some
                if not some:
                    break
            if waiting is not None:
                await self._send_taken(waiting, flags)
                count += 1
            elif getgeneratorstate(items) == GEN_CLOSED or length_hint(iterator, 1) == 0:
                # There are no more. A list's iterator tells so, and need not be asked for one when there is no room.
                return count
            elif turns:
                await self._waiters.park_sender(lambda: self._can_send() or None, flags, self.sndtimeo)

    def _try_send_many(self, items: Iterator[Item], most: int) -> tuple[int, Frames | None]:
        self._links.check_open()
        some = 1  # perhaps, if it raises
        try:
            some, waiting = self._pattern.send_many(items, most)
        finally:
            if some:  # and not always, because a proxy that is woken may wake this task
                self._wake_next()
        return some, waiting

    async def _send_taken(self, message: Frames, flags: int) -> None:
        """Wait until there is room for a message that was taken from the program; or send it without, at the end."""
        try:
            await self._send_when(self._try_send, message, flags)
        except (Again, trio.Cancelled, KeyboardInterrupt):
            self._pattern.send_past_limit(message)
            raise

    async def send_string(self, text: str, flags: int = 0, encoding: str = "utf-8") -> None:
        """Send text as one frame."""
        await self._send_encoded(lambda: text.encode(encoding), flags)

    async def send_json(self, value: Any, flags: int = 0) -> None:
        """Send value as one frame of JSON."""
        await self._send_encoded(lambda: json.dumps(value, separators=(",", ":")).encode(), flags)

    async def _send_encoded(self, encode: Callable[[], bytes], flags: int) -> None:
        try:
            frame = encode()
        except BaseException:
            self._give_up()
            raise
        await self.send(frame, flags)

    def _try_send(self, message: Frames) -> bool:
        """Send now and return True, or return False with nothing done. (A plain call, for what must not wait.)"""
        if get_ident() not in self._owner_threads:
            self._links.check_open()
        if not self._pattern.try_send(message):
            return False
        if self._waiters.count:
            self._waiters.wake_next()
        return True

    async def _send(self, frames: Frames, flags: int, track: bool = False) -> None:
        """What takes more than one step: parts, waiting, not waiting.

        This call takes the earlier parts out of the socket at once. If it raises or is cancelled they are gone with it,
        and while it waits another task may begin a message of its own.
        """
        self._links.check_open()
        message = self._parts + frames
        begun = bool(self._parts)
        self._parts.clear()
        if track:
            raise TypeError("track=True is not available, because a frame's memory need not be tracked: leave it out")
        if not flags & SNDMORE:
            await self._send_when(self._try_send, message, flags)
        elif not begun:
            await self._send_when(self._has_room_for, message, flags)
            self._parts.extend(message)
        else:
            self._parts.extend(message)

    def _give_up(self) -> None:
        """A part has failed, and its message with it. (Not where a call is refused because it is in another thread.)"""
        if get_ident() in self._owner_threads:
            self._parts.clear()

    def _has_room_for(self, beginning: Frames) -> bool:
        self._links.check_open()
        return self._pattern.has_room_for(beginning)

    async def _send_when(self, attempt: Callable[[Frames], bool], message: Frames, flags: int) -> None:
        if not attempt(message):
            await self._waiters.park_sender(lambda: attempt(message) or None, flags, self.sndtimeo)

    # ------------------------------------------------------------------------------------------------------- receiving

    async def recv(self, flags: int = 0, copy: bool = True) -> bytes:
        """The next frame; `rcvmore` tells whether its message goes on. copy: has no effect, because it is bytes.

        Waits for a message, up to rcvtimeo; NOBLOCK does not wait. Raises Again when it must not wait longer, ZMQError
        (EFSM, ENOTSUP) when this socket cannot receive (now).
        """
        if self._rest:
            return await self._recv_rest(flags)
        turns = self._turns
        if turns.receives:
            turns.receives -= 1
            await checkpoint_if_cancelled()
        else:
            turns.receives = TURNS
            await self._checkpoint()
        inbox = self._fair.inbox
        if len(inbox) > 1 and get_ident() in self._owner_threads:
            item = inbox.popleft()
            if type(item) is bytes:
                return item
            received = self._look_at(item) or self._try_receive() or await self._receive(flags)
        else:
            received = self._try_receive() or await self._receive(flags)
        frames = received[1]
        if len(frames) == 1:
            return frames[0]
        self._rest.append(received)
        return frames.pop(0)

    async def recv_multipart(self, flags: int = 0, copy: bool = True) -> list[bytes]:
        """The next message, or what recv() has left of one. copy: as recv()."""
        if self._rest:
            return (await self.recv_message(flags)).frames
        turns = self._turns
        if turns.receives:
            turns.receives -= 1
            await checkpoint_if_cancelled()
        else:
            turns.receives = TURNS
            await self._checkpoint()
        # As in recv. To share these lines would cost a call for each message, some 6 % of what it takes.
        inbox = self._fair.inbox
        if len(inbox) > 1 and get_ident() in self._owner_threads:
            item = inbox.popleft()
            if type(item) is list:
                return item
            return (self._look_at(item) or self._try_receive() or await self._receive(flags))[1]
        return (self._try_receive() or await self._receive(flags))[1]

    def _look_at(self, item: Item) -> Received | None:
        """An item of the inbox of another kind: what the program gets of it, if anything."""
        frames = as_list(item)
        return None if frames is None else (self._fair.next_pipe, frames)

    async def _recv_rest(self, flags: int) -> bytes:
        await self._checkpoint()
        if not self._rest:  # another task has taken it by now
            return await self.recv(flags)
        frames = self._rest[0][1]
        frame = frames.pop(0)
        if not frames:
            self._take_rest()
        return frame

    def _take_rest(self) -> Received:
        """The rest of a message is no longer the socket's: a REQ and a REP may send now."""
        rest = self._rest.pop(0)
        self._wake_next()
        return rest

    def _wake_next(self) -> None:
        """Messages were sent or taken past the calls above, so other tasks that wait have to ask again."""
        if self._waiters.count:
            self._waiters.wake_next()

    async def recv_message(self, flags: int = 0) -> Message:
        """The next message, or what recv() has left of one, with what is known of its sender."""
        if self._rest:
            await self._checkpoint()
        if self._rest:
            pipe, frames = self._take_rest()
            return Message(frames, pipe.metadata)
        turns = self._turns
        if turns.receives:
            turns.receives -= 1
            await checkpoint_if_cancelled()
        else:
            turns.receives = TURNS
            await self._checkpoint()
        pipe, frames = self._try_receive() or await self._receive(flags)
        return Message(frames, pipe.metadata)

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
        turns = self._turns
        # Fewer calls than of recv() until other tasks have their turns, because each may take many messages.
        if turns.receives > TURNS - 8 and not self._rest:
            turns.receives -= 1
            await checkpoint_if_cancelled()
        else:
            turns.receives = TURNS
            await self._checkpoint()
        return self._try_receive_many(most) or await self._waiters.park_receiver(
            lambda: self._try_receive_many(most) or None, flags, self.rcvtimeo
        )

    def _try_receive_many(self, most: int) -> list[Frames]:
        self._links.check_open()
        self._pattern.check_batch()
        begun = len(self._rest[:most])
        found = self._pattern.take_many(most - begun)
        if begun:
            found[:0] = [frames for _, frames in self._rest[:begun]]
            del self._rest[:begun]
        if found:
            self._wake_next()
        return found

    async def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> str:
        """The next frame as text. A frame that is no such text is taken all the same, and UnicodeDecodeError raised."""
        codecs.lookup(encoding)  # raises before a frame is taken
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
            if error.errno == ENOTSOCK:
                raise StopAsyncIteration from None
            raise

    def _try_receive(self) -> Received | None:
        if get_ident() not in self._owner_threads:
            self._links.check_open()
        found = self._take()
        if self._waiters.count and found is not None:
            self._waiters.wake_next()
        return found

    def _receive(self, flags: int) -> Awaitable[Received]:
        """The next message, when nothing was there just now."""
        return self._waiters.park_receiver(self._try_receive, flags, self.rcvtimeo)

    # --------------------------------------------------------------------------------------------------- subscriptions

    def subscribe(self, prefix: bytes | str) -> None:
        """Ask for messages that start with prefix, of every publisher, now and later; b"" asks for all."""
        self._links.check_open()
        self._pattern.subscribe(_prefix(prefix))

    def unsubscribe(self, prefix: bytes | str) -> None:
        """Take back one subscribe(prefix)."""
        self._links.check_open()
        self._pattern.unsubscribe(_prefix(prefix))


def _frame(data: Any) -> bytes:
    """A frame of its own: what the caller does with data afterwards does not change what is sent."""
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        hint = ": encode it, or use send_string()" if isinstance(data, str) else ""
        raise TypeError(f"a frame is bytes or bytes-like, not {type(data).__name__}{hint}") from None


def _items(messages: Iterator[Any]) -> Generator[Item, None, None]:
    """Each message as it is queued: a single frame alone, or a list of several."""
    for message in messages:
        if type(message) is bytes:
            yield message
            continue
        if not isinstance(message, (list, tuple)):
            yield _frame(message)
            continue
        if not message:
            raise ZMQError(EINVAL, "a message has at least one frame; it may be empty: [b'']")
        frames = [part if type(part) is bytes else _frame(part) for part in message]
        yield frames[0] if len(frames) == 1 else frames


def _prefix(prefix: bytes | str) -> bytes:
    return prefix.encode() if isinstance(prefix, str) else _frame(prefix)
