"""Requests: framing, and bodies that can be walked once or again."""

import pytest

from minihttp import Request, StreamConsumed

URL = "http://example.org/"
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    ("method", "options", "headers"),
    [
        ("GET", {}, {}),
        ("DELETE", {"content": b""}, {}),
        ("POST", {}, {"content-length": "0"}),
        ("PUT", {"content": b"ab"}, {"content-length": "2"}),
        ("PUT", {"content": memoryview(b"ab")}, {"content-length": "2"}),
        ("PUT", {"content": ["ab"]}, {"transfer-encoding": "chunked"}),
        ("PUT", {"content": [b"ab"], "headers": {"Content-Length": "2"}}, {"content-length": "2"}),
        (
            "PUT",
            {"content": b"ab", "headers": {"Transfer-Encoding": "chunked"}},
            {"transfer-encoding": "chunked"},
        ),
        ("POST", {"json": None, "content": "x"}, {"content-length": "1"}),
        ("POST", {"data": {}}, {"content-length": "0"}),
    ],
)
def test_framing(method, options, headers):
    assert Request(method, URL, **options).headers == {"host": "example.org"} | headers


def test_a_given_host_and_content_type_stay():
    request = Request("POST", URL, json=1, headers={"host": "other", "content-type": "x/y"})
    assert request.headers == {"host": "other", "content-type": "x/y", "content-length": "1"}


async def test_a_list_can_be_walked_again_and_an_iterator_cannot():
    again = Request("PUT", URL, content=[b"a", b"b"])
    for _ in range(2):
        assert [piece async for piece in again.aiter_bytes()] == [b"a", b"b"]
    once = Request("PUT", URL, content=iter([b"a", b"b"]))
    assert [piece async for piece in once.aiter_bytes()] == [b"a", b"b"]
    with pytest.raises(StreamConsumed, match="used up"):
        once.aiter_bytes()


async def test_a_stream_is_content_only_after_it_was_read():
    request = Request("PUT", URL, content=iter([b"a", b"b"]))
    with pytest.raises(StreamConsumed, match="aread"):
        request.content  # noqa: B018
    assert await request.aread() == request.content == await request.aread() == b"ab"


@pytest.mark.parametrize("options", [{"content": b"a", "json": 1}, {"data": {"a": 1}, "json": 1}])
def test_two_bodies_are_a_type_error(options):
    with pytest.raises(TypeError, match="three ways to give one body"):
        Request("POST", URL, **options)


@pytest.mark.parametrize("options", [{"content": 1}, {"content": {"a": 1}}, {"data": b"raw"}])
def test_what_is_no_body_is_a_type_error(options):
    with pytest.raises(TypeError, match="expected"):
        Request("POST", URL, **options)


def test_json_has_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        Request("POST", URL, json=float("nan"))
