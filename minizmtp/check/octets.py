r"""Octets of ZMTP, right or wrong as a case asks for them.                            37/ZMTP 3.1, "Formal Grammar"

The encoders in `wire` can't write what breaks a rule, so a check has its own. Each writes what is right unless an
argument says otherwise:

    >>> frame(b"hi"), frame(b"hi", more=True), frame(b"hi", long=True)
    (b'\x00\x02hi', b'\x01\x02hi', b'\x02\x00\x00\x00\x00\x00\x00\x00\x02hi')
    >>> frame(b"hi", flags=0x08), frame(b"hi", size=3)             # a reserved bit; a size that is not the body's
    (b'\x08\x02hi', b'\x00\x03hi')
    >>> command(b"PING", b"\0\0"), command(b"PING", length=9)
    (b'\x04\x07\x04PING\x00\x00', b'\x04\x05\tPING')
    >>> ready("PULL") == command(b"READY", properties((b"Socket-Type", b"PULL")))
    True

Read next: `boxes`.
"""

from ..constants import PEERS, SocketType
from ..wire.frames import COMMAND, LONG, MORE

# The types that send Identity, empty or not, as libzmq does: not every peer bears its absence.
WITH_IDENTITY = ("REQ", "DEALER", "ROUTER")

CHECK = b"check"  # the context of our PINGs


def greeting(
    mechanism: bytes = b"NULL",
    *,
    version: tuple[int, int] = (3, 1),
    as_server: int = 0,
    padding: bytes = bytes(8),
    filler: bytes = bytes(31),
) -> bytes:
    """A greeting, 64 octets. mechanism: filled up to 20 octets with nulls."""
    signature = b"\xff" + padding + b"\x7f"
    return signature + bytes(version) + mechanism.ljust(20, b"\0") + bytes([as_server]) + filler


def frame(
    body: bytes,
    *,
    more: bool = False,
    is_command: bool = False,
    long: bool = False,
    flags: int = 0,
    size: int | None = None,
) -> bytes:
    """A frame. flags: bits to set in addition. size: what the size field says if it is not the body's size."""
    announced = len(body) if size is None else size
    flags |= MORE * more | COMMAND * is_command
    if long or announced > 255:
        return bytes([flags | LONG]) + announced.to_bytes(8, "big") + body
    return bytes([flags, announced]) + body


def message(*frames: bytes) -> bytes:
    """A message: MORE on all frames but the last."""
    return b"".join(frame(body, more=True) for body in frames[:-1]) + frame(frames[-1])


def command(name: bytes, data: bytes = b"", *, long: bool = False, flags: int = 0, length: int | None = None) -> bytes:
    """A command frame. length: what stands before the name if it is not the length of the name."""
    length = len(name) if length is None else length
    return frame(bytes([length]) + name + data, is_command=True, long=long, flags=flags)


def properties(*pairs: tuple[bytes, bytes]) -> bytes:
    """Metadata: names and values, each after its length."""
    return b"".join(bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value for name, value in pairs)


def metadata(socket_type: str, *more: tuple[bytes, bytes], identity: bytes = b"") -> bytes:
    """The metadata of a socket of that type, and more properties after it. An empty socket_type is left out."""
    pairs = [(b"Socket-Type", socket_type.encode())] if socket_type else []
    if socket_type in WITH_IDENTITY or identity:
        pairs.append((b"Identity", identity))
    return properties(*pairs, *more)


def ready(socket_type: str, *more: tuple[bytes, bytes], identity: bytes = b"", long: bool = False) -> bytes:
    """READY of a socket of that type."""
    return command(b"READY", metadata(socket_type, *more, identity=identity), long=long)


def error(reason: bytes) -> bytes:
    """ERROR with a reason after its length."""
    return command(b"ERROR", bytes([len(reason)]) + reason)


def ping(ttl: int = 0, context: bytes = b"") -> bytes:
    """PING. ttl: in tenths of a second, 0 for none."""
    return command(b"PING", ttl.to_bytes(2, "big") + context)


def pong(context: bytes = b"") -> bytes:
    """PONG."""
    return command(b"PONG", context)


def subscribe(prefix: bytes) -> bytes:
    """SUBSCRIBE."""
    return command(b"SUBSCRIBE", prefix)


def cancel(prefix: bytes) -> bytes:
    """CANCEL."""
    return command(b"CANCEL", prefix)


def partner(socket_type: str) -> str:
    """The type to play to a socket of that type, so that it receives as much as possible.

    >>> [partner(kind) for kind in ("REP", "REQ", "PUB", "DEALER")]
    ['DEALER', 'ROUTER', 'XSUB', 'ROUTER']
    """
    first = ("PAIR", "XSUB", "XPUB", "ROUTER", "DEALER", "PULL", "PUSH")
    return next(kind for kind in first if SocketType[kind] in PEERS[SocketType[socket_type]])
