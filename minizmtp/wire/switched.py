r"""A connection over WebSocket: an HTTP request becomes a ZeroMQ connection.                         45/ZWS

                 upgrade ──────────────┐ the subprotocol
    stream ───►  WebSocket's frames ───┴─► unwrapper ───► ZMTP's frames ───►  Connection  ───► events
    stream ◄───  WebSocket's frames ◄───── wrapper   ◄─── ZMTP's frames ◄───  Connection  ◄─── messages

Behind the wrapper is a `Connection` as it is over tcp, with its mechanisms, limits and events. What the upgrade has
found is passed to it as a greeting. What differs:

    greeting         the upgrade: `ZWS2.0/NULL`, `/PLAIN` or `/CURVE` names the mechanism
    PING, PONG       the WebSocket's own; they carry no ttl, and are not encrypted
    SUBSCRIBE        a message, 01 and the prefix, as in ZMTP 3.0: libzmq reads no command here
    the end          a close with a status code, in both directions

The subprotocol `ZWS2.0` without a mechanism has no READY. The first message of each side is its routing id, and
neither side knows the type of the other. Here it is read as a READY with that identity. jszmq speaks nothing else, but
its server accepts the first subprotocol that is offered, whatever that is. So a client that offered NULL accepts a
routing id, too.

    >>> pull = switched(SocketType.PULL, identity=b"")
    >>> push = switched(SocketType.PUSH, identity=b"", target=("localhost:5555", "/jobs"))
    >>> pull.receive_data(push.data_to_send()); pull.next_event()                 # GET; 101, and READY behind it
    Greeting(major=3, minor=0, mechanism=b'NULL', as_server=False)
    >>> push.receive_data(pull.data_to_send()); push.next_event(), push.next_event()    # doctest: +ELLIPSIS
    (Greeting(...), Ready(metadata={b'socket-type': b'PULL'}))
    >>> pull.receive_data(push.data_to_send()); pull.next_event()
    Ready(metadata={b'socket-type': b'PUSH'})
    >>> pull.receive_data(push.send([b"a", b"b"])); pull.next_event()
    [b'a', b'b']

Read next: `patterns.queue`.
"""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable

from ..constants import SocketType
from ..errors import ProtocolError, printable
from . import events
from .assembler import MAX_UNFINISHED
from .commands import encode_command
from .connection import Connection, State
from .encoder import Encoded, Encoder
from .events import NEED_DATA, Event, Item, Messages, NeedData, Ping, Pong, Run
from .frames import encode_frame, frame_header
from .greeting import encode_greeting
from .mechanisms import Mechanism, Null, Steps
from .metadata import encode_metadata
from .upgrade import ClientUpgrade, ServerUpgrade
from .websocket import (
    BROKEN_RULE,
    CLOSE,
    GOING_AWAY,
    LARGEST_CONTROL,
    NORMAL,
    PING,
    PONG,
    CloseError,
    read_header,
)
from .zws import Unwrapper, Wrapper

# Without a mechanism.
BARE = "ZWS2.0"

# The work of a WebSocket's frame, as of one of ZMTP's, see `connection`: a PING costs as much as a command.
CONTROL_WORK = 256


def subprotocols(mechanism: Mechanism) -> list[str]:
    """Best first. They are in the order that libzmq offers."""
    named = f"{BARE}/{mechanism.name.decode()}"
    return [named, BARE] if isinstance(mechanism, Null) else [named]


def switched(
    socket_type: SocketType,
    *,
    identity: bytes,
    mechanism: Mechanism | None = None,
    max_message_size: int = -1,
    max_unfinished: int = MAX_UNFINISHED,
    target: tuple[str, str] | None = None,
    path: str = "/",
    offers: deque[list[str]] | None = None,
    origins: Collection[bytes] = (),
) -> "SwitchedConnection":
    """target: the host and the path to ask for, on the connecting side. path: that a client has to ask for. origins: of
    the pages that may connect. The rest is as for a Connection.

    offers: what the connections of one client offer, one list after the other. The first is rotated to the end when a
    server refuses it. A strict server refuses `ZWS2.0/NULL`, because RFC 6455 allows no slash in a subprotocol.
    """
    mechanism = mechanism or Null()
    named = subprotocols(mechanism)
    offers = deque([named]) if offers is None else offers
    if not offers:
        offers += [named, named[1:]] if named[1:] else [named]
    upgrade = ClientUpgrade(*target, offers) if target is not None else ServerUpgrade(named, path, origins)
    return SwitchedConnection(upgrade, socket_type, identity, mechanism, max_message_size, max_unfinished)


class SwitchedConnection(Connection):
    """upgrade: nothing said yet."""

    def __init__(
        self,
        upgrade: ClientUpgrade | ServerUpgrade,
        socket_type: SocketType,
        identity: bytes,
        mechanism: Mechanism,
        max_message_size: int,
        max_unfinished: int,
    ) -> None:
        super().__init__(
            socket_type,
            identity=identity,
            mechanism=mechanism,
            max_message_size=max_message_size,
            max_unfinished=max_unfinished,
        )
        self._identity = identity
        self._upgrade: ClientUpgrade | ServerUpgrade | None = upgrade
        self._dials = isinstance(upgrade, ClientUpgrade)
        self._to_send.clear()  # of the greeting
        self._http = upgrade.data_to_send()
        self._wrapper = Wrapper(masks=self._dials)
        self._unwrapper = Unwrapper(masked=not self._dials)
        self._max_unfinished = max_unfinished
        self._is_bare = False
        self._end = ""  # the close that has come, in words
        self._close = b""  # a close to be sent, behind all else
        self._has_closed = False
        self._is_over = False  # nothing more will come
        self.knows_ping = True  # a WebSocket does

    # ------------------------------------------------------------------------------------------- bytes in, events out

    def receive_data(self, data: bytes) -> None:
        if not data:
            self._is_over = True
        elif self._upgrade is not None:
            self._upgrade.receive_data(data)
        elif not self._is_over:
            self._unwrapper.receive_data(data)

    def get_buffer(self) -> memoryview | None:
        return None  # because what comes has to be unwrapped

    @property
    def held(self) -> int:
        return self._unwrapper.held + super().held

    @property
    def greeting_octets(self) -> int | None:
        return None

    def next_event(self, most: int = 1) -> Event | NeedData:
        try:
            event = self._read_upgrade() or self._next_event(most)
        except ProtocolError as error:
            self.state = State.CLOSED
            if self._upgrade is not None:
                self._http += self._upgrade.data_to_send()
                self._upgrade = None
            else:
                code = error.code if isinstance(error, CloseError) else BROKEN_RULE
                self.close(code, str(error))
            raise
        if isinstance(event, Messages) and (self._is_over or not self._unwrapper.is_idle):
            return event._replace(is_all=False)
        return event

    def _read_upgrade(self) -> Event | None:
        """Go on with the upgrade, if that is not done; its event when it is."""
        if self._upgrade is None or (chosen := self._upgrade.step()) is None:
            return None
        self._http += self._upgrade.data_to_send()
        if rest := self._upgrade.rest():
            self._unwrapper.receive_data(rest)
        self._upgrade = None
        self._is_bare = chosen == BARE
        greeting = bytearray(encode_greeting(self._mechanism.name))
        greeting[11] = 0  # ZMTP 3.0, because of SUBSCRIBE
        super().receive_data(bytes(greeting))
        return None

    def _next_event(self, most: int) -> Event | NeedData:
        while (event := super().next_event(most)) is NEED_DATA and self.decoder.allowance > 0:
            if self.awaiting_auth and not self._is_over:
                break
            if (control := self._unwrapper.take_control()) is not None:
                self.decoder.allowance -= CONTROL_WORK
                if (found := self._read_control(*control)) is not None:
                    return found
                continue
            before = self._unwrapper.unread
            # One by one before READY, because a message behind it, in the same read, has another limit.
            frames = self.decoder.allowance if self.state is State.TRAFFIC else 1
            octets = self._unwrapper.unwrap(self.decoder.limit, self._max_unfinished, frames)
            self.decoder.allowance -= self._unwrapper.spent
            if octets:
                super().receive_data(octets)
            elif self._unwrapper.unread == before:
                if not self._is_over or self._ended:
                    break
                super().receive_data(b"")
        return event

    def _read_control(self, opcode: int, payload: bytes) -> Event | None:
        in_traffic = self.state is State.TRAFFIC
        if opcode == CLOSE:
            code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
            self._end = f"with close code {code}" + (f": {printable(reason)}" if reason else "") if payload else ""
            self._is_over = True
            self._unwrapper = Unwrapper(masked=not self._dials)  # what comes after a close does not count
            self.close(code if payload else NORMAL)
            return None
        if opcode == PING:
            self._pongs.append(Pong(payload))
            return Ping(0, payload) if in_traffic else None
        return Pong(payload) if in_traffic else None

    def _message_in_handshake(self, flags: int, body: bytes) -> bytes:
        # A client that offered NULL may meet a server that accepts it and does not speak it.
        if (self._is_bare or (self._dials and isinstance(self._mechanism, Null))) and not flags:
            return encode_command(b"READY", encode_metadata({b"Identity": body}))
        return super()._message_in_handshake(flags, body)

    def _take_steps(self, steps: Steps) -> events.Ready | events.AuthRequest | None:
        event = super()._take_steps(steps)
        if isinstance(event, events.Ready):
            self.encoder = WrappingEncoder(self.encoder, self._wrapper, self._mechanism, self._goodbye)
        return event

    def _truncation(self) -> str:
        if self._upgrade is not None:
            return f"after {self._upgrade.received} octets of HTTP, before the WebSocket was there"
        if self._unwrapper.held:
            return f"inside a frame, {self._unwrapper.held} octets into it"
        return super()._truncation() or self._end

    # ------------------------------------------------------------------------------------------ messages in, bytes out

    def data_to_send(self) -> bytes:
        pongs = b"".join([self._wrapper.control(PONG, pong.context) for pong in self._pongs])
        self._pongs.clear()
        http, close, self._http, self._close = self._http, self._close, b"", b""
        return http + self._wrapper.wrap(super().data_to_send()) + pongs + close

    def _queue_command(self, command: bytes) -> None:
        if not self._is_bare:
            super()._queue_command(command)
        elif command.startswith(b"\x05READY"):
            self._to_send += encode_frame(self._identity)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close, unless one was sent before: nothing may be sent after it."""
        if not self._has_closed:
            self._has_closed = True
            octets = reason.encode("ascii", "replace")[: LARGEST_CONTROL - 2]
            self._close = self._wrapper.control(CLOSE, code.to_bytes(2, "big") + octets)

    def _goodbye(self) -> bytes:
        self.close(GOING_AWAY)
        return self.data_to_send()

    def send(self, item: Item | Ping | Pong) -> bytes:
        if isinstance(item, (Ping, Pong)):
            return self._wrapper.control(PING if isinstance(item, Ping) else PONG, item.context)
        return super().send(item)


class WrappingEncoder(Encoder):
    """Has each batch encoded for ZMTP, and wraps it."""

    __slots__ = ("_goodbye", "_inner", "_wrapper")

    def __init__(self, inner: Encoder, wrapper: Wrapper, mechanism: Mechanism, goodbye: Callable[[], bytes]) -> None:
        super().__init__(mechanism, (3, 0))
        self._goodbye = goodbye
        self._inner = inner
        self._wrapper = wrapper

    def encode(self, items: Iterable[Item | Ping | Pong], room: int = sys.maxsize) -> Encoded:
        count, buffers = self._inner.encode(items, room)
        if len(buffers) == 1:
            return count, [self._wrapper.wrap(buffers[0])]
        front, last = buffers
        if self._mechanism.encrypts:
            return count, [self._wrapper.wrap(front + last)]
        front = self._wrapper.wrap(front[: -len(frame_header(len(last)))])
        header, last = self._wrapper.wrap_large(last)
        return count, [front + header, last]

    def encode_run(self, run: Run) -> bytes:
        return self._wrapper.wrap(self._inner.encode_run(run))

    def goodbye(self) -> bytes:
        return self._goodbye()

    def next_frame_end(self, octets: bytes, at: int) -> int:
        header = read_header(octets, at)
        assert header is not None
        return at + header.length + header.size
