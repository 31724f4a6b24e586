"""Options: each row's default, type and range, by keyword and by attribute."""

from pathlib import Path
from typing import Any

import pytest

import minizmtp as zmq
from minizmtp import options
from minizmtp.options import OPTION_NAMES, OPTION_ROWS, Options, set_options, snapshot
from tests.minizmtp.helpers import logged

# libzmq's options, and what each must take and refuse.
COUNTS = {"sndhwm": 1000, "rcvhwm": 1000, "backlog": 100}
TIMES = {"linger": -1, "sndtimeo": -1, "rcvtimeo": -1, "heartbeat_timeout": -1}
SPANS = {"reconnect_ivl_max": 0, "handshake_ivl": 30000, "heartbeat_ivl": 0}
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
    | PROBES
    | {"tcp_keepalive": -1, "maxmsgsize": -1, "maxunfinished": 2**26, "reconnect_ivl": 100, "heartbeat_ttl": 0}
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
    *(("maxunfinished", value) for value in (0, 2**63 - 1)),
    *(("reconnect_ivl", value) for value in (-1, 0, 1)),
    *(("heartbeat_ttl", value) for value in (0, 6553599)),
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
    *(("maxunfinished", value) for value in (-1, 2**63)),
    *(("reconnect_ivl", value) for value in (-2, 2**31)),
    *(("heartbeat_ttl", value) for value in (-1, 6553600)),
    *(("routing_id", value) for value in (b"", "", b"x" * 256, b"\0id")),
]


def ident(case: Any) -> str:
    return str(case)[:30]


def test_the_tables_here_name_every_option() -> None:
    assert set(DEFAULTS) == {name for name in OPTION_ROWS if not name.startswith(("plain_", "curve_", "zap_"))}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_a_default_is_libzmqs(name: str, default: Any) -> None:
    assert getattr(Options(), name) == default
    assert type(getattr(Options(), name)) is type(default)


@pytest.mark.parametrize(("name", "value"), GOOD, ids=ident)
def test_a_value_within_range_is_kept_by_attribute_and_by_keyword(name: str, value: Any) -> None:
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
    wrong: list[Any] = [None, 1.5, [1]] + (["soon", b"1"] if OPTION_ROWS[name].type is int else [7])
    wanted = "expected int" if OPTION_ROWS[name].type is int else "expected bytes or str"
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


@pytest.mark.parametrize("kind", list(zmq.SocketType))
async def test_only_subscribers_do_not_linger_unless_told(kind: zmq.SocketType) -> None:
    async with zmq.Context() as ctx:
        assert ctx.socket(kind).linger == (0 if kind in (zmq.SUB, zmq.XSUB) else -1)
        assert ctx.socket(kind, linger=9).linger == 9


def test_every_option_says_what_it_is_for() -> None:
    for name in OPTION_ROWS:
        assert len(OPTION_ROWS[name].meaning) > 10
    assert set(OPTION_NAMES) == set(OPTION_ROWS) | {"hwm", "identity"}


def test_the_table_in_the_documentation_is_made_from_the_rows() -> None:
    page = Path(options.__file__).parent.parent / "docs" / "OPTIONS.md"
    assert page.read_text(encoding="utf-8").endswith(options.table())


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
