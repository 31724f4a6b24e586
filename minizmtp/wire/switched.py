r"""A connection over WebSocket: an HTTP request becomes a ZeroMQ connection.                         45/ZWS

                 upgrade ─────────── the subprotocol ─────►  greeting
    stream ───►  WebSocket's frames ───► decoder ───► frames ───►  Connection  ───► events
    stream ◄───  WebSocket's frames ◄─── wrapper ◄─── frames ◄───  Connection  ◄─── messages

This is a `Connection` as it is over tcp, with its mechanisms, limits and events. It has another decoder and another
encoder, and what the upgrade has found is passed to it as a greeting. What differs:

    greeting         the upgrade: `ZWS2.0/NULL`, `/PLAIN` or `/CURVE` names the mechanism
    PING, PONG       the WebSocket's own; they carry no ttl, and are not encrypted
    SUBSCRIBE        a message, 01 and the prefix, as in ZMTP 3.0: libzmq reads no command here
    the end          a close with a status code, in both directions

The subprotocol `ZWS2.0` without a mechanism has no READY. The first message of each side is its routing id, and
neither side knows the type of the other. Here it is read as a READY with that identity. jszmq speaks nothing else, but
its server accepts the first subprotocol that is offered, whatever that is. So a client that offered NULL accepts a
routing id, too.

    >>> pull = SwitchedConnection(SocketType.PULL, identity=b"")
    >>> push = SwitchedConnection(SocketType.PUSH, identity=b"", target=("localhost:5555", "/jobs"))
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
from . import events, websocket
from .assembler import MAX_UNFINISHED
from .commands import encode_command
from .connection import COMMAND_WORK, Connection, State
from .encoder import Encoded, Encoder
from .events import NEED_DATA, Event, Item, NeedData, Ping, Pong, Run
from .frames import COMMAND, encode_frame, frame_header
from .greeting import encode_greeting
from .mechanisms import Mechanism, Null, Steps
from .metadata import encode_metadata
from .upgrade import ClientUpgrade, ServerUpgrade
from .websocket import CloseError, read_header
from .zws import Wrapper, ZwsDecoder

# Without a mechanism.
BARE = "ZWS2.0"


class SwitchedConnection(Connection):
    """target: the host and the path to ask for, on the connecting side. path: that a client has to ask for. origins: of
    the pages that may connect. The rest is as for a Connection.

    offers: what the connections of one client offer, one list of subprotocols after the other, each best first. The
    first list is rotated to the end when a server refuses it. A strict server refuses `ZWS2.0/NULL`, because RFC 6455
    allows no slash in a subprotocol.
    """

    decoder: ZwsDecoder

    def __init__(
        self,
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
    ) -> None:
        super().__init__(
            socket_type,
            identity=identity,
            mechanism=mechanism,
            max_message_size=max_message_size,
            max_unfinished=max_unfinished,
        )
        self._identity = identity
        self._dials = target is not None
        self.decoder = self._frames = ZwsDecoder(
            self.decoder.limit, self.decoder.limited_by, masked=not self._dials, max_unfinished=max_unfinished
        )
        self._wrapper = Wrapper(masks=self._dials)
        names = [f"{BARE}/{self._mechanism.name.decode()}"]
        if isinstance(self._mechanism, Null):
            names.append(BARE)  # behind the other, as libzmq offers them
        offers = deque() if offers is None else offers
        if not offers:
            offers += filter(None, [names, names[1:]])
        # None: it is done, or was refused.
        self._upgrade: ClientUpgrade | ServerUpgrade | None = (
            ClientUpgrade(*target, offers) if target is not None else ServerUpgrade(names, path, origins)
        )
        self._to_send = bytearray(self._upgrade.data_to_send())  # from here on the octets of HTTP and of WebSocket
        self._is_bare = False
        self._end = ""  # the close that has come, in words
        self._has_closed = False
        self.knows_ping = True  # a WebSocket does

    # ------------------------------------------------------------------------------------------- bytes in, events out

    def receive_data(self, data: bytes) -> None:
        if data and self._upgrade is not None:
            self._upgrade.receive_data(data)
        else:
            super().receive_data(data)

    @property
    def greeting_octets(self) -> int | None:
        return None  # the peer sends none, so a missing one is no sign of another protocol

    def next_event(self, most: int = 1) -> Event | NeedData:
        try:
            return super().next_event(most)
        except ProtocolError as error:
            if self._upgrade is None:  # before that, a refusal is a response of HTTP
                self.close(error.code if isinstance(error, CloseError) else websocket.BROKEN_RULE, str(error))
            self._upgrade = None  # so that what comes now is dropped, and not read by h11
            raise

    def _read_greeting(self) -> Event | NeedData:
        """The upgrade, and then a greeting that says what it has found."""
        if self._upgrade is not None:
            try:
                chosen = self._upgrade.step()
            finally:
                self._to_send += self._upgrade.data_to_send()  # which says why, if the request was refused
            if chosen is None:
                return NEED_DATA
            rest, self._upgrade = self._upgrade.rest(), None
            self._is_bare = chosen == BARE
            greeting = bytearray(encode_greeting(self._mechanism.name))
            greeting[11] = 0  # ZMTP 3.0, because of SUBSCRIBE
            super().receive_data(bytes(greeting) + rest)  # the first frames may have come in one read with the upgrade
        return super()._read_greeting()

    def _read(self) -> Event | NeedData:
        while (event := super()._read()) is NEED_DATA and (control := self.decoder.control) is not None:
            opcode, payload = control
            if opcode == websocket.CLOSE:
                code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
                self._end = f"with close code {code}" + (f": {printable(reason)}" if reason else "") if payload else ""
                self._ended = True  # the peer may wait for our close before it ends the stream (RFC 6455, 7.1.1)
                self.close(code if payload else websocket.NORMAL)
                break  # and the decoder stays where it is
            self.decoder.control = None
            self.decoder.allowance -= COMMAND_WORK  # as for a PING of ZMTP
            if opcode == websocket.PING:
                self._queue(self._wrapper.control(websocket.PONG, payload))
            if self.state is State.TRAFFIC:  # before that, no event but those of the handshake is expected
                return Ping(0, payload) if opcode == websocket.PING else Pong(payload)
        return event

    def _message_in_handshake(self, flags: int, body: bytes) -> bytes:
        # A client that offered NULL may meet a server that accepts it and does not speak it.
        if (self._is_bare or (self._dials and isinstance(self._mechanism, Null))) and not flags:
            return encode_command(b"READY", encode_metadata({b"Identity": body}))
        return super()._message_in_handshake(flags, body)

    def _take_steps(self, steps: Steps) -> events.Ready | events.AuthRequest | None:
        event = super()._take_steps(steps)
        if isinstance(event, events.Ready):
            self.encoder = WrappingEncoder(self.encoder, self._wrapper, self._goodbye)
        return event

    def _truncation(self) -> str:
        if self._upgrade is not None:
            return f"after {self._upgrade.received} octets of HTTP, before the WebSocket was there"
        return super()._truncation() or self._end

    # ------------------------------------------------------------------------------------------ messages in, bytes out

    def _queue(self, octets: bytes) -> None:
        if not self._has_closed:  # because a close is the last frame that may be sent (RFC 6455, 5.5.1)
            self._to_send += octets

    def _queue_command(self, command: bytes) -> None:
        if not self._is_bare:
            self._queue(self._wrapper.wrap(encode_frame(command, COMMAND)))
        elif command.startswith(b"\x05READY"):  # an ERROR has no form there
            self._queue(self._wrapper.wrap(encode_frame(self._identity)))

    def close(self, code: int, reason: str = "") -> None:
        """Send a close, unless one was sent before."""
        octets = reason.encode("ascii", "replace")[: websocket.LARGEST_CONTROL - 2]
        self._queue(self._wrapper.control(websocket.CLOSE, code.to_bytes(2, "big") + octets))
        self._has_closed = True

    def _goodbye(self) -> bytes:
        self.close(websocket.GOING_AWAY)
        return self.data_to_send()

    def send(self, item: Item | Ping | Pong) -> bytes:
        if isinstance(item, (Ping, Pong)):  # libzmq sends those of the WebSocket, too
            return self._wrapper.control(websocket.PING if isinstance(item, Ping) else websocket.PONG, item.context)
        return super().send(item)


class WrappingEncoder(Encoder):
    """Has each batch encoded for ZMTP, and wraps it."""

    __slots__ = ("_goodbye", "_inner", "_wrapper")

    def __init__(self, inner: Encoder, wrapper: Wrapper, goodbye: Callable[[], bytes]) -> None:
        super().__init__(inner._mechanism, (3, 0))
        self._goodbye = goodbye
        self._inner = inner
        self._wrapper = wrapper

    def encode(self, items: Iterable[Item | Ping | Pong], room: int = sys.maxsize) -> Encoded:
        count, buffers = self._inner.encode(items, room)
        if len(buffers) == 1 or self._mechanism.encrypts:  # a large box is only a part of its frame's body
            return count, [self._wrapper.wrap(b"".join(buffers))]
        octets, last = buffers
        front, back = self._wrapper.wrap_body(last)
        return count, [self._wrapper.wrap(octets[: -len(frame_header(len(last)))]) + front, back]

    def encode_run(self, run: Run) -> bytes:
        # The octets that are kept in the run are those of ZMTP, because its other peers may be connected over tcp.
        return self._wrapper.wrap(self._inner.encode_run(run))

    def goodbye(self) -> bytes:
        return self._goodbye()

    def next_frame_end(self, octets: bytes, at: int) -> int:
        header = read_header(octets, at)
        assert header is not None
        return at + header.length + header.size
