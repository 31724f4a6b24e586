r"""REQ, REP, DEALER and ROUTER: envelopes on the wire, and which peer gets what.                       RFC 28/REQREP

    REQ     sends and takes       00-frame with MORE, then data        the delimiter and the message
    REP     sends and takes       names with MORE, delimiter, data     the program sees the data alone
    DEALER  sends and takes       what its program does
    ROUTER  its program sees      the name of the peer, then what was on the wire

The program behind the socket has to act in most of these cases: a driver tells it to.

Below this module: `case`. Read next: `pubsub`.
"""

from contextlib import suppress

import trio

from . import octets as o
from .case import Case, Level
from .peer import PONG, QUIET, Peer, Unlike, listed
from .program import DriverError

REQREP = "28/REQREP, "


class RequestHasDelimiter(Case):
    """REQ puts an empty frame in front of its request."""

    number, section, kinds, acts = "28-3", REQREP + '"The REQ Socket Type"', ("REQ",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"one", b"two")
        await peer.message(b"", b"one", b"two")


class ReplyReachesTheProgram(Case):
    """REQ removes the delimiter of a reply and gives the rest to its program."""

    number, section, kinds, acts = "28-2", REQREP + '"The REQ Socket Type"', ("REQ",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"ask")
        await peer.message(b"", b"ask")
        await peer.send(o.message(b"", b"re", b"", b"ply"))
        await receives(peer, b"re", b"", b"ply")


class OnlyThePeerAsked(Case):
    """REQ accepts a reply only from the peer that it asked."""

    number, section, kinds, acts = "28-7", REQREP + '"The REQ Socket Type"', ("REQ",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"ask")
        await peer.message(b"", b"ask")
        other = await peer.another()
        await other.handshake()
        await other.send(o.message(b"", b"unasked"))
        await other.goes_on()
        await peer.send(o.message(b"", b"asked"))
        await receives(peer, b"asked")


class ReplyBeforeTheRequest(Case):
    """REQ drops what came before it asked."""

    number, section, kinds, acts = "28-8", REQREP + '"The REQ Socket Type"', ("REQ",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"", b"early"))
        await peer.goes_on()
        await peer.program.send(b"ask")
        await peer.message(b"", b"ask")
        await peer.send(o.message(b"", b"answer"))
        await receives(peer, b"answer")


class ReplyWithoutDelimiter(Case):
    """REQ does not give a reply without a delimiter to its program."""

    number, section, kinds, acts = "L-33", REQREP + '"The REQ Socket Type"', ("REQ",), True
    difficult = True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"ask")
        await peer.message(b"", b"ask")
        await peer.send(o.message(b"bare"), o.message(b"", b"answer"))
        try:
            await peer.goes_on()
        except Unlike:  # it has closed the connection, and waits for a reply from another
            await peer.program.nothing()
        else:
            await receives(peer, b"answer")


class EnvelopeComesBack(Case):
    """REP keeps the names and the delimiter of a request and puts them in front of its reply."""

    number, section, kinds, acts = "28-16", REQREP + '"The REP Socket Type"', ("REP",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake("DEALER")
        await peer.send(o.message(b"r1", b"r2", b"", b"re", b"quest"))
        await receives(peer, b"re", b"quest")
        await peer.program.send(b"re", b"ply")
        await peer.message(b"r1", b"r2", b"", b"re", b"ply")


class RequestWithoutDelimiter(Case):
    """REP drops a request without a delimiter."""

    number, section, kinds, acts = "28-11", REQREP + '"The REP Socket Type"', ("REP",), True
    difficult = True

    async def play(self, peer: Peer) -> None:
        await peer.handshake("DEALER")
        await peer.send(o.message(b"bare"), o.message(b"", b"request"))
        await receives(peer, b"request")
        await peer.program.send(b"reply")
        await peer.message(b"", b"reply")


class ReplyGoesToTheAsker(Case):
    """REP sends its reply to the peer that asked."""

    number, section, kinds, acts = "28-17", REQREP + '"The REP Socket Type"', ("REP",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake("REQ")
        other = await peer.another()
        await other.handshake("REQ")
        for one in (other, peer, other):
            await one.send(o.message(b"", b"request"))
            await receives(peer, b"request")
            await peer.program.send(b"reply")
            await one.message(b"", b"reply")


class AskerHasGone(Case):
    """REP drops a reply to a peer that has gone, and serves the next."""

    number, section, kinds, acts = "28-18", REQREP + '"The REP Socket Type"', ("REP",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake("REQ")
        await peer.send(o.message(b"", b"request"))
        await receives(peer, b"request")
        await peer.leave()
        await peer.program.send(b"reply")
        other = await peer.another()
        await other.handshake("REQ")
        await other.send(o.message(b"", b"another"))
        await receives(other, b"another")
        await peer.program.send(b"reply")
        await other.message(b"", b"reply")


class DealerChangesNothing(Case):
    """DEALER sends and receives messages unchanged."""

    number, section, kinds, acts = "28-20", REQREP + '"The DEALER Socket Type"', ("DEALER",), True

    async def play(self, peer: Peer) -> None:
        await as_it_is(peer)


class DealerSendsInTurn(Case):
    """DEALER sends to its peers in turn."""

    number, section, kinds, acts = "28-26", REQREP + '"The DEALER Socket Type"', ("DEALER",), True

    async def play(self, peer: Peer) -> None:
        await in_turn(peer)


class DealerReceivesInTurn(Case):
    """DEALER receives from its peers in turn."""

    number, section, kinds, acts = "28-30", REQREP + '"The DEALER Socket Type"', ("DEALER",), True

    async def play(self, peer: Peer) -> None:
        await received_in_turn(peer)


class NameInFront(Case):
    """ROUTER puts the name of the sender in front of what its program gets."""

    number, section, kinds, acts = "28-39", REQREP + '"The ROUTER Socket Type"', ("ROUTER",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake(metadata=o.metadata("DEALER", identity=b"anna"))
        await peer.send(o.message(b"", b"one", b"two"))
        await receives(peer, b"anna", b"", b"one", b"two")


class MadeUpNames(Case):
    """ROUTER gives each peer without a name a name of its own."""

    number, section, kinds, acts = "28-35", REQREP + '"The ROUTER Socket Type"', ("ROUTER",), True

    async def play(self, peer: Peer) -> None:
        other = await peer.another()
        names = set()
        for one in (peer, other):
            await one.handshake("DEALER")
            await one.send(o.message(b"hi"))
            name, *rest = await peer.program.receive()
            if not name or rest != [b"hi"]:
                raise Unlike("a name and hi", listed([name, *rest]))
            names.add(name)
        if len(names) < 2:
            raise Unlike("two names", listed(list(names)))


class GoesByTheName(Case):
    """ROUTER sends a message to the peer that its first frame names, without that frame."""

    number, section, kinds, acts = "28-41", REQREP + '"The ROUTER Socket Type"', ("ROUTER",), True

    async def play(self, peer: Peer) -> None:
        bert = await introduced(peer, b"bert")
        await greets(peer, b"anna")
        await peer.program.send(b"anna", b"to", b"anna")
        await peer.program.send(b"bert", b"to", b"bert")
        await peer.message(b"to", b"anna")
        await bert.message(b"to", b"bert")


class UnknownName(Case):
    """ROUTER drops a message for an unknown peer, or reports an error to its program."""

    number, section, kinds, acts = "28-43", REQREP + '"The ROUTER Socket Type"', ("ROUTER",), True

    async def play(self, peer: Peer) -> None:
        await greets(peer, b"anna")
        with suppress(DriverError):
            await peer.program.send(b"carl", b"to carl")
        await peer.program.send(b"anna", b"to anna")
        await peer.message(b"to anna")


class TakenName(Case):
    """Of two peers with one name, ROUTER keeps the first and ignores the second."""

    number, section, kinds, acts = "L-28", REQREP + '"The ROUTER Socket Type"', ("ROUTER",), True
    level, difficult = Level.LIBZMQ, True

    async def play(self, peer: Peer) -> None:
        await greets(peer, b"anna")
        second = await peer.another()
        await second.handshake(metadata=o.metadata("DEALER", identity=b"anna"))
        await second.send(o.message(b"from the second"))
        await second.goes_on()
        await peer.send(o.message(b"from the first"))
        await receives(peer, b"anna", b"from the first")


class RouterReceivesInTurn(Case):
    """ROUTER receives from its peers in turn."""

    number, section, kinds, acts = "28-38", REQREP + '"The ROUTER Socket Type"', ("ROUTER",), True

    async def play(self, peer: Peer) -> None:
        await received_in_turn(peer)


# ---------------------------------------------------------------------------------------- what several types have to do


async def receives(peer: Peer, *frames: bytes) -> None:
    """The next message of the program has these frames."""
    expected = f"the message {listed(frames)} for the program"
    try:
        found = await peer.program.receive()
    except Unlike as unlike:
        raise Unlike(expected, unlike.came) from None
    if found != list(frames):
        raise Unlike(expected, listed(found))


async def as_it_is(peer: Peer) -> None:
    """Messages pass in both directions unchanged, frame by frame."""
    frames = (b"\x09a", b"", b"\0\xff", b"x" * 256)
    await peer.handshake()
    await peer.send(o.message(*frames))
    found = await peer.program.receive()
    if found[-4:] != list(frames):
        raise Unlike(listed(frames), listed(found))
    await peer.program.send(*frames)
    await peer.message(*frames)


async def in_turn(peer: Peer) -> None:
    """Of six messages, two peers get some each, each in order."""
    await peer.handshake()
    other = await peer.another()
    await other.handshake()
    for one in (peer, other):
        await one.goes_on()
    for i in range(6):
        await peer.program.send(b"%d" % i)
    counts = [await _some(one) for one in (peer, other)]
    if not all(counts) or sorted(counts[0] + counts[1]) != [b"%d" % i for i in range(6)]:
        raise Unlike("six messages, some at each of two peers", " and ".join(listed(each) for each in counts))
    for each in counts:
        if each != sorted(each):
            raise Unlike("messages in order", listed(each))


async def _some(peer: Peer) -> list[bytes]:
    """All messages of one frame that have come to a peer: a PONG comes after them, or silence."""
    if peer.terms.answers_ping:
        await peer.ask()
    found: list[bytes] = []
    with suppress(trio.TooSlowError):
        while (frame := await peer.any_frame(None if peer.terms.answers_ping else QUIET)).body != PONG:
            if not frame.is_command:
                found.append(frame.body)
    return found


async def received_in_turn(peer: Peer) -> None:
    """Of two peers that have sent ten messages each, neither is kept waiting: the program gets some of each among the
    first five, or all in the order in which they came."""
    await peer.handshake()
    other = await peer.another()
    await other.handshake()
    for one, text in ((peer, b"a"), (other, b"b")):
        await one.send(o.message(text) * 10)
        await one.goes_on()
    found = [(await peer.program.receive())[-1] for _ in range(20)]
    if sorted(found) != [b"a"] * 10 + [b"b"] * 10:
        raise Unlike("ten messages of each peer", listed(found))
    if set(found[:5]) == {b"b"}:
        raise Unlike("some of each peer among the first five, or the order in which they came", listed(found))


async def greets(peer: Peer, name: bytes) -> None:
    """A handshake under a name, and a message, after which a ROUTER knows it."""
    await peer.handshake(metadata=o.metadata("DEALER", identity=name))
    await peer.send(o.message(b"hi"))
    await receives(peer, name, b"hi")


async def introduced(peer: Peer, name: bytes) -> Peer:
    """Another peer, which a ROUTER knows by this name."""
    other = await peer.another()
    await greets(other, name)
    return other
