"""One connection: each phase has its error, and a timeout is measured on trio's clock."""

import pytest
import trio
import trio.testing

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


async def test_a_busy_pool_is_a_pool_timeout(start_script, clock, nursery):
    limits = minihttp.Limits(max_connections=1)
    async with minihttp.AsyncClient(timeout=minihttp.Timeout(None, pool=4), limits=limits) as client:
        url = await start_script(silent)
        nursery.start_soon(client.get, url)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(minihttp.PoolTimeout, match="all 1 connections were busy for 4 s"):
            await client.get(url)
        nursery.cancel_scope.cancel()


async def test_nobody_listening_is_a_connect_error():
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))  # bound, so that nobody else gets it, and not listening
        async with minihttp.AsyncClient() as client:
            with pytest.raises(minihttp.ConnectError, match=r"cannot connect to 127\.0\.0\.1 port") as caught:
                await client.get(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert caught.value.request.method == "GET"


async def test_a_server_that_hangs_up_is_a_remote_protocol_error(start_script, read_head):
    async def hang_up(stream):
        await read_head(stream)

    async with minihttp.AsyncClient() as client:
        with pytest.raises(minihttp.RemoteProtocolError, match="without a response"):
            await client.get(await start_script(hang_up))
        assert "0 active" in repr(client)
