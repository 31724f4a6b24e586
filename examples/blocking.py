"""ZMTP over a plain blocking socket: only `Connection`, without trio.                        37/ZMTP 3.1, 28/REQREP

A Connection does no I/O, so any code that can read and write bytes can drive it. Here that code uses a blocking socket
of the standard library; `engine` uses trio, and asyncio would work too. One request to any REP, ours or libzmq's:

    $ python -m examples.blocking 127.0.0.1 5555 hello
    world

There are two rules. First, send whatever the Connection has to send before you wait for the peer, because otherwise
both sides may wait forever. Second, send messages only after the Ready event.

Try it: leave out the delimiter b"" in `ask`, and see what a REP does with a request that it can't answer.
Read next: the README, which describes the rest of this package.
"""

import socket
import sys

from minizmtp.constants import SocketType
from minizmtp.wire import NEED_DATA, Connection, ConnectionClosed, Error, Event, Ready


def next_event(stream: socket.socket, connection: Connection) -> Event:
    """The peer's next event; waits as long as it takes. Raises ConnectionError when the connection is over."""
    while True:
        stream.sendall(connection.data_to_send())
        event = connection.next_event()
        if isinstance(event, (Error, ConnectionClosed)):
            raise ConnectionError(f"the peer closed the connection: {event}")
        if event is not NEED_DATA:
            return event
        connection.receive_data(stream.recv(65536))


def ask(stream: socket.socket, connection: Connection, question: bytes) -> None:
    """Do the handshake, then send one request: the empty delimiter that a REQ puts in front, and the question."""
    while not isinstance(next_event(stream, connection), Ready):
        pass
    stream.sendall(connection.send([b"", question]))


def hear(stream: socket.socket, connection: Connection) -> list[bytes]:
    """Receive the reply, and return it without its delimiter."""
    while not isinstance(event := next_event(stream, connection), list):
        pass
    return event[1:]


def main(host: str, port: str, question: str) -> None:
    """One question, one answer."""
    connection = Connection(SocketType.REQ)
    with socket.create_connection((host, int(port))) as stream:
        ask(stream, connection, question.encode())
        print(*(frame.decode() for frame in hear(stream, connection)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m examples.blocking HOST PORT QUESTION\nHOST and PORT are those of a REP that runs.")
    main(*sys.argv[1:])
