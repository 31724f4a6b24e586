"""A last-value cache: newcomers hear at once how things stand.                                29/PUBSUB, L-36, L-39

    publishers                  cache                        subscribers
     PUB ── "eu", "rain" ──► XSUB ──┬──────────► XPUB ── "eu", "rain" ──► SUB
     PUB ── "us", "snow" ──► XSUB ──┤              │                      SUB
                                    ▼              │
                             {"eu": "rain",        │ ◄── 0x01 "us" ────── SUB, who comes late
                              "us": "snow"} ───────┴── "us", "snow" ────►

A PUB says everything once, to whoever has subscribed by then (L-39). Who comes later waits for the next message on the
topic; with prices or the weather that may take hours. A cache in between is a proxy with a memory: the last message
of each topic is kept, and sent once more when somebody subscribes to it. That works because an XPUB *shows* the
subscriptions: each comes as a message, 0x01 and the prefix.

`xpub_verbose` is needed: without it only the first subscription to a prefix is shown (L-36), for a proxy need not ask
its publishers twice. The second newcomer would be told nothing. The other side subscribes to everything, once: the
memory must know the topics that nobody has asked for yet.

**What it survives**: subscribers that come late, publishers that have long gone, and connections that break (a SUB
subscribes again when it is connected again, and hears what it missed, as far as it still is the last word). When the
cache itself dies, its memory goes; it is built again from what is published from then on.

**What it does not promise**: an XPUB sends by topic, so the old value reaches not only the newcomer, but all who hold
that topic. For *values* that is harmless, "it rains" may be said twice. For *changes* ("add 5") it is not: these need
numbers, see `late_joiner`.

Try it: take away xpub_verbose, and see who is told nothing.
Read next: `late_joiner`.
"""

from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq

SUBSCRIBE = 1  # the first octet of a notice; 0 is for the end of a subscription


class Cache:
    """Between an XSUB and an XPUB, which are bound already. The XPUB must have xpub_verbose."""

    def __init__(self, news: zmq.Socket, readers: zmq.Socket) -> None:
        self.news = news
        self.readers = readers
        self.last: dict[bytes, list[bytes]] = {}  # by topic

    async def run(self) -> None:
        """Until cancelled.

        One task for both directions, on purpose. With two, a newcomer might get an old value after the new one: taken
        from the memory before the new one came, and sent after it.
        """
        await self.news.send(bytes([SUBSCRIBE]))  # to everything
        poller = zmq.Poller()
        poller.register(self.news, zmq.POLLIN)
        poller.register(self.readers, zmq.POLLIN)
        while True:
            for sock, _ in await poller.poll():
                message = await sock.recv_multipart()
                if sock is self.news:
                    self.last[message[0]] = message
                    await self.readers.send_multipart(message)
                elif message[0][:1] == bytes([SUBSCRIBE]):
                    await self.welcome(prefix=message[0][1:])

    async def welcome(self, prefix: bytes) -> None:
        """The last word on each topic that somebody has just subscribed to."""
        for topic, message in self.last.items():
            if topic.startswith(prefix):
                await self.readers.send_multipart(message)


async def cache(ctx: zmq.Context, front: str, back: str) -> None:
    """A cache at two endpoints."""
    async with ctx.socket(zmq.XSUB) as news, ctx.socket(zmq.XPUB, xpub_verbose=1, linger=0) as readers:
        news.bind(front)
        readers.bind(back)
        await Cache(news, readers).run()


async def publish(ctx: zmq.Context, front: str, *messages: list[bytes]) -> None:
    """Say something, and be gone. An XPUB, where a PUB would do but for one thing: it hears of subscriptions. So it can
    wait for the first one before it speaks, and need not hope that a pause is long enough."""
    async with ctx.socket(zmq.XPUB) as pub:
        pub.connect(front)
        await pub.recv()
        for message in messages:
            await pub.send_multipart(message)


async def listen(ctx: zmq.Context, back: str, prefix: bytes, count: int) -> list[list[bytes]]:
    """The first so many messages for somebody who subscribes now."""
    async with ctx.socket(zmq.SUB) as sub:
        sub.connect(back)
        sub.subscribe(prefix)
        return [await sub.recv_multipart() for _ in range(count)]


async def main() -> None:
    """A publisher that has gone before the first listener comes."""
    with TemporaryDirectory() as folder:
        front, back = f"ipc://{folder}/front", f"ipc://{folder}/back"
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            nursery.start_soon(cache, ctx, front, back)
            words = [[b"eu.north", b"rain"], [b"us", b"snow"], [b"eu.south", b"wind"], [b"eu.north", b"sun"]]
            await publish(ctx, front, *words)
            print("publisher: has said", *words, "and is gone", sep="\n    ")
            for name, prefix, count in [("first", b"us", 1), ("second", b"us", 1), ("third", b"eu.", 2)]:
                print(f"{name} newcomer, to {prefix!r}:", *await listen(ctx, back, prefix, count), sep="\n    ")
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
