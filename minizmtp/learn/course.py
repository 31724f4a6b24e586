"""The ten steps: the cases that check each, the part of its text that explains each case, and one more hint.

A line of a table is the name of a case, a heading of the step's text, and the hint; a line with a colon says which kind
of program the next lines are for. The names are those of `python -m minizmtp.check --list` and of `lessons`.

    >>> STEPS[0].title, STEPS[0].checks[0].case.name()
    ('The greeting', 'each-octet-of-the-greeting')
    >>> step("frames").number, step("2").name
    (2, 'frames')

Read next: `hook`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..check import __main__ as check_groups
from ..check.case import ALL, Case
from .lessons import LESSONS
from .program import CONNECTS

TEXTS = Path(__file__).with_name("steps")
CASES = {case.name(): case for case in (*(case for case in ALL if case.group), *LESSONS)}
assert check_groups.GROUPS  # importing the command line has loaded every group of cases


@dataclass(frozen=True)
class Check:
    """One case for one kind of program. part: a heading of the step's text. late, settings: see `program.Mine`."""

    case: type[Case]
    kind: str
    part: str
    hint: str
    mechanism: bytes = b"NULL"
    settings: Mapping[str, str] = field(default_factory=dict)
    late: float = 0.0

    @property
    def dials(self) -> bool:
        """Whether the program connects."""
        return self.kind in CONNECTS


@dataclass(frozen=True)
class Step:
    """One step of the course. name: of its text's file, too."""

    number: int
    name: str
    title: str
    checks: tuple[Check, ...]

    @property
    def text(self) -> str:
        """The text: hook, explanation, what will be tested, notes."""
        return (TEXTS / f"{self.number:02}-{self.name}.md").read_text("utf-8")


def checks_of(table: str, mechanism: bytes = b"NULL", settings: Mapping[str, str] | None = None) -> tuple[Check, ...]:
    """The checks of a table."""
    found, kind = [], ""
    for line in filter(None, map(str.strip, table.splitlines())):
        if line.endswith(":"):
            kind = line[:-1]
            continue
        name, part, hint = (word.strip() for word in line.split("|"))
        found.append(Check(CASES[name], kind, part, hint, mechanism, settings or {}))
    return tuple(found)


GREETING = checks_of("""
    PULL:
    each-octet-of-the-greeting | The 64 octets | Print your greeting in hex and count: 10 + 2 + 20 + 1 + 31.
    version-comes-before-ours | Both speak first | Send your greeting as soon as TCP has connected; read after that.
    greeting-is-answered | Both speak first | Every connection gets a greeting, and not only the first.
    nothing-after-the-greeting | The 64 octets | as-server and the filler are 32 zeros together.
    stays-open | What is left to do | Read until the peer ends the connection, close it, and accept the next.
    greeting-octet-by-octet | A stream has no borders | recv(64) may return one octet. Read in a loop.
    other-padding | What to look at | Octets 1 to 8 mean nothing to you.
    later-version | What to look at | The major version is at least 3: compare with <, not with ==.
    later-minor-version | What to look at | The minor version is for information; accept any.
    as-server-is-zero | The 64 octets | Octet 32 is 0, as a number and not as the letter "0".
    mechanism-is-padded | The 64 octets | NULL is four letters and sixteen zero octets, not spaces.
    no-signature | What to look at | Compare octets 0 and 9 with ff and 7f.
    other-mechanism | What to look at | The mechanism is all 20 octets from octet 12 on.
    almost-the-mechanism | What to look at | Compare 20 octets with NULL and 16 zeros, and change nothing before.
    old-version | What to look at | Look at octet 10 as soon as 11 octets are there: the peer sends no more.
    oldest-version | What to look at | Look at octet 0 as soon as it is there: this peer sends no more.
    other-protocol | What to look at | "G" is not ff, so the first octet is enough.
    leaves-inside-the-greeting | A stream has no borders | recv returns nothing at the end: close, and accept the next.
""")

FRAMES = checks_of("""
    PULL:
    one-frame | Commands | The first frame is the command READY: 04 or 06 in its flags. Pass it over.
    empty-frame-is-a-dash | Lines | An empty frame has size 0 and no body, and its word on the line is "-".
    several-frames | Messages | Collect frames until one comes without MORE, then print them on one line.
    sizes-of-frames | The header | The size octet of a short frame has no sign; a long size has 8 octets, big-endian.
    long-form-of-a-small-frame | The header | LONG says how the size is written, whatever the size is.
    octet-by-octet | The header | Read exactly 1 octet, then 1 or 8, then the body, each in a loop.
    a-hundred-at-once | The header | Octets that came with one frame belong to the next: keep them.
    commands-are-passed-over | Commands | A command between two frames must not end or empty the message.
    all-in-one-write | The header | What was read together with the greeting is the first frame.
    half-of-a-message | Messages | The frames that you collect belong to one connection and end with it.
    end-inside-a-frame | Messages | The end of the stream inside a frame is the end of the message.
    reserved-bits-of-flags | The header | flags & f8 must be 0.
    more-on-a-command | Commands | Flags 05 and 07 are wrong.
    size-beyond-all | The header | Compare the size before you read or allocate: its first bit must be 0.
""")

READY = checks_of("""
    PULL:
    ready-octet-by-octet | The octets of READY | Count the lengths again: one octet for names, four for values.
    ready-is-answered | The octets of READY | Send READY after your greeting, without waiting for the peer's.
    says-its-type | The octets of READY | The property is Socket-Type.
    type-is-one-of-the-list | The octets of READY | The value is PULL, in capitals.
    greeting-and-ready-together | What comes first | READY may be in the same packet as the greeting.
    greeting-in-pieces | What comes first | Read the greeting in a loop.
    ready-in-pieces | What comes first | READY is a frame like others: read it in the same way.
    long-ready | What comes first | 06 is a command, too.
    large-ready | Reading metadata | A READY of more than 255 octets comes in a long frame.
    other-properties | Reading metadata | Pass over properties that you don't know; a value may be empty.
    names-without-case | Reading metadata | Compare the names of properties in lower case.
    long-identity | Reading metadata | The length of a value has four octets.
    no-socket-type | Reading metadata | A READY without Socket-Type is accepted, as libzmq does.
    all-partners-fit | Types that fit | The peer of a PULL is a PUSH.
    wrong-types | Types that fit | Close the connection if the peer is no PUSH.
    type-in-small-letters | Types that fit | The value of Socket-Type is compared as it is.
    value-that-ends-early | Reading metadata | Check each length against what is left before you cut.
    trailing-octets | Reading metadata | After the last property nothing may be left.
    message-before-ready | What comes first | A message frame before READY is an error.
    other-command-before-ready | What comes first | The name is all its letters: READY, and nothing that resembles it.
    ping-before-ready | What comes first | Any command but READY ends the connection.
    error-ends-the-handshake | What comes first | ERROR is a command other than READY.
    leaves-inside-ready | What comes first | The end of the stream is possible at every read.
    one-peer-for-messages | What comes first | After READY, messages are printed as in step 2.
""")

STEPS = (
    Step(1, "greeting", "The greeting", GREETING),
    Step(2, "frames", "Frames", FRAMES),
    Step(3, "ready", "READY", READY),
)


def step(word: str) -> Step:
    """The step with this number or name. Raises ValueError for any other word."""
    for each in STEPS:
        if word in (str(each.number), each.name):
            return each
    raise ValueError(f"there is no step {word}; there are {', '.join(f'{each.number} {each.name}' for each in STEPS)}")
