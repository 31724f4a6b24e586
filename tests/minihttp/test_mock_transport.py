"""Transports: a client without a port, for tests of what uses it and of what answers it."""

import gzip

import pytest
import trio

import minihttp
from minihttp import AsyncClient, HandlerTransport, MockTransport, Request, Response

BASE = "http://example.org"


def echo(request: Request) -> Response:
    return Response(200, json=[request.method, str(request.url), request.content.decode()])


async def test_a_mock_answers_for_a_server():
    async with AsyncClient(transport=MockTransport(echo), base_url=BASE) as client:
        response = await client.post("/x", content=[b"a", b"b"])
    assert response.json() == ["POST", "http://example.org/x", "ab"]
    assert str(response.url) == "http://example.org/x"
    assert response.elapsed.total_seconds() >= 0


async def test_a_mock_may_be_async_and_see_the_timeout():
    async def handler(request):
        await trio.lowlevel.checkpoint()
        return Response(200, json=[request.timeout.connect, request.timeout.read])

    async with AsyncClient(transport=MockTransport(handler), timeout=7) as client:
        assert (await client.get(BASE)).json() == [7, 7]
        assert (await client.get(BASE, timeout=minihttp.Timeout(3, read=1))).json() == [3, 1]


async def test_all_that_a_client_does_is_done_with_a_mock():
    def handler(request):
        if request.url.path == "/login":
            return Response(303, headers={"Location": "/", "Set-Cookie": "session=1; Path=/"})
        return Response(200, json=[request.method, request.headers["cookie"]])

    async with AsyncClient(transport=MockTransport(handler), base_url=BASE, follow_redirects=True) as client:
        response = await client.post("/login", json=1)
    assert response.json() == ["GET", "session=1"]
    assert [earlier.status_code for earlier in response.history] == [303]


async def test_a_coded_body_of_a_mock_is_undone():
    headers = {"Content-Encoding": "gzip"}
    packed = gzip.compress(b"hello")
    for content in (packed, iter([packed])):
        made = Response(200, headers=headers, content=content)
        async with AsyncClient(transport=MockTransport(lambda _, made=made: made)) as client:
            assert (await client.get(BASE)).text == "hello"


async def test_a_mock_that_returns_no_response_is_a_type_error():
    async with AsyncClient(transport=MockTransport(lambda request: "hello")) as client:
        with pytest.raises(TypeError, match=r"returned str: expected a minihttp\.Response"):
            await client.get(BASE)


async def test_a_handler_sees_what_a_server_would_show_it():
    seen = []

    async def handler(request):
        seen.append((str(request.url), request.headers["authorization"], await request.aread()))
        return Response(200, text="ok")

    async with AsyncClient(transport=HandlerTransport(handler)) as client:
        response = await client.post("http://alice:s3cret@example.org/x?q#top", content=b"body")
    assert seen == [("http://example.org/x?q", "Basic YWxpY2U6czNjcmV0", b"body")]
    assert response.text == "ok"


@pytest.mark.parametrize(
    ("method", "status", "body"), [("GET", 200, b"x"), ("HEAD", 200, b""), ("GET", 204, b""), ("GET", 304, b"")]
)
async def test_the_client_sees_what_would_have_crossed(method, status, body):
    async def handler(request):
        return Response(status, content=b"x")

    async with AsyncClient(transport=HandlerTransport(handler)) as client:
        assert (await client.request(method, BASE)).content == body


async def test_a_handler_streams_to_the_client():
    async def handler(request):
        return Response(200, content=request.aiter_bytes())

    async with (
        AsyncClient(transport=HandlerTransport(handler)) as client,
        client.stream("POST", BASE, content=[b"a", b"b"]) as response,
    ):
        assert [piece async for piece in response.aiter_raw()] == [b"a", b"b"]


async def test_what_a_handler_raises_goes_to_the_test(caplog):
    async def handler(request):
        raise KeyError("bug")

    async with AsyncClient(transport=HandlerTransport(handler)) as client:
        with pytest.raises(KeyError, match="bug"):
            await client.get(BASE)
    async with AsyncClient(transport=HandlerTransport(handler, raise_app_exceptions=False)) as client:
        assert (await client.get(BASE)).status_code == 500
    assert "handler failed for <Request('GET', 'http://example.org/')>" in caplog.text


async def test_a_transport_of_ones_own_around_the_pool(start_server):
    async def handler(request):
        return Response(503 if len(asked) < 2 else 200)

    class Retry(minihttp.AsyncBaseTransport):
        inner = minihttp.AsyncHTTPTransport()

        async def handle_async_request(self, request):
            while True:
                asked.append(request.url.path)
                response = await self.inner.handle_async_request(request)
                if response.status_code != 503:
                    return response
                await response.aclose()

        async def aclose(self):
            closed.append(True)
            await self.inner.aclose()

    asked, closed = [], []
    url = await start_server(handler)
    async with AsyncClient(transport=Retry()) as client:
        assert (await client.get(url + "/x")).status_code == 200
    assert (asked, closed) == (["/x", "/x"], [True])


def test_something_else_is_no_transport():
    with pytest.raises(TypeError, match=r"transport is object: expected handle_async_request"):
        AsyncClient(transport=object())
