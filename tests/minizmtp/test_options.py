"""Options: each row's default, type and range, by keyword and by attribute."""

import pydoc
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import zmq as pyzmq
from trio.testing import wait_all_tasks_blocked

import minizmtp as zmq
from docs.options import DOCUMENT, table
from minizmtp import options
from minizmtp.options import OPTION_NAMES, OPTION_ROWS, Options, set_options, snapshot
from tests.minizmtp.helpers import TRANSPORTS, free_endpoint, logged, pair, receive_all, until
from tests.minizmtp.inside import links_of, options_of
from tests.zmtp_bytes import frame
from tests.zmtp_peer import RawPeer

# libzmq's options, and what each must take and refuse.
COUNTS = {"sndhwm": 1000, "rcvhwm": 1000, "backlog": 100}
TIMES = {"linger": -1, "sndtimeo": -1, "rcvtimeo": -1}
SPANS = {"reconnect_ivl_max": 0, "connect_timeout": 0, "handshake_ivl": 30000, "heartbeat_ivl": 0}
SWITCHES = {
    **dict.fromkeys(["immediate", "conflate", "router_mandatory", "router_handover", "probe_router"], 0),
    **dict.fromkeys(["req_relaxed", "req_correlate", "xpub_verbose", "xpub_verboser", "xpub_manual"], 0),
    **dict.fromkeys(["xpub_nodrop", "invert_matching", "ipv6", "heartbeat_old_peers"], 0),
}
SYSTEMS = dict.fromkeys(["sndbuf", "rcvbuf"], -1)
PROBES = dict.fromkeys(["tcp_keepalive_idle", "tcp_keepalive_cnt", "tcp_keepalive_intvl"], -1)
DEFAULTS = (
    COUNTS
    | TIMES
    | SPANS
    | SWITCHES
    | SYSTEMS
    | {"tcp_keepalive": -1, "maxmsgsize": -1, "maxunfinished": 2**27, "maxsubscribed": 2**30, "spin_time": 150}
    | PROBES
    | {"reconnect_ivl": 100, "heartbeat_ttl": 0}
    | {"heartbeat_timeout": -1}  # which stands for heartbeat_ivl, and cannot be set
    | {"routing_id": b"", "connect_routing_id": b"", "xpub_welcome_msg": b""}
)
GOOD: list[tuple[str, Any]] = [
    *((name, value) for name in COUNTS for value in (0, 1, 2**31 - 1)),
    *((name, value) for name in TIMES for value in (-1, 0, 1, 2**31 - 1)),
    *((name, value) for name in SPANS for value in (0, 1, 2**31 - 1)),
    *((name, value) for name in SWITCHES for value in (0, 1, True, False)),
    *((name, value) for name in SYSTEMS for value in (-1, 0, 4096)),
    *((name, value) for name in PROBES for value in (-1, 1, 127)),
    *(("tcp_keepalive", value) for value in (-1, 0, 1)),
    *(("maxmsgsize", value) for value in (-1, 0, 2**31, 2**63 - 1)),
    *((name, value) for name in ("maxunfinished", "maxsubscribed") for value in (0, 2**63 - 1)),
    *(("reconnect_ivl", value) for value in (-1, 0, 1)),
    *(("spin_time", value) for value in (0, 1, 150)),
    *(("heartbeat_ttl", value) for value in (0, 100, 6553500)),
    *(("heartbeat_timeout", value) for value in (0, 1, 2**31 - 1)),
    *(("routing_id", value) for value in (b"x", b"x" * 255)),
]
OUT_OF_RANGE: list[tuple[str, Any]] = [
    *((name, value) for name in COUNTS for value in (-1, 2**31)),
    *((name, value) for name in TIMES for value in (-2, 2**31)),
    *((name, value) for name in SPANS for value in (-1, 2**31)),
    *((name, value) for name in SWITCHES for value in (-1, 2)),
    *((name, value) for name in SYSTEMS for value in (-2, 2**40)),
    *((name, value) for name in PROBES for value in (-2, 0, 2**15)),
    *(("tcp_keepalive", value) for value in (-2, 2)),
    *(("maxmsgsize", value) for value in (-2, 2**63)),
    *((name, value) for name in ("maxunfinished", "maxsubscribed") for value in (-1, 2**63)),
    *(("reconnect_ivl", value) for value in (-2, 2**31)),
    *(("spin_time", value) for value in (-1, 151)),
    *(("heartbeat_ttl", value) for value in (-1, 6553600)),
    *(("heartbeat_timeout", value) for value in (-2, -1, 2**31)),
    *(("routing_id", value) for value in (b"", "", b"x" * 256, b"\0id")),
]


def ident(case: Any) -> str:
    return str(case)[:30]


def test_the_tables_here_name_every_option() -> None:
    assert set(DEFAULTS) == {
        name for name in OPTION_ROWS if not name.startswith(("plain_", "curve_", "zap_", "ssl_", "ws_"))
    }


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_a_default_is_libzmqs(name: str, default: Any) -> None:
    assert getattr(Options(), name) == default
    assert type(getattr(Options(), name)) is type(default)


@pytest.mark.parametrize(("name", "value"), GOOD, ids=ident)
def test_a_valid_value_is_kept_by_attribute_and_by_keyword(name: str, value: Any) -> None:
    one, other = Options(), Options()
    setattr(one, name, value)
    set_options(other, {name: value})
    assert getattr(one, name) == getattr(other, name) == value


@pytest.mark.requirement("37-47", "37-48")
@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE, ids=ident)
def test_a_value_out_of_range_is_refused_in_words(name: str, value: Any) -> None:
    values = Options()
    for attempt in (lambda: setattr(values, name, value), lambda: set_options(values, {name: value})):
        with pytest.raises(zmq.ZMQError, match=rf"^EINVAL: {name}=.*: expected .*\d") as caught:
            attempt()
        assert caught.value.errno == zmq.EINVAL
    assert getattr(values, name) == DEFAULTS[name]


@pytest.mark.parametrize("name", OPTION_ROWS)
def test_a_value_of_another_type_is_a_typeerror_in_words(name: str) -> None:
    kind = OPTION_ROWS[name].type
    wrong: list[Any] = [1.5, [1]] + (["soon", b"1"] if kind is int else [7])
    wrong += [None] if kind in (int, bytes) else []
    wanted = "expected bytes or str" if kind is bytes else f"expected {kind.__name__}"
    for value in wrong:
        with pytest.raises(TypeError, match=rf"^{name}=.*: {wanted}"):
            setattr(Options(), name, value)


@pytest.mark.parametrize("value", [b"name", "name", bytearray(b"name"), memoryview(b"name")])
def test_octets_may_be_given_as_text_and_are_kept_as_bytes(value: Any) -> None:
    values = Options()
    values.routing_id = value
    assert values.routing_id == b"name"
    assert type(values.routing_id) is bytes


def test_octets_are_copied_when_they_are_set() -> None:
    values, name = Options(), bytearray(b"name")
    values.routing_id = name  # type: ignore[assignment]
    name[:] = b"else"
    assert values.routing_id == b"name"


@pytest.mark.requirement("37-71")
@pytest.mark.parametrize(("given", "kept"), [(1, 0), (99, 0), (150, 100), (1234, 1200), (6553599, 6553500)])
def test_heartbeat_ttl_is_read_in_the_tenths_that_can_be_sent(given: int, kept: int) -> None:
    values = Options()
    values.heartbeat_ttl = given
    assert values.heartbeat_ttl == kept


@pytest.mark.parametrize("name", ["plain_password", "curve_secretkey"])
def test_a_secret_that_is_refused_is_not_repeated(name: str) -> None:
    for wrong, error in [("s3cret" * 50, zmq.ZMQError), (["s3cret"], TypeError)]:
        with pytest.raises(error, match=rf"{name}=<.*>: expected ") as caught:
            setattr(Options(), name, wrong)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [b"", b"x", b"0" * 41, b"#" * 40, b"\xff" * 40, "\xe9" * 40, bytes(31)])
def test_the_public_key_of_a_malformed_key_is_einval(wrong: bytes | str) -> None:
    with pytest.raises(zmq.ZMQError, match="expected a key: 32 octets, or 40 characters of Z85") as caught:
        zmq.curve_public(wrong)
    assert caught.value.errno == zmq.EINVAL


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_key_of_32_octets_is_kept_as_z85(kind: Callable[[bytes], Any]) -> None:
    public, _ = zmq.curve_keypair()
    values = Options()
    values.curve_serverkey = kind(zmq.z85.decode(public))
    assert values.curve_serverkey == public


def test_the_public_key_of_octets_is_that_of_their_z85() -> None:
    public, secret = zmq.curve_keypair()
    assert zmq.curve_public(secret) == zmq.curve_public(zmq.z85.decode(secret)) == public
    with pytest.raises(TypeError):
        zmq.curve_public(32)  # type: ignore[arg-type]


def test_hwm_is_both_and_identity_is_routing_id() -> None:
    values = Options()
    values.hwm = 7
    values.identity = b"me"
    assert (values.sndhwm, values.rcvhwm, values.hwm, values.routing_id, values.identity) == (7, 7, 7, b"me", b"me")


def test_a_snapshot_does_not_follow_what_is_set_later() -> None:
    values = Options()
    values.sndhwm = 5
    then = snapshot(values)
    values.sndhwm = 6
    then.rcvhwm = 7
    assert (then.sndhwm, values.sndhwm, values.rcvhwm) == (5, 6, 1000)


# ------------------------------------------------------------------------------------------------------- on sockets


async def test_sockets_take_options_by_keyword_and_by_attribute() -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(zmq.DEALER, linger=5, routing_id="me", hwm=3)
        assert (sock.linger, sock.identity, sock.sndhwm, sock.rcvhwm) == (5, b"me", 3, 3)
        sock.rcvtimeo = 10
        assert sock.rcvtimeo == 10


async def test_an_unknown_name_is_an_error_with_a_suggestion() -> None:
    async with zmq.Context() as ctx:
        with pytest.raises(TypeError, match=r"no option 'lingre'; did you mean linger\?"):
            ctx.socket(zmq.PUSH, lingre=0)
        sock = ctx.socket(zmq.PUSH)
        with pytest.raises(AttributeError, match=r"no option 'rcvhmw'; did you mean rcvhwm\?"):
            sock.rcvhmw = 3  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = sock.rcvhmw  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match="no option 'zzzzz'; there are sndhwm, rcvhwm, "):
            sock.zzzzz = 3  # type: ignore[attr-defined]


async def test_a_socket_refuses_what_an_option_refuses() -> None:
    async with zmq.Context() as ctx:
        with pytest.raises(zmq.ZMQError, match="linger=-2"):
            ctx.socket(zmq.PUSH, linger=-2)
        with pytest.raises(TypeError, match="sndhwm='many'"):
            ctx.socket(zmq.PUSH, sndhwm="many")


@pytest.mark.parametrize(
    ("name", "kind"), [("router_mandatory", zmq.DEALER), ("req_relaxed", zmq.REP), ("xpub_verbose", zmq.SUB)]
)
async def test_an_option_for_another_type_of_socket_is_refused_by_name(name: str, kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind)
        with pytest.raises(zmq.ZMQError, match=f"^EINVAL: {name} is for .*; this is a {kind.name} socket") as caught:
            setattr(sock, name, 1)
        assert caught.value.errno == zmq.EINVAL


LARGE = [65535, 65536, 6553599, 6553600, 2**31 - 1]
# What libzmq takes, and this package does not, on purpose: these numbers mean nothing, or something else.
LIBZMQ_TAKES: dict[str, list[int]] = {
    "maxmsgsize": [-10, -2],  # any number below 0 is no limit
    "heartbeat_ttl": [-10, -2, -1],  # are 0 tenths
    "invert_matching": [-10, -2, -1],  # 1
    "zap_enforce_domain": [-10, -2, -1],  # 1
}
# What the system refuses of a keep-alive may be refused here, too.
for _name, _most in [("tcp_keepalive_idle", 32767), ("tcp_keepalive_intvl", 32767), ("tcp_keepalive_cnt", 127)]:
    LIBZMQ_TAKES[_name] = [number for number in (0, 150, 255, 256, 1234, *LARGE) if not 0 < number <= _most]
NUMBERS = [-10, -2, -1, 0, 1, 2, 3, 99, 100, 101, 150, 255, 256, 1234, *LARGE]
OURS = {"spin_time", "maxunfinished", "maxsubscribed", "heartbeat_old_peers"}  # which libzmq does not have
KIND = {"router": zmq.ROUTER, "probe": zmq.ROUTER, "req": zmq.REQ, "xpub": zmq.XPUB}


@pytest.mark.parametrize("name", [name for name, row in OPTION_ROWS.items() if row.type is int and name not in OURS])
async def test_libzmq_takes_refuses_and_reads_back_the_same(name: str) -> None:
    kind, constant = KIND.get(name.partition("_")[0], zmq.DEALER), getattr(pyzmq, name.upper())
    is_switch = OPTION_ROWS[name].rule is options.SWITCH
    async with zmq.Context() as ctx:
        sock = ctx.socket(kind)
        with pyzmq.Context() as theirs, theirs.socket(int(kind)) as their_socket:
            for number in NUMBERS:
                taken, read = True, None
                try:
                    their_socket.setsockopt(constant, number)
                except pyzmq.ZMQError:
                    taken = False
                with suppress(pyzmq.ZMQError):  # some cannot be read
                    read = their_socket.getsockopt(constant)
                try:
                    setattr(sock, name, number)
                except zmq.ZMQError:
                    # A switch is 0 or 1 here. libzmq takes any number above for 1 with some of them.
                    assert not taken or number in LIBZMQ_TAKES.get(name, []) or (is_switch and number > 1), number
                else:
                    assert taken, number
                    assert read in (None, getattr(sock, name))


@pytest.mark.parametrize("kind", list(zmq.SocketType))
async def test_invert_matching_is_for_any_socket_as_in_libzmq(kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        assert ctx.socket(kind, invert_matching=1).invert_matching == 1


@pytest.mark.parametrize("kind", list(zmq.SocketType))
async def test_only_subscribers_do_not_linger_unless_told(kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        assert ctx.socket(kind).linger == (0 if kind in (zmq.SUB, zmq.XSUB, zmq.DISH) else -1)
        assert ctx.socket(kind, linger=9).linger == 9


def test_every_option_says_what_it_is_for() -> None:
    for name in OPTION_ROWS:
        assert len(OPTION_ROWS[name].meaning) > 10
    assert set(OPTION_NAMES) == set(OPTION_ROWS) | {"hwm", "identity"}


def test_help_shows_what_an_option_means() -> None:
    text = pydoc.plain(pydoc.render_doc(zmq.Socket))
    assert "linger\n |      how long close() tries to send unsent messages" in text
    assert "(-1 (for ever) or milliseconds >= 0, below 2**31; default: -1)" in text
    assert "gssapi" not in text  # nor what is missing


def test_the_table_in_the_documentation_is_made_from_the_rows() -> None:
    assert DOCUMENT.read_text("utf-8").endswith(f"\n{table()}")


# ------------------------------------------------------------------------------------------------------- when they act


async def fits(push: zmq.Socket, most: int = 4000) -> int:
    """How many messages it takes without waiting, up to most."""
    for number in range(most):
        try:
            await push.send(b"", zmq.NOBLOCK)
        except zmq.Again:
            return number
    return most


@pytest.mark.requirement("30-6", "28-24", "L-1")
@pytest.mark.parametrize(("hwm", "taken"), [(5, 5), (3000, 3000), (0, 4000)])
async def test_sndhwm_acts_on_a_peer_that_is_connected_already(hwm: int, taken: int) -> None:
    """As in libzmq, whose manual excepts it from what acts at the next connect only."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        push.connect(free_endpoint())
        push.sndhwm = hwm
        assert await fits(push) == taken


@pytest.mark.requirement("L-2")
@pytest.mark.parametrize(("sndhwm", "rcvhwm", "taken"), [(3, 4, 7), (3, None, 1003), (None, 4, 1004), (0, 4, 4000)])
async def test_over_inproc_both_ends_may_change_what_they_add(sndhwm: Any, rcvhwm: Any, taken: int) -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        if sndhwm is not None:
            push.sndhwm = sndhwm
        if rcvhwm is not None:
            pull.rcvhwm = rcvhwm
        assert await fits(push) == taken


async def test_before_an_inproc_name_is_bound_the_sender_decides() -> None:
    async with zmq.Context() as ctx:
        push, pull = ctx.socket(zmq.PUSH, linger=0), ctx.socket(zmq.PULL, rcvhwm=4)
        push.connect("inproc://here")
        push.sndhwm = 2
        assert await fits(push) == 2
        pull.bind("inproc://here")
        assert await fits(push) == 4


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_raised_sndhwm_lets_a_send_that_waits_go_on(transport: str) -> None:
    """libzmq keeps it waiting until the peer reads, which may be never."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndhwm=2)
        push.connect({"tcp": free_endpoint(), "ipc": "ipc://@nobody-is-here"}.get(transport[:3], transport))
        assert await fits(push) == 2
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(push.send, b"waits")
                await wait_all_tasks_blocked()
                push.sndhwm = 5
        assert [(peer.queued, peer.dropped) for peer in push.peers()] == [(3, 0)]
        assert await fits(push) == 2


async def test_a_lowered_sndhwm_drops_nothing() -> None:
    async with zmq.Context() as ctx:
        pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
        for _ in range(10):
            await push.send(b"x")
        push.hwm = pull.hwm = 2
        assert await fits(push) == 0
        assert len(await receive_all(pull, 0)) == 10
        assert await fits(push) == 4


@pytest.mark.requirement("30-17")
@pytest.mark.parametrize("later", [{"rcvhwm": 100}, {"rcvhwm": 0}], ids=str)
async def test_a_raised_rcvhwm_goes_on_reading_from_a_peer(later: dict[str, int]) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL, rcvhwm=2)
        pull.bind("tcp://127.0.0.1:*")
        with trio.fail_after(5):
            async with await RawPeer.dial(pull.last_endpoint) as peer:
                await peer.greet(b"PUSH")
                await peer.send(b"\0\1x" * 10)
                assert await pull.poll()
                await wait_all_tasks_blocked(0.01)
                assert [seen.unread for seen in pull.peers()] == [2 + 1]  # poll() has put one aside
                set_options(pull, later)
                await wait_all_tasks_blocked(0.01)
                assert [seen.unread for seen in pull.peers()] == [10]


async def test_a_limit_set_after_bind_counts_for_later_peers() -> None:
    """libzmq gives a peer of tcp the limit that was set when the listener was bound."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0, sndbuf=4096)
        push.bind("tcp://127.0.0.1:*")
        push.sndhwm = 5
        async with await RawPeer.dial(push.last_endpoint) as peer:
            await peer.greet(b"PULL")
            with trio.fail_after(5):
                assert await push.poll(None, zmq.POLLOUT)
                while await push.poll(20, zmq.POLLOUT):
                    await push.send(bytes(100_000))
            (seen,) = push.peers()
            assert 0 < seen.queued <= 5


# What each option that acts before the next bind or connect does to a socket in use. Each is given the context.
Ctx = zmq.Context


async def router_mandatory(ctx: Ctx) -> None:
    router, _ = await pair(ctx, zmq.ROUTER, zmq.DEALER, "inproc://here")
    await router.send_multipart([b"gone", b"dropped"])
    router.router_mandatory = 1
    with pytest.raises(zmq.ZMQError, match="no connected peer has the routing id"):
        await router.send_multipart([b"gone", b"refused"])


async def router_handover(ctx: Ctx) -> None:
    router, _ = await pair(ctx, zmq.ROUTER, zmq.DEALER, "inproc://here")
    one, two, three = (ctx.socket(zmq.DEALER, routing_id=b"name") for _ in range(3))
    one.connect("inproc://here")
    two.connect("inproc://here")
    router.router_handover = 1
    await router.send_multipart([b"name", b"for one"])
    three.connect("inproc://here")
    await router.send_multipart([b"name", b"for three"])
    assert await three.recv() == b"for three"
    assert await two.poll(0) == 0


async def maxsubscribed(ctx: Ctx) -> None:
    pub = ctx.socket(zmq.XPUB)
    pub.bind("tcp://127.0.0.1:*")
    async with await RawPeer.dial(pub.last_endpoint) as peer:
        await peer.greet(b"SUB")
        await peer.send(frame(b"\1one"))
        assert await pub.recv() == b"\1one"
        pub.maxsubscribed = 1000
        monitor = pub.monitor()
        await peer.send(frame(b"\1two"))
        assert "(maxsubscribed)" in (await until(monitor, zmq.Event.DISCONNECTED)).reason


async def probe_router(ctx: Ctx) -> None:
    dealer = ctx.socket(zmq.DEALER)
    dealer.bind("inproc://here")
    routers = [ctx.socket(zmq.ROUTER) for _ in range(2)]
    routers[0].connect("inproc://here")
    dealer.probe_router = 1
    routers[1].connect("inproc://here")
    assert [await router.poll(0) for router in routers] == [0, zmq.POLLIN]


async def xpub_welcome_msg(ctx: Ctx) -> None:
    pub = ctx.socket(zmq.PUB)
    pub.bind("inproc://here")
    subs = [ctx.socket(zmq.SUB) for _ in range(2)]
    for sub in subs:
        sub.subscribe(b"")
    subs[0].connect("inproc://here")
    pub.xpub_welcome_msg = b"welcome"
    subs[1].connect("inproc://here")
    assert [await receive_all(sub, 0) for sub in subs] == [[], [[b"welcome"]]]


async def req_relaxed(ctx: Ctx) -> None:
    _, req = await pair(ctx, zmq.REP, zmq.REQ, "inproc://here")
    await req.send(b"1")
    req.req_relaxed = 1
    await req.send(b"2")


async def req_correlate(ctx: Ctx) -> None:
    router, req = await pair(ctx, zmq.ROUTER, zmq.REQ, "inproc://here")
    req.req_relaxed = 1
    await req.send(b"1")
    req.req_correlate = 1
    await req.send(b"2")
    assert [len(message) for message in await receive_all(router, 0)] == [3, 4]


async def xpub_shows(ctx: Ctx, option: str, unsubscribes: bool) -> None:
    xpub = ctx.socket(zmq.XPUB)
    xpub.bind("inproc://here")
    subs = [ctx.socket(zmq.SUB) for _ in range(3)]
    for sub in subs:
        sub.connect("inproc://here")
    for sub in subs[:2]:
        sub.subscribe(b"a")
    assert await receive_all(xpub, 0) == [[b"\1a"]]
    setattr(xpub, option, 1)
    subs[2].subscribe(b"a")
    assert await receive_all(xpub, 0) == [[b"\1a"]]
    subs[2].unsubscribe(b"a")
    assert await receive_all(xpub, 0) == [[b"\0a"]] * unsubscribes


async def xpub_verbose(ctx: Ctx) -> None:
    await xpub_shows(ctx, "xpub_verbose", unsubscribes=False)


async def xpub_verboser(ctx: Ctx) -> None:
    await xpub_shows(ctx, "xpub_verboser", unsubscribes=True)


async def xpub_manual(ctx: Ctx) -> None:
    xpub, sub = await pair(ctx, zmq.XPUB, zmq.SUB, "inproc://here")
    xpub.xpub_manual = 1
    sub.subscribe(b"a")
    assert await xpub.recv() == b"\1a"
    await xpub.send(b"a1")
    xpub.subscribe(b"a")
    await xpub.send(b"a2")
    assert await receive_all(sub, 0) == [[b"a2"]]


async def xpub_nodrop(ctx: Ctx) -> None:
    pub, sub = await pair(ctx, zmq.PUB, zmq.SUB, "inproc://here", hwm=1)
    sub.subscribe(b"")
    for _ in range(3):
        await pub.send(b"dropped when there are two")
    pub.xpub_nodrop = 1
    with pytest.raises(zmq.Again):
        await pub.send(b"refused", zmq.NOBLOCK)


async def invert_matching(ctx: Ctx) -> None:
    pub, sub = await pair(ctx, zmq.PUB, zmq.SUB, "inproc://here")
    sub.subscribe(b"a")
    await pub.send(b"b is not wanted")
    pub.invert_matching = sub.invert_matching = 1
    for topic in (b"a", b"b"):
        await pub.send(topic)
    assert await receive_all(sub, 0) == [[b"b"]]


async def connect_routing_id(ctx: Ctx) -> None:
    router = ctx.socket(zmq.ROUTER, router_mandatory=1)
    for endpoint in ("inproc://1", "inproc://2"):
        ctx.socket(zmq.DEALER).bind(endpoint)
    router.connect_routing_id = b"first"
    router.connect("inproc://1")
    router.connect("inproc://2")
    first, second = (peer.routing_id for peer in router.peers())
    assert first == b"first"
    assert second[0] == 0


async def sndtimeo(ctx: Ctx) -> None:
    push = ctx.socket(zmq.PUSH)
    push.sndtimeo = 0
    with pytest.raises(zmq.Again):
        await push.send(b"")


async def rcvtimeo(ctx: Ctx) -> None:
    pull, _ = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
    pull.rcvtimeo = 0
    with pytest.raises(zmq.Again):
        await pull.recv()


async def linger(ctx: Ctx) -> None:
    for part in (zmq.Socket.close, lambda sock: sock.disconnect(sock.last_endpoint)):
        push = ctx.socket(zmq.PUSH)
        push.connect(free_endpoint())
        await push.send(b"x")
        push.linger = 0
        part(push)
        await wait_all_tasks_blocked()
        assert not any(link.unsent() for link in links_of(push))


async def sndhwm(ctx: Ctx) -> None:
    _, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
    push.sndhwm = 3
    assert await fits(push) == 1003


async def rcvhwm(ctx: Ctx) -> None:
    pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "inproc://here")
    pull.rcvhwm = 3
    assert await fits(push) == 1003


class Eager:
    """Looks each time, however long the last message took to come."""

    rested_at = 0.0
    looks_from = property(lambda self: 0.0, lambda self, value: None)

    def __init__(self, look: Callable[..., Any]) -> None:
        self.look = look


async def spin_time(ctx: Ctx) -> None:
    """What a look does is shown in test_looking."""
    pull, push = await pair(ctx, zmq.PULL, zmq.PUSH, "tcp://127.0.0.1:*")
    lengths: list[int] = []

    async def look(attempt: Callable[[], Any]) -> None:
        lengths.append(looker._options.spin_time)

    looker = pull._waiters._looker
    pull._waiters._looker = Eager(look)
    for length in (150, 20):
        pull.spin_time = length
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pull.recv)
            await wait_all_tasks_blocked()
            await push.send(b"x")
    assert lengths == [150, 20]


SOONER: list[Callable[[Ctx], Awaitable[None]]] = [
    sndhwm, rcvhwm, linger, sndtimeo, rcvtimeo, spin_time, router_mandatory, router_handover, probe_router, req_relaxed,
    req_correlate, xpub_verbose, xpub_verboser, xpub_manual, xpub_nodrop, xpub_welcome_msg, invert_matching,
    connect_routing_id, maxsubscribed,
]  # fmt: skip


def act_sooner() -> set[str]:
    return {name for name, row in OPTION_ROWS.items() if row.acts != OPTION_ROWS["backlog"].acts}


@pytest.mark.parametrize("show", SOONER, ids=lambda show: show.__name__)
async def test_an_option_acts_on_a_socket_in_use_as_documented(show: Callable[[Ctx], Awaitable[None]]) -> None:
    with trio.fail_after(10):
        async with zmq.Context() as ctx:
            await show(ctx)


def test_all_options_that_act_before_the_next_bind_are_shown() -> None:
    assert {show.__name__ for show in SOONER} == act_sooner()


def test_what_a_pattern_asks_of_its_socket_acts_at_once() -> None:
    """A pattern is given the socket's own options, and no copy: its row has to say so."""
    asked: set[str] = set()
    for module in (Path(options.__file__).parent / "patterns").glob("*.py"):
        text = module.read_text("utf-8")
        asked |= set(re.findall(r"\b_?options\.([a-z]\w*)", text)) - {"get"}
        asked |= set(re.findall(r'(?:given|options)(?:\.get\(|\[)"(\w+)"', text))
    assert "xpub_nodrop" in asked
    assert asked <= act_sooner()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "inproc://here"])
async def test_all_other_options_are_kept_from_bind_and_connect(endpoint: str) -> None:
    async with zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER, linger=0, routing_id=b"before", maxmsgsize=1000)
        dealer.bind(endpoint)
        dealer.connect(free_endpoint() if endpoint.startswith("tcp") else "inproc://there")
        dealer.routing_id = b"after"
        dealer.maxmsgsize = 2000
        kept = [options_of(link) for link in links_of(dealer)]
        assert [(copy.routing_id, copy.maxmsgsize) for copy in kept] == [(b"before", 1000)] * 2


@pytest.mark.parametrize("bind_first", [True, False])
async def test_a_routing_id_set_after_bind_or_connect_is_for_the_next(bind_first: bool) -> None:
    async with zmq.Context() as ctx:
        router, dealer = ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER, linger=0, routing_id=b"before")
        binds, connects = (dealer, router) if bind_first else (router, dealer)
        binds.bind("tcp://127.0.0.1:*")
        if bind_first:
            dealer.routing_id = b"after"
        connects.connect(binds.last_endpoint)
        dealer.routing_id = b"after"
        with trio.fail_after(5):
            await dealer.send(b"hello")
            assert await router.recv_multipart() == [b"before", b"hello"]


# ------------------------------------------------------------------------------------------------ without effect


def idle(kind: zmq.SocketType, transport: str, **given: Any) -> list[str]:
    values = Options()
    set_options(values, given)
    return options.without_effect(values, kind, transport)


@pytest.mark.parametrize(
    ("kind", "transport", "given", "words"),
    [
        (zmq.PULL, "ipc", {"tcp_keepalive": 1}, ["tcp_keepalive has no effect over ipc"]),
        (zmq.PULL, "tcp", {"tcp_keepalive_cnt": 5}, ["tcp_keepalive_cnt has no effect without tcp_keepalive"]),
        (zmq.PULL, "tcp", {"tcp_keepalive": 1, "tcp_keepalive_cnt": 5}, []),
        (zmq.PULL, "ipc", {"ipv6": 1}, ["ipv6 has no effect over ipc"]),
        (zmq.ROUTER, "tcp", {"conflate": 1}, ["conflate has no effect on a ROUTER"]),
        (zmq.PUSH, "tcp", {"conflate": 1}, []),
        (zmq.PUB, "tcp", {"xpub_manual": 1}, ["xpub_manual has no effect on a PUB"]),
        (zmq.XPUB, "tcp", {"xpub_manual": 1}, []),
        (zmq.PULL, "inproc", {"maxmsgsize": 9}, ["maxmsgsize has no effect over inproc"]),
        (zmq.PULL, "inproc", {"heartbeat_ivl": 9}, ["heartbeat_ivl has no effect over inproc"]),
        (zmq.PULL, "inproc", {"plain_server": 1}, ["plain_server has no effect over inproc"]),
        (zmq.PULL, "tcp", {"heartbeat_ttl": 900}, ["heartbeat_ttl has no effect without heartbeat_ivl"]),
        (zmq.PULL, "tcp", {"heartbeat_timeout": 0}, ["heartbeat_timeout has no effect without heartbeat_ivl"]),
        (zmq.PULL, "tcp", {"heartbeat_ivl": 9, "heartbeat_timeout": 0}, []),
        (zmq.PULL, "tcp", {"zap_enforce_domain": 1}, ["zap_enforce_domain has no effect without zap_domain"]),
        (
            zmq.PULL,
            "tcp",
            {"curve_secretkey": bytes(32)},
            ["curve_secretkey has no effect without curve_serverkey or curve_server"],
        ),
        (
            zmq.PULL,
            "tcp",
            {"curve_server": 1, "curve_secretkey": bytes(32), "plain_server": 1},
            ["plain_server has no effect with curve_server or curve_serverkey: the mechanism is CURVE"],
        ),
        (zmq.PULL, "inproc", {"sndhwm": 5, "linger": 0, "routing_id": "x", "maxmsgsize": -1}, []),
    ],
)
def test_what_is_set_and_does_nothing_is_named(
    kind: zmq.SocketType, transport: str, given: dict[str, Any], words: list[str]
) -> None:
    """… and what acts is not."""
    assert idle(kind, transport, **given) == words


async def test_bind_and_connect_log_what_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with zmq.Context() as ctx:
        with logged(caplog) as words:
            pair = ctx.socket(zmq.PAIR, linger=0, conflate=1)
            pair.bind("inproc://idle")
            other = ctx.socket(zmq.PAIR, linger=0, backlog=5)
            other.connect("inproc://idle")
        assert words == [
            "inproc://idle: conflate has no effect on a PAIR",
            "inproc://idle: backlog has no effect over inproc",
        ]
