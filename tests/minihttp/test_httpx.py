"""docs/HTTPX.md is true: each difference from httpx is one.  httpx runs on trio here, too."""

import asyncio
import inspect
import io
import re
import ssl
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

import minihttp

PAGE = Path(__file__).parents[2].joinpath("docs", "HTTPX.md").read_text("utf-8")
BOTH = [httpx, minihttp]


def mocked(library, answer, **options):
    """A client of either library that asks a function."""
    return library.AsyncClient(transport=library.MockTransport(answer), follow_redirects=True, **options)


def redirecting(library, status, **response):
    """Answers /STATUS by a redirect to /end, and /end by 200 with the request in JSON."""

    def answer(request):
        if request.url.path != "/end":
            return library.Response(status, **response)
        return library.Response(200, json=[request.method, sorted(request.headers)])

    return answer


def test_each_row_has_its_test_and_each_test_its_row():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| |", "| ---"))]
    shown = [re.fullmatch(r".*\| `(test_\w+)` \|", row)[1] for row in rows]
    tests = [name for name, thing in globals().items() if name.startswith("test_") and inspect.isfunction(thing)]
    assert shown == tests[3:]


@pytest.mark.parametrize("owner", ["AsyncClient", "Response", "Request", "Headers", "Cookies", "URL"])
def test_a_name_is_httpxs_or_is_said_to_be_ours(owner):
    ours = {
        "AsyncClient": set(),
        "Response": {"is_closed", "keep_if_small", "max_content_size", "start_clock", "stream", "trailers"},
        "Request": {"aiter_bytes", "timeout"},
        "Headers": {"octets", "received"},
        "Cookies": {"extract", "header_for", "octets_for", "settle"},
        "URL": {"credentials", "is_absolute", "netloc", "origin", "raw_host", "raw_path_str", "raw_query", "redacted"},
    }  # is_closed, stream and raw_host are attributes of httpx's objects, which a class does not show
    here, there = getattr(minihttp, owner), getattr(httpx, owner)
    assert {name for name in dir(here) if name[0] != "_" and hasattr(here, name)} - set(dir(there)) <= ours[owner]


@pytest.mark.parametrize("name", sorted(set(minihttp.errors.LEFT_OUT) & set(dir(httpx)) - {"stream"}))
def test_a_missing_class_names_its_replacement(name):
    with pytest.raises(AttributeError, match=rf"minihttp has no {name}: .*\(see docs/HTTPX\.md\)"):
        getattr(minihttp, name)


# ── left out ────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_runs_on_trio():
    async def ask(library):
        async with mocked(library, lambda request: library.Response(200)) as client:
            return (await client.get("http://h/")).status_code

    assert asyncio.run(ask(httpx)) == trio.run(ask, httpx) == trio.run(ask, minihttp) == 200
    with pytest.raises(RuntimeError, match="minihttp runs on trio"):
        asyncio.run(ask(minihttp))


def test_there_is_no_client_that_blocks():
    with pytest.raises(AttributeError, match=r"no Client: everything here is asynchronous: AsyncClient"):
        minihttp.Client  # noqa: B018
    with pytest.raises(AttributeError, match=r"no iter_bytes: use `async for` with aiter_bytes\(\)"):
        minihttp.Response(200).iter_bytes()
    with pytest.raises(AttributeError, match=r"no read: use `await ….aread\(\)`"):
        minihttp.Response(200).read()
    assert inspect.iscoroutinefunction(minihttp.get)


def test_there_is_no_http2():
    with pytest.raises(TypeError, match=r"AsyncClient has no http2: .* for HTTP/2 use httpx"):
        minihttp.AsyncClient(http2=True)


async def test_there_are_no_proxies():
    for name in ("proxy", "proxies", "mounts"):
        with pytest.raises(TypeError, match=f"AsyncClient has no {name}: "):
            minihttp.AsyncClient(**{name: "http://127.0.0.1:9"})
    with pytest.raises(TypeError, match="a request has no proxy: there are no proxies here: use httpx"):
        await minihttp.get("http://127.0.0.1:9/", proxy="http://127.0.0.1:9")


async def test_the_environment_is_not_read(start_server, monkeypatch):
    async def hello(request):
        return minihttp.Response(200, text="hello")

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:0")
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = await start_server(hello)
    assert (await minihttp.get(url)).text == "hello"
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)
    with pytest.raises(TypeError, match="nothing to switch off"):
        minihttp.AsyncClient(trust_env=False)


async def test_auth_is_a_pair_or_a_function():
    for name in ("Auth", "BasicAuth", "DigestAuth", "NetRCAuth"):
        assert hasattr(httpx, name)
        assert not hasattr(minihttp, name)

    def bearer(request):
        request.headers["Authorization"] = "Bearer x"
        return request

    async with mocked(
        minihttp, lambda request: minihttp.Response(200, text=request.headers["authorization"])
    ) as client:
        assert (await client.get("http://h/", auth=bearer)).text == "Bearer x"
        assert (await client.get("http://h/", auth=("a", "b"))).text == "Basic YTpi"
        with pytest.raises(TypeError, match=r"auth is DigestAuth: expected \(username, password\), or a function"):
            await client.get("http://h/", auth=httpx.DigestAuth("a", "b"))


def test_accept_encoding():
    assert minihttp.AsyncClient().headers["accept-encoding"] == "gzip, deflate"
    assert httpx.AsyncClient().headers["accept-encoding"].startswith("gzip, deflate")


def test_copy_with_makes_a_new_url():
    assert httpx.URL("http://h/a?b").copy_with(path="/c") == "http://h/c?b"
    for name in ("copy_with", "copy_set_param", "params"):
        with pytest.raises(AttributeError, match=f"URL has no {name}: "):
            getattr(minihttp.URL("http://h/a?b"), name)
    assert minihttp.URL(minihttp.URL("http://h/a?b"), params={"c": 1}) == "http://h/a?c=1"


async def test_extensions():
    async with mocked(httpx, lambda request: httpx.Response(200, json=request.extensions["timeout"])) as client:
        assert (await client.get("http://h/", timeout=3)).json()["read"] == 3
    async with mocked(minihttp, lambda request: minihttp.Response(200, json=request.timeout.read)) as client:
        assert (await client.get("http://h/", timeout=3)).json() == 3
    with pytest.raises(AttributeError, match="Request has no extensions: give the timeout as timeout="):
        minihttp.Request("GET", "http://h/").extensions  # noqa: B018


def test_a_certificate_is_in_the_context():
    with pytest.raises(TypeError, match=r"load the certificate into an ssl\.SSLContext"):
        minihttp.AsyncClient(cert="client.pem")
    assert minihttp.AsyncClient(verify=ssl.create_default_context())


async def test_a_unix_socket(nursery, tmp_path):
    async def hello(request):
        return minihttp.Response(200, text="hello")

    path = str(tmp_path / "http")
    await nursery.start(partial(minihttp.serve, hello, uds=path))
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path)) as client:
        assert (await client.get("http://h/")).text == "hello"
    async with minihttp.AsyncClient(transport=minihttp.AsyncHTTPTransport(uds=path)) as client:
        assert (await client.get("http://h/")).text == "hello"
    async with minihttp.AsyncClient(uds=path) as client:
        assert (await client.get("http://h/")).text == "hello"


async def test_a_handler_without_a_port():
    async def handler(request):
        return minihttp.Response(200, text=request.url.path)

    async with minihttp.AsyncClient(transport=minihttp.HandlerTransport(handler)) as client:
        assert (await client.get("http://h/x")).text == "/x"
    with pytest.raises(AttributeError, match=r"no ASGITransport: HandlerTransport\(handler\)"):
        minihttp.ASGITransport  # noqa: B018


# ── not the same ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_method_after_a_302():
    became = []
    for library in BOTH:
        answer = redirecting(library, 302, headers={"Location": "/end"})
        async with mocked(library, answer) as client:
            became.append([(await client.request(method, "http://h/")).json()[0] for method in ("PUT", "QUERY")])
    assert became == [["GET", "GET"], ["GET", "QUERY"]]


async def test_headers_after_a_303():
    stayed = []
    for library in BOTH:
        async with mocked(library, redirecting(library, 303, headers={"Location": "/end"})) as client:
            response = await client.post("http://h/", json=1, headers={"Expect": "100-continue"})
            stayed.append({"content-type", "expect"} & set(response.json()[1]))
    assert stayed == [{"content-type", "expect"}, set()]


async def test_the_body_of_a_redirect():
    for library in BOTH:
        for size in (65536, 65537):

            async def body(size=size):
                yield bytes(size)

            async with mocked(
                library, redirecting(library, 302, headers={"Location": "/end"}, content=body())
            ) as client:
                (redirect,) = (await client.get("http://h/")).history
            if library is minihttp and size > 65536:
                with pytest.raises(minihttp.ResponseNotRead):
                    redirect.content  # noqa: B018
            else:
                assert len(redirect.content) == size


async def test_octets_of_a_location():
    followed = []
    for library in BOTH:

        def answer(request, library=library):
            is_first = request.url.path == "/"
            return library.Response(302 if is_first else 200, headers=[(b"Location", b"/caf\xe9")] if is_first else [])

        async with mocked(library, answer) as client:
            followed.append((await client.get("http://h/")).request.url.raw_path)
    assert followed == [b"/caf%C3%A9", b"/caf%E9"]


async def test_octets_of_a_cookie():
    def answer(library):
        headers = [(b"Set-Cookie", b"n=caf\xe9; Path=/")]
        return lambda request: library.Response(200, headers=headers)

    async with mocked(httpx, answer(httpx)) as client:
        await client.get("http://h.org/")
        with pytest.raises(UnicodeEncodeError):
            await client.get("http://h.org/")
    async with mocked(minihttp, answer(minihttp)) as client:
        await client.get("http://h.org/")
        assert (await client.get("http://h.org/")).request.headers.octets("cookie") == [b"n=caf\xe9"]


async def test_cookies_of_strangers():
    told = []
    for library in BOTH:

        def answer(request, library=library):
            return library.Response(
                200, headers={"Set-Cookie": "a=1; Domain=co.uk"}, text=request.headers.get("cookie", "")
            )

        async with mocked(library, answer) as client:
            await client.get("http://evil.co.uk/")
            told.append((await client.get("http://bank.co.uk/")).text)
    assert told == ["a=1", ""]


@pytest.mark.filterwarnings("ignore:Setting per-request cookies")
async def test_to_which_hosts_the_clients_cookies_go():
    told = []
    for library in BOTH:

        def answer(request, library=library):
            return library.Response(200, text=request.headers.get("cookie", ""))

        async with mocked(library, answer, cookies={"a": "1"}) as client:
            told.append([(await client.get(f"http://{host}/")).text for host in ("one.example", "two.example")])
    assert told == [["a=1", "a=1"], ["a=1", ""]]


def test_the_length_of_a_file():
    theirs = httpx.Request("PUT", "http://h/", content=io.BytesIO(b"abc"))
    ours = minihttp.Request("PUT", "http://h/", content=io.BytesIO(b"abc"))
    assert theirs.headers["content-length"] == "3"
    assert ours.headers["transfer-encoding"] == "chunked"
    ours = minihttp.Request("PUT", "http://h/", content=io.BytesIO(b"abc"), headers={"Content-Length": "3"})
    assert "transfer-encoding" not in ours.headers


async def test_a_plain_iterable():
    async with mocked(httpx, lambda request: httpx.Response(200)) as client:
        with pytest.raises(RuntimeError, match="sync request with an AsyncClient"):
            await client.post("http://h/", content=[b"a", b"b"])
    async with mocked(minihttp, lambda request: minihttp.Response(200, content=request.content)) as client:
        assert (await client.post("http://h/", content=[b"a", b"b"])).content == b"ab"


async def test_port_0():
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1:80 failed"):
            await client.get("http://127.0.0.1:0/", timeout=5)
    with pytest.raises(minihttp.ConnectError, match="port 0"):
        await minihttp.get("http://127.0.0.1:0/")


def test_a_path_that_ends_with_dots():
    paths = {"/a/b/..": b"/a/", "/a/.": b"/a/", "/..": b"/", "/a/..": b"/", "/a/../b": b"/b"}
    for path, target in paths.items():
        assert minihttp.URL(f"http://h{path}").raw_path == target
        assert httpx.URL(f"http://h{path}").raw_path == (target.rstrip(b"/") or b"/")


def test_a_zone():
    url = "http://[fe80::1%25eth0]/"
    assert httpx.Request("GET", url).headers["host"] == "[fe80::1%25eth0]"
    assert minihttp.Request("GET", url).headers["host"] == "[fe80::1]"


def test_other_forms_of_an_ipv4_address():
    assert httpx.URL("http://0x7f.1/").host == "0x7f.1"
    with pytest.raises(minihttp.InvalidURL, match=r"'0x7f\.1' is no IPv4 address"):
        minihttp.URL("http://0x7f.1/")


async def test_hooks():
    told = []
    hooks = {"request": [lambda request: told.append(request.method)]}
    async with mocked(httpx, lambda request: httpx.Response(200), event_hooks=hooks) as client:
        with pytest.raises(TypeError, match="await"):
            await client.get("http://h/")
    async with mocked(minihttp, lambda request: minihttp.Response(200), event_hooks=hooks) as client:
        await client.get("http://h/")
    assert told == ["GET", "GET"]


async def test_trailers(start_script, answering):
    body = b"0\r\nX-Sum: 7\r\n\r\n"
    url = await start_script(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body))
    assert (await minihttp.get(url)).trailers == {"x-sum": "7"}
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url)
    assert "x-sum" not in response.headers
    assert not hasattr(response, "trailers")


async def test_how_much_is_collected():
    def answer(library):
        return lambda request: library.Response(200, content=bytes(1001))

    async with mocked(httpx, answer(httpx)) as client:
        assert len((await client.get("http://h/")).content) == 1001
    async with mocked(minihttp, answer(minihttp), max_content_size=1000) as client:
        with pytest.raises(minihttp.DecodingError, match="more than max_content_size=1000 octets"):
            await client.get("http://h/")


def test_charsets_of_the_web():
    headers = {"Content-Type": "text/plain; charset=utf-7"}
    assert httpx.Response(200, headers=headers, content=b"+AGE-").text == "a"
    assert minihttp.Response(200, headers=headers, content=b"+AGE-").text == "+AGE-"


def test_secrets_in_a_repr():
    assert repr(httpx.Headers({"Cookie": "a=s3cret"})) == "Headers({'cookie': 'a=s3cret'})"
    assert repr(minihttp.Headers({"Cookie": "a=s3cret"})) == "Headers({'cookie': '[secure]'})"
