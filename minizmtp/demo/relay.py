"""The relay: a wire that writes down what passes, and can be made as long as one likes.

                     ┌──────── Relay ────────┐
    client ── tcp ──►│ ─► latency ─────────► │── tcp ──► server
           ◄─────────│ ◄───────── latency ◄─ │◄────────
                     └─────────┬─────────────┘
                               ▼
                  Recording: when, which connection, who, which octets

Neither end knows that it is there: each octet is passed on unchanged and in order, the end of one direction is passed
on as just that (a half-close), and when one end dies the other is told by a close. So whatever is shown of a
conversation is what the two ends really said.

With a latency the relay is a distant network in a drawer. Two ends on one machine answer so fast that nobody could tell
who waited for whom; over twenty milliseconds of wire it is plain.

Read next: `ends`.
"""

import math
from typing import NamedTuple

import trio

from ..trace import Side

LOCALHOST = "127.0.0.1"
ANYWHERE = f"tcp://{LOCALHOST}:*"  # on this machine, at a port that is free
READ_SIZE = 65536


class Chunk(NamedTuple):
    """What one read gave. at: trio's clock, in seconds. connection: 1, 2, … in the order they were opened."""

    at: float
    connection: int
    side: Side
    octets: bytes


class Recording:
    """All that passed, in the order in which it was said.

    >>> recording = Recording()
    >>> recording.chunks += [Chunk(0.0, 1, Side.CLIENT, b"he"), Chunk(0.1, 1, Side.CLIENT, b"llo")]
    >>> recording.said(Side.CLIENT), recording.octets
    (b'hello', 5)
    >>> recording.find(b"ll").at
    0.1
    """

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.connections = 0

    def said(self, side: Side) -> bytes:
        """One side's octets; of use where there is one connection."""
        return b"".join(chunk.octets for chunk in self.chunks if chunk.side is side)

    @property
    def octets(self) -> int:
        """How many octets passed, both ways, over all connections."""
        return sum(len(chunk.octets) for chunk in self.chunks)

    def find(self, words: bytes) -> Chunk:
        """The first chunk that holds words. LookupError if there is none."""
        for chunk in self.chunks:
            if words in chunk.octets:
                return chunk
        raise LookupError(f"{words!r} never passed")


class Relay:
    """target: the port on this machine to pass on to. latency: seconds on the way, each way.

    recording: several relays may write into one.
    """

    def __init__(self, target: int, latency: float = 0.0, recording: Recording | None = None) -> None:
        self.recording = Recording() if recording is None else recording
        self.port = 0  # where clients connect, once it runs
        self._target = target
        self._latency = latency

    async def run(self, *, task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host=LOCALHOST)
        self.port = listeners[0].socket.getsockname()[1]
        await trio.serve_listeners(self._join, listeners, task_status=task_status)

    async def _join(self, client: trio.SocketStream) -> None:
        """One connection, from its first octet to its last."""
        self.recording.connections += 1
        number = self.recording.connections
        try:
            server = await trio.open_tcp_stream(LOCALHOST, self._target)
        except OSError:
            return  # nobody there: the client sees a close
        try:
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(self._carry, number, Side.CLIENT, client, server)
                nursery.start_soon(self._carry, number, Side.SERVER, server, client)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one end died: the nursery is cancelled, both streams are closed, and the other end knows

    async def _carry(self, number: int, side: Side, source: trio.SocketStream, target: trio.SocketStream) -> None:
        """One direction. Reading and passing on are two tasks, so that what follows can enter the wire while what went
        before is still under way."""
        enter, leave = trio.open_memory_channel[tuple[float, bytes]](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, leave, target)
            async with enter:
                while octets := bytes(await source.receive_some(READ_SIZE)):
                    now = trio.current_time()
                    self.recording.chunks.append(Chunk(now, number, side, octets))
                    enter.send_nowait((now + self._latency, octets))
                enter.send_nowait((trio.current_time() + self._latency, b""))

    async def _deliver(self, leave: trio.MemoryReceiveChannel[tuple[float, bytes]], target: trio.SocketStream) -> None:
        async with leave:
            async for due, octets in leave:
                await trio.sleep_until(due)
                if octets:
                    await target.send_all(octets)
                else:
                    await target.send_eof()
