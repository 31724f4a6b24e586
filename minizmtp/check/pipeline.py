r"""PUSH, PULL and PAIR, and what every message has to bear: order, wholeness, size.         RFC 30/PIPELINE, 31/EXPAIR

These types add nothing to a message, so they show best what the protocol promises about each: it comes whole or not at
all, it comes once, and messages of one peer come in order. A peer that leaves inside a message leaves nothing behind.

Below this module: `case`, `reqrep`. Read next: `dialling`.
"""

import trio

from . import octets as o
from .case import Case, Level
from .peer import QUIET, Ended, Peer, Unlike, listed, named, shown
from .reqrep import as_it_is, in_turn, received_in_turn, receives

PIPELINE, EXPAIR = "30/PIPELINE, ", "31/EXPAIR, "
SIZES = (0, 1, 255, 256, 8192, 65_535, 65_536, 1_048_576)


class PushChangesNothing(Case):
    """PUSH sends messages unchanged."""

    number, section, kinds, acts = "30-2", PIPELINE + '"The PUSH Socket Type"', ("PUSH",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.program.send(b"\x01a", b"", b"\0\xff", b"x" * 256)
        await peer.message(b"\x01a", b"", b"\0\xff", b"x" * 256)


class PushSendsInTurn(Case):
    """PUSH sends to its peers in turn."""

    number, section, kinds, acts = "30-8", PIPELINE + '"The PUSH Socket Type"', ("PUSH",), True

    async def play(self, peer: Peer) -> None:
        await in_turn(peer)


class PullChangesNothing(Case):
    """PULL passes messages to its program unchanged."""

    number, section, kinds, acts = "30-13", PIPELINE + '"The PULL Socket Type"', ("PULL",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"\x01a", b"", b"\0\xff", b"x" * 256))
        await receives(peer, b"\x01a", b"", b"\0\xff", b"x" * 256)


class PullReceivesInTurn(Case):
    """PULL receives from its peers in turn."""

    number, section, kinds, acts = "30-18", PIPELINE + '"The PULL Socket Type"', ("PULL",), True

    async def play(self, peer: Peer) -> None:
        await received_in_turn(peer)


class WhatCameBeforeTheEnd(Case):
    """PULL passes on complete messages of a peer that has gone."""

    number, section, kinds, acts = "L-9", PIPELINE + '"The PULL Socket Type"', ("PULL",), True
    level = Level.LIBZMQ

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"one") + o.message(b"two"))
        await peer.leave()
        await receives(peer, b"one")
        await receives(peer, b"two")


class HalfAMessage(Case):
    """Of a message whose sender goes before the last frame, the program gets nothing."""

    number, section, acts = "37-27", '37/ZMTP 3.1, "Messages"', True
    kinds = ("PULL", "DEALER")

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.frame(b"half", more=True) + o.frame(b"of", more=True))
        await peer.goes_on()
        await peer.leave()
        other = await peer.another()
        await other.handshake()
        await other.send(o.message(b"whole"))
        await receives(other, b"whole")


class CommandInsideAMessage(Case):
    """Commands between the frames of a message do not change it."""

    number, section, acts, minor = "L-12", '37/ZMTP 3.1, "Messages"', True, 1
    kinds = ("PULL", "DEALER", "PAIR")

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.frame(b"one", more=True) + o.ping() + o.frame(b"two", more=True) + o.pong() + o.frame(b"end"))
        await receives(peer, b"one", b"two", b"end")


class ReceivesInOrder(Case):
    """Messages of one peer reach the program in order, and once each."""

    number, section, acts = "37-55", '37/ZMTP 3.1, "Socket Semantics"', True
    kinds = ("PULL", "DEALER", "PAIR")

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        numbers = [b"%d" % i for i in range(200)]
        await peer.send(b"".join(map(o.message, numbers)))
        for number in numbers:
            await receives(peer, number)


class SendsInOrder(Case):
    """Messages reach a peer in order, and once each."""

    number, section, acts = "37-54", '37/ZMTP 3.1, "Socket Semantics"', True
    kinds = ("PUSH", "DEALER", "PAIR")

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        numbers = [b"%d" % i for i in range(200)]
        for number in numbers:
            await peer.program.send(number)
        for number in numbers:
            await peer.message(number)


class ReceivesEverySize(Case):
    """Frames of every size class come through: to the socket."""

    number, section, acts = "37-23", '37/ZMTP 3.1, "Framing"', True
    kinds = ("PULL", "DEALER", "PAIR")

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for size in SIZES:
            await peer.send(o.message(b"s" * size))
            found = await peer.program.receive()
            if found != [b"s" * size]:
                raise Unlike(f"{size:,} octets", " and ".join(f"{len(each):,}" for each in found))


class SendsEverySize(Case):
    """Frames of every size class are sent in the right form: short up to 255 octets, long above."""

    number, section, acts = "37-24", '37/ZMTP 3.1, "Framing"', True
    kinds = ("PUSH", "DEALER", "PAIR")

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for size in SIZES:
            await peer.program.send(b"s" * size)
            frame = await peer.frame()
            if frame.body != b"s" * size or frame.is_command:
                raise Unlike(f"{size:,} octets in one frame", f"{len(frame.body):,} octets: {shown(frame.octets, 12)}")
            if size < 256 and len(frame.octets) > size + 2:
                raise Unlike("a short frame", shown(frame.octets, 12))


class NoMessageBeforeReady(Case):
    """No message is sent before the other's READY has come."""

    number, section, acts = "37-33", '37/ZMTP 3.1, "The NULL Security Mechanism"', True
    kinds, mechanisms = ("PUSH", "DEALER", "PAIR"), (b"NULL",)

    async def play(self, peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            await peer.greet()
            nursery.start_soon(peer.program.send, b"hi")
            try:
                while True:
                    frame = await peer.any_frame(QUIET)
                    if not frame.is_command:
                        raise Unlike("no message before READY", named(frame))
            except (trio.TooSlowError, Ended):
                pass
            await peer.send(o.ready(peer.terms.partner))
        found = await peer.any_message()
        if found != [b"hi"]:
            raise Unlike("the message hi", listed(found))


class PairChangesNothing(Case):
    """PAIR sends and receives messages unchanged."""

    number, section, kinds, acts = "31-2", EXPAIR + '"The PAIR Socket Type"', ("PAIR",), True

    async def play(self, peer: Peer) -> None:
        await as_it_is(peer)


class OnePeerAtATime(Case):
    """PAIR has one peer at a time: messages of a second one are not received."""

    number, section, kinds, acts = "31-1", EXPAIR + '"The PAIR Socket Type"', ("PAIR",), True
    dials = False

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"one"))
        await receives(peer, b"one")
        second = await peer.another()
        try:
            await second.handshake()
            await second.send(o.message(b"from the second"))
            await second.goes_on()
        except Unlike:
            pass  # it has been sent away, which is as good
        await peer.send(o.message(b"two"))
        await receives(peer, b"two")


class NextPair(Case):
    """When the peer of a PAIR has gone, another can take its place."""

    number, section, kinds, acts = "31-5", EXPAIR + '"The PAIR Socket Type"', ("PAIR",), True
    dials = False

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.message(b"one"))
        await receives(peer, b"one")
        await peer.leave()
        # The socket may need a moment to see that the first has gone, and sends the next away until then.
        deadline = trio.current_time() + peer.terms.patience
        while True:
            second = await peer.another()
            try:
                await second.handshake()
                await second.send(o.message(b"two"))
                await second.goes_on()
                found = await peer.program.receive(QUIET)
            except Unlike:
                if trio.current_time() > deadline:
                    raise
                await second.leave()
                await trio.sleep(0.05)
            else:
                break
        if found != [b"two"]:
            raise Unlike("the message two", listed(found))
