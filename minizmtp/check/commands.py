r"""Commands: a name after its length, then data.                               37/ZMTP 3.1, "Commands"

After the handshake a command may come between any two frames. A name that is known asks for something; one that is not
known is passed over, because a later version of the protocol may have it. What is not a name at all breaks the grammar.

    04 | size | name length | name | data

Below this module: `case`. Read next: `null`.
"""

from collections.abc import Iterable

from . import octets as o
from .case import Accepted, Case, Level, Refused
from .peer import Peer, Unlike, shown

COMMANDS = '37/ZMTP 3.1, "Commands"'
GRAMMAR = '37/ZMTP 3.1, "Formal Grammar"'


class ShortCommandsAreShort(Case):
    """A command of up to 255 octets is sent in a short frame."""

    number, section = "37-12", '37/ZMTP 3.1, "Authentication and Confidentiality"'
    level, mechanisms = Level.SHOULD, (b"NULL",)

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(o.ready(peer.terms.partner))
        frame = await peer.frame("the command READY")
        if len(frame.body) < 256 and len(frame.octets) > 2 + len(frame.body):
            raise Unlike("a short frame", shown(frame.octets))


class LongCommand(Accepted):
    """A command may come in a long frame, however small it is."""

    number, section, minor = "37-25", COMMANDS, 1

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield o.command(b"PONG", long=True)


class UnknownCommand(Accepted):
    """A command with an unknown name is passed over."""

    number, section, level, minor = "37-25", COMMANDS, Level.LIBZMQ, 1

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield o.command(b"TOMORROW", b"data")


class LateReady(Accepted):
    """A second READY is passed over."""

    number, section, level, minor = "37-25", COMMANDS, Level.LIBZMQ, 1
    difficult = True

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield o.ready(o.partner(kind))


class CommandBetweenFrames(Accepted):
    """A command may come between two frames of one message."""

    number, section, level, minor = "L-12", COMMANDS, Level.LIBZMQ, 1

    def pieces(self, kind: str) -> Iterable[bytes]:
        yield o.frame(b"", more=True) + o.pong() + o.frame(b"\x09hi")


class EmptyName(Refused):
    """The name of a command has 1 to 255 letters."""

    number, section = "37-26", GRAMMAR
    libzmq = "passes over a command with an empty name"
    minor = 1

    def wrong(self, kind: str) -> Iterable[bytes]:
        return [o.command(b"")]


class NameThatEndsEarly(Refused):
    """The name of a command is as long as its length says."""

    number, section, minor = "37-26", GRAMMAR, 1
    libzmq = "passes over a command whose name is cut off"

    def wrong(self, kind: str) -> Iterable[bytes]:
        return [o.command(b"PONG", length=9)]


class NameOfOtherCharacters(Refused):
    """The name of a command is letters."""

    number, section, minor = "37-26", GRAMMAR, 1
    libzmq = "passes over a command with any other name"

    def wrong(self, kind: str) -> Iterable[bytes]:
        return [o.command(b"PO@G")]
