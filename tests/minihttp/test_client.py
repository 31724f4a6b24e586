"""The client, end to end: what is asked arrives, what is answered comes back."""

import gzip
import io
import ssl
import traceback
import tracemalloc
from functools import partial

import pytest
import trio
import trio.testing
import trustme

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


async def test_a_request_that_differs_gets_no_earlier_response(client):
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


@pytest.mark.slow
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


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_a_3xx_that_is_no_redirect_is_an_answer(start_server, status):
    async with minihttp.AsyncClient(base_url=await start_server(redirecting), follow_redirects=True) as client:
        response = await client.get(f"/{status}//x")
    assert (response.status_code, response.history) == (status, [])


METHODS = {  # RFC 9110 §15.4 as httpx reads it, and RFC 10008 §2.5
    "GET": "GET GET GET GET GET",
    "HEAD": "HEAD HEAD HEAD HEAD HEAD",
    "POST": "GET GET GET POST POST",
    "PUT": "PUT GET GET PUT PUT",
    "DELETE": "DELETE GET GET DELETE DELETE",
    "QUERY": "QUERY QUERY GET QUERY QUERY",
}


@pytest.mark.parametrize("method", METHODS)
async def test_only_303_and_an_old_custom_change_the_method(method):
    seen = []

    def answer(request):
        seen.append((request.method, request.content))
        status = int(request.url.path[1:])
        return minihttp.Response(status, headers={"Location": "/200"} if status != 200 else {})

    async with minihttp.AsyncClient(transport=minihttp.MockTransport(answer), follow_redirects=True) as client:
        for status in (301, 302, 303, 307, 308):
            await client.request(method, f"http://example.org/{status}", content=b"x")
    became = METHODS[method].split()
    assert seen[1::2] == [(after, b"x" if after == method else b"") for after in became]


async def test_headers_of_a_dropped_body_are_dropped_with_it():
    described = {
        "Content-Type": "a/b",
        "Content-Encoding": "identity",
        "content-language": "en",
        "Content-Location": "/x",
        "Content-MD5": "x",
        "Digest": "x",
        "Repr-Digest": "x",
        "Last-Modified": "x",
        "Trailer": "x",
        "Expect": "100-continue",
    }
    seen = []

    def answer(request):
        seen.append(request.headers)
        return minihttp.Response(int(request.url.path[1:]), headers={"Location": "/200"})

    transport = minihttp.MockTransport(answer)
    async with minihttp.AsyncClient(transport=transport, follow_redirects=True) as client:
        for content in (b"x", [b"x"]):
            await client.post("http://h/303", content=content, headers={**described, "X-Other": "stays"})
            assert set(seen[-1]) == {"host", "accept", "accept-encoding", "connection", "user-agent", "x-other"}
        await client.post("http://h/307", content=b"x", headers=described)
        assert {name.lower() for name in described} | {"content-length"} <= set(seen[-1])


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/caf\xe9?q=\xe9", b"/caf%E9?q=%E9"),
        (b"/caf\xc3\xa9", b"/caf%C3%A9"),
        (b"/a b", b"/a%20b"),
        (b"../x", b"/x"),
        (b"?q", b"/a/b?q"),
        (b"", b"/a/b"),
    ],
)
async def test_the_octets_of_a_location_go_back_unchanged(location, target):
    targets = []

    def answer(request):
        targets.append(request.url.raw_path)
        return minihttp.Response(200 if len(targets) > 1 else 302, headers=[(b"Location", location)])

    async with minihttp.AsyncClient(transport=minihttp.MockTransport(answer), follow_redirects=True) as client:
        await client.get("http://example.org/a/b")
    assert targets == [b"/a/b", target]


async def redirected_once(url: str, *locations: str) -> minihttp.Response:
    def answer(request):
        if request.url == url:
            return minihttp.Response(302, headers=[("Location", location) for location in locations])
        return minihttp.Response(200, json=[request.headers.get("authorization")])

    async with minihttp.AsyncClient(transport=minihttp.MockTransport(answer), follow_redirects=True) as client:
        return await client.get(url)


async def test_a_fragment_follows_unless_there_is_another():
    assert (await redirected_once("http://h/a#top", "/b")).url == "http://h/b#top"
    assert (await redirected_once("http://h/a#top", "/b#other")).url == "http://h/b#other"


@pytest.mark.parametrize(
    ("location", "url", "is_told"),
    [
        ("/b", "http://alice:s3cret@h/b", True),
        ("//h/b", "http://h/b", True),
        ("https://h/b", "https://h/b", True),
        ("//h:81/b", "http://h:81/b", False),
        ("//h./b", "http://h./b", False),
        ("//other/b", "http://other/b", False),
        ("//bob:x@other/b", "http://other/b", False),
    ],
)
async def test_which_redirects_keep_the_password(location, url, is_told):
    response = await redirected_once("http://alice:s3cret@h/a", location)
    assert response.url == url
    assert (response.json() != [None]) is is_told


async def test_two_locations_that_differ_lead_nowhere():
    assert (await redirected_once("http://h/a", "/b", "/b")).url == "http://h/b"
    with pytest.raises(minihttp.RemoteProtocolError, match="2 different Location headers"):
        await redirected_once("http://h/a", "/b", "/c")


@pytest.mark.parametrize(
    "location", ["http://bob:s3cret@h\\\\x/", "http://bob:s3cret@[x/", "http://bob:s3/cret@h/" + "y" * 60_000]
)
async def test_a_bad_location_is_repeated_a_little_and_without_secrets(location):
    with pytest.raises(minihttp.RemoteProtocolError, match="redirect to 'http://\\[secure\\]@") as caught:
        await redirected_once("http://h/a", location)
    assert "s3" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert caught.value.__cause__ is None


REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /there\r\n"


def redirect_script(read_head, connections, *body):
    """A script that redirects /here with this body, answers /there, and counts connections."""

    async def script(stream):
        connections.append(stream)
        while head := await read_head(stream):
            if head.startswith(b"GET /there"):
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            else:
                await stream.send_all(REDIRECT + body[0])
                for piece in body[1:]:
                    await trio.testing.wait_all_tasks_blocked()
                    await stream.send_all(piece)

    return script


async def test_a_short_body_of_a_redirect_keeps_its_connection(start_script, read_head):
    connections = []
    url = await start_script(redirect_script(read_head, connections, b"Content-Length: 5\r\n\r\n", b"mo", b"ved"))
    async with minihttp.AsyncClient(follow_redirects=True) as client:
        response = await client.get(url + "/here")
    assert (response.url.path, len(connections)) == ("/there", 1)
    assert response.history[0].content == b"moved"


async def test_a_long_body_of_a_redirect_is_not_read(start_script, read_head):
    connections = []
    body = bytes(1 << 20)
    url = await start_script(redirect_script(read_head, connections, b"Content-Length: %d\r\n\r\n" % len(body), body))
    async with minihttp.AsyncClient(follow_redirects=True) as client:
        response = await client.get(url + "/here")
    assert (response.url.path, len(connections)) == ("/there", 2)
    with pytest.raises(minihttp.ResponseNotRead):
        response.history[0].content  # noqa: B018


async def test_the_end_of_a_redirects_body_is_not_waited_for(start_script, read_head, autojump_clock):
    connections = []
    url = await start_script(redirect_script(read_head, connections, b"Content-Length: 5\r\n\r\nmo"))
    async with minihttp.AsyncClient(follow_redirects=True, timeout=60) as client:
        begin = trio.current_time()
        response = await client.get(url + "/here")
    assert trio.current_time() - begin == pytest.approx(0.5, abs=0.1)
    assert (response.url.path, len(connections)) == ("/there", 2)


async def test_a_redirects_body_is_not_unpacked(start_script, read_head):
    packed = gzip.compress(bytes(10_000_000))
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    url = await start_script(redirect_script(read_head, [], head + packed))
    async with minihttp.AsyncClient(follow_redirects=True, max_content_size=1000) as client:
        response = await client.get(url + "/here")
        tracemalloc.start()
        with pytest.raises(minihttp.DecodingError, match="max_content_size=1000"):
            response.history[0].content  # noqa: B018
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.slow
async def test_a_wrong_body_of_a_redirect_is_of_no_interest(start_script, read_head):
    for body in (b"Transfer-Encoding: chunked\r\n\r\nzz", b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"):
        url = await start_script(redirect_script(read_head, [], body))
        assert (await minihttp.get(url + "/here", follow_redirects=True)).url.path == "/there"


async def test_a_timeout_of_ones_own_follows_a_redirect():
    seen = []

    def answer(request):
        seen.append(request.timeout.read)
        return minihttp.Response(200 if request.url.path == "/b" else 302, headers={"Location": "/b"})

    async with minihttp.AsyncClient(transport=minihttp.MockTransport(answer), follow_redirects=True) as client:
        await client.get("http://h/a", timeout=3)
    assert seen == [3, 3]


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


async def test_a_cookie_outside_ascii_is_returned_as_it_was_received(start_server):
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
        assert await authorization(client, url.replace("//", "//%E9:%C3%A9@"), auth=None) == "Basic 6TrDqQ=="
        assert await authorization(client, auth=(b"\xe9", "é")) == "Basic 6TrDqQ=="


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
async def test_a_line_break_in_a_header_is_refused_before_sending(options):
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


# ── requests made before, hooks, trailers, the block of a client ────────────────────────────────────────────


async def test_a_request_is_built_and_sent_later(client):
    request = client.build_request("POST", "/x", params={"q": 1}, content="body", timeout=3)
    assert request.timeout.read == 3
    response = await client.send(request)
    assert (response.json()["target"], response.json()["body"]) == ("/x?q=1", "body")
    assert response.request is request
    again = await client.send(request, auth=("user", "x"))
    assert "Authorization" in dict(again.json()["headers"])


async def test_a_request_that_is_sent_may_leave_its_body_to_be_read(client):
    response = await client.send(client.build_request("GET", "/"), stream=True)
    assert "1 active" in repr(client)
    with pytest.raises(minihttp.ResponseNotRead):
        response.content  # noqa: B018
    assert (await response.aread()) == response.content
    await response.aclose()
    assert "0 active" in repr(client)


async def test_a_request_made_by_hand_is_sent_as_it_is(client):
    request = minihttp.Request("GET", f"{client.base_url}/x")
    seen = dict((await client.send(request, follow_redirects=False)).json()["headers"])
    assert set(seen) == {"Host"}


async def test_hooks_see_each_request_and_each_response():
    told = []

    async def asked(request):
        told.append((request.method, request.url.path))
        request.headers["X-Hook"] = "1"

    def answered(response):  # need not be async
        told.append((response.status_code, response.request.headers["x-hook"]))

    def answer(request):
        return minihttp.Response(303 if request.method == "POST" else 200, headers={"Location": "/b"})

    hooks = {"request": [asked], "response": [answered]}
    transport = minihttp.MockTransport(answer)
    async with minihttp.AsyncClient(transport=transport, event_hooks=hooks, follow_redirects=True) as client:
        await client.post("http://h/a")
    assert told == [("POST", "/a"), (303, "1"), ("GET", "/b"), (200, "1")]


async def test_a_hook_may_read_the_body_and_may_raise(client):
    async def check(response):
        await response.aread()
        response.raise_for_status()
        raise ValueError("not this one")

    client.event_hooks["response"].append(check)
    with pytest.raises(ValueError, match="not this one"):
        await client.get("/")
    assert "0 active" in repr(client)


async def test_hooks_may_be_set_later():
    told = []
    async with minihttp.AsyncClient(transport=minihttp.MockTransport(lambda _: minihttp.Response(200))) as client:
        client.event_hooks = {"response": [told.append]}
        response = await client.get("http://h/")
    assert told == [response]


def test_a_hook_for_another_event_is_refused():
    with pytest.raises(ValueError, match="expected 'request' or 'response'"):
        minihttp.AsyncClient(event_hooks={"requests": []})


async def test_trailers_are_there_when_the_body_is_read(start_script, answering):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    url = await start_script(answering(head + b"2\r\nhi\r\n0\r\nX-Sum: 7\r\nContent-Type: a/b\r\n\r\n"))
    async with minihttp.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            with pytest.raises(minihttp.ResponseNotRead, match="trailers come after the body"):
                response.trailers  # noqa: B018
            assert [piece async for piece in response.aiter_raw()] == [b"hi"]
            assert response.trailers == {"x-sum": "7", "content-type": "a/b"}
            assert "content-type" not in response.headers
        assert (await client.get(url)).trailers["X-Sum"] == "7"
        assert "0 active, 1 idle" in repr(client)


async def test_trailers_of_a_response_without_any_are_empty(client):
    assert (await client.get("/")).trailers == {}


async def test_a_client_is_entered_once():
    async with minihttp.AsyncClient() as client:
        with pytest.raises(RuntimeError, match="entered already"):
            async with client:
                pass
        assert not client.is_closed
    with pytest.raises(RuntimeError, match="is closed"):
        async with client:
            pass


async def test_files_and_fields_arrive_as_a_form(client):
    response = await client.post("/", data={"a": "1"}, files={"f": ("a.txt", b"x")})
    seen = response.json()
    boundary = dict(seen["headers"])["Content-Type"].removeprefix("multipart/form-data; boundary=")
    assert seen["body"].count("--" + boundary) == 3
    assert int(dict(seen["headers"])["Content-Length"]) == len(seen["body"])


async def test_a_file_follows_a_redirect(start_server):
    async with minihttp.AsyncClient(base_url=await start_server(redirecting), follow_redirects=True) as client:
        response = await client.post("/307//x", content=io.BytesIO(b"body"))
        assert response.json()["body"] == "body"
        response = await client.post("/307//x", files={"f": io.BytesIO(b"body")})
        assert "\r\n\r\nbody\r\n" in response.json()["body"]


async def test_a_query_has_a_length_even_without_a_body(client):
    assert dict((await client.request("QUERY", "/")).json()["headers"])["Content-Length"] == "0"


# ── names in TLS ────────────────────────────────────────────────────────────────────────────────────────────


class ToLocalhost(trio.abc.HostnameResolver):
    def __init__(self):
        self.asked = []

    async def getaddrinfo(self, host, port, *rest, **more):
        self.asked.append(host)
        return [(trio.socket.AF_INET, trio.socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def getnameinfo(self, sockaddr, flags):
        raise NotImplementedError


async def test_the_last_dot_is_for_the_resolver_and_not_for_tls(start_server):
    authority, names = trustme.CA(), []
    server, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("example.org").configure_cert(server)
    server.sni_callback = lambda connection, name, context: names.append(name)
    authority.configure_trust(ours)
    url = await start_server(echo, ssl_context=server)
    port = url.rpartition(":")[2]
    resolver = ToLocalhost()
    trio.socket.set_custom_hostname_resolver(resolver)
    response = await minihttp.get(f"https://example.org.:{port}/", verify=ours)
    assert ["Host", f"example.org.:{port}"] in response.json()["headers"]
    assert (resolver.asked, names) == ([b"example.org."], ["example.org"])


async def test_a_zone_stays_at_home(nursery):
    try:
        listeners = await nursery.start(partial(minihttp.serve, echo, "::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    port = listeners[0].socket.getsockname()[1]
    response = await minihttp.get(f"http://[::1%251]:{port}/")  # interface 1 is the loopback
    assert ["Host", f"[::1]:{port}"] in response.json()["headers"]


async def test_port_0_is_dialled_as_such():
    with pytest.raises(minihttp.ConnectError, match="port 0"):
        await minihttp.get("http://127.0.0.1:0/")


# ── secrets and long words ──────────────────────────────────────────────────────────────────────────────────


async def test_a_secret_is_in_no_repr_and_no_error():
    def answer(request):
        return minihttp.Response(302, headers={"Location": "/x"})

    url = "http://alice:s3cret@h/"
    transport = minihttp.MockTransport(answer)
    async with minihttp.AsyncClient(base_url=url, transport=transport, follow_redirects=True) as client:
        assert "s3cret" not in repr(client)
        with pytest.raises(minihttp.TooManyRedirects, match=r"now at http://alice:\[secure\]@h/x"):
            await client.get("/")
    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.UnsupportedProtocol, match=r"URL ftp://alice:\[secure\]@h/"):
            await client.get("ftp://alice:s3cret@h/")


@pytest.mark.parametrize("value", ["s3cret\r\n", "s3cret\0", " s3cret", "a\vs3cret"])
async def test_a_header_that_is_refused_keeps_its_secret(value):
    with pytest.raises(minihttp.LocalProtocolError, match="the value of Authorization has a line end") as caught:
        await minihttp.get("http://127.0.0.1:9/", headers={"Authorization": value})
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "place", [b"%b\r\nContent-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n%b\r\n\r\n"]
)
async def test_headers_and_trailers_have_a_limit_in_one_read_too(start_script, answering, place):
    for octets, is_allowed in ((65_000, True), (66_000, False)):
        fields = b"X: " + bytes(octets).replace(b"\0", b"x")  # 33 more, by the measure of RFC 9113 §6.5.2
        url = await start_script(answering(b"HTTP/1.1 200 OK\r\n" + place % fields))
        if is_allowed:
            assert (await minihttp.get(url)).status_code == 200
            continue
        with pytest.raises(minihttp.RemoteProtocolError, match=r"headers of more than 65536|too long"):
            await minihttp.get(url)


async def test_many_small_headers_count_for_what_they_take(start_script, answering):
    for count, is_allowed in ((1500, True), (2500, False)):
        fields = b"".join(b"a%d: \r\n" % number for number in range(count))
        url = await start_script(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + b"\r\n"))
        if is_allowed:
            assert len((await minihttp.get(url)).headers) == count + 1
            continue
        with pytest.raises(minihttp.RemoteProtocolError, match="headers of more than 65536 octets"):
            await minihttp.get(url)


async def test_what_a_server_said_is_repeated_only_a_little(start_script, answering):
    url = await start_script(answering(b"\xff" * 60_000 + b"\r\n\r\n"))
    with pytest.raises(minihttp.RemoteProtocolError) as caught:
        await minihttp.get(url)
    assert max(map(len, traceback.format_exception_only(caught.value))) < 500
    assert len(str(caught.value.__cause__)) < 500
