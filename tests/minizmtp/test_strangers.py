"""Unauthenticated peers that send anything, or nothing: the limits of what each may cost, and that others are served.

A peer that has not shaken hands may cost one connection (a file descriptor, and the memory that is measured here) for
handshake_ivl, whatever it sends. docs/SECURITY.md has the figures.
"""

from __future__ import annotations

import errno
import gc
import math
import resource
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp import Event
from minizmtp.auth import CURVE_ALLOW_ANY, Authenticator
from minizmtp.net.engine import MAX_UNSENT_REPLIES
from minizmtp.patterns.subscribers import SLICE
from minizmtp.sockets.monitor import MOST_KEPT
from minizmtp.wire import NEED_DATA, Connection, ConnectionClosed, Ping, Ready, Subscribe, z85
from minizmtp.wire.connection import HANDSHAKE_LIMIT
from minizmtp.wire.curve import CurveClient
from minizmtp.wire.events import Join
from minizmtp.wire.mechanisms import Mechanism, Null
from minizmtp.wire.plain import PlainClient
from tests.minizmtp.helpers import TRANSPORTS, until
from tests.minizmtp.inside import pattern_of, sessions_of
from tests.zmtp_bytes import GREETING, command, frame, ready
from tests.zmtp_peer import RawPeer

PUBLIC, SECRET = zmq.curve_keypair()
SERVER_PUBLIC, SERVER_SECRET = zmq.curve_keypair()
SERVERS: dict[str, dict[str, Any]] = {
    "NULL": {},
    "PLAIN": {"plain_server": 1},
    "CURVE": {"curve_server": 1, "curve_secretkey": SERVER_SECRET},
}
CLIENTS: dict[str, dict[str, Any]] = {
    "NULL": {},
    "PLAIN": {"plain_username": "anna", "plain_password": "secret"},
    "CURVE": {"curve_serverkey": SERVER_PUBLIC, "curve_publickey": PUBLIC, "curve_secretkey": SECRET},
}
every_mechanism = pytest.mark.parametrize("mechanism", SERVERS)


def client_mechanism(name: str) -> Mechanism:
    if name == "PLAIN":
        return PlainClient(b"anna", b"secret")
    return CurveClient(*map(z85.decode, (PUBLIC, SECRET, SERVER_PUBLIC))) if name == "CURVE" else Null()


def greeting(name: str) -> bytes:
    return GREETING[:12] + name.encode().ljust(52, b"\0")


class Stranger:
    """A client that keeps to the protocol as long as it likes: it says exactly as many octets as it is allowed to."""

    def __init__(self, raw: RawPeer, mechanism: str, kind: zmq.SocketType = zmq.PUSH, octets: int = 10**9) -> None:
        self.raw = raw
        self.connection = Connection(kind, mechanism=client_mechanism(mechanism))
        self.left = octets
        self.said = 0

    async def speak(self) -> bool:
        """What is to be said now, cut off where nothing is left; False from then on."""
        octets = self.connection.data_to_send()[: self.left]
        self.left -= len(octets)
        self.said += len(octets)
        await self.raw.send(octets)
        return self.left > 0

    async def shake_hands(self) -> bool:
        """True if it was let finish."""
        while True:
            event = self.connection.next_event()
            if not await self.speak():
                return False
            if isinstance(event, Ready):
                return True
            assert not isinstance(event, ConnectionClosed)
            if event is NEED_DATA:
                self.connection.receive_data(await self.raw.stream.receive_some(65536))


class House:
    """A server, a healthy peer of it that has shaken hands, and what the monitor says."""

    def __init__(self, ctx: zmq.Context, server: zmq.Socket, healthy: zmq.Socket, monitor: zmq.Monitor) -> None:
        self.ctx, self.server, self.healthy, self.monitor = ctx, server, healthy, monitor

    async def is_well(self) -> None:
        """Check that messages still arrive, and that only the healthy peer is still connected."""
        with trio.fail_after(10):
            await self.healthy.send(b"still here")
            assert await self.server.recv() == b"still here"
        await wait_all_tasks_blocked(0.005)
        assert len(sessions_of(self.server)) == len(pattern_of(self.server).pipes) == 1

    async def reason(self) -> tuple[Event, int, str]:
        """Why the last stranger was disconnected."""
        with trio.fail_after(10):
            async for told in self.monitor:
                if told.event not in (Event.ACCEPTED, Event.HANDSHAKE_SUCCEEDED):
                    return told.event, told.value, told.reason
        raise AssertionError


@asynccontextmanager
async def house(mechanism: str = "NULL", **options: Any) -> AsyncIterator[House]:
    async with zmq.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        server = ctx.socket(zmq.PULL, linger=0, **SERVERS[mechanism], **options)
        healthy = ctx.socket(zmq.PUSH, linger=0, **CLIENTS[mechanism])
        server.bind(TRANSPORTS[0])
        monitor = server.monitor()
        healthy.connect(server.last_endpoint)
        with trio.fail_after(10):
            await until(monitor, Event.HANDSHAKE_SUCCEEDED)
        yield House(ctx, server, healthy, monitor)


# ---------------------------------------------------------------------------------------------------------- slowly


@every_mechanism
@pytest.mark.slow
async def test_one_octet_a_second_does_not_extend_handshake_ivl(mechanism: str, quick_clock: MockClock) -> None:
    async with house(mechanism, handshake_ivl=30_000) as home:
        begin = trio.current_time()
        async with await RawPeer.dial(home.server.last_endpoint) as peer, trio.open_nursery() as nursery:

            async def drip() -> None:
                for octet in greeting(mechanism) + command(b"HELLO", bytes(194)):
                    try:
                        await peer.send(bytes([octet]))
                    except trio.BrokenResourceError:
                        return
                    await trio.sleep(1)

            nursery.start_soon(drip)
            told = await until(home.monitor, Event.HANDSHAKE_FAILED_NO_DETAIL)
            nursery.cancel_scope.cancel()
        assert told.value == errno.EAGAIN
        assert told.reason.endswith("no handshake within 30000 ms (handshake_ivl)")
        assert trio.current_time() - begin == pytest.approx(30, abs=1)
        await home.is_well()


# A process of their own, so that their ends do not count against the limit of files of this one.
CROWD = """
import socket, sys
port, count = map(int, sys.argv[1:])
crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
sys.stdin.read()
"""


@pytest.fixture
def many_files() -> Iterator[int]:
    """The limit of open files, for once as high as the system lets us set it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    high = hard if 0 <= hard < 20_000 else 20_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, high), hard))
    yield max(soft, high)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@every_mechanism
async def test_ten_thousand_peers_that_never_greet_are_dropped(
    mechanism: str, quick_clock: MockClock, many_files: int
) -> None:
    """All at the same time; fewer only where the system allows fewer open files."""
    count = min(10_000, many_files - 400)
    async with house(mechanism, backlog=4096) as home:
        quick_clock.autojump_threshold = math.inf  # time stands still until they are all here
        strangers = [await RawPeer.dial(home.server.last_endpoint) for _ in range(10)]
        await wait_all_tasks_blocked(0.01)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            strangers += [await RawPeer.dial(home.server.last_endpoint) for _ in range(100)]
            await wait_all_tasks_blocked(0.02)
            each = (tracemalloc.get_traced_memory()[0] - before) / 100
        finally:
            tracemalloc.stop()
        assert each < 40_000, f"{each:.0f} octets for one that never greets, both ends"
        for _ in strangers:
            await until(home.monitor, Event.ACCEPTED)
        port = home.server.last_endpoint.rpartition(":")[2]
        more = str(count - len(strangers))
        crowd = await trio.lowlevel.open_process([sys.executable, "-c", CROWD, port, more], stdin=subprocess.PIPE)
        try:
            for _ in range(int(more)):
                await until(home.monitor, Event.ACCEPTED)
            await wait_all_tasks_blocked(0.01)
            assert len(sessions_of(home.server)) == count + 1
            await home.healthy.send(b"unharmed")
            assert await home.server.recv() == b"unharmed"
            quick_clock.autojump_threshold = 0.01
            with trio.fail_after(100):
                while len(sessions_of(home.server)) > 1:  # noqa: ASYNC110
                    await trio.sleep(1)
            # So many at once are more than a monitor keeps of what was not read: the last of them, then.
            told = [one for one in home.monitor._events if one.event is Event.HANDSHAKE_FAILED_NO_DETAIL]
            assert {one.value for one in told} == {errno.EAGAIN}
            assert len(told) >= MOST_KEPT // 3
            await home.is_well()
        finally:
            crowd.kill()
            await crowd.wait()
            assert crowd.stdin is not None
            await crowd.stdin.aclose()
        for stranger in strangers:
            stranger.close()


# ---------------------------------------------------------------------------------------------- too much, too early


@every_mechanism
@pytest.mark.parametrize("size", [HANDSHAKE_LIMIT + 1, 2**31, 2**40, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.slow
async def test_a_command_above_64_kib_is_refused_at_its_header(mechanism: str, size: int) -> None:
    async with house(mechanism) as home:
        async with await RawPeer.dial(home.server.last_endpoint) as peer:
            await peer.send(greeting(mechanism) + b"\x06" + size.to_bytes(8, "big") + b"\x05HELLO")
            event, _, words = await home.reason()
        assert event is Event.HANDSHAKE_FAILED_PROTOCOL
        assert f"frame of {size} octets" in words
        await home.is_well()


@pytest.mark.slow
async def test_metadata_without_end_is_not_kept() -> None:
    """64 KiB of it are: in one command, which is read whole or not at all."""
    properties = b"\x03X-a\x00\x00\x00\x64" + bytes(100)
    async with house() as home:
        tracemalloc.start()
        try:
            for commands in ([ready(b"PUSH", X_a=bytes(HANDSHAKE_LIMIT))], [command(b"READY", properties)] * 10_000):
                async with await RawPeer.dial(home.server.last_endpoint) as peer:
                    try:
                        await peer.send(GREETING + b"".join(commands[:1]))
                        for said in commands[1:]:
                            await peer.send(said)
                    except trio.BrokenResourceError:
                        pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3_000_000
        assert (await home.reason())[0] is Event.HANDSHAKE_FAILED_PROTOCOL
        await until(home.monitor, Event.DISCONNECTED)


@pytest.mark.slow
async def test_more_for_ever_is_refused_and_given_back() -> None:
    async with house(maxunfinished=1_000_000) as home:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for part in (b"", b"x" * 10_000):
                async with await RawPeer.dial(home.server.last_endpoint) as peer:
                    await peer.greet(b"PUSH")
                    with trio.fail_after(20), suppress(trio.BrokenResourceError):
                        while True:
                            await peer.send(frame(part, more=True) * 100)
                event, _, words = await home.reason()
                assert event is Event.DISCONNECTED
                assert "frames of a message whose last has not come" in words
                assert "expected at most 1000000 octets" in words
                assert "raise the limit if the peer is to send such messages (maxunfinished)" in words
            _, peak = tracemalloc.get_traced_memory()
            await home.is_well()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak - before < 5_000_000
        assert after - before < 500_000


async def test_a_message_may_be_as_large_as_the_limit_if_its_end_comes() -> None:
    async with house(maxunfinished=1_000_000) as home:
        parts = [b"x" * 936] * 1000
        await home.healthy.send_multipart([*parts, b"y" * 5_000_000])  # the last frame does not count
        await home.healthy.send_multipart(parts)
        with trio.fail_after(10):
            assert await home.server.recv_multipart() == [*parts, b"y" * 5_000_000]
            assert await home.server.recv_multipart() == parts


# -------------------------------------------------------------------------------------------------------- floods


@pytest.mark.requirement("37-70")
@pytest.mark.slow
async def test_a_flood_of_encrypted_pings_is_no_longer_read() -> None:
    async with house("CURVE", sndbuf=4096) as home, await RawPeer.dial(home.server.last_endpoint) as peer:
        peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the system would read megabytes for it
        stranger = Stranger(peer, "CURVE")
        assert await stranger.shake_hands()
        with trio.fail_after(30):
            for _ in range(1000):
                flood = b"".join(stranger.connection.send(Ping(0, b"c" * 16)) for _ in range(500))
                with trio.move_on_after(0.2) as stuck:
                    await peer.send(flood)
                if stuck.cancelled_caught:
                    break
        assert stuck.cancelled_caught, "it went on reading"
        engines = [session._engine for session in sessions_of(home.server)]
        assert all(engine._writer.size < MAX_UNSENT_REPLIES + 2**21 for engine in engines)
        await home.healthy.send(b"unharmed")
        assert await home.server.recv() == b"unharmed"


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.XPUB])
@pytest.mark.slow
async def test_a_flood_of_subscriptions_is_counted_until_its_peer_ends(kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        pub = ctx.socket(kind, linger=0)
        pub.bind(TRANSPORTS[0])
        monitor = pub.monitor()
        sub = ctx.socket(zmq.SUB, linger=0)
        sub.subscribe(b"news")
        sub.connect(pub.last_endpoint)
        await until(monitor, Event.HANDSHAKE_SUCCEEDED)
        async with await RawPeer.dial(pub.last_endpoint) as peer:
            stranger = Stranger(peer, "NULL", zmq.SUB)
            assert await stranger.shake_hands()
            connection = stranger.connection
            await peer.send(b"".join(connection.send(Subscribe(b"%d" % number)) for number in range(20_000)))
            await peer.send(b"".join(connection.send(Subscribe(b"0")) for _ in range(1000)))  # one it has
            with trio.fail_after(20):
                await peer.send(connection.send(Ping(0, b"")))
                await peer.frame()  # the answer: all before it was heard
            assert sorted(one.subscriptions for one in pub.peers()) == [1, 20_000]
            await pub.send(b"news!")
            assert await sub.recv() == b"news!"
        await until(monitor, Event.DISCONNECTED)
        assert [one.subscriptions for one in pub.peers()] == [1]
        with trio.fail_after(10):
            while pattern_of(pub).subscriptions.untidy:
                await trio.lowlevel.checkpoint()
        assert pattern_of(pub).subscriptions._root.lengths == {4: 1}


WANTS = [(zmq.PUB, zmq.SUB, Subscribe), (zmq.XPUB, zmq.SUB, Subscribe), (zmq.RADIO, zmq.DISH, Join)]


@pytest.mark.parametrize(("kind", "other", "ask"), WANTS)
async def test_a_peer_that_wants_too_much_is_cut_off(
    kind: zmq.SocketType, other: zmq.SocketType, ask: type[Subscribe]
) -> None:
    async with zmq.Context() as ctx:
        pub = ctx.socket(kind, linger=0, maxsubscribed=100_000)
        pub.bind(TRANSPORTS[0])
        monitor = pub.monitor()
        async with await RawPeer.dial(pub.last_endpoint) as peer:
            stranger = Stranger(peer, "NULL", other)
            assert await stranger.shake_hands()
            with suppress(trio.BrokenResourceError):
                for number in range(1000):
                    await peer.send(stranger.connection.send(ask(b"%03d" % number)))
            told = await until(monitor, Event.DISCONNECTED)
        # Each costs 512 + 3 * 8.
        assert told.reason.endswith(
            "186 subscriptions, and one more of 3 octets; "
            "the limit is 100000 octets of memory for all of a peer (maxsubscribed)"
        )
        assert pub.peers() == []
        assert pattern_of(pub).subscriptions.matching(b"000") == ()


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.XPUB])
@pytest.mark.slow
async def test_others_have_turns_while_a_leaver_is_forgotten(kind: zmq.SocketType) -> None:
    """Counted: between two turns of another task, no more than some slices of prefixes are removed."""
    async with zmq.Context() as ctx:
        pub = ctx.socket(kind, linger=0)
        pub.bind("inproc://news")
        sub = ctx.socket(zmq.SUB)
        for number in range(20_000):
            sub.subscribe(b"%d" % number)
        sub.connect("inproc://news")
        wants = pattern_of(pub).subscriptions
        left = [sum(wants._root.lengths.values())]
        sub.close()
        left.append(sum(wants._root.lengths.values()))
        while left[-1]:
            await trio.lowlevel.checkpoint()
            left.append(sum(wants._root.lengths.values()))
        assert max(before - after for before, after in pairwise(left)) <= 4 * SLICE


# --------------------------------------------------------------------------------------------------- hanging up


@pytest.mark.slow
@every_mechanism
@pytest.mark.requirement("37-16", "26-11", "24-10")
async def test_a_peer_may_hang_up_at_every_octet_of_every_handshake(mechanism: str) -> None:
    async with house(mechanism, handshake_ivl=5000) as home:
        end, finished = 0, False
        with trio.fail_after(100):
            while not finished:
                async with await RawPeer.dial(home.server.last_endpoint) as peer:
                    stranger = Stranger(peer, mechanism, octets=end)
                    finished = await stranger.shake_hands()
                if not finished:
                    event, value, words = await home.reason()
                    assert (event, value) in [
                        (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE),
                        (Event.HANDSHAKE_FAILED_NO_DETAIL, errno.ECONNRESET),
                        (Event.DISCONNECTED, value),
                    ]
                    assert words
                    if event is not Event.DISCONNECTED:
                        assert (await home.reason())[0] is Event.DISCONNECTED
                end += 1
        assert stranger.said >= {"NULL": 90, "PLAIN": 110, "CURVE": 500}[mechanism]
        await until(home.monitor, Event.DISCONNECTED)
        await home.is_well()
