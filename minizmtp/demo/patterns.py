"""`patterns`: three more shapes that HTTP has no word for, and what each of them cost.

    pipeline      PUSH ──► PULL ─ work ─ PUSH ──► PULL        one way only: nobody answers
    dispatch      ROUTER ◄──► DEALER ann, ben, cleo           either side speaks when it likes, to whom it likes
    actors        REQ, REQ, REQ ──► REP                       tasks that share nothing, over inproc: no wire at all

Each is real work, done over ZeroMQ and (but for the actors, who need no network) over HTTP as well as HTTP can.

Read next: `transports`.
"""

from contextlib import AsyncExitStack

import trio

import minihttp
import minizmtp as zmq

from .dispatch import SQUARES, TASKS, WORKERS, listed, stage_dispatch
from .ends import Cost, Handler, background, bill, endpoint, http_server, port_of, recorded, until, url
from .relay import ANYWHERE, Recording, Relay
from .stage import Stage


async def run(stage: Stage) -> None:
    """The three of them, and then the bill."""
    costs = [*await stage_pipeline(stage), *await stage_dispatch(stage), *await stage_actors(stage)]
    stage.title("What each cost")
    stage.table(
        ["", ">messages", ">octets", ">connections"],
        [[it.way, *(f"{number:,}" for number in it[1:])] for it in costs],
    )
    pipeline, pipeline_http, dispatch, dispatch_http, _ = costs
    stage.claim(
        "HTTP's pipeline took twice the messages: each one was answered, with nothing to say",
        pipeline_http.messages == 2 * pipeline.messages,
    )
    stage.claim(
        "HTTP's dispatch took twice the connections: one to work on, and one on which to be told something",
        dispatch_http.connections == 2 * dispatch.connections,
    )
    stage.claim(
        "ZeroMQ took less than a third of HTTP's octets, both times",
        3 * pipeline.octets < pipeline_http.octets and 3 * dispatch.octets < dispatch_http.octets,
    )
    stage.lesson("""HTTP has one shape: a client asks, a server answers. All others are built out of it, with answers
        that say nothing, and with questions that are asked in advance. ZeroMQ's sockets are named for shapes, and a
        message goes one way: whether there is an answer, when, and from whom, is for the pattern to say.""")


# ----------------------------------------------------------------------------------------------------------- pipeline


async def stage_pipeline(stage: Stage) -> list[Cost]:
    """Tasks go out, results come in elsewhere."""
    stage.title("Pipeline: PUSH and PULL")
    stage.say(f"""{len(TASKS)} numbers are to be squared by {len(WORKERS)} workers, and the squares are to arrive at a
        sink, which is not who sent the numbers. PUSH deals its messages out in turn.""")
    shares, results, ours = await pipeline()
    stage.claim("every square arrived, once", results == sorted(SQUARES.values()))
    stage.claim("each worker had its share: " + listed(shares), set(shares.values()) == {len(TASKS) // len(WORKERS)})
    results, http = await pipeline_over_http()
    stage.claim(
        "over HTTP, where workers and sink are servers, they arrived as well", results == sorted(SQUARES.values())
    )
    return [ours, http]


async def pipeline() -> tuple[dict[str, int], list[int], Cost]:
    """Who did how many, what arrived, and what it cost."""
    shares = dict.fromkeys(WORKERS, 0)
    recording = Recording()

    async def work(name: str, tasks: zmq.Socket, results: zmq.Socket) -> None:
        async for (task,) in tasks:
            shares[name] += 1
            await results.send(b"%d" % int(task) ** 2)

    async with zmq.Context() as ctx, AsyncExitStack() as stack:
        push, sink = ctx.socket(zmq.PUSH, linger=0), ctx.socket(zmq.PULL)
        monitor = push.monitor()
        push.bind(ANYWHERE)
        sink.bind(ANYWHERE)
        there = await stack.enter_async_context(recorded(port_of(push.last_endpoint), recording=recording))
        onward = await stack.enter_async_context(recorded(port_of(sink.last_endpoint), recording=recording))
        for name in WORKERS:
            tasks, results = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH, linger=0)
            tasks.connect(endpoint(there))
            results.connect(endpoint(onward))
            await stack.enter_async_context(background(work, name, tasks, results))
            await until(monitor, zmq.Event.HANDSHAKE_SUCCEEDED)  # PUSH deals among those who are there
        for number in TASKS:
            await push.send(b"%d" % number)
        squares = sorted([int(await sink.recv()) for _ in TASKS])
        return shares, squares, bill("pipeline, PUSH and PULL", 2 * len(TASKS), recording)


async def pipeline_over_http() -> tuple[list[int], Cost]:
    """Each worker is a server, so is the sink, and each message is a POST."""
    squares: list[int] = []
    messages = 0
    recording = Recording()

    async def collect(request: minihttp.Request) -> minihttp.Response:
        squares.append(int(await request.aread()))
        return minihttp.Response(204)

    async def post(client: minihttp.AsyncClient, number: int) -> None:
        nonlocal messages
        await client.post("/", content=b"%d" % number)
        messages += 2

    def worker(client: minihttp.AsyncClient, nursery: trio.Nursery) -> Handler:
        async def work(request: minihttp.Request) -> minihttp.Response:
            nursery.start_soon(post, client, int(await request.aread()) ** 2)
            return minihttp.Response(204)

        return work

    async with http_server(collect) as sink, recorded(sink, recording=recording) as onward, AsyncExitStack() as stack:
        onwards = [await stack.enter_async_context(client_of(onward)) for _ in WORKERS]
        # When all tasks are given out the servers end, and the nursery waits for what is still on its way to the sink.
        async with trio.open_nursery() as nursery, AsyncExitStack() as servers:
            clients = []
            for to_sink in onwards:
                port = await servers.enter_async_context(http_server(worker(to_sink, nursery)))
                there = await servers.enter_async_context(recorded(port, recording=recording))
                clients.append(await servers.enter_async_context(client_of(there)))
            for number in TASKS:
                await post(clients[number % len(WORKERS)], number)
    return sorted(squares), bill("pipeline, HTTP", messages, recording)


def client_of(relay: Relay) -> minihttp.AsyncClient:
    """A client of what is behind a relay; its requests share one connection."""
    return minihttp.AsyncClient(base_url=url(relay.port), limits=minihttp.Limits(max_connections=1))


# ------------------------------------------------------------------------------------------------------------- actors

CLERKS = 3
DEPOSITS = [100, 20, 3]


async def stage_actors(stage: Stage) -> list[Cost]:
    """One task owns the balance; all others ask it."""
    stage.title("Actors: tasks that share nothing, over inproc")
    stage.say(f"""A balance belongs to one task, the ledger. {CLERKS} clerks, tasks as well, deposit {listed_sums()}
        each, by message. Nobody else can touch the balance, so there is no lock, and nothing to forget to lock.""")
    balance, is_same, silent, cost = await actors()
    stage.claim(f"the balance is {balance}", balance == CLERKS * sum(DEPOSITS))
    stage.claim(
        """no connection was made (the monitors are silent), and no octet was copied: what was received is the very
        object that was sent""",
        is_same and silent,
    )
    return [cost]


def listed_sums() -> str:
    """As in a sentence.

    >>> listed_sums()
    '100, 20 and 3'
    """
    *most, last = map(str, DEPOSITS)
    return f"{', '.join(most)} and {last}"


async def actors() -> tuple[int, bool, bool, Cost]:
    """The balance in the end; whether what came was what was sent; whether there was no connection; the cost."""
    balance = messages = 0
    sent: list[bytes] = []
    received: list[bytes] = []

    async def ledger(rep: zmq.Socket) -> None:
        nonlocal balance, messages
        while True:
            deposit = await rep.recv()
            received.append(deposit)
            balance += int(deposit)
            await rep.send(b"%d" % balance)
            messages += 2

    async def clerk(req: zmq.Socket) -> None:
        for deposit in DEPOSITS:
            sent.append(b"%d" % deposit)
            await req.send(sent[-1])
            await req.recv()

    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP, linger=0)
        rep.bind("inproc://ledger")
        async with background(ledger, rep), trio.open_nursery() as clerks:
            monitors: list[zmq.Monitor] = []
            for _ in range(CLERKS):
                req = ctx.socket(zmq.REQ, linger=0)
                monitors.append(req.monitor())
                req.connect("inproc://ledger")
                clerks.start_soon(clerk, req)
    events = [event for monitor in monitors async for event in monitor]
    is_same = {id(deposit) for deposit in sent} == {id(deposit) for deposit in received}
    return balance, is_same, not events, Cost("actors, inproc", messages, 0, len(events))
