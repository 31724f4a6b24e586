"""ZMTP, octet by octet, as a page: the recorded conversations with real libzmq.

    python -m minizmtp.html zmtp.html                   all of them, the simplest first
    python -m minizmtp.html curve.html plain curve      only these two

    >>> story_as_conversation("refused").title
    'A PUSH is not let in, and is told so.'

The contents of CURVE's boxes are shown too if PyNaCl is installed, because the stories contain the keys.

Below this module: `story`, `page`. It can be read alone.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..trace import Side
from ..trace.story import load
from .conversation import Conversation
from .page import conversation_page

STORIES = ("reqrep", "pubsub", "pubsub-3.0", "heartbeat", "plain", "plain-refused", "refused", "curve")

TITLE = "ZMTP, octet by octet"
NOTE = """Conversations with libzmq, as they took place: who said what and when, each octet with its name, what it says,
and where that is written."""


def main(arguments: Sequence[str]) -> int:
    """Write the page that the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m minizmtp.html", description="A page of recorded conversations.")
    parser.add_argument("file", type=Path, help="where to write it")
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"which of {', '.join(STORIES)} (all)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.stories if name not in STORIES]:
        parser.error(f"there is no story {', '.join(unknown)}; there are {', '.join(STORIES)}")
    conversations = [story_as_conversation(name) for name in options.stories or STORIES]
    options.file.write_text(conversation_page(TITLE, conversations, NOTE), "utf-8")
    return 0


def story_as_conversation(name: str) -> Conversation:
    """A story, for a page."""
    story = load(name)
    trace = story.trace(opened=find_spec("nacl") is not None)
    about = story.about
    note = f"{about['mechanism']}. The client is a {about['client']}, the server a {about['server']}."
    return Conversation(story.title, trace.protocol, [span for side in Side for span in trace.spans(side)], note)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
