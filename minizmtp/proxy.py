"""A proxy: what comes in at one socket goes out at the other, both ways.                          libzmq's zmq_proxy

    clients ──► ROUTER  proxy  DEALER ──► workers        requests, and their answers back
    PUB     ──► XSUB    proxy  XPUB   ──► SUB            news, and subscriptions back
    PUSH    ──► PULL    proxy  PUSH   ──► PULL           work
                          └──────────────► capture       a copy of everything

It runs until it is cancelled, and the one thing to get right is what it holds then: nothing. So it waits until a
message is there *and* there is room for it at the other side, and then moves it in one step, without an await in
between.

Below this module: `sockets`. It can be read alone.
"""

from typing import NoReturn

import trio

from .constants import POLLIN, POLLOUT
from .sockets import TURNS, Socket
from .waiting import wait_for_change


async def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> NoReturn:
    """Pass messages between frontend and backend, both ways, until cancelled. Each is also sent to capture, as long as
    that has room. Raises ZMQError(ENOTSOCK) when one of them is closed."""
    while True:
        await trio.lowlevel.checkpoint()
        moved = _move(frontend, backend, capture) + _move(backend, frontend, capture)
        if not moved:
            await wait_for_change(frontend, backend)


def _move(source: Socket, target: Socket, capture: Socket | None) -> int:
    """Some of what source has, as far as target has room; how many messages."""
    for moved in range(TURNS):
        if not (source.events & POLLIN and target.events & POLLOUT):
            return moved
        received = source.pattern.take()
        assert received is not None  # POLLIN says so
        _, message = received
        # Over inproc the list itself goes to the receiver, which may change it: the capture gets one of its own.
        copy = list(message) if capture is not None else []
        if not target.pattern.try_send(message):
            # There is room, but not with those whom it is for: an XPUB with xpub_nodrop knows only now who they are.
            source.pattern.give_back(received)
            return moved
        if capture is not None and capture.events & POLLOUT:
            capture.pattern.try_send(copy)
    return TURNS
