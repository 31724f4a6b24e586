"""Which peer is a message for, and whose message is next? Plain synchronous code, without bytes and without waiting.

    queue           one peer, as a socket sees it: two queues and their high-water marks
    routing         fair queue, round robin: taking turns
    pattern         what all socket types have in common
    pipeline        30/PIPELINE   PUSH PULL               the gentlest start
    pair            31/EXPAIR     PAIR
    subscriptions   which subscribers want this topic, without asking each
    fanout          29/PUBSUB     one message for many peers
    notices         29/PUBSUB     what an XPUB shows its program
    pubsub          29/PUBSUB     PUB SUB XPUB XSUB
    reqrep          28/REQREP     REQ REP
    router          28/REQREP     DEALER ROUTER

A socket type is a row of this table: how it chooses a pipe for what it sends, how it gathers what it receives, and one
small rule of its own.

    type     sends to                 when it cannot     receives          rule of its own
    PUSH     next in turn             waits              –
    PULL     –                        –                  fair queue
    PAIR     its one peer             waits              from its peer     a second peer is not looked at
    PUB      all that subscribed      drops              subscriptions     who wants what
    XPUB     all that subscribed      drops              subscriptions     shows them to the program
    SUB      all (subscriptions)      –                  fair queue        counts its subscriptions
    XSUB     all                      drops              fair queue        sends subscriptions as messages
    REQ      next in turn             waits              from whom asked   send, receive, send, …
    REP      who asked                drops              fair queue        receive, send, receive, …
    DEALER   next in turn             waits              fair queue
    ROUTER   whom frame 1 names       drops              fair queue        names its peers
"""

from .pair import Pair
from .pattern import Pattern
from .pipeline import Pull, Push
from .pubsub import Pub, Sub, XPub, XSub
from .queue import Pipe
from .reqrep import Rep, Req
from .router import Dealer, Router

TYPES: tuple[type[Pattern], ...] = (Push, Pull, Pair, Pub, Sub, XPub, XSub, Req, Rep, Dealer, Router)
PATTERNS = {pattern.socket_type: pattern for pattern in TYPES}

__all__ = ["PATTERNS", "Pattern", "Pipe"]
