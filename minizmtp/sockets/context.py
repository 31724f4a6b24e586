"""The Context: the one place where tasks live.

    async with Context() as ctx:               opens a nursery
        sock = ctx.socket(REQ)                 every task of every socket is a child of it
        …                                      leaving: close all sockets, let them linger, then end

libzmq hides its I/O threads in the context; ours are tasks, and the context owns their nursery. So nothing outlives the
`async with`, and leaving it means what it means for any nursery of trio: all is done, or cancelled.

Leaving it normally closes every socket and waits until each has sent what it has, or its `linger` has run out. After a
second of that a log line names who is still waiting, and for what: a `linger` of −1 and a peer that never comes would
otherwise look like a hang. Leaving it by an exception, or by being cancelled, drops everything at once.

To linger is to wait until the *system* has taken all, as in libzmq. What it does then is TCP's business: a peer that
still sends to us after we have closed is answered with a reset, and that may cost it what it had not read yet. Who must
know that the last message arrived asks for an answer.

Below this module: `sockets`. This is the last of the tasks' chapters.
Read next: `minihttp.connection`, to meet the same shape again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import trio

from ..constants import SocketType
from ..errors import EINVAL, ContextTerminated, ZMQError
from ..net.inproc import Names
from ..net.reactor import Reactor
from ..net.session import log
from ..net.transports import keep_memory
from ..options import Options
from ..patterns import PATTERNS
from ..wire.events import Authenticate, Verdict
from . import zap
from .linked import Home, Linked
from .socket import Socket

# Seconds of lingering after which the log says who and why.
PATIENCE = 1.0


class Context(Home):
    """Makes sockets, and owns the nursery in which they work. An async context manager; see the module for leaving."""

    def __init__(self) -> None:
        self.names = Names()
        self._sockets: dict[Linked, None] = {}  # also those that are closed and still linger
        self._working = 0  # tasks of sockets
        self._at_rest = trio.Event()  # perhaps nothing is left of either
        self._nursery: trio.Nursery | None = None
        self._manager: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._closed = False
        self.at_home: list[int] = []  # the thread that entered it, in this process

    @property
    def closed(self) -> bool:
        return self._closed

    def socket(self, socket_type: SocketType | int, **options: Any) -> Socket:
        """A new socket; any option can be given as a keyword.

        Raises ContextTerminated once the context is closed, TypeError for an option that does not exist.
        """
        if self._closed:
            raise ContextTerminated()
        if self._nursery is None:
            raise RuntimeError("a Context works inside `async with Context() as ctx:`")
        try:
            kind = SocketType(socket_type)
        except ValueError:
            names = " ".join(kind.name for kind in SocketType)
            raise ZMQError(EINVAL, f"socket type {socket_type!r}, expected one of {names}") from None
        if kind not in PATTERNS:
            raise ZMQError(EINVAL, f"{kind.name} sockets are not there yet")
        socket = Socket(self, kind, options)
        self._sockets[socket] = None
        return socket

    async def term(self) -> None:
        """Close every socket, and wait until none lingers. Done by leaving the context, too."""
        self._close_sockets()
        with trio.move_on_after(PATIENCE):
            await self._rest()
            return
        for socket in self._sockets:
            for endpoint, messages in socket.unsent().items():
                log.warning(
                    "closing waits: %s %s has %d unsent message(s), linger is %d ms",
                    socket.socket_type.name, endpoint, messages, socket.linger,
                )  # fmt: skip
        await self._rest()

    def _close_sockets(self) -> None:
        self._closed = True
        for socket in list(self._sockets):
            socket.close()

    async def _rest(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._working or self._sockets:
            self._at_rest = trio.Event()
            await self._at_rest.wait()

    async def __aenter__(self) -> Self:
        if self._manager is not None:
            raise RuntimeError("a Context can be entered once: make a new one")
        self.at_home.append(threading.get_ident())
        _forget_in_children(self.at_home)
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        keep_memory()
        self.reactor = Reactor(self._nursery.start_soon)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._manager is not None
        assert self._nursery is not None
        try:
            if kind is None:
                await self.term()
        finally:
            # With nobody left, or nobody to be waited for. The body's own exception passes us by: it is not for the
            # nursery, which would wrap it in a group. Nor is a cancellation from outside, which has no more to end
            # here, and whose Cancelled would take the place of that exception: hence the shield.
            self._nursery.cancel_scope.shield = True
            self._nursery.cancel_scope.cancel()
            self._close_sockets()
            for socket in list(self._sockets):
                socket.drop()
            await self._manager.__aexit__(None, None, None)
            self.reactor.close()

    # ---------------------------------------------------------------------------- what sockets ask of it (sockets.Home)

    def start_task(self, function: Callable[[], Awaitable[object]]) -> None:
        if self._nursery is None or (self._closed and not self._working):
            return
        self._working += 1
        self._nursery.start_soon(self._work, function)

    async def _work(self, function: Callable[[], Awaitable[object]]) -> None:
        try:
            await function()
        except Exception:
            # A mistake of ours. It must not take the program's other connections with it.
            log.exception("a connection ended by an error in this library")
        finally:
            self._working -= 1
            self._at_rest.set()

    async def authenticate(self, question: Authenticate, options: Options, address: str) -> Verdict:
        """Ask the ZAP handler of this context, by a socket of its own for each question."""
        if not self.names.is_bound(zap.ENDPOINT):
            return zap.without_handler(question, bool(options.zap_enforce_domain))
        asking = Socket(self, SocketType.DEALER, {"linger": 0})
        try:
            asking.connect(zap.ENDPOINT)
            await asking.send_multipart(zap.request(question, options.zap_domain, address, options.routing_id))
            return zap.read_reply(await asking.recv_multipart())
        finally:
            asking.close()

    def check_caller(self) -> None:
        if self.at_home != [threading.get_ident()]:
            raise RuntimeError(
                "this socket belongs to the thread and the process in which its Context was entered: make a Context"
                " where you are, and let the two talk over ipc or tcp"
            )

    def forget(self, socket: Linked) -> None:
        self._sockets.pop(socket, None)
        self._at_rest.set()


def _forget_in_children(at_home: list[int]) -> None:
    """Empty the list in every child that this process forks: a child has our sockets, but not the tasks that work for
    them. It may close them, which closes its copies of their files, and it has to leave by os._exit: what runs on its
    way out of `async with` and trio.run takes the parent's files out of the selector that trio shares with it. (To ask
    for the process's number at each call would be simpler, and cost as much as all the rest of it.)"""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=at_home.clear)
