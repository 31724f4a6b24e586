"""Writes docs/INTEROP.md: the pairings that work or are refused, and where we differ from libzmq on purpose.

The document is made from the tests that passed:

    python -m pytest interop_tests/test_pairings.py --write-interop

Each test of a pairing records a `Pairing` when it passes; a cell of the table is marked if all its tests have passed.
`test_pairings` checks that the document is what a run without failures would write.
"""

from collections.abc import Iterable, Set
from itertools import product
from typing import NamedTuple

TYPES = ["REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "PAIR"]

# The legal pairs of socket types: 37/ZMTP, "Connection Metadata".
ALLOWED = [
    ("PAIR", "PAIR"),
    ("PUB", "SUB"),
    ("PUB", "XSUB"),
    ("XPUB", "SUB"),
    ("XPUB", "XSUB"),
    ("PUSH", "PULL"),
    ("REQ", "REP"),
    ("REQ", "ROUTER"),
    ("DEALER", "REP"),
    ("DEALER", "DEALER"),
    ("DEALER", "ROUTER"),
    ("ROUTER", "ROUTER"),
]  # fmt: skip

# The same pairs with the binding type first, so each pair of two different types is here in both orders.
TALKING = sorted({pair for one, other in ALLOWED for pair in ((one, other), (other, one))})
REFUSED = [pair for pair in product(TYPES, TYPES) if pair not in TALKING]

TRANSPORTS = ["tcp", "ipc"]
PAIRS = ["ours-ours", "ours-libzmq", "libzmq-ours", "libzmq-libzmq"]


class Pairing(NamedTuple):
    """A passed test: these two types, the first bound by the first of the pair, can talk, or are refused."""

    binds: str
    connects: str
    pair: str
    transport: str


# The pairings that passed in this run of pytest.
PASSED: set[Pairing] = set()

# Where a test expects of ours what libzmq, the control, does not do. Tests name these in the marker `differs`.
DIFFERENCES: dict[str, str] = {
    "identity of a REP's peers": "37-46 says that only a ROUTER uses an Identity. libzmq's REP uses it too, and does "
    "not serve a second client with the same identity; ours serves both.",
    "identity that begins with a zero": "37-48 forbids it. libzmq accepts it, so a peer can take the name that a "
    "ROUTER has assigned to another peer; we ignore such an identity.",
    "peer of a slow reader": "If a libzmq program does not read, its queue fills. Then libzmq reads no PONG and "
    "disconnects a healthy peer (L-14). While our program does not read, we do not apply the timeout, and we send "
    "PONGs without a PING.",
    "wrong type of socket": "Our monitors report HANDSHAKE_FAILED_PROTOCOL, with the violation as its value, before "
    "DISCONNECTED; libzmq's report only DISCONNECTED. We also send the peer an ERROR with the reason (37-45).",
    "peer of another protocol": "If a peer speaks HTTP, ZMTP 1.0 or 2.0, or sends random octets, our monitors report "
    "HANDSHAKE_FAILED_PROTOCOL and DISCONNECTED at once. A connect dials again, because the right peer may use the "
    "port later; the pause doubles, up to 16 times reconnect_ivl. libzmq downgrades, waits for more octets or, with "
    "some octets, never dials again. After a greeting of ZMTP 3, a protocol error ends a connect for good in both "
    "(L-20).",
    "peer of ZMTP 2.0": "libzmq 3.2 does not wait until we refuse it: it closes the connection when it has read our "
    "greeting, after at most 10 octets of its own. We report HANDSHAKE_FAILED_NO_DETAIL. Its reason and one log record "
    "name the probable version. libzmq 4 talks to such a peer.",
    "back-off": "With reconnect_ivl_max, the pause doubles until a handshake is finished. In libzmq, each TCP "
    "connection resets the pause, so libzmq dials a server that accepts and closes at full speed.",
    "close": "We close our direction, and close the socket when the peer has closed its own, which shows that it has "
    "read everything; at the latest at the end of linger. If the peer's system has everything, a second of silence is "
    "enough, and 30 s are the most. libzmq closes at once. If the peer sends anything then, such as a PONG, its unread "
    "messages are lost, whatever linger is.",
    "spelling of an endpoint": "unbind, disconnect and a second connect accept any spelling of an endpoint: `*`, the "
    "name of an interface, a mapped address, capitals. libzmq accepts some. With ipv6, our last_endpoint of an IPv4 "
    "address is tcp://127.0.0.1:5555, and libzmq's is tcp://[::ffff:127.0.0.1]:5555.",
    "source of a connect": "tcp://SRC;HOST:PORT needs no port in SRC, and SRC may be `*` with a port. libzmq needs a "
    "port, and an address or an interface.",
    "end of an inproc endpoint": "unbind disconnects the peers (L-19), and disconnect succeeds after the binder has "
    "closed, as over tcp and ipc. In libzmq, unbind disconnects no peer, and disconnect raises ENOENT.",
    "reason of an event": "Each of our events about a failure has a text with the reason; libzmq has only a number.",
    "PING to a peer of 3.0": "We send PING only after the peer has sent one, or with heartbeat_old_peers, because "
    "libzmq 4.1 passes a PING to its program as a message. libzmq always sends it.",
    "option without effect": "libzmq silently accepts options that have no effect: conflate on a ROUTER, "
    "tcp_keepalive over ipc, curve_secretkey without curve_serverkey. Our bind and connect log a warning for each.",
    "keepalive that the system refuses": "libzmq accepts tcp_keepalive_cnt=200, and then no connection works. We "
    "raise EINVAL.",
    "subscription of 255 octets to a peer of 3.0": "libzmq sends a corrupt frame (L-41); ours is correct.",
    "ttl after other traffic": "In libzmq the ttl of a PING applies until the next frame of any kind. In ours it "
    "applies until the next PING, so we notice a peer that sends something and then dies (37-76).",
    "allow and deny on a dual-stack socket": "Both libraries see an IPv4 client of such a socket as "
    '::ffff:192.0.2.1. pyzmq\'s Authenticator compares text, so deny("192.0.2.1") has no effect there; ours compares '
    "addresses.",
    "second peer": "A second peer with the name of the first at a ROUTER, and a second peer of a PAIR, stays connected "
    "but is not used (L-28, 31-1). libzmq stops reading from it when its queue is full, so it never notices the end of "
    "that connection. Ours reads and drops what it sends, and logs a warning, because otherwise the program would not "
    "notice it.",
    "router_handover": "libzmq stops using the old peer and keeps its connection open. Its manual says that the peer "
    "is disconnected. Ours disconnects it, because otherwise the lost connections of a client stay open.",
    "peer of another name on a new connection": "libzmq's connecting ROUTER keeps the name of the first peer for each "
    "later one, and sends it the messages meant for the first. Ours uses the name that the peer gives on each "
    "connection, drops the messages queued under the old name, and returns unread ones under the old name.",
    "probe_router": "libzmq sends the probe only on the first connection, although its manual says on each. Ours sends "
    "it on each, so a restarted ROUTER learns the names of its peers.",
    "subscriptions of an earlier connection": "libzmq's connecting PUB and XPUB keep all subscriptions that the other "
    "end ever made. Ours keep them until the peer is connected again and subscribes; then those that it does not "
    "repeat are removed.",
    "repeated subscription": "A libzmq SUB that subscribes twice to one prefix while it is connected sends SUBSCRIBE "
    "twice, and CANCEL once. Ours sends each once. (An XSUB of either sends what its program sends.)",
    "ttl above 65.5 seconds": "We send 65.5 seconds instead, because libzmq reads 65.6 seconds as 64 milliseconds "
    "(37-72).",
    "peer that leaves while a send waits for it": "A ROUTER with router_mandatory that waits in send() for room at a "
    "peer raises EHOSTUNREACH when that peer leaves. libzmq's still waits, unless its program receives meanwhile.",
    "limit that is raised": "A new sndhwm also applies at once to a full queue, so a waiting send continues. In "
    "libzmq it waits until the peer has read, which may never happen.",
    "limit set after bind": "sndhwm and rcvhwm apply to the peers that connect later. libzmq gives a peer over tcp or "
    "ipc the limits that were set when the listener was bound, although its manual says that they act at once.",
    "limits over inproc": "A limit that is set after bind or connect is added to that of the other end (L-2), like "
    "one that is set before. In libzmq it is added to the other end's limit at the time of the connect.",
    "large frames before the last": "libzmq keeps any number of frames of any size of an incomplete message. Ours "
    "disconnects a peer that sends more than 128 MiB of one, unless maxunfinished is higher.",
    "path of ws": "Any path of a URL may be bound, and a client that asks for another gets 404; a bind without a path "
    "takes any. libzmq 4.3.5 (in npm's zeromq 6.8) refuses a path of two parts, and no server looks at it.",
    "request of ws": "Our request names host and port, and has a random key. That of libzmq 4.3.5 has no port, and the "
    "same key in each process.",
    "web page of another origin": "Ours answers 403 to a page from another machine, unless ws_origins names its "
    "origin. libzmq 4.3.5 accepts every page.",
    "SUB over ws with CURVE": "Ours receives. Two sockets of libzmq 4.3.5 shake hands, and the subscription has no "
    "effect.",
    "subprotocol of ws": "Ours also talks to servers that refuse ZWS2.0/NULL, because RFC 6455 allows no slash there "
    "(npm's ws 8), and to jszmq 0.1.2, which accepts it and speaks ZWS2.0. libzmq 4.3.5 talks to neither.",
}

INTRODUCTION = """\
# Interoperation with libzmq

`python -m pytest interop_tests/test_pairings.py --write-interop` writes this page from the tests that passed with
libzmq {version}. The first of a pair binds, the second connects; `libzmq-libzmq` is the control.

The draft types are not in these tables: `interop_tests/test_drafts.py` has each pair of them in both roles, with npm's
zeromq 6.8.0 (libzmq 4.3.5) over tcp, ipc and ws, and with pyomq 0.27.3 and a pyzmq built with drafts over tcp and ipc.

"""


def document(passed: Set[Pairing]) -> str:
    """The text of docs/INTEROP.md."""
    import zmq

    return INTRODUCTION.format(version=zmq.zmq_version()) + tables(passed)


def tables(passed: Set[Pairing]) -> str:
    """The text without the introduction, because that contains libzmq's version."""
    return "\n".join([*talking(passed), "", *refused(passed), "", *differences()]) + "\n"


def talking(passed: Set[Pairing]) -> Iterable[str]:
    columns = [(transport, pair) for transport in TRANSPORTS for pair in PAIRS]
    yield "## Pairings that talk\n"
    yield "| binds | connects | " + " | ".join(f"{pair}, {transport}" for transport, pair in columns) + " |"
    yield "| --- | --- |" + " --- |" * len(columns)
    for binds, connects in TALKING:
        cells = [mark(Pairing(binds, connects, pair, transport) in passed) for transport, pair in columns]
        yield f"| {binds} | {connects} | " + " | ".join(cells) + " |"


def refused(passed: Set[Pairing]) -> Iterable[str]:
    yield "## Pairings that are refused, over tcp\n"
    yield "| binds | none of these may connect | " + " | ".join(PAIRS) + " |"
    yield "| --- | --- |" + " --- |" * len(PAIRS)
    for binds in TYPES:
        others = [connects for one, connects in REFUSED if one == binds]
        cells = [mark(all(Pairing(binds, other, pair, "tcp") in passed for other in others)) for pair in PAIRS]
        yield f"| {binds} | {' '.join(others)} | " + " | ".join(cells) + " |"


def differences() -> Iterable[str]:
    yield "## Where we differ on purpose\n"
    yield "A test shows each difference; its marker `differs` has the name.\n"
    yield "| name | difference |"
    yield "| --- | --- |"
    for key, words in DIFFERENCES.items():
        yield f"| {key} | {words} |"


def mark(passed: bool) -> str:
    return "✓" if passed else "–"
