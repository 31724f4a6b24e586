r"""The learner's program: how it is started, and what it reads and writes.

    COMMAND KIND ENDPOINT         for example      python mine.py PULL tcp://127.0.0.1:5555

    PULL REP PUB ROUTER           bind to the endpoint
    PUSH REQ SUB DEALER           connect to it
    standard input                a line is a message to send: frames in hex, "-" for an empty one
    standard output               a line is a message that was received, in the same form
    standard error                for people: its end is shown when a check fails

SUB has no messages to send: its lines are subscriptions, 01 and a prefix, and 00 and a prefix to take one back. The
security mechanism is in the environment (see `environment_of`). A program need not end by itself.

    >>> read_line(b"6869 - 00ff\n")
    [b'hi', b'', b'\x00\xff']

Each case starts the program anew, so a case that ends it can't spoil the next one. Read next: `lessons`.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import trio

from ..check.peer import QUIET, NotApplicable, Place, Terms, Unlike, Unreachable, listed
from ..check.program import decoded, encoded
from ..check.target import Options, accept, dial, listen
from ..wire.curve import keypair

BINDS = ("PULL", "REP", "PUB", "ROUTER")
CONNECTS = ("PUSH", "REQ", "SUB", "DEALER")
START = 10.0  # seconds until the program has to be bound or connected
PORTS = range(15_000, 32_000)  # below those that systems give to sockets that connect
LINES = 5  # of standard error that are shown
SECRETS = (b"\x01" * 32, b"\x02" * 32)  # CURVE's secret keys: the program's, and ours


class NotStarted(Exception):
    """The program can't be started, or did not bind or connect in time."""


def environment_of(terms: Terms, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the program is told besides its arguments.

    >>> environment_of(Terms(mechanism=b"PLAIN", username=b"anna", password=b"secret"))["ZMTP_PASSWORD"]
    'secret'
    """
    told = {"ZMTP_MECHANISM": terms.mechanism.decode()}
    if terms.mechanism == b"PLAIN":
        told |= {"ZMTP_USERNAME": terms.username.decode(), "ZMTP_PASSWORD": terms.password.decode()}
    if terms.mechanism == b"CURVE":
        public, secret = keypair(SECRETS[0])
        told |= {"ZMTP_PUBLIC_KEY": public.hex(), "ZMTP_SECRET_KEY": secret.hex()}
        if not terms.serves:
            told |= {"ZMTP_SERVER_KEY": keypair(SECRETS[1])[0].hex()}
    return {**os.environ, **told, **(more or {})}


def read_line(line: bytes) -> list[bytes]:
    """The frames of a line. Raises Unlike if it is something else."""
    try:
        words = line.decode("ascii").split()
        if not words:
            raise ValueError
        return decoded(words)
    except ValueError:
        came = repr(line[:60].decode("latin-1")) if line.strip() else "an empty line"
        raise Unlike("a line of frames in hex on standard output", came) from None


class Learner:
    """One process of the program; a `check.peer.Program`. patience: seconds for a line."""

    def __init__(self, command: Sequence[str], patience: float = 2.0) -> None:
        self._command, self.patience = command, patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._unread = b""
        self._process: trio.Process | None = None

    async def start(self, kind: str, endpoint: str, environment: Mapping[str, str]) -> None:
        """Start it. Raises NotStarted."""
        try:
            self._process = await trio.lowlevel.open_process(
                [*self._command, kind, endpoint],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                start_new_session=sys.platform != "win32",
            )
        except OSError as error:
            raise NotStarted(f"{self._command[0]}: {error.strerror}") from None

    @property
    def is_started(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    async def how_it_ended(self, patience: float = 0.0) -> str:
        """How the process ended, if it does so within this time; "" if it runs."""
        if self._process is None:
            return ""
        with trio.move_on_after(patience):
            await self._process.wait()
        status = self._process.poll()
        if status is None:
            return ""
        return f"it was ended by signal {-status}" if status < 0 else f"it ended with status {status}"

    def last_words(self) -> list[str]:
        """The last lines of its standard error."""
        size = os.fstat(self._errors.fileno()).st_size
        with os.fdopen(os.dup(self._errors.fileno()), "rb") as errors:
            errors.seek(max(0, size - 4096))
            return errors.read().decode("utf-8", "replace").splitlines()[-LINES:]

    async def end(self) -> None:
        """Kill it, and the processes that it started."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
            with trio.CancelScope(shield=True):
                await process.wait()
                for pipe in (process.stdin, process.stdout):
                    assert pipe is not None
                    await trio.aclose_forcefully(pipe)

    def close(self) -> None:
        """Forget its standard error."""
        self._errors.close()

    # ----------------------------------------------------------------------------------- what a case asks of a program

    async def send(self, *frames: bytes) -> None:
        """A line on its standard input."""
        await self.write(encoded(frames).encode() + b"\n", self.patience)

    async def write(self, lines: bytes, patience: float) -> None:
        """Octets on its standard input. Raises Unlike if it does not take them in time."""
        assert self._process is not None
        assert self._process.stdin is not None
        expected = "the program to read a line from its standard input"
        try:
            with trio.fail_after(patience):
                await self._process.stdin.send_all(lines)
        except trio.TooSlowError:
            raise Unlike(expected, f"nothing was read in {patience:g} s") from None
        except trio.BrokenResourceError:
            raise Unlike(expected, "it has closed its standard input") from None

    async def receive(self, patience: float | None = None) -> list[bytes]:
        """The frames of the next line on its standard output."""
        patience = self.patience if patience is None else patience
        assert self._process is not None
        assert self._process.stdout is not None
        expected = "a line on standard output, flushed"
        try:
            with trio.fail_after(patience):
                while b"\n" not in self._unread:
                    octets = await self._process.stdout.receive_some()
                    if not octets:
                        raise Unlike(expected, "the end of standard output")
                    self._unread += octets
        except trio.TooSlowError:
            part = f" but {self._unread[:40]!r} without the end of the line" if self._unread else ""
            raise Unlike(expected, f"nothing{part} in {patience:g} s") from None
        line, _, self._unread = self._unread.partition(b"\n")
        return read_line(line)

    async def has_read(self, patience: float) -> None:
        """Wait until the program has read all lines, or for this time where the system can't tell."""
        assert self._process is not None
        with trio.move_on_after(patience):
            while is_full(self._process.stdin):  # noqa: ASYNC110  the system does not tell when it has
                await trio.sleep(0.01)

    async def nothing(self) -> None:
        """Raises Unlike if a line comes."""
        try:
            frames = await self.receive(QUIET)
        except Unlike as unlike:
            if unlike.came.startswith("nothing in"):
                return
            raise
        raise Unlike("no message on standard output", listed(frames))

    async def subscribe(self, prefix: bytes) -> None:
        """A line for SUB."""
        await self.send(b"\x01" + prefix)

    async def unsubscribe(self, prefix: bytes) -> None:
        """A line for SUB."""
        await self.send(b"\x00" + prefix)


class Mine:
    """The target of one case: the program is started when the case wants its first connection.

    late: seconds between the start of a program that connects and the start of our listener. serves_on: a program that
    binds has to serve another peer after the case. ended: how the process ended, if it did by itself. words: the end of
    its standard error.
    """

    at_once = 1

    def __init__(
        self,
        command: Sequence[str],
        terms: Terms,
        settings: Mapping[str, str] | None = None,
        late: float = 0.0,
        serves_on: bool = False,
    ) -> None:
        self._command, self.terms, self._settings, self._late = command, terms, settings, late
        self._serves_on = serves_on
        self.ended, self.words, self._has_looked = "", list[str](), False

    @asynccontextmanager
    async def place(self, options: Options | None = None) -> AsyncIterator[Place]:
        """One process for a socket that binds; one for each fresh connection of a socket that connects."""
        learners = [Learner(self._command, self.terms.patience)]
        place = self._connects if self.terms.dials else self._binds
        try:
            async with place(learners) as found:
                yield found
        except BaseException:
            if not self._has_looked:
                await self._look(learners)()
            raise
        finally:
            for learner in learners:
                await learner.end()
                learner.close()

    def _look(self, learners: Sequence[Learner]) -> Callable[[], Awaitable[None]]:
        """What looks how the program has ended, before our connections end, because that may end it, too."""

        async def look() -> None:
            # A program that is about to end with an error gets the moment to do so, because that is the reason.
            with trio.CancelScope(shield=True):
                self.ended = await learners[-1].how_it_ended(0.2)
            self.words, self._has_looked = learners[-1].last_words(), True

        return look

    @asynccontextmanager
    async def _binds(self, learners: list[Learner]) -> AsyncIterator[Place]:
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        learner = learners[0]

        async def connect() -> trio.abc.Stream:
            which = "another" if learner.is_started else "a"
            if not learner.is_started:
                await self._start(learner, endpoint)
            return await _in_time(learner, _dialled(endpoint, learner), f"accept {which} connection at {endpoint}")

        yield Place(connect, connect, connect, learner, self._look(learners))
        if self._serves_on:
            stream = await connect()  # which the system may accept for a program that is about to end
            octets = b""
            with trio.move_on_after(self.terms.patience), suppress(trio.BrokenResourceError):
                octets = bytes(await stream.receive_some(1))
            await trio.aclose_forcefully(stream)
            if not octets:
                raise Unlike("the next peer to get a greeting, too", "none")

    @asynccontextmanager
    async def _connects(self, learners: list[Learner]) -> AsyncIterator[Place]:
        async with AsyncExitStack() as stack:
            listeners: list[trio.SocketListener] = []

            async def first(learner: Learner) -> trio.abc.Stream:
                port = free_port() if self._late else 0
                if self._late:
                    await self._start(learner, f"tcp://127.0.0.1:{port}")
                    await trio.sleep(self._late)
                listener, endpoint = await stack.enter_async_context(listen(f"tcp://127.0.0.1:{port}"))
                listeners.append(listener)
                if not learner.is_started:
                    await self._start(learner, endpoint)
                return await _in_time(learner, listener.accept(), f"connect to {endpoint}")

            async def connect() -> trio.abc.Stream:
                if learners[0].is_started:
                    raise NotApplicable("the program makes one connection")
                return await first(learners[0])

            async def afresh() -> trio.abc.Stream:
                learners.append(Learner(self._command, self.terms.patience))
                return await first(learners[-1])

            async def again() -> trio.abc.Stream:
                return await accept(listeners[-1], self.terms.patience)

            yield Place(connect, afresh, again, learners[0], self._look(learners))

    async def _start(self, learner: Learner, endpoint: str) -> None:
        await learner.start(self.terms.kind, endpoint, environment_of(self.terms, self._settings))

    async def gone(self) -> str:
        """The next case has a process of its own, so nothing can be gone."""
        return ""


async def _dialled(endpoint: str, learner: Learner) -> trio.abc.Stream:
    """A connection, as soon as the program is bound."""
    while True:
        try:
            return await dial(endpoint, START)
        except Unreachable:
            if await learner.how_it_ended():
                raise
            await trio.sleep(0.02)


async def _in_time(learner: Learner, connection: Awaitable[trio.abc.Stream], does: str) -> trio.abc.Stream:
    """The connection. Raises NotStarted."""
    streams: list[trio.abc.Stream] = []

    async def wait() -> None:
        with suppress(Unreachable):
            streams.append(await connection)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await learner.how_it_ended(START)
        if not streams:
            await trio.sleep(0.05)  # it may have connected and ended at once
        nursery.cancel_scope.cancel()
    if streams:
        return streams[0]
    ended = await learner.how_it_ended()
    how = f": {ended}" if ended else f" within {START:g} s"
    raise NotStarted("\n    ".join([f"it did not {does}{how}", *learner.last_words()]))


def is_full(pipe: object) -> bool:
    """Whether a pipe that we write into holds octets that were not read yet; True where the system can't tell."""
    try:
        import fcntl
        import termios
    except ImportError:  # Windows
        return True
    assert isinstance(pipe, trio.lowlevel.FdStream)
    count = fcntl.ioctl(pipe.fileno(), termios.FIONREAD, bytes(4))
    return any(count)


def free_port() -> int:
    """A port that nothing is bound to."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
