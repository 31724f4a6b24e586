"""ZAP: a handler in this program decides which peers may connect (27/ZAP)."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import Event
from minizmtp.errors import ProtocolError, Violation
from minizmtp.net.pulse import Disconnected
from minizmtp.sockets import zap
from minizmtp.wire import AuthReply, AuthRequest
from tests.minizmtp.helpers import TRANSPORTS, WIRES, until
from tests.minizmtp.inside import open_sockets, runtime_of
from tests.zmtp_bytes import GREETING, command, frame, ready
from tests.zmtp_peer import RawPeer

Answer = Callable[[list[bytes]], list[bytes] | None]
Options = dict[str, Any]

PUBLIC, SECRET = zmq.curve_keypair()
SERVER_PUBLIC, SERVER_SECRET = zmq.curve_keypair()
NULL: tuple[Options, Options] = ({"zap_domain": "global"}, {})
PLAIN: tuple[Options, Options] = (
    {"plain_server": 1, "zap_domain": "global"},
    {"plain_username": "anna", "plain_password": "secret"},
)
CURVE: tuple[Options, Options] = (
    {"curve_server": 1, "curve_secretkey": SERVER_SECRET, "zap_domain": "global"},
    {"curve_serverkey": SERVER_PUBLIC, "curve_publickey": PUBLIC, "curve_secretkey": SECRET},
)
MECHANISMS = {"NULL": NULL, "PLAIN": PLAIN, "CURVE": CURVE}
CREDENTIALS = {"NULL": [], "PLAIN": [b"anna", b"secret"], "CURVE": [zmq.z85.decode(PUBLIC)]}
every_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)

LET_IN = [b"1.0", b"1", b"200", b"OK", b"anna", b""]


# ------------------------------------------------------------------------------------------------- frames, by hand


@pytest.mark.requirement("27-8", "27-9", "27-11", "27-12", "27-16", "27-27")
def test_the_request() -> None:
    question = AuthRequest(b"PLAIN", (b"anna", b"secret"), b"id")
    assert zap.request(question, b"global", "127.0.0.1", b"server") == [
        b"", b"1.0", b"1", b"global", b"127.0.0.1", b"server", b"PLAIN", b"anna", b"secret",
    ]  # fmt: skip


@pytest.mark.requirement("27-13", "27-17", "27-18", "27-19")
def test_the_reply() -> None:
    metadata = b"\x06X-Role\x00\x00\x00\x05admin"
    good = [b"", b"1.0", b"1", b"200", b"OK", b"anna", metadata]
    assert zap.read_reply(good) == AuthReply(200, "OK", {b"x-role": b"admin", b"user-id": b"anna"})
    for status in (300, 400, 500):
        reply = [b"", b"1.0", b"1", b"%d" % status, b"no", b"anna", metadata]
        assert zap.read_reply(reply) == AuthReply(status, "no")  # and no user id


ILL = {
    "nothing": ([], Violation.ZAP_MALFORMED_REPLY),
    "no delimiter": ([b"1.0", b"1", b"200", b"OK", b"", b""], Violation.ZAP_MALFORMED_REPLY),
    "something in front": ([b"x", *LET_IN], Violation.ZAP_MALFORMED_REPLY),
    "a frame less": ([b"", *LET_IN[:-1]], Violation.ZAP_MALFORMED_REPLY),
    "a frame more": ([b"", *LET_IN, b""], Violation.ZAP_MALFORMED_REPLY),
    "version": ([b"", b"1.1", *LET_IN[1:]], Violation.ZAP_BAD_VERSION),
    "no version": ([b"", b"", *LET_IN[1:]], Violation.ZAP_BAD_VERSION),
    "request id": ([b"", b"1.0", b"2", *LET_IN[2:]], Violation.ZAP_BAD_REQUEST_ID),
    "status 201": ([b"", b"1.0", b"1", b"201", *LET_IN[3:]], Violation.ZAP_INVALID_STATUS_CODE),
    "status 2000": ([b"", b"1.0", b"1", b"2000", *LET_IN[3:]], Violation.ZAP_INVALID_STATUS_CODE),
    "status ' 200'": ([b"", b"1.0", b"1", b" 200", *LET_IN[3:]], Violation.ZAP_INVALID_STATUS_CODE),
    "no status": ([b"", b"1.0", b"1", b"", *LET_IN[3:]], Violation.ZAP_INVALID_STATUS_CODE),
    "text of 256": ([b"", b"1.0", b"1", b"200", b"t" * 256, b"anna", b""], Violation.ZAP_MALFORMED_REPLY),
    "user id of 256": ([b"", b"1.0", b"1", b"200", b"OK", b"u" * 256, b""], Violation.ZAP_MALFORMED_REPLY),
    "metadata": ([b"", b"1.0", b"1", b"200", b"OK", b"anna", b"\x06X-"], Violation.ZAP_INVALID_METADATA),
}
every_ill = pytest.mark.parametrize(("reply", "violation"), ILL.values(), ids=ILL)


@pytest.mark.requirement("27-9", "27-13", "27-14", "27-17", "27-19", "27-20")
@every_ill
def test_a_malformed_reply_is_a_protocol_error(reply: list[bytes], violation: Violation) -> None:
    with pytest.raises(ProtocolError, match=r"^ZAP reply with .*\(27/ZAP\)$") as caught:
        zap.read_reply(reply)
    assert caught.value.violation is violation
    assert violation.value & 0x20000000  # as libzmq numbers them


@pytest.mark.requirement("27-26", "27-28", "24-11")
def test_without_a_handler_the_mechanism_decides() -> None:
    null, plain, curve = (AuthRequest(name, (), b"") for name in (b"NULL", b"PLAIN", b"CURVE"))
    assert zap.without_handler(null, enforce=False).status == 200
    assert zap.without_handler(curve, enforce=False).status == zap.without_handler(curve, enforce=True).status == 200
    for question, enforce in ((null, True), (plain, False)):
        with pytest.raises(Disconnected, match=r"no ZAP handler is bound to inproc://zeromq\.zap\.01") as caught:
            zap.without_handler(question, enforce)
        assert caught.value.errno == errno.EFAULT


# ------------------------------------------------------------------------------------------------------- in a Context


class Handler:
    """Answers by a function, and keeps what it was asked."""

    def __init__(self, ctx: zmq.Context, answer: Answer | None, kind: zmq.SocketType = zmq.REP) -> None:
        self.asked: list[list[bytes]] = []
        self._answer = answer
        self.socket = ctx.socket(kind, linger=0)
        self.socket.bind("inproc://zeromq.zap.01")
        runtime_of(ctx).start_task(self._run)

    async def _run(self) -> None:
        async for request in self.socket:
            self.asked.append(request)
            if self._answer is not None and (answer := self._answer(request)) is not None:
                await self.socket.send_multipart(answer)


async def meet(
    ctx: zmq.Context, options: tuple[Options, Options], endpoint: str = TRANSPORTS[0], **more: Any
) -> tuple[zmq.Socket, zmq.Socket, zmq.Monitor, zmq.Monitor]:
    server = ctx.socket(zmq.PULL, linger=0, **options[0], **more)
    client = ctx.socket(zmq.PUSH, linger=0, **options[1])
    server.bind(endpoint)
    here, there = server.monitor(), client.monitor()
    client.connect(server.last_endpoint)
    return server, client, here, there


OUTCOMES = {
    Event.HANDSHAKE_SUCCEEDED,
    Event.HANDSHAKE_FAILED_AUTH,
    Event.HANDSHAKE_FAILED_PROTOCOL,
    Event.HANDSHAKE_FAILED_NO_DETAIL,
}


async def outcome(monitor: zmq.Monitor) -> tuple[Event, int]:
    """How the next handshake ends."""
    with trio.fail_after(10):
        async for told in monitor:
            if told.event in OUTCOMES:
                return told.event, told.value
    raise AssertionError("the monitor has ended")


SUCCEEDED = (Event.HANDSHAKE_SUCCEEDED, 0)


@pytest.mark.requirement(
    "27-3", "27-4", "27-6", "27-7", "27-8", "27-9", "27-12", "27-15", "27-21", "27-26", "27-27", "27-28"
)
@every_mechanism
@pytest.mark.parametrize("endpoint", WIRES)
async def test_a_rep_is_asked_and_what_it_says_reaches_the_receiver(mechanism: str, endpoint: str) -> None:
    """The handler comes after the bind of the server: it is looked for at each connection."""
    async with zmq.Context() as ctx:
        server = ctx.socket(zmq.PULL, **MECHANISMS[mechanism][0])
        server.bind(endpoint)
        handler = Handler(ctx, lambda _: [*LET_IN[:5], b"\x06X-Role\x00\x00\x00\x05admin"])
        client = ctx.socket(zmq.PUSH, linger=0, **MECHANISMS[mechanism][1])
        client.connect(server.last_endpoint)
        await client.send(b"hello")
        with trio.fail_after(10):
            message = await server.recv_message()
    assert message.frames == [b"hello"]
    address = "127.0.0.1" if endpoint.startswith("tcp") else ""
    assert message.metadata == {
        "Socket-Type": "PUSH", "User-Id": "anna", "X-Role": "admin", "Peer-Address": address,
    }  # fmt: skip
    asked = [b"1.0", b"1", b"global", address.encode(), b"", mechanism.encode(), *CREDENTIALS[mechanism]]
    assert handler.asked == [asked]  # once, and without the delimiter


@pytest.mark.requirement("27-1", "27-2", "27-22", "27-25")
@every_mechanism
async def test_a_router_handler_returns_the_envelope_it_received(mechanism: str) -> None:
    async with zmq.Context() as ctx:
        handler = Handler(ctx, lambda request: [*request[:2], *LET_IN], zmq.ROUTER)
        _, _, here, there = await meet(ctx, MECHANISMS[mechanism])
        assert await outcome(here) == await outcome(there) == SUCCEEDED
        assert handler.asked[0][1:3] == [b"", b"1.0"]


@pytest.mark.requirement("27-23", "27-24")
async def test_a_handler_may_be_behind_a_proxy() -> None:
    """ROUTER towards the servers, DEALER towards the handler: the whole message passes, unchanged."""
    async with zmq.Context() as ctx:
        front, back = ctx.socket(zmq.ROUTER, linger=0), ctx.socket(zmq.DEALER, linger=0)
        front.bind(zap.ENDPOINT)
        back.bind("inproc://behind")
        behind = ctx.socket(zmq.REP, linger=0)
        behind.connect("inproc://behind")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(zmq.proxy, front, back)
            _, _, here, _ = await meet(ctx, PLAIN)
            with trio.fail_after(10):
                assert (await behind.recv_multipart())[-2:] == [b"anna", b"secret"]
                await behind.send_multipart(LET_IN)
            assert await outcome(here) == SUCCEEDED
            nursery.cancel_scope.cancel()


@pytest.mark.requirement("27-2")
async def test_a_handler_that_is_closed_admits_no_peer() -> None:
    """libzmq ends the whole process for a handler that is neither REP nor ROUTER."""
    async with zmq.Context() as ctx:
        handler = ctx.socket(zmq.PULL, linger=0)
        handler.bind(zap.ENDPOINT)
        _, _, here, _ = await meet(ctx, PLAIN, handshake_ivl=100)
        assert await outcome(here) == (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EAGAIN)


@pytest.mark.requirement("27-17", "24-8", "26-1", "26-2", "26-29")
@every_mechanism
@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.slow
async def test_a_peer_that_is_refused_is_told_and_does_not_come_back(mechanism: str, status: int) -> None:
    async with zmq.Context() as ctx:
        handler = Handler(ctx, lambda _: [b"1.0", b"1", b"%d" % status, b"go away", b"", b""])
        _, client, here, there = await meet(ctx, MECHANISMS[mechanism])
        assert await outcome(here) == await outcome(there) == (Event.HANDSHAKE_FAILED_AUTH, status)
        await until(there, Event.DISCONNECTED)
        await wait_all_tasks_blocked(0.15)  # longer than reconnect_ivl
        assert len(handler.asked) == 1
        assert client.peers() == []


@pytest.mark.requirement("27-17", "24-8", "26-29", "26-40", "26-11")
@every_mechanism
@pytest.mark.slow
async def test_with_300_the_peer_sees_a_close_and_comes_back(mechanism: str) -> None:
    statuses = iter([b"300", b"200"])
    async with zmq.Context() as ctx:
        Handler(ctx, lambda _: [b"1.0", b"1", next(statuses), b"later", b"", b""])
        _, _, here, there = await meet(ctx, MECHANISMS[mechanism])
        assert await outcome(here) == (Event.HANDSHAKE_FAILED_AUTH, 300)
        event, code = await outcome(there)
        assert event is Event.HANDSHAKE_FAILED_NO_DETAIL
        assert code in (errno.EPIPE, errno.ECONNRESET)  # reset: its READY, with NULL, may never have been read
        assert await outcome(here) == await outcome(there) == SUCCEEDED


@pytest.mark.requirement("27-9", "27-13", "27-14", "27-17", "27-19")
@pytest.mark.parametrize(
    ("reply", "violation"),
    [(reply[1:], violation) for reply, violation in ILL.values() if reply[:1] == [b""] and len(reply) > 1],
)
async def test_a_handler_with_malformed_replies_admits_no_peer(reply: list[bytes], violation: Violation) -> None:
    async with zmq.Context() as ctx:
        Handler(ctx, lambda _: reply)
        _, _, here, there = await meet(ctx, PLAIN)
        assert await outcome(here) == (Event.HANDSHAKE_FAILED_PROTOCOL, violation)
        assert await outcome(there) == (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE)  # it may try again


@pytest.mark.requirement("27-26", "27-28", "24-11", "27-10")
@pytest.mark.parametrize(
    ("mechanism", "more", "expected"),
    [
        ("NULL", {}, SUCCEEDED),
        ("NULL", {"zap_enforce_domain": 1}, (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EFAULT)),
        ("PLAIN", {}, (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EFAULT)),
        ("CURVE", {}, SUCCEEDED),
    ],
)
async def test_without_a_handler_peers_are_treated_as_in_libzmq(
    mechanism: str, more: Options, expected: tuple[Event, int]
) -> None:
    async with zmq.Context() as ctx:
        _, _, here, _ = await meet(ctx, MECHANISMS[mechanism], **more)
        assert await outcome(here) == expected


@pytest.mark.requirement("27-26")
async def test_null_without_a_domain_does_not_ask_the_handler() -> None:
    async with zmq.Context() as ctx:
        handler = Handler(ctx, None)
        _, _, here, _ = await meet(ctx, ({}, {}))
        assert await outcome(here) == SUCCEEDED
        assert handler.asked == []


@pytest.mark.requirement("27-5")
async def test_each_context_has_exactly_one_handler() -> None:
    async with zmq.Context() as ctx, zmq.Context() as other:
        Handler(ctx, lambda _: LET_IN)
        with pytest.raises(zmq.ZMQError, match="bound already"):
            Handler(ctx, None)
        Handler(other, None)


@pytest.mark.requirement("27-7")
@every_mechanism
async def test_a_handler_that_never_answers_has_handshake_ivl(mechanism: str, quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        handler = Handler(ctx, None, zmq.ROUTER)
        _, client, here, there = await meet(ctx, MECHANISMS[mechanism], handshake_ivl=5000)
        begin = trio.current_time()
        with trio.fail_after(20):
            await until(here, Event.HANDSHAKE_FAILED_NO_DETAIL)
            assert trio.current_time() - begin == pytest.approx(5, abs=0.5)
            await until(there, Event.HANDSHAKE_FAILED_NO_DETAIL)
        client.close()
        await wait_all_tasks_blocked(0.01)
        assert len(handler.asked) >= 1
        assert not any(sock.socket_type is zmq.DEALER for sock in open_sockets(ctx))  # who asked has gone


@pytest.mark.requirement("27-7", "27-6")
@pytest.mark.slow
async def test_the_next_handler_gets_the_request_of_a_closed_one() -> None:
    async with zmq.Context() as ctx:
        asked = trio.Event()
        handler = Handler(ctx, lambda _: asked.set(), zmq.ROUTER)
        _, _, here, _ = await meet(ctx, PLAIN, handshake_ivl=300)
        with trio.fail_after(10):
            await asked.wait()
        handler.socket.close()
        Handler(ctx, lambda _: LET_IN)
        assert await outcome(here) == (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EAGAIN)
        assert await outcome(here) == SUCCEEDED


# ------------------------------------------------------------------------------------------------- who says who it is


async def speak_plain(peer: RawPeer, metadata: dict[str, bytes]) -> None:
    await peer.send(GREETING[:12] + b"PLAIN" + bytes(47) + command(b"HELLO", b"\x04anna\x06secret"))
    await peer.read(64)
    assert await peer.frame() == (4, b"\x07WELCOME")
    initiate = ready(b"PUSH", **metadata)[2:].replace(b"\x05READY", b"\x08INITIATE", 1)
    await peer.send(frame(initiate, command=True))
    await peer.frame()


@pytest.mark.parametrize("name", ["User_Id", "user_id", "USER_ID"])
async def test_a_peer_cannot_set_its_user_id_or_its_address(name: str) -> None:
    async with zmq.Context() as ctx:
        Handler(ctx, lambda _: LET_IN)
        pull = ctx.socket(zmq.PULL, **PLAIN[0])
        pull.bind(WIRES[0])
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await speak_plain(peer, {name: b"root", "Peer_Address": b"10.0.0.1", "X_Mine": b"yes"})
            await peer.send(frame(b"hi"))
            with trio.fail_after(10):
                metadata = (await pull.recv_message()).metadata
    assert metadata["User-Id"] == "anna"
    assert metadata["Peer-Address"] == "127.0.0.1"
    assert metadata["X-Mine"] == "yes"


async def test_without_a_handler_there_is_no_user_id() -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind(WIRES[0])
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.greet(b"PUSH", User_Id=b"root", X_Role=b"admin")
            await peer.send(frame(b"hi"))
            with trio.fail_after(10):
                metadata = (await pull.recv_message()).metadata
    assert "User-Id" not in metadata
    assert metadata["X-Role"] == "admin"  # its own word, for what it is worth


async def test_the_handlers_metadata_replace_the_peers() -> None:
    async with zmq.Context() as ctx:
        Handler(ctx, lambda _: [*LET_IN[:5], b"\x06X-Role\x00\x00\x00\x05guest"])
        pull = ctx.socket(zmq.PULL, **PLAIN[0])
        pull.bind(WIRES[0])
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await speak_plain(peer, {"X_Role": b"admin"})
            await peer.send(frame(b"hi"))
            with trio.fail_after(10):
                assert (await pull.recv_message()).metadata["X-Role"] == "guest"


@pytest.mark.requirement("27-16")
@pytest.mark.requirement("27-16")
@every_mechanism
async def test_the_request_names_the_servers_routing_id(mechanism: str) -> None:
    """As libzmq's does, whatever the peer calls itself (interop_tests/test_security.py asks libzmq)."""
    async with zmq.Context() as ctx:
        handler = Handler(ctx, lambda _: LET_IN)
        router = ctx.socket(zmq.ROUTER, linger=0, routing_id="server", **MECHANISMS[mechanism][0])
        dealer = ctx.socket(zmq.DEALER, linger=0, routing_id="client", **MECHANISMS[mechanism][1])
        router.bind(WIRES[0])
        monitor = router.monitor()
        dealer.connect(router.last_endpoint)
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
        assert [request[4] for request in handler.asked] == [b"server"]


# ------------------------------------------------------------------------------------------------------ without NaCl

WITHOUT_NACL = """
import sys
sys.modules["nacl"] = sys.modules["nacl.bindings"] = None
import trio, minizmtp as zmq

def refused(call):
    try:
        call()
    except zmq.ZMQError as error:
        assert error.errno == zmq.ENOTSUP, error
        assert "pip install 'minizmtp[curve]'" in str(error), error
    else:
        raise AssertionError("no error")

async def main():
    refused(zmq.curve_keypair)
    refused(lambda: zmq.curve_public("0" * 40))
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.REP, curve_server=1, curve_secretkey="0" * 40)
        refused(lambda: sock.bind("tcp://127.0.0.1:*"))
        keys = dict(curve_serverkey="0" * 40, curve_publickey="0" * 40, curve_secretkey="0" * 40)
        refused(lambda: ctx.socket(zmq.REQ, **keys).connect("tcp://127.0.0.1:1"))
        from minizmtp.auth import Authenticator
        async with Authenticator(ctx) as auth:
            auth.configure_plain(passwords={"anna": "secret"})
            rep = ctx.socket(zmq.REP, plain_server=1)
            rep.bind("tcp://127.0.0.1:*")
            req = ctx.socket(zmq.REQ, plain_username="anna", plain_password="secret")
            req.connect(rep.last_endpoint)
            with trio.fail_after(20):
                await req.send(b"hello")
                print(await rep.recv())

trio.run(main)
"""


@pytest.mark.slow
def test_without_pynacl_only_curve_fails_with_advice() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_NACL], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("b'hello'\n", 0), done.stderr


@pytest.mark.slow
async def test_little_is_kept_of_a_peer_before_it_is_admitted() -> None:
    async with zmq.Context() as ctx:
        handler = Handler(ctx, None, zmq.ROUTER)
        pull = ctx.socket(zmq.PULL, zap_domain="here")
        pull.bind("tcp://127.0.0.1:*")
        async with await RawPeer.dial(pull.last_endpoint) as peer:
            await peer.send(GREETING + ready(b"PUSH"))
            await wait_all_tasks_blocked(0.05)
            assert handler.asked
            with trio.move_on_after(0.5) as stuck:
                await peer.send(frame(bytes(1000)) * 50_000)
            assert stuck.cancelled_caught, "it went on reading"
