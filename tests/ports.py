"""Ports at which no program listens."""

import contextlib
import socket
from collections.abc import Iterator

BLOCK = 400


def free_port() -> int:
    """A free TCP port, for a server that is started later or never.

    It isn't a port that the kernel chooses, because the kernel takes those from the ephemeral range: the next program
    that asks may get the same one, and clients dial *from* such ports. A client that keeps dialling an unused ephemeral
    port sooner or later dials from that port, and then TCP connects it to itself. These ports are below that range, and
    each is used once.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port below the ephemeral range")


def _ports_of_this_process() -> Iterator[int]:
    """Blocks of ports, each for one process of tests at a time: while it lives, the block's first UDP port is bound."""
    for first in range(20000, 32768 - BLOCK, BLOCK):
        with socket.socket(type=socket.SOCK_DGRAM) as mark, contextlib.suppress(OSError):
            mark.bind(("127.0.0.1", first))
            mark.detach()
            yield from range(first, first + BLOCK)


_ports = _ports_of_this_process()
next(_ports)  # binds now, because some tests count open files
