"""Plots: turn numbers into SVG for a page.

    241 octets  ┌──────┬───────────────────────────────────────┬───┬┐
                │ lines│ fields                                │fr.│b
                └──────┴───────────────────────────────────────┴───┴┘

    >>> print(stacked([Part("framing", 1), Part("body", 3)], 8))
    <svg xmlns="http://www.w3.org/2000/svg" width="100%" height="24" class="plot" aria-hidden="true">\
<rect class="hue-framing" x="0.0%" y="0" width="12.5%" height="24"/>\
<rect class="hue-body" x="12.5%" y="0" width="37.5%" height="24"/></svg>

Widths are in per cent and heights in pixels, so a plot fills the available width, on a phone or on paper, while its
letters keep their size. Colours are classes that the page's style defines, because there is a light and a dark scheme.

svg.py doesn't escape text. So every text from a program or a peer goes through `words`, which does.

Read next: `page`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import svg
from markupsafe import Markup, escape

STACK_HEIGHT = 24

# A ladder: its height for the time of the longest conversation, and the height that one arrow's label needs.
LADDER_HEIGHT, RUNG = 170.0, 24.0


class Part(NamedTuple):
    """A share of a whole. hue: the class that colours it."""

    hue: str
    value: float


def stacked(parts: Sequence[Part], whole: float) -> Markup:
    """One bar, divided into parts. whole: the value of the full width. The bar is hidden from screen readers, because
    the same figures stand beside it as text."""
    cuts: list[svg.Element] = []
    start = 0.0
    for part in parts:
        cuts.append(box(f"hue-{part.hue}", start / whole, part.value / whole, 0, STACK_HEIGHT))
        start += part.value
    return drawing(STACK_HEIGHT, cuts)


class Arrow(NamedTuple):
    """One arrow of a ladder. row: from `conversation.rows`. to_right: from the client to the server."""

    at: float
    row: int
    words: str
    to_right: bool


def ladder(arrows: Sequence[Arrow], heights: Sequence[float]) -> Markup:
    """Which side sent when, as arrows between two lifelines; time runs downwards. heights: the position of each row."""
    bottom = int(max((heights[arrow.row - 1] for arrow in arrows), default=0)) + 12
    lines: list[svg.Element] = [
        svg.Line(x1=percent(side), x2=percent(side), y1=0, y2=bottom, class_=["lifeline"]) for side in (0, 1)
    ]
    for arrow in arrows:
        y = heights[arrow.row - 1]
        head = "M-9 -4.5 L0 0 L-9 4.5z" if arrow.to_right else "M9 -4.5 L0 0 L9 4.5z"
        tip = svg.Path(d=head, class_=["tip"])  # type: ignore[arg-type]  # a path as text, which is what it becomes
        lines += [
            svg.Line(x1=percent(0), x2=percent(1), y1=y, y2=y, class_=["rung"]),
            svg.SVG(x=percent(arrow.to_right), y=y, overflow="visible", elements=[tip]),
            svg.Text(text=words(arrow.words), x=percent(0.5), y=y - 6, class_=["small", "middle"]),
        ]
    return drawing(bottom, lines)


def ladder_heights(ladders: Sequence[Sequence[Arrow]]) -> list[float]:
    """The position of each row: according to its time, but never so close to the row before that labels touch.

    >>> first = Arrow(0.0, 1, "hello", True)
    >>> ladder_heights([[first, Arrow(1.0, 3, "world", False)], [first, Arrow(0.0, 2, "hi", False)]])
    [24.0, 48.0, 194.0]
    """
    times = {arrow.row: arrow.at for arrows in ladders for arrow in reversed(arrows)}
    whole = max(times.values(), default=0.0) or 1.0
    heights: list[float] = []
    for row in sorted(times):
        free = heights[-1] + RUNG if heights else RUNG
        heights.append(round(max(free, RUNG + times[row] / whole * LADDER_HEIGHT), 1))
    return heights


def drawing(height: int, elements: list[svg.Element], label: str = "") -> Markup:
    """The SVG element. label: a description for screen readers; without one, the plot is only decoration."""
    said = {"role": "img", "aria-label": words(label)} if label else {"aria-hidden": "true"}
    return Markup(svg.SVG(width=svg.Length(100, "%"), height=height, class_=["plot"], elements=elements, extra=said))


def box(style: str, start: float, width: float, top: float, height: float) -> svg.Rect:
    """A rectangle; start and width are shares of the whole width."""
    return svg.Rect(x=percent(start), y=top, width=percent(width), height=height, class_=[style])


def percent(share: float) -> svg.Length:
    """A share of the width. Hundredths of a per cent are enough for any screen.

    >>> str(percent(0.125))
    '12.5%'
    """
    return svg.Length(round(share * 100, 2), "%")


def words(text: str) -> str:
    """Text for an element or an attribute.

    >>> print(words('a "<b>"'))
    a &#34;&lt;b&gt;&#34;
    """
    return escape(text)
