"""A blocking socket drives a Connection against real libzmq."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from examples.blocking import ask, hear
from minizmtp.constants import SocketType
from minizmtp.wire import Connection
from tests.zmtp_bytes import GREETING, command

zmq = pytest.importorskip("zmq")


@pytest.fixture
def rep() -> Iterator[tuple["zmq.Socket[bytes]", int]]:
    """A REP of libzmq, and its port. libzmq shakes hands in a thread of its own; asking and answering is ours."""
    with zmq.Context() as context, context.socket(zmq.REP) as rep:
        rep.linger = 0
        rep.rcvtimeo = 10_000
        port = rep.bind_to_random_port("tcp://127.0.0.1")
        yield rep, port


@pytest.mark.requirement("28-2", "28-3", "37-2", "37-10", "37-33")
def test_a_request_and_its_reply(rep: tuple["zmq.Socket[bytes]", int]) -> None:
    service, port = rep
    connection = Connection(SocketType.REQ)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        ask(stream, connection, b"hello")
        assert service.recv_multipart() == [b"hello"]
        service.send_multipart([b"world", b"", bytes(100_000)])
        assert hear(stream, connection) == [b"world", b"", bytes(100_000)]


@pytest.mark.slow
def test_the_example_runs(rep: tuple["zmq.Socket[bytes]", int]) -> None:
    service, port = rep
    program = [sys.executable, "-W", "error", "-m", "examples.blocking", "127.0.0.1", str(port), "hello"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert service.recv() == b"hello"
        service.send(b"world")
        out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("world\n", 0)


@pytest.mark.parametrize("last_words", [b"", GREETING[:20], GREETING + command(b"ERROR", b"\x03400")])
def test_a_peer_that_leaves_is_an_error_and_not_a_hang(last_words: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(last_words)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="the peer closed the connection"):
            ask(ours, Connection(SocketType.REQ), b"hello")
