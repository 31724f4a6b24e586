"""Warnings: what is logged at the level that a program sees unless it asks for more, and how often."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import zmq as pyzmq
from trio.testing import MockClock

import minizmtp as zmq
from minizmtp.auth import Authenticator
from minizmtp.net import advice, connector
from tests.minizmtp.helpers import Event, free_endpoint, logged, until
from tests.zmtp_bytes import GREETING
from tests.zmtp_peer import RawListener, RawPeer

VERSIONS = '(37/ZMTP "Version Negotiation")'
SECURITY = '(37/ZMTP "Authentication and Confidentiality")'

# What answers at the port, and what is logged after the endpoint. Each is asked three times.
ANSWERS: dict[str, tuple[bytes, str]] = {
    "an HTTP server": (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        f": the first octet is 48: this peer speaks ZMTP 1.0 or another protocol, expected ff {VERSIONS}; look at the"
        " host and the port of the endpoint, because another program listens there",
    ),
    "ZMTP 2.0": (
        b"\xff" + bytes(8) + b"\x7f\x01\x07\x00\x00",
        f": octet 10 of the greeting is 01: this peer speaks ZMTP 1.x or 2.x, expected 3 or more {VERSIONS}; update the"
        " peer to libzmq 4",
    ),
    "silence": (
        b"",
        ": no handshake within 1000 ms (handshake_ivl); most likely another program listens there, or the server is"
        " stopped",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_wrong_peer_is_one_warning(
    answer: str, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    said, expected = ANSWERS[answer]
    async with RawListener.listen() as server, zmq.Context() as ctx:
        req = ctx.socket(zmq.REQ, linger=0, handshake_ivl=1000)
        monitor = req.monitor()
        req.connect(server.endpoint)
        with trio.fail_after(60), logged(caplog) as words:
            for _ in range(3):
                async with await server.accept() as peer:
                    await peer.send(said)
                    await until(monitor, Event.DISCONNECTED)
    assert words == [server.endpoint + expected]


def curve(server: tuple[bytes, bytes], expected: tuple[bytes, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of a server with these keys, and of a client that expects those."""
    public, secret = zmq.curve_keypair()
    theirs = {"curve_serverkey": expected[0], "curve_publickey": public, "curve_secretkey": secret}
    return {"curve_server": 1, "curve_publickey": server[0], "curve_secretkey": server[1]}, theirs


def unknown_key() -> tuple[dict[str, Any], dict[str, Any]]:
    keys = zmq.curve_keypair()
    return curve(keys, keys)


def wrong_server_key() -> tuple[dict[str, Any], dict[str, Any]]:
    return curve(zmq.curve_keypair(), zmq.curve_keypair())


def wrong_password() -> tuple[dict[str, Any], dict[str, Any]]:
    return {"plain_server": 1}, {"plain_username": b"anna", "plain_password": b"wrong"}


def no_keys() -> tuple[dict[str, Any], dict[str, Any]]:
    return unknown_key()[0], {}


# What the client's side says after the endpoint; with a handler, and without.
REFUSED = ": the peer refuses us: 400; the server's ZAP handler does not know our username, password or key"
SECRETS: list[tuple[Callable[[], tuple[dict[str, Any], dict[str, Any]]], bool, str]] = [
    (unknown_key, True, REFUSED),
    (wrong_password, True, REFUSED),
    (
        wrong_server_key,
        False,
        ": closed by the peer in the handshake; most likely curve_serverkey is not the public key of this server",
    ),
    (
        wrong_password,
        False,
        ": closed by the peer in the handshake; most likely the server has no ZAP handler that checks passwords",
    ),
    (
        no_keys,
        False,
        f": the peer's mechanism is CURVE, expected NULL on both sides {SECURITY}; give both sockets the options of the"
        " same mechanism (curve_..., plain_..., or none of them)",
    ),
]


@pytest.mark.parametrize(
    ("options", "has_handler", "expected", "is_libzmq"),
    # libzmq's handler would need a thread, and what libzmq sends before it hangs up on another mechanism varies.
    [(*each, False) for each in SECRETS] + [(*each, True) for each in SECRETS[2:4]],
)
@pytest.mark.slow
async def test_a_wrong_key_is_one_warning_of_the_client(
    options: Callable[[], tuple[dict[str, Any], dict[str, Any]]],
    has_handler: bool,
    expected: str,
    is_libzmq: bool,
    tmp_path: Path,
    quick_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server of ours warns of nothing, because a stranger could make it do so."""
    ours, theirs = options()
    if is_libzmq:
        quick_clock.autojump_threshold = 0.5  # because libzmq's threads are not seen to be at work
    async with zmq.Context() as ctx:
        client = ctx.socket(zmq.DEALER, linger=0, **theirs)
        monitor = client.monitor()
        guard = Authenticator(ctx)
        if has_handler:
            guard.start()
            guard.configure_plain(passwords={"anna": "right"})
            guard.configure_curve(location=tmp_path)
        with pyzmq.Context() as libzmq, logged(caplog) as words, trio.fail_after(60):
            server: Any = libzmq.socket(pyzmq.ROUTER) if is_libzmq else ctx.socket(zmq.ROUTER)
            for name, value in ours.items():
                setattr(server, name, value)
            server.bind("tcp://127.0.0.1:*")
            endpoint = server.last_endpoint.decode().rstrip("\0") if is_libzmq else server.last_endpoint
            client.connect(endpoint)
            for _ in range(1 if "closed" not in expected else 3):
                await until(monitor, Event.DISCONNECTED)
            server.close(0)
    assert words == [endpoint + expected]


@pytest.mark.slow
async def test_a_name_that_does_not_resolve_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def unknown(*_: object, **__: object) -> object:
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("trio.socket.getaddrinfo", unknown)
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, reconnect_ivl=1000)
        with logged(caplog) as words:
            push.connect("tcp://no-such-host.example:5555")
            await trio.sleep(60)
    assert words == [
        "tcp://no-such-host.example:5555: Name or service not known; look at the host name of the endpoint"
    ]


@pytest.mark.slow
async def test_a_server_that_is_not_there_is_logged_after_10_s(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """… again after each connection, and a server that is started a little later is no reason for a warning."""
    endpoint = free_endpoint()
    expected = (
        f"{endpoint}: Connection refused; no connection in 10 s, still trying: does the server run, and is the"
        " endpoint right?"
    )
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, reconnect_ivl=1000)
        monitor = push.monitor()
        with logged(caplog) as early:
            push.connect(endpoint)
            await trio.sleep(9)
        with logged(caplog) as first:
            await trio.sleep(60)
        pull = ctx.socket(zmq.PULL)
        pull.bind(endpoint)
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
        pull.close()
        with logged(caplog) as soon:
            await until(monitor, Event.DISCONNECTED)
            await trio.sleep(9)
        with logged(caplog) as second:
            await trio.sleep(60)
    assert (early, first, soon, second) == ([], [expected], [], [expected])


async def test_a_host_that_does_not_answer_is_logged_after_10_s(
    monkeypatch: pytest.MonkeyPatch, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A packet that is dropped on its way is no refusal: the system waits for minutes."""

    async def wait(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(connector, "dial", wait)
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH)
        with logged(caplog) as words:
            push.connect("tcp://192.0.2.1:5555")
            await trio.sleep(60)
    assert words == [
        "tcp://192.0.2.1:5555: no answer; no connection in 10 s, still trying: does the server run, and is the"
        " endpoint right?"
    ]


@pytest.mark.slow
async def test_an_ipc_server_that_is_not_there_is_logged_after_10_s(
    tmp_path: Path, quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, reconnect_ivl=1000)
        with logged(caplog) as words:
            push.connect(f"ipc://{tmp_path}/none")
            await trio.sleep(60)
    assert words == [
        f"ipc://{tmp_path}/none: No such file or directory; no connection in 10 s, still trying: does the server run,"
        " and is the endpoint right?"
    ]


@pytest.mark.slow
async def test_a_proxy_without_a_server_is_logged_after_10_s(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It accepts each connection, and closes it."""
    async with RawListener.listen() as proxy, zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, reconnect_ivl=1000)
        with logged(caplog) as words:
            push.connect(proxy.endpoint)
            with trio.move_on_after(60):
                while True:
                    async with await proxy.accept() as peer:
                        await peer.read(64)
    (told,) = words
    assert told.startswith(f"{proxy.endpoint}: closed by the peer after 0 of the 64 octets of the greeting; ")
    assert told.endswith("no connection in 10 s, still trying: does the server run, and is the endpoint right?")


# ------------------------------------------------------------------------------------------------ the bound side

LIMITS: dict[str, tuple[dict[str, Any], list[list[bytes]], str]] = {
    "maxmsgsize": (
        {"maxmsgsize": 100},
        [[bytes(101)], [bytes(102)]],
        "frame of 101 octets, expected at most 100 (maxmsgsize)",
    ),
    "maxunfinished": (
        {"maxunfinished": 100_000},
        [[bytes(1000)] * 2000, [bytes(1000)] * 3000],
        "(maxunfinished)",
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_peer_lost_to_a_limit_is_one_warning(limit: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the size of its messages: the cause is the limit."""
    options, messages, expected = LIMITS[limit]
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, **options)
        monitor = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        with logged(caplog) as words, trio.fail_after(20):
            for message in messages:
                push = ctx.socket(zmq.PUSH, linger=0)
                push.connect(pull.last_endpoint)
                await push.send_multipart(message)
                await until(monitor, Event.DISCONNECTED)
                push.close()
    (told,) = words
    assert told.startswith(f"{pull.last_endpoint}: ")
    assert told.endswith(f"{expected} (the peer is 127.0.0.1)")


async def test_a_stranger_cannot_make_a_listener_warn(caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        monitor = pull.monitor()
        pull.bind("tcp://127.0.0.1:*")
        with logged(caplog) as words, trio.fail_after(10):
            for said in (b"GET / HTTP/1.1\r\n\r\n", GREETING[:10], GREETING.replace(b"NULL", b"PLAI"), b""):
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await peer.send(said)
                await until(monitor, Event.DISCONNECTED)
    assert words == []


async def twice_over_tcp(ctx: zmq.Context, bound: zmq.Socket, kind: zmq.SocketType, **options: Any) -> str:
    monitor = bound.monitor()
    bound.bind("tcp://127.0.0.1:*")
    for _ in range(3):
        ctx.socket(kind, linger=0, **options).connect(bound.last_endpoint)
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
    return bound.last_endpoint


async def twice_over_inproc(ctx: zmq.Context, bound: zmq.Socket, kind: zmq.SocketType, **options: Any) -> str:
    await trio.lowlevel.checkpoint()
    ctx.socket(kind, linger=0, **options).connect("inproc://early")
    bound.bind("inproc://early")
    ctx.socket(kind, linger=0, **options).connect("inproc://early")
    return "inproc://early"


@pytest.mark.parametrize("connect", [twice_over_tcp, twice_over_inproc])
async def test_a_second_peer_of_the_same_name_is_one_warning(
    connect: Callable[..., Awaitable[str]], caplog: pytest.LogCaptureFixture
) -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0)
        with logged(caplog) as words, trio.fail_after(10):
            endpoint = await connect(ctx, router, zmq.DEALER, routing_id=b"worker")
        assert words == [
            f"{endpoint}: this ROUTER has a peer called worker already, and ignores a second: give each peer a"
            " routing_id of its own, or set router_handover"
        ]


async def test_a_server_of_a_name_in_use_is_one_warning(
    quick_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if the connection breaks again and again."""
    async with RawListener.listen() as server, zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0)
        router.bind("inproc://here")
        ctx.socket(zmq.DEALER, linger=0, routing_id=b"server").connect("inproc://here")
        with logged(caplog) as words, trio.fail_after(60):
            monitor = router.monitor()
            router.connect(server.endpoint)
            for _ in range(3):
                async with await server.accept() as peer:
                    await peer.greet(b"DEALER", Identity=b"server")
                    await until(monitor, Event.HANDSHAKE_SUCCEEDED)
    assert len(words) == 1


@pytest.mark.parametrize("connect", [twice_over_tcp, twice_over_inproc])
async def test_a_second_peer_of_a_pair_is_one_warning(
    connect: Callable[..., Awaitable[str]], caplog: pytest.LogCaptureFixture
) -> None:
    async with zmq.Context() as ctx:
        one = ctx.socket(zmq.PAIR, linger=0)
        with logged(caplog) as words, trio.fail_after(10):
            endpoint = await connect(ctx, one, zmq.PAIR)
        assert words == [f"{endpoint}: this PAIR has a peer already, so it ignores this second one: use a DEALER"]


async def test_a_peer_that_takes_over_a_name_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        router = ctx.socket(zmq.ROUTER, linger=0, router_handover=1)
        with logged(caplog) as words, trio.fail_after(10):
            await twice_over_tcp(ctx, router, zmq.DEALER, routing_id=b"worker", reconnect_ivl=-1)
    assert words == []


async def test_a_wrong_type_over_inproc_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        pub, pull = ctx.socket(zmq.PUB), ctx.socket(zmq.PULL)
        pub.bind("inproc://news")
        with logged(caplog) as words:
            pull.connect("inproc://news")
    assert words == ["inproc://news: a PULL cannot talk to a PUB"]


def test_a_status_without_a_known_meaning_adds_nothing() -> None:
    refused = zmq.errors.Refused("the peer refuses us: no", 0)
    assert advice.advice(refused, zmq.options.Options(), None, dialled=True) == ""
