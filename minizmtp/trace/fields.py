r"""Fields: what the octets of one frame are called, and what they say, in words.                 RFC 37, 24, 26, 28, 29

Whoever cut the frame off says what it is (a `Note`); here it is taken apart, by the layouts and with the functions of
`wire`, and each field gets a name, words, and the section of the RFC in which it is described.

    >>> [(piece.name, piece.octets, piece.value) for piece in header_pieces(b"\x04\x0e")]
    [('flags', b'\x04', 'a command'), ('size', b'\x0e', '14 octets follow')]

A frame that breaks a rule is taken apart as far as it can be, and the field that is at fault is the last.

What a message frame is called hangs on the socket types, as the READYs gave them: for a REQ the frames before the first
empty one are the envelope, for a PUB the first is the topic. The wire itself knows frames and no more than that.

Below this module: `wire`, `spans`, `curve`. Above it: `zmtp`. Read next: `zmtp`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from ..constants import SocketType
from ..errors import ProtocolError, printable
from ..wire import curve
from ..wire.commands import ERROR, PING, decode_command, metadata_fields
from ..wire.connection import MISSPELT_ERROR, State
from ..wire.frames import COMMAND, LONG, MORE
from ..wire.layout import REST, Layout, split
from ..wire.mechanisms import Mechanism
from ..wire.plain import hello_fields
from .curve import LAYOUTS, Witness
from .spans import Piece, Side, as_wrong, mark


def zmtp(section: str) -> str:
    """A section of the RFC of ZMTP itself."""
    return f'37/ZMTP 3.1, "{section}"'


class Note(NamedTuple):
    """A frame as it was read, and in which state. header: how many octets flags and size have."""

    state: State
    header: int
    flags: int
    body: bytes


# --------------------------------------------------------------------------------------------------- greeting, header

_GREETING = {
    "signature": ("this is ZMTP", "Version Negotiation"),
    "padding": ("carries no meaning", "Version Negotiation"),
    "version": ("", "Version Negotiation"),
    "mechanism": ("", "Authentication and Confidentiality"),
    "as-server": ("", "Topology"),
    "filler": ("zeros, up to 64 octets", "Formal Grammar"),
}


def greeting_piece(name: str, octets: bytes) -> Piece:
    """One field of a greeting."""
    value, section = _GREETING[name]
    if name == "signature" and octets != b"\xff":
        value = "and not as old as ZMTP 1.0"
    elif name == "version":
        value = "ZMTP " + ".".join(str(octet) for octet in octets)
    elif name == "mechanism":
        value = f"{printable(octets.rstrip(bytes(1)))}, then zeros"
    elif name == "as-server":
        value = "this side is the server of the handshake" if octets == b"\x01" else "0: says nothing"
    return Piece(name, octets, value, zmtp(section), "greeting")


def header_pieces(header: bytes) -> list[Piece]:
    """Flags and size of a frame, or the flags alone."""
    size = int.from_bytes(header[1:], "big")
    return [
        Piece("flags", header[:1], flag_words(header[0]), zmtp("Framing"), "framing"),
        Piece("size", header[1:], f"{size} octets follow", zmtp("Framing"), "framing"),
    ]


def flag_words(flags: int) -> str:
    """What the flags of a frame say."""
    what = (
        "a command" if flags & COMMAND else "a message, " + ("MORE frames follow" if flags & MORE else "the last frame")
    )
    return what + (", long" if flags & LONG else "")


# ---------------------------------------------------------------------------------------------------- words, by field

SECTIONS = {
    "ERROR": zmtp("Error Handling"),
    "SUBSCRIBE": zmtp("The Publish-Subscribe Pattern"),
    "CANCEL": zmtp("The Publish-Subscribe Pattern"),
    "PING": zmtp("Connection Heartbeating"),
    "PONG": zmtp("Connection Heartbeating"),
}
METADATA = zmtp("Connection Metadata")

DATA: Layout = (("data", REST),)
TRAFFIC: dict[str, Layout] = {
    "SUBSCRIBE": (("prefix", REST),),
    "CANCEL": (("prefix", REST),),
    "PING": PING,
    "PONG": (("context", REST),),
}

PROPERTIES = {b"socket-type": "what this socket is", b"identity": "what a ROUTER is to call it"}


def _octets(octets: bytes) -> str:
    return f"{int.from_bytes(octets, 'big')} octets"


def _ttl(octets: bytes) -> str:
    tenths = int.from_bytes(octets, "big")
    return f"{tenths / 10:g} s: after so long a silence, take me for dead" if tenths else "0: none"


WORDS: dict[str, Callable[[bytes], str]] = {
    "name length": lambda octets: f"{octets[0]} letters",
    "value length": _octets,
    "value": printable,
    "data": lambda octets: "of a command that is not known here, and ignored",
    "prefix": lambda octets: f"topics that begin with {printable(octets)}",
    "ttl": _ttl,
    "context": lambda octets: "goes there and back unchanged",
    "reason length": _octets,
    "reason": printable,
    "username length": _octets,
    "username": printable,
    "password length": _octets,
    "password": printable,
    "version": lambda octets: "CurveZMQ " + ".".join(str(octet) for octet in octets),
    "padding": lambda octets: f"{len(octets)} zeros: no answer to it is longer",
    "C'": lambda octets: "the client's public key for this connection",
    "S'": lambda octets: "the server's public key for this connection",
    "s'": lambda octets: "the server's secret key for this connection",
    "C": lambda octets: "the client's permanent public key: this is who it is",
    "S": lambda octets: "the server's permanent public key: this is whom it means",
    "nonce": lambda octets: f"counts: {int.from_bytes(octets, 'big')}" if len(octets) == 8 else "random",
    "box": lambda octets: (
        f"sealed: {len(octets) - curve.BOX_OVERHEAD} octets, and {curve.BOX_OVERHEAD} that vouch for them"
    ),
    "cookie": lambda octets: "the server's own state, sealed for itself",
    "vouch": lambda octets: "sealed with the client's permanent key",
    "zeros": lambda octets: f"{len(octets)} of them: only to show that it knows the server's key",
}
SECRET = {"C'", "S'", "s'", "C", "S", "nonce", "box", "cookie", "vouch", "zeros", "password"}


def piece(name: str, octets: bytes, source: str, kind: str = "command") -> Piece:
    """A field of a command, in words."""
    value = WORDS[name](octets) if octets else ""
    return Piece(name, octets, value, source, "secret" if name in SECRET else kind)


def as_far_as_it_goes(pieces: Iterable[Piece]) -> list[Piece]:
    """All up to the one behind which a broken rule shows."""
    found: list[Piece] = []
    with suppress(ProtocolError):
        for each in pieces:
            found.append(each)  # noqa: PERF402  # extend() would keep nothing of what came before the error
    return found


def up_to_wrong(pieces: list[Piece]) -> list[Piece]:
    """The pieces up to the first that is wrong."""
    end = next((number for number, each in enumerate(pieces, 1) if each.wrong), len(pieces))
    return pieces[:end]


# -------------------------------------------------------------------------------------------------------------- frames


class Namer:
    """One side's frames, one after the other.

    socket_types: of both sides, as soon as they are known. check_property: raises ProtocolError for what no peer may
    say of itself.
    """

    def __init__(
        self,
        side: Side,
        socket_types: Mapping[Side, SocketType],
        mechanism: Mechanism,
        check_property: Callable[[bytes, bytes], None],
    ) -> None:
        self._side = side
        self._socket_types = socket_types
        self._mechanism = mechanism
        self._check_property = check_property
        self._frames = 0  # of the message that is not whole
        self._delimited = False  # and whether its delimiter has come

    def name(self, note: Note, error: ProtocolError | None) -> list[Piece]:
        """The fields of a frame. With an error, that it is refused with: up to the field that is at fault."""
        size = len(note.body).to_bytes(note.header - 1, "big")
        header = header_pieces(bytes([note.flags]) + size)
        if self._mechanism.seals and note.state is State.TRAFFIC:
            body = self._sealed(note, error)
        elif note.flags & COMMAND:
            body = self._command(note.state, note.body, error)
        else:
            if self._delimits(note.flags, note.body):
                header[1] = header[1]._replace(
                    value="0, an empty frame: the delimiter", source=self._pattern("28/REQREP")
                )
            body = self._message(note.flags, note.body)
        if error is None:
            return header + body
        if any(each.wrong for each in body):
            return header + up_to_wrong(body)
        return mark(header, 0, str(error))

    # ------------------------------------------------------------------------------------------------------- messages

    def _types(self) -> tuple[SocketType | None, SocketType | None]:
        return self._socket_types.get(self._side), self._socket_types.get(self._side.other)

    def _has_envelope(self) -> bool:
        """Between DEALERs and ROUTERs there need not be one."""
        return any(kind in (SocketType.REQ, SocketType.REP) for kind in self._types())

    def _pattern(self, rfc: str) -> str:
        ours = self._types()[0]
        return f'{rfc}, "The {ours.name} Socket Type"' if ours is not None else rfc

    def _delimits(self, flags: int, body: bytes) -> bool:
        return self._has_envelope() and not body and bool(flags & MORE) and not self._delimited

    def _message(self, flags: int, body: bytes) -> list[Piece]:
        """One message frame. Only the body: the header is the same for all."""
        delimits, first = self._delimits(flags, body), not self._frames
        self._frames = self._frames + 1 if flags & MORE else 0
        in_envelope = self._has_envelope() and not self._delimited and bool(flags & MORE)
        self._delimited = bool(flags & MORE) and (self._delimited or delimits)
        ours, source = self._types()[0], self._pattern("29/PUBSUB")
        if first and ours in (SocketType.SUB, SocketType.XSUB) and body[:1] in (b"\x01", b"\x00"):
            what = "subscribe" if body[0] else "cancel"
            return [
                Piece("subscription", body[:1], f"{what}, in a message", source, "body"),
                Piece("prefix", body[1:], f"topics that begin with {printable(body[1:])}", source, "body"),
            ]
        if first and ours in (SocketType.PUB, SocketType.XPUB):
            return [Piece("topic", body, "what subscriptions are compared with", source, "body")]
        if in_envelope:
            return [Piece("envelope", body, "the way back", self._pattern("28/REQREP"), "body")]
        return [Piece("body", body, "what the program sent", zmtp("Messages"), "body")]

    # ------------------------------------------------------------------------------------------------------- commands

    def _command(self, state: State, body: bytes, error: ProtocolError | None) -> list[Piece]:
        if state is State.HANDSHAKE and body.startswith(MISSPELT_ERROR):
            words = "ERROR, as libzmq's PLAIN server misspells it"
            front, data = [Piece("command", MISSPELT_ERROR, words, SECTIONS["ERROR"])], body[len(MISSPELT_ERROR) :]
            return self._marked(front, split_pieces(ERROR, data, SECTIONS["ERROR"]), data, error)
        try:
            name, data = decode_command(body)
        except ProtocolError as malformed:
            length, letters = body[:1], body[1 : 1 + body[0]] if body else b""
            pieces = [piece("name length", length, zmtp("Commands")), Piece("command", letters, "", zmtp("Commands"))]
            return mark(pieces, malformed.at or 0, str(malformed)) if body else []
        word = name.decode("ascii")
        source = self._source(state, word)
        front = [piece("name length", body[:1], zmtp("Commands")), Piece("command", name, word, source)]
        return self._marked(front, self._data(state, word, data, source, error), data, error)

    def _marked(
        self, front: list[Piece], fields: Iterable[Piece], data: bytes, error: ProtocolError | None
    ) -> list[Piece]:
        """Name and data of a command; with an error up to the field at fault, which is the name if no other is."""
        pieces = as_far_as_it_goes(fields)
        if error is None:
            return front + pieces
        if any(each.wrong for each in pieces):
            return front + up_to_wrong(pieces)
        if error.at is None:
            return mark(front, sum(len(each.octets) for each in front) - 1, str(error))
        named = sum(len(each.octets) for each in pieces)
        begin = sum(len(each.octets) for each in front)
        return mark([*front, *pieces, Piece("data", data[named:], "")], begin + error.at, str(error))

    def _source(self, state: State, name: str) -> str:
        if name in SECTIONS:
            return SECTIONS[name]
        if state is State.HANDSHAKE and self._mechanism.name == b"PLAIN":
            return "24/ZMTP-PLAIN"
        if state is State.HANDSHAKE and self._mechanism.name == b"CURVE":
            return f'26/CURVEZMQ, "The {name} Command"'
        return zmtp("The NULL Security Mechanism") if name == "READY" else zmtp("Commands")

    def _data(self, state: State, name: str, data: bytes, source: str, error: ProtocolError | None) -> Iterable[Piece]:
        mechanism = self._mechanism.name
        if state is State.TRAFFIC:
            return split_pieces(TRAFFIC.get(name, DATA), data, source)
        if name == "ERROR":
            return split_pieces(ERROR, data, source)
        if mechanism == b"CURVE" and name in LAYOUTS:
            return self._with_box(name, data, source, error)
        if mechanism == b"PLAIN" and name == "HELLO":
            return (piece(*field, source) for field in hello_fields(data))
        if name in ("READY", "INITIATE"):
            return self._metadata(data)
        return split_pieces(DATA, data, source)

    def _metadata(self, data: bytes) -> Iterator[Piece]:
        property_name = b""
        for name, octets in metadata_fields(data):
            if name == "property":
                property_name = octets
                words = PROPERTIES.get(octets.lower(), "of the peer")
                yield Piece(name, octets, words, METADATA, "metadata")
                continue
            value = piece(name, octets, METADATA, "metadata")
            if name == "value":
                value = self._checked(property_name, value)
            yield value

    def _checked(self, property_name: bytes, value: Piece) -> Piece:
        try:
            self._check_property(property_name, value.octets)
        except ProtocolError as error:
            return as_wrong(value, str(error))
        return value

    # ---------------------------------------------------------------------------------------------------------- CURVE

    @property
    def _witness(self) -> Witness | None:
        return getattr(self._mechanism, "real", None)

    def _with_box(self, name: str, data: bytes, source: str, error: ProtocolError | None) -> Iterator[Piece]:
        """The fields of a command of CURVE, with what is inside its box if that could be opened."""
        witness = self._witness
        for field, octets in split(LAYOUTS[name], data):
            if field == "cookie":
                yield from sealed_pieces("cookie", octets, witness.inner.get("cookie") if witness else None, source)
                continue
            found = piece(field, octets, source)
            if field == "box" and witness is not None and witness.opened is not None:
                inside = as_far_as_it_goes(self._inside(name, witness, source, error))
                found = found._replace(value="opened", inside=tuple(inside))
                if error is not None:
                    found = as_wrong(found, str(error))
            yield found

    def _inside(self, name: str, witness: Witness, source: str, error: ProtocolError | None) -> Iterator[Piece]:
        text = witness.opened or b""
        if name == "HELLO":
            yield piece("zeros", text, source)
        elif name == "READY":
            yield from self._metadata(text)
        elif name == "MESSAGE":
            yield from self._inside_message(text, error)
        else:
            for field, octets in split(curve.WELCOME_BOX if name == "WELCOME" else curve.INITIATE_BOX, text):
                if field == "metadata":
                    yield from self._metadata(octets)
                elif field in ("cookie", "vouch"):
                    yield from sealed_pieces(field, octets, witness.inner.get(field), source)
                else:
                    yield piece(field, octets, source)

    def _sealed(self, note: Note, error: ProtocolError | None) -> list[Piece]:
        if note.flags & MORE:
            return []
        if note.body[:8] != MESSAGE:
            return [Piece("body", note.body, str(error), kind="wrong", wrong=True)]
        front = [piece("name length", MESSAGE[:1], zmtp("Commands")), Piece("command", MESSAGE[1:], "MESSAGE", SEALED)]
        return self._marked(front, self._with_box("MESSAGE", note.body[8:], SEALED, error), note.body[8:], error)

    def _inside_message(self, text: bytes, error: ProtocolError | None) -> Iterator[Piece]:
        flags_piece = Piece("flags", text[:1], "", SEALED, "framing")
        try:
            flags, body = curve.read_flags(text)
        except ProtocolError as wrong_flags:
            yield as_wrong(flags_piece, str(wrong_flags))
            return
        yield flags_piece._replace(value=flag_words(flags))
        yield from self._command(State.TRAFFIC, body, error) if flags & COMMAND else self._message(flags, body)


MESSAGE = b"\x07MESSAGE"
SEALED = '26/CURVEZMQ, "The MESSAGE Command"'


def split_pieces(layout: Layout, data: bytes, source: str) -> Iterator[Piece]:
    """The fields of a layout, in words."""
    return (piece(name, octets, source) for name, octets in split(layout, data))


def sealed_pieces(name: str, octets: bytes, opened: bytes | None, source: str) -> Iterator[Piece]:
    """A cookie or a vouch: a nonce, and a box in which keys are."""
    for field, part in split(curve.SEALED, octets):
        found = piece(field, part, source)._replace(name=f"{name} {field}")
        if field == "box":
            found = found._replace(value=WORDS[name](part))
            if opened is not None:
                inside = split_pieces(curve.COOKIE_BOX if name == "cookie" else curve.VOUCH_BOX, opened, source)
                found = found._replace(inside=tuple(inside))
        yield found
