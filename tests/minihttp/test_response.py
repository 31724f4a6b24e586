"""Responses: what the head says, and each way to read a body."""

import gzip

import pytest

from minihttp import (
    DecodingError,
    HTTPStatusError,
    Request,
    Response,
    ResponseNotRead,
    StreamClosed,
    StreamConsumed,
)


def streamed(*pieces: bytes, **options) -> Response:
    return Response(200, content=iter(pieces), **options)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, "utf-8"),
        ("text/plain", "utf-8"),
        ("text/plain; charset=ISO-8859-1", "iso-8859-1"),
        ('text/plain; charset="utf-16"', "utf-16"),
        ("text/plain; charset=klingon", "utf-8"),
        ("text/plain; charset=hex", "utf-8"),
        ("text/plain; charset=idna", "utf-8"),
        ("text/plain; charset=undefined", "utf-8"),
        ("text/plain; charset=a\0b", "utf-8"),
    ],
)
def test_encoding(content_type, encoding):
    headers = {"Content-Type": content_type} if content_type else {}
    assert Response(200, headers=headers).encoding == encoding


def test_wrong_octets_do_not_hide_the_rest():
    assert Response(200, content=b"a\xffb").text == "a\ufffdb"


def test_the_encoding_can_be_set():
    response = Response(200, content="ü".encode("latin-1"))
    response.encoding = "latin-1"
    assert response.text == "ü"


@pytest.mark.parametrize("status", [200, 204, 299])
def test_success_raises_nothing(status):
    response = Response(status, request=Request("GET", "http://example.org/"))
    assert response.raise_for_status() is response


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (302, "redirect 302 Found for GET http://example.org/, which leads to /x"),
        (404, "client error 404 Not Found"),
        (503, "server error 503 Service Unavailable"),
        (799, "unknown 799 for GET"),
    ],
)
def test_anything_else_raises(status, words):
    response = Response(status, request=Request("GET", "http://example.org/"), headers={"location": "/x"})
    with pytest.raises(HTTPStatusError, match=words) as caught:
        response.raise_for_status()
    assert (caught.value.response, caught.value.request) == (response, response.request)


async def test_a_body_is_content_only_after_it_was_read():
    response = streamed(b"a", b"b")
    with pytest.raises(ResponseNotRead, match="aread"):
        response.content  # noqa: B018
    assert await response.aread() == response.content == b"ab"
    assert [piece async for piece in response.aiter_bytes(1)] == [b"a", b"b"]


async def test_a_stream_is_read_once():
    response = streamed(b"a")
    assert [piece async for piece in response.aiter_bytes()] == [b"a"]
    with pytest.raises(StreamConsumed, match="read once"):
        response.aiter_bytes()
    with pytest.raises(StreamConsumed):
        await response.aread()


async def test_a_closed_one_is_not_read():
    response = streamed(b"a")
    await response.aclose()
    with pytest.raises(StreamClosed, match="closed before"):
        await response.aread()


async def test_text_and_lines():
    pieces = "ein\r\nzw".encode("utf-16-le"), b"e", b"\x00i\x00"
    response = streamed(*pieces, headers={"content-type": "text/plain; charset=utf-16-le"})
    assert [line async for line in response.aiter_lines()] == ["ein", "zwei"]
    response = streamed(*pieces, headers={"content-type": "text/plain; charset=utf-16-le"})
    assert [text async for text in response.aiter_text(4)] == ["ein\r", "\nzwe", "i"]


async def test_leaving_a_loop_early_leaves_nothing_to_warn_about():
    response = streamed(b"a\n", b"b\n")
    async for line in response.aiter_lines():
        assert line == "a"
        break


def test_what_a_response_made_by_hand_does_not_know():
    with pytest.raises(RuntimeError, match="without a request"):
        Response(200).request  # noqa: B018
    with pytest.raises(RuntimeError, match="elapsed"):
        Response(200).elapsed  # noqa: B018


def test_repr():
    assert repr(Response(404)) == "<Response [404 Not Found]>"
    assert repr(Response(799)) == "<Response [799]>"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [({"text": "ü"}, "text/plain; charset=utf-8"), ({"html": "ü"}, "text/html; charset=utf-8")],
)
def test_text_and_html_say_what_they_are(body, content_type):
    response = Response(200, **body)
    assert response.headers == {"content-type": content_type, "content-length": "2"}
    assert response.text == "ü"
    assert Response(200, headers={"Content-Type": "a/b"}, **body).headers["content-type"] == "a/b"


def test_one_body_is_given_in_one_way():
    with pytest.raises(TypeError, match="four ways to give one body"):
        Response(200, text="a", html="b")


def test_a_coded_body_that_is_given_is_undone_when_asked_for():
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"x" * 100))
    assert response.stream != b"x" * 100  # which is what the server sends
    assert response.content == b"x" * 100
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=b"no gzip")
    with pytest.raises(DecodingError, match="not valid gzip"):
        response.content  # noqa: B018


@pytest.mark.parametrize("status", range(300, 310))
def test_five_statuses_lead_elsewhere(status):
    leads = status in (301, 302, 303, 307, 308)
    assert Response(status, headers={"Location": "/x"}).has_redirect_location is leads
    assert not Response(status).has_redirect_location


def test_an_error_repeats_no_password_and_only_a_little():
    request = Request("GET", "http://alice:s3cret@h/" + "x" * 60_000)
    location = "http://bob:s3cret@h/" + "y" * 60_000
    response = Response(302, request=request, headers={"Location": location}, reason=b"z" * 60_000)
    with pytest.raises(HTTPStatusError, match=r"alice:\[secure\]@h/x+… ") as caught:
        response.raise_for_status()
    assert "s3cret" not in str(caught.value) + repr(request) + repr(response)
    assert len(str(caught.value)) < 800


def test_a_response_that_was_given_has_no_trailers():
    assert Response(200).trailers == {}
