"""Every way to break the protocol that we know, and what the ProtocolError says: found, required, and by which rule."""

import ast
from pathlib import Path

import pytest

import minizmtp.wire
from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError, Violation
from minizmtp.patterns.reqrep import Req
from minizmtp.wire import Connection
from tests.minizmtp.streams import hear, refusal
from tests.zmtp_bytes import GREETING, command, frame, metadata, ready

TRAFFIC = GREETING + ready(b"PUSH")
IDENTITY_256 = metadata((b"Identity", b"i" * 256))

# What it says, what is found, which words of the requirement, the chapter, and the number for a monitor.
REFUSALS = [
    (b"GET /", "first octet is 47", "expected ff", '37/ZMTP "Version Negotiation"', Violation.UNSPECIFIED),
    (
        GREETING[:9] + b"\0",
        "octet 9 of the greeting is 00",
        "7f",
        '37/ZMTP "Version Negotiation"',
        Violation.UNSPECIFIED,
    ),
    (
        GREETING[:10] + b"\1",
        "octet 10 of the greeting is 01",
        "3 or more",
        '37/ZMTP "Version Negotiation"',
        Violation.UNSPECIFIED,
    ),
    (
        GREETING.replace(b"NULL", b"PLAIN", 1)[:64],
        "mechanism is PLAIN",
        "expected NULL",
        '37/ZMTP "Authentication and Confidentiality"',
        Violation.MECHANISM_MISMATCH,
    ),
    (
        b"\xff" * 64,
        "octets 12 to 31 of the greeting are \\xff\\xff",
        "expected the name of a mechanism",
        '37/ZMTP "Authentication and Confidentiality"',
        Violation.MECHANISM_MISMATCH,
    ),
    (GREETING + b"\x08\0", "flags are 08", "expected 0", '37/ZMTP "Framing"', Violation.UNSPECIFIED),
    (GREETING + b"\x05\0", "flags are 05", "expected MORE to be 0", '37/ZMTP "Framing"', Violation.UNSPECIFIED),
    (
        TRAFFIC + b"\x02\xff" + bytes(7),
        "frame of 18374686479671623680 octets",
        "2^63-1",
        '37/ZMTP "Framing"',
        Violation.UNSPECIFIED,
    ),
    (TRAFFIC + frame(bytes(101)), "frame of 101 octets", "100", "maxmsgsize", Violation.UNSPECIFIED),
    (
        TRAFFIC + frame(b"abcd", more=True) * 3,
        "3 frames of a message whose last has not come, 12 octets",
        "expected at most 200 octets, counting 64 more for each frame; raise the limit if the peer is to send",
        "maxunfinished",
        Violation.UNSPECIFIED,
    ),
    (
        GREETING + frame(bytes(65537), command=True)[:9],
        "frame of 65537 octets",
        "65536",
        "before READY",
        Violation.UNSPECIFIED,
    ),
    (
        GREETING + frame(b"hi"),
        "a message before READY",
        "expected only commands",
        '37/ZMTP "Overall Behavior"',
        Violation.UNEXPECTED_COMMAND,
    ),
    (
        GREETING + command(b"PING", b"\0\0"),
        "command PING in the handshake",
        "expected READY or ERROR",
        '37/ZMTP "Overall Behavior"',
        Violation.UNEXPECTED_COMMAND,
    ),
    (
        GREETING + frame(b"", command=True),
        "command that starts with nothing",
        "1 to 255",
        '37/ZMTP "Commands"',
        Violation.MALFORMED_COMMAND,
    ),
    (
        TRAFFIC + frame(b"\x04P!NG", command=True),
        "command that starts with 04 50 21 4e 47",
        "letters",
        '37/ZMTP "Commands"',
        Violation.MALFORMED_COMMAND,
    ),
    (
        GREETING + command(b"READY", b"\x02a b"),
        "property that starts with 02 61 20 62",
        "1 to 255",
        '37/ZMTP "Connection Metadata"',
        Violation.INVALID_METADATA,
    ),
    (
        GREETING + command(b"ERROR", b"\x09no"),
        "ERROR with 3 octets",
        "expected a length",
        '37/ZMTP "Error Handling"',
        Violation.MALFORMED_ERROR,
    ),
    (
        GREETING + ready(b"REQ"),
        "PULL cannot talk to REQ",
        "expected PUSH",
        '37/ZMTP "The Socket-Type Property"',
        Violation.INVALID_METADATA,
    ),
    (
        GREETING + command(b"READY", IDENTITY_256),
        "identity of 256 octets",
        "at most 255",
        '37/ZMTP "The Identity Property"',
        Violation.INVALID_METADATA,
    ),
    (
        GREETING + command(b"READY", metadata((b"X-a", b"")) * 129),
        "metadata of more than 128 properties",
        "expected at most as many",
        'a limit of ours, 37/ZMTP "Connection Metadata" sets none',
        Violation.INVALID_METADATA,
    ),
    (
        TRAFFIC + command(b"PING", b"\0"),
        "PING with 1 octets",
        "expected 2 to 18",
        '37/ZMTP "Connection Heartbeating"',
        Violation.MALFORMED_COMMAND,
    ),
]


@pytest.mark.requirement("37-16")
@pytest.mark.parametrize(
    ("octets", "found", "required", "chapter", "violation"), REFUSALS, ids=[row[1] for row in REFUSALS]
)
def test_a_refusal_names_the_finding_the_demand_and_the_rule(
    octets: bytes, found: str, required: str, chapter: str, violation: Violation
) -> None:
    limit = 100 if chapter == "maxmsgsize" else -1
    error = refusal(hear(Connection(SocketType.PULL, max_message_size=limit, max_unfinished=200), [octets]))
    assert error is not None
    words = str(error)
    assert found in words
    assert required in words
    assert words.endswith(f"({chapter})")
    assert error.violation is violation


@pytest.mark.requirement("28-2", "L-33")
def test_a_reply_without_delimiter_is_refused_in_the_same_manner() -> None:
    with pytest.raises(ProtocolError) as caught:
        Req(lambda: None, lambda: None).inspect([b"world"])
    error = caught.value
    assert str(error) == (
        "a reply of 1 frames, the first of 5 octets; expected an empty frame and then the reply"
        ' (28/REQREP, "The REQ Socket Type")'
    )
    assert error.violation is Violation.MALFORMED_MESSAGE


def test_all_refusals_of_the_wire_are_in_this_list() -> None:
    """A new `raise ProtocolError` without a line above is an untested refusal."""
    (folder,) = minizmtp.wire.__path__
    made = [
        node
        for path in Path(folder).glob("*.py")
        if path.stem not in ("plain", "curve", "websocket", "zws", "upgrade")  # which have their own
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ProtocolError"
    ]
    # Five lines are another case of the refusal before them: three versions, two mechanisms, a frame above two limits,
    # a command's name that is empty and one with a wrong character. Two refusals have no line, because they need a
    # publisher, or 262,144 frames: see `test_connection`.
    assert len(made) == len(REFUSALS) - 5 + 2
