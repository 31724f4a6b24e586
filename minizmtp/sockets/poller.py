"""Poller: waiting for several sockets in one task.                                               pyzmq's Poller

    poller = Poller()                             async with trio.open_nursery() as nursery:
    poller.register(inbox, POLLIN)                    nursery.start_soon(serve, inbox)
    poller.register(news, POLLIN)                     nursery.start_soon(listen, news)
    for sock, mask in await poller.poll(): …

On the left, one task asks which sockets are ready and handles them in turn. On the right, each socket has a task of its
own that simply waits. Tasks are cheap in trio, so the code on the right is usually easier to read. Use a Poller where
one task has to decide between sockets, for example to read them in a fixed order.

Besides this package's sockets, a Poller takes file descriptors: an int, or an object with `fileno()`, such as a trio
socket. As in pyzmq, the result names a file by its number, and POLLERR is always reported: an error occurred, or the
other end of a pipe is closed.

It can be read alone.
"""

from __future__ import annotations

import errno
import select
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from ..constants import POLLERR, POLLIN, POLLOUT
from ..errors import EINVAL, ZMQError
from .changes import poll_until, wait_for_change
from .socket import Socket

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike  # an int, or an object with fileno()


class Poller:
    """Sockets and file descriptors, and the flags to wait for on each: POLLIN, POLLOUT or both."""

    def __init__(self) -> None:
        self.sockets: dict[Socket | FileDescriptorLike, int] = {}

    def register(self, socket: Socket | FileDescriptorLike, flags: int = POLLIN | POLLOUT) -> None:
        """Watch socket for flags. A second call replaces the flags; flags=0 removes the socket.

        Raises TypeError if it is neither a socket nor a file descriptor. Raises ZMQError(EINVAL) for flags without
        POLLIN and POLLOUT, because trio can't wait for an error alone.
        """
        if not isinstance(socket, (Socket, int)) and not hasattr(socket, "fileno"):
            raise TypeError(
                f"a Poller watches sockets, file descriptors, and objects with fileno(), not {type(socket).__name__}"
            )
        if not flags:
            self.sockets.pop(socket, None)
        elif flags & (POLLIN | POLLOUT):
            self.sockets[socket] = flags
        else:
            raise ZMQError(EINVAL, f"flags={flags}: expected POLLIN ({POLLIN}), POLLOUT ({POLLOUT}) or both")

    def modify(self, socket: Socket | FileDescriptorLike, flags: int) -> None:
        """Change the flags of a registered socket. Raises KeyError if it isn't registered."""
        if socket not in self.sockets:
            raise KeyError(f"{socket!r} is not registered with this Poller: register() it first")
        self.register(socket, flags)

    def unregister(self, socket: Socket | FileDescriptorLike) -> None:
        """Stop watching a socket. Raises KeyError if it isn't registered."""
        self.modify(socket, 0)

    async def poll(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        """Wait until at least one socket is ready. Returns all that are ready, in the order of registration, as tuples
        (socket or file number, mask); [] if none is ready within timeout milliseconds (None or negative: wait forever).

        Raises ZMQError(ENOTSOCK) for a closed socket and ZMQError(EBADF) for a closed file, also if it is closed during
        the wait. (If `os.close` closes a descriptor during the wait, this is noticed only if
        `trio.lowlevel.notify_closing` was called first; trio's own objects do so.) Raises trio.BusyResourceError if
        another task waits for the same file.
        """
        self._able()  # raises for closed sockets and files before we wait
        return await poll_until(self._able, self._wait, timeout)

    def _able(self) -> list[tuple[Any, int]]:
        masks = ask_system(self._files())
        found: list[tuple[Any, int]] = []
        for each, flags in self.sockets.items():
            if isinstance(each, Socket):
                if mask := each.events & flags:
                    found.append((each, mask))
            elif mask := masks[number := number_of(each)] & (flags | POLLERR):
                found.append((number, mask))
        return found

    def _files(self) -> dict[int, int]:
        """{file number: flags}. The same file may be registered as a number and as an object."""
        files: dict[int, int] = {}
        for each, flags in self.sockets.items():
            if not isinstance(each, Socket):
                number = number_of(each)
                files[number] = files.get(number, 0) | flags
        return files

    async def _wait(self) -> None:
        """Wait until any of them may have become ready."""
        sockets = [each._waiters for each in self.sockets if isinstance(each, Socket)]
        files = self._files()
        if not files:  # the usual case, which needs no other tasks
            await wait_for_change(*sockets)
            return
        failures: list[Exception] = []
        async with trio.open_nursery() as nursery:
            for number, flags in files.items():
                for flag, wait in ((POLLIN, trio.lowlevel.wait_readable), (POLLOUT, trio.lowlevel.wait_writable)):
                    if flags & flag:
                        nursery.start_soon(until_ready, wait, number, nursery.cancel_scope, failures)
            # Wait for sockets here and not in another task, because a change before that task starts would be missed.
            # For files this can't happen, because the system reports their state and not changes of it.
            await wait_for_change(*sockets)
            nursery.cancel_scope.cancel()
        if failures:
            raise failures[0]


def number_of(file: FileDescriptorLike) -> int:
    """The number of a file descriptor. Raises ZMQError(EBADF) if it is closed."""
    try:
        number = file if isinstance(file, int) else file.fileno()
    except ValueError:  # a closed Python file; other closed files return -1
        number = -1
    if number < 0:
        raise closed(file)
    return number


def closed(file: FileDescriptorLike) -> ZMQError:
    """The error for a closed file."""
    return ZMQError(errno.EBADF, f"{file!r} is closed: unregister() it first")


def ask_system(files: dict[int, int]) -> dict[int, int]:
    """{file number: mask of what it is ready for now}, including POLLERR. Doesn't wait."""
    masks = dict.fromkeys(files, 0)
    if not hasattr(select, "poll"):  # on Windows, where they are sockets
        for number, flags in files.items():
            try:
                found = select.select([number] * (flags & POLLIN), [number] * (flags & POLLOUT), [number], 0)
            except (OSError, ValueError):
                raise closed(number) from None
            masks[number] = sum(
                flag for flag, numbers in zip((POLLIN, POLLOUT, POLLERR), found, strict=True) if numbers
            )
    elif files:  # not select(2) here, because it takes no file with a number of 1024 or more
        theirs = {POLLIN: select.POLLIN, POLLOUT: select.POLLOUT, POLLERR: select.POLLERR | select.POLLHUP}
        asked = select.poll()
        for number, flags in files.items():
            asked.register(number, sum(theirs[flag] for flag in (POLLIN, POLLOUT) if flags & flag))
        for number, events in asked.poll(0):
            if events & select.POLLNVAL:
                raise closed(number)
            masks[number] = sum(flag for flag, events_of in theirs.items() if events & events_of)
    return masks


async def until_ready(
    wait: Callable[[int], Awaitable[None]], number: int, others: trio.CancelScope, failures: list[Exception]
) -> None:
    """Wait until the file is ready or has an error, then cancel the other waits. An exception is appended to failures
    and not raised, because the nursery would wrap it in a group."""
    try:
        await wait(number)
    except (trio.ClosedResourceError, OSError, trio.BusyResourceError) as error:
        failures.append(error if isinstance(error, trio.BusyResourceError) else closed(number))
    others.cancel()
