"""`raw`, the floor: the roles of `roles` on a bare trio stream, with the same octets but without a protocol.

Work without replies is one stream of octets in writes of 64 KiB, so small messages are written together, and the
receiver doesn't parse them: this is the most that the system and trio can transfer. Within one process, the floor is a
trio memory channel.
"""

from functools import partial
from time import perf_counter
from typing import Any

import trio

from .idle import GREETING, HANDSHAKE, Ledger
from .roles import WARM, WINDOW, Figures

WRITE = 65536
READ = 1 << 18


async def listen(end: Any) -> trio.SocketListener:
    if end.work.transport == "ipc":
        path = end.path()
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        await sock.bind(path)
        sock.listen(100)
        end.tell(path)
        return trio.SocketListener(sock)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1000)
    end.tell(str(listener.socket.getsockname()[1]))
    return listener


async def accept(end: Any) -> list[trio.SocketStream]:
    async with await listen(end) as listener:
        return [await listener.accept() for _ in range(end.work.peers)]


async def reach(end: Any) -> trio.SocketStream:
    endpoint = await end.told()
    return await dial(end, endpoint)


async def dial(end: Any, endpoint: str) -> trio.SocketStream:
    if end.work.transport == "ipc":
        return await trio.open_unix_socket(endpoint)
    return await trio.open_tcp_stream("127.0.0.1", int(endpoint))


async def read(stream: trio.SocketStream, octets: int) -> None:
    while octets > 0:
        data = await stream.receive_some(READ)
        assert data, "the other end has hung up"
        octets -= len(data)
    assert octets == 0


async def write(streams: list[trio.SocketStream], octets: int, size: int) -> None:
    """Write `octets` octets to each stream, in writes of whole messages of `size` octets."""
    piece = bytes(size * max(1, WRITE // size))
    for _ in range(octets // len(piece)):
        for stream in streams:
            await stream.send_all(piece)
    for stream in streams:
        await stream.send_all(piece[: octets % len(piece)])


# ── one direction ───────────────────────────────────────────────────────────────────────────────────────────────────


async def pull(end: Any) -> Figures:
    work = end.work
    if work.transport == "inproc":
        return await pull_channel(end)
    (stream,) = await accept(end)
    end.tell("go")
    return await count(stream, work.size * work.frames, work.count)


async def count(stream: trio.SocketStream, size: int, messages: int) -> Figures:
    first = len(await stream.receive_some(size))
    started = perf_counter()
    await read(stream, size * messages - first)
    return messages - 1, perf_counter() - started


async def push(end: Any) -> None:
    if end.work.transport == "inproc":
        await push_channel(end)
        return
    size = end.work.size * end.work.frames
    async with await reach(end) as stream:
        await end.told()
        await write([stream], size * end.work.count, size)


async def publish(end: Any) -> None:
    streams = await accept(end)
    await write(streams, end.work.size * end.work.count, end.work.size)
    await end.told()


async def subscribers(end: Any) -> Figures:
    endpoint = await end.told()
    streams = [await dial(end, endpoint) for _ in range(end.work.peers)]
    started = perf_counter()
    size, messages = end.work.size, end.work.count
    await end.together([partial(read, stream, size * messages) for stream in streams])
    seconds = perf_counter() - started
    end.tell("enough")
    return messages * len(streams), seconds


# ── request and reply ───────────────────────────────────────────────────────────────────────────────────────────────


async def request(end: Any) -> Figures:
    work = end.work
    if work.transport == "inproc":
        return await request_channel(end)
    message = work.message()
    async with await reach(end) as stream:
        for round_trip in range(WARM + work.count):
            if round_trip == WARM:
                started = perf_counter()
            await stream.send_all(message)
            await read(stream, work.size)
        return work.count, perf_counter() - started


async def reply(end: Any) -> None:
    work = end.work
    if work.transport == "inproc":
        await reply_channel(end)
        return
    (stream,) = await accept(end)
    message = work.message()
    for _ in range(WARM + work.count):
        await read(stream, work.size)
        await stream.send_all(message)


def rounds(work: Any) -> tuple[int, int]:
    """The number of times that each client sends half a window, and the number of messages in that.

    Half a window is sent at a time, because the replies to the other half are under way.
    """
    each = work.count // work.peers
    half = max(1, min(WINDOW, each) // 2)
    return max(1, each // half), half


async def route(end: Any) -> None:
    times, half = rounds(end.work)

    async def one(stream: trio.SocketStream) -> None:
        octets = times * half * end.work.size
        while octets:
            data = await stream.receive_some(READ)
            assert data, "the other end has hung up"
            await stream.send_all(data)
            octets -= len(data)

    await end.together([partial(one, stream) for stream in await accept(end)])
    await end.told()


async def dealers(end: Any) -> Figures:
    times, half = rounds(end.work)
    endpoint = await end.told()
    piece = bytes(half * end.work.size)
    streams = [await dial(end, endpoint) for _ in range(end.work.peers)]

    async def one(stream: trio.SocketStream) -> None:
        sent = received = 0
        for _ in range(times):
            await stream.send_all(piece)
            sent += len(piece)
            while received < sent - len(piece):
                received += len(await stream.receive_some(READ))
        await read(stream, sent - received)

    started = perf_counter()
    await end.together([partial(one, stream) for stream in streams])
    seconds = perf_counter() - started
    end.tell("enough")
    return times * half * len(streams), seconds


# ── in one process ──────────────────────────────────────────────────────────────────────────────────────────────────


async def pull_channel(end: Any) -> Figures:
    messages = end.work.count
    end.shared["pull"], channel = trio.open_memory_channel[bytes](2000)
    end.tell("channel")
    message = await channel.receive()
    started = perf_counter()
    for _ in range(messages - 1):
        message = await channel.receive()
    seconds = perf_counter() - started
    assert message == end.work.message()
    return messages - 1, seconds


async def push_channel(end: Any) -> None:
    await end.told()
    channel, message = end.shared["pull"], end.work.message()
    for _ in range(end.work.count):
        await channel.send(message)


async def request_channel(end: Any) -> Figures:
    await end.told()
    messages, message = end.work.count, end.work.message()
    send, receive = end.shared["request"].send, end.shared["answers"].receive
    started = perf_counter()
    for _ in range(messages):
        await send(message)
        await receive()
    return messages, perf_counter() - started


async def reply_channel(end: Any) -> None:
    end.shared["request"], requests = trio.open_memory_channel[bytes](1)
    answers, end.shared["answers"] = trio.open_memory_channel[bytes](1)
    end.tell("channel")
    for _ in range(end.work.count):
        await answers.send(await requests.receive())


# ── idle connections ────────────────────────────────────────────────────────────────────────────────────────────────


async def hold(end: Any) -> tuple[float, float]:
    """Hold each connection with one task, which has answered a greeting and waits for more octets."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1000)

    async def one(stream: trio.SocketStream) -> None:
        await stream.receive_some(len(GREETING))
        await stream.send_all(HANDSHAKE)
        while await stream.receive_some():
            pass

    async with trio.open_nursery() as nursery:
        end.tell(f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}")
        ledger = Ledger()
        end.tell("come")
        nursery.start_soon(trio.serve_listeners, one, [listener])
        await end.told()
        costs = ledger.costs(end.work.peers)
        nursery.cancel_scope.cancel()
    end.tell("enough")
    return costs
