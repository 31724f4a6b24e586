"""`wrong`: three surprises, each provoked, explained and fixed.                                           L-4, L-31

    the slow joiner      SUB connects, PUB sends, and nothing comes            the subscription was still on its way
    the stuck REQ        its REP died with the question                        a REQ may not ask twice
    the mark that        limits of 10 and 10, and thousands of messages        the wire between the two queues has
    seems not to hold    are taken                                             room of its own, counted in octets

This module uses only the sockets' public API (`peers()`, `poll()`, monitors).

Read next: `numbers`.
"""

from typing import Any, NamedTuple

import trio

import minihttp
import minizmtp as zmq

from .blocks import Lane, Stretch, Timeline
from .ends import background, endpoint, http_server, port_of, recorded, until, url
from .relay import ANYWHERE
from .stage import Stage

A_WHILE = 50  # milliseconds in which nothing comes
LATENCY = 0.01  # seconds each way, on the subscriber's wire
NEWS = [b"news one", b"news two", b"news three"]


async def run(stage: Stage) -> None:
    """The three surprises, one after another."""
    await stage_slow_joiner(stage)
    await stage_stuck_req(stage)
    await stage_high_water_mark(stage)
    stage.lesson("""All three have the same reason, because ZeroMQ does not wait: connect returns before there is a
        connection, a request is not tied to its connection, and send returns before anything is delivered. If you have
        to know, let the other side tell you, by a subscription, a reply or credit. HTTP tells you every time, and you
        pay for it every time.""")


# ---------------------------------------------------------------------------------------------------- the slow joiner


async def stage_slow_joiner(stage: Stage) -> None:
    """News is published before the subscription arrives."""
    stage.title("The slow joiner")
    stage.say(f"""A SUB subscribes and connects; as soon as connect has returned, the publisher sends three pieces of
        news. The wire between the two has a delay of {LATENCY * 1000:.0f} ms.""")
    early, late = await subscriber_hears(waits=False), await subscriber_hears(waits=True)
    seconds = max(early.seconds, late.seconds)
    stage.show(early.timeline("The publisher does not wait", seconds))
    stage.claim("provoked: none of the three arrived", early.heard == [])
    stage.say("""The SUB's connect returns at once; the connection, both greetings, both READYs and the subscription
        come after that. Until the subscription has arrived, the publisher knows of no subscriber, and drops its
        messages. To sleep for a while before the first message works only until the network is slower.""")
    stage.show(late.timeline("The publisher waits for the subscription", seconds))
    stage.claim(
        "fixed: a publisher that is an XPUB receives each subscription and can wait for it; all three arrived",
        late.heard == NEWS,
    )


class Joining(NamedTuple):
    """What a subscriber received, and the times, in seconds since its connect returned."""

    heard: list[bytes]
    published: list[Stretch]
    subscription: Stretch
    read: list[Stretch]

    @property
    def seconds(self) -> float:
        return max(stretch.end for stretch in [*self.published, self.subscription, *self.read])

    def timeline(self, title: str, seconds: float) -> Timeline:
        """The subscription on its way to the publisher, and the news."""
        lanes = (
            Lane("publisher", tuple(self.published)),
            Lane("subscription", (self.subscription,)),
            Lane("subscriber", tuple(self.read)),
        )
        return Timeline(title, "zmtp", seconds, lanes, {"wait": "on its way", "mark": "sends or hears a piece of news"})


async def subscriber_hears(waits: bool) -> Joining:
    """Publish three pieces of news, either at once or when the subscription has come."""
    heard: list[bytes] = []
    published: list[Stretch] = []
    read: list[Stretch] = []
    async with zmq.Context() as ctx:
        xpub, sub = ctx.socket(zmq.XPUB, linger=0), ctx.socket(zmq.SUB)
        xpub.bind(ANYWHERE)
        sub.subscribe("news")

        async def publish() -> None:
            for words in NEWS:
                published.append(moment(began, words))
                await xpub.send(words)

        async with recorded(port_of(xpub.last_endpoint), LATENCY) as relay:
            sub.connect(endpoint(relay))
            began = trio.current_time()
            if not waits:
                await publish()
            await xpub.recv()  # b"\x01news": the subscription has come
            subscription = Stretch(0.0, trio.current_time() - began, "wait", "SUBSCRIBE news")
            if waits:
                await publish()
            await xpub.send(b"news is over")
            while (words := await sub.recv()) != b"news is over":
                heard.append(words)
                read.append(moment(began, words))
    return Joining(heard, published, subscription, read)


def moment(began: float, words: bytes) -> Stretch:
    """The current time, on a timeline that began at that time."""
    now = trio.current_time() - began
    return Stretch(now, now, "mark", words.decode())


# ------------------------------------------------------------------------------------------------------ the stuck REQ


class Stuck(NamedTuple):
    """refused: it can't send again. silent: nothing came to it, nor to the new server. reply: the reply to its second
    request, if that was allowed."""

    refused: bool
    silent: bool
    reply: bytes


async def stage_stuck_req(stage: Stage) -> None:
    """The request is lost with the server."""
    stage.title("The stuck REQ")
    stage.say(f"""A REP receives a request and dies. A new REP starts at the same endpoint, and the REQ connects to it,
        as its monitor reports. Then nothing happens: here for {A_WHILE} ms, without a timeout forever.""")
    strict, relaxed = await ask_the_dead(), await ask_the_dead(req_relaxed=1, req_correlate=1)
    stage.claim("provoked: no reply came to the REQ, and no request to the new REP", strict.silent)
    stage.claim("and the REQ refused to send again, because it waits for a reply (EFSM)", strict.refused)
    stage.say("""The request was delivered, so it is in no queue from which it could be sent again, and ZeroMQ can't
        know that it was never answered. HTTP does know, because a response can only come on the connection of its
        request: when the connection ends, the request has failed.""")
    error = await ask_the_dead_over_http()
    stage.claim(f"the HTTP client was told: {error}", error != "")
    stage.claim(
        """fixed: with the options req_relaxed and req_correlate, the REQ may send again after a timeout that you set,
        and doesn't take a reply to the old request for one to the new""",
        relaxed.silent and not relaxed.refused and relaxed.reply == b"answer to again",
    )


async def ask_the_dead(**options: Any) -> Stuck:
    """Send a request to a REP that dies with it, and send again when there is a new REP."""
    async with zmq.Context() as ctx:
        rep = ctx.socket(zmq.REP, linger=0)
        rep.bind(ANYWHERE)
        where = rep.last_endpoint
        req = ctx.socket(zmq.REQ, linger=0, reconnect_ivl=10, **options)
        monitor = req.monitor()
        req.connect(where)
        await req.send(b"question")
        await rep.recv()
        rep.close()
        await until(monitor, zmq.Event.DISCONNECTED)
        rep = ctx.socket(zmq.REP, linger=0)
        rep.bind(where)
        await until(monitor, zmq.Event.HANDSHAKE_SUCCEEDED)
        silent = not await rep.poll(A_WHILE) and not await req.poll(0)
        try:
            await req.send(b"again")
        except zmq.ZMQError as error:
            return Stuck(error.errno == zmq.EFSM, silent, b"")
        await rep.send(b"answer to " + await rep.recv())
        return Stuck(False, silent, await req.recv())


async def ask_the_dead_over_http() -> str:
    """Send a request to a server that dies with it; return the name of the error."""
    asked = trio.Event()
    errors = []

    async def die(request: minihttp.Request) -> minihttp.Response:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    async def ask(url: str) -> None:
        try:
            await minihttp.get(url)
        except minihttp.TransportError as error:
            errors.append(type(error).__name__)

    async with trio.open_nursery() as nursery, http_server(die) as port:  # which dies first
        nursery.start_soon(ask, url(port))
        await asked.wait()
    return ", ".join(errors)


# ------------------------------------------------------------------------------------ the mark that seems not to hold

MARK = 10
SIZE = 1000  # octets of a message


class Full(NamedTuple):
    """The number of messages that a PUSH could send until it had to wait, and where they are. (Over inproc, the PUSH's
    queue is also the PULL's.)"""

    where: str
    sent: int
    queued: int
    unread: int

    @property
    def between(self) -> int:
        return self.sent - self.queued - self.unread


async def stage_high_water_mark(stage: Stage) -> None:
    """Messages are sent although the program at the PULL doesn't read."""
    stage.title("The high-water mark that seems not to hold")
    stage.say(f"""A PUSH and a PULL each have a high-water mark of {MARK}, the most messages that may be queued for one
        peer. The program at the PULL never reads. How many messages of {SIZE:,} octets can be sent before send has to
        wait?""")
    tcp = await fill(ANYWHERE, "tcp")
    narrow = await fill(ANYWHERE, "tcp, small buffers", sndbuf=4096, rcvbuf=4096)
    inproc = await fill("inproc://full", "inproc (one queue)")
    stage.table(
        ["", ">sent", ">queued at the PUSH", ">between", ">queued at the PULL"],
        [
            [it.where, *(f"{number:,}" for number in (it.sent, it.queued, it.between, it.unread))]
            for it in (tcp, narrow, inproc)
        ],
    )
    stage.claim(f"provoked: over tcp {tcp.sent:,} were sent, and not {2 * MARK}", tcp.sent > 5 * MARK)
    stage.claim(
        f"and yet both marks hold: neither queue has more than {MARK}",
        all(max(it.queued, it.unread) <= MARK for it in (tcp, narrow)),
    )
    stage.claim(
        f"over inproc there is no buffer between them: one queue takes what both marks allow, {2 * MARK}",
        (inproc.sent, inproc.between) == (2 * MARK, 0),
    )
    stage.say("""Between the two queues are the operating system's buffers. They count octets, not messages, and have
        room for some megabytes. The options sndbuf and rcvbuf make them small, but never zero.""")
    stage.claim("with small buffers fewer were sent", narrow.sent < tcp.sent)
    most = await with_credit()
    stage.claim(
        f"""fixed with credit: if the reader grants {MARK} messages, and one more for each that it has read, at most
        {MARK} are on the way, whatever the buffers""",
        0 < most <= MARK,
    )


async def fill(where: str, name: str, **buffers: Any) -> Full:
    """Send until send has to wait, to a PULL whose program doesn't read."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, rcvhwm=MARK, **buffers)
        push = ctx.socket(zmq.PUSH, sndhwm=MARK, linger=0, **buffers)
        pull.bind(where)
        push.connect(pull.last_endpoint)
        sent = 0
        while await push.poll(A_WHILE, zmq.POLLOUT):
            await push.send(bytes(SIZE))
            sent += 1
        (out,), (in_,) = push.peers(), pull.peers()
        return Full(name, sent, out.queued, 0 if where.startswith("inproc") else in_.unread)


async def with_credit(messages: int = 200) -> int:
    """A DEALER grants credit, and a ROUTER sends what it is granted. Returns the most messages that were sent and not
    yet read."""
    on_the_way = most = 0

    async def produce(router: zmq.Socket) -> None:
        nonlocal on_the_way, most
        while True:
            peer, grant = await router.recv_multipart()
            for _ in range(int(grant)):
                on_the_way += 1
                most = max(most, on_the_way)
                await router.send_multipart([peer, bytes(SIZE)])

    async with zmq.Context() as ctx:
        router, dealer = ctx.socket(zmq.ROUTER, linger=0), ctx.socket(zmq.DEALER, linger=0)
        router.bind(ANYWHERE)
        dealer.connect(router.last_endpoint)
        async with background(produce, router):
            await dealer.send(b"%d" % MARK)
            for _ in range(messages):
                await dealer.recv()
                on_the_way -= 1
                await dealer.send(b"1")
    return most
