r"""Reports: what came of a check, as text, as JSON and for JUnit.

A `Section` is one kind of socket in one role, or two stacks in theirs. `--json FILE` is one object, from which a report
can be read again:

    format     "minizmtp.check/1"
    sections   each:
      stack    the name of the stack, or the endpoint
      kind, mechanism, minor, dials, web   of the socket under test; kind is "" for two stacks
      results  each: number, name, group, level, section, rule, verdict, expected, came, note, seconds, and
        writes   what passed, in order, each: connection, ours, octets (in hex), at; left out of a case that passed
                 if it is much
        keys     by connection, the keys with which CURVE's boxes open; each was made for that connection
        closed   by the other side, each: connection, at

    >>> result = Result("37-68", "ping-is-answered", section="37", verdict=Verdict.FAILED, expected="PONG", came="PING")
    >>> [section] = from_json(to_json([Section("here", "PULL", "NULL", 1, False, [result])]))
    >>> section.title, section.results[0].came
    ('here: PULL that binds, NULL', 'PING')
    >>> print(*text_of(section), sep="\n")
    ✗ 37-68  ping-is-answered: . [MUST, 37]
        expected: PONG
        came:     PING
        to do:    make it as expected: 37 has the rule

The octets are named by `trace`, which reads them as a socket would: what we sent wrong on purpose is marked as wrong.

Below this module: `run`, `matrix`, `trace`. Read next: `page`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any
from xml.etree import ElementTree

from ..trace import Side, Span, Trace
from ..trace.curve import Keys
from .case import Level, Verdict
from .peer import Record, Write
from .run import Result

FORMAT = "minizmtp.check/1"
SIGNS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✗",
    Verdict.LIBZMQ: "~",
    Verdict.NOT_RUN: "–",
    Verdict.ENDED: "☠",
}
MOST_OCTETS = 16  # of a span, on a line
WIDTH = 53  # columns up to the end of the octets
MOST_KEPT = 4096  # octets of a case that passed, in JSON


@dataclass
class Section:
    """The results for one socket. web: over WebSocket."""

    stack: str
    kind: str
    mechanism: str
    minor: int
    dials: bool
    results: list[Result]
    web: bool = False

    @property
    def title(self) -> str:
        """The socket in words."""
        if not self.kind:
            return self.stack
        over = " over ws" if self.web else ""
        return f"{self.stack}: {self.kind} that {'connects' if self.dials else 'binds'}{over}, {self.mechanism}"

    def counts(self) -> dict[Verdict, int]:
        """How often each verdict was given."""
        found = [result.verdict for result in self.results]
        return {verdict: found.count(verdict) for verdict in Verdict}

    @property
    def summary(self) -> str:
        """The counts in words."""
        failed = [result for result in self.results if result.verdict is Verdict.FAILED]
        words = [f"{self.counts()[Verdict.PASSED]} passed"]
        by_level = {f"failed ({LEVELS[level]})": sum(result.level is level for result in failed) for level in Level}
        others = {verdict.value: self.counts()[verdict] for verdict in (Verdict.LIBZMQ, Verdict.ENDED, Verdict.NOT_RUN)}
        return ", ".join(words + [f"{count} {name}" for name, count in (by_level | others).items() if count])


LEVELS = {Level.MUST: "MUST", Level.SHOULD: "SHOULD", Level.LIBZMQ: "differs from libzmq"}


# --------------------------------------------------------------------------------------------------------------- text


def text_of(section: Section, whole: bool = False) -> Iterator[str]:
    """Lines for people: every case that did not pass, with what crossed the wire. whole: those that passed, too."""
    for result in section.results:
        if whole or result.verdict not in (Verdict.PASSED, Verdict.NOT_RUN):
            yield from lines_of(result, whole, section.dials)


def lines_of(result: Result, whole: bool, dials: bool = False) -> Iterator[str]:
    """The lines of one case."""
    level = LEVELS[result.level]
    yield f"{SIGNS[result.verdict]} {result.number:6} {result.name}: {result.rule}. [{level}, {result.section}]"
    if result.expected:
        if result.sent:
            yield f"    sent:     {result.sent}"
        yield f"    expected: {result.expected}"
        yield f"    came:     {result.came}"
        yield f"    to do:    {result.to_do}"
    if result.note:
        words = "libzmq:   " if result.verdict is Verdict.LIBZMQ else ""
        yield from wrap(f"{words}{result.note}", 110, initial_indent="    ", subsequent_indent="    ")
    if result.record and (whole or result.verdict in (Verdict.FAILED, Verdict.ENDED)):
        yield from wire_of(result.record, dials)


def wire_of(record: Record, dials: bool, mechanism: bytes = b"") -> Iterator[str]:
    """What crossed the wire, span by span: → was sent by the check, ← came. mechanism: see spans_of."""
    for number in range(record.connections):
        if record.connections > 1:
            yield f"    connection {number + 1}"
        for span in spans_of(record, number, dials, mechanism):
            sign = "→" if (span.side is Side.CLIENT) is not dials else "←"
            yield from lines_of_span(span, f"    {sign} ")
        if any(number == each for each, _ in record.closed):
            yield "    ← the end of the stream"


def lines_of_span(span: Span, front: str) -> Iterator[str]:
    """A line for a span, and indented ones for what is in its box."""
    left = f"… {len(span.octets):,} octets" if len(span.octets) > MOST_OCTETS else ""
    octets = span.octets[: MOST_OCTETS // (1 + bool(left))].hex(" ")
    yield f"{front}{octets + left:{WIDTH - len(front)}}  {span.name}: {printable(span.value)}"
    for inner in span.inside:
        yield from lines_of_span(inner, f"{front}   ")


def spans_of(record: Record, number: int, dials: bool, mechanism: bytes = b"") -> list[Span]:
    """The spans of one connection, in the order in which they began. mechanism: the right one. If the check
    names another on purpose, the other side's greeting is read first, so that it is not called wrong."""
    writes = [write for write in record.writes if write.connection == number]
    named = b"".join(write.octets for write in writes if write.ours)[12:32]
    order = list(range(len(writes)))
    if mechanism and named.ljust(20, b"\0") != mechanism.ljust(20, b"\0"):
        order.sort(key=lambda at: writes[at].ours)
    trace = Trace(keys=Keys(**record.keys[number]) if number in record.keys else None)
    for write in (writes[at] for at in order):
        trace.feed(Side.CLIENT if write.ours is not dials else Side.SERVER, write.octets, write.at)
    return sorted((span for side in Side for span in trace.spans(side)), key=lambda span: order[span.write])


def printable(text: str) -> str:
    """Text without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


# --------------------------------------------------------------------------------------------------------------- JSON


def to_json(sections: Sequence[Section]) -> dict[str, Any]:
    """The JSON object, for json.dump."""
    return {"format": FORMAT, "sections": [_section(section) for section in sections]}


def _section(section: Section) -> dict[str, Any]:
    fields = {name: value for name, value in vars(section).items() if name != "results"}
    return {**fields, "results": [_result(result) for result in section.results]}


def _result(result: Result) -> dict[str, Any]:
    fields = {name: value for name, value in vars(result).items() if name != "record"}
    fields |= {"level": result.level.name, "verdict": result.verdict.name, "seconds": round(result.seconds, 3)}
    record = result.record or Record(began=0.0)
    if result.verdict is Verdict.PASSED and sum(len(write.octets) for write in record.writes) > MOST_KEPT:
        record = Record(began=0.0)
    writes = [write._asdict() | {"octets": write.octets.hex(), "at": round(write.at, 6)} for write in record.writes]
    closed = [{"connection": number, "at": round(at, 6)} for number, at in record.closed]
    keys = {str(number): {name: key.hex() for name, key in known.items()} for number, known in record.keys.items()}
    return {**fields, "connections": record.connections, "keys": keys, "writes": writes, "closed": closed}


def from_json(document: dict[str, Any]) -> list[Section]:
    """The inverse of to_json. Raises ValueError for another format."""
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r}, expected {FORMAT!r}")
    return [
        Section(**{**section, "results": [_read_result(each) for each in section["results"]]})
        for section in document["sections"]
    ]


def _read_result(fields: dict[str, Any]) -> Result:
    fields = dict(fields)
    writes = [Write(**write | {"octets": bytes.fromhex(write["octets"])}) for write in fields.pop("writes")]
    closed = [(each["connection"], each["at"]) for each in fields.pop("closed")]
    keys = {
        int(number): {name: bytes.fromhex(key) for name, key in known.items()}
        for number, known in fields.pop("keys", {}).items()
    }
    record = Record(0.0, writes, closed, fields.pop("connections"), keys)
    fields |= {"level": Level[fields["level"]], "verdict": Verdict[fields["verdict"]]}
    return Result(**fields, record=record)


# -------------------------------------------------------------------------------------------------------------- JUnit


def to_junit(sections: Sequence[Section]) -> str:
    """The XML that continuous integration servers read. Only what fails the check is a failure there; a SHOULD that is
    not followed, and libzmq's ways, are in the output of their case."""
    root = ElementTree.Element("testsuites", name="minizmtp.check")
    for section in sections:
        failures = sum(result.is_failure for result in section.results)
        skipped = section.counts()[Verdict.NOT_RUN]
        counts = {"tests": len(section.results), "failures": failures, "skipped": skipped}
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": section.title, **{name: str(count) for name, count in counts.items()}}
        )
        for result in section.results:
            name = f"{result.number} {result.name}"
            case = ElementTree.SubElement(
                suite, "testcase", classname=result.group, name=name, time=f"{result.seconds:.3f}"
            )
            text = "\n".join(lines_of(result, False, section.dials))
            if result.is_failure:
                ElementTree.SubElement(case, "failure", message=f"{result.expected}; came: {result.came}").text = text
            elif result.verdict is Verdict.NOT_RUN:
                ElementTree.SubElement(case, "skipped", message=result.note)
            elif result.verdict is not Verdict.PASSED:
                ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"
