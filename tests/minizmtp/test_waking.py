"""Waking: after whatever happens, no task sleeps that could go on.

A model makes random things happen to a socket and its peers, with tasks that wait for it in every way there is. When
all is quiet it asks for each task that still sleeps what its call would say if it were made now. The cases after it
show single events in the open, with literal values.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from itertools import count
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.patterns.queue import Queue
from tests.minizmtp.helpers import TRANSPORTS, pair
from tests.minizmtp.inside import is_readable, pattern_of

IN, OUT = zmq.POLLIN, zmq.POLLOUT
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)

# ------------------------------------------------------------------------------------------------------- the model

PEERS = {
    zmq.PUSH: zmq.PULL, zmq.PULL: zmq.PUSH, zmq.PUB: zmq.SUB, zmq.SUB: zmq.PUB, zmq.XPUB: zmq.SUB, zmq.XSUB: zmq.XPUB,
    zmq.REQ: zmq.REP, zmq.REP: zmq.REQ, zmq.DEALER: zmq.DEALER, zmq.ROUTER: zmq.DEALER, zmq.PAIR: zmq.PAIR,
}  # fmt: skip
# Those for which it makes a difference, in the order in which a step's number chooses among them.
OPTIONS = {
    zmq.REQ: ["req_relaxed", "req_correlate"],
    zmq.ROUTER: ["router_mandatory", "router_handover"],
    zmq.PUB: ["xpub_nodrop", "invert_matching"],
    zmq.XPUB: ["xpub_nodrop", "invert_matching", "xpub_manual", "xpub_verboser"],
    zmq.SUB: ["invert_matching"],
}
SET_AT_FIRST = {zmq.ROUTER: {"router_mandatory": 1}, zmq.PUB: {"xpub_nodrop": 1}, zmq.XPUB: {"xpub_nodrop": 1}}
WORDS = [b"a", b"b", b"ab"]  # names, topics, prefixes


class Sleeper:
    """A task that waits, and the question whether it could go on."""

    def __init__(self, name: str, could_go_on: Callable[[], object]) -> None:
        self.name = name
        self.could_go_on = could_go_on
        self.scope = trio.CancelScope()

    async def run(self, call: Callable[[], Awaitable[object]], sleepers: list[Sleeper]) -> None:
        sleepers.append(self)
        try:
            with self.scope:
                await call()
        except zmq.ZMQError:
            pass  # an answer, too
        finally:
            sleepers.remove(self)


class World:
    """One socket, its peers, and the tasks that wait for it. Each method that a step can name takes its number."""

    def __init__(self, ctx: zmq.Context, nursery: trio.Nursery, kind: zmq.SocketType) -> None:
        self.ctx, self.nursery, self.kind = ctx, nursery, kind
        self.names = count()
        self.sock = ctx.socket(kind, hwm=1, linger=0, **SET_AT_FIRST.get(kind, {}))
        self.peers: list[zmq.Socket] = []
        self.sleepers: list[Sleeper] = []
        self.bound = self.bind()
        self.dialled: list[str] = []

    def bind(self) -> str:
        self.sock.bind(f"inproc://{next(self.names)}")
        return self.sock.last_endpoint

    def peer(self, number: int) -> zmq.Socket | None:
        return self.peers[number % len(self.peers)] if self.peers else None

    def message(self, number: int) -> list[bytes]:
        return [WORDS[number % 3], *[b"more"] * (number // 3 % 2)]

    # ------------------------------------------------------------------------------------------------ what happens

    def new_peer(self, number: int) -> zmq.Socket:
        kind = PEERS[self.kind]
        options: dict[str, Any] = {"routing_id": WORDS[number % 3]} if kind == zmq.DEALER and number % 4 else {}
        peer = self.ctx.socket(kind, hwm=(1, 2, 1, 0)[number // 3], linger=0, **options)
        if kind == zmq.SUB and number % 2:
            peer.subscribe(WORDS[number % 3])
        self.peers.append(peer)
        return peer

    async def join(self, number: int) -> None:
        if len(self.peers) < 4:
            self.new_peer(number).connect(self.bound)

    async def dial(self, number: int) -> None:
        endpoint = f"inproc://{next(self.names)}"
        if number % 3:
            self.new_peer(number).bind(endpoint)
        self.sock.connect(endpoint)  # by number, before there is anything to connect to
        self.dialled.append(endpoint)

    async def leave(self, number: int) -> None:
        if (peer := self.peer(number)) is not None:
            self.peers.remove(peer)
            peer.close()

    async def unbind(self, number: int) -> None:
        self.sock.unbind(self.bound)
        self.bound = self.bind()

    async def disconnect(self, number: int) -> None:
        if self.dialled:
            with suppress(zmq.ZMQError):  # the peer has gone, and its link with it
                self.sock.disconnect(self.dialled.pop(number % len(self.dialled)))

    async def peer_sends(self, number: int) -> None:
        if (peer := self.peer(number)) is not None:
            with suppress(zmq.ZMQError):
                await peer.send_multipart(self.message(number), zmq.NOBLOCK)

    async def peer_receives(self, number: int) -> None:
        if (peer := self.peer(number)) is not None:
            with suppress(zmq.ZMQError):
                await (peer.recv if number % 2 else peer.recv_multipart)(zmq.NOBLOCK)

    async def peer_subscribes(self, number: int) -> None:
        if (peer := self.peer(number)) is not None and peer.socket_type is zmq.SUB:
            (peer.subscribe if number % 2 else peer.unsubscribe)(WORDS[number % 3])

    async def sends(self, number: int) -> None:
        with suppress(zmq.ZMQError):
            await self.sock.send_multipart(self.message(number), zmq.NOBLOCK)

    async def fills(self, number: int) -> None:
        for _ in range(6):
            await self.sends(number)

    async def peer_drains(self, number: int) -> None:
        for more in range(6):
            await self.peer_receives(number + 6 * more)

    async def receives(self, number: int) -> None:
        with suppress(zmq.ZMQError):
            await (self.sock.recv if number % 2 else self.sock.recv_multipart)(zmq.NOBLOCK)

    async def subscribes(self, number: int) -> None:
        with suppress(zmq.ZMQError):
            (self.sock.subscribe if number % 2 else self.sock.unsubscribe)(WORDS[number % 3])

    async def changes_an_option(self, number: int) -> None:
        switches = OPTIONS.get(self.kind, [])
        if switches and number % 2:
            name = switches[number // 2 % len(switches)]
            setattr(self.sock, name, 1 - getattr(self.sock, name))
        else:
            self.sock.hwm = (1, 2, 3, 1, 2, 0)[number // 2]

    async def a_peer_changes_its_limit(self, number: int) -> None:
        if (peer := self.peer(number)) is not None:
            peer.hwm = number % 4

    async def one_gives_up(self, number: int) -> None:
        if self.sleepers:
            self.sleepers[number % len(self.sleepers)].scope.cancel()

    # ------------------------------------------------------------------------------------------------ what waits

    def sleep(self, name: str, call: Callable[[], Awaitable[object]], could_go_on: Callable[[], object]) -> None:
        if len(self.sleepers) < 8:
            self.nursery.start_soon(Sleeper(name, could_go_on).run, call, self.sleepers)

    async def waits_to_send(self, number: int) -> None:
        message = self.message(number)
        self.sleep("send", lambda: self.sock.send_multipart(message), lambda: self.could_send(message))

    def could_send(self, message: list[bytes]) -> bool:
        pattern = pattern_of(self.sock)
        may_send = self.kind is not zmq.REQ or pattern.can_send()
        if pattern.has_round_robin and may_send and any(has_room(pipe.outbound) for pipe in pattern.pipes):
            return True  # whatever the round robin remembers
        return pattern.has_room_for(message)

    async def waits_to_send_in_parts(self, number: int) -> None:
        message = self.message(number)

        async def parts() -> None:
            for frame in message:
                await self.sock.send(frame, zmq.SNDMORE)
            await self.sock.send(b"last")

        self.sleep("parts", parts, lambda: self.could_send(message))

    async def waits_to_receive(self, number: int) -> None:
        # What another task's recv() has left of a message is for the next call: one that sleeps waits for a message.
        call = self.sock.recv if number % 2 else self.sock.recv_message
        self.sleep("recv", call, lambda: pattern_of(self.sock).can_receive() or pattern_of(self.sock).take())

    async def polls(self, number: int) -> None:
        flags = (IN, OUT, IN | OUT)[number % 3]
        self.sleep("poll", lambda: self.sock.poll(None, flags), lambda: self.sock.events & flags)

    async def polls_with_a_poller(self, number: int) -> None:
        flags = (IN, OUT, IN | OUT)[number % 3]
        poller = zmq.Poller()
        for sock in (self.ctx.socket(zmq.PULL), self.sock):
            poller.register(sock, flags)
        self.sleep("Poller", poller.poll, lambda: self.sock.events & flags)

    async def proxies(self, number: int) -> None:
        source = self.ctx.socket(zmq.PULL, linger=0)
        source.bind(f"inproc://{next(self.names)}")
        feeder = self.ctx.socket(zmq.PUSH, linger=0)
        feeder.connect(source.last_endpoint)
        for more in range(3):
            await feeder.send_multipart(self.message(number + more))

        def could_go_on() -> bool:
            received = pattern_of(source).take() if is_readable(source) else None
            if received is None:
                return False
            pattern_of(source).give_back(received)
            return pattern_of(self.sock).can_send() and pattern_of(self.sock).has_room_for(received[1])

        self.sleep("proxy", lambda: zmq.proxy(source, self.sock), could_go_on)


def has_room(queue: Queue) -> bool:
    """Asked of a copy, because a queue that is asked may tell its writer."""
    queue = copy(queue)
    queue.set_writer()
    return not queue.full


# How often each happens: most of the time peers are there, queues are full, and tasks wait.
STEPS = {
    "join": 4, "dial": 2, "leave": 2, "unbind": 1, "disconnect": 1,
    "peer_sends": 3, "peer_receives": 2, "peer_drains": 3, "peer_subscribes": 3,
    "sends": 1, "fills": 4, "receives": 3, "subscribes": 2,
    "changes_an_option": 3, "a_peer_changes_its_limit": 1, "one_gives_up": 1,
    "waits_to_send": 6, "waits_to_send_in_parts": 3, "waits_to_receive": 3, "polls": 3, "polls_with_a_poller": 1,
    "proxies": 1,
}  # fmt: skip


def could_go_on(sleeper: Sleeper) -> bool:
    try:
        return bool(sleeper.could_go_on())
    except zmq.ZMQError:
        return True  # the call would raise


async def happen(kind: zmq.SocketType, steps: list[tuple[str, int]], look_often: bool, seen: Counter[str]) -> None:
    """To look may itself make a pattern leave word with a full queue; so in half of the runs it is done at the end."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, zmq.Context() as ctx:
            world = World(ctx, nursery, kind)
            for number, (name, argument) in enumerate(steps):
                before = set(world.sleepers)
                await getattr(world, name)(argument)
                await wait_all_tasks_blocked()
                seen["steps"] += 1
                seen.update(f"{sleeper.name} woken" for sleeper in before - set(world.sleepers))
                if look_often or number == len(steps) - 1:
                    seen.update(f"{sleeper.name} slept" for sleeper in world.sleepers)
                    asleep = [sleeper.name for sleeper in world.sleepers if could_go_on(sleeper)]
                    assert not asleep, f"{kind.name}: after {steps[: number + 1]} still asleep: {asleep}"
            world.sock.close()
            await wait_all_tasks_blocked()
            asleep = [sleeper.name for sleeper in world.sleepers]
            assert not asleep, f"{kind.name}: closed, and still asleep: {asleep}"


def fails(kind: zmq.SocketType, steps: list[tuple[str, int]], look_often: bool) -> bool:
    try:
        trio.run(happen, kind, steps, look_often, Counter())
    except BaseException:  # a group with an AssertionError in it, or a mistake of ours
        return True
    return False


def shortened(kind: zmq.SocketType, steps: list[tuple[str, int]], look_often: bool) -> list[tuple[str, int]]:
    """The steps that it takes to fail, without those that do not matter."""
    for number in reversed(range(len(steps))):
        fewer = steps[:number] + steps[number + 1 :]
        if fewer and fails(kind, fewer, look_often):
            steps = fewer
    return steps


LENGTH = 100
SEND = {zmq.PUSH, zmq.PUB, zmq.XPUB, zmq.REQ, zmq.DEALER, zmq.ROUTER, zmq.PAIR}  # and may have to wait
RECEIVE = {zmq.PULL, zmq.SUB, zmq.XPUB, zmq.XSUB, zmq.REQ, zmq.REP, zmq.DEALER, zmq.ROUTER, zmq.PAIR}


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
@pytest.mark.slow
def test_no_task_sleeps_that_could_go_on(kind: zmq.SocketType) -> None:
    seen: Counter[str] = Counter()
    runs = 180 if kind is zmq.ROUTER else 60  # a task waits there only for room at one named peer, which is rare
    for run in range(runs):
        chance = random.Random(f"{kind.name} {run}")
        names = chance.choices(list(STEPS), list(STEPS.values()), k=LENGTH if run % 2 else chance.randint(4, LENGTH))
        steps = [(name, chance.randrange(12)) for name in names]
        try:
            trio.run(happen, kind, steps, bool(run % 2), seen)
        except BaseException:
            print("the shortest steps that fail:", shortened(kind, steps, bool(run % 2)))
            raise
    print(kind.name, dict(sorted(seen.items())))
    assert seen["steps"] > runs * LENGTH / 2
    for way in [*(["send", "parts", "proxy"] if kind in SEND else []), *(["recv", "poll"] if kind in RECEIVE else [])]:
        assert seen[f"{way} slept"] > 2, f"{way}: {seen}"
        assert seen[f"{way} woken"] > 2, f"{way}: {seen}"


# ------------------------------------------------------------------------------------------------------- single events

SMALL = {"hwm": 1, "sndbuf": 4096, "rcvbuf": 4096}
BODY = bytes(20_000)


async def fill(sock: zmq.Socket, message: list[bytes]) -> None:
    """Send message until there is no room for another, and the system makes none either by taking more."""
    refusals = 0
    while refusals < 5:
        try:
            await sock.send_multipart(message, zmq.NOBLOCK)
            refusals = 0
        except zmq.Again:
            refusals += 1
        await wait_all_tasks_blocked(0.02)


async def meanwhile(call: Callable[[], Awaitable[Any]], event: Callable[[], Any]) -> Any:
    """What call gives or raises that waits until the event."""
    answers: list[Any] = []

    async def ask() -> None:
        try:
            answers.append(await call())
        except zmq.ZMQError as error:
            answers.append(error.errno)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked(0.01)
            assert answers == [], "it did not wait"
            if isinstance(doing := event(), Awaitable):
                await doing
    return answers[0]


async def mandatory_router(ctx: zmq.Context, transport: str) -> tuple[zmq.Socket, zmq.Socket]:
    """A ROUTER, and its one peer b"worker", which reads nothing and is full."""
    router, dealer = await pair(ctx, zmq.ROUTER, zmq.DEALER, transport, **SMALL, routing_id=b"worker")
    router.router_mandatory = 1
    with trio.fail_after(10):
        await fill(router, [b"worker", BODY])
    return router, dealer


@every_transport
@pytest.mark.parametrize("parts", [False, True], ids=["whole", "in parts"])
@pytest.mark.requirement("28-43", "L-27")
@pytest.mark.slow
async def test_a_mandatory_router_notices_that_its_peer_has_left(transport: str, parts: bool) -> None:
    async with zmq.Context() as ctx:
        router, dealer = await mandatory_router(ctx, transport)
        send = (
            (lambda: router.send(b"worker", zmq.SNDMORE)) if parts else lambda: router.send_multipart([b"worker", b""])
        )
        assert await meanwhile(send, dealer.close) == zmq.EHOSTUNREACH
        newcomer = ctx.socket(zmq.DEALER, routing_id=b"worker", linger=0)
        newcomer.connect(router.last_endpoint)
        with trio.fail_after(10):
            while True:
                with suppress(zmq.ZMQError):
                    await router.send_multipart([b"worker", b"hello"])
                    break
                await trio.sleep(0.01)
            assert await newcomer.recv_multipart() == [b"hello"]


@every_transport
async def test_a_router_goes_on_when_mandatory_is_taken_back(transport: str) -> None:
    async with zmq.Context() as ctx:
        router, _ = await mandatory_router(ctx, transport)
        dropped = router.peers()[0].dropped
        send = lambda: router.send_multipart([b"worker", b""])  # noqa: E731
        assert await meanwhile(send, lambda: setattr(router, "router_mandatory", 0)) is None
        assert router.peers()[0].dropped == dropped + 1


@every_transport
async def test_a_router_sends_to_the_newcomer_that_took_the_name(transport: str) -> None:
    async with zmq.Context() as ctx:
        router, _ = await mandatory_router(ctx, transport)
        router.router_handover = 1
        newcomer = ctx.socket(zmq.DEALER, routing_id=b"worker", linger=0)
        send = lambda: router.send_multipart([b"worker", b"for the newcomer"])  # noqa: E731
        assert await meanwhile(send, lambda: newcomer.connect(router.last_endpoint)) is None
        with trio.fail_after(10):
            assert await newcomer.recv() == b"for the newcomer"


@every_transport
@pytest.mark.parametrize("parts", [False, True], ids=["whole", "in parts"])
@pytest.mark.slow
async def test_a_router_goes_on_when_its_peer_has_read(transport: str, parts: bool) -> None:
    async with zmq.Context() as ctx:
        router, dealer = await mandatory_router(ctx, transport)

        async def read() -> None:
            while await dealer.poll(100):
                await dealer.recv()

        send = (
            (lambda: router.send(b"worker", zmq.SNDMORE)) if parts else lambda: router.send_multipart([b"worker", b""])
        )
        assert await meanwhile(send, read) is None


@every_transport
@pytest.mark.parametrize(
    "what", ["a peer reads", "the option is taken back", "another peer comes", "the limit is raised"]
)
@pytest.mark.slow
async def test_polling_a_mandatory_router_wakes_when_a_peer_has_room(transport: str, what: str) -> None:
    async with zmq.Context() as ctx:
        router, dealer = await mandatory_router(ctx, transport)
        another = ctx.socket(zmq.DEALER, linger=0)

        async def read() -> None:
            while await dealer.poll(100):
                await dealer.recv()

        event: Callable[[], Any] = {
            "a peer reads": read,
            "the option is taken back": lambda: setattr(router, "router_mandatory", 0),
            "another peer comes": lambda: another.connect(router.last_endpoint),
            "the limit is raised": lambda: setattr(router, "sndhwm", 100),
        }[what]
        poller = zmq.Poller()
        poller.register(router, OUT)
        assert await meanwhile(lambda: poller.poll(), event) == [(router, OUT)]


async def test_polling_a_mandatory_router_wakes_at_its_first_peer() -> None:
    async with zmq.Context() as ctx:
        router, dealer = ctx.socket(zmq.ROUTER, router_mandatory=1), ctx.socket(zmq.DEALER)
        router.bind("inproc://here")
        assert await meanwhile(lambda: router.poll(None, OUT), lambda: dealer.connect("inproc://here")) == OUT


async def arrival_of_a_subscription(pub: zmq.Socket) -> None:
    for _ in range(1000):
        if pub.peers()[0].subscriptions:
            return
        await wait_all_tasks_blocked(0.001)
    raise AssertionError("no subscription has come")


PUBLISHERS = pytest.mark.parametrize("kind", [zmq.PUB, zmq.XPUB], ids=["PUB", "XPUB"])
WAYS_OUT = [
    "it leaves", "it unsubscribes", "it reads", "it is unbound", "nodrop is taken back", "the limit is raised",
    "matching is inverted",
]  # fmt: skip


@every_transport
@PUBLISHERS
@pytest.mark.parametrize("what", WAYS_OUT)
@pytest.mark.slow
async def test_a_publisher_goes_on_when_nothing_holds_it_up(kind: zmq.SocketType, what: str, transport: str) -> None:
    """With xpub_nodrop it waits for the one subscriber that is full, and no longer than that."""
    async with zmq.Context() as ctx:
        pub, sub = await pair(ctx, kind, zmq.SUB, transport, **SMALL)
        sub.subscribe(b"eu")
        with trio.fail_after(10):
            await arrival_of_a_subscription(pub)
            pub.xpub_nodrop = 1
            await fill(pub, [b"eu", BODY])

        async def read() -> None:
            while await sub.poll(100):
                await sub.recv()

        event: Callable[[], Any] = {
            "it leaves": sub.close,
            "it unsubscribes": lambda: sub.unsubscribe(b"eu"),
            "it reads": read,
            "it is unbound": lambda: pub.unbind(pub.last_endpoint),
            "nodrop is taken back": lambda: setattr(pub, "xpub_nodrop", 0),
            "the limit is raised": lambda: setattr(pub, "sndhwm", 100),
            "matching is inverted": lambda: setattr(pub, "invert_matching", 1),
        }[what]
        assert await meanwhile(lambda: pub.send(b"eu"), event) is None


@every_transport
@pytest.mark.parametrize("what", ["it leaves", "it unsubscribes"])
@pytest.mark.slow
async def test_a_proxy_before_one_dead_subscriber_goes_on(transport: str, what: str) -> None:
    async with zmq.Context() as ctx:
        backend, dead = await pair(ctx, zmq.XPUB, zmq.SUB, transport, **SMALL)
        frontend, station = await pair(ctx, zmq.XSUB, zmq.PUB, "inproc://stations")
        dead.subscribe(b"")
        with trio.fail_after(10):
            assert await backend.poll()  # the proxy will read it, and so the station hear of it
            backend.xpub_nodrop = 1
            async with trio.open_nursery() as nursery:
                nursery.start_soon(zmq.proxy, frontend, backend)
                while not (dead.peers()[0].unread and frontend.peers()[0].unread):
                    await station.send_multipart([b"eu", BODY])
                    await wait_all_tasks_blocked(0.01)
                alive = ctx.socket(zmq.SUB, linger=0)
                alive.subscribe(b"us")
                alive.connect(backend.last_endpoint)
                dead.close() if what == "it leaves" else dead.unsubscribe(b"")
                while not await alive.poll(10):
                    await station.send(b"us")
                nursery.cancel_scope.cancel()


async def test_a_second_receiver_gets_efsm_when_it_may_not_receive() -> None:
    """As it would if it asked now: a REP that owes a reply, and a REQ that has asked nothing, receive nothing."""
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
        answers: list[Any] = []

        async def receive(sock: zmq.Socket) -> None:
            try:
                answers.append(await sock.recv())
            except zmq.ZMQError as error:
                answers.append(error.errno)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(receive, rep)
                await wait_all_tasks_blocked()
                await req.send(b"?")
                for _ in range(2):
                    nursery.start_soon(receive, req)
                await wait_all_tasks_blocked()
                await rep.send(b"!")
        assert answers == [b"?", zmq.EFSM, b"!", zmq.EFSM]


async def test_a_poll_notices_what_a_proxy_took() -> None:
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
        push, _ = await pair(ctx, zmq.PUSH, zmq.PULL, "inproc://there")

        async def ask_through_a_proxy() -> None:
            await req.send(b"?")
            await wait_all_tasks_blocked()  # the poll has asked again, and found that nothing was taken
            with trio.move_on_after(0.05):
                await zmq.proxy(rep, push)

        assert await meanwhile(lambda: rep.poll(None, OUT), ask_through_a_proxy) == OUT
