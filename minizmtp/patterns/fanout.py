"""Fan-out: one message for many peers, with the work done once.                            29/PUBSUB, "subscribers"

    try_send(m1)  to A, B, C    each queue     ▪ m1
    try_send(m2)  to A, B, C    each queue     ▪ m1   ▪ run [m2]
    try_send(m3)  to A, B, C    …                     ▪ run [m2, m3]          appended once, and seen in three queues
    an engine takes the run     encodes it, and leaves the octets in it for the two other engines

To publish a message costs a step for each peer: put it into the queue, encode it, take it out. Publishers mostly send
many messages one after the other, and often to the same peers. Such messages make a **run**. It is one item in the
queue of each peer, and while it is the last item it grows: the second message to a thousand peers is one `append`, and
it is encoded once.

High-water marks count for each peer, because a run has room for as many messages as the fullest of its queues. A queue
that is full when a run begins, or that conflates, or that has no connection, is offered each message by itself.

To begin and to close a run costs a few steps for each peer, which a short one does not repay. So a run begins only
after a few messages to the same peers, and how many that are is learned: twice as many after a short run, half as many
after a long one. Where every message has another audience, or the audience changes all the time, no runs are begun.

Read next: `notices`.
"""

from collections.abc import Collection, Iterator
from typing import cast

from ..wire.events import Item, Message, SharedMessage
from .pipe import Pipe
from .runs import RUN_OCTETS, OpenRun, RunQueue, octets_of
from .subscriptions import Subscriptions

# A run with fewer messages was not worth its beginning, which costs about four times as much as a message.
SHORT = 8

# At most so many messages to the same peers are sent one by one before the next run.
MAX_PATIENCE = 63

# This many messages are appended to a run at a time: if not all fit, they are appended one by one.
CHUNK = 128


class FanOut:
    """Gives messages to the queues of peers; for a peer that has no room a message is lost, and counted.

    >>> from .queue import Queue
    >>> peers = [Pipe(Queue(hwm), Queue()) for hwm in (2, 1000)]
    >>> fan_out = FanOut()
    >>> for word in (b"a", b"b", b"c"): fan_out.send(peers, word)
    >>> [(len(peer.outbound), peer.outbound.dropped) for peer in peers]
    [(2, 1), (3, 0)]
    """

    def __init__(self) -> None:
        self._audience: Collection[Pipe] = ()  # of the message before, and of the run
        self._run: OpenRun | None = None  # the last one to this audience, open or closed
        self._others: list[Pipe] = []  # peers of the audience that get each message by itself
        self._streak = 0  # messages to this audience since it changed, or since the run began
        self._patience = 1  # how many there have to be before a run begins

    def send(self, audience: Collection[Pipe], message: bytes | Message) -> None:
        """audience: the same object for the same peers, because it is compared by identity."""
        run = self._run
        if audience is not self._audience:
            if run is not None:
                self._end_run(run)
            self._audience, self._streak = audience, 0
        elif run is not None and run.room and run.append(message):
            if self._others:
                send_to_each(self._others, message)
            return
        elif self._streak >= self._patience and self._begin_run(audience, message):
            return
        self._streak += 1
        send_to_each(audience, message)

    def publish(self, items: Iterator[Item], wants: Subscriptions[Pipe]) -> int:
        """Send each of items to the peers that want it; how many there were."""
        count, found = 0, wants.found
        audience: Collection[Pipe] = ()
        more: list[bytes | Message] = []  # for the same audience as the message before
        try:
            for item in cast("Iterator[bytes | Message]", items):
                topic = item if isinstance(item, bytes) else item[0]
                count += 1
                # As matching() does, because the call would cost as much as all the rest.
                wanting = found.get(topic[: wants.longest]) or wants.matching(topic)
                if wanting is audience:
                    more.append(item)
                    continue
                if more:
                    self._send_all(audience, more)
                    more = []
                audience = wanting
                self.send(audience, item)
        finally:
            self._send_all(audience, more)
        return count

    def _send_all(self, audience: Collection[Pipe], messages: list[bytes | Message]) -> None:
        """As `send` for each, at the cost of a few."""
        position = 0
        while position < len(messages):
            run, begun = self._run, position
            if run is not None and run.room and audience is self._audience:
                position += run.extend(messages[position : position + CHUNK])
                for message in messages[begun:position] if self._others else ():
                    send_to_each(self._others, message)
            if position == begun:
                self.send(audience, messages[position])
                position += 1

    def _begin_run(self, audience: Collection[Pipe], message: bytes | Message) -> bool:
        """False: the message is too long for a run."""
        if octets_of(message) > RUN_OCTETS:
            return False
        if self._run is not None:
            self._end_run(self._run)
        self._run = run = OpenRun([message])
        self._streak, self._others = 0, []
        for pipe in audience:
            source, queue = pipe.source, pipe.outbound
            # In this process, and after a connection has broken, the next reader of the queue may not understand runs.
            is_apart = source is None or source.in_process
            if is_apart or not isinstance(queue, RunQueue) or not queue.offer_run(run):
                self._others.append(pipe)
        run.room -= 1
        if not (run.queues and run.room):
            run.close()  # because no queue has it, or a reader has taken it already, or there is no room for another
        send_to_each(self._others, message)
        return True

    def _end_run(self, run: OpenRun) -> None:
        """Close it, and learn from it how long to wait before the next."""
        run.close()
        self._run, self._others = None, []
        if len(run.messages) < SHORT:
            self._patience = min(2 * self._patience + 1, MAX_PATIENCE)
        else:
            self._patience //= 2

    def close(self) -> None:
        """The next message is not to join those before it, and no peer is to be remembered."""
        if self._run is not None:
            self._end_run(self._run)
        self._audience = ()


def as_item(message: Message) -> bytes | Message:
    """A message as it is queued: a single frame by itself."""
    return message[0] if len(message) == 1 else message


def send_to_each(pipes: Collection[Pipe], message: bytes | Message) -> None:
    """Offer each a message of its own."""
    if len(pipes) > 1 and isinstance(message, list):
        message = SharedMessage(message)
    for pipe in pipes:
        if not pipe.outbound.offer(message):
            pipe.outbound.count_dropped()
