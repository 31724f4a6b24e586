"""The relay: passes every octet on between two ends, and tells a watcher what passed.

                    ┌───────────── Relay ─────────────┐
    client ─ tcp ──►│ receive ─► (latency) ─► send    │── ipc ──► server
           ◄────────│    send ◄─ (latency) ◄─ receive │◄────────
                    └────────────────┬────────────────┘
                                     ▼
                      Watcher: opened, passed, ended, closed

The relay behaves like a direct connection. It passes each octet on unchanged and in order, and the end of one direction
as a half-close. It reads from a direction only after the last octet read has been passed on, so a slow reader slows the
writer down, as on a direct connection. When one end fails, its earlier octets still arrive; then the relay closes the
connection to the other end.

The watcher is told of octets after they have been sent, never before. So a slow watcher doesn't delay them, and it
never sees a reply before the request.

With a latency, the relay simulates a distant network. On one machine, replies come so fast that it is hard to see which
side waits for the other; a delay of twenty milliseconds makes it visible.

Below this module: `transports`, `trace` for the names of the two sides.
Read next: `pcap`, or go straight to `watch`.
"""

from contextlib import closing
from typing import NamedTuple, Protocol

import trio

from ..net.endpoints import Endpoint
from ..net.transports import Listener, Stream, dial
from ..options import Options
from ..trace import Side

# The most reads that may be delayed at a time, because memory must be bounded. At 64 KiB each, they take 16 MiB.
WIRE = 256

# Seconds to wait before the next accept after one has failed (because of too many open files, for example).
PAUSE = 0.1


class Watcher(Protocol):
    """Is told what happens. `at` is the time on trio's clock, in seconds. An exception in a watcher ends the relay;
    `watch` has a watcher that never raises."""

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        """A client has connected, and so has the relay to the server (None: that failed). Returns the number of this
        connection for later calls."""

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        """These octets of this side were sent on at `at`. Times never decrease from call to call."""

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        """This side's stream has ended. why: the error, or "" for an orderly end."""

    def closed(self, connection: int, at: float) -> None:
        """The connection is over. A side that is still open is closed now."""


class Word(NamedTuple):
    """The result of one read, and its time. No octets: the stream has ended, and `why` is the reason."""

    at: float
    octets: bytes
    why: str = ""


class Relay:
    """listener: accepts clients, and is closed at the end. target: the server. latency: seconds, in each direction."""

    def __init__(self, listener: Listener, target: Endpoint, watcher: Watcher, latency: float = 0.0) -> None:
        self._listener = listener
        self._target = target
        self._watcher = watcher
        self._latency = latency

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        with closing(self._listener):
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    try:
                        client = await self._listener.accept()
                    except OSError:
                        await trio.sleep(PAUSE)
                    else:
                        nursery.start_soon(self._join, client)

    async def _join(self, client: Stream) -> None:
        """One connection, from its first octet to its last."""
        with closing(client):
            try:
                server = await dial(self._target, Options())
            except OSError as error:  # no server there, so the client sees a close
                number = self._watcher.opened(client.peer, None, trio.current_time())
                self._watcher.ended(number, Side.SERVER, words(error), trio.current_time())
                self._watcher.closed(number, trio.current_time())
                return
            with closing(server):
                number = self._watcher.opened(client.peer, server.peer, trio.current_time())
                try:
                    await self._carry(number, client, server)
                finally:
                    self._watcher.closed(number, trio.current_time())

    async def _carry(self, number: int, client: Stream, server: Stream) -> None:
        async with trio.open_nursery() as nursery:
            for side, source, target in (Side.CLIENT, client, server), (Side.SERVER, server, client):
                direction = Direction(self._watcher, number, side, source, target, nursery.cancel_scope)
                nursery.start_soon(direction.carry, self._latency)


class Direction:
    """Carries one side's octets to the other. connection: the cancel scope of both directions."""

    def __init__(
        self, watcher: Watcher, number: int, side: Side, source: Stream, target: Stream, connection: trio.CancelScope
    ) -> None:
        self._watcher = watcher
        self._number = number
        self._side = side
        self._source = source
        self._target = target
        self._connection = connection

    async def carry(self, latency: float) -> None:
        """Carry octets until the source ends its stream, or the target fails."""
        if latency:
            await self._carry_far(latency)
        else:
            while await self._deliver(await self._read()):
                pass

    async def _carry_far(self, latency: float) -> None:
        """Carry octets with a delay. Reading and sending are two tasks, so that octets can be read while earlier ones
        are still delayed."""
        enter, leave = trio.open_memory_channel[Word](WIRE)

        async def read() -> None:
            async with enter:
                while (word := await self._read()).octets:
                    await enter.send(word)
                await enter.send(word)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            async for word in leave:
                await trio.sleep_until(word.at + latency)
                if not await self._deliver(word):
                    break
            nursery.cancel_scope.cancel()

    async def _read(self) -> Word:
        while True:
            await self._source.wait_receivable()
            try:
                octets = self._source.try_receive()
            except OSError as error:
                return Word(trio.current_time(), b"", words(error))
            if octets is not None:
                return Word(trio.current_time(), octets)

    async def _deliver(self, word: Word) -> bool:
        """Pass one read on. Returns whether more may follow."""
        if word.why:  # the source has failed, so nothing can be sent to it anymore
            self._tell_end(word.why)
            self._connection.cancel()
            return False
        try:
            if word.octets:
                await self._send(word.octets)
                return True
            self._target.send_eof()
        except OSError:
            # The target has failed. Its earlier octets may still wait to be read by the other direction, which then
            # finds the end and reports it.
            return False
        self._tell_end()
        return False

    async def _send(self, octets: bytes) -> None:
        """Send all of it, as fast as the target takes it. There is no await between sending and telling the watcher,
        because a reply could be reported first in that time."""
        while octets:
            if sent := self._target.try_send(octets):
                self._watcher.passed(self._number, self._side, octets[:sent], trio.current_time())
                octets = octets[sent:]
            else:
                await self._target.wait_sendable()

    def _tell_end(self, why: str = "") -> None:
        self._watcher.ended(self._number, self._side, why, trio.current_time())


def words(error: OSError) -> str:
    """The system's error message, without the number.

    >>> words(ConnectionResetError(104, "Connection reset by peer")), words(OSError("no such name"))
    ('connection reset by peer', 'no such name')
    """
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
