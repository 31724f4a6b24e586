"""Links: what a socket has for each bind and each connect.

    connect("tcp://…")     ──►  Connector, see `connector`        one pipe
    bind("tcp://…")        ──►  Acceptor, see `acceptor`          a pipe for each peer
    either of "inproc://…" ──►  InprocLink, InprocBinding, see `inproc`

A link is what all of these have in common: what their socket may ask of them, and how they make a pipe for a peer and
take it away again.

Read next: `session`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from ..options import CONFLATE, Options
from ..patterns import Pattern, Pipe
from ..patterns.queue import Queue
from .endpoints import Endpoint

if TYPE_CHECKING:
    from ..sockets.links import Links


class Link(Protocol):
    """One bind, connect or accepted peer, as its socket sees it. finishing: the program wants it to end."""

    endpoint: str
    finishing: bool

    @property
    def place(self) -> Endpoint:
        """Where endpoint is, in the one spelling by which two can be compared (see `transports`)."""

    def abandon(self) -> None:
        """In a child of a fork: close the descriptors, and leave all else to the parent."""

    def finish(self, linger: int) -> None:
        """Accept no more messages, and end when what is queued is sent, or after linger milliseconds (−1: no limit). If
        it is called again, the shorter time counts."""

    def unsent(self) -> int:
        """How many messages are still to be sent."""

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        """Its pipes, each with whether a peer is connected now."""

    def set_hwms(self) -> None:
        """Make its pipes as deep as the options of the socket say now."""


def new_pipe(links: Links, options: Options) -> Pipe:
    """A pipe for one peer, as deep as the options of the socket say now."""
    if options.conflate and links.socket_type in CONFLATE:
        return Pipe(outbound=Queue(conflate=True), inbound=Queue(conflate=True))
    return Pipe(outbound=links.pattern.outbound_queue(links.options.sndhwm), inbound=Queue(links.options.rcvhwm))


def detach_pipe(pattern: Pattern, pipe: Pipe, discard: bool = False) -> None:
    """The peer has gone. What it sent can still be read, unless it is discarded."""
    if discard:
        pattern.discard(pipe)
    else:
        pattern.detach(pipe)
    pipe.inbound.set_reader()  # because the callback refers to the pipe, which could not be freed at once otherwise
