"""Late joiners made safe: a snapshot, then every change exactly once.                                     29/PUBSUB

    publisher                                     replica
      XPUB ◄───────────── 0x01 ─────────────────── SUB      "I listen"
           ──── [epoch, 7] ──────────────────────►          any word will do: from here on it misses nothing
           ──── [epoch, 8, "eu", "rain"] ────────►  ┊       waits in the SUB's queue
       REP ◄───────────── b"" ──────────────────── REQ      "how do things stand?"
           ──── [epoch, 9, "us", "snow"] ────────►  ┊       waits, too
           ──── [epoch, 9, {…}] ─────────────────►          the snapshot, change 9 included
           ──── [epoch, 10, "eu", "sun"] ────────►          8 and 9: in the snapshot, passed over. 10: the next. Good

A replica that joins late needs the present state and every later change, and the two arrive over different sockets. It
is safe because the replica **subscribes first and then asks for the snapshot**. Changes made while the snapshot is on
its way are already in the SUB's queue, and the number in the snapshot says which of them the snapshot includes. In the
opposite order, the changes between the two would be lost.

A replica must *know* that its subscription is active, because nothing is sent to it until the subscription has reached
the publisher. So the publisher, an XPUB, answers each subscription with its current number. (All replicas receive it,
which does no harm.)

From then on, the numbers show whether anything is missing:

    the number is …            that means                           so
    not above ours             the snapshot has it already          pass over it
    the next                   a change                             apply it
    any other                  a gap: a queue was full, the         ask for a snapshot again
                               connection broke for a while
    of another epoch           the publisher was started anew       ask for a snapshot again

A gap shows only when the next message arrives. So the publisher also repeats its current number now and then, without a
change.

Try it: give the SUB rcvhwm=1 and the XPUB sndhwm=1, and publish a thousand changes without a pause.
Read next: `pipeline`.
"""

import json
import uuid
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples import places
from examples.lazy_pirate import ask


class Publisher:
    """Holds the state and publishes every change of it. Its sockets, an XPUB with xpub_verbose and a REP, are already
    bound."""

    def __init__(self, news: zmq.Socket, snapshots: zmq.Socket) -> None:
        self.news = news
        self.snapshots = snapshots
        self.epoch = uuid.uuid4().hex  # new at each start, because the numbers begin again
        self.number = 0
        self.state: dict[str, str] = {}

    async def set(self, key: str, value: str) -> None:
        """Change the state, and publish the change."""
        self.state[key] = value
        self.number += 1
        await self.news.send_json([self.epoch, self.number, key, value])

    async def tell_number(self) -> None:
        """Publish the current number, for replicas that may have missed a change."""
        await self.news.send_json([self.epoch, self.number])

    async def answer_subscriptions(self) -> None:
        """Answer each subscription, so that the replica knows it is active. Runs until cancelled."""
        async for [notice] in self.news:
            if notice[:1] == b"\x01":
                await self.tell_number()

    async def answer_questions(self) -> None:
        """Answer requests for snapshots until cancelled."""
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
    """Holds a copy of the state."""

    def __init__(self, ctx: zmq.Context, news: str, snapshots: str) -> None:
        self.ctx = ctx
        self.news = news
        self.snapshots = snapshots
        self.epoch = ""
        self.number = 0
        self.state: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the publisher until cancelled. Raises Unanswered if no snapshot comes."""
        async with self.ctx.socket(zmq.SUB) as sub:
            sub.connect(self.news)
            sub.subscribe(b"")
            async for [word] in sub:
                await self.hear(*json.loads(word))

    async def hear(self, epoch: str, number: int, *change: str) -> None:
        """Handle a number from the publisher and, if there is one, the change that belongs to it."""
        if epoch == self.epoch and number <= self.number:
            return
        if epoch == self.epoch and number == self.number + 1 and change:
            self.number = number
            self.apply(*change)
        else:
            await self.start_afresh()

    async def start_afresh(self) -> None:
        """Ask for a snapshot. It is at least as new as the message that made us ask; later changes stay queued."""
        [answer] = await ask(self.ctx, self.snapshots, [b""])
        self.epoch, self.number, self.state = json.loads(answer)
        print(f"replica: a snapshot, up to change {self.number}: {self.state}")

    def apply(self, key: str, value: str) -> None:
        """One change."""
        self.state[key] = value
        print(f"replica: change {self.number}: {key} = {value}")


async def life(ctx: zmq.Context, news: str, snapshots: str, changes: list[tuple[str, str]]) -> None:
    """A publisher that makes some changes, one at a time, and then dies and loses its state."""
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
    """A replica joins late, and the publisher is replaced."""
    with TemporaryDirectory() as folder:
        news, snapshots = places(folder, "news", "snapshots")
        endpoints = news, snapshots
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            replica = Replica(ctx, *endpoints)

            async def come_late() -> None:
                await trio.sleep(0.25)
                await replica.run()

            nursery.start_soon(come_late)
            await life(ctx, *endpoints, [("eu", "rain"), ("us", "snow"), ("eu", "sun"), ("us", "fog"), ("eu", "hail")])
            print("publisher: dies; the next one starts without its state")
            await life(ctx, *endpoints, [("eu", "wind"), ("us", "wind"), ("eu", "calm"), ("us", "calm")])
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
