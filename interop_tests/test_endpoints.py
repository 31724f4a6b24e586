"""Endpoints: two spellings of one address, all interfaces, and the source of a connect. libzmq is the reference."""

import errno
import socket

import pytest
import trio

from interop_tests.raw import RawListener
from interop_tests.world import World, refuses

EVERY_KIND = pytest.mark.pairs("ours-libzmq", "libzmq-libzmq")
OURS = pytest.mark.pairs("ours-libzmq")
over_tcp = pytest.mark.over("tcp")
needs_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
LOOPBACK = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "")
needs_loopback = pytest.mark.skipif(not LOOPBACK, reason="no loopback interface")
EAGER = {"reconnect_ivl": 10}


def port_of(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


@over_tcp
@needs_ipv6
@pytest.mark.parametrize("endpoint", ["tcp://*:*", "tcp://[::]:*", "tcp://[0::0]:*"])
@pytest.mark.requirement("L-15")
async def test_with_ipv6_all_interfaces_are_those_of_ipv4_too(world: World, endpoint: str) -> None:
    pull = await world.server.socket("PULL", ipv6=1)
    await pull.bind(endpoint)
    assert pull.last_endpoint == f"tcp://[::]:{port_of(pull.last_endpoint)}"
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
        push = await world.client.socket("PUSH", ipv6=1)
        await push.connect(f"tcp://{host}:{port_of(pull.last_endpoint)}")
        await push.send(host.encode())
        assert await pull.recv() == host.encode()


@over_tcp
@pytest.mark.parametrize(
    "host", ["[::ffff:127.0.0.1]", "127.1", "localhost", pytest.param(LOOPBACK, marks=needs_loopback)]
)
@pytest.mark.requirement("L-15")
async def test_an_address_is_bound_however_it_is_spelled(world: World, host: str) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind(f"tcp://{host}:*")
    assert pull.last_endpoint == f"tcp://127.0.0.1:{port_of(pull.last_endpoint)}"
    push = await world.client.socket("PUSH")
    await push.connect(pull.last_endpoint)
    await push.send(b"hello")
    assert await pull.recv() == b"hello"


@EVERY_KIND
@over_tcp
@pytest.mark.parametrize("host", ["localhost", "[::ffff:127.0.0.1]", "127.1"])
@pytest.mark.requirement("L-18", "L-19")
async def test_unbind_and_disconnect_accept_another_spelling(world: World, host: str) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind("tcp://127.0.0.1:*")
    await pull.unbind(f"tcp://{host}:{port_of(pull.last_endpoint)}")
    push = await world.server.socket("PUSH")
    await push.connect("tcp://127.0.0.1:5555")
    await push.disconnect(f"tcp://{host}:5555")
    with refuses(errno.ENOENT):
        await push.disconnect("tcp://127.0.0.1:5555")


@OURS
@over_tcp
@pytest.mark.differs("spelling of an endpoint")
@pytest.mark.requirement("L-17", "L-18", "L-19")
async def test_any_spelling_ends_an_endpoint_of_any_other(world: World) -> None:
    pull = await world.server.socket("PULL", ipv6=1)
    await pull.bind("tcp://127.0.0.1:*")
    assert pull.last_endpoint == f"tcp://127.0.0.1:{port_of(pull.last_endpoint)}"
    await pull.bind("tcp://*:*")
    await pull.unbind(f"tcp://*:{port_of(pull.last_endpoint)}")
    dealer = await world.server.socket("DEALER")
    await dealer.connect("tcp://LOCALHOST:5555")
    await dealer.connect("tcp://[::ffff:127.0.0.1]:5555")
    await dealer.disconnect("tcp://127.0.0.1:5555")
    with refuses(errno.ENOENT):
        await dealer.disconnect("tcp://LOCALHOST:5555")


@over_tcp
@pytest.mark.parametrize("endpoint", ["ipc://@", "tcp://;127.0.0.1:5555"])
@pytest.mark.requirement("L-16")
async def test_an_impossible_endpoint_is_refused(world: World, endpoint: str) -> None:
    push = await world.client.socket("PUSH")
    with refuses(errno.EINVAL):
        await push.connect(endpoint)


@EVERY_KIND
@over_tcp
@pytest.mark.parametrize("source", ["127.0.0.1:PORT", pytest.param(f"{LOOPBACK}:PORT", marks=needs_loopback)])
@pytest.mark.requirement("37-52")
async def test_a_connect_comes_from_its_source(world: World, source: str) -> None:
    port = port_of(world.known_endpoint())
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(f"tcp://{source.replace('PORT', str(port))};{listener.endpoint.removeprefix('tcp://')}")
        async with await listener.accept() as raw:
            assert raw.peer_address() == ("127.0.0.1", port)


@OURS
@over_tcp
@pytest.mark.differs("source of a connect")
@pytest.mark.requirement("37-52")
async def test_a_source_may_do_without_a_port_and_without_an_address(world: World) -> None:
    port = port_of(world.known_endpoint())
    async with RawListener.listen() as listener:
        for source in ("127.0.0.1", f"*:{port}"):
            push = await world.server.socket("PUSH", **EAGER)
            await push.connect(f"tcp://{source};{listener.endpoint.removeprefix('tcp://')}")
            async with await listener.accept() as raw:
                host, its_port = raw.peer_address()
                assert host == "127.0.0.1"
                assert its_port == port or source == "127.0.0.1"


@pytest.mark.requirement("L-18", "L-19")
async def test_a_disconnect_after_the_other_side_has_unbound(world: World) -> None:
    pull = await world.server.socket("PULL")
    await pull.bind(world.endpoint())
    push = await world.client.socket("PUSH")
    await push.connect(pull.last_endpoint)
    await pull.unbind(pull.last_endpoint)
    await push.disconnect(pull.last_endpoint)
    with refuses(errno.ENOENT):
        await push.disconnect(pull.last_endpoint)


@pytest.mark.pairs("ours-ours")
@pytest.mark.over("inproc")
@pytest.mark.differs("end of an inproc endpoint")
@pytest.mark.requirement("L-18", "L-19", "L-22")
async def test_inproc_ends_as_the_other_transports_do(world: World) -> None:
    pull, push = await world.server.socket("PULL"), await world.client.socket("PUSH")
    endpoint = world.endpoint()
    await pull.bind(endpoint)
    await push.connect(endpoint)
    await pull.unbind(endpoint)
    assert not await push.try_send(b"parted")
    again = await world.server.socket("PULL")
    await again.bind(endpoint)
    await push.connect(endpoint)
    await again.close()
    await push.disconnect(endpoint)


@EVERY_KIND
@over_tcp
@pytest.mark.requirement("L-20", "L-18")
async def test_a_connect_that_gave_up_may_be_disconnected(world: World) -> None:
    async with RawListener.listen() as listener:
        push = await world.server.socket("PUSH", **EAGER)
        await push.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.send(b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"OTHER".ljust(52, b"\0"))
            await raw.receive_until_closed()
        await push.wait_event("DISCONNECTED")
        await trio.sleep(0.05)  # libzmq's socket notices it in the program's thread
        await push.disconnect(listener.endpoint)


@OURS
@over_tcp
@pytest.mark.differs("close")
@pytest.mark.requirement("L-21")
async def test_a_slow_peer_that_talks_loses_nothing_at_a_close(world: World) -> None:
    async with RawListener.listen() as listener:
        listener.listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        push = await world.server.socket("PUSH", sndbuf=1 << 20)
        await push.connect(listener.endpoint)
        async with await listener.accept() as raw:
            await raw.greet(b"PULL")
            await push.send_many([[bytes(1000)]] * 300)
            await push.close()
            for _ in range(300):
                await raw.send(b"\4\5\4PONG")
                assert await raw.message() == [bytes(1000)]
            assert await raw.ended()
