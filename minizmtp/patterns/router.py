"""DEALER and ROUTER: requests without lockstep, and peers with names.                              RFC 28/REQREP

    program       ROUTER                                      DEALER    program
    id, "job" ◄── │ 00 03 job                                 │  ◄── "job"
    id, "ok"  ──► │ 00 02 ok                                  │  ──► "ok"

A DEALER adds nothing to a message, and sends as often as it likes. A ROUTER puts the name of the peer in front of each
message that it receives; when it sends, it takes off the first frame and sends the rest to the peer of that name.
Between a REQ and a REP they make a broker: the name is one more frame of the envelope (see `reqrep`).

The name is what the peer asked for (its option `routing_id`, on the wire Identity), or else one that the ROUTER makes:
five octets, the first a zero, which no peer may choose. When a connection that we dialled breaks and is made again, a
peer that asks for the same name keeps it; if another peer answers, the old name is gone.

A message for a name that no peer has, or for a peer whose queue is full, is dropped. With `router_mandatory`, an
unknown name is an error, and a full queue makes `send` wait. Of two peers of one name the earlier one keeps it, and
what the later one sends is dropped; with `router_handover` the later one gets it, and the earlier one is disconnected.

    >>> from .queue import Queue
    >>> router = Router(on_arrival=lambda: None, on_space=lambda: None)
    >>> anna = Pipe(Queue(10), Queue(10)); anna.identity = b"anna"
    >>> router.attach(anna); router.connected(anna)
    >>> anna.inbound.put([b"job"]); router.take()[1]
    [b'anna', b'job']
    >>> router.try_send([b"anna", b"ok"]), anna.outbound.take()
    (True, b'ok')

Try it: in `Router._name`, write `None` for `self._by_id.get(routing_id)`. Two peers of one name are then both read, and
the later one gets what is sent to it. Read next: `net`, the engine on one page.
"""

from collections.abc import Iterator
from itertools import islice

from ..constants import SocketType
from ..errors import EHOSTUNREACH, ZMQError, printable
from ..wire.events import Item, Message
from .ahead import Received, as_list
from .pattern import Pattern
from .pipe import Pipe
from .reqrep import first_number


def chosen_name(name: bytes) -> bytes:
    """The name, if a peer may choose it, or else b"". One that begins with a zero might be one that we made (37-48)."""
    return b"" if name[:1] == b"\0" else name


class Dealer(Pattern):
    """Sends to its peers in turn, receives from them in turn, and adds nothing."""

    socket_type = SocketType.DEALER
    has_round_robin = has_fair_queue = delivers_unchanged = True


class Router(Pattern):
    """Names its peers, and sends to the one that the first frame names."""

    socket_type = SocketType.ROUTER
    has_fair_queue = never_waits = True  # but with router_mandatory it may wait

    def _begin(self) -> None:
        self._by_id: dict[bytes, Pipe] = {}
        self._number = first_number()

    # -------------------------------------------------------------------------------------------------------- the names

    def attach(self, pipe: Pipe) -> None:
        # Not to the fair queue yet, because a peer is read only when it has a name (28-33).
        self.pipes[pipe] = None
        self._probe(pipe)
        if pipe.identity:
            self._name(pipe)

    def connected(self, pipe: Pipe) -> None:
        self.pipes[pipe] = None  # it may have lost its place to another peer of its name
        # A name that we made is "" here: if neither peer asked for one, the second is taken for the first again.
        if pipe.routing_id and chosen_name(pipe.identity) != chosen_name(pipe.routing_id):
            self._take_name(pipe)  # because this is another peer than before
            pipe.outbound.drop_all()  # because what is queued was meant for the peer before
        if not pipe.routing_id:
            self._name(pipe)

    def _name(self, pipe: Pipe) -> None:
        routing_id = chosen_name(pipe.identity)
        if not routing_id:
            self._number = (self._number + 1) % 2**32
            routing_id = b"\0" + self._number.to_bytes(4, "big")
        holder = self._by_id.get(routing_id)
        if holder is not None and not self._options.router_handover:
            self.ignore(pipe)  # it is neither read nor sent to (L-28)
            return
        if holder is not None:
            self._hand_over(holder)
        pipe.routing_id = routing_id
        self._by_id[routing_id] = pipe
        pipe.outbound.set_writer(self._on_space)  # not of a round robin, because it is the name that decides
        self.incoming.attach(pipe)
        self._on_space()

    def why_ignored(self, pipe: Pipe) -> str:
        name = printable(pipe.identity)
        words = "give each peer a routing_id of its own, or set router_handover"
        return "" if pipe.routing_id else f"this ROUTER has a peer called {name} already, and ignores a second: {words}"

    def _hand_over(self, pipe: Pipe) -> None:
        """Another peer gets the name of this one. What this one sent is not read any more, because it would seem to
        come from the other; what is queued for it is not sent. Its connection is closed, as libzmq's manual says."""
        self.incoming.discard(pipe)
        self.detach(pipe)
        pipe.routing_id = b""
        self.ignore(pipe)
        pipe.outbound.drop_all()
        if pipe.source is not None:
            pipe.source.end(f"another peer has the name {printable(pipe.identity)} now (router_handover)")

    def _take_name(self, pipe: Pipe) -> None:
        if self._by_id.get(pipe.routing_id) is pipe:
            del self._by_id[pipe.routing_id]
        pipe.routing_id = b""
        self._on_space()  # because a mandatory send to that name raises now, also where no other peer gets it

    def detach(self, pipe: Pipe) -> None:
        if self._by_id.get(pipe.routing_id) is pipe:
            del self._by_id[pipe.routing_id]  # but the pipe keeps its name, for what the peer sent and is not read yet
        super().detach(pipe)

    # ---------------------------------------------------------------------------------------------------------- sending

    @property
    def _is_mandatory(self) -> bool:
        return bool(self._options.router_mandatory)

    def can_send(self) -> bool:
        if not self._is_mandatory:
            return True
        # All are asked, and not only up to the first with room, because each that is full has to call on_space.
        rooms = [pipe.outbound.room() for pipe in self._by_id.values()]
        return any(rooms)

    def may_begin(self) -> bool:
        return not self._by_id or self.can_send()  # without peers, any name is an error

    def has_room_for(self, beginning: Message) -> bool:
        if not self._is_mandatory:
            return True
        pipe = self._by_id.get(beginning[0])
        if pipe is None:
            raise ZMQError(EHOSTUNREACH, self._why_unknown(beginning[0]))
        return pipe.outbound.room() > 0

    def _why_unknown(self, name: bytes) -> str:
        return f"no connected peer has the routing id {name!r}"

    def try_send(self, message: Message) -> bool:
        """Done, or dropped where the peer is unknown or its queue full; with router_mandatory the program is told."""
        pipe = self._by_id.get(message[0])
        # A name alone says nothing, and is not sent (28-41).
        queue = None if pipe is None or len(message) == 1 else pipe.outbound
        if queue is not None and queue.offer(message[1] if len(message) == 2 else message[1:]):
            return True
        if self._is_mandatory and not self.has_room_for(message):
            return False
        if queue is not None:
            queue.count_dropped()
        return True

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        if self._is_mandatory:
            return super().send_many(items, most)
        count = 0
        for message in map(as_list, islice(items, most)):
            assert message is not None
            self.try_send(message)  # it never waits
            count += 1
        return count, None

    def send_past_limit(self, message: Message) -> None:
        pipe = self._by_id.get(message[0])
        if pipe is not None and len(message) > 1:
            pipe.outbound.put(message[1:])

    # -------------------------------------------------------------------------------------------------------- receiving

    def take(self) -> Received | None:
        found = self.incoming.take()
        return None if found is None else (found[0], [found[0].routing_id, *found[1]])

    def give_back(self, received: Received) -> None:
        super().give_back((received[0], received[1][1:]))

    def _unwrap(self, pipe: Pipe, items: list[Item]) -> list[Message | None]:
        name = pipe.routing_id
        return [
            [name, item] if type(item) is bytes else [name, *item] if isinstance(item, list) else None for item in items
        ]
