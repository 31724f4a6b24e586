r"""WebSocket: one side's octets after the upgrade, when ZMTP follows.                             RFC 6455, 45/ZWS

    82         85      01 02 03 04   01    69 66                 one span each; the value of a masked octet is what
    binary     5       key           MORE  "hd", unmasked        it means, without the mask

The same functions as in `wire` read the headers and check them. What the mechanisms encrypt stays encrypted here.

    >>> tape = Tape(Side.SERVER)
    >>> tape.add(bytes.fromhex("82 06 00 68 65 6c 6c 6f"), at=0.0, write=0)
    >>> FrameSpeaker(tape).hear()
    >>> [(span.name, span.value) for span in tape.spans]
    [('FIN, opcode', 'binary'), ('size', '6'), ('flags', 'last frame'), ('frame', "b'hello'")]

Below this module: `spans`. Above it: `http`. Read next: `http`.
"""

from ..errors import ProtocolError, printable
from ..wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, Header, check_header, mask, read_header
from .spans import AFTERWARDS, NOT_WHOLE, Piece, Side, Tape, as_wrong

OPCODES = {CONTINUATION: "goes on", 1: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
FLAGS = {0: "last frame", 1: "MORE", 2: "COMMAND"}
RFC_6455, ZWS = "RFC 6455 §5.2", '45/ZWS "Framing"'


class FrameSpeaker:
    """One side. tape: its octets must be added there before `hear` is called. rest: the name of octets not yet cut."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.rest = NOT_WHOLE
        self._in_message = False

    def hear(self) -> None:
        """Cut the frames that are complete."""
        while self.rest is NOT_WHOLE and (header := read_header(bytes(self.tape.held[:14]), 0)) is not None:
            try:
                check_header(header, masked=self.tape.side is Side.CLIENT, in_message=self._in_message)
            except ProtocolError as error:
                self.tape.cut(as_wrong(self._header(header)[0], str(error)))
                self.rest = AFTERWARDS
                return
            if len(self.tape.held) < header.length + header.size:
                return
            payload = bytes(self.tape.held[header.length : header.length + header.size])
            pieces = [*self._header(header), *self._payload(header, payload)]
            if header.opcode < CLOSE:
                self._in_message = not header.fin
            self.tape.cut_all(pieces)

    def _header(self, header: Header) -> list[Piece]:
        octets, end = bytes(self.tape.held[: header.length]), header.length - len(header.key)
        first = OPCODES.get(header.opcode, "?") + ("" if header.fin else ", more frames follow")
        masked = ", masked" if header.key else ""
        return [
            Piece("FIN, opcode", octets[:1], first, RFC_6455),
            Piece("size", octets[1:end], f"{header.size}{masked}", RFC_6455),
            Piece("masking key", octets[end:], "XORed with what follows", "RFC 6455 §5.3"),
        ]

    def _payload(self, header: Header, payload: bytes) -> list[Piece]:
        plain = mask(payload, header.key) if header.key else payload
        if header.opcode != BINARY or self._in_message:
            return [Piece("payload", payload, f"b'{printable(plain)}'", RFC_6455, "body")]
        if not plain:
            return []
        flags = FLAGS.get(plain[0])
        if flags is None:
            self.rest = AFTERWARDS
            return [as_wrong(Piece("flags", payload[:1], "", ZWS), f"{plain[0]:02x}, expected 00, 01 or 02"),
                    Piece("rest", payload[1:], AFTERWARDS.value, "", "wrong")]  # fmt: skip
        name, kind = ("command", "command") if plain[0] == 2 else ("frame", "body")
        return [
            Piece("flags", payload[:1], flags, ZWS),
            Piece(name, payload[1:], f"b'{printable(plain[1:])}'", ZWS, kind),
        ]
