"""Dispatch, a piece of `patterns`: workers that ask for work, and are told things unasked.

    ann  DEALER ── ready ──►        POST /ann ready ──────►             one connection, which stands still
    ben  DEALER ◄── task ── ROUTER           ◄── task ── server         between question and answer …
                ◄── stop ──         GET /ben ─────────────►
                                             ◄── stop ──                … so that it takes another to hear "stop"

The same desk gives out the same tasks on both sides; what differs is how its words get to the workers.

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
STUCK = "ben"  # never comes to an end with his first task


def listed(shares: dict[str, int]) -> str:
    """In words.

    >>> listed({"ann": 4, "ben": 5})
    'ann 4, ben 5'
    """
    return ", ".join(f"{name} {share}" for name, share in shares.items())


class Desk:
    """Gives a task to each worker that asks. When nothing is left but what the stuck one has, he is to be stopped, and
    another gets it."""

    def __init__(self) -> None:
        self.left = list(reversed(TASKS))
        self.shares = dict.fromkeys(WORKERS, 0)
        self.done: dict[int, int] = {}
        self._stuck_at = 0

    def hear(self, words: bytes) -> None:
        """A worker's words: a result, or nothing but that it is free."""
        if words != READY:
            number, square = words.split()
            self.done[int(number)] = int(square)

    def give(self, name: str) -> bytes | None:
        """A task for who is free, if there is one."""
        if not self.left:
            return None
        task = self.left.pop()
        self.shares[name] += 1
        if name == STUCK:
            self._stuck_at = task
        return b"%d" % task

    def take_back(self) -> bool:
        """If all is done but what the stuck one has: his task is to be given away again."""
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
    """Workers that ask for work, and are told things unasked."""
    stage.title("Dispatch: ROUTER and DEALER")
    stage.say(f"""The workers now ask for each task, so that nobody has to wait behind a slow one, and
        {STUCK.capitalize()} gets stuck in his first. When all others are done he is told to stop, and his task goes to
        another. For this the ROUTER, which knows its peers by name, speaks to him while he works; he did not ask.""")
    desk, ours = await dispatch()
    name = STUCK.capitalize()
    stage.claim("all squares are there, and the tasks given were " + listed(desk.shares), desk.done == SQUARES)
    stage.claim(
        f"{name} had one task, was told to stop in the midst of it, and another did it",
        desk.shares[STUCK] == 1 and sum(desk.shares.values()) == len(TASKS) + 1,
    )
    desk, http = await dispatch_over_http()
    stage.claim(
        f"""over HTTP {name} was stopped as well, because each worker had a second request under way all the time, for
        what it might be told""",
        desk.done == SQUARES and desk.shares[STUCK] == 1,
    )
    return [ours, http]


async def dispatch() -> tuple[Desk, Cost]:
    """One connection for each worker, and both sides speak on it. It ends when somebody has been stopped."""
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
    """Each worker posts what it has done, and the response is its next task. A second request, with GET, is answered
    when there is something to tell, or never was."""
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
