r"""Bodies: octets that are held, and octets that are walked piece by piece.       RFC 9112 §6; RFC 7578

    content=b"..."                 held: its length is known, and it can be sent again
    content=[b"a", b"b"]           walked: each item becomes one chunk
    content=open(path, "rb")       walked: read in pieces of 64 KiB, whatever lines the file has
    files={"f": open(path, "rb")}  a form in multipart/form-data, with files among its fields

A form with files is a list of parts; each has headers of its own, and a boundary that occurs in no part
separates them:

    --3f9a CR LF
    Content-Disposition: form-data; name="note" CR LF
    CR LF
    hello CR LF
    --3f9a CR LF
    Content-Disposition: form-data; name="photo"; filename="me.png" CR LF
    Content-Type: image/png CR LF
    CR LF
    (the octets of the file) CR LF
    --3f9a-- CR LF

    >>> form = Multipart({"note": "hello"}, {}, boundary=b"3f9a")
    >>> form.content_type, form.size
    (b'multipart/form-data; boundary=3f9a', 72)

Below this module: `errors`, `urls`.  Above it: `request` chooses among these.  Read next: `request`.
"""

import io
import mimetypes
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol, TypeVar

from .errors import StreamConsumed
from .urls import params_dict

FILE_PIECE = 65536  # octets read from a file at a time; httpx reads as many

T = TypeVar("T")


class File(Protocol):
    """Whatever has `read(n)`: an open file, io.BytesIO, or a file of trio.open_file, whose `read` is awaited."""

    def read(self, size: int, /) -> bytes | Awaitable[bytes]: ...


FileContent = bytes | str | File
FileTypes = (
    FileContent
    | tuple[str | None, FileContent]
    | tuple[str | None, FileContent, str | None]
    | tuple[str | None, FileContent, str | None, Mapping[str, str]]
)
Files = Mapping[str, FileTypes] | Sequence[tuple[str, FileTypes]]


async def resolved(value: T | Awaitable[T]) -> T:
    """The value itself, or what an awaitable gives: for functions that may be async or not."""
    return await value if isawaitable(value) else value


class BodyStream:
    """A body that is walked instead of held.

    A list can be walked again (for a redirect, or when a connection turned out dead); an iterator only once,
    and the second walk says so instead of sending an empty body.
    """

    def __init__(self, source: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        self._source = source
        self._once = isinstance(source, Iterator | AsyncIterator)
        self._walked = False

    @property
    def is_spent(self) -> bool:
        return self._once and self._walked

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self.is_spent:
            raise StreamConsumed("the body was an iterator and is used up: bytes or a list can be sent again")
        self._walked = True
        return aiter(self._source) if isinstance(self._source, AsyncIterable) else _Walk(iter(self._source))


class _Walk:
    """A plain iterator as an asynchronous one.  (An async generator, left half-way, has to be closed.)"""

    def __init__(self, iterator: Iterator[bytes]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> "_Walk":
        return self

    async def __anext__(self) -> bytes:
        for piece in self._iterator:
            return piece
        raise StopAsyncIteration


class FileStream(BodyStream):
    """A file in pieces of 64 KiB.

    Iterating over a file gives lines: short lines would become a chunk each, and a file without line ends a
    single one, held in memory whole.  A file that can seek can be sent again, from where it stood at first,
    or from `start`.
    """

    def __init__(self, file: Any, start: int | None = None) -> None:
        if isinstance(file, io.TextIOBase):
            raise TypeError("the file is open for text: a body is octets, so open it in binary mode, open(path, 'rb')")
        self._file = file
        self._start = start
        self._once = not (hasattr(file, "seekable") and file.seekable())
        self._walked = self._has_begun = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self.is_spent:
            raise StreamConsumed(
                "the body was a file that cannot seek, and is read to its end: bytes can be sent again"
            )
        self._walked, self._has_begun = True, False
        return self

    async def __anext__(self) -> bytes:
        if not (self._has_begun or self._once):
            if self._start is None:
                self._start = await resolved(self._file.tell())
            else:
                await resolved(self._file.seek(self._start))
        self._has_begun = True
        piece: bytes = await resolved(self._file.read(FILE_PIECE))
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(f"read() of the file gave {type(piece).__name__}: expected bytes, as from open(path, 'rb')")
        if not piece:
            raise StopAsyncIteration
        return piece

    def size(self) -> int | None:
        """How many octets there are from `start` to the end, if that can be known without waiting."""
        if self._once or iscoroutinefunction(self._file.seek):
            return None
        here = self._file.tell()
        end: int = self._file.seek(0, os.SEEK_END)
        self._file.seek(here)
        return end - (here if self._start is None else self._start)


class Multipart(BodyStream):
    """A form with files: fields as in data=, files as in files=.                     RFC 7578

    A file is a value (octets, text, or something with `read`), or a tuple: (filename, value),
    (filename, value, content type) or (filename, value, content type, further headers).  It is sent from its
    first octet, wherever it stands.  `size` is None when the size of one of the files is not known.
    """

    def __init__(self, fields: Mapping[str, Any], files: Files, boundary: bytes | None = None) -> None:
        self._boundary = os.urandom(16).hex().encode() if boundary is None else boundary
        self._parts = [*_fields(fields), *map(_file, files.items() if isinstance(files, Mapping) else files)]
        self.content_type = b"multipart/form-data; boundary=" + self._boundary
        self.size: int | None = len(self._end)
        for head, content in self._parts:
            size = len(content) if isinstance(content, bytes) else content.size()
            around = len(self._start) + len(head) + len(b"\r\n")
            self.size = None if self.size is None or size is None else self.size + around + size

    @property
    def _start(self) -> bytes:
        return b"--" + self._boundary + b"\r\n"

    @property
    def _end(self) -> bytes:
        return b"--" + self._boundary + b"--\r\n"

    @property
    def is_spent(self) -> bool:
        return any(isinstance(content, FileStream) and content.is_spent for _, content in self._parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for head, content in self._parts:
            if isinstance(content, bytes):
                yield self._start + head + content + b"\r\n"
                continue
            yield self._start + head
            async for piece in content:
                yield piece
            yield b"\r\n"
        yield self._end


Part = tuple[bytes, bytes | FileStream]  # the headers of a part with the empty line after them, and its content


def _fields(fields: Mapping[str, Any]) -> Iterator[Part]:
    for name, value in fields.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            text = one if isinstance(one, bytes) else params_dict({name: one})[name][0].encode()
            yield _head(name, None, {}), text


def _file(named: tuple[str, FileTypes]) -> Part:
    name, given = named
    filename: str | None
    filename, value, content_type, headers = None, given, None, {}
    if isinstance(given, tuple):
        filename, value, content_type, headers = (*given, None, {})[:4] if len(given) == 2 else (*given, {})[:4]
    else:
        filename = _name_of(given)
    if filename and content_type is None:
        content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    if content_type and "content-type" not in map(str.lower, headers):
        headers = {**headers, "Content-Type": content_type}
    return _head(name, filename, headers), _content(name, value)


def _name_of(file: Any) -> str:
    path = getattr(file, "name", None)  # a temporary file has a number for a name
    return os.path.basename(path) if isinstance(path, str) else "upload"


def _content(name: str, value: Any) -> bytes | FileStream:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "read"):
        return FileStream(value, start=0)
    raise TypeError(f"file {name!r} is {type(value).__name__}: expected bytes, str, or a file open for reading octets")


def _head(name: str, filename: str | None, headers: Mapping[str, str]) -> bytes:
    disposition = f'form-data; name="{_quoted(name)}"'
    if filename:
        disposition += f'; filename="{_quoted(filename)}"'
    lines = {"Content-Disposition": disposition, **headers}
    if found := next((key for key, value in lines.items() if re.search(r"[\0\r\n]", key + value)), None):
        raise ValueError(f"header {found!r} of file {name!r} has a line end or NUL: it would begin another header")
    return "".join(f"{key}: {value}\r\n" for key, value in lines.items()).encode() + b"\r\n"


def _quoted(name: str) -> str:
    """A name within quotes, as browsers write it.                  HTML, "Multipart form data"; RFC 7578 §2

    >>> _quoted('a "b"')
    'a %22b%22'
    """
    name = name.replace("\\", "\\\\").replace('"', "%22")
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", name)
