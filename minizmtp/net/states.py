"""States: what a connection does with the next octets that come, and with the next message to send.     L-3, L-4, L-8

Two state machines, each a table with a row for each state and a column for each thing that happens. A dot means that
it cannot happen.

**Reading.** When the inbound queue of the pipe is full, the engine reads no more: unread octets fill the system's
buffers, TCP slows the peer, the peer's own queue fills, its `send` waits. That is all of back-pressure.

    >>> print(drawn(READING))
                 NO_SPACE   SPACE      USED_UP    RUN        END
    OPEN         FULL       .          RESUMING   .          CLOSED
    FULL         .          RESUMING   .          .          CLOSED
    RESUMING     .          .          .          OPEN       CLOSED
    CLOSED       .          .          .          .          .

    OPEN       the reactor calls when there is something to read
    FULL       the inbound queue is full: nothing is read until the program has taken half of it
    RESUMING   octets that were read are not decoded yet: a run that goes on with them was asked for
    CLOSED     the connection has ended

USED_UP: a run has done as much as it may (see `runlimits`).

**Writing.** A message for an idle connection goes to the system at once, inside the program's `send()`, because then a
request is on its way before any task is woken. If another message follows, it stays in the queue, and a run is asked
for, which comes as soon as the sending task yields. All that is queued by then is joined into one write:

    message 1   ──► system            at once                              PROMPT
    message 2   ──► queue             a run is asked for …                 GATHERING, then SCHEDULED
    message 3 … ──► queue
                    queue ──► system  … and joins them all                 PROMPT, or GATHERING if there were several

    >>> print(drawn(WRITING))
                 ONE        MANY       QUEUED     HEARD_ONE  HEARD_MANY STUCK      FAILED
    PROMPT       GATHERING  GATHERING  SCHEDULED  .          GATHERING  BLOCKED    BROKEN
    GATHERING    .          .          SCHEDULED  PROMPT     GATHERING  BLOCKED    BROKEN
    SCHEDULED    PROMPT     GATHERING  SCHEDULED  .          SCHEDULED  BLOCKED    BROKEN
    BLOCKED      GATHERING  GATHERING  SCHEDULED  .          BLOCKED    BLOCKED    BROKEN
    BROKEN       .          .          .          .          BROKEN     BROKEN     .

ONE and MANY: all that was queued is with the system, and there was at most one message, or there were several. QUEUED:
something waits for a run, which is asked for. HEARD_ONE: the peer has sent one message, which asks for a quick answer.
HEARD_MANY: it has sent several, whose answers are worth one write. STUCK: the system did not take all; a run comes when
it can take more. FAILED: it takes no more, and what is queued waits for the next connection.

Read next: `writer`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any


class _Quick(Enum):
    __hash__ = object.__hash__  # because Enum's own is written in Python, and each run looks into the tables


class Reading(_Quick):
    """Whether an engine reads."""

    OPEN, FULL, RESUMING, CLOSED = range(4)


class ReadingEvent(_Quick):
    """What changes that."""

    NO_SPACE, SPACE, USED_UP, RUN, END = range(5)


class Writing(_Quick):
    """What a writer does with the next message."""

    PROMPT, GATHERING, SCHEDULED, BLOCKED, BROKEN = range(5)


class WritingEvent(_Quick):
    """What changes that."""

    ONE, MANY, QUEUED, HEARD_ONE, HEARD_MANY, STUCK, FAILED = range(7)


OPEN, FULL, RESUMING, CLOSED = Reading
NO_SPACE, SPACE, USED_UP, RUN, END = ReadingEvent
PROMPT, GATHERING, SCHEDULED, BLOCKED, BROKEN = Writing
ONE, MANY, QUEUED, HEARD_ONE, HEARD_MANY, STUCK, FAILED = WritingEvent

READING: dict[tuple[Reading, ReadingEvent], Reading] = {
    (OPEN, NO_SPACE): FULL,
    (FULL, SPACE): RESUMING,
    (OPEN, USED_UP): RESUMING,
    (RESUMING, RUN): OPEN,
    **{(state, END): CLOSED for state in (OPEN, FULL, RESUMING)},
}

WRITING: dict[tuple[Writing, WritingEvent], Writing] = {
    (PROMPT, ONE): GATHERING,  # if another follows on its heels, there will be more
    (PROMPT, MANY): GATHERING,
    (PROMPT, QUEUED): SCHEDULED,  # one run was not enough for all
    (GATHERING, QUEUED): SCHEDULED,
    (SCHEDULED, QUEUED): SCHEDULED,
    (SCHEDULED, ONE): PROMPT,  # no other followed
    (SCHEDULED, MANY): GATHERING,
    (BLOCKED, ONE): GATHERING,
    (BLOCKED, MANY): GATHERING,
    (BLOCKED, QUEUED): SCHEDULED,
    (GATHERING, HEARD_ONE): PROMPT,
    (PROMPT, HEARD_MANY): GATHERING,
    **{(state, HEARD_MANY): state for state in (GATHERING, SCHEDULED, BLOCKED, BROKEN)},
    **{(state, STUCK): BLOCKED for state in (PROMPT, GATHERING, SCHEDULED, BLOCKED)},
    **{(state, FAILED): BROKEN for state in (PROMPT, GATHERING, SCHEDULED, BLOCKED)},
    (BROKEN, STUCK): BROKEN,
}


def drawn(table: Mapping[tuple[Any, Any], Enum]) -> str:
    """A table of states and of what happens to them, as text."""
    states, events = (type(each) for each in next(iter(table)))
    rows = [["", *(event.name for event in events)]]
    rows += [
        [state.name, *(table[state, event].name if (state, event) in table else "." for event in events)]
        for state in states
    ]
    return "\n".join(f"{row[0]:12} {' '.join(f'{name:10}' for name in row[1:])}".rstrip() for row in rows)
