"""What all socket types have in common: the questions that a socket asks its pattern.

    a peer comes, goes          attach  connected  disconnected  detach
    the program sends           try_send(message) → done, or not now
    … in parts                  has_room_for(its beginning) → begin, or not now
    … many messages             send_many(iterator) → how many were sent
    the program receives        take() → (pipe, message), or nothing yet
    … many messages             take_many(most) → those that are there
    the program polls           can_send  can_receive
    the program subscribes      subscribe  unsubscribe

Every answer is given at once. Waiting is done in `sockets`, which holds no message while it waits; the callbacks
`on_arrival` and `on_space` tell the socket when asking again makes sense. This is why cancelling loses nothing: between
two awaits a message is either still here or already gone, never half-way.

**What changes an answer says so.** The answers depend on more than queues: on which peers there are, what they are
called, what they subscribe to, and on options. A change of any of these calls `on_space`, even when the new answer is
an error: a mandatory ROUTER that waits for room at a peer has to hear that the peer has left. A call too many costs a
moment, and one too few lets a task sleep for ever.

Read next: `pipeline`.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from ..constants import SocketType
from ..errors import EINVAL, ENOTSUP, ZMQError
from ..options import Options
from ..wire.events import Cancel, Item, Message, Subscribe
from .ahead import Received, as_list
from .pipe import Pipe
from .queue import Queue
from .routing import FairQueue, RoundRobin


class Pattern:
    """A socket type: what it is made of, and what else it needs.

    options: the socket's own; a pattern looks at them when it needs them, so that they may be changed.
    """

    socket_type: ClassVar[SocketType]
    has_fair_queue: ClassVar[bool] = False  # for what comes
    has_round_robin: ClassVar[bool] = False  # for what goes
    never_waits: ClassVar[bool] = False  # it may always send, because it drops what has no room
    is_lockstep: ClassVar[bool] = False  # what it may do depends on what it did last (REQ, REP)
    delivers_unchanged: ClassVar[bool] = False  # what the fair queue has is for the program as it is
    inspects: ClassVar[bool] = False  # inspect() wants to see each message
    outbound_queue: ClassVar[type[Queue]] = Queue

    def __init__(
        self, on_arrival: Callable[[], None], on_space: Callable[[], None], options: Options | None = None
    ) -> None:
        self.pipes: dict[Pipe, None] = {}  # in the order in which they joined
        # Without has_fair_queue, or has_round_robin, no pipe ever comes into it.
        self.incoming = FairQueue(on_arrival, publishes=self.delivers_unchanged)
        self.outgoing = RoundRobin(on_space)
        self._options = options or Options()
        self._on_arrival = on_arrival
        self._on_space = on_space
        self.rest: list[Received] = []  # of each message of which the program has read the first frames: the others
        # Have a function called soon, when other tasks have had their turns. (Without a socket: at once.)
        self.later: Callable[[Callable[[], None]], None] = lambda function: function()
        self._begin()

    def _begin(self) -> None:
        """Make what this type has of its own."""

    # ------------------------------------------------------------------------------------------------ peers come and go

    def attach(self, pipe: Pipe) -> None:
        """A peer has come, or will: `connect` attaches a pipe before its peer is there."""
        self.pipes[pipe] = None
        self._probe(pipe)
        if self.has_fair_queue:
            self.incoming.attach(pipe)
        if self.has_round_robin:
            self.outgoing.attach(pipe)

    def _probe(self, pipe: Pipe) -> None:
        """Queue an empty message before all others, from which a ROUTER learns that we are there (L-30)."""
        queue = pipe.outbound
        # One is enough, though connection after connection fails before it is sent.
        if self._options.probe_router and as_list(queue.peek()) != [b""]:
            queue.replace([b"", *queue])

    def detach(self, pipe: Pipe) -> None:
        """A peer has gone. What it sent before stays to be read (30-16, L-9)."""
        self.pipes.pop(pipe, None)
        pipe.inbound.set_reader()  # because nothing comes any more, and the queue would keep the pipe alive
        self.outgoing.detach(pipe)
        self._on_space()

    def discard(self, pipe: Pipe) -> None:
        """As detach, but what it sent is not wanted any more (`disconnect`, `unbind`, `close`; L-18)."""
        pipe.inbound.close()
        self.incoming.discard(pipe)
        self.detach(pipe)

    def close(self) -> None:
        """The socket is closed: forget what was not read, and with it the pipes of peers that have gone."""
        self.rest.clear()
        self.incoming = FairQueue()

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
        # In lockstep an answer counts for the pipe that was asked, whichever peer is there now (L-34).
        if self.has_fair_queue and not self.is_lockstep:
            self.incoming.hand_over(pipe)

    def connected(self, pipe: Pipe) -> None:
        """There is a peer at the other end of pipe: for the first time, or again after a connection broke."""

    def disconnected(self, pipe: Pipe) -> None:
        """A connection broke; pipe waits for the next one, and keeps what is queued in it."""
        self._probe(pipe)

    def inspect(self, message: Message) -> None:
        """Look at a message as it comes off the wire. Raises ProtocolError if no peer of ours may send such a thing."""

    # ---------------------------------------------------------------------------------------------------------- sending

    def check_send(self) -> None:
        """Raise ZMQError if this is not the time to send."""
        if not (self.has_round_robin or self.never_waits):
            raise ZMQError(ENOTSUP, f"a {self.socket_type.name} socket only receives")

    def can_send(self) -> bool:
        """Is this the time to send, and need no message wait?"""
        try:
            self.check_send()
        except ZMQError:
            return False
        return self.never_waits or bool(self.outgoing)

    def may_begin(self) -> bool:
        """May send_many ask for the next message? It is sent then, or raises, or waits for room at its own peer."""
        return self.can_send()

    def has_room_for(self, beginning: Message) -> bool:
        """What try_send would say of a message that begins with these frames, with nothing done: True, False for "not
        now", or its ZMQError."""
        self.check_send()
        return self.can_send()

    def try_send(self, message: Message) -> bool:
        """Send message now and return True; or return False, with nothing done, if that would have to wait."""
        self.check_send()
        return self.outgoing.send(message) is not None

    def try_send_frame(self, frame: bytes) -> bool:
        """As try_send, for a message of one frame."""
        return self.try_send([frame])

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        """Send what the iterator gives, at most so many messages, as `try_send` would; how many.

        The next message is not asked for while none can be sent. But where it depends on the message whether there is
        room, a message may have been asked for that must wait now: that is the second part of the answer.
        """
        if self.has_round_robin and not self.is_lockstep:  # a REQ, in a proxy, sends one request at a time
            return self.outgoing.send_many(items, most), None
        self.check_send()
        count = 0
        while count < most and self.may_begin() and (message := as_list(next(items, None))) is not None:
            if not self.try_send(message):
                return count, message
            count += 1
        return count, None

    def send_past_limit(self, message: Message) -> None:
        """Send message even if there is no room for it. For one that was taken from its owner, who does not wait."""
        self.try_send(message)

    def check_batch(self) -> None:
        """Raise ZMQError if messages of this type do not come in batches."""
        if self.is_lockstep:
            name = self.socket_type.name
            raise ZMQError(ENOTSUP, f"a {name} socket sends and receives in turns, one message at a time")

    # -------------------------------------------------------------------------------------------------------- receiving

    def take(self) -> Received | None:
        """The next message for the program, and its pipe; or None. Raises ZMQError if this is no time to receive."""
        if not self.has_fair_queue:
            raise self._only_sends()
        return self.incoming.take()

    def take_many(self, most: int) -> list[Message]:
        """The messages that are there, up to most, in the order in which `take` would give them."""
        if not self.has_fair_queue:
            raise self._only_sends()
        return self.incoming.take_many(most, self._unwrap)

    def _only_sends(self) -> ZMQError:
        return ZMQError(ENOTSUP, f"a {self.socket_type.name} socket only sends")

    def _unwrap(self, pipe: Pipe, items: list[Item]) -> list[Message | None]:
        """What the program gets of these items of pipe: for each a message, or None if it is not for the program."""
        # (A call of as_list for each would cost as much as all the rest.)
        return [[item] if type(item) is bytes else item if type(item) is list else as_list(item) for item in items]

    def give_back(self, received: Received) -> None:
        """Undo the last take: there was no room for it where it was to go (see `proxy`)."""
        self.incoming.put_back(received)

    def can_receive(self) -> bool:
        """True only if take() will find something. So the next message is looked for, and put back."""
        try:
            received = self.take() if self.incoming else None
        except ZMQError:  # because it is no time to receive
            return False
        if received is not None:
            self.give_back(received)
        return received is not None

    def held_back(self, pipe: Pipe) -> int:
        """How many of pipe's messages are taken out of its queue, and not yet (or not to their end) by the program."""
        return sum(whose is pipe for whose, _ in self.rest) + self.incoming.ahead.count_of(pipe)

    def refresh(self) -> None:
        """An option has changed, and with it perhaps every answer: tasks that wait ask again."""
        self._on_arrival()
        self._on_space()

    # ---------------------------------------------------------------------------------------------------- subscriptions

    def subscriptions_of(self, pipe: Pipe) -> int:
        """How many prefixes the peer has subscribed to here."""
        return 0

    def subscribe(self, prefix: bytes) -> None:
        self.ask(Subscribe(prefix))

    def unsubscribe(self, prefix: bytes) -> None:
        self.ask(Cancel(prefix))

    def ask(self, request: Subscribe | Cancel) -> None:
        """The program subscribes, or takes a subscription back."""
        raise ZMQError(EINVAL, f"a {self.socket_type.name} socket does not subscribe: that is for SUB")
