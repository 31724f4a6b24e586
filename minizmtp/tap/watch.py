"""Watching: who hears what passes, and when.

                         ┌──► Flow ──► packets ──► the capture         at once
    Relay ──► Tap ───────┤    (one for each connection)
                         └──► queue ──► Ear ──► screen, files          when there is time
                                        (one for each connection)

To name every octet takes longer than to pass it on: a message of a few octets is relayed in a microsecond, and named in
twenty. So the names are given later, by a task of its own that takes no more than half of the time, and the relay has
the rest. A flood that ends is all named a moment after. One that does not end, until BEHIND octets wait, is relayed
from there on and no more named; which is said.

What else could go wrong here ends here, too: a disk that is full ends the capture, and the relay hears nothing of it.

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

# How many octets may wait for their names. What each write costs beside its octets counts as OVERHEAD of them.
BEHIND = 64 << 20
OVERHEAD = 256
# How many are named in one go: while that takes, the relay stands still.
SLICE = 1 << 16


class BinaryFile(Protocol):
    """What a capture is written to."""

    def write(self, data: bytes, /) -> object:
        """All of it."""


class Job(NamedTuple):
    """Something that an ear has to do later. size: of the octets that it has to hear; 0 if it is something else."""

    ear: Ear
    size: int
    do: Callable[[], None]


class Tap:
    """Who watches the relay. wishes: what is to become of what is heard. capture: where packets go. epoch: when trio's
    clock showed 0, in seconds since 1970.

    conversations: what is kept. failures: what went wrong.
    """

    def __init__(self, wishes: Wishes, capture: BinaryFile | None = None, epoch: float = 0.0) -> None:
        self.conversations: list[Conversation] = []
        self.connections = 0
        self.failures: list[str] = []
        self._wishes = wishes
        self._shelf = Shelf(wishes)
        self._is_full = False  # no further conversation is kept
        self._capture = capture
        self._epoch = epoch
        self._zero: float | None = None  # when the first connection came
        self._ears: dict[int, Ear] = {}
        self._flows: dict[int, Flow] = {}
        self._jobs: deque[Job] = deque()
        self._behind = 0
        self._news = trio.Event()
        if capture:
            capture.write(file_header())

    # ------------------------------------------------------------------------------------------- what the relay says

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        at += self._epoch
        if self._zero is None:
            self._zero = at
        self.connections += 1
        number = self.connections
        conversation = Conversation(number, name_of(client), name_of(server), at)
        wishes, has_room = self._wishes, self._shelf.room >= COST_OF_CONNECTION
        if wishes.keep and has_room:
            self._shelf.room -= COST_OF_CONNECTION
            self.conversations.append(conversation)
        ear = self._ears[number] = Ear(
            conversation, wishes if has_room else wishes._replace(keep=0), self._zero, self.failures, self._shelf
        )
        if wishes.keep and not has_room and not self._is_full:
            self._is_full = True
            ear.fail("from here on no connection is kept: those before take all the room", at)
        if self._capture:
            flow = Flow(made_up(number, client, server))
            self._write(ear, flow.opening() if server else flow.refusal(), at)
            if server:
                self._flows[number] = flow
        return number

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
            self._later(ear, 0, partial(ear.stop, "too much at a time", at))

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
        """Packets into the capture."""
        if self._capture:
            try:
                self._capture.write(records(packets, at))
            except OSError as error:
                self._capture = None
                ear.fail(f"nothing more goes into the capture: {words(error)}", at)

    # ------------------------------------------------------------------------------------------------------ the queue

    def _later(self, ear: Ear, size: int, do: Callable[[], None]) -> None:
        self._jobs.append(Job(ear, size, do))
        self._behind += size + OVERHEAD
        self._news.set()

    async def run(self) -> NoReturn:
        """Give names, for no more than half of the time, until cancelled."""
        while True:
            await self._news.wait()
            began = trio.current_time()
            self.catch_up(SLICE)
            await trio.sleep(trio.current_time() - began)

    def catch_up(self, most: int = 2 * BEHIND) -> None:
        """Give names, to so many octets."""
        enough = self._behind - most
        while self._jobs and self._behind > enough:
            _, size, do = self._jobs.popleft()
            self._behind -= size + OVERHEAD
            do()
        if not self._jobs and self._news.is_set():
            self._news = trio.Event()

    async def finish(self, patience: float) -> None:
        """The last names, as far as they can be given in so many seconds."""
        with trio.move_on_after(patience):
            while self._jobs:
                self.catch_up(SLICE)
                await trio.lowlevel.checkpoint()
        for ear, size, do in self._jobs:
            if size:
                ear.stop("no time is left", trio.current_time() + self._epoch)
            else:
                do()
        self._jobs.clear()


def name_of(endpoint: Endpoint | None) -> str:
    """An endpoint as text, "" for one that has no name.

    >>> from minizmtp.net.endpoints import Ipc
    >>> name_of(Ipc("/run/app.sock")), name_of(Ipc("")), name_of(None)
    ('ipc:///run/app.sock', '', '')
    """
    return str(endpoint) if endpoint and any(endpoint) else ""
