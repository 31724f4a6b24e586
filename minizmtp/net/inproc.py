"""inproc: two sockets of one Context, joined without bytes.                                          L-2, L-22, L-23

                 socket A                                  socket B
              ┌── outbound ────────── one queue ────────── inbound ──┐
       Pipe A │                                                      │ Pipe B
              └── inbound ─────────── one queue ────────── outbound ─┘

There is no stream, no handshake and no engine: the outbound queue of the one is the inbound queue of the other, and the
messages in it are the very lists that were sent. It holds what both sides allow together (L-2).

Either side may come first. A `connect` to a name that nobody has bound yet fills its queue, up to its own mark, and is
joined when the name is bound. There is no reconnect: a name bound again is a new beginning.

Below this module: `patterns.pipe`, `session`. Above it: `linked`.
Read next: `sockets.monitor`, then `sockets.linked`.
"""

from collections.abc import Callable, Iterable

from ..constants import Event
from ..errors import EADDRINUSE, ZMQError
from ..options import Options
from ..patterns import Pipe
from ..patterns.pipe import Source
from .endpoints import Inproc
from .session import Owner, new_pipe, part_from


class Names:
    """The inproc names of one Context: who is bound to each, and who waits for it."""

    def __init__(self) -> None:
        self._bound: dict[str, Bound] = {}
        self._waiting: dict[str, dict[Joint, None]] = {}

    def bind(self, owner: Owner, endpoint: str, options: Options) -> "Bound":
        """Take a name, and join all who wait for it."""
        if endpoint in self._bound:
            raise ZMQError(EADDRINUSE, f"{endpoint}: bound already in this Context: choose another name")
        bound = self._bound[endpoint] = Bound(self, owner, endpoint, options)
        owner.tell(Event.LISTENING, endpoint)
        for joint in self._waiting.pop(endpoint, {}):
            bound.join(joint)
        return bound

    def connect(self, owner: Owner, endpoint: str, options: Options) -> "Joint":
        """Join whoever has the name, or wait for somebody to take it."""
        joint = Joint(self, owner, endpoint, options, new_pipe(owner, options))
        joint.pipe.identity = options.connect_routing_id
        owner.pattern.attach(joint.pipe)
        bound = self._bound.get(endpoint)
        if bound is None:
            self._waiting.setdefault(endpoint, {})[joint] = None
        else:
            bound.join(joint)
        return joint

    def is_bound(self, endpoint: str) -> bool:
        return endpoint in self._bound

    def release(self, endpoint: str) -> None:
        self._bound.pop(endpoint, None)

    def forget(self, joint: "Joint") -> None:
        """joint waits no longer: its name need not be bound any more."""
        waiting = self._waiting.get(joint.endpoint, {})
        waiting.pop(joint, None)
        if not waiting:
            self._waiting.pop(joint.endpoint, None)


class Bound:
    """A name that a socket has bound."""

    def __init__(self, names: Names, owner: Owner, endpoint: str, options: Options) -> None:
        self.endpoint = endpoint
        self.place = Inproc(endpoint.removeprefix("inproc://"))
        self.finishing = False
        self._names = names
        self._owner = owner
        self._options = options
        self._joints: dict[Joint, None] = {}

    def join(self, other: "Joint") -> None:
        """Give the connecting side's pipe a twin with the queues crossed."""
        twin = Pipe(outbound=other.pipe.inbound, inbound=other.pipe.outbound)
        twin.identity = other.options.routing_id
        other.pipe.identity = other.pipe.identity or self._options.routing_id
        joint = Joint(self._names, self._owner, self.endpoint, self._options, twin, self._joints.pop)
        joint.other, other.other = other, joint
        joint.set_hwms()
        self._joints[joint] = None
        self._owner.pattern.attach(twin)
        for one in (joint, other):
            if not one.finishing:
                one.owner.pattern.connected(one.pipe)
        if other.finishing:
            joint.part()

    def abandon(self) -> None:
        """There is nothing to close."""

    def finish(self, linger: int) -> None:
        self.finishing = True
        self._names.release(self.endpoint)
        for joint in list(self._joints):
            joint.finish(linger)
        self._owner.ended(self)

    def unsent(self) -> int:
        return 0

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [pipe for joint in self._joints for pipe in joint.pipes()]

    def set_hwms(self) -> None:
        for joint in self._joints:
            joint.set_hwms()


class Joint(Source):
    """One side of two joined sockets, or, while `other` is None, of two to be joined."""

    can_be_waited_for = False
    in_process = True

    def __init__(
        self,
        names: Names,
        owner: Owner,
        endpoint: str,
        options: Options,
        pipe: Pipe,
        on_end: Callable[["Joint"], object] = lambda joint: None,
    ) -> None:
        self.endpoint = endpoint
        self.place = Inproc(endpoint.removeprefix("inproc://"))
        self.owner = owner
        self.options = options
        self.pipe = pipe
        self.pipe.source = self
        self.other: Joint | None = None
        self.finishing = False
        self._is_over = False
        self._names = names
        self._on_end = on_end

    def abandon(self) -> None:
        """There is nothing to close."""

    def finish(self, linger: int) -> None:
        """Part. What is queued is the other's to read, so there is nothing to linger for; what was queued for a name
        that nobody has bound is kept for whoever binds it while the Context lives, unless linger is 0."""
        if self.finishing or self._is_over:
            return
        self.finishing = True
        part_from(self.owner.pattern, self.pipe, discard=True)
        if self.other is not None:
            self.other.part()
        elif linger == 0 or not len(self.pipe.outbound):
            self._names.forget(self)
        self._end()

    def end(self, why: str) -> None:
        if self.other is not None:
            self.other.part()
        self.part()

    def part(self) -> None:
        """The other side is gone."""
        if not (self.finishing or self._is_over):
            part_from(self.owner.pattern, self.pipe)
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self.other = None  # which knows us: without this, neither would be freed
        self.pipe.source = None
        self._on_end(self)
        self.owner.ended(self)

    def unsent(self) -> int:
        return 0

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [] if self._is_over else [(self.pipe, self.other is not None)]

    def set_hwms(self) -> None:
        """Each queue holds what both its ends allow together (L-2)."""
        sndhwm, rcvhwm = self.owner.sndhwm, self.owner.rcvhwm
        if self.other is not None:
            other = self.other.owner
            sndhwm, rcvhwm = _together(sndhwm, other.rcvhwm), _together(rcvhwm, other.sndhwm)
        self.pipe.outbound.set_hwm(sndhwm)
        self.pipe.inbound.set_hwm(rcvhwm)


def _together(one: int, other: int) -> int:
    """What both ends of a queue allow; no limit at either end is no limit."""
    return one + other if one and other else 0
