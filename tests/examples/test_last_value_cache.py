"""Newcomers hear how things stand."""

from pathlib import Path

import pytest
import trio

import minizmtp as zmq
from examples.last_value_cache import Cache, cache, listen, publish


@pytest.fixture
def endpoints(tmp_path: Path) -> tuple[str, str]:
    return f"ipc://{tmp_path}/front", f"ipc://{tmp_path}/back"


async def heard(cache: Cache, word: bytes) -> None:
    """Until the cache knows it to be the last word. (A subscriber that comes before that may get it twice.)"""
    while cache.last.get(b"eu") != [b"eu", word]:
        await trio.lowlevel.checkpoint()


async def listen_for_a_second(ctx: zmq.Context, endpoint: str, prefix: bytes) -> list[list[bytes]]:
    with trio.move_on_after(1):
        return await listen(ctx, endpoint, prefix, 1)
    return []


@pytest.mark.requirement("L-36", "L-39")
@pytest.mark.parametrize("verbose", [1, 0])
async def test_every_new_subscriber_gets_the_last_value(
    endpoints: tuple[str, str], verbose: int, quick_clock: object
) -> None:
    """The publisher has gone. Without xpub_verbose, which is why it is there, the second newcomer hears nothing."""
    front, back = endpoints
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        news, readers = ctx.socket(zmq.XSUB), ctx.socket(zmq.XPUB, xpub_verbose=verbose, linger=0)
        news.bind(front)
        readers.bind(back)
        cache = Cache(news, readers)
        nursery.start_soon(cache.run)
        await publish(ctx, front, [b"eu", b"rain"], [b"us", b"snow"], [b"eu", b"sun"])
        await heard(cache, b"sun")
        first = ctx.socket(zmq.SUB)
        first.connect(back)
        first.subscribe(b"eu")
        assert await first.recv_multipart() == [b"eu", b"sun"]
        second = await listen_for_a_second(ctx, back, b"eu")
        assert second == ([[b"eu", b"sun"]] if verbose else [])
        nursery.cancel_scope.cancel()


@pytest.mark.requirement("L-36")
async def test_a_prefix_gets_the_last_of_each_topic(endpoints: tuple[str, str]) -> None:
    front, back = endpoints
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        nursery.start_soon(cache, ctx, front, back)
        await publish(ctx, front, [b"a.1", b"old"], [b"a.2", b"old"], [b"b", b"old"])
        await publish(ctx, front, [b"a.2", b"new"])
        await listen(ctx, back, b"", 3)  # now the cache has heard them both out
        assert await listen(ctx, back, b"a.", 2) == [[b"a.1", b"old"], [b"a.2", b"new"]]
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_no_subscriber_gets_an_old_value_after_a_new_one(endpoints: tuple[str, str]) -> None:
    """Newcomers at every moment of a long series: each hears a series that only goes up, to its very end."""
    front, back = endpoints
    last = 300
    heard: list[list[int]] = []

    async def newcomer(ctx: zmq.Context) -> None:
        values: list[int] = []
        heard.append(values)
        async with ctx.socket(zmq.SUB) as sub:
            sub.connect(back)
            sub.subscribe(b"price")
            while not values or values[-1] < last:
                values.append(int((await sub.recv_multipart())[1]))

    async with zmq.Context() as ctx, trio.open_nursery() as service:
        service.start_soon(cache, ctx, front, back)
        pub = ctx.socket(zmq.XPUB)
        pub.connect(front)
        await pub.recv()
        with trio.fail_after(20):
            async with trio.open_nursery() as newcomers:
                for value in range(last + 1):
                    await pub.send_multipart([b"price", b"%d" % value])
                    if value % 10 == 0:
                        newcomers.start_soon(newcomer, ctx)
                    await trio.lowlevel.checkpoint()
        service.cancel_scope.cancel()
    assert len(heard) == 31
    assert all(values == sorted(values) for values in heard)


@pytest.mark.requirement("L-38", "L-19")
async def test_a_broken_connection_is_replaced(endpoints: tuple[str, str], quick_clock: object) -> None:
    """What was said meanwhile is lost, all but the last word."""
    front, back = endpoints
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        news, readers = ctx.socket(zmq.XSUB), ctx.socket(zmq.XPUB, xpub_verbose=1, linger=0)
        news.bind(front)
        readers.bind(back)
        cache = Cache(news, readers)
        nursery.start_soon(cache.run)
        await publish(ctx, front, [b"eu", b"rain"])
        await heard(cache, b"rain")
        sub = ctx.socket(zmq.SUB)
        sub.connect(back)
        sub.subscribe(b"eu")
        assert await sub.recv_multipart() == [b"eu", b"rain"]
        readers.unbind(back)
        await publish(ctx, front, [b"eu", b"snow"], [b"eu", b"sun"])
        await heard(cache, b"sun")
        readers.bind(back)
        assert await sub.recv_multipart() == [b"eu", b"sun"]
        nursery.cancel_scope.cancel()
