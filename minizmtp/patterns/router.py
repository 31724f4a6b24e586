"""DEALER and ROUTER: requests without a rule of turns, and peers with names.                        RFC 28/REQREP

    program       ROUTER                                      DEALER    program
    id, "job" ◄── │ 00 03 job                                 │  ◄── "job"
    id, "ok"  ──► │ 00 02 ok                                  │  ──► "ok"

They are REQ and REP without the strictness. A DEALER adds nothing and asks as often as it likes; a ROUTER puts the name
of the peer in front of what it receives, and takes it off, and goes by it, when it sends. Between a REQ and a REP they
make a broker: the ROUTER's name is one more frame of the envelope, and the delimiter passes through both.

The name is what the peer asked for (`routing_id`, on the wire Identity), or else one that the ROUTER makes up: five
octets, the first a zero, so that the two can never meet. A name belongs to a connection. When a connection that we
dialled breaks, and a peer of another name answers the next time, the old name is gone.

Of two peers with one name the first keeps it, and what the second sends is dropped. With `router_handover` the second
gets the name, and the connection of the first is closed.

    >>> from .queue import Queue
    >>> router = Router(on_arrival=lambda: None, on_space=lambda: None)
    >>> anna = Pipe(Queue(10), Queue(10)); anna.identity = b"anna"
    >>> router.attach(anna); router.connected(anna)
    >>> anna.inbound.put([b"job"]); router.take()[1]
    [b'anna', b'job']
    >>> router.try_send([b"anna", b"ok"]), anna.outbound.take()
    (True, b'ok')

Below this module: `reqrep`, `pattern`. It can be read alone.
"""

from collections.abc import Iterator
from itertools import islice

from ..constants import SocketType
from ..errors import EHOSTUNREACH, ZMQError, printable
from ..wire.events import Item, Message
from .pattern import Pattern, Received
from .queue import Pipe
from .reqrep import counter


def is_own_name(identity: bytes) -> bool:
    """Is it one that a peer may choose? One that begins with a zero could pose as one that we made up, so that it
    counts as none (37-48)."""
    return identity[:1] not in (b"", b"\0")


class Dealer(Pattern):
    """Sends to its peers in turn, receives from them in turn, and adds nothing."""

    socket_type = SocketType.DEALER
    sends_in_turn = True
    receives = True
    takes_all = True


class Router(Pattern):
    """Names its peers, and sends to the one that the first frame names."""

    socket_type = SocketType.ROUTER
    receives = True

    def _begin(self) -> None:
        self._by_id: dict[bytes, Pipe] = {}
        self._number = counter()

    def attach(self, pipe: Pipe) -> None:
        # Not to the fair queue yet: a peer has its name first, and without one is never heard (28-33).
        self.pipes[pipe] = None
        if self._options.probe_router:
            pipe.outbound.put([b""])
        if pipe.identity:
            self._name(pipe)

    def connected(self, pipe: Pipe) -> None:
        self.pipes[pipe] = None  # it may have lost its place to another of its name
        if pipe.routing_id and not self._keeps_name(pipe):
            self._take_name(pipe)
            pipe.outbound.drop_all()  # because it was meant for the peer of the old name
        if not pipe.routing_id:
            self._name(pipe)

    def _keeps_name(self, pipe: Pipe) -> bool:
        """On a new connection: is the peer called as the one before?"""
        if is_own_name(pipe.identity):
            return pipe.routing_id == pipe.identity
        return not is_own_name(pipe.routing_id)

    def _name(self, pipe: Pipe) -> None:
        routing_id = self._choose_id(pipe)
        holder = self._by_id.get(routing_id)
        if holder is not None and not self._options.router_handover:
            self.ignore(pipe)  # the name is taken: this peer is neither heard nor reached (L-28)
            return
        if holder is not None:
            self._hand_over(holder)
        pipe.routing_id = routing_id
        self._by_id[routing_id] = pipe
        pipe.outbound.set_writer(self._on_space)
        assert self.incoming is not None
        self.incoming.attach(pipe)
        self._on_space()

    def why_ignored(self, pipe: Pipe) -> str:
        name = printable(pipe.identity)
        words = "give each peer a routing_id of its own, or set router_handover"
        return "" if pipe.routing_id else f"this ROUTER has a peer called {name} already, and ignores a second: {words}"

    def _choose_id(self, pipe: Pipe) -> bytes:
        if is_own_name(pipe.identity):
            return pipe.identity
        self._number = (self._number + 1) % 2**32
        return b"\0" + self._number.to_bytes(4, "big")

    def _hand_over(self, pipe: Pipe) -> None:
        """Another peer gets the name of this one. What this one sent is not read any more, because it would seem to
        come from the other; what is queued for it is not sent. Its connection is closed, as libzmq's manual says."""
        assert self.incoming is not None
        for each in (pipe, *pipe.formers()):
            self.incoming.discard(each)
        if self._next is not None and self._next[0] is pipe:
            self._next = None
        self.detach(pipe)
        self._take_name(pipe)
        self.ignore(pipe)
        pipe.outbound.drop_all()
        if pipe.source is not None:
            pipe.source.end(f"another peer has the name {printable(pipe.identity)} now (router_handover)")

    def _take_name(self, pipe: Pipe) -> None:
        if self._by_id.get(pipe.routing_id) is pipe:
            del self._by_id[pipe.routing_id]
        pipe.routing_id = b""
        self._on_space()  # because a mandatory send to that name now raises, also where no other peer gets it

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        pipe.outbound.set_writer()
        # The pipe itself keeps its name, for what it sent before and is not read yet.
        if self._by_id.get(pipe.routing_id) is pipe:
            del self._by_id[pipe.routing_id]

    def check_send(self) -> None:
        """A ROUTER may always send."""

    def has_room_for(self, beginning: Message) -> bool:
        if not self._options.router_mandatory:
            return True
        pipe = self._named(beginning[0])
        if pipe.outbound.full:
            pipe.outbound.want_space()
            return False
        return True

    def _named(self, routing_id: bytes) -> Pipe:
        pipe = self._by_id.get(routing_id)
        if pipe is None:
            raise ZMQError(EHOSTUNREACH, f"no peer is called {routing_id!r}: it never came, or has gone")
        return pipe

    def try_send(self, message: Message) -> bool:
        """Done, or dropped where the peer is unknown or full; with router_mandatory the program hears of both."""
        pipe = self._by_id.get(message[0])
        if pipe is None:
            if self._options.router_mandatory:
                self._named(message[0])  # raises
            return True
        queue = pipe.outbound
        if len(message) == 1 and not queue.full:
            return True  # a name alone says nothing, and is not sent (28-41)
        if queue.offer(message[1] if len(message) == 2 else message[1:]):
            return True
        if self._options.router_mandatory:
            queue.want_space()
            return False
        queue.count_dropped()
        return True

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        if self._options.router_mandatory:
            return super().send_many(items, most)
        count = 0
        for item in islice(items, most):  # because there is always room, or the message is dropped
            count += 1
            # As try_send(), whose call would cost as much again.
            if type(item) is list and len(item) > 1 and (pipe := self._by_id.get(item[0])) is not None:
                if pipe.outbound.offer(item[1] if len(item) == 2 else item[1:]):
                    continue
                pipe.outbound.count_dropped()
        return count, None

    def send_past_limit(self, message: Message) -> None:
        pipe = self._by_id.get(message[0])
        if pipe is not None and len(message) > 1:
            pipe.outbound.put(message[1:])

    def _unwrap(self, pipe: Pipe, items: list[Item]) -> list[Message | None]:
        name = pipe.routing_id
        return [
            [name, item] if type(item) is bytes else [name, *item] if isinstance(item, list) else None for item in items
        ]

    def _gather(self) -> Received | None:
        assert self.incoming is not None
        found = self.incoming.take()
        return None if found is None else (found[0], [found[0].routing_id, *found[1]])

    def can_send(self) -> bool:
        if not self._options.router_mandatory:
            return True
        queues = [pipe.outbound for pipe in self._by_id.values()]
        if any(not queue.full for queue in queues):
            return True
        for queue in queues:
            queue.want_space()
        return False
