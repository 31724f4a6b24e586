"""A load-balancing broker: work for the worker that has rested longest.                             28/REQREP, L-26

    clients                 broker                     workers
     REQ ──┐                                         ┌── REQ    "READY" ──►
     REQ ──┼──► ROUTER ── waiting, idle, busy ── ROUTER ─┼── REQ    ◄── client, "", request
     REQ ──┘                                         └── REQ    client, "", answer ──►

A DEALER would deal requests out in turn, whether or not the worker has finished the one before. Here workers *ask for
work*: READY at first, and afterwards each answer says as much. So the broker knows who is idle, in the order in which
they became so, and gives each at most one request. A slow worker slows nobody.

Note who asks at the back: a worker is a REQ, and the request that it works on comes as the *answer* to its READY. In
front of it stands the envelope, the client's routing id and the delimiter; it travels with the work and comes back.

**Requests wait in the client's own queue.** The frontend is read only while a worker is idle. What is not read fills
the queue there, and then the client is held up: back-pressure, all the way, for nothing. The only requests kept here
are those that a worker has, and those that were taken back from a worker that died.

**A worker dies** with the request in its hands. Its connection ends; the monitor says that some connection has, and
`peers()` says who is left; whoever is missing has its request given to the next. (libzmq has no `peers()`; there, time
tells, as in `paranoid_pirate`. So it does here if a worker hangs: its connection is as alive as ever.) **A client
dies**: its answer has nowhere to go, and a ROUTER drops what has nowhere to go (L-26). The worker never knows.

Try it: give the work to a DEALER instead, with one worker that is slow, and compare.
Read next: `paranoid_pirate`.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples.lazy_pirate import ask

READY = b"READY"


class Broker:
    """Between two ROUTERs, which are bound already. `backend` must have router_mandatory, so that it tells us of a
    worker that has gone."""

    def __init__(self, frontend: zmq.Socket, backend: zmq.Socket) -> None:
        self.frontend = frontend
        self.backend = backend
        self.idle: deque[bytes] = deque()  # the workers that have rested longest first
        self.busy: dict[bytes, list[bytes]] = {}  # each with its request: client, "", request
        self.waiting: deque[list[bytes]] = deque()  # requests that were taken back, next one first

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.notice_deaths)
            nursery.start_soon(self.pass_on)

    async def pass_on(self) -> None:
        """Requests to workers, answers to clients. Workers first: the more of them are idle, the more can be given."""
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
        """READY, or the answer to what it was given: client, "", answer."""
        known = self.busy.pop(worker, None)
        self.idle.append(worker)
        # An answer from a worker that we held for dead: its request is with another now, whose answer will do. The
        # client must not get two, or it would take the second for the answer to its next question.
        if message != (READY,) and known is not None:
            await self.frontend.send_multipart(message)

    async def give(self) -> None:
        """Requests to idle workers, as long as there are both. Each change of ours is made before its await, so that
        whoever runs meanwhile finds things as they are."""
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
        """Take back what dead workers had."""
        async for event in self.backend.monitor():
            if event.event is zmq.Event.DISCONNECTED:
                alive = {peer.routing_id for peer in self.backend.peers() if peer.connected}
                for worker in self.busy.keys() - alive:
                    self.take_back(worker)
                await self.give()

    def take_back(self, worker: bytes) -> None:
        """The request of a dead worker is the next to be given."""
        if worker in self.busy:
            self.waiting.appendleft(self.busy.pop(worker))


async def broker(ctx: zmq.Context, front: str, back: str) -> None:
    """A broker at two endpoints."""
    async with ctx.socket(zmq.ROUTER) as frontend, ctx.socket(zmq.ROUTER, router_mandatory=1) as backend:
        frontend.bind(front)
        backend.bind(back)
        await Broker(frontend, backend).run()


async def worker(ctx: zmq.Context, back: str, work: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work off requests until `work` raises: then die with it, and with the request."""
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
    """The work of one that dies at it."""
    await trio.sleep(0.1)
    raise RuntimeError(f"dies with {request!r} in its hands")


async def short_life(ctx: zmq.Context, back: str) -> None:
    """A worker that does not survive its first request."""
    try:
        await worker(ctx, back, mortal)
    except RuntimeError as error:
        print(f"worker: {error}")


async def main() -> None:
    """Three workers, one of which dies; six clients, one of which leaves before its answer comes."""
    with TemporaryDirectory() as folder:
        front, back = f"ipc://{folder}/front", f"ipc://{folder}/back"

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
