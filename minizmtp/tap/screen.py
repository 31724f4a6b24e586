"""The screen: a file for people to read, which may be slower than what is to be shown.

    say ──► backlog, at most 1 MiB ──► the file, as fast as it takes it
              └── full: nothing more is added, and later a line tells how much was not shown

A terminal that is stopped (Ctrl-S), and a pager that waits for its reader, take nothing: whoever writes to them waits.
The relay must not. So nothing is ever written that could block: the system is asked whether the file has room
(wait_writable), and is given no more than PIPE_BUF octets, for which there is room then (pipe(7)). To make the file
itself non-blocking would do so for all who share it, such as the shell. A file on a disk has no such question, and
always takes all.

Below this module: nothing of ours.
Read next: `conversation`.
"""

import os
import select

import trio

BACKLOG = 1 << 20


class Screen:
    """fd: the file. encoding: what it is written in; a letter that it does not have becomes a question mark.

    Whoever reads may leave in the middle (a pipe into `head`). Then nothing more is shown, and that is all.
    """

    def __init__(self, fd: int, encoding: str = "utf-8") -> None:
        self._fd = fd
        self._encoding = encoding
        self._backlog = bytearray()
        self._skipped = 0
        self._finished = False
        self._news = trio.Event()
        self._deserted = False
        self._always_takes_all = False

    @property
    def is_full(self) -> bool:
        """Would what is said now be dropped? Then it need not be made up at all; see `skip`."""
        return self._deserted or len(self._backlog) >= BACKLOG

    def say(self, text: str) -> None:
        """To be shown, in its turn; dropped if there is no room."""
        if not self.is_full:
            self._backlog += text.encode(self._encoding, "replace")
            self._news.set()

    def skip(self, size: int) -> None:
        """So many octets of a conversation were not shown, as there was no room."""
        self._skipped += size

    def finish(self) -> None:
        """Nothing more will be said: `run` ends when all is shown."""
        self._finished = True
        self._news.set()

    async def run(self) -> None:
        """Show what is said, until it is finished or nobody reads any more."""
        try:
            while not self._finished or self._backlog:
                await self._news.wait()
                self._news = trio.Event()
                await self._empty()
                if self._skipped:
                    self.say(f"… {self._skipped:,} octets passed meanwhile that are not shown: too many at a time\n")
                    self._skipped = 0
        except OSError:  # a broken pipe, a terminal that is gone
            self._deserted = True
            self._backlog.clear()

    async def _empty(self) -> None:
        while self._backlog:
            size = await self._room()
            written = os.write(self._fd, self._backlog[:size])
            del self._backlog[:written]

    async def _room(self) -> int:
        """How many octets can be written without waiting."""
        if not self._always_takes_all:
            try:
                await trio.lowlevel.wait_writable(self._fd)
            except PermissionError:  # epoll_ctl(2): this file is of a kind that one cannot wait for
                self._always_takes_all = True
            else:
                return select.PIPE_BUF
        await trio.lowlevel.checkpoint()
        return len(self._backlog)
