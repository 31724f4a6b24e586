r"""The greeting: 64 octets, once each way, before anything else.                    37/ZMTP 3.1, "Version Negotiation"

     0      1 ... 8    9      10  11     12 ... 31             32          33 ... 63
    +------+----------+------+---+---+----------------------+-----------+-----------+
    | 0xff | padding  | 0x7f | 3 | 1 | NULL, PLAIN or CURVE | as-server | filler    |
    +------+----------+------+---+---+----------------------+-----------+-----------+
      signature, 10 octets    version  mechanism, 20 octets   0 or 1      zeros

    >>> encode_greeting(b"NULL").hex(" ")[:47]
    'ff 00 00 00 00 00 00 00 00 7f 03 01 4e 55 4c 4c'
    >>> decode_greeting(encode_greeting(b"NULL"))
    Greeting(major=3, minor=1, mechanism=b'NULL', as_server=False)

Why such a strange signature? ZMTP 1.0 began with a length. Written as 0xff and eight octets of length, a greeting
reads to a 1.0 peer as the header of one long frame, and the odd 0x7f where 1.0 has its flags tells a newer peer from an
older. We talk to 3.0 and later only, and the same octets tell us whom to refuse, long before 64 have come:

    >>> check_greeting(b"\xff\0\0\0\0\0\0\0\0\x7f\x01")
    Traceback (most recent call last):
    minizmtp.errors.ProtocolError: octet 10 of the greeting is 01: this peer speaks ZMTP 1.x or 2.x, ...

Below this module: `errors`, `layout`. Above it: `connection` sends one greeting and waits for the other.
Read next: `frames`.
"""

from typing import NamedTuple

from ..errors import ProtocolError, Violation, printable
from .layout import Layout, offset, split, width

GREETING: Layout = (
    ("signature", 1),
    ("padding", 8),
    ("signature", 1),
    ("version", 2),
    ("mechanism", 20),
    ("as-server", 1),
    ("filler", 31),
)
GREETING_SIZE = width(GREETING)
VERSION = (3, 1)


class Greeting(NamedTuple):
    """What the peer said first. A version above 3.1 is a peer that will speak 3.1 to us (37-5, 37-6)."""

    major: int
    minor: int
    mechanism: bytes
    as_server: bool


def encode_greeting(mechanism: bytes, as_server: bool = False) -> bytes:
    """Our 64 octets. All of them go out at once: libzmq sends 10 of its own and then waits to see 10 of ours.

    mechanism: up to 20 octets of ASCII. as_server has no meaning for NULL, and is 0 there (37-8).
    """
    signature = b"\xff" + bytes(8) + b"\x7f"
    return signature + bytes(VERSION) + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def check_greeting(octets: bytes | bytearray) -> None:
    """Refuse a peer at the first octet that tells, however few have come. Octets 1 to 8 tell nothing (37-4).

    Raises ProtocolError for ZMTP 1.0 and 2.0, and for what is not ZMTP at all. Waiting for all 64 would be a trap:
    an old peer sends fewer, and then waits for us as we wait for it.
    """
    if octets and octets[0] != 0xFF:
        raise ProtocolError(
            f"the first octet is {octets[0]:02x}: this peer speaks ZMTP 1.0 or something else altogether,"
            ' required is ff (37/ZMTP "Version Negotiation")',
            at=0,
            is_zmtp=False,
        )
    if len(octets) > 9 and not octets[9] & 1:
        raise ProtocolError(
            f"octet 9 of the greeting is {octets[9]:02x}: this peer speaks ZMTP 1.0,"
            ' required is 7f (37/ZMTP "Version Negotiation")',
            at=9,
            is_zmtp=False,
        )
    if len(octets) > 10 and octets[10] < 3:
        raise ProtocolError(
            f"octet 10 of the greeting is {octets[10]:02x}: this peer speaks ZMTP 1.x or 2.x,"
            ' required is 3 or more (37/ZMTP "Version Negotiation")',
            at=10,
            is_zmtp=False,
        )


def decode_greeting(octets: bytes) -> Greeting:
    """The peer's greeting from its 64 octets; raises ProtocolError where `check_greeting` does."""
    check_greeting(octets)
    # Only the nulls after the name are padding: b"NULL\0X" is another name than b"NULL", and no mechanism of ours.
    fields = dict(split(GREETING, octets))
    major, minor = fields["version"]
    return Greeting(major, minor, fields["mechanism"].rstrip(b"\0"), fields["as-server"] == b"\x01")


def check_mechanism(greeting: Greeting, ours: bytes) -> None:
    """Both peers must name the same mechanism; there is no negotiation, so none can be talked down (37-11, 37-86).

    What has no name there is not ZMTP: the few octets that tell ZMTP from noise can be in noise, too.
    """
    if any(octet and not 0x20 < octet < 0x7F for octet in greeting.mechanism):
        raise ProtocolError(
            f"octets 12 to 31 of the greeting are {printable(greeting.mechanism)}: this peer speaks something else,"
            ' required is the name of a mechanism (37/ZMTP "Authentication and Confidentiality")',
            Violation.MECHANISM_MISMATCH,
            at=offset(GREETING, "mechanism"),
            is_zmtp=False,
        )
    if greeting.mechanism != ours:
        raise ProtocolError(
            f"the peer's mechanism is {printable(greeting.mechanism)},"
            f' required is {printable(ours)} on both sides (37/ZMTP "Authentication and Confidentiality")',
            Violation.MECHANISM_MISMATCH,
            at=offset(GREETING, "mechanism"),
        )
