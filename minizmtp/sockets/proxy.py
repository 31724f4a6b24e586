"""A proxy: forwards messages between two sockets, in both directions.                             libzmq's zmq_proxy

    clients ──► ROUTER  proxy  DEALER ──► workers        requests, and their answers back
    PUB     ──► XSUB    proxy  XPUB   ──► SUB            news, and subscriptions back
    PUSH    ──► PULL    proxy  PUSH   ──► PULL           work
                          └──────────────► capture       a copy of everything

It runs until it is cancelled, and a cancelled proxy must not lose a message. So it holds none: it waits until a message
is there *and* the other side has room for it, and then moves it in one step, without an await in between. It moves a
batch at a time. The target asks for the next message when it has room, and only then is it taken from the source.

If the program has read the first frames of a message before it starts the proxy, the remaining frames are forwarded
first, as a message of their own (as in libzmq).

It can be read alone.
"""

from collections.abc import Iterator
from typing import NoReturn

import trio

from ..constants import POLLIN, POLLOUT
from ..errors import ZMQError
from ..patterns.ahead import Received
from ..wire.events import Item
from ..wire.events import Message as Frames
from .changes import wait_for_change
from .sender import TURNS
from .socket import Socket


async def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> NoReturn:
    """Forward messages between frontend and backend, in both directions, until cancelled. A copy of each is sent to
    capture if that has room. Raises ZMQError: ENOTSOCK if one of the sockets is closed; EHOSTUNREACH if a ROUTER with
    router_mandatory has to send to a peer that has disconnected (the message is dropped)."""
    while True:
        await trio.lowlevel.checkpoint()
        moved = _move(frontend, backend, capture) + _move(backend, frontend, capture)
        if not moved:
            await wait_for_change(frontend._waiters, backend._waiters)


def _move(source: Socket, target: Socket, capture: Socket | None) -> int:
    """Move messages from source to target while there is room, at most TURNS. Returns how many were moved."""
    if not (source.events & POLLIN and target.events & POLLOUT):  # raises for a closed socket
        return 0
    rest, pattern = source._pattern.rest, source._pattern
    taken: list[tuple[bool, Received]] = []
    copies: list[Frames] = []  # because over inproc the peer gets the list itself, and may change it

    def messages() -> Iterator[Item]:
        # A REP and a REQ raise EFSM out of turn, and are asked first: they have had their turn after one message.
        while rest or not pattern.is_lockstep or pattern.can_receive():
            was_begun = bool(rest)
            received = rest.pop(0) if was_begun else pattern.take()
            if received is None:
                return
            taken.append((was_begun, received))
            if capture is not None:
                copies.append(list(received[1]))
            yield received[1]

    moved, waiting = 0, None
    try:
        moved, waiting = target._pattern.send_many(messages(), TURNS)
    except ZMQError:
        moved = max(0, len(taken) - 1)  # the last one was refused, and the capture gets no copy of it
        raise
    finally:
        if waiting is not None:
            # The target has room, but not for the peers of this message. An XPUB with xpub_nodrop and a ROUTER with
            # router_mandatory know these peers only from the message.
            was_begun, received = taken.pop()
            if was_begun:
                rest.insert(0, received)
            else:
                pattern.give_back(received)
        for copy in copies[:moved]:
            # The capture may miss messages, because a proxy that waits for it would stop both sides.
            if capture is not None and capture.events & POLLOUT:
                capture._pattern.try_send(copy)
                capture._waiters.wake_next()
        if taken:  # or else two proxies that move nothing would wake each other for ever
            source._waiters.wake_next()
            target._waiters.wake_next()
    return moved
