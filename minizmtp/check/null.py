r"""NULL: READY from both sides, and the metadata in it.                 37/ZMTP 3.1, "The NULL Security Mechanism"

    READY = 04 size 05 "READY" then properties: name length, name, value length (4 octets), value

The careful peer writes READY in any way that the grammar allows. The difficult one breaks the metadata, claims a socket
type that does not fit, or says something else before READY. The handshake ends with READY from the other side, and a
PONG shows that the connection is in use.

Below this module: `case`. Read next: `heartbeat`.
"""

from collections.abc import Iterable

from ..constants import CLASSIC, PEERS, SocketType
from . import octets as o
from .case import AcceptedReady, Case, Level, RefusedReady
from .peer import Departure, Ended, Peer, Unlike, named, shown

NULL = '37/ZMTP 3.1, "The NULL Security Mechanism"'
METADATA = '37/ZMTP 3.1, "Connection Metadata"'
TYPES = '37/ZMTP 3.1, "The Socket-Type Property"'
ERRORS = '37/ZMTP 3.1, "Error Handling"'


class ReadyIsAnswered(Case):
    """A right READY is answered with READY."""

    number, section, mechanisms = "37-32", NULL, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.goes_on()


class ClientSpeaksFirst(Case):
    """A socket that connects sends READY without waiting for the other's."""

    number, section, mechanisms, dials = "37-29", NULL, (b"NULL",), True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.command(b"READY")


class ServerSpeaksToo(Case):
    """A socket that binds sends READY without waiting for the other's, as in ZMTP 3.0."""

    number, section, mechanisms, dials = "37-30", NULL, (b"NULL",), False
    level = Level.LIBZMQ

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.command(b"READY")


class SaysItsType(Case):
    """READY says the socket's type."""

    number, section, level, mechanisms = "37-41", METADATA, Level.SHOULD, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        if b"socket-type" not in await peer.handshake():
            raise Unlike("a Socket-Type", "none")


class TypeIsOneOfTheList(Case):
    """Socket-Type is one of the names that the RFC lists, in capitals."""

    number, section, mechanisms = "37-43", TYPES, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        kind = (await peer.handshake()).get(b"socket-type")
        if kind is not None and kind.decode("latin-1") not in SocketType.__members__:
            raise Unlike("a type of the list", shown(kind))


class IdentityIsShort(Case):
    """An Identity has at most 255 octets and does not begin with a zero."""

    number, section, mechanisms = "37-47", '37/ZMTP 3.1, "The Identity Property"', (b"NULL",)

    async def play(self, peer: Peer) -> None:
        identity = (await peer.handshake()).get(b"identity", b"")
        if len(identity) > 255 or identity[:1] == b"\0":
            raise Unlike("at most 255 octets without a zero in front", shown(identity))


class AllPartnersFit(Case):
    """Each type that fits is accepted."""

    number, section, level, mechanisms = "37-44", TYPES, Level.MUST, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        fitting = sorted(kind.name for kind in PEERS[SocketType[peer.terms.kind]])
        for number, kind in enumerate(fitting):
            one = await peer.afresh() if number else peer
            await one.handshake(kind)
            await one.goes_on()
            await one.leave()


class ReadyInPieces(AcceptedReady):
    """READY may come one octet at a time."""

    number, section = "37-32", NULL

    def pieces(self, partner: str) -> Iterable[bytes]:
        octets = o.ready(partner)
        return (octets[i : i + 1] for i in range(len(octets)))


class LongReady(AcceptedReady):
    """READY may come in a long frame."""

    number, section = "37-25", '37/ZMTP 3.1, "Commands"'

    def pieces(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner, long=True)


class OtherProperties(AcceptedReady):
    """Unknown properties are ignored: those of applications (X-…), and Resource."""

    number, section = "37-42", METADATA

    def pieces(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner, (b"X-Hello", b"world"), (b"X-Empty", b""), (b"Resource", b"a/b"))


class LargeReady(AcceptedReady):
    """READY may have more than 255 octets."""

    number, section = "37-36", NULL

    def pieces(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner, (b"X-Large", b"v" * 1000))


class NamesWithoutCase(AcceptedReady):
    """The names of properties may be written in capitals."""

    number, section = "37-35", METADATA

    def pieces(self, partner: str) -> Iterable[bytes]:
        yield o.command(b"READY", o.properties((b"SOCKET-TYPE", partner.encode()), (b"IDENTITY", b"")))


class LongIdentity(AcceptedReady):
    """An Identity may have 255 octets."""

    number, section = "37-47", '37/ZMTP 3.1, "The Identity Property"'

    def pieces(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner, identity=b"i" * 255)


class NoSocketType(AcceptedReady):
    """A peer that does not say its type is accepted."""

    number, section, level = "37-41", METADATA, Level.LIBZMQ

    def pieces(self, partner: str) -> Iterable[bytes]:
        yield o.command(b"READY", o.properties((b"Identity", b"")))


class WrongTypes(Case):
    """Each type that does not fit is refused."""

    number, section, level, mechanisms, difficult = "37-44", TYPES, Level.SHOULD, (b"NULL",), True

    async def play(self, peer: Peer) -> None:
        fitting = PEERS[SocketType[peer.terms.kind]]
        for number, kind in enumerate(kind.name for kind in CLASSIC if kind not in fitting):
            one = await peer.afresh() if number else peer
            await one.greet()
            await one.send(o.ready(kind))
            await one.closes(asked=False)


class WrongTypeIsTold(Case):
    """A peer whose type does not fit gets ERROR."""

    number, section, level, mechanisms, difficult = "37-45", TYPES, Level.SHOULD, (b"NULL",), True

    async def play(self, peer: Peer) -> None:
        fitting = PEERS[SocketType[peer.terms.kind]]
        kind = next(kind.name for kind in CLASSIC if kind not in fitting)
        await peer.greet()
        await peer.send(o.ready(kind))
        try:
            while (frame := await peer.any_frame()).command()[0] != b"ERROR":
                if frame.command()[0] != b"READY":
                    raise Unlike("the command ERROR", named(frame))
        except Ended:
            raise Departure("closes without a word") from None
        except TimeoutError:
            raise Unlike("the command ERROR", "nothing") from None


class TypeInSmallLetters(RefusedReady):
    """The value of Socket-Type is written in capitals."""

    number, section = "37-43", TYPES

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner.lower())
        yield o.ready("STRANGE")


class WrongTypeInCapitals(RefusedReady):
    """A type that does not fit is refused although the property's name is in lower case."""

    number, section = "37-35", METADATA
    libzmq = "knows its own spelling of a name only, so it does not see the type"

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.command(b"READY", o.properties((b"socket-type", b"STRANGE")))


class EmptyPropertyName(RefusedReady):
    """The name of a property is not empty."""

    number, section, libzmq = "37-34", NULL, "accepts an empty name"

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner, (b"", b"value"))


class ValueThatEndsEarly(RefusedReady):
    """A property's value is as long as its length says."""

    number, section = "37-37", NULL

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.command(b"READY", o.metadata(partner) + b"\x01X\0\0\0\x09abc")


class TrailingOctets(RefusedReady):
    """Metadata is properties to the last octet."""

    number, section = "37-38", NULL

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.command(b"READY", o.metadata(partner) + b"\x05X-A")
        yield o.command(b"READY", o.metadata(partner) + b"\x01X\0\0")


class IdentityTooLong(RefusedReady):
    """An Identity of more than 255 octets is refused."""

    number, section, libzmq = "37-47", '37/ZMTP 3.1, "The Identity Property"', "accepts a longer one"

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.ready(partner, identity=b"i" * 256)


class MessageBeforeReady(RefusedReady):
    """A message before READY ends the connection."""

    number, section = "37-33", NULL
    web = False

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.message(b"hi")


class PingBeforeReady(RefusedReady):
    """A PING before READY ends the connection."""

    number, section = "37-66", '37/ZMTP 3.1, "Connection Heartbeating"'
    web = False

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.ping()


class OtherCommandBeforeReady(RefusedReady):
    """Before READY, any other command ends the connection."""

    number, section = "37-31", NULL

    def wrong(self, partner: str) -> Iterable[bytes]:
        yield o.subscribe(b"")
        yield o.command(b"TOMORROW")
        yield o.command(b"REBDY", o.metadata(partner))


class ErrorEndsTheHandshake(Case):
    """ERROR in place of READY ends the connection."""

    number, section, mechanisms = "37-14", ERRORS, (b"NULL",)
    difficult = True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(o.error(b"not you"))
        await peer.closes("waits until its handshake timer ends it", asked=False)


class LeavesInsideReady(Case):
    """After a peer has gone inside its READY, the next one is answered."""

    number, section, mechanisms = "37-17", ERRORS, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(o.ready(peer.terms.partner)[:20])
        await peer.leave()
        await (await peer.afresh()).handshake()
