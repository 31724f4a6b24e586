"""The relay behaves like a direct connection, over each transport, and also when an end dies."""

import errno
import itertools
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from minizmtp.net.endpoints import Endpoint, Ipc, Tcp
from minizmtp.net.transports import Listener, Stream, listen
from minizmtp.options import Options
from minizmtp.tap import relay as relay_module
from minizmtp.tap.relay import Relay
from minizmtp.trace import Side

PATIENCE = 10
ANY = {"tcp": Tcp("127.0.0.1", 0), "ipc": Ipc("*")}
Handler = Callable[[trio.SocketStream], object]


class Heard:
    """A Watcher that writes down all that it is told."""

    def __init__(self) -> None:
        self.connections: list[tuple[Endpoint | None, Endpoint | None]] = []
        self.chunks: list[tuple[int, Side, bytes]] = []
        self.times: list[float] = []
        self.ends: list[tuple[int, Side, str]] = []
        self.closed_ones: list[int] = []
        self.news = trio.Event()

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        self.connections.append((client, server))
        return len(self.connections)

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        assert octets
        self.times.append(at)
        self.chunks.append((connection, side, octets))

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        self.ends.append((connection, side, why))

    def closed(self, connection: int, at: float) -> None:
        self.closed_ones.append(connection)
        self.news.set()

    def said(self, side: Side) -> bytes:
        return b"".join(octets for _, speaker, octets in self.chunks if speaker is side)

    async def all_over(self, connections: int = 1) -> None:
        with trio.fail_after(PATIENCE):
            while len(self.closed_ones) < connections:
                await self.news.wait()
                self.news = trio.Event()


class Scene:
    """A server, a relay to it, and who watches."""

    def __init__(self, listener: Listener, heard: Heard) -> None:
        self.endpoint = listener.endpoint
        self.heard = heard

    async def dial(self) -> trio.SocketStream:
        return await dial(self.endpoint)


async def dial(endpoint: Endpoint) -> trio.SocketStream:
    if isinstance(endpoint, Ipc):
        return await trio.open_unix_socket(endpoint.path)
    assert isinstance(endpoint, Tcp)
    return await trio.open_tcp_stream(endpoint.host, endpoint.port)


async def serve(listener: Listener, handler: Handler) -> None:
    """trio's own streams, so that nothing of ours is tested with itself."""
    async with trio.open_nursery() as nursery:
        while True:
            accepted = await listener.accept()
            nursery.start_soon(handler, adopted(accepted))


def adopted(stream: Stream) -> trio.SocketStream:
    copy = socket.socket(fileno=os.dup(stream.fileno))
    stream.close()
    return trio.SocketStream(trio.socket.from_stdlib_socket(copy))


@asynccontextmanager
async def scene(transports: tuple[str, str], handler: Handler, latency: float = 0.0) -> AsyncIterator[Scene]:
    server, front = (listen(ANY[transport], Options()) for transport in reversed(transports))
    heard = Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, server, handler)
        await nursery.start(Relay(front, server.endpoint, heard, latency).run)
        with trio.fail_after(60):
            yield Scene(front, heard)
        nursery.cancel_scope.cancel()
    server.close()


async def echo(stream: trio.SocketStream) -> None:
    async with stream:
        async for octets in stream:
            await stream.send_all(octets)
        await stream.send_eof()


async def read_all(stream: trio.SocketStream) -> bytes:
    return b"".join([bytes(octets) async for octets in stream])


def die(stream: trio.SocketStream) -> None:
    """Close with a reset where the transport has such a thing."""
    if stream.socket.family != socket.AF_UNIX:
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


every_mix = pytest.mark.parametrize("transports", list(itertools.product(ANY, ANY)), ids="→".join)


@every_mix
@pytest.mark.parametrize("latency", [0.0, 0.001])
async def test_a_megabyte_goes_through_unchanged_both_ways(transports: tuple[str, str], latency: float) -> None:
    everything = random.Random(1).randbytes(1 << 20)
    async with scene(transports, echo, latency) as it, await it.dial() as stream, trio.open_nursery() as nursery:

        async def write() -> None:
            await stream.send_all(everything)
            await stream.send_eof()

        nursery.start_soon(write)
        assert await read_all(stream) == everything
        await it.heard.all_over()
    for side in Side:
        assert it.heard.said(side) == everything
    assert it.heard.times == sorted(it.heard.times)
    assert sorted(it.heard.ends, key=str) == [(1, Side.CLIENT, ""), (1, Side.SERVER, "")]


@every_mix
async def test_a_half_close_is_passed_on_as_such(transports: tuple[str, str]) -> None:
    async def answer_at_the_end(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(b"you said " + await read_all(stream))

    async with scene(transports, answer_at_the_end) as it, await it.dial() as stream:
        await stream.send_all(b"hello")
        await stream.send_eof()
        assert await read_all(stream) == b"you said hello"


@every_mix
async def test_a_server_may_end_its_stream_first(transports: tuple[str, str]) -> None:
    heard: list[bytes] = []

    async def listen_after_all(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_eof()
            heard.append(await read_all(stream))

    async with scene(transports, listen_after_all) as it, await it.dial() as stream:
        assert await read_all(stream) == b""
        await stream.send_all(b"still here")
        await stream.send_eof()
        await it.heard.all_over()
    assert heard == [b"still here"]


@every_mix
@pytest.mark.parametrize("latency", [0.0, 0.001])
async def test_what_a_server_said_before_it_died_still_arrives(transports: tuple[str, str], latency: float) -> None:
    async def last_words(stream: trio.SocketStream) -> None:
        await stream.send_all(b"last words")
        assert await stream.receive_some(100) == b"heard"
        die(stream)

    async with scene(transports, last_words, latency) as it, await it.dial() as stream:
        assert await stream.receive_some(100) == b"last words"
        await stream.send_all(b"heard")
        with suppress(trio.BrokenResourceError):  # a reset that arrives says as much as a close
            assert await stream.receive_some(100) == b""
        if latency == 0 and transports[1] == "tcp":
            await it.heard.all_over()
            assert it.heard.ends[0] == (1, Side.SERVER, "connection reset by peer")


@every_mix
async def test_the_end_of_the_client_reaches_the_server(transports: tuple[str, str]) -> None:
    told = trio.Event()

    async def wait_for_the_end(stream: trio.SocketStream) -> None:
        async with stream:
            assert await stream.receive_some(100) == b"hello"
            with suppress(trio.BrokenResourceError):
                assert await stream.receive_some(100) == b""
            told.set()

    async with scene(transports, wait_for_the_end) as it:
        stream = await it.dial()
        await stream.send_all(b"hello")
        while not it.heard.chunks:
            await trio.lowlevel.checkpoint()
        die(stream)
        await told.wait()
        await it.heard.all_over()


@every_mix
async def test_a_client_that_sends_to_a_dead_server_gets_an_error(transports: tuple[str, str]) -> None:
    async def leave(stream: trio.SocketStream) -> None:
        await stream.send_all(b"bye")
        die(stream)

    async with scene(transports, leave) as it, await it.dial() as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(bytes(256 << 20))  # more than all the buffers on the way
        await it.heard.all_over()


@pytest.mark.parametrize("transport", ANY)
async def test_without_a_server_the_client_sees_a_close(transport: str) -> None:
    gone = listen(ANY[transport], Options())
    front = listen(ANY["tcp"], Options())
    heard = Heard()
    gone.close()
    async with trio.open_nursery() as nursery:
        await nursery.start(Relay(front, gone.endpoint, heard).run)
        for _ in range(2):
            async with await dial(front.endpoint) as stream:
                with trio.fail_after(PATIENCE):
                    assert await stream.receive_some(1) == b""
        await heard.all_over(2)
        nursery.cancel_scope.cancel()
    assert [server for _, server in heard.connections] == [None, None]
    reason = os.strerror(errno.ECONNREFUSED if transport == "tcp" else errno.ENOENT).lower()
    assert heard.ends == [(1, Side.SERVER, reason), (2, Side.SERVER, reason)]


@pytest.mark.slow
async def test_a_reader_that_does_not_read_stops_the_writer() -> None:
    everything = bytes(64 << 20)
    start = trio.Event()
    received = 0

    async def sleep_first(stream: trio.SocketStream) -> None:
        nonlocal received
        async with stream:
            await start.wait()
            async for octets in stream:
                received += len(octets)

    async with scene(("ipc", "ipc"), sleep_first) as it, await it.dial() as stream, trio.open_nursery() as nursery:

        async def write() -> None:
            await stream.send_all(everything)
            await stream.send_eof()

        nursery.start_soon(write)
        while not it.heard.chunks:
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked(0.05)
        assert sum(len(octets) for _, _, octets in it.heard.chunks) < 8 << 20  # what two sockets of the system hold
        start.set()
        await it.heard.all_over()
    assert received == len(everything)


async def test_with_latency_a_bounded_number_of_reads_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "WIRE", 3)
    reads = 0

    async def wait_receivable(self: Stream) -> None:
        nonlocal reads
        reads += 1
        await original(self)

    original = Stream.wait_receivable
    monkeypatch.setattr(Stream, "wait_receivable", wait_receivable)
    async with (
        scene(("ipc", "ipc"), echo, latency=3600) as it,
        await it.dial() as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(stream.send_all, bytes(64 << 20))
        while reads < 3:
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked(0.05)
        # Three on the wire, one that has just left it, one that waits to enter; and the other side has nothing to say.
        assert reads == 3 + 2 + 1
        nursery.cancel_scope.cancel()


async def test_a_reply_is_never_reported_before_its_request() -> None:
    async with scene(("tcp", "tcp"), echo) as it, await it.dial() as stream, trio.open_nursery() as nursery:

        async def write() -> None:
            for size in range(1, 200):
                await stream.send_all(bytes(size * 50))
            await stream.send_eof()

        nursery.start_soon(write)
        await read_all(stream)
    asked = answered = 0
    for _, side, octets in it.heard.chunks:
        if side is Side.CLIENT:
            asked += len(octets)
        else:
            answered += len(octets)
        assert answered <= asked
    assert answered == asked > 0


async def test_connections_are_numbered_and_show_their_source() -> None:
    async with scene(("tcp", "ipc"), echo) as it:
        streams = [await it.dial() for _ in range(3)]
        for number, stream in enumerate(streams):
            await stream.send_all(b"%d" % number)
            assert await stream.receive_some(1) == b"%d" % number
        names = [stream.socket.getsockname() for stream in streams]
        for stream in streams:
            await stream.aclose()
        await it.heard.all_over(3)
    clients, servers = zip(*it.heard.connections, strict=True)
    assert set(clients) == {Tcp(host, port) for host, port in names}
    assert all(isinstance(server, Ipc) and server.path.startswith("/") for server in servers)
    assert len({connection for connection, _, octets in it.heard.chunks if octets == b"1"}) == 1


async def test_out_of_files_is_a_pause_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = 0

    async def accept(self: Listener) -> Stream:
        nonlocal refusals
        if self is front and refusals < 2:
            refusals += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await original(self)

    original = Listener.accept
    monkeypatch.setattr(relay_module, "PAUSE", 0)
    front, server = listen(ANY["tcp"], Options()), listen(ANY["tcp"], Options())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, server, echo)
        monkeypatch.setattr(Listener, "accept", accept)
        await nursery.start(Relay(front, server.endpoint, Heard()).run)
        with trio.fail_after(PATIENCE):
            async with await dial(front.endpoint) as stream:
                await stream.send_all(b"x")
                assert await stream.receive_some(1) == b"x"
        assert refusals == 2
        nursery.cancel_scope.cancel()
    server.close()
