"""A proxy: forwards messages between two sockets, in both directions.                             libzmq's zmq_proxy

    clients ──► ROUTER  proxy  DEALER ──► workers        requests, and their answers back
    PUB     ──► XSUB    proxy  XPUB   ──► SUB            news, and subscriptions back
    PUSH    ──► PULL    proxy  PUSH   ──► PULL           work
                          └──────────────► capture       a copy of everything

It runs until it is cancelled, and it must not lose a message then. So it waits until one socket has a message *and* the
other has room for it, and then moves the message in one step, without an await in between.

If the program has read the first frames of a message before it starts the proxy, the remaining frames are forwarded
first, as a message of their own (as in libzmq).

It can be read alone.
"""

from typing import NoReturn

import trio

from ..constants import POLLIN, POLLOUT
from .socket import TURNS, Socket
from .waiters import wait_for_change


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
    can_send, take, rest = target._pattern.can_send, source._pattern.take, source._pattern.rest
    for moved in range(TURNS):
        if not (source._is_readable() and can_send()):
            return moved
        begun = bool(rest)
        received = rest.pop(0) if begun else take()
        assert received is not None  # it is readable
        _, message = received
        copy = None if capture is None else list(message)  # over inproc a peer gets message itself, and may change it
        if not target._try_send(message):
            # There was room, but not for the peers of this message. An XPUB with xpub_nodrop and a mandatory ROUTER
            # know these peers only from the message itself.
            if begun:
                rest.insert(0, received)
            else:
                source._pattern.give_back(received)
            return moved
        source._wake_next()
        if capture is not None and copy is not None and capture.events & POLLOUT:
            capture._try_send(copy)
    return TURNS
