"""Paranoid Pirate: workers and queue monitor each other.                                            28/REQREP, 37-75

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

The broker in `broker` notices that a worker dies, because its connection ends. But a worker that *hangs*, or whose
machine loses power, leaves a connection that looks alive. So both sides here exchange heartbeats and treat silence as
death: the queue drops a silent worker, and a worker leaves a silent queue and sends READY to the next one at the same
endpoint. Otherwise a worker would wait forever for a queue that was restarted and doesn't know it.

**Why not `heartbeat_ivl`?** Because ZMTP's PING (see `heartbeat`) is answered by the *library*. It shows that the
machine, the process and the connection are alive, but the library answers even if the worker's own loop is stuck. BEAT
is answered by that loop, so it shows that the worker can take a request. Most programs need PING, queues need both.

**What is lost**: the requests that a worker or the queue holds when it dies. Neither of them repeats a request. The
client does, because only the client knows whether it still wants the answer (`lazy_pirate`). This is the simplest
division of labour, and it survives the death of any part except the client.

Try it: let a worker take longer than the client's patience, and count how often the work is done.
Read next: `last_value_cache`.
"""

from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples import places
from examples.lazy_pirate import ask

READY, BEAT, WORK, DONE = b"READY", b"BEAT", b"WORK", b"DONE"
INTERVAL = 0.1  # seconds between two BEATs
PATIENCE = 3 * INTERVAL  # seconds of silence; one BEAT may be late, but not three


class Queue:
    """A queue between two ROUTERs, which are already bound."""

    def __init__(self, frontend: zmq.Socket, backend: zmq.Socket) -> None:
        self.frontend = frontend
        self.backend = backend
        self.idle: dict[bytes, float] = {}  # worker -> time of its last message; the longest idle first

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.pass_on)
            nursery.start_soon(self.beat)

    async def pass_on(self) -> None:
        """Pass requests to workers and answers to clients. While no worker is idle, requests wait in the clients."""
        poller = zmq.Poller()
        while True:
            poller.register(self.backend, zmq.POLLIN)
            poller.register(self.frontend, zmq.POLLIN if self.idle else 0)
            # With a timeout, because `beat` may drop the last idle worker, and then the frontend must not be read.
            for sock, _ in await poller.poll(INTERVAL * 1000):
                if sock is self.backend:
                    await self.from_worker(*await sock.recv_multipart())
                elif self.idle:
                    request = await sock.recv_multipart()
                    worker = next(iter(self.idle))
                    del self.idle[worker]
                    await self.backend.send_multipart([worker, WORK, *request])

    async def from_worker(self, worker: bytes, word: bytes, *answer: bytes) -> None:
        """Handle a worker's message. Any message shows that it is alive, but only READY and DONE make it idle, because
        a BEAT may have crossed with the work that the worker was just given."""
        if word != BEAT or worker in self.idle:
            self.idle[worker] = trio.current_time()
        if word == DONE:
            await self.frontend.send_multipart(answer)

    async def beat(self) -> None:
        """Drop silent workers, and send BEAT to the others."""
        while True:
            for worker, heard in list(self.idle.items()):
                if trio.current_time() - heard > PATIENCE:
                    print(f"queue: a worker has been silent for {PATIENCE:.1f} s: dropped")
                    del self.idle[worker]
                else:
                    await self.backend.send_multipart([worker, BEAT])
            await trio.sleep(INTERVAL)


async def queue(ctx: zmq.Context, front: str, back: str) -> None:
    """Run a queue at two endpoints."""
    async with ctx.socket(zmq.ROUTER, linger=0) as frontend, ctx.socket(zmq.ROUTER, linger=0) as backend:
        frontend.bind(front)
        backend.bind(back)
        await Queue(frontend, backend).run()


async def worker(ctx: zmq.Context, back: str, work: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work for one queue after another, until `work` raises."""
    while True:
        async with ctx.socket(zmq.DEALER, linger=0) as dealer:
            dealer.connect(back)
            await dealer.send(READY)
            await work_for(dealer, work)
        print(f"worker: the queue has been silent for {PATIENCE:.1f} s: reconnecting with a new socket")


async def work_for(dealer: zmq.Socket, work: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work for the queue that dealer is connected to, until the queue is silent."""
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
    """The work of the workers in this example."""
    return request.upper()


async def frozen(ctx: zmq.Context, back: str) -> None:
    """A worker that is stuck: it never answers, but its connection is alive and would answer every PING."""
    async with ctx.socket(zmq.DEALER, linger=0) as dealer:
        dealer.connect(back)
        await dealer.send(READY)
        await trio.sleep_forever()


async def two_queues(ctx: zmq.Context, front: str, back: str, lifetime: float, pause: float) -> None:
    """Run a queue that dies and loses its state, and after a pause another one at the same endpoint."""
    with trio.move_on_after(lifetime):
        await queue(ctx, front, back)
    print("queue: dies")
    await trio.sleep(pause)
    print("queue: a new one, which knows no workers yet")
    await queue(ctx, front, back)


async def main() -> None:
    """Run two workers, one of which is stuck, and a queue that is replaced."""
    with TemporaryDirectory() as folder:
        front, back = places(folder, "front", "back")
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
