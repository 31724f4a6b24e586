"""Late joiners made safe: a snapshot, then every change exactly once.                                     29/PUBSUB

    publisher                                     replica
      XPUB ◄───────────── 0x01 ─────────────────── SUB      "I listen"
           ──── [epoch, 7] ──────────────────────►          any word will do: from here on it misses nothing
           ──── [epoch, 8, "eu", "rain"] ────────►  ┊       waits in the SUB's queue
       REP ◄───────────── b"" ──────────────────── REQ      "how do things stand?"
           ──── [epoch, 9, "us", "snow"] ────────►  ┊       waits, too
           ──── [epoch, 9, {…}] ─────────────────►          the snapshot, change 9 included
           ──── [epoch, 10, "eu", "sun"] ────────►          8 and 9: in the snapshot, passed over. 10: the next. Good

Whoever joins late needs the past at once and the future complete, and the two come by different ways. The order makes
it safe: **listen first, and ask then**. What changes while the snapshot travels is in the queue already; the number in
the snapshot tells how much of the queue is in the snapshot, too. The other way round there is a gap between them.

A replica must *know* that it listens: a subscription travels, and until it has arrived nothing is sent. So the
publisher, an XPUB, answers each subscription with its present number. (To all who listen. It does them no harm.)

After that the numbers keep watch:

    the number is …            that means                           so
    not above ours             the snapshot has it already          pass over it
    the next                   a change                             apply it
    any other                  a gap: a queue was full, the         ask for a snapshot again
                               connection broke for a while
    of another epoch           the publisher was started anew       ask for a snapshot again

A gap shows at the next message only. So that it shows soon, the present number is said once in a while, with no change.

Try it: give the SUB rcvhwm=1 and the PUB sndhwm=1, and publish a thousand changes without a pause.
Read next: `pipeline`.
"""

import json
import uuid
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples.lazy_pirate import ask


class Publisher:
    """Has the state, and tells every change of it. Its sockets, an XPUB with xpub_verbose and a REP, are bound
    already."""

    def __init__(self, news: zmq.Socket, snapshots: zmq.Socket) -> None:
        self.news = news
        self.snapshots = snapshots
        self.epoch = uuid.uuid4().hex  # another for each life: after a restart the numbers begin again
        self.number = 0
        self.state: dict[str, str] = {}

    async def set(self, key: str, value: str) -> None:
        """Change the state, and tell."""
        self.state[key] = value
        self.number += 1
        await self.news.send_json([self.epoch, self.number, key, value])

    async def tell_number(self) -> None:
        """How far we are, for whoever may have missed something."""
        await self.news.send_json([self.epoch, self.number])

    async def answer_subscriptions(self) -> None:
        """Until cancelled: who subscribes hears a word, to know that it listens."""
        async for [notice] in self.news:
            if notice[:1] == b"\x01":
                await self.tell_number()

    async def answer_questions(self) -> None:
        """Until cancelled: snapshots, for whoever asks."""
        async for _ in self.snapshots:
            await self.snapshots.send_json([self.epoch, self.number, self.state])

    async def run(self, interval: float = 0.5) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.answer_subscriptions)
            nursery.start_soon(self.answer_questions)
            while True:
                await trio.sleep(interval)
                await self.tell_number()


class Replica:
    """Has a copy of the state."""

    def __init__(self, ctx: zmq.Context, news: str, snapshots: str) -> None:
        self.ctx = ctx
        self.news = news
        self.snapshots = snapshots
        self.epoch = ""
        self.number = 0
        self.state: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled: be as the publisher is. Raises Unanswered if nobody has a snapshot for us."""
        async with self.ctx.socket(zmq.SUB) as sub:
            sub.connect(self.news)
            sub.subscribe(b"")
            async for [word] in sub:
                await self.hear(*json.loads(word))

    async def hear(self, epoch: str, number: int, *change: str) -> None:
        """A number of the publisher's and perhaps the change that goes with it."""
        if epoch == self.epoch and number <= self.number:
            return
        if epoch == self.epoch and number == self.number + 1 and change:
            self.number = number
            self.apply(*change)
        else:
            await self.start_afresh()

    async def start_afresh(self) -> None:
        """How do things stand? The answer is at least as new as what made us ask; what comes meanwhile waits."""
        [answer] = await ask(self.ctx, self.snapshots, [b""])
        self.epoch, self.number, self.state = json.loads(answer)
        print(f"replica: a snapshot, up to change {self.number}: {self.state}")

    def apply(self, key: str, value: str) -> None:
        """One change."""
        self.state[key] = value
        print(f"replica: change {self.number}: {key} = {value}")


async def life(ctx: zmq.Context, news: str, snapshots: str, changes: list[tuple[str, str]]) -> None:
    """A publisher that makes some changes, one at a time, and dies with all that it knew."""
    async with ctx.socket(zmq.XPUB, xpub_verbose=1, linger=0) as pub, ctx.socket(zmq.REP, linger=0) as rep:
        pub.bind(news)
        rep.bind(snapshots)
        publisher = Publisher(pub, rep)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publisher.run)
            for key, value in changes:
                await publisher.set(key, value)
                print(f"publisher: change {publisher.number}: {key} = {value}")
                await trio.sleep(0.1)
            nursery.cancel_scope.cancel()


async def main() -> None:
    """A replica that comes late, and a publisher that is replaced."""
    with TemporaryDirectory() as folder:
        endpoints = f"ipc://{folder}/news", f"ipc://{folder}/snapshots"
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            replica = Replica(ctx, *endpoints)

            async def come_late() -> None:
                await trio.sleep(0.25)
                await replica.run()

            nursery.start_soon(come_late)
            await life(ctx, *endpoints, [("eu", "rain"), ("us", "snow"), ("eu", "sun"), ("us", "fog"), ("eu", "hail")])
            print("publisher: dies; the next one knows nothing of this")
            await life(ctx, *endpoints, [("eu", "wind"), ("us", "wind"), ("eu", "calm"), ("us", "calm")])
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
