"""The output: a table for the terminal, a table in Markdown, and a picture."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

NAME, MINI, CELL = 15, 22, 24
RIVALS = ("pyzmq", "zmq.asyncio", "zmq-anyio", "raw")
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def amount(cost: float | None, unit: str, size: int) -> str:
    """A cost as text: messages per second, MB/s, microseconds, or KiB."""
    if cost is None:
        return "–"
    if unit == "KiB":
        return f"{cost:.1f} KiB"
    if unit.startswith("µs"):
        return f"{cost * 1e6:.0f} {unit}"
    if unit == "MB/s":
        return f"{size / cost / 1e6:,.0f} MB/s"
    return f"{1 / cost / 1e3:,.0f} k/s"


def number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}"


def ratio(figures: Any, rival: str) -> str:
    """median (least–greatest)"""
    found = figures.ratio(rival)
    if not found:
        return "–"
    middle, least, greatest = map(number, found)
    return f"{middle} ({least}–{greatest})"


def heading(rivals: Iterable[str]) -> str:
    cells = "".join(f"{'× ' + name:>{CELL}}" for name in rivals if name != "mini")
    return f"{'':{NAME}}{'minizmtp':>{MINI}}{cells}   above 1: we are ahead; ≥ and ≤: aimed at"


def line(figures: Any, rivals: Iterable[str]) -> str:
    """One row, with its targets."""
    ours = amount(figures.cost("mini"), figures.unit, figures.size)
    if "mini" in figures.targets:
        ours += f" ≤{amount(figures.targets['mini'], figures.unit, 0).split()[0]}"
    cells = ""
    for name in rivals:
        if name != "mini":
            aim = f" ≥{figures.targets[name]:g}" if name in figures.targets else ""
            cells += f"{ratio(figures, name) + aim:>{CELL}}"
    return f"{figures.name:{NAME}}{ours:>{MINI}}{cells}   {figures.words}"


def markdown(about: dict[str, str], results: list[Any]) -> str:
    """The README's table, between its markers."""
    rivals = [name for name in RIVALS if any(name in figures.costs for figures in results)]
    lines = [
        BEGIN,
        f"Measured on {about['date']} by `python -m benchmarks.messages --readme`: {about['versions']}; "
        f"{about['machine']}; {about['rounds']}. A ratio above 1 says that minizmtp is ahead: the median of the rounds "
        "(and the least–greatest).",
        "",
        f"| work | minizmtp | {' | '.join(rivals)} |",
        f"| --- | ---: | {' | '.join('---:' for _ in rivals)} |",
    ]
    for figures in results:
        cells = [figures.words, amount(figures.cost("mini"), figures.unit, figures.size)]
        cells += [ratio(figures, name) for name in rivals]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, END])


def plot(about: dict[str, str], results: list[Any], file: Path) -> None:
    """Draw a point for each row and rival at the ratio, and a line from the least to the greatest."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "minizmtp", "font.size": 9}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.3 * len(results)), layout="constrained")
    height = {id(figures): -row for row, figures in enumerate(results)}
    for index, (name, mark) in enumerate(zip(RIVALS, "os^|", strict=True)):
        found = [(figures.ratio(name), height[id(figures)]) for figures in results if figures.ratio(name)]
        if not found:
            continue
        middles = [ratios[0] for ratios, _ in found]
        spread = [[r[0] - r[1] for r, _ in found], [r[2] - r[0] for r, _ in found]]
        rows = [row - 0.15 * (index - 1.5) for _, row in found]
        color = "0.5" if name == "raw" else f"C{index}"
        label = "a bare trio stream" if name == "raw" else name
        axes.errorbar(middles, rows, xerr=spread, fmt=mark, color=color, markersize=5, linewidth=1, label=label)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    units = ("KiB", "µs of CPU")  # one row has both figures
    labels = [figures.words + f", {figures.unit}" * (figures.unit in units) for figures in results]
    axes.set_yticks([height[id(figures)] for figures in results], labels)
    axes.set_ylim(0.7 - len(results), 0.7)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_xlabel("← the rival is ahead      times as fast (or as small) as      minizmtp is ahead →")
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, 1.1), ncols=4, frameon=False)
    figure.suptitle(f"minizmtp beside its rivals, {about['date']}", x=0.02, ha="left")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
