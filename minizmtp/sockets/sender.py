"""The sender: messages that a socket cannot send in one step. Parts, waiting for room, and batches.       zmq_send(3)

    send(b"a", SNDMORE)    is there room for a message?   kept in `parts`
    send(b"b")             a, b sent as one message       or it waits for room, or raises Again
    send_many(messages)    the next one is asked for only when there is room for it

Most messages never come here, because `Socket.send` gives them to the pattern itself. While a message waits here, it
is in the hands of the call that sends it: if that call is cancelled, the message was not sent.

**A batch takes no message too early.** The messages may come from an iterator, which cannot be given one back. So the
pattern asks for the next only when a queue has room for it. When `send_many` is cancelled, all that it took were sent,
and the next call can go on with the same iterator. (With router_mandatory and xpub_nodrop it depends on the message
whether there is room. A message that was taken, and has to wait, is sent past the high-water mark of its peer when the
call ends early.)

Read next: `socket`.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from inspect import GEN_CLOSED, getgeneratorstate
from operator import length_hint
from typing import Any

import trio

from ..constants import NOBLOCK, SNDMORE
from ..errors import EINVAL, Again, ZMQError
from ..options import Options
from ..patterns import Pattern
from ..wire.events import Item, Message
from .links import Links
from .waiters import Waiters

# Messages of a batch that are sent until other tasks have their turn.
TURNS = 512


class Sender:
    """The part of a socket that sends what takes more than one step. options: the socket's, for sndtimeo."""

    __slots__ = ("_links", "_options", "_pattern", "_waiters", "parts")

    def __init__(self, links: Links, pattern: Pattern, waiters: Waiters, options: Options) -> None:
        self._links = links
        self._pattern = pattern
        self._waiters = waiters
        self._options = options
        self.parts: Message = []  # given with SNDMORE, until the last one comes

    def take_parts(self) -> Message:
        """The parts so far. A call takes them out of the socket before all else: if it raises or is cancelled they are
        gone with it, and while it waits another task may begin a message of its own."""
        self._links.check_open()  # because a call that is refused in another thread gives up nothing
        parts = self.parts.copy()
        self.parts.clear()
        return parts

    async def send(self, message: Message, flags: int, track: bool = False, begun: bool = False) -> None:
        """Send message; or keep it as the parts of one that goes on. begun: its first parts came with earlier calls."""
        self._links.check_open()
        if track:
            raise TypeError("track=True is not available, because a frame's memory need not be tracked: leave it out")
        if not flags & SNDMORE:
            await self._when(self._pattern.try_send, message, flags)
            return
        if not begun:
            # Only before the first part, because a message counts once in a queue, as in libzmq.
            await self._when(self._pattern.has_room_for, message, flags)
        self.parts.extend(message)

    async def _when(self, attempt: Callable[[Message], bool], message: Message, flags: int) -> None:
        """Call attempt with message until it succeeds."""

        def try_now() -> bool | None:
            self._links.check_open()  # each time, because the socket may be closed while this task waits
            if not attempt(message):
                return None
            self._waiters.wake_next()  # because a REQ or a REP that has sent may receive now
            return True

        if not try_now():
            await self._waiters.park(try_now, flags, self._options.sndtimeo, self._waiters.senders)

    async def send_many(
        self, messages: Iterable[Any], flags: int, items_of: Callable[[Iterator[Any]], Generator[Item, None, None]]
    ) -> int:
        """See Socket.send_many. items_of: gives each message as it is queued."""
        if flags & ~NOBLOCK:
            raise ZMQError(EINVAL, "send_many sends whole messages: the only flag that it knows is NOBLOCK")
        iterator = iter(messages)
        items, count = items_of(iterator), 0  # a generator, because its state tells whether there are no more
        while True:
            self._links.check_open()  # before the checkpoint, because in a child of a fork not even that may run
            await trio.lowlevel.checkpoint()
            if self.parts:
                raise ZMQError(EINVAL, "a message was begun with SNDMORE: send its last part before send_many()")
            self._pattern.check_batch()
            some, waiting = self._try_send_many(items)
            count += some
            if waiting is not None:
                await self._send_taken(waiting, flags)
                count += 1
            elif getgeneratorstate(items) == GEN_CLOSED or length_hint(iterator, 1) == 0:
                # There are no more. A list's iterator tells so without being asked for one: otherwise, a batch that
                # fills the queue exactly would wait for room that it does not need.
                return count
            elif not some:  # only a queue that was found full will call on_space
                await self._waiters.park(self._may_begin, flags, self._options.sndtimeo, self._waiters.senders)

    def _may_begin(self) -> bool | None:
        """Is there room for a message that is not asked for yet? None: no, as for Waiters.park()."""
        self._links.check_open()
        return self._pattern.may_begin() or None

    def _try_send_many(self, items: Iterator[Item]) -> tuple[int, Message | None]:
        self._links.check_open()
        some = 1  # if it raises, messages may have been sent before
        try:
            some, waiting = self._pattern.send_many(items, TURNS)
        finally:
            if some:  # because a proxy that is woken for nothing would wake this task, and so on for ever
                self._waiters.wake_next()
        return some, waiting

    async def _send_taken(self, message: Message, flags: int) -> None:
        """Wait until there is room for a message that was taken from the program; or send it without, at the end."""
        try:
            await self._when(self._pattern.try_send, message, flags)
        except (Again, trio.Cancelled, KeyboardInterrupt):
            # The iterator cannot take it back, and send_many promises that all that it took were sent. (trio raises
            # KeyboardInterrupt in the task that runs, so it may come here, too.)
            self._pattern.send_past_limit(message)
            raise


def frames_of(parts: Iterable[Any]) -> Message:
    """The parts of a message as its frames."""
    frames = list(parts)
    if not frames:
        raise ZMQError(EINVAL, "a message has at least one frame; it may be empty: [b'']")
    for part in frames:  # a loop and not a comprehension, which is a call, and costs a batch of small messages a sixth
        if type(part) is not bytes:
            return [frame_of(part) for part in frames]
    return frames


def frame_of(data: Any) -> bytes:
    """A frame of its own: what the caller does with data afterwards does not change what is sent."""
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        hint = ": encode it, or use send_string()" if isinstance(data, str) else ""
        raise TypeError(f"a frame is bytes or bytes-like, not {type(data).__name__}{hint}") from None


def items_of(messages: Iterator[Any]) -> Generator[Item, None, None]:
    """Each message as it is queued: a single frame alone, or a list of several."""
    for message in messages:
        if type(message) is bytes:
            yield message
        elif isinstance(message, (list, tuple)):
            frames = frames_of(message)
            yield frames[0] if len(frames) == 1 else frames
        else:
            yield frame_of(message)
