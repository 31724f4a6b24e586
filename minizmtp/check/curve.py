r"""CURVE: keys, boxes and nonces, from either side.                                                     RFC 26/CURVEZMQ

    client   HELLO  ──►            INITIATE  ──►         MESSAGE  ◄──►
    server          ◄──  WELCOME             ◄──  READY

Against a server we are the client, and need the server's public key. Against a client we are the server whose public
key the client knows. A careful peer's boxes open; the difficult one's do not, or hold something else, or come again.
Whatever is wrong in CURVE ends the connection without a word, because anybody may have sent it.

Below this module: `case`, `boxes`. Read next: `websocket`.
"""

from collections.abc import Iterable
from typing import ClassVar

from ..wire.curve import keypair
from ..wire.websocket import CLOSE, FIN
from . import boxes
from . import octets as o
from .boxes import INNER_COMMAND, INNER_MORE
from .case import Case, Level
from .peer import Departure, Peer, Unlike, listed, shown
from .pipeline import SIZES
from .reqrep import receives

CURVE = "26/CURVEZMQ, "
ONLY = (b"CURVE",)
FRAMES = ("PULL", "DEALER", "PAIR")


class CurveServerSaysSo(Case):
    """The server of CURVE sets as-server."""

    number, section, mechanisms, serves = "25-1", "25/ZMTP-CURVE", ONLY, True
    web = False

    async def play(self, peer: Peer) -> None:
        if (await peer.greet())[32] != 1:
            raise Departure("sends zero always, and goes by its options")


class HelloIsAnswered(Case):
    """HELLO is answered with WELCOME of 168 octets, whose box opens."""

    number, section, mechanisms, serves = "26-16", CURVE + '"The WELCOME Command"', ONLY, True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.curve_welcomed()


class CookiesAreNew(Case):
    """Each WELCOME has a key and a cookie of its own."""

    number, section, mechanisms, serves = "26-21", CURVE + '"The WELCOME Command"', ONLY, True

    async def play(self, peer: Peer) -> None:
        seen = []
        for one in (peer, await peer.afresh()):
            await one.greet()
            client = await one.curve_welcomed()
            seen.append((client.theirs, client.cookie))
        if seen[0][0] == seen[1][0] or seen[0][1] == seen[1][1]:
            raise Unlike("two keys and two cookies", "the same again")


class InitiateIsAnswered(Case):
    """A client that is accepted gets READY with the metadata in its box."""

    number, section, mechanisms, serves = "26-31", CURVE + '"The READY Command"', ONLY, True

    async def play(self, peer: Peer) -> None:
        if b"socket-type" not in await peer.handshake():
            raise Unlike("a Socket-Type", "none")
        await peer.goes_on()


class HelloIsRefused(Case):
    """A HELLO that is wrong ends the connection."""

    difficult = True
    mechanisms, serves, section = ONLY, True, CURVE + '"The HELLO Command"'
    libzmq: ClassVar[str] = ""

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        """Each is sent on a connection of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        client = peer.curve_client()
        for number, octets in enumerate(self.wrong(client)):
            one = await peer.afresh() if number else peer
            one.note_keys(client)
            await one.greet()
            await one.send(octets)
            await closes_without_a_word(one, self.libzmq)


class HelloOfOtherSize(HelloIsRefused):
    """HELLO has 200 octets."""

    number = "26-5"

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        yield client.hello(end=b"x")
        yield o.frame(client.hello()[2:-1], is_command=True)


class HelloOfOtherVersion(HelloIsRefused):
    """HELLO's version is 1.0."""

    number = "26-6"

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        yield client.hello(version=b"\x02\0")
        yield client.hello(version=b"\x01\x01")


class HelloWithPadding(HelloIsRefused):
    """HELLO's padding is zeros."""

    number, libzmq = "26-7", "does not look at it"

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        yield client.hello(padding=bytes(71) + b"x")


class HelloForAnotherServer(HelloIsRefused):
    """HELLO's box is for this server."""

    number = "26-11"

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        yield client.hello(server=keypair(b"\x07" * 32)[0])
        yield client.hello(spoilt=True)


class HelloWithOtherContent(HelloIsRefused):
    """HELLO's box holds 64 zeros."""

    number, libzmq = "26-10", "opens it and does not count the zeros"

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        yield client.hello(content=bytes(63) + b"x")


class CurveOutOfTurn(HelloIsRefused):
    """HELLO comes first."""

    number = "25-2"

    def wrong(self, client: boxes.Client) -> Iterable[bytes]:
        yield o.ready("DEALER")
        yield o.command(b"PANG")
        yield o.message(b"hi")


class InitiateIsRefused(Case):
    """An INITIATE that is wrong ends the connection."""

    difficult = True
    mechanisms, serves, section = ONLY, True, CURVE + '"The INITIATE Command"'
    libzmq: ClassVar[str] = ""

    def wrong(self, client: boxes.Client, metadata: bytes) -> bytes:
        """What is sent in place of INITIATE."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        client = await peer.curve_welcomed()
        await peer.send(self.wrong(client, o.metadata(peer.terms.partner)))
        await closes_without_a_word(peer, self.libzmq)


class InitiateThatDoesNotOpen(InitiateIsRefused):
    """INITIATE's box opens with the keys of this connection."""

    number = "26-24"

    def wrong(self, client: boxes.Client, metadata: bytes) -> bytes:
        return client.initiate(metadata, spoilt=True)


class OtherCookie(InitiateIsRefused):
    """INITIATE's cookie is the one of WELCOME."""

    number = "26-28"

    def wrong(self, client: boxes.Client, metadata: bytes) -> bytes:
        return client.initiate(metadata, cookie=boxes.spoil(client.cookie))


class VouchForAnotherKey(InitiateIsRefused):
    """INITIATE's vouch is for the key of this connection."""

    number = "26-26"

    def wrong(self, client: boxes.Client, metadata: bytes) -> bytes:
        return client.initiate(metadata, vouch_for=keypair(b"\x07" * 32)[0])


class InitiateWithOldNonce(InitiateIsRefused):
    """INITIATE's nonce is greater than HELLO's."""

    number, libzmq = "26-15", "does not compare the two"

    def wrong(self, client: boxes.Client, metadata: bytes) -> bytes:
        return client.initiate(metadata, nonce=1)


class InitiateWithBadMetadata(InitiateIsRefused):
    """Metadata in INITIATE is as in NULL's READY."""

    number = "26-27"

    def wrong(self, client: boxes.Client, metadata: bytes) -> bytes:
        return client.initiate(metadata + b"\x05X-A")


class MessageIsRefused(Case):
    """A MESSAGE that is wrong ends the connection."""

    difficult = True
    mechanisms, section = ONLY, CURVE + '"The MESSAGE Command"'
    libzmq: ClassVar[str] = ""

    def wrong(self, box: boxes.Side) -> bytes:
        """What is sent after the handshake."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        assert peer.box is not None
        await peer.send(self.wrong(peer.box))
        await peer.closes(self.libzmq)


class MessageThatDoesNotOpen(MessageIsRefused):
    """MESSAGE's box opens with the keys of this connection."""

    number = "26-37"

    def wrong(self, box: boxes.Side) -> bytes:
        return box.seal(INNER_COMMAND, b"\x04PONG", spoilt=True)


class MessageAgain(MessageIsRefused):
    """A nonce that does not grow is refused."""

    number = "26-15"

    def wrong(self, box: boxes.Side) -> bytes:
        return 2 * box.seal(INNER_COMMAND, b"\x04PONG")


class MessageInClear(MessageIsRefused):
    """After the handshake, a frame in clear ends the connection."""

    number = "26-37"
    web = False

    def wrong(self, box: boxes.Side) -> bytes:
        return o.pong()


class MessageTooShort(MessageIsRefused):
    """MESSAGE has 33 octets or more."""

    number = "26-35"

    def wrong(self, box: boxes.Side) -> bytes:
        return box.seal_octets(b"")


class OtherFlagsInside(MessageIsRefused):
    """Of the flags in a box, bits 2 to 7 are zero."""

    number, libzmq = "26-36", "overlooks them"

    def wrong(self, box: boxes.Side) -> bytes:
        return box.seal(0x80 | INNER_COMMAND, b"\x04PONG")


class NonceWithAGap(Case):
    """Nonces may have gaps."""

    number, section, mechanisms = "26-13", CURVE + '"General Design"', ONLY
    web = False

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        assert peer.box is not None
        peer.box.sent += 1000
        await peer.goes_on()


class FlagsOutsideTheBox(Case):
    """The flags outside of the box say nothing: a MORE there is ignored."""

    number, section, mechanisms = "26-36", CURVE + '"The MESSAGE Command"', ONLY
    web = False
    level, kinds, acts = Level.SHOULD, FRAMES, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        assert peer.box is not None
        await peer.send(peer.box.seal(INNER_MORE, b"one", outer=1), peer.box.seal(0, b"two"))
        await receives(peer, b"one", b"two")
        await peer.send(peer.box.seal(0, b"three", outer=1), peer.box.seal(0, b"four"))
        await receives(peer, b"three")
        await receives(peer, b"four")


class CurveChangesNothing(Case):
    """Messages of several frames pass in boxes as they are, and frames of every size."""

    number, section, mechanisms = "26-35", CURVE + '"The MESSAGE Command"', ONLY
    kinds, acts = FRAMES, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        assert peer.box is not None
        await peer.send(peer.box.seal(INNER_MORE, b"one"), peer.box.seal(INNER_MORE, b""), peer.box.seal(0, b"end"))
        await receives(peer, b"one", b"", b"end")
        for size in SIZES:
            await peer.send(peer.box.seal(0, b"s" * size))
            if (found := await peer.program.receive()) != [b"s" * size]:
                raise Unlike(f"{size:,} octets", listed(found))


class CurveSendsAsItIs(Case):
    """Messages of several frames are sent in boxes as they are."""

    number, section, mechanisms = "26-35", CURVE + '"The MESSAGE Command"', ONLY
    kinds, acts = ("PUSH", "DEALER", "PAIR"), True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        for frames in ([b"one", b"", b"end"], [b"s" * 1_048_576]):
            await peer.program.send(*frames)
            await peer.message(*frames)


class MessagesTravelAsMessages(Case):
    """MESSAGE is sent in message frames, as libzmq does, and not in command frames."""

    number, section, mechanisms = "37-84", '37/ZMTP 3.1, "Wire Analysis of the Connection"', ONLY
    web = False
    level = Level.LIBZMQ

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.ask()
        frame = await peer.any_frame()
        if frame.octets[0] & 4:
            raise Unlike("a message frame", shown(frame.octets, 12))


class ClientHello(Case):
    """HELLO has 200 octets: version 1.0, zeros, a key, a nonce, and 64 zeros in a box for this server."""

    number, section, mechanisms, serves = "26-5", CURVE + '"The HELLO Command"', ONLY, False

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.opened_by(peer.curve_server().read_hello, b"HELLO")


class ClientInitiate(Case):
    """INITIATE has a box and a vouch that open, for the keys of this connection and this server."""

    number, section, mechanisms, serves = "26-26", CURVE + '"The INITIATE Command"', ONLY, False

    async def play(self, peer: Peer) -> None:
        if b"socket-type" not in await peer.handshake():
            raise Unlike("a Socket-Type", "none")
        await peer.goes_on()


class ClientKeysAreNew(Case):
    """The client makes a key for each connection."""

    number, section, mechanisms, serves = "26-8", CURVE + '"The HELLO Command"', ONLY, False

    async def play(self, peer: Peer) -> None:
        keys = []
        for number in range(2):
            one = await peer.afresh() if number else peer
            await one.greet()
            server = one.curve_server()
            await one.opened_by(server.read_hello, b"HELLO")
            keys.append(server.theirs)
            await one.close()
        if keys[0] == keys[1]:
            raise Unlike("two keys", "the same again")


class WelcomeIsRefused(Case):
    """A WELCOME that is wrong ends the connection."""

    difficult = True
    mechanisms, serves, section = ONLY, False, CURVE + '"The WELCOME Command"'

    def wrong(self, server: boxes.Server) -> bytes:
        """What is sent in place of WELCOME."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        server = peer.curve_server()
        await peer.opened_by(server.read_hello, b"HELLO")
        await peer.send(self.wrong(server))
        await closes_without_a_word(peer)


class WelcomeThatDoesNotOpen(WelcomeIsRefused):
    """WELCOME's box opens with the keys of this connection."""

    number = "26-22"

    def wrong(self, server: boxes.Server) -> bytes:
        return server.welcome(spoilt=True)


class WelcomeOfOtherSize(WelcomeIsRefused):
    """WELCOME has 168 octets."""

    number = "26-22"

    def wrong(self, server: boxes.Server) -> bytes:
        return server.welcome(end=b"x")


class ReadyForWelcome(WelcomeIsRefused):
    """READY does not come in place of WELCOME."""

    number = "26-22"

    def wrong(self, server: boxes.Server) -> bytes:
        return o.ready("ROUTER")


class ReadyThatDoesNotOpen(Case):
    """A READY whose box does not open ends the connection."""

    number, section, mechanisms, serves = "26-32", CURVE + '"The READY Command"', ONLY, False
    difficult = True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        server = peer.curve_server()
        await peer.opened_by(server.read_hello, b"HELLO")
        await peer.send(server.welcome())
        await peer.opened_by(server.read_initiate, b"INITIATE")
        await peer.send(server.ready(o.metadata(peer.terms.partner), spoilt=True))
        await closes_without_a_word(peer)


class ClientIsToldError(Case):
    """ERROR in place of READY ends the connection."""

    number, section, mechanisms, serves = "26-39", CURVE + '"The ERROR Command"', ONLY, False
    difficult = True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        server = peer.curve_server()
        await peer.opened_by(server.read_hello, b"HELLO")
        await peer.send(server.welcome())
        await peer.opened_by(server.read_initiate, b"INITIATE")
        await peer.send(o.error(b"400"))
        await closes_without_a_word(peer)


async def closes_without_a_word(peer: Peer, libzmq: str = "") -> None:
    """The connection is closed; nothing is sent before that, but the close of a WebSocket."""
    before = len(peer.record.writes)
    await peer.closes(libzmq, asked=False)
    words = b"".join(write.octets for write in peer.record.writes[before:] if not write.ours)
    if words and not (peer.terms.path and words[0] == FIN | CLOSE):
        raise Unlike("the end of the connection alone", shown(words))
