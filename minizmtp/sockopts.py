"""Option constants: the numbers by which pyzmq's `setsockopt` and `getsockopt` name an option.

    sock.setsockopt(zmq.LINGER, 0)      is      sock.linger = 0
    sock.getsockopt(zmq.LINGER)         is      sock.linger

They are libzmq's (zmq.h), for programs that were written for pyzmq. A new program uses attributes, which are shorter.
`options` says what each option means, under its name in lower case.

    >>> LINGER, LINGER == 17
    (<SocketOption.LINGER: 17>, True)

Read next: `options`.
"""

# By a private name, because the package takes every public name of this module.
from enum import IntEnum as _IntEnum


class SocketOption(_IntEnum):
    """libzmq's numbers, under the names that pyzmq gives them."""

    HWM = 1
    ROUTING_ID = 5
    IDENTITY = 5
    SUBSCRIBE = 6
    UNSUBSCRIBE = 7
    SNDBUF = 11
    RCVBUF = 12
    RCVMORE = 13
    EVENTS = 15
    TYPE = 16
    LINGER = 17
    RECONNECT_IVL = 18
    BACKLOG = 19
    RECONNECT_IVL_MAX = 21
    MAXMSGSIZE = 22
    SNDHWM = 23
    RCVHWM = 24
    RCVTIMEO = 27
    SNDTIMEO = 28
    LAST_ENDPOINT = 32
    ROUTER_MANDATORY = 33
    TCP_KEEPALIVE = 34
    TCP_KEEPALIVE_CNT = 35
    TCP_KEEPALIVE_IDLE = 36
    TCP_KEEPALIVE_INTVL = 37
    IMMEDIATE = 39
    XPUB_VERBOSE = 40
    IPV6 = 42
    PLAIN_SERVER = 44
    PLAIN_USERNAME = 45
    PLAIN_PASSWORD = 46
    CURVE_SERVER = 47
    CURVE_PUBLICKEY = 48
    CURVE_SECRETKEY = 49
    CURVE_SERVERKEY = 50
    PROBE_ROUTER = 51
    REQ_CORRELATE = 52
    REQ_RELAXED = 53
    CONFLATE = 54
    ZAP_DOMAIN = 55
    ROUTER_HANDOVER = 56
    CONNECT_ROUTING_ID = 61
    HANDSHAKE_IVL = 66
    XPUB_NODROP = 69
    XPUB_MANUAL = 71
    XPUB_WELCOME_MSG = 72
    INVERT_MATCHING = 74
    HEARTBEAT_IVL = 75
    HEARTBEAT_TTL = 76
    HEARTBEAT_TIMEOUT = 77
    XPUB_VERBOSER = 78
    CONNECT_TIMEOUT = 79
    ZAP_ENFORCE_DOMAIN = 93

    def __repr__(self) -> str:
        return f"<SocketOption.{self.name}: {self.value}>"


(
    HWM, ROUTING_ID, SUBSCRIBE, UNSUBSCRIBE, SNDBUF, RCVBUF, RCVMORE, EVENTS, TYPE, LINGER, RECONNECT_IVL, BACKLOG,
    RECONNECT_IVL_MAX, MAXMSGSIZE, SNDHWM, RCVHWM, RCVTIMEO, SNDTIMEO, LAST_ENDPOINT, ROUTER_MANDATORY,
    TCP_KEEPALIVE, TCP_KEEPALIVE_CNT, TCP_KEEPALIVE_IDLE, TCP_KEEPALIVE_INTVL, IMMEDIATE, XPUB_VERBOSE, IPV6,
    PLAIN_SERVER, PLAIN_USERNAME, PLAIN_PASSWORD, CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY,
    PROBE_ROUTER, REQ_CORRELATE, REQ_RELAXED, CONFLATE, ZAP_DOMAIN, ROUTER_HANDOVER, CONNECT_ROUTING_ID,
    HANDSHAKE_IVL, XPUB_NODROP, XPUB_MANUAL, XPUB_WELCOME_MSG, INVERT_MATCHING, HEARTBEAT_IVL, HEARTBEAT_TTL,
    HEARTBEAT_TIMEOUT, XPUB_VERBOSER, CONNECT_TIMEOUT, ZAP_ENFORCE_DOMAIN,
) = SocketOption  # fmt: skip
IDENTITY = ROUTING_ID
