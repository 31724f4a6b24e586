r"""The greeting: 64 octets from each side open a connection.                    37/ZMTP 3.1, "Version Negotiation"

     0      1 ... 8    9      10  11     12 ... 31             32          33 ... 63
    +------+----------+------+---+---+----------------------+-----------+-----------+
    | 0xff | padding  | 0x7f | 3 | 1 | NULL, PLAIN or CURVE | as-server | filler    |
    +------+----------+------+---+---+----------------------+-----------+-----------+
      signature, 10 octets    version  mechanism, 20 octets   0 or 1      zeros

    >>> encode_greeting(b"NULL").hex(" ")[:47]
    'ff 00 00 00 00 00 00 00 00 7f 03 01 4e 55 4c 4c'
    >>> decode_greeting(encode_greeting(b"NULL"))
    Greeting(major=3, minor=1, mechanism=b'NULL', as_server=False)

Both peers send a greeting as soon as TCP has connected them, without waiting for the other's. It comes before all else
because a peer must know two things to read the rest: the version, and the mechanism that protects the traffic.

The signature looks strange because of ZMTP 1.0, which has no greeting: a connection begins with a frame, and the frame
begins with its length. A 1.0 peer therefore reads the signature as the header of one long frame: 0xff, eight octets of
length, and 0x7f as the flags. In a 1.0 peer's first frame bit 0 of the flags is 0, and in our 0x7f it is 1, so octet 9
tells them apart. The padding has no meaning. (libzmq writes a length for 1.0 peers there: its last octet is often 01.)
We talk to 3.0 and later only, and these first octets are enough to refuse an older peer, before all 64 have arrived:

    >>> check_greeting(b"\xff\0\0\0\0\0\0\0\0\x7f\x01")
    Traceback (most recent call last):
    minizmtp.errors.ProtocolError: octet 10 of the greeting is 01: this peer speaks ZMTP 1.x or 2.x, ...

Try it: in `encode_greeting`, write `b" "` for `b"\0"`. No peer takes that for NULL. Read next: `frames`.
"""

from typing import NamedTuple

from ..errors import ProtocolError, Violation, printable
from .layout import Layout, offset, width

GREETING: Layout = (
    ("signature", 1), ("padding", 8), ("signature", 1), ("version", 2), ("mechanism", 20), ("as-server", 1),
    ("filler", 31),
)  # fmt: skip
GREETING_SIZE = width(GREETING)
VERSIONS, MECHANISM, AS_SERVER = (offset(GREETING, name) for name in ("version", "mechanism", "as-server"))
VERSION = (3, 1)


class Greeting(NamedTuple):
    """The peer's greeting. A peer with a higher version uses 3.1 with us, because that is our highest (37-5, 37-6)."""

    major: int
    minor: int
    mechanism: bytes
    as_server: bool


def encode_greeting(mechanism: bytes, as_server: bool = False) -> bytes:
    """Our greeting. All 64 octets are sent at once, because libzmq sends 10 and then waits for 10 of ours.

    mechanism: up to 20 octets of ASCII. as_server has no meaning for NULL, and is 0 there (37-8).
    """
    signature = b"\xff" + bytes(8) + b"\x7f"
    return signature + bytes(VERSION) + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def check_greeting(octets: bytes | bytearray) -> None:
    """Check as much of the greeting as has arrived; octets 1 to 8 are padding and may have any value (37-4).

    Raises ProtocolError for ZMTP 1.0 and 2.0, and for bytes that aren't ZMTP at all. Don't wait for all 64 octets
    before checking, because an old peer sends fewer and then waits for us, and the connection would hang.
    """
    if octets and octets[0] != 0xFF:
        found = f"the first octet is {octets[0]:02x}: this peer speaks ZMTP 1.0 or another protocol"
        raise _not_zmtp_3(found, "ff", at=0)
    if len(octets) > 9 and not octets[9] & 1:
        raise _not_zmtp_3(f"octet 9 of the greeting is {octets[9]:02x}: this peer speaks ZMTP 1.0", "7f", at=9)
    if len(octets) > 10 and octets[10] < 3:
        found = f"octet 10 of the greeting is {octets[10]:02x}: this peer speaks ZMTP 1.x or 2.x"
        raise _not_zmtp_3(found, "3 or more", at=10)


def _not_zmtp_3(found: str, expected: str, at: int) -> ProtocolError:
    return ProtocolError(f'{found}, expected {expected} (37/ZMTP "Version Negotiation")', at=at, is_zmtp=False)


def decode_greeting(octets: bytes) -> Greeting:
    """Decode the peer's greeting, 64 octets; raises ProtocolError as `check_greeting` does."""
    check_greeting(octets)
    # Only the zeros at the end are padding: b"NULL\0X" isn't the name NULL, so don't cut it at the first zero.
    mechanism = octets[MECHANISM:AS_SERVER].rstrip(b"\0")
    return Greeting(octets[VERSIONS], octets[VERSIONS + 1], mechanism, octets[AS_SERVER] == 1)


def check_mechanism(greeting: Greeting, ours: bytes) -> None:
    """Check that both peers name the same mechanism (37-11, 37-86). Mechanisms aren't negotiated, because an attacker
    could then make two peers agree on a weaker one."""
    theirs = greeting.mechanism
    if theirs == ours:
        return
    found = f"the peer's mechanism is {printable(theirs)}, expected {printable(ours)} on both sides"
    is_name = all(0x20 < octet < 0x7F for octet in theirs if octet)
    if not is_name:  # random bytes can pass `check_greeting`, because it looks at only three octets
        found = f"octets 12 to 31 of the greeting are {printable(theirs)}: this peer speaks another protocol,"
        found += " expected the name of a mechanism"
    raise ProtocolError(
        f'{found} (37/ZMTP "Authentication and Confidentiality")',
        Violation.MECHANISM_MISMATCH,
        at=MECHANISM,
        is_zmtp=is_name,
    )
