r"""Metadata: what a peer says about itself, in READY or INITIATE.          37/ZMTP 3.1, "Connection Metadata"

A sequence of properties, without a count or an end mark:

    +-------------+------ - -+------------------+------- - -
    | name length | name     | value length     | value
    +-------------+------ - -+------------------+------- - -
      1 octet                  4 octets, big-endian

    >>> encode_metadata({b"Socket-Type": b"REQ", b"Identity": b""})
    b'\x0bSocket-Type\x00\x00\x00\x03REQ\x08Identity\x00\x00\x00\x00'

Two properties have a meaning: Socket-Type, so that both can check whether they fit together, and Identity, the routing
id by which a ROUTER should know the peer. A program can add its own, with names that start with `X-`.

    >>> check_metadata({b"socket-type": b"PULL"}, SocketType.REQ)
    Traceback (most recent call last):
    minizmtp.errors.ProtocolError: REQ cannot talk to PULL, expected REP or ROUTER ...

Try it: in `decode_metadata`, write `name` for `name.lower()`. A peer that writes `socket-type` is understood, but
libzmq, which writes `Socket-Type`, seems to have no type, so any two types talk to each other.

Read next: `mechanisms`.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from ..constants import PEERS, SocketType
from ..errors import ProtocolError, Violation, printable
from .commands import valid_length
from .layout import Field

_PROPERTY_NAME = re.compile(rb"[A-Za-z0-9\-_.+]+")
_LARGEST_VALUE = 2**31 - 1

# Decoding one property takes about 3 µs, and a command of 64 KiB could hold ten thousand of them.
MOST_PROPERTIES = 128

# Metadata of more octets than this isn't kept as text, because text may take sixteen times as much memory: an octet
# that isn't UTF-8 becomes four characters (\xNN), and each takes four octets if any character is above U+FFFF.
MOST_AS_TEXT = 4096


def our_metadata(socket_type: SocketType, identity: bytes) -> dict[bytes, bytes]:
    """What a socket says about itself. Only the types that can talk to a ROUTER send an Identity, even an empty one,
    because only a ROUTER looks at it (37-46)."""
    metadata = {b"Socket-Type": socket_type.name.encode()}
    if socket_type in (SocketType.REQ, SocketType.DEALER, SocketType.ROUTER):
        metadata[b"Identity"] = identity
    return metadata


def check_metadata(metadata: Mapping[bytes, bytes], ours: SocketType) -> None:
    """Raise ProtocolError if the peer's type doesn't fit ours, or its Identity is too long (37-44, 37-47). A peer that
    doesn't name its type is accepted (37-41)."""
    name, welcome = metadata.get(b"socket-type"), PEERS[ours]
    if name is not None and SocketType.__members__.get(name.decode("latin-1")) not in welcome:
        names = " or ".join(sorted(peer.name for peer in welcome))
        raise ProtocolError(
            f'{ours.name} cannot talk to {printable(name)}, expected {names} (37/ZMTP "The Socket-Type Property")',
            Violation.INVALID_METADATA,
        )
    if (length := len(metadata.get(b"identity", b""))) > 255:
        raise ProtocolError(
            f'identity of {length} octets, expected at most 255 (37/ZMTP "The Identity Property")',
            Violation.INVALID_METADATA,
        )


def encode_metadata(properties: Mapping[bytes, bytes]) -> bytes:
    """Encode properties in the order given. Names keep their case, because libzmq accepts `Socket-Type` only in this
    spelling."""
    return b"".join(
        bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value for name, value in properties.items()
    )


def decode_metadata(data: bytes) -> dict[bytes, bytes]:
    r"""The properties, as {name in lower case: value}.

    Names are case-insensitive (37-35). If a name occurs twice, its first value counts, as in libzmq. Unknown names are
    kept. Raises ProtocolError if a length runs past the end or a name is invalid (37-34 … 37-38), and for too many.

    >>> decode_metadata(b"\x0bSocket-Type\x00\x00\x00\x03REQ" b"\x08IDENTITY\x00\x00\x00\x00")
    {b'socket-type': b'REQ', b'identity': b''}
    """
    properties: dict[bytes, bytes] = {}
    fields = metadata_fields(data)
    for number, _ in enumerate(fields):  # the length of a name
        if number == MOST_PROPERTIES:
            raise ProtocolError(
                f"metadata of more than {MOST_PROPERTIES} properties, expected at most as many"
                ' (a limit of ours, 37/ZMTP "Connection Metadata" sets none)',
                Violation.INVALID_METADATA,
            )
        (_, name), _, (_, value) = islice(fields, 3)
        properties.setdefault(name.lower(), value)
    return properties


def metadata_fields(data: bytes) -> Iterator[Field]:
    r"""The fields of each property in order: name length, property, value length, value.

    Raises ProtocolError as `decode_metadata` does, after it has returned the invalid field.

    >>> list(metadata_fields(b"\x01a\x00\x00\x00\x02xy"))
    [('name length', b'\x01'), ('property', b'a'), ('value length', b'\x00\x00\x00\x02'), ('value', b'xy')]
    """
    start = 0
    while start < len(data):
        yield "name length", data[start : start + 1]
        value_length = start + 1 + data[start]
        name = data[start + 1 : value_length]
        if not name or value_length > len(data):
            raise _bad_property(data, start, at=start)
        yield "property", name
        if not _PROPERTY_NAME.fullmatch(name):
            raise _bad_property(data, start, at=start + 1 + valid_length(_PROPERTY_NAME, name))
        value = value_length + 4
        yield "value length", data[value_length:value]
        end = value + int.from_bytes(data[value_length:value], "big")
        if end > len(data) or end - value > _LARGEST_VALUE:
            raise _bad_property(data, start, at=value_length)
        yield "value", data[value:end]
        start = end


def _bad_property(data: bytes, start: int, at: int) -> ProtocolError:
    return ProtocolError(
        f"property that starts with {data[start : start + 12].hex(' ')}, expected a name of 1 to 255 of"
        ' A-Z a-z 0-9 - _ . + and a value that ends with the command (37/ZMTP "Connection Metadata")',
        Violation.INVALID_METADATA,
        at=at,
    )


class LongMetadata(Mapping[str, str]):
    """Metadata as text. Each value is decoded when it is read, and the text isn't kept."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name].decode("utf-8", "backslashreplace")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def metadata_as_text(metadata: Mapping[bytes, bytes]) -> Mapping[str, str]:
    r"""{name, each word capitalized: value}; octets that aren't UTF-8 become \xNN.

    >>> metadata_as_text({b"socket-type": b"REQ", b"x-a": b"\xff"})
    {'Socket-Type': 'REQ', 'X-A': '\\xff'}
    """
    if sum(map(len, metadata.values())) > MOST_AS_TEXT:
        return LongMetadata({name.decode().title(): value for name, value in metadata.items()})
    return {name.decode().title(): value.decode("utf-8", "backslashreplace") for name, value in metadata.items()}
