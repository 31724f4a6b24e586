"""Two actors that share nothing, and a parent that hears of their deaths.                         31/EXPAIR, L-22, L-23

                         parent (a nursery)
               starts, hears of its end │ starts, hears of its end
              ┌─────────────────────────┴────────────────┐
            asker                                     squarer
            PAIR ─── inproc://numbers ─── 2, "7" ────►  PAIR
                 ◄──────────────────────  2, "49" ────

An actor is a task with a socket. Nobody else touches what it knows; it hears messages and sends messages. PAIR over
inproc is made for this: one peer, no wire, no copies, and either side may come first (L-23).

Who hears of a crash? **Not the other actor.** Its socket tells it nothing: over inproc there is not even a connection
that could break, a `recv` just waits on. **The parent does**, by the nursery, which in trio nobody can forget. What the
parent makes of it is its decision, and here are the two that matter:

    together     one crashes: the other is cancelled, and the parent raises what happened       (a nursery's own way)
    kept_alive   one crashes: the parent tells, and starts it anew; the other never knows       (a supervisor's way)

For the second, both sides must bear a new beginning. The asker asks again when no answer comes, and passes over the
answers to older questions, which its numbers show. The squarer remembers nothing. And the one who *connects* is the one
that may crash: when its socket closes, the bound PAIR is free for the next who comes. (There is no reconnect in inproc:
if the one who bound crashed, the one who connected would have to begin anew as well; L-22.)

Try it: let the squarer crash at every question, and see who gives up, and when.
Read next: the README, or the chapter of a pattern that you have just used.
"""

from collections.abc import Awaitable, Callable

import trio

import minizmtp as zmq

ENDPOINT = "inproc://numbers"


async def asker(ctx: zmq.Context, numbers: list[int], answers: dict[int, int], patience: float = 0.2) -> None:
    """Ask for the square of each number, again and again until it comes; put it into answers."""
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
    """Answer until `square` raises: then crash with it."""
    async with ctx.socket(zmq.PAIR, linger=0) as pair:
        pair.connect(ENDPOINT)
        while True:
            question, number = await pair.recv_json()
            await pair.send_json([question, square(number)])


async def together(ask: Callable[[], Awaitable[None]], *helpers: Callable[[], Awaitable[None]]) -> None:
    """Until `ask` is done, or the first of them crashes: then none goes on, and what it raised is in the group that
    this raises."""
    async with trio.open_nursery() as nursery:
        for helper in helpers:
            nursery.start_soon(helper)
        await ask()
        nursery.cancel_scope.cancel()


async def kept_alive(actor: Callable[[], Awaitable[None]], lives: int) -> None:
    """Run actor, and again when it crashes. When its last life is over its parent, too, has nothing more to try."""
    for life in range(1, lives + 1):
        try:
            await actor()
            return
        except Exception as error:
            print(f"parent: crash {life} of {lives}: {error!r}")
            if life == lives:
                raise


def fragile() -> Callable[[int], int]:
    """A square that fails at its third number, and only then."""
    calls = 0

    def square(number: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ArithmeticError(f"a slip of the pen at {number}²")
        return number * number

    return square


async def parent(lives: int) -> dict[int, int]:
    """Start the two, and say what became of them."""
    print(f"parent: starts two actors; the squarer has {lives} {'life' if lives == 1 else 'lives'}")
    answers: dict[int, int] = {}
    square = fragile()
    async with zmq.Context() as ctx:
        try:
            await together(
                lambda: asker(ctx, [2, 3, 7, 8], answers),
                lambda: kept_alive(lambda: squarer(ctx, square), lives),
            )
        except* ArithmeticError as group:
            print("parent: has ended both:", *group.exceptions)
    return answers


async def main() -> None:
    """The same crash, with each of the parent's answers to it."""
    for lives in (3, 1):
        print("parent: has", await parent(lives))


if __name__ == "__main__":
    trio.run(main)
