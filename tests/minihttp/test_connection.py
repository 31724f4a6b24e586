"""One connection: each phase has its error, and a timeout is measured on trio's clock."""

import os
import ssl
from contextlib import suppress

import pytest
import trio
import trio.testing
import trustme

import minihttp


@pytest.fixture
def clock(mock_clock):
    """The clock jumps when nothing happens; with real sockets, when nothing happened for a moment."""
    mock_clock.autojump_threshold = 0.02
    return mock_clock


async def silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_a_silent_server_is_a_read_timeout(start_script, clock):
    async with minihttp.AsyncClient(timeout=minihttp.Timeout(5, read=3)) as client:
        url = await start_script(silent)
        started = trio.current_time()
        with pytest.raises(minihttp.ReadTimeout, match="within 3 s"):
            await client.get(url)
        assert trio.current_time() - started == pytest.approx(3, abs=0.1)


async def test_a_server_that_does_not_read_is_a_write_timeout(start_script, clock):
    async with minihttp.AsyncClient(timeout=minihttp.Timeout(5, write=2)) as client:
        url = await start_script(silent)
        with pytest.raises(minihttp.WriteTimeout, match="within 2 s"):
            await client.post(url, content=bytes(50_000_000))


async def test_what_the_kernel_takes_bit_by_bit_arrives_whole(start_server, monkeypatch):
    async def echo(request):
        return minihttp.Response(200, content=await request.aread())

    url, body = await start_server(echo), bytes(range(256)) * 200
    write = os.write

    def stingy(fd, data):
        if len(data) > 1000:
            return write(fd, memoryview(data)[:1000])
        return write(fd, data)

    monkeypatch.setattr(os, "write", stingy)
    async with minihttp.AsyncClient() as client:
        assert (await client.post(url, content=body)).content == body
        assert (await client.post(url, content=[body, b"", body])).content == body * 2
        assert "1 idle" in repr(client)


async def test_a_client_closed_between_two_pieces_is_a_read_error(start_script, answering):
    url = await start_script(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"))
    client = minihttp.AsyncClient()
    async with client.stream("GET", url) as response:
        pieces = response.aiter_raw()
        assert await anext(pieces) == b"ab"
        await client.aclose()
        with pytest.raises(minihttp.ReadError, match="closed"):
            await anext(pieces)


async def test_a_client_closed_while_it_sends_is_a_write_error(start_script):
    client = minihttp.AsyncClient()

    async def body():
        yield b"ab"
        await client.aclose()
        yield b"cd"

    with pytest.raises(minihttp.WriteError, match="closed"):
        await client.post(await start_script(silent), content=body())


async def test_a_busy_pool_is_a_pool_timeout(start_script, clock, nursery):
    limits = minihttp.Limits(max_connections=1)
    async with minihttp.AsyncClient(timeout=minihttp.Timeout(None, pool=4), limits=limits) as client:
        url = await start_script(silent)
        nursery.start_soon(client.get, url)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(minihttp.PoolTimeout, match="all 1 connections were busy for 4 s"):
            await client.get(url)
        nursery.cancel_scope.cancel()


async def test_a_port_without_a_listener_is_a_connect_error():
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))  # bound, so that no other program gets it, but not listening
        async with minihttp.AsyncClient() as client:
            with pytest.raises(minihttp.ConnectError, match=r"cannot connect to 127\.0\.0\.1 port.*refused") as caught:
                await client.get(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert caught.value.request.method == "GET"


async def test_a_connect_error_names_the_reason_for_each_address():
    """`localhost` has an address of each family, and trio puts the failures in a group."""
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with minihttp.AsyncClient() as client:
            with pytest.raises(minihttp.ConnectError, match=rf"cannot connect to localhost port {port}: .*refused"):
                await client.get(f"http://localhost:{port}/")


async def test_a_server_that_hangs_up_is_a_remote_protocol_error(start_script, read_head):
    async def hang_up(stream):
        await read_head(stream)

    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.RemoteProtocolError, match="without a response"):
            await client.get(await start_script(hang_up))
        assert "0 active" in repr(client)


# ── what no real server does ────────────────────────────────────────────────────────────────────────────────

CONVERSATIONS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;extension=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: 5\r\n\r\n",
    "after 1xx": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_an_answer_cut_at_any_byte_is_the_same(start_script, read_head, name):
    octets = CONVERSATIONS[name]

    async def script(stream):
        for cut in range(1, len(octets)):
            await read_head(stream)
            await stream.send_all(octets[:cut])
            await trio.testing.wait_all_tasks_blocked()
            await stream.send_all(octets[cut:])

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        for _ in range(1, len(octets)):
            assert (await client.get("/")).text == "hello"


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.slow
async def test_an_answer_ended_at_any_byte_is_an_error_that_says_so(start_script, read_head, name):
    octets = CONVERSATIONS[name]
    ends = iter(range(len(octets)))

    async def script(stream):
        await read_head(stream)
        await stream.send_all(octets[: next(ends)])

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        for _ in range(len(octets)):
            with pytest.raises(minihttp.RemoteProtocolError):
                await client.get("/")
            assert "0 active, 0 idle, 0 waiting" in repr(client)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\x01\x02\x03",
        b"SSH-2.0-OpenSSH_9.0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nheXX",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 20_000,
    ],
)
async def test_what_is_not_http_is_a_remote_protocol_error(start_script, answering, octets):
    async with minihttp.AsyncClient(base_url=await start_script(answering(octets))) as client:
        with pytest.raises(minihttp.RemoteProtocolError) as caught:
            await client.get("/", headers={"Upgrade": "x"} if b"101" in octets[:12] else {})
        assert caught.value.request.url.path == "/"
        assert "0 active, 0 idle, 0 waiting" in repr(client)


@pytest.mark.parametrize(
    ("octets", "stays"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", True),
    ],
)
async def test_each_way_to_end_a_body(start_script, read_head, octets, stays):
    async def once(stream):
        await read_head(stream)
        await stream.send_all(octets)
        if b"Connection: close" not in octets and b"Length" in octets:
            await read_head(stream)

    async with minihttp.AsyncClient(base_url=await start_script(once)) as client:
        response = await client.get("/")
        assert response.text == "hello"
        assert response.http_version == octets[:8].decode()
        assert f"0 active, {int(stays)} idle" in repr(client)


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", b"200 OK"), ("GET", b"204 No Content"), ("GET", b"304 Not Modified")]
)
async def test_some_responses_have_no_body_despite_their_headers(start_script, answering, method, status):
    octets = b"HTTP/1.1 %s\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n" % status
    async with minihttp.AsyncClient(base_url=await start_script(answering(octets))) as client:
        for _ in range(3):
            assert (await client.request(method, "/")).content == b""
        assert "0 active, 1 idle" in repr(client)


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize(
    ("method", "answer", "idle"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 1),
        ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", 1),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 0),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", 0),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\nok", 0),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2, 2\r\n\r\nok", 1),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 0),
    ],
    ids=["plain", "HEAD", "interim", "304", "close", "close and keep", "close in a list", "kept", "1.0"],
)
async def test_a_connection_is_kept_if_its_response_allows_it(start_script, read_head, method, answer, idle, piece):
    """Three in a row: h11 learns of a plain request only when the response begins, and of others before."""

    async def script(stream):
        while await read_head(stream):
            for start in range(0, len(answer), piece):
                await stream.send_all(answer[start : start + piece])

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        for _ in range(3):
            response = await client.request(method, "/")
            assert response.content == (b"ok" if answer.endswith(b"ok") else b"")
            assert f"0 active, {idle} idle" in repr(client)


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_interim_responses_have_a_limit(start_script, answering):
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    answer = 100 * interim + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    async with minihttp.AsyncClient() as client:
        assert (await client.get(await start_script(answering(answer)))).text == "hello"
        with pytest.raises(minihttp.RemoteProtocolError, match="more than 100 responses of kind 1xx"):
            await client.get(await start_script(answering(interim + answer)))


async def test_closing_looks_at_no_more_than_one_turn_of_a_body(start_script, answering):
    body = b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    url = await start_script(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body))
    async with minihttp.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            await anext(response.aiter_raw())
        assert "0 active, 0 idle" in repr(client)


# ── Expect: 100-continue ────────────────────────────────────────────────────────────────────────────────────

EXPECT = {"Expect": "100-continue"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_body_waits_for_100_continue(start_script, read_head):
    async def script(stream):
        await read_head(stream)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught  # nothing of the body has come
        await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await stream.receive_some() == b"body"
        await stream.send_all(OK)
        await read_head(stream)

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        assert (await client.post("/", content=b"body", headers=EXPECT)).text == "ok"
        assert "1 idle" in repr(client)


async def test_a_body_that_is_refused_is_never_sent(start_script, read_head):
    received = []

    async def script(stream):
        await read_head(stream)
        await stream.send_all(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        received.extend([data async for data in stream])

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        assert (await client.post("/", content=b"body", headers=EXPECT)).status_code == 417
        assert "0 active, 0 idle" in repr(client)
        await trio.testing.wait_all_tasks_blocked(0.001)
    assert received == []


async def test_a_server_that_knows_no_100_gets_the_body_after_a_while(start_script, read_head, clock):
    async def script(stream):
        await read_head(stream)
        assert await stream.receive_some() == b"body"
        await stream.send_all(OK)

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        started = trio.current_time()
        assert (await client.post("/", content=b"body", headers=EXPECT)).text == "ok"
        assert trio.current_time() - started == pytest.approx(1, abs=0.1)


async def test_a_short_read_timeout_does_not_end_the_wait_for_100(start_script, read_head, clock):
    async def script(stream):
        await read_head(stream)
        assert await stream.receive_some() == b"body"
        await stream.send_all(OK)

    timeout = minihttp.Timeout(5, read=0.5)
    async with minihttp.AsyncClient(base_url=await start_script(script), timeout=timeout) as client:
        assert (await client.post("/", content=b"body", headers=EXPECT)).text == "ok"
        assert trio.current_time() == pytest.approx(0.5, abs=0.1)


async def test_the_response_of_a_server_that_stops_reading_is_read(start_script, read_head, clock):
    async def script(stream):
        await read_head(stream)
        await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep_forever()

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        assert (await client.post("/", content=bytes(50_000_000))).status_code == 413
        assert "0 active, 0 idle" in repr(client)


async def test_an_early_response_is_read_or_a_write_error_is_raised(start_script, read_head):
    async def script(stream):
        await read_head(stream)
        await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await stream.send_eof()

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        try:
            response = await client.post("/", content=[bytes(65536)] * 1000)
        except minihttp.WriteError:
            pass  # the kernel threw the answer away with the reset: nothing to be done about it
        else:
            assert response.status_code == 413
        assert "0 active, 0 idle" in repr(client)


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
async def secure(authority, start_server):
    """A server for `localhost`, and what it was asked by: the name in SNI."""
    names = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    context.sni_callback = lambda _, name, __: names.append(name)

    async def hello(request):
        return minihttp.Response(200, content=f"{request.url.scheme} {len(await request.aread())}")

    url = await start_server(hello, ssl_context=context)
    return url.replace("http://127.0.0.1", "https://localhost"), names


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_https_with_a_context_that_trusts(secure, trusting):
    url, names = secure
    async with minihttp.AsyncClient(verify=trusting) as client:
        for size in (0, 1_000_000):
            assert (await client.post(url, content=bytes(size))).text == f"https {size}"
        assert "1 idle" in repr(client)
    assert names == ["localhost"]


async def test_an_untrusted_certificate_is_refused(secure):
    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.ConnectError, match="certificate verify failed"):
            await client.get(secure[0])
        assert "0 active" in repr(client)


async def test_a_certificate_for_another_name_is_refused(secure, trusting):
    async with minihttp.AsyncClient(verify=trusting) as client:
        with pytest.raises(minihttp.ConnectError, match="certificate verify failed"):
            await client.get(secure[0].replace("localhost", "127.0.0.1"))


async def test_verify_false_accepts_any_certificate(secure):
    async with minihttp.AsyncClient(verify=False) as client:
        assert (await client.get(secure[0])).text == "https 0"


async def test_plain_text_where_tls_is_expected_is_a_connect_error(start_script):
    async def script(stream):
        await stream.receive_some()
        await stream.send_all(OK)

    url = await start_script(script)
    async with minihttp.AsyncClient(verify=False) as client:
        with pytest.raises(minihttp.ConnectError, match=r"wrong version number|record"):
            await client.get(url.replace("http", "https"))


async def test_a_tls_handshake_that_hangs_is_a_connect_timeout(start_script, clock):
    url = await start_script(silent)
    async with minihttp.AsyncClient(verify=False, timeout=minihttp.Timeout(None, connect=3)) as client:
        with pytest.raises(minihttp.ConnectTimeout, match="within 3 s"):
            await client.get(url.replace("http", "https"))
        assert "0 active" in repr(client)


def test_the_default_context_is_made_when_it_is_needed(monkeypatch):
    def made(*args, **kwargs):
        raise AssertionError("made too early")

    monkeypatch.setattr(ssl, "create_default_context", made)
    minihttp.AsyncClient()


GOODBYES = {  # each way in which a client ends a connection
    "closed while idle": (OK, {}),
    "closed by the server's wish": (OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), {}),
    "one idle too many": (OK, {"limits": minihttp.Limits(max_keepalive_connections=0)}),
    "half of a body unread": (OK.replace(b"2", b"9"), {}),
    "not HTTP": (b"nonsense\r\n\r\n", {}),
}


@pytest.mark.parametrize("way", GOODBYES)
@pytest.mark.slow
async def test_a_client_sends_close_notify(authority, trusting, start_script, read_head, way):
    """RFC 9112 §9.8: a client must send a closure alert before it closes."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    answer, options = GOODBYES[way]
    ends, is_over = [], trio.Event()

    async def script(stream):
        secured = trio.SSLStream(stream, context, server_side=True)  # strict: a missing goodbye raises
        await read_head(secured)
        await secured.send_all(answer)
        try:
            ends.append(await secured.receive_some())
        except trio.BrokenResourceError as error:
            ends.append(error)
        is_over.set()

    url = (await start_script(script)).replace("http://127.0.0.1", "https://localhost")
    async with minihttp.AsyncClient(verify=trusting, **options) as client:
        with suppress(minihttp.RemoteProtocolError):
            async with client.stream("GET", url) as response:
                if way != "half of a body unread":
                    await response.aread()
    with trio.fail_after(5):
        await is_over.wait()
    assert ends == [b""]


async def test_close_notify_is_skipped_if_the_kernel_takes_none(authority, trusting, start_script, read_head, nursery):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def script(stream):
        secured = trio.SSLStream(stream, context, server_side=True)
        await read_head(secured)
        await trio.sleep_forever()

    url = (await start_script(script)).replace("http://127.0.0.1", "https://localhost")
    client = minihttp.AsyncClient(verify=trusting, timeout=None)

    async def ask():
        with pytest.raises(minihttp.NetworkError, match="closed"):
            await client.post(url, content=bytes(50_000_000))

    nursery.start_soon(ask)
    while not any(connection.is_open and connection.wire.is_blocked for connection in client._pool._places):
        await trio.lowlevel.checkpoint()
    await client.aclose()


@pytest.mark.parametrize("says_goodbye", [True, False])
@pytest.mark.parametrize("framing", ["to the end of the connection", "by length", "in chunks"])
@pytest.mark.slow
async def test_a_body_that_ends_without_a_goodbye(authority, trusting, start_script, read_head, framing, says_goodbye):
    """RFC 9112 §9.8: without a closure alert, a body that only the end of the connection ends may have been cut."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    answer = {
        "to the end of the connection": b"HTTP/1.1 200 OK\r\n\r\nok",
        "by length": OK,
        "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    }[framing]

    async def script(stream):
        secured = trio.SSLStream(stream, context, server_side=True)
        await read_head(secured)
        await secured.send_all(answer)
        if says_goodbye:
            await secured.aclose()

    url = (await start_script(script)).replace("http://127.0.0.1", "https://localhost")
    async with minihttp.AsyncClient(verify=trusting) as client:
        if framing == "to the end of the connection" and not says_goodbye:
            with pytest.raises(minihttp.RemoteProtocolError, match="close_notify"):
                await client.get(url)
        else:
            assert (await client.get(url)).text == "ok"


async def test_a_client_without_trust_tells_the_server_why(authority, start_script):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    reasons, is_over = [], trio.Event()

    async def script(stream):
        try:
            await trio.SSLStream(stream, context, server_side=True).do_handshake()
        except trio.BrokenResourceError as error:
            reasons.append(str(error.__cause__))
        is_over.set()

    url = (await start_script(script)).replace("http://127.0.0.1", "https://localhost")
    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.ConnectError):
            await client.get(url)
    with trio.fail_after(5):
        await is_over.wait()
    assert "unknown ca" in reasons[0].lower()


class Held(trio.abc.Stream):
    """Holds back what is sent, so that two TLS records leave in one segment."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream, self.held, self.is_holding = stream, b"", False

    async def send_all(self, data):
        self.held += data
        if not self.is_holding:
            data, self.held = self.held, b""
            await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes=None):
        return await self.stream.receive_some(max_bytes)

    async def aclose(self):
        await self.stream.aclose()


@pytest.mark.slow
async def test_half_a_tls_record_does_not_extend_the_read_timeout(authority, trusting, start_script, read_head, clock):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def script(stream):
        held = Held(stream)
        secured = trio.SSLStream(held, context, server_side=True, https_compatible=True)
        await read_head(secured)
        held.is_holding = True
        await secured.send_all(OK)
        await stream.send_all(held.held[:-1])
        await trio.sleep_forever()

    url = (await start_script(script)).replace("http://127.0.0.1", "https://localhost")
    async with minihttp.AsyncClient(verify=trusting, timeout=minihttp.Timeout(5, read=3)) as client:
        with pytest.raises(minihttp.ReadTimeout, match="within 3 s"):
            await client.get(url)


@pytest.mark.parametrize("way", ["get", "stream"])
@pytest.mark.parametrize("is_smuggling", [False, True])
@pytest.mark.slow
async def test_a_record_left_over_in_tls_is_never_the_next_response(
    authority, trusting, start_script, read_head, is_smuggling, way
):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def script(stream):
        held = Held(stream)
        secured = trio.SSLStream(held, context, server_side=True, https_compatible=True)
        while await read_head(secured):
            held.is_holding = is_smuggling
            await secured.send_all(OK)
            held.is_holding = False
            if is_smuggling:
                await secured.send_all(OK.replace(b"ok", b"no"))

    url = (await start_script(script)).replace("http://127.0.0.1", "https://localhost")
    async with minihttp.AsyncClient(verify=trusting) as client:
        for _ in range(3):
            if way == "get":
                assert (await client.get(url)).text == "ok"
            else:
                async with client.stream("GET", url) as response:
                    assert response.status_code == 200
            assert f"0 active, {int(not is_smuggling)} idle" in repr(client)
