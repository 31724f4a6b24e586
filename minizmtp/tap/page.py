"""The page: conversations as one HTML file that needs nothing else, neither network nor JavaScript.

    for each connection     who, when, which protocol
      for each write        when, which direction, how much
        for each span       offset · octets in hex · as text · name and value · [source]

What a peer said goes into the page as text and never as HTML: jinja2 escapes it. jinja2 is needed for this module
alone, and comes with `pip install 'minizmtp[html]'`.

Below this module: `conversation`, and the template `page.html.jinja` beside it.
Read next: `ear`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from ..trace import Side, Span
from .conversation import Conversation, Write
from .show import MOST_OCTETS, OCTETS_PER_LINE, as_text, octets

TEMPLATE = "page.html.jinja"


def write_html(file: TextIO, conversations: Sequence[Conversation]) -> None:
    """The whole page. Raises ImportError where jinja2 is not installed."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"octets": octets, "dump": dump, "by_write": by_write}
    file.write(environment.get_template(TEMPLATE).render(conversations=conversations))


def by_write(conversation: Conversation) -> Iterator[tuple[Write, list[Span]]]:
    """Each write, with the spans that begin in it."""
    spans: list[list[Span]] = [[] for _ in conversation.writes]
    for side in Side:
        for span in conversation.spans[side]:
            spans[span.write].append(span)
    return zip(conversation.writes, spans, strict=True)


def dump(piece: bytes) -> Iterator[tuple[str, str]]:
    """The octets in hex and as text, line by line; of many, the beginning.

    >>> list(dump(b"READY"))
    [('52 45 41 44 59', 'READY')]
    >>> [text for _, text in dump(bytes(1000))][-1]
    '… and 936 octets more'
    """
    for start in range(0, min(len(piece), MOST_OCTETS), OCTETS_PER_LINE):
        line = piece[start : start + OCTETS_PER_LINE]
        yield line.hex(" "), as_text(line)
    if left := len(piece[MOST_OCTETS:]):
        yield "", f"… and {octets(left)} more"
