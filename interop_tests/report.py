"""docs/INTEROP.md: which pairings work, which are refused, and where we differ from libzmq on purpose.

The document is written from the tests that passed:

    python -m pytest interop_tests/test_pairings.py --write-interop

Each test of a pairing records a `Pairing` when it passes; a cell of the table is marked if all its tests have passed.
`test_pairings` checks that the document is what a run in which all of them pass would write.
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

# The same with the one that binds first: each pair of two types both ways round.
TALKING = sorted({pair for one, other in ALLOWED for pair in ((one, other), (other, one))})
REFUSED = [pair for pair in product(TYPES, TYPES) if pair not in TALKING]

TRANSPORTS = ["tcp", "ipc"]
PAIRS = ["ours-ours", "ours-libzmq", "libzmq-ours", "libzmq-libzmq"]


class Pairing(NamedTuple):
    """One test: these two types, the first bound by the first of the pair, were seen to talk, or to be refused."""

    binds: str
    connects: str
    pair: str
    transport: str


# What has passed in this run of pytest.
PASSED: set[Pairing] = set()

# Where a test asserts something of us that libzmq, as the control, does not do. Tests refer to these by the marker
# `differs`. The first word or two are the heading.
DIFFERENCES: dict[str, str] = {
    "identity of a REP's peers": "37-46 says that only a ROUTER uses an Identity. libzmq's REP uses it too, and does "
    "not serve a second client with the same identity; ours serves both.",
    "identity that begins with a zero": "37-48 forbids it. libzmq accepts it, so a peer can take the name that a "
    "ROUTER has assigned to another peer; we ignore such an identity.",
    "peer that is slow to be read": "A libzmq program that does not read has a full queue, so libzmq sees no PONG and "
    "disconnects a healthy peer (L-14). We do not apply the timeout while we do not read, and send PONGs unasked "
    "meanwhile.",
    "wrong type of socket": "Our monitors report HANDSHAKE_FAILED_PROTOCOL, with the violation as its value, before "
    "DISCONNECTED; libzmq's report only DISCONNECTED. We also send the peer an ERROR that says why (37-45).",
    "peer that speaks something else": "HTTP, ZMTP 1.0 or 2.0, noise: HANDSHAKE_FAILED_PROTOCOL and DISCONNECTED at "
    "once, and a connect dials again, because the right peer may have the port by then: the pause doubles, up to 16 "
    "times reconnect_ivl. libzmq downgrades, waits for more or, with some octets, never dials again. With a greeting "
    "of ZMTP 3 before it, what breaks the protocol ends a connect for good in both (L-20).",
    "peer of ZMTP 2.0": "libzmq 3.2 does not wait for us to refuse it: it hangs up at our greeting, after 10 octets of "
    "its own or none. That is HANDSHAKE_FAILED_NO_DETAIL; the reason and the log, once, say what it most likely is. "
    "libzmq 4 talks to it.",
    "back-off": "reconnect_ivl_max doubles the pause until a handshake is done. libzmq starts again with each TCP "
    "connection, so it dials a server that accepts and closes at full speed.",
    "spelling of an endpoint": "unbind, disconnect and a second connect know an endpoint by any spelling of it: `*`, "
    "the name of an interface, a mapped address, capitals. libzmq knows some. With ipv6, last_endpoint of an IPv4 "
    "address is tcp://127.0.0.1:5555 with us and tcp://[::ffff:127.0.0.1]:5555 with libzmq.",
    "source of a connect": "tcp://SRC;HOST:PORT needs no port in SRC, and SRC may be `*` with a port; libzmq needs an "
    "address or an interface, and a port.",
    "end of an inproc endpoint": "unbind disconnects the peers (L-19), and disconnect succeeds after the binder has "
    "closed, as over tcp and ipc. In libzmq, unbind disconnects no peer, and disconnect is ENOENT.",
    "reason of an event": "Each of our events about a failure has a text with the reason; libzmq has only a number.",
    "PING to a peer of 3.0": "We send it only after the peer has sent one, or with heartbeat_old_peers, because "
    "libzmq 4.1 gives a PING to its program as a message. libzmq always sends it.",
    "option without effect": "libzmq silently accepts options that have no effect: conflate on a ROUTER, "
    "tcp_keepalive over ipc, curve_secretkey without curve_serverkey. Our bind and connect log a warning for each.",
    "keepalive that the system refuses": "libzmq accepts tcp_keepalive_cnt=200, and then no connection works. Here "
    "it is EINVAL.",
    "subscription of 255 octets to a peer of 3.0": "libzmq sends it corrupt (L-41).",
    "ttl after other traffic": "In libzmq the ttl of a PING holds until the next frame of any kind. With us it holds "
    "until the next PING: a peer that says something and then dies is noticed (37-76).",
    "allow and deny on a dual-stack socket": "Such a socket sees a client of IPv4 as ::ffff:192.0.2.1, in libzmq as in "
    'ours. pyzmq\'s Authenticator compares text, so deny("192.0.2.1") has no effect there; ours compares addresses.',
    "peer that is refused": "The second peer of one name at a ROUTER, and of a PAIR, is let in and stays (L-28, 31-1). "
    "libzmq stops reading it when its queue is full, so that the end of its connection is never noticed. Ours reads "
    "it, drops what it sends, and logs a warning, because the program would not notice otherwise.",
    "router_handover": "libzmq disables the old peer and keeps its connection open. Its manual says that the peer is "
    "disconnected, and ours is, because otherwise a client that loses its connections unnoticed leaves them all "
    "behind.",
    "peer of another name on a new connection": "libzmq's connecting ROUTER calls each later peer by the name of the "
    "first one, and sends it the messages that were meant for the first. Ours uses the name that the peer gives on "
    "each connection, drops the messages queued under the old name, and returns unread ones under the old name.",
    "probe_router": "libzmq sends the probe on the first connection only, though its manual says on each that is made. "
    "Ours sends it on each: a ROUTER that was restarted learns of its peers.",
    "subscriptions of a connection before": "libzmq's connecting PUB and XPUB keep all subscriptions that the other "
    "end ever made. Ours keep them while the peer is away and until it subscribes again; then those that it does not "
    "repeat are removed.",
    "repeated subscription": "A libzmq SUB that subscribes twice to one prefix while it is connected sends SUBSCRIBE "
    "twice, and CANCEL once. Ours sends each once. (An XSUB of either sends what its program sends.)",
    "ttl above 65.5 seconds": "Is sent as 65.5 seconds: libzmq takes 65.6 for 64 milliseconds (37-72).",
    "peer that leaves while a send waits for it": "A ROUTER with router_mandatory that waits in send() for room at a "
    "peer raises EHOSTUNREACH when that peer leaves. libzmq's goes on waiting, unless its program receives meanwhile.",
    "limit that is raised": "A new sndhwm also applies at once to a full queue, so a waiting send continues. In "
    "libzmq it waits until the peer has read, which may never happen.",
    "limit set after bind": "sndhwm and rcvhwm count for the peers that come later. libzmq gives a peer of tcp or ipc "
    "the limits that were set when the listener was bound, although its manual says that they act at once.",
    "limits over inproc": "A limit that is set after bind or connect is added to the one of the other end (L-2), as "
    "one set before. In libzmq it is added to what the other end had at that time.",
    "large frames before the last": "libzmq keeps any number of frames, of any size, of an incomplete message. Ours "
    "disconnects a peer that sends more than 128 MiB of one, unless maxunfinished is set to more.",
}

INTRODUCTION = """\
# Interoperation with libzmq

Made by `python -m pytest interop_tests/test_pairings.py --write-interop`, of the tests that passed, against libzmq
{version}. The first of a pair binds, the second connects; `libzmq-libzmq` is the control.

"""


def document(passed: Set[Pairing]) -> str:
    """The whole of docs/INTEROP.md."""
    import zmq

    return INTRODUCTION.format(version=zmq.zmq_version()) + tables(passed)


def tables(passed: Set[Pairing]) -> str:
    """All of it but the introduction, which names a version."""
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
    yield "| binds | and none of these may connect | " + " | ".join(PAIRS) + " |"
    yield "| --- | --- |" + " --- |" * len(PAIRS)
    for binds in TYPES:
        others = [connects for one, connects in REFUSED if one == binds]
        cells = [mark(all(Pairing(binds, other, pair, "tcp") in passed for other in others)) for pair in PAIRS]
        yield f"| {binds} | {' '.join(others)} | " + " | ".join(cells) + " |"


def differences() -> Iterable[str]:
    yield "## Where we differ on purpose\n"
    yield "Each is shown by a test that has its name in a marker, `differs`.\n"
    yield "| name | what |"
    yield "| --- | --- |"
    for key, words in DIFFERENCES.items():
        yield f"| {key} | {words} |"


def mark(passed: bool) -> str:
    return "✓" if passed else "–"
