"""A proxy: what comes in at one socket goes out at the other, both ways.                          libzmq's zmq_proxy

    clients ──► ROUTER  proxy  DEALER ──► workers        requests, and their answers back
    PUB     ──► XSUB    proxy  XPUB   ──► SUB            news, and subscriptions back
    PUSH    ──► PULL    proxy  PUSH   ──► PULL           work
                          └──────────────► capture       a copy of everything

It runs until it is cancelled, and the one thing to get right is what it holds then: nothing. So it waits until a
message is there *and* there is room for it at the other side, and then moves it in one step, without an await in
between.

If the program has read the first frames of a message before it starts the proxy, the frames that are left are passed on
first, as a message of their own (as in libzmq).

It can be read alone.
"""

from typing import NoReturn

import trio

from ..constants import POLLIN, POLLOUT
from .socket import TURNS, Socket
from .waiters import wait_for_change


async def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> NoReturn:
    """Pass messages between frontend and backend, both ways, until cancelled. Each is also sent to capture, as long as
    that has room. Raises ZMQError: ENOTSOCK when one of them is closed; EHOSTUNREACH when the peer has gone for which a
    ROUTER with router_mandatory is given a message, which is dropped."""
    while True:
        await trio.lowlevel.checkpoint()
        moved = _move(frontend, backend, capture) + _move(backend, frontend, capture)
        if not moved:
            await wait_for_change(frontend._waiters, backend._waiters)


def _move(source: Socket, target: Socket, capture: Socket | None) -> int:
    """Some of what source has, as far as target has room; how many messages."""
    if not (source.events & POLLIN and target.events & POLLOUT):  # also refuses a socket that is closed
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
            # There is room, but not at the peers that the message is for: only a message tells an XPUB with
            # xpub_nodrop, or a mandatory ROUTER, which those are.
            if begun:
                rest.insert(0, received)
            else:
                source._pattern.give_back(received)
            return moved
        source._wake_next()
        if capture is not None and copy is not None and capture.events & POLLOUT:
            capture._try_send(copy)
    return TURNS
