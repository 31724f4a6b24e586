"""`patterns`: three more patterns that HTTP lacks, and the cost of each.

    pipeline      PUSH ──► PULL ─ work ─ PUSH ──► PULL        one way only, without answers
    dispatch      ROUTER ◄──► DEALER ann, ben, cleo           either side sends at any time, to any peer
    actors        REQ, REQ, REQ ──► REP                       tasks that share nothing, over inproc: no wire at all

The same work is done over ZeroMQ and over HTTP, as well as HTTP can (except for the actors, which need no network).

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
    """Run the three patterns, and compare the costs."""
    costs = [*await stage_pipeline(stage), *await stage_dispatch(stage), *await stage_actors(stage)]
    stage.title("What each cost")
    stage.table(
        ["", ">messages", ">octets", ">connections"],
        [[it.way, *(f"{number:,}" for number in it[1:])] for it in costs],
    )
    pipeline, pipeline_http, dispatch, dispatch_http, _ = costs
    stage.claim(
        "HTTP's pipeline took twice as many messages, because each one got an empty response",
        pipeline_http.messages == 2 * pipeline.messages,
    )
    stage.claim(
        "HTTP/1.1's dispatch took twice as many connections: one for work, and one for messages from the server",
        dispatch_http.connections == 2 * dispatch.connections,
    )
    stage.claim(
        "ZeroMQ took less than a third of HTTP's octets, both times",
        3 * pipeline.octets < pipeline_http.octets and 3 * dispatch.octets < dispatch_http.octets,
    )
    stage.lesson("""HTTP has one pattern: a client asks, a server answers. All others are built from it, with empty
        responses, and with requests that are sent in advance. ZeroMQ's sockets are named after patterns, and a message
        goes one way: the pattern decides whether there is an answer, when, and from which peer.""")


# ----------------------------------------------------------------------------------------------------------- pipeline


async def stage_pipeline(stage: Stage) -> list[Cost]:
    """Tasks go to workers, and the results to another socket."""
    stage.title("Pipeline: PUSH and PULL")
    stage.say(f"""{len(WORKERS)} workers square {len(TASKS)} numbers and send the squares to a sink, which is not the
        sender of the numbers. PUSH distributes its messages among the workers in turn.""")
    shares, results, ours = await pipeline()
    stage.claim("every square arrived, once", results == sorted(SQUARES.values()))
    stage.claim("each worker had its share: " + listed(shares), set(shares.values()) == {len(TASKS) // len(WORKERS)})
    results, http = await pipeline_over_http()
    stage.claim("over HTTP, where workers and sink are servers, they arrived too", results == sorted(SQUARES.values()))
    return [ours, http]


async def pipeline() -> tuple[dict[str, int], list[int], Cost]:
    """The number of tasks of each worker, the results, and the cost."""
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
            await until(monitor, zmq.Event.HANDSHAKE_SUCCEEDED)  # PUSH distributes only among connected peers
        for number in TASKS:
            await push.send(b"%d" % number)
        squares = sorted([int(await sink.recv()) for _ in TASKS])
        return shares, squares, bill("pipeline, PUSH and PULL", 2 * len(TASKS), recording)


async def pipeline_over_http() -> tuple[list[int], Cost]:
    """Each worker and the sink is a server, and each message is a POST."""
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
        # Once all tasks are given out, the servers end, and the nursery waits for results on their way to the sink.
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
    """A client of the server behind a relay; its requests share one connection."""
    return minihttp.AsyncClient(base_url=url(relay.port), limits=minihttp.Limits(max_connections=1))


# ------------------------------------------------------------------------------------------------------------- actors

CLERKS = 3
DEPOSITS = [100, 20, 3]


async def stage_actors(stage: Stage) -> list[Cost]:
    """One task owns the balance; all others send it messages."""
    stage.title("Actors: tasks that share nothing, over inproc")
    stage.say(f"""A balance belongs to one task, the ledger. {CLERKS} clerks, also tasks, deposit {listed_sums()} each,
        by message. No other task can touch the balance, so it needs no lock, and a lock can't be forgotten.""")
    balance, is_same, silent, cost = await actors()
    stage.claim(f"the balance is {balance}", balance == CLERKS * sum(DEPOSITS))
    stage.claim(
        """no connection was made (the monitors report none), and no octet was copied: the object received is the
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
    """The final balance; whether the objects received were those sent; whether there was no connection; the cost."""
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
