"""Which peer is a message for, and whose message is next? Plain synchronous code, without bytes and without waiting.

    pipe            one peer, as a socket sees it: two queues and their high-water marks
    routing         fair queue, round robin: taking turns
    pattern         what all socket types have in common
    pipeline        30/PIPELINE   PUSH PULL       the gentlest start
    subscriptions   which subscribers want this topic, without asking each
    pubsub          29/PUBSUB     PUB SUB
    reqrep          28/REQREP     REQ REP

A socket type is a row of this table: how it chooses a pipe for what it sends, how it gathers what it receives, and one
small rule of its own.

    type    sends to                 when it cannot      receives           rule of its own
    PUSH    next in turn             waits               –
    PULL    –                        –                   fair queue
    PUB     all that subscribed      drops               subscriptions      who wants what
    SUB     all (subscriptions)      –                   fair queue         counts its subscriptions
    REQ     next in turn             waits               from whom it asked send, receive, send, …
    REP     who asked                drops               fair queue         receive, send, receive, …
"""

from ..constants import SocketType
from .pattern import Pattern
from .pipe import Pipe
from .pipeline import Pull, Push
from .pubsub import Pub, Sub
from .reqrep import Rep, Req

PATTERNS: dict[SocketType, type[Pattern]] = {
    SocketType.PUSH: Push,
    SocketType.PULL: Pull,
    SocketType.PUB: Pub,
    SocketType.SUB: Sub,
    SocketType.REQ: Req,
    SocketType.REP: Rep,
}

__all__ = ["PATTERNS", "Pattern", "Pipe"]
