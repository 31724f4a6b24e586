"""The recording: whatever is shown of a conversation is what its two ends really said.

The relay has tests of its own, with the tap's.
"""

import random

import pytest
import trio
import trio.testing

from minizmtp.demo.ends import background, call_until_heard, recorded
from minizmtp.demo.relay import LOCALHOST, Recording
from minizmtp.trace import Side


async def start(nursery, handler) -> int:
    """A server; its port."""
    listeners = await nursery.start(trio.serve_tcp, handler, 0)
    return listeners[0].socket.getsockname()[1]


async def echo(stream) -> None:
    async for octets in stream:
        await stream.send_all(octets)
    await stream.send_eof()


async def read_all(stream) -> bytes:
    return b"".join([bytes(octets) async for octets in stream])


async def test_a_megabyte_goes_through_unchanged_and_is_recorded(nursery):
    everything = random.Random(1).randbytes(1 << 20)
    async with recorded(await start(nursery, echo)) as relay:
        stream = await trio.open_tcp_stream(LOCALHOST, relay.port)

        async def write() -> None:
            await stream.send_all(everything)
            await stream.send_eof()

        async with stream, background(write):
            assert await read_all(stream) == everything
    for side in Side:
        assert relay.recording.said(side) == everything
    assert relay.recording.octets == 2 << 20


async def test_connections_are_counted_and_told_apart(nursery):
    recording = Recording()
    async with recorded(await start(nursery, echo), recording=recording) as relay:
        streams = [await trio.open_tcp_stream(LOCALHOST, relay.port) for _ in range(3)]
        for number, stream in enumerate(streams):
            await stream.send_all(b"%d" % number)
            await stream.receive_some(1)
        for stream in streams:
            await stream.aclose()
    assert recording.connections == 3
    assert len({recording.find(b"%d" % number).connection for number in range(3)}) == 3
    with pytest.raises(LookupError):
        recording.find(b"7")


async def test_latency_holds_each_octet_back_and_not_the_next(nursery):
    async with (
        recorded(await start(nursery, echo), latency=0.1) as relay,
        await trio.open_tcp_stream(LOCALHOST, relay.port) as stream,
    ):
        began = trio.current_time()
        for letter in (b"a", b"b", b"c"):
            await stream.send_all(letter)
            await trio.sleep(0.02)
        received = b""
        while len(received) < 3:
            received += await stream.receive_some(1)
        took = trio.current_time() - began
    first, last = relay.recording.chunks[0], relay.recording.chunks[-1]
    assert took >= 0.2 + 0.04  # there and back, and the pauses
    assert took < 3 * 0.2  # but not one after the other
    assert (first.side, last.side) == (Side.CLIENT, Side.SERVER)
    assert last.at - first.at >= 0.1


async def test_a_publisher_repeats_until_all_subscribers_have_it(autojump_clock):
    calls = 0
    heard = [trio.Event(), trio.Event()]

    async def call() -> None:
        nonlocal calls
        calls += 1
        if calls >= 3:
            heard[0].set()
        if calls >= 5:
            heard[1].set()

    await call_until_heard(call, heard)
    assert calls == 5
