"""Lazy Pirate: a client that retries.                                                      28/REQREP, L-6, L-31, L-34

    client                          server
     REQ ──── "one"    ───────────► REP
         ◄─── "ONE"    ────────────
     REQ ──── "two"    ───────────► REP   dies with the request in its hands
         ···  silence  ···
     REQ ──── "two"    ───────────► REP   the next one, at the same endpoint
         ◄─── "TWO"    ────────────

When its server dies, a REQ isn't told, and its request isn't repeated (L-34). So the client itself must do three
things: stop waiting, retry, and give up after some attempts. In trio the first is one line, `move_on_after`.

**Each attempt uses a new socket.** A REQ that is waiting for a reply can't send again (EFSM, L-31). With `req_relaxed`
it can, and with `req_correlate` it doesn't take a late answer to the first attempt for one to the second. But the
old attempts would still be queued, because the queue of a `connect` outlives the server (L-6): a server that comes back
after ten attempts would get the same request ten times. Closing the socket with `linger=0` discards unsent requests.

One problem is left to the application: the server may do the work and die before it answers. The client then sends the
request again, so requests must be idempotent, that is, safe to do twice. ("Set the price to 5" is idempotent; "add 5"
isn't, so it needs a number by which the server recognizes a repeated request.)

Try it: give `ask` one socket with `req_relaxed=1, req_correlate=1`, and see which requests the second server gets.
Read next: `broker`.
"""

from collections.abc import Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples import places


class Unanswered(Exception):
    """No attempt got an answer."""


async def ask(
    ctx: zmq.Context, endpoint: str, request: list[bytes], patience: float = 0.5, attempts: int = 5
) -> list[bytes]:
    """Send request up to `attempts` times; return the answer. Raises Unanswered after attempts × patience seconds."""
    for attempt in range(1, attempts + 1):
        async with ctx.socket(zmq.REQ, linger=0) as req:
            req.connect(endpoint)
            await req.send_multipart(request)
            with trio.move_on_after(patience):
                return await req.recv_multipart()
        print(f"client: no answer to {request} within {patience} s (attempt {attempt})")
    raise Unanswered(f"{endpoint} gave no answer to {request} in {attempts} attempts of {patience} s")


async def serve(ctx: zmq.Context, endpoint: str, answer: Callable[[list[bytes]], list[bytes]]) -> None:
    """Answer requests until `answer` raises, which ends the server and loses the request."""
    async with ctx.socket(zmq.REP, linger=0) as rep:
        rep.bind(endpoint)
        async for request in rep:
            await rep.send_multipart(answer(request))


def upper(request: list[bytes]) -> list[bytes]:
    """The work of the servers in this example."""
    return [word.upper() for word in request]


def upper_for_a_while(request: list[bytes]) -> list[bytes]:
    """Like `upper`, but dies at one request."""
    if request == [b"two"]:
        raise RuntimeError("the server died while it worked on the request")
    return upper(request)


async def two_servers(ctx: zmq.Context, endpoint: str, pause: float) -> None:
    """Run a server that dies, and after a pause another one at the same endpoint."""
    try:
        await serve(ctx, endpoint, upper_for_a_while)
    except RuntimeError as error:
        print(f"server: {error}")
    await trio.sleep(pause)
    print("server: the next one, at the same endpoint")
    await serve(ctx, endpoint, upper)


async def main() -> None:
    """Ask three questions; the server dies at the second."""
    with TemporaryDirectory() as folder:
        [endpoint] = places(folder, "server")
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            nursery.start_soon(two_servers, ctx, endpoint, 0.7)
            for word in [b"one", b"two", b"three"]:
                print("client:", word, "→", await ask(ctx, endpoint, [word]))
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
