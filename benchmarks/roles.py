"""The work of each end of a run, the same for every rival: `pull` at one end, `push` at the other, and so on.

A role gets its `End` (see `rivals`).  Through it, the two roles of a run also exchange words outside the measured
traffic: `tell` sends a word, and `told` waits for one.  The receiving end measures from the first message to the last,
and returns (messages, seconds); the sending end waits until it is told that all messages have arrived.  This is checked
outside the measured time: the first and the last message must be the expected ones, and LAST must follow.

The source is used twice: unchanged for minizmtp, zmq.asyncio and zmq-anyio, and without `async` and `await` for
blocking pyzmq (see `rivals.blocking`), so that all do the same work.  They differ only if many sockets are read at
once: asynchronous rivals have a task for each, and the blocking one reads them in turn.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle, islice, repeat
from time import perf_counter
from typing import Any

from .idle import Ledger

HELLO, PROBE, LAST = b"hello", b"probe", b"last"
WARM = 10  # round trips before the measured ones
WINDOW = 100  # unanswered requests of each DEALER
TOPICS = 1000  # the most topics that are published in turn

Figures = tuple[int, float]


# ── PUSH → PULL ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def pull(end: Any) -> Figures:
    work = end.work
    sock = await end.listen("PULL")
    receive = end.receiver(sock, several=work.frames > 1)
    assert await receive() == work.message(HELLO)
    end.tell("go")
    first = await receive()
    started = perf_counter()
    for _ in repeat(None, work.count - 1):
        message = await receive()
    seconds = perf_counter() - started
    assert first == message == work.message()
    assert await receive() == work.message(LAST)
    end.tell("enough")
    return work.count - 1, seconds


async def push(end: Any) -> None:
    work = end.work
    sock = await end.reach("PUSH", await end.told())
    send = end.sender(sock, several=work.frames > 1)
    await send(work.message(HELLO))
    await end.told()
    message = work.message()
    for _ in repeat(None, work.count):
        await send(message)
    await send(work.message(LAST))
    await end.told()


async def pull_many(end: Any) -> Figures:
    """Like `pull`, but each call receives all messages that have arrived."""
    work = end.work
    sock = await end.listen("PULL")
    receive = end.receiver(sock, many=True)
    assert await receive() == [[work.message(HELLO)]]
    end.tell("go")
    first = messages = await receive(1)
    started = perf_counter()
    got = 1
    while got < work.count:
        messages = await receive()
        got += len(messages)
    seconds = perf_counter() - started
    assert first == [[work.message()]]
    assert (messages if got > work.count else await receive())[-1] == [work.message(LAST)]
    end.tell("enough")
    return work.count - 1, seconds


async def push_many(end: Any) -> None:
    work = end.work
    sock = await end.reach("PUSH", await end.told())
    send = end.sender(sock, many=True)
    await send([work.message(HELLO)])
    await end.told()
    await send(repeat(work.message(), work.count))
    await send([work.message(LAST)])
    await end.told()


# ── REQ ⇄ REP ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def request(end: Any) -> Figures:
    work = end.work
    sock = await end.reach("REQ", await end.told())
    send, receive = end.sender(sock), end.receiver(sock)
    message = work.message()
    for _ in range(WARM):
        await send(message)
        assert await receive() == message
    started = perf_counter()
    for _ in repeat(None, work.count):
        await send(message)
        answer = await receive()
    seconds = perf_counter() - started
    assert answer == message
    end.tell("enough")
    return work.count, seconds


async def reply(end: Any) -> None:
    sock = await end.listen("REP")
    send, receive = end.sender(sock), end.receiver(sock)
    for _ in repeat(None, WARM + end.work.count):
        await send(await receive())
    await end.told()


async def request_each_anew(end: Any) -> Figures:
    """Make a new connection for each request."""
    work = end.work
    endpoint = await end.told()
    message = work.message()
    started = perf_counter()
    for _ in repeat(None, work.count):
        sock = await end.reach("REQ", endpoint)
        await end.sender(sock)(message)
        assert await end.receiver(sock)() == message
        await end.close(sock)
    seconds = perf_counter() - started
    end.tell("enough")
    return work.count, seconds


async def reply_to_all(end: Any) -> None:
    sock = await end.listen("REP")
    send, receive = end.sender(sock), end.receiver(sock)
    for _ in repeat(None, end.work.count):
        await send(await receive())
    await end.told()


# ── PUB → SUB ───────────────────────────────────────────────────────────────────────────────────────────────────────


def published(work: Any) -> Iterator[bytes]:
    """The measured messages, with each topic in turn, or without topics."""
    if not work.topics:
        return repeat(work.message(), work.count)
    topics = min(work.topics, TOPICS)
    messages = [topic(index * work.topics // topics).ljust(work.size, b".") for index in range(topics)]
    return islice(cycle(messages), work.count)


def topic(index: int) -> bytes:
    return b"topic%07d" % index


def last_topic(work: Any) -> bytes:
    """The topic that is subscribed last; when its messages arrive, all subscriptions are active."""
    return topic(work.topics - 1) if work.topics else b""


async def publish(end: Any) -> None:
    work = end.work
    sock = await end.listen("PUB", sndhwm=0, rcvhwm=0)  # no limit, because a PUB drops messages above it
    send = end.sender(sock)
    while not end.heard():
        await send(last_topic(work) + PROBE)
        await end.sleep(0.005)
    await end.told()
    for message in published(work):
        await send(message)
    await send(last_topic(work) + LAST)
    await end.told()


async def publish_many(end: Any) -> None:
    work = end.work
    sock = await end.listen("PUB", sndhwm=0, rcvhwm=0)
    send = end.sender(sock, many=True)
    while not end.heard():
        await send([last_topic(work) + PROBE])
        await end.sleep(0.005)
    await end.told()
    await send(published(work))
    await send([last_topic(work) + LAST])
    await end.told()


async def subscribe(end: Any, many: bool = False) -> list[Any]:
    """The receive functions of all subscribers, after each has received a first probe."""
    work = end.work
    endpoint = await end.told()
    receivers = []
    for _ in range(work.peers):
        sock = await end.reach("SUB", endpoint, sndhwm=0, rcvhwm=0)
        for index in range(work.topics):
            sock.subscribe(topic(index))
        if not work.topics:
            sock.subscribe(b"")
        receivers.append(end.receiver(sock, many=many))
    for receive in receivers:
        first = await receive()
        assert (first[0][0] if many else first) == last_topic(work) + PROBE
    end.tell("go")
    return receivers


async def first_of(work: Any, receive: Callable[[], Awaitable[bytes]]) -> float:
    """The time at which the first message arrived that isn't a probe."""
    while (message := await receive()) == last_topic(work) + PROBE:
        pass
    started = perf_counter()
    assert message == next(published(work))
    return started


async def subscribers(end: Any) -> Figures:
    work = end.work

    async def one(receive: Callable[[], Awaitable[bytes]]) -> tuple[float, float]:
        started = await first_of(work, receive)
        for _ in repeat(None, work.count - 1):
            message = await receive()
        ended = perf_counter()
        assert len(message) == work.size
        assert await receive() == last_topic(work) + LAST
        return started, ended

    times = await end.together([partial(one, receive) for receive in await subscribe(end)])
    end.tell("enough")
    started, ended = min(started for started, _ in times), max(ended for _, ended in times)
    return (work.count - 1) * work.peers, ended - started


async def subscribers_many(end: Any) -> Figures:
    work = end.work

    async def one(receive: Callable[..., Awaitable[list[list[bytes]]]]) -> tuple[float, float]:
        while (messages := await receive(1)) == [[last_topic(work) + PROBE]]:
            pass
        started = perf_counter()
        assert messages == [[next(published(work))]]
        got = 1
        while got < work.count:
            messages = await receive()
            got += len(messages)
        ended = perf_counter()
        assert (messages if got > work.count else await receive())[-1] == [last_topic(work) + LAST]
        return started, ended

    times = await end.together([partial(one, receive) for receive in await subscribe(end, many=True)])
    end.tell("enough")
    started, ended = min(started for started, _ in times), max(ended for _, ended in times)
    return (work.count - 1) * work.peers, ended - started


async def subscribers_in_turn(end: Any) -> Figures:
    work = end.work
    receivers = await subscribe(end)
    starts = [await first_of(work, receive) for receive in receivers]
    for _ in repeat(None, work.count - 1):
        for receive in receivers:
            message = await receive()
    seconds = perf_counter() - starts[0]
    assert len(message) == work.size
    for receive in receivers:
        assert await receive() == last_topic(work) + LAST
    end.tell("enough")
    return (work.count - 1) * work.peers, seconds


# ── DEALER ⇄ ROUTER ─────────────────────────────────────────────────────────────────────────────────────────────────


async def route(end: Any) -> None:
    """Send every message back to the peer that it came from."""
    work = end.work
    sock = await end.listen("ROUTER")
    send, receive = end.sender(sock, several=True), end.receiver(sock, several=True)
    for _ in repeat(None, work.peers * (1 + work.count // work.peers)):
        await send(await receive())
    await end.told()


async def route_many(end: Any) -> None:
    work = end.work
    sock = await end.listen("ROUTER")
    send, receive = end.sender(sock, many=True), end.receiver(sock, many=True)
    left = work.peers * (1 + work.count // work.peers)
    while left:
        messages = await receive()
        await send(messages)
        left -= len(messages)
    await end.told()


async def reach_router(end: Any, many: bool = False) -> list[tuple[Any, Any]]:
    """The send and receive functions of all DEALERs, after each has received a first reply."""
    work = end.work
    endpoint = await end.told()
    socks = [await end.reach("DEALER", endpoint) for _ in range(work.peers)]
    both = [(end.sender(sock, many=many), end.receiver(sock, many=many)) for sock in socks]
    for send, _ in both:
        await send([HELLO] if many else HELLO)
    for _, receive in both:
        assert await receive() == ([[HELLO]] if many else HELLO)
    return both


async def dealers(end: Any) -> Figures:
    work = end.work
    count, message = work.count // work.peers, work.message()
    window = min(WINDOW, count)

    async def one(send: Callable[[bytes], Awaitable[None]], receive: Callable[[], Awaitable[bytes]]) -> None:
        for _ in repeat(None, window):
            await send(message)
        for _ in repeat(None, count - window):
            await receive()
            await send(message)
        for _ in repeat(None, window):
            answer = await receive()
        assert answer == message

    both = await reach_router(end)
    started = perf_counter()
    await end.together([partial(one, send, receive) for send, receive in both])
    seconds = perf_counter() - started
    end.tell("enough")
    return count * work.peers, seconds


async def dealers_many(end: Any) -> Figures:
    """Each DEALER sends as many messages as it has received replies."""
    work = end.work
    count, message = work.count // work.peers, work.message()
    window = min(WINDOW, count)

    async def one(send: Callable[[Any], Awaitable[int]], receive: Callable[[], Awaitable[list[list[bytes]]]]) -> None:
        await send([message] * window)
        sent, got = window, 0
        while got < count:
            answers = await receive()
            got += len(answers)
            more = min(len(answers), count - sent)
            sent += more
            if more:
                await send([message] * more)
        assert answers[-1] == [message]

    both = await reach_router(end, many=True)
    started = perf_counter()
    await end.together([partial(one, send, receive) for send, receive in both])
    seconds = perf_counter() - started
    end.tell("enough")
    return count * work.peers, seconds


async def dealers_in_turn(end: Any) -> Figures:
    work = end.work
    count, message = work.count // work.peers, work.message()
    window = min(WINDOW, count)
    both = await reach_router(end)
    started = perf_counter()
    for send, _ in both:
        for _ in repeat(None, window):
            await send(message)
    for _ in repeat(None, count - window):
        for send, receive in both:
            await receive()
            await send(message)
    for _ in repeat(None, window):
        for _, receive in both:
            answer = await receive()
    seconds = perf_counter() - started
    assert answer == message
    end.tell("enough")
    return count * work.peers, seconds


# ── idle connections ────────────────────────────────────────────────────────────────────────────────────────────────


async def hold(end: Any) -> tuple[float, float]:
    """KiB and CPU seconds per connection of a ROUTER with idle peers."""
    sock = await end.listen("ROUTER", backlog=1000)
    ledger = Ledger()
    end.tell("come")
    await end.told()
    costs = ledger.costs(end.work.peers)
    end.tell("enough")
    await end.close(sock)
    return costs
