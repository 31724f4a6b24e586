"""The recording: a relay that records what passes.

    client ── tcp ──► Relay ── tcp ──► server
                        ▼
       Recording: when, which connection, who, which octets

The relay itself is the tap's (see `minizmtp.tap.relay`). Neither end can detect it, so the recording holds exactly what
the two ends sent. With a latency, it simulates a distant network.

Read next: `ends`.
"""

from typing import NamedTuple

import trio

from ..net.endpoints import Endpoint, Tcp
from ..net.transports import listen
from ..options import Options
from ..tap import relay
from ..trace import Side

LOCALHOST = "127.0.0.1"
ANYWHERE = f"tcp://{LOCALHOST}:*"  # on this machine, at a port that is free


class Chunk(NamedTuple):
    """The octets passed on in one write. at: seconds on trio's clock. connection: its number, from 1 on."""

    at: float
    connection: int
    side: Side
    octets: bytes


class Recording:
    """Everything that passed, in order.

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
        """One side's octets; useful if there is only one connection."""
        return b"".join(chunk.octets for chunk in self.chunks if chunk.side is side)

    @property
    def octets(self) -> int:
        """The number of octets in both directions, over all connections."""
        return sum(len(chunk.octets) for chunk in self.chunks)

    def find(self, words: bytes) -> Chunk:
        """The first chunk that holds words. LookupError if there is none."""
        for chunk in self.chunks:
            if words in chunk.octets:
                return chunk
        raise LookupError(f"{words!r} never passed")

    # ----------------------------------------------------------------------------------------- what the relay tells

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        self.connections += 1
        return self.connections

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        self.chunks.append(Chunk(at, connection, side, octets))

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        pass

    def closed(self, connection: int, at: float) -> None:
        pass


class Relay:
    """target: the port of the server on this machine. latency: seconds, in each direction.

    recording: several relays may write into one.
    """

    def __init__(self, target: int, latency: float = 0.0, recording: Recording | None = None) -> None:
        self.recording = Recording() if recording is None else recording
        self.port = 0  # where clients connect, once it runs
        self._target = Tcp(LOCALHOST, target)
        self._latency = latency

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        listener = listen(Tcp(LOCALHOST, 0), Options())
        assert isinstance(listener.endpoint, Tcp)
        self.port = listener.endpoint.port
        await relay.Relay(listener, self._target, self.recording, self._latency).run(task_status=task_status)
