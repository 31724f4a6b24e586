"""Whole conversations, octet by octet: cut at every octet, ended at every octet, and with every octet changed.

A recording is what one peer said from its first octet to its last. It is written in steps: each step is the octets of
one event, and each of its fields comes with the values that the octets may have instead. Any other value has to be
refused. So these tables are the format of ZMTP once more, seen from what is *not* allowed.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.wire import Cancel, Connection, ConnectionClosed, Error, Greeting, Ping, Pong, Ready, Subscribe
from tests.minizmtp.streams import hear, refusal

NAMES_ITS_RULE = re.compile(r'\((37/ZMTP "[A-Z].+"|maxmsgsize|before READY)\)$')
Allowed = Callable[[int], bool]


def nothing_else(value: int) -> bool:
    """Every other value is refused."""
    return False


def anything(value: int) -> bool:
    """Another value means something else: other events, but no refusal."""
    return True


def unknown(value: int) -> bool:
    """Another value moves the fields that follow, and what comes of that is not for this table to say: only that it
    is events or one refusal."""
    return True


def letter(value: int) -> bool:
    return bytes([value]).isalpha()


def property_character(value: int) -> bool:
    return bytes([value]).isalnum() or value in b"-_.+"


def odd(value: int) -> bool:
    return value % 2 == 1


def three_or_more(value: int) -> bool:
    return value >= 3


def flags(value: int) -> bool:
    """None of our messages would do as a command: 4 is refused. 2, 3 and 6 make a size of what follows, and wait."""
    return value in (0, 1, 2, 3, 6)


def length_up_to(most: int) -> Allowed:
    """The length of a name that so many letters could belong to."""
    return lambda value: 1 <= value <= most


@dataclass
class Step:
    """One event: what it is, its octets, and what the end would cut off right behind it."""

    event: object
    fields: list[tuple[str, Allowed]]
    cut_off: str = ""

    @property
    def octets(self) -> bytes:
        return b"".join(bytes.fromhex(octets) for octets, _ in self.fields)


@dataclass
class Recording:
    ours: SocketType
    steps: list[Step]

    @property
    def octets(self) -> bytes:
        return b"".join(step.octets for step in self.steps)

    @property
    def events(self) -> list[object]:
        return [step.event for step in self.steps]

    def positions(self) -> Iterator[tuple[int, Allowed]]:
        """Each octet's place, and what it may be."""
        rules = (
            allowed for step in self.steps for octets, allowed in step.fields for _ in range(len(bytes.fromhex(octets)))
        )
        return enumerate(rules)


def greeting(minor: str = "01") -> Step:
    return Step(
        Greeting(3, int(minor), b"NULL", False),
        [
            ("ff", nothing_else),
            ("00 00 00 00 00 00 00 01", anything),
            ("7f", odd),
            ("03", three_or_more),
            (minor, anything),
            ("4e 55 4c 4c  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", nothing_else),
            ("00", anything),
            ("00" * 31, anything),
        ],
        "in the handshake",
    )


def ready(peer: str) -> Step:
    """READY of a peer that has no Identity, and whose type has no neighbour at a distance of one letter."""
    return Step(
        Ready({b"socket-type": bytes.fromhex(peer)}),
        [
            ("04", nothing_else),
            (f"{22 + len(bytes.fromhex(peer)):02x}", unknown),
            ("05", nothing_else),
            ("52 45 41 44 59", nothing_else),
            ("0b", nothing_else),
            ("53 6f 63 6b 65 74 2d 54 79 70 65", property_character),
            (f"00 00 00 {len(bytes.fromhex(peer)):02x}", nothing_else),
            (peer, nothing_else),
        ],
    )


REQ_ASKS_REP = Recording(
    SocketType.REP,
    [
        greeting(),
        Step(
            Ready({b"socket-type": b"REQ", b"identity": b""}),
            [
                ("04", nothing_else),
                ("26", unknown),
                ("05", nothing_else),
                ("52 45 41 44 59", nothing_else),
                ("0b", nothing_else),
                ("53 6f 63 6b 65 74 2d 54 79 70 65", property_character),
                ("00 00 00 03", nothing_else),
                ("52 45 51", nothing_else),
                ("08", nothing_else),
                ("49 64 65 6e 74 69 74 79", property_character),
                ("00 00 00 00", nothing_else),
            ],
        ),
        Step(
            [b"", b"hi"],
            [("01", flags), ("00", unknown), ("00", flags), ("02", unknown), ("68 69", anything)],
        ),
        Step(
            [b"r1", b"", b"hi"],
            [
                ("01", flags),
                ("02", unknown),
                ("72 31", anything),
                ("01", flags),
                ("00", unknown),
                ("00", flags),
                ("02", unknown),
                ("68 69", anything),
            ],
        ),
    ],
)

SUB_LISTENS_TO_PUB = Recording(
    SocketType.PUB,
    [
        greeting(),
        ready("53 55 42"),
        Step(
            Subscribe(b"A"),
            [
                ("04", flags),
                ("0b", unknown),
                ("09", length_up_to(10)),  # all ten are letters
                ("53 55 42 53 43 52 49 42 45", letter),
                ("41", anything),
            ],
        ),
        Step(
            Subscribe(b""),
            [
                ("04", flags),
                ("0a", unknown),
                ("09", length_up_to(9)),
                ("53 55 42 53 43 52 49 42 45", letter),
            ],
        ),
        Step(
            Cancel(b"A"),
            [
                ("04", flags),
                ("08", unknown),
                ("06", length_up_to(7)),
                ("43 41 4e 43 45 4c", letter),
                ("41", anything),
            ],
        ),
        Step([b"\x017"], [("00", flags), ("02", unknown), ("01", anything), ("37", anything)]),
        Step([b"\x007"], [("00", flags), ("02", unknown), ("00", anything), ("37", anything)]),
    ],
)

SUB_3_0_LISTENS_TO_PUB = Recording(
    SocketType.PUB,
    [
        greeting("00"),
        ready("53 55 42"),
        Step([b"\x017"], [("00", flags), ("02", unknown), ("01", anything), ("37", anything)]),
        Step([b"\x01"], [("00", flags), ("01", unknown), ("01", anything)]),
        Step([b"\x007"], [("00", flags), ("02", unknown), ("00", anything), ("37", anything)]),
    ],
)

# libzmq's heartbeat timer fires between two frames, and so do other things that the grammar does not foresee.
PUSH_PINGS_INSIDE_A_MESSAGE = Recording(
    SocketType.PULL,
    [
        greeting(),
        ready("50 55 53 48"),
        Step(
            Ping(20, b""),
            [
                ("01", flags),
                ("01", unknown),
                ("61", anything),
                ("04", flags),
                ("07", unknown),
                ("04", length_up_to(4)),  # PIN, PI and P are unknown commands
                ("50 49 4e 47", letter),
                ("00 14", anything),
            ],
            "inside a message, after 1 of its frames",
        ),
        Step(
            Pong(b"ctx"),
            [
                ("04", flags),
                ("08", unknown),
                ("04", length_up_to(7)),
                ("50 4f 4e 47", letter),
                ("63 74 78", anything),
            ],
            "inside a message, after 1 of its frames",
        ),
        Step(
            [b"a", b"", b"b"],
            [("01", flags), ("00", unknown), ("00", flags), ("01", unknown), ("62", anything)],
        ),
        Step(
            [bytes(256)],
            [
                ("02", lambda value: value in (0, 1, 3)),  # 6 would make it a command without a name
                ("00 00 00 00 00 00 01", unknown),
                ("00", unknown),
                ("00" * 256, anything),
            ],
        ),
    ],
)

# The peer of a service that refuses it. Nothing may come after.
PEER_SAYS_ERROR = Recording(
    SocketType.REQ,
    [
        greeting(),
        Step(
            Error(b"400"),
            [
                ("04", nothing_else),
                ("0a", unknown),
                ("05", nothing_else),
                ("45 52 52 4f 52", nothing_else),
                ("03", nothing_else),
                ("34 30 30", anything),
            ],
        ),
    ],
)

RECORDINGS = {
    "REQ asks REP": REQ_ASKS_REP,
    "SUB listens to PUB": SUB_LISTENS_TO_PUB,
    "SUB 3.0 listens to PUB": SUB_3_0_LISTENS_TO_PUB,
    "PUSH pings inside a message": PUSH_PINGS_INSIDE_A_MESSAGE,
    "peer says ERROR": PEER_SAYS_ERROR,
}
every_recording = pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS)


@every_recording
def test_a_recording_is_the_events_of_its_steps(recording: Recording) -> None:
    assert hear(Connection(recording.ours), [recording.octets], end=True) == [*recording.events, ConnectionClosed("")]


@every_recording
def test_it_may_come_octet_by_octet(recording: Recording) -> None:
    octets = recording.octets
    chunks = [octets[i : i + 1] for i in range(len(octets))]
    assert hear(Connection(recording.ours), chunks, end=True) == [*recording.events, ConnectionClosed("")]


@every_recording
def test_it_may_be_cut_at_every_octet(recording: Recording) -> None:
    octets = recording.octets
    for cut in range(1, len(octets)):
        heard = hear(Connection(recording.ours), [octets[:cut], octets[cut:]], end=True)
        assert heard == [*recording.events, ConnectionClosed("")], f"cut at {cut}"


@every_recording
def test_each_event_is_returned_with_its_last_octet(recording: Recording) -> None:
    connection = Connection(recording.ours)
    for step in recording.steps:
        assert hear(connection, [step.octets[:-1]]) == []
        assert hear(connection, [step.octets[-1:]])[:1] == [step.event]


@pytest.mark.requirement("37-17", "37-27", "L-10")
@every_recording
def test_a_stream_may_end_at_every_octet(recording: Recording) -> None:
    where = "after 0 of the 64 octets of the greeting"
    begun = 0
    events: list[object] = []
    for step in recording.steps:
        for end in range(begun, begun + len(step.octets)):
            *told, closed = hear(Connection(recording.ours), [recording.octets[:end]], end=True)
            assert told == events, f"ended after {end} octets"
            assert isinstance(closed, ConnectionClosed)
            if end == begun:
                assert closed.where == where
            else:
                assert closed.where != ""
        begun += len(step.octets)
        where = step.cut_off
        events.append(step.event)


@pytest.mark.requirement("37-16")
@every_recording
@pytest.mark.slow
def test_a_changed_octet_is_refused_where_it_must_be(recording: Recording) -> None:
    octets = recording.octets
    for place, allowed in recording.positions():
        if place < 64 and recording is not REQ_ASKS_REP:
            continue  # the greeting is the same in all
        right = octets[place]
        values = range(256) if allowed is not anything else (0, 1, 4, 255, right ^ 1)
        for value in values:
            if value == right:
                continue
            heard = hear(Connection(recording.ours), [octets[:place] + bytes([value]) + octets[place + 1 :]], end=True)
            assert isinstance(heard[-1], ConnectionClosed)
            error = refusal(heard)
            if error is not None:
                assert heard[-2] is error
                assert NAMES_ITS_RULE.search(str(error))
            if allowed is not unknown:
                assert (error is None) == allowed(value), f"octet {place}, {right:02x} → {value:02x}: {heard[-2:]}"


@every_recording
def test_every_octet_may_be_left_out_or_repeated(recording: Recording) -> None:
    octets = recording.octets
    for place in range(len(octets)):
        for said in (octets[:place] + octets[place + 1 :], octets[: place + 1] + octets[place:]):
            heard = hear(Connection(recording.ours), [said], end=True)
            assert isinstance(heard[-1], ConnectionClosed)
            assert all(not isinstance(event, ProtocolError) for event in heard[:-2])
