"""The small server, spoken to in octets."""

import argparse
import gzip
import re
import ssl
from functools import partial

import pytest
import trio
import trio.testing

import minihttp
from minihttp import session
from minihttp.streams import READ

# ── three ways to reach a server ────────────────────────────────────────────────────────────────────────────


def anonymous(side: int) -> ssl.SSLContext:
    """TLS without certificates."""
    context = ssl.SSLContext(side)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


class Reach:
    """A server, and how to connect to it."""

    def __init__(self, kind: str, nursery: trio.Nursery, path: str) -> None:
        self.kind, self.nursery, self.path = kind, nursery, path

    async def serve(self, handler, **options) -> None:
        if self.kind == "unix":
            options["uds"] = self.path
        if self.kind == "tls":
            options["ssl_context"] = anonymous(ssl.PROTOCOL_TLS_SERVER)
        (self.listener,) = await self.nursery.start(partial(minihttp.serve, handler, **options))

    async def connect(self) -> trio.abc.Stream:
        if self.kind == "unix":
            return await trio.open_unix_socket(self.path)
        stream = await trio.open_tcp_stream(*self.listener.socket.getsockname())
        if self.kind == "tcp":
            return stream
        # Not https_compatible: an end without the goodbye of TLS is a BrokenResourceError.
        return trio.SSLStream(stream, anonymous(ssl.PROTOCOL_TLS_CLIENT))

    async def talk(self, octets: bytes) -> bytes:
        async with await self.connect() as stream:
            await stream.send_all(octets)
            return b"".join([data async for data in stream])


@pytest.fixture(params=["tcp", "tls", "unix"])
def reach(request, nursery, tmp_path):
    return Reach(request.param, nursery, str(tmp_path / "socket"))


@pytest.fixture
def tcp(nursery, tmp_path):
    return Reach("tcp", nursery, "")


async def head_of(stream: trio.abc.Stream) -> bytes:
    """Octets up to the end of a head, and what came with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = await stream.receive_some()
        assert data, received
        received += data
    return received


def statuses(received: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d\d\d) ", received)


# ── requests and responses ──────────────────────────────────────────────────────────────────────────────────


async def hello(request: minihttp.Request) -> minihttp.Response:
    return minihttp.Response(200, content="hello")


async def talk(url: str, octets: bytes) -> bytes:
    """Send this, then read to the end."""
    parts = minihttp.URL(url)
    async with await trio.open_tcp_stream(parts.host, parts.port) as stream:
        await stream.send_all(octets)
        return b"".join([data async for data in stream])


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_requests_follow_each_other_on_one_connection(start_server):
    received = await talk(await start_server(hello), GET + GET + LAST)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert received.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_a_malformed_request_gives_400(start_server, octets):
    received = await talk(await start_server(hello), octets)
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"connection: close" in received.lower()


async def test_a_failing_handler_gives_500_and_the_connection_lives(start_server, caplog):
    async def fail(request):
        raise ZeroDivisionError("not shown to the client")

    received = await talk(await start_server(fail), GET + LAST)
    assert received.count(b"HTTP/1.1 500 Internal Server Error\r\n") == 2
    assert b"not shown" not in received
    assert "not shown" in caplog.text


async def test_what_the_handler_does_not_read_is_skipped(start_server):
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
    received = await talk(await start_server(hello), post + LAST)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2


async def test_head_is_answered_without_a_body(start_server):
    received = await talk(await start_server(hello), LAST.replace(b"GET", b"HEAD"))
    assert b"Content-Length: 5\r\n" in received
    assert received.endswith(b"\r\n\r\n")


# ── which requests are served ───────────────────────────────────────────────────────────────────────────────


async def what(request: minihttp.Request) -> minihttp.Response:
    return minihttp.Response(200, content=f"{request.method} {request.url}")


@pytest.mark.parametrize(
    "host",
    [
        *(b"a/b", b"a?", b"a#", b"eve@a", b"a b", b"a\\b", b"a\tb", b"[::1", b"::1", b"[::g]", b"[]", b"[v1.x]"),
        *(
            b"a:b",
            b"a:65536",
            b"a:-1",
            b"a:1:2",
            b":80",
            b"1.2.3.256",
            b"a<b",
            b'"a"',
            b"http://a",
            b"\xc3\xbc",
            b"a^b",
        ),
    ],
)
@pytest.mark.slow
async def test_a_host_that_is_no_host_gives_400(tcp, host):
    await tcp.serve(what)
    for target in (b"/admin", b"http://b/admin"):
        received = await tcp.talk(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host))
        assert statuses(received) == [b"400"]


@pytest.mark.parametrize("host", [b"", b"a,b", b"A.b.", b"[::1]:8080", b"127.0.0.1:80", b"a:", b"x_y"])
async def test_a_host_with_all_that_one_may_have_is_served(tcp, host):
    await tcp.serve(what)
    received = await tcp.talk(b"GET /a HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)
    expected = {b"": b"localhost", b"A.b.": b"a.b.", b"127.0.0.1:80": b"127.0.0.1", b"a:": b"a"}.get(host, host)
    assert received.endswith(b"\r\n\r\nGET http://" + expected + b"/a")


@pytest.mark.parametrize(
    "line",
    [
        *(b"GET *", b"GET a", b"GET a.example:80", b"GET ?q", b"GET /a#b", b"GET http://", b"GET http:///a", b"GET #"),
        *(b"GET http:/a", b"GET http://a b/", b"GET http://u@a/", b"GET http://u:p@a/", b"GET http://a#b", b"POST *"),
        *(b"GET ftp://a/", b"GET http://[::1/", b"GET http://a:99999/", b"GET //a\x7fb", b"GET http://:80/", b"GET "),
        *(b"options *", b"CONNECT /", b"CONNECT *", b"CONNECT a", b"CONNECT http://a/", b"CONNECT a:"),
    ],
)
@pytest.mark.slow
async def test_a_target_of_no_form_gives_400(tcp, line):
    await tcp.serve(what)
    assert statuses(await tcp.talk(line + b" HTTP/1.1\r\nHost: x\r\n\r\n")) == [b"400"]


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (b"GET /a?b", b"http://x/a?b"),
        (b"GET //evil/a", b"http://x//evil/a"),
        (b"GET /@evil", b"http://x/@evil"),
        (b"GET /http://b/", b"http://x/http://b/"),
        (b"GET /?", b"http://x/?"),
        (b"GET http://b", b"http://b"),
        (b"GET http://b?q", b"http://b?q"),
        (b"GET HTTP://B:80/c", b"http://b/c"),
        (b"GET https://b/c", b"https://b/c"),
        (b"OPTIONS *", b"http://x"),
        (b"OPTIONS /", b"http://x/"),
    ],
)
async def test_targets_have_three_forms(tcp, line, url):
    await tcp.serve(what)
    received = await tcp.talk(line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert received.endswith(b"\r\n\r\n" + line.partition(b" ")[0] + b" " + url)


async def test_https_is_in_the_url(nursery):
    tls = Reach("tls", nursery, "")
    await tls.serve(what)
    assert (await tls.talk(LAST)).endswith(b"GET https://x/")


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", b"505"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", b"505"),
        (b"GET / HTTP/0.9\r\n\r\n", b"505"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/11.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / http/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.2\r\nConnection: close\r\n\r\n", b"400"),  # no Host
        (b"GET / HTTP/1.2\r\nHost: x\r\nConnection: close\r\n\r\n", b"200"),
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"501"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 5\r\n\r\n", b"417"),
        (b"GET / HTTP/1.1\r\nHost: x", b"400"),  # and no more
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),  # TLS
        (b"\n\r\n" + LAST, b"200"),
    ],
)
async def test_what_is_not_served_gets_an_answer(tcp, octets, status):
    await tcp.serve(hello)
    async with await tcp.connect() as stream:
        await stream.send_all(octets)
        if not octets.endswith(b"\r\n"):
            await stream.send_eof()
        assert statuses(b"".join([data async for data in stream])) == [status]


@pytest.mark.parametrize("rest", [b" a HTTP/1.1\r\nHost: x\r\n\r\n", b" / HTTP/1.1\r\n\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_refusal_of_head_has_no_body(tcp, method, rest):
    await tcp.serve(hello)
    received = await tcp.talk(method.encode() + rest)
    assert statuses(received) == [b"400"]
    assert received.endswith(b"\r\n\r\n") == (method == "HEAD" and rest != b"\r\n\r\n")


@pytest.mark.parametrize("method", [b"head", b"PoST", b"get", b"options", b"connect", b"M-SEARCH"])
async def test_methods_keep_their_case(tcp, method):
    await tcp.serve(what)
    received = await tcp.talk(LAST.replace(b"GET", method))
    assert received.endswith(b"\r\n\r\n" + method + b" http://x/")


async def test_an_upgrade_that_is_not_served_is_ignored(tcp):
    """RFC 9110 §7.8: a server may ignore it; the connection stays what it was."""
    await tcp.serve(echo)
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    assert statuses(await tcp.talk(upgrade + LAST)) == [b"200", b"200"]


@pytest.mark.parametrize("cut", range(0, 110, 7))
async def test_empty_lines_before_a_request_are_skipped(tcp, cut):
    await tcp.serve(echo)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    octets = b"\r\n" + post + b"\r\n" + post + b"\r\n\r\n" + LAST
    async with await tcp.connect() as stream:
        await stream.send_all(octets[:cut])
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(octets[cut:])
        received = b"".join([data async for data in stream])
    assert statuses(received) == [b"200"] * 3


CONTENT = {"none": None, "octets": b"gone", "stream": [b"gone"]}


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("status", [200, 204, 205, 304])
@pytest.mark.slow
async def test_responses_are_framed_as_their_status_says(tcp, status, method, version, content):
    async def handler(request):
        return minihttp.Response(status, content=CONTENT[content])

    await tcp.serve(handler)
    octets = b"%s / HTTP/%s\r\nHost: x\r\nConnection: close\r\n\r\n" % (method, version)
    head, _, body = (await tcp.talk(octets)).partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    framing = [line for line in lines if line.startswith((b"content-length", b"transfer-encoding"))]
    told = {"none": [b"content-length: 0"], "octets": [b"content-length: 4"], "stream": [b"transfer-encoding: chunked"]}
    if version == b"1.0":
        told["stream"] = []
    if status == 304:  # RFC 9110 §15.4.5: what a 200 would have said, and here only the handler knows
        told["none"] = []
    expected = {204: [], 205: [b"content-length: 0"]}.get(status, told[content])
    assert framing == expected
    sent = {"none": b"", "octets": b"gone", "stream": b"gone" if version == b"1.0" else b"4\r\ngone\r\n0\r\n\r\n"}
    assert body == (sent[content] if (status, method) == (200, b"GET") else b"")


# ── bodies both ways ────────────────────────────────────────────────────────────────────────────────────────


async def echo(request: minihttp.Request) -> minihttp.Response:
    return minihttp.Response(200, content=await request.aread())


async def test_a_body_can_be_echoed_while_it_arrives(start_server):
    async def stream(request):
        return minihttp.Response(200, content=request.aiter_bytes())

    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = head + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    received = await talk(await start_server(stream), chunks + LAST)
    assert b"5\r\nhello\r\n" in received
    assert b"6\r\n world\r\n" in received


async def test_a_stream_goes_to_http_1_0_up_to_the_close(start_server):
    async def stream(request):
        return minihttp.Response(200, content=[b"a", b"b"])

    received = await talk(await start_server(stream), b"GET / HTTP/1.0\r\n\r\n")
    assert received.endswith(b"\r\n\r\nab")
    assert b"transfer-encoding" not in received.lower()


@pytest.mark.parametrize("status", [204, 304])
async def test_some_responses_have_no_body_despite_the_handler(start_server, status):
    async def handler(request):
        return minihttp.Response(status, content=iter([b"not sent"]))

    received = await talk(await start_server(handler), GET + LAST)
    assert received.count(b"HTTP/1.1 %d" % status) == 2
    assert b"not sent" not in received


EXPECTING = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"


async def test_100_continue_is_sent_when_the_handler_reads(start_server):
    url = minihttp.URL(await start_server(echo))
    async with await trio.open_tcp_stream(url.host, url.port) as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        await stream.send_all(b"body")
        assert (await stream.receive_some()).endswith(b"\r\n\r\nbody")


async def test_100_continue_is_not_sent_when_the_body_is_not_read(start_server):
    received = await talk(await start_server(hello), EXPECTING)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_handler_answers_while_the_body_still_comes(reach):
    """Each side sends its next piece only when the last one has come back."""

    async def handler(request):
        return minihttp.Response(200, content=request.aiter_bytes())

    await reach.serve(handler)
    async with await reach.connect() as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert statuses(await head_of(stream)) == [b"200"]
        for number in range(10):
            await stream.send_all(b"1\r\n%d\r\n" % number)
            assert await stream.receive_some() == b"1\r\n%d\r\n" % number
        await stream.send_all(b"0\r\n\r\n")
        assert await stream.receive_some() == b"0\r\n\r\n"


@pytest.mark.slow
async def test_a_client_that_only_sends_first_gets_its_answer(reach):
    """Large both ways: if we did not read while we write, both sides would wait for the other."""
    large = 20_000_000

    async def handler(request):
        return minihttp.Response(200, content=bytes(large))

    await reach.serve(handler)
    with trio.fail_after(20):
        async with await reach.connect() as stream:
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % large)
            for _ in range(0, large, 1_000_000):
                await stream.send_all(bytes(1_000_000))
            received = b"".join([data async for data in stream])
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert len(body) == large


async def test_an_early_answer_is_not_lost(reach):
    async def handler(request):
        return minihttp.Response(413, content=b"too large")

    await reach.serve(handler)
    async with await reach.connect() as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
        await stream.send_all(bytes(2_000_000))
        received = b"".join([data async for data in stream])
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"too large")


@pytest.mark.slow
@pytest.mark.parametrize("content", [bytes(4_000_000), [bytes(4_000_000)]], ids=["octets", "one piece"])
async def test_a_slow_client_that_takes_something_is_served(reach, mock_clock, content):
    """In six times idle_timeout, while the kernel reports the room that a write would find later than that."""
    mock_clock.autojump_threshold = 0.05

    async def handler(request):
        return minihttp.Response(200, content=content)

    await reach.serve(handler, idle_timeout=10)
    size, rate = 0, 20_000 if reach.kind == "unix" else 40_000  # TCP announces room later than a Unix socket
    async with await reach.connect() as stream:
        await stream.send_all(LAST)
        for second in range(0, 60, 3):
            await trio.sleep(3)
            while size < second * rate:
                data = await stream.receive_some(20_000)
                assert data, "cut off"
                size += len(data)
        size += sum([len(data) async for data in stream])
    assert size > 4_000_000


@pytest.mark.slow
async def test_a_client_that_takes_nothing_is_cut_off(reach, mock_clock):
    mock_clock.autojump_threshold = 0.05
    ended = trio.Event()

    async def content():
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended.set()

    async def handler(request):
        return minihttp.Response(200, content=content())

    await reach.serve(handler, idle_timeout=10)
    async with await reach.connect() as stream:
        await stream.send_all(LAST)
        await ended.wait()
        assert 10 <= trio.current_time() < 20  # the buffers of the kernels take a few more pieces at first
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n\r\n", LAST, b"no HTTP\r\n\r\n"])
async def test_the_server_sends_close_notify(reach, head):
    """Over TLS, an end without a close_notify would be a BrokenResourceError here.    RFC 9112 §9.8"""
    await reach.serve(hello)
    received = await reach.talk(head)
    assert received.startswith(b"HTTP/1.1 ")


# ── clients that go ─────────────────────────────────────────────────────────────────────────────────────────


class Inside:
    """How many handlers there are; each waits for an event that never comes, or makes a stream that does."""

    def __init__(self) -> None:
        self.count = 0
        self.all_gone = trio.Event()

    async def stream(self):
        self.count += 1
        try:
            yield b"data: hello\n\n"
            await trio.sleep_forever()
        finally:
            self.leave()

    def leave(self) -> None:
        self.count -= 1
        if not self.count:
            self.all_gone.set()

    async def __call__(self, request):
        if request.url.path == "/stream":
            return minihttp.Response(200, content=self.stream())
        self.count += 1
        try:
            await trio.sleep_forever()
        finally:
            self.leave()


MORE = GET * 3


@pytest.mark.parametrize("more", [b"", MORE, b"x" * 140_000], ids=["nothing", "requests", "more than the inbox"])
@pytest.mark.parametrize("path", [b"/stream", b"/wait"])
@pytest.mark.slow
async def test_handlers_end_when_their_clients_go(reach, path, more, mock_clock):
    mock_clock.autojump_threshold = 0.05
    inside = Inside()
    await reach.serve(inside)
    streams = [await reach.connect() for _ in range(20)]
    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(stream.send_all, GET.replace(b"/", path, 1))
    while inside.count < 20:
        await trio.testing.wait_all_tasks_blocked()
    for stream in streams:
        with trio.move_on_after(0.5):  # the server does not take all of what is more than its inbox
            await stream.send_all(more)
        await trio.aclose_forcefully(stream)
    before = trio.current_time()
    with trio.fail_after(60):
        await inside.all_gone.wait()
    assert trio.current_time() - before < 3


@pytest.mark.parametrize("path", [b"/stream", b"/wait"])
@pytest.mark.slow
async def test_a_reset_ends_a_handler_at_once(tcp, path):
    inside = Inside()
    await tcp.serve(inside)
    stream = await tcp.connect()
    await stream.send_all(GET.replace(b"/", path, 1))
    while not inside.count:
        await trio.testing.wait_all_tasks_blocked()
    linger = session.struct.pack("ii", 1, 0)
    stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
    stream.socket.close()
    with trio.fail_after(session.HALF_CLOSED / 2):
        await inside.all_gone.wait()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.slow
async def test_a_client_may_end_its_side_and_read_on(nursery, tmp_path, mock_clock, kind):
    """Each response, and each piece of one, comes within HALF_CLOSED of the one before."""
    mock_clock.autojump_threshold = 0.05

    async def pieces():
        for number in range(5):
            await trio.sleep(0.8 * session.HALF_CLOSED)
            yield b"%d" % number

    async def handler(request):
        if request.url.path == "/stream":
            return minihttp.Response(200, content=pieces())
        await trio.sleep(0.8 * session.HALF_CLOSED)
        return minihttp.Response(200, content="hello")

    reach = Reach(kind, nursery, str(tmp_path / "socket"))
    await reach.serve(handler)
    async with await reach.connect() as stream:
        await stream.send_all(GET * 3 + GET.replace(b"/", b"/stream", 1))
        await stream.send_eof()
        received = b"".join([data async for data in stream])
    assert statuses(received) == [b"200"] * 4
    assert received.endswith(b"1\r\n4\r\n0\r\n\r\n")


@pytest.mark.slow
async def test_a_handler_that_is_cancelled_may_raise_anything(tcp, caplog):
    going, ended = trio.Event(), trio.Event()

    async def handler(request):
        if request.url.path == "/next":
            return minihttp.Response(200)
        try:
            going.set()
            await trio.sleep_forever()
        finally:
            ended.set()
            raise ValueError("while it was cancelled")

    await tcp.serve(handler, idle_timeout=0.01)
    async with await tcp.connect() as stream:
        await stream.send_all(GET)
        await going.wait()
    await ended.wait()
    assert "while it was cancelled" in caplog.text
    assert statuses(await tcp.talk(LAST.replace(b"/", b"/next", 1))) == [b"200"]


async def test_a_body_of_single_octets_lets_others_run(tcp):
    """Counted, not timed: how often another task runs while one read of tiny chunks is worked through."""
    turns = []

    async def handler(request):
        before, pieces = len(turns), 0
        async for _ in request.aiter_bytes():
            pieces += 1
        return minihttp.Response(200, content=f"{pieces} {len(turns) - before}")

    async def count():
        while True:
            turns.append(None)
            await trio.lowlevel.checkpoint()

    await tcp.serve(handler)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        received = await tcp.talk(head + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
        nursery.cancel_scope.cancel()
    pieces, others = map(int, received.rpartition(b"\r\n\r\n")[2].split())
    assert pieces == 5000
    assert others >= 990  # after each five of them; trio may run the tasks of the first and the last turn in any order


async def test_requests_in_one_write_let_others_run(tcp):
    turns = []

    async def handler(request):
        turns.append(request.url.path)
        return minihttp.Response(200)

    await tcp.serve(handler)

    async def ask(path: bytes) -> None:
        await tcp.talk(GET.replace(b"/", path, 1) * 50 + LAST)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, b"/a")
        nursery.start_soon(ask, b"/b")
    assert turns.index("/b") < 50


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize("cuts", [[], [10], [999], [1000], [1001], [500, 1500]])
async def test_a_head_beyond_the_limit_gives_431(tcp, cuts, end):
    await tcp.serve(hello, max_header_size=1000)
    octets = GET[:-2] + b"X: " + b"x" * 2000 + end
    async with await tcp.connect() as stream:
        for start, stop in zip([0, *cuts], [*cuts, None], strict=True):
            await stream.send_all(octets[start:stop])
            await trio.testing.wait_all_tasks_blocked()
        assert statuses(await head_of(stream)) == [b"431"]


@pytest.mark.parametrize(("size", "status"), [(1000, b"200"), (1001, b"431")])
async def test_the_limit_of_a_head_is_exact(tcp, size, status):
    await tcp.serve(hello, max_header_size=1000)
    octets = LAST[:-2] + b"X: " + b"x" * (size - len(LAST) - 5) + b"\r\n\r\n"
    assert len(octets) == size
    assert statuses(await tcp.talk(octets)) == [status]


async def test_a_target_beyond_the_limit_gives_414(tcp):
    await tcp.serve(hello, max_header_size=1000)
    assert statuses(await tcp.talk(b"GET /" + b"x" * 2000)) == [b"414"]


@pytest.mark.parametrize(("count", "status"), [(20, b"200"), (21, b"431")])
async def test_headers_are_counted(tcp, count, status):
    await tcp.serve(hello, max_headers=20)
    octets = LAST[:-2] + b"X:\r\n" * (count - 2) + b"\r\n"
    assert statuses(await tcp.talk(octets)) == [status]


@pytest.mark.parametrize("end", [b"\r\n", b"X:\r\n\r\n"])
async def test_trailers_are_counted(tcp, end):
    await tcp.serve(echo, max_headers=20)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = await tcp.talk(head + b"1\r\nx\r\n0\r\n" + b"X:\r\n" * 20 + end)
    assert statuses(received) == [b"200" if end == b"\r\n" else b"400"]


async def test_a_connection_too_many_gives_503(nursery):
    """Each that is open is being served, so none can be closed to make room."""
    tcp, served = Reach("tcp", nursery, ""), trio.Event()

    async def wait(request):
        await served.wait()
        return minihttp.Response(200)

    await tcp.serve(wait, max_connections=2)
    async with await tcp.connect() as one, await tcp.connect() as other:
        for stream in (one, other):
            await stream.send_all(LAST)
        await trio.testing.wait_all_tasks_blocked()
        received = await tcp.talk(b"")
        assert statuses(received) == [b"503"]
        assert received.endswith(b"\r\n\r\ntoo many connections\n")
        served.set()
        assert statuses(await head_of(one)) == statuses(await head_of(other)) == [b"200"]


async def test_an_idle_connection_makes_room_for_a_new_one(reach):
    await reach.serve(hello, max_connections=3)
    streams = []
    for _ in range(5):
        streams.append(await reach.connect())
        await streams[-1].send_all(GET)
        assert statuses(await head_of(streams[-1])) == [b"200"]
    for stream in streams[:2]:  # those that had been idle longest
        assert await stream.receive_some() == b""
    for stream in streams[2:]:
        await stream.send_all(GET)
        assert statuses(await head_of(stream)) == [b"200"]
    for stream in streams:
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 101\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"33\r\n%s\r\n" % (b"x" * 0x33) * 2,
    ],
)
async def test_a_body_beyond_the_limit_gives_413(start_server, body):
    url = await start_server(echo, max_body_size=100)
    received = await talk(url, b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"at most 100 are taken\n")


async def test_a_head_that_takes_too_long_gives_408(start_server, mock_clock):
    mock_clock.autojump_threshold = 0.02
    url = minihttp.URL(await start_server(hello, idle_timeout=100, head_timeout=10))
    async with await trio.open_tcp_stream(url.host, url.port) as stream:
        started = trio.current_time()
        for _ in range(3):  # a drip every three seconds does not make a head
            await stream.send_all(b"G")
            await trio.sleep(3)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 408 ")
        assert trio.current_time() - started == pytest.approx(10, abs=0.1)


async def test_a_connection_without_a_request_is_closed(reach, mock_clock):
    mock_clock.autojump_threshold = 0.05
    await reach.serve(hello, idle_timeout=10)
    async with await reach.connect() as stream:
        if reach.kind == "tls":
            await stream.do_handshake()
        started = trio.current_time()
        assert await stream.receive_some() == b""
        assert trio.current_time() - started == pytest.approx(10, abs=0.2)


async def test_a_tls_handshake_that_never_comes_is_closed(nursery, mock_clock):
    mock_clock.autojump_threshold = 0.05
    tls = Reach("tls", nursery, "")
    await tls.serve(hello, idle_timeout=10)
    async with await trio.open_tcp_stream(*tls.listener.socket.getsockname()) as stream:
        assert await stream.receive_some() == b""
        assert trio.current_time() == pytest.approx(10, abs=0.2)


@pytest.mark.slow
async def test_each_wait_has_its_own_idle_timeout(tcp, mock_clock):
    """One task watches all waits: those that begin later must end later."""
    mock_clock.autojump_threshold = 0.05
    await tcp.serve(hello, idle_timeout=10)
    ended = []

    async def idle(number: int) -> None:
        async with await tcp.connect() as stream:
            await trio.sleep(number)
            await stream.send_all(GET)
            await head_of(stream)
            assert await stream.receive_some() == b""
            ended.append((number, round(trio.current_time())))

    async with trio.open_nursery() as nursery:
        for number in (3, 1, 2):
            nursery.start_soon(idle, number)
    assert ended == [(1, 11), (2, 12), (3, 13)]


async def test_a_client_that_falls_silent_in_its_body_gives_408(start_server, mock_clock, caplog):
    mock_clock.autojump_threshold = 0.02

    async def read(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=await request.aread())

    url = await start_server(read, idle_timeout=10)
    received = await talk(url, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhal")
    assert received.startswith(b"HTTP/1.1 408 ")
    assert "handler failed" not in caplog.text


async def test_an_error_behind_the_handler_is_not_a_client_error(start_server, caplog):
    async def ask_another(request: minihttp.Request) -> minihttp.Response:
        raise minihttp.RemoteProtocolError("the other server talks nonsense")

    assert (await talk(await start_server(ask_another), LAST)).startswith(b"HTTP/1.1 500 ")
    assert "talks nonsense" in caplog.text


async def test_a_body_that_is_not_read_is_not_kept_either(nursery):
    async def handler(request):
        await trio.sleep_forever()

    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    ours, theirs = map(trio.SocketStream, trio.socket.socketpair())
    one = session.Session(ours, session.Rules(handler, 16384, 100, None, 30.0, 10.0))
    async with theirs:
        nursery.start_soon(one.run)
        nursery.start_soon(theirs.send_all, head + bytes(3_000_000))
        await trio.testing.wait_all_tasks_blocked()
        assert session.READ_AHEAD <= len(one._inbox) < session.READ_AHEAD + READ
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("size", "stays"), [(65536, True), (65537, False)])
async def test_of_a_body_left_unread_64_kib_are_skipped(tcp, size, stays):
    await tcp.serve(hello)
    async with await tcp.connect() as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        head = await head_of(stream)
        assert (b"Connection: close" not in head) == stays
        if stays:
            await stream.send_all(bytes(size) + GET)
            assert statuses(await head_of(stream)) == [b"200"]


async def test_the_line_before_a_chunk_has_a_limit(start_server):
    post = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + 4096 * b"x"
    received = await talk(await start_server(echo), post)
    assert statuses(received) in ([b"400"], [b"431"])


async def test_malformed_chunks_give_400(start_server):
    post = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert (await talk(await start_server(echo), post)).startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_goes_away_is_no_ones_problem(start_server):
    url = await start_server(echo)
    parts = minihttp.URL(url)
    octets = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    for end in range(len(octets)):
        stream = await trio.open_tcp_stream(parts.host, parts.port)
        await stream.send_all(octets[:end])
        await stream.aclose()
    assert (await talk(url, octets + LAST)).count(b"200 OK") == 2


# ── handlers that are wrong ─────────────────────────────────────────────────────────────────────────────────


async def kept_cancelled() -> BaseException:
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            kept = error
            raise
    return kept


async def raises(kind: str) -> None:
    match kind:
        case "exit":
            argparse.ArgumentParser().parse_args(["--unknown"])
        case "group":
            raise BaseExceptionGroup("both", [ValueError("one"), SystemExit(1)])
        case "cancelled":
            raise await kept_cancelled()
        case "stop":
            raise StopAsyncIteration
        case "closed":  # of a connection of its own
            raise trio.ClosedResourceError


def with_headers(headers) -> minihttp.Response:
    response = minihttp.Response(200, content=b"text")
    response.headers = headers
    return response


def with_raw(*pairs) -> minihttp.Response:
    response = minihttp.Response(200, content=b"text")
    response.headers.raw += pairs
    return response


WRONG = {
    "nothing": lambda: None,
    "text": lambda: "text",
    "coroutine": lambda: hello,
    "status 99": lambda: minihttp.Response(99),
    "status 101": lambda: minihttp.Response(101),
    "status 1000": lambda: minihttp.Response(1000),
    "status None": lambda: minihttp.Response(None),
    "status text": lambda: minihttp.Response("200"),
    "CR LF in a value": lambda: minihttp.Response(200, headers={"X": "a\r\nb"}),
    "CR LF in a name": lambda: minihttp.Response(200, headers={"X: a\r\nY": "b"}),
    "CR LF in the reason": lambda: minihttp.Response(200, reason=b"OK\r\nX: y"),
    "number as value": lambda: minihttp.Response(200, headers={"X": 1}),
    "raw number": lambda: with_raw((b"X", 1)),
    "raw triple": lambda: with_raw((b"X", b"1", b"2")),
    "headers of numbers": lambda: with_headers({"X": 1}),
    "Content-Length no number": lambda: minihttp.Response(200, headers={"Content-Length": "x"}),
    "Content-Length too large": lambda: minihttp.Response(200, headers={"Content-Length": "5"}, content=b"text"),
    "Content-Length too small": lambda: minihttp.Response(200, headers={"Content-Length": "3"}, content=b"text"),
    "two Content-Lengths": lambda: with_raw((b"Content-Length", b"5")),
    "Transfer-Encoding": lambda: minihttp.Response(200, headers={"Transfer-Encoding": "gzip"}, content=b"text"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.slow
async def test_a_response_that_cannot_be_sent_gives_500(tcp, caplog, wrong):
    async def handler(request):
        return WRONG[wrong]() if request.url.path == "/wrong" else minihttp.Response(200)

    await tcp.serve(handler)
    assert statuses(await tcp.talk(GET.replace(b"/", b"/wrong", 1) + LAST)) == [b"500", b"200"]
    (record,) = caplog.records
    assert record.exc_info


async def test_the_log_names_a_refused_header_without_its_value(tcp, caplog):
    async def handler(request):
        return minihttp.Response(200, headers={"Set-Cookie": "session=s3cret\r\nX: y"})

    await tcp.serve(handler)
    assert statuses(await tcp.talk(LAST)) == [b"500"]
    assert "the value of Set-Cookie has a line end" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("kind", ["exit", "group", "cancelled", "stop", "closed"])
async def test_any_exception_of_a_handler_gives_500(tcp, caplog, kind):
    async def handler(request):
        await raises(kind if request.url.path == "/wrong" else "nothing")
        return minihttp.Response(200)

    await tcp.serve(handler)
    assert statuses(await tcp.talk(GET.replace(b"/", b"/wrong", 1) + LAST)) == [b"500", b"200"]
    (record,) = caplog.records
    assert record.exc_info


async def test_an_iterator_can_be_content_only_once(tcp, caplog):
    response = minihttp.Response(200, content=iter([b"once"]))

    async def handler(request):
        return response

    await tcp.serve(handler)
    assert statuses(await tcp.talk(GET + LAST)) == [b"200", b"500"]
    assert "StreamConsumed" in caplog.text


async def test_ctrl_c_in_a_handler_ends_the_server():
    async def handler(request):
        raise KeyboardInterrupt

    async def serve_one() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(minihttp.serve, handler)
            async with await trio.open_tcp_stream(*listener.socket.getsockname()) as stream:
                await stream.send_all(GET)
                await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await serve_one()
    assert caught.value.split(KeyboardInterrupt)[1] is None


async def test_a_handler_may_change_its_request(tcp, caplog):
    """The response is framed, and the log is written, for the request that came."""

    async def handler(request):
        fails = request.url.path == "/fails"
        request.method, request.url, request.headers = "HEAD", None, None
        if fails:
            request.method = None
            raise ValueError("no")
        return minihttp.Response(200, content=b"hello")

    await tcp.serve(handler)
    assert (await tcp.talk(GET + LAST)).count(b"hello") == 2
    assert b" 500 " in await tcp.talk(LAST.replace(b"GET / ", b"GET /fails "))
    assert "GET URL('http://" in caplog.text


async def test_headers_may_be_any_mapping(tcp):
    async def handler(request):
        return with_headers({"X-Tag": "a"})

    await tcp.serve(handler)
    received = await tcp.talk(GET + LAST)
    assert received.count(b"X-Tag: a\r\n") == 2


async def test_a_clients_response_can_be_passed_on(tcp):
    """Decoded, with what it says about itself, and without what was said about the other connection."""

    async def handler(request):
        if request.url.path == "/upstream":
            headers = {"Content-Encoding": "gzip", "X-Tag": "a", "Connection": "X-Hop", "X-Hop": "b"}
            return minihttp.Response(203, headers=headers, content=gzip.compress(b"hello"))
        host, port = tcp.listener.socket.getsockname()
        return await minihttp.request(request.method, f"http://{host}:{port}/upstream")

    await tcp.serve(handler)
    received = await tcp.talk(LAST)
    assert received.startswith(b"HTTP/1.1 203 ")
    assert received.endswith(b"\r\n\r\nhello")
    assert b"X-Tag: a\r\n" in received
    assert b"Content-Length: 5\r\n" in received
    assert b"X-Hop" not in received
    assert b"gzip" not in received
    received = await tcp.talk(LAST.replace(b"GET", b"HEAD"))
    assert b"Content-Length: %d\r\n" % len(gzip.compress(b"hello")) in received
    assert received.endswith(b"\r\n\r\n")


async def test_a_clients_response_that_was_not_read_gives_500(tcp, caplog):
    async def handler(request):
        if request.url.path == "/upstream":
            return minihttp.Response(200, content="hello")
        host, port = tcp.listener.socket.getsockname()
        async with minihttp.stream("GET", f"http://{host}:{port}/upstream") as response:
            return response

    await tcp.serve(handler)
    assert statuses(await tcp.talk(LAST)) == [b"500"]
    assert "aread" in caplog.text


@pytest.mark.parametrize(("size", "sent"), [(7, b"hello"), (3, b"")], ids=["more was announced", "less was announced"])
async def test_a_stream_of_another_length_is_cut(reach, caplog, size, sent):
    async def handler(request):
        return minihttp.Response(200, headers={"Content-Length": str(size)}, content=[b"hello"])

    await reach.serve(handler)
    if reach.kind == "tls":
        with pytest.raises(trio.BrokenResourceError):  # no goodbye: the client can see that something is missing
            await reach.talk(GET + GET)
    else:
        received = await reach.talk(GET + GET)
        assert statuses(received) == [b"200"]
        assert received.endswith(b"\r\n\r\n" + sent)
    assert "Content-Length" in caplog.text


async def test_http_1_0_sees_a_stream_that_fails(tcp, caplog):
    """Where the end of the connection is the end of the body, only a reset tells that something is missing."""

    async def half():
        yield b"half"
        raise ZeroDivisionError

    async def handler(request):
        return minihttp.Response(200, content=half())

    await tcp.serve(handler)
    with pytest.raises(trio.BrokenResourceError):
        await tcp.talk(b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("chunk", ["text", 5, None])
async def test_a_chunk_that_is_not_octets_cuts_the_response(tcp, caplog, chunk):
    async def handler(request):
        return minihttp.Response(200, content=[b"octets", chunk])

    await tcp.serve(handler)
    assert (await tcp.talk(GET + GET)).endswith(b"6\r\noctets\r\n")
    assert "TypeError" in caplog.text


async def test_a_body_cannot_be_read_after_the_response(tcp, nursery):
    """The next octets on the connection are those of the next request."""
    errors, kept = [], []

    async def read_later(request, answered):
        await answered.wait()
        try:
            await request.aread()
        except minihttp.StreamClosed as error:
            errors.append(str(error))

    async def handler(request):
        kept.append(trio.Event())
        nursery.start_soon(read_later, request, kept[-1])
        return minihttp.Response(200)

    await tcp.serve(handler)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    async with await tcp.connect() as stream:
        await stream.send_all(post)
        await head_of(stream)
        kept[0].set()
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(post)
        assert statuses(await head_of(stream)) == [b"200"]
    assert errors == ["the request has been answered: its body can be read only before"]


async def test_a_task_that_still_reads_ends_with_the_response(tcp, nursery):
    """It waits for octets when the response goes out; those of the next request are not for it."""
    errors = []

    async def read_on(request):
        try:
            await request.aread()
        except minihttp.StreamClosed as error:
            errors.append(error)

    async def handler(request):
        nursery.start_soon(read_on, request)
        await trio.testing.wait_all_tasks_blocked()
        return minihttp.Response(200)

    await tcp.serve(handler)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    async with await tcp.connect() as stream:
        for number in range(1, 4):
            await stream.send_all(post)
            assert statuses(await head_of(stream)) == [b"200"]
            await trio.testing.wait_all_tasks_blocked()
            assert len(errors) == number
            await stream.send_all(b"hello")


async def test_the_log_holds_no_secrets(tcp, caplog):
    async def handler(request):
        raise ValueError("wrong")

    await tcp.serve(handler)
    headers = b"Host: x\r\nAuthorization: Basic czNjcmV0\r\nCookie: id=s3cret\r\nConnection: close\r\n\r\n"
    assert statuses(await tcp.talk(b"GET /path HTTP/1.1\r\n" + headers)) == [b"500"]
    assert statuses(await tcp.talk(b"GET http://alice:s3cret@x/ HTTP/1.1\r\n" + headers)) == [b"400"]
    assert "the handler failed for GET URL('http://x/path')" in caplog.text
    assert "cret" not in caplog.text


async def test_the_log_holds_a_little_of_a_long_target(tcp, caplog):
    async def handler(request):
        raise ValueError("wrong")

    await tcp.serve(handler)
    await tcp.talk(LAST.replace(b"/", b"/" + b"x" * 10000, 1))
    assert len(caplog.records[0].getMessage()) < 300


@pytest.mark.parametrize("line", [b"X : " + b"\xff" * 9000, b"Authorization : Basic czNjcmV0"])
async def test_a_refusal_does_not_repeat_what_was_said(tcp, line):
    await tcp.serve(hello)
    received = await tcp.talk(GET[:-2] + line + b"\r\n\r\n")
    assert received.endswith(b"\r\n\r\nillegal header line\n")


async def test_a_body_that_fails_half_way_ends_the_connection(start_server, caplog):
    async def half():
        yield b"half"
        raise ZeroDivisionError("in the middle")

    async def handler(request):
        return minihttp.Response(200, content=half())

    received = await talk(await start_server(handler), GET + GET)
    assert received.count(b"HTTP/1.1") == 1
    assert received.endswith(b"4\r\nhalf\r\n")  # and no end, so that the client knows
    assert "in the middle" in caplog.text


# ── coming and going ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
async def test_stopping_lets_requests_finish_and_closes_the_rest(nursery):
    stop, going, finish = trio.Event(), trio.Event(), trio.Event()

    async def handler(request):
        going.set()
        await finish.wait()
        return minihttp.Response(200, content="finished")

    stopped = trio.Event()

    async def serve(task_status):
        await minihttp.serve(handler, "127.0.0.1", 0, stop=stop, task_status=task_status)
        stopped.set()

    listeners = await nursery.start(serve)
    address = listeners[0].socket.getsockname()
    idle = await trio.open_tcp_stream(*address)
    busy = await trio.open_tcp_stream(*address)
    await busy.send_all(GET)
    await going.wait()
    stop.set()
    assert await idle.receive_some() == b""
    finish.set()
    received = b"".join([data async for data in busy])
    assert received.endswith(b"finished")
    assert b"connection: close" in received.lower()
    await stopped.wait()
    with pytest.raises(OSError, match="attempts to connect"):
        await trio.open_tcp_stream(*address)
    await idle.aclose()
    await busy.aclose()


async def test_grace_ends(nursery, mock_clock):
    mock_clock.autojump_threshold = 0.02
    stop, going = trio.Event(), trio.Event()

    async def never(request):
        going.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as serving:
        listeners = await serving.start(partial(minihttp.serve, never, "127.0.0.1", 0, stop=stop, grace=3))
        async with await trio.open_tcp_stream(*listeners[0].socket.getsockname()) as stream:
            await stream.send_all(GET)
            await going.wait()
            started = trio.current_time()
            stop.set()
            assert await stream.receive_some() == b""
    assert trio.current_time() - started == pytest.approx(3, abs=0.1)


async def test_a_unix_socket_comes_and_goes(nursery, tmp_path):
    path = tmp_path / "app.sock"
    with trio.socket.socket(trio.socket.AF_UNIX) as dead:
        await dead.bind(str(path))  # a file that a crashed server left behind
    stop = trio.Event()
    async with trio.open_nursery() as serving:
        await serving.start(partial(minihttp.serve, hello, uds=str(path), stop=stop))
        assert (await minihttp.get("http://x/", uds=str(path))).text == "hello"
        with pytest.raises(OSError, match="in use"):
            await minihttp.serve(hello, uds=str(path))
        stop.set()
    assert not path.exists()


async def test_an_ordinary_file_is_not_removed(tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        await minihttp.serve(hello, uds=str(path))
    assert path.read_text() == "precious"


async def test_the_request_url_is_the_one_that_was_asked(start_server):
    async def where(request):
        return minihttp.Response(200, content=str(request.url))

    url = await start_server(where)
    for line, expected in [
        (b"GET /a?b HTTP/1.1\r\nHost: example.org:8080", b"http://example.org:8080/a?b"),
        (b"GET http://other.example/a HTTP/1.1\r\nHost: x", b"http://other.example/a"),
        (b"GET /a HTTP/1.0", b"http://localhost/a"),
    ]:
        received = await talk(url, line + b"\r\nConnection: close\r\n\r\n")
        assert received.endswith(b"\r\n\r\n" + expected)


async def test_cancelling_closes_everything_at_once():
    async def never(request):
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(minihttp.serve, never, "127.0.0.1", 0)
        stream = await trio.open_tcp_stream(*listeners[0].socket.getsockname())
        await stream.send_all(GET)
        await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()
    assert await stream.receive_some() == b""
    await stream.aclose()
