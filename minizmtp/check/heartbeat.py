r"""Heartbeats: PING, PONG, and how long silence may last.                37/ZMTP 3.1, "Connection Heartbeating"

    04 size 04 "PING" ttl(2, tenths of a second) context(0 to 16)      answered with      04 size 04 "PONG" context

In the last cases the other side's own heartbeats are on, with an interval of 0.1 s: a driver's socket is made so.

These rules are about time, so their cases wait: up to a second and a half, of which others are played meanwhile. Where
the other side has to close after a ttl of 0.3 s, it has the patience of the check to do so.

Below this module: `case`. Read next: `reqrep`.
"""

from collections.abc import Iterable

import trio

from . import octets as o
from .case import INTERVAL, Accepted, Case, Level
from .peer import Ended, Peer, Unlike, back, named, shown

HEARTBEATS = '37/ZMTP 3.1, "Connection Heartbeating"'


class PingIsAnswered(Case):
    """PING is answered with PONG and the same context."""

    number, section, minor = "37-68", HEARTBEATS, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for context in (b"", b"c", b"\0\xff", b"sixteen octets!!"):
            await peer.send(o.ping(context=context))
            frame = await answer(peer)
            if frame != o.pong(context):
                raise Unlike(f"PONG {shown(o.pong(context))}", shown(frame))


class ManyPings(Case):
    """Each of several PINGs is answered, in order."""

    number, section, minor = "37-68", HEARTBEATS, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        contexts = [bytes([65 + i]) for i in range(5)]
        await peer.send(b"".join(o.ping(context=context) for context in contexts))
        for context in contexts:
            frame = await answer(peer)
            if frame != o.pong(context):
                raise Unlike(f"PONG {shown(o.pong(context))}", shown(frame))


class PingInsideAMessage(Case):
    """PING is answered at once, even between two frames of a message."""

    number, section, minor = "37-68", HEARTBEATS, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.frame(b"", more=True) + o.ping(context=b"inside"))
        frame = await answer(peer)
        if frame != o.pong(b"inside"):
            raise Unlike(f"PONG {shown(o.pong(b'inside'))}", shown(frame))
        await peer.send(o.frame(b"\x09hi"))
        await peer.goes_on()


class LongContext(Case):
    """The context in a PONG has at most 16 octets; a PING with more may be refused."""

    number, section, minor, difficult = "37-69", HEARTBEATS, 1, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.ping(context=b"c" * 20))
        try:
            frame = await peer.any_frame()
        except (Ended, trio.TooSlowError):
            return
        if frame.command()[0] == b"PONG" and len(frame.command()[1]) > 16:
            raise Unlike("at most 16 octets", shown(frame.octets))


class PongUnasked(Accepted):
    """A PONG without a PING is ignored."""

    number, section, minor = "37-79", HEARTBEATS, 1

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield o.pong() + o.pong(b"context")


class TtlRunsOut(Case):
    """The connection to a peer that is silent for its ttl is closed."""

    number, section, level, minor = "37-76", HEARTBEATS, Level.SHOULD, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.ping(ttl=3))
        await peer.closes(asked=False)


class TtlAfterOtherTraffic(Case):
    """A ttl counts from the last octet of any kind."""

    number, section, level, minor = "37-73", HEARTBEATS, Level.SHOULD, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.ping(ttl=3))
        await peer.send(o.pong())
        await peer.closes("forgets the ttl at the next frame, until the next PING", asked=False)


class TrafficIsLife(Case):
    """Any traffic starts a ttl anew: here a PONG each 0.3 s, with a ttl of 1 s."""

    number, section, level, minor = "37-73", HEARTBEATS, Level.SHOULD, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.ping(ttl=10))
        for _ in range(5):
            await trio.sleep(0.3)
            await peer.send(o.pong())
        await peer.goes_on()


class NoTtl(Case):
    """A ttl of zero sets no limit."""

    number, section, minor = "37-71", HEARTBEATS, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.ping(ttl=0))
        await trio.sleep(0.5)
        await peer.goes_on()


class LongTtl(Case):
    """A ttl may be up to 6553.5 s: here 65.6 s."""

    number, section, minor = "37-72", HEARTBEATS, 1

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(o.ping(ttl=656))
        await trio.sleep(0.5)
        await peer.goes_on("counts milliseconds in 16 bits, so 65.6 s are 64 ms")


class Beating(Case):
    """A case for a socket that sends heartbeats: a driver makes one; otherwise it has to be told by --heartbeat."""

    section, minor, beats = HEARTBEATS, 1, True


class PingIsSent(Beating):
    """A socket with heartbeats sends PING with a ttl and at most 16 octets of context."""

    number = "37-67"

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        data = await next_ping(peer)
        if not 2 <= len(data) <= 18:
            raise Unlike("a ttl of two octets and at most 16 octets behind it", shown(data) or "nothing behind PING")


class NoPingBeforeReady(Beating):
    """A socket with heartbeats sends no PING before READY has come."""

    number, mechanisms = "37-66", (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        with trio.move_on_after(5 * INTERVAL):
            while True:
                frame = await peer.any_frame(float("inf"))
                if frame.is_command and frame.command()[0] == b"PING":
                    raise Unlike("no PING before our READY", named(frame))
        await peer.send(o.ready(peer.terms.partner))
        await next_ping(peer)


class PeerThatAnswersIsKept(Beating):
    """A peer that answers each PING with PONG is kept."""

    number = "37-73"

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for _ in range(5):
            await peer.send(o.pong((await next_ping(peer))[2:]))
        await peer.goes_on()


class SilentPeerIsDropped(Beating):
    """The connection to a peer that answers no PING, and sends nothing else, is closed."""

    number = "37-75"

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.closes(asked=False)


class ComesBackAfterSilence(Beating):
    """A socket that connects dials again after it has dropped a silent peer."""

    number, dials = "37-77", True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.closes(asked=False)
        await (await back(peer)).handshake()


async def next_ping(peer: Peer) -> bytes:
    """The data of the next PING; other commands are passed over."""
    expected = "the command PING"
    try:
        while True:
            frame = await peer.any_frame()
            if frame.is_command and frame.command()[0] == b"PING":
                return frame.command()[1]
    except Ended:
        raise Unlike(expected, "the connection was closed") from None
    except trio.TooSlowError:
        raise Unlike(expected, f"none in {peer.terms.patience:g} s") from None


async def answer(peer: Peer) -> bytes:
    """The next frame, which has to be a PONG, with its header."""
    expected = "the command PONG"
    try:
        while True:
            frame = await peer.any_frame()
            if not frame.is_command or frame.command()[0] not in (b"SUBSCRIBE", b"CANCEL"):
                break
    except Ended:
        raise Unlike(expected, "the connection was closed") from None
    except trio.TooSlowError:
        raise Unlike(expected, f"nothing in {peer.terms.patience:g} s") from None
    if not frame.is_command or frame.command()[0] != b"PONG":
        raise Unlike(expected, named(frame))
    return frame.octets
