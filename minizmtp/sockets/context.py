"""The Context: the one place where tasks live.

    async with Context() as ctx:               opens a nursery
        sock = ctx.socket(REQ)                 every task of every socket is a child of it
        …                                      leaving: close all sockets, let them linger, then end

libzmq hides its I/O threads in the context; ours are tasks, and the context owns their nursery. So nothing outlives the
`async with`, and leaving it means what it means for any nursery of trio: all is done, or cancelled.

Leaving it normally closes every socket and waits until each has sent what it has, or its `linger` has run out. After a
second the log says which sockets still wait, because a `linger` of −1 and a peer that never comes would otherwise look
like a hang. Leaving it by an exception, or by being cancelled, drops everything at once.

To linger is to wait until the *system* has taken all, as in libzmq. What it does then is TCP's business: a peer that
still sends to us after we have closed is answered with a reset, and that may cost it what it had not read yet. A
program that has to know that its last message arrived asks for an answer.

Read next: `minihttp.connection`, to meet an HTTP connection for comparison.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, Unpack

import trio

from ..constants import SocketType
from ..errors import EINVAL, ContextTerminated, ZMQError
from ..net.runtime import Runtime
from ..net.session import log
from ..net.transports import keep_memory
from ..options import OPTION_ROWS, Keywords, Options
from . import zap
from .socket import Socket

# Seconds of lingering after which the log says which sockets wait, and for what.
LINGER_WARNING_AFTER = 1.0

# For Context.instance(). Each trio.run has its own value, so this is no state of the process.
_instance: trio.lowlevel.RunVar[Context | None] = trio.lowlevel.RunVar("minizmtp.Context.instance", None)


class Context(Options):
    """Makes sockets, and owns the nursery in which they work. An async context manager; see the module for leaving.

    An option that is set on a Context is the default of the sockets that it makes afterwards, as in pyzmq.
    """

    __slots__ = ("__weakref__", "_closed", "_manager", "_nursery", "_runtime")

    def __init__(self, io_threads: int = 1) -> None:
        """io_threads: pyzmq has this parameter. It has no effect, because the work is done by tasks."""
        super().__init__()
        self._runtime = Runtime(zap.authenticate)
        self._nursery: trio.Nursery | None = None
        self._manager: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._closed = False

    @classmethod
    def instance(cls) -> Self:
        """The Context that all callers of this method share within one `trio.run`.

        The first call makes it, and so does the first call after it was closed. Like any other it works inside
        `async with`: one place in the program enters it, and the others call instance() while it is open.
        """
        check_in_trio()
        context = _instance.get()
        if not isinstance(context, cls) or context.closed:
            context = cls()
            _instance.set(context)
        return context

    @property
    def closed(self) -> bool:
        return self._closed

    def socket(self, socket_type: SocketType | int, **options: Unpack[Keywords]) -> Socket:
        """A new socket; any option can be given as a keyword.

        Raises ContextTerminated once the context is closed, TypeError for an option that does not exist.
        """
        if self._closed:
            raise ContextTerminated()
        if self._nursery is None:
            raise RuntimeError("use this Context inside `async with`: `async with Context() as ctx:`")
        try:
            kind = SocketType(socket_type)
        except ValueError:
            names = " ".join(kind.name for kind in SocketType)
            raise ZMQError(EINVAL, f"socket type {socket_type!r}, expected one of {names}") from None
        # Defaults for other socket types are left out, because a Context may have some for each type.
        fitting = {name: value for name, value in self._values.items() if OPTION_ROWS[name].fits(kind)}
        socket = Socket(self._runtime, kind, {**fitting, **options})
        self._runtime.sockets[socket._links] = socket
        return socket

    async def term(self) -> None:
        """Close every socket, and wait until none lingers. Done by leaving the context, too."""
        self._close_sockets()
        with trio.move_on_after(LINGER_WARNING_AFTER):
            await self._runtime.wait_until_idle()
            return
        for links, socket in self._runtime.sockets.items():
            for endpoint, messages in links.unsent().items():
                log.warning(
                    "closing waits for %s %s, which has %d unsent message%s and linger=%d: if they may be dropped, set"
                    " linger=0, or leave by `await ctx.destroy(linger=0)`",
                    socket.socket_type.name, endpoint, messages, "s" * (messages > 1), socket.linger,
                )  # fmt: skip
        await self._runtime.wait_until_idle()

    async def destroy(self, linger: int | None = None) -> None:
        """term(), with this linger for every socket that is still open; None leaves each its own."""
        for socket in list(self._runtime.sockets.values()):
            socket.close(linger)
        await self.term()

    def _close_sockets(self) -> None:
        self._closed = True
        self._runtime.accepts_tasks = False
        for socket in list(self._runtime.sockets.values()):
            socket.close()

    async def __aenter__(self) -> Self:
        check_in_trio()
        if self._manager is not None:
            raise RuntimeError("a Context can be entered once: make a new one")
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        keep_memory()
        self._runtime.start(self._nursery)
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
            # The body's exception is re-raised by `async with` itself, so don't pass it to the nursery, which would
            # wrap it in a group. The shield is needed because a cancellation from outside would replace that exception
            # with Cancelled, although there is nothing left to cancel.
            self._nursery.cancel_scope.shield = True
            self._nursery.cancel_scope.cancel()
            self._close_sockets()
            for links in list(self._runtime.sockets):
                links.finish(0)
            await self._manager.__aexit__(None, None, None)
            self._runtime.reactor.close()


def check_in_trio() -> None:
    """Raise RuntimeError if no trio program runs here, because trio's own error would not say what to do."""
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "minizmtp runs on trio: start the program by trio.run(main); docs/FAQ.md has ways for asyncio and notebooks"
        )
