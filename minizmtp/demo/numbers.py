"""`numbers`: times and rates, measured now.

    round trip       one request, and its answer                ask ─► answer            seconds
    rate             one way, or one after the other            ─►─►─►─►─►─►             messages a second
    in flight        1, 10, 100 requests under way at once      ─►─►─► … ◄─◄─◄           answers a second

Both ends run in this one process and share its time, so only the ratios matter, not the absolute numbers. On a busy
machine these vary, so the claims are about large ratios only. The best of a few rounds counts, because a disturbance
makes a round slower and never faster.

Read next: `libzmq`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from math import ceil

import trio

import minihttp
import minizmtp as zmq

from .blocks import Bar, Bars
from .ends import background, http_server, url
from .relay import ANYWHERE
from .stage import Stage

ROUNDS = 3
SIZES = SHORT, _ = 64, 65536  # octets
SOME, MANY = 100, 10000
IN_FLIGHT = [1, 10, MOST := 100]

# Sends octets and gets them back; True if they are the same.
Ask = Callable[[bytes], Awaitable[bool]]


async def run(stage: Stage) -> None:
    """Three measurements, each drawn."""
    stage.say(f"""Measured now, over tcp, both ends in this one process; the best of {ROUNDS} rounds each.""")
    await stage_round_trip(stage)
    await stage_rate(stage)
    await stage_in_flight(stage)
    stage.lesson("""A round trip is two messages and two waits, so a program that makes many round trips gets faster by
        not making them one after the other. Sending one way is cheapest; if answers are needed, send the next request
        before the last answer has come. The rest is the work for each message: HTTP/1.1 writes and parses a head
        of text every time, ZMTP two octets, or nine for a long frame.""")


async def best(*measures: Callable[[], Awaitable[float]]) -> list[float]:
    """The least time of a few rounds, for each. All run in each round, so that a disturbance affects all of them."""
    rounds = [[await measure() for measure in measures] for _ in range(ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


async def seconds(count: int, ask: Ask, words: bytes) -> float:
    """Seconds for one request, when count requests are made one after another."""
    began = trio.current_time()
    for _ in range(count):
        check(await ask(words))
    return (trio.current_time() - began) / count


def check(is_right: bool) -> None:
    """Raise an error if the answer is wrong, because the time of a wrong answer means nothing."""
    if not is_right:
        raise ValueError("what came back is not what was sent")


# --------------------------------------------------------------------------------------------------------- round trip


async def stage_round_trip(stage: Stage) -> None:
    """Round trips one after another, with short and long messages."""
    async with reqrep() as ask_rep, http() as ask_http:
        took = await best(*(partial(seconds, SOME, ask, bytes(size)) for size in SIZES for ask in (ask_rep, ask_http)))
    labels = [f"{who}, {size:,} octets" for size in SIZES for who in ("REQ/REP", "HTTP")]
    bars = [
        Bar(label, it * 1e6, f"{it * 1e6:,.0f} µs", "http" if label.startswith("HTTP") else "zmtp")
        for label, it in zip(labels, took, strict=True)
    ]
    stage.show(Bars("Round trip, one after the other", "µs", tuple(bars)))
    stage.claim("a REQ gets a short reply sooner than HTTP gets its response", bars[0].value < bars[1].value)


@asynccontextmanager
async def reqrep() -> AsyncIterator[Ask]:
    """A REQ, and a REP that echoes."""

    async def echo() -> None:
        while True:
            await rep.send(await rep.recv())

    async def ask(words: bytes) -> bool:
        await req.send(words)
        return await req.recv() == words

    async with zmq.Context() as ctx:
        rep, req = ctx.socket(zmq.REP, linger=0), ctx.socket(zmq.REQ, linger=0)
        rep.bind(ANYWHERE)
        req.connect(rep.last_endpoint)
        async with background(echo):
            yield ask


@asynccontextmanager
async def http(connections: int = 1) -> AsyncIterator[Ask]:
    """A client, and a server that echoes."""

    async def echo(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=await request.aread())

    async def ask(words: bytes) -> bool:
        return (await client.post("/", content=words)).content == words

    limits = minihttp.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with (
        http_server(echo) as port,
        minihttp.AsyncClient(base_url=url(port), limits=limits) as client,
    ):
        yield ask


# --------------------------------------------------------------------------------------------------------------- rate


async def stage_rate(stage: Stage) -> None:
    """The number of messages that arrive in a second."""
    async with reqrep() as ask_rep, http() as ask_http:
        asking = [partial(seconds, SOME, ask, bytes(SHORT)) for ask in (ask_rep, ask_http)]
        push_took, rep_took, http_took = await best(one_way, *asking)
    bars = (
        rate_bar("PUSH to PULL, one way", "zmtp", push_took),
        rate_bar("REQ/REP, one after the other", "zmtp", rep_took / 2),
        rate_bar("HTTP, one after the other", "http", http_took / 2),
    )
    stage.show(Bars(f"Messages of {SHORT} octets that arrive in a second", "messages/s", bars, less_is_better=False))
    stage.claim(
        "one way, more than ten times as many messages arrive as over HTTP, requests and responses counted",
        http_took / 2 > 10 * push_took,
    )


def rate_bar(label: str, protocol: str, seconds: float) -> Bar:
    """seconds: for one.

    >>> rate_bar("HTTP", "http", 0.0004).words
    '2,500 /s'
    """
    return Bar(label, 1 / seconds, f"{1 / seconds:,.0f} /s", protocol)


async def one_way() -> float:
    """Seconds for one message, of many that get no answer."""

    async def send() -> None:
        for _ in range(MANY):
            await push.send(words)

    words = bytes(SHORT)
    async with zmq.Context() as ctx:
        push, pull = ctx.socket(zmq.PUSH, linger=0), ctx.socket(zmq.PULL)
        pull.bind(ANYWHERE)
        push.connect(pull.last_endpoint)
        await push.send(words)
        await pull.recv()  # so that the connection is there
        began = trio.current_time()
        async with background(send):
            for _ in range(MANY):
                await pull.recv()
        return (trio.current_time() - began) / MANY


# ---------------------------------------------------------------------------------------------------------- in flight


async def stage_in_flight(stage: Stage) -> None:
    """The gain from sending requests before the last answer has come."""
    ours = [partial(dealer_in_flight, count, 20 * MOST) for count in IN_FLIGHT]
    theirs = [partial(http_in_flight, count, MOST) for count in IN_FLIGHT]
    took = await best(*ours, *theirs)
    labels = [(who, count) for who in ("DEALER", "HTTP") for count in IN_FLIGHT]
    bars = [
        rate_bar(f"{who}, {count} in flight", "http" if who == "HTTP" else "zmtp", it)
        for (who, count), it in zip(labels, took, strict=True)
    ]
    stage.show(Bars("Answers in a second", "answers/s", tuple(bars), less_is_better=False))
    stage.say(f"""{MOST} requests in flight need {MOST} connections with HTTP, and one with DEALER, where many messages
        share each write. This server answers at once; if a server itself has to wait for something, more requests in
        flight help HTTP too (see `waiting`).""")
    stage.claim(
        "a DEALER gets more than twice as many answers if it does not wait for each", bars[2].value > 2 * bars[0].value
    )


async def dealer_in_flight(in_flight: int, count: int) -> float:
    """Seconds for one answer, with several requests in flight on one connection."""

    async def echo() -> None:
        while True:
            await router.send_multipart(await router.recv_multipart())

    words = bytes(SHORT)
    async with zmq.Context() as ctx:
        router, dealer = ctx.socket(zmq.ROUTER, linger=0), ctx.socket(zmq.DEALER, linger=0)
        router.bind(ANYWHERE)
        dealer.connect(router.last_endpoint)
        async with background(echo):
            await dealer.send(words)
            await dealer.recv()  # so that the connection is there
            began = trio.current_time()
            for _ in range(in_flight):
                await dealer.send(words)
            for number in range(count):
                check(await dealer.recv() == words)
                if number < count - in_flight:
                    await dealer.send(words)
            return (trio.current_time() - began) / count


async def http_in_flight(in_flight: int, count: int) -> float:
    """The same, with as many connections."""
    words = bytes(SHORT)
    async with http(in_flight) as ask:

        async def all_at_once(each: int) -> float:
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                for _ in range(in_flight):
                    nursery.start_soon(seconds, each, ask, words)
            return trio.current_time() - began

        await all_at_once(1)  # so that the connections are there
        each = ceil(count / in_flight)
        return await all_at_once(each) / (each * in_flight)
