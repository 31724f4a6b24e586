"""Waiting on many sockets at once: ZeroMQ's way, and trio's.                                     pyzmq's Poller

    poller = Poller()                             async with trio.open_nursery() as nursery:
    poller.register(inbox, POLLIN)                    nursery.start_soon(serve, inbox)
    poller.register(news, POLLIN)                     nursery.start_soon(listen, news)
    for sock, mask in await poller.poll(): …

On the left one task asks "who has something?", and goes through the answer; it was made for a world without tasks. On
the right each socket has a task of its own that simply waits. Where tasks cost as little as in trio the right side
reads better, and a Poller is for what the left says well: "whichever comes first", or "all of these, in this order".

Below this module: `sockets`. It can be read alone.
"""

import trio

from .constants import POLLIN, POLLOUT
from .sockets import Socket
from .waiting import timeout_scope, wait_for_change


class Poller:
    """Sockets, and what is to be waited for on each: POLLIN, POLLOUT or both."""

    def __init__(self) -> None:
        self.sockets: dict[Socket, int] = {}

    def register(self, socket: Socket, flags: int = POLLIN | POLLOUT) -> None:
        """Watch socket for flags; again with other flags replaces them, with 0 takes it off the list."""
        if flags:
            self.sockets[socket] = flags
        else:
            self.sockets.pop(socket, None)

    def modify(self, socket: Socket, flags: int) -> None:
        """Watch a registered socket for other flags. KeyError if it is not registered."""
        if socket not in self.sockets:
            raise KeyError(f"{socket!r} is not registered with this Poller: register() it first")
        self.register(socket, flags)

    def unregister(self, socket: Socket) -> None:
        """Watch socket no more. KeyError if it is not registered."""
        self.modify(socket, 0)

    async def poll(self, timeout: float | None = None) -> list[tuple[Socket, int]]:
        """Wait until a socket can do what it is watched for; all that can, with what they can do, in the order of
        registration. [] if none can within timeout milliseconds (None or negative: wait for ever)."""
        self._able()  # refuses what may not be polled, before anything waits
        with timeout_scope(timeout):
            await trio.lowlevel.checkpoint()
            while not (able := self._able()):
                await wait_for_change(*self.sockets)
            return able
        return self._able()

    def _able(self) -> list[tuple[Socket, int]]:
        return [(socket, mask) for socket, flags in self.sockets.items() if (mask := socket.events & flags)]
