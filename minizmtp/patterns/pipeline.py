"""PUSH and PULL: work for whoever is free.                                                       RFC 30/PIPELINE

    ventilator                worker                    sink
      PUSH ─────┬───────────► PULL PUSH ──────────┬───► PULL
                ├───────────► PULL PUSH ──────────┤
                └───────────► PULL PUSH ──────────┘
        each task to one worker                fair among workers

A message goes to exactly one peer, the next in turn that has room. When no peer has room, or there is none at all, the
sender waits: work is never dropped for want of a worker (30-9 … 30-11).

    >>> push = Push(on_arrival=print, on_space=lambda: None)
    >>> push.try_send([b"task"])                     # nobody there: not now
    False
    >>> from .queue import Pipe, Queue
    >>> worker = Pipe(outbound=Queue(1), inbound=Queue(1))
    >>> push.attach(worker)
    >>> push.try_send([b"task"]), push.try_send([b"task"])
    (True, False)
    >>> worker.outbound.take()
    [b'task']

On the wire there is nothing to add: the message as it is.

Below this module: `pattern`. Read next: `pair`, or leave the patterns here and go on with `net.endpoints`.
"""

from ..constants import SocketType
from .pattern import Pattern
from .queue import Pipe


class Push(Pattern):
    """Only sends, to its peers in turn."""

    socket_type = SocketType.PUSH
    sends_in_turn = True

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        # What a peer sends all the same is dropped on the spot. Kept, it would fill the queue that nobody empties, the
        # engine would stop reading, and never hear that the peer has gone: it would get work for ever.
        pipe.inbound.close()


class Pull(Pattern):
    """Only receives, from its peers in turn."""

    socket_type = SocketType.PULL
    receives = True
    takes_all = True
