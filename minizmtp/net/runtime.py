"""The runtime: what all sockets and sessions of one Context share.

    Context ──► Runtime ◄── links of each socket ◄── sessions
                  │
                  ├── start_task     a task in the Context's nursery
                  ├── reactor        the one task that watches all connections
                  ├── inproc         the inproc:// names, which live as long as the Context
                  ├── authenticate   asks the ZAP handler whether a peer may come in
                  └── owner_threads  the thread in which the sockets may be used

A Context is what a program sees, so its attributes are API. The runtime is its inside, with names for the rest of the
library only.

**A task never takes another one with it.** An error inside a session is logged here and ends that session. It must not
reach the nursery, because a nursery cancels all its tasks when one of them fails, and those are the program's other
connections.

Read next: `sockets.monitor`, then `sockets.links`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING

import trio

from ..options import Options
from ..wire.events import AuthReply, AuthRequest
from .inproc import InprocRegistry
from .portable import new_reactor
from .reactor import Reactor
from .reports import log

if TYPE_CHECKING:
    from ..sockets.links import Links
    from ..sockets.socket import Socket

# Octets that keep_memory allocates and frees; malloc then keeps up to twice as much.
KEPT = 1 << 22


class Runtime:
    """Made by a Context, started when that is entered. `sockets` holds those that are open or still linger."""

    reactor: Reactor

    def __init__(self, authenticate: Callable[[Runtime, AuthRequest, Options, str], Awaitable[AuthReply]]) -> None:
        self.inproc = InprocRegistry()
        self.sockets: dict[Links, Socket] = {}
        self.owner_threads: list[int] = []  # the thread that entered the Context; empty before, and in a forked child
        self.working = 0  # tasks that run
        self.closed = False  # what is open may still linger
        self._authenticate = authenticate
        self._nursery: trio.Nursery | None = None
        self._changed = trio.Event()  # a task or a socket has ended

    def start(self, nursery: trio.Nursery) -> None:
        """Work in this nursery, for sockets of this thread."""
        self._nursery = nursery
        self.owner_threads.append(threading.get_ident())
        _clear_in_children(self.owner_threads)
        self.reactor = new_reactor(nursery.start_soon)

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run function in the Context's nursery. When the Context is closed and idle, nothing is started any more."""
        if self._nursery is None or (self.closed and not self.working and not self.sockets):
            return
        self.working += 1
        self._nursery.start_soon(self._run, function)

    async def _run(self, function: Callable[[], Awaitable[object]]) -> None:
        try:
            await function()
        except Exception:
            log.exception("internal error: a connection was closed (please report this)")
        finally:
            self.working -= 1
            self._changed.set()

    async def wait_until_idle(self) -> None:
        """Until no task runs and every socket is closed and has finished lingering."""
        await trio.lowlevel.checkpoint()
        while self.working or self.sockets:
            self._changed = trio.Event()
            await self._changed.wait()

    async def authenticate(self, question: AuthRequest, options: Options, address: str) -> AuthReply:
        """Ask whether the peer at address may come in. options: those of the endpoint that it came by."""
        return await self._authenticate(self, question, options, address)

    def check_caller(self) -> None:
        """Raise RuntimeError in another thread or process than the Context's."""
        if self.owner_threads != [threading.get_ident()]:
            raise RuntimeError(
                "this socket belongs to the thread and the process in which its Context was entered: make a Context"
                " where you are, and let the two talk over ipc or tcp"
            )

    def forget(self, links: Links) -> None:
        """The socket of links is closed, and does not linger any more."""
        self.sockets.pop(links, None)
        self._changed.set()


def _clear_in_children(owner_threads: list[int]) -> None:
    """Empty the list in every child that this process forks, because a child has our sockets but not the tasks that
    work for them. It may close the sockets, which closes its copies of their files. It has to leave by os._exit,
    because what runs at the end of `async with` and trio.run takes the parent's files out of the selector that trio
    shares with it. (Comparing the process's number at each call would be simpler, and cost as much as all the rest.)"""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=owner_threads.clear)


def keep_memory() -> None:
    """Make malloc keep free memory for the next burst of messages: a PULL of 64 KiB takes a third of the CPU time.

    glibc's malloc returns what is free above 128 KiB to the system. After a large block has been freed, it keeps twice
    the size of that (mallopt(3), "M_MMAP_THRESHOLD"). So we allocate and free one; none of its pages is touched.
    """
    BufferedReader(BytesIO(), KEPT)
