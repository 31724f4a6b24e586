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

Below this module: `linked`, `patterns`. Above it: `context`, which makes sockets.
Read next: `context`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import cycle
from threading import get_ident
from typing import Any, NamedTuple, Self, TypeVar

import trio
from trio.lowlevel import checkpoint_if_cancelled

from .constants import NOBLOCK, POLLIN, POLLOUT, SNDMORE, SocketType
from .errors import EINVAL, ENOTSOCK, Again, ZMQError
from .linked import Home, Linked
from .patterns import PATTERNS
from .patterns.pattern import Received, as_list
from .patterns.pipe import Source
from .patterns.routing import FairQueue, RoundRobin
from .wire.events import Item
from .wire.events import Message as Frames

T = TypeVar("T")

# Every so many sends and receives that need not wait, a task lets the others run all the same. A full checkpoint costs
# about four microseconds, as much as a few messages.
TURNS = 256


class Message(NamedTuple):
    """A message and what is known of its sender: `Socket-Type`, `Peer-Address`, `Identity` …"""

    frames: list[bytes]
    metadata: dict[str, str]


class Socket(Linked):
    """One socket. Made by `Context.socket`; options are its attributes (see `options`)."""

    __slots__ = (
        "_fair",
        "_parts",
        "_receivers",
        "_rest",
        "_robin",
        "_senders",
        "_source",
        "_turns",
        "_waiting",
        "watchers",
    )

    def __init__(self, home: Home, socket_type: SocketType, options: dict[str, Any]) -> None:
        super().__init__(home, socket_type, options)
        self.pattern = PATTERNS[socket_type](self._on_arrival, self._on_space, self)
        # Where the pattern has nothing to say to a message, and there is one peer to send it to or take it from, it is
        # not asked for each. (A round robin or a fair queue without pipes never names one.)
        self._fair, self._robin = FairQueue(), RoundRobin()
        if self.pattern.takes_all and self.pattern.incoming is not None:
            self._fair = self.pattern.incoming
        if self.pattern.outgoing is not None and not self.pattern.has_turns:
            self._robin = self.pattern.outgoing
        self._receivers = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self._source: Source | None = None  # where one of the receivers waits, if not in the ParkingLot
        self._waiting: list[object] = []  # one for each who waits in any way
        self.watchers: set[trio.Event] = set()
        self._parts: Frames = []  # given with SNDMORE, until the last one comes
        self._rest: list[Frames] = []  # of each message of which recv() has given the first frames: the others
        # Counts sends and receives; at each 0 the task lets the others run. (An iterator, for a plain number would have
        # to be stored through __setattr__, which costs more than all the rest.)
        self._turns = cycle(range(TURNS))

    # --------------------------------------------------------------------------------------------------------- sending

    async def send(self, data: Any, flags: int = 0) -> None:
        """Send one frame; with SNDMORE the message goes on with the next call, and is sent as a whole with its last.

        data: bytes or bytes-like. Waits while no peer can take it, up to sndtimeo; NOBLOCK does not wait.
        Raises Again when it must not wait longer, ZMQError (EFSM, ENOTSUP) when this socket cannot send (now).
        """
        frames = [data if type(data) is bytes else _frame(data)]
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        only = self._robin.only
        if only is not None and only.given < only.limit and get_ident() in self._at_home and not (flags or self._parts):
            only.put(frames)
        elif flags or self._parts or not self._try_send(frames):
            await self._send(frames, flags)

    async def send_multipart(self, parts: Iterable[Any], flags: int = 0) -> None:
        """Send a message of several frames: all of it or, when it raises or is cancelled, none."""
        frames = [_frame(part) for part in parts]
        if not frames:
            raise ZMQError(EINVAL, "a message has at least one frame; it may be empty: [b'']")
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        if flags or self._parts or not self._try_send(frames):
            await self._send(frames, flags)

    async def send_string(self, text: str, flags: int = 0, encoding: str = "utf-8") -> None:
        """Send text as one frame."""
        await self.send(text.encode(encoding), flags)

    async def send_json(self, value: Any, flags: int = 0) -> None:
        """Send value as one frame of JSON."""
        await self.send(json.dumps(value, separators=(",", ":")).encode(), flags)

    def _try_send(self, message: Frames) -> bool:
        if get_ident() not in self._at_home:
            self._check_open()
        if not self.pattern.try_send(message):
            return False
        if self._waiting:
            self._pass_on()
        return True

    async def _send(self, frames: Frames, flags: int) -> None:
        """What takes more than one step: parts, waiting, not waiting."""
        self._check_open()
        if flags & SNDMORE:
            if not self._parts:
                self.pattern.check_send()
            self._parts.extend(frames)
            return
        parts = len(self._parts)
        message = self._parts + frames
        if not self._try_send(message):
            words = "no peer can take a message"
            await self._wait(lambda: self._try_send(message) or None, self._senders, flags, self.sndtimeo, words)
        del self._parts[:parts]  # ours; another task may have begun a message while we waited

    # ------------------------------------------------------------------------------------------------------- receiving

    async def recv(self, flags: int = 0) -> bytes:
        """The next frame; `rcvmore` tells whether its message goes on.

        Waits for a message, up to rcvtimeo; NOBLOCK does not wait. Raises Again when it must not wait longer, ZMQError
        (EFSM, ENOTSUP) when this socket cannot receive (now).
        """
        if self._rest:
            return await self._recv_rest(flags)
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        only = self._fair.only
        if only is not None and len(only.items) > only.tell_at and get_ident() in self._at_home:
            frames = only.items.popleft()
            sieve = self._fair.sieve
            if type(frames) is not list or (sieve is not None and not sieve(frames[0])):
                frames = self._look_at(frames) or (await self._receive(flags))[1]
        else:
            _, frames = await self._receive(flags)
        if len(frames) == 1:
            return frames[0]
        self._rest.append(frames)
        return frames.pop(0)

    async def recv_multipart(self, flags: int = 0) -> list[bytes]:
        """The next message, or what recv() has left of one."""
        if self._rest:
            return (await self.recv_message(flags)).frames
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
        only = self._fair.only
        if only is not None and len(only.items) > only.tell_at and get_ident() in self._at_home:
            frames = only.items.popleft()
            sieve = self._fair.sieve
            if type(frames) is list and (sieve is None or sieve(frames[0])):
                return frames
            return self._look_at(frames) or (await self._receive(flags))[1]
        return (await self._receive(flags))[1]

    def _look_at(self, item: Item) -> Frames | None:
        """An item that is no plain message: what the program gets of it, if anything."""
        frames = as_list(item)
        sieve = self._fair.sieve
        return frames if frames is not None and (sieve is None or sieve(frames[0])) else None

    async def _recv_rest(self, flags: int) -> bytes:
        await self._breathe()
        if not self._rest:  # another task has taken it by now
            return await self.recv(flags)
        frame = self._rest[0].pop(0)
        if not self._rest[0]:
            del self._rest[0]
        return frame

    async def recv_message(self, flags: int = 0) -> Message:
        """The next message with what is known of its sender."""
        if self._rest:
            await self._breathe()
        if self._rest:
            return Message(self._rest.pop(0), {})
        if next(self._turns):
            await checkpoint_if_cancelled()
        else:
            await self._breathe()
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
        """The next message, when there was a checkpoint just before."""
        if get_ident() not in self._at_home:
            self._check_open()
        found = self.pattern.take()
        if found is None:
            found = await self._wait(self.pattern.take, self._receivers, flags, self.rcvtimeo, "no message has come")
        if self._waiting:
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
                await self._pause(lot)
                self._check_open()
                if (answer := attempt()) is not None:
                    return answer
        raise Again(f"{words} within {timeout} ms")

    async def _pause(self, lot: trio.lowlevel.ParkingLot) -> None:
        """Until asking again makes sense."""
        self._waiting.append(lot)
        source = self.pattern.only_source() if lot is self._receivers else None
        try:
            if source is None:
                await lot.park()
            else:
                self._source = source
                await source.wait()
        finally:
            self._waiting.remove(lot)
            if source is not None:
                self._source = None

    def _let_go(self) -> None:
        self._parts.clear()
        self._rest.clear()
        if self._source is not None:
            self._source.call_away()
        self._receivers.unpark_all()
        self._senders.unpark_all()
        for watcher in self.watchers:
            watcher.set()

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
        if self._source is not None:
            self._source.call_away()
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
        self._check_open()  # before the checkpoint: in a child of a fork not even that may run
        with timeout_scope(timeout):
            await trio.lowlevel.checkpoint()
            while not (mask := self.events & flags):
                await wait_for_change(self)
            return mask
        return self.events & flags

    def watch(self, change: trio.Event) -> None:
        """Set change when the socket may be able to do what it was not."""
        self._waiting.append(change)
        self.watchers.add(change)

    def unwatch(self, change: trio.Event) -> None:
        """Do so no more."""
        self._waiting.remove(change)
        self.watchers.discard(change)

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


def timeout_scope(milliseconds: float | None) -> AbstractContextManager[object]:
    """A block that is left when its time is over; None or less than 0 gives it all the time there is."""
    if milliseconds is None or milliseconds < 0:
        return nullcontext()
    return trio.move_on_after(milliseconds / 1000)


async def wait_for_change(*sockets: Socket) -> None:
    """Until one of sockets may be able to do what it was not. To ask again is cheap; to miss it would be for ever."""
    change = trio.Event()
    for socket in sockets:
        socket.watch(change)
    try:
        await change.wait()
    finally:
        for socket in sockets:
            socket.unwatch(change)


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
