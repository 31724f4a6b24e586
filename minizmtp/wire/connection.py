r"""One connection: bytes in, events out; messages in, bytes out.                        37/ZMTP 3.1, "Overall Behavior"

                    receive_data(bytes)  ┌────────────┐  next_event() → Greeting, Ready, [frames], Subscribe …
    from the stream ────────────────────►│ Connection │────────────────────────────► to the socket
    to the stream   ◄────────────────────│            │◄──────────────────────────── from the socket
                    data_to_send()       └────────────┘  send([frames]) → bytes
                    (greeting, READY, PONG)

It does no I/O, and has no clock. Connect two of them, carry the bytes by hand, and they have a conversation:

    >>> req, rep = Connection(SocketType.REQ), Connection(SocketType.REP)
    >>> rep.receive_data(req.data_to_send()); rep.next_event()
    Greeting(major=3, minor=1, mechanism=b'NULL', as_server=False)
    >>> req.receive_data(rep.data_to_send())            # the greeting, and READY, because REP has seen our greeting
    >>> req.next_event(), req.next_event()              # doctest: +ELLIPSIS
    (Greeting(...), Ready(metadata={b'socket-type': b'REP'}))
    >>> rep.receive_data(req.data_to_send()); rep.next_event()
    Ready(metadata={b'socket-type': b'REQ', b'identity': b''})
    >>> req.send([b"", b"hello"])
    b'\x01\x00\x00\x05hello'
    >>> rep.receive_data(_)
    >>> rep.next_event(), rep.next_event()
    ([b'', b'hello'], NEED_DATA)

`h11.Connection` has the same shape for HTTP; the differences come from the protocols:

    h11                                                  here
    a request, then its response: a cycle                after the handshake, both sides send at any time
    a state for each side                                one state for both
    a message is several events: head, data, end         a message is one event, and always complete
    the program sends everything                         data_to_send() has what the protocol itself sends
    LocalProtocolError, RemoteProtocolError              RuntimeError, ProtocolError

The state machine is the table `TRANSITIONS`: which event moves a connection to which state.

    GREETING ──Greeting──► HANDSHAKE ──Ready──► TRAFFIC ⟲ messages, SUBSCRIBE, CANCEL, PING, PONG
        │                      │ Error             │
        └──────────────────────┴───────────────────┴── the end of the stream, or a violation ──► CLOSED

Anything else is a violation, such as a message before Ready: `next_event` raises ProtocolError. In TRAFFIC, READY,
ERROR and unknown commands are ignored. The state changes only when `next_event` returns an event, not in
`receive_data`, so the events do not depend on how the stream was cut into chunks.

A message is delivered whole or not at all: its frames wait in the `assembler` until the last one has come, and are
dropped if the connection ends before. That costs memory, up to max_unfinished, and a program cannot begin to read a
message that is still arriving.

Try it: in `Connection._read_traffic`, write `pass` for `self._pongs.append(Pong(event.context))`. A PING then gets no
answer, and libzmq closes such a connection. Read next: `patterns.queue`, where the messages go.
"""

import sys
from collections.abc import Iterable, Mapping
from enum import Enum, auto

from ..constants import SocketType
from ..errors import ProtocolError, Refused, Violation
from . import events
from .assembler import MAX_UNFINISHED, Assembler
from .batches import BatchDecoder
from .commands import decode_command, decode_error, decode_traffic, encode_error
from .decryptor import Decryptor
from .encoder import Encoded, Encoder
from .events import NEED_DATA, Event, Item, Join, Leave, NeedData, Ping, Pong
from .frames import COMMAND, MORE, encode_frame
from .greeting import GREETING_SIZE, check_greeting, check_mechanism, decode_greeting, encode_greeting
from .mechanisms import Mechanism, Null, Steps
from .metadata import check_metadata, our_metadata


class State(Enum):
    """Where a conversation is; see `TRANSITIONS`."""

    GREETING = auto()
    HANDSHAKE = auto()
    TRAFFIC = auto()
    CLOSED = auto()
    __hash__ = object.__hash__  # because Enum's own is written in Python, and each event is looked up in the table


GREETING, HANDSHAKE, TRAFFIC, CLOSED = State

TRANSITIONS: dict[tuple[State, type], State] = {  # (state, event): next state
    (GREETING, events.Greeting): HANDSHAKE,
    (HANDSHAKE, events.AuthRequest): HANDSHAKE,  # until receive_auth_reply is called
    (HANDSHAKE, events.Ready): TRAFFIC,
    (HANDSHAKE, events.Error): CLOSED,  # don't connect again: the peer would refuse again (37-14, 37-15)
    (TRAFFIC, list): TRAFFIC,  # a message
    **{(TRAFFIC, command): TRAFFIC for command in (events.Subscribe, events.Cancel, Join, Leave, Ping, Pong)},
    **{(state, events.ConnectionClosed): CLOSED for state in State},  # connecting again may help (37-17)
}

# The largest command before READY if maxmsgsize allows more, because any peer can send one.
HANDSHAKE_LIMIT = 65536

# What is subtracted from the allowance for a frame with MORE, and for a command or a message to a publisher. It is more
# than their time (0.8 and 8 µs; a short message takes 0.2), because healthy peers send few of them in a row.
FRAME_WORK, COMMAND_WORK = 16, 256

# libzmq's PLAIN server sends ERROR without its length octet, and with another first letter (24-9).
MISSPELT_ERROR = b"\x5eRROR"


class Connection:
    """The protocol of one connection, seen from one side.

    identity: the routing id by which a ROUTER should know us, 0 to 255 octets.
    max_message_size: the largest frame to accept, in octets; −1: any. It counts for the handshake too, as in libzmq.
    max_unfinished: the memory for a message whose last frame hasn't arrived, see `assembler`.
    properties: more metadata for the peer, with names that start with `X-` (37-42).

    decoder.allowance limits the work of next_event, because one read may hold sixteen thousand commands, and other
    tasks must not wait for all of them. When it is used up, next_event returns NEED_DATA although there is more; the
    caller lets other tasks run, sets it again, and goes on. Its unit is a short message.
    """

    def __init__(
        self,
        socket_type: SocketType,
        *,
        identity: bytes = b"",
        mechanism: Mechanism | None = None,
        max_message_size: int = -1,
        max_unfinished: int = MAX_UNFINISHED,
        properties: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.state = GREETING
        self.peer_version = (0, 0)
        self.knows_ping = False  # the peer speaks 3.1, or has sent a PING, or the caller says so: then PING may be sent
        self.awaiting_auth = False  # an AuthRequest has no reply yet
        self._socket_type = socket_type
        self._mechanism = mechanism or Null()
        self._metadata = our_metadata(socket_type, identity) | dict(properties or {})
        self._max_message_size = max_message_size
        self._greeting = bytearray()
        self.decoder = BatchDecoder(HANDSHAKE_LIMIT, "before READY")
        if 0 <= max_message_size < HANDSHAKE_LIMIT:
            self.decoder = BatchDecoder(max_message_size)
        self._assembler = Assembler(max_unfinished, is_publisher=socket_type.name in ("PUB", "XPUB", "RADIO"))
        self._frames: BatchDecoder | Decryptor = self.decoder
        self._next: Event | None = None  # what next_event returns first
        self._ended = False
        # A bytearray, because bytes would be copied for each command that is added, and there may be 10,000 PONGs.
        self._to_send = bytearray(encode_greeting(self._mechanism.name, self._mechanism.as_server))
        self._pongs: list[Pong] = []  # encoded when they are sent, because CURVE numbers the frames in that order
        self._auth_metadata: dict[bytes, bytes] = {}

    # ------------------------------------------------------------------------------------------- bytes in, events out

    def receive_data(self, data: bytes) -> None:
        """Add bytes from the stream; b"": the stream has ended. Then call `next_event` until it returns NEED_DATA."""
        if not data:
            self._ended = True
        elif self.state is GREETING:
            self._greeting += data
        elif self.state is not CLOSED:
            self.decoder.receive_data(data)

    def get_buffer(self) -> memoryview | None:
        """Where to put more octets of a large frame without copying them; None: use receive_data (see `body`)."""
        return self.decoder.body.get_buffer() if self.decoder.body is not None else None

    def buffer_updated(self, count: int) -> None:
        """The first count octets of the buffer have been filled, and it has been released."""
        assert self.decoder.body is not None
        self.decoder.body.buffer_updated(count)

    @property
    def held(self) -> int:
        """How many octets behind the greeting have come, and are not read yet."""
        return self.decoder.held

    @property
    def greeting_octets(self) -> int | None:
        """How many octets of the peer's greeting have been received; None: all."""
        return len(self._greeting) if self.peer_version == (0, 0) else None

    def next_event(self, most: int = 1) -> Event | NeedData:
        """The next event, or NEED_DATA. Raises ProtocolError for a violation: then the connection is CLOSED, and
        `data_to_send` may have an ERROR. most: if above 1, up to so many messages in a row are one event, `Messages`,
        because that takes a tenth of the time for each."""
        # A publisher gets its messages one by one, because each is as much work as a command.
        is_batch = most > 1 and self.state is TRAFFIC and not (self._assembler.is_publisher or self._assembler.frames)
        if is_batch and (messages := self._frames.next_messages(most)):
            return events.Messages(messages, self._frames.is_empty)
        try:
            event = self._read()
            if event is NEED_DATA and self._ended and self.decoder.allowance > 0:
                event = events.ConnectionClosed(self._truncation())
        except ProtocolError as error:
            if self.state is HANDSHAKE and self._mechanism.explains_refusal:  # libzmq doesn't (37-45)
                self._queue_command(encode_error(str(error).encode("ascii", "replace")))
            self.state = CLOSED
            raise
        if event is not NEED_DATA:
            self.state = TRANSITIONS[self.state, type(event)]
        return event

    def _read(self) -> Event | NeedData:
        if self._next is not None:
            event, self._next = self._next, None
            return event
        if self.state is TRAFFIC:
            return self._read_traffic()
        if self.state is HANDSHAKE:
            return self._read_handshake()
        return self._read_greeting() if self.state is GREETING else events.ConnectionClosed("")

    def _read_greeting(self) -> Event | NeedData:
        if len(self._greeting) < GREETING_SIZE:
            check_greeting(self._greeting)
            return NEED_DATA
        greeting = decode_greeting(bytes(self._greeting[:GREETING_SIZE]))
        check_mechanism(greeting, self._mechanism.name)
        self.peer_version = (greeting.major, greeting.minor)
        self.knows_ping = self.knows_ping or self.peer_version >= (3, 1)
        self.decoder.receive_data(bytes(self._greeting[GREETING_SIZE:]))
        self._greeting.clear()
        self._next = self._take_steps(self._mechanism.open(self._metadata))
        return greeting

    def _read_handshake(self) -> Event | NeedData:
        while not self.awaiting_auth and (frame := self.decoder.next_frame()) is not None:
            flags, body = frame
            body = body if flags & COMMAND else self._message_in_handshake(flags, body)
            if body.startswith(MISSPELT_ERROR):
                return decode_error(body[5:])
            name, data = decode_command(body)
            if name == b"ERROR":
                return decode_error(data)
            if (event := self._take_steps(self._mechanism.receive(name, data))) is not None:
                return event
        return NEED_DATA

    def _message_in_handshake(self, flags: int, body: bytes) -> bytes:
        found = 'a message before READY, expected only commands (37/ZMTP "Overall Behavior")'
        raise ProtocolError(found, Violation.UNEXPECTED_COMMAND)

    def _take_steps(self, steps: Steps) -> events.Ready | events.AuthRequest | None:
        """Do what the mechanism asks for. At most one of the steps is an event, and it is the last."""
        if steps and isinstance(steps[-1], events.Ready):
            self._check_metadata(steps[-1].metadata)
        for step in steps:
            if isinstance(step, events.AuthRequest):
                self.awaiting_auth = True
                return step
            if isinstance(step, events.Ready):
                self.decoder.limit, self.decoder.limited_by = self._max_message_size, "maxmsgsize"
                self._frames = Decryptor(self.decoder, self._mechanism) if self._mechanism.encrypts else self.decoder
                self.encoder = Encoder(self._mechanism, self.peer_version)
                # The User-Id is what the ZAP handler says, because the peer itself could claim any.
                claimed = {name: value for name, value in step.metadata.items() if name != b"user-id"}
                return events.Ready(claimed | self._auth_metadata)
            self._queue_command(step)
        return None

    def _check_metadata(self, metadata: dict[bytes, bytes]) -> None:
        check_metadata(metadata, self._socket_type)

    def receive_auth_reply(self, reply: events.AuthReply) -> None:
        """Reply to the AuthRequest: accept the peer, or raise Refused. Then the peer is sent an ERROR for 400 and 500,
        but not for 300, which means "try again" (24-8, 26-29)."""
        self.awaiting_auth = False
        if reply.status == 200:
            self._auth_metadata = reply.metadata
            self._next = self._take_steps(self._mechanism.on_accepted())
            return
        if reply.status >= 400:
            self._queue_command(encode_error(str(reply.status).encode()))
        self.state = CLOSED
        raise Refused(f"refused with status {reply.status}: {reply.text}", reply.status)

    def _read_traffic(self) -> Event | NeedData:
        decoder = self.decoder
        while decoder.allowance > 0 and (frame := self._frames.next_frame()) is not None:
            flags, body = frame
            if flags & COMMAND:
                decoder.allowance -= COMMAND_WORK
                event = decode_traffic(*decode_command(body))
                if isinstance(event, Ping):
                    self.knows_ping = True
                    self._pongs.append(Pong(event.context))
                if event is not None:
                    return event
                continue
            if self._assembler.is_publisher:
                decoder.allowance -= COMMAND_WORK
            elif flags & MORE:
                decoder.allowance -= FRAME_WORK
            if (message := self._assembler.add(flags, body)) is not None:
                return message
        return NEED_DATA

    def _truncation(self) -> str:
        """What the end of the stream has cut off."""
        if self.state is GREETING:
            return f"after {len(self._greeting)} of the 64 octets of the greeting"
        if self.state is HANDSHAKE:
            return "in the handshake"
        if self.decoder.held:
            return f"inside a frame, {self.decoder.held} octets into it"
        count = len(self._assembler.frames)
        return f"inside a message, after {count} of its frames" if count else ""

    # ------------------------------------------------------------------------------------------ messages in, bytes out

    def data_to_send(self) -> bytes:
        """What the protocol itself sends: greeting, handshake, PONG; b"" if nothing. To be sent before what `encode`
        returns later, because a message before our READY would end the connection (37-33)."""
        if self._pongs:
            self._to_send += b"".join(self.encoder.encode(self._pongs)[1])
            self._pongs.clear()
        data = bytes(self._to_send)
        self._to_send.clear()
        return data

    def _queue_command(self, command: bytes) -> None:
        self._to_send += encode_frame(command, COMMAND)

    def encode(self, items: Iterable[Item | Ping | Pong], room: int = sys.maxsize) -> Encoded:
        """Encode the first of items, as many as fill room octets, see `encoder`; to be sent in the order of the calls.
        Raises RuntimeError before Ready, and after the end."""
        if self.state is not TRAFFIC:
            raise RuntimeError(f"nothing can be sent in state {self.state.name}: wait until next_event() returns Ready")
        return self.encoder.encode(items, room)

    def send(self, item: Item | Ping | Pong) -> bytes:
        """Encode one item; b"" for a Ping or Pong to a peer that doesn't know PING, because ZMTP 3.0 has none."""
        if isinstance(item, (Ping, Pong)) and not self.knows_ping:
            return b""
        return b"".join(self.encode((item,))[1])
