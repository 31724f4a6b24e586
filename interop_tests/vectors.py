"""What libzmq 4.3.5 sends, octet by octet.

`test_wire` compares these octets with a running libzmq. In a literal, a space separates two fields; each literal is one
frame.
"""

from dataclasses import dataclass

from tests.zmtp_bytes import READY


@dataclass(frozen=True)
class Conversation:
    """All frames of each end after the greetings."""

    server_type: str
    client_type: str
    client: list[bytes]
    server: list[bytes]


# A REQ asks "hello"; the REP answers "wor", "", "ld".
REQREP = Conversation(
    "REP",
    "REQ",
    client=[
        READY["REQ"],
        bytes.fromhex("01 00"),  # the delimiter: an empty frame, MORE
        bytes.fromhex("00 05 68656c6c6f"),
    ],
    server=[
        READY["REP"],
        bytes.fromhex("01 00"),
        bytes.fromhex("01 03 776f72"),
        bytes.fromhex("01 00"),
        bytes.fromhex("00 02 6c64"),
    ],
)

# A PUSH sends "hello", then "a", "", 256 zeros: the first size that needs the long form.
PIPELINE = Conversation(
    "PULL",
    "PUSH",
    client=[
        READY["PUSH"],
        bytes.fromhex("00 05 68656c6c6f"),
        bytes.fromhex("01 01 61"),
        bytes.fromhex("01 00"),
        bytes.fromhex("02 0000000000000100") + bytes(256),
    ],
    server=[READY["PULL"]],
)

# A SUB subscribes to "A"; the PUB sends "A", "x". The SUB subscribes to "B" and gets "B". It cancels "B", subscribes to
# "C", and gets "C".
PUBSUB = Conversation(
    "PUB",
    "SUB",
    client=[
        READY["SUB"],
        bytes.fromhex("04 0b 09 535542534352494245 41"),  # SUBSCRIBE A
        bytes.fromhex("04 0b 09 535542534352494245 42"),  # SUBSCRIBE B
        bytes.fromhex("04 08 06 43414e43454c 42"),  # CANCEL B
        bytes.fromhex("04 0b 09 535542534352494245 43"),  # SUBSCRIBE C
    ],
    server=[
        READY["PUB"],
        bytes.fromhex("01 01 41"),
        bytes.fromhex("00 01 78"),
        bytes.fromhex("00 01 42"),
        bytes.fromhex("00 01 43"),
    ],
)
