r"""Commands: how two peers control their connection.                      37/ZMTP 3.1, "Commands" and "Formal Grammar"

The body of a COMMAND frame is a name and data:

    +-------------+----------- - -+------- - -
    | name length | name          | data
    +-------------+----------- - -+------- - -
      1 octet       ASCII letters   as the name requires

    READY, INITIATE   metadata            SUBSCRIBE, CANCEL   prefix
    ERROR             length(1) reason    PING                ttl(2, tenths of a second) context(0–16)
                                          PONG                the context of the PING

    >>> encode_command(b"SUBSCRIBE", b"news")
    b'\tSUBSCRIBEnews'
    >>> decode_command(b"\x04PING\x00\x14ctx")
    (b'PING', b'\x00\x14ctx')
    >>> decode_traffic(*decode_command(b"\x04PING\x00\x14ctx"))         # 0x14 tenths: two seconds
    Ping(ttl=20, context=b'ctx')

(The RFC's prose puts a null between name and data. Its grammar doesn't, and no implementation does.)

*Metadata* is a sequence of properties, without a count or an end mark:

    +-------------+------ - -+------------------+------- - -
    | name length | name     | value length     | value
    +-------------+------ - -+------------------+------- - -
      1 octet                  4 octets, big-endian

    >>> encode_metadata({b"Socket-Type": b"REQ", b"Identity": b""})
    b'\x0bSocket-Type\x00\x00\x00\x03REQ\x08Identity\x00\x00\x00\x00'

The handshakes in `mechanisms` exchange metadata; `connection` uses the other commands.
Read next: `mechanisms`.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from ..errors import ProtocolError, Violation
from .events import Cancel, Error, Ping, Pong, Subscribe
from .layout import REST, Field, Layout, split

_COMMAND_NAME = re.compile(rb"[A-Za-z]+")
_PROPERTY_NAME = re.compile(rb"[A-Za-z0-9\-_.+]+")
_LARGEST_VALUE = 2**31 - 1

LONGEST_CONTEXT = 16

# Decoding one property takes about 3 µs, and the shortest has six octets. A limit is needed because a command of 64 KiB
# could hold ten thousand of them.
MOST_PROPERTIES = 128

ERROR: Layout = (("reason length", 1), ("reason", REST))
PING: Layout = (("ttl", 2), ("context", REST))


def encode_command(name: bytes, data: bytes = b"") -> bytes:
    """The body of a COMMAND frame."""
    return bytes([len(name)]) + name + data


def decode_command(body: bytes) -> tuple[bytes, bytes]:
    """Name and data. Raises ProtocolError if the name is empty, is cut off, or has other characters than letters
    (37-26)."""
    name = body[1 : 1 + body[0]] if body else b""
    whole = len(name) == (body[0] if body else 0)
    if not whole or not _COMMAND_NAME.fullmatch(name):
        raise ProtocolError(
            f"command that starts with {body[:12].hex(' ') or 'nothing'}, expected a length from 1 to 255"
            ' and as many letters (37/ZMTP "Commands")',
            Violation.MALFORMED_COMMAND,
            at=1 + _right(_COMMAND_NAME, name) if name and whole else 0,
        )
    return name, body[1 + len(name) :]


def encode_metadata(properties: Mapping[bytes, bytes]) -> bytes:
    """Encode properties in the order given. Names keep their case, because libzmq accepts `Socket-Type` only in this
    spelling."""
    return b"".join(
        bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value for name, value in properties.items()
    )


def decode_metadata(data: bytes) -> dict[bytes, bytes]:
    r"""The properties of a READY or INITIATE command, as {name in lower case: value}.    37/ZMTP, "Connection Metadata"

    Names are case-insensitive (37-35). If a name occurs twice, its first value counts, as in libzmq. Unknown names are
    kept. Raises ProtocolError if a length runs past the end or a name is invalid (37-34 … 37-38), and for more than 128
    properties, which is our own limit.

    >>> decode_metadata(b"\x0bSocket-Type\x00\x00\x00\x03REQ" b"\x08IDENTITY\x00\x00\x00\x00")
    {b'socket-type': b'REQ', b'identity': b''}
    """
    properties: dict[bytes, bytes] = {}
    property_name, count = b"", 0
    for field, octets in metadata_fields(data):
        if field == "property":
            property_name = octets.lower()
            count += 1
            if count > MOST_PROPERTIES:
                raise ProtocolError(
                    f"metadata of more than {MOST_PROPERTIES} properties, the limit here"
                    ' (37/ZMTP "Connection Metadata" sets none)',
                    Violation.INVALID_METADATA,
                )
        elif field == "value":
            properties.setdefault(property_name, octets)
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
            raise _bad_property(data, start, at=start + 1 + _right(_PROPERTY_NAME, name))
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


def _right(rule: re.Pattern[bytes], name: bytes) -> int:
    """How many characters at the start of a name the rule allows."""
    found = rule.match(name)
    return found.end() if found else 0


def encode_error(reason: bytes) -> bytes:
    """The body of an ERROR command; the reason is cut off after 255 octets."""
    return encode_command(b"ERROR", bytes([len(reason[:255])]) + reason[:255])


def decode_error(data: bytes) -> Error:
    """The data of an ERROR command: a length, and a reason of exactly that length (37-39)."""
    if not data or len(data) != 1 + data[0]:
        raise ProtocolError(
            f"ERROR with {len(data)} octets after its name, expected a length and as many octets of reason"
            ' (37/ZMTP "Error Handling")',
            Violation.MALFORMED_ERROR,
            at=0,
        )
    return Error(dict(split(ERROR, data))["reason"])


def encode_ping(ping: Ping) -> bytes:
    """The body of a PING. It always has the two octets of ttl, because libzmq's answer to a bare PING has undefined
    octets (37-70)."""
    return encode_command(b"PING", ping.ttl.to_bytes(2, "big") + ping.context)


def decode_ping(data: bytes) -> Ping:
    """The data of a PING command (37-67, 37-70)."""
    if not 2 <= len(data) <= 2 + LONGEST_CONTEXT:
        raise ProtocolError(
            f'PING with {len(data)} octets after its name, expected 2 to 18 (37/ZMTP "Connection Heartbeating")',
            Violation.MALFORMED_COMMAND,
            at=0 if len(data) < 2 else 2 + LONGEST_CONTEXT,
        )
    fields = dict(split(PING, data))
    return Ping(int.from_bytes(fields["ttl"], "big"), fields["context"])


# The commands after the handshake. Unknown ones are ignored, because later versions of the protocol may add commands.
TRAFFIC_COMMANDS: dict[bytes, Callable[[bytes], Subscribe | Cancel | Ping | Pong]] = {
    b"SUBSCRIBE": Subscribe,
    b"CANCEL": Cancel,
    b"PING": decode_ping,
    b"PONG": Pong,
}


def decode_traffic(name: bytes, data: bytes) -> Subscribe | Cancel | Ping | Pong | None:
    """The event for a command after the handshake, or None if the command is unknown."""
    decode = TRAFFIC_COMMANDS.get(name)
    return decode(data) if decode else None
