"""What a Connection makes of bytes: `hear` carries a stream into it in any chunks."""

from collections.abc import Iterable

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.wire import NEED_DATA, Connection, ConnectionClosed, Greeting
from tests.zmtp_bytes import GREETING, ready

NULL_3_1 = Greeting(3, 1, b"NULL", False)


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
