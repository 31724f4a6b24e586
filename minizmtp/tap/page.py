"""The page: conversations as one file of HTML, for `--html FILE`.

    Conversation (of the tap) ──► Conversation (of `minizmtp.html`) ──► the page
      number, from where to where     title
      spans of both sides             spans
      ends, left_out                  ends, in words

`minizmtp.html` lays out the page, and ensures that it loads and runs nothing, whatever the peers have sent. It needs
Jinja2 and svg.py (`pip install 'minizmtp[html]'`), so it is imported only when a page is written.

    >>> from .conversation import End
    >>> as_shown(Conversation(1, "", "ipc:///run/app.sock", 0.0, 1.5, ends=[End(Side.CLIENT, "", 1.5)])).ends
    ['After 1.500 s: the client ended its stream.']

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
NEEDED = ("jinja2", "svg")  # names under which they are imported


def write_html(file: TextIO, conversations: Sequence[Conversation]) -> None:
    """Write the whole page. Raises ImportError if one of NEEDED is not installed."""
    from ..html.page import conversation_page

    file.write(conversation_page(TITLE, [as_shown(each) for each in conversations]))


def as_shown(it: Conversation) -> Shown:
    """The conversation in the form that the page needs."""
    title = f"{it.number}: {it.client or 'a client'} → {it.server or 'no server'}"
    spans = [span for side in Side for span in it.spans[side]]
    return Shown(title, it.protocol, spans, ends=list(how_it_ended(it)))


def how_it_ended(it: Conversation) -> Iterator[str]:
    """The ends as sentences, with the time since the connection was opened."""
    for side, why, at in it.ends:
        yield f"After {at - it.opened:.3f} s: the {side.value} {f'failed: {why}' if why else 'ended its stream'}."
    if it.closed is None:
        yield "The connection is still open."
    if it.left_out:
        yield f"{octets(it.left_out)} that passed later are not shown."
