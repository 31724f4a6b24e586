"""The public names: those of pyzmq are asked of pyzmq, and no other name is public."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import zmq as pyzmq

import minihttp
import minizmtp
from minizmtp.options import OPTION_NAMES, Options
from tests.minizmtp.test_pyzmq import PAGE


def test_each_run_has_a_context_for_all_of_its_own() -> None:
    async def main() -> minizmtp.Context:
        async with minizmtp.Context.instance() as ctx:
            return ctx

    assert trio.run(main) is not trio.run(main)
    with pytest.raises(RuntimeError):
        minizmtp.Context.instance()


def test_options_have_the_numbers_of_pyzmq() -> None:
    for option in minizmtp.SocketOption:
        assert getattr(pyzmq, option.name) == option == getattr(minizmtp, option.name)
    assert minizmtp.IDENTITY is minizmtp.ROUTING_ID
    named = {option.name.lower() for option in minizmtp.SocketOption}
    missing = {name for name in OPTION_NAMES if hasattr(pyzmq, name.upper())} - named - {"identity"}
    assert not missing


BY_NUMBER = {
    "a number": lambda zmq, sock: sock.setsockopt(zmq.LINGER, 5) or (sock.getsockopt(zmq.LINGER), sock.linger),
    "by the short name": lambda zmq, sock: sock.set(zmq.SNDHWM, 5) or (sock.get(zmq.SNDHWM), sock.sndhwm),
    "octets": lambda zmq, sock: sock.setsockopt(zmq.ROUTING_ID, b"me") or sock.getsockopt(zmq.ROUTING_ID),
    "text": lambda zmq, sock: sock.setsockopt_string(zmq.IDENTITY, "m\xe9") or sock.getsockopt(zmq.ROUTING_ID),
    "text as octets": lambda zmq, sock: sock.setsockopt(zmq.ROUTING_ID, "me"),
    "octets as text": lambda zmq, sock: sock.setsockopt_string(zmq.ROUTING_ID, b"me"),
    "text as a number": lambda zmq, sock: sock.setsockopt(zmq.LINGER, "5"),
    "octets as a number": lambda zmq, sock: sock.setsockopt(zmq.LINGER, b"5"),
    "out of range": lambda zmq, sock: sock.setsockopt(zmq.LINGER, -2),
    "an unknown number": lambda zmq, sock: sock.setsockopt(9999, 1),
    "reading an unknown number": lambda zmq, sock: sock.getsockopt(9999),
    "another type's": lambda zmq, sock: sock.setsockopt(zmq.ROUTER_MANDATORY, 1),
    "a subscription of a DEALER": lambda zmq, sock: sock.setsockopt(zmq.SUBSCRIBE, b"x"),
    "reading a subscription": lambda zmq, sock: sock.getsockopt(zmq.SUBSCRIBE),
    "setting the type": lambda zmq, sock: sock.setsockopt(zmq.TYPE, 1),
    "setting the endpoint": lambda zmq, sock: sock.setsockopt(zmq.LAST_ENDPOINT, b"x"),
    "the type": lambda zmq, sock: sock.getsockopt(zmq.TYPE),
    "the rest of a message": lambda zmq, sock: sock.getsockopt(zmq.RCVMORE),
    "the events": lambda zmq, sock: sock.getsockopt(zmq.EVENTS),
    "no endpoint": lambda zmq, sock: sock.getsockopt(zmq.LAST_ENDPOINT),
    "an endpoint": lambda zmq, sock: [sock.bind("inproc://number"), sock.getsockopt(zmq.LAST_ENDPOINT)][1],
    "a closed socket": lambda zmq, sock: sock.close() or sock.setsockopt(zmq.LINGER, 5),
    "reading a closed socket": lambda zmq, sock: sock.close() or sock.getsockopt(zmq.LINGER),
}


@pytest.mark.parametrize("ask", BY_NUMBER.values(), ids=BY_NUMBER)
async def test_options_by_number_are_those_of_pyzmq(ask: Callable[[Any, Any], object]) -> None:
    def answer(zmq: Any, ctx: Any) -> object:
        sock = ctx.socket(zmq.DEALER)
        try:
            return ask(zmq, sock)
        except TypeError:
            return TypeError
        except zmq.ZMQError as error:
            return error.errno
        finally:
            sock.close(0)

    with pyzmq.Context() as theirs:
        expected = answer(pyzmq, theirs)
    async with minizmtp.Context() as ctx:
        assert answer(minizmtp, ctx) == expected


async def test_subscribing_by_number() -> None:
    async with minizmtp.Context() as ctx:
        xpub, sub = ctx.socket(minizmtp.XPUB), ctx.socket(minizmtp.SUB)
        xpub.bind("inproc://news")
        sub.connect("inproc://news")
        sub.setsockopt(minizmtp.SUBSCRIBE, b"eu")
        sub.setsockopt_string(minizmtp.UNSUBSCRIBE, "eu")
        assert [await xpub.recv(), await xpub.recv()] == [b"\1eu", b"\0eu"]
        with pytest.raises(TypeError, match=r"setsockopt_string\(\)"):
            sub.setsockopt(minizmtp.SUBSCRIBE, "eu")


async def test_a_default_of_a_context_is_not_for_zap_questions() -> None:
    """The socket that asks the handler is the library's own: with these options it would get no answer."""
    async with minizmtp.Context() as ctx:
        ctx.rcvtimeo, ctx.routing_id, ctx.zap_domain = 0, b"everybody", b"global"
        handler = ctx.socket(minizmtp.REP, rcvtimeo=-1)
        handler.bind("inproc://zeromq.zap.01")
        server, client = ctx.socket(minizmtp.PULL), ctx.socket(minizmtp.PUSH)
        server.bind("tcp://127.0.0.1:*")
        client.connect(server.last_endpoint)
        with trio.fail_after(10):
            for _ in range(2):  # each end asks, because each has a zap_domain
                question = await handler.recv_multipart()
                await handler.send_multipart([b"1.0", question[1], b"200", b"OK", b"", b""])
            await client.send(b"in")
            assert await server.poll(5000)
            assert await server.recv() == b"in"


async def test_destroy_closes_with_a_linger_of_its_own() -> None:
    async with minizmtp.Context() as ctx:
        push = ctx.socket(minizmtp.PUSH)
        push.connect("tcp://127.0.0.1:1")
        await push.send(b"for a peer that never comes")
        with trio.fail_after(10):
            await ctx.destroy(linger=0)
        assert push.closed
        assert ctx.closed
        await ctx.destroy()  # may be repeated


LISTED = re.search(r"^- `Socket`: (.*?)^- .*also: (.*?)^- `Context`: (.*?)\Z", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("kind", minizmtp.SocketType)
async def test_a_socket_has_no_public_name_but_those_listed(kind: minizmtp.SocketType) -> None:
    assert LISTED is not None
    async with minizmtp.Context() as ctx:
        sock = ctx.socket(kind)
        names = {name for name in dir(sock) if not name.startswith("_")}
    more = LISTED[2].split() if isinstance(sock, minizmtp.AddressedSocket) else []
    assert names == {*LISTED[1].split(), *OPTION_NAMES, *more}


async def test_a_context_has_no_public_name_but_those_listed() -> None:
    assert LISTED is not None
    async with minizmtp.Context() as ctx:
        assert {name for name in dir(ctx) if not name.startswith("_")} == {*LISTED[3].split(), *OPTION_NAMES}


def test_a_socket_inherits_from_its_options_alone() -> None:
    assert minizmtp.Socket.__mro__ == (minizmtp.Socket, Options, object)


def test_errors_have_a_module_as_in_pyzmq() -> None:
    for name in minizmtp.error.__all__:
        assert getattr(minizmtp.error, name) is getattr(minizmtp, name)
        assert hasattr(pyzmq.error, name)


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))["project"]
    assert minizmtp.__version__ == minihttp.__version__ == project["version"]
