r"""The greeting: 64 octets each way, and which of them matter.                37/ZMTP 3.1, "Version Negotiation"

    ff | padding 8 | 7f | version 2 | mechanism 20 | as-server 1 | filler 31

The careful peer sends what the RFC draws, in one write or in many. The difficult one claims another mechanism, an older
version, or speaks HTTP. A peer that speaks ZMTP 1.0 or 2.0 as well may go on in that version, so two cases accept
either. Each case is a connection of its own, and most of them end before any command.

Below this module: `case`. Read next: `framing`.
"""

import re

from . import octets as o
from .case import Case, Level
from .peer import QUIET, Departure, Peer, Unlike, shown

VERSIONS = '37/ZMTP 3.1, "Version Negotiation"'
MECHANISMS = '37/ZMTP 3.1, "Authentication and Confidentiality"'
ANY = (b"NULL", b"PLAIN", b"CURVE")


class GreetingIsSentAtOnce(Case):
    """A socket without support for ZMTP 1.0 and 2.0 sends its whole greeting at once."""

    number, section = "37-80", '37/ZMTP 3.1, "Backwards Interoperability"'
    level, mechanisms = Level.SHOULD, ANY

    async def play(self, peer: Peer) -> None:
        came = await peer.read_all(QUIET)
        if len(came) in (10, 11):
            raise Departure("sends the signature, and the rest when it has read ours, because it also speaks ZMTP 2.0")
        if len(came) < 64:
            raise Unlike("64 octets before any of ours", shown(came) or "nothing")


class VersionComesBeforeOurs(Case):
    """A peer that has sent 11 octets, up to the major version, is sent 11 octets."""

    number, section, mechanisms = "37-2", VERSIONS, ANY

    async def play(self, peer: Peer) -> None:
        await peer.send(o.greeting(peer.terms.mechanism)[:11])
        came = await peer.read_all(QUIET)
        if len(came) < 11:
            raise Unlike("at least 11 octets", shown(came) or "nothing")


class GreetingIsAnswered(Case):
    """A peer that has sent a whole greeting is sent a whole greeting."""

    number, section, mechanisms = "37-10", MECHANISMS, ANY

    async def play(self, peer: Peer) -> None:
        await peer.greet()


class PaddingIsZeros(Case):
    """The padding of the signature is zeros."""

    number, section = "37-3", VERSIONS
    level, mechanisms = Level.SHOULD, ANY

    async def play(self, peer: Peer) -> None:
        padding = (await peer.greet())[1:9]
        if padding[:6] == bytes(6) and 1 <= int.from_bytes(padding) <= 256:
            raise Departure("writes the length of its identity plus one there, which ZMTP 1.0 peers read")
        if any(padding):
            raise Unlike("eight zeros", shown(padding))


class MechanismIsPadded(Case):
    """The mechanism is capitals, digits and marks, filled up with nulls to 20 octets."""

    number, section, mechanisms = "37-9", MECHANISMS, ANY

    async def play(self, peer: Peer) -> None:
        field = (await peer.greet())[12:32]
        if not re.fullmatch(rb"[A-Z0-9][A-Z0-9._+-]*\0*", field):
            raise Unlike("a name and nulls", shown(field))


class AsServerIsZero(Case):
    """With NULL, as-server is zero."""

    number, section, mechanisms = "37-13", '37/ZMTP 3.1, "The NULL Security Mechanism"', (b"NULL",)

    async def play(self, peer: Peer) -> None:
        octet = (await peer.greet())[32]
        if octet:
            raise Unlike("00 in octet 32", f"{octet:02x}")


class FillerIsZeros(Case):
    """The last 31 octets of the greeting are zeros."""

    number, section, mechanisms = "37-1", '37/ZMTP 3.1, "Formal Grammar"', ANY

    async def play(self, peer: Peer) -> None:
        filler = (await peer.greet())[33:]
        if any(filler):
            raise Unlike("31 zeros", shown(filler))


class GreetingInPieces(Case):
    """A greeting may come in 64 writes."""

    number, section, mechanisms = "37-10", MECHANISMS, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        whole = o.greeting()
        await peer.send(*(whole[i : i + 1] for i in range(64)))
        await peer.greeting()
        await peer.send(o.ready(peer.terms.partner))
        await peer.command(b"READY")


class GreetingAndReadyTogether(Case):
    """A greeting and READY may come in one write."""

    number, section, mechanisms = "37-29", '37/ZMTP 3.1, "The NULL Security Mechanism"', (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.send(o.greeting() + o.ready(peer.terms.partner))
        await peer.greeting()
        await peer.command(b"READY")


class PaddingIsNotRead(Case):
    """A peer's padding may hold anything."""

    number, section = "37-4", VERSIONS

    async def play(self, peer: Peer) -> None:
        as_server = peer.terms.mechanism != b"NULL" and not peer.terms.serves
        await peer.handshake(greeting=o.greeting(peer.terms.mechanism, padding=b"\x5a" * 8, as_server=as_server))


class NewerMajorVersion(Case):
    """A peer of version 4.0 is answered in 3.1."""

    number, section, mechanisms = "37-5", VERSIONS, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(version=(4, 0)))


class NewerMinorVersion(Case):
    """A peer of version 3.9 is answered in 3.1."""

    number, section, mechanisms = "37-6", VERSIONS, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(version=(3, 9)))


class OlderMinorVersion(Case):
    """A peer of version 3.0 is accepted."""

    number, section, mechanisms = "37-28", '23/ZMTP 3.0, "Version Negotiation"', (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(version=(3, 0)))


class AsServerIsNotRead(Case):
    """With NULL, a peer that sets as-server is accepted."""

    number, section = "37-8", '37/ZMTP 3.1, "Topology"'
    level, mechanisms, difficult = Level.LIBZMQ, (b"NULL",), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake(greeting=o.greeting(as_server=1))


class OtherMechanism(Case):
    """The connection to a peer with another mechanism is closed."""

    number, section, mechanisms, difficult = "37-11", MECHANISMS, ANY, True

    async def play(self, peer: Peer) -> None:
        ours = peer.terms.mechanism
        await peer.send(o.greeting(b"GSSAPI" if ours == b"NULL" else b"NULL"))
        await peer.closes(asked=False)


class AlmostTheMechanism(Case):
    """The names of mechanisms are compared whole: all 20 octets, and capitals count."""

    number, section, mechanisms, difficult = "37-11", MECHANISMS, ANY, True

    async def play(self, peer: Peer) -> None:
        ours = peer.terms.mechanism
        for number, name in enumerate((ours.lower(), ours + b"\0X", ours + b"S")):
            one = await peer.afresh() if number else peer
            await one.send(o.greeting(name))
            await one.closes(asked=False)


class OldVersion(Case):
    """The connection to a peer of ZMTP 2.0 is closed, or goes on in 2.0."""

    number, section, mechanisms, difficult = "37-7", VERSIONS, (b"NULL",), True
    first = o.greeting()[:10] + b"\x01\x05\x00\x00"  # version 2.0, a DEALER without identity

    async def play(self, peer: Peer) -> None:
        await peer.send(self.first)
        came = await peer.read_all(peer.terms.patience)
        if not peer.ended and (len(came) <= 11 or came[12:16] == peer.terms.mechanism[:4]):
            raise Unlike("the end of the connection, or an answer of that version", shown(came) or "nothing")


class OldestVersion(OldVersion):
    """The connection to a peer of ZMTP 1.0 is closed, or goes on in 1.0."""

    number = "37-7"
    first = b"\x01\x00"  # a frame of one octet, the flags: no identity

    async def play(self, peer: Peer) -> None:
        await peer.send(self.first)
        came = await peer.read_all(peer.terms.patience)
        if not peer.ended and len(came) in (0, 11, 64):
            raise Unlike("the end of the connection, or an answer of that version", shown(came) or "nothing")


class NoDowngrade(Case):
    """With a mechanism other than NULL, the connection to a peer of ZMTP 2.0 is closed at once."""

    number, section = "37-81", '37/ZMTP 3.1, "Detecting ZMTP 1.0 and 2.0 Peers"'
    mechanisms, difficult = (b"PLAIN", b"CURVE"), True

    async def play(self, peer: Peer) -> None:
        await peer.send(OldVersion.first)
        await peer.closes(asked=False)


class OtherProtocol(Case):
    """The connection to a peer that speaks HTTP is closed."""

    number, section = "37-7", VERSIONS
    level, mechanisms, difficult = Level.SHOULD, ANY, True

    async def play(self, peer: Peer) -> None:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await peer.closes(
            libzmq="takes the first letter for the length of a frame of ZMTP 1.0 and waits for it", asked=False
        )


class LeavesInsideTheGreeting(Case):
    """After a peer has gone inside its greeting, the next one is answered."""

    number, section, mechanisms = "37-17", '37/ZMTP 3.1, "Error Handling"', ANY

    async def play(self, peer: Peer) -> None:
        await peer.send(o.greeting(peer.terms.mechanism)[:20])
        await peer.leave()
        await (await peer.afresh()).greet()
