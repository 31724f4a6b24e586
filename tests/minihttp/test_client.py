"""The client, end to end: what is asked arrives, what is answered comes back."""

from functools import partial

import pytest
import trio
import trio.testing

import minihttp


async def echo(request: minihttp.Request) -> minihttp.Response:
    """Everything about the request, as JSON."""
    body = await request.aread()
    return minihttp.Response(
        200,
        json={
            "method": request.method,
            "target": request.url.raw_path.decode(),
            "headers": [[name.decode(), value.decode()] for name, value in request.headers.raw],
            "body": body.decode("latin-1"),
        },
    )


@pytest.fixture
async def client(start_server):
    async with minihttp.AsyncClient(base_url=await start_server(echo)) as client:
        yield client


async def test_a_get_arrives_as_it_was_asked(client):
    response = await client.get("/items", params={"q": "zmq"}, headers={"X-Tag": "a"})
    seen = response.raise_for_status().json()
    assert (seen["method"], seen["target"], seen["body"]) == ("GET", "/items?q=zmq", "")
    assert ["X-Tag", "a"] in seen["headers"]
    assert response.http_version == "HTTP/1.1"
    assert response.elapsed.total_seconds() >= 0


@pytest.mark.parametrize(
    ("body", "arrives", "content_type"),
    [
        ({"content": b"octets"}, "octets", None),
        ({"content": "text"}, "text", None),
        ({"content": [b"a", b"", b"b"]}, "ab", None),
        ({"content": iter([b"a", b"b"])}, "ab", None),
        ({"data": {"a": "1", "b": ["2", "3"]}}, "a=1&b=2&b=3", "application/x-www-form-urlencoded"),
        ({"json": {"a": [1, None]}}, '{"a":[1,null]}', "application/json"),
    ],
)
async def test_every_form_of_body_arrives(client, body, arrives, content_type):
    seen = (await client.post("/", **body)).json()
    assert seen["body"] == arrives
    assert dict(seen["headers"]).get("Content-Type") == content_type


async def test_an_async_generator_can_be_a_body(client):
    async def body():
        for piece in (b"one ", b"two ", b"three"):
            await trio.lowlevel.checkpoint()
            yield piece

    assert (await client.post("/", content=body())).json()["body"] == "one two three"


@pytest.mark.parametrize("method", ["get", "options", "post", "put", "patch", "delete"])
async def test_each_method_has_its_function(client, method):
    assert (await getattr(client, method)("/")).json()["method"] == method.upper()


async def test_head_has_headers_and_no_body(client):
    response = await client.head("/")
    assert int(response.headers["content-length"]) > 0
    assert response.content == b""
    assert (await client.get("/")).status_code == 200  # and the connection is in step


async def test_streaming_down_gives_pieces(start_server):
    async def big(request):
        async def body():
            for _ in range(100):
                yield bytes(10_000)

        return minihttp.Response(200, content=body())

    async with (
        minihttp.AsyncClient(base_url=await start_server(big)) as client,
        client.stream("GET", "/") as response,
    ):
        sizes = [len(piece) async for piece in response.aiter_bytes(4096)]
    assert sum(sizes) == 1_000_000
    assert set(sizes[:-1]) == {4096}


async def test_requests_share_a_connection(start_server):
    connections = set()

    async def handler(request):
        return minihttp.Response(200, content="x")

    url = await start_server(handler)
    async with minihttp.AsyncClient() as client:
        for _ in range(5):
            await client.get(url)
            connections.update(client._pool._idle)
    assert len(connections) == 1


async def test_a_request_over_a_unix_socket(nursery, tmp_path):
    path = str(tmp_path / "app.sock")
    await nursery.start(partial(minihttp.serve, echo, uds=path))
    async with minihttp.AsyncClient(uds=path) as client:
        response = await client.get("http://any.name/x")
    assert response.json()["target"] == "/x"
    assert ["Host", "any.name"] in response.json()["headers"]


async def test_a_status_that_is_no_success_is_an_error_only_when_asked(start_server):
    async def missing(request):
        return minihttp.Response(404, json={"found": False})

    async with minihttp.AsyncClient(base_url=await start_server(missing)) as client:
        response = await client.get("/x")
        assert response.is_error
        with pytest.raises(
            minihttp.HTTPStatusError, match="client error 404 Not Found for GET http"
        ) as caught:
            response.raise_for_status()
    assert caught.value.response is response


async def test_a_cancelled_request_gives_its_place_back_at_once(start_server):
    async def never(request):
        await trio.sleep_forever()

    async with minihttp.AsyncClient(base_url=await start_server(never)) as client:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.get, "/")
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert "1 active" in repr(client)
                scope.cancel()
        assert "0 active, 0 idle, 0 waiting" in repr(client)


async def test_a_closed_client_refuses(client):
    await client.aclose()
    assert client.is_closed
    with pytest.raises(RuntimeError, match="closed"):
        await client.get("/")
