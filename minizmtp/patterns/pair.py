"""PAIR: two sockets, and nobody else.                                                          RFC 31/EXPAIR

    PAIR ◄──────────► PAIR            the third who connects is let in and not looked at

It is the simplest pattern of all, and made for two parts of one program that talk over inproc. There is one pipe. A
second peer completes its handshake and stays connected, but its messages are dropped and none are sent to it; when the
first leaves, not the second but the next newcomer takes the place (31-1, as libzmq).

    >>> from .queue import Pipe, Queue
    >>> pair = Pair(on_arrival=print, on_space=lambda: None)
    >>> first, second = (Pipe(Queue(2), Queue(2)) for _ in range(2))
    >>> pair.attach(first); pair.attach(second)
    >>> pair.try_send([b"hello"]), len(first.outbound), len(second.outbound)
    (True, 1, 0)

Below this module: `pattern`. Read next: `subscriptions`.
"""

from ..constants import SocketType
from .pattern import Pattern
from .queue import Pipe


class Pair(Pattern):
    """Sends to and receives from its one peer."""

    socket_type = SocketType.PAIR
    sends_in_turn = True
    receives = True
    takes_all = True

    def attach(self, pipe: Pipe) -> None:
        if self.pipes:
            self.ignore(pipe)
        else:
            super().attach(pipe)

    def connected(self, pipe: Pipe) -> None:
        if pipe not in self.pipes:
            self.attach(pipe)  # it was ignored, and has a new connection: so it is a newcomer
