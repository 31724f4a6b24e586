"""Ports at which no program listens."""

import contextlib
import os
import socket

_ports = iter(range(20000 + os.getpid() % 8000, 32768))


def free_port() -> int:
    """A free TCP port, for a server that is started later or never.

    It isn't a port that the kernel chooses (":*"), because the kernel takes those from the ephemeral range: the next
    program that asks may get the same one, and clients dial *from* such ports. A client that keeps dialling an unused
    ephemeral port sooner or later dials from that port, and then TCP connects it to itself. These ports are below that
    range, and each is used once.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port below the ephemeral range")
