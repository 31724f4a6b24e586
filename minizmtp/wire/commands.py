r"""Commands: how two peers control their connection.                      37/ZMTP 3.1, "Commands" and "Formal Grammar"

The body of a COMMAND frame is a name and data:

    +-------------+----------- - -+------- - -
    | name length | name          | data
    +-------------+----------- - -+------- - -
      1 octet       ASCII letters   depends on the name

    in the handshake (see `mechanisms`)            afterwards, anywhere between two frames
    READY      properties of the peer              SUBSCRIBE  prefix: the peer wants these messages
    HELLO, WELCOME, INITIATE: PLAIN, CURVE         CANCEL     prefix: and no longer these
    ERROR      length(1) reason: the peer          JOIN LEAVE group: the same, of RADIO and DISH
               refuses us                          PING       ttl(2, tenths of a second) context(0–16)
                                                   PONG       the context of the PING

    >>> encode_command(b"SUBSCRIBE", b"news")
    b'\tSUBSCRIBEnews'
    >>> decode_command(b"\x04PING\x00\x14ctx")
    (b'PING', b'\x00\x14ctx')
    >>> decode_traffic(*decode_command(b"\x04PING\x00\x14ctx"))         # 0x14 tenths: two seconds
    Ping(ttl=20, context=b'ctx')

(The RFC's prose puts a null between name and data. Its grammar doesn't, and no implementation does.)

Peers of ZMTP 3.0 have neither SUBSCRIBE nor CANCEL. They send an ordinary message of one frame, 01 to subscribe or 00
to cancel, and then the prefix; the PUB socket reads it, and its program does not see it (see `patterns.pubsub`). They
have no PING either. Unknown commands are ignored after the handshake, because later versions may add some.

**When is a peer dead?** With the option heartbeat_ivl, a socket sends a PING in each interval, and disconnects if the
peer then sends nothing for heartbeat_timeout. The ttl asks the peer to disconnect if we are silent for that long.

Try it: in `encode_traffic`, write `"little"` for `"big"`. A ttl of 2 s, 20 tenths, is then 512 s for the peer.
Read next: `mechanisms`.
"""

import re

from ..errors import ProtocolError, Violation
from .events import REQUESTS, Cancel, Error, Ping, Pong, Subscribe
from .layout import REST, Layout, split

_COMMAND_NAME = re.compile(rb"[A-Za-z]+")

LONGEST_CONTEXT = 16

ERROR: Layout = (("reason length", 1), ("reason", REST))
PING: Layout = (("ttl", 2), ("context", REST))


def encode_command(name: bytes, data: bytes = b"") -> bytes:
    """The body of a COMMAND frame."""
    return bytes([len(name)]) + name + data


def decode_command(body: bytes) -> tuple[bytes, bytes]:
    """Name and data. Raises ProtocolError if the name is empty, is cut off, or has other characters than letters
    (37-26)."""
    name = body[1 : 1 + body[0]] if body else b""
    is_whole = len(name) == (body[0] if body else 0)
    if not is_whole or not _COMMAND_NAME.fullmatch(name):
        raise ProtocolError(
            f"command that starts with {body[:12].hex(' ') or 'nothing'}, expected a length from 1 to 255"
            ' and as many letters (37/ZMTP "Commands")',
            Violation.MALFORMED_COMMAND,
            at=1 + valid_length(_COMMAND_NAME, name) if name and is_whole else 0,
        )
    return name, body[1 + len(name) :]


def valid_length(rule: re.Pattern[bytes], name: bytes) -> int:
    """How many characters at the start of name the rule allows."""
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


def encode_traffic(event: Subscribe | Cancel | Ping | Pong) -> bytes:
    """The body of a command after the handshake."""
    if isinstance(event, Ping):
        # The two octets of ttl are always there, because libzmq's answer to a bare PING has undefined octets (37-70).
        return encode_command(b"PING", event.ttl.to_bytes(2, "big") + event.context)
    if isinstance(event, Pong):
        return encode_command(b"PONG", event.context)
    return encode_command(type(event).__name__.upper().encode(), event.prefix)  # as in REQUESTS


def decode_traffic(name: bytes, data: bytes) -> Subscribe | Cancel | Ping | Pong | None:
    """The event for a command after the handshake, or None if it is to be ignored."""
    if name == b"PING":
        return decode_ping(data)
    if name == b"PONG":
        return Pong(data)
    return REQUESTS[name](data) if name in REQUESTS else None


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
