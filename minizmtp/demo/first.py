"""`first`: who has to be there first? A client before its server, and a server that comes back.             L-6, L-8

    REQ    connect ─ send "hello" ─────────────────────────── recv "world"
    REP                             … nobody …    bind ─ recv ─ send

    HTTP   GET ─► ConnectError      GET ─► ConnectError      GET ─► 200      and it is the program that asks again

No clock decides what comes after what: the server is started when the client has been refused twice, and the messages
for the dead are sent when its death is known. A socket's monitor tells of both.

Read next: `many`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import trio

import minihttp
import minizmtp as zmq

from .blocks import Lane, Stretch, Timeline
from .ends import http_server, port_of, until, url
from .relay import ANYWHERE
from .stage import Stage

REFUSALS = 2
RETRY = 10  # milliseconds until a client tries again (a ZeroMQ socket takes 100 if it is not told otherwise)
TASKS = ["one", "two", "three"]
LEGEND = {"wait": "waits", "open": "is there", "mark": "a moment"}


class Diary(NamedTuple):
    """client: what it did. server: when it was there. answers: what arrived. troubles: what was in the way."""

    began: float
    client: list[Stretch]
    server: list[Stretch]
    answers: list[str]
    troubles: list[str]

    @property
    def now(self) -> float:
        return trio.current_time() - self.began

    def note(self, words: str) -> None:
        """The client did something at this moment."""
        now = self.now
        self.client.append(Stretch(now, now, "mark", words))

    def when(self, words: str) -> float:
        """When the client first did that."""
        return next(stretch.start for stretch in self.client if stretch.label == words)

    @asynccontextmanager
    async def waiting(self, words: str) -> AsyncIterator[None]:
        """The client waits while the body runs."""
        began = self.now
        try:
            yield
        finally:
            self.client.append(Stretch(began, self.now, "wait", words))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The server is there while the body runs."""
        began = self.now
        yield
        self.server.append(Stretch(began, self.now, "open", "the server is there"))

    def timeline(self, title: str, protocol: str) -> Timeline:
        """Both on one scale; moments are drawn over stretches."""
        client = sorted(self.client, key=lambda stretch: (stretch.kind == "mark", stretch.start))
        lanes = (Lane("client", tuple(client)), Lane("server", tuple(self.server)))
        return Timeline(title, protocol, self.now, lanes, LEGEND)


def diary() -> Diary:
    """A new one, that begins now."""
    return Diary(trio.current_time(), [], [], [], [])


async def run(stage: Stage) -> None:
    """Both stories, ZeroMQ beside HTTP."""
    await stage_late_server(stage)
    await stage_returning_server(stage)
    stage.lesson("""A ZeroMQ socket is not a connection: it has connections, makes them when it can and again when they
        break, and what is sent meanwhile waits in a queue. An HTTP client is told at once that nobody is there, and its
        program decides. The queue is a promise with limits: it lives in the sender's memory; what had already gone to
        the peer dies with the peer; and nobody is told. Who must know asks for a reply, and waits for it with a
        limit.""")


# ------------------------------------------------------------------------------------------------ connect before bind


async def stage_late_server(stage: Stage) -> None:
    """A client asks before there is a server."""
    stage.title("The client comes first")
    stage.say(f"""A client asks a server that is not there. The server is started when {REFUSALS} attempts to connect
        have been refused.""")
    ours, http = await late_rep(), await late_http_server()
    stage.show(ours.timeline("REQ and REP", "zmtp"))
    stage.show(http.timeline("HTTP", "http"))
    stage.claim(
        """REQ's send returned though nobody was there, and the reply came with no more doing of the program's: the
        socket connected when it could""",
        ours.when("has sent") < ours.server[0].start and ours.answers == ["world"] and not ours.troubles,
    )
    stage.claim(
        f"HTTP raised ConnectError, {REFUSALS} times, and it was the program that asked again",
        http.troubles == ["ConnectError"] * REFUSALS and http.answers == ["world"],
    )


def nobodys_endpoint(ctx: zmq.Context) -> str:
    """Where a socket could be bound, and none is."""
    sock = ctx.socket(zmq.PULL)
    sock.bind(ANYWHERE)
    endpoint = sock.last_endpoint
    sock.close()
    return endpoint


async def late_rep() -> Diary:
    """REQ connects and sends; then REP binds."""
    async with zmq.Context() as ctx:
        endpoint, story = nobodys_endpoint(ctx), diary()
        req, rep = ctx.socket(zmq.REQ, linger=0, reconnect_ivl=RETRY), ctx.socket(zmq.REP, linger=0)
        monitor = req.monitor()
        req.connect(endpoint)
        await req.send_string("hello")
        story.note("has sent")
        async with story.waiting("for the reply"):
            for _ in range(REFUSALS):
                await until(monitor, zmq.Event.CONNECT_RETRIED)
            async with story.serving():
                rep.bind(endpoint)
                await rep.recv()
                await rep.send_string("world")
                story.answers.append(await req.recv_string())
        return story


async def late_http_server() -> Diary:
    """GET, and GET again until there is a server."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content="world")

    async with zmq.Context() as ctx:
        port = port_of(nobodys_endpoint(ctx))
    story = diary()

    async def ask() -> None:
        story.note("asks")
        async with story.waiting("for the response"):
            story.answers.append((await client.get("/")).text)

    async with minihttp.AsyncClient(base_url=url(port)) as client:
        for _ in range(REFUSALS):
            try:
                await ask()
            except minihttp.TransportError as error:
                story.troubles.append(type(error).__name__)
                await trio.sleep(RETRY / 1000)
        async with http_server(answer, port), story.serving():
            await ask()
    return story


# ----------------------------------------------------------------------------------------- a peer that dies and returns


async def stage_returning_server(stage: Stage) -> None:
    """A server goes away between two messages, and comes back."""
    stage.title("The server dies, and comes back")
    stage.say("""A PUSH sends "one"; the PULL receives it and dies. When the PUSH knows that (its monitor tells of
        DISCONNECTED), it sends "two" and "three", and after that there is a new PULL at the same endpoint. An HTTP
        client posts the same to a server that dies and comes back.""")
    ours, http = await returning_pull(), await returning_http_server()
    stage.show(ours.timeline("PUSH and PULL", "zmtp"))
    stage.show(http.timeline("HTTP", "http"))
    stage.claim(
        """both sends returned while nobody was there; the two messages waited in the PUSH's queue, and came in order,
        each once""",
        ours.when("sends three") < ours.server[1].start and ours.troubles == ["2 queued"] and ours.answers == TASKS,
    )
    stage.claim(
        """HTTP raised an error for "two" before "three" had its turn; with the server back, the program sent both""",
        len(http.troubles) == 1 and http.answers == TASKS,
    )


async def returning_pull() -> Diary:
    """PULL is there, is not, and is again. The trouble is what is queued meanwhile."""
    async with zmq.Context() as ctx:
        story = diary()
        push = ctx.socket(zmq.PUSH, linger=0, reconnect_ivl=RETRY)
        monitor = push.monitor()

        async def send(task: str) -> None:
            await push.send_string(task)
            story.note(f"sends {task}")

        async with ctx.socket(zmq.PULL) as pull, story.serving():
            pull.bind(ANYWHERE)
            endpoint = pull.last_endpoint
            push.connect(endpoint)
            await send("one")
            story.answers.append(await pull.recv_string())
        await until(monitor, zmq.Event.DISCONNECTED)
        for task in TASKS[1:]:
            await send(task)
        story.troubles.append(f"{push.peers()[0].queued} queued")
        async with story.waiting("two and three are queued"):
            for _ in range(REFUSALS):
                await until(monitor, zmq.Event.CONNECT_RETRIED)
            async with ctx.socket(zmq.PULL) as pull, story.serving():
                pull.bind(endpoint)
                story.answers.extend([await pull.recv_string() for _ in TASKS[1:]])
        return story


async def returning_http_server() -> Diary:
    """POST to a server, to nobody, and to a server again."""
    story = diary()

    async def receive(request: minihttp.Request) -> minihttp.Response:
        story.answers.append((await request.aread()).decode())
        return minihttp.Response(204)

    async def post(*tasks: str) -> None:
        for task in tasks:
            story.note(f"posts {task}")
            await client.post("/", content=task)

    async with http_server(receive) as port:
        pass  # only to find a port: the client is older than its server
    async with minihttp.AsyncClient(base_url=url(port)) as client:
        async with http_server(receive, port), story.serving():
            await post("one")
        try:
            await post("two", "three")
        except minihttp.TransportError as error:
            story.troubles.append(type(error).__name__)
        await trio.sleep(RETRY / 1000)
        async with http_server(receive, port), story.serving():
            await post("two", "three")
    return story
