"""Two actors that share nothing, and a parent that restarts one when it crashes.                  31/EXPAIR, L-22, L-23

                         parent (a nursery)
               starts, hears of its end │ starts, hears of its end
              ┌─────────────────────────┴────────────────┐
            asker                                     squarer
            PAIR ─── inproc://numbers ─── 2, "7" ────►  PAIR
                 ◄──────────────────────  2, "49" ────

An actor is a task with a socket. It keeps its state to itself, and talks to other actors only in messages. PAIR over
inproc suits this well: one peer, no wire, no copies, and either side may start first (L-23).

What happens when an actor crashes? **The other actor isn't told.** Its socket reports nothing: over inproc there is no
connection that could break, so a `recv` just goes on waiting. **The parent is told**, because in trio every task runs
in a nursery, and the nursery raises the task's exception. The parent then chooses one of two responses:

    together     one actor crashes: the other is cancelled, and the parent raises the error     (what a nursery does)
    kept_alive   one actor crashes: the parent prints the error and restarts it                 (what a supervisor does)

The second response works only if both actors can cope with a restart. The asker repeats a question that gets no answer,
and skips answers to older questions, which it recognizes by their numbers. The squarer keeps no state. The actor that
may crash must be the one that *connects*, because the bound PAIR is free for a new peer as soon as that socket closes.
(Inproc doesn't reconnect: if the actor that bound crashed, the one that connected would have to restart too; L-22.)

Try it: let the squarer crash at every question, and see which task gives up, and when.
Read next: the README, or the module of a pattern that you have just used.
"""

from collections.abc import Awaitable, Callable

import trio

import minizmtp as zmq

ENDPOINT = "inproc://numbers"


async def asker(ctx: zmq.Context, numbers: list[int], answers: dict[int, int], patience: float = 0.2) -> None:
    """Ask for the square of each number, repeating the question until the answer comes; store it in answers."""
    async with ctx.socket(zmq.PAIR) as pair:
        pair.bind(ENDPOINT)
        for question, number in enumerate(numbers):
            while number not in answers:
                with trio.move_on_after(patience):
                    await pair.send_json([question, number])
                    while True:
                        to, answer = await pair.recv_json()
                        if to == question:
                            answers[number] = answer
                            break
                if number not in answers:
                    print(f"asker: no answer to {number}² within {patience} s")


async def squarer(ctx: zmq.Context, square: Callable[[int], int]) -> None:
    """Answer questions until `square` raises, which crashes this actor."""
    async with ctx.socket(zmq.PAIR, linger=0) as pair:
        pair.connect(ENDPOINT)
        while True:
            question, number = await pair.recv_json()
            await pair.send_json([question, square(number)])


async def together(ask: Callable[[], Awaitable[None]], *helpers: Callable[[], Awaitable[None]]) -> None:
    """Run until `ask` is done. If an actor crashes, cancel the others, and raise the error in an ExceptionGroup."""
    async with trio.open_nursery() as nursery:
        for helper in helpers:
            nursery.start_soon(helper)
        await ask()
        nursery.cancel_scope.cancel()


async def kept_alive(actor: Callable[[], Awaitable[None]], lives: int) -> None:
    """Run actor, and restart it when it crashes. When it has crashed `lives` times, raise its error to the parent."""
    for life in range(1, lives + 1):
        try:
            await actor()
            return
        except Exception as error:
            print(f"parent: crash {life} of {lives}: {error!r}")
            if life == lives:
                raise


def fragile() -> Callable[[int], int]:
    """A square function that fails at its third call only."""
    calls = 0

    def square(number: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ArithmeticError(f"cannot compute {number}²")
        return number * number

    return square


async def parent(lives: int) -> dict[int, int]:
    """Start both actors, and print how they ended."""
    print(f"parent: starting two actors; the squarer has {lives} {'life' if lives == 1 else 'lives'}")
    answers: dict[int, int] = {}
    square = fragile()
    async with zmq.Context() as ctx:
        try:
            await together(
                lambda: asker(ctx, [2, 3, 7, 8], answers),
                lambda: kept_alive(lambda: squarer(ctx, square), lives),
            )
        except* ArithmeticError as group:
            print("parent: both actors have ended:", *group.exceptions)
    return answers


async def main() -> None:
    """The same crash twice, once for each response of the parent."""
    for lives in (3, 1):
        print("parent: has", await parent(lives))


if __name__ == "__main__":
    trio.run(main)
