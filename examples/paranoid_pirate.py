"""Paranoid Pirate: workers and queue watch each other.                                              28/REQREP, 37-75

    client                    queue                          worker
     REQ ── request ──► ROUTER     ROUTER ◄── READY ──────── DEALER     "I am here, and have nothing to do"
                                          ─── BEAT ────────►            every interval, to each idle worker
                                          ◄── BEAT ─────────
                                          ─── WORK, request ►
      ◄─── answer ──────────────────────  ◄── DONE, answer ─            which says READY as well
                                          ─── BEAT ────────►
                                               ··· silence ···          after `patience` the queue has no such worker
                                          ◄── READY ─────────           … and a worker has no such queue: it starts
                                                                        afresh, with a socket of its own

In `broker` a worker's end was seen, because its connection ended. A worker that *hangs*, or whose machine lost its
power, leaves a connection that looks alive. So whoever depends on another asks it from time to time, and takes silence
for death. Both sides do: the queue drops a silent worker, and a worker leaves a silent queue and says READY to the
next that is found at the endpoint. Without that, workers would wait for ever for a queue that has forgotten them.

**Why not `heartbeat_ivl`?** ZMTP's PING (see `heartbeat`) is answered by the *library*. It shows that the machine, the
process and the connection live, and the engine answers even while the program is stuck. BEAT is answered by the very
loop that works: it shows that the worker would take a request. Most programs want the first, queues want both.

**What is lost**: a request that a worker had when it died, or that the queue had when it died. Neither repeats it; the
client does, for it is the one that knows whether it still wants to know (`lazy_pirate`). This is the simplest division
of labour, and it survives the loss of any part but the client.

Try it: let a worker take longer than the client's patience, and count how often the work is done.
Read next: `last_value_cache`.
"""

from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples.lazy_pirate import ask

READY, BEAT, WORK, DONE = b"READY", b"BEAT", b"WORK", b"DONE"
INTERVAL = 0.1  # seconds between two BEATs
PATIENCE = 3 * INTERVAL  # of silence: one BEAT may be late, three are no accident


class Queue:
    """Between two ROUTERs, which are bound already."""

    def __init__(self, frontend: zmq.Socket, backend: zmq.Socket) -> None:
        self.frontend = frontend
        self.backend = backend
        self.idle: dict[bytes, float] = {}  # workers, the longest idle first, and when each was last heard

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.pass_on)
            nursery.start_soon(self.beat)

    async def pass_on(self) -> None:
        """Requests to workers, answers to clients. While nobody is idle the requests wait where they are."""
        poller = zmq.Poller()
        while True:
            poller.register(self.backend, zmq.POLLIN)
            poller.register(self.frontend, zmq.POLLIN if self.idle else 0)
            # Not for ever: `beat` may have dropped the last worker, and then the frontend is not to be read.
            for sock, _ in await poller.poll(INTERVAL * 1000):
                if sock is self.backend:
                    await self.from_worker(*await sock.recv_multipart())
                elif self.idle:
                    request = await sock.recv_multipart()
                    worker = next(iter(self.idle))
                    del self.idle[worker]
                    await self.backend.send_multipart([worker, WORK, *request])

    async def from_worker(self, worker: bytes, word: bytes, *answer: bytes) -> None:
        """Any word shows that it lives; READY and DONE that it is idle. (A BEAT may come from one that has just been
        given work, and crossed with it: it does not make the worker idle.)"""
        if word != BEAT or worker in self.idle:
            self.idle[worker] = trio.current_time()
        if word == DONE:
            await self.frontend.send_multipart(answer)

    async def beat(self) -> None:
        """Drop the silent, and ask the others for a sign of life."""
        while True:
            for worker, heard in list(self.idle.items()):
                if trio.current_time() - heard > PATIENCE:
                    print(f"queue: a worker has been silent for {PATIENCE:.1f} s: dropped")
                    del self.idle[worker]
                else:
                    await self.backend.send_multipart([worker, BEAT])
            await trio.sleep(INTERVAL)


async def queue(ctx: zmq.Context, front: str, back: str) -> None:
    """A queue at two endpoints."""
    async with ctx.socket(zmq.ROUTER, linger=0) as frontend, ctx.socket(zmq.ROUTER, linger=0) as backend:
        frontend.bind(front)
        backend.bind(back)
        await Queue(frontend, backend).run()


async def worker(ctx: zmq.Context, back: str, work: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work for one queue after the other, until `work` raises."""
    while True:
        async with ctx.socket(zmq.DEALER, linger=0) as dealer:
            dealer.connect(back)
            await dealer.send(READY)
            await work_for(dealer, work)
        print(f"worker: the queue has been silent for {PATIENCE:.1f} s: a fresh start")


async def work_for(dealer: zmq.Socket, work: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work for the queue that dealer is connected to, until it is silent."""
    while True:
        with trio.move_on_after(PATIENCE) as silence:
            word, *rest = await dealer.recv_multipart()
        if silence.cancelled_caught:
            return
        if word == BEAT:
            await dealer.send(BEAT)
        else:
            *envelope, request = rest
            await dealer.send_multipart([DONE, *envelope, await work(request)])


async def upper(request: bytes) -> bytes:
    """What the workers here are good at."""
    return request.upper()


async def frozen(ctx: zmq.Context, back: str) -> None:
    """A worker that is stuck: nothing will come of it, while its connection lives and would answer every PING."""
    async with ctx.socket(zmq.DEALER, linger=0) as dealer:
        dealer.connect(back)
        await dealer.send(READY)
        await trio.sleep_forever()


async def two_queues(ctx: zmq.Context, front: str, back: str, lifetime: float, pause: float) -> None:
    """A queue that dies with all that it knows, and after a pause another in its place."""
    with trio.move_on_after(lifetime):
        await queue(ctx, front, back)
    print("queue: dies")
    await trio.sleep(pause)
    print("queue: the next one, which knows nobody")
    await queue(ctx, front, back)


async def main() -> None:
    """Two workers, one of which is stuck, and a queue that is replaced."""
    with TemporaryDirectory() as folder:
        front, back = f"ipc://{folder}/front", f"ipc://{folder}/back"
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            nursery.start_soon(two_queues, ctx, front, back, 1.2, 0.5)
            nursery.start_soon(frozen, ctx, back)
            nursery.start_soon(worker, ctx, back, upper)
            await trio.sleep(2 * PATIENCE)
            for number in range(6):
                request = b"request %d" % number
                print("client:", request, "→", await ask(ctx, front, [request], patience=0.4))
                await trio.sleep(0.15)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
