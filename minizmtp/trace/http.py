r"""HTTP/1.1, overheard: one side's octets, by h11.                                            RFC 9112, RFC 9110

There is no second parser here either. Each side's octets go to an `h11.Connection` that plays the other end: a server's
for the requests, a client's for the responses, which is told what was asked, since a response to HEAD looks just like
the beginning of another. h11 says what it understood, and how much it has not looked at yet (`trailing_data`): from
that follows which octets an event is made of. Only the lines of a head are cut here, at their ends, when h11 has found
nothing wrong with any of them.

    octets ──► h11.Connection ──► Request | Response ──► request line, one span for each field, blank line
                              ──► Data               ──► body; of chunks each, and their sizes
                              ──► nothing yet        ──► stays on the tape

What h11 refuses it does not point at. So it is asked again, with each line alone and then with one octet more at a
time, until it is plain which of them it does not like:

    >>> speaker = HttpSpeaker(Tape(Side.CLIENT), Exchange())
    >>> request = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n"
    >>> speaker.tape.add(request, at=0.0, write=0); speaker.hear(request)
    >>> [(span.name, span.octets, span.wrong) for span in speaker.tape.spans[1:]]
    [('Host', b'Host: a\r\n', False), ('field', b'Content-Length: many\r\n', True)]

Below this module: `spans`. Above it: `both`. Read next: `both`.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

import h11

from ..errors import Secret
from .spans import AFTERWARDS, NOT_WHOLE, Piece, Side, Tape, as_wrong

Head = h11.Request | h11.Response | h11.InformationalResponse

BYTEARRAY = re.compile(r"bytearray\(b(.*)\)")  # as h11's sentences quote

# How many requests may wait for their answers; each is kept until then.
MOST_QUESTIONS = 1000

NO_LIMIT = 2**62  # h11's own is for servers; here it would make a difference how a head was cut into writes


class Exchange:
    """What both sides have to know of each other: which questions have no answer yet, and whether the two have gone
    over to another protocol."""

    def __init__(self) -> None:
        self.questions: deque[h11.Request] = deque()
        self.switched = False
        self.waiting: Callable[[], None] | None = None  # a client that goes on when the answer has come

    def answered(self, switched: bool) -> None:
        """The last of an answer has come."""
        self.switched = self.switched or switched
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting()


class HttpSpeaker:
    """One side. tape: what it says is put there first; see `hear`. rest: what to call that of it which is not cut."""

    def __init__(self, tape: Tape, exchange: Exchange) -> None:
        self.tape = tape
        self._exchange = exchange
        self._reader: h11.Connection | None = None  # of the message that is coming
        self._chunked = False
        self._in_body = False
        self._after_chunk = False
        self._data = 0  # octets of the body that h11 has read and that are still on the tape
        self._waits = False  # for the answer that says whether this is still HTTP
        self.rest = NOT_WHOLE
        self._deaf = False

    def hear(self, octets: bytes) -> None:
        """Cut what is whole with these octets, which are on the tape."""
        if self._exchange.switched:
            self._stop(SWITCHED)
        if self._deaf or self._waits or not octets:
            return
        self._read(octets)

    def end(self) -> None:
        """The stream has ended; that is how some bodies end. What else it cuts off is not wrong, only not whole."""
        if self._reader is not None and not self._deaf:
            self._reader.receive_data(b"")
            with suppress(h11.RemoteProtocolError):
                self._hear_events()
        self._stop(self.rest)

    def _stop(self, rest: Piece) -> None:
        """Read no more. rest: what to call all that comes."""
        if not self._deaf:
            self._deaf, self.rest = True, rest

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
        """How many octets of those on the tape h11 has looked at."""
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
            self._exchange.answered(switched=True)
            self._stop(SWITCHED)

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
            self._stop(SWITCHED)
        self._next_message()
        self._read_on()

    def _next_message(self) -> None:
        """Take what has come already for the next one. The loop of `_hear_events` reads it: thousands may come in one
        write, and a call for each would go too deep."""
        if self.tape.held and not self._deaf:
            self._reader = self._new_reader()
            self._reader.receive_data(bytes(self.tape.held))

    # ------------------------------------------------------------------------------------------------- what is refused

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
        """What h11 says of a message that begins so; "" if it has nothing against it."""
        reader = reader_of_questions() if self.tape.side is Side.CLIENT else reader_of_answer(None)
        reader.receive_data(octets)
        return refusal(reader)


UNANSWERED = Piece("rest", b"", f"not read: more than {MOST_QUESTIONS} requests have no answer", "", "partial")
SWITCHED = Piece("rest", b"", "not read: both have gone over to another protocol", "RFC 9110 §7.8", "partial")


def reader_of_questions() -> h11.Connection:
    """The server's end, before a request."""
    return h11.Connection(h11.SERVER, NO_LIMIT)


def reader_of_answer(question: h11.Request | None) -> h11.Connection:
    """The client's end, after its request: this one, or none that we know of."""
    reader = h11.Connection(h11.CLIENT, NO_LIMIT)
    method, target, headers = b"GET", b"/", [(b"host", b"any")]
    if question is not None:
        method, target = question.method, question.target
        headers += [field for field in question.headers if field[0] in (b"connection", b"upgrade")]
    reader.send(h11.Request(method=method, target=target, headers=headers))
    reader.send(h11.EndOfMessage())
    return reader


def refusal(reader: h11.Connection) -> str:
    """What it says against what it has been given; "" if nothing."""
    try:
        while not isinstance(reader.next_event(), (h11.EndOfMessage, h11.ConnectionClosed, type)):
            pass
    except h11.RemoteProtocolError as error:
        return str(error)
    return ""


# ------------------------------------------------------------------------------------------------------------- pieces

FIELDS = {
    "host": ("which site is meant", "RFC 9110 §7.2"),
    "accept": ("what kinds of answer will do", "RFC 9110 §12.5.1"),
    "accept-encoding": ("compressions it can undo", "RFC 9110 §12.5.3"),
    "connection": ("what becomes of the connection", "RFC 9110 §7.6.1"),
    "user-agent": ("what program is asking", "RFC 9110 §10.1.5"),
    "content-length": ("octets in the body", "RFC 9110 §8.6"),
    "content-type": ("what the body is", "RFC 9110 §8.3"),
    "transfer-encoding": ("how the body is packed", "RFC 9112 §6.1"),
    "date": ("when it was made", "RFC 9110 §6.6.1"),
}


def lines_of(octets: bytes) -> list[bytes]:
    """With their ends."""
    return [line + b"\n" for line in octets.split(b"\n")[:-1]] + ([octets[octets.rfind(b"\n") + 1 :]])


def fields_of(lines: list[bytes]) -> list[bytes]:
    """Lines that go on with the field before them are one with it (9112 §5.2)."""
    fields: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        else:
            fields.append(line)
    return fields


def head_pieces(octets: bytes, head: Head) -> Iterator[Piece]:
    """A head that h11 has understood."""
    start, *fields, end = fields_of(lines_of(octets)[:-1])
    if isinstance(head, h11.Request):
        words = f"{head.method.decode('ascii')} what, at {head.target.decode('ascii')}"
        yield Piece("request line", start, words, "RFC 9112 §3", "http-line")
    else:
        yield Piece("status line", start, f"{head.status_code}: how it went", "RFC 9112 §4", "http-line")
    yield from map(field_piece, fields)  # h11 tells a Content-Length that comes twice only once
    yield Piece("blank line", end, "the head ends here", "RFC 9112 §2.1", "http-framing")


# Fields that prove who is asking: whoever sees them can ask in the same name.
HIDDEN = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
BEGINS_HIDDEN = re.compile(rb"(?:^|\n)(?:(?:proxy-)?authorization|(?:set-)?cookie)\s*:", re.IGNORECASE)


def field_piece(octets: bytes) -> Piece:
    """One field, with the lines it goes on in."""
    name = octets.partition(b":")[0].decode("ascii", "backslashreplace")
    if name.strip().lower() in HIDDEN:
        octets = Secret(octets)
    words, source = FIELDS.get(name.lower(), ("a field", "RFC 9110 §5"))
    return Piece(name, octets, words, source, "http-field")


def framing_pieces(octets: bytes, after_chunk: bool) -> list[Piece]:
    """What stands between the chunks of a body, and behind the last: lines."""
    lines = [line for line in lines_of(octets) if line]
    pieces: list[Piece] = []
    if after_chunk and lines:
        pieces.append(Piece("chunk end", lines.pop(0), "the chunk ends here", "RFC 9112 §7.1", "http-framing"))
    if lines:
        size = lines.pop(0)
        words = f"{size.strip().decode('latin-1')} octets follow, in hexadecimal"
        pieces.append(Piece("chunk size", size, words, "RFC 9112 §7.1", "http-framing"))
    pieces += [
        Piece("trailer", line, "a field behind the body", "RFC 9112 §7.1.2", "http-field") for line in lines[:-1]
    ]
    pieces += [Piece("blank line", line, "the body ends here", "RFC 9112 §7.1", "http-framing") for line in lines[-1:]]
    return pieces


def head_fault(octets: bytes, refuses: Callable[[bytes], str]) -> tuple[list[Piece], Piece]:
    """Of a head that is refused: what is right in it, and what is not. Where each line is right when it stands alone,
    it is the whole, and that is known at its end."""
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
    """With how many octets, and not with one less, h11 refuses what stands behind a chunk or before the first; and what
    it says then, which hangs on how many came at a time."""
    reader = reader_of_answer(None)
    reader.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1\r\n-" if after_chunk else b""))
    refusal(reader)
    for end in range(1, len(octets) + 1):
        reader.receive_data(octets[end - 1 : end])
        if words := refusal(reader):
            return end, words
    raise AssertionError("h11 takes it after all")
