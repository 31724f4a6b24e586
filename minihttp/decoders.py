r"""Decoders: from the octets of a body to what the reader asked for.             RFC 9110 §8.4; RFC 1950-1952

    octets ──► gzip, deflate ──► pieces of n ──► text ──► lines
               (as they were     (aiter_bytes)   (aiter_   (aiter_
                sent)                             text)     lines)

Every step is *fed* what comes and *flushed* when nothing more comes, and gives out what is ready.  No step waits, so
none is interrupted half-way, and all can be tested with plain lists:

    >>> lines = LineSplitter()
    >>> list(lines.feed("one\r\ntwo\r")), list(lines.feed("\nthree")), list(lines.flush())
    (['one'], ['two'], ['three'])

`Piped` puts such a step on an asynchronous iterator.  Steps give out one bounded piece at a time, because a gzip body
of 64 KiB may stand for 64 MiB, and a program that reads in pieces must never hold more than one.

    >>> import zlib
    >>> bomb = zlib.compress(bytes(10_000_000))
    >>> len(bomb) < 50_000, len(next(DeflateDecoder().feed(bomb)))
    (True, 16384)

Below this module: `errors`.  Above it: `response`.  Read next: `response`.
"""

import codecs
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Sized
from typing import Generic, Protocol, TypeVar

from .errors import DecodingError
from .turns import TURN, Turn

PIECE = 65536  # octets: the most that a body is written at a time
UNPACKED = 16384  # octets: the most that a decoder gives out at a time, in some 30 µs

# What a step costs, in the microseconds of `turns`.  What goes in counts as well as what comes out, because nothing may
# come out: 1 KiB of gzip has room for ninety code tables without a letter.
BITE = 10  # for as many octets or characters as a step is fed at a time
ITEM = 0.7  # for each item that comes out …
PER_MICROSECOND = 512  # … and for its octets or characters

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
A = TypeVar("A", bytes, str)
B = TypeVar("B", bound=Sized)


class Step(Protocol[In, Out]):
    bite: int  # octets or characters that are fed at a time

    def feed(self, data: In, /) -> Iterator[Out]: ...
    def flush(self) -> Iterator[Out]: ...


class Piped(Generic[A, B]):
    """What `source` gives, sent through `step`.

    No async generator: one that is left half-way waits for the garbage collector, which cannot await for it.
    """

    def __init__(self, source: AsyncIterator[A], step: Step[A, B]) -> None:
        self._source: AsyncIterator[A] = source
        self._step: Step[A, B] = step
        self._fed: A | None = None  # the item of the source that is being fed
        self._at = 0
        self._ready: Iterator[B] = iter(())
        self._ended = False
        self._turn = Turn()

    def __aiter__(self) -> "Piped[A, B]":
        return self

    async def __anext__(self) -> B:
        while True:
            if self._turn.spent >= TURN:  # before an item is taken, so that a cancellation loses none
                await self._turn.end()
            if (item := next(self._ready, None)) is not None:
                self._turn.spent += ITEM + len(item) // PER_MICROSECOND
                if item or isinstance(item, str):  # a line may be empty; empty octets only show that there was work
                    return item
                continue
            if self._ended:
                raise StopAsyncIteration
            try:
                fed = await anext(self._source) if self._fed is None else self._fed
            except StopAsyncIteration:
                self._ended = True
                self._ready = self._step.flush()
                continue
            part = fed[self._at : self._at + self._step.bite]
            self._at += self._step.bite
            self._fed = fed
            if self._at >= len(fed):
                self._fed, self._at = None, 0
            self._turn.spent += BITE * len(part) // self._step.bite
            self._ready = self._step.feed(part)


class GzipDecoder:
    """gzip: any number of members, one after the other, count as one body.               RFC 1952 §2.2"""

    name = "gzip"
    bite = 1024
    window = 16 + zlib.MAX_WBITS  # zlib's way to say: expect a gzip header and check its checksum

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(self.window)
        self._inside = False  # a member has begun and not ended

    def feed(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._zlib.eof:
                data = self._after_member(data)
                continue
            try:
                piece = self._zlib.decompress(data, UNPACKED)
            except zlib.error as error:
                raise DecodingError(f"body is not valid {self.name}: {error}") from error
            ended = self._zlib.eof
            self._inside = not ended
            data = self._zlib.unused_data if ended else self._zlib.unconsumed_tail
            full = len(piece) == UNPACKED and not ended  # zlib may hold more, although it has taken all input
            if piece or ended:  # an empty member gives an empty piece, so that it counts as work
                yield piece

    def _after_member(self, data: bytes) -> bytes:
        data = data.lstrip(b"\0")  # padding, as tapes and some servers have it
        if data:
            self._zlib = zlib.decompressobj(self.window)
        return data

    def flush(self) -> Iterator[bytes]:
        if self._inside:
            raise DecodingError(f"body ends in the middle of its {self.name} data")
        return iter(())


class DeflateDecoder(GzipDecoder):
    """deflate: by the standard in zlib's wrapping, by some servers without; the first two octets tell.

    RFC 9110 §8.4.1.2 knows of these servers.  A zlib header is a multiple of 31 whose low nibble is 8.
    """

    name = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._head: bytes | None = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            data = self._head + data
            if len(data) < 2:
                self._head, self._inside = data, bool(data)
                return
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._zlib = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
            self._head = None
        yield from super().feed(data)

    def _after_member(self, data: bytes) -> bytes:
        raise DecodingError(f"{len(data)} octets follow the end of the deflate data")


CODINGS = {"gzip": GzipDecoder, "x-gzip": GzipDecoder, "deflate": DeflateDecoder}
ACCEPT_ENCODING = "gzip, deflate"
MAX_CODINGS = 5  # no honest server applies more; each costs memory and time


def decoders_for(codings: list[str]) -> list[GzipDecoder]:
    """The steps that undo a Content-Encoding, the last applied first; what we do not know is left as it is.

    >>> [decoder.name for decoder in decoders_for(["deflate", "X-GZIP"])]
    ['gzip', 'deflate']
    """
    if len(codings) > MAX_CODINGS:
        raise DecodingError(f"{len(codings)} content codings on top of each other: expected at most {MAX_CODINGS}")
    return [CODINGS[name]() for name in map(str.lower, reversed(codings)) if name in CODINGS]


def decoded(body: bytes, codings: list[str], most: int | None) -> bytes:
    """A whole body with its codings undone, at most `most` octets of it.

    >>> decoded(zlib.compress(b"hello"), ["deflate"], None)
    b'hello'
    """
    pieces = iter([body])
    for decoder in decoders_for(codings):
        pieces = _through(decoder, pieces)
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        check_size(size, most)
    return b"".join(found)


def _through(step: Step[A, B], pieces: Iterator[A]) -> Iterator[B]:
    for piece in pieces:
        yield from step.feed(piece)
    yield from step.flush()


def check_size(size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise DecodingError(f"body of more than max_content_size={most} octets: use stream()")


class Rechunker:
    """Pieces of exactly `size`, except for the last."""

    bite = 8192

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"chunk size of {size}: expected 1 or more")
        self._size = size
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        full = len(self._held) - len(self._held) % self._size
        whole = bytes(self._held[:full])
        del self._held[:full]
        return (whole[start : start + self._size] for start in range(0, full, self._size))

    def flush(self) -> Iterator[bytes]:
        return iter([bytes(self._held)] if self._held else [])


class TextRechunker:
    """The same for text."""

    bite = 8192

    def __init__(self, size: int) -> None:
        self._octets = Rechunker(4 * size)  # UTF-32: four octets to each character, whatever it is

    def feed(self, text: str) -> Iterator[str]:
        return (piece.decode("utf-32-le") for piece in self._octets.feed(text.encode("utf-32-le")))

    def flush(self) -> Iterator[str]:
        return (piece.decode("utf-32-le") for piece in self._octets.flush())


class TextDecoder:
    """Octets as text; half a character waits for its other half, a wrong one becomes U+FFFD."""

    bite = 8192

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def feed(self, data: bytes) -> Iterator[str]:
        text = self._decoder.decode(data)
        return iter([text] if text else [])

    def flush(self) -> Iterator[str]:
        text = self._decoder.decode(b"", final=True)
        return iter([text] if text else [])


class LineSplitter:
    """Lines without their ends.  A CR at the end of a piece waits: an LF after it would belong to it."""

    bite = 4096

    def __init__(self) -> None:
        self._held: list[str] = []  # a list, since a line that comes in many pieces must not be copied at each

    def feed(self, text: str) -> Iterator[str]:
        if self._held and self._held[-1].endswith("\r"):
            text = self._held.pop() + text
        *lines, rest = _LINE_END.split(text)
        if lines:
            yield "".join([*self._held, lines[0]])
            self._held.clear()
            yield from lines[1:]
        if rest:
            self._held.append(rest)

    def flush(self) -> Iterator[str]:
        if self._held:
            yield "".join(self._held).removesuffix("\r")
            self._held.clear()


# What `str.splitlines` takes for an end (as httpx does), but not a CR at the very end.
_LINE_END = re.compile("\r\n|\r(?!\\Z)|[\n\v\f\x1c-\x1e\x85\u2028\u2029]")
