"""CLIENT, SERVER and PEER: requests in any order, and peers with numbers.            RFC 41/CLISRV and 51/P2P

    program                SERVER               CLIENT    program
    "job", from 7     ◄──  │ 00 03 job           │   ◄──  "job"
    "ok", to 7        ──►  │ 00 02 ok            │   ──►  "ok"

A CLIENT is a DEALER, and a SERVER is a ROUTER, with these differences:

- **The name of a peer is a number**, and it is not in the message. The SERVER chooses it: 32 bits, and never 0 (D-3). A
  peer cannot choose it, so two peers never ask for the same name, and none takes another's place.
- **No message is dropped silently.** To send to a number that no peer has is the error EHOSTUNREACH (D-4). If the
  queue of the peer is full, the sender waits (D-5). In both cases, a ROUTER without router_mandatory drops the message.
- **There is no envelope**, which a peer could forget or get wrong. The price is that no broker can stand in between.
  DEALER and ROUTER can be chained, because each ROUTER on the way adds a frame, and takes it off on the way back.

A PEER is a SERVER that talks to other PEERs. It may also speak first, because `connect_peer` returns the number of the
peer that it connects to. Messages may be sent to that number before the connection is there (D-6).

In this module a message is a list of two frames, the routing id and the body, as in a ROUTER. The number has five
octets here, the first of them 0, like the names that a ROUTER makes up.

    >>> from .queue import Queue
    >>> server = Server(on_arrival=lambda: None, on_space=lambda: None)
    >>> anna = Pipe(Queue(1), Queue(10))
    >>> server.attach(anna)
    >>> anna.inbound.put(b"job"); name, body = server.take()[1]
    >>> body, server.try_send([name, b"ok"]), anna.outbound.take()
    (b'job', True, b'ok')
    >>> server.try_send([bytes(5), b"ok"])
    Traceback (most recent call last):
    minizmtp.errors.ZMQError: EHOSTUNREACH: no peer has the routing id 0 ...

Read next: `radiodish`.
"""

from ..constants import SocketType
from .drafts import Draft
from .pattern import Pattern
from .pipe import Pipe
from .router import Dealer, Router

LARGEST_ID = 2**32 - 1


class Client(Draft, Dealer):
    """Sends to its peers in turn, and receives from them in turn."""

    socket_type = SocketType.CLIENT


class Server(Draft, Router):
    """Numbers its peers, and sends to the peer with the number that is given."""

    socket_type = SocketType.SERVER
    frames = 2
    _is_mandatory = True
    can_send = Pattern.can_send  # always, as in libzmq, because only a message tells whose queue needs room

    def attach(self, pipe: Pipe) -> None:
        pipe.identity = b""  # because a peer does not choose its number
        super().attach(pipe)
        self._number %= LARGEST_ID  # the next one is not 0
        self._name(pipe)

    def connected(self, pipe: Pipe) -> None:
        """The pipe keeps its number, even if this is another peer than before."""

    def _why_unknown(self, name: bytes) -> str:
        number = int.from_bytes(name, "big")
        return f"no peer has the routing id {number}: pass that of a message it has sent"


class Peer(Server):
    """As a SERVER, but its peers are PEERs."""

    socket_type = SocketType.PEER

    def newest(self) -> bytes:
        """The routing id of the peer that was attached last."""
        return next(reversed(self.pipes)).routing_id
