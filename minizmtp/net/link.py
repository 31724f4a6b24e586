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
from typing import TYPE_CHECKING

from ..options import CONFLATE, Options
from ..patterns import Pattern, Pipe
from ..patterns.queue import Queue
from .endpoints import Endpoint

if TYPE_CHECKING:
    from ..sockets.links import Links


class Link:
    """One bind, connect or accepted peer, as its socket sees it. finishing: the program wants it to end. place: where
    endpoint is, in the one spelling by which two can be compared (see `addresses`)."""

    __slots__ = ()
    endpoint: str
    finishing: bool
    place: Endpoint

    def abandon(self) -> None:
        """In a child of a fork: close the descriptors, if there are any, and leave all else to the parent."""

    def finish(self, linger: int) -> None:
        """Accept no more messages, and end when what is queued is sent, or after linger milliseconds (−1: no limit). If
        it is called again, the shorter time counts."""
        raise NotImplementedError

    def unsent(self) -> int:
        """How many messages are still to be sent."""
        return 0

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        """Its pipes, each with whether a peer is connected now."""
        raise NotImplementedError

    def set_hwms(self) -> None:
        """Make its pipes as deep as the options of the socket say now."""
        raise NotImplementedError


class Binding(Link):
    """A bound endpoint, and a link for each peer that connected to it."""

    def __init__(self, links: Links, endpoint: Endpoint, options: Options) -> None:
        self.endpoint = str(endpoint)
        self.place = endpoint
        self.finishing = False
        self.links = links
        self.options = options
        self._accepted: dict[Link, None] = {}

    def forget(self, link: Link) -> None:
        """The link of one peer has ended."""
        del self._accepted[link]
        if self.finishing and not self._accepted:
            self.links.ended(self)

    def finish(self, linger: int) -> None:
        """Let no more peers in, and finish those that are here (L-19)."""
        if not self.finishing:
            self.finishing = True
            self._let_no_more_in()
        for link in list(self._accepted):  # a copy, because one that has nothing to send is forgotten at once
            link.finish(linger)
        if not self._accepted:  # otherwise it is over with the last of them, see `forget`
            self.links.ended(self)

    def _let_no_more_in(self) -> None:
        raise NotImplementedError

    def abandon(self) -> None:
        for link in self._accepted:
            link.abandon()

    def unsent(self) -> int:
        return sum(link.unsent() for link in self._accepted)

    def pipes(self) -> Iterable[tuple[Pipe, bool]]:
        return [pipe for link in self._accepted for pipe in link.pipes()]

    def set_hwms(self) -> None:
        for link in self._accepted:
            link.set_hwms()


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
