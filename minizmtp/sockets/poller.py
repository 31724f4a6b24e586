"""Waiting on many sockets at once: ZeroMQ's way, and trio's.                                     pyzmq's Poller

    poller = Poller()                             async with trio.open_nursery() as nursery:
    poller.register(inbox, POLLIN)                    nursery.start_soon(serve, inbox)
    poller.register(news, POLLIN)                     nursery.start_soon(listen, news)
    for sock, mask in await poller.poll(): …

On the left one task asks "who has something?", and goes through the answer; it was made for a world without tasks. On
the right each socket has a task of its own that simply waits. Where tasks cost as little as in trio the right side
reads better, and a Poller is for what the left says well: "whichever comes first", or "all of these, in this order".

Beside sockets of this package a Poller takes file descriptors: an int, or an object with `fileno()`, such as a socket
of trio. As in pyzmq, the answer names these by their number, and POLLERR is told without being asked for: an error, or
the other end of a pipe is closed.

It can be read alone.
"""

import errno
import select
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import trio

from ..constants import POLLERR, POLLIN, POLLOUT
from ..errors import EINVAL, ZMQError
from .socket import Socket
from .waiters import timeout_scope, wait_for_change


class HasFileno(Protocol):
    """An object around a file descriptor."""

    def fileno(self) -> int:
        """Its number; −1, or ValueError, when it is closed."""


class Poller:
    """Sockets and file descriptors, and what is to be waited for on each: POLLIN, POLLOUT or both."""

    def __init__(self) -> None:
        self.sockets: dict[Socket | HasFileno | int, int] = {}

    def register(self, socket: Socket | HasFileno | int, flags: int = POLLIN | POLLOUT) -> None:
        """Watch socket for flags; again with other flags replaces them, with 0 takes it off the list.

        Raises TypeError for what is neither a socket nor a file descriptor, ZMQError(EINVAL) for flags without POLLIN
        and POLLOUT: trio cannot wait for an error alone.
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

    def modify(self, socket: Socket | HasFileno | int, flags: int) -> None:
        """Watch a registered socket for other flags. KeyError if it is not registered."""
        if socket not in self.sockets:
            raise KeyError(f"{socket!r} is not registered with this Poller: register() it first")
        self.register(socket, flags)

    def unregister(self, socket: Socket | HasFileno | int) -> None:
        """Watch socket no more. KeyError if it is not registered."""
        self.modify(socket, 0)

    async def poll(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        """Wait until a socket can do what it is watched for; all that can, with what they can do, in the order of
        registration: (socket or number of a file, mask). [] if none can within timeout milliseconds (None or negative:
        wait for ever).

        Raises ZMQError(ENOTSOCK) for a socket and ZMQError(EBADF) for a file that is closed, also while it waits. (A
        descriptor closed by `os.close` while it is waited for is noticed only if `trio.lowlevel.notify_closing` was
        called first; trio's own objects do.) Raises trio.BusyResourceError if another task waits for the same file.
        """
        self._able()  # refuses what may not be polled, before anything waits
        with timeout_scope(timeout):
            await trio.lowlevel.checkpoint()
            while not (able := self._able()):
                await self._wait()
            return able
        return self._able()

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
        """{number of a file: flags}. One file may be registered as a number and as an object."""
        files: dict[int, int] = {}
        for each, flags in self.sockets.items():
            if not isinstance(each, Socket):
                number = number_of(each)
                files[number] = files.get(number, 0) | flags
        return files

    async def _wait(self) -> None:
        """Until one of them may be able to do what it was not."""
        sockets = [each._waiters for each in self.sockets if isinstance(each, Socket)]
        files = self._files()
        if not files:
            await wait_for_change(*sockets)
            return
        failures: list[Exception] = []
        async with trio.open_nursery() as nursery:
            for wait, number in waits(files):
                nursery.start_soon(until_ready, wait, number, nursery.cancel_scope, failures)
            # Not in a task of its own: a change that comes before such a task runs would be missed. With files there is
            # nothing to miss, as the system is asked for their state and not for changes of it.
            await wait_for_change(*sockets)
            nursery.cancel_scope.cancel()
        if failures:
            raise failures[0]


def number_of(file: HasFileno | int) -> int:
    """The number of a file descriptor; ZMQError(EBADF) if it is closed."""
    try:
        number = file if isinstance(file, int) else file.fileno()
    except ValueError:  # so a closed file of Python says
        number = -1
    if number < 0:
        raise closed(file)
    return number


def closed(file: HasFileno | int) -> ZMQError:
    """The error for a file that is closed."""
    return ZMQError(errno.EBADF, f"{file!r} is closed: unregister() it first")


def ask_system(files: dict[int, int]) -> dict[int, int]:
    """{number of a file: what it can do now, and POLLERR}. Asks, and does not wait."""
    masks = dict.fromkeys(files, 0)
    if files:
        asked = select.poll()
        for number, flags in files.items():
            asked.register(
                number, (select.POLLIN if flags & POLLIN else 0) | (select.POLLOUT if flags & POLLOUT else 0)
            )
        for number, events in asked.poll(0):
            if events & select.POLLNVAL:
                raise closed(number)
            readable = POLLIN if events & select.POLLIN else 0
            writable = POLLOUT if events & select.POLLOUT else 0
            masks[number] = readable | writable | (POLLERR if events & (select.POLLERR | select.POLLHUP) else 0)
    return masks


def waits(files: dict[int, int]) -> Iterable[tuple[Callable[[int], Awaitable[None]], int]]:
    """What trio is to wait for. Either kind of wait ends at an error, too."""
    for number, flags in files.items():
        if flags & POLLIN:
            yield trio.lowlevel.wait_readable, number
        if flags & POLLOUT:
            yield trio.lowlevel.wait_writable, number


async def until_ready(
    wait: Callable[[int], Awaitable[None]], number: int, others: trio.CancelScope, failures: list[Exception]
) -> None:
    """Wait, and end the other waits. An error is handed over instead of raised: a nursery would make a group of it."""
    try:
        await wait(number)
    except (trio.ClosedResourceError, OSError):
        failures.append(closed(number))
    except trio.BusyResourceError as error:
        failures.append(error)
    others.cancel()
