r"""Stories: recorded conversations with real libzmq at one end or both, octet by octet.

A story is a text file in `minizmtp/stories`: the two sides, and then each write in order, in hexadecimal, with a line
for each field. The comments after # were written by the trace, for human readers:

    # A REQ asks, a REP answers.
    client: REQ, libzmq 4.3.5
    server: REP, libzmq 4.3.5
    summary: One request and one reply.

    client 0.0000
        ff                                               # signature: identifies ZMTP
        00 00 00 00 00 00 00 01                          # padding: ignored
        7f                                               # signature: identifies ZMTP 2.0 or later

    >>> story = load("reqrep")
    >>> story.title, story.about["client"]
    ('A REQ asks, a REP answers.', 'REQ, libzmq 4.3.5')
    >>> [span.octets for span in story.trace().spans(Side.SERVER) if span.name == "body"]
    [b'world']

`python -m interop_tests.record` records all of them again. Tests replay each through a Connection and a trace.

Below this module: `trace`. It can be read alone.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

from . import Keys, Side, Span, Trace

OCTETS_PER_LINE = 16
OCTETS_INSIDE = 8
INDENT = 4 * " "
COLUMN = 54  # where the comments begin
FOLDER = files("minizmtp") / "stories"


class Write(NamedTuple):
    """One write of one side. at: seconds after the first write."""

    side: Side
    at: float
    octets: bytes


class Story(NamedTuple):
    """title: the first line. about: the two sides, the mechanism, and a summary. keys: secrets in Z85, under the names
    that `trace.Keys` uses."""

    title: str
    about: dict[str, str]
    keys: dict[str, str]
    writes: list[Write]

    def said(self, side: Side) -> bytes:
        """All octets of one side."""
        return b"".join(write.octets for write in self.writes if write.side is side)

    def trace(self, *, opened: bool = True) -> Trace:
        """A trace of the conversation. opened: use the keys, which needs PyNaCl."""
        trace = Trace(keys=Keys(**self.keys) if opened else None)
        for side, at, octets in self.writes:
            trace.feed(side, octets, at)
        return trace


def names() -> list[str]:
    """The names of all stories."""
    return sorted(path.name.removesuffix(".txt") for path in FOLDER.iterdir() if path.name.endswith(".txt"))


def load(name: str) -> Story:
    """The story with that name."""
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
            raise ValueError(f"not a valid line of a story: {line}")
    return story


def text_of(story: Story, notes: str = "") -> str:
    """The text of a story, for its file. notes: further comments at its beginning."""
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
    """The lines for the part of a span between two offsets: its name at the start of the span, and the content of its
    box at the end."""
    octets = span.octets[begin - span.offset : end - span.offset] if begin < end else b""
    for start in range(0, len(octets), OCTETS_PER_LINE):
        line = INDENT + octets[start : start + OCTETS_PER_LINE].hex(" ")
        is_first = begin + start == span.offset
        yield f"{line:<{COLUMN}}# {words_of(span)}" if is_first else line
    if octets and end == span.offset + len(span.octets):
        yield from inside(span, INDENT)


def inside(span: Span, indent: str) -> Iterator[str]:
    """The content of an opened box: one comment line for each span."""
    for inner in span.inside:
        octets = inner.octets[:OCTETS_INSIDE].hex(" ") + (" …" if len(inner.octets) > OCTETS_INSIDE else "")
        yield f"{f'{INDENT}#{indent}{octets}':<{COLUMN}}# {words_of(inner)}"
        yield from inside(inner, indent + INDENT)


def words_of(span: Span) -> str:
    """The span's name, and its value if it has one."""
    return f"{span.name}: {span.value}" if span.value else span.name
