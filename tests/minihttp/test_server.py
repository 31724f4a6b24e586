"""The small server, spoken to in octets."""

from functools import partial

import pytest
import trio
import trio.testing

import minihttp


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
async def test_some_answers_have_no_body_whatever_the_handler_gives(start_server, status):
    async def handler(request):
        return minihttp.Response(status, content=iter([b"not sent"]))

    received = await talk(await start_server(handler), GET + LAST)
    assert received.count(b"HTTP/1.1 %d" % status) == 2
    assert b"not sent" not in received


EXPECTING = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"


async def test_100_continue_is_said_when_the_handler_reads(start_server):
    url = minihttp.URL(await start_server(echo))
    async with await trio.open_tcp_stream(url.host, url.port) as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        await stream.send_all(b"body")
        assert (await stream.receive_some()).endswith(b"\r\n\r\nbody")


async def test_100_continue_is_not_said_when_it_does_not(start_server):
    received = await talk(await start_server(hello), EXPECTING)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_endless_headers_give_431(start_server):
    received = await talk(await start_server(hello, max_header_size=1000), GET[:-2] + b"X: " + b"x" * 2000)
    assert received.startswith(b"HTTP/1.1 431 ")


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


async def test_who_sends_too_slowly_is_hung_up_on(start_server, mock_clock):
    mock_clock.autojump_threshold = 0.02
    url = minihttp.URL(await start_server(hello, idle_timeout=10))
    async with await trio.open_tcp_stream(url.host, url.port) as stream:
        started = trio.current_time()
        for _ in range(3):  # a drip every three seconds does not make a head
            await stream.send_all(b"G")
            await trio.sleep(3)
        assert await stream.receive_some() == b""
        assert trio.current_time() - started == pytest.approx(10, abs=0.1)


async def test_a_client_that_falls_silent_in_its_body_gives_408_and_is_not_the_handlers_fault(
    start_server, mock_clock, caplog
):
    mock_clock.autojump_threshold = 0.02

    async def read(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=await request.aread())

    url = await start_server(read, idle_timeout=10)
    received = await talk(url, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhal")
    assert received.startswith(b"HTTP/1.1 408 ")
    assert "handler failed" not in caplog.text


async def test_what_goes_wrong_behind_the_handler_is_not_the_clients_fault(start_server, caplog):
    async def ask_another(request: minihttp.Request) -> minihttp.Response:
        raise minihttp.RemoteProtocolError("the other server talks nonsense")

    assert (await talk(await start_server(ask_another), LAST)).startswith(b"HTTP/1.1 500 ")
    assert "talks nonsense" in caplog.text


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


@pytest.mark.parametrize(
    "response",
    [
        None,
        minihttp.Response(200, headers={"X": "a\r\nb"}),
        minihttp.Response(99),
        minihttp.Response(200, headers={"Content-Length": "x"}),
    ],
)
async def test_a_response_that_cannot_be_sent_gives_500(start_server, caplog, response):
    async def handler(request):
        return response

    assert (await talk(await start_server(handler), LAST)).startswith(b"HTTP/1.1 500 ")
    assert caplog.records


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
