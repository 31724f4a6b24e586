"""`many`: waiting for several sockets, with ZeroMQ's Poller and with trio's nursery; and what only a nursery can do.

    poller.poll()  ◄── news, orders        one task asks which sockets have a message, and reads them in turn
    nursery        ◄── listen(news)        each socket has its own task, which simply waits
                   ◄── listen(orders)

Both programs are printed as they are written here, and then run.

Read next: `wrong`.
"""

import inspect
from collections.abc import Awaitable, Callable
from textwrap import dedent
from typing import TypeAlias

import trio

import minihttp
import minizmtp as zmq

from .blocks import Listing, Listings
from .ends import http_server, url
from .relay import ANYWHERE
from .stage import Stage

NEWS = [b"rain", b"sun", b"fog"]
ORDERS = [b"tea", b"milk", b"bread"]
Waiter: TypeAlias = Callable[[zmq.Socket, zmq.Socket], Awaitable[list[bytes]]]


async def run(stage: Stage) -> None:
    """Two programs that do the same; then one that waits for a socket and for HTTP."""
    stage.say("""Three pieces of news come to one socket and three orders to another, in an unpredictable order. These
        two programs wait for both sockets; each is run exactly as it is printed.""")
    stage.show(Listings((listing("ZeroMQ's Poller", with_poller), listing("trio's nursery", with_nursery))))
    polled, nursed = await heard_by(with_poller), await heard_by(with_nursery)
    stage.table(
        ["", "what was heard, in this order"],
        [["Poller", b" ".join(polled).decode()], ["nursery", b" ".join(nursed).decode()]],
    )
    stage.claim("both heard all six", sorted(polled) == sorted(nursed) == sorted(NEWS + ORDERS))
    stage.claim(
        "and of each socket's messages in the order in which they were sent",
        all([word for word in heard if word in sent] == sent for heard in (polled, nursed) for sent in (NEWS, ORDERS)),
    )
    await stage_both_protocols(stage)
    stage.lesson("""A Poller is for one task with many sockets. It was made for languages in which a task is a thread,
        and so expensive. Where tasks are cheap, each wait can have its own task, with code that reads from top to
        bottom, and the nursery waits for all of them, whatever they wait for.""")


async def with_poller(news: zmq.Socket, orders: zmq.Socket) -> list[bytes]:
    """One task."""
    heard: list[bytes] = []
    poller = zmq.Poller()
    poller.register(news, zmq.POLLIN)
    poller.register(orders, zmq.POLLIN)
    while len(heard) < 6:
        for sock, _ in await poller.poll():
            heard.append(await sock.recv())
    return heard


async def with_nursery(news: zmq.Socket, orders: zmq.Socket) -> list[bytes]:
    """A task for each."""
    heard: list[bytes] = []

    async def listen(sock: zmq.Socket) -> None:
        for _ in range(3):
            word = await sock.recv()
            heard.append(word)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, news)
        nursery.start_soon(listen, orders)
    return heard


def listing(title: str, program: Callable[..., object], protocol: str = "") -> Listing:
    """The program's source, without its docstring.

    >>> print(listing("", heard_by).text.splitlines()[0])
    async def heard_by(wait: Waiter) -> list[bytes]:
    """
    text = dedent(inspect.getsource(program))
    return Listing(title, text.replace(f'    """{program.__doc__}"""\n', ""), protocol)


async def heard_by(wait: Waiter) -> list[bytes]:
    """Send news and orders while `wait` waits; return what it received."""
    async with zmq.Context() as ctx:
        news, orders = ctx.socket(zmq.PULL), ctx.socket(zmq.PULL)

        async def send(to: zmq.Socket, words: list[bytes]) -> None:
            async with ctx.socket(zmq.PUSH) as push:
                push.connect(to.last_endpoint)
                for word in words:
                    await push.send(word)

        async with trio.open_nursery() as nursery:
            for sock, words in ((news, NEWS), (orders, ORDERS)):
                sock.bind(ANYWHERE)
                nursery.start_soon(send, sock, words)
            return await wait(news, orders)


async def stage_both_protocols(stage: Stage) -> None:
    """A Poller can wait only for sockets, a nursery for anything that can be awaited."""
    stage.title("An HTTP response and a message, whichever comes first")
    stage.say("""A Poller can't watch an HTTP request, but to a nursery it is just another task. Here the server answers
        the request only after the message has been received, so a program that waited for the response first would
        wait forever.""")
    came = await both_protocols()
    stage.claim("the message came while the request was under way, and then the response", came == ["sun", "200"])
    polled, timed = await limits()
    stage.claim("a wait can have a timeout: poll(10) returns an empty list after 10 ms", polled == [])
    stage.claim("and in trio any wait gets a timeout from move_on_after(0.01) around it", timed)


async def both_protocols() -> list[str]:
    """Wait for a response and a message in one nursery; return what came, in order."""
    came: list[str] = []
    heard = trio.Event()

    async def answer(request: minihttp.Request) -> minihttp.Response:
        push.connect(pull.last_endpoint)
        await push.send_string("sun")
        await heard.wait()
        return minihttp.Response(200)

    async def ask() -> None:
        came.append(str((await client.get("/")).status_code))

    async def listen() -> None:
        came.append(await pull.recv_string())
        heard.set()

    async with zmq.Context() as ctx, http_server(answer) as port:
        push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
        pull.bind(ANYWHERE)
        async with (
            minihttp.AsyncClient(base_url=url(port)) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(ask)
            nursery.start_soon(listen)
    return came


async def limits() -> tuple[list[tuple[zmq.Socket, int]], bool]:
    """What a Poller returns when nothing comes, and whether a cancel scope ended a wait that would never end."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("inproc://silence")
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        polled = await poller.poll(10)
        with trio.move_on_after(0.01) as scope:
            await pull.recv()
        return polled, scope.cancelled_caught
