r"""The peer that a check plays: one connection, written and read by hand.

It sends exactly the octets that a case gives it and keeps all that passes, for the report. What a case expects is a
call; `Unlike` is raised if something else comes, and says what was expected and what came:

    await peer.handshake()              both greetings and the mechanism's commands, as a careful peer sends them
    await peer.send(octets)             any octets
    await peer.frame()                  the next frame of the other side
    await peer.message(b"", b"hi")      the next message has these frames
    await peer.closes()                 the other side closes the connection
    await peer.goes_on()                the other side reads on, and answers a PING

Every wait is bounded by the patience of the `Terms`, so a peer that hangs is a result like any other. "Nothing came" is
shown by what comes next wherever that is possible, because silence takes time and proves little.

    >>> str(Unlike("a PONG", "nothing in 2 s"))
    'expected a PONG; came: nothing in 2 s'

Below this module: `octets`, `boxes`. Read next: `web`.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, Protocol, TypeVar

import trio

from ..errors import ProtocolError, printable
from ..wire.commands import decode_command
from ..wire.frames import COMMAND, LONG, MORE
from ..wire.greeting import GREETING_SIZE
from ..wire.metadata import decode_metadata
from . import boxes
from . import octets as o

# Anything but a whole greeting is answered at once, so a peer that is still quiet after this time waits for something.
QUIET = 0.3
PONG = b"\x04PONG" + o.CHECK

# What is expected most often.
CLOSED, GOES_ON = "the connection to be closed", "the connection to go on"

T = TypeVar("T")


class Unlike(Exception):
    """Something other than expected came."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; came: {came}")
        self.expected, self.came = expected, came


class Departure(Exception):
    """libzmq does otherwise, too, and this is its way. what: in words, for the report."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class NotApplicable(Exception):
    """The case turned out to have nothing to look at. why: for the report."""


class Unreachable(Exception):
    """There is no connection to the other side."""


class Ended(Exception):
    """The other side closed the connection while a frame was awaited."""


class Program(Protocol):
    """The program behind the socket under test, which does as it is told (see `program`). Octets are whole frames."""

    async def send(self, *frames: bytes) -> None:
        """Send a message."""

    async def receive(self, patience: float | None = None) -> list[bytes]:
        """The next message that the program received. Raises Unlike if none comes in time."""

    async def nothing(self) -> None:
        """Raises Unlike if the program has received a message."""

    async def subscribe(self, prefix: bytes) -> None:
        """Subscribe to a prefix (SUB)."""

    async def unsubscribe(self, prefix: bytes) -> None:
        """Take a subscription back (SUB)."""


@dataclass
class Terms:
    """What is known about the other side, and how to meet it.

    kind: its socket type. mechanism: from its greeting. minor: its minor version. dials: whether it opens connections.
    serves: whether it is the server of PLAIN or CURVE. username, password: for PLAIN. curve: for CURVE.
    patience: how long something expected may take, in seconds. path: what to ask for over WebSocket; "" over tcp and
    ipc. beats: whether it sends heartbeats, every second or more often.
    """

    kind: str = ""
    mechanism: bytes = b"NULL"
    minor: int = 1
    dials: bool = False
    serves: bool = True
    username: bytes = b""
    password: bytes = b""
    curve: boxes.Keys | None = None
    patience: float = 2.0
    path: str = ""
    beats: bool = False

    @property
    def answers_ping(self) -> bool:
        """Whether a PING can be used to ask if it reads on. A WebSocket has its own."""
        return self.minor > 0 or bool(self.path)

    @property
    def partner(self) -> str:
        """The type that we play."""
        return o.partner(self.kind)


class Write(NamedTuple):
    """What passed at once. at: seconds since the case began. connection: 0, 1, … in one case."""

    connection: int
    ours: bool
    octets: bytes
    at: float


@dataclass
class Record:
    """All that passed in one case. keys: by connection, what CURVE's boxes open with; see `trace.curve.Keys`."""

    began: float = field(default_factory=trio.current_time)
    writes: list[Write] = field(default_factory=list)
    closed: list[tuple[int, float]] = field(default_factory=list)  # by the other side
    connections: int = 0
    keys: dict[int, dict[str, bytes]] = field(default_factory=dict)


Connect = Callable[[], Awaitable[trio.abc.Stream]]


class Place(NamedTuple):
    """How a case gets its connections.

    connect: to the socket of this case. afresh: to any socket that is made like it. again: the next that the socket
    makes by itself, if it is one that connects. program: what makes the socket's program act, if it can be told to.
    failed: called when the case has failed, before its connections end.
    """

    connect: Connect
    afresh: Connect
    again: Connect
    program: Program | None = None
    failed: Callable[[], Awaitable[object]] | None = None


class Frame(NamedTuple):
    """A frame as it came. flags: without LONG. octets: with the header."""

    flags: int
    body: bytes
    octets: bytes

    @property
    def is_command(self) -> bool:
        return bool(self.flags & COMMAND)

    def command(self) -> tuple[bytes, bytes]:
        """Name and data. Raises Unlike if it is not a command."""
        if not self.is_command:
            raise Unlike("a command", f"a message frame {shown(self.octets)}")
        try:
            return decode_command(self.body)
        except ProtocolError as wrong:
            raise Unlike("a command with a name", str(wrong)) from None


class Peer:
    """One connection to the other side."""

    def __init__(self, stream: trio.abc.Stream, terms: Terms, record: Record, place: Place) -> None:
        self.terms, self.record = terms, record
        self._stream, self._place = stream, place
        self._number = record.connections
        record.connections += 1
        self._unread = bytearray()
        self._taken = bytearray()  # of the frame that is being read
        self._ended = False
        self.theirs: dict[bytes, bytes] = {}  # the other side's metadata
        self.opened: list[Peer] = [self]
        self.box: boxes.Side | None = None  # once CURVE's handshake is done

    @property
    def program(self) -> Program:
        """The program behind the socket under test."""
        if self._place.program is None:
            raise NotApplicable("the program behind the socket has to act; a driver can tell it to")
        return self._place.program

    async def another(self) -> "Peer":
        """A second connection to the same socket."""
        return await self._more(self._place.connect)

    async def afresh(self) -> "Peer":
        """A connection to the same socket, or to another one that is made like it."""
        return await self._more(self._place.afresh)

    async def again(self) -> "Peer":
        """The connection that the other side makes after this one."""
        return await self._more(self._place.again)

    async def _more(self, connect: Connect) -> "Peer":
        peer = type(self)(await connect(), self.terms, self.record, self._place)
        peer.opened = self.opened
        self.opened.append(peer)
        return peer

    # -------------------------------------------------------------------------------------------------------- octets

    async def send(self, *pieces: bytes) -> None:
        """Send octets, each piece in a write of its own. That the other side has gone shows when we read."""
        for octets in pieces:
            self._note(True, octets)
            with trio.move_on_after(self.terms.patience):
                try:
                    await self._stream.send_all(octets)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return

    async def close(self) -> None:
        """End the connection from our side."""
        await trio.aclose_forcefully(self._stream)

    async def leave(self) -> None:
        """End it, and wait until the other side has noticed and ended it too."""
        if isinstance(self._stream, trio.SocketStream):
            try:
                await self._stream.send_eof()
                await self._drain()
            except trio.BrokenResourceError:
                pass
            except trio.ClosedResourceError:
                return
        await self.close()

    async def _drain(self) -> None:
        with trio.move_on_after(QUIET):
            while await self._stream.receive_some():
                pass

    async def read(self, count: int, patience: float | None = None) -> bytes:
        """The next octets, count of them. Raises Ended, or trio.TooSlowError."""
        with trio.fail_after(self.terms.patience if patience is None else patience):
            while len(self._unread) < count:
                await self._receive()
        octets = bytes(self._unread[:count])
        del self._unread[:count]
        self._taken += octets
        return octets

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What was read inside is put back if the rest of it does not come in time."""
        self._taken.clear()
        try:
            yield
        except trio.TooSlowError:
            self._unread[:0] = self._taken
            raise

    async def read_all(self, patience: float) -> bytes:
        """All octets that come until the end of the connection or of the patience."""
        with trio.move_on_after(patience):
            try:
                while True:
                    await self._receive()
            except Ended:
                pass
        octets = bytes(self._unread)
        self._unread.clear()
        return octets

    @property
    def ended(self) -> bool:
        """Whether the other side has closed the connection, as far as we have read."""
        return self._ended

    async def _receive(self) -> None:
        if self._ended:
            raise Ended
        try:
            octets = bytes(await self._stream.receive_some(65536))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            octets = b""
        if not octets:
            self.end()
        self._note(False, octets)
        self._unread += octets

    def end(self) -> NoReturn:
        """Note that the other side has ended the connection. Raises Ended."""
        self._ended = True
        self.record.closed.append((self._number, trio.current_time() - self.record.began))
        raise Ended

    def _note(self, ours: bool, octets: bytes) -> None:
        at = trio.current_time() - self.record.began
        self.record.writes.append(Write(self._number, ours, octets, at))

    # -------------------------------------------------------------------------------------------------------- frames

    async def any_frame(self, patience: float | None = None) -> Frame:
        """The next frame, whatever it is. Raises Ended, or trio.TooSlowError."""
        with self.whole():
            flags = await self.read(1, patience)
            size = await self.read(8 if flags[0] & LONG else 1, patience)
            body = await self.read(int.from_bytes(size, "big"), patience)
        octets = flags + size + body
        if self.box is None:
            return Frame(flags[0] & ~LONG, body, octets)
        try:
            return Frame(*self.box.open(body), octets)
        except ProtocolError as wrong:
            raise Unlike("a MESSAGE", str(wrong)) from None

    async def frame(self, expected: str = "a frame", patience: float | None = None) -> Frame:
        """The next frame that is no heartbeat; PING is answered. expected: the words for the report."""
        try:
            while True:
                frame = await self.any_frame(patience)
                if frame.is_command and frame.body.startswith(b"\x04PING"):
                    await self.send(o.pong(frame.body[7:]))
                elif not (frame.is_command and frame.body.startswith(b"\x04PONG")):
                    return frame
        except Ended:
            raise Unlike(expected, "the connection was closed") from None
        except trio.TooSlowError:
            raise Unlike(expected, self._nothing()) from None

    async def command(self, name: bytes) -> bytes:
        """The next frame is this command; returns its data."""
        expected = f"the command {printable(name)}"
        frame = await self.frame(expected)
        if not frame.is_command or frame.command()[0] != name:
            raise Unlike(expected, named(frame))
        return frame.command()[1]

    async def any_message(self, expected: str = "a message") -> list[bytes]:
        """The next message; commands are passed over."""
        frames = []
        while True:
            frame = await self.frame(expected)
            if not frame.is_command:
                frames.append(frame.body)
                if not frame.flags & MORE:
                    return frames

    async def message(self, *frames: bytes) -> None:
        """The next message has these frames."""
        expected = f"the message {listed(frames)}"
        found = await self.any_message(expected)
        if found != list(frames):
            raise Unlike(expected, listed(found))

    def _nothing(self) -> str:
        part = f" but {shown(bytes(self._unread))}" if self._unread else ""
        return f"nothing{part} in {self.terms.patience:g} s"

    # ----------------------------------------------------------------------------------------------------- handshake

    async def greet(self, greeting: bytes | None = None) -> bytes:
        """Send our greeting and read theirs, 64 octets."""
        if greeting is None:
            as_server = self.terms.mechanism != b"NULL" and not self.terms.serves
            greeting = o.greeting(self.terms.mechanism, as_server=as_server)
        await self.send(greeting)
        return await self.greeting()

    async def greeting(self) -> bytes:
        """Their greeting, 64 octets."""
        expected = "a greeting of 64 octets"
        try:
            theirs = await self.read(GREETING_SIZE)
        except Ended:
            raise Unlike(expected, f"the connection was closed after {len(self._unread)} octets") from None
        except trio.TooSlowError:
            raise Unlike(expected, f"{len(self._unread)} octets in {self.terms.patience:g} s") from None
        if theirs[0] != 0xFF or not theirs[9] & 1 or theirs[10] < 3:
            raise Unlike("a greeting of ZMTP 3", shown(theirs[:12]))
        return theirs

    async def handshake(
        self, kind: str = "", *, greeting: bytes | None = None, metadata: bytes | None = None
    ) -> Mapping[bytes, bytes]:
        """The whole handshake, as a careful peer has it; returns the other side's metadata. kind: the type to play."""
        await self.greet(greeting)
        if metadata is None:
            metadata = o.metadata(kind or self.terms.partner)
        if self.terms.mechanism == b"PLAIN" and self.terms.serves:
            await self.plain_hello()
            await self.command(b"WELCOME")
            await self.send(o.command(b"INITIATE", metadata))
        elif self.terms.mechanism == b"PLAIN":
            await self.command(b"HELLO")
            await self.send(o.command(b"WELCOME"))
            self.learn(await self.command(b"INITIATE"))
            await self.send(o.command(b"READY", metadata))
            return self.theirs
        elif self.terms.mechanism == b"CURVE":
            await self._curve(metadata)
            return self.theirs
        else:
            await self.send(o.command(b"READY", metadata))
        self.learn(await self.command(b"READY"))
        return self.theirs

    async def _curve(self, metadata: bytes) -> None:
        if self.terms.serves:
            client = await self.curve_welcomed()
            await self.send(client.initiate(metadata))
            self.learn(await self.opened_by(client.read_ready, b"READY"))
            self.box = client
        else:
            server = self.curve_server()
            await self.opened_by(server.read_hello, b"HELLO")
            await self.send(server.welcome())
            self.learn(await self.opened_by(server.read_initiate, b"INITIATE"))
            await self.send(server.ready(metadata))
            self.box = server

    def curve_client(self) -> boxes.Client:
        """CURVE's client, for this connection."""
        assert self.terms.curve is not None
        client = boxes.Client(self.terms.curve)
        self.note_keys(client)
        return client

    def curve_server(self) -> boxes.Server:
        """CURVE's server, for this connection."""
        assert self.terms.curve is not None
        server = boxes.Server(self.terms.curve)
        self.note_keys(server)
        return server

    def note_keys(self, side: boxes.Side) -> None:
        """Keep the keys that this connection's boxes open with, for the report."""
        self.record.keys[self._number] = side.opens

    async def curve_welcomed(self) -> boxes.Client:
        """As CURVE's client, HELLO and WELCOME; after the greetings."""
        client = self.curve_client()
        await self.send(client.hello())
        await self.opened_by(client.read_welcome, b"WELCOME")
        return client

    async def opened_by(self, read: Callable[[bytes], T], name: bytes) -> T:
        """The next command has this name, and read takes its data without a ProtocolError."""
        data = await self.command(name)
        try:
            return read(data)
        except ProtocolError as wrong:
            raise Unlike(f"a {printable(name)} in order", str(wrong)) from None

    async def ask(self) -> None:
        """Send a PING, in a box where there is one."""
        ping = o.ping(context=o.CHECK)
        await self.send(ping if self.box is None else self.box.seal(boxes.INNER_COMMAND, ping[2:]))

    async def plain_hello(self) -> None:
        """HELLO with the right name and password."""
        name, password = self.terms.username, self.terms.password
        await self.send(o.command(b"HELLO", bytes([len(name)]) + name + bytes([len(password)]) + password))

    def learn(self, data: bytes) -> None:
        """Keep the other side's metadata."""
        try:
            self.theirs = decode_metadata(data)
        except ProtocolError as wrong:
            raise Unlike("metadata", str(wrong)) from None

    # -------------------------------------------------------------------------------------------------- how it goes on

    async def goes_on(self, libzmq: str = "") -> None:
        """The other side reads on. It is asked by a PING if it knows PING; otherwise it must not close for a moment.

        libzmq: what libzmq does instead.
        """
        expected, patience = GOES_ON, self.terms.patience
        try:
            if self.terms.answers_ping:
                await self.ask()
                while True:
                    frame = await self.any_frame(patience)
                    if frame.is_command and frame.body == PONG:
                        return
                    if frame.is_command and frame.body.startswith(b"\x04PONG"):
                        patience = QUIET  # with another context: the answer to an earlier PING, or a wrong one to ours
            with trio.move_on_after(QUIET):
                while True:
                    await self._receive()
        except Ended:
            self._departs(libzmq)
            raise Unlike(expected, "the connection was closed") from None
        except trio.TooSlowError:
            if patience != QUIET:
                raise Unlike(expected, f"no PONG in {self.terms.patience:g} s") from None

    async def closes(self, libzmq: str = "", *, asked: bool = True, stalls: str = "") -> None:
        """The other side closes the connection. An ERROR may come before that.

        libzmq: what libzmq does instead. asked: a PING is sent, whose answer shows at once that it reads on. stalls:
        what libzmq does if it does not even answer that.
        """
        expected = CLOSED
        asked = asked and self.terms.answers_ping
        if asked:
            await self.ask()
        came = f"it was still open after {self.terms.patience:g} s" + ", and a PING was not answered" * asked
        with trio.move_on_after(self.terms.patience):
            try:
                while True:
                    frame = await self.any_frame(float("inf"))
                    if frame.is_command and frame.body == PONG:
                        came, stalls = "it went on, and a PING was answered", ""
                        break
            except Ended:
                return
        self._departs(stalls or libzmq)
        raise Unlike(expected, came)

    def _departs(self, libzmq: str) -> None:
        if libzmq:
            raise Departure(libzmq)


async def back(peer: Peer) -> Peer:
    """The next connection that the other side makes."""
    try:
        return await peer.again()
    except Unreachable:
        raise Unlike("another connection", f"none in {peer.terms.patience:g} s") from None


def shown(octets: bytes, most: int = 32) -> str:
    """Octets in hex, the first of them if there are many."""
    return octets[:most].hex(" ") + (f" … ({len(octets):,} octets)" if len(octets) > most else "")


def listed(frames: list[bytes] | tuple[bytes, ...]) -> str:
    """The frames of a message in words.

    >>> listed([b"news", b""])
    '["news", ""]'
    """
    return "[" + ", ".join(f'"{printable(frame[:40])}{" …" * (len(frame) > 40)}"' for frame in frames) + "]"


def named(frame: Frame) -> str:
    """A frame in words."""
    if not frame.is_command:
        return f"a message frame {shown(frame.octets)}"
    name = frame.body[1 : 1 + frame.body[0]] if frame.body else b""
    return f"the command {printable(name)}: {shown(frame.octets)}"
