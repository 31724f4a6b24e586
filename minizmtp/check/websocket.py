r"""WebSocket: the upgrade, and the frames that carry ZMTP's.                                  RFC 6455, RFC 45/ZWS

    GET / HTTP/1.1, Upgrade, Sec-WebSocket-Protocol: ZWS2.0/NULL  ──►      the side that connects
                                       101, Sec-WebSocket-Accept  ◄──      the side that binds
    82 85 key  00 hello (masked)                                  ──►      a client masks what it sends
                                                    82 06 00 hello  ◄──    a server does not

The careful peer writes its request in other letters or in pieces, pings, and sends a message in several frames. The
difficult one asks for another protocol, does not mask, or sends text. Above these frames nothing differs from tcp, so
the cases of the other groups are played as well, except those about the greeting, the framing and the heartbeats.

Below this module: `case`, `web`. Read next: `target`.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from typing import ClassVar

import trio

from ..wire.upgrade import accept_token
from ..wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from . import octets as o
from .case import Case, Level
from .peer import Departure, Ended, Peer, Unlike, shown
from .web import MASK, WebFrame, WebPeer, request, response, subprotocol

OPENING, FRAMES = "RFC 6455, section 4", "RFC 6455, section 5"
HANDSHAKE, FRAMING, IMPLEMENTATION = '45/ZWS, "Handshake"', '45/ZWS, "Framing"', '45/ZWS, "Implementation"'
ANY = (b"NULL", b"PLAIN", b"CURVE")
HELLO = b"\x02\x05HELLO"  # a command that means nothing after the handshake


class WebCase(Case):
    """A case over WebSocket."""

    web, section = True, FRAMES
    mechanisms: ClassVar[Sequence[bytes]] = ANY

    async def play(self, peer: Peer) -> None:
        assert isinstance(peer, WebPeer)
        await self.play_web(peer)

    async def play_web(self, peer: WebPeer) -> None:
        """Play the peer."""
        raise NotImplementedError


# --------------------------------------------------------------------------------------------- the upgrade, to a server


class UpgradeIsAnswered(WebCase):
    """A right request is answered with 101."""

    number, section, dials = "45-6", HANDSHAKE, False

    async def play_web(self, peer: WebPeer) -> None:
        await peer.switch()


class AcceptFitsTheKey(WebCase):
    """Sec-WebSocket-Accept is the hash of the request's key."""

    number, section, dials = "45-6", f"{OPENING}.2.2", False

    async def play_web(self, peer: WebPeer) -> None:
        key = b"MDEyMzQ1Njc4OWFiY2RlZg=="
        await peer.switch(request(subprotocol(peer.terms.mechanism), key=b64decode(key), path=peer.terms.path))
        expected, found = accept_token(key).decode(), peer.field("sec-websocket-accept")
        if found != expected:
            raise Unlike(f"Sec-WebSocket-Accept: {expected}", found or "none")


class OneSubprotocolIsChosen(WebCase):
    """The server chooses one subprotocol, out of those that were offered and that it speaks."""

    number, section, dials = "45-6", HANDSHAKE, False

    async def play_web(self, peer: WebPeer) -> None:
        known = subprotocol(peer.terms.mechanism)
        await peer.switch(request(f"chat, {known}, superchat", path=peer.terms.path))
        if (found := peer.field("sec-websocket-protocol")) != known:
            raise Unlike(f"Sec-WebSocket-Protocol: {known}", found or "none")


class AnsweredWithUpgrade(WebCase):
    """A 101 has `Upgrade: websocket` and `Connection: Upgrade`."""

    number, section, dials = "45-6", f"{OPENING}.2.2", False

    async def play_web(self, peer: WebPeer) -> None:
        await peer.switch()
        for name, expected in (("upgrade", "websocket"), ("connection", "upgrade")):
            if (found := peer.field(name)).lower() != expected:
                raise Unlike(f"{name}: {expected}", found or "none")


class AcceptedRequest(WebCase):
    """Another way to write a good request: it is answered with 101 all the same."""

    dials = False
    libzmq: ClassVar[str] = ""

    def asks(self, peer: WebPeer) -> bytes:
        """The request."""
        raise NotImplementedError

    async def play_web(self, peer: WebPeer) -> None:
        try:
            await peer.switch(self.asks(peer))
        except Unlike:
            if self.libzmq:
                raise Departure(self.libzmq) from None
            raise


class RequestInOtherLetters(AcceptedRequest):
    """Names of fields, and the words in Upgrade and Connection, may be written in capitals, and Connection may list
    more."""

    number, section = "45-6", f"{OPENING}.2.1"

    def asks(self, peer: WebPeer) -> bytes:
        right = request(
            subprotocol(peer.terms.mechanism),
            path=peer.terms.path,
            Upgrade="WebSocket",
            Connection="keep-alive, UPGRADE",
        )
        return right.replace(b"Upgrade: ", b"UPGRADE: ").replace(b"Sec-WebSocket-Key", b"sec-websocket-key")


class RequestWithMoreFields(AcceptedRequest):
    """A request may have fields as a browser sends them: Origin, cookies, extensions."""

    number, section = "45-6", f"{OPENING}.2.1"

    def asks(self, peer: WebPeer) -> bytes:
        return request(
            subprotocol(peer.terms.mechanism),
            path=peer.terms.path,
            Origin="http://localhost",
            Cookie="a=" + "c" * 1000,
            Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
        )


class RequestInPieces(WebCase):
    """A request may come one octet at a time."""

    number, section, dials = "45-6", f"{OPENING}.2.1", False

    async def play_web(self, peer: WebPeer) -> None:
        octets = request(subprotocol(peer.terms.mechanism), path=peer.terms.path)
        await peer.send_web(*(octets[i : i + 1] for i in range(len(octets) - 1)))
        await peer.switch(octets[-1:])


class RefusedRequest(WebCase):
    """What asks for no WebSocket of ours: it is not answered with 101."""

    dials, difficult = False, True
    libzmq: ClassVar[str] = ""

    def asks(self, peer: WebPeer) -> Iterable[bytes]:
        """The requests, each on a connection of its own."""
        raise NotImplementedError

    async def play_web(self, peer: WebPeer) -> None:
        for number, octets in enumerate(self.asks(peer)):
            one = await peer.afresh() if number else peer
            assert isinstance(one, WebPeer)
            await one.send_web(octets)
            try:
                await one.read_head("a response that refuses the request, or the end of the connection")
            except Unlike as unlike:
                if one.ended:
                    continue
                raise unlike
            if one.status == "101":
                if self.libzmq:
                    raise Departure(self.libzmq)
                raise Unlike("a response that refuses the request, or the end of the connection", one.first_line)


class OtherSubprotocols(RefusedRequest):
    """A request that offers other subprotocols alone is refused."""

    number, section = "45-6", HANDSHAKE

    def asks(self, peer: WebPeer) -> Iterable[bytes]:
        known = subprotocol(peer.terms.mechanism)
        for offer in ("", "chat", known.lower(), known + "X", "ZWS2.0/GSSAPI"):
            yield request(offer, path=peer.terms.path)


class NoUpgrade(RefusedRequest):
    """A request that asks for no WebSocket is refused."""

    number, section = "45-4", f"{OPENING}.2.1"

    def asks(self, peer: WebPeer) -> Iterable[bytes]:
        known = subprotocol(peer.terms.mechanism)
        yield request(known, path=peer.terms.path, Upgrade="")
        yield request(known, path=peer.terms.path, Upgrade="h2c")


class NoKey(RefusedRequest):
    """A request without Sec-WebSocket-Key is refused."""

    number, section = "45-4", f"{OPENING}.2.1"

    def asks(self, peer: WebPeer) -> Iterable[bytes]:
        yield request(subprotocol(peer.terms.mechanism), path=peer.terms.path, Sec_WebSocket_Key="")


class KeyOfOtherSize(RefusedRequest):
    """Sec-WebSocket-Key is 16 octets in base64."""

    number, section, level = "45-4", f"{OPENING}.2.1", Level.SHOULD
    libzmq = "hashes whatever it says"

    def asks(self, peer: WebPeer) -> Iterable[bytes]:
        yield request(subprotocol(peer.terms.mechanism), path=peer.terms.path, key=bytes(15))


class OtherWebSocketVersion(RefusedRequest):
    """A request for another version of WebSocket than 13 is refused."""

    number, section, libzmq = "45-4", f"{OPENING}.4", "does not look at it"

    def asks(self, peer: WebPeer) -> Iterable[bytes]:
        yield request(subprotocol(peer.terms.mechanism), path=peer.terms.path, version="8")


# --------------------------------------------------------------------------------------------- the upgrade, to a client


class RequestIsInOrder(WebCase):
    """The request is a GET of HTTP/1.1 with Host, Upgrade, Connection, a key of 16 octets, and version 13."""

    number, section, dials = "45-5", f"{OPENING}.1", True

    async def play_web(self, peer: WebPeer) -> None:
        await peer.read_head("a request")
        if not (peer.first_line.startswith("GET ") and peer.first_line.endswith(" HTTP/1.1")):
            raise Unlike("GET, a path, and HTTP/1.1", peer.first_line)
        expected = (("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13"))
        for name, value in expected:
            if value not in [word.strip().lower() for word in peer.field(name).split(",")]:
                raise Unlike(f"{name}: {value}", peer.field(name) or "none")
        if not peer.field("host"):
            raise Unlike("a Host", "none")
        try:
            key = b64decode(peer.field("sec-websocket-key"), validate=True)
        except Base64Error:
            key = b""
        if len(key) != 16:
            raise Unlike("Sec-WebSocket-Key with 16 octets in base64", peer.field("sec-websocket-key") or "none")


class MechanismIsOffered(WebCase):
    """The request offers the subprotocol of the mechanism; with NULL, ZWS2.0 may be offered too."""

    number, section, dials = "45-5", HANDSHAKE, True

    async def play_web(self, peer: WebPeer) -> None:
        await peer.read_head("a request")
        offers = [offer.strip() for offer in peer.field("sec-websocket-protocol").split(",")]
        known = subprotocol(peer.terms.mechanism)
        if known not in offers or set(offers) - {known, "ZWS2.0"}:
            raise Unlike(f"Sec-WebSocket-Protocol: {known}", ", ".join(offers) or "none")


class AsksForItsPath(WebCase):
    """Host and path of the request are as in the endpoint that it connects to."""

    number, section, dials = "45-7", HANDSHAKE, True

    async def play_web(self, peer: WebPeer) -> None:
        await peer.read_head("a request")
        found = peer.first_line.split(" ")[1:2]
        if found != [peer.terms.path]:
            raise Unlike(f"a request for {peer.terms.path}", peer.first_line)


class KeysAreNew(WebCase):
    """The key of each request is new."""

    number, section, dials = "45-5", f"{OPENING}.1", True

    async def play_web(self, peer: WebPeer) -> None:
        keys = []
        for number in range(2):
            one = await peer.afresh() if number else peer
            assert isinstance(one, WebPeer)
            await one.switch()
            keys.append(one.field("sec-websocket-key"))
            await one.close()
        if keys[0] == keys[1]:
            raise Unlike("two keys", f"{keys[0]} twice")


class RefusedResponse(WebCase):
    """What does not answer the request: the client closes the connection."""

    section, dials, difficult = f"{OPENING}.1", True, True
    libzmq: ClassVar[str] = ""

    def answers(self, key: bytes, chosen: str) -> bytes:
        """The response."""
        raise NotImplementedError

    async def play_web(self, peer: WebPeer) -> None:
        await peer.read_head("a request")
        key = peer.field("sec-websocket-key").encode("latin-1")
        await peer.send_web(self.answers(key, subprotocol(peer.terms.mechanism)))
        await peer.closes(self.libzmq, asked=False)


class OtherAccept(RefusedResponse):
    """A response whose Sec-WebSocket-Accept does not fit the key is refused."""

    number, libzmq = "45-4", "does not compare it with its key"

    def answers(self, key: bytes, chosen: str) -> bytes:
        return response(key, chosen, accept=accept_token(key + b"x"))


class OtherSubprotocolChosen(RefusedResponse):
    """A response that chooses a subprotocol that was not offered is refused."""

    number = "45-6"

    def answers(self, key: bytes, chosen: str) -> bytes:
        return response(key, "chat")


class OtherStatus(RefusedResponse):
    """A response with another status than 101 is the end of the connection."""

    number = "45-6"

    def answers(self, key: bytes, chosen: str) -> bytes:
        return response(key, chosen, status="403 Forbidden")


# ------------------------------------------------------------------------------------------------- frames that it sends


class FlagsAreOneOctet(WebCase):
    """Each message begins with an octet of flags: 00, 01 for MORE, 02 for a command."""

    number, section, mechanisms = "45-2", FRAMING, (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        frame = await first_frame(peer)
        if frame.payload[:7] != b"\x02\x05READY":
            raise Unlike("READY behind the octet 02", shown(frame.payload) or "a message without octets")


class MoreIsOne(WebCase):
    """All frames of a message but the last have the flags 01, and the last has 00."""

    number, section = "45-2", FRAMING
    kinds, acts, mechanisms = ("PUSH", "DEALER", "PAIR"), True, (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        await peer.program.send(b"one", b"", b"end")
        for expected in (b"\x01one", b"\x01", b"\x00end"):
            frame = await peer.web_frame()
            if frame.payload != expected:
                raise Unlike(f"a message {shown(expected)}", shown(frame.payload) or "one without octets")


class SentAsBinary(WebCase):
    """What it sends are binary messages."""

    number, section, mechanisms = "45-4", IMPLEMENTATION, (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        frame = await first_frame(peer)
        if frame.opcode != BINARY:
            raise Unlike("a frame that begins with 82", shown(frame.octets))


class ClientMasks(WebCase):
    """A client masks each frame, with a new key."""

    number, section, dials = "45-2", f"{FRAMES}.1 and 5.3", True

    async def play_web(self, peer: WebPeer) -> None:
        keys = []
        for number in range(2):
            one = await peer.afresh() if number else peer
            assert isinstance(one, WebPeer)
            frame = await first_frame(one)
            if not frame.key:
                raise Unlike("a frame with a mask", shown(frame.octets))
            keys.append(frame.key)
            await one.close()
        if keys[0] == keys[1]:
            raise Unlike("two keys", f"{shown(keys[0])} twice")


class ServerDoesNotMask(WebCase):
    """A server does not mask."""

    number, section, dials, mechanisms = "45-2", f"{FRAMES}.1", False, (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        frame = await first_frame(peer)
        if frame.key:
            raise Unlike("a frame without a mask", shown(frame.octets))


class SizesAreShort(WebCase):
    """A size is written in as few octets as it fits into: 1 up to 125, 3 up to 65,535, otherwise 9."""

    number, section = "45-2", f"{FRAMES}.2"
    kinds, acts, mechanisms = ("PUSH", "DEALER", "PAIR"), True, (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        for size, octets in ((124, 1), (125, 3), (65_534, 3), (65_535, 9)):
            await peer.program.send(b"s" * size)
            frame = await peer.web_frame()
            length = len(frame.octets) - len(frame.payload) - len(frame.key) - 1
            if length != octets or frame.payload != b"\0" + b"s" * size:
                raise Unlike(f"{1 + size:,} octets, whose size is written in {octets}", shown(frame.octets, 16))


# ---------------------------------------------------------------------------------------------- frames that it receives


class PingOfAWebSocket(WebCase):
    """A ping is answered with a pong and the same payload, which may have 125 octets."""

    number, section = "45-4", f"{FRAMES}.5.3"

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        for payload in (b"p", b"", b"a context that is longer than ZMTP's", b"q" * 125):
            await peer.send_web(peer.framed(payload, PING))
            while (frame := await peer.web_frame()).opcode in (BINARY, PING):
                pass
            if (frame.opcode, frame.payload) == (PONG, b"") and payload:
                raise Departure("sends a pong without the payload")
            if (frame.opcode, frame.payload) != (PONG, payload):
                raise Unlike(f"a pong with {len(payload)} octets", shown(frame.octets))


class PongOfAWebSocket(WebCase):
    """A pong that was not asked for does no harm."""

    number, section = "45-4", f"{FRAMES}.5.3"

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        await peer.send_web(peer.framed(b"unasked", PONG))
        await peer.goes_on()


class CloseIsAnswered(WebCase):
    """A close is answered with a close."""

    number, section = "45-4", f"{FRAMES}.5.1"

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        await peer.send_web(peer.framed((1000).to_bytes(2, "big"), CLOSE))
        try:
            while (await peer.web_frame()).opcode != CLOSE:
                pass
        except Ended:
            raise Unlike("a close", "the end of the connection without one") from None
        except trio.TooSlowError:
            raise Unlike("a close", f"nothing in {peer.terms.patience:g} s") from None


class FramesInPieces(WebCase):
    """A frame may come one octet at a time."""

    number, section, mechanisms = "45-2", f"{FRAMES}.2", (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        await peer.switch()
        octets = peer.framed(b"\x02" + o.ready(peer.terms.partner)[2:])
        await peer.send_web(*(octets[i : i + 1] for i in range(len(octets))))
        await peer.command(b"READY")
        await peer.goes_on()


class SizesOfEveryLength(WebCase):
    """A size may be written in 1, 3 or 9 octets."""

    number, section = "45-2", f"{FRAMES}.2"
    kinds, mechanisms = ("PULL", "DEALER", "ROUTER", "PAIR", "REP", "PUB", "XPUB", "SUB"), (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        for size in (124, 125, 65_534, 65_535):
            await peer.send(o.message(b"\x09" * size))
        await peer.goes_on()


class MessageInFrames(WebCase):
    """A message may come in several frames, the first binary and the others going on."""

    number, section, mechanisms = "45-3", f"{FRAMES}.4", (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        await peer.switch()
        whole = b"\x02" + o.ready(peer.terms.partner)[2:]
        parts = [whole[:1], whole[1:9], whole[9:]]
        await peer.send_web(
            *(
                peer.framed(part, CONTINUATION if number else BINARY, fin=number == 2)
                for number, part in enumerate(parts)
            )
        )
        try:
            await peer.command(b"READY")
            await peer.goes_on()
        except Unlike:
            raise Departure("does not read it") from None


class PingBetweenFrames(WebCase):
    """A ping may come between two frames of one message."""

    number, section, mechanisms = "45-3", f"{FRAMES}.4", (b"NULL",)

    async def play_web(self, peer: WebPeer) -> None:
        await peer.handshake()
        await peer.send_web(
            peer.framed(b"\x02\x05", fin=False) + peer.framed(b"between", PING) + peer.framed(b"HELLO", CONTINUATION)
        )
        try:
            while (frame := await peer.web_frame()).opcode == BINARY:
                pass
        except (Ended, trio.TooSlowError):
            raise Departure("does not read a message in several frames") from None
        if (frame.opcode, frame.payload) != (PONG, b"between"):
            raise Unlike("a pong with the payload of the ping", shown(frame.octets))


class RefusedFrame(WebCase):
    """What no peer may send after the handshake: the connection is closed."""

    difficult = True
    mechanisms = (b"NULL",)
    libzmq: ClassVar[str] = ""

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        """What is sent, each on a connection of its own."""
        raise NotImplementedError

    async def play_web(self, peer: WebPeer) -> None:
        for number, octets in enumerate(self.wrong(peer)):
            one = await peer.afresh() if number else peer
            assert isinstance(one, WebPeer)
            await one.handshake()
            await one.send_web(octets)
            await one.closes(self.libzmq, stalls="reads no more, and keeps the connection")


class FrameWithoutMask(RefusedFrame):
    """A server refuses a frame that is not masked."""

    number, section, dials = "45-4", f"{FRAMES}.1", False

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(HELLO, masked=False)


class FrameWithMask(RefusedFrame):
    """A client refuses a frame that is masked."""

    number, section, dials = "45-4", f"{FRAMES}.1", True
    libzmq = "takes the mask off"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(HELLO, masked=True)


class TextFrame(RefusedFrame):
    """A text message is refused."""

    number, section = "45-4", IMPLEMENTATION

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(b"\x00hello", TEXT)


class OtherOpcode(RefusedFrame):
    """A frame with an opcode that has no meaning is refused."""

    number, section = "45-4", f"{FRAMES}.2"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(HELLO, 3)
        yield peer.framed(b"", 11)


class ReservedBitsOfAWebSocket(RefusedFrame):
    """A frame with one of the three reserved bits is refused, because no extension was agreed on."""

    number, section, libzmq = "45-4", f"{FRAMES}.2", "overlooks them"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        for bit in (0x40, 0x20, 0x10):
            right = peer.framed(HELLO)
            yield bytes([right[0] | bit]) + right[1:]


class OtherFlags(RefusedFrame):
    """A message whose first octet is not 00, 01 or 02 is refused."""

    number, section, libzmq = "45-2", FRAMING, "overlooks the other bits"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(b"\x80" + HELLO[1:])
        yield peer.framed(b"\x04" + HELLO[1:])


class CommandWithMoreFlag(RefusedFrame):
    """A message whose first octet is 03, a command with MORE, is refused."""

    number, section, libzmq = "45-2", FRAMING, "overlooks it"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(b"\x03\x05HELLO")


class LongPing(RefusedFrame):
    """A ping, a pong or a close has at most 125 octets, in one frame."""

    number, section, libzmq = "45-4", f"{FRAMES}.5", "reads it"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(b"p" * 126, PONG)
        yield peer.framed(b"p", PONG, fin=False)


class ContinuationOfNothing(RefusedFrame):
    """A frame that goes on with a message that has not begun is refused."""

    number, section = "45-4", f"{FRAMES}.4"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        yield peer.framed(HELLO, CONTINUATION)


class WebSizeAboveAll(RefusedFrame):
    """No frame has 2^63 octets or more."""

    number, section = "45-4", f"{FRAMES}.2"

    def wrong(self, peer: WebPeer) -> Iterable[bytes]:
        mask = b"" if peer.terms.dials else MASK
        yield bytes([0x82, 127 | (0x80 if mask else 0)]) + (1 << 63).to_bytes(8, "big") + mask


async def first_frame(peer: WebPeer) -> WebFrame:
    """The first frame that the other side sends by itself, or after ours: of READY, or of HELLO."""
    await peer.switch()
    if peer.terms.mechanism == b"NULL":
        await peer.send(o.ready(peer.terms.partner))
    try:
        return await peer.web_frame()
    except Ended:
        raise Unlike("a frame", "the connection was closed") from None
    except trio.TooSlowError:
        raise Unlike("a frame", f"nothing in {peer.terms.patience:g} s") from None
