"""Plots: numbers become SVG, to stand in a page.

    241 octets  ┌──────┬───────────────────────────────────────┬───┬┐
                │ lines│ fields                                │fr.│b
                └──────┴───────────────────────────────────────┴───┴┘

    >>> print(stacked([Part("framing", 1), Part("body", 3)], 8))
    <svg xmlns="http://www.w3.org/2000/svg" width="100%" height="24" class="plot" aria-hidden="true">\
<rect class="hue-framing" x="0.0%" y="0" width="12.5%" height="24"/>\
<rect class="hue-body" x="12.5%" y="0" width="37.5%" height="24"/></svg>

Lengths across are in per cent, and down in pixels: so a plot is as wide as its place, on a phone as on paper, while its
letters keep their size. Colours are classes, for the page's style to fill, because a page has two schemes of them.

svg.py writes what it is given, as it is. So whatever a program or a peer has named goes through `words`, which escapes.

Read next: `page`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import svg
from markupsafe import Markup, escape

STACK_HEIGHT = 24

# A ladder: how high it is for the time that the longest conversation takes, and what one arrow needs for its words.
LADDER_HEIGHT, RUNG = 170.0, 24.0


class Part(NamedTuple):
    """A share of a whole. hue: the class that colours it."""

    hue: str
    value: float


def stacked(parts: Sequence[Part], whole: float) -> Markup:
    """One bar, cut into parts. whole: what the full width stands for. The figures themselves stand beside it in words,
    so it is hidden from who listens to the page."""
    cuts: list[svg.Element] = []
    start = 0.0
    for part in parts:
        cuts.append(box(f"hue-{part.hue}", start / whole, part.value / whole, 0, STACK_HEIGHT))
        start += part.value
    return drawing(STACK_HEIGHT, cuts)


class Arrow(NamedTuple):
    """One of a ladder. row: as `conversation.rows` has it. to_right: from the client to the server."""

    at: float
    row: int
    words: str
    to_right: bool


def ladder(arrows: Sequence[Arrow], heights: Sequence[float]) -> Markup:
    """Who spoke when, between two lifelines, with time running down. heights: how far down each row is."""
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
    """How far down each row is: as its time has it, and never so close to the one before that words touch.

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
    """The SVG around it all. label: what it shows, for who cannot see it; without one it is no more than decoration."""
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
