"""Lazy Pirate: a client that asks again.                                                   28/REQREP, L-6, L-31, L-34

    client                          server
     REQ ──── "one"    ───────────► REP
         ◄─── "ONE"    ────────────
     REQ ──── "two"    ───────────► REP   dies with the request in its hands
         ···  silence  ···
     REQ ──── "two"    ───────────► REP   the next one, at the same endpoint
         ◄─── "TWO"    ────────────

A REQ whose server dies is not told, and its request is not repeated (L-34). So the client must do three things by
itself: stop waiting, ask again, and some time give up. In trio the first is one line, `move_on_after`.

**Each attempt has a fresh socket.** A REQ that still waits must not ask again (EFSM, L-31). With `req_relaxed` it may,
and with `req_correlate` a late answer to the first attempt is not taken for the answer to the second. But the old
attempts are still queued, for `connect` makes a queue which outlives the server (L-6): who comes back after ten
attempts finds the same request ten times. Closing the socket with `linger=0` takes back what has not left yet.

What remains is yours: the server may have done the work and died before it said so. It will be asked to do it again,
so what is asked for must bear being done twice. ("Set the price to 5" does; "add 5" needs a number, to be done once.)

Try it: give `ask` one socket with `req_relaxed=1, req_correlate=1`, and see what the second server is asked.
Read next: `broker`.
"""

from collections.abc import Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq


class Unanswered(Exception):
    """Nobody answered, at any attempt."""


async def ask(
    ctx: zmq.Context, endpoint: str, request: list[bytes], patience: float = 0.5, attempts: int = 5
) -> list[bytes]:
    """The answer to request, asked for up to so many times. Raises Unanswered after attempts × patience seconds."""
    for attempt in range(1, attempts + 1):
        async with ctx.socket(zmq.REQ, linger=0) as req:
            req.connect(endpoint)
            await req.send_multipart(request)
            with trio.move_on_after(patience):
                return await req.recv_multipart()
        print(f"client: no answer to {request} within {patience} s (attempt {attempt})")
    raise Unanswered(f"{endpoint} gave no answer to {request} in {attempts} attempts of {patience} s")


async def serve(ctx: zmq.Context, endpoint: str, answer: Callable[[list[bytes]], list[bytes]]) -> None:
    """Answer requests until `answer` raises: then die with it, and with the request."""
    async with ctx.socket(zmq.REP, linger=0) as rep:
        rep.bind(endpoint)
        async for request in rep:
            await rep.send_multipart(answer(request))


def upper(request: list[bytes]) -> list[bytes]:
    """What the servers here are good at."""
    return [word.upper() for word in request]


def upper_for_a_while(request: list[bytes]) -> list[bytes]:
    """As upper, up to a point."""
    if request == [b"two"]:
        raise RuntimeError("the server dies in the middle of its work")
    return upper(request)


async def two_servers(ctx: zmq.Context, endpoint: str, pause: float) -> None:
    """A server that dies, and after a pause another in its place."""
    try:
        await serve(ctx, endpoint, upper_for_a_while)
    except RuntimeError as error:
        print(f"server: {error}")
    await trio.sleep(pause)
    print("server: the next one, at the same endpoint")
    await serve(ctx, endpoint, upper)


async def main() -> None:
    """Three questions, and a death at the second."""
    with TemporaryDirectory() as folder:
        endpoint = f"ipc://{folder}/server"
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            nursery.start_soon(two_servers, ctx, endpoint, 0.7)
            for word in [b"one", b"two", b"three"]:
                print("client:", word, "→", await ask(ctx, endpoint, [word]))
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
