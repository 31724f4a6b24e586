"""A last-value cache: new subscribers get the latest values at once.                          29/PUBSUB, L-36, L-39

    publishers                  cache                        subscribers
     PUB ── "eu", "rain" ──► XSUB ──┬──────────► XPUB ── "eu", "rain" ──► SUB
     PUB ── "us", "snow" ──► XSUB ──┤              │                      SUB
                                    ▼              │
                             {"eu": "rain",        │ ◄── 0x01 "us" ────── SUB, who comes late
                              "us": "snow"} ───────┴── "us", "snow" ────►

A PUB sends each message once, to the peers that are subscribed at that moment (L-39). A subscriber that comes later has
to wait for the next message on its topic, which may take hours for prices or the weather. This cache is a proxy with a
memory: it keeps the last message of each topic, and sends it again when a peer subscribes to it. This works because an
XPUB *shows* subscriptions to the program: each arrives as a message, 0x01 and the prefix.

The XPUB needs `xpub_verbose`. Without it, it shows only the first subscription to a prefix (L-36), because a proxy has
to ask its publishers only once; so the second subscriber would get nothing. The XSUB subscribes to everything, because
the cache must also know the topics that have no subscriber yet.

**What it survives**: subscribers that come late, publishers that have long gone, and connections that break (a SUB
subscribes again when it reconnects, and so gets the latest values again). If the cache itself dies, its memory is lost;
the next cache fills up with what is published from then on.

**What it doesn't promise**: an XPUB sends by topic, so an old value reaches all subscribers of the topic, not only the
new one. For *values* ("it rains") that is harmless. For *changes* ("add 5") it isn't, because a change must not be
applied twice: changes need numbers, see `late_joiner`.

Try it: remove xpub_verbose, and see which subscriber gets nothing.
Read next: `late_joiner`.
"""

from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples import places

SUBSCRIBE = 1  # the first byte of a notification; 0 means unsubscribe


class Cache:
    """A cache between an XSUB and an XPUB, which are already bound. The XPUB must have xpub_verbose."""

    def __init__(self, news: zmq.Socket, readers: zmq.Socket) -> None:
        self.news = news
        self.readers = readers
        self.last: dict[bytes, list[bytes]] = {}  # by topic

    async def run(self) -> None:
        """Run until cancelled.

        One task serves both directions, because with two tasks a new subscriber might get an old value after the new
        one: read from memory before the new one arrived, and sent after it.
        """
        await self.news.send(bytes([SUBSCRIBE]))  # to everything
        poller = zmq.Poller()
        poller.register(self.news, zmq.POLLIN)
        poller.register(self.readers, zmq.POLLIN)
        while True:
            for sock, _ in await poller.poll():
                messages = await sock.recv_many()
                if sock is self.news:
                    self.last.update((message[0], message) for message in messages)
                    await self.readers.send_many(messages)
                    continue
                for [notice] in messages:
                    if notice[:1] == bytes([SUBSCRIBE]):
                        await self.welcome(prefix=notice[1:])

    async def welcome(self, prefix: bytes) -> None:
        """Send the last message of each topic that matches a new subscription."""
        await self.readers.send_many(message for topic, message in self.last.items() if topic.startswith(prefix))


async def cache(ctx: zmq.Context, front: str, back: str) -> None:
    """Run a cache at two endpoints."""
    async with ctx.socket(zmq.XSUB) as news, ctx.socket(zmq.XPUB, xpub_verbose=1, linger=0) as readers:
        news.bind(front)
        readers.bind(back)
        await Cache(news, readers).run()


async def publish(ctx: zmq.Context, front: str, *messages: list[bytes]) -> None:
    """Publish some messages, then close. This uses XPUB instead of PUB because an XPUB receives subscriptions: it can
    wait for the first one before it sends, instead of guessing how long to sleep."""
    async with ctx.socket(zmq.XPUB) as pub:
        pub.connect(front)
        await pub.recv()
        for message in messages:
            await pub.send_multipart(message)


async def listen(ctx: zmq.Context, back: str, prefix: bytes, count: int) -> list[list[bytes]]:
    """Subscribe now, and return the first `count` messages."""
    async with ctx.socket(zmq.SUB) as sub:
        sub.connect(back)
        sub.subscribe(prefix)
        return [await sub.recv_multipart() for _ in range(count)]


async def main() -> None:
    """The publisher has already gone when the first subscriber comes."""
    with TemporaryDirectory() as folder:
        front, back = places(folder, "front", "back")
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            nursery.start_soon(cache, ctx, front, back)
            words = [[b"eu.north", b"rain"], [b"us", b"snow"], [b"eu.south", b"wind"], [b"eu.north", b"sun"]]
            await publish(ctx, front, *words)
            print("publisher: has sent", *words, "and is gone", sep="\n    ")
            for name, prefix, count in [("first", b"us", 1), ("second", b"us", 1), ("third", b"eu.", 2)]:
                print(f"{name} subscriber, to {prefix!r}:", *await listen(ctx, back, prefix, count), sep="\n    ")
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
