"""The small server, spoken to in octets."""

import pytest
import trio

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
