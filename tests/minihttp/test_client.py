"""The client, end to end: what is asked arrives, what is answered comes back."""

import gzip
import tracemalloc
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


async def test_what_differs_in_anything_is_not_taken_for_what_was_asked_before(client):
    for method, target, tag in [("PUT", "/a", "1"), ("GET", "/a", "1"), ("GET", "/b", "1"), ("GET", "/b", "2")] * 2:
        seen = (await client.request(method, target, headers={"X-Tag": tag})).json()
        assert (seen["method"], seen["target"], dict(seen["headers"])["X-Tag"]) == (method, target, tag)


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


async def test_a_request_over_ipv6(nursery):
    try:
        listeners = await nursery.start(partial(minihttp.serve, echo, "::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    port = listeners[0].socket.getsockname()[1]
    response = await minihttp.get(f"http://[::1]:{port}/")
    assert ["Host", f"[::1]:{port}"] in response.json()["headers"]


async def test_memory_is_flat_in_the_size_of_the_body(start_server):
    async def count(request):
        return minihttp.Response(200, content=str(sum([len(piece) async for piece in request.aiter_bytes()])))

    async def big(request):
        return minihttp.Response(200, content=(bytes(65536) for _ in range(size // 65536)))

    async def body():
        for _ in range(size // 65536):
            yield bytes(65536)

    up, down = await start_server(count), await start_server(big)
    peaks = []
    async with minihttp.AsyncClient() as client:
        for size in (1 << 20, 1 << 20, 1 << 25):  # once to warm up
            tracemalloc.start()
            assert (await client.post(up, content=body())).text == str(size)
            async with client.stream("GET", down) as response:
                assert sum([len(piece) async for piece in response.aiter_bytes()]) == size
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[2] < 2 * peaks[1] + 1_000_000


async def test_a_status_that_is_no_success_is_an_error_only_when_asked(start_server):
    async def missing(request):
        return minihttp.Response(404, json={"found": False})

    async with minihttp.AsyncClient(base_url=await start_server(missing)) as client:
        response = await client.get("/x")
        assert response.is_error
        with pytest.raises(minihttp.HTTPStatusError, match="client error 404 Not Found for GET http") as caught:
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


# ── redirects ───────────────────────────────────────────────────────────────────────────────────────────────


async def redirecting(request: minihttp.Request) -> minihttp.Response:
    """/STATUS/where/to redirects there; everything else is echoed."""
    _, status, *rest = request.url.raw_path.decode().split("/", 2)
    if status.isdigit():
        return minihttp.Response(int(status), headers={"Location": rest[0] if rest else ""})
    return await echo(request)


async def test_a_redirect_is_followed_only_when_asked(start_server):
    async with minihttp.AsyncClient(base_url=await start_server(redirecting)) as client:
        assert (await client.get("/302//x")).is_redirect
        response = await client.get("/302//x", follow_redirects=True)
        assert response.json()["target"] == "/x"
        assert [earlier.status_code for earlier in response.history] == [302]
        assert str(response.url).endswith("/x")


async def test_a_loop_of_redirects_ends(start_server):
    async def loop(request):
        return minihttp.Response(302, headers={"Location": "/again"})

    url = await start_server(loop)
    async with minihttp.AsyncClient(base_url=url, follow_redirects=True, max_redirects=3) as client:
        with pytest.raises(minihttp.TooManyRedirects, match="max_redirects=3"):
            await client.get("/")
        assert "0 active" in repr(client)


@pytest.mark.parametrize("location", ["http://[bad/", "http://x:99999/", "http://a b/"])
async def test_a_redirect_to_nowhere_is_the_servers_fault(start_server, location):
    async def bad(request):
        return minihttp.Response(302, headers={"Location": location})

    async with minihttp.AsyncClient(base_url=await start_server(bad), follow_redirects=True) as client:
        with pytest.raises(minihttp.RemoteProtocolError, match="redirect to"):
            await client.get("/")


async def test_a_redirect_to_another_scheme_is_not_followed_there(start_server):
    async def away(request):
        return minihttp.Response(302, headers={"Location": "ftp://example.org/"})

    async with minihttp.AsyncClient(base_url=await start_server(away), follow_redirects=True) as client:
        with pytest.raises(minihttp.UnsupportedProtocol, match="expected it to begin with http"):
            await client.get("/")


async def test_nothing_secret_follows_to_another_origin(start_server):
    other = await start_server(echo)

    async def away(request):
        return minihttp.Response(307, headers={"Location": f"{other}/there"})

    headers = {"Cookie": "by=hand", "Proxy-Authorization": "x", "X-Other": "stays"}
    async with minihttp.AsyncClient(base_url=await start_server(away), follow_redirects=True) as client:
        response = await client.post("/", content="body", headers=headers, auth=("user", "password"))
    seen = dict(response.json()["headers"])
    assert not seen.keys() & {"Authorization", "Cookie", "Proxy-Authorization"}
    assert seen["X-Other"] == "stays"
    assert seen["Host"] == other.removeprefix("http://")
    assert response.json()["body"] == "body"


async def test_a_password_stays_within_its_origin(start_server):
    url = await start_server(redirecting)
    async with minihttp.AsyncClient(base_url=url, follow_redirects=True) as client:
        response = await client.get("/302//x", auth=("user", "password"))
    assert "Authorization" in dict(response.json()["headers"])


async def test_a_body_that_is_used_up_cannot_follow_a_redirect(start_server):
    async with minihttp.AsyncClient(base_url=await start_server(redirecting), follow_redirects=True) as client:
        response = await client.post("/307//x", content=[b"a", b"b"])
        assert response.json()["body"] == "ab"
        with pytest.raises(minihttp.StreamConsumed, match="used up"):
            await client.post("/307//x", content=iter([b"a", b"b"]))
        assert "0 active" in repr(client)


# ── cookies and passwords ───────────────────────────────────────────────────────────────────────────────────


async def test_cookies_are_kept_and_sent_back(start_server):
    async def login(request):
        if request.url.path == "/login":
            return minihttp.Response(303, headers=[("Location", "/"), ("Set-Cookie", "session=abc; Path=/")])
        return await echo(request)

    async with minihttp.AsyncClient(base_url=await start_server(login), follow_redirects=True) as client:
        response = await client.get("/login")
        assert ["Cookie", "session=abc"] in response.json()["headers"]
        assert response.history[0].cookies["session"] == client.cookies["session"] == "abc"
        response = await client.get("/", cookies={"more": "1"})
        assert ["Cookie", "session=abc; more=1"] in response.json()["headers"]


async def test_a_cookie_that_is_no_ascii_is_sent_back_and_does_not_keep_us_from_asking(start_server):
    async def handler(request):
        headers = [(b"Set-Cookie", "name=grün; Path=/".encode())]
        return minihttp.Response(200, headers=headers, json=[request.headers.get("cookie")])

    url = await start_server(handler)
    async with minihttp.AsyncClient() as client:
        assert (await client.get(url)).json() == [None]
        assert (await client.get(url)).json() == ["name=grün"]


async def test_the_clients_cookies_never_follow_to_another_host(start_server):
    url = await start_server(echo)
    async with minihttp.AsyncClient(cookies={"a": "1"}) as client:
        first = await client.get(url)
        other = await client.get(url.replace("127.0.0.1", "localhost"))
    assert ["Cookie", "a=1"] in first.json()["headers"]
    assert "Cookie" not in dict(other.json()["headers"])


async def test_passwords_come_from_the_call_the_client_or_the_url(start_server):
    url = await start_server(echo)

    async def authorization(client, where=url, **options):
        return dict((await client.get(where, **options)).json()["headers"]).get("Authorization")

    def bearer(request):
        request.headers["Authorization"] = "Bearer token"
        return request

    async with minihttp.AsyncClient(auth=("client", "x")) as client:
        assert await authorization(client) == "Basic Y2xpZW50Ong="
        assert await authorization(client, auth=("call", "x")) == "Basic Y2FsbDp4"
        assert await authorization(client, auth=bearer) == "Bearer token"
        assert await authorization(client, auth=None) is None
        assert await authorization(client, url.replace("//", "//url:x@"), auth=None) == "Basic dXJsOng="


# ── what must never be sent ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Evil": "a\r\nHost: evil"}},
        {"headers": {"X-Evil": "a\nb"}},
        {"headers": {"X-Evil": "a\0b"}},
        {"headers": {"X-Evil\r\n": "a"}},
        {"headers": {"Host": "a\r\nX-Evil: b"}},
        {"headers": {"X Evil": "a"}},
        {"headers": {"Content-Length": "1, 2"}},
        {"method": "GET / HTTP/1.1\r\nX-Evil: b\r\n\r\n"},
        {"auth": lambda request: request.headers.update({"Authorization": "x\r\nY: z"}) or request},
        {"cookies": {"a": "b\r\nX-Evil: c"}},
    ],
)
async def test_what_would_end_a_line_is_refused_before_anything_is_sent(options):
    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.LocalProtocolError):
            await client.request(options.pop("method", "GET"), "http://127.0.0.1:9/", **options)
        assert "0 active, 0 idle, 0 waiting" in repr(client)


@pytest.mark.parametrize("url", ["/relative", "ftp://example.org/", "http:///path", "mailto:someone"])
async def test_only_http_is_spoken(url):
    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.UnsupportedProtocol, match=r"expected (it to begin with )?http://"):
            await client.get(url)


# ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_truncated_gzip_body_is_a_decoding_error(start_server):
    async def truncated(request):
        return minihttp.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"x" * 99)[:-9])

    async with minihttp.AsyncClient(base_url=await start_server(truncated)) as client:
        with pytest.raises(minihttp.DecodingError, match="ends in the middle") as caught:
            await client.get("/")
        assert caught.value.request.method == "GET"
        assert "0 active" in repr(client)


async def test_a_bomb_meets_max_content_size(start_server):
    async def bomb(request):
        return minihttp.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(bytes(10**7)))

    async with minihttp.AsyncClient(base_url=await start_server(bomb), max_content_size=10**6) as client:
        with pytest.raises(minihttp.DecodingError, match="max_content_size=1000000"):
            await client.get("/")
        async with client.stream("GET", "/") as response:  # who reads in pieces needs no limit
            assert sum([len(piece) async for piece in response.aiter_bytes()]) == 10**7


async def test_accept_encoding_names_what_is_undone(client):
    assert ["Accept-Encoding", "gzip, deflate"] in (await client.get("/")).json()["headers"]


async def test_a_client_is_entered_once():
    async with minihttp.AsyncClient() as client:
        with pytest.raises(RuntimeError, match="entered once"):
            await client.__aenter__()
        assert not client.is_closed
    with pytest.raises(RuntimeError, match="after it was closed"):
        await client.__aenter__()
