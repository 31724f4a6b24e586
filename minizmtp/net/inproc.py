"""inproc: two sockets of one Context, connected without bytes.                                          L-2, L-22, L-23

                 socket A                                  socket B
              ┌── outbound ────────── one queue ────────── inbound ──┐
       Pipe A │                                                      │ Pipe B
              └── inbound ─────────── one queue ────────── outbound ─┘

There is no stream, no handshake and no engine: the outbound queue of one side is the inbound queue of the other, and
the messages in it are the very lists that were sent. A queue holds what both sides allow together (L-2).

Either side may come first. After a `connect` to a name that is not bound yet, messages wait in the queue, up to the
connecting side's own high-water mark, until the name is bound. There is no reconnect: when a name is bound again, the
sockets that were connected to it before are not.

Read next: `runtime`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..constants import PEERS, Event
from ..errors import EADDRINUSE, ZMQError
from ..options import Options
from ..patterns import Pipe
from ..patterns.pipe import Source
from .endpoints import Inproc
from .link import Binding, Link, detach_pipe, new_pipe
from .reports import log

if TYPE_CHECKING:
    from ..sockets.links import Links


class InprocRegistry:
    """The inproc names of one Context: the socket that has bound each, and the links that wait for it."""

    def __init__(self) -> None:
        self._bound: dict[str, InprocBinding] = {}
        self._waiting: dict[InprocLink, None] = {}

    def bind(self, links: Links, endpoint: str, options: Options) -> InprocBinding:
        """Bind a name, and connect the links that wait for it. ZMQError(EADDRINUSE) if it is bound."""
        if endpoint in self._bound:
            raise ZMQError(EADDRINUSE, f"{endpoint}: bound already in this Context: choose another name")
        bound = self._bound[endpoint] = InprocBinding(self, links, endpoint, options)
        links.tell(Event.LISTENING, endpoint)
        for link in [each for each in self._waiting if each.endpoint == endpoint]:
            self.forget(link)
            bound.connect(link)
        return bound

    def connect(self, links: Links, endpoint: str, options: Options) -> InprocLink:
        """Connect to the socket that has bound the name, now or when one does."""
        link = InprocLink(self, links, endpoint, options, new_pipe(links, options))
        link.pipe.identity = options.connect_routing_id
        links.pattern.attach(link.pipe)
        bound = self._bound.get(endpoint)
        if bound is None:  # connect may come before bind (L-23)
            self._waiting[link] = None
        else:
            bound.connect(link)
        return link

    def is_bound(self, endpoint: str) -> bool:
        return endpoint in self._bound

    def release(self, endpoint: str) -> None:
        self._bound.pop(endpoint, None)

    def forget(self, link: InprocLink) -> None:
        """This link does not wait any longer for its name to be bound."""
        self._waiting.pop(link, None)


class InprocBinding(Binding):
    """A name that a socket has bound."""

    def __init__(self, registry: InprocRegistry, links: Links, endpoint: str, options: Options) -> None:
        super().__init__(links, Inproc(endpoint.removeprefix("inproc://")), options)
        self._registry = registry

    def connect(self, other: InprocLink) -> None:
        """Make our end of this connection: a pipe that has the other one's queues, crossed."""
        pipe = Pipe(outbound=other.pipe.inbound, inbound=other.pipe.outbound)
        pipe.identity = other.options.routing_id
        other.pipe.identity = other.pipe.identity or self.options.routing_id
        link = InprocLink(self._registry, self.links, self.endpoint, self.options, pipe, self)
        link.other, other.other = other, link
        link.set_hwms()
        self._accepted[link] = None
        self.links.pattern.attach(pipe)
        for one in (link, other):
            if not one.finishing:  # otherwise it is a socket that was closed, whose messages wait for this name
                one.links.pattern.connected(one.pipe)
                if why := one.links.pattern.why_ignored(one.pipe):
                    log.warning("%s: %s", self.endpoint, why)
        # Only a warning, because without a handshake libzmq does not compare the types (L-22).
        if link.links.socket_type not in PEERS[other.links.socket_type]:
            log.warning(
                "%s: a %s cannot talk to a %s", self.endpoint, other.links.socket_type.name, link.links.socket_type.name
            )
        if other.finishing:  # its messages can be read now, and no more will come
            link.disconnect()

    def _let_no_more_in(self) -> None:
        self._registry.release(self.endpoint)


class InprocLink(Source, Link):
    """One side of two connected sockets; `other` is the other side's, or None as long as the name is not bound.

    binding: on the side that has bound the name.
    """

    in_process = True

    def __init__(
        self,
        registry: InprocRegistry,
        links: Links,
        endpoint: str,
        options: Options,
        pipe: Pipe,
        binding: InprocBinding | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.place = Inproc(endpoint.removeprefix("inproc://"))
        self.links = links
        self.options = options
        self.pipe = pipe
        self.pipe.source = self
        self.other: InprocLink | None = None
        self.finishing = False
        self._is_over = False
        self._registry = registry
        self._binding = binding

    def finish(self, linger: int) -> None:
        """Disconnect. There is nothing to linger for, because what is queued is the other side's to read. What was
        queued for a name that is not bound yet is kept until the Context ends, unless linger is 0."""
        if self.finishing or self._is_over:
            return
        self.finishing = True
        detach_pipe(self.links.pattern, self.pipe, discard=True)
        if self.other is not None:
            self.other.disconnect()
        elif linger == 0 or not len(self.pipe.outbound):
            self._registry.forget(self)
        self._end()

    def end(self, why: str) -> None:
        if self.other is not None:
            self.other.disconnect()
        self.disconnect()

    def disconnect(self) -> None:
        """The other side is gone."""
        if not (self.finishing or self._is_over):
            detach_pipe(self.links.pattern, self.pipe)
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self.other = None  # which knows us: without this, neither would be freed
        self.pipe.source = None
        if self._binding is not None:
            self._binding.forget(self)
        self.links.ended(self)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [] if self._is_over else [(self.pipe, self.other is not None)]

    def set_hwms(self) -> None:
        """Each queue holds what both its ends allow together (L-2)."""
        sndhwm, rcvhwm = self.links.options.sndhwm, self.links.options.rcvhwm
        if self.other is not None:
            other = self.other.links.options
            sndhwm, rcvhwm = _together(sndhwm, other.rcvhwm), _together(rcvhwm, other.sndhwm)
        self.pipe.outbound.set_hwm(sndhwm)
        self.pipe.inbound.set_hwm(rcvhwm)


def _together(one: int, other: int) -> int:
    """What both ends of a queue allow; no limit at either end is no limit."""
    return one + other if one and other else 0
