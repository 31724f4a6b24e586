"""Bytes by hand, and what a Connection makes of them.

Nothing here encodes with the package under test. `frame` and its friends write the octets as the RFC draws them, the
constants are what libzmq 4.3.5 was seen to send, and `hear` carries a stream into a Connection in any chunks you like.
"""

from collections.abc import Iterable

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.wire import NEED_DATA, Connection, ConnectionClosed, Greeting

# What libzmq says first, without and with a routing id of four octets (it puts its length, plus one, into the padding).
GREETING = bytes.fromhex("ff 00 00 00 00 00 00 00 00 7f 03 01 4e 55 4c 4c") + bytes(16) + b"\0" + bytes(31)
GREETING_WITH_ID = bytes.fromhex("ff 00 00 00 00 00 00 00 05 7f 03 01 4e 55 4c 4c") + bytes(48)
# … and what a peer of ZMTP 3.0 says.
GREETING_3_0 = bytes.fromhex("ff 00 00 00 00 00 00 00 01 7f 03 00 4e 55 4c 4c") + bytes(48)

READY_REQ = bytes.fromhex(
    "04 26 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 51"
    " 08 49 64 65 6e 74 69 74 79 00 00 00 00"
)
READY_REP = bytes.fromhex("04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 52 45 50")
READY_PULL = bytes.fromhex("04 1a 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 04 50 55 4c 4c")
READY_SUB = bytes.fromhex("04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 53 55 42")
READY_PUB = bytes.fromhex("04 19 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 03 50 55 42")
READY_DEALER_ID_1 = bytes.fromhex(
    "04 2d 05 52 45 41 44 59 0b 53 6f 63 6b 65 74 2d 54 79 70 65 00 00 00 06 44 45 41 4c 45 52"
    " 08 49 64 65 6e 74 69 74 79 00 00 00 04 69 64 2d 31"
)

NULL_3_1 = Greeting(3, 1, b"NULL", False)


def frame(body: bytes, *, more: bool = False, command: bool = False, long: bool = False) -> bytes:
    """One frame; long even where short would do, if asked."""
    flags = 1 * more + 4 * command
    if long or len(body) > 255:
        return bytes([flags + 2]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def command(name: bytes, data: bytes = b"", *, long: bool = False) -> bytes:
    """One command frame."""
    return frame(bytes([len(name)]) + name + data, command=True, long=long)


def property_(name: bytes, value: bytes) -> bytes:
    """One property of metadata."""
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def ready(socket_type: bytes) -> bytes:
    """READY of a peer that says what it is, and no more."""
    return command(b"READY", property_(b"Socket-Type", socket_type))


def drain(connection: Connection) -> list[object]:
    """All events that are there. A ProtocolError stands in the list as the last one but for ConnectionClosed."""
    heard: list[object] = []
    while True:
        try:
            event = connection.next_event()
        except ProtocolError as error:
            heard.append(error)
            continue
        if event is NEED_DATA:
            return heard
        heard.append(event)
        if isinstance(event, ConnectionClosed):
            return heard


def hear(connection: Connection, chunks: Iterable[bytes], *, end: bool = False) -> list[object]:
    """The events of a stream that comes in these chunks, up to ConnectionClosed."""
    heard: list[object] = []
    for chunk in filter(None, chunks):  # an empty chunk would be the end
        connection.receive_data(chunk)
        heard += drain(connection)
        if heard and isinstance(heard[-1], ConnectionClosed):
            return heard
    if end:
        connection.receive_data(b"")
        heard += drain(connection)
    return heard


def in_traffic(socket_type: SocketType, peer: bytes, *, greeting: bytes = GREETING) -> Connection:
    """A Connection that has shaken hands with such a peer, and has nothing left to say."""
    connection = Connection(socket_type)
    connection.receive_data(greeting + ready(peer))
    drain(connection)
    connection.data_to_send()
    return connection


def refusal(heard: list[object]) -> ProtocolError | None:
    """The one ProtocolError in what was heard, if there is one."""
    errors = [event for event in heard if isinstance(event, ProtocolError)]
    assert len(errors) <= 1
    return errors[0] if errors else None
