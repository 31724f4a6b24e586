"""Patterns: which peer gets a message, and from which peer the next one is taken. Synchronous code, without any I/O.

    queue           messages that wait, and how many may: the high-water mark
    pipe            one peer: a queue to it and a queue from it
    ahead           messages that are read before all others
    routing         fair queue, round robin: taking turns
    pattern         the base class of all socket types
    pipeline        30/PIPELINE   PUSH PULL               the easiest to read first
    pair            31/EXPAIR     PAIR
    subscriptions   finds the subscribers to a topic without asking each
    runs            29/PUBSUB     messages to the same peers, as one item of each queue
    fanout          29/PUBSUB     one message for many peers
    notices         29/PUBSUB     subscriptions that an XPUB reports to its program
    subscribers     29/PUBSUB     what the peers of a publisher ask for
    requests        29/PUBSUB     what a subscriber asks of its publishers
    pubsub          29/PUBSUB     PUB SUB XPUB XSUB
    reqrep          28/REQREP     REQ REP
    router          28/REQREP     DEALER ROUTER
    drafts          one message is one frame: what the types below have in common
    scattergather   49            SCATTER GATHER          PUSH and PULL …
    channel         52            CHANNEL                 PAIR …
    clientserver    41, 51        CLIENT SERVER PEER      DEALER and ROUTER …
    radiodish       48            RADIO DISH              PUB and SUB, for tasks that share a socket

Each socket type is a row of this table: how it chooses the pipe for a message, what it does if no pipe has room, from
which pipes it receives, and one rule of its own.

    type     sends to                 without room       receives from     rule of its own
    PUSH     next in turn             waits              –
    PULL     –                        –                  fair queue
    PAIR     its one peer             waits              its one peer      a second peer is ignored
    PUB      all that subscribed      drops              subscriptions     filters by subscription
    XPUB     all that subscribed      drops              subscriptions     reports them to the program
    SUB      all (subscriptions)      –                  fair queue        counts its subscriptions
    XSUB     all                      drops              fair queue        sends subscriptions as messages
    REQ      next in turn             waits              the peer asked    send, receive, send, …
    REP      the peer that asked      drops              fair queue        receive, send, receive, …
    DEALER   next in turn             waits              fair queue
    ROUTER   the peer in frame 1      drops              fair queue        gives each peer a routing id
    SCATTER  as PUSH                  waits              –                 … from here on, a message is one frame
    GATHER   –                        –                  as PULL
    CHANNEL  as PAIR                  waits              as PAIR
    CLIENT   as DEALER                waits              as DEALER
    SERVER   the peer of that number  waits              fair queue        gives each peer a number
    PEER     as SERVER                waits              fair queue        knows the number when it connects
    RADIO    all that joined a group  drops              groups            compares groups as a whole
    DISH     all (groups)             –                  fair queue        joins a group once

Numbers such as (37-33) and (L-14) are this project's own: docs/REQUIREMENTS.md lists the rules that they name.
"""

from .channel import Channel
from .clientserver import Client, Peer, Server
from .pair import Pair
from .pattern import Pattern
from .pipe import Pipe
from .pipeline import Pull, Push
from .pubsub import Pub, Sub, XPub, XSub
from .radiodish import Dish, Radio
from .reqrep import Rep, Req
from .router import Dealer, Router
from .scattergather import Gather, Scatter

CLASSIC: tuple[type[Pattern], ...] = (Push, Pull, Pair, Pub, Sub, XPub, XSub, Req, Rep, Dealer, Router)
DRAFTS: tuple[type[Pattern], ...] = (Scatter, Gather, Channel, Client, Server, Peer, Radio, Dish)
TYPES = CLASSIC + DRAFTS
PATTERNS = {pattern.socket_type: pattern for pattern in TYPES}

__all__ = ["PATTERNS", "Pattern", "Pipe"]
