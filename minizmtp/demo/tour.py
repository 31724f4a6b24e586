"""The tour: which parts there are, and how they are run.

A part is a coroutine that is given a `Stage` and speaks there. It gets PATIENCE seconds, however it waits: a part that
hangs, or fails with an error, is a claim that did not come true, and the next part has its turn all the same.

The names of the parts are for the command line, and an unknown one is refused there.

Read next: `__main__`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import trio

from . import every_byte, first, libzmq, many, numbers, patterns, pubsub, transports, waiting, wrong
from .answer import QUESTION
from .blocks import Ending
from .ends import background
from .stage import Stage
from .terminal import Terminal

# Seconds for one part. Each takes about one, and more on a busy machine.
PATIENCE = 20.0

# Seconds of silence until progress is shown, and between its pictures.
TICK = 0.1


class Part(NamedTuple):
    """name: as on the command line. question: what it answers. read_next: the file where the answer's code is."""

    name: str
    question: str
    read_next: str
    run: Callable[[Stage], Awaitable[None]]


PARTS = (
    Part("bytes", "What crosses the wire for one request and one reply?", "minizmtp/wire/greeting.py", every_byte.run),
    Part("waiting", "What does it take not to wait?", "minizmtp/patterns/pipeline.py", waiting.run),
    Part("pubsub", "What if the news come when they come?", "minizmtp/patterns/pubsub.py", pubsub.run),
    Part("patterns", "What else has HTTP no word for?", "minizmtp/patterns/router.py", patterns.run),
    Part("transports", "What changes when the wire does?", "minizmtp/net/transports.py", transports.run),
    Part("first", "Who has to be there first?", "minizmtp/net/session.py", first.run),
    Part("many", "How does one wait for many?", "minizmtp/sockets/poller.py", many.run),
    Part("wrong", "What goes wrong, and what helps?", "minizmtp/patterns/queue.py", wrong.run),
    Part("numbers", "How long, and how many?", "minizmtp/net/engine.py", numbers.run),
    Part("libzmq", "Does the real libzmq understand us?", "minizmtp/wire/connection.py", libzmq.run),
)


# What the parts have shown, for whoever has seen them all.
ANSWER = [
    ["it is", "lines of text, and a body", "two octets, or nine, and a body", "bytes"],
    ["it belongs to", "its connection, alone there until answered", "a socket, which has connections", "waiting"],
    [
        "it is answered by",
        "one response, on the same connection, or an error",
        "none, one or many, as its pattern says",
        "patterns",
    ],
    ["it is said by", "a client, to a server", "either side, to one or to all who want it", "pubsub"],
    ["it gets there", "over tcp (or a Unix socket, given apart)", "over whatever the endpoint names", "transports"],
    ["nobody is there", "an error, at once", "it waits in a queue (a PUB drops it)", "first"],
    ["to wait for many", "a task for each", "a task for each, or a Poller for all", "many"],
    ["if it is lost", "the client is told", "nobody is told: ask for a reply, or for credit", "wrong"],
]


async def run_tour(parts: Sequence[Part], stage: Stage) -> bool:
    """Run the parts in turn; True if all that was claimed came true."""
    stage.say(f"{QUESTION} Here both do the same work, on real sockets. ✓ marks what was checked.")
    began = trio.current_time()
    with stage.progress() as progress:
        async with background(tick, progress):
            for number, part in enumerate(parts):
                progress.doing(part.name, number, len(parts))
                stage.heading(part.name, part.question)
                await run_part(part, stage)
    seconds = trio.current_time() - began
    if len(parts) == len(PARTS) and not stage.broken:
        stage.heading("the answer", QUESTION)
        stage.table(["", "an HTTP request", "a ZeroMQ message", "see"], ANSWER)
    stage.show(Ending(len(stage.claims), tuple(stage.broken), seconds, parts[0].read_next))
    return not stage.broken


async def tick(progress: Terminal) -> None:
    """Until cancelled: nothing is shown for what takes no longer than a tick."""
    while True:
        await trio.sleep(TICK)
        progress.tick()


async def run_part(part: Part, stage: Stage) -> None:
    """One part, come what may."""
    try:
        with trio.fail_after(PATIENCE):
            await part.run(stage)
    except trio.TooSlowError:
        stage.claim(f"part {part.name} is done within {PATIENCE:.0f} s", False)
    except Exception as error:
        stage.claim(f"part {part.name} runs to its end (it stopped at {reasons(error)})", False)


def reasons(error: BaseException) -> str:
    """What happened, in one line. Nurseries wrap errors in groups; of interest is what is inside.

    >>> reasons(ExceptionGroup("", [ValueError("a"), ExceptionGroup("", [KeyError("b")])]))
    "ValueError: a; KeyError: 'b'"
    """
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reasons(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"
