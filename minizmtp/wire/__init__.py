"""Bytes into events, and back: ZMTP 3.1 without any I/O (RFC 37).

    layout       fields of fixed width, one after the other
    greeting     64 octets, once each way
    body         the body of a frame, when it arrives in pieces
    frames       flags, size, body
    events       what a Connection returns, and what it sends
    quick        frames and messages, many at a time
    commands     the contents of COMMAND frames, and metadata
    mechanisms   the handshake, in which two peers agree to exchange messages
    connection   the eight above, joined: bytes in, events out; messages in, bytes out
    plain        a mechanism with a username and a password, unencrypted
    curve        a mechanism with keys: traffic is encrypted and authenticated
    z85          keys as text (RFC 32)

Nothing here waits, and nothing here imports trio. Read the modules in this order.

Numbers such as (37-33) and (L-14) are this project's own: docs/REQUIREMENTS.md lists the rules that they name. The part
before the dash is the number of the RFC; L stands for libzmq's behaviour.
"""

from .connection import NEED_DATA, Connection, State
from .events import (
    AuthReply,
    AuthRequest,
    Cancel,
    ConnectionClosed,
    Error,
    Event,
    Greeting,
    Item,
    Message,
    Messages,
    Ping,
    Pong,
    Ready,
    Subscribe,
)

__all__ = [
    "NEED_DATA",
    "AuthReply",
    "AuthRequest",
    "Cancel",
    "Connection",
    "ConnectionClosed",
    "Error",
    "Event",
    "Greeting",
    "Item",
    "Message",
    "Messages",
    "Ping",
    "Pong",
    "Ready",
    "State",
    "Subscribe",
]
