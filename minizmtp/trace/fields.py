r"""Fields: the name of each, and its value in words.                                            RFC 37, 24, 26, 28, 29

The layouts and decoders of `wire` know where a field is. This module says how to present it to a reader: its name, its
value in words, and the section of the RFC that describes it.

    >>> [(piece.name, piece.octets, piece.value) for piece in header_pieces(b"\x04\x0e")]
    [('flags', b'\x04', 'a command'), ('size', b'\x0e', '14 octets follow')]
    >>> [(piece.name, piece.value) for piece in split_pieces(TRAFFIC["PING"], b"\x00\x14ctx", SECTIONS["PING"])]
    [('ttl', '2 s without a sign of life mean dead'), ('context', 'the PONG repeats it')]

Below this module: `wire`, `spans`. Read next: `naming`.
"""

from collections.abc import Callable, Iterator

from ..errors import Secret, printable
from ..wire import curve
from ..wire.commands import PING
from ..wire.frames import COMMAND, LONG, MORE
from ..wire.layout import REST, Layout, split
from .spans import Piece


def zmtp(section: str) -> str:
    """A section of the ZMTP specification itself."""
    return f'37/ZMTP 3.1, "{section}"'


# --------------------------------------------------------------------------------------------------- greeting, header

_GREETING = {
    "signature": ("identifies ZMTP", "Version Negotiation"),
    "padding": ("ignored", "Version Negotiation"),
    "version": ("", "Version Negotiation"),
    "mechanism": ("", "Authentication and Confidentiality"),
    "as-server": ("", "Topology"),
    "filler": ("zeros, up to 64 octets", "Formal Grammar"),
}


def greeting_piece(name: str, octets: bytes) -> Piece:
    """One field of a greeting."""
    value, section = _GREETING[name]
    if name == "signature" and octets != b"\xff":
        value = "identifies ZMTP 2.0 or later"
    elif name == "version":
        value = "ZMTP " + ".".join(str(octet) for octet in octets)
    elif name == "mechanism":
        value = f"{printable(octets.rstrip(bytes(1)))}, then zeros"
    elif name == "as-server":
        value = "1: the server of the handshake" if octets == b"\x01" else "0: the client, or not stated"
    return Piece(name, octets, value, zmtp(section), "greeting")


def header_pieces(header: bytes) -> list[Piece]:
    """Flags and size of a frame, or only the flags."""
    size = int.from_bytes(header[1:], "big")
    return [
        Piece("flags", header[:1], flag_words(header[0]), zmtp("Framing"), "framing"),
        Piece("size", header[1:], f"{size} octets follow", zmtp("Framing"), "framing"),
    ]


def flag_words(flags: int) -> str:
    """The meaning of a frame's flags, in words."""
    what = (
        "a command" if flags & COMMAND else "a message, " + ("MORE frames follow" if flags & MORE else "the last frame")
    )
    return what + (", long" if flags & LONG else "")


# ---------------------------------------------------------------------------------------------------- words, by field

SECTIONS = {
    "ERROR": zmtp("Error Handling"),
    "SUBSCRIBE": zmtp("The Publish-Subscribe Pattern"),
    "CANCEL": zmtp("The Publish-Subscribe Pattern"),
    "JOIN": zmtp("The Radio-Dish Pattern"),
    "LEAVE": zmtp("The Radio-Dish Pattern"),
    "PING": zmtp("Connection Heartbeating"),
    "PONG": zmtp("Connection Heartbeating"),
}
METADATA = zmtp("Connection Metadata")
SEALED = '26/CURVEZMQ, "The MESSAGE Command"'

DATA: Layout = (("data", REST),)
TRAFFIC: dict[str, Layout] = {
    "SUBSCRIBE": (("prefix", REST),),
    "CANCEL": (("prefix", REST),),
    "JOIN": (("group", REST),),
    "LEAVE": (("group", REST),),
    "PING": PING,
    "PONG": (("context", REST),),
}

PROPERTIES = {b"socket-type": "the socket type", b"identity": "the routing id for a ROUTER"}


def _octets(octets: bytes) -> str:
    return f"{int.from_bytes(octets, 'big')} octets"


def _ttl(octets: bytes) -> str:
    tenths = int.from_bytes(octets, "big")
    return f"{tenths / 10:g} s without a sign of life mean dead" if tenths else "0: no limit"


WORDS: dict[str, Callable[[bytes], str]] = {
    "name length": lambda octets: f"{octets[0]} letters",
    "value length": lambda octets: _octets(octets) if any(octets) else "0 octets: it is empty",
    "value": printable,
    "data": lambda octets: "ignored, because the command is unknown",
    "prefix": lambda octets: f"topics that begin with {printable(octets)}",
    "group": lambda octets: f"the group {printable(octets)}",
    "ttl": _ttl,
    "context": lambda octets: "the PONG repeats it",
    "reason length": _octets,
    "reason": printable,
    "username length": _octets,
    "username": printable,
    "password length": _octets,
    "password": lambda octets: "in clear",
    "version": lambda octets: "CurveZMQ " + ".".join(str(octet) for octet in octets),
    "padding": lambda octets: f"{len(octets)} zeros, longer than the answer",
    "C'": lambda octets: "the client's public key for this connection",
    "S'": lambda octets: "the server's public key for this connection",
    "s'": lambda octets: "the server's secret key for this connection",
    "C": lambda octets: "the client's permanent public key",
    "S": lambda octets: "the server's permanent public key",
    "nonce": lambda octets: f"a counter: {int.from_bytes(octets, 'big')}" if len(octets) == 8 else "random",
    "box": lambda octets: (
        f"{len(octets) - curve.BOX_OVERHEAD} octets, encrypted, and {curve.BOX_OVERHEAD} that prove them"
    ),
    "cookie": lambda octets: "encrypted by the server for itself",
    "vouch": lambda octets: "encrypted with the client's permanent key",
    "zeros": lambda octets: f"{len(octets)} of them, which prove that it knows S",
}
# Fields that are masked when they are shown (see `spans.masked`).
HIDDEN = {"password", "s'"}
SECRET = {"C'", "S'", "s'", "C", "S", "nonce", "box", "cookie", "vouch", "zeros", "password"}


def piece(name: str, octets: bytes, source: str, kind: str = "command") -> Piece:
    """A field of a command, in words."""
    value = WORDS[name](octets) if octets else ""
    if name in HIDDEN:
        octets = Secret(octets)
    return Piece(name, octets, value, source, "secret" if name in SECRET else kind)


def split_pieces(layout: Layout, data: bytes, source: str) -> Iterator[Piece]:
    """The fields of a layout, in words."""
    return (piece(name, octets, source) for name, octets in split(layout, data))


def sealed_pieces(name: str, octets: bytes, opened: bytes | None, source: str) -> Iterator[Piece]:
    """A cookie or a vouch: a nonce, and a box that contains keys."""
    for field, part in split(curve.SEALED, octets):
        found = piece(field, part, source)._replace(name=f"{name} {field}")
        if field == "box":
            found = found._replace(value=WORDS[name](part))
            if opened is not None:
                inside = split_pieces(curve.COOKIE_BOX if name == "cookie" else curve.VOUCH_BOX, opened, source)
                found = found._replace(inside=tuple(inside))
        yield found
