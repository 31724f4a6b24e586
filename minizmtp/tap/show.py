r"""Showing: spans become lines of text, 80 columns wide.

           0  ff                       ·         signature: this is ZMTP
      offset  octets in hex, 8 a line  as text   [source, where it changes]

    >>> spans = [Span(Side.CLIENT, 64, b"\x04", "flags", "a command", "37/ZMTP 3.1", "framing", 0.5, 1)]
    >>> print(Show().spans(2, Side.CLIENT, spans, 0.5, writes=1), end="")
    <BLANKLINE>
    [2]    0.500 s  client → server, 1 octet
          64  04                       ·         flags: a command [37/ZMTP 3.1]

On a terminal, each kind of span has its own colour, from rich. The lines are laid out by hand, because a rich table
takes a millisecond, which would slow the relayed connection down. Of a long span, and of many spans at once, only the
beginning is shown, because the rest costs time too and is more than a person can read; a line says how much is left
out. `whole` shows all.

A peer's octets must not control the terminal, so every unprintable character is shown as a dot.

Below this module: `trace`. Read next: `screen`, where the lines go.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from textwrap import wrap
from typing import TextIO

from rich.style import Style

from ..trace import Side, Span

WIDTH = 80
OCTETS_PER_LINE = 8
HEX_WIDTH = 3 * OCTETS_PER_LINE - 1
OFFSET_WIDTH = 8  # beyond the first 100 MB of a side, lines are shifted a little to the right
BLANK = " " * (HEX_WIDTH + 2 + OCTETS_PER_LINE)  # for a line without octets
MEANING_WIDTH = WIDTH - len(f"{0:{OFFSET_WIDTH}}  {BLANK}  ")

# How much is shown of one span and of one write, unless `whole` is set.
MOST_OCTETS = 8 * OCTETS_PER_LINE
MOST_SPANS = 32

STYLES = {
    "greeting": Style.parse("cyan"),
    "framing": Style.parse("yellow"),
    "command": Style.parse("bold blue"),
    "metadata": Style.parse("magenta"),
    "body": Style.parse("green"),
    "secret": Style.parse("bright_black"),
    "http-line": Style.parse("bold blue"),
    "http-field": Style.parse("magenta"),
    "http-framing": Style.parse("yellow"),
    "wrong": Style.parse("bold white on red"),
    "partial": Style.parse("dim"),
}
# For bytes.translate: one character for each octet, in Latin-1, because it has the dot.
PRINTABLE = bytes(octet if 32 <= octet < 127 else ord("·") for octet in range(256))

HEADING = Style.parse("bold")
DIM = Style.parse("dim")
NO_STYLE = Style.null()


def is_plain(file: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether file must get no colours. (NO_COLOR counts if it is not empty: https://no-color.org.)

    >>> import io
    >>> is_plain(io.StringIO(), {})
    True
    """
    return not file.isatty() or bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"


class Show:
    """colour: use escape codes. whole: show every octet of every span."""

    def __init__(self, colour: bool = False, whole: bool = False) -> None:
        self._colour = colour
        self._whole = whole

    def line(self, connection: int, at: float, words: str) -> str:
        """The line for an event of a connection."""
        return self._style(f"[{connection}] {at:8.3f} s  {printable(words)}", HEADING) + "\n"

    def spans(self, connection: int, side: Side, spans: Sequence[Span], at: float, writes: int) -> str:
        """The lines for the spans that one write completed. writes: the number of writes since the last such call."""
        size = sum(len(span.octets) for span in spans)
        shown = len(spans) if self._whole else MOST_SPANS
        words = f"{side.value} → {side.other.value}, {octets(size)}" + f" in {writes:,} writes" * (writes > 1)
        lines = ["\n" + self.line(connection, at, words)]
        source = ""
        for span in spans[:shown]:
            lines += self._span(span, source)
            source = span.source
        if left := spans[shown:]:
            size = sum(len(span.octets) for span in left)
            lines.append(
                self._style(f"{'':{OFFSET_WIDTH + 2}}… and {len(left):,} more of these, {octets(size)}\n", DIM)
            )
        return "".join(lines)

    def _span(self, span: Span, source_before: str, indent: str = "") -> Iterator[str]:
        style = STYLES["wrong" if span.wrong else span.kind]
        meaning = self._meaning(span, span.source != source_before, indent, style)
        most = len(span.octets) if self._whole else MOST_OCTETS
        for start in range(0, min(most, len(span.octets)), OCTETS_PER_LINE):
            piece = span.octets[start : start + OCTETS_PER_LINE]
            dump = self._style(f"{piece.hex(' '):{HEX_WIDTH}}  {as_text(piece):{OCTETS_PER_LINE}}", style)
            yield f"{span.offset + start:>{OFFSET_WIDTH}}  {dump}  {next(meaning, '')}".rstrip() + "\n"
        if left := len(span.octets[most:]):
            yield (
                f"{'':{OFFSET_WIDTH}}  {f'… and {octets(left)} more':{len(BLANK)}}  {next(meaning, '')}".rstrip() + "\n"
            )
        for line in meaning:
            yield f"{'':{OFFSET_WIDTH}}  {BLANK}  {line}".rstrip() + "\n"
        for inner in span.inside:
            yield from self._span(inner, span.source, indent + "┊ ")

    def _meaning(self, span: Span, with_source: bool, indent: str, style: Style) -> Iterator[str]:
        """Name, value and source, in as many lines as they need."""
        width = MEANING_WIDTH - len(indent)
        name = printable(span.name)
        source = f"[{printable(short(span.source))}]" if with_source and span.source else ""
        first, *more = wrapped(f"{name}: {printable(span.value)}", width)
        if source and not more and len(first) + 1 + len(source) <= width:
            yield indent + self._named(first, name, style) + " " + self._style(source, DIM)
            return
        yield indent + self._named(first, name, style)
        yield from (indent + line for line in more)
        for line in wrapped(source, width):
            yield indent + self._style(line, DIM)

    def _named(self, line: str, name: str, style: Style) -> str:
        """The line, with the name at its beginning in colour."""
        if self._colour and line.startswith(name):
            return self._style(name, style) + line[len(name) :]
        return line

    def _style(self, text: str, style: Style) -> str:
        return style.render(text) if self._colour else text


@lru_cache(1000)
def wrapped(text: str, width: int) -> tuple[str, ...]:
    """The text as lines of that width. Cached, because the same descriptions occur again and again."""
    return tuple(wrap(text, width))


def octets(number: int) -> str:
    """A number of octets, in words.

    >>> octets(1), octets(65536)
    ('1 octet', '65,536 octets')
    """
    return "1 octet" if number == 1 else f"{number:,} octets"


@lru_cache(1000)
def short(source: str) -> str:
    """A source, shortened for a narrow column.

    >>> short('37/ZMTP 3.1, "Framing"'), short("RFC 9112 §3")
    ('37 Framing', '9112 §3')
    """
    return re.sub(r'/[^,]*, "(.*)"', r" \1", source).removeprefix("RFC ")


def as_text(piece: bytes) -> str:
    r"""As ASCII, with a dot for what cannot be printed.

    >>> as_text(b"\x05READY\r\n")
    '·READY··'
    """
    return piece.translate(PRINTABLE).decode("latin-1")


def printable(text: str) -> str:
    r"""The same for text.

    >>> printable("grün \x1b[2J")
    'grün ·[2J'
    """
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "·" for letter in text)
