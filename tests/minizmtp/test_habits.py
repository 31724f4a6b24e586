"""Programs from habit: what a user of pyzmq writes runs here, or the error says in one sentence what to change."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import trio
import zmq as pyzmq
from zmq import auth as their_auth
from zmq.asyncio import Context as TheirContext
from zmq.asyncio import Poller as TheirPoller
from zmq.auth.asyncio import AsyncioAuthenticator

import minizmtp
import minizmtp.auth
from minizmtp.habits import OF_MODULE, OF_SOCKET
from minizmtp.options import OPTION_NAMES, OPTION_ROWS, Alias, Keywords, Options

pytest.importorskip("nacl", reason="two programs use CURVE")

Program = Callable[[Any, Any, Any], AsyncIterator[object]]


async def subscriber(zmq: Any, ctx: Any, folder: Path) -> AsyncIterator[object]:
    """setsockopt_string, RCVTIMEO, zmq.error.Again."""
    pub, sub = ctx.socket(zmq.PUB), ctx.socket(zmq.SUB)
    sub.setsockopt_string(zmq.SUBSCRIBE, "eu")
    sub.setsockopt(zmq.RCVTIMEO, 20)
    pub.bind("inproc://news")
    sub.connect("inproc://news")
    try:
        await sub.recv()
    except zmq.error.Again as error:
        yield error.errno == zmq.EAGAIN
    await pub.send_multipart([b"us", b"sun"])
    await pub.send_multipart([b"eu", b"rain"], copy=False)
    yield await sub.recv_multipart()


async def asker(zmq: Any, ctx: Any, folder: Path) -> AsyncIterator[object]:
    """send_string and send_json, NOBLOCK, LINGER, the state of a REQ."""
    rep, req = ctx.socket(zmq.REP), ctx.socket(zmq.REQ)
    req.setsockopt(zmq.LINGER, 0)
    port = rep.bind_to_random_port("tcp://127.0.0.1")
    req.connect(f"tcp://127.0.0.1:{port}")
    await req.send_json({"numbers": [1, 2]})
    try:
        await req.send_string("too early", zmq.NOBLOCK)
    except zmq.ZMQError as error:
        yield error.errno == zmq.EFSM
    yield await rep.recv_json()
    await rep.send_string("drei \u2713")
    yield await req.recv_string(), req.getsockopt(zmq.LINGER)


async def broker(zmq: Any, ctx: Any, folder: Path) -> AsyncIterator[object]:
    """A ROUTER and named DEALERs, IDENTITY, SNDMORE, RCVMORE."""
    router = ctx.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.bind("tcp://127.0.0.1:*")
    for name in (b"one", b"two"):
        dealer = ctx.socket(zmq.DEALER)
        dealer.identity = name
        dealer.connect(router.last_endpoint)
        await dealer.send(b"hello", zmq.SNDMORE)
        await dealer.send(b"there", copy=False)
        name_first, more = await router.recv(), router.getsockopt(zmq.RCVMORE)
        yield name_first, more, [bytes(frame) for frame in await router.recv_multipart(copy=False)]
        await router.send_multipart([name, b"welcome"])
        yield await dealer.recv(copy=True)
    try:
        await router.send_multipart([b"three", b"?"])
    except zmq.ZMQError as error:
        yield error.errno == zmq.EHOSTUNREACH


async def poller(zmq: Any, ctx: Any, folder: Path) -> AsyncIterator[object]:
    """A Poller over two sockets, read as a dict."""
    poller = TheirPoller() if zmq is pyzmq else zmq.Poller()
    ends = []
    for name in ("a", "b"):
        push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
        pull.bind(f"inproc://{name}")
        push.connect(f"inproc://{name}")
        poller.register(pull, zmq.POLLIN)
        ends.append((push, pull))
    yield await poller.poll(10)
    await ends[1][0].send(b"work")
    ready = dict(await poller.poll(1000))
    yield [ready.get(pull) for _, pull in ends]
    poller.unregister(ends[1][1])
    yield await poller.poll(0)


async def defaults(zmq: Any, ctx: Any, folder: Path) -> AsyncIterator[object]:
    """Options of a context, set and get, the high-water mark, a socket closed with a linger."""
    ctx.linger = 0
    ctx.setsockopt(zmq.SNDHWM, 5)
    push = ctx.socket(zmq.PUSH)
    push.set(zmq.RCVHWM, 7)
    push.set_string(zmq.IDENTITY, "me")
    yield push.linger, push.sndhwm, push.get(zmq.RCVHWM), push.hwm, push.get(zmq.TYPE) == zmq.PUSH
    push.connect("tcp://127.0.0.1:1")
    yield push.closed
    push.close(linger=0)
    yield push.closed


async def certificates(zmq: Any, ctx: Any, folder: Path) -> AsyncIterator[object]:
    """CURVE from files, and an authenticator that knows the client's certificate."""
    auth: Any = their_auth if zmq is pyzmq else minizmtp.auth
    public_file, secret_file = auth.create_certificates(folder, "client", {"name": "Anna"})
    auth.create_certificates(folder, "server")
    server_public, server_secret = auth.load_certificate(folder / "server.key_secret")
    client_public, client_secret = auth.load_certificate(secret_file)
    yield auth.load_certificate(public_file) == (client_public, None)
    yield Path(public_file).name, Path(secret_file).name
    guard = AsyncioAuthenticator(ctx) if zmq is pyzmq else auth.Authenticator(ctx)
    guard.start()
    guard.allow("127.0.0.1")
    guard.configure_curve(domain="*", location=folder)
    server, client = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH)
    server.curve_server = True
    server.curve_publickey, server.curve_secretkey = server_public, server_secret
    client.curve_publickey, client.curve_secretkey = client_public, client_secret
    client.curve_serverkey = server_public
    server.bind("tcp://127.0.0.1:*")
    client.connect(server.last_endpoint)
    await client.send(b"sealed")
    yield await server.recv()
    guard.stop()


RUN: dict[str, Program] = {
    program.__name__: program for program in (subscriber, asker, broker, poller, defaults, certificates)
}


async def collect(program: Program, zmq: Any, ctx: Any, folder: Path) -> list[object]:
    return [each async for each in program(zmq, ctx, folder)]


@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")  # pyzmq's, for sockets that destroy() closes
@pytest.mark.parametrize("name", RUN)
async def test_a_program_runs_as_with_pyzmq(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    async def theirs() -> list[object]:
        ctx = TheirContext()
        try:
            return await asyncio.wait_for(collect(RUN[name], pyzmq, ctx, tmp_path_factory.mktemp("theirs")), 20)
        finally:
            ctx.destroy(linger=0)

    expected = await trio.to_thread.run_sync(asyncio.run, theirs())
    with trio.fail_after(20):
        async with minizmtp.Context() as ctx:
            assert await collect(RUN[name], minizmtp, ctx, tmp_path_factory.mktemp("ours")) == expected
            await ctx.destroy(linger=0)


# ----------------------------------------------------------------------------- programs that have to be changed


async def sync_context(zmq: Any, ctx: Any) -> None:
    with zmq.Context():
        pass


async def sync_socket(zmq: Any, ctx: Any) -> None:
    with ctx.socket(zmq.REQ):
        pass


async def not_entered(zmq: Any, ctx: Any) -> None:
    zmq.Context(io_threads=1).socket(zmq.REQ)


async def asyncio_names(zmq: Any, ctx: Any) -> None:
    zmq.asyncio.Context()


async def monitor(zmq: Any, ctx: Any) -> None:
    ctx.socket(zmq.PULL).get_monitor_socket()


async def pickles(zmq: Any, ctx: Any) -> None:
    await ctx.socket(zmq.PUSH).send_pyobj({})


async def tracked(zmq: Any, ctx: Any) -> None:
    await ctx.socket(zmq.PUSH).send(b"large", copy=False, track=True)


async def text(zmq: Any, ctx: Any) -> None:
    await ctx.socket(zmq.PUSH).send("text")


async def queue_device(zmq: Any, ctx: Any) -> None:
    zmq.device(zmq.QUEUE, ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER))


async def descriptor(zmq: Any, ctx: Any) -> None:
    await trio.lowlevel.wait_readable(ctx.socket(zmq.PULL).fileno())


async def attribute_in_capitals(zmq: Any, ctx: Any) -> None:
    ctx.socket(zmq.REQ).LINGER = 0


async def subscribe_by_assignment(zmq: Any, ctx: Any) -> None:
    ctx.socket(zmq.SUB).subscribe = b""


async def option_without_use(zmq: Any, ctx: Any) -> None:
    ctx.socket(zmq.PUB).rate = 100


CHANGE: list[tuple[Callable[[Any, Any], Awaitable[None]], type[Exception], str]] = [
    (sync_context, TypeError, "use `async with` for a Context, not `with`"),
    (sync_socket, TypeError, "use `async with` for a Socket, not `with`"),
    (not_entered, RuntimeError, "use this Context inside `async with`: `async with Context() as ctx:`"),
    (
        asyncio_names,
        AttributeError,
        "minizmtp has no asyncio: minizmtp is async itself, on trio: from minizmtp import Context, Poller",
    ),
    (
        monitor,
        AttributeError,
        "no get_monitor_socket: use `async with sock.monitor() as events`, and iterate over events",
    ),
    (
        pickles,
        AttributeError,
        "no send_pyobj: unpickling what a peer sent can run any code; use send_json(), or encode it",
    ),
    (
        tracked,
        TypeError,
        "track=True is not available, because a frame's memory need not be tracked: leave it out",
    ),
    (text, TypeError, "a frame is bytes or bytes-like, not str: encode it, or use send_string()"),
    (
        queue_device,
        AttributeError,
        "minizmtp has no device: use `await minizmtp.proxy(frontend, backend)` in a task of its own",
    ),
    (descriptor, AttributeError, "no fileno: a socket has no descriptor of its own; use poll(), or a Poller"),
    (attribute_in_capitals, AttributeError, "no LINGER: an option is an attribute in lower case: linger"),
    (subscribe_by_assignment, AttributeError, "subscribe is a method: call subscribe(...)"),
    (
        option_without_use,
        AttributeError,
        "no rate: libzmq's option is for something that does not exist here; docs/OPTIONS.md lists ours",
    ),
]


@pytest.mark.parametrize(("program", "kind", "advice"), CHANGE, ids=[each[0].__name__ for each in CHANGE])
async def test_a_program_that_must_change_is_told_how(
    program: Callable[[Any, Any], Awaitable[None]], kind: type[Exception], advice: str
) -> None:
    async with minizmtp.Context() as ctx:
        with pytest.raises(kind) as caught:
            await program(minizmtp, ctx)
    assert str(caught.value) == advice


@pytest.mark.parametrize("make", [minizmtp.Context, minizmtp.Context.instance])
def test_running_on_asyncio_is_an_error_that_names_trio(make: Callable[[], minizmtp.Context]) -> None:
    async def main() -> None:
        async with make():
            pass

    with pytest.raises(RuntimeError, match=r"minizmtp runs on trio: start the program by trio\.run\(main\)"):
        asyncio.run(main())


# ------------------------------------------------------------------------------------------------------ the table


def advice_of(thing: object, name: str) -> str:
    with pytest.raises(AttributeError) as caught:
        getattr(thing, name)
    return str(caught.value)


async def test_each_name_of_pyzmqs_socket_is_here_or_explained() -> None:
    async with minizmtp.Context() as ctx:
        sock = ctx.socket(minizmtp.REQ)
        options = [
            name.lower() for name in pyzmq.SocketOption.__members__ if not name.startswith(("NORM", "VMCI", "WSS"))
        ]
        for name in [*dir(pyzmq.Socket), *options]:
            if not name.startswith("_") and not hasattr(sock, name):
                assert advice_of(sock, name).startswith(f"no {name}: "), name


def test_what_is_explained_is_not_there() -> None:
    for name in OF_SOCKET:
        assert not hasattr(minizmtp.Socket, name)
        assert not hasattr(minizmtp.Context, name)
    for name in OF_MODULE.keys() - {"auth"}:  # which is there once it is imported, as above
        assert not hasattr(minizmtp, name)


def test_each_type_of_pyzmqs_sockets_is_here_or_explained() -> None:
    for kind in pyzmq.SocketType:
        assert kind.name in OF_MODULE or getattr(minizmtp, kind.name) == kind


def test_an_unknown_name_refers_to_the_table_of_differences() -> None:
    assert advice_of(minizmtp, "nonsense").endswith("docs/PYZMQ.md says what differs from pyzmq")


# ---------------------------------------------------------------------------------------------------------- types


def test_keywords_are_the_options_with_their_types() -> None:
    hints = get_type_hints(Keywords)
    assert list(hints) == OPTION_NAMES
    for name, hint in hints.items():
        row = vars(Options)[name]
        kind = OPTION_ROWS[row.names[0] if isinstance(row, Alias) else name].type
        assert hint == {int: int, bytes: bytes | str}.get(kind, kind | None), name


MISTAKES = """
import minizmtp as zmq


async def main(ctx: zmq.Context, sock: zmq.Socket) -> int:
    sock.rcvhwm = "ten"  # error
    sock.lingr = 5  # error
    sock.routing_id = "text is fine"
    ctx.socket(zmq.REQ, lingr=0)  # error
    ctx.socket(zmq.REQ, linger="0")  # error
    ctx.socket(zmq.REQ, linger=0, curve_server=True, zap_domain=b"global")
    await sock.send("text")  # error
    await sock.send(bytearray(b"octets"), zmq.SNDMORE)
    await sock.send_multipart(["text"])  # error
    await sock.send_many([b"one", [b"two", b"frames"]])
    sock.send(b"not awaited")  # error
    sock.setsockopt(zmq.NONSENSE, 1)  # error
    sock.setsockopt(zmq.LINGER, 1)
    return sock.linger
"""


@pytest.mark.slow
def test_mypy_sees_options_and_their_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(MISTAKES, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(program)],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        cwd=Path(__file__).parents[2],
    )
    told = {int(line.split(":")[1]) for line in ran.stdout.splitlines() if ": error: " in line}
    assert told == {number for number, line in enumerate(MISTAKES.splitlines(), 1) if "# error" in line}, ran.stdout
