r"""HTTP/1.1: one side's octets, decoded by h11.                                               RFC 9112, RFC 9110

h11 is the only parser here. Each side's octets go to an `h11.Connection` that plays the other end: a server for the
requests, a client for the responses. The client is told which request was sent, because the response to a HEAD looks
like the beginning of any other. h11 reports events, and how much it hasn't read yet (`trailing_data`); so it is known
which octets form an event. This module itself splits only heads, at the ends of lines, once h11 has accepted all of
them.

    octets ──► h11.Connection ──► Request | Response ──► request line, one span for each field, blank line
                              ──► Data               ──► body; of chunks each, and their sizes
                              ──► nothing yet        ──► stays on the tape

When h11 refuses a message, it doesn't say where the error is. So this module gives h11 each line alone, and then one
more octet at a time, until it is clear which octet h11 refuses:

    >>> speaker = HttpSpeaker(Tape(Side.CLIENT), Exchange())
    >>> request = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n"
    >>> speaker.tape.add(request, at=0.0, write=0); speaker.hear(request)
    >>> [(span.name, span.octets, span.wrong) for span in speaker.tape.spans[1:]]
    [('Host', b'Host: a\r\n', False), ('field', b'Content-Length: many\r\n', True)]

Below this module: `spans`, `ws`. Above it: `both`. Read next: `both`.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

import h11

from ..errors import Secret
from .spans import AFTERWARDS, NOT_WHOLE, Piece, Side, Tape, as_wrong
from .ws import FrameSpeaker
from .zmtp import Conversation

Head = h11.Request | h11.Response | h11.InformationalResponse

BYTEARRAY = re.compile(r"bytearray\(b(.*)\)")  # how h11's error messages quote octets

# At most this many requests may wait for their responses, because each is kept until then.
MOST_QUESTIONS = 1000

NO_LIMIT = 2**62  # with h11's own limit, the result would depend on how a head was cut into writes


class Exchange:
    """The state that both sides share: which requests have no response yet, and whether the connection has switched to
    another protocol. zmtp: the state of ZMTP inside a WebSocket."""

    def __init__(self, zmtp: Conversation | None = None) -> None:
        self.questions: deque[h11.Request] = deque()
        self.switched = False
        self.subprotocol = ""  # that the server has chosen for a WebSocket
        self.zmtp = zmtp or Conversation()
        self.waiting: Callable[[], None] | None = None  # resumes a client that waits for this response

    def answered(self, switched: bool) -> None:
        """A response is complete."""
        self.switched = self.switched or switched
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting()


class HttpSpeaker:
    """One side. tape: its octets must be added there before `hear` is called. rest: the name of octets not yet cut."""

    def __init__(self, tape: Tape, exchange: Exchange) -> None:
        self.tape = tape
        self._exchange = exchange
        self._reader: h11.Connection | None = None  # reads the current message
        self._chunked = False
        self._in_body = False
        self._after_chunk = False
        self._data = 0  # octets of the body that h11 has read but that are still on the tape
        self._waits = False  # for the response that says whether this is still HTTP
        self.rest = NOT_WHOLE
        self._deaf = False
        self._frames: FrameSpeaker | None = None  # after a switch to ZMTP over WebSocket

    def hear(self, octets: bytes) -> None:
        """Cut the spans that these octets complete. The octets are already on the tape."""
        if self._exchange.switched:
            self._switch()
        if self._deaf or self._waits or not octets:
            return
        self._read(octets)

    def end(self) -> None:
        """The stream has ended, which is how some bodies end. Anything else is then incomplete, but not wrong."""
        if self._reader is not None and not self._deaf:
            self._reader.receive_data(b"")
            with suppress(h11.RemoteProtocolError):
                self._hear_events()
        self._stop(self.rest)

    def _stop(self, rest: Piece) -> None:
        """Stop reading. rest: the name of all octets from here on."""
        if not self._deaf:
            self._deaf, self.rest = True, rest

    def _switch(self) -> None:
        """From here on it is no HTTP."""
        if self._frames is None and not self._deaf and self._exchange.subprotocol.startswith("ZWS2.0"):
            self._frames = FrameSpeaker(self.tape, self._exchange.zmtp, self._exchange.subprotocol)
        self._stop(SWITCHED)
        if self._frames is not None:
            self._frames.hear()
            self.rest = self._frames.rest

    def _read(self, octets: bytes) -> None:
        if self._reader is None:
            self._reader = self._new_reader()
        self._reader.receive_data(octets)
        self._read_on()

    def _read_on(self) -> None:
        try:
            self._hear_events()
        except h11.RemoteProtocolError as error:
            self._refuse(str(error))

    def _new_reader(self) -> h11.Connection:
        if self.tape.side is Side.CLIENT:
            return reader_of_questions()
        return reader_of_answer(self._exchange.questions[0] if self._exchange.questions else None)

    # --------------------------------------------------------------------------------------------------------- events

    def _hear_events(self) -> None:
        while self._reader is not None and not self._deaf:
            event = self._reader.next_event()
            if isinstance(event, h11.Data):
                self._hear_data(event)
            elif isinstance(event, h11.EndOfMessage):
                self._end_message()
            elif isinstance(event, (h11.Request, h11.Response, h11.InformationalResponse)):
                self._hear_head(event, self._reader)
            else:
                return  # NEED_DATA, PAUSED, ConnectionClosed

    @property
    def _used(self) -> int:
        """The number of octets on the tape that h11 has read."""
        assert self._reader is not None
        return len(self.tape.held) - len(self._reader.trailing_data[0])

    def _hear_head(self, event: Head, reader: h11.Connection) -> None:
        self.tape.cut_all(head_pieces(bytes(self.tape.held[: self._used]), event))
        if isinstance(event, h11.Request):
            self._exchange.questions.append(event)
            if len(self._exchange.questions) > MOST_QUESTIONS:
                self._stop(UNANSWERED)
        self._in_body = not isinstance(event, h11.InformationalResponse)
        self._chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
        if reader.their_state is h11.SWITCHED_PROTOCOL:
            self._exchange.subprotocol = dict(event.headers).get(b"sec-websocket-protocol", b"").decode("latin-1")
            self._exchange.answered(switched=True)
            self._switch()

    def _hear_data(self, event: h11.Data) -> None:
        begin = self._used - len(event.data)
        if begin > self._data:
            self.tape.cut_all(framing_pieces(bytes(self.tape.held[:begin]), self._after_chunk))
            self._after_chunk = False
        self._data += len(event.data)
        if event.chunk_end:
            self._cut_body("what the program sent, a chunk of it", "RFC 9112 §7.1")
            self._after_chunk = True

    def _cut_body(self, words: str, source: str) -> None:
        self.tape.cut(Piece("body", bytes(self.tape.held[: self._data]), words, source, "body"))
        self._data = 0

    def _end_message(self) -> None:
        assert self._reader is not None
        end, state = self._used, self._reader.their_state
        if self._chunked and end > self._data:
            self.tape.cut_all(framing_pieces(bytes(self.tape.held[:end]), self._after_chunk))
        elif self._data:
            self._cut_body("what the program sent", "RFC 9112 §6")
        self._reader, self._data = None, 0
        self._in_body = self._chunked = self._after_chunk = False
        if self.tape.side is Side.SERVER:
            if self._exchange.questions:
                self._exchange.questions.popleft()
            self._exchange.answered(switched=False)
        elif state not in (h11.DONE, h11.MUST_CLOSE) and self._exchange.questions:  # it asked to switch
            self._waits, self._exchange.waiting = True, self._go_on
            return
        self._next_message()

    def _go_on(self) -> None:
        self._waits = False
        if self._exchange.switched:
            self._switch()
        self._next_message()
        self._read_on()

    def _next_message(self) -> None:
        """Start the next message with the octets that are already here. The loop of `_hear_events` reads them, because
        one write may hold thousands of messages, and a nested call for each would exceed the recursion limit."""
        if self.tape.held and not self._deaf:
            self._reader = self._new_reader()
            self._reader.receive_data(bytes(self.tape.held))

    # --------------------------------------------------------------------------------------------------------- errors

    def _refuse(self, words: str) -> None:
        held = bytes(self.tape.held)
        if self._in_body:
            end, words = chunk_fault(held, self._after_chunk)
            *right, wrong = framing_pieces(held[:end], self._after_chunk)
        elif first := self._refusal(held[:1]):
            right, wrong, words = [], Piece("octet", held[:1], "", "RFC 9112 §2.2"), first
        else:
            right, wrong = head_fault(held[: self._used], self._refusal)
        words = BYTEARRAY.sub(r"\1", words)
        self.tape.cut_all([*right, as_wrong(wrong, f"{words} ({wrong.source})")])
        self._stop(AFTERWARDS)

    def _refusal(self, octets: bytes) -> str:
        """The error that h11 raises for a message that begins like this; "" if there is none."""
        reader = reader_of_questions() if self.tape.side is Side.CLIENT else reader_of_answer(None)
        reader.receive_data(octets)
        return refusal(reader)


UNANSWERED = Piece("rest", b"", f"not read: more than {MOST_QUESTIONS} requests have no answer", "", "partial")
SWITCHED = Piece("rest", b"", "not read: both sides changed the protocol", "RFC 9110 §7.8", "partial")


def reader_of_questions() -> h11.Connection:
    """The server's side, before a request."""
    return h11.Connection(h11.SERVER, NO_LIMIT)


def reader_of_answer(question: h11.Request | None) -> h11.Connection:
    """The client's side, after it has sent this request, or an unknown one."""
    reader = h11.Connection(h11.CLIENT, NO_LIMIT)
    method, target, headers = b"GET", b"/", [(b"host", b"any")]
    if question is not None:
        method, target = question.method, question.target
        headers += [field for field in question.headers if field[0] in (b"connection", b"upgrade")]
    reader.send(h11.Request(method=method, target=target, headers=headers))
    reader.send(h11.EndOfMessage())
    return reader


def refusal(reader: h11.Connection) -> str:
    """The error that h11 raises for the octets it was given; "" if there is none."""
    try:
        while not isinstance(reader.next_event(), (h11.EndOfMessage, h11.ConnectionClosed, type)):
            pass
    except h11.RemoteProtocolError as error:
        return str(error)
    return ""


# ------------------------------------------------------------------------------------------------------------- pieces

FIELDS = {
    "host": ("the site", "RFC 9110 §7.2"),
    "accept": ("formats that the client reads", "RFC 9110 §12.5.1"),
    "accept-encoding": ("compressions that it can undo", "RFC 9110 §12.5.3"),
    "connection": ("whether to keep the connection", "RFC 9110 §7.6.1"),
    "user-agent": ("the program that asks", "RFC 9110 §10.1.5"),
    "content-length": ("octets in the body", "RFC 9110 §8.6"),
    "content-type": ("the format of the body", "RFC 9110 §8.3"),
    "transfer-encoding": ("how the body is sent", "RFC 9112 §6.1"),
    "date": ("when it was made", "RFC 9110 §6.6.1"),
    "upgrade": ("the protocol to go on in", "RFC 9110 §7.8"),
    "sec-websocket-key": ("16 random octets", "RFC 6455 §11.3.1"),
    "sec-websocket-accept": ("a hash of the key", "RFC 6455 §11.3.3"),
    "sec-websocket-version": ("of WebSocket: 13", "RFC 6455 §11.3.5"),
    "sec-websocket-protocol": ("what is spoken inside", "RFC 6455 §11.3.4"),
}


def lines_of(octets: bytes) -> list[bytes]:
    """With their ends."""
    return [line + b"\n" for line in octets.split(b"\n")[:-1]] + ([octets[octets.rfind(b"\n") + 1 :]])


def fields_of(lines: list[bytes]) -> list[bytes]:
    """Join continuation lines to the field that they belong to (RFC 9112 §5.2)."""
    fields: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        else:
            fields.append(line)
    return fields


def head_pieces(octets: bytes, head: Head) -> Iterator[Piece]:
    """The pieces of a head that h11 has accepted."""
    start, *fields, end = fields_of(lines_of(octets)[:-1])
    if isinstance(head, h11.Request):
        words = f"method {head.method.decode('ascii')}, path {head.target.decode('ascii')}"
        yield Piece("request line", start, words, "RFC 9112 §3", "http-line")
    else:
        yield Piece("status line", start, f"{head.status_code}, and a phrase for people", "RFC 9112 §4", "http-line")
    yield from map(field_piece, fields)  # not from h11, because it reports a repeated Content-Length once
    yield Piece("blank line", end, "the head ends here", "RFC 9112 §2.1", "http-framing")


# Fields that authenticate the client. They are masked, because anyone that sees them can use them.
HIDDEN = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
BEGINS_HIDDEN = re.compile(rb"(?:^|\n)(?:(?:proxy-)?authorization|(?:set-)?cookie)\s*:", re.IGNORECASE)


def field_piece(octets: bytes) -> Piece:
    """One field, with its continuation lines."""
    name = octets.partition(b":")[0].decode("ascii", "backslashreplace")
    if name.strip().lower() in HIDDEN:
        octets = Secret(octets)
    words, source = FIELDS.get(name.lower(), ("a field", "RFC 9110 §5"))
    return Piece(name, octets, words, source, "http-field")


def framing_pieces(octets: bytes, after_chunk: bool) -> list[Piece]:
    """The lines between the chunks of a body, and those after the last chunk."""
    lines = [line for line in lines_of(octets) if line]
    pieces: list[Piece] = []
    if after_chunk and lines:
        pieces.append(Piece("chunk end", lines.pop(0), "the chunk ends here", "RFC 9112 §7.1", "http-framing"))
    if lines:
        size = lines.pop(0)
        words = f"{size.strip().decode('latin-1')} octets follow, in hexadecimal"
        pieces.append(Piece("chunk size", size, words, "RFC 9112 §7.1", "http-framing"))
    pieces += [Piece("trailer", line, "a field after the body", "RFC 9112 §7.1.2", "http-field") for line in lines[:-1]]
    pieces += [Piece("blank line", line, "the body ends here", "RFC 9112 §7.1", "http-framing") for line in lines[-1:]]
    return pieces


def head_fault(octets: bytes, refuses: Callable[[bytes], str]) -> tuple[list[Piece], Piece]:
    """For a head that h11 refuses: the pieces before the fault, and the piece at fault. If each line is valid on its
    own, the fault is in the head as a whole, and the blank line at its end is marked."""
    start, *fields, end = fields_of(lines_of(octets)[:-1])
    is_answer = start.startswith(b"HTTP/")
    name, source = ("status line", "RFC 9112 §4") if is_answer else ("request line", "RFC 9112 §3")
    line = Piece(name, start, "", source, "http-line")
    if refuses(start + b"Host: any\r\n\r\n"):
        return [], line
    right = [line]
    for field in fields:
        if refuses((b"HTTP/1.0 200 OK\r\n" if is_answer else b"GET / HTTP/1.0\r\n") + field + b"\r\n"):
            return right, field_piece(field)._replace(name="field")
        right.append(field_piece(field))
    return right, Piece("blank line", end, "", "RFC 9112 §3.2", "http-framing")


def chunk_fault(octets: bytes, after_chunk: bool) -> tuple[int, str]:
    """The number of octets, after a chunk or before the first one, at which h11 raises an error, and the error's text.
    The octets are fed one at a time, because the text depends on how many h11 is given at once."""
    reader = reader_of_answer(None)
    reader.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1\r\n-" if after_chunk else b""))
    refusal(reader)
    for end in range(1, len(octets) + 1):
        reader.receive_data(octets[end - 1 : end])
        if words := refusal(reader):
            return end, words
    raise AssertionError("h11 takes it after all")
