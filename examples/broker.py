"""A load-balancing broker: each request goes to the worker that has been idle longest.              28/REQREP, L-26

    clients                 broker                     workers
     REQ ──┐                                         ┌── REQ    "READY" ──►
     REQ ──┼──► ROUTER ── waiting, idle, busy ── ROUTER ─┼── REQ    ◄── client, "", request
     REQ ──┘                                         └── REQ    client, "", answer ──►

A DEALER would distribute requests in turn, even to a worker that hasn't finished its last one. Here workers *ask for
work*: first with READY, and later with each answer. So the broker knows which workers are idle, and in which order they
became idle, and gives each of them at most one request. A slow worker delays only the request that it is working on.

Note the direction at the back: a worker is a REQ, so a request for work reaches it as the *reply* to its READY. The
envelope (the client's routing id and the delimiter) stands in front of the request, and comes back with the answer.

**Requests wait in the clients' own queues.** The broker reads the frontend only while a worker is idle. The requests
that it doesn't read fill those queues, and then the clients have to wait: that is back-pressure from end to end, and
needs no code. The broker itself holds only requests that a worker has, or that it took back from a dead worker.

**When a worker dies** in the middle of a request, its connection ends. The monitor reports that some connection has
ended, and `peers()` lists those that are left; the request of each missing worker goes to the next idle one. (With
libzmq, which has no `peers()`, use a timeout, as in `paranoid_pirate`. A worker that hangs needs one here too, because
its connection stays alive.) **When a client dies**, the ROUTER drops the answer, because it can't be routed (L-26).

Try it: replace the backend by a DEALER, make one worker slow, and compare.
Read next: `paranoid_pirate`.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples import places
from examples.lazy_pirate import ask

READY = b"READY"


class Broker:
    """A broker between two ROUTERs, which are already bound. `backend` must have router_mandatory, because a send to a
    worker that has gone must raise an error."""

    def __init__(self, frontend: zmq.Socket, backend: zmq.Socket) -> None:
        self.frontend = frontend
        self.backend = backend
        self.idle: deque[bytes] = deque()  # the longest idle first
        self.busy: dict[bytes, list[bytes]] = {}  # worker -> its request: client, "", request
        self.waiting: deque[list[bytes]] = deque()  # requests taken back from dead workers, next one first

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.notice_deaths)
            nursery.start_soon(self.pass_on)

    async def pass_on(self) -> None:
        """Pass requests to workers and answers to clients. Workers are read first, because an answer frees a worker."""
        poller = zmq.Poller()
        while True:
            poller.register(self.backend, zmq.POLLIN)
            poller.register(self.frontend, zmq.POLLIN if self.idle else 0)
            for sock, _ in await poller.poll():
                message = await sock.recv_multipart()
                if sock is self.backend:
                    await self.from_worker(*message)
                else:
                    self.waiting.append(message)
            await self.give()

    async def from_worker(self, worker: bytes, delimiter: bytes, *message: bytes) -> None:
        """Handle READY, or the answer to a request: client, "", answer."""
        known = self.busy.pop(worker, None)
        self.idle.append(worker)
        # Drop an answer from a worker that was taken for dead, because another worker has its request by now. With two
        # answers, the client would take the second one for the answer to its next question.
        if message != (READY,) and known is not None:
            await self.frontend.send_multipart(message)

    async def give(self) -> None:
        """Give requests to idle workers, as long as there are both. Each update of our state comes before the await,
        because other tasks run during it and must see a consistent state."""
        while self.waiting and self.idle:
            worker, request = self.idle.popleft(), self.waiting.popleft()
            self.busy[worker] = request
            try:
                await self.backend.send_multipart([worker, b"", *request])
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                self.take_back(worker)  # it died while it was idle

    async def notice_deaths(self) -> None:
        """Take back the requests of dead workers."""
        async for event in self.backend.monitor():
            if event.event is zmq.Event.DISCONNECTED:
                alive = {peer.routing_id for peer in self.backend.peers() if peer.connected}
                for worker in self.busy.keys() - alive:
                    self.take_back(worker)
                await self.give()

    def take_back(self, worker: bytes) -> None:
        """Put the request of a dead worker at the front, so that it is the next one to be given out."""
        if worker in self.busy:
            self.waiting.appendleft(self.busy.pop(worker))


async def broker(ctx: zmq.Context, front: str, back: str) -> None:
    """Run a broker at two endpoints."""
    async with ctx.socket(zmq.ROUTER) as frontend, ctx.socket(zmq.ROUTER, router_mandatory=1) as backend:
        frontend.bind(front)
        backend.bind(back)
        await Broker(frontend, backend).run()


async def worker(ctx: zmq.Context, back: str, work: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Answer requests until `work` raises, which ends the worker and loses the request."""
    async with ctx.socket(zmq.REQ, linger=0) as req:
        req.connect(back)
        await req.send(READY)
        async for *envelope, request in req:
            await req.send_multipart([*envelope, await work(request)])


async def honest(request: bytes) -> bytes:
    """A worker's work."""
    print(f"worker: {request!r}")
    await trio.sleep(0.1)
    return request.upper()


async def mortal(request: bytes) -> bytes:
    """The work of a worker that dies."""
    await trio.sleep(0.1)
    raise RuntimeError(f"died while working on {request!r}")


async def short_life(ctx: zmq.Context, back: str) -> None:
    """A worker that dies at its first request."""
    try:
        await worker(ctx, back, mortal)
    except RuntimeError as error:
        print(f"worker: {error}")


async def main() -> None:
    """Run three workers, one of which dies, and six clients, one of which leaves before its answer comes."""
    with TemporaryDirectory() as folder:
        front, back = places(folder, "front", "back")

        async def client(word: bytes, patience: float) -> None:
            with trio.move_on_after(patience):
                print("client:", word, "→", await ask(ctx, front, [word], patience=5))
                return
            print("client:", word, "→ leaves")

        async with zmq.Context() as ctx, trio.open_nursery() as service:
            service.start_soon(broker, ctx, front, back)
            service.start_soon(short_life, ctx, back)
            for _ in range(2):
                service.start_soon(worker, ctx, back, honest)
            async with trio.open_nursery() as clients:
                for word in b"one two three four five six".split():
                    clients.start_soon(client, word, 0.05 if word == b"three" else 5)
            service.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
