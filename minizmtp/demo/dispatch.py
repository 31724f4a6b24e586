"""Dispatch, a section of `patterns`: workers that ask for work, and that the dispatcher can stop at any time.

    ann  DEALER ── ready ──►        POST /ann ready ──────►             one connection, which is busy
    ben  DEALER ◄── task ── ROUTER           ◄── task ── server         until the response comes,
                ◄── stop ──         GET /ben ─────────────►
                                             ◄── stop ──                so "stop" needs a second one

On both sides, the same desk gives out the same tasks; only the way in which its messages reach the workers differs.

Read next: `patterns`.
"""

from contextlib import AsyncExitStack

import trio

import minihttp
import minizmtp as zmq

from .ends import Cost, background, bill, endpoint, http_server, port_of, recorded, url
from .relay import ANYWHERE
from .stage import Stage

WORKERS = ["ann", "ben", "cleo"]
TASKS = range(1, 13)
SQUARES = {number: number**2 for number in TASKS}
READY, STOP = b"ready", b"stop"
STUCK = "ben"  # never finishes its first task


def listed(shares: dict[str, int]) -> str:
    """In words.

    >>> listed({"ann": 4, "ben": 5})
    'ann 4, ben 5'
    """
    return ", ".join(f"{name} {share}" for name, share in shares.items())


class Desk:
    """Gives a task to each worker that asks. When only the stuck worker's task is left, that worker is stopped, and
    another gets the task."""

    def __init__(self) -> None:
        self.left = list(reversed(TASKS))
        self.shares = dict.fromkeys(WORKERS, 0)
        self.done: dict[int, int] = {}
        self._stuck_at = 0

    def hear(self, words: bytes) -> None:
        """Handle a worker's message: a result, or that it is free."""
        if words != READY:
            number, square = words.split()
            self.done[int(number)] = int(square)

    def give(self, name: str) -> bytes | None:
        """A task for a free worker, if there is one."""
        if not self.left:
            return None
        task = self.left.pop()
        self.shares[name] += 1
        if name == STUCK:
            self._stuck_at = task
        return b"%d" % task

    def take_back(self) -> bool:
        """If only the stuck worker's task is left, put it back, so that another worker gets it."""
        if self.left or len(self.done) != len(TASKS) - 1:
            return False
        self.left.append(self._stuck_at)
        return True


async def square(name: str, task: bytes) -> bytes:
    """A worker's work; one of them gets stuck in it."""
    if name == STUCK:
        await trio.sleep_forever()
    return b"%d %d" % (int(task), int(task) ** 2)


async def stage_dispatch(stage: Stage) -> list[Cost]:
    """Workers that ask for work, and one that is told to stop."""
    stage.title("Dispatch: ROUTER and DEALER")
    stage.say(f"""The workers now ask for each task, so that no task waits behind a slow worker. Worker {STUCK} gets
        stuck in its first task. When all other tasks are done, {STUCK} is told to stop, and another worker gets the
        task. The ROUTER can do this because it addresses its peers by name, and may send to one that has not asked.""")
    desk, ours = await dispatch()
    name = STUCK.capitalize()
    stage.claim("all squares are there, and the tasks given were " + listed(desk.shares), desk.done == SQUARES)
    stage.claim(
        f"{name} had one task and was told to stop in the middle of it, and another worker did it",
        desk.shares[STUCK] == 1 and sum(desk.shares.values()) == len(TASKS) + 1,
    )
    desk, http = await dispatch_over_http()
    stage.claim(
        f"""over HTTP {name} was stopped too, but only because each worker always had a second request open, on which
        it could be told to stop""",
        desk.done == SQUARES and desk.shares[STUCK] == 1,
    )
    return [ours, http]


async def dispatch() -> tuple[Desk, Cost]:
    """One connection for each worker, on which either side may send. It ends once a worker has been stopped."""
    desk, stopped = Desk(), trio.Event()
    messages = 0

    async def work(dealer: zmq.Socket, name: str) -> None:
        async def answer(task: bytes) -> None:
            await dealer.send(await square(name, task))

        await dealer.send(READY)
        async with trio.open_nursery() as nursery:
            while (words := await dealer.recv()) != STOP:
                nursery.start_soon(answer, words)
            nursery.cancel_scope.cancel()
        stopped.set()

    async with zmq.Context() as ctx, AsyncExitStack() as stack:
        router = ctx.socket(zmq.ROUTER, linger=0)
        router.bind(ANYWHERE)
        relay = await stack.enter_async_context(recorded(port_of(router.last_endpoint)))
        for name in WORKERS:
            dealer = ctx.socket(zmq.DEALER, routing_id=name, linger=0)
            dealer.connect(endpoint(relay))
            await stack.enter_async_context(background(work, dealer, name))

        async def tell(name: str, words: bytes) -> None:
            nonlocal messages
            await router.send_multipart([name.encode(), words])
            messages += 1

        while len(desk.done) < len(TASKS):
            peer, words = await router.recv_multipart()
            messages += 1
            desk.hear(words)
            if desk.take_back():
                await tell(STUCK, STOP)
            if (task := desk.give(peer.decode())) is not None:
                await tell(peer.decode(), task)
        await stopped.wait()
        return desk, bill("dispatch, ROUTER and DEALER", messages, relay.recording)


async def dispatch_over_http() -> tuple[Desk, Cost]:
    """Each worker posts its result, and the response is its next task. A second request, a GET, is answered when the
    worker must stop, or at the end."""
    desk = Desk()
    messages = 0
    to_stop, over, stopped = trio.Event(), trio.Event(), trio.Event()

    async def answer(request: minihttp.Request) -> minihttp.Response:
        nonlocal messages
        name = request.url.path.removeprefix("/")
        messages += 1
        words = await next_task(name, await request.aread()) if request.method == "POST" else await order_for(name)
        messages += 1
        return minihttp.Response(200, content=words) if words else minihttp.Response(204)

    async def next_task(name: str, words: bytes) -> bytes | None:
        desk.hear(words)
        if desk.take_back():
            to_stop.set()
        task = desk.give(name)
        if len(desk.done) == len(TASKS):
            over.set()
        if task is None:
            await over.wait()
        return task

    async def order_for(name: str) -> bytes | None:
        await (to_stop if name == STUCK else over).wait()
        return STOP if name == STUCK else None

    async def work(client: minihttp.AsyncClient, name: str) -> None:
        words = READY
        while (response := await client.post(f"/{name}", content=words)).status_code == 200:
            words = await square(name, response.content)

    async def work_until_told(client: minihttp.AsyncClient, name: str) -> None:
        async with background(work, client, name):
            if (await client.get(f"/{name}")).content == STOP:
                stopped.set()

    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(http_server(answer))
        relay = await stack.enter_async_context(recorded(port))
        clients = [await stack.enter_async_context(minihttp.AsyncClient(base_url=url(relay.port))) for _ in WORKERS]
        async with trio.open_nursery() as nursery:
            for client, name in zip(clients, WORKERS, strict=True):
                nursery.start_soon(work_until_told, client, name)
        await stopped.wait()
        return desk, bill("dispatch, HTTP", messages, relay.recording)
