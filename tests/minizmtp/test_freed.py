"""What is over is freed at once: by its last reference, and not by the collector, which may come much later.

A server's peers come and go; each has an engine, a pipe, and what was read of it. With the collector switched off,
nothing of a peer is left when it has gone and its messages are read.
"""

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net.acceptor import Accepted
from minizmtp.net.connector import Connector
from minizmtp.net.engine import Engine
from minizmtp.net.inproc import InprocLink
from minizmtp.net.transports import Stream
from minizmtp.patterns.pipe import Pipe
from minizmtp.patterns.queue import Queue
from minizmtp.wire import Connection
from tests.minizmtp.helpers import Event, until
from tests.minizmtp.inside import links_of
from tests.zmtp_peer import RawPeer

KINDS = (Engine, Pipe, Queue, Accepted, Connector, InprocLink, Stream, Connection)


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.disable()
    gc.freeze()  # so that `kept` looks only at what the test makes
    yield
    gc.unfreeze()
    gc.enable()


def kept() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, KINDS))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["client closes", "client disconnects", "server closes"])
@pytest.mark.parametrize(
    ("binds", "connects"),
    [
        (zmq.PULL, zmq.PUSH),
        (zmq.PUSH, zmq.PULL),
        (zmq.ROUTER, zmq.DEALER),
        (zmq.DEALER, zmq.DEALER),
        (zmq.PAIR, zmq.PAIR),
        (zmq.PUB, zmq.SUB),
        (zmq.SUB, zmq.PUB),
    ],
)
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "inproc://here"])
async def test_nothing_is_left_of_a_peer_that_has_gone(
    endpoint: str, binds: zmq.SocketType, connects: zmq.SocketType, who: str
) -> None:
    async with zmq.Context() as ctx:
        server = ctx.socket(binds, linger=0)
        server.bind(endpoint)
        before = kept()
        client = ctx.socket(connects, linger=0)
        client.connect(server.last_endpoint)
        with trio.fail_after(10):
            for sock in (server, client):
                while not any(peer.connected for peer in sock.peers()):
                    await trio.lowlevel.checkpoint()
            for sock in (server, client):
                with suppress(zmq.ZMQError):
                    await sock.send(b"read", zmq.NOBLOCK)
            for sock in (server, client):
                with suppress(zmq.ZMQError):
                    while await sock.poll(20):
                        await sock.recv_multipart()
            if who == "client closes":
                client.close()
            elif who == "client disconnects":
                client.disconnect(server.last_endpoint)
            else:
                server.close()
                client.close()
            await wait_all_tasks_blocked(0.02)
        assert kept() - before == Counter()


@pytest.mark.slow
async def test_what_a_stranger_did_is_not_kept() -> None:
    """The error that ended it doesn't keep it either."""
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        before = kept()
        with trio.fail_after(10):
            for _ in range(3):
                async with await RawPeer.dial(pull.last_endpoint) as peer:
                    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
                    await until(monitor, Event.DISCONNECTED)
            await wait_all_tasks_blocked(0.02)
        assert kept() - before == Counter()


@pytest.mark.slow
async def test_a_connector_is_freed_with_its_disconnect() -> None:
    """Also without a peer, and with an unsent message that doesn't linger."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect("ipc:///nobody/is/here")
        await push.send(b"lost")
        (link,) = links_of(push)
        connector = weakref.ref(link)
        del link
        await wait_all_tasks_blocked()
        push.disconnect("ipc:///nobody/is/here")
        await wait_all_tasks_blocked()
        assert connector() is None


@pytest.mark.slow
async def test_a_lingering_peer_that_has_gone_is_not_kept() -> None:
    """Not until its time, which may be an hour away."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=3_600_000, sndbuf=4096)
        push.bind("tcp://127.0.0.1:*")
        before = kept()
        with trio.fail_after(10):
            async with await RawPeer.dial(push.last_endpoint) as peer:
                await peer.greet(b"PULL")
                await push.send(bytes(10_000_000))
                push.unbind(push.last_endpoint)
                await wait_all_tasks_blocked(0.02)
                assert kept()["Accepted"] == 1
            await wait_all_tasks_blocked(0.02)
        assert kept() - before == Counter()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "inproc://here"])
@pytest.mark.slow
async def test_a_rep_that_has_answered_keeps_nothing_of_its_client(endpoint: str) -> None:
    async with zmq.Context() as ctx:
        server = ctx.socket(zmq.REP, linger=0)
        server.bind(endpoint)
        before = kept()
        client = ctx.socket(zmq.REQ, linger=0)
        client.connect(server.last_endpoint)
        with trio.fail_after(10):
            await client.send(b"question")
            await server.recv()
            await server.send(b"answer")
            await client.recv()
            client.close()
            while server.peers():
                await trio.lowlevel.checkpoint()
        del client
        await wait_all_tasks_blocked()
        assert kept() - before == Counter()  # less than before, because bind has made the Connection of this client


UNREAD = [(zmq.ROUTER, zmq.DEALER), (zmq.REP, zmq.REQ), (zmq.PULL, zmq.PUSH), (zmq.XPUB, zmq.SUB)]


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "inproc://here"])
@pytest.mark.parametrize(("binds", "connects"), UNREAD)
async def test_a_close_forgets_what_peers_sent_before_they_went(
    binds: zmq.SocketType, connects: zmq.SocketType, endpoint: str
) -> None:
    async with zmq.Context() as ctx:
        before = kept()
        server, client = ctx.socket(binds, linger=0), ctx.socket(connects, linger=0)
        server.bind(endpoint)
        client.connect(server.last_endpoint)
        with trio.fail_after(10):
            for number in range(500):
                if connects is zmq.SUB:
                    client.subscribe(b"%d" % number)
                elif number == 0 or connects is not zmq.REQ:
                    await client.send(b"unread")
            while sum(peer.unread for peer in server.peers()) < (1 if connects is zmq.REQ else 500):
                await trio.lowlevel.checkpoint()
            client.close()
            while server.peers():
                await trio.lowlevel.checkpoint()
            server.close()
            await wait_all_tasks_blocked(0.02)
        assert kept() == before
