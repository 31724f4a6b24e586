r"""ZMTP: one side's octets, decoded by the same Connection that our sockets use.              37/ZMTP 3.1

There is no second parser here. Each side's octets go to an `Ear`: a `wire.Connection` that plays the other end. Its
output is thrown away, and it notes each frame that its `FrameDecoder` reads. So `wire` decides where a frame ends,
which frame may come when, and whether a rule is broken; its layouts also say where the fields are. This module decides
only how to name them:

    octets ──► Ear (wire.Connection) ──► frames: flags, body ──► layouts of wire: name length, property, … ──► spans
                     │
                     └── ProtocolError: at which octet, what was found, what is required ──► that span is wrong

After a broken rule, the meaning of the octets is unknown: they form one span, which stays on the tape because it may
grow. The same holds for an incomplete frame, and for everything after ERROR.

    >>> from minizmtp.wire.greeting import encode_greeting
    >>> speaker = Speaker(Tape(Side.CLIENT), Conversation())
    >>> octets = encode_greeting(b"NULL") + b"\x04\x05\x04RE@D"
    >>> speaker.tape.add(octets, at=0.0, write=0); speaker.hear(octets)
    >>> [(span.name, span.octets) for span in speaker.tape.spans[-4:]]
    [('flags', b'\x04'), ('size', b'\x05'), ('name length', b'\x04'), ('command', b'RE@D')]
    >>> speaker.tape.spans[-1].wrong, speaker.tape.spans[-1].value                  # doctest: +ELLIPSIS
    (True, 'command that starts with 04 52 45 40 44, expected a length from 1 to 255 and as many letters ...')

Below this module: `wire`, `naming`. Above it: `both`. Read next: `http`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..constants import SocketType
from ..errors import ProtocolError, printable
from ..wire.batches import BatchDecoder
from ..wire.connection import HANDSHAKE_LIMIT, Connection, State
from ..wire.events import AuthReply, AuthRequest, Error, Ready
from ..wire.frames import LONG, Frame
from ..wire.greeting import GREETING, GREETING_SIZE, check_greeting, check_mechanism, decode_greeting
from ..wire.layout import split
from ..wire.mechanisms import Mechanism, Null, Steps
from ..wire.plain import PlainClient, PlainServer
from .curve import Keys, Secrets, Witness
from .fields import greeting_piece, header_pieces
from .naming import Namer, Note
from .spans import AFTERWARDS, NOT_WHOLE, Piece, Side, Tape, mark


class Conversation:
    """The state that both sides share."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.mechanism: dict[Side, bytes] = {}
        self.socket_type: dict[Side, SocketType] = {}
        self.secrets = Secrets(keys or Keys())
        self._client: Side | None = None

    def is_client(self, side: Side, name: bytes) -> bool:
        """Whether side is the client of the handshake. That is the side that sends HELLO, whichever side opened the
        connection, so the first command of either side decides. name: the name of side's first command."""
        if self._client is None:
            self._client = side if name == b"HELLO" else Side.CLIENT
        return self._client is side


class Role(Mechanism):
    """A mechanism that becomes the client's or the server's with the first command, which tells the side."""

    def __init__(self, side: Side, conversation: Conversation, name: bytes) -> None:
        self.name = name
        self.encrypts = name == b"CURVE"
        self.real: Mechanism | None = None
        self._side, self._conversation = side, conversation

    def open(self, metadata: Mapping[bytes, bytes]) -> Steps:
        return []

    def receive(self, name: bytes, data: bytes) -> Steps:
        if self.real is None:
            is_client = self._conversation.is_client(self._side, name)
            if self.encrypts:
                self.real = Witness(self._conversation.secrets, is_client)
            else:
                self.real = PlainServer() if is_client else PlainClient(b"", b"")
            self.real.open({})
        return self.real.receive(name, data)

    def on_accepted(self) -> Steps:
        assert self.real is not None
        return self.real.on_accepted()

    def encrypt(self, flags: int, bodies: Sequence[bytes]) -> list[bytes]:
        return []  # an answer, which is never sent

    def decrypt(self, bodies: Iterable[bytes]) -> Iterator[Frame]:
        assert self.real is not None
        return self.real.decrypt(bodies)


class NotingDecoder(BatchDecoder):
    """Notes each frame that it returns, and returns no other until the note has been taken."""

    def __init__(self, state: Callable[[], State]) -> None:
        super().__init__(HANDSHAKE_LIMIT, "before READY")
        self.note: Note | None = None
        self._state = state

    def next_frame(self) -> Frame | None:
        if self.note is not None:
            return None
        before = self.held
        if (frame := super().next_frame()) is not None:
            flags, body = frame
            self.note = Note(self._state(), before - self.held - len(body), flags, body)
        return frame

    def take_note(self) -> Note | None:
        note, self.note = self.note, None
        return note


class Ear(Connection):
    """A Connection that reads one side and sends nothing.

    refused: the error, once a rule is broken. If a frame was noted with it, that frame broke the rule; otherwise the
    header of the next one did. over: the peer has sent ERROR, and what follows isn't read.
    """

    def __init__(self, side: Side, conversation: Conversation, mechanism: Mechanism) -> None:
        super().__init__(SocketType.PAIR, mechanism=mechanism)
        self._side, self._conversation = side, conversation
        self._noting = self.decoder = NotingDecoder(lambda: self.state)
        self.refused: ProtocolError | None = None
        self.over = False

    def next_note(self) -> Note | None:
        """The next complete frame."""
        if self.refused or self.over:
            return None
        try:
            event = self.next_event()
        except ProtocolError as error:
            self.refused = error
        else:
            self._follow(event)
        self.data_to_send()  # discard our own output, because it is never sent
        return self._noting.take_note()

    def _follow(self, event: object) -> None:
        if isinstance(event, AuthRequest):
            self.receive_auth_reply(AuthReply(200))  # the other side's octets show what the real server decided
        elif isinstance(event, Ready) and (name := event.metadata.get(b"socket-type", b"").decode("latin-1")):
            if name in SocketType.__members__:
                self._conversation.socket_type[self._side] = SocketType[name]
        elif isinstance(event, Error):
            self.over = True

    def _check_metadata(self, metadata: dict[bytes, bytes]) -> None:
        """Check against the other side's socket type, if that is known by now."""
        ours = self._conversation.socket_type.get(self._side.other)
        if ours is None:
            metadata = {name: value for name, value in metadata.items() if name != b"socket-type"}
        else:
            self._socket_type = ours
        super()._check_metadata(metadata)

    def check_property(self, name: bytes, value: bytes) -> None:
        """Raises ProtocolError for a property that the peer may not send."""
        self._check_metadata({name.lower(): value})


class Speaker:
    """One side. tape: its octets must be added there before `hear` is called. rest: the name of octets not yet cut."""

    def __init__(self, tape: Tape, conversation: Conversation) -> None:
        self.tape = tape
        self._conversation = conversation
        self._greeting = b""
        self._named = 0  # the number of fields of the greeting that have been cut
        self._ear: Ear | None = None
        self._namer: Namer | None = None
        self.rest = NOT_WHOLE
        self._deaf = False

    def hear(self, octets: bytes) -> None:
        """Cut the spans that these octets complete. The octets are already on the tape."""
        if self._deaf:
            return
        if self._ear is None:
            self._greeting += octets
            octets = self._hear_greeting()
        if self._ear is not None and octets:
            self._ear.receive_data(octets)
            while not self._deaf and (note := self._ear.next_note()) is not None:
                self._hear_frame(self._ear, note)
            if self._ear.refused and not self._deaf:
                self._refuse_header(self._ear.refused)

    def end(self) -> None:
        """The stream has ended. ZMTP has no message for that."""

    def _stop(self, piece: Piece) -> None:
        """Stop reading. piece: the name of all octets from here on."""
        self._deaf, self.rest, self._greeting = True, piece, b""

    # ------------------------------------------------------------------------------------------------------- greeting

    def _hear_greeting(self) -> bytes:
        """Read the greeting; return the octets after it once it is complete."""
        pieces = [greeting_piece(*field) for field in split(GREETING, self._greeting)]
        whole = len(self._greeting) >= GREETING_SIZE
        try:
            check_greeting(self._greeting)
        except ProtocolError as error:
            # One octet is enough to decide, whether or not the rest of its field has come.
            *right, wrong = mark(pieces, error.at or 0, str(error))
            self._refuse([*right, wrong._replace(octets=wrong.octets[:1])][self._named :])
            return b""
        if whole:
            return self._end_greeting(pieces)
        # The other fields can be checked only when the greeting is complete.
        for piece, (_, size) in list(zip(pieces, GREETING, strict=True))[self._named : MECHANISM_FIELD]:
            if len(piece.octets) < size:
                break
            self.tape.cut(piece)
            self._named += 1
        return b""

    def _end_greeting(self, pieces: list[Piece]) -> bytes:
        side, mechanisms = self.tape.side, self._conversation.mechanism
        greeting = decode_greeting(self._greeting[:GREETING_SIZE])
        mechanisms[side] = greeting.mechanism
        try:
            check_mechanism(greeting, mechanisms.get(side.other, greeting.mechanism))
        except ProtocolError as error:
            self._refuse(mark(pieces, error.at or 0, str(error))[self._named :])
            return b""
        self.tape.cut_all(pieces[self._named :])
        rest, greeting_octets, self._greeting = self._greeting[GREETING_SIZE:], self._greeting[:GREETING_SIZE], b""
        mechanism = self._mechanism(greeting.mechanism)
        if mechanism is None:
            name = printable(greeting.mechanism)
            self._stop(REST._replace(value=f"not read: the mechanism {name} is not known here"))
            return b""
        self._ear = Ear(side, self._conversation, mechanism)
        self._ear.receive_data(greeting_octets)
        self._ear.next_note()
        self._namer = Namer(side, self._conversation.socket_type, mechanism, self._ear.check_property)
        return rest

    def _mechanism(self, name: bytes) -> Mechanism | None:
        if name == Null.name:
            return Null()
        return Role(self.tape.side, self._conversation, name) if name in (b"PLAIN", b"CURVE") else None

    # --------------------------------------------------------------------------------------------------------- frames

    def _hear_frame(self, ear: Ear, note: Note) -> None:
        assert self._namer is not None
        pieces = self._namer.name(note, ear.refused)
        if ear.refused:
            self._refuse(pieces)
            return
        self.tape.cut_all(pieces)
        if ear.over:
            self._stop(REST._replace(value="not read: ERROR ends the conversation"))

    def _refuse_header(self, error: ProtocolError) -> None:
        """Name the part of the header that the decoder has read: the flags, and the size if it is complete."""
        flags = self.tape.held[0]
        header = 9 if error.at and flags & LONG else 1 + (error.at or 0)
        pieces = header_pieces(bytes(self.tape.held[:header]))
        self._refuse(mark(pieces, error.at or 0, str(error)))

    def _refuse(self, pieces: list[Piece]) -> None:
        self.tape.cut_all(pieces)
        self._stop(AFTERWARDS)


MECHANISM_FIELD = [name for name, _ in GREETING].index("mechanism")
REST = Piece("rest", b"", "", kind="partial")
