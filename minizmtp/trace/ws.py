r"""WebSocket: one side's octets after the upgrade, when ZMTP follows.                             RFC 6455, 45/ZWS

    82      05    00     68 6f 6c 61           a server's frame: the octets of the message stand in the stream
    binary  size  flags  body

    82      85    01 02 03 04  01 6a 6c …      a client's: they are masked, so they are one span, and what they mean
    binary  size  key          payload         is inside it, without the mask
                               └─ flags, body

There is no second parser here, either. `wire.websocket` reads and checks the headers. A whole message is translated to
a frame of ZMTP, as `wire.zws` does it, and `zmtp.Speaker` names its fields. Its greeting is made from the subprotocol.

    >>> tape = Tape(Side.SERVER)
    >>> tape.add(bytes.fromhex("82 06 00 68 65 6c 6c 6f"), at=0.0, write=0)
    >>> FrameSpeaker(tape, Conversation(), "ZWS2.0").hear()
    >>> [(span.name, span.value) for span in tape.spans]               # doctest: +NORMALIZE_WHITESPACE
    [('opcode', 'a binary message'), ('size', '6 octets follow'),
     ('flags', 'a message, the last frame: the routing id'), ('routing id', "b'hello'")]

Below this module: `zmtp`. Above it: `http`. Read next: `http`.
"""

from collections.abc import Iterable

from ..errors import ProtocolError, Secret, printable
from ..wire.commands import encode_command
from ..wire.frames import COMMAND, encode_frame
from ..wire.greeting import encode_greeting
from ..wire.metadata import encode_metadata
from ..wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, Header, check_header, mask, read_header
from ..wire.zws import read_flags
from .fields import flag_words
from .spans import AFTERWARDS, NOT_WHOLE, Piece, Side, Span, Tape, as_wrong, mark
from .zmtp import Conversation, Speaker

# The name of the first span of each frame.
OPCODE = "opcode"
OPCODES = {
    CONTINUATION: "goes on with a message",
    BINARY: "a binary message",
    CLOSE: "a close",
    PING: "a ping",
    PONG: "a pong",
}
FRAMING, MASKING, ZWS = "RFC 6455 §5.2", "RFC 6455 §5.3", '45/ZWS, "Framing"'


class FrameSpeaker:
    """One side. tape: its octets must be added there before `hear` is called. conversation: of both sides. subprotocol:
    the one that the server has chosen. rest: the name of octets not yet cut."""

    def __init__(self, tape: Tape, conversation: Conversation, subprotocol: str) -> None:
        self.tape = tape
        self.rest = NOT_WHOLE
        self._conversation = conversation
        self._inner = Speaker(Tape(tape.side), conversation)  # reads the frames as ZMTP
        self._may_greet = True  # a routing id may come instead of READY
        self._fragments: bytes | None = None  # of a message in several frames
        greeting = bytearray(encode_greeting((subprotocol.partition("/")[2] or "NULL").encode("latin-1")[:20]))
        greeting[11] = 0  # ZMTP 3.0, see `wire.switched`
        self._translate(bytes(greeting))

    def hear(self) -> None:
        """Cut the frames that are complete."""
        while self.rest is NOT_WHOLE and (header := read_header(bytes(self.tape.held[:14]), 0)) is not None:
            try:
                is_in_message = self._fragments is not None
                check_header(header, masked=self.tape.side is Side.CLIENT, in_message=is_in_message)
            except ProtocolError as error:
                self._stop_at([as_wrong(self._header(header)[0], str(error))])
                return
            if len(self.tape.held) < header.length + header.size:
                return
            payload = bytes(self.tape.held[header.length : header.length + header.size])
            pieces = self._header(header) + self._payload(header, payload)
            if wrong := [piece for piece in pieces if piece.wrong]:
                self._stop_at(pieces if wrong[0].octets else mark(pieces, header.length, wrong[0].value))
            else:
                self.tape.cut_all(pieces)

    def _stop_at(self, pieces: Iterable[Piece]) -> None:
        self.tape.cut_all(pieces)
        self.rest = AFTERWARDS

    def _header(self, header: Header) -> list[Piece]:
        octets, end = bytes(self.tape.held[: header.length]), header.length - len(header.key)
        words = OPCODES.get(header.opcode, "") + ("" if header.fin else ", more frames follow")
        pieces = [
            Piece(OPCODE, octets[:1], words, FRAMING, "framing"),
            Piece("size", octets[1:end], f"{header.size} octets follow", FRAMING, "framing"),
        ]
        if header.key:
            pieces[1] = pieces[1]._replace(value=f"masked, {pieces[1].value} the key")
            pieces.append(Piece("masking key", octets[end:], "XORed with what follows", MASKING, "framing"))
        return pieces

    def _payload(self, header: Header, payload: bytes) -> list[Piece]:
        pieces = self._pieces(header, mask(payload, header.key))
        if not header.key or not payload:
            return pieces
        wrong = next((piece.value for piece in pieces if piece.wrong), "")
        octets = Secret(payload) if any(isinstance(piece.octets, Secret) for piece in pieces) else payload
        kind = next((piece.kind for piece in pieces if piece.octets and piece.kind != "framing"), "framing")
        whole = Piece("payload", octets, "masked", MASKING, kind, inside=tuple(pieces))
        return [as_wrong(whole, wrong) if wrong else whole]

    def _pieces(self, header: Header, plain: bytes) -> list[Piece]:
        """What the payload means, without its mask."""
        if header.opcode == CLOSE:
            code = Piece("close code", plain[:2], str(int.from_bytes(plain[:2], "big")), "RFC 6455 §7.4", "command")
            return [code, Piece("reason", plain[2:], printable(plain[2:]), "RFC 6455 §7.1.6", "command")]
        if header.opcode in (PING, PONG):
            words = "the pong repeats it" if header.opcode == PING else "as in the ping"
            return [Piece("context", plain, words, "RFC 6455 §5.5.2", "command")]
        if header.fin and self._fragments is None:
            return self._message(plain)
        return self._fragment(header, plain)

    def _fragment(self, header: Header, plain: bytes) -> list[Piece]:
        """A part of a message. Its fields may begin in one frame and end in the next, so they are not shown."""
        hides = b"PLAIN" in self._conversation.mechanism.values()
        piece = Piece("part", Secret(plain) if hides else plain, "a part of a message", "RFC 6455 §5.4", "body")
        self._fragments = (self._fragments or b"") + plain
        if header.fin:
            whole, self._fragments = self._fragments, None
            wrong = next((piece.value for piece in self._message(whole) if piece.wrong), "")
            return [as_wrong(piece, wrong) if wrong else piece]
        return [piece]

    def _message(self, plain: bytes) -> list[Piece]:
        try:
            flags, body = read_flags(plain)
        except ProtocolError as error:
            wrong, rest = as_wrong(Piece("flags", plain[:1], "", ZWS), str(error)), plain[1:]
            return [wrong, AFTERWARDS._replace(octets=rest)]
        is_first, self._may_greet = self._may_greet, False
        front = Piece("flags", plain[:1], flag_words(flags), ZWS, "framing")
        if is_first and not flags and self._conversation.mechanism.get(self.tape.side) == b"NULL":
            self._translate(encode_frame(encode_command(b"READY", encode_metadata({b"Identity": body})), COMMAND))
            front = front._replace(value=front.value + ("" if body else ", empty") + ": the routing id")
            return [front, Piece("routing id", body, f"b'{printable(body)}'", ZWS, "metadata")]
        octets = encode_frame(body, flags)
        spans = self._translate(octets)
        begin = spans[0].offset + len(octets) - len(body) if spans else 0
        wrong_header = next((span.value for span in spans if span.wrong and span.offset < begin), "")
        if wrong_header:
            front = as_wrong(front, wrong_header)
        elif any("delimiter" in span.value for span in spans):
            front = front._replace(value=f"{front.value}, empty: the delimiter")
        pieces = [piece_of(span) for span in spans if span.offset >= begin]
        rest = body[sum(len(piece.octets) for piece in pieces) :]
        return [front, *pieces, self._inner.rest._replace(octets=rest)]

    def _translate(self, octets: bytes) -> list[Span]:
        """The spans of these octets of ZMTP."""
        tape = self._inner.tape
        tape.spans.clear()
        tape.add(octets, 0.0, 0)
        self._inner.hear(octets)
        if self._inner.rest is not NOT_WHOLE:
            tape.held.clear()
        return list(tape.spans)


def piece_of(span: Span) -> Piece:
    """The same without a place."""
    inside = tuple(piece_of(inner) for inner in span.inside)
    return Piece(span.name, span.octets, span.value, span.source, span.kind, span.wrong, inside)
