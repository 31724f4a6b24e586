r"""Stories: conversations that took place, with real libzmq at one end or both, each octet as it was said.

A story is a text file in `minizmtp/stories`: who spoke, and then each write in its order, in hexadecimal, a line for
each field. What stands behind # is for people, and was written by the trace:

    # A REQ asks, a REP answers.
    client: REQ, libzmq 4.3.5
    server: REP, libzmq 4.3.5

    client 0.0000
        ff                                               # signature: this is ZMTP
        00 00 00 00 00 00 00 01                          # padding: carries no meaning
        7f                                               # signature: and not as old as ZMTP 1.0

    >>> story = load("reqrep")
    >>> story.title, story.about["client"]
    ('A REQ asks, a REP answers.', 'REQ, libzmq 4.3.5')
    >>> [span.octets for span in story.trace().spans(Side.SERVER) if span.name == "body"]
    [b'world']

`python -m interop_tests.record` lets them all take place once more. Tests replay each through a Connection and a trace.

Below this module: `trace`. It can be read alone.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

from . import Keys, Side, Span, Trace

OCTETS_PER_LINE = 16
OCTETS_INSIDE = 8
INDENT = 4 * " "
COLUMN = 54  # of the words behind #
FOLDER = files("minizmtp") / "stories"


class Write(NamedTuple):
    """What one side said at a time, in seconds after the first word."""

    side: Side
    at: float
    octets: bytes


class Story(NamedTuple):
    """title: the first line. about: who spoke, and in which circumstances. keys: secrets in Z85, by the names that
    `trace.Keys` has for them."""

    title: str
    about: dict[str, str]
    keys: dict[str, str]
    writes: list[Write]

    def said(self, side: Side) -> bytes:
        """All that one side said."""
        return b"".join(write.octets for write in self.writes if write.side is side)

    def trace(self, *, opened: bool = True) -> Trace:
        """The conversation, traced. opened: with the keys, which takes PyNaCl."""
        trace = Trace(keys=Keys(**self.keys) if opened else None)
        for side, at, octets in self.writes:
            trace.feed(side, octets, at)
        return trace


def names() -> list[str]:
    """All stories that there are."""
    return sorted(path.name.removesuffix(".txt") for path in FOLDER.iterdir() if path.name.endswith(".txt"))


def load(name: str) -> Story:
    """The story of that name."""
    return read((FOLDER / f"{name}.txt").read_text("utf-8"))


def read(text: str) -> Story:
    r"""A story from its text.

    >>> story = read("# Two words.\nclient: by hand\nclient 0.0000\n    ff 00  # so\nserver 0.5000\n    7f\n")
    >>> [(write.side.value, write.at, write.octets) for write in story.writes]
    [('client', 0.0, b'\xff\x00'), ('server', 0.5, b'\x7f')]
    """
    title, *lines = text.splitlines()
    story = Story(title.removeprefix("# "), {}, {}, [])
    for line in lines:
        first, _, rest = line.partition(" ")
        if line.startswith(INDENT):
            last = story.writes[-1]
            story.writes[-1] = last._replace(octets=last.octets + bytes.fromhex(line.partition("#")[0]))
        elif first.endswith(":"):
            story.about[first[:-1]] = rest
        elif first == "key":
            name, _, key = rest.partition(" ")
            story.keys[name] = key
        elif first in ("client", "server"):
            story.writes.append(Write(Side(first), float(rest), b""))
        elif line and first != "#":
            raise ValueError(f"a story has no line like this: {line}")
    return story


def text_of(story: Story, notes: str = "") -> str:
    """The text of a story, for its file. notes: what else to say at its beginning."""
    lines = [f"# {story.title}", *(f"# {line}".rstrip() for line in notes.splitlines())]
    lines += [f"{name}: {words}" for name, words in story.about.items()]
    lines += [f"key {name} {key}" for name, key in story.keys.items()]
    trace, position = story.trace(), dict.fromkeys(Side, 0)
    for side, at, octets in story.writes:
        begin = position[side]
        position[side] = end = begin + len(octets)
        lines += ["", f"{side.value} {at:.4f}"]
        for span in trace.spans(side):
            lines += lines_of(span, max(begin, span.offset), min(end, span.offset + len(span.octets)))
    return "\n".join([*lines, ""])


def lines_of(span: Span, begin: int, end: int) -> Iterator[str]:
    """What of a span stands between two places of what its side said; its name where it begins, and what is inside it
    where it ends."""
    octets = span.octets[begin - span.offset : end - span.offset] if begin < end else b""
    for start in range(0, len(octets), OCTETS_PER_LINE):
        line = INDENT + octets[start : start + OCTETS_PER_LINE].hex(" ")
        is_first = begin + start == span.offset
        yield f"{line:<{COLUMN}}# {words_of(span)}" if is_first else line
    if octets and end == span.offset + len(span.octets):
        yield from inside(span, INDENT)


def inside(span: Span, indent: str) -> Iterator[str]:
    """What is in an opened box: a line for each, behind #."""
    for inner in span.inside:
        octets = inner.octets[:OCTETS_INSIDE].hex(" ") + (" …" if len(inner.octets) > OCTETS_INSIDE else "")
        yield f"{f'{INDENT}#{indent}{octets}':<{COLUMN}}# {words_of(inner)}"
        yield from inside(inner, indent + INDENT)


def words_of(span: Span) -> str:
    """Its name, and what it says if there is anything to say."""
    return f"{span.name}: {span.value}" if span.value else span.name
