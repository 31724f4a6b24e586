r"""One connection: bytes in, events out; messages in, bytes out.                        37/ZMTP 3.1, "Overall Behavior"

                    receive_data(bytes)  ┌────────────┐  next_event() → Greeting, Ready, [frames], Subscribe …
    from the stream ────────────────────►│ Connection │────────────────────────────► to the socket
    to the stream   ◄────────────────────│            │◄──────────────────────────── from the socket
                    data_to_send()       └────────────┘  send([frames]) → bytes
                    (what the protocol itself has to say)

It has the shape of `h11.Connection`, which does the same for HTTP, and it does no I/O at all. Put two of them back to
back, carry the bytes by hand, and you have a conversation:

    >>> req, rep = Connection(SocketType.REQ), Connection(SocketType.REP)
    >>> rep.receive_data(req.data_to_send()); rep.next_event()
    Greeting(major=3, minor=1, mechanism=b'NULL', as_server=False)
    >>> req.receive_data(rep.data_to_send())            # their greeting and, as they have seen ours, their READY
    >>> req.next_event(), req.next_event()              # doctest: +ELLIPSIS
    (Greeting(...), Ready(metadata={b'socket-type': b'REP'}))
    >>> rep.receive_data(req.data_to_send()); rep.next_event()
    Ready(metadata={b'socket-type': b'REQ', b'identity': b''})

    >>> req.send([b"", b"hello"])
    b'\x01\x00\x00\x05hello'
    >>> rep.receive_data(_)
    >>> rep.next_event(), rep.next_event()
    ([b'', b'hello'], NEED_DATA)

The rules of the game are one table, `TRANSITIONS`. What is not in it is a violation.

        GREETING ──Greeting──► HANDSHAKE ──Ready──► TRAFFIC ⟲ messages, SUBSCRIBE, CANCEL, PING, PONG
            └──────────────────────┴── Error, the end of the stream, any violation ──► CLOSED

State moves only in `next_event`, when an event is handed out: `receive_data` just keeps the bytes. So it makes no
difference how a stream was cut into chunks, and an event is never about bytes that you have not come to yet.

Below this module: all of `wire`. Above it: `engine`, which brings a Connection and a stream together.
Read next: `options`, a table to look things up in, or at once `patterns.queue`, where the messages go.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Final

from ..constants import PEERS, SocketType
from ..errors import ProtocolError, Refused, Violation, printable
from .commands import (
    decode_command,
    decode_error,
    decode_traffic,
    encode_command,
    encode_error,
    encode_ping,
)
from .events import (
    AuthReply,
    AuthRequest,
    Cancel,
    ConnectionClosed,
    Error,
    Event,
    Greeting,
    Item,
    Message,
    Messages,
    Ping,
    Pong,
    Ready,
    Run,
    SharedMessage,
    Subscribe,
    as_message,
)
from .frames import COMMAND, MORE, FrameDecoder, encode_frame, encode_message
from .greeting import GREETING_SIZE, check_greeting, check_mechanism, decode_greeting, encode_greeting
from .mechanisms import Mechanism, Null, Steps, box_work
from .quick import join_each, join_messages, quick_messages


class State(Enum):
    """Where a conversation is. How it goes on from there, `TRANSITIONS` tells."""

    GREETING = auto()
    HANDSHAKE = auto()
    TRAFFIC = auto()
    CLOSED = auto()
    __hash__ = object.__hash__  # Enum's own is written in Python, and the tables below are looked into often


# By themselves, for those who ask with every message: to find one in the class takes ten times as long (0.07 µs).
GREETING, HANDSHAKE, TRAFFIC, CLOSED = State


class _NeedData(Enum):
    NEED_DATA = auto()

    def __repr__(self) -> str:
        return "NEED_DATA"


# What next_event gives when all that has come is used up.
NEED_DATA: Final = _NeedData.NEED_DATA

TRANSITIONS: dict[tuple[State, type], State] = {  # (where we are, what the peer sent): where we go
    (State.GREETING, Greeting): State.HANDSHAKE,
    (State.GREETING, ConnectionClosed): State.CLOSED,
    (State.HANDSHAKE, AuthRequest): State.HANDSHAKE,  # until somebody has decided
    (State.HANDSHAKE, Ready): State.TRAFFIC,
    (State.HANDSHAKE, Error): State.CLOSED,  # fatal; dialling again would end the same way (37-14, 37-15)
    (State.HANDSHAKE, ConnectionClosed): State.CLOSED,  # bad luck; dialling again may help (37-17)
    (State.TRAFFIC, list): State.TRAFFIC,  # a message
    (State.TRAFFIC, Subscribe): State.TRAFFIC,
    (State.TRAFFIC, Cancel): State.TRAFFIC,
    (State.TRAFFIC, Ping): State.TRAFFIC,
    (State.TRAFFIC, Pong): State.TRAFFIC,
    (State.TRAFFIC, ConnectionClosed): State.CLOSED,
    (State.CLOSED, ConnectionClosed): State.CLOSED,
}

# A stranger's commands may take so much memory and no more, whatever maxmsgsize allows later. Metadata that a person
# would send is a few hundred octets.
HANDSHAKE_LIMIT = 65536

# … and so much of a message that has not ended, and no more: a peer could send frames with MORE for ever. The last
# frame does not count, which in large messages is the large one. Each frame costs more memory than its octets: 33 for
# the bytes object, up to 15 because sizes are rounded up to 16, and 9 for its place in a list that has room to grow.
MAX_UNFINISHED = 2**27
FRAME_COST = 64

# … and so many frames. More would take other tasks' time when they are thrown away: 3 ms.
MOST_FRAMES = 2**18

# A message from a subscriber may have so many frames and no more: a publisher reads each of them as a subscription.
MOST_REQUESTS = 128

# What they count of the allowance: a command, or a subscription in the form of a message, and a frame that is not the
# last of its message and was not decoded by the quick twin. They take 8 µs and 0.8 µs, where a short frame takes 0.2,
# and count more than that, because no healthy peer sends many of them and others are to wait for 100 µs at most.
# (Measured on 2026-11-28.)
COMMAND_WORK = 256
FRAME_WORK = 16

# libzmq's PLAIN server writes ERROR with its length octet lost and the first letter spoilt (24-9).
MISSPELT_ERROR = b"\x5eRROR"


class Connection:
    """The protocol of one connection, seen from one side.

    socket_type:      what we are; tells which peers are welcome (37-44)
    identity:         the routing id that we ask a ROUTER to know us by, 0 to 255 octets
    mechanism:        security; NULL unless given
    max_message_size: the largest frame to accept, in octets; −1 for any. Counts for the handshake too, as in libzmq
    max_unfinished:   how much to keep of a message whose last frame does not come, in octets, 64 counted for a frame
    properties:       more metadata for the peer, under names that start with `X-` (37-42)

    decoder.allowance says how much may still be done before next_event gives NEED_DATA although there is more. A peer
    can put sixteen thousand commands into one read, and a program with other tasks cannot decode them in one go. It
    sets this to what one go may cost, and when that is used up (0 or less), it lets the others go on, sets it again and
    calls again. The unit is a short message of one frame; a command counts 256 of them, a frame that is sealed 4 and
    one more for each 512 octets. It is unlimited unless it is set.

    Errors of the peer are raised by `next_event` as ProtocolError; after one, the connection is CLOSED, and
    `data_to_send` may hold a last word to the peer.
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
        self.state = State.GREETING
        self.peer_version = (0, 0)
        self.knows_ping = False  # PING may be sent: the peer speaks 3.1, or has sent one, or our user says so
        self._socket_type = socket_type
        self._mechanism = mechanism or Null()
        self._metadata = self._our_metadata(identity) | dict(properties or {})
        self._max_message_size = max_message_size
        self._greeting = bytearray()
        if 0 <= max_message_size < HANDSHAKE_LIMIT:
            self.decoder = FrameDecoder(max_message_size)
        else:
            self.decoder = FrameDecoder(HANDSHAKE_LIMIT, "before READY")
        self._message: Message = []  # the frames so far of a message that is not whole …
        self._max_unfinished = max_unfinished
        self._unfinished = 0  # … and what they count
        self._publishes = socket_type in (SocketType.PUB, SocketType.XPUB)
        self._ended = False
        # Not bytes: they would be copied for each word that is added, and a peer may send ten thousand PINGs at a time.
        self._to_send = bytearray(encode_greeting(self._mechanism.name, self._mechanism.as_server))
        self._answers: list[bytes] = []  # commands of traffic, to be sealed when they are sent
        self._told: Ready | AuthRequest | None = None  # by the mechanism, not yet handed out
        self.awaiting_auth = False  # AuthRequest was handed out, and no verdict has come yet
        self._judged: dict[bytes, bytes] = {}  # what the verdict says of the peer

    def _our_metadata(self, identity: bytes) -> dict[bytes, bytes]:
        metadata = {b"Socket-Type": self._socket_type.name.encode()}
        # Only a ROUTER looks at an Identity, so only what may face a ROUTER sends one, if only an empty one (37-46).
        if self._socket_type in (SocketType.REQ, SocketType.DEALER, SocketType.ROUTER):
            metadata[b"Identity"] = identity
        return metadata

    # ------------------------------------------------------------------------------------------- bytes in, events out

    def receive_data(self, data: bytes) -> None:
        """Keep what the stream gave; b"" says that the stream has ended. Nothing happens yet: see `next_event`."""
        if not data:
            self._ended = True
        elif self.state is GREETING:
            self._greeting += data
        elif self.state is not CLOSED:
            self.decoder.receive_data(data)

    def get_buffer(self) -> memoryview | None:
        """Where more of a large frame may go straight from the stream; None: receive_data is the way (see `body`)."""
        return self.decoder.body.get_buffer() if self.decoder.body is not None else None

    def buffer_updated(self, count: int) -> None:
        """So many octets are in the buffer, which has been released."""
        assert self.decoder.body is not None
        self.decoder.body.buffer_updated(count)

    def next_event(self, most: int = 1) -> Event | _NeedData:
        """The next thing that the peer said, or NEED_DATA.

        most: if it is more than 1, and what comes next are messages that are there whole, up to so many of them are one
        event, `Messages`. They are the same messages in the same order as with 1, and much cheaper to decode: this is
        for the reader of a busy connection.

        Raises ProtocolError, and from then on there is nothing but ConnectionClosed.
        """
        # Not to a publisher, which counts its peers' messages as subscriptions, and not in the midst of a message.
        if most > 1 and self.state is TRAFFIC and not self._message and not self._publishes:
            decode = self._mechanism.unseal_some if self._mechanism.seals else quick_messages
            messages = decode(self.decoder, most)
            if messages:
                return Messages(messages, self.decoder.position == len(self.decoder.whole))
        try:
            event = self._read_event()
        except ProtocolError as error:
            if self.state is State.HANDSHAKE and self._mechanism.frank:
                # The peer may want to know; libzmq never tells (37-45).
                self._say(encode_error(str(error).encode("ascii", "replace")))
            self.state = State.CLOSED
            raise
        if event is not NEED_DATA and type(event) is not list:  # a message moves nothing, and there are many
            self.state = TRANSITIONS[self.state, type(event)]
        return event

    @property
    def held(self) -> int:
        """Octets received of which nothing has been told yet."""
        return self.decoder.held

    @property
    def greeting_octets(self) -> int | None:
        """How many octets of the peer's greeting have come; None when all have."""
        return len(self._greeting) if self.peer_version == (0, 0) else None

    @property
    def has_to_say(self) -> bool:
        """Has data_to_send something?"""
        return bool(self._to_send or self._answers)

    def data_to_send(self) -> bytes:
        """What the protocol itself has to say (greeting, handshake, PONG); b"" if nothing. It is given once."""
        for command in self._answers:
            self._to_send += self._encode(COMMAND, command)
        self._answers.clear()
        data = bytes(self._to_send)
        self._to_send.clear()
        return data

    def receive_auth_reply(self, verdict: AuthReply) -> None:
        """Whether the peer of the last AuthRequest may come in. Raises Refused, and tells the peer, if it may not.

        The peer hears of 400 and 500 and not of 300, which means "try again" (24-8, 26-29).
        """
        self.awaiting_auth = False
        if verdict.status == 200:
            self._judged = verdict.metadata
            self._take_steps(self._mechanism.admitted())
            return
        if verdict.status >= 400:
            self._say(encode_error(str(verdict.status).encode()))
        self.state = State.CLOSED
        raise Refused(f"refused with status {verdict.status}: {verdict.text}", verdict.status)

    def _read_event(self) -> Event | _NeedData:
        read = _READ[self.state]
        event = read(self)
        if event is NEED_DATA and self._ended and self.decoder.allowance > 0:
            return ConnectionClosed(self._what_was_cut_off())
        return event

    def _read_greeting(self) -> Event | _NeedData:
        if len(self._greeting) < GREETING_SIZE:
            check_greeting(self._greeting)
            return NEED_DATA
        greeting = decode_greeting(bytes(self._greeting[:GREETING_SIZE]))
        check_mechanism(greeting, self._mechanism.name)
        self.peer_version = (greeting.major, greeting.minor)
        self.knows_ping = self.knows_ping or self.peer_version >= (3, 1)
        self.decoder.receive_data(bytes(self._greeting[GREETING_SIZE:]))
        self._greeting.clear()
        self._take_steps(self._mechanism.open(self._metadata))
        return greeting

    def _read_handshake(self) -> Event | _NeedData:
        while self._told is None and not self.awaiting_auth and (frame := self.decoder.next_frame()) is not None:
            flags, body = frame
            if not flags & COMMAND:
                raise ProtocolError(
                    'a message before READY, required are commands until both are ready (37/ZMTP "Overall Behavior")',
                    Violation.UNEXPECTED_COMMAND,
                )
            if body.startswith(MISSPELT_ERROR):
                return decode_error(body[5:])
            name, data = decode_command(body)
            if name == b"ERROR":
                return decode_error(data)
            self._take_steps(self._mechanism.receive(name, data))
        told, self._told = self._told, None
        return told or NEED_DATA

    def _take_steps(self, steps: Steps) -> None:
        """Do what the mechanism wants done. At most one of the steps is an event, and it is the last."""
        if steps and isinstance(steps[-1], Ready):
            self._check_metadata(steps[-1].metadata)
        for step in steps:
            if isinstance(step, bytes):
                self._say(step)
            elif isinstance(step, Ready):
                self.decoder.limit, self.decoder.whose_limit = self._max_message_size, "maxmsgsize"
                # Who the peer is, only the verdict says: a User-Id that it gives itself is worth nothing.
                claimed = {name: value for name, value in step.metadata.items() if name != b"user-id"}
                self._told = Ready(claimed | self._judged)
            else:
                self.awaiting_auth = True
                self._told = step

    def _read_traffic(self) -> Event | _NeedData:
        decoder = self.decoder
        while decoder.allowance > 0 and (frame := decoder.next_frame()) is not None:
            flags, body = frame
            if self._mechanism.seals:
                # What is outside of the box says nothing, whether MORE or COMMAND: the flags that count are inside.
                # (RFC 37 has MESSAGE in command frames, libzmq in message frames; some peers repeat the MORE.)
                decoder.allowance -= box_work(len(body))
                flags, body = self._mechanism.unseal(body)
            if flags & COMMAND:
                decoder.allowance -= COMMAND_WORK
                # It may stand between two frames of one message: libzmq's timer sends PING there. So the frames that
                # we have of that message stay where they are.
                event = decode_traffic(*decode_command(body))
                if type(event) is Ping:
                    self.knows_ping = True
                    self._answers.append(encode_command(b"PONG", event.context))
                if event is not None:
                    return event
                continue
            self._message.append(body)
            if self._publishes:
                decoder.allowance -= COMMAND_WORK
                if len(self._message) > MOST_REQUESTS:
                    raise self._too_many_requests()
            if not flags & MORE:
                message, self._message = self._message, []
                self._unfinished = 0
                return message
            decoder.allowance -= FRAME_WORK
            self._unfinished += len(body) + FRAME_COST
            if self._unfinished > self._max_unfinished or len(self._message) > MOST_FRAMES:
                raise self._endless()
        return NEED_DATA

    def _endless(self) -> ProtocolError:
        """maxmsgsize limits a frame, and nothing in the protocol limits how many make a message."""
        frames = len(self._message)
        self._message = []
        found = f"{frames} frame{'s' * (frames > 1)} of a message whose last has not come"
        limit = (
            f"{self._max_unfinished} octets, counting {FRAME_COST} more for each frame; raise it if the peer is"
            " to send such messages (maxunfinished)"
        )
        if frames > MOST_FRAMES:
            limit = f"{MOST_FRAMES} frames: send it as several messages"
        return ProtocolError(f"{found}, {self._unfinished - frames * FRAME_COST} octets; the limit is {limit}")

    def _too_many_requests(self) -> ProtocolError:
        self._message = []
        return ProtocolError(
            f"a subscriber's message of more than {MOST_REQUESTS} frames; a publisher reads each frame as a"
            " subscription, so send them as several messages"
        )

    def _read_nothing(self) -> Event | _NeedData:
        return ConnectionClosed("")

    def _say(self, command: bytes) -> None:
        self._to_send += encode_frame(command, COMMAND)

    def _check_metadata(self, metadata: dict[bytes, bytes]) -> None:
        """Is this a peer for us? (37-44, 37-47). A peer that does not say what it is, is given the benefit (37-41)."""
        name, welcome = metadata.get(b"socket-type"), PEERS[self._socket_type]
        if name is not None and SocketType.__members__.get(name.decode("latin-1")) not in welcome:
            names = " or ".join(sorted(peer.name for peer in welcome))
            raise ProtocolError(
                f"{self._socket_type.name} cannot talk to {printable(name)},"
                f' a {self._socket_type.name} talks to {names} (37/ZMTP "The Socket-Type Property")',
                Violation.INVALID_METADATA,
            )
        identity = metadata.get(b"identity", b"")
        if len(identity) > 255:
            raise ProtocolError(
                f'identity of {len(identity)} octets, required are at most 255 (37/ZMTP "The Identity Property")',
                Violation.INVALID_METADATA,
            )

    def _what_was_cut_off(self) -> str:
        if self.state is State.GREETING:
            return f"after {len(self._greeting)} of the 64 octets of the greeting"
        if self.state is State.HANDSHAKE:
            return "in the handshake"
        if self.decoder.held:
            return f"inside a frame, {self.decoder.held} octets into it"
        return f"inside a message, after {len(self._message)} of its frames" if self._message else ""

    # ------------------------------------------------------------------------------------------ messages in, bytes out

    def encode(self, items: Iterable[Item], room: int = sys.maxsize) -> tuple[int, list[bytes]]:
        """The first of items, as many as fill room octets: how many, and the buffers to send for them, in this order.

        A large frame in clear is a buffer of its own, so that it is not copied, and then its message is the only one.
        The peer has to get what this gives in the order of the calls, and what `data_to_send` has before all of it: our
        own READY may still be there when the peer's is in, and a message in front of it would be the end (37-33).
        Calling this before Ready was handed out, or after the end, is a RuntimeError: the mistake is the caller's.
        """
        if self.state is not TRAFFIC:
            raise RuntimeError(f"encode() in state {self.state.name}: wait until next_event() has given Ready")
        if not self._mechanism.seals:
            return join_messages(items, room, self._encode_other)
        seal = self._mechanism.seal
        return join_each(items, room, lambda item: seal(0, item) if type(item) is bytes else self._encode_sealed(item))

    def encode_run(self, run: Run) -> bytes:
        """All messages of a run. It may not grow any more, because the octets are kept in it for its other peers."""
        if run.octets is not None and self.state is TRAFFIC and not self._mechanism.seals:
            return run.octets
        pieces: list[bytes] = []
        left = run.messages
        while left:
            count, buffers = self.encode(left)
            pieces += buffers
            left = left[count:]
        octets = b"".join(pieces)
        if not self._mechanism.seals:
            run.octets = octets
        return octets

    def send(self, item: Item | Ping | Pong) -> bytes:
        """The bytes for one message, subscription or sign of life: `encode`, joined."""
        return b"".join(self.encode([item])[1])  # type: ignore[list-item]

    def _encode_other(self, item: Item | Ping | Pong) -> bytes:
        """What is no plain message.

        A peer of ZMTP 3.0 does not know SUBSCRIBE and CANCEL, and is sent the message form that 3.0 uses, 0x01 or 0x00
        and the prefix (37-58). ZMTP 3.0 has no PING either, so such a peer is sent none (the result is b"") until it
        has sent one itself, or `knows_ping` is set: libzmq 4.2 says 3.0 and answers PING.
        """
        if isinstance(item, SharedMessage):  # others get it as well, so it is encoded once
            if item.octets is None:
                item.octets = encode_message(item)
            return item.octets
        if isinstance(item, (Ping, Pong)):
            body = encode_ping(item) if isinstance(item, Ping) else encode_command(b"PONG", item.context)
            return self._encode(COMMAND, body) if self.knows_ping else b""
        assert isinstance(item, (Subscribe, Cancel))
        if self.peer_version >= (3, 1):
            name = b"SUBSCRIBE" if isinstance(item, Subscribe) else b"CANCEL"
            return self._encode(COMMAND, encode_command(name, item.prefix))
        return self._encode(0, as_message(item)[0])

    def _encode_sealed(self, item: Item | Ping | Pong) -> bytes:
        """Each frame of a message in a box, for this peer alone."""
        if not isinstance(item, list):
            return self._encode_other(item)
        last = len(item) - 1
        return b"".join(self._encode(MORE if i < last else 0, frame) for i, frame in enumerate(item))

    def _encode(self, flags: int, body: bytes) -> bytes:
        """One frame of traffic. A sealed one is a message frame without flags: its own are inside (37-84, 26-36)."""
        return self._mechanism.seal(flags, body) if self._mechanism.seals else encode_frame(body, flags)


_READ: dict[State, Callable[[Connection], Event | _NeedData]] = {
    State.GREETING: Connection._read_greeting,
    State.HANDSHAKE: Connection._read_handshake,
    State.TRAFFIC: Connection._read_traffic,
    State.CLOSED: Connection._read_nothing,
}
