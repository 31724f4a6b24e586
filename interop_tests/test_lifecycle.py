"""The life of sockets and connections: the order of bind and connect, crashes and reconnects, and what happens to the
messages.

The RFCs say little about this. Most of it is libzmq's behaviour, because users of ZeroMQ rely on it.
"""

import contextlib
import errno
import os
import socket as stdlib_socket

import pytest
import trio

from interop_tests.world import EFSM, PATIENCE, Peer, World, assert_same, payload, refuses, settle

# Reconnect ten times as often as libzmq's default, so that tests need not wait for it.
EAGER = {"reconnect_ivl": 10}


async def ask(req: Peer, rep: Peer, question: bytes = b"still there?") -> None:
    await req.send(question)
    assert await rep.recv() == question
    await rep.send(b"yes")
    assert await req.recv() == b"yes"


# --- connect before bind --------------------------------------------------------------------------


@pytest.mark.requirement("L-6", "L-23", "30-4", "37-52")
async def test_what_is_sent_before_the_server_exists_arrives_in_order(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", **EAGER)
    await push.connect(endpoint)
    for n in range(10):
        await push.send_multipart([b"%d" % n, b""])
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    for n in range(10):
        assert await pull.recv_multipart() == [b"%d" % n, b""]


@pytest.mark.requirement("L-5", "L-6", "28-5", "37-52")
async def test_a_question_may_be_asked_before_the_server_exists(world: World) -> None:
    endpoint = world.known_endpoint()
    req = await world.client.socket("REQ")  # libzmq's default: 100 to 199 ms between two attempts
    await req.connect(endpoint)
    await req.send(b"anybody there?")
    rep = await world.server.socket("REP")
    await rep.bind(endpoint)
    assert await rep.recv() == b"anybody there?"
    await rep.send(b"now, yes")
    assert await req.recv() == b"now, yes"


@pytest.mark.requirement("L-38", "29-28", "37-58")
async def test_a_sub_may_be_there_before_its_publisher(world: World) -> None:
    endpoint = world.known_endpoint()
    sub = await world.client.socket("SUB", **EAGER)
    await sub.subscribe(b"news")
    await sub.connect(endpoint)
    await sub.subscribe(b"sport")
    pub = await world.server.socket("PUB")
    await pub.bind(endpoint)
    await settle(pub, sub)
    for topic in (b"news", b"weather", b"sport"):
        await pub.send(topic)
    assert [await sub.recv(), await sub.recv()] == [b"news", b"sport"]


@pytest.mark.requirement("L-1", "L-2", "L-4", "30-6", "30-9", "28-24")
async def test_a_queue_without_a_peer_holds_the_high_water_mark(world: World) -> None:
    """Messages are counted, not frames."""
    first, second = world.known_endpoint(), world.known_endpoint()
    push = await world.client.socket("PUSH", sndhwm=7, **EAGER)
    await push.connect(first)
    for n in range(7):
        assert await push.try_send(b"%d" % n, b"", b"three frames each")
    assert not await push.try_send(b"refused")
    await push.connect(second)
    for n in range(7, 14):
        assert await push.try_send(b"%d" % n, b"", b"three frames each")
    assert not await push.try_send(b"refused")
    for endpoint in (first, second):
        pull = await world.server.socket("PULL")
        await pull.bind(endpoint)
        for n in range(7):
            number = n + (7 if endpoint == second else 0)
            assert await pull.recv_multipart() == [b"%d" % number, b"", b"three frames each"]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-7", "28-22")
async def test_with_immediate_only_a_made_connection_counts(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", immediate=1, **EAGER)
    await push.connect(endpoint)
    assert not await push.try_send(b"too early")
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    await push.send(b"waits for the handshake")
    assert await pull.recv() == b"waits for the handshake"


# --- reconnect ------------------------------------------------------------------------------------


async def restart(world: World, server_type: str, endpoint: str, *clients: Peer) -> Peer:
    """The server dies, its clients notice it, and another server replaces it."""
    await world.server.crash()
    for client in clients:
        await client.wait_event("DISCONNECTED")
    server = await world.server.socket(server_type)
    await server.bind(endpoint)
    return server


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("37-17", "37-18", "37-52", "L-5", "L-20")
async def test_a_req_finds_its_server_again(world: World) -> None:
    endpoint = world.known_endpoint()
    rep = await world.server.socket("REP")
    await rep.bind(endpoint)
    req = await world.client.socket("REQ", **EAGER)
    await world.join(rep, req)
    for _ in range(3):
        await ask(req, rep)
        rep = await restart(world, "REP", endpoint, req)
        await world.handshakes(rep, req)
    await ask(req, rep)


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-34", "37-54")
async def test_a_request_is_not_sent_again_after_its_server_died(world: World) -> None:
    endpoint = world.known_endpoint()
    rep = await world.server.socket("REP")
    await rep.bind(endpoint)
    req, other = [await world.client.socket("REQ", **EAGER) for _ in range(2)]
    await world.join(rep, req, other)
    await req.send(b"question")
    assert await rep.recv() == b"question"
    rep = await restart(world, "REP", endpoint, req, other)
    await world.handshakes(rep, req, other)
    await ask(other, rep)  # the new server's first request
    assert await rep.try_recv() is None
    assert await req.try_recv() is None
    with refuses(EFSM):
        await req.send(b"question")


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-8", "30-4", "30-11", "37-18")
async def test_what_is_sent_while_the_server_is_away_waits_for_it(world: World) -> None:
    endpoint = world.known_endpoint()
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    push = await world.client.socket("PUSH", **EAGER)
    await world.join(pull, push)
    await push.send(b"before")
    assert await pull.recv() == b"before"
    await world.server.crash()
    await push.wait_event("DISCONNECTED")
    for n in range(50):
        assert await push.try_send(b"%d" % n)
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    assert [await pull.recv() for _ in range(50)] == [b"%d" % n for n in range(50)]


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-38", "29-28", "37-18", "37-58")
async def test_subscriptions_are_sent_again_after_a_reconnect(world: World) -> None:
    endpoint = world.known_endpoint()
    pub = await world.server.socket("PUB")
    await pub.bind(endpoint)
    sub = await world.client.socket("SUB", **EAGER)
    await sub.subscribe(b"news", b"gone")
    await world.join(pub, sub)
    await settle(pub, sub)
    await sub.unsubscribe(b"gone")
    pub = await restart(world, "PUB", endpoint, sub)
    await settle(pub, sub)
    for topic in (b"gone", b"news", b"nothing"):
        await pub.send(topic)
    assert await sub.recv() == b"news"
    await settle(pub, sub)  # receives only markers


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("28-23", "29-4", "30-16", "37-16")
async def test_a_server_survives_the_death_of_a_client(world: World) -> None:
    rep, req = await world.pair("REP", "REQ")
    await req.send(b"last words")
    assert await rep.recv() == b"last words"
    await world.client.crash()
    await rep.wait_event("DISCONNECTED")
    await rep.send(b"too late")
    req = await world.client.socket("REQ")
    await world.join(rep, req)
    await ask(req, rep)


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-5")
@pytest.mark.parametrize("never", [0, -1])
async def test_a_client_that_may_not_reconnect_dials_once(world: World, never: int) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", reconnect_ivl=never)
    await push.connect(endpoint)
    await push.wait_event("CLOSED")
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    await trio.sleep(0.3)  # nothing should happen; by default, libzmq would have dialled by now
    assert pull.events.count("ACCEPTED") == 0


# --- bind, connect, and their opposites -----------------------------------------------------------


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-19")
async def test_unbind_ends_the_listener_and_what_it_accepted(world: World) -> None:
    endpoint = world.known_endpoint()
    rep = await world.server.socket("REP")
    await rep.bind(endpoint)
    req = await world.client.socket("REQ", **EAGER)
    await world.join(rep, req)
    await rep.unbind(endpoint)
    await req.wait_event("DISCONNECTED")
    await rep.bind(endpoint)
    await world.handshakes(rep, req)
    await ask(req, rep)


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-18")
async def test_disconnect_ends_one_connection_after_its_queue(world: World) -> None:
    pull, push = await world.pair("PULL", "PUSH")
    for n in range(50):
        await push.send(b"%d" % n)
    await push.disconnect(pull.last_endpoint)
    assert [await pull.recv() for _ in range(50)] == [b"%d" % n for n in range(50)]
    await pull.wait_event("DISCONNECTED")
    assert not await push.try_send(b"to nobody")
    with refuses(errno.ENOENT):
        await push.disconnect(pull.last_endpoint)
    with refuses(errno.ENOENT):
        await pull.unbind(world.known_endpoint())


@pytest.mark.over("tcp", "inproc")
@pytest.mark.requirement("L-16", "L-22")
async def test_an_endpoint_is_bound_once(world: World) -> None:
    one, two = [await world.server.socket("PULL") for _ in range(2)]
    endpoint = await one.bind(world.endpoint())
    with refuses(errno.EADDRINUSE):
        await two.bind(endpoint)


@pytest.mark.over("ipc")
@pytest.mark.pairs("ours-ours", "ours-libzmq")
@pytest.mark.requirement("L-16")
async def test_a_live_ipc_path_is_kept_and_a_dead_one_replaced(world: World) -> None:
    """There is no control for the first half, because libzmq removes any file at the path before it binds."""
    endpoint = world.endpoint()
    with contextlib.closing(stdlib_socket.socket(stdlib_socket.AF_UNIX)) as dead:
        dead.bind(endpoint.removeprefix("ipc://"))
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    thief = await world.server.socket("PULL")
    with refuses(errno.EADDRINUSE):
        await thief.bind(endpoint)
    push = await world.client.socket("PUSH")
    await world.join(pull, push)
    await push.send(b"hello")
    assert await pull.recv() == b"hello"


@pytest.mark.over("ipc")
@pytest.mark.pairs("ours-ours")
@pytest.mark.requirement("L-16", "L-19")
async def test_the_file_of_an_ipc_listener_goes_with_it(world: World) -> None:
    """There is no control, because libzmq leaves the file behind unless it has chosen the path itself."""
    unbound, closed = [await world.server.socket("PULL") for _ in range(2)]
    one, two = await unbound.bind(world.endpoint()), await closed.bind(world.endpoint())
    await unbound.unbind(one)
    await unbound.wait_event("CLOSED")
    await closed.close()
    await world.server.term()
    for endpoint in (one, two):
        assert not await trio.Path(endpoint.removeprefix("ipc://")).exists()


@pytest.mark.pairs("ours-libzmq", "libzmq-ours")
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-15")
@pytest.mark.parametrize(
    ("asked", "starts_with", "dial"),
    [
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:", "127.0.0.1"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:", "127.0.0.1"),
        ("tcp://*:*", "tcp://0.0.0.0:", "127.0.0.1"),
        ("ipc://*", "ipc:///", None),
        ("ipc://@minizmtp-interop-" + str(os.getpid()), "ipc://@minizmtp-interop-", None),
    ],
)
async def test_wildcards_are_resolved(world: World, asked: str, starts_with: str, dial: str | None) -> None:
    pull = await world.server.socket("PULL")
    found = await pull.bind(asked)
    assert found.startswith(starts_with)
    if dial:
        port = int(found.rpartition(":")[2])
        assert port > 0
        found = f"tcp://{dial}:{port}"
    push = await world.client.socket("PUSH")
    await push.connect(found)
    await push.send(b"hello")
    assert await pull.recv() == b"hello"


@pytest.mark.pairs("ours-libzmq", "libzmq-ours")
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-15", "37-51")
async def test_ipv6(world: World) -> None:
    with contextlib.closing(stdlib_socket.socket(stdlib_socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
    pull = await world.server.socket("PULL", ipv6=1)
    push = await world.client.socket("PUSH", ipv6=1)
    found = await pull.bind("tcp://[::1]:*")
    assert found.startswith("tcp://[::1]:")
    await push.connect(found)
    await push.send(b"hello")
    assert await pull.recv() == b"hello"


@pytest.mark.pairs("ours-libzmq", "libzmq-ours")
@pytest.mark.over("tcp")
@pytest.mark.requirement("L-16")
async def test_endpoints_that_make_no_sense_are_refused(world: World) -> None:
    push = await world.server.socket("PUSH")
    for endpoint in ("tcp://127.0.0.1", "tcp://127.0.0.1:*", "tcp://*:5555", "tcp://", "127.0.0.1:5555"):
        with refuses(errno.EINVAL):
            await push.connect(endpoint)
    with refuses(errno.EPROTONOSUPPORT):
        await push.connect("carrier-pigeon://loft")
    with refuses(errno.EPROTONOSUPPORT):
        await push.bind("carrier-pigeon://loft")


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-17")
async def test_connecting_twice_counts_twice_for_push_once_for_sub(world: World) -> None:
    """A SUB socket ignores the second connect, because otherwise each message would arrive twice."""
    pull, push = await world.pair("PULL", "PUSH")
    await push.connect(pull.last_endpoint)
    await world.handshakes(pull, push)

    pub, sub = await world.pair("PUB", "SUB")
    await sub.connect(pub.last_endpoint)
    await sub.subscribe(b"")
    await settle(pub, sub)
    await pub.send(b"once")
    await pub.send(b"end")
    assert [await sub.recv(), await sub.recv()] == [b"once", b"end"]
    assert pub.events.count("ACCEPTED") == 1


# --- size, linger, and the end --------------------------------------------------------------------


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("37-16", "37-18", "L-20")
async def test_a_frame_above_maxmsgsize_ends_the_connection(world: World) -> None:
    """The sender only sees that the connection ends, so it dials again, but it doesn't send the message again."""
    pull = await world.server.socket("PULL", maxmsgsize=100)
    push, healthy = [await world.client.socket("PUSH", **EAGER) for _ in range(2)]
    await world.join(pull, push, healthy)
    await push.send(bytes(100))
    assert await pull.recv() == bytes(100)
    await push.send(bytes(101))
    await pull.wait_event("DISCONNECTED")
    await healthy.send(b"unharmed")
    assert await pull.recv() == b"unharmed"
    await world.handshakes(pull, push)
    await push.send_multipart([bytes(100), bytes(100)])  # the limit applies to each frame
    assert await pull.recv_multipart() == [bytes(100), bytes(100)]


@pytest.mark.requirement("L-21")
async def test_a_closed_socket_still_delivers_what_it_was_given(world: World) -> None:
    """There are many more messages than the buffers hold, so most of them wait in the closed socket."""
    pull, push = await world.pair("PULL", "PUSH")
    message = [payload(2**20), b"end"]
    for _ in range(20):
        await push.send_multipart(message)
    await push.close()
    for _ in range(20):
        assert_same(await pull.recv_multipart(), message)


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-21", "L-6")
async def test_a_closed_socket_waits_for_a_server_that_comes_late(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", **EAGER)
    await push.connect(endpoint)
    await push.send(b"in a bottle")
    await push.close(linger=int(1000 * PATIENCE))
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    assert await pull.recv() == b"in a bottle"


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-21")
async def test_with_linger_0_what_was_not_sent_is_dropped(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", **EAGER)
    await push.connect(endpoint)
    await push.send(b"dropped")
    await push.close(linger=0)
    await world.client.term()  # libzmq's close() takes effect in another thread, and term() waits for it
    pull = await world.server.socket("PULL")
    await pull.bind(endpoint)
    other = await world.client.socket("PUSH")
    await world.join(pull, other)
    await other.send(b"kept")
    assert await pull.recv() == b"kept"
    assert pull.events.count("ACCEPTED") == 1


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-21")
async def test_term_waits_for_what_lingers(world: World) -> None:
    endpoint = world.known_endpoint()
    push = await world.client.socket("PUSH", linger=-1, **EAGER)
    await push.connect(endpoint)
    await push.send(b"before I go")
    ended = trio.Event()

    async def term() -> None:
        await world.client.term()
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(term)
        pull = await world.server.socket("PULL")
        assert not ended.is_set()
        await pull.bind(endpoint)
        assert await pull.recv() == b"before I go"
        with trio.fail_after(PATIENCE):
            await ended.wait()


@pytest.mark.over("tcp", "ipc")
@pytest.mark.requirement("L-21")
async def test_term_waits_no_longer_than_linger(world: World) -> None:
    push = await world.client.socket("PUSH", linger=200, **EAGER)
    await push.connect(world.known_endpoint())
    await push.send(b"to nobody")
    begin = trio.current_time()
    with trio.fail_after(PATIENCE):
        await world.client.term()
    assert trio.current_time() - begin >= 0.19, "it did not wait at all"


@pytest.mark.requirement("L-21", "37-27")
async def test_term_after_a_conversation_ends_at_once(world: World) -> None:
    """SUB and PULL have nothing to send, and the PUSH has sent everything."""
    pull, push = await world.pair("PULL", "PUSH")
    pub, sub = await world.pair("PUB", "SUB")
    await sub.subscribe(b"")
    await settle(pub, sub)
    await push.send(b"all")
    assert await pull.recv() == b"all"
    with trio.fail_after(PATIENCE):
        await world.client.term()
        await world.server.term()
