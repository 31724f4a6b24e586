"""docs/PYZMQ.md is true: one program runs on both libraries, and each difference is one.

pyzmq's side of a test runs on asyncio in a plain function, ours on trio beside it.
"""

import asyncio
import inspect
import os
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import zmq as pyzmq
import zmq.asyncio
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

import minizmtp
import minizmtp.auth
from minizmtp import Event

from .helpers import CUT, cut_at, cuts

PAGE = Path(__file__).parents[2].joinpath("docs", "PYZMQ.md").read_text("utf-8")
PROGRAM, TRIO, ASYNCIO, OUTPUT = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OURS, THEIRS = zip(*re.findall(r"^\| `(.*?import .*?)` \| `(.*?import .*?)` \|$", PAGE, re.MULTILINE), strict=True)


@pytest.mark.requirement("L-23", "L-26", "L-31")
@pytest.mark.parametrize(("imports", "start"), [(OURS, TRIO), (THEIRS, ASYNCIO)], ids=["minizmtp", "pyzmq"])
@pytest.mark.slow
def test_the_same_program(imports: tuple[str, ...], start: str) -> None:
    text = "\n".join([*imports, PROGRAM, start])
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == (OUTPUT, "", 0)


def test_each_row_has_its_test_and_each_test_its_row() -> None:
    shown = re.findall(r"\| `(test_\w+)` \|$", PAGE, re.MULTILINE)
    rows = [line for line in PAGE.partition("## What is not the same")[2].splitlines() if line.startswith("| ")]
    assert len(rows) == len(shown) + 2  # and the two lines of the table's head
    tests = [name for name in globals() if name.startswith("test_")]
    assert shown == tests[2:]


# ---------------------------------------------------------------------------------------------------- the differences


class Keeper:
    """Makes pyzmq's sockets, and keeps them: pyzmq warns of one that is freed without having been closed."""

    def __init__(self) -> None:
        self.ctx = zmq.asyncio.Context()
        self.sockets: list[Any] = []

    def socket(self, kind: int) -> Any:
        self.sockets.append(self.ctx.socket(kind))
        return self.sockets[-1]


def on_asyncio(body: Callable[[Keeper], Awaitable[None]]) -> None:
    """Run pyzmq's side."""

    async def main() -> None:
        keeper = Keeper()
        try:
            await asyncio.wait_for(body(keeper), 20)
        finally:
            keeper.ctx.destroy(linger=0)

    asyncio.run(main())


def pyzmq_pair(ctx: Keeper) -> tuple[Any, Any]:
    """A PUSH, connected, and a PULL, bound."""
    push, pull = ctx.socket(pyzmq.PUSH), ctx.socket(pyzmq.PULL)
    pull.bind("tcp://127.0.0.1:*")
    push.connect(pull.last_endpoint)
    return push, pull


def our_pair(ctx: minizmtp.Context) -> tuple[minizmtp.Socket, minizmtp.Socket]:
    push, pull = ctx.socket(minizmtp.PUSH), ctx.socket(minizmtp.PULL)
    pull.bind("tcp://127.0.0.1:*")
    push.connect(pull.last_endpoint)
    return push, pull


async def test_lifetime() -> None:
    assert not hasattr(zmq.asyncio.Context, "__aenter__")
    assert not inspect.iscoroutinefunction(zmq.asyncio.Context.term)
    with pytest.raises(TypeError, match="use `async with`"), minizmtp.Context():  # type: ignore[attr-defined]
        pass
    assert inspect.iscoroutinefunction(minizmtp.Context.term)
    with pytest.raises(RuntimeError, match="async with"):
        minizmtp.Context().socket(minizmtp.REQ)


async def test_one_context_for_all() -> None:
    assert zmq.asyncio.Context.instance() is zmq.asyncio.Context.instance()
    zmq.asyncio.Context.instance().term()
    async with minizmtp.Context.instance() as ctx:
        assert minizmtp.Context.instance() is ctx
    again = minizmtp.Context.instance()
    assert again is not ctx
    assert again is minizmtp.Context.instance()


async def test_defaults_of_a_context() -> None:
    async def theirs(ctx: Keeper) -> None:
        before = ctx.socket(pyzmq.PUSH)
        with pytest.raises(AttributeError):
            print(ctx.ctx.rcvtimeo)
        ctx.ctx.linger, ctx.ctx.router_mandatory = 7, 1
        assert [ctx.socket(kind).linger for kind in (pyzmq.PUSH, pyzmq.SUB)] == [7, 7]
        assert before.linger == -1
        with pytest.raises(AttributeError):
            ctx.ctx.lingr = 1
        del ctx.ctx.linger
        ctx.ctx.setsockopt(pyzmq.LINGER, -5)  # is not looked at, and ignored for each new socket
        assert ctx.socket(pyzmq.PUSH).linger == -1

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        before = ctx.socket(minizmtp.PUSH)
        assert ctx.rcvtimeo == -1
        ctx.linger, ctx.router_mandatory = 7, 1
        assert [ctx.socket(kind).linger for kind in (minizmtp.PUSH, minizmtp.SUB)] == [7, 7]
        assert ctx.socket(minizmtp.ROUTER).router_mandatory == 1
        assert ctx.socket(minizmtp.PUSH, linger=8).linger == 8
        assert before.linger == -1
        with pytest.raises(AttributeError, match="did you mean linger"):
            ctx.lingr = 1  # type: ignore[attr-defined]
        with pytest.raises(minizmtp.ZMQError, match="linger=-5"):
            ctx.setsockopt(minizmtp.LINGER, -5)
        assert ctx.getsockopt(minizmtp.LINGER) == 7
        del ctx.linger
        assert [ctx.socket(kind).linger for kind in (minizmtp.PUSH, minizmtp.SUB)] == [-1, 0]


async def test_when_a_send_begins() -> None:
    async def theirs(ctx: Keeper) -> None:
        push, pull = pyzmq_pair(ctx)
        push.send(b"not awaited")
        assert await pull.recv() == b"not awaited"

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        push.send(b"not awaited").close()
        await push.send(b"awaited")
        assert await pull.recv() == b"awaited"


async def test_a_cancelled_recv() -> None:
    """Cancelled at the worst moment: the message is there, and the task has not yet gone on."""

    async def theirs(ctx: Keeper) -> None:
        push, pull = pyzmq_pair(ctx)

        async def receive() -> bytes:
            coming = pull.recv()
            coming.add_done_callback(lambda _: task.cancel())
            message: bytes = await coming
            return message

        task = asyncio.create_task(receive())
        await asyncio.sleep(0)  # one turn: it waits now, before there is anything to receive
        await push.send(b"first")
        with pytest.raises(asyncio.CancelledError):
            await task
        await push.send(b"second")
        assert await pull.recv() == b"second"

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx, trio.open_nursery() as nursery:
        push, pull = our_pair(ctx)
        for late in (False, True):
            for step, received in cuts(late):  # at any moment, among them that one
                nursery.start_soon(push.send, b"message %d" % step)
                received.append(await cut_at(step, late, pull.recv))
                assert (await pull.recv() if received[-1] is CUT else received[-1]) == b"message %d" % step


async def test_closing_under_a_recv() -> None:
    async def theirs(ctx: Keeper) -> None:
        _, pull = pyzmq_pair(ctx)
        coming = pull.recv()
        pull.close()
        with pytest.raises(asyncio.CancelledError):
            await coming

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx, trio.open_nursery() as nursery:
        _, pull = our_pair(ctx)

        async def receive() -> None:
            with pytest.raises(minizmtp.ZMQError) as caught:
                await pull.recv()
            assert caught.value.errno == minizmtp.ENOTSOCK

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        pull.close()


async def test_receiving_out_of_turn() -> None:
    """pyzmq first waits until there is something, and only then asks libzmq, which would have said no."""

    async def theirs(ctx: Keeper) -> None:
        req = ctx.socket(pyzmq.REQ)
        coming = req.recv()
        await asyncio.sleep(0.1)
        assert not coming.done()
        coming.cancel()

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        with pytest.raises(minizmtp.ZMQError) as caught:
            await ctx.socket(minizmtp.REQ).recv()
        assert caught.value.errno == minizmtp.EFSM


async def test_iteration() -> None:
    assert not hasattr(zmq.asyncio.Socket, "__aiter__")
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        await push.send(b"message")
        async for message in pull:
            assert message == [b"message"]
            pull.close()


async def test_options() -> None:
    async def theirs(ctx: Keeper) -> None:
        with pytest.raises(TypeError, match="linger"):
            ctx.ctx.socket(pyzmq.REQ, linger=0)
        req = ctx.socket(pyzmq.REQ)
        req.linger = 5
        req.setsockopt(pyzmq.LINGER, 6)
        assert req.linger == 6

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the socket that could not be made
        await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        req = ctx.socket(minizmtp.REQ, linger=5)
        assert req.linger == 5
        req.setsockopt(minizmtp.LINGER, 6)
        assert req.linger == 6


async def test_options_by_number() -> None:
    async def theirs(ctx: Keeper) -> None:
        dealer = ctx.socket(pyzmq.DEALER)
        for call in (
            lambda: dealer.setsockopt(pyzmq.HWM, 5),
            lambda: dealer.getsockopt(pyzmq.CURVE_SECRETKEY),
        ):
            with pytest.raises(pyzmq.ZMQError) as caught:
                call()
            assert caught.value.errno == pyzmq.EINVAL

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        dealer = ctx.socket(minizmtp.DEALER)
        dealer.setsockopt(minizmtp.HWM, 5)
        assert (dealer.sndhwm, dealer.rcvhwm, dealer.getsockopt(minizmtp.HWM)) == (5, 5, 5)
        key = minizmtp.curve_keypair()[1]
        dealer.setsockopt(minizmtp.CURVE_SECRETKEY, key)
        assert dealer.getsockopt(minizmtp.CURVE_SECRETKEY) == key
        assert repr(dealer.getsockopt(minizmtp.CURVE_SECRETKEY)) == "<secret>"


async def test_options_of_our_own(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("spin_time", "heartbeat_old_peers", "maxsubscribed", "maxunfinished"):
        assert not hasattr(pyzmq, name.upper())
    async with minizmtp.Context() as ctx:
        router = ctx.socket(minizmtp.ROUTER, heartbeat_ivl=1000, heartbeat_old_peers=1, maxunfinished=1_000_000)
        router.conflate = 1
        router.bind("tcp://127.0.0.1:*")
        assert [record.getMessage() for record in caplog.records] == [
            "tcp://127.0.0.1:*: conflate has no effect on a ROUTER"
        ]


async def test_last_endpoint() -> None:
    async def theirs(ctx: Keeper) -> None:
        _, pull = pyzmq_pair(ctx)
        assert type(pull.last_endpoint) is bytes

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        _, pull = our_pair(ctx)
        assert type(pull.last_endpoint) is str


async def test_metadata() -> None:
    async def theirs(ctx: Keeper) -> None:
        push, pull = pyzmq_pair(ctx)
        await push.send(b"")
        frame = await pull.recv(copy=False)
        assert (frame.get("Socket-Type"), frame.get("Peer-Address")) == ("PUSH", "127.0.0.1")

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        await push.send(b"")
        metadata = (await pull.recv_message()).metadata
        assert (metadata["Socket-Type"], metadata["Peer-Address"]) == ("PUSH", "127.0.0.1")


async def test_no_frames() -> None:
    async def theirs(ctx: Keeper) -> None:
        push, pull = pyzmq_pair(ctx)
        await push.send(b"octets", copy=False)
        assert type(await pull.recv(copy=False)) is pyzmq.Frame

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        await push.send(b"octets", copy=False)
        await push.send_multipart([b"two", bytearray(b"frames")], copy=False)
        assert await pull.recv(copy=False) == b"octets"
        assert await pull.recv_multipart(copy=False) == [b"two", b"frames"]


async def test_no_tracking() -> None:
    async def theirs(ctx: Keeper) -> None:
        push, _ = pyzmq_pair(ctx)
        assert type(await push.send(b"octets", copy=False, track=True)) is pyzmq.MessageTracker

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        await push.send(b"begun", minizmtp.SNDMORE)
        with pytest.raises(TypeError, match="leave it out"):
            await push.send(b"octets", track=True)  # and gives up the message that was begun
        with pytest.raises(TypeError, match="leave it out"):
            await push.send_multipart([b"octets"], track=True)
        await push.send(b"whole")
        assert await pull.recv_multipart() == [b"whole"]


def test_no_pickles() -> None:
    assert hasattr(zmq.asyncio.Socket, "send_pyobj")
    assert not hasattr(minizmtp.Socket, "send_pyobj")
    assert not hasattr(minizmtp.Socket, "recv_pyobj")


async def test_a_random_port() -> None:
    async def theirs(ctx: Keeper) -> None:
        assert ctx.socket(pyzmq.PULL).bind_to_random_port("tcp://127.0.0.1", min_port=20_000, max_port=30_000) < 30_000

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        pull = ctx.socket(minizmtp.PULL)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        assert pull.last_endpoint == f"tcp://127.0.0.1:{port}"
        with pytest.raises(TypeError, match="min_port"):
            pull.bind_to_random_port("tcp://127.0.0.1", min_port=20_000)  # type: ignore[call-arg]


async def test_json_without_options() -> None:
    async def theirs(ctx: Keeper) -> None:
        push, pull = pyzmq_pair(ctx)
        await push.send_json({"b": 1, "a": 2}, sort_keys=True)
        assert list(await pull.recv_json()) == ["a", "b"]

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        with pytest.raises(TypeError, match="sort_keys"):
            await push.send_json({}, sort_keys=True)  # type: ignore[call-arg]
        await push.send_json({"b": 1, "a": 2})
        assert list(await pull.recv_json()) == ["b", "a"]


def test_certificate_files(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        _, theirs = zmq.auth.create_certificates(tmp_path, "theirs")
        _, ours = minizmtp.auth.create_certificates(tmp_path, "ours")
    finally:
        os.umask(before)
    assert [Path(path).stat().st_mode & 0o777 for path in (theirs, ours)] == [0o644, 0o600]
    for path in (theirs, ours):  # each library reads both
        assert minizmtp.auth.load_certificate(path) == zmq.auth.load_certificate(path)
    assert repr(minizmtp.auth.load_certificate(ours)[1]) == "<secret>"


async def test_missing_names() -> None:
    assert zmq.MessageTracker
    with pytest.raises(AttributeError, match="a frame is copied"):
        print(minizmtp.MessageTracker)
    async with minizmtp.Context() as ctx:
        with pytest.raises(AttributeError, match="use socket_type"):
            print(ctx.socket(minizmtp.PULL).type)  # type: ignore[attr-defined]


async def test_monitor() -> None:
    async def theirs(ctx: Keeper) -> None:
        pull = ctx.socket(pyzmq.PULL)
        monitor = pull.get_monitor_socket()
        pull.bind("tcp://127.0.0.1:*")
        told = await recv_monitor_message(monitor)
        assert (told["event"], told["endpoint"]) == (Event.LISTENING, pull.last_endpoint)
        pull.disable_monitor()
        monitor.close()

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        pull = ctx.socket(minizmtp.PULL)
        monitor = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        async for told in monitor:
            assert (told.event, told.endpoint, told.reason) == (Event.LISTENING, pull.last_endpoint, "")
            break


async def test_counters() -> None:
    assert not hasattr(zmq.asyncio.Socket, "peers")
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        await push.send(b"")
        await pull.recv()
        assert [peer.received for peer in pull.peers()] == [1]


async def test_batches() -> None:
    assert not hasattr(zmq.asyncio.Socket, "send_many")
    assert not hasattr(zmq.asyncio.Socket, "recv_many")
    async with minizmtp.Context() as ctx:
        push, pull = our_pair(ctx)
        assert await push.send_many([b"one", [b"two", b"frames"]]) == 2
        messages: list[list[bytes]] = []
        while len(messages) < 2:
            messages += await pull.recv_many()
        assert messages == [[b"one"], [b"two", b"frames"]]


def test_proxy() -> None:
    assert not inspect.iscoroutinefunction(pyzmq.proxy)
    assert inspect.iscoroutinefunction(minizmtp.proxy)


async def test_another_thread() -> None:
    def in_a_thread(call: Callable[[], object]) -> list[BaseException]:
        raised: list[BaseException] = []

        def run() -> None:
            try:
                call()
            except RuntimeError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return raised

    async def theirs(ctx: Keeper) -> None:
        pull = ctx.socket(pyzmq.PULL)
        assert in_a_thread(lambda: pull.bind("inproc://here")) == []

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        pull = ctx.socket(minizmtp.PULL)
        (error,) = in_a_thread(lambda: pull.bind("inproc://here"))
        assert "belongs to the thread" in str(error)


# ZMTP 2.0: signature, revision 1, socket type 8 (PUSH), an empty identity.
OLD_GREETING = bytes.fromhex("ff 00 00 00 00 00 00 00 01 7f  01  08  00 00")


async def test_drafts() -> None:
    """pyzmq's wheels have none; `interop_tests/test_drafts.py` talks to a pyzmq that has."""
    assert hasattr(pyzmq.Frame, "routing_id")
    assert hasattr(pyzmq.Frame, "group")
    assert not hasattr(pyzmq.Socket, "connect_peer")
    async with minizmtp.Context() as ctx:
        here, there = ctx.socket(minizmtp.PEER), ctx.socket(minizmtp.PEER)
        there.bind("inproc://peers")
        number = here.connect_peer("inproc://peers")
        assert await here.send_many([minizmtp.Frame(b"hello", routing_id=number)]) == 1
        frame = await there.recv()
        assert (frame, isinstance(frame, bytes), frame.group) == (b"hello", True, "")
        await there.send(frame)
        ((answer,),) = await here.recv_many()
        assert isinstance(answer, minizmtp.Frame)
        assert answer.routing_id == number


async def test_an_old_peer() -> None:
    def answer(endpoint: str) -> tuple[bytes, bool]:
        """What it says, as far as a greeting of 2.0 goes; and whether a message of 2.0 may follow."""
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as stream:
            stream.sendall(OLD_GREETING)
            said = b""
            try:
                while len(said) < 14 and (data := stream.recv(14 - len(said))):
                    said += data
                stream.sendall(b"\x00\x03old")
            except ConnectionError:
                pass
            return said, len(said) == 14

    async def theirs(ctx: Keeper) -> None:
        pull = ctx.socket(pyzmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        said, spoken = await asyncio.to_thread(answer, pull.last_endpoint.decode())
        assert spoken
        assert said[11:12] == b"\x07"  # its socket type, PULL, in the place where 2.0 has it
        assert await pull.recv() == b"old"

    await trio.to_thread.run_sync(on_asyncio, theirs)
    async with minizmtp.Context() as ctx:
        pull = ctx.socket(minizmtp.PULL)
        monitor = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        said, spoken = await trio.to_thread.run_sync(answer, pull.last_endpoint)
        assert not spoken or said[11:12] != b"\x07"
        async for told in monitor:
            if told.event is Event.HANDSHAKE_FAILED_PROTOCOL:
                assert "2.x" in told.reason
                break
