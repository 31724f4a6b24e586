"""PAIR: exactly two sockets.                                                                   RFC 31/EXPAIR

    PAIR ◄──────────► PAIR            a third socket may connect, but is ignored

It is the simplest pattern, made for two parts of one program that are connected over inproc. There is one pipe. A
second peer completes its handshake and stays connected, but its messages are dropped and none are sent to it. It stays
ignored after the first peer leaves: the next peer that connects takes the place (31-1, as in libzmq).

    >>> from .pipe import Pipe, Queue
    >>> pair = Pair(on_arrival=print, on_space=lambda: None)
    >>> first, second = (Pipe(Queue(2), Queue(2)) for _ in range(2))
    >>> pair.attach(first); pair.attach(second)
    >>> pair.try_send([b"hello"]), len(first.outbound), len(second.outbound)
    (True, 1, 0)

Try it: in `Pair.attach`, write `False` for `self.pipes`. A second peer takes part, and gets every second message.
Read next: `subscriptions`.
"""

from ..constants import SocketType
from .pattern import Pattern
from .pipe import Pipe


class Pair(Pattern):
    """Sends to and receives from its one peer."""

    socket_type = SocketType.PAIR
    has_round_robin = has_fair_queue = delivers_unchanged = True

    def attach(self, pipe: Pipe) -> None:
        if self.pipes:
            self.ignore(pipe)
        else:
            super().attach(pipe)

    def connected(self, pipe: Pipe) -> None:
        if pipe not in self.pipes:
            self.attach(pipe)  # it was ignored, but a new connection counts as a new peer

    def why_ignored(self, pipe: Pipe) -> str:
        name, several = self.socket_type.name, "DEALER" if type(self) is Pair else "CLIENT"
        why = f"this {name} has a peer already, so it ignores this second one: use a {several}"
        return "" if pipe in self.pipes else why
