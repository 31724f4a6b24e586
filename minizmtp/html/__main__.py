"""ZMTP, octet by octet, as a page: the recorded conversations with real libzmq.

    python -m minizmtp.html zmtp.html                   all of them, the simplest first
    python -m minizmtp.html curve.html plain curve      only these two

    >>> story_as_conversation("refused").title
    'A PULL refuses a PUSH.'

The contents of CURVE's boxes are shown if PyNaCl is installed, because the stories contain the keys.

Below this module: `story`, `page`. It can be read alone.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..extras import require

require("minizmtp.html", "html", "jinja2", "svg")

from ..trace import Side
from ..trace.story import load
from .conversation import Conversation
from .page import conversation_page

# The stories, the simplest first, each with its name in the list of contents.
STORIES = {
    "reqrep": "REQ and REP",
    "pubsub": "PUB and SUB",
    "pubsub-3.0": "PUB and SUB, ZMTP 3.0",
    "ws": "PUB and SUB over a WebSocket",
    "heartbeat": "PING and PONG",
    "plain": "PLAIN",
    "plain-refused": "PLAIN, refused",
    "refused": "NULL, refused",
    "curve": "CURVE",
}

TITLE = "ZMTP, octet by octet"
NOTE = """Recorded conversations with libzmq. Open one to see which side sends what, when and why. Then open a record to
see each octet, its meaning, the reason why it is there, and the code that makes it."""
SEALED = """PyNaCl is not installed where this page was made, so the boxes stay closed:
pip install 'minizmtp[curve]', then make the page again."""


def main(arguments: Sequence[str]) -> int:
    """Write the page that the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m minizmtp.html", description="A page of recorded conversations.")
    parser.add_argument("file", type=Path, metavar="FILE", help="where to write it")
    words = f"which of {', '.join(STORIES)} (all)"
    parser.add_argument("stories", nargs="*", default=[], metavar="STORY", help=words)
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.stories if name not in STORIES]:
        parser.error(f"there is no story {', '.join(unknown)}; there are {', '.join(STORIES)}")
    conversations = [story_as_conversation(name) for name in options.stories or STORIES]
    try:
        options.file.write_text(conversation_page(TITLE, conversations, NOTE), "utf-8")
    except OSError as error:
        parser.error(f"{options.file}: {error.strerror}")
    print(f"The page is in {options.file.absolute()}: open it in a browser.")
    return 0


def story_as_conversation(name: str) -> Conversation:
    """A story, for a page."""
    story = load(name)
    can_open = find_spec("nacl") is not None
    trace = story.trace(opened=can_open)
    about = story.about
    ends = f"Client: {about['client']}. Server: {about['server']}. Mechanism: {about['mechanism']}."
    sealed = SEALED if story.keys and not can_open else ""
    note = " ".join(f"{about['summary']} {ends} {sealed}".split())
    spans = [span for side in Side for span in trace.spans(side)]
    return Conversation(story.title, trace.protocol, spans, note, name=STORIES[name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
