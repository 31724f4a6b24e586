"""Messages in parts, and calls out of order: one program has the same results with ours and libzmq, over inproc.

No call here waits, so pyzmq's blocking sockets can be used in the same process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import zmq

import minizmtp
from interop_tests.world import EFSM

NOBLOCK, MORE = zmq.NOBLOCK, zmq.SNDMORE


class Libzmq:
    """A pyzmq socket with awaitable calls; they don't wait."""

    def __init__(self, sock: zmq.Socket[bytes]) -> None:
        self.sock = sock

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.sock, name)
        if name in ("bind", "connect") or not callable(call):
            return call

        async def awaited(*args: Any) -> Any:
            await trio.lowlevel.checkpoint()
            return call(*args)

        return awaited


MakeSocket = Callable[..., Any]


@asynccontextmanager
async def our_sockets() -> AsyncIterator[MakeSocket]:
    async with minizmtp.Context() as ctx:
        yield lambda kind, **options: ctx.socket(kind, linger=0, **options)


@asynccontextmanager
async def libzmq_sockets() -> AsyncIterator[MakeSocket]:
    ctx = zmq.Context()

    def make(kind: int, **options: Any) -> Libzmq:
        sock = ctx.socket(kind)
        for name, value in {"linger": 0, **options}.items():
            setattr(sock, name, value)
        return Libzmq(sock)

    yield make
    ctx.destroy(linger=0)


async def outcome(call: Awaitable[Any]) -> Any:
    """The result of a call, or the name of its error."""
    try:
        return await call
    except (minizmtp.ZMQError, zmq.ZMQError) as error:
        return "EFSM" if error.errno == EFSM else errno.errorcode.get(error.errno or 0, os.strerror(error.errno or 0))


both = pytest.mark.parametrize("sockets", [our_sockets, libzmq_sockets], ids=["ours", "libzmq"])


@both
@pytest.mark.requirement("30-9", "30-10", "30-11")
async def test_a_push_without_peers_refuses_a_first_part(sockets: Any) -> None:
    async with sockets() as socket:
        push, pull = socket(zmq.PUSH), socket(zmq.PULL)
        assert await outcome(push.send(b"topic", MORE | NOBLOCK)) == "EAGAIN"
        assert await outcome(push.send(b"old", NOBLOCK)) == "EAGAIN"
        pull.bind("inproc://here")
        push.connect("inproc://here")
        assert await outcome(push.send_multipart([b"topic", b"new"], NOBLOCK)) is None
        assert await pull.recv_multipart(NOBLOCK) == [b"topic", b"new"]


@both
@pytest.mark.requirement("28-43", "L-26", "L-27")
async def test_a_mandatory_router_refuses_a_first_part(sockets: Any) -> None:
    async with sockets() as socket:
        router = socket(zmq.ROUTER, router_mandatory=1, sndhwm=1)
        dealer = socket(zmq.DEALER, routing_id=b"d", rcvhwm=1)
        router.bind("inproc://here")
        dealer.connect("inproc://here")
        assert await outcome(router.send(b"gone", MORE | NOBLOCK)) == "EHOSTUNREACH"
        for _ in range(2):
            assert await outcome(router.send(b"d", MORE | NOBLOCK)) is None
            assert await outcome(router.send(b"body", NOBLOCK)) is None
        assert await outcome(router.send(b"d", MORE | NOBLOCK)) == "EAGAIN"
        assert [await dealer.recv_multipart(NOBLOCK) for _ in range(2)] == [[b"body"]] * 2


@both
@pytest.mark.requirement("28-1", "28-10", "L-31")
async def test_no_send_before_the_rest_of_a_message_is_read(sockets: Any) -> None:
    async with sockets() as socket:
        rep, req = socket(zmq.REP), socket(zmq.REQ)
        rep.bind("inproc://here")
        req.connect("inproc://here")
        await req.send_multipart([b"a", b"b"])
        for sock in (rep, req):
            assert await sock.recv(NOBLOCK) == b"a"
            assert await outcome(sock.send(b"x", NOBLOCK)) == "EFSM"
            assert await outcome(sock.send(b"x", MORE | NOBLOCK)) == "EFSM"
            assert await sock.poll(0, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLIN
            assert await sock.recv(NOBLOCK) == b"b"
            assert await sock.poll(0, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLOUT
            assert await outcome(sock.send_multipart([b"a", b"b"], NOBLOCK)) is None


@both
@pytest.mark.requirement("28-1", "28-10", "L-31")
async def test_no_recv_between_two_parts_of_a_message(sockets: Any) -> None:
    async with sockets() as socket:
        rep, req = socket(zmq.REP), socket(zmq.REQ)
        rep.bind("inproc://here")
        req.connect("inproc://here")
        for sock, other in ((req, rep), (rep, req)):
            assert await outcome(sock.send(b"a", MORE)) is None
            assert await outcome(sock.recv(NOBLOCK)) == "EFSM"
            assert await outcome(sock.send(b"b")) is None
            assert await other.recv_multipart(NOBLOCK) == [b"a", b"b"]
