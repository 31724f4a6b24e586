"""The relay: stands between two ends, passes every octet on, and tells somebody what passed.

                    ┌───────────── Relay ─────────────┐
    client ─ tcp ──►│ receive ─► (latency) ─► send    │── ipc ──► server
           ◄────────│    send ◄─ (latency) ◄─ receive │◄────────
                    └────────────────┬────────────────┘
                                     ▼
                      Watcher: opened, passed, ended, closed

Neither end can tell it from the other end itself. Each octet is passed on unchanged and in order. The end of one
direction is passed on as just that, a half-close. A direction reads again when the last octet is out of its hands, so
that a slow reader slows the writer, as it would on one long wire. When one end dies, what it said before still arrives;
then the other end is told, by a close.

The watcher is told of octets when they are on their way, never before: however long it thinks, these are not held up,
and an answer is never told before its question.

With a latency the relay is a distant network in a drawer. Two ends on one machine answer so fast that nobody could tell
who waited for whom; over twenty milliseconds of wire it is plain.

Below this module: `transports`, `trace` for the names of the two sides.
Read next: `pcap`, or `watch` at once.
"""

from contextlib import closing
from typing import NamedTuple, Protocol

import trio

from ..net.endpoints import Endpoint
from ..net.transports import Listener, Stream, dial
from ..options import Options
from ..trace import Side

# How many reads may be under way on a wire with latency. At 64 KiB each that is 16 MiB: memory has a bound here, too.
WIRE = 256

# Seconds until the system is asked again for a connection, when it had none to give (too many open files, say).
PAUSE = 0.1


class Watcher(Protocol):
    """Who is told what happens. `at` is trio's clock, in seconds. What a watcher raises ends the relay: see `watch` for
    one that never does."""

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        """A client has come, and the server was dialled (server None: in vain). The number to call this connection by
        from now on."""

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        """What this side said is on its way, since `at`: later calls tell of later times."""

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        """This side says no more. why: "" for an orderly end, else what it died of."""

    def closed(self, connection: int, at: float) -> None:
        """It is over: whoever was not told yet is told now, by a close."""


class Word(NamedTuple):
    """What one read gave, and when. No octets: the end, and why."""

    at: float
    octets: bytes
    why: str = ""


class Relay:
    """listener: where clients come, closed at the end. target: the server. latency: seconds on the way, each way."""

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
            except OSError as error:  # nobody there: the client sees a close
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
    """One side's octets, on their way to the other. connection: the scope of both directions."""

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
        """Until the source has said all, or the target takes no more."""
        if latency:
            await self._carry_far(latency)
        else:
            while await self._deliver(await self._read()):
                pass

    async def _carry_far(self, latency: float) -> None:
        """Reading and passing on are two tasks, so that what follows can enter the wire while what went before is still
        under way."""
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
        """Pass it on. Will there be more?"""
        if word.why:  # the source has died: nobody is left to hear the other side
            self._tell_end(word.why)
            self._connection.cancel()
            return False
        try:
            if word.octets:
                await self._send(word.octets)
                return True
            self._target.send_eof()
        except OSError:
            # The target has died. What it said before may still wait to be read: that is the other direction's work,
            # which then finds the end, and tells of it.
            return False
        self._tell_end()
        return False

    async def _send(self, octets: bytes) -> None:
        """All of it, as fast as the target takes it. There is no await between the sending and the telling, in which
        the answer could overtake."""
        while octets:
            if sent := self._target.try_send(octets):
                self._watcher.passed(self._number, self._side, octets[:sent], trio.current_time())
                octets = octets[sent:]
            else:
                await self._target.wait_sendable()

    def _tell_end(self, why: str = "") -> None:
        self._watcher.ended(self._number, self._side, why, trio.current_time())


def words(error: OSError) -> str:
    """What went wrong, as the system says it; without the number.

    >>> words(ConnectionResetError(104, "Connection reset by peer")), words(OSError("no such name"))
    ('connection reset by peer', 'no such name')
    """
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
