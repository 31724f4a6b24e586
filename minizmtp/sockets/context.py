"""The Context: owns all sockets, and the nursery in which their tasks run.

    async with Context() as ctx:               opens a nursery
        sock = ctx.socket(REQ)                 every task of every socket is a child of it
        …                                      leaving: close all sockets, let them linger, then end

libzmq has I/O threads in its context; here they are tasks in a nursery. So no task outlives the `async with`: when the
block is left, each has ended or was cancelled.

Leaving it normally closes every socket, and waits until each has sent its queued messages or its `linger` is over.
After 1.5 s the log names the sockets that still wait, because with a `linger` of −1 and a peer that never comes the
program would seem to hang. Leaving it by an exception or a cancellation drops everything at once.

Lingering ends when the peer has read everything and closes too (see `net.parting`). In libzmq it ends when the
operating system has taken all octets, and TCP may still lose them. A program that has to know that its last message
was handled asks for a reply.

Read next: `minihttp.connection`, for comparison.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Self, Unpack, overload

import trio

from ..constants import SocketType
from ..errors import EINVAL, ContextTerminated, ZMQError
from ..net.parting import QUIET
from ..net.reports import log
from ..net.runtime import Runtime, keep_memory
from ..options import OPTION_ROWS, Keywords, Options
from . import zap
from .drafts import Addressed, AddressedSocket, kind_of_socket
from .socket import Socket

# Seconds of lingering after which the log says which sockets wait, and for what. By then a silent peer is given up.
LINGER_WARNING_AFTER = QUIET + 0.5

# For Context.instance(): each trio.run has its own value.
_instance: trio.lowlevel.RunVar[Context | None] = trio.lowlevel.RunVar("minizmtp.Context.instance", None)


class Context(Options):
    """Makes sockets. An async context manager, which can be entered once.

    An option that is set on a Context is the default of the sockets that it makes afterwards, as in pyzmq.
    """

    __slots__ = ("__weakref__", "_manager", "_nursery", "_runtime")
    _nursery: trio.Nursery  # there from the moment that the Context is entered

    def __init__(self, io_threads: int = 1) -> None:
        """io_threads: pyzmq has this parameter. It has no effect, because the work is done by tasks."""
        super().__init__()
        self._runtime = Runtime(zap.authenticate)
        self._manager: AbstractAsyncContextManager[trio.Nursery] | None = None

    @classmethod
    def instance(cls) -> Self:
        """The Context that all callers share within one `trio.run`. If there is none, or it is closed, it is made.

        One place in the program has to enter it by `async with`; the others call instance() while it is open.
        Raises RuntimeError outside trio.
        """
        check_in_trio()
        context = _instance.get()
        if not isinstance(context, cls) or context.closed:
            context = cls()
            _instance.set(context)
        return context

    @property
    def closed(self) -> bool:
        return self._runtime.closed

    @overload
    def socket(self, socket_type: Addressed, **options: Unpack[Keywords]) -> AddressedSocket: ...
    @overload
    def socket(self, socket_type: SocketType | int, **options: Unpack[Keywords]) -> Socket: ...
    def socket(self, socket_type: SocketType | int, **options: Unpack[Keywords]) -> Socket:
        """Make a socket. Every option can be given as a keyword.

        Raises ContextTerminated if the Context is closed, RuntimeError before it is entered, TypeError for an unknown
        option, ZMQError(EINVAL) for a wrong socket type or value.
        """
        if self.closed:
            raise ContextTerminated()
        if self._manager is None:
            raise RuntimeError("use this Context inside `async with`: `async with Context() as ctx:`")
        try:
            kind = SocketType(socket_type)
        except ValueError:
            names = " ".join(kind.name for kind in SocketType)
            raise ZMQError(EINVAL, f"socket type {socket_type!r}, expected one of {names}") from None
        # Defaults for other socket types are left out, because a Context may have some for each type.
        fitting = {name: value for name, value in self._values.items() if OPTION_ROWS[name].fits(kind)}
        socket = kind_of_socket(kind)(self._runtime, kind, {**fitting, **options})
        self._runtime.sockets[socket._links] = socket
        return socket

    async def term(self) -> None:
        """Close every socket, and wait until none lingers. Leaving the `async with` does the same."""
        self._close_sockets()
        with trio.move_on_after(LINGER_WARNING_AFTER):
            await self._runtime.wait_until_idle()
            return
        # With a linger of −1 and a peer that never comes, the program would wait here for ever without a word.
        for links in self._runtime.sockets:
            for reason in links.waits_for():
                log.warning("closing waits for %s, or leave by `await ctx.destroy(linger=0)`", reason)
        await self._runtime.wait_until_idle()

    async def destroy(self, linger: int | None = None) -> None:
        """As term(), with this linger, in milliseconds, for every open socket; None: each has its own."""
        self._close_sockets(linger)
        await self.term()

    def _close_sockets(self, linger: int | None = None) -> None:
        self._runtime.closed = True
        for socket in list(self._runtime.sockets.values()):
            socket.close(linger)

    async def __aenter__(self) -> Self:
        check_in_trio()
        if self._manager is not None:
            raise RuntimeError("a Context can be entered once: make a new one")
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        keep_memory()  # not at import, because only a program that has sockets needs it
        self._runtime.start(self._nursery)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        assert self._manager is not None
        try:
            if kind is None:
                await self.term()
        finally:
            # The body's exception is re-raised by `async with` itself, so don't pass it to the nursery, which would
            # wrap it in a group. The shield is needed because a cancellation from outside would replace that exception
            # with Cancelled, although there is nothing left to cancel.
            self._nursery.cancel_scope.shield = True
            self._nursery.cancel_scope.cancel()
            self._close_sockets()
            for links in list(self._runtime.sockets):
                links.finish(0)  # even those with a linger, because the tasks that would send are cancelled
            await self._manager.__aexit__(None, None, None)
            self._runtime.reactor.close()


def check_in_trio() -> None:
    """Raise RuntimeError if no trio program runs here, because trio's own error would not say what to do."""
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "minizmtp runs on trio: start the program by trio.run(main); docs/FAQ.md has ways for asyncio and notebooks"
        )
