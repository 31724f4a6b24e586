"""A page: a title and some conversations, as one file of HTML.

    >>> from ..trace import Side, Span
    >>> span = Span(Side.CLIENT, 0, b"\\xff", "signature", "this is ZMTP", "37 Framing", "greeting", 0.0, 0)
    >>> text = conversation_page("What crossed the wire", [Conversation("a REQ", "zmtp", [span])])
    >>> text.startswith("<!doctype html>"), "this is ZMTP" in text, "<script" in text
    (True, True, False)

The page needs nothing but itself: its style is in it, its plots are SVG, and it has no script. It also says so to the
browser, in a Content-Security-Policy that forbids all that could be loaded or run. That is worth something here,
because what a page shows are octets that strangers have sent: Jinja2 escapes them, and if it ever failed to, the
browser would still refuse.

It can be read alone.
"""

from collections.abc import Sequence

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..trace import Side
from . import conversation
from .conversation import Conversation, Kind, Write, kind_of, legend, rows, when, writes
from .plots import Arrow, Part, ladder, ladder_heights, stacked

# A conversation with more writes than this is shown folded: one opens what one wants to see.
FEW = 24


def conversation_page(title: str, conversations: Sequence[Conversation], note: str = "") -> str:
    """The text of a page that shows each conversation, one below the other. note: a paragraph below the title."""
    template = environment("minizmtp.html").get_template("conversations.html")
    return template.render(title=title, note=note, conversations=conversations)


def environment(*packages: str) -> Environment:
    """Jinja2 with the templates of these packages; a name is looked for in one after the other."""
    loaders = [PackageLoader(package) for package in packages]
    made = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "as_text": conversation.as_text,
        "in_hex": conversation.in_hex,
        "kind": kind_of,
        "left_out": conversation.left_out,
        "link": conversation.link_to,
        "when": conversation.when,
        "writes": writes,
    }
    made.globals |= {
        "FEW": FEW,
        "ladders": ladders,
        "legend": legend,
        "rows": rows,
        "shares": shares,
        "share_plot": share_plot,
    }
    return made


def shares(it: Conversation) -> list[tuple[Kind, int]]:
    """The families of a conversation, and how many octets each has, in the order of the legend."""
    sizes = dict.fromkeys((kind.name for kind in legend([it])), 0)
    for span in it.spans:
        sizes[kind_of(span).name] += len(span.octets)
    return [(kind, sizes[kind.name]) for kind in legend([it]) if sizes[kind.name]]


def share_plot(it: Conversation, whole: int) -> Markup:
    """The same as a bar. whole: what its full width stands for, so that two can be compared."""
    return stacked([Part(kind.hue, size) for kind, size in shares(it)], whole)


def ladders(lanes: Sequence[Sequence[Write]], places: Sequence[Sequence[int]]) -> list[Markup]:
    """A ladder for each lane, all with one time. places: the row of each write, as `rows` has it."""
    arrows = [
        [
            Arrow(it.at, row, f"{when(it.at)} {shortened(it.gist)}", it.side is Side.CLIENT)
            for it, row in zip(lane, found, strict=True)
        ]
        for lane, found in zip(lanes, places, strict=True)
    ]
    heights = ladder_heights(arrows)
    return [ladder(it, heights) for it in arrows]


def shortened(words: str) -> str:
    """Only as much as there is room for above an arrow, on a phone.

    >>> shortened("a command with quite a long name, and more")
    'a command with quite a long nam…'
    """
    return words if len(words) <= 32 else f"{words[:31]}…"
