"""Bytes into events, and back: ZMTP 3.1 without a socket in sight (RFC 37).

    layout       fields, one behind the other
    greeting     64 octets, once each way
    body         what a frame carries, where it comes in parts
    frames       flags, size, body
    events       what a Connection tells you, and what you tell it
    quick        frames and messages, many at a time
    commands     what a COMMAND frame says, and the metadata in it
    mechanisms   how two peers agree that they may talk
    connection   the eight above, joined: bytes in, events out; messages in, bytes out
    plain        a mechanism with a name and a password, in clear
    curve        a mechanism with keys: nobody listens, nobody changes a bit
    z85          keys as text (RFC 32)

Nothing here waits, and nothing here knows trio. Read them in this order.
"""

from .connection import NEED_DATA, Connection, State
from .events import (
    Authenticate,
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
    Verdict,
)

__all__ = [
    "NEED_DATA",
    "Authenticate",
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
    "Verdict",
]
