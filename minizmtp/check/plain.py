r"""PLAIN: a name and a password, from either side.                                                    RFC 24/ZMTP-PLAIN

    client   HELLO name password  ──►              INITIATE metadata  ──►
    server                        ◄──  WELCOME                        ◄──  READY metadata       or ERROR

Against a server we are the client and need a name and a password that are let in. Against a client we are the server,
and know what it should send. Commands out of turn, with too much or too little in them, end the connection.

Below this module: `case`. Read next: `curve`.
"""

from collections.abc import Iterable
from typing import ClassVar

from . import octets as o
from .case import Case, Level
from .peer import Departure, Ended, Peer, Unlike, named, shown

PLAIN = "24/ZMTP-PLAIN"
ONLY = (b"PLAIN",)


class PlainServerSaysSo(Case):
    """The server of PLAIN sets as-server."""

    number, section, mechanisms, serves = "24-1", PLAIN, ONLY, True
    web = False

    async def play(self, peer: Peer) -> None:
        if (await peer.greet())[32] != 1:
            raise Departure("sends zero always, and goes by its options")


class PasswordIsAccepted(Case):
    """The right name and password are answered with WELCOME, and INITIATE with READY."""

    number, section, mechanisms, serves = "24-2", PLAIN, ONLY, True

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.goes_on()


class WelcomeIsEmpty(Case):
    """WELCOME says nothing more."""

    number, section, mechanisms, serves = "24-4", PLAIN, ONLY, True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.plain_hello()
        data = await peer.command(b"WELCOME")
        if data:
            raise Unlike("WELCOME without data", shown(data))


class PlainReadyHasMetadata(Case):
    """READY brings the server's metadata."""

    number, section, mechanisms, serves = "24-5", PLAIN, ONLY, True
    level = Level.SHOULD

    async def play(self, peer: Peer) -> None:
        if b"socket-type" not in await peer.handshake():
            raise Unlike("a Socket-Type", "none")


class WrongPassword(Case):
    """A wrong password is answered with ERROR, or the connection is closed."""

    number, section, mechanisms, serves, difficult = "24-8", PLAIN, ONLY, True, True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(credentials(peer.terms.username, peer.terms.password + b"x"))
        try:
            frame = await peer.any_frame()
        except Ended:
            return
        if frame.octets[2:8] not in (b"\x05ERROR", b"\x5eRROR\x03"):
            raise Unlike("ERROR or the end", named(frame))


class PlainErrorIsSpelt(Case):
    """ERROR has its length and its name, and a reason after its length."""

    number, section, mechanisms, serves, difficult = "24-9", PLAIN, ONLY, True, True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(credentials(b"nobody" + peer.terms.username, b"x"))
        try:
            frame = await peer.any_frame()
        except Ended:
            return
        if frame.octets[2:7] == b"\x5eRROR":
            raise Departure("writes 5e and RROR, without the length of the name")
        name, data = frame.command()
        if name != b"ERROR" or not data or data[0] != len(data) - 1:
            raise Unlike("ERROR and a reason", named(frame))


class ServerRefuses(Case):
    """What no client may send: the connection is closed, and READY does not come."""

    difficult = True
    mechanisms, serves, section = ONLY, True, PLAIN

    def wrong(self, peer: Peer) -> Iterable[bytes]:
        """What is sent after the greetings, each on a connection of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        for number, octets in enumerate(self.wrong(peer)):
            one = await peer.afresh() if number else peer
            await one.greet()
            await one.send(octets)
            await one.closes(asked=False)


class HelloTooLong(ServerRefuses):
    """HELLO is a name and a password, each after its length, and not an octet more."""

    number = "24-3"

    def wrong(self, peer: Peer) -> Iterable[bytes]:
        yield credentials(peer.terms.username, peer.terms.password, end=b"x")


class HelloTooShort(ServerRefuses):
    """The lengths in HELLO do not reach beyond its end."""

    number = "24-3"

    def wrong(self, peer: Peer) -> Iterable[bytes]:
        yield o.command(b"HELLO", b"\x05anna")
        yield o.command(b"HELLO", b"\x04anna\x09short")
        yield o.command(b"HELLO", b"\x04anna")


class PlainOutOfTurn(ServerRefuses):
    """A command out of its turn is the end."""

    number = "24-10"

    def wrong(self, peer: Peer) -> Iterable[bytes]:
        yield o.command(b"INITIATE", o.metadata(peer.terms.partner))
        yield o.command(b"READY", o.metadata(peer.terms.partner))
        yield o.command(b"PANG")


class MessageBeforeWelcome(ServerRefuses):
    """The client's messages wait for READY."""

    number = "24-6"

    def wrong(self, peer: Peer) -> Iterable[bytes]:
        yield o.message(b"hi")


class PlainInitiateIsChecked(Case):
    """Metadata in INITIATE is checked."""

    number, section, mechanisms, serves, difficult = "24-5", PLAIN, ONLY, True, True

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.plain_hello()
        await peer.command(b"WELCOME")
        await peer.send(o.command(b"INITIATE", o.metadata(peer.terms.partner) + b"\x05X-A"))
        await peer.closes(asked=False)


class HelloHasCredentials(Case):
    """The client opens with HELLO, its name and its password."""

    number, section, mechanisms, serves = "24-2", PLAIN, ONLY, False

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        data = await peer.command(b"HELLO")
        expected = credentials(peer.terms.username, peer.terms.password)[8:]
        if data != expected:
            raise Unlike("the name and the password", shown(data))


class InitiateHasMetadata(Case):
    """WELCOME is answered with INITIATE and the client's metadata."""

    number, section, mechanisms, serves = "24-5", PLAIN, ONLY, False

    async def play(self, peer: Peer) -> None:
        if b"socket-type" not in await peer.handshake():
            raise Unlike("a Socket-Type", "none")


class ClientRefuses(Case):
    """What no server may send in place of WELCOME: the connection is closed."""

    mechanisms, serves, difficult, section = ONLY, False, True, PLAIN
    wrong: ClassVar[bytes]

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.command(b"HELLO")
        await peer.send(self.wrong)
        await peer.closes(asked=False)


class WelcomeWithData(ClientRefuses):
    """A WELCOME with data is refused."""

    number, wrong = "24-4", o.command(b"WELCOME", b"x")


class ReadyBeforeWelcome(ClientRefuses):
    """READY in place of WELCOME is refused."""

    number, wrong = "24-10", o.ready("ROUTER")


class ErrorForWelcome(ClientRefuses):
    """ERROR in place of WELCOME ends the connection."""

    number, wrong = "24-8", o.error(b"400")


def credentials(name: bytes, password: bytes, end: bytes = b"") -> bytes:
    """HELLO."""
    return o.command(b"HELLO", bytes([len(name)]) + name + bytes([len(password)]) + password + end)
