"""The page: a check, or several beside each other, as one file of HTML.

    cases     one a row, with its number, its rule and how much it matters
    columns   one for each socket that was checked: passed ✓, failed ✗, as libzmq ~, not run –, ended ☠
    below     each case that did not pass, with every octet that crossed the wire

With several JSON files the columns of all of them stand side by side, so that implementations can be compared at a
glance. The layout is that of `minizmtp.html`, so it needs Jinja2 and svg.py (`pip install 'minizmtp[html]'`).

    >>> shortened("libzmq 4.3.5 (pyzmq 27.3.0): PULL that binds, NULL")
    'libzmq 4.3.5: PULL binds, NULL'

Below this module: `report`, and `html` for the page itself. It can be read alone.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..html.conversation import Conversation, rows
from ..html.page import environment
from .case import Verdict
from .report import LEVELS, SIGNS, Section, spans_of
from .run import Result, by_number

HUES = {
    Verdict.PASSED: "body",
    Verdict.FAILED: "wrong",
    Verdict.LIBZMQ: "framing",
    Verdict.NOT_RUN: "partial",
    Verdict.ENDED: "wrong",
}


class Row(NamedTuple):
    """One case over all sections; None where a section does not have it."""

    first: Result
    results: list[Result | None]


class Detail(NamedTuple):
    """One case that did not pass. id: for links."""

    id: str
    section: Section
    result: Result
    conversations: list[Conversation]


def check_page(title: str, sections: Sequence[Section]) -> str:
    """The text of the page."""
    template = environment("minizmtp.check", "minizmtp.html").get_template("check.html")
    details = list(details_of(sections))
    links = {(id(detail.section), detail.result.name): detail.id for detail in details}
    return template.render(
        title=title,
        sections=sections,
        rows=rows_of(sections),
        lane_rows=rows,
        details=details,
        link=lambda section, result: links.get((id(section), result.name), ""),
        signs=SIGNS,
        hues=HUES,
        levels=LEVELS,
        shortened=shortened,
        Verdict=Verdict,
    )


def rows_of(sections: Sequence[Section]) -> list[Row]:
    """The table: the cases that were run in some section."""
    found: dict[str, list[Result | None]] = {}
    for index, section in enumerate(sections):
        for result in section.results:
            found.setdefault(result.name, [None] * len(sections))[index] = result
    rows = [Row(next(filter(None, results)), results) for results in found.values()]
    ran = [row for row in rows if any(it and it.verdict is not Verdict.NOT_RUN for it in row.results)]
    return sorted(ran, key=lambda row: (by_number(row.first.number), row.first.name))


def details_of(sections: Sequence[Section]) -> list[Detail]:
    """What did not pass, in the order of the sections."""
    details = []
    for number, section in enumerate(sections, 1):
        for result in section.results:
            if result.verdict in (Verdict.PASSED, Verdict.NOT_RUN):
                continue
            record, conversations = result.record, []
            for connection in range(record.connections if record else 0):
                assert record is not None
                spans = spans_of(record, connection, section.dials)
                ends = ["The other side closed the connection."] * any(connection == one for one, _ in record.closed)
                conversations.append(Conversation(f"Connection {connection + 1}", "zmtp", spans, ends=ends))
            details.append(Detail(f"s{number}-{result.name}", section, result, conversations))
    return details


def shortened(title: str) -> str:
    """A title for the head of a column."""
    return re.sub(r" \([^)]*\)|that ", "", title)
