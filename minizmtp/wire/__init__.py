"""Bytes into events, and back: ZMTP 3.1 without any I/O (RFC 37).

    layout       fields of fixed width, one after the other
    greeting     64 octets, once each way
    body         the body of a frame, when it arrives in parts
    frames       flags, size, body
    events       what a Connection returns, and what it sends
    batches      many messages decoded in one step
    commands     the contents of COMMAND frames
    metadata     what a peer says about itself
    mechanisms   the handshake, in which two peers agree to exchange messages
    assembler    frames into messages
    decryptor    the frames of an encrypted connection
    encoder      messages into frames, many in one step
    connection   all of these joined: bytes in, events out; messages in, bytes out
    plain        a mechanism with a username and a password, unencrypted
    curve        a mechanism with keys: traffic is encrypted and authenticated
    z85          keys as text (RFC 32)
    websocket    frames on an HTTP connection that has changed its protocol (RFC 6455)
    zws          ZMTP's frames as messages of a WebSocket (RFC 45)
    upgrade      the HTTP request that asks for the change; needs h11
    switched     a connection over WebSocket

Nothing here waits, and nothing here imports trio. Read the modules in this order.

Numbers such as (37-33) and (L-14) are this project's own: docs/REQUIREMENTS.md lists the rules that they name. The part
before the dash is the number of the RFC; L stands for libzmq's behaviour.
"""

from .connection import Connection, State
from .events import (
    NEED_DATA,
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
