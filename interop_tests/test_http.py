"""minihttp and httpx send the same requests to five other servers, and read the same responses.

The requests are compared as the server received them, and the responses field by field. The comparison leaves out two
fields:

    user-agent             each client sends its own name
    elapsed                a duration

and has no case for these deliberate differences:

    a plain iterable as content=     httpx's async client refuses it; minihttp sends it in chunks
    a truncated gzip body            httpx returns the part that it has; minihttp raises DecodingError
    full-width letters, ﬁ or Ⅻ in a host    httpx refuses them; minihttp converts them, as browsers do (UTS 46)
    two of content=, data=, json=    httpx takes the first; minihttp raises TypeError
    Transfer-Encoding and Content-Length in one response    httpx takes the first; minihttp raises an error
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

import minihttp

HELPER = Path(__file__).with_name("http_servers.py")
NAMES = ["http.server", "aiohttp", "granian", "uvicorn", "hypercorn"]


class Server:
    """A server in a child process, and clients that talk to it."""

    def __init__(self, where: str, name: str = "") -> None:
        self.name = name
        kind, _, path = where.partition(":")
        self.uds = path if kind == "unix" else None
        self.url = "http://granian.example" if self.uds else where

    def minihttp(self, **options: Any) -> minihttp.AsyncClient:
        return minihttp.AsyncClient(base_url=self.url, uds=self.uds, timeout=30, **options)

    def httpx(self, **options: Any) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=self.uds, verify=False)  # no test uses TLS, and this saves 20 ms
        return httpx.AsyncClient(base_url=self.url, transport=transport, timeout=30, **options)


@pytest.fixture(scope="module", params=NAMES)
def server(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("http")
    command = [sys.executable, "-P", str(HELPER), request.param, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        where = child.stdout.readline().strip()
        assert where, f"{request.param} ended without saying where it listens"
        yield Server(where, request.param)
        child.kill()


CASES = {
    "get": ("GET", "/plain", {}),
    "path and query": ("GET", "/a b/ü%20x/;,+@:!$&'()*?q=1 2&x=ü#fragment", {}),
    "params replace the query": (
        "GET",
        "/x?old=1",
        {"params": {"q": ["zmq", "http"], "n": 1, "b": True, "z": None}},
    ),
    "empty params drop the query": ("GET", "/x?old=1", {"params": {}}),
    "dots": ("GET", "/a/./b/../c", {}),
    "headers": ("GET", "/", {"headers": {"X-One": "1", "Accept": "text/plain"}}),
    "headers twice": ("GET", "/", {"headers": [("X-One", "1"), ("X-One", "2")]}),
    "cookies": ("GET", "/", {"headers": {"Cookie": "a=b"}}),
    "basic auth": ("GET", "/", {"auth": ("user", "pass:word")}),
    "delete": ("DELETE", "/item", {}),
    "options": ("OPTIONS", "/", {}),
    "head": ("HEAD", "/", {}),
    "post nothing": ("POST", "/", {}),
    "post bytes": ("POST", "/", {"content": b"\x00\xff" * 10}),
    "post text": ("POST", "/", {"content": "grün"}),
    "post form": ("POST", "/", {"data": {"a": "1 2", "b": ["x", "ü"], "c": True, "d": None}}),
    "post json": ("POST", "/", {"json": {"a": [1, 2.5, None, "ü"]}}),
    "put empty json": ("PUT", "/", {"json": {}}),
    "patch": ("PATCH", "/", {"content": b"x" * 100_000}),
    "gzip": ("GET", "/gzip", {}),
    "deflate": ("GET", "/deflate", {}),
    "chunked": ("GET", "/pieces", {}),
    "latin-1": ("GET", "/latin", {}),
    "no content": ("GET", "/status?code=204", {}),
    "not modified": ("GET", "/status?code=304", {}),
    "not found": ("GET", "/status?code=404", {}),
    "unusual status": ("GET", "/status?code=299", {}),
    "server error": ("GET", "/status?code=503", {}),
    "redirect, not followed": ("GET", "/redirect?code=302&to=/there", {}),
}
for code in (301, 302, 303, 307, 308):
    to = {"params": {"code": code, "to": "/there?x=1#there"}, "follow_redirects": True}
    CASES[f"{code} after get"] = ("GET", "/redirect#here", to)
    CASES[f"{code} after post"] = ("POST", "/redirect", to | {"json": {"a": 1}})
    CASES[f"{code} after put"] = ("PUT", "/redirect", to | {"content": b"x", "auth": ("user", "pass")})
    CASES[f"{code} after head"] = ("HEAD", "/redirect", to)


def fields(response: Any) -> dict[str, Any]:
    """The fields that both clients have in a response."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "date"]
    return {
        "status": (response.status_code, response.reason_phrase, response.http_version),
        "flags": (response.is_success, response.is_redirect, response.is_error),
        "headers": headers,
        "url": (str(response.url), response.url.path, response.url.query, response.url.fragment),
        "encoding": response.encoding,
        "content": response.content,
        "text": response.text,
        "cookies": dict(response.cookies),
        "request": (response.request.method, str(response.request.url)),
        "history": [fields(earlier) for earlier in response.history],
    }


def seen(response: Any) -> Any:
    """The request as the server received it, without the client's name."""
    if response.headers.get("content-type") != "application/json" or not response.content:
        return None
    report = response.json()
    ignored = {"user-agent"}
    if report["method"] == "GET":  # httpx keeps it when a POST becomes a GET: see docs/HTTPX.md
        ignored.add("content-type")
    report["headers"] = [pair for pair in report["headers"] if pair[0] not in ignored]
    return report


def comparable(response: Any) -> tuple[Any, Any]:
    told = fields(response)
    if seen(response) is not None:  # because the body contains the User-Agent
        told["headers"] = [pair for pair in told["headers"] if pair[0] != "content-length"]
        told["content"] = told["text"] = None
    return told, seen(response)


@pytest.mark.parametrize("case", CASES)
async def test_both_say_and_understand_the_same(server, case):
    method, path, options = CASES[case]
    async with server.httpx() as client:
        theirs = await client.request(method, path, **options)
    async with server.minihttp() as client:
        ours = await client.request(method, path, **options)
    if method == "HEAD":  # its Content-Length is that of a body with the User-Agent in it
        del theirs.headers["content-length"], ours.headers["content-length"]
    assert comparable(ours) == comparable(theirs)


async def test_one_connection_carries_all_kinds_of_requests(server):
    connections = set()
    async with server.minihttp() as client:
        for method, path, options in CASES.values():
            await client.request(method, path, **options)
            connections.update(client._pool._idle)
    assert len(connections) == 1


async def test_a_hundred_at_once(server):
    answers = []

    async def ask(client: minihttp.AsyncClient, number: int) -> None:
        response = await client.post("/", params={"n": number}, content=str(number))
        answers.append((response.json()["target"], response.json()["body"]))

    async with (
        server.minihttp(limits=minihttp.Limits(max_connections=10)) as client,
        trio.open_nursery() as nursery,
    ):
        for number in range(100):
            nursery.start_soon(ask, client, number)
    assert sorted(answers) == sorted((f"/?n={number}", str(number)) for number in range(100))


async def test_streams_both_ways(server):
    async def body():
        for _ in range(50):
            yield b"x" * 10_000

    async with server.minihttp() as client:
        sent = await client.post("/", content=body())
        assert sent.json()["body"] == "x" * 500_000
        async with client.stream("GET", "/pieces") as response:
            sizes = [len(piece) async for piece in response.aiter_bytes(7000)]
        assert sum(sizes) == 300_000
        assert set(sizes[:-1]) == {7000}


LARGE = bytes(range(256)) * 40_000  # more than the buffers of the kernel and the server


async def pieces_of_large():
    for start in range(0, len(LARGE), 50_000):
        yield LARGE[start : start + 50_000]


@pytest.mark.parametrize("way", ["bytes", "stream"])
async def test_a_large_body_comes_back_while_it_is_sent(server, way):
    """Otherwise the echoing server and a client that sends everything before it reads would block each other."""
    if server.name == "http.server":
        pytest.skip("it reads a whole body before it answers")
    async with server.minihttp() as client:
        for _ in range(3):
            response = await client.post("/echo", content=LARGE if way == "bytes" else pieces_of_large())
            assert response.content == LARGE
        assert "0 active, 1 idle" in repr(client)


@pytest.mark.parametrize("way", ["bytes", "stream"])
async def test_an_early_response_is_always_read(server, way):
    if server.name == "http.server":
        pytest.skip("it reads a whole body before it answers")
    async with server.minihttp() as client:
        with trio.fail_after(20):  # a client that misses the response waits for 30 s
            for _ in range(50):
                response = await client.post("/refuse", content=LARGE if way == "bytes" else pieces_of_large())
                assert (response.status_code, response.content) == (413, b"big")


async def test_pieces_of_each_kind_are_the_same_as_httpx(server):
    async def pieces(client: Any) -> list[Any]:
        async with client.stream("GET", "/gzip") as response:
            octets = [piece async for piece in response.aiter_bytes(1000)]
        async with client.stream("GET", "/gzip") as response:
            raw = [piece async for piece in response.aiter_raw(10)]
        async with client.stream("GET", "/latin") as response:
            text = [piece async for piece in response.aiter_text(3)]
        async with client.stream("GET", "/gzip") as response:
            lines = [line async for line in response.aiter_lines()]
        return [octets, raw, text, lines]

    async with server.httpx() as theirs, server.minihttp() as ours:
        assert await pieces(ours) == await pieces(theirs)


async def test_the_connection_survives_a_cancelled_neighbour(server):
    async with server.minihttp(limits=minihttp.Limits(max_connections=1)) as client:
        for _ in range(20):
            with trio.move_on_after(0):
                await client.get("/pieces")
            assert (await client.get("/plain")).status_code == 200
