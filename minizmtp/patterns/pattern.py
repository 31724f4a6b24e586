"""What all socket types have in common: the questions that a socket asks its pattern.

    a peer comes, goes          attach  connected  disconnected  detach
    the program sends           try_send(message) → done, or not now
    … in parts                  has_room_for(its beginning) → begin, or not now
    … many messages             send_many(iterator) → how many were sent
    the program receives        take() → (whose, message), or nothing yet
    … many messages             take_many(most) → those that are there
    the program polls           can_send  can_receive
    the program subscribes      subscribe  unsubscribe

Every answer is given at once. Waiting is done above, in `sockets`, with nothing in hand; the two calls `on_arrival` and
`on_space` tell the socket when asking again makes sense. This is why cancelling loses nothing: between two awaits a
message is either still here or already gone, never half-way.

**What changes an answer says so.** The answers depend on more than queues: on which peers there are, what they are
called, what they subscribe to, and on options. A change of any of these calls `on_space`, even when the new answer is
an error: a mandatory ROUTER that waits for room at a peer has to hear that the peer has left. A call too many costs a
moment, and one too few lets a task sleep for ever.

Below this module: `routing`. Above it: one module for each RFC; the next is the easiest.
Read next: `pipeline`.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from ..constants import SocketType
from ..errors import EINVAL, ENOTSUP, ZMQError
from ..options import Options
from ..wire.events import Item, Message
from .queue import Pipe, Queue, Source
from .routing import FairQueue, RoundRobin, as_list, as_lists

# A message and the pipe that it came through.
Received = tuple[Pipe, Message]


class Pattern:
    """A socket type: two switches, and what else it needs.

    receives: it has a fair queue for what comes. sends_in_turn: it has a round robin for what goes.
    options: the socket's own; a pattern looks at them when it needs them, so that they may be changed.
    """

    socket_type: ClassVar[SocketType]
    receives: ClassVar[bool] = False
    sends_in_turn: ClassVar[bool] = False
    has_turns: ClassVar[bool] = False  # what it may do depends on what it did last (REQ, REP)
    takes_all: ClassVar[bool] = False  # what FairQueue.inbox has is for the program as it is

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        self.pipes: dict[Pipe, None] = {}  # in the order in which they joined
        self.incoming = FairQueue(on_arrival) if self.receives else None
        self.outgoing = RoundRobin(on_space) if self.sends_in_turn else None
        self._options = options or Options()
        self._on_arrival = on_arrival
        self._on_space = on_space
        self._next: Received | None = None  # found by can_receive, not yet taken
        self.rest: list[Received] = []  # of each message of which the program has read the first frames: the others
        # Have a function called soon, when other tasks have had their turns. (Without a socket: at once.)
        self.later: Callable[[Callable[[], None]], None] = lambda function: function()
        self._begin()

    def _begin(self) -> None:
        """What else a socket type keeps."""

    def attach(self, pipe: Pipe) -> None:
        """A peer has come (or will: a pipe of `connect` is attached before there is anybody at its other end)."""
        self.pipes[pipe] = None
        if self._options.probe_router:
            pipe.outbound.put([b""])  # a word, so that a ROUTER learns of us before we have anything to say (L-30)
        if self.incoming is not None:
            self.incoming.attach(pipe)
        if self.outgoing is not None:
            self.outgoing.attach(pipe)

    def detach(self, pipe: Pipe) -> None:
        """A peer has gone. What it sent before stays to be read (30-16, L-9)."""
        self.pipes.pop(pipe, None)
        pipe.inbound.set_reader()  # because nothing comes any more, and the queue would keep the pipe alive
        if self.outgoing is not None:
            self.outgoing.detach(pipe)
        self._on_space()

    def discard(self, pipe: Pipe) -> None:
        """As detach, but what it sent is not wanted any more (`disconnect`, `unbind`, `close`; L-18)."""
        pipe.inbound.close()
        for each in (pipe, *pipe.formers()):
            if self.incoming is not None:
                self.incoming.discard(each)
            if self._next is not None and self._next[0] is each:
                self._next = None
        self.detach(pipe)

    def ignore(self, pipe: Pipe) -> None:
        """Drop what comes from this peer, because nothing will ever take it.

        Kept, it would fill the queue, the engine would stop reading, and the connection of a peer that has gone would
        stay open for ever with all that it sent."""
        pipe.inbound.drop_all()
        pipe.inbound.set_reader(pipe.inbound.drop_all)

    def why_ignored(self, pipe: Pipe) -> str:
        """Why nothing is received from this peer nor sent to it, and what to do; "" if it is not ignored."""
        return ""

    def keep_unread(self, pipe: Pipe) -> None:
        """A connection broke, and now there is another peer at the other end of pipe. What the first one sent is still
        read as from that one, with its name and its metadata."""
        if self.incoming is None or self.has_turns or not len(pipe.inbound):
            return  # (with turns, an answer counts for the pipe that was asked, whoever is there now: L-34)
        former = Pipe(outbound=Queue(), inbound=Queue())
        former.routing_id, former.metadata = pipe.routing_id, pipe.metadata
        former.former = pipe.former if pipe.former is not None and len(pipe.former.inbound) else None
        pipe.former = former
        items = pipe.inbound.take_batch(len(pipe.inbound))
        former.inbound.put_all([item for item in items if as_list(item) is not None])
        self.incoming.discard(pipe)
        self.incoming.attach(pipe)
        if len(former.inbound):
            self.incoming.keep(former)

    def connected(self, pipe: Pipe) -> None:
        """There is now somebody at the other end of pipe: for the first time, or again after a connection broke."""

    def disconnected(self, pipe: Pipe) -> None:
        """A connection broke; pipe waits for the next one, and keeps what is queued in it."""
        # The next peer has to learn of us, too. (One probe is enough, though the next attempts fail as well.)
        queue = pipe.outbound
        if self._options.probe_router and as_list(queue.peek()) != [b""]:
            queue.put_first([b""])

    inspects: ClassVar[bool] = False  # inspect() wants to see each message

    def inspect(self, message: Message) -> None:
        """Look at a message as it comes off the wire. Raises ProtocolError if no peer of ours may send such a thing."""

    def check_send(self) -> None:
        """Raise ZMQError if this is not the time to send."""
        if self.outgoing is None:
            raise ZMQError(ENOTSUP, f"a {self.socket_type.name} socket only receives")

    def has_room_for(self, beginning: Message) -> bool:
        """What try_send would say of a message that begins with these frames, with nothing done: True, False for "not
        now", or its ZMQError."""
        self.check_send()
        return bool(self.outgoing)

    def try_send(self, message: Message) -> bool:
        """Send message now and return True; or return False, with nothing done, if that would have to wait."""
        if self.outgoing is None:
            self.check_send()
            return True
        return self.outgoing.send(message) is not None

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        """Send what the iterator gives, at most so many messages, as `try_send` would; how many.

        The next message is not asked for while none can be sent. But where it depends on the message whether there is
        room, a message may have been asked for that must wait now: that is the second part of the answer.
        """
        if self.outgoing is not None and not self.has_turns:
            return self.outgoing.send_many(items, most), None
        self.check_send()
        count = 0
        while count < most and self.can_send() and (item := next(items, None)) is not None:
            message = as_list(item)
            assert message is not None
            if not self.try_send(message):
                return count, message
            count += 1
        return count, None

    def send_past_limit(self, message: Message) -> None:
        """Send message even if there is no room for it. For one that was taken from its owner, who does not wait."""
        self.try_send(message)

    def check_batch(self) -> None:
        """Raise ZMQError if messages of this type do not come in batches."""
        if self.has_turns:
            name = self.socket_type.name
            raise ZMQError(ENOTSUP, f"a {name} socket sends and receives in turns, one message at a time")

    def take(self) -> Received | None:
        """The next message and its pipe, or None. Raises ZMQError if this is not the time to receive."""
        if self._next is not None:
            found, self._next = self._next, None
            return found
        return self._gather()

    def take_many(self, most: int) -> list[Message]:
        """The messages that are there, up to most, in the order in which `take` would give them."""
        if self._next is None or not most:
            return self._gather_many(most)
        first, self._next = self._next[1], None
        return [first, *self._gather_many(most - 1)]

    def give_back(self, received: Received) -> None:
        """Undo the last take: there was no room for it where it was to go (see `proxy`)."""
        self._put_aside(received)

    def _put_aside(self, received: Received | None) -> None:
        self._next = received
        if self.incoming is not None:
            self.incoming.close_inbox()  # because a message popped there would overtake this one

    def _gather(self) -> Received | None:
        """The next message that is for the program, out of all that came."""
        if self.incoming is None:
            raise ZMQError(ENOTSUP, f"a {self.socket_type.name} socket only sends")
        return self.incoming.take()

    def _gather_many(self, most: int) -> list[Message]:
        if self.incoming is None:
            raise ZMQError(ENOTSUP, f"a {self.socket_type.name} socket only sends")
        return self.incoming.take_many(most, self._unwrap)

    def _unwrap(self, pipe: Pipe, items: list[Item]) -> list[Message | None]:
        """As many messages for the program as there are items of pipe; None for what is none."""
        return as_lists(items)

    def look_again(self) -> None:
        """An option has changed: messages that are there already are looked at again, and tasks that wait ask again."""
        if self.incoming is not None:
            self.incoming.filter_again()
        self._on_arrival()
        self._on_space()

    def only_source(self) -> Source | None:
        """Where a receiver may wait by itself: there is one peer, and nobody else whose message it could miss."""
        if len(self.pipes) != 1:
            return None
        (pipe,) = self.pipes
        return pipe.source if pipe.source is not None and pipe.source.can_be_waited_for else None

    def can_send(self) -> bool:
        return bool(self.outgoing)

    def can_receive(self) -> bool:
        """True only if take() will find something: so the next message is looked for, and put aside."""
        if self._next is None and self.incoming is not None and len(self.incoming):
            self._put_aside(self._gather())
        return self._next is not None

    def aside(self, pipe: Pipe) -> int:
        """How many of pipe's messages are taken out of its queue, and not yet (or not to their end) by the program."""
        found = [received for received in (self._next, *self.rest) if received is not None]
        return sum(whose is pipe for whose, _ in found) + sum(len(former.inbound) for former in pipe.formers())

    def subscriptions_of(self, pipe: Pipe) -> int:
        """How many prefixes the peer has subscribed to here."""
        return 0

    def subscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()

    def unsubscribe(self, prefix: bytes) -> None:
        raise self._no_subscriptions()

    def _no_subscriptions(self) -> ZMQError:
        return ZMQError(EINVAL, f"a {self.socket_type.name} socket does not subscribe: that is for SUB")
