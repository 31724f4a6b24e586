r"""PUB, XPUB, SUB and XSUB: subscriptions, and who gets which message.                                  RFC 29/PUBSUB

A subscriber asks for prefixes: by the commands SUBSCRIBE and CANCEL, or, as in ZMTP 3.0, by messages 01 prefix and 00
prefix. The publisher sends each message to the subscribers that have asked for a prefix of its first frame.

Nothing tells a subscriber that its publisher has taken note. So a case lets the program publish markers (they end with
"?") until one comes, and because subscriptions stay in order, all that were sent before are in force by then.

Below this module: `case`. Read next: `pipeline`.
"""

import trio

from . import octets as o
from .case import Case, Level
from .peer import Departure, Ended, Peer, Unlike, listed, named
from .reqrep import receives

PUBSUB = '37/ZMTP 3.1, "The Publish-Subscribe Pattern"'
PUBLISHERS, SUBSCRIBERS = ("PUB", "XPUB"), ("SUB", "XSUB")
MARK = b"?"


class PrefixIsMatched(Case):
    """A publisher sends what begins with a prefix that was asked for, and nothing else."""

    number, section, kinds, acts = "37-60", PUBSUB, PUBLISHERS, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(asks(peer, b"ab"))
        await in_force(peer, b"ab")
        await publishes(peer, b"a", b"ab", b"abc", b"b", b"ab end")
        for expected in (b"ab", b"abc", b"ab end"):
            await gets(peer, expected)


class EmptyPrefix(Case):
    """The empty prefix stands for all messages, the empty one included."""

    number, section, kinds, acts = "37-60", PUBSUB, PUBLISHERS, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(asks(peer, b""))
        await in_force(peer, b"")
        await publishes(peer, b"one", b"", b"two")
        for expected in (b"one", b"", b"two"):
            await gets(peer, expected)


class FirstFrameDecides(Case):
    """The prefix is compared with the first frame, and a message is sent whole and unchanged."""

    number, section, kinds, acts = "29-8", '29/PUBSUB, "The PUB Socket Type"', PUBLISHERS, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(asks(peer, b"ab"))
        await in_force(peer, b"ab")
        await peer.program.send(b"other", b"ab")
        await peer.program.send(b"ab", b"", b"x" * 256)
        await gets(peer, b"ab", b"", b"x" * 256)


class OldSubscription(Case):
    """A publisher accepts subscriptions as messages, too, as in ZMTP 3.0."""

    number, section, kinds, acts = "37-58", PUBSUB, PUBLISHERS, True
    level = Level.LIBZMQ

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"\x01ab"), o.message(b"\x01cd"), o.message(b"\x00ab"), o.message(b"\x01z"))
        await in_force(peer, b"z")
        await publishes(peer, b"ab", b"cd")
        await gets(peer, b"cd")


class CancelTakesItBack(Case):
    """CANCEL ends a subscription."""

    number, section, kinds, acts, minor = "37-59", PUBSUB, PUBLISHERS, True, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.subscribe(b"ab"), o.subscribe(b"cd"), o.cancel(b"ab"), o.subscribe(b"z"))
        await in_force(peer, b"z")
        await publishes(peer, b"ab", b"cd")
        await gets(peer, b"cd")


class CancelOfNothing(Case):
    """CANCEL for a prefix without a subscription is ignored."""

    number, section, kinds, acts, minor = "37-59", PUBSUB, PUBLISHERS, True, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.cancel(b"ab"), o.subscribe(b"cd"))
        await in_force(peer, b"cd")
        await publishes(peer, b"cd")
        await gets(peer, b"cd")


class SubscriptionsAdd(Case):
    """Of two subscriptions to one prefix, a CANCEL ends one."""

    number, section, kinds, acts, minor = "37-61", PUBSUB, PUBLISHERS, True, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.subscribe(b"ab"), o.subscribe(b"ab"), o.cancel(b"ab"), o.subscribe(b"z"))
        await in_force(peer, b"z")
        await publishes(peer, b"ab", b"z end")
        if await next_message(peer) == [b"z end"]:
            raise Departure("notes a prefix once for each peer, so one CANCEL is enough")


class LongPrefixes(Case):
    """Prefixes may be long: here 246, 255, 256 and 1000 octets."""

    number, section, kinds, acts = "37-60", PUBSUB, PUBLISHERS, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        prefixes = [bytes([letter]) * size for letter, size in ((97, 246), (98, 255), (99, 256), (100, 1000))]
        await peer.send(*(asks(peer, prefix) for prefix in prefixes), asks(peer, b"z"))
        await in_force(peer, b"z")
        for prefix in prefixes:
            await publishes(peer, prefix[:-1], prefix)
        for prefix in prefixes:
            await gets(peer, prefix)


class NothingWithoutSubscription(Case):
    """A publisher sends nothing to a peer that has not asked for it."""

    number, section, kinds, acts = "37-57", PUBSUB, PUBLISHERS, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.goes_on()
        await publishes(peer, b"ab too early")
        if peer.terms.answers_ping:
            await peer.ask()
            if not (frame := await peer.any_frame()).is_command:
                raise Unlike("no message", named(frame))
        await peer.send(asks(peer, b"ab"))
        await in_force(peer, b"ab")
        await publishes(peer, b"ab")
        await gets(peer, b"ab")


class MessageForAPublisher(Case):
    """PUB discards what subscribers send."""

    number, section, kinds = "29-6", '29/PUBSUB, "The PUB Socket Type"', ("PUB",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"\x09hello"), o.message(b"\x09", b"hello"))
        await peer.goes_on()


class NoticeOfSubscription(Case):
    """XPUB passes subscriptions and cancellations to its program."""

    number, section, kinds, acts = "29-24", '29/PUBSUB, "The XPUB Socket Type"', ("XPUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(asks(peer, b"ab"))
        await receives(peer, b"\x01ab")
        await peer.send(o.cancel(b"ab") if peer.terms.minor else o.message(b"\0ab"))
        await receives(peer, b"\x00ab")


class SubscriberLeaves(Case):
    """XPUB gives its program a cancellation when a subscriber has gone."""

    number, section, kinds, acts = "29-25", '29/PUBSUB, "The XPUB Socket Type"', ("XPUB",), True
    dials = False  # one that connects may wait for the same subscriber to come back

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(asks(peer, b"ab"))
        await receives(peer, b"\x01ab")
        await peer.leave()
        await receives(peer, b"\x00ab")


class SecondSubscriber(Case):
    """XPUB passes on a prefix once, however many peers subscribe to it."""

    number, section, kinds, acts = "L-36", '29/PUBSUB, "The XPUB Socket Type"', ("XPUB",), True
    level = Level.LIBZMQ

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        for one, more in ((peer, b"1"), (other, b"2")):
            await one.handshake()
            await one.send(asks(peer, b"ab"), asks(peer, more))
        found = {(await peer.program.receive())[0] for _ in range(3)}
        if found != {b"\x01ab", b"\x011", b"\x012"}:
            raise Unlike("three notices", listed(sorted(found)))
        await peer.program.nothing()


class MessageForAnXpub(Case):
    """XPUB passes other messages of subscribers to its program."""

    number, section, kinds, acts = "29-22", '29/PUBSUB, "The XPUB Socket Type"', ("XPUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"\x09hello"))
        await receives(peer, b"\x09hello")


class SubscribeIsACommand(Case):
    """To a peer of ZMTP 3.1, SUB sends SUBSCRIBE and CANCEL."""

    number, section, kinds, acts, minor = "37-58", PUBSUB, ("SUB",), True, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.subscribe(b"news")
        await next_is(peer, o.subscribe(b"news"))
        await peer.program.unsubscribe(b"news")
        await next_is(peer, o.cancel(b"news"))


class SubscribeToOldPeers(Case):
    """SUB asks a peer of ZMTP 3.0 by messages 01 and 00."""

    number, section, kinds, acts = "37-58", '23/ZMTP 3.0, "The Publish-Subscribe Pattern"', ("SUB",), True
    mechanisms = (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(version=(3, 0)))
        await peer.program.subscribe(b"news")
        await next_is(peer, o.message(b"\x01news"))
        await peer.program.unsubscribe(b"news")
        await next_is(peer, o.message(b"\x00news"))


class LongSubscriptions(Case):
    """SUB asks for long prefixes too: 246, 255, 256 and 1000 octets."""

    number, section, kinds, acts = "37-12", PUBSUB, ("SUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for size in (246, 255, 256, 1000):
            await peer.program.subscribe(b"p" * size)
            await next_is(peer, asks(peer, b"p" * size))


class LongSubscriptionToOldPeers(Case):
    """SUB asks a peer of ZMTP 3.0 for a prefix of 255 octets."""

    number, section, kinds, acts = "L-41", '23/ZMTP 3.0, "Framing"', ("SUB",), True
    mechanisms = (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(version=(3, 0)))
        await peer.program.subscribe(b"p" * 255)
        frame = await peer.frame()
        if frame.octets == b"\0\0":
            raise Departure("writes the size in eight octets after the flags of a short frame")
        if frame.octets != o.message(b"\x01" + b"p" * 255):
            raise Unlike("a subscription of 255 octets", named(frame))


class LatePublisher(Case):
    """SUB asks a publisher that comes later, too, for each prefix once."""

    number, section, kinds, acts = "L-38", PUBSUB, ("SUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.program.subscribe(b"one")
        await peer.program.subscribe(b"two")
        await peer.handshake()
        found = [await subscription(peer) for _ in range(2)]
        if sorted(found) != [b"\x01one", b"\x01two"]:
            raise Unlike("two subscriptions, one and two", listed(found))
        await peer.program.subscribe(b"three")
        if (third := await subscription(peer)) != b"\x01three":
            raise Unlike("no third subscription", listed([third]))


class SubscriptionsAreCounted(Case):
    """After two subscriptions to a prefix, SUB sends CANCEL at the second unsubscribe."""

    number, section, kinds, acts = "37-61", PUBSUB, ("SUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.goes_on()
        for _ in range(2):
            await peer.program.subscribe(b"one")
        await peer.program.unsubscribe(b"one")
        await peer.program.subscribe(b"two")
        while (found := await subscription(peer)) == b"\x01one":
            pass
        if found != b"\x01two":
            raise Unlike("no CANCEL for one", listed([found]))
        await peer.program.unsubscribe(b"one")
        if (found := await subscription(peer)) != b"\x00one":
            raise Unlike("CANCEL for one", listed([found]))


class SubHandsOn(Case):
    """SUB passes messages to its program unchanged."""

    number, section, kinds, acts = "29-33", '29/PUBSUB, "The SUB Socket Type"', ("SUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.subscribe(b"")
        await subscription(peer)
        await peer.send(o.message(b"\x01a", b"", b"x" * 256))
        await receives(peer, b"\x01a", b"", b"x" * 256)


class SubFiltersToo(Case):
    """SUB drops a message that it has not asked for."""

    number, section, kinds, acts = "37-57", PUBSUB, ("SUB",), True
    level, difficult = Level.LIBZMQ, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.subscribe(b"news")
        await subscription(peer)
        await peer.send(o.message(b"weather"), o.message(b"news"))
        await receives(peer, b"news")


class XsubPassesOn(Case):
    """XSUB passes the subscriptions of its program on."""

    number, section, kinds, acts = "29-48", '29/PUBSUB, "The XSUB Socket Type"', ("XSUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for words in (b"\x01news", b"\x00news"):
            await peer.program.send(words)
            if (found := await subscription(peer)) != words:
                raise Unlike(listed([words]), listed([found]))


class XsubHandsOnAll(Case):
    """XSUB passes every message to its program, with or without a subscription."""

    number, section, kinds, acts = "29-42", '29/PUBSUB, "The XSUB Socket Type"', ("XSUB",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"weather", b"", b"fair"))
        await receives(peer, b"weather", b"", b"fair")


class XsubSendsToAll(Case):
    """XSUB sends the other messages of its program to all publishers."""

    number, section, kinds, acts = "29-44", '29/PUBSUB, "The XSUB Socket Type"', ("XSUB",), True

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        for one in (peer, other):
            await one.handshake()
            await one.goes_on()
        await peer.program.send(b"\x09hello")
        for one in (peer, other):
            await one.message(b"\x09hello")


# ------------------------------------------------------------------------------------------------- what they have to do


def asks(peer: Peer, prefix: bytes) -> bytes:
    """A subscription in the form of the other side's version."""
    return o.subscribe(prefix) if peer.terms.minor else o.message(b"\x01" + prefix)


async def publishes(peer: Peer, *messages: bytes) -> None:
    """The program publishes messages of one frame."""
    for each in messages:
        await peer.program.send(each)


async def in_force(peer: Peer, prefix: bytes) -> None:
    """Wait until the publisher has read the subscription to prefix: the program publishes markers until one comes."""
    with trio.move_on_after(peer.terms.patience):
        while True:
            await peer.program.send(prefix + MARK)
            try:
                await peer.any_frame(0.05)
            except trio.TooSlowError:
                continue
            except Ended:
                break
            return
    raise Unlike(f"messages that begin with {listed([prefix])}", "none, though it was asked for")


async def next_message(peer: Peer, expected: str = "a message") -> list[bytes]:
    """The next message that is no marker. expected: the words for the report."""
    while (frames := await peer.any_message(expected))[0].endswith(MARK):
        pass
    return frames


async def gets(peer: Peer, *frames: bytes) -> None:
    """The next message that is no marker has these frames."""
    expected = f"the message {listed(frames)}"
    found = await next_message(peer, expected)
    if found != list(frames):
        raise Unlike(expected, listed(found))


async def next_is(peer: Peer, octets: bytes) -> None:
    """The next frame has these octets."""
    frame = await peer.frame()
    if frame.octets != octets:
        raise Unlike(octets[:32].hex(" "), named(frame))


async def subscription(peer: Peer) -> bytes:
    """The next frame, which is a subscription in either form, as 01 prefix or 00 prefix."""
    frame = await peer.frame("a subscription")
    if not frame.is_command:
        return frame.body
    name, data = frame.command()
    if name not in (b"SUBSCRIBE", b"CANCEL"):
        raise Unlike("a subscription", named(frame))
    return (b"\x01" if name == b"SUBSCRIBE" else b"\x00") + data
