r"""The same peer over WebSocket: an upgrade in place of the greeting, and messages in place of frames.     45/ZWS

A case says what it sends and expects as frames of ZMTP. `WebPeer` sends each as a message of the WebSocket, and reads
messages as frames, so a case about READY or about envelopes is the same over tcp and over ws:

    ZMTP     04 19  05 READY …      01 02 id           PING, PONG
    ZWS      82 1a  02 05 READY …   82 03  01 id       the WebSocket's own ping and pong, without a ttl

The cases in `websocket` look below that. They write requests and frames of their own, right or wrong:

    >>> print(request("ZWS2.0/NULL", key=b"0123456789abcdef", path="/a").decode().replace("\r\n", "\n").strip())
    GET /a HTTP/1.1
    Host: localhost
    Upgrade: websocket
    Connection: Upgrade
    Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==
    Sec-WebSocket-Version: 13
    Sec-WebSocket-Protocol: ZWS2.0/NULL
    >>> to_zws(b"\x01\x02id\x00\x02hi")
    [(2, b'\x01id'), (2, b'\x00hi')]
    >>> to_zws(b"\x04\x07\x04PING\0\0")
    [(9, b'')]

Below this module: `peer`. Read next: `program`.
"""

import os
from base64 import b64encode
from typing import NamedTuple

import trio

from ..errors import ProtocolError, printable
from ..wire.frames import COMMAND, LONG, MORE
from ..wire.upgrade import accept_token
from ..wire.websocket import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, encode_frame, mask
from ..wire.zws import TO_ZMTP, TO_ZWS
from . import octets as o
from .peer import Ended, Frame, Peer, Place, Record, Terms, Unlike, shown

MASK = b"\x01\x02\x03\x04"  # a key like any other; what it hides can be read in a report
LARGEST_HEAD = 16384


def subprotocol(mechanism: bytes) -> str:
    """The name under which a mechanism is offered."""
    return f"ZWS2.0/{mechanism.decode('latin-1')}"


def request(offer: str, *, key: bytes = b"", path: str = "/", version: str = "13", **fields: str) -> bytes:
    """The request of an upgrade. key: 16 octets, new ones unless given. fields: more, or others in place of the usual
    ones, with _ for -; an empty one is left out."""
    names = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": b64encode(key or os.urandom(16)).decode(),
        "Sec-WebSocket-Version": version,
        "Sec-WebSocket-Protocol": offer,
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return head(f"GET {path} HTTP/1.1", names)


def response(key: bytes, chosen: str, *, status: str = "101 Switching Protocols", accept: bytes = b"") -> bytes:
    """The response to it. key: as it came, in base64. accept: instead of the right token."""
    names = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": (accept or accept_token(key)).decode(),
        "Sec-WebSocket-Protocol": chosen,
    }
    return head(f"HTTP/1.1 {status}", names)


def head(first: str, fields: dict[str, str]) -> bytes:
    """A head of HTTP."""
    lines = [first, *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def to_zws(frames: bytes) -> list[tuple[int, bytes]]:
    """Whole frames of ZMTP as messages of a WebSocket: opcode and payload."""
    messages, at = [], 0
    while at < len(frames):
        flags, body, at = cut(frames, at)
        if flags & COMMAND and body.startswith((b"\x04PING", b"\x04PONG")):
            messages.append((PING, body[7:]) if body[2:3] == b"I" else (PONG, body[5:]))
        else:
            messages.append((BINARY, TO_ZWS[flags & (MORE | COMMAND)] + body))
    return messages


def cut(frames: bytes, at: int) -> tuple[int, bytes, int]:
    """The frame that begins at this offset: its flags, its body, and where it ends, which may be beyond the octets."""
    flags = frames[at]
    begin = at + (9 if flags & LONG else 2)
    end = begin + (int.from_bytes(frames[at + 1 : begin], "big") if len(frames) >= begin else 1 << 63)
    return flags, frames[begin:end], end


class WebFrame(NamedTuple):
    """A frame of the WebSocket as it came. payload: without the mask."""

    fin: bool
    opcode: int
    key: bytes
    payload: bytes
    octets: bytes


class WebPeer(Peer):
    """One connection to the other side, over WebSocket. head: of its request, or of its response."""

    def __init__(self, stream: trio.abc.Stream, terms: Terms, record: Record, place: Place) -> None:
        super().__init__(stream, terms, record, place)
        self.head = b""
        self._unsent = b""  # of a frame that the case has not sent whole

    # ------------------------------------------------------------------------------------------------------- upgrade

    async def greet(self, greeting: bytes | None = None) -> bytes:
        """The upgrade, in place of both greetings."""
        await self.switch()
        return b""

    async def switch(self, ours: bytes = b"") -> None:
        """The upgrade. ours: in place of a right request, or of a right response. Raises Unlike if it does not come
        about."""
        chosen = subprotocol(self.terms.mechanism)
        if self.terms.dials:
            await self.read_head("a request")
            await self.send_web(ours or response(self.field("sec-websocket-key").encode("latin-1"), chosen))
            return
        await self.send_web(ours or request(chosen, path=self.terms.path))
        await self.read_head("a response with 101")
        if self.status != "101":
            raise Unlike("a response with 101", self.first_line)

    async def read_head(self, expected: str) -> None:
        """The head of the other side's request or response. Raises Unlike if none comes."""
        came = b""
        try:
            while not came.endswith(b"\r\n\r\n") and len(came) < LARGEST_HEAD:
                came += await self.read(1)
        except Ended:
            what = f"after {len(came)} octets" if came else "without a word"
            raise Unlike(expected, f"the connection was closed {what}") from None
        except trio.TooSlowError:
            raise Unlike(expected, f"{shown(came) or 'nothing'} in {self.terms.patience:g} s") from None
        self.head = came

    @property
    def first_line(self) -> str:
        """The line with the method, or with the status."""
        return printable(self.head.partition(b"\r\n")[0])

    @property
    def status(self) -> str:
        """Of the response."""
        return self.first_line.split(" ")[1] if self.head.startswith(b"HTTP/1.1 ") else ""

    def field(self, name: str) -> str:
        """The value of a field of the head; "" if there is none. name: in lower case."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            before, _, value = line.partition(":")
            if before.lower() == name:
                return value.strip()
        return ""

    # -------------------------------------------------------------------------------------------------------- frames

    async def send_web(self, *pieces: bytes) -> None:
        """Send octets as they are."""
        await super().send(*pieces)

    def framed(self, payload: bytes, opcode: int = BINARY, *, fin: bool = True, masked: bool | None = None) -> bytes:
        """A frame of the WebSocket. masked: unless told, as our side has to."""
        if masked is None:
            masked = not self.terms.dials
        octets = encode_frame(payload, opcode, MASK if masked else b"")
        return octets if fin else bytes([octets[0] & ~FIN]) + octets[1:]

    async def send(self, *pieces: bytes) -> None:
        """Send frames of ZMTP, each as a message of the WebSocket. The octets of a frame may be cut into pieces."""
        for piece in pieces:
            self._unsent += piece
            whole = 0
            while len(self._unsent) > whole and (end := cut(self._unsent, whole)[2]) <= len(self._unsent):
                whole = end
            if whole:
                frames = to_zws(self._unsent[:whole])
                self._unsent = self._unsent[whole:]
                await self.send_web(b"".join(self.framed(payload, opcode) for opcode, payload in frames))

    async def web_frame(self, patience: float | None = None) -> WebFrame:
        """The next frame of the WebSocket. Raises Ended, or trio.TooSlowError."""
        with self.whole():
            first = await self.read(2, patience)
            longer = {126: 2, 127: 8}.get(first[1] & 127, 0)
            size = await self.read(longer, patience) if longer else bytes([first[1] & 127])
            key = await self.read(4, patience) if first[1] & 128 else b""
            payload = await self.read(int.from_bytes(size, "big"), patience)
        octets = first + size * bool(longer) + key + payload
        return WebFrame(first[0] & FIN > 0, first[0] & 127, key, mask(payload, key), octets)

    async def any_frame(self, patience: float | None = None) -> Frame:
        """The next message of the WebSocket, as a frame of ZMTP. Its close is the end."""
        message = b""
        while True:
            frame = await self.web_frame(patience)
            if frame.opcode == CLOSE:
                self.end()
            if frame.opcode in (PING, PONG):
                # Any pong will do, because libzmq's are empty.
                octets = o.pong(o.CHECK) if frame.opcode == PONG else o.ping(context=frame.payload)
                return Frame(COMMAND, octets[2:], octets)
            if frame.opcode not in (BINARY, CONTINUATION):
                raise Unlike("a binary message of the WebSocket", shown(frame.octets))
            message += frame.payload
            if frame.fin:
                break
        if not message or message[0] not in TO_ZMTP:
            raise Unlike("a message that begins with 00, 01 or 02", shown(message) or "one without octets")
        flags, body = TO_ZMTP[message[0]], message[1:]
        octets = o.frame(body, flags=flags)
        if self.box is None:
            return Frame(flags, body, octets)
        try:
            return Frame(*self.box.open(body), octets)
        except ProtocolError as wrong:
            raise Unlike("a MESSAGE", str(wrong)) from None

    async def ask(self) -> None:
        """Send a ping, which is never in a box."""
        await self.send(o.ping(context=o.CHECK))

    async def leave(self) -> None:
        """Close the WebSocket, and the connection."""
        if self.head and not self.ended:
            await self.send_web(self.framed((1000).to_bytes(2, "big"), CLOSE))
        await super().leave()


def meet(stream: trio.abc.Stream, terms: Terms, record: Record, place: Place) -> Peer:
    """The peer for a new connection: over WebSocket where the terms have a path."""
    return (WebPeer if terms.path else Peer)(stream, terms, record, place)
