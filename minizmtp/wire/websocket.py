r"""WebSocket: frames on an HTTP connection that has changed its protocol.                   RFC 6455, section 5.2

     0             1            2              6                   FIN       0x80, the last frame of a message
    +-------------+------------+--------------+------- - -         opcode    1 text, 2 binary, 0 goes on with a message
    | FIN, opcode | MASK, size | masking key  | payload                      8 close, 9 ping, 10 pong
    +-------------+------------+--------------+------- - -         MASK      0x80, there is a masking key
                                4 octets, or none                  size      126: 2 more octets have it; 127: 8 more

    >>> encode_frame(b"hello").hex(" ")
    '82 05 68 65 6c 6c 6f'
    >>> read_header(encode_frame(bytes(300)), 0)
    Header(fin=True, opcode=2, key=b'', size=300, length=4)

**A client masks what it sends**: octet i of the payload is XORed with octet i mod 4 of a key, a new one for each frame.
The key is sent in front, so the mask hides nothing. It exists because of web pages: a page chooses the payload, and it
could choose octets that an old proxy takes for an HTTP request. With a random key, these octets cannot be predicted
(section 10.3).

    >>> masked = encode_frame(b"hello", key=b"\x01\x02\x03\x04"); masked.hex(" ")
    '82 85 01 02 03 04 69 67 6f 68 6e'
    >>> mask(masked[6:], b"\x01\x02\x03\x04")
    b'hello'

Read next: `zws`.
"""

from itertools import cycle
from typing import NamedTuple

from ..errors import ProtocolError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = MASKED = 0x80

# Two octets, eight of size, and a key.
LONGEST_HEADER = 14

# A ping, a pong or a close has at most so many octets (section 5.5).
LARGEST_CONTROL = 125

# Octets that are XORed as one number. Python takes longer for numbers that do not fit into the processor's cache.
STEP = 8192

# Status codes of a close (section 7.4.1).
NORMAL, GOING_AWAY, BROKEN_RULE, WRONG_TYPE, TOO_BIG = 1000, 1001, 1002, 1003, 1009


class CloseError(ProtocolError):
    """A violation that has a status code of its own."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code


class Header(NamedTuple):
    """key: b"" if there is no mask. size: of the payload. length: of this header. Both are in octets."""

    fin: bool
    opcode: int
    key: bytes
    size: int
    length: int


def encode_header(size: int, opcode: int = BINARY, key: bytes = b"") -> bytes:
    """The header of a frame that is a whole message. key: 4 octets, or none."""
    bit = MASKED if key else 0
    if size < 126:
        return bytes((FIN | opcode, bit | size)) + key
    if size < 65536:
        return bytes((FIN | opcode, bit | 126)) + size.to_bytes(2, "big") + key
    return bytes((FIN | opcode, bit | 127)) + size.to_bytes(8, "big") + key


def encode_frame(payload: bytes, opcode: int = BINARY, key: bytes = b"") -> bytes:
    """A frame that is a whole message."""
    return encode_header(len(payload), opcode, key) + mask(payload, key)


def read_header(octets: bytes, at: int) -> Header | None:
    """The header that begins at this offset; None if it is not complete."""
    if len(octets) - at < 2:
        return None
    first, second = octets[at], octets[at + 1]
    size, end = second & 127, at + 2
    if size > 125:
        end += 2 if size == 126 else 8
        size = int.from_bytes(octets[at + 2 : end], "big")
    begin, end = end, end + 4 * (second >> 7)
    if end > len(octets):
        return None
    return Header(first & FIN > 0, first & 0x7F, octets[begin:end], size, end - at)


def check_header(header: Header, *, masked: bool, in_message: bool) -> None:
    """Raise ProtocolError for a header that is not allowed here. in_message: a message has begun and has not ended."""
    opcode = header.opcode
    if bool(header.key) is not masked:
        found, expected = ("no mask", "one") if masked else ("a mask", "none")
        raise ProtocolError(
            f"frame with {found}, expected {expected}: a client masks, a server does not (RFC 6455, 5.1)"
        )
    if opcode == TEXT:
        raise CloseError("a text message, expected binary ones only (45/ZWS)", WRONG_TYPE)
    if opcode not in (CONTINUATION, BINARY, CLOSE, PING, PONG):
        raise ProtocolError(
            f"frame that begins with {header.fin << 7 | opcode:02x}, expected 00, 02, 80, 82, 88, 89 or 8a"
        )
    if opcode >= CLOSE and not (header.fin and header.size <= LARGEST_CONTROL):
        raise ProtocolError(
            f"ping, pong or close of {header.size} octets, expected one frame of at most 125 (RFC 6455, 5.5)"
        )
    if opcode < CLOSE and (opcode == CONTINUATION) is not in_message:
        found = "goes on with no message" if opcode == CONTINUATION else "begins a message inside another"
        raise ProtocolError(f"frame that {found} (RFC 6455, 5.4)")
    if header.size >> 63:
        raise ProtocolError(f"frame of {header.size} octets, expected at most 2^63-1 (RFC 6455, 5.2)")


def mask(octets: bytes, key: bytes) -> bytes:
    """Mask or unmask a payload. key: 4 octets; if there is none, the payload is not masked."""
    size = len(octets)
    if not key:
        return octets
    if size <= STEP:
        return xor(octets, key * (size // 4 + 1))
    # The key is turned into a number only once for all steps, because that takes as long as the payload of one.
    view, stream, whole = memoryview(octets), int.from_bytes(key * (STEP // 4), "little"), size - size % STEP
    parts = [
        (int.from_bytes(view[begin : begin + STEP], "little") ^ stream).to_bytes(STEP, "little")
        for begin in range(0, whole, STEP)
    ]
    return b"".join([*parts, mask(octets[whole:], key)])


def keystream(keys: bytes, header: int, size: int) -> bytes:
    r"""XORed with many frames, this masks or unmasks them all. header, size: of each frame and its payload, in octets.
    keys: 4 octets for each frame.

    >>> keystream(b"\1\2\3\4\5\6\7\x08", header=1, size=5).hex(" ")
    '00 01 02 03 04 01 00 05 06 07 08 05'
    """
    step = header + size
    stream = bytearray(len(keys) // 4 * step)
    for column, part in zip(range(header, step), cycle([keys[number::4] for number in range(4)]), strict=False):
        stream[column::step] = part
    return bytes(stream)


def xor(octets: bytes | memoryview, stream: bytes | memoryview) -> bytes:
    """octets XORed with the beginning of stream."""
    size = len(octets)
    if size <= STEP:
        stream = stream[:size]
        return (int.from_bytes(octets, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")
    one, other = memoryview(octets), memoryview(stream)
    return b"".join([xor(one[at : at + STEP], other[at : at + STEP]) for at in range(0, size, STEP)])
