r'''Cases: one short class for one rule, and what can come of it.

    class PaddingIsFree(Case):
        """The padding of the greeting means nothing."""

        number, section = "37-4", '37/ZMTP "Version Negotiation"'

        async def play(self, peer: Peer) -> None:
            await peer.handshake(greeting=greeting(padding=b"\x5a" * 8))

A case plays one peer and says what it expects. If something else comes, the `Peer` raises `Unlike`, and the case has
failed. If libzmq is known to do the other thing, the case names it (`libzmq="..."`), because programs live with it:
that is a `Departure` and not a failure.

    >>> PING = type("PingIsAnswered", (Case,), {"__doc__": "PING is answered.", "group": "", "number": "37-68"})
    >>> PING.name(), PING.rule(), ALL.pop() is PING
    ('ping-is-answered', 'PING is answered', True)

The numbers are those of docs/REQUIREMENTS.md. Each module of cases is a group. Read next: `greeting`.
'''

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import ClassVar

from ..constants import CLASSIC
from .peer import Peer, Terms

CLEAR = (b"NULL", b"PLAIN")  # mechanisms that do not encrypt
STREAMS_ONLY = ("greeting", "framing", "commands", "heartbeat")  # groups about what a WebSocket has instead of ZMTP's
INTERVAL = 0.1  # seconds between the heartbeats of a driver's socket, in the cases that need them
EVERY_KIND = tuple(kind.name for kind in CLASSIC)


class Level(Enum):
    """How much a rule matters."""

    MUST = "MUST"  # the RFC says MUST or SHALL
    SHOULD = "SHOULD"  # the RFC says SHOULD
    LIBZMQ = "libzmq"  # no RFC says so, but libzmq does it, and programs rely on it


class Verdict(Enum):
    """What came of a case."""

    PASSED = "passed"
    FAILED = "failed"
    LIBZMQ = "as libzmq"  # not as the rule has it, but as libzmq is known to do
    NOT_RUN = "not run"
    ENDED = "ended"  # the other side's process ended, or hung

    def is_failure(self, level: Level) -> bool:
        """Whether a check with this verdict has failed: a MUST is broken, or the process did not survive."""
        return self is Verdict.ENDED or (self is Verdict.FAILED and level is Level.MUST)


class Case:
    """One rule. The docstring is the rule in a sentence.

    number: of the requirement. section: where the RFC says so. level: how much it matters. kinds: the socket types of
    the other side that it is for. mechanisms: likewise. minor: the lowest minor version. dials: whether the other side
    has to be the one that dials (True), that binds (False), or either (None). serves: the same for the server of a
    mechanism. web: whether it is for ws alone (True), for tcp and ipc alone (False), or either (None). beats: the
    other side has to send heartbeats. acts: the program behind the socket has to act. difficult: what we send breaks a
    rule.
    """

    number: ClassVar[str]
    section: ClassVar[str]
    group: ClassVar[str]
    level: ClassVar[Level] = Level.MUST
    kinds: ClassVar[Sequence[str]] = EVERY_KIND
    mechanisms: ClassVar[Sequence[bytes]] = CLEAR
    minor: ClassVar[int] = 0
    dials: ClassVar[bool | None] = None
    serves: ClassVar[bool | None] = None
    web: ClassVar[bool | None] = None
    beats: ClassVar[bool] = False
    acts: ClassVar[bool] = False
    difficult: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.group = vars(cls).get("group") or cls.__module__.rpartition(".")[2]
        if cls.group in STREAMS_ONLY:
            cls.web = False
        if "number" in vars(cls):
            ALL.append(cls)

    async def play(self, peer: Peer) -> None:
        """Play the peer. Raises Unlike where the other side breaks the rule."""
        raise NotImplementedError

    @classmethod
    def options(cls) -> dict[str, str | int]:
        """What a driver's socket needs for the case."""
        return {"heartbeat_ivl": int(INTERVAL * 1000)} if cls.beats else {}

    @classmethod
    def name(cls) -> str:
        """The name on the command line."""
        return name_of(cls)

    @classmethod
    def rule(cls) -> str:
        """The rule in a sentence."""
        return rule_of(cls)

    @classmethod
    def why_not(cls, terms: Terms) -> str:
        """Why the case is not for this other side; "" if it is."""
        if terms.kind not in cls.kinds:
            return f"is for {', '.join(cls.kinds)}"
        if terms.mechanism not in cls.mechanisms:
            return f"is for {', '.join(name.decode() for name in cls.mechanisms)}"
        if terms.minor < cls.minor:
            return f"is for ZMTP 3.{cls.minor} and later"
        if cls.dials is not None and cls.dials is not terms.dials:
            return f"is for a socket that {'connects' if cls.dials else 'binds'}"
        if cls.serves is not None and cls.serves is not terms.serves:
            return f"is for the {'server' if cls.serves else 'client'} of a mechanism"
        if cls.beats and not terms.beats:
            return "is for a socket that sends heartbeats: see --heartbeat"
        if cls.web is not None and cls.web is not bool(terms.path):
            return f"is for {'ws and wss' if cls.web else 'tcp and ipc'}"
        return ""


ALL: list[type[Case]] = []


def name_of(thing: type) -> str:
    """The name of a class, in lower case with hyphens."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])", "-", thing.__name__).lower()


def rule_of(thing: type) -> str:
    """The first paragraph of its docstring, on one line and without its full stop."""
    return " ".join((thing.__doc__ or "").split("\n\n")[0].split()).removesuffix(".")


class Accepted(Case):
    """What a careful peer may send after the handshake: the connection goes on."""

    libzmq: ClassVar[str] = ""

    def pieces(self, kind: str) -> Iterable[bytes]:
        """What is sent to a socket of that type, in writes of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        await peer.handshake()
        await peer.send(*self.pieces(peer.terms.kind))
        await peer.goes_on(self.libzmq)


class Refused(Case):
    """What no peer may send after the handshake: the connection is closed."""

    difficult = True
    libzmq: ClassVar[str] = ""

    def wrong(self, kind: str) -> Iterable[bytes]:
        """What is sent to a socket of that type, each on a connection of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        for number, octets in enumerate(self.wrong(peer.terms.kind)):
            one = await peer.afresh() if number else peer
            await one.handshake()
            await one.send(octets)
            await one.closes(self.libzmq)


class RefusedReady(Case):
    """What no peer may send instead of a good READY: the connection is closed."""

    difficult = True
    mechanisms = (b"NULL",)
    libzmq: ClassVar[str] = ""

    def wrong(self, partner: str) -> Iterable[bytes]:
        """What is sent in place of the READY of that type, each on a connection of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        for number, octets in enumerate(self.wrong(peer.terms.partner)):
            one = await peer.afresh() if number else peer
            await one.greet()
            await one.send(octets)
            await one.closes(self.libzmq, asked=False)


class AcceptedReady(Case):
    """Another way to write a good READY: the handshake is done all the same."""

    mechanisms = (b"NULL",)
    libzmq: ClassVar[str] = ""

    def pieces(self, partner: str) -> Iterable[bytes]:
        """What is sent in place of the READY of that type, in writes of its own."""
        raise NotImplementedError

    async def play(self, peer: Peer) -> None:
        await peer.greet()
        await peer.send(*self.pieces(peer.terms.partner))
        await peer.command(b"READY")
        await peer.goes_on(self.libzmq)


def chosen(names: Sequence[str]) -> list[type[Case]]:
    """The cases with these names, numbers or groups; all for none. Raises ValueError for any other word."""
    known = {word for case in ALL for word in words_for(case)}
    if unknown := [name for name in names if name not in known]:
        words = ", ".join(unknown)
        also = "; an endpoint is written tcp://HOST:PORT" if ":" in words else ""
        raise ValueError(f"there is no case, number or group {words}; --list shows all{also}")
    return [case for case in ALL if not names or words_for(case) & set(names)]


def words_for(case: type[Case]) -> set[str]:
    """The words that choose a case.

    >>> sorted(words_for(type("Example", (Case,), {"group": "framing", "number": "37-21"}))), len(ALL.pop().group)
    (['37', '37-21', 'example', 'framing'], 7)
    """
    return {case.name(), case.number, case.number.partition("-")[0], case.group}
