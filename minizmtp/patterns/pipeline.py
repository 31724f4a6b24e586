"""PUSH and PULL: tasks for any free worker.                                                      RFC 30/PIPELINE

    ventilator                worker                    sink
      PUSH ─────┬───────────► PULL PUSH ──────────┬───► PULL
                ├───────────► PULL PUSH ──────────┤
                └───────────► PULL PUSH ──────────┘
        each task to one worker                fair among workers

A message goes unchanged to one peer, the next in turn that has room. If no pipe has room, or there is none, because
`connect` was not called and no peer has come, the sender waits: a PUSH never drops a message (30-9 … 30-11). So do
DEALER, REQ and PAIR. The others (PUB, XPUB, XSUB, ROUTER, REP) drop a message for a peer that has no room, because one
slow peer must not hold up the rest.

    >>> push = Push(on_arrival=print, on_space=lambda: None)
    >>> push.try_send([b"task"])                     # nobody there: not now
    False
    >>> from .pipe import Pipe, Queue
    >>> worker = Pipe(outbound=Queue(1), inbound=Queue(1))
    >>> push.attach(worker)
    >>> push.try_send([b"task"]), push.try_send([b"task"])
    (True, False)
    >>> worker.outbound.take()
    [b'task']

Try it: in `Push.attach`, write `pass` for `pipe.inbound.close()`. What a peer sends fills a queue, and stays there.
Read next: `pubsub`, or `pair`.
"""

from ..constants import SocketType
from .pattern import Pattern
from .pipe import Pipe


class Push(Pattern):
    """Sends to its peers in turn; doesn't receive."""

    socket_type = SocketType.PUSH
    has_round_robin = True

    def attach(self, pipe: Pipe) -> None:
        super().attach(pipe)
        # Drop what the peer sends, because a PUSH never empties this queue. If it became full, the engine would stop
        # reading and not notice a disconnect, and the peer that has gone would get tasks forever.
        pipe.inbound.close()


class Pull(Pattern):
    """Receives from its peers in turn; doesn't send."""

    socket_type = SocketType.PULL
    has_fair_queue = delivers_unchanged = True
