"""`waiting`: many requests in flight, and the nursery in which they end.

    nursery                                          what takes 50 ms runs 8 times at once, or 100 times:
      ├─ ask 1 ─────┐
      ├─ ask 2 ─────┤                                HTTP            a connection for each request in flight
      ├─ …          ├─► the nursery's end:           DEALER ROUTER   one connection for all of them
      └─ ask 8 ─────┘   all answers are here         PUSH PULL       one there, and one back

An HTTP/1.1 connection carries one exchange at a time, so a response belongs to the only request on the connection.
ZeroMQ messages share a connection, so an answer has to say which request it belongs to; here it has a number.

Read next: `pubsub`.
"""

from typing import NamedTuple

import trio

import minihttp

from ..constants import SocketType
from ..errors import EFSM, ZMQError
from ..sockets.context import Context
from ..sockets.socket import Socket
from .blocks import Lane, Stretch, Timeline
from .ends import background, endpoint, http_server, port_of, recorded, url
from .relay import ANYWHERE, Recording
from .stage import Stage

WORK = 0.05  # seconds that each request takes at the server
FEW, MANY = 8, 100


class Exchange(NamedTuple):
    """One request and its answer. asked, answered: when the program asked, and when the answer came (trio's clock)."""

    asked: float
    answered: float
    answer: int


class Run(NamedTuple):
    """The exchanges made in one way, and the recording of the wire."""

    manner: str
    exchanges: dict[int, Exchange]
    recording: Recording

    @property
    def protocol(self) -> str:
        return "http" if self.manner.startswith("HTTP") else "zmtp"

    @property
    def seconds(self) -> float:
        return max(it.answered for it in self.exchanges.values()) - min(it.asked for it in self.exchanges.values())

    @property
    def all_right(self) -> bool:
        return all(it.answer == number**2 for number, it in self.exchanges.items())


async def run(stage: Stage) -> None:
    """Three ways with few requests, drawn; then with many, counted."""
    stage.say(f"""The server computes squares, slowly: each takes {WORK * 1000:.0f} ms, during which it sleeps and can
        serve other requests. The client starts {FEW} requests in a nursery; at the end of the nursery all answers are
        there. In the timelines, each request has a row, in the order in which the program asked.""")
    stage.say("""With ZeroMQ, a DEALER sends the requests; it is a REQ that doesn't have to take turns. A ROUTER
        answers; it is a REP that may answer in any order.""")
    one = await over_http("HTTP, one connection", FEW, connections=1)
    many = await over_http("HTTP, as many connections as it takes", FEW, connections=FEW)
    dealer = await over_dealer(FEW)
    for it in (one, many, dealer):
        stage.show(timeline(it, longest=one.seconds))
    stage.claim("all answers are right, and match their requests", all(it.all_right for it in (one, many, dealer)))
    stage.claim(
        f"""on one HTTP/1.1 connection, a request waits until the one before is answered: {FEW} took {ms(one)}, a little
        more than {FEW} times {WORK * 1000:.0f} ms""",
        one.recording.connections == 1 and one.seconds >= FEW * WORK,
    )
    stage.claim(
        f"""for {FEW} requests in flight, HTTP/1.1 opened {many.recording.connections} connections and took {ms(many)};
        DEALER used {dealer.recording.connections} and took {ms(dealer)}""",
        (many.recording.connections, dealer.recording.connections) == (FEW, 1)
        and max(many.seconds, dealer.seconds) < one.seconds,
    )
    stage.claim(
        "a REQ can't do this: it refuses to send again before the reply has come (EFSM)",
        await req_refuses(),
    )
    await with_many(stage)
    stage.lesson("""In both cases it is the nursery that makes requests concurrent. The price differs: HTTP/1.1 needs a
        connection for each request in flight, ZeroMQ a number in each message that says which request it answers.
        (HTTP/2 does the same as ZeroMQ: it puts a number into each frame and shares one connection.)""")


async def with_many(stage: Stage) -> None:
    """The same with more requests, which show the price."""
    stage.title(f"{MANY} at once")
    runs = [await over_http("HTTP", MANY, connections=MANY), await over_dealer(MANY), await over_pipeline(MANY)]
    stage.table(
        ["", ">connections", ">messages", ">octets", ">time"],
        [
            [
                it.manner,
                str(it.recording.connections),
                str(2 * len(it.exchanges)),
                f"{it.recording.octets:,}",
                ms(it),
            ]
            for it in runs
        ],
    )
    http, *others = runs
    stage.claim(f"all {MANY} answers are right, each time", all(it.all_right for it in runs))
    stage.claim(
        f"HTTP/1.1 opened {http.recording.connections} connections, DEALER 1, PUSH and PULL 2",
        [it.recording.connections for it in runs] == [MANY, 1, 2],
    )
    stage.claim(
        "ZeroMQ's messages took less than a fifth of HTTP/1.1's octets",
        all(5 * it.recording.octets < http.recording.octets for it in others),
    )


def ms(run: Run) -> str:
    """The time of a run, in words."""
    return f"{run.seconds * 1000:.0f} ms"


async def square(number: int) -> int:
    """The work. It sleeps, like real work that waits for a disk or for another server."""
    await trio.sleep(WORK)
    return number**2


# ------------------------------------------------------------------------------------------------------- the manners


async def over_http(manner: str, count: int, connections: int) -> Run:
    """One task for each request; the client's pool opens at most this many connections."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=str(await square(number_in(request.url.path.encode()))))

    exchanges: dict[int, Exchange] = {}
    numbers = iter(range(1, count + 1))  # given out in the order in which the tasks begin, which a nursery doesn't fix

    async def ask(client: minihttp.AsyncClient) -> None:
        number, asked = next(numbers), trio.current_time()
        response = await client.get(f"/square/{number}")
        exchanges[number] = Exchange(asked, trio.current_time(), int(response.text))

    limits = minihttp.Limits(max_connections=connections)
    async with (
        http_server(answer) as port,
        recorded(port) as relay,
        minihttp.AsyncClient(base_url=url(relay.port), limits=limits) as client,
    ):
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(ask, client)
        return Run(manner, exchanges, relay.recording)  # the nursery has ended, so all answers are here


async def over_dealer(count: int) -> Run:
    """One DEALER, one ROUTER. The ROUTER prepends the peer's name to each message, and removes it from each answer."""

    async def answer(router: Socket, peer: bytes, task: bytes) -> None:
        await router.send_multipart([peer, task, b"%d" % await square(number_in(task))])

    async def serve(router: Socket) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                peer, task = await router.recv_multipart()
                nursery.start_soon(answer, router, peer, task)

    async with Context() as ctx:
        router = ctx.socket(SocketType.ROUTER, linger=0)
        router.bind(ANYWHERE)
        async with background(serve, router), recorded(port_of(router.last_endpoint)) as relay:
            dealer = ctx.socket(SocketType.DEALER, linger=0)
            dealer.connect(endpoint(relay))
            exchanges = await ask_all(dealer, dealer, count)
        return Run("DEALER and ROUTER", exchanges, relay.recording)


async def over_pipeline(count: int) -> Run:
    """Tasks go out by PUSH, results come in by PULL: two sockets at each end, and each connection is one-way."""

    async def answer(results: Socket, task: bytes) -> None:
        await results.send_multipart([task, b"%d" % await square(number_in(task))])

    async def work(tasks: Socket, results: Socket) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(answer, results, await tasks.recv())

    recording = Recording()
    async with Context() as ctx:
        tasks, results = ctx.socket(SocketType.PULL), ctx.socket(SocketType.PUSH, linger=0)
        tasks.bind(ANYWHERE)
        results.bind(ANYWHERE)
        async with (
            background(work, tasks, results),
            recorded(port_of(tasks.last_endpoint), recording=recording) as there,
            recorded(port_of(results.last_endpoint), recording=recording) as back,
        ):
            push, pull = ctx.socket(SocketType.PUSH, linger=0), ctx.socket(SocketType.PULL)
            push.connect(endpoint(there))
            pull.connect(endpoint(back))
            exchanges = await ask_all(push, pull, count)
        return Run("PUSH and PULL", exchanges, recording)


async def ask_all(tasks: Socket, results: Socket, count: int) -> dict[int, Exchange]:
    """Send all tasks, and collect all results in any order."""
    asked: dict[int, float] = {}
    for number in range(1, count + 1):
        asked[number] = trio.current_time()
        await tasks.send(b"/square/%d" % number)
    exchanges: dict[int, Exchange] = {}
    while len(exchanges) < count:
        task, answer = await results.recv_multipart()
        number = number_in(task)
        exchanges[number] = Exchange(asked[number], trio.current_time(), int(answer))
    return exchanges


def number_in(task: bytes) -> int:
    """The number of a task, or of the task that an answer belongs to.

    >>> number_in(b"/square/12")
    12
    """
    return int(task.removeprefix(b"/square/"))


async def req_refuses() -> bool:
    """Whether a REQ that has sent a request refuses to send another."""
    async with Context() as ctx:
        req = ctx.socket(SocketType.REQ, linger=0)
        req.connect("tcp://127.0.0.1:9")  # whether a peer is there makes no difference
        await req.send(b"one")
        try:
            await req.send(b"two")
        except ZMQError as error:
            return error.errno == EFSM
    return False


# ------------------------------------------------------------------------------------------------------- the timeline

LEGEND = {"wait": "waits for a connection", "work": "is under way"}


def timeline(run: Run, longest: float) -> Timeline:
    """A lane for each request, from the call to the answer; all runs have the same scale."""
    began = min(it.asked for it in run.exchanges.values())
    # Only the relay knows when each request left, and on which connection.
    sent = {number: run.recording.find(b"/square/%d" % number) for number in run.exchanges}
    # Connections are numbered here in the order of their first request.
    connections = list(dict.fromkeys(chunk.connection for _, chunk in sorted(sent.items())))
    lanes = []
    for number, chunk in sorted(sent.items()):
        asked, out, answered = (
            at - began for at in (run.exchanges[number].asked, chunk.at, run.exchanges[number].answered)
        )
        stretches = (
            Stretch(asked, out, "wait"),
            Stretch(out, answered, "work", f"{number}² = {run.exchanges[number].answer}"),
        )
        lanes.append(Lane(f"request {number}, connection {connections.index(chunk.connection) + 1}", stretches))
    return Timeline(run.manner, run.protocol, longest, tuple(lanes), LEGEND)
