"""The engine: one connection at work. The only place that holds both a stream and a `Connection`.

                                          ┌─ Connection ─┐
    stream ──receive()──► receive_data ──►│              │──► next_event ──► pipe.inbound ──► socket
    stream ◄─try_send()── outbox ◄────────│     send     │◄─── take ──────── pipe.outbound ◄── socket
                             ▲            └──────────────┘
                             └── data_to_send: greeting, READY, PONG

**Reading** is a loop in the task of the connection. One read may hold a thousand messages; they are handed on one by
one without leaving the task. When the pipe's inbound queue is full the loop stands still: unread bytes fill the
system's buffers, TCP slows the peer, the peer's own queue fills, its `send` waits. That is all of back-pressure.

**Writing** has no task of its own. A message for an idle connection goes to the system at once, inside `send()`: a
request is on its way before anybody is woken. If more comes on its heels it waits for the *writer*, a task that begins
when there is something to write, joins all that is queued into one write, and ends when all is written. So a burst of a
thousand messages costs two writes, and a connection at rest costs no task.

    message 1   ──► system            at once
    message 2   ──► queue             the writer is called, and will run when this task lets go …
    message 3 … ──► queue
                    queue ──► system  … and finds them all

**Whoever waits holds nothing.** A frame is never left half-written by a cancellation, because nobody who can be
cancelled writes: callers only put into queues, and the writer ends with its connection.

Below this module: `transports`, `heartbeat`, `wire.connection`, `patterns.pipe`. Above it: `session`.
Read next: `session`.
"""

import errno
import os
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import chain, islice
from typing import NoReturn

import trio

from .errors import Refused, printable
from .heartbeat import NEVER, Heartbeat, Silence
from .options import Options
from .patterns.pipe import Pipe, _nobody
from .transports import Stream
from .wire import (
    NEED_DATA,
    Authenticate,
    Cancel,
    Connection,
    ConnectionClosed,
    Error,
    Item,
    Message,
    Ping,
    Pong,
    Ready,
    Subscribe,
    Verdict,
)

# How many octets are joined into one write. Above it, joining gains nothing and delays the first.
BATCH = 65536

# PONGs that a peer asks for and does not read: with more than so many octets unsent, we stop listening to it.
MOST_OWED = 65536

# Tenths of a second. The field would hold ten times as much, but libzmq takes 656 for 64 milliseconds (37-72).
LARGEST_TTL = 655


class Disconnected(Exception):
    """The stream ended, or broke, or the peer took too long. Another attempt may go better (37-17)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason or os.strerror(code))
        self.errno = code


class Outbox:
    """Octets on their way to the system, in the pieces in which they came: joining a large frame to others, or moving
    what is left of it each time the system has taken some, would cost more than to send it."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._taken = 0  # octets of the first piece that the system has
        self.size = 0

    def put(self, octets: bytes) -> None:
        self._pieces.append(octets)
        self.size += len(octets)

    def offer(self, stream: Stream) -> int:
        """Let the system take what it can; how many octets it took. Raises OSError when it takes no more for ever."""
        before = self.size
        while self.size:
            piece = self._pieces[0]
            taken = stream.try_send(memoryview(piece)[self._taken :] if self._taken else piece)
            self.size -= taken
            self._taken += taken
            if self._taken < len(piece):
                break
            self._pieces.popleft()
            self._taken = 0
        return before - self.size

    def clear(self) -> None:
        """Forget what is left."""
        self._pieces.clear()
        self._taken = self.size = 0


class Engine:
    """stream: a fresh connection. connection: the protocol, nothing said yet. options: for the heartbeats.

    start_task: starts the writer where it outlives any caller (the context's nursery).
    on_drained: called when all that was queued has been given to the system.
    """

    def __init__(
        self,
        stream: Stream,
        connection: Connection,
        options: Options,
        start_task: Callable[[Callable[[], Awaitable[object]]], None],
        on_drained: Callable[[], None] = _nobody,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._options = options
        self._heart = Heartbeat()
        self._start_task = start_task
        self._on_drained = on_drained
        self._pipe: Pipe | None = None
        self._outbox = Outbox()  # encoded, not yet taken by the system …
        self._batch: deque[tuple[Item | None, int]] = deque()  # … and of what: (item, octets), None: the protocol's own
        self._gone = 0  # octets of the first of them that the system has
        self._owed = 0  # octets of the protocol's own in the outbox
        self._paid = trio.Event()  # … and the word that they are gone
        self._writing = False  # there is a writer
        self._broken = False  # the system takes no more
        self._idle = True  # the next message may go at once

    @property
    def unsent(self) -> bool:
        """Is there anything that the system has not taken yet?"""
        return self._outbox.size > 0

    # --------------------------------------------------------------------------------------------------------- reading

    async def handshake(self, ask: Callable[[Authenticate], Awaitable[Verdict]]) -> Ready:
        """Until both sides are ready.

        ask: decides whether a peer may come in, if the mechanism wants to know.
        Raises ProtocolError (Refused, if the peer says so) or Disconnected.
        """
        while True:
            event = self._connection.next_event()
            if event is NEED_DATA:
                await self._read()
            if isinstance(event, Ready):
                self.speak()  # our own READY may still wait here, and must be out before any message (37-33)
                return event
            if isinstance(event, Authenticate):
                self._connection.receive_verdict(await ask(event))
            if isinstance(event, Error):
                status = int(event.reason) if event.reason in (b"300", b"400", b"500") else 0
                raise Refused(f"the peer refuses us: {printable(event.reason)}", status)
            if isinstance(event, ConnectionClosed):
                raise Disconnected(errno.EPIPE, f"closed by the peer {event.where}")

    async def traffic(self, pipe: Pipe, inspect: Callable[[Message], None] | None) -> NoReturn:
        """Carry messages between pipe and peer until the connection ends; then raise why.

        inspect: if given, is shown each message that comes, and may raise ProtocolError.

        What was in the outbox then, and cannot have reached the peer whole, goes back to the pipe: the next connection
        of a pipe that outlives this one sends it. What the system has taken is not sent twice (37-54).
        """
        self._pipe = pipe
        self._heart = self._new_heart()
        pipe.outbound.on_arrival = self._flush
        if len(pipe.outbound):
            self._flush()
        inbound, next_event, next_messages = pipe.inbound, self._connection.next_event, self._connection.next_messages
        try:
            while True:
                if inspect is None and not inbound.full and (messages := next_messages(inbound.room)):
                    inbound.put_all(messages)
                    continue
                event = next_event()
                if event is NEED_DATA:
                    await self._read()
                elif type(event) is list:
                    if inspect is not None:
                        inspect(event)
                    if inbound.full:
                        await self._room(pipe)
                    inbound.put(event)
                elif isinstance(event, ConnectionClosed):
                    raise Disconnected(errno.EPIPE, f"closed by the peer {event.where}".rstrip())
                elif isinstance(event, (Subscribe, Cancel)):
                    inbound.put(event)
                elif isinstance(event, Ping):
                    self._heart.heard_ping(event.ttl / 10, trio.current_time())
        finally:
            pipe.outbound.on_arrival = _nobody
            self._put_back(pipe)
            self._pipe = None

    def _new_heart(self) -> Heartbeat:
        now = trio.current_time()
        if not self._options.heartbeat_ivl or self._connection.peer_version < (3, 1):
            return Heartbeat(now=now)  # it asks nothing, but counts on what the peer promises
        interval, timeout = self._options.heartbeat_ivl / 1000, self._options.heartbeat_timeout / 1000
        return Heartbeat(interval, timeout if timeout >= 0 else interval, now)

    async def _read(self) -> None:
        """All that was read is used up: answer what asks for an answer, and read on."""
        self.speak()
        if self._owed > MOST_OWED:
            self._paid = trio.Event()
            await self._paid.wait()
        try:
            data = await self._receive()
        except OSError as error:
            raise Disconnected(error.errno or errno.EIO, str(error.strerror)) from None
        except Silence as silence:
            raise Disconnected(errno.ETIMEDOUT, str(silence)) from None
        self._idle = True
        self._connection.receive_data(data)

    async def _receive(self) -> bytes:
        """What the peer sends next; meanwhile PINGs, if there are to be any."""
        heart = self._heart
        if heart.due() == NEVER:
            return await self._stream.receive(self._connection.missing)
        while True:
            with trio.move_on_at(heart.due()):
                data = await self._stream.receive(self._connection.missing)
                heart.heard(trio.current_time())
                return data
            if heart.beat(trio.current_time()):
                self._say(Ping(min(self._options.heartbeat_ttl // 100, LARGEST_TTL), b""))

    async def _room(self, pipe: Pipe) -> None:
        """Until the socket has read some of what it has. Meanwhile nothing is read from the peer."""
        self.speak()
        room = trio.Event()
        pipe.inbound.wanted = True
        pipe.inbound.on_space = room.set
        while not room.is_set():
            with trio.move_on_after(self._heart.rhythm()):
                await room.wait()
                break
            if not self._outbox.size:  # or else what is on its way is sign enough
                self._say(Pong(b""))
        self._heart.heard(trio.current_time())  # nothing was heard, for nobody listened

    # --------------------------------------------------------------------------------------------------------- writing

    def speak(self) -> None:
        """Send what the protocol itself has to say."""
        data = self._connection.data_to_send()
        if data:
            self._add(None, data)
            self._offer_or_write()

    def _say(self, word: Ping | Pong) -> None:
        self._add(None, self._connection.send(word))
        self._offer_or_write()

    def _flush(self) -> None:
        """Something was queued, or may have been."""
        if self._writing or self._broken:
            return
        if self._idle:
            self._idle = False
            self._fill()
            self._offer_or_write()
        else:
            self._start_writer()

    def _fill(self) -> None:
        """Encode what is queued, as much as makes a good write."""
        if self._pipe is None:
            return
        queue, send = self._pipe.outbound, self._connection.send
        count = 1
        while self._outbox.size < BATCH and queue.items:
            # The guess below may be far off: a word, and then a thousand files. Taken all at once they would be encoded
            # side by side, and the queue, emptied, would let the program send as many again.
            while count > 1 and sum(map(len, chain.from_iterable(islice(queue.items, count)))) > BATCH:
                count //= 2
            items = queue.take_some(count)
            octets = [send(item) for item in items]
            self._outbox.put(b"".join(octets) if len(octets) > 1 else octets[0])
            self._batch.extend(zip(items, map(len, octets), strict=True))
            count = BATCH // (len(octets[-1]) + 1) + 1  # if they are all like the last one, so many fill the batch

    def _add(self, item: Item | None, octets: bytes) -> None:
        self._outbox.put(octets)
        self._batch.append((item, len(octets)))
        if item is None:
            self._owed += len(octets)

    def _offer_or_write(self) -> None:
        if self._writing:
            return
        self._offer()
        if self._broken:
            return
        if self._outbox.size or (self._pipe is not None and len(self._pipe.outbound)):
            self._start_writer()
        else:
            self._on_drained()

    def _offer(self) -> None:
        """Let the system take what it can, without waiting."""
        try:
            taken = self._outbox.offer(self._stream)
        except OSError:
            # The reader will find out as well, after what the peer sent before it went: that is not to be lost.
            self._broken = True
            self._paid.set()
            return
        if self._outbox.size:
            self._forget(taken)
        else:
            self._batch.clear()
            self._gone = self._owed = 0
        if self._owed <= MOST_OWED:
            self._paid.set()

    def _forget(self, taken: int) -> None:
        """What the system has whole is not ours to keep. (A busy connection's outbox may never be empty.)"""
        self._gone += taken
        while self._batch[0][1] <= self._gone:
            item, size = self._batch.popleft()
            self._gone -= size
            if item is None:
                self._owed -= size

    def _start_writer(self) -> None:
        self._writing = True
        self._start_task(self._write)

    async def _write(self) -> None:
        """The writer: until all is with the system, or the connection is gone."""
        try:
            self._fill()
            while self._outbox.size:
                self._offer()
                if self._broken:
                    return
                if self._outbox.size:
                    await self._stream.wait_sendable()
                self._fill()
        except (trio.ClosedResourceError, OSError):
            self._broken = True
        finally:
            self._writing = False
            self._idle = True
        if not self._broken:
            self._on_drained()

    def _put_back(self, pipe: Pipe) -> None:
        """Give back to the pipe what has not left whole: a message of which the last octet is still here was not, and
        will not be, seen by the peer, which throws away a part that has no end (L-10)."""
        unsent = self._outbox.size
        back: list[Item] = []
        while self._batch and unsent > 0:
            item, size = self._batch.pop()
            unsent -= size
            if item is not None:
                back.append(item)
        self._outbox.clear()
        self._broken = True
        pipe.outbound.put_back(reversed(back))
