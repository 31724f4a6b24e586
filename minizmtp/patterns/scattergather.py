"""SCATTER and GATHER: PUSH and PULL for tasks that share a socket.                          RFC 49/SCATTERGATHER

    SCATTER ─────┬───────────► GATHER
                 ├───────────► GATHER          each message to one peer, the next in turn that has room
                 └───────────► GATHER

A SCATTER waits when no peer has room, and never drops a message (D-1). A GATHER reads from its peers in turn (D-2). On
the wire they look like PUSH and PULL, but the handshake refuses those (37-44), because a PUSH may send messages of
several frames, and a PULL may expect them.

    >>> from .pipe import Pipe, Queue
    >>> scatter, peer = Scatter(on_arrival=print, on_space=lambda: None), Pipe(Queue(1), Queue())
    >>> scatter.attach(peer)
    >>> scatter.try_send([b"task"]), scatter.try_send([b"task"])
    (True, False)
    >>> scatter.try_send([b"two", b"frames"])
    Traceback (most recent call last):
    minizmtp.errors.ZMQError: EINVAL: a message of a SCATTER is one frame

Read next: `channel`.
"""

from ..constants import SocketType
from .drafts import Draft
from .pipeline import Pull, Push


class Scatter(Draft, Push):
    """Sends to its peers in turn; doesn't receive."""

    socket_type = SocketType.SCATTER


class Gather(Draft, Pull):
    """Receives from its peers in turn; doesn't send."""

    socket_type = SocketType.GATHER
