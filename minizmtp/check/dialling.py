r"""Dialling: a socket that connects comes back after bad luck, and stays away after a refusal.

    the connection was closed     bad luck: dial again in a moment       37/ZMTP 3.1, "Error Handling"
    ERROR in the handshake        a refusal: do not come back
    a rule was broken             libzmq does not come back either

These cases are for a socket that connects (`--listen`, or a driver). "Does not come back" takes a second, because
nothing else can show it.

Below this module: `case`. Read next: `plain`.
"""

import trio

from . import octets as o
from .case import Case, Level
from .peer import Peer, Unlike, Unreachable, back

ERRORS = '37/ZMTP 3.1, "Error Handling"'
AWAY = 1.0  # seconds without a connection that show that it stays away


class ComesBackAfterAClose(Case):
    """A connection that was closed is made again."""

    number, section, dials = "37-18", ERRORS, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.close()
        again = await back(peer)
        await again.handshake()
        await again.goes_on()


class ComesBackInTheHandshake(Case):
    """A connection that was closed in the handshake is made again."""

    number, section, dials = "37-17", ERRORS, True

    async def play(self, peer: Peer) -> None:
        await peer.close()
        second = await back(peer)
        await second.greet()
        await second.close()
        third = await back(peer)
        await third.handshake()
        await third.goes_on()


class StaysAwayAfterAnError(Case):
    """A socket that was refused by ERROR does not dial again."""

    number, section, dials, mechanisms = "37-15", ERRORS, True, (b"NULL",)
    difficult = True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.command(b"READY")
        await peer.send(o.error(b"no"))
        await peer.closes(asked=False)
        await away(peer)


class StaysAwayFromTheWrongType(Case):
    """A socket whose peer broke a rule does not dial again."""

    number, section, dials, mechanisms = "L-20", ERRORS, True, (b"NULL",)
    level, difficult = Level.LIBZMQ, True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.command(b"READY")
        await peer.send(o.ready("STRANGE"))
        await peer.closes(asked=False)
        await away(peer)


async def away(peer: Peer) -> None:
    """There is no other connection."""
    with trio.move_on_after(AWAY):
        try:
            await peer.again()
        except Unreachable:
            return
        raise Unlike("no other connection", "one")
