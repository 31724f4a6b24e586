r"""Naming: one side's frames, split into fields.                                     37/ZMTP 3.1, RFC 24, 26, 28, 29

`zmtp` describes each frame that it has read by a `Note`. This module splits the frame into fields, with the layouts and
the functions by which `wire` reads it. A frame that breaks a rule is split up to the field at fault.

The name of a message frame depends on the socket types, which the READY commands contain, because on the wire all
message frames look alike:

    REQ, REP     the frames before the first empty one are the envelope, the empty one is the delimiter
    PUB, XPUB    the first frame is the topic
    RADIO        the first frame is the group
    SUB, XSUB    a message that begins with 01 or 00 subscribes or cancels, because ZMTP 3.0 has no command for it

    >>> messages = Messages(Side.CLIENT, {Side.CLIENT: SocketType.SUB})
    >>> [(piece.name, piece.octets) for piece in messages.name(0, b"\x01news")]
    [('subscription', b'\x01'), ('prefix', b'news')]

Below this module: `fields`, `curve`. Above it: `zmtp`. Read next: `zmtp`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from ..constants import SocketType
from ..errors import ProtocolError, Violation, printable
from ..wire import curve
from ..wire.commands import ERROR, decode_command
from ..wire.connection import MISSPELT_ERROR, State
from ..wire.frames import COMMAND, MORE
from ..wire.layout import split
from ..wire.mechanisms import Mechanism
from ..wire.metadata import metadata_fields
from ..wire.plain import hello_fields
from .curve import LAYOUTS, Witness
from .fields import (
    DATA,
    METADATA,
    PROPERTIES,
    SEALED,
    SECTIONS,
    TRAFFIC,
    flag_words,
    header_pieces,
    piece,
    sealed_pieces,
    split_pieces,
    zmtp,
)
from .spans import Piece, Side, as_wrong, mark

MESSAGE = b"\x07MESSAGE"


class Note(NamedTuple):
    """A frame as it was read, and the state in which it was read. header: the number of octets of flags and size."""

    state: State
    header: int
    flags: int
    body: bytes


class Messages:
    """Names one side's message frames. socket_types: those of both sides, filled in as they become known."""

    def __init__(self, side: Side, socket_types: Mapping[Side, SocketType]) -> None:
        self._side = side
        self._socket_types = socket_types
        self._is_first = True  # the next frame is the first of its message
        self._delimited = False  # the delimiter of the current message has come

    def name(self, flags: int, body: bytes) -> list[Piece]:
        """The pieces of a body. An empty frame has one empty piece, which may be a delimiter."""
        is_first, delimited, more = self._is_first, self._delimited, bool(flags & MORE)
        ours = self._socket_types.get(self._side)
        self._is_first = not more
        if ours in (SocketType.SUB, SocketType.XSUB) and is_first and body[:1] in (b"\x01", b"\x00"):
            source, what = pattern("29/PUBSUB", ours), "subscribe" if body[0] else "cancel"
            return [
                Piece("subscription", body[:1], f"{what}, as a message", source, "body"),
                Piece("prefix", body[1:], f"topics that begin with {printable(body[1:])}", source, "body"),
            ]
        if ours in (SocketType.PUB, SocketType.XPUB) and is_first:
            return [Piece("topic", body, "compared with the subscriptions", pattern("29/PUBSUB", ours), "body")]
        if ours is SocketType.RADIO and is_first:
            return [Piece("group", body, "compared with what was joined", zmtp("The Radio-Dish Pattern"), "body")]
        if more and not delimited and self._has_envelope(ours):
            self._delimited = not body
            name = "envelope" if body else "delimiter"
            return [Piece(name, body, "an address for the reply", pattern("28/REQREP", ours), "body")]
        self._delimited = delimited and more
        return [Piece("body", body, "what the program sent", zmtp("Messages"), "body")]

    def _has_envelope(self, ours: SocketType | None) -> bool:
        """Whether messages have an envelope. Between DEALERs and ROUTERs there need not be one."""
        both = (ours, self._socket_types.get(self._side.other))
        return SocketType.REQ in both or SocketType.REP in both


def pattern(rfc: str, kind: SocketType | None) -> str:
    """The section about a socket type."""
    return f'{rfc}, "The {kind.name} Socket Type"' if kind is not None else rfc


class Namer:
    """Names one side's frames, one after another.

    socket_types: those of both sides, filled in as they become known. check_property: raises ProtocolError for a
    property that a peer may not send.
    """

    def __init__(
        self,
        side: Side,
        socket_types: Mapping[Side, SocketType],
        mechanism: Mechanism,
        check_property: Callable[[bytes, bytes], None],
    ) -> None:
        self._mechanism = mechanism
        self._check_property = check_property
        self._messages = Messages(side, socket_types)

    def name(self, note: Note, error: ProtocolError | None) -> list[Piece]:
        """The fields of a frame. error: why it is refused, or None; if it is, they end with the field at fault."""
        size = len(note.body).to_bytes(note.header - 1, "big")
        header = header_pieces(bytes([note.flags]) + size)
        if self._mechanism.encrypts and note.state is State.TRAFFIC:
            body = self._sealed(note, error)
        elif note.flags & COMMAND:
            body = self._command(note.state, note.body, error)
        else:
            body = self._messages.name(note.flags, note.body)
            if body[0].name == "delimiter":
                header[1] = header[1]._replace(value="0, an empty frame: the delimiter", source=body[0].source)
        if error is None:
            return header + body
        if any(each.wrong for each in body):
            return header + up_to_wrong(body)
        return mark(header, 0, str(error))

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
        """Name and data of a command. With an error, they end with the field at fault, by default the name."""
        pieces = as_far_as_it_goes(fields)
        if error is None:
            return front + pieces
        out_of_turn = error.violation is Violation.UNEXPECTED_COMMAND  # then its data has not been checked
        if any(each.wrong for each in pieces) and not out_of_turn:
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
                words = PROPERTIES.get(octets.lower(), "not part of ZMTP")
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
        """The fields of a CURVE command, with the content of its box if it could be opened."""
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
        pieces = self._command(State.TRAFFIC, body, error) if flags & COMMAND else self._messages.name(flags, body)
        delimits = any(each.name == "delimiter" for each in pieces)
        yield flags_piece._replace(value=flag_words(flags) + (", empty: the delimiter" if delimits else ""))
        yield from pieces


def as_far_as_it_goes(pieces: Iterable[Piece]) -> list[Piece]:
    """All items before the error that the iterator raises."""
    found: list[Piece] = []
    with suppress(ProtocolError):
        for each in pieces:
            found.append(each)  # noqa: PERF402  # extend() would lose the items before the error
    return found


def up_to_wrong(pieces: list[Piece]) -> list[Piece]:
    """The pieces up to the first wrong one. If that is empty, it has no octet to mark, so the piece before it, which
    gives its size, is marked instead."""
    end = next((number for number, each in enumerate(pieces, 1) if each.wrong), len(pieces))
    *right, wrong = pieces[:end]
    return [*right, wrong] if wrong.octets or not right else [*right[:-1], as_wrong(right[-1], wrong.value)]
