"""The pipe: one peer, as its socket sees it.                                    28 to 31, "shall create a double queue"

     connect  ──►  a pipe at once            kept from connection to connection      send() before the peer is there
     bind     ──►  a pipe for each peer      gone with its connection                send() once the peer has come

A pipe has a queue to the peer, a queue from it, and what is known of the peer. Between two sockets of one process
(`inproc://`) there is no connection: the outbound queue of one socket *is* the inbound queue of the other.

**What is lost when a connection breaks?** It depends on which side had called `connect`:

- A pipe that `connect` made stays, with the messages that wait in it, and the next connection sends them.
- A pipe that came by `bind` goes with its connection, and so do the messages that wait in it (28-22, 28-23).
- On both sides, what the operating system had taken may be lost, because it is not known whether the peer has it, and
  no message may be sent twice. What had arrived as a whole can still be read.

Most surprises of ZeroMQ follow from these rules.

    >>> pipe = Pipe(outbound=Queue(2), inbound=Queue(2))
    >>> [pipe.outbound.offer(item) for item in (b"kept", b"kept", b"refused")]
    [True, True, False]
    >>> pipe.source is None                          # there is no connection, so the messages wait
    True

Read next: `ahead`, or `routing`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .queue import Queue


class Source:
    """What carries a pipe's messages: a connection, or a socket of this program."""

    __slots__ = ()
    in_process = False  # the peer is a socket of this program

    def end(self, why: str) -> None:
        """End the connection, because the socket does not want this peer any more. A connecting side dials again."""
        raise NotImplementedError


class Pipe:
    """One peer: a queue to it, a queue from it, and what is known of it."""

    __slots__ = ("__weakref__", "identity", "inbound", "metadata", "outbound", "routing_id", "source", "successor")

    def __init__(self, outbound: Queue, inbound: Queue) -> None:
        self.outbound = outbound
        self.inbound = inbound
        self.metadata: Mapping[str, str] = {}
        self.identity = b""  # what the peer asks a ROUTER to call it (37-46)
        self.routing_id = b""  # what a ROUTER calls it; b"" before it has a name
        self.source: Source | None = None  # there is one while there is a connection
        self.successor: Pipe | None = None  # of a peer that has gone: the pipe, which another peer has now
