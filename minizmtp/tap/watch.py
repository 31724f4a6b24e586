"""Watching: distributes what passes to the capture and to the ears.

                         ┌──► Flow ──► packets ──► the capture         at once
    Relay ──► Tap ───────┤    (one for each connection)
                         └──► queue ──► Ear ──► screen, files          when there is time
                                        (one for each connection)

Annotating octets takes longer than relaying them: for a message of a few octets, twenty microseconds instead of one. So
a separate task annotates them later. It uses at most half of the time, which leaves the rest to the relay. After a
flood, it catches up in a moment. If the flood goes on until BEHIND octets are waiting, the connection is relayed from
then on without annotations, and a message says so.

Other errors end here too: a full disk ends the capture, but not the relay.

Below this module: `relay`, whose Watcher this is; `ear`, `pcap`.
Read next: `__main__`.
"""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, NoReturn, Protocol

import trio

from ..net.endpoints import Endpoint
from ..trace import Side
from .conversation import Conversation
from .ear import COST_OF_CONNECTION, Ear, Shelf, Wishes
from .pcap import Flow, file_header, made_up, records
from .relay import words

# The most octets that may wait to be annotated. Each write counts as OVERHEAD octets more.
BEHIND = 64 << 20
OVERHEAD = 256
# The octets that are annotated in one turn, during which the relay waits.
SLICE = 1 << 16


class BinaryFile(Protocol):
    """The file that a capture is written to."""

    def write(self, data: bytes, /) -> object:
        """All of it."""


class Job(NamedTuple):
    """A task for an ear. size: the number of octets to annotate; 0 for other tasks."""

    ear: Ear
    size: int
    do: Callable[[], None]


class Tap:
    """The watcher of the relay. wishes: the options for annotating. capture: the file for packets. epoch: the time at
    which trio's clock showed 0, in seconds since 1970.

    conversations: those that are kept. failures: error messages.
    """

    def __init__(self, wishes: Wishes, capture: BinaryFile | None = None, epoch: float = 0.0) -> None:
        self.conversations: list[Conversation] = []
        self.connections = 0
        self.failures: list[str] = []
        self._wishes = wishes
        self._shelf = Shelf(wishes)
        self._is_full = False  # no further conversations are kept
        self._unserved = 0  # attempts in a row that found no server; only the first is shown and kept
        self._capture = capture
        self._epoch = epoch
        self._zero: float | None = None  # time of the first connection
        self._ears: dict[int, Ear] = {}
        self._flows: dict[int, Flow] = {}
        self._jobs: deque[Job] = deque()
        self._behind = 0
        self._news = trio.Event()
        if capture:
            capture.write(file_header())

    # ----------------------------------------------------------------------------------------- called by the relay

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        at += self._epoch
        if self._zero is None:
            self._zero = at
        if server is not None:
            self._tell_unserved(at)
        self.connections += 1
        number = self.connections
        conversation = Conversation(number, name_of(client), name_of(server), at)
        wishes, has_room = self._wishes, self._shelf.room >= COST_OF_CONNECTION
        if server is None:
            self._unserved += 1
            wishes = wishes if self._unserved == 1 else Wishes()
        if wishes.keep and has_room:
            self._shelf.room -= COST_OF_CONNECTION
            self.conversations.append(conversation)
        ear = self._ears[number] = Ear(
            conversation, wishes if has_room else wishes._replace(keep=0), self._zero, self.failures, self._shelf
        )
        if wishes.keep and not has_room and not self._is_full:
            self._is_full = True
            ear.fail("connections from here on are not kept: earlier ones take all the memory", at)
        if self._capture:
            flow = Flow(made_up(number, client, server))
            self._write(ear, flow.opening() if server else flow.refusal(), at)
            if server:
                self._flows[number] = flow
        return number

    def _tell_unserved(self, at: float) -> None:
        """Show how many attempts found no server, because only the first of them was shown."""
        if self._unserved > 1 and self._wishes.screen and self._zero is not None:
            text = f"{self._unserved} attempts found no server"
            self._wishes.screen.say(self._wishes.show.line(self.connections, at - self._zero, text))
        self._unserved = 0

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        at += self._epoch
        ear = self._ears[connection]
        ear.said[side] += len(octets)
        if flow := self._flows.get(connection):
            self._write(ear, flow.said(side, octets), at)
        if not ear.listens:
            return
        if self._behind < BEHIND:
            self._later(ear, len(octets), partial(ear.hear, side, octets, at))
        else:
            ear.left_behind = True
            self._later(ear, 0, partial(ear.stop, "too much data at once", at))

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        at += self._epoch
        ear = self._ears[connection]
        if flow := self._flows.get(connection):
            self._write(ear, flow.death(side) if why else flow.end(side), at)
        self._later(ear, 0, partial(ear.end, side, why, at))

    def closed(self, connection: int, at: float) -> None:
        ear = self._ears.pop(connection)
        self._flows.pop(connection, None)
        self._later(ear, 0, partial(ear.close, at + self._epoch))

    def _write(self, ear: Ear, packets: Iterable[bytes], at: float) -> None:
        """Write packets to the capture."""
        if self._capture:
            try:
                self._capture.write(records(packets, at))
            except OSError as error:
                self._capture = None
                ear.fail(f"the capture ends here: {words(error)}", at)

    # ------------------------------------------------------------------------------------------------------ the queue

    def _later(self, ear: Ear, size: int, do: Callable[[], None]) -> None:
        self._jobs.append(Job(ear, size, do))
        self._behind += size + OVERHEAD
        self._news.set()

    async def run(self) -> NoReturn:
        """Annotate, for at most half of the time, until cancelled."""
        while True:
            await self._news.wait()
            began = trio.current_time()
            self.catch_up(SLICE)
            await trio.sleep(trio.current_time() - began)

    def catch_up(self, most: int = 2 * BEHIND) -> None:
        """Annotate up to so many octets."""
        enough = self._behind - most
        while self._jobs and self._behind > enough:
            _, size, do = self._jobs.popleft()
            self._behind -= size + OVERHEAD
            do()
        if not self._jobs and self._news.is_set():
            self._news = trio.Event()

    async def finish(self, patience: float) -> None:
        """Annotate what is left, for at most so many seconds."""
        with trio.move_on_after(patience):
            while self._jobs:
                self.catch_up(SLICE)
                await trio.lowlevel.checkpoint()
        for ear, size, do in self._jobs:
            if size:
                ear.stop("no time left", trio.current_time() + self._epoch)
            else:
                do()
        self._jobs.clear()
        self._tell_unserved(trio.current_time() + self._epoch)


def name_of(endpoint: Endpoint | None) -> str:
    """An endpoint as text; "" if it has no name.

    >>> from minizmtp.net.endpoints import Ipc
    >>> name_of(Ipc("/run/app.sock")), name_of(Ipc("")), name_of(None)
    ('ipc:///run/app.sock', '', '')
    """
    return str(endpoint) if endpoint and any(endpoint) else ""
