"""`waiting`: many requests in flight, and their rendezvous.

    nursery                                          what takes 50 ms runs 8 times at once, or 100 times:
      ├─ ask 1 ─────┐
      ├─ ask 2 ─────┤                                HTTP            a connection for each request in flight
      ├─ …          ├─► the nursery's end:           DEALER ROUTER   one connection for all of them
      └─ ask 8 ─────┘   all answers are here         PUSH PULL       one there, and one back

An HTTP/1.1 connection carries one exchange at a time: the answer belongs to the question because nothing else is on the
line. ZeroMQ's messages share a connection, so an answer has to say what it answers; here a number does.

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
    """One request and its answer. asked: the program wanted it. answered: it came. Both are seconds of trio's clock."""

    asked: float
    answered: float
    answer: int


class Run(NamedTuple):
    """A number of exchanges in one manner, and what passed on the wire."""

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
    """Three manners with few requests, drawn; then with many, counted."""
    stage.say(f"""Squares are computed, slowly: each takes the server {WORK * 1000:.0f} ms, in which it sleeps and can
        serve others. The client starts {FEW} requests in a nursery; the end of the nursery is the rendezvous, where all
        answers are there. One row for each request: · it waits for a connection, █ it is under way.""")
    stage.say("""With ZeroMQ a DEALER asks, which is a REQ that need not take turns, and a ROUTER answers, which is a
        REP that may do so in any order.""")
    one = await over_http("HTTP, one connection", FEW, connections=1)
    many = await over_http("HTTP, as many connections as it takes", FEW, connections=FEW)
    dealer = await over_dealer(FEW)
    for it in (one, many, dealer):
        stage.show(timeline(it, longest=one.seconds))
    stage.claim("all answers are right, and each found its question", all(it.all_right for it in (one, many, dealer)))
    stage.claim(
        f"""on one HTTP connection a request waits until the one before is answered: {FEW} took {ms(one)}, {FEW} times
        {WORK * 1000:.0f} ms and a little""",
        one.recording.connections == 1 and one.seconds >= FEW * WORK,
    )
    stage.claim(
        f"""to have {FEW} in flight HTTP opened {many.recording.connections} connections, and was done in {ms(many)};
        DEALER had them on {dealer.recording.connections}, and was done in {ms(dealer)}""",
        (many.recording.connections, dealer.recording.connections) == (FEW, 1)
        and max(many.seconds, dealer.seconds) < one.seconds / 2,
    )
    stage.claim(
        "REQ would not do: it refuses to send again before the reply has come (EFSM)",
        await req_refuses(),
    )
    await with_many(stage)
    stage.lesson("""Not waiting is the nursery's doing, in both cases. What differs is the price: HTTP pays with a
        connection for each request in flight, ZeroMQ with a number in each message that says what it answers.""")


async def with_many(stage: Stage) -> None:
    """The same with more of it, where the price shows."""
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
        f"HTTP opened {http.recording.connections} connections, DEALER 1, PUSH and PULL 2",
        [it.recording.connections for it in runs] == [MANY, 1, 2],
    )
    stage.claim(
        "ZeroMQ's messages took less than a fifth of HTTP's octets",
        all(5 * it.recording.octets < http.recording.octets for it in others),
    )


def ms(run: Run) -> str:
    """How long a run took, in words."""
    return f"{run.seconds * 1000:.0f} ms"


async def square(number: int) -> int:
    """The work. It sleeps as real work does that waits for a disk or for somebody else's server."""
    await trio.sleep(WORK)
    return number**2


# ------------------------------------------------------------------------------------------------------- the manners


async def over_http(manner: str, count: int, connections: int) -> Run:
    """As many tasks as requests; the client's pool may open as many connections as it is told."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=str(await square(number_in(request.url.path.encode()))))

    exchanges: dict[int, Exchange] = {}

    async def ask(client: minihttp.AsyncClient, number: int) -> None:
        asked = trio.current_time()
        response = await client.get(f"/square/{number}")
        exchanges[number] = Exchange(asked, trio.current_time(), int(response.text))

    limits = minihttp.Limits(max_connections=connections)
    async with (
        http_server(answer) as port,
        recorded(port) as relay,
        minihttp.AsyncClient(base_url=url(relay.port), limits=limits) as client,
    ):
        async with trio.open_nursery() as nursery:
            for number in range(1, count + 1):
                nursery.start_soon(ask, client, number)
        return Run(manner, exchanges, relay.recording)  # the rendezvous: the nursery has ended


async def over_dealer(count: int) -> Run:
    """One DEALER, one ROUTER. The ROUTER puts a name in front of what comes, and takes it off what goes: its peer's."""

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
    """Send everything, then collect everything, in whatever order it comes: that is the rendezvous."""
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
    """Which of the tasks this is, or what an answer answers.

    >>> number_in(b"/square/12")
    12
    """
    return int(task.removeprefix(b"/square/"))


async def req_refuses() -> bool:
    """Does a REQ that has asked refuse to ask again?"""
    async with Context() as ctx:
        req = ctx.socket(SocketType.REQ, linger=0)
        req.connect("tcp://127.0.0.1:9")  # whether anybody is there makes no difference
        await req.send(b"one")
        try:
            await req.send(b"two")
        except ZMQError as error:
            return error.errno == EFSM
    return False


# ------------------------------------------------------------------------------------------------------- the timeline

LEGEND = {"wait": "waits for a connection", "work": "is under way"}


def timeline(run: Run, longest: float) -> Timeline:
    """A lane for each request, from when it was asked for to when it was answered; all runs to the same scale."""
    began = min(it.asked for it in run.exchanges.values())
    # When each set out, and on which connection, only the relay knows.
    sent = {number: run.recording.find(b"/square/%d" % number) for number in run.exchanges}
    lanes = []
    for number, chunk in sorted(sent.items(), key=lambda item: item[1].at):
        asked, out, answered = (
            at - began for at in (run.exchanges[number].asked, chunk.at, run.exchanges[number].answered)
        )
        stretches = (
            Stretch(asked, out, "wait"),
            Stretch(out, answered, "work", f"{number}² = {run.exchanges[number].answer}"),
        )
        lanes.append(Lane(f"request {number}, connection {chunk.connection}", stretches))
    return Timeline(run.manner, run.protocol, longest, tuple(lanes), LEGEND)
