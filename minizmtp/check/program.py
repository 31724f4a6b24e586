r"""Drivers: programs that use the stack under test and do what their standard input says.

A driver is a small program in any language. It reads a line, does it, and answers with one line:

    name                             ok libzmq 4.3.5
    socket ROUTER routing_id=7372    ok 1                      a new socket with options; the answer names it
    bind 1 tcp://127.0.0.1:0         ok tcp://127.0.0.1:41007  the endpoint to connect to
    connect 1 tcp://127.0.0.1:5555   ok
    send 1 6964 - 6869               ok                        one message: frames in hex, "-" for an empty one
    recv 1 50                        ok 6964 - 6869            the next message, or "none" after 50 ms
    subscribe 1 6e657773             ok
    unsubscribe 1 6e657773           ok
    flood 1 10000 64                 ok                        messages of 64 octets: 0, 1, 2, … in 4 octets, and zeros
    drain 1 10000 64 5000            ok 10000                  how many of them came, in order and whole, until 5000 ms
    close 1                          ok                        unsent messages are dropped

A line that the stack has no means for is answered "no" and a reason, and one that fails "error" and a reason; then the
case or the scenario is left out, or has failed. The end of standard input ends the driver. What it writes to standard
error is for people.

    option            value, in hex unless it is a number
    routing_id        the socket's name
    heartbeat_ivl     milliseconds
    plain_server      name:password that are let in
    plain_client      name:password
    curve_server      the secret key of the server
    curve_client      public key:secret key:the server's public key

    >>> decoded("6964 - 6869".split()), encoded([b"id", b"", b"hi"])
    ([b'id', b'', b'hi'], '6964 - 6869')

`driver` is one, for our own sockets. Read next: `case`.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence

import trio

from .peer import NotApplicable, Unlike, listed

END = 0.1  # seconds that a process has to end when its connections have ended
STARTS = 25.0  # seconds more that a process has for its first answer: some load a virtual machine first
POLL = 50  # milliseconds that a driver may wait for a message, because it reads no other line meanwhile


class DriverError(Exception):
    """A driver answered "error"."""


class DriverEnded(Exception):
    """The driver's process has ended, or does not answer any more."""


def encoded(frames: Sequence[bytes]) -> str:
    """Frames as words of a line."""
    return " ".join(frame.hex() or "-" for frame in frames)


def decoded(words: Sequence[str]) -> list[bytes]:
    """The frames of such words."""
    return [b"" if word == "-" else bytes.fromhex(word) for word in words]


def words_of(command: str) -> list[str]:
    r"""A command line as a shell takes it apart, except that \ is a letter of a path on Windows."""
    words = shlex.shlex(command, posix=True)
    words.whitespace_split, words.commenters = True, ""
    if sys.platform == "win32":
        words.escape = ""
    return list(words)


class Driver:
    """A driver's process. command: a command line. patience: seconds for an answer. quiet: drop its standard error."""

    def __init__(self, command: str, patience: float = 5.0, *, quiet: bool = False) -> None:
        self.command, self._patience = command, patience
        self._stderr = subprocess.DEVNULL if quiet else None
        self._process: trio.Process | None = None
        self._unread = b""
        self._turn = trio.Lock()
        self.name = ""

    async def start(self, nursery: trio.Nursery) -> None:
        """Start the process, and learn the name of its stack."""
        words = words_of(self.command)
        try:
            self._process = await trio.lowlevel.open_process(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
            )
        except OSError as error:
            raise DriverEnded(f"{words[0]}: {error.strerror}") from None
        self._unread = b""
        nursery.start_soon(self._watch, self._process)
        self.name = await self.ask("name", STARTS)

    async def _watch(self, process: trio.Process) -> None:
        """Kill the process at the end of the nursery."""
        try:
            await process.wait()
        finally:
            process.kill()
            assert process.stdin is not None
            assert process.stdout is not None
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdin.aclose()
                await process.stdout.aclose()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the process without a word."""
        if self._process is not None:
            self._process.kill()

    async def ask(self, line: str, patience: float | None = None) -> str:
        """Send a line, and return the answer without its "ok". Raises NotApplicable, DriverError, DriverEnded."""
        async with self._turn:
            process = self._process
            if process is None or process.stdin is None:
                raise DriverEnded("the driver is not running")
            try:
                with trio.CancelScope(shield=True), trio.fail_after((patience or 0) + self._patience):
                    await process.stdin.send_all(line.encode() + b"\n")
                    answer = await self._line(process)
            except trio.TooSlowError:
                process.kill()
                raise DriverEnded(f"no answer to {line.split()[0]} in {self._patience:g} s: it hangs") from None
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise DriverEnded(await self.how_it_ended() or "it closed its output") from None
        word, _, rest = answer.partition(" ")
        if word == "no":
            raise NotApplicable(f"the driver cannot do this: {rest}")
        if word == "none":
            raise LookupError
        if word != "ok":
            raise DriverError(f"{line.split()[0]}: {rest or answer}")
        return rest

    async def _line(self, process: trio.Process) -> str:
        assert process.stdout is not None
        while b"\n" not in self._unread:
            octets = await process.stdout.receive_some()
            if not octets:
                raise trio.BrokenResourceError
            self._unread += octets
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode("latin-1").strip()

    async def how_it_ended(self) -> str:
        """How the process ended; "" if it has not."""
        assert self._process is not None
        with trio.move_on_after(END):
            await self._process.wait()
        status = self._process.returncode
        if status is None:
            return ""
        return f"its process was ended by signal {-status}" if status < 0 else f"its process ended with status {status}"

    async def socket(self, kind: str, **options: str | int) -> "DriverSocket":
        """A new socket."""
        words = [f"{name}={value}" for name, value in options.items()]
        return DriverSocket(self, await self.ask(" ".join(["socket", kind, *words])))


class DriverSocket:
    """One socket of a driver; a `peer.Program`. patience: seconds for a message."""

    def __init__(self, driver: Driver, number: str, patience: float = 2.0) -> None:
        self.driver, self._number, self.patience = driver, number, patience

    async def ask(self, word: str, *more: str | int, patience: float | None = None) -> str:
        """Send a line about this socket."""
        return await self.driver.ask(" ".join([word, self._number, *map(str, more)]), patience)

    async def bind(self, endpoint: str) -> str:
        """Bind; returns the endpoint to connect to."""
        answer = await self.ask("bind", endpoint)
        if "://" not in answer:
            raise DriverError(f'bind: the driver answered "ok {answer}", expected ok and the endpoint to connect to')
        return answer

    async def connect(self, endpoint: str) -> None:
        """Connect."""
        await self.ask("connect", endpoint)

    async def close(self) -> None:
        """Close the socket."""
        await self.ask("close")

    async def send(self, *frames: bytes) -> None:
        """Send a message."""
        try:
            await self.ask("send", encoded(frames))
        except LookupError:
            raise Unlike("the program to send a message", "its socket took none") from None

    async def receive(self, patience: float | None = None) -> list[bytes]:
        """The next message that the program received."""
        patience = self.patience if patience is None else patience
        deadline = trio.current_time() + patience
        while True:
            try:
                return decoded((await self.ask("recv", POLL)).split())
            except LookupError:
                if trio.current_time() > deadline:
                    raise Unlike("a message for the program", f"none in {patience:g} s") from None
                await trio.lowlevel.checkpoint()

    async def nothing(self) -> None:
        """Raises Unlike if the program has received a message."""
        try:
            frames = decoded((await self.ask("recv", POLL)).split())
        except LookupError:
            return
        raise Unlike("no message for the program", listed(frames))

    async def subscribe(self, prefix: bytes) -> None:
        """Subscribe to a prefix."""
        await self.ask("subscribe", encoded([prefix]))

    async def unsubscribe(self, prefix: bytes) -> None:
        """Take a subscription back."""
        await self.ask("unsubscribe", encoded([prefix]))
