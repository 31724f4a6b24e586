"""Scenarios: whole conversations between the sockets of two drivers, each stack in each role.

A scenario names two types and says what the two programs do; the sockets may be of any two stacks. Here no octet is
written by hand: what is checked is that the programs understand each other.

    class Requests(Scenario):
        \"""Ten requests and their replies.\"""

        number, first, second = "S-1", "REQ", "REP"

        async def play(self, stage: Stage) -> None:
            req, rep = await stage.both()
            await req.send(b"ask")
            await receives(rep, b"ask")

Each is played four times for two stacks: either stack is the first, and either type binds. What takes time is only what
is about time: heartbeats, restarts, and peers that have to stay apart.

    >>> [scenario.name() for scenario in ALL[:3]]
    ['requests', 'requests-with-envelopes', 'requests-to-a-router']

Below this module: `program`. Read next: `matrix`.
"""

from contextlib import suppress
from typing import ClassVar, Literal

import trio

from ..wire.curve import keypair
from .case import name_of, rule_of
from .peer import NotApplicable, Unlike, listed
from .pipeline import SIZES
from .program import Driver, DriverError, DriverSocket

MARK = b"?"
APART = 0.5  # seconds in which nothing comes from a peer that has to stay apart
PATIENCE = 5.0

Options = dict[str, str | int]
Which = Literal["first", "second"]


class Stage:
    """Two drivers, and which socket binds. nursery: for processes that are started anew."""

    def __init__(self, first: Driver, second: Driver, binds: Which, nursery: trio.Nursery) -> None:
        self.drivers: dict[Which, Driver] = {"first": first, "second": second}
        self.binds = binds
        self.kinds: dict[Which, str] = {"first": "", "second": ""}
        self.endpoint = "tcp://127.0.0.1:0"
        self._nursery = nursery
        self._open: list[DriverSocket] = []

    async def socket(self, which: Which, options: Options | None = None, kind: str = "") -> DriverSocket:
        """A new socket of that side, bound or connected."""
        socket = await self.drivers[which].socket(kind or self.kinds[which], **(options or {}))
        socket.patience = PATIENCE
        self._open.append(socket)
        if which == self.binds:
            self.endpoint = await socket.bind(self.endpoint)
        else:
            await socket.connect(self.endpoint)
        return socket

    async def both(
        self, first: Options | None = None, second: Options | None = None
    ) -> tuple[DriverSocket, DriverSocket]:
        """A socket of each side, the one that binds first."""
        if self.binds == "first":
            one = await self.socket("first", first)
            return one, await self.socket("second", second)
        other = await self.socket("second", second)
        return await self.socket("first", first), other

    async def restart(self, which: Which, options: Options | None = None) -> DriverSocket:
        """Kill the process of that side, and make its socket anew at the same endpoint."""
        driver = self.drivers[which]
        self._open = [socket for socket in self._open if socket.driver is not driver]
        driver.kill()
        await driver.start(self._nursery)
        return await self.socket(which, options)

    async def close(self) -> None:
        """Close all sockets."""
        for socket in self._open:
            if socket.driver.is_running:
                await socket.close()


class Scenario:
    """One conversation. first, second: the two types. roles: which of them may bind."""

    number: ClassVar[str]
    first: ClassVar[str]
    second: ClassVar[str]
    section: ClassVar[str] = ""
    roles: ClassVar[tuple[Which, ...]] = ("first", "second")

    def __init_subclass__(cls) -> None:
        ALL.append(cls)

    async def play(self, stage: Stage) -> None:
        """Play it. Raises Unlike where the programs do not understand each other."""
        raise NotImplementedError

    @classmethod
    def name(cls) -> str:
        """The name on the command line, as for a case."""
        return name_of(cls)

    @classmethod
    def rule(cls) -> str:
        """What happens, in a sentence."""
        return rule_of(cls)


ALL: list[type[Scenario]] = []


class Requests(Scenario):
    """Requests and replies, of one frame and of several."""

    number, first, second, section = "S-1", "REQ", "REP", "28/REQREP"

    async def play(self, stage: Stage) -> None:
        req, rep = await stage.both()
        for i in range(10):
            request, reply = [b"request %d" % i] + [b""] * (i % 2), [b"reply %d" % i] + [b"more"] * (i % 3)
            await req.send(*request)
            await receives(rep, *request)
            await rep.send(*reply)
            await receives(req, *reply)


class RequestsWithEnvelopes(Scenario):
    """Requests of a DEALER to a REP, with names in front of the delimiter."""

    number, first, second, section = "S-2", "DEALER", "REP", "28/REQREP"

    async def play(self, stage: Stage) -> None:
        dealer, rep = await stage.both()
        await dealer.send(b"name", b"", b"request")
        await receives(rep, b"request")
        await rep.send(b"reply")
        await receives(dealer, b"name", b"", b"reply")


class RequestsToARouter(Scenario):
    """Requests of a REQ to a ROUTER."""

    number, first, second, section = "S-3", "REQ", "ROUTER", "28/REQREP"

    async def play(self, stage: Stage) -> None:
        req, router = await stage.both()
        await req.send(b"request")
        name = await from_somebody(router, b"", b"request")
        await router.send(name, b"", b"reply")
        await receives(req, b"reply")


class NamedDealer(Scenario):
    """A DEALER with a name, and the ROUTER that calls it by that name."""

    number, first, second, section = "S-4", "DEALER", "ROUTER", "28/REQREP"

    async def play(self, stage: Stage) -> None:
        dealer, router = await stage.both({"routing_id": b"anna".hex()})
        await dealer.send(b"hello", b"", b"router")
        await receives(router, b"anna", b"hello", b"", b"router")
        await router.send(b"anna", b"hello", b"anna")
        await receives(dealer, b"hello", b"anna")


class NamelessDealer(Scenario):
    """A DEALER without a name, and the ROUTER that gives it one."""

    number, first, second, section = "S-5", "DEALER", "ROUTER", "28/REQREP"

    async def play(self, stage: Stage) -> None:
        dealer, router = await stage.both()
        for i in range(3):
            await dealer.send(b"hello %d" % i)
            name = await from_somebody(router, b"hello %d" % i)
            await router.send(name, b"you", b"there")
            await receives(dealer, b"you", b"there")


class Prefixes(Scenario):
    """Messages reach a subscriber by their first octets."""

    number, first, second, section = "S-6", "PUB", "SUB", "29/PUBSUB"

    async def play(self, stage: Stage) -> None:
        pub, sub = await stage.both()
        await sub.subscribe(b"ab")
        await in_force(pub, sub, b"ab")
        for each in (b"a", b"ab", b"b", b"abc", b"xab"):
            await pub.send(each, b"body")
        await gets(sub, b"ab", b"body")
        await gets(sub, b"abc", b"body")


class Unsubscribing(Scenario):
    """A subscription that was taken back brings nothing more."""

    number, first, second, section = "S-7", "PUB", "SUB", "29/PUBSUB"

    async def play(self, stage: Stage) -> None:
        pub, sub = await stage.both()
        await sub.subscribe(b"ab")
        await in_force(pub, sub, b"ab")
        await sub.unsubscribe(b"ab")
        await sub.subscribe(b"cd")
        await in_force(pub, sub, b"cd")
        await pub.send(b"ab")
        await pub.send(b"cd")
        await gets(sub, b"cd")


class LateJoiner(Scenario):
    """A subscriber that comes late misses what was sent before, and receives what is sent afterwards."""

    number, first, second, section, roles = "S-8", "PUB", "SUB", "29/PUBSUB", ("first",)

    async def play(self, stage: Stage) -> None:
        pub, early = await stage.both()
        await early.subscribe(b"")
        await in_force(pub, early, b"")
        await pub.send(b"before")
        await gets(early, b"before")
        late = await stage.socket("second")
        await late.subscribe(b"")
        await in_force(pub, late, b"")
        await pub.send(b"after")
        await gets(late, b"after")
        await gets(early, b"after")


class LongTopics(Scenario):
    """Topics of 246, 255, 256 and 1,000 octets."""

    number, first, second, section = "S-9", "PUB", "SUB", "29/PUBSUB"

    async def play(self, stage: Stage) -> None:
        pub, sub = await stage.both()
        for letter, size in ((b"a", 246), (b"b", 255), (b"c", 256), (b"d", 1000)):
            await sub.subscribe(letter * size)
            await in_force(pub, sub, letter * size)


class Notices(Scenario):
    """An XPUB receives the subscriptions of a SUB."""

    number, first, second, section = "S-10", "XPUB", "SUB", "29/PUBSUB"

    async def play(self, stage: Stage) -> None:
        xpub, sub = await stage.both()
        await sub.subscribe(b"news")
        await receives(xpub, b"\x01news")
        await xpub.send(b"news", b"today")
        await receives(sub, b"news", b"today")
        await sub.unsubscribe(b"news")
        await receives(xpub, b"\x00news")


class SubscriptionsAsMessages(Scenario):
    """An XSUB subscribes by messages, at a PUB."""

    number, first, second, section = "S-11", "PUB", "XSUB", "29/PUBSUB"

    async def play(self, stage: Stage) -> None:
        pub, xsub = await stage.both()
        await xsub.send(b"\x01ab")
        await in_force(pub, xsub, b"ab")
        await pub.send(b"ab", b"body")
        await gets(xsub, b"ab", b"body")


class Upstream(Scenario):
    """An XSUB and an XPUB pass subscriptions, messages, and messages upstream."""

    number, first, second, section = "S-12", "XPUB", "XSUB", "29/PUBSUB"

    async def play(self, stage: Stage) -> None:
        xpub, xsub = await stage.both()
        await xsub.send(b"\x01ab")
        await receives(xpub, b"\x01ab")
        await xsub.send(b"upstream")
        await receives(xpub, b"upstream")
        await xpub.send(b"ab downstream")
        await receives(xsub, b"ab downstream")


class TenThousand(Scenario):
    """10,000 messages in order."""

    number, first, second, section = "S-13", "PUSH", "PULL", "30/PIPELINE"
    count, size = 10_000, 64

    async def play(self, stage: Stage) -> None:
        await floods(*await stage.both(), self.count, self.size)


class Pair(Scenario):
    """Messages both ways between two PAIRs."""

    number, first, second, section = "S-14", "PAIR", "PAIR", "31/EXPAIR"

    async def play(self, stage: Stage) -> None:
        one, other = await stage.both()
        for i in range(5):
            await one.send(b"to %d" % i, b"")
            await other.send(b"fro %d" % i)
            await receives(other, b"to %d" % i, b"")
            await receives(one, b"fro %d" % i)


class EverySize(Scenario):
    """Frames of every size class, up to 1 MiB."""

    number, first, second, section = "S-15", "PUSH", "PULL", '37/ZMTP 3.1, "Framing"'

    async def play(self, stage: Stage) -> None:
        push, pull = await stage.both()
        for size in SIZES:
            await push.send(b"s" * size)
            await receives(pull, b"s" * size)
        await push.send(*(b"s" * size for size in SIZES))
        await receives(pull, *(b"s" * size for size in SIZES))


async def live_through_heartbeats(stage: Stage, first: Options, second: Options) -> None:
    """The two exchange messages, are quiet while both send heartbeats, and exchange messages again."""
    beats: Options = {"heartbeat_ivl": 100}
    one, other = await stage.both({**first, **beats}, {**second, **beats})
    await to_and_fro(one, other)
    for socket in (one, other):
        with suppress(LookupError):
            await socket.ask("recv", 500)
            raise Unlike("no message for the program", "one: a heartbeat")
    await to_and_fro(one, other)


class Heartbeats(Scenario):
    """Both sides send heartbeats, and a quiet connection lives on."""

    number, first, second, section = "S-16", "DEALER", "DEALER", '37/ZMTP 3.1, "Connection Heartbeating"'

    async def play(self, stage: Stage) -> None:
        await live_through_heartbeats(stage, {}, {})


class RestartOfTheOneThatBinds(Scenario):
    """The process that has bound dies and comes again, and the other finds it."""

    number, first, second, section = "S-17", "PUSH", "PULL", '37/ZMTP 3.1, "Error Handling"'

    async def play(self, stage: Stage) -> None:
        sockets: dict[Which, DriverSocket] = dict(zip(("first", "second"), await stage.both(), strict=True))
        await passes(sockets["first"], sockets["second"], b"one")
        sockets[stage.binds] = await stage.restart(stage.binds)
        await passes(sockets["first"], sockets["second"], b"two")


class RestartOfTheOneThatConnects(Scenario):
    """The process that has connected dies and comes again."""

    number, first, second, section = "S-18", "PUSH", "PULL", '37/ZMTP 3.1, "Error Handling"'

    async def play(self, stage: Stage) -> None:
        sockets: dict[Which, DriverSocket] = dict(zip(("first", "second"), await stage.both(), strict=True))
        await passes(sockets["first"], sockets["second"], b"one")
        other: Which = "second" if stage.binds == "first" else "first"
        sockets[other] = await stage.restart(other)
        await passes(sockets["first"], sockets["second"], b"two")


class Password(Scenario):
    """PLAIN with the right password."""

    number, first, second, section = "S-19", "DEALER", "DEALER", "24/ZMTP-PLAIN"

    async def play(self, stage: Stage) -> None:
        one, other = await stage.both(*plain(stage, b"secret"))
        await to_and_fro(one, other)


class WrongPassword(Scenario):
    """PLAIN with a wrong password: nothing passes."""

    number, first, second, section = "S-20", "DEALER", "DEALER", "24/ZMTP-PLAIN"

    async def play(self, stage: Stage) -> None:
        await refused(stage, *plain(stage, b"guess"))


class Encrypted(Scenario):
    """CURVE: messages of several frames, both ways."""

    number, first, second, section = "S-21", "DEALER", "DEALER", "26/CURVEZMQ"

    async def play(self, stage: Stage) -> None:
        one, other = await stage.both(*curve(stage))
        await to_and_fro(one, other)
        await one.send(b"one", b"", b"three")
        await receives(other, b"one", b"", b"three")
        await other.send(b"one", b"two")
        await receives(one, b"one", b"two")


class EncryptedThousand(Scenario):
    """CURVE: 1,000 messages in order."""

    number, first, second, section = "S-22", "PUSH", "PULL", "26/CURVEZMQ"

    async def play(self, stage: Stage) -> None:
        await floods(*await stage.both(*curve(stage)), 1000, 64)


class EncryptedMebibyte(Scenario):
    """CURVE: a frame of 1 MiB."""

    number, first, second, section = "S-23", "PUSH", "PULL", "26/CURVEZMQ"

    async def play(self, stage: Stage) -> None:
        push, pull = await stage.both(*curve(stage))
        await push.send(b"s" * 1_048_576)
        await receives(pull, b"s" * 1_048_576)


class EncryptedHeartbeats(Scenario):
    """CURVE: heartbeats inside boxes."""

    number, first, second, section = "S-24", "DEALER", "DEALER", "26/CURVEZMQ"

    async def play(self, stage: Stage) -> None:
        await live_through_heartbeats(stage, *curve(stage))


class WrongKey(Scenario):
    """CURVE with the key of another server: nothing passes."""

    number, first, second, section = "S-25", "DEALER", "DEALER", "26/CURVEZMQ"

    async def play(self, stage: Stage) -> None:
        await refused(stage, *curve(stage, keypair(b"\x03" * 32)[0]))


class WrongType(Scenario):
    """Types that do not fit: nothing passes."""

    number, first, second, section = "S-26", "PUSH", "DEALER", '37/ZMTP 3.1, "The Socket-Type Property"'

    async def play(self, stage: Stage) -> None:
        await refused(stage)


# --------------------------------------------------------------------------------------------- what they have in common


async def receives(socket: DriverSocket, *frames: bytes) -> None:
    """The next message of a program has these frames."""
    found = await socket.receive()
    if found != list(frames):
        raise Unlike(f"the message {listed(frames)}", listed(found))


async def from_somebody(router: DriverSocket, *frames: bytes) -> bytes:
    """The same at a ROUTER; returns the name in front."""
    name, *found = await router.receive()
    if found != list(frames):
        raise Unlike(f"a name and {listed(frames)}", listed([name, *found]))
    return name


async def in_force(pub: DriverSocket, sub: DriverSocket, prefix: bytes) -> None:
    """Publish markers until the subscriber receives one, so that its subscription is known to be in force."""
    deadline = trio.current_time() + PATIENCE
    while trio.current_time() < deadline:
        await pub.send(prefix + MARK)
        with suppress(Unlike):
            if (await sub.receive(0.02))[0] == prefix + MARK:
                return
    raise Unlike(f"messages that begin with {listed([prefix])}", f"none in {PATIENCE:g} s")


async def gets(sub: DriverSocket, *frames: bytes) -> None:
    """The next message that is no marker has these frames."""
    while (found := await sub.receive())[0].endswith(MARK):
        pass
    if found != list(frames):
        raise Unlike(f"the message {listed(frames)}", listed(found))


async def to_and_fro(one: DriverSocket, other: DriverSocket) -> None:
    """A message each way."""
    await one.send(b"to")
    await receives(other, b"to")
    await other.send(b"fro")
    await receives(one, b"fro")


async def passes(push: DriverSocket, pull: DriverSocket, word: bytes) -> None:
    """A message passes, sooner or later: what was on the way when a process died may be lost, so it is sent again."""
    deadline = trio.current_time() + PATIENCE
    while trio.current_time() < deadline:
        with suppress(Unlike):
            await push.send(word)
            while (await pull.receive(0.1)) != [word]:
                pass
            return
    raise Unlike(f"the message {listed([word])}", f"none in {PATIENCE:g} s")


async def refused(stage: Stage, first: Options | None = None, second: Options | None = None) -> None:
    """The two do not get together: some stacks say so to the program that connects, or sends."""
    with suppress(DriverError):
        await apart(*await stage.both(first, second))


async def apart(one: DriverSocket, other: DriverSocket) -> None:
    """Nothing passes between the two. A send may wait until its driver gives up."""
    with suppress(Unlike):
        await one.send(b"to")
    with suppress(LookupError, NotApplicable):
        await other.ask("recv", int(APART * 1000))
        raise Unlike("no message for the program", "one")


async def floods(push: DriverSocket, pull: DriverSocket, count: int, size: int) -> None:
    """So many messages, numbered, in order."""
    found = ""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, push, count, size)
        found = await pull.ask("drain", count, size, 5000, patience=30)
    if found != str(count):
        raise Unlike(f"{count:,} messages in order", f"{found} of them")


async def flood(push: DriverSocket, count: int, size: int) -> None:
    """Send them."""
    try:
        await push.ask("flood", count, size, patience=30)
    except LookupError:
        raise Unlike(f"the program to send {count:,} messages", "its socket took no more") from None


def plain(stage: Stage, password: bytes) -> tuple[Options, Options]:
    """Options for the two sides: the one that binds is PLAIN's server."""
    server: Options = {"plain_server": f"{b'anna'.hex()}:{b'secret'.hex()}"}
    client: Options = {"plain_client": f"{b'anna'.hex()}:{password.hex()}"}
    return (server, client) if stage.binds == "first" else (client, server)


def curve(stage: Stage, key: bytes = b"") -> tuple[Options, Options]:
    """Options for the two sides: the one that binds is CURVE's server. key: the server's, as the client has it."""
    (public, secret), client = keypair(b"\x01" * 32), keypair(b"\x02" * 32)
    keys = ":".join(bytes(each).hex() for each in (*client, key or public))
    options: tuple[Options, Options] = {"curve_server": bytes(secret).hex()}, {"curve_client": keys}
    return options if stage.binds == "first" else options[::-1]
