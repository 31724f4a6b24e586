"""A page: a title and some conversations, as one file of HTML.

    >>> from ..trace import Side, Span
    >>> span = Span(Side.CLIENT, 0, b"\\xff", "signature", "identifies ZMTP", "37 Framing", "greeting", 0.0, 0)
    >>> text = conversation_page("What crossed the wire", [Conversation("a REQ", "zmtp", [span])])
    >>> text.startswith("<!doctype html>"), "identifies ZMTP" in text, "<script" in text
    (True, True, False)

The page is self-contained: its style is inline, its plots are SVG, and it has no script. A Content-Security-Policy also
makes the browser refuse to load or run anything. This matters because a page shows octets from untrusted peers. Jinja2
escapes them, and if it ever failed to, the browser would still refuse to run them.

It can be read alone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..trace import Side
from ..trace.records import Record, source_of, told
from . import conversation
from .conversation import Conversation, Kind, gist, kind_of, legend, rows, when
from .plots import Arrow, Part, ladder, ladder_heights, stacked

# A conversation with more records than this has no picture of arrows, because it would be longer than a screen.
FEW = 24

# So many fields of a record light up together with their octets; each needs a rule in the style.
MOST_LIT = 40


def conversation_page(title: str, conversations: Sequence[Conversation], note: str = "") -> str:
    """The text of a page that shows each conversation, one below the other. note: a paragraph below the title."""
    template = environment("minizmtp.html").get_template("conversations.html")
    return template.render(title=title, note=note, conversations=conversations)


def environment(*packages: str) -> Environment:
    """Jinja2 with the templates of these packages, which are searched in this order."""
    loaders = [PackageLoader(package) for package in packages]
    made = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "as_text": conversation.as_text,
        "bits": conversation.bits,
        "entries": entries,
        "gist": gist,
        "in_hex": conversation.in_hex,
        "iterator": iter,
        "kind": kind_of,
        "left_out": conversation.left_out,
        "link": conversation.link_to,
        "source": source_of,
        "told": told,
        "when": conversation.when,
    }
    made.globals |= {
        "FEW": FEW,
        "first_time": remembers(),
        "MOST_LIT": MOST_LIT,
        "ladders": ladders,
        "legend": legend,
        "next_of": next_of,
        "rows": rows,
        "shares": shares,
        "share_plot": share_plot,
    }
    return made


class Entry(NamedTuple):
    """A line of the list of contents. id: where it leads. words: about it; may be empty."""

    id: str
    name: str
    words: str


def entries(conversations: Sequence[Conversation]) -> list[Entry]:
    """The list of contents for a page of conversations."""
    return [
        Entry(f"c{number}", it.name or it.title, it.title if it.name else "")
        for number, it in enumerate(conversations, 1)
    ]


def remembers() -> Callable[[str], bool]:
    """A function that is true for each text the first time. On paper, where a reader can turn back, a page explains
    each field once."""
    seen: set[str] = set()

    def first_time(text: str) -> bool:
        is_new = text not in seen
        seen.add(text)
        return is_new

    return first_time


def next_of(texts: Iterator[str]) -> str:
    """The next text, or "" after the last."""
    return next(texts, "")


def shares(it: Conversation) -> list[tuple[Kind, int]]:
    """The kinds in a conversation and the number of octets of each, in the order of the legend."""
    sizes = dict.fromkeys((kind.name for kind in legend([it])), 0)
    for span in it.spans:
        sizes[kind_of(span).name] += len(span.octets)
    return [(kind, sizes[kind.name]) for kind in legend([it]) if sizes[kind.name]]


def share_plot(it: Conversation, whole: int) -> Markup:
    """The same as a bar. whole: the number of octets of the full width, so that two bars can be compared."""
    return stacked([Part(kind.hue, size) for kind, size in shares(it)], whole)


def ladders(lanes: Sequence[Sequence[Record]], places: Sequence[Sequence[int]]) -> list[Markup]:
    """A ladder for each lane, with a common time axis. places: the row of each record, from `rows`."""
    arrows = [
        [
            Arrow(it.at, row, f"{when(it.at)} {shortened(gist(it))}", it.side is Side.CLIENT)
            for it, row in zip(lane, found, strict=True)
        ]
        for lane, found in zip(lanes, places, strict=True)
    ]
    heights = ladder_heights(arrows)
    return [ladder(it, heights) for it in arrows]


def shortened(words: str) -> str:
    """Text cut to the room above an arrow on a phone.

    >>> shortened("a command with quite a long name, and more")
    'a command with quite a long nam…'
    """
    return words if len(words) <= 32 else f"{words[:31]}…"
