"""The screen: writes text to a terminal or file that may be slower than the text arrives.

    say ──► backlog, at most 1 MiB ──► the file, as fast as it takes it
              └── full: nothing more is added, and later a line tells how much was not shown

A write to a stopped terminal (Ctrl-S), or to a pager that waits for a key, blocks. The relay must not block. So the
screen first waits until the file is writable (wait_writable), and then writes at most PIPE_BUF octets, because pipe(7)
guarantees room for these. It doesn't make the file non-blocking, because that would affect other programs that share
it, such as the shell. A file on a disk is always writable.

Below this module: no module of this package.
Read next: `conversation`.
"""

import os
import select

import trio

BACKLOG = 1 << 20


class Screen:
    """fd: the file. encoding: of the text; a character that the encoding lacks becomes a question mark.

    The reader may close the file early (a pipe into `head`). Then nothing more is shown, and that isn't an error.
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
        """Whether text would be dropped now. If so, don't format it at all, and call `skip`."""
        return self._deserted or len(self._backlog) >= BACKLOG

    def say(self, text: str) -> None:
        """Append text to the backlog; it is dropped if there is no room."""
        if not self.is_full:
            self._backlog += text.encode(self._encoding, "replace")
            self._news.set()

    def skip(self, size: int) -> None:
        """Count octets of a conversation that were not shown because there was no room."""
        self._skipped += size

    def finish(self) -> None:
        """No more text will come: `run` ends once everything is shown."""
        self._finished = True
        self._news.set()

    async def run(self) -> None:
        """Show the text until `finish` was called and everything is shown, or until the reader is gone."""
        try:
            while not self._finished or self._backlog:
                await self._news.wait()
                self._news = trio.Event()
                await self._empty()
                if self._skipped:
                    self.say(f"… {self._skipped:,} octets passed meanwhile and are not shown: too much data at once\n")
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
        """Wait until the file is writable; return how many octets can be written without blocking."""
        if not self._always_takes_all:
            try:
                await trio.lowlevel.wait_writable(self._fd)
            except OSError:  # epoll has no files on a disk (epoll_ctl(2), EPERM), and Windows waits for sockets only
                self._always_takes_all = True
            else:
                return select.PIPE_BUF
        await trio.lowlevel.checkpoint()
        return len(self._backlog)
