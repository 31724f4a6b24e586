"""ZMTP over a plain blocking socket: the same `Connection`, and nobody else.                 37/ZMTP 3.1, 28/REQREP

A Connection does no I/O, so whoever can read and write bytes can drive it. Here that is a socket of the standard
library; `engine` does the same on trio, asyncio could as well. One request to any REP, ours or libzmq's:

    $ python -m examples.blocking 127.0.0.1 5555 hello
    world

There are two rules to keep. What the protocol has to say goes out before we wait for the peer, or both wait for ever;
and a message goes out only after Ready.

Try it: leave out the delimiter b"" in `ask`, and see how a REP answers what it cannot answer.
Read next: the README, where the rest of this package is.
"""

import socket
import sys

from minizmtp.constants import SocketType
from minizmtp.wire import NEED_DATA, Connection, ConnectionClosed, Error, Event, Ready


def next_event(stream: socket.socket, connection: Connection) -> Event:
    """What the peer says next, however long that takes. Raises ConnectionError when it will say no more."""
    while True:
        stream.sendall(connection.data_to_send())
        event = connection.next_event()
        if isinstance(event, (Error, ConnectionClosed)):
            raise ConnectionError(f"the peer ended the conversation: {event}")
        if event is not NEED_DATA:
            return event
        connection.receive_data(stream.recv(65536))


def ask(stream: socket.socket, connection: Connection, question: bytes) -> None:
    """Shake hands, and send one request: the empty delimiter that a REQ puts in front, and the question."""
    while not isinstance(next_event(stream, connection), Ready):
        pass
    stream.sendall(connection.send([b"", question]))


def hear(stream: socket.socket, connection: Connection) -> list[bytes]:
    """The reply, without its delimiter."""
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
    main(*sys.argv[1:])
