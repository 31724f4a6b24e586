"""Bodies: files go in large pieces, forms with files as httpx writes them, and what can be sent again is."""

import io
import tempfile

import httpx
import pytest
import trio

from minihttp import Request, Response, StreamConsumed

URL = "http://example.org/"
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=3f9a"}
FIELDS = {"a": ["1", "2"], "b": 3, "c": True, "d": None, "e": b"\xff"}


async def pieces_of(request: Request) -> list[bytes]:
    return [piece async for piece in request.stream]


@pytest.mark.parametrize("make", [io.BytesIO, tempfile.TemporaryFile, tempfile.SpooledTemporaryFile])
async def test_a_file_goes_in_pieces_of_64_kib(make):
    with make() as file:
        file.write(b"ab\n" * 50_000)
        file.seek(0)
        request = Request("PUT", URL, content=file)
        assert request.headers["transfer-encoding"] == "chunked"
        assert [len(piece) for piece in await pieces_of(request)] == [65536, 65536, 150_000 - 2 * 65536]


async def test_a_file_of_trio_goes_in_pieces_too(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"\n" * 70_000)
    async with await trio.open_file(path, "rb") as file:
        assert [len(piece) for piece in await pieces_of(Request("PUT", URL, content=file))] == [65536, 4464]


async def test_a_file_as_the_content_of_a_response():
    assert await Response(200, content=io.BytesIO(b"a\nb\n")).aread() == b"a\nb\n"
    assert [piece async for piece in Response(200, content=io.BytesIO(b"a\nb\n")).aiter_raw()] == [b"a\nb\n"]


async def test_an_object_that_can_only_read_is_a_file():
    class Source:
        def read(self, size):
            return left.pop() if left else b""

    left = [b"two", b"one"]

    assert await pieces_of(Request("PUT", URL, content=Source())) == [b"one", b"two"]


async def test_a_file_is_sent_again_from_where_it_stood():
    file = io.BytesIO(b"header and body")
    file.seek(11)
    request = Request("PUT", URL, content=file)
    assert await pieces_of(request) == await pieces_of(request) == [b"body"]
    assert not request.stream.is_spent


async def test_a_file_that_cannot_seek_is_sent_once():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    request = Request("PUT", URL, content=Pipe(b"x"))
    assert await pieces_of(request) == [b"x"]
    assert request.stream.is_spent
    with pytest.raises(StreamConsumed, match="cannot seek"):
        await pieces_of(request)


async def test_a_file_open_for_text_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("x")
    with path.open() as file, pytest.raises(TypeError, match=r"open\(path, 'rb'\)"):
        Request("PUT", URL, content=file)
    async with await trio.open_file(path) as file:
        with pytest.raises(TypeError, match=r"gave str: expected bytes"):
            await pieces_of(Request("PUT", URL, content=file))


@pytest.mark.parametrize(
    "files",
    [
        {"f": b"octets"},
        {"f": "text ü"},
        {"f": ("a.txt", "text")},
        {"f": (None, b"no filename")},
        {"f": ("me.png", io.BytesIO(b"image"), "image/x")},
        {"f": ("me", b"image", None, {"X-Tag": "1", "Content-Type": "a/b"})},
        {'n"\\\r\n': ('a\\"b\r\nX: y', b"x")},
        [("f", b"1"), ("f", b"2")],
    ],
)
async def test_a_form_has_the_octets_that_httpx_sends(files):
    theirs = httpx.Request("POST", URL, data=FIELDS, files=files, headers=BOUNDARY)
    ours = Request("POST", URL, data=FIELDS, files=files, headers=BOUNDARY)
    body = await ours.aread()
    assert body == theirs.read()
    assert ours.headers["content-length"] == theirs.headers["content-length"] == str(len(body))


async def test_a_form_by_its_octets():
    request = Request("POST", URL, data={"note": "hello"}, files={"f": ("a.bin", b"\0")}, headers=BOUNDARY)
    assert await request.aread() == (
        b'--3f9a\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        b'--3f9a\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\0\r\n"
        b"--3f9a--\r\n"
    )


async def test_each_form_has_a_boundary_of_its_own():
    one, other = (Request("POST", URL, files={"f": b"x"}).headers["content-type"] for _ in range(2))
    assert one.startswith("multipart/form-data; boundary=")
    assert one != other


async def test_a_file_in_a_form_is_sent_whole_and_again():
    file = io.BytesIO(b"whole")
    file.seek(3)
    request = Request("POST", URL, files={"f": file}, headers=BOUNDARY)
    first, again = [b"".join(await pieces_of(request)) for _ in range(2)]
    assert first == again
    assert b"\r\n\r\nwhole\r\n" in first
    assert int(request.headers["content-length"]) == len(first)


async def test_a_form_with_a_file_of_unknown_size_is_chunked(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"image")
    async with await trio.open_file(path, "rb") as file:
        request = Request("POST", URL, files={"f": file}, headers=BOUNDARY)
        assert request.headers["transfer-encoding"] == "chunked"
        body = b"".join(await pieces_of(request))
    assert b'filename="photo.png"\r\nContent-Type: image/png\r\n\r\nimage\r\n' in body


def test_a_line_end_in_the_header_of_a_part_is_refused():
    with pytest.raises(ValueError, match="line end"):
        Request("POST", URL, files={"f": ("a", b"x", "text/plain\r\nX-Evil: 1")})


@pytest.mark.parametrize("other", [{"content": b"x"}, {"json": 1}, {"data": b"x"}])
def test_files_go_with_fields_only(other):
    with pytest.raises(TypeError, match=r"files= goes with data=|mapping of form fields"):
        Request("POST", URL, files={"f": b"x"}, **other)


def test_a_path_is_no_file():
    with pytest.raises(TypeError, match="'f' is int: expected bytes"):
        Request("POST", URL, files={"f": 1})
