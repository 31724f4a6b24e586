r"""Cases of the course's own: for programs that can't do a whole handshake yet, and for what no RFC asks.

Steps 1 and 2 come before READY. Their cases send a whole conversation and look at what the program does, whatever it
says itself. Other cases are about the program's standard input and output: back-pressure, and many peers at once.

    >>> octet_by_octet(b"\xff\x00", b"\xff\x01", ("the signature", 2))
    Traceback (most recent call last):
    minizmtp.check.peer.Unlike: expected 00 in octet 1 (the signature); came: 01, in ff 01

Below this module: `check.case`. Read next: `course`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

import trio

from ..check import octets as o
from ..check.case import Case
from ..check.peer import QUIET, Ended, Peer, Unlike, back, listed, shown
from ..check.program import encoded
from ..check.pubsub import asks, gets, in_force, next_message, subscription
from ..wire.frames import COMMAND
from .program import Learner

APART = 0.004  # seconds between pieces, because the system joins what is sent sooner

LESSONS: list[type[Case]] = []


class Lesson(Case):
    """A case of the course."""

    section = "the course"
    mechanisms: ClassVar[Sequence[bytes]] = (b"NULL", b"PLAIN", b"CURVE")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # without a number, so that `minizmtp.check` does not list it
        cls.number = "learn"
        LESSONS.append(cls)


def octet_by_octet(expected: bytes, came: bytes, *fields: tuple[str, int]) -> None:
    """Raises Unlike for the first octet that differs. fields: names and widths, from the first octet on."""
    for at, (right, octet) in enumerate(zip(expected, came, strict=False)):
        if right != octet:
            name, end = "", 0
            for name, width in fields:  # noqa: B007
                end += width
                if at < end:
                    break
            raise Unlike(f"{right:02x} in octet {at} ({name})", f"{octet:02x}, in {shown(came)}")
    if len(expected) != len(came):
        raise Unlike(f"{len(expected)} octets", f"{len(came)}: {shown(came)}")


# ------------------------------------------------------------------------------------------------- step 1: the greeting

GREETING = (
    ("the first octet of the signature", 1),
    ("the padding", 8),
    ("the last octet of the signature", 1),
    ("the major version", 1),
    ("the minor version", 1),
    ("the mechanism", 20),
    ("as-server", 1),
    ("the filler", 31),
)


class EachOctetOfTheGreeting(Lesson):
    """Each octet of the greeting is as the grammar has it; the minor version may be 0 or 1."""

    async def play(self, peer: Peer) -> None:
        await peer.send(o.greeting())
        came = await whole(peer, 64, "a greeting of 64 octets")
        minor = 1 if came[11] == 1 else 0
        octet_by_octet(o.greeting(version=(3, minor)), came, *GREETING)


class NothingAfterTheGreeting(Lesson):
    """The greeting has 64 octets and no more; what follows is a frame."""

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        more = await peer.read_all(QUIET)
        if more and more[0] not in (4, 6):
            raise Unlike("nothing, or a command, after the 64 octets", shown(more))


class StaysOpen(Lesson):
    """After both greetings the connection stays open, until the peer ends it; then the next peer is served."""

    async def play(self, peer: Peer) -> None:
        for number in range(3):
            one = await peer.afresh() if number else peer
            await one.greet()
            await stays(one)
            await one.leave()


class StaysOpenFor(Lesson):
    """A greeting that a careful peer may send: the connection stays open."""

    def pieces(self) -> Iterable[bytes]:
        """In writes of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        await peer.send(*self.pieces())
        await peer.greeting()
        await stays(peer)


class GreetingOctetByOctet(Lesson):
    """The peer's greeting may come in 64 pieces."""

    async def play(self, peer: Peer) -> None:
        await trickle(peer, o.greeting())
        await peer.greeting()
        await stays(peer)


class OtherPadding(StaysOpenFor):
    """The peer's padding may hold anything."""

    def pieces(self) -> Iterable[bytes]:
        yield o.greeting(padding=b"\x5a" * 8)


class LaterVersion(StaysOpenFor):
    """A peer of a later version, here 4.0, is spoken to."""

    def pieces(self) -> Iterable[bytes]:
        yield o.greeting(version=(4, 0))


class LaterMinorVersion(StaysOpenFor):
    """A peer of a later minor version, here 3.9, is spoken to."""

    def pieces(self) -> Iterable[bytes]:
        yield o.greeting(version=(3, 9))


class NoSignature(Lesson):
    """A connection whose greeting has another first octet than ff, or another tenth than 7f, is closed."""

    difficult = True

    async def play(self, peer: Peer) -> None:
        right = o.greeting()
        for number, wrong in enumerate((b"\xfe" + right[1:], right[:9] + b"\x00" + right[10:])):
            one = await peer.afresh() if number else peer
            await one.send(wrong)
            await one.closes(asked=False)


# ---------------------------------------------------------------------------------------------------- step 2: frames


class Prints(Lesson):
    """Whole messages come to the program, in any cut: it prints them."""

    messages: ClassVar[Sequence[Sequence[bytes]]]

    def pieces(self) -> Iterable[bytes]:
        """What is sent after the greetings and our READY."""
        yield b"".join(o.message(*message) for message in self.messages)

    async def play(self, peer: Peer) -> None:
        await begun(peer)
        await peer.send(*self.pieces())
        for message in self.messages:
            await prints(peer, *message)


class OneFrame(Prints):
    """A message of one frame is printed; the command READY, which comes before it, is not."""

    messages = ((b"hi",),)


class EmptyFrameIsADash(Prints):
    """An empty frame is a message too, and is printed as a dash."""

    messages = ((b"",), (b"next",))


class SeveralFrames(Prints):
    """The frames of one message are on one line, in order."""

    messages = ((b"one", b"two", b"three"), (b"", b"\0\xff", b""), (b"end",))


class SizesOfFrames(Prints):
    """Short frames have up to 255 octets, and long ones any size."""

    messages = ((b"s" * 127,), (b"s" * 128,), (b"s" * 255,), (b"l" * 256,), (b"l" * 70_000,))


class LongFormOfASmallFrame(Prints):
    """A small frame may come in the long form, with or without MORE."""

    messages = ((b"one", b"two"),)

    def pieces(self) -> Iterable[bytes]:
        yield o.frame(b"one", long=True, more=True) + o.frame(b"two", long=True)


class OctetByOctet(Prints):
    """A message may come one octet at a time."""

    messages = ((b"one", b"two"), (b"l" * 256,))

    async def play(self, peer: Peer) -> None:
        await begun(peer)
        await trickle(peer, *self.pieces())
        for message in self.messages:
            await prints(peer, *message)


class AHundredAtOnce(Prints):
    """A hundred messages may come in one write, and stay in order."""

    messages: ClassVar[Sequence[Sequence[bytes]]] = [[b"%d" % i] for i in range(100)]


class CommandsArePassedOver(Prints):
    """A command is no message, wherever it comes, and in either form."""

    messages = ((b"one", b"two"), (b"three",))

    def pieces(self) -> Iterable[bytes]:
        yield o.command(b"TOMORROW", b"data") + o.frame(b"one", more=True) + o.command(b"TOMORROW", long=True)
        yield o.frame(b"two") + o.message(b"three")


class AllInOneWrite(Lesson):
    """Greeting, READY and a message may come in one write."""

    async def play(self, peer: Peer) -> None:
        await peer.send(o.greeting() + o.ready(peer.terms.partner) + o.message(b"hi"))
        await peer.greeting()
        await prints(peer, b"hi")


class HalfOfAMessage(Lesson):
    """Nothing is printed of a message whose sender leaves before the last frame."""

    async def play(self, peer: Peer) -> None:
        await begun(peer)
        await peer.send(o.frame(b"half", more=True) + o.frame(b"of", more=True))
        await stays(peer)
        await peer.leave()
        other = await peer.afresh()
        await begun(other)
        await other.send(o.message(b"whole"))
        await prints(other, b"whole")


class EndInsideAFrame(Lesson):
    """Nothing is printed of a frame that its sender cuts off, and the next peer is served."""

    async def play(self, peer: Peer) -> None:
        for number, octets in enumerate((b"\0", b"\2\0\0", o.frame(b"cut off")[:5], o.frame(b"l" * 256)[:60])):
            one = await peer.afresh() if number else peer
            await begun(one)
            await one.send(octets)
            await one.leave()
        other = await peer.afresh()
        await begun(other)
        await other.send(o.message(b"whole"))
        await prints(other, b"whole")


class Leaves(Lesson):
    """What no peer may send: the connection is closed, and nothing is printed."""

    difficult = True

    def wrong(self) -> Iterable[bytes]:
        """Each on a connection of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        for number, octets in enumerate(self.wrong()):
            one = await peer.afresh() if number else peer
            await begun(one)
            await one.send(octets)
            try:
                await one.closes(asked=False)
            except Unlike as unlike:
                raise Unlike(f"{unlike.expected} after {octets.hex(' ')}", unlike.came) from None
        await peer.program.nothing()


class ReservedBitsOfFlags(Leaves):
    """Bits 3 to 7 of a frame's flags are zero."""

    def wrong(self) -> Iterable[bytes]:
        return [o.frame(b"hi", flags=1 << bit) for bit in range(3, 8)]


class MoreOnACommand(Leaves):
    """A command has no MORE."""

    def wrong(self) -> Iterable[bytes]:
        return [o.command(b"TOMORROW", flags=1), o.command(b"TOMORROW", flags=1, long=True)]


class SizeBeyondAll(Leaves):
    """No frame has 2^63 octets or more."""

    def wrong(self) -> Iterable[bytes]:
        return [o.frame(b"", size=1 << 63), o.frame(b"", size=(1 << 64) - 1)]


# ------------------------------------------------------------------------------------------------------ step 3: READY


class ReadyOctetByOctet(Lesson):
    """READY is a command frame with the property Socket-Type; Identity, and properties of your own, may follow."""

    mechanisms = (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(o.ready(peer.terms.partner))
        frame = await peer.frame("the command READY")
        kind = peer.terms.kind.encode()
        body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
        if frame.octets[:1] == b"\x06":
            raise Unlike("a short frame, 04, for up to 255 octets", shown(frame.octets))
        fields = (
            ("the flags: COMMAND", 1),
            ("the size of the body", 1),
            ("the length of the command's name", 1),
            ("the command's name", 5),
            ("the length of the property's name", 1),
            ("the property's name", 11),
            ("the length of the property's value, four octets", 4),
            ("the property's value", len(kind)),
        )
        expected = bytes([4, len(frame.octets) - 2]) + body
        octet_by_octet(expected, frame.octets[: len(expected)], *fields)
        peer.learn(frame.command()[1])


class ReadyComesFirst(Lesson):
    """READY comes after the greeting, without waiting for the peer's READY."""

    mechanisms = (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.frame("READY after the two greetings, though the peer's READY has not come yet")


class ReadyOfAnotherLength(Lesson):
    """The name READY has the length 5: a command with another length is another command."""

    mechanisms, difficult = (b"NULL",), True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(o.frame(b"\x04READY" + o.metadata(peer.terms.partner), flags=COMMAND))
        await peer.closes(asked=False)


class WrongTypeInCapitals(Lesson):
    """A type that does not fit is refused when the property is called SOCKET-TYPE, too."""

    mechanisms, difficult = (b"NULL",), True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(o.command(b"READY", o.properties((b"SOCKET-TYPE", peer.terms.kind.encode()))))
        await peer.closes(asked=False)


class OnePeerForMessages(Lesson):
    """After the handshake, messages are printed; after the first peer comes a second."""

    async def play(self, peer: Peer) -> None:
        for number in range(2):
            one = await peer.afresh() if number else peer
            await one.handshake()
            await one.send(o.message(b"one", b"two") + o.message(b"l" * 300))
            await prints(one, b"one", b"two")
            await prints(one, b"l" * 300)
            await one.leave()


# ----------------------------------------------------------------------------------------------- step 4: REQ and REP


class RequestOctetByOctet(Lesson):
    """REQ sends an empty frame with MORE, and then the request."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"hi")
        expected = o.message(b"", b"hi")
        came = await whole(peer, len(expected), f"the request {expected.hex(' ')}")
        octet_by_octet(
            expected,
            came,
            ("the flags of the empty frame: MORE", 1),
            ("the size of the empty frame", 1),
            ("the flags of the request", 1),
            ("the size of the request", 1),
            ("the request", 2),
        )


class QuestionsInTurn(Lesson):
    """REQ sends a request, prints the reply, and then reads the next line."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for number in range(3):
            await peer.program.send(b"question %d" % number)
            await peer.message(b"", b"question %d" % number)
            await peer.send(o.message(b"", b"answer %d" % number, b"l" * 300))
            await prints(peer, b"answer %d" % number, b"l" * 300)


class OneRequestAtATime(Lesson):
    """REQ does not send a second request before the reply to the first has come."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"one")
        await peer.program.send(b"two")
        await peer.message(b"", b"one")
        if more := await peer.read_all(QUIET):
            raise Unlike("nothing before the reply", shown(more))
        await peer.send(o.message(b"", b"reply"))
        await prints(peer, b"reply")
        await peer.message(b"", b"two")


class AnswersInTurn(Lesson):
    """REP prints a request without its envelope, reads a line, and sends it as the reply; and then the next."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake("REQ")
        await peer.send(o.message(b"", b"first"), o.message(b"", b"second", b""))
        await prints(peer, b"first")
        await peer.program.send(b"reply", b"to first")
        await peer.message(b"", b"reply", b"to first")
        await prints(peer, b"second", b"")
        await peer.program.send(b"l" * 300)
        await peer.message(b"", b"l" * 300)


# ----------------------------------------------------------------------------------- step 5: many peers, back-pressure

LUMP = 65_536  # octets of a message that fills buffers
MOST = 1024  # of them: far more than the buffers of the system and of a careful program
LUMPS = 256  # of them: more than the buffers of the system
LITTLE = 3000  # little messages after these: more than a queue of 1000 takes
AT_A_TIME = 50  # of them
SECOND = 1.0  # in which attempts are counted
MOST_ATTEMPTS = 25
STUCK = 0.6  # seconds without progress
LONGEST = 20.0  # seconds for a write that is meant to wait


class SilentPeers(Lesson):
    """Peers that stay silent, or stop inside their greeting or READY, do not keep others waiting."""

    async def play(self, peer: Peer) -> None:
        octets = o.greeting() + o.ready(peer.terms.partner)
        for number, count in enumerate((0, 20, 64, 70)):
            one = await peer.another() if number else peer
            await one.send(octets[:count])
        last = await peer.another()
        await last.handshake()
        await last.send(o.message(b"heard"))
        await prints(peer, b"heard")


class FiftyPeers(Lesson):
    """The messages of fifty peers at a time are printed."""

    async def play(self, peer: Peer) -> None:
        peers = [peer] + [await peer.another() for _ in range(49)]
        for one in peers:
            await one.handshake()
        for number, one in enumerate(peers):
            await one.send(o.message(b"%02d" % number))
        lines = sorted([await peer.program.receive() for _ in peers])
        for number, line in enumerate(lines):
            if line != [b"%02d" % number]:
                raise Unlike(f"each of 50 messages once, number {number} too", line_of(line))


class LinesStayWhole(Lesson):
    """Lines of messages that come from several peers at once are not mixed."""

    async def play(self, peer: Peer) -> None:
        peers = [peer] + [await peer.another() for _ in range(3)]
        for one in peers:
            await one.handshake()
        for number, one in enumerate(peers):
            await one.send(o.message(b"%d" % number, b"x" * 500) * 200)
        counts = [0] * len(peers)
        for _ in range(200 * len(peers)):
            line = await peer.program.receive()
            if len(line) != 2 or line[1] != b"x" * 500 or line[0] not in (b"0", b"1", b"2", b"3"):
                raise Unlike("a whole message of one peer", line_of(line))
            counts[int(line[0])] += 1
        if set(counts) != {200}:
            raise Unlike("200 messages of each peer", ", ".join(map(str, counts)))


class AFloodAndAnother(Lesson):
    """While one peer sends without pause, the message of another one is printed, too."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        terms, peer.terms = peer.terms, replace(peer.terms, patience=LONGEST)

        async def flood() -> None:
            while True:
                await peer.send(o.message(b"flood", bytes(1000)) * 50)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await peer.program.receive()
            other = await peer.another()
            other.terms = terms
            await other.handshake()
            await other.send(o.message(b"heard"))
            with trio.move_on_after(2 * terms.patience):
                while await peer.program.receive() != [b"heard"]:
                    peer.record.writes.clear()
                nursery.cancel_scope.cancel()
            if not nursery.cancel_scope.cancel_called:
                raise Unlike("the message of the second peer", "messages of the first one only")


class OneTurnAtATime(Lesson):
    """REP prints the next request after it has read the reply to the one before."""

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        for one in (peer, other):
            await one.handshake("REQ")
        await peer.send(o.message(b"", b"first"))
        await prints(peer, b"first")
        await other.send(o.message(b"", b"second"))
        await peer.program.nothing()
        await peer.program.send(b"to first")
        await peer.message(b"", b"to first")
        await prints(peer, b"second")
        await peer.program.send(b"to second")
        await other.message(b"", b"to second")


class PullWaits(Lesson):
    """If nothing reads its standard output, PULL stops reading from its peers, and loses nothing."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        peer.terms = replace(peer.terms, patience=LONGEST)  # a write that waits is what is looked for
        sent = 0

        async def fill() -> None:
            nonlocal sent
            while sent < MOST:
                await peer.send(o.message(b"%d" % sent, bytes(LUMP)))
                sent += 1
                peer.record.writes.clear()  # nothing of interest, and much

        if await stuck(fill, lambda: sent):
            for number in range(sent):
                line = await peer.program.receive()
                if line != [b"%d" % number, bytes(LUMP)]:
                    raise Unlike(f"message {number} of {sent}", line_of(line))
        else:
            raise Unlike("no more reading while standard output is full", f"{MOST * LUMP >> 20} MB were read")


class PushWaits(Lesson):
    """If its peer does not read, PUSH stops reading lines, and loses nothing."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        given = 0

        async def fill() -> None:
            nonlocal given
            while given < MOST:
                await learner(peer).write(line_for(b"%d" % given, bytes(LUMP)), LONGEST)
                given += 1

        if not await stuck(fill, lambda: given):
            raise Unlike("no more reading of lines while the peer does not read", f"{MOST * LUMP >> 20} MB were read")
        for number in range(given):
            found = await peer.any_message()
            peer.record.writes.clear()
            if found != [b"%d" % number, bytes(LUMP)]:
                raise Unlike(f"message {number} of {given}", line_of(found))


# ----------------------------------------------------------------------------------------------- step 6: PUB and SUB


class NothingUnasked(Lesson):
    """A publisher sends nothing to a peer that has not asked for it."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await stays(peer)
        await peer.program.send(b"ab too early")
        if more := await peer.read_all(QUIET):
            raise Unlike("no message without a subscription", shown(more))
        await peer.send(asks(peer, b"ab"))
        await in_force(peer, b"ab")
        await peer.program.send(b"b")
        await peer.program.send(b"ab")
        await gets(peer, b"ab")


class TwoSubscribers(Lesson):
    """Each of two subscribers gets what it asked for; when one leaves, the other is served."""

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        for one, prefix in ((peer, b"a"), (other, b"b")):
            await one.handshake()
            await one.send(asks(one, prefix))
            await in_force(one, prefix)
        for message in (b"a1", b"b1", b"c1"):
            await peer.program.send(message)
        await gets(peer, b"a1")
        await gets(other, b"b1")
        await peer.leave()
        for message in (b"a2", b"b2"):
            await peer.program.send(message)
        await gets(other, b"b2")


class CountsSubscriptions(Lesson):
    """Two subscriptions to one prefix take two cancellations to undo."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(*(o.message(words) for words in (b"\1ab", b"\1ab", b"\0ab", b"\1z")))
        await in_force(peer, b"z")
        await peer.program.send(b"ab after one")
        await gets(peer, b"ab after one")
        await peer.send(o.message(b"\0ab"), o.message(b"\1y"))
        await in_force(peer, b"y")
        await peer.program.send(b"ab after two")
        await peer.program.send(b"z")
        await gets(peer, b"z")


class AsksOnce(Lesson):
    """SUB asks once for a prefix that its program asked for twice."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for wish in (b"one", b"one", b"two"):
            await peer.program.subscribe(wish)
        for wish in (b"\1one", b"\1two"):
            if (found := await subscription(peer)) != wish:
                raise Unlike(f"the subscription {listed([wish])}", listed([found]))


class SlowSubscriber(Lesson):
    """A subscriber that does not read loses messages; it does not keep others waiting."""

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        for one in (peer, other):
            await one.handshake()
            await one.send(asks(one, b"n"))
            await in_force(one, b"n")
        await reads_nothing(peer, other, lambda number, body: line_for(b"n%d" % number, body))


# ------------------------------------------------------------------------------------------ step 7: ROUTER and DEALER


class NameComesBack(Lesson):
    """A peer that leaves and comes back under its name sends and gets messages on its new connection."""

    async def play(self, peer: Peer) -> None:
        await introduces_itself(peer, b"anna")
        await peer.leave()
        again = await peer.another()
        await introduces_itself(again, b"anna")
        await peer.program.send(b"anna", b"welcome back")
        await again.message(b"welcome back")


class SlowDealer(Lesson):
    """A peer of a ROUTER that does not read does not keep others waiting."""

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        await introduces_itself(peer, b"slow")
        await introduces_itself(other, b"quick")
        await reads_nothing(
            peer,
            other,
            lambda number, body: line_for(b"slow", b"n%d" % number, body) + line_for(b"quick", b"n%d" % number),
        )


class RequestsAndReplies(Lesson):
    """A ROUTER serves REQ: the empty frame of the request is printed, and goes back with the reply."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake("REQ")
        await peer.send(o.message(b"", b"question"))
        name, *frames = await peer.program.receive()
        if frames != [b"", b"question"]:
            raise Unlike('a name, an empty frame, and "question"', line_of([name, *frames]))
        await peer.program.send(name, b"", b"answer")
        await peer.message(b"", b"answer")


# --------------------------------------------------------------------------------------------- step 8: coming back


class ServerComesLater(Lesson):
    """A program that finds no server tries again until there is one."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await stays(peer)


class PausesBetweenAttempts(Lesson):
    """A program whose connections are closed at once waits a moment before each further one."""

    async def play(self, peer: Peer) -> None:
        await peer.close()
        count = 0
        with trio.move_on_after(SECOND):
            while True:
                await (await back(peer)).close()
                count += 1
        if count > MOST_ATTEMPTS:
            raise Unlike(f"at most {MOST_ATTEMPTS} attempts in {SECOND:g} s", str(count))


class MessagesGoOn(Lesson):
    """PUSH sends the next line on the new connection; lines wait as long as there is none."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"one")
        await peer.message(b"one")
        await peer.close()
        second = await back(peer)
        await peer.program.send(b"two")
        await peer.program.send(b"three")
        await learner(peer).has_read(peer.terms.patience / 2)  # it may also read them later
        await trio.sleep(QUIET)  # a program that drops what it has read does so now
        await second.handshake()
        await second.message(b"two")
        await second.message(b"three")


class SubscribesAgain(Lesson):
    """SUB asks for its prefixes on each new connection, and for no others."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for wish in (b"\1one", b"\1two", b"\0one", b"\1three"):
            await peer.program.send(wish)
            if (found := await subscription(peer)) != wish:
                raise Unlike(f"the subscription {listed([wish])}", listed([found]))
        await peer.close()
        second = await back(peer)
        await second.handshake()
        both = sorted([await subscription(second) for _ in range(2)])
        if both != [b"\1three", b"\1two"]:
            raise Unlike("the subscriptions to two and three", listed(both))
        await second.send(o.message(b"two!"))
        await prints(second, b"two!")


class AsksAgain(Lesson):
    """REQ asks its next question on the new connection; the answer to the last one does not come any more."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"first")
        await peer.message(b"", b"first")
        await peer.close()
        second = await back(peer)
        await second.handshake()
        await peer.program.send(b"second")
        question = await second.any_message()
        if question == [b"", b"first"]:  # to ask it once more is as good
            await second.send(o.message(b"", b"answer"))
            await prints(second, b"answer")
            question = await second.any_message()
        if question != [b"", b"second"]:
            raise Unlike("the next question", listed(question))
        await second.send(o.message(b"", b"answer"))
        await prints(second, b"answer")


# ----------------------------------------------------------------------------------- step 9: PLAIN and CURVE


class MessagesInBoxes(Lesson):
    """After the handshake messages pass both ways as they do without a mechanism."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"one", b"", b"l" * 300)
        await peer.message(b"one", b"", b"l" * 300)
        if peer.box is None:
            await peer.send(o.message(b"one", b"", b"two"))
        else:
            await peer.send(peer.box.seal(1, b"one"), peer.box.seal(1, b""), peer.box.seal(0, b"two"))
        await prints(peer, b"one", b"", b"two")


class MessagesAfterThePassword(Lesson):
    """After the handshake of PLAIN, messages are printed."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"one", b"two"))
        await prints(peer, b"one", b"two")


class NamesInBoxes(Lesson):
    """A ROUTER reads and writes boxes: the name of its peer comes from INITIATE."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake(metadata=o.metadata("DEALER", identity=b"anna"))
        assert peer.box is not None
        await peer.send(peer.box.seal(1, b"one"), peer.box.seal(1, b""), peer.box.seal(0, b"l" * 300))
        await prints(peer, b"anna", b"one", b"", b"l" * 300)
        await peer.program.send(b"anna", b"back", b"", b"l" * 300)
        await peer.message(b"back", b"", b"l" * 300)


class AsServerIsSet(Lesson):
    """The server of PLAIN or CURVE sets as-server, and the client does not."""

    async def play(self, peer: Peer) -> None:
        octet, right = (await peer.greet())[32], int(peer.terms.serves)
        if octet != right:
            raise Unlike(f"{right:02x} in octet 32 (as-server)", f"{octet:02x}")


# -------------------------------------------------------------------------------------------- step 10: staying alive


class SaysMinorOne(Lesson):
    """The greeting says 3.1."""

    async def play(self, peer: Peer) -> None:
        if (minor := (await peer.greet())[11]) != 1:
            raise Unlike("01 in octet 11 (the minor version)", f"{minor:02x}")


class PingsByItself(Lesson):
    """With ZMTP_HEARTBEAT=200, PING is sent each 200 ms, with a ttl; answers keep the connection open."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        times = []
        for _ in range(4):
            frame = await peer.any_frame()
            name, data = frame.command()
            if name != b"PING" or len(data) < 2:
                raise Unlike("PING with a ttl", shown(frame.octets))
            times.append(trio.current_time())
            await peer.send(o.pong(data[2:]))
        gap = (times[-1] - times[0]) / 3
        if not 0.1 < gap < 0.4:
            raise Unlike("a PING each 0.2 s", f"one each {gap:.3f} s")


class SilenceIsTheEnd(Lesson):
    """With ZMTP_HEARTBEAT=200, the connection to a peer that answers nothing is closed."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.closes(asked=False)


class NoPingToOldPeers(Lesson):
    """A peer of ZMTP 3.0 is sent no PING, because it does not know it."""

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(version=(3, 0)))
        if came := await peer.read_all(2 * QUIET):
            raise Unlike("nothing to a peer of 3.0", shown(came))


# ------------------------------------------------------------------------------------------------- what they have to do


async def whole(peer: Peer, count: int, expected: str) -> bytes:
    """The next octets: count of them, or as many as come. Raises Unlike if none come."""
    try:
        return await peer.read(count)
    except Ended:
        how = "the connection was closed"
    except trio.TooSlowError:
        how = f"nothing in {peer.terms.patience:g} s"
    came = await peer.read_all(0.0)
    if not came:
        raise Unlike(expected, how)
    return came


async def trickle(peer: Peer, octets: bytes) -> None:
    """Send octets in pieces that arrive one by one: the first 64 of them, and then the rest."""
    for i in range(64):
        await peer.send(octets[i : i + 1])
        await trio.sleep(APART)
    if len(octets) > 64:
        await peer.send(octets[64:])


async def stays(peer: Peer) -> None:
    """The connection stays open for a moment."""
    await peer.read_all(QUIET)
    if peer.ended:
        raise Unlike("the connection to stay open", "it was closed")


async def begun(peer: Peer) -> None:
    """Both greetings, and our READY."""
    await peer.greet()
    await peer.send(o.ready(peer.terms.partner))


async def prints(peer: Peer, *frames: bytes) -> None:
    """The next line of the program has these frames."""
    expected = f"the line {line_of(frames)}, on standard output, flushed"
    try:
        found = await peer.program.receive()
    except Unlike as unlike:
        raise Unlike(expected, unlike.came) from None
    if found != list(frames):
        raise Unlike(expected, line_of(found))


def learner(peer: Peer) -> Learner:
    """The program, which can be given more than messages."""
    assert isinstance(peer.program, Learner)
    return peer.program


def line_for(*frames: bytes) -> bytes:
    """A line for the program."""
    return encoded(frames).encode() + b"\n"


async def stuck(fill: Callable[[], Awaitable[None]], count: Callable[[], int]) -> bool:
    """Whether fill makes no more progress before it has ended."""
    done = False

    async def run() -> None:
        nonlocal done
        await fill()
        done = True
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        before = -1
        while before != count():
            before = count()
            await trio.sleep(STUCK)
        nursery.cancel_scope.cancel()
    return not done


async def reads_nothing(slow: Peer, quick: Peer, lines: Callable[[int, bytes], bytes]) -> None:
    """The program gets lines with messages for two peers, of which one does not read: the other one gets each message,
    and the slow one loses some, because its queue has a bound. lines: for a number and a body, which fills buffers."""
    waiting = []
    for number in range(LUMPS + LITTLE):
        await learner(slow).write(lines(number, bytes(LUMP) if number < LUMPS else b""), LONGEST)
        waiting.append(b"n%d" % number)
        if number < LUMPS or len(waiting) == AT_A_TIME:
            for name in waiting:
                await reaches(quick, name)
            waiting.clear()
        quick.record.writes.clear()
    slow.terms = replace(slow.terms, patience=1.0)
    count = 0
    with suppress(Unlike):  # nothing comes any more
        while (await next_message(slow))[0] == b"n%d" % count:
            count += 1
            slow.record.writes.clear()
    if count == LUMPS + LITTLE:
        expected = f"at most 1000 messages in the queue of a peer that does not read, so that some of {count} are lost"
        raise Unlike(expected, "all of them, as soon as it reads")


async def reaches(quick: Peer, name: bytes) -> None:
    """The next message begins with this frame."""
    expected = f"{listed([name])} at once for the peer that reads, while another peer does not"
    frames = await next_message(quick, expected)
    if frames[0] != name:
        raise Unlike(expected, listed(frames))


async def introduces_itself(peer: Peer, name: bytes) -> None:
    """A handshake under a name, and a message, after which a ROUTER knows it."""
    await peer.handshake(metadata=o.metadata("DEALER", identity=name))
    await peer.send(o.message(b"hi"))
    await prints(peer, name, b"hi")


def line_of(frames: Sequence[bytes]) -> str:
    """A line as the program writes it, and its frames in words.

    >>> line_of([b"hi", b""])
    '"6869 -", which is ["hi", ""]'
    """
    words = (f"{word[:16]}…({len(word) // 2} octets)" if len(word) > 32 else word for word in encoded(frames).split())
    return f'"{" ".join(words)}", which is {listed(list(frames))}'
