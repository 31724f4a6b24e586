"""The tour's plots: measured numbers as bars, and time as lanes.

    HTTP                        740 µs        request 1, connection 1
    ████████████████████████████████          ·········████████
    REQ/REP over tcp             73 µs        request 2, connection 1
    ███                                       ·················████████
                                              0 ms      100 ms     200 ms

    >>> from .blocks import Bar, Bars
    >>> plot = draw_bars(Bars("Round trip", "µs", (Bar("HTTP", 740.0, "740 µs", "http"), Bar("inproc", 37.0, "37 µs"))))
    >>> plot.count("<rect"), 'width="5.0%"' in plot       # each bar, and the way that it could have gone
    (4, True)

A label stands above its bar, not beside it, so that it has the whole width on a phone. Below the plot, the same figures
are given as text, folded, for screen readers and for readers that want the numbers.

Read next: `page`.
"""

import math
from typing import NamedTuple

import svg
from markupsafe import Markup

from ..html.plots import box, drawing, percent, words
from .blocks import Bars, Lane, Stretch, Timeline

BAR_ROW, BAR_TOP, BAR_HEIGHT = 46, 20, 14
LANE_TOP, LANE_HEIGHT, LANE_GAP = 18, 14, 8
LABEL_ROW, AXIS_ROW = 15, 22

# A letter's share of the width of a phone. Labels get this much room, however wide the screen is.
LETTER = 0.021


def draw_bars(block: Bars) -> Markup:
    """Draw the bars; the longest takes the full width."""
    greatest = max(bar.value for bar in block.bars) or 1.0
    elements: list[svg.Element] = []
    for number, bar in enumerate(block.bars):
        top = number * BAR_ROW
        elements += [
            text(bar.label, 0.0, top + 14),
            text(bar.words, 1.0, top + 14, anchor="end", style="figure"),
            box("track", 0.0, 1.0, top + BAR_TOP, BAR_HEIGHT),
            box(f"bar {bar.protocol or 'neither'}", 0.0, bar.value / greatest, top + BAR_TOP, BAR_HEIGHT),
        ]
    values = "; ".join(f"{bar.label}: {bar.words}" for bar in block.bars)
    return drawing(len(block.bars) * BAR_ROW, elements, f"{block.title}. {values}.")


def draw_timeline(block: Timeline) -> Markup:
    """Draw lanes one below another, and their common axis below them."""
    lanes: list[svg.Element] = []
    top = 0
    for lane in block.lanes:
        drawn, height = draw_lane(lane, block.seconds, top)
        lanes += drawn
        top += height + LANE_GAP
    axis = [tick for at in ticks(block.seconds) for tick in draw_tick(at, block.seconds, top)]
    label = f"{block.title}: a timeline of {len(block.lanes)} lanes and {block.seconds * 1000:.0f} ms, in words below"
    return drawing(top + AXIS_ROW, [*axis, *lanes], label)


def draw_lane(lane: Lane, seconds: float, top: int) -> tuple[list[svg.Element], int]:
    """One lane, and its height: its label, its stretches, and below them as many rows of labels as needed."""
    elements: list[svg.Element] = [text(lane.label, 0.0, top + 12)]
    elements += [draw_stretch(stretch, seconds, top + LANE_TOP) for stretch in lane.stretches]
    bottom = top + LANE_TOP + LANE_HEIGHT
    labels = placed(lane, seconds)
    elements += [text(it.words, it.at, bottom + it.row * LABEL_ROW - 3, it.anchor, "small") for it in labels]
    return elements, bottom - top + LABEL_ROW * max((it.row for it in labels), default=0)


def draw_stretch(stretch: Stretch, seconds: float, top: int) -> svg.Element:
    """Draw a stretch. Kinds differ in shape, not only in colour: work is a high bar, waiting is a thin line."""
    thin = {"wait": 4, "open": 2, "gone": 8}.get(stretch.kind, LANE_HEIGHT)
    start, end = (min(1.0, at / seconds) for at in (stretch.start, stretch.end))
    return box(f"stretch {stretch.kind}", start, max(end - start, 0.005), top + (LANE_HEIGHT - thin) / 2, thin)


class Label(NamedTuple):
    """A label below a lane. at: a share of the width, where it starts, or ends if that is its anchor. row: from 1."""

    words: str
    at: float
    anchor: str
    row: int


def placed(lane: Lane, seconds: float) -> list[Label]:
    """A label for each stretch that has one, in the first row that has room for it.

    >>> one, two = Stretch(0.0, 0.5, "work", "one"), Stretch(0.01, 0.6, "work", "two")
    >>> for label in placed(Lane("", (two, one, Stretch(0.9, 1.0, "work", "the last"))), 1.0):
    ...     print(*label)
    one 0.0 start 1
    two 0.01 start 2
    the last 1.0 end 1
    """
    found: list[Label] = []
    ends: list[float] = []  # for each row, the position up to which it is full
    for stretch in sorted((it for it in lane.stretches if it.label), key=lambda it: it.start):
        start, end = stretch.start / seconds, min(1.0, stretch.end / seconds)
        width = len(stretch.label) * LETTER
        at, anchor = (start, "start") if start + width <= 1 else (max(end, width), "end")
        left = at if anchor == "start" else at - width
        row = next((row for row, full in enumerate(ends) if full <= left), len(ends))
        ends[row : row + 1] = [left + width + LETTER]
        found.append(Label(stretch.label, at, anchor, row + 1))
    return found


def draw_tick(at: float, seconds: float, bottom: int) -> list[svg.Element]:
    """A line through all lanes, and its time below."""
    share = at / seconds
    line = svg.Line(x1=percent(share), x2=percent(share), y1=0, y2=bottom, class_=["tick"])
    anchor = "start" if at == 0 else "end" if share > 0.9 else "middle"
    return [line, text(f"{at * 1000:.0f} ms", share, bottom + 14, anchor=anchor, style="small")]


def ticks(seconds: float) -> list[float]:
    """Round numbers from 0 on, at most as many as a narrow plot has room for.

    >>> [round(at, 3) for at in ticks(0.414)], [round(at, 3) for at in ticks(0.0075)]
    ([0.0, 0.2, 0.4], [0.0, 0.002, 0.004, 0.006])
    """
    power: float = 10 ** math.floor(math.log10(seconds))
    step = next(power * digit for digit in (0.2, 0.5, 1, 2, 5) if seconds / (power * digit) <= 4)
    return [number * step for number in range(int(seconds / step) + 1)]


def text(label: str, at: float, baseline: int, anchor: str = "start", style: str = "label") -> svg.Text:
    """Text in a plot. at: a share of the width."""
    return svg.Text(text=words(label), x=percent(at), y=baseline, class_=[style, anchor])
