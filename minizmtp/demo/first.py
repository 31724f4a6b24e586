"""`first`: a client that starts before its server, and a server that dies and comes back.                   L-6, L-8

    REQ    connect ─ send "hello" ─────────────────────────── recv "world"
    REP                            … no server …  bind ─ recv ─ send

    HTTP   GET ─► ConnectError      GET ─► ConnectError      GET ─► 200      here the program itself tries again

The order of events doesn't depend on a clock: the server starts once the client has been refused twice, and messages
for the dead server are sent once its death is known. A socket's monitor reports both.

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
RETRY = 10  # milliseconds until a client tries again (the default of a ZeroMQ socket is 100)
TASKS = ["one", "two", "three"]
LEGEND = {"wait": "waits", "open": "is there", "mark": "a moment"}


class Diary(NamedTuple):
    """client: what it did. server: when it was there. answers: what arrived. troubles: errors and queued messages."""

    began: float
    client: list[Stretch]
    server: list[Stretch]
    answers: list[str]
    troubles: list[str]

    @property
    def now(self) -> float:
        return trio.current_time() - self.began

    def note(self, words: str) -> None:
        """Note that the client did something now."""
        now = self.now
        self.client.append(Stretch(now, now, "mark", words))

    def when(self, words: str) -> float:
        """The time at which the client first did that."""
        return next(stretch.start for stretch in self.client if stretch.label == words)

    @asynccontextmanager
    async def waiting(self, words: str) -> AsyncIterator[None]:
        """Show that the client waits while the body runs."""
        began = self.now
        try:
            yield
        finally:
            self.client.append(Stretch(began, self.now, "wait", words))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Show that the server is there while the body runs."""
        began = self.now
        yield
        self.server.append(Stretch(began, self.now, "open", "the server is there"))

    def timeline(self, title: str, protocol: str) -> Timeline:
        """Client and server on one scale; moments are drawn over stretches."""
        client = sorted(self.client, key=lambda stretch: (stretch.kind == "mark", stretch.start))
        lanes = (Lane("client", tuple(client)), Lane("server", tuple(self.server)))
        return Timeline(title, protocol, self.now, lanes, LEGEND)


def diary() -> Diary:
    """A new story that begins now."""
    return Diary(trio.current_time(), [], [], [], [])


async def run(stage: Stage) -> None:
    """Both stories, ZeroMQ compared with HTTP."""
    await stage_late_server(stage)
    await stage_returning_server(stage)
    stage.lesson("""A ZeroMQ socket is not a connection. It manages connections: it makes them when it can, and again
        when they break, and messages sent meanwhile wait in a queue. An HTTP client learns at once that no server is
        there, and the program decides what to do. The queue has limits: it is in the sender's memory, and messages that
        already left for the peer are lost with it, without an error. A program that must know asks for a reply, and
        waits for it with a timeout.""")


# ------------------------------------------------------------------------------------------------ connect before bind


async def stage_late_server(stage: Stage) -> None:
    """A client sends a request before there is a server."""
    stage.title("The client comes first")
    stage.say(f"""A client sends a request to a server that isn't running. The server starts once {REFUSALS} attempts to
        connect have been refused.""")
    ours, http = await late_rep(), await late_http_server()
    stage.show(ours.timeline("REQ and REP", "zmtp"))
    stage.show(http.timeline("HTTP", "http"))
    stage.claim(
        """REQ's send returned although there was no server, and the reply came without further code: the socket
        connected when it could""",
        ours.when("has sent") < ours.server[0].start and ours.answers == ["world"] and not ours.troubles,
    )
    stage.claim(
        f"HTTP raised ConnectError {REFUSALS} times, and the program itself had to try again",
        http.troubles == ["ConnectError"] * REFUSALS and http.answers == ["world"],
    )


def nobodys_endpoint(ctx: zmq.Context) -> str:
    """An endpoint at which no socket is bound."""
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
    stage.say("""A PUSH sends "one"; the PULL receives it and dies. Once the PUSH knows that (its monitor reports
        DISCONNECTED), it sends "two" and "three". After that, a new PULL starts at the same endpoint. An HTTP client
        posts the same to a server that dies and comes back.""")
    ours, http = await returning_pull(), await returning_http_server()
    stage.show(ours.timeline("PUSH and PULL", "zmtp"))
    stage.show(http.timeline("HTTP", "http"))
    stage.claim(
        """both sends returned while there was no server; the two messages waited in the PUSH's queue, and arrived in
        order, each once""",
        ours.when("sends three") < ours.server[1].start and ours.troubles == ["2 queued"] and ours.answers == TASKS,
    )
    stage.claim(
        """HTTP raised an error for "two" before "three" was sent; once the server was back, the program sent both""",
        len(http.troubles) == 1 and http.answers == TASKS,
    )


async def returning_pull() -> Diary:
    """The PULL is there, dies, and comes back. Meanwhile messages are queued."""
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
    """POST to a server, then while it is down, and then to a new server."""
    story = diary()

    async def receive(request: minihttp.Request) -> minihttp.Response:
        story.answers.append((await request.aread()).decode())
        return minihttp.Response(204)

    async def post(*tasks: str) -> None:
        for task in tasks:
            story.note(f"posts {task}")
            await client.post("/", content=task)

    async with http_server(receive) as port:
        pass  # only to find a free port, because the client starts before its server
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
