"""The tour: the list of parts, and how they are run.

A part is a coroutine that gets a `Stage` and prints there. It has PATIENCE seconds: a part that hangs, or that raises
an error, counts as a claim that did not come true, and the next part still runs.

The names of the parts are given on the command line, which refuses unknown ones.

Read next: `__main__`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import trio

from . import every_byte, first, libzmq, many, meet, numbers, patterns, pubsub, transports, waiting, wrong
from .answer import QUESTION, show_answer
from .blocks import Ending
from .ends import background
from .stage import Stage
from .terminal import Terminal

# Seconds for one part. Each takes about one, and more on a busy machine.
PATIENCE = 20.0

# Seconds without output until progress is shown, and between its updates.
TICK = 0.1


class Part(NamedTuple):
    """name: as on the command line. question: what it answers. read_next: the file where the answer's code is."""

    name: str
    question: str
    read_next: str
    run: Callable[[Stage], Awaitable[None]]


PARTS = (
    Part("bytes", "What crosses the wire for one request and one reply?", "minizmtp/wire/greeting.py", every_byte.run),
    Part("waiting", "How can many requests be under way at once?", "minizmtp/patterns/pipeline.py", waiting.run),
    Part("pubsub", "How does news reach all subscribers?", "minizmtp/patterns/pubsub.py", pubsub.run),
    Part("patterns", "Which patterns does HTTP lack?", "minizmtp/patterns/router.py", patterns.run),
    Part("transports", "What changes with the transport?", "minizmtp/net/transports.py", transports.run),
    Part("first", "Does the server have to start first?", "minizmtp/net/session.py", first.run),
    Part("many", "How does one wait for many?", "minizmtp/sockets/poller.py", many.run),
    Part("wrong", "What goes wrong, and what helps?", "minizmtp/patterns/queue.py", wrong.run),
    Part("numbers", "How fast is it?", "minizmtp/net/engine.py", numbers.run),
    Part("libzmq", "Does it work with the real libzmq?", "minizmtp/wire/connection.py", libzmq.run),
    Part("meet", "Where do the two protocols meet?", "minizmtp/wire/upgrade.py", meet.run),
)


async def run_tour(parts: Sequence[Part], stage: Stage) -> bool:
    """Run the parts in turn; True if all claims came true."""
    stage.say(f"""{QUESTION} Here both do the same work, on real sockets; HTTP is HTTP/1.1 throughout. ✓ marks what was
        checked in this run.""")
    began = trio.current_time()
    with stage.progress() as progress:
        async with background(tick, progress):
            for number, part in enumerate(parts):
                progress.doing(part.name, number, len(parts))
                stage.heading(part.name, part.question)
                await run_part(part, stage)
            if len(parts) == len(PARTS):
                progress.doing("the answer", len(parts), len(parts))
                await show_answer(stage)
    seconds = trio.current_time() - began
    stage.show(Ending(len(stage.claims), tuple(stage.broken), seconds, parts[0].read_next))
    return not stage.broken


async def tick(progress: Terminal) -> None:
    """Show progress until cancelled, but nothing for work that takes no longer than a tick."""
    while True:
        await trio.sleep(TICK)
        progress.tick()


async def run_part(part: Part, stage: Stage) -> None:
    """Run one part, and turn a timeout or an error into a false claim."""
    try:
        with trio.fail_after(PATIENCE):
            await part.run(stage)
    except trio.TooSlowError:
        stage.claim(f"part {part.name} is done within {PATIENCE:.0f} s", False)
    except Exception as error:
        stage.claim(f"part {part.name} runs to its end (it stopped at {reasons(error)})", False)


def reasons(error: BaseException) -> str:
    """The error in one line: the exceptions inside the groups that nurseries make.

    >>> reasons(ExceptionGroup("", [ValueError("a"), ExceptionGroup("", [KeyError("b")])]))
    "ValueError: a; KeyError: 'b'"
    """
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reasons(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"
