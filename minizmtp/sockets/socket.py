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

Below this module: `waiting`, which knows how, and `patterns`. Above it: `context`, which makes sockets.
Read next: `context`.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import cycle
from threading import get_ident
from typing import Any, NamedTuple, Self

from trio.lowlevel import checkpoint_if_cancelled

from ..constants import SNDMORE, SocketType
from ..errors import EINVAL, ENOTSOCK, ZMQError
from ..patterns.pattern import Received
from ..patterns.routing import FairQueue, RoundRobin, as_list
from ..wire.events import Item
from ..wire.events import Message as Frames
from .linked import Home
from .waiting import Waiting

# Every so many sends, or receives, that need not wait, a task lets the others run all the same. A full checkpoint costs
# about four microseconds, as much as a few messages.
TURNS = 512


class Message(NamedTuple):
    """A message and what is known of its sender: `Socket-Type`, `Peer-Address`, `Identity` …"""

    frames: list[bytes]
    metadata: Mapping[str, str]


class Socket(Waiting):
    """One socket. Made by `Context.socket`; options are its attributes (see `options`)."""

    __slots__ = ("_fair", "_offer", "_parts", "_receives", "_robin", "_sends", "_take")

    def __init__(self, home: Home, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__(home, socket_type, options)
        pattern = self.pattern
        self._offer, self._take = pattern.try_send, pattern.take
        # Where the pattern has nothing to say to a message, and there is one peer to send it to or take it from, it is
        # not asked for each: that saves a fifth of what a message of 64 octets costs, at either end. (A round robin or
        # a fair queue without pipes never names one.)
        self._fair, self._robin = FairQueue(), RoundRobin()
        if pattern.takes_all and pattern.incoming is not None:
            self._fair = pattern.incoming
        if pattern.outgoing is not None and not pattern.has_turns:
            self._robin = pattern.outgoing
        self._parts: Frames = []  # given with SNDMORE, until the last one comes
        # They count; at each 0 the task lets the others run. (Iterators, for plain numbers would have to be stored by
        # __setattr__, which costs more than all the rest.)
        self._sends, self._receives = cycle(range(TURNS)), cycle(range(TURNS))

    # --------------------------------------------------------------------------------------------------------- sending

    async def send(self, data: Any, flags: int = 0) -> None:
        """Send one frame; with SNDMORE the message goes on with the next call, and is sent as a whole with its last.

        data: bytes or bytes-like. Waits while no peer can take it, up to sndtimeo; NOBLOCK does not wait.
        Raises Again when it must not wait longer, ZMQError (EFSM, ENOTSUP, EHOSTUNREACH) when this socket cannot send
        (now, to this peer).

        With SNDMORE the first part waits for room, or is refused, as a whole message would be; so the later parts
        seldom have to wait. A call that raises or is cancelled, with whatever part, gives up the whole message: the
        next call begins a new one.
        """
        try:
            frame = data if type(data) is bytes else _frame(data)
            if next(self._sends):
                await checkpoint_if_cancelled()
            else:
                await self._breathe()
        except BaseException:
            self._give_up()
            raise
        only = self._robin.only
        if flags or self._parts or get_ident() not in self._at_home:
            await self._send([frame], flags)
        elif only is not None and only.given < only.limit:
            only.put(frame)
        elif self._waiting or not self._offer([frame]):
            await self._send([frame], flags)

    async def send_multipart(self, parts: Iterable[Any], flags: int = 0) -> None:
        """Send a message of several frames: all of it or, when it raises or is cancelled, none."""
        try:
            frames = list(parts)
            for part in frames:
                if type(part) is not bytes:
                    frames = [_frame(part) for part in frames]
                    break
            if not frames:
                raise ZMQError(EINVAL, "a message has at least one frame; it may be empty: [b'']")
            if next(self._sends):
                await checkpoint_if_cancelled()
            else:
                await self._breathe()
        except BaseException:
            self._give_up()
            raise
        if flags or self._parts or self._waiting or get_ident() not in self._at_home or not self._offer(frames):
            await self._send(frames, flags)

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

    def try_send(self, message: Frames) -> bool:
        """Send now and return True, or return False with nothing done. (A plain call, for what must not wait.)"""
        if get_ident() not in self._at_home:
            self._check_open()
        if not self.pattern.try_send(message):
            return False
        if self._waiting:
            self._pass_on()
        return True

    async def _send(self, frames: Frames, flags: int) -> None:
        """What takes more than one step: parts, waiting, not waiting.

        This call takes the earlier parts out of the socket at once. If it raises or is cancelled they are gone with it,
        and while it waits another task may begin a message of its own.
        """
        self._check_open()
        message = self._parts + frames
        begun = bool(self._parts)
        self._parts.clear()
        if not flags & SNDMORE:
            await self._send_when(self.try_send, message, flags)
        elif not begun:
            await self._send_when(self._has_room_for, message, flags)
            self._parts.extend(message)
        else:
            self._parts.extend(message)

    def _give_up(self) -> None:
        """A part has failed, and its message with it. (Not where a call is refused because it is in another thread.)"""
        if get_ident() in self._at_home:
            self._parts.clear()

    def _has_room_for(self, beginning: Frames) -> bool:
        self._check_open()
        return self.pattern.has_room_for(beginning)

    async def _send_when(self, attempt: Callable[[Frames], bool], message: Frames, flags: int) -> None:
        if not attempt(message):
            words = "no peer can take a message"
            await self._wait(lambda: attempt(message) or None, self._senders, flags, self.sndtimeo, words)

    # ------------------------------------------------------------------------------------------------------- receiving

    async def recv(self, flags: int = 0) -> bytes:
        """The next frame; `rcvmore` tells whether its message goes on.

        Waits for a message, up to rcvtimeo; NOBLOCK does not wait. Raises Again when it must not wait longer, ZMQError
        (EFSM, ENOTSUP) when this socket cannot receive (now).
        """
        if self._rest:
            return await self._recv_rest(flags)
        if next(self._receives):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        only = self._fair.only
        if only is not None and len(only.items) > only.tell_at and get_ident() in self._at_home:
            item = only.items.popleft()
            sieve = self._fair.sieve
            if type(item) is bytes and (sieve is None or sieve(item)):
                return item
            received = self._look_at(item) or self._try_receive() or await self._receive(flags)
        else:
            received = self._try_receive() or await self._receive(flags)
        frames = received[1]
        if len(frames) == 1:
            return frames[0]
        self._rest.append(received)
        return frames.pop(0)

    async def recv_multipart(self, flags: int = 0) -> list[bytes]:
        """The next message, or what recv() has left of one."""
        if self._rest:
            return (await self.recv_message(flags)).frames
        if next(self._receives):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        # As in recv. To share these lines would cost a call for each message, some 6 % of what it takes.
        only = self._fair.only
        if only is not None and len(only.items) > only.tell_at and get_ident() in self._at_home:
            item = only.items.popleft()
            sieve = self._fair.sieve
            if type(item) is list and (sieve is None or sieve(item[0])):
                return item
            return (self._look_at(item) or self._try_receive() or await self._receive(flags))[1]
        return (self._try_receive() or await self._receive(flags))[1]

    def _look_at(self, item: Item) -> Received | None:
        """An item of the queue `only` that is no plain message: what the program gets of it, if anything."""
        frames = as_list(item)
        sieve = self._fair.sieve
        if frames is None or (sieve is not None and not sieve(frames[0])):
            return None
        return self._fair.next_pipe, frames

    async def _recv_rest(self, flags: int) -> bytes:
        await self._breathe()
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
        self.taken()
        return rest

    def taken(self) -> None:
        """To be called by whatever has taken a message past the calls above: other tasks may wait."""
        if self._waiting:
            self._pass_on()

    async def recv_message(self, flags: int = 0) -> Message:
        """The next message, or what recv() has left of one, with what is known of its sender."""
        if self._rest:
            await self._breathe()
        if self._rest:
            pipe, frames = self._take_rest()
            return Message(frames, pipe.metadata)
        if next(self._receives):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        pipe, frames = self._try_receive() or await self._receive(flags)
        return Message(frames, pipe.metadata)

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
        if get_ident() not in self._at_home:
            self._check_open()
        found = self._take()
        if self._waiting and found is not None:
            self._pass_on()
        return found

    def _let_go(self) -> None:
        self._parts.clear()
        super()._let_go()

    def _receive(self, flags: int) -> Awaitable[Received]:
        """The next message, when nothing was there just now."""
        return self._wait(self._try_receive, self._receivers, flags, self.rcvtimeo, "no message has come")

    # --------------------------------------------------------------------------------------------------- subscriptions

    def subscribe(self, prefix: bytes | str) -> None:
        """Ask for messages that start with prefix, of every publisher, now and later; b"" asks for all."""
        self._check_open()
        self.pattern.subscribe(_prefix(prefix))

    def unsubscribe(self, prefix: bytes | str) -> None:
        """Take back one subscribe(prefix)."""
        self._check_open()
        self.pattern.unsubscribe(_prefix(prefix))


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
