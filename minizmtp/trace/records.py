r"""Records: a greeting, a command or a message, with what happens there and why.           RFC 37, 24, 26, 28, 29, 9112

A conversation is read record by record. TCP may cut a greeting into three writes, or put a greeting and a command into
one, so writes are no unit for a reader. A record is one greeting, one command, one message with all its frames, one
HTTP request or response, or one ping, pong or close of a WebSocket:

    writes      | ff 00 … 7f |  03  |  01 4e 55 4c 4c … 04 26 05 READY …
    records     | greeting                           | READY …

    >>> from .both import Trace
    >>> trace = Trace()
    >>> spans = trace.feed(Side.CLIENT, b"GET / HTTP/1.1\r\n", 0.0) + trace.feed(Side.CLIENT, b"Host: a\r\n\r\n", 0.1)
    >>> [record] = records(spans)
    >>> record.what, record.octets, record.writes
    ('request', 27, 2)
    >>> told([record])[0].words.partition(":")[0]
    'The client asks'

`told` adds what a reader wants to know before the octets: a sentence or two about what happens now and why, and the
functions that make such octets in this project.

Below this module: `spans`, `ws`, `reasons`. It can be read alone.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ..wire.websocket import CLOSE, CONTINUATION, PING, PONG
from .reasons import reason_for
from .spans import Side, Span
from .ws import OPCODE

CONTROLS = {PING: "ping", PONG: "pong", CLOSE: "close"}  # of a WebSocket


class Record(NamedTuple):
    """The spans of one greeting, command, message, request or response.

    at: seconds since the first octet of the conversation. what: "greeting", "message", "request", "response", the name
    of a command, "routing id", "ping", "pong" or "close" of a WebSocket, or "rest" for octets without a name. writes:
    the number of writes that brought the spans.
    """

    at: float
    side: Side
    spans: tuple[Span, ...]
    what: str

    @property
    def octets(self) -> int:
        """The number of octets in its spans."""
        return sum(len(span.octets) for span in self.spans)

    @property
    def writes(self) -> int:
        """The number of writes in which its spans began."""
        return len({span.write for span in self.spans})

    @property
    def messages(self) -> int:
        """The number of messages: several that came in one write are one record."""
        return max(1, sum(span.name == "flags" and not more_follows(span) for span in unmasked(self.spans)))


def records(spans: Iterable[Span]) -> list[Record]:
    """The records of a conversation, in the order in which they began. spans: those of both sides, each side's in
    order."""
    spans = list(spans)
    found: list[list[list[Span]]] = []
    for side in Side:
        current: list[list[Span]] = []
        for frame in frames([span for span in spans if span.side is side]):
            if not current or begins(frame, current):
                current = []
                found.append(current)
            current.append(frame)
    found.sort(key=lambda record: record[0][0].write)
    began = min((record[0][0].at for record in found), default=0.0)
    return [
        Record(record[0][0].at - began, record[0][0].side, tuple(chain(*record)), what_of(record[0]))
        for record in found
    ]


def frames(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """The spans of each frame, or of each greeting, request or response."""
    frame: list[Span] = []
    for span in spans:
        in_message = bool(frame) and frame[0].name == OPCODE  # of a WebSocket, which has flags of its own
        if frame and (span.kind == "http-line" or span.name == OPCODE or (span.name == "flags" and not in_message)):
            yield frame
            frame = []
        frame.append(span)
    if frame:
        yield frame


def begins(frame: Sequence[Span], current: Sequence[Sequence[Span]]) -> bool:
    """Whether a new record begins with this frame, after those in current."""
    first, last = frame[0], unmasked(current[-1])
    if first.name == OPCODE and first.octets[0] & 15 == CONTINUATION:
        return False
    flags = [span for span in last if span.name == "flags"]
    if not flags or first.kind == "http-line":
        return True
    what = what_of(frame)
    if more_follows(flags[-1], last[-1]) and what in ("message", "MESSAGE"):
        return False
    is_message = what == what_of(current[0]) == "message"
    return not (is_message and first.write == current[0][0].write)


def unmasked(spans: Iterable[Span]) -> list[Span]:
    """The spans, with what a masked payload means instead of the payload."""
    return [inner for span in spans for inner in (span.inside if span.name == "payload" else (span,))]


def more_follows(flags: Span, last: Span | None = None) -> bool:
    """Whether the message goes on after the frame with these flags. last: the frame's last span. If that is the box of
    a CURVE MESSAGE and it could be opened, the flags inside it count."""
    if last is not None and last.name == "box" and last.inside and last.inside[0].name == "flags":
        flags = last.inside[0]
    return not flags.wrong and bool(flags.octets[0] & 1)


def what_of(spans: Sequence[Span]) -> str:
    """The name of a record: see `Record`."""
    first, within = spans[0], unmasked(spans)
    command = next((span for span in within if span.name == "command" and span.kind == "command"), None)
    if command is not None:
        return command.value.partition(",")[0]
    if first.name == OPCODE:
        is_greeting = any(span.name == "flags" and "routing id" in span.value for span in within)
        return CONTROLS.get(first.octets[0] & 15, "routing id" if is_greeting else "message")
    if first.kind == "greeting":
        return "greeting"
    if first.kind == "http-line":
        return "request" if first.side is Side.CLIENT else "response"
    return "message" if first.name == "flags" and not first.octets[0] & 4 else "rest"


# ---------------------------------------------------------------------------------------------------------- narration


# Records after so many have no reasons: by then, the reader knows each field, and the page stays small.
MOST_EXPLAINED = 100


class Told(NamedTuple):
    """A record with its story. words: what happens there and why; "" if it was said before. code: the functions that
    make such octets, as "module:function", none that was named before. reasons: why each span exists, "" if the same
    was said in this record."""

    record: Record
    words: str
    code: tuple[str, ...]
    reasons: tuple[str, ...]


def told(records: Sequence[Record]) -> list[Told]:
    """Each record with its story. Nothing is said twice, because a reader has just read it."""
    story = Story(records)
    heard: set[object] = set()
    found: list[Told] = []
    for record in records:
        words = story.words(record)
        code = tuple(name for name in story.code(record) if name not in heard)
        reasons = tuple(once(story.reasons(record))) if len(found) < MOST_EXPLAINED else ()
        found.append(Told(record, "" if (record.side, words) in heard else words, code, reasons))
        heard |= {(record.side, words), *code}
    return found


def once(texts: Iterable[str]) -> Iterable[str]:
    """The texts, with "" for each that came before."""
    heard = set()
    for text in texts:
        yield "" if text in heard else text
        heard.add(text)


GREETED = """The {side} sends its greeting as soon as the connection is open. It does not wait for the {other}'s,
    because every greeting says the same three things: this is ZMTP, the version, and the security mechanism."""
GREETED_TOO = """The {side} sends a greeting, too. Once each side has read the other's, both know which version they
    speak and that they use the same mechanism."""
# Of PLAIN and CURVE, which have the same steps.
HELLO = {
    "PLAIN": """Both sides have named PLAIN, and in PLAIN the client speaks first: it sends its username and its
        password. Nothing is encrypted.""",
    "CURVE": """Both sides have named CURVE, and in CURVE the client speaks first: it makes a new key pair for this
        connection, sends the public key C', and proves with a box that it knows the server's key S.""",
}
WELCOME = {
    "PLAIN": "The server has asked its program (a ZAP handler) whether this user may enter, and lets the client in.",
    "CURVE": """The server has opened the box, so the client knows S. It makes a key pair for this connection, too, and
        sends the public key S' in a box, with a cookie that the client has to return.""",
}
INITIATE = {
    "PLAIN": "The client is accepted and now says which socket type it is, because the server has to check that.",
    "CURVE": """The client has opened the box, so this is the right server. It returns the cookie and sends, in a box,
        who it is: its permanent key C, a vouch which proves that C is its own, and its metadata.""",
}
READY = {
    "NULL": """The {side} has read the {other}'s greeting and agrees with it. In NULL there is nothing to prove, so it
        says at once that it is ready, and what it is: a {kind}.""",
    "NULL, ZWS": """From here on it is ZMTP, in the messages of the WebSocket. In NULL there is nothing to prove, so the
        {side} says at once that it is ready, and what it is: a {kind}.""",
    "PLAIN": """The server answers with its own socket type, and the handshake is over. After the greetings, it took
        two round trips; in NULL both sides send READY at once.""",
    "CURVE": """The server has opened the vouch and accepts the client. It sends its own metadata in a box, and the
        handshake is over: from now on both sides trust each other's keys.""",
}
READY_TOO = """The {side} is ready, too: it is a {kind}. Each side now checks that the two socket types fit, and then
    messages may go both ways."""
STEPS = {"HELLO": HELLO, "WELCOME": WELCOME, "INITIATE": INITIATE, "READY": READY}
OTHERS = {
    "upgrade": """The client begins with an HTTP request, because a browser can open no other connection, and because a
        web server can share its port with it. The request asks to go on as a WebSocket, and says what the messages in
        it are to be.""",
    "101": """The server agrees, and names the subprotocol that it has chosen: ZWS2.0 is ZMTP, and a slash comes before
        the mechanism. After the empty line neither side speaks HTTP any more. A greeting is not needed, because this
        has said what it would say.""",
    "routing id": """The subprotocol names no mechanism, so there is no READY. The first message of each side is its
        routing id instead, and neither side knows the type of the other.""",
    "ping": """The {side} asks whether the {other} is still there. WebSocket has pings of its own, which a browser
        answers by itself, so ZMTP's PING is not used here.""",
    "pong": "The {side} answers at once, and both know that the connection works.",
    "close": """The {side} closes the WebSocket, with a code that says why. Both sides say so before the connection
        ends, because the end of the octets alone could be a failure of the network.""",
    "ERROR": """The {side} refuses the {other}. It says so before it closes the connection, because the {other} would
        otherwise take it for a failure of the network and try again.""",
    "SUBSCRIBE": """The {side} subscribes. It does so once: until it cancels, the {other} sends every message that
        begins with this prefix, and nothing else.""",
    "CANCEL": "The {side} cancels its subscription, and the {other} stops sending messages with this prefix.",
    "JOIN": "The {side} joins a group: from now on the {other} sends it every message for exactly this group.",
    "LEAVE": "The {side} leaves the group, and the {other} sends it no more messages for it.",
    "PING": """The {side} does this at regular intervals: it asks whether the {other} is still there, because TCP would
        not tell it that the other machine has failed.""",
    "PONG": "The {side} answers at once, and both know that the connection works.",
    "request": """The client asks: a line that says what it wants, fields that describe the request, an empty line, and
        the body, if there is one. Until the response has come, this connection carries nothing else.""",
    "response": """The server responds on the same connection, with a head and a body of the same form. That the two
        belong together is known only by their order.""",
}
# By the sender's socket type, or by what its subscription says.
MESSAGES = {
    "REQ": """The REQ sends its request: an empty frame, the delimiter, and then what the program sent. It sends no
        second request before the reply has come, because nothing in a reply says which request it answers.""",
    "REP": """The REP sends its reply, with the delimiter of the request in front. It goes back on the connection that
        the request came from.""",
    "PUB": """The {kind} publishes a message. It comes to this {other} because its first frame begins with a prefix
        that the {other} has subscribed to.""",
    "subscribe": """The {kind} speaks ZMTP 3.0, which has no commands for subscriptions. So it sends a message that
        begins with 1, and the publisher's library takes it as a subscription.""",
    "cancel": "The {kind} cancels its subscription by a message that begins with 0.",
    "RADIO": """The RADIO sends a message to a group, which is the first frame. It comes to this {other} because the
        {other} has joined that group.""",
    "PUSH": """The PUSH sends a message to one of its peers: to each in turn, if there are several. No answer will
        come.""",
    "": """The {side} sends a message. It may do so at any time, because each direction of a connection is independent
        of the other.""",
}
MESSAGES["XPUB"] = MESSAGES["PUB"]
SEALED = "Each frame is encrypted with the keys of this connection and travels in a MESSAGE."
# The functions that make such octets, and the chapters that draw them: a name that ends with a colon is a module.
CODE = {
    "greeting": ("minizmtp.wire.greeting:", "minizmtp.wire.greeting:encode_greeting"),
    "NULL READY": (
        "minizmtp.wire.metadata:",
        "minizmtp.wire.mechanisms:Null.on_accepted",
        "minizmtp.wire.metadata:encode_metadata",
    ),
    "PLAIN HELLO": ("minizmtp.wire.plain:", "minizmtp.wire.plain:PlainClient.open"),
    "PLAIN WELCOME": ("minizmtp.wire.plain:PlainServer.on_accepted",),
    "PLAIN INITIATE": ("minizmtp.wire.plain:PlainClient.receive",),
    "PLAIN READY": ("minizmtp.wire.plain:PlainServer.receive",),
    "CURVE HELLO": ("minizmtp.wire.curve:", "minizmtp.wire.curve:CurveClient.open"),
    "CURVE WELCOME": ("minizmtp.wire.curve:CurveServer._receive_hello",),
    "CURVE INITIATE": ("minizmtp.wire.curve:CurveClient._receive_welcome",),
    "CURVE READY": ("minizmtp.wire.curve:CurveServer.on_accepted",),
    "MESSAGE": ("minizmtp.wire.curve:Cipher.encrypt",),
    "ERROR": ("minizmtp.wire.commands:", "minizmtp.wire.commands:encode_error"),
    "SUBSCRIBE": ("minizmtp.wire.commands:encode_command",),
    **dict.fromkeys(["CANCEL", "JOIN", "LEAVE"], ("minizmtp.wire.commands:encode_command",)),
    "PING": ("minizmtp.wire.commands:encode_traffic",),
    "PONG": ("minizmtp.wire.commands:encode_command",),
    "REQ message": (
        "minizmtp.wire.frames:",
        "minizmtp.patterns.reqrep:Req.try_send",
        "minizmtp.wire.frames:encode_message",
    ),
    "REP message": (
        "minizmtp.wire.frames:",
        "minizmtp.patterns.reqrep:Rep.try_send",
        "minizmtp.wire.frames:encode_message",
    ),
    "message": ("minizmtp.wire.frames:", "minizmtp.wire.frames:encode_message"),
    "request": ("minihttp.connection:Heads._head",),
    "upgrade": ("minizmtp.wire.upgrade:", "minizmtp.wire.upgrade:ClientUpgrade.__init__"),
    "101": ("minizmtp.wire.upgrade:ServerUpgrade._send_101",),
    "NULL READY, ZWS": ("minizmtp.wire.zws:", "minizmtp.wire.zws:Wrapper.wrap"),
    "routing id": ("minizmtp.wire.switched:", "minizmtp.wire.switched:SwitchedConnection._queue_command"),
    "ping": ("minizmtp.wire.websocket:", "minizmtp.wire.zws:Wrapper.control"),
    "pong": ("minizmtp.wire.zws:Wrapper.control",),
    "close": ("minizmtp.wire.switched:SwitchedConnection.close",),
}


KIND = re.compile(r'"The (\w+) Socket Type"')  # as the trace cites the section about a socket type


class Story:
    """What is known of a conversation as a whole: its mechanism, and the socket type of each side."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._mechanism = "NULL"
        self._is_zws = False
        self._kinds: dict[Side, str] = {}
        self._first: dict[str, Side] = {}  # the side that sent the first record of that name
        for record in records:
            self._first.setdefault(record.what, record.side)
            spans = [inner for span in record.spans for inner in every(span)]
            for span in spans:
                if span.name == "mechanism":
                    self._mechanism = span.value.partition(",")[0]
                if span.name.lower() == "sec-websocket-protocol" and span.octets.find(b"ZWS2.0") > 0:
                    self._is_zws = True
                    if record.side is Side.SERVER:
                        chosen = span.octets.decode("latin-1").strip()
                        self._mechanism = chosen.partition("/")[2] or "NULL"
                if found := KIND.search(span.source):
                    self._kinds.setdefault(record.side, found[1])
            for name, _, value in zip(spans, spans[1:], spans[2:], strict=False):
                if name.name == "property" and name.octets.lower() == b"socket-type" and value.name == "value":
                    self._kinds[record.side] = value.octets.decode("latin-1")

    def words(self, record: Record) -> str:
        """What happens in this record and why; "" if there is nothing to say."""
        kind = self._kinds.get(record.side, "socket")
        article = "an" if kind.startswith("X") else "a"
        text = self._text(record, kind).replace("a {kind}", f"{article} {{kind}}")
        return " ".join(text.format(side=record.side.value, other=record.side.other.value, kind=kind).split())

    def _text(self, record: Record, kind: str) -> str:
        is_second = self._first.get(record.what) is record.side.other
        match self._name(record):
            case "greeting":
                return GREETED_TOO if is_second else GREETED
            case "READY" if is_second:
                return READY_TOO
            case "message":
                return self._message(unmasked(record.spans), kind)
            case "MESSAGE":
                inside = [inner for span in unmasked(record.spans) for inner in span.inside]
                return f"{self._message(inside, kind)} {SEALED}"
            case "READY" if self._is_zws and self._mechanism == "NULL":
                return READY["NULL, ZWS"]
            case what if what in STEPS:
                return STEPS[what].get(self._mechanism, "")
            case what:
                return OTHERS.get(what, "")

    def _name(self, record: Record) -> str:
        """The record's name; two names of their own are for the HTTP that begins a WebSocket."""
        if self._is_zws and any(span.name.lower() == "upgrade" for span in record.spans):
            return {"request": "upgrade", "response": "101"}.get(record.what, record.what)
        return record.what

    @staticmethod
    def _message(spans: Sequence[Span], kind: str) -> str:
        said = {span.name: span.value.partition(",")[0] for span in spans}
        if (command := said.get("command")) is not None:  # CURVE puts commands into boxes, too
            return OTHERS.get(command, "")
        return MESSAGES.get(said.get("subscription", kind), MESSAGES[""])

    def code(self, record: Record) -> tuple[str, ...]:
        """The functions that make such octets in this project."""
        kind, what = self._kinds.get(record.side, ""), self._name(record)
        zws = [f"{self._mechanism} {what}, ZWS"] if self._is_zws else []
        keys = (*zws, f"{self._mechanism} {what}", f"{kind} {what}", what)
        return next((CODE[key] for key in keys if key in CODE), ())

    def reasons(self, record: Record) -> list[str]:
        """The reason for each span, and for those inside it, in order."""
        spans = [inner for span in record.spans for inner in every(span)]
        return [reason_for(span, record.what, self._mechanism) for span in spans]


def every(span: Span) -> Iterable[Span]:
    """A span, and those inside it."""
    yield span
    for inner in span.inside:
        yield from every(inner)


# ------------------------------------------------------------------------------------------------------------- source


class Source(NamedTuple):
    """file: as in the repository. name: of the function; "" for a chapter. text: the lines of the function, or the text
    at the beginning of the module."""

    file: str
    name: str
    text: str


def source_of(code: str) -> Source:
    """The text of a function, or the docstring of a module, from its file.

    >>> print(source_of("minizmtp.wire.commands:encode_command").text)
    def encode_command(name: bytes, data: bytes = b"") -> bytes:
        \"""The body of a COMMAND frame.\"""
        return bytes([len(name)]) + name + data
    """
    module, _, name = code.partition(":")
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    text, file = Path(spec.origin).read_text("utf-8"), f"{module.replace('.', '/')}.py"
    tree = ast.parse(text)
    if not name:
        return Source(file, "", ast.get_docstring(tree) or "")
    node: ast.AST = tree
    for part in name.split("."):
        node = next(it for it in ast.iter_child_nodes(node) if getattr(it, "name", "") == part)
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    margin = len(lines[0]) - len(lines[0].lstrip())
    return Source(file, name, "\n".join(line[margin:] for line in lines))
