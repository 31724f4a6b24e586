"""The page: conversations as one file of HTML, for `--html FILE`.

    Conversation (of the tap) ──► Conversation (of `minizmtp.html`) ──► the page
      number, from where to where     title
      spans of both sides             spans
      ends, left_out                  ends, in words

How a page looks, and that it loads nothing and runs nothing whatever the peers have said, is the work of
`minizmtp.html`, which needs Jinja2 and svg.py: `pip install 'minizmtp[html]'`. So it is imported when it is needed.

    >>> from .conversation import End
    >>> as_shown(Conversation(1, "", "ipc:///run/app.sock", 0.0, 1.5, ends=[End(Side.CLIENT, "", 1.5)])).ends
    ['After 1.500 s: the client says no more.']

Below this module: `conversation`, and `html` for the page itself.
Read next: `ear`.
"""

from collections.abc import Iterator, Sequence
from typing import TextIO

from ..html.conversation import Conversation as Shown
from ..trace import Side
from .conversation import Conversation
from .show import octets

TITLE = "What passed"
NEEDED = ("jinja2", "svg")  # as they are imported


def write_html(file: TextIO, conversations: Sequence[Conversation]) -> None:
    """The whole page. Raises ImportError where one of NEEDED is not installed."""
    from ..html.page import conversation_page

    file.write(conversation_page(TITLE, [as_shown(each) for each in conversations]))


def as_shown(it: Conversation) -> Shown:
    """A conversation as the page wants it."""
    title = f"{it.number}: {it.client or 'a client'} → {it.server or 'nobody'}"
    spans = [span for side in Side for span in it.spans[side]]
    return Shown(title, it.protocol, spans, ends=list(how_it_ended(it)))


def how_it_ended(it: Conversation) -> Iterator[str]:
    """In sentences, with the time since the connection was opened."""
    for side, why, at in it.ends:
        yield f"After {at - it.opened:.3f} s: the {side.value} {f'died: {why}' if why else 'says no more'}."
    if it.closed is None:
        yield "It is not over."
    if it.left_out:
        yield f"Of what passed, {octets(it.left_out)} are not shown."
