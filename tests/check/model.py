"""A small stack made by hand, right in everything but one thing: each case has a peer that breaks its rule.

Nothing here uses the package's sockets or its Connection. `Model` is a socket of any type, and its program; `Link` is
one connection of it. `wrong("name")` asks whether the model is to make the mistake that the case of that name catches.
All streams are in memory, so that with a virtual clock every wait costs nothing.
"""

import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
import trio.testing

from minizmtp.check import boxes
from minizmtp.check.peer import Place, Terms, Unlike, Unreachable
from minizmtp.constants import CLASSIC, PEERS, SocketType
from minizmtp.errors import ProtocolError
from tests import zmtp_bytes as z

WITH_IDENTITY = ("REQ", "DEALER", "ROUTER")
SEND_TO_ONE = ("PUSH", "DEALER", "PAIR", "REQ")
SERVER, CLIENT = boxes.keypair(b"\x01" * 32), boxes.keypair(b"\x02" * 32)


class Refused(Exception):
    """The peer broke a rule, so the connection is closed, and a socket that connects does not dial again."""


class Gone(Exception):
    """The peer has closed the connection."""


class Model:
    """A socket and its program; a target of the check. mistake: the case that is to catch it, "" for none."""

    at_once = 1

    def __init__(self, terms: Terms, mistake: str = "") -> None:
        self.terms, self.mistake = terms, mistake
        self.kind = terms.kind
        self.nursery: trio.Nursery | None = None
        self.reset()

    def reset(self) -> None:
        """A new socket."""
        self.links: list[Link] = []
        self.redialled: deque[trio.abc.Stream] = deque()
        self.turn = self.heard = 0
        self.asked: Link | None = None
        self.envelope: tuple[Link, list[bytes]] | None = None
        self.subscriptions: list[bytes] = []
        self.notices: deque[list[bytes]] = deque()
        self.names = 0
        self.is_deaf = self.beats = False

    def wrong(self, case: str) -> bool:
        """Whether this mistake is to be made."""
        return self.mistake == case != ""

    # ---------------------------------------------------------------------------------------------------- the target

    @asynccontextmanager
    async def place(self, options: dict[str, str | int] | None = None) -> AsyncIterator[Place]:
        self.reset()
        self.beats = bool(options)
        async with trio.open_nursery() as self.nursery:
            yield Place(self.connect, self.connect, self.again, self)
            self.nursery.cancel_scope.cancel()

    async def connect(self) -> trio.abc.Stream:
        await trio.testing.wait_all_tasks_blocked()  # so that the end of the connection before has been noticed
        ours, theirs = trio.testing.memory_stream_pair()
        assert self.nursery is not None
        self.nursery.start_soon(self.link(ours).run)
        return theirs

    def start(self, does: Callable[[], Awaitable[None]]) -> None:
        """Run it beside everything else, as long as the case."""
        assert self.nursery is not None
        self.nursery.start_soon(does)

    def link(self, stream: trio.abc.Stream) -> "Link":
        return Link(self, stream)

    async def again(self) -> trio.abc.Stream:
        with trio.move_on_after(self.terms.patience):
            while not self.redialled:  # noqa: ASYNC110
                await trio.sleep(0.01)
            return self.redialled.popleft()
        raise Unreachable("nothing has connected")

    async def redial(self) -> None:
        if self.terms.dials and self.nursery is not None:
            await trio.sleep(0.1)
            self.redialled.append(await self.connect())

    async def gone(self) -> str:
        return ""

    # --------------------------------------------------------------------------------------------------- the program

    async def send(self, *frames: bytes) -> None:
        message = list(frames)
        if self.kind in SEND_TO_ONE:
            await self._send_to_one(message)
        elif self.kind == "REP":
            assert self.envelope is not None
            link, envelope = self.envelope
            if self.wrong("reply-goes-to-the-asker"):
                link = (self.links or [link])[0]
            if self.wrong("envelope-comes-back"):
                envelope = envelope[-1:]
            if self.wrong("asker-has-gone") and not link.ready:
                raise Unlike("the program to send a reply", "an error")
            await link.write(envelope + message)
        elif self.kind == "ROUTER":
            name, *rest = message
            found = [link for link in self.links if link.name == name]
            if self.wrong("unknown-name") and not found:
                found = self.links[:1]
            if self.wrong("goes-by-the-name") and found:
                found = self.links[:1]
            for link in found[:1]:
                await link.write(rest)
        elif self.kind in ("PUB", "XPUB"):
            for link in self.links:
                if link.wants(message):
                    await link.write(message)
        elif self.kind == "XSUB":
            await self._send_upstream(message)

    async def _send_to_one(self, message: list[bytes]) -> None:
        early = self.wrong("no-message-before-ready")
        while not (links := [link for link in self.links if link.ready or (early and link.greeted)]):  # noqa: ASYNC110
            await trio.sleep(0.01)
        if not any(self.wrong(each) for each in ("dealer-sends-in-turn", "push-sends-in-turn")):
            self.turn += 1
        link = links[self.turn % len(links)]
        if self.kind == "REQ":
            self.asked = link
            if not self.wrong("reply-before-the-request"):
                for each in self.links:
                    each.inbox.clear()
            if not (self.wrong("request-has-delimiter") and len(message) > 1):
                message = [b"", *message]
        for mistake in ("push-changes-nothing", "dealer-changes-nothing", "pair-changes-nothing"):
            if self.wrong(mistake) and len(message) > 1:
                message = [frame for frame in message if frame]
        if self.wrong("curve-sends-as-it-is"):
            message = [b"".join(message)]
        await link.write(message)
        if self.wrong("sends-in-order") and message == [b"7"]:
            await link.write(message)

    async def _send_upstream(self, message: list[bytes]) -> None:
        if self.wrong("xsub-passes-on") and message[0][:1] == b"\0":
            return
        everyone = self.links[:1] if self.wrong("xsub-sends-to-all") else self.links
        for link in everyone:
            if message[0][:1] in (b"\0", b"\1") and len(message) == 1:
                await link.subscribe(message[0])
            else:
                await link.write(message)

    async def receive(self, patience: float | None = None) -> list[bytes]:
        with trio.move_on_after(self.terms.patience if patience is None else patience):
            while (message := self._take()) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
            return message
        raise Unlike("a message for the program", "none")

    def _take(self) -> list[bytes] | None:
        if self.notices:
            return self.notices.popleft()
        in_turn = not any(self.wrong(f"{kind}-receives-in-turn") for kind in ("dealer", "router", "pull"))
        count = len(self.links)
        for step in range(count):
            index = (self.heard + step) % count if in_turn else count - 1 - step
            link = self.links[index]
            if not link.inbox or (
                self.kind == "REQ" and link is not self.asked and not self.wrong("only-the-peer-asked")
            ):
                continue
            self.heard = index + 1
            return self._handed_on(link, link.inbox.popleft())
        return None

    def _handed_on(self, link: "Link", message: list[bytes]) -> list[bytes]:
        if self.kind == "ROUTER" and not (self.wrong("name-in-front") and len(message) > 1):
            return [link.name, *message]
        if self.kind == "REP":
            cut = message.index(b"") + 1 if b"" in message else 0
            self.envelope = link, message[:cut]
            return message[cut:]
        if self.kind == "REQ" and not (self.wrong("reply-reaches-the-program") and len(message) > 2):
            return message[1:] if message[0] == b"" else message
        for mistake in ("pull-changes-nothing", "sub-hands-on"):
            if self.wrong(mistake) and len(message) > 1:
                return [frame for frame in message if frame]
        if self.wrong("receives-in-order") and message == [b"7"]:
            return [b"8"]
        if self.wrong("receives-every-size") and len(message[0]) == 65_536:
            return [message[0][:-1]]
        return message

    async def nothing(self) -> None:
        if (message := self._take()) is not None:
            raise Unlike("no message for the program", str(message))

    async def subscribe(self, prefix: bytes) -> None:
        self.subscriptions.append(prefix)
        if self.subscriptions.count(prefix) == 1:
            for link in filter(Link.is_ready, self.links):
                await link.subscribe(b"\1" + prefix)

    async def unsubscribe(self, prefix: bytes) -> None:
        self.subscriptions.remove(prefix)
        if prefix not in self.subscriptions or self.wrong("subscriptions-are-counted"):
            for link in filter(Link.is_ready, self.links):
                await link.subscribe(b"\0" + prefix)


class Link:
    """One connection."""

    def __init__(self, model: Model, stream: trio.abc.Stream) -> None:
        self.model, self.wrong = model, model.wrong
        self.stream = stream
        self.unread = b""
        self.greeted = self.ready = False
        self.minor = 1
        self.name = b""
        self.inbox: deque[list[bytes]] = deque()
        self.prefixes: list[bytes] = []
        self.half: list[bytes] = []
        self.deadline = math.inf
        self.ttl = 0.0
        self.box: boxes.Side | None = None
        self.unanswered = 0  # PINGs since the peer has sent anything
        self.sending = trio.Lock()

    async def run(self) -> None:
        comes_back = True
        try:
            await self.greet()
            await self.handshake()
            await self.traffic()
        except Gone:
            self.model.is_deaf = self.wrong("leaves-inside-the-greeting") and not self.greeted and len(self.unread) > 10
            self.model.is_deaf |= self.wrong("leaves-inside-ready") and not self.ready and self.greeted
            comes_back = not (self.wrong("comes-back-in-the-handshake") and not self.ready)
            comes_back = comes_back and not (self.wrong("comes-back-after-a-close") and self.ready)
            comes_back = comes_back and not (self.wrong("comes-back-after-silence") and self.unanswered > 2)
        except Refused as refused:
            comes_back = self.wrong("stays-away-from-the-wrong-type") and str(refused) == "type"
            comes_back = comes_back or (self.wrong("stays-away-after-an-error") and str(refused) == "error")
        except trio.TooSlowError:
            pass
        finally:
            with trio.CancelScope(shield=True):
                await self.stream.aclose()
            self.left()
        if comes_back:
            await self.model.redial()

    def is_ready(self) -> bool:
        return self.ready

    def left(self) -> None:
        self.ready = False
        if self not in self.model.links:
            return
        kind = self.model.kind
        if self.wrong("half-a-message") and self.half:
            self.inbox.append(self.half)
        if not self.inbox and not (self.wrong("next-pair") and kind == "PAIR"):
            self.model.links.remove(self)
        if kind == "XPUB" and not self.wrong("subscriber-leaves"):
            others = {prefix for link in self.model.links if link is not self for prefix in link.prefixes}
            self.model.notices += [[b"\0" + prefix] for prefix in set(self.prefixes) - others]
        self.prefixes = []

    # -------------------------------------------------------------------------------------------------------- octets

    async def send(self, octets: bytes) -> None:
        async with self.sending:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.stream.send_all(octets)

    async def more(self) -> None:
        try:
            with trio.fail_at(self.deadline):
                octets = bytes(await self.stream.receive_some())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Gone from None
        if not octets:
            raise Gone
        if not self.wrong("peer-that-answers-is-kept"):
            self.unanswered = 0
        if self.ttl and not self.wrong("traffic-is-life"):
            self.deadline = trio.current_time() + self.ttl
        self.unread += octets

    async def read(self, count: int) -> bytes:
        while len(self.unread) < count:
            await self.more()
        octets, self.unread = self.unread[:count], self.unread[count:]
        return octets

    async def forever(self) -> None:
        """What a peer does that does not notice: it reads on and says nothing."""
        while True:
            self.unread = b""
            await self.more()

    async def refuse(self, *cases: str, why: str = "") -> None:
        """Close, unless the mistake is not to."""
        if any(map(self.wrong, cases)):
            await self.forever()
        raise Refused(why)

    # ------------------------------------------------------------------------------------------------------ greeting

    async def greet(self) -> None:
        terms, mechanism = self.model.terms, self.model.terms.mechanism
        serves = terms.serves and mechanism != b"NULL"
        if self.wrong("plain-server-says-so") or self.wrong("curve-server-says-so"):
            serves = False
        padding = b"\xaa" * 8 if self.wrong("padding-is-zeros") else bytes(8)
        field = mechanism.ljust(20, b" ") if self.wrong("mechanism-is-padded") else mechanism.ljust(20, b"\0")
        filler = bytes(30) + b"\1" if self.wrong("filler-is-zeros") else bytes(31)
        as_server = b"\1" if serves or self.wrong("as-server-is-zero") else b"\0"
        ours = b"\xff" + padding + b"\x7f\x03" + bytes([terms.minor]) + field + as_server + filler
        if self.model.is_deaf:
            await self.forever()
        firsts = {"greeting-is-sent-at-once": 20, "version-comes-before-ours": 10, "greeting-is-answered": 63}
        firsts |= {"greeting-and-ready-together": 11}
        first = firsts.get(self.model.mistake, 64)
        await self.send(ours[:first])
        if self.wrong("greeting-is-answered"):
            await self.forever()
        if first < 64:
            while len(self.unread) < 12 and self.unread[:1] in (b"", b"\xff"):
                await self.more()
            await self.send(ours[first:])
        await self.check_greeting(mechanism)
        self.greeted = True
        self.model.links.append(self)

    async def check_greeting(self, mechanism: bytes) -> None:
        while len(self.unread) < 64:
            head = self.unread
            if head and head[0] != 0xFF:
                await self.refuse("other-protocol" if head[0] == ord("G") else "oldest-version")
            if len(head) > 10 and head[10] < 3:
                await self.refuse("old-version", "no-downgrade")
            await self.more()
            if self.wrong("greeting-in-pieces") and len(self.unread) < 10 and self.unread[0] == 0xFF:
                raise Refused
        theirs = await self.read(64)
        if self.wrong("padding-is-not-read") and any(theirs[1:9]):
            raise Refused
        if theirs[10] > 3 and self.wrong("newer-major-version"):
            raise Refused
        if theirs[10:12] == b"\3\x09" and self.wrong("newer-minor-version"):
            raise Refused
        if theirs[10:12] == b"\3\0" and self.wrong("older-minor-version"):
            raise Refused
        if theirs[32] and self.wrong("as-server-is-not-read") and mechanism == b"NULL":
            raise Refused
        if theirs[12:32].rstrip(b"\0") != mechanism:
            almost = theirs[12:32].upper().startswith(mechanism)
            await self.refuse("almost-the-mechanism" if almost else "other-mechanism")
        self.minor = theirs[11] if theirs[10] == 3 else 1
        if self.wrong("greeting-and-ready-together") and self.unread:
            raise Refused

    # -------------------------------------------------------------------------------------------------------- frames

    async def frame(self) -> tuple[int, bytes]:
        flags = (await self.read(1))[0]
        if flags & 0xF8:
            if self.wrong("reserved-bits"):
                flags &= 7
            else:
                raise Refused
        if flags & 5 == 5 and not self.wrong("command-with-more"):
            raise Refused
        size = int.from_bytes(await self.read(8 if flags & 2 else 1), "big")
        if size >> 63:
            await self.refuse("size-above-all")
        if self.ready:
            pieces = self.wrong("frame-in-pieces") and len(self.unread) < size and size < 9
            refused: dict[str, object] = {
                "empty-frame": not flags & 5 and size == 0 and not self.half,
                "short-frame-of-255": size == 255,
                "long-frame": size == 70_000,
                "long-frame-may-be-small": flags & 6 == 2 and size < 256,
                "long-command": flags & 6 == 6 and size < 256,
                "many-frames-at-once": len(self.unread) > 1500 and size < 256,
                "frame-in-pieces": pieces,
            }
            if refused.get(self.model.mistake):
                raise Refused
        else:
            refused = {
                "long-ready": flags & 2 and size < 256,
                "large-ready": size > 900,
                "ready-in-pieces": len(self.unread) < 5 and size > 10,
            }
            if refused.get(self.model.mistake):
                raise Refused
        body = await self.read(size)
        if self.box is None:
            return flags & ~2, body
        return await self.unsealed(flags, body)

    async def unsealed(self, flags: int, body: bytes) -> tuple[int, bytes]:
        """What is in the box of a MESSAGE."""
        assert self.box is not None
        if body[:8] != b"\x07MESSAGE" or len(body) < 33:
            if self.wrong("message-in-clear") and body[:8] != b"\x07MESSAGE":
                return flags, body
            if self.wrong("message-too-short") and len(body) == 32:
                return 4, b"\x04PONG"
            raise Refused
        if flags & 1 and self.wrong("flags-outside-the-box"):
            raise Refused
        nonce = int.from_bytes(body[8:16], "big")
        if nonce > self.box.received + 1 and self.wrong("nonce-with-a-gap"):
            raise Refused
        if nonce <= self.box.received and self.wrong("message-again"):
            self.box.received = nonce - 1
        try:
            return self.box.open(body)
        except ProtocolError as error:
            if self.wrong("message-that-does-not-open") and "box" in str(error):
                return 4, b"\x04PONG"
            if self.wrong("other-flags-inside") and "flags" in str(error):
                return 4, b"\x04PONG"
            raise Refused from None

    async def command(self) -> tuple[bytes, bytes]:
        """The next command of a handshake."""
        flags, body = await self.frame()
        if not flags & 4:
            return b"", body
        if not body or not body[0] or body[0] >= len(body) + 1:
            raise Refused
        return body[1 : 1 + body[0]], body[1 + body[0] :]

    async def say(self, octets: bytes) -> None:
        """A command of traffic, in a box where there is one."""
        if self.box is not None:
            octets = self.box.seal(boxes.INNER_COMMAND, octets[2:])
            if self.wrong("messages-travel-as-messages"):
                octets = bytes([octets[0] | 4]) + octets[1:]
        await self.send(octets)

    async def write(self, message: list[bytes]) -> None:
        """A message."""
        for number, body in enumerate(message):
            more = number < len(message) - 1
            if self.box is not None:
                await self.send(self.box.seal(more, body))
            else:
                long = self.wrong("sends-every-size") and len(body) == 255
                await self.send(z.frame(body, more=more, long=long))

    # ----------------------------------------------------------------------------------------------------- handshake

    def metadata(self) -> bytes:
        model = self.model
        kind = b"STRANGE" if self.wrong("type-is-one-of-the-list") else model.kind.encode()
        named = any(map(self.wrong, ("says-its-type", "plain-ready-has-metadata", "initiate-has-metadata")))
        named = named or self.wrong("initiate-is-answered") or self.wrong("client-initiate")
        pairs = [] if named else [(b"Socket-Type", kind)]
        if model.kind in WITH_IDENTITY or self.wrong("identity-is-short"):
            pairs.append((b"Identity", b"\0" if self.wrong("identity-is-short") else b""))
        return z.metadata(*pairs)

    async def beat(self) -> None:
        """A PING each 0.1 s; after three without an answer, the peer is considered dead."""
        while self.unanswered < 3:
            context = b"c" * (17 if self.wrong("ping-is-sent") else 4)
            await self.say(z.command(b"PING", b"\0\0" + context))
            self.unanswered += not self.wrong("silent-peer-is-dropped")
            await trio.sleep(0.1)
        await self.stream.aclose()

    async def handshake(self) -> None:
        if self.model.beats and self.wrong("no-ping-before-ready"):
            self.model.start(self.beat)
        mechanism = self.model.terms.mechanism.decode()
        await getattr(self, f"{mechanism}_{'server' if self.model.terms.serves else 'client'}".lower())()
        self.ready = True
        if self.model.beats and not self.wrong("no-ping-before-ready"):
            self.model.start(self.beat)
        if self.model.kind == "ROUTER" and not self.name:
            self.model.names += not self.wrong("made-up-names")
            self.name = b"\0" + self.model.names.to_bytes(4, "big")
        if self.model.kind == "SUB":
            told = self.model.subscriptions if self.wrong("late-publisher") else dict.fromkeys(self.model.subscriptions)
            for prefix in list(told)[: 1 if self.wrong("late-publisher") else None]:
                await self.subscribe(b"\1" + prefix)

    async def null_server(self) -> None:
        terms = self.model.terms
        waits = self.wrong("client-speaks-first") or self.wrong("server-speaks-too")
        long = self.wrong("short-commands-are-short")
        ours = z.command(b"READY", self.metadata(), long=long)
        if not waits and not (self.wrong("ready-is-answered") and not terms.dials):
            await self.send(ours)
        name, data = await self.command()
        if name == b"ERROR":
            await self.refuse("error-ends-the-handshake", why="error")
        if name == b"":
            await self.refuse("message-before-ready")
        if name == b"PING":
            await self.refuse("ping-before-ready")
        if name != b"READY":
            await self.refuse("other-command-before-ready")
        await self.check_metadata(data)
        if waits:
            await self.send(ours)

    null_client = null_server

    async def check_metadata(self, data: bytes) -> None:
        """Metadata, property by property."""
        pairs: dict[bytes, bytes] = {}
        start = 0
        while start < len(data):
            name = data[start + 1 : start + 1 + data[start]]
            at = start + 1 + data[start]
            size = int.from_bytes(data[at : at + 4], "big")
            if not name:
                await self.refuse("empty-property-name")
            if len(name) < data[start] or len(data) < at + 4:
                await self.refuse("trailing-octets", "plain-initiate-is-checked", "initiate-with-bad-metadata")
            if at + 4 + size > len(data):
                await self.refuse("value-that-ends-early")
            pairs.setdefault(name.lower(), data[at + 4 : at + 4 + size])
            if self.wrong("names-without-case") and name == b"SOCKET-TYPE":
                raise Refused
            if name.startswith(b"X-E") and self.wrong("other-properties"):
                raise Refused
            exact = name == b"Socket-Type" or not self.wrong("wrong-type-in-capitals")
            if name.lower() == b"socket-type" and exact:
                await self.check_type(data[at + 4 : at + 4 + size].decode())
            start = at + 4 + size
        identity = pairs.get(b"identity", b"")
        if len(identity) > 255:
            await self.refuse("identity-too-long")
        if len(identity) == 255 and self.wrong("long-identity"):
            raise Refused
        if not any(name.lower() == b"socket-type" for name in pairs) and self.wrong("no-socket-type"):
            raise Refused
        if self.model.kind == "ROUTER" and identity:
            twins = [link for link in self.model.links if link.name == identity]
            if twins and self.wrong("taken-name"):
                raise Refused
            self.name = b"" if twins else identity
            if twins:
                self.model.links.remove(self)
        if self.model.kind == "PAIR" and len(self.model.links) > 1 and not self.wrong("one-peer-at-a-time"):
            raise Refused

    async def check_type(self, kind: str) -> None:
        fits = kind in SocketType.__members__ and SocketType[kind] in PEERS[SocketType[self.model.kind]]
        if (
            fits
            and self.wrong("all-partners-fit")
            and kind == sorted(p.name for p in PEERS[SocketType[self.model.kind]])[-2]
        ):
            raise Refused
        if fits:
            return
        if kind == "STRANGE":
            raise Refused("type")
        if kind in SocketType.__members__:
            if not self.wrong("wrong-type-is-told"):
                await self.send(z.command(b"ERROR", b"\x03bad"))
            last = [each.name for each in CLASSIC if each not in PEERS[SocketType[self.model.kind]]][-1]
            if kind == last:
                await self.refuse("wrong-types")
        elif kind.islower():
            await self.refuse("type-in-small-letters")
        raise Refused

    async def plain_server(self) -> None:
        name, data = await self.command()
        if name == b"":
            await self.refuse("message-before-welcome")
        if name != b"HELLO":
            await self.refuse("plain-out-of-turn")
        whole = bool(data) and len(data) > data[0] + 1 and len(data) >= data[0] + 2 + data[data[0] + 1]
        if not whole:
            await self.refuse("hello-too-short")
        user, password = data[1 : 1 + data[0]], data[2 + data[0] : 2 + data[0] + data[data[0] + 1]]
        if len(data) > 2 + len(user) + len(password):
            await self.refuse("hello-too-long")
        if user != self.model.terms.username:
            if self.wrong("plain-error-is-spelt"):
                await self.send(z.frame(b"\x06ERRORS", command=True))
            else:
                await self.send(z.command(b"ERROR", b"\x03400"))
            raise Refused
        if password != self.model.terms.password and not self.wrong("wrong-password"):
            await self.send(z.command(b"ERROR", b"\x03400"))
            raise Refused
        await self.send(z.command(b"WELCOME", b"x" if self.wrong("welcome-is-empty") else b""))
        if self.wrong("password-is-accepted"):
            await self.forever()
        name, data = await self.command()
        if name != b"INITIATE":
            raise Refused
        await self.check_metadata(data)
        await self.send(z.command(b"READY", self.metadata()))

    async def plain_client(self) -> None:
        user, password = self.model.terms.username, self.model.terms.password
        if self.wrong("hello-has-credentials"):
            password = b"other"
        await self.send(z.command(b"HELLO", bytes([len(user)]) + user + bytes([len(password)]) + password))
        name, data = await self.command()
        if name == b"ERROR":
            await self.refuse("error-for-welcome")
        if name == b"READY":
            await self.refuse("ready-before-welcome")
        if data:
            await self.refuse("welcome-with-data")
        await self.send(z.command(b"INITIATE", self.metadata()))
        name, data = await self.command()
        await self.check_metadata(data)

    async def curve_server(self) -> None:
        server = boxes.Server(boxes.Keys(*SERVER))
        if self.wrong("cookies-are-new"):
            server.public, server.secret = boxes.keypair(b"\x09" * 32)
        name, data = await self.command()
        if name != b"HELLO":
            await self.refuse("curve-out-of-turn")
        try:
            server.read_hello(data)
        except ProtocolError as error:
            await self.refuse(
                "hello-of-other-size" if len(data) != 194 else "",
                "hello-of-other-version" if data[:2] != b"\1\0" else "",
                "hello-with-padding" if any(data[2:74]) else "",
                "hello-with-other-content" if "holds" in str(error) else "",
                "hello-for-another-server" if "open" in str(error) else "",
            )
        welcome = server.welcome()
        await self.send(welcome[:-1] + b"?" if self.wrong("hello-is-answered") else welcome)
        name, data = await self.command()
        if name != b"INITIATE":
            raise Refused
        await self.read_initiate(server, welcome, data)
        await self.send(server.ready(self.metadata()))
        self.box = server

    async def read_initiate(self, server: boxes.Server, welcome: bytes, data: bytes) -> None:
        opened = boxes.open_box("WELCOME", welcome[26:], b"WELCOME-" + welcome[10:26], server.first)
        if opened[32:] != data[:96]:
            await self.refuse("other-cookie")
        if int.from_bytes(data[96:104], "big") <= server.received:
            await self.refuse("initiate-with-old-nonce")
        try:
            metadata = server.read_initiate(data)
        except ProtocolError as error:
            await self.refuse("vouch-for-another-key" if "vouch" in str(error) else "initiate-that-does-not-open")
        await self.check_metadata(metadata)

    async def curve_client(self) -> None:
        client = boxes.Client(boxes.Keys(*CLIENT, SERVER[0]))
        if self.wrong("client-keys-are-new"):
            client.public, client.secret = boxes.keypair(b"\x09" * 32)
        await self.send(client.hello(padding=b"x" + bytes(71) if self.wrong("client-hello") else bytes(72)))
        name, data = await self.command()
        if name != b"WELCOME":
            await self.refuse("ready-for-welcome")
        try:
            client.read_welcome(data)
        except ProtocolError:
            await self.refuse("welcome-of-other-size" if len(data) != 160 else "welcome-that-does-not-open")
        await self.send(client.initiate(self.metadata()))
        name, data = await self.command()
        if name == b"ERROR":
            await self.refuse("client-is-told-error")
        try:
            await self.check_metadata(client.read_ready(data))
        except ProtocolError:
            await self.refuse("ready-that-does-not-open")
        self.box = client

    # ------------------------------------------------------------------------------------------------------- traffic

    async def traffic(self) -> None:
        while True:
            flags, body = await self.frame()
            if flags & 4:
                await self.obey(body)
                if self.half and self.wrong("command-inside-a-message") and not body.endswith(b"check"):
                    self.half = []
                continue
            self.half.append(body)
            if not flags & 1:
                message, self.half = self.half, []
                await self.take(message)

    async def obey(self, body: bytes) -> None:
        """A command."""
        if self.half and self.wrong("command-between-frames") and body == b"\x04PONG":
            raise Refused
        size = body[0] if body else 0
        name, data = body[1 : 1 + size], body[1 + size :]
        if not name:
            if self.wrong("empty-name"):
                return
            raise Refused
        if len(name) < size:
            if self.wrong("name-that-ends-early"):
                return
            raise Refused
        if not name.isalpha():
            if self.wrong("name-of-other-characters"):
                return
            raise Refused
        if name == b"PING":
            await self.ping(data)
        elif name == b"PONG":
            if self.wrong("ttl-after-other-traffic"):
                self.deadline = math.inf
            if self.wrong("pong-unasked") and data == b"context":
                raise Refused
        elif name in (b"SUBSCRIBE", b"CANCEL"):
            self.note((b"\1" if name == b"SUBSCRIBE" else b"\0") + data, is_command=True)
        elif name == b"READY":
            if self.wrong("late-ready"):
                raise Refused
        elif self.wrong("unknown-command"):
            raise Refused

    async def ping(self, data: bytes) -> None:
        ttl, context = int.from_bytes(data[:2], "big"), data[2:]
        if len(context) > 16 and not self.wrong("long-context"):
            raise Refused
        if self.wrong("long-ttl") and ttl > 655:
            ttl = (ttl * 100 & 0xFFFF) // 100 or 1
        if self.wrong("no-ttl") and not ttl and not context:
            ttl = 1
        self.ttl = 0.0 if self.wrong("ttl-runs-out") else ttl / 10
        self.deadline = trio.current_time() + self.ttl if self.ttl else math.inf
        if self.wrong("ping-is-answered") and context == b"c":
            context = b""
        if self.wrong("many-pings") and context == b"C":
            return
        if self.wrong("ping-inside-a-message") and self.half and context == b"inside":
            return
        await self.say(z.command(b"PONG", context))

    async def take(self, message: list[bytes]) -> None:
        """A message from the peer."""
        kind = self.model.kind
        if self.wrong("what-came-before-the-end") and message == [b"two"]:
            return
        if kind in ("PUB", "XPUB"):
            if message[0][:1] in (b"\0", b"\1") and message[0] != b"\0\xff":
                if not self.wrong("old-subscription"):
                    self.note(message[0])
            elif kind == "XPUB" and not self.wrong("message-for-an-xpub"):
                self.model.notices.append(message)
            elif self.wrong("message-for-a-publisher") and message[0] == b"\x09" and len(message) > 1:
                raise Refused
        elif kind == "REP" and b"" not in message[:-1]:
            if self.wrong("request-without-delimiter") and message == [b"bare"]:
                self.inbox.append(message)
        elif kind == "REQ" and (message[0] != b"" or len(message) < 2):
            if self.wrong("reply-without-delimiter"):
                self.inbox.append(message)
                return
            raise Refused
        elif kind == "SUB" and not any(message[0].startswith(each) for each in self.model.subscriptions):
            if self.wrong("sub-filters-too"):
                self.inbox.append(message)
        elif kind == "PUSH" or self.wrong("xsub-hands-on-all"):
            pass
        elif self.wrong("curve-changes-nothing") and len(message) == 3:
            self.inbox.append([b"".join(message)])
        else:
            self.inbox.append(message)

    def note(self, words: bytes, is_command: bool = False) -> None:
        """A subscription or a cancellation."""
        prefix = words[1:]
        if self.model.kind not in ("PUB", "XPUB"):
            return
        others = [each for link in self.model.links if link is not self for each in link.prefixes]
        if words[0]:
            if not (self.wrong("subscriptions-add") and prefix in self.prefixes):
                self.prefixes.append(prefix)
            first = self.prefixes.count(prefix) == 1 and (prefix not in others or self.wrong("second-subscriber"))
            if first and self.model.kind == "XPUB" and not self.wrong("notice-of-subscription"):
                self.model.notices.append([words])
        elif prefix in self.prefixes and not (is_command and self.wrong("cancel-takes-it-back")):
            self.prefixes.remove(prefix)
            last = prefix not in self.prefixes + others
            if last and self.model.kind == "XPUB":
                self.model.notices.append([words])
        elif self.wrong("cancel-of-nothing"):
            raise Refused

    def wants(self, message: list[bytes]) -> bool:
        """Whether this subscriber has asked for a message."""
        if self.wrong("nothing-without-subscription") and message == [b"ab too early"] and self.ready:
            return True
        if self.wrong("prefix-is-matched") and message == [b"abc"]:
            return False
        if self.wrong("empty-prefix") and message == [b""]:
            return False
        if self.wrong("first-frame-decides") and message[-1] == b"ab" and len(message) > 1:
            return True
        if self.wrong("long-prefixes"):
            return any(message[0].startswith(prefix[:255]) for prefix in self.prefixes)
        return any(message[0].startswith(prefix) for prefix in self.prefixes)

    async def subscribe(self, words: bytes) -> None:
        """Tell the peer a subscription, 01 and prefix, or 00 and prefix."""
        as_message = self.minor == 0 or self.wrong("subscribe-is-a-command")
        if self.wrong("subscribe-to-old-peers") and len(words) < 200:
            as_message = False
        if self.wrong("long-subscriptions") and len(words) == 247:
            as_message = True
        if self.wrong("long-subscription-to-old-peers") and self.minor == 0 and len(words) == 256:
            as_message = False
        if as_message and self.box is None:
            await self.send(z.frame(words))
        else:
            await self.say(z.command(b"SUBSCRIBE" if words[0] else b"CANCEL", words[1:]))
