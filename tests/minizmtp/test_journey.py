"""The journey of a message: which functions it passes, in a real run. README's table is made from it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import FrameType

import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from tests.minizmtp.helpers import pair
from tests.zmtp_bytes import GREETING, frame, ready

PACKAGE = Path(zmq.__file__).parent

# What README says of each step, and the function that does it.
STEPS = [
    ("the program calls `send`", '`b"hello"`', "sockets/socket.py", "Socket.send"),
    ("REQ puts its envelope in front", '`[b"", b"hello"]`', "patterns/reqrep.py", "Req.try_send"),
    ("round robin picks a peer", "–", "patterns/routing.py", "RoundRobin.send"),
    ("the peer's pipe takes it", "in the outbound queue", "patterns/queue.py", "Queue.offer"),
    ("the peer's writer sends it at once", "taken out of the queue", "net/writer.py", "Writer._send_one"),
    ("the Connection encodes it", "`01 00  00 05 68 65 6c 6c 6f`", "wire/connection.py", "Connection.encode"),
    ("the system takes it", "9 octets on their way", "net/transports.py", "Stream.try_send"),
    ("the peer's engine reads a chunk", "the same 9 octets", "net/transports.py", "Stream.try_receive_into"),
    ("its Connection makes events of it", '`[b"", b"hello"]`', "wire/connection.py", "Connection.next_event"),
    ("its pipe keeps it", "in the inbound queue", "patterns/queue.py", "Queue.put_all"),
    ("fair queueing picks the next pipe", "–", "patterns/routing.py", "FairQueue.take"),
    ("REP keeps the envelope for the answer", '`b"hello"`', "patterns/reqrep.py", "split_envelope"),
    ("the program's `recv` returns", '`b"hello"`', "sockets/socket.py", "Socket.recv"),
]


class Recorder:
    """The Python calls inside the package, and their returns, in order. Going on after an await is not a call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.steps: list[tuple[str, str]] = []  # of them, and of the returns of `recv`
        self._frames: list[FrameType] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(str(PACKAGE)) or code.co_name == "<listcomp>":
            return
        step = (Path(code.co_filename).relative_to(PACKAGE).as_posix(), code.co_qualname)
        if event == "return" and argument is not None and step[1] == "Socket.recv":
            self.steps.append(step)
        elif event == "call" and not any(frame is each for each in self._frames):
            self._frames.append(frame)  # kept, so that no other frame takes its place in memory
            self.calls.append(step)
            if step[1] != "Socket.recv":
                self.steps.append(step)


def passes(steps: list[tuple[str, str]], wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of the functions that are wanted, in this order, those that steps do not pass."""
    left = iter(steps)
    return [step for step in wanted if step not in left]


def table() -> str:
    """README's table."""
    lines = ["| step | what it is now | where |", "| --- | --- | --- |"]
    lines += [f"| {text} | {state} | [`{path}`](minizmtp/{path}) `{name}` |" for text, state, path, name in STEPS]
    return "\n".join(lines)


async def test_a_request_passes_what_readme_says_in_that_order() -> None:
    recorder = Recorder()
    async with zmq.Context() as ctx:
        rep, req = await pair(ctx, zmq.REP, zmq.REQ)
        await req.send(b"warm")
        await rep.send(await rep.recv())
        await req.recv()
        await wait_all_tasks_blocked(0.01)
        sys.setprofile(recorder)
        try:
            await req.send(b"hello")
            assert await rep.recv() == b"hello"
        finally:
            sys.setprofile(None)
    assert passes(recorder.steps, [(path, name) for _, _, path, name in STEPS]) == []


def test_readme_has_the_table_of_the_journey() -> None:
    print(table())
    assert table() in (PACKAGE.parent / "README.md").read_text("utf-8")


async def test_an_idle_send_is_9_calls() -> None:
    recorder = Recorder()
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH)
        for _ in range(2):  # the second one asks for a run, in which the writer sees that no other message follows
            await push.send(b"warm")
            await pull.recv()
            await wait_all_tasks_blocked(0.01)
        sys.setprofile(recorder)
        try:
            await push.send(b"hello")
        finally:
            sys.setprofile(None)
    print(*recorder.calls, sep="\n")
    assert len(recorder.calls) <= 9


async def test_a_recv_that_waits_is_29_calls() -> None:
    """From the call to the message: waiting, reading, decoding. The peer is no part of it, nor is looking."""
    recorder = Recorder()

    async def receive() -> None:
        sys.setprofile(recorder)
        try:
            assert await pull.recv() == b"hello"
        finally:
            sys.setprofile(None)

    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, spin_time=0)
        pull.bind("tcp://127.0.0.1:*")
        with socket.create_connection(("127.0.0.1", int(pull.last_endpoint.rpartition(":")[2]))) as peer:
            peer.sendall(GREETING + ready(b"PUSH"))
            for call, body in ((pull.recv, b"warm"), (receive, b"hello")):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(call)
                    await wait_all_tasks_blocked(0.01)  # so that the next call does not look
                    peer.sendall(frame(body))
    print(*recorder.calls, sep="\n")
    assert len(recorder.calls) <= 29
