"""A libzmq socket with the interface of a Peer: the parent's side of `libzmq_process`."""

import math
import os
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, Any

import trio

from interop_tests.packets import Header, PacketReader, pack
from interop_tests.world import Event, EventLog, Peer, Refused, Side

REPOSITORY = Path(__file__).parent.parent


class ProcessEnded(Exception):
    """The libzmq process ended without a request to do so: it crashed."""


class Spares:
    """Processes that wait for a test: started in advance, or given back by a test that left nothing in them."""

    def __init__(self) -> None:
        self._started: deque[subprocess.Popen[bytes]] = deque()

    def take(self) -> subprocess.Popen[bytes]:
        while len(self._started) < 3:
            command = [sys.executable, "-m", "interop_tests.libzmq_process"]
            # Without TMPDIR, libzmq would create the sockets of `ipc://*` in the current directory.
            environment = {**os.environ, "TMPDIR": tempfile.gettempdir()}
            self._started.append(
                subprocess.Popen(
                    command,
                    cwd=REPOSITORY,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                )
            )
        return self._started.popleft()

    def give_back(self, process: subprocess.Popen[bytes]) -> None:
        self._started.appendleft(process)

    def close(self) -> None:
        while self._started:
            with self._started.popleft() as process:
                process.kill()


spares = Spares()


class LibzmqProcess:
    """One running libzmq process: it takes requests, and returns replies and events."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._process = spares.take()
        self._questions = 0
        self._answers: dict[int, trio.MemorySendChannel[tuple[Header, list[bytes]]]] = {}
        self._outgoing, self._to_write = trio.open_memory_channel[bytes](math.inf)
        self._killed = False
        self._is_clean = False
        self._scope = trio.CancelScope()
        self.logs: dict[str, EventLog] = {}
        nursery.start_soon(self._run)

    async def ask(self, call: str, frames: list[bytes] | None = None, **arguments: Any) -> tuple[Any, list[bytes]]:
        """Send a request; return (value, frames) of its reply."""
        self._questions += 1
        question = self._questions
        answer_to, answer_from = trio.open_memory_channel[tuple[Header, list[bytes]]](1)
        self._answers[question] = answer_to
        # Use a channel instead of writing to the pipe, because then the requests keep the order of these calls, and a
        # task that is cancelled here leaves no half packet in the pipe.
        self._outgoing.send_nowait(pack({"id": question, "call": call, **arguments}, frames or []))
        try:
            header, body = await answer_from.receive()
        except trio.EndOfChannel:
            raise ProcessEnded(f"the libzmq process has ended before it answered {call}") from None
        except trio.Cancelled:
            self._outgoing.send_nowait(pack({"id": 0, "call": "cancel", "cancelled": question}))
            raise
        finally:
            self._answers.pop(question, None)
        if "errno" in header:
            raise Refused(header["errno"], header["words"])
        return header["value"], body

    def kill(self) -> None:
        self._killed = True
        with self._process:  # closes the pipes, and waits, which after SIGKILL is no time
            self._process.kill()

    async def retire(self) -> None:
        """Close all that the test has left in the process, so that the next test can use it; or kill it."""
        with trio.move_on_after(1):
            self._is_clean, _ = await self.ask("reset")
        self._scope.cancel()

    async def _run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._read()
                    nursery.cancel_scope.cancel()
        finally:
            if self._is_clean:
                spares.give_back(self._process)
            else:
                self.kill()  # even if the test has failed

    async def _write(self) -> None:
        async with trio_stream(self._process.stdin) as stdin:
            async for data in self._to_write:
                try:
                    await stdin.send_all(data)
                except trio.BrokenResourceError:
                    return  # the reader notices it as well, and ends the open requests

    async def _read(self) -> None:
        packets = PacketReader()
        async with trio_stream(self._process.stdout) as stdout:
            while data := await stdout.receive_some(1 << 20):
                packets.feed(data)
                for header, frames in packets:
                    self._handle(header, frames)
        for answer in self._answers.values():
            answer.close()
        if not self._killed:
            raise ProcessEnded(f"the libzmq process has ended by itself, exit code {self._process.wait()}")

    def _handle(self, header: Header, frames: list[bytes]) -> None:
        if "event" in header:
            if log := self.logs.get(header["socket"]):
                log.add(Event(header["event"], header["endpoint"], header["value"]))
        elif answer := self._answers.get(header["id"]):
            answer.send_nowait((header, frames))


def trio_stream(pipe: IO[bytes] | None) -> trio.lowlevel.FdStream:
    """The pipe as a trio stream. It gets a copy of the file descriptor, because it closes the one it is given."""
    assert pipe is not None
    return trio.lowlevel.FdStream(os.dup(pipe.fileno()))


def as_text(value: int | bytes) -> int | str:
    """An option's value for JSON: octets become text, one character (latin-1) each."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


class LibzmqPeer(Peer):
    def __init__(self, name: str, process: LibzmqProcess) -> None:
        super().__init__(name)
        self._process = process
        process.logs[name] = self.events

    async def _bind(self, endpoint: str) -> str:
        value, _ = await self._process.ask("bind", socket=self.name, endpoint=endpoint)
        assert isinstance(value, str)
        return value

    async def _command(self, call: str, argument: str | bytes) -> None:
        if isinstance(argument, bytes):
            await self._process.ask(call, [argument], socket=self.name)
        else:
            await self._process.ask(call, socket=self.name, endpoint=argument)

    async def _set(self, option: str, value: int | bytes) -> None:
        await self._process.ask("set", socket=self.name, option=option, value=as_text(value))

    async def _send(self, frames: list[bytes], *, wait: bool) -> None:
        await self._process.ask("send", frames, socket=self.name, wait=wait)

    async def _receive(self, *, wait: bool) -> list[bytes]:
        _, frames = await self._process.ask("receive", socket=self.name, wait=wait)
        return frames

    async def _close(self, linger: int | None) -> None:
        await self._process.ask("close", socket=self.name, linger=linger)


class LibzmqSide(Side):
    """Sockets in one child process, which starts when the first socket is made."""

    kind = "libzmq"

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(nursery)
        self._process: LibzmqProcess | None = None

    async def guard(self, passwords: dict[str, str], certificates: str) -> None:
        self._process = self._process or LibzmqProcess(self._nursery)
        await self._process.ask("guard", passwords=passwords, certificates=certificates)

    async def socket(self, socket_type: str, **options: Any) -> Peer:
        if self._process is None:
            self._process = LibzmqProcess(self._nursery)
        peer = LibzmqPeer(self.new_name(socket_type), self._process)
        values = {option: as_text(value) for option, value in options.items()}
        with peer.bounded("a new socket"):
            await self._process.ask("socket", socket=peer.name, socket_type=socket_type, options=values)
        return peer

    async def crash(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    async def retire(self) -> None:
        if self._process is not None:
            await self._process.retire()
            self._process = None

    async def term(self) -> None:
        if self._process is not None:
            await self._process.ask("term")
