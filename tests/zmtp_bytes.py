"""The bytes of ZMTP 3 for all tests, encoded without the package under test.

The functions write the octets as 37/ZMTP specifies them. The constants are what libzmq 4.3.5 sends;
`interop_tests/test_wire.py` compares them with a running libzmq.

    >>> frame(b"hi", more=True)
    b'\\x01\\x02hi'
    >>> command(b"PING", b"\\0\\0")
    b'\\x04\\x07\\x04PING\\x00\\x00'
    >>> ready(b"PULL") == READY["PULL"]
    True
    >>> frames_in(frame(b"hi", more=True) + frame(b"") + b"\\0")
    [b'\\x01\\x02hi', b'\\x00\\x00']
    >>> messages_in(frame(b"", more=True) + frame(b"hi") + command(b"PONG")[:-1])
    [b'\\x01\\x00\\x00\\x02hi', b'\\x04\\x05\\x04PON']
"""

MORE, LONG, COMMAND = 0x01, 0x02, 0x04  # the flags of a frame

GREETING = bytes.fromhex(
    "ff 0000000000000000 7f"  # signature
    "03 01"  # ZMTP 3.1
    "4e554c4c 00000000000000000000000000000000"  # mechanism NULL
    "00"  # as-server
    "00000000000000000000000000000000000000000000000000000000000000"  # filler
)
SIGNATURE = GREETING[:10]
# With a routing id of four octets, because libzmq writes its length plus one into the padding.
GREETING_WITH_ID = bytes.fromhex("ff 0000000000000005 7f") + GREETING[10:]
# A peer of ZMTP 3.0.
GREETING_3_0 = bytes.fromhex("ff 0000000000000001 7f 03 00") + GREETING[12:]

# COMMAND, size, "READY", then the properties "Socket-Type" and, for REQ, DEALER and ROUTER, an empty "Identity".
READY = {
    "REQ": bytes.fromhex("04 26 05 5245414459 0b 536f636b65742d54797065 00000003 524551 08 4964656e74697479 00000000"),
    "REP": bytes.fromhex("04 19 05 5245414459 0b 536f636b65742d54797065 00000003 524550"),
    "PUB": bytes.fromhex("04 19 05 5245414459 0b 536f636b65742d54797065 00000003 505542"),
    "SUB": bytes.fromhex("04 19 05 5245414459 0b 536f636b65742d54797065 00000003 535542"),
    "PUSH": bytes.fromhex("04 1a 05 5245414459 0b 536f636b65742d54797065 00000004 50555348"),
    "PULL": bytes.fromhex("04 1a 05 5245414459 0b 536f636b65742d54797065 00000004 50554c4c"),
    "DEALER": bytes.fromhex(
        "04 29 05 5245414459 0b 536f636b65742d54797065 00000006 4445414c4552 08 4964656e74697479 00000000"
    ),
    "ROUTER": bytes.fromhex(
        "04 29 05 5245414459 0b 536f636b65742d54797065 00000006 524f55544552 08 4964656e74697479 00000000"
    ),
    "XPUB": bytes.fromhex("04 1a 05 5245414459 0b 536f636b65742d54797065 00000004 58505542"),
    "XSUB": bytes.fromhex("04 1a 05 5245414459 0b 536f636b65742d54797065 00000004 58535542"),
    "PAIR": bytes.fromhex("04 1a 05 5245414459 0b 536f636b65742d54797065 00000004 50414952"),
}
# A DEALER with the routing id "id-1".
READY_DEALER_ID_1 = bytes.fromhex(
    "04 2d 05 5245414459 0b 536f636b65742d54797065 00000006 4445414c4552 08 4964656e74697479 00000004 69642d31"
)


def frame(body: bytes, *, more: bool = False, command: bool = False, long: bool = False) -> bytes:
    """One frame, in the long form if the size needs it or `long` is set."""
    flags = MORE * more | COMMAND * command
    if long or len(body) > 255:
        return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def command(name: bytes, data: bytes = b"", *, long: bool = False) -> bytes:
    """A command frame: the name with its length, then the data."""
    return frame(bytes([len(name)]) + name + data, command=True, long=long)


def metadata(*properties: tuple[bytes, bytes]) -> bytes:
    """Properties as in READY and INITIATE: each is a name with its length, and a value with its length."""
    return b"".join(bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value for name, value in properties)


def ready(socket_type: bytes, **properties: bytes) -> bytes:
    """READY, with more properties as keywords; _ stands for -."""
    more = ((name.replace("_", "-").encode(), value) for name, value in properties.items())
    return command(b"READY", metadata((b"Socket-Type", socket_type), *more))


def frames_in(octets: bytes) -> list[bytes]:
    """Split the octets after a greeting into frames. An incomplete last frame is left out."""
    frames, begin = [], 0
    while begin + 2 <= len(octets):
        end = _end_of_frame(octets, begin)
        if end > len(octets):
            break
        frames.append(octets[begin:end])
        begin = end
    return frames


def messages_in(octets: bytes) -> list[bytes]:
    """Split the octets after a greeting into messages and commands. An incomplete last one is kept."""
    messages, begin, end = [], 0, 0
    while end < len(octets):
        flags = octets[end]
        end = _end_of_frame(octets, end)
        if not flags & MORE:
            messages.append(octets[begin:end])
            begin = end
    return messages + [octets[begin:]] * (begin < len(octets))


def _end_of_frame(octets: bytes, begin: int) -> int:
    width = 8 if octets[begin] & LONG else 1
    return begin + 1 + width + int.from_bytes(octets[begin + 1 : begin + 1 + width], "big")
