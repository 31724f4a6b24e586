"""The writer: when a queued message leaves, and how many leave together.                       L-4, L-8, L-10, 37-54

    pipe.outbound ──encode──►  │ 41 messages, joined │ PONG │ a header │ its body, 1 MiB │ …  ──send──►  stream
                                 └─ taken ─┘

When a message leaves is decided by a state machine (see `states`): at once if the connection is idle, or with all that
follow it before the sending task yields. If the peer sent many messages at once, half as many answers are sent early,
before the run that was asked for.

**What has not left whole is not lost.** The writer knows which octets belong to which message. When the connection
breaks, a message that the system has taken whole is gone, because it cannot be known whether the peer has read it, and
no message may be sent twice. Any other goes back to the queue, and the next connection sends it from its beginning.

**A large frame is not copied.** The system gets its header and its body as two buffers of one write.

Read next: `heartbeat`, or `engine` at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..patterns.queue import Queue
from ..patterns.runs import OpenRun, RunQueue
from ..wire import Connection, Item
from .states import WRITING, Writing, WritingEvent
from .transports import Stream

if TYPE_CHECKING:
    from .engine import Engine

PROMPT, GATHERING, SCHEDULED, BLOCKED, BROKEN = Writing
ONE, MANY, QUEUED, HEARD_ONE, HEARD_MANY, STUCK, FAILED = WritingEvent

# How many octets are joined into one write. Above it, joining gains nothing and delays the first.
BATCH = 65536

# Writes in one run. After that other connections have their turns.
WRITES = 16


# If so many messages came at once, there may be as many answers, and half do not wait for the rest. (A DEALER and
# a ROUTER with a hundred messages under way exchange half as many again.)
EARLY_FLUSH_MIN = 50


class Writer:
    """stream: where the octets go. connection: encodes the messages.

    What waits here stays in the buffers in which it came, because to move what is left of a large one, each time the
    system has taken some, would cost more than to send it.
    """

    __slots__ = (
        "_connection", "_early_flush_at", "_engine", "_pieces", "_queue", "_stream", "_taken", "on_drained",
        "protocol_bytes", "sent", "size", "state",
    )  # fmt: skip

    def __init__(self, stream: Stream, connection: Connection, engine: Engine) -> None:
        self._stream = stream
        self._connection = connection
        self._engine = engine
        self._queue: Queue | None = None  # until the peer is ready
        self._pieces: list[tuple[bytes, Sequence[Item], bool]] = []  # octets, items that end in them, is it protocol
        self._taken = 0  # octets of the first piece that the system has
        self._early_flush_at = 0  # in a SCHEDULED queue, so many messages do not wait for the rest (0: all do)
        self.state = PROMPT
        self.on_drained: Callable[[], None] | None = None  # called when all that was queued is with the system
        self.size = 0  # octets that the system has not taken yet
        self.sent = 0  # octets that it has taken since the beginning
        self.protocol_bytes = 0  # of `size`, what the protocol itself says: no messages

    def attach_queue(self, queue: Queue) -> None:
        """From now on send what is, or will be, in this queue."""
        self._queue = queue
        queue.set_reader(self._on_queued)
        queue.notify_at(1)  # because the connection before may have asked to hear of a later message
        if queue:
            self._on_queued()

    def close(self) -> None:
        """The connection has ended: give back to the queue what has not left whole."""
        if self._queue is not None:
            # The CLOSE of a WebSocket. Not if a frame is half-way out, because it would be taken for a part of that.
            if not self.size:
                self.send_protocol(self._connection.encoder.goodbye())
            self._queue.set_reader()
            self._queue.put_back(self.unsent())
        del self._engine  # which knows us: without this, neither would be freed

    def heard(self, messages: int) -> None:
        """The peer has sent so many messages at once, and may expect as many answers."""
        self.state = WRITING[self.state, HEARD_ONE if messages <= 1 else HEARD_MANY]
        # Half of many answers do not wait for the rest, because then the peer has something to do meanwhile. Few
        # answers do, because a write costs more than such a moment.
        self._early_flush_at = messages // 2 if messages >= EARLY_FLUSH_MIN else 0

    def _on_queued(self) -> None:
        """The queue was empty and has something, or has as many messages as are sent early."""
        assert self._queue is not None
        state = self.state
        if state is PROMPT:
            # (The queue may have several at once: from `send_many`, or when it gets a connection.)
            if len(self._queue) == 1 and (item := self._queue.take()) is not None:
                self._send_one(item)
            else:
                self._drain(MANY)
        elif state is GATHERING:
            self._schedule()
        elif state is SCHEDULED:
            self._drain(QUEUED)
        # A message that finds the writer BLOCKED is found by the run that comes when the system can take more.

    def _send_one(self, item: Item) -> None:
        """As `_drain`, for one message that has nothing before it: mostly the system takes it whole."""
        _, buffers = self._connection.encode((item,))
        try:
            taken = self._stream.try_send(*buffers)
        except OSError:
            taken = -1
        if taken == (len(buffers[0]) if len(buffers) == 1 else len(buffers[0]) + len(buffers[1])):
            self.sent += taken
            self.state = WRITING[PROMPT, ONE]
            if self.on_drained is not None:
                self.on_drained()
        else:  # now it matters which octets belong to which message, so this is booked as in `_drain`
            self._append(buffers, [item])
            self._took(taken)
            self._stuck()

    def _schedule(self) -> None:
        if self._queue is not None:
            # Until the run nothing need be heard of the queue, except that there are enough early answers.
            self._queue.notify_at(self._early_flush_at)
            self._early_flush_at = 0  # because these are the answers to what was heard last
        self.state = WRITING[self.state, QUEUED]
        self._engine.ask_for_run()

    def run(self) -> None:
        """The run that was asked for; or the system can take more."""
        queue = self._queue
        # In another state it comes in vain: after it was asked for, all was sent early.
        if self.state is SCHEDULED or self.state is BLOCKED:
            if queue is None:  # the handshake did not leave at once
                self._drain(ONE)
            else:
                queue.notify_at(1)
                self._drain(ONE if len(queue) <= 1 else MANY)

    def _drain(self, happens: WritingEvent) -> None:
        """Write all that is queued, in as few writes as may be; what is left then waits for a run. happens: what it is
        to the state if nothing is left."""
        queue = self._queue
        for _ in range(WRITES):
            # No more is taken out of the queue than is written soon, because there it counts for the high-water mark.
            if queue and self.size < BATCH:
                self._fill(queue)
            if not self._offer():
                return
            if not queue:
                self.state = WRITING[self.state, happens]
                if self.on_drained is not None:
                    self.on_drained()
                return
        self._schedule()  # there is more: other connections have their turns first

    def _fill(self, queue: Queue) -> None:
        """Encode what is queued, as much as makes a good write."""
        room = BATCH - self.size
        # Runs are what many subscribers get alike (see `patterns.runs`); most queues never have one.
        if not isinstance(queue, RunQueue) or not queue.has_runs:
            count, buffers = self._connection.encode(queue, room)
            self._append(buffers, queue.take_batch(count))
            return
        # Runs, and what is between them, are joined too, because each piece may be a write.
        pieces: list[bytes] = []
        items: list[Item] = []
        while room > 0 and (first := queue.peek()) is not None:
            if type(first) is OpenRun:
                run = queue.take_run()
                octets = self._connection.encoder.encode_run(run)
                items += run.messages
            else:
                count, buffers = self._connection.encode(queue.up_to_run(), room)
                if len(buffers) > 1:
                    if not pieces:
                        self._append(buffers, queue.take_batch(count))
                        return
                    break  # because a large frame is not copied: it is for the next call
                octets = buffers[0]
                items += queue.take_batch(count)
            pieces.append(octets)
            room -= len(octets)
        self._append([b"".join(pieces)], items)

    def send_protocol(self, octets: bytes) -> None:
        """Send what is no message: the greeting, a command of the handshake, PING, PONG."""
        if not octets or self.state is BROKEN:  # a peer of ZMTP 3.0 is sent nothing for a PING
            return
        # Ahead of what is queued, but behind what is encoded, because a command cannot stand inside a frame.
        self._pieces.append((octets, (), True))
        self.size += len(octets)
        self.protocol_bytes += len(octets)
        if self.state is not BLOCKED:  # otherwise the system would refuse it, and tells when it has room
            self._offer()

    def _append(self, buffers: list[bytes], items: Sequence[Item]) -> None:
        """The items end in the last of the buffers."""
        for octets in buffers[:-1]:
            self._pieces.append((octets, (), False))
            self.size += len(octets)
        self._pieces.append((buffers[-1], items, False))
        self.size += len(buffers[-1])

    def _offer(self) -> bool:
        """Let the system take what it can, two pieces at a time, because the front of a large message goes with its
        body. True if it took all."""
        pieces = self._pieces
        while self.size:
            octets = pieces[0][0]
            rest = memoryview(octets)[self._taken :] if self._taken else octets
            try:
                taken = self._stream.try_send(rest) if len(pieces) == 1 else self._stream.try_send(rest, pieces[1][0])
            except OSError:
                taken = -1
            self._took(taken)
            # A part that is left shows that the system is full: to offer it again would be a call in vain.
            if self._taken or taken <= 0:
                self._stuck()
                return False
        return True

    def _took(self, taken: int) -> None:
        """The system has taken so many octets; −1: it takes no more, ever."""
        if taken < 0:
            # The reader will find out as well, but first it gets what the peer sent before it went.
            self.state = WRITING[self.state, FAILED]
            self.protocol_bytes = 0  # because that would keep the engine from reading
            return
        self.size -= taken
        self.sent += taken
        # Counted from the beginning of the first piece, which stays whole: to cut it would copy what is left each time.
        self._taken += taken
        pieces = self._pieces
        while pieces and self._taken >= len(pieces[0][0]):
            octets, _, is_protocol = pieces.pop(0)
            self._taken -= len(octets)
            if is_protocol:
                self.protocol_bytes -= len(octets)

    def _stuck(self) -> None:
        self.state = WRITING[self.state, STUCK]
        self._engine.on_blocked()

    def unsent(self) -> list[Item]:
        """The items that have not left whole, oldest first. Of one whose last octet is still here the peer has seen a
        part at most, and it throws away a part that has no end (L-10)."""
        taken = self._taken
        unsent: list[Item] = []
        for octets, items, _ in self._pieces:
            unsent += [item for item, end in zip(items, self._ends(octets, items), strict=True) if end > taken]
            taken = 0
        return unsent

    def _ends(self, octets: bytes, items: Sequence[Item]) -> list[int]:
        """Where each of the items ends that are in octets: their own headers tell. (A front has none, and no ends.)"""
        if len(items) == 1:
            return [len(octets)]
        # (Found only now, because few connections break, and each message would pay for it.)
        found, at = [], 0
        for item in items:
            for _ in item if isinstance(item, list) else (item,):
                at = self._connection.encoder.next_frame_end(octets, at)
            found.append(at)
        return found
