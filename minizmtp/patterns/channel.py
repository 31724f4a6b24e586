"""CHANNEL: PAIR for tasks that share a socket.                                                   RFC 52/CHANNEL

    task A ──┐                                 ┌── task C
             ├── CHANNEL ◄─────────► CHANNEL ──┤             one peer; both sides send and receive at any time
    task B ──┘                                 └── task D

The typical use of a PAIR is to connect two parts of one program over inproc, and such a part often has several tasks.
With a PAIR, two of them must not send messages of several frames at the same time. A CHANNEL has no such messages. As
with a PAIR, a second peer is ignored (D-12).

    >>> from .pipe import Pipe, Queue
    >>> channel = Channel(on_arrival=print, on_space=lambda: None)
    >>> first, second = (Pipe(Queue(), Queue()) for _ in range(2))
    >>> channel.attach(first); channel.attach(second)
    >>> channel.try_send([b"hello"]), len(first.outbound), len(second.outbound)
    (True, 1, 0)

Read next: `clientserver`.
"""

from ..constants import SocketType
from .drafts import Draft
from .pair import Pair


class Channel(Draft, Pair):
    """Sends to and receives from its one peer."""

    socket_type = SocketType.CHANNEL
