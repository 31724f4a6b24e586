"""The model over WebSocket: the upgrade and the frames made by hand, each right but for one mistake."""

import base64
import hashlib

import trio

from tests.check.model import Gone, Link, Model, Refused

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebModel(Model):
    """A socket, and its connections over WebSocket."""

    keys = 0  # so many have been used

    def link(self, stream: trio.abc.Stream) -> Link:
        return WebLink(self, stream)

    def new_key(self) -> bytes:
        self.keys += 1
        return self.keys.to_bytes(4, "big")


class WebLink(Link):
    """One connection over WebSocket."""

    model: WebModel
    raw = b""
    message: bytes | None = None  # the payloads of a message whose last frame has not come

    @property
    def dials(self) -> bool:
        return self.model.terms.dials

    async def more(self) -> None:
        """Read until there is a frame of ZMTP."""
        before = len(self.unread)
        while len(self.unread) == before:
            if not await self.take_frame():
                if self.raw and len(self.raw) < 40 and self.wrong("frames-in-pieces"):
                    raise Refused
                await self.more_octets()

    async def more_octets(self) -> None:
        unread, self.unread = self.unread, b""
        try:
            await super().more()
            self.raw += self.unread
        finally:
            self.unread = unread

    async def forever(self) -> None:
        while True:
            self.raw = b""
            await self.more_octets()

    # ------------------------------------------------------------------------------------------------------- upgrade

    async def head(self) -> bytes:
        while b"\r\n\r\n" not in self.raw:
            await self.more_octets()
            if self.wrong("request-in-pieces") and len(self.raw) < 5:
                raise Refused
        head, _, self.raw = self.raw.partition(b"\r\n\r\n")
        return head

    async def greet(self) -> None:
        self.minor = 0
        await (self.ask() if self.dials else self.answer())
        self.greeted = True
        self.model.links.append(self)

    @property
    def subprotocol(self) -> bytes:
        return b"ZWS2.0/" + self.model.terms.mechanism

    async def ask(self) -> None:
        """The client's side."""
        key = bytes(16) if self.wrong("keys-are-new") else bytes(12) + self.model.new_key()
        lines = [
            b"GET " + (b"/" if self.wrong("asks-for-its-path") else self.model.terms.path.encode()) + b" HTTP/1.1",
            b"Host: localhost",
            b"Upgrade: websocket",
            b"Connection: keep-alive, Upgrade",
            b"Sec-WebSocket-Key: " + base64.b64encode(key),
            b"Sec-WebSocket-Version: " + (b"8" if self.wrong("request-is-in-order") else b"13"),
            b"Sec-WebSocket-Protocol: " + (b"chat" if self.wrong("mechanism-is-offered") else self.subprotocol),
        ]
        await super().send(b"\r\n".join([*lines, b"", b""]))
        head = await self.head()
        if not head.startswith(b"HTTP/1.1 101 "):
            await self.refuse("other-status")
        if token(base64.b64encode(key)) not in head:
            await self.refuse("other-accept")
        if self.subprotocol not in head:
            await self.refuse("other-subprotocol-chosen")

    async def answer(self) -> None:
        """The server's side."""
        head = await self.head()
        names = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        fields = {name.lower(): value for name, value in names.items()}
        key = fields.get(b"sec-websocket-key", b"")
        offers = fields.get(b"sec-websocket-protocol", b"").split(b", ")
        if self.wrong("request-in-other-letters") and fields.get(b"upgrade") == b"WebSocket":
            raise Refused
        if self.wrong("request-with-more-fields") and b"Origin" in names:
            raise Refused
        if self.wrong("upgrade-is-answered"):
            await super().send(b"HTTP/1.1 200 OK\r\n\r\n")
            raise Refused
        faults = {
            "no-upgrade": fields.get(b"upgrade", b"").lower() != b"websocket",
            "no-key": not key,
            "key-of-other-size": len(key) != 24 or key.endswith(b"A="),
            "other-web-socket-version": fields.get(b"sec-websocket-version") != b"13",
            "other-subprotocols": self.subprotocol not in offers,
        }
        found = [name for name, is_there in faults.items() if is_there]
        if found and not self.wrong(found[0]):
            raise Refused
        chosen = offers[0] if self.wrong("one-subprotocol-is-chosen") else self.subprotocol
        accept = token(key + b"?") if self.wrong("accept-fits-the-key") else token(key)
        lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket"]
        lines += [] if self.wrong("answered-with-upgrade") else [b"Connection: Upgrade"]
        lines += [b"Sec-WebSocket-Accept: " + accept, b"Sec-WebSocket-Protocol: " + chosen]
        await super().send(b"\r\n".join([*lines, b"", b""]))

    # -------------------------------------------------------------------------------------------------- frames, sent

    async def send(self, octets: bytes) -> None:
        """Frames of ZMTP, as messages."""
        while octets:
            begin = 9 if octets[0] & 2 else 2
            end = begin + int.from_bytes(octets[1:begin], "big")
            flags = 2 if octets[0] & 4 else octets[0] & 1
            if self.wrong("more-is-one") and flags == 1 and begin == end:
                flags = 0
            if self.wrong("flags-are-one-octet"):
                flags = octets[0]
            await self.send_frame(bytes([flags]) + octets[begin:end])
            octets = octets[end:]

    async def send_frame(self, payload: bytes, opcode: int = BINARY) -> None:
        if self.wrong("sent-as-binary") and opcode == BINARY:
            opcode = TEXT
        size = len(payload)
        length = 1 if size < 126 else 3 if size < 65536 else 9
        if self.wrong("sizes-are-short") and size == 126:
            length = 9
        masks = self.dials is not (self.wrong("client-masks") or self.wrong("server-does-not-mask"))
        first = {1: size, 3: 126, 9: 127}[length] | 128 * masks
        header = bytes([0x80 | opcode, first]) + (size.to_bytes(length - 1, "big") if length > 1 else b"")
        if masks:
            key = self.model.new_key()
            header, payload = header + key, unmasked(payload, key)
        await super().send(header + payload)

    # ---------------------------------------------------------------------------------------------- frames, received

    async def take_frame(self) -> bool:
        """One frame; False if it has not come whole."""
        raw = self.raw
        if len(raw) < 2:
            return False
        first, size, begin = raw[0], raw[1] & 127, 2
        if size > 125:
            begin += 2 if size == 126 else 8
            size = int.from_bytes(raw[2:begin], "big")
        if len(raw) < begin:
            return False
        has_mask = bool(raw[1] & 128)
        if has_mask is self.dials and not self.wrong("frame-with-mask" if has_mask else "frame-without-mask"):
            raise Refused
        if size >> 63:
            await self.refuse("web-size-above-all")
        key, begin = raw[begin : begin + 4 * has_mask], begin + 4 * has_mask
        if len(raw) < begin + size:
            return False
        payload = raw[begin : begin + size]
        self.raw = raw[begin + size :]
        await self.read_frame(first, unmasked(payload, key) if key else payload)
        return True

    async def read_frame(self, first: int, payload: bytes) -> None:
        fin, opcode = bool(first & 0x80), first & 0x0F
        if first & 0x70 and not self.wrong("reserved-bits-of-a-web-socket"):
            raise Refused
        if opcode >= CLOSE and (not fin or len(payload) > 125) and not self.wrong("long-ping"):
            raise Refused
        if opcode == CLOSE:
            if not self.wrong("close-is-answered"):
                await self.send_frame(payload, CLOSE)
            raise Gone
        if opcode == PING:
            if self.message is not None and self.wrong("ping-between-frames"):
                raise Refused
            short = self.wrong("ping-of-a-web-socket") and len(payload) == 125
            await self.send_frame(payload[: 1 if short else 125], PONG)
        elif opcode == PONG:
            if payload == b"unasked" and self.wrong("pong-of-a-web-socket"):
                raise Refused
        elif opcode == BINARY and self.message is None:
            if len(payload) == 126 and self.wrong("sizes-of-every-length"):
                raise Refused
            if len(payload) == 1 and not fin and self.wrong("message-in-frames"):
                raise Refused
            self.message = payload
        elif opcode == 0 and self.message is not None:
            self.message += payload
        elif not self.wrong({TEXT: "text-frame", 0: "continuation-of-nothing"}.get(opcode, "other-opcode")):
            raise Refused
        if opcode < CLOSE and fin and self.message is not None:
            message, self.message = self.message, None
            await self.unwrap(message)

    async def unwrap(self, message: bytes) -> None:
        """A message as a frame of ZMTP."""
        flags = {0: 0, 1: 1, 2: 4}.get(message[0])
        if flags is None:
            if not self.wrong("command-with-more-flag" if message[0] == 3 else "other-flags"):
                raise Refused
            return
        body = message[1:]
        size = bytes([len(body)]) if len(body) < 256 else len(body).to_bytes(8, "big")
        self.unread += bytes([flags | 2 * (len(body) > 255)]) + size + body


def token(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


def unmasked(payload: bytes, key: bytes) -> bytes:
    stream = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(stream)).to_bytes(len(payload))
