r"""Spans: a stretch of octets, and what it means.

    >>> from minizmtp.wire.greeting import encode_greeting
    >>> for span in name_zmtp(encode_greeting(b"NULL") + b"\x04\x0e\x09SUBSCRIBEnews")[-5:]:
    ...     print(f"{span.start:3}  {span.octets.hex():18}  {span.name}: {span.meaning}")
     64  04                  flags: a command
     65  0e                  size: 14 octets follow
     66  09                  name length: 9 letters
     67  535542534352494245  command: SUBSCRIBE
     76  6e657773            prefix: what the topic must begin with

There is no second parser here. For ZMTP the octets go through the decoders of `minizmtp.wire`, for HTTP through h11,
and those say where a thing begins and ends: so a name cannot stand at another octet than the one that the library
itself reads it from.

Whatever the octets are, whole, cut off anywhere or no protocol at all, the spans cover each of them once, in order.
What cannot be named is one last span that says why.

Sources are RFCs: 37 is ZMTP 3.1, 28 is REQREP, 29 is PUBSUB; 9112 is HTTP/1.1, 9110 what all versions of HTTP share.

Read next: `every_byte`, which shows them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import h11

from ..errors import ProtocolError
from ..wire.commands import decode_command, decode_metadata, encode_metadata
from ..wire.frames import COMMAND, MORE, FrameDecoder
from ..wire.greeting import GREETING_SIZE, check_greeting, decode_greeting
from .blocks import Side


class Span(NamedTuple):
    """start: offset of the first octet, in what this side said. source: where it is written."""

    start: int
    octets: bytes
    name: str
    meaning: str
    source: str

    @property
    def kind(self) -> str:
        """Its family, for colours."""
        return KINDS.get(self.name, "http-field" if self.source.startswith("9") else "metadata")


KINDS = {
    **dict.fromkeys(["signature", "padding", "version", "mechanism", "as-server", "filler"], "greeting"),
    **dict.fromkeys(["flags", "size"], "framing"),
    **dict.fromkeys(["command", "prefix", "data"], "command"),
    **dict.fromkeys(["request line", "status line"], "http-line"),
    **dict.fromkeys(["body", "topic"], "body"),
    "blank line": "http-framing",
    "not understood": "wrong",
    "frame": "partial",
    "head": "partial",
}


def cover(spans: Sequence[Span], octets: bytes) -> bool:
    """Do the spans hold each octet once, in order, at the offset they say?"""
    position = 0
    for span in spans:
        if span.start != position or not span.octets:
            return False
        position += len(span.octets)
    return b"".join(span.octets for span in spans) == octets


class Cutter:
    """Cuts octets into spans, from the first to the last."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.position = 0
        self.spans: list[Span] = []

    def cut(self, size: int, name: str, meaning: str, source: str) -> None:
        """Name the next size octets, or what there is of them. Of nothing no span is made."""
        piece = self.octets[self.position : self.position + size]
        if len(piece) < size:
            meaning = f"cut off after {len(piece)} of {size} octets"
        if piece:
            self.spans.append(Span(self.position, piece, name, meaning, source))
        self.position += len(piece)

    def cut_rest(self, name: str, meaning: str, source: str = "") -> None:
        self.cut(len(self.octets) - self.position, name, meaning, source)


# ------------------------------------------------------------------------------------------------------------- ZMTP


def name_zmtp(octets: bytes) -> list[Span]:
    """What one side of a ZMTP connection said, from its first octet on."""
    cutter = Cutter(octets)
    try:
        _name_greeting(cutter)
        _name_frames(cutter)
    except ProtocolError as error:
        cutter.cut_rest("not understood", str(error))
    return cutter.spans


def _name_greeting(cutter: Cutter) -> None:
    check_greeting(cutter.octets)
    version, mechanism = "", ""
    if len(cutter.octets) >= GREETING_SIZE:
        greeting = decode_greeting(cutter.octets[:GREETING_SIZE])
        version = f"{greeting.major}.{greeting.minor}"
        mechanism = greeting.mechanism.decode("ascii", "backslashreplace")
    cut = cutter.cut
    cut(1, "signature", "this is ZMTP", "37 Version Negotiation")
    cut(8, "padding", "carries no meaning", "37 Version Negotiation")
    cut(1, "signature", "and not as old as ZMTP 1.0", "37 Version Negotiation")
    cut(2, "version", f"ZMTP {version}", "37 Version Negotiation")
    cut(20, "mechanism", f"{mechanism}, then zeros", "37 Authentication and Confidentiality")
    cut(1, "as-server", "a role; NULL has none", "37 Topology")
    cut(31, "filler", "zeros, up to 64 octets", "37 Formal Grammar")


def _name_frames(cutter: Cutter) -> None:
    decoder = FrameDecoder()
    decoder.receive_data(cutter.octets[cutter.position :])
    frames = _Frames(cutter)
    while (frame := decoder.next_frame()) is not None:
        flags, body = frame
        end = len(cutter.octets) - decoder.held
        frames.name(flags, body, header=end - cutter.position - len(body))
    cutter.cut_rest("frame", "not whole: the rest did not come", "37 Framing")


class _Frames:
    """One frame after the other. What a frame means hangs on those before it: READY tells the socket type, and the
    first empty frame of a request is its delimiter."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self._socket_type = b""
        self._before: list[bytes] = []  # frames of this message that have come

    def name(self, flags: int, body: bytes, header: int) -> None:
        cut = self._cutter.cut
        delimits = self._delimits(flags, body)
        cut(1, "flags", _flag_words(flags), "37 Framing")
        if delimits:
            role = self._socket_type.decode("ascii")
            cut(header - 1, "size", "0, an empty frame: the delimiter", f"28 The {role} Socket Type")
        else:
            cut(header - 1, "size", f"{len(body)} octets follow", "37 Framing")
        if flags & COMMAND:
            self._name_command(body)
            return
        cut(len(body), *self._body_words(flags))
        self._before = [*self._before, body] if flags & MORE else []

    def _delimits(self, flags: int, body: bytes) -> bool:
        has_envelope = self._socket_type in (b"REQ", b"REP", b"DEALER", b"ROUTER")
        return has_envelope and not body and bool(flags & MORE) and b"" not in self._before

    def _body_words(self, flags: int) -> tuple[str, str, str]:
        if self._socket_type in (b"PUB", b"XPUB") and not self._before:
            return "topic", "what subscriptions are compared with", "29 The PUB Socket Type"
        return "body", "what the program sent", "37 Messages"

    def _name_command(self, body: bytes) -> None:
        cut = self._cutter.cut
        name, data = decode_command(body)
        source = COMMAND_SOURCES.get(name, "37 Commands")
        cut(1, "name length", f"{len(name)} letters", "37 Commands")
        cut(len(name), "command", name.decode("ascii"), source)
        if name == b"READY":
            self._name_properties(data)
        elif name in (b"SUBSCRIBE", b"CANCEL"):
            cut(len(data), "prefix", "what the topic must begin with", source)
        else:
            cut(len(data), "data", f"of {name.decode('ascii')}", source)

    def _name_properties(self, data: bytes) -> None:
        cut, source = self._cutter.cut, "37 Connection Metadata"
        properties = decode_metadata(data)
        self._socket_type = properties.get(b"socket-type", b"")
        # The decoder tells names and values, and so how long each property is, as long as none is given twice.
        if len(encode_metadata(properties)) != len(data):
            cut(len(data), "metadata", "some property is given twice", source)
            return
        for name, value in properties.items():
            cut(1, "name length", f"{len(name)} letters", source)
            cut(len(name), "property", PROPERTIES.get(name, "of the peer"), source)
            cut(4, "value length", f"{len(value)} octets" if value else "0 octets: not given", source)
            cut(len(value), "value", value.decode("ascii", "backslashreplace"), source)


COMMAND_SOURCES = {
    b"READY": "37 The NULL Security Mechanism",
    b"ERROR": "37 Error Handling",
    b"SUBSCRIBE": "37 The Publish-Subscribe Pattern",
    b"CANCEL": "37 The Publish-Subscribe Pattern",
    b"PING": "37 Connection Heartbeating",
    b"PONG": "37 Connection Heartbeating",
}

PROPERTIES = {b"socket-type": "what this socket is", b"identity": "what a ROUTER is to call it"}


def _flag_words(flags: int) -> str:
    if flags & COMMAND:
        return "a command"
    return "a message, MORE frames follow" if flags & MORE else "a message, the last frame"


# ------------------------------------------------------------------------------------------------------------- HTTP


def name_http(octets: bytes, side: Side) -> list[Span]:
    """What one side of an HTTP/1.1 connection said: a client's requests, or a server's responses."""
    cutter = Cutter(octets)
    while cutter.position < len(octets):
        try:
            events, size = read_http(octets[cutter.position :], side)
        except h11.RemoteProtocolError as error:
            cutter.cut_rest("not understood", str(error), "9112")
            break
        if not events:
            cutter.cut_rest("head", "not whole: the blank line is missing", "9112 §2.1")
            break
        _name_message(cutter, events, cutter.position + size)
    return cutter.spans


def read_http(octets: bytes, side: Side) -> tuple[list[h11.Event], int]:
    r"""h11's events for the first message in octets, and how many octets it has; all of them when it is not whole.

    >>> events, size = read_http(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET ", Side.CLIENT)
    >>> events[0].target, size
    (b'/', 27)
    """
    reader = h11.Connection(h11.SERVER)
    if side is Side.SERVER:
        # A response means something only as the answer to a request, so h11 has to have sent one.
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="GET", target="/", headers=[("Host", "any")]))
        reader.send(h11.EndOfMessage())
    reader.receive_data(octets)
    events: list[h11.Event] = []
    while (event := reader.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        assert isinstance(event, h11.Event)
        events.append(event)
        if isinstance(event, h11.EndOfMessage):
            return events, len(octets) - len(reader.trailing_data[0])
    return events, len(octets)


def _name_message(cutter: Cutter, events: list[h11.Event], end: int) -> None:
    for event in events:
        if isinstance(event, (h11.Request, h11.Response, h11.InformationalResponse)):
            _name_head(cutter, event)
    lengths = [len(event.data) for event in events if isinstance(event, h11.Data)]
    framed = end - cutter.position > sum(lengths)
    meaning = "what the program sent" + (", in chunks with their sizes" if framed else "")
    cutter.cut(end - cutter.position, "body", meaning, "9112 §7.1" if framed else "9112 §6")


def _name_head(cutter: Cutter, head: h11.Request | h11.Response | h11.InformationalResponse) -> None:
    if isinstance(head, h11.Request):
        method, target = head.method.decode("ascii"), head.target.decode("ascii")
        cutter.cut(_line(cutter), "request line", f"{method} what, at {target}", "9112 §3")
    else:
        cutter.cut(_line(cutter), "status line", f"{head.status_code}: how it went", "9112 §4")
    for raw_name, _ in head.headers.raw_items():
        name = raw_name.decode("ascii")
        meaning, source = FIELDS.get(name.lower(), ("a field", "9110 §5"))
        cutter.cut(_line(cutter), name, meaning, source)
        while cutter.octets[cutter.position : cutter.position + 1] in (b" ", b"\t"):
            cutter.cut(_line(cutter), name, "goes on", "9112 §5.2")
    cutter.cut(_line(cutter), "blank line", "the head ends here", "9112 §2.1")


def _line(cutter: Cutter) -> int:
    """How long the next line is, with its end."""
    return cutter.octets.index(b"\n", cutter.position) + 1 - cutter.position


FIELDS = {
    "host": ("which site is meant", "9110 §7.2"),
    "accept": ("what kinds of answer will do", "9110 §12.5.1"),
    "accept-encoding": ("compressions it can undo", "9110 §12.5.3"),
    "connection": ("leave it open for the next", "9110 §7.6.1"),
    "user-agent": ("what program is asking", "9110 §10.1.5"),
    "content-length": ("octets in the body", "9110 §8.6"),
    "content-type": ("what the body is", "9110 §8.3"),
    "transfer-encoding": ("how the body is packed", "9112 §6.1"),
    "date": ("when it was made", "9110 §6.6.1"),
}
